//! Schemas, writes and reads drawn at random, each as CQL and as what it means.

use std::collections::BTreeMap;

use sys::Rng;

use super::{
    changes::{Change, literal},
    datum::{Datum, Type},
    model::{Column, Condition, Op, Read, Selector, Table, What, Write, placed},
};

/// One of these.
fn pick<T: Clone>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.below(of.len() as u64) as usize].clone()
}

/// `low..=high`.
fn within(rng: &mut Rng, low: u64, high: u64) -> usize {
    (low + rng.below(high - low + 1)) as usize
}

/// Few values of each type, so that they meet.
fn datum(rng: &mut Rng, of: &Type) -> Datum {
    let number = rng.below(5) as i32 - 1;
    let text = ["a", "", "ab", "b", "ba"];
    match of {
        Type::Int => Datum::Int(number),
        Type::Bigint => Datum::Bigint(i64::from(number) * 3_000_000_000),
        Type::Text => Datum::Text(pick(rng, &text).to_owned()),
        Type::Boolean => Datum::Boolean(number % 2 == 0),
        Type::Blob => Datum::Blob(vec![0xFF; number.unsigned_abs() as usize]),
        Type::List(of) => Datum::List(some(rng, |rng| datum(rng, of))),
        Type::Set(of) => Datum::Set(some(rng, |rng| datum(rng, of))),
        Type::Map(of) => Datum::Map(some(rng, |rng| (datum(rng, &of.0), datum(rng, &of.1)))),
        Type::Frozen(of) => datum(rng, of),
    }
}

/// A few, perhaps none.
fn some<T, C: FromIterator<T>>(rng: &mut Rng, mut one: impl FnMut(&mut Rng) -> T) -> C {
    (0..within(rng, 0, 3)).map(|_| one(rng)).collect()
}

/// A key of a partition: a single component is never empty.
fn key(rng: &mut Rng, table: &Table) -> Vec<Datum> {
    loop {
        let key: Vec<Datum> = table.partition.iter().map(|it| datum(rng, &it.of)).collect();
        if 1 < key.len() || !key[0].bytes().is_empty() {
            return key;
        }
    }
}

fn columns(rng: &mut Rng, letter: &str, count: usize, types: &[Type]) -> Vec<Column> {
    let column = |at: usize| Column {
        name: format!("{letter}{at}"),
        of: pick(rng, types),
        descends: letter == "c" && rng.chance(0.4),
    };
    (0..count).map(column).collect()
}

const ALL: [Type; 5] = [Type::Int, Type::Bigint, Type::Text, Type::Boolean, Type::Blob];

/// Columns outside the primary key, some of them collections.
fn values(rng: &mut Rng, letter: &str, count: usize) -> Vec<Column> {
    let mut columns = columns(rng, letter, count, &ALL);
    for column in &mut columns {
        if rng.chance(0.4) {
            column.of = collection(rng);
        }
    }
    columns
}

fn collection(rng: &mut Rng) -> Type {
    let plain = |rng: &mut Rng| Box::new(pick(rng, &ALL));
    let frozen = |rng: &mut Rng| {
        Type::Frozen(Box::new(match rng.below(3) {
            0 => Type::List(plain(rng)),
            1 => Type::Set(plain(rng)),
            _ => Type::Map(Box::new((*plain(rng), *plain(rng)))),
        }))
    };
    let part = |rng: &mut Rng| if rng.chance(0.2) { frozen(rng) } else { *plain(rng) };
    match rng.below(4) {
        0 => Type::List(Box::new(part(rng))),
        1 => Type::Set(Box::new(part(rng))),
        2 => Type::Map(Box::new((part(rng), part(rng)))),
        _ => frozen(rng),
    }
}

/// A table. Where everything happens on one node and time only goes forward, tombstones may be forgotten early.
pub(super) fn table(rng: &mut Rng, forgets: bool) -> Table {
    let keys = [Type::Int, Type::Bigint, Type::Text, Type::Blob];
    let (partition, clustering) = (within(rng, 1, 2), within(rng, 0, 3));
    let (statics, regulars) = (within(rng, 0, 2), within(rng, 0, 3));
    Table {
        partition: columns(rng, "p", partition, &keys),
        clustering: columns(rng, "c", clustering, &ALL),
        statics: values(rng, "s", if clustering == 0 { 0 } else { statics }),
        regulars: values(rng, "v", regulars),
        ttl: if rng.chance(0.2) { within(rng, 1, 40) as u32 } else { 0 },
        gc_grace: if forgets { within(rng, 0, 20) as u32 } else { 864_000 },
    }
}

