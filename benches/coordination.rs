//! What groups and transactions cost the server, beside the same without them and, if one runs, beside another broker.
//!
//!     cargo bench --bench coordination
//!     cargo bench --bench coordination -- --peer 127.0.0.1:9092 --peer-pid 4711 --rounds 3
//!     cargo bench --bench coordination -- --only one-group            or commits, transactions, members, one-that-stays
//!
//! Everything is class W: acknowledged once the operating system has it. That is how Kafka does it, and so what may be compared.

#![allow(clippy::disallowed_methods, reason = "a benchmark looks at the machine itself, past every door")]

mod load {
    pub(crate) mod arguments;
    pub(crate) mod floor;
    pub(crate) mod server;
    pub(crate) mod table;
}

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use load::arguments::arguments;
use load::floor;
use load::server::Server;
use load::table::{Table, print_conditions};
use millstream_client::{AutoOffsetReset, Client, Consumer, NewRecord, TopicPartition};
use millstream_protocol::message::offset_commit::{OffsetCommitPartition, OffsetCommitRequest, OffsetCommitTopic};

const COMMITS: usize = 40_000;
/// Commits under way on one connection.
const COMMITS_UNDER_WAY: usize = 64;
/// CPU time is counted in hundredths of a second: enough for a second or so.
const TRANSACTIONS: usize = 600;
const RECORDS_A_TRANSACTION: usize = 1_000;
/// Requests of 1 MiB of each producer.
const REQUESTS: usize = 96;
const CLIENTS: usize = 4;
/// More than is written before the topic of it is deleted.
const USED_MIB: usize = 4_000;
const MEMBERS: usize = 50;
const PARTITIONS_OF_MANY: i32 = 100;
const PARTS: [&str; 5] = ["commits", "transactions", "one-group", "members", "one-that-stays"];

