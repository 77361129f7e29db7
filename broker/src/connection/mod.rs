//! One connection: frames in, requests to the broker in the order of their arrival, answers out in the same order.
//!
//! A client may send on without waiting: up to 64 requests are under way at once. The answers wait for
//! one another, so a slow one slows its own connection and nobody else's.
//!
//! * `reader` cuts frames off the stream, `under_way` keeps the requests that are being served, `writer` sends answers
//! * `memory` is what requests of all connections share
//! * this file has the loop, over any stream and any way of serving: sockets and the broker here, a model of both in `tests`

mod memory;
mod reader;
#[cfg(test)]
mod tests;
mod under_way;
mod writer;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use millstream_protocol::encode::Part;
use millstream_protocol::frame::FrameError;
use millstream_protocol::header::{Preamble, decode_request, encode_response};
use millstream_protocol::{ApiKey, Call, Endpoint, ErrorCode, Response};
use tokio::io::AsyncRead;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use crate::api::api_versions;
use crate::broker::Broker;
use crate::dispatch::dispatch;
use crate::limit;
use crate::metrics::Metrics;
use crate::served::Served;
pub(crate) use memory::RequestMemory;
use reader::{Frame, Reader};
use under_way::{Form, UnderWay};
use writer::Outlet;

/// Why a connection ends, when it is not the client's wish.
#[derive(Debug)]
enum ConnectionEnd {
    Io(io::Error),
    Refused(String),
}

impl From<io::Error> for ConnectionEnd {
    fn from(error: io::Error) -> Self {
        ConnectionEnd::Io(error)
    }
}

impl From<FrameError> for ConnectionEnd {
    fn from(error: FrameError) -> Self {
        ConnectionEnd::Refused(error.to_string())
    }
}

/// Serves a connection until the client leaves, misbehaves or the server drains.
pub(crate) async fn serve(
    broker: Arc<Broker>,
    stream: TcpStream,
    advertised: Option<Endpoint>,
    memory: RequestMemory,
    drain: watch::Receiver<bool>,
) {
    let address = stream.peer_addr();
    let peer = address.as_ref().map_or_else(|_| "unknown".to_owned(), ToString::to_string);
    // Without an advertised address, answers name the one that the client came to: it is one that it can reach.
    let came_to =
        || stream.local_addr().ok().map(|local| Endpoint { host: local.ip().to_canonical().to_string().into(), port: local.port() });
    let endpoint = advertised.or_else(came_to);
    let (reader, writer) = stream.into_split();
    let settings = &broker.settings;
    let id = broker.next_connection();
    let connection = Connection {
        id,
        endpoint,
        peer: address.ok().map(|address| address.ip()),
        stall_max: Duration::from_millis(settings.idle_ms_max),
        wanted_stall_max: limit::WANTED_MEMORY_STALL_MAX,
        reader: Reader::new(reader, settings.request_bytes_max),
        last_read: Instant::now(),
        writer,
        under_way: UnderWay::default(),
        memory,
        metrics: broker.metrics.clone(),
        serve: |call| dispatch(&broker, call),
    };
    let end = connection.run(drain).await;
    broker.disconnected(id);
    match end {
        Ok(()) => {}
        Err(ConnectionEnd::Io(error)) => tracing::debug!(peer, "connection ended: {error}"),
        Err(ConnectionEnd::Refused(reason)) => {
            Metrics::add(&broker.metrics.requests_refused, 1);
            tracing::info!(peer, "connection closed: {reason}");
        }
    }
}

struct Connection<R, W, S> {
    id: u64,
    /// The address that answers name to connect to.
    endpoint: Option<Endpoint>,
    peer: Option<IpAddr>,
    /// How long no byte may move while one is waited for (`connections.max.idle.ms`).
    stall_max: Duration,
    /// The same within a large request whose memory others wait for.
    wanted_stall_max: Duration,
    reader: Reader<R>,
    /// When bytes came last.
    last_read: Instant,
    writer: W,
    under_way: UnderWay,
    memory: RequestMemory,
    metrics: Arc<Metrics>,
    /// Lets a request take effect, now; its future waits for the answer.
    serve: S,
}

