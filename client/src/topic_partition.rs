//! The name of a partition.

use std::fmt;

use millstream_protocol::Str;
use serde::{Serialize, Serializer};

/// A partition of a topic. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TopicPartition {
    /// The topic.
    #[serde(serialize_with = "text")]
    pub topic: Str,
    /// The partition's index.
    pub partition: i32,
}

impl TopicPartition {
    /// A partition.
    pub fn new(topic: impl Into<Str>, partition: i32) -> Self {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

fn text<S: Serializer>(text: &Str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}
