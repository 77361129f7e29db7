//! The listening socket of the admin API. It leaves the last files that may be open to the logs, as the broker's own does.

use std::io;
use std::net::SocketAddr;

use axum::serve::Listener;
use millstream_broker::open_files;
use tokio::net::{TcpListener, TcpStream};

/// Accepts connections for as long as there are files.
#[derive(Debug)]
pub struct Sparing(pub TcpListener);

impl Listener for Sparing {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match open_files::accept(&self.0).await {
                Ok(accepted) => return accepted,
                // Either the peer has gone, or there are too many: the next connection waits in the kernel's queue.
                Err(_) => tokio::time::sleep(open_files::ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
