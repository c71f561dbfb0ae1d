//! Tree to text, such that parsing the text gives the tree again.
//!
//! A statement is one line without `;`. `{:#}` writes a `CREATE TABLE` over several lines, as
//! `DESCRIBE` shows it.

use std::fmt::{self, Display, Formatter};

use crate::ast::{
    AlterKeyspace, AlterTable, Batch, BatchKind, ColumnDef, Condition, CreateKeyspace, CreateTable,
    Delete, Describe, Described, InValues, Insert, Name, Operator, OptionValue, Order, Relation,
    RelationKind, Select, SelectExpr, Selector, Selectors, Statement, TableChange, TableName,
    TableOption, Term, Test, Update, Using, Values, Write,
};
use crate::keyword::quote_name;
use crate::value::quote;

mod parts;
#[cfg(test)]
pub(crate) mod tests;

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Statement::CreateKeyspace(statement) => statement.fmt(f),
            Statement::AlterKeyspace(statement) => statement.fmt(f),
            Statement::DropKeyspace(statement) => {
                write!(f, "DROP KEYSPACE {}{}", if_exists(statement.if_exists), statement.name)
            }
            Statement::CreateTable(statement) => statement.fmt(f),
            Statement::AlterTable(statement) => statement.fmt(f),
            Statement::DropTable(statement) => {
                write!(f, "DROP TABLE {}{}", if_exists(statement.if_exists), statement.name)
            }
            Statement::CreateType(statement) => statement.fmt(f),
            Statement::AlterType(statement) => statement.fmt(f),
            Statement::DropType(statement) => {
                write!(f, "DROP TYPE {}{}", if_exists(statement.if_exists), statement.name)
            }
            Statement::Truncate(statement) => write!(f, "TRUNCATE {}", statement.table),
            Statement::Use(statement) => write!(f, "USE {}", statement.keyspace),
            Statement::Write(statement) => statement.fmt(f),
            Statement::Batch(statement) => statement.fmt(f),
            Statement::Select(statement) => statement.fmt(f),
            Statement::Describe(statement) => statement.fmt(f),
        }
    }
}

impl Display for Write {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Write::Insert(statement) => statement.fmt(f),
            Write::Update(statement) => statement.fmt(f),
            Write::Delete(statement) => statement.fmt(f),
        }
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&quote_name(&self.text))
    }
}

impl Display for TableName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.keyspace {
            Some(keyspace) => write!(f, "{keyspace}.{}", self.table),
            None => self.table.fmt(f),
        }
    }
}

impl Display for CreateKeyspace {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let if_not_exists = if_not_exists(self.if_not_exists);
        write!(
            f,
            "CREATE KEYSPACE {if_not_exists}{} WITH {} AND durable_writes = {}",
            self.name,
            replication(&self.replication),
            self.durable_writes
        )
    }
}

impl Display for AlterKeyspace {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let durable_writes = self.durable_writes.map(|it| format!("durable_writes = {it}"));
        let options = self.replication.as_deref().map(replication).into_iter();
        let options: Vec<String> = options.chain(durable_writes).collect();
        let if_exists = if_exists(self.if_exists);
        write!(f, "ALTER KEYSPACE {if_exists}{} WITH {}", self.name, options.join(" AND "))
    }
}

/// `replication = {…}`
fn replication(map: &[(String, String)]) -> String {
    let entries = map.iter().map(|(key, value)| format!("{}: {}", quote(key), quote(value)));
    format!("replication = {{{}}}", joined(entries))
}

impl Display for AlterTable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "ALTER TABLE {}{} ", if_exists(self.if_exists), self.name)?;
        match &self.change {
            TableChange::Add { if_not_exists: tolerant, columns } => {
                write!(f, "ADD {}{}", if_not_exists(*tolerant), joined(columns))
            }
            TableChange::Drop { if_exists: tolerant, columns } => {
                write!(f, "DROP {}{}", if_exists(*tolerant), joined(columns))
            }
            TableChange::Rename { if_exists: tolerant, names } => {
                let names = names.iter().map(|(old, new)| format!("{old} TO {new}"));
                let names = names.collect::<Vec<_>>().join(" AND ");
                write!(f, "RENAME {}{names}", if_exists(*tolerant))
            }
            TableChange::Options(options) => {
                let options: Vec<String> = options.iter().map(ToString::to_string).collect();
                write!(f, "WITH {}", options.join(" AND "))
            }
        }
    }
}

impl Display for ColumnDef {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let is_static = if self.is_static { " STATIC" } else { "" };
        write!(f, "{} {}{is_static}", self.name, self.type_name.node)
    }
}

