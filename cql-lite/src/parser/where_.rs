//! `WHERE` and `IF`.

use super::{Expected, Parsed, Parser, is_keyword};
use crate::ast::{Condition, InValues, Operator, Relation, RelationKind, Test, Values};
use crate::code::Code;
use crate::error::Error;
use crate::span::Span;

impl Parser<'_> {
    /// What follows `WHERE`: relations between `AND`s.
    pub(super) fn relations(&mut self) -> Parsed<Vec<Relation>> {
        let mut all = vec![self.relation()?];
        while self.eat_keyword("AND") {
            all.push(self.relation()?);
        }
        if self.at_keyword("OR") {
            let error = self.unsupported("OR");
            return Err(error.with_hint("list the values of one column with IN (…)"));
        }
        Ok(all)
    }

    /// `EXISTS`, or conditions between `AND`s, behind `IF`.
    pub(super) fn if_clause(&mut self) -> Parsed<(bool, Vec<Condition>)> {
        if !self.eat_keyword("IF") {
            return Ok((false, Vec::new()));
        }
        // A column may be called `exists`: then an operator follows.
        let second = self.second();
        let is_column =
            is_keyword(&second, "IN") || OPERATORS.iter().any(|(op, _)| second.text == *op);
        if self.at_keyword("EXISTS") && !is_column {
            self.advance();
            return Ok((true, Vec::new()));
        }
        self.expected.push(Expected::Keyword("EXISTS"));
        let mut all = vec![self.condition()?];
        while self.eat_keyword("AND") {
            all.push(self.condition()?);
        }
        Ok((false, all))
    }

    fn relation(&mut self) -> Parsed<Relation> {
        let start = self.token.span;
        let kind = if self.at_symbol("(") {
            self.tuple_relation()?
        } else if self.at_keyword("TOKEN") {
            self.advance();
            let columns = self.parenthesized(Self::column)?;
            let op = self.operator()?;
            RelationKind::Token { columns, op, term: self.term()? }
        } else {
            let name = self.column()?;
            if self.eat_keyword("IN") {
                RelationKind::In { name, values: self.in_values(Self::term)? }
            } else if self.eat_keyword("CONTAINS") {
                match self.eat_keyword("KEY") {
                    true => RelationKind::ContainsKey { name, term: self.term()? },
                    false => RelationKind::Contains { name, term: self.term()? },
                }
            } else if self.at_symbol("[") {
                self.advance();
                let key = self.term()?;
                self.expect("]")?;
                self.expect("=")?;
                RelationKind::Element { name, key, term: self.term()? }
            } else {
                let op = self.operator()?;
                RelationKind::Column { name, op, term: self.term()? }
            }
        };
        Ok(Relation { kind, span: self.since(start) })
    }

    fn tuple_relation(&mut self) -> Parsed<RelationKind> {
        let start = self.token.span;
        let names = self.parenthesized(Self::column)?;
        if self.eat_keyword("IN") {
            let values = self.in_values(|it| it.values(names.len(), start))?;
            return Ok(RelationKind::TupleIn { names, values });
        }
        let op = self.operator()?;
        let values = self.values(names.len(), start)?;
        Ok(RelationKind::Tuple { names, op, values })
    }

    /// As many values as columns were named behind `start`, or a marker for all of them.
    fn values(&mut self, columns: usize, start: Span) -> Parsed<Values> {
        if self.at_marker() {
            return self.marker().map(Values::Marker);
        }
        let terms = self.parenthesized(Self::term)?;
        if terms.len() != columns {
            let message = format!("columns named: {columns}, values compared: {}", terms.len());
            return Err(Error::new(Code::Syntax, message, self.since(start)));
        }
        Ok(Values::Terms(terms))
    }

    fn condition(&mut self) -> Parsed<Condition> {
        let start = self.token.span;
        let name = self.column()?;
        let test = if self.eat_keyword("IN") {
            Test::In(self.in_values(Self::term)?)
        } else {
            let op = self.operator()?;
            Test::Compare(op, self.term()?)
        };
        Ok(Condition { name, test, span: self.since(start) })
    }

    fn in_values<V>(&mut self, one: impl FnMut(&mut Self) -> Parsed<V>) -> Parsed<InValues<V>> {
        if self.at_marker() {
            return self.marker().map(InValues::Marker);
        }
        self.expect("(")?;
        if self.eat(")") {
            return Ok(InValues::List(Vec::new()));
        }
        let values = self.list(one)?;
        self.expect(")")?;
        Ok(InValues::List(values))
    }

    fn operator(&mut self) -> Parsed<Operator> {
        if let Some((_, op)) = OPERATORS.iter().find(|(symbol, _)| self.at_symbol(symbol)) {
            self.advance();
            return Ok(*op);
        }
        const PLANNED: [&str; 5] = ["BETWEEN", "CONTAINS", "IS", "LIKE", "NOT"];
        if let Some(word) = PLANNED.into_iter().find(|word| self.at_keyword(word)) {
            return Err(self.unsupported(word));
        }
        if self.at_symbol("[") || self.at_symbol(".") {
            return Err(self.unsupported("a part of a column"));
        }
        self.expected.push(Expected::Thing("an operator (= < <= > >= !=)"));
        Err(self.unexpected())
    }
}

const OPERATORS: [(&str, Operator); 6] = [
    ("=", Operator::Eq),
    ("<", Operator::Lt),
    ("<=", Operator::Le),
    (">", Operator::Gt),
    (">=", Operator::Ge),
    ("!=", Operator::NotEq),
];
