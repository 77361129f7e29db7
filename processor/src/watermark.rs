//! The watermark: the event time below which nothing is expected any more. It moves only between batches.

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::{max, min};
use arrow::datatypes::TimestampMicrosecondType;

/// Event times that passed in one batch, ms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EventTimes {
    pub max_ms: Option<i64>,
    pub min_ms: Option<i64>,
    sum_ms: i128,
    count: i128,
}

impl EventTimes {
    /// Looks at a column of times; nulls do not count.
    pub(crate) fn observe(&mut self, column: &ArrayRef) {
        let Some(times) = column.as_primitive_opt::<TimestampMicrosecondType>() else { return };
        let (Some(least), Some(most)) = (min(times), max(times)) else { return };
        self.max_ms = self.max_ms.max(Some(most.div_euclid(1000)));
        let least = least.div_euclid(1000);
        self.min_ms = Some(self.min_ms.map_or(least, |known| known.min(least)));
        let present = times.iter().flatten();
        for time in present {
            self.sum_ms += i128::from(time.div_euclid(1000));
            self.count += 1;
        }
    }

    pub(crate) fn average_ms(&self) -> Option<i64> {
        (self.count > 0).then(|| (self.sum_ms / self.count) as i64)
    }
}

/// Follows the event times of one watermark operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tracker {
    pub delay_ms: i64,
    pub watermark_ms: i64,
}

impl Tracker {
    /// The watermark of the next batch: never lower than this one's.
    pub(crate) fn advance(&mut self, seen: &EventTimes) {
        if let Some(max_ms) = seen.max_ms {
            self.watermark_ms = self.watermark_ms.max(max_ms - self.delay_ms);
        }
    }
}