impl Display for CreateTable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (open, between, close, and) = match f.alternate() {
            true => ("(\n    ", ",\n    ", "\n)", "\n    AND "),
            false => ("(", ", ", ")", " AND "),
        };
        write!(f, "CREATE TABLE {}{} {open}", if_not_exists(self.if_not_exists), self.name)?;
        for column in &self.columns {
            write!(f, "{column}{between}")?;
        }
        let partition_key = joined(&self.partition_key);
        match self.partition_key.len() {
            1 => write!(f, "PRIMARY KEY ({partition_key}")?,
            _ => write!(f, "PRIMARY KEY (({partition_key})")?,
        }
        for name in &self.clustering_key {
            write!(f, ", {name}")?;
        }
        write!(f, "){close}")?;
        let mut before = " WITH ";
        if !self.clustering_order.is_empty() {
            let order = joined(self.clustering_order.iter().map(ordering));
            write!(f, "{before}CLUSTERING ORDER BY ({order})")?;
            before = and;
        }
        for option in &self.options {
            write!(f, "{before}{option}")?;
            before = and;
        }
        Ok(())
    }
}

impl Display for TableOption {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.value {
            OptionValue::Literal(literal) => write!(f, "{} = {}", self.name, literal.node),
            OptionValue::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| format!("{}: {}", quote(&key.node), value.node));
                write!(f, "{} = {{{}}}", self.name, joined(entries))
            }
        }
    }
}

impl Display for Insert {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (columns, values) = (joined(&self.columns), joined(&self.values));
        write!(f, "INSERT INTO {} ({columns}) VALUES ({values})", self.table)?;
        if self.if_not_exists {
            f.write_str(" IF NOT EXISTS")?;
        }
        self.using.fmt(f)
    }
}

impl Display for Update {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let assignments = joined(&self.assignments);
        write!(f, "UPDATE {}{} SET {assignments}", self.table, self.using)?;
        write_where(f, &self.where_)?;
        write_if(f, self.if_exists, &self.conditions)
    }
}

impl Display for Delete {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("DELETE ")?;
        if !self.columns.is_empty() {
            write!(f, "{} ", joined(&self.columns))?;
        }
        write!(f, "FROM {}{}", self.table, self.using)?;
        write_where(f, &self.where_)?;
        write_if(f, self.if_exists, &self.conditions)
    }
}

impl Display for Using {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(timestamp) = &self.timestamp {
            parts.push((timestamp, format!("TIMESTAMP {timestamp}")));
        }
        if let Some(ttl) = &self.ttl {
            parts.push((ttl, format!("TTL {ttl}")));
        }
        // Two markers keep the order in which they are bound.
        parts.sort_by_key(|(term, _)| match term {
            Term::Marker(marker) => marker.index,
            Term::Literal(_)
            | Term::FunctionCall { .. }
            | Term::Null(_)
            | Term::List(..)
            | Term::Set(..)
            | Term::Map(..)
            | Term::User(..)
            | Term::Tuple(..)
            | Term::Hint(..) => 0,
        });
        if parts.is_empty() {
            return Ok(());
        }
        let parts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
        write!(f, " USING {}", parts.join(" AND "))
    }
}

impl Display for Batch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            BatchKind::Logged => "",
            BatchKind::Unlogged => "UNLOGGED ",
            BatchKind::Counter => "COUNTER ",
        };
        write!(f, "BEGIN {kind}BATCH{}", self.using)?;
        self.writes.iter().try_for_each(|write| write!(f, " {write};"))?;
        f.write_str(" APPLY BATCH")
    }
}

impl Display for Select {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let distinct = if self.distinct { "DISTINCT " } else { "" };
        write!(f, "SELECT {distinct}{} FROM {}", self.selectors, self.from)?;
        write_where(f, &self.where_)?;
        if !self.order_by.is_empty() {
            write!(f, " ORDER BY {}", joined(self.order_by.iter().map(ordering)))?;
        }
        if let Some(limit) = &self.per_partition_limit {
            write!(f, " PER PARTITION LIMIT {limit}")?;
        }
        if let Some(limit) = &self.limit {
            write!(f, " LIMIT {limit}")?;
        }
        if self.allow_filtering {
            f.write_str(" ALLOW FILTERING")?;
        }
        Ok(())
    }
}

impl Display for Selectors {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Selectors::All => f.write_str("*"),
            Selectors::Some(selectors) => f.write_str(&joined(selectors)),
        }
    }
}

impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.alias {
            Some(alias) => write!(f, "{} AS {alias}", self.expr),
            None => self.expr.fmt(f),
        }
    }
}

