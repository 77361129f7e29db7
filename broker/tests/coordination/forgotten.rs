//! The coordinator's journal and a partition become durable side by side: a power cut may leave a batch of a transaction that the
//! coordinator knows nothing of, or whose predecessor it believes to be ending still.

use std::path::PathBuf;
use std::time::Duration;

use millstream_broker::disk::{Disk, Mode};
use millstream_protocol::message::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};

use super::*;

/// The journal's segment: the one file that the first transactional id makes.
async fn journal_of(disk: &SimulatedDisk, world: &World) -> ((i64, i16), PathBuf) {
    let before = disk.files();
    let identity = world.begin("id").await.expect("a producer");
    let made = disk.files().into_iter().find(|path| !before.contains(path) && path.extension().is_some_and(|kind| kind == "log"));
    (identity, made.expect("a journal"))
}

/// Up to where a file is written.
fn written(disk: &SimulatedDisk, path: &Path) -> usize {
    let file = disk.open(path, Mode::Existing).expect("it is there");
    let mut content = vec![0; file.len().expect("a length") as usize];
    let read = file.read_at(&mut content, 0).expect("readable");
    content[..read].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// Readers of committed records get to the end, as soon as what was aborted at the start is durable.
async fn nothing_hangs(world: &World) {
    for _ in 0..1000 {
        if world.read("a", 0, true).await.1 == world.read("a", 0, false).await.1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("a transaction hangs");
}

/// A transaction of which a batch is durable and the coordinator's entry is not: it is aborted at the start. What the producer sends
/// again is refused, and not taken for a repetition of what was aborted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_the_coordinator_forgot_is_aborted() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock);
    world.create("a", 1, &[]).await;
    let (first, journal) = journal_of(&disk, &world).await;
    world.produce("a", 0, None, Some("one"), Some(("id", first.0, first.1, 0))).await.expect("the first");
    let next = world.end("id", first, true).await.expect("a commit");
    let kept = written(&disk, &journal);
    world.produce("a", 0, None, Some("two"), Some(("id", next.0, next.1, 0))).await.expect("the second");
    drop(world);
    disk.zero_from(&journal, kept);

    let world = World::open(&disk, &clock);
    nothing_hangs(&world).await;
    assert_eq!(world.values("a", 0).await, ["one"]);
    for sequence in [0, 1] {
        let again = world.produce("a", 0, None, Some("two"), Some(("id", next.0, next.1, sequence))).await;
        assert_eq!(again, Err(ErrorCode::INVALID_PRODUCER_EPOCH), "sequence {sequence}");
    }
    // The producer can do but one thing, and goes on.
    let third = world.end("id", next, false).await.expect("an abort");
    world.produce("a", 0, None, Some("three"), Some(("id", third.0, third.1, 0))).await.expect("the third");
    world.end("id", third, true).await.expect("a commit");
    assert_eq!(world.values("a", 0).await, ["one", "three"]);
}

/// The journal ends at a decision that was carried out; what the next transaction wrote is not what was decided about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_is_not_about_the_transaction_after() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock);
    world.create("a", 1, &[]).await;
    let (first, journal) = journal_of(&disk, &world).await;
    world.produce("a", 0, None, Some("one"), Some(("id", first.0, first.1, 0))).await.expect("the first");
    let ongoing = written(&disk, &journal);
    let next = world.end("id", first, true).await.expect("a commit");
    world.produce("a", 0, None, Some("two"), Some(("id", next.0, next.1, 0))).await.expect("the second");
    drop(world);
    // The decision is the batch behind what was written before it: its length stands at byte 8 of it.
    let file = disk.open(&journal, Mode::Existing).expect("it is there");
    let mut content = vec![0; file.len().expect("a length") as usize];
    let read = file.read_at(&mut content, 0).expect("readable");
    let mut position = 0;
    while position < ongoing && position + 12 < read {
        let length = u32::from_be_bytes(content[position + 8..position + 12].try_into().expect("four bytes"));
        position += 12 + length as usize;
    }
    let length = u32::from_be_bytes(content[position + 8..position + 12].try_into().expect("four bytes"));
    disk.zero_from(&journal, position + 12 + length as usize);

    let world = World::open(&disk, &clock);
    take_over(&world, "id").await.expect("another producer");
    assert_eq!(world.values("a", 0).await, ["one"]);
    nothing_hangs(&world).await;
}

