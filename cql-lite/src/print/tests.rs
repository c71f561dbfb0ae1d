//! The law of printing: parsing what is printed gives the tree again.

use std::fmt;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::ast::*;
use crate::keyword::RESERVED;
use crate::parse;

mod numbers;
mod parts;

use numbers::number;
use parts::{
    alter_type, assignment, create_type, part_of_column, relation, select_expr, term, type_name,
};

proptest! {
    #[test]
    fn parsing_what_is_printed_gives_the_tree_again(statement in statement()) {
        let text = statement.to_string();
        prop_assert_eq!(parse(&text), Ok(statement.clone()), "{}", text);
        prop_assert_eq!(parse(&format!("{statement:#};")), Ok(statement));
    }

    #[test]
    fn markers_are_numbered_in_the_order_of_the_text(statement in statement()) {
        let text = statement.to_string();
        let parsed = parse(&text).unwrap();
        let markers = parsed.markers();
        let mut end = 0;
        for (at, marker) in markers.iter().enumerate() {
            prop_assert_eq!(marker.index, at);
            prop_assert!(end <= marker.span.start, "{} in {}", at, text);
            let written = &text[marker.span.start..marker.span.end];
            prop_assert_eq!(written, marker.to_string());
            end = marker.span.end;
        }
    }
}

/// What the tree law cannot see, as it makes all its marks at once: markers that are bound in
/// another order than they are printed.
#[test]
fn markers_behind_using_keep_their_order() {
    let text = "UPDATE t USING TTL ? AND TIMESTAMP ? SET a = ? WHERE b = ?";
    let statement = parse(text).unwrap();
    assert_eq!(statement.to_string(), text);
    let Statement::Write(Write::Update(update)) = &statement else {
        panic!("not an update: {statement:?}")
    };
    assert_eq!(update.using.ttl.as_ref().map(ToString::to_string), Some("?".to_owned()));
    let index = |term: &Option<Term>| match term {
        Some(Term::Marker(marker)) => marker.index,
        other => panic!("not a marker: {other:?}"),
    };
    assert_eq!((index(&update.using.ttl), index(&update.using.timestamp)), (0, 1));
}

