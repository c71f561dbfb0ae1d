//! Settings that fit each by itself and not together: refused at the start, each naming the other.

use super::{Error, Layers, Origin, Settings};

/// Hints wait in memory too, so one node's may take this part of `memory`.
pub(crate) const HINTS_PER_MEMORY: u64 = 8;

/// The first contradiction, if there is one.
pub(super) fn check(settings: &Settings) -> Result<(), Error> {
    disk(settings)?;
    hints(settings)?;
    ports(settings)
}

fn disk(settings: &Settings) -> Result<(), Error> {
    let (warn, reject) = (settings.disk_warn, settings.disk_reject);
    if warn <= reject || !is_chosen(&settings.layers, "disk.warn") {
        return Ok(());
    }
    let why = format!(
        "it warns of what `disk.reject` = `{reject}` ({}) already refuses: at most {reject}",
        settings.layers.origin("disk.reject")
    );
    Err(bad(&settings.layers, "disk.warn", why))
}

fn hints(settings: &Settings) -> Result<(), Error> {
    let (hints, memory) = (settings.hint_bytes_max, settings.memory);
    if hints <= memory / HINTS_PER_MEMORY || !is_chosen(&settings.layers, "hints.bytes_max") {
        return Ok(());
    }
    let why = format!(
        "hints wait in memory: at most {} MiB, an eighth of `memory` = `{}` ({})",
        (memory / HINTS_PER_MEMORY) >> 20,
        settings.layers.text("memory"),
        settings.layers.origin("memory")
    );
    Err(bad(&settings.layers, "hints.bytes_max", why))
}

/// What is wrong with more than `most` connections in the setting `key` where `files` may be open.
pub(super) fn connections(settings: &Settings, key: &str, files: u64, most: u64) -> Error {
    let why = format!(
        "each takes an open file, and this process may have {files} of them (`files_max`, and the hard limit of the \
         system): at most {most}"
    );
    bad(&settings.layers, key, why)
}

/// A port of 0 takes a free one, so any number of them agree.
fn ports(settings: &Settings) -> Result<(), Error> {
    let ports = [
        ("peer_port", settings.peer_port),
        ("cql_port", settings.cql_port),
        ("client_port", settings.client_port),
        ("http_port", settings.http_port),
    ];
    for (at, (key, port)) in ports.iter().enumerate() {
        let twin = ports[..at].iter().find(|(_, other)| other == port && *port != 0);
        if let Some((other, _)) = twin {
            let origin = settings.layers.origin(other);
            let why =
                format!("`{other}` ({origin}) is the same: each door needs a port of its own");
            return Err(bad(&settings.layers, key, why));
        }
    }
    Ok(())
}

/// What is not chosen does not contradict: a default gives way.
fn is_chosen(layers: &Layers, key: &str) -> bool {
    *layers.origin(key) != Origin::Default
}

fn bad(layers: &Layers, key: &str, expected: String) -> Error {
    Error::Bad {
        key: key.into(),
        value: layers.text(key),
        origin: layers.origin(key).clone(),
        expected,
    }
}