/// Its CREATE TABLE.
pub(super) fn create(table: &Table) -> String {
    let mut columns = String::new();
    for column in
        [&table.partition, &table.clustering, &table.statics, &table.regulars].into_iter().flatten()
    {
        let is_static = if column.name.starts_with('s') { " STATIC" } else { "" };
        columns += &format!("{} {}{is_static}, ", column.name, column.of.name());
    }
    let list = |of: &[Column]| of.iter().map(|it| it.name.clone()).collect::<Vec<_>>().join(", ");
    let mut key = format!("({})", list(&table.partition));
    let mut order = String::new();
    if !table.clustering.is_empty() {
        key += &format!(", {}", list(&table.clustering));
        let one = |it: &Column| format!("{} {}", it.name, if it.descends { "DESC" } else { "ASC" });
        let each: Vec<String> = table.clustering.iter().map(one).collect();
        order = format!("CLUSTERING ORDER BY ({}) AND ", each.join(", "));
    }
    let (ttl, gc_grace) = (table.ttl, table.gc_grace);
    format!(
        "CREATE TABLE t ({columns}PRIMARY KEY ({key})) WITH {order}gc_grace_seconds = {gc_grace} \
         AND default_time_to_live = {ttl}"
    )
}

/// A write stamped `micros`.
pub(super) fn write(rng: &mut Rng, table: &Table, micros: i64) -> Write {
    let key = key(rng, table);
    match rng.below(20) {
        0 => {
            let text =
                format!("DELETE FROM t USING TIMESTAMP {micros} WHERE {}", named(&key, table));
            Write { text, micros, ttl: None, key, what: What::DeletePartition }
        }
        1..=4 if !table.clustering.is_empty() => {
            let conditions = stretch(rng, table, false);
            if conditions.is_empty() {
                return write(rng, table, micros);
            }
            let rows: Vec<String> = conditions.iter().map(Condition::text).collect();
            let text = format!(
                "DELETE FROM t USING TIMESTAMP {micros} WHERE {} AND {}",
                named(&key, table),
                rows.join(" AND ")
            );
            Write { text, micros, ttl: None, key, what: What::DeleteRows(conditions) }
        }
        5..=9 => change(rng, table, micros, key),
        _ => insert(rng, table, micros, key),
    }
}

/// `p0 = 1 AND p1 = 'a'`.
fn named(key: &[Datum], table: &Table) -> String {
    let equal =
        |(column, value): (&Column, &Datum)| format!("{} = {}", column.name, value.literal());
    table.partition.iter().zip(key).map(equal).collect::<Vec<_>>().join(" AND ")
}

fn ttl(rng: &mut Rng) -> Option<u32> {
    match rng.below(6) {
        0 => Some(0),
        1 | 2 => Some(within(rng, 1, 30) as u32),
        _ => None,
    }
}

fn row(rng: &mut Rng, table: &Table) -> Vec<Datum> {
    table.clustering.iter().map(|it| datum(rng, &it.of)).collect()
}

/// What happens to some columns.
fn changed(
    rng: &mut Rng,
    of: &[Column],
    chance: f64,
    one: fn(&mut Rng, &Type) -> Change,
) -> BTreeMap<String, Change> {
    let mut changes = BTreeMap::new();
    for column in of {
        if rng.chance(chance) {
            changes.insert(column.name.clone(), one(rng, &column.of));
        }
    }
    changes
}

/// A new value, or null.
fn set(rng: &mut Rng, of: &Type) -> Change {
    let value = datum(rng, of);
    Change::Set((!rng.chance(0.2)).then_some(value))
}

