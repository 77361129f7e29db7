//! Each rule by example, and random sequences beside a naive window.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use proptest::prelude::*;

use super::slot::{NO_TIME, RecordSlot};
use super::stored::{BlockChange, RestoreError};
use super::*;
use crate::limit;

const LIMITS: ShareLimits = ShareLimits { locks_max: 100, deliveries_max: 3, lock_ms: 1000, has_dead_letters: false };
const WITH_DEAD_LETTERS: ShareLimits = ShareLimits { has_dead_letters: true, ..LIMITS };
const A: u32 = 1;
const B: u32 = 2;
const GAP: &[i8] = &[0];
const ACCEPT: &[i8] = &[1];
const RELEASE: &[i8] = &[2];
const REJECT: &[i8] = &[3];
const RENEW: &[i8] = &[4];

/// Reads batches that have no gaps behind them.
fn take(window: &mut ShareWindow, owner: u32, batches: &[RangeInclusive<i64>], records_max: usize, now_ms: i64) -> Acquisition {
    take_limited(window, owner, batches, records_max, &LIMITS, now_ms)
}

fn take_limited(
    window: &mut ShareWindow,
    owner: u32,
    batches: &[RangeInclusive<i64>],
    records_max: usize,
    limits: &ShareLimits,
    now_ms: i64,
) -> Acquisition {
    let from = window.next_offset(now_ms);
    let batches: Vec<_> = batches.iter().filter(|batch| *batch.end() >= from).cloned().collect();
    let until = batches.last().map_or(from, |batch| batch.end() + 1);
    window.acquire(owner, &Readable { from, until, batches: &batches }, AcquireMode::RecordLimit, records_max, limits, now_ms)
}

fn say(first: i64, last: i64, types: &[i8]) -> AcknowledgeRange<'_> {
    AcknowledgeRange { first, last, types, delay_ms: 0 }
}

fn acknowledge(window: &mut ShareWindow, first: i64, last: i64, types: &[i8], now_ms: i64) -> Result<WindowChange, AcknowledgeError> {
    window.acknowledge(A, &[say(first, last, types)], &LIMITS, now_ms)
}

fn acquired(first: i64, last: i64, delivery_count: u16) -> Acquired {
    Acquired { first, last, delivery_count }
}

fn slot(window: &ShareWindow, offset: i64) -> Option<RecordSlot> {
    window.chunks.slots(offset..=offset).next().map(|(_, slot)| *slot)
}

fn state(window: &ShareWindow, offset: i64) -> Option<RecordState> {
    slot(window, offset).map(|slot| slot.state)
}

/// What a coordinator would have on disk.
#[derive(Debug, Clone, Default)]
struct OnDisk {
    head: Option<WindowHead>,
    blocks: BTreeMap<i64, StoredBlock>,
}

const WALL_MINUS_NOW_MS: i64 = 1_000_000;

impl OnDisk {
    /// Writes the first pieces of what has changed.
    fn write(&mut self, changes: WindowChanges, mut pieces: usize) {
        if let Some(head) = changes.head.filter(|_| pieces > 0) {
            self.head = Some(head);
            pieces -= 1;
        }
        for change in changes.blocks.into_iter().take(pieces) {
            match change.content {
                Some(content) => drop(self.blocks.insert(change.block, content)),
                None => drop(self.blocks.remove(&change.block)),
            }
        }
    }

    fn write_all(&mut self, window: &mut ShareWindow) {
        self.write(window.take_dirty(WALL_MINUS_NOW_MS), usize::MAX);
        assert!(!window.is_dirty());
    }

    fn restore(&self) -> ShareWindow {
        let bytes = crate::durable::encode(1, &(self.head, self.blocks.clone()));
        let (head, blocks): (Option<WindowHead>, BTreeMap<i64, StoredBlock>) = crate::durable::decode(1, &bytes).unwrap();
        ShareWindow::restore(head.unwrap(), blocks.into_iter().collect(), WALL_MINUS_NOW_MS).unwrap()
    }
}

#[test]
fn records_are_acquired_from_the_lowest_on_and_what_comes_back_goes_first() {
    let mut window = ShareWindow::new(5);
    let found = take(&mut window, A, &[0..=9, 10..=19], 12, 0);
    assert_eq!((found.acquired, found.records), (vec![acquired(5, 16, 1)], 12));
    assert_eq!((window.start(), window.end()), (5, 17));
    assert!(acknowledge(&mut window, 7, 8, RELEASE, 1).unwrap().has_available);
    assert_eq!(window.next_offset(1), 7);
    let found = take(&mut window, B, &[0..=9, 10..=19], 4, 2);
    assert_eq!(found.acquired, [acquired(7, 8, 2), acquired(17, 18, 1)]);
    assert_eq!(window.counts(), WindowCounts { acquired: 14, ..WindowCounts::default() });
    assert_eq!(window.next_wake_ms(), Some(1000));
}

#[test]
fn the_batch_that_reaches_the_maximum_may_be_taken_whole() {
    let batches = [0..=9, 10..=19, 20..=29];
    let readable = Readable { from: 0, until: 30, batches: &batches };
    let mut window = ShareWindow::new(0);
    let found = window.acquire(A, &readable, AcquireMode::BatchOptimized, 12, &LIMITS, 0);
    assert_eq!((found.acquired, window.end()), (vec![acquired(0, 19, 1)], 20));
    assert_eq!(window.acquire(A, &readable, AcquireMode::BatchOptimized, 0, &LIMITS, 0).records, 0);
    assert_eq!(window.acquire(A, &readable, AcquireMode::RecordLimit, 0, &LIMITS, 0).records, 0);
}

