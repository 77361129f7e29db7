//! Groups across restarts and on a full disk, offsets whose time is over, and members that ask for odd things.

use std::time::Duration;

use millstream_protocol::message::consumer_group_describe::{ConsumerGroupDescribeRequest, DescribedConsumerGroup};
use millstream_protocol::message::consumer_group_heartbeat::ConsumerGroupHeartbeatResponse;
use millstream_protocol::message::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use millstream_protocol::message::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use millstream_protocol::message::join_group::JoinGroupResponse;
use millstream_protocol::message::offset_delete::{OffsetDeletePartition, OffsetDeleteRequest, OffsetDeleteTopic};
use millstream_protocol::message::sync_group::{SyncAssignment, SyncGroupRequest};

use super::*;

const PROPERTIES: &[(&str, &str)] = &[
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "100"),
    ("offsets.retention.minutes", "1"),
    ("group.consumer.session.timeout.ms", "45000"),
];
const RETENTION_MS: i64 = 60_000;

pub(super) fn joining(group: &str, member: &str, topics: &[&str]) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: group.into(),
        member_id: member.into(),
        rebalance_timeout_ms: 300_000,
        subscribed_topic_names: Some(topics.iter().map(|name| (*name).into()).collect()),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    }
}

pub(super) fn beating(group: &str, member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest { group_id: group.into(), member_id: member.into(), member_epoch: epoch, ..Default::default() }
}

impl World {
    fn of_groups(disk: &SimulatedDisk, clock: &Clock) -> Self {
        World::open_with(disk, clock, PROPERTIES)
    }

    pub(super) async fn heartbeat(&self, request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
        let Response::ConsumerGroupHeartbeat(answer) = self.ask(1, request).await else { panic!() };
        answer
    }

    /// A member joins or goes on; says its new epoch.
    pub(super) async fn epoch(&self, request: ConsumerGroupHeartbeatRequest) -> i32 {
        let answer = self.heartbeat(request).await;
        assert!(answer.error_code.is_none(), "{}: {:?}", answer.error_code, answer.error_message);
        answer.member_epoch
    }

    pub(super) async fn describe(&self, group: &str) -> DescribedConsumerGroup {
        let request = ConsumerGroupDescribeRequest { group_ids: vec![group.into()], ..Default::default() };
        let Response::ConsumerGroupDescribe(mut answer) = self.ask(1, request).await else { panic!() };
        answer.groups.remove(0)
    }

    /// The partitions of a member, those included that it is to give up.
    pub(super) async fn partitions(&self, group: &str, member: &str) -> Vec<i32> {
        let described = self.describe(group).await;
        let member = described.members.iter().find(|described| described.member_id == member).expect("is a member");
        member.assignment.topic_partitions.iter().flat_map(|topic| topic.partitions.clone()).collect()
    }

    /// Two members, of which the first has given the second's partition up; says their epochs.
    async fn share(&self, group: &str, is_taken: bool) -> (i32, i32) {
        self.create("a", 2, &[]).await;
        let first = self.epoch(joining(group, "A", &["a"])).await;
        let second = self.epoch(joining(group, "B", &["a"])).await;
        let told = self.heartbeat(beating(group, "A", first)).await;
        let kept = told.assignment.expect("has to give up").topic_partitions;
        let mut given_up = beating(group, "A", told.member_epoch);
        given_up.topic_partitions = Some(kept);
        let first = self.epoch(given_up).await;
        let second = if is_taken { self.epoch(beating(group, "B", second)).await } else { second };
        (first, second)
    }

    pub(super) async fn tend(&self) {
        let broker = self.broker.clone();
        tokio::task::spawn_blocking(move || broker.tend_now()).await.expect("tends");
    }

    async fn delete_topic(&self, name: &str) -> ErrorCode {
        let topics = vec![DeleteTopicState { name: Some(name.into()), ..Default::default() }];
        let Response::DeleteTopics(answer) = self.ask(6, DeleteTopicsRequest { topics, ..Default::default() }).await else { panic!() };
        answer.responses[0].error_code
    }

