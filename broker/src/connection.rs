//! One connection: frames in, requests to the broker in the order of their arrival, answers out in the same order.
//!
//! A client may send on without waiting: up to [`PIPELINED_MAX`] requests are under way at once. The answers wait for
//! one another, so a slow one slows its own connection and nobody else's.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::frame::{self, PREFIX_BYTES};
use millstream_protocol::header::{Preamble, decode_request, encode_response};
use millstream_protocol::limit::FRAME_BYTES_MIN;
use millstream_protocol::{ApiKey, Call, ErrorCode, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::api::api_versions;
use crate::broker::Broker;
use crate::dispatch::dispatch;
use crate::metrics::Metrics;

/// Requests of one connection that may be under way.
const PIPELINED_MAX: usize = 64;
/// Frames up to this size share a read buffer; a larger one gets a buffer of its own size.
const SHARED_BUFFER_BYTES: usize = 16 * 1024;
/// Answers that wait for an earlier one may hold this much before no further one is made.
const WAITING_ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Enough to learn the length of a frame and to see what it asks.
const PEEK_BYTES: usize = 64;
/// How long a peer may take to send the rest of a frame, or to take an answer.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(60);

/// Memory for requests, shared by all connections. One permit is a KiB.
#[derive(Debug, Clone)]
pub(crate) struct RequestMemory {
    permits: Arc<Semaphore>,
    kib_max: u32,
}

impl RequestMemory {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let kib_max = (bytes_max / 1024).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize)) as u32;
        RequestMemory { permits: Arc::new(Semaphore::new(kib_max as usize)), kib_max }
    }

    async fn reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let kib = (bytes as u32 / 1024 + 1).min(self.kib_max);
        self.permits.clone().acquire_many_owned(kib).await.ok()
    }
}

/// An answer on its way, with what it takes to send it.
struct UnderWay {
    answer: BoxFuture<'static, Response>,
    version: i16,
    correlation_id: i32,
    is_silent: bool,
    done: Option<Response>,
    /// What the answer that is there holds in memory.
    done_bytes: usize,
    _memory: Option<OwnedSemaphorePermit>,
}

/// Why a connection ends, when it is not the client's wish.
enum End {
    Io(io::Error),
    Refused(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        End::Io(error)
    }
}

/// Serves a connection until the client leaves, misbehaves or the server drains.
pub(crate) async fn serve(broker: Arc<Broker>, stream: TcpStream, memory: RequestMemory, drain: watch::Receiver<bool>) {
    let stream_peer = stream.peer_addr().ok().map(|address| address.ip());
    let peer = stream.peer_addr().map_or_else(|_| "unknown".to_owned(), |address| address.to_string());
    let (reader, writer) = stream.into_split();
    let connection = Connection {
        id: broker.next_connection(),
        peer: stream_peer,
        reader: Reader { stream: reader, buffer: BytesMut::new(), expects_large: false },
        writer,
        under_way: VecDeque::new(),
        memory,
        broker: broker.clone(),
    };
    match connection.run(drain).await {
        Ok(()) => {}
        Err(End::Io(error)) => tracing::debug!(peer, "connection ended: {error}"),
        Err(End::Refused(reason)) => {
            Metrics::add(&broker.metrics.requests_refused, 1);
            tracing::info!(peer, "connection closed: {reason}");
        }
    }
}

struct Connection {
    id: u64,
    peer: Option<IpAddr>,
    broker: Arc<Broker>,
    reader: Reader,
    writer: OwnedWriteHalf,
    under_way: VecDeque<UnderWay>,
    memory: RequestMemory,
}

impl Connection {
    async fn run(mut self, mut drain: watch::Receiver<bool>) -> Result<(), End> {
        let idle = Duration::from_millis(self.broker.settings.idle_ms_max);
        let request_bytes_max = self.broker.settings.request_bytes_max;
        loop {
            // Requests that are here already are served before anything is waited for, also those for which there is room only now that
            // answers have gone: nothing else may ever come.
            loop {
                let mut has_begun = false;
                while self.under_way.len() < PIPELINED_MAX
                    && let Some(frame) = self.reader.buffered_frame(request_bytes_max)?
                {
                    self.begin(frame, None)?;
                    has_begun = true;
                }
                self.send_ready().await?;
                if !has_begun {
                    break;
                }
            }
            if *drain.borrow() && self.under_way.is_empty() {
                return Ok(());
            }
            let may_read = self.under_way.len() < PIPELINED_MAX && !*drain.borrow();
            let has_answers = !self.under_way.is_empty();
            let read = tokio::select! {
                biased;
                () = next_done(&mut self.under_way), if has_answers => continue,
                read = tokio::time::timeout(idle, self.reader.fill()), if may_read => read,
                _ = drain.changed() => continue,
            };
            match read {
                Err(_) if has_answers => continue,
                Err(_) => return Err(End::Refused(format!("idle for {} ms", idle.as_millis()))),
                Ok(count) => {
                    let count = count?;
                    if count == 0 {
                        // The client has finished sending; what it asked for is still answered.
                        while !self.under_way.is_empty() {
                            next_done(&mut self.under_way).await;
                            self.send_ready().await?;
                        }
                        return Ok(());
                    }
                    Metrics::add(&self.broker.metrics.bytes_in, count as u64);
                }
            }
            if let Some(length) = self.reader.large_frame(request_bytes_max)? {
                let memory = self.reserve(length).await?;
                let frame = tokio::time::timeout(PROGRESS_TIMEOUT, self.reader.read_large(length))
                    .await
                    .map_err(|_| End::Refused(format!("a frame of {length} bytes did not arrive in time")))??;
                Metrics::add(&self.broker.metrics.bytes_in, length as u64);
                self.begin(frame, memory)?;
            }
        }
    }

