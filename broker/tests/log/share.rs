//! Share groups on a simulated disk: who gets which record how often, across restarts and power cuts.

use std::collections::BTreeSet;
use std::time::Duration;

use millstream_broker::Clock;
use millstream_broker::disk::simulated::{Fault, SimulatedDisk};
use millstream_protocol::message::alter_share_group_offsets::{
    AlterShareGroupOffsetsPartition, AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsTopic,
};
use millstream_protocol::message::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use millstream_protocol::message::delete_topics::DeleteTopicsRequest;
use millstream_protocol::message::describe_share_group_offsets::{DescribeShareGroupOffsetsGroup, DescribeShareGroupOffsetsRequest};
use millstream_protocol::message::fetch::{FetchPartition, FetchRequest, FetchTopic};
use millstream_protocol::message::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use millstream_protocol::message::share_acknowledge::{ShareAcknowledgePartition, ShareAcknowledgeRequest, ShareAcknowledgeTopic};
use millstream_protocol::message::share_fetch::{
    AcknowledgementBatch, ShareFetchPartition, ShareFetchRequest, ShareFetchResponse, ShareFetchTopic,
};
use millstream_protocol::message::share_group_heartbeat::ShareGroupHeartbeatRequest;
use millstream_protocol::record::Record;
use millstream_protocol::{ErrorCode, Response};

use crate::world::{NOW_MS, TOPIC, World};

const GROUP: &str = "workers";
const ACCEPT: i8 = 1;
const RELEASE: i8 = 2;
const REJECT: i8 = 3;
const RENEW: i8 = 4;
/// Of the lock, unless a test says otherwise.
const LOCK_MS: i64 = 30_000;

/// A member with a share session.
struct Worker {
    id: String,
    epoch: i32,
}

impl Worker {
    fn new(id: &str) -> Self {
        Worker { id: id.to_owned(), epoch: 0 }
    }

    fn next(&mut self) -> i32 {
        self.epoch += 1;
        self.epoch - 1
    }
}

fn acknowledged(first: i64, last: i64, kind: i8) -> AcknowledgementBatch {
    AcknowledgementBatch { first_offset: first, last_offset: last, acknowledge_types: vec![kind] }
}

impl World {
    async fn share(&self, worker: &mut Worker, records: i32, said: Vec<AcknowledgementBatch>, wait_ms: i32) -> ShareFetchResponse {
        let partition = ShareFetchPartition { partition_index: 0, acknowledgement_batches: said };
        let topics = vec![ShareFetchTopic { topic_id: self.topic_id().await, partitions: vec![partition] }];
        let request = ShareFetchRequest {
            group_id: Some(GROUP.into()),
            member_id: Some(worker.id.as_str().into()),
            share_session_epoch: worker.next(),
            max_wait_ms: wait_ms,
            max_records: records,
            share_acquire_mode: 1,
            topics,
            ..Default::default()
        };
        let Response::ShareFetch(answer) = self.ask(2, request).await else { panic!() };
        answer
    }

    /// What a worker gets: offset and delivery count of each record.
    async fn take(&self, worker: &mut Worker, records: i32) -> Vec<(i64, i16)> {
        let answer = self.share(worker, records, Vec::new(), 0).await;
        assert!(answer.error_code.is_none(), "{}: {:?}", answer.error_code, answer.error_message);
        let acquired = answer.responses.iter().flat_map(|topic| &topic.partitions).flat_map(|partition| {
            assert!(partition.error_code.is_none(), "{}", partition.error_code);
            let held: BTreeSet<i64> = partition
                .records
                .batches()
                .flat_map(|batch| {
                    let batch = batch.expect("whole");
                    batch.base_offset()..=batch.last_offset()
                })
                .collect();
            partition.acquired_records.iter().flat_map(move |range| {
                assert!((range.first_offset..=range.last_offset).all(|offset| held.contains(&offset)), "acquired, and not sent");
                (range.first_offset..=range.last_offset).map(|offset| (offset, range.delivery_count)).collect::<Vec<_>>()
            })
        });
        acquired.collect()
    }

    /// What a worker gets until there is no more.
    async fn take_all(&self, worker: &mut Worker) -> Vec<(i64, i16)> {
        let mut all = Vec::new();
        loop {
            let more = self.take(worker, 2000).await;
            if more.is_empty() {
                return all;
            }
            all.extend(more);
        }
    }

