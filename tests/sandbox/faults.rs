//! Each fault on demand, as a client and the ledger see it.

use std::time::{Duration, Instant};

use contactsync::sandbox::{Config, Fault, Faults};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{TOKEN, one, unlimited, with_config};

/// A client's view of a call: a status with a whole body, a status with a truncated body, or no answer.
#[derive(Debug, PartialEq)]
enum Seen {
    Whole(u16),
    Broken(u16),
    Nothing,
}

async fn seen(request: RequestBuilder) -> Seen {
    match request.send().await {
        Err(_) => Seen::Nothing,
        Ok(response) => {
            let status = response.status().as_u16();
            response.bytes().await.map_or(Seen::Broken(status), |_| Seen::Whole(status))
        }
    }
}

#[tokio::test]
async fn each_fault_happens_and_is_in_the_ledger() {
    let none = Faults::default;
    // The client's view, whether the call counts, whether the create had its effect, whether its answer was delivered.
    let cases = [
        (Fault::LoseBefore, Faults { lose_before: 1.0, ..none() }, Seen::Nothing, false, false, false),
        (Fault::BadGateway, Faults { bad_gateway: 1.0, ..none() }, Seen::Whole(502), false, false, true),
        (Fault::Throttle, Faults { throttle: 1.0, ..none() }, Seen::Whole(429), false, false, true),
        (Fault::ThrottleBare, Faults { throttle_bare: 1.0, ..none() }, Seen::Whole(429), false, false, true),
        (Fault::Error, Faults { error_500: 1.0, ..none() }, Seen::Whole(500), true, false, true),
        (Fault::LoseAfter, Faults { lose_after: 1.0, ..none() }, Seen::Nothing, true, true, false),
        (Fault::ErrorAfter, Faults { error_500_after: 1.0, ..none() }, Seen::Whole(500), true, true, true),
        (Fault::BadGatewayAfter, Faults { bad_gateway_after: 1.0, ..none() }, Seen::Whole(502), true, true, true),
        (Fault::CutBody, Faults { cut_body: 1.0, ..none() }, Seen::Broken(200), true, true, false),
    ];
    for (fault, faults, expected, counted, applied, delivered) in cases {
        let harness = unlimited().await;
        // On a reused connection, where HTTP clients retry by themselves.
        assert_eq!(harness.find("name", "Ann", 1).await.status, 200, "{fault:?}");
        harness.sandbox.set_faults(faults);
        let create = harness.request(Method::POST, "/contact/").json(&json!({ "custom_fields": one("name", "Ann") }));
        assert_eq!(seen(create).await, expected, "{fault:?}");
        let status = match expected {
            Seen::Whole(status) | Seen::Broken(status) => Some(status),
            Seen::Nothing => None,
        };
        assert_eq!(harness.last(), (status, counted, applied, delivered, Some(fault)));
        // The client library retried nothing.
        assert_eq!(harness.sandbox.ledger().len(), 2, "{fault:?}");
        assert_eq!(harness.sandbox.contacts(TOKEN).len(), usize::from(applied), "{fault:?}");
        assert_eq!(harness.sandbox.ledger().creates(TOKEN), usize::from(applied), "{fault:?}");
        // The platform still answers afterwards.
        harness.sandbox.set_faults(none());
        assert_eq!(harness.find("name", "Ann", 1).await.status, 200, "{fault:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_refused_gets_no_fault() {
    let faults = Faults { lose_after: 1.0, ..Faults::default() };
    let harness = with_config(Config { rate: 1, faults, ..Config::default() }).await;
    assert_eq!(seen(harness.request(Method::GET, "/contact/1")).await, Seen::Nothing);
    assert_eq!(harness.get("/contact/1").await.status, 429);
    assert_eq!(harness.last(), (Some(429), false, false, true, None));
    harness.sandbox.refuse_token(TOKEN);
    assert_eq!(harness.get("/contact/1").await.status, 401);
    assert_eq!(harness.last(), (Some(401), false, false, true, None));
}

#[tokio::test]
async fn a_429_on_demand_has_its_headers_or_none() {
    let harness = with_config(Config::default()).await;
    for (faults, wait) in [
        (Faults { throttle: 1.0, throttle_seconds: 5, ..Faults::default() }, Some("5")),
        (Faults { throttle_bare: 1.0, ..Faults::default() }, None),
    ] {
        harness.sandbox.set_faults(faults);
        let response = harness.request(Method::GET, "/contact/1").send().await.unwrap();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("retry-after"), wait);
        assert_eq!(header("x-ratelimit-limit"), wait.map(|_| "100"));
        assert_eq!(header("x-ratelimit-reset").is_some(), wait.is_some());
    }
}

#[tokio::test]
async fn an_error_500_is_json_or_a_page() {
    let harness = unlimited().await;
    harness.sandbox.set_faults(Faults { error_500: 1.0, seed: 1, ..Faults::default() });
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(harness.get("/contact/1").await.body);
    }
    assert!(answers.contains(&json!({ "message": "Server Error" })));
    assert!(answers.iter().any(|body| body.as_str().is_some_and(|page| page.contains("<h1>Server Error</h1>"))));
}

#[tokio::test]
async fn latency_delays_answers_but_not_effects() {
    let harness = unlimited().await;
    let wait = Duration::from_millis(300);
    for faults in
        [Faults { slow: 1.0, slow_for: wait, ..Faults::default() }, Faults { latency: wait, ..Faults::default() }]
    {
        harness.sandbox.set_faults(faults);
        let begun = Instant::now();
        assert_eq!(harness.find("name", "Ann", 1).await.status, 200);
        assert!(begun.elapsed() >= wait, "{:?}", begun.elapsed());

        // The contact of a client that gives up is created nevertheless.
        let before = harness.sandbox.contacts(TOKEN).len();
        let create = harness.request(Method::POST, "/contact/").json(&json!({ "custom_fields": one("name", "Ann") }));
        assert_eq!(seen(create.timeout(wait / 3)).await, Seen::Nothing);
        assert_eq!(harness.sandbox.contacts(TOKEN).len(), before + 1);
        assert_eq!(harness.last(), (Some(200), true, true, false, None));
    }
}
