//! Settings: one table, from which file, environment and flags are read, each value with its origin.
//!
//! default < `helenus.toml` < `HELENUS_SECTION__KEY` < flag.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use cql_lite::suggest::suggest;

/// One setting: its key in the file, what it may be, its default, what it is for.
pub struct Spec {
    /// `section.key`, or `key`.
    pub key: &'static str,
    /// The default as it would be written.
    pub default: &'static str,
    /// One line.
    pub about: &'static str,
}

const fn spec(key: &'static str, default: &'static str, about: &'static str) -> Spec {
    Spec { key, default, about }
}

/// Every setting there is.
pub const SPECS: &[Spec] = &[
    spec("cluster_name", "helenus", "Nodes of another name are refused."),
    spec("data_dir", "helenus-data", "Where this node keeps everything."),
    spec("listen", "127.0.0.1", "The address all doors listen on."),
    spec("advertise", "", "The host that peers and clients reach this node by; empty: `listen`."),
    spec("advertise_cql", "", "HOST:PORT for CQL clients; empty: `advertise` and `cql_port`."),
    spec("advertise_client", "", "HOST:PORT for the client crate; empty: `advertise` and port."),
    spec("peer_port", "7000", "Door for peers; 0 takes a free one."),
    spec("cql_port", "9042", "Door for the native protocol, once it exists."),
    spec("client_port", "9044", "Door for the client crate and the shell; 0 takes a free one."),
    spec("http_port", "9180", "Health and metrics; 0 takes a free one."),
    spec("seeds", "", "The founders, HOST:PORT of their peer doors, comma-separated."),
    spec("insecure", "false", "Allow a `listen` that is not loopback without authentication."),
    spec("dc", "dc1", "This node's data center."),
    spec("rack", "rack1", "This node's rack."),
    spec("num_tokens", "16", "Tokens this node takes at founding: 1 to 256."),
    spec(
        "memory",
        "auto",
        "Budget for memtables, caches and requests; auto: a quarter of the machine.",
    ),
    spec(
        "commitlog.sync",
        "group",
        "group, batch or periodic; periodic can lose `sync_period` of acks.",
    ),
    spec("commitlog.sync_period", "1s", "How often `periodic` syncs."),
    spec("commitlog.segment", "32MiB", "Size of a commit log segment."),
    spec("disk.warn", "80", "Percent of the disk in use from which on the log warns."),
    spec("disk.reject", "95", "Percent of the disk in use from which on writes are refused."),
    spec("timeouts.read", "5s", "A read that took longer fails."),
    spec("timeouts.write", "2s", "A write that took longer has an unknown outcome."),
    spec("timeouts.schema", "10s", "A schema change that took longer has an unknown outcome."),
    spec("hints.window", "3h", "Hints are kept for a node that was down this long at the most."),
    spec("hints.bytes_max", "256MiB", "Hints kept for one node."),
    spec("hints.throttle", "4MiB", "Bytes of hints replayed to one node in a second."),
    spec("log.level", "info", "error, warn, info, debug, trace, or a tracing filter."),
    spec("log.slow_query", "500ms", "Requests slower than this are logged."),
];

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The table above.
    Default,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => out.write_str("default"),
            Origin::File(path) => write!(out, "file {}", path.display()),
            Origin::Environment(name) => write!(out, "environment {name}"),
            Origin::Flag(name) => write!(out, "flag {name}"),
        }
    }
}

/// What is wrong with a setting, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such setting.
    #[error("unknown setting `{key}` ({origin}){}", hint.as_ref().map(|it| format!("; did you mean `{it}`?")).unwrap_or_default())]
    Unknown {
        /// As it was written.
        key: String,
        /// Where.
        origin: Origin,
        /// A setting of a similar name.
        hint: Option<String>,
    },
    /// The value does not fit.
    #[error("`{key}` = `{value}` ({origin}): {expected}")]
    Bad {
        /// The setting.
        key: String,
        /// Its value.
        value: String,
        /// Where it was written.
        origin: Origin,
        /// What it should be.
        expected: String,
    },
    /// The file is not TOML, or holds something that is no setting.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// As text.
    pub text: String,
    /// From where.
    pub origin: Origin,
}

/// All settings with their origins, not yet interpreted.
#[derive(Clone, Debug)]
pub struct Layers {
    values: BTreeMap<&'static str, Value>,
}

