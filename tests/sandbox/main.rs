//! The sandbox through real HTTP: the documented answers, the traps, the limit and every fault.

mod debug_routes;
mod documented;
mod faults;
mod limit;
mod misbehaviour;
mod page;
mod saved_state;
mod traps;

use contactsync::Field;
use contactsync::contact::ContactId;
use contactsync::sandbox::{Config, Fault, Sandbox};
use reqwest::{Client, Method, RequestBuilder, Url, redirect};
use serde_json::{Value as Json, json};

const TOKEN: &str = "token";

/// A sandbox and a client that follows no redirect.
struct Harness {
    sandbox: Sandbox,
    client: Client,
}

/// A status and a complete body.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    body: Json,
}

async fn with_config(config: Config) -> Harness {
    let sandbox = Sandbox::start(config).await.expect("a free port on loopback");
    // The client needs one, although the sandbox encrypts nothing. Another test of this process may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().redirect(redirect::Policy::none()).no_proxy().build().expect("a client");
    Harness { sandbox, client }
}

async fn unlimited() -> Harness {
    with_config(Config { rate: 0, ..Config::default() }).await
}

impl Harness {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.sandbox.url()))
            .bearer_auth(TOKEN)
            .header("accept", "application/json")
            .header("content-type", "application/json")
    }

    async fn call(&self, method: Method, path: &str, body: Json) -> Answer {
        let request = self.request(method, path);
        taken(if body.is_null() { request } else { request.json(&body) }).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Json::Null).await
    }

    async fn find(&self, name: &str, value: &str, page: u32) -> Answer {
        self.get(&found_at(name, value, page)).await
    }

    async fn create(&self, fields: Json) -> Answer {
        self.call(Method::POST, "/contact/", json!({ "custom_fields": fields })).await
    }

    fn insert(&self, name: &str, value: &str) -> ContactId {
        self.sandbox.insert(TOKEN, [Field::text(name, value)], [] as [&str; 0])
    }

    /// The last call in the ledger: status, counted, applied, delivered, fault.
    fn last(&self) -> (Option<u16>, bool, bool, bool, Option<Fault>) {
        let calls = self.sandbox.ledger().calls();
        let last = calls.last().expect("there was a call");
        (last.status, last.counted, last.applied, last.delivered, last.fault)
    }
}

async fn taken(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    let text = response.text().await.expect("a whole body");
    Answer { status, body: serde_json::from_str(&text).unwrap_or(Json::String(text)) }
}

fn found_at(name: &str, value: &str, page: u32) -> String {
    let mut url = Url::parse("http://x/contact/by_custom_field").expect("a URL");
    url.query_pairs_mut().append_pair("name", name).append_pair("value", value);
    if page > 0 {
        url.query_pairs_mut().append_pair("page", &page.to_string());
    }
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

fn one(name: &str, value: &str) -> Json {
    json!([{ "name": name, "value": value }])
}

fn error(status: u16, message: &str) -> Answer {
    Answer { status, body: json!({ "status": "error", "message": message, "data": [] }) }
}

fn ids(answer: &Answer) -> Vec<&str> {
    let data = answer.body["data"].as_array().expect("a page has contacts");
    data.iter().map(|contact| contact["id"].as_str().expect("an id is text")).collect()
}
