//! What a connection agreed on, and what each of its requests comes to.

use std::sync::Arc;

use bytes::Bytes;
use cql_lite::code::Code;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Either},
};
use proto::cql::{
    Malformed, Version,
    compression::Compression,
    error::{Body, Error as WireError},
    event::Event,
    header::{FLAG_TRACING, Header},
    inbound::Framing,
    outbound::Answer,
    register::Register,
    request::Request,
    response::Response,
    segment::Packing,
    startup::{COMPRESSION, CQL_VERSION, Startup},
};
use sys::SharedRng;
use tokio::sync::broadcast;

use super::{
    clients::Connected,
    door::Behind,
    errors,
    requests::{Carried, Job},
};
use crate::rpc::weight::Scales;

/// The version of the language that clients are told.
const CQL_VERSION_OURS: &str = "3.4.7";

/// What a request changes about its connection.
pub(super) enum Change {
    /// Names without a keyspace are in this one from now on.
    Keyspace(String),
    /// These are told of from now on.
    Events(broadcast::Receiver<Event>),
    /// Everything else comes and goes like this.
    Started(Framing),
    /// Nothing further is read.
    Close,
}

/// A request that was answered.
pub(super) struct Done {
    /// With this.
    pub(super) answer: Answer,
    /// In this version.
    pub(super) version: Version,
    /// And with this effect.
    pub(super) change: Option<Change>,
}

/// What a connection agreed on.
pub(super) struct Session {
    behind: Arc<dyn Behind>,
    rng: SharedRng,
    scales: Scales,
    /// The version of the connection, once STARTUP was answered.
    version: Option<Version>,
    keyspace: Option<Arc<str>>,
    wishes: Register,
    client: Connected,
}

impl Session {
    pub(super) fn new(
        behind: Arc<dyn Behind>,
        rng: SharedRng,
        scales: Scales,
        client: Connected,
    ) -> Session {
        let wishes = Register::default();
        Session { behind, rng, scales, version: None, keyspace: None, wishes, client }
    }

    /// As whoever looks sees it.
    pub(super) fn client(&self) -> &Connected {
        &self.client
    }

    pub(super) fn behind(&self) -> Arc<dyn Behind> {
        Arc::clone(&self.behind)
    }

    /// The version of the connection, once STARTUP was answered.
    pub(super) fn version(&self) -> Option<Version> {
        self.version
    }

    /// The version to tell an event in, if it is to be told.
    pub(super) fn wants(&self, event: &Event) -> Option<Version> {
        self.version.filter(|_| self.wishes.wants(event.kind()))
    }

    /// Names without a keyspace are in this one from now on.
    pub(super) fn use_keyspace(&mut self, keyspace: String) {
        let keyspace: Arc<str> = keyspace.into();
        self.client.uses(Arc::clone(&keyspace));
        self.keyspace = Some(keyspace);
    }

