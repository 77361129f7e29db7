//! The state machine of a consumer group (KIP-848): members say what they want and what they have, the group computes who is
//! to have what, and each member is led there by itself: first it gives up, then it gets what others have given up.
//! Nobody stops for anybody else. Pure: a heartbeat or the time comes in, an answer and records to be kept come out.
//!
//! The rules are those of Kafka's `GroupMetadataManager` and `CurrentAssignmentBuilder`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use millstream_protocol::message::consumer_group_heartbeat::{
    Assignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicPartitions,
};
use millstream_protocol::{ErrorCode, Str, TopicId};
use regex::Regex;

use super::Client;
use super::assignor::{Assignor, Candidate, Partitions};
use super::mixed::ClassicSide;
use super::pace::Pace;
use super::record::{ConsumerMemberValue, PartitionsValue, SinceValue};
use crate::catalog::{Listing, Topics};
use crate::config::group::ConsumerSettings;

/// Leaves.
pub(super) const LEAVE: i32 = -1;
/// Leaves for a while: a static member that is to come back.
pub(super) const LEAVE_STATIC: i32 = -2;

/// Where a member is on its way to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberState {
    /// It has what it is to have.
    Stable,
    /// It has to give partitions up, and to say that it did.
    Revoking,
    /// It waits for partitions that others have not given up.
    Waiting,
}

/// A subscription to all topics with such names.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub text: Str,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Pattern {
    /// Kafka uses RE2J and matches whole names, as here.
    fn new(text: &Str) -> Result<Self, Refused> {
        let invalid = |error: String| {
            let sentence = format!("SubscribedTopicRegex `{text}` is not a valid regular expression: {error}.");
            refused(ErrorCode::INVALID_REGULAR_EXPRESSION, sentence)
        };
        if text.len() > PATTERN_BYTES_MAX {
            return Err(invalid("it is too long".into()));
        }
        let build =
            |pattern: &str| regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|error| invalid(error.to_string()));
        // By itself first: `a)|(?:b` becomes one only by what is put around it.
        build(text)?;
        Ok(Pattern { text: text.detached(), regex: build(&format!("^(?:{text})$"))? })
    }

    fn matches<'t>(&self, topics: &'t Topics) -> impl Iterator<Item = &'t Str> {
        topics.keys().filter(|name| self.regex.is_match(name) && !crate::journal::is_internal(name))
    }
}

/// A member.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub instance_id: Option<Str>,
    pub rack_id: Option<Str>,
    pub client: Client,
    pub rebalance_timeout_ms: i64,
    pub subscribed_names: BTreeSet<Str>,
    pub subscribed_regex: Option<Pattern>,
    pub assignor: Option<Str>,
    pub epoch: i32,
    pub previous_epoch: i32,
    pub state: MemberState,
    pub assigned: Partitions,
    pub revoking: Partitions,
    /// In which epoch it got each of these.
    pub since: BTreeMap<(TopicId, i32), i32>,
    /// It speaks the classic protocol.
    pub classic: Option<ClassicSide>,
    pub session_ends_ms: i64,
    pub revoke_ends_ms: Option<i64>,
}

impl Member {
    pub(super) fn new(client: Client) -> Self {
        Member {
            instance_id: None,
            rack_id: None,
            client,
            rebalance_timeout_ms: 0,
            subscribed_names: BTreeSet::new(),
            subscribed_regex: None,
            assignor: None,
            epoch: 0,
            previous_epoch: -1,
            state: MemberState::Stable,
            assigned: Partitions::new(),
            revoking: Partitions::new(),
            since: BTreeMap::new(),
            classic: None,
            session_ends_ms: 0,
            revoke_ends_ms: None,
        }
    }

    /// When something is due.
    fn due_ms(&self) -> impl Iterator<Item = i64> + '_ {
        let classic = self.classic.iter().flat_map(|classic| classic.join_ends_ms.into_iter().chain(classic.sync_ends_ms));
        self.revoke_ends_ms.into_iter().chain([self.session_ends_ms]).chain(classic)
    }

    /// The topics that it is subscribed to.
    fn subscribed(&self, topics: &Topics) -> BTreeSet<TopicId> {
        let matched = self.subscribed_regex.iter().flat_map(|pattern| pattern.matches(topics));
        self.subscribed_names.iter().chain(matched).filter_map(|name| topics.get(name)).map(|(topic, _)| *topic).collect()
    }

    /// What it is told when it names an epoch that is not its own.
    pub(super) fn stale(&self) -> ErrorCode {
        if self.classic.is_some() { ErrorCode::ILLEGAL_GENERATION } else { ErrorCode::STALE_MEMBER_EPOCH }
    }

    /// Whether it says of itself what it said before.
    fn has_same_wishes(&self, other: &Member) -> bool {
        self.subscribed_names == other.subscribed_names
            && self.subscribed_regex == other.subscribed_regex
            && self.assignor == other.assignor
            && self.rack_id == other.rack_id
            && self.instance_id == other.instance_id
            && self.rebalance_timeout_ms == other.rebalance_timeout_ms
            && self.client == other.client
            && self.classic.as_ref().map(ClassicSide::wishes) == other.classic.as_ref().map(ClassicSide::wishes)
    }
}

