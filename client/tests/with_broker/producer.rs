//! Producers with real brokers: what the tests beside the code cannot show.

use std::time::Duration;

use millstream_client::{Acks, ErrorKind, NewRecord, partition_of_key};

use crate::{Way, World};

/// Every partition has requests of its own, and one connection takes only so many at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_writes_to_more_partitions_than_requests_may_be_under_way() {
    const PARTITIONS: i32 = 600;
    let world = World::start(Way::Socket).await;
    for topic in ["a", "b", "c"] {
        world.topic(topic, PARTITIONS).await;
    }
    let producer = world.client.producer().acks(Acks::Leader).delivery_timeout(Duration::from_secs(15)).build();
    let mut under_way = Vec::new();
    for topic in ["a", "b", "c"] {
        for partition in 0..PARTITIONS {
            under_way.push(producer.send(NewRecord::to(topic).partition(partition).value("x")).await.unwrap());
        }
    }
    for delivery in under_way {
        assert_eq!(delivery.delivered().await.unwrap().offset, 0);
    }
}

/// Records linger so that others may join them, and not while somebody waits for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_a_flush_nor_a_commit_waits_for_linger() {
    const SOON: Duration = Duration::from_secs(20);
    let world = World::start(Way::InProcess).await;
    world.topic("t", 2).await;
    let lingering = world.client.producer().linger(Duration::from_secs(3600));
    let producer = lingering.clone().build();
    let mut under_way = Vec::new();
    for partition in 0..2 {
        under_way.push(producer.send(NewRecord::to("t").partition(partition).value("x")).await.unwrap());
    }
    tokio::time::timeout(SOON, producer.flush()).await.expect("a flush that does not linger");
    for delivery in under_way {
        assert_eq!(delivery.delivered().await.unwrap().offset, 0);
    }
    let mut producer = lingering.transactional("tx").await.unwrap();
    let transaction = producer.begin().await.unwrap();
    drop(transaction.send(NewRecord::to("t").value("x")).await.unwrap());
    tokio::time::timeout(SOON, transaction.commit()).await.expect("a commit that does not linger").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_finds_partitions_that_were_added() {
    let world = World::start(Way::InProcess).await;
    for topic in ["aged", "named"] {
        world.topic(topic, 1).await;
    }
    let forgetful = world.client.producer().metadata_max_age(Duration::from_millis(1)).build();
    let producer = world.client.producer().build();
    for (producer, topic) in [(&forgetful, "aged"), (&producer, "named")] {
        let delivery = producer.send(NewRecord::to(topic).key("k").value("x")).await.unwrap();
        assert_eq!(delivery.delivered().await.unwrap().partition, 0);
        world.client.admin().set_partitions(topic, 4).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    for number in 0..10 {
        let key = number.to_string();
        let expected = partition_of_key(key.as_bytes(), 4);
        let delivery = forgetful.send(NewRecord::to("aged").key(key).value("x")).await.unwrap();
        assert_eq!(delivery.delivered().await.unwrap().partition, expected);
    }
    // One that is named is looked for at once.
    let delivery = producer.send(NewRecord::to("named").partition(3).value("x")).await.unwrap();
    assert_eq!(delivery.delivered().await.unwrap().partition, 3);
    let error = producer.send(NewRecord::to("named").partition(4).value("x")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::InvalidInput, "{error}");
}
