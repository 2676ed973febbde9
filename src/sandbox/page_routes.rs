//! The page of the sandbox, which shows its contacts and calls in a browser, and the JSON that the page reads.
//!
//! Nothing here changes the platform. The page makes no request to another host, and shows all values as text.

use std::sync::{Arc, LazyLock};

use axum::Json;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::channels::Channel;
use super::contacts::ContactRow;
use super::ledger::{CallRecord, SecondCalls};
use super::limit::{LimiterUse, WindowKind};
use super::platform::Platform;

/// Number of contacts on one page.
const CONTACTS_SHOWN: usize = 25;

/// Number of answers that the page lists.
const ANSWERS_SHOWN: usize = 30;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const BODY: &str = include_str!("page.html");

/// `GET /`, and the JSON of the page under `/_sandbox`.
pub fn router() -> Router<Arc<Platform>> {
    Router::new()
        .route("/", get(page))
        .route("/_sandbox/overview", get(overview))
        .route("/_sandbox/page", get(contacts))
}

async fn page() -> impl IntoResponse {
    // Only the page's own style and script, and only requests to this sandbox.
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
        format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT)
        )
    });
    static PAGE: LazyLock<String> =
        LazyLock::new(|| BODY.replacen("/*style*/", STYLE, 1).replacen("/*script*/", SCRIPT, 1));
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, &POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, PAGE.as_str()).into_response()
}

#[derive(Deserialize)]
struct OverviewQuery {
    channel: Option<usize>,
}

#[derive(Serialize)]
struct Overview {
    url: String,
    rate: u32,
    window: &'static str,
    /// Milliseconds since the Unix epoch, and since the start.
    now: u64,
    now_ms: u64,
    calls: usize,
    throttled: usize,
    channels: Vec<ChannelSummary>,
    /// The channel that is shown; `None` if there is none yet.
    channel: Option<ChannelCalls>,
    answers: Vec<CallRecord>,
}

#[derive(Serialize)]
struct ChannelSummary {
    number: usize,
    token: String,
    contacts: usize,
}

#[derive(Serialize)]
struct ChannelCalls {
    number: usize,
    token: String,
    contacts: usize,
    /// It grows with every change of a contact.
    changes: u64,
    /// The counted calls of the last minute, and the refused ones.
    counted: usize,
    refused: usize,
    /// The calls of each second of it, the newest first.
    seconds: Vec<SecondCalls>,
    limiter: LimiterUse,
}

async fn overview(State(platform): State<Arc<Platform>>, Query(query): Query<OverviewQuery>) -> Response {
    let channels = platform.channels();
    let newest = platform.ledger().newest(ANSWERS_SHOWN);
    // Without a choice, the channel that was called last.
    let called = newest.iter().find_map(|call| channels.iter().find(|(token, _)| token.as_ref() == Some(&call.token)));
    let chosen = query.channel.and_then(|number| channels.iter().find(|(_, channel)| channel.number == number));
    let shown = chosen.or(called).or_else(|| channels.first());
    let config = platform.config();
    let now = platform.now();
    Json(Overview {
        url: platform.url(),
        rate: config.rate,
        window: match config.window {
            WindowKind::Fixed => "fixed",
            WindowKind::Sliding => "sliding",
        },
        now: now.at.as_millis(),
        now_ms: u64::try_from(now.since_start.as_millis()).unwrap_or(u64::MAX),
        calls: platform.ledger().len(),
        throttled: platform.ledger().throttled(),
        channels: channels.iter().map(|(_, channel)| summary(channel)).collect(),
        channel: shown.map(|(token, channel)| {
            let seconds =
                token.as_ref().map(|token| platform.ledger().last_minute(token, now.since_start)).unwrap_or_default();
            let state = channel.state();
            ChannelCalls {
                number: channel.number,
                token: channel.label.clone(),
                contacts: state.contacts.len(),
                changes: state.contacts.changes(),
                counted: seconds.iter().map(|second| second.counted).sum(),
                refused: seconds.iter().map(|second| second.refused).sum(),
                seconds,
                limiter: state.limiter.in_use(now.at),
            }
        }),
        answers: newest,
    })
    .into_response()
}

fn summary(channel: &Channel) -> ChannelSummary {
    ChannelSummary { number: channel.number, token: channel.label.clone(), contacts: channel.state().contacts.len() }
}

#[derive(Deserialize)]
#[serde(default)]
struct ContactsQuery {
    channel: usize,
    search: String,
    page: usize,
}

impl Default for ContactsQuery {
    fn default() -> Self {
        Self { channel: 0, search: String::new(), page: 1 }
    }
}

#[derive(Serialize)]
struct ContactsPage {
    /// Number of contacts that match the search.
    matching: usize,
    pages: usize,
    page: usize,
    contacts: Vec<ContactRow>,
}

async fn contacts(State(platform): State<Arc<Platform>>, Query(query): Query<ContactsQuery>) -> Response {
    let ContactsQuery { channel, search, page } = query;
    let channels = platform.channels();
    let found = channels.iter().find(|(_, known)| known.number == channel);
    let skipped = page.saturating_sub(1).saturating_mul(CONTACTS_SHOWN);
    let (matching, rows) = found
        .map(|(_, channel)| channel.state().contacts.listed(search.trim(), skipped, CONTACTS_SHOWN))
        .unwrap_or_default();
    let pages = matching.div_ceil(CONTACTS_SHOWN).max(1);
    Json(ContactsPage { matching, pages, page, contacts: rows }).into_response()
}
