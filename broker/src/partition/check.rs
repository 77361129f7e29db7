//! Is a batch fit to be appended? Everything that can be told from the batch and the topic's settings, in Kafka's
//! order and with Kafka's errors; pure.

use millstream_protocol::ErrorCode;
use std::cell::Cell;

use millstream_protocol::limit::{INFLATED_BATCH_BYTES_MAX, INFLATED_IN_MEMORY_BYTES_MAX};
use millstream_protocol::message::produce::BatchIndexAndErrorMessage;
use millstream_protocol::record::batch::{self, CODEC_MASK};
use millstream_protocol::record::builder::with_codec;
use millstream_protocol::record::compression::CompressionError;
use millstream_protocol::record::{BatchError, Codec, Outline, RecordBatch, RecordError, Records, Summary};

use crate::config::TopicSettings;

/// Why a batch is refused.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub code: ErrorCode,
    pub message: Option<String>,
    pub records: Vec<BatchIndexAndErrorMessage>,
    /// Whether the partition looked at the batch: then the answer tells its first offset, as Kafka's does.
    pub is_by_partition: bool,
}

/// The most records of a batch that are named one by one.
const NAMED_RECORDS_MAX: usize = 1000;

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Refusal { code, message: Some(message.into()), records: Vec::new(), is_by_partition: false }
    }

    /// Names the records of a batch for which `judge` has a sentence.
    fn of_records(
        code: ErrorCode,
        message: &str,
        batch: &RecordBatch,
        inflated_max: usize,
        judge: impl Fn(&Outline) -> Option<String>,
    ) -> Result<Self, BatchError> {
        let mut named = Vec::new();
        batch.walk_records(inflated_max, |record| {
            if let Some(sentence) = judge(&record) {
                named.push(BatchIndexAndErrorMessage { batch_index: record.index, batch_index_error_message: Some(sentence.into()) });
            }
            named.len() < NAMED_RECORDS_MAX
        })?;
        Ok(Refusal { records: named, ..Refusal::new(code, message) })
    }

    /// Refused by the partition, and not for what any broker would refuse.
    pub(crate) fn by_partition(self) -> Self {
        let is_by_partition = matches!(
            self.code,
            ErrorCode::INVALID_RECORD
                | ErrorCode::INVALID_TIMESTAMP
                | ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
                | ErrorCode::INVALID_PRODUCER_EPOCH
                | ErrorCode::INVALID_TXN_STATE
        );
        Refusal { is_by_partition, ..self }
    }
}

impl From<BatchError> for Refusal {
    fn from(error: BatchError) -> Self {
        let code = match &error {
            BatchError::Checksum { .. } | BatchError::Length(_) | BatchError::Misplaced { .. } => ErrorCode::CORRUPT_MESSAGE,
            BatchError::Magic(0 | 1) | BatchError::Truncated { .. } => ErrorCode::INVALID_RECORD,
            BatchError::Magic(_) => ErrorCode::CORRUPT_MESSAGE,
            BatchError::Record(_) => ErrorCode::INVALID_RECORD,
            BatchError::Compression(CompressionError::TooLarge(_)) => ErrorCode::MESSAGE_TOO_LARGE,
            BatchError::Compression(CompressionError::Unknown(_) | CompressionError::Damaged { .. }) => ErrorCode::CORRUPT_MESSAGE,
        };
        Refusal::new(code, error.to_string())
    }
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

    fn take(&self, bytes: usize) -> Result<(), Refusal> {
        match self.left.get() {
            Some(left) if bytes > left => Err(self.exceed()),
            left => {
                self.left.set(left.map(|left| left - bytes));
                Ok(())
            }
        }
    }