    async fn delete_offset(&self, group: &str) -> ErrorCode {
        let partitions = vec![OffsetDeletePartition { partition_index: 0 }];
        let topics = vec![OffsetDeleteTopic { name: "a".into(), partitions }];
        let request = OffsetDeleteRequest { group_id: group.into(), topics };
        let Response::OffsetDelete(answer) = self.ask(0, request).await else { panic!() };
        if answer.error_code.is_none() { answer.topics[0].partitions[0].error_code } else { answer.error_code }
    }

    /// A member's commit, and what became of each partition.
    pub(super) async fn commit_of(&self, group: &str, member: &str, epoch: i32, places: &[(&str, i32)]) -> Vec<ErrorCode> {
        let topic = |(name, partition_index): &(&str, i32)| OffsetCommitTopic {
            name: (*name).into(),
            partitions: vec![OffsetCommitPartition { partition_index: *partition_index, committed_offset: 1, ..Default::default() }],
            ..Default::default()
        };
        let request = OffsetCommitRequest {
            group_id: group.into(),
            generation_id_or_member_epoch: epoch,
            member_id: member.into(),
            topics: places.iter().map(topic).collect(),
            ..Default::default()
        };
        let Response::OffsetCommit(answer) = self.ask(9, request).await else { panic!() };
        answer.topics.iter().map(|topic| topic.partitions[0].error_code).collect()
    }

    /// A commit as old clients make it, who say for how long it is to be kept.
    async fn commit_for(&self, group: &str, member: &str, generation: i32, retention_time_ms: i64) -> ErrorCode {
        let partition = OffsetCommitPartition { committed_offset: 5, ..Default::default() };
        let request = OffsetCommitRequest {
            group_id: group.into(),
            generation_id_or_member_epoch: generation,
            member_id: member.into(),
            retention_time_ms,
            topics: vec![OffsetCommitTopic { name: "a".into(), partitions: vec![partition], ..Default::default() }],
            ..Default::default()
        };
        let Response::OffsetCommit(answer) = self.ask(3, request).await else { panic!() };
        answer.topics[0].partitions[0].error_code
    }

    async fn join(&self, group: &str, member: &str, metadata: &'static [u8]) -> JoinGroupResponse {
        let protocol = JoinProtocol { name: "range".into(), metadata: bytes::Bytes::from_static(metadata) };
        let request = JoinGroupRequest {
            group_id: group.into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            member_id: member.into(),
            protocol_type: "consumer".into(),
            protocols: vec![protocol],
            ..Default::default()
        };
        let Response::JoinGroup(answer) = self.ask(5, request).await else { panic!() };
        answer
    }

    /// The only member of a classic group.
    async fn join_alone(&self, group: &str, metadata: &'static [u8]) -> JoinGroupResponse {
        let known = self.join(group, "", metadata).await;
        assert_eq!(known.error_code, ErrorCode::MEMBER_ID_REQUIRED);
        let joined = self.join(group, &known.member_id, metadata).await;
        assert!(joined.error_code.is_none(), "{}", joined.error_code);
        let assignments = vec![SyncAssignment { member_id: joined.member_id.clone(), ..Default::default() }];
        let request = SyncGroupRequest {
            group_id: group.into(),
            generation_id: joined.generation_id,
            member_id: joined.member_id.clone(),
            assignments,
            ..Default::default()
        };
        let Response::SyncGroup(answer) = self.ask(3, request).await else { panic!() };
        assert!(answer.error_code.is_none());
        joined
    }
}

#[tokio::test]
async fn what_a_member_gave_up_is_free_after_a_restart() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::of_groups(&disk, &clock);
    let (_, second) = world.share("g", false).await;
    drop(world);
    let world = World::of_groups(&disk, &clock);
    world.epoch(beating("g", "B", second)).await;
    assert_eq!(world.partitions("g", "B").await.len(), 1);
}

