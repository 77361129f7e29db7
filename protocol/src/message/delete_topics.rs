//! DeleteTopics (key 20).

use crate::error_code::ErrorCode;
use crate::id::TopicId;
use crate::string::Str;
use crate::wire;

wire! {
    /// Topics to delete.
    pub struct DeleteTopicsRequest {
        /// By name or id.
        pub topics: Vec<DeleteTopicState> => 6;
        /// By name.
        pub topic_names: Vec<Str> => 0 to 5;
        /// How long to wait, ms.
        pub timeout_ms: i32 => 0;
    }

    /// A topic by name or id.
    pub struct DeleteTopicState {
        /// The name, or null.
        pub name: Option<Str> => 6;
        /// The id, or zero.
        pub topic_id: TopicId => 6;
    }

    /// What became of each.
    pub struct DeleteTopicsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 1;
        /// By topic.
        pub responses: Vec<DeletableTopicResult> => 0;
    }

    /// What became of one topic.
    pub struct DeletableTopicResult {
        /// Its name.
        pub name: Option<Str> => 0, null 6;
        /// Its id.
        pub topic_id: TopicId => 6;
        /// Why it was not deleted.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 5;
    }
}
