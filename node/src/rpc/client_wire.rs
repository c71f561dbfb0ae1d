//! Values, answers, traces and errors as the client door says them.

use std::time::Duration;

use bytes::Bytes;
use coordinator::trace::{Noted, Share, Trace};
use cql_lite::code::Code;
use model::HostId;
use proto::client::{self, server_answer::Body};
use query::{Bound, ColumnSpec, Error, Outcome, Reply, Retry, SchemaEffect, SchemaTarget};

use super::client_door::Done;

/// Most packed values of one request: each takes ten times the four bytes that a null is sent as.
const VALUES_MAX: usize = 1 << 20;

/// The values of many rows, as the protocol packs them. They share the bytes of their frame.
pub(super) fn unpack(cells: &Bytes) -> Result<Vec<Bound>, Error> {
    let cut = || Error::new(Code::BadBind, "packed values are cut short");
    let (mut values, mut at) = (Vec::new(), 0);
    while at < cells.len() {
        if values.len() == VALUES_MAX {
            let message = format!("more than {VALUES_MAX} packed values in one request");
            return Err(Error::new(Code::TooLarge, message).hint("send fewer rows at once"));
        }
        let (length, _) = cells[at..].split_first_chunk::<4>().ok_or_else(cut)?;
        at += 4;
        values.push(match i32::from_be_bytes(*length) {
            -1 => Bound::Null,
            -2 => Bound::Unset,
            length => {
                let length = usize::try_from(length).map_err(|_| cut())?;
                let end = at.checked_add(length).filter(|end| *end <= cells.len());
                let start = std::mem::replace(&mut at, end.ok_or_else(cut)?);
                Bound::Value(cells.slice(start..at))
            }
        });
    }
    Ok(values)
}

pub(super) fn bound(value: client::BoundValue) -> Bound {
    match value.kind {
        Some(client::bound_value::Kind::Value(bytes)) => Bound::Value(bytes),
        Some(client::bound_value::Kind::Unset(_)) => Bound::Unset,
        None => Bound::Null,
    }
}

pub(super) fn answer(id: u64, trace: u64, outcome: Result<Done, Error>) -> client::ServerAnswer {
    let (warnings, body) = match outcome {
        Ok(Done::Reply(Reply { outcome, warnings })) => (warnings, outcome_to_wire(outcome)),
        Ok(Done::Prepared(prepared)) => (Vec::new(), Body::Prepared(prepared_to_wire(&prepared))),
        Err(error) => (Vec::new(), Body::Error(error_to_wire(error, trace))),
    };
    client::ServerAnswer { id, warnings, body: Some(body), trace: None }
}

/// What was done for the request of this number.
pub(super) fn trace_to_wire(id: u64, trace: Trace) -> client::Trace {
    let micros = |it: Duration| u64::try_from(it.as_micros()).unwrap_or(u64::MAX);
    let host = |it: HostId| Bytes::copy_from_slice(it.0.as_bytes());
    let step = |it: Noted| client::TraceStep {
        after_micros: micros(it.after),
        host_id: it.host.map(host).unwrap_or_default(),
        step: it.step.name().to_owned(),
        detail: it.step.detail(),
    };
    let share = |it: Share| client::TraceShare {
        host_id: host(it.host),
        role: it.role.name().to_owned(),
        requests: it.requests,
        failures: it.failures,
        micros: micros(it.work.took),
        rows: it.work.rows,
        bytes: it.work.bytes,
        tombstones: it.work.tombstones,
        sstables: it.work.sstables.into(),
    };
    client::Trace {
        id,
        took_micros: micros(trace.took),
        steps: trace.steps.into_iter().map(step).collect(),
        left_out: trace.left_out,
        shares: trace.shares.into_iter().map(share).collect(),
    }
}

fn outcome_to_wire(outcome: Outcome) -> Body {
    match outcome {
        Outcome::Void => Body::Void(client::Void {}),
        Outcome::Description(it) => Body::Text(client::Text { text: it.text }),
        Outcome::SetKeyspace(keyspace) => Body::SetKeyspace(client::SetKeyspace { keyspace }),
        Outcome::Rows(rows) => Body::Rows(client::Rows {
            columns: rows.columns.iter().map(column).collect(),
            row_count: u32::try_from(rows.rows.len()).unwrap_or(u32::MAX),
            cells: rows.rows.into_bytes(),
            paging_state: rows.paging_state.unwrap_or_default(),
        }),
        Outcome::SchemaChange { effect, target, keyspace, name, epoch } => {
            let change = match effect {
                SchemaEffect::Created => "CREATED",
                SchemaEffect::Updated => "UPDATED",
                SchemaEffect::Dropped => "DROPPED",
            };
            let target = match target {
                SchemaTarget::Keyspace => "KEYSPACE",
                SchemaTarget::Table => "TABLE",
                SchemaTarget::Type => "TYPE",
            };
            Body::SchemaChange(client::SchemaChange {
                change: change.into(),
                target: target.into(),
                keyspace,
                name: name.unwrap_or_default(),
                epoch,
            })
        }
    }
}

fn column(spec: &ColumnSpec) -> client::ColumnSpec {
    client::ColumnSpec {
        keyspace: spec.keyspace.clone(),
        table: spec.table.clone(),
        name: spec.name.clone(),
        cql_type: spec.cql_type.in_full(),
    }
}

fn prepared_to_wire(prepared: &query::Prepared) -> client::Prepared {
    client::Prepared {
        id: Bytes::copy_from_slice(&prepared.id.0),
        parameters: prepared.variables.iter().map(column).collect(),
        columns: prepared.columns.iter().map(column).collect(),
        partition_key: prepared.partition_key.iter().map(|it| u32::from(*it)).collect(),
        idempotent: prepared.idempotent,
    }
}

pub(super) fn error_to_wire(error: Error, trace: u64) -> client::Error {
    let retry = match error.retry {
        Retry::No => client::Retry::No,
        Retry::Safe => client::Retry::Safe,
        Retry::UnknownOutcome => client::Retry::UnknownOutcome,
    };
    let span = error.span.unwrap_or_default();
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let count = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
    let (consistency, required, received, missing) = match error.acks {
        Some(acks) => {
            (acks.consistency.name(), count(acks.required), count(acks.received), acks.missing)
        }
        None => ("", 0, 0, Vec::new()),
    };
    client::Error {
        code: error.code.to_string(),
        message: error.message,
        hint: error.hint.unwrap_or_default(),
        retry: retry.into(),
        span_start: offset(span.start),
        span_end: offset(span.end),
        consistency: consistency.into(),
        required,
        received,
        missing,
        trace,
    }
}
