//! From one protocol to the other: a classic group becomes a consumer group, and back, while it has members.

use std::collections::BTreeSet;

use bytes::Bytes;
use millstream_protocol::Str;
use millstream_protocol::message::consumer_protocol::{ConsumerAssignment, Subscription};

use super::{CONSUMER, assignment, by_id};
use crate::catalog::Listing;
use crate::group::Groups;
use crate::group::assignor::Partitions;
use crate::group::classic::{Classic, Now};
use crate::group::consumer::{Changes, ClassicSide, Consumer, Member, flat};
use crate::group::entries::consumer_entries;
use crate::group::record::{ClassicMemberValue, ClassicValue, GroupValue, Key};
use crate::group::shelf::{Group, GroupKind};
use crate::journal::JournalEntry;

impl Consumer {
    /// What a classic group becomes when a consumer joins it; `None` if its members cannot be understood.
    pub(super) fn of_classic(classic: &Classic, listing: &Listing, now_ms: i64) -> Option<Self> {
        let protocol = classic.protocol_name.as_ref()?;
        let mut consumer = Consumer::new();
        (consumer.epoch, consumer.target_epoch) = (classic.generation, classic.generation);
        for (id, before) in &classic.members {
            let assigned = assigned_partitions(&before.assignment, listing)?;
            let subscription = Subscription::read(before.metadata(protocol)).ok()?;
            let member = Member {
                instance_id: before.instance_id.clone(),
                rack_id: subscription.rack_id.as_ref().map(Str::detached),
                rebalance_timeout_ms: before.rebalance_timeout_ms,
                subscribed_names: subscription.topics.iter().map(Str::detached).collect(),
                epoch: classic.generation,
                previous_epoch: classic.generation,
                since: flat(&assigned).map(|partition| (partition, classic.generation)).collect(),
                classic: Some(ClassicSide::new(before.session_timeout_ms, before.protocols.clone())),
                session_ends_ms: now_ms + before.session_timeout_ms,
                assigned,
                ..Member::new(before.client.clone())
            };
            consumer.targets.insert(id.clone(), member.assigned.clone());
            consumer.members.insert(id.clone(), member);
        }
        consumer.settle(listing);
        Some(consumer)
    }

    /// The classic group that the members are, all of which speak that protocol, with what they are to have.
    fn to_classic(&self, generation: i32, listing: &Listing, now: &Now) -> Classic {
        let text = |text: &Str| text.to_string();
        let member = |(id, member): (&Str, &Member)| {
            let classic = member.classic.as_ref()?;
            Some(ClassicMemberValue {
                id: id.to_string(),
                instance_id: member.instance_id.as_ref().map(text),
                client_id: text(&member.client.id),
                client_host: text(&member.client.host),
                session_timeout_ms: classic.session_timeout_ms,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                protocols: classic.to_value().protocols,
                assignment: Vec::new(),
            })
        };
        let value = ClassicValue {
            protocol_type: Some(CONSUMER.to_owned()),
            protocol_name: None,
            generation,
            leader: self.members.keys().next().map(text),
            changed_ms: now.wall_ms,
            members: self.members.iter().filter_map(member).collect(),
        };
        let mut classic = Classic::restored(value, now.ms);
        classic.protocol_name = classic.selected_protocol();
        let protocol = classic.protocol_name.clone().unwrap_or_default();
        let nothing = Partitions::new();
        for (id, member) in &mut classic.members {
            let target = self.targets.get(id).unwrap_or(&nothing);
            member.assignment = assignment(target, &member.metadata(&protocol), listing);
        }
        classic
    }

    pub(super) fn count_classic(&self) -> usize {
        self.members.values().filter(|member| member.classic.is_some()).count()
    }
}

/// The way of a consumer group back to a classic one.
pub(in crate::group) struct Downgrade {
    /// The group's epoch that the members know.
    pub generation: i32,
    /// Whether they have to join again.
    pub is_rebalancing: bool,
    /// What has changed in the consumer group and is not kept yet.
    pub changes: Changes,
}

impl Groups {
    /// The consumer group that a classic one becomes for a consumer that joins.
    pub(in crate::group) fn upgraded(&self, classic: &Classic, listing: &Listing, now: &Now) -> Option<Consumer> {
        if classic.members.is_empty() {
            return Some(Consumer::new());
        }
        let is_possible = self.settings.is_upgrade_allowed
            && classic.protocol_type.as_deref() == Some(CONSUMER)
            && classic.members.len() <= self.settings.consumer_size_max;
        if is_possible { Consumer::of_classic(classic, listing, now.ms) } else { None }
    }

    /// Members may go from a consumer group. If only members of the classic protocol are left, it becomes a classic group.
    pub(in crate::group) fn take_members<R>(
        &self,
        id: &str,
        group: &mut Group,
        now: &Now,
        entries: &mut Vec<JournalEntry>,
        take: impl FnOnce(&mut Consumer, &mut Changes) -> R,
    ) -> R {
        let GroupKind::Consumer(consumer) = &mut group.kind else { unreachable!("only consumer groups are asked") };
        let (count, epoch) = (consumer.members.len(), consumer.epoch);
        let mut changes = Changes::default();
        let result = take(consumer, &mut changes);
        let left = consumer.members.len();
        let is_classic = (1..count).contains(&left) && consumer.count_classic() == left;
        if is_classic && self.settings.is_downgrade_allowed && left <= self.settings.size_max {
            self.downgrade(id, group, &Downgrade { generation: epoch, is_rebalancing: true, changes }, now, entries);
        } else {
            entries.extend(consumer_entries(id, consumer, changes));
        }
        result
    }

    /// A consumer group that no consumer is left in becomes a classic group.
    pub(in crate::group) fn downgrade(
        &self,
        id: &str,
        group: &mut Group,
        downgrade: &Downgrade,
        now: &Now,
        entries: &mut Vec<JournalEntry>,
    ) {
        let GroupKind::Consumer(consumer) = &group.kind else { return };
        let Downgrade { generation, is_rebalancing, changes } = downgrade;
        let mut classic = consumer.to_classic(*generation, &self.catalog.listing(), now);
        let members: BTreeSet<&Str> = changes.members.iter().chain(consumer.members.keys()).collect();
        entries.extend(members.iter().map(|member| Key::Member { group: id.to_owned(), member: member.to_string() }.forget()));
        let mut value = classic.to_value();
        if *is_rebalancing {
            // An end of the process would be the end of the rebalance as well: nobody knows this generation, and all join again.
            value.generation += 1;
            let _ = classic.prepare(now);
        }
        entries.push(Key::Group { group: id.to_owned() }.set(&GroupValue::Classic(value)));
        group.kind = GroupKind::Classic(classic);
    }
}

/// What a leader assigned; `None` if it cannot be understood, or says more than would be kept.
fn assigned_partitions(bytes: &Bytes, listing: &Listing) -> Option<Partitions> {
    if bytes.is_empty() {
        return Some(Partitions::new());
    }
    let assignment = ConsumerAssignment::read(bytes.clone()).ok()?;
    let says_more = assignment.user_data.is_some_and(|data| !data.is_empty());
    if says_more { None } else { Some(by_id(&assignment.assigned_partitions, listing)) }
}
