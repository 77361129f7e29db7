//! Is a batch fit to be appended? Everything that can be told from the batch and the topic's settings, in Kafka's
//! order and with Kafka's errors; pure.

use std::cell::Cell;

use millstream_protocol::limit::{INFLATED_BATCH_BYTES_MAX, INFLATED_IN_MEMORY_BYTES_MAX};
use millstream_protocol::record::batch::{self, CODEC_MASK};
use millstream_protocol::record::builder::with_codec;
use millstream_protocol::record::compression::CompressionError;
use millstream_protocol::record::{BatchError, Codec, Outline, RecordBatch, RecordError, Records, Summary};

use super::error::{AppendError, RefusedRecord};
use crate::config::TopicSettings;
use crate::limit;

/// The records of a batch for which `judge` has a sentence.
fn refused_records(
    batch: &RecordBatch,
    inflated_max: usize,
    judge: impl Fn(&Outline) -> Option<String>,
) -> Result<Vec<RefusedRecord>, BatchError> {
    let mut refused = Vec::new();
    batch.walk_records(inflated_max, |record| {
        refused.extend(judge(&record).map(|sentence| RefusedRecord { index: record.index, sentence }));
        refused.len() < limit::NAMED_RECORDS_MAX
    })?;
    Ok(refused)
}

/// Where the batch is meant to go, for messages.
pub(crate) struct Target<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub settings: &'a TopicSettings,
    pub produce_version: i16,
    pub has_transactional_id: bool,
    pub now_ms: i64,
}

/// How much the batches of a request may inflate to where they are checked; beyond it they are checked elsewhere.
#[derive(Debug)]
pub(crate) struct Room {
    left: Cell<Option<usize>>,
    is_exceeded: Cell<bool>,
}

impl Room {
    /// Without a number there is room for all.
    pub(crate) fn new(bytes: Option<usize>) -> Self {
        Room { left: Cell::new(bytes), is_exceeded: Cell::new(false) }
    }

    pub(crate) fn is_exceeded(&self) -> bool {
        self.is_exceeded.get()
    }

    fn take(&self, bytes: usize) -> Result<(), AppendError> {
        match self.left.get() {
            Some(left) if bytes > left => Err(self.exceed()),
            left => {
                self.left.set(left.map(|left| left - bytes));
                Ok(())
            }
        }
    }

    /// Walks a batch's records, which may inflate to `inflated_max`.
    fn check_records(&self, batch: &RecordBatch, inflated_max: usize) -> Result<Summary, AppendError> {
        if batch.attributes() & CODEC_MASK == 0 {
            return Ok(batch.check_records(inflated_max)?);
        }
        let most = self.left.get().map_or(inflated_max, |left| left.min(inflated_max));
        match batch.check_records(most) {
            Err(BatchError::Compression(CompressionError::TooLarge(_))) if most < inflated_max => Err(self.exceed()),
            checked => {
                let summary = checked?;
                self.take(summary.inflated_bytes)?;
                Ok(summary)
            }
        }
    }

    /// There is none: the request is checked again elsewhere.
    fn exceed(&self) -> AppendError {
        self.is_exceeded.set(true);
        self.left.set(Some(0));
        AppendError::NoRoom
    }
}

/// Takes the one batch of a partition's records, checked, and stamped with the broker's time if the topic wants it.
pub(crate) fn check(records: Option<&Records>, target: &Target<'_>, room: &Room) -> Result<RecordBatch, AppendError> {
    if room.is_exceeded() {
        return Err(room.exceed());
    }
    let batch = one_batch(records, target)?;
    let batch = check_batch(batch, target, room)?;
    let settings = target.settings;
    match settings.codec {
        Some(codec) if batch.attributes() & CODEC_MASK != codec as i16 => {
            // Compressing costs more than inflating.
            room.take(batch.total_bytes().saturating_mul(8))?;
            // What does not fit uncompressed is not made only to be found too large.
            let bytes_max = if codec == Codec::None { settings.max_message_bytes as usize } else { INFLATED_IN_MEMORY_BYTES_MAX };
            let batch = with_codec(&batch, codec, settings.codec_level, bytes_max)?;
            check_size(batch.total_bytes(), target)?;
            Ok(batch)
        }
        _ => Ok(batch),
    }
}

fn check_size(bytes: usize, target: &Target<'_>) -> Result<(), AppendError> {
    let bytes_max = target.settings.max_message_bytes;
    if bytes as u64 <= bytes_max {
        return Ok(());
    }
    Err(AppendError::TooLarge { topic: target.topic.to_owned(), partition: target.partition, bytes, bytes_max })
}

