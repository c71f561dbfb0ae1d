//! Whether a keyspace or a table can be: what holds of it alone, whatever else exists.

use std::collections::BTreeSet;

use super::{Column, ColumnKind, Keyspace, NativeType, Table, UserType};

/// Longest name of a keyspace or a table, characters: they become names of folders.
const NAME_LEN_MAX: usize = 48;

/// Why a keyspace or a table cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A name has other characters than letters, digits and `_`, or none, or more than 48.
    #[error("`{0}` is not a name: 1 to 48 letters, digits and underscores")]
    BadName(String),
    /// Two columns of one name, or of one id.
    #[error("column `{0}` is defined twice")]
    DuplicateColumn(String),
    /// No column is in the partition key.
    #[error("a table needs a partition key")]
    NoPartitionKey,
    /// A column of the primary key whose type has no order.
    #[error("column `{0}` cannot be part of the primary key: durations have no order")]
    KeyWithoutOrder(String),
    /// A column of the primary key whose value is more than one cell.
    #[error("column `{0}` cannot be part of the primary key unless it is frozen")]
    KeyOfCells(String),
    /// A column that has a cell for each part of a value that has no such parts.
    #[error("column `{0}` has a type whose values are one cell")]
    NoCells(String),
    /// A counter in the primary key.
    #[error("counter `{0}` cannot be part of the primary key")]
    KeyOfCounters(String),
    /// A counter beside a column that is none, or the other way round.
    #[error(
        "counters have tables of their own: column `{counter}` is a counter, column `{other}` is not"
    )]
    MixedCounters {
        /// The counter.
        counter: String,
        /// The column that is none.
        other: String,
    },
    /// A counter inside of another type.
    #[error("`{0}` has a counter inside of another type")]
    CounterInside(String),
    /// Two fields of one name, or none at all.
    #[error("type `{0}` needs fields, each with a name of its own")]
    BadFields(String),
    /// A static column where each partition has one row at most.
    #[error("static column `{0}` needs a clustering column")]
    StaticWithoutClustering(String),
    /// A column plays another part than the list it is in, or is out of order there.
    #[error("column `{0}` is in the wrong place")]
    MisplacedColumn(String),
    /// No option has this name.
    #[error("unknown table option `{0}`")]
    UnknownOption(String),
    /// An option has a value that it cannot have.
    #[error("table option `{option}` {reason}")]
    BadOption {
        /// Which.
        option: String,
        /// What is wrong, to be read behind the name.
        reason: &'static str,
    },
    /// A replication map that no keyspace can have.
    #[error("replication {0}")]
    BadReplication(String),
}

/// Whether a keyspace can be: its name and its replication. Its tables are not looked at.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_keyspace(keyspace: &Keyspace) -> Result<(), Error> {
    check_name(&keyspace.name)?;
    keyspace.replication.check()
}

/// Whether a table can be: names, parts and order of its columns, options.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_table(table: &Table) -> Result<(), Error> {
    check_name(&table.keyspace)?;
    check_name(&table.name)?;
    if table.partition_key.is_empty() {
        return Err(Error::NoPartitionKey);
    }
    let (mut names, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for column in table.columns() {
        if !names.insert(&column.name) || !ids.insert(column.id) {
            return Err(Error::DuplicateColumn(column.name.clone()));
        }
    }
    if let (Some(lone), []) = (table.statics.first(), &table.clustering_key[..]) {
        return Err(Error::StaticWithoutClustering(lone.name.clone()));
    }
    if let Some(it) =
        table.columns().find(|it| it.is_multi_cell && !it.cql_type.can_be_multi_cell())
    {
        return Err(Error::NoCells(it.name.clone()));
    }
    let keys = || table.partition_key.iter().chain(&table.clustering_key);
    if let Some(column) = keys().find(|it| it.is_counter()) {
        return Err(Error::KeyOfCounters(column.name.clone()));
    }
    if let Some(column) = keys().find(|it| it.is_multi_cell) {
        return Err(Error::KeyOfCells(column.name.clone()));
    }
    if let Some(column) = keys().find(|it| !it.cql_type.has_order()) {
        return Err(Error::KeyWithoutOrder(column.name.clone()));
    }
    if let Some(id) = table.dropped.iter().find(|it| !ids.insert(**it)) {
        return Err(Error::DuplicateColumn(format!("dropped #{}", id.0)));
    }
    if !table.dropped.is_sorted() {
        return Err(Error::MisplacedColumn("dropped".to_owned()));
    }
    check_places(table)?;
    check_counters(table)?;
    table.options.check()
}

