//! What the journal of share groups holds: for each share partition its head, and the blocks of its window.

use millstream_protocol::{Str, TopicId};
use serde::{Deserialize, Serialize};

use super::place::SharePlace;
use super::window::{StoredBlock, WindowChanges, WindowHead};
use crate::durable::{self, DurableError};
use crate::journal::JournalEntry;

const VERSION: u8 = 1;

/// What an entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ShareKey {
    Head { group: String, topic: [u8; 16], partition: i32 },
    Block { group: String, topic: [u8; 16], partition: i32, block: i64 },
}

/// What was read of an entry.
#[derive(Debug)]
pub(super) enum ShareEntry {
    Head(SharePlace, Option<WindowHead>),
    Block(SharePlace, i64, Option<StoredBlock>),
}

impl ShareKey {
    fn head(place: &SharePlace) -> Self {
        ShareKey::Head { group: place.group.to_string(), topic: place.topic.0, partition: place.partition }
    }

    fn block(place: &SharePlace, block: i64) -> Self {
        ShareKey::Block { group: place.group.to_string(), topic: place.topic.0, partition: place.partition, block }
    }

    fn set(&self, value: &impl Serialize) -> JournalEntry {
        JournalEntry { key: durable::encode(VERSION, self), value: Some(durable::encode(VERSION, value)) }
    }

    fn forget(&self) -> JournalEntry {
        JournalEntry { key: durable::encode(VERSION, self), value: None }
    }
}

/// The entries of a window's changes, in the order in which they have to be written.
pub(super) fn entries(place: &SharePlace, changes: &WindowChanges) -> Vec<JournalEntry> {
    let head = changes.head.as_ref().map(|head| ShareKey::head(place).set(head));
    let blocks = changes.blocks.iter().map(|change| {
        let key = ShareKey::block(place, change.block);
        change.content.as_ref().map_or_else(|| key.forget(), |content| key.set(content))
    });
    head.into_iter().chain(blocks).collect()
}

/// The entries that forget a share partition. The head goes last: blocks without one would be of nobody.
pub(super) fn forgetting(place: &SharePlace, blocks: impl IntoIterator<Item = i64>) -> Vec<JournalEntry> {
    let blocks = blocks.into_iter().map(|block| ShareKey::block(place, block).forget());
    blocks.chain([ShareKey::head(place).forget()]).collect()
}

/// Reads an entry.
pub(super) fn read(key: &[u8], value: Option<&[u8]>) -> Result<ShareEntry, DurableError> {
    let place = |group: String, topic, partition| SharePlace { group: Str::from(group), topic: TopicId(topic), partition };
    Ok(match durable::decode(VERSION, key)? {
        ShareKey::Head { group, topic, partition } => {
            ShareEntry::Head(place(group, topic, partition), value.map(|value| durable::decode(VERSION, value)).transpose()?)
        }
        ShareKey::Block { group, topic, partition, block } => {
            ShareEntry::Block(place(group, topic, partition), block, value.map(|value| durable::decode(VERSION, value)).transpose()?)
        }
    })
}
