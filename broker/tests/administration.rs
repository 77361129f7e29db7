//! Administration: of topics by several at once, off the I/O threads and in order; of the broker's own properties while it runs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream_broker::disk::simulated::SimulatedDisk;
use millstream_broker::{Broker, BrokerHandle, BrokerSettings, Clock, Properties};
use millstream_protocol::message::alter_client_quotas::{AlterClientQuotasRequest, AlteredQuotaEntry, QuotaOp};
use millstream_protocol::message::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use millstream_protocol::message::create_topics::{CreatableTopic, CreateTopicsRequest};
use millstream_protocol::message::describe_client_quotas::{DescribeClientQuotasRequest, QuotaEntity, QuotaFilter};
use millstream_protocol::message::describe_configs::{DescribeConfigsEntry, DescribeConfigsRequest, DescribeConfigsResource};
use millstream_protocol::message::fetch::{FetchPartition, FetchRequest, FetchTopic};
use millstream_protocol::message::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use millstream_protocol::message::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use millstream_protocol::message::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millstream_protocol::record::{BatchBuilder, Codec, NewRecord, Records};
use millstream_protocol::{Call, ErrorCode, Exchange, Request, Response};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SET: i8 = 0;
const DELETE: i8 = 1;

struct World(Arc<Broker>);

impl World {
    fn open(disk: &SimulatedDisk, pairs: &[(&str, &str)]) -> Self {
        let properties: Properties = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let settings = BrokerSettings::new(properties).expect("legal properties");
        let clock = Clock::manual(1_770_000_000_000);
        World(Broker::open_on(Path::new("/data"), settings, Arc::new(disk.clone()), clock).expect("opens"))
    }

    async fn ask(&self, request: impl Into<Request>) -> Response {
        BrokerHandle(self.0.clone()).exchange(Call::local(request)).await.expect("a broker in this process answers")
    }

    async fn create(&self, topics: &[(String, i32)]) -> Vec<(ErrorCode, String)> {
        let topic = |(name, partitions): &(String, i32)| CreatableTopic {
            name: name.as_str().into(),
            num_partitions: *partitions,
            replication_factor: 1,
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: topics.iter().map(topic).collect(), ..Default::default() };
        let Response::CreateTopics(answer) = self.ask(request).await else { panic!() };
        answer.topics.iter().map(|topic| (topic.error_code, topic.error_message.clone().unwrap_or_default().to_string())).collect()
    }

    async fn grow(&self, topics: &[(&str, i32)]) -> Vec<ErrorCode> {
        let topic = |(name, count): &(&str, i32)| CreatePartitionsTopic { name: (*name).into(), count: *count, ..Default::default() };
        let request = CreatePartitionsRequest { topics: topics.iter().map(topic).collect(), ..Default::default() };
        let Response::CreatePartitions(answer) = self.ask(request).await else { panic!() };
        answer.results.iter().map(|result| result.error_code).collect()
    }

    async fn metadata(&self, topic: &str) -> MetadataResponse {
        let topics = Some(vec![MetadataRequestTopic { name: Some(topic.into()), ..Default::default() }]);
        let Response::Metadata(answer) = self.ask(MetadataRequest { topics, ..Default::default() }).await else { panic!() };
        answer
    }

    async fn partitions(&self, topic: &str) -> usize {
        self.metadata(topic).await.topics[0].partitions.len()
    }

    async fn alter(&self, kind: i8, name: &str, changes: &[(&str, i8, &str)]) -> (ErrorCode, String) {
        let config = |(name, operation, value): &(&str, i8, &str)| IncrementalAlterableConfig {
            name: (*name).into(),
            config_operation: *operation,
            value: Some((*value).into()),
        };
        let configs = changes.iter().map(config).collect();
        let resource = IncrementalAlterConfigsResource { resource_type: kind, resource_name: name.into(), configs };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
        let Response::IncrementalAlterConfigs(answer) = self.ask(request).await else { panic!() };
        (answer.responses[0].error_code, answer.responses[0].error_message.clone().unwrap_or_default().to_string())
    }

