//! Which share partition: a group's view of one partition.

use millstream_protocol::{Str, TopicId};

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SharePlace {
    pub group: Str,
    pub topic: TopicId,
    pub partition: i32,
}

/// A partition as requests of share groups name it.
pub(crate) type ReadPlace = (TopicId, i32);
