//! Publishes ten records and says where they are. `cargo run -p millstream-client --example produce`

use std::time::Duration;

use millstream_client::{Acks, Client, Codec, NewRecord};

#[tokio::main]
async fn main() -> Result<(), millstream_client::Error> {
    let client = Client::connect("127.0.0.1:9092").await?;
    // Idempotent unless told otherwise: what is sent again after a lost connection is not there twice.
    let producer = client.producer().acks(Acks::All).codec(Codec::Lz4).linger(Duration::from_millis(5)).build();
    let mut deliveries = Vec::new();
    for number in 0..10 {
        let record = NewRecord::to("greetings").key(format!("guest-{}", number % 3)).value(format!("hello {number}"));
        // The future of a delivery is there at once; waiting for it can wait.
        deliveries.push(producer.send(record).await?);
    }
    for delivery in deliveries {
        let delivered = delivery.delivered().await?;
        println!("partition {} offset {}", delivered.partition, delivered.offset);
    }
    Ok(())
}
