//! Why a statement failed, by what its sender can do about it.

use std::fmt;

use cql_lite::{code::Code, span::Span, value};
use model::Consistency;

use crate::{
    PreparedId, catalog,
    store::{self, Unwritable},
};

/// A statement that was not executed, or whose outcome is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind; `helenus explain CODE` tells more.
    pub code: Code,
    /// What happened, in one line without a full stop.
    pub message: String,
    /// What to do, where it can be guessed.
    pub hint: Option<String>,
    /// The words of the statement that are at fault, as byte offsets in its text.
    pub span: Option<Span>,
    /// Whether the same statement may be sent again.
    pub retry: Retry,
    /// How the replicas answered, where they were asked.
    pub acks: Option<Box<Acks>>,
    /// What it is about, for programs that act on it.
    pub about: Option<Box<About>>,
}

/// What an error is about, for programs that act on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// The name that is taken, of `AlreadyExists`.
    Taken {
        /// The keyspace, or that of the table.
        keyspace: String,
        /// The table, if it is one.
        table: Option<String>,
    },
    /// The statement that has to be prepared again, of `Unprepared`.
    Unprepared(PreparedId),
    /// An increment of counters, of `WriteTimeout`.
    Increment,
}

/// What a repetition of the same statement would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Fail in the same way.
    No,
    /// Nothing happened: it may succeed, here or through another node.
    Safe,
    /// The write may have happened or may yet happen: repeat it only if it may be applied twice.
    UnknownOutcome,
}

/// How many replicas were asked for, and how many answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acks {
    /// The level of the request.
    pub consistency: Consistency,
    /// Answers that the level asks for.
    pub required: usize,
    /// Answers that came; where nothing was sent, replicas alive.
    pub received: usize,
    /// The replicas that did not answer, as people know them: host id or address.
    pub missing: Vec<String>,
}

impl Error {
    /// A mistake in the statement or its values: no repetition helps.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error {
            code,
            message: message.into(),
            hint: None,
            span: None,
            retry: Retry::No,
            acks: None,
            about: None,
        }
    }

    /// The same, with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with this advice if there is no better one.
    #[must_use]
    pub(crate) fn or_hint(mut self, hint: &str) -> Error {
        self.hint.get_or_insert_with(|| hint.to_owned());
        self
    }

    /// The same, with the words at fault.
    #[must_use]
    pub fn at(mut self, span: Span) -> Error {
        self.span = Some(span);
        self
    }

    /// The same, with what it is about.
    #[must_use]
    pub(crate) fn about(mut self, about: About) -> Error {
        self.about = Some(Box::new(about));
        self
    }

    /// The same, with what a repetition would do.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Error {
        self.retry = retry;
        self
    }

    /// The error as several lines, with a caret below the words of `source` that are at fault.
    pub fn render(&self, source: &str) -> String {
        let plain = cql_lite::error::Error {
            code: self.code,
            message: self.message.clone(),
            span: self.span.unwrap_or_default(),
            hint: self.hint.clone(),
        };
        plain.render(if self.span.is_some() { source } else { "" })
    }

    /// Why a read failed.
    pub(crate) fn of_read(error: store::Error) -> Error {
        let message = error.to_string();
        match error {
            store::Error::Unavailable(acks) => Error::of_acks(Code::Unavailable, message, acks),
            store::Error::Timeout(acks) => Error::of_acks(Code::ReadTimeout, message, acks),
            store::Error::Failed { acks, .. } => {
                Error::of_acks(Code::ReadFailure, message, acks).retry(Retry::No)
            }
            store::Error::Overloaded(_) => Error::new(Code::Overloaded, message).retry(Retry::Safe),
            store::Error::Unwritable(why, _) => Error::new(code_of(why), message),
            store::Error::Invalid(_) => Error::new(Code::BadValue, message),
        }
    }

    /// Why a write failed.
    pub(crate) fn of_write(error: store::Error) -> Error {
        let message = error.to_string();
        match error {
            store::Error::Unavailable(acks) => Error::of_acks(Code::Unavailable, message, acks),
            store::Error::Timeout(acks) | store::Error::Failed { acks, .. } => {
                Error::of_acks(Code::WriteTimeout, message, acks).retry(Retry::UnknownOutcome)
            }
            store::Error::Overloaded(_) => Error::new(Code::Overloaded, message).retry(Retry::Safe),
            store::Error::Unwritable(why, _) => Error::new(code_of(why), message),
            store::Error::Invalid(_) => Error::new(Code::BadValue, message),
        }
    }

    /// Why counters were not added to.
    pub(crate) fn of_increment(error: store::Error) -> Error {
        let error = Error::of_write(error).about(About::Increment);
        match error.retry {
            Retry::UnknownOutcome => {
                error.hint("read the counter before you add to it again: it may have been added to")
            }
            Retry::No | Retry::Safe => error,
        }
    }

    fn of_acks(code: Code, mut message: String, acks: Acks) -> Error {
        if !acks.missing.is_empty() {
            message = format!("{message}; missing: {}", acks.missing.join(", "));
        }
        let acks = Some(Box::new(acks));
        Error { acks, ..Error::new(code, message).retry(Retry::Safe) }
    }

    /// Why the schema did not change.
    pub(crate) fn of_change(error: catalog::Error) -> Error {
        let message = error.to_string();
        match error {
            catalog::Error::AlreadyExists(_) => Error::new(Code::AlreadyExists, message),
            catalog::Error::NotFound(_) => Error::new(Code::DoesNotExist, message),
            catalog::Error::Changed(_) => {
                Error::new(Code::SchemaChangedMeanwhile, message).retry(Retry::Safe)
            }
            catalog::Error::Invalid(_) => Error::new(Code::InvalidSchema, message),
            catalog::Error::Unavailable(_) => {
                Error::new(Code::Unavailable, message).retry(Retry::Safe)
            }
            catalog::Error::Timeout => {
                Error::new(Code::SchemaOutcomeUnknown, message).retry(Retry::UnknownOutcome)
            }
        }
    }

    /// A value that its type does not have.
    pub(crate) fn bad_value(what: &str, error: &value::Error) -> Error {
        let base = Error::new(Code::BadValue, format!("{what}: {error}"));
        match error.hint() {
            Some(hint) => base.hint(hint),
            None => base,
        }
    }
}

/// What a replica that takes no writes is called.
fn code_of(why: Unwritable) -> Code {
    match why {
        Unwritable::DiskFull => Code::DiskFull,
        Unwritable::ReadOnly => Code::DirectoryUnusable,
        Unwritable::LogFailed => Code::LogFailed,
    }
}

impl From<cql_lite::error::Error> for Error {
    fn from(error: cql_lite::error::Error) -> Error {
        let cql_lite::error::Error { code, message, span, hint } = error;
        Error { hint, span: Some(span), ..Error::new(code, message) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "error[{}]: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}