    /// Walks a batch's records, which may inflate to `inflated_max`.
    fn check_records(&self, batch: &RecordBatch, inflated_max: usize) -> Result<Summary, Refusal> {
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

    /// The refusal is nobody's answer: the request is checked again where there is room.
    fn exceed(&self) -> Refusal {
        self.is_exceeded.set(true);
        self.left.set(Some(0));
        Refusal::new(ErrorCode::MESSAGE_TOO_LARGE, "there is no room to inflate the batch")
    }
}

/// Takes the one batch of a partition's records, checked, and stamped with the broker's time if the topic wants it.
pub(crate) fn check(records: Option<&Records>, target: &Target<'_>, room: &Room) -> Result<RecordBatch, Refusal> {
    if room.is_exceeded() {
        return Err(room.exceed());
    }
    let batch = one_batch(records, target)?;
    let batch = check_batch(batch, target, room).map_err(Refusal::by_partition)?;
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

fn check_size(total: usize, target: &Target<'_>) -> Result<(), Refusal> {
    if total as u64 <= target.settings.max_message_bytes {
        return Ok(());
    }
    let message = format!(
        "The record batch size in the append to {}-{} is {total} bytes which exceeds the maximum configured value of {} bytes",
        target.topic, target.partition, target.settings.max_message_bytes
    );
    Err(Refusal::new(ErrorCode::MESSAGE_TOO_LARGE, message))
}

/// Cuts the batch out of what was sent.
fn one_batch(records: Option<&Records>, target: &Target<'_>) -> Result<RecordBatch, Refusal> {
    let bytes = match records.map(Records::to_bytes) {
        Some(bytes) if !bytes.is_empty() => bytes,
        _ => return Err(Refusal::new(ErrorCode::INVALID_RECORD, "Produce requests must carry one record batch a partition")),
    };
    // Message sets of before 2017 are shorter than a batch's header: they are told by their version, not by their length.
    if is_message_set(&bytes) {
        return Err(BatchError::Magic(0).into());
    }
    let total = match batch::total_bytes(&bytes) {
        Some(total) => total?,
        None => return Err(Refusal::new(ErrorCode::INVALID_RECORD, "the record batch is cut off")),
    };
    if total <= bytes.len() {
        check_size(total, target)?;
    }
    let batch = RecordBatch::new(bytes.clone())?;
    let behind = &bytes[total..];
    let is_batch = batch::total_bytes(behind).is_some_and(|next| next.is_ok_and(|next| next <= behind.len()));
    if is_batch || is_message_set(behind) {
        return Err(Refusal::new(ErrorCode::INVALID_RECORD, "Produce requests must carry one record batch a partition"));
    }
    if batch.attributes() & 7 == Codec::Zstd as i16 && target.produce_version < 7 {
        return Err(Refusal::new(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, "zstd needs Produce version 7"));
    }
    Ok(batch)
}

fn check_batch(batch: RecordBatch, target: &Target<'_>, room: &Room) -> Result<RecordBatch, Refusal> {
    let settings = target.settings;
    if batch.base_offset() != 0 {
        return Err(Refusal::new(ErrorCode::INVALID_RECORD, format!("the batch's base offset is {}, it must be 0", batch.base_offset())));
    }
    batch.verify_checksum()?;
    if batch.is_transactional() && !target.has_transactional_id {
        let sentence = "transactional records need a transactional id";
        return Err(Refusal::new(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, sentence));
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
        let message = "One or more records have been rejected";
        return Err(Refusal::of_records(ErrorCode::INVALID_RECORD, message, &batch, inflated_max, judge)?);
    }
    if settings.has_log_append_time {
        if batch.has_log_append_time() {
            let message = "One or more records have been rejected due to invalid timestamp";
            let judge = |_: &Outline| Some("the timestamp type is the topic's to set, not a client's".to_owned());
            return Err(Refusal::of_records(ErrorCode::INVALID_TIMESTAMP, message, &batch, inflated_max, judge)?);
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

fn check_header(batch: &RecordBatch) -> Result<(), Refusal> {
    let (count, delta) = (batch.record_count(), batch.last_offset_delta());
    if count <= 0 || delta < 0 || i64::from(delta) + 1 != i64::from(count) {
        return Err(RefusalOf(RecordError::Count(count)).into());
    }
    if batch.is_control() {
        return Err(Refusal::new(ErrorCode::INVALID_RECORD, "Clients are not allowed to write control records"));
    }
    if batch.is_transactional() && batch.producer_id() < 0 {
        return Err(Refusal::new(ErrorCode::INVALID_RECORD, "a transactional batch needs a producer id"));
    }
    if batch.producer_id() >= 0 && batch.base_sequence() < 0 {
        return Err(Refusal::new(ErrorCode::INVALID_RECORD, "an idempotent batch needs a sequence number"));
    }
    Ok(())
}

/// A record error as a refusal: they all share one code.
struct RefusalOf(RecordError);

impl From<RefusalOf> for Refusal {
    fn from(RefusalOf(error): RefusalOf) -> Self {
        BatchError::Record(error).into()
    }
}

fn check_timestamps(batch: &RecordBatch, summary: &Summary, inflated_max: usize, target: &Target<'_>) -> Result<(), Refusal> {
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
    let message = "One or more records have been rejected due to invalid timestamp";
    Err(Refusal::of_records(ErrorCode::INVALID_TIMESTAMP, message, batch, inflated_max, judge)?)
}
