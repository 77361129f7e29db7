//! Kafka's recorded answers against ours: the same bytes are sent over a socket, in the same order, and the decoded answers
//! are compared field by field, and whether the connection was closed instead.

mod coordination;
mod fields;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millstream_broker::disk::simulated::SimulatedDisk;
use millstream_broker::{Broker, BrokerSettings, Clock, Properties, Server};
use millstream_protocol::header::decode_response;
use millstream_protocol::{ApiKey, Response, Str};
use serde_json::Value;

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex")).collect()
}

/// Sends a frame and waits for one answer; `None` when the connection was closed instead, or nothing is due.
fn ask(stream: &mut TcpStream, frame: &[u8], is_answered: bool) -> Option<Vec<u8>> {
    stream.write_all(frame).ok()?;
    if !is_answered {
        stream.set_read_timeout(Some(Duration::from_millis(30))).ok()?;
    }
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).ok()?;
    let mut body = vec![0; u32::from_be_bytes(prefix) as usize];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

/// Fields that are not compared.
const IGNORED: &[(&str, &str)] = &[
    ("host", "of one run"),
    ("port", "of one run"),
    ("cluster_id", "of one run"),
    ("topic_id", "of one run"),
    ("producer_id", "of one run"),
    ("session_id", "of one run"),
    ("throttle_time_ms", "of one run"),
    ("log_append_time_ms", "of one run"),
    ("log_dir", "of one run"),
    ("total_bytes", "of one run"),
    ("usable_bytes", "of one run"),
    ("transaction_start_time_ms", "of one run"),
    ("last_timestamp", "of one run"),
    ("error_message", "the sentences are our own, and more errors have one"),
    ("batch_index_error_message", "see above"),
    ("documentation", "see above"),
    ("api_keys", "what is served grows from release to release; tests of clients show that it is enough"),
    ("supported_features", "none yet"),
    ("finalized_features", "none yet"),
    ("finalized_features_epoch", "none yet"),
];

