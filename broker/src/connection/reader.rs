//! The reading half of a connection: bytes in, whole frames out. Nothing that arrived is lost when a read is dropped half-way.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use crate::limit;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use millstream_protocol::frame::{self, FrameError, PREFIX_BYTES};
use millstream_protocol::limit::FRAME_BYTES_MIN;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::OwnedSemaphorePermit;

/// A whole frame, and the memory that was reserved for it if it is large.
#[derive(Debug)]
pub(super) struct Frame {
    pub bytes: Bytes,
    pub memory: Option<OwnedSemaphorePermit>,
}

/// A large frame that has begun.
struct Large {
    bytes: BytesMut,
    length: usize,
    memory: Option<OwnedSemaphorePermit>,
}

/// Cuts frames off a stream.
pub(super) struct Reader<R> {
    stream: R,
    frame_bytes_max: usize,
    buffer: BytesMut,
    large: Option<Large>,
    /// The last frame was too large for the buffer.
    expects_large: bool,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(stream: R, frame_bytes_max: usize) -> Self {
        Reader { stream, frame_bytes_max, buffer: BytesMut::new(), large: None, expects_large: false }
    }

    /// Waits for more bytes and says how many came; 0 at the end of the stream.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|context| self.poll_fill(context)).await
    }

    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Some(large) = &mut self.large {
            let left = large.length - large.bytes.len();
            return poll_read(&mut self.stream, context, &mut large.bytes, left);
        }
        // After large frames the next one is large too: a short read shows its length, and the rest goes straight into
        // a buffer of its own size.
        let most = if self.expects_large && self.buffer.is_empty() { limit::PEEK_BYTES } else { limit::SHARED_BUFFER_BYTES };
        self.buffer.reserve(limit::SHARED_BUFFER_BYTES);
        let read = poll_read(&mut self.stream, context, &mut self.buffer, most);
        if read.is_pending() && self.buffer.is_empty() {
            // Thousands of idle connections hold no buffers.
            self.buffer = BytesMut::new();
        }
        read
    }

    /// Whether a part of a large frame is here: memory is reserved for it.
    pub(super) fn is_in_large(&self) -> bool {
        self.large.is_some()
    }

    /// The next frame that is here, whole.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(large) = self.large.take_if(|large| large.bytes.len() == large.length) {
            return Ok(Some(Frame { bytes: large.bytes.freeze(), memory: large.memory }));
        }
        if self.large.is_some() {
            return Ok(None);
        }
        let bytes = frame::split(&mut self.buffer, FRAME_BYTES_MIN, self.frame_bytes_max)?;
        self.expects_large &= bytes.is_none();
        if self.buffer.is_empty() && bytes.is_none() {
            self.buffer = BytesMut::new();
        }
        Ok(bytes.map(|bytes| Frame { bytes, memory: None }))
    }

    /// The length of a frame that has begun, is too large for the shared buffer, and has no memory yet: [`Reader::begin_large`] is
    /// called before more of it is read.
    pub(super) fn large_length(&self) -> Result<Option<usize>, FrameError> {
        if self.large.is_some() {
            return Ok(None);
        }
        let Some(prefix) = self.buffer.first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
        let length = frame::body_length(*prefix, FRAME_BYTES_MIN, self.frame_bytes_max)?;
        Ok((length > limit::SHARED_BUFFER_BYTES && self.buffer.len() < length + PREFIX_BYTES).then_some(length))
    }

    /// Gives the large frame that has begun a buffer of its own.
    pub(super) fn begin_large(&mut self, length: usize, memory: Option<OwnedSemaphorePermit>) {
        self.expects_large = true;
        self.buffer.advance(PREFIX_BYTES);
        let mut bytes = BytesMut::with_capacity(length);
        bytes.extend_from_slice(&self.buffer);
        self.buffer.clear();
        self.large = Some(Large { bytes, length, memory });
    }
}

/// Reads up to `most` bytes behind what is in a buffer.
fn poll_read(stream: &mut (impl AsyncRead + Unpin), context: &mut Context<'_>, to: &mut BytesMut, most: usize) -> Poll<io::Result<usize>> {
    let mut room = to.limit(most);
    // The future has no state: a new one for each poll is as good as one that is kept.
    pin!(stream.read_buf(&mut room)).poll(context)
}
