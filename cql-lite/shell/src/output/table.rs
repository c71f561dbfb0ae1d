//! The formats for people.

use std::io::Write;

use client::{Column, Row, Value};
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, ContentLineStyle,
    LineStyle, Table, TableStyle, Width,
};
use nu_ansi_term::{Color as Ink, Style};

use super::{Layout, Unprintable};

/// Lines above the rows: the names and the rule.
const HEAD_LINES: usize = 2;

/// Blanks on both sides of a cell.
const PADDING: u16 = 2;

/// Names over a rule over rows, as in every CQL shell.
const STYLE: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none().junction('|'))
    .header_separator(LineStyle::none().fill('-').junction('+'))
    .content_lines(ContentLineStyle::none().junction('|'));

/// A page of a table.
pub(super) struct Page<'p> {
    pub(super) columns: &'p [Column],
    pub(super) rows: &'p [Row],
    pub(super) layout: Layout,
    /// Whether names come above its rows.
    pub(super) first: bool,
}

/// Whether a table can be shown.
pub(super) enum Fit {
    Fits,
    /// Nothing was printed: the terminal is too narrow.
    TooWide,
}

impl Page<'_> {
    /// As wide as its contents and what came before. What a first page is decides for all: only
    /// that can be too wide.
    pub(super) fn print(
        &self,
        out: &mut dyn Write,
        widths: &mut Vec<u16>,
    ) -> Result<Fit, Unprintable> {
        let Page { columns, rows, layout, first } = *self;
        let names = columns.iter().map(|column| (column.name.as_str(), is_number(column)));
        let mut table = empty(names, layout);
        for row in rows {
            let cells = (0..columns.len()).map(|at| row.value(at).map(|value| cell(value, layout)));
            table.add_row(cells.collect::<Result<Vec<_>, _>>()?);
        }
        widths.resize(columns.len(), 0);
        for ((at, content), width) in
            table.column_max_content_widths().into_iter().enumerate().zip(widths.iter_mut())
        {
            *width = content.max(*width);
            if let Some(column) = table.column_mut(at) {
                let whole = Width::Fixed(width.saturating_add(PADDING));
                column.set_constraint(ColumnConstraint::LowerBoundary(whole));
            }
        }
        let lines: Vec<String> = table.lines().collect();
        // The rule under the names is plain, and as wide as the table.
        let width = lines.get(1).map_or(0, |rule| rule.chars().count());
        if first && layout.width.is_some_and(|limit| limit < width) {
            return Ok(Fit::TooWide);
        }
        for line in lines.iter().skip(if first { 0 } else { HEAD_LINES }) {
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(Fit::Fits)
    }
}

/// A table without rows; of each column its name, and whether numbers are in it: these stand to
/// the right.
pub(super) fn empty<'n>(columns: impl Iterator<Item = (&'n str, bool)>, layout: Layout) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
    if layout.colors {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let (mut names, mut numbers) = (Vec::new(), Vec::new());
    for (at, (name, is_number)) in columns.enumerate() {
        let cell = Cell::new(visible(name));
        names.push(if layout.colors {
            cell.fg(Color::Cyan).add_attribute(Attribute::Bold)
        } else {
            cell
        });
        numbers.extend(is_number.then_some(at));
    }
    table.set_header(names);
    for at in numbers {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
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

fn is_number(column: &Column) -> bool {
    column.kind().is_some_and(|it| it.is_number())
}

/// Control characters as escapes: what is stored must not steer the terminal.
pub(super) fn visible(text: &str) -> String {
    let steers = |c: char| c.is_control() || turns(c);
    if !text.contains(steers) {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| match c {
            '\n' | '\r' | '\t' => c.escape_default().collect::<Vec<_>>(),
            c if steers(c) => c.escape_unicode().collect(),
            c => vec![c],
        })
        .collect()
}

/// Whether it turns the direction of what follows, which could pass for something else then.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
