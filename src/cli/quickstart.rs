//! `millstream quickstart`: a server on a temporary directory, orders published into it, a windowed count over them, and
//! its results as they come.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use millstream_broker::{BrokerSettings, Listener, Properties};
use millstream_client::{Client, NewRecord, TopicReader};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::count;
use crate::failure::Failure;
use crate::serve::{Running, ServerConfig};

#[derive(Debug, Args)]
pub(crate) struct QuickstartArguments {
    /// Where Kafka clients connect.
    #[arg(long, env = "MILLSTREAM_KAFKA", default_value = "127.0.0.1:9092")]
    kafka: SocketAddr,
    /// Where the admin API listens.
    #[arg(long, env = "MILLSTREAM_HTTP", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Orders a second.
    #[arg(long, default_value_t = 500)]
    rate: u64,
    /// How long results are shown; the server then stays up until Ctrl-C. The first come after 7 to 12 seconds.
    #[arg(long, default_value_t = 25)]
    seconds: u64,
    /// End after the results instead of staying up.
    #[arg(long)]
    exit: bool,
}

const TABLE: &str = "CREATE TABLE orders (stores_request_id BIGINT, event_time TIMESTAMP,
  parent_order STRUCT<order_ref: BIGINT, agent: STRING>,
  bom ARRAY<STRUCT<part: STRING, quantity: BIGINT>>) USING kafka OPTIONS ('startingOffsets' 'earliest')";

const QUERY: &str = "CREATE STREAMING TABLE part_counts AS
SELECT window.start AS window_start, b.part AS part, count(*) AS orders, sum(b.quantity) AS quantity
FROM (SELECT event_time, explode(bom) AS b
      FROM STREAM orders WATERMARK event_time DELAY OF INTERVAL 2 SECONDS)
GROUP BY window(event_time, '5 seconds'), b.part";

const PARTS: &[&str] = &["hinge_cup_sg7", "door_panel_600", "drawer_rail_45", "handle_bar_128", "screw_m4x16"];

pub(crate) fn run(arguments: QuickstartArguments) -> Result<(), Failure> {
    let directory = tempfile::Builder::new().prefix("millstream-").tempdir().map_err(|error| Failure::other(error.to_string()))?;
    let properties = Properties::from([("num.partitions".to_owned(), "3".to_owned())]);
    let settings = BrokerSettings::new(properties).map_err(|error| Failure::other(error.to_string()))?;
    let begun = Instant::now();
    let listeners = vec![Listener::plain(&arguments.kafka.ip().to_string(), arguments.kafka.port())];
    let data_dir = directory.path().to_owned();
    let running = Running::start(ServerConfig { data_dir, listeners, http: arguments.http, settings })?;
    let kafka = running.kafka.first().map(ToString::to_string).unwrap_or_default();
    println!("A server is up after {} ms, on {}", begun.elapsed().as_millis(), directory.path().display());
    println!("  Kafka clients:  {kafka}");
    println!("  admin API:      http://{}\n", running.http);
    println!("{TABLE};\n\n{QUERY};\n");
    // On the runtime of `block_on`, as any other client: over a socket.
    let address = kafka.clone();
    let session = running.session.clone();
    let shown = super::block_on(async move {
        let client = Client::connect(&address).await?;
        client.admin().create_topic("orders", 3, &[]).await?;
        client.admin().create_topic("part_counts", 1, &[]).await?;
        session.execute(&format!("{TABLE}; {QUERY}")).await.map_err(|error| Failure::other(error.to_string()))?;
        let publishing = tokio::spawn(publish(client.clone(), arguments.rate, arguments.seconds));
        let shown = show(&client, arguments.seconds).await;
        publishing.abort();
        shown
    });
    match shown {
        Err(failure) if failure.is_interruption() => return running.shut_down(),
        shown => shown?,
    }
    let query = running.session.query("part_counts").and_then(|query| query.last_progress());
    if let Some(progress) = query {
        println!(
            "\nThe query's last report: batch {}, {} rows at {} rows/s, {} keys of state",
            progress["batchId"],
            progress["numInputRows"],
            progress["processedRowsPerSecond"],
            progress["stateOperators"][0]["numRowsTotal"]
        );
    }
    if arguments.exit {
        return running.shut_down();
    }
    println!("\nThe server stays up until Ctrl-C. Try, in another terminal:");
    println!("  millstream consume part_counts -n 5 -b {kafka}");
    println!(
        "  millstream sql --server http://{} 'SELECT part, sum(quantity) AS quantity FROM (SELECT unnest(bom) AS b FROM orders) GROUP BY b.part'",
        running.http
    );
    println!("  kcat -b {kafka} -t orders -C -c 5 -u");
    let _ = std::io::stdout().flush();
    running.until_stopped()
}

