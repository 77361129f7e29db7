//! DeleteShareGroupOffsets (key 92): forgets how far a share group without members had come in some topics (KIP-932).

use crate::error_code::ErrorCode;
use crate::id::TopicId;
use crate::string::Str;
use crate::wire;

wire! {
    /// What to forget.
    pub struct DeleteShareGroupOffsetsRequest {
        /// The group.
        pub group_id: Str => 0;
        /// The topics.
        pub topics: Vec<DeleteShareGroupOffsetsTopic> => 0;
    }

    /// A topic.
    pub struct DeleteShareGroupOffsetsTopic {
        /// Its name.
        pub topic_name: Str => 0;
    }

    /// What was forgotten.
    pub struct DeleteShareGroupOffsetsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// Why nothing was.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// By topic.
        pub responses: Vec<DeleteShareGroupOffsetsTopicResult> => 0;
    }

    /// A topic.
    pub struct DeleteShareGroupOffsetsTopicResult {
        /// Its name.
        pub topic_name: Str => 0;
        /// Its id.
        pub topic_id: TopicId => 0;
        /// Why it was not forgotten.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
    }
}