impl Default for Layers {
    fn default() -> Self {
        let value = |text: &str| Value { text: text.into(), origin: Origin::Default };
        Layers { values: SPECS.iter().map(|it| (it.key, value(it.default))).collect() }
    }
}

impl Layers {
    /// Sets one value.
    ///
    /// # Errors
    /// `Unknown`, with a suggestion.
    pub fn set(&mut self, key: &str, text: String, origin: Origin) -> Result<(), Error> {
        let Some(spec) = SPECS.iter().find(|it| it.key == key) else {
            let hint = suggest(key, SPECS.iter().map(|it| it.key)).map(str::to_owned);
            return Err(Error::Unknown { key: key.into(), origin, hint });
        };
        self.values.insert(spec.key, Value { text, origin });
        Ok(())
    }

    /// Lays a TOML file over what is there.
    ///
    /// # Errors
    /// Not TOML, an unknown key, or a value that is no string, number, boolean or list of strings.
    pub fn lay_file(&mut self, path: PathBuf, text: &str) -> Result<(), Error> {
        let bad = |why: String| Error::File { path: path.clone(), why };
        let table: toml::Table = text.parse().map_err(|it: toml::de::Error| bad(it.to_string()))?;
        let mut flat = Vec::new();
        for (key, value) in table {
            match value {
                toml::Value::Table(section) => {
                    flat.extend(
                        section.into_iter().map(|(inner, it)| (format!("{key}.{inner}"), it)),
                    );
                }
                toml::Value::String(_)
                | toml::Value::Integer(_)
                | toml::Value::Float(_)
                | toml::Value::Boolean(_)
                | toml::Value::Datetime(_)
                | toml::Value::Array(_) => flat.push((key, value)),
            }
        }
        for (key, value) in flat {
            let text = plain(&value).ok_or_else(|| bad(format!("`{key}` is no plain value")))?;
            self.set(&key, text, Origin::File(path.clone()))?;
        }
        Ok(())
    }

    /// Lays environment variables `HELENUS_SECTION__KEY` over what is there; others are not ours.
    ///
    /// # Errors
    /// An unknown key behind our prefix.
    pub fn lay_environment(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<(), Error> {
        for (name, text) in variables {
            if let Some(key) = name.strip_prefix("HELENUS_") {
                let key = key.to_lowercase().replace("__", ".");
                self.set(&key, text, Origin::Environment(name.clone()))?;
            }
        }
        Ok(())
    }

    /// Every setting in the order of its key.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.values.iter().map(|(key, value)| (*key, value))
    }

