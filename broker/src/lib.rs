//! A log-structured broker that speaks the Kafka protocol.
//!
//! What it is not: it does not know that queries exist, and it has no replicas: what it acknowledges with
//! `acks=all` is on this machine's stable storage.
//!
//! The way of a request, in reading order:
//! * [`server`] accepts, `connection` cuts frames and answers in order, `dispatch` has the only match on the API key;
//!   `served` is what it gives back
//! * `api` has one handler per API; handlers see no sockets
//! * `group` and `transaction` coordinate, and keep what they have to remember in a `journal`
//! * `share` knows what share groups hold of a partition
//! * `dynamic` has the properties that change while the broker runs
//! * `catalog` knows the topics, `partition` owns a log each, `log` keeps segments
//! * [`disk`] and [`clock`] are the doors to the outside, [`open_files`] the limit to both sockets and segments, [`config`] the properties, [`metrics`] the counters
//! * `limit` has every bound that no property sets
//! * [`broker`] puts it together

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

pub mod server;

mod connection;
mod dispatch;
mod served;

mod api;
mod fetch_session;

mod catalog;
mod log;
mod partition;

mod durable;
mod dynamic;
mod identity;
mod journal;
mod limit;
mod seldom;
mod side_by_side;

mod group;
mod share;
mod transaction;

pub mod clock;
pub mod config;
pub mod disk;
pub mod metrics;
pub mod open_files;

pub mod broker;
mod inspect;

pub use broker::{Broker, OpenError};
pub use clock::Clock;
pub use config::{BrokerSettings, ConfigError, Listener, Properties};
pub use dispatch::BrokerHandle;
pub use inspect::{Inspected, inspect};
pub use log::LogError;
pub use server::{Server, ServerError};