    /// Waits for memory, and sends answers meanwhile: they may be what holds it.
    async fn reserve(&mut self, length: usize) -> Result<Option<OwnedSemaphorePermit>, End> {
        let memory = self.memory.clone();
        let reserved = memory.reserve(length);
        tokio::pin!(reserved);
        loop {
            tokio::select! {
                biased;
                permit = &mut reserved => return Ok(permit),
                () = next_done(&mut self.under_way), if !self.under_way.is_empty() => {}
            }
            self.send_ready().await?;
        }
    }

    /// Decodes a request and lets the broker act on it.
    fn begin(&mut self, frame: Bytes, memory: Option<OwnedSemaphorePermit>) -> Result<(), End> {
        let preamble = Preamble::peek(&frame).ok_or_else(|| End::Refused("a frame without a request".into()))?;
        let api = ApiKey::from_i16(preamble.api_key);
        Metrics::add(&self.broker.metrics.requests, 1);
        if api == Some(ApiKey::ApiVersions) && !ApiKey::ApiVersions.serves(preamble.api_version) {
            let answer = futures::future::ready(api_versions::unsupported().into()).boxed();
            self.push(answer, 0, preamble.correlation_id, false, memory);
            return Ok(());
        }
        let incoming = decode_request(frame)
            .map_err(|error| End::Refused(format!("api key {} version {}: {error}", preamble.api_key, preamble.api_version)))?;
        let is_silent = matches!(&incoming.request, Request::Produce(produce) if produce.acks == 0);
        let call = Call {
            version: incoming.version,
            client_id: incoming.client_id,
            connection: self.id,
            peer: self.peer,
            request: incoming.request,
        };
        let answer = dispatch(&self.broker, call);
        self.push(answer, incoming.version, incoming.correlation_id, is_silent, memory);
        Ok(())
    }

    fn push(
        &mut self,
        answer: BoxFuture<'static, Response>,
        version: i16,
        correlation_id: i32,
        is_silent: bool,
        memory: Option<OwnedSemaphorePermit>,
    ) {
        self.under_way.push_back(UnderWay { answer, version, correlation_id, is_silent, done: None, done_bytes: 0, _memory: memory });
    }

    /// Sends the answers at the head of the line that are there.
    async fn send_ready(&mut self) -> Result<(), End> {
        let mut pieces: VecDeque<Bytes> = VecDeque::new();
        let mut total = 0;
        while let Some(first) = self.under_way.front_mut() {
            if first.done.is_none() {
                first.done = first.answer.as_mut().now_or_never();
            }
            let Some(response) = first.done.take() else { break };
            let (version, correlation_id, is_silent) = (first.version, first.correlation_id, first.is_silent);
            self.under_way.pop_front();
            if is_silent {
                check_silent(&response)?;
                continue;
            }
            let message = encode_response(&response, version, correlation_id)
                .map_err(|error| End::Refused(format!("the answer has no form in version {version}: {error}")))?;
            let length: usize = message.iter().map(Bytes::len).sum();
            pieces.push_back(Bytes::copy_from_slice(&(length as u32).to_be_bytes()));
            pieces.extend(message);
            total += length + PREFIX_BYTES;
        }
        if total > 0 {
            write_all(&mut self.writer, pieces).await?;
            Metrics::add(&self.broker.metrics.bytes_out, total as u64);
        }
        Ok(())
    }
}

/// A producer that wants no answer learns of an error by losing its connection, as with Kafka.
fn check_silent(response: &Response) -> Result<(), End> {
    if let Response::Produce(produce) = response {
        let codes = produce.responses.iter().flat_map(|topic| &topic.partition_responses).map(|partition| partition.error_code);
        if let Some(code) = codes.into_iter().find(|code| *code != ErrorCode::NONE) {
            return Err(End::Refused(format!("a produce request with acks=0 failed: {code}")));
        }
    }
    Ok(())
}

