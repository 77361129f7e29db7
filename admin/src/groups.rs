//! Groups: members, lag, moving offsets, deleting.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use millstream_client::Start;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Admin;
use crate::problem::{Named, Problem};

pub(crate) async fn list(State(admin): State<Admin>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "groups": admin.client.admin().list_groups().await? })))
}

pub(crate) async fn describe(State(admin): State<Admin>, Named(group): Named) -> Result<Json<Value>, Problem> {
    Ok(Json(json!(admin.client.admin().describe_group(&group).await?)))
}

pub(crate) async fn delete(State(admin): State<Admin>, Named(group): Named) -> Result<StatusCode, Problem> {
    admin.client.admin().delete_group(&group).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where offsets are to be moved; exactly one of the places.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reset {
    /// None: all in which the group has offsets.
    topics: Option<Vec<String>>,
    /// "beginning" or "end".
    to: Option<String>,
    offset: Option<i64>,
    timestamp_ms: Option<i64>,
    /// So long before now.
    ago_ms: Option<i64>,
    /// Say what would be moved, and move nothing. It is the default.
    dry_run: Option<bool>,
}

impl Reset {
    fn start(&self, now_ms: i64) -> Result<Start, Problem> {
        for (name, value) in [("offset", self.offset), ("timestamp_ms", self.timestamp_ms), ("ago_ms", self.ago_ms)] {
            if let Some(below) = value.filter(|value| *value < 0) {
                return Err(bad(format!("{name} is {below}, and must not be below 0")));
            }
        }
        let places = [
            match self.to.as_deref() {
                None => None,
                Some("beginning" | "earliest") => Some(Start::Beginning),
                Some("end" | "latest") => Some(Start::End),
                Some(other) => return Err(bad(format!("to is beginning or end, not {other}"))),
            },
            self.offset.map(Start::Offset),
            self.timestamp_ms.map(Start::Time),
            self.ago_ms.map(|ago_ms| Start::Time(now_ms.saturating_sub(ago_ms).max(0))),
        ];
        match places.into_iter().flatten().collect::<Vec<_>>()[..] {
            [start] => Ok(start),
            _ => Err(bad("give exactly one of to, offset, timestamp_ms and ago_ms")),
        }
    }
}

fn bad(sentence: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_body", sentence)
}

pub(crate) async fn reset(
    State(admin): State<Admin>,
    Named(group): Named,
    body: Result<Json<Reset>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(reset) = body.map_err(|error| bad(error.body_text()))?;
    let start = reset.start(admin.broker.now_ms())?;
    let admin = admin.client.admin();
    if reset.topics.as_ref().is_some_and(Vec::is_empty) {
        return Err(bad("topics is empty: name some, or leave it out for all in which the group has offsets"));
    }
    let plan = admin.plan_reset(&group, &reset.topics.unwrap_or_default(), start).await?;
    let is_done = reset.dry_run == Some(false);
    if is_done {
        admin.reset_offsets(&group, &plan).await?;
    }
    Ok(Json(json!({"group": group, "is_done": is_done, "offsets": plan})))
}