#[test]
fn the_window_does_not_grow_beyond_its_locks_but_gives_again_what_it_has() {
    let limits = ShareLimits { locks_max: 10, ..LIMITS };
    let mut window = ShareWindow::new(0);
    let found = take_limited(&mut window, A, &[0..=5, 6..=20, 21..=30], 100, &limits, 0);
    assert_eq!((found.acquired, found.is_full), (vec![acquired(0, 9, 1)], true));
    acknowledge(&mut window, 3, 4, RELEASE, 1).unwrap();
    let found = take_limited(&mut window, B, &[0..=5, 6..=20], 100, &limits, 2);
    assert_eq!((found.acquired, found.is_full), (vec![acquired(3, 4, 2)], true));
    // What is done or waits for its time makes room.
    acknowledge(&mut window, 9, 9, ACCEPT, 2).unwrap();
    window.acknowledge(A, &[AcknowledgeRange { delay_ms: 50, ..say(7, 8, RELEASE) }], &LIMITS, 2).unwrap();
    let found = take_limited(&mut window, B, &[0..=5, 6..=20], 100, &limits, 3);
    assert_eq!((found.acquired, window.counts().delayed), (vec![acquired(10, 12, 1)], 2));
}

#[test]
fn one_record_that_is_never_done_does_not_let_the_window_grow_for_ever() {
    let limits = ShareLimits { locks_max: usize::MAX, ..LIMITS };
    let mut window = ShareWindow::new(0);
    let slots = limit::SHARE_WINDOW_SLOTS_MAX as i64;
    let found = take_limited(&mut window, A, &[0..=slots + 5], usize::MAX, &limits, 0);
    assert_eq!((found.acquired, found.is_full), (vec![acquired(0, slots - 1, 1)], true));
    acknowledge(&mut window, 5000, slots - 1, ACCEPT, 0).unwrap();
    assert!(take_limited(&mut window, A, &[0..=slots + 5], usize::MAX, &limits, 0).is_full);
    acknowledge(&mut window, 0, 4998, ACCEPT, 0).unwrap();
    assert_eq!(take_limited(&mut window, A, &[0..=slots + 5], usize::MAX, &limits, 0).acquired, [acquired(slots, slots + 5, 1)]);
}

#[test]
fn a_gap_costs_nothing_and_is_done() {
    let mut window = ShareWindow::new(0);
    let readable = Readable { from: 0, until: 1 << 50, batches: &[0..=1, 1 << 40..=1 << 40] };
    let found = window.acquire(A, &readable, AcquireMode::RecordLimit, 10, &LIMITS, 0);
    assert_eq!(found.acquired, [acquired(0, 1, 1), acquired(1 << 40, 1 << 40, 1)]);
    assert_eq!(window.end(), 1 << 50);
    assert_eq!(acknowledge(&mut window, 500, 500, ACCEPT, 0), Err(AcknowledgeError::NotHeld));
    acknowledge(&mut window, 0, 1, ACCEPT, 0).unwrap();
    assert_eq!(window.start(), 1 << 40);
    acknowledge(&mut window, 1 << 40, 1 << 40, ACCEPT, 0).unwrap();
    assert_eq!((window.start(), window.next_offset(0)), (1 << 50, 1 << 50));
    assert!(window.chunks.bytes() < 1000);
}

#[test]
fn a_read_from_beyond_the_end_skips_nothing() {
    let mut window = ShareWindow::new(0);
    let readable = Readable { from: 10, until: 30, batches: &[10..=19] };
    assert_eq!(window.acquire(A, &readable, AcquireMode::RecordLimit, 10, &LIMITS, 0), Acquisition::default());
    assert_eq!(window.end(), 0);
}

#[test]
fn what_was_compacted_away_is_done_unless_a_member_holds_it() {
    let mut window = ShareWindow::new(0);
    take(&mut window, A, &[0..=9], 10, 0);
    acknowledge(&mut window, 0, 7, RELEASE, 0).unwrap();
    let readable = Readable { from: 0, until: 10, batches: &[4..=5] };
    let found = window.acquire(B, &readable, AcquireMode::RecordLimit, 10, &LIMITS, 0);
    assert_eq!((found.acquired, found.change.is_dirty), (vec![acquired(4, 5, 2)], true));
    assert_eq!((window.start(), state(&window, 6), state(&window, 8)), (4, Some(RecordState::Archived), Some(RecordState::Acquired)));
}

#[test]
fn each_type_has_its_state() {
    let mut window = ShareWindow::new(0);
    take(&mut window, A, &[0..=9], 10, 0);
    let change = acknowledge(&mut window, 1, 5, &[0, 1, 2, 3, 4], 10).unwrap();
    assert_eq!(change, WindowChange { is_dirty: true, has_available: true, dead_letters: vec![] });
    use RecordState::{Acknowledged, Acquired, Archived, Available};
    let states: Vec<_> = (0..7).filter_map(|offset| state(&window, offset)).collect();
    assert_eq!(states, [Acquired, Archived, Acknowledged, Available, Archived, Acquired, Acquired]);
    assert_eq!((slot(&window, 5).unwrap().time_ms, slot(&window, 5).unwrap().delivery_count), (1010, 1));
    assert_eq!(acknowledge(&mut window, 6, 6, RENEW, 10).unwrap(), WindowChange::default(), "a renewal need not be durable");
    assert!(!acknowledge(&mut window, 0, 0, GAP, 10).unwrap().has_available);
    assert_eq!(window.start(), 3);
    assert!(!window.expire(&LIMITS, 999).is_dirty);
    window.expire(&LIMITS, 1000);
    let states: Vec<_> = (5..8).filter_map(|offset| state(&window, offset)).collect();
    assert_eq!(states, [Acquired, Acquired, Available]);
}

