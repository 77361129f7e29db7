//! Kafka's recorded answers about groups and transactions, step by step: answers that are owed for a while, several connections
//! at once, and time that passes. Every scenario has a broker of its own; many run side by side, since most of them wait.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream_broker::disk::simulated::SimulatedDisk;
use millstream_broker::{Broker, BrokerSettings, Clock, Properties, Server};
use millstream_protocol::ApiKey;
use parking_lot::Mutex;
use serde_json::Value;

use super::{fields, tree_of, unhex};

/// As Kafka was configured when it was recorded.
const PROPERTIES: &[(&str, &str)] = &[
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "100"),
    ("group.max.size", "3"),
    ("group.consumer.max.size", "3"),
    ("group.consumer.assignment.interval.ms", "0"),
    ("group.consumer.min.session.timeout.ms", "500"),
    ("group.consumer.min.heartbeat.interval.ms", "100"),
    ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "100"),
];
const SIDE_BY_SIDE: usize = 24;

/// Scenarios that are left out: how the name begins, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("consumer: a regex", "a regular expression is resolved at once, and not after the answer"),
    ("consumer: regex", "see above"),
    ("transactions: WriteTxnMarkers v2", "the version is for brokers, and not served"),
    ("admin: SCRAM", "there is no security: every request is answered so"),
    ("groups: ListGroups", "the recording lists the groups of all scenarios"),
];

/// What is answered differently on purpose: how the step's name begins, how the field's path ends (or the path with both values), and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("AlterClientQuotas v", "/entries/error_code", "there are no quotas yet: nothing changes, whatever it is"),
    ("DescribeClientQuotas v", "/entries", "see above"),
    ("DescribeConfigs v", "/results/configs", "there are no streams groups, and no properties of them"),
    ("IncrementalAlterConfigs v1: share, streams", "/responses/error_code", "see above"),
    ("ListConfigResources v1: ", "/config_resources", "the recording lists the topics and groups of all scenarios"),
    ("Fetch v", "/records/pieces", "the time of a marker is of one run"),
    ("FindCoordinator v6: share", "", "the coordinator is there at once, without a topic that has to be made first"),
    ("silence", "c", "who joins again over another connection leaves the first one answered, and not without an answer for ever"),
    ("OffsetFetch v9: no member, the epoch", "", "a member without an id is an unknown one, and no unexpected error"),
    ("OffsetFetch v10: no member, the epoch", "", "see above"),
    ("ListGroups v5: mixed", "/groups", "the recording lists the groups of all scenarios"),
    ("ConsumerGroupHeartbeat v", "/heartbeat_interval_ms", "members come more often, and of a group that is changing still more"),
    ("DescribeConfigs v4: after the deletion", r#"/results/configs/value: Leaf("\"300\"") | Leaf("\"5000\"")"#, "see above"),
    ("ConsumerGroupHeartbeat v1: while the leader has not synced", "/partitions", "who gets one more than the other follows no order"),
    ("ConsumerGroupDescribe v1: after a consumer joined a group whose leader has not synced", "/partitions", "see above"),
    ("DeleteGroups v", "/results/error_code", "another scenario of the recording has made that group"),
    ("DescribeGroups v", "/groups/group_state", "see above"),
    ("DescribeGroups v6: empty group id", "/groups/error_code", "see above"),
    ("DescribeTransactions v0: with offsets", "/topics/partitions", "the journal of groups has one partition"),
    ("DescribeTransactions v0: after the group was added", "/topics/partitions", "see above"),
    (
        "TxnOffsetCommit v",
        "/topics/partitions/error_code",
        "see above: which groups are in a transaction depends on it; and the id is always looked at",
    ),
    (
        "InitProducerId v",
        "/error_code",
        "a begin waits for the end of the transaction before it, instead of asking the client to try again",
    ),
    ("InitProducerId v", "/producer_epoch", "see above"),
    ("DescribeTransactions v0: after the", "/transaction_states/producer_epoch", "see above"),
    ("DescribeTransactions v0: after the", "/transaction_states/transaction_state", "see above"),
    ("DescribeTransactions v0: after that, its epoch", "/transaction_states/transaction_state", "see above"),
    ("closed", "a", "a kind of resource that is none is no reason to close a connection"),
    ("ElectLeaders v", "/replica_election_results", "the recording lists the topics of all scenarios"),
    ("ListTransactions v", "/transaction_states", "the recording lists the transactional ids of all scenarios"),
];

struct Peer {
    address: SocketAddr,
    streams: BTreeMap<String, TcpStream>,
    /// Connections that an answer is owed on.
    owed: BTreeSet<String>,
}

