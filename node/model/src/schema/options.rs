//! Table options and replication, from what CQL says and back to it.

use std::{collections::BTreeMap, str::FromStr};

use cql_lite::ast::{Literal, Name, OptionValue, Spanned, TableOption};

use super::{Error, Replication, TableOptions, compaction, compression};
use crate::cell::TTL_MAX;

/// What a table has that names no options.
impl Default for TableOptions {
    fn default() -> TableOptions {
        let map = |entries: &[(&str, &str)]| -> BTreeMap<String, String> {
            entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        TableOptions {
            comment: String::new(),
            gc_grace_seconds: 864_000,
            default_time_to_live: 0,
            compaction: map(&[
                ("class", "UnifiedCompactionStrategy"),
                ("scaling_parameters", "T4"),
            ]),
            compression: map(&[("class", "LZ4Compressor"), ("chunk_length_in_kb", "16")]),
            bloom_filter_fp_chance: 0.01,
        }
    }
}

impl TableOptions {
    /// The names of all options.
    pub const NAMES: [&str; 6] = [
        "bloom_filter_fp_chance",
        "comment",
        "compaction",
        "compression",
        "default_time_to_live",
        "gc_grace_seconds",
    ];

    /// Takes one option as it was written.
    ///
    /// # Errors
    /// `UnknownOption` and `BadOption`.
    pub fn set(&mut self, option: &TableOption) -> Result<(), Error> {
        let name = option.name.text.as_str();
        let bad = |reason| Error::BadOption { option: name.to_owned(), reason };
        match name {
            "bloom_filter_fp_chance" => {
                let chance = parse(&option.value).ok_or(bad("expects a number"))?;
                self.bloom_filter_fp_chance = chance;
            }
            "comment" => match &option.value {
                OptionValue::Literal(Spanned { node: Literal::Text(text), .. }) => {
                    self.comment.clone_from(text);
                }
                OptionValue::Literal(_) | OptionValue::Map(_) => {
                    return Err(bad("expects a string"));
                }
            },
            "compaction" => self.compaction = map(&option.value).ok_or(bad("expects a map"))?,
            "compression" => self.compression = map(&option.value).ok_or(bad("expects a map"))?,
            "default_time_to_live" => {
                let ttl = parse(&option.value).ok_or(bad("expects a number of seconds"))?;
                self.default_time_to_live = ttl;
            }
            "gc_grace_seconds" => {
                let grace = parse(&option.value).ok_or(bad("expects a number of seconds"))?;
                self.gc_grace_seconds = grace;
            }
            unknown => return Err(Error::UnknownOption(unknown.to_owned())),
        }
        self.check()
    }

    /// Whether each option has a value that can be followed.
    pub(super) fn check(&self) -> Result<(), Error> {
        type Map = BTreeMap<String, String>;
        let first = |map: &Map, unreadable: fn(&str, &str) -> Option<&'static str>| {
            map.iter().find_map(|(name, value)| unreadable(name, value))
        };
        let bad =
            |option: &str, reason| Err(Error::BadOption { option: option.to_owned(), reason });
        if !(0.0 < self.bloom_filter_fp_chance && self.bloom_filter_fp_chance <= 1.0) {
            return bad("bloom_filter_fp_chance", "expects a number above 0 and at most 1");
        }
        if TTL_MAX < self.default_time_to_live {
            return bad("default_time_to_live", "is at most 630720000 seconds, twenty years");
        }
        if !self.compaction.contains_key("class") {
            return bad("compaction", "needs a 'class'");
        }
        if let Some(reason) = first(&self.compaction, compaction::unreadable) {
            return bad("compaction", reason);
        }
        match first(&self.compression, compression::unreadable) {
            Some(reason) => bad("compression", reason),
            None => Ok(()),
        }
    }

    /// Every option as CQL writes it.
    pub(super) fn to_ast(&self) -> Vec<TableOption> {
        let option = |name: &str, value| TableOption { name: Name::new(name), value };
        let literal = |it| OptionValue::Literal(Spanned::new(it, Default::default()));
        let number = |it: u32| literal(Literal::Integer(it.to_string()));
        let map = |it: &BTreeMap<String, String>| {
            let entry = |(key, value): (&String, &String)| {
                let value = Literal::Text(value.clone());
                (
                    Spanned::new(key.clone(), Default::default()),
                    Spanned::new(value, Default::default()),
                )
            };
            OptionValue::Map(it.iter().map(entry).collect())
        };
        // Debug, so that a whole number has its point.
        let chance = format!("{:?}", self.bloom_filter_fp_chance);
        vec![
            option("bloom_filter_fp_chance", literal(Literal::Decimal(chance))),
            option("comment", literal(Literal::Text(self.comment.clone()))),
            option("compaction", map(&self.compaction)),
            option("compression", map(&self.compression)),
            option("default_time_to_live", number(self.default_time_to_live)),
            option("gc_grace_seconds", number(self.gc_grace_seconds)),
        ]
    }
}