    async fn describe(&self, kind: i8, name: &str) -> Vec<DescribeConfigsEntry> {
        let resource = DescribeConfigsResource { resource_type: kind, resource_name: name.into(), ..Default::default() };
        let request = DescribeConfigsRequest { resources: vec![resource], include_synonyms: true, include_documentation: true };
        let Response::DescribeConfigs(mut answer) = self.ask(request).await else { panic!() };
        assert!(answer.results[0].error_code.is_none(), "{:?}", answer.results[0]);
        answer.results.remove(0).configs
    }

    /// A property's value and where it comes from.
    async fn value(&self, kind: i8, name: &str, property: &str) -> (Option<String>, i8) {
        let found = self.describe(kind, name).await.into_iter().find(|entry| entry.name == property).expect("is described");
        (found.value.map(|value| value.to_string()), found.config_source)
    }

    async fn produce(&self, topic: &str, partition: i32, value: &[u8], codec: Codec) -> ErrorCode {
        let mut builder = BatchBuilder::new(codec);
        builder.push(NewRecord { value: Some(value), timestamp: 1_770_000_000_000, ..Default::default() });
        let records = Some(Records::from(builder.build().expect("builds").to_bytes()));
        let data = vec![PartitionProduceData { index: partition, records }];
        let topic_data = vec![TopicProduceData { name: topic.into(), partition_data: data, ..Default::default() }];
        let request = Request::from(ProduceRequest { acks: 1, timeout_ms: 1000, topic_data, ..Default::default() });
        let call = Call { version: 9, ..Call::local(request) };
        let answer = BrokerHandle(self.0.clone()).exchange(call).await.expect("a broker in this process answers");
        let Response::Produce(answer) = answer else { panic!() };
        answer.responses[0].partition_responses[0].error_code
    }
}

/// Whoever asks later is measured by what is there then: the smaller number is refused, and the file says what memory says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_add_partitions_at_once_do_not_shrink_a_topic() {
    for _ in 0..20 {
        let disk = SimulatedDisk::new();
        let world = World::open(&disk, &[]);
        world.create(&[("t".into(), 4)]).await;
        let (eight, six) = tokio::join!(world.grow(&[("t", 8)]), world.grow(&[("t", 6)]));
        assert_eq!(eight, [ErrorCode::NONE]);
        assert!(matches!(six[0], ErrorCode::NONE | ErrorCode::INVALID_PARTITIONS), "{}", six[0]);
        assert_eq!(world.partitions("t").await, 8);
        drop(world);
        assert_eq!(World::open(&disk, &[]).partitions("t").await, 8, "after a restart");
    }
}

/// Both changes hold: each is applied to what the other one left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_change_a_topics_properties_at_once_lose_nothing() {
    let world = World::open(&SimulatedDisk::new(), &[]);
    world.create(&[("t".into(), 1)]).await;
    for round in 0..50 {
        let (one, two) = (round.to_string(), (1000 + round).to_string());
        let (first, second) = ([("retention.ms", SET, one.as_str())], [("flush.ms", SET, two.as_str())]);
        let changed = tokio::join!(world.alter(TOPIC, "t", &first), world.alter(TOPIC, "t", &second));
        assert_eq!((changed.0.0, changed.1.0), (ErrorCode::NONE, ErrorCode::NONE));
        assert_eq!(world.value(TOPIC, "t", "retention.ms").await, (Some(one), 1));
        assert_eq!(world.value(TOPIC, "t", "flush.ms").await, (Some(two), 1));
    }
}

/// The bound is of a request, however many topics it names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_does_not_make_millions_of_partitions() {
    let world = World::open(&SimulatedDisk::new(), &[]);
    let many: Vec<(String, i32)> = (0..6).map(|number| (format!("t{number}"), 2000)).collect();
    let refused = (ErrorCode::POLICY_VIOLATION, "Excessively large number of partitions per request.".to_owned());
    assert_eq!(world.create(&many).await, vec![refused; 6]);
    assert_eq!(world.0.totals().topics, 0);
    world.create(&[("a".into(), 1), ("b".into(), 1)]).await;
    assert_eq!(world.grow(&[("a", 6001), ("b", 5001)]).await, [ErrorCode::NONE, ErrorCode::POLICY_VIOLATION]);
    assert_eq!(world.partitions("b").await, 1);
}

