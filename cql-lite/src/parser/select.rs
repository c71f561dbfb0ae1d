//! `SELECT`.

use super::{Parsed, Parser, is_keyword};
use crate::ast::{Order, Select, SelectExpr, Selector, Selectors};
use crate::lexer::Kind;
use crate::span::Span;

impl Parser<'_> {
    /// Everything behind `SELECT`.
    pub(super) fn select(&mut self) -> Parsed<Select> {
        if self.at_modifier("JSON") {
            return Err(self.unsupported("SELECT JSON"));
        }
        let distinct = self.at_modifier("DISTINCT");
        if distinct {
            self.advance();
        }
        let selectors = self.selectors()?;
        self.expect_keyword("FROM")?;
        let from = self.table_name()?;
        let where_ = if self.eat_keyword("WHERE") { self.relations()? } else { Vec::new() };
        if self.at_keyword("GROUP") {
            return Err(self.unsupported("GROUP BY"));
        }
        let order_by = self.order_by()?;
        let per_partition_limit = if self.eat_keyword("PER") {
            self.expect_keywords(&["PARTITION", "LIMIT"])?;
            Some(self.number_or_marker()?)
        } else {
            None
        };
        let limit = if self.eat_keyword("LIMIT") { Some(self.number_or_marker()?) } else { None };
        let allow_filtering = self.eat_keyword("ALLOW");
        if allow_filtering {
            self.expect_keyword("FILTERING")?;
        }
        Ok(Select {
            distinct,
            selectors,
            from,
            where_,
            order_by,
            per_partition_limit,
            limit,
            allow_filtering,
        })
    }

    /// `name [ASC|DESC]`
    pub(super) fn ordering(&mut self) -> Parsed<(crate::ast::Name, Order)> {
        let name = self.column()?;
        if self.eat_keyword("DESC") {
            return Ok((name, Order::Desc));
        }
        self.eat_keyword("ASC");
        Ok((name, Order::Asc))
    }

    /// Whether `word` is there as a keyword: it is a column where the selection goes on behind it
    /// as it would behind a name.
    fn at_modifier(&self, word: &str) -> bool {
        let second = self.second();
        let as_name = matches!(second.text, "," | "(" | "." | "[")
            || ["FROM", "AS"].iter().any(|after| is_keyword(&second, after))
            || second.kind == Kind::End;
        self.at_keyword(word) && !as_name
    }

    fn selectors(&mut self) -> Parsed<Selectors> {
        if self.eat("*") {
            return Ok(Selectors::All);
        }
        self.list(Self::selector).map(Selectors::Some)
    }

    fn selector(&mut self) -> Parsed<Selector> {
        let expr = self.select_expr()?;
        if ["+", "-", "*", "/", "%"].iter().any(|symbol| self.at_symbol(symbol)) {
            return Err(self.unsupported("arithmetic"));
        }
        let alias = if self.eat_keyword("AS") { Some(self.name("a name")?) } else { None };
        Ok(Selector { expr, alias })
    }

    /// Something of a row, or a part of it.
    fn select_expr(&mut self) -> Parsed<SelectExpr> {
        let start = self.token.span;
        let mut expr = self.whole_expr()?;
        loop {
            let of = Box::new(expr);
            if self.at_symbol("[") {
                expr = self.element_or_slice(of, start)?;
            } else if self.at_symbol(".") {
                self.advance();
                let name = self.name("the name of a field")?;
                expr = SelectExpr::Field { of, name, span: self.since(start) };
            } else {
                return Ok(*of);
            }
        }
    }

    /// `[key]`, or `[from..to]`, behind a value.
    fn element_or_slice(&mut self, of: Box<SelectExpr>, start: Span) -> Parsed<SelectExpr> {
        self.expect("[")?;
        let first = if self.at_symbol("..") { None } else { Some(Box::new(self.term()?)) };
        Ok(match first {
            Some(key) if !self.at_symbol("..") => {
                self.expect("]")?;
                SelectExpr::Element { of, key, span: self.since(start) }
            }
            from => {
                self.expect("..")?;
                let to = if self.at_symbol("]") { None } else { Some(Box::new(self.term()?)) };
                self.expect("]")?;
                SelectExpr::Slice { of, from, to, span: self.since(start) }
            }
        })
    }

    fn whole_expr(&mut self) -> Parsed<SelectExpr> {
        let start = self.token.span;
        let calls = self.second().text == "(";
        if calls && self.at_keyword("CAST") {
            return self.nested(|it| it.cast(start));
        }
        if calls && (self.at_name() || self.at_keyword("TOKEN")) {
            let counts = self.at_keyword("COUNT");
            let name = self.function_name()?;
            self.expect("(")?;
            if counts && self.eat_star() {
                self.expect(")")?;
                return Ok(SelectExpr::CountAll(self.since(start)));
            }
            let args = self.nested(Self::select_args)?;
            return Ok(SelectExpr::Function { name, args, span: self.since(start) });
        }
        if self.token.kind.is_constant() || self.at_marker() {
            return Err(self.unsupported("a constant or marker as a result"));
        }
        self.column().map(SelectExpr::Column)
    }

    /// `CAST(argument AS type)`
    fn cast(&mut self, start: Span) -> Parsed<SelectExpr> {
        self.expect_keyword("CAST")?;
        self.expect("(")?;
        let arg = Box::new(self.select_expr()?);
        self.expect_keyword("AS")?;
        let to = self.type_name()?;
        self.expect(")")?;
        Ok(SelectExpr::Cast { arg, to, span: self.since(start) })
    }

    /// What is left of an argument list behind its `(`.
    fn select_args(&mut self) -> Parsed<Vec<SelectExpr>> {
        if self.eat(")") {
            return Ok(Vec::new());
        }
        let args = self.list(Self::select_expr)?;
        self.expect(")")?;
        Ok(args)
    }

    /// The `*` of `count(*)`, or the `1` that old habits write.
    fn eat_star(&mut self) -> bool {
        if self.token.kind == Kind::Integer && self.token.text == "1" {
            self.advance();
            return true;
        }
        self.eat("*")
    }

    fn order_by(&mut self) -> Parsed<Vec<(crate::ast::Name, Order)>> {
        if !self.eat_keyword("ORDER") {
            return Ok(Vec::new());
        }
        self.expect_keyword("BY")?;
        self.list(Self::ordering)
    }
}
