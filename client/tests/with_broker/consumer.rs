//! Consumers: sharing, committing, moving about; with both group protocols.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use millstream_broker::BrokerHandle;
use millstream_client::{
    Assignor, AutoOffsetReset, Client, Commits, ConsumerBuilder, ErrorCode, GroupProtocol, NewRecord, RebalanceListener, Start,
    TopicPartition,
};
use millstream_protocol::exchange::Answer;
use millstream_protocol::message::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use millstream_protocol::message::leave_group::{LeaveGroupRequest, LeavingMember};
use millstream_protocol::{ApiKey, Call, Exchange, Request};
use parking_lot::Mutex;

use super::{Way, World, is_quiet, next, number, numbers};

const ALL: [(Way, GroupProtocol); 4] = [
    (Way::InProcess, GroupProtocol::Consumer),
    (Way::InProcess, GroupProtocol::Classic),
    (Way::Socket, GroupProtocol::Consumer),
    (Way::Socket, GroupProtocol::Classic),
];

fn member(world: &World, protocol: GroupProtocol) -> ConsumerBuilder {
    let builder = world.client.consumer("g").topics(["t"]).protocol(protocol).auto_offset_reset(AutoOffsetReset::Earliest);
    builder.heartbeat_interval(Duration::from_millis(50))
}

