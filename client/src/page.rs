//! Rows over many pages.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use cql_lite::code::Code;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream, StreamExt as _};

use crate::error::Error;
use crate::outcome::{Outcome, Response};
use crate::request::Request;
use crate::row::{FromRow, Row};

/// The most rows that `all` collects, unless told otherwise: beyond, a stream is meant.
pub(crate) const ROWS_MAX: usize = 10_000;

/// The rows of a statement, page after page. The next page is asked for when the first row of one
/// is taken, so that it is there when the last one is. Ends after the first error.
#[must_use = "a stream does nothing until it is polled"]
pub struct Rows<T> {
    request: Request,
    ready: VecDeque<Row>,
    next: Next,
    target: PhantomData<fn() -> T>,
}

enum Next {
    /// There are no more pages.
    None,
    /// Not asked for yet.
    Later(Bytes),
    /// On its way.
    Coming(BoxFuture<'static, Result<Outcome, Error>>),
    /// Here, or not to be had.
    Here(Result<Outcome, Error>),
}

impl<T> Rows<T> {
    pub(crate) fn new(request: Request) -> Rows<T> {
        let next = Next::Coming(request.clone().into_future());
        Rows { request, ready: VecDeque::new(), next, target: PhantomData }
    }

    /// Moves the next page on: asks for it, and sees whether it came.
    fn prefetch(&mut self, context: &mut Context<'_>) {
        if let Next::Later(state) = &self.next {
            let request = self.request.clone().paging_state(state.clone());
            self.next = Next::Coming(request.into_future());
        }
        if let Next::Coming(page) = &mut self.next
            && let Poll::Ready(page) = page.poll_unpin(context)
        {
            self.next = Next::Here(page);
        }
    }
}

impl<T: FromRow> Stream for Rows<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if matches!(self.next, Next::Later(_)) {
                self.prefetch(context);
            }
            if let Some(row) = self.ready.pop_front() {
                return Poll::Ready(Some(T::from_row(row)));
            }
            self.prefetch(context);
            let page = match std::mem::replace(&mut self.next, Next::None) {
                Next::None => return Poll::Ready(None),
                Next::Here(page) => page,
                unfinished @ (Next::Later(_) | Next::Coming(_)) => {
                    self.next = unfinished;
                    return Poll::Pending;
                }
            };
            match page {
                Err(error) => return Poll::Ready(Some(Err(error))),
                Ok(outcome) => self.accept(outcome),
            }
        }
    }
}

impl<T> Rows<T> {
    fn accept(&mut self, outcome: Outcome) {
        if let Response::Rows { rows, paging_state, .. } = outcome.into_response() {
            self.ready = rows.into();
            if !paging_state.is_empty() {
                self.next = Next::Later(paging_state);
            }
        }
    }
}

/// Every row, but not more than `rows_max`.
pub(crate) async fn collect<T: FromRow>(
    mut rows: Rows<T>,
    rows_max: usize,
) -> Result<Vec<T>, Error> {
    let mut all = Vec::new();
    while let Some(row) = rows.next().await {
        if all.len() == rows_max {
            let message = format!("more than {rows_max} rows, too many to collect");
            return Err(Error::invalid(Code::RowCount, message)
                .with_hint("take them one by one with `stream`, or raise `rows_max`"));
        }
        all.push(row?);
    }
    Ok(all)
}

/// The only row, if there is one.
pub(crate) async fn at_most_one<T: FromRow>(mut rows: Rows<T>) -> Result<Option<T>, Error> {
    let Some(first) = rows.next().await.transpose()? else { return Ok(None) };
    match rows.next().await {
        None => Ok(Some(first)),
        Some(Err(error)) => Err(error),
        Some(Ok(_)) => Err(Error::invalid(Code::RowCount, "expected one row, got more")),
    }
}
