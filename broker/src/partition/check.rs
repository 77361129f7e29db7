//! Is a batch fit to be appended? Everything that can be told from the batch and the topic's settings, in Kafka's
//! order and with Kafka's errors; pure.

use millstream_protocol::ErrorCode;
use millstream_protocol::limit::INFLATED_BATCH_BYTES_MAX;
use millstream_protocol::message::produce::BatchIndexAndErrorMessage;
use millstream_protocol::record::batch::{self, HEADER_BYTES};
use millstream_protocol::record::compression::CompressionError;
use millstream_protocol::record::{BatchError, Codec, RecordBatch, RecordError, Records};

use crate::config::TopicSettings;

/// Why a batch is refused.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub code: ErrorCode,
    pub message: Option<String>,
    pub records: Vec<BatchIndexAndErrorMessage>,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Refusal { code, message: Some(message.into()), records: Vec::new() }
    }

    fn of_record(code: ErrorCode, index: i32, record: impl Into<String>, message: &str) -> Self {
        let record = BatchIndexAndErrorMessage { batch_index: index, batch_index_error_message: Some(record.into().into()) };
        Refusal { code, message: Some(message.to_owned()), records: vec![record] }
    }
}

impl From<BatchError> for Refusal {
    fn from(error: BatchError) -> Self {
        let code = match &error {
            BatchError::Checksum { .. } | BatchError::Length(_) => ErrorCode::CORRUPT_MESSAGE,
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
    pub now_ms: i64,
}

/// Takes the one batch of a partition's records, checked, and stamped with the broker's time if the topic wants it.
pub(crate) fn check(records: Option<&Records>, target: &Target<'_>) -> Result<RecordBatch, Refusal> {
    let settings = target.settings;
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
    if total <= bytes.len() && total as u64 > settings.max_message_bytes {
        let message = format!(
            "The record batch size in the append to {}-{} is {total} bytes which exceeds the maximum configured value of {} bytes",
            target.topic, target.partition, settings.max_message_bytes
        );
        return Err(Refusal::new(ErrorCode::MESSAGE_TOO_LARGE, message));
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
    if batch.base_offset() != 0 {
        return Err(Refusal::new(ErrorCode::INVALID_RECORD, format!("the batch's base offset is {}, it must be 0", batch.base_offset())));
    }
    batch.verify_checksum()?;
    check_header(&batch)?;
    let inflated_max = INFLATED_BATCH_BYTES_MAX.min((settings.max_message_bytes as usize).saturating_mul(128).max(HEADER_BYTES));
    let summary = batch.check_records(inflated_max)?;
    if settings.is_compacted
        && let Some(index) = summary.first_without_key
    {
        let record = format!("Compacted topic cannot accept message without key in topic partition {}-{}.", target.topic, target.partition);
        return Err(Refusal::of_record(ErrorCode::INVALID_RECORD, index, record, "One or more records have been rejected"));
    }
    if settings.has_log_append_time {
        if batch.has_log_append_time() {
            return Err(Refusal::new(ErrorCode::INVALID_TIMESTAMP, "a client must not set the timestamp type"));
        }
        return Ok(batch.with_log_append_time(target.now_ms));
    }
    check_timestamps(&batch, summary.max_timestamp, target)?;
    if batch.has_log_append_time() || batch.max_timestamp() != summary.max_timestamp {
        return Ok(batch.with_create_time(summary.max_timestamp));
    }
    Ok(batch)
}

fn is_message_set(bytes: &[u8]) -> bool {
    matches!(bytes.get(16), Some(0 | 1))
}

fn check_header(batch: &RecordBatch) -> Result<(), Refusal> {
    if batch.is_transactional() {
        // Without a coordinator there is nobody who could end the transaction.
        let sentence = "transactional records need a transactional id, and this broker has no transactions yet";
        return Err(Refusal::new(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, sentence));
    }
    let (count, delta) = (batch.record_count(), batch.last_offset_delta());
    if count <= 0 || delta < 0 || i64::from(delta) + 1 != i64::from(count) {
        return Err(RefusalOf(RecordError::Count(count)).into());
    }
    if batch.is_control() {
        return Err(Refusal::new(ErrorCode::INVALID_RECORD, "Clients are not allowed to write control records"));
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

fn check_timestamps(batch: &RecordBatch, max_timestamp: i64, target: &Target<'_>) -> Result<(), Refusal> {
    let settings = target.settings;
    let (oldest, newest) =
        (target.now_ms.saturating_sub(settings.timestamp_before_max_ms), target.now_ms.saturating_add(settings.timestamp_after_max_ms));
    let is_out = |timestamp: i64| timestamp != -1 && (timestamp < oldest || timestamp > newest);
    // The extremes are in the header unless the client lied, and a lie about the largest one was found out.
    for timestamp in [batch.base_timestamp(), max_timestamp] {
        if is_out(timestamp) {
            let record = format!(
                "Timestamp {timestamp} of message with offset 0 is out of range. The timestamp should be within [{oldest}, {newest}]"
            );
            let message = "One or more records have been rejected due to invalid timestamp";
            return Err(Refusal::of_record(ErrorCode::INVALID_TIMESTAMP, 0, record, message));
        }
    }
    Ok(())
}
