//! What the journal of groups holds: keys, and the values under them.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::durable::{self, DurableError};
use crate::journal::Entry;

const VERSION: u8 = 1;

/// What an entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Key {
    /// How far a group has come in a partition.
    Offset { group: String, topic: String, partition: i32 },
    /// The group itself.
    Group { group: String },
    /// A member of a consumer group.
    Member { group: String, member: String },
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
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum GroupValue {
    Classic(ClassicValue),
    Consumer(ConsumerValue),
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
}

impl Key {
    /// The group that it is about.
    pub(super) fn group(&self) -> &str {
        match self {
            Key::Offset { group, .. } | Key::Group { group } | Key::Member { group, .. } => group,
        }
    }

    pub(super) fn set<T: Serialize>(&self, value: &T) -> Entry {
        Entry { key: durable::encode(VERSION, self), value: Some(durable::encode(VERSION, value)) }
    }

    pub(super) fn forget(&self) -> Entry {
        Entry { key: durable::encode(VERSION, self), value: None }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, DurableError> {
        durable::decode(VERSION, bytes)
    }
}

pub(super) fn read_value<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DurableError> {
    durable::decode(VERSION, bytes)
}
