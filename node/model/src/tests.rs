//! Runs the scripts of `goldens/`: what was written to replicas, and what a merge makes of it.
//!
//! Microseconds and seconds are the same small numbers here: what is written at 5 is deleted, or
//! begins to expire, in second 5.

use std::{collections::BTreeMap, error::Error, fmt::Write as _, path::Path};

use bytes::Bytes;
use goldenscript::{ArgumentConsumer, Context};
use test_each_file::test_each_path;

use crate::{
    Cell, Clustering, ColumnId, Content, Deletion, Liveness, Partition, PartitionKey, Row,
    key::{after, before},
};

test_each_path! { in "./node/model/goldens/merge" as merge => run }

fn run(path: &Path) {
    goldenscript::run(&mut Script::default(), path).expect("golden");
}

/// What each replica holds, by its name: the prefix of a command.
#[derive(Default)]
struct Script {
    replicas: BTreeMap<String, Partition>,
}

impl goldenscript::Runner for Script {
    type Command = goldenscript::Command;

    fn start_block(&mut self, _: &goldenscript::Block) -> Result<String, Box<dyn Error>> {
        self.replicas.clear();
        Ok(String::new())
    }

    /// `a: insert 1 v=x w=y at=5 ttl=10`, `update`, `static v=x at=5`, `delete 1 [v] at=5`,
    /// `delete_range 1 3 at=5` (both ends included), `delete_partition at=5` write to a replica;
    /// `merge` shows what all agree on, `missing a b` what `b` must tell `a`, `purge now=5
    /// before=5` what a compaction leaves of the merge, `read now=5` what a reader sees of it.
    fn run(
        &mut self,
        command: &goldenscript::Command,
        context: &Context,
    ) -> Result<String, Box<dyn Error>> {
        let mut args = command.consume_args();
        let output = match command.name.as_str() {
            "merge" => show(&self.merged()),
            "missing" => {
                let mut name =
                    || args.next_pos().and_then(|it| self.replicas.get(it)).ok_or("who?");
                let (ours, newer) = (name()?, name()?);
                ours.missing_from(newer).map_or("nothing\n".to_owned(), |it| show(&it))
            }
            "purge" => {
                let mut merged = self.merged();
                let (now, before) = (number(&mut args, "now")?, number(&mut args, "before")?);
                merged.purge(now, before, i64::MAX);
                show(&merged)
            }
            "read" => read(&self.merged(), number(&mut args, "now")?),
            write => {
                let replica = context.prefix.clone().ok_or("whose?")?;
                self.replicas
                    .entry(replica)
                    .or_insert_with(empty)
                    .merge(written(write, &mut args)?);
                String::new()
            }
        };
        args.reject_next()?;
        Ok(output)
    }
}

impl Script {
    fn merged(&self) -> Partition {
        let merge = |mut left: Partition, right: &Partition| {
            left.merge(right.clone());
            left
        };
        let merged = self.replicas.values().fold(empty(), merge);
        assert_eq!(merged, self.replicas.values().rev().fold(empty(), merge));
        merged
    }
}

fn empty() -> Partition {
    Partition::empty(PartitionKey::new(Bytes::from_static(b"key")))
}

/// What one command writes.
fn written(verb: &str, args: &mut ArgumentConsumer<'_>) -> Result<Partition, Box<dyn Error>> {
    let timestamp = number(args, "at")?;
    let ttl = args.take_key("ttl").map(str::parse::<u32>).transpose()?;
    let deletion = Deletion { timestamp, deleted_at: timestamp };
    let mut partition = empty();
    match verb {
        "delete_partition" => partition.delete(deletion),
        "delete_range" => {
            let (start, end) = (clustering(args)?, clustering(args)?);
            partition.delete_range(before(&start.0), after(&end.0), deletion);
        }
        "delete" => {
            let clustering = clustering(args)?;
            let mut row = Row::default();
            match args.next_pos() {
                Some(name) => {
                    let content = Content::Dead { deleted_at: timestamp };
                    row.put(column(name)?, Cell { timestamp, content });
                }
                None => row.deletion = Some(deletion),
            }
            partition.put_row(clustering, row);
        }
        "static" => partition.put_static(values(args, timestamp, ttl)?),
        "update" => {
            let clustering = clustering(args)?;
            partition.put_row(clustering, values(args, timestamp, ttl)?);
        }
        "insert" => {
            let clustering = clustering(args)?;
            let mut row = values(args, timestamp, ttl)?;
            let expiry = ttl.map(|ttl| (ttl, timestamp + i64::from(ttl)));
            row.liveness = Some(Liveness { timestamp, expiry });
            partition.put_row(clustering, row);
        }
        unknown => return Err(format!("unknown command {unknown}").into()),
    }
    Ok(partition)
}

