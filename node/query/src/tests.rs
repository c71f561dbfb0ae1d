//! Statements and their outcomes as readable scripts, over stores and schemas in memory.
//!
//! `UPDATE_GOLDENFILES=1` writes the outcomes anew. Every read of every script is made again in
//! pages of one, two and three rows, and must give the same rows. Every script is run again over real
//! engines and a coordinator: with a flush behind every write, with a compaction behind every write,
//! and on three nodes of which one is down, another one after each write.

mod doors;
mod laws;
mod nested;
mod reads;
mod replicas;
mod world;

use std::{error::Error as StdError, path::Path, time::Duration};

use cql_lite::value::Value;
use goldenscript::{Argument, Command, Context, Runner};
use test_each_file::test_each_path;

use self::world::{Mode, World, acks, bound};
use crate::{
    Bound, Error, Outcome, Reply, Request, Rows, SchemaEffect, SchemaTarget, Source, catalog, store,
};

test_each_path! { in "./node/query/goldens" as goldens => run }

#[expect(clippy::disallowed_methods, reason = "the script is a file of the repository")]
fn run(path: &Path) {
    goldenscript::run(&mut Script { world: World::new() }, path).unwrap();
    let script = std::fs::read_to_string(path).unwrap();
    // These are about the store in memory: how it fails, how many mutations it was sent.
    let is_about_it =
        |line: &str| ["fail ", "many ", "narrow"].iter().any(|it| line.starts_with(it));
    if script.lines().any(is_about_it) {
        return;
    }
    for mode in [Mode::Flushed, Mode::Compacted, Mode::OneDown] {
        let outcomes =
            goldenscript::generate(&mut Script { world: World::with_replicas(mode) }, &script);
        similar(&script, &outcomes.unwrap(), mode);
    }
}

