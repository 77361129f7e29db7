//! Exchanges of share groups, which are not among the recorded ones: each API in each version, with something in every list.

use millstream_protocol::api::Ask;
use millstream_protocol::header::{encode_request, encode_response};
use millstream_protocol::message::alter_share_group_offsets::*;
use millstream_protocol::message::consumer_group_describe::{NamedAssignment, NamedTopicPartitions};
use millstream_protocol::message::consumer_group_heartbeat::{Assignment, TopicPartitions};
use millstream_protocol::message::delete_share_group_offsets::*;
use millstream_protocol::message::describe_share_group_offsets::*;
use millstream_protocol::message::produce::NodeEndpoint;
use millstream_protocol::message::share_acknowledge::*;
use millstream_protocol::message::share_fetch::*;
use millstream_protocol::message::share_group_describe::*;
use millstream_protocol::message::share_group_heartbeat::*;
use millstream_protocol::record::{BatchBuilder, Codec, NewRecord};
use millstream_protocol::{Records, Response, Str, TopicId};

use crate::recorded::{Case, joined, joined_parts};

const TOPIC: TopicId = TopicId([7; 16]);

fn text(text: &'static str) -> Str {
    Str::from_static(text)
}

/// One exchange in every version that is served.
fn each_version<R: Ask + Clone>(request: R, response: R::Answer) -> Vec<Case>
where
    Response: From<R::Answer>,
{
    let (request, response) = (request.into(), Response::from(response));
    let info = R::API.info();
    let case = |version| Case {
        name: format!("{:?} version {version}", R::API),
        api: R::API,
        version,
        request: joined(encode_request(&request, version, 1, Some(&text("made"))).expect("encodes")),
        response: joined_parts(encode_response(&response, version, 1).expect("encodes")),
    };
    (info.served_min..=info.max).map(case).collect()
}

fn groups() -> Vec<Case> {
    let heartbeat = ShareGroupHeartbeatRequest {
        group_id: text("queue"),
        member_id: text("one"),
        rack_id: Some(text("a")),
        subscribed_topic_names: Some(vec![text("jobs"), text("mail")]),
        ..Default::default()
    };
    let has = Assignment { topic_partitions: vec![TopicPartitions { topic_id: TOPIC, partitions: vec![0, 1] }] };
    let beat = ShareGroupHeartbeatResponse { member_epoch: 1, assignment: Some(Box::new(has)), ..Default::default() };
    let describe = ShareGroupDescribeRequest { group_ids: vec![text("queue"), text("other")], include_authorized_operations: true };
    let partitions = NamedTopicPartitions { topic_id: TOPIC, topic_name: text("jobs"), partitions: vec![0, 1] };
    let member = DescribedShareConsumer {
        member_id: text("one"),
        rack_id: None,
        member_epoch: 1,
        client_id: text("made"),
        client_host: text("/127.0.0.1"),
        subscribed_topic_names: vec![text("jobs")],
        assignment: NamedAssignment { topic_partitions: vec![partitions] },
    };
    let group = DescribedShareGroup { group_id: text("queue"), members: vec![member], ..Default::default() };
    let described = ShareGroupDescribeResponse { throttle_time_ms: 0, groups: vec![group] };
    [each_version(heartbeat, beat), each_version(describe, described)].concat()
}

fn records() -> Vec<Case> {
    let accepted = AcknowledgementBatch { first_offset: 3, last_offset: 5, acknowledge_types: vec![1, 2, 3] };
    let partitions = vec![ShareFetchPartition { partition_index: 0, acknowledgement_batches: vec![accepted.clone()] }];
    let fetch = ShareFetchRequest {
        group_id: Some(text("queue")),
        member_id: Some(text("one")),
        topics: vec![ShareFetchTopic { topic_id: TOPIC, partitions }],
        forgotten_topics_data: vec![ShareForgottenTopic { topic_id: TOPIC, partitions: vec![1] }],
        ..Default::default()
    };
    let mut batch = BatchBuilder::new(Codec::None);
    batch.push(NewRecord { timestamp: 1, key: Some(b"key"), value: Some(b"value"), ..Default::default() });
    let fetched = ShareFetchPartitionResponse {
        records: Records::from(batch.build().expect("builds").to_bytes()),
        acquired_records: vec![AcquiredRecords { first_offset: 0, last_offset: 0, delivery_count: 1 }],
        ..Default::default()
    };
    let node_endpoints = vec![NodeEndpoint { node_id: 1, host: text("localhost"), port: 9092, rack: None }];
    let fetched = ShareFetchResponse {
        responses: vec![ShareFetchTopicResponse { topic_id: TOPIC, partitions: vec![fetched] }],
        node_endpoints: node_endpoints.clone(),
        ..Default::default()
    };
    let partitions = vec![ShareAcknowledgePartition { partition_index: 0, acknowledgement_batches: vec![accepted] }];
    let acknowledge = ShareAcknowledgeRequest {
        group_id: Some(text("queue")),
        member_id: Some(text("one")),
        topics: vec![ShareAcknowledgeTopic { topic_id: TOPIC, partitions }],
        ..Default::default()
    };
    let acknowledged = ShareAcknowledgeResponse {
        responses: vec![ShareAcknowledgeTopicResponse { topic_id: TOPIC, partitions: vec![Default::default()] }],
        node_endpoints,
        ..Default::default()
    };
    [each_version(fetch, fetched), each_version(acknowledge, acknowledged)].concat()
}

fn offsets() -> Vec<Case> {
    let topics = Some(vec![DescribeShareGroupOffsetsTopic { topic_name: text("jobs"), partitions: vec![0, 1] }]);
    let describe = DescribeShareGroupOffsetsRequest { groups: vec![DescribeShareGroupOffsetsGroup { group_id: text("queue"), topics }] };
    let topic = DescribeShareGroupOffsetsTopicResult { topic_name: text("jobs"), topic_id: TOPIC, partitions: vec![Default::default()] };
    let group = DescribeShareGroupOffsetsGroupResult { group_id: text("queue"), topics: vec![topic], ..Default::default() };
    let described = DescribeShareGroupOffsetsResponse { throttle_time_ms: 0, groups: vec![group] };
    let partitions = vec![AlterShareGroupOffsetsPartition { partition_index: 0, start_offset: 9 }];
    let topics = vec![AlterShareGroupOffsetsTopic { topic_name: text("jobs"), partitions }];
    let alter = AlterShareGroupOffsetsRequest { group_id: text("queue"), topics };
    let topic = AlterShareGroupOffsetsTopicResult { topic_name: text("jobs"), topic_id: TOPIC, partitions: vec![Default::default()] };
    let altered = AlterShareGroupOffsetsResponse { responses: vec![topic], ..Default::default() };
    let topics = vec![DeleteShareGroupOffsetsTopic { topic_name: text("jobs") }];
    let delete = DeleteShareGroupOffsetsRequest { group_id: text("queue"), topics };
    let topic = DeleteShareGroupOffsetsTopicResult { topic_name: text("jobs"), topic_id: TOPIC, ..Default::default() };
    let deleted = DeleteShareGroupOffsetsResponse { responses: vec![topic], ..Default::default() };
    [each_version(describe, described), each_version(alter, altered), each_version(delete, deleted)].concat()
}

/// All of them.
pub(crate) fn share_groups() -> Vec<Case> {
    [groups(), records(), offsets()].concat()
}
