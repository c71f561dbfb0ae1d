//! `helenus inspect`: what a node keeps, read from outside. Prints what `engine::offline` finds.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use engine::offline::{self, Damage, End, Found, Known, Part, Record, Segment, Sstable, Summary};
use model::{PartitionKey, TableId};
use serde_json::{Value, json};
use sys::{Disk, RealDisk};

use super::admin::Format;
use super::shown::{self, hex};
use super::{Exit, complain, counted, print};

/// `helenus inspect`
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read sstables from the first byte to the last
    Sstable(FilesArgs),
    /// Read segments of a commit log
    Commitlog(FilesArgs),
    /// Show what each file of a data directory knows of a partition, and all of it merged
    Partition(PartitionArgs),
}

/// A partition to look for.
#[derive(Debug, Args)]
pub(super) struct PartitionArgs {
    /// The data directory of a node, running or not
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The table's id: the name of its folder below DIR/tables
    #[arg(long, value_name = "TABLE_ID")]
    table: uuid::Uuid,
    /// The partition key as it is stored, in hexadecimal
    #[arg(value_name = "KEY_HEX", value_parser = unhex)]
    key: Blob,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Bytes that were typed in.
#[derive(Clone, Debug)]
struct Blob(Vec<u8>);

fn unhex(text: &str) -> Result<Blob, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let byte = |at: usize| {
        let pair = digits.get(at..at + 2).filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()));
        pair.and_then(|it| u8::from_str_radix(it, 16).ok())
    };
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes.map(Blob).ok_or_else(|| "expected bytes in hexadecimal such as 0x000001".to_owned())
}

