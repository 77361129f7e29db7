//! Results into a topic, exactly once. A batch gives the same rows in the same order whenever it runs, so all that is needed is
//! to know whether, or how far, it was written before:
//!
//! * [`transactions`]: a batch is one transaction, which carries the batch's number; on stable storage. Unless told otherwise.
//! * [`headers`]: a batch that runs again reads which of its rows are there. It waits for no disk (`acks` 1), and gives results to readers of uncommitted records too.

mod headers;
mod transactions;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use bytes::Bytes;
use millstream_client::{Client, NewRecord};
use uuid::Uuid;

use super::Output;
use crate::error::QueryError;
use crate::format::json;
use headers::Headers;
use transactions::Transactions;

/// How a batch that runs again is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Transactions,
    Headers,
}

#[derive(Debug)]
enum DeliveryWay {
    Transactions(Box<Transactions>),
    Headers(Box<Headers>),
}

#[derive(Debug)]
pub(crate) struct TopicSink {
    topic: String,
    way: DeliveryWay,
}

impl TopicSink {
    /// Opens a topic that is there.
    pub(crate) async fn open(client: &Client, topic: &str, query: (&str, Uuid), delivery: Delivery) -> Result<Self, QueryError> {
        let way = match delivery {
            Delivery::Transactions => DeliveryWay::Transactions(Box::new(Transactions::open(client, topic, query).await?)),
            Delivery::Headers => DeliveryWay::Headers(Box::new(Headers::open(client, topic).await?)),
        };
        Ok(TopicSink { topic: topic.to_owned(), way })
    }

    /// The query runs for the first time, from here on.
    pub(crate) async fn begin(&mut self, source: &str, positions: &[i64]) -> Result<(), QueryError> {
        match &mut self.way {
            DeliveryWay::Transactions(transactions) => transactions.begin(source, positions).await,
            DeliveryWay::Headers(_) => Ok(()),
        }
    }

    pub(crate) fn mark(&self) -> Option<String> {
        match &self.way {
            DeliveryWay::Transactions(_) => None,
            DeliveryWay::Headers(headers) => Some(headers.mark()),
        }
    }

    pub(crate) async fn write(&mut self, output: &Output<'_>) -> Result<usize, QueryError> {
        let records: Vec<KeyValue> = output.rows.iter().map(records).collect::<Result<Vec<_>, _>>()?.concat();
        let total = records.len();
        match &mut self.way {
            DeliveryWay::Transactions(transactions) => transactions.write(output, records).await?,
            DeliveryWay::Headers(headers) => headers.write(output, records).await?,
        }
        Ok(total)
    }

    /// Without transactions what was written stays, and is recognised when the batch runs again.
    pub(crate) async fn abandon(&mut self) {
        match &mut self.way {
            DeliveryWay::Transactions(transactions) => transactions.abandon().await,
            DeliveryWay::Headers(_) => {}
        }
    }

    pub(crate) fn description(&self) -> String {
        format!("KafkaSink[{}]", self.topic)
    }
}

/// Where a row goes: by its key, else in runs of neighbours, another partition first in each batch. The same in every run.
fn partition(batch: i64, row: usize, total: usize, partitions: usize, key: Option<&[u8]>) -> usize {
    match key {
        Some(key) => millstream_client::partition_of_key(key, partitions as i32) as usize,
        None => (batch as usize + row * partitions / total.max(1)) % partitions.max(1),
    }
}

type KeyValue = (Option<Bytes>, Option<Bytes>);

/// Every record says in this header which row of which batch of which query it is.
const BATCH_HEADER: &str = "millstream.batch";

/// What the header of a batch's records begins with; the row's number follows.
fn batch_prefix(query: Uuid, batch: i64) -> String {
    format!("{query}/{batch}/")
}

fn new_record(topic: &str, partition: usize, prefix: &str, row: usize, (key, value): KeyValue) -> NewRecord {
    let mut record = NewRecord::to(topic).partition(partition as i32).header(BATCH_HEADER, format!("{prefix}{row}"));
    if let Some(key) = key {
        record = record.key(key);
    }
    if let Some(value) = value {
        record = record.value(value);
    }
    record
}

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
