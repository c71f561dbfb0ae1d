//! `CREATE`, `ALTER`, `DROP`, `USE`, `DESCRIBE`.

use std::collections::BTreeSet;

use super::{Expected, Parsed, Parser, is_keyword};
use crate::ast::{
    AlterKeyspace, AlterTable, ColumnDef, CreateKeyspace, CreateTable, Describe, Described,
    DropKeyspace, DropTable, Literal, Name, OptionValue, Order, Span, Spanned, Statement,
    TableChange, TableOption, Use,
};
use crate::code::Code;
use crate::error::Error;

/// Things that can be created, altered and dropped, but not yet here.
const PLANNED: [&str; 8] =
    ["INDEX", "CUSTOM", "MATERIALIZED", "FUNCTION", "AGGREGATE", "ROLE", "USER", "TRIGGER"];

/// The columns, keys and options of a table, while they are read.
#[derive(Default)]
struct Draft {
    columns: Vec<ColumnDef>,
    key: Option<Key>,
    clustering_order: Vec<(Name, Order)>,
    options: Vec<TableOption>,
    /// The names of `options`.
    option_names: BTreeSet<String>,
}

/// What follows the name of a keyspace; `None` where it is not written.
#[derive(Default)]
struct KeyspaceOptions {
    replication: Option<Vec<(String, String)>>,
    durable_writes: Option<bool>,
}

/// The primary key: partition columns, then clustering columns.
type Key = (Vec<Name>, Vec<Name>);

