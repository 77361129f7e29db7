//! Where in a topic: what `consume --from` and `group reset-offsets --to` take.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use millstream_client::Start;

use crate::failure::Failure;

/// What the options take, for their help.
pub(crate) const FORMS: &str = "beginning, end, an offset, a time ago such as -10m (s, m, h, d), a time in UTC such as 2026-01-01T08:00, or @TIMESTAMP in ms since 1970";

/// Where to begin, as an option says it.
pub(crate) fn parse(option: &str, text: &str) -> Result<Start, Failure> {
    let found = match text {
        "beginning" | "earliest" => Some(Start::Beginning),
        "end" | "latest" => Some(Start::End),
        _ => match (text.strip_prefix('-'), text.strip_prefix('@')) {
            (Some(ago), _) => ago_ms(ago).map(|ago_ms| Start::Time(now_ms().saturating_sub(ago_ms).max(0))),
            (None, Some(time)) => number(time).map(Start::Time),
            (None, None) => number(text).map(Start::Offset).or_else(|| time_ms(text).map(Start::Time)),
        },
    };
    found.ok_or_else(|| Failure::usage(format!("{option} {text}: write {FORMS}")))
}

fn now_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "a time ago is counted from now")]
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Signs are no part of a number: -1 means something else to the protocol.
fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|_| !text.starts_with(['+', '-']))
}

fn ago_ms(ago: &str) -> Option<i64> {
    let unit_ms = match ago.chars().last()? {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    number(&ago[..ago.len() - 1]).map(|count| count.saturating_mul(unit_ms))
}

/// A date, or a date and a time; in UTC unless an offset from it stands behind.
fn time_ms(text: &str) -> Option<i64> {
    let text = text.replacen(' ', "T", 1);
    if let Ok(time) = DateTime::parse_from_rfc3339(&text) {
        return Some(time.timestamp_millis()).filter(|ms| *ms >= 0);
    }
    let text = text.trim_end_matches(['Z', 'z']);
    let time = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"].iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let time = time.or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0));
    time.map(|time| time.and_utc().timestamp_millis()).filter(|ms| *ms >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc_unless_they_say_otherwise() {
        for text in [
            "2026-01-01T08:00",
            "2026-01-01 08:00",
            "2026-01-01T08:00:00",
            "2026-01-01T08:00Z",
            "2026-01-01T10:00:00+02:00",
            "2026-01-01T08:00:00.000Z",
        ] {
            assert_eq!(parse("--from", text).unwrap(), Start::Time(1_767_254_400_000), "{text}");
        }
        assert_eq!(parse("--from", "2026-01-01").unwrap(), Start::Time(1_767_225_600_000));
        assert_eq!(parse("--from", "@5").unwrap(), Start::Time(5));
        assert_eq!(parse("--from", "100").unwrap(), Start::Offset(100));
        assert!(matches!(parse("--from", "-10m").unwrap(), Start::Time(_)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "-",
            "-1",
            "-m",
            "-10",
            "-10ä",
            "ä",
            "+1",
            "@",
            "@-1",
            "2026",
            "2026-13-01",
            "2026-01-01T25:00",
            "1960-01-01",
            "@99999999999999999999",
            "-+1s",
        ] {
            let found = parse("--from", text);
            assert!(found.is_err() || text == "2026", "{text}: {found:?}");
        }
    }
}
