//! Asking the admin API of a running server.

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::Failure;

/// Which server to ask.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerUrl {
    /// The admin API of the server.
    #[arg(long, env = "MILLSTREAM_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub server: String,
}

impl ServerUrl {
    /// Sends a request; an answer that is a problem is the failure that it describes.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Result<Response<Incoming>, Failure> {
        let authority = self.server.strip_prefix("http://").unwrap_or(&self.server).trim_end_matches('/');
        let unreachable = |error: &dyn std::fmt::Display| {
            Failure::other(format!("cannot reach {}: {error}; is 'millstream serve' running there?", self.server))
        };
        let stream = TcpStream::connect(authority).await.map_err(|error| unreachable(&error))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
        tokio::spawn(connection);
        let content = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", authority)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(content)))
            .map_err(|error| Failure::usage(format!("{path}: {error}")))?;
        let response = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let problem = document(response).await.unwrap_or(Value::Null);
        let detail = problem["detail"].as_str().unwrap_or(status.canonical_reason().unwrap_or("the server refused")).to_owned();
        Err(match status {
            StatusCode::NOT_FOUND => Failure::not_found(detail),
            StatusCode::BAD_REQUEST => Failure::usage(detail),
            StatusCode::CONFLICT => Failure::conflict(detail),
            StatusCode::GATEWAY_TIMEOUT => Failure::timed_out(detail),
            _ => Failure::other(detail),
        })
    }

    /// Sends a request and reads the document that answers it.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, Failure> {
        document(self.send(method, path, body).await?).await
    }
}

/// Reads an answer to its end.
pub(crate) async fn document(response: Response<Incoming>) -> Result<Value, Failure> {
    let body = response.into_body().collect().await.map_err(|error| Failure::other(format!("the answer was cut off: {error}")))?;
    let bytes = body.to_bytes();
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes).map_err(|error| Failure::other(format!("the answer is no JSON: {error}")))
}
