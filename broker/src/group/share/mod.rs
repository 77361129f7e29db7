//! The state machine of a share group (KIP-932): members say which topics they want, and the group tells each of them partitions to read.
//! Several members may have the same partition, so nobody gives anything up before another gets it: a member has what it is told at
//! once. Pure: a heartbeat or the time comes in, an answer comes out.
//!
//! What it is not: it knows no records. Who has acquired which of them, and how far the group has come, is another part's.
//!
//! Members are not kept in the journal. Nobody owns a partition alone, and a member that a restarted broker does not know joins again.
//! What is kept is that the group exists, and its epoch, so that epochs rise over restarts.
//!
//! The rules are those of Kafka's `GroupMetadataManager` and `ShareGroupAssignmentBuilder`.
//!
//! * `request` is what a heartbeat may say; * `member` is what is known of a member; * `assign` says who gets which partitions

mod assign;
mod member;
mod request;

use std::collections::{BTreeMap, BTreeSet};

use millstream_protocol::message::consumer_group_heartbeat::Assignment;
use millstream_protocol::message::share_group_heartbeat::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use millstream_protocol::{Str, TopicId};

use self::assign::assign;
use super::Client;
use super::assignor::Partitions;
use super::consumer::from_partitions;
use super::error::ShareHeartbeatError;
use super::record::ShareValue;
use crate::catalog::{Listing, Topics};
use crate::config::share::ShareSettings;

pub(super) use member::ShareMember;
pub(super) use request::check;

/// Leaves.
pub(super) const LEAVE: i32 = -1;
/// What such groups are called.
pub(super) const SHARE: &str = "share";
/// The one assignor of share groups.
pub(super) const SIMPLE: &str = "simple";

/// For how long a group counts as changing after it changed.
const CHANGING_MS: i64 = 5000;
/// How often members come meanwhile: a member hears of what changed with its next heartbeat.
const SOON_MS: i64 = 1000;

/// A group.
#[derive(Debug)]
pub(super) struct Share {
    pub epoch: i32,
    pub target_epoch: i32,
    pub members: BTreeMap<Str, ShareMember>,
    targets: BTreeMap<Str, Partitions>,
    /// When the target was computed, as far as is known: a restart forgets it, and the next one need not wait.
    target_ms: Option<i64>,
    /// When the epoch rose.
    changed_ms: Option<i64>,
    /// No session ends before this; it may be less than what ends first.
    soonest_ms: Option<i64>,
    /// The topics as they were when the epoch rose for them, or the target was computed.
    topics: BTreeMap<TopicId, i32>,
    /// Of the listing that they were taken from.
    topics_version: u64,
}

/// What the group does not know by itself.
pub(super) struct ShareSurroundings<'a> {
    pub now_ms: i64,
    pub listing: &'a Listing,
    pub settings: ShareSettings,
    pub size_max: usize,
}

impl Share {
    pub(super) fn new() -> Self {
        Share::restored(ShareValue { epoch: 1, target_epoch: 1 })
    }

    /// As the journal has it: without its members, who join again.
    pub(super) fn restored(value: ShareValue) -> Self {
        Share {
            epoch: value.epoch,
            target_epoch: value.target_epoch,
            members: BTreeMap::new(),
            targets: BTreeMap::new(),
            target_ms: None,
            changed_ms: None,
            soonest_ms: None,
            topics: BTreeMap::new(),
            topics_version: 0,
        }
    }

    /// What is kept of it.
    pub(super) fn to_value(&self) -> ShareValue {
        ShareValue { epoch: self.epoch, target_epoch: self.target_epoch }
    }

    /// Whether it is no more than a name.
    pub(super) fn is_unused(&self) -> bool {
        self.members.is_empty() && self.epoch <= 1
    }

