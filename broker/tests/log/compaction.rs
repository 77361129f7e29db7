//! Compaction: what stays, what readers of committed records see of it, and what faults do to it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use millstream_broker::Clock;
use millstream_broker::disk::simulated::{Fault, SimulatedDisk};
use millstream_protocol::ErrorCode;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::world::{NOW_MS, Seen, World, files};

const COMPACTED: [(&str, &str); 3] = [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0"), ("segment.bytes", "1500")];
const SETTINGS: [(&str, &str); 1] = [("log.cleaner.delete.retention.ms", "1000")];
const WITHOUT_TAIL: [(&str, &str); 2] = [("log.cleaner.delete.retention.ms", "1000"), ("millstream.tail.max.bytes", "0")];

/// An abort, long ago and compacted away with its marker, hides nothing that its producer commits later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_after_a_compacted_abort_is_read() {
    for settings in [&SETTINGS[..], &WITHOUT_TAIL] {
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let world = World::open(&disk, &clock, settings);
        world.create(&COMPACTED).await;
        let mut producer = world.begin("id").await;
        world.produce_in(&mut producer, "a", Some("aborted")).await.expect("appends");
        world.end(&mut producer, false).await.expect("aborts");
        let mut committed = Vec::new();
        for number in 0..20 {
            let (key, value) = (format!("k{number}"), format!("{number}-{}", "x".repeat(150)));
            let offset = world.produce_in(&mut producer, &key, Some(&value)).await.expect("appends");
            world.end(&mut producer, true).await.expect("commits");
            committed.push((offset, Some(key), Some(value)));
        }
        for _ in 0..4 {
            assert_eq!(world.read(0, 1 << 20, true).await, (committed.clone(), None));
            clock.advance_ms(1001);
            world.tend().await;
        }
        let (all, _) = world.read(0, 1 << 20, false).await;
        assert_eq!(all, committed, "the aborted record has gone");
    }
}

/// The newest of each key by what was committed; of deletions, that they happened.
#[derive(Default)]
struct Model {
    newest: BTreeMap<String, (i64, Option<String>)>,
    aborted: Vec<i64>,
}

impl Model {
    fn commit(&mut self, key: String, offset: i64, value: Option<String>) {
        let newest = self.newest.entry(key).or_insert((-1, None));
        if newest.0 < offset {
            *newest = (offset, value);
        }
    }

    fn check(&self, seen: &[Seen], from: i64, context: &str) {
        assert!(seen.is_sorted_by_key(|(offset, ..)| *offset), "{context}: offsets rise");
        for (offset, ..) in seen {
            assert!(!self.aborted.contains(offset), "{context}: {offset} was aborted");
        }
        for (key, (offset, value)) in self.newest.iter().filter(|(_, (offset, _))| *offset >= from) {
            let found = seen.iter().rev().find(|(_, found, _)| found.as_deref() == Some(key));
            match found {
                Some((at, _, found)) => assert_eq!((at, found), (offset, value), "{context}: {key}"),
                None => assert!(value.is_none(), "{context}: {key} at {offset} is lost"),
            }
        }
    }
}

/// Transactions of three producers over a few keys, committed and aborted, with compaction in between, and starts: a reader of
/// committed records always finds the newest of each key, and nothing that was aborted, from wherever and however it reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_records_of_a_compacted_log_are_read_whatever_was_aborted() {
    for seed in 0..16u64 {
        let mut random = StdRng::seed_from_u64(seed);
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let settings = if seed % 2 == 0 { &SETTINGS[..] } else { &WITHOUT_TAIL };
        let mut world = World::open(&disk, &clock, settings);
        world.create(&COMPACTED).await;
        let mut producers = Vec::new();
        for number in 0..3 {
            producers.push((world.begin(&format!("id{number}")).await, Vec::<(String, i64, Option<String>)>::new()));
        }
        let mut model = Model::default();
        let mut end = 0;
        for step in 0..150 {
            let context = format!("seed {seed} step {step}");
            let (producer, open) = &mut producers[random.random_range(0..3)];
            let key = format!("k{}", random.random_range(0..10));
            let value = random.random_bool(0.8).then(|| format!("{step}-{}", "x".repeat(random.random_range(0..90))));
            match random.random_range(0..10) {
                0..=5 => {
                    let offset = world.produce_in(producer, &key, value.as_deref()).await.expect(&context);
                    open.push((key, offset, value));
                    end = offset + 1;
                }
                6 => {
                    let offset = world.produce(&key, value.as_deref()).await.expect(&context);
                    model.commit(key, offset, value);
                    end = offset + 1;
                }
                7 | 8 if !open.is_empty() => {
                    let is_commit = random.random_bool(0.5);
                    world.end(producer, is_commit).await.expect(&context);
                    for (key, offset, value) in open.drain(..) {
                        if is_commit { model.commit(key, offset, value) } else { model.aborted.push(offset) }
                    }
                }
                _ => {
                    clock.advance_ms(random.random_range(1..700));
                    world.tend().await;
                }
            }
            if step % 10 == 9 {
                for (producer, open) in producers.iter_mut().filter(|(_, open)| !open.is_empty()) {
                    world.end(producer, false).await.expect(&context);
                    model.aborted.extend(open.drain(..).map(|(_, offset, _)| offset));
                }
                for bytes in [1, 700, 1 << 20] {
                    let from = if bytes == 700 { random.random_range(0..=end) } else { 0 };
                    let (seen, error) = world.read(from, bytes, true).await;
                    assert_eq!(error, None, "{context}");
                    model.check(&seen, from, &format!("{context} by {bytes} bytes"));
                }
                if random.random_bool(0.3) {
                    world.broker.close().expect("closes");
                    drop(world);
                    world = World::open(&disk, &clock, settings);
                }
            }
        }
    }
}