#[test]
fn an_acknowledgement_that_makes_no_sense_changes_nothing() {
    let mut window = ShareWindow::new(0);
    take(&mut window, A, &[0..=9], 10, 0);
    let before = format!("{window:?}");
    let wrong: [&[AcknowledgeRange<'_>]; 9] = [
        &[say(3, 2, ACCEPT)],
        &[say(0, 2, ACCEPT), say(1, 2, ACCEPT)],
        &[say(4, 5, ACCEPT), say(1, 2, ACCEPT)],
        &[say(0, 2, &[1, 1])],
        &[say(0, 0, &[])],
        &[say(0, 0, &[5])],
        &[say(0, 0, &[-1])],
        &[say(0, 10, ACCEPT)],
        &[say(i64::MIN, i64::MAX, ACCEPT)],
    ];
    for ranges in wrong {
        assert_eq!(window.acknowledge(A, ranges, &LIMITS, 0), Err(AcknowledgeError::Invalid), "{ranges:?}");
    }
    assert_eq!(window.acknowledge(A, &[say(0, 1, ACCEPT), say(12, 12, ACCEPT)], &LIMITS, 0), Err(AcknowledgeError::Invalid));
    assert_eq!(
        window.acknowledge(A, &[say(0, 1, ACCEPT), say(1, 2, ACCEPT)], &LIMITS, 0),
        Err(AcknowledgeError::NotHeld),
        "decided by then"
    );
    assert_eq!(window.acknowledge(B, &[say(0, 0, ACCEPT)], &LIMITS, 0), Err(AcknowledgeError::NotHeld));
    assert_eq!(window.acknowledge(A, &[say(0, 0, ACCEPT)], &LIMITS, 1000), Err(AcknowledgeError::NotHeld), "the lock has ended");
    assert_eq!(format!("{window:?}"), before);
}

#[test]
fn all_of_a_call_applies_or_nothing() {
    let mut window = ShareWindow::new(0);
    take(&mut window, A, &[0..=9], 10, 0);
    acknowledge(&mut window, 5, 5, ACCEPT, 0).unwrap();
    assert_eq!(window.acknowledge(A, &[say(0, 1, ACCEPT), say(4, 6, ACCEPT)], &LIMITS, 0), Err(AcknowledgeError::NotHeld));
    assert_eq!((state(&window, 0), window.start()), (Some(RecordState::Acquired), 0));
    window.acknowledge(A, &[say(0, 1, ACCEPT), say(4, 4, ACCEPT)], &LIMITS, 0).unwrap();
    assert_eq!(window.start(), 2);
    acknowledge(&mut window, -5, 1, ACCEPT, 0).unwrap();
    acknowledge(&mut window, 0, 3, &[3, 3, 1, 1], 0).unwrap();
    assert_eq!(window.start(), 6, "offsets below the start are ignored");
}

#[test]
fn a_record_is_given_up_after_its_last_delivery() {
    let mut window = ShareWindow::new(0);
    for count in 1..=3 {
        assert_eq!(take_limited(&mut window, A, &[0..=0], 1, &WITH_DEAD_LETTERS, 0).acquired, [acquired(0, 0, count)]);
        let change = window.acknowledge(A, &[say(0, 0, RELEASE)], &WITH_DEAD_LETTERS, 0).unwrap();
        let letter = DeadLetter { first: 0, last: 0, delivery_count: 3, reason: ArchiveReason::Exhausted };
        assert_eq!((change.has_available, change.dead_letters), if count == 3 { (false, vec![letter]) } else { (true, vec![]) });
    }
    assert_eq!((window.start(), window.counts().archiving), (0, 1));
    assert!(window.archived(0..=0).is_dirty && !window.archived(0..=0).is_dirty);
    assert_eq!(window.start(), 1);
}

#[test]
fn a_lower_limit_gives_up_instead_of_delivering() {
    let mut window = ShareWindow::new(0);
    take(&mut window, A, &[0..=4], 5, 0);
    acknowledge(&mut window, 0, 1, RELEASE, 0).unwrap();
    let limits = ShareLimits { deliveries_max: 1, ..WITH_DEAD_LETTERS };
    let found = take_limited(&mut window, B, &[0..=6], 5, &limits, 0);
    assert_eq!((found.acquired, found.has_exhausted), (vec![acquired(5, 6, 1)], true));
    assert_eq!(found.change.dead_letters, [DeadLetter { first: 0, last: 1, delivery_count: 1, reason: ArchiveReason::Exhausted }]);
    assert_eq!(window.dead_letters(), found.change.dead_letters);
}

#[test]
fn a_rejected_record_waits_for_its_dead_letter_and_a_restart_knows_it() {
    let (mut window, mut disk) = (ShareWindow::new(0), OnDisk::default());
    take(&mut window, A, &[0..=4], 5, 0);
    let change = window.acknowledge(A, &[say(0, 2, REJECT), say(3, 3, ACCEPT)], &WITH_DEAD_LETTERS, 0).unwrap();
    let letter = DeadLetter { first: 0, last: 2, delivery_count: 1, reason: ArchiveReason::Rejected };
    assert_eq!(change.dead_letters, [letter]);
    disk.write_all(&mut window);
    let mut window = disk.restore();
    assert_eq!((window.dead_letters(), window.start(), window.end()), (vec![letter], 0, 5));
    window.archived(0..=1);
    assert_eq!(window.start(), 2);
}

#[test]
fn locks_end_at_their_deadline_and_with_their_owner() {
    let mut window = ShareWindow::new(0);
    take(&mut window, A, &[0..=9], 4, 0);
    take(&mut window, B, &[0..=9], 4, 500);
    acknowledge(&mut window, 1, 1, RENEW, 400).unwrap();
    assert_eq!(window.next_wake_ms(), Some(1000));
    let change = window.expire(&LIMITS, 1000);
    assert!(change.is_dirty && change.has_available);
    assert_eq!((window.counts().available, window.next_wake_ms()), (3, Some(1400)));
    let change = window.release_owner(B, &LIMITS);
    assert!(change.is_dirty && change.has_available);
    assert_eq!((window.counts().available, window.counts().acquired, window.next_wake_ms()), (7, 1, Some(1400)));
    assert_eq!(window.release_owner(B, &LIMITS), WindowChange::default());
}

#[test]
fn a_delayed_record_waits_over_a_restart() {
    let (mut window, mut disk) = (ShareWindow::new(0), OnDisk::default());
    take(&mut window, A, &[0..=4], 5, 0);
    let change = window.acknowledge(A, &[AcknowledgeRange { delay_ms: 5000, ..say(0, 4, RELEASE) }], &LIMITS, 100).unwrap();
    assert!(change.is_dirty && !change.has_available);
    assert_eq!((window.next_wake_ms(), window.next_offset(5099), window.counts().delayed), (Some(5100), 5, 5));
    disk.write_all(&mut window);
    // The process began anew: its clock is behind by 100.
    let blocks = disk.blocks.clone().into_iter().collect();
    let mut window = ShareWindow::restore(disk.head.unwrap(), blocks, WALL_MINUS_NOW_MS + 100).unwrap();
    assert_eq!((window.next_wake_ms(), take(&mut window, B, &[0..=4], 5, 4999).records), (Some(5000), 0));
    assert!(window.expire(&LIMITS, 5000).has_available);
    assert_eq!(take(&mut window, B, &[0..=4], 5, 5000).acquired, [acquired(0, 4, 2)]);
}

#[test]
fn the_start_follows_the_log_and_an_administrator() {
    let (mut window, mut disk) = (ShareWindow::new(0), OnDisk::default());
    take(&mut window, A, &[0..=9], 10, 0);
    acknowledge(&mut window, 6, 6, ACCEPT, 0).unwrap();
    disk.write_all(&mut window);
    assert!(window.start_at(6).is_dirty);
    assert_eq!((window.start(), window.counts().acquired), (7, 3));
    assert_eq!(window.start_at(3), WindowChange::default());
    assert!(window.start_at(50).is_dirty && window.is_dirty());
    assert_eq!((window.start(), window.end(), window.next_wake_ms()), (50, 50, None));
    window.reset(2);
    assert_eq!((window.start(), window.end()), (2, 2));
    take(&mut window, B, &[0..=9], 10, 0);
    let changes = window.take_dirty(0);
    assert_eq!(changes.head, Some(WindowHead { start: 2, generation: 1 }));
    assert_eq!(changes.blocks, [BlockChange { block: 0, content: None }]);
    // Only the head reaches the disk: the old block must not count.
    disk.write(changes, 1);
    let mut window = disk.restore();
    assert_eq!((window.start(), window.end()), (2, 2));
    assert_eq!(window.take_dirty(0).blocks, [BlockChange { block: 0, content: None }]);
}

#[test]
fn only_what_has_changed_durably_is_stored() {
    let (mut window, mut disk) = (ShareWindow::new(0), OnDisk::default());
    assert_eq!(window.take_dirty(0), WindowChanges { head: Some(WindowHead { start: 0, generation: 0 }), blocks: vec![] });
    let limits = ShareLimits { locks_max: 10_000, ..LIMITS };
    take_limited(&mut window, A, &[0..=4999], 5000, &limits, 0);
    assert!(!window.is_dirty(), "an acquisition stores nothing");
    acknowledge(&mut window, 2500, 2500, ACCEPT, 0).unwrap();
    let changes = window.take_dirty(0);
    let blocks: Vec<i64> = changes.blocks.iter().map(|change| change.block).collect();
    assert_eq!((changes.head, blocks), (None, vec![0, 1, 2]), "and those below that the disk does not know");
    disk.head = Some(WindowHead { start: 0, generation: 0 });
    disk.write(changes, usize::MAX);
    let restored = disk.restore();
    assert_eq!((restored.start(), restored.end(), restored.counts().available), (0, 3072, 3071));
    acknowledge(&mut window, 0, 1100, ACCEPT, 0).unwrap();
    let changes = window.take_dirty(0);
    assert_eq!(changes.head, Some(WindowHead { start: 1101, generation: 0 }));
    assert_eq!(changes.blocks.iter().map(|change| (change.block, change.content.is_some())).collect::<Vec<_>>(), [(0, false), (1, true)]);
}

#[test]
fn nonsense_is_not_restored() {
    let (mut window, mut disk) = (ShareWindow::new(0), OnDisk::default());
    take(&mut window, A, &[0..=1029], 1030, 0);
    take_limited(&mut window, A, &[0..=1029], 1030, &ShareLimits { locks_max: 2000, ..LIMITS }, 0);
    acknowledge(&mut window, 3, 3, ACCEPT, 0).unwrap();
    disk.write_all(&mut window);
    let (head, block) = (disk.head.unwrap(), disk.blocks[&0].clone());
    let restore = |head, blocks: Vec<(i64, StoredBlock)>| ShareWindow::restore(head, blocks, 0).map(|window| window.end());
    assert_eq!(restore(head, vec![(0, block.clone())]), Ok(1024));
    assert_eq!(restore(WindowHead { start: -1, ..head }, vec![]), Err(RestoreError::Start(-1)));
    assert_eq!(restore(WindowHead { start: i64::MAX, ..head }, vec![]), Err(RestoreError::Start(i64::MAX)));
    for number in [-1, i64::MAX, i64::MAX / 1024 + 1] {
        assert_eq!(restore(head, vec![(number, block.clone())]), Err(RestoreError::Block(number)));
    }
    assert_eq!(restore(head, vec![(0, block.clone()), (0, block.clone())]), Err(RestoreError::Block(0)));
    for change in [(0, 1024, 1024), (0, 0, 1024), (1, 5, 1024), (2, 1021, 1024), (2, u16::MAX, u16::MAX), (2, 1021, 1025)] {
        let (run, length, known) = change;
        let damaged = block.damaged(run, length, known);
        assert_eq!(restore(head, vec![(0, damaged)]), Err(RestoreError::Runs(0)), "{change:?}");
    }
}

#[test]
fn renewals_leave_no_heap_behind() {
    let mut window = ShareWindow::new(0);
    take(&mut window, A, &[0..=9], 10, 0);
    for now_ms in 0..10_000 {
        acknowledge(&mut window, now_ms % 10, now_ms % 10, RENEW, now_ms).unwrap();
        acknowledge(&mut window, now_ms % 10, 9, RENEW, now_ms).unwrap();
        assert!(window.locks.len() <= 64 + 2 * 10, "{}", window.locks.len());
    }
}

#[test]
fn many_delayed_records_are_small() {
    let limits = ShareLimits { locks_max: 2_000_000, lock_ms: 60_000, ..LIMITS };
    let mut window = ShareWindow::new(0);
    // Transactions of one record each: every other offset is a marker.
    let batches: Vec<_> = (0..1000).map(|at| at * 2..=at * 2).collect();
    for part in 0..100 {
        let batches: Vec<_> = batches.iter().map(|batch| batch.start() + part * 2000..=batch.end() + part * 2000).collect();
        let readable = Readable { from: part * 2000, until: (part + 1) * 2000, batches: &batches };
        assert_eq!(window.acquire(A, &readable, AcquireMode::RecordLimit, 2000, &limits, 0).records, 1000);
        let delay = |offset: i64| AcknowledgeRange { delay_ms: 10_000 + offset % 777 * 10, ..say(offset, offset, RELEASE) };
        let ranges: Vec<_> = batches.iter().map(|batch| delay(*batch.start())).collect();
        window.acknowledge(A, &ranges, &limits, 0).unwrap();
    }
    assert_eq!(window.counts().delayed, 100_000);
    let bytes = window.chunks.bytes() + window.locks.bytes() + window.delays.bytes();
    assert!(bytes <= 10_000_000, "{bytes}");
    assert_eq!(window.next_wake_ms(), Some(10_000));
    assert!(window.expire(&limits, 20_000).has_available);
    assert_eq!((window.counts().available, window.next_wake_ms()), (100_000, None));
}

/// A record as the naive window knows it: `time_ms` is [`NO_TIME`] without a time.
type NaiveRecord = RecordSlot;

/// The same rules, offset by offset.
#[derive(Debug, Clone, Default)]
struct NaiveWindow {
    start: i64,
    end: i64,
    records: BTreeMap<i64, NaiveRecord>,
}

impl NaiveWindow {
    fn counts(&self) -> WindowCounts {
        let count = |is: fn(&NaiveRecord) -> bool| self.records.values().filter(|record| is(record)).count();
        WindowCounts {
            available: count(RecordSlot::is_free),
            delayed: count(|record| record.state == RecordState::Available && record.time_ms != NO_TIME),
            acquired: count(|record| record.state == RecordState::Acquired),
            archiving: count(|record| matches!(record.state, RecordState::Archiving(_))),
        }
    }

    fn advance(&mut self) {
        while self.start < self.end && self.records.get(&self.start).is_none_or(|record| record.state.is_terminal()) {
            self.records.remove(&self.start);
            self.start += 1;
        }
    }

    /// Changes every record that a function is for.
    fn change(&mut self, mut change_record: impl FnMut(i64, &mut NaiveRecord) -> bool) -> WindowChange {
        let mut change = WindowChange::default();
        for (offset, record) in &mut self.records {
            if change_record(*offset, record) {
                change.note(*offset, record);
            }
        }
        self.advance();
        change
    }

    fn end_delays(&mut self, now_ms: i64) -> bool {
        let is_due =
            |record: &&mut NaiveRecord| record.state == RecordState::Available && record.time_ms != NO_TIME && record.time_ms <= now_ms;
        self.records.values_mut().filter(is_due).map(|record| record.time_ms = NO_TIME).count() > 0
    }

    fn expire(&mut self, limits: &ShareLimits, now_ms: i64) -> WindowChange {
        let has_available = self.end_delays(now_ms);
        let mut change = self.change(|_, record| {
            let is_due = record.state == RecordState::Acquired && record.time_ms <= now_ms;
            if is_due {
                naive_give_back(record, limits, NO_TIME);
            }
            is_due
        });
        change.has_available |= has_available;
        change
    }

    fn acquire(
        &mut self,
        owner: u32,
        readable: &Readable<'_>,
        mode: AcquireMode,
        records_max: usize,
        limits: &ShareLimits,
        now_ms: i64,
    ) -> Acquisition {
        let mut found = Acquisition {
            change: WindowChange { has_available: self.end_delays(now_ms), ..WindowChange::default() },
            ..Acquisition::default()
        };
        let is_in_batch = |offset: i64| readable.batches.iter().any(|batch| batch.contains(&offset));
        for (offset, record) in &mut self.records {
            let is_seen = (readable.from..readable.until).contains(offset) && !is_in_batch(*offset);
            if is_seen && record.state == RecordState::Available {
                naive_end(record, RecordState::Archived);
                found.change.is_dirty = true;
            }
        }
        for batch in readable.batches {
            if found.records >= records_max {
                break;
            }
            for offset in batch.clone().filter(|offset| *offset >= self.start) {
                if mode == AcquireMode::RecordLimit && found.records >= records_max {
                    break;
                }
                if offset >= self.end {
                    if (self.end..offset).any(is_in_batch) {
                        break;
                    }
                    if self.counts().live() >= limits.locks_max {
                        found.is_full = true;
                        break;
                    }
                    self.end = offset + 1;
                    self.records.insert(offset, NaiveRecord { state: RecordState::Available, ..RecordSlot::GAP });
                }
                let Some(record) = self.records.get_mut(&offset).filter(|record| record.is_free()) else { continue };
                if record.delivery_count >= limits.deliveries_max {
                    naive_end(record, limits.given_up(ArchiveReason::Exhausted));
                    found.has_exhausted = true;
                    found.change.note(offset, record);
                    continue;
                }
                *record = NaiveRecord {
                    state: RecordState::Acquired,
                    owner,
                    delivery_count: record.delivery_count + 1,
                    time_ms: now_ms + limits.lock_ms,
                };
                found.push(offset, 1, record.delivery_count);
            }
        }
        if !(self.end..readable.until).any(is_in_batch) {
            self.end = self.end.max(readable.until);
        }
        self.advance();
        found
    }

    fn acknowledge(
        &mut self,
        owner: u32,
        ranges: &[AcknowledgeRange<'_>],
        limits: &ShareLimits,
        now_ms: i64,
    ) -> Result<WindowChange, AcknowledgeError> {
        let mut said = BTreeMap::new();
        let (mut previous, mut is_twice) = (i64::MIN, false);
        for range in ranges {
            let length = (range.last - range.first + 1) as usize;
            is_twice |= range.first == previous && previous >= self.start;
            if range.first < previous || range.last < range.first || ![1, length].contains(&range.types.len()) || range.last >= self.end {
                return Err(AcknowledgeError::Invalid);
            }
            if range.types.iter().any(|number| !(0..=4).contains(number)) {
                return Err(AcknowledgeError::Invalid);
            }
            previous = range.last;
            said.extend(
                (range.first..=range.last).zip(range.types.iter().cycle()).map(|(offset, number)| (offset, (*number, range.delay_ms))),
            );
        }
        said.retain(|offset, _| *offset >= self.start);
        let is_held = |offset: &i64| self.records.get(offset).is_some_and(|record| record.is_held_by(owner, now_ms));
        if is_twice || !said.keys().all(is_held) {
            return Err(AcknowledgeError::NotHeld);
        }
        Ok(self.change(|offset, record| {
            let Some((number, delay_ms)) = said.get(&offset) else { return false };
            match number {
                0 => naive_end(record, RecordState::Archived),
                1 => naive_end(record, RecordState::Acknowledged),
                2 => naive_give_back(record, limits, if *delay_ms > 0 { now_ms + delay_ms } else { NO_TIME }),
                3 => naive_end(record, limits.given_up(ArchiveReason::Rejected)),
                _ => record.time_ms = now_ms + limits.lock_ms,
            }
            *number != 4
        }))
    }
}

fn naive_end(record: &mut NaiveRecord, state: RecordState) {
    *record = NaiveRecord { state, time_ms: NO_TIME, owner: 0, ..*record };
}

fn naive_give_back(record: &mut NaiveRecord, limits: &ShareLimits, time_ms: i64) {
    if record.delivery_count >= limits.deliveries_max {
        naive_end(record, limits.given_up(ArchiveReason::Exhausted));
    } else {
        *record = NaiveRecord { state: RecordState::Available, time_ms, owner: 0, ..*record };
    }
}

#[derive(Debug, Clone)]
enum WindowStep {
    Acquire {
        owner: u32,
        is_strict: bool,
        records_max: usize,
        batches: usize,
        is_from_start: bool,
    },
    /// Each part begins at one of the records that the member holds; a wild one begins anywhere.
    Acknowledge {
        owner: u32,
        parts: Vec<(usize, i64, Vec<i8>, i64)>,
        is_wild: bool,
    },
    Advance(i64),
    Expire,
    ReleaseOwner(u32),
    Archived(i64, i64),
    StartAt(i64),
    Reset(i64),
    Compact(usize),
    Store,
    /// After so many pieces of what had to be written.
    Restart(usize),
}

fn steps() -> impl Strategy<Value = WindowStep> {
    let types = prop_oneof![
        4 => proptest::collection::vec(0i8..5, 1),
        2 => proptest::collection::vec(0i8..5, 0..12),
        3 => Just(vec![1]),
        1 => Just(vec![7]),
    ];
    let part = (0usize..40, 1i64..12, types, prop_oneof![Just(0i64), 1i64..500]);
    prop_oneof![
        6 => (0u32..3, any::<bool>(), 0usize..60, 0usize..12, any::<bool>()).prop_map(|(owner, is_strict, records_max, batches, is_from_start)|
            WindowStep::Acquire { owner, is_strict, records_max, batches, is_from_start }),
        10 => (0u32..3, proptest::collection::vec(part, 1..4), proptest::bool::weighted(0.15))
            .prop_map(|(owner, parts, is_wild)| WindowStep::Acknowledge { owner, parts, is_wild }),
        3 => (1i64..120).prop_map(WindowStep::Advance),
        3 => Just(WindowStep::Expire),
        1 => (0u32..3).prop_map(WindowStep::ReleaseOwner),
        2 => (-5i64..60, 0i64..40).prop_map(|(from, length)| WindowStep::Archived(from, length)),
        1 => (-5i64..40).prop_map(WindowStep::StartAt),
        1 => (0i64..3000).prop_map(WindowStep::Reset),
        1 => (0usize..60).prop_map(WindowStep::Compact),
        2 => Just(WindowStep::Store),
        2 => prop_oneof![0usize..5, Just(usize::MAX)].prop_map(WindowStep::Restart),
    ]
}

/// Both windows, the log and the disk.
struct Both {
    window: ShareWindow,
    naive: NaiveWindow,
    /// What the naive window was when everything was on disk, and its generation.
    on_disk: (NaiveWindow, u32),
    disk: OnDisk,
    log: Vec<RangeInclusive<i64>>,
    limits: ShareLimits,
    now_ms: i64,
}

impl Both {
    fn new(lengths: &[(i64, i64)], has_dead_letters: bool, locks_max: usize) -> Self {
        let (mut log, mut end) = (Vec::new(), 0);
        for (gap, length) in lengths {
            log.push(end + gap..=end + gap + length - 1);
            end += gap + length;
        }
        let limits = ShareLimits { locks_max, deliveries_max: 3, lock_ms: 100, has_dead_letters };
        let (mut window, mut disk) = (ShareWindow::new(0), OnDisk::default());
        disk.write_all(&mut window);
        Self { window, naive: NaiveWindow::default(), on_disk: Default::default(), disk, log, limits, now_ms: 0 }
    }

    fn acquire(
        &mut self,
        owner: u32,
        is_strict: bool,
        records_max: usize,
        batches: usize,
        is_from_start: bool,
    ) -> Result<(), TestCaseError> {
        let from = if is_from_start { self.window.start() } else { self.window.next_offset(self.now_ms) };
        if !is_from_start {
            self.naive.end_delays(self.now_ms);
        }
        let ahead: Vec<_> = self.log.iter().filter(|batch| *batch.end() >= from).cloned().collect();
        let log_end = self.log.last().map_or(0, |batch| batch.end() + 1).max(from);
        let until = ahead.get(batches).map_or(log_end, |batch| *batch.start()).max(from);
        let batches = &ahead[..batches.min(ahead.len())];
        let readable = Readable { from, until, batches };
        let mode = if is_strict { AcquireMode::RecordLimit } else { AcquireMode::BatchOptimized };
        let found = self.window.acquire(owner, &readable, mode, records_max, &self.limits, self.now_ms);
        prop_assert_eq!(found, self.naive.acquire(owner, &readable, mode, records_max, &self.limits, self.now_ms));
        Ok(())
    }

    fn acknowledge(&mut self, owner: u32, parts: &[(usize, i64, Vec<i8>, i64)], is_wild: bool) -> Result<(), TestCaseError> {
        let held: Vec<i64> =
            self.naive.records.iter().filter(|(_, record)| record.is_held_by(owner, self.now_ms)).map(|(offset, _)| *offset).collect();
        let mut ranges: Vec<AcknowledgeRange<'_>> = Vec::new();
        for (at, length, types, delay_ms) in parts {
            let mut length = if types.len() > 1 { types.len() as i64 } else { *length };
            let first = if is_wild || held.is_empty() { self.naive.start + *at as i64 - 5 } else { held[at % held.len()] };
            let contiguous = (first..first + length).take_while(|offset| held.contains(offset)).count() as i64;
            if !is_wild && contiguous > 0 {
                length = contiguous;
            }
            let types = if types.len() > 1 && !is_wild { &types[..length as usize] } else { types };
            ranges.push(AcknowledgeRange { first, last: first + length - 1, types, delay_ms: *delay_ms });
        }
        if !is_wild {
            ranges.sort_by_key(|range| range.first);
            ranges.dedup_by(|next, before| next.first <= before.last);
        }
        let said = self.window.acknowledge(owner, &ranges, &self.limits, self.now_ms);
        prop_assert_eq!(said, self.naive.acknowledge(owner, &ranges, &self.limits, self.now_ms));
        Ok(())
    }

    fn step(&mut self, step: &WindowStep) -> Result<(), TestCaseError> {
        match *step {
            WindowStep::Acquire { owner, is_strict, records_max, batches, is_from_start } => {
                self.acquire(owner, is_strict, records_max, batches, is_from_start)?;
            }
            WindowStep::Acknowledge { owner, ref parts, is_wild } => self.acknowledge(owner, parts, is_wild)?,
            WindowStep::Advance(ms) => self.now_ms += ms,
            WindowStep::Expire => {
                let change = sorted(self.window.expire(&self.limits, self.now_ms));
                prop_assert_eq!(change, self.naive.expire(&self.limits, self.now_ms));
            }
            WindowStep::ReleaseOwner(owner) => {
                let limits = self.limits;
                let expected = self.naive.change(|_, record| {
                    let is_owner = record.state == RecordState::Acquired && record.owner == owner;
                    if is_owner {
                        naive_give_back(record, &limits, NO_TIME);
                    }
                    is_owner
                });
                prop_assert_eq!(self.window.release_owner(owner, &self.limits), expected);
            }
            WindowStep::Archived(from, length) => {
                let range = self.naive.start + from..=self.naive.start + from + length;
                let expected = self.naive.change(|offset, record| {
                    let is = range.contains(&offset) && matches!(record.state, RecordState::Archiving(_));
                    if is {
                        naive_end(record, RecordState::Archived);
                    }
                    is
                });
                prop_assert_eq!(self.window.archived(range), expected);
            }
            WindowStep::StartAt(from) => {
                let offset = self.naive.start + from;
                self.window.start_at(offset);
                if from > 0 {
                    self.naive.records = self.naive.records.split_off(&offset);
                    (self.naive.start, self.naive.end) = (offset, self.naive.end.max(offset));
                    self.naive.advance();
                }
            }
            WindowStep::Reset(offset) => {
                self.window.reset(offset);
                self.naive = NaiveWindow { start: offset, end: offset, records: BTreeMap::new() };
            }
            WindowStep::Compact(at) if self.log.len() > 1 => drop(self.log.remove(at % (self.log.len() - 1))),
            WindowStep::Compact(_) => {}
            WindowStep::Store => {
                self.disk.write_all(&mut self.window);
                self.on_disk = (self.naive.clone(), self.disk.head.unwrap().generation);
            }
            WindowStep::Restart(pieces) => self.restart(pieces)?,
        }
        self.compare()
    }

    /// The process dies after it has written some pieces, and what a coordinator finds is on its disk.
    fn restart(&mut self, pieces: usize) -> Result<(), TestCaseError> {
        let is_clean = pieces == usize::MAX;
        let changes = self.window.take_dirty(WALL_MINUS_NOW_MS);
        let is_nothing_written = pieces == 0;
        self.disk.write(changes, pieces);
        let restored = self.disk.restore();
        let generation = self.disk.head.unwrap().generation;
        let is_done = |window: &ShareWindow, offset: i64| {
            offset < window.start() || offset < window.end() && state(window, offset).is_none_or(RecordState::is_terminal)
        };
        let before = if is_nothing_written { &self.on_disk.0 } else { &self.naive };
        // What nobody has done with is not lost,
        for (offset, record) in before.records.iter().filter(|(_, record)| !record.state.is_terminal()) {
            prop_assert!(!is_done(&restored, *offset), "{} {:?} is lost", offset, record);
            let Some(slot) = slot(&restored, *offset) else { continue };
            prop_assert!(slot.delivery_count <= record.delivery_count && slot.state != RecordState::Acquired);
            if is_clean && record.state != RecordState::Acquired {
                let is_over = record.time_ms == NO_TIME && slot.time_ms <= self.now_ms;
                prop_assert_eq!((slot.state, slot.delivery_count), (record.state, record.delivery_count));
                prop_assert!(slot.time_ms == record.time_ms || is_over);
            }
        }
        // and what was done, and stored, does not come back.
        let promised = if is_clean { &self.naive } else { &self.on_disk.0 };
        if is_clean || self.on_disk.1 == generation {
            prop_assert!(restored.start() >= promised.start);
            for (offset, _) in promised.records.iter().filter(|(_, record)| record.state.is_terminal()) {
                prop_assert!(is_done(&restored, *offset), "{} is back", offset);
            }
        }
        if is_clean {
            prop_assert_eq!(restored.start(), self.naive.start);
            let known = self.naive.records.iter().rev().find(|(_, record)| record.state == RecordState::Available);
            prop_assert!(known.is_none_or(|(offset, _)| *offset < restored.end()));
        }
        let records = restored.chunks.slots(restored.start()..=restored.end()).map(|(offset, slot)| (offset, *slot)).collect();
        self.naive = NaiveWindow { start: restored.start(), end: restored.end(), records };
        self.on_disk = (self.naive.clone(), generation);
        self.window = restored;
        Ok(())
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        let (window, naive) = (&mut self.window, &self.naive);
        prop_assert_eq!((window.start(), window.end()), (naive.start, naive.end));
        prop_assert_eq!(window.counts(), naive.counts());
        let timed = naive.records.values().filter(|record| record.time_ms != NO_TIME);
        prop_assert_eq!(window.next_wake_ms(), timed.map(|record| record.time_ms).min());
        let live = |records: &mut dyn Iterator<Item = (i64, RecordSlot)>| -> Vec<(i64, RecordSlot)> {
            records.filter(|(_, record)| record.state != RecordState::Archived).collect()
        };
        let slots = live(&mut window.chunks.slots(naive.start..=naive.end).map(|(offset, slot)| (offset, *slot)));
        prop_assert_eq!(slots, live(&mut naive.records.iter().map(|(offset, record)| (*offset, *record))));
        let letters: BTreeSet<i64> = window.dead_letters().iter().flat_map(|letter| letter.first..=letter.last).collect();
        let archiving = naive.records.iter().filter(|(_, record)| matches!(record.state, RecordState::Archiving(_)));
        prop_assert_eq!(letters, archiving.map(|(offset, _)| *offset).collect());
        prop_assert!(window.locks.len() <= limit::SHARE_TIMES_SWEPT_MIN + 2 * naive.counts().acquired);
        Ok(())
    }
}

/// Locks end in the order of their deadlines.
fn sorted(mut change: WindowChange) -> WindowChange {
    let mut letters: Vec<(i64, DeadLetter)> =
        change.dead_letters.iter().flat_map(|letter| (letter.first..=letter.last).map(|offset| (offset, *letter))).collect();
    letters.sort_by_key(|(offset, _)| *offset);
    change.dead_letters.clear();
    for (offset, letter) in letters {
        push_dead_letter(&mut change.dead_letters, offset, letter.delivery_count, letter.reason);
    }
    change
}

proptest! {
    #[test]
    fn a_window_does_what_a_naive_one_does(
        lengths in proptest::collection::vec((prop_oneof![6 => Just(0i64), 3 => 1i64..8, 1 => 900i64..2500], 1i64..30), 1..60),
        has_dead_letters in any::<bool>(),
        locks_max in prop_oneof![10usize..60, Just(5000usize)],
        steps in proptest::collection::vec(steps(), 1..80),
    ) {
        let mut both = Both::new(&lengths, has_dead_letters, locks_max);
        for step in &steps {
            both.step(step)?;
        }
    }
}