/// The only thread of a server is free while somebody's topic waits for the disk.
#[test]
fn administration_does_not_hold_up_the_io_threads() {
    let disk = SimulatedDisk::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a thread");
    runtime.block_on(async {
        let world = World::open(&disk, &[]);
        world.create(&[("t".into(), 1)]).await;
        disk.hold_sync(Path::new("/data/topics"));
        let is_released = Arc::new(AtomicBool::new(false));
        // If the thread is held up, nothing else would ever let it go.
        std::thread::spawn({
            let (disk, is_released) = (disk.clone(), is_released.clone());
            move || {
                std::thread::sleep(Duration::from_secs(5));
                is_released.store(true, Ordering::Relaxed);
                disk.release_sync(Path::new("/data/topics"));
            }
        });
        let slow = [("slow".to_owned(), 1)];
        let mut creating = std::pin::pin!(world.create(&slow));
        let produced = tokio::select! {
            biased;
            _ = &mut creating => panic!("the disk is held"),
            produced = world.produce("t", 0, b"v", Codec::None) => produced,
        };
        assert_eq!((produced, is_released.load(Ordering::Relaxed)), (ErrorCode::NONE, false));
        assert_eq!(creating.await[0].0, ErrorCode::NONE);
    });
}

/// All of Kafka's properties are there, with Kafka's types; topics fall back to what the broker has now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_brokers_properties_change_while_it_runs_and_outlive_it() {
    let disk = SimulatedDisk::new();
    let world = World::open(&disk, &[("log.retention.ms", "5000"), ("node.id", "0"), ("cluster.id", "here")]);
    world.create(&[("t".into(), 1)]).await;
    let metadata = world.metadata("t").await;
    assert_eq!((metadata.brokers[0].node_id, metadata.controller_id), (0, 0));
    assert_eq!((metadata.topics[0].partitions[0].leader_id, metadata.cluster_id.as_deref()), (0, Some("here")));
    assert_eq!(world.describe(TOPIC, "t").await.len(), 34);
    let of_broker = world.describe(BROKER, "0").await;
    for name in ["default.replication.factor", "offsets.topic.num.partitions", "transaction.state.log.min.isr", "num.io.threads"] {
        assert!(of_broker.iter().any(|entry| entry.name == name), "{name}");
    }
    assert!(of_broker.len() > 330, "{}", of_broker.len());
    assert!(of_broker.iter().all(|entry| entry.documentation.as_deref().is_some_and(|text| !text.is_empty())));
    assert_eq!(world.value(TOPIC, "t", "retention.ms").await, (Some("5000".into()), 4));
    let set = |value| [("log.retention.ms", SET, value)];
    assert_eq!(world.alter(BROKER, "", &set("6000")).await.0, ErrorCode::NONE);
    assert_eq!(world.value(TOPIC, "t", "retention.ms").await, (Some("6000".into()), 3));
    assert_eq!(world.alter(BROKER, "0", &set("7000")).await.0, ErrorCode::NONE);
    assert_eq!(world.value(TOPIC, "t", "retention.ms").await, (Some("7000".into()), 2));
    assert_eq!(world.alter(BROKER, "0", &[("message.max.bytes", SET, "200")]).await.0, ErrorCode::NONE);
    assert_eq!(world.produce("t", 0, &[b'x'; 300], Codec::None).await, ErrorCode::MESSAGE_TOO_LARGE, "it holds at once");
    for (changes, sentence) in [
        (("num.partitions", SET, "3"), "Cannot update these configs dynamically: [num.partitions]"),
        (("log.retention.ms", SET, "abc"), "Invalid value abc for configuration log.retention.ms: Not a number of type LONG"),
        (("no.such.property", SET, "1"), "Unknown broker config name: no.such.property"),
    ] {
        assert_eq!(world.alter(BROKER, "0", &[changes]).await, (ErrorCode::INVALID_REQUEST, sentence.to_owned()));
    }
    assert_eq!(world.alter(BROKER, "7", &set("1")).await.0, ErrorCode::INVALID_REQUEST);
    drop(world);
    let world = World::open(&disk, &[("log.retention.ms", "5000"), ("node.id", "0")]);
    assert_eq!(world.value(TOPIC, "t", "retention.ms").await, (Some("7000".into()), 2), "after a restart");
    assert_eq!(world.alter(BROKER, "0", &[("log.retention.ms", DELETE, ""), ("message.max.bytes", DELETE, "")]).await.0, ErrorCode::NONE);
    assert_eq!(world.alter(BROKER, "", &[("log.retention.ms", DELETE, "")]).await.0, ErrorCode::NONE);
    assert_eq!(world.value(TOPIC, "t", "retention.ms").await, (Some("5000".into()), 4));
    assert_eq!(world.produce("t", 0, &[b'x'; 300], Codec::None).await, ErrorCode::NONE);
}