/// Any statement that the parser can return.
pub(crate) fn statement() -> impl Strategy<Value = Statement> {
    let schema = prop_oneof![
        create_keyspace().prop_map(Statement::CreateKeyspace),
        alter_keyspace().prop_map(Statement::AlterKeyspace),
        alter_table().prop_map(Statement::AlterTable),
        (name(), any::<bool>())
            .prop_map(|(name, if_exists)| DropKeyspace { name, if_exists })
            .prop_map(Statement::DropKeyspace),
        create_table().prop_map(Statement::CreateTable),
        create_type().prop_map(Statement::CreateType),
        alter_type().prop_map(Statement::AlterType),
        (table(), any::<bool>())
            .prop_map(|(name, if_exists)| DropType { name, if_exists })
            .prop_map(Statement::DropType),
        (table(), any::<bool>())
            .prop_map(|(name, if_exists)| DropTable { name, if_exists })
            .prop_map(Statement::DropTable),
        table().prop_map(|table| Statement::Truncate(Truncate { table })),
        name().prop_map(|keyspace| Statement::Use(Use { keyspace })),
        described()
            .prop_map(|target| Describe { target, span: Span::default() })
            .prop_map(Statement::Describe),
    ];
    let data = prop_oneof![
        3 => write().prop_map(Statement::Write),
        1 => select_().prop_map(Statement::Select),
        1 => batch().prop_map(Statement::Batch),
    ];
    prop_oneof![1 => schema, 2 => data].prop_map(|mut statement| {
        number(&mut statement);
        statement
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[ -~]{0,12}", 1 => "['\";$?:/*-]{0,6}", 1 => any::<String>()]
}

fn name() -> impl Strategy<Value = Name> {
    let odd = ["distinct", "json", "exists", "cast", "count", "clustering", "static", "ttl"];
    let text = prop_oneof![
        4 => "[a-z][a-z0-9_]{0,8}",
        1 => "[A-Za-z][A-Za-z0-9_]{0,8}",
        1 => select(RESERVED.as_slice()).prop_map(str::to_lowercase),
        1 => select(odd.to_vec()).prop_map(str::to_owned),
        1 => text().prop_filter("a name has a character", |text| !text.is_empty()),
    ];
    text.prop_map(Name::new)
}

fn table() -> impl Strategy<Value = TableName> {
    (option::of(name()), name()).prop_map(|(keyspace, table)| TableName { keyspace, table })
}

fn literal() -> impl Strategy<Value = Spanned<Literal>> {
    let literal = prop_oneof![
        "-?[0-9]{1,20}".prop_map(Literal::Integer),
        "-?[0-9]{1,6}\\.[0-9]{0,6}([eE][+-]?[0-9]{1,3})?".prop_map(Literal::Decimal),
        "-?[0-9]{1,6}[eE][+-]?[0-9]{1,3}".prop_map(Literal::Decimal),
        "-?[0-9]{1,3}(mo|d)([0-9]{1,3}(ms|us))?|-?P[0-9]{1,3}DT[0-9]{1,3}H"
            .prop_map(Literal::Duration),
        text().prop_map(Literal::Text),
        vec(any::<u8>(), 0..6).prop_map(Literal::Blob),
        any::<u128>().prop_map(|bits| Literal::Uuid(uuid::Uuid::from_u128(bits))),
        any::<bool>().prop_map(Literal::Boolean),
        select(vec![Literal::Nan, Literal::Infinity, Literal::NegativeInfinity]),
    ];
    literal.prop_map(|literal| Spanned::new(literal, Span::default()))
}

fn marker() -> impl Strategy<Value = Marker> {
    option::of(name()).prop_map(|name| Marker {
        index: 0,
        name: name.map(|name| name.text),
        span: Span::default(),
    })
}

/// What may follow `LIMIT` and the like.
fn number_term() -> impl Strategy<Value = Term> {
    prop_oneof![
        "-?[0-9]{1,20}".prop_map(|digits| {
            Term::Literal(Spanned::new(Literal::Integer(digits), Span::default()))
        }),
        marker().prop_map(Term::Marker),
    ]
}

fn create_keyspace() -> impl Strategy<Value = CreateKeyspace> {
    (name(), any::<bool>(), vec((text(), text()), 0..4), any::<bool>()).prop_map(
        |(name, if_not_exists, mut replication, durable_writes)| {
            replication.sort();
            replication.dedup_by(|a, b| a.0 == b.0);
            CreateKeyspace { name, if_not_exists, replication, durable_writes }
        },
    )
}

fn alter_keyspace() -> impl Strategy<Value = AlterKeyspace> {
    let replication = vec((text(), text()), 0..3).prop_map(|mut entries| {
        entries.sort();
        entries.dedup_by(|a, b| a.0 == b.0);
        entries
    });
    (name(), any::<bool>(), option::of(replication), option::of(any::<bool>()))
        .prop_filter("something is altered", |(.., map, durable)| {
            map.is_some() || durable.is_some()
        })
        .prop_map(|(name, if_exists, replication, durable_writes)| AlterKeyspace {
            name,
            if_exists,
            replication,
            durable_writes,
        })
}

fn alter_table() -> impl Strategy<Value = AlterTable> {
    let change = prop_oneof![
        (any::<bool>(), vec(column(), 1..4))
            .prop_map(|(if_not_exists, columns)| TableChange::Add { if_not_exists, columns }),
        (any::<bool>(), vec((name(), name()), 1..3))
            .prop_map(|(if_exists, names)| TableChange::Rename { if_exists, names }),
        (any::<bool>(), vec(name(), 1..4))
            .prop_map(|(if_exists, columns)| TableChange::Drop { if_exists, columns }),
        table_options(1..4).prop_map(TableChange::Options),
    ];
    (table(), any::<bool>(), change).prop_map(|(name, if_exists, change)| AlterTable {
        name,
        if_exists,
        change,
    })
}

fn column() -> impl Strategy<Value = ColumnDef> {
    (name(), type_name(), any::<bool>()).prop_map(|(name, type_name, is_static)| ColumnDef {
        name,
        type_name,
        is_static,
    })
}

fn table_options(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<TableOption>> {
    vec(table_option(), count).prop_map(|mut options| {
        options.sort_by(|a, b| a.name.text.cmp(&b.name.text));
        options.dedup_by(|a, b| a.name == b.name);
        options
    })
}

fn create_table() -> impl Strategy<Value = CreateTable> {
    (
        table(),
        any::<bool>(),
        vec(column(), 1..5),
        vec(name(), 1..4),
        vec(name(), 0..3),
        vec(ordering(), 0..3),
        table_options(0..4),
    )
        .prop_map(|(name, if_not_exists, columns, partition, clustering, order, options)| {
            CreateTable {
                name,
                if_not_exists,
                columns,
                partition_key: partition,
                clustering_key: clustering,
                clustering_order: order,
                options,
            }
        })
}

fn ordering() -> impl Strategy<Value = (Name, Order)> {
    (name(), select(vec![Order::Asc, Order::Desc]))
}

fn table_option() -> impl Strategy<Value = TableOption> {
    let entry = (text(), literal());
    let map = vec(entry, 0..3).prop_map(|mut entries| {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries.dedup_by(|a, b| a.0 == b.0);
        let spanned = |(key, value)| (Spanned::new(key, Span::default()), value);
        OptionValue::Map(entries.into_iter().map(spanned).collect())
    });
    let value = prop_oneof![literal().prop_map(OptionValue::Literal), map];
    (name(), value).prop_map(|(name, value)| TableOption { name, value })
}

fn using(ttl: bool) -> impl Strategy<Value = Using> {
    (option::of(number_term()), option::of(number_term()))
        .prop_map(move |(timestamp, after)| Using { timestamp, ttl: after.filter(|_| ttl) })
}

fn insert() -> impl Strategy<Value = Insert> {
    (table(), vec((name(), term()), 1..5), any::<bool>(), using(true)).prop_map(
        |(table, cells, if_not_exists, using)| {
            let (columns, values) = cells.into_iter().unzip();
            Insert { table, columns, values, if_not_exists, using }
        },
    )
}

fn update() -> impl Strategy<Value = Update> {
    (table(), using(true), vec(assignment(), 1..4), vec(relation(), 1..4), if_()).prop_map(
        |(table, using, assignments, where_, (if_exists, conditions))| Update {
            table,
            using,
            assignments,
            where_,
            if_exists,
            conditions,
        },
    )
}

fn delete() -> impl Strategy<Value = Delete> {
    (vec(part_of_column(), 0..3), table(), using(false), vec(relation(), 1..4), if_()).prop_map(
        |(columns, table, using, where_, (if_exists, conditions))| Delete {
            columns,
            table,
            using,
            where_,
            if_exists,
            conditions,
        },
    )
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        insert().prop_map(Write::Insert),
        update().prop_map(Write::Update),
        delete().prop_map(Write::Delete),
    ]
}

fn batch() -> impl Strategy<Value = Batch> {
    let kind = select(vec![BatchKind::Logged, BatchKind::Unlogged, BatchKind::Counter]);
    (kind, using(false), vec(write(), 0..3)).prop_map(|(kind, using, writes)| Batch {
        kind,
        using,
        writes,
        span: Span::default(),
    })
}

fn select_() -> impl Strategy<Value = Select> {
    let selector = (select_expr(), option::of(name()));
    let selector = selector.prop_map(|(expr, alias)| Selector { expr, alias });
    let selectors =
        prop_oneof![Just(Selectors::All), vec(selector, 1..4).prop_map(Selectors::Some)];
    (
        (any::<bool>(), selectors, table(), vec(relation(), 0..4), vec(ordering(), 0..3)),
        (option::of(number_term()), option::of(number_term()), any::<bool>()),
    )
        .prop_map(
            |((distinct, selectors, from, where_, order_by), (per_partition, limit, all))| Select {
                distinct,
                selectors,
                from,
                where_,
                order_by,
                per_partition_limit: per_partition,
                limit,
                allow_filtering: all,
            },
        )
}

fn operator() -> impl Strategy<Value = Operator> {
    use Operator::{Eq, Ge, Gt, Le, Lt, NotEq};
    select(vec![Eq, Lt, Le, Gt, Ge, NotEq])
}

fn in_values<V: Clone + fmt::Debug>(
    one: impl Strategy<Value = V>,
) -> impl Strategy<Value = InValues<V>> {
    prop_oneof![vec(one, 0..4).prop_map(InValues::List), marker().prop_map(InValues::Marker)]
}

fn if_() -> impl Strategy<Value = (bool, Vec<Condition>)> {
    let test = prop_oneof![
        (operator(), term()).prop_map(|(op, term)| Test::Compare(op, term)),
        in_values(term()).prop_map(Test::In),
    ];
    let condition =
        (name(), test).prop_map(|(name, test)| Condition { name, test, span: Span::default() });
    prop_oneof![
        Just((false, Vec::new())),
        Just((true, Vec::new())),
        vec(condition, 1..3).prop_map(|conditions| (false, conditions)),
    ]
}

fn described() -> impl Strategy<Value = Described> {
    prop_oneof![
        select(vec![
            Described::Cluster,
            Described::Schema,
            Described::Keyspaces,
            Described::Tables,
            Described::Types,
        ]),
        table().prop_map(Described::Type),
        option::of(name()).prop_map(Described::Keyspace),
        table().prop_map(Described::Table),
    ]
}
