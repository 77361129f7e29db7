//! Reads a topic as a member of a group, and commits every hundred records. `cargo run -p millstream-client --example consume`

use futures::StreamExt;
use millstream_client::{AutoOffsetReset, Client};

#[tokio::main]
async fn main() -> Result<(), millstream_client::Error> {
    let client = Client::connect("127.0.0.1:9092").await?;
    let consumer = client.consumer("guests").topics(["greetings"]).auto_offset_reset(AutoOffsetReset::Earliest);
    // Offsets are committed here, by hand; unless told otherwise that happens by itself every five seconds.
    let mut consumer = consumer.auto_commit(None).start().await?;
    let mut count = 0;
    while let Some(record) = consumer.next().await {
        let record = record?;
        let value = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
        println!("{}-{} {}: {value}", record.topic, record.partition, record.offset);
        count += 1;
        if count % 100 == 0 {
            consumer.commit().await?;
        }
    }
    Ok(())
}
