//! Errors as RFC 9457 problem details, with a stable `code`.

use axum::Json;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use millstream_client::{ErrorCode, ErrorKind};
use millstream_processor::QueryError;
use serde_json::json;

/// What a route's path names.
#[derive(Debug)]
pub(crate) struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = Path::<String>::from_request_parts(parts, state).await;
        found.map(|Path(name)| Named(name)).map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "bad_path", error.body_text()))
    }
}

/// A failure of a request.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: String,
    detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Problem { status, code: code.to_owned(), detail: detail.into() }
    }

    pub(crate) fn not_found(what: &str, name: &str) -> Self {
        Problem::new(StatusCode::NOT_FOUND, &format!("{what}_not_found"), format!("there is no {what} {name}"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        (self.status, [(header::CONTENT_TYPE, "application/problem+json")], Json(body).0.to_string()).into_response()
    }
}

impl From<millstream_client::Error> for Problem {
    fn from(error: millstream_client::Error) -> Self {
        let (status, code) = match error.kind() {
            ErrorKind::Refused(code) => (
                match *code {
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID | ErrorCode::GROUP_ID_NOT_FOUND => {
                        StatusCode::NOT_FOUND
                    }
                    ErrorCode::TOPIC_ALREADY_EXISTS | ErrorCode::NON_EMPTY_GROUP | ErrorCode::UNKNOWN_MEMBER_ID => StatusCode::CONFLICT,
                    ErrorCode::KAFKA_STORAGE_ERROR => StatusCode::INSUFFICIENT_STORAGE,
                    _ => StatusCode::BAD_REQUEST,
                },
                code.name().to_lowercase(),
            ),
            ErrorKind::InvalidInput => (StatusCode::BAD_REQUEST, "invalid_input".to_owned()),
            ErrorKind::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "timed_out".to_owned()),
            _ => (StatusCode::BAD_GATEWAY, "broker_unavailable".to_owned()),
        };
        Problem { status, code, detail: error.to_string() }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let (status, code) = match error {
            QueryError::Client(error) => return error.into(),
            QueryError::Parse(_) => (StatusCode::BAD_REQUEST, "parse_error"),
            QueryError::Analysis(_) | QueryError::Plan(_) => (StatusCode::BAD_REQUEST, "analysis_error"),
            QueryError::Execution { .. } | QueryError::Panic(_) => (StatusCode::INTERNAL_SERVER_ERROR, "execution_failed"),
            QueryError::Checkpoint { .. } => (StatusCode::CONFLICT, "checkpoint_unusable"),
            QueryError::DataLoss(_) => (StatusCode::CONFLICT, "data_loss"),
        };
        Problem::new(status, code, error.to_string())
    }
}

pub(crate) async fn no_such_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_route", "there is nothing here; / lists what there is")
}

pub(crate) async fn no_such_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this route has no such method; / lists what there is")
}
