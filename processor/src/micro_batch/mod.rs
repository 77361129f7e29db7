//! The loop of a query: plan a batch, run it, commit it.
//!
//! Offsets are on disk before a batch runs, its commit after the sink accepted it; whatever happens between, the batch
//! runs again with the same rows under the same watermark, and the sink recognises what it has.

mod progress;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arrow::array::RecordBatch;
use tokio::sync::watch;

use crate::checkpoint::Checkpoint;
use crate::checkpoint::logs::OffsetEntry;
use crate::containment::contain;
use crate::error::QueryError;
use crate::operator::aggregate::{StateMetrics, Watermarks};
use crate::output_mode::OutputMode;
use crate::plan::StreamingPlan;
use crate::query::Shared;
use crate::sink::{Output, Sink};
use crate::source::{Input, TopicSource};
use crate::state::StateStore;
use crate::trigger::Trigger;
use crate::watermark::{EventTimes, Tracker};
pub(crate) use progress::iso;
use progress::{Measured, Report};

/// How long a fetch waits for the first record before the loop looks around.
const FETCH_WAIT: Duration = Duration::from_millis(500);
/// How often new partitions are looked for.
const DISCOVER_EVERY: Duration = Duration::from_secs(5);
/// How long a batch may go on after the query was asked to stop; then it is cut off, and runs again when the query does.
const STOP_PATIENCE: Duration = Duration::from_secs(2);
/// How long the sink may take to abort what a batch has begun.
const ABANDON_PATIENCE: Duration = Duration::from_secs(3);
/// Where the offset log keeps what the sink said.
const SINK_MARK: &str = "millstream.sink.mark";
const OUTPUT_MODE: &str = "millstream.output.mode";
const QUERY_TEXT: &str = "millstream.query";

/// A query with everything that it needs to run.
pub(crate) struct Execution {
    pub plan: StreamingPlan,
    pub source: TopicSource,
    pub sink: Sink,
    pub checkpoint: Checkpoint,
    pub trigger: Trigger,
    pub text: String,
    pub shared: std::sync::Arc<Shared>,
}

/// Where the loop is.
struct Place {
    batch: i64,
    positions: Vec<i64>,
    watermark_ms: i64,
    /// What the batch before evicted with; rows below it are late.
    evicted_ms: i64,
    store: Option<StateStore>,
    has_run: bool,
}

/// A batch that is about to run.
struct Planned {
    end: Vec<i64>,
    latest: Vec<i64>,
    input: Input,
    timestamp_ms: i64,
    replayed_from: Option<String>,
    is_logged: bool,
}

fn now_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the processor's door to the clock")]
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

impl Execution {
    /// Runs until it is stopped, fails, or its trigger says that it is done. A panic is a failure like others. Whatever ends a batch before
    /// its commit, the sink aborts what it has of it: a transaction that stays open would hide everything behind it from readers.
    pub(crate) async fn run(mut self, stop: watch::Receiver<bool>) -> Result<(), QueryError> {
        let mut stopped = stop.clone();
        let is_overdue = async {
            let _ = stopped.wait_for(|stop| *stop).await;
            tokio::time::sleep(STOP_PATIENCE).await;
        };
        let ended = tokio::select! {
            ended = contain(self.batches(stop)) => Some(ended),
            () = is_overdue => None,
        };
        if !matches!(ended, Some(Ok(()))) && tokio::time::timeout(ABANDON_PATIENCE, self.sink.abandon()).await.is_err() {
            tracing::warn!(query = self.shared.name, "the sink did not abort in time what the last batch had begun");
        }
        ended.unwrap_or(Ok(()))
    }

