//! The exchange over a socket: requests are pipelined, answers come in their order, and a lost connection is made
//! anew by the next request.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::FutureExt;
use millstream_protocol::exchange::Answer;
use millstream_protocol::frame::{self, PREFIX_BYTES};
use millstream_protocol::header::{decode_response, encode_request};
use millstream_protocol::limit::FRAME_BYTES_MAX;
use millstream_protocol::message::api_versions::ApiVersionsRequest;
use millstream_protocol::{ApiKey, Call, Disconnected, Exchange, Request, Response, Str};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::error::Error;

/// Requests that may wait to be sent or answered.
const UNDER_WAY_MAX: usize = 256;
/// How long a broker may take to answer, beyond the time that a request asks it to wait. After that the connection is given
/// up: answers come in order, so nothing would come behind the missing one.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause before a connection is tried again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

type Reply = oneshot::Sender<Result<Response, Disconnected>>;
type Versions = Arc<Mutex<HashMap<ApiKey, i16>>>;

struct Ticket {
    call: Call,
    reply: Reply,
}

/// Requests that were sent, in their order.
struct Sent {
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    reply: Reply,
}

/// One broker behind a socket.
#[derive(Debug)]
pub struct TcpExchange {
    tickets: mpsc::Sender<Ticket>,
    versions: Versions,
    request_timeout: Duration,
    /// Told when an answer is overdue.
    overdue: Arc<Notify>,
}

impl TcpExchange {
    /// Connects to `host:port` and learns what the broker serves.
    ///
    /// # Errors
    /// When nobody answers there, or what answers is no broker.
    pub async fn connect(address: &str) -> Result<Self, Error> {
        let link = Link { address: address.to_owned(), versions: Versions::default(), overdue: Arc::default() };
        let connection = Connection::open(&link).await?;
        let (tickets, receiver) = mpsc::channel(UNDER_WAY_MAX);
        let (versions, overdue) = (link.versions.clone(), link.overdue.clone());
        tokio::spawn(run(link, connection, receiver));
        Ok(TcpExchange { tickets, versions, request_timeout: REQUEST_TIMEOUT, overdue })
    }

    /// The same with another patience: 30 s unless told otherwise, beyond what a request asks the broker to wait.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    async fn in_time(
        answer: oneshot::Receiver<Result<Response, Disconnected>>,
        patience: Duration,
        overdue: Arc<Notify>,
    ) -> Result<Response, Disconnected> {
        match tokio::time::timeout(patience, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(Disconnected::new("the connection was closed"))),
            Err(_) => {
                overdue.notify_waiters();
                Err(Disconnected::new(format!("no answer within {} ms", patience.as_millis())))
            }
        }
    }
}

impl Exchange for TcpExchange {
    fn exchange(&self, call: Call) -> Answer {
        let (reply, answer) = oneshot::channel();
        let wait_ms = match &call.request {
            Request::Fetch(fetch) => fetch.max_wait_ms.max(0) as u64,
            // The broker answers when the whole group has joined.
            Request::JoinGroup(join) => join.rebalance_timeout_ms.max(join.session_timeout_ms).max(0) as u64,
            _ => 0,
        };
        match self.tickets.try_send(Ticket { call, reply }) {
            Ok(()) => Self::in_time(answer, self.request_timeout + Duration::from_millis(wait_ms), self.overdue.clone()).boxed(),
            Err(mpsc::error::TrySendError::Full(_)) => {
                let reason = format!("{UNDER_WAY_MAX} requests are under way on this connection already");
                futures::future::ready(Err(Disconnected::new(reason))).boxed()
            }
            Err(mpsc::error::TrySendError::Closed(_)) => {
                futures::future::ready(Err(Disconnected::new("the connection was closed"))).boxed()
            }
        }
    }

    fn version(&self, api: ApiKey) -> Option<i16> {
        self.versions.lock().get(&api).copied()
    }
}

/// What every connection to the broker is made from.
struct Link {
    address: String,
    versions: Versions,
    overdue: Arc<Notify>,
}

struct Connection {
    writer: OwnedWriteHalf,
    sent: mpsc::Sender<Sent>,
    next_correlation_id: i32,
}

