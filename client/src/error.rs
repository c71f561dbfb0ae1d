//! Errors, by what to do about them.

use std::fmt;
use std::ops::Range;

use cql_lite::code::Code;
use proto::client as wire;

use crate::trace::Trace;

/// What went wrong. The variant is the remedy; the details are the evidence.
#[derive(Clone, Debug)]
pub enum Error {
    /// Nothing happened: try again, later or elsewhere. The session did so already, as far as
    /// the deadline and its retry budget allowed.
    Retry(Box<Details>),
    /// The statement, the values or the use of the answer is wrong: trying again gives the same.
    Invalid(Box<Details>),
    /// It may have happened, or may yet. Try again only what may happen twice.
    UnknownOutcome(Box<Details>),
    /// No node could be reached. Nothing was sent.
    Connect(Box<Details>),
}

/// The evidence of an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The code, such as `HX1002`; `helenus explain` tells more about it.
    pub code: String,
    /// What happened, one line.
    pub message: String,
    /// What to do, where the node or we can guess it.
    pub hint: Option<String>,
    /// Byte offsets of the words at fault in the statement.
    pub span: Option<Range<usize>>,
    /// The consistency level that was not reached.
    pub consistency: Option<String>,
    /// How many replicas it asked for; 0 where that is not the matter.
    pub required: u32,
    /// How many answered.
    pub received: u32,
    /// Addresses or ids of the replicas that did not answer.
    pub missing: Vec<String>,
    /// Where the node's log tells more.
    pub trace: Option<u64>,
    /// What was done until it failed, for a request that was [traced](crate::Request::traced).
    pub steps: Option<Box<Trace>>,
}

impl Error {
    /// The evidence.
    pub fn details(&self) -> &Details {
        match self {
            Error::Retry(details)
            | Error::Invalid(details)
            | Error::UnknownOutcome(details)
            | Error::Connect(details) => details,
        }
    }

    /// The code, such as `HX1002`. Stable for ever.
    pub fn code(&self) -> &str {
        &self.details().code
    }

    /// What to do: the node's advice about this very case, or else what its code says in general.
    pub fn hint(&self) -> Option<&str> {
        let details = self.details();
        details.hint.as_deref().or_else(|| Code::parse(&details.code).map(Code::remedy))
    }

    /// Byte offsets of the words at fault in the statement.
    pub fn span(&self) -> Option<Range<usize>> {
        self.details().span.clone()
    }

    /// Whether nothing happened, so that even what must not happen twice may be tried again.
    pub fn is_safe_to_retry(&self) -> bool {
        match self {
            Error::Retry(_) | Error::Connect(_) => true,
            Error::Invalid(_) | Error::UnknownOutcome(_) => false,
        }
    }

    pub(crate) fn invalid(code: Code, message: impl Into<String>) -> Error {
        Error::Invalid(Details::new(code, message))
    }

    pub(crate) fn retry(code: Code, message: impl Into<String>) -> Error {
        Error::Retry(Details::new(code, message))
    }

    pub(crate) fn unknown_outcome(code: Code, message: impl Into<String>) -> Error {
        Error::UnknownOutcome(Details::new(code, message))
    }

    pub(crate) fn connect(message: impl Into<String>) -> Error {
        Error::Connect(Details::new(Code::CannotConnect, message))
    }

    /// The node's answer does not hold together.
    pub(crate) fn malformed(what: impl fmt::Display) -> Error {
        Error::invalid(Code::Internal, format!("the node's answer makes no sense: {what}"))
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Error {
        match &mut self {
            Error::Retry(details)
            | Error::Invalid(details)
            | Error::UnknownOutcome(details)
            | Error::Connect(details) => details.hint = Some(hint.into()),
        }
        self
    }

    #[must_use]
    pub(crate) fn with_steps(mut self, trace: Option<Trace>) -> Error {
        match &mut self {
            Error::Retry(details)
            | Error::Invalid(details)
            | Error::UnknownOutcome(details)
            | Error::Connect(details) => details.steps = trace.map(Box::new),
        }
        self
    }

    pub(crate) fn is(&self, code: Code) -> bool {
        Code::parse(self.code()) == Some(code)
    }
}

impl From<wire::Error> for Error {
    fn from(wire: wire::Error) -> Error {
        let retry = wire.retry();
        let details = Box::new(Details {
            code: wire.code,
            message: wire.message,
            hint: Some(wire.hint).filter(|hint| !hint.is_empty()),
            // An empty one at the end is where something is missing.
            span: (wire.span_start <= wire.span_end && 0 < wire.span_end)
                .then_some(wire.span_start as usize..wire.span_end as usize),
            consistency: Some(wire.consistency).filter(|level| !level.is_empty()),
            required: wire.required,
            received: wire.received,
            missing: wire.missing,
            trace: (wire.trace != 0).then_some(wire.trace),
            steps: None,
        });
        match retry {
            wire::Retry::No => Error::Invalid(details),
            wire::Retry::Safe => Error::Retry(details),
            wire::Retry::UnknownOutcome => Error::UnknownOutcome(details),
        }
    }
}

impl Details {
    fn new(code: Code, message: impl Into<String>) -> Box<Details> {
        Box::new(Details { code: code.to_string(), message: message.into(), ..Details::default() })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = self.details();
        write!(f, "error[{}]: {}", details.code, details.message)
    }
}

impl std::error::Error for Error {}
