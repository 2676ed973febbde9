//! An HTTP server on the loopback interface that notes each request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A server that answers every request in the same way.
pub struct Listener {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// A request that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method and the path with the query, such as `GET /check/start`.
    pub line: String,
    /// The headers, one on a line.
    pub headers: String,
    /// The body.
    pub body: String,
}

impl Listener {
    /// Starts a server that answers with this status line and these headers, such as `200 OK`.
    ///
    /// # Panics
    /// If there is no free port.
    pub fn start(answer: &str) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let address = server.local_addr().expect("it is bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (noted, answer) = (Arc::clone(&requests), answer.to_owned());
        thread::spawn(move || {
            for client in server.incoming().flatten() {
                if let Some(request) = read(&client) {
                    noted.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                }
                let mut client = client;
                // The client may have given up.
                let _ = write!(client, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Self { address, requests }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The request lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line).collect()
    }
}

fn read(client: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(client);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let (mut headers, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? <= 2 {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        headers.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let line = first.rsplit_once(" HTTP/").map_or(first.trim(), |(line, _)| line).to_owned();
    Some(Request { line, headers, body: String::from_utf8_lossy(&body).into_owned() })
}
