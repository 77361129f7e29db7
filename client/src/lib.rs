//! A client of a Kafka-compatible broker, over a socket or in the broker's own process.
//!
//! ```no_run
//! # async fn example() -> Result<(), millstream_client::Error> {
//! use millstream_client::{Client, NewRecord};
//!
//! let client = Client::connect("127.0.0.1:9092").await?;
//! let producer = client.producer().build();
//! let delivered = producer.send(NewRecord::to("orders").value("hinge")).await?.delivered().await?;
//! println!("partition {} offset {}", delivered.partition, delivered.offset);
//! # Ok(())
//! # }
//! ```
//!
//! What it is not: it asks one broker; a cluster of several answers NOT_LEADER_OR_FOLLOWER for partitions that another broker leads.
//!
//! `examples/` shows producing, consuming, transactions, reading and managing topics, each in a page.
//!
//! * [`Client`] asks typed requests over any [`Exchange`](millstream_protocol::Exchange); [`tcp`] is the one over sockets
//! * [`Producer`] batches records; [`TransactionalProducer`] sends them all or none
//! * [`Consumer`] reads as a member of a group; [`Reader`] and [`TopicReader`] from a place on, without one
//! * [`Admin`] manages topics and groups

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

pub mod tcp;

mod admin;
mod client;
mod consumer;
mod error;
mod fetch;
mod isolation;
mod limit;
mod producer;
mod reader;
#[cfg(test)]
mod scripted;
mod topic_partition;
mod topic_reader;

pub use admin::{Admin, GroupDescription, GroupInfo, GroupListing, GroupMember, GroupOffset, OffsetReset, TopicDescription, TopicListing};
pub use client::{Client, TopicInfo};
pub use consumer::{
    Assignor, AutoOffsetReset, Commits, Committing, Consumer, ConsumerBuilder, ConsumerRecord, GroupMetadata, GroupProtocol,
    OffsetAndMetadata, RebalanceListener,
};
pub use error::{Error, ErrorKind};
pub use fetch::PartitionBatches;
pub use isolation::Isolation;
pub use millstream_protocol::record::{Codec, Header, Record, RecordBatch};
pub use millstream_protocol::{ErrorCode, TopicId};
pub use producer::partitioner::{murmur2, partition_of_key};
pub use producer::{Acks, Delivered, Delivery, NewRecord, Producer, ProducerBuilder, Transaction, TransactionalProducer};
pub use reader::{Reader, Start};
pub use topic_partition::TopicPartition;
pub use topic_reader::TopicReader;
