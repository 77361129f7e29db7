//! ConsumerGroupHeartbeat (key 68): membership, subscription and assignment of a consumer group in one request (KIP-848).

use crate::error_code::ErrorCode;
use crate::id::TopicId;
use crate::string::Str;
use crate::wire;

wire! {
    /// A member, and what changed since its last heartbeat.
    pub struct ConsumerGroupHeartbeatRequest {
        /// The group.
        pub group_id: Str => 0;
        /// The member's id, of its own making from version 1 on.
        pub member_id: Str => 0;
        /// Its epoch; 0 joins, -1 leaves, -2 leaves for a while as a static member.
        pub member_epoch: i32 => 0;
        /// Its own lasting name; null when unchanged.
        pub instance_id: Option<Str> => 0;
        /// Where it stands; null when unchanged.
        pub rack_id: Option<Str> => 0;
        /// How long it may take to give partitions up, ms; -1 when unchanged.
        pub rebalance_timeout_ms: i32 => 0, default -1;
        /// The topics that it wants; null when unchanged.
        pub subscribed_topic_names: Option<Vec<Str>> => 0;
        /// The topics that it wants, as a regular expression; null when unchanged.
        pub subscribed_topic_regex: Option<Str> => 1;
        /// The assignor that it prefers; null when unchanged.
        pub server_assignor: Option<Str> => 0;
        /// The partitions that it has; null when unchanged.
        pub topic_partitions: Option<Vec<TopicPartitions>> => 0;
    }

    /// Partitions of a topic.
    pub struct TopicPartitions {
        /// The topic.
        pub topic_id: TopicId => 0;
        /// Its partitions.
        pub partitions: Vec<i32> => 0;
    }

    /// What the member has to know.
    pub struct ConsumerGroupHeartbeatResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// Why it is no member.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// Its id.
        pub member_id: Option<Str> => 0;
        /// Its epoch.
        pub member_epoch: i32 => 0;
        /// When to come again, ms.
        pub heartbeat_interval_ms: i32 => 0;
        /// What it has; null when unchanged.
        pub assignment: Option<Box<Assignment>> => 0;
    }

    /// What a member has.
    pub struct Assignment {
        /// By topic.
        pub topic_partitions: Vec<TopicPartitions> => 0;
    }
}
