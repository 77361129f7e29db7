//! What a start finds after blocks were lost or damaged: no batch that was never written, and every one that was.

use millstream_broker::Clock;
use millstream_broker::disk::simulated::SimulatedDisk;
use millstream_protocol::ErrorCode;
use millstream_protocol::message::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use millstream_protocol::message::list_offsets::LATEST;
use millstream_protocol::record::{BatchBuilder, Codec, NewRecord};

use crate::world::{NOW_MS, TOPIC, World, files};

/// A value that holds a whole batch of another offset, with enough around it to fill blocks.
fn value_with_a_batch(base_offset: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(NewRecord { value: Some(b"forged"), ..Default::default() });
    let inner = builder.build().expect("builds").stamped(base_offset, 0).to_bytes();
    let mut value = vec![b'x'; 300];
    value.extend_from_slice(&inner);
    value.extend([b'y'; 2000]);
    value
}

async fn with_records(disk: &SimulatedDisk, clock: &Clock, count: usize) -> World {
    let world = World::open(disk, clock, &[]);
    world.create(&[]).await;
    for _ in 0..count {
        world.produce("k", Some(&"x".repeat(300))).await.expect("appends");
    }
    world
}

/// A batch that was torn is cut whole, though its value holds a batch that is not torn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_in_the_value_of_a_torn_one_is_none() {
    for base_offset in [3, 4, 1000, i64::from(i32::MAX) - 1, 1 << 40, i64::MAX - 1] {
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let world = with_records(&disk, &clock, 3).await;
        let log = files(&disk, "log").remove(0);
        world.send_bytes(&value_with_a_batch(base_offset), 1).await.expect("is written");
        drop(world);
        // Three batches of 371 bytes, then what is in front of the inner one, and that.
        disk.zero_from(&log, (3 * 371 + 300 + 200_usize).next_multiple_of(512));
        let world = World::open(&disk, &clock, &[]);
        assert_eq!(world.offset_of(LATEST).await, 3, "{base_offset}");
        let (seen, error) = world.read(0, 1 << 20, false).await;
        assert_eq!((seen.len(), error), (3, None), "{base_offset}");
        assert_eq!(world.produce("k", Some("on")).await, Ok(3), "{base_offset}");
    }
}

/// Where a batch was damaged that holds another, the log goes on behind it, not in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_in_the_value_of_a_damaged_one_is_none() {
    for (at, bit) in [(3 * 371 + 120, 1), (3 * 371 + 1500, 4)] {
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let world = with_records(&disk, &clock, 3).await;
        world.send_bytes(&value_with_a_batch(3), -1).await.expect("appends");
        world.produce("k", Some("behind")).await.expect("appends");
        drop(world);
        disk.flip_bit(&files(&disk, "log").remove(0), at, bit);
        let world = World::open(&disk, &clock, &[]);
        assert_eq!(world.read(0, 1 << 20, false).await.1, Some(ErrorCode::CORRUPT_MESSAGE));
        let (seen, error) = world.read(4, 1 << 20, false).await;
        assert_eq!((seen.len(), error), (1, None), "what was acknowledged behind it is there");
        assert_eq!(world.produce("k", Some("on")).await, Ok(5));
    }
}

/// One wrong bit in the length or the offset of a batch, which no checksum covers, costs this batch alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_length_or_offset_costs_one_batch() {
    // The offset's bytes are the first eight, the length's the next four.
    for byte in [0, 2, 4, 6, 7, 8, 9, 10, 11] {
        for bit in [0, 3, 6] {
            let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
            drop(with_records(&disk, &clock, 10).await);
            disk.flip_bit(&files(&disk, "log").remove(0), 4 * 371 + byte, bit);
            let world = World::open(&disk, &clock, &[]);
            assert_eq!(world.offset_of(LATEST).await, 10, "byte {byte} bit {bit}");
            let (seen, error) = world.read(5, 1 << 20, false).await;
            assert_eq!((seen.len(), error), (5, None), "byte {byte} bit {bit}");
        }
    }
}

