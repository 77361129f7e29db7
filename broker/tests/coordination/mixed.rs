//! Members of both protocols in one group, and groups that go from one to the other.

use millstream_protocol::message::consumer_protocol::{ConsumerAssignment, OwnedPartitions, Subscription};
use millstream_protocol::message::describe_groups::{DescribeGroupsRequest, DescribedGroup};
use millstream_protocol::message::heartbeat::HeartbeatRequest;
use millstream_protocol::message::join_group::JoinGroupResponse;
use millstream_protocol::message::sync_group::{SyncAssignment, SyncGroupRequest};

use super::groups::{beating, joining};
use super::*;

const TIMEOUT_MS: i32 = 100_000;
const PROPERTIES: &[(&str, &str)] = &[("group.initial.rebalance.delay.ms", "0")];

fn open(disk: &SimulatedDisk, clock: &Clock) -> World {
    World::open_with(disk, clock, PROPERTIES)
}

fn part(partitions: &[i32]) -> Vec<OwnedPartitions> {
    vec![OwnedPartitions { topic: "a".into(), partitions: partitions.to_vec() }]
}

/// A member of the classic protocol.
#[derive(Debug, Clone, Default)]
struct Classic {
    id: String,
    instance_id: Option<&'static str>,
    generation: i32,
}

impl World {
    async fn try_join(&self, member: &Classic, owned: &[i32]) -> JoinGroupResponse {
        let subscription = Subscription { topics: vec!["a".into()], owned_partitions: part(owned), ..Default::default() };
        let request = JoinGroupRequest {
            group_id: "g".into(),
            session_timeout_ms: TIMEOUT_MS,
            rebalance_timeout_ms: TIMEOUT_MS,
            member_id: member.id.as_str().into(),
            group_instance_id: member.instance_id.map(Into::into),
            protocol_type: "consumer".into(),
            protocols: vec![JoinProtocol { name: "range".into(), metadata: subscription.write() }],
            ..Default::default()
        };
        let Response::JoinGroup(answer) = self.ask(5, request).await else { panic!() };
        answer
    }

    async fn rejoin(&self, member: &mut Classic, owned: &[i32]) {
        let mut joined = self.try_join(member, owned).await;
        if joined.error_code == ErrorCode::MEMBER_ID_REQUIRED {
            member.id = joined.member_id.to_string();
            joined = self.try_join(member, owned).await;
        }
        assert!(joined.error_code.is_none(), "{}", joined.error_code);
        (member.id, member.generation) = (joined.member_id.to_string(), joined.generation_id);
    }

    /// Asks for its share, and, if it leads, gives itself this one.
    async fn sync(&self, member: &Classic, own: &[i32]) -> Result<Vec<i32>, ErrorCode> {
        let assignment = ConsumerAssignment { assigned_partitions: part(own), user_data: None }.write();
        let request = SyncGroupRequest {
            group_id: "g".into(),
            generation_id: member.generation,
            member_id: member.id.as_str().into(),
            group_instance_id: member.instance_id.map(Into::into),
            assignments: vec![SyncAssignment { member_id: member.id.as_str().into(), assignment }],
            ..Default::default()
        };
        let Response::SyncGroup(answer) = self.ask(3, request).await else { panic!() };
        if !answer.error_code.is_none() {
            return Err(answer.error_code);
        }
        let assignment = ConsumerAssignment::read(answer.assignment).expect("readable");
        Ok(assignment.assigned_partitions.into_iter().flat_map(|topic| topic.partitions).collect())
    }

