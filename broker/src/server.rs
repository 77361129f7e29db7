//! The accept loop: a bounded number of connections, one task each, and a drain at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, select_all};
use millstream_protocol::Endpoint;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::broker::Broker;
use crate::config::Listener;
use crate::connection::{self, RequestMemory};
use crate::metrics::Metrics;
use crate::open_files;

/// How long connections may take to finish what they were asked when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a server cannot start.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {error}; is another server running there?")]
pub struct ServerError {
    address: Endpoint,
    error: io::Error,
}

/// Listening sockets with a broker behind them.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<(TcpListener, Option<Endpoint>)>,
    broker: Arc<Broker>,
}

/// A connection that was accepted.
struct Accepted {
    stream: TcpStream,
    /// What its listener advertises.
    advertised: Option<Endpoint>,
    permit: OwnedSemaphorePermit,
}

impl Server {
    /// Listens on one address; port 0 means any free one.
    pub async fn bind(broker: Arc<Broker>, address: SocketAddr) -> Result<Self, ServerError> {
        Self::listen(broker, &[Listener::plain(&address.ip().to_string(), address.port())]).await
    }

    /// Listens on all listeners; port 0 means any free one.
    pub async fn listen(broker: Arc<Broker>, listeners: &[Listener]) -> Result<Self, ServerError> {
        let mut listening = Vec::new();
        for listener in listeners {
            let fail = |error| ServerError { address: listener.address.clone(), error };
            let Endpoint { host, port } = &listener.address;
            let socket = if host.is_empty() {
                // Of both families, where the machine has both.
                match TcpListener::bind(("::", *port)).await {
                    Err(error) if error.kind() != io::ErrorKind::AddrInUse => TcpListener::bind(("0.0.0.0", *port)).await,
                    bound => bound,
                }
            } else {
                TcpListener::bind((host.as_str(), *port)).await
            };
            let socket = socket.map_err(fail)?;
            let local = socket.local_addr().map_err(fail)?;
            let bound = Endpoint { host: local.ip().to_string().into(), port: local.port() };
            broker.add_listener(Listener { address: bound, ..listener.clone() });
            listening.push((socket, listener.advertised.clone()));
        }
        Ok(Server { listeners: listening, broker })
    }

    /// Where it listens first.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.addresses()?.first().copied().ok_or(io::Error::from(io::ErrorKind::NotConnected))
    }

    /// Where it listens.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(|(listener, _)| listener.local_addr()).collect()
    }

    /// Serves until `stop` becomes true, then lets connections finish what they were asked. The future is boxed: all of the broker hangs
    /// on it, and is compiled in this crate alone.
    pub fn run(self, stop: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        self.serve_until(stop).boxed()
    }

    async fn serve_until(self, mut stop: watch::Receiver<bool>) {
        let room = self.broker.connection_room();
        let memory = RequestMemory::new(self.broker.settings.queued_bytes_max);
        let mut connections = JoinSet::new();
        // It is logged once, and not ten times a second.
        let mut was_refused = false;
        loop {
            let accepted = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                // Beyond the bound, clients wait in the kernel's queue.
                accepted = self.accept(&room) => accepted,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            };
            match accepted {
                Ok(accepted) => {
                    was_refused = false;
                    connections.spawn(serve(self.broker.clone(), accepted, memory.clone(), stop.clone()));
                }
                Err(error) => {
                    if !std::mem::replace(&mut was_refused, true) {
                        tracing::warn!("connections cannot be accepted: {error}");
                    }
                    tokio::time::sleep(open_files::ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listeners);
        let drained = tokio::time::timeout(DRAIN_TIMEOUT, async { while connections.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!("{} connections did not finish in {} s and are cut", connections.len(), DRAIN_TIMEOUT.as_secs());
            connections.shutdown().await;
        }
    }

    async fn accept(&self, room: &Arc<Semaphore>) -> io::Result<Accepted> {
        let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
        let accepting = self.listeners.iter().map(|(listener, _)| open_files::accept(listener).boxed());
        let (accepted, place, _) = select_all(accepting).await;
        let (stream, _) = accepted?;
        Ok(Accepted { stream, advertised: self.listeners[place].1.clone(), permit })
    }
}

async fn serve(broker: Arc<Broker>, accepted: Accepted, memory: RequestMemory, stop: watch::Receiver<bool>) {
    let Accepted { stream, advertised, permit } = accepted;
    prepare(&stream, broker.settings.send_buffer_bytes);
    Metrics::add(&broker.metrics.connections_accepted, 1);
    broker.metrics.connections.fetch_add(1, Ordering::Relaxed);
    connection::serve(broker.clone(), stream, advertised, memory, stop).await;
    broker.metrics.connections.fetch_sub(1, Ordering::Relaxed);
    drop(permit);
}

/// Small answers go out at once, and a peer that vanished without a word is noticed.
fn prepare(stream: &TcpStream, send_buffer_bytes: Option<usize>) {
    let keepalive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    let socket = socket2::SockRef::from(stream);
    let prepared = stream
        .set_nodelay(true)
        .and_then(|()| socket.set_tcp_keepalive(&keepalive))
        .and_then(|()| send_buffer_bytes.map_or(Ok(()), |bytes| socket.set_send_buffer_size(bytes)));
    if let Err(error) = prepared {
        tracing::debug!("cannot set the options of a socket: {error}");
    }
}
