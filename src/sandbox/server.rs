//! Accepts connections on loopback and serves each until it closes or an answer is dropped.

use std::net::Ipv4Addr;
use std::time::Duration;
use std::{fmt, io};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::Service as _;

use super::answer::Dropped;

/// The delay after a connection could not be accepted, mostly because no file descriptors are free.
const ACCEPT_RETRY: Duration = Duration::from_millis(20);

/// Listens on loopback only; port 0 takes a free one.
///
/// # Errors
/// If the port is in use or not permitted.
pub async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// Serves connections until the future is dropped, which closes those that are open.
pub async fn serve(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
            },
            // Removed as they end, so that the set does not grow.
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, router: Router) {
    // An answer is one small write, which must not wait for more data.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        async move { router.call(request).await.map_or_else(|never| match never {}, drop_connection) }
    });
    // An error only ends the connection, as a dropped answer does.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

// hyper closes a connection whose service fails, without an answer.
fn drop_connection(response: Response) -> Result<Response, NoAnswer> {
    if response.extensions().get::<Dropped>().is_some() { Err(NoAnswer) } else { Ok(response) }
}

#[derive(Debug)]
struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer is dropped")
    }
}

impl std::error::Error for NoAnswer {}