    async fn say(&self, worker: &mut Worker, said: Vec<AcknowledgementBatch>) -> Result<(), ErrorCode> {
        let is_renew_ack = said.iter().any(|batch| batch.acknowledge_types.contains(&RENEW));
        let partition = ShareAcknowledgePartition { partition_index: 0, acknowledgement_batches: said };
        let request = ShareAcknowledgeRequest {
            group_id: Some(GROUP.into()),
            member_id: Some(worker.id.as_str().into()),
            share_session_epoch: worker.next(),
            is_renew_ack,
            topics: vec![ShareAcknowledgeTopic { topic_id: self.topic_id().await, partitions: vec![partition] }],
        };
        let Response::ShareAcknowledge(answer) = self.ask(2, request).await else { panic!() };
        let code = answer.responses.first().map_or(answer.error_code, |topic| topic.partitions[0].error_code);
        if code.is_none() { Ok(()) } else { Err(code) }
    }

    /// A group that begins at the beginning, and reads committed records alone if it says so.
    async fn set_up(&self, isolation: &str) {
        self.create(&[]).await;
        let config =
            |name: &str, value: &str| IncrementalAlterableConfig { name: name.into(), value: Some(value.into()), ..Default::default() };
        let resource = IncrementalAlterConfigsResource {
            resource_type: 32,
            resource_name: GROUP.into(),
            configs: vec![config("share.auto.offset.reset", "earliest"), config("share.isolation.level", isolation)],
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let Response::IncrementalAlterConfigs(answer) = self.ask(1, request).await else { panic!() };
        assert!(answer.responses[0].error_code.is_none(), "{:?}", answer.responses[0]);
    }

    async fn produce_many(&self, count: usize) {
        for number in 0..count {
            self.produce("k", Some(&number.to_string())).await.expect("appends");
        }
    }
}

impl World {
    /// What is in a topic of one partition: values and headers of its records.
    async fn letters(&self, topic: &str) -> Vec<(Option<String>, Vec<(String, String)>)> {
        let wanted = FetchPartition { partition: 0, partition_max_bytes: 1 << 20, ..Default::default() };
        let topics = vec![FetchTopic { topic: topic.into(), partitions: vec![wanted], ..Default::default() }];
        let Response::Fetch(answer) = self.ask(12, FetchRequest { topics, max_bytes: 1 << 20, ..Default::default() }).await else {
            panic!()
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let records = answer.responses[0].partitions[0].records.clone().unwrap_or_default();
        let records = records.batches().flat_map(|batch| batch.expect("whole").records(1 << 20).expect("readable").collect::<Vec<_>>());
        let seen = |record: Record| {
            let headers = record.headers.iter().map(|header| (text(&header.key), text(header.value.as_deref().unwrap_or_default())));
            (record.value.as_deref().map(text), headers.collect())
        };
        records.map(|record| seen(record.expect("readable"))).collect()
    }

    async fn set_on_group(&self, pairs: &[(&str, &str)]) -> ErrorCode {
        let config = |(name, value): &(&str, &str)| IncrementalAlterableConfig {
            name: (*name).into(),
            value: Some((*value).into()),
            ..Default::default()
        };
        let resource =
            IncrementalAlterConfigsResource { resource_type: 32, resource_name: GROUP.into(), configs: pairs.iter().map(config).collect() };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let Response::IncrementalAlterConfigs(answer) = self.ask(1, request).await else { panic!() };
        answer.responses[0].error_code
    }

    async fn create_named(&self, name: &str, takes_dead_letters: bool) {
        let config =
            CreatableTopicConfig { name: "errors.deadletterqueue.group.enable".into(), value: Some(takes_dead_letters.to_string().into()) };
        let topic =
            CreatableTopic { name: name.into(), num_partitions: 1, replication_factor: 1, configs: vec![config], ..Default::default() };
        let Response::CreateTopics(answer) =
            self.ask(7, CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() }).await
        else {
            panic!()
        };
        assert!(answer.topics[0].error_code.is_none(), "{:?}", answer.topics[0]);
    }

