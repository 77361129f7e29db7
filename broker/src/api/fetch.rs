//! Fetch: reads what is there; if that is less than the client wants, parks until a partition has more or the time is up.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::fetch::{
    AbortedTransaction, EpochAndOffset, FetchPartitionResponse, FetchRequest, FetchResponse, FetchTopicResponse,
};
use millstream_protocol::record::{Piece, RecordBatch, Records};
use millstream_protocol::{ErrorCode, Response};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Context, check_leader_epoch, off_thread, read_error};
use crate::broker::Broker;
use crate::fetch_session::{Opened, Told, Wanted};
use crate::limit;
use crate::log::LogError;
use crate::log::index::Aborted;
use crate::log::read::ReadPlan;
use crate::log::send::Sendable;
use crate::metrics::Metrics;
use crate::partition::read::{Read, ReadOutcome};
use crate::partition::{Partition, Positions};

pub(crate) fn fetch(broker: &Arc<Broker>, context: &Context, request: FetchRequest) -> BoxFuture<'static, Response> {
    let failed = |code| futures::future::ready(FetchResponse { error_code: code, ..Default::default() }.into()).boxed();
    let opened = match broker.sessions.open(&request) {
        Ok(opened) => opened,
        Err(error) => return failed(error.code()),
    };
    if !(0..=1).contains(&request.isolation_level) {
        return failed(ErrorCode::UNKNOWN_SERVER_ERROR);
    }
    let bytes_max = (request.max_bytes.max(0) as usize).min(broker.settings.fetch_bytes_max);
    let fetch = Fetch {
        broker: broker.clone(),
        by_id: context.version >= 13,
        is_follower: request.replica_id >= 0,
        bytes_max,
        // More than an answer may carry never comes.
        bytes_min: (request.min_bytes.max(0) as usize).min(bytes_max),
        is_committed: request.isolation_level == 1,
        is_remote: context.is_remote,
        opened,
    };
    let wait = Duration::from_millis(request.max_wait_ms.clamp(0, limit::FETCH_WAIT_MS_MAX) as u64);
    async move { fetch.run(wait).await.into() }.boxed()
}

struct Fetch {
    broker: Arc<Broker>,
    by_id: bool,
    is_follower: bool,
    bytes_max: usize,
    bytes_min: usize,
    is_committed: bool,
    /// It goes over a socket: what lies in the page cache may be sent from there.
    is_remote: bool,
    opened: Opened,
}

/// What was found in one partition.
struct Found {
    partition: Option<Arc<Partition>>,
    answer: FetchPartitionResponse,
    bytes: usize,
    /// More is there, and no waiting brings it into this answer: the answer is full, or the rest is in a later segment (DelayedFetch).
    is_cut: bool,
}

impl Found {
    /// Whether reading again would find the same. What was found is held meanwhile, and that is less than the fetch waits for.
    fn is_as_it_was(&self) -> bool {
        self.partition.as_ref().is_some_and(|partition| !partition.has_changed_since(self.answer.high_watermark))
    }
}

/// What is taken of one partition.
#[derive(Debug, Default)]
struct Taken {
    records: Records,
    /// The size of the first batch.
    first_bytes: usize,
    /// The last batch's.
    last_offset: Option<i64>,
    /// The aborted transactions that its batches may be part of.
    aborted: Vec<Aborted>,
}

impl Taken {
    fn batches(batches: Vec<RecordBatch>, aborted: Vec<Aborted>) -> Self {
        let first_bytes = batches.first().map_or(0, RecordBatch::total_bytes);
        let last_offset = batches.last().map(RecordBatch::last_offset);
        Taken { records: Records::from_pieces(batches.into_iter().map(Piece::Batch).collect()), first_bytes, last_offset, aborted }
    }

    fn part(sendable: Sendable, aborted: Vec<Aborted>) -> Self {
        let Sendable { part, last_offset, first_bytes } = sendable;
        Taken { records: Records::from_pieces(vec![Piece::Stored(part)]), first_bytes, last_offset: Some(last_offset), aborted }
    }
}

/// What is not in memory.
enum Cold {
    /// Read, and compared with its checksums.
    Batches(Vec<RecordBatch>),
    /// Compared before: it can be sent as it lies in the page cache.
    Sendable(Sendable),
}

