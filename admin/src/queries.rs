//! Tables and streaming queries.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use millstream_processor::{Query, QueryStatus};
use serde_json::{Value, json};

use crate::Admin;
use crate::problem::{Named, Problem};
use crate::sql::Script;

fn shown(query: &Query) -> Value {
    let status = query.status();
    let error = match &status {
        QueryStatus::Failed(error) => Some(error.clone()),
        QueryStatus::Running | QueryStatus::Stopped => None,
    };
    json!({
        "name": query.name(),
        "id": query.id(),
        "runId": query.run_id(),
        "status": status.name(),
        "error": error,
        "sql": query.sql(),
        "reads": query.reads(),
        "topic": query.topic(),
        "lastProgress": query.last_progress(),
    })
}

fn find(admin: &Admin, name: &str) -> Result<Query, Problem> {
    admin.session.query(name).ok_or_else(|| Problem::not_found("query", name))
}

pub(crate) async fn tables(State(admin): State<Admin>) -> Json<Value> {
    let tables: Vec<Value> = admin
        .session
        .tables()
        .iter()
        .map(|table| {
            let columns: Vec<Value> = table.columns.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
            json!({"name": table.name, "topic": table.topic, "columns": columns, "error": table.error})
        })
        .collect();
    Json(json!({ "tables": tables }))
}

pub(crate) async fn list(State(admin): State<Admin>) -> Json<Value> {
    let queries: Vec<Value> = admin.session.queries().iter().map(shown).collect();
    Json(json!({ "queries": queries }))
}

pub(crate) async fn describe(State(admin): State<Admin>, Named(name): Named) -> Result<Json<Value>, Problem> {
    Ok(Json(shown(&find(&admin, &name)?)))
}

/// Starts a query by its CREATE STREAMING TABLE; any other statement is refused.
pub(crate) async fn start(
    State(admin): State<Admin>,
    body: Result<Json<Script>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let sentence = admin.session.start_query(&Script::read(body)?).await?;
    Ok((StatusCode::CREATED, Json(json!({ "message": sentence }))))
}

pub(crate) async fn progress(State(admin): State<Admin>, Named(name): Named) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "progress": find(&admin, &name)?.recent_progress() })))
}

/// Stops the query and forgets its streaming table; the topic stays.
pub(crate) async fn delete(State(admin): State<Admin>, Named(name): Named) -> Result<StatusCode, Problem> {
    find(&admin, &name)?;
    admin.session.execute(&format!("DROP TABLE `{}`", name.replace('`', "``"))).await?;
    Ok(StatusCode::NO_CONTENT)
}
