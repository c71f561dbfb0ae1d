//! The CQL native protocol at port 9042: what stock drivers speak.
//!
//! In reading order: connections come in, each is read and written, its requests go to `query`,
//! what comes back is put in the protocol's words, and what happens meanwhile is told.

pub(crate) mod door;

pub(crate) mod clients;
mod connection;
mod untaken;

mod requests;
mod session;
mod traced;

mod answers;
mod errors;

pub(crate) mod events;

mod behind;

pub(crate) use connection::REQUESTS_MAX;

#[cfg(test)]
mod tests;
