//! `helenus scrub`: every row of an sstable that can be read, in a new one.

use std::path::PathBuf;

use clap::Args;
use engine::offline;
use serde_json::json;
use sys::RealDisk;

use super::admin::Format;
use super::inspect::{damage, fail};
use super::{Exit, counted, print};

/// `helenus scrub`
#[derive(Debug, Args)]
pub(super) struct ScrubArgs {
    /// The damaged sstable; it stays as it is
    file: PathBuf,
    /// The folder for the new one, which gets the same name; made if need be
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Runs it.
pub(super) fn run(args: &ScrubArgs) -> Exit {
    let ScrubArgs { file, out, format } = args;
    if *format == Format::Text {
        print(file.display().to_string());
    }
    let saved = offline::scrub(&RealDisk, file, out, &mut |it| damage(*format, file, it));
    let saved = match saved {
        Ok(saved) => saved,
        Err(error) => return fail(&error),
    };
    let new = saved.file.as_ref().map(|it| it.display().to_string());
    match format {
        Format::Json => print(
            json!({
                "kind": "saved", "file": file.display().to_string(), "new": new,
                "blocks": saved.blocks, "partitions": saved.partitions, "rows": saved.rows,
                "damaged": saved.damaged, "lost": saved.lost,
            })
            .to_string(),
        ),
        Format::Text => {
            let lost = match saved.lost {
                0 => "nothing is lost".to_owned(),
                places => format!("lost: what {} held", counted(places, "damaged place")),
            };
            match new {
                Some(new) => print(format!(
                    "  saved {} of {} from {} to {new}\n  {lost}",
                    counted(saved.rows, "row"),
                    counted(saved.partitions, "partition"),
                    counted(saved.blocks, "block")
                )),
                None => print(format!("  there is no sound block, and no new file\n  {lost}")),
            }
        }
    }
    if saved.damaged == 0 { Exit::Done } else { Exit::Error }
}
