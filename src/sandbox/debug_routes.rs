//! Debug routes: a page for people, and the contacts and calls as JSON lines. They are outside the API, without token or
//! limit, and change nothing.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};

use super::page_routes;
use super::platform::Platform;

/// The [page](page_routes), `GET /_sandbox/contacts?token=…` and `GET /_sandbox/calls`, for a `Host` that is this machine.
pub fn router() -> Router<Arc<Platform>> {
    let routes = Router::new().route("/_sandbox/contacts", get(contacts)).route("/_sandbox/calls", get(calls));
    routes.merge(page_routes::router()).route_layer(middleware::from_fn(of_this_machine))
}

// A web page whose name resolves to this machine (DNS rebinding) sends its own name, and a browser would let it read the
// response.
async fn of_this_machine(request: Request, next: Next) -> Response {
    let hosts: Vec<&HeaderValue> = request.headers().get_all(header::HOST).iter().collect();
    match hosts[..] {
        [host] if host.to_str().is_ok_and(is_loopback) => next.run(request).await,
        _ => (StatusCode::MISDIRECTED_REQUEST, "expected a Host of this machine, such as 127.0.0.1\n").into_response(),
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).map(str::parse::<Ipv6Addr>);
    match address {
        Some(address) => address == Ok(Ipv6Addr::LOCALHOST),
        None => {
            name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
        }
    }
}

#[derive(Deserialize)]
struct ContactsQuery {
    token: Option<String>,
}

async fn contacts(State(platform): State<Arc<Platform>>, Query(query): Query<ContactsQuery>) -> Response {
    let Some(token) = query.token else {
        return (StatusCode::BAD_REQUEST, "expected ?token=…, because each token has its own contacts\n")
            .into_response();
    };
    lines(platform.with_contacts(&token, |contacts| json_lines(contacts.shown())))
}

async fn calls(State(platform): State<Arc<Platform>>) -> Response {
    lines(json_lines(platform.ledger().calls().iter()))
}

fn json_lines(items: impl Iterator<Item = impl Serialize>) -> String {
    let mut lines = String::new();
    for item in items {
        let line = serde_json::to_string(&item).expect("text, numbers, booleans and null are always JSON");
        writeln!(lines, "{line}").expect("a string can always grow");
    }
    lines
}

fn lines(lines: String) -> Response {
    ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
}