/// Fails with the first line that differs.
fn similar(expected: &str, found: &str, mode: Mode) {
    for (at, (expected, found)) in expected.lines().zip(found.lines()).enumerate() {
        assert_eq!(found, expected, "line {} where every write is followed: {mode:?}", at + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "lines: {mode:?}");
}

/// Runs the lines of a script. What is no command of ours is a statement.
struct Script {
    world: World,
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn StdError>> {
        let mut args = command.consume_args();
        Ok(match command.name.as_str() {
            // A new cluster, whose guardrails are near.
            "narrow" => {
                self.world = World::narrow();
                String::new()
            }
            // Time passes.
            "advance" => {
                let seconds = args.next_pos().ok_or("how many seconds?")?.parse()?;
                self.world.clock.advance(Duration::from_secs(seconds));
                String::new()
            }
            // A statement with values: in order, or by name.
            "bind" => {
                let text = args.next_pos().ok_or("which statement?")?;
                let rest: Vec<Argument> = args.cloned().collect();
                match self.bind(text, &rest) {
                    Ok(request) => self.outcome(request, text),
                    Err(error) => error.render(text) + "\n",
                }
            }
            // A prepared write with the values of several rows.
            "many" => {
                let rows = args.next_pos().ok_or("how many rows?")?.parse()?;
                let text = args.next_pos().ok_or("which statement?")?;
                let rest: Vec<Argument> = args.cloned().collect();
                let before = self.world.store.writes();
                let reply = self.bind(text, &rest).and_then(|it| self.world.execute_many(it, rows));
                match reply {
                    Ok(_) => format!("{} mutations\n", self.world.store.writes() - before),
                    Err(error) => shown_error(&error, text),
                }
            }
            // What a client is told of a statement.
            "prepare" => {
                let text = args.next_pos().ok_or("which statement?")?;
                match self.world.executor.prepare(text, self.world.keyspace.as_deref()) {
                    Ok(prepared) => shown_prepared(&prepared),
                    Err(error) => error.render(text) + "\n",
                }
            }
            // A read page by page.
            "pages" => {
                let rows = args.next_pos().ok_or("how many rows?")?.parse()?;
                let text = args.next_pos().ok_or("which statement?")?;
                let request = self.world.request(Source::Text(text.to_owned()));
                match self.world.pages(&request, rows) {
                    Ok(pages) => pages.iter().map(shown_page).collect(),
                    Err(error) => error.render(text) + "\n",
                }
            }
            // The client stamps its writes from now on.
            "stamp" => {
                self.world.timestamp = args.next_pos().map(str::parse).transpose()?;
                String::new()
            }
            "consistency" => {
                let name = args.next_pos().ok_or("which level?")?;
                let level = model::Consistency::from_name(name).ok_or("no such level")?;
                self.world.consistency = level;
                String::new()
            }
            // The next request to the store, or the next schema change, fails like this.
            "fail" => {
                self.fail(args.next_pos().ok_or("how?")?)?;
                String::new()
            }
            text => {
                let request = self.world.request(Source::Text(text.to_owned()));
                self.outcome(request, text)
            }
        })
    }
}

impl Script {
    /// The next request to the store, or the next schema change, fails like this.
    fn fail(&self, how: &str) -> Result<(), String> {
        match how {
            "unavailable" => self.world.store.fail(store::Error::Unavailable(acks(3, 2))),
            "timeout" => self.world.store.fail(store::Error::Timeout(acks(3, 2))),
            "corrupt" => self.world.store.fail(store::Error::Failed {
                acks: acks(3, 2),
                reason: "block 7 is corrupt".to_owned(),
            }),
            "overloaded" => {
                self.world.store.fail(store::Error::Overloaded("full".to_owned()));
            }
            "schema_timeout" => self.world.catalog.fail(catalog::Error::Timeout),
            "schema_race" => {
                let name = "table ks.t".to_owned();
                self.world.catalog.fail(catalog::Error::AlreadyExists(name));
            }
            other => return Err(format!("no failure {other}")),
        }
        Ok(())
    }

    /// A request for a statement that is prepared now, with values written as in CQL.
    fn bind(&mut self, text: &str, args: &[Argument]) -> Result<Request, Error> {
        let keyspace = self.world.keyspace.clone();
        let prepared = self.world.executor.prepare(text, keyspace.as_deref())?;
        let mut values = Vec::new();
        let mut names = Vec::new();
        for (at, arg) in args.iter().enumerate() {
            let (name, value) = match arg {
                Argument::KeyValue(name, value) => (Some(name), value),
                Argument::Positional(value) => (None, value),
                other => panic!("{other:?} is no value"),
            };
            let variable = match name {
                Some(name) => prepared.variables.iter().find(|it| it.name == *name),
                None => prepared.variables.iter().cycle().nth(at),
            };
            let value = variable.map_or(Bound::Null, |it| bound(value, &it.cql_type));
            values.push(value);
            names.extend(name.cloned());
        }
        let names = (!names.is_empty()).then_some(names);
        Ok(Request { values, names, ..self.world.request(Source::Prepared(prepared.id)) })
    }

    /// The outcome of a request; of a read the same in pages of any size.
    fn outcome(&mut self, request: Request, text: &str) -> String {
        let reply = match self.world.execute(request.clone()) {
            Ok(reply) => reply,
            Err(error) => return shown_error(&error, text),
        };
        if let Outcome::Rows(rows) = &reply.outcome
            && !text.contains("now()")
            && !text.contains("uuid()")
        {
            for page_rows in 1..=3 {
                let pages = self.world.pages(&request, page_rows).unwrap();
                let paged: Vec<_> = pages.iter().flat_map(|it| it.rows.listed()).collect();
                assert_eq!(paged, rows.rows.listed(), "{text} in pages of {page_rows}");
            }
        }
        shown(&reply)
    }
}

fn shown_error(error: &Error, text: &str) -> String {
    let mut out = error.render(text);
    if let Some(acks) = &error.acks {
        out.push_str(&format!(
            "\n  {} of {} at {}",
            acks.received, acks.required, acks.consistency
        ));
    }
    if error.retry != crate::Retry::No {
        out.push_str(&format!("\n  retry: {:?}", error.retry));
    }
    out + "\n"
}

fn shown(reply: &Reply) -> String {
    let mut out = match &reply.outcome {
        Outcome::Void => "ok\n".to_owned(),
        Outcome::Rows(rows) => {
            let names: Vec<&str> = rows.columns.iter().map(|it| it.name.as_str()).collect();
            format!("{}\n{}({} rows)\n", names.join(" | "), lines(rows), rows.rows.len())
        }
        Outcome::SetKeyspace(keyspace) => format!("in {keyspace}\n"),
        Outcome::SchemaChange { effect, target, keyspace, name, .. } => {
            let effect = match effect {
                SchemaEffect::Created => "created",
                SchemaEffect::Updated => "changed",
                SchemaEffect::Dropped => "dropped",
            };
            match target {
                SchemaTarget::Keyspace => format!("{effect} keyspace {keyspace}\n"),
                SchemaTarget::Table => {
                    format!("{effect} table {keyspace}.{}\n", name.as_deref().unwrap_or("?"))
                }
                SchemaTarget::Type => {
                    format!("{effect} type {keyspace}.{}\n", name.as_deref().unwrap_or("?"))
                }
            }
        }
        Outcome::Description(it) => format!("{}\n", it.text),
    };
    for warning in &reply.warnings {
        out.push_str(&format!("warning: {warning}\n"));
    }
    out
}

fn shown_page(rows: &Rows) -> String {
    let more = if rows.paging_state.is_some() { "more" } else { "end" };
    format!("{}-- {more}\n", lines(rows))
}

fn lines(rows: &Rows) -> String {
    let mut out = String::new();
    for row in rows.rows.listed() {
        assert_eq!(row.len(), rows.columns.len());
        let value = |(value, column): (&Option<bytes::Bytes>, &crate::ColumnSpec)| match value {
            None => "null".to_owned(),
            Some(bytes) => Value::decode_answer(&column.cql_type, bytes).unwrap().to_literal(),
        };
        let values: Vec<String> = row.iter().zip(rows.columns.iter()).map(value).collect();
        out.push_str(&format!("{}\n", values.join(" | ")));
    }
    out
}

fn shown_prepared(prepared: &crate::Prepared) -> String {
    let columns = |specs: &[crate::ColumnSpec]| {
        specs.iter().map(|it| format!("{} {}", it.name, it.cql_type)).collect::<Vec<_>>().join(", ")
    };
    format!(
        "markers: {}\npartition key: {:?}\ncolumns: {}\nidempotent: {}\n",
        columns(&prepared.variables),
        prepared.partition_key,
        columns(&prepared.columns),
        prepared.idempotent
    )
}
