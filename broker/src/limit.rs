//! Every bound of the broker that no property sets, and how the bounds relate: a length, count or time that comes from outside is compared
//! with one of these before it is trusted, and everything that is kept has one. Those of decoding are in [`millstream_protocol::limit`].

use std::time::Duration;

use millstream_protocol::limit::{FRAME_BYTES_MAX, FRAME_BYTES_MIN, INFLATED_IN_MEMORY_BYTES_MAX, TOPIC_NAME_BYTES_MAX};

// Connections

/// Frames up to this size share a read buffer; a larger one gets a buffer of its own size.
pub(crate) const SHARED_BUFFER_BYTES: usize = 16 * 1024;
/// Enough to learn the length of a frame and to see what it asks.
pub(crate) const PEEK_BYTES: usize = 64;
/// Requests of one connection that may be under way.
pub(crate) const PIPELINED_MAX: usize = 64;
/// Answers that wait for an earlier one may hold this much before no further one is made.
pub(crate) const WAITING_ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Parts that one call gives the kernel.
pub(crate) const SLICES_MAX: usize = 64;
/// A client that pauses for so long within a large request loses its connection if other requests wait for the memory.
pub(crate) const WANTED_MEMORY_STALL_MAX: Duration = Duration::from_secs(60);
/// With more different sentences about clients, the oldest are forgotten, and may be logged again.
pub(crate) const SELDOM_SENTENCES_MAX: usize = 256;

const _: () = assert!(FRAME_BYTES_MIN < PEEK_BYTES && PEEK_BYTES < SHARED_BUFFER_BYTES && SHARED_BUFFER_BYTES < FRAME_BYTES_MAX);
// One read of the log is an answer that may wait.
const _: () = assert!(READ_BYTES_MAX <= WAITING_ANSWER_BYTES_MAX);

// Requests

/// What the batches of one request may inflate to on an I/O thread, together; with more they are checked elsewhere.
pub(crate) const INFLATED_ON_IO_THREAD_BYTES_MAX: usize = 1024 * 1024;
/// The longest time that a fetch may wait for records.
pub(crate) const FETCH_WAIT_MS_MAX: i32 = 10 * 60 * 1000;
/// A session of more partitions is not kept: its fetches are answered without one.
pub(crate) const FETCH_SESSION_PARTITIONS_MAX: usize = 10_000;
/// Partitions in one answer to DescribeTopicPartitions; a cursor says where the next one goes on.
pub(crate) const PARTITIONS_PER_PAGE_MAX: i32 = 2000;
/// New partitions of all topics of a request, as in Kafka: one for more is a mistake.
pub(crate) const PARTITIONS_PER_REQUEST_MAX: i64 = 10_000;
/// Partitions of one DeleteRecords request that are compared with one another.
pub(crate) const DELETED_TWICE_MAX: usize = 64;
/// A pattern that takes more memory than this when it is compiled is refused.
pub(crate) const COMPILED_PATTERN_BYTES_MAX: usize = 1 << 20;

const _: () = assert!(INFLATED_ON_IO_THREAD_BYTES_MAX < INFLATED_IN_MEMORY_BYTES_MAX);
const _: () = assert!(PARTITIONS_PER_PAGE_MAX as i64 <= PARTITIONS_PER_REQUEST_MAX);

// Partitions

/// Records of a refused batch that are named one by one.
pub(crate) const NAMED_RECORDS_MAX: usize = 1000;
/// Batches of a producer that are recognized when they are sent again, as in Kafka: a client has no more requests under way.
pub(crate) const REMEMBERED_BATCHES: usize = 5;
/// Below this a batch is copied out of its frame, so that it does not hold on to a read buffer.
pub(crate) const DETACH_BYTES_MAX: usize = 16 * 1024;
/// Parts of one answer; more would make the list that the kernel walks long.
pub(crate) const BATCHES_PER_READ_MAX: usize = 512;
/// A pass of compaction notes no more keys than this, and those of one batch more; what does not fit is the next pass's.
pub(crate) const COMPACTED_KEYS_MAX: usize = 2_000_000;
/// How long compaction of a partition pauses after a pass that failed, doubled with each.
pub(crate) const COMPACTION_PAUSE_MS_MIN: i64 = 60_000;
pub(crate) const COMPACTION_PAUSE_MS_MAX: i64 = 3_600_000;
/// A last segment up to this size is scanned as fast as the note of a clean stop would be read, and a stop has one file less to write.
pub(crate) const SCANNED_BYTES_MAX: u64 = 1024 * 1024;

// A frame that holds one small batch is no larger than the buffer that it would hold on to.
const _: () = assert!(DETACH_BYTES_MAX <= SHARED_BUFFER_BYTES);

// Segments