impl Parser<'_> {
    /// Everything behind `CREATE`.
    pub(super) fn create(&mut self) -> Parsed<Statement> {
        if self.eat_keyword("KEYSPACE") || self.eat_keyword("SCHEMA") {
            return self.create_keyspace().map(Statement::CreateKeyspace);
        }
        if self.eat_keyword("TABLE") || self.eat_keyword("COLUMNFAMILY") {
            return self.create_table().map(Statement::CreateTable);
        }
        if self.eat_keyword("TYPE") {
            return self.create_type().map(Statement::CreateType);
        }
        Err(self.planned("CREATE"))
    }

    /// Everything behind `ALTER`.
    pub(super) fn alter(&mut self) -> Parsed<Statement> {
        if self.eat_keyword("KEYSPACE") || self.eat_keyword("SCHEMA") {
            return self.alter_keyspace().map(Statement::AlterKeyspace);
        }
        if self.eat_keyword("TABLE") || self.eat_keyword("COLUMNFAMILY") {
            return self.alter_table().map(Statement::AlterTable);
        }
        if self.eat_keyword("TYPE") {
            return self.alter_type().map(Statement::AlterType);
        }
        Err(self.planned("ALTER"))
    }

    /// Everything behind `DROP`.
    pub(super) fn drop(&mut self) -> Parsed<Statement> {
        if self.eat_keyword("KEYSPACE") || self.eat_keyword("SCHEMA") {
            let if_exists = self.if_exists()?;
            let name = self.name("a keyspace name")?;
            return Ok(Statement::DropKeyspace(DropKeyspace { name, if_exists }));
        }
        if self.eat_keyword("TABLE") || self.eat_keyword("COLUMNFAMILY") {
            let if_exists = self.if_exists()?;
            let name = self.table_name()?;
            return Ok(Statement::DropTable(DropTable { name, if_exists }));
        }
        if self.eat_keyword("TYPE") {
            return self.drop_type().map(Statement::DropType);
        }
        Err(self.planned("DROP"))
    }

    /// Everything behind `USE`.
    pub(super) fn use_(&mut self) -> Parsed<Use> {
        Ok(Use { keyspace: self.name("a keyspace name")? })
    }

    /// Everything behind `DESCRIBE`.
    pub(super) fn describe(&mut self, start: Span) -> Parsed<Describe> {
        let target = if self.eat_word("KEYSPACES") {
            Described::Keyspaces
        } else if self.eat_word("TABLES") {
            Described::Tables
        } else if self.eat_word("TYPES") {
            Described::Types
        } else if self.eat_word("TYPE") {
            Described::Type(self.table_name()?)
        } else if self.eat_word("CLUSTER") {
            Described::Cluster
        } else if self.eat_keyword("SCHEMA") {
            Described::Schema
        } else if self.eat_keyword("KEYSPACE") {
            let named = self.at_name();
            Described::Keyspace(if named { Some(self.name("a keyspace name")?) } else { None })
        } else if self.eat_keyword("TABLE") || self.at_name() {
            Described::Table(self.table_name()?)
        } else {
            self.expected.push(Expected::Thing("a table name"));
            return Err(self.unexpected());
        };
        Ok(Describe { target, span: self.since(start) })
    }

    fn create_keyspace(&mut self) -> Parsed<CreateKeyspace> {
        let if_not_exists = self.if_not_exists()?;
        let name = self.name("a keyspace name")?;
        let KeyspaceOptions { replication, durable_writes } = self.keyspace_options()?;
        let Some(replication) = replication else {
            let message = "a keyspace needs `replication`";
            return Err(Error::new(Code::InvalidSchema, message, name.span).with_hint(
                "WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 3}",
            ));
        };
        Ok(CreateKeyspace {
            name,
            if_not_exists,
            replication,
            durable_writes: durable_writes.unwrap_or(true),
        })
    }

    fn alter_keyspace(&mut self) -> Parsed<AlterKeyspace> {
        let if_exists = self.if_exists()?;
        let name = self.name("a keyspace name")?;
        let KeyspaceOptions { replication, durable_writes } = self.keyspace_options()?;
        Ok(AlterKeyspace { name, if_exists, replication, durable_writes })
    }

    /// `WITH option = value AND …`, at least one.
    fn keyspace_options(&mut self) -> Parsed<KeyspaceOptions> {
        self.expect_keyword("WITH")?;
        let mut options = KeyspaceOptions::default();
        loop {
            let option = self.name("`replication` or `durable_writes`")?;
            self.expect("=")?;
            let again = match option.text.as_str() {
                "replication" => options.replication.replace(self.replication()?).is_some(),
                "durable_writes" => options.durable_writes.replace(self.truth()?).is_some(),
                other => return Err(unknown_keyspace_option(other, option.span)),
            };
            if again {
                return Err(twice("option", &option.text, option.span));
            }
            if !self.eat_keyword("AND") {
                return Ok(options);
            }
        }
    }

    /// The replication map. Its values are strings or integers, which mean the same.
    fn replication(&mut self) -> Parsed<Vec<(String, String)>> {
        let entries = self.map()?;
        let mut all = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let text = match value.node {
                Literal::Text(text) | Literal::Integer(text) => text,
                Literal::Decimal(_)
                | Literal::Blob(_)
                | Literal::Uuid(_)
                | Literal::Boolean(_)
                | Literal::Duration(_)
                | Literal::Nan
                | Literal::Infinity
                | Literal::NegativeInfinity => {
                    let message = "a replication option is a string or an integer";
                    return Err(Error::new(Code::InvalidSchema, message, value.span));
                }
            };
            all.push((key.node, text));
        }
        Ok(all)
    }

    /// `true` or `false`, perhaps in quotes.
    fn truth(&mut self) -> Parsed<bool> {
        let literal = self.constant()?;
        match &literal.node {
            Literal::Boolean(truth) => Ok(*truth),
            Literal::Text(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Literal::Text(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Literal::Text(_)
            | Literal::Integer(_)
            | Literal::Decimal(_)
            | Literal::Blob(_)
            | Literal::Uuid(_)
            | Literal::Duration(_)
            | Literal::Nan
            | Literal::Infinity
            | Literal::NegativeInfinity => {
                Err(Error::new(Code::InvalidSchema, "expected true or false", literal.span))
            }
        }
    }

    fn create_table(&mut self) -> Parsed<CreateTable> {
        let if_not_exists = self.if_not_exists()?;
        let name = self.table_name()?;
        let mut draft = Draft::default();
        self.expect("(")?;
        loop {
            self.column_or_key(&mut draft)?;
            if !self.eat(",") {
                break;
            }
        }
        self.expect(")")?;
        if self.eat_keyword("WITH") {
            self.table_options(&mut draft)?;
        }
        let Draft { columns, key, clustering_order, options, option_names: _ } = draft;
        let Some((partition_key, clustering_key)) = key else {
            let message = format!("table `{}` has no primary key", name.table.text);
            return Err(Error::new(Code::InvalidSchema, message, name.span()).with_hint(
                "end the columns with PRIMARY KEY ((partition key), clustering columns)",
            ));
        };
        Ok(CreateTable {
            name,
            if_not_exists,
            columns,
            partition_key,
            clustering_key,
            clustering_order,
            options,
        })
    }

    fn alter_table(&mut self) -> Parsed<AlterTable> {
        let if_exists = self.if_exists()?;
        let name = self.table_name()?;
        let change = if self.eat_keyword("ADD") {
            self.add_columns()?
        } else if self.eat_keyword("DROP") {
            self.drop_columns()?
        } else if self.eat_keyword("RENAME") {
            let if_exists = self.if_exists()?;
            let mut names = vec![self.renaming()?];
            while self.eat_keyword("AND") {
                names.push(self.renaming()?);
            }
            TableChange::Rename { if_exists, names }
        } else if self.eat_keyword("WITH") {
            let mut draft = Draft::default();
            let start = self.token.span;
            self.table_options(&mut draft)?;
            if !draft.clustering_order.is_empty() {
                let message = "the clustering order of a table cannot be altered";
                return Err(Error::new(Code::InvalidSchema, message, self.since(start))
                    .with_hint("rows are stored in it: make another table and copy them"));
            }
            TableChange::Options(draft.options)
        } else if self.at_keyword("ALTER") {
            return Err(self.unsupported("ALTER TABLE … ALTER"));
        } else {
            return Err(self.unexpected());
        };
        Ok(AlterTable { name, if_exists, change })
    }

    /// Everything behind `DROP`: columns, in parentheses or not.
    fn drop_columns(&mut self) -> Parsed<TableChange> {
        let if_exists = self.if_exists()?;
        let columns = match self.at_symbol("(") {
            true => self.parenthesized(Self::column)?,
            false => self.list(Self::column)?,
        };
        if self.at_keyword("USING") {
            return Err(self.unsupported("DROP … USING TIMESTAMP"));
        }
        Ok(TableChange::Drop { if_exists, columns })
    }

    /// Everything behind `ADD`: columns, in parentheses or not.
    fn add_columns(&mut self) -> Parsed<TableChange> {
        let if_not_exists = self.if_not_exists()?;
        let columns = match self.at_symbol("(") {
            true => self.parenthesized(Self::new_column)?,
            false => self.list(Self::new_column)?,
        };
        Ok(TableChange::Add { if_not_exists, columns })
    }

    /// `name type [STATIC]`
    fn new_column(&mut self) -> Parsed<ColumnDef> {
        let name = self.column()?;
        let type_name = self.type_name()?;
        let is_static = self.eat_keyword("STATIC");
        Ok(ColumnDef { name, type_name, is_static })
    }

    /// `old TO new`
    pub(super) fn renaming(&mut self) -> Parsed<(Name, Name)> {
        let old = self.column()?;
        self.expect_keyword("TO")?;
        Ok((old, self.column()?))
    }

    /// `name type [STATIC] [PRIMARY KEY]`, or `PRIMARY KEY (…)`.
    fn column_or_key(&mut self, draft: &mut Draft) -> Parsed<()> {
        let start = self.token.span;
        if self.eat_keyword("PRIMARY") {
            self.expect_keyword("KEY")?;
            let key = self.primary_key()?;
            return set_key(draft, key, self.since(start));
        }
        let column = self.new_column()?;
        let key_start = self.token.span;
        if self.eat_keyword("PRIMARY") {
            self.expect_keyword("KEY")?;
            set_key(draft, (vec![column.name.clone()], Vec::new()), self.since(key_start))?;
        }
        draft.columns.push(column);
        Ok(())
    }

    /// `(a, b, c)` or `((a, b), c)`.
    fn primary_key(&mut self) -> Parsed<Key> {
        self.expect("(")?;
        let partition_key = if self.at_symbol("(") {
            self.parenthesized(Self::column)?
        } else {
            self.expected.push(Expected::Symbol("("));
            vec![self.column()?]
        };
        let clustering_key = if self.eat(",") { self.list(Self::column)? } else { Vec::new() };
        self.expect(")")?;
        Ok((partition_key, clustering_key))
    }

    /// What follows `WITH`: `CLUSTERING ORDER BY (…)` and `option = value`, between `AND`s.
    fn table_options(&mut self, draft: &mut Draft) -> Parsed<()> {
        loop {
            let start = self.token.span;
            if self.at_keyword("COMPACT") && is_keyword(&self.second(), "STORAGE") {
                return Err(self.unsupported("COMPACT STORAGE"));
            }
            if self.at_keyword("CLUSTERING") && is_keyword(&self.second(), "ORDER") {
                self.advance();
                self.expect_keywords(&["ORDER", "BY"])?;
                if !draft.clustering_order.is_empty() {
                    return Err(twice("option", "clustering order", self.since(start)));
                }
                draft.clustering_order = self.parenthesized(Self::ordering)?;
            } else {
                let option = self.table_option()?;
                if !draft.option_names.insert(option.name.text.clone()) {
                    return Err(twice("option", &option.name.text, option.name.span));
                }
                draft.options.push(option);
            }
            if !self.eat_keyword("AND") {
                return Ok(());
            }
        }
    }

    fn table_option(&mut self) -> Parsed<TableOption> {
        let name = self.name("an option name")?;
        self.expect("=")?;
        let value = if self.at_symbol("{") {
            OptionValue::Map(self.map()?)
        } else {
            OptionValue::Literal(self.constant()?)
        };
        Ok(TableOption { name, value })
    }

    /// `{'key': value, …}`, perhaps empty.
    fn map(&mut self) -> Parsed<Vec<(Spanned<String>, Spanned<Literal>)>> {
        self.expect("{")?;
        let mut all = Vec::new();
        let mut keys = BTreeSet::new();
        if self.eat("}") {
            return Ok(all);
        }
        loop {
            let key = self.text("a string")?;
            if !keys.insert(key.node.clone()) {
                return Err(twice("key", &key, key.span));
            }
            self.expect(":")?;
            all.push((key, self.constant()?));
            if !self.eat(",") {
                break;
            }
        }
        self.expect("}")?;
        Ok(all)
    }

    pub(super) fn if_exists(&mut self) -> Parsed<bool> {
        let there = self.eat_keyword("IF");
        if there {
            self.expect_keyword("EXISTS")?;
        }
        Ok(there)
    }

    /// Consumes a word that may be a name, too, unless a `.` makes it a keyspace.
    fn eat_word(&mut self, word: &'static str) -> bool {
        if self.second().text == "." {
            return false;
        }
        self.eat_keyword(word)
    }

    /// The error behind `CREATE` or `DROP`, where neither keyspace nor table follows.
    fn planned(&self, verb: &str) -> Error {
        match PLANNED.into_iter().find(|word| self.at_keyword(word)) {
            Some(word) => self.unsupported(&format!("{verb} {word}")),
            None => self.unexpected(),
        }
    }
}

fn set_key(draft: &mut Draft, key: Key, span: Span) -> Parsed<()> {
    match draft.key.replace(key) {
        None => Ok(()),
        Some(_) => Err(Error::new(Code::InvalidSchema, "a second primary key", span)
            .with_hint("a key of several columns is written once: PRIMARY KEY ((a, b), c)")),
    }
}

fn twice(what: &str, name: &str, span: Span) -> Error {
    Error::new(Code::InvalidSchema, format!("the {what} `{name}` is written twice"), span)
}

fn unknown_keyspace_option(name: &str, span: Span) -> Error {
    let error = Error::new(Code::InvalidSchema, format!("a keyspace has no option `{name}`"), span);
    match crate::suggest::suggest(name, ["replication", "durable_writes"]) {
        Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
        None => error.with_hint("the options are replication and durable_writes"),
    }
}
