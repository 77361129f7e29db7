//! Spark's interval texts: `10 seconds`, `1 minute 30 seconds`, `INTERVAL 5 MINUTES`.

use crate::error::QueryError;

/// Microseconds of a text; months and years have no fixed length and are refused.
pub(crate) fn parse_us(text: &str) -> Result<i64, QueryError> {
    let refuse = || QueryError::analysis(format!("'{text}' is no interval: write for instance '10 seconds'"));
    let lower = text.trim().to_lowercase();
    let words: Vec<&str> = lower.strip_prefix("interval").unwrap_or(&lower).split_whitespace().collect();
    if words.is_empty() || !words.len().is_multiple_of(2) {
        return Err(refuse());
    }
    let mut total: i64 = 0;
    for pair in words.chunks(2) {
        let count: i64 = pair[0].trim_matches('\'').parse().map_err(|_| refuse())?;
        let unit: i64 = match pair[1].trim_matches('\'').trim_end_matches('s') {
            "microsecond" => 1,
            "millisecond" | "m" => 1_000,
            "second" | "sec" => 1_000_000,
            "minute" | "min" => 60_000_000,
            "hour" => 3_600_000_000,
            "day" => 86_400_000_000,
            "week" => 604_800_000_000,
            _ => return Err(refuse()),
        };
        total = count.checked_mul(unit).and_then(|part| total.checked_add(part)).ok_or_else(refuse)?;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_as_spark_reads_them() {
        for (text, us) in
            [("10 seconds", 10_000_000), ("INTERVAL 1 MINUTE", 60_000_000), ("1 hour 30 minutes", 5_400_000_000), ("0 seconds", 0)]
        {
            assert_eq!(parse_us(text).unwrap(), us, "{text}");
        }
        for text in ["", "10", "ten seconds", "1 month", "9999999999999 weeks"] {
            assert!(parse_us(text).is_err(), "{text}");
        }
    }
}
