//! Peers that are broken, slow or hostile: each gets the protocol's own answer, nothing is lost, and somebody else who is
//! served meanwhile does not notice.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use millstream_broker::disk::simulated::SimulatedDisk;
use millstream_broker::{Broker, BrokerSettings, Clock, OpenError, Properties, Server};
use millstream_protocol::header::{decode_response, encode_request};
use millstream_protocol::message::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use millstream_protocol::message::fetch::{FetchPartition, FetchRequest, FetchTopic};
use millstream_protocol::message::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millstream_protocol::record::{BatchBuilder, Codec, NewRecord, Records};
use millstream_protocol::{ApiKey, ErrorCode, Request, Response};

const TOPIC: &str = "t";
const PRODUCE_VERSION: i16 = 9;

/// A broker that listens, for as long as this lives.
struct Listening {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
    _stop: tokio::sync::watch::Sender<bool>,
}

fn listen() -> Listening {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let settings = BrokerSettings::new(Properties::new()).expect("defaults");
    let broker = Broker::open_on(Path::new("/data"), settings, Arc::new(SimulatedDisk::new()), Clock::system()).expect("opens");
    let server = runtime.block_on(Server::bind(broker, "127.0.0.1:0".parse().expect("an address"))).expect("listens");
    let address = server.address().expect("listens");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    runtime.spawn(server.run(stopped));
    let topic = CreatableTopic { name: TOPIC.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let mut stream = connect(address);
    ask(&mut stream, &frame(CreateTopicsRequest { topics: vec![topic], ..Default::default() }.into(), 5)).expect("is answered");
    Listening { address, _runtime: runtime, _stop: stop }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

fn frame(request: Request, version: i16) -> Vec<u8> {
    let pieces = encode_request(&request, version, 1, None).expect("has a form");
    let length: usize = pieces.iter().map(Bytes::len).sum();
    let mut all = (length as u32).to_be_bytes().to_vec();
    pieces.iter().for_each(|piece| all.extend_from_slice(piece));
    all
}

/// Sends bytes and reads one answer; `None` when the connection is closed instead.
fn ask(stream: &mut TcpStream, bytes: &[u8]) -> Option<Bytes> {
    stream.write_all(bytes).ok()?;
    answer(stream)
}

fn answer(stream: &mut TcpStream) -> Option<Bytes> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).ok()?;
    let mut body = vec![0; u32::from_be_bytes(prefix) as usize];
    stream.read_exact(&mut body).ok()?;
    Some(body.into())
}

fn publish(topic: &str, batch: Bytes) -> Request {
    let data = PartitionProduceData { index: 0, records: Some(Records::from(batch)) };
    let topic = TopicProduceData { name: topic.into(), partition_data: vec![data], ..Default::default() };
    ProduceRequest { acks: 1, timeout_ms: 10_000, topic_data: vec![topic], ..Default::default() }.into()
}

fn batch(codec: Codec, value: &[u8]) -> Bytes {
    let mut builder = BatchBuilder::new(codec);
    builder.push(NewRecord { value: Some(value), timestamp: 1_770_000_000_000, ..Default::default() });
    builder.build().expect("builds").to_bytes()
}

fn code_of(answer: Bytes) -> ErrorCode {
    match decode_response(answer, ApiKey::Produce, PRODUCE_VERSION) {
        Ok((_, Response::Produce(answer))) => answer.responses[0].partition_responses[0].error_code,
        other => panic!("{other:?}"),
    }
}

/// Somebody else, who publishes all the time and counts what was acknowledged.
struct Bystander {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicU64>,
    thread: thread::JoinHandle<()>,
}