#[tokio::test]
async fn a_lasting_name_is_known_after_a_restart_whoever_had_it_last() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::of_groups(&disk, &clock);
    world.create("a", 2, &[]).await;
    let named = |request| ConsumerGroupHeartbeatRequest { instance_id: Some("i".into()), ..request };
    let mut epochs = Vec::new();
    for (group, before, after) in [("up", "m1", "m2"), ("down", "m2", "m1")] {
        world.epoch(named(joining(group, before, &["a"]))).await;
        world.epoch(named(beating(group, before, -2))).await;
        epochs.push((group, after, world.epoch(named(joining(group, after, &["a"]))).await));
    }
    drop(world);
    let world = World::of_groups(&disk, &clock);
    for (group, member, epoch) in epochs {
        assert_eq!(world.epoch(named(beating(group, member, epoch))).await, epoch, "{group}");
    }
}

#[tokio::test]
async fn topics_that_changed_before_a_restart_are_assigned_after_it() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::of_groups(&disk, &clock);
    world.create("a", 2, &[]).await;
    let grown = world.epoch(joining("grown", "m", &["a"])).await;
    let new = world.epoch(joining("new", "m", &["later"])).await;
    let same = world.epoch(joining("same", "m", &["b"])).await;
    let topic = CreatePartitionsTopic { name: "a".into(), count: 3, ..Default::default() };
    world.ask(3, CreatePartitionsRequest { topics: vec![topic], ..Default::default() }).await;
    world.create("later", 1, &[]).await;
    drop(world);
    let world = World::of_groups(&disk, &clock);
    world.epoch(beating("grown", "m", grown)).await;
    assert_eq!(world.partitions("grown", "m").await, [0, 1, 2]);
    world.epoch(beating("new", "m", new)).await;
    assert_eq!(world.partitions("new", "m").await, [0]);
    assert_eq!(world.epoch(beating("same", "m", same)).await, same, "nothing changed for it");
}

/// An append of the members fails while partitions change hands.
#[tokio::test]
async fn what_a_full_disk_did_not_keep_of_a_group_is_kept_later() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::of_groups(&disk, &clock);
    world.create("a", 2, &[]).await;
    let first = world.epoch(joining("g", "A", &["a"])).await;
    let second = world.epoch(joining("g", "B", &["a"])).await;
    let told = world.heartbeat(beating("g", "A", first)).await;
    disk.fail_at(0, Fault::NoSpace);
    let given_up = told.assignment.expect("has to give up").topic_partitions;
    let first = world.epoch(ConsumerGroupHeartbeatRequest { topic_partitions: Some(given_up), ..beating("g", "A", first) }).await;
    assert_eq!(world.partitions("g", "A").await.len(), 1, "goes on in memory");
    let second = world.epoch(beating("g", "B", second)).await;
    drop(world);
    let world = World::of_groups(&disk, &clock);
    let (of_first, of_second) = (world.partitions("g", "A").await, world.partitions("g", "B").await);
    assert!(of_first.len() == 1 && of_second.len() == 1 && of_first != of_second, "{of_first:?} {of_second:?}");
    assert_eq!(world.epoch(beating("g", "A", first)).await, first);
    assert_eq!(world.epoch(beating("g", "B", second)).await, second);
}

#[tokio::test]
async fn an_offset_that_cannot_be_deleted_stays() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::of_groups(&disk, &clock);
    world.create("a", 1, &[]).await;
    world.commit("g", 5).await.expect("commits");
    disk.fail_at(0, Fault::NoSpace);
    assert!(!world.delete_offset("g").await.is_none());
    assert_eq!(world.committed("g").await, 5);
    assert!(world.delete_offset("g").await.is_none());
    assert_eq!(world.committed("g").await, -1);
}