    /// The state, as it is described.
    pub(super) fn state_name(&self) -> &'static str {
        if self.members.is_empty() { "Empty" } else { "Stable" }
    }

    /// The names that the members are subscribed to.
    pub(super) fn subscribed(&self) -> BTreeSet<Str> {
        self.members.values().flat_map(|member| &member.subscribed_names).cloned().collect()
    }

    /// A member joins or goes on.
    pub(super) fn heartbeat(
        &mut self,
        request: &ShareGroupHeartbeatRequest,
        client: Client,
        world: &ShareSurroundings<'_>,
    ) -> Result<ShareGroupHeartbeatResponse, ShareHeartbeatError> {
        self.admit(request, world)?;
        let id = request.member_id.detached();
        let before = self.members.get(&id).cloned();
        let mut member = before.clone().unwrap_or_default();
        member.update(request, client);
        member.session_ends_ms = world.now_ms + world.settings.session_timeout_ms;
        self.expect(member.session_ends_ms);
        let is_changed = before.as_ref().is_none_or(|before| before.subscribed_names != member.subscribed_names);
        self.members.insert(id.clone(), member);
        self.look_at_topics(is_changed, world);
        self.compute_target(world);
        let has_moved = self.reconcile(&id);
        let member = &self.members[&id];
        let is_told = request.member_epoch == 0 || request.subscribed_topic_names.is_some() || has_moved;
        Ok(ShareGroupHeartbeatResponse {
            member_id: Some(id.clone()),
            member_epoch: member.epoch,
            heartbeat_interval_ms: self.interval_ms(world),
            assignment: is_told.then(|| Box::new(Assignment { topic_partitions: from_partitions(&member.assigned) })),
            ..Default::default()
        })
    }

    /// Finds the member or sees that there is room for it, and compares epochs.
    fn admit(&self, request: &ShareGroupHeartbeatRequest, world: &ShareSurroundings<'_>) -> Result<(), ShareHeartbeatError> {
        let asked = request.member_epoch;
        let Some(member) = self.members.get(&request.member_id) else {
            if self.members.len() >= world.size_max {
                return Err(ShareHeartbeatError::GroupFull(world.size_max));
            }
            return if asked == 0 { Ok(()) } else { Err(unknown(request)) };
        };
        let (known, previous) = (member.epoch, member.previous_epoch);
        match asked {
            0 => Ok(()),
            asked if asked > known => Err(ShareHeartbeatError::EpochAhead { asked, known }),
            // It may have missed the answer that told it of its new epoch.
            asked if asked == known || asked == previous => Ok(()),
            asked => Err(ShareHeartbeatError::EpochBehind { asked, known, previous }),
        }
    }

    /// The epoch rises when what is wanted has changed, or the topics have.
    fn look_at_topics(&mut self, is_changed: bool, world: &ShareSurroundings<'_>) {
        if !is_changed && self.topics_version == world.listing.version {
            return;
        }
        self.topics_version = world.listing.version;
        let wanted = self.wanted(&world.listing.topics);
        if is_changed || wanted != self.topics {
            self.bump(world.now_ms);
        }
        self.topics = wanted;
    }

    /// The topics that some member wants, and how many partitions they have.
    fn wanted(&self, topics: &Topics) -> BTreeMap<TopicId, i32> {
        let names = self.members.values().flat_map(|member| &member.subscribed_names);
        names.filter_map(|name| topics.get(name)).copied().collect()
    }

    fn bump(&mut self, now_ms: i64) {
        self.epoch += 1;
        self.changed_ms = Some(now_ms);
    }

    /// Computes the target assignment, when something changed since it was computed, and not too soon after that.
    fn compute_target(&mut self, world: &ShareSurroundings<'_>) {
        let interval_ms = world.settings.assignment_interval_ms;
        let is_too_soon = self.target_ms.is_some_and(|target_ms| world.now_ms < target_ms + interval_ms);
        if self.target_epoch >= self.epoch || is_too_soon {
            return;
        }
        self.topics = self.wanted(&world.listing.topics);
        self.targets = assign(&self.members, &self.targets, &world.listing.topics, &self.topics);
        self.target_epoch = self.epoch;
        self.target_ms = Some(world.now_ms);
    }

    /// A member gets what it is to have; says whether that is something else than it had.
    fn reconcile(&mut self, id: &Str) -> bool {
        let Some(member) = self.members.get_mut(id).filter(|member| member.epoch != self.target_epoch) else { return false };
        member.previous_epoch = member.epoch;
        member.epoch = self.target_epoch;
        let target = self.targets.get(id).cloned().unwrap_or_default();
        std::mem::replace(&mut member.assigned, target) != member.assigned
    }

    fn interval_ms(&self, world: &ShareSurroundings<'_>) -> i32 {
        let is_waiting = self.target_epoch < self.epoch;
        let is_changing = is_waiting || self.changed_ms.is_some_and(|changed_ms| world.now_ms - changed_ms < CHANGING_MS);
        let told_ms = world.settings.heartbeat_ms;
        (if is_changing { told_ms.min(SOON_MS) } else { told_ms }) as i32
    }

    /// A member says that it goes.
    pub(super) fn leave(&mut self, request: &ShareGroupHeartbeatRequest, now_ms: i64) -> Result<(), ShareHeartbeatError> {
        if !self.members.contains_key(&request.member_id) {
            return Err(unknown(request));
        }
        self.remove(&request.member_id, now_ms);
        Ok(())
    }

    fn remove(&mut self, id: &Str, now_ms: i64) {
        self.members.remove(id);
        self.targets.remove(id);
        self.bump(now_ms);
    }

    fn expect(&mut self, due_ms: i64) {
        self.soonest_ms = Some(self.soonest_ms.map_or(due_ms, |soonest_ms| soonest_ms.min(due_ms)));
    }

    /// When to look whether a session has ended. Every heartbeat puts its member's end off: they are gone through only then.
    pub(super) fn next_deadline_ms(&self) -> Option<i64> {
        self.soonest_ms
    }

    /// Time has passed: members whose sessions have ended are removed.
    pub(super) fn tick(&mut self, now_ms: i64) {
        let gone = self.members.iter().filter(|(_, member)| member.session_ends_ms <= now_ms).map(|(id, _)| id.clone());
        gone.collect::<Vec<Str>>().iter().for_each(|id| self.remove(id, now_ms));
        self.soonest_ms = self.members.values().map(|member| member.session_ends_ms).min();
    }
}