impl Peer {
    fn stream(&mut self, connection: &str) -> &mut TcpStream {
        let address = self.address;
        self.streams.entry(connection.to_owned()).or_insert_with(|| {
            let stream = TcpStream::connect(address).expect("connects");
            stream.set_nodelay(true).expect("an option");
            stream
        })
    }

    fn receive(&mut self, connection: &str, patience: Duration) -> Option<Vec<u8>> {
        let stream = self.stream(connection);
        stream.set_read_timeout(Some(patience)).expect("a timeout");
        let mut prefix = [0; 4];
        stream.read_exact(&mut prefix).ok()?;
        let mut body = vec![0; u32::from_be_bytes(prefix) as usize];
        stream.read_exact(&mut body).ok()?;
        Some(body)
    }

    fn is_silent(&mut self, connection: &str, ms: u64) -> bool {
        let stream = self.stream(connection);
        stream.set_read_timeout(Some(Duration::from_millis(ms))).expect("a timeout");
        stream.peek(&mut [0]).is_err()
    }
}

fn with_bound(send: &Value, bound: &BTreeMap<String, (Vec<u8>, Vec<u8>)>) -> Vec<u8> {
    let mut request = unhex(send["request"].as_str().expect("a request"));
    for (name, places) in send["uses"].as_object().into_iter().flatten() {
        let Some((_, ours)) = bound.get(name) else { continue };
        for place in places.as_array().into_iter().flatten().filter_map(Value::as_u64) {
            request[place as usize..place as usize + ours.len()].copy_from_slice(ours);
        }
    }
    for place in send["batches"].as_array().into_iter().flatten().filter_map(Value::as_u64) {
        let batch = &mut request[place as usize..];
        let length = u32::from_be_bytes(batch[8..12].try_into().expect("four bytes")) as usize + 12;
        let checksum = crc32c::crc32c(&batch[21..length]);
        batch[17..21].copy_from_slice(&checksum.to_be_bytes());
    }
    request
}

fn replaced(mut bytes: Vec<u8>, bindings: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    for (theirs, ours) in bindings.iter().filter(|(theirs, ours)| theirs.len() == ours.len()) {
        let mut at = 0;
        while at + theirs.len() <= bytes.len() {
            if bytes[at..].starts_with(theirs) {
                bytes[at..at + ours.len()].copy_from_slice(ours);
                at += ours.len();
            } else {
                at += 1;
            }
        }
    }
    bytes
}

