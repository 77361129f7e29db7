//! What has to outlive the process: everything but locks. Offsets are divided into blocks; each is stored as a whole under a
//! key of its own, as runs of records that are alike, and the head stores the start. The caller writes the head first and then
//! the blocks in ascending order. A crash may then cut the changes of one call off anywhere:
//! * Blocks below the start of the head, or of an earlier generation (before a reset), count for nothing.
//! * Blocks say up to where they know the window. What no block knows was acquired and nothing more, and is new again after a
//!   restart. So that a gap in a block or between two is known to be one, a block is never stored before a lower one that has
//!   grown. The end is what the last block knows, and needs no record.
//!
//! An acquisition alone stores nothing: a restart delivers the record again, and its delivery count is the one last stored.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::chunk::block;
use super::slot::{ArchiveReason, NO_TIME, RecordSlot, RecordState};
use super::{END_OF_OFFSETS, ShareWindow};
use crate::limit::SHARE_BLOCK_OFFSETS;

/// What is stored of a window beside its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WindowHead {
    pub start: i64,
    /// Goes up with each reset.
    pub generation: u32,
}

/// What a record is after a restart. A locked one is available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum StoredState {
    Available,
    Acknowledged,
    Archiving(ArchiveReason),
    Archived,
}

/// Records of a block that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredRun {
    /// From the block's first offset on.
    first_delta: u16,
    length: u16,
    state: StoredState,
    /// 0 for what is done.
    delivery_count: u16,
    /// By the wall clock.
    not_before_ms: Option<i64>,
}

impl StoredRun {
    fn of(first_delta: u16, slot: &RecordSlot, wall_minus_now_ms: i64) -> Self {
        let mut run = Self { first_delta, length: 1, state: StoredState::Available, delivery_count: 0, not_before_ms: None };
        match slot.state {
            RecordState::Acknowledged => run.state = StoredState::Acknowledged,
            RecordState::Archived => run.state = StoredState::Archived,
            RecordState::Archiving(reason) => {
                run.state = StoredState::Archiving(reason);
                run.delivery_count = slot.delivery_count;
            }
            RecordState::Acquired => run.delivery_count = slot.delivery_count,
            RecordState::Available => {
                run.delivery_count = slot.delivery_count;
                run.not_before_ms = (slot.time_ms != NO_TIME).then(|| slot.time_ms.saturating_add(wall_minus_now_ms));
            }
        }
        run
    }

    fn slot(&self, wall_minus_now_ms: i64) -> RecordSlot {
        let state = match self.state {
            StoredState::Available => RecordState::Available,
            StoredState::Acknowledged => RecordState::Acknowledged,
            StoredState::Archiving(reason) => RecordState::Archiving(reason),
            StoredState::Archived => RecordState::Archived,
        };
        let not_before_ms = self.not_before_ms.filter(|_| state == RecordState::Available);
        let time_ms = not_before_ms.map_or(NO_TIME, |wall_ms| wall_ms.saturating_sub(wall_minus_now_ms).max(NO_TIME + 1));
        RecordSlot { time_ms, owner: 0, delivery_count: self.delivery_count, state }
    }

    fn end(&self) -> u32 {
        u32::from(self.first_delta) + u32::from(self.length)
    }

    /// Takes the next run in if it goes on with the same.
    fn take_in(&mut self, next: &Self) -> bool {
        let is_same = (self.state, self.delivery_count, self.not_before_ms) == (next.state, next.delivery_count, next.not_before_ms);
        let goes_on = is_same && self.end() == u32::from(next.first_delta);
        self.length += if goes_on { next.length } else { 0 };
        goes_on
    }
}

/// The content of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredBlock {
    generation: u32,
    runs: Vec<StoredRun>,
    /// So much of the block is known; what is in no run is a gap up to here.
    known: u16,
}

#[cfg(test)]
impl StoredBlock {
    /// The block with another length of a run, and other known offsets.
    pub(super) fn damaged(&self, run: usize, length: u16, known: u16) -> Self {
        let mut damaged = Self { known, ..self.clone() };
        damaged.runs[run].length = length;
        damaged
    }
}

/// A block's new content, or that it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockChange {
    pub block: i64,
    pub content: Option<StoredBlock>,
}

/// What has changed durably, in the order in which it has to be written: the head, then the blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WindowChanges {
    pub head: Option<WindowHead>,
    pub blocks: Vec<BlockChange>,
}

/// What was stored cannot be a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum RestoreError {
    /// There is no such start.
    #[error("a share partition cannot start at {0}")]
    Start(i64),
    /// A block that no offset has, twice the same, or one from after the head's last reset.
    #[error("a share partition has no block {0} at that place")]
    Block(i64),
    /// Runs of a block are out of order, overlap, or leave it.
    #[error("the records of block {0} of a share partition are not in order")]
    Runs(i64),
}

/// Which blocks are stored, and which should be.
#[derive(Debug, Clone, Default)]
pub(super) struct StoredBlocks {
    generation: u32,
    head: Option<WindowHead>,
    stored: BTreeSet<i64>,
    /// Have changed durably.
    dirty: BTreeSet<i64>,
    /// Have records that are only acquired, and not known to the disk.
    grown: BTreeSet<i64>,
    /// Are stored, and should be no more.
    gone: BTreeSet<i64>,
    /// The block marked last: the next offset is most likely in it.
    marked: Option<i64>,
}

impl StoredBlocks {
    pub(super) fn mark_dirty(&mut self, offset: i64) {
        let block = block(offset);
        if self.marked != Some(block) {
            self.dirty.insert(block);
            self.marked = Some(block);
        }
    }

    pub(super) fn mark_grown(&mut self, first: i64, last: i64) {
        self.grown.extend(block(first)..=block(last));
    }

