//! What the journal of groups holds: keys, and the values under them.

use millstream_protocol::{Str, TopicId};
use serde::{Deserialize, Serialize};

use crate::config::Properties;
use crate::durable::{self, DurableError};
use crate::journal::JournalEntry;

const VERSION: u8 = 1;

/// What stands under a key.
pub(super) trait Value: Serialize + Sized {
    /// As it is written.
    const VERSION: u8;

    /// As it was written by this version of the program or by an earlier one.
    fn read(bytes: &[u8]) -> Result<Self, DurableError>;
}

/// What an entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Key {
    /// How far a group has come in a partition.
    Offset { group: String, topic: String, partition: i32 },
    /// The group itself.
    Group { group: String },
    /// A member of a consumer group.
    Member { group: String, member: String },
    /// What is set on a group, whether or not it is there.
    Properties { group: String },
}

/// How far a group has come in a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OffsetValue {
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: String,
    pub commit_ms: i64,
    /// Set by old clients that say how long to keep it.
    pub expire_ms: Option<i64>,
    /// The topic that had the name when this was committed; not known of what version 1 kept.
    pub topic_id: Option<[u8; 16]>,
}

impl OffsetValue {
    /// Whether it is of the topic that has the name now.
    pub(super) fn is_of(&self, topic_id: Option<TopicId>) -> bool {
        topic_id.is_some_and(|topic_id| self.topic_id.is_none_or(|known| known == topic_id.0))
    }
}

impl Value for OffsetValue {
    const VERSION: u8 = 2;

    fn read(bytes: &[u8]) -> Result<Self, DurableError> {
        #[derive(Deserialize)]
        struct First {
            offset: i64,
            leader_epoch: i32,
            metadata: String,
            commit_ms: i64,
            expire_ms: Option<i64>,
        }
        if bytes.first() != Some(&1) {
            return durable::decode(Self::VERSION, bytes);
        }
        let First { offset, leader_epoch, metadata, commit_ms, expire_ms } = durable::decode(1, bytes)?;
        Ok(OffsetValue { offset, leader_epoch, metadata, commit_ms, expire_ms, topic_id: None })
    }
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum GroupValue {
    Classic(ClassicValue),
    Consumer(ConsumerValue),
    Share(ShareValue),
}

impl Value for GroupValue {
    const VERSION: u8 = 1;

    fn read(bytes: &[u8]) -> Result<Self, DurableError> {
        durable::decode(Self::VERSION, bytes)
    }
}

/// What is set on a group, by name, as it was asked for.
impl Value for Properties {
    const VERSION: u8 = 1;

    fn read(bytes: &[u8]) -> Result<Self, DurableError> {
        durable::decode(Self::VERSION, bytes)
    }
}

/// A classic group, as its last generation settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClassicValue {
    pub protocol_type: Option<String>,
    pub protocol_name: Option<String>,
    pub generation: i32,
    pub leader: Option<String>,
    pub changed_ms: i64,
    pub members: Vec<ClassicMemberValue>,
}

/// A member of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClassicMemberValue {
    pub id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout_ms: i64,
    pub rebalance_timeout_ms: i64,
    pub protocols: Vec<(String, Vec<u8>)>,
    pub assignment: Vec<u8>,
}

/// A consumer group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ConsumerValue {
    pub epoch: i32,
    pub target_epoch: i32,
}

/// A share group. Its members are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShareValue {
    pub epoch: i32,
    pub target_epoch: i32,
}

/// Partitions by topic id.
pub(super) type PartitionsValue = Vec<([u8; 16], Vec<i32>)>;

/// A member of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ConsumerMemberValue {
    pub instance_id: Option<String>,
    pub rack_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout_ms: i64,
    pub subscribed_names: Vec<String>,
    pub subscribed_regex: Option<String>,
    pub assignor: Option<String>,
    pub epoch: i32,
    pub previous_epoch: i32,
    pub assigned: PartitionsValue,
    pub revoking: PartitionsValue,
    pub target: PartitionsValue,
    /// In which epoch it got each partition that is assigned or revoking.
    pub since: SinceValue,
    /// Of one that speaks the classic protocol.
    pub classic: Option<ClassicSideValue>,
}

/// What a consumer group keeps of a member that speaks the classic protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClassicSideValue {
    pub session_timeout_ms: i64,
    pub protocols: Vec<(String, Vec<u8>)>,
}