impl Replication {
    /// Takes a replication map as CQL writes it. For `NetworkTopologyStrategy` a
    /// `replication_factor` stands for every one of `data_centers` that the map does not name.
    ///
    /// # Errors
    /// `BadReplication` when it is no map that a keyspace can have.
    pub fn from_map(map: &[(String, String)], data_centers: &[&str]) -> Result<Replication, Error> {
        let bad = |reason: String| Error::BadReplication(reason);
        let class = map.iter().find(|(key, _)| key == "class").map(|(_, class)| class.as_str());
        let class = class.ok_or_else(|| bad("needs a 'class'".to_owned()))?;
        let mut factors = BTreeMap::new();
        for (key, value) in map.iter().filter(|(key, _)| key != "class") {
            let factor = u32::from_str(value);
            let factor =
                factor.map_err(|_| bad(format!("'{key}' expects a number, not '{value}'")))?;
            factors.insert(key.clone(), factor);
        }
        let everywhere = factors.remove("replication_factor");
        let replication = match class.strip_prefix("org.apache.cassandra.locator.").unwrap_or(class)
        {
            "SimpleStrategy" => {
                if let Some(unknown) = factors.keys().next() {
                    return Err(bad(format!("SimpleStrategy knows no '{unknown}'")));
                }
                let factor =
                    everywhere.ok_or_else(|| bad("needs a 'replication_factor'".to_owned()))?;
                Replication::Simple { factor }
            }
            "NetworkTopologyStrategy" => {
                for name in data_centers.iter().filter(|_| everywhere.is_some()) {
                    factors.entry((*name).to_owned()).or_insert(everywhere.unwrap_or(0));
                }
                factors.retain(|_, factor| 0 < *factor);
                Replication::NetworkTopology(factors)
            }
            unknown => return Err(bad(format!("unknown class '{unknown}'"))),
        };
        replication.check().map(|()| replication)
    }

    /// The replication map as CQL writes it, its `class` (without package) first.
    pub fn to_map(&self) -> Vec<(String, String)> {
        let class = |name: &str| ("class".to_owned(), name.to_owned());
        match self {
            Replication::Simple { factor } => {
                vec![class("SimpleStrategy"), ("replication_factor".to_owned(), factor.to_string())]
            }
            Replication::NetworkTopology(factors) => {
                let factors = factors.iter().map(|(name, it)| (name.clone(), it.to_string()));
                std::iter::once(class("NetworkTopologyStrategy")).chain(factors).collect()
            }
        }
    }

    /// Whether there is a copy at all.
    pub(super) fn check(&self) -> Result<(), Error> {
        let has_copies = match self {
            Replication::Simple { factor } => 0 < *factor,
            Replication::NetworkTopology(factors) => factors.values().any(|it| 0 < *it),
        };
        let none = || Error::BadReplication("keeps no copy anywhere".to_owned());
        if has_copies { Ok(()) } else { Err(none()) }
    }
}

fn parse<T: FromStr>(value: &OptionValue) -> Option<T> {
    match value {
        OptionValue::Literal(literal) => match &literal.node {
            Literal::Integer(text) | Literal::Decimal(text) => text.parse().ok(),
            Literal::Text(_)
            | Literal::Blob(_)
            | Literal::Uuid(_)
            | Literal::Boolean(_)
            | Literal::Duration(_)
            | Literal::Nan
            | Literal::Infinity
            | Literal::NegativeInfinity => None,
        },
        OptionValue::Map(_) => None,
    }
}

/// Entries as strings, whether or not they were quoted.
fn map(value: &OptionValue) -> Option<BTreeMap<String, String>> {
    let OptionValue::Map(entries) = value else { return None };
    let entry = |(key, value): &(Spanned<String>, Spanned<Literal>)| {
        let text = match &value.node {
            Literal::Text(text) => text.clone(),
            literal @ (Literal::Integer(_)
            | Literal::Decimal(_)
            | Literal::Blob(_)
            | Literal::Uuid(_)
            | Literal::Boolean(_)
            | Literal::Duration(_)
            | Literal::Nan
            | Literal::Infinity
            | Literal::NegativeInfinity) => literal.to_string(),
        };
        (key.node.clone(), text)
    };
    Some(entries.iter().map(entry).collect())
}
