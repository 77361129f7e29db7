//! Where a log begins: retention and DeleteRecords.

use std::sync::Arc;

use millstream_broker::Clock;
use millstream_broker::disk::simulated::SimulatedDisk;
use millstream_protocol::message::list_offsets::{EARLIEST, LATEST};

use crate::world::{NOW_MS, World, files};

/// Records without times go by the time at which their file was written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_without_times_go_too() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    disk.set_clock(clock.clone());
    let world = World::open(&disk, &clock, &[]);
    world.create(&[("retention.ms", "10000"), ("segment.bytes", "1000")]).await;
    for _ in 0..20 {
        world.send(None, Some(&"x".repeat(200)), -1, None, -1).await.expect("appends");
    }
    clock.advance_ms(9_000);
    world.tend().await;
    assert_eq!(world.offset_of(EARLIEST).await, 0, "they are young");
    world.broker.close().expect("closes");
    drop(world);
    let world = World::open(&disk, &clock, &[]);
    clock.advance_ms(9_000);
    world.tend().await;
    assert!(world.offset_of(EARLIEST).await >= 15, "the last file was changed when it was closed");
    clock.advance_ms(9_000);
    world.tend().await;
    // That was when the last one ended, which changes its file.
    world.produce("k", Some("v")).await.expect("appends");
    clock.advance_ms(10_001);
    world.tend().await;
    assert_eq!(world.offset_of(EARLIEST).await, 20);
}

/// A segment that compaction has emptied is no obstacle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_behind_an_emptied_segment_goes_too() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock, &[]);
    let settings =
        [("cleanup.policy", "compact,delete"), ("min.cleanable.dirty.ratio", "0"), ("retention.ms", "10000"), ("segment.bytes", "1000")];
    world.create(&settings).await;
    for _ in 0..16 {
        world.produce("k", Some(&"x".repeat(200))).await.expect("appends");
    }
    world.tend().await;
    let (seen, _) = world.read(0, 1 << 20, false).await;
    assert!(seen[0].0 > 6, "segments are empty: {}", seen[0].0);
    clock.advance_ms(10_001);
    world.tend().await;
    world.produce("k", Some("v")).await.expect("appends");
    world.tend().await;
    assert_eq!(world.offset_of(EARLIEST).await, 16);
}

/// Retention does not go behind what is on stable storage, whatever is written already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_its_sync_is_kept() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = Arc::new(World::open(&disk, &clock, &[]));
    world.create(&[("retention.bytes", "0"), ("segment.bytes", "1000")]).await;
    world.produce("k", Some("synced")).await.expect("appends");
    let log = files(&disk, "log").remove(0);
    disk.hold_sync(&log);
    let writers: Vec<_> = (0..10)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.produce("k", Some(&"x".repeat(300))).await })
        })
        .collect();
    while files(&disk, "log").len() < 3 {
        tokio::task::yield_now().await;
    }
    world.tend().await;
    assert_eq!((world.offset_of(EARLIEST).await, world.offset_of(LATEST).await), (0, 1));
    disk.release_sync(&log);
    for writer in writers {
        writer.await.expect("no panic").expect("appends");
    }
    world.tend().await;
    assert!(world.offset_of(EARLIEST).await >= 7);
}

/// Deleting what an open transaction wrote takes its readers along: they stop where the log begins, not before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stable_offset_is_never_before_the_log() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock, &[]);
    world.create(&[]).await;
    let mut producer = world.begin("id").await;
    for _ in 0..3 {
        world.produce_in(&mut producer, "k", Some("open")).await.expect("appends");
    }
    assert_eq!(world.delete_records(2).await, Ok(2));
    let answer = world.fetch(2, 1 << 20, true).await;
    assert_eq!((answer.log_start_offset, answer.last_stable_offset, answer.high_watermark), (2, 2, 3));
    assert_eq!(world.read(2, 1 << 20, true).await, (Vec::new(), None), "it is still open");
    world.end(&mut producer, true).await.expect("commits");
    assert_eq!(world.read(2, 1 << 20, true).await.0.len(), 1);
}

/// Looking for a time reads from where the index says, also in the segment that is being written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_for_a_time_does_not_read_the_whole_active_segment() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock, &[]);
    world.create(&[]).await;
    for _ in 0..400 {
        clock.advance_ms(10);
        world.produce("k", Some(&"x".repeat(300))).await.expect("appends");
    }
    for (ahead_ms, offset) in [(3990, 398), (3985, 398), (4000, 399), (4001, -1)] {
        let before = disk.read_bytes();
        assert_eq!(world.offset_of(NOW_MS + ahead_ms).await, offset);
        let read = disk.read_bytes() - before;
        assert!(read < 20_000, "{read} of 148000 bytes");
    }
    assert_eq!(world.offset_of(NOW_MS).await, 0);
}
