//! Requests that go to `query`: what they ask in its words.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use coordinator::replica::{Answering, answered, at_once};
use cql_lite::{ast::BatchKind, code::Code};
use futures_util::{FutureExt as _, future::Either};
use model::Consistency;
use proto::cql::{
    batch::{self, Batch},
    error::WriteKind,
    execute::Execute,
    params::Params,
    prepare::Prepare,
    primitive::Value,
    query::Query,
    request::Request,
    response::Response,
};
use query::{BatchRequest, Bound, Error, Outcome, PreparedId, Reply, Request as Statement, Source};

use super::{
    answers::{self, Shown},
    door::Behind,
    errors::{self, Asked},
    session::Change,
    traced,
};
use crate::{metrics::Kind, rpc::client_door::Observed};

/// One request to carry out.
pub(super) struct Job {
    /// The node.
    pub(super) behind: Arc<dyn Behind>,
    /// The connection's keyspace.
    pub(super) keyspace: Option<Arc<str>>,
    /// Names the request in the logs.
    pub(super) trace: u64,
}

/// A statement that is carried out.
type Replying = Answering<Result<Reply, Error>>;

/// The answer, what the user should know, and what it changes about the connection.
pub(super) type Carried = (Response, Vec<String>, Option<Change>);

impl Job {
    /// Carries it out, and makes of the answer what `then` says.
    pub(super) fn carry_out<T: Send + 'static>(
        self,
        request: Request,
        then: impl FnOnce(Carried) -> T + Send + 'static,
    ) -> Answering<T> {
        let begun = self.behind.monotonic();
        let asked = asked(&request);
        let shown = shown(&request);
        let answering = match request {
            Request::Prepare(prepare) => {
                let carried = match self.prepare(&prepare) {
                    Ok(prepared) => (answers::prepared(&prepared), Vec::new(), None),
                    Err(error) => self.failed(error, &asked, begun),
                };
                return at_once(then(carried));
            }
            Request::Query(query) => self.query(query),
            Request::Execute(execute) => self.execute(execute),
            Request::Batch(batch) => self.batch(batch),
            // The session answers them itself.
            Request::Startup(_)
            | Request::Options
            | Request::AuthResponse(_)
            | Request::Register(_) => Err(Error::new(Code::Internal, "not a statement")),
        };
        let answering = answering.unwrap_or_else(|error| at_once(Err(error)));
        answered(answering, move |reply| then(self.carried(reply, &asked, &shown, begun)))
    }

    /// The same, with what its trace is found by, where it could be traced.
    pub(super) async fn carry_out_traced(
        self,
        request: Request,
        client: SocketAddr,
    ) -> (Carried, Option<[u8; 16]>) {
        let Ok(executor) = self.behind.executor() else {
            return (self.carry_out(request, |carried| carried).await, None);
        };
        let about = traced::about(&request, client, &executor);
        let open = executor.open_session(self.trace, about);
        let carried = self.carry_out(request, |carried| carried).await;
        (carried, open.map(|it| executor.keep_session(it).into_bytes()))
    }

    fn carried(
        &self,
        reply: Result<Reply, Error>,
        asked: &Asked,
        shown: &Shown,
        begun: Duration,
    ) -> Carried {
        let Reply { outcome, warnings } = match reply {
            Ok(reply) => reply,
            Err(error) => return self.failed(error, asked, begun),
        };
        self.observe(Kind::of(&outcome), asked, begun, None);
        let change = match &outcome {
            Outcome::SetKeyspace(keyspace) => Some(Change::Keyspace(keyspace.clone())),
            Outcome::Void
            | Outcome::Rows(_)
            | Outcome::SchemaChange { .. }
            | Outcome::Description(_) => None,
        };
        (Response::Result(answers::outcome(outcome, shown)), warnings, change)
    }

    fn failed(&self, error: Error, asked: &Asked, begun: Duration) -> Carried {
        self.observe(Kind::of_failed(&error), asked, begun, Some(&error));
        (Response::Error(errors::to_wire(error, asked)), Vec::new(), None)
    }

    fn observe(&self, kind: Kind, asked: &Asked, begun: Duration, error: Option<&Error>) {
        let took = self.behind.monotonic().saturating_sub(begun);
        let consistency = Consistency::from_code(asked.consistency);
        self.behind.observe(&Observed { kind, consistency, took, trace: self.trace }, error);
    }

    fn prepare(&self, prepare: &Prepare) -> Result<Arc<query::Prepared>, Error> {
        let keyspace = prepare.keyspace.as_deref().or(self.keyspace.as_deref());
        let prepared = self.behind.executor()?.prepare(&prepare.text, keyspace)?;
        self.behind.prepared(&prepared, keyspace, &prepare.text);
        Ok(prepared)
    }

    fn query(&self, query: Query) -> Result<Replying, Error> {
        let Query { text, params } = query;
        self.statement(Source::Text(text.to_string()), params)
    }

    fn execute(&self, execute: Execute) -> Result<Replying, Error> {
        let Execute { id, params, .. } = execute;
        self.statement(prepared_id(&id)?, params)
    }

    fn statement(&self, source: Source, params: Params) -> Result<Replying, Error> {
        let executor = self.behind.executor()?;
        let page_rows = params.page_size.and_then(|it| u32::try_from(it).ok()).filter(|it| 0 < *it);
        let names = params.values.are_named().then(|| {
            params.values.iter().filter_map(|(name, _)| name).map(|it| it.to_string()).collect()
        });
        let statement = Statement {
            source,
            keyspace: self.keyspace(&params),
            values: params.values.iter().map(|(_, value)| bound(value)).collect(),
            names,
            consistency: consistency(params.consistency)?,
            page_rows,
            paging_state: params.paging_state,
            whole: page_rows.is_none(),
            timestamp: params.timestamp,
            now_seconds: params.now_in_seconds.map(i64::from),
            timeout: None,
            trace: self.trace,
        };
        Ok(executor.execute(statement))
    }

    fn batch(&self, batch: Batch) -> Result<Replying, Error> {
        let executor = self.behind.executor()?;
        let mut statements = Vec::new();
        for statement in batch.statements() {
            let source = match statement.source {
                batch::Source::Text(text) => Source::Text(text.to_string()),
                batch::Source::Prepared(id) => prepared_id(&id)?,
            };
            let values = statement.values.iter().map(|(_, value)| bound(value)).collect();
            statements.push((source, values));
        }
        let params = &batch.params;
        let request = BatchRequest {
            statements,
            kind: match batch.kind {
                batch::Kind::Logged => BatchKind::Logged,
                batch::Kind::Unlogged => BatchKind::Unlogged,
                batch::Kind::Counter => BatchKind::Counter,
            },
            keyspace: self.keyspace(params),
            consistency: consistency(params.consistency)?,
            timestamp: params.timestamp,
            now_seconds: params.now_in_seconds.map(i64::from),
            timeout: None,
            trace: self.trace,
        };
        Ok(Either::Right(async move { executor.execute_batch(request).await }.boxed()))
    }

    fn keyspace(&self, params: &Params) -> Option<Arc<str>> {
        params.keyspace.as_deref().map(Into::into).or_else(|| self.keyspace.clone())
    }
}

