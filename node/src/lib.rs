//! The server: where the parts come together, and its edges.
//!
//! Nothing below knows this crate. Only here: tonic, axum, process exit.
//!
//! In reading order:
mod belongs;
mod catalog;
pub mod cli;
mod clocks;
mod cluster_driver;
pub mod config;
mod described;
mod doors;
mod health;
mod http;
mod key_text;
pub mod logging;
mod metrics;
mod native;
mod open;
mod remembered;
mod replica;
mod rpc;
mod shared;
mod snapshots;
pub mod start;
mod system_store;
mod topology;
pub mod version;
mod views;
mod warm_up;
