//! When the next batch runs.

use std::time::Duration;

use crate::error::QueryError;
use crate::sql::duration;

/// Spark's triggers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// As soon as there is something to do.
    Default,
    /// At multiples of this time.
    ProcessingTime(Duration),
    /// Until everything that was there at the start is done, then never again.
    AvailableNow,
}

impl Trigger {
    /// `availableNow`, or an interval such as `10 seconds`.
    pub(crate) fn parse(text: &str) -> Result<Self, QueryError> {
        if text.eq_ignore_ascii_case("availableNow") {
            return Ok(Trigger::AvailableNow);
        }
        let interval_us = duration::parse_us(text)?;
        Ok(match u64::try_from(interval_us) {
            Ok(0) => Trigger::Default,
            Ok(us) => Trigger::ProcessingTime(Duration::from_micros(us)),
            Err(_) => return Err(QueryError::analysis("the trigger's interval should not be negative")),
        })
    }

    /// The next batch time after `now_ms`, aligned to multiples of the interval.
    pub(crate) fn next_ms(self, now_ms: i64) -> Option<i64> {
        match self {
            Trigger::ProcessingTime(interval) => {
                let interval_ms = (interval.as_millis() as i64).max(1);
                Some(now_ms.div_euclid(interval_ms) * interval_ms + interval_ms)
            }
            Trigger::Default | Trigger::AvailableNow => None,
        }
    }
}
