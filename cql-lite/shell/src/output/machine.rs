//! The formats for programs: an interface, which does not change.

use std::io::Write;

use client::{Column, Row};

use super::Unprintable;

/// What distinguishes the delimited formats.
pub(super) struct Delimited {
    delimiter: char,
    /// Whether a field that needs it is put into quotes, with quotes doubled; otherwise a
    /// leading quote gets a backslash.
    quotes: bool,
}

pub(super) const CSV: Delimited = Delimited { delimiter: ',', quotes: true };

pub(super) const TSV: Delimited = Delimited { delimiter: '\t', quotes: false };

/// A header line, then a line for each row. Null is an empty field, an empty string `""`; tab,
/// newline, carriage return and backslash are escaped, so that a row is a line.
pub(super) fn delimited(
    out: &mut dyn Write,
    style: &Delimited,
    columns: &[Column],
    rows: &[Row],
    header: bool,
) -> Result<(), Unprintable> {
    let mut line = String::new();
    if header {
        let names = columns.iter().map(|column| Some(column.name.clone()));
        end_line(&mut line, style, names);
        out.write_all(line.as_bytes())?;
    }
    for row in rows {
        line.clear();
        let cells = (0..columns.len()).map(|at| row.value(at));
        let cells = cells.collect::<Result<Vec<_>, _>>()?;
        let texts = cells.into_iter().map(|cell| cell.map(|value| value.to_string()));
        end_line(&mut line, style, texts);
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

fn end_line(line: &mut String, style: &Delimited, fields: impl Iterator<Item = Option<String>>) {
    for (at, text) in fields.enumerate() {
        if at != 0 {
            line.push(style.delimiter);
        }
        if let Some(text) = text {
            field(line, style, &text);
        }
    }
    line.push('\n');
}

fn field(line: &mut String, style: &Delimited, text: &str) {
    if text.is_empty() {
        return line.push_str("\"\"");
    }
    let quote = style.quotes && text.contains([style.delimiter, '"']);
    if quote {
        line.push('"');
    }
    for (at, c) in text.char_indices() {
        match c {
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '"' if quote => line.push_str("\"\""),
            // So that the string `""` is not taken for the empty one.
            '"' if at == 0 => line.push_str("\\\""),
            c => line.push(c),
        }
    }
    if quote {
        line.push('"');
    }
}

/// How objects follow each other.
#[derive(Clone, Copy)]
pub(super) enum Objects {
    /// As elements of an array, of which so many came before.
    Array { before: u64 },
    /// One a line.
    Lines,
}

/// An object for each row, in the order of columns.
pub(super) fn objects(
    out: &mut dyn Write,
    columns: &[Column],
    rows: &[Row],
    style: Objects,
) -> Result<(), Unprintable> {
    let names: Vec<String> = columns
        .iter()
        .map(|column| serde_json::Value::from(column.name.as_str()).to_string())
        .collect();
    for (index, row) in rows.iter().enumerate() {
        let mut text = match style {
            Objects::Array { before: 0 } if index == 0 => "\n{".to_owned(),
            Objects::Array { .. } => ",\n{".to_owned(),
            Objects::Lines => "{".to_owned(),
        };
        for (at, name) in names.iter().enumerate() {
            let value = row.value(at)?.map_or_else(|| "null".to_owned(), |value| value.to_json());
            let comma = if at == 0 { "" } else { "," };
            text.push_str(&format!("{comma}{name}:{value}"));
        }
        text.push('}');
        if matches!(style, Objects::Lines) {
            text.push('\n');
        }
        out.write_all(text.as_bytes())?;
    }
    Ok(())
}
