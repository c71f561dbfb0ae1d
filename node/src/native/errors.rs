//! Errors in the words of the protocol, by which drivers decide whether to try again.
//!
//! Our code and what to do about it stand in the message, where the protocol has room for them.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use cql_lite::{code::Code, span::Span};
use proto::cql::{
    error::{Answers, Body, Error as WireError, Reasons, WriteKind},
    primitive::Text,
};
use query::{About, Acks, Error};

/// The number of QUORUM: at which the schema is agreed.
const QUORUM: u16 = 4;

/// Why a replica failed, to those who want to know in numbers: for no reason that has one.
const UNKNOWN_REASON: u16 = 0;

/// What an error needs to know of the request.
pub(super) struct Asked {
    /// The statement, if it came as text.
    pub(super) text: Option<Text>,
    /// What it was prepared as.
    pub(super) id: Option<Bytes>,
    /// The level, as a number.
    pub(super) consistency: u16,
    /// What it is if it writes.
    pub(super) write: WriteKind,
}

impl Default for Asked {
    fn default() -> Asked {
        Asked { text: None, id: None, consistency: QUORUM, write: WriteKind::Simple }
    }
}

pub(super) fn to_wire(error: Error, asked: &Asked) -> WireError {
    let message = message(&error, asked);
    WireError::new(body(&error, asked), message)
}

/// `line 1:7 unknown table `t` [HX2002]; did you mean `u`?`
fn message(error: &Error, asked: &Asked) -> String {
    let place = match (error.span, &asked.text) {
        (Some(span), Some(text)) => place(span, text),
        (Some(_) | None, _) => String::new(),
    };
    let hint = error.hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
    format!("{place}{} [{}]{hint}", error.message, error.code)
}

/// Line and column of the words at fault, as Cassandra counts them.
fn place(span: Span, text: &str) -> String {
    let Some(before) = text.get(..span.start) else { return String::new() };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    format!("line {line}:{column} ")
}

fn body(error: &Error, asked: &Asked) -> Body {
    let answers = || answers(error.acks.as_deref(), asked);
    match error.code {
        Code::Unavailable => Body::Unavailable(answers()),
        // A change of the schema whose outcome is unknown is as good as a write of that kind.
        Code::WriteTimeout | Code::ConnectionLost | Code::SchemaOutcomeUnknown => {
            let kind = match error.about.as_deref() {
                Some(About::Increment) => WriteKind::Counter,
                Some(About::Taken { .. } | About::Unprepared(_)) | None => asked.write,
            };
            Body::WriteTimeout { answers: answers(), kind, contentions: 0 }
        }
        Code::ReadTimeout => Body::ReadTimeout { answers: answers(), has_rows: false },
        Code::ReadFailure => {
            let reasons = reasons(error.acks.as_deref());
            Body::ReadFailure { answers: answers(), reasons, has_rows: false }
        }
        // Refused before anything was done: another node, or this one later, may do it.
        Code::Overloaded | Code::DiskFull | Code::SchemaChangedMeanwhile => Body::Overloaded,
        Code::NotReady | Code::Draining => Body::Bootstrapping,
        Code::BadMessage => Body::Protocol,
        Code::Syntax => Body::Syntax,
        Code::UnknownTable
        | Code::UnknownColumn
        | Code::BadValue
        | Code::BadWhere
        | Code::BadBind
        | Code::NotSupported
        | Code::BadPagingState
        | Code::RowCount
        | Code::DoesNotExist
        | Code::TooLarge
        | Code::TimestampTooFarAhead
        | Code::Guardrail => Body::Invalid,
        Code::InvalidSchema => Body::Config,
        Code::AlreadyExists => match error.about.as_deref() {
            Some(About::Taken { keyspace, table }) => Body::AlreadyExists {
                keyspace: keyspace.clone(),
                table: table.clone().unwrap_or_default(),
            },
            // A column: the protocol has no word for it.
            Some(About::Unprepared(_) | About::Increment) | None => Body::Invalid,
        },
        Code::Unprepared => Body::Unprepared(match (error.about.as_deref(), &asked.id) {
            (Some(About::Unprepared(id)), _) => id.0.to_vec(),
            (Some(About::Taken { .. } | About::Increment) | None, id) => {
                id.as_deref().unwrap_or_default().to_vec()
            }
        }),
        Code::Unauthorized => Body::Unauthorized,
        Code::CannotConnect
        | Code::Cancelled
        | Code::CorruptFile
        | Code::DirectoryLocked
        | Code::DirectoryForeign
        | Code::LogFailed
        | Code::DirectoryUnusable
        | Code::NotFounder
        | Code::WrongCluster
        | Code::IncompatibleVersion
        | Code::UnknownSetting
        | Code::BadSetting
        | Code::PortInUse
        | Code::InsecureListen
        | Code::Internal => Body::Server,
    }
}

fn answers(acks: Option<&Acks>, asked: &Asked) -> Answers {
    match acks {
        Some(acks) => Answers {
            consistency: acks.consistency as u16,
            received: acks.received,
            required: acks.required,
        },
        None => Answers { consistency: asked.consistency, received: 0, required: 1 },
    }
}

/// Which replicas failed, by their addresses: one that goes by its name has none in numbers.
fn reasons(acks: Option<&Acks>) -> Reasons {
    let address = |missing: &String| {
        let address = missing.split(' ').next().and_then(|it| it.rsplit_once(':'));
        let address = address.and_then(|(host, _)| host.trim_matches(['[', ']']).parse().ok());
        (address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), UNKNOWN_REASON)
    };
    acks.map_or(Vec::new(), |acks| acks.missing.iter().map(address).collect())
}
