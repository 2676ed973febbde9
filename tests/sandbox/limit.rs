//! The rate limit and its headers.

use contactsync::sandbox::{Config, Faults, WindowKind};
use reqwest::Method;

use super::{TOKEN, error, taken, with_config};

#[tokio::test]
async fn the_limit_is_in_the_headers() {
    for window in [WindowKind::Fixed, WindowKind::Sliding] {
        let harness = with_config(Config { rate: 3, window, ..Config::default() }).await;
        let header = |response: &reqwest::Response, name: &str| {
            response.headers().get(name).map(|value| value.to_str().unwrap().parse::<u64>().unwrap())
        };
        // A call without a valid token or to an unknown path does not count.
        let unauthorized =
            harness.client.get(format!("{}/contact/1", harness.sandbox.url())).header("accept", "application/json");
        assert_eq!(header(&unauthorized.send().await.unwrap(), "x-ratelimit-limit"), None);
        assert_eq!(harness.get("/nowhere").await.status, 404);
        for left in [2, 1, 0] {
            let response = harness.request(Method::GET, "/contact/1").send().await.unwrap();
            assert_eq!(header(&response, "x-ratelimit-limit"), Some(3));
            assert_eq!(header(&response, "x-ratelimit-remaining"), Some(left));
            assert_eq!((header(&response, "retry-after"), header(&response, "x-ratelimit-reset")), (None, None));
        }
        let refused = harness.request(Method::GET, "/contact/1").send().await.unwrap();
        assert_eq!(refused.status(), 429);
        assert_eq!(header(&refused, "x-ratelimit-remaining"), Some(0));
        let wait = header(&refused, "retry-after").unwrap();
        assert!((58..=60).contains(&wait), "{wait}");
        assert!(header(&refused, "x-ratelimit-reset").unwrap() > 1_700_000_000);
        assert_eq!(taken(harness.request(Method::GET, "/contact/1")).await, error(429, "Too many requests"));
        assert_eq!(harness.last(), (Some(429), false, false, true, None));
        let ledger = harness.sandbox.ledger();
        assert_eq!((ledger.busiest_minute(TOKEN), ledger.throttled()), (3, 2));
    }
}

#[tokio::test]
async fn a_proxy_may_strip_the_headers_and_another_client_may_use_the_token() {
    let harness =
        with_config(Config { rate: 3, faults: Faults { others: 1, ..Faults::default() }, ..Config::default() }).await;
    let call = async || harness.request(Method::GET, "/contact/1").send().await.unwrap();
    let limits = |response: &reqwest::Response| {
        let names = ["x-ratelimit-limit", "x-ratelimit-remaining", "retry-after", "x-ratelimit-reset"];
        let is_there = |name: &&str| response.headers().contains_key(*name);
        (response.status().as_u16(), names.into_iter().filter(is_there).count())
    };
    let first = call().await;
    assert_eq!(first.headers()["x-ratelimit-remaining"], "1");
    assert_eq!(limits(&first), (403, 2));
    harness.sandbox.set_faults(Faults { strip_limit: true, ..Faults::default() });
    assert_eq!(limits(&call().await), (403, 0));
    assert_eq!(limits(&call().await), (429, 0));
    harness.sandbox.set_faults(Faults::default());
    assert_eq!(limits(&call().await), (429, 4));
    // Calls of another client are not in the ledger.
    assert_eq!((harness.sandbox.ledger().len(), harness.sandbox.ledger().busiest_minute(TOKEN)), (4, 2));
}
