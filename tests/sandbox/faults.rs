//! Each fault on demand, seen by a client and by the ledger.

use std::time::{Duration, Instant};

use contactsync::sandbox::{Config, Fault, Faults};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{TOKEN, one, scene, unlimited};

/// What a client makes of a call: a status with a whole body, a status whose body breaks off, or nothing.
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
    // What the client sees, whether it counts, whether the create had its effect, whether its answer arrived.
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
        let scene = unlimited().await;
        // On a connection that served before: there a client is most tempted to send again by itself.
        assert_eq!(scene.find("name", "Ann", 1).await.status, 200, "{fault:?}");
        scene.sandbox.set_faults(faults);
        let create = scene.request(Method::POST, "/contact/").json(&json!({ "custom_fields": one("name", "Ann") }));
        assert_eq!(seen(create).await, expected, "{fault:?}");
        let status = match expected {
            Seen::Whole(status) | Seen::Broken(status) => Some(status),
            Seen::Nothing => None,
        };
        assert_eq!(scene.last(), (status, counted, applied, delivered, Some(fault)));
        // Nothing was tried twice behind our back.
        assert_eq!(scene.sandbox.ledger().len(), 2, "{fault:?}");
        assert_eq!(scene.sandbox.contacts(TOKEN).len(), usize::from(applied), "{fault:?}");
        assert_eq!(scene.sandbox.ledger().creates(TOKEN), usize::from(applied), "{fault:?}");
        // The platform is still there afterwards.
        scene.sandbox.set_faults(none());
        assert_eq!(scene.find("name", "Ann", 1).await.status, 200, "{fault:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_refused_gets_no_fault() {
    let faults = Faults { lose_after: 1.0, ..Faults::default() };
    let scene = scene(Config { rate: 1, faults, ..Config::default() }).await;
    assert_eq!(seen(scene.request(Method::GET, "/contact/1")).await, Seen::Nothing);
    assert_eq!(scene.get("/contact/1").await.status, 429);
    assert_eq!(scene.last(), (Some(429), false, false, true, None));
    scene.sandbox.refuse_token(TOKEN);
    assert_eq!(scene.get("/contact/1").await.status, 401);
    assert_eq!(scene.last(), (Some(401), false, false, true, None));
}

#[tokio::test]
async fn a_429_on_demand_has_its_headers_or_none() {
    let scene = scene(Config::default()).await;
    for (faults, wait) in [
        (Faults { throttle: 1.0, throttle_seconds: 5, ..Faults::default() }, Some("5")),
        (Faults { throttle_bare: 1.0, ..Faults::default() }, None),
    ] {
        scene.sandbox.set_faults(faults);
        let response = scene.request(Method::GET, "/contact/1").send().await.unwrap();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("retry-after"), wait);
        assert_eq!(header("x-ratelimit-limit"), wait.map(|_| "100"));
        assert_eq!(header("x-ratelimit-reset").is_some(), wait.is_some());
    }
}

#[tokio::test]
async fn an_error_500_is_json_or_a_page() {
    let scene = unlimited().await;
    scene.sandbox.set_faults(Faults { error_500: 1.0, seed: 1, ..Faults::default() });
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(scene.get("/contact/1").await.body);
    }
    assert!(answers.contains(&json!({ "message": "Server Error" })));
    assert!(answers.iter().any(|body| body.as_str().is_some_and(|page| page.contains("<h1>Server Error</h1>"))));
}

#[tokio::test]
async fn latency_delays_answers_but_not_effects() {
    let scene = unlimited().await;
    let wait = Duration::from_millis(300);
    for faults in
        [Faults { slow: 1.0, slow_for: wait, ..Faults::default() }, Faults { latency: wait, ..Faults::default() }]
    {
        scene.sandbox.set_faults(faults);
        let begun = Instant::now();
        assert_eq!(scene.find("name", "Ann", 1).await.status, 200);
        assert!(begun.elapsed() >= wait, "{:?}", begun.elapsed());

        // A client that gives up has its contact all the same.
        let before = scene.sandbox.contacts(TOKEN).len();
        let create = scene.request(Method::POST, "/contact/").json(&json!({ "custom_fields": one("name", "Ann") }));
        assert_eq!(seen(create.timeout(wait / 3)).await, Seen::Nothing);
        assert_eq!(scene.sandbox.contacts(TOKEN).len(), before + 1);
        assert_eq!(scene.last(), (Some(200), true, true, false, None));
    }
}
