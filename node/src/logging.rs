//! Logs: readable on a terminal, JSON otherwise. Never values or keys.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Sends logs to stderr at `level` (a level, or a tracing filter). Twice is once.
///
/// # Errors
/// When the filter cannot be read.
pub fn init(level: &str) -> Result<(), String> {
    let filter =
        EnvFilter::try_new(level).map_err(|error| format!("log level `{level}`: {error}"))?;
    let registry = tracing_subscriber::registry().with(filter);
    let writer = std::io::stderr;
    let initialized = if std::io::stderr().is_terminal() {
        registry.with(fmt::layer().with_writer(writer).with_target(false)).try_init()
    } else {
        registry.with(fmt::layer().json().flatten_event(true).with_writer(writer)).try_init()
    };
    // A second node in the same process logs where the first does.
    drop(initialized);
    Ok(())
}
