//! Every size that decoding is bounded by, and how the sizes relate.

/// Largest request frame that a server accepts unless configured otherwise (`socket.request.max.bytes`).
pub const FRAME_BYTES_MAX: usize = 100 * 1024 * 1024;

/// The smallest frame that can hold a request header: key, version and correlation id.
pub const FRAME_BYTES_MIN: usize = 8;

/// How many times its own size a frame may occupy once decoded. Short strings are the worst honest
/// case: a two-letter name costs three bytes on the wire and a `Bytes` handle in memory.
pub const DECODED_BYTES_PER_WIRE_BYTE: usize = 16;

/// What any frame may occupy once decoded, however short it is.
pub const DECODED_BYTES_BASE: usize = 16 * 1024;

/// What one record batch may inflate to at all. More than this is not walked, not even piece by piece: it would keep a core busy for
/// seconds for the sake of kilobytes.
pub const INFLATED_BATCH_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// What one record batch may inflate to where it has to be in memory as a whole: in compacted topics and in the broker's own.
pub const INFLATED_IN_MEMORY_BYTES_MAX: usize = 128 * 1024 * 1024;

/// A batch that inflates to more than this is walked piece by piece.
pub const WALKED_IN_MEMORY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The window that a zstd frame may ask for, as a power of two.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Longest topic name, as in Kafka: it has to fit a file name with a partition number behind it.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Headers of a record. One takes two bytes in a batch and sixty in memory: without a bound, a compressed batch of kilobytes is gigabytes.
pub(crate) const HEADERS_MAX: i32 = 16 * 1024;

/// The body of a transaction's marker, which has 30 bytes; nothing of its kind is large.
pub(crate) const MARKER_BYTES_MAX: usize = 4096;

/// What may follow a request's body: more than this is not a client's slip.
pub(crate) const TRAILING_BYTES_MAX: usize = 1024;

/// Below this, a piece of records is copied into the message: one more entry in the gather list costs the kernel more than so short a copy.
pub(crate) const COPIED_BYTES_MAX: usize = 512;

const _: () = assert!(FRAME_BYTES_MIN < FRAME_BYTES_MAX);
const _: () = assert!(1 << ZSTD_WINDOW_LOG_MAX <= INFLATED_IN_MEMORY_BYTES_MAX);
const _: () = assert!(WALKED_IN_MEMORY_BYTES_MAX < INFLATED_IN_MEMORY_BYTES_MAX);
const _: () = assert!(INFLATED_IN_MEMORY_BYTES_MAX < INFLATED_BATCH_BYTES_MAX);
const _: () = assert!(MARKER_BYTES_MAX < WALKED_IN_MEMORY_BYTES_MAX && TRAILING_BYTES_MAX < DECODED_BYTES_BASE);
