//! The bind markers of a statement.

use crate::ast::{
    Condition, InValues, Marker, Relation, RelationKind, Statement, Term, Test, Using, Write,
};

impl Statement {
    /// Its markers, in the order in which values are bound to them. A name that is written twice
    /// is there twice.
    pub fn markers(&self) -> Vec<Marker> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found.sort_by_key(|marker| marker.index);
        found
    }

    fn collect(&self, found: &mut Vec<Marker>) {
        match self {
            Statement::Write(write) => write.collect(found),
            Statement::Select(select) => {
                relations(&select.where_, found);
                terms(&select.per_partition_limit, found);
                terms(&select.limit, found);
            }
            Statement::CreateKeyspace(_)
            | Statement::AlterKeyspace(_)
            | Statement::DropKeyspace(_)
            | Statement::CreateTable(_)
            | Statement::AlterTable(_)
            | Statement::DropTable(_)
            | Statement::Truncate(_)
            | Statement::Use(_)
            | Statement::Describe(_) => {}
            Statement::Batch(batch) => {
                using(&batch.using, found);
                batch.writes.iter().for_each(|write| write.collect(found));
            }
        }
    }
}

impl Write {
    fn collect(&self, found: &mut Vec<Marker>) {
        match self {
            Write::Insert(insert) => {
                terms(&insert.values, found);
                using(&insert.using, found);
            }
            Write::Update(update) => {
                using(&update.using, found);
                terms(update.assignments.iter().map(|(_, value)| value), found);
                relations(&update.where_, found);
                conditions(&update.conditions, found);
            }
            Write::Delete(delete) => {
                using(&delete.using, found);
                relations(&delete.where_, found);
                conditions(&delete.conditions, found);
            }
        }
    }
}

fn terms<'t>(all: impl IntoIterator<Item = &'t Term>, found: &mut Vec<Marker>) {
    for one in all {
        match one {
            Term::Marker(marker) => found.push(marker.clone()),
            Term::FunctionCall { args, .. } => terms(args, found),
            Term::Literal(_) | Term::Null(_) => {}
        }
    }
}

fn using(using: &Using, found: &mut Vec<Marker>) {
    terms(&using.timestamp, found);
    terms(&using.ttl, found);
}

fn relations(all: &[Relation], found: &mut Vec<Marker>) {
    for one in all {
        match &one.kind {
            RelationKind::Column { term, .. } | RelationKind::Token { term, .. } => {
                terms([term], found);
            }
            RelationKind::In { values, .. } => in_values(values, found),
            RelationKind::Tuple { terms: values, .. } => terms(values, found),
            RelationKind::TupleIn { values, .. } => terms(values.iter().flatten(), found),
        }
    }
}

fn conditions(all: &[Condition], found: &mut Vec<Marker>) {
    for one in all {
        match &one.test {
            Test::Compare(_, term) => terms([term], found),
            Test::In(values) => in_values(values, found),
        }
    }
}

fn in_values(values: &InValues, found: &mut Vec<Marker>) {
    match values {
        InValues::List(all) => terms(all, found),
        InValues::Marker(marker) => found.push(marker.clone()),
    }
}
