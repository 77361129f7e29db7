//! The seam between client and broker: a typed request in, a typed response out.
//!
//! The broker implements it, a TCP transport implements it over a socket, and a query embedded beside the
//! broker uses the broker's own: there is no second interface to a log.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use crate::api::{ApiKey, Request, Response};
use crate::string::Str;

/// An address that clients connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address; an IPv6 address without brackets.
    pub host: Str,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Endpoint { host, port } = self;
        if host.as_str().contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// A request with what its header said.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The version that the answer will be written in; it also decides defaults and error codes.
    pub version: i16,
    /// What the client calls itself.
    pub client_id: Option<Str>,
    /// The connection that the call came over; 0 for a caller in the same process. State that lives as long
    /// as a connection is kept by this number.
    pub connection: u64,
    /// The address that answers name to connect to; none for a caller in the same process.
    pub endpoint: Option<Endpoint>,
    /// Where it came from; none for a caller in the same process.
    pub peer: Option<IpAddr>,
    /// The request.
    pub request: Request,
}

impl Call {
    /// A call from within the process, at the highest version.
    pub fn local(request: impl Into<Request>) -> Self {
        let request = request.into();
        Call { version: request.api_key().info().max, client_id: None, connection: 0, endpoint: None, peer: None, request }
    }
}

/// The other side is gone: the request may or may not have taken effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnected {
    /// What happened, for people.
    pub reason: String,
}

impl Disconnected {
    /// With a reason.
    pub fn new(reason: impl fmt::Display) -> Self {
        Disconnected { reason: reason.to_string() }
    }
}

impl fmt::Display for Disconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disconnected: {}", self.reason)
    }
}

impl std::error::Error for Disconnected {}

/// An answer on its way.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response, Disconnected>> + Send + 'static>>;

/// Something that answers requests.
pub trait Exchange: Send + Sync + 'static {
    /// Asks. What the request changes, it changes in the order of the calls, whether or not the answer is
    /// awaited; the future only waits for the answer.
    fn exchange(&self, call: Call) -> Answer;

    /// The highest version of an API that both sides know; `None` if the other side lacks it.
    fn version(&self, api: ApiKey) -> Option<i16>;
}
