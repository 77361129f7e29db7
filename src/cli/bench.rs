//! `millstream bench`: measures a running server, ours or any other that speaks the protocol, and says under which
//! conditions. The client shares the machine with the server: compare, do not quote alone.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use millstream_client::{NewRecord, Start, TopicReader};
use serde_json::json;

use super::Bootstrap;
use super::produce::AcksArgument;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// A topic for the measurement; it is created when it is not there, and kept.
    #[arg(long, default_value = "millstream-bench")]
    topic: String,
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    /// Bytes of a value.
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    #[arg(long, default_value = "all")]
    acks: AcksArgument,
    #[command(flatten)]
    bootstrap: Bootstrap,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Send as fast as the server takes it.
    Produce(BenchArguments),
    /// Read the topic from its beginning.
    Consume(BenchArguments),
    /// Send at a fixed rate; time from the intended send to the acknowledgement and to the arrival.
    Latency {
        #[command(flatten)]
        arguments: BenchArguments,
        /// Records a second.
        #[arg(long, default_value_t = 1000)]
        rate: u64,
    },
}

pub(crate) async fn run(command: BenchCommand) -> Result<(), Failure> {
    match command {
        BenchCommand::Produce(arguments) => produce(&arguments).await,
        BenchCommand::Consume(arguments) => consume(&arguments).await,
        BenchCommand::Latency { arguments, rate } => latency(&arguments, rate.max(1)).await,
    }
}

async fn client(arguments: &BenchArguments) -> Result<millstream_client::Client, Failure> {
    let client = arguments.bootstrap.connect().await?;
    if client.topic(&arguments.topic).await.is_err() {
        client.admin().create_topic(&arguments.topic, arguments.partitions, &[]).await?;
    }
    Ok(client)
}

async fn produce(arguments: &BenchArguments) -> Result<(), Failure> {
    let client = client(arguments).await?;
    let is_all = matches!(arguments.acks, AcksArgument::All);
    let producer =
        client.producer().acks(arguments.acks.into()).idempotent(is_all).linger(Duration::from_millis(1)).batch_bytes(1 << 20).build();
    let value = bytes::Bytes::from(vec![b'x'; arguments.record_bytes]);
    let begun = Instant::now();
    let mut count: u64 = 0;
    while begun.elapsed() < Duration::from_secs(arguments.seconds) {
        for _ in 0..256 {
            let partition = (count % arguments.partitions.max(1) as u64) as i32;
            drop(producer.send(NewRecord::to(&arguments.topic).partition(partition).value(value.clone())).await?);
            count += 1;
        }
    }
    producer.flush().await;
    let seconds = begun.elapsed().as_secs_f64();
    let rate = count as f64 / seconds;
    println!(
        "{}",
        json!({
            "bench": "produce", "acks": format!("{:?}", arguments.acks), "record_bytes": arguments.record_bytes, "partitions": arguments.partitions,
            "records": count, "seconds": seconds, "records_per_second": rate.round(), "mib_per_second": (rate * arguments.record_bytes as f64 / 1048576.0).round(),
        })
    );
    Ok(())
}

async fn consume(arguments: &BenchArguments) -> Result<(), Failure> {
    let client = client(arguments).await?;
    let mut reader = TopicReader::open(&client, &arguments.topic).await?;
    let (mut positions, ends) = (reader.starts().await?, reader.ends().await?);
    let begun = Instant::now();
    let (mut records, mut bytes) = (0u64, 0u64);
    while positions.iter().zip(&ends).any(|(position, end)| position < end) {
        for part in reader.fetch(&positions, Duration::from_millis(500), 8 << 20).await? {
            for batch in &part.batches {
                records += batch.record_count() as u64;
                bytes += batch.total_bytes() as u64;
            }
            positions[part.partition as usize] = part.next_offset;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({
            "bench": "consume", "records": records, "bytes": bytes, "seconds": seconds,
            "records_per_second": (records as f64 / seconds).round(), "mib_per_second": (bytes as f64 / seconds / 1048576.0).round(),
        })
    );
    Ok(())
}

/// The value below which a share of the sorted values lies, ms.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        count => (sorted[((count - 1) as f64 * share).round() as usize] * 1000.0).round() / 1000.0,
    }
}

async fn latency(arguments: &BenchArguments, rate: u64) -> Result<(), Failure> {
    let client = client(arguments).await?;
    let mut reader = client.reader(&arguments.topic, 0, Start::End).await?;
    let is_all = matches!(arguments.acks, AcksArgument::All);
    let producer = client.producer().acks(arguments.acks.into()).idempotent(is_all).linger(Duration::ZERO).build();
    let total = rate * arguments.seconds;
    let begun = Instant::now() + Duration::from_millis(200);
    let intended = move |n: u64| begun + Duration::from_nanos(n * 1_000_000_000 / rate);
    let reading = tokio::spawn({
        let other = arguments.bootstrap.connect().await?;
        let topic = arguments.topic.clone();
        let from = reader.position();
        reader.seek(from);
        async move {
            let mut reader = other.reader(&topic, 0, Start::Offset(from)).await?;
            let mut arrived = Vec::with_capacity(total as usize);
            while (arrived.len() as u64) < total {
                let at = reader.position();
                let fetched = reader.fetch(Duration::from_millis(500)).await?;
                let now = Instant::now();
                for _ in fetched.records(at)? {
                    arrived.push((now - intended(arrived.len() as u64).min(now)).as_secs_f64() * 1000.0);
                }
            }
            Ok::<_, millstream_client::Error>(arrived)
        }
    });
    let value = bytes::Bytes::from(vec![b'x'; arguments.record_bytes]);
    let topic = arguments.topic.clone();
    let runtime = tokio::runtime::Handle::current();
    // A thread sleeps to the microsecond, the runtime's timers to the millisecond.
    let sending = tokio::task::spawn_blocking(move || {
        let mut deliveries = Vec::with_capacity(total as usize);
        for n in 0..total {
            std::thread::sleep(intended(n).saturating_duration_since(Instant::now()));
            let delivery = runtime.block_on(producer.send(NewRecord::to(&topic).partition(0).value(value.clone())))?;
            deliveries.push(
                runtime.spawn(async move { delivery.delivered().await.map(|_| (Instant::now() - intended(n)).as_secs_f64() * 1000.0) }),
            );
        }
        Ok::<_, millstream_client::Error>(deliveries)
    });
    let deliveries = sending.await.map_err(|error| Failure::other(error.to_string()))??;
    let mut acknowledged = Vec::with_capacity(total as usize);
    for delivery in deliveries {
        acknowledged.push(delivery.await.map_err(|error| Failure::other(error.to_string()))??);
    }
    let mut arrived = reading.await.map_err(|error| Failure::other(error.to_string()))??;
    acknowledged.sort_by(f64::total_cmp);
    arrived.sort_by(f64::total_cmp);
    let shares = |sorted: &[f64]| json!({"p50_ms": percentile(sorted, 0.5), "p99_ms": percentile(sorted, 0.99), "p999_ms": percentile(sorted, 0.999)});
    println!(
        "{}",
        json!({
            "bench": "latency", "acks": format!("{:?}", arguments.acks), "rate": rate, "record_bytes": arguments.record_bytes, "records": total,
            "open_loop": true, "acknowledged": shares(&acknowledged), "arrived": shares(&arrived),
        })
    );
    Ok(())
}
