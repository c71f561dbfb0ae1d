//! Who leads, and what an answer means for the increment.
//!
//! Pure: it is told of answers, and says what follows from them.

use bytes::Bytes;
use model::HostId;

use crate::{
    ask::REPLANS_MAX,
    replica::{self, Response},
    write::Error,
};

/// The search for a leader of one increment.
#[derive(Debug)]
pub(super) struct Search {
    /// Who cannot lead it, and did nothing.
    passed_over: Vec<HostId>,
    refused: Option<Error>,
    replans_left: u32,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is durable there, as these shares.
    Led(Bytes),
    /// Nothing happened there: another one may lead.
    Next,
    /// Nothing happened there, and the cluster has changed: plan again.
    Replan,
    /// Nothing happened, and nobody else is asked.
    Refused(Error),
    /// It may have happened: nobody else may be asked. With what went wrong, where that was said.
    Unknown(Option<String>),
}

impl Default for Search {
    fn default() -> Search {
        Search { passed_over: Vec::new(), refused: None, replans_left: REPLANS_MAX }
    }
}

impl Search {
    /// The nearest of these that may still lead; they come nearest first.
    pub(super) fn next(&self, live: &[HostId]) -> Option<HostId> {
        live.iter().find(|it| !self.passed_over.contains(it)).copied()
    }

    /// Why those refused who said why.
    pub(super) fn refused(&self) -> Option<Error> {
        self.refused.clone()
    }

    pub(super) fn on_answer(
        &mut self,
        from: HostId,
        answer: Result<Response, replica::Error>,
    ) -> Meaning {
        match answer {
            Ok(Response::Led { shares }) => Meaning::Led(shares),
            Err(replica::Error::Unreachable) => {
                self.passed_over.push(from);
                Meaning::Next
            }
            Err(replica::Error::Unwritable(why, text)) => {
                self.passed_over.push(from);
                self.refused = Some(Error::Unwritable(why, format!("node {from}: {text}")));
                Meaning::Next
            }
            Err(replica::Error::StaleEpoch { .. }) if 0 < self.replans_left => {
                self.replans_left -= 1;
                Meaning::Replan
            }
            Err(replica::Error::StaleEpoch { .. }) => {
                let why = "the table or the ring changes all the time";
                Meaning::Refused(Error::Overloaded(why.to_owned()))
            }
            Err(replica::Error::Overloaded(text)) => Meaning::Refused(Error::Overloaded(text)),
            Err(replica::Error::NoAnswer) => Meaning::Unknown(None),
            Err(replica::Error::Failed(why)) => Meaning::Unknown(Some(why)),
            Ok(Response::Done | Response::Data(_) | Response::Digest { .. }) => {
                Meaning::Unknown(Some("it answered what it was not asked".to_owned()))
            }
        }
    }
}