fn read_or_send(plan: &ReadPlan, room: usize, end: i64, is_remote: bool) -> Result<Cold, LogError> {
    if is_remote && let Some(part) = plan.sendable(room, end)? {
        return Ok(Cold::Sendable(part));
    }
    let mut batches = plan.read(room)?;
    batches.retain(|batch| batch.base_offset() < end);
    Ok(Cold::Batches(batches))
}

impl Fetch {
    async fn run(self, wait: Duration) -> FetchResponse {
        let deadline = Instant::now() + wait;
        let woken = Arc::new(Notify::new());
        let mut found = self.read_all(Vec::new()).await;
        loop {
            let bytes: usize = found.iter().map(|found| found.bytes).sum();
            let is_settled = found.iter().any(|found| found.is_cut || !found.answer.error_code.is_none());
            if bytes >= self.bytes_min || is_settled || Instant::now() >= deadline || self.opened.wanted.is_empty() {
                return self.answer(found);
            }
            for found in &found {
                if let Some(partition) = &found.partition {
                    partition.wait(&woken);
                    // A batch may have come between the read and the registration.
                    if partition.has_changed_since(found.answer.high_watermark) {
                        woken.notify_one();
                    }
                }
            }
            // Time being up is no error: the loop looks once more and answers with what is there.
            let _ = tokio::time::timeout_at(deadline, woken.notified()).await;
            found = self.read_all(found).await;
        }
    }

    /// Reads every partition; of those that were read before, only what may be different now.
    async fn read_all(&self, before: Vec<Found>) -> Vec<Found> {
        let mut all = Vec::with_capacity(self.opened.wanted.len());
        let mut left = self.bytes_max;
        let mut is_first = true;
        let mut before = before.into_iter();
        for (wanted, _) in &self.opened.wanted {
            let found = match before.next().filter(Found::is_as_it_was) {
                Some(found) => found,
                None => self.read(wanted, left, is_first).await.unwrap_or_else(|code| self.error(wanted, code)),
            };
            left = left.saturating_sub(found.bytes);
            is_first &= found.bytes == 0;
            all.push(found);
        }
        all
    }

    fn error(&self, wanted: &Wanted, code: ErrorCode) -> Found {
        let is_unknown = matches!(code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID);
        let answer = FetchPartitionResponse {
            partition_index: wanted.partition,
            error_code: code,
            high_watermark: -1,
            // Where the partition is not known, Kafka sends an empty list also to clients that do not ask for committed records only.
            aborted_transactions: (self.is_committed || is_unknown).then(Vec::new),
            records: Some(Records::default()),
            ..Default::default()
        };
        Found { partition: None, answer, bytes: 0, is_cut: false }
    }

