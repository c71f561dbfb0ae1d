//! The bind markers of a statement.

use crate::ast::{
    Change, Condition, InValues, Marker, Part, Relation, RelationKind, Select, SelectExpr,
    Selectors, Statement, Target, Term, Test, Using, Values, Write,
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
            Statement::Select(select) => select.collect(found),
            Statement::CreateKeyspace(_)
            | Statement::AlterKeyspace(_)
            | Statement::DropKeyspace(_)
            | Statement::CreateTable(_)
            | Statement::AlterTable(_)
            | Statement::DropTable(_)
            | Statement::CreateType(_)
            | Statement::AlterType(_)
            | Statement::DropType(_)
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

impl Select {
    fn collect(&self, found: &mut Vec<Marker>) {
        match &self.selectors {
            Selectors::All => {}
            Selectors::Some(all) => all.iter().for_each(|it| it.expr.collect(found)),
        }
        relations(&self.where_, found);
        terms(&self.per_partition_limit, found);
        terms(&self.limit, found);
    }
}

impl SelectExpr {
    fn collect(&self, found: &mut Vec<Marker>) {
        match self {
            SelectExpr::Column(_) | SelectExpr::CountAll(_) => {}
            SelectExpr::Function { args, .. } => args.iter().for_each(|it| it.collect(found)),
            SelectExpr::Cast { arg: of, .. } | SelectExpr::Field { of, .. } => of.collect(found),
            SelectExpr::Element { of, key, .. } => {
                of.collect(found);
                terms([&**key], found);
            }
            SelectExpr::Slice { of, from, to, .. } => {
                of.collect(found);
                terms([from, to].into_iter().flatten().map(|it| &**it), found);
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
                for assignment in &update.assignments {
                    target(&assignment.target, found);
                    match &assignment.change {
                        Change::Set(term)
                        | Change::Add(term)
                        | Change::Prepend(term)
                        | Change::Subtract(term) => terms([term], found),
                    }
                }
                relations(&update.where_, found);
                conditions(&update.conditions, found);
            }
            Write::Delete(delete) => {
                delete.columns.iter().for_each(|it| target(it, found));
                using(&delete.using, found);
                relations(&delete.where_, found);
                conditions(&delete.conditions, found);
            }
        }
    }
}

fn target(target: &Target, found: &mut Vec<Marker>) {
    match &target.part {
        Some(Part::Element(term)) => terms([term], found),
        Some(Part::Field(_)) | None => {}
    }
}

fn terms<'t>(all: impl IntoIterator<Item = &'t Term>, found: &mut Vec<Marker>) {
    all.into_iter().for_each(|it| one_term(it, found));
}

fn one_term(one: &Term, found: &mut Vec<Marker>) {
    match one {
        Term::Marker(marker) => found.push(marker.clone()),
        Term::FunctionCall { args, .. } => terms(args, found),
        Term::List(all, _) | Term::Set(all, _) | Term::Tuple(all, _) => terms(all, found),
        Term::Map(all, _) => all.iter().for_each(|(key, value)| terms([key, value], found)),
        Term::User(all, _) => all.iter().for_each(|(_, value)| one_term(value, found)),
        Term::Hint(_, term) => one_term(term, found),
        Term::Literal(_) | Term::Null(_) => {}
    }
}

fn using(using: &Using, found: &mut Vec<Marker>) {
    terms(&using.timestamp, found);
    terms(&using.ttl, found);
}

fn relations(all: &[Relation], found: &mut Vec<Marker>) {
    for one in all {
        match &one.kind {
            RelationKind::Column { term, .. }
            | RelationKind::Token { term, .. }
            | RelationKind::Contains { term, .. }
            | RelationKind::ContainsKey { term, .. } => terms([term], found),
            RelationKind::Element { key, term, .. } => terms([key, term], found),
            RelationKind::In { values, .. } => in_values(values, found, one_term),
            RelationKind::Tuple { values, .. } => tuple(values, found),
            RelationKind::TupleIn { values, .. } => in_values(values, found, tuple),
        }
    }
}

fn conditions(all: &[Condition], found: &mut Vec<Marker>) {
    for one in all {
        match &one.test {
            Test::Compare(_, term) => terms([term], found),
            Test::In(values) => in_values(values, found, one_term),
        }
    }
}

fn in_values<V>(
    values: &InValues<V>,
    found: &mut Vec<Marker>,
    collect: impl Fn(&V, &mut Vec<Marker>),
) {
    match values {
        InValues::List(all) => all.iter().for_each(|it| collect(it, found)),
        InValues::Marker(marker) => found.push(marker.clone()),
    }
}

fn tuple(values: &Values, found: &mut Vec<Marker>) {
    match values {
        Values::Terms(all) => terms(all, found),
        Values::Marker(marker) => found.push(marker.clone()),
    }
}
