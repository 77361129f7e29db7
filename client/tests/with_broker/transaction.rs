//! Transactions, with a broker that knows KIP-890 and with one that seems not to.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use millstream_broker::BrokerHandle;
use millstream_client::{AutoOffsetReset, Client, ErrorCode, ErrorKind, GroupMetadata, Isolation, NewRecord, TopicPartition, TopicReader};
use millstream_protocol::exchange::Answer;
use millstream_protocol::{ApiKey, Call, Exchange, Response};

use super::{Way, World, next, number};

/// A broker that has not finalised `transaction.version` 2.
struct Old(BrokerHandle);

impl Exchange for Old {
    fn exchange(&self, call: Call) -> Answer {
        let answer = self.0.exchange(call);
        async move {
            Ok(match answer.await? {
                Response::ApiVersions(mut versions) => {
                    versions.finalized_features.retain(|feature| feature.name != "transaction.version");
                    Response::ApiVersions(versions)
                }
                other => other,
            })
        }
        .boxed()
    }

    fn version(&self, api: ApiKey) -> Option<i16> {
        self.0.version(api)
    }
}

async fn worlds() -> Vec<(World, Client, &'static str)> {
    let (new, old, socket) = (World::start(Way::InProcess).await, World::start(Way::InProcess).await, World::start(Way::Socket).await);
    let old_client = Client::new(Old(BrokerHandle(Arc::clone(&old.broker))));
    let (new_client, socket_client) = (new.client.clone(), socket.client.clone());
    vec![(new, new_client, "new"), (old, old_client, "old"), (socket, socket_client, "socket")]
}

async fn values(client: &Client, topic: &str, isolation: Isolation) -> Vec<String> {
    let mut reader = TopicReader::open(client, topic).await.unwrap();
    reader.set_isolation(isolation);
    let mut positions = reader.starts().await.unwrap();
    let ends = reader.ends().await.unwrap();
    let mut values = Vec::new();
    while positions.iter().zip(&ends).any(|(position, end)| position < end) {
        for part in reader.fetch(&positions, Duration::ZERO, 1 << 20).await.unwrap() {
            let place = part.partition as usize;
            let records = part.records(positions[place]).unwrap();
            values.extend(records.into_iter().map(|record| String::from_utf8_lossy(&record.value.unwrap()).into_owned()));
            positions[place] = part.next_offset;
        }
    }
    values.sort();
    values
}

