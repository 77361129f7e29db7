//! Transactions, offsets and compaction on a disk that loses power: what was promised holds after the restart.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use millstream_broker::disk::simulated::{Fault, SimulatedDisk};
use millstream_broker::{Broker, BrokerHandle, BrokerSettings, Clock, Properties};
use millstream_protocol::message::add_offsets_to_txn::AddOffsetsToTxnRequest;
use millstream_protocol::message::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use millstream_protocol::message::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use millstream_protocol::message::end_txn::EndTxnRequest;
use millstream_protocol::message::fetch::{FetchPartition, FetchRequest, FetchTopic};
use millstream_protocol::message::init_producer_id::InitProducerIdRequest;
use millstream_protocol::message::join_group::{JoinGroupRequest, JoinProtocol};
use millstream_protocol::message::metadata::{MetadataRequest, MetadataRequestTopic};
use millstream_protocol::message::offset_commit::{OffsetCommitPartition, OffsetCommitRequest, OffsetCommitTopic};
use millstream_protocol::message::offset_fetch::{OffsetFetchGroup, OffsetFetchGroupTopic, OffsetFetchRequest};
use millstream_protocol::message::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millstream_protocol::message::txn_offset_commit::{TxnOffsetCommitPartition, TxnOffsetCommitRequest, TxnOffsetCommitTopic};
use millstream_protocol::record::batch::TRANSACTIONAL;
use millstream_protocol::record::{BatchBuilder, Codec, NewRecord, Records};
use millstream_protocol::{Call, ErrorCode, Exchange, Request, Response, TopicId};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

#[path = "coordination/damaged.rs"]
mod damaged;
#[path = "coordination/forgotten.rs"]
mod forgotten;
#[path = "coordination/groups.rs"]
mod groups;
#[path = "coordination/interval.rs"]
mod interval;
#[path = "coordination/mixed.rs"]
mod mixed;
#[path = "coordination/properties.rs"]
mod properties;
#[path = "coordination/share.rs"]
mod share;

const NOW_MS: i64 = 1_770_000_000_000;

struct World {
    broker: Arc<Broker>,
    clock: Clock,
}

impl World {
    fn open(disk: &SimulatedDisk, clock: &Clock) -> Self {
        Self::open_with(disk, clock, &[("log.segment.bytes", "2048"), ("log.cleaner.delete.retention.ms", "1000")])
    }

    fn open_with(disk: &SimulatedDisk, clock: &Clock, properties: &[(&str, &str)]) -> Self {
        let properties: Properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let settings = BrokerSettings::new(properties).expect("legal properties");
        let broker = Broker::open_on(Path::new("/data"), settings, Arc::new(disk.clone()), clock.clone()).expect("opens");
        World { broker, clock: clock.clone() }
    }

    async fn ask(&self, version: i16, request: impl Into<Request>) -> Response {
        let call = Call { version, ..Call::local(request) };
        BrokerHandle(self.broker.clone()).exchange(call).await.expect("a broker in this process answers")
    }

