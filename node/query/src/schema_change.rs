//! CREATE, ALTER and DROP: definitions checked and completed with ids.

use cql_lite::{
    ast::{self, Spanned},
    code::Code,
    span::Span,
};
use model::{
    ColumnId, Keyspace, Table, TableId, key,
    schema::{self, Column, ColumnKind, NativeType, Replication, TableOptions},
};
use sys::SharedRng;

use crate::{
    About, Error, NodeInfo, SchemaChange, SchemaEffect, SchemaTarget,
    plan::names::{Scope, did_you_mean},
    system_tables,
};

mod alter;
mod types;

pub(crate) use alter::{alter_keyspace, alter_table};
pub(crate) use types::{alter_type, create_type, drop_type};

/// What a statement comes to.
pub(crate) enum Decision {
    /// It is so already, and that is fine.
    Rest,
    /// This has to be agreed.
    Change(Box<Proposal>),
}

impl Decision {
    fn change(proposal: Proposal) -> Decision {
        Decision::Change(Box::new(proposal))
    }
}

/// A change with what to tell of it.
pub(crate) struct Proposal {
    /// The change.
    pub(crate) change: SchemaChange,
    /// Whether it is fine that somebody else was faster.
    pub(crate) tolerant: bool,
    /// What happens.
    pub(crate) effect: SchemaEffect,
    /// To what.
    pub(crate) target: SchemaTarget,
    /// Its keyspace.
    pub(crate) keyspace: String,
    /// The table or the type, where it is one.
    pub(crate) name: Option<String>,
    /// What the user should know.
    pub(crate) warnings: Vec<String>,
}

/// Compaction strategies that exist.
const COMPACTIONS: [&str; 4] = [
    "SizeTieredCompactionStrategy",
    "LeveledCompactionStrategy",
    "TimeWindowCompactionStrategy",
    "UnifiedCompactionStrategy",
];

/// Compressors that exist.
const COMPRESSORS: [&str; 3] = ["LZ4Compressor", "ZstdCompressor", "NoopCompressor"];

/// Replication strategies that exist.
const STRATEGIES: [&str; 2] = ["SimpleStrategy", "NetworkTopologyStrategy"];

/// Options of Cassandra's that are not here yet.
const OPTIONS_PLANNED: [&str; 15] = [
    "additional_write_policy",
    "allow_auto_snapshot",
    "caching",
    "cdc",
    "crc_check_chance",
    "extensions",
    "id",
    "incremental_backups",
    "max_index_interval",
    "memtable",
    "memtable_flush_period_in_ms",
    "min_index_interval",
    "read_repair",
    "speculative_retry",
    "tombstone_gc",
];

/// Decides on `CREATE KEYSPACE`.
pub(crate) fn create_keyspace(
    create: &ast::CreateKeyspace,
    scope: &Scope<'_>,
    nodes: &[NodeInfo],
) -> Result<Decision, Error> {
    let (name, span) = (&create.name.text, create.name.span);
    refuse_ours(name, span)?;
    if scope.has_keyspace(name) {
        return exists(span, create.if_not_exists, name, None);
    }
    let mut warnings = Vec::new();
    let replication = replication(&create.replication, span, nodes, &mut warnings)?;
    let keyspace = Keyspace {
        name: name.clone(),
        replication,
        durable_writes: create.durable_writes,
        tables: Default::default(),
        types: Default::default(),
    };
    schema::check_keyspace(&keyspace).map_err(|error| invalid(&error, span))?;
    Ok(Decision::change(Proposal {
        change: SchemaChange::CreateKeyspace(keyspace),
        tolerant: create.if_not_exists,
        effect: SchemaEffect::Created,
        target: SchemaTarget::Keyspace,
        keyspace: name.clone(),
        name: None,
        warnings,
    }))
}

