//! Types, values, and what statements ask of columns and change of them.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{in_values, literal, marker, name, operator, table};
use crate::{ast::*, types::NativeType};

pub(super) fn type_name() -> impl Strategy<Value = Spanned<TypeName>> {
    let spanned = |node| Spanned::new(node, Span::default());
    let leaf = prop_oneof![
        4 => select(NativeType::ALL.as_slice()).prop_map(TypeName::Native),
        // No type that has a name of its own.
        1 => option::of(name()).prop_map(|keyspace| {
            TypeName::User(TableName { keyspace, table: Name::new("Own type") })
        }),
    ];
    leaf.prop_map(spanned).prop_recursive(3, 8, 3, move |inner| {
        let one = || inner.clone().prop_map(Box::new);
        prop_oneof![
            one().prop_map(TypeName::List),
            one().prop_map(TypeName::Set),
            one().prop_map(TypeName::Frozen),
            (inner.clone(), inner.clone()).prop_map(|both| TypeName::Map(Box::new(both))),
            vec(inner.clone(), 1..3).prop_map(TypeName::Tuple),
            (one(), any::<u16>()).prop_map(move |(of, len)| {
                TypeName::Vector(of, Spanned::new(len, Span::default()))
            }),
        ]
        .prop_map(spanned)
    })
}

pub(super) fn term() -> impl Strategy<Value = Term> {
    let leaf = prop_oneof![
        literal().prop_map(Term::Literal),
        marker().prop_map(Term::Marker),
        Just(Term::Null(Span::default())),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        let some = || vec(inner.clone(), 1..3);
        let any = || vec(inner.clone(), 0..3);
        let pairs = vec((inner.clone(), inner.clone()), 1..3);
        let span = Span::default();
        prop_oneof![
            (name(), any()).prop_map(move |(name, args)| Term::FunctionCall { name, args, span }),
            any().prop_map(move |it| Term::List(it, span)),
            any().prop_map(move |it| Term::Set(it, span)),
            pairs.prop_map(move |it| Term::Map(it, span)),
            vec((name(), inner.clone()), 1..3).prop_map(move |it| Term::User(it, span)),
            some().prop_map(move |it| Term::Tuple(it, span)),
            (type_name(), inner.clone()).prop_map(|(hint, it)| Term::Hint(hint, Box::new(it))),
        ]
    })
}

pub(super) fn part_of_column() -> impl Strategy<Value = Target> {
    let part = prop_oneof![
        2 => Just(None),
        1 => term().prop_map(|it| Some(Part::Element(it))),
        1 => name().prop_map(|it| Some(Part::Field(it))),
    ];
    (name(), part).prop_map(|(column, part)| Target { column, part })
}

pub(super) fn assignment() -> impl Strategy<Value = Assignment> {
    let change = (0..4, term());
    (part_of_column(), change).prop_map(|(target, (kind, term))| {
        let change = match kind {
            _ if target.part.is_some() => Change::Set(term),
            0 => Change::Set(term),
            1 => Change::Add(term),
            2 => Change::Prepend(term),
            _ => Change::Subtract(term),
        };
        Assignment { target, change, span: Span::default() }
    })
}

pub(super) fn select_expr() -> impl Strategy<Value = SelectExpr> {
    let leaf = prop_oneof![
        3 => name().prop_map(SelectExpr::Column),
        1 => Just(SelectExpr::CountAll(Span::default())),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        let span = Span::default();
        let of = || inner.clone().prop_map(Box::new);
        let key = || term().prop_map(Box::new);
        prop_oneof![
            (name(), vec(inner.clone(), 0..3)).prop_map(move |(name, args)| SelectExpr::Function {
                name,
                args,
                span
            }),
            (of(), key()).prop_map(move |(of, key)| SelectExpr::Element { of, key, span }),
            (of(), option::of(key()), option::of(key()))
                .prop_map(move |(of, from, to)| SelectExpr::Slice { of, from, to, span }),
            (of(), name()).prop_map(move |(of, name)| SelectExpr::Field { of, name, span }),
        ]
    })
}

pub(super) fn relation() -> impl Strategy<Value = Relation> {
    let kind = prop_oneof![
        (name(), operator(), term())
            .prop_map(|(name, op, term)| { RelationKind::Column { name, op, term } }),
        (name(), in_values(term())).prop_map(|(name, values)| RelationKind::In { name, values }),
        (vec(name(), 1..4), operator(), term())
            .prop_map(|(columns, op, term)| { RelationKind::Token { columns, op, term } }),
        (1..4_usize).prop_flat_map(|width| {
            (vec(name(), width), operator(), values(width))
                .prop_map(|(names, op, values)| RelationKind::Tuple { names, op, values })
        }),
        (name(), term()).prop_map(|(name, term)| RelationKind::Contains { name, term }),
        (name(), term()).prop_map(|(name, term)| RelationKind::ContainsKey { name, term }),
        (name(), term(), term()).prop_map(|(name, key, term)| RelationKind::Element {
            name,
            key,
            term
        }),
        (1..4_usize).prop_flat_map(|width| {
            (vec(name(), width), in_values(values(width)))
                .prop_map(|(names, values)| RelationKind::TupleIn { names, values })
        }),
    ];
    kind.prop_map(|kind| Relation { kind, span: Span::default() })
}

/// Values of so many columns.
fn values(width: usize) -> impl Strategy<Value = Values> {
    prop_oneof![vec(term(), width).prop_map(Values::Terms), marker().prop_map(Values::Marker)]
}

pub(super) fn create_type() -> impl Strategy<Value = CreateType> {
    (table(), any::<bool>(), vec((name(), type_name()), 1..4))
        .prop_map(|(name, if_not_exists, fields)| CreateType { name, if_not_exists, fields })
}

pub(super) fn alter_type() -> impl Strategy<Value = AlterType> {
    let change = prop_oneof![
        (any::<bool>(), name(), type_name()).prop_map(|(if_not_exists, field, type_name)| {
            TypeChange::Add { if_not_exists, field, type_name }
        }),
        (any::<bool>(), vec((name(), name()), 1..3))
            .prop_map(|(if_exists, names)| TypeChange::Rename { if_exists, names }),
    ];
    (table(), any::<bool>(), change).prop_map(|(name, if_exists, change)| AlterType {
        name,
        if_exists,
        change,
    })
}
