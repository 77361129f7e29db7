//! A broker on a simulated disk with one topic of one partition, and short ways to ask it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_broker::disk::simulated::SimulatedDisk;
use millstream_broker::{Broker, BrokerHandle, BrokerSettings, Clock, Properties};
use millstream_protocol::message::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use millstream_protocol::message::delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use millstream_protocol::message::end_txn::EndTxnRequest;
use millstream_protocol::message::fetch::{FetchPartition, FetchPartitionResponse, FetchRequest, FetchTopic};
use millstream_protocol::message::init_producer_id::InitProducerIdRequest;
use millstream_protocol::message::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use millstream_protocol::message::metadata::{MetadataRequest, MetadataRequestTopic};
use millstream_protocol::message::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millstream_protocol::record::batch::TRANSACTIONAL;
use millstream_protocol::record::{BatchBuilder, Codec, NewRecord, Records};
use millstream_protocol::{Call, ErrorCode, Exchange, Request, Response, TopicId};

pub(crate) const NOW_MS: i64 = 1_770_000_000_000;
pub(crate) const TOPIC: &str = "t";

pub(crate) struct World {
    pub broker: Arc<Broker>,
    pub clock: Clock,
}

/// A record as it was read.
pub(crate) type Seen = (i64, Option<String>, Option<String>);

/// A producer in a transaction, and the next sequence number in this partition.
#[derive(Debug, Clone)]
pub(crate) struct Producer {
    pub id: String,
    pub identity: (i64, i16),
    pub sequence: i32,
}