/// An epoch for each partition, by topic id.
pub(super) type SinceValue = Vec<([u8; 16], Vec<(i32, i32)>)>;

impl Value for ConsumerMemberValue {
    const VERSION: u8 = 2;

    fn read(bytes: &[u8]) -> Result<Self, DurableError> {
        #[derive(Deserialize)]
        struct First {
            instance_id: Option<String>,
            rack_id: Option<String>,
            client_id: String,
            client_host: String,
            rebalance_timeout_ms: i64,
            subscribed_names: Vec<String>,
            subscribed_regex: Option<String>,
            assignor: Option<String>,
            epoch: i32,
            previous_epoch: i32,
            assigned: PartitionsValue,
            revoking: PartitionsValue,
            target: PartitionsValue,
        }
        if bytes.first() != Some(&1) {
            return durable::decode(Self::VERSION, bytes);
        }
        let first: First = durable::decode(1, bytes)?;
        // When it got what it has was not kept: it is taken as new.
        let epoch = first.epoch.max(0);
        let since = |(topic, partitions): &([u8; 16], Vec<i32>)| (*topic, partitions.iter().map(|partition| (*partition, epoch)).collect());
        Ok(ConsumerMemberValue {
            since: first.assigned.iter().chain(&first.revoking).map(since).collect(),
            instance_id: first.instance_id,
            rack_id: first.rack_id,
            client_id: first.client_id,
            client_host: first.client_host,
            rebalance_timeout_ms: first.rebalance_timeout_ms,
            subscribed_names: first.subscribed_names,
            subscribed_regex: first.subscribed_regex,
            assignor: first.assignor,
            epoch: first.epoch,
            previous_epoch: first.previous_epoch,
            assigned: first.assigned,
            revoking: first.revoking,
            target: first.target,
            classic: None,
        })
    }
}

impl Key {
    /// The group that it is about.
    pub(super) fn group(&self) -> &str {
        match self {
            Key::Offset { group, .. } | Key::Group { group } | Key::Member { group, .. } | Key::Properties { group } => group,
        }
    }

    /// The member that it is about.
    pub(super) fn member(self) -> Option<Str> {
        match self {
            Key::Member { member, .. } => Some(member.into()),
            Key::Offset { .. } | Key::Group { .. } | Key::Properties { .. } => None,
        }
    }

    pub(super) fn set<T: Value>(&self, value: &T) -> JournalEntry {
        JournalEntry { key: durable::encode(VERSION, self), value: Some(durable::encode(T::VERSION, value)) }
    }

    pub(super) fn forget(&self) -> JournalEntry {
        JournalEntry { key: durable::encode(VERSION, self), value: None }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, DurableError> {
        durable::decode(VERSION, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_versions_kept_is_read() {
        let bytes = durable::encode(1, &(5i64, 2i32, "m", 7i64, Some(9i64)));
        let value = OffsetValue { offset: 5, leader_epoch: 2, metadata: "m".into(), commit_ms: 7, expire_ms: Some(9), topic_id: None };
        assert_eq!(OffsetValue::read(&bytes).unwrap(), value);
        let id = TopicId([3; 16]);
        assert!(value.is_of(Some(id)) && !value.is_of(None), "whichever topic has the name");
        let newer = OffsetValue { topic_id: Some(id.0), ..value };
        let Some(bytes) = (Key::Group { group: "g".into() }).set(&newer).value else { panic!() };
        assert_eq!(OffsetValue::read(&bytes).unwrap(), newer);
        assert!(newer.is_of(Some(id)) && !newer.is_of(Some(TopicId([4; 16]))));

        let nothing: Option<String> = None;
        let names: Vec<String> = vec!["t".into()];
        let (assigned, revoking, target) = (vec![(id.0, vec![0, 1])], vec![(id.0, vec![2])], vec![(id.0, vec![0, 1, 3])]);
        let member = (&nothing, &nothing, "c", "/h", 60i64, &names, &nothing, &nothing, 4i32, 3i32, &assigned, &revoking, &target);
        let read = ConsumerMemberValue::read(&durable::encode(1, &member)).unwrap();
        assert_eq!((read.epoch, read.assigned, read.revoking, read.target), (4, assigned, revoking, target));
        assert_eq!(read.since, [(id.0, vec![(0, 4), (1, 4)]), (id.0, vec![(2, 4)])]);
    }
}
