//! The least time between two targets of a consumer group: who comes or goes meanwhile waits for one of all.

use millstream_protocol::message::consumer_group_heartbeat::ConsumerGroupHeartbeatResponse;

use super::groups::{beating, joining};
use super::*;

const INTERVAL_MS: i64 = 1000;

fn open(disk: &SimulatedDisk, clock: &Clock) -> World {
    World::open_with(disk, clock, &[("group.consumer.assignment.interval.ms", "1000")])
}

#[tokio::test]
async fn whoever_joins_within_the_interval_waits_for_one_target_of_all() {
    const MEMBERS: usize = 50;
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = open(&disk, &clock);
    world.create("a", MEMBERS as i32, &[]).await;
    let names: Vec<String> = (0..MEMBERS).map(|number| format!("m{number:02}")).collect();
    let first = world.epoch(joining("g", &names[0], &["a"])).await;
    assert_eq!(world.partitions("g", &names[0]).await.len(), MEMBERS, "the first one waits for nobody");
    for name in &names[1..] {
        clock.advance_ms(10);
        assert_eq!(world.epoch(joining("g", name, &["a"])).await, first, "the epoch of the target that there is");
    }
    clock.advance_ms(INTERVAL_MS - 10 * (MEMBERS as i64 - 1) - 1);
    assert_eq!(world.epoch(beating("g", &names[0], first)).await, first);
    let described = world.describe("g").await;
    assert_eq!((described.group_state.as_str(), described.assignment_epoch), ("Assigning", first));
    assert_eq!(described.group_epoch, first + MEMBERS as i32 - 1);
    clock.advance_ms(1);
    let told = world.heartbeat(beating("g", &names[0], first)).await;
    let kept = told.assignment.expect("has to give up").topic_partitions;
    let target = world.describe("g").await.assignment_epoch;
    assert_eq!(target, described.group_epoch);
    world.epoch(ConsumerGroupHeartbeatRequest { topic_partitions: Some(kept), ..beating("g", &names[0], first) }).await;
    for name in &names[1..] {
        assert_eq!(world.epoch(beating("g", name, first)).await, target);
        assert_eq!(world.partitions("g", name).await.len(), 1);
    }
    // And from that one on it is the same again.
    clock.advance_ms(INTERVAL_MS - 1);
    assert_eq!(world.epoch(joining("g", "late", &["a"])).await, target);
    clock.advance_ms(1);
    assert_eq!(world.epoch(beating("g", "late", target)).await, target + 1);
}

#[tokio::test]
async fn without_an_interval_nobody_waits() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open_with(&disk, &clock, &[]);
    world.create("a", 2, &[]).await;
    let first = world.epoch(joining("g", "A", &["a"])).await;
    assert_eq!(world.epoch(joining("g", "B", &["a"])).await, first + 1);
}

#[tokio::test]
async fn a_group_has_an_interval_of_its_own() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = open(&disk, &clock);
    world.create("a", 2, &[]).await;
    let first = world.epoch(joining("g", "A", &["a"])).await;
    world.set("g", "consumer.assignment.interval.ms", "5000").await;
    clock.advance_ms(INTERVAL_MS);
    assert_eq!(world.epoch(joining("g", "B", &["a"])).await, first);
    world.set("g", "consumer.assignment.interval.ms", "0").await;
    assert_eq!(world.epoch(beating("g", "B", first)).await, first + 1, "holds at once");
}

#[tokio::test]
async fn after_a_restart_the_next_target_need_not_wait() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = open(&disk, &clock);
    world.create("a", 2, &[]).await;
    let first = world.epoch(joining("g", "A", &["a"])).await;
    assert_eq!(world.epoch(joining("g", "B", &["a"])).await, first);
    drop(world);
    let world = open(&disk, &clock);
    assert_eq!(world.epoch(beating("g", "B", first)).await, first + 1);
}

/// A topic that somebody begins to want is no reason for an epoch each time that any topic changes.
#[tokio::test]
async fn what_the_next_target_will_know_of_raises_the_epoch_once() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = open(&disk, &clock);
    world.create("a", 1, &[]).await;
    world.create("b", 1, &[]).await;
    let first = world.epoch(joining("g", "A", &["a"])).await;
    world.epoch(joining("g", "B", &["a", "b"])).await;
    let risen = world.describe("g").await.group_epoch;
    world.create("c", 1, &[]).await;
    world.epoch(beating("g", "B", first)).await;
    assert_eq!(world.describe("g").await.group_epoch, risen);
}

/// A member that has not given up what it had to gives up more at once, when it wants less.
#[tokio::test]
async fn a_member_that_is_to_give_up_may_want_even_less() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open_with(&disk, &clock, &[]);
    world.create("a", 2, &[]).await;
    world.create("b", 1, &[]).await;
    let first = world.epoch(joining("g", "A", &["a", "b"])).await;
    world.epoch(joining("g", "B", &["a"])).await;
    let told = world.heartbeat(beating("g", "A", first)).await;
    let topics = |answer: &ConsumerGroupHeartbeatResponse| answer.assignment.as_ref().map(|had| had.topic_partitions.len());
    assert_eq!(told.member_epoch, first, "has to give up one of a");
    let less = ConsumerGroupHeartbeatRequest { subscribed_topic_names: Some(vec!["a".into()]), ..beating("g", "A", first) };
    let told_more = world.heartbeat(less).await;
    assert_eq!((told_more.member_epoch, topics(&told_more)), (first, Some(1)), "and b");
    let kept = told_more.assignment.expect("told").topic_partitions;
    world.epoch(ConsumerGroupHeartbeatRequest { topic_partitions: Some(kept), ..beating("g", "A", first) }).await;
    world.epoch(joining("g", "C", &["b"])).await;
    assert_eq!(world.partitions("g", "C").await, [0], "it is free");
}