fn order(random: &mut StdRng, number: u64, now_ms: i64) -> Value {
    // Some orders come out of order, within the delay that the query grants; one in a hundred comes too late for it.
    let late_ms = match random.random_range(0..100) {
        0 => 20_000,
        1..20 => random.random_range(0..1_900),
        _ => 0,
    };
    let time = now_ms - late_ms;
    let parts: Vec<Value> = (0..random.random_range(1..4))
        .map(|_| json!({"part": PARTS[random.random_range(0..PARTS.len())], "quantity": random.random_range(1..24)}))
        .collect();
    json!({
        "stores_request_id": 10_004_352_789u64 + number,
        "event_time": millstream_processor::iso_time(time),
        "parent_order": {"order_ref": 777_289 + number, "agent": format!("Mr Thing ({})", 1000 + number % 300)},
        "bom": parts,
    })
}

async fn publish(client: Client, rate: u64, seconds: u64) -> Result<(), Failure> {
    let producer = client.producer().linger(Duration::from_millis(5)).build();
    let mut random = StdRng::seed_from_u64(7);
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let mut sent = 0;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(seconds) {
        tick.tick().await;
        let due = (begun.elapsed().as_millis() as u64) * rate / 1000;
        while sent < due {
            #[expect(clippy::disallowed_methods, reason = "orders of this moment")]
            let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
            let order = order(&mut random, sent, now_ms);
            let key = order["parent_order"]["order_ref"].to_string();
            drop(producer.send(NewRecord::to("orders").key(key).value(order.to_string())).await?);
            sent += 1;
        }
    }
    producer.flush().await;
    Ok(())
}

async fn show(client: &Client, seconds: u64) -> Result<(), Failure> {
    let mut reader = TopicReader::open(client, "part_counts").await?;
    let mut orders = TopicReader::open(client, "orders").await?;
    let mut positions = reader.starts().await?;
    println!("Orders are published, and the query counts them by part in windows of 5 seconds of event time.");
    println!("A window's results appear once the watermark has passed its end:\n");
    println!("{:<24}  {:<16}  {:>7}  {:>9}", "window_start", "part", "orders", "quantity");
    let begun = Instant::now();
    let (mut last_window, mut results) = (String::new(), 0u64);
    while begun.elapsed() < Duration::from_secs(seconds) {
        for part in reader.fetch(&positions, Duration::from_millis(300), 1 << 20).await? {
            let place = part.partition as usize;
            for record in part.records(positions[place])? {
                let row: Value = serde_json::from_slice(record.value.as_deref().unwrap_or_default()).unwrap_or_default();
                let text = |name: &str| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
                if text("window_start") != last_window && !last_window.is_empty() {
                    println!();
                }
                last_window = text("window_start");
                results += 1;
                println!("{:<24}  {:<16}  {:>7}  {:>9}", last_window, text("part"), text("orders"), text("quantity"));
            }
            positions[place] = part.next_offset;
        }
    }
    orders.refresh().await?;
    let published: i64 = orders.ends().await?.iter().sum();
    let acknowledged = format!("{} in {seconds} s, each acknowledged from stable storage", count(published, "order"));
    match results {
        0 => println!(
            "{acknowledged}.\nNo window has closed yet: the first results come 7 to 12 seconds after the start, so give --seconds 15 or more."
        ),
        _ => println!("\n{acknowledged}; {}, each written exactly once.", count(results, "result")),
    }
    Ok(())
}
