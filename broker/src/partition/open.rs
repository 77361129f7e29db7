//! Opening a partition: its log as recovery found it, and what the log says of producers and transactions.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

use millstream_protocol::record::RecordBatch;
use parking_lot::{Mutex, RwLock};

use super::closed::Closed;
use super::compact::Setback;
use super::durability::Durability;
use super::facts::Facts;
use super::producers::Producers;
use super::tail::Tail;
use super::waiting::Waiting;
use super::{Env, Partition, ProcessStart, State};
use crate::config::TopicSettings;
use crate::disk::{Disk, read_file};
use crate::durable;
use crate::limit;
use crate::log::batch_facts::BatchFacts;
use crate::log::index::Aborted;
use crate::log::index_file::IndexFile;
use crate::log::read::ReadPlan;
use crate::log::recovery::{self, Findings, Recovered};
use crate::log::{Log, LogError, format};

impl Partition {
    /// Opens the folder, which need not exist.
    pub(crate) fn open(
        env: &Env,
        topic: String,
        index: i32,
        settings: Arc<TopicSettings>,
        dir: PathBuf,
        start: &ProcessStart,
    ) -> Result<Self, LogError> {
        let disk = env.disk.clone();
        let mut facts = Facts::read(&*disk, &dir)?;
        let closed = if start.is_clean { Closed::read(&*disk, &dir) } else { None };
        let closed_at = closed.as_ref().map(|closed| closed.next_offset);
        let Recovered { mut log, found } =
            recovery::open(disk.clone(), &dir, facts.start_offset, settings.log.index_interval_bytes, closed_at, facts.compacted_to)?;
        for sentence in &found.damage {
            tracing::error!(topic, partition = index, "{sentence}; it is kept, and reading it fails");
        }
        let end = log.next_offset();
        if found.cut_bytes > 0 {
            let cut_bytes = found.cut_bytes;
            tracing::warn!(topic, partition = index, end_offset = end, cut_bytes, "cut an end that no sync had covered");
        }
        let known = facts.epochs.len();
        facts.learn_epochs(&found.epochs);
        let are_facts_unsaved = facts.epochs.len() > known;
        let closed = closed.filter(|_| found.closed.is_some());
        log.set_first_append_ms(match &closed {
            Some(closed) => closed.first_append_ms,
            None => found.replay.first().map(|first| first.max_timestamp.clamp(0, start.now_ms)),
        });
        let is_closed_saved = closed.is_some();
        let history = History::recover(&*disk, &log, &found, closed, start.now_ms);
        facts.compacted_to = facts.compacted_to.min(end);
        facts.start_offset = facts.start_offset.max(log.first_offset()).min(end);
        let to_index = found.to_index.iter().filter_map(|base| log.index_file(*base, history.aborted_in(&log, *base))).collect();
        Ok(Partition {
            topic,
            index,
            settings: RwLock::new(settings),
            disk,
            dir,
            flusher: env.flusher.clone(),
            state: Mutex::new(State {
                log,
                producers: history.producers,
                tail: Tail::new(env.tail_budget.clone()),
                facts,
                aborted: history.aborted,
                ending: VecDeque::new(),
                are_facts_unsaved,
                is_closed_saved,
                high_watermark: end,
                durability: Durability::of(end, to_index),
                waiting: Waiting::default(),
                is_compacting: false,
                is_refusing: false,
                setback: Setback::default(),
            }),
            saving: Mutex::new(()),
            is_failed: AtomicBool::new(false),
            is_deleted: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            readable: AtomicI64::new(end),
        })
    }
}

/// What was found behind the last sync: nobody reads it before it is durable.
impl Partition {
    pub(crate) fn has_unsynced(&self) -> bool {
        self.state.lock().log.has_unsynced()
    }

    /// Makes it durable.
    pub(crate) fn sync_recovered(&self) -> Result<(), LogError> {
        let unsynced = self.state.lock().log.take_unsynced();
        unsynced.sync(&*self.disk, true)
    }

    /// It was made durable together with that of others.
    pub(crate) fn is_synced_with_others(&self) {
        drop(self.state.lock().log.take_unsynced());
    }

    /// Stores the indexes that recovery made, in the background: until then another start would scan their segments again.
    pub(crate) fn index_recovered(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if !state.durability.to_index.is_empty() {
            self.queue_flush(&mut state);
        }
    }

    /// Indexes are caches: a full disk costs the next start a scan.
    pub(super) fn store_indexes(&self, to_index: &[IndexFile]) -> Result<(), LogError> {
        for index in to_index {
            match index.store(&*self.disk) {
                Err(error @ LogError::NoRoom { .. }) => tracing::warn!("{error}; the next start will scan the segment again"),
                stored => stored?,
            }
        }
        Ok(())
    }
}

/// What a log says of its producers.
struct History {
    producers: Producers,
    aborted: Vec<Aborted>,
}

impl History {
    /// Of a log that was closed it stands beside the log. Otherwise: the newest snapshot of the producers, and what the segments behind it
    /// add. Where an index is missing, so are the aborted transactions of its segment: the walk begins before it. Snapshots are caches.
    fn recover(disk: &dyn Disk, log: &Log, found: &Findings, closed: Option<Closed>, now_ms: i64) -> History {
        if let (Some(closed), Some(last_aborted)) = (closed, &found.closed) {
            let sealed = log.sealed().iter().flat_map(|segment| segment.stored_aborted().unwrap_or_default());
            return History { producers: closed.producers, aborted: sealed.chain(last_aborted).copied().collect() };
        }
        let segments: Vec<_> = log.segments().collect();
        let snapshot = |base: i64| {
            let path = format::path(&log.dir, base, format::PRODUCERS);
            let content = read_file(disk, &path, limit::DURABLE_RECORD_BYTES_MAX as u64).ok().flatten()?;
            durable::decode::<Producers>(Producers::VERSION, &content).ok()
        };
        let known = log.sealed().iter().take_while(|segment| segment.stored_aborted().is_some()).count();
        let mut history = History { producers: Producers::default(), aborted: Vec::new() };
        let mut replay_from = 0;
        for (place, segment) in segments.iter().enumerate().take(known + 1).rev() {
            if let Some(snapshot) = snapshot(segment.base_offset) {
                history.producers = snapshot;
                replay_from = place;
                break;
            }
        }
        for segment in &log.sealed()[..replay_from] {
            history.aborted.extend(segment.stored_aborted().unwrap_or_default());
        }
        for segment in &log.sealed()[replay_from..] {
            let plan = ReadPlan::sealed(segment.clone(), segment.base_offset);
            let see = |batch: RecordBatch| {
                history.record(&BatchFacts::from(&batch), now_ms);
                Ok(())
            };
            plan.walk_over_damage(1 << 20, see, |error| tracing::error!("{error}; what producers wrote there is not known"));
        }
        found.replay.iter().for_each(|batch| history.record(batch, now_ms));
        history
    }

    fn record(&mut self, batch: &BatchFacts, now_ms: i64) {
        let ended = self.producers.record(batch, now_ms);
        self.aborted.extend(ended.and_then(|ended| ended.aborted));
    }

    /// Those whose marker is in the segment that begins at `base`.
    fn aborted_in(&self, log: &Log, base: i64) -> &[Aborted] {
        let end = log.segments().map(|segment| segment.base_offset).find(|next| *next > base).unwrap_or(i64::MAX);
        let place = |offset: i64| self.aborted.partition_point(|aborted| aborted.last_offset < offset);
        &self.aborted[place(base)..place(end)]
    }
}