/// Offsets are not given anew where compaction has removed the end of a log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_without_its_last_records_goes_on_behind_them() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock, &[]);
    world.create(&[]).await;
    for _ in 0..5 {
        world.send(None, Some("without a key"), NOW_MS, None, -1).await.expect("appends");
    }
    let set =
        |(name, value): (&str, &str)| IncrementalAlterableConfig { name: name.into(), config_operation: 0, value: Some(value.into()) };
    let configs = [("cleanup.policy", "compact"), ("max.compaction.lag.ms", "10"), ("min.cleanable.dirty.ratio", "0")];
    let resource =
        IncrementalAlterConfigsResource { resource_type: 2, resource_name: TOPIC.into(), configs: configs.into_iter().map(set).collect() };
    world.ask(1, IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false }).await;
    for _ in 0..200 {
        clock.advance_ms(100);
        world.tend().await;
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        if world.read(0, 1 << 20, false).await.0.is_empty() {
            break;
        }
    }
    assert_eq!(world.read(0, 1 << 20, false).await, (Vec::new(), None), "all of it was compacted away");
    for is_clean in [true, false] {
        if is_clean {
            world.broker.close().expect("closes");
        } else {
            disk.crash(1);
        }
        let world = World::open(&disk, &clock, &[]);
        assert_eq!(world.offset_of(LATEST).await, 5, "clean: {is_clean}");
    }
    drop(world);
    assert_eq!(World::open(&disk, &clock, &[]).produce("k", Some("on")).await, Ok(5));
}

/// A sector that cannot be read costs what is in it: the broker starts, everything else is served, and reading it is an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_disk_cannot_read_is_an_error_and_the_rest_is_served() {
    for (is_active, is_closed) in [(true, false), (true, true), (false, false), (false, true)] {
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let world = World::open(&disk, &clock, &[("millstream.tail.max.bytes", "0")]);
        world.create(&[("segment.bytes", if is_active { "1000000" } else { "20000" })]).await;
        for _ in 0..100 {
            world.produce("k", Some(&"x".repeat(300))).await.expect("appends");
        }
        if is_closed {
            world.broker.close().expect("closes");
        }
        drop(world);
        disk.make_unreadable(&files(&disk, "log").remove(0), 8192..8704);
        let world = World::open(&disk, &clock, &[("millstream.tail.max.bytes", "0")]);
        let at = format!("active {is_active}, closed {is_closed}");
        // Batches of 371 bytes: the sector has a part of those from 22 to 23.
        let (seen, error) = world.read(0, 1 << 20, false).await;
        assert!((10..=22).contains(&seen.len()), "{at}: {}", seen.len());
        assert_eq!(error, Some(ErrorCode::KAFKA_STORAGE_ERROR), "{at}");
        let (seen, error) = world.read(40, 1 << 20, false).await;
        assert_eq!((seen.len(), error), (60, None), "{at}");
        assert_eq!(world.offset_of(LATEST).await, 100, "{at}");
        assert_eq!(world.produce("k", Some("on")).await, Ok(100), "{at}");
        assert!(!world.has_failed(), "{at}: a part that cannot be read is no failed write");
    }
}

/// DeleteRecords to a place right behind damage removes no segment that holds anything from there on, although its index is lost and
/// the damage would end a walk over its headers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_index_does_not_make_a_segment_short() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock, &[]);
    world.create(&[("segment.bytes", "20000")]).await;
    for _ in 0..100 {
        world.produce("k", Some(&"x".repeat(300))).await.expect("appends");
    }
    world.broker.close().expect("closes");
    drop(world);
    // The first segment has no index any more, and the header of its batch 5 is damaged.
    for index in files(&disk, "index").into_iter().take(1) {
        disk.zero_from(&index, 0);
    }
    disk.flip_bit(&files(&disk, "log").remove(0), 5 * 371 + 10, 6);
    let world = World::open(&disk, &clock, &[]);
    assert_eq!(world.delete_records(6).await, Ok(6));
    let (seen, error) = world.read(10, 1 << 20, false).await;
    assert_eq!((seen.len(), error), (90, None), "what is behind the damage stays");
    // Retention of what is before it leaves it alone, too.
    world.tend().await;
    assert_eq!(world.read(10, 1 << 20, false).await.0.len(), 90);
}