    async fn read(&self, wanted: &Wanted, left: usize, is_first: bool) -> Result<Found, ErrorCode> {
        let partition = if self.by_id {
            let topic = self.broker.catalog.get_by_id(wanted.topic_id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
            topic.partition(wanted.partition)
        } else {
            self.broker.catalog.get(&wanted.topic).and_then(|topic| topic.partition(wanted.partition))
        };
        let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        if self.is_follower {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        let positions = partition.positions();
        check_leader_epoch(wanted.leader_epoch, positions.leader_epoch)?;
        if let Some(diverging) = diverging(&partition, wanted, &positions)? {
            let mut found = self.found(partition, positions, Taken::default());
            found.answer.diverging_epoch = diverging;
            return Ok(found);
        }
        let room = left.min(wanted.bytes_max.max(0) as usize);
        let read = partition.read(wanted.offset, room, self.is_committed).map_err(|error| error.code())?;
        let (positions, end, is_in_old_segment) = (read.positions, read.end, read.is_in_old_segment);
        let mut taken = if room == 0 && !is_first { Taken::default() } else { self.take(&partition, read, room).await? };
        // The very first batch of an answer is sent whatever its size (KIP-74); any other one has to fit.
        if !is_first && taken.first_bytes > room {
            taken = Taken::default();
        }
        let reached = taken.last_offset.map_or(wanted.offset, |last| last + 1);
        let is_full = left <= wanted.bytes_max.max(0) as usize && reached < end;
        let found = self.found(partition, positions, taken);
        // Where compaction has left nothing, there is something to wait for.
        let is_hollow = is_first && found.bytes == 0;
        Ok(Found { is_cut: !is_hollow && (is_in_old_segment || is_full), ..found })
    }

    /// Batches and the aborted transactions among them. From disk it goes on over segments of which compaction has left nothing.
    async fn take(&self, partition: &Partition, read: Read, room: usize) -> Result<Taken, ErrorCode> {
        let mut read = read;
        loop {
            let (plan, end, behind) = match read.outcome {
                Some(ReadOutcome::Cold { plan, end, behind }) => (plan, end, behind),
                Some(ReadOutcome::Batches(batches)) => return Ok(Taken::batches(batches, read.aborted)),
                None => return Ok(Taken::default()),
            };
            Metrics::add(&self.broker.metrics.cold_reads, 1);
            let is_remote = self.is_remote;
            if is_remote && let Some(part) = plan.sendable_at_hand(room, end).map_err(|error| read_error(&self.broker, &error))? {
                return Ok(Taken::part(part, read.aborted));
            }
            let found = off_thread(move || read_or_send(&plan, room, end, is_remote)).await?;
            match found.map_err(|error| read_error(&self.broker, &error))? {
                Cold::Sendable(part) => return Ok(Taken::part(part, read.aborted)),
                Cold::Batches(batches) => match behind {
                    Some(behind) if batches.is_empty() && behind < end => {
                        read = partition.read(behind, room, self.is_committed).map_err(|error| error.code())?;
                    }
                    _ => return Ok(Taken::batches(batches, read.aborted)),
                },
            }
        }
    }

    fn found(&self, partition: Arc<Partition>, positions: Positions, taken: Taken) -> Found {
        let Taken { records, last_offset, mut aborted, .. } = taken;
        aborted.retain(|aborted| last_offset.is_some_and(|last| aborted.first_offset <= last));
        let aborted = self.is_committed.then_some(aborted);
        let bytes = records.len();
        let answer = FetchPartitionResponse {
            partition_index: partition.index,
            high_watermark: positions.high_watermark,
            last_stable_offset: positions.stable_offset,
            log_start_offset: positions.start_offset,
            aborted_transactions: aborted.map(|aborted| aborted.iter().map(told_aborted).collect()),
            records: Some(records),
            ..Default::default()
        };
        Found { partition: Some(partition), answer, bytes, is_cut: false }
    }

    fn answer(self, found: Vec<Found>) -> FetchResponse {
        let mut response = FetchResponse { session_id: self.opened.session_id, ..Default::default() };
        let mut told = Vec::new();
        for ((wanted, before), found) in self.opened.wanted.into_iter().zip(found) {
            let now = Told { high_watermark: found.answer.high_watermark, start_offset: found.answer.log_start_offset };
            let is_new = before != Some(now) || found.bytes > 0 || !found.answer.error_code.is_none();
            if self.opened.is_incremental && !is_new {
                continue;
            }
            Metrics::add(&self.broker.metrics.log_bytes_fetched, found.bytes as u64);
            match response.responses.last_mut() {
                Some(topic) if topic.topic == wanted.topic && topic.topic_id == wanted.topic_id => topic.partitions.push(found.answer),
                _ => response.responses.push(FetchTopicResponse {
                    topic: wanted.topic.clone(),
                    topic_id: wanted.topic_id,
                    partitions: vec![found.answer],
                }),
            }
            told.push((wanted, now));
        }
        if self.opened.session_id != 0 {
            self.broker.sessions.told(self.opened.session_id, told);
        }
        response
    }
}

fn told_aborted(aborted: &Aborted) -> AbortedTransaction {
    AbortedTransaction { producer_id: aborted.producer_id, first_offset: aborted.first_offset }
}

/// Where the client's log parts from this one, if it does (KIP-595).
fn diverging(partition: &Partition, wanted: &Wanted, positions: &Positions) -> Result<Option<EpochAndOffset>, ErrorCode> {
    if wanted.last_epoch < 0 {
        return Ok(None);
    }
    if wanted.last_epoch > positions.leader_epoch {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    let (epoch, end_offset) = partition.epoch_end(wanted.last_epoch);
    let is_diverging = epoch < wanted.last_epoch || end_offset < wanted.offset;
    Ok(is_diverging.then_some(EpochAndOffset { epoch, end_offset }))
}
