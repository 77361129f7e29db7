//! What holds for a share group (KIP-932), and where it begins to read.
//!
//! It is a checked set of values, not a judge of them: `group` has the bounds and who may set what.

use super::{Properties, group_property, long};

pub(crate) const ASSIGNMENT: &str = "share.assignment.interval.ms";
pub(super) const DELIVERIES: &str = "share.delivery.count.limit";
pub(super) const HEARTBEAT: &str = "share.heartbeat.interval.ms";
pub(super) const LOCK: &str = "share.record.lock.duration.ms";
pub(super) const LOCKS: &str = "share.partition.max.record.locks";
pub(super) const SESSION: &str = "share.session.timeout.ms";
const ISOLATION: &str = "share.isolation.level";
const RENEW: &str = "share.renew.acknowledge.enable";
pub(crate) const DEAD_LETTER_TOPIC: &str = "errors.deadletterqueue.topic.name";
pub(crate) const DEAD_LETTER_COPY: &str = "errors.deadletterqueue.copy.record.enable";
pub(super) const DEAD_LETTER_PREFIX: &str = "errors.deadletterqueue.topic.name.prefix";
const RESET: &str = "share.auto.offset.reset";

/// What holds for a share group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShareSettings {
    pub session_timeout_ms: i64,
    pub heartbeat_ms: i64,
    /// The least time between two assignments.
    pub assignment_interval_ms: i64,
    /// For how long a member has a record that it acquired.
    pub record_lock_ms: i64,
    /// How often a record is delivered before it is given up.
    pub deliveries_max: i16,
    /// How many records of a partition may be acquired at once.
    pub record_locks_max: i32,
    /// Where the group begins in a partition that it has not read yet.
    pub offset_reset: ShareOffsetReset,
    /// Records of transactions are delivered only when these are committed.
    pub is_read_committed: bool,
    /// What is given up gets a dead letter (KIP-1191).
    pub has_dead_letters: bool,
    /// Members may renew the locks of records that they have.
    pub is_renew_enabled: bool,
}

/// Where the dead letters of a group go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetterTopic {
    pub name: String,
    /// Key, value and headers go with them, and not only where they are.
    pub is_copying: bool,
}

/// Where a share group begins in a partition that it has not read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShareOffsetReset {
    Latest,
    Earliest,
    /// With the first record that is not older than so many ms.
    ByDuration(i64),
}

impl ShareOffsetReset {
    /// As Kafka reads it; the error is Kafka's sentence.
    pub(super) fn read(value: &str) -> Result<Self, String> {
        match value {
            "latest" => Ok(ShareOffsetReset::Latest),
            "earliest" => Ok(ShareOffsetReset::Earliest),
            _ => value.strip_prefix("by_duration:").and_then(duration_ms).map(ShareOffsetReset::ByDuration).ok_or_else(|| {
                format!(
                    "Invalid value `{value}` for configuration {RESET}. The value must be either 'earliest', 'latest' or of the format \
                     'by_duration:<PnDTnHnMn.nS>'."
                )
            }),
        }
    }
}

impl ShareSettings {
    /// By the broker's properties, with what no property of the broker says.
    pub(super) fn of_broker(number: impl Fn(&str) -> i64) -> Self {
        ShareSettings {
            session_timeout_ms: number("group.share.session.timeout.ms"),
            heartbeat_ms: number("group.share.heartbeat.interval.ms"),
            assignment_interval_ms: number("group.share.assignment.interval.ms"),
            record_lock_ms: number("group.share.record.lock.duration.ms"),
            deliveries_max: number("group.share.delivery.count.limit") as i16,
            record_locks_max: number("group.share.partition.max.record.locks") as i32,
            offset_reset: ShareOffsetReset::Latest,
            is_read_committed: false,
            has_dead_letters: false,
            is_renew_enabled: true,
        }
    }

