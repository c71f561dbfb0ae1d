//! Why a snapshot could not be made, found or restored, or a file not be imported.

use std::path::PathBuf;

use crate::offline;

/// What went wrong, by what the operator can do about it. Whatever it is, the table is as it was.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The name cannot be one of a folder, or is too long.
    #[error(
        "`{name}` cannot be the name of a snapshot: use 1 to {max} letters, digits, `-` and `_`",
        max = super::NAME_BYTES_MAX
    )]
    Name {
        /// What was given.
        name: String,
    },
    /// There is one of this name.
    #[error(
        "snapshot `{name}` is there already: choose another name, or remove it first with \
         `helenus snapshot delete {name}`"
    )]
    Exists {
        /// Its name.
        name: String,
    },
    /// There is none of this name, or it has nothing of this table.
    #[error("there is no snapshot `{name}`{of}: `helenus snapshot list` shows what there is")]
    Missing {
        /// What was asked for.
        name: String,
        /// Of which table, in words.
        of: String,
    },
    /// It was made by a version that wrote no manifest, or somebody removed it.
    #[error(
        "snapshot `{name}` has no manifest that says what is in it: take its sstables in with \
         `helenus import KEYSPACE.TABLE {}`",
        folder.display()
    )]
    Undescribed {
        /// Its name.
        name: String,
        /// Where it lies.
        folder: PathBuf,
    },
    /// A file is damaged, cut short, missing, or another one than the snapshot was made of.
    #[error(
        "{}: {what}; nothing was changed: use another copy of the file, or save what is sound of it \
         with `helenus scrub`",
        file.display()
    )]
    Damaged {
        /// Which.
        file: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
    /// What a file holds cannot be of this table.
    #[error("{}: {what}; nothing was changed", file.display())]
    Unfit {
        /// Which.
        file: PathBuf,
        /// Why.
        what: String,
    },
    /// Nobody would ask this node for it.
    #[error(
        "{count} of {all} partitions belong to other nodes, and would be hidden here: give these files to \
         the nodes that `helenus where` names, or take all in with --all-tokens; nothing was changed"
    )]
    NotOwned {
        /// How many.
        count: u64,
        /// Of how many, those counted twice that lie in two files.
        all: u64,
    },
    /// More files than are taken in at once.
    #[error("{count} files at once are more than the {max} allowed: import them in parts")]
    TooMany {
        /// How many.
        count: usize,
        /// At most.
        max: usize,
    },
    /// There is no sstable, or nothing at all.
    #[error("there is no sstable (*.sst) in {} on the machine of the node", path.display())]
    Nothing {
        /// Where.
        path: PathBuf,
    },
    /// As the look from outside has it.
    #[error(transparent)]
    Offline(#[from] offline::Error),
    /// As the engine itself has it.
    #[error(transparent)]
    Engine(#[from] crate::Error),
}

impl Error {
    /// What a file said that could not be read: wrong bytes of a snapshot are not those of a node's own files.
    pub(super) fn of_file(error: crate::Error) -> Error {
        if let crate::Error::Corrupt { file, offset, what } = error {
            return Error::Damaged { file, what: format!("at byte {offset}: {what}") };
        }
        error.into()
    }
}

impl From<sys::Stopped> for Error {
    fn from(stopped: sys::Stopped) -> Error {
        Error::Engine(stopped.into())
    }
}