    /// The start has come to an offset.
    pub(super) fn pass(&mut self, start: i64) {
        let first = block(start);
        for passed in [&mut self.dirty, &mut self.grown] {
            while passed.first().is_some_and(|block| *block < first) {
                passed.pop_first();
            }
        }
        while let Some(block) = self.stored.first().copied().filter(|block| *block < first) {
            self.stored.pop_first();
            self.gone.insert(block);
        }
        self.marked = self.marked.filter(|block| *block >= first);
    }

    /// After a reset nothing that is stored counts any more.
    pub(super) fn of_next_generation(mut self) -> Self {
        self.gone.append(&mut self.stored);
        Self { generation: self.generation.wrapping_add(1), head: self.head, gone: self.gone, ..Self::default() }
    }

    /// The blocks to write: what changed, and lower ones that have grown.
    fn take(&mut self) -> BTreeSet<i64> {
        self.marked = None;
        let mut blocks = std::mem::take(&mut self.dirty);
        if let Some(last) = blocks.last() {
            let rest = self.grown.split_off(&(last + 1));
            blocks.append(&mut std::mem::replace(&mut self.grown, rest));
        }
        blocks
    }
}

impl ShareWindow {
    /// Whether [`Self::take_dirty`] has something.
    pub(crate) fn is_dirty(&self) -> bool {
        self.stored.head != Some(self.head()) || !self.stored.dirty.is_empty() || !self.stored.gone.is_empty()
    }

    /// What has to be written since the last call. The wall clock is ahead of the clock of the other calls by
    /// `wall_minus_now_ms`.
    pub(crate) fn take_dirty(&mut self, wall_minus_now_ms: i64) -> WindowChanges {
        let head = self.head();
        let is_new = self.stored.head.replace(head) != Some(head);
        let mut changes: BTreeMap<i64, Option<StoredBlock>> =
            std::mem::take(&mut self.stored.gone).into_iter().map(|block| (block, None)).collect();
        for block in self.stored.take() {
            let content = self.content(block, wall_minus_now_ms);
            let is_known = if content.is_some() { !self.stored.stored.insert(block) } else { self.stored.stored.remove(&block) };
            // One without records that was never stored needs no record.
            if content.is_some() || is_known {
                changes.insert(block, content);
            }
        }
        let blocks = changes.into_iter().map(|(block, content)| BlockChange { block, content }).collect();
        WindowChanges { head: is_new.then_some(head), blocks }
    }

    /// The window that was stored. What was stored and counts no more is gone with the next [`Self::take_dirty`].
    pub(crate) fn restore(
        head: WindowHead,
        mut blocks: Vec<(i64, StoredBlock)>,
        wall_minus_now_ms: i64,
    ) -> Result<ShareWindow, RestoreError> {
        if !(0..=END_OF_OFFSETS).contains(&head.start) {
            return Err(RestoreError::Start(head.start));
        }
        blocks.sort_unstable_by_key(|(block, _)| *block);
        let mut window = ShareWindow::new(head.start);
        window.stored.generation = head.generation;
        window.stored.head = Some(head);
        let mut previous = None;
        for (number, content) in &blocks {
            check(*number, content, head.generation, previous)?;
            previous = Some(*number);
            if content.generation == head.generation && *number >= block(head.start) {
                window.stored.stored.insert(*number);
                window.take_in(*number, content, wall_minus_now_ms);
            } else {
                window.stored.gone.insert(*number);
            }
        }
        window.settle();
        Ok(window)
    }

    fn head(&self) -> WindowHead {
        WindowHead { start: self.start, generation: self.stored.generation }
    }

    fn content(&self, block: i64, wall_minus_now_ms: i64) -> Option<StoredBlock> {
        let base = block * SHARE_BLOCK_OFFSETS;
        let mut runs: Vec<StoredRun> = Vec::new();
        for (offset, slot) in self.chunks.slots(base.max(self.start)..=base + SHARE_BLOCK_OFFSETS - 1) {
            let run = StoredRun::of((offset - base) as u16, slot, wall_minus_now_ms);
            if !runs.last_mut().is_some_and(|before| before.take_in(&run)) {
                runs.push(run);
            }
        }
        let known = (self.end - base).clamp(0, SHARE_BLOCK_OFFSETS) as u16;
        (!runs.is_empty()).then_some(StoredBlock { generation: self.stored.generation, runs, known })
    }

    /// Adds the records of a block that was checked.
    fn take_in(&mut self, block: i64, content: &StoredBlock, wall_minus_now_ms: i64) {
        let base = block * SHARE_BLOCK_OFFSETS;
        for run in &content.runs {
            let end = base + i64::from(run.end());
            let first = (base + i64::from(run.first_delta)).max(self.start);
            if first < end {
                let slot = run.slot(wall_minus_now_ms);
                self.chunks.push(first, (end - first) as usize, slot);
                if slot.time_ms != NO_TIME {
                    self.delays.push(slot.time_ms, first, end - 1);
                }
            }
        }
        self.end = self.end.max(base + i64::from(content.known));
    }
}

fn check(number: i64, content: &StoredBlock, generation: u32, previous: Option<i64>) -> Result<(), RestoreError> {
    let has_place = (0..=block(END_OF_OFFSETS)).contains(&number) && previous != Some(number);
    if !has_place || content.generation > generation {
        return Err(RestoreError::Block(number));
    }
    let mut end = 0;
    for run in &content.runs {
        if run.length == 0 || u32::from(run.first_delta) < end {
            return Err(RestoreError::Runs(number));
        }
        end = run.end();
    }
    if end > u32::from(content.known) || i64::from(content.known) > SHARE_BLOCK_OFFSETS {
        return Err(RestoreError::Runs(number));
    }
    Ok(())
}
