//! Rows as text, page by page as they come.

mod machine;
mod table;
mod trace;

use std::io::{self, Write};

use clap::ValueEnum;
use client::{Column, Error, Row};

pub(crate) use trace::Traced;

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people.
    Table,
    /// One column a line, for wide rows.
    Vertical,
    /// Comma-separated, with a header line.
    Csv,
    /// Tab-separated, with a header line.
    Tsv,
    /// One array of objects.
    Json,
    /// One object a line.
    Jsonl,
}

/// Why rows could not be printed.
pub(crate) enum Unprintable {
    /// The output does not take them.
    Output(io::Error),
    /// They are not what they say they are.
    Rows(Error),
}

impl From<io::Error> for Unprintable {
    fn from(error: io::Error) -> Unprintable {
        Unprintable::Output(error)
    }
}

impl From<Error> for Unprintable {
    fn from(error: Error) -> Unprintable {
        Unprintable::Rows(error)
    }
}

/// What tables must fit into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Columns of the terminal; none where there is no terminal, and no limit.
    pub(crate) width: Option<usize>,
    pub(crate) colors: bool,
}

/// When rows are printed one column a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expand {
    On,
    Off,
    /// Where a table would be wider than the terminal.
    Auto,
}

impl Expand {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Expand::On => "on",
            Expand::Off => "off",
            Expand::Auto => "auto",
        }
    }
}

/// Prints one result.
pub(crate) struct Printer {
    format: Format,
    layout: Layout,
    rows: u64,
    begun: bool,
    /// How wide columns of a table are so far: those of further pages stand below them.
    widths: Vec<u16>,
}

impl Printer {
    pub(crate) fn new(format: Format, layout: Layout) -> Printer {
        Printer { format, layout, rows: 0, begun: false, widths: Vec::new() }
    }

    /// Rows printed so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether there were rows to print, or could have been.
    pub(crate) fn begun(&self) -> bool {
        self.begun
    }

    /// Prints a page. The first one brings the header, even if it has no rows.
    pub(crate) fn page(
        &mut self,
        out: &mut dyn Write,
        columns: &[Column],
        rows: &[Row],
    ) -> Result<(), Unprintable> {
        let first = !self.begun;
        self.begun = true;
        let before = self.rows;
        self.rows += rows.len() as u64;
        match self.format {
            Format::Table => {
                let table = table::Page { columns, rows, layout: self.layout, first };
                match table.print(out, &mut self.widths)? {
                    table::Fit::Fits => Ok(()),
                    table::Fit::TooWide => {
                        self.format = Format::Vertical;
                        table::vertical(out, columns, rows, before, self.layout)
                    }
                }
            }
            Format::Vertical => table::vertical(out, columns, rows, before, self.layout),
            Format::Csv => machine::delimited(out, &machine::CSV, columns, rows, first),
            Format::Tsv => machine::delimited(out, &machine::TSV, columns, rows, first),
            Format::Json => {
                if first {
                    out.write_all(b"[")?;
                }
                machine::objects(out, columns, rows, machine::Objects::Array { before })
            }
            Format::Jsonl => machine::objects(out, columns, rows, machine::Objects::Lines),
        }
    }

    /// Ends the result.
    pub(crate) fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.format == Format::Json && self.begun {
            let end = if self.rows == 0 { "]" } else { "\n]" };
            writeln!(out, "{end}")?;
        }
        out.flush()
    }
}