/// Wherever the disk is full while a topic goes: one that has its name later begins without offsets.
#[tokio::test]
async fn offsets_do_not_outlive_their_topic() {
    for nth in 0..12 {
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let world = World::of_groups(&disk, &clock);
        world.create("a", 1, &[]).await;
        world.commit("g", 5).await.expect("commits");
        disk.fail_at(nth, Fault::NoSpace);
        if !world.delete_topic("a").await.is_none() {
            // It may be there again after a restart.
            continue;
        }
        world.create("a", 1, &[]).await;
        world.create("a", 1, &[]).await;
        // A sync that failed stops the journal until the next start.
        assert_eq!(world.try_committed("g").await.unwrap_or(-1), -1, "{nth}");
        drop(world);
        let world = World::of_groups(&disk, &clock);
        assert_eq!(world.committed("g").await, -1, "{nth}");
        world.commit("g", 6).await.expect("commits");
        assert_eq!(world.committed("g").await, 6);
    }
}

#[tokio::test]
async fn an_offset_that_a_transaction_may_change_does_not_expire() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::of_groups(&disk, &clock);
    world.create("a", 1, &[]).await;
    world.commit("g", 5).await.expect("commits");
    let request = InitProducerIdRequest { transactional_id: Some("id".into()), transaction_timeout_ms: 900_000, ..Default::default() };
    let Response::InitProducerId(begun) = world.ask(5, request).await else { panic!() };
    let identity = (begun.producer_id, begun.producer_epoch);
    world.commit_in_transaction("id", identity, 7).await.expect("held");
    clock.advance_ms(RETENTION_MS + 1);
    world.tend().await;
    assert_eq!(world.committed("g").await, 5);
    world.end("id", identity, true).await.expect("commits");
    assert_eq!(world.committed("g").await, 7);
}

#[tokio::test]
async fn offsets_of_what_members_read_do_not_expire() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::of_groups(&disk, &clock);
    world.create("a", 1, &[]).await;
    const SUBSCRIBED: &[u8] = b"\0\x01\0\0\0\x01\0\x01a\xff\xff\xff\xff\0\0\0\0";
    const ELSEWHERE: &[u8] = b"\0\x01\0\0\0\x01\0\x01b\xff\xff\xff\xff\0\0\0\0";
    for (group, metadata, is_kept) in [("reads", SUBSCRIBED, true), ("unreadable", b"?", true), ("reads another", ELSEWHERE, false)] {
        let joined = world.join_alone(group, metadata).await;
        assert_eq!(world.commit_for(group, &joined.member_id, joined.generation_id, 1000).await, ErrorCode::NONE);
        clock.advance_ms(2000);
        world.tend().await;
        assert_eq!(world.committed(group).await, if is_kept { 5 } else { -1 }, "{group}");
        let deleted = world.delete_offset(group).await;
        assert_eq!(deleted, if is_kept { ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC } else { ErrorCode::NONE }, "{group}");
    }
}

/// Of a consumer group each offset's own time counts, and a restart does not begin it anew.
#[tokio::test]
async fn offsets_of_consumer_groups_expire_by_their_own_time() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::of_groups(&disk, &clock);
    world.create("a", 1, &[]).await;
    world.epoch(joining("g", "m", &["a"])).await;
    world.epoch(beating("g", "m", -1)).await;
    world.commit("g", 5).await.expect("commits");
    clock.advance_ms(RETENTION_MS - 1000);
    drop(world);
    let world = World::of_groups(&disk, &clock);
    world.tend().await;
    assert_eq!(world.committed("g").await, 5);
    clock.advance_ms(1000);
    world.tend().await;
    assert_eq!(world.committed("g").await, -1);
    assert_eq!(world.describe("g").await.error_code, ErrorCode::GROUP_ID_NOT_FOUND, "nothing is left of it");
}

#[tokio::test]
async fn who_was_told_an_id_and_did_not_join_is_in_nobodys_way() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::of_groups(&disk, &clock);
    world.create("a", 1, &[]).await;
    assert_eq!(world.join("g", "", b"").await.error_code, ErrorCode::MEMBER_ID_REQUIRED);
    world.epoch(joining("g", "m", &["a"])).await;
}

