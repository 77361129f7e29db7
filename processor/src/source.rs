//! The topic as a source. What one fetch brings is the batch, as long as it is all that waits. When more waits, the batch takes the same
//! share of it in every partition: [`way`].
//!
//! After a restart the same ranges are read again by offset, so a batch that was planned has the same rows.

mod way;

use std::collections::HashSet;
use std::time::Duration;

use arrow::array::RecordBatch;
use millstream_client::{Client, Error, ErrorCode, PartitionBatches, Record, TopicReader};

use crate::error::QueryError;
use crate::format::rows::{CHUNK_ROWS, MadeRows, RowMaker};
use crate::limit;
use crate::table::{StartingOffsets, Table};
use way::{Way, share_out};

/// How long a fetch waits for what was told to be there.
const BEHIND_WAIT: Duration = Duration::from_millis(100);
/// How long a read by offset waits for records that must be there.
const READ_WAIT: Duration = Duration::from_secs(5);

/// A table being read as a stream.
pub(crate) struct TopicSource {
    pub table: Table,
    reader: TopicReader,
    maker: RowMaker,
}

/// What was fetched for a batch, and where the batch ends.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// For every partition its parts in order, each with the offset that it was fetched from.
    parts: Vec<Vec<(i64, PartitionBatches)>>,
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

    /// Looks for partitions that were added since; they are read from their beginning.
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

    /// Fetches what is there, waiting up to `wait` for the first record, and says where the batch ends, which is not beyond `end_max`.
    pub(crate) async fn fetch(&mut self, positions: &mut [i64], wait: Duration, end_max: Option<&[i64]>) -> Result<Fetched, QueryError> {
        let parts = match self.ask(&everywhere(positions), wait, limit::BATCH_BYTES_MAX, limit::PARTITION_FETCH_BYTES_MIN).await {
            Err(error) if is_lost(&error) => {
                self.after_loss(positions).await?;
                self.ask(&everywhere(positions), wait, limit::BATCH_BYTES_MAX, limit::PARTITION_FETCH_BYTES_MIN).await?
            }
            other => other?,
        };
        let mut latest = positions.to_vec();
        for part in &parts {
            let latest = &mut latest[part.partition as usize];
            *latest = part.end_offset.max(*latest);
        }
        let mut goal = latest.clone();
        if let Some(end_max) = end_max {
            for ((goal, end_max), position) in goal.iter_mut().zip(end_max).zip(positions.iter()) {
                *goal = (*goal).min(*end_max).max(*position);
            }
        }
        if let Some(budget) = self.table.offsets_per_trigger_max {
            share_out(positions, &mut goal, budget);
        }
        let way = Way { start: positions.to_vec(), reached: positions.to_vec(), goal };
        self.gather(way, parts, latest).await
    }

    /// Fetches on until the batch is whole, or has enough of every partition.
    async fn gather(&mut self, mut way: Way, mut parts: Vec<PartitionBatches>, latest: Vec<i64>) -> Result<Fetched, QueryError> {
        let mut fetched = Fetched { parts: way.start.iter().map(|_| Vec::new()).collect(), end: Vec::new(), latest };
        let mut bytes = 0;
        let mut each_min = limit::PARTITION_FETCH_BYTES_MIN;
        let nothing_waits = parts.iter().all(|part| part.next_offset <= way.start[part.partition as usize]);
        loop {
            let before = way.reached.clone();
            for part in parts {
                let place = part.partition as usize;
                bytes += part.batches.iter().map(|batch| batch.total_bytes()).sum::<usize>();
                way.reached[place] = part.next_offset.max(before[place]);
                fetched.parts[place].push((before[place], part));
            }
            let behind = way.behind();
            let is_enough = bytes >= limit::BATCH_BYTES_MAX / 2 && way.common() > 0.0;
            if behind.is_empty() || is_enough || nothing_waits {
                break;
            }
            let bytes_max = limit::BATCH_BYTES_MAX.saturating_sub(bytes).max(limit::BEHIND_FETCH_BYTES_MAX);
            parts = match self.ask(&behind, BEHIND_WAIT, bytes_max, each_min).await {
                // The next fetch begins where the batch would have, and finds out what is left.
                Err(error) if is_lost(&error) => {
                    way.reached.clone_from(&way.start);
                    break;
                }
                other => other?,
            };
            match parts.iter().filter(|part| part.next_offset > way.reached[part.partition as usize]).count() {
                0 => way.leave_out(&behind),
                // Only the first partition of a fetch is given a batch that is larger than what each may bring.
                1 => each_min = (2 * each_min).min(limit::PARTITION_FETCH_BYTES_MAX),
                _ => {}
            }
        }
        fetched.end = way.end();
        Ok(fetched)
    }

    /// One fetch of some partitions. None of them takes the room of all.
    async fn ask(
        &mut self,
        from: &[(i32, i64)],
        wait: Duration,
        bytes_max: usize,
        each_min: usize,
    ) -> Result<Vec<PartitionBatches>, Error> {
        let each = (bytes_max / from.len().max(1)).max(each_min);
        self.reader.fetch_from(from, wait, bytes_max as i32, each as i32).await
    }

    fn ends_early(&self) -> QueryError {
        QueryError::DataLoss(format!("topic {} ends before the batch that was planned", self.table.topic))
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

    /// Makes rows of what was fetched, partition by partition: a batch that runs again must have its rows in the same order.
    pub(crate) fn rows(&mut self, fetched: &Fetched) -> Result<Input, QueryError> {
        let mut input = Input::default();
        for (parts, end) in fetched.parts.iter().zip(&fetched.end) {
            for (from, part) in parts {
                self.append(&mut input, part, *from, *end)?;
            }
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
        let MadeRows { batch, malformed } = self.maker.rows(&self.table, partition, records)?;
        input.records += records.len();
        input.malformed += malformed;
        input.batches.push(batch);
        Ok(())
    }

    /// Reads exactly the ranges of a batch that was planned before.
    pub(crate) async fn replay(&mut self, start: &[i64], end: &[i64]) -> Result<Input, QueryError> {
        let mut inputs: Vec<Input> = start.iter().map(|_| Input::default()).collect();
        let mut positions = start.to_vec();
        loop {
            let missing = (0..).zip(positions.iter().zip(end)).filter(|(_, (position, end))| position < end);
            let missing: Vec<(i32, i64)> = missing.map(|(partition, (position, _))| (partition, *position)).collect();
            if missing.is_empty() {
                break;
            }
            let parts = match self.ask(&missing, READ_WAIT, limit::BATCH_BYTES_MAX, limit::PARTITION_FETCH_BYTES_MIN).await {
                Err(error) if is_lost(&error) => {
                    self.after_loss(&mut positions).await?;
                    continue;
                }
                other => other?,
            };
            let before = positions.clone();
            for part in &parts {
                let place = part.partition as usize;
                self.append(&mut inputs[place], part, before[place], end[place])?;
                positions[place] = positions[place].max(part.next_offset);
            }
            if positions == before {
                return Err(self.ends_early());
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

fn everywhere(positions: &[i64]) -> Vec<(i32, i64)> {
    (0..).zip(positions.iter().copied()).collect()
}

fn is_lost(error: &Error) -> bool {
    error.code() == Some(ErrorCode::OFFSET_OUT_OF_RANGE)
}