/// A group.
#[derive(Debug)]
pub(super) struct Consumer {
    pub epoch: i32,
    pub target_epoch: i32,
    /// When the target was computed, as far as is known: a restart forgets it, and the next one need not wait.
    target_ms: Option<i64>,
    pub members: BTreeMap<Str, Member>,
    pub targets: BTreeMap<Str, Partitions>,
    pub by_instance: HashMap<Str, Str>,
    /// Nothing is due before this; it may be less than what is due first.
    soonest_ms: Option<i64>,
    /// Who has a partition or has not given it up yet.
    pub owners: HashMap<(TopicId, i32), Str>,
    /// The topics as they were when the epoch rose for them, or the target was computed.
    topics: BTreeMap<TopicId, i32>,
    /// Of the listing that they were taken from.
    topics_version: u64,
    pace: Pace,
}

/// What the group does not know by itself.
pub(super) struct World<'a> {
    pub now_ms: i64,
    pub listing: &'a Listing,
    pub settings: ConsumerSettings,
    pub size_max: usize,
    pub assignors: &'a [String],
}

/// Why a heartbeat is refused: a code and a sentence.
pub(super) type Refused = (ErrorCode, String);

fn refused(code: ErrorCode, sentence: impl Into<String>) -> Refused {
    (code, sentence.into())
}

/// What a member may commit.
#[derive(Debug)]
pub(super) enum Scope {
    Everything,
    /// With an epoch that is over: what it has had since then or longer (KIP-1251), and else an error.
    Since(i32, BTreeMap<(TopicId, i32), i32>, ErrorCode),
}

impl Scope {
    pub(super) fn check(&self, topic: TopicId, partition: i32) -> Result<(), ErrorCode> {
        match self {
            Scope::Since(epoch, since, code) if since.get(&(topic, partition)).is_none_or(|since| since > epoch) => Err(*code),
            Scope::Everything | Scope::Since(..) => Ok(()),
        }
    }
}

/// What has to be kept.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub is_group_changed: bool,
    pub members: BTreeSet<Str>,
}

/// Checks what does not depend on the group.
pub(super) fn check(request: &ConsumerGroupHeartbeatRequest, version: i16, assignors: &[String]) -> Result<(), Refused> {
    let invalid = |sentence: &str| Err(refused(ErrorCode::INVALID_REQUEST, sentence));
    if request.group_id.trim().is_empty() {
        return invalid("GroupId can't be empty.");
    }
    if request.instance_id.as_ref().is_some_and(|id| id.is_empty()) {
        return invalid("InstanceId can't be empty.");
    }
    if request.rack_id.as_ref().is_some_and(|id| id.is_empty()) {
        return invalid("RackId can't be empty.");
    }
    // From version 1 on a member makes its own id.
    if request.member_id.is_empty() && (version >= 1 || request.member_epoch != 0) {
        return invalid("MemberId can't be empty.");
    }
    match request.member_epoch {
        0 => {
            if request.rebalance_timeout_ms == -1 {
                return invalid("RebalanceTimeoutMs must be provided in first request.");
            }
            if request.topic_partitions.as_ref().is_none_or(|partitions| !partitions.is_empty()) {
                return invalid("TopicPartitions must be empty when (re-)joining.");
            }
            let has_names = request.subscribed_topic_names.is_some();
            let has_regex = request.subscribed_topic_regex.is_some();
            if !has_names && !has_regex {
                return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.");
            }
        }
        LEAVE_STATIC if request.instance_id.is_none() => return invalid("InstanceId can't be null."),
        epoch if epoch < LEAVE_STATIC => return invalid(&format!("MemberEpoch is {epoch}, but must be greater than or equal to -2.")),
        _ => {}
    }
    if let Some(assignor) = &request.server_assignor
        && !assignors.iter().any(|known| *assignor == known.as_str())
    {
        let sentence = format!("ServerAssignor {assignor} is not supported. Supported assignors: {}.", assignors.join(", "));
        return Err(refused(ErrorCode::UNSUPPORTED_ASSIGNOR, sentence));
    }
    if let Some(pattern) = request.subscribed_topic_regex.as_ref().filter(|pattern| !pattern.is_empty()) {
        Pattern::new(pattern)?;
    }
    Ok(())
}

/// A pattern costs memory when it is compiled; matching takes time that is linear in the name, whatever the pattern.
const PATTERN_BYTES_MAX: usize = 64 * 1024;