/// What means nothing here is kept and told, and what has it says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn properties_without_effect_are_kept_and_told() {
    let disk = SimulatedDisk::new();
    let world = World::open(&disk, &[]);
    world.create(&[("t".into(), 1)]).await;
    let changes = [("preallocate", SET, "TRUE"), ("segment.jitter.ms", SET, "9"), ("unclean.leader.election.enable", SET, "true")];
    assert_eq!(world.alter(TOPIC, "t", &changes).await.0, ErrorCode::NONE);
    assert_eq!(world.alter(TOPIC, "t", &[("remote.storage.enable", SET, "true")]).await.0, ErrorCode::INVALID_CONFIG);
    assert_eq!(world.alter(TOPIC, "t", &[("min.insync.replicas", SET, "2")]).await.0, ErrorCode::INVALID_CONFIG);
    drop(world);
    let world = World::open(&disk, &[]);
    assert_eq!(world.value(TOPIC, "t", "preallocate").await, (Some("true".into()), 1));
    assert_eq!(world.value(TOPIC, "t", "segment.jitter.ms").await, (Some("9".into()), 1));
    let all = world.describe(TOPIC, "t").await;
    let told = all.iter().find(|entry| entry.name == "preallocate").and_then(|entry| entry.documentation.clone());
    assert!(told.is_some_and(|told| told.starts_with("Without effect here")));
}

