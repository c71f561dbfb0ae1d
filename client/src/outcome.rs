//! What a statement came to.

use std::sync::Arc;

use bytes::Bytes;
use proto::client as wire;
use wire::server_answer;

use crate::error::Error;
use crate::row::{Column, Page, Row};
use crate::trace::Trace;

/// What a statement came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    response: Response,
    warnings: Vec<String>,
    node: String,
    trace: Option<Box<Trace>>,
}

/// The kinds of outcome.
#[derive(Clone, Debug)]
pub enum Response {
    /// Done; there is nothing to tell.
    Done,
    /// Rows, of which this is one page.
    Rows {
        /// The columns, even where there are no rows.
        columns: Vec<Column>,
        /// The rows of this page.
        rows: Vec<Row>,
        /// What to continue with; empty if this is the last page.
        paging_state: Bytes,
    },
    /// The session uses another keyspace now.
    SetKeyspace(String),
    /// The schema changed.
    SchemaChange {
        /// `CREATED`, `UPDATED` or `DROPPED`.
        change: String,
        /// `KEYSPACE` or `TABLE`.
        target: String,
        /// The keyspace.
        keyspace: String,
        /// The table; empty for a keyspace.
        name: String,
    },
    /// Text, for people or for being executed again.
    Text(String),
}

impl Outcome {
    pub(crate) fn read(answer: wire::ServerAnswer, node: String) -> Result<Outcome, Error> {
        let response = match answer.body {
            Some(server_answer::Body::Void(_)) => Response::Done,
            Some(server_answer::Body::Rows(wire)) => {
                let paging_state = wire.paging_state.clone();
                let page = Arc::new(Page::read(wire)?);
                let rows = (0..page.row_count()).map(|at| Row::new(Arc::clone(&page), at));
                Response::Rows { columns: page.columns.clone(), rows: rows.collect(), paging_state }
            }
            Some(server_answer::Body::SetKeyspace(set)) => Response::SetKeyspace(set.keyspace),
            Some(server_answer::Body::SchemaChange(change)) => Response::SchemaChange {
                change: change.change,
                target: change.target,
                keyspace: change.keyspace,
                name: change.name,
            },
            Some(server_answer::Body::Text(text)) => Response::Text(text.text),
            Some(server_answer::Body::Prepared(_) | server_answer::Body::Error(_)) | None => {
                return Err(Error::malformed("not what was asked for"));
            }
        };
        Ok(Outcome { response, warnings: answer.warnings, node, trace: None })
    }

    pub(crate) fn with_trace(self, trace: Option<Trace>) -> Outcome {
        Outcome { trace: trace.map(Box::new), ..self }
    }

    /// What it was.
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// What it was, to take apart.
    pub fn into_response(self) -> Response {
        self.response
    }

    /// The columns; none where the outcome is not rows.
    pub fn columns(&self) -> &[Column] {
        match &self.response {
            Response::Rows { columns, .. } => columns,
            Response::Done
            | Response::SetKeyspace(_)
            | Response::SchemaChange { .. }
            | Response::Text(_) => &[],
        }
    }

    /// The rows of this page; none where the outcome is not rows.
    pub fn rows(&self) -> &[Row] {
        match &self.response {
            Response::Rows { rows, .. } => rows,
            Response::Done
            | Response::SetKeyspace(_)
            | Response::SchemaChange { .. }
            | Response::Text(_) => &[],
        }
    }

    /// What to continue with; none if this is all.
    pub fn paging_state(&self) -> Option<&Bytes> {
        match &self.response {
            Response::Rows { paging_state, .. } => Some(paging_state).filter(|it| !it.is_empty()),
            Response::Done
            | Response::SetKeyspace(_)
            | Response::SchemaChange { .. }
            | Response::Text(_) => None,
        }
    }

    /// The text of a `DESCRIBE`.
    pub fn text(&self) -> Option<&str> {
        match &self.response {
            Response::Text(text) => Some(text),
            Response::Done
            | Response::Rows { .. }
            | Response::SetKeyspace(_)
            | Response::SchemaChange { .. } => None,
        }
    }

    /// What the node thinks worth knowing.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What was done for it; none where it was not to be [traced](crate::Request::traced), or
    /// the node traced as many requests already as it can.
    pub fn trace(&self) -> Option<&Trace> {
        self.trace.as_deref()
    }

    /// The address of the node that coordinated.
    pub fn node(&self) -> &str {
        &self.node
    }
}
