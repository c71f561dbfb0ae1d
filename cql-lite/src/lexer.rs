//! Text to tokens, one at a time.
//!
//! Never fails: what is no token becomes a `Bad` one, and the parser says so when it gets there.

use crate::scan;
use crate::span::Span;
use crate::value::duration;

/// The smallest unit the parser sees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'s> {
    pub(crate) kind: Kind,
    /// As written, quotes and all.
    pub(crate) text: &'s str,
    pub(crate) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword or an unquoted name.
    Word,
    /// `"…"`
    QuotedName,
    /// `'…'`
    Text,
    /// `$$…$$`
    Dollars,
    Integer,
    Decimal,
    /// Numbers with units.
    Duration,
    Uuid,
    /// `0x…`
    Blob,
    /// Punctuation of one or two characters.
    Symbol,
    /// Not a token.
    Bad(Bad),
    /// Behind the last token.
    End,
}

impl Kind {
    /// Whether it is a constant by its form alone; `true` and `NaN` are words.
    pub(crate) fn is_constant(self) -> bool {
        match self {
            Kind::Text
            | Kind::Dollars
            | Kind::Integer
            | Kind::Decimal
            | Kind::Duration
            | Kind::Uuid
            | Kind::Blob => true,
            Kind::Word | Kind::QuotedName | Kind::Symbol | Kind::Bad(_) | Kind::End => false,
        }
    }
}

/// Why something is not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    UnclosedText,
    UnclosedName,
    UnclosedComment,
    EmptyName,
    /// A number that runs into a word.
    Number,
    /// An odd number of digits, or something else behind `0x`.
    Blob,
    /// Digits and hyphens that are nearly one.
    Uuid,
    /// A character that begins no token.
    Character,
}

/// Reads the tokens of a statement. Copy it to look ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Self { source, at: 0 }
    }

    /// The next token; at the end `End`, again and again.
    pub(crate) fn next(&mut self) -> Token<'s> {
        while let Some(piece) = scan::piece(&self.source[self.at..]) {
            let kind = match piece.kind {
                scan::Kind::Blank => None,
                scan::Kind::Comment if piece.closed => None,
                scan::Kind::Comment => Some(Kind::Bad(Bad::UnclosedComment)),
                scan::Kind::Text if piece.closed => Some(Kind::Text),
                scan::Kind::Dollars if piece.closed => Some(Kind::Dollars),
                scan::Kind::Text | scan::Kind::Dollars => Some(Kind::Bad(Bad::UnclosedText)),
                scan::Kind::Name if !piece.closed => Some(Kind::Bad(Bad::UnclosedName)),
                scan::Kind::Name if piece.len == 2 => Some(Kind::Bad(Bad::EmptyName)),
                scan::Kind::Name => Some(Kind::QuotedName),
                scan::Kind::Semicolon => Some(Kind::Symbol),
                scan::Kind::Other => {
                    let (kind, len) = other(&self.source[self.at..]);
                    return self.token(kind, len);
                }
            };
            match kind {
                Some(kind) => return self.token(kind, piece.len),
                None => self.at += piece.len,
            }
        }
        self.token(Kind::End, 0)
    }

    fn token(&mut self, kind: Kind, len: usize) -> Token<'s> {
        let span = Span::new(self.at, self.at + len);
        self.at = span.end;
        Token { kind, text: &self.source[span.start..span.end], span }
    }
}

/// The first token of `text`, which begins with neither blank, comment nor quote.
fn other(text: &str) -> (Kind, usize) {
    if let Some(len) = uuid_len(text) {
        return (Kind::Uuid, len);
    }
    if let Some(len) = nearly_uuid_len(text) {
        return (Kind::Bad(Bad::Uuid), len);
    }
    let bytes = text.as_bytes();
    if let Some(len) = duration::len(text) {
        return (Kind::Duration, len);
    }
    if bytes[0].is_ascii_alphabetic() {
        return (Kind::Word, word_len(text));
    }
    if bytes[0].is_ascii_digit() {
        return number(text);
    }
    if ["<=", ">=", "!=", "+=", "-=", ".."].iter().any(|two| text.starts_with(two)) {
        return (Kind::Symbol, 2);
    }
    if b"()[]{},.=<>*?:+-/%".contains(&bytes[0]) {
        return (Kind::Symbol, 1);
    }
    (Kind::Bad(Bad::Character), text.chars().next().map_or(0, char::len_utf8))
}

fn number(text: &str) -> (Kind, usize) {
    if text.starts_with("0x") || text.starts_with("0X") {
        let len = word_len(text);
        let digits = &text[2..len];
        let sound = digits.len().is_multiple_of(2) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        return (if sound { Kind::Blob } else { Kind::Bad(Bad::Blob) }, len);
    }
    let mut len = digits_len(text);
    let mut kind = Kind::Integer;
    // `1..3` is a slice from 1.
    if text[len..].starts_with('.') && !text[len..].starts_with("..") {
        len += 1 + digits_len(&text[len + 1..]);
        kind = Kind::Decimal;
    }
    if let Some(rest) = text[len..].strip_prefix(['e', 'E']) {
        let sign = usize::from(rest.starts_with(['+', '-']));
        let digits = digits_len(&rest[sign..]);
        if digits > 0 {
            len += 1 + sign + digits;
            kind = Kind::Decimal;
        }
    }
    match word_len(&text[len..]) {
        0 => (kind, len),
        more => (Kind::Bad(Bad::Number), len + more),
    }
}

/// The length of a UUID at the start of `text`.
fn uuid_len(text: &str) -> Option<usize> {
    const LEN: usize = 36;
    let head = text.as_bytes().get(..LEN)?;
    let sound = head.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    (sound && word_len(&text[LEN..]) == 0).then_some(LEN)
}

/// The length of what was meant as a UUID at the start of `text`, and is none.
fn nearly_uuid_len(text: &str) -> Option<usize> {
    const DIGITS_MIN: usize = 26;
    const LEN_MAX: usize = 64;
    let len =
        text.bytes().take(LEN_MAX).take_while(|b| b.is_ascii_alphanumeric() || *b == b'-').count();
    if len < DIGITS_MIN {
        return None;
    }
    let digits = text[..len].bytes().filter(u8::is_ascii_hexdigit).count();
    let parts: Vec<&str> = text[..len].split('-').collect();
    let looks = parts.len() == 5 && digits >= DIGITS_MIN && parts.iter().all(|p| !p.is_empty());
    looks.then_some(len)
}

fn word_len(text: &str) -> usize {
    text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count()
}

fn digits_len(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}
