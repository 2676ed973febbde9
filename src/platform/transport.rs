//! One connection to one channel: sends a cleared call, once, and says what came of it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Response, redirect, retry};

use super::dialect;
use super::endpoint::{BaseUrl, ChannelKind};
use super::token::Token;
use crate::core::answer::Answer;
use crate::core::attempt::{Attempt, NO_REQUEST};
use crate::core::call::Cleared;
use crate::core::channel::WindowId;

/// How long a connection may take to be made. A platform that is up accepts within a second from anywhere; the rest is
/// for slow name servers. A call that ends here was certainly not sent.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a call may take from its start to the last byte of its answer. It is longer than the time for connecting,
/// so that whether a call was sent is known, and a call that hangs holds its place in the window no longer than this.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// The largest body that is read, after decompression. A page of ten contacts has some 10 kB; this much is no answer of
/// the API, and must not fill the memory.
pub const LARGEST_BODY: usize = 8 << 20;

/// How long an idle connection is kept. Calls follow each other every 600 ms, or come in bursts with up to a minute
/// between them, and servers close idle connections after 5 (Apache), 60 or 75 seconds: a create that is written into a
/// connection just as the server closes it is lost, and costs a search. A new connection a minute costs next to nothing.
const IDLE: Duration = Duration::from_secs(4);

/// How long a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection is made.
    pub connect: Duration,
    /// Until the answer is whole, from the start.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: CONNECT_TIMEOUT, total: TIMEOUT }
    }
}

/// No connection can be made from this machine.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected to be able to open encrypted connections, found: {cause}; on a bare system, install its CA certificates (the package `ca-certificates`)"
)]
pub struct HttpError {
    cause: String,
    source: reqwest::Error,
}

/// What the channels of one process share: for each kind of address one client, with its certificates and its open
/// connections. A client for each channel would read the machine's certificates anew a thousand times.
#[derive(Debug)]
pub struct Clients {
    timeouts: Timeouts,
    made: Mutex<BTreeMap<Reach, Client>>,
}

/// What a client must know of the addresses that it serves: whether they are encrypted, and whether on this machine.
type Reach = (bool, bool);

impl Clients {
    /// Makes no client yet.
    pub const fn new(timeouts: Timeouts) -> Self {
        Self { timeouts, made: Mutex::new(BTreeMap::new()) }
    }

    /// Prepares a channel; connects to nothing yet.
    ///
    /// The proxy of the environment is used, but never for this machine: the sandbox would not be reached through it.
    ///
    /// # Errors
    /// [`HttpError`] when the machine cannot open encrypted connections and the URL asks for one.
    pub fn http(&self, base: BaseUrl, token: Token, kind: ChannelKind) -> Result<Http, HttpError> {
        let client = self.client((base.is_encrypted(), base.is_loopback()))?;
        let credentials = RwLock::new(Arc::new(Credentials::of(token)));
        Ok(Http { client, base, credentials, kind, timeouts: self.timeouts })
    }

    fn client(&self, reach: Reach) -> Result<Client, HttpError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.get(&reach) {
            return Ok(client.clone());
        }
        let client = build(reach, self.timeouts)?;
        made.insert(reach, client.clone());
        Ok(client)
    }
}

