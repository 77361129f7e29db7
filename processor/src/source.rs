//! The topic as a source: what is there beyond the position is fetched once, and what was fetched is the batch.
//!
//! After a restart the same ranges are read again by offset, so a batch that was planned has the same rows.

use std::collections::HashSet;
use std::time::Duration;

use arrow::array::RecordBatch;
use millstream_client::{Client, ErrorCode, PartitionBatches, Record, TopicReader};

use crate::error::QueryError;
use crate::format::rows::{CHUNK_ROWS, RowMaker, Rows};
use crate::table::{StartingOffsets, Table};

/// The most that one fetch brings, over all partitions.
const FETCH_BYTES_MAX: i32 = 32 * 1024 * 1024;
/// How long a read by offset waits for records that must be there.
const REPLAY_WAIT: Duration = Duration::from_secs(5);

/// A table being read as a stream.
pub(crate) struct TopicSource {
    pub table: Table,
    reader: TopicReader,
    maker: RowMaker,
}

/// What a fetch brought, and where it ends.
#[derive(Debug)]
pub(crate) struct Fetched {
    parts: Vec<PartitionBatches>,
    pub end: Vec<i64>,
    pub latest: Vec<i64>,
}

/// The rows of a batch.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pub batches: Vec<RecordBatch>,
    pub records: usize,
    pub malformed: usize,
}

impl TopicSource {
    pub(crate) async fn open(client: &Client, table: Table, used: HashSet<usize>) -> Result<Self, QueryError> {
        let reader = TopicReader::open(client, &table.topic).await?;
        let maker = RowMaker::new(&table, used)?;
        Ok(TopicSource { table, reader, maker })
    }

    /// Where a query without a checkpoint begins.
    pub(crate) async fn start(&self) -> Result<Vec<i64>, QueryError> {
        let starts = self.reader.starts().await?;
        let ends = self.reader.ends().await?;
        match &self.table.starting {
            StartingOffsets::Earliest => Ok(starts),
            StartingOffsets::Latest => Ok(ends),
            StartingOffsets::Each(offsets) if offsets.len() == starts.len() => {
                let resolve = |(place, offset): (usize, &i64)| match offset {
                    -2 => starts[place],
                    -1 => ends[place],
                    offset => *offset,
                };
                Ok(offsets.iter().enumerate().map(resolve).collect())
            }
            StartingOffsets::Each(_) => Err(QueryError::analysis("startingOffsets: you must specify all TopicPartitions")),
        }
    }

    /// The first offset of every partition at present.
    pub(crate) async fn beginnings(&self) -> Result<Vec<i64>, QueryError> {
        Ok(self.reader.starts().await?)
    }

    /// The end of every partition at present.
    pub(crate) async fn latest(&self) -> Result<Vec<i64>, QueryError> {
        Ok(self.reader.ends().await?)
    }

    /// Partitions that were added since are read from their beginning. Says whether there are any.
    pub(crate) async fn discover(&mut self, positions: &mut Vec<i64>) -> Result<(), QueryError> {
        self.reader.refresh().await?;
        let partitions = self.reader.topic().partitions as usize;
        if partitions > positions.len() {
            let starts = self.reader.starts().await?;
            positions.extend(starts.into_iter().skip(positions.len()));
        }
        if partitions < positions.len() {
            return Err(QueryError::DataLoss(format!("topic {} was made anew with fewer partitions", self.table.topic)));
        }
        Ok(())
    }

    /// Fetches what is there, waiting up to `wait` for the first record, and not beyond `end_max`.
    pub(crate) async fn fetch(&mut self, positions: &mut [i64], wait: Duration, end_max: Option<&[i64]>) -> Result<Fetched, QueryError> {
        let parts = match self.reader.fetch(positions, wait, FETCH_BYTES_MAX).await {
            Err(error) if error.code() == Some(ErrorCode::OFFSET_OUT_OF_RANGE) => {
                self.after_loss(positions).await?;
                self.reader.fetch(positions, wait, FETCH_BYTES_MAX).await?
            }
            other => other?,
        };
        let mut end = positions.to_vec();
        let mut latest = end.clone();
        for part in &parts {
            let place = part.partition as usize;
            latest[place] = latest[place].max(part.end_offset);
            end[place] = part.next_offset;
        }
        if let Some(budget) = self.table.offsets_per_trigger_max {
            limit(positions, &mut end, budget);
        }
        if let Some(end_max) = end_max {
            end.iter_mut().zip(end_max).for_each(|(end, end_max)| *end = (*end).min(*end_max));
            end.iter_mut().zip(positions.iter()).for_each(|(end, position)| *end = (*end).max(*position));
        }
        Ok(Fetched { parts, end, latest })
    }

