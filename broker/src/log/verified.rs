//! The parts of a segment whose checksums were compared since the process started: when they came in, or when they were first read.
//! They may be sent as they lie in the page cache.

use std::ops::Range;

use crate::limit;
use parking_lot::Mutex;

/// Positions in the segment's file, in order, with a gap between any two.
#[derive(Debug, Default)]
pub(crate) struct Verified(Mutex<Vec<Range<u64>>>);

impl Verified {
    /// Whole batches from one position to another were compared.
    pub(crate) fn add(&self, part: Range<u64>) {
        if part.is_empty() {
            return;
        }
        let mut parts = self.0.lock();
        // The usual case: the batch behind the last one.
        if let Some(last) = parts.last_mut().filter(|last| last.end == part.start) {
            last.end = part.end;
            return;
        }
        let first = parts.partition_point(|known| known.end < part.start);
        let behind = parts.partition_point(|known| known.start <= part.end);
        let start = parts.get(first).map_or(part.start, |known| known.start.min(part.start));
        let end = behind.checked_sub(1).and_then(|last| parts.get(last)).map_or(part.end, |known| known.end.max(part.end));
        parts.splice(first..behind.max(first), std::iter::once(start..end));
        if parts.len() > limit::VERIFIED_PARTS_MAX {
            let smallest = (0..parts.len()).min_by_key(|place| parts[*place].end - parts[*place].start);
            smallest.map(|place| parts.remove(place));
        }
    }

    /// Whether all of a part was compared.
    pub(crate) fn covers(&self, part: &Range<u64>) -> bool {
        let parts = self.0.lock();
        let after = parts.partition_point(|known| known.start <= part.start);
        after.checked_sub(1).is_some_and(|place| parts[place].end >= part.end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Beside a list of every byte; few parts, so that none is forgotten.
        #[test]
        fn it_covers_what_was_added_and_nothing_else(added in proptest::collection::vec((0u64..60, 0u64..12), 0..30)) {
            let (verified, mut bytes) = (Verified::default(), [false; 80]);
            for (start, len) in added {
                verified.add(start..start + len);
                bytes[start as usize..(start + len) as usize].fill(true);
            }
            for start in 0..80 {
                for end in start + 1..80 {
                    prop_assert_eq!(verified.covers(&(start as u64..end as u64)), bytes[start..end].iter().all(|is| *is), "{}..{}", start, end);
                }
            }
            let parts = verified.0.lock();
            prop_assert!(parts.windows(2).all(|pair| pair[0].end < pair[1].start));
        }
    }

    #[test]
    fn the_smallest_part_is_forgotten() {
        let verified = Verified::default();
        for place in 0..=limit::VERIFIED_PARTS_MAX as u64 {
            verified.add(place * 100..place * 100 + if place == 7 { 1 } else { 2 });
        }
        assert!(!verified.covers(&(700..701)) && verified.covers(&(600..602)) && verified.covers(&(6400..6402)));
    }
}
