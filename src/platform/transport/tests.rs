//! The transport against servers of plain sockets, which do what no well-behaved server does.

use super::*;
use crate::core::answer::RateLimit;
use crate::core::attempt::{Attempt, NO_REQUEST};
use crate::core::call::Call;
use crate::core::model::{ContactId, Field};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use tokio::net::TcpSocket;

const SECRET: &str = "tok-3cr3t";
const CREATED: &str = r#"{"data":{"id":"cus_1"}}"#;

// A port on which nothing listens, and which nothing else gets while the socket is there.
fn closed_port() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn http_to(url: &str, total: Duration) -> Http {
    let timeouts = Timeouts { total, ..Timeouts::default() };
    let base = BaseUrl::parse(url, false).unwrap();
    Http::new(base, Token::new(SECRET).unwrap(), ChannelKind::Standard, timeouts).unwrap()
}

fn http(address: SocketAddr) -> Http {
    http_to(&format!("http://{address}/api/v1"), TIMEOUT)
}

fn create() -> Call {
    Call::Create { fields: vec![Field::text("phone", "+521")] }
}

/// Serves one connection after the other, and keeps what each was sent.
fn serve(
    per_connection: impl Fn(usize, &mut TcpStream, &Sender<String>) + Send + 'static,
) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            per_connection(number, &mut stream.unwrap(), &sender);
        }
    });
    (address, requests)
}

/// Reads one request, head and body.
fn take(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        request.push(byte[0]);
    }
    let head = String::from_utf8(request.clone()).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    request.extend(body);
    String::from_utf8(request).unwrap()
}

fn answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

async fn lost_or_unsent(address: SocketAddr, call: &Call) -> (&'static str, Option<u16>, String) {
    match http(address).send(cleared(call)).await.attempt {
        Attempt::Unsent { cause } => ("unsent", None, cause),
        Attempt::Lost { status, cause, .. } => ("lost", status, cause),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_arrives_is_what_the_dialect_wrote() {
    let (address, requests) = serve(|_, stream, requests| {
        requests.send(take(stream)).unwrap();
        stream.write_all(answer(CREATED).as_bytes()).unwrap();
    });
    let call = Call::RemoveTags { id: ContactId::new("../a b/+ñ").unwrap(), tags: vec!["VIP ñ".into()] };
    http(address).send(cleared(&call)).await;
    let request = requests.recv().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.lines().collect();
    assert_eq!(lines.remove(0), "DELETE /api/v1/contact/..%2Fa%20b%2F%2B%C3%B1/tags HTTP/1.1");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "accept-encoding: gzip",
            "accept: application/json",
            "authorization: Bearer tok-3cr3t",
            "cache-control: no-cache",
            "content-length: 19",
            "content-type: application/json",
            &format!("host: {address}"),
            concat!("user-agent: contactsync/", env!("CARGO_PKG_VERSION")),
        ]
    );
    assert_eq!(body, r#"{"tags":["VIP ñ"]}"#);

    let line = |call: Call| {
        let requests = &requests;
        async move {
            http(address).send(cleared(&call)).await;
            requests.recv().unwrap().lines().next().unwrap().to_owned()
        }
    };
    let find = Call::Find { field: Field::text("a'b", "+1 (0)/..?#&=%2e"), page: 2 };
    let expected =
        "GET /api/v1/contact/by_custom_field?name=a%27b&value=%2B1%20%280%29%2F..%3F%23%26%3D%252e&page=2 HTTP/1.1";
    assert_eq!(line(find).await, expected);
    let read = |id: &str| Call::Read { id: ContactId::new(id).unwrap() };
    assert_eq!(line(read("..")).await, "GET /api/v1/contact/%252E%252E HTTP/1.1");
    assert_eq!(line(read("17")).await, "GET /api/v1/contact/17 HTTP/1.1");
    assert_eq!(line(create()).await, "POST /api/v1/contact/ HTTP/1.1");
}

#[tokio::test]
async fn an_answer_is_classified() {
    let (address, _requests) = serve(|_, stream, _| {
        take(stream);
        stream.write_all(answer(CREATED).as_bytes()).unwrap();
    });
    let attempt = http(address).send(cleared(&create())).await.attempt;
    assert_eq!(attempt, Attempt::Created(ContactId::new("cus_1").unwrap()));
}

/// Each: what the server answers, and whether what it says of the limit is believed.
#[tokio::test]
async fn the_limit_is_learnt_from_whole_answers_of_the_platform() {
    let limit = "X-RateLimit-Limit: 100\r\nX-RateLimit-Remaining: 58\r\n";
    let learnt = Some(RateLimit { limit: 100, remaining: Some(58) });
    let throttled = r#"{"status":"error","message":"Too many requests","data":[]}"#;
    for (status, headers, body, missing, expected) in [
        ("200 OK", limit, CREATED, 0, learnt),
        ("429 Too Many Requests", limit, throttled, 0, learnt),
        ("429 Too Many Requests", limit, "", 0, None),
        ("500 Oops", limit, throttled, 0, None),
        ("502 Bad Gateway", limit, "<html>", 0, None),
        // The end of the body never comes.
        ("200 OK", limit, CREATED, 1, None),
        ("200 OK", "", CREATED, 0, None),
        ("200 OK", "X-RateLimit-Limit: many\r\nX-RateLimit-Remaining: 58\r\n", CREATED, 0, None),
    ] {
        let length = body.len() + missing;
        let answer = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        let (address, _requests) = serve(move |_, stream, _| {
            take(stream);
            stream.write_all(answer.as_bytes()).unwrap();
            let _ = stream.shutdown(std::net::Shutdown::Both);
        });
        let answer = http(address).send(cleared(&create())).await;
        assert_eq!((answer.rate_limit, answer.left), (expected, true), "{status} {headers} {body} {missing}");
    }
}

#[tokio::test]
async fn retry_after_is_heard_with_a_body_that_is_cut() {
    let (address, _requests) = serve(|_, stream, _| {
        take(stream);
        stream.write_all(b"HTTP/1.1 503 S\r\nRetry-After: 7200\r\nContent-Length: 9\r\n\r\n<").unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Both);
    });
    let cause = "the connection was closed before the answer was whole".to_owned();
    let retry_after = Some(Duration::from_hours(2));
    let attempt = http(address).send(cleared(&create())).await.attempt;
    assert_eq!(attempt, Attempt::Lost { status: Some(503), cause, retry_after });
}

