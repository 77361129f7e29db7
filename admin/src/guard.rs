//! The first look at every request: a web page elsewhere must not reach this server through its visitor's browser.
//!
//! While only this machine can connect, `Host` must name it (which stops DNS rebinding), and a request that changes
//! something and comes from a page must come from a page of this server.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::Admin;
use crate::problem::Problem;

pub(crate) async fn check(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let host = text(request.headers(), header::HOST);
    if admin.is_loopback && !host.is_some_and(is_this_machine) {
        let detail = "the Host header does not name this machine: connect to 127.0.0.1 or localhost";
        return Problem::new(StatusCode::MISDIRECTED_REQUEST, "wrong_host", detail).into_response();
    }
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD);
    let origin = text(request.headers(), header::ORIGIN);
    let is_own_page = |origin: &str| origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
    if is_change && origin.is_some_and(|origin| !is_own_page(origin)) {
        let detail = "a page of another origin must not change anything here";
        return Problem::new(StatusCode::FORBIDDEN, "wrong_origin", detail).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, header::HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    response
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    matches!(name, "localhost" | "127.0.0.1" | "::1")
}

#[cfg(test)]
mod tests {
    use super::is_this_machine;

    #[test]
    fn only_names_of_this_machine_pass() {
        for host in ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil:80", "[::2]:80"] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
