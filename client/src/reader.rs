//! Reading one partition from an offset or a time on, without a group: who reads keeps the place.

use std::time::Duration;

use futures::Stream;
use millstream_protocol::limit::INFLATED_BATCH_BYTES_MAX;
use millstream_protocol::message::fetch::{FetchPartition, FetchRequest, FetchTopic};
use millstream_protocol::message::list_offsets::{EARLIEST, LATEST};
use millstream_protocol::record::{Record, RecordBatch};
use millstream_protocol::{ErrorCode, TopicId};

use crate::client::{Client, TopicInfo};
use crate::error::{Error, ErrorKind};

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The first record that is kept.
    Beginning,
    /// The next record to be written.
    End,
    /// An offset.
    Offset(i64),
    /// The first record at or after a time in ms since 1970; the end if there is none.
    Time(i64),
}

/// Reads a partition.
#[derive(Debug)]
pub struct Reader {
    client: Client,
    topic: TopicInfo,
    partition: i32,
    position: i64,
    bytes_max: i32,
    high_watermark: i64,
}

/// What one fetch brought.
#[derive(Debug)]
pub struct Fetched {
    /// Whole batches; the first may begin before the position.
    pub batches: Vec<RecordBatch>,
    /// One past the last record that can be read at present.
    pub high_watermark: i64,
}

impl Reader {
    pub(crate) async fn open(client: Client, topic: &str, partition: i32, start: Start) -> Result<Self, Error> {
        let topic = client.topic(topic).await?;
        let name = topic.name.clone();
        let position = match start {
            Start::Offset(offset) => offset,
            Start::Beginning => client.admin().offset_at(&name, partition, EARLIEST).await?.unwrap_or(0),
            Start::End => client.admin().offset_at(&name, partition, LATEST).await?.unwrap_or(0),
            Start::Time(time) => match client.admin().offset_at(&name, partition, time).await? {
                Some(offset) => offset,
                None => client.admin().offset_at(&name, partition, LATEST).await?.unwrap_or(0),
            },
        };
        Ok(Reader { client, topic, partition, position, bytes_max: 8 * 1024 * 1024, high_watermark: -1 })
    }

    /// The offset that is read next.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Goes to another offset.
    pub fn seek(&mut self, offset: i64) {
        self.position = offset;
    }

    /// The end of what could be read when the last fetch was answered; -1 before the first.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Reads at most about this much at once.
    pub fn set_bytes_max(&mut self, bytes_max: i32) {
        self.bytes_max = bytes_max;
    }

    /// Fetches batches from the position on, waiting for the first up to `wait`, and moves the position behind them.
    ///
    /// # Errors
    /// When the offset is not kept any more, or the connection ends.
    pub async fn fetch(&mut self, wait: Duration) -> Result<Fetched, Error> {
        let partition = FetchPartition {
            partition: self.partition,
            fetch_offset: self.position,
            partition_max_bytes: self.bytes_max,
            ..Default::default()
        };
        let topic = FetchTopic { topic: self.topic.name.as_str().into(), topic_id: self.topic.id, partitions: vec![partition] };
        let request = FetchRequest {
            max_wait_ms: wait.as_millis().min(i32::MAX as u128) as i32,
            min_bytes: 1,
            max_bytes: self.bytes_max,
            topics: vec![topic],
            ..Default::default()
        };
        // A broker without topic ids (before version 13) gets the name, one with them the id.
        let version_max = if self.topic.id == TopicId::ZERO { 12 } else { i16::MAX };
        let answer = self.client.ask_at_most(request, version_max).await?;
        let doing = || format!("reading {}-{} at offset {}", self.topic.name, self.partition, self.position);
        if !answer.error_code.is_none() {
            return Err(Error::refused(answer.error_code, doing(), None));
        }
        let found = answer.responses.into_iter().flat_map(|topic| topic.partitions).next();
        let found =
            found.ok_or_else(|| Error::new(ErrorKind::BadAnswer, format!("{}: the partition is missing in the answer", doing())))?;
        if found.error_code != ErrorCode::NONE {
            return Err(Error::refused(found.error_code, doing(), None));
        }
        let mut batches = Vec::new();
        for batch in found.records.unwrap_or_default().batches() {
            let batch = batch.map_err(|error| Error::new(ErrorKind::BadAnswer, format!("{}: {error}", doing())))?;
            if batch.last_offset() >= self.position {
                batches.push(batch);
            }
        }
        if let Some(last) = batches.last() {
            self.position = last.last_offset() + 1;
        }
        self.high_watermark = found.high_watermark;
        Ok(Fetched { batches, high_watermark: found.high_watermark })
    }

    /// The records from the position on, for ever; waits when there are no more. Control records are left out.
    pub fn into_stream(self) -> impl Stream<Item = Result<Record, Error>> {
        let state = (self, std::collections::VecDeque::<Record>::new(), false);
        futures::stream::unfold(state, |(mut reader, mut ready, has_failed)| async move {
            if has_failed {
                return None;
            }
            loop {
                if let Some(record) = ready.pop_front() {
                    return Some((Ok(record), (reader, ready, false)));
                }
                let from = reader.position;
                let read = reader.fetch(Duration::from_secs(1)).await.and_then(|fetched| records(&fetched.batches, from));
                match read {
                    Ok(records) => ready.extend(records),
                    Err(error) => return Some((Err(error), (reader, ready, true))),
                }
            }
        })
    }
}

/// Shows the records of batches from an offset on, in order. Control records are left out.
pub(crate) fn each_record(batches: &[RecordBatch], from: i64, mut see: impl FnMut(Record)) -> Result<(), Error> {
    for batch in batches.iter().filter(|batch| !batch.is_control()) {
        let damaged = |error: &dyn std::fmt::Display| {
            Error::new(ErrorKind::BadAnswer, format!("the batch at offset {} cannot be read: {error}", batch.base_offset()))
        };
        for record in batch.records(INFLATED_BATCH_BYTES_MAX).map_err(|error| damaged(&error))? {
            let record = record.map_err(|error| damaged(&error))?;
            if record.offset >= from {
                see(record);
            }
        }
    }
    Ok(())
}

fn records(batches: &[RecordBatch], from: i64) -> Result<Vec<Record>, Error> {
    let mut all = Vec::new();
    each_record(batches, from, |record| all.push(record))?;
    Ok(all)
}

impl Fetched {
    /// The records from an offset on.
    ///
    /// # Errors
    /// When a batch cannot be read.
    pub fn records(&self, from: i64) -> Result<Vec<Record>, Error> {
        records(&self.batches, from)
    }
}
