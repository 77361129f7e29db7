//! Offsets: committing, asking, and what a transaction holds back.

use std::sync::Arc;

use millstream_protocol::{Str, TopicId};

use super::Groups;
use super::classic::{Classic, ClassicState, Now};
use super::consumer::Scope;
use super::error::{CommitError, MemberError, OffsetError};
use super::record::{Key, OffsetValue};
use super::shelf::{Group, GroupKind};
use crate::catalog::Topic;
use crate::journal::JournalEntry;
use crate::limit;
use crate::partition::Acknowledged;

/// The client that commits.
#[derive(Debug, Clone)]
pub(crate) struct Committer {
    pub group_id: Str,
    pub member_id: Str,
    pub instance_id: Option<Str>,
    /// The generation, or the member's epoch; below zero from a client that is no member.
    pub epoch: i32,
    pub version: i16,
}

/// An offset to be committed.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub topic: Str,
    /// The topic that was meant, or whichever has the name.
    pub topic_id: Option<TopicId>,
    pub partition: i32,
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: Option<Str>,
}

/// What became of commits, of each by itself, and when they are durable.
pub(crate) type Committed = Result<(Vec<Result<(), OffsetError>>, Acknowledged), CommitError>;

/// The transaction that commits belong to: its producer id and epoch.
type TransactionOf = (i64, i16);

/// Which offsets are wanted.
#[derive(Debug, Clone)]
pub(crate) enum WantedOffsets {
    All,
    Partitions(Vec<(Str, Vec<i32>)>),
}

/// The client that asks for offsets.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub group_id: Str,
    pub member_id: Option<Str>,
    pub epoch: i32,
    pub wanted: WantedOffsets,
    pub is_stable_required: bool,
}

/// The committed offset of a partition, as OffsetFetch answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToldOffset {
    pub partition: i32,
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: String,
    /// What is told instead.
    pub error: Option<OffsetError>,
}

impl Groups {
    /// Commits offsets at once, or when the transaction is committed.
    pub(crate) fn commit(
        &self,
        who: &Committer,
        commits: &[Commit],
        retention_ms: Option<i64>,
        transaction: Option<TransactionOf>,
    ) -> Committed {
        if who.group_id.len() > limit::GROUP_ID_BYTES_MAX {
            return Err(CommitError::GroupIdTooLong);
        }
        let act = |group: &mut Group, now: &Now| self.append_commits(group, who, commits, retention_ms, transaction, now);
        let mut shelf = self.shelf.lock();
        let committed = if who.epoch < 0 {
            // A commit without a membership creates the group.
            let kind = |now: &Now| GroupKind::Classic(Classic::new(now.wall_ms));
            self.with_new_locked(&mut shelf, &who.group_id, kind, |group, now, _: &mut Vec<JournalEntry>| act(group, now))
        } else {
            let is_told = transaction.is_none() && who.version >= 9;
            let unknown = if is_told { CommitError::UnknownGroup } else { MemberError::StaleGeneration.into() };
            self.look_locked(&mut shelf, &who.group_id, act).unwrap_or(Err(unknown))
        };
        if let (Some((producer_id, _)), Ok(_)) = (transaction, &committed) {
            shelf.note_holder(producer_id, &who.group_id);
        }
        committed
    }

    fn append_commits(
        &self,
        group: &mut Group,
        who: &Committer,
        commits: &[Commit],
        retention_ms: Option<i64>,
        transaction: Option<TransactionOf>,
        now: &Now,
    ) -> Committed {
        let scope = check_committer(group, who, transaction.is_some(), now)?;
        let mut results = Vec::with_capacity(commits.len());
        let mut entries = Vec::with_capacity(commits.len());
        let mut kept = Vec::with_capacity(commits.len());
        let mut found: Option<(&Str, Option<Arc<Topic>>)> = None;
        for commit in commits {
            // Looked up under the lock: a topic's end takes the offsets of it that it finds here, and later ones would stay.
            if found.as_ref().is_none_or(|(name, _)| **name != commit.topic) {
                found = Some((&commit.topic, self.catalog.get(&commit.topic)));
            }
            let topic = found.as_ref().and_then(|(_, topic)| topic.as_ref());
            let Some(topic) = topic.filter(|topic| commit.topic_id.is_none_or(|asked| asked == topic.id)) else {
                results.push(Err(OffsetError::UnknownPartition));
                continue;
            };
            let metadata = commit.metadata.as_deref().unwrap_or_default();
            // Counted in letters, as Kafka does.
            let is_long = |text: &str| text.len() > self.settings.metadata_max && text.encode_utf16().count() > self.settings.metadata_max;
            if is_long(metadata) {
                results.push(Err(OffsetError::MetadataTooLong));
                continue;
            }
            // One is enough, and nothing is committed.
            scope
                .check(topic.id, commit.partition)
                .map_err(|error| if transaction.is_some() { MemberError::StaleGeneration } else { error })?;
            results.push(Ok(()));
            let value = OffsetValue {
                offset: commit.offset,
                leader_epoch: commit.leader_epoch.max(-1),
                metadata: metadata.to_owned(),
                commit_ms: now.wall_ms,
                expire_ms: retention_ms.map(|retention_ms| now.wall_ms.saturating_add(retention_ms)),
                topic_id: Some(topic.id.0),
            };
            let (topic, partition) = (commit.topic.to_string(), commit.partition);
            entries.push(Key::Offset { group: who.group_id.to_string(), topic: topic.clone(), partition }.set(&value));
            kept.push(((topic, partition), value));
        }
        if entries.is_empty() {
            return Ok((results, None));
        }
        let acknowledged = self.journal.append(&entries, transaction, now.wall_ms)?;
        group.is_kept = true;
        for (place, value) in kept {
            match transaction {
                None => group.offsets.commit(place, value),
                Some((producer_id, _)) => group.offsets.hold(producer_id, place, value),
            }
        }
        Ok((results, acknowledged))
    }