    async fn create(&self, name: &str, partitions: i32, properties: &[(&str, &str)]) {
        let config = |(name, value): &(&str, &str)| CreatableTopicConfig { name: (*name).into(), value: Some((*value).into()) };
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: properties.iter().map(config).collect(),
            ..Default::default()
        };
        self.ask(7, CreateTopicsRequest { topics: vec![topic], ..Default::default() }).await;
    }

    async fn topic_id(&self, name: &str) -> TopicId {
        let topic = MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: false, ..Default::default() };
        let Response::Metadata(answer) = self.ask(12, request).await else { panic!() };
        answer.topics[0].topic_id
    }

    async fn begin(&self, id: &str) -> Result<(i64, i16), ErrorCode> {
        let request = InitProducerIdRequest { transactional_id: Some(id.into()), transaction_timeout_ms: 60_000, ..Default::default() };
        let Response::InitProducerId(answer) = self.ask(5, request).await else { panic!() };
        if answer.error_code.is_none() { Ok((answer.producer_id, answer.producer_epoch)) } else { Err(answer.error_code) }
    }

    /// One record into one partition, in a transaction (which the batch joins by itself) or outside of any.
    async fn produce(
        &self,
        topic: &str,
        partition: i32,
        key: Option<&str>,
        value: Option<&str>,
        transaction: Option<(&str, i64, i16, i32)>,
    ) -> Result<i64, ErrorCode> {
        let mut builder = BatchBuilder::new(Codec::None);
        if let Some((_, producer_id, epoch, sequence)) = transaction {
            builder.set_producer(producer_id, epoch, sequence);
            builder.set_attributes(TRANSACTIONAL);
        }
        let record = NewRecord {
            timestamp: self.clock.now_ms(),
            key: key.map(str::as_bytes),
            value: value.map(str::as_bytes),
            ..Default::default()
        };
        builder.push(record);
        let batch = builder.build().expect("builds").to_bytes();
        let data = PartitionProduceData { index: partition, records: Some(Records::from(batch)) };
        let topic_data = vec![TopicProduceData { name: topic.into(), partition_data: vec![data], ..Default::default() }];
        let transactional_id = transaction.map(|(id, ..)| id.into());
        let request = ProduceRequest { transactional_id, acks: -1, timeout_ms: 60_000, topic_data };
        let Response::Produce(answer) = self.ask(12, request).await else { panic!() };
        let answer = &answer.responses[0].partition_responses[0];
        if answer.error_code.is_none() { Ok(answer.base_offset) } else { Err(answer.error_code) }
    }

    async fn end(&self, id: &str, (producer_id, producer_epoch): (i64, i16), committed: bool) -> Result<(i64, i16), ErrorCode> {
        let request = EndTxnRequest { transactional_id: id.into(), producer_id, producer_epoch, committed };
        let Response::EndTxn(answer) = self.ask(5, request).await else { panic!() };
        if answer.error_code.is_none() { Ok((answer.producer_id, answer.producer_epoch)) } else { Err(answer.error_code) }
    }

    /// What a reader of committed records sees: offset, key and value; and where it had to stop.
    async fn read(&self, topic: &str, partition: i32, is_committed: bool) -> (Vec<(i64, Option<String>, Option<String>)>, i64) {
        let topic_id = self.topic_id(topic).await;
        let mut found = Vec::new();
        let mut fetch_offset = 0;
        loop {
            let wanted = FetchPartition { partition, fetch_offset, partition_max_bytes: 1 << 20, ..Default::default() };
            let topics = vec![FetchTopic { topic_id, partitions: vec![wanted], ..Default::default() }];
            let request = FetchRequest { topics, isolation_level: i8::from(is_committed), ..Default::default() };
            let Response::Fetch(answer) = self.ask(16, request).await else { panic!() };
            let answer = &answer.responses[0].partitions[0];
            assert!(answer.error_code.is_none(), "{topic}-{partition} from {fetch_offset}: {}", answer.error_code);
            let mut aborted: Vec<(i64, i64)> =
                answer.aborted_transactions.iter().flatten().map(|aborted| (aborted.first_offset, aborted.producer_id)).collect();
            aborted.sort_unstable();
            let mut open: Vec<i64> = Vec::new();
            let before = fetch_offset;
            for batch in answer.records.clone().unwrap_or_default().batches() {
                let batch = batch.expect("whole");
                batch.verify_checksum().expect("sound");
                while aborted.first().is_some_and(|(first, _)| *first <= batch.last_offset()) {
                    open.push(aborted.remove(0).1);
                }
                fetch_offset = batch.last_offset() + 1;
                if let Some(marker) = batch.marker() {
                    if !marker.is_commit {
                        open.retain(|producer_id| *producer_id != batch.producer_id());
                    }
                    continue;
                }
                if is_committed && batch.is_transactional() && open.contains(&batch.producer_id()) {
                    continue;
                }
                for record in batch.records(1 << 20).expect("readable") {
                    let record = record.expect("readable");
                    let text = |bytes: Option<bytes::Bytes>| bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                    found.push((record.offset, text(record.key), text(record.value)));
                }
            }
            if fetch_offset == before {
                let end = if is_committed { answer.last_stable_offset } else { answer.high_watermark };
                return (found, end);
            }
        }
    }

    async fn values(&self, topic: &str, partition: i32) -> Vec<String> {
        self.read(topic, partition, true).await.0.into_iter().filter_map(|(_, _, value)| value).collect()
    }

    async fn commit(&self, group: &str, offset: i64) -> Result<(), ErrorCode> {
        let partition = OffsetCommitPartition { committed_offset: offset, ..Default::default() };
        let topics = vec![OffsetCommitTopic { name: "a".into(), partitions: vec![partition], ..Default::default() }];
        let Response::OffsetCommit(answer) =
            self.ask(9, OffsetCommitRequest { group_id: group.into(), topics, ..Default::default() }).await
        else {
            panic!()
        };
        match answer.topics[0].partitions[0].error_code {
            ErrorCode::NONE => Ok(()),
            code => Err(code),
        }
    }

    async fn commit_in_transaction(&self, id: &str, identity: (i64, i16), offset: i64) -> Result<(), ErrorCode> {
        let partition = TxnOffsetCommitPartition { committed_offset: offset, ..Default::default() };
        let request = TxnOffsetCommitRequest {
            transactional_id: id.into(),
            group_id: "g".into(),
            producer_id: identity.0,
            producer_epoch: identity.1,
            topics: vec![TxnOffsetCommitTopic { name: "a".into(), partitions: vec![partition] }],
            ..Default::default()
        };
        let Response::TxnOffsetCommit(answer) = self.ask(5, request).await else { panic!() };
        match answer.topics[0].partitions[0].error_code {
            ErrorCode::NONE => Ok(()),
            code => Err(code),
        }
    }

    async fn committed(&self, group: &str) -> i64 {
        self.try_committed(group).await.unwrap_or_else(|code| panic!("{code}"))
    }

    async fn try_committed(&self, group: &str) -> Result<i64, ErrorCode> {
        let topic = OffsetFetchGroupTopic { name: "a".into(), partition_indexes: vec![0], ..Default::default() };
        let groups = vec![OffsetFetchGroup { group_id: group.into(), topics: Some(vec![topic]), ..Default::default() }];
        let Response::OffsetFetch(answer) = self.ask(9, OffsetFetchRequest { groups, ..Default::default() }).await else { panic!() };
        let group = &answer.groups[0];
        if group.error_code.is_none() { Ok(group.topics[0].partitions[0].committed_offset) } else { Err(group.error_code) }
    }
}

