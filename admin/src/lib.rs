//! The HTTP admin API.
//!
//! * [`router`] puts the routes together; `guard` looks at `Host` and `Origin` before anything else
//! * `health`, `topics`, `groups`, `queries`, `sql` have the handlers; `problem` the one form of errors
//! * `listener` accepts connections, and not the last one
//! * `openapi` describes all of it, in the document that `viewer` shows
//!
//! What it is not: it changes nothing by itself. Topics go through a client, as any other program's would.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod groups;
mod guard;
mod health;
mod listener;
mod openapi;
mod problem;
mod queries;
mod sql;
mod topics;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use millstream_broker::Broker;
use millstream_client::Client;
use millstream_processor::Session;

pub use listener::Sparing;

/// The largest request body.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What the handlers work with.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The broker, for what only it can tell.
    pub broker: Arc<Broker>,
    /// The same broker, asked as any client asks.
    pub client: Client,
    /// Tables and queries.
    pub session: Session,
    /// Whether only this machine can connect; then `Host` must name it.
    pub is_loopback: bool,
}

/// All routes.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/api/v1/cluster", get(health::cluster))
        .route("/api/v1/topics", get(topics::list).post(topics::create))
        .route("/api/v1/topics/{topic}", get(topics::describe).delete(topics::delete))
        .route("/api/v1/groups", get(groups::list))
        .route("/api/v1/groups/{group}", get(groups::describe).delete(groups::delete))
        .route("/api/v1/groups/{group}/reset-offsets", post(groups::reset))
        .route("/api/v1/tables", get(queries::tables))
        .route("/api/v1/queries", get(queries::list).post(queries::start))
        .route("/api/v1/queries/{query}", get(queries::describe).delete(queries::delete))
        .route("/api/v1/queries/{query}/progress", get(queries::progress))
        .route("/api/v1/sql", post(sql::execute))
        .route("/api/v1/openapi.json", get(openapi::document))
        .route("/", get(openapi::viewer))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(admin.clone(), guard::check))
        .with_state(admin)
}
