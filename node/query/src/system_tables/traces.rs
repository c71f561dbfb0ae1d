//! `system_traces`: what was done for requests that were traced.

use std::{sync::Arc, time::Duration};

use cql_lite::value::Value;
use uuid::Uuid;

use super::{
    Definition, Record,
    kinds::{INET, INT, TEXT, TEXT_MAP, TIMESTAMP, TIMEUUID, UUID},
    map, text,
};
use crate::sessions::{Session, ticks};

/// Where Cassandra names a thread.
const THREAD: &str = "helenus";

pub(super) const TABLES: &[Definition] = &[
    Definition {
        name: "sessions",
        partition: &[("session_id", UUID)],
        clustering: &[],
        regulars: &[
            ("client", INET),
            ("command", TEXT),
            ("coordinator", INET),
            ("coordinator_port", INT),
            ("duration", INT),
            ("parameters", TEXT_MAP),
            ("request", TEXT),
            ("started_at", TIMESTAMP),
        ],
    },
    Definition {
        name: "events",
        partition: &[("session_id", UUID)],
        clustering: &[("event_id", TIMEUUID)],
        regulars: &[
            ("activity", TEXT),
            ("source", INET),
            ("source_elapsed", INT),
            ("source_port", INT),
            ("thread", TEXT),
        ],
    },
];

pub(super) fn sessions(kept: &[Arc<Session>]) -> Vec<Record> {
    let record = |it: &Arc<Session>| {
        let parameters = it.about.parameters.iter().map(|(name, value)| (*name, value.as_str()));
        Record::from([
            ("session_id", Value::Uuid(it.id)),
            ("client", Value::Inet(it.about.client.ip())),
            ("command", text("QUERY")),
            ("coordinator", Value::Inet(it.coordinator.ip())),
            ("coordinator_port", Value::Int(it.coordinator.port().into())),
            ("duration", micros(it.took)),
            ("parameters", map(parameters)),
            ("request", text(it.about.request)),
            ("started_at", Value::Timestamp(it.started_micros.div_euclid(1000))),
        ])
    };
    kept.iter().map(record).collect()
}

pub(super) fn events(kept: &[Arc<Session>]) -> Vec<Record> {
    let mut records = Vec::new();
    for session in kept {
        for (event, number) in session.events.iter().zip(0..) {
            records.push(Record::from([
                ("session_id", Value::Uuid(session.id)),
                ("event_id", Value::Timeuuid(event_id(session, event.after, number))),
                ("activity", text(&event.activity)),
                ("source", Value::Inet(event.source.ip())),
                ("source_elapsed", micros(event.after)),
                ("source_port", Value::Int(event.source.port().into())),
                ("thread", text(THREAD)),
            ]));
        }
    }
    records
}

/// The time of an event, in their order: of those of one microsecond the number decides.
fn event_id(session: &Session, after: Duration, number: u16) -> Uuid {
    let mut node = [0; 6];
    node.copy_from_slice(&session.id.as_bytes()[10..]);
    let ticks = ticks(session.started_micros, after);
    uuid::Builder::from_gregorian_timestamp(ticks, number, &node).into_uuid()
}

fn micros(duration: Duration) -> Value {
    Value::Int(i32::try_from(duration.as_micros()).unwrap_or(i32::MAX))
}