/// A call of a pass fails, and the power goes in the next pass if there is any: whatever call it was, each key has its newest
/// value after the start. Where the disk failed to put something in its place, nothing goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_that_fails_loses_nothing() {
    let mut stopped = 0;
    for fault in [Fault::Fails, Fault::NoSpace, Fault::SyncFails] {
        for cut in 0..4 {
            let mut nth = 0;
            while fail_a_pass(fault, nth, cut, &mut stopped).await {
                nth += 1;
            }
            assert!(nth > 20, "a pass has more calls than {nth}");
        }
    }
    assert!(stopped > 20, "{stopped} failures were final");
}

/// Says whether the pass had that many calls.
async fn fail_a_pass(fault: Fault, nth: u64, cut: u64, stopped: &mut u32) -> bool {
    let context = format!("{fault:?} at call {nth}, power cut at call {cut} of the next pass");
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock, &SETTINGS);
    world.create(&COMPACTED).await;
    let mut newest = BTreeMap::new();
    for number in 0..16 {
        // Something is left of the first segment.
        let (key, value) = (format!("k{}", number.min(2 + number % 5)), format!("{number}-{}", "x".repeat(250)));
        let offset = world.produce(&key, Some(&value)).await.expect("a sound disk");
        newest.insert(key, (offset, value));
    }
    let before = disk.calls();
    disk.fail_at(nth, fault);
    world.tend().await;
    let is_met = disk.calls() > before + nth;
    *stopped += u32::from(world.has_failed());
    disk.fail_at(cut, Fault::PowerCut);
    clock.advance_ms(3_600_000);
    world.tend().await;
    drop(world);
    disk.crash(nth * 4 + cut);
    let world = World::open(&disk, &clock, &SETTINGS);
    let (seen, error) = world.read(0, 1 << 20, false).await;
    assert_eq!(error, None, "{context}");
    for (key, (offset, value)) in &newest {
        let is_it = |(at, found, content): &Seen| at == offset && found.as_ref() == Some(key) && content.as_ref() == Some(value);
        assert!(seen.iter().any(is_it), "{context}: {key} is lost");
    }
    is_met
}

/// Without a lag a record whose time is still to come is compacted like any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_in_the_future_holds_nothing_up() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock, &SETTINGS);
    world.create(&COMPACTED).await;
    for _ in 0..20 {
        world.send(Some("k"), Some(&"x".repeat(300)), NOW_MS + 600_000, None, -1).await.expect("appends");
    }
    world.tend().await;
    let (seen, _) = world.read(0, 1 << 20, false).await;
    assert!(seen.len() < 8, "{} of 20 are left", seen.len());
}

/// A damaged segment ends compaction before it, is told of, and is not read again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_segment_is_read_once_and_told_of() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock, &WITHOUT_TAIL);
    world.create(&COMPACTED).await;
    for _ in 0..30 {
        world.produce("k", Some(&"x".repeat(300))).await.expect("appends");
    }
    let logs = files(&disk, "log");
    disk.flip_bit(&logs[3], 500, 2);
    let uncleanable = || world.broker.metrics().uncleanable_partitions.load(Ordering::Relaxed);
    world.tend().await;
    assert_eq!(uncleanable(), 1);
    // What is before it can be compacted still.
    world.tend().await;
    let before = disk.read_bytes();
    for _ in 0..5 {
        clock.advance_ms(3_600_000);
        world.tend().await;
    }
    assert_eq!(disk.read_bytes(), before, "nothing was read again");
    assert!(!world.has_failed());
    let (seen, error) = world.read(0, 1 << 20, false).await;
    assert_eq!(
        (seen.len(), error),
        (2, Some(ErrorCode::CORRUPT_MESSAGE)),
        "what is before it was compacted, its own first record is whole"
    );
}

/// A pass that a full disk ended is not begun anew at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_that_failed_waits_before_the_next() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock, &SETTINGS);
    world.create(&COMPACTED).await;
    for _ in 0..30 {
        world.produce("k", Some(&"x".repeat(300))).await.expect("appends");
    }
    disk.fail_at(1, Fault::NoSpace);
    world.tend().await;
    let before = disk.read_bytes();
    world.tend().await;
    assert_eq!(disk.read_bytes(), before);
    clock.advance_ms(60_000);
    world.tend().await;
    assert!(disk.read_bytes() > before);
    assert!(world.read(0, 1 << 20, false).await.0.len() < 10, "it was compacted then");
}