    async fn beat(&self, member: &Classic) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: "g".into(),
            generation_id: member.generation,
            member_id: member.id.as_str().into(),
            group_instance_id: member.instance_id.map(Into::into),
        };
        let Response::Heartbeat(answer) = self.ask(4, request).await else { panic!() };
        answer.error_code
    }

    /// A classic group of one member that has all of two partitions.
    async fn classic_group(&self) -> Classic {
        self.create("a", 2, &[]).await;
        let mut member = Classic::default();
        self.rejoin(&mut member, &[]).await;
        assert_eq!(self.sync(&member, &[0, 1]).await, Ok(vec![0, 1]));
        member
    }

    /// Its members' types: 0 for classic, 1 for consumers; nothing if it is no consumer group.
    async fn types(&self) -> Vec<i8> {
        let mut types: Vec<i8> = self.describe("g").await.members.iter().map(|member| member.member_type).collect();
        types.sort_unstable();
        types
    }

    async fn describe_classic(&self) -> DescribedGroup {
        let request = DescribeGroupsRequest { groups: vec!["g".into()], ..Default::default() };
        let Response::DescribeGroups(mut answer) = self.ask(6, request).await else { panic!() };
        answer.groups.remove(0)
    }
}

/// A consumer joins a classic group, they share, it goes again; and between any two steps the broker may be started anew.
#[tokio::test]
async fn a_group_goes_over_with_its_members_and_back() {
    for is_restarting in [false, true] {
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let mut world = open(&disk, &clock);
        let again = |world: World| {
            if !is_restarting {
                return world;
            }
            drop(world);
            open(&disk, &clock)
        };
        let mut member = world.classic_group().await;
        world = again(world);
        let consumer = world.epoch(joining("g", "C", &["a"])).await;
        assert_eq!(world.types().await, [0, 1]);
        world = again(world);
        assert_eq!(world.beat(&member).await, ErrorCode::REBALANCE_IN_PROGRESS);
        assert_eq!(world.sync(&member, &[]).await, Err(ErrorCode::REBALANCE_IN_PROGRESS));
        let before = member.generation;
        world.rejoin(&mut member, &[0, 1]).await;
        world = again(world);
        assert_eq!(world.sync(&member, &[]).await.map(|kept| kept.len()), Ok(1), "has to give one up");
        assert_eq!(world.beat(&member).await, ErrorCode::REBALANCE_IN_PROGRESS, "and to say that it did");
        let kept = world.sync(&member, &[]).await.expect("one");
        world.rejoin(&mut member, &kept).await;
        assert!(member.generation > before);
        assert_eq!(world.sync(&member, &[]).await, Ok(kept.clone()));
        world = again(world);
        assert_eq!(world.beat(&member).await, ErrorCode::NONE);
        let consumer = world.epoch(beating("g", "C", consumer)).await;
        assert_eq!(world.partitions("g", "C").await.len(), 1);
        let places: Vec<(&str, i32)> = kept.iter().map(|partition| ("a", *partition)).collect();
        assert_eq!(world.commit_of("g", &member.id, member.generation, &places).await, [ErrorCode::NONE]);
        assert_eq!(world.commit_of("g", &member.id, member.generation + 1, &places).await, [ErrorCode::ILLEGAL_GENERATION]);
        world = again(world);
        assert_eq!(world.epoch(beating("g", "C", consumer)).await, consumer);
        world.epoch(beating("g", "C", -1)).await;
        assert!(world.types().await.is_empty());
        world = again(world);
        let code = world.beat(&member).await;
        let expected = if is_restarting { ErrorCode::ILLEGAL_GENERATION } else { ErrorCode::REBALANCE_IN_PROGRESS };
        assert_eq!(code, expected, "either way it joins again: somebody has to take what the consumer had");
        world.rejoin(&mut member, &kept).await;
        assert_eq!(world.sync(&member, &[0, 1]).await, Ok(vec![0, 1]));
        world = again(world);
        assert_eq!(world.beat(&member).await, ErrorCode::NONE);
        assert_eq!(world.describe_classic().await.group_state, "Stable");
    }
}

#[tokio::test]
async fn a_consumer_that_is_silent_leaves_a_classic_group() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = open(&disk, &clock);
    let member = world.classic_group().await;
    world.epoch(joining("g", "C", &["a"])).await;
    clock.advance_ms(46_000);
    world.tend().await;
    let described = world.describe_classic().await;
    assert_eq!((described.group_state.as_ref(), described.members.len()), ("PreparingRebalance", 1));
    assert_eq!(described.members[0].member_id, member.id.as_str());
}