fn build((is_encrypted, is_loopback): Reach, timeouts: Timeouts) -> Result<Client, HttpError> {
    let json = HeaderValue::from_static("application/json");
    let mut client = Client::builder()
        // A search that a cache answers does not show what a lost create made.
        .default_headers(HeaderMap::from_iter([
            (ACCEPT, json.clone()),
            (CONTENT_TYPE, json),
            (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ]))
        .user_agent(concat!("contactsync/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.total)
        .pool_idle_timeout(IDLE)
        // Each sending needs a permit, and a redirect may send the token in clear (API.md, trap 1).
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .https_only(is_encrypted);
    if !is_encrypted {
        // Without this, a machine without CA certificates could not even run the sandbox.
        client = client.tls_certs_only([]);
    }
    if is_loopback {
        client = client.no_proxy();
    }
    client.build().map_err(|source| HttpError { cause: deepest(&source), source })
}

/// A channel over HTTP. It keeps its connections open, and is shared by reference between calls under way.
pub struct Http {
    client: Client,
    base: BaseUrl,
    // A token may be replaced while calls are on their way with the earlier one.
    credentials: RwLock<Arc<Credentials>>,
    kind: ChannelKind,
    timeouts: Timeouts,
}

struct Credentials {
    token: Token,
    // With every call and not in the client, which serves other channels too.
    authorization: HeaderValue,
}

impl Credentials {
    fn of(token: Token) -> Self {
        Self { authorization: token.bearer(), token }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("base", &self.base).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Http {
    /// Prepares a channel that shares nothing with others ([`Clients::http`]).
    ///
    /// # Errors
    /// As [`Clients::http`].
    pub fn new(base: BaseUrl, token: Token, kind: ChannelKind, timeouts: Timeouts) -> Result<Self, HttpError> {
        Clients::new(timeouts).http(base, token, kind)
    }

    /// The URL that its calls go to.
    pub const fn url(&self) -> &BaseUrl {
        &self.base
    }

    /// The kind of its channel.
    pub const fn kind(&self) -> ChannelKind {
        self.kind
    }

    /// How long a call can take before it is given up.
    pub const fn call_timeout(&self) -> Duration {
        self.timeouts.total
    }

    /// The name of the window that this channel's calls count in, for a journal with this salt.
    pub fn window(&self, salt: &[u8]) -> WindowId {
        self.credentials().token.window(salt)
    }

    /// Sends further calls with another token.
    pub fn replace_token(&self, token: Token) {
        *self.credentials.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Credentials::of(token));
    }

    fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.credentials.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends the call, exactly once, and waits for what comes of it.
    ///
    /// A call from which no request can be built is [`Attempt::Refused`] with status 0. A failure before anything was
    /// written is [`Attempt::Unsent`], any later one is [`Attempt::Lost`]. No message holds the token, or the query of a
    /// URL.
    pub(crate) async fn send(&self, cleared: Cleared<'_>) -> Answer {
        let call = cleared.call();
        let Credentials { token, authorization } = &*self.credentials();
        let dialect::Request { method, path, body } = dialect::request(call, self.kind);
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        request = request.header(AUTHORIZATION, authorization.clone());
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        match request.send().await {
            Err(error) => token.redacted(self.unanswered(&error)).into(),
            Ok(mut response) => {
                let received = SystemTime::now();
                let status = response.status().as_u16();
                let answer = match self.body(&mut response).await {
                    Ok(body) => dialect::answer(call, status, response.headers(), &body, received),
                    Err(cause) => dialect::cut_off(status, response.headers(), &cause, received).into(),
                };
                Answer { attempt: token.redacted(answer.attempt), ..answer }
            }
        }
    }

    async fn body(&self, response: &mut Response) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.cause(&error))? {
            if body.len() + chunk.len() > LARGEST_BODY {
                return Err(format!("the answer is larger than {} MiB", LARGEST_BODY >> 20));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unanswered(&self, error: &reqwest::Error) -> Attempt {
        let cause = self.cause(error);
        if error.is_builder() {
            // The call would fail in the same way in every run.
            let message = format!("no request can be built from this row: {cause}");
            return Attempt::Refused { status: NO_REQUEST, message, about_row: true };
        }
        if error.is_connect() || was_never_written(error) {
            Attempt::Unsent { cause }
        } else {
            Attempt::lost(None, cause)
        }
    }

    fn cause(&self, error: &reqwest::Error) -> String {
        if error.is_dns() {
            return "the host's name is not known".to_owned();
        }
        if error.is_timeout() {
            return if error.is_connect() {
                format!("no connection within {:?}", self.timeouts.connect)
            } else {
                format!("timed out after {:?}", self.timeouts.total)
            };
        }
        let said = chain(error).filter_map(|cause| {
            let hyper = cause.downcast_ref::<hyper::Error>().and_then(of_hyper);
            hyper.or_else(|| cause.downcast_ref::<io::Error>().and_then(of_io)).map(str::to_owned)
        });
        // The last one lies deepest: what the operating system said, rather than who was told.
        said.last().unwrap_or_else(|| {
            let stage = if error.is_connect() && self.base.is_encrypted() { "no encrypted connection: " } else { "" };
            format!("{stage}{}", deepest(error))
        })
    }
}

fn chain<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

// hyper calls a request cancelled only while it still waits in the queue of a connection: not a byte of it was written.
fn was_never_written(error: &reqwest::Error) -> bool {
    chain(error).any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled))
}

fn of_hyper(error: &hyper::Error) -> Option<&'static str> {
    if error.is_incomplete_message() {
        Some("the connection was closed before the answer")
    } else if error.is_parse() || error.is_parse_too_large() {
        Some("the answer is not HTTP")
    } else {
        None
    }
}

fn of_io(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some("connection refused"),
        io::ErrorKind::ConnectionReset => Some("the connection was reset"),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => Some("the connection broke"),
        io::ErrorKind::UnexpectedEof => Some("the connection was closed before the answer was whole"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Some("the host cannot be reached"),
        _ => None,
    }
}

// The first cause in its own words. It comes from below HTTP, where no URL is known.
fn deepest(error: &reqwest::Error) -> String {
    let text = chain(error).last().map_or_else(|| "the request failed".to_owned(), ToString::to_string);
    dialect::one_line(&text)
}

// Each test has a server of plain sockets, which does what no well-behaved server does.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::answer::RateLimit;
    use crate::core::call::{Call, Started};
    use crate::core::model::{ContactId, Field};
    use crate::core::time::Timestamp;
    use crate::core::window::{Admission, Window};
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;

    const SECRET: &str = "tok-3cr3t";
    const CREATED: &str = r#"{"data":{"id":"cus_1"}}"#;

    fn cleared(call: &Call) -> Cleared<'_> {
        let Admission::Granted(permit) = Window::new(1).admit(Timestamp::default()) else { panic!("an empty window") };
        Cleared::new(call, permit, Started::committed(1))
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
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
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
        let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
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
        let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
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
        let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
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
        let cause = "307 Temporary Redirect to `/elsewhere`, which is not followed: is the URL right?".to_owned();
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
        assert_eq!(clients.made.lock().unwrap().len(), 4);
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
            // Awaited rather than blocked on: the runtime has to see the connection close, as it does between two real calls.
            is_closed.recv().await.unwrap();
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
}
