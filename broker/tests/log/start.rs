//! What a start costs, and what it knows: after a clean stop and after a crash.

use std::time::Duration;

use millstream_broker::Clock;
use millstream_broker::disk::simulated::SimulatedDisk;
use millstream_broker::disk::{Disk, Mode, read_file};
use millstream_protocol::ErrorCode;

use crate::world::{NOW_MS, World, files, topic_dir};

const RECORD_BYTES: usize = 60_000;

/// After a clean stop a start does not read the logs, and yet knows their producers, transactions and times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_after_a_clean_stop_reads_no_log() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock, &[]);
    world.create(&[("segment.ms", "10000")]).await;
    let mut producer = world.begin("p").await;
    world.produce_in(&mut producer, "k", Some("aborted")).await.expect("appends");
    world.end(&mut producer, false).await.expect("ends");
    world.produce_in(&mut producer, "k", Some("open")).await.expect("appends");
    for _ in 0..50 {
        world.send_bytes(&[b'x'; RECORD_BYTES], -1).await.expect("appends");
    }
    world.broker.close().expect("closes");
    drop(world);
    let before = disk.read_bytes();
    clock.advance_ms(5000);
    let world = World::open(&disk, &clock, &[]);
    let read = disk.read_bytes() - before;
    assert!(read < 200_000, "{read} bytes were read, the log has {}", 50 * RECORD_BYTES);
    // The transaction is open still, and its producer is known by its sequence numbers.
    let sequence = producer.sequence;
    producer.sequence = 0;
    assert_eq!(world.produce_in(&mut producer, "k", Some("open")).await, Ok(2), "sent again, it is found");
    producer.sequence = sequence + 1;
    assert_eq!(world.produce_in(&mut producer, "k", Some("gap")).await, Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    producer.sequence = sequence;
    world.end(&mut producer, true).await.expect("ends");
    let committed = world.read(0, 1 << 20, true).await.0;
    assert_eq!(committed[0].2.as_deref(), Some("open"), "the aborted one is left out");
    // The segment is as old as its first record, not as this process.
    let segments = files(&disk, "log").len();
    clock.advance_ms(6000);
    world.produce("k", Some("in a new segment")).await.expect("appends");
    assert_eq!(files(&disk, "log").len(), segments + 1);
}

/// Neither raising the first offset nor the first append after a crash holds up appends while the disk takes its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_wait_for_nobodys_facts() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock, &[]);
    world.create(&[("segment.bytes", "2000")]).await;
    for _ in 0..20 {
        world.produce("k", Some(&"x".repeat(300))).await.expect("appends");
    }
    let dir = topic_dir(&disk).join("0");
    let soon = Duration::from_secs(10);
    disk.hold_sync(&dir);
    let deleting = world.delete_records(10);
    let appending = async {
        while disk.held_syncs() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let appended = tokio::time::timeout(soon, world.send(Some("k"), Some("v"), NOW_MS, None, 1)).await;
        let is_held = disk.held_syncs() > 0;
        disk.release_sync(&dir);
        (appended, is_held)
    };
    let (deleted, (appended, was_held)) = tokio::join!(deleting, appending);
    assert_eq!((appended.expect("in time"), was_held), (Ok(20), true));
    assert_eq!(deleted, Ok(10));
    drop(world);
    disk.crash(7);
    let world = World::open(&disk, &clock, &[]);
    disk.hold_sync(&dir);
    let appended = tokio::time::timeout(soon, world.send(Some("k"), Some("v"), NOW_MS, None, 1)).await;
    disk.release_sync(&dir);
    assert!(appended.expect("in time").is_ok());
}

/// Every start after a crash begins a new leader epoch, also one of which nothing was ever written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_epoch_is_never_given_twice() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock, &[]);
    world.create(&[]).await;
    world.produce("k", Some("v")).await.expect("appends");
    drop(world);
    let mut epochs = Vec::new();
    for round in 0..6 {
        disk.crash(round);
        let world = World::open(&disk, &clock, &[]);
        if round % 2 == 0 {
            // It may be lost with the power, and its epoch must not come again for another record.
            world.send(Some("k"), Some("v"), NOW_MS, None, 1).await.expect("appends");
        }
        epochs.push(world.leader_epoch().await);
    }
    assert!(epochs.is_sorted_by(|one, next| one < next), "{epochs:?}");
}

/// A start after a crash leaves preallocated room where it is, and appends go into it; what was torn is cut, with the room behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_survives_a_crash_and_a_torn_end_does_not() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock, &[]);
    world.create(&[]).await;
    for value in ["a", "b", "c"] {
        world.produce("k", Some(value)).await.expect("appends");
    }
    let log = files(&disk, "log").remove(0);
    let file = disk.open(&log, Mode::Existing).expect("opens");
    let room = file.len().expect("has a length");
    drop(world);
    for (offset, value) in [(3, "d"), (4, "e")] {
        disk.crash(offset as u64);
        let world = World::open(&disk, &clock, &[]);
        assert_eq!(file.len().expect("has a length"), room, "nothing is cut that the next append asks for again");
        assert_eq!(world.produce("k", Some(value)).await, Ok(offset));
        assert_eq!(file.len().expect("has a length"), room);
    }
    // The last batch loses its end.
    let content = read_file(&disk, &log, 1 << 20).expect("reads").expect("is there");
    let end = content.iter().rposition(|&byte| byte != 0).expect("has batches") + 1;
    disk.flip_bit(&log, end - 1, 0);
    let index = log.with_extension("index");
    let _ = disk.remove_file(&index);
    disk.crash(7);
    let world = World::open(&disk, &clock, &[]);
    assert!(file.len().expect("has a length") < end as u64, "no byte of what was torn is left");
    assert_eq!(world.produce("k", Some("again")).await, Ok(4));
    let (read, error) = world.read(0, 1 << 20, false).await;
    let values: Vec<_> = read.iter().filter_map(|(_, _, value)| value.as_deref()).collect();
    assert_eq!((values, error), (vec!["a", "b", "c", "d", "again"], None));
}