/// The replication that a map asks for, where these nodes can follow it.
fn replication(
    map: &[(String, String)],
    span: Span,
    nodes: &[NodeInfo],
    warnings: &mut Vec<String>,
) -> Result<Replication, Error> {
    let mut dcs: Vec<&str> = nodes.iter().map(|it| it.dc.as_str()).collect();
    dcs.sort_unstable();
    dcs.dedup();
    let replication = Replication::from_map(map, &dcs).map_err(|error| {
        let class = map.iter().find(|(key, _)| key == "class").map_or("", |(_, class)| class);
        let error = invalid(&error, span);
        match STRATEGIES.contains(&class) {
            true => error,
            false => did_you_mean(error, class, STRATEGIES).or_hint(
                "write {'class': 'SimpleStrategy', 'replication_factor': 3} or \
                 {'class': 'NetworkTopologyStrategy', 'dc1': 3}",
            ),
        }
    })?;
    match &replication {
        Replication::Simple { factor } => warn_few(*factor, nodes.len(), None, warnings),
        Replication::NetworkTopology(factors) => {
            for (dc, factor) in factors {
                if !dcs.contains(&dc.as_str()) {
                    let message =
                        format!("replication names data center '{dc}', which has no node");
                    let error = Error::new(Code::InvalidSchema, message).at(span);
                    return Err(did_you_mean(error, dc, dcs.iter().copied())
                        .or_hint(&format!("data centers are: {}", dcs.join(", "))));
                }
                let here = nodes.iter().filter(|it| it.dc == *dc).count();
                warn_few(*factor, here, Some(dc), warnings);
            }
        }
    }
    Ok(replication)
}

fn warn_few(factor: u32, nodes: usize, dc: Option<&str>, warnings: &mut Vec<String>) {
    if factor as usize > nodes {
        let place = dc.map_or("the cluster".to_owned(), |dc| format!("data center '{dc}'"));
        warnings.push(format!("{factor} copies are asked for, but {place} has {nodes} node(s)"));
    }
}

/// Decides on `DROP KEYSPACE`.
pub(crate) fn drop_keyspace(
    drop: &ast::DropKeyspace,
    scope: &Scope<'_>,
) -> Result<Decision, Error> {
    let name = &drop.name.text;
    refuse_ours(name, drop.name.span)?;
    if !scope.schema.keyspaces.contains_key(name) {
        return missing(scope.unknown_keyspace(name), drop.name.span, drop.if_exists);
    }
    Ok(Decision::change(Proposal {
        change: SchemaChange::DropKeyspace(name.clone()),
        tolerant: drop.if_exists,
        effect: SchemaEffect::Dropped,
        target: SchemaTarget::Keyspace,
        keyspace: name.clone(),
        name: None,
        warnings: Vec::new(),
    }))
}

/// Decides on `DROP TABLE`.
pub(crate) fn drop_table(drop: &ast::DropTable, scope: &Scope<'_>) -> Result<Decision, Error> {
    let keyspace = scope.keyspace_of(&drop.name)?;
    refuse_ours(keyspace, drop.name.span())?;
    let table = match scope.table(&drop.name) {
        Ok(table) => table,
        Err(error) => return missing(error, drop.name.span(), drop.if_exists),
    };
    let (keyspace, name) = (table.keyspace.clone(), table.name.clone());
    Ok(Decision::change(Proposal {
        change: SchemaChange::DropTable {
            keyspace: keyspace.clone(),
            name: name.clone(),
            id: table.id,
        },
        tolerant: drop.if_exists,
        effect: SchemaEffect::Dropped,
        target: SchemaTarget::Table,
        keyspace,
        name: Some(name),
        warnings: Vec::new(),
    }))
}