impl Bystander {
    fn begin(address: SocketAddr) -> Self {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = thread::spawn({
            let (stop, served) = (stop.clone(), served.clone());
            move || {
                let mut stream = connect(address);
                let request = frame(publish(TOPIC, batch(Codec::None, b"bystander")), PRODUCE_VERSION);
                while !stop.load(Ordering::Relaxed) {
                    let answer = ask(&mut stream, &request).expect("the bystander is served");
                    assert_eq!(code_of(answer), ErrorCode::NONE);
                    served.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
        Bystander { stop, served, thread }
    }

    /// Waits until it was served some more times: it is not held up.
    fn goes_on(&self) {
        let target = self.served.load(Ordering::Relaxed) + 20;
        let begun = Instant::now();
        while self.served.load(Ordering::Relaxed) < target {
            assert!(begun.elapsed() < Duration::from_secs(30), "the bystander is held up");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends; how many of its records were acknowledged.
    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the bystander was served to the end");
        self.served.load(Ordering::Relaxed)
    }
}

/// Records of the topic.
fn count(address: SocketAddr) -> u64 {
    let mut stream = connect(address);
    let mut found = 0;
    loop {
        let partition = FetchPartition { fetch_offset: found as i64, partition_max_bytes: 1 << 20, ..Default::default() };
        let topic = FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..Default::default() };
        let answer = ask(&mut stream, &frame(FetchRequest { topics: vec![topic], ..Default::default() }.into(), 12)).expect("is answered");
        let Ok((_, Response::Fetch(answer))) = decode_response(answer, ApiKey::Fetch, 12) else { panic!() };
        let before = found;
        for batch in answer.responses[0].partitions[0].records.clone().unwrap_or_default().batches() {
            found += batch.expect("whole").record_count() as u64;
        }
        if found == before {
            return found;
        }
    }
}

#[test]
fn frames_that_cannot_be_close_their_own_connection_alone() {
    let broker = listen();
    let bystander = Bystander::begin(broker.address);
    let good = frame(publish(TOPIC, batch(Codec::None, b"x")), PRODUCE_VERSION);
    let mut unknown_key = good.clone();
    unknown_key[4..6].copy_from_slice(&999i16.to_be_bytes());
    let mut unknown_version = good.clone();
    unknown_version[6..8].copy_from_slice(&99i16.to_be_bytes());
    let mut huge_count = good.clone();
    // The count of topics, after acks and timeout: compact, so five bytes of 0xff and more.
    let at = huge_count.windows(4).position(|window| window == 10_000i32.to_be_bytes()).expect("the timeout") + 4;
    huge_count.splice(at..at + 1, [0xff, 0xff, 0xff, 0xff, 0x07]);
    let length = (huge_count.len() - 4) as u32;
    huge_count[..4].copy_from_slice(&length.to_be_bytes());
    let bad: [(&str, &[u8]); 7] = [
        ("negative length", &(-1i32).to_be_bytes()),
        ("length of 2 GiB", &i32::MAX.to_be_bytes()),
        ("length of nothing", &0i32.to_be_bytes()),
        ("unknown API", &unknown_key),
        ("unknown version", &unknown_version),
        ("2^31 topics", &huge_count),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ];
    for (name, bytes) in bad {
        let mut stream = connect(broker.address);
        assert_eq!(ask(&mut stream, bytes), None, "{name}");
        bystander.goes_on();
    }
    // Cut off at every byte of a good request: nothing is appended, nothing is answered.
    for cut in (1..good.len()).step_by(5) {
        let mut stream = connect(broker.address);
        stream.write_all(&good[..cut]).expect("sends");
        stream.shutdown(Shutdown::Write).expect("shuts down");
        assert_eq!(answer(&mut stream), None, "cut after {cut} bytes");
    }
    bystander.goes_on();
    let acknowledged = bystander.end();
    assert_eq!(count(broker.address), acknowledged);
}

#[test]
fn a_slow_sender_is_served_and_holds_nobody_up() {
    let broker = listen();
    let bystander = Bystander::begin(broker.address);
    let mut slow = connect(broker.address);
    // Larger than the shared read buffer, so that it gets memory of its own.
    let request = frame(publish(TOPIC, batch(Codec::None, &[b'x'; 100_000])), PRODUCE_VERSION);
    let (first, rest) = request.split_at(60);
    for byte in first {
        slow.write_all(&[*byte]).expect("sends");
        thread::sleep(Duration::from_millis(2));
    }
    bystander.goes_on();
    for part in rest.chunks(10_000) {
        slow.write_all(part).expect("sends");
        bystander.goes_on();
    }
    assert_eq!(code_of(answer(&mut slow).expect("is answered")), ErrorCode::NONE);
    let acknowledged = bystander.end();
    assert_eq!(count(broker.address), acknowledged + 1);
}

#[test]
fn who_does_not_take_answers_holds_nobody_up() {
    let broker = listen();
    let mut deaf = connect(broker.address);
    assert_eq!(
        code_of(ask(&mut deaf, &frame(publish(TOPIC, batch(Codec::None, &[b'x'; 900_000])), PRODUCE_VERSION)).expect("is answered")),
        ErrorCode::NONE
    );
    let bystander = Bystander::begin(broker.address);
    let partition = FetchPartition { partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..Default::default() };
    let fetch = frame(FetchRequest { topics: vec![topic], ..Default::default() }.into(), 12);
    // 200 answers of 900 KB are asked for and not one is read: the broker stops reading from this peer.
    deaf.set_write_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    for _ in 0..200 {
        if deaf.write_all(&fetch).is_err() {
            break;
        }
    }
    bystander.goes_on();
    drop(deaf);
    bystander.goes_on();
    bystander.end();
}

/// However much a batch inflates to, it is walked piece by piece, and nobody else is held up; where compaction would have to have all of
/// it in memory, it is refused.
#[test]
fn a_batch_that_inflates_to_much_holds_nobody_up() {
    let broker = listen();
    let compacted = CreatableTopic {
        name: "compacted".into(),
        num_partitions: 1,
        replication_factor: 1,
        configs: vec![CreatableTopicConfig { name: "cleanup.policy".into(), value: Some("compact".into()) }],
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![compacted], ..Default::default() };
    ask(&mut connect(broker.address), &frame(request.into(), 5)).expect("is answered");
    let bystander = Bystander::begin(broker.address);
    let zeros = vec![0; 150 << 20];
    for codec in [Codec::Zstd, Codec::Gzip] {
        let bomb = batch(codec, &zeros);
        assert!(bomb.len() < 1 << 20, "{codec:?}: {} bytes", bomb.len());
        let refused = ask(&mut connect(broker.address), &frame(publish("compacted", bomb.clone()), PRODUCE_VERSION)).expect("is answered");
        assert_eq!(code_of(refused), ErrorCode::MESSAGE_TOO_LARGE, "{codec:?}");
        // Another request of the same connection keeps its order.
        let mut stream = connect(broker.address);
        stream.write_all(&frame(publish(TOPIC, bomb), PRODUCE_VERSION)).expect("is taken");
        stream.write_all(&frame(publish(TOPIC, batch(Codec::None, b"behind")), PRODUCE_VERSION)).expect("is taken");
        let offsets = [(); 2].map(|()| offset_of(answer(&mut stream).expect("is answered")));
        assert!(offsets[0] < offsets[1], "{codec:?}: {offsets:?}");
        bystander.goes_on();
    }
    bystander.end();
}

fn offset_of(answer: Bytes) -> i64 {
    match decode_response(answer, ApiKey::Produce, PRODUCE_VERSION) {
        Ok((_, Response::Produce(answer))) => {
            let answer = &answer.responses[0].partition_responses[0];
            assert_eq!(answer.error_code, ErrorCode::NONE);
            answer.base_offset
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let broker = listen();
    let mut stream = connect(broker.address);
    for name in ["../x", "", ".", "..", "a/b", "a\0b", "ü", &"n".repeat(250)] {
        let topic = CreatableTopic { name: name.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        let answer = ask(&mut stream, &frame(request.into(), 5)).expect("is answered");
        let Ok((_, Response::CreateTopics(answer))) = decode_response(answer, ApiKey::CreateTopics, 5) else { panic!() };
        assert_eq!(answer.topics[0].error_code, ErrorCode::INVALID_TOPIC_EXCEPTION, "{name:?}");
        let answer = ask(&mut stream, &frame(publish(name, batch(Codec::None, b"x")), PRODUCE_VERSION)).expect("is answered");
        assert_eq!(code_of(answer), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "{name:?}");
    }
}

#[test]
fn a_directory_has_one_broker() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = || Broker::open(dir.path(), BrokerSettings::new(Properties::new()).expect("defaults"));
    let first = open().expect("opens");
    let second = open();
    assert!(matches!(&second, Err(OpenError::Locked(path)) if path == dir.path()), "{:?}", second.err());
    assert!(second.err().is_some_and(|error| error.to_string().contains("in use by another process")));
    drop(first);
    assert!(open().is_ok(), "once the first is gone");
}

/// More than the broker has under way for one connection: those beyond wait in its buffer, and no further byte comes to wake it.
#[test]
fn requests_sent_all_at_once_are_all_answered() {
    let listening = listen();
    let quick = frame(millstream_protocol::message::api_versions::ApiVersionsRequest::default().into(), 0);
    let slow = frame(publish(TOPIC, batch(Codec::None, b"x")), PRODUCE_VERSION);
    for count in [1, 64, 65, 129, 500] {
        for request in [&quick, &slow] {
            let mut stream = connect(listening.address);
            stream.write_all(&request.repeat(count)).expect("is taken");
            for place in 0..count {
                assert!(answer(&mut stream).is_some(), "answer {place} of {count}");
            }
        }
    }
}
