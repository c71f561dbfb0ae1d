//! The server: where the parts come together, and its edges.
//!
//! Nothing below knows this crate. Only here: tonic, axum, process exit.
//!
//! In reading order:
pub mod config;
pub mod start;
mod cluster_driver;
mod catalog;
mod system_store;
mod replica;
mod rpc;
mod http;
mod metrics;
mod shared;
pub mod version;
pub mod logging;
pub mod cli;