fn values(
    args: &mut ArgumentConsumer<'_>,
    timestamp: i64,
    ttl: Option<u32>,
) -> Result<Row, Box<dyn Error>> {
    let mut row = Row::default();
    while let Some((name, value)) = args.next_key() {
        let value = Bytes::copy_from_slice(value.as_bytes());
        let content = match ttl {
            None => Content::Live { value },
            Some(ttl) => Content::Expiring { value, ttl, expires_at: timestamp + i64::from(ttl) },
        };
        row.put(column(name)?, Cell { timestamp, content });
    }
    Ok(row)
}

fn number(args: &mut ArgumentConsumer<'_>, key: &str) -> Result<i64, Box<dyn Error>> {
    Ok(args.take_key(key).ok_or_else(|| format!("{key}=?"))?.parse()?)
}

fn clustering(args: &mut ArgumentConsumer<'_>) -> Result<Clustering, Box<dyn Error>> {
    Ok(Clustering(vec![args.next_pos().ok_or("which row?")?.parse()?].into()))
}

/// Columns are single letters, and their ids.
fn column(name: &str) -> Result<ColumnId, Box<dyn Error>> {
    Ok(ColumnId(name.parse::<char>()?.into()))
}

fn column_name(column: ColumnId) -> char {
    char::from_u32(column.0).unwrap_or('?')
}

/// All that is known, tombstones included: `value@timestamp`.
fn show(partition: &Partition) -> String {
    let mut out = String::new();
    let mut line = |head: &str, parts: Vec<String>| {
        if !parts.is_empty() {
            writeln!(out, "{head:<10} {}", parts.join(" ")).expect("a string takes all");
        }
    };
    line("partition", partition.deletion.iter().map(show_deletion).collect());
    line("static", show_row(&partition.static_row));
    for (clustering, row) in &partition.rows {
        line(&format!("row {}", clustering.0[0]), show_row(row));
    }
    for it in &partition.range_tombstones {
        let head = format!("range {}-{}", show_bound(&it.start), show_bound(&it.end));
        line(&head, vec![show_deletion(&it.deletion)]);
    }
    if out.is_empty() { "nothing\n".to_owned() } else { out }
}

fn show_row(row: &Row) -> Vec<String> {
    let expiry = |it: Option<i64>| it.map_or(String::new(), |it| format!(" until {it}"));
    let marker = row.liveness.map(|it| {
        format!("marker@{}{}", it.timestamp, expiry(it.expiry.map(|(_, expires_at)| expires_at)))
    });
    let cell = |(id, cell): &(ColumnId, Cell)| {
        let (value, until) = match &cell.content {
            Content::Live { value } => (text(value), String::new()),
            Content::Expiring { value, expires_at, .. } => (text(value), expiry(Some(*expires_at))),
            Content::Dead { deleted_at } => ("deleted".to_owned(), format!(" in {deleted_at}")),
        };
        format!("{}={value}@{}{until}", column_name(*id), cell.timestamp)
    };
    let deletion = row.deletion.iter().map(show_deletion);
    deletion.chain(marker).chain(row.cells.iter().map(cell)).collect()
}

fn show_deletion(deletion: &Deletion) -> String {
    format!("deleted@{} in {}", deletion.timestamp, deletion.deleted_at)
}

/// `3` is before row 3, `3+` after it.
fn show_bound(bound: &Bytes) -> String {
    match bound[..] {
        [] => "start".to_owned(),
        [at] => at.to_string(),
        [at, ..] => format!("{at}+"),
    }
}

fn text(value: &Bytes) -> String {
    String::from_utf8_lossy(value).into_owned()
}

/// What a reader sees at `now`.
fn read(partition: &Partition, now: i64) -> String {
    let values = |row: &Row| {
        let value = |(id, cell): &(ColumnId, Cell)| {
            Some(format!(" {}={}", column_name(*id), text(cell.value(now)?)))
        };
        row.cells.iter().filter_map(value).collect::<String>()
    };
    let mut out = String::new();
    if partition.static_row.has_live_cell(now) {
        out += &format!("static:{}\n", values(&partition.static_row));
    }
    for (clustering, row) in partition.rows.iter().filter(|(_, row)| row.is_live(now)) {
        out += &format!("row {}:{}\n", clustering.0[0], values(row));
    }
    if out.is_empty() { "no rows\n".to_owned() } else { out }
}