impl Consumer {
    pub(super) fn new() -> Self {
        Consumer {
            epoch: 1,
            target_epoch: 0,
            target_ms: None,
            members: BTreeMap::new(),
            targets: BTreeMap::new(),
            by_instance: HashMap::new(),
            soonest_ms: None,
            owners: HashMap::new(),
            topics: BTreeMap::new(),
            topics_version: 0,
            pace: Pace::default(),
        }
    }

    /// Whether it is no more than a name.
    pub(super) fn is_unused(&self) -> bool {
        self.members.is_empty() && self.epoch <= 1
    }

    /// What the members' patterns match: members mostly have the same one, and each is looked at once.
    fn matched<'t>(&self, topics: &'t Topics) -> HashMap<&Str, Vec<&'t Str>> {
        let mut matched = HashMap::new();
        for pattern in self.members.values().filter_map(|member| member.subscribed_regex.as_ref()) {
            matched.entry(&pattern.text).or_insert_with(|| pattern.matches(topics).collect());
        }
        matched
    }

    /// The topics that some member wants, and how many partitions they have.
    fn wanted(&self, topics: &Topics) -> BTreeMap<TopicId, i32> {
        let named = self.members.values().flat_map(|member| &member.subscribed_names).filter_map(|name| topics.get(name));
        let matched = self.matched(topics);
        named.chain(matched.values().flatten().filter_map(|name| topics.get(*name))).copied().collect()
    }

    /// The topics of the target, and how many of their partitions it gives out, which is all that there were.
    fn given_out(&self) -> BTreeMap<TopicId, i32> {
        let mut counts = BTreeMap::new();
        for (topic, partitions) in self.targets.values().flatten().filter(|(_, partitions)| !partitions.is_empty()) {
            *counts.entry(*topic).or_default() += partitions.len() as i32;
        }
        counts
    }

    /// The names that the members are subscribed to.
    pub(super) fn subscribed(&self, topics: &Topics) -> BTreeSet<Str> {
        let named = self.members.values().flat_map(|member| &member.subscribed_names);
        named.chain(self.matched(topics).into_values().flatten()).cloned().collect()
    }

    /// The state, as it is described.
    pub(super) fn state_name(&self) -> &'static str {
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.target_epoch {
            "Assigning"
        } else if self.members.values().any(|member| member.state != MemberState::Stable || member.epoch != self.target_epoch) {
            "Reconciling"
        } else {
            "Stable"
        }
    }

    /// The assignor that most members prefer.
    pub(super) fn assignor(&self, assignors: &[String]) -> Assignor {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        self.members.values().filter_map(|member| member.assignor.as_deref()).for_each(|name| *votes.entry(name).or_default() += 1);
        let preferred = votes.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name);
        let name = preferred.or(assignors.first().map(String::as_str)).unwrap_or("uniform");
        Assignor::by_name(name).unwrap_or(Assignor::Uniform)
    }

    /// A member's heartbeat.
    pub(super) fn heartbeat(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
        member_id: &Str,
        client: Client,
        world: &World<'_>,
        changes: &mut Changes,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refused> {
        let id = self.identify(request, member_id, world, changes)?;
        let is_joining = request.member_epoch == 0;
        let before = self.members.get(&id).cloned();
        let mut member = before.clone().unwrap_or_else(|| Member::new(client.clone()));
        update(&mut member, request, client);
        member.session_ends_ms = world.now_ms + world.settings.session_timeout_ms;
        let is_changed = match &before {
            // Who wants nothing changes nothing for the others.
            None => {
                let matched = member.subscribed_regex.as_ref().and_then(|pattern| pattern.matches(&world.listing.topics).next());
                !member.subscribed_names.is_empty() || matched.is_some()
            }
            Some(before) => before.subscribed_names != member.subscribed_names || before.subscribed_regex != member.subscribed_regex,
        };
        self.put(&id, member, before.as_ref(), is_changed, world, changes);
        self.compute_target(world, changes);
        let owned = request.topic_partitions.as_deref().map(to_partitions);
        self.reconcile(&id, owned.as_ref(), is_changed, world, changes);
        let member = &self.members[&id];
        let is_full = is_joining
            || (request.rebalance_timeout_ms != -1
                && (request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some())
                && request.topic_partitions.is_some());
        let has_moved = before.is_none_or(|before| before.assigned != member.assigned);
        let heartbeat_interval_ms = self.pace.interval_ms(self.epoch, has_moved, self.members.len(), world);
        Ok(ConsumerGroupHeartbeatResponse {
            member_id: Some(id.clone()),
            member_epoch: member.epoch,
            heartbeat_interval_ms,
            assignment: (is_full || has_moved).then(|| Box::new(Assignment { topic_partitions: from_partitions(&member.assigned) })),
            ..Default::default()
        })
    }

    /// Puts a member in as it is now. The epoch rises when what is wanted has changed, or the topics have.
    pub(super) fn put(
        &mut self,
        id: &Str,
        member: Member,
        before: Option<&Member>,
        is_changed: bool,
        world: &World<'_>,
        changes: &mut Changes,
    ) {
        member.due_ms().min().into_iter().for_each(|due_ms| self.expect(due_ms));
        if before.is_none_or(|before| !before.has_same_wishes(&member)) {
            changes.members.insert(id.clone());
        }
        let renamed = before.filter(|before| before.instance_id != member.instance_id);
        if let Some(left_behind) = renamed.and_then(|before| before.instance_id.as_ref()) {
            self.release(left_behind, id);
        }
        if let Some(instance_id) = &member.instance_id {
            self.by_instance.insert(instance_id.clone(), id.clone());
        }
        self.members.insert(id.clone(), member);
        let has_new_topics = self.topics_version != world.listing.version && {
            self.topics_version = world.listing.version;
            self.wanted(&world.listing.topics) != self.topics
        };
        if is_changed || has_new_topics {
            self.bump(changes);
        }
    }

    /// Finds the member or makes room for it, and compares epochs.
    fn identify(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
        member_id: &Str,
        world: &World<'_>,
        changes: &mut Changes,
    ) -> Result<Str, Refused> {
        let is_joining = request.member_epoch == 0;
        let id = member_id.detached();
        if let Some(instance_id) = &request.instance_id {
            match self.by_instance.get(instance_id).cloned() {
                Some(known) if known == id => {}
                Some(known) if is_joining => {
                    // In the classic protocol whoever comes later takes the place.
                    let gives_way = |member: &Member| member.epoch == LEAVE_STATIC || member.classic.is_some();
                    if !self.members.get(&known).is_some_and(gives_way) {
                        let sentence =
                            format!("Static member {id} with instance id {instance_id} cannot join: {known} has it and has not left.");
                        return Err(refused(ErrorCode::UNRELEASED_INSTANCE_ID, sentence));
                    }
                    if self.members.contains_key(&id) {
                        let sentence = format!("Member {id} is in the group already, and cannot take the place of {known}.");
                        return Err(refused(ErrorCode::UNRELEASED_INSTANCE_ID, sentence));
                    }
                    self.rename(&known, &id, changes);
                    return Ok(id);
                }
                Some(known) => {
                    let sentence = format!("Static member {id} with instance id {instance_id} was fenced by {known}.");
                    return Err(refused(ErrorCode::FENCED_INSTANCE_ID, sentence));
                }
                None if is_joining => {}
                None => return Err(refused(ErrorCode::UNKNOWN_MEMBER_ID, format!("Instance id {instance_id} is unknown."))),
            }
        }
        let Some(member) = self.members.get(&id) else {
            if !is_joining {
                return Err(refused(ErrorCode::UNKNOWN_MEMBER_ID, format!("Member {id} is not a member of the group.")));
            }
            if self.members.len() >= world.size_max {
                let sentence = format!("The consumer group has reached its maximum capacity of {} members.", world.size_max);
                return Err(refused(ErrorCode::GROUP_MAX_SIZE_REACHED, sentence));
            }
            return Ok(id);
        };
        let (asked, epoch) = (request.member_epoch, member.epoch);
        if is_joining || asked == epoch {
            return Ok(id);
        }
        let owns_less = || {
            let Some(owned) = request.topic_partitions.as_deref().map(to_partitions) else { return false };
            owned.iter().all(|(topic, partitions)| member.assigned.get(topic).is_some_and(|assigned| partitions.is_subset(assigned)))
        };
        // It missed the answer that told it of its new epoch.
        if asked == member.previous_epoch && asked < epoch && owns_less() {
            return Ok(id);
        }
        let sentence = format!(
            "The consumer group member has epoch {asked}, the group coordinator knows {epoch}. The member must abandon all its partitions and rejoin."
        );
        Err(refused(ErrorCode::FENCED_MEMBER_EPOCH, sentence))
    }

    /// A static member comes back under another id and takes over what it had.
    pub(super) fn rename(&mut self, old_id: &Str, new_id: &Str, changes: &mut Changes) {
        let Some(mut member) = self.members.remove(old_id) else { return };
        if let Some(target) = self.targets.remove(old_id) {
            self.targets.insert(new_id.clone(), target);
        }
        self.owners.values_mut().filter(|owner| *owner == old_id).for_each(|owner| *owner = new_id.clone());
        member.epoch = 0;
        member.previous_epoch = -1;
        if let Some(instance_id) = &member.instance_id {
            self.by_instance.insert(instance_id.clone(), new_id.clone());
        }
        self.members.insert(new_id.clone(), member);
        changes.members.extend([old_id.clone(), new_id.clone()]);
    }

    /// A lasting name is free again, if it is still this member's.
    fn release(&mut self, instance_id: &Str, id: &Str) {
        if self.by_instance.get(instance_id) == Some(id) {
            self.by_instance.remove(instance_id);
        }
    }

    fn bump(&mut self, changes: &mut Changes) {
        self.epoch += 1;
        changes.is_group_changed = true;
    }

    /// Computes who is to have what, when something changed since it was computed, and not too soon after that. Until then
    /// members go on towards the last target, and the first heartbeat after it computes one for all that has changed.
    pub(super) fn compute_target(&mut self, world: &World<'_>, changes: &mut Changes) {
        if self.target_epoch >= self.epoch {
            return;
        }
        let topics = &world.listing.topics;
        let interval_ms = world.settings.assignment_interval_ms;
        if self.target_ms.is_some_and(|target_ms| world.now_ms < target_ms + interval_ms) {
            // The next target knows of them: they are no reason for another one.
            if changes.is_group_changed {
                self.topics = self.wanted(topics);
            }
            return;
        }
        self.topics = self.wanted(topics);
        let matched = self.matched(topics);
        let wishes = |member: &Member| {
            let of_pattern = member.subscribed_regex.as_ref().and_then(|pattern| matched.get(&pattern.text));
            let names = member.subscribed_names.iter().chain(of_pattern.into_iter().flatten().copied());
            names.filter_map(|name| topics.get(name)).map(|(topic, _)| *topic).collect()
        };
        let wishes: BTreeMap<&Str, BTreeSet<TopicId>> = self.members.iter().map(|(id, member)| (id, wishes(member))).collect();
        let nothing = Partitions::new();
        let candidates: Vec<Candidate<'_>> = self
            .members
            .iter()
            .map(|(id, member)| Candidate {
                id,
                instance_id: member.instance_id.as_ref(),
                topics: &wishes[id],
                before: self.targets.get(id).unwrap_or(&nothing),
            })
            .collect();
        let targets = self.assignor(world.assignors).assign(&candidates, &self.topics);
        for (id, target) in &targets {
            if self.targets.get(id) != Some(target) {
                changes.members.insert(id.clone());
            }
        }
        self.targets = targets;
        self.target_epoch = self.epoch;
        self.target_ms = Some(world.now_ms);
        changes.is_group_changed = true;
    }

    /// Leads a member one step towards its target.
    pub(super) fn reconcile(&mut self, id: &Str, owned: Option<&Partitions>, is_changed: bool, world: &World<'_>, changes: &mut Changes) {
        let Some(mut member) = self.members.remove(id) else { return };
        let is_acknowledged = owned.is_some_and(|owned| !intersects(owned, &member.revoking));
        let is_due = match member.state {
            MemberState::Stable => member.epoch != self.target_epoch,
            MemberState::Revoking => is_acknowledged,
            MemberState::Waiting => true,
        };
        if is_due || is_changed {
            let (epoch, state) = (member.epoch, member.state);
            let (assigned, revoking) = (member.assigned.clone(), member.revoking.clone());
            if is_due {
                let target = self.target_of(id, &member, world);
                self.step(id, &mut member, &target, owned, world);
            } else {
                self.unsubscribe(&mut member, owned, world);
            }
            if (epoch, state) != (member.epoch, member.state) || assigned != member.assigned || revoking != member.revoking {
                changes.members.insert(id.clone());
            }
        }
        self.members.insert(id.clone(), member);
    }

    /// What a member is to have; of a target that is too old, what it is still subscribed to.
    fn target_of(&self, id: &Str, member: &Member, world: &World<'_>) -> Partitions {
        let mut target = self.targets.get(id).cloned().unwrap_or_default();
        if self.target_epoch < self.epoch {
            let subscribed = member.subscribed(&world.listing.topics);
            target.retain(|topic, _| subscribed.contains(topic));
        }
        target
    }

    /// What a member is subscribed to no more it gives up at once, whatever its target says.
    fn unsubscribe(&mut self, member: &mut Member, owned: Option<&Partitions>, world: &World<'_>) {
        let subscribed = member.subscribed(&world.listing.topics);
        let (kept, given_up): (Partitions, Partitions) =
            std::mem::take(&mut member.assigned).into_iter().partition(|(topic, _)| subscribed.contains(topic));
        member.assigned = kept;
        if given_up.is_empty() {
            return;
        }
        let revoking = union(&member.revoking, &given_up);
        if owned.is_none_or(|owned| intersects(owned, &revoking)) {
            self.revoke(member, revoking, world);
        } else {
            self.give_up(member, &given_up);
        }
    }

    /// A member has to give partitions up, and to say that it did.
    fn revoke(&mut self, member: &mut Member, revoking: Partitions, world: &World<'_>) {
        member.revoking = revoking;
        member.state = MemberState::Revoking;
        // One of the classic protocol has other ways to be late.
        if member.classic.is_none() {
            member.revoke_ends_ms = Some(world.now_ms + member.rebalance_timeout_ms);
            self.expect(world.now_ms + member.rebalance_timeout_ms);
        }
    }

    /// A member has given partitions up.
    fn give_up(&mut self, member: &mut Member, given_up: &Partitions) {
        flat(given_up).for_each(|partition| {
            self.owners.remove(&partition);
        });
        member.since.retain(|partition, _| has(&member.assigned, partition));
    }

    fn step(&mut self, id: &Str, member: &mut Member, target: &Partitions, owned: Option<&Partitions>, world: &World<'_>) {
        for partition in flat(&member.revoking) {
            self.owners.remove(&partition);
        }
        member.revoking.clear();
        member.revoke_ends_ms = None;
        let kept = both(&member.assigned, target);
        let given_up = without(&member.assigned, &kept);
        let must_revoke = owned.is_none_or(|owned| intersects(owned, &given_up));
        member.assigned = kept;
        if !given_up.is_empty() && must_revoke {
            self.revoke(member, given_up, world);
            return;
        }
        self.give_up(member, &given_up);
        let missing = without(target, &member.assigned);
        let mut is_waiting = false;
        for (topic, partition) in flat(&missing) {
            match self.owners.get(&(topic, partition)) {
                Some(owner) if owner != id => is_waiting = true,
                _ => {
                    member.assigned.entry(topic).or_default().insert(partition);
                    member.since.insert((topic, partition), self.target_epoch);
                    self.owners.insert((topic, partition), id.clone());
                }
            }
        }
        member.state = if is_waiting { MemberState::Waiting } else { MemberState::Stable };
        if member.epoch != self.target_epoch {
            member.previous_epoch = member.epoch;
            member.epoch = self.target_epoch;
        }
    }

    /// A member goes: for good, or, a static one, for a while.
    pub(super) fn leave(&mut self, request: &ConsumerGroupHeartbeatRequest, changes: &mut Changes) -> Result<(), Refused> {
        let id = match &request.instance_id {
            None => request.member_id.clone(),
            Some(instance_id) => match self.by_instance.get(instance_id) {
                None => return Err(refused(ErrorCode::UNKNOWN_MEMBER_ID, format!("Instance id {instance_id} is unknown."))),
                Some(known) if *known != request.member_id => {
                    return Err(refused(ErrorCode::FENCED_INSTANCE_ID, format!("Instance id {instance_id} belongs to {known}.")));
                }
                Some(known) => known.clone(),
            },
        };
        let Some(member) = self.members.get_mut(&id) else {
            return Err(refused(ErrorCode::UNKNOWN_MEMBER_ID, format!("Member {id} is not a member of the group.")));
        };
        if request.member_epoch == LEAVE_STATIC {
            member.epoch = LEAVE_STATIC;
            member.state = MemberState::Stable;
            member.revoke_ends_ms = None;
            let given_up = std::mem::take(&mut member.revoking);
            flat(&given_up).for_each(|partition| {
                self.owners.remove(&partition);
            });
            // Whoever takes its place may still know an older epoch.
            member.since = flat(&member.assigned).map(|partition| (partition, 0)).collect();
            changes.members.insert(id);
        } else {
            self.remove(&id, changes);
        }
        Ok(())
    }

    fn remove(&mut self, id: &Str, changes: &mut Changes) {
        if self.take_out(id, changes) {
            self.bump(changes);
        }
    }

    fn take_out(&mut self, id: &Str, changes: &mut Changes) -> bool {
        let Some(member) = self.members.remove(id) else { return false };
        if let Some(instance_id) = &member.instance_id {
            self.release(instance_id, id);
        }
        self.targets.remove(id);
        self.owners.retain(|_, owner| owner != id);
        changes.members.insert(id.clone());
        true
    }

    /// Something is due then.
    pub(super) fn expect(&mut self, due_ms: i64) {
        self.soonest_ms = Some(self.soonest_ms.map_or(due_ms, |soonest_ms| soonest_ms.min(due_ms)));
    }

    /// When to look whether something is due. Every heartbeat puts its member's time off: they are gone through only then.
    pub(super) fn next_deadline_ms(&self) -> Option<i64> {
        self.soonest_ms
    }

    fn look_for_the_soonest(&mut self) {
        self.soonest_ms = self.members.values().flat_map(Member::due_ms).min();
    }

    /// Time has passed: who was silent, or did not give up in time, is out.
    pub(super) fn tick(&mut self, now_ms: i64, changes: &mut Changes) {
        let is_over = |member: &Member| member.due_ms().any(|due_ms| due_ms <= now_ms);
        let gone: Vec<Str> = self.members.iter().filter(|(_, member)| is_over(member)).map(|(id, _)| id.clone()).collect();
        gone.iter().for_each(|id| self.remove(id, changes));
        self.look_for_the_soonest();
    }

    /// What may be committed by a member of this epoch.
    pub(super) fn check_committer(&self, member_id: &Str, epoch: i32) -> Result<Scope, ErrorCode> {
        // An administrator may, while there are no members.
        if epoch < 0 && self.members.is_empty() {
            return Ok(Scope::Everything);
        }
        match self.members.get(member_id) {
            None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(member) if epoch > member.epoch => Err(member.stale()),
            Some(member) if epoch < member.epoch => Ok(Scope::Since(epoch, member.since.clone(), member.stale())),
            Some(_) => Ok(Scope::Everything),
        }
    }

    /// Whether offsets may be asked for: by who says nothing of itself, or by a member that knows its epoch.
    pub(super) fn check_reader(&self, member_id: Option<&Str>, epoch: i32) -> Result<(), ErrorCode> {
        if member_id.is_none() && epoch < 0 {
            return Ok(());
        }
        match member_id.and_then(|member_id| self.members.get(member_id)) {
            None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(member) if member.epoch != epoch => Err(member.stale()),
            Some(_) => Ok(()),
        }
    }

    /// What is kept of a member.
    pub(super) fn member_value(&self, id: &Str) -> Option<ConsumerMemberValue> {
        let member = self.members.get(id)?;
        let text = |text: &Option<Str>| text.as_ref().map(ToString::to_string);
        Some(ConsumerMemberValue {
            instance_id: text(&member.instance_id),
            rack_id: text(&member.rack_id),
            client_id: member.client.id.to_string(),
            client_host: member.client.host.to_string(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            subscribed_names: member.subscribed_names.iter().map(ToString::to_string).collect(),
            subscribed_regex: member.subscribed_regex.as_ref().map(|pattern| pattern.text.to_string()),
            assignor: text(&member.assignor),
            epoch: member.epoch,
            previous_epoch: member.previous_epoch,
            assigned: to_value(&member.assigned),
            revoking: to_value(&member.revoking),
            target: self.targets.get(id).map(to_value).unwrap_or_default(),
            since: to_since(&member.since),
            classic: member.classic.as_ref().map(ClassicSide::to_value),
        })
    }

    /// Takes a member back as an earlier process kept it, which may have kept it anew later: what follows from all members is for
    /// [`Consumer::begin_sessions`] and [`Consumer::settle`].
    pub(super) fn restore(&mut self, id: &str, value: ConsumerMemberValue, now_ms: i64) {
        let id = Str::from(id);
        let (assigned, revoking) = (of_value(value.assigned), of_value(value.revoking));
        let target = of_value(value.target);
        let state = if !revoking.is_empty() {
            MemberState::Revoking
        } else if assigned == target {
            MemberState::Stable
        } else {
            MemberState::Waiting
        };
        self.targets.insert(id.clone(), target);
        let member = Member {
            instance_id: value.instance_id.map(Str::from),
            rack_id: value.rack_id.map(Into::into),
            client: Client { id: value.client_id.into(), host: value.client_host.into() },
            rebalance_timeout_ms: value.rebalance_timeout_ms,
            subscribed_names: value.subscribed_names.into_iter().map(Str::from).collect(),
            subscribed_regex: value.subscribed_regex.and_then(|pattern| Pattern::new(&pattern.into()).ok()),
            assignor: value.assignor.map(Into::into),
            epoch: value.epoch,
            previous_epoch: value.previous_epoch,
            state,
            assigned,
            revoke_ends_ms: (!revoking.is_empty()).then_some(now_ms + value.rebalance_timeout_ms),
            revoking,
            since: of_since(value.since),
            session_ends_ms: now_ms,
            classic: value.classic.map(ClassicSide::of_value),
        };
        self.members.insert(id, member);
    }

    /// Members that were taken back have a whole session to show that they are there.
    pub(super) fn begin_sessions(&mut self, now_ms: i64, session_timeout_ms: i64) {
        for member in self.members.values_mut() {
            member.session_ends_ms = now_ms + member.classic.as_ref().map_or(session_timeout_ms, |classic| classic.session_timeout_ms);
        }
    }

    /// After everything was taken back: who has what follows from what the members have in the end. The next heartbeat compares
    /// the topics as they are with those that the target gives out, and sees what changed while nobody looked.
    pub(super) fn settle(&mut self, listing: &Listing) {
        for (id, member) in &self.members {
            self.by_instance.extend(member.instance_id.iter().map(|instance_id| (instance_id.clone(), id.clone())));
            self.owners.extend(flat(&member.assigned).chain(flat(&member.revoking)).map(|partition| (partition, id.clone())));
        }
        // A target that is too old is computed anew in any case.
        let is_current = self.target_epoch >= self.epoch;
        self.topics = if is_current { self.given_out() } else { self.wanted(&listing.topics) };
        self.look_for_the_soonest();
    }

    /// A member that an earlier process knew had left.
    pub(super) fn forget(&mut self, id: &str) {
        let id = Str::from(id);
        self.members.remove(&id);
        self.targets.remove(&id);
    }

    /// The member that a LeaveGroup means.
    pub(super) fn find(&self, id: &Str, instance_id: Option<&Str>) -> Result<Str, ErrorCode> {
        match instance_id.map(|instance_id| self.by_instance.get(instance_id)) {
            Some(None) => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(Some(known)) if !id.is_empty() && known != id => Err(ErrorCode::FENCED_INSTANCE_ID),
            Some(Some(known)) => Ok(known.clone()),
            None if self.members.contains_key(id) => Ok(id.detached()),
            None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
        }
    }

    /// Several members go at once.
    pub(super) fn remove_all(&mut self, ids: &BTreeSet<Str>, changes: &mut Changes) {
        let mut is_any_gone = false;
        ids.iter().for_each(|id| is_any_gone |= self.take_out(id, changes));
        if is_any_gone {
            self.bump(changes);
        }
    }
}

/// Takes over what a heartbeat says.
fn update(member: &mut Member, request: &ConsumerGroupHeartbeatRequest, client: Client) {
    let taken = |text: &Str| Some(text.detached());
    if let Some(instance_id) = &request.instance_id {
        member.instance_id = taken(instance_id);
    }
    if let Some(rack_id) = &request.rack_id {
        member.rack_id = taken(rack_id);
    }
    if request.rebalance_timeout_ms != -1 {
        member.rebalance_timeout_ms = request.rebalance_timeout_ms.into();
    }
    if let Some(assignor) = &request.server_assignor {
        member.assignor = taken(assignor);
    }
    if let Some(names) = &request.subscribed_topic_names {
        member.subscribed_names = names.iter().map(Str::detached).collect();
    }
    if let Some(pattern) = &request.subscribed_topic_regex
        && member.subscribed_regex.as_ref().is_none_or(|known| known.text != *pattern)
    {
        // It was checked before.
        member.subscribed_regex = Pattern::new(pattern).ok().filter(|_| !pattern.is_empty());
    }
    member.client = client;
    member.classic = None;
}

fn to_partitions(asked: &[TopicPartitions]) -> Partitions {
    asked.iter().map(|topic| (topic.topic_id, topic.partitions.iter().copied().collect())).collect()
}

pub(super) fn from_partitions(partitions: &Partitions) -> Vec<TopicPartitions> {
    let topic = |(topic_id, partitions): (&TopicId, &BTreeSet<i32>)| TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
    };
    partitions.iter().filter(|(_, partitions)| !partitions.is_empty()).map(topic).collect()
}