#[tokio::test]
async fn who_waits_in_a_full_group_may_ask_again() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open_with(&disk, &clock, &[("group.max.size", "1"), ("group.initial.rebalance.delay.ms", "3000")]);
    let known = world.join("g", "", b"").await.member_id;
    for _ in 0..2 {
        let answer = tokio::time::timeout(Duration::from_millis(50), world.join("g", &known, b"")).await;
        assert!(answer.is_err(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_transaction_of_a_generation_that_nobody_knows_is_refused() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::of_groups(&disk, &clock);
    world.create("a", 1, &[]).await;
    let identity = world.begin("id").await.expect("begins");
    let partition = TxnOffsetCommitPartition { committed_offset: 1, ..Default::default() };
    let request = TxnOffsetCommitRequest {
        transactional_id: "id".into(),
        group_id: "nobody's".into(),
        producer_id: identity.0,
        producer_epoch: identity.1,
        generation_id: 5,
        member_id: "m".into(),
        topics: vec![TxnOffsetCommitTopic { name: "a".into(), partitions: vec![partition] }],
        ..Default::default()
    };
    let Response::TxnOffsetCommit(answer) = world.ask(5, request).await else { panic!() };
    assert_eq!(answer.topics[0].partitions[0].error_code, ErrorCode::ILLEGAL_GENERATION);
}

/// What a transaction commits is no sign of life from the member, in Kafka and here.
#[tokio::test]
async fn offsets_in_a_transaction_do_not_keep_a_member_alive() {
    for is_transactional in [false, true] {
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let world = World::of_groups(&disk, &clock);
        world.create("a", 1, &[]).await;
        let identity = world.begin("id").await.expect("begins");
        let joined = world.join_alone("g", b"").await;
        clock.advance_ms(6000);
        if is_transactional {
            let partition = TxnOffsetCommitPartition { committed_offset: 1, ..Default::default() };
            let request = TxnOffsetCommitRequest {
                transactional_id: "id".into(),
                group_id: "g".into(),
                producer_id: identity.0,
                producer_epoch: identity.1,
                generation_id: joined.generation_id,
                member_id: joined.member_id.clone(),
                topics: vec![TxnOffsetCommitTopic { name: "a".into(), partitions: vec![partition] }],
                ..Default::default()
            };
            let Response::TxnOffsetCommit(answer) = world.ask(5, request).await else { panic!() };
            assert!(answer.topics[0].partitions[0].error_code.is_none());
        } else {
            assert!(world.commit_for("g", &joined.member_id, joined.generation_id, -1).await.is_none());
        }
        clock.advance_ms(6000);
        world.tend().await;
        let last = world.commit_for("g", &joined.member_id, joined.generation_id, -1).await;
        assert_eq!(last, if is_transactional { ErrorCode::UNKNOWN_MEMBER_ID } else { ErrorCode::NONE });
    }
}

#[tokio::test]
async fn lasting_names_are_let_go_and_members_are_not_replaced_by_others() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::of_groups(&disk, &clock);
    world.create("a", 2, &[]).await;
    let named = |instance: &str, request| ConsumerGroupHeartbeatRequest { instance_id: Some(instance.into()), ..request };
    world.epoch(named("i", joining("g", "m", &["a"]))).await;
    world.epoch(named("j", joining("g", "m", &["a"]))).await;
    world.epoch(named("i", joining("g", "n", &["a"]))).await;
    world.epoch(named("i", beating("g", "n", -2))).await;
    let replaced = world.heartbeat(named("i", joining("g", "m", &["a"]))).await;
    assert_eq!(replaced.error_code, ErrorCode::UNRELEASED_INSTANCE_ID);
    assert_eq!(world.describe("g").await.members.len(), 2);
}

#[tokio::test]
async fn who_is_away_has_nothing_to_give_up() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::of_groups(&disk, &clock);
    world.create("a", 2, &[]).await;
    let named = |request| ConsumerGroupHeartbeatRequest { instance_id: Some("i".into()), ..request };
    let first = world.epoch(ConsumerGroupHeartbeatRequest { rebalance_timeout_ms: 1000, ..named(joining("g", "A", &["a"])) }).await;
    world.epoch(joining("g", "B", &["a"])).await;
    world.epoch(beating("g", "A", first)).await;
    world.epoch(named(beating("g", "A", -2))).await;
    clock.advance_ms(2000);
    world.tend().await;
    assert_eq!(world.describe("g").await.members.len(), 2, "its session goes on");
}

