//! Side doors for a person who wants to see what is there: JSON lines, outside the API, without token or limit.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};

use super::platform::Platform;

/// `GET /_sandbox/contacts?token=…` and `GET /_sandbox/calls`.
pub fn router() -> Router<Arc<Platform>> {
    Router::new().route("/_sandbox/contacts", get(contacts)).route("/_sandbox/calls", get(calls))
}

#[derive(Deserialize)]
struct Whose {
    token: Option<String>,
}

async fn contacts(State(platform): State<Arc<Platform>>, Query(whose): Query<Whose>) -> Response {
    let Some(token) = whose.token else {
        return (StatusCode::BAD_REQUEST, "expected ?token=…, because each token has contacts of its own\n")
            .into_response();
    };
    lines(platform.look(&token, |contacts| json_lines(contacts.shown())))
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
