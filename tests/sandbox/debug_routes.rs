//! The debug routes, and the end of a sandbox.

use contactsync::sandbox::{Config, Sandbox};
use reqwest::Url;
use serde_json::{Value as Json, json};

use super::{one, unlimited};

#[tokio::test]
async fn the_debug_routes_show_contacts_and_calls() {
    let harness = unlimited().await;
    harness.create(one("name", "Ann")).await;
    harness.get("/contact/1").await;
    let lines = async |path: &str| {
        let url = harness.sandbox.url().replace("/api/v1", path);
        let text = harness.client.get(url).send().await.unwrap().text().await.unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Json>>()
    };
    let contacts = lines("/_sandbox/contacts?token=token").await;
    assert_eq!(contacts.len(), 1);
    assert_eq!(contacts[0]["custom_fields"], json!({ "name": "Ann" }));
    let calls = lines("/_sandbox/calls").await;
    let seen: Vec<_> = calls.iter().map(|call| (call["kind"].clone(), call["status"].clone())).collect();
    assert_eq!(seen, [(json!("create"), json!(200)), (json!("read"), json!(403))]);
    assert_eq!(lines("/_sandbox/contacts?token=other").await, [] as [Json; 0]);
}

#[tokio::test]
async fn a_stopped_sandbox_frees_its_port() {
    let first = Sandbox::start(Config::default()).await.unwrap();
    let url = first.url();
    let port = Url::parse(&url).unwrap().port().unwrap();
    assert!(Sandbox::start(Config { port, ..Config::default() }).await.is_err());
    first.stop().await;
    let second = Sandbox::start(Config { port, ..Config::default() }).await.unwrap();
    assert_eq!(second.url(), url);
    drop(second);
}

// A web page whose name resolves to this machine sends its own name as the host.
#[tokio::test]
async fn the_debug_routes_answer_only_requests_from_loopback_names() {
    let harness = unlimited().await;
    let root = harness.sandbox.url().replace("/api/v1", "");
    let port = root.rsplit(':').next().expect("a port").to_owned();
    let here = ["127.0.0.1", "127.9.8.7", "localhost", "LOCALHOST", "[::1]"];
    let elsewhere = [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.0.2.1",
        "0.0.0.0",
        "[::2]",
        "::1",
        "[127.0.0.1]",
        "127.0.0.1:80:80",
        "",
    ];
    let hosts = here.iter().map(|host| (host, 200)).chain(elsewhere.iter().map(|host| (host, 421)));
    for (host, expected) in hosts {
        for host in [(*host).to_owned(), format!("{host}:{port}")] {
            for path in
                ["/_sandbox/contacts?token=token", "/_sandbox/calls", "/_sandbox/overview", "/_sandbox/page", "/"]
            {
                let request = harness.client.get(format!("{root}{path}")).header("host", &host);
                let status = request.send().await.expect("an answer").status().as_u16();
                assert_eq!(status, expected, "{host} {path}");
            }
        }
    }
    // The API is protected by its token, for any host.
    let request = harness.request(reqwest::Method::GET, "/contact/1").header("host", "evil.example");
    assert_eq!(request.send().await.expect("an answer").status(), 403);
}