/// Polls two members until both have as many partitions as they are to have.
async fn settle(one: &mut millstream_client::Consumer, other: &mut millstream_client::Consumer, sizes: (usize, usize)) {
    let begun = Instant::now();
    while (one.assignment().len(), other.assignment().len()) != sizes {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?} and {:?}", one.assignment(), other.assignment());
        for consumer in [&mut *one, &mut *other] {
            if let Ok(Some(record)) = tokio::time::timeout(Duration::from_millis(20), consumer.next()).await {
                record.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_reads_all_and_goes_on_where_it_committed() {
    for (way, protocol) in ALL {
        let world = World::start(way).await;
        world.topic("t", 3).await;
        world.send("t", 3, 0..30).await;
        let mut consumer = member(&world, protocol).auto_commit(None).start().await.unwrap();
        assert_eq!(numbers(&mut consumer, 30).await, (0..30).collect::<Vec<_>>(), "{way:?} {protocol:?}");
        consumer.commit().await.unwrap();
        world.send("t", 3, 30..33).await;
        assert_eq!(numbers(&mut consumer, 3).await, [30, 31, 32]);
        // These three are not committed.
        consumer.close().await.unwrap();
        let mut again = member(&world, protocol).start().await.unwrap();
        assert_eq!(numbers(&mut again, 3).await, [30, 31, 32], "{way:?} {protocol:?}");
        // Closing commits what was delivered.
        again.close().await.unwrap();
        let mut third = member(&world, protocol).start().await.unwrap();
        assert!(is_quiet(&mut third).await, "{way:?} {protocol:?}");
        assert_eq!(third.positions().len(), 3);
        third.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_share_and_take_over() {
    for (way, protocol) in ALL {
        for assignors in [vec![Assignor::Range, Assignor::CooperativeSticky], vec![Assignor::CooperativeSticky]] {
            let world = World::start(way).await;
            world.topic("t", 4).await;
            let mut one = member(&world, protocol).assignors(assignors.clone()).start().await.unwrap();
            assert!(is_quiet(&mut one).await);
            let mut other = member(&world, protocol).assignors(assignors.clone()).start().await.unwrap();
            settle(&mut one, &mut other, (2, 2)).await;
            world.send("t", 4, 0..40).await;
            let mut seen = numbers(&mut one, 20).await;
            seen.extend(numbers(&mut other, 20).await);
            seen.sort_unstable();
            assert_eq!(seen, (0..40).collect::<Vec<_>>(), "{way:?} {protocol:?} {assignors:?}");
            // What the one that goes has read is not read again.
            other.close().await.unwrap();
            world.send("t", 4, 40..44).await;
            assert_eq!(numbers(&mut one, 4).await, [40, 41, 42, 43], "{way:?} {protocol:?} {assignors:?}");
            assert_eq!(one.assignment().len(), 4);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_partition_is_quiet_and_seeking_moves() {
    for (way, protocol) in ALL {
        let world = World::start(way).await;
        world.topic("t", 2).await;
        world.send("t", 2, 0..10).await;
        let mut consumer = member(&world, protocol).start().await.unwrap();
        numbers(&mut consumer, 10).await;
        let first = TopicPartition::new("t", 0);
        consumer.pause(std::slice::from_ref(&first));
        world.send("t", 2, 10..14).await;
        assert_eq!(numbers(&mut consumer, 2).await, [11, 13]);
        assert!(is_quiet(&mut consumer).await);
        consumer.resume(std::slice::from_ref(&first));
        assert_eq!(numbers(&mut consumer, 2).await, [10, 12]);
        consumer.seek(&first, Start::Offset(5)).unwrap();
        assert_eq!(consumer.position(&first), Some(5));
        assert_eq!(numbers(&mut consumer, 2).await, [10, 12]);
        consumer.seek(&first, Start::Beginning).unwrap();
        assert_eq!(number(&next(&mut consumer).await), 0);
        consumer.seek(&first, Start::End).unwrap();
        assert!(is_quiet(&mut consumer).await);
        assert_eq!(consumer.position(&first), Some(7));
        let error = consumer.seek(&TopicPartition::new("t", 9), Start::End).unwrap_err();
        assert!(error.to_string().contains("t-9 is not assigned"), "{error}");
    }
}

#[derive(Default, Clone)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, what: &str, partitions: &[TopicPartition]) {
        let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
        self.0.lock().push(format!("{what} {}", names.join(" ")));
    }
}

impl RebalanceListener for Notes {
    fn assigned<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        self.note("assigned", partitions);
        futures::future::ready(()).boxed()
    }

    fn revoked<'a>(&'a self, partitions: &'a [TopicPartition], commits: &'a Commits) -> BoxFuture<'a, ()> {
        async move {
            let offsets: Vec<_> = partitions.iter().map(|partition| (partition.clone(), 1)).collect();
            let outcome = commits.commit(&offsets).await;
            self.note(if outcome.is_ok() { "revoked and committed" } else { "revoked" }, partitions);
        }
        .boxed()
    }

    fn lost<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        self.note("lost", partitions);
        futures::future::ready(()).boxed()
    }
}

/// Who listens may still commit while partitions are given up, and the next owner begins there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_is_told_in_time() {
    for (way, protocol) in ALL {
        let world = World::start(way).await;
        world.topic("t", 2).await;
        world.send("t", 2, 0..6).await;
        let notes = Notes::default();
        let seen = notes.0.clone();
        let mut one = member(&world, protocol).auto_commit(None).listener(notes).start().await.unwrap();
        numbers(&mut one, 6).await;
        assert_eq!(*seen.lock(), ["assigned t-0 t-1"]);
        let mut other = member(&world, protocol).auto_commit(None).start().await.unwrap();
        let begun = Instant::now();
        while other.assignment().len() != 1 || one.assignment().len() != 1 {
            assert!(begun.elapsed() < Duration::from_secs(20), "{way:?} {protocol:?} {:?}", seen.lock());
            let _ = tokio::time::timeout(Duration::from_millis(20), one.next()).await;
            if other.assignment().is_empty() {
                let _ = tokio::time::timeout(
                    Duration::from_millis(20),
                    futures::future::poll_fn(|context| {
                        // Only until it has a partition: its records are to be counted.
                        other.poll_next_unpin(context).map(|_| ())
                    }),
                )
                .await;
            }
        }
        assert!(seen.lock().iter().any(|note| note.starts_with("revoked and committed")), "{way:?} {protocol:?} {:?}", seen.lock());
        one.close().await.unwrap();
        assert!(seen.lock().last().unwrap().starts_with("revoked and committed"), "{:?}", seen.lock());
        let committed = world.client.admin().committed_offsets("g", None).await.unwrap();
        assert_eq!(committed.into_values().collect::<Vec<_>>(), [1, 1], "{way:?} {protocol:?}");
    }
}

/// Waits until the partitions are gone to others.
async fn until_lost(notes: &Notes) {
    let begun = Instant::now();
    while !notes.0.lock().iter().any(|note| note.starts_with("lost")) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", notes.0.lock());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A member that takes too long loses its partitions to others, and joins again when it asks for the next record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_member_is_left_behind_and_comes_back() {
    for (way, protocol) in [(Way::InProcess, GroupProtocol::Consumer), (Way::Socket, GroupProtocol::Classic)] {
        let world = World::start(way).await;
        world.topic("t", 2).await;
        world.send("t", 2, 0..2).await;
        let notes = Notes::default();
        let slow = member(&world, protocol).auto_commit(None).max_poll_interval(Duration::from_millis(400)).listener(notes.clone());
        let mut slow = slow.start().await.unwrap();
        numbers(&mut slow, 2).await;
        until_lost(&notes).await;
        // The group is empty, and would take an offset from anybody.
        let error = slow.commit().await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_MEMBER_ID), "{error}");
        let mut producer = world.client.producer().transactional("tx").await.unwrap();
        let transaction = producer.begin().await.unwrap();
        let error = transaction.send_offsets_to_transaction(&slow.group_metadata(), &slow.positions()).await.unwrap_err();
        let refused = [Some(ErrorCode::UNKNOWN_MEMBER_ID), Some(ErrorCode::ILLEGAL_GENERATION)];
        assert!(refused.contains(&error.code()), "{protocol:?} {error}");
        assert!(transaction.commit().await.is_err(), "{protocol:?}: not without its offsets");
        assert_eq!(numbers(&mut slow, 2).await, [0, 1], "{protocol:?}");
    }
}