/// The first batch of a transaction is acknowledged when the coordinator's entry is durable too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_batch_waits_for_the_coordinators_entry() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = Arc::new(World::open(&disk, &clock));
    world.create("a", 1, &[]).await;
    let (first, journal) = journal_of(&disk, &world).await;
    disk.hold_sync(&journal);
    let send = |sequence| {
        let world = world.clone();
        tokio::spawn(async move { world.produce("a", 0, None, Some("one"), Some(("id", first.0, first.1, sequence))).await })
    };
    let (batch, repetition) = (send(0), {
        while world.read("a", 0, false).await.1 < 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        send(0)
    });
    // It is durable where it is, and known there; so is who sends it again told to wait.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!batch.is_finished() && !repetition.is_finished());
    disk.release_sync(&journal);
    assert_eq!(batch.await.expect("runs"), Ok(0));
    assert_eq!(repetition.await.expect("runs"), Ok(0));

    disk.fail_sync_of(&journal);
    let next = world.end("id", first, true).await;
    assert_eq!(next, Err(ErrorCode::COORDINATOR_NOT_AVAILABLE), "a decision that is not durable is none");
}

/// Whoever asks for it first, a coordinator's topic is as the coordinator needs it, and stays so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journals_are_nobodys_to_shape() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock);
    let topic = MetadataRequestTopic { name: Some("__transaction_state".into()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: true, ..Default::default() };
    let Response::Metadata(answer) = world.ask(12, request).await else { panic!() };
    assert!(answer.topics[0].is_internal && answer.topics[0].error_code.is_none());
    let created = |properties: &'static [(&str, &str)]| {
        let config = |(name, value): &(&str, &str)| CreatableTopicConfig { name: (*name).into(), value: Some((*value).into()) };
        let configs = properties.iter().map(config).collect();
        let topic =
            CreatableTopic { name: "__consumer_offsets".into(), num_partitions: 1, replication_factor: 1, configs, ..Default::default() };
        world.ask(7, CreateTopicsRequest { topics: vec![topic], ..Default::default() })
    };
    let Response::CreateTopics(answer) = created(&[("cleanup.policy", "delete")]).await else { panic!() };
    assert_eq!(answer.topics[0].error_code, ErrorCode::POLICY_VIOLATION);
    let Response::CreateTopics(answer) = created(&[]).await else { panic!() };
    assert_eq!(answer.topics[0].error_code, ErrorCode::NONE);
    world.create("a", 1, &[]).await;
    world.commit("g", 5).await.expect("an offset");
    for name in ["__consumer_offsets", "__transaction_state"] {
        let config = IncrementalAlterableConfig { name: "segment.bytes".into(), config_operation: 0, value: Some("14".into()) };
        let resource = IncrementalAlterConfigsResource { resource_type: 2, resource_name: name.into(), configs: vec![config] };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let Response::IncrementalAlterConfigs(answer) = world.ask(1, request).await else { panic!() };
        assert_eq!(answer.responses[0].error_code, ErrorCode::POLICY_VIOLATION, "{name}");
    }
    let request =
        InitProducerIdRequest { transactional_id: Some("x".repeat(40_000).into()), transaction_timeout_ms: 1000, ..Default::default() };
    let Response::InitProducerId(answer) = world.ask(5, request).await else { panic!() };
    assert_eq!(answer.error_code, ErrorCode::INVALID_REQUEST);
}