/// Makes two properties alike that differ on purpose wherever they are told: a fresh Kafka has set `min.insync.replicas` for all brokers by
/// itself; and `flush.messages` is 1 here, since there are no replicas to rely on.
fn alike(response: &mut Response) {
    let kafkas = |value: &mut Option<Str>| {
        if value.as_deref() == Some("1") {
            *value = Some("9223372036854775807".into());
        }
    };
    match response {
        Response::CreateTopics(answer) => {
            // KIP-1191 comes with Kafka 4.4.
            for configs in answer.topics.iter_mut().filter_map(|topic| topic.configs.as_mut()) {
                configs.retain(|config| !config.name.starts_with("errors.deadletterqueue."));
            }
            for config in answer.topics.iter_mut().flat_map(|topic| topic.configs.iter_mut().flatten()) {
                match config.name.as_str() {
                    "min.insync.replicas" => config.config_source = 5,
                    "flush.messages" => kafkas(&mut config.value),
                    _ => {}
                }
            }
        }
        Response::DescribeConfigs(answer) => {
            for result in &mut answer.results {
                result.configs.retain(|config| !config.name.starts_with("errors.deadletterqueue."));
            }
            for config in answer.results.iter_mut().flat_map(|result| &mut result.configs) {
                match config.name.as_str() {
                    "min.insync.replicas" => {
                        config.config_source = 5;
                        config.synonyms.retain(|synonym| synonym.source != 3);
                    }
                    "flush.messages" | "log.flush.interval.messages" => {
                        kafkas(&mut config.value);
                        config.synonyms.iter_mut().for_each(|synonym| kafkas(&mut synonym.value));
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn tree_of(api: ApiKey, version: i16, answer: &[u8]) -> fields::Node {
    let (_, mut response) = decode_response(Bytes::copy_from_slice(answer), api, version).expect("a readable answer");
    alike(&mut response);
    fields::normalised(fields::tree(&format!("{response:#?}")), &|name| IGNORED.iter().any(|(ignored, _)| *ignored == name))
}

/// What is answered differently on purpose: how the case's name begins, how the field's path ends, and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "DescribeConfigs v",
        "/configs/synonyms",
        "retention.ms has a default of its own; in Kafka it is a number of hours under another name",
    ),
    ("Metadata v12: zero id and null name", "", "an answer with an error names the cluster nevertheless"),
    ("Produce v9: ", "/base_offset", "batches that Kafka takes and that are refused here moved Kafka's later offsets"),
    ("Fetch v13: everything in bad", "", "see above"),
    ("Fetch v13: everything in codec", "", "see above"),
    ("Fetch v12: two topics, ", "", "see above"),
    ("Fetch v13: everything in append-time", "/records/pieces", "the broker's times are of one run"),
    ("Fetch v12: partition max bytes one and a half", "/records/pieces", "only whole batches are sent"),
    ("Fetch v13: good and unknown mixed", "/responses", "partitions of a topic stand together, in the order of the request"),
    ("ListOffsets v7: max timestamp after deleting", "", "a record that was deleted is not found"),
    ("DescribeLogDirs v", "/results/topics", "the topics above that are not created"),
    (
        "Produce v9: garbage lz4, to a topic with compression.type=gzip",
        "",
        "what cannot be inflated is CORRUPT_MESSAGE, and not an unexpected error",
    ),
    ("Metadata v1: unknown topic, to be created", "", "the topic is created before the answer, not after it"),
    ("Metadata v4: unknown topic, to be created", "", "see above"),
    ("Metadata v9: unknown topic, to be created", "", "see above"),
    ("Metadata v12: unknown topic, to be created", "", "see above"),
    ("CreateTopics v7: both of a colliding pair", "", "a collision is a collision in one request as well"),
    ("Produce v9: offset deltas", "", "records whose offsets skip or go back would be stored so, and read so"),
    ("Produce v9: length far too long", "", "a client's mistake is no unexpected error of the server"),
    ("Produce v9: record length varint without end", "", "see above"),
    ("Produce v9: unknown codec", "", "see above"),
    ("Produce v9: gzip, second half missing", "", "what cannot be inflated is CORRUPT_MESSAGE, and not an unexpected error"),
    ("Produce v9: gzip, garbage", "", "see above"),
    ("Produce v9: gzip, no bytes", "", "see above"),
    ("Produce v9: snappy,", "", "see above"),
    ("Produce v9: lz4,", "", "see above"),
    ("Produce v9: zstd,", "", "see above"),
    ("Produce v9: gzip, bytes after the stream", "", "bytes that no record accounts for are damage"),
    ("Produce v9: gzip, offset deltas", "", "see offset deltas above"),
    ("Fetch v12: partition max bytes -1", "", "below zero is taken as zero: the first batch is answered"),
    ("Fetch v12: max bytes -1", "", "see above"),
    ("Fetch v12: isolation level", "", "the error stands at the top alone"),
    ("ListOffsets v7: one topic twice", "", "each mention is answered"),
    ("InitProducerId v6", "", "served here; Kafka keeps the version for two-phase commit, off by default"),
    ("CreateTopics v7: min.insync.replicas above the replication factor", "", "refused: acks=all could not wait for them"),
    ("DescribeConfigs v1: broker, chosen keys", "/synonyms/source", "Kafka was started with the value"),
    ("DescribeConfigs v4: broker, chosen keys", "/synonyms/source", "see above"),
    ("DescribeConfigs v4: broker, all keys", "/results/configs", "the broker's own properties stand among them"),
    ("DescribeConfigs v4: default of all brokers", "", "see alike()"),
    ("DescribeConfigs v4: group", "/results/configs", "there are no streams groups, and no properties of them"),
    ("DescribeConfigs v4: client metrics", "", "nobody subscribes to metrics of clients here"),
    ("DescribeTopicPartitions v0: cursor", "", "a cursor is a place in the order of names, whether or not it was asked for"),
    ("DeleteTopics v6: by id and, apart, by name", "", "the second mention finds nothing, the first deletes"),
    ("frame: Metadata v1, -2 topics", "", "a count below -1 is refused in every field"),
    ("frame: Metadata v1, topic name not UTF-8", "", "text is UTF-8, or the request is refused"),
    ("frame: Metadata v9, client id not UTF-8", "", "see above"),
];

#[test]
fn answers_are_kafkas() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    let settings = BrokerSettings::new(Properties::new()).expect("defaults");
    let broker = Broker::open_on(Path::new("/data"), settings, Arc::new(SimulatedDisk::new()), Clock::system()).expect("opens");
    let server = runtime.block_on(Server::bind(broker, "127.0.0.1:0".parse().expect("an address"))).expect("listens");
    let address = server.address().expect("listens");
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    runtime.spawn(server.run(stopped));

    let recorded: Value = serde_json::from_str(include_str!("../../../tests/oracle/kafka-4.3.0.json")).expect("JSON");
    let mut bound: HashMap<String, Vec<u8>> = HashMap::new();
    let mut stream = TcpStream::connect(address).expect("connects");
    let (mut compared, mut wrong, mut met) = (0, Vec::new(), HashSet::new());
    for case in recorded["cases"].as_array().expect("cases") {
        let name = case["name"].as_str().unwrap_or_default();
        let frame = match case["request"].as_str() {
            None => unhex(case["raw_frame"].as_str().expect("a frame")),
            Some(hex) => {
                let mut request = unhex(hex);
                for (value, places) in case["uses"].as_object().into_iter().flatten() {
                    let Some(own) = bound.get(value) else { continue };
                    for place in places.as_array().into_iter().flatten().filter_map(Value::as_u64) {
                        request[place as usize..place as usize + own.len()].copy_from_slice(own);
                    }
                }
                [(request.len() as u32).to_be_bytes().to_vec(), request].concat()
            }
        };
        if case["same_connection"] != true {
            stream = TcpStream::connect(address).expect("connects");
        }
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let is_answered = !case["response"].is_null() || case["closed"] == true;
        if case["hung"] == true {
            continue;
        }
        let answer = ask(&mut stream, &frame, is_answered);
        let expected = case["response"].as_str().map(unhex);
        // Values that differ from run to run are taken from our answer at the place where Kafka's has its own.
        if let (Some(own), Some(kafkas)) = (&answer, &expected) {
            for (value, hex) in case["bind"].as_object().into_iter().flatten() {
                let theirs = unhex(hex.as_str().unwrap_or_default());
                if let Some(at) = kafkas.windows(theirs.len()).position(|window| window == theirs)
                    && let Some(ours) = own.get(at..at + theirs.len())
                {
                    bound.insert(value.clone(), ours.to_vec());
                }
            }
        }
        let (api, version) =
            (case["api_key"].as_i64().and_then(|key| ApiKey::from_i16(key as i16)), case["api_version"].as_i64().unwrap_or(-1) as i16);
        let Some(api) = api.filter(|api| api.serves(version)) else { continue };
        compared += 1;
        let mut found = BTreeSet::new();
        match (answer, expected) {
            (None, None) => {}
            (Some(ours), Some(kafkas)) => {
                let (ours, kafkas) = (tree_of(api, version, &ours), tree_of(api, version, &kafkas));
                fields::differences(&ours, &kafkas, "", &mut found);
            }
            (ours, _) => drop(found.insert((String::new(), format!("answered: {}", ours.is_some())))),
        }
        for (path, values) in found {
            match DIFFERENCES.iter().find(|(prefix, field, _)| name.starts_with(prefix) && path.ends_with(field)) {
                Some(listed) => drop(met.insert(*listed)),
                None => wrong.push(format!("{name}\t{path}\t{values}")),
            }
        }
    }
    assert!(compared > 1_000, "{compared} compared");
    let stale: Vec<_> = DIFFERENCES.iter().filter(|listed| !met.contains(*listed)).collect();
    assert!(stale.is_empty(), "listed, and no difference any more: {stale:?}");
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
}
