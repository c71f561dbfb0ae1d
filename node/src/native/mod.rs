//! The CQL native protocol at port 9042: what stock drivers speak.
//!
//! In reading order: connections come in, each is read and written, its requests go to `query`,
//! what comes back is put in the protocol's words, and what happens meanwhile is told.

pub(crate) mod door;

mod connection;
mod untaken;

mod requests;
mod session;

mod answers;
mod errors;

pub(crate) mod events;

mod behind;

#[cfg(test)]
mod tests;
