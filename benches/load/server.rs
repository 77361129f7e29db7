//! A server under load: ours, which this starts, or any other that speaks the protocol.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use millstream_client::Client;
use millstream_protocol::TopicId;
use millstream_protocol::message::fetch::{FetchPartition, FetchRequest, FetchTopic};
use millstream_protocol::message::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millstream_protocol::record::{BatchBuilder, Codec, NewRecord, Records};

/// Requests under way at once, as librdkafka has them.
const UNDER_WAY: usize = 5;

pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) address: String,
    pid: u32,
    child: Option<Child>,
    /// From the process's beginning to its word that it listens.
    pub(crate) started_ms: f64,
}

/// How a server is ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signal {
    Terminate,
    Kill,
}

/// What a load came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) records_per_second: f64,
    /// The server's CPU, µs a record.
    pub(crate) cpu_us: f64,
}

impl Server {
    /// Starts the binary that was built with this benchmark, on an empty directory.
    pub(crate) fn start(dir: &Path, port: u16) -> Self {
        Self::start_with(dir, port, &[])
    }

    /// The same with properties.
    pub(crate) fn start_with(dir: &Path, port: u16, properties: &[&str]) -> Self {
        let address = format!("127.0.0.1:{port}");
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_millstream"))
            .args(["serve", "--kafka", &address, "--http", "127.0.0.1:0", "--data-dir"])
            .arg(dir)
            .args(properties.iter().flat_map(|property| ["--set", property]))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let said = BufReader::new(child.stdout.take().expect("it is a pipe")).lines().take(2).map_while(Result::ok).count();
        assert_eq!(said, 2, "the server says where it listens");
        let started_ms = begun.elapsed().as_secs_f64() * 1e3;
        Server { name: "Millstream".into(), address, pid: child.id(), child: Some(child), started_ms }
    }

    /// Another server, which runs already.
    pub(crate) fn peer(address: &str, pid: u32) -> Self {
        Server { name: format!("peer at {address}"), address: address.to_owned(), pid, child: None, started_ms: 0.0 }
    }

    /// Ends it, and says how long that took.
    pub(crate) fn end(mut self, signal: Signal) -> Duration {
        let mut child = self.child.take().expect("it was started here");
        let begun = Instant::now();
        match signal {
            Signal::Kill => child.kill().expect("it runs"),
            Signal::Terminate => {
                let done = Command::new("kill").arg(self.pid.to_string()).status().expect("there is such a command");
                assert!(done.success(), "it runs");
            }
        }
        child.wait().expect("it ends");
        begun.elapsed()
    }

    pub(crate) async fn client(&self) -> Client {
        let begun = Instant::now();
        loop {
            match Client::connect(&self.address).await {
                Ok(client) => return client,
                Err(_) if begun.elapsed() < Duration::from_secs(10) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("{}: {error}", self.name),
            }
        }
    }

    /// CPU time of the process so far, s. Linux counts it in hundredths.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).expect("the server runs");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).expect("a number of ticks");
        (ticks(11) + ticks(12)) / 100.0
    }

    pub(crate) fn rss_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("the server runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has memory");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("KiB") / 1024
    }

    async fn measured(&self, records: usize, work: impl Future<Output = ()>) -> Cost {
        let (cpu, begun) = (self.cpu_seconds(), Instant::now());
        work.await;
        let seconds = begun.elapsed().as_secs_f64();
        let cpu_us = (self.cpu_seconds() - cpu) * 1e6 / records as f64;
        Cost { records_per_second: records as f64 / seconds, cpu_us }
    }

    /// A topic of its own for one load.
    pub(crate) async fn create(&self, topic: &str, partitions: i32) -> TopicId {
        let client = self.client().await;
        client.admin().create_topic(topic, partitions, &[]).await.expect("the topic is new");
        tokio::time::sleep(Duration::from_millis(300)).await;
        client.topic(topic).await.expect("it is there").id
    }

    pub(crate) async fn delete(&self, topic: &str) {
        self.client().await.admin().delete_topic(topic).await.expect("it is there");
    }

    /// Publishes 1 MiB requests, one partition after the other; returns what it cost.
    pub(crate) async fn publish(&self, topic: &str, id: TopicId, partitions: i32, requests: usize, record_bytes: usize, acks: i16) -> Cost {
        let client = self.client().await;
        let (batch, records) = batch(record_bytes);
        let request = |number: usize| {
            let data = PartitionProduceData { index: number as i32 % partitions, records: Some(Records::from(batch.clone())) };
            let topic = TopicProduceData { name: topic.into(), topic_id: id, partition_data: vec![data] };
            let request = ProduceRequest { acks, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
            let client = client.clone();
            async move {
                let answer = client.ask(request).await.expect("the server answers");
                let code = answer.responses[0].partition_responses[0].error_code;
                assert!(code.is_none(), "{code}");
            }
        };
        self.measured(records * requests, async {
            let mut under_way = FuturesUnordered::new();
            for number in 0..requests {
                if under_way.len() == UNDER_WAY {
                    under_way.next().await;
                }
                under_way.push(request(number));
            }
            while under_way.next().await.is_some() {}
        })
        .await
    }

    /// Reads a partition from its beginning, `times` times.
    pub(crate) async fn fetch(&self, topic: &str, id: TopicId, records: usize, times: usize) -> Cost {
        let client = self.client().await;
        self.measured(records * times, async {
            for _ in 0..times {
                let mut offset = 0;
                while offset < records as i64 {
                    let partition = FetchPartition { fetch_offset: offset, partition_max_bytes: 1 << 20, ..Default::default() };
                    let topic = FetchTopic { topic: topic.into(), topic_id: id, partitions: vec![partition] };
                    let request = FetchRequest { max_wait_ms: 500, min_bytes: 1, topics: vec![topic], ..Default::default() };
                    let answer = client.ask(request).await.expect("the server answers");
                    let found = answer.responses.into_iter().flat_map(|topic| topic.partitions);
                    for partition in found {
                        assert!(partition.error_code.is_none(), "{}", partition.error_code);
                        for batch in partition.records.unwrap_or_default().batches() {
                            offset = batch.expect("whole").last_offset() + 1;
                        }
                    }
                }
            }
        })
        .await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Just under 1 MiB of records in one batch, and how many there are.
fn batch(record_bytes: usize) -> (bytes::Bytes, usize) {
    // Of today: a broker may delete what is old.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970");
    let timestamp = since.as_millis() as i64;
    let value: Vec<u8> = (0..record_bytes).map(|at| at as u8 | 1).collect();
    let mut builder = BatchBuilder::new(Codec::None);
    let mut records = 0;
    while (records + 1) * (record_bytes + 16) < 1_000_000 {
        builder.push(NewRecord { timestamp, value: Some(&value), ..Default::default() });
        records += 1;
    }
    (builder.build().expect("it is not compressed").to_bytes(), records)
}
