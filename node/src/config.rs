//! Settings: one table, from which file, environment and flags are read, each value with its origin.
//!
//! default < `helenus.toml` < `HELENUS_SECTION__KEY` < flag.

use std::{
    collections::BTreeMap,
    fmt,
    num::{NonZeroU64, NonZeroUsize},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use cql_lite::suggest::suggest;
use query::guardrail::{Guardrail, Limits, RAILS, Rail, Unit};

mod compaction;
mod connections;
mod pairs;
mod specs;
mod units;

pub(crate) use pairs::HINTS_PER_MEMORY;
pub use specs::{SPECS, Spec, guardrails, page};
pub use units::{parse_duration, parse_size};

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

    /// Settings that are not as the table has them, in the order of their keys.
    pub fn chosen(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.iter().filter(|(_, value)| value.origin != Origin::Default)
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

    fn port(&self, key: &str) -> Result<u16, Error> {
        self.parse(key, "a port, 0 to 65535", |it| it.parse().ok())
    }

    fn duration(&self, key: &str) -> Result<Duration, Error> {
        self.parse(key, "a duration such as 10s, 500ms or 3h", parse_duration)
    }

    /// Of nothing comes nothing: a timeout of zero fails every request, a period of zero never rests.
    fn some_time(&self, key: &str) -> Result<Duration, Error> {
        self.parse(key, "a duration such as 10s or 500ms, from 1ms to 1h", |it| {
            parse_duration(it).filter(|it| (TIME_MIN..=TIME_MAX).contains(it))
        })
    }

    fn size(&self, key: &str) -> Result<u64, Error> {
        self.parse(key, "a size such as 64MiB or 1GiB", parse_size)
    }

    fn flag(&self, key: &str) -> Result<bool, Error> {
        self.parse(key, "true or false", |it| it.parse().ok())
    }

    fn word(&self, key: &str) -> Result<String, Error> {
        self.parse(key, "1 to 48 letters, digits, '_' , '-' or '.'", |it| {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            ((1..=48).contains(&it.len()) && it.chars().all(fits)).then(|| it.to_owned())
        })
    }

    fn percent(&self, key: &str, expected: &str) -> Result<u8, Error> {
        self.parse(key, expected, |it| it.parse().ok().filter(|it| (1..=100).contains(it)))
    }

    fn text(&self, key: &str) -> String {
        self.values[key].text.clone()
    }

    fn origin(&self, key: &str) -> &Origin {
        &self.values[key].origin
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
    /// `None` asks for as many as the process may have.
    pub files_max: Option<u64>,
    /// `None` stands for what `fit_files` finds, and without it for 4,096.
    pub connections_max: Option<u64>,
    /// The same of the door for CQL drivers alone, where it has its own.
    pub cql_connections_max: Option<u64>,
    pub commitlog_sync: CommitlogSync,
    /// Bytes.
    pub commitlog_segment: u64,
    /// Where full segments are kept.
    pub commitlog_archive: Option<PathBuf>,
    /// Percent.
    pub disk_warn: u8,
    /// Percent.
    pub disk_reject: u8,
    /// Bytes a second; `None`: as many as they can.
    pub compaction_throughput: Option<NonZeroU64>,
    /// `None` stands for what `fit_processors` finds, and without it for one.
    pub compaction_concurrent: Option<NonZeroUsize>,
    /// Zero: for ever.
    pub automatic_snapshot_ttl: Duration,
    pub clock_skew_warn: Duration,
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
    /// Of each guardrail, in the order of `RAILS`.
    pub guardrails: [Limits; RAILS.len()],
    /// As they were laid, for `config show --origin`.
    pub layers: Layers,
}

impl Settings {
    /// Interprets the layers. `memory_auto` is what `memory = "auto"` means, in bytes.
    ///
    /// # Errors
    /// `Bad` for the first value that does not fit.
    pub fn new(layers: Layers, memory_auto: u64) -> Result<Settings, Error> {
        let period = layers.some_time("commitlog.sync_period")?;
        let sync = |it: &str| match it {
            "group" => Some(CommitlogSync::Group),
            "batch" => Some(CommitlogSync::Batch),
            "periodic" => Some(CommitlogSync::Periodic(period)),
            _ => None,
        };
        let tokens = |it: &str| it.parse::<u32>().ok().filter(|it| (1..=256).contains(it));
        let memory =
            layers.parse("memory", "auto, or a size of at least 64MiB", |it| match it {
                "auto" => Some(memory_auto),
                it => parse_size(it).filter(|it| MEMORY_MIN <= *it),
            })?;
        let files = |it: &str| match it {
            "auto" => Some(None),
            it => it.parse().ok().filter(|it| FILES_MIN <= *it).map(Some),
        };
        let or = |text: String, other: String| if text.is_empty() { other } else { text };
        let listen = layers.text("listen");
        let seeds = layers.parse("seeds", "HOST:PORT,HOST:PORT,…", parse_seeds)?;
        let settings = Settings {
            cluster_name: layers.word("cluster_name")?,
            data_dir: layers.text("data_dir").into(),
            advertise: or(layers.text("advertise"), listen.clone()),
            listen,
            advertise_cql: layers.text("advertise_cql"),
            advertise_client: layers.text("advertise_client"),
            peer_port: layers.port("peer_port")?,
            cql_port: layers.port("cql_port")?,
            client_port: layers.port("client_port")?,
            http_port: layers.port("http_port")?,
            seeds,
            insecure: layers.flag("insecure")?,
            dc: layers.word("dc")?,
            rack: layers.word("rack")?,
            num_tokens: layers.parse("num_tokens", "1 to 256", tokens)?,
            memory,
            commitlog_sync: layers.parse("commitlog.sync", "group, batch or periodic", sync)?,
            commitlog_segment: layers.parse(
                "commitlog.segment",
                "a size from 64KiB to 256MiB",
                |it| parse_size(it).filter(|it| SEGMENT.contains(it)),
            )?,
            commitlog_archive: Some(layers.text("commitlog.archive"))
                .filter(|it| !it.is_empty())
                .map(PathBuf::from),
            disk_warn: layers.percent("disk.warn", "1 to 100")?,
            disk_reject: layers.percent("disk.reject", "1 to 100; 100 is never")?,
            compaction_throughput: compaction::throughput(&layers)?,
            compaction_concurrent: compaction::concurrent(&layers)?,
            automatic_snapshot_ttl: layers.duration("snapshots.automatic_ttl")?,
            clock_skew_warn: layers.some_time("clock.skew_warn")?,
            timeout_read: layers.some_time("timeouts.read")?,
            timeout_write: layers.some_time("timeouts.write")?,
            timeout_schema: layers.some_time("timeouts.schema")?,
            hint_window: layers.duration("hints.window")?,
            hint_bytes_max: layers.size("hints.bytes_max")?,
            hint_throttle: layers.parse("hints.throttle", "a size from 1KiB", |it| {
                parse_size(it).filter(|it| 1 << 10 <= *it)
            })?,
            log_level: layers.text("log.level"),
            slow_query: layers.duration("log.slow_query")?,
            files_max: layers.parse("files_max", "auto, or a number from 256", files)?,
            connections_max: connections::of(&layers, "connections_max")?,
            cql_connections_max: connections::of(&layers, "cql_connections_max")?,
            guardrails: guardrails_of(&layers, memory)?,
            layers,
        };
        pairs::check(&settings)?;
        Ok(settings)
    }
}

/// The smallest budget a node runs in, bytes.
pub(crate) const MEMORY_MIN: u64 = 64 << 20;

/// The fewest files a node runs with: sockets, commit log segments, and a few sstables.
pub(crate) const FILES_MIN: u64 = 256;

/// Every write of a node waits for a segment to be there, and a start reads each whole.
const SEGMENT: RangeInclusive<u64> = 64 << 10..=256 << 20;

/// What waits, waits for something, and not for ever.
const TIME_MIN: Duration = Duration::from_millis(1);
const TIME_MAX: Duration = Duration::from_secs(3600);

/// The two levels of every guardrail.
fn guardrails_of(layers: &Layers, memory: u64) -> Result<[Limits; RAILS.len()], Error> {
    let mut all = [Limits::default(); RAILS.len()];
    for (rail, limits) in RAILS.iter().zip(&mut all) {
        let key = |level| format!("guardrails.{}_{level}", rail.name);
        limits.warn = level_of(layers, &key("warn"), rail, memory)?;
        limits.fail = level_of(layers, &key("fail"), rail, memory)?;
        let Limits { warn: Some(warn), fail: Some(fail) } = *limits else { continue };
        if if rail.is_floor { warn < fail } else { fail < warn } {
            let Value { text: value, origin } = layers.values[key("warn").as_str()].clone();
            // Nobody asked for it: it is just never reached.
            if origin == Origin::Default {
                continue;
            }
            let expected = format!("it warns of what `{}` already refuses", key("fail"));
            return Err(Error::Bad { key: key("warn"), value, origin, expected });
        }
    }
    Ok(all)
}

fn level_of(layers: &Layers, key: &str, rail: &Rail, memory: u64) -> Result<Option<u64>, Error> {
    let most = specs::most(rail).map_or(String::new(), |it| format!(" of at most {it}"));
    let expected = match rail.unit {
        Unit::Bytes => format!("off, or a size such as 64MiB{most}"),
        Unit::Seconds => format!("off, or a duration in whole seconds such as 60s{most}"),
        Unit::Count => format!("off, or a number{most}"),
    };
    layers.parse(key, &expected, |it| match it {
        "off" => Some(None),
        "auto" if rail.guardrail == Guardrail::RequestBytes => Some(Some(memory / 10)),
        // One address does not take all that there is.
        "auto" if rail.guardrail == Guardrail::AddressBytes => Some(Some(memory / 40 * 3)),
        it => {
            let value = match rail.unit {
                Unit::Bytes => parse_size(it)?,
                Unit::Seconds => parse_duration(it)?.as_secs(),
                Unit::Count => it.parse().ok()?,
            };
            (value <= rail.most.unwrap_or(u64::MAX)).then_some(Some(value))
        }
    })
}

fn parse_seeds(text: &str) -> Option<Vec<String>> {
    let seeds: Vec<String> =
        text.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect();
    let fits = |it: &String| {
        let Some((host, port)) = it.rsplit_once(':') else { return false };
        !host.is_empty() && port.parse::<u16>().is_ok()
    };
    seeds.iter().all(fits).then_some(seeds)
}

#[cfg(test)]
mod tests;
