//! A share group at work: one producer, eight workers, each record acknowledged by itself.
//!
//!     cargo bench --bench queue
//!     cargo bench --bench queue -- --peer 127.0.0.1:9092 --peer-pid 4711
//!
//! Every record of 1 KiB is published, delivered and acknowledged; a worker acknowledges what it has with its next fetch, one type for each
//! record. `throughput`: the producer goes as fast as the broker takes it. `latency`: it publishes 10,000 records a second, one by one, and
//! a record's time is from when it was due to be sent to its arrival at a worker. `work`: each record is acknowledged in a request of its own.

#![allow(clippy::disallowed_methods, reason = "a benchmark looks at the machine itself, past every door")]

mod load {
    pub(crate) mod arguments;
    pub(crate) mod server;
    pub(crate) mod table;
}

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use load::arguments::arguments;
use load::server::Server;
use load::table::{Table, print_conditions};
use millstream_client::{Acks, Client, NewRecord};
use millstream_protocol::message::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use millstream_protocol::message::share_acknowledge::{ShareAcknowledgePartition, ShareAcknowledgeRequest, ShareAcknowledgeTopic};
use millstream_protocol::message::share_fetch::{
    AcknowledgementBatch, AcquiredRecords, ShareFetchPartition, ShareFetchRequest, ShareFetchTopic,
};
use millstream_protocol::message::share_group_heartbeat::ShareGroupHeartbeatRequest;
use millstream_protocol::{Str, TopicId};

const PARTS: &[&str] = &["throughput", "latency", "work"];
const WORKERS: usize = 8;
const PARTITIONS: i32 = 4;
const VALUE_BYTES: usize = 1024;
const ACCEPT: i8 = 1;
/// Records that a worker takes at once.
const TAKEN: i32 = 500;

fn main() {
    let arguments = arguments(PARTS);
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-queue");
    print_conditions(&dir, arguments.rounds);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let mut table = Table::default();
    let mut columns = Vec::new();
    for round in 0..arguments.rounds {
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a directory for the data");
        let mut servers = vec![Server::start(&dir.join("data"), 19295)];
        servers.extend(arguments.peer.as_ref().map(|(address, pid)| Server::peer(address, *pid)));
        for server in &servers {
            if !columns.contains(&server.name) {
                columns.push(server.name.clone());
            }
            for part in PARTS.iter().filter(|part| arguments.wants(part)) {
                runtime.block_on(measure(server, part, round, &mut table));
            }
        }
    }
    table.print(&columns);
}

async fn measure(server: &Server, part: &str, round: usize, table: &mut Table) {
    let (records, rate) = match part {
        "throughput" => (400_000, None),
        "work" => (100_000, None),
        _ => (50_000, Some(10_000.0)),
    };
    let name = format!("queue-{part}-{round}-{}", std::process::id());
    let topic = server.create(&name, PARTITIONS).await;
    let group: Str = format!("{name}-workers").into();
    begin_earliest(&server.client().await, &group).await;
    let done = Arc::new(AtomicUsize::new(0));
    let origin = Instant::now();
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        let worker = Worker {
            client: server.client().await,
            group: group.clone(),
            member: format!("worker-{number}").into(),
            epoch: 0,
            topic,
            alone: part == "work",
            origin,
        };
        worker.join(&name).await;
        workers.push(tokio::spawn(worker.run(done.clone(), records)));
    }
    // Until they all wait for records.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (cpu, begun) = (server.cpu_seconds(), Instant::now());
    publish(&server.client().await, &name, records, rate, origin).await;
    let mut times = Vec::new();
    for worker in workers {
        times.extend(worker.await.expect("a worker that works"));
    }
    let seconds = begun.elapsed().as_secs_f64();
    let cpu_us = (server.cpu_seconds() - cpu) * 1e6 / records as f64;
    match rate {
        None => {
            let how = if part == "work" { "acknowledged one by one in requests of their own" } else { "acknowledged one by one" };
            table.add(&format!("published, delivered, {how}: k/s"), &server.name, records as f64 / seconds / 1e3);
            table.add(&format!("published, delivered, {how}: server CPU, µs a record"), &server.name, cpu_us);
        }
        Some(_) => {
            times.sort_by(f64::total_cmp);
            let quantile = |part: f64| times[((times.len() - 1) as f64 * part) as usize] * 1e3;
            table.add("10,000/s: sent to delivered, p50, ms", &server.name, quantile(0.5));
            table.add("10,000/s: sent to delivered, p99, ms", &server.name, quantile(0.99));
        }
    }
    server.delete(&name).await;
}

/// The group gets what was published before its first member came.
async fn begin_earliest(client: &Client, group: &Str) {
    let config =
        IncrementalAlterableConfig { name: "share.auto.offset.reset".into(), value: Some("earliest".into()), ..Default::default() };
    let resource = IncrementalAlterConfigsResource { resource_type: 32, resource_name: group.clone(), configs: vec![config] };
    let answer = client.ask(IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false }).await.expect("an answer");
    assert!(answer.responses[0].error_code.is_none(), "{:?}", answer.responses[0]);
}