/// A batch that the broker compresses anew has to fit then, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_too_large_after_the_brokers_compression_is_refused() {
    let world = World::open(&SimulatedDisk::new(), &[]);
    world.create(&[("t".into(), 1)]).await;
    let changes = [("compression.type", SET, "uncompressed"), ("max.message.bytes", SET, "100000")];
    assert_eq!(world.alter(TOPIC, "t", &changes).await.0, ErrorCode::NONE);
    assert_eq!(world.produce("t", 0, &[0; 200_000], Codec::Zstd).await, ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(world.produce("t", 0, &[0; 50_000], Codec::Zstd).await, ErrorCode::NONE);
    let changes = [("compression.type", SET, "gzip"), ("compression.gzip.level", SET, "1")];
    assert_eq!(world.alter(TOPIC, "t", &changes).await.0, ErrorCode::NONE);
    assert_eq!(world.produce("t", 0, &[0; 90_000], Codec::None).await, ErrorCode::NONE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_no_quotas_and_nobody_is_told_otherwise() {
    let world = World::open(&SimulatedDisk::new(), &[]);
    let Response::DescribeClientQuotas(answer) = world.ask(DescribeClientQuotasRequest::default()).await else { panic!() };
    assert_eq!((answer.error_code, answer.entries.map(|entries| entries.len())), (ErrorCode::NONE, Some(0)));
    let unknown = QuotaFilter { entity_type: "foo".into(), match_type: 2, name: None };
    let request = DescribeClientQuotasRequest { components: vec![unknown], strict: false };
    let Response::DescribeClientQuotas(answer) = world.ask(request).await else { panic!() };
    assert_eq!((answer.error_code, answer.entries), (ErrorCode::UNSUPPORTED_VERSION, None));
    let entity = vec![QuotaEntity { entity_type: "client-id".into(), entity_name: Some("a".into()) }];
    let ops = vec![QuotaOp { key: "producer_byte_rate".into(), value: 1.0, remove: false }];
    let request = AlterClientQuotasRequest { entries: vec![AlteredQuotaEntry { entity: entity.clone(), ops }], validate_only: false };
    let Response::AlterClientQuotas(answer) = world.ask(request).await else { panic!() };
    assert_eq!((answer.entries[0].error_code, &answer.entries[0].entity), (ErrorCode::UNSUPPORTED_VERSION, &entity));
}

/// A fetch that waits for more reads again only where something came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_that_waits_does_not_read_everything_again() {
    let disk = SimulatedDisk::new();
    let world = World::open(&disk, &[("millstream.tail.max.bytes", "0")]);
    world.create(&[("t".into(), 2)]).await;
    assert_eq!(world.produce("t", 0, &[b'x'; 50_000], Codec::None).await, ErrorCode::NONE);
    let before = disk.read_bytes();
    let wanted = |partition| FetchPartition { partition, partition_max_bytes: 1 << 20, ..Default::default() };
    let topics = vec![FetchTopic { topic: "t".into(), partitions: vec![wanted(0), wanted(1)], ..Default::default() }];
    let request = FetchRequest { max_wait_ms: 60_000, min_bytes: 52_000, max_bytes: 1 << 20, topics, ..Default::default() };
    let call = Call { version: 12, ..Call::local(request) };
    let fetching = BrokerHandle(world.0.clone()).exchange(call);
    let fetching = tokio::spawn(fetching);
    for _ in 0..40 {
        assert_eq!(world.produce("t", 1, &[b'y'; 20], Codec::None).await, ErrorCode::NONE);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let Ok(Ok(Response::Fetch(answer))) = fetching.await else { panic!() };
    let bytes: usize = answer.responses[0].partitions.iter().filter_map(|partition| Some(partition.records.as_ref()?.len())).sum();
    assert!(bytes >= 52_000, "{bytes}");
    let read = disk.read_bytes() - before;
    assert!(read < 400_000, "{read} bytes were read for an answer of {bytes}");
}

/// A fetch waits for more only where more may come: an answer that is full, or that ends with an old segment, leaves at once, however
/// much was asked for (DelayedFetch; a Kafka asked for 10 MB in 2,000 bytes answers at once).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_does_not_wait_for_what_it_cannot_bring() {
    for tail_bytes_max in ["0", "1000000"] {
        let world = World::open(&SimulatedDisk::new(), &[("millstream.tail.max.bytes", tail_bytes_max), ("log.segment.bytes", "14000")]);
        world.create(&[("t".into(), 1)]).await;
        for _ in 0..30 {
            assert_eq!(world.produce("t", 0, &[b'x'; 500], Codec::None).await, ErrorCode::NONE);
        }
        for (fetch_offset, max_bytes, is_answered) in [(0, 2000, true), (29, 2000, false), (0, 1 << 20, true), (27, 1 << 20, false)] {
            let partitions = vec![FetchPartition { fetch_offset, partition_max_bytes: 1 << 20, ..Default::default() }];
            let topics = vec![FetchTopic { topic: "t".into(), partitions, ..Default::default() }];
            let request = FetchRequest { max_wait_ms: 60_000, min_bytes: 10_000_000, max_bytes, topics, ..Default::default() };
            let fetching = BrokerHandle(world.0.clone()).exchange(Call { version: 12, ..Call::local(request) });
            let patience = Duration::from_millis(if is_answered { 30_000 } else { 200 });
            let answer = tokio::time::timeout(patience, fetching).await;
            assert_eq!(answer.is_ok(), is_answered, "{fetch_offset} {max_bytes}, {tail_bytes_max} bytes in memory");
        }
    }
}

/// However short a producer's patience, what is written is acknowledged: it bounds the waiting for replicas, and there are none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_timeout_is_no_reason_to_send_again() {
    let disk = SimulatedDisk::new();
    let world = World::open(&disk, &[]);
    world.create(&[("t".into(), 1)]).await;
    for timeout_ms in [0, 1, 5] {
        disk.hold_sync(Path::new("/data/topics"));
        let mut builder = BatchBuilder::new(Codec::None);
        builder.push(NewRecord { value: Some(b"v"), timestamp: 1_770_000_000_000, ..Default::default() });
        let data = vec![PartitionProduceData { index: 0, records: Some(Records::from(builder.build().expect("builds").to_bytes())) }];
        let topic_data = vec![TopicProduceData { name: "t".into(), partition_data: data, ..Default::default() }];
        let request = Request::from(ProduceRequest { acks: -1, timeout_ms, topic_data, ..Default::default() });
        let producing = tokio::spawn(BrokerHandle(world.0.clone()).exchange(Call { version: 9, ..Call::local(request) }));
        tokio::time::sleep(Duration::from_millis(50)).await;
        disk.release_sync(Path::new("/data/topics"));
        let Ok(Ok(Response::Produce(answer))) = producing.await else { panic!() };
        assert_eq!(answer.responses[0].partition_responses[0].error_code, ErrorCode::NONE, "{timeout_ms}");
    }
}
