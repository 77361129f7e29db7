//! What a streaming query costs: rows per CPU-second of a windowed count over a topic of JSON, and the time from the
//! acknowledgement of an input record to the arrival of its result.
//!
//!     cargo bench --bench query               everything
//!     cargo bench --bench query -- count      only the count; or: latency
//!
//! Broker and query run in this process, as they do in the server; CPU time is all of it, reading the log included. Rows
//! have the shape of the Yahoo streaming benchmark: seven fields, 226 bytes, of which a query reads three.

#![allow(clippy::disallowed_methods, reason = "a benchmark looks at the machine itself, past every door")]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_broker::{Broker, BrokerHandle, BrokerSettings, Properties};
use millstream_client::{Client, NewRecord, Start};
use millstream_processor::{QueryStatus, Session};

const ROWS: usize = 1_000_000;
const PARTITIONS: i32 = 4;
const LATENCY_RECORDS: usize = 500;

const EVENTS: &str = "CREATE TABLE events (user_id STRING, page_id STRING, ad_id STRING, ad_type STRING, event_type STRING,
                                           event_time TIMESTAMP, ip_address STRING)
                      USING kafka OPTIONS ('startingOffsets' 'earliest')";
const COUNT: &str = "SELECT window.start AS window_start, ad_id, count(*) AS views FROM STREAM events
                     WATERMARK event_time DELAY OF INTERVAL 10 SECONDS
                     WHERE event_type = 'view' GROUP BY window(event_time, '10 seconds'), ad_id";
const PASS: &str = "SELECT ad_id, event_type, event_time FROM STREAM events";

/// Class W.
const RELAXED: &str = "'checkpoint.sync' 'false', 'acks' '1'";
/// As it is by default, class S: offsets, results, the end of the transaction and its markers are on stable storage.
const IN_TRANSACTIONS: &str = "'acks' 'all'";

/// CPU time of this process so far, s.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux tells a process's CPU time");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).expect("a number of ticks");
    (ticks(11) + ticks(12)) / 100.0
}

fn event(number: usize, text: &mut String) {
    let kind = ["view", "click", "purchase"][number % 3];
    let (seconds, millis) = (number / 1000, number % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    text.clear();
    let user = number * 7919 % 100_000;
    let ad = number * 31 % 100;
    write!(
        text,
        r#"{{"user_id":"{user:036}","page_id":"{:036}","ad_id":"ad-{ad:06}","ad_type":"banner","event_type":"{kind}","event_time":"2026-03-01T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z","ip_address":"1.2.3.4"}}"#,
        user * 3 % 100_000,
    )
    .expect("writing to a string");
}

async fn broker(dir: &Path) -> Client {
    let settings = BrokerSettings::new(Properties::new()).expect("the defaults are legal");
    let broker = Broker::open(dir, settings).expect("an empty directory");
    Client::new(BrokerHandle(Arc::clone(&broker)))
}

async fn fill(client: &Client) -> usize {
    client.admin().create_topic("events", PARTITIONS, &[]).await.expect("a new topic");
    let producer = client.producer().idempotent(false).acks(millstream_client::Acks::Leader).batch_bytes(1 << 20).build();
    let mut text = String::new();
    let mut bytes = 0;
    for number in 0..ROWS {
        event(number, &mut text);
        bytes += text.len();
        let record = NewRecord::to("events").partition(number as i32 % PARTITIONS).value(text.clone());
        drop(producer.send(record).await.expect("the broker takes it"));
    }
    producer.flush().await;
    bytes / ROWS
}

/// Runs a query over all that is there; rows per second of CPU and of wall time.
async fn rows_per_second(session: &Session, name: &str, select: &str) -> (f64, f64) {
    let (cpu, begun) = (cpu_seconds(), Instant::now());
    let statement =
        format!("CREATE STREAMING TABLE {name} OPTIONS ('trigger' 'availableNow', 'checkpoint.sync' 'false', 'acks' '1') AS {select}");
    session.execute(&statement).await.expect("the statement is right");
    let query = session.query(name).expect("it was just created");
    match query.ended().await {
        QueryStatus::Failed(reason) => panic!("{reason}"),
        _ => (ROWS as f64 / (cpu_seconds() - cpu), ROWS as f64 / begun.elapsed().as_secs_f64()),
    }
}

/// One record after the other: from its acknowledgement to the arrival of a result, ms, sorted.
async fn latencies(client: &Client, session: &Session, name: &str, select: &str, options: &str) -> Vec<f64> {
    let topic = format!("in_{name}");
    client.admin().create_topic(&topic, 1, &[]).await.expect("a new topic");
    let table = EVENTS.replace("events", &topic).replace("earliest", "latest");
    session.execute(&table).await.expect("the statement is right");
    let statement =
        format!("CREATE STREAMING TABLE {name} OPTIONS ('outputMode' 'update', {options}) AS {}", select.replace("events", &topic));
    session.execute(&statement).await.expect("the statement is right");
    let mut reader = client.reader(name, 0, Start::End).await.expect("the output topic is there");
    let producer = client.producer().idempotent(false).acks(millstream_client::Acks::Leader).linger(Duration::ZERO).build();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut times = Vec::new();
    let mut text = String::new();
    for number in 0..LATENCY_RECORDS {
        event(number * 3, &mut text);
        let delivery = producer.send(NewRecord::to(&topic).value(text.clone())).await.expect("the broker takes it");
        delivery.delivered().await.expect("it is acknowledged");
        let begun = Instant::now();
        loop {
            let at = reader.position();
            if !reader.fetch(Duration::from_millis(500)).await.expect("the topic is there").records(at).expect("whole").is_empty() {
                break;
            }
        }
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // The first ones warm up.
    let mut times = times.split_off(LATENCY_RECORDS / 10);
    times.sort_by(f64::total_cmp);
    times
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|name| name == part);
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-query");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory for the data");
    let cores = std::thread::available_parallelism().map_or(0, |count| count.get());
    println!("conditions: {cores} cores, data in {}; broker, query and client in one process; class W but in transactions", dir.display());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = broker(&dir.join("data")).await;
        let session = Session::open(client.clone(), &dir.join("queries")).await.expect("an empty folder");
        let row_bytes = fill(&client).await;
        session.execute(EVENTS).await.expect("the statement is right");
        println!("{ROWS} rows of {row_bytes} bytes in {PARTITIONS} partitions");
        for round in 0..if wants("count") { 5 } else { 0 } {
            let (per_cpu, per_wall) = rows_per_second(&session, &format!("counts_{round}"), COUNT).await;
            println!("windowed count, round {round}: {:.0} k rows per CPU-second, {:.0} k rows/s", per_cpu / 1e3, per_wall / 1e3);
        }
        let cases = [
            ("stateless", PASS, RELAXED),
            ("windowed", COUNT, RELAXED),
            ("stateless_in_transactions", PASS, IN_TRANSACTIONS),
            ("windowed_in_transactions", COUNT, IN_TRANSACTIONS),
        ];
        for (name, select, options) in cases.into_iter().filter(|_| wants("latency")) {
            let times = latencies(&client, &session, name, select, options).await;
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
            println!("{name}, acknowledgement to result: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms", at(0.5), at(0.9), at(0.99));
        }
        session.close().await;
    });
}