/// Runs the tasks that a started broker has, which complete the transactions of an earlier process; then a new producer takes over.
async fn take_over(world: &World, id: &str) -> Result<(i64, i16), ErrorCode> {
    let tending = tokio::spawn(world.broker.clone().tend());
    let mut begun = world.begin(id).await;
    while begun == Err(ErrorCode::CONCURRENT_TRANSACTIONS) {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        begun = world.begin(id).await;
    }
    tending.abort();
    begun
}

/// Power cuts while transactions over two topics and a group's offset come and go. A transaction whose commit was acknowledged is
/// there in both topics and in the group; one whose abort was acknowledged, or that never came to an end, is nowhere; and no
/// transaction is torn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_are_whole_wherever_the_power_goes() {
    for seed in 0..100u64 {
        let mut random = StdRng::seed_from_u64(seed);
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let world = World::open(&disk, &clock);
        world.create("a", 1, &[]).await;
        world.create("b", 1, &[]).await;
        let Ok(mut identity) = world.begin("id").await else { panic!("seed {seed}") };
        disk.fail_at(random.random_range(0..90), Fault::PowerCut);
        // Of each transaction: whether it was acknowledged as committed, as aborted, or its end is not known.
        let mut outcomes: Vec<(String, Option<bool>)> = Vec::new();
        'run: for number in 0..12 {
            let value = format!("{number}");
            for topic in ["a", "b"] {
                for sequence in 0..2 {
                    let transaction = Some(("id", identity.0, identity.1, sequence));
                    if world.produce(topic, 0, None, Some(&value), transaction).await.is_err() {
                        outcomes.push((value, Some(false)));
                        break 'run;
                    }
                }
            }
            if world.commit_in_transaction("id", identity, number + 1).await.is_err() {
                outcomes.push((value, Some(false)));
                break 'run;
            }
            let is_commit = random.random_bool(0.7);
            match world.end("id", identity, is_commit).await {
                Ok(next) => {
                    identity = next;
                    outcomes.push((value, Some(is_commit)));
                }
                Err(_) => {
                    outcomes.push((value, if is_commit { None } else { Some(false) }));
                    break 'run;
                }
            }
        }
        drop(world);
        disk.crash(seed);
        let world = World::open(&disk, &clock);
        // What was open is aborted.
        take_over(&world, "id").await.unwrap_or_else(|code| panic!("seed {seed}: {code}"));
        let (a, b) = (world.values("a", 0).await, world.values("b", 0).await);
        assert_eq!(a, b, "seed {seed}: a transaction is torn");
        let mut last = -1;
        for (value, outcome) in &outcomes {
            let count = a.iter().filter(|seen| *seen == value).count();
            match outcome {
                Some(true) => assert_eq!(count, 2, "seed {seed}: transaction {value} was committed; {outcomes:?}"),
                Some(false) => assert_eq!(count, 0, "seed {seed}: transaction {value} was not committed; {outcomes:?}"),
                None => assert!(count == 0 || count == 2, "seed {seed}: half of transaction {value}; {outcomes:?}"),
            }
            if count == 2 {
                last = value.parse::<i64>().unwrap_or(-1);
            }
        }
        let committed = world.committed("g").await;
        assert_eq!(committed, if last < 0 { -1 } else { last + 1 }, "seed {seed}: the offset goes with its transaction; {outcomes:?}");
        for topic in ["a", "b"] {
            let (_, end) = world.read(topic, 0, false).await;
            let (_, stable) = world.read(topic, 0, true).await;
            assert_eq!(end, stable, "seed {seed}: a transaction hangs in {topic}");
        }
    }
}

