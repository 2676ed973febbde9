//! A port on which nothing listens, and which nothing else gets meanwhile.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A port that is taken, so that connections to it are refused as long as this value lives.
#[derive(Debug)]
pub struct ClosedPort {
    socket: TcpSocket,
}

impl ClosedPort {
    /// Takes a free port of this machine.
    ///
    /// # Errors
    /// The error of the operating system.
    pub fn take() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self { socket })
    }

    /// The base URL of the API at this port.
    ///
    /// # Errors
    /// The error of the operating system.
    pub fn url(&self) -> io::Result<String> {
        Ok(format!("http://{}/api/v1", self.socket.local_addr()?))
    }
}