fn record(partition: i32, value: &str) -> NewRecord {
    NewRecord::to("out").partition(partition).value(value.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_is_seen_or_nothing() {
    for (world, client, name) in worlds().await {
        world.topic("out", 2).await;
        let mut producer = client.producer().transactional("tx").await.unwrap();
        for round in 0..3 {
            let transaction = producer.begin().await.unwrap();
            // What is not on its way yet when the transaction is aborted is not sent at all.
            transaction.send(record(0, &format!("a{round}"))).await.unwrap().delivered().await.unwrap();
            transaction.send(record(1, &format!("b{round}"))).await.unwrap().delivered().await.unwrap();
            match round {
                1 => transaction.abort().await.unwrap(),
                _ => transaction.commit().await.unwrap(),
            }
        }
        // Dropped, and one without records.
        drop(producer.begin().await.unwrap().send(record(0, "dropped")).await.unwrap());
        producer.begin().await.unwrap().commit().await.unwrap();
        assert_eq!(values(&client, "out", Isolation::ReadCommitted).await, ["a0", "a2", "b0", "b2"], "{name}");
        let all = values(&client, "out", Isolation::ReadUncommitted).await;
        assert!(all.contains(&"a1".to_owned()) && all.contains(&"b1".to_owned()), "{name} {all:?}");
        // An open one holds back who reads committed records.
        let transaction = producer.begin().await.unwrap();
        transaction.send(record(0, "open")).await.unwrap().delivered().await.unwrap();
        assert_eq!(values(&client, "out", Isolation::ReadCommitted).await.len(), 4, "{name}");
        transaction.commit().await.unwrap();
        assert_eq!(values(&client, "out", Isolation::ReadCommitted).await.len(), 5, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_producer_fences_the_older() {
    for (world, client, name) in worlds().await {
        world.topic("out", 1).await;
        let mut older = client.producer().transactional("tx").await.unwrap();
        let transaction = older.begin().await.unwrap();
        transaction.send(record(0, "zombie")).await.unwrap().delivered().await.unwrap();
        let mut newer = client.producer().transactional("tx").await.unwrap();
        let error = transaction.commit().await.unwrap_err();
        let fenced = [Some(ErrorCode::PRODUCER_FENCED), Some(ErrorCode::INVALID_PRODUCER_EPOCH)];
        assert!(fenced.contains(&error.code()), "{name} {error}");
        assert!(older.begin().await.is_err(), "{name}");
        let transaction = newer.begin().await.unwrap();
        drop(transaction.send(record(0, "live")).await.unwrap());
        transaction.commit().await.unwrap();
        assert_eq!(values(&client, "out", Isolation::ReadCommitted).await, ["live"], "{name}");
    }
}

/// A record that cannot be delivered takes its transaction with it, and the next one works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_record_aborts_the_transaction() {
    for (world, client, name) in worlds().await {
        world.topic("out", 1).await;
        client.admin().create_topic("small", 1, &[("max.message.bytes", "100")]).await.unwrap();
        let mut producer = client.producer().transactional("tx").await.unwrap();
        let transaction = producer.begin().await.unwrap();
        drop(transaction.send(record(0, "with it")).await.unwrap());
        drop(transaction.send(NewRecord::to("small").value("x".repeat(500))).await.unwrap());
        let error = transaction.commit().await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::MESSAGE_TOO_LARGE), "{name} {error}");
        let transaction = producer.begin().await.unwrap();
        drop(transaction.send(record(0, "next")).await.unwrap());
        transaction.commit().await.unwrap();
        assert_eq!(values(&client, "out", Isolation::ReadCommitted).await, ["next"], "{name}");
    }
}

/// An application that gives up waiting for a commit before the broker is asked for it finds the transaction aborted, and nothing of it in
/// the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_nobody_waits_for_leaks_nothing() {
    for (world, client, name) in worlds().await {
        world.topic("out", 1).await;
        let mut producer = client.producer().linger(Duration::from_millis(200)).transactional("tx").await.unwrap();
        let transaction = producer.begin().await.unwrap();
        drop(transaction.send(record(0, "given up")).await.unwrap());
        // The record has just begun its way.
        assert!(transaction.commit().now_or_never().is_none(), "{name}");
        let transaction = producer.begin().await.unwrap();
        drop(transaction.send(record(0, "next")).await.unwrap());
        transaction.commit().await.unwrap();
        assert_eq!(values(&client, "out", Isolation::ReadCommitted).await, ["next"], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_move_with_their_transaction() {
    for (world, client, name) in worlds().await {
        world.topic("t", 1).await;
        world.topic("out", 1).await;
        world.send("t", 1, 0..3).await;
        let committed = || async { client.admin().committed_offsets("g", None).await.unwrap().into_values().collect::<Vec<_>>() };
        let start = || client.consumer("g").topics(["t"]).auto_offset_reset(AutoOffsetReset::Earliest).auto_commit(None).start();
        let mut consumer = start().await.unwrap();
        let mut producer = client.producer().transactional("tx").await.unwrap();
        for is_commit in [false, true] {
            let seen = number(&next(&mut consumer).await);
            let transaction = producer.begin().await.unwrap();
            drop(transaction.send(record(0, &format!("{seen} doubled is {}", seen * 2))).await.unwrap());
            transaction.send_offsets_to_transaction(&consumer.group_metadata(), &consumer.positions()).await.unwrap();
            if is_commit {
                transaction.commit().await.unwrap();
            } else {
                transaction.abort().await.unwrap();
                assert_eq!(committed().await, [0i64; 0], "{name}");
            }
        }
        assert_eq!(committed().await, [2], "{name}");
        assert_eq!(values(&client, "out", Isolation::ReadCommitted).await, ["1 doubled is 2"], "{name}");
        // Who is no member any more cannot commit, and its transaction goes with it.
        let stale = consumer.group_metadata();
        consumer.close().await.unwrap();
        let mut other = start().await.unwrap();
        assert_eq!(number(&next(&mut other).await), 2, "{name}");
        let transaction = producer.begin().await.unwrap();
        drop(transaction.send(record(0, "too late")).await.unwrap());
        let error = transaction.send_offsets_to_transaction(&stale, &[(TopicPartition::new("t", 0), 3)]).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Refused(_)), "{name} {error}");
        assert!(transaction.commit().await.is_err(), "{name}");
        let transaction = producer.begin().await.unwrap();
        transaction.send_offsets_to_transaction(&GroupMetadata::without_members("h"), &[(TopicPartition::new("t", 0), 3)]).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(values(&client, "out", Isolation::ReadCommitted).await, ["1 doubled is 2"], "{name}");
        assert_eq!(client.admin().committed_offsets("h", None).await.unwrap().into_values().collect::<Vec<_>>(), [3], "{name}");
    }
}