/// What an UPDATE may do to a column.
fn assignment(rng: &mut Rng, of: &Type) -> Change {
    if rng.chance(0.3) {
        return set(rng, of);
    }
    let value = datum(rng, of);
    match (of, rng.below(4)) {
        (Type::List(_), 0) => Change::Prepend(value),
        (Type::List(_) | Type::Set(_), 1) => Change::Remove(value),
        (Type::Map(of), 1) => Change::Remove(Datum::Set(some(rng, |rng| datum(rng, &of.0)))),
        (Type::Map(of), 0 | 2) => {
            let value = datum(rng, &of.1);
            Change::SetKey(datum(rng, &of.0), (!rng.chance(0.2)).then_some(value))
        }
        (Type::List(of), 2) => {
            let value = datum(rng, of);
            Change::SetIndex(within(rng, 0, 2), (!rng.chance(0.2)).then_some(value))
        }
        (Type::List(_) | Type::Set(_) | Type::Map(_), _) => Change::Append(value),
        _ => set(rng, of),
    }
}

/// What a DELETE of columns may do to one.
fn removal(rng: &mut Rng, of: &Type) -> Change {
    match (of, rng.chance(0.6)) {
        (Type::List(_), true) => Change::SetIndex(within(rng, 0, 2), None),
        (Type::Set(of), true) => Change::SetKey(datum(rng, of), None),
        (Type::Map(of), true) => Change::SetKey(datum(rng, &of.0), None),
        _ => Change::Delete,
    }
}

fn insert(rng: &mut Rng, table: &Table, micros: i64, key: Vec<Datum>) -> Write {
    let mut changes = changed(rng, &table.statics, 0.3, set);
    // Without a row only statics are written.
    let row = (changes.is_empty() || rng.chance(0.7)).then(|| row(rng, table));
    if row.is_some() {
        changes.extend(changed(rng, &table.regulars, 0.6, set));
    }
    let mut names: Vec<String> = table.partition.iter().map(|it| it.name.clone()).collect();
    let mut values: Vec<String> = key.iter().map(Datum::literal).collect();
    if let Some(row) = &row {
        names.extend(table.clustering.iter().map(|it| it.name.clone()));
        values.extend(row.iter().map(Datum::literal));
    }
    for (name, change) in &changes {
        let Change::Set(value) = change else { unreachable!("{change:?} in an INSERT") };
        names.push(name.clone());
        values.push(literal(value.as_ref()));
    }
    let ttl = ttl(rng);
    let using = ttl.map(|it| format!(" AND TTL {it}")).unwrap_or_default();
    let text = format!(
        "INSERT INTO t ({}) VALUES ({}) USING TIMESTAMP {micros}{using}",
        names.join(", "),
        values.join(", ")
    );
    Write { text, micros, ttl, key, what: What::Change { row, marks: true, changes } }
}

/// UPDATE, or DELETE of single columns.
fn change(rng: &mut Rng, table: &Table, micros: i64, key: Vec<Datum>) -> Write {
    let deletes = rng.chance(0.3);
    let one = if deletes { removal } else { assignment };
    let mut changes = changed(rng, &table.statics, 0.4, one);
    let regular = changed(rng, &table.regulars, 0.5, one);
    let row = (!regular.is_empty()).then(|| row(rng, table));
    changes.extend(regular);
    if changes.is_empty() {
        return insert(rng, table, micros, key);
    }
    let mut place = named(&key, table);
    for (column, value) in table.clustering.iter().zip(row.iter().flatten()) {
        place += &format!(" AND {} = {}", column.name, value.literal());
    }
    if deletes {
        let names: Vec<String> = changes.iter().map(|(name, it)| it.target(name)).collect();
        let names = names.join(", ");
        let text = format!("DELETE {names} FROM t USING TIMESTAMP {micros} WHERE {place}");
        let what = What::Change { row, marks: false, changes };
        return Write { text, micros, ttl: None, key, what };
    }
    let ttl = ttl(rng);
    let using = ttl.map(|it| format!(" AND TTL {it}")).unwrap_or_default();
    let each: Vec<String> = changes.iter().map(|(name, it)| it.assignment(name)).collect();
    let text =
        format!("UPDATE t USING TIMESTAMP {micros}{using} SET {} WHERE {place}", each.join(", "));
    Write { text, micros, ttl, key, what: What::Change { row, marks: false, changes } }
}

