//! Share groups: who is a member and reads what, over restarts; one name for groups of all kinds; and requests that are odd.

use millstream_protocol::message::consumer_group_heartbeat::Assignment;
use millstream_protocol::message::delete_groups::DeleteGroupsRequest;
use millstream_protocol::message::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use millstream_protocol::message::describe_groups::DescribeGroupsRequest;
use millstream_protocol::message::find_coordinator::FindCoordinatorRequest;
use millstream_protocol::message::heartbeat::HeartbeatRequest;
use millstream_protocol::message::leave_group::{LeaveGroupRequest, LeavingMember};
use millstream_protocol::message::list_groups::ListGroupsRequest;
use millstream_protocol::message::offset_delete::{OffsetDeletePartition, OffsetDeleteRequest, OffsetDeleteTopic};
use millstream_protocol::message::share_group_describe::{DescribedShareGroup, ShareGroupDescribeRequest};
use millstream_protocol::message::share_group_heartbeat::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use millstream_protocol::message::sync_group::SyncGroupRequest;

use super::groups::{beating, joining};
use super::*;

const SESSION_MS: i64 = 45_000;

fn sharing(group: &str, member: &str, topics: &[&str]) -> ShareGroupHeartbeatRequest {
    ShareGroupHeartbeatRequest {
        group_id: group.into(),
        member_id: member.into(),
        subscribed_topic_names: Some(topics.iter().map(|name| (*name).into()).collect()),
        ..Default::default()
    }
}

fn going_on(group: &str, member: &str, member_epoch: i32) -> ShareGroupHeartbeatRequest {
    ShareGroupHeartbeatRequest { group_id: group.into(), member_id: member.into(), member_epoch, ..Default::default() }
}

fn flat(assignment: Option<Box<Assignment>>) -> Option<Vec<i32>> {
    assignment.map(|assignment| assignment.topic_partitions.into_iter().flat_map(|topic| topic.partitions).collect())
}

impl World {
    async fn share_heartbeat(&self, request: ShareGroupHeartbeatRequest) -> ShareGroupHeartbeatResponse {
        let Response::ShareGroupHeartbeat(answer) = self.ask(1, request).await else { panic!() };
        answer
    }

    /// A member joins or goes on: its epoch, and what it has if it is told.
    async fn shared(&self, request: ShareGroupHeartbeatRequest) -> (i32, Option<Vec<i32>>) {
        let answer = self.share_heartbeat(request).await;
        assert!(answer.error_code.is_none(), "{}: {:?}", answer.error_code, answer.error_message);
        (answer.member_epoch, flat(answer.assignment))
    }

    async fn share_refused(&self, request: ShareGroupHeartbeatRequest) -> (ErrorCode, String) {
        let answer = self.share_heartbeat(request).await;
        (answer.error_code, answer.error_message.map(|sentence| sentence.to_string()).unwrap_or_default())
    }

    async fn describe_shared(&self, group: &str) -> DescribedShareGroup {
        let request = ShareGroupDescribeRequest { group_ids: vec![group.into()], include_authorized_operations: true };
        let Response::ShareGroupDescribe(mut answer) = self.ask(1, request).await else { panic!() };
        answer.groups.remove(0)
    }

    async fn delete_group(&self, group: &str) -> ErrorCode {
        let Response::DeleteGroups(answer) = self.ask(2, DeleteGroupsRequest { groups_names: vec![group.into()] }).await else { panic!() };
        answer.results[0].error_code
    }

    async fn listed(&self, types: &[&str]) -> Vec<(String, String, String, String)> {
        let request = ListGroupsRequest { types_filter: types.iter().map(|name| (*name).into()).collect(), ..Default::default() };
        let Response::ListGroups(answer) = self.ask(5, request).await else { panic!() };
        let text = |group: millstream_protocol::message::list_groups::ListedGroup| {
            (group.group_id.to_string(), group.protocol_type.to_string(), group.group_state.to_string(), group.group_type.to_string())
        };
        answer.groups.into_iter().map(text).collect()
    }
}

