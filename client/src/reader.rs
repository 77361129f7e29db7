//! Reading one partition from an offset or a time on, without a group: the caller keeps the position.

use std::collections::VecDeque;
use std::time::Duration;

use futures::Stream;
use millstream_protocol::message::list_offsets::{EARLIEST, LATEST};
use millstream_protocol::record::Record;

use crate::client::{Client, TopicInfo};
use crate::error::{Error, ErrorKind};
use crate::fetch::{FetchOptions, PartitionBatches, Wanted, fetch};
use crate::isolation::Isolation;
use crate::limit;

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
    isolation: Isolation,
}

impl Client {
    /// Reads a partition of a topic from a place on.
    ///
    /// # Errors
    /// When the topic or partition does not exist, or the place cannot be found.
    pub async fn reader(&self, topic: &str, partition: i32, start: Start) -> Result<Reader, Error> {
        Reader::open(self.clone(), topic, partition, start).await
    }
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
        Ok(Reader { client, topic, partition, position, isolation: Isolation::default() })
    }

    /// The offset that is read next.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Goes to another offset.
    pub fn seek(&mut self, offset: i64) {
        self.position = offset;
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
        let options = FetchOptions {
            wait,
            min_bytes: 1,
            bytes_max: limit::READ_BYTES_MAX,
            partition_bytes_max: limit::READ_BYTES_MAX,
            isolation: self.isolation,
        };
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

    /// The records from the position on, for ever; waits when there are no more. It ends with the first error, behind all records that
    /// arrived before it.
    pub fn into_stream(self) -> impl Stream<Item = Result<Record, Error>> {
        let state = (Some(self), VecDeque::<Result<Record, Error>>::new());
        futures::stream::unfold(state, |(mut reader, mut ready)| async move {
            loop {
                if let Some(item) = ready.pop_front() {
                    return Some((item, (reader, ready)));
                }
                // After an error there is no reader any more.
                let mut reading = reader.take()?;
                let from = reading.position;
                let read = match reading.fetch(Duration::from_secs(1)).await {
                    Ok(fetched) => fetched.each_record(from, |record| ready.push_back(Ok(record))),
                    Err(error) => Err(error),
                };
                match read {
                    Ok(()) => reader = Some(reading),
                    Err(error) => ready.push_back(Err(error)),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use futures::StreamExt;
    use millstream_protocol::message::fetch::{FetchPartitionResponse, FetchResponse, FetchTopicResponse};
    use millstream_protocol::message::metadata::{MetadataResponse, MetadataTopic};
    use millstream_protocol::record::{BatchBuilder, Codec, NewRecord, Piece, RecordBatch};
    use millstream_protocol::{Records, Request, TopicId};

    use super::*;
    use crate::scripted::{answer, scripted};

    const ID: TopicId = TopicId([1; 16]);

    /// A batch of two records and one that cannot be read.
    fn fetched() -> FetchResponse {
        let mut builder = BatchBuilder::new(Codec::None);
        for _ in 0..2 {
            builder.push(NewRecord { value: Some(b"v"), ..NewRecord::default() });
        }
        let whole = builder.build().unwrap();
        let mut bytes = BytesMut::from(&whole.to_bytes()[..]);
        // No codec has this number.
        bytes[22] = 7;
        let damaged = RecordBatch::new(bytes.freeze()).unwrap().stamped(2, 0);
        let records = Some(Records::from_pieces(vec![Piece::Batch(whole), Piece::Batch(damaged)]));
        let partition = FetchPartitionResponse { high_watermark: 4, records, ..Default::default() };
        let topic = FetchTopicResponse { topic_id: ID, partitions: vec![partition], ..Default::default() };
        FetchResponse { responses: vec![topic], ..Default::default() }
    }

    #[tokio::test]
    async fn records_that_arrived_before_a_damaged_batch_are_handed_out() {
        let (client, _) = scripted(|request| match request {
            Request::Metadata(_) => {
                let topic = MetadataTopic { name: Some("t".into()), topic_id: ID, ..Default::default() };
                answer(MetadataResponse { topics: vec![topic], ..Default::default() })
            }
            Request::Fetch(_) => answer(fetched()),
            other => panic!("{other:?}"),
        });
        let reader = client.reader("t", 0, Start::Offset(0)).await.unwrap();
        let items: Vec<Result<Record, Error>> = reader.into_stream().collect().await;
        let offsets: Vec<Option<i64>> = items.into_iter().map(|item| item.ok().map(|record| record.offset)).collect();
        assert_eq!(offsets, [Some(0), Some(1), None]);
    }
}
