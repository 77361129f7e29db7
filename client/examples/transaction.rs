//! Reads greetings, answers them, and commits answers and offsets in one transaction: each greeting is answered exactly once.
//! `cargo run -p millstream-client --example transaction`

use futures::StreamExt;
use millstream_client::{AutoOffsetReset, Client, NewRecord};

#[tokio::main]
async fn main() -> Result<(), millstream_client::Error> {
    let client = Client::connect("127.0.0.1:9092").await?;
    let consumer = client.consumer("answering").topics(["greetings"]).auto_offset_reset(AutoOffsetReset::Earliest);
    let mut consumer = consumer.auto_commit(None).start().await?;
    let mut producer = client.producer().transactional("answering").await?;
    while let Some(greeting) = consumer.next().await {
        let greeting = greeting?;
        let transaction = producer.begin().await?;
        let mut answer = NewRecord::to("answers").value(greeting.value.unwrap_or_default());
        if let Some(guest) = greeting.key {
            answer = answer.key(guest);
        }
        drop(transaction.send(answer).await?);
        transaction.send_offsets_to_transaction(&consumer.group_metadata(), &consumer.positions()).await?;
        transaction.commit().await?;
    }
    Ok(())
}
