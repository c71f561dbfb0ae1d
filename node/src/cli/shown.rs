//! Partitions as bytes: the engine knows no types, so keys and values are blobs in hexadecimal.

use std::fmt::Write;
use std::path::Path;

use engine::offline::{At, Damage};
use model::{Cell, Content, Deletion, Elements, Liveness, Partition, PartitionKey, Row};
use serde_json::{Value, json};

/// As CQL writes a blob.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A partition key with its token.
pub(super) fn key(key: &PartitionKey) -> String {
    format!("{} (token {})", hex(&key.bytes), key.token.0)
}

pub(super) fn key_json(key: &PartitionKey) -> Value {
    json!({"key": hex(&key.bytes), "token": key.token.0})
}

/// A damaged place, in a line.
pub(super) fn damage(it: &Damage) -> String {
    let mut text =
        format!("damaged: the {} at byte {}, {} bytes: {}", it.place, it.offset, it.bytes, it.what);
    if let Some(between) = &it.between {
        let from = between.from.as_ref().map_or("the first partition".into(), at);
        let to = between.to.as_ref().map_or("the last partition".into(), at);
        let _ = write!(text, "; unknown from {from} to {to}");
    }
    text
}

fn at(it: &At) -> String {
    match &it.clustering[..] {
        [] => format!("partition {}", hex(&it.key.bytes)),
        [0xFF] => format!("the end of partition {}", hex(&it.key.bytes)),
        clustering => format!("row {} of partition {}", hex(clustering), hex(&it.key.bytes)),
    }
}

pub(super) fn damage_json(file: &Path, it: &Damage) -> Value {
    let at = |it: &At| json!({"key": hex(&it.key.bytes), "clustering": hex(&it.clustering)});
    let between = it.between.as_ref();
    json!({
        "kind": "damage", "file": file.display().to_string(), "place": it.place.to_string(),
        "offset": it.offset, "bytes": it.bytes, "what": it.what, "holds_rows": it.place.holds_rows(),
        "from": between.and_then(|it| it.from.as_ref()).map(at),
        "to": between.and_then(|it| it.to.as_ref()).map(at),
    })
}

/// What is known of a partition, in lines.
pub(super) fn partition(it: &Partition) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(it.deletion.map(|it| format!("partition {}", deleted(&it))));
    if !it.static_row.is_empty() {
        lines.push("static row".into());
        cells(&it.static_row, &mut lines);
    }
    for range in &it.range_tombstones {
        let (start, end) = (hex(&range.start), hex(&range.end));
        lines.push(format!("range [{start}, {end}) {}", deleted(&range.deletion)));
    }
    for (clustering, row) in &it.rows {
        let mut line = format!("row {}", hex(&clustering.0));
        if let Some(it) = &row.liveness {
            let _ = write!(line, "  {}", written(it));
        }
        if let Some(it) = &row.deletion {
            let _ = write!(line, "  {}", deleted(it));
        }
        lines.push(line);
        cells(row, &mut lines);
    }
    lines
}

fn deleted(it: &Deletion) -> String {
    format!("deleted at {} (second {})", it.timestamp, it.deleted_at)
}

fn written(it: &Liveness) -> String {
    let expiry = it.expiry.map(|(ttl, at)| format!(" ttl {ttl} expires at second {at}"));
    format!("written at {}{}", it.timestamp, expiry.unwrap_or_default())
}

fn cells(row: &Row, lines: &mut Vec<String>) {
    for (column, it) in &row.cells {
        lines.push(format!("  column {}  {}", column.0, cell(it)));
    }
    for (column, Elements { deletion, cells }) in &row.elements {
        let deletion = deletion.map(|it| format!("  before: {}", deleted(&it)));
        lines.push(format!("  column {}  elements{}", column.0, deletion.unwrap_or_default()));
        for (path, it) in cells {
            lines.push(format!("    {}  {}", hex(path), cell(it)));
        }
    }
}

fn cell(it: &Cell) -> String {
    let at = it.timestamp;
    match &it.content {
        Content::Live { value } => format!("{}  written at {at}", hex(value)),
        Content::Expiring { value, ttl, expires_at } => {
            format!("{}  written at {at} ttl {ttl} expires at second {expires_at}", hex(value))
        }
        Content::Dead { deleted_at } => format!("deleted at {at} (second {deleted_at})"),
    }
}

/// As `partition`, for programs.
pub(super) fn partition_json(it: &Partition) -> Value {
    let range = |it: &model::RangeTombstone| json!({"start": hex(&it.start), "end": hex(&it.end), "deletion": deletion_json(&it.deletion)});
    let row = |(clustering, row): &(model::Clustering, Row)| {
        let mut value = row_json(row);
        value["clustering"] = hex(&clustering.0).into();
        value
    };
    json!({
        "key": hex(&it.key.bytes), "token": it.key.token.0,
        "deletion": it.deletion.as_ref().map(deletion_json),
        "static": (!it.static_row.is_empty()).then(|| row_json(&it.static_row)),
        "ranges": it.range_tombstones.iter().map(range).collect::<Vec<_>>(),
        "rows": it.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

fn deletion_json(it: &Deletion) -> Value {
    json!({"timestamp": it.timestamp, "deleted_at": it.deleted_at})
}

fn row_json(it: &Row) -> Value {
    let marker = |it: &Liveness| {
        json!({
            "timestamp": it.timestamp, "ttl": it.expiry.map(|it| it.0),
            "expires_at": it.expiry.map(|it| it.1),
        })
    };
    let single = it.cells.iter().map(|(column, it)| {
        let mut value = cell_json(it);
        value["column"] = column.0.into();
        value
    });
    let elements = it.elements.iter().map(|(column, it)| {
        let each = it.cells.iter().map(|(path, it)| {
            let mut value = cell_json(it);
            value["path"] = hex(path).into();
            value
        });
        json!({
            "column": column.0, "deletion": it.deletion.as_ref().map(deletion_json),
            "cells": each.collect::<Vec<_>>(),
        })
    });
    json!({
        "marker": it.liveness.as_ref().map(marker),
        "deletion": it.deletion.as_ref().map(deletion_json),
        "cells": single.collect::<Vec<_>>(), "elements": elements.collect::<Vec<_>>(),
    })
}

fn cell_json(it: &Cell) -> Value {
    match &it.content {
        Content::Live { value } => json!({"timestamp": it.timestamp, "value": hex(value)}),
        Content::Expiring { value, ttl, expires_at } => json!({
            "timestamp": it.timestamp, "value": hex(value), "ttl": ttl, "expires_at": expires_at,
        }),
        Content::Dead { deleted_at } => {
            json!({"timestamp": it.timestamp, "deleted_at": deleted_at})
        }
    }
}
