//! The HTTP door: `/livez`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::{
    Router, extract::State, http::StatusCode, http::header, response::IntoResponse, routing,
};
use hyper_util::rt::TokioIo;
use sys::Listener;

use crate::{metrics::Metrics, rpc::transport::ACCEPT_RETRY};

/// Connections in hand at once; further ones wait in the backlog.
const CONNECTIONS_MAX: usize = 128;

/// What the door shows.
pub(crate) trait Behind: Send + Sync + 'static {
    /// `Ok` when the node serves; otherwise why not.
    fn ready(&self) -> Result<(), String>;

    /// The counters.
    fn metrics(&self) -> &Metrics;
}

/// Serves until dropped.
pub(crate) async fn serve(mut listener: Box<dyn Listener>, behind: Arc<dyn Behind>) {
    let app = Router::new()
        .route("/livez", routing::get(|| async { "ok\n" }))
        .route("/readyz", routing::get(readyz))
        .route("/metrics", routing::get(metrics))
        .with_state(behind);
    let permits = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_RETRY).await;
            continue;
        };
        let service = hyper_util::service::TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .keep_alive(true)
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
