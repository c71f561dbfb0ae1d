//! Where strings, quoted names and comments begin and end: the one place that knows, for the
//! lexer and the splitter alike.

/// The first piece of some text.
pub(crate) struct Piece {
    pub(crate) kind: Kind,
    /// Its bytes, at least one.
    pub(crate) len: usize,
    /// False where the text ends before the string, name or comment does.
    pub(crate) closed: bool,
}

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// White space.
    Blank,
    /// `-- …` or `// …` up to the end of the line, or `/* … */`.
    Comment,
    /// `'…'`, a quote inside doubled.
    Text,
    /// `$$…$$`.
    Dollars,
    /// `"…"`, a quote inside doubled.
    Name,
    /// `;`
    Semicolon,
    /// Any other character, alone.
    Other,
}

/// The first piece of `text`; none where it is empty.
pub(crate) fn piece(text: &str) -> Option<Piece> {
    let first = text.chars().next()?;
    let closed = |kind, len| Some(Piece { kind, len, closed: true });
    match first {
        c if c.is_whitespace() => {
            closed(Kind::Blank, text.find(|c: char| !c.is_whitespace()).unwrap_or(text.len()))
        }
        '\'' => Some(quoted(text, Kind::Text, '\'')),
        '"' => Some(quoted(text, Kind::Name, '"')),
        ';' => closed(Kind::Semicolon, 1),
        '$' if text.starts_with("$$") => Some(until(text, Kind::Dollars, "$$")),
        '/' if text.starts_with("/*") => Some(until(text, Kind::Comment, "*/")),
        '-' | '/' if text.starts_with("--") || text.starts_with("//") => {
            closed(Kind::Comment, text.find('\n').unwrap_or(text.len()))
        }
        other => closed(Kind::Other, other.len_utf8()),
    }
}

/// A piece in `quote`s, in which a doubled quote stands for one.
fn quoted(text: &str, kind: Kind, quote: char) -> Piece {
    let mut rest = text[1..].match_indices(quote).map(|(at, _)| at + 1).peekable();
    while let Some(at) = rest.next() {
        if rest.peek() == Some(&(at + 1)) {
            rest.next();
        } else {
            return Piece { kind, len: at + 1, closed: true };
        }
    }
    Piece { kind, len: text.len(), closed: false }
}

/// A piece that two bytes open and `end` closes.
fn until(text: &str, kind: Kind, end: &str) -> Piece {
    match text[2..].find(end) {
        Some(at) => Piece { kind, len: 2 + at + end.len(), closed: true },
        None => Piece { kind, len: text.len(), closed: false },
    }
}