    /// With what is set on a group; `number` has it within its bounds, or what is given with the name.
    pub(super) fn of_group(self, group: &Properties, number: impl Fn(&str, i64) -> i64) -> Self {
        let text = |name: &str| group.get(name).map(String::as_str).or_else(|| group_property(name)?.default).unwrap_or_default().trim();
        ShareSettings {
            session_timeout_ms: number(SESSION, self.session_timeout_ms),
            heartbeat_ms: number(HEARTBEAT, self.heartbeat_ms),
            assignment_interval_ms: number(ASSIGNMENT, self.assignment_interval_ms),
            record_lock_ms: number(LOCK, self.record_lock_ms),
            deliveries_max: number(DELIVERIES, self.deliveries_max.into()) as i16,
            record_locks_max: number(LOCKS, self.record_locks_max.into()) as i32,
            offset_reset: ShareOffsetReset::read(text(RESET)).unwrap_or(self.offset_reset),
            is_read_committed: text(ISOLATION) == "read_committed",
            has_dead_letters: !text(DEAD_LETTER_TOPIC).is_empty(),
            is_renew_enabled: text(RENEW).eq_ignore_ascii_case("true"),
        }
    }
}

/// A duration of ISO 8601 as Java reads it, from days to parts of a second; `None` if it is none, or below zero.
fn duration_ms(text: &str) -> Option<i64> {
    let text = text.to_ascii_uppercase();
    let (sign, rest) = signed(&text);
    let rest = rest.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None if rest.is_empty() => return None,
        None => (rest, ""),
    };
    let mut ms: i64 = 0;
    for (part, units) in [(date, &[('D', 86_400_000)][..]), (time, &[('H', 3_600_000), ('M', 60_000), ('S', 1000)])] {
        let mut rest = part;
        for (unit, unit_ms) in units {
            let Some((number, behind)) = rest.split_once(*unit) else { continue };
            ms = ms.checked_add(if *unit == 'S' { seconds_ms(number)? } else { whole(number)?.checked_mul(*unit_ms)? })?;
            rest = behind;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    ms.checked_mul(sign).filter(|ms| *ms >= 0)
}

/// The sign that a text may begin with, and what follows.
fn signed(text: &str) -> (i64, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn digits(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

fn whole(text: &str) -> Option<i64> {
    let (sign, rest) = signed(text);
    Some(sign * digits(rest)?)
}

/// Seconds with up to nine places, of which three count.
fn seconds_ms(text: &str) -> Option<i64> {
    let (sign, rest) = signed(text);
    let (seconds, places) = rest.split_once(['.', ',']).unwrap_or((rest, ""));
    if places.len() > 9 || !places.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths = digits(&format!("{places:0<3}")[..3])?;
    digits(seconds)?.checked_mul(1000)?.checked_add(thousandths)?.checked_mul(sign)
}

/// A number that is set on a group.
pub(super) fn set_number(group: &Properties, name: &str) -> Option<i64> {
    group.get(name).map(|value| long(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_group_begins_is_read_as_kafka_reads_it() {
        let hour = 3_600_000;
        for (text, ms) in [
            ("P1D", 24 * hour),
            ("p1dt2h", 26 * hour),
            ("PT1H30M", hour + hour / 2),
            ("PT1.5S", 1500),
            ("PT0,25S", 250),
            ("PT0S", 0),
            ("PT1H-30M", hour / 2),
            ("+PT+1S", 1000),
            ("-PT-1S", 1000),
        ] {
            assert_eq!(ShareOffsetReset::read(&format!("by_duration:{text}")), Ok(ShareOffsetReset::ByDuration(ms)), "{text}");
        }
        for text in [
            "",
            "P",
            "PT",
            "P1DT",
            "-PT1S",
            "1d",
            "P1Y",
            "PT1S2H",
            "PT1S1S",
            "PTS",
            "PT.5S",
            "PT1.0000000001S",
            "P99999999999999999D",
            "PT1H ",
        ] {
            assert!(ShareOffsetReset::read(&format!("by_duration:{text}")).is_err(), "{text}");
        }
        assert_eq!(ShareOffsetReset::read("earliest"), Ok(ShareOffsetReset::Earliest));
        let refused = ShareOffsetReset::read("LATEST").unwrap_err();
        assert_eq!(
            refused,
            "Invalid value `LATEST` for configuration share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the \
             format 'by_duration:<PnDTnHnMn.nS>'."
        );
    }
}