/// Committed offsets never go back, and one that nobody committed is -1 and not 0.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_offsets_never_go_back() {
    for seed in 0..100u64 {
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let world = World::open(&disk, &clock);
        world.create("a", 1, &[]).await;
        assert_eq!(world.committed("g").await, -1);
        disk.fail_at(seed % 60, Fault::PowerCut);
        let (mut acknowledged, mut tried) = (-1, -1);
        for offset in 0..200 {
            tried = offset;
            if world.commit("g", offset).await.is_err() {
                break;
            }
            acknowledged = offset;
            if offset % 20 == 0 {
                clock.advance_ms(10);
                let broker = world.broker.clone();
                tokio::task::spawn_blocking(move || broker.tend_now()).await.expect("tends");
            }
        }
        drop(world);
        disk.crash(seed);
        let world = World::open(&disk, &clock);
        let after = world.committed("g").await;
        assert!((acknowledged..=tried).contains(&after), "seed {seed}: {acknowledged} was acknowledged, {after} is there");
        world.commit("g", 1000).await.unwrap_or_else(|code| panic!("seed {seed}: {code}"));
        assert_eq!(world.committed("g").await, 1000);
    }
}

/// Random writes and deletions with compaction in between and power cuts anywhere: every key has its newest acknowledged value, at
/// the offset that it was given; deletions go when their time is over; reading from any offset works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_keeps_the_newest_of_each_key_wherever_the_power_goes() {
    for seed in 0..60u64 {
        let mut random = StdRng::seed_from_u64(seed);
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let mut world = World::open(&disk, &clock);
        world.create("c", 1, &[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0")]).await;
        let mut newest: BTreeMap<String, (i64, Option<String>)> = BTreeMap::new();
        let mut removed_bytes = false;
        for round in 0..4 {
            disk.fail_at(random.random_range(20..260), Fault::PowerCut);
            let mut unsure: Option<(String, Option<String>)> = None;
            for number in 0..80 {
                let key = format!("k{}", random.random_range(0..12));
                let value = random.random_bool(0.85).then(|| format!("{round}-{number}-{}", "x".repeat(random.random_range(0..80))));
                match world.produce("c", 0, Some(&key), value.as_deref(), None).await {
                    Ok(offset) => newest.insert(key, (offset, value)),
                    Err(_) => {
                        unsure = Some((key, value));
                        break;
                    }
                };
                if number % 10 == 9 {
                    clock.advance_ms(random.random_range(1..1500));
                    let broker = world.broker.clone();
                    tokio::task::spawn_blocking(move || broker.tend_now()).await.expect("tends");
                }
            }
            drop(world);
            disk.crash(seed * 10 + round);
            world = World::open(&disk, &clock);
            let (found, end) = world.read("c", 0, false).await;
            let mut seen: BTreeMap<String, (i64, Option<String>)> = BTreeMap::new();
            let mut previous = -1;
            for (offset, key, value) in &found {
                assert!(*offset > previous, "seed {seed}: offsets rise");
                previous = *offset;
                seen.insert(key.clone().expect("has a key"), (*offset, value.clone()));
            }
            removed_bytes |= (found.len() as i64) < end;
            // A write whose answer never came may be there; it is the newest then.
            if let Some((key, value)) = unsure
                && let Some((offset, there)) = seen.get(&key).cloned()
                && there == value
                && newest.get(&key).is_none_or(|(known, _)| *known < offset)
            {
                newest.insert(key, (offset, value));
            }
            for (key, (offset, value)) in &newest {
                match seen.get(key) {
                    Some(found) => assert_eq!(found, &(*offset, value.clone()), "seed {seed} round {round}: {key}"),
                    None => assert!(value.is_none(), "seed {seed} round {round}: {key} is lost"),
                }
            }
            for key in seen.keys() {
                assert!(newest.contains_key(key), "seed {seed}: {key} was never written");
            }
        }
        assert!(removed_bytes, "seed {seed}: nothing was ever compacted, so this shows nothing");
    }
}

/// Offsets of a transaction are nobody's before it is committed, and never if it is aborted.
#[tokio::test]
async fn offsets_of_a_transaction_wait_for_its_end() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock);
    world.create("a", 1, &[]).await;
    let identity = world.begin("id").await.expect("begins");
    world.commit_in_transaction("id", identity, 5).await.expect("held");
    assert_eq!(world.committed("g").await, -1, "the transaction is open");
    let identity = world.end("id", identity, false).await.expect("aborts");
    assert_eq!(world.committed("g").await, -1, "it was aborted");
    world.commit_in_transaction("id", identity, 6).await.expect("held");
    let identity = world.end("id", identity, true).await.expect("commits");
    assert_eq!(world.committed("g").await, 6);
    world.commit_in_transaction("id", identity, 7).await.expect("held");
    world.commit("g", 9).await.expect("commits meanwhile");
    world.end("id", identity, true).await.expect("commits");
    assert_eq!(world.committed("g").await, 9, "the newer commit stays");
}