/// Decides on `CREATE TABLE`.
pub(crate) fn create_table(
    create: &ast::CreateTable,
    scope: &Scope<'_>,
    rng: &SharedRng,
) -> Result<Decision, Error> {
    let keyspace = scope.keyspace_of(&create.name)?.to_owned();
    refuse_ours(&keyspace, create.name.span())?;
    let Some(found) = scope.schema.keyspaces.get(&keyspace) else {
        let span = create.name.keyspace.as_ref().map_or(create.name.span(), |it| it.span);
        return Err(scope.unknown_keyspace(&keyspace).at(span));
    };
    let name = create.name.table.text.clone();
    if found.tables.contains_key(&name) {
        return exists(create.name.span(), create.if_not_exists, &keyspace, Some(("table", &name)));
    }
    let columns = Columns::of(create, &keyspace, scope)?;
    let table = Table {
        id: TableId(rng.uuid_v4()),
        keyspace: keyspace.clone(),
        name: name.clone(),
        partition_key: columns.partition_key,
        clustering_key: columns.clustering_key,
        statics: columns.statics,
        regulars: columns.regulars,
        dropped: Vec::new(),
        options: options(&create.options, TableOptions::default())?,
        epoch: 0,
    };
    refuse_mixture(&table, &create.columns)?;
    schema::check_table(&table).map_err(|error| invalid(&error, create.name.span()))?;
    Ok(Decision::change(Proposal {
        change: SchemaChange::CreateTable(table),
        tolerant: create.if_not_exists,
        effect: SchemaEffect::Created,
        target: SchemaTarget::Table,
        keyspace,
        name: Some(name),
        warnings: Vec::new(),
    }))
}

/// The columns of a new table by part.
struct Columns {
    partition_key: Vec<Column>,
    clustering_key: Vec<Column>,
    statics: Vec<Column>,
    regulars: Vec<Column>,
}

impl Columns {
    fn of(create: &ast::CreateTable, keyspace: &str, scope: &Scope<'_>) -> Result<Columns, Error> {
        for (at, column) in create.columns.iter().enumerate() {
            if create.columns[..at].iter().any(|it| it.name.text == column.name.text) {
                let message = format!("column `{}` is defined twice", column.name.text);
                return Err(Error::new(Code::InvalidSchema, message).at(column.name.span));
            }
        }
        let keys: Vec<&ast::Name> =
            create.partition_key.iter().chain(&create.clustering_key).collect();
        for (at, name) in keys.iter().enumerate() {
            if keys[..at].iter().any(|it| it.text == name.text) {
                let message = format!("`{}` is twice in the primary key", name.text);
                return Err(Error::new(Code::InvalidSchema, message).at(name.span));
            }
        }
        let orders = orders(create)?;
        let mut ids = (0..).map(ColumnId);
        let mut column = |name: &ast::Name, kind: ColumnKind| {
            let id = ids.next().unwrap_or(ColumnId(u32::MAX));
            key_column(create, name, id, kind, &|of| scope.resolve(of, keyspace))
        };
        let mut partition_key = Vec::new();
        for name in &create.partition_key {
            partition_key.push(column(name, ColumnKind::Partition)?);
        }
        let mut clustering_key = Vec::new();
        for (name, order) in create.clustering_key.iter().zip(orders) {
            clustering_key.push(column(name, ColumnKind::Clustering(order))?);
        }
        let is_key = |it: &&ast::ColumnDef| keys.iter().any(|key| key.text == it.name.text);
        let mut rest: Vec<&ast::ColumnDef> =
            create.columns.iter().filter(|it| !is_key(it)).collect();
        rest.sort_by(|a, b| a.name.text.cmp(&b.name.text));
        let mut of_kind = |is_static: bool, kind: ColumnKind| -> Result<Vec<Column>, Error> {
            let chosen = rest.iter().filter(|it| it.is_static == is_static);
            let define = |(it, id): (&&ast::ColumnDef, ColumnId)| {
                let resolved = scope.resolve(&it.type_name, keyspace)?;
                Ok(new_column(id, &it.name, resolved, kind))
            };
            chosen.zip(ids.by_ref()).map(define).collect()
        };
        let statics = of_kind(true, ColumnKind::Static)?;
        let regulars = of_kind(false, ColumnKind::Regular)?;
        let lone = create.columns.iter().find(|it| it.is_static);
        if let (Some(column), true) = (lone, clustering_key.is_empty()) {
            return Err(lone_static(&column.name));
        }
        Ok(Columns { partition_key, clustering_key, statics, regulars })
    }
}

