//! What survives: the broker on a simulated disk that loses, tears and refuses.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use millstream_broker::disk::simulated::{Fault, SimulatedDisk};
use millstream_broker::disk::{Disk, Mode};
use millstream_broker::{Broker, BrokerHandle, BrokerSettings, Clock, Properties};
use millstream_protocol::message::create_topics::{CreatableTopic, CreateTopicsRequest};
use millstream_protocol::message::fetch::{FetchPartition, FetchRequest, FetchTopic};
use millstream_protocol::message::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use millstream_protocol::message::metadata::MetadataRequest;
use millstream_protocol::message::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millstream_protocol::record::{BatchBuilder, Codec, NewRecord, Records};
use millstream_protocol::{Call, ErrorCode, Exchange, Response, TopicId};

const TOPIC: &str = "t";
const NOW_MS: i64 = 1_770_000_000_000;

fn open(disk: &SimulatedDisk) -> Arc<Broker> {
    let properties = Properties::from([("log.segment.bytes".into(), "4096".into())]);
    let settings = BrokerSettings::new(properties).expect("legal properties");
    Broker::open_on(Path::new("/data"), settings, Arc::new(disk.clone()), Clock::manual(NOW_MS)).expect("opens")
}

async fn ask(broker: &Arc<Broker>, call: Call) -> Response {
    BrokerHandle(broker.clone()).exchange(call).await.expect("a broker in this process answers")
}

async fn create(broker: &Arc<Broker>) {
    create_with(broker, 1).await;
}

async fn create_with(broker: &Arc<Broker>, num_partitions: i32) {
    let topic = CreatableTopic { name: TOPIC.into(), num_partitions, replication_factor: 1, ..Default::default() };
    ask(broker, Call::local(CreateTopicsRequest { topics: vec![topic], ..Default::default() })).await;
}

/// Appends one record with acks=all at a producer's sequence number; the offset if it was acknowledged.
async fn produce(broker: &Arc<Broker>, value: &str, sequence: i32) -> Result<i64, ErrorCode> {
    produce_with(broker, value, sequence, -1).await
}

async fn produce_anonymous(broker: &Arc<Broker>, value: &str) -> Result<i64, ErrorCode> {
    send(broker, BatchBuilder::new(Codec::None), value, -1).await
}

async fn produce_with(broker: &Arc<Broker>, value: &str, sequence: i32, acks: i16) -> Result<i64, ErrorCode> {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.set_producer(7, 0, sequence);
    send(broker, builder, value, acks).await
}

async fn send(broker: &Arc<Broker>, mut builder: BatchBuilder, value: &str, acks: i16) -> Result<i64, ErrorCode> {
    builder.push(NewRecord { timestamp: NOW_MS, value: Some(value.as_bytes()), ..Default::default() });
    let batch = builder.build().expect("builds").to_bytes();
    let data = PartitionProduceData { index: 0, records: Some(Records::from(batch)) };
    let topic = TopicProduceData { name: TOPIC.into(), partition_data: vec![data], ..Default::default() };
    let request = ProduceRequest { acks, timeout_ms: 60_000, topic_data: vec![topic], ..Default::default() };
    let Response::Produce(answer) = ask(broker, Call { version: 9, ..Call::local(request) }).await else { panic!() };
    let answer = &answer.responses[0].partition_responses[0];
    if answer.error_code.is_none() { Ok(answer.base_offset) } else { Err(answer.error_code) }
}

/// All values from an offset on; whether the last answer was an error.
async fn values(broker: &Arc<Broker>) -> (Vec<(i64, Bytes)>, Option<ErrorCode>) {
    let Response::Metadata(metadata) = ask(broker, Call::local(MetadataRequest { topics: None, ..Default::default() })).await else {
        panic!()
    };
    let topic_id = metadata.topics.first().map_or(TopicId::ZERO, |topic| topic.topic_id);
    let mut found: Vec<(i64, Bytes)> = Vec::new();
    loop {
        let fetch_offset = found.last().map_or(0, |(offset, _)| offset + 1);
        let partition = FetchPartition { fetch_offset, partition_max_bytes: 1 << 20, ..Default::default() };
        let topic = FetchTopic { topic_id, partitions: vec![partition], ..Default::default() };
        let Response::Fetch(answer) = ask(broker, Call::local(FetchRequest { topics: vec![topic], ..Default::default() })).await else {
            panic!()
        };
        let partition = &answer.responses[0].partitions[0];
        if !partition.error_code.is_none() {
            return (found, Some(partition.error_code));
        }
        let before = found.len();
        for batch in partition.records.clone().unwrap_or_default().batches() {
            for record in batch.expect("whole").records(1 << 20).expect("readable") {
                let record = record.expect("readable");
                found.push((record.offset, record.value.expect("has a value")));
            }
        }
        if found.len() == before {
            return (found, None);
        }
    }
}