/// Waits until the answer at the head of the line is there; drives all the others meanwhile.
async fn next_done(under_way: &mut VecDeque<UnderWay>) {
    poll_fn(|context| {
        let mut held_bytes: usize = under_way.iter().map(|request| request.done_bytes).sum();
        for (place, request) in under_way.iter_mut().enumerate() {
            // A client that asks on and on and reads no answer does not fill the memory.
            if place > 0 && held_bytes >= WAITING_ANSWER_BYTES_MAX {
                break;
            }
            if request.done.is_none()
                && let Poll::Ready(response) = request.answer.as_mut().poll(context)
            {
                request.done_bytes = record_bytes(&response);
                held_bytes += request.done_bytes;
                request.done = Some(response);
            }
            if place == 0 && request.done.is_some() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    })
    .await;
}

/// What an answer holds beside a few small fields.
fn record_bytes(response: &Response) -> usize {
    let Response::Fetch(fetch) = response else { return 0 };
    let partitions = fetch.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.filter_map(|partition| partition.records.as_ref()).map(|records| records.len()).sum()
}

/// Sends all pieces; each must be taken in time.
async fn write_all(writer: &mut OwnedWriteHalf, mut pieces: VecDeque<Bytes>) -> Result<(), End> {
    const SLICES_MAX: usize = 64;
    while !pieces.is_empty() {
        let slices: Vec<IoSlice<'_>> = pieces.iter().take(SLICES_MAX).map(|piece| IoSlice::new(piece)).collect();
        let mut written = tokio::time::timeout(PROGRESS_TIMEOUT, writer.write_vectored(&slices))
            .await
            .map_err(|_| End::Refused("the client does not take its answers".into()))??;
        if written == 0 {
            return Err(End::Io(io::Error::from(io::ErrorKind::WriteZero)));
        }
        while written > 0 {
            let Some(first) = pieces.front_mut() else { break };
            if first.len() > written {
                first.advance(written);
                break;
            }
            written -= first.len();
            pieces.pop_front();
        }
    }
    Ok(())
}

/// Cuts frames off a socket.
struct Reader {
    stream: OwnedReadHalf,
    buffer: BytesMut,
    /// The last frame was too large for the buffer.
    expects_large: bool,
}

fn refused(error: frame::FrameError) -> End {
    End::Refused(error.to_string())
}

impl Reader {
    /// Waits for more bytes. Safe to drop: nothing that was read is lost.
    async fn fill(&mut self) -> io::Result<usize> {
        // The size is reserved only once bytes are there: thousands of idle connections hold no buffers.
        self.stream.readable().await?;
        self.buffer.reserve(SHARED_BUFFER_BYTES);
        // After large frames the next one is large too: a short read shows its length, and the rest goes straight into
        // a buffer of its own size.
        let most = if self.expects_large && self.buffer.is_empty() { PEEK_BYTES } else { SHARED_BUFFER_BYTES };
        match self.stream.try_read_buf(&mut (&mut self.buffer).limit(most)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.read_buf(&mut self.buffer).await,
            other => other,
        }
    }

    /// A frame that is here, whole.
    fn buffered_frame(&mut self, limit: usize) -> Result<Option<Bytes>, End> {
        let frame = frame::split(&mut self.buffer, FRAME_BYTES_MIN, limit).map_err(refused)?;
        self.expects_large &= frame.is_none();
        if self.buffer.is_empty() && frame.is_none() {
            self.buffer = BytesMut::new();
        }
        Ok(frame)
    }

    /// The length of a frame that has begun and is too large for the shared buffer.
    fn large_frame(&self, limit: usize) -> Result<Option<usize>, End> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
        let length = frame::body_length(*prefix, FRAME_BYTES_MIN, limit).map_err(refused)?;
        Ok((length > SHARED_BUFFER_BYTES && self.buffer.len() < length + PREFIX_BYTES).then_some(length))
    }

    /// Reads the rest of a large frame into a buffer of its own.
    async fn read_large(&mut self, length: usize) -> Result<Bytes, End> {
        self.expects_large = true;
        self.buffer.advance(PREFIX_BYTES);
        let mut frame = BytesMut::with_capacity(length);
        frame.extend_from_slice(&self.buffer);
        self.buffer.clear();
        while frame.len() < length {
            let left = length - frame.len();
            if self.stream.read_buf(&mut (&mut frame).limit(left)).await? == 0 {
                return Err(End::Io(io::Error::from(io::ErrorKind::UnexpectedEof)));
            }
        }
        Ok(frame.freeze())
    }
}