/// Counters with counters only, each a column of its own, and none that expire.
fn check_counters(table: &Table) -> Result<(), Error> {
    let has_one_inside = |it: &&Column| !it.is_counter() && it.cql_type.has(NativeType::Counter);
    if let Some(column) = table.columns().find(has_one_inside) {
        return Err(Error::CounterInside(column.name.clone()));
    }
    let values = || table.statics.iter().chain(&table.regulars);
    let Some(counter) = values().find(|it| it.is_counter()) else { return Ok(()) };
    if let Some(other) = values().find(|it| !it.is_counter()) {
        let (counter, other) = (counter.name.clone(), other.name.clone());
        return Err(Error::MixedCounters { counter, other });
    }
    if !counter.is_multi_cell {
        return Err(Error::NoCells(counter.name.clone()));
    }
    if 0 < table.options.default_time_to_live {
        let option = "default_time_to_live".to_owned();
        let reason = "is not for tables of counters, which never expire";
        return Err(Error::BadOption { option, reason });
    }
    Ok(())
}

/// Whether a user type can be: its name and its fields.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_type(user: &UserType) -> Result<(), Error> {
    check_name(&user.keyspace)?;
    check_name(&user.name)?;
    let mut names = BTreeSet::new();
    if let Some((field, _)) = user.fields.iter().find(|(_, of)| of.has(NativeType::Counter)) {
        return Err(Error::CounterInside(field.clone()));
    }
    let is_good = !user.fields.is_empty() && user.fields.iter().all(|(it, _)| names.insert(it));
    if is_good { Ok(()) } else { Err(Error::BadFields(user.name.clone())) }
}

/// Names of keyspaces, tables and types. Columns may be called anything.
fn check_name(name: &str) -> Result<(), Error> {
    let is_good = |it: char| it.is_ascii_alphanumeric() || it == '_';
    if (1..=NAME_LEN_MAX).contains(&name.len()) && name.chars().all(is_good) {
        return Ok(());
    }
    Err(Error::BadName(name.to_owned()))
}

/// Each column in the list of its kind; statics and regulars by name.
fn check_places(table: &Table) -> Result<(), Error> {
    let is_clustering = |kind| match kind {
        ColumnKind::Clustering(_) => true,
        ColumnKind::Partition | ColumnKind::Static | ColumnKind::Regular => false,
    };
    let in_place = |columns: &[Column], is_right: &dyn Fn(ColumnKind) -> bool| {
        let wrong = columns.iter().find(|it| !is_right(it.kind));
        wrong.map_or(Ok(()), |it| Err(Error::MisplacedColumn(it.name.clone())))
    };
    in_place(&table.partition_key, &|it| it == ColumnKind::Partition)?;
    in_place(&table.clustering_key, &is_clustering)?;
    in_place(&table.statics, &|it| it == ColumnKind::Static)?;
    in_place(&table.regulars, &|it| it == ColumnKind::Regular)?;
    for columns in [&table.statics, &table.regulars] {
        if let Some(pair) = columns.windows(2).find(|pair| pair[1].name <= pair[0].name) {
            return Err(Error::MisplacedColumn(pair[1].name.clone()));
        }
    }
    Ok(())
}
