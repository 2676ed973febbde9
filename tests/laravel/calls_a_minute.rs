//! The rate limit as the framework's throttle middleware counts it, over several minutes.

use std::time::{Duration, Instant};

use crate::platform::{Call, Platform, Settings};
use support::{Harness, People};

/// The platform's limit of calls in a window (API.md, "Platforms").
const LIMIT: usize = 100;

/// The framework's window, in seconds.
const WINDOW: f64 = 60.0;

/// The cases mostly wait, so they run concurrently.
#[tokio::test]
async fn the_throttle_middleware_refuses_nothing_for_minutes() {
    tokio::join!(check_for_minutes(), check_used_up());
}

/// 250 calls take three windows, and the client's rate limiter fills each of them.
async fn check_for_minutes() {
    let Some(platform) = Platform::start(Settings::DOCUMENTED) else { return };
    let harness = Harness::unlimited().await;
    let people = People::new(125, 2, 0);
    harness.write("in.csv", people.csv());
    let begun = Instant::now();
    let summary = platform.sync(&harness, "in.csv --match email").run().await.exits(0).summary();
    let took = begun.elapsed();
    assert_eq!((summary.calls().as_str(), summary.count("throttled")), ("125 find, 125 create", 0));
    platform.has_exactly(&people);
    let calls = platform.calls();
    assert_eq!(calls.len(), 250);
    assert!(calls.iter().all(|call| call.status == 200), "{calls:?}");
    check_windows(&calls);
    assert!(took > Duration::from_mins(2) && took < Duration::from_secs(140), "{took:?}");
    // The middleware refuses calls beyond the limit.
    assert!((0..=LIMIT).any(|_| find(&platform).contains(" 429 ")), "no call was refused");
}

/// Another client has used up the window: the run waits as long as the framework asks, and continues.
async fn check_used_up() {
    let Some(platform) = Platform::start(Settings::DOCUMENTED) else { return };
    for _ in 0..LIMIT {
        assert!(find(&platform).contains(" 200 "));
    }
    let harness = Harness::unlimited().await;
    let people = People::new(5, 2, 1);
    harness.write("in.csv", people.csv());
    let summary = platform.sync(&harness, "in.csv --match email").run().await.exits(0).summary();
    platform.has_exactly(&people);
    let refused = platform.calls().iter().filter(|call| call.status == 429).count();
    assert_eq!(summary.count("throttled"), refused);
    assert!((1..=10).contains(&refused), "{refused} calls were refused");
}

/// Checks that no period as long as the framework's window has more calls than the limit.
#[track_caller]
fn check_windows(calls: &[Call]) {
    for (first, after) in calls.iter().zip(&calls[LIMIT..]) {
        let apart = after.at - first.at;
        assert!(apart >= WINDOW, "{} calls in {apart:.3} s", LIMIT + 1);
    }
}

fn find(platform: &Platform) -> String {
    platform.ask("GET /api/v1/contact/by_custom_field?name=email&value=unknown", "")
}
