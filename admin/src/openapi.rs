//! The OpenAPI document, made from one table of routes, and a page that shows it without any request elsewhere.

use axum::Json;
use axum::response::Html;
use serde_json::{Map, Value, json};

/// One operation.
pub(crate) struct Operation {
    pub method: &'static str,
    pub path: &'static str,
    pub summary: &'static str,
    pub success: u16,
    pub body: Option<&'static str>,
}

const fn read(path: &'static str, summary: &'static str) -> Operation {
    Operation { method: "get", path, summary, success: 200, body: None }
}

/// Everything that is routed.
pub(crate) const OPERATIONS: &[Operation] = &[
    read("/livez", "Whether the process is alive."),
    read("/readyz", "Whether it serves and acknowledges; 503 once a disk has failed."),
    read("/metrics", "Counters and gauges in Prometheus's text format."),
    read("/api/v1/cluster", "The cluster's id and how much it holds."),
    read("/api/v1/topics", "All topics with partitions, records and bytes."),
    Operation {
        method: "post",
        path: "/api/v1/topics",
        summary: "Creates a topic.",
        success: 201,
        body: Some(r#"{"name": "orders", "partitions": 3, "configs": {"retention.ms": "86400000"}}"#),
    },
    read("/api/v1/topics/{topic}", "A topic with its offsets and properties."),
    Operation {
        method: "delete",
        path: "/api/v1/topics/{topic}",
        summary: "Deletes a topic with all its records.",
        success: 204,
        body: None,
    },
    read("/api/v1/groups", "All groups with members and lag."),
    read("/api/v1/groups/{group}", "A group with its members, committed offsets and lag."),
    Operation {
        method: "delete",
        path: "/api/v1/groups/{group}",
        summary: "Deletes a group that has no members, and its offsets.",
        success: 204,
        body: None,
    },
    Operation {
        method: "post",
        path: "/api/v1/groups/{group}/reset-offsets",
        summary: "Moves the offsets of a group that has no members: to beginning or end, an offset, a timestamp_ms or ago_ms. Without dry_run false it says what would be moved.",
        success: 200,
        body: Some(r#"{"topics": ["orders"], "to": "beginning", "dry_run": true}"#),
    },
    read("/api/v1/tables", "Declared tables and their columns."),
    read("/api/v1/queries", "Streaming queries with their newest progress."),
    Operation {
        method: "post",
        path: "/api/v1/queries",
        summary: "Starts a streaming table's query.",
        success: 201,
        body: Some(r#"{"sql": "CREATE STREAMING TABLE per_part AS SELECT part, count(*) AS n FROM STREAM orders GROUP BY part"}"#),
    },
    read("/api/v1/queries/{query}", "A query; lastProgress is Spark's StreamingQueryProgress."),
    Operation {
        method: "delete",
        path: "/api/v1/queries/{query}",
        summary: "Stops a query and drops its streaming table; the topic stays.",
        success: 204,
        body: None,
    },
    read("/api/v1/queries/{query}/progress", "The last 100 progress reports, oldest first."),
    Operation {
        method: "post",
        path: "/api/v1/sql",
        summary: "Runs statements. The rows of a stream come as lines of JSON until the client hangs up.",
        success: 200,
        body: Some(r#"{"sql": "SELECT count(*) FROM orders"}"#),
    },
    read("/api/v1/openapi.json", "This document."),
];

pub(crate) async fn document() -> Json<Value> {
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let parameters: Vec<Value> = operation
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        let mut described = json!({
            "summary": operation.summary,
            "parameters": parameters,
            "responses": {
                operation.success.to_string(): {"description": "Success."},
                "default": {"description": "A problem.", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}},
            },
        });
        if let Some(example) = operation.body.and_then(|example| serde_json::from_str::<Value>(example).ok()) {
            described["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": {"type": "object"}, "example": example}}});
        }
        paths.entry(operation.path).or_insert_with(|| json!({}))[operation.method] = described;
    }
    let text = json!({"type": "string"});
    Json(json!({
        "openapi": "3.1.0",
        "info": {"title": "Millstream", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {"schemas": {"Problem": {
            "type": "object",
            "properties": {"type": text, "title": text, "status": {"type": "integer"}, "code": text, "detail": text},
        }}},
    }))
}

pub(crate) async fn viewer() -> Html<&'static str> {
    Html(include_str!("viewer.html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_routed_and_every_route_described() {
        let source = include_str!("lib.rs");
        for operation in OPERATIONS {
            let route = source.lines().find(|line| line.contains(&format!("\"{}\"", operation.path)));
            assert!(route.is_some_and(|line| line.contains(operation.method)), "{} {}", operation.method, operation.path);
        }
        let routed = source.matches(".route(\"").count() - 1;
        let mut described: Vec<_> = OPERATIONS.iter().map(|operation| operation.path).collect();
        described.sort_unstable();
        described.dedup();
        assert_eq!(described.len(), routed, "all but the page itself");
    }
}