fn to_value(partitions: &Partitions) -> PartitionsValue {
    partitions.iter().map(|(topic, partitions)| (topic.0, partitions.iter().copied().collect())).collect()
}

fn of_value(value: PartitionsValue) -> Partitions {
    value.into_iter().map(|(topic, partitions)| (TopicId(topic), partitions.into_iter().collect())).collect()
}

fn to_since(since: &BTreeMap<(TopicId, i32), i32>) -> SinceValue {
    let mut value = SinceValue::new();
    for ((topic, partition), epoch) in since {
        match value.last_mut() {
            Some((last, epochs)) if *last == topic.0 => epochs.push((*partition, *epoch)),
            _ => value.push((topic.0, vec![(*partition, *epoch)])),
        }
    }
    value
}

fn of_since(value: SinceValue) -> BTreeMap<(TopicId, i32), i32> {
    let topic = |(topic, epochs): ([u8; 16], Vec<(i32, i32)>)| {
        epochs.into_iter().map(move |(partition, epoch)| ((TopicId(topic), partition), epoch))
    };
    value.into_iter().flat_map(topic).collect()
}

pub(super) fn flat(partitions: &Partitions) -> impl Iterator<Item = (TopicId, i32)> + '_ {
    partitions.iter().flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)))
}

fn intersects(a: &Partitions, b: &Partitions) -> bool {
    flat(a).any(|(topic, partition)| b.get(&topic).is_some_and(|partitions| partitions.contains(&partition)))
}

fn collect(partitions: impl Iterator<Item = (TopicId, i32)>) -> Partitions {
    let mut collected = Partitions::new();
    partitions.for_each(|(topic, partition)| {
        collected.entry(topic).or_default().insert(partition);
    });
    collected
}

fn has(partitions: &Partitions, (topic, partition): &(TopicId, i32)) -> bool {
    partitions.get(topic).is_some_and(|partitions| partitions.contains(partition))
}

/// Everything that is in either.
pub(super) fn union(a: &Partitions, b: &Partitions) -> Partitions {
    collect(flat(a).chain(flat(b)))
}

fn both(a: &Partitions, b: &Partitions) -> Partitions {
    collect(flat(a).filter(|place| has(b, place)))
}

pub(super) fn without(a: &Partitions, b: &Partitions) -> Partitions {
    collect(flat(a).filter(|place| !has(b, place)))
}