/// Cuts the batch out of what was sent.
fn one_batch(records: Option<&Records>, target: &Target<'_>) -> Result<RecordBatch, AppendError> {
    let bytes = match records.map(Records::to_bytes) {
        Some(bytes) if !bytes.is_empty() => bytes,
        _ => return Err(AppendError::NotOneBatch),
    };
    // Message sets of before 2017 are shorter than a batch's header: their version shows them, not their length.
    if is_message_set(&bytes) {
        return Err(BatchError::Magic(0).into());
    }
    let total = match batch::total_bytes(&bytes) {
        Some(total) => total?,
        None => return Err(AppendError::CutOff),
    };
    if total <= bytes.len() {
        check_size(total, target)?;
    }
    let batch = RecordBatch::new(bytes.clone())?;
    let behind = &bytes[total..];
    let is_batch = batch::total_bytes(behind).is_some_and(|next| next.is_ok_and(|next| next <= behind.len()));
    if is_batch || is_message_set(behind) {
        return Err(AppendError::NotOneBatch);
    }
    if batch.attributes() & 7 == Codec::Zstd as i16 && target.produce_version < 7 {
        return Err(AppendError::ZstdTooEarly);
    }
    Ok(batch)
}

fn check_batch(batch: RecordBatch, target: &Target<'_>, room: &Room) -> Result<RecordBatch, AppendError> {
    let settings = target.settings;
    if batch.base_offset() != 0 {
        return Err(AppendError::BaseOffset(batch.base_offset()));
    }
    batch.verify_checksum()?;
    if batch.is_transactional() && !target.has_transactional_id {
        return Err(AppendError::NoTransactionalId);
    }
    check_header(&batch)?;
    // Compaction has to have all of a batch in memory.
    let inflated_max = if settings.is_compacted { INFLATED_IN_MEMORY_BYTES_MAX } else { INFLATED_BATCH_BYTES_MAX };
    let summary = room.check_records(&batch, inflated_max)?;
    if settings.is_compacted && summary.first_without_key.is_some() {
        let judge = |record: &Outline| {
            let (topic, partition) = (target.topic, target.partition);
            let sentence = || format!("Compacted topic cannot accept message without key in topic partition {topic}-{partition}.");
            (!record.has_key).then(sentence)
        };
        return Err(AppendError::WithoutKey(refused_records(&batch, inflated_max, judge)?));
    }
    if settings.has_log_append_time {
        if batch.has_log_append_time() {
            let judge = |_: &Outline| Some("the timestamp type is the topic's to set, not a client's".to_owned());
            return Err(AppendError::Timestamps(refused_records(&batch, inflated_max, judge)?));
        }
        return Ok(batch.with_log_append_time(target.now_ms));
    }
    check_timestamps(&batch, &summary, inflated_max, target)?;
    if batch.has_log_append_time() || batch.max_timestamp() != summary.max_timestamp {
        return Ok(batch.with_create_time(summary.max_timestamp));
    }
    Ok(batch)
}

fn is_message_set(bytes: &[u8]) -> bool {
    matches!(bytes.get(16), Some(0 | 1))
}

fn check_header(batch: &RecordBatch) -> Result<(), AppendError> {
    let (count, delta) = (batch.record_count(), batch.last_offset_delta());
    if count <= 0 || delta < 0 || i64::from(delta) + 1 != i64::from(count) {
        return Err(BatchError::from(RecordError::Count(count)).into());
    }
    if batch.is_control() {
        return Err(AppendError::ControlRecords);
    }
    if batch.is_transactional() && batch.producer_id() < 0 {
        return Err(AppendError::NoProducerId);
    }
    if batch.producer_id() >= 0 && batch.base_sequence() < 0 {
        return Err(AppendError::NoSequence);
    }
    Ok(())
}

fn check_timestamps(batch: &RecordBatch, summary: &Summary, inflated_max: usize, target: &Target<'_>) -> Result<(), AppendError> {
    let settings = target.settings;
    let (oldest, newest) =
        (target.now_ms.saturating_sub(settings.timestamp_before_max_ms), target.now_ms.saturating_add(settings.timestamp_after_max_ms));
    let is_out = |timestamp: i64| timestamp != -1 && (timestamp < oldest || timestamp > newest);
    if !is_out(summary.min_timestamp) && !is_out(summary.max_timestamp) {
        return Ok(());
    }
    let judge = |record: &Outline| {
        let (timestamp, offset) = (record.timestamp, record.index);
        let sentence = || {
            format!(
                "Timestamp {timestamp} of message with offset {offset} is out of range. The timestamp should be within [{oldest}, {newest}]"
            )
        };
        is_out(timestamp).then(sentence)
    };
    Err(AppendError::Timestamps(refused_records(batch, inflated_max, judge)?))
}
