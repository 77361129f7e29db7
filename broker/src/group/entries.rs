//! What a change of a group puts into the journal.

use super::classic::{Change, Classic};
use super::consumer::{Changes, Consumer};
use super::offsets::Place;
use super::record::{ConsumerValue, GroupValue, Key};
use super::share::Share;
use crate::journal::JournalEntry;

pub(super) fn classic_entry(id: &str, classic: &Classic, change: Change) -> Option<JournalEntry> {
    (change == Change::Settled).then(|| Key::Group { group: id.to_owned() }.set(&GroupValue::Classic(classic.to_value())))
}

pub(super) fn consumer_entries(id: &str, consumer: &Consumer, changes: Changes) -> Vec<JournalEntry> {
    let mut entries = Vec::new();
    for member in changes.members {
        let key = Key::Member { group: id.to_owned(), member: member.to_string() };
        entries.push(consumer.member_value(&member).map_or_else(|| key.forget(), |value| key.set(&value)));
    }
    if changes.is_group_changed {
        let value = ConsumerValue { epoch: consumer.epoch, target_epoch: consumer.target_epoch };
        entries.push(Key::Group { group: id.to_owned() }.set(&GroupValue::Consumer(value)));
    }
    entries
}

pub(super) fn share_entry(id: &str, share: &Share) -> JournalEntry {
    Key::Group { group: id.to_owned() }.set(&GroupValue::Share(share.to_value()))
}

/// The entries that forget offsets.
pub(super) fn forgetting<'a>(group: &'a str, places: impl IntoIterator<Item = &'a Place>) -> impl Iterator<Item = JournalEntry> {
    let key = |(topic, partition): &Place| Key::Offset { group: group.to_owned(), topic: topic.clone(), partition: *partition };
    places.into_iter().map(move |place| key(place).forget())
}
