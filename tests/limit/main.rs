//! Minutes at the rate limit, in real time: never a call beyond the limit, and the limit fully used.
//!
//! The program creates contacts, one call each, on platforms with a fixed or a sliding window, which answer immediately or after
//! 300 ms; one program is killed every 20 s (10 s in the small run). The platform's ledger is checked against a naive reading of
//! the rule: a call may start when fewer calls than the limit count and fewer than the connections are in flight; a call
//! counts until 60.25 s after its end. A slot of the limit is *idle* while a call could have started in it and none did. Of the
//! time of all slots, at most 1 % may be idle, which equals 99 % of the calls that the rule allows.
//!
//! A call whose answer a killed process did not read may be in flight for half a minute, so its slot is taken for that much
//! longer. A call that was journaled but not sent before a kill is not in the ledger; the journal counts it, and its slot is
//! taken as well.
//!
//! It has its own target, because a single call that is late for want of a processor makes it fail. Its five runs wait side by
//! side.
//!
//! `cargo test` runs it with 20 calls a minute for 65 s; `MINUTES=10 cargo test --release --test limit` with the platform's 100
//! for ten minutes.

mod takeover;

use std::env;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use contactsync::estimate::concurrency_for;
use contactsync::sandbox::{CALLS_PER_MINUTE, CallRecord, Config, Faults, WindowKind};

use support::tools::report;
use support::{Harness, JOURNAL, People, Running, TOKEN};

/// How long a call counts against the limit after its end: the minute and the safety margin.
const COUNTS: Duration = Duration::from_millis(60_250);

/// The longest time in flight of a call whose answer was not read.
const IN_FLIGHT_GRACE: Duration = Duration::from_secs(30);

/// The largest delay of a call, at the 99th percentile.
const LATE: Duration = Duration::from_millis(300);

/// An answer that was delivered this shortly before a kill may not be journaled.
const UNREAD: Duration = Duration::from_millis(250);

/// The shortest life of the last process, so that it handles the signal that stops it.
const LAST_LIFE: Duration = Duration::from_secs(3);

const LATENCY: Duration = Duration::from_millis(300);

/// The size of the test.
#[derive(Clone, Copy)]
struct Size {
    limit: u32,
    lasts: Duration,
    // The time between kills.
    lives: Duration,
    // The share of the slots' time that the killed program must use, in permille. The time to restart counts as idle, and in the
    // small run that is a large part of its only full minute.
    killed_uses: u64,
}

const SMALL: Size =
    Size { limit: 20, lasts: Duration::from_secs(65), lives: Duration::from_secs(10), killed_uses: 970 };

