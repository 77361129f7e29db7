//! Is it alive, is it ready, what has it counted.

use std::fmt::Write;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use millstream_processor::QueryStatus;
use serde_json::{Value, json};

use crate::Admin;
use crate::problem::Problem;

pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// A broker is ready while it acknowledges: one whose disk failed is not.
pub(crate) async fn ready(State(admin): State<Admin>) -> Result<&'static str, Problem> {
    match &*admin.broker.failure().borrow() {
        None => Ok("ok\n"),
        Some(failure) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "storage_failed", failure.clone())),
    }
}

pub(crate) async fn cluster(State(admin): State<Admin>) -> Json<Value> {
    let totals = admin.broker.totals();
    Json(json!({
        "cluster_id": admin.broker.cluster_id(),
        "node_id": admin.broker.node_id(),
        "version": env!("CARGO_PKG_VERSION"),
        "topics": totals.topics,
        "partitions": totals.partitions,
        "segments": totals.segments,
        "log_bytes": totals.log_bytes,
        "groups": totals.groups,
        "group_members": totals.group_members,
        "transactional_ids": totals.transactional_ids,
        "open_transactions": totals.open_transactions,
    }))
}

pub(crate) async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    let mut text = String::new();
    admin.broker.metrics().render(&mut text);
    let totals = admin.broker.totals();
    let mut gauge = |name: &str, help: &str, value: u64| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    };
    gauge("millstream_topics", "Topics.", totals.topics);
    gauge("millstream_partitions", "Partitions of all topics.", totals.partitions);
    gauge("millstream_segments", "Segments of all partitions.", totals.segments);
    gauge("millstream_log_bytes", "Bytes of batches on disk.", totals.log_bytes);
    gauge("millstream_groups", "Groups.", totals.groups);
    gauge("millstream_group_members", "Members of all groups.", totals.group_members);
    gauge("millstream_transactional_ids", "Transactional ids.", totals.transactional_ids);
    gauge("millstream_open_transactions", "Transactions that have not come to their end.", totals.open_transactions);
    gauge("millstream_share_available_records", "Records that came back to share groups and wait for a member.", totals.share_available);
    gauge("millstream_share_acquired_records", "Records that members of share groups hold.", totals.share_acquired);
    gauge(
        "millstream_share_waiting_dead_letters",
        "Records given up whose dead letters are still to be written.",
        totals.share_dead_letters,
    );
    gauge("millstream_tail_bytes", "Bytes of the newest batches in memory.", admin.broker.tail_bytes() as u64);
    let queries = admin.session.queries();
    let running = queries.iter().filter(|query| query.status() == QueryStatus::Running).count();
    gauge("millstream_queries_running", "Streaming queries that run.", running as u64);
    gauge(
        "millstream_queries_failed",
        "Streaming queries that failed.",
        queries.iter().filter(|q| matches!(q.status(), QueryStatus::Failed(_))).count() as u64,
    );
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
