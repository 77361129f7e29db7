//! Results into a topic, exactly once.
//!
//! Every record carries a header with the query's id, the batch's and the row's number. Before a batch is first run, the ends
//! of the topic's partitions stand in the offset log; when it runs again, the sink reads from there on and leaves out the
//! rows that it finds: a batch gives the same rows in the same order. The idempotent producer takes care of retries within
//! a batch.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use bytes::Bytes;
use millstream_client::{Acks, Client, Delivery, NewRecord, Producer, TopicReader};
use uuid::Uuid;

use super::Output;
use crate::error::QueryError;
use crate::format::json;

/// The header's key.
pub(crate) const BATCH_HEADER: &str = "millstream.batch";
/// Deliveries that are not waited for yet.
const UNDER_WAY_MAX: usize = 10_000;

#[derive(Debug)]
pub(crate) struct TopicSink {
    client: Client,
    topic: String,
    producer: Producer,
    /// The ends of the partitions, as far as this sink has written.
    ends: Vec<i64>,
}

impl TopicSink {
    /// Opens the topic, which is created if it is not there.
    pub(crate) async fn open(client: &Client, topic: &str, acks: Acks) -> Result<Self, QueryError> {
        if let Err(error) = client.topic(topic).await {
            if error.code() != Some(millstream_client::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) {
                return Err(error.into());
            }
            client.admin().create_topic(topic, -1, &[]).await?;
        }
        let ends = TopicReader::open(client, topic).await?.ends().await?;
        // Idempotence needs acks=all; with class W a batch that was cut off is recognised all the same.
        let producer = client.producer().acks(acks).idempotent(acks == Acks::All).build();
        Ok(TopicSink { client: client.clone(), topic: topic.to_owned(), producer, ends })
    }

    pub(crate) fn mark(&self) -> String {
        crate::checkpoint::logs::offsets_json(&self.topic, &self.ends).to_string()
    }

    pub(crate) async fn write(&mut self, output: &Output<'_>) -> Result<usize, QueryError> {
        let records: Vec<(Option<Bytes>, Option<Bytes>)> = output.rows.iter().map(records).collect::<Result<Vec<_>, _>>()?.concat();
        let partitions = match output.replayed_from {
            None => self.ends.len(),
            // The topic may have grown since: rows go where they went.
            Some(mark) => parse_mark(&self.topic, mark).map_or(self.ends.len(), |ends| ends.len()),
        };
        let written = match output.replayed_from {
            None => HashSet::new(),
            Some(mark) => self.written(mark, output.query, output.batch).await?,
        };
        let prefix = header(output.query, output.batch);
        let total = records.len();
        let mut under_way: VecDeque<Delivery> = VecDeque::new();
        for (row, (key, value)) in records.into_iter().enumerate() {
            let partition = partition(output.batch, row, total, partitions, key.as_deref());
            if written.contains(&row) {
                continue;
            }
            let header = format!("{prefix}{row}");
            let mut record = NewRecord::to(&self.topic).partition(partition as i32).header(BATCH_HEADER, header);
            if let Some(key) = key {
                record = record.key(key);
            }
            if let Some(value) = value {
                record = record.value(value);
            }
            under_way.push_back(self.producer.send(record).await?);
            if under_way.len() >= UNDER_WAY_MAX
                && let Some(first) = under_way.pop_front()
            {
                self.settle(first).await?;
            }
        }
        for delivery in under_way {
            self.settle(delivery).await?;
        }
        Ok(total)
    }

    async fn settle(&mut self, delivery: Delivery) -> Result<(), QueryError> {
        let delivered = delivery.delivered().await?;
        if let Some(end) = self.ends.get_mut(delivered.partition as usize) {
            *end = (*end).max(delivered.offset + 1);
        }
        Ok(())
    }

