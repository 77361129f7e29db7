//! The exchange over a socket: requests are pipelined, answers come in their order, and a lost connection is made
//! anew by the next request.
//!
//! A connection has two halves: `run` writes requests, `receive` reads answers. Either half may find that the broker is gone or
//! stands still, and the connection ends as a whole then.

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
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::error::Error;
use crate::limit;

/// How long a broker may take to answer, beyond the time that a request asks it to wait, and how long it may take nothing of a
/// request. After that the connection is given up: answers come in order, so nothing would come behind the missing one.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that vanished without a word is noticed while nothing is asked, too.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
/// The pause before a connection is tried again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

type Reply = oneshot::Sender<Result<Response, Disconnected>>;
type Versions = Arc<Mutex<HashMap<ApiKey, i16>>>;

struct Ticket {
    call: Call,
    reply: Reply,
    /// When its caller gives up waiting.
    due: Instant,
}

/// A request that was sent; they are answered in order.
struct Sent {
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    reply: Reply,
    /// When its answer is overdue.
    due: Instant,
}

/// One broker behind a socket.
#[derive(Debug)]
pub struct TcpExchange {
    tickets: mpsc::Sender<Ticket>,
    versions: Versions,
    request_timeout: Duration,
}

impl TcpExchange {
    /// Connects to `host:port` and learns what the broker serves.
    ///
    /// # Errors
    /// When nobody answers there, or what answers is no broker.
    pub async fn connect(address: &str) -> Result<Self, Error> {
        Self::connect_with(address, REQUEST_TIMEOUT).await
    }

    /// The same with another request timeout: how long the broker may take to answer, beyond what a request asks it to wait; 30 s
    /// unless set.
    ///
    /// # Errors
    /// As [`TcpExchange::connect`].
    pub async fn connect_with(address: &str, request_timeout: Duration) -> Result<Self, Error> {
        let link = Link { address: address.to_owned(), versions: Versions::default(), request_timeout };
        let connection = Connection::open(&link).await?;
        let (tickets, receiver) = mpsc::channel(limit::UNDER_WAY_MAX);
        let versions = link.versions.clone();
        tokio::spawn(run(link, connection, receiver));
        Ok(TcpExchange { tickets, versions, request_timeout })
    }
}

/// How long a broker may take to answer: the request timeout, and what the request itself asks it to wait.
fn patience(request_timeout: Duration, request: &Request) -> Duration {
    let wait_ms = match request {
        Request::Fetch(fetch) => fetch.max_wait_ms.max(0) as u64,
        Request::ShareFetch(fetch) => fetch.max_wait_ms.max(0) as u64,
        // The broker answers when the whole group has joined.
        Request::JoinGroup(join) => join.rebalance_timeout_ms.max(join.session_timeout_ms).max(0) as u64,
        _ => 0,
    };
    request_timeout + Duration::from_millis(wait_ms)
}

