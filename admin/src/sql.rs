//! Statements. What a SELECT of the present finds comes as one JSON document; the rows of a stream come as lines of JSON
//! until the client hangs up, which stops the query.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use millstream_processor::{Outcome, Query, QueryError, QueryStatus, RecordBatch, Rows, to_json_lines};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::Admin;
use crate::problem::Problem;

/// A script.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    sql: String,
}

impl Script {
    /// The text of a body.
    pub(crate) fn read(body: Result<Json<Script>, JsonRejection>) -> Result<String, Problem> {
        body.map(|Json(script)| script.sql).map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "bad_body", error.body_text()))
    }
}

pub(crate) async fn execute(State(admin): State<Admin>, body: Result<Json<Script>, JsonRejection>) -> Result<Response, Problem> {
    match admin.session.execute(&Script::read(body)?).await? {
        Outcome::Done(message) => Ok(Json(json!({ "message": message })).into_response()),
        Outcome::Rows(batches) => Ok(Json(document(&batches)?).into_response()),
        Outcome::Stream(query, rows) => Ok(stream(query, rows)),
    }
}

fn document(batches: &[RecordBatch]) -> Result<Value, QueryError> {
    let columns: Vec<Value> = batches
        .first()
        .map(|batch| {
            batch.schema().fields().iter().map(|field| json!({"name": field.name(), "type": field.data_type().to_string()})).collect()
        })
        .unwrap_or_default();
    let mut rows = Vec::new();
    for batch in batches {
        rows.extend(to_json_lines(batch)?.iter().map(|line| serde_json::from_str::<Value>(line).unwrap_or(Value::Null)));
    }
    Ok(json!({ "columns": columns, "rows": rows }))
}

/// Stops the query when the response is dropped.
struct StopOnDrop(Query);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        let query = self.0.clone();
        tokio::spawn(async move { query.stop().await });
    }
}

fn stream(query: Query, rows: mpsc::Receiver<Rows>) -> Response {
    let state = (StopOnDrop(query), rows, false);
    let lines = futures::stream::unfold(state, |(query, mut rows, has_ended)| async move {
        if has_ended {
            return None;
        }
        let (text, has_ended) = match rows.recv().await {
            Some(rows) => {
                let lines: Result<Vec<String>, QueryError> =
                    rows.batches.iter().map(to_json_lines).collect::<Result<Vec<_>, _>>().map(|all| all.concat());
                match lines {
                    Ok(lines) => (lines.iter().map(|line| format!("{line}\n")).collect(), false),
                    Err(error) => (format!("{}\n", json!({ "error": error.to_string() })), true),
                }
            }
            None => match query.0.ended().await {
                QueryStatus::Failed(error) => (format!("{}\n", json!({ "error": error })), true),
                QueryStatus::Running | QueryStatus::Stopped => return None,
            },
        };
        Some((Ok::<Bytes, std::convert::Infallible>(Bytes::from(text)), (query, rows, has_ended)))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}
