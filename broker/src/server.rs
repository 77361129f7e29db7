//! The accept loop: a bounded number of connections, one task each, and a drain at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::broker::Broker;
use crate::connection::{self, RequestMemory};
use crate::metrics::Metrics;
use crate::open_files;

/// How long connections may take to finish what they were asked when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a server cannot start.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {error}; is another server running there?")]
pub struct ServerError {
    address: SocketAddr,
    error: io::Error,
}

/// A listening socket with a broker behind it.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    broker: Arc<Broker>,
}

impl Server {
    /// Listens; port 0 means any free one. Clients are told to connect to the address that comes of it.
    pub async fn bind(broker: Arc<Broker>, address: SocketAddr) -> Result<Self, ServerError> {
        let fail = |error| ServerError { address, error };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let local = listener.local_addr().map_err(fail)?;
        let host = if local.ip().is_unspecified() { "localhost".to_owned() } else { local.ip().to_string() };
        broker.set_advertised(host, local.port());
        Ok(Server { listener, broker })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` becomes true, then lets connections finish what they were asked.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let room = Arc::new(Semaphore::new(self.broker.settings.connections_max));
        let memory = RequestMemory::new(self.broker.settings.queued_bytes_max);
        let mut connections = JoinSet::new();
        // It is told once, and not ten times a second.
        let mut was_refused = false;
        loop {
            let accepted = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                // Beyond the bound, clients wait in the kernel's queue.
                accepted = accept(&self.listener, &room) => accepted,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            };
            match accepted {
                Ok((stream, permit)) => {
                    was_refused = false;
                    prepare(&stream);
                    let (broker, memory, stop) = (self.broker.clone(), memory.clone(), stop.clone());
                    connections.spawn(async move {
                        let metrics = &broker.metrics;
                        Metrics::add(&metrics.connections_accepted, 1);
                        metrics.connections.fetch_add(1, Ordering::Relaxed);
                        connection::serve(broker.clone(), stream, memory, stop).await;
                        broker.metrics.connections.fetch_sub(1, Ordering::Relaxed);
                        drop(permit);
                    });
                }
                Err(error) => {
                    if !std::mem::replace(&mut was_refused, true) {
                        tracing::warn!("connections cannot be accepted: {error}");
                    }
                    tokio::time::sleep(open_files::ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        let drained = tokio::time::timeout(DRAIN_TIMEOUT, async { while connections.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!("{} connections did not finish in {} s and are cut", connections.len(), DRAIN_TIMEOUT.as_secs());
            connections.shutdown().await;
        }
    }
}

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> io::Result<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = open_files::accept(listener).await?;
    Ok((stream, permit))
}

/// Small answers go out at once, and a peer that vanished without a word is noticed.
fn prepare(stream: &tokio::net::TcpStream) {
    let keepalive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    let prepared = stream.set_nodelay(true).and_then(|()| socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = prepared {
        tracing::debug!("cannot set the options of a socket: {error}");
    }
}
