//! Streaming queries with the semantics of Spark Structured Streaming, over any Kafka-compatible broker.
//!
//! ```text
//! topic → source → micro-batch → operator (+ state) → sink → topic      offset log before, commit log after
//! ```
//!
//! DataFusion parses, plans and runs one batch; what makes it a stream is here. In reading order:
//! * `sql` reads statements, `table` says what a topic's rows are, `format` turns record bytes into rows and back
//! * `plan` splits a query at its aggregate, `operator` is the aggregate over batches, `window` its event-time windows
//! * `source` reads the topic, `sink` writes results, `state` and `checkpoint` are what survives
//! * `micro_batch` is the loop; [`Query`] a running one; [`Session`] keeps tables and queries
//!
//! `containment` keeps a panic of a query from ending the process.
//!
//! What it is not: it never commits group offsets, and it knows no broker: it is given a client.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic and look at files"))]

mod containment;

mod error;

mod limit;

mod names;
mod session;

mod query;

mod sql;

mod table;

mod format;

mod plan;

mod window;

mod operator;

mod output_mode;

mod trigger;

mod watermark;

mod source;

mod micro_batch;

mod state;

mod checkpoint;

mod sink;

pub use arrow::array::RecordBatch;
pub use containment::{Marked, is_contained, outside};
pub use error::QueryError;
pub use query::{Query, QueryStatus, Rows};
pub use session::{Outcome, Session, TableInfo};
pub use sql::bounds::STACK_BYTES;

/// Milliseconds since 1970 as Spark writes times: UTC with milliseconds.
pub fn iso_time(time_ms: i64) -> String {
    micro_batch::iso(time_ms)
}

/// A batch as a table of text, for people.
///
/// # Errors
/// When a value has no text.
pub fn pretty(batches: &[RecordBatch]) -> Result<String, QueryError> {
    containment::contain_now(|| Ok(arrow::util::pretty::pretty_format_batches(batches)?.to_string()))
}

/// Rows as JSON objects, one line each, written as Spark's `to_json` writes them.
///
/// # Errors
/// When a value has no JSON.
pub fn to_json_lines(batch: &RecordBatch) -> Result<Vec<String>, QueryError> {
    containment::contain_now(|| Ok(format::json::encode(batch)?.iter().map(|row| String::from_utf8_lossy(row).into_owned()).collect()))
}