/// Rows by a prefix of the clustering key and perhaps a slice behind it: what the key serves by itself.
fn stretch(rng: &mut Rng, table: &Table, several: bool) -> Vec<Condition> {
    let prefix = within(rng, 0, table.clustering.len() as u64);
    let mut conditions = Vec::new();
    for column in &table.clustering[..prefix] {
        let count = if several && rng.chance(0.3) { within(rng, 1, 3) } else { 0 };
        let (op, values) = match count {
            0 => (Op::Eq, vec![datum(rng, &column.of)]),
            _ => (Op::In, (0..count).map(|_| datum(rng, &column.of)).collect()),
        };
        conditions.push(Condition { columns: vec![column.name.clone()], op, values });
    }
    let rest = &table.clustering[prefix..];
    if rest.is_empty() || rng.chance(0.3) {
        return conditions;
    }
    // Several columns together where they are stored in one direction.
    let same = rest.iter().take_while(|it| it.descends == rest[0].descends).count();
    let wide = if rng.chance(0.4) { within(rng, 1, same as u64) } else { 1 };
    let bound = |rng: &mut Rng, ops: [Op; 2]| Condition {
        columns: rest[..wide].iter().map(|it| it.name.clone()).collect(),
        op: pick(rng, &ops),
        values: rest[..wide].iter().map(|it| datum(rng, &it.of)).collect(),
    };
    let sides = within(rng, 0, 2);
    if sides != 0 {
        conditions.push(bound(rng, [Op::Gt, Op::Ge]));
    }
    if sides != 1 {
        conditions.push(bound(rng, [Op::Lt, Op::Le]));
    }
    conditions
}

/// What only a look at each row tells.
fn filters(rng: &mut Rng, table: &Table, distinct: bool) -> Vec<Condition> {
    let mut of: Vec<&Column> = table.statics.iter().collect();
    if !distinct {
        of.extend(table.clustering.iter().chain(&table.regulars));
    }
    if of.is_empty() {
        return Vec::new();
    }
    let one = |rng: &mut Rng| {
        let column = pick(rng, &of);
        let (op, values) = asked(rng, &column.of);
        Condition { columns: vec![column.name.clone()], op, values }
    };
    (0..within(rng, 1, 2)).map(|_| one(rng)).collect()
}

/// What may be asked of a column.
fn asked(rng: &mut Rng, of: &Type) -> (Op, Vec<Datum>) {
    if !of.has_elements() && rng.chance(0.5) {
        let ops = [Op::Eq, Op::Lt, Op::Le, Op::Gt, Op::Ge];
        return (pick(rng, &ops), vec![datum(rng, of)]);
    }
    match (of.thawed(), rng.below(3)) {
        (Type::List(of) | Type::Set(of), _) => (Op::Contains, vec![datum(rng, of)]),
        (Type::Map(of), 0) => (Op::Contains, vec![datum(rng, &of.1)]),
        (Type::Map(of), 1) => (Op::ContainsKey, vec![datum(rng, &of.0)]),
        (Type::Map(of), _) => (Op::Entry, vec![datum(rng, &of.0), datum(rng, &of.1)]),
        (of, _) => (Op::Eq, vec![datum(rng, of)]),
    }
}

