//! `INSERT`, `UPDATE`, `DELETE`, `TRUNCATE`, and batches of the first three.

use super::{Parsed, Parser};
use crate::ast::{
    Assignment, Batch, BatchKind, Change, Delete, Insert, Part, Target, Truncate, Update, Using,
    Write,
};
use crate::code::Code;
use crate::error::Error;
use crate::span::Span;

impl Parser<'_> {
    /// An `INSERT`, `UPDATE` or `DELETE`, if one is there.
    pub(super) fn write(&mut self) -> Parsed<Option<Write>> {
        if self.eat_keyword("INSERT") {
            return self.insert().map(|it| Some(Write::Insert(it)));
        }
        if self.eat_keyword("UPDATE") {
            return self.update().map(|it| Some(Write::Update(it)));
        }
        if self.eat_keyword("DELETE") {
            return self.delete().map(|it| Some(Write::Delete(it)));
        }
        Ok(None)
    }

    /// Everything behind `INSERT`.
    fn insert(&mut self) -> Parsed<Insert> {
        self.expect_keyword("INTO")?;
        let table = self.table_name()?;
        if self.at_keyword("JSON") {
            return Err(self.unsupported("INSERT JSON"));
        }
        let columns = self.parenthesized(Self::column)?;
        self.expect_keyword("VALUES")?;
        let start = self.token.span;
        let values = self.parenthesized(Self::term)?;
        if values.len() != columns.len() {
            let message =
                format!("columns named: {}, values given: {}", columns.len(), values.len());
            return Err(Error::new(Code::Syntax, message, self.since(start)));
        }
        let if_not_exists = self.if_not_exists()?;
        let using = self.using(true)?;
        Ok(Insert { table, columns, values, if_not_exists, using })
    }

    /// Everything behind `UPDATE`.
    fn update(&mut self) -> Parsed<Update> {
        let table = self.table_name()?;
        let using = self.using(true)?;
        self.expect_keyword("SET")?;
        let assignments = self.list(Self::assignment)?;
        self.expect_keyword("WHERE")?;
        let where_ = self.relations()?;
        let (if_exists, conditions) = self.if_clause()?;
        Ok(Update { table, using, assignments, where_, if_exists, conditions })
    }

    /// Everything behind `DELETE`.
    fn delete(&mut self) -> Parsed<Delete> {
        let columns = if self.at_keyword("FROM") { Vec::new() } else { self.list(Self::target)? };
        self.expect_keyword("FROM")?;
        let table = self.table_name()?;
        let using = self.using(false)?;
        self.expect_keyword("WHERE")?;
        let where_ = self.relations()?;
        let (if_exists, conditions) = self.if_clause()?;
        Ok(Delete { columns, table, using, where_, if_exists, conditions })
    }

    /// Everything behind the `BEGIN` at `start`.
    pub(super) fn batch(&mut self, start: Span) -> Parsed<Batch> {
        let kind = if self.eat_keyword("UNLOGGED") {
            BatchKind::Unlogged
        } else if self.eat_keyword("COUNTER") {
            BatchKind::Counter
        } else {
            self.eat_keyword("LOGGED");
            BatchKind::Logged
        };
        self.expect_keyword("BATCH")?;
        let span = self.since(start);
        let using = self.using(false)?;
        let mut writes = Vec::new();
        while !self.eat_keyword("APPLY") {
            match self.write()? {
                Some(write) => writes.push(write),
                None => return Err(self.unexpected()),
            }
            self.eat(";");
        }
        self.expect_keyword("BATCH")?;
        Ok(Batch { kind, using, writes, span })
    }

    /// Everything behind `TRUNCATE`.
    pub(super) fn truncate(&mut self) -> Parsed<Truncate> {
        if !self.eat_keyword("TABLE") {
            self.eat_keyword("COLUMNFAMILY");
        }
        Ok(Truncate { table: self.table_name()? })
    }

    /// A column, or a part of it.
    fn target(&mut self) -> Parsed<Target> {
        let column = self.column()?;
        let part = if self.at_symbol("[") {
            self.advance();
            let key = self.term()?;
            self.expect("]")?;
            Some(Part::Element(key))
        } else if self.at_symbol(".") {
            self.advance();
            Some(Part::Field(self.name("the name of a field")?))
        } else {
            None
        };
        Ok(Target { column, part })
    }

    /// `column = value`, `column = column + value` and their kin.
    fn assignment(&mut self) -> Parsed<Assignment> {
        let start = self.token.span;
        let target = self.target()?;
        let change = if target.part.is_some() {
            self.expect("=")?;
            Change::Set(self.term()?)
        } else if self.eat("+=") {
            Change::Add(self.term()?)
        } else if self.eat("-=") {
            Change::Subtract(self.term()?)
        } else {
            self.expect("=")?;
            self.whole_change(&target)?
        };
        Ok(Assignment { target, change, span: self.since(start) })
    }

    /// What follows the `=` of a whole column.
    fn whole_change(&mut self, target: &Target) -> Parsed<Change> {
        // A number that is subtracted may have run into its minus: `c -1` is three tokens.
        if self.at_name() && matches!(self.second().text, "+" | "-") {
            let start = self.token.span;
            let column = self.column()?;
            if column.text != target.column.text {
                return Err(self.other_column(start, target));
            }
            let adds = self.advance().text == "+";
            let term = self.term()?;
            return Ok(if adds { Change::Add(term) } else { Change::Subtract(term) });
        }
        let term = self.term()?;
        if self.at_symbol("+") {
            self.advance();
            let start = self.token.span;
            let column = self.column()?;
            if column.text != target.column.text {
                return Err(self.other_column(start, target));
            }
            return Ok(Change::Prepend(term));
        }
        if self.at_symbol("-") {
            return Err(self.unsupported("arithmetic on values"));
        }
        Ok(Change::Set(term))
    }

    fn other_column(&self, start: Span, target: &Target) -> Error {
        let message = format!(
            "a column is changed by its own value only: {} = {} + …",
            target.column, target.column
        );
        Error::new(Code::Syntax, message, self.since(start))
    }

    /// `USING …`, if it is there. Only writes of values have a time to live.
    fn using(&mut self, ttl_allowed: bool) -> Parsed<Using> {
        let mut using = Using::default();
        if !self.eat_keyword("USING") {
            return Ok(using);
        }
        loop {
            let start = self.token.span;
            let timestamp = self.eat_keyword("TIMESTAMP");
            if !timestamp && ttl_allowed {
                self.expect_keyword("TTL")?;
            } else if !timestamp {
                let error = self.unexpected();
                return Err(match self.at_keyword("TTL") {
                    true => error.with_hint("only INSERT and UPDATE have a time to live"),
                    false => error,
                });
            }
            let slot = if timestamp { &using.timestamp } else { &using.ttl };
            if slot.is_some() {
                let what = if timestamp { "TIMESTAMP" } else { "TTL" };
                return Err(Error::new(Code::Syntax, format!("{what} is written twice"), start));
            }
            let term = Some(self.number_or_marker()?);
            if timestamp {
                using.timestamp = term;
            } else {
                using.ttl = term;
            }
            if !self.eat_keyword("AND") {
                return Ok(using);
            }
        }
    }
}
