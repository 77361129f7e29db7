//! Members of both protocols in one group, and a group's way from one protocol to the other while it has members (KIP-848).
//!
//! A classic group becomes a consumer group when a consumer joins. Its members go on with their own requests, which are answered
//! from the consumer group: a generation is the member's epoch, and a member that has to do something learns that it has to join again. When the
//! last consumer has gone, it becomes a classic group again.
//!
//! The rules are those of Kafka's `GroupMetadataManager` (`classicGroup…ToConsumerGroup`, `convertTo…`).
//!
//! * [`join`] answers members of the classic protocol from the consumer group
//! * [`convert`] makes one kind of group of the other

mod convert;
mod join;

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use millstream_protocol::message::consumer_protocol::{ConsumerAssignment, OwnedPartitions};

use crate::catalog::Listing;
use crate::group::assignor::Partitions;

pub(super) use convert::Downgrade;

/// The kind of classic group that consumers are in.
pub(super) const CONSUMER: &str = "consumer";

fn by_id(named: &[OwnedPartitions], listing: &Listing) -> Partitions {
    let mut found: Partitions = BTreeMap::new();
    for topic in named {
        if let Some((topic_id, _)) = listing.topics.get(&topic.topic) {
            found.entry(*topic_id).or_default().extend(topic.partitions.iter().copied());
        }
    }
    found.retain(|_, partitions| !partitions.is_empty());
    found
}

/// An assignment as a leader would have written it, in the version in which the member wrote its subscription.
fn assignment(partitions: &Partitions, metadata: &[u8], listing: &Listing) -> Bytes {
    let named = listing.topics.iter().filter_map(|(name, (topic_id, _))| {
        let partitions = partitions.get(topic_id)?;
        Some(OwnedPartitions { topic: name.clone(), partitions: partitions.iter().copied().collect() })
    });
    let written = ConsumerAssignment { assigned_partitions: named.collect(), user_data: None }.write();
    let (newest, rest) = written.split_at(2);
    let asked = metadata.first_chunk().map_or(0, |version| i16::from_be_bytes(*version));
    let mut bytes = BytesMut::with_capacity(written.len());
    // All versions look alike.
    bytes.put_i16(asked.clamp(0, newest.first_chunk().map_or(0, |version| i16::from_be_bytes(*version))));
    bytes.extend_from_slice(rest);
    bytes.freeze()
}