/// Publishes records that carry when they were due, in seconds since `origin`.
async fn publish(client: &Client, topic: &str, records: usize, rate: Option<f64>, origin: Instant) {
    let linger = if rate.is_some() { Duration::ZERO } else { Duration::from_millis(5) };
    let producer = client.producer().acks(Acks::All).linger(linger).build();
    let begun = origin.elapsed().as_secs_f64();
    for number in 0..records {
        let mut due = origin.elapsed().as_secs_f64();
        if let Some(rate) = rate {
            due = begun + number as f64 / rate;
            let early = due - origin.elapsed().as_secs_f64();
            if early > 0.001 {
                tokio::time::sleep(Duration::from_secs_f64(early)).await;
            }
        }
        let mut value = vec![0; VALUE_BYTES];
        value[..8].copy_from_slice(&due.to_be_bytes());
        let record = NewRecord::to(topic).partition(number as i32 % PARTITIONS).value(value);
        drop(producer.send(record).await.expect("the buffer takes it"));
    }
    producer.flush().await;
}

/// A member of the share group. It reads all partitions, whatever it is assigned: share sessions hold records.
struct Worker {
    client: Client,
    group: Str,
    member: Str,
    epoch: i32,
    topic: TopicId,
    /// It acknowledges each record in a request of its own.
    alone: bool,
    origin: Instant,
}

impl Worker {
    /// Works until all are done; says how long each record took to come here, in seconds.
    async fn run(mut self, done: Arc<AtomicUsize>, records: usize) -> Vec<f64> {
        let mut times = Vec::new();
        let mut held: Vec<(i32, AcquiredRecords)> = Vec::new();
        while done.load(Ordering::Relaxed) < records {
            let said = std::mem::take(&mut held);
            let count: usize = said.iter().map(|(_, range)| (range.last_offset - range.first_offset + 1) as usize).sum();
            if self.alone {
                for (partition, range) in &said {
                    for offset in range.first_offset..=range.last_offset {
                        self.acknowledge(*partition, offset).await;
                    }
                }
                done.fetch_add(count, Ordering::Relaxed);
                held = self.fetch(&[], &mut times).await;
            } else {
                held = self.fetch(&said, &mut times).await;
                done.fetch_add(count, Ordering::Relaxed);
            }
        }
        times
    }

    /// Joins the group: Kafka knows where the group begins in its partitions only after that.
    async fn join(&self, topic: &str) {
        let request = ShareGroupHeartbeatRequest {
            group_id: self.group.clone(),
            member_id: self.member.clone(),
            subscribed_topic_names: Some(vec![topic.into()]),
            ..Default::default()
        };
        loop {
            let answer = self.client.ask(request.clone()).await.expect("the server answers");
            if answer.error_code.is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn next_epoch(&mut self) -> i32 {
        self.epoch += 1;
        self.epoch - 1
    }

    async fn fetch(&mut self, said: &[(i32, AcquiredRecords)], times: &mut Vec<f64>) -> Vec<(i32, AcquiredRecords)> {
        let batches = |index: i32| {
            let of_partition = said.iter().filter(|(partition, _)| *partition == index);
            let batch = |(_, range): &(i32, AcquiredRecords)| AcknowledgementBatch {
                first_offset: range.first_offset,
                last_offset: range.last_offset,
                acknowledge_types: vec![ACCEPT; (range.last_offset - range.first_offset + 1) as usize],
            };
            ShareFetchPartition { partition_index: index, acknowledgement_batches: of_partition.map(batch).collect() }
        };
        let partitions = (0..PARTITIONS).map(batches).collect();
        let request = ShareFetchRequest {
            group_id: Some(self.group.clone()),
            member_id: Some(self.member.clone()),
            share_session_epoch: self.next_epoch(),
            max_wait_ms: 100,
            min_bytes: 1,
            max_records: TAKEN,
            batch_size: TAKEN,
            topics: vec![ShareFetchTopic { topic_id: self.topic, partitions }],
            ..Default::default()
        };
        let answer = self.client.ask(request).await.expect("the server answers");
        assert!(answer.error_code.is_none(), "{}: {:?}", answer.error_code, answer.error_message);
        let now = self.origin.elapsed().as_secs_f64();
        let mut held = Vec::new();
        for partition in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
            assert!(partition.acknowledge_error_code.is_none(), "{partition:?}");
            // Kafka says so until it knows where the group begins.
            if !partition.error_code.is_none() {
                continue;
            }
            for batch in partition.records.batches() {
                for record in batch.expect("whole").records(1 << 24).expect("readable") {
                    let record = record.expect("readable");
                    let is_mine = |range: &AcquiredRecords| (range.first_offset..=range.last_offset).contains(&record.offset);
                    if partition.acquired_records.iter().any(is_mine) {
                        let due = f64::from_be_bytes(*record.value.as_deref().and_then(|value| value.first_chunk()).expect("a time"));
                        times.push(now - due);
                    }
                }
            }
            held.extend(partition.acquired_records.into_iter().map(|range| (partition.partition_index, range)));
        }
        held
    }

    async fn acknowledge(&mut self, partition_index: i32, offset: i64) {
        let batch = AcknowledgementBatch { first_offset: offset, last_offset: offset, acknowledge_types: vec![ACCEPT] };
        let partition = ShareAcknowledgePartition { partition_index, acknowledgement_batches: vec![batch] };
        let request = ShareAcknowledgeRequest {
            group_id: Some(self.group.clone()),
            member_id: Some(self.member.clone()),
            share_session_epoch: self.next_epoch(),
            topics: vec![ShareAcknowledgeTopic { topic_id: self.topic, partitions: vec![partition] }],
            ..Default::default()
        };
        let answer = self.client.ask(request).await.expect("the server answers");
        let code = answer.responses.first().map_or(answer.error_code, |topic| topic.partitions[0].error_code);
        assert!(code.is_none(), "{code}");
    }
}