#[tokio::test]
async fn members_join_share_and_leave() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock);
    world.create("a", 2, &[]).await;
    let mut first = sharing("g", "A", &["a", "unknown"]);
    first.rack_id = Some("r1".into());
    assert_eq!(world.shared(first).await, (2, Some(vec![0, 1])));
    assert_eq!(world.shared(sharing("g", "B", &["a"])).await, (3, Some(vec![1])));
    assert_eq!(world.shared(sharing("g", "C", &["a"])).await, (4, Some(vec![0])), "together with another");
    assert_eq!(world.shared(going_on("g", "A", 2)).await, (4, Some(vec![0])));
    assert_eq!(world.shared(going_on("g", "A", 2)).await, (4, None), "the epoch before, and nothing new");
    assert_eq!(world.shared(going_on("g", "A", 4)).await, (4, None));
    let (code, sentence) = world.share_refused(going_on("g", "A", 3)).await;
    assert_eq!(code, ErrorCode::FENCED_MEMBER_EPOCH);
    assert!(sentence.contains("a smaller member epoch (3) than the one known by the group coordinator (4)"), "{sentence}");

    let described = world.describe_shared("g").await;
    assert_eq!((described.group_state.as_str(), described.group_epoch, described.assignment_epoch), ("Stable", 4, 4));
    assert_eq!((described.assignor_name.as_str(), described.authorized_operations), ("simple", 3400));
    let member = &described.members[0];
    assert_eq!((member.member_id.as_str(), member.rack_id.as_deref(), member.member_epoch), ("A", Some("r1"), 4));
    assert_eq!(member.subscribed_topic_names, ["a", "unknown"]);
    assert_eq!(
        (member.assignment.topic_partitions[0].topic_name.as_str(), &*member.assignment.topic_partitions[0].partitions),
        ("a", &[0][..])
    );
    let stable = ("g".to_owned(), "share".to_owned(), "Stable".to_owned(), "share".to_owned());
    assert_eq!(world.listed(&[]).await, std::slice::from_ref(&stable));
    assert_eq!(world.listed(&["Share"]).await, [stable]);
    assert!(world.listed(&["consumer", "classic"]).await.is_empty());
    assert_eq!(world.delete_group("g").await, ErrorCode::NON_EMPTY_GROUP);

    let left = world.share_heartbeat(going_on("g", "B", -1)).await;
    assert_eq!((left.error_code, left.member_epoch, left.heartbeat_interval_ms), (ErrorCode::NONE, -1, 0));
    assert_eq!(
        world.share_refused(going_on("g", "B", -1)).await,
        (ErrorCode::UNKNOWN_MEMBER_ID, "Member B is not a member of group g.".into())
    );
    assert_eq!(world.shared(going_on("g", "C", 4)).await, (5, Some(vec![1])));
    clock.advance_ms(SESSION_MS);
    world.tend().await;
    let described = world.describe_shared("g").await;
    assert_eq!((described.group_state.as_str(), described.group_epoch, described.members.len()), ("Empty", 7, 0));
    assert_eq!(world.delete_group("g").await, ErrorCode::NONE);
    assert_eq!(world.delete_group("g").await, ErrorCode::GROUP_ID_NOT_FOUND);
    let gone = world.describe_shared("g").await;
    assert_eq!((gone.error_code, gone.error_message.as_deref()), (ErrorCode::GROUP_ID_NOT_FOUND, Some("Group g not found.")));
    let sentence = "Share group g not found.".to_owned();
    assert_eq!(world.share_refused(going_on("g", "C", 5)).await, (ErrorCode::GROUP_ID_NOT_FOUND, sentence));
    assert_eq!(world.share_refused(going_on("g", "C", -1)).await, (ErrorCode::GROUP_ID_NOT_FOUND, "Group g not found.".into()));
}

#[tokio::test]
async fn a_restart_keeps_the_group_and_its_epoch() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let mut world = World::open(&disk, &clock);
    world.create("a", 1, &[]).await;
    assert_eq!(world.shared(sharing("g", "A", &["a"])).await.0, 2);
    assert_eq!(world.shared(sharing("gone", "A", &["a"])).await.0, 2);
    world.shared(going_on("gone", "A", -1)).await;
    assert_eq!(world.delete_group("gone").await, ErrorCode::NONE);
    for epoch in [3, 4, 5] {
        drop(world);
        disk.crash(epoch as u64);
        world = World::open(&disk, &clock);
        let empty = ("g".to_owned(), "share".to_owned(), "Empty".to_owned(), "share".to_owned());
        assert_eq!(world.listed(&[]).await, [empty], "it is there, and nobody is in it");
        let (code, sentence) = world.share_refused(going_on("g", "A", epoch - 1)).await;
        assert_eq!((code, sentence.as_str()), (ErrorCode::UNKNOWN_MEMBER_ID, "Member A is not a member of group g."));
        assert_eq!(world.shared(sharing("g", "A", &["a"])).await, (epoch, Some(vec![0])), "it joins again");
    }
    // Its offsets are not there to run out, so neither does it.
    world.shared(going_on("g", "A", -1)).await;
    clock.advance_ms(10_081 * 60_000);
    world.tend().await;
    assert_eq!(world.describe_shared("g").await.group_state, "Empty");
}