/// Each wrong step has the protocol's error.
#[tokio::test]
async fn wrong_steps_of_a_transaction_are_refused() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock);
    world.create("a", 1, &[]).await;
    let identity = world.begin("id").await.expect("begins");
    assert_eq!(world.end("id", identity, true).await, Err(ErrorCode::INVALID_TXN_STATE), "nothing to commit");
    assert_eq!(world.end("other", identity, true).await, Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING));
    world.produce("a", 0, None, Some("1"), Some(("id", identity.0, identity.1, 0))).await.expect("joins by itself");
    assert_eq!(world.read("a", 0, true).await.0, [], "an open transaction is nobody's");
    assert_eq!(world.read("a", 0, true).await.1, 0);
    let next = world.end("id", identity, true).await.expect("commits");
    assert_eq!(next, (identity.0, identity.1 + 1), "the epoch rises with the end");
    assert_eq!(world.end("id", identity, true).await, Ok(next), "repeated");
    assert_eq!(world.end("id", identity, false).await, Err(ErrorCode::INVALID_TXN_STATE), "the other outcome");
    let late = world.produce("a", 0, None, Some("late"), Some(("id", identity.0, identity.1, 1))).await;
    assert_eq!(late, Err(ErrorCode::INVALID_PRODUCER_EPOCH), "a zombie's late batch");
    world.produce("a", 0, None, Some("2"), Some(("id", next.0, next.1, 0))).await.expect("the next transaction");
    let newer = world.begin("id").await.expect("takes over");
    assert!(newer.1 > next.1);
    let fenced = world.produce("a", 0, None, Some("3"), Some(("id", next.0, next.1, 1))).await;
    assert_eq!(fenced, Err(ErrorCode::INVALID_PRODUCER_EPOCH), "fenced by the newer producer");
    assert_eq!(world.values("a", 0).await, ["1"], "the open transaction was aborted");
    // One that is open for too long is aborted, and its producer is told.
    world.produce("a", 0, None, Some("4"), Some(("id", newer.0, newer.1, 0))).await.expect("opens");
    clock.advance_ms(60_001);
    world.broker.tend_now();
    let mut stable = 0;
    for _ in 0..1000 {
        stable = world.read("a", 0, true).await.1;
        if stable == world.read("a", 0, false).await.1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert_eq!(stable, world.read("a", 0, false).await.1, "the marker is there");
    let late = world.produce("a", 0, None, Some("5"), Some(("id", newer.0, newer.1, 1))).await;
    assert_eq!(late, Err(ErrorCode::INVALID_PRODUCER_EPOCH));
    assert_eq!(world.values("a", 0).await, ["1"]);
    let request =
        AddOffsetsToTxnRequest { transactional_id: "id".into(), producer_id: newer.0, producer_epoch: newer.1, group_id: "g".into() };
    let Response::AddOffsetsToTxn(answer) = world.ask(3, request).await else { panic!() };
    assert_eq!(answer.error_code, ErrorCode::PRODUCER_FENCED);
}

