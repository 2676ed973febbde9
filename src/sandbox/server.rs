//! The listening half: connections on loopback, each served until it closes or a call is swallowed.

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

use super::answer::Swallowed;

/// How long to wait after a connection could not be accepted: mostly for want of file descriptors.
const BREATH: Duration = Duration::from_millis(20);

/// Listens on loopback and nowhere else; port 0 takes any that is free.
///
/// # Errors
/// When the port is taken or not permitted.
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
                Err(_) => tokio::time::sleep(BREATH).await,
            },
            // Taken out as they end, or the set would keep them all.
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, router: Router) {
    // An answer is one small write: waiting for more to send would only delay it.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        async move { router.call(request).await.map_or_else(|never| match never {}, swallow) }
    });
    // An error ends the connection, and that is all there is to do about it: a swallowed call is one.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

// hyper closes a connection whose service fails, without an answer.
fn swallow(response: Response) -> Result<Response, NoAnswer> {
    if response.extensions().get::<Swallowed>().is_some() { Err(NoAnswer) } else { Ok(response) }
}

#[derive(Debug)]
struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer is lost on demand")
    }
}

impl std::error::Error for NoAnswer {}