#[tokio::test]
async fn offsets_are_asked_for_by_members_or_by_who_claims_nothing() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::of_groups(&disk, &clock);
    world.create("a", 1, &[]).await;
    world.epoch(joining("g", "m", &["a"])).await;
    world.epoch(beating("g", "m", -1)).await;
    for (member_id, member_epoch, code) in [
        (None, -1, ErrorCode::NONE),
        (None, 1, ErrorCode::UNKNOWN_MEMBER_ID),
        (Some(""), -1, ErrorCode::UNKNOWN_MEMBER_ID),
        (Some("m"), -1, ErrorCode::UNKNOWN_MEMBER_ID),
    ] {
        let member_id = member_id.map(Into::into);
        let groups = vec![OffsetFetchGroup { group_id: "g".into(), member_id, member_epoch, ..Default::default() }];
        let Response::OffsetFetch(answer) = world.ask(9, OffsetFetchRequest { groups, ..Default::default() }).await else { panic!() };
        assert_eq!(answer.groups[0].error_code, code, "{member_epoch}");
    }
}

/// With an epoch that is over a member commits what it has had since then, and nothing that it got later or that is another's.
#[tokio::test]
async fn an_epoch_that_is_over_is_good_for_what_a_member_still_has() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let mut world = World::of_groups(&disk, &clock);
    world.create("a", 2, &[]).await;
    world.create("b", 1, &[]).await;
    let first = world.epoch(joining("g", "A", &["a"])).await;
    let both = joining("g", "A", &["a", "b"]);
    let second = world.epoch(ConsumerGroupHeartbeatRequest { member_epoch: first, topic_partitions: None, ..both }).await;
    assert!(second > first);
    for _ in 0..2 {
        assert_eq!(world.commit_of("g", "A", first, &[("a", 0), ("a", 1)]).await, [ErrorCode::NONE; 2], "it still has them");
        assert_eq!(world.commit_of("g", "A", first, &[("a", 0), ("b", 0)]).await, [ErrorCode::STALE_MEMBER_EPOCH; 2], "one came later");
        assert_eq!(world.commit_of("g", "A", second, &[("a", 0), ("b", 0)]).await, [ErrorCode::NONE; 2]);
        assert_eq!(world.commit_of("g", "A", second + 1, &[("a", 0)]).await, [ErrorCode::STALE_MEMBER_EPOCH]);
        drop(world);
        world = World::of_groups(&disk, &clock);
    }
}

/// A broker's regular expression matches the broker's own topics, too: Kafka 4.3 assigns them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_regular_expression_that_matches_an_internal_topic_gets_it_assigned() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::of_groups(&disk, &clock);
    world.create("a", 1, &[]).await;
    world.commit("other", 1).await.expect("makes the topic of groups");
    for (group, pattern, count) in [("all", ".*", 2), ("own", "__consumer.*", 1), ("none", "consumer_offsets", 0)] {
        let request = ConsumerGroupHeartbeatRequest {
            subscribed_topic_names: None,
            subscribed_topic_regex: Some(pattern.into()),
            ..joining(group, "A", &[])
        };
        world.epoch(request).await;
        assert_eq!(world.partitions(group, "A").await.len(), count, "{pattern}");
    }
}