fn unknown(request: &ShareGroupHeartbeatRequest) -> ShareHeartbeatError {
    ShareHeartbeatError::UnknownMember { member: request.member_id.detached(), group: request.group_id.detached() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group, its topics, and the time.
    struct World {
        group: Share,
        listing: Listing,
        settings: ShareSettings,
        now_ms: i64,
    }

    /// The partitions of an assignment.
    type Flat = Vec<(TopicId, Vec<i32>)>;

    fn topic(n: u8) -> TopicId {
        TopicId([n; 16])
    }

    impl World {
        fn new(topics: &[(&str, u8, i32)]) -> Self {
            let settings = crate::config::BrokerSettings::new(Default::default()).unwrap().groups.share;
            let mut world =
                World { group: Share::new(), listing: Listing { version: 1, topics: Topics::new() }, settings, now_ms: 1_000_000 };
            topics.iter().for_each(|(name, n, count)| world.put_topic(name, *n, *count));
            world
        }

        fn put_topic(&mut self, name: &str, n: u8, count: i32) {
            self.listing.version += 1;
            self.listing.topics.insert(name.into(), (topic(n), count));
        }

        fn beat(&mut self, id: &str, epoch: i32, names: Option<&[&str]>) -> Result<ShareGroupHeartbeatResponse, ShareHeartbeatError> {
            let request = ShareGroupHeartbeatRequest {
                group_id: "g".into(),
                member_id: id.into(),
                member_epoch: epoch,
                subscribed_topic_names: names.map(|names| names.iter().map(|name| Str::from(*name)).collect()),
                ..Default::default()
            };
            check(&request)?;
            let surroundings = ShareSurroundings { now_ms: self.now_ms, listing: &self.listing, settings: self.settings, size_max: 3 };
            match epoch {
                LEAVE => self.group.leave(&request, self.now_ms).map(|()| ShareGroupHeartbeatResponse::default()),
                _ => self.group.heartbeat(&request, Client::default(), &surroundings),
            }
        }

        fn join(&mut self, id: &str, names: &[&str]) -> ShareGroupHeartbeatResponse {
            self.beat(id, 0, Some(names)).unwrap()
        }

        /// What a member's heartbeat tells it, with its own epoch; the epoch that it has then.
        fn go_on(&mut self, id: &str) -> (i32, Option<Flat>) {
            let told = self.beat(id, self.group.members[id.as_bytes()].epoch, None).unwrap();
            (told.member_epoch, told.assignment.map(|assignment| flat(&assignment)))
        }
    }

    fn flat(assignment: &Assignment) -> Flat {
        assignment.topic_partitions.iter().map(|told| (told.topic_id, told.partitions.clone())).collect()
    }

    #[test]
    fn members_get_partitions_when_they_join_and_hear_of_changes_alone() {
        let mut world = World::new(&[("a", 1, 4)]);
        let told = world.join("A", &["a"]);
        assert_eq!((told.member_epoch, flat(&told.assignment.unwrap())), (2, vec![(topic(1), vec![0, 1, 2, 3])]));
        assert_eq!(world.go_on("A"), (2, None), "nothing new");
        let told = world.join("B", &["a"]);
        assert_eq!((told.member_epoch, flat(&told.assignment.unwrap())), (3, vec![(topic(1), vec![2, 3])]), "at once");
        assert_eq!(world.go_on("A"), (3, Some(vec![(topic(1), vec![0, 1])])));
        assert_eq!(world.go_on("A"), (3, None));
        assert_eq!(world.group.state_name(), "Stable");
    }

    #[test]
    fn more_members_than_partitions_have_some_together() {
        let mut world = World::new(&[("a", 1, 1)]);
        for id in ["A", "B", "C"] {
            assert_eq!(flat(&world.join(id, &["a"]).assignment.unwrap()), [(topic(1), vec![0])], "{id}");
        }
        let refused = world.beat("D", 0, Some(&["a"])).unwrap_err();
        assert_eq!(refused.to_string(), "The share group has reached its maximum capacity of 3 members.");
        assert_eq!(world.beat("D", 7, None).unwrap_err(), ShareHeartbeatError::GroupFull(3), "before it is unknown");
        assert!(world.beat("C", 0, Some(&["a"])).is_ok(), "it has its place");
    }

    #[test]
    fn who_goes_leaves_its_partitions_to_the_others() {
        let mut world = World::new(&[("a", 1, 2)]);
        world.join("A", &["a"]);
        world.join("B", &["a"]);
        world.go_on("A");
        world.beat("B", LEAVE, None).unwrap();
        assert_eq!((world.group.epoch, world.group.target_epoch), (4, 3));
        assert_eq!(world.go_on("A"), (4, Some(vec![(topic(1), vec![0, 1])])));
        let unknown = world.beat("B", LEAVE, None).unwrap_err();
        assert_eq!(unknown.to_string(), "Member B is not a member of group g.");
        world.beat("A", LEAVE, None).unwrap();
        assert_eq!((world.group.state_name(), world.group.is_unused()), ("Empty", false));
        assert_eq!(world.join("A", &["a"]).member_epoch, 6);
    }

    #[test]
    fn who_is_silent_for_a_session_is_gone() {
        let mut world = World::new(&[("a", 1, 2)]);
        world.join("A", &["a"]);
        world.join("B", &["a"]);
        assert_eq!(world.group.next_deadline_ms(), Some(1_045_000));
        world.now_ms += 20_000;
        world.go_on("A");
        world.group.tick(1_044_999);
        assert_eq!(world.group.members.len(), 2);
        world.group.tick(1_045_000);
        assert_eq!(world.group.members.keys().collect::<Vec<_>>(), ["A"]);
        assert_eq!(world.group.next_deadline_ms(), Some(1_065_000));
        assert_eq!(world.go_on("A"), (4, Some(vec![(topic(1), vec![0, 1])])));
        assert_eq!(world.beat("B", 3, None).unwrap_err().to_string(), "Member B is not a member of group g.");
    }

    #[test]
    fn the_own_epoch_and_the_one_before_are_accepted() {
        let mut world = World::new(&[("a", 1, 4)]);
        world.join("A", &["a"]);
        world.join("B", &["a"]);
        assert_eq!(world.go_on("A").0, 3);
        let told = world.beat("A", 2, None).unwrap();
        assert_eq!((told.member_epoch, told.assignment), (3, None), "it missed an answer");
        world.beat("B", LEAVE, None).unwrap();
        assert_eq!(world.go_on("A").0, 4);
        let fenced = world.beat("A", 2, None).unwrap_err().to_string();
        assert_eq!(
            fenced,
            "The share group member has a smaller member epoch (2) than the one known by the group coordinator (4), and it does not \
             match the previous member epoch (3). The member must abandon all its partitions and rejoin."
        );
        let fenced = world.beat("A", 5, None).unwrap_err().to_string();
        assert!(fenced.starts_with("The share group member has a greater member epoch (5) than the one known by"), "{fenced}");
        let told = world.join("A", &["a"]);
        assert_eq!((told.member_epoch, flat(&told.assignment.unwrap())), (4, vec![(topic(1), vec![0, 1, 2, 3])]), "begins anew");
    }

    #[test]
    fn a_member_may_want_something_else() {
        let mut world = World::new(&[("a", 1, 1), ("b", 2, 1)]);
        world.join("A", &["a", "unknown"]);
        let told = world.beat("A", 2, Some(&["b", "a"])).unwrap();
        assert_eq!((told.member_epoch, flat(&told.assignment.unwrap())), (3, vec![(topic(1), vec![0]), (topic(2), vec![0])]));
        let told = world.beat("A", 3, Some(&["a", "b"])).unwrap();
        assert_eq!((told.member_epoch, told.assignment.is_some()), (3, true), "the same, told since it was asked for");
        let told = world.beat("A", 3, Some(&[])).unwrap();
        assert_eq!((told.member_epoch, flat(&told.assignment.unwrap())), (4, vec![]), "nothing");
    }

    #[test]
    fn topics_come_grow_and_go() {
        let mut world = World::new(&[]);
        let told = world.join("A", &["a"]);
        assert_eq!((told.member_epoch, flat(&told.assignment.unwrap())), (2, vec![]));
        world.put_topic("other", 9, 1);
        assert_eq!(world.go_on("A"), (2, None), "nobody wants it");
        world.put_topic("a", 1, 1);
        assert_eq!(world.go_on("A"), (3, Some(vec![(topic(1), vec![0])])));
        world.put_topic("a", 1, 2);
        assert_eq!(world.go_on("A"), (4, Some(vec![(topic(1), vec![0, 1])])));
        world.put_topic("a", 2, 1);
        assert_eq!(world.go_on("A"), (5, Some(vec![(topic(2), vec![0])])), "another one of that name");
        world.listing.version += 1;
        world.listing.topics.remove(b"a".as_slice());
        assert_eq!(world.go_on("A"), (6, Some(vec![])));
    }

    #[test]
    fn members_come_more_often_while_the_group_changes() {
        let mut world = World::new(&[("a", 1, 1)]);
        assert_eq!(world.join("A", &["a"]).heartbeat_interval_ms, 1000);
        world.now_ms += 4999;
        assert_eq!(world.beat("A", 2, None).unwrap().heartbeat_interval_ms, 1000);
        world.now_ms += 1;
        assert_eq!(world.beat("A", 2, None).unwrap().heartbeat_interval_ms, 5000);
    }

    #[test]
    fn assignments_wait_for_their_interval() {
        let mut world = World::new(&[("a", 1, 2)]);
        world.settings.assignment_interval_ms = 10_000;
        world.join("A", &["a"]);
        let told = world.join("B", &["a"]);
        assert_eq!((told.member_epoch, flat(&told.assignment.unwrap())), (2, vec![]));
        assert_eq!((world.group.epoch, world.group.target_epoch), (3, 2));
        world.now_ms += 9999;
        let told = world.beat("B", 2, None).unwrap();
        assert_eq!((told.assignment, told.heartbeat_interval_ms), (None, 1000), "it has something to wait for");
        world.now_ms += 1;
        assert_eq!(world.go_on("B"), (3, Some(vec![(topic(1), vec![1])])));
        assert_eq!(world.go_on("A"), (3, Some(vec![(topic(1), vec![0])])));
    }

    #[test]
    fn a_restart_knows_the_epoch_and_no_members() {
        let mut world = World::new(&[("a", 1, 1)]);
        world.join("A", &["a"]);
        world.group = Share::restored(world.group.to_value());
        assert_eq!((world.group.epoch, world.group.state_name(), world.group.is_unused()), (2, "Empty", false));
        assert!(matches!(world.beat("A", 2, None), Err(ShareHeartbeatError::UnknownMember { .. })));
        let told = world.join("A", &["a"]);
        assert_eq!((told.member_epoch, flat(&told.assignment.unwrap())), (3, vec![(topic(1), vec![0])]));
    }
}