/// Refuses counters beside other columns, at the first of `new` that is not as those before it.
fn refuse_mixture(table: &Table, new: &[ast::ColumnDef]) -> Result<(), Error> {
    let values = || table.statics.iter().chain(&table.regulars);
    let of = |new: &ast::ColumnDef| values().find(|it| it.name == new.name.text);
    let old = values().find(|it| new.iter().all(|new| new.name.text != it.name));
    let Some(first) = old.or_else(|| new.iter().find_map(of)) else { return Ok(()) };
    let differs =
        |new: &&ast::ColumnDef| of(new).is_some_and(|it| it.is_counter() != first.is_counter());
    let Some(column) = new.iter().find(differs) else { return Ok(()) };
    let name = &column.name.text;
    let message = match first.is_counter() {
        true => format!("column `{name}` is no counter, and the others of its table are"),
        false => format!("column `{name}` is a counter, and the others of its table are not"),
    };
    Err(Error::new(Code::InvalidSchema, message)
        .at(column.type_name.span)
        .hint("counters have tables of their own, with the same primary key"))
}

/// The error for a static column where each partition has one row.
fn lone_static(name: &ast::Name) -> Error {
    let message = format!("static column `{}` needs a clustering column", name.text);
    Error::new(Code::InvalidSchema, message)
        .at(name.span)
        .hint("without clustering columns a partition has one row: leave out STATIC")
}

/// A column of the primary key, which must be defined and not be static.
fn key_column(
    create: &ast::CreateTable,
    name: &ast::Name,
    id: ColumnId,
    kind: ColumnKind,
    resolve: &dyn Fn(&Spanned<ast::TypeName>) -> Result<ast::Resolved, Error>,
) -> Result<Column, Error> {
    let Some(column) = create.columns.iter().find(|it| it.name.text == name.text) else {
        let message = format!("`{}` is in the primary key but not defined", name.text);
        let error = Error::new(Code::InvalidSchema, message).at(name.span);
        return Err(did_you_mean(
            error,
            &name.text,
            create.columns.iter().map(|it| it.name.text.as_str()),
        ));
    };
    if column.is_static {
        let message = format!("static column `{}` cannot be in the primary key", name.text);
        return Err(Error::new(Code::InvalidSchema, message).at(name.span));
    }
    let resolved = resolve(&column.type_name)?;
    if resolved.cql_type == NativeType::Counter {
        let message = format!("counter `{}` cannot be part of the primary key", name.text);
        return Err(Error::new(Code::InvalidSchema, message)
            .at(column.type_name.span)
            .hint("bigint is a number that is set"));
    }
    if !resolved.is_frozen {
        let message =
            format!("column `{}` cannot be in the primary key unless it is frozen", name.text);
        return Err(Error::new(Code::InvalidSchema, message)
            .at(column.type_name.span)
            .hint(format!("write frozen<{}>", resolved.cql_type)));
    }
    Ok(new_column(id, name, resolved, kind))
}

fn new_column(id: ColumnId, name: &ast::Name, of: ast::Resolved, kind: ColumnKind) -> Column {
    let ast::Resolved { cql_type, is_frozen } = of;
    Column { id, name: name.text.clone(), cql_type, is_multi_cell: !is_frozen, kind }
}

/// The order of each clustering column.
fn orders(create: &ast::CreateTable) -> Result<Vec<key::Order>, Error> {
    let keys = &create.clustering_key;
    let Some((first, _)) = create.clustering_order.first() else {
        return Ok(vec![key::Order::Asc; keys.len()]);
    };
    let named = create.clustering_order.iter().map(|(name, _)| &name.text);
    if !named.eq(keys.iter().map(|it| &it.text)) {
        let names: Vec<String> =
            keys.iter().map(|it| cql_lite::keyword::quote_name(&it.text)).collect();
        let message = "CLUSTERING ORDER BY takes all clustering columns, in their order";
        return Err(Error::new(Code::InvalidSchema, message).at(first.span).hint(
            match names.is_empty() {
                true => "the primary key has no clustering column".to_owned(),
                false => format!("the clustering columns are {}", names.join(", ")),
            },
        ));
    }
    let order = |order: &ast::Order| match order {
        ast::Order::Asc => key::Order::Asc,
        ast::Order::Desc => key::Order::Desc,
    };
    Ok(create.clustering_order.iter().map(|(_, it)| order(it)).collect())
}

