//! Damage in a coordinator's journal costs what is in the damaged batch, and nothing behind it, at no start.

use std::path::PathBuf;

use super::*;

/// The journal's log of which more has been written than of the other one.
fn journal_of(disk: &SimulatedDisk, name: &str) -> PathBuf {
    use millstream_broker::disk::{Disk, read_file};
    let topics = Path::new("/data/topics");
    let dirs = disk.list(topics).expect("lists").into_iter().map(|entry| topics.join(entry.name));
    let has_name = |dir: &PathBuf| {
        let content = read_file(disk, &dir.join("topic"), 1 << 20).expect("reads").unwrap_or_default();
        content.windows(name.len()).any(|window| window == name.as_bytes())
    };
    let dir = dirs.into_iter().find(has_name).expect("the journal is there").join("0");
    let mut logs: Vec<PathBuf> =
        disk.files().into_iter().filter(|path| path.starts_with(&dir) && path.extension().is_some_and(|kind| kind == "log")).collect();
    logs.sort();
    logs.pop().expect("it has a log")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_behind_a_damaged_one_are_known_and_stay_known() {
    for (seed, is_closed) in (0..24u64).flat_map(|seed| [(seed, false), (seed, true)]) {
        let mut random = StdRng::seed_from_u64(seed);
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let world = World::open_with(&disk, &clock, &[]);
        world.create("a", 1, &[]).await;
        for group in 0..10 {
            world.commit(&format!("g{group}"), group).await.expect("is kept");
        }
        if is_closed {
            world.broker.close().expect("closes");
        }
        drop(world);
        let log = journal_of(&disk, "__consumer_offsets");
        // A few hundred bytes of batches; whatever is in front of the first one is not met.
        let (at, bit) = (random.random_range(0..900), random.random_range(0..8));
        disk.flip_bit(&log, at, bit);
        let world = World::open_with(&disk, &clock, &[]);
        let mut known = Vec::new();
        for group in 0..10 {
            match world.committed(&format!("g{group}")).await {
                offset if offset == group => known.push(group),
                offset => assert_eq!(offset, -1, "seed {seed}, closed {is_closed}: g{group}"),
            }
        }
        assert!(known.len() >= 9, "seed {seed}, closed {is_closed}, bit {bit} of byte {at}: only {known:?} of ten are known");
        world.commit("late", 77).await.expect("is kept");
        drop(world);
        let world = World::open_with(&disk, &clock, &[]);
        assert_eq!(world.committed("late").await, 77, "seed {seed}, closed {is_closed}: answered after the damage");
        for group in known {
            assert_eq!(world.committed(&format!("g{group}")).await, group, "seed {seed}, closed {is_closed}: g{group} at the next start");
        }
    }
}

/// A producer's epoch is known although an entry before it was damaged: an older producer stays shut out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_behind_a_damaged_entry_still_fences() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open_with(&disk, &clock, &[]);
    world.create("a", 1, &[]).await;
    world.begin("other").await.expect("begins");
    let old = world.begin("id").await.expect("begins");
    world.begin("id").await.expect("begins again");
    drop(world);
    disk.flip_bit(&journal_of(&disk, "__transaction_state"), 80, 3);
    let world = World::open_with(&disk, &clock, &[]);
    let stale = world.produce("a", 0, None, Some("v"), Some(("id", old.0, old.1, 0))).await;
    assert_eq!(stale, Err(ErrorCode::INVALID_PRODUCER_EPOCH));
}