    /// Records were deleted before they were read: an error, or the first that is left.
    async fn after_loss(&self, positions: &mut [i64]) -> Result<(), QueryError> {
        let (starts, ends) = (self.reader.starts().await?, self.reader.ends().await?);
        for (partition, position) in positions.iter_mut().enumerate() {
            let (start, end) = (starts[partition], ends[partition]);
            if *position < start || *position > end {
                let sentence = format!(
                    "offset {position} of {}-{partition} is not there any more: the partition has {start} to {end}",
                    self.table.topic
                );
                if self.table.fails_on_data_loss {
                    return Err(QueryError::DataLoss(sentence));
                }
                tracing::warn!("{sentence}; going on at {start}");
                *position = start;
            }
        }
        Ok(())
    }

    /// Makes rows of what was fetched.
    pub(crate) fn rows(&mut self, start: &[i64], fetched: &Fetched) -> Result<Input, QueryError> {
        let mut input = Input::default();
        // Whatever the order of the answer: a batch that runs again must have its rows in the same order.
        let mut parts: Vec<&PartitionBatches> = fetched.parts.iter().collect();
        parts.sort_by_key(|part| part.partition);
        for part in parts {
            let place = part.partition as usize;
            self.append(&mut input, part, start[place], fetched.end[place])?;
        }
        Ok(input)
    }

    fn append(&mut self, input: &mut Input, part: &PartitionBatches, from: i64, to: i64) -> Result<(), QueryError> {
        let mut records = Vec::new();
        let mut result = Ok(());
        part.each_record(from, |record| {
            if record.offset < to && result.is_ok() {
                records.push(record);
                if records.len() == CHUNK_ROWS {
                    result = self.append_rows(input, part.partition, &records);
                    records.clear();
                }
            }
        })?;
        result?;
        if records.is_empty() { Ok(()) } else { self.append_rows(input, part.partition, &records) }
    }

    fn append_rows(&mut self, input: &mut Input, partition: i32, records: &[Record]) -> Result<(), QueryError> {
        let Rows { batch, malformed } = self.maker.rows(&self.table, partition, records)?;
        input.records += records.len();
        input.malformed += malformed;
        input.batches.push(batch);
        Ok(())
    }

    /// Reads exactly the ranges of a batch that was planned before.
    pub(crate) async fn replay(&mut self, start: &[i64], end: &[i64]) -> Result<Input, QueryError> {
        let mut inputs: Vec<Input> = start.iter().map(|_| Input::default()).collect();
        let mut positions = start.to_vec();
        while positions.iter().zip(end).any(|(position, end)| position < end) {
            let before = positions.clone();
            // Partitions that are done are asked for at their end, which brings nothing that counts.
            let parts = self.reader.fetch(&positions, REPLAY_WAIT, FETCH_BYTES_MAX).await;
            let parts = match parts {
                Err(error) if error.code() == Some(ErrorCode::OFFSET_OUT_OF_RANGE) => {
                    self.after_loss(&mut positions).await?;
                    continue;
                }
                other => other?,
            };
            for part in &parts {
                let place = part.partition as usize;
                self.append(&mut inputs[place], part, before[place], end[place])?;
                positions[place] = positions[place].max(part.next_offset);
            }
            if positions == before {
                return Err(QueryError::DataLoss(format!("topic {} ends before the batch that was planned", self.table.topic)));
            }
        }
        let mut input = Input::default();
        for part in inputs {
            input.batches.extend(part.batches);
            input.records += part.records;
            input.malformed += part.malformed;
        }
        Ok(input)
    }

    pub(crate) fn description(&self) -> String {
        format!("KafkaV2[Subscribe[{}]]", self.table.topic)
    }
}

/// Shares a budget of offsets over partitions in proportion to what waits in each; a share below one is rounded up, so that
/// no partition starves (KafkaMicroBatchStream.rateLimit).
fn limit(start: &[i64], end: &mut [i64], budget: i64) {
    let waiting: Vec<i64> = start.iter().zip(end.iter()).map(|(start, end)| end - start).collect();
    let total: i64 = waiting.iter().sum();
    if total <= budget {
        return;
    }
    for (place, waiting) in waiting.iter().enumerate() {
        let share = budget as f64 * *waiting as f64 / total as f64;
        let share = if share < 1.0 { share.ceil() } else { share.floor() } as i64;
        end[place] = start[place] + share.min(*waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_shared_as_spark_shares_it() {
        let mut end = [1000, 10, 1];
        limit(&[0, 0, 0], &mut end, 100);
        assert_eq!(end, [98, 1, 1]);
        let mut end = [5, 7, 1];
        limit(&[5, 5, 1], &mut end, 10);
        assert_eq!(end, [5, 7, 1]);
    }
}