/// What is too large or too clever is refused, and costs nothing.
#[tokio::test]
async fn groups_with_absurd_wishes_are_refused() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock);
    world.create("a", 1, &[]).await;
    let join = |group: &str, protocols: usize| JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: (0..protocols).map(|n| JoinProtocol { name: format!("{n}").into(), ..Default::default() }).collect(),
        ..Default::default()
    };
    let Response::JoinGroup(answer) = world.ask(9, join(&"g".repeat(100_000), 1)).await else { panic!() };
    assert_eq!(answer.error_code, ErrorCode::INVALID_GROUP_ID);
    let Response::JoinGroup(answer) = world.ask(9, join("g", 10_000)).await else { panic!() };
    assert_eq!(answer.error_code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    assert_eq!(world.commit(&"g".repeat(100_000), 1).await, Err(ErrorCode::INVALID_GROUP_ID));
    let heartbeat = |pattern: &str| ConsumerGroupHeartbeatRequest {
        group_id: "c".into(),
        member_id: "m".into(),
        rebalance_timeout_ms: 1000,
        subscribed_topic_regex: Some(pattern.into()),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    };
    for pattern in ["(", "a)|(?:b", "a{1000}{1000}{1000}", &"(".repeat(100_000)] {
        let Response::ConsumerGroupHeartbeat(answer) = world.ask(1, heartbeat(pattern)).await else { panic!() };
        assert_eq!(answer.error_code, ErrorCode::INVALID_REGULAR_EXPRESSION);
    }
    // With a backtracking engine this would never end.
    let name = "a".repeat(200);
    world.create(&name, 1, &[]).await;
    let Response::ConsumerGroupHeartbeat(answer) = world.ask(1, heartbeat("(a*)*(a*)*(a*)*b")).await else { panic!() };
    assert!(answer.error_code.is_none());
}
