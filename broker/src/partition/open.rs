//! Opening a partition: its log as recovery found it, and what the log says of producers and transactions.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

use parking_lot::{Mutex, RwLock};

use super::compact::Setback;
use super::flush::Flusher;
use super::producers::Producers;
use super::tail::{Tail, TailBudget};
use super::{FACTS_VERSION, Facts, Partition, Start, State};
use crate::config::TopicSettings;
use crate::disk::{Disk, read_file};
use crate::durable;
use crate::log::index::Aborted;
use crate::log::recovery::{self, BatchFacts};
use crate::log::segment::ReadPlan;
use crate::log::{Log, LogError, format};

const FACTS_BYTES_MAX: u64 = 1024 * 1024;

impl Partition {
    /// Opens the folder, which need not exist.
    #[expect(clippy::too_many_arguments, reason = "what a partition is made of, each once, from one caller")]
    pub(crate) fn open(
        topic: String,
        index: i32,
        settings: Arc<TopicSettings>,
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        flusher: Arc<Flusher>,
        tail_budget: Arc<TailBudget>,
        start: &Start,
    ) -> Result<Self, LogError> {
        let facts_path = dir.join("partition");
        let fail = |error| LogError::io(&facts_path, error);
        let mut facts = Facts { start_offset: 0, epochs: vec![(0, 0)], compacted_to: 0 };
        if let Some(content) = read_file(&*disk, &facts_path, FACTS_BYTES_MAX).map_err(fail)? {
            facts = durable::decode(FACTS_VERSION, &content)
                .map_err(|error| fail(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?;
        }
        let recovered = recovery::open(disk.clone(), &dir, facts.start_offset, settings.log.index_interval_bytes)?;
        let log = recovered.log;
        for sentence in &recovered.damage {
            tracing::error!(topic, partition = index, "{sentence}; it is kept, and reading it fails");
        }
        let end = log.next_offset();
        if recovered.cut_bytes > 0 {
            let cut_bytes = recovered.cut_bytes;
            tracing::warn!(topic, partition = index, end_offset = end, cut_bytes, "cut an end that no sync had covered");
        }
        let is_epoch_unsaved = !start.is_clean || recovered.cut_bytes > 0;
        if is_epoch_unsaved {
            let epoch = facts.epochs.last().map_or(0, |(epoch, _)| *epoch).max(recovered.leader_epoch) + 1;
            facts.epochs.retain(|(_, first_offset)| *first_offset < end);
            facts.epochs.push((epoch, end));
        }
        let history = History::recover(&*disk, &log, &recovered.replay, start.now_ms);
        for base in recovered.to_index {
            // A cache: a full disk must not keep the log from opening.
            if let Err(error) = log.store_index(base, history.aborted_in(&log, base)) {
                tracing::warn!("{error}; the next start will scan the segment again");
            }
        }
        facts.compacted_to = facts.compacted_to.min(end);
        facts.start_offset = facts.start_offset.max(log.first_offset()).min(end);
        Ok(Partition {
            topic,
            index,
            settings: RwLock::new(settings),
            disk,
            dir,
            flusher,
            state: Mutex::new(State {
                log,
                producers: history.producers,
                tail: Tail::new(tail_budget),
                facts,
                aborted: history.aborted,
                ending: VecDeque::new(),
                is_epoch_unsaved,
                durable_offset: end,
                high_watermark: end,
                pending: VecDeque::new(),
                waiting: Vec::new(),
                unflushed_records: 0,
                unflushed_since_ms: None,
                is_flush_queued: false,
                is_flushing: false,
                is_compacting: false,
                is_refusing: false,
                setback: Setback::default(),
            }),
            is_failed: AtomicBool::new(false),
            is_deleted: AtomicBool::new(false),
            readable: AtomicI64::new(end),
        })
    }
}

/// What a log says of its producers.
struct History {
    producers: Producers,
    aborted: Vec<Aborted>,
}

impl History {
    /// The newest snapshot of the producers, and what the segments behind it add. Where an index is missing, so are the
    /// aborted transactions of its segment: the walk begins before it. Snapshots are caches.
    fn recover(disk: &dyn Disk, log: &Log, replay: &[BatchFacts], now_ms: i64) -> History {
        let segments: Vec<_> = log.segments().collect();
        let snapshot = |base: i64| {
            let content =
                read_file(disk, &format::path(&log.dir, base, format::PRODUCERS), durable::RECORD_BYTES_MAX as u64).ok().flatten()?;
            durable::decode::<Producers>(Producers::VERSION, &content).ok()
        };
        let known = log.sealed().iter().take_while(|segment| segment.stored_aborted().is_some()).count();
        let mut history = History { producers: Producers::default(), aborted: Vec::new() };
        let mut replay_from = 0;
        for (place, segment) in segments.iter().enumerate().take(known + 1).rev() {
            if let Some(found) = snapshot(segment.base_offset) {
                history.producers = found;
                replay_from = place;
                break;
            }
        }
        for segment in &log.sealed()[..replay_from] {
            history.aborted.extend(segment.stored_aborted().unwrap_or_default());
        }
        for segment in &log.sealed()[replay_from..] {
            let walked = ReadPlan::sealed(segment.clone(), segment.base_offset).walk(1 << 20, |batch| {
                history.record(&BatchFacts::from(&batch), now_ms);
                Ok(true)
            });
            if let Err(error) = walked {
                tracing::error!("{error}; producers in that range are not known");
            }
        }
        replay.iter().for_each(|batch| history.record(batch, now_ms));
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
