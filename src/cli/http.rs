//! Asking the admin API of a running server.

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::failure::Failure;

/// Which server to ask.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerUrl {
    /// The admin API of the server.
    #[arg(long, env = "MILLSTREAM_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub server: String,
}

/// The port of a URL that names none.
const HTTP_PORT: u16 = 80;

/// A name as a part of a path.
pub(crate) fn path_segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

impl ServerUrl {
    /// Host and port of the URL.
    fn authority(&self) -> Result<String, Failure> {
        let wrong = |why: &str| Failure::usage(format!("--server {}: {why}; write http://HOST:PORT", self.server));
        let rest = match self.server.split_once("://") {
            Some(("http", rest)) => rest,
            Some(("https", _)) => return Err(wrong("the admin API has no encryption yet")),
            Some((scheme, _)) => return Err(wrong(&format!("{scheme} is not spoken here"))),
            None => &self.server,
        };
        let authority = rest.trim_end_matches('/');
        if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
            return Err(wrong("that is no address of a server"));
        }
        let names_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        Ok(if names_port { authority.to_owned() } else { format!("{authority}:{HTTP_PORT}") })
    }

    /// Sends a request; an answer that is a problem is the failure that it describes.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Result<Response<Incoming>, Failure> {
        let authority = self.authority()?;
        let unreachable = |error: &dyn std::fmt::Display| {
            Failure::other(format!("cannot reach {}: {error}; is 'millstream serve' running there?", self.server))
        };
        let stream = TcpStream::connect(&authority).await.map_err(|error| unreachable(&error))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
        tokio::spawn(connection);
        let content = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &authority)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_url_is_understood_or_refused_with_a_reason() {
        let authority = |server: &str| ServerUrl { server: server.into() }.authority().map_err(|failure| failure.to_string());
        for (server, expected) in
            [("http://h:1", "h:1"), ("h:1", "h:1"), ("http://h:1/", "h:1"), ("http://h", "h:80"), ("http://[::1]:8080", "[::1]:8080")]
        {
            assert_eq!(authority(server).as_deref(), Ok(expected));
        }
        assert!(authority("https://h:1").unwrap_err().contains("no encryption"));
        for server in ["", "http://", "ftp://h", "http://h:1/api", "http://user@h:1"] {
            assert!(authority(server).is_err(), "{server}");
        }
    }

    #[test]
    fn a_name_is_one_segment_whatever_it_has() {
        assert_eq!(path_segment("a b/ä?.-"), "a%20b%2F%C3%A4%3F.-");
    }
}
