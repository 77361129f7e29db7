//! What a batch did, as Spark's StreamingQueryProgress.

use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::checkpoint::logs::offsets_json;
use crate::operator::aggregate::StateMetrics;
use crate::query::Shared;
use crate::watermark::EventTimes;

/// How long the steps of a batch took.
pub(super) struct Measured {
    begun: Instant,
    last: Instant,
    laps: Vec<(&'static str, u64)>,
}

impl Measured {
    pub(super) fn begin(begun: Instant) -> Self {
        Measured { begun, last: begun, laps: Vec::new() }
    }

    pub(super) fn lap(&mut self, name: &'static str) {
        let now = Instant::now();
        self.laps.push((name, (now - self.last).as_millis() as u64));
        self.last = now;
    }
}

pub(super) struct Report<'a> {
    pub batch: i64,
    pub timestamp_ms: i64,
    pub records: usize,
    pub malformed: usize,
    pub written: usize,
    pub start: &'a [i64],
    pub end: &'a [i64],
    pub latest: &'a [i64],
    pub seen: EventTimes,
    pub watermark_ms: Option<i64>,
    pub state: Option<(usize, usize, StateMetrics)>,
    pub source: String,
    pub topic: &'a str,
    pub sink: String,
}

/// A time in Spark's form: UTC with milliseconds.
pub(crate) fn iso(time_ms: i64) -> String {
    let (days, ms) = (time_ms.div_euclid(86_400_000), time_ms.rem_euclid(86_400_000));
    // The days of the Gregorian calendar since 1970 (Howard Hinnant's algorithm).
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
}

impl Report<'_> {
    pub(super) fn json(&self, shared: &Shared, measured: &Measured) -> Value {
        let duration = measured.last - measured.begun;
        let mut durations: Map<String, Value> = measured.laps.iter().map(|(name, ms)| ((*name).to_owned(), (*ms).into())).collect();
        durations.insert("triggerExecution".into(), (duration.as_millis() as u64).into());
        let seconds = duration.as_secs_f64().max(1e-6);
        let rate = |rows: usize| if rows == 0 { 0.0 } else { (rows as f64 / seconds * 10.0).round() / 10.0 };
        let mut event_time = Map::new();
        let mut put = |name: &str, time: Option<i64>| {
            if let Some(time) = time {
                event_time.insert(name.into(), iso(time).into());
            }
        };
        if self.watermark_ms.is_some() {
            put("max", self.seen.max_ms);
            put("min", self.seen.min_ms);
            put("avg", self.seen.average_ms());
        }
        put("watermark", self.watermark_ms);
        let state: Vec<Value> = self
            .state
            .iter()
            .map(|(rows, bytes, metrics)| {
                json!({
                    "operatorName": "stateStoreSave",
                    "numRowsTotal": rows,
                    "numRowsUpdated": metrics.rows_updated,
                    "numRowsRemoved": metrics.rows_removed,
                    "numRowsDroppedByWatermark": metrics.rows_dropped_by_watermark,
                    "memoryUsedBytes": bytes,
                    "numShufflePartitions": 1,
                    "numStateStoreInstances": 1,
                    "customMetrics": {},
                })
            })
            .collect();
        let behind: Vec<i64> = self.latest.iter().zip(self.end).map(|(latest, end)| (latest - end).max(0)).collect();
        let average = behind.iter().sum::<i64>() as f64 / behind.len().max(1) as f64;
        json!({
            "id": shared.id.to_string(),
            "runId": shared.run_id.to_string(),
            "name": shared.name,
            "timestamp": iso(self.timestamp_ms),
            "batchId": self.batch,
            "batchDuration": duration.as_millis() as u64,
            "numInputRows": self.records,
            "inputRowsPerSecond": rate(self.records),
            "processedRowsPerSecond": rate(self.records),
            "durationMs": durations,
            "eventTime": event_time,
            "stateOperators": state,
            "sources": [{
                "description": self.source,
                "startOffset": offsets_json(self.topic, self.start),
                "endOffset": offsets_json(self.topic, self.end),
                "latestOffset": offsets_json(self.topic, self.latest),
                "numInputRows": self.records,
                "inputRowsPerSecond": rate(self.records),
                "processedRowsPerSecond": rate(self.records),
                "metrics": {
                    "minOffsetsBehindLatest": behind.iter().min().unwrap_or(&0).to_string(),
                    "maxOffsetsBehindLatest": behind.iter().max().unwrap_or(&0).to_string(),
                    "avgOffsetsBehindLatest": format!("{average:?}"),
                    "malformedRecords": self.malformed.to_string(),
                },
            }],
            "sink": {"description": self.sink, "numOutputRows": self.written},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::iso;

    #[test]
    fn times_are_written_in_sparks_form() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(1_772_352_001_250), "2026-03-01T08:00:01.250Z");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso(-1), "1969-12-31T23:59:59.999Z");
    }
}