/// What a wait came to.
enum Woken {
    /// The answer at the head of the line is there, or the server drains.
    Look,
    /// So many bytes came; 0 at the end of the stream.
    Read(usize),
}

impl<R, W, S> Connection<R, W, S>
where
    R: AsyncRead + Unpin,
    W: Outlet,
    S: Fn(Call) -> Served,
{
    /// Every wait comes after two things: all whole frames that are here and that there is room for have begun, and all answers that
    /// are ready have been sent. So whatever has arrived is served, although nothing else may ever come.
    async fn run(mut self, mut drain: watch::Receiver<bool>) -> Result<(), ConnectionEnd> {
        let mut is_at_end = false;
        loop {
            let has_begun = match self.begin_whole_frames() {
                Ok(has_begun) => has_begun,
                Err(end) => return self.end_after_answers(end).await,
            };
            let was_full = self.under_way.is_full();
            let has_sent = self.send_ready().await?;
            if has_begun || has_sent || was_full && !self.under_way.is_full() {
                continue;
            }
            let may_read = !is_at_end && !*drain.borrow();
            if !may_read && self.under_way.is_empty() {
                return Ok(());
            }
            if may_read
                && !self.under_way.is_full()
                && let Some(length) = self.reader.large_length()?
            {
                let memory = self.reserve(length).await?;
                self.reader.begin_large(length, memory);
                continue;
            }
            if let Woken::Read(count) = self.wait(may_read, &mut drain).await? {
                is_at_end = count == 0;
                Metrics::add(&self.metrics.bytes_in, count as u64);
            }
        }
    }

    /// What cannot be served ends the connection, after the requests before it were answered: they have taken effect.
    async fn end_after_answers(&mut self, end: ConnectionEnd) -> Result<(), ConnectionEnd> {
        while !self.under_way.is_empty() {
            self.under_way.next_done().await;
            self.send_ready().await?;
        }
        Err(end)
    }

    /// Begins the requests that are here, whole, as many as may be under way.
    fn begin_whole_frames(&mut self) -> Result<bool, ConnectionEnd> {
        let mut has_begun = false;
        while !self.under_way.is_full()
            && let Some(frame) = self.reader.next_frame()?
        {
            self.begin(frame)?;
            has_begun = true;
        }
        Ok(has_begun)
    }

    async fn wait(&mut self, may_read: bool, drain: &mut watch::Receiver<bool>) -> Result<Woken, ConnectionEnd> {
        let is_serving = !self.under_way.is_empty();
        let may_read = may_read && !self.under_way.is_full();
        let is_in_large = self.reader.is_in_large();
        let look_after = if is_in_large { self.stall_max.min(self.wanted_stall_max) } else { self.stall_max };
        tokio::select! {
            biased;
            () = self.under_way.next_done(), if is_serving => Ok(Woken::Look),
            read = tokio::time::timeout(look_after, self.reader.fill()), if may_read => match read {
                Ok(count) => {
                    self.last_read = Instant::now();
                    Ok(Woken::Read(count?))
                }
                Err(_) if is_in_large && self.memory.is_wanted() => {
                    let reason = format!("no byte of a large request came for {} ms, and others wait for its memory", look_after.as_millis());
                    Err(ConnectionEnd::Refused(reason))
                }
                // It is not the client that is waited for.
                Err(_) if is_serving || self.last_read.elapsed() < self.stall_max => Ok(Woken::Look),
                Err(_) => Err(ConnectionEnd::Refused(format!("no byte came for {} ms", self.stall_max.as_millis()))),
            },
            _ = drain.changed() => Ok(Woken::Look),
        }
    }

    /// Waits for memory, and sends answers meanwhile: they may be what holds it.
    async fn reserve(&mut self, length: usize) -> Result<Option<OwnedSemaphorePermit>, ConnectionEnd> {
        let memory = self.memory.clone();
        let reserved = memory.reserve(length);
        tokio::pin!(reserved);
        loop {
            tokio::select! {
                biased;
                permit = &mut reserved => return Ok(permit),
                () = self.under_way.next_done(), if !self.under_way.is_empty() => {}
            }
            self.send_ready().await?;
        }
    }

    /// Decodes a request and lets the broker act on it.
    fn begin(&mut self, frame: Frame) -> Result<(), ConnectionEnd> {
        let preamble = Preamble::peek(&frame.bytes).ok_or_else(|| ConnectionEnd::Refused("a frame without a request".into()))?;
        let api = ApiKey::from_i16(preamble.api_key);
        Metrics::add(&self.metrics.requests, 1);
        if api == Some(ApiKey::ApiVersions) && !ApiKey::ApiVersions.serves(preamble.api_version) {
            let answer = futures::future::ready(api_versions::unsupported().into()).boxed();
            let form = Form { version: 0, correlation_id: preamble.correlation_id, is_silent: false };
            self.under_way.push(Served::Begun(answer), form, frame.memory);
            return Ok(());
        }
        let incoming = decode_request(frame.bytes)
            .map_err(|error| ConnectionEnd::Refused(format!("api key {} version {}: {error}", preamble.api_key, preamble.api_version)))?;
        let form = Form::of(&incoming.request, incoming.version, incoming.correlation_id);
        let call = Call {
            version: incoming.version,
            client_id: incoming.client_id,
            connection: self.id,
            endpoint: self.endpoint.clone(),
            peer: self.peer,
            request: incoming.request,
        };
        let served = (self.serve)(call);
        self.under_way.push(served, form, frame.memory);
        Ok(())
    }

    /// Sends the answers at the head of the line that are there, as many as may be held. Says whether a request is over.
    async fn send_ready(&mut self) -> Result<bool, ConnectionEnd> {
        let mut parts: VecDeque<Part> = VecDeque::new();
        let mut total = 0;
        let mut has_ended = false;
        let mut sendable = Ok(());
        while sendable.is_ok()
            && total < limit::WAITING_ANSWER_BYTES_MAX
            && let Some((response, form)) = self.under_way.pop_done()
        {
            has_ended = true;
            sendable = encode(&response, form).map(|message| {
                total += message.iter().map(Part::len).sum::<usize>();
                parts.extend(message);
            });
        }
        if total > 0 {
            writer::write_all(&mut self.writer, parts, self.stall_max).await.map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => {
                    ConnectionEnd::Refused(format!("the client took no byte of an answer for {} ms", self.stall_max.as_millis()))
                }
                _ => ConnectionEnd::Io(error),
            })?;
            Metrics::add(&self.metrics.bytes_out, total as u64);
        }
        // After the answers before it.
        sendable.map(|()| has_ended)
    }
}

/// An answer as it travels, with its length before it; nothing for a client that wants none.
fn encode(response: &Response, form: Form) -> Result<Vec<Part>, ConnectionEnd> {
    if form.is_silent {
        return check_silent(response).map(|()| Vec::new());
    }
    let message = encode_response(response, form.version, form.correlation_id)
        .map_err(|error| ConnectionEnd::Refused(format!("the answer has no form in version {}: {error}", form.version)))?;
    let length: usize = message.iter().map(Part::len).sum();
    let prefix = Part::Bytes(Bytes::copy_from_slice(&(length as u32).to_be_bytes()));
    Ok(std::iter::once(prefix).chain(message).collect())
}

/// A producer that wants no answer learns of an error by losing its connection, as with Kafka.
fn check_silent(response: &Response) -> Result<(), ConnectionEnd> {
    if let Response::Produce(produce) = response {
        let codes = produce.responses.iter().flat_map(|topic| &topic.partition_responses).map(|partition| partition.error_code);
        if let Some(code) = codes.into_iter().find(|code| *code != ErrorCode::NONE) {
            return Err(ConnectionEnd::Refused(format!("a produce request with acks=0 failed: {code}")));
        }
    }
    Ok(())
}
