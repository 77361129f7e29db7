//! FindCoordinator (key 10): which broker coordinates a group or a transactional id.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Whose coordinator is wanted.
    pub struct FindCoordinatorRequest {
        /// The group or transactional id.
        pub key: Str => 0 to 3;
        /// 0: group, 1: transaction, 2: share.
        pub key_type: i8 => 1;
        /// The groups or transactional ids.
        pub coordinator_keys: Vec<Str> => 4;
    }

    /// Who coordinates.
    pub struct FindCoordinatorResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 1;
        /// Why there is none.
        pub error_code: ErrorCode => 0 to 3;
        /// The same in words.
        pub error_message: Option<Str> => 1 to 3;
        /// The coordinator's node id.
        pub node_id: i32 => 0 to 3;
        /// Its host.
        pub host: Str => 0 to 3;
        /// Its port.
        pub port: i32 => 0 to 3;
        /// By key.
        pub coordinators: Vec<Coordinator> => 4;
    }

    /// One coordinator.
    pub struct Coordinator {
        /// The group or transactional id.
        pub key: Str => 4;
        /// Its node id.
        pub node_id: i32 => 4;
        /// Its host.
        pub host: Str => 4;
        /// Its port.
        pub port: i32 => 4;
        /// Why there is none.
        pub error_code: ErrorCode => 4;
        /// The same in words.
        pub error_message: Option<Str> => 4;
    }
}
