//! `helenus snapshot` and `helenus import`: ways back, and data from elsewhere.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use proto::admin;
use serde_json::json;

use super::admin::{Format, Target, call, human_bytes};
use super::{Exit, counted, print};

/// `helenus snapshot`
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// Flush, and keep the tables as they are now: hard links, no copies
    Create(NameArgs),
    /// What snapshots there are, those of TRUNCATE and DROP too
    List(Target),
    /// Make a table on this node what a snapshot holds of it; what is there is kept in another one
    Restore(RestoreArgs),
    /// Remove a snapshot, or what it holds of one table
    Delete(NameArgs),
}

/// `helenus snapshot create` and `delete`
#[derive(Clone, Debug, Args)]
pub(super) struct NameArgs {
    /// Letters, digits, `-` and `_`
    name: String,
    /// KEYSPACE, or KEYSPACE.TABLE; without it, everything
    table: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// `helenus snapshot restore`
#[derive(Clone, Debug, Args)]
pub(super) struct RestoreArgs {
    /// As `snapshot list` shows it
    name: String,
    /// KEYSPACE.TABLE
    table: String,
    /// Take partitions of other nodes too
    #[arg(long)]
    all_tokens: bool,
    #[command(flatten)]
    target: Target,
}

/// `helenus import`
#[derive(Clone, Debug, Args)]
pub(super) struct ImportArgs {
    /// KEYSPACE.TABLE
    table: String,
    /// Sstables, or folders with sstables of one table, on the machine of the node
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Take partitions of other nodes too
    #[arg(long)]
    all_tokens: bool,
    #[command(flatten)]
    target: Target,
}

/// Runs one.
pub(super) fn run(command: Command) -> Exit {
    match command {
        Command::Create(args) => create(args),
        Command::List(target) => list(&target),
        Command::Restore(args) => restore(args),
        Command::Delete(args) => delete(args),
    }
}

fn create(args: NameArgs) -> Exit {
    let request = args.request();
    let answer = call(&args.target, |mut it| async move { it.snapshot_create(request).await });
    match answer {
        Ok(answer) => {
            print_snapshots(&answer, args.target.format());
            Exit::Done
        }
        Err(failure) => failure.report(&args.target),
    }
}

fn list(target: &Target) -> Exit {
    let request = admin::SnapshotListRequest {};
    match call(target, |mut it| async move { it.snapshot_list(request).await }) {
        Ok(answer) => {
            print_snapshots(&answer, target.format());
            Exit::Done
        }
        Err(failure) => failure.report(target),
    }
}

fn restore(args: RestoreArgs) -> Exit {
    let Some((keyspace, table)) = args.table.split_once('.') else { return unnamed() };
    let request = admin::SnapshotRestoreRequest {
        name: args.name.clone(),
        keyspace: keyspace.into(),
        table: table.into(),
        all_tokens: args.all_tokens,
    };
    let answer = call(&args.target, |mut it| async move { it.snapshot_restore(request).await });
    let it = match answer {
        Ok(answer) => answer,
        Err(failure) => return failure.report(&args.target),
    };
    match args.target.format() {
        Format::Text => {
            print(format!(
                "restored {} from {}: {} ({} linked, {} written again), {} in {}",
                args.table,
                args.name,
                counted(it.files, "sstable"),
                it.linked,
                it.files - it.linked,
                counted(it.rows, "row"),
                counted(it.partitions, "partition")
            ));
            if !it.kept.is_empty() {
                print(format!("what was there is kept as {}", it.kept));
            }
            print("on this node only: restore on every node that holds the table");
        }
        Format::Json => print(
            json!({
                "table": args.table, "name": args.name, "files": it.files, "linked": it.linked,
                "partitions": it.partitions, "rows": it.rows, "kept": it.kept,
            })
            .to_string(),
        ),
    }
    Exit::Done
}

fn delete(args: NameArgs) -> Exit {
    if args.table.as_ref().is_some_and(|it| !it.contains('.')) {
        return unnamed();
    }
    let request = args.request();
    match call(&args.target, |mut it| async move { it.snapshot_delete(request).await }) {
        Ok(it) => {
            match args.target.format() {
                Format::Text => print(format!(
                    "deleted {}: {}, {}",
                    args.name,
                    counted(it.tables, "table"),
                    counted(it.files, "sstable")
                )),
                Format::Json => print(
                    json!({"name": args.name, "tables": it.tables, "files": it.files}).to_string(),
                ),
            }
            Exit::Done
        }
        Err(failure) => failure.report(&args.target),
    }
}

/// `helenus import`
pub(super) fn import(args: ImportArgs) -> Exit {
    let Some((keyspace, table)) = args.table.split_once('.') else { return unnamed() };
    let mut paths = Vec::new();
    for path in &args.paths {
        // The node has another working directory.
        match std::path::absolute(path).map(|it| it.into_os_string().into_string()) {
            Ok(Ok(path)) => paths.push(path),
            Ok(Err(_)) | Err(_) => {
                eprintln!("error: {} cannot be sent to the node as text", path.display());
                return Exit::Usage;
            }
        }
    }
    let request = admin::ImportRequest {
        keyspace: keyspace.into(),
        table: table.into(),
        paths,
        all_tokens: args.all_tokens,
    };
    let it = match call(&args.target, |mut it| async move { it.import(request).await }) {
        Ok(answer) => answer,
        Err(failure) => return failure.report(&args.target),
    };
    match args.target.format() {
        Format::Text => {
            print(format!(
                "imported into {}: {}, {} in {}",
                args.table,
                counted(it.files, "sstable"),
                counted(it.rows, "row"),
                counted(it.partitions, "partition")
            ));
            if it.strange > 0 {
                print(format!("{} of the partitions belong to other nodes", it.strange));
            }
        }
        Format::Json => print(
            json!({
                "table": args.table, "files": it.files, "partitions": it.partitions,
                "rows": it.rows, "not_owned": it.strange,
            })
            .to_string(),
        ),
    }
    Exit::Done
}

fn unnamed() -> Exit {
    eprintln!("error: name the table as KEYSPACE.TABLE");
    Exit::Usage
}

impl NameArgs {
    fn request(&self) -> admin::SnapshotRequest {
        let of = self.table.clone().unwrap_or_default();
        let (keyspace, table) = of.split_once('.').unwrap_or((&of, ""));
        admin::SnapshotRequest {
            name: self.name.clone(),
            keyspace: keyspace.into(),
            table: table.into(),
        }
    }
}

fn print_snapshots(answer: &admin::SnapshotsAnswer, format: Format) {
    match format {
        Format::Json => {
            let all: Vec<_> = answer.snapshots.iter().map(to_json).collect();
            print(serde_json::Value::from(all).to_string());
        }
        Format::Text if answer.snapshots.is_empty() => print("no snapshots"),
        Format::Text => {
            let width =
                |of: fn(&admin::SnapshotPart) -> usize| answer.snapshots.iter().map(of).max();
            let name = width(|it| it.name.len()).unwrap_or(0).max(4);
            let table = width(|it| table_of(it).len()).unwrap_or(0).max(5);
            print(format!(
                "{:<name$}  {:<table$}  {:<28}  {:>5}  {:>10}",
                "Name", "Table", "Created", "Files", "Size"
            ));
            for it in &answer.snapshots {
                print(format!(
                    "{:<name$}  {:<table$}  {:<28}  {:>5}  {:>10}",
                    it.name,
                    table_of(it),
                    created(it).unwrap_or_else(|| "?".into()),
                    it.files,
                    human_bytes(it.bytes)
                ));
                if !it.fault.is_empty() {
                    print(format!("  cannot be restored: {}", it.fault));
                }
            }
        }
    }
}

fn to_json(it: &admin::SnapshotPart) -> serde_json::Value {
    json!({
        "name": it.name, "keyspace": it.keyspace, "table": it.table, "table_id": it.table_id,
        "created": created(it), "files": it.files, "bytes": it.bytes, "folder": it.folder,
        "fault": it.fault,
    })
}

/// Its name, or its id where nobody knows that.
fn table_of(it: &admin::SnapshotPart) -> String {
    if it.table.is_empty() { it.table_id.clone() } else { format!("{}.{}", it.keyspace, it.table) }
}

/// In UTC, as logs have it.
fn created(it: &admin::SnapshotPart) -> Option<String> {
    let known = it.created_micros != 0;
    let time = cql_lite::value::Value::Timestamp(it.created_micros / 1_000).to_literal();
    known.then(|| time.trim_matches('\'').to_owned())
}