    fn parse<T>(
        &self,
        key: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Error> {
        let value = &self.values[key];
        parse(value.text.trim()).ok_or_else(|| Error::Bad {
            key: key.into(),
            value: value.text.clone(),
            origin: value.origin.clone(),
            expected: format!("expected {expected}"),
        })
    }

    fn text(&self, key: &str) -> String {
        self.values[key].text.clone()
    }
}

fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(it) => Some(it.clone()),
        toml::Value::Integer(it) => Some(it.to_string()),
        toml::Value::Boolean(it) => Some(it.to_string()),
        toml::Value::Array(list) => {
            let texts: Option<Vec<&str>> = list.iter().map(toml::Value::as_str).collect();
            Some(texts?.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

/// How an ack relates to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitlogSync {
    /// An ack means fsynced; one fsync serves every write that waits.
    Group,
    /// As `group`, without waiting for company.
    Batch,
    /// An ack means written; synced every so often.
    Periodic(Duration),
}

/// Settings as the node uses them.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "SPECS documents each by the same name")]
pub struct Settings {
    pub cluster_name: String,
    pub data_dir: PathBuf,
    pub listen: String,
    pub advertise: String,
    pub advertise_cql: String,
    pub advertise_client: String,
    pub peer_port: u16,
    pub cql_port: u16,
    pub client_port: u16,
    pub http_port: u16,
    pub seeds: Vec<String>,
    pub insecure: bool,
    pub dc: String,
    pub rack: String,
    pub num_tokens: u32,
    /// Bytes.
    pub memory: u64,
    pub commitlog_sync: CommitlogSync,
    /// Bytes.
    pub commitlog_segment: u64,
    /// Percent.
    pub disk_warn: u8,
    /// Percent.
    pub disk_reject: u8,
    pub timeout_read: Duration,
    pub timeout_write: Duration,
    pub timeout_schema: Duration,
    pub hint_window: Duration,
    /// Bytes.
    pub hint_bytes_max: u64,
    /// Bytes a second.
    pub hint_throttle: u64,
    pub log_level: String,
    pub slow_query: Duration,
    /// As they were laid, for `config show --origin`.
    pub layers: Layers,
}

impl Settings {
    /// Interprets the layers. `memory_auto` is what `memory = "auto"` means, in bytes.
    ///
    /// # Errors
    /// `Bad` for the first value that does not fit.
    pub fn new(layers: Layers, memory_auto: u64) -> Result<Settings, Error> {
        let port = |key| layers.parse(key, "a port, 0 to 65535", |it| it.parse::<u16>().ok());
        let duration =
            |key| layers.parse(key, "a duration such as 10s, 500ms or 3h", parse_duration);
        let size = |key| layers.parse(key, "a size such as 64MiB or 1GiB", parse_size);
        let flag = |key| layers.parse(key, "true or false", |it| it.parse::<bool>().ok());
        let word = |key| {
            layers.parse(key, "1 to 48 letters, digits, '_' , '-' or '.'", |it| {
                let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
                ((1..=48).contains(&it.len()) && it.chars().all(fits)).then(|| it.to_owned())
            })
        };
        let period = duration("commitlog.sync_period")?;
        let sync = |it: &str| match it {
            "group" => Some(CommitlogSync::Group),
            "batch" => Some(CommitlogSync::Batch),
            "periodic" => Some(CommitlogSync::Periodic(period)),
            _ => None,
        };
        let tokens = |it: &str| it.parse::<u32>().ok().filter(|it| (1..=256).contains(it));
        let percent = |it: &str| it.parse::<u8>().ok().filter(|it| (1..=100).contains(it));
        let memory = |it: &str| match it {
            "auto" => Some(memory_auto),
            it => parse_size(it).filter(|it| MEMORY_MIN <= *it),
        };
        let or = |text: String, other: String| if text.is_empty() { other } else { text };
        let listen = layers.text("listen");
        let seeds = layers.parse("seeds", "HOST:PORT,HOST:PORT,…", parse_seeds)?;
        Ok(Settings {
            cluster_name: word("cluster_name")?,
            data_dir: layers.text("data_dir").into(),
            advertise: or(layers.text("advertise"), listen.clone()),
            listen,
            advertise_cql: layers.text("advertise_cql"),
            advertise_client: layers.text("advertise_client"),
            peer_port: port("peer_port")?,
            cql_port: port("cql_port")?,
            client_port: port("client_port")?,
            http_port: port("http_port")?,
            seeds,
            insecure: flag("insecure")?,
            dc: word("dc")?,
            rack: word("rack")?,
            num_tokens: layers.parse("num_tokens", "1 to 256", tokens)?,
            memory: layers.parse("memory", "auto, or a size of at least 64MiB", memory)?,
            commitlog_sync: layers.parse("commitlog.sync", "group, batch or periodic", sync)?,
            commitlog_segment: size("commitlog.segment")?,
            disk_warn: layers.parse("disk.warn", "1 to 100", percent)?,
            disk_reject: layers.parse("disk.reject", "1 to 100; 100 is never", percent)?,
            timeout_read: duration("timeouts.read")?,
            timeout_write: duration("timeouts.write")?,
            timeout_schema: duration("timeouts.schema")?,
            hint_window: duration("hints.window")?,
            hint_bytes_max: size("hints.bytes_max")?,
            hint_throttle: size("hints.throttle")?,
            log_level: layers.text("log.level"),
            slow_query: duration("log.slow_query")?,
            layers,
        })
    }
}

/// The smallest budget a node runs in, bytes.
const MEMORY_MIN: u64 = 64 << 20;

fn parse_seeds(text: &str) -> Option<Vec<String>> {
    let seeds: Vec<String> =
        text.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect();
    let fits = |it: &String| {
        let Some((host, port)) = it.rsplit_once(':') else { return false };
        !host.is_empty() && port.parse::<u16>().is_ok()
    };
    seeds.iter().all(fits).then_some(seeds)
}

/// `10s`, `500ms`, `3h`, `15m`, `2d`: a bare number has no unit and is refused.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let count: u64 = text[..digits].parse().ok()?;
    let millis = match text[digits..].trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(count.checked_mul(millis)?))
}

/// `64MiB`, `1GiB`, `16KiB`, `100B`: a bare number has no unit and is refused.
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let count: u64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    count.checked_mul(unit)
}

#[cfg(test)]
mod tests;