/// A SELECT that the table answers.
pub(super) fn read(rng: &mut Rng, table: &Table) -> Read {
    let distinct = rng.chance(0.1);
    let mut conditions = Vec::new();
    let (mut by_key, mut tokens, mut reversed) = (false, None, false);
    let mut words = Vec::new();
    match rng.below(10) {
        0..=4 => {
            let key = key(rng, table);
            for (column, value) in table.partition.iter().zip(key) {
                let columns = vec![column.name.clone()];
                conditions.push(Condition { columns, op: Op::Eq, values: vec![value] });
            }
            reversed = !distinct && !table.clustering.is_empty() && rng.chance(0.5);
            by_key = true;
        }
        5 | 6 => {
            for (at, column) in table.partition.iter().enumerate() {
                let some = within(rng, 1, 4);
                let values = (0..some).map(|_| key(rng, table)[at].clone()).collect();
                conditions.push(Condition {
                    columns: vec![column.name.clone()],
                    op: Op::In,
                    values,
                });
            }
            by_key = true;
        }
        7 => {
            let (a, b) = (placed(&key(rng, table)).token.0, placed(&key(rng, table)).token.0);
            let (from, to) = (a.min(b), a.max(b));
            let names: Vec<&str> = table.partition.iter().map(|it| it.name.as_str()).collect();
            let names = names.join(", ");
            words.push(format!("token({names}) > {from}"));
            words.push(format!("token({names}) <= {to}"));
            tokens = Some((from, to));
        }
        _ => {}
    }
    if by_key && !distinct {
        conditions.extend(stretch(rng, table, true));
    }
    let mut filtering = false;
    if rng.chance(0.4) {
        let more = filters(rng, table, distinct);
        filtering = !more.is_empty();
        conditions.extend(more);
    }
    words.extend(conditions.iter().map(Condition::text));
    let selectors = selectors(rng, table, distinct);
    let shown: Vec<String> = selectors.iter().map(shown).collect();
    let aggregates = matches!(selectors[0], Selector::Count);
    let mut text =
        format!("SELECT {}{} FROM t", if distinct { "DISTINCT " } else { "" }, shown.join(", "));
    if !words.is_empty() {
        text += &format!(" WHERE {}", words.join(" AND "));
    }
    if reversed {
        let turned =
            |it: &Column| format!("{} {}", it.name, if it.descends { "ASC" } else { "DESC" });
        let order: Vec<String> = table.clustering.iter().map(turned).collect();
        text += &format!(" ORDER BY {}", order.join(", "));
    }
    let few = |rng: &mut Rng, chance: f64| rng.chance(chance).then(|| within(rng, 1, 5));
    let per_partition = few(rng, 0.2).filter(|_| !distinct && !aggregates);
    let limit = few(rng, 0.3).filter(|_| !aggregates);
    text += &per_partition.map(|it| format!(" PER PARTITION LIMIT {it}")).unwrap_or_default();
    text += &limit.map(|it| format!(" LIMIT {it}")).unwrap_or_default();
    if filtering {
        text += " ALLOW FILTERING";
    }
    Read { text, selectors, distinct, by_key, tokens, conditions, reversed, per_partition, limit }
}

fn selectors(rng: &mut Rng, table: &Table, distinct: bool) -> Vec<Selector> {
    let keys = table.partition.iter().chain(&table.clustering);
    let values: Vec<&Column> = table.statics.iter().chain(&table.regulars).collect();
    if distinct {
        let columns = table.partition.iter().chain(&table.statics);
        return columns.map(|it| Selector::Column(it.name.clone())).collect();
    }
    let mut some = Vec::new();
    if rng.chance(0.2) {
        some.push(Selector::Count);
        // Of cells with numbers alone replicas fold what is asked for.
        let numbers_alone = rng.chance(0.6);
        for column in values {
            let name = || column.name.clone();
            let is_number = matches!(column.of, Type::Int | Type::Bigint);
            if is_number && (!numbers_alone || column.name.starts_with('v')) {
                let of = || column.of.clone();
                some.extend([Selector::Sum(name(), of()), Selector::Average(name(), of())]);
            }
            if !numbers_alone || is_number && column.name.starts_with('v') {
                some.extend([
                    Selector::CountOf(name()),
                    Selector::Min(name()),
                    Selector::Max(name()),
                ]);
            }
        }
        return some;
    }
    some.extend(keys.map(|it| Selector::Column(it.name.clone())));
    for column in values {
        some.push(Selector::Column(column.name.clone()));
        if rng.chance(0.3) {
            some.push(Selector::Writetime(column.name.clone()));
            some.push(Selector::Ttl(column.name.clone()));
        }
        if let Type::Set(of) = column.of.thawed() {
            some.push(Selector::Under(column.name.clone(), datum(rng, of)));
        }
        if let Type::Map(of) = column.of.thawed() {
            some.push(Selector::Under(column.name.clone(), datum(rng, &of.0)));
        }
    }
    some
}

fn shown(selector: &Selector) -> String {
    match selector {
        Selector::Column(name) => name.clone(),
        Selector::Under(name, key) => format!("{name}[{}]", key.literal()),
        Selector::Writetime(name) => format!("writetime({name})"),
        Selector::Ttl(name) => format!("ttl({name})"),
        Selector::Count => "count(*)".to_owned(),
        Selector::CountOf(name) => format!("count({name})"),
        Selector::Sum(name, _) => format!("sum({name})"),
        Selector::Average(name, _) => format!("avg({name})"),
        Selector::Min(name) => format!("min({name})"),
        Selector::Max(name) => format!("max({name})"),
    }
}
