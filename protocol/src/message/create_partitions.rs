//! CreatePartitions (key 37): more partitions for a topic; never fewer.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Topics to enlarge.
    pub struct CreatePartitionsRequest {
        /// The topics.
        pub topics: Vec<CreatePartitionsTopic> => 0;
        /// How long to wait, ms.
        pub timeout_ms: i32 => 0;
        /// Check, and create nothing.
        pub validate_only: bool => 0;
    }

    /// A topic to enlarge.
    pub struct CreatePartitionsTopic {
        /// Its name.
        pub name: Str => 0;
        /// How many partitions it shall have.
        pub count: i32 => 0;
        /// Brokers for the new ones, or null to let the broker choose.
        pub assignments: Option<Vec<CreatePartitionsAssignment>> => 0;
    }

    /// Brokers for one new partition.
    pub struct CreatePartitionsAssignment {
        /// Its replicas.
        pub broker_ids: Vec<i32> => 0;
    }

    /// What became of each.
    pub struct CreatePartitionsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// By topic.
        pub results: Vec<CreatePartitionsTopicResult> => 0;
    }

    /// What became of one topic.
    pub struct CreatePartitionsTopicResult {
        /// Its name.
        pub name: Str => 0;
        /// Why it was not enlarged.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
    }
}