/// Plays a scenario; each difference as step, path and values. Says how many answers were compared.
fn play(runtime: &tokio::runtime::Runtime, scenario: &Value) -> (usize, Vec<(String, String, String)>) {
    let mut properties: Properties = PROPERTIES.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let own = scenario["broker"].as_object().into_iter().flatten();
    properties.extend(own.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())));
    let settings = BrokerSettings::new(properties).expect("legal properties");
    let broker = Broker::open_on(Path::new("/data"), settings, Arc::new(SimulatedDisk::new()), Clock::system()).expect("opens");
    let _guard = runtime.enter();
    let tending = runtime.spawn(broker.clone().tend());
    let server = runtime.block_on(Server::bind(broker, "127.0.0.1:0".parse().expect("an address"))).expect("listens");
    let address = server.address().expect("listens");
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let serving = runtime.spawn(server.run(stopped));

    let mut peer = Peer { address, streams: BTreeMap::new(), owed: BTreeSet::new() };
    let mut bound: BTreeMap<String, (Vec<u8>, Vec<u8>)> = BTreeMap::new();
    // A name may be bound anew; every answer is compared with what it was then.
    let mut bindings = Vec::new();
    let mut answers = Vec::new();
    let mut wrong = Vec::new();
    let served = |step: &Value| {
        let api = step["api_key"].as_i64().and_then(|key| ApiKey::from_i16(key as i16));
        let version = step["api_version"].as_i64().unwrap_or(-1) as i16;
        api.filter(|api| api.serves(version)).map(|api| (api, version))
    };
    let mut unserved: HashSet<String> = HashSet::new();
    for step in scenario["steps"].as_array().expect("steps") {
        if let Some(ms) = step["wait_ms"].as_u64() {
            std::thread::sleep(Duration::from_millis(ms));
        } else if let Some(connection) = step["disconnect"].as_str() {
            peer.streams.remove(connection);
        } else if let Some(connection) = step["closed"].as_str() {
            if !unserved.remove(connection) && peer.receive(connection, Duration::from_secs(2)).is_some() {
                wrong.push(("closed".to_owned(), connection.to_owned(), "an answer | closed".to_owned()));
            }
            peer.owed.remove(connection);
            peer.streams.remove(connection);
        } else if step["silence"].is_object() {
            let (connection, ms) = (step["silence"]["connection"].as_str().expect("one"), step["silence"]["ms"].as_u64().unwrap_or(0));
            if !unserved.contains(connection) && !peer.is_silent(connection, ms) {
                wrong.push(("silence".to_owned(), connection.to_owned(), "an answer | none".to_owned()));
            }
        } else if step["send"].is_object() {
            let send = &step["send"];
            let connection = send["connection"].as_str().expect("a connection").to_owned();
            if served(send).is_none() {
                unserved.insert(connection);
                continue;
            }
            if !peer.owed.is_empty() {
                std::thread::sleep(Duration::from_millis(50));
            }
            let request = with_bound(send, &bound);
            let frame = [(request.len() as u32).to_be_bytes().to_vec(), request].concat();
            // A connection that was closed shows at the answer.
            let _ = peer.stream(&connection).write_all(&frame);
            peer.owed.insert(connection);
        } else if step["receive"].is_object() {
            let receive = &step["receive"];
            let connection = receive["connection"].as_str().expect("a connection");
            if unserved.remove(connection) {
                continue;
            }
            let ours = peer.receive(connection, Duration::from_secs(6));
            peer.owed.remove(connection);
            let theirs = unhex(receive["response"].as_str().expect("a response"));
            let name = receive["name"].as_str().unwrap_or_default().to_owned();
            let Some(ours) = ours else {
                peer.streams.remove(connection);
                wrong.push((name, String::new(), "no answer | an answer".to_owned()));
                continue;
            };
            for (value, hex) in receive["bind"].as_object().into_iter().flatten() {
                let their_value = unhex(hex.as_str().unwrap_or_default());
                if let Some(at) = theirs.windows(their_value.len()).position(|window| window == their_value)
                    && let Some(our_value) = ours.get(at..at + their_value.len())
                {
                    bindings.push((their_value.clone(), our_value.to_vec()));
                    bound.insert(value.clone(), (their_value, our_value.to_vec()));
                }
            }
            let (api, version) = served(receive).expect("it was sent");
            answers.push((name, api, version, ours, theirs));
        }
    }
    let compared = answers.len();
    for (name, api, version, ours, theirs) in answers {
        let theirs = replaced(theirs, &bindings);
        let mut found = BTreeSet::new();
        fields::differences(&tree_of(api, version, &ours), &tree_of(api, version, &theirs), "", &mut found);
        wrong.extend(found.into_iter().map(|(path, values)| (name.clone(), path, values)));
    }
    serving.abort();
    tending.abort();
    (compared, wrong)
}

#[test]
fn answers_about_groups_and_transactions_are_kafkas() {
    let recorded: Value = serde_json::from_str(include_str!("../../../tests/oracle/kafka-4.3.0-coordination.json")).expect("JSON");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("threads");
    let only = std::env::var("ORACLE_ONLY").unwrap_or_default();
    let is_played = |name: &str| name.contains(&only) && !LEFT_OUT.iter().any(|(prefix, _)| name.starts_with(prefix));
    let scenarios: Vec<&Value> = recorded["scenarios"]
        .as_array()
        .expect("scenarios")
        .iter()
        .filter(|scenario| is_played(scenario["name"].as_str().unwrap_or_default()))
        .collect();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let played = play(&runtime, scenario);
                    results.lock().push((scenario["name"].as_str().unwrap_or_default(), played));
                }
            });
        }
    });
    let mut results = results.into_inner();
    results.sort_by_key(|(name, _)| *name);
    let (mut compared, mut wrong, mut met) = (0, Vec::new(), HashSet::new());
    for (scenario, (count, differences)) in results {
        compared += count;
        for (step, path, values) in differences {
            let exactly = format!("{path}: {values}");
            let is_listed = |field: &str| path.ends_with(field) || exactly.ends_with(field);
            match DIFFERENCES.iter().find(|(prefix, field, _)| step.starts_with(prefix) && is_listed(field)) {
                Some(listed) => drop(met.insert(*listed)),
                None => wrong.push(format!("{scenario}\t{step}\t{path}\t{values}")),
            }
        }
    }
    assert!(!only.is_empty() || compared > 3_000, "{compared} compared");
    let stale: Vec<_> = DIFFERENCES.iter().filter(|listed| only.is_empty() && !met.contains(*listed)).collect();
    assert!(stale.is_empty(), "listed, and no difference any more: {stale:?}");
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
}