    /// A transaction has ended, and its marker is in the journal: what it committed counts, or is dropped.
    pub(crate) fn end_transaction(&self, producer_id: i64, is_commit: bool) {
        self.shelf.lock().end_transaction(producer_id, is_commit);
    }

    /// The offsets of a group, by topic. One that was never committed is -1, never 0.
    pub(crate) fn offsets(&self, asked: &Asked) -> Result<Vec<(Str, Vec<ToldOffset>)>, MemberError> {
        let found = self.look(&asked.group_id, |group, _| {
            if let GroupKind::Consumer(consumer) = &group.kind {
                consumer.check_reader(asked.member_id.as_ref(), asked.epoch)?;
            }
            let id_of = |topic: &str| self.catalog.get(topic).map(|topic| topic.id);
            let wanted = match &asked.wanted {
                WantedOffsets::Partitions(topics) => topics.clone(),
                WantedOffsets::All => all_places(group, id_of),
            };
            let tell = |topic: &Str, topic_id: Option<TopicId>, partition: i32| {
                let held = asked.is_stable_required && group.offsets.is_held(topic, partition);
                // One of a topic that had the name before is nobody's.
                let value = group.offsets.get(topic, partition).filter(|value| !held && value.is_of(topic_id));
                ToldOffset {
                    partition,
                    offset: value.map_or(-1, |value| value.offset),
                    leader_epoch: value.map_or(-1, |value| value.leader_epoch),
                    metadata: value.map(|value| value.metadata.clone()).unwrap_or_default(),
                    error: held.then_some(OffsetError::Unstable),
                }
            };
            let topics = wanted.into_iter().map(|(topic, partitions)| {
                let topic_id = id_of(&topic);
                let told = partitions.iter().map(|partition| tell(&topic, topic_id, *partition)).collect();
                (topic, told)
            });
            Ok(topics.collect())
        });
        match (found, &asked.wanted) {
            (Some(found), _) => found,
            (None, WantedOffsets::All) => Ok(Vec::new()),
            (None, WantedOffsets::Partitions(topics)) => {
                let unknown = |partition: &i32| ToldOffset {
                    partition: *partition,
                    offset: -1,
                    leader_epoch: -1,
                    metadata: String::new(),
                    error: None,
                };
                Ok(topics.iter().map(|(topic, partitions)| (topic.clone(), partitions.iter().map(unknown).collect())).collect())
            }
        }
    }
}

/// Topics with a committed offset.
fn all_places(group: &Group, id_of: impl Fn(&str) -> Option<TopicId>) -> Vec<(Str, Vec<i32>)> {
    let mut places: Vec<(Str, Option<TopicId>, Vec<i32>)> = Vec::new();
    for ((topic, partition), value) in group.offsets.all() {
        if places.last().is_none_or(|(last, ..)| *last != topic.as_str()) {
            places.push((topic.into(), id_of(topic), Vec::new()));
        }
        if let Some((_, topic_id, partitions)) = places.last_mut()
            && value.is_of(*topic_id)
        {
            partitions.push(*partition);
        }
    }
    places.into_iter().filter(|(.., partitions)| !partitions.is_empty()).map(|(topic, _, partitions)| (topic, partitions)).collect()
}

/// Whether somebody may commit, and what, as Kafka decides it. A share group has no committed offsets.
fn check_committer(group: &mut Group, who: &Committer, is_transactional: bool, now: &Now) -> Result<Scope, CommitError> {
    match &mut group.kind {
        GroupKind::Share(_) => Err(CommitError::UnknownGroup),
        GroupKind::Consumer(consumer) => {
            if is_transactional && who.epoch < 0 && who.member_id.is_empty() && who.instance_id.is_none() {
                return Ok(Scope::Everything);
            }
            let checked = consumer.check_committer(&who.member_id, who.epoch);
            match checked {
                Err(MemberError::StaleEpoch) if is_transactional => Err(MemberError::StaleGeneration.into()),
                // Old requests cannot say which epoch they mean.
                _ if !is_transactional
                    && who.version < 9
                    && consumer.members.get(&who.member_id).is_some_and(|member| member.classic.is_none()) =>
                {
                    Err(CommitError::VersionTooOld)
                }
                checked => Ok(checked?),
            }
        }
        GroupKind::Classic(classic) => {
            if who.epoch < 0 && classic.state == ClassicState::Empty {
                return Ok(Scope::Everything);
            }
            if who.epoch >= 0 || !who.member_id.is_empty() || who.instance_id.is_some() {
                classic.check_member(&who.member_id, who.instance_id.as_ref())?;
                if who.epoch != classic.generation {
                    return Err(MemberError::StaleGeneration.into());
                }
            } else if !is_transactional {
                return Err(MemberError::UnknownMember.into());
            }
            if !is_transactional && classic.state == ClassicState::Completing {
                return Err(MemberError::Rebalancing.into());
            }
            if !is_transactional {
                classic.touch(&who.member_id, now);
            }
            Ok(Scope::Everything)
        }
    }
}