    /// Begins a request: `Ok` where it is answered at once, else the work that it is.
    pub(super) fn begin(
        &mut self,
        header: Header,
        body: Bytes,
    ) -> Result<Done, BoxFuture<'static, Done>> {
        let bytes = body.len() as u64;
        let (version, stream) = (header.version, header.stream);
        let done =
            |response, change| Ok(Done { answer: Answer::new(stream, response), version, change });
        if let Some(agreed) = self.version
            && agreed != version
        {
            let why = format!("this connection speaks version {}", agreed.number());
            return done(protocol(why), Some(Change::Close));
        }
        let request = match Request::read(&header, body) {
            Ok(request) => request,
            Err(Malformed { what }) => return done(protocol(format!("malformed {what}")), None),
        };
        match request {
            Request::Options => done(Response::Supported(supported(self.version)), None),
            Request::Startup(startup) => match self.start(version, &startup) {
                Ok(framing) => done(Response::Ready, Some(Change::Started(framing))),
                Err(why) => done(protocol(why), None),
            },
            _ if self.version.is_none() => {
                done(protocol("STARTUP comes first".to_owned()), Some(Change::Close))
            }
            Request::AuthResponse(_) => {
                done(protocol("no authentication was asked for".to_owned()), None)
            }
            Request::Register(wishes) => {
                self.wishes = self.wishes.and(wishes);
                done(Response::Ready, Some(Change::Events(self.behind.events())))
            }
            Request::Query(_) | Request::Prepare(_) | Request::Execute(_) | Request::Batch(_) => {
                self.run(header, request, bytes)
            }
        }
    }

    fn run(
        &self,
        header: Header,
        request: Request,
        bytes: u64,
    ) -> Result<Done, BoxFuture<'static, Done>> {
        let (version, stream) = (header.version, header.stream);
        let (weight, mut warnings) = match self.scales.put(bytes) {
            Ok(taken) => taken,
            Err(full) => {
                let error = errors::to_wire(full, &errors::Asked::default());
                let answer = Answer::new(stream, Response::Error(error));
                return Ok(Done { answer, version, change: None });
            }
        };
        let job = Job {
            behind: Arc::clone(&self.behind),
            keyspace: self.keyspace.clone(),
            trace: self.rng.next_u64(),
        };
        let done = move |(response, more, change): Carried, trace| {
            drop(weight);
            warnings.extend(more);
            Done { answer: Answer { stream, trace, warnings, response }, version, change }
        };
        if header.flags & FLAG_TRACING != 0 {
            let client = self.client.address();
            return Err(async move {
                let (carried, trace) = job.carry_out_traced(request, client).await;
                done(carried, trace)
            }
            .boxed());
        }
        match job.carry_out(request, move |carried| done(carried, None)) {
            Either::Left(done) => Ok(done.into_inner()),
            Either::Right(later) => Err(later),
        }
    }

    fn start(&mut self, version: Version, startup: &Startup) -> Result<Framing, String> {
        if self.version.is_some() {
            return Err("STARTUP comes once".to_owned());
        }
        let language = startup.options.get(CQL_VERSION);
        let language = language.ok_or_else(|| format!("STARTUP without {CQL_VERSION}"))?;
        let major = language.split('.').next().and_then(|it| it.parse::<u32>().ok());
        if major.is_none_or(|it| it < 3) {
            return Err(format!("CQL version {language} is not spoken, {CQL_VERSION_OURS} is"));
        }
        let compression = match startup.options.get(COMPRESSION) {
            None => None,
            Some(name) if name.is_empty() => None,
            Some(name) => {
                let unknown = || format!("unknown compression {name}");
                Some(Compression::from_name(&name).ok_or_else(unknown)?)
            }
        };
        let framing = match (version, compression) {
            (Version::V4, compression) => Framing::Bare(compression),
            (Version::V5, None) => Framing::Segments(Packing::Plain),
            (Version::V5, Some(Compression::Lz4)) => Framing::Segments(Packing::Lz4),
            (Version::V5, Some(Compression::Snappy)) => {
                return Err("version 5 is compressed with lz4 only".to_owned());
            }
        };
        self.version = Some(version);
        let options: Vec<_> = startup.options.iter().collect();
        let options = options.iter().map(|(key, value)| (&**key, &**value));
        self.client.started(version.number(), options);
        Ok(framing)
    }
}

fn protocol(why: String) -> Response {
    let message = format!("{why} [{}]", Code::Syntax);
    Response::Error(WireError::new(Body::Protocol, message))
}

/// What OPTIONS is answered with.
fn supported(version: Option<Version>) -> Vec<(String, Vec<String>)> {
    let compressions: &[Compression] = match version {
        Some(Version::V5) => &[Compression::Lz4],
        Some(Version::V4) | None => &[Compression::Lz4, Compression::Snappy],
    };
    let versions = [Version::V4, Version::V5];
    let versions = versions.map(|it| format!("{0}/v{0}", it.number()));
    vec![
        (CQL_VERSION.to_owned(), vec![CQL_VERSION_OURS.to_owned()]),
        (COMPRESSION.to_owned(), compressions.iter().map(|it| it.name().to_owned()).collect()),
        ("PROTOCOL_VERSIONS".to_owned(), versions.to_vec()),
    ]
}
