//! The client with a broker: in this process, and over sockets.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod consumer;
mod producer;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use millstream_broker::server::Server;
use millstream_broker::{Broker, BrokerHandle, BrokerSettings, Properties};
use millstream_client::{Client, Consumer, ConsumerRecord, NewRecord};
use tempfile::TempDir;
use tokio::sync::watch;

/// How a client reaches its broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    InProcess,
    Socket,
}

struct World {
    client: Client,
    broker: Arc<Broker>,
    _stop: watch::Sender<bool>,
    _dir: TempDir,
}

impl World {
    async fn start(way: Way) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Members hear of changes with their heartbeats.
        let properties = [("group.initial.rebalance.delay.ms", "0"), ("group.consumer.heartbeat.interval.ms", "50")];
        let properties: Properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let broker = Broker::open(dir.path(), BrokerSettings::new(properties).unwrap()).unwrap();
        tokio::spawn(broker.clone().tend());
        let (stop, stopped) = watch::channel(false);
        let client = match way {
            Way::InProcess => Client::new(BrokerHandle(broker.clone())),
            Way::Socket => {
                let server = Server::bind(broker.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
                let address = server.address().unwrap().to_string();
                tokio::spawn(server.run(stopped));
                Client::connect(&address).await.unwrap()
            }
        };
        World { client, broker, _stop: stop, _dir: dir }
    }

    async fn topic(&self, name: &str, partitions: i32) {
        self.client.admin().create_topic(name, partitions, &[]).await.unwrap();
    }

    /// Numbers from..to, each to the partition that is its rest.
    async fn send(&self, topic: &str, partitions: i32, numbers: std::ops::Range<i32>) {
        let producer = self.client.producer().build();
        for number in numbers {
            drop(producer.send(NewRecord::to(topic).partition(number % partitions).value(number.to_string())).await.unwrap());
        }
        producer.flush().await;
    }
}

fn number(record: &ConsumerRecord) -> i32 {
    std::str::from_utf8(record.value.as_deref().unwrap()).unwrap().parse().unwrap()
}

/// The next record, which must come soon.
async fn next(consumer: &mut Consumer) -> ConsumerRecord {
    let record = tokio::time::timeout(Duration::from_secs(20), consumer.next()).await;
    record.expect("a record in time").expect("the consumer goes on").unwrap()
}

async fn numbers(consumer: &mut Consumer, count: usize) -> Vec<i32> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(number(&next(consumer).await));
    }
    all.sort_unstable();
    all
}

/// Whether nothing comes for a while.
async fn is_quiet(consumer: &mut Consumer) -> bool {
    tokio::time::timeout(Duration::from_millis(300), consumer.next()).await.is_err()
}
