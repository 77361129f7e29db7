//! Managing a broker: topics, offsets of times, groups.
//!
//! * `topics` creates, changes, lists and deletes topics
//! * `offsets` looks up where a time, the first record or the end of a partition is, and deletes records
//! * `groups` lists, describes and deletes groups; `group_offsets` has what they committed, and moves it;
//!   `share_groups` has what is different of those

mod group_offsets;
mod groups;
mod offsets;
mod share_groups;
mod topics;

use millstream_protocol::message::metadata::MetadataRequest;

use crate::client::Client;
use crate::error::Error;

pub use group_offsets::OffsetReset;
pub use groups::{GroupDescription, GroupInfo, GroupListing, GroupMember, GroupOffset};
pub use topics::{TopicDescription, TopicListing};

/// The kind of share groups.
const SHARE: &str = "share";

/// How long a broker may take to administer topics.
const TIMEOUT_MS: i32 = 60_000;

/// Manages topics and groups.
#[derive(Debug, Clone)]
pub struct Admin {
    client: Client,
}

impl Client {
    /// Manages topics and groups.
    pub fn admin(&self) -> Admin {
        Admin::new(self.clone())
    }
}

impl Admin {
    fn new(client: Client) -> Self {
        Admin { client }
    }

    /// The id of the broker's cluster; `None` from a broker that does not tell.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn cluster_id(&self) -> Result<Option<String>, Error> {
        let request = MetadataRequest { topics: Some(Vec::new()), allow_auto_topic_creation: false, ..Default::default() };
        Ok(self.client.ask(request).await?.cluster_id.map(|id| id.to_string()))
    }
}