/// Power cuts at every call that changes the disk: what was acknowledged is there once, in order, at its offset.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_wherever_the_power_goes() {
    for seed in 0..150u64 {
        let disk = SimulatedDisk::new();
        let broker = open(&disk);
        create(&broker).await;
        disk.fail_at(seed % 75, Fault::PowerCut);
        let mut acknowledged = Vec::new();
        let mut sequence = 0;
        while let Ok(offset) = produce(&broker, &format!("{sequence:0400}"), sequence).await {
            acknowledged.push((offset, Bytes::from(format!("{sequence:0400}"))));
            sequence += 1;
            if sequence > 60 {
                break;
            }
        }
        drop(broker);
        disk.crash(seed);
        let broker = open(&disk);
        let (found, error) = values(&broker).await;
        assert_eq!(error, None, "seed {seed}");
        assert!(found.starts_with(&acknowledged), "seed {seed}: {} acknowledged, {} found", acknowledged.len(), found.len());
        // A producer that sends the last batch again, not knowing its fate, does not write it twice.
        let retried = produce(&broker, &format!("{sequence:0400}"), sequence).await.expect("a sound disk takes it");
        let (found, _) = values(&broker).await;
        let copies = found.iter().filter(|(_, value)| *value == format!("{sequence:0400}")).count();
        assert_eq!((copies, retried), (1, sequence as i64), "seed {seed}");
    }
}

/// Most batches ask for no stable storage: a power cut may take those that no sync covered, in any order, blocks of
/// them too. What is left is one run without a hole, it has all that a sync covered, and it can be read to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_leaves_no_hole_in_front_of_what_can_be_read() {
    let mut lost = 0;
    for seed in 0..300u64 {
        let disk = SimulatedDisk::new();
        let broker = open(&disk);
        create(&broker).await;
        // All but every seventh batch is only written; the values have no zeros that look like an unwritten block.
        disk.fail_at(10 + seed % 90, Fault::PowerCut);
        let (mut sent, mut synced, mut sequence) = (Vec::new(), 0, 0);
        loop {
            let acks = if sequence % 7 == 3 { -1 } else { 1 };
            let value = format!("{sequence:0400}");
            let Ok(offset) = produce_with(&broker, &value, sequence, acks).await else { break };
            sent.push((offset, Bytes::from(value)));
            sequence += 1;
            if acks == -1 {
                synced = sent.len();
            }
            if sequence > 120 {
                break;
            }
        }
        drop(broker);
        disk.crash(seed);
        let broker = open(&disk);
        let (mut found, error) = values(&broker).await;
        assert_eq!(error, None, "seed {seed}");
        lost += usize::from(found.len() < sent.len());
        // One batch more may be there: the one whose answer the power cut took.
        let next_sequence = found.len() as i32;
        found.truncate(sent.len());
        assert!(sent.starts_with(&found), "seed {seed}: what is left is what was sent, from the beginning on");
        assert!(found.len() >= synced, "seed {seed}: {synced} were on stable storage, {} found", found.len());
        let offset = produce_with(&broker, "on", next_sequence, 1).await;
        assert!(offset.is_ok(), "seed {seed}: {offset:?}");
        assert_eq!(values(&broker).await.1, None, "seed {seed}");
    }
    assert!(lost > 50, "the power cuts took something in {lost} of 300 runs");
}

/// After a sync that failed nothing is acknowledged any more, whatever the disk says later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_is_final() {
    let disk = SimulatedDisk::new();
    let broker = open(&disk);
    create(&broker).await;
    produce(&broker, "before", 0).await.expect("a sound disk");
    let failure = broker.failure();
    disk.fail_at(1, Fault::SyncFails);
    assert_eq!(produce(&broker, "lost", 1).await, Err(ErrorCode::KAFKA_STORAGE_ERROR));
    assert!(failure.borrow().is_some(), "whoever runs the broker is told");
    assert_eq!(produce(&broker, "after", 2).await, Err(ErrorCode::KAFKA_STORAGE_ERROR));
}