#[tokio::test]
async fn what_cannot_be_kept_is_kept_later() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock);
    world.create("a", 1, &[]).await;
    world.shared(sharing("g", "A", &["a"])).await;
    disk.fail_at(0, Fault::NoSpace);
    let _ = world.share_heartbeat(sharing("g", "B", &["a"])).await;
    clock.advance_ms(1000);
    let epoch = world.describe_shared("g").await.group_epoch;
    assert_eq!(epoch, 3);
    assert_eq!(world.shared(going_on("g", "A", 2)).await, (3, None));
    drop(world);
    assert_eq!(World::open(&disk, &clock).describe_shared("g").await.group_epoch, 3);
}

#[tokio::test]
async fn a_group_is_of_one_kind() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock);
    world.create("a", 1, &[]).await;
    world.shared(sharing("shared", "A", &["a"])).await;
    world.epoch(joining("consumer", "A", &["a"])).await;
    world.commit("classic", 5).await.expect("commits");

    let refused = |group: &str| (ErrorCode::GROUP_ID_NOT_FOUND, format!("Group {group} is not a share group."));
    for group in ["consumer", "classic"] {
        assert_eq!(world.share_refused(sharing(group, "B", &["a"])).await, refused(group));
        assert_eq!(world.share_refused(going_on(group, "B", 1)).await, refused(group));
        assert_eq!(world.share_refused(going_on(group, "B", -1)).await, refused(group));
        let described = world.describe_shared(group).await;
        assert_eq!((described.error_code, described.error_message.as_deref()), (refused(group).0, Some(refused(group).1.as_str())));
    }
    // Whether or not it has members.
    for _ in 0..2 {
        for request in [joining("shared", "B", &["a"]), beating("shared", "A", 2), beating("shared", "A", -1)] {
            let answer = world.heartbeat(request).await;
            let sentence = answer.error_message.unwrap_or_default();
            assert_eq!((answer.error_code, sentence.as_str()), (ErrorCode::GROUP_ID_NOT_FOUND, "Group shared is not a consumer group."));
        }
        assert_eq!(world.describe("shared").await.error_code, ErrorCode::GROUP_ID_NOT_FOUND);
        assert_eq!(world.commit("shared", 1).await, Err(ErrorCode::GROUP_ID_NOT_FOUND));
        assert_eq!(world.try_committed("shared").await, Ok(-1));
        world.classic_requests_fail("shared").await;
        world.share_heartbeat(going_on("shared", "A", -1)).await;
    }
    assert_eq!(world.describe_shared("shared").await.group_epoch, 3);
    assert_eq!(world.delete_group("shared").await, ErrorCode::NONE);
    world.epoch(joining("shared", "A", &["a"])).await;
}

impl World {
    /// Every request of classic members, and those that look after offsets.
    async fn classic_requests_fail(&self, group: &str) {
        let protocols = vec![JoinProtocol { name: "range".into(), ..Default::default() }];
        let join = JoinGroupRequest {
            group_id: group.into(),
            member_id: "A".into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            protocol_type: "consumer".into(),
            protocols,
            ..Default::default()
        };
        let Response::JoinGroup(answer) = self.ask(9, join).await else { panic!() };
        assert_eq!((answer.error_code, answer.member_id.as_str()), (ErrorCode::INCONSISTENT_GROUP_PROTOCOL, ""));
        let (consumer, range) = (Some("consumer".into()), Some("range".into()));
        let sync = SyncGroupRequest {
            group_id: group.into(),
            member_id: "A".into(),
            generation_id: 2,
            protocol_type: consumer,
            protocol_name: range,
            ..Default::default()
        };
        let Response::SyncGroup(answer) = self.ask(5, sync).await else { panic!() };
        assert_eq!(answer.error_code, ErrorCode::UNKNOWN_MEMBER_ID);
        let beat = HeartbeatRequest { group_id: group.into(), member_id: "A".into(), generation_id: 2, ..Default::default() };
        let Response::Heartbeat(answer) = self.ask(4, beat).await else { panic!() };
        assert_eq!(answer.error_code, ErrorCode::UNKNOWN_MEMBER_ID);
        let members = vec![LeavingMember { member_id: "A".into(), ..Default::default() }];
        let Response::LeaveGroup(answer) = self.ask(5, LeaveGroupRequest { group_id: group.into(), members, ..Default::default() }).await
        else {
            panic!()
        };
        assert_eq!(answer.members[0].error_code, ErrorCode::UNKNOWN_MEMBER_ID);
        let request = DescribeGroupsRequest { groups: vec![group.into()], ..Default::default() };
        let Response::DescribeGroups(answer) = self.ask(6, request).await else { panic!() };
        let described = &answer.groups[0];
        assert_eq!((described.error_code, described.group_state.as_str()), (ErrorCode::GROUP_ID_NOT_FOUND, "Dead"));
        assert_eq!(described.error_message.as_deref(), Some(format!("Group {group} is not a classic group.").as_str()));
        let topics = vec![OffsetDeleteTopic { name: "a".into(), partitions: vec![OffsetDeletePartition { partition_index: 0 }] }];
        let Response::OffsetDelete(answer) = self.ask(0, OffsetDeleteRequest { group_id: group.into(), topics }).await else { panic!() };
        assert_eq!(answer.error_code, ErrorCode::GROUP_ID_NOT_FOUND);
    }
}