impl Display for SelectExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            SelectExpr::Column(name) => name.fmt(f),
            SelectExpr::CountAll(_) => f.write_str("count(*)"),
            SelectExpr::Function { name, args, .. } => {
                write!(f, "{}({})", function_name(name), joined(args))
            }
            SelectExpr::Cast { arg, to, .. } => write!(f, "CAST({arg} AS {})", to.node),
            SelectExpr::Element { of, key, .. } => write!(f, "{of}[{key}]"),
            SelectExpr::Slice { of, from, to, .. } => {
                write!(f, "{of}[")?;
                from.iter().try_for_each(|it| write!(f, "{it} "))?;
                f.write_str("..")?;
                to.iter().try_for_each(|it| write!(f, " {it}"))?;
                f.write_str("]")
            }
            SelectExpr::Field { of, name, .. } => write!(f, "{of}.{name}"),
        }
    }
}

impl Display for Relation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            RelationKind::Column { name, op, term } => write!(f, "{name} {op} {term}"),
            RelationKind::Contains { name, term } => write!(f, "{name} CONTAINS {term}"),
            RelationKind::ContainsKey { name, term } => write!(f, "{name} CONTAINS KEY {term}"),
            RelationKind::Element { name, key, term } => write!(f, "{name}[{key}] = {term}"),
            RelationKind::In { name, values } => write!(f, "{name} IN {values}"),
            RelationKind::Token { columns, op, term } => {
                write!(f, "token({}) {op} {term}", joined(columns))
            }
            RelationKind::TupleIn { names, values } => {
                write!(f, "({}) IN {values}", joined(names))
            }
            RelationKind::Tuple { names, op, values } => {
                write!(f, "({}) {op} {values}", joined(names))
            }
        }
    }
}

impl<V: Display> Display for InValues<V> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            InValues::List(values) => write!(f, "({})", joined(values)),
            InValues::Marker(marker) => marker.fmt(f),
        }
    }
}

impl Display for Values {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Values::Terms(terms) => write!(f, "({})", joined(terms)),
            Values::Marker(marker) => marker.fmt(f),
        }
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.test {
            Test::Compare(op, term) => write!(f, "{} {op} {term}", self.name),
            Test::In(values) => write!(f, "{} IN {values}", self.name),
        }
    }
}

impl Display for Operator {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operator::Eq => "=",
            Operator::Lt => "<",
            Operator::Le => "<=",
            Operator::Gt => ">",
            Operator::Ge => ">=",
            Operator::NotEq => "!=",
        })
    }
}

impl Display for Describe {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.target {
            Described::Cluster => f.write_str("DESCRIBE CLUSTER"),
            Described::Schema => f.write_str("DESCRIBE SCHEMA"),
            Described::Keyspaces => f.write_str("DESCRIBE KEYSPACES"),
            Described::Tables => f.write_str("DESCRIBE TABLES"),
            Described::Keyspace(None) => f.write_str("DESCRIBE KEYSPACE"),
            Described::Keyspace(Some(name)) => write!(f, "DESCRIBE KEYSPACE {name}"),
            Described::Types => f.write_str("DESCRIBE TYPES"),
            Described::Type(name) => write!(f, "DESCRIBE TYPE {name}"),
            Described::Table(name) => write!(f, "DESCRIBE TABLE {name}"),
        }
    }
}

/// A function's name: `token` is reserved and a function all the same, and a function that is
/// called `cast` must not become the other thing.
fn function_name(name: &Name) -> String {
    match name.text.as_str() {
        "token" => "token".to_owned(),
        "cast" => "\"cast\"".to_owned(),
        _ => name.to_string(),
    }
}

fn write_where(f: &mut Formatter<'_>, relations: &[Relation]) -> fmt::Result {
    write_and(f, " WHERE ", relations)
}

fn write_if(f: &mut Formatter<'_>, if_exists: bool, conditions: &[Condition]) -> fmt::Result {
    if if_exists { f.write_str(" IF EXISTS") } else { write_and(f, " IF ", conditions) }
}

/// `before` and the things between `AND`s; nothing where there are none.
fn write_and<T: Display>(f: &mut Formatter<'_>, before: &str, things: &[T]) -> fmt::Result {
    for (at, thing) in things.iter().enumerate() {
        write!(f, "{}{thing}", if at == 0 { before } else { " AND " })?;
    }
    Ok(())
}

fn if_exists(there: bool) -> &'static str {
    if there { "IF EXISTS " } else { "" }
}

fn if_not_exists(there: bool) -> &'static str {
    if there { "IF NOT EXISTS " } else { "" }
}

fn ordering((name, order): &(Name, Order)) -> String {
    match order {
        Order::Asc => format!("{name} ASC"),
        Order::Desc => format!("{name} DESC"),
    }
}

fn joined<T: Display>(things: impl IntoIterator<Item = T>) -> String {
    let things: Vec<String> = things.into_iter().map(|thing| thing.to_string()).collect();
    things.join(", ")
}
