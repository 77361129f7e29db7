//! The offset log and the commit log, in Spark's format (OffsetSeqLog, CommitLog).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Checkpoint;
use crate::error::QueryError;

/// How many entries are kept (`spark.sql.streaming.minBatchesToRetain`).
pub(crate) const BATCHES_TO_RETAIN: i64 = 100;

/// What batch N reads, and under which watermark and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub watermark_ms: i64,
    pub timestamp_ms: i64,
    /// The next offset of each partition, once the batch is done.
    pub end: Vec<i64>,
    /// Settings that shape state, and where the sink's topic ended when the batch began.
    pub conf: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct OffsetMetadata {
    #[serde(rename = "batchWatermarkMs")]
    watermark_ms: i64,
    #[serde(rename = "batchTimestampMs")]
    timestamp_ms: i64,
    #[serde(default)]
    conf: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct CommitMetadata {
    #[serde(rename = "nextBatchWatermarkMs")]
    next_watermark_ms: i64,
}

/// Offsets of a topic's partitions as Spark's Kafka source writes them.
pub(crate) fn offsets_json(topic: &str, offsets: &[i64]) -> serde_json::Value {
    let partitions: serde_json::Map<_, _> =
        offsets.iter().enumerate().map(|(index, offset)| (index.to_string(), (*offset).into())).collect();
    serde_json::json!({ topic: partitions })
}

fn parse_offsets(topic: &str, line: &str) -> Option<Vec<i64>> {
    let parsed: serde_json::Value = serde_json::from_str(line).ok()?;
    let partitions = parsed.get(topic)?.as_object()?;
    (0..partitions.len()).map(|index| partitions.get(&index.to_string())?.as_i64()).collect()
}

impl Checkpoint {
    fn path(&self, log: &str, batch: i64) -> PathBuf {
        self.dir.join(log).join(batch.to_string())
    }

    fn newest(&self, log: &str) -> Result<Option<i64>, QueryError> {
        let names = self.files.names(&self.dir.join(log))?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).max())
    }

    /// The newest batch that was planned.
    pub(crate) fn newest_offsets(&self) -> Result<Option<i64>, QueryError> {
        self.newest("offsets")
    }

    /// The newest batch that is done.
    pub(crate) fn newest_commit(&self) -> Result<Option<i64>, QueryError> {
        self.newest("commits")
    }

    pub(crate) fn write_offsets(&self, batch: i64, topic: &str, entry: &OffsetEntry) -> Result<(), QueryError> {
        let path = self.path("offsets", batch);
        let metadata = OffsetMetadata { watermark_ms: entry.watermark_ms, timestamp_ms: entry.timestamp_ms, conf: entry.conf.clone() };
        let metadata = serde_json::to_string(&metadata).map_err(|error| QueryError::checkpoint(&path, error))?;
        let content = format!("v1\n{metadata}\n{}", offsets_json(topic, &entry.end));
        self.files.replace(&path, content.as_bytes())
    }

    pub(crate) fn read_offsets(&self, batch: i64, topic: &str) -> Result<OffsetEntry, QueryError> {
        let path = self.path("offsets", batch);
        let bad = |reason: &str| QueryError::checkpoint(&path, reason);
        let content = self.files.read(&path)?.ok_or_else(|| bad(&format!("batch {batch} doesn't exist")))?;
        let text = String::from_utf8(content).map_err(|_| bad("is not text"))?;
        let mut lines = text.lines();
        if lines.next() != Some("v1") {
            return Err(bad("does not begin with v1"));
        }
        let metadata: OffsetMetadata =
            lines.next().and_then(|line| serde_json::from_str(line).ok()).ok_or_else(|| bad("has no metadata in its second line"))?;
        let sources: Vec<&str> = lines.collect();
        let [source] = sources.as_slice() else {
            return Err(bad(&format!("has offsets of {} sources, the query has 1: it belongs to another query", sources.len())));
        };
        let end =
            parse_offsets(topic, source).ok_or_else(|| bad(&format!("has no offsets of topic {topic}: it belongs to another query")))?;
        Ok(OffsetEntry { watermark_ms: metadata.watermark_ms, timestamp_ms: metadata.timestamp_ms, end, conf: metadata.conf })
    }

    pub(crate) fn write_commit(&self, batch: i64, next_watermark_ms: i64) -> Result<(), QueryError> {
        let path = self.path("commits", batch);
        let metadata =
            serde_json::to_string(&CommitMetadata { next_watermark_ms }).map_err(|error| QueryError::checkpoint(&path, error))?;
        self.files.replace(&path, format!("v1\n{metadata}").as_bytes())
    }

    pub(crate) fn read_commit(&self, batch: i64) -> Result<i64, QueryError> {
        let path = self.path("commits", batch);
        let content = self.files.read(&path)?.ok_or_else(|| QueryError::checkpoint(&path, "is missing"))?;
        let text = String::from_utf8_lossy(&content);
        let metadata = text.strip_prefix("v1\n").and_then(|line| serde_json::from_str::<CommitMetadata>(line).ok());
        metadata.map(|metadata| metadata.next_watermark_ms).ok_or_else(|| QueryError::checkpoint(&path, "cannot be read"))
    }

    /// Where the query began.
    pub(crate) fn write_start(&self, topic: &str, start: &[i64]) -> Result<(), QueryError> {
        let dir = self.dir.join("sources/0");
        self.files.create_dir(&dir)?;
        self.files.replace(&dir.join("0"), format!("v1\n{}", offsets_json(topic, start)).as_bytes())
    }

    pub(crate) fn read_start(&self, topic: &str) -> Result<Option<Vec<i64>>, QueryError> {
        let path = self.dir.join("sources/0/0");
        let Some(content) = self.files.read(&path)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&content);
        let offsets = text.strip_prefix("v1\n").and_then(|line| parse_offsets(topic, line));
        offsets
            .map(Some)
            .ok_or_else(|| QueryError::checkpoint(&path, format!("has no offsets of topic {topic}: it belongs to another query")))
    }

    /// Forgets entries that no recovery needs any more.
    pub(crate) fn purge(&self, batch: i64) -> Result<(), QueryError> {
        let oldest = batch - BATCHES_TO_RETAIN;
        if oldest >= 0 {
            self.files.remove(&self.path("offsets", oldest))?;
            self.files.remove(&self.path("commits", oldest))?;
        }
        Ok(())
    }

    pub(crate) fn create_logs(&self) -> Result<(), QueryError> {
        self.files.create_dir(&self.dir.join("offsets"))?;
        self.files.create_dir(&self.dir.join("commits"))
    }
}