fn main() {
    let arguments = arguments(&PARTS);
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-coordination");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory for the data");
    print_conditions(&dir, arguments.rounds);
    let properties = ["log.flush.interval.messages=9223372036854775807", "group.initial.rebalance.delay.ms=0"];
    let mut servers = vec![Server::start_with(&dir.join("data"), 19293, &properties)];
    servers.extend(arguments.peer.as_ref().map(|(address, pid)| Server::peer(address, *pid)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let mut table = Table::default();
    // Memory that was not in use for long costs its first user more than the work itself: everybody gets used one.
    floor::receive_check_write(&dir, USED_MIB);
    for round in 0..arguments.rounds {
        for server in &servers {
            runtime.block_on(async {
                if arguments.wants("commits") {
                    commits(&mut table, server, round).await;
                }
                if arguments.wants("transactions") {
                    transactions(&mut table, server, round).await;
                }
                if arguments.wants("one-group") {
                    one_group(&mut table, server, round).await;
                }
                if arguments.wants("members") {
                    many_members(&mut table, server, round).await;
                }
                if arguments.wants("one-that-stays") {
                    one_that_stays(&mut table, server, round).await;
                }
            });
        }
    }
    let columns: Vec<String> = servers.iter().map(|server| server.name.clone()).collect();
    table.print(&columns);
}

/// A name that no earlier run used.
fn name(what: &str, round: usize) -> String {
    format!("bench-{what}-{}-{round}", std::process::id())
}

async fn commits(table: &mut Table, server: &Server, round: usize) {
    let topic = name("commits", round);
    let topic_id = server.create(&topic, 1).await;
    let client = server.client().await;
    // A Kafka that nobody has asked yet is no coordinator.
    client.admin().commit_offsets(&topic, &[(TopicPartition::new(topic.as_str(), 0), 0)]).await.expect("an offset");
    let (cpu, begun) = (server.cpu_seconds(), Instant::now());
    let commit = |offset: usize| {
        let partition = OffsetCommitPartition { committed_offset: offset as i64, ..Default::default() };
        let topics = vec![OffsetCommitTopic { name: topic.as_str().into(), topic_id, partitions: vec![partition] }];
        let request = OffsetCommitRequest { group_id: topic.as_str().into(), topics, ..Default::default() };
        let client = client.clone();
        async move {
            let answer = client.ask(request).await.expect("the server answers");
            assert!(answer.topics[0].partitions[0].error_code.is_none(), "{}", answer.topics[0].partitions[0].error_code);
        }
    };
    let mut under_way = FuturesUnordered::new();
    for offset in 0..COMMITS {
        if under_way.len() == COMMITS_UNDER_WAY {
            under_way.next().await;
        }
        under_way.push(commit(offset));
    }
    while under_way.next().await.is_some() {}
    table.add("commit of an offset, k/s", &server.name, COMMITS as f64 / begun.elapsed().as_secs_f64() / 1e3);
    table.add("commit of an offset, server CPU µs", &server.name, (server.cpu_seconds() - cpu) * 1e6 / COMMITS as f64);
}

/// The same records, a thousand by a thousand: in transactions, and flushed.
async fn transactions(table: &mut Table, server: &Server, round: usize) {
    let value = bytes::Bytes::from(vec![b'x'; 1024]);
    let records = (TRANSACTIONS * RECORDS_A_TRANSACTION) as f64;
    let mut costs = Vec::new();
    for is_transactional in [false, true] {
        let topic = name(if is_transactional { "in-transactions" } else { "flushed" }, round);
        server.create(&topic, 1).await;
        let client = server.client().await;
        let record = || NewRecord::to(topic.as_str()).partition(0).value(value.clone());
        let (cpu, begun);
        if is_transactional {
            let mut producer = client.producer().transactional(&topic).await.expect("a producer");
            (cpu, begun) = (server.cpu_seconds(), Instant::now());
            for _ in 0..TRANSACTIONS {
                let transaction = producer.begin().await.expect("a transaction");
                for _ in 0..RECORDS_A_TRANSACTION {
                    drop(transaction.send(record()).await.expect("the buffer takes it"));
                }
                transaction.commit().await.expect("it is committed");
            }
        } else {
            let producer = client.producer().build();
            (cpu, begun) = (server.cpu_seconds(), Instant::now());
            for _ in 0..TRANSACTIONS {
                for _ in 0..RECORDS_A_TRANSACTION {
                    drop(producer.send(record()).await.expect("the buffer takes it"));
                }
                producer.flush().await;
            }
        }
        costs.push(((server.cpu_seconds() - cpu) * 1e6 / records, begun.elapsed().as_secs_f64() * 1e6 / records));
        server.delete(&topic).await;
    }
    table.add("1,000 records of 1 KiB flushed, server CPU µs/record", &server.name, costs[0].0);
    table.add("1,000 records in a transaction, server CPU µs/record", &server.name, costs[1].0);
    table.add("transaction ÷ flush, server CPU", &server.name, costs[1].0 / costs[0].0);
    table.add("transaction ÷ flush, wall", &server.name, costs[1].1 / costs[0].1);
}

/// Producers and as many consumers of one group at once, on 16 partitions; and one of each on one partition, which is the ceiling.
async fn one_group(table: &mut Table, server: &Server, round: usize) {
    let mut rates = Vec::new();
    for (clients, partitions) in [(1, 1), (CLIENTS, 16)] {
        let topic = name(&format!("group-{partitions}"), round);
        let id = server.create(&topic, partitions).await;
        let expected = CLIENTS * REQUESTS * (1_000_000 / 1040);
        let read = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let mut reading = Vec::new();
        for _ in 0..clients {
            let consumer = server.client().await.consumer(&topic).topics([topic.as_str()]).auto_offset_reset(AutoOffsetReset::Earliest);
            let mut consumer = consumer.start().await.expect("a consumer");
            let read = read.clone();
            reading.push(tokio::spawn(async move {
                loop {
                    // Woken now and then to see whether the others have read the rest.
                    match tokio::time::timeout(Duration::from_millis(100), consumer.next()).await {
                        Ok(Some(record)) => drop(record.expect("a record")),
                        Ok(None) => panic!("the consumer ended"),
                        Err(_) if read.load(std::sync::atomic::Ordering::Relaxed) >= expected => break,
                        Err(_) => continue,
                    }
                    read.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
                consumer.close().await.expect("it leaves");
            }));
        }
        // All of them have their partitions.
        tokio::time::sleep(Duration::from_secs(if clients == 1 { 1 } else { 12 })).await;
        let (cpu, begun) = (server.cpu_seconds(), Instant::now());
        let requests = CLIENTS * REQUESTS / clients;
        let publishing = (0..clients).map(|_| server.publish(&topic, id, partitions, requests, 1024, 1));
        futures::future::join_all(publishing).await;
        while read.load(std::sync::atomic::Ordering::Relaxed) < expected {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        rates.push(expected as f64 / begun.elapsed().as_secs_f64() / 1e3);
        let cpu_us = (server.cpu_seconds() - cpu) * 1e6 / expected as f64;
        for reading in reading {
            reading.await.expect("the consumer ends well");
        }
        let row = format!("{clients} producers and {clients} consumers, {partitions} partitions, 1 KiB");
        table.add(&format!("{row}, k records/s"), &server.name, rates[rates.len() - 1]);
        table.add(&format!("{row}, server CPU µs/record"), &server.name, cpu_us);
        server.delete(&topic).await;
    }
    table.add("16 partitions ÷ one, records/s", &server.name, rates[1] / rates[0]);
}

/// Fifty members of a group join at once, then half of them leave at once; it is settled when each has its share.
async fn many_members(table: &mut Table, server: &Server, round: usize) {
    let topic = name("members", round);
    server.create(&topic, PARTITIONS_OF_MANY).await;
    let client = server.client().await;
    let begun = Instant::now();
    let mut members = join(&client, &topic, MEMBERS).await;
    settle(&mut members, PARTITIONS_OF_MANY as usize / MEMBERS).await;
    table.add("50 members join at once, until each has its share, ms", &server.name, begun.elapsed().as_secs_f64() * 1e3);
    // Nothing has changed for a while.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let begun = Instant::now();
    let leaving = tokio::spawn(leave(members.split_off(MEMBERS / 2)));
    settle(&mut members, PARTITIONS_OF_MANY as usize / (MEMBERS - MEMBERS / 2)).await;
    table.add("25 of 50 members leave at once, until the others have their shares, ms", &server.name, begun.elapsed().as_secs_f64() * 1e3);
    leaving.await.expect("they leave");
    leave(members).await;
    server.delete(&topic).await;
}

/// One member reads what comes all the time, while 49 others join, and leave: nobody stops for anybody else.
async fn one_that_stays(table: &mut Table, server: &Server, round: usize) {
    let topic = name("stays", round);
    server.create(&topic, PARTITIONS_OF_MANY).await;
    let client = server.client().await;
    let mut member = join(&client, &topic, 1).await.remove(0);
    let producer = client.producer().build();
    let published = topic.clone();
    let publishing = tokio::spawn(async move {
        loop {
            for partition in 0..PARTITIONS_OF_MANY {
                let record = NewRecord::to(published.as_str()).partition(partition).value("x");
                drop(producer.send(record).await.expect("the buffer takes it"));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    while member.assignment().len() < PARTITIONS_OF_MANY as usize {
        member.next().await.expect("it goes on").expect("a record");
    }
    let reading = tokio::spawn(async move {
        let (mut others_came, mut longest, mut last) = (false, Duration::ZERO, Instant::now());
        while !others_came || member.assignment().len() < PARTITIONS_OF_MANY as usize {
            member.next().await.expect("it goes on").expect("a record");
            longest = longest.max(last.elapsed());
            last = Instant::now();
            others_came |= member.assignment().len() == PARTITIONS_OF_MANY as usize / MEMBERS;
        }
        member.close().await.expect("it leaves");
        longest
    });
    let mut others = join(&client, &topic, MEMBERS - 1).await;
    settle(&mut others, PARTITIONS_OF_MANY as usize / MEMBERS).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    leave(others).await;
    let longest = reading.await.expect("it reads");
    publishing.abort();
    table.add("49 members come and go: longest wait for a record of one that stays, ms", &server.name, longest.as_secs_f64() * 1e3);
    server.delete(&topic).await;
}

async fn join(client: &Client, topic: &str, count: usize) -> Vec<Consumer> {
    let starting = (0..count).map(|_| client.consumer(topic).topics([topic]).start());
    futures::future::join_all(starting).await.into_iter().map(|member| member.expect("a consumer")).collect()
}

/// Until each of them has so many partitions.
async fn settle(members: &mut [Consumer], share: usize) {
    let begun = Instant::now();
    while members.iter().any(|member| member.assignment().len() != share) {
        let polling = members.iter_mut().map(|member| tokio::time::timeout(Duration::from_millis(1), member.next()));
        let _ = futures::future::join_all(polling).await;
        assert!(begun.elapsed() < Duration::from_secs(60), "the group does not settle");
    }
}

async fn leave(members: Vec<Consumer>) {
    for left in futures::future::join_all(members.into_iter().map(Consumer::close)).await {
        left.expect("it leaves");
    }
}