/// A cancelled `next` asks for nothing any more: what the application does instead may last too long, as the work on a record may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_next_was_cancelled_is_left_behind() {
    for (way, protocol) in [(Way::InProcess, GroupProtocol::Consumer), (Way::Socket, GroupProtocol::Classic)] {
        let world = World::start(way).await;
        world.topic("t", 2).await;
        world.send("t", 2, 0..2).await;
        let notes = Notes::default();
        let stuck = member(&world, protocol).auto_commit(None).max_poll_interval(Duration::from_millis(400)).listener(notes.clone());
        let mut stuck = stuck.start().await.unwrap();
        numbers(&mut stuck, 2).await;
        assert!(is_quiet(&mut stuck).await);
        until_lost(&notes).await;
        assert_eq!(numbers(&mut stuck, 2).await, [0, 1], "{protocol:?}: it comes back when it asks again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_waits_for_records_keeps_its_partitions() {
    let world = World::start(Way::InProcess).await;
    world.topic("t", 2).await;
    world.send("t", 2, 0..2).await;
    let notes = Notes::default();
    let seen = notes.0.clone();
    let waiting = member(&world, GroupProtocol::Classic).auto_commit(None).listener(notes);
    // Each heartbeat finds that the interval has passed, and leaves half a second to show that somebody waits.
    let waiting = waiting.max_poll_interval(Duration::from_millis(400)).heartbeat_interval(Duration::from_millis(500));
    let mut waiting = waiting.start().await.unwrap();
    numbers(&mut waiting, 2).await;
    assert!(tokio::time::timeout(Duration::from_millis(2200), waiting.next()).await.is_err());
    assert_eq!(*seen.lock(), ["assigned t-0 t-1"]);
}

/// Counts the commits that it is asked for.
struct Counting(BrokerHandle, Arc<AtomicUsize>);

impl Exchange for Counting {
    fn exchange(&self, call: Call) -> Answer {
        self.1.fetch_add(usize::from(matches!(call.request, Request::OffsetCommit(_))), Ordering::Relaxed);
        self.0.exchange(call)
    }

    fn version(&self, api: ApiKey) -> Option<i16> {
        self.0.version(api)
    }
}

/// On one thread no task runs before something is awaited: the request does not need one to be on its way.
#[tokio::test]
async fn a_commit_that_is_not_waited_for_is_on_its_way_at_once() {
    let world = World::start(Way::InProcess).await;
    world.topic("t", 1).await;
    world.send("t", 1, 0..2).await;
    let commits = Arc::new(AtomicUsize::new(0));
    let client = Client::new(Counting(BrokerHandle(world.broker.clone()), commits.clone()));
    let consumer = client.consumer("g").topics(["t"]).auto_offset_reset(AutoOffsetReset::Earliest).auto_commit(None);
    let mut consumer = consumer.start().await.unwrap();
    numbers(&mut consumer, 2).await;
    let committing = consumer.commit_async();
    assert_eq!(commits.load(Ordering::Relaxed), 1);
    committing.committed().await.unwrap();
}

/// A partition with much to read does not keep the other one waiting until all of it is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_of_one_partition_starves_no_other() {
    let world = World::start(Way::InProcess).await;
    world.topic("t", 2).await;
    let producer = world.client.producer().build();
    for number in 0..120 {
        // One batch each; three of the other partition come last.
        let partition = i32::from(number >= 117);
        let record = NewRecord::to("t").partition(partition).value(number.to_string());
        producer.send(record).await.unwrap().delivered().await.unwrap();
    }
    let mut consumer = member(&world, GroupProtocol::Consumer).fetch_bytes(400, 100).start().await.unwrap();
    let mut first = Vec::new();
    while first.len() < 60 {
        first.push(number(&next(&mut consumer).await));
    }
    assert!((117..120).all(|other| first.contains(&other)), "{first:?}");
}