/// It was told to join again, or has joined and does not ask for its share.
#[tokio::test]
async fn a_classic_member_that_is_late_goes() {
    for has_joined in [false, true] {
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let world = open(&disk, &clock);
        let mut member = world.classic_group().await;
        let mut epoch = world.epoch(joining("g", "C", &["a"])).await;
        assert_eq!(world.beat(&member).await, ErrorCode::REBALANCE_IN_PROGRESS);
        if has_joined {
            world.rejoin(&mut member, &[0, 1]).await;
        }
        for _ in 0..4 {
            clock.advance_ms(i64::from(TIMEOUT_MS) / 4 + 1);
            world.beat(&member).await;
            epoch = world.epoch(beating("g", "C", epoch)).await;
            world.tend().await;
        }
        assert_eq!(world.types().await, [1], "{has_joined}");
        world.epoch(beating("g", "C", epoch)).await;
        assert_eq!(world.partitions("g", "C").await, [0, 1]);
    }
}

/// A static consumer is replaced by one that speaks the classic protocol.
#[tokio::test]
async fn the_last_consumer_may_come_back_as_a_classic_member() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = open(&disk, &clock);
    world.create("a", 2, &[]).await;
    let named = ConsumerGroupHeartbeatRequest { instance_id: Some("i".into()), ..joining("g", "C", &["a"]) };
    world.epoch(named.clone()).await;
    let mut member = Classic { instance_id: Some("i"), ..Default::default() };
    world.rejoin(&mut member, &[]).await;
    assert_eq!(world.describe_classic().await.group_state, "Stable");
    assert_eq!(world.sync(&member, &[]).await, Ok(vec![0, 1]), "it has what the consumer had");
    drop(world);
    let world = open(&disk, &clock);
    assert_eq!(world.beat(&member).await, ErrorCode::NONE);
    // And as a consumer again, under the same lasting name.
    world.epoch(named).await;
    assert_eq!(world.types().await, [1]);
    assert_eq!(world.partitions("g", "C").await, [0, 1]);
}

#[tokio::test]
async fn groups_go_over_only_where_they_may() {
    for (policy, may_go_over, may_go_back) in
        [("upgrade", true, false), ("downgrade", false, true), ("disabled", false, false), ("bidirectional", true, true)]
    {
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let properties = [PROPERTIES, &[("group.consumer.migration.policy", policy)]].concat();
        let world = World::open_with(&disk, &clock, &properties);
        world.classic_group().await;
        let joined = world.heartbeat(joining("g", "C", &["a"])).await.error_code;
        assert_eq!(joined, if may_go_over { ErrorCode::NONE } else { ErrorCode::GROUP_ID_NOT_FOUND }, "{policy}");
        // A classic member joins a group of consumers in any case.
        world.epoch(joining("h", "C", &["a"])).await;
        let subscription = Subscription { topics: vec!["a".into()], ..Default::default() };
        let request = JoinGroupRequest {
            group_id: "h".into(),
            session_timeout_ms: TIMEOUT_MS,
            rebalance_timeout_ms: TIMEOUT_MS,
            member_id: "m".into(),
            protocol_type: "consumer".into(),
            protocols: vec![JoinProtocol { name: "range".into(), metadata: subscription.write() }],
            ..Default::default()
        };
        let Response::JoinGroup(answer) = world.ask(5, request).await else { panic!() };
        assert!(answer.error_code.is_none(), "{policy}");
        world.epoch(beating("h", "C", -1)).await;
        let described = world.describe("h").await;
        assert_eq!(described.error_code, if may_go_back { ErrorCode::GROUP_ID_NOT_FOUND } else { ErrorCode::NONE }, "{policy}");
    }
}
