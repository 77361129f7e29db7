//! Reading one partition from an offset or a time on, without a group: who reads keeps the place.

use std::time::Duration;

use futures::Stream;
use millstream_protocol::message::list_offsets::{EARLIEST, LATEST};
use millstream_protocol::record::Record;

use crate::client::{Client, TopicInfo};
use crate::error::{Error, ErrorKind};
use crate::fetch::{FetchOptions, PartitionBatches, Wanted, fetch};
use crate::isolation::Isolation;

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
    isolation: Isolation,
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
        Ok(Reader { client, topic, partition, position, bytes_max: 8 * 1024 * 1024, isolation: Isolation::default() })
    }

    /// The offset that is read next.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Goes to another offset.
    pub fn seek(&mut self, offset: i64) {
        self.position = offset;
    }

    /// Reads at most about this much at once.
    pub fn set_bytes_max(&mut self, bytes_max: i32) {
        self.bytes_max = bytes_max;
    }

    /// Reads records of transactions as told; only committed ones unless told otherwise.
    pub fn set_isolation(&mut self, isolation: Isolation) {
        self.isolation = isolation;
    }

    /// Fetches batches from the position on, waiting for the first up to `wait`, and moves the position behind them.
    ///
    /// # Errors
    /// When the offset is not kept any more, or the connection ends.
    pub async fn fetch(&mut self, wait: Duration) -> Result<PartitionBatches, Error> {
        let options =
            FetchOptions { wait, min_bytes: 1, bytes_max: self.bytes_max, partition_bytes_max: self.bytes_max, isolation: self.isolation };
        let wanted =
            Wanted { topic: self.topic.name.as_str().into(), id: self.topic.id, partitions: vec![(self.partition, self.position)] };
        let answered = fetch(&self.client, options, &[wanted]).await?.into_iter().next();
        let answered = answered.ok_or_else(|| {
            let message = format!("reading {}-{}: the partition is missing in the answer", self.topic.name, self.partition);
            Error::new(ErrorKind::BadAnswer, message)
        })?;
        let fetched = answered.fetched?;
        self.position = fetched.next_offset;
        Ok(fetched)
    }

    /// The records from the position on, for ever; waits when there are no more.
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
                let read = reader.fetch(Duration::from_secs(1)).await.and_then(|fetched| fetched.records(from));
                match read {
                    Ok(records) => ready.extend(records),
                    Err(error) => return Some((Err(error), (reader, ready, true))),
                }
            }
        })
    }
}