impl Connection {
    async fn open(link: &Link) -> Result<Self, Disconnected> {
        let address = &link.address;
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
        let stream = match connecting.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Disconnected::new(format!("cannot connect to {address}: {error}"))),
            Err(_) => return Err(Disconnected::new(format!("{address} did not answer in {} s", CONNECT_TIMEOUT.as_secs()))),
        };
        // Without it small requests wait for the acknowledgement of the one before.
        stream.set_nodelay(true).map_err(Disconnected::new)?;
        let (reader, writer) = stream.into_split();
        let (sent, receiver) = mpsc::channel(UNDER_WAY_MAX);
        tokio::spawn(receive(reader, receiver, link.overdue.clone()));
        let mut connection = Connection { writer, sent, next_correlation_id: 1 };
        let request = ApiVersionsRequest {
            client_software_name: Str::from_static("millstream"),
            client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
        };
        let (reply, answer) = oneshot::channel();
        let call = Call { version: 3, client_id: Some(Str::from_static("millstream")), connection: 0, peer: None, request: request.into() };
        connection.send(Ticket { call, reply }).await.map_err(Disconnected::new)?;
        let Ok(answer) = tokio::time::timeout(CONNECT_TIMEOUT, answer).await else {
            return Err(Disconnected::new(format!("{address} takes connections and did not answer in {} s", CONNECT_TIMEOUT.as_secs())));
        };
        let Ok(Ok(Response::ApiVersions(answer))) = answer else {
            return Err(Disconnected::new(format!("what listens on {address} does not speak the Kafka protocol")));
        };
        let served = answer.api_keys.iter().filter_map(|row| {
            let api = ApiKey::from_i16(row.api_key)?;
            let version = row.max_version.min(api.info().max);
            (version >= row.min_version.max(api.info().served_min)).then_some((api, version))
        });
        *link.versions.lock() = served.collect();
        Ok(connection)
    }

    async fn send(&mut self, ticket: Ticket) -> io::Result<()> {
        let Ticket { call, reply } = ticket;
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id = self.next_correlation_id.wrapping_add(1);
        let is_silent = matches!(&call.request, Request::Produce(produce) if produce.acks == 0);
        let api = call.request.api_key();
        let message = match encode_request(&call.request, call.version, correlation_id, call.client_id.as_ref()) {
            Ok(message) => message,
            Err(error) => {
                let _ = reply.send(Err(Disconnected::new(format!("the request has no form in version {}: {error}", call.version))));
                return Ok(());
            }
        };
        if is_silent {
            let _ = reply.send(Ok(Response::Produce(Default::default())));
        } else if self.sent.send(Sent { api, version: call.version, correlation_id, reply }).await.is_err() {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        let length: usize = message.iter().map(Bytes::len).sum();
        let prefix = Bytes::copy_from_slice(&(length as u32).to_be_bytes());
        let mut pieces: Vec<Bytes> = std::iter::once(prefix).chain(message).collect();
        while !pieces.is_empty() {
            let slices: Vec<IoSlice<'_>> = pieces.iter().take(64).map(|piece| IoSlice::new(piece)).collect();
            let mut written = self.writer.write_vectored(&slices).await?;
            if written == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero));
            }
            pieces.retain_mut(|piece| {
                let taken = written.min(piece.len());
                piece.advance(taken);
                written -= taken;
                !piece.is_empty()
            });
        }
        Ok(())
    }
}

/// Sends tickets in order; makes the connection anew when it is lost.
async fn run(link: Link, connection: Connection, mut tickets: mpsc::Receiver<Ticket>) {
    let mut connection = Some(connection);
    while let Some(ticket) = tickets.recv().await {
        if connection.as_ref().is_none_or(|connection| connection.sent.is_closed()) {
            match Connection::open(&link).await {
                Ok(opened) => connection = Some(opened),
                Err(error) => {
                    let _ = ticket.reply.send(Err(error));
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                    continue;
                }
            }
        }
        if let Some(open) = &mut connection
            && open.send(ticket).await.is_err()
        {
            // The ticket's reply was dropped, which its caller sees as a lost connection.
            connection = None;
        }
    }
}

/// Hands answers to those who wait, in the order of the requests; ends with the connection.
async fn receive(mut reader: OwnedReadHalf, mut sent: mpsc::Receiver<Sent>, overdue: Arc<Notify>) {
    let mut buffer = BytesMut::new();
    let reason = loop {
        match frame::split(&mut buffer, PREFIX_BYTES, FRAME_BYTES_MAX) {
            Err(error) => break error.to_string(),
            Ok(Some(frame)) => {
                let Ok(first) = sent.try_recv() else { break "an answer that nobody asked for".to_owned() };
                match decode_response(frame, first.api, first.version) {
                    Ok((correlation_id, response)) if correlation_id == first.correlation_id => {
                        let _ = first.reply.send(Ok(response));
                    }
                    Ok(_) => break "an answer to another request".to_owned(),
                    Err(error) => break format!("the answer to {:?} version {} cannot be read: {error}", first.api, first.version),
                }
                continue;
            }
            Ok(None) => {}
        }
        let missing = buffer.first_chunk::<PREFIX_BYTES>().map_or(0, |prefix| u32::from_be_bytes(*prefix) as usize);
        buffer.reserve((missing + PREFIX_BYTES).saturating_sub(buffer.len()).clamp(16 * 1024, FRAME_BYTES_MAX));
        let read = tokio::select! {
            read = reader.read_buf(&mut buffer) => read,
            () = overdue.notified() => break "an answer is overdue".to_owned(),
        };
        match read {
            Ok(0) => break "the broker closed the connection".to_owned(),
            Ok(_) => {}
            Err(error) => break error.to_string(),
        }
    };
    sent.close();
    while let Some(waiting) = sent.recv().await {
        let _ = waiting.reply.send(Err(Disconnected::new(&reason)));
    }
}