/// Preallocation begins here and doubles up to [`CHUNK_BYTES_MAX`], so that many small partitions stay small.
pub(crate) const CHUNK_BYTES_MIN: u64 = 64 * 1024;
pub(crate) const CHUNK_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// A read takes at least this much at once, so that small batches do not cost a call each.
pub(crate) const READ_BYTES_MIN: usize = 64 * 1024;
pub(crate) const READ_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Ranges of a segment whose checksums were compared: beyond so many the smallest is forgotten, and compared again when it is read.
pub(crate) const VERIFIED_PARTS_MAX: usize = 64;

const _: () = assert!(CHUNK_BYTES_MIN < CHUNK_BYTES_MAX && READ_BYTES_MIN < READ_BYTES_MAX);

// Small files

/// No internal record is larger.
pub(crate) const DURABLE_RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;
pub(crate) const INDEX_FILE_BYTES_MAX: u64 = DURABLE_RECORD_BYTES_MAX as u64;
pub(crate) const TOPIC_FILE_BYTES_MAX: u64 = 1024 * 1024;
pub(crate) const PROPERTIES_FILE_BYTES_MAX: u64 = 1024 * 1024;
pub(crate) const FACTS_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Entries of a journal that go into one batch; more go into a further one.
pub(crate) const JOURNAL_BATCH_BYTES_MAX: usize = 512 * 1024;

const _: () = assert!(TOPIC_FILE_BYTES_MAX > TOPIC_NAME_BYTES_MAX as u64 && TOPIC_FILE_BYTES_MAX <= DURABLE_RECORD_BYTES_MAX as u64);
// A start reads journals in memory.
const _: () = assert!(JOURNAL_BATCH_BYTES_MAX < INFLATED_IN_MEMORY_BYTES_MAX);

// Groups and transactions

/// No client has a reason for a longer one, and each is kept.
pub(crate) const GROUP_ID_BYTES_MAX: usize = 32_767;
/// As much as a group id may have.
pub(crate) const TRANSACTIONAL_ID_BYTES_MAX: usize = GROUP_ID_BYTES_MAX;
/// Member ids that the coordinator gave to new members, and that are not used yet, are kept for a session: no more than this many.
pub(crate) const PROMISED_MEMBER_IDS_MAX: usize = 10_000;
/// A member of a share group makes its own id, which is mostly a UUID; Kafka's bound.
pub(crate) const SHARE_MEMBER_ID_LETTERS_MAX: usize = 36;
/// Protocols of a member. Clients offer a handful; every one is compared with every member's.
pub(crate) const MEMBER_PROTOCOLS_MAX: usize = 256;
/// A pattern costs memory when it is compiled; matching takes time that is linear in the name, whatever the pattern.
pub(crate) const TOPIC_PATTERN_BYTES_MAX: usize = 64 * 1024;

// An id goes into a journal's entry, with others in its batch.
const _: () = assert!(GROUP_ID_BYTES_MAX < JOURNAL_BATCH_BYTES_MAX);
const _: () = assert!(TOPIC_PATTERN_BYTES_MAX < COMPILED_PATTERN_BYTES_MAX);

// Share groups

/// What a share group knows of a partition is stored by blocks of so many offsets: one acknowledgement writes one block.
pub(crate) const SHARE_BLOCK_OFFSETS: i64 = 1024;
/// Gaps in a log up to this size get slots, which cost less than a further chunk: a transaction of one record leaves a marker behind each.
pub(crate) const SHARE_GAP_FILLED_MAX: i64 = 4;
/// Records that a window knows, done ones above its start and delayed ones too: one record that a member renews for ever must not let the
/// window grow for ever. 32 MB where the log has no gaps.
pub(crate) const SHARE_WINDOW_SLOTS_MAX: usize = 2_000_000;
/// Entries of a timeline that are not looked at for stale ones.
pub(crate) const SHARE_TIMES_SWEPT_MIN: usize = 64;

// Deltas and lengths within a block are stored with 16 bits.
const _: () = assert!(SHARE_GAP_FILLED_MAX < SHARE_BLOCK_OFFSETS && SHARE_BLOCK_OFFSETS <= u16::MAX as i64);

/// Partitions that a share session reads, or has read.
pub(crate) const SHARE_SESSION_PARTITIONS_MAX: usize = FETCH_SESSION_PARTITIONS_MAX;
/// Dead letters of a share partition that are written before the group's records are archived.
pub(crate) const DEAD_LETTERS_AT_ONCE_MAX: usize = 1000;
/// How often locks of share groups are looked at whose time may be over although nobody asks for records.
pub(crate) const SHARE_TEND_PAUSE_MS: u64 = 1000;

// Starts and stops

/// More partitions than this are synced at once, with whatever else is on the file system.
pub(crate) const SYNC_EACH_MAX: usize = 64;
/// Threads that open and close partitions.
pub(crate) const SIDE_BY_SIDE_THREADS_MAX: usize = 16;
/// With no more than so many a second thread is not worth it, and everything happens in order on the caller's.
pub(crate) const SIDE_BY_SIDE_EACH_MIN: usize = 64;
