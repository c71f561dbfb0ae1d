//! Fields between delimiters, as RFC 4180 has them; what is not in quotes may be null.

use super::statement::Style;

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Null,
    Text(String),
}

/// A line of fields, its newline included.
pub(super) fn line<'f>(fields: impl Iterator<Item = Option<&'f str>>, style: &Style) -> String {
    let mut line = String::new();
    for (at, field) in fields.enumerate() {
        if at != 0 {
            line.push(char::from(style.delimiter));
        }
        write(&mut line, style, field, at == 0);
    }
    line.push('\n');
    line
}

/// Appends a field. Whatever could be read otherwise is put into quotes.
pub(super) fn write(line: &mut String, style: &Style, field: Option<&str>, is_first: bool) {
    let Some(text) = field else { return line.push_str(&style.null) };
    let delimiter = char::from(style.delimiter);
    let special = |c: char| c == delimiter || matches!(c, '"' | '\n' | '\r');
    // At the beginning of a line, a comment or a mark of the encoding could be seen.
    let odd = is_first && text.starts_with(['#', '\u{feff}']);
    let comment = style.comment.is_some_and(|it| is_first && text.as_bytes().first() == Some(&it));
    if text != style.null && !text.is_empty() && !odd && !comment && !text.contains(special) {
        return line.push_str(text);
    }
    line.push('"');
    if text.contains('"') {
        line.push_str(&text.replace('"', "\"\""));
    } else {
        line.push_str(text);
    }
    line.push('"');
}

/// Finds the end of a row, which newlines in quotes do not end.
pub(super) struct Scanner {
    delimiter: u8,
    at: At,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Bare,
    Quoted,
    /// Behind a quote in quotes: the end, or a doubled one.
    Quote,
}

impl Scanner {
    pub(super) fn new(delimiter: u8) -> Scanner {
        Scanner { delimiter, at: At::Start }
    }

    /// Goes over the next line of a row, its newline included. Whether the row ends with it.
    pub(super) fn ends(&mut self, line: &[u8]) -> bool {
        for byte in line {
            self.at = match (self.at, *byte) {
                (At::Start, b'"') => At::Quoted,
                (At::Quoted, b'"') => At::Quote,
                (At::Quote, b'"') | (At::Quoted, _) => At::Quoted,
                (At::Start | At::Bare | At::Quote, byte) if byte == self.delimiter => At::Start,
                (At::Start | At::Bare | At::Quote, _) => At::Bare,
            };
        }
        self.at != At::Quoted
    }
}

/// The fields of a row, its newline gone.
pub(super) fn fields(row: &str, style: &Style) -> Result<Vec<Field>, String> {
    let delimiter = char::from(style.delimiter);
    let mut fields = Vec::new();
    let mut rest = row;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(inner) => quoted(inner, fields.len())?,
            None => {
                let (text, after) = rest.split_at(rest.find(delimiter).unwrap_or(rest.len()));
                let null = text == style.null;
                (if null { Field::Null } else { Field::Text(text.to_owned()) }, after)
            }
        };
        fields.push(field);
        match after.strip_prefix(delimiter) {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => {
                let number = fields.len();
                return Err(format!("field {number} goes on behind its closing quote"));
            }
        }
    }
}

/// What is in quotes, and what comes behind.
fn quoted(text: &str, before: usize) -> Result<(Field, &str), String> {
    let mut inner = String::new();
    let mut rest = text;
    loop {
        let open = || format!("the quote of field {} is not closed", before + 1);
        let end = rest.find('"').ok_or_else(open)?;
        inner.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                inner.push('"');
                rest = after;
            }
            None => return Ok((Field::Text(inner), rest)),
        }
    }
}