const fn all(minutes: u64) -> Size {
    let lasts = Duration::from_secs(60 * minutes);
    Size { limit: CALLS_PER_MINUTE, lasts, lives: Duration::from_secs(20), killed_uses: 990 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_is_fully_used_and_never_exceeded_for_minutes() {
    let size = env::var("MINUTES").map_or(SMALL, |minutes| all(minutes.parse().expect("a number of minutes")));
    // The cases mostly wait, so they run concurrently.
    tokio::join!(
        check(size, WindowKind::Fixed, Duration::ZERO),
        check(size, WindowKind::Sliding, Duration::ZERO),
        check(size, WindowKind::Fixed, LATENCY),
        check(size, WindowKind::Sliding, LATENCY),
        check_killed(size),
    );
}

async fn check(size: Size, window: WindowKind, latency: Duration) {
    let (begun, harness) = at_the_limit(size, window, latency).await;
    let running = sync(&harness, size);
    tokio::time::sleep(size.lasts.saturating_sub(begun.elapsed())).await;
    let until = begun.elapsed();
    stop(running).await;

    let calls = harness.sandbox.ledger().calls();
    check_never_over(&harness, size);
    let moments: Vec<Moments> = calls.iter().map(|call| Moments::of(call, latency, &[])).collect();
    let idle = Idle::of(&moments, size.limit, until);
    let full = check_full_windows(&moments, size.limit, COUNTS + latency, until);
    let used = idle.used(size.limit, until);
    let (late, latest) = (idle.late(), idle.latest());
    report(
        "limit",
        &format!(
            "{window:?}, {} ms: {} calls, {full} full windows of {}; {} used; 99 of 100 calls at most {} ms late, all at most {} ms",
            latency.as_millis(),
            calls.len(),
            size.limit,
            percent(used),
            late.as_millis(),
            latest.as_millis()
        ),
    );
    assert!(used >= 990, "{window:?}, {latency:?}: {} used", percent(used));
    assert!(late <= LATE, "{window:?}, {latency:?}: {late:?}");
}

async fn check_killed(size: Size) {
    let (begun, harness) = at_the_limit(size, WindowKind::Fixed, LATENCY).await;
    let ledger = harness.sandbox.ledger();
    let mut running = sync(&harness, size);
    // The first kill is in the middle of the first burst, so that calls are in flight.
    let half = usize::try_from(size.limit / 2).expect("a small number");
    assert!(running.until(|| ledger.len() >= half).await, "the program ended");
    let mut kills = Vec::new();
    while begun.elapsed() + LAST_LIFE < size.lasts {
        running.kill().await;
        kills.push(begun.elapsed());
        running = resume(&harness, size);
        tokio::time::sleep(size.lives.min(size.lasts.saturating_sub(begun.elapsed()))).await;
    }
    let until = begun.elapsed();
    let known = stop(running).await;

    let calls = ledger.calls();
    check_never_over(&harness, size);
    let unheard = calls.iter().filter(|call| !call.delivered).count();
    assert!(unheard > 0, "no kill met a call in flight");
    let moments: Vec<Moments> = calls.iter().map(|call| Moments::of(call, LATENCY, &kills)).collect();
    let mut idle = Idle::of(&moments, size.limit, until);
    let never_sent = known.checked_sub(calls.len()).expect("each call is journaled before it is sent");
    idle.forgive(u32::try_from(never_sent).expect("a small number") * (IN_FLIGHT_GRACE + COUNTS));
    let used = idle.used(size.limit, until);
    let asked = f64::from(size.limit) * until.as_secs_f64() / 60.0;
    #[expect(clippy::cast_precision_loss, reason = "some thousand calls")]
    let share = calls.len() as f64 * 100.0 / asked;
    report(
        "limit",
        &format!(
            "killed {} times: {} calls, {unheard} of them undelivered, {never_sent} more never sent; {} used; {share:.1} % of limit times minutes",
            kills.len(),
            calls.len(),
            percent(used)
        ),
    );
    assert!(used >= size.killed_uses, "killed: {} used", percent(used));
}

async fn at_the_limit(size: Size, window: WindowKind, latency: Duration) -> (Instant, Harness) {
    // The ledger's time starts with the sandbox.
    let begun = Instant::now();
    let faults = Faults { latency, ..Faults::default() };
    let harness = Harness::of(Config { rate: size.limit, window, faults, ..Config::default() }).await;
    // More contacts than the time allows.
    let minutes = usize::try_from(size.lasts.as_secs() / 60 + 3).expect("a small number");
    let limit = usize::try_from(size.limit).expect("a small number");
    harness.write("in.csv", People::new(limit * minutes, 2, 0).csv());
    (begun, harness)
}

fn sync(harness: &Harness, size: Size) -> Running {
    let url = harness.sandbox.url();
    let arguments = format!("sync in.csv --match email --mode create --url {url} --rate {}", size.limit);
    harness.program(&arguments).with(&format!("--json --journal {JOURNAL}")).start()
}

fn resume(harness: &Harness, size: Size) -> Running {
    harness
        .program(&format!("resume --url {} --rate {} --json --journal {JOURNAL}", harness.sandbox.url(), size.limit))
        .start()
}

/// Stops the program in the middle of its work. Returns the number of journaled calls.
async fn stop(running: Running) -> usize {
    running.signal("INT").await;
    let summary = running.end().await.exits(4).summary();
    assert_eq!(summary.count("throttled"), 0, "{summary:?}");
    assert!(summary.count("pending") > 0, "the input was too small");
    usize::try_from(summary.json["calls"]["total"].as_u64().expect("a number")).expect("a small number")
}

#[track_caller]
fn check_never_over(harness: &Harness, size: Size) {
    let ledger = harness.sandbox.ledger();
    assert_eq!(ledger.throttled(), 0);
    let most = ledger.busiest_minute(TOKEN);
    assert!(most <= usize::try_from(size.limit).expect("a small number"), "{most} calls in 60 s");
}

/// Checks that each full window after the first call has 99 % of the limit. Returns the number of windows.
fn check_full_windows(moments: &[Moments], limit: u32, length: Duration, until: Duration) -> usize {
    let first = moments[0].began;
    let mut windows = 0;
    for nth in 0.. {
        let (from, to) = (first + nth * length, first + (nth + 1) * length);
        if to > until {
            break;
        }
        let calls = moments.iter().filter(|call| (from..to).contains(&call.began)).count();
        assert!(calls * 100 >= usize::try_from(limit).expect("a small number") * 99, "window {nth}: {calls} calls");
        windows += 1;
    }
    assert!(windows > 0, "no window was full");
    windows
}

/// The times at which a call takes a connection and a slot.
struct Moments {
    began: Duration,
    /// The time at which it freed its connection.
    left: Duration,
    /// The time from which it counts for [`COUNTS`].
    ended: Duration,
}

impl Moments {
    fn of(call: &CallRecord, latency: Duration, kills: &[Duration]) -> Self {
        let began = call.since_start;
        let left = call.delivered_at.unwrap_or(began + latency);
        let is_unread = |kill: &Duration| (left..left + UNREAD).contains(kill);
        let is_unheard = !call.delivered || kills.iter().any(is_unread);
        Self { began, left, ended: if is_unheard { began + IN_FLIGHT_GRACE } else { left } }
    }
}

/// The idle time of the slots.
struct Idle {
    // The delay of each call.
    late: Vec<Duration>,
    all: Duration,
}

impl Idle {
    fn of(moments: &[Moments], limit: u32, until: Duration) -> Self {
        let limit = usize::try_from(limit).expect("a small number");
        let connections = concurrency_for(NonZeroU32::new(u32::try_from(limit).expect("a u32")).expect("not zero"));
        let mut late = Vec::new();
        let mut left = Vec::new();
        let mut ended = Vec::new();
        let first = moments[0].began;
        // The time from which the next call may start.
        let allowed = |left: &[Duration], ended: &[Duration]| {
            let connection = nth_last(left, connections).unwrap_or_default();
            let place = nth_last(ended, limit).map_or(first, |ended| ended + COUNTS);
            connection.max(place)
        };
        for call in moments.iter().filter(|call| call.began <= until) {
            late.push(call.began.saturating_sub(allowed(&left, &ended)));
            insert(&mut left, call.left);
            insert(&mut ended, call.ended);
        }
        let mut all: Duration = late.iter().sum();
        // Calls that could have started by the end and did not.
        for &ended in &ended[ended.len().saturating_sub(limit)..] {
            all += until.saturating_sub(ended + COUNTS);
        }
        late.sort_unstable();
        Self { late, all }
    }

    fn forgive(&mut self, idle: Duration) {
        self.all = self.all.saturating_sub(idle);
    }

    /// The share that was not idle, in permille.
    fn used(&self, limit: u32, until: Duration) -> u64 {
        let whole = (until * limit).as_millis();
        let idle = self.all.as_millis().min(whole);
        u64::try_from((whole - idle) * 1_000 / whole).expect("at most 1000")
    }

    /// The 99th percentile of the delays.
    fn late(&self) -> Duration {
        self.late[(self.late.len() * 99).div_ceil(100) - 1]
    }

    fn latest(&self) -> Duration {
        self.late.last().copied().unwrap_or_default()
    }
}

fn nth_last(moments: &[Duration], nth: usize) -> Option<Duration> {
    moments.len().checked_sub(nth).map(|place| moments[place])
}

fn insert(moments: &mut Vec<Duration>, moment: Duration) {
    let place = moments.partition_point(|&earlier| earlier <= moment);
    moments.insert(place, moment);
}

fn percent(permille: u64) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}