#[tokio::test]
async fn a_call_from_which_no_request_can_be_built_is_refused() {
    let (_taken, unused) = closed_port();
    for call in [
        Call::Find { field: Field::text("email", "a".repeat(70_000)), page: 1 },
        Call::Read { id: ContactId::new("7".repeat(70_000)).unwrap() },
    ] {
        let answer = http(unused).send(cleared(&call)).await;
        let Attempt::Refused { status: NO_REQUEST, message, about_row: true } = &answer.attempt else {
            panic!("{answer:?}")
        };
        assert!(message.starts_with("no request can be built from this row: ") && message.len() < 200, "{message}");
        assert!(!answer.left);
    }
}

#[tokio::test]
async fn only_what_found_no_connection_never_left() {
    let (_taken, unused) = closed_port();
    let answer = http(unused).send(cleared(&create())).await;
    assert_eq!((answer.attempt.name(), answer.left), ("unsent", false));
    // A create to a wrong path had no effect, but it was sent.
    let (address, _requests) = serve(|_, stream, _| {
        take(stream);
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let answer = http(address).send(cleared(&create())).await;
    assert_eq!((answer.attempt.name(), answer.left), ("wrong_path", true));
}

#[tokio::test]
async fn what_never_left_is_unsent() {
    let (_taken, refused) = closed_port();
    assert_eq!(lost_or_unsent(refused, &create()).await, ("unsent", None, "connection refused".into()));

    let (address, _requests) = serve(|_, stream, _| stream.write_all(b"no TLS here, sorry").unwrap());
    let http = http_to(&format!("https://{address}/api/v1"), TIMEOUT);
    let attempt = http.send(cleared(&create())).await.attempt;
    assert!(
        matches!(&attempt, Attempt::Unsent { cause } if cause.starts_with("no encrypted connection: ")),
        "{attempt:?}"
    );
}

#[tokio::test]
async fn a_request_without_a_whole_answer_is_lost() {
    async fn check(answer: &'static str, status: Option<u16>, cause: &str) {
        let (address, _requests) = serve(move |_, stream, _| {
            take(stream);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let personal = Call::Find { field: Field::text("phone", "+5215512345678"), page: 1 };
        assert_eq!(lost_or_unsent(address, &personal).await, ("lost", status, cause.into()), "{answer:?}");
    }
    check("", None, "the connection was closed before the answer").await;
    check("HTTP/1.1 200 OK\r\nConte", None, "the connection was closed before the answer").await;
    check("SSH-2.0-OpenSSH_9.2\r\n\r\n", None, "the answer is not HTTP").await;
    let whole = "the connection was closed before the answer was whole";
    check("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"data\":[]}", Some(200), whole).await;
    check("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"dat", Some(201), whole).await;
}

#[tokio::test]
async fn a_reset_after_the_request_is_lost() {
    // Closing a socket with unread bytes sends a reset.
    let (address, _requests) = serve(|_, stream, _| assert_eq!(stream.peek(&mut [0]).unwrap(), 1));
    assert_eq!(lost_or_unsent(address, &create()).await, ("lost", None, "the connection was reset".into()));
}

#[tokio::test]
async fn silence_is_lost_after_the_time_allowed() {
    let (address, _requests) = serve(|_, stream, _| {
        take(stream);
        // Until the other side hangs up.
        let _ = stream.read(&mut [0]);
    });
    let http = http_to(&format!("http://{address}/api/v1"), Duration::from_millis(400));
    let expected = Attempt::lost(None, "timed out after 400ms".into());
    assert_eq!(http.send(cleared(&create())).await.attempt, expected);
}

#[tokio::test]
async fn a_body_without_end_is_not_read_to_its_end() {
    let (address, _requests) = serve(|_, stream, _| {
        take(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        while stream.write_all(&[b' '; 1 << 14]).is_ok() {}
    });
    let attempt = http(address).send(cleared(&create())).await.attempt;
    assert_eq!(attempt, Attempt::lost(Some(200), "the answer is larger than 8 MiB".into()));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (address, requests) = serve(|_, stream, requests| {
        requests.send(take(stream)).unwrap();
        stream.write_all(b"HTTP/1.1 307 T\r\nLocation: /elsewhere?a=b\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let attempt = http(address).send(cleared(&create())).await.attempt;
    let cause = "307 Temporary Redirect to `/elsewhere`, which is not followed; check the URL".to_owned();
    assert_eq!(attempt, Attempt::lost(Some(307), cause));
    assert_eq!(requests.try_iter().count(), 1);
}

#[tokio::test]
async fn a_message_never_holds_the_token() {
    let (address, _requests) = serve(|_, stream, _| {
        take(stream);
        let body = format!(r#"{{"status":"error","message":"{SECRET} is not a token","data":[]}}"#);
        stream.write_all(answer(&body).as_bytes()).unwrap();
    });
    let http = http(address);
    let attempt = http.send(cleared(&create())).await.attempt;
    assert_eq!(attempt, Attempt::refused(200, "[token] is not a token".into()));
    assert!(!format!("{http:?} {:?}", http.client).contains(SECRET));
}

#[tokio::test]
async fn channels_that_share_a_client_keep_their_tokens_apart() {
    let (address, requests) = serve(|number, stream, requests| {
        for _ in 0..2 {
            let request = take(stream);
            let token = request.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap();
            requests.send(format!("{number} {token}")).unwrap();
            stream.write_all(answer(CREATED).as_bytes()).unwrap();
        }
    });
    let clients = Clients::new(Timeouts::default());
    for token in ["tok-one", "tok-two"] {
        let base = BaseUrl::parse(&format!("http://{address}/api/v1"), false).unwrap();
        let http = clients.http(base, Token::new(token).unwrap(), ChannelKind::Standard).unwrap();
        assert_eq!(http.send(cleared(&create())).await.attempt.name(), "created");
    }
    assert_eq!(requests.try_iter().collect::<Vec<_>>(), ["0 Bearer tok-one", "0 Bearer tok-two"]);

    for url in ["http://127.0.0.1:2", "https://127.0.0.1:2", "http://192.0.2.1", "https://192.0.2.1"] {
        for _ in 0..2 {
            let base = BaseUrl::parse(url, true).unwrap();
            clients.http(base, Token::new(SECRET).unwrap(), ChannelKind::Standard).unwrap();
        }
    }
    assert_eq!(clients.built.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn a_kept_connection_is_used_again() {
    let (address, requests) = serve(|number, stream, requests| {
        for _ in 0..3 {
            take(stream);
            requests.send(number.to_string()).unwrap();
            stream.write_all(answer(CREATED).as_bytes()).unwrap();
        }
    });
    let http = http(address);
    for _ in 0..3 {
        assert_eq!(http.send(cleared(&create())).await.attempt.name(), "created");
    }
    assert_eq!(requests.try_iter().collect::<Vec<_>>(), ["0", "0", "0"]);
}

// The server closes while the connection is idle: the next create goes over a new one and is not lost, because
// nothing of it was written to the old one.
#[tokio::test]
async fn a_connection_closed_between_two_calls_loses_none() {
    let (closed, mut is_closed) = tokio::sync::mpsc::unbounded_channel();
    let (address, requests) = serve(move |_, stream, requests| {
        requests.send(take(stream)).unwrap();
        stream.write_all(answer(CREATED).as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Both).unwrap();
        closed.send(()).unwrap();
    });
    let http = http(address);
    for _ in 0..20 {
        assert_eq!(http.send(cleared(&create())).await.attempt.name(), "created");
        is_closed.recv().await.unwrap();
        // The runtime has to see the connection close, as it does between two real calls: it looks at its sockets here.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(requests.try_iter().count(), 20);
}

// The server closes at the very moment at which the second create reaches it: the create was written, so that it is
// lost, and the client library does not send it again.
#[tokio::test]
async fn a_create_written_into_a_closing_connection_is_not_sent_again() {
    let (address, requests) = serve(|number, stream, requests| {
        requests.send(take(stream)).unwrap();
        stream.write_all(answer(CREATED).as_bytes()).unwrap();
        if number == 0 {
            requests.send(take(stream)).unwrap();
        }
    });
    let http = http(address);
    assert_eq!(http.send(cleared(&create())).await.attempt.name(), "created");
    assert_eq!(http.send(cleared(&create())).await.attempt.name(), "lost");
    assert_eq!(requests.try_iter().count(), 2);
}
