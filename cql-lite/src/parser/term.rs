//! Values: constants, markers, calls.

use uuid::Uuid;

use super::{Expected, MARKERS_MAX, Parsed, Parser};
use crate::ast::{Literal, Marker, Name, Span, Spanned, Term};
use crate::code::Code;
use crate::error::Error;
use crate::lexer::Kind;

impl Parser<'_> {
    /// A constant, a marker, a call or `null`.
    pub(super) fn term(&mut self) -> Parsed<Term> {
        let start = self.token.span;
        if self.at_marker() {
            return self.marker().map(Term::Marker);
        }
        if self.at_keyword("NULL") {
            self.advance();
            return Ok(Term::Null(start));
        }
        if let Some(literal) = self.literal()? {
            return Ok(Term::Literal(literal));
        }
        if self.at_symbol("[") {
            return self.nested(Self::list_of_terms);
        }
        if self.at_symbol("{") {
            return self.nested(Self::set_or_map);
        }
        if self.at_symbol("(") {
            return self.nested(Self::tuple_or_hint);
        }
        let calls = self.at_name() || self.at_keyword("TOKEN");
        if calls && self.second().text == "(" {
            let name = self.function_name()?;
            let args = self.nested(Self::arguments)?;
            return Ok(Term::FunctionCall { name, args, span: self.since(start) });
        }
        Err(self.no_term())
    }

    /// A constant or a marker, as behind `LIMIT` or `TTL`.
    pub(super) fn number_or_marker(&mut self) -> Parsed<Term> {
        if self.at_marker() {
            return self.marker().map(Term::Marker);
        }
        let minus = self.at_symbol("-");
        if self.token.kind != Kind::Integer && !minus {
            self.expected.push(Expected::Thing("an integer"));
            self.expected.push(Expected::Symbol("?"));
            return Err(self.unexpected());
        }
        self.term()
    }

    /// A constant that must be there.
    pub(super) fn constant(&mut self) -> Parsed<Spanned<Literal>> {
        match self.literal()? {
            Some(literal) => Ok(literal),
            None => {
                self.expected.push(Expected::Thing("a constant"));
                Err(self.unexpected())
            }
        }
    }

    /// A string that must be there; `what` says which.
    pub(super) fn text(&mut self, what: &'static str) -> Parsed<Spanned<String>> {
        if !matches!(self.token.kind, Kind::Text | Kind::Dollars) {
            self.expected.push(Expected::Thing(what));
            return Err(self.unexpected());
        }
        let token = self.advance();
        Ok(Spanned::new(unquote(token.kind, token.text), token.span))
    }

    pub(super) fn at_marker(&self) -> bool {
        self.at_symbol("?") || self.at_symbol(":")
    }

    /// `?` or `:name`.
    pub(super) fn marker(&mut self) -> Parsed<Marker> {
        let start = self.token.span;
        if self.markers == MARKERS_MAX {
            let message = format!("more than {MARKERS_MAX} markers");
            return Err(Error::new(Code::TooLarge, message, start));
        }
        let named = self.advance().text == ":";
        let name = if named { Some(self.name("a marker name")?.text) } else { None };
        let index = self.markers;
        self.markers += 1;
        Ok(Marker { index, name, span: self.since(start) })
    }

    /// The name of a function: any name, and `token`.
    pub(super) fn function_name(&mut self) -> Parsed<Name> {
        if self.at_keyword("TOKEN") {
            let span = self.advance().span;
            return Ok(Name { text: "token".to_owned(), span });
        }
        self.name("a function name")
    }

    fn arguments(&mut self) -> Parsed<Vec<Term>> {
        self.expect("(")?;
        if self.eat(")") {
            return Ok(Vec::new());
        }
        let args = self.list(Self::term)?;
        self.expect(")")?;
        Ok(args)
    }

    /// A constant, if one is there.
    fn literal(&mut self) -> Parsed<Option<Spanned<Literal>>> {
        let start = self.token.span;
        let minus = self.at_symbol("-");
        if minus {
            self.advance();
        }
        let sign = if minus { "-" } else { "" };
        let token = self.token;
        let literal = match token.kind {
            Kind::Integer => Literal::Integer(format!("{sign}{}", token.text)),
            Kind::Decimal => Literal::Decimal(format!("{sign}{}", token.text)),
            Kind::Duration => Literal::Duration(format!("{sign}{}", token.text)),
            Kind::Word if self.at_keyword("NAN") => Literal::Nan,
            Kind::Word if self.at_keyword("INFINITY") && minus => Literal::NegativeInfinity,
            Kind::Word if self.at_keyword("INFINITY") => Literal::Infinity,
            _ if minus => {
                self.expected.push(Expected::Thing("a number"));
                return Err(self.unexpected());
            }
            Kind::Text | Kind::Dollars => Literal::Text(unquote(token.kind, token.text)),
            Kind::Uuid => Literal::Uuid(uuid(token.text, start)?),
            Kind::Blob => Literal::Blob(blob(&token.text[2..])),
            Kind::Word if self.at_keyword("TRUE") => Literal::Boolean(true),
            Kind::Word if self.at_keyword("FALSE") => Literal::Boolean(false),
            Kind::Word | Kind::QuotedName | Kind::Symbol | Kind::Bad(_) | Kind::End => {
                return Ok(None);
            }
        };
        self.advance();
        Ok(Some(Spanned::new(literal, self.since(start))))
    }

    /// `[a, b, …]`
    fn list_of_terms(&mut self) -> Parsed<Term> {
        let start = self.advance().span;
        let all = if self.at_symbol("]") { Vec::new() } else { self.list(Self::term)? };
        self.expect("]")?;
        Ok(Term::List(all, self.since(start)))
    }

    /// `{a, b, …}`, `{a: b, …}` or `{field: value, …}`.
    fn set_or_map(&mut self) -> Parsed<Term> {
        let start = self.advance().span;
        if self.eat("}") {
            return Ok(Term::Set(Vec::new(), self.since(start)));
        }
        // A word that is no constant, with a colon behind it, is a field.
        let constant = ["NULL", "TRUE", "FALSE", "NAN", "INFINITY"];
        let is_field = self.at_name()
            && self.second().text == ":"
            && !constant.iter().any(|word| self.at_keyword(word));
        if is_field {
            let fields = self.list(|it| {
                let name = it.name("the name of a field")?;
                it.expect(":")?;
                Ok((name, it.term()?))
            })?;
            self.expect("}")?;
            return Ok(Term::User(fields, self.since(start)));
        }
        let first = self.term()?;
        if !self.at_symbol(":") {
            let mut all = vec![first];
            if self.eat(",") {
                all.extend(self.list(Self::term)?);
            }
            self.expect("}")?;
            return Ok(Term::Set(all, self.since(start)));
        }
        self.advance();
        let mut all = vec![(first, self.term()?)];
        if self.eat(",") {
            all.extend(self.list(|it| {
                let key = it.term()?;
                it.expect(":")?;
                Ok((key, it.term()?))
            })?);
        }
        self.expect("}")?;
        Ok(Term::Map(all, self.since(start)))
    }

    /// `(a, b, …)`, or `(type) value`.
    fn tuple_or_hint(&mut self) -> Parsed<Term> {
        let start = self.token.span;
        let second = self.second();
        let is_constant = ["NULL", "TRUE", "FALSE", "NAN", "INFINITY"]
            .iter()
            .any(|word| super::is_keyword(&second, word));
        let mut ahead = self.lexer;
        ahead.next();
        let third = ahead.next();
        let is_word = matches!(second.kind, Kind::Word | Kind::QuotedName) && !is_constant;
        if is_word && matches!(third.text, ")" | "<" | ".") {
            self.advance();
            let mut hint = self.type_name()?;
            self.expect(")")?;
            hint.span = self.since(start);
            return Ok(Term::Hint(hint, Box::new(self.term()?)));
        }
        self.advance();
        let all = self.list(Self::term)?;
        self.expect(")")?;
        Ok(Term::Tuple(all, self.since(start)))
    }

    /// The error where a value should be.
    fn no_term(&mut self) -> Error {
        self.expected.push(Expected::Thing("a value"));
        let error = self.unexpected();
        if self.token.kind == Kind::QuotedName {
            return error.with_hint("text is written in single quotes");
        }
        if !self.at_name() {
            return error;
        }
        let word = super::shorten(self.token.text);
        error.with_hint(format!("text is written in single quotes: '{word}'"))
    }
}

/// What a string of either form says.
fn unquote(kind: Kind, text: &str) -> String {
    if kind == Kind::Dollars {
        text[2..text.len() - 2].to_owned()
    } else {
        text[1..text.len() - 1].replace("''", "'")
    }
}

fn uuid(text: &str, span: Span) -> Parsed<Uuid> {
    // The lexer has checked the form; this says the same in the error's words.
    Uuid::try_parse(text)
        .map_err(|_| Error::new(Code::Syntax, format!("'{text}' is not a UUID"), span))
}

/// The bytes of an even number of hexadecimal digits.
fn blob(digits: &str) -> Vec<u8> {
    let nibble = |digit: u8| (digit as char).to_digit(16).map_or(0, |value| value as u8);
    digits.as_bytes().chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect()
}