#[tokio::test]
async fn odd_requests_are_refused_and_make_no_group() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open_with(&disk, &clock, &[("group.share.max.size", "1")]);
    world.create("a", 1, &[]).await;
    let invalid = |sentence: &str| (ErrorCode::INVALID_REQUEST, sentence.to_owned());
    assert_eq!(world.share_refused(sharing("g", &"m".repeat(100_000), &["a"])).await, invalid("Invalid member id in the request."));
    assert_eq!(world.share_refused(sharing("g", "", &["a"])).await, invalid("Invalid member id in the request."));
    assert_eq!(world.share_refused(sharing("", "A", &["a"])).await, invalid("GroupId can't be empty."));
    assert_eq!(world.share_refused(sharing("g", "A", &[])).await, invalid("SubscribedTopicNames must be set in first request."));
    assert_eq!(world.share_refused(going_on("g", "A", i32::MIN)).await, invalid("MemberEpoch is invalid."));
    let rackless = ShareGroupHeartbeatRequest { rack_id: Some("".into()), ..sharing("g", "A", &["a"]) };
    assert_eq!(world.share_refused(rackless).await, invalid("RackId can't be empty."));
    assert_eq!(world.share_refused(sharing(&"g".repeat(100_000), "A", &["a"])).await.0, ErrorCode::INVALID_GROUP_ID);
    assert_eq!(world.share_refused(going_on("g", "A", i32::MAX)).await.0, ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(world.describe_shared("").await.error_code, ErrorCode::INVALID_GROUP_ID);
    assert!(world.listed(&[]).await.is_empty());

    let odd = "x".repeat(100_000);
    assert_eq!(world.shared(sharing("g", "A", &["unknown", "", &odd])).await, (2, Some(vec![])), "there may be such a topic one day");
    let (code, sentence) = world.share_refused(sharing("g", "B", &["a"])).await;
    assert_eq!(
        (code, sentence.as_str()),
        (ErrorCode::GROUP_MAX_SIZE_REACHED, "The share group has reached its maximum capacity of 1 members.")
    );
    world.create("unknown", 2, &[]).await;
    assert_eq!(world.shared(going_on("g", "A", 2)).await, (3, Some(vec![0, 1])));
    let topics = vec![DeleteTopicState { name: Some("unknown".into()), ..Default::default() }];
    world.ask(6, DeleteTopicsRequest { topics, ..Default::default() }).await;
    assert_eq!(world.shared(going_on("g", "A", 3)).await, (4, Some(vec![])));
}

#[tokio::test]
async fn this_broker_coordinates_every_partition_of_a_share_group() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock);
    let find = async |version: i16, key: &str| {
        let request = FindCoordinatorRequest { key: key.into(), key_type: 2, coordinator_keys: vec![key.into()] };
        let Response::FindCoordinator(answer) = world.ask(version, request).await else { panic!() };
        answer.coordinators.first().map_or((answer.error_code, answer.node_id), |found| (found.error_code, found.node_id))
    };
    let key = format!("g:{}:0", TopicId([1; 16]));
    assert_eq!(find(6, &key).await, (ErrorCode::NONE, 1));
    for (version, key) in [(5, key.as_str()), (3, key.as_str()), (6, "g"), (6, ""), (6, ":::")] {
        assert_eq!(find(version, key).await, (ErrorCode::INVALID_REQUEST, -1), "{key} in version {version}");
    }
}

#[tokio::test]
async fn a_group_may_have_a_pace_of_its_own() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock);
    world.create("a", 1, &[]).await;
    world.set("g", "share.heartbeat.interval.ms", "6000").await;
    world.set("g", "share.session.timeout.ms", "50000").await;
    let told = world.share_heartbeat(sharing("g", "A", &["a"])).await;
    assert_eq!(told.heartbeat_interval_ms, 1000, "while it changes");
    assert_eq!(world.share_heartbeat(sharing("h", "A", &["a"])).await.heartbeat_interval_ms, 1000);
    clock.advance_ms(5000);
    assert_eq!(world.share_heartbeat(going_on("g", "A", 2)).await.heartbeat_interval_ms, 6000);
    assert_eq!(world.share_heartbeat(going_on("h", "A", 2)).await.heartbeat_interval_ms, 5000);
    clock.advance_ms(49_999);
    world.tend().await;
    assert_eq!(world.describe_shared("g").await.members.len(), 1);
    assert_eq!(world.describe_shared("h").await.members.len(), 0);
    clock.advance_ms(1);
    world.tend().await;
    assert_eq!(world.describe_shared("g").await.members.len(), 0);
}
