//! The table, and the same as JSON lines.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use serde_json::json;

use super::args::{Args, EngineName};
use super::measure::{Better, Measure};
use super::meter;
use super::parent::{Run, engines};

/// All runs on one number of rows.
pub(super) struct Report<'a> {
    args: &'a Args,
    runs: Vec<Run>,
}

impl<'a> Report<'a> {
    pub(super) fn new(args: &'a Args, runs: Vec<Run>) -> Report<'a> {
        Report { args, runs }
    }

    fn measures(&self) -> BTreeSet<Measure> {
        self.runs.iter().flat_map(|it| it.figures.keys().map(|it| it.0)).collect()
    }

    /// The run that counts: the one in which helenus compares worst with RocksDB or, without it, is worst.
    fn worst(&self, measure: Measure) -> Option<&Run> {
        let standing = |run: &Run| {
            let value = run.value(measure, EngineName::Helenus)?;
            let ratio = run.ratio(measure, EngineName::Helenus).unwrap_or(value);
            Some(match measure.better() {
                Better::High => ratio,
                Better::Low => -ratio,
            })
        };
        // Where a figure is no number, no run is better than another.
        let compared = |a: &Run, b: &Run| standing(a).partial_cmp(&standing(b));
        self.runs.iter().min_by(|a, b| compared(a, b).unwrap_or(std::cmp::Ordering::Equal))
    }

    /// The figures that count of `measure`, in the order of the engines.
    fn cells(&self, measure: Measure) -> Vec<String> {
        let Some(run) = self.worst(measure) else { return Vec::new() };
        let cell = |engine| {
            let value = run.value(measure, engine);
            let ratio = run.ratio(measure, engine).filter(|_| engine != EngineName::RocksDb);
            match (value, ratio) {
                (None, _) => "-".to_string(),
                (Some(value), None) => number(value),
                (Some(value), Some(ratio)) => format!("{} ({}x)", number(value), number(ratio)),
            }
        };
        engines(self.args).into_iter().map(cell).collect()
    }

    /// What helenus must reach, and whether it does.
    fn goal(&self, measure: Measure) -> String {
        let Some(goal) = measure.goal(self.args.workload) else { return String::new() };
        let run = self.worst(measure);
        let value = |engine| run.and_then(|it| it.value(measure, engine));
        let Some(ours) = value(EngineName::Helenus) else { return goal.to_string() };
        match goal.is_met(ours, value(EngineName::RocksDb)) {
            Some(true) => format!("{goal}: met"),
            Some(false) => format!("{goal}: **missed**"),
            None => goal.to_string(),
        }
    }

    /// What was run, without a date: two runs of one setting print the same but for the load.
    fn setting(&self) -> String {
        let Args { workload, cache, seed, time, compression, ttl, .. } = self.args;
        let rows = self.runs.first().map_or(0, |it| it.rows);
        let loads: Vec<String> =
            self.runs.iter().map(|it| format!("{} → {}", it.load.0, it.load.1)).collect();
        format!(
            "{workload:?}: {rows} rows (+ 5 % overwrites, 5 % deletes, 2 % late), seed {seed}, cache {cache} MiB, memtables \
             64 MiB, helenus with {}{}, {} s a measure, {} run(s), {}\nload average before and after: {}\n",
            compression.name(),
            if *ttl > 0 { format!(" and a TTL of {ttl} s") } else { String::new() },
            time.as_secs_f64(),
            self.runs.len(),
            meter::processors(),
            loads.join("; "),
        )
    }

    /// One object for the setting, then one for each figure of each run.
    pub(super) fn json_lines(&self) -> String {
        let Args { workload, cache, seed, time, compression, ttl, .. } = self.args;
        let mut lines = String::new();
        for (at, run) in self.runs.iter().enumerate() {
            let setting = json!({
                "workload": workload, "rows": run.rows, "run": at, "seed": seed, "cache_mib": cache, "compression": compression, "ttl": ttl,
                "seconds": time.as_secs_f64(), "processors": meter::processors(),
                "load_before": run.load.0, "load_after": run.load.1,
            });
            // Writing into a string cannot fail.
            let _infallible = writeln!(lines, "{}", json!({ "setting": setting }));
            for ((measure, engine), value) in &run.figures {
                let figure = json!({
                    "workload": workload, "rows": run.rows, "run": at, "engine": engine,
                    "measure": measure, "unit": measure.unit(), "value": value,
                    "ratio": run.ratio(*measure, *engine),
                });
                let _infallible = writeln!(lines, "{figure}");
            }
        }
        lines
    }

    /// How the figures of `self` have grown since `small`.
    pub(super) fn growth(&self, small: &Report<'_>) -> String {
        let rows = |report: &Report<'_>| report.runs.first().map_or(0, |it| it.rows);
        let engines = engines(self.args);
        let mut header = vec!["growth".to_string(), "unit".to_string()];
        header.extend(engines.iter().map(|it| it.name().to_string()));
        let mut table = vec![header];
        for measure in self.measures() {
            let Some((now, then)) = self.worst(measure).zip(small.worst(measure)) else { continue };
            let cell = |engine: &EngineName| {
                let now = now.value(measure, *engine);
                let Some((now, then)) = now.zip(then.value(measure, *engine)) else {
                    return "-".to_string();
                };
                format!("{} → {} ({}x)", number(then), number(now), number(now / then))
            };
            let mut line = vec![measure.label().to_string(), measure.unit().to_string()];
            line.extend(engines.iter().map(cell));
            table.push(line);
        }
        format!("\nfrom {} rows to {} rows\n\n{}", rows(small), rows(self), aligned(&table))
    }
}

impl Run {
    fn value(&self, measure: Measure, engine: EngineName) -> Option<f64> {
        self.figures.get(&(measure, engine)).copied()
    }

    /// To what RocksDB has in the same run.
    fn ratio(&self, measure: Measure, engine: EngineName) -> Option<f64> {
        let rocksdb = self.value(measure, EngineName::RocksDb)?;
        Some(self.value(measure, engine)? / rocksdb).filter(|it| it.is_finite())
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut header = vec!["measure".to_string(), "unit".to_string()];
        header.extend(engines(self.args).iter().map(|it| it.name().to_string()));
        header.push("must".to_string());
        let mut table = vec![header];
        for measure in self.measures() {
            let mut line = vec![measure.label().to_string(), measure.unit().to_string()];
            line.extend(self.cells(measure));
            line.push(self.goal(measure));
            table.push(line);
        }
        write!(out, "{}\n{}", self.setting(), aligned(&table))
    }
}

/// A Markdown table whose columns line up.
fn aligned(table: &[Vec<String>]) -> String {
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let length = |line: &Vec<String>, at: usize| line.get(at).map_or(0, |it| it.chars().count());
    let width = |at| table.iter().map(|it| length(it, at)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |cells: &Vec<String>| {
        let cell = |(at, width): (usize, &usize)| {
            let text = cells.get(at).map_or("", String::as_str);
            format!(" {text:<width$} |")
        };
        format!("|{}\n", widths.iter().enumerate().map(cell).collect::<String>())
    };
    let mut text = table.first().map(&line).unwrap_or_default();
    let rule: String = widths.iter().map(|it| format!("{}|", "-".repeat(it + 2))).collect();
    text.push_str(&format!("|{rule}\n"));
    text.extend(table.iter().skip(1).map(line));
    text
}

/// Three digits that count.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1e6 {
        format!("{:.2} M", value / 1e6)
    } else if size >= 1e4 {
        format!("{:.0} k", value / 1e3)
    } else if size >= 100.0 || value == 0.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}