    async fn batches(&mut self, mut stop: watch::Receiver<bool>) -> Result<(), QueryError> {
        let mut place = self.recover().await?;
        // There may be more partitions than when the query last ran.
        self.source.discover(&mut place.positions).await?;
        let targets = match self.trigger {
            Trigger::AvailableNow => Some(self.source.latest().await?),
            Trigger::Default | Trigger::ProcessingTime(_) => None,
        };
        let mut discovered = Instant::now();
        // The holder of its handle may also just be gone.
        while !*stop.borrow() && stop.has_changed().is_ok() {
            if let Some(next_ms) = self.trigger.next_ms(now_ms()) {
                let pause = Duration::from_millis((next_ms - now_ms()).max(0) as u64);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = stop.changed() => continue,
                }
            }
            if discovered.elapsed() >= DISCOVER_EVERY && targets.is_none() {
                discovered = Instant::now();
                self.source.discover(&mut place.positions).await?;
            }
            let is_final_due = self.wants_batch_without_data(&place);
            let is_done = targets.as_ref().is_some_and(|targets| place.positions.iter().zip(targets).all(|(at, target)| at >= target));
            if is_done && !is_final_due {
                return Ok(());
            }
            let wait = match self.trigger {
                Trigger::Default if !is_final_due => FETCH_WAIT,
                _ => Duration::ZERO,
            };
            let begun = Instant::now();
            let fetched = tokio::select! {
                fetched = self.source.fetch(&mut place.positions, wait, targets.as_deref()) => fetched?,
                _ = stop.changed() => continue,
            };
            let has_data = fetched.end != place.positions;
            if !has_data && !is_final_due {
                continue;
            }
            let measured = Measured::begin(if wait.is_zero() { begun } else { Instant::now() });
            let input = self.source.rows(&fetched)?;
            let planned =
                Planned { end: fetched.end, latest: fetched.latest, input, timestamp_ms: now_ms(), replayed_from: None, is_logged: false };
            self.batch(&mut place, planned, measured).await?;
        }
        Ok(())
    }

    /// Finds out where the last run ended, and finishes its last batch (Spark's rules, MicroBatchExecution.populateStartOffsets).
    async fn recover(&mut self) -> Result<Place, QueryError> {
        self.checkpoint.create_logs()?;
        let topic = self.source.table.topic.clone();
        let (planned, committed) = (self.checkpoint.newest_offsets()?, self.checkpoint.newest_commit()?);
        let Some(last) = planned else {
            // Where the query begins is fixed once, even if it is stopped before its first batch.
            let positions = match self.checkpoint.read_start(&topic)? {
                Some(start) => start,
                None => {
                    let start = self.source.start().await?;
                    self.checkpoint.write_start(&topic, &start)?;
                    start
                }
            };
            self.sink.begin(&topic, &positions).await?;
            return Ok(Place { batch: 0, positions, watermark_ms: 0, evicted_ms: 0, store: self.load(0)?, has_run: false });
        };
        let entry = self.checkpoint.read_offsets(last, &topic)?;
        self.check_same_query(&entry)?;
        if committed == Some(last) {
            let watermark_ms = entry.watermark_ms.max(self.checkpoint.read_commit(last)?);
            let evicted_ms = entry.watermark_ms;
            return Ok(Place {
                batch: last + 1,
                positions: entry.end,
                watermark_ms,
                evicted_ms,
                store: self.load(last + 1)?,
                has_run: false,
            });
        }
        let (start, evicted_ms) = if last == 0 {
            let start = self.checkpoint.read_start(&topic)?;
            (start.ok_or_else(|| QueryError::checkpoint(&self.checkpoint.dir, "sources/0/0 is missing"))?, 0)
        } else {
            let before = self.checkpoint.read_offsets(last - 1, &topic)?;
            (before.end, before.watermark_ms)
        };
        let mut start = start;
        // A partition that the batch was the first to see was read from its beginning.
        if start.len() < entry.end.len() {
            let beginnings = self.source.beginnings().await?;
            start.extend(beginnings.iter().zip(&entry.end).skip(start.len()).map(|(beginning, end)| beginning.min(end)));
        }
        let mut place =
            Place { batch: last, positions: start, watermark_ms: entry.watermark_ms, evicted_ms, store: self.load(last)?, has_run: false };
        let measured = Measured::begin(Instant::now());
        let input = self.source.replay(&place.positions, &entry.end).await?;
        let planned = Planned {
            latest: entry.end.clone(),
            end: entry.end,
            input,
            timestamp_ms: entry.timestamp_ms,
            replayed_from: entry.conf.get(SINK_MARK).cloned(),
            is_logged: true,
        };
        self.batch(&mut place, planned, measured).await?;
        Ok(place)
    }

    fn load(&self, version: i64) -> Result<Option<StateStore>, QueryError> {
        self.plan.stateful.as_ref().map(|_| StateStore::load(&self.checkpoint, 0, version)).transpose()
    }

    /// A checkpoint is of one query: going on with another one would give results of neither.
    fn check_same_query(&self, entry: &OffsetEntry) -> Result<(), QueryError> {
        let is_other = |key: &str, own: &str| entry.conf.get(key).is_some_and(|stored| stored != own);
        if is_other(QUERY_TEXT, &self.text) || is_other(OUTPUT_MODE, self.plan.mode.name()) {
            let reason = "belongs to another query, or to this one before it was changed; drop the table and create it anew, which begins from the start";
            return Err(QueryError::checkpoint(&self.checkpoint.dir, reason));
        }
        Ok(())
    }

    /// Whether a batch without data would emit or evict something.
    fn wants_batch_without_data(&self, place: &Place) -> bool {
        place.has_run
            && self.plan.stateful.is_some()
            && self.plan.watermark.is_some()
            && self.plan.mode != OutputMode::Complete
            && place.watermark_ms > place.evicted_ms.max(0)
    }

    async fn batch(&mut self, place: &mut Place, planned: Planned, mut measured: Measured) -> Result<(), QueryError> {
        let topic = self.source.table.topic.clone();
        measured.lap("latestOffset");
        if !planned.is_logged {
            let mut conf =
                BTreeMap::from([(QUERY_TEXT.to_owned(), self.text.clone()), (OUTPUT_MODE.to_owned(), self.plan.mode.name().to_owned())]);
            conf.extend(self.sink.mark().map(|mark| (SINK_MARK.to_owned(), mark)));
            let entry =
                OffsetEntry { watermark_ms: place.watermark_ms, timestamp_ms: planned.timestamp_ms, end: planned.end.clone(), conf };
            self.checkpoint.write_offsets(place.batch, &topic, &entry)?;
            self.checkpoint.purge(place.batch)?;
        }
        measured.lap("walCommit");
        let mut seen = EventTimes::default();
        if let Some(watermark) = self.plan.watermark {
            planned.input.batches.iter().for_each(|batch| seen.observe(batch.column(watermark.column)));
        }
        let (records, malformed) = (planned.input.records, planned.input.malformed);
        let watermarks = Watermarks { late_ms: place.evicted_ms, eviction_ms: place.watermark_ms };
        let (rows, state) =
            self.execute(place, planned.input.batches, watermarks).await.map_err(|error| self.in_batch(place.batch, error))?;
        let output = Output {
            query: self.checkpoint.id,
            batch: place.batch,
            rows: &rows,
            source: &topic,
            end: &planned.end,
            is_replayed: planned.is_logged,
            replayed_from: planned.replayed_from.as_deref(),
        };
        let written = self.sink.write(&output).await?;
        if let Some(store) = &mut place.store {
            store.commit()?;
        }
        measured.lap("addBatch");
        let used_watermark_ms = place.watermark_ms;
        if let Some(watermark) = self.plan.watermark {
            let mut tracker = Tracker { delay_ms: watermark.delay_ms, watermark_ms: place.watermark_ms };
            tracker.advance(&seen);
            place.watermark_ms = tracker.watermark_ms;
        }
        self.checkpoint.write_commit(place.batch, place.watermark_ms)?;
        measured.lap("commitOffsets");
        let report = Report {
            batch: place.batch,
            timestamp_ms: planned.timestamp_ms,
            records,
            malformed,
            written,
            start: &place.positions,
            end: &planned.end,
            latest: &planned.latest,
            seen,
            watermark_ms: self.plan.watermark.map(|_| used_watermark_ms),
            state: place.store.as_ref().map(|store| (store.len(), store.bytes(), state)),
            source: self.source.description(),
            topic: &topic,
            sink: self.sink.description(),
        };
        self.shared.report(report.json(&self.shared, &measured));
        place.positions = planned.end;
        place.evicted_ms = used_watermark_ms;
        place.batch += 1;
        place.has_run = true;
        Ok(())
    }

    fn in_batch(&self, batch: i64, error: QueryError) -> QueryError {
        match error {
            QueryError::Plan(error) => QueryError::Execution { batch, error: error.to_string() },
            other => other,
        }
    }

    async fn execute(
        &mut self,
        place: &mut Place,
        batches: Vec<RecordBatch>,
        watermarks: Watermarks,
    ) -> Result<(Vec<RecordBatch>, StateMetrics), QueryError> {
        let rows = if batches.is_empty() { Vec::new() } else { self.plan.lower.run(batches).await? };
        match (&mut self.plan.stateful, &mut place.store) {
            (Some((operator, upper)), Some(store)) => {
                let (output, metrics) = operator.execute(&rows, store, watermarks)?;
                let rows = if output.num_rows() == 0 { Vec::new() } else { upper.run(vec![output]).await? };
                Ok((rows, metrics))
            }
            _ => Ok((rows, StateMetrics::default())),
        }
    }
}
