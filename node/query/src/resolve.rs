//! Conditions with their values: keys, slices and ranges of tokens.

use std::cmp::Ordering;

use bytes::Bytes;
use cql_lite::{code::Code, value};
use model::{
    Clustering, PartitionKey, Slice, Table, Token, TokenRange, key,
    schema::{Column, ColumnKind},
};

use smallvec::{SmallVec, smallvec};

use crate::{
    Error,
    bind::Bindings,
    plan::{
        any_of::IN_MAX,
        restrict::TokenEdge,
        rows::{Choice, Edge, Rows},
    },
};

/// The partition keys that `choices` allow: each once, in the order of the columns' types.
pub(crate) fn keys(
    table: &Table,
    choices: &[Choice],
    bindings: &Bindings<'_>,
) -> Result<Vec<PartitionKey>, Error> {
    let products = products(&table.partition_key, choices, bindings)?;
    let mut keys = Vec::with_capacity(products.len());
    for components in products {
        let bytes =
            key::compose(&parts(&components)).map_err(|error| refused("partition key", &error))?;
        keys.push(PartitionKey::new(bytes));
    }
    Ok(keys)
}

/// The clustering keys of rows that are named whole, ascending, each once.
pub(crate) fn clusterings(
    table: &Table,
    rows: &Rows,
    bindings: &Bindings<'_>,
) -> Result<Vec<Clustering>, Error> {
    let mut found = Vec::new();
    for components in products(&table.clustering_key, &rows.prefix, bindings)? {
        found.push(Clustering(encode(table, &components)?));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The stretches of rows that are asked for: ascending, disjoint, none empty.
pub(crate) fn slices(
    table: &Table,
    rows: &Rows,
    bindings: &Bindings<'_>,
) -> Result<Vec<Slice>, Error> {
    let edge = |edge: &Option<Edge>| {
        let Some(edge) = edge else { return Ok::<_, Error>(None) };
        let columns = table.clustering_key.iter().skip(rows.width());
        let values: Result<Vec<Bytes>, Error> = edge
            .values
            .iter()
            .zip(columns)
            .map(|(operand, column)| bindings.required(operand, &column.name))
            .collect();
        Ok(Some((values?, edge.inclusive)))
    };
    let lower: Option<(Vec<Bytes>, bool)> = edge(&rows.lower)?;
    let upper: Option<(Vec<Bytes>, bool)> = edge(&rows.upper)?;
    let descends = table
        .clustering_key
        .get(rows.width())
        .is_some_and(|it| it.kind == ColumnKind::Clustering(key::Order::Desc));
    // What lies first in stored order: the small values, unless they are stored the other way round.
    let (first, last) = if descends { (upper, lower) } else { (lower, upper) };
    let mut slices = Vec::new();
    for components in products(&table.clustering_key, &rows.prefix, bindings)? {
        let bound = |edge: &Option<(Vec<Bytes>, bool)>| {
            let Some((values, inclusive)) = edge else { return Ok(None) };
            let all: Tuple = components.iter().chain(values).cloned().collect();
            Ok::<_, Error>(Some((encode(table, &all)?, *inclusive)))
        };
        let prefix = encode(table, &components)?;
        let names_all = !components.is_empty() && components.len() == table.clustering_key.len();
        // The bound before everything that begins with some bytes is those bytes.
        let end = match bound(&last)? {
            // A row, whole: then a filter of rows may be asked for it.
            None if names_all => key::successor(&prefix),
            None => key::after(&prefix),
            Some((at, true)) => key::after(&at),
            Some((at, false)) => at,
        };
        let start = match bound(&first)? {
            None => prefix,
            Some((at, true)) => at,
            Some((at, false)) => key::after(&at),
        };
        if start < end {
            slices.push(Slice { start, end });
        }
    }
    slices.sort();
    slices.dedup();
    Ok(slices)
}

/// The tokens between two edges; none when there is none between them.
pub(crate) fn tokens(
    lower: Option<&TokenEdge>,
    upper: Option<&TokenEdge>,
    bindings: &Bindings<'_>,
) -> Result<Option<TokenRange>, Error> {
    let value = |edge: &TokenEdge| -> Result<i64, Error> {
        let bytes = bindings.required(&edge.value, "partition key token")?;
        let bytes = <[u8; 8]>::try_from(&bytes[..]);
        bytes.map(i64::from_be_bytes).map_err(|_| {
            Error::new(Code::BadValue, "the partition key token is a bigint and not empty")
        })
    };
    // Ranges exclude their start and include their end.
    let start = match lower {
        None => Some(i64::MIN),
        Some(edge) if edge.inclusive => Some(value(edge)?.saturating_sub(1)),
        Some(edge) => Some(value(edge)?),
    };
    let end = match upper {
        None => Some(i64::MAX),
        Some(edge) if edge.inclusive => Some(value(edge)?),
        Some(edge) => value(edge)?.checked_sub(1),
    };
    Ok(match (start, end) {
        (Some(start), Some(end)) if start < end => {
            Some(TokenRange { start: Token(start), end: Token(end) })
        }
        (Some(_) | None, Some(_) | None) => None,
    })
}

/// Values of some columns, and mostly there is one of them: neither takes an allocation.
type Tuple = SmallVec<[Bytes; 4]>;
type Tuples = SmallVec<[Tuple; 1]>;

/// One of each choice with one of every other, in the order of the types.
fn products(
    columns: &[Column],
    choices: &[Choice],
    bindings: &Bindings<'_>,
) -> Result<Tuples, Error> {
    let mut products: Tuples = smallvec![Tuple::new()];
    let mut rest = columns;
    for Choice { width, any_of } in choices {
        let (named, behind) = rest.split_at((*width).min(rest.len()));
        rest = behind;
        // Mostly one key is named.
        if let (Some(tuple), [product]) = (any_of.only(), &mut products[..]) {
            for (operand, column) in tuple.iter().zip(named) {
                product.push(bindings.required(operand, &column.name)?);
            }
            continue;
        }
        let mut values = bindings.any_of(any_of, named)?;
        values.sort_by(|a, b| compare(named, a, b));
        values.dedup();
        if products.len() * values.len() > IN_MAX {
            let message = format!("IN names more than {IN_MAX} keys together");
            return Err(Error::new(Code::TooLarge, message)
                .hint("send several statements, at the same time if you like"));
        }
        let with = |product: &Tuple| {
            let product = product.clone();
            values
                .iter()
                .map(move |value| product.iter().chain(value).cloned().collect::<Tuple>())
                .collect::<Vec<_>>()
        };
        products = products.iter().flat_map(with).collect();
    }
    Ok(products)
}

/// How two tuples compare: by their types, and by their bytes where those see no difference.
fn compare(columns: &[Column], a: &[Bytes], b: &[Bytes]) -> Ordering {
    let mut pairs = columns.iter().zip(a.iter().zip(b));
    let by_type = pairs.find_map(|(column, (a, b))| {
        Some(value::compare(&column.cql_type, a, b)).filter(|it| it.is_ne())
    });
    by_type.unwrap_or_else(|| a.cmp(b))
}

fn encode(table: &Table, components: &[Bytes]) -> Result<Bytes, Error> {
    key::encode_clustering(table.clustering_types(), &parts(components))
        .map_err(|error| refused("clustering key", &error))
}

fn parts(components: &[Bytes]) -> SmallVec<[&[u8]; 4]> {
    components.iter().map(|it| it.as_ref()).collect()
}

fn refused(what: &str, error: &key::Error) -> Error {
    match error {
        key::Error::TooLong { .. } => Error::new(Code::TooLarge, format!("{what}: {error}")),
        key::Error::Malformed(_) => Error::new(Code::BadValue, format!("{what}: {error}")),
        key::Error::Empty => Error::new(Code::BadValue, error.to_string()),
    }
}