fn properties(pairs: &[(&str, &str)]) -> Properties {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl World {
    /// Opens the broker that is on a disk, with properties of the broker.
    pub(crate) fn open(disk: &SimulatedDisk, clock: &Clock, pairs: &[(&str, &str)]) -> Self {
        let settings = BrokerSettings::new(properties(pairs)).expect("legal properties");
        let broker = Broker::open_on(Path::new("/data"), settings, Arc::new(disk.clone()), clock.clone()).expect("opens");
        World { broker, clock: clock.clone() }
    }

    pub(crate) async fn ask(&self, version: i16, request: impl Into<Request>) -> Response {
        let call = Call { version, ..Call::local(request) };
        BrokerHandle(self.broker.clone()).exchange(call).await.expect("a broker in this process answers")
    }

    pub(crate) async fn create(&self, pairs: &[(&str, &str)]) {
        let config = |(name, value): &(&str, &str)| CreatableTopicConfig { name: (*name).into(), value: Some((*value).into()) };
        let topic = CreatableTopic {
            name: TOPIC.into(),
            num_partitions: 1,
            replication_factor: 1,
            configs: pairs.iter().map(config).collect(),
            ..Default::default()
        };
        let Response::CreateTopics(answer) =
            self.ask(7, CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() }).await
        else {
            panic!()
        };
        assert!(answer.topics[0].error_code.is_none(), "{:?}", answer.topics[0]);
    }

    pub(crate) async fn topic_id(&self) -> TopicId {
        let topic = MetadataRequestTopic { name: Some(TOPIC.into()), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: false, ..Default::default() };
        let Response::Metadata(answer) = self.ask(12, request).await else { panic!() };
        answer.topics[0].topic_id
    }

    pub(crate) async fn leader_epoch(&self) -> i32 {
        let topic = MetadataRequestTopic { name: Some(TOPIC.into()), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: false, ..Default::default() };
        let Response::Metadata(answer) = self.ask(12, request).await else { panic!() };
        answer.topics[0].partitions[0].leader_epoch
    }

    /// Everything that is done from time to time.
    pub(crate) async fn tend(&self) {
        let broker = self.broker.clone();
        tokio::task::spawn_blocking(move || broker.tend_now()).await.expect("tends");
    }

    /// Whether whoever runs the broker was told that it has to end.
    pub(crate) fn has_failed(&self) -> bool {
        self.broker.failure().borrow().is_some()
    }

    pub(crate) async fn begin(&self, id: &str) -> Producer {
        let request = InitProducerIdRequest { transactional_id: Some(id.into()), transaction_timeout_ms: 60_000, ..Default::default() };
        let Response::InitProducerId(answer) = self.ask(5, request).await else { panic!() };
        assert!(answer.error_code.is_none(), "{}", answer.error_code);
        Producer { id: id.to_owned(), identity: (answer.producer_id, answer.producer_epoch), sequence: 0 }
    }

    pub(crate) async fn produce(&self, key: &str, value: Option<&str>) -> Result<i64, ErrorCode> {
        self.send(Some(key), value, self.clock.now_ms(), None, -1).await
    }

    /// One record in a producer's transaction, which it joins by itself.
    pub(crate) async fn produce_in(&self, producer: &mut Producer, key: &str, value: Option<&str>) -> Result<i64, ErrorCode> {
        let sent = self.send(Some(key), value, self.clock.now_ms(), Some(producer), -1).await;
        producer.sequence += i32::from(sent.is_ok());
        sent
    }

    pub(crate) async fn send(
        &self,
        key: Option<&str>,
        value: Option<&str>,
        timestamp: i64,
        producer: Option<&Producer>,
        acks: i16,
    ) -> Result<i64, ErrorCode> {
        let mut builder = BatchBuilder::new(Codec::None);
        if let Some(producer) = producer {
            builder.set_producer(producer.identity.0, producer.identity.1, producer.sequence);
            builder.set_attributes(TRANSACTIONAL);
        }
        builder.push(NewRecord { timestamp, key: key.map(str::as_bytes), value: value.map(str::as_bytes), ..Default::default() });
        self.send_batch(builder, producer, acks).await
    }

    pub(crate) async fn send_bytes(&self, value: &[u8], acks: i16) -> Result<i64, ErrorCode> {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.push(NewRecord { timestamp: self.clock.now_ms(), value: Some(value), ..Default::default() });
        self.send_batch(builder, None, acks).await
    }

    async fn send_batch(&self, builder: BatchBuilder, producer: Option<&Producer>, acks: i16) -> Result<i64, ErrorCode> {
        let data = PartitionProduceData { index: 0, records: Some(Records::from(builder.build().expect("builds").to_bytes())) };
        let topic_data = vec![TopicProduceData { name: TOPIC.into(), partition_data: vec![data], ..Default::default() }];
        let transactional_id = producer.map(|producer| producer.id.as_str().into());
        let Response::Produce(answer) = self.ask(12, ProduceRequest { transactional_id, acks, timeout_ms: 60_000, topic_data }).await
        else {
            panic!()
        };
        let answer = &answer.responses[0].partition_responses[0];
        if answer.error_code.is_none() { Ok(answer.base_offset) } else { Err(answer.error_code) }
    }

    /// Ends a producer's transaction; it goes on with another epoch.
    pub(crate) async fn end(&self, producer: &mut Producer, committed: bool) -> Result<(), ErrorCode> {
        let (producer_id, producer_epoch) = producer.identity;
        let request = EndTxnRequest { transactional_id: producer.id.as_str().into(), producer_id, producer_epoch, committed };
        let Response::EndTxn(answer) = self.ask(5, request).await else { panic!() };
        if !answer.error_code.is_none() {
            return Err(answer.error_code);
        }
        (producer.identity, producer.sequence) = ((answer.producer_id, answer.producer_epoch), 0);
        Ok(())
    }

    /// The partition's answer to a fetch.
    pub(crate) async fn fetch(&self, fetch_offset: i64, bytes: i32, is_committed: bool) -> FetchPartitionResponse {
        let wanted = FetchPartition { partition: 0, fetch_offset, partition_max_bytes: bytes, ..Default::default() };
        let topics = vec![FetchTopic { topic_id: self.topic_id().await, partitions: vec![wanted], ..Default::default() }];
        let request = FetchRequest { topics, isolation_level: i8::from(is_committed), ..Default::default() };
        let Response::Fetch(mut answer) = self.ask(16, request).await else { panic!() };
        answer.responses.remove(0).partitions.remove(0)
    }

    /// The offset of a time, or of an end of the log.
    pub(crate) async fn offset_of(&self, timestamp: i64) -> i64 {
        let asked = ListOffsetsPartition { partition_index: 0, timestamp, ..Default::default() };
        let topics = vec![ListOffsetsTopic { name: TOPIC.into(), partitions: vec![asked] }];
        let Response::ListOffsets(answer) = self.ask(7, ListOffsetsRequest { topics, ..Default::default() }).await else { panic!() };
        let answer = &answer.topics[0].partitions[0];
        assert!(answer.error_code.is_none(), "{}", answer.error_code);
        answer.offset
    }

    pub(crate) async fn delete_records(&self, offset: i64) -> Result<i64, ErrorCode> {
        let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset }];
        let topics = vec![DeleteRecordsTopic { name: TOPIC.into(), partitions }];
        let Response::DeleteRecords(answer) = self.ask(2, DeleteRecordsRequest { topics, timeout_ms: 1000 }).await else { panic!() };
        let answer = &answer.topics[0].partitions[0];
        if answer.error_code.is_none() { Ok(answer.low_watermark) } else { Err(answer.error_code) }
    }

    /// What a consumer sees from an offset on, by answers of so many bytes; and the error that ended it, if any. It leaves out
    /// what it is told was aborted, as Kafka's does.
    pub(crate) async fn read(&self, from: i64, bytes: i32, is_committed: bool) -> (Vec<Seen>, Option<ErrorCode>) {
        let mut found = Vec::new();
        let mut fetch_offset = from;
        loop {
            let answer = self.fetch(fetch_offset, bytes, is_committed).await;
            if !answer.error_code.is_none() {
                return (found, Some(answer.error_code));
            }
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
                    open.retain(|producer_id| marker.is_commit || *producer_id != batch.producer_id());
                    continue;
                }
                if batch.is_transactional() && open.contains(&batch.producer_id()) {
                    continue;
                }
                for record in batch.records(1 << 20).expect("readable") {
                    let record = record.expect("readable");
                    let text = |bytes: Option<bytes::Bytes>| bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                    if record.offset >= from {
                        found.push((record.offset, text(record.key), text(record.value)));
                    }
                }
            }
            if fetch_offset == before {
                return (found, None);
            }
        }
    }
}

/// The partition's files of a kind, in order.
pub(crate) fn files(disk: &SimulatedDisk, kind: &str) -> Vec<PathBuf> {
    let is_of_topic = |path: &PathBuf| {
        path.with_file_name("partition").starts_with(topic_dir(disk)) && path.extension().is_some_and(|found| found == kind)
    };
    disk.files().into_iter().filter(is_of_topic).collect()
}

/// The folder of the topic, which is the one that no coordinator made.
pub(crate) fn topic_dir(disk: &SimulatedDisk) -> PathBuf {
    use millstream_broker::disk::{Disk, read_file};
    let topics = Path::new("/data/topics");
    let dirs = disk.list(topics).expect("lists").into_iter().map(|entry| topics.join(entry.name));
    let is_ours = |dir: &PathBuf| {
        let content = read_file(disk, &dir.join("topic"), 1 << 20).expect("reads").unwrap_or_default();
        // The name comes first in the file: a header of nine bytes, the length, the name.
        content.get(9..11) == Some(&[1, TOPIC.as_bytes()[0]])
    };
    dirs.into_iter().find(is_ours).expect("the topic is there")
}
