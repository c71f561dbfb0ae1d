//! Why a file could not be looked at, or nothing be written.

use std::path::PathBuf;

/// What went wrong beside the damage that was looked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Every checksum depends on the file's number, and nothing tells it.
    #[error(
        "{}: neither its header nor its name says which number it has, and every checksum depends on \
         that: give it the name that it had, for example 000000000042{}",
        file.display(),
        file.extension().map_or(String::new(), |it| format!(".{}", it.display()))
    )]
    Unnamed {
        /// The file.
        file: PathBuf,
    },
    /// Nothing is ever overwritten.
    #[error("{} is there already: choose another folder for --out, or move it away", file.display())]
    Exists {
        /// What would be written.
        file: PathBuf,
    },
    /// What was written does not read back as what was saved: a fault of this program, or of the disk.
    #[error("{} was written and is not what was saved ({what}); it is removed, look at the disk", file.display())]
    NotSaved {
        /// What was written.
        file: PathBuf,
        /// How it differs.
        what: String,
    },
    /// As the engine itself has it.
    #[error(transparent)]
    Engine(#[from] crate::Error),
}
