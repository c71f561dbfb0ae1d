//! The formats for people.

use std::io::Write;

use client::{Column, CqlType, Row, Value};
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ContentArrangement, ContentLineStyle, LineStyle, Table,
    TableStyle,
};
use nu_ansi_term::{Color as Ink, Style};

use super::{Layout, Unprintable};

/// Names over a rule over rows, as in every CQL shell.
const STYLE: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none().junction('|'))
    .header_separator(LineStyle::none().fill('-').junction('+'))
    .content_lines(ContentLineStyle::none().junction('|'));

/// A table as wide as its contents; on a terminal too narrow for it, one column a line instead.
pub(super) fn table(
    out: &mut dyn Write,
    columns: &[Column],
    rows: &[Row],
    before: u64,
    layout: Layout,
) -> Result<(), Unprintable> {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
    if layout.colors {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let names = columns.iter().map(|column| {
        let cell = Cell::new(visible(&column.name));
        if layout.colors { cell.fg(Color::Cyan).add_attribute(Attribute::Bold) } else { cell }
    });
    table.set_header(names.collect::<Vec<_>>());
    for row in rows {
        let cells = (0..columns.len()).map(|at| row.value(at).map(|value| cell(value, layout)));
        table.add_row(cells.collect::<Result<Vec<_>, _>>()?);
    }
    for (at, column) in columns.iter().enumerate() {
        if is_number(column)
            && let Some(column) = table.column_mut(at)
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<String> = table.lines().collect();
    // The rule under the names is plain, and as wide as the table.
    let width = lines.get(1).map_or(0, |rule| rule.chars().count());
    if layout.width.is_some_and(|limit| limit < width) {
        return vertical(out, columns, rows, before, layout);
    }
    for line in lines {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn cell(value: Option<Value>, layout: Layout) -> Cell {
    match value {
        Some(value) => Cell::new(visible(&value.to_string())),
        None if layout.colors => Cell::new("null").add_attribute(Attribute::Dim),
        None => Cell::new("null"),
    }
}

/// A block for each row, a line for each column.
pub(super) fn vertical(
    out: &mut dyn Write,
    columns: &[Column],
    rows: &[Row],
    before: u64,
    layout: Layout,
) -> Result<(), Unprintable> {
    let names: Vec<String> = columns.iter().map(|column| visible(&column.name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let paint = |style: Style, text: String| {
        if layout.colors { style.paint(text).to_string() } else { text }
    };
    for (index, row) in rows.iter().enumerate() {
        let number = before + index as u64 + 1;
        writeln!(out, "{}", paint(Style::new().bold(), format!("@ Row {number}")))?;
        for (at, name) in names.iter().enumerate() {
            let text = match row.value(at)? {
                Some(value) => visible(&value.to_string()),
                None => paint(Style::new().dimmed(), "null".to_owned()),
            };
            let name = paint(Ink::Cyan.bold(), format!("{name:width$}"));
            writeln!(out, "{}", format!(" {name} | {text}").trim_end())?;
        }
    }
    Ok(())
}

/// Numbers stand to the right.
fn is_number(column: &Column) -> bool {
    column.kind().is_some_and(CqlType::is_number)
}

/// Control characters as escapes: what is stored must not steer the terminal.
fn visible(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| match c {
            '\n' | '\r' | '\t' => c.escape_default().collect::<Vec<_>>(),
            c if c.is_control() => c.escape_unicode().collect(),
            c => vec![c],
        })
        .collect()
}
