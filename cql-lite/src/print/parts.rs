//! Types, values, and what assignments and types are made of.

use std::fmt::{self, Display, Formatter};

use super::{function_name, if_exists, if_not_exists, joined};
use crate::{
    ast::{
        AlterType, Assignment, Change, CreateType, Literal, Marker, Name, Part, Spanned, Target,
        Term, TypeChange, TypeName,
    },
    keyword::quote_name,
    value::quote,
};

impl Display for TypeName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            TypeName::Native(native) => native.fmt(f),
            TypeName::List(of) => write!(f, "list<{}>", of.node),
            TypeName::Set(of) => write!(f, "set<{}>", of.node),
            TypeName::Map(of) => write!(f, "map<{}, {}>", of.0.node, of.1.node),
            TypeName::Tuple(parts) => {
                write!(f, "tuple<{}>", joined(parts.iter().map(|it| &it.node)))
            }
            TypeName::Vector(of, len) => write!(f, "vector<{}, {}>", of.node, len.node),
            TypeName::Frozen(of) => write!(f, "frozen<{}>", of.node),
            TypeName::User(name) => name.fmt(f),
        }
    }
}

impl Display for CreateType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (open, between, close) = match f.alternate() {
            true => ("(\n    ", ",\n    ", "\n)"),
            false => ("(", ", ", ")"),
        };
        let fields: Vec<String> = self.fields.iter().map(field).collect();
        let if_not_exists = if_not_exists(self.if_not_exists);
        write!(f, "CREATE TYPE {if_not_exists}{} {open}{}{close}", self.name, fields.join(between))
    }
}

fn field((name, of): &(Name, Spanned<TypeName>)) -> String {
    format!("{name} {}", of.node)
}

impl Display for AlterType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "ALTER TYPE {}{} ", if_exists(self.if_exists), self.name)?;
        match &self.change {
            TypeChange::Add { if_not_exists: tolerant, field, type_name } => {
                write!(f, "ADD {}{field} {}", if_not_exists(*tolerant), type_name.node)
            }
            TypeChange::Rename { if_exists: tolerant, names } => {
                let names = names.iter().map(|(old, new)| format!("{old} TO {new}"));
                let names = names.collect::<Vec<_>>().join(" AND ");
                write!(f, "RENAME {}{names}", if_exists(*tolerant))
            }
        }
    }
}

impl Display for Assignment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (target, column) = (&self.target, &self.target.column);
        match &self.change {
            Change::Set(term) => write!(f, "{target} = {term}"),
            Change::Add(term) => write!(f, "{target} = {column} + {term}"),
            Change::Prepend(term) => write!(f, "{target} = {term} + {column}"),
            Change::Subtract(term) => write!(f, "{target} = {column} - {term}"),
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.part {
            None => self.column.fmt(f),
            Some(Part::Element(key)) => write!(f, "{}[{key}]", self.column),
            Some(Part::Field(name)) => write!(f, "{}.{name}", self.column),
        }
    }
}

fn pairs(all: &[(impl Display, Term)]) -> String {
    joined(all.iter().map(|(key, value)| format!("{key}: {value}")))
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Term::Literal(literal) => literal.node.fmt(f),
            Term::Marker(marker) => marker.fmt(f),
            Term::FunctionCall { name, args, .. } => {
                write!(f, "{}({})", function_name(name), joined(args))
            }
            Term::Null(_) => f.write_str("null"),
            Term::List(all, _) => write!(f, "[{}]", joined(all)),
            Term::Set(all, _) => write!(f, "{{{}}}", joined(all)),
            Term::Map(all, _) => write!(f, "{{{}}}", pairs(all)),
            Term::User(all, _) => write!(f, "{{{}}}", pairs(all)),
            Term::Tuple(all, _) => write!(f, "({})", joined(all)),
            Term::Hint(hint, term) => write!(f, "({}) {term}", hint.node),
        }
    }
}

impl Display for Marker {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, ":{}", quote_name(name)),
            None => f.write_str("?"),
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Integer(text) | Literal::Decimal(text) | Literal::Duration(text) => {
                f.write_str(text)
            }
            Literal::Text(text) => f.write_str(&quote(text)),
            Literal::Blob(bytes) => {
                f.write_str("0x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Literal::Uuid(uuid) => uuid.fmt(f),
            Literal::Boolean(truth) => truth.fmt(f),
            Literal::Nan => f.write_str("NaN"),
            Literal::Infinity => f.write_str("Infinity"),
            Literal::NegativeInfinity => f.write_str("-Infinity"),
        }
    }
}