/// A full disk refuses, loses nothing, and is written again once there is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_recovers() {
    let mut refusals = 0;
    for nth in 0..6 {
        let disk = SimulatedDisk::new();
        let broker = open(&disk);
        create(&broker).await;
        disk.fail_at(nth, Fault::NoSpace);
        let first = produce(&broker, "a", 0).await;
        if broker.failure().borrow().is_some() {
            // It was the sync that failed, which is final whatever the reason.
            continue;
        }
        refusals += i32::from(first == Err(ErrorCode::KAFKA_STORAGE_ERROR));
        let offset = produce(&broker, "a", 0).await.expect("there is room again, and a retry is taken once");
        assert_eq!(offset, 0, "{first:?}");
        assert_eq!(values(&broker).await.0.len(), 1);
    }
    assert!(refusals >= 3, "the fault was met");
}

/// The leader epoch that clients are told.
async fn epoch(broker: &Arc<Broker>) -> i32 {
    let Response::Metadata(metadata) = ask(broker, Call::local(MetadataRequest { topics: None, ..Default::default() })).await else {
        panic!()
    };
    metadata.topics[0].partitions[0].leader_epoch
}

/// What was on stable storage is never cut, not even at the end where nothing follows; and its offsets are not given again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_at_the_end_of_what_was_synced_is_not_cut() {
    for is_clean in [true, false] {
        let disk = SimulatedDisk::new();
        let broker = open(&disk);
        create(&broker).await;
        for sequence in 0..5 {
            produce(&broker, &format!("{sequence:0400}"), sequence).await.expect("a sound disk");
        }
        broker.close().expect("closes");
        drop(broker);
        if !is_clean {
            // A start that ends in a crash without having written anything.
            drop(open(&disk));
            disk.crash(1);
        }
        let log = disk.files().into_iter().find(|path| path.extension().is_some_and(|kind| kind == "log")).expect("a log");
        disk.flip_bit(&log, 4 * 480 + 100, 3);
        let broker = open(&disk);
        let (found, error) = values(&broker).await;
        assert_eq!((found.len(), error), (4, Some(ErrorCode::CORRUPT_MESSAGE)), "clean: {is_clean}");
        // The producer's last batch is not known any more, so sent again it is taken.
        assert_eq!(produce(&broker, "on", 4).await.expect("appends go on"), 5);
    }
}

/// A crash begins a new leader epoch, a clean stop does not, and none is ever taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leader_epochs_rise_with_every_crash() {
    let disk = SimulatedDisk::new();
    let broker = open(&disk);
    create(&broker).await;
    produce(&broker, "a", 0).await.expect("a sound disk");
    let first = epoch(&broker).await;
    broker.close().expect("closes");
    drop(broker);
    let broker = open(&disk);
    assert_eq!(epoch(&broker).await, first, "after a clean stop");
    drop(broker);
    disk.crash(1);
    let broker = open(&disk);
    assert_eq!(epoch(&broker).await, first + 1, "after a crash");
    broker.close().expect("closes");
    drop(broker);
    let broker = open(&disk);
    assert_eq!(epoch(&broker).await, first + 1, "nothing was appended in it, and it is not taken back");
    drop(broker);
    disk.crash(2);
    let broker = open(&disk);
    assert_eq!(epoch(&broker).await, first + 2);
}

/// What a start after a crash reads does not grow with what was sealed before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovery_does_not_read_sealed_segments() {
    let mut read = Vec::new();
    for records in [20, 400] {
        let disk = SimulatedDisk::new();
        let broker = open(&disk);
        create(&broker).await;
        for sequence in 0..records {
            // Nobody has an identity, and that there is none is remembered too.
            produce_anonymous(&broker, &format!("{sequence:0400}")).await.expect("a sound disk");
        }
        drop(broker);
        disk.crash(1);
        let before = disk.read_bytes();
        let broker = open(&disk);
        read.push(disk.read_bytes() - before);
        assert_eq!(values(&broker).await.0.len(), records as usize);
    }
    // Indexes are small and are read; 190 KB of sealed batches are not.
    assert!(read[1] < read[0] + 40_000, "{read:?} bytes");
}