/// `options` with those that are given in their place.
fn options(given: &[ast::TableOption], mut options: TableOptions) -> Result<TableOptions, Error> {
    for option in given {
        let (name, span) = (option.name.text.as_str(), option.name.span);
        if OPTIONS_PLANNED.contains(&name) {
            let message = format!("table option `{name}` is not supported yet");
            return Err(Error::new(Code::NotSupported, message).at(span).hint("leave it out"));
        }
        options.set(option).map_err(|error| match &error {
            schema::Error::UnknownOption(_) => {
                did_you_mean(invalid(&error, span), name, TableOptions::NAMES)
                    .or_hint(&format!("options are: {}", TableOptions::NAMES.join(", ")))
            }
            schema::Error::BadName(_)
            | schema::Error::DuplicateColumn(_)
            | schema::Error::NoPartitionKey
            | schema::Error::StaticWithoutClustering(_)
            | schema::Error::KeyWithoutOrder(_)
            | schema::Error::KeyOfCells(_)
            | schema::Error::KeyOfCounters(_)
            | schema::Error::MixedCounters { .. }
            | schema::Error::CounterInside(_)
            | schema::Error::NoCells(_)
            | schema::Error::BadFields(_)
            | schema::Error::MisplacedColumn(_)
            | schema::Error::BadOption { .. }
            | schema::Error::BadReplication(_) => invalid(&error, span),
        })?;
        let classes: &[&str] = match name {
            "compaction" => &COMPACTIONS,
            "compression" => &COMPRESSORS,
            _ => continue,
        };
        let map = if name == "compaction" { &options.compaction } else { &options.compression };
        if let Some(class) = map.get("class") {
            let short = class.rsplit('.').next().unwrap_or(class);
            if !classes.contains(&short) {
                let message = format!("unknown {name} class '{class}'");
                let error = Error::new(Code::InvalidSchema, message).at(span);
                return Err(did_you_mean(error, short, classes.iter().copied())
                    .or_hint(&format!("classes are: {}", classes.join(", "))));
            }
        }
    }
    Ok(options)
}

/// Refuses to change keyspaces that are ours.
fn refuse_ours(keyspace: &str, span: Span) -> Result<(), Error> {
    if system_tables::KEYSPACES.contains(&keyspace) {
        let message = format!("keyspace `{keyspace}` belongs to the system");
        return Err(Error::new(Code::Unauthorized, message).at(span).hint(system_tables::OURS));
    }
    Ok(())
}

/// What a statement comes to that creates what is there: `what` of a keyspace, or the keyspace itself.
fn exists(
    span: Span,
    fine: bool,
    keyspace: &str,
    what: Option<(&str, &str)>,
) -> Result<Decision, Error> {
    if fine {
        return Ok(Decision::Rest);
    }
    let (kind, name) = what.unwrap_or(("keyspace", keyspace));
    let message = format!("{kind} `{name}` already exists");
    let (keyspace, table) = (keyspace.to_owned(), what.map(|(_, name)| name.to_owned()));
    Err(Error::new(Code::AlreadyExists, message)
        .about(About::Taken { keyspace, table })
        .at(span)
        .hint("add IF NOT EXISTS"))
}

fn missing(error: Error, span: Span, fine: bool) -> Result<Decision, Error> {
    if fine {
        return Ok(Decision::Rest);
    }
    Err(Error { code: Code::DoesNotExist, ..error }.at(span))
}

fn invalid(error: &schema::Error, span: Span) -> Error {
    Error::new(Code::InvalidSchema, error.to_string()).at(span)
}
