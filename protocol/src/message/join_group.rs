//! JoinGroup (key 11): a member of a classic group says that it is there and what it can do; the answer comes when the
//! group has settled who its members are.

use bytes::Bytes;

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Who joins.
    pub struct JoinGroupRequest {
        /// The group.
        pub group_id: Str => 0;
        /// Without a heartbeat for this long the member is gone, ms.
        pub session_timeout_ms: i32 => 0;
        /// How long a rebalance waits for the member to join again, ms.
        pub rebalance_timeout_ms: i32 => 1, default -1;
        /// The id that the coordinator gave it, or empty.
        pub member_id: Str => 0;
        /// Its own lasting name (KIP-345).
        pub group_instance_id: Option<Str> => 5;
        /// What kind of group it is: "consumer", "connect".
        pub protocol_type: Str => 0;
        /// The ways of assigning that it knows, the best first.
        pub protocols: Vec<JoinProtocol> => 0;
        /// Why it joins (KIP-800).
        pub reason: Option<Str> => 8;
    }

    /// A way of assigning.
    pub struct JoinProtocol {
        /// Its name.
        pub name: Str => 0;
        /// What the leader needs to know of the member: its subscription.
        pub metadata: Bytes => 0;
    }

    /// What the group settled on.
    pub struct JoinGroupResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 2;
        /// Why it is no member.
        pub error_code: ErrorCode => 0;
        /// The generation.
        pub generation_id: i32 => 0, default -1;
        /// The kind of group.
        pub protocol_type: Option<Str> => 7;
        /// The way of assigning that all know.
        pub protocol_name: Option<Str> => 0, null 7;
        /// The member that assigns.
        pub leader: Str => 0;
        /// Whether the leader must not assign: what is assigned stays (KIP-814).
        pub skip_assignment: bool => 9;
        /// The member's id.
        pub member_id: Str => 0;
        /// For the leader: all members.
        pub members: Vec<JoinedMember> => 0;
    }

    /// A member, for the leader.
    pub struct JoinedMember {
        /// Its id.
        pub member_id: Str => 0;
        /// Its own lasting name.
        pub group_instance_id: Option<Str> => 5;
        /// What it said of itself.
        pub metadata: Bytes => 0;
    }
}