/// One flipped bit in the middle: records before and behind stay readable, the damaged place is an error, never skipped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_in_the_middle_is_an_error_and_nothing_is_cut() {
    let disk = SimulatedDisk::new();
    let broker = open(&disk);
    create(&broker).await;
    for sequence in 0..5 {
        produce(&broker, &format!("{sequence:0400}"), sequence).await.expect("a sound disk");
    }
    drop(broker);
    let log = disk.files().into_iter().find(|path| path.extension().is_some_and(|kind| kind == "log")).expect("a log");
    disk.flip_bit(&log, 2 * 480 + 200, 3);
    let broker = open(&disk);
    let (found, error) = values(&broker).await;
    assert_eq!(error, Some(ErrorCode::CORRUPT_MESSAGE));
    assert!(!found.is_empty() && found.len() < 5, "records before the damage are there");
    let offset = produce(&broker, "on", 5).await.expect("appends go on");
    assert_eq!(offset, 5, "and no offset is given twice");
}

/// The room that an append made behind a log's end is cut off by the stop after it, also when the stop before that had done so.
#[tokio::test]
async fn every_stop_leaves_the_log_as_long_as_what_is_in_it() {
    let disk = SimulatedDisk::new();
    let mut broker = open(&disk);
    create(&broker).await;
    let mut lengths = Vec::new();
    for number in 0..3 {
        produce_anonymous(&broker, "x").await.expect("is written");
        for _ in 0..2 {
            broker.close().expect("closes");
            drop(broker);
            lengths.push((number, log_bytes(&disk)));
            broker = open(&disk);
        }
    }
    let one = lengths[0].1;
    assert_eq!(lengths, [(0, one), (0, one), (1, 2 * one), (1, 2 * one), (2, 3 * one), (2, 3 * one)]);
}

/// Bytes of the topic's only segment, with the room behind its end.
fn log_bytes(disk: &SimulatedDisk) -> u64 {
    let topics = Path::new("/data/topics");
    let topic = disk.list(topics).expect("is there").remove(0).name;
    let path = topics.join(topic).join("0").join("00000000000000000000.log");
    disk.open(&path, Mode::Existing).expect("is there").len().expect("has a length")
}

/// One record in each of many partitions, at the level of the operating system.
async fn produce_to_each(broker: &Arc<Broker>, partitions: i32) {
    let data = |index| {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.push(NewRecord { timestamp: NOW_MS, value: Some(b"v"), ..Default::default() });
        PartitionProduceData { index, records: Some(Records::from(builder.build().expect("builds").to_bytes())) }
    };
    let topic = TopicProduceData { name: TOPIC.into(), partition_data: (0..partitions).map(data).collect(), ..Default::default() };
    let request = ProduceRequest { acks: 1, timeout_ms: 60_000, topic_data: vec![topic], ..Default::default() };
    ask(broker, Call { version: 9, ..Call::local(request) }).await;
}

/// The end of each partition, as a client is told it.
async fn ends(broker: &Arc<Broker>, partitions: i32) -> Vec<i64> {
    let partitions = (0..partitions).map(|partition_index| ListOffsetsPartition { partition_index, timestamp: -1, ..Default::default() });
    let topic = ListOffsetsTopic { name: TOPIC.into(), partitions: partitions.collect() };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
    let Response::ListOffsets(answer) = ask(broker, Call { version: 5, ..Call::local(request) }).await else { panic!() };
    answer.topics[0].partitions.iter().map(|partition| partition.offset).collect()
}

/// The process dies, and what no sync had covered is still there; a start shows it, and then the power goes. What was shown once stays:
/// synced one by one where there are few partitions, and all at once where there are many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_start_has_shown_is_there_after_a_power_cut() {
    for (seed, partitions) in [(1, 3), (2, 64), (3, 65), (4, 200)] {
        let disk = SimulatedDisk::new();
        let broker = open(&disk);
        create_with(&broker, partitions).await;
        produce_to_each(&broker, partitions).await;
        drop(broker);
        let shown = ends(&open(&disk), partitions).await;
        assert_eq!(shown, vec![1; partitions as usize]);
        disk.crash(seed);
        assert_eq!(ends(&open(&disk), partitions).await, shown, "{partitions} partitions, seed {seed}");
    }
}
