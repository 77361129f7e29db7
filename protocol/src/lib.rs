//! The wire: bytes ↔ typed requests, responses and record batches, as Apache Kafka 4.1/4.2 speaks it.
//!
//! What this crate is not: it performs no I/O, spawns nothing and knows no runtime. Decoding any
//! bytes cannot panic, and allocates no more than a small multiple of what arrived.
//!
//! In reading order:
//! * [`limit`]: the sizes that everything here is bounded by
//! * [`frame`]: a length-prefixed body, split off a buffer
//! * [`string`], [`id`]: text and topic ids that share the frame's bytes
//! * [`decode`], [`encode`]: the two cursors; [`wire`]: the trait and the macro that declare a message
//! * [`message`]: one file per API, request above, response below
//! * [`api`]: the one table of APIs, and the enums of all requests and responses
//! * [`header`]: request and response headers
//! * [`error_code`]: the closed table of error codes
//! * [`exchange`]: the seam between client and broker
//! * [`record`]: record batches: view, builder, iterator, codecs

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

pub mod limit;

pub mod frame;
pub mod id;
pub mod string;

pub mod decode;
pub mod encode;
pub mod wire;

pub mod message;

pub mod api;
pub mod error_code;
pub mod header;

pub mod exchange;

pub mod record;

#[cfg(test)]
mod round_trip;
#[cfg(test)]
pub mod sample;

pub use api::{ApiKey, Request, Response};
pub use error_code::ErrorCode;
pub use exchange::{Call, Disconnected, Endpoint, Exchange};
pub use id::TopicId;
pub use record::Records;
pub use string::Str;
