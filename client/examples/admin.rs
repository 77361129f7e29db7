//! Makes a topic, looks at it, changes it, removes it. `cargo run -p millstream-client --example admin`

use millstream_client::{Client, ErrorCode, ErrorKind};

#[tokio::main]
async fn main() -> Result<(), millstream_client::Error> {
    let client = Client::connect("127.0.0.1:9092").await?;
    let admin = client.admin();
    match admin.create_topic("orders", 3, &[("retention.ms", "86400000")]).await {
        Err(error) if *error.kind() == ErrorKind::Refused(ErrorCode::TOPIC_ALREADY_EXISTS) => println!("it is there already"),
        other => other?,
    }
    admin.set_partitions("orders", 6).await?;
    admin.alter_topic("orders", &[("retention.ms", None), ("cleanup.policy", Some("delete"))]).await?;
    println!("{:#?}", admin.describe_topic("orders").await?);
    admin.delete_topic("orders").await
}
