//! Where markers are in a tree, in the order in which they are printed.

use crate::ast::*;

/// Numbers the markers in the order in which they are printed.
pub(super) fn number(statement: &mut Statement) {
    for (at, marker) in in_statement(statement).into_iter().enumerate() {
        marker.index = at;
    }
}

fn in_statement(statement: &mut Statement) -> Vec<&mut Marker> {
    let mut all: Vec<&mut Marker> = Vec::new();
    match statement {
        Statement::Batch(batch) => {
            all.extend(in_using(&mut batch.using));
            all.extend(batch.writes.iter_mut().flat_map(in_write));
        }
        Statement::Write(write) => all.extend(in_write(write)),
        Statement::Select(select) => {
            if let Selectors::Some(selectors) = &mut select.selectors {
                all.extend(selectors.iter_mut().flat_map(|it| in_selector(&mut it.expr)));
            }
            all.extend(select.where_.iter_mut().flat_map(in_relation));
            all.extend(select.per_partition_limit.iter_mut().flat_map(in_term));
            all.extend(select.limit.iter_mut().flat_map(in_term));
        }
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
    }
    all
}

fn in_write(write: &mut Write) -> Vec<&mut Marker> {
    let mut all: Vec<&mut Marker> = Vec::new();
    match write {
        Write::Insert(insert) => {
            all.extend(insert.values.iter_mut().flat_map(in_term));
            all.extend(in_using(&mut insert.using));
        }
        Write::Update(update) => {
            all.extend(in_using(&mut update.using));
            all.extend(update.assignments.iter_mut().flat_map(in_assignment));
            all.extend(update.where_.iter_mut().flat_map(in_relation));
            all.extend(update.conditions.iter_mut().flat_map(in_condition));
        }
        Write::Delete(delete) => {
            all.extend(delete.columns.iter_mut().flat_map(in_target));
            all.extend(in_using(&mut delete.using));
            all.extend(delete.where_.iter_mut().flat_map(in_relation));
            all.extend(delete.conditions.iter_mut().flat_map(in_condition));
        }
    }
    all
}

fn in_using(using: &mut Using) -> Vec<&mut Marker> {
    [&mut using.timestamp, &mut using.ttl].into_iter().flatten().flat_map(in_term).collect()
}

fn in_relation(relation: &mut Relation) -> Vec<&mut Marker> {
    match &mut relation.kind {
        RelationKind::Column { term, .. }
        | RelationKind::Token { term, .. }
        | RelationKind::Contains { term, .. }
        | RelationKind::ContainsKey { term, .. } => in_term(term),
        RelationKind::Element { key, term, .. } => {
            [key, term].into_iter().flat_map(in_term).collect()
        }
        RelationKind::In { values, .. } => in_in(values, in_term),
        RelationKind::TupleIn { values, .. } => in_in(values, in_tuple),
        RelationKind::Tuple { values, .. } => in_tuple(values),
    }
}

fn in_condition(condition: &mut Condition) -> Vec<&mut Marker> {
    match &mut condition.test {
        Test::Compare(_, term) => in_term(term),
        Test::In(values) => in_in(values, in_term),
    }
}

fn in_in<V>(
    values: &mut InValues<V>,
    inside: impl Fn(&mut V) -> Vec<&mut Marker>,
) -> Vec<&mut Marker> {
    match values {
        InValues::List(all) => all.iter_mut().flat_map(inside).collect(),
        InValues::Marker(marker) => vec![marker],
    }
}

fn in_tuple(values: &mut Values) -> Vec<&mut Marker> {
    match values {
        Values::Terms(terms) => terms.iter_mut().flat_map(in_term).collect(),
        Values::Marker(marker) => vec![marker],
    }
}

fn in_term(term: &mut Term) -> Vec<&mut Marker> {
    match term {
        Term::Marker(marker) => vec![marker],
        Term::FunctionCall { args, .. } => args.iter_mut().flat_map(in_term).collect(),
        Term::List(all, _) | Term::Set(all, _) | Term::Tuple(all, _) => {
            all.iter_mut().flat_map(in_term).collect()
        }
        Term::Map(all, _) => {
            all.iter_mut().flat_map(|(key, value)| [key, value]).flat_map(in_term).collect()
        }
        Term::User(all, _) => all.iter_mut().flat_map(|(_, value)| in_term(value)).collect(),
        Term::Hint(_, term) => in_term(term),
        Term::Literal(_) | Term::Null(_) => Vec::new(),
    }
}

fn in_selector(expr: &mut SelectExpr) -> Vec<&mut Marker> {
    match expr {
        SelectExpr::Column(_) | SelectExpr::CountAll(_) => Vec::new(),
        SelectExpr::Function { args, .. } => args.iter_mut().flat_map(in_selector).collect(),
        SelectExpr::Cast { arg: of, .. } | SelectExpr::Field { of, .. } => in_selector(of),
        SelectExpr::Element { of, key, .. } => {
            let mut all = in_selector(of);
            all.extend(in_term(key));
            all
        }
        SelectExpr::Slice { of, from, to, .. } => {
            let mut all = in_selector(of);
            all.extend([from, to].into_iter().flatten().flat_map(|it| in_term(it)));
            all
        }
    }
}

fn in_target(target: &mut Target) -> Vec<&mut Marker> {
    match &mut target.part {
        Some(Part::Element(key)) => in_term(key),
        Some(Part::Field(_)) | None => Vec::new(),
    }
}

fn in_assignment(assignment: &mut Assignment) -> Vec<&mut Marker> {
    let mut all = in_target(&mut assignment.target);
    all.extend(match &mut assignment.change {
        Change::Set(term) | Change::Add(term) | Change::Prepend(term) | Change::Subtract(term) => {
            in_term(term)
        }
    });
    all
}