/// The group forgets a member while a record is worked on, and takes it in again behind the application's back: what was read before is
/// not for the member that it is now to commit, nor to carry in a transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_was_forgotten_does_not_commit_as_the_next_one() {
    for protocol in [GroupProtocol::Consumer, GroupProtocol::Classic] {
        let world = World::start(Way::InProcess).await;
        world.topic("t", 2).await;
        world.send("t", 2, 0..4).await;
        let mut consumer = member(&world, protocol).auto_commit(None).start().await.unwrap();
        numbers(&mut consumer, 4).await;
        let before = consumer.group_metadata();
        let (group_id, member_id) = (before.group_id.clone(), before.member_id.clone());
        match protocol {
            GroupProtocol::Classic => {
                let members = vec![LeavingMember { member_id, ..Default::default() }];
                world.client.ask(LeaveGroupRequest { group_id, members, ..Default::default() }).await.unwrap();
            }
            GroupProtocol::Consumer => {
                let leaving = ConsumerGroupHeartbeatRequest { group_id, member_id, member_epoch: -1, ..Default::default() };
                world.client.ask(leaving).await.unwrap();
            }
        }
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < Duration::from_secs(20), "{protocol:?}: it does not come back");
            tokio::time::sleep(Duration::from_millis(300)).await;
            let members = world.client.admin().describe_group("g").await.unwrap().members;
            if members.iter().any(|member| member.partitions.len() == 2) {
                break;
            }
        }
        let refused = consumer.commit().await.unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::UNKNOWN_MEMBER_ID), "{protocol:?}");
        assert_eq!(consumer.group_metadata(), before, "{protocol:?}: the group refuses who it was");
        // From the next record on it is the new one.
        numbers(&mut consumer, 4).await;
        consumer.commit().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patterns_resets_and_refusals() {
    let world = World::start(Way::InProcess).await;
    world.topic("t", 1).await;
    world.topic("tea", 1).await;
    world.send("tea", 1, 0..3).await;
    let consumer = world.client.consumer("g").pattern("te.*").auto_offset_reset(AutoOffsetReset::Earliest);
    let mut consumer = consumer.start().await.unwrap();
    assert_eq!(numbers(&mut consumer, 3).await, [0, 1, 2]);
    consumer.close().await.unwrap();

    let mut none = world.client.consumer("h").topics(["tea"]).auto_offset_reset(AutoOffsetReset::None).start().await.unwrap();
    let error = none.next().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("no offset for tea-0"), "{error}");
    none.seek(&TopicPartition::new("tea", 0), Start::Beginning).unwrap();
    assert_eq!(numbers(&mut none, 3).await, [0, 1, 2]);

    let mut bad = world.client.consumer("i").pattern("(").start().await.unwrap();
    let error = bad.next().await.unwrap().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::INVALID_REGULAR_EXPRESSION), "{error}");
    assert!(bad.next().await.is_none());
    assert!(bad.close().await.is_ok());

    assert!(world.client.consumer("j").start().await.is_err());
    assert!(world.client.consumer("j").pattern("x").protocol(GroupProtocol::Classic).start().await.is_err());
}

/// Records that were deleted are passed over as the reset says; a topic that was made anew is read on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_records_and_topics_are_survived() {
    for protocol in [GroupProtocol::Consumer, GroupProtocol::Classic] {
        let world = World::start(Way::InProcess).await;
        world.topic("t", 1).await;
        world.send("t", 1, 0..10).await;
        let mut consumer = member(&world, protocol).fetch_bytes(64, 64).start().await.unwrap();
        assert_eq!(number(&next(&mut consumer).await), 0);
        world.client.admin().delete_records("t", 0, 8).await.unwrap();
        consumer.seek(&TopicPartition::new("t", 0), Start::Offset(2)).unwrap();
        assert_eq!(numbers(&mut consumer, 2).await, [8, 9]);
    }
}
