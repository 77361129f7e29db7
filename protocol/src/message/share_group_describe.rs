//! ShareGroupDescribe (key 77): share groups and their members (KIP-932).

use super::consumer_group_describe::NamedAssignment;
use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Which ones.
    pub struct ShareGroupDescribeRequest {
        /// The groups.
        pub group_ids: Vec<Str> => 0;
        /// Whether to say what the client may do with them.
        pub include_authorized_operations: bool => 0;
    }

    /// The groups.
    pub struct ShareGroupDescribeResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// One entry each.
        pub groups: Vec<DescribedShareGroup> => 0;
    }

    /// A group.
    pub struct DescribedShareGroup {
        /// Why it cannot be described.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// Its id.
        pub group_id: Str => 0;
        /// Its state.
        pub group_state: Str => 0;
        /// Its epoch, which rises with every change.
        pub group_epoch: i32 => 0;
        /// The epoch of the target assignment.
        pub assignment_epoch: i32 => 0;
        /// The assignor.
        pub assignor_name: Str => 0;
        /// Its members.
        pub members: Vec<DescribedShareConsumer> => 0;
        /// What the client may do with it, as bits.
        pub authorized_operations: i32 => 0, default i32::MIN;
    }

    /// A member.
    pub struct DescribedShareConsumer {
        /// Its id.
        pub member_id: Str => 0;
        /// Where it stands.
        pub rack_id: Option<Str> => 0;
        /// Its epoch.
        pub member_epoch: i32 => 0;
        /// What its client calls itself.
        pub client_id: Str => 0;
        /// Where it connects from.
        pub client_host: Str => 0;
        /// The topics that it wants.
        pub subscribed_topic_names: Vec<Str> => 0;
        /// What it has.
        pub assignment: NamedAssignment => 0;
    }
}
