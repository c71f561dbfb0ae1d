//! The HTTP door: `/livez`, `/readyz`, `/metrics`.

use std::{sync::Arc, time::Duration};

use axum::{
    Router, extract::State, http::StatusCode, http::header, response::IntoResponse, routing,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use sys::Listener;

use crate::{metrics::Metrics, rpc::transport};

/// Connections in hand at once; further ones wait in the backlog.
const CONNECTIONS_MAX: usize = 128;

/// How long a connection may take for the head of a request, the time before it begins included: one that says nothing
/// holds a place.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// What the door shows.
pub(crate) trait Behind: Send + Sync + 'static {
    /// `Ok` when the node serves; otherwise why not.
    fn ready(&self) -> Result<(), String>;

    /// The counters.
    fn metrics(&self) -> &Metrics;
}

/// Serves until dropped, `most` connections at once at the most.
pub(crate) async fn serve(mut listener: Box<dyn Listener>, most: usize, behind: Arc<dyn Behind>) {
    let app = Router::new()
        .route("/livez", routing::get(|| async { "ok\n" }))
        .route("/readyz", routing::get(readyz))
        .route("/metrics", routing::get(metrics))
        .with_state(behind);
    let permits = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX.min(most)));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let stream = transport::accept(&mut *listener).await;
        let service = hyper_util::service::TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .keep_alive(true)
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(64 << 10)
                .serve_connection(TokioIo::new(stream), service);
            // A client that breaks off is its own affair.
            drop(connection.await);
            drop(permit);
        });
    }
}

async fn readyz(State(behind): State<Arc<dyn Behind>>) -> impl IntoResponse {
    match behind.ready() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics(State(behind): State<Arc<dyn Behind>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], behind.metrics().text())
}

#[cfg(test)]
mod tests;
