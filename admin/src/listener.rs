//! The listening socket of the admin API. It leaves the last files that may be open to the logs, as the broker's own does.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::Listener;
use millstream_broker::open_files;
use tokio::net::{TcpListener, TcpStream};

/// The pause after a connection that could not be had or kept.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections for as long as there are files.
#[derive(Debug)]
pub struct Sparing(pub TcpListener);

impl Listener for Sparing {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, peer)) if open_files::may_be_accepted(&stream) => return (stream, peer),
                // Either the peer has gone, or there are too many: whoever comes next waits in the kernel's queue.
                Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