/// Files to inspect.
#[derive(Debug, Args)]
pub(super) struct FilesArgs {
    /// Files, or folders that hold some, for example a data directory
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Print every partition with its rows and cells
    #[arg(long)]
    rows: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Runs it.
pub(super) fn run(command: Command) -> Exit {
    match command {
        Command::Sstable(args) => all(&args, offline::sstables, "sstable", sstable),
        Command::Commitlog(args) => all(&args, offline::segments, "commit log segment", segment),
        Command::Partition(args) => partition(args),
    }
}

/// Looks at every file that is meant; whether all are whole.
fn all(
    args: &FilesArgs,
    find: fn(&dyn Disk, &Path) -> Result<Vec<PathBuf>, engine::Error>,
    what: &str,
    look: fn(&FilesArgs, &Path) -> Result<bool, offline::Error>,
) -> Exit {
    let mut exit = Exit::Done;
    for path in &args.paths {
        let files = match find(&RealDisk, path) {
            Ok(files) => files,
            Err(error) => {
                exit = fail(&error.into());
                continue;
            }
        };
        if files.is_empty() {
            eprintln!("no {what} in {}", path.display());
        }
        let is_file = files.first() == Some(path);
        for file in &files {
            match look(args, file) {
                Ok(true) => {}
                Ok(false) => exit = Exit::Error,
                Err(error) if !is_file && is_gone(&error) => {
                    eprintln!("{} is gone since: a running node removed it", file.display());
                }
                Err(error) => exit = fail(&error),
            }
        }
    }
    exit
}

/// Beside a running node files go when they are compacted or flushed.
fn is_gone(error: &offline::Error) -> bool {
    matches!(error, offline::Error::Engine(engine::Error::Io { source, .. })
        if source.kind() == std::io::ErrorKind::NotFound)
}

/// Prints why something was not done.
pub(super) fn fail(error: &offline::Error) -> Exit {
    match error {
        offline::Error::Engine(inner) => complain(crate::start::code_of_engine(inner), inner),
        offline::Error::Unnamed { .. }
        | offline::Error::Exists { .. }
        | offline::Error::NotSaved { .. } => eprintln!("error: {error}"),
    }
    Exit::Error
}

fn sstable(args: &FilesArgs, path: &Path) -> Result<bool, offline::Error> {
    let it = Sstable::open(&RealDisk, path)?;
    let sections = it.sections();
    let blocks = sections.blocks.saturating_sub(sections.row_filter + sections.statistics);
    match args.format {
        Format::Json => print(
            json!({
                "kind": "sstable", "file": path.display().to_string(), "id": it.id(),
                "version": it.version(), "bytes": sections.file,
                "block_bytes": blocks, "row_filter_bytes": sections.row_filter,
                "statistics_bytes": sections.statistics, "index_bytes": sections.index, "filter_bytes": sections.filter,
                "stats_bytes": sections.stats, "stats": it.summary().as_ref().map(summary_json),
            })
            .to_string(),
        ),
        Format::Text => {
            let pages = |what: &str, bytes: u64| match bytes {
                0 => String::new(),
                bytes => format!("{what} {bytes}, "),
            };
            let rows = pages("filter of rows", sections.row_filter);
            let statistics = pages("block statistics", sections.statistics);
            let version = it.version().map_or("?".to_owned(), |it| it.to_string());
            print(format!(
                "{}\n  sstable {}, format version {version}, {} bytes: blocks {blocks}, {rows}{statistics}index {}, filter {}, stats {}",
                path.display(),
                it.id(),
                sections.file,
                sections.index,
                sections.filter,
                sections.stats
            ));
        }
    }
    it.damage().iter().for_each(|it| damage(args.format, path, it));
    let counted = it.read(&mut |found| match found {
        Found::Damage(it) => damage(args.format, path, it),
        Found::Part(part) if args.rows => print_part(args.format, path, &part),
        Found::Part(_) => {}
    });
    match args.format {
        Format::Json => print(
            json!({
                "kind": "verdict", "file": path.display().to_string(), "whole": counted.is_whole(),
                "damaged": counted.damaged, "blocks": counted.blocks,
                "found": counted.summary.as_ref().map(summary_json),
            })
            .to_string(),
        ),
        Format::Text => {
            if let Some(summary) = &counted.summary {
                print_summary(counted.blocks, summary);
            }
            print(format!("  {}", verdict(counted.damaged)));
        }
    }
    Ok(counted.is_whole())
}

fn verdict(damaged: u64) -> String {
    match damaged {
        0 => "whole".to_owned(),
        places => format!("damaged in {}", counted(places, "place")),
    }
}

fn summary_json(it: &Summary) -> Value {
    json!({
        "partitions": it.partitions, "rows": it.rows, "tombstones": it.tombstones,
        "first": shown::key_json(&it.first), "last": shown::key_json(&it.last),
        "timestamp_min": it.timestamp_min, "timestamp_max": it.timestamp_max,
        "expires_max": it.expires_max, "deleted_max": it.deleted_max,
    })
}

fn print_summary(blocks: u64, it: &Summary) {
    print(format!(
        "  blocks {blocks}, partitions {}, rows {}, tombstones {}",
        it.partitions, it.rows, it.tombstones
    ));
    print(format!("  first {}\n  last  {}", shown::key(&it.first), shown::key(&it.last)));
    if it.timestamp_min <= it.timestamp_max {
        print(format!("  written {} to {} (µs)", it.timestamp_min, it.timestamp_max));
    }
    match it.expires_max {
        i64::MAX => print("  something never expires"),
        i64::MIN => print("  tombstones only"),
        at => print(format!("  all expired at {at} (s)")),
    }
}

/// Prints what is damaged.
pub(super) fn damage(format: Format, file: &Path, it: &Damage) {
    match format {
        Format::Json => print(shown::damage_json(file, it).to_string()),
        Format::Text => print(format!("  {}", shown::damage(it))),
    }
}

fn print_part(format: Format, file: &Path, it: &Part<'_>) {
    match format {
        Format::Json => {
            let mut value = shown::partition_json(it.partition);
            value["kind"] = "partition".into();
            value["file"] = file.display().to_string().into();
            value["block"] = it.offset.into();
            value["start"] = hex(it.start).into();
            value["end"] = hex(it.end).into();
            print(value.to_string());
        }
        Format::Text => {
            let all = it.start.is_empty() && it.end[..] == [0xFF];
            let span = match all {
                true => String::new(),
                false => format!("  [{}, {})", hex(it.start), hex(it.end)),
            };
            print(format!("  partition {}{span}", shown::key(&it.partition.key)));
            shown::partition(it.partition).iter().for_each(|line| print(format!("    {line}")));
        }
    }
}

fn segment(args: &FilesArgs, path: &Path) -> Result<bool, offline::Error> {
    let it = Segment::read(&RealDisk, path)?;
    match (args.format, it.header) {
        (Format::Json, header) => print(
            json!({
                "kind": "segment", "file": path.display().to_string(), "segment": it.number,
                "bytes": it.bytes, "version": header.map(|it| it.version),
                "previous": header.map(|it| it.previous),
                "previous_bytes": header.map(|it| it.previous_bytes),
            })
            .to_string(),
        ),
        (Format::Text, Some(header)) => {
            let before = match header.previous {
                0 => "the first".to_owned(),
                it => format!("behind segment {it} of {} bytes", header.previous_bytes),
            };
            print(format!(
                "{}\n  segment {}, format version {}, {} bytes, {before}",
                path.display(),
                it.number,
                header.version,
                it.bytes
            ));
        }
        (Format::Text, None) => {
            print(format!("{}\n  segment {}, {} bytes", path.display(), it.number, it.bytes));
        }
    }
    let mut is_whole = true;
    let counts = [(&it.records, false), (&it.behind, true)];
    for (records, is_behind) in counts {
        for record in records {
            is_whole &= print_record(args, path, &it, record, is_behind);
        }
    }
    if let End::Corrupt(it) = &it.end {
        is_whole = false;
        damage(args.format, path, it);
    }
    let end = end_of(&it);
    match args.format {
        Format::Json => print(
            json!({
                "kind": "verdict", "file": path.display().to_string(), "whole": is_whole,
                "records": it.records.len(), "behind": it.behind.len(), "end": end.0, "says": end.1,
            })
            .to_string(),
        ),
        Format::Text => print(format!("  records {}; {}", it.records.len(), end.1)),
    }
    Ok(is_whole)
}

/// How a segment ends: a word, and a sentence.
fn end_of(it: &Segment) -> (&'static str, String) {
    match &it.end {
        End::Marked => ("mark", "whole, it ends with its mark".into()),
        End::Followed => ("followed", "whole, it ends where the next segment says".into()),
        End::Unmarked => ("unmarked", "whole, it ends with its last record and no mark".into()),
        End::Torn { offset, bytes } => {
            let text = format!(
                "whole up to a torn tail of {bytes} bytes at byte {offset}: nobody was promised these, \
                 the next start cuts them off"
            );
            ("torn", text)
        }
        End::Unborn => ("unborn", "it ends in its header and never held anything".into()),
        End::Corrupt(damage) => {
            let behind = it.behind.len();
            let text = format!("corrupt at byte {}; good records behind: {behind}", damage.offset);
            ("corrupt", text)
        }
    }
}

/// Prints a record, with its mutations if asked; whether these are sound.
fn print_record(args: &FilesArgs, path: &Path, of: &Segment, it: &Record, is_behind: bool) -> bool {
    let mutations = match of.mutations(it) {
        Ok(mutations) => mutations,
        Err(wrong) => {
            damage(args.format, path, &wrong);
            return false;
        }
    };
    match args.format {
        Format::Json => {
            let mut value = json!({
                "kind": "record", "file": path.display().to_string(), "offset": it.offset,
                "bytes": it.bytes, "sequence": it.sequence, "durable": it.durable,
                "mutations": mutations.len(), "behind_corruption": is_behind,
            });
            if args.rows {
                let each = mutations.iter().map(|it| {
                    let mut value = shown::partition_json(&it.partition);
                    value["table"] = it.table.0.to_string().into();
                    value
                });
                value["changes"] = each.collect();
            }
            print(value.to_string());
        }
        Format::Text => {
            let behind = if is_behind { "  behind the corruption" } else { "" };
            print(format!(
                "  record at {}, {} bytes, sequence {}, durable {}, mutations {}{behind}",
                it.offset,
                it.bytes,
                it.sequence,
                it.durable,
                mutations.len()
            ));
            for it in mutations.iter().filter(|_| args.rows) {
                print(format!(
                    "    table {}  partition {}",
                    it.table.0,
                    shown::key(&it.partition.key)
                ));
                shown::partition(&it.partition).iter().for_each(|it| print(format!("      {it}")));
            }
        }
    }
    true
}

fn partition(args: PartitionArgs) -> Exit {
    let format = args.format;
    let key = PartitionKey::new(args.key.0.into());
    // What a node is given as its data directory has that of its engine inside.
    let inside = args.data_dir.join("data");
    let dir = if RealDisk.is_dir(&inside) { inside } else { args.data_dir };
    let found =
        offline::partition(&RealDisk, &dir, TableId(args.table), &key, &mut |it| match it {
            Known::Damage { file, damage: it } => {
                if format == Format::Text {
                    print(file.display().to_string());
                }
                damage(format, file, it);
            }
            Known::Part { file, offset, counts, partition } => match format {
                Format::Json => {
                    let mut value = shown::partition_json(partition);
                    value["kind"] = "known".into();
                    value["file"] = file.display().to_string().into();
                    value["offset"] = offset.into();
                    value["counts"] = counts.into();
                    print(value.to_string());
                }
                Format::Text => {
                    let unread = if counts { "" } else { "  (no node reads it any more)" };
                    print(format!("{} at byte {offset}{unread}", file.display()));
                    shown::partition(partition).iter().for_each(|it| print(format!("  {it}")));
                }
            },
        });
    let found = match found {
        Ok(found) => found,
        Err(error) => return fail(&error),
    };
    if let Some(error) = &found.manifest {
        eprintln!("the manifest does not tell which files count, so all do: {error}");
    }
    match (format, &found.partition) {
        (Format::Json, merged) => {
            let mut value = merged.as_ref().map_or_else(|| json!({}), shown::partition_json);
            value["kind"] = "merged".into();
            value["too_large"] = merged.is_none().into();
            value["damaged"] = found.damaged.into();
            print(value.to_string());
        }
        (Format::Text, None) => print("merged: too large for memory, read it through the node"),
        (Format::Text, Some(merged)) => {
            print(format!("merged: {}", shown::key(&merged.key)));
            let lines = shown::partition(merged);
            lines.iter().for_each(|it| print(format!("  {it}")));
            if lines.is_empty() {
                print("  nothing is known of it");
            }
        }
    }
    if found.damaged == 0 && found.manifest.is_none() { Exit::Done } else { Exit::Error }
}
