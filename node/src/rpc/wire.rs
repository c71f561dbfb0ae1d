//! Peer frames to our values and back: hand-written, so that core types never see the wire.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use coordinator::{
    replica::{Call, Error, Origin, Request, Response, Unwritable},
    trace::{Report, Work},
};
use model::{TableId, read};
use proto::peer;

/// A request as a frame.
pub(crate) fn request_frame(id: u64, call: &Call) -> peer::PeerFrame {
    let body = match &call.request {
        Request::Mutate { mutation, origin } => peer::request::Body::Mutate(peer::Mutate {
            mutation: mutation.clone(),
            origin: origin_to_wire(*origin).into(),
        }),
        Request::Lead { increments } => peer::request::Body::Lead(increments.clone()),
        Request::Read(command) => peer::request::Body::Read(command.encode()),
        Request::Digest(command) => peer::request::Body::Digest(command.encode()),
        Request::Truncate(table) => {
            peer::request::Body::Truncate(Bytes::copy_from_slice(table.0.as_bytes()))
        }
        Request::CatchUp => peer::request::Body::CatchUp(peer::Nothing {}),
    };
    let request = peer::Request {
        id,
        trace: call.trace,
        epoch: call.epoch,
        timeout_ms: u32::try_from(call.timeout.as_millis()).unwrap_or(u32::MAX),
        traced: call.report.is_some(),
        body: Some(body),
    };
    peer::PeerFrame { body: Some(peer::peer_frame::Body::Request(request)) }
}

/// The request in a frame.
pub(crate) fn call_from_wire(request: peer::Request) -> Result<Call, String> {
    let malformed = |error: model::codec::Malformed| error.to_string();
    let request_body = match request.body.ok_or("a request without a body")? {
        peer::request::Body::Mutate(it) => {
            Request::Mutate { origin: origin_from_wire(it.origin()), mutation: it.mutation }
        }
        peer::request::Body::Lead(increments) => Request::Lead { increments },
        peer::request::Body::Read(it) => {
            Request::Read(Arc::new(read::Command::decode(it).map_err(malformed)?))
        }
        peer::request::Body::Digest(it) => {
            Request::Digest(Arc::new(read::Command::decode(it).map_err(malformed)?))
        }
        peer::request::Body::Truncate(it) => Request::Truncate(TableId(
            uuid::Uuid::from_slice(&it).map_err(|_| "a table id of another length")?,
        )),
        peer::request::Body::CatchUp(peer::Nothing {}) => Request::CatchUp,
    };
    Ok(Call {
        trace: request.trace,
        epoch: request.epoch,
        timeout: Duration::from_millis(request.timeout_ms.into()),
        report: request.traced.then(Report::default),
        request: request_body,
    })
}

/// An outcome as a frame.
pub(crate) fn answer_frame(
    id: u64,
    outcome: Result<Response, Error>,
    report: Option<&Report>,
) -> peer::PeerFrame {
    let body = match outcome {
        Ok(Response::Done) => peer::answer::Body::Done(peer::Done {}),
        Ok(Response::Led { shares }) => peer::answer::Body::Led(shares),
        Ok(Response::Data(answer)) => peer::answer::Body::Data(answer.encode()),
        Ok(Response::Digest { digest }) => {
            peer::answer::Body::Digest(Bytes::copy_from_slice(&digest.to_be_bytes()))
        }
        Err(error) => peer::answer::Body::Failure(failure(error)),
    };
    let work = report.and_then(|it| it.get()).map(work_to_wire);
    let answer = peer::Answer { id, body: Some(body), work };
    peer::PeerFrame { body: Some(peer::peer_frame::Body::Answer(answer)) }
}

/// The outcome in a frame.
pub(crate) fn outcome_from_wire(answer: peer::Answer) -> Result<Response, Error> {
    let malformed = |_| Error::Failed("its answer was malformed".into());
    match answer.body {
        Some(peer::answer::Body::Done(_)) => Ok(Response::Done),
        Some(peer::answer::Body::Led(shares)) => Ok(Response::Led { shares }),
        Some(peer::answer::Body::Data(it)) => {
            Ok(Response::Data(read::Answer::decode(it).map_err(malformed)?))
        }
        Some(peer::answer::Body::Digest(it)) => {
            let bytes: [u8; 16] =
                it.as_ref().try_into().map_err(|_| Error::Failed("a short digest".into()))?;
            Ok(Response::Digest { digest: u128::from_be_bytes(bytes) })
        }
        Some(peer::answer::Body::Failure(it)) => Err(error_from_wire(it)),
        None => Err(Error::Failed("an answer without a body".into())),
    }
}

/// What the answer says that it cost.
pub(crate) fn work_from_wire(answer: &peer::Answer) -> Option<Work> {
    let peer::Work { micros, rows, bytes, tombstones, sstables } = *answer.work.as_ref()?;
    Some(Work { took: Duration::from_micros(micros), rows, bytes, tombstones, sstables })
}

fn work_to_wire(work: &Work) -> peer::Work {
    let Work { took, rows, bytes, tombstones, sstables } = *work;
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    peer::Work { micros, rows, bytes, tombstones, sstables }
}

fn failure(error: Error) -> peer::Failure {
    let kind = match error {
        Error::Overloaded(why) => peer::failure::Kind::Overloaded(why),
        Error::Unwritable(Unwritable::DiskFull, why) => peer::failure::Kind::DiskFull(why),
        Error::Unwritable(Unwritable::ReadOnly, why) => peer::failure::Kind::ReadOnly(why),
        Error::Unwritable(Unwritable::LogFailed, why) => peer::failure::Kind::LogFailed(why),
        Error::StaleEpoch { have } => peer::failure::Kind::StaleEpoch(have),
        Error::Failed(why) => peer::failure::Kind::Failed(why),
        Error::NoAnswer | Error::Unreachable => peer::failure::Kind::TimedOut(true),
    };
    peer::Failure { kind: Some(kind) }
}

fn error_from_wire(failure: peer::Failure) -> Error {
    match failure.kind {
        Some(peer::failure::Kind::Overloaded(why)) => Error::Overloaded(why),
        Some(peer::failure::Kind::DiskFull(why)) => Error::Unwritable(Unwritable::DiskFull, why),
        Some(peer::failure::Kind::ReadOnly(why)) => Error::Unwritable(Unwritable::ReadOnly, why),
        Some(peer::failure::Kind::LogFailed(why)) => Error::Unwritable(Unwritable::LogFailed, why),
        Some(peer::failure::Kind::StaleEpoch(have)) => Error::StaleEpoch { have },
        Some(peer::failure::Kind::Failed(why)) => Error::Failed(why),
        Some(peer::failure::Kind::TimedOut(_)) => Error::NoAnswer,
        None => Error::Failed("a failure that does not say why".into()),
    }
}

fn origin_to_wire(origin: Origin) -> peer::Origin {
    match origin {
        Origin::Client => peer::Origin::Client,
        Origin::Hint => peer::Origin::Hint,
        Origin::ReadRepair => peer::Origin::ReadRepair,
    }
}

fn origin_from_wire(origin: peer::Origin) -> Origin {
    match origin {
        peer::Origin::Client => Origin::Client,
        peer::Origin::Hint => Origin::Hint,
        peer::Origin::ReadRepair => Origin::ReadRepair,
    }
}
