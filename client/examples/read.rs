//! Reads a partition from its beginning, for ever. `cargo run -p millstream-client --example read`

use std::pin::pin;

use futures::StreamExt;
use millstream_client::{Client, Start};

#[tokio::main]
async fn main() -> Result<(), millstream_client::Error> {
    let client = Client::connect("127.0.0.1:9092").await?;
    // Other places to begin: Start::End, Start::Offset(5), Start::Time(ms since 1970).
    let reader = client.reader("greetings", 0, Start::Beginning).await?;
    let mut records = pin!(reader.into_stream());
    while let Some(record) = records.next().await {
        let record = record?;
        let text = record.value.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        println!("{} {}: {text}", record.offset, record.timestamp);
    }
    Ok(())
}
