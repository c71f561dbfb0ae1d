//! What was done for a statement, as two tables: its steps, and what each replica did.

use std::time::Duration;

use client::{Trace, TraceShare};
use comfy_table::{Cell, Table};

use super::{Layout, table};

/// The traces of the pages of one statement: the steps of the first one, and what replicas did
/// for all of them.
#[derive(Default)]
pub(crate) struct Traced {
    first: Option<Trace>,
    pages: u64,
    shares: Vec<TraceShare>,
}

impl Traced {
    /// Takes the trace of one more page.
    pub(crate) fn add(&mut self, trace: &Trace) {
        self.pages += 1;
        for share in &trace.shares {
            let same = |it: &&mut TraceShare| it.node == share.node && it.role == share.role;
            match self.shares.iter_mut().find(same) {
                Some(sum) => add(sum, share),
                None => self.shares.push(share.clone()),
            }
        }
        self.first.get_or_insert_with(|| trace.clone());
    }

    /// Both tables; nothing where nothing was traced.
    pub(crate) fn render(&self, layout: Layout) -> Option<String> {
        let trace = self.first.as_ref()?;
        let mut text = format!("trace {:016x}: {} µs", trace.id, trace.took.as_micros());
        if 1 < self.pages {
            text.push_str(&format!(", the first of {} pages", self.pages));
        }
        text.push_str(&lines(&steps(trace, layout)));
        if 0 < trace.left_out {
            text.push_str(&format!("\n and {} steps more", trace.left_out));
        }
        if !self.shares.is_empty() {
            text.push('\n');
            text.push_str(&lines(&self.shares(layout)));
        }
        Some(text)
    }

    fn shares(&self, layout: Layout) -> Table {
        let names = [
            ("replica", false),
            ("role", false),
            ("asked", true),
            ("failed", true),
            ("µs there", true),
            ("rows", true),
            ("bytes", true),
            ("tombstones", true),
            ("sstables", true),
        ];
        let mut grid = table::empty(names.into_iter(), layout);
        for share in &self.shares {
            let numbers = [
                share.requests,
                share.failures,
                micros(share.took),
                share.rows,
                share.bytes,
                share.tombstones,
                share.sstables,
            ];
            let words = [Cell::new(&share.node), Cell::new(&share.role)];
            grid.add_row(words.into_iter().chain(numbers.map(Cell::new)));
        }
        grid
    }
}

fn steps(trace: &Trace, layout: Layout) -> Table {
    let names = [("µs", true), ("node", false), ("step", false), ("detail", false)];
    let mut grid = table::empty(names.into_iter(), layout);
    for step in &trace.steps {
        let detail = table::visible(&step.detail);
        let after = micros(step.after).to_string();
        grid.add_row([after, step.node.clone(), step.step.clone(), detail]);
    }
    grid.add_row([&micros(trace.took).to_string(), "", "answered the client", ""]);
    grid
}

fn lines(grid: &Table) -> String {
    grid.lines().map(|line| format!("\n{}", line.trim_end())).collect()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn add(sum: &mut TraceShare, share: &TraceShare) {
    sum.requests += share.requests;
    sum.failures += share.failures;
    sum.took += share.took;
    sum.rows += share.rows;
    sum.bytes += share.bytes;
    sum.tombstones += share.tombstones;
    sum.sstables += share.sstables;
}
