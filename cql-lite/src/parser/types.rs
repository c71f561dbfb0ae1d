//! Types as they are written, and the statements that make them.

use std::sync::Arc;

use super::{Expected, Parsed, Parser, is_keyword};
use crate::{
    ast::{AlterType, CreateType, DropType, Name, Spanned, TableName, TypeChange, TypeName},
    code::Code,
    error::Error,
    lexer::Kind,
    types::{CqlType, NativeType, UserType, VECTOR_LEN_MAX},
};

impl Parser<'_> {
    /// A type.
    pub(super) fn type_name(&mut self) -> Parsed<Spanned<TypeName>> {
        let start = self.token.span;
        if self.token.kind == Kind::Text {
            return Err(self.unsupported("a custom type"));
        }
        if self.second().text == "<" && self.token.kind == Kind::Word {
            let node = self.nested(Self::type_with_parts)?;
            return Ok(Spanned::new(node, self.since(start)));
        }
        let quoted = self.token.kind == Kind::QuotedName;
        let first = self.name("a type")?;
        let node = if self.at_symbol(".") {
            self.advance();
            let table = self.name("the name of a type")?;
            TypeName::User(TableName { keyspace: Some(first), table })
        } else {
            match NativeType::parse(&first.text) {
                Ok(native) if !quoted => TypeName::Native(native),
                Ok(_) | Err(_) => TypeName::User(TableName { keyspace: None, table: first }),
            }
        };
        Ok(Spanned::new(node, self.since(start)))
    }

    /// `word<…>`
    fn type_with_parts(&mut self) -> Parsed<TypeName> {
        let word = self.advance();
        self.expect("<")?;
        let one = |it: &mut Self| it.type_name().map(Box::new);
        let node = match word.text.to_ascii_lowercase().as_str() {
            "list" => TypeName::List(one(self)?),
            "set" => TypeName::Set(one(self)?),
            "frozen" => TypeName::Frozen(one(self)?),
            "tuple" => TypeName::Tuple(self.list(Self::type_name)?),
            "map" => {
                let key = self.type_name()?;
                self.expect(",")?;
                TypeName::Map(Box::new((key, self.type_name()?)))
            }
            "vector" => {
                let of = one(self)?;
                self.expect(",")?;
                TypeName::Vector(of, self.vector_len()?)
            }
            other => {
                let message = format!("`{other}` has no parts");
                let hint = "list, set, map, tuple, vector and frozen have";
                return Err(Error::new(Code::Syntax, message, word.span).with_hint(hint));
            }
        };
        self.expect(">")?;
        Ok(node)
    }

    /// A type as `CqlType::in_full` writes it.
    pub(super) fn full_type(&mut self) -> Parsed<CqlType> {
        if is_keyword(&self.token, "USER") && self.second().text == "<" {
            return self.nested(Self::full_user_type);
        }
        if self.second().text != "<" {
            return Ok(self.type_name()?.resolve(&|_| Vec::new())?.cql_type);
        }
        self.nested(Self::full_type_with_parts)
    }

    /// `user<keyspace.name, field type, …>`
    fn full_user_type(&mut self) -> Parsed<CqlType> {
        self.advance();
        self.expect("<")?;
        let keyspace = self.name("a keyspace name")?.text;
        self.expect(".")?;
        let name = self.name("the name of a type")?.text;
        self.expect(",")?;
        let fields = self.list(|it| {
            let field = it.name("the name of a field")?;
            Ok((field.text, it.full_type()?))
        })?;
        self.expect(">")?;
        Ok(CqlType::User(Arc::new(UserType { keyspace, name, fields })))
    }

    fn full_type_with_parts(&mut self) -> Parsed<CqlType> {
        let word = self.advance();
        self.expect("<")?;
        let one = |it: &mut Self| it.full_type().map(Arc::new);
        let cql_type = match word.text {
            "list" => CqlType::List(one(self)?),
            "set" => CqlType::Set(one(self)?),
            "tuple" => CqlType::Tuple(self.list(Self::full_type)?.into()),
            "map" => {
                let key = self.full_type()?;
                self.expect(",")?;
                CqlType::Map(Arc::new((key, self.full_type()?)))
            }
            "vector" => {
                let of = one(self)?;
                self.expect(",")?;
                let len = self.vector_len()?;
                if !(1..=VECTOR_LEN_MAX).contains(&len.node) {
                    let message = format!("a vector has 1 to {VECTOR_LEN_MAX} values");
                    return Err(Error::new(Code::InvalidSchema, message, len.span));
                }
                CqlType::Vector(of, len.node)
            }
            _ => return Err(Error::new(Code::Syntax, "no type has such parts", word.span)),
        };
        self.expect(">")?;
        Ok(cql_type)
    }

    fn vector_len(&mut self) -> Parsed<Spanned<u16>> {
        if self.token.kind != Kind::Integer {
            self.expected.push(Expected::Thing("the number of its values"));
            return Err(self.unexpected());
        }
        let token = self.advance();
        // Whether anybody has so many is said where the type is looked up.
        Ok(Spanned::new(token.text.parse().unwrap_or(u16::MAX), token.span))
    }

    /// Everything behind `CREATE TYPE`.
    pub(super) fn create_type(&mut self) -> Parsed<CreateType> {
        let if_not_exists = self.if_not_exists()?;
        let name = self.table_name()?;
        let fields = self.parenthesized(Self::field)?;
        Ok(CreateType { name, if_not_exists, fields })
    }

    /// Everything behind `ALTER TYPE`.
    pub(super) fn alter_type(&mut self) -> Parsed<AlterType> {
        let if_exists = self.if_exists()?;
        let name = self.table_name()?;
        let change = if self.eat_keyword("ADD") {
            let if_not_exists = self.if_not_exists()?;
            let (field, type_name) = self.field()?;
            TypeChange::Add { if_not_exists, field, type_name }
        } else if self.eat_keyword("RENAME") {
            let if_exists = self.if_exists()?;
            let mut names = vec![self.renaming()?];
            while self.eat_keyword("AND") {
                names.push(self.renaming()?);
            }
            TypeChange::Rename { if_exists, names }
        } else if is_keyword(&self.token, "ALTER") {
            return Err(self.unsupported("ALTER TYPE … ALTER"));
        } else {
            return Err(self.unexpected());
        };
        Ok(AlterType { name, if_exists, change })
    }

    /// Everything behind `DROP TYPE`.
    pub(super) fn drop_type(&mut self) -> Parsed<DropType> {
        let if_exists = self.if_exists()?;
        Ok(DropType { name: self.table_name()?, if_exists })
    }

    /// `name type`
    fn field(&mut self) -> Parsed<(Name, Spanned<TypeName>)> {
        let name = self.name("the name of a field")?;
        Ok((name, self.type_name()?))
    }
}
