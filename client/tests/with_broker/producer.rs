//! Producers with real brokers: what the tests beside the code cannot show.

use std::time::Duration;

use millstream_client::{Acks, NewRecord};

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
