//! Topics.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Admin;
use crate::problem::{Named, Problem};

/// A topic to be created.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTopic {
    name: String,
    partitions: Option<i32>,
    #[serde(default)]
    configs: BTreeMap<String, String>,
}

pub(crate) async fn list(State(admin): State<Admin>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "topics": admin.client.admin().list_topics().await? })))
}

pub(crate) async fn describe(State(admin): State<Admin>, Named(name): Named) -> Result<Json<Value>, Problem> {
    Ok(Json(json!(admin.client.admin().describe_topic(&name).await?)))
}

pub(crate) async fn create(
    State(admin): State<Admin>,
    body: Result<Json<NewTopic>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Json(new) = body.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "bad_body", error.body_text()))?;
    let configs: Vec<(&str, &str)> = new.configs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    admin.client.admin().create_topic(&new.name, new.partitions.unwrap_or(-1), &configs).await?;
    let described = describe(State(admin), Named(new.name)).await?;
    Ok((StatusCode::CREATED, described))
}

pub(crate) async fn delete(State(admin): State<Admin>, Named(name): Named) -> Result<StatusCode, Problem> {
    admin.client.admin().delete_topic(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