    /// Looks until there are so many letters.
    async fn until_letters(&self, topic: &str, count: usize) -> Vec<(Option<String>, Vec<(String, String)>)> {
        for _ in 0..2000 {
            let letters = self.letters(topic).await;
            if letters.len() >= count {
                return letters;
            }
            self.tend().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("no {count} dead letters");
    }
}

fn world(disk: &SimulatedDisk, clock: &Clock) -> World {
    World::open(disk, clock, &[])
}

fn first_time(offsets: std::ops::Range<i64>) -> Vec<(i64, i16)> {
    offsets.map(|offset| (offset, 1)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_record_has_one_worker_until_it_is_done_or_comes_back() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = world(&disk, &clock);
    world.set_up("read_uncommitted").await;
    world.produce_many(10).await;
    let (mut a, mut b) = (Worker::new("a"), Worker::new("b"));
    assert_eq!(world.take(&mut a, 4).await, first_time(0..4));
    assert_eq!(world.take(&mut b, 4).await, first_time(4..8));
    assert_eq!(world.say(&mut a, vec![acknowledged(0, 1, ACCEPT), acknowledged(2, 2, RELEASE), acknowledged(3, 3, REJECT)]).await, Ok(()));
    assert_eq!(world.say(&mut a, vec![acknowledged(4, 4, ACCEPT)]).await, Err(ErrorCode::INVALID_RECORD_STATE), "it is the other's");
    assert_eq!(world.take(&mut b, 1).await, vec![(2, 2)], "released, it is delivered again");
    assert_eq!(world.take(&mut a, 10).await, first_time(8..10));
    // The locks of one end, the other one renews in time.
    clock.advance_ms(LOCK_MS - 1);
    assert_eq!(world.say(&mut a, vec![acknowledged(8, 9, RENEW)]).await, Ok(()));
    clock.advance_ms(1);
    assert_eq!(world.say(&mut b, vec![acknowledged(4, 4, ACCEPT)]).await, Err(ErrorCode::INVALID_RECORD_STATE), "too late");
    let again = world.take(&mut a, 10).await;
    assert_eq!(again, [(2, 3), (4, 2), (5, 2), (6, 2), (7, 2)]);
    assert_eq!(world.say(&mut a, vec![acknowledged(2, 2, ACCEPT), acknowledged(4, 9, ACCEPT)]).await, Ok(()));
    assert!(world.take(&mut b, 10).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_nobody_can_do_is_given_up() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = world(&disk, &clock);
    world.set_up("read_uncommitted").await;
    world.produce_many(1).await;
    let mut worker = Worker::new("a");
    for count in 1..=5 {
        assert_eq!(world.take(&mut worker, 10).await, vec![(0, count)]);
        assert_eq!(world.say(&mut worker, vec![acknowledged(0, 0, RELEASE)]).await, Ok(()));
    }
    assert!(world.take(&mut worker, 10).await.is_empty());
    world.produce_many(1).await;
    assert_eq!(world.take(&mut worker, 10).await, vec![(1, 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_workers_are_woken_by_records_and_by_those_that_come_back() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = world(&disk, &clock);
    world.set_up("read_uncommitted").await;
    let (mut a, mut b) = (Worker::new("a"), Worker::new("b"));
    let soon = Duration::from_secs(20);
    let (got, ()) = tokio::join!(tokio::time::timeout(soon, world.share(&mut a, 10, Vec::new(), 60_000)), world.produce_many(1));
    assert_eq!(got.expect("in time").responses[0].partitions[0].acquired_records[0].first_offset, 0);
    let waiting = tokio::time::timeout(soon, world.share(&mut b, 10, Vec::new(), 60_000));
    let (got, said) = tokio::join!(waiting, async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.say(&mut a, vec![acknowledged(0, 0, RELEASE)]).await
    });
    let got = got.expect("in time");
    assert_eq!(said, Ok(()));
    assert_eq!((got.responses[0].partitions[0].acquired_records[0].delivery_count), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_count_their_requests_and_release_what_they_hold() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = world(&disk, &clock);
    world.set_up("read_uncommitted").await;
    world.produce_many(2).await;
    let mut a = Worker::new("a");
    assert_eq!(world.say(&mut Worker::new("a"), Vec::new()).await, Err(ErrorCode::INVALID_SHARE_SESSION_EPOCH), "only a fetch opens one");
    assert_eq!(world.say(&mut Worker { id: "a".into(), epoch: 1 }, Vec::new()).await, Err(ErrorCode::SHARE_SESSION_NOT_FOUND));
    assert_eq!(world.take(&mut a, 1).await, vec![(0, 1)]);
    for epoch in [2, 7] {
        assert_eq!(world.say(&mut Worker { id: "a".into(), epoch }, Vec::new()).await, Err(ErrorCode::INVALID_SHARE_SESSION_EPOCH));
    }
    let opened = world.share(&mut Worker::new("a"), 1, vec![acknowledged(0, 0, ACCEPT)], 0).await;
    assert_eq!(opened.error_code, ErrorCode::INVALID_REQUEST, "what is new holds nothing");
    // Another session of the member replaces the one that it has.
    assert_eq!(world.take(&mut Worker::new("a"), 1).await, vec![(0, 2)]);
    let mut closing = Worker { id: "a".into(), epoch: -1 };
    let answer = world.share(&mut closing, 1, vec![acknowledged(0, 0, ACCEPT)], 0).await;
    assert!(answer.error_code.is_none() && answer.responses[0].partitions[0].acknowledge_error_code.is_none());
    assert_eq!(world.take(&mut Worker::new("b"), 10).await, vec![(1, 1)]);
    for member in ["", &"m".repeat(100_000)] {
        let answer = world.share(&mut Worker::new(member), 1, Vec::new(), 0).await;
        assert_eq!(answer.error_code, ErrorCode::INVALID_REQUEST);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_refused_and_changes_nothing() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = world(&disk, &clock);
    world.set_up("read_uncommitted").await;
    world.produce_many(5).await;
    let mut worker = Worker::new("a");
    assert_eq!(world.take(&mut worker, 3).await, first_time(0..3));
    let accept = |first, last| acknowledged(first, last, ACCEPT);
    // What Kafka 4.3.0 answered to the same.
    for (said, code) in [
        (vec![accept(3, 3)], ErrorCode::INVALID_REQUEST),
        (vec![accept(0, i64::MAX)], ErrorCode::INVALID_REQUEST),
        (vec![accept(2, 1)], ErrorCode::INVALID_REQUEST),
        (vec![accept(1, 1), accept(0, 0)], ErrorCode::INVALID_REQUEST),
        (vec![accept(0, 1), accept(1, 2)], ErrorCode::INVALID_RECORD_STATE),
        (vec![accept(0, 2), accept(1, 2)], ErrorCode::INVALID_REQUEST),
        (vec![acknowledged(0, 0, RELEASE), accept(0, 0)], ErrorCode::INVALID_RECORD_STATE),
        (vec![acknowledged(0, 0, 5)], ErrorCode::INVALID_REQUEST),
        (vec![acknowledged(0, 0, -1)], ErrorCode::INVALID_REQUEST),
        (vec![AcknowledgementBatch { first_offset: 0, last_offset: 2, acknowledge_types: vec![1, 1] }], ErrorCode::INVALID_REQUEST),
        (vec![AcknowledgementBatch { first_offset: 0, last_offset: 0, acknowledge_types: vec![] }], ErrorCode::INVALID_REQUEST),
    ] {
        assert_eq!(world.say(&mut worker, said.clone()).await, Err(code), "{said:?}");
    }
    assert_eq!(world.say(&mut worker, vec![accept(0, 0)]).await, Ok(()));
    assert_eq!(world.say(&mut worker, vec![accept(0, 0)]).await, Ok(()), "below the start, it is ignored");
    assert_eq!(world.say(&mut worker, vec![accept(2, 2)]).await, Ok(()));
    assert_eq!(world.say(&mut worker, vec![accept(1, 2)]).await, Err(ErrorCode::INVALID_RECORD_STATE), "one of them twice");
    assert_eq!(world.say(&mut worker, vec![accept(1, 1)]).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_transactions_only_what_was_committed_is_delivered() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = world(&disk, &clock);
    world.set_up("read_committed").await;
    let (mut aborting, mut committing) = (world.begin("aborting").await, world.begin("committing").await);
    world.produce_in(&mut aborting, "k", Some("no")).await.expect("appends");
    world.produce_in(&mut committing, "k", Some("yes")).await.expect("appends");
    let mut worker = Worker::new("a");
    assert!(world.take(&mut worker, 10).await.is_empty(), "nothing is decided");
    world.end(&mut aborting, false).await.expect("ends");
    world.end(&mut committing, true).await.expect("ends");
    world.produce("k", Some("plain")).await.expect("appends");
    assert_eq!(world.take(&mut worker, 10).await, vec![(1, 1), (4, 1)], "neither markers nor what was aborted");
    assert_eq!(world.say(&mut worker, vec![acknowledged(1, 1, ACCEPT), acknowledged(4, 4, ACCEPT)]).await, Ok(()));
    assert!(world.take(&mut worker, 10).await.is_empty());
}

/// What was acknowledged stays so, what was only acquired is delivered again; power goes at any moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_not_delivered_again_whenever_the_power_goes() {
    for seed in 0..60 {
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let mut done = BTreeSet::new();
        {
            let world = world(&disk, &clock);
            world.set_up("read_uncommitted").await;
            world.produce_many(12).await;
            let (mut a, mut b) = (Worker::new("a"), Worker::new("b"));
            let (of_a, of_b) = (world.take(&mut a, 6).await, world.take(&mut b, 6).await);
            assert_eq!((of_a.len(), of_b.len()), (6, 6));
            disk.fail_at(seed, Fault::PowerCut);
            for (one, other) in of_a.iter().zip(&of_b).rev() {
                for (worker, (offset, _)) in [(&mut a, one), (&mut b, other)] {
                    if world.say(worker, vec![acknowledged(*offset, *offset, ACCEPT)]).await.is_ok() {
                        done.insert(*offset);
                    }
                }
            }
        }
        disk.crash(seed);
        let world = world(&disk, &clock);
        let again = world.take(&mut Worker::new("c"), 100).await;
        let again: BTreeSet<i64> = again.into_iter().map(|(offset, _)| offset).collect();
        let twice: Vec<_> = again.intersection(&done).collect();
        assert!(twice.is_empty(), "seed {seed}: {twice:?} were acknowledged, and come again");
        let lost: Vec<i64> = (0..12).filter(|offset| !again.contains(offset) && !done.contains(offset)).collect();
        // One whose answer did not come may be done or not.
        assert!(lost.len() <= 2, "seed {seed}: {lost:?} come no more");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_knows_delivery_counts_and_where_the_group_is() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = world(&disk, &clock);
    world.set_up("read_uncommitted").await;
    world.produce_many(6).await;
    let mut worker = Worker::new("a");
    assert_eq!(world.take(&mut worker, 6).await.len(), 6);
    let said = vec![acknowledged(0, 1, ACCEPT), acknowledged(2, 2, RELEASE), acknowledged(4, 4, REJECT)];
    assert_eq!(world.say(&mut worker, said).await, Ok(()));
    world.broker.close().expect("closes");
    drop(world);
    let world = self::world(&disk, &clock);
    let again = world.take(&mut Worker::new("b"), 10).await;
    assert_eq!(again, [(2, 2), (3, 2), (5, 2)], "locks are no promise; counts were kept with what is beside them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_group_can_begin_anew() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = world(&disk, &clock);
    world.set_up("read_uncommitted").await;
    world.produce_many(4).await;
    let joining = |epoch| ShareGroupHeartbeatRequest {
        group_id: GROUP.into(),
        member_id: "a".into(),
        member_epoch: epoch,
        subscribed_topic_names: Some(vec![TOPIC.into()]),
        ..Default::default()
    };
    let Response::ShareGroupHeartbeat(joined) = world.ask(1, joining(0)).await else { panic!() };
    assert!(joined.error_code.is_none(), "{:?}", joined.error_message);
    let mut worker = Worker::new("a");
    assert_eq!(world.take(&mut worker, 4).await.len(), 4);
    assert_eq!(world.say(&mut worker, vec![acknowledged(0, 3, ACCEPT)]).await, Ok(()));
    let alter = |start_offset| AlterShareGroupOffsetsRequest {
        group_id: GROUP.into(),
        topics: vec![AlterShareGroupOffsetsTopic {
            topic_name: TOPIC.into(),
            partitions: vec![AlterShareGroupOffsetsPartition { partition_index: 0, start_offset }],
        }],
    };
    let Response::AlterShareGroupOffsets(refused) = world.ask(0, alter(1)).await else { panic!() };
    assert_eq!(refused.error_code, ErrorCode::NON_EMPTY_GROUP);
    let Response::ShareGroupHeartbeat(_) = world.ask(1, joining(-1)).await else { panic!() };
    let Response::AlterShareGroupOffsets(altered) = world.ask(0, alter(1)).await else { panic!() };
    assert!(altered.error_code.is_none() && altered.responses[0].partitions[0].error_code.is_none(), "{altered:?}");
    assert_eq!(world.take(&mut Worker::new("b"), 10).await, first_time(1..4));
    drop(world);
    disk.crash(3);
    let world = self::world(&disk, &clock);
    assert_eq!(world.take(&mut Worker::new("c"), 10).await, first_time(1..4), "nothing was acknowledged since");
}

/// What is given up is in the dead-letter topic, whatever happens on the way there, and only then archived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_up_becomes_a_dead_letter() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = world(&disk, &clock);
    world.set_up("read_uncommitted").await;
    const TOPIC_NAME: &str = "errors.deadletterqueue.topic.name";
    assert_eq!(world.set_on_group(&[(TOPIC_NAME, "letters")]).await, ErrorCode::INVALID_CONFIG, "it has no dlq. before it");
    let copying = ("errors.deadletterqueue.copy.record.enable", "true");
    assert_eq!(world.set_on_group(&[(TOPIC_NAME, "dlq.letters"), copying, ("share.delivery.count.limit", "2")]).await, ErrorCode::NONE);
    world.produce_many(3).await;
    let mut worker = Worker::new("a");
    assert_eq!(world.take(&mut worker, 3).await, first_time(0..3));
    let said = vec![acknowledged(0, 0, REJECT), acknowledged(1, 1, RELEASE), acknowledged(2, 2, ACCEPT)];
    assert_eq!(world.say(&mut worker, said).await, Ok(()), "there is no topic yet, and the record waits");
    assert_eq!(world.take(&mut worker, 3).await, vec![(1, 2)]);
    assert_eq!(world.say(&mut worker, vec![acknowledged(1, 1, RELEASE)]).await, Ok(()));
    drop(world);
    disk.crash(11);
    let world = self::world(&disk, &clock);
    assert!(world.take(&mut Worker::new("b"), 3).await.is_empty(), "they are nobody's any more");
    world.create_named("dlq.letters", false).await;
    world.tend().await;
    assert!(world.letters("dlq.letters").await.is_empty(), "the topic does not take any");
    let Response::DeleteTopics(_) = world
        .ask(
            5,
            millstream_protocol::message::delete_topics::DeleteTopicsRequest {
                topic_names: vec!["dlq.letters".into()],
                timeout_ms: 1000,
                ..Default::default()
            },
        )
        .await
    else {
        panic!()
    };
    world.create_named("dlq.letters", true).await;
    let letters = world.until_letters("dlq.letters", 2).await;
    let header = |letter: usize, name: &str| letters[letter].1.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    assert_eq!(letters.iter().map(|(value, _)| value.as_deref()).collect::<Vec<_>>(), [Some("0"), Some("1")]);
    for (letter, offset, count, why) in [(0, "0", "1", "CLIENT_REJECTED"), (1, "1", "2", "MAX_DELIVERY_ATTEMPTS_REACHED")] {
        assert_eq!(header(letter, "_dlq.errors.offset").as_deref(), Some(offset));
        assert_eq!(header(letter, "_dlq.errors.delivery.count").as_deref(), Some(count));
        assert_eq!(header(letter, "_dlq.errors.disposition").as_deref(), Some(why));
        assert_eq!(
            (header(letter, "_dlq.errors.topic").as_deref(), header(letter, "_dlq.errors.group").as_deref()),
            (Some(TOPIC), Some(GROUP))
        );
    }
    drop(world);
    disk.crash(12);
    let world = self::world(&disk, &clock);
    world.tend().await;
    assert!(world.take(&mut Worker::new("c"), 3).await.is_empty());
    assert_eq!(world.letters("dlq.letters").await.len(), 2, "archived, they are written no more");
}

/// An acknowledgement is never of a record that a power cut takes: another one would get its offset, and nobody would get that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_durable_itself() {
    for seed in 0..20 {
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let world = world(&disk, &clock);
        world.set_up("read_uncommitted").await;
        let mut worker = Worker::new("a");
        for offset in 0..3 {
            assert_eq!(world.send(None, Some("written, and not synced"), NOW_MS, None, 1).await, Ok(offset));
            assert_eq!(world.take(&mut worker, 10).await, vec![(offset, 1)]);
            assert_eq!(world.say(&mut worker, vec![acknowledged(offset, offset, ACCEPT)]).await, Ok(()));
        }
        drop(world);
        disk.crash(seed);
        let world = self::world(&disk, &clock);
        assert_eq!(world.produce("k", Some("next")).await, Ok(3), "seed {seed}");
        assert_eq!(world.take(&mut Worker::new("b"), 10).await, vec![(3, 1)], "seed {seed}");
    }
}

/// What a group knew of a topic goes with it, at once or with the next start, and nothing of it is there for a new one of the name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_gone_leaves_nothing_behind() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = world(&disk, &clock);
    world.set_up("read_uncommitted").await;
    world.produce_many(3).await;
    let mut worker = Worker::new("a");
    assert_eq!(world.take(&mut worker, 3).await.len(), 3);
    assert_eq!(world.say(&mut worker, vec![acknowledged(0, 1, ACCEPT)]).await, Ok(()));
    let delete = DeleteTopicsRequest { topic_names: vec![TOPIC.into()], timeout_ms: 1000, ..Default::default() };
    let Response::DeleteTopics(deleted) = world.ask(5, delete).await else { panic!() };
    assert!(deleted.responses[0].error_code.is_none());
    let described =
        || DescribeShareGroupOffsetsRequest { groups: vec![DescribeShareGroupOffsetsGroup { group_id: GROUP.into(), topics: None }] };
    let Response::DescribeShareGroupOffsets(known) = world.ask(1, described()).await else { panic!() };
    assert!(known.groups[0].topics.is_empty(), "{known:?}");
    world.create(&[]).await;
    world.produce_many(2).await;
    assert_eq!(world.take(&mut Worker::new("b"), 3).await, first_time(0..2));
    drop(world);
    disk.crash(5);
    let world = self::world(&disk, &clock);
    assert_eq!(world.take(&mut Worker::new("c"), 3).await, first_time(0..2));
}

/// A window that is full is no reason to wait for longer than it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_found_the_window_full_is_woken_when_there_is_room() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = world(&disk, &clock);
    world.set_up("read_uncommitted").await;
    assert_eq!(world.set_on_group(&[("share.partition.max.record.locks", "100")]).await, ErrorCode::NONE);
    world.produce_many(120).await;
    let (mut a, mut b) = (Worker::new("a"), Worker::new("b"));
    assert_eq!(world.take(&mut a, 200).await, first_time(0..100));
    let waiting = tokio::time::timeout(Duration::from_secs(20), world.share(&mut b, 200, Vec::new(), 60_000));
    let (got, said) = tokio::join!(waiting, async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.say(&mut a, vec![acknowledged(0, 9, ACCEPT)]).await
    });
    assert_eq!(said, Ok(()));
    let got = got.expect("in time");
    let acquired = &got.responses[0].partitions[0].acquired_records;
    assert_eq!((acquired[0].first_offset, acquired[0].last_offset), (100, 109));
}

/// What a full disk did not take is kept with what comes next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_kept_is_kept_later() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = world(&disk, &clock);
    world.set_up("read_uncommitted").await;
    // More than a block of the window.
    world.produce_many(1100).await;
    let mut worker = Worker::new("a");
    assert_eq!(world.take_all(&mut worker).await.len(), 1100);
    disk.fail_at(0, Fault::NoSpace);
    assert_eq!(world.say(&mut worker, vec![acknowledged(5, 5, ACCEPT)]).await, Err(ErrorCode::COORDINATOR_NOT_AVAILABLE));
    assert_eq!(world.say(&mut worker, vec![acknowledged(1050, 1050, ACCEPT)]).await, Ok(()));
    drop(world);
    disk.crash(1);
    let world = self::world(&disk, &clock);
    let again = world.take_all(&mut Worker::new("b")).await;
    assert_eq!((again.len(), again.iter().any(|(offset, _)| [5, 1050].contains(offset))), (1098, false));
}