/// What an error needs to know of the request.
fn asked(request: &Request) -> Asked {
    match request {
        Request::Query(query) => Asked {
            text: Some(query.text.clone()),
            consistency: query.params.consistency,
            ..Asked::default()
        },
        Request::Prepare(prepare) => Asked { text: Some(prepare.text.clone()), ..Asked::default() },
        Request::Execute(execute) => Asked {
            id: Some(execute.id.clone()),
            consistency: execute.params.consistency,
            ..Asked::default()
        },
        Request::Batch(batch) => Asked {
            consistency: batch.params.consistency,
            write: match batch.kind {
                batch::Kind::Logged => WriteKind::Batch,
                batch::Kind::Unlogged => WriteKind::UnloggedBatch,
                batch::Kind::Counter => WriteKind::Counter,
            },
            ..Asked::default()
        },
        Request::Startup(_)
        | Request::Options
        | Request::AuthResponse(_)
        | Request::Register(_) => Asked::default(),
    }
}

/// What the client knows of the columns of its rows. In version 4 a client that skips them cannot
/// be told that they changed: there they are told each time.
fn shown(request: &Request) -> Shown {
    match request {
        Request::Execute(Execute { result_metadata_id: Some(id), params, .. }) => {
            Shown::Known { id: id.clone(), skip: params.skip_metadata }
        }
        Request::Execute(_)
        | Request::Query(_)
        | Request::Prepare(_)
        | Request::Batch(_)
        | Request::Startup(_)
        | Request::Options
        | Request::AuthResponse(_)
        | Request::Register(_) => Shown::Nothing,
    }
}

fn prepared_id(id: &Bytes) -> Result<Source, Error> {
    let id = <[u8; 16]>::try_from(&id[..]).map_err(|_| {
        let message = "no statement is prepared under an id of this length";
        Error::new(Code::Unprepared, message)
    })?;
    Ok(Source::Prepared(PreparedId(id)))
}

fn consistency(number: u16) -> Result<Consistency, Error> {
    Consistency::from_code(number).ok_or_else(|| {
        let message = format!("no consistency level has number {number}");
        Error::new(Code::BadBind, message)
    })
}

fn bound(value: Value) -> Bound {
    match value {
        Value::Null => Bound::Null,
        Value::Unset => Bound::Unset,
        Value::Bytes(bytes) => Bound::Value(bytes),
    }
}
