//! ERROR: why a request was not carried out, in the words that drivers act on.

use std::net::IpAddr;

use bytes::{BufMut, BytesMut};

use super::{
    Version,
    primitive::{put_inetaddr, put_int, put_short_bytes, put_string, put_string_list},
};

/// An error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind, with what goes with it.
    pub body: Body,
    /// For people.
    pub message: String,
}

/// How many replicas answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// The level of the request, as a number.
    pub consistency: u16,
    /// Replicas that answered; of `Unavailable`, that are alive.
    pub received: usize,
    /// Replicas that the level asks for.
    pub required: usize,
}

/// The replicas that failed, each with a reason as a number.
pub type Reasons = Vec<(IpAddr, u16)>;

/// What a write was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteKind {
    /// One statement.
    Simple,
    /// A batch that is all or nothing.
    Batch,
    /// A batch that is not.
    UnloggedBatch,
    /// Counters.
    Counter,
    /// The log that makes a batch all or nothing.
    BatchLog,
    /// A lightweight transaction.
    Cas,
}

impl WriteKind {
    fn name(self) -> &'static str {
        match self {
            WriteKind::Simple => "SIMPLE",
            WriteKind::Batch => "BATCH",
            WriteKind::UnloggedBatch => "UNLOGGED_BATCH",
            WriteKind::Counter => "COUNTER",
            WriteKind::BatchLog => "BATCH_LOG",
            WriteKind::Cas => "CAS",
        }
    }
}

/// A kind of error, with what goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A mistake of the server's.
    Server,
    /// The client broke the protocol.
    Protocol,
    /// It is not known who you are.
    Authentication,
    /// Too few replicas are alive.
    Unavailable(Answers),
    /// Too much to do.
    Overloaded,
    /// The node does not serve yet, or not any more.
    Bootstrapping,
    /// Truncating failed.
    Truncate,
    /// Too few replicas confirmed a write in time.
    WriteTimeout {
        /// How many did.
        answers: Answers,
        /// What it was.
        kind: WriteKind,
        /// How often others were in the way, of a lightweight transaction. Version 5.
        contentions: u16,
    },
    /// Too few replicas answered a read in time.
    ReadTimeout {
        /// How many did.
        answers: Answers,
        /// Whether the one asked for rows did.
        has_rows: bool,
    },
    /// Replicas failed a read.
    ReadFailure {
        /// How many answered.
        answers: Answers,
        /// Which failed, and why. Version 4 tells how many.
        reasons: Reasons,
        /// Whether the one asked for rows answered.
        has_rows: bool,
    },
    /// A function failed.
    FunctionFailure {
        /// Its keyspace.
        keyspace: String,
        /// Its name.
        function: String,
        /// The types that it takes, as CQL writes them.
        arguments: Vec<String>,
    },
    /// Replicas failed a write.
    WriteFailure {
        /// How many confirmed.
        answers: Answers,
        /// Which failed, and why. Version 4 tells how many.
        reasons: Reasons,
        /// What it was.
        kind: WriteKind,
    },
    /// Whether a lightweight transaction was applied is unknown. Version 4 has no word for it: a
    /// timeout of such a write.
    CasWriteUnknown(Answers),
    /// Not CQL.
    Syntax,
    /// Not allowed to you.
    Unauthorized,
    /// CQL that makes no sense.
    Invalid,
    /// A schema that makes no sense.
    Config,
    /// The name is taken.
    AlreadyExists {
        /// The keyspace, or that of the table.
        keyspace: String,
        /// The table; empty for a keyspace.
        table: String,
    },
    /// No statement of this id is prepared here.
    Unprepared(Vec<u8>),
}

impl Error {
    /// An error with nothing beside its message.
    pub fn new(body: Body, message: impl Into<String>) -> Error {
        Error { body, message: message.into() }
    }

    /// The number of its kind.
    pub fn code(&self, version: Version) -> u32 {
        match &self.body {
            Body::Server => 0x0000,
            Body::Protocol => 0x000a,
            Body::Authentication => 0x0100,
            Body::Unavailable(_) => 0x1000,
            Body::Overloaded => 0x1001,
            Body::Bootstrapping => 0x1002,
            Body::Truncate => 0x1003,
            Body::WriteTimeout { .. } => 0x1100,
            Body::ReadTimeout { .. } => 0x1200,
            Body::ReadFailure { .. } => 0x1300,
            Body::FunctionFailure { .. } => 0x1400,
            Body::WriteFailure { .. } => 0x1500,
            Body::CasWriteUnknown(_) => match version {
                Version::V4 => 0x1100,
                Version::V5 => 0x1700,
            },
            Body::Syntax => 0x2000,
            Body::Unauthorized => 0x2100,
            Body::Invalid => 0x2200,
            Body::Config => 0x2300,
            Body::AlreadyExists { .. } => 0x2400,
            Body::Unprepared(_) => 0x2500,
        }
    }

    /// Writes the body.
    pub fn put(&self, version: Version, out: &mut BytesMut) {
        out.put_u32(self.code(version));
        put_string(out, &self.message);
        match &self.body {
            Body::Unavailable(answers) => {
                out.put_u16(answers.consistency);
                put_int(out, answers.required);
                put_int(out, answers.received);
            }
            Body::WriteTimeout { answers, kind, contentions } => {
                answers.put(out);
                put_string(out, kind.name());
                if *kind == WriteKind::Cas && version == Version::V5 {
                    out.put_u16(*contentions);
                }
            }
            Body::ReadTimeout { answers, has_rows } => {
                answers.put(out);
                out.put_u8(u8::from(*has_rows));
            }
            Body::ReadFailure { answers, reasons, has_rows } => {
                answers.put(out);
                put_reasons(reasons, version, out);
                out.put_u8(u8::from(*has_rows));
            }
            Body::FunctionFailure { keyspace, function, arguments } => {
                put_string(out, keyspace);
                put_string(out, function);
                put_string_list(out, arguments.iter().map(String::as_str));
            }
            Body::WriteFailure { answers, reasons, kind } => {
                answers.put(out);
                put_reasons(reasons, version, out);
                put_string(out, kind.name());
            }
            Body::CasWriteUnknown(answers) => {
                answers.put(out);
                if version == Version::V4 {
                    put_string(out, WriteKind::Cas.name());
                }
            }
            Body::AlreadyExists { keyspace, table } => {
                put_string(out, keyspace);
                put_string(out, table);
            }
            Body::Unprepared(id) => put_short_bytes(out, id),
            Body::Server
            | Body::Protocol
            | Body::Authentication
            | Body::Overloaded
            | Body::Bootstrapping
            | Body::Truncate
            | Body::Syntax
            | Body::Unauthorized
            | Body::Invalid
            | Body::Config => {}
        }
    }
}

impl Answers {
    fn put(self, out: &mut BytesMut) {
        out.put_u16(self.consistency);
        put_int(out, self.received);
        put_int(out, self.required);
    }
}

fn put_reasons(reasons: &Reasons, version: Version, out: &mut BytesMut) {
    put_int(out, reasons.len());
    if version == Version::V5 {
        for (address, reason) in reasons {
            put_inetaddr(out, *address);
            out.put_u16(*reason);
        }
    }
}