    /// The rows of a batch that the topic has, from the mark on.
    async fn written(&self, mark: &str, query: Uuid, batch: i64) -> Result<HashSet<usize>, QueryError> {
        let from = parse_mark(&self.topic, mark)
            .ok_or_else(|| QueryError::analysis(format!("the offset log does not say where topic {} ended", self.topic)))?;
        let prefix = header(query, batch);
        let mut reader = TopicReader::open(&self.client, &self.topic).await?;
        let (starts, ends) = (reader.starts().await?, reader.ends().await?);
        // After a power cut a topic that was not synced may end before the mark.
        let clamped = from.iter().zip(starts.iter().zip(&ends)).map(|(from, (start, end))| *from.max(start).min(end));
        let mut positions: Vec<i64> = clamped.collect();
        let mut rows = HashSet::new();
        while positions.iter().zip(&ends).any(|(position, end)| position < end) {
            let before = positions.clone();
            for part in reader.fetch(&positions, Duration::from_secs(5), 8 * 1024 * 1024).await? {
                let place = part.partition as usize;
                let Some(last) = part.batches.last() else { continue };
                let next = last.last_offset() + 1;
                let fetched = millstream_client::Fetched { batches: part.batches, high_watermark: part.high_watermark };
                for record in fetched.records(before[place])? {
                    let value = record.headers.iter().find(|header| header.key == BATCH_HEADER).and_then(|header| header.value.as_deref());
                    let row = value.and_then(|value| std::str::from_utf8(value).ok()?.strip_prefix(&prefix)?.parse::<usize>().ok());
                    rows.extend(row);
                }
                positions[place] = next;
            }
            if positions == before {
                return Err(QueryError::analysis(format!(
                    "topic {} cannot be read to its end, so batch {batch} cannot be recognised",
                    self.topic
                )));
            }
        }
        Ok(rows)
    }

    pub(crate) fn description(&self) -> String {
        format!("KafkaSink[{}]", self.topic)
    }
}

/// What the header of a batch's records begins with; the row's number follows.
fn header(query: Uuid, batch: i64) -> String {
    format!("{query}/{batch}/")
}

fn parse_mark(topic: &str, mark: &str) -> Option<Vec<i64>> {
    let parsed: serde_json::Value = serde_json::from_str(mark).ok()?;
    let partitions = parsed.get(topic)?.as_object()?;
    (0..partitions.len()).map(|index| partitions.get(&index.to_string())?.as_i64()).collect()
}

/// Where a row goes: by its key, else in runs of neighbours, another partition first in each batch. The same in every run.
fn partition(batch: i64, row: usize, total: usize, partitions: usize, key: Option<&[u8]>) -> usize {
    match key {
        Some(key) => millstream_client::partition_of_key(key, partitions as i32) as usize,
        None => (batch as usize + row * partitions / total.max(1)) % partitions.max(1),
    }
}

type KeyValue = (Option<Bytes>, Option<Bytes>);

/// Rows as keys and values: Spark's columns `key` and `value` where there is a `value` of text or bytes, else the whole row as JSON.
fn records(batch: &RecordBatch) -> Result<Vec<KeyValue>, QueryError> {
    let bytes = |name: &str| {
        batch
            .column_by_name(name)
            .filter(|column| matches!(column.data_type(), DataType::Utf8 | DataType::Utf8View | DataType::Binary | DataType::LargeUtf8))
    };
    if let Some(values) = bytes("value") {
        let (keys, values) = (bytes("key").map(texts).transpose()?, texts(values)?);
        let keys = keys.unwrap_or_else(|| vec![None; values.len()]);
        return Ok(keys.into_iter().zip(values).collect());
    }
    Ok(json::encode(batch)?.into_iter().map(|value| (None, Some(value))).collect())
}

fn texts(column: &arrow::array::ArrayRef) -> Result<Vec<Option<Bytes>>, QueryError> {
    let binary = arrow::compute::cast(column, &DataType::Binary)?;
    let binary = binary.as_binary::<i32>();
    Ok((0..binary.len()).map(|row| binary.is_valid(row).then(|| Bytes::copy_from_slice(binary.value(row)))).collect())
}
