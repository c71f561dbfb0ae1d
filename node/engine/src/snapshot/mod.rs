//! Snapshots: second names of a table's sstables, and the ways back.
//!
//! ```text
//!   tables/<id>/000000000007.sst ──hard link──► snapshots/NAME/<id>/000000000007.sst      create, TRUNCATE, DROP
//!                                               snapshots/NAME/<id>/snapshot.manifest
//!   tables/<id>/000000000007.sst ◄──hard link──                                           restore: its number is free
//!   tables/<id>/000000000042.sst ◄──rewritten── a file of another table, node or cluster  restore, import
//! ```
//!
//! A snapshot is made under a name that no reader looks at, and renamed when it is whole, so there are no half ones. What
//! comes back is read and checked from the first byte to the last before anything changes, and becomes live in one edit
//! of the manifest, as the output of a flush does.
//!
//! Invariant: nothing here knows what a column means. The caller says which column of a file is which one of the table, and
//! what belongs there ([`Admission`]).

mod admission;
mod create;
mod error;
mod format;
mod import;
mod incoming;
mod restore;
mod store;

pub use admission::{Admission, Target};
pub use error::Error;
pub use import::{Foreign, Imported};
pub use restore::Restored;
pub use store::{Deleted, Listed, NAME_BYTES_MAX, is_snapshot_name, list_in};

pub(crate) use create::{Part, write};
pub(crate) use incoming::Incoming;
pub(crate) use store::{automatic_name, number_last, remove_quietly, unfinished};