impl Exchange for TcpExchange {
    fn exchange(&self, call: Call) -> Answer {
        let (reply, answer) = oneshot::channel();
        let patience = patience(self.request_timeout, &call.request);
        let due = Instant::now() + patience;
        match self.tickets.try_send(Ticket { call, reply, due }) {
            Ok(()) => async move {
                match tokio::time::timeout_at(due, answer).await {
                    Ok(answer) => answer.unwrap_or_else(|_| Err(Disconnected::new("the connection was closed"))),
                    Err(_) => Err(Disconnected::new(format!("no answer within {} ms", patience.as_millis()))),
                }
            }
            .boxed(),
            Err(mpsc::error::TrySendError::Full(_)) => {
                let reason = format!("{} requests are under way on this connection already", limit::UNDER_WAY_MAX);
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
    request_timeout: Duration,
}

/// The writing half of a connection, and what ties it to the reading half.
struct Connection {
    writer: OwnedWriteHalf,
    /// Closed when the reading half has ended.
    sent: mpsc::Sender<Sent>,
    reading: JoinHandle<()>,
    next_correlation_id: i32,
    request_timeout: Duration,
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
        prepare(&stream).map_err(Disconnected::new)?;
        let (reader, writer) = stream.into_split();
        let (sent, receiver) = mpsc::channel(limit::UNDER_WAY_MAX);
        let reading = tokio::spawn(receive(reader, receiver));
        let request_timeout = link.request_timeout;
        let mut connection = Connection { writer, sent, reading, next_correlation_id: 1, request_timeout };
        let request = ApiVersionsRequest {
            client_software_name: Str::from_static("millstream"),
            client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
        };
        let (reply, answer) = oneshot::channel();
        let call = Call { version: 3, client_id: Some(Str::from_static("millstream")), ..Call::local(request) };
        let due = Instant::now() + CONNECT_TIMEOUT;
        connection.send(Ticket { call, reply, due }, CONNECT_TIMEOUT).await.map_err(Disconnected::new)?;
        // The reading half gives an answer up when it is overdue.
        let answer = match answer.await {
            Ok(Ok(Response::ApiVersions(answer))) => answer,
            _ if Instant::now() >= due => {
                let reason = format!("{address} takes connections and did not answer in {} s", CONNECT_TIMEOUT.as_secs());
                return Err(Disconnected::new(reason));
            }
            _ => return Err(Disconnected::new(format!("what listens on {address} does not speak the Kafka protocol"))),
        };
        let served = answer.api_keys.iter().filter_map(|row| {
            let api = ApiKey::from_i16(row.api_key)?;
            let version = row.max_version.min(api.info().max);
            (version >= row.min_version.max(api.info().served_min)).then_some((api, version))
        });
        *link.versions.lock() = served.collect();
        Ok(connection)
    }

    /// Sends a request; the broker may take `patience` to answer it.
    async fn send(&mut self, ticket: Ticket, patience: Duration) -> io::Result<()> {
        let Ticket { call, reply, .. } = ticket;
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id = self.next_correlation_id.wrapping_add(1);
        let is_silent = matches!(&call.request, Request::Produce(produce) if produce.acks == 0);
        let (api, version, due) = (call.request.api_key(), call.version, Instant::now() + patience);
        let message = match encode_request(&call.request, version, correlation_id, call.client_id.as_ref()) {
            Ok(message) => message,
            Err(error) => {
                let _ = reply.send(Err(Disconnected::new(format!("the request has no form in version {version}: {error}"))));
                return Ok(());
            }
        };
        if is_silent {
            let _ = reply.send(Ok(Response::Produce(Default::default())));
        } else if self.sent.send(Sent { api, version, correlation_id, reply, due }).await.is_err() {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        let length: usize = message.iter().map(Bytes::len).sum();
        let prefix = Bytes::copy_from_slice(&(length as u32).to_be_bytes());
        self.write(std::iter::once(prefix).chain(message).collect()).await
    }

    /// Writes all of the pieces. Fails when the broker takes nothing of them for the request timeout, or the reading half has ended.
    async fn write(&mut self, mut pieces: Vec<Bytes>) -> io::Result<()> {
        while !pieces.is_empty() {
            let slices: Vec<IoSlice<'_>> = pieces.iter().take(64).map(|piece| IoSlice::new(piece)).collect();
            let mut written = tokio::select! {
                // Mostly the socket takes it at once, and nothing else is looked at.
                biased;
                written = tokio::time::timeout(self.request_timeout, self.writer.write_vectored(&slices)) => written??,
                () = self.sent.closed() => return Err(io::Error::from(io::ErrorKind::BrokenPipe)),
            };
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

/// Sets the options of a socket.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    // Without it small requests wait for the acknowledgement of the one before.
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&KEEPALIVE)
}

/// Sends tickets in order; makes the connection anew when it is lost.
async fn run(link: Link, connection: Connection, mut tickets: mpsc::Receiver<Ticket>) {
    let mut connection = Some(connection);
    loop {
        let ticket = tokio::select! {
            ticket = tickets.recv() => ticket,
            () = reading_ended(connection.as_ref()) => {
                connection = None;
                continue;
            }
        };
        let Some(ticket) = ticket else { return };
        // Its caller has given up; sending it so late would only surprise.
        if ticket.due <= Instant::now() {
            continue;
        }
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
        let patience = patience(link.request_timeout, &ticket.call.request);
        if let Some(open) = &mut connection
            && open.send(ticket, patience).await.is_err()
        {
            // The replies of all that was sent are dropped, which their callers see as a lost connection.
            open.reading.abort();
            connection = None;
        }
    }
}

async fn reading_ended(connection: Option<&Connection>) {
    match connection {
        Some(connection) => connection.sent.closed().await,
        None => std::future::pending().await,
    }
}

/// Hands answers to the callers, in the order of the requests. Ends with the connection, when an answer is overdue, and when no more
/// requests will come and all were answered.
async fn receive(mut reader: OwnedReadHalf, mut sent: mpsc::Receiver<Sent>) {
    let mut buffer = BytesMut::new();
    // The first request without an answer.
    let mut oldest: Option<Sent> = None;
    let reason = loop {
        match frame::split(&mut buffer, PREFIX_BYTES, FRAME_BYTES_MAX) {
            Err(error) => break error.to_string(),
            Ok(Some(frame)) => {
                let Some(first) = oldest.take().or_else(|| sent.try_recv().ok()) else {
                    break "an answer that nobody asked for".to_owned();
                };
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
        tokio::select! {
            read = reader.read_buf(&mut buffer) => match read {
                Ok(0) => break "the broker closed the connection".to_owned(),
                Ok(_) => {}
                Err(error) => break error.to_string(),
            },
            next = sent.recv(), if oldest.is_none() => match next {
                Some(next) => oldest = Some(next),
                None => return,
            },
            () = passed(oldest.as_ref().map(|oldest| oldest.due)) => break "an answer is overdue".to_owned(),
        }
    };
    sent.close();
    let lost = |waiting: Sent| drop(waiting.reply.send(Err(Disconnected::new(&reason))));
    oldest.into_iter().for_each(lost);
    while let Some(waiting) = sent.recv().await {
        lost(waiting);
    }
}

async fn passed(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use millstream_protocol::Records;
    use millstream_protocol::encode::Part;
    use millstream_protocol::header::{decode_request, encode_response};
    use millstream_protocol::message::api_versions::{ApiVersion, ApiVersionsResponse};
    use millstream_protocol::message::metadata::{MetadataRequest, MetadataResponse};
    use millstream_protocol::message::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
    use tokio::net::TcpListener;

    use super::*;
    use crate::client::Client;

    /// Long enough for everything that must happen, however busy the machine.
    const PATIENCE: Duration = Duration::from_secs(30);

    async fn listen() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        (listener, address)
    }

    /// Answers the next request as a broker that serves everything and has no topics; says whether there was one.
    async fn answer_next(stream: &mut TcpStream, buffer: &mut BytesMut) -> bool {
        let frame = loop {
            if let Some(frame) = frame::split(buffer, PREFIX_BYTES, FRAME_BYTES_MAX).unwrap() {
                break frame;
            }
            if !stream.read_buf(buffer).await.is_ok_and(|read| read > 0) {
                return false;
            }
        };
        let asked = decode_request(frame).unwrap();
        let row = |api: &ApiKey| ApiVersion { api_key: *api as i16, min_version: api.info().served_min, max_version: api.info().max };
        let response: Response = match asked.request {
            Request::ApiVersions(_) => ApiVersionsResponse { api_keys: ApiKey::ALL.iter().map(row).collect(), ..Default::default() }.into(),
            _ => MetadataResponse::default().into(),
        };
        let message = encode_response(&response, asked.version, asked.correlation_id).unwrap();
        let length: usize = message.iter().map(Part::len).sum();
        let mut bytes = BytesMut::from(&(length as u32).to_be_bytes()[..]);
        message.iter().for_each(|part| bytes.extend_from_slice(&part.bytes().unwrap()));
        stream.write_all(&bytes).await.is_ok()
    }

    /// A broker that reads one request of its first connection and no more, and answers all requests of the others.
    async fn deaf_at_first() -> String {
        let (listener, address) = listen().await;
        tokio::spawn(async move {
            let (mut first, _) = listener.accept().await.unwrap();
            assert!(answer_next(&mut first, &mut BytesMut::new()).await);
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut buffer = BytesMut::new();
                    while answer_next(&mut stream, &mut buffer).await {}
                });
            }
        });
        address
    }

    /// With `acks` 0 no answer is awaited: only the write itself can tell that nothing moves.
    #[tokio::test]
    async fn a_broker_that_stops_reading_costs_a_connection_and_not_the_client() {
        for acks in [0, 1] {
            let address = deaf_at_first().await;
            let client = Client::new(TcpExchange::connect_with(&address, Duration::from_millis(200)).await.unwrap());
            // More than the buffers of both sockets take.
            let records = Some(Records::from(Bytes::from(vec![0u8; 64 << 20])));
            let topic = TopicProduceData { partition_data: vec![PartitionProduceData { index: 0, records }], ..Default::default() };
            let produced = client.ask(ProduceRequest { acks, topic_data: vec![topic], ..Default::default() });
            let begun = Instant::now();
            while let Err(error) = client.ask(MetadataRequest::default()).await {
                assert!(begun.elapsed() < PATIENCE, "acks {acks}: {error}");
            }
            assert!(acks == 0 || produced.await.is_err(), "what was cut off is lost");
        }
    }

    /// A broker that reads everything and answers one request only. It ends when the client hangs up.
    async fn mute() -> (String, JoinHandle<()>) {
        let (listener, address) = listen().await;
        let broker = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = BytesMut::new();
            assert!(answer_next(&mut stream, &mut buffer).await);
            while stream.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {}
        });
        (address, broker)
    }

    /// No other request has to find out.
    #[tokio::test]
    async fn an_overdue_answer_ends_both_halves_of_the_connection() {
        let (address, broker) = mute().await;
        let client = Client::new(TcpExchange::connect_with(&address, Duration::from_millis(500)).await.unwrap());
        client.ask(MetadataRequest::default()).await.unwrap_err();
        tokio::time::timeout(PATIENCE, broker).await.expect("the client hangs up").unwrap();
        drop(client);
    }

    #[tokio::test]
    async fn an_overdue_answer_ends_the_connection_also_when_nobody_waits_for_it() {
        let (address, broker) = mute().await;
        let client = Client::new(TcpExchange::connect_with(&address, Duration::from_millis(500)).await.unwrap());
        drop(client.ask(MetadataRequest::default()));
        tokio::time::timeout(PATIENCE, broker).await.expect("the client hangs up").unwrap();
        drop(client);
    }

    #[tokio::test]
    async fn connections_are_kept_alive() {
        let (listener, address) = listen().await;
        let stream = TcpStream::connect(&address).await.unwrap();
        prepare(&stream).unwrap();
        assert!(SockRef::from(&stream).keepalive().unwrap());
        drop(listener);
    }
}
