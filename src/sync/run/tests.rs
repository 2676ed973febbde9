//! Outages, refusals and pauses through the whole loop, under virtual time: how many calls they take, why the run
//! stops, and with which rows the next run begins.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use super::contact_budget::{CONTACTS_PER_CHANNEL, CONTACTS_PER_PROCESS};
use super::{ContactBudget, Ending, Job, begin, send_begun};
use crate::core::answer::{Answer, RateLimit};
use crate::core::attempt::Attempt;
use crate::core::call::{Call, CallKind, Cleared};
use crate::core::circuit_breaker::OUTAGE_TIMEOUT;
use crate::core::diff::TagsMode;
use crate::core::eta::Limits;
use crate::core::mapping::Mapping;
use crate::core::model::{ContactId, Mode, Remote};
use crate::core::page::Page;
use crate::core::task::{Outcome, Policy};
use crate::core::time::Timestamp;
use crate::core::window_id::WindowId;
use crate::input::{Format, Source};
use crate::journal::{Journal, NewRun, SendJournal};
use crate::platform::limiter::Clock;
use crate::sync::channels::{send, send_all};
use crate::sync::event::{Event, Observer};
use crate::sync::limiters::restored;
use crate::sync::plan::{PlanOptions, Routes, plan};
use crate::sync::stop::{Stop, StopReason};
use crate::sync::transport::Transport;

const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);

const LATENCY: Duration = Duration::from_millis(100);

/// Answers a call instead of carrying it out, by the call, its row (from 0) and the time since the beginning.
type Rule = Box<dyn Fn(&Call, usize, Duration) -> Option<Answer>>;

/// Selects rows.
type Rows = fn(usize) -> bool;

/// Makes the answer of a failing call.
type Failing = fn() -> Answer;

/// A small model of the platform that fails by a rule.
struct Platform {
    clock: Clock,
    rule: RefCell<Rule>,
    contacts: RefCell<Vec<Remote>>,
    /// The time, kind and row of each call that was sent.
    sent: RefCell<Vec<(Duration, CallKind, usize)>>,
}

/// The row of a match value such as `p17`.
fn row_of(value: &str) -> usize {
    value.trim_start_matches('p').parse().unwrap()
}

impl Platform {
    fn new(rule: impl Fn(&Call, usize, Duration) -> Option<Answer> + 'static) -> Self {
        Self {
            clock: Clock::starting_at(NOON),
            rule: RefCell::new(Box::new(rule)),
            contacts: RefCell::default(),
            sent: RefCell::default(),
        }
    }

    fn follows(&self, rule: impl Fn(&Call, usize, Duration) -> Option<Answer> + 'static) {
        *self.rule.borrow_mut() = Box::new(rule);
    }

    fn row(call: &Call) -> usize {
        let of_id = |id: &ContactId| row_of(id.as_str().trim_start_matches("id"));
        match call {
            Call::Find { field, .. } => row_of(&field.value.text()),
            Call::Create { fields } => row_of(&fields[0].value.text()),
            Call::Read { id } | Call::Update { id, .. } | Call::AddTags { id, .. } | Call::RemoveTags { id, .. } => {
                of_id(id)
            }
        }
    }

    fn carry_out(&self, call: &Call, row: usize) -> Attempt {
        let mut contacts = self.contacts.borrow_mut();
        let id = ContactId::new(format!("idp{row}")).unwrap();
        let found = contacts.iter().position(|contact| contact.id == id);
        match (call, found) {
            (Call::Find { .. }, found) => {
                Attempt::Page(Page::of(found.map(|at| contacts[at].clone()).into_iter().collect()))
            }
            (Call::Create { fields }, _) => {
                let fields = fields.iter().map(|field| (field.name.to_string(), field.value.clone()));
                contacts.push(Remote { id: id.clone(), fields: fields.collect(), tags: BTreeSet::new() });
                Attempt::Created(id)
            }
            (_, None) => Attempt::Missing { message: "Contact not found".into() },
            (Call::Read { .. }, Some(at)) => Attempt::Contact(contacts[at].clone()),
            (Call::Update { fields, .. }, Some(at)) => {
                let fields = fields.iter().map(|field| (field.name.to_string(), field.value.clone()));
                contacts[at].fields.extend(fields);
                Attempt::Done
            }
            (Call::AddTags { tags, .. }, Some(at)) => {
                contacts[at].tags.extend(tags.iter().cloned());
                Attempt::Done
            }
            (Call::RemoveTags { .. }, Some(_)) => Attempt::Done,
        }
    }

    /// The rows of the calls of this kind after the first `since` calls.
    fn rows(&self, kind: CallKind, since: usize) -> Vec<usize> {
        self.sent.borrow().iter().skip(since).filter(|(_, sent, _)| *sent == kind).map(|(_, _, row)| *row).collect()
    }

    fn calls(&self) -> usize {
        self.sent.borrow().len()
    }
}

impl Transport for Platform {
    async fn send(&self, call: Cleared<'_>) -> Answer {
        let call = call.call();
        let (row, at) = (Self::row(call), self.clock.now().since(NOON));
        self.sent.borrow_mut().push((at, call.kind(), row));
        let ruled = (self.rule.borrow())(call, row, at);
        let answer = ruled.unwrap_or_else(|| self.carry_out(call, row).into());
        self.clock.sleep_until(self.clock.now() + LATENCY).await;
        answer
    }
}

/// Records events about rows and pauses.
#[derive(Default)]
struct Listener {
    left: RefCell<BTreeMap<u64, String>>,
    rejected: RefCell<Vec<u64>>,
    paused: Cell<u32>,
    kind_paused: Cell<u32>,
}

impl Observer for Listener {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Left { line, reason } => {
                self.left.borrow_mut().insert(*line, (*reason).to_owned());
            }
            Event::Done { line, outcome: Outcome::Rejected(_), .. } => self.rejected.borrow_mut().push(*line),
            Event::Paused { .. } => self.paused.set(self.paused.get() + 1),
            Event::KindPaused { .. } => self.kind_paused.set(self.kind_paused.get() + 1),
            Event::Done { .. }
            | Event::Read { .. }
            | Event::Sending { .. }
            | Event::Called { .. }
            | Event::Trouble { .. }
            | Event::Throttled { .. }
            | Event::AskedToWait { .. }
            | Event::Limited { .. }
            | Event::Others { .. }
            | Event::ReadBack { .. }
            | Event::Dropped { .. }
            | Event::MarkRefused { .. }
            | Event::InDoubt { .. }
            | Event::Tick { .. } => {}
        }
    }
}

/// An input of `rows` rows, each with a field and a tag, with the platform and the journal that a run needs.
struct Harness {
    platform: Platform,
    journal: Journal,
    listener: Listener,
    rows: usize,
    mode: Mode,
    outage_timeout: Duration,
    limits: Limits,
}

impl Harness {
    fn of(rows: usize, rule: impl Fn(&Call, usize, Duration) -> Option<Answer> + 'static) -> Self {
        Self {
            platform: Platform::new(rule),
            journal: Journal::in_memory().unwrap(),
            listener: Listener::default(),
            rows,
            mode: Mode::Upsert,
            outage_timeout: OUTAGE_TIMEOUT,
            limits: Limits::default(),
        }
    }

    fn policy(&self) -> Policy {
        Policy {
            mode: self.mode,
            tags_mode: TagsMode::Add,
            search_lag: Duration::from_secs(30),
            retry_in_doubt: false,
            search_first: false,
        }
    }

    /// Plans the input, whose rows all have this value.
    fn plan(&self, value: &str) -> i64 {
        self.plan_for("c", value)
    }

    fn plan_for(&self, channel: &str, value: &str) -> i64 {
        let mut csv = String::from("phone,name,tags\n");
        for n in 0..self.rows {
            csv.push_str(&format!("p{n},{value},t\n"));
        }
        let source = Source::from_reader("file.csv", Box::new(std::io::Cursor::new(csv)), Format::Csv).unwrap();
        let mapping = Mapping::new(source.header(), vec!["phone".into()], self.mode).unwrap();
        let new = NewRun {
            channel: channel.into(),
            url: "https://example.com".into(),
            kind: "standard".into(),
            rate: 100,
            input: "file.csv".into(),
            policy: self.policy(),
            now: self.platform.clock.now(),
        };
        plan(
            &self.journal,
            source,
            &mapping,
            Routes::one(new),
            PlanOptions::default(),
            &self.listener,
            &Stop::default(),
        )
        .unwrap()
        .runs[0]
    }

    async fn send(&self, run: i64) -> Ending {
        self.send_within(run, self.limits).await
    }

    async fn send_within(&self, run: i64, limits: Limits) -> Ending {
        let (window, stop) = (WindowId::of("token", b""), Stop::default());
        send(Job { limits, ..self.job("c", run, &window, &stop) }).await.unwrap()
    }

    fn job<'a>(
        &'a self,
        channel: &'a str,
        run: i64,
        window: &'a WindowId,
        stop: &'a Stop,
    ) -> Job<'a, Journal, Platform, Listener> {
        Job {
            journal: &self.journal,
            run,
            channel,
            window,
            policy: self.policy(),
            transport: &self.platform,
            call_timeout: Duration::from_secs(30),
            rate: NonZeroU32::new(100).unwrap(),
            burst: None,
            concurrency: None,
            limits: self.limits,
            read_back: false,
            outage_timeout: self.outage_timeout,
            clock: &self.platform.clock,
            seed: 1,
            observer: &self.listener,
            stop,
        }
    }

    /// Plans and sends the input in one process.
    async fn sync(&self, value: &str) -> Ending {
        let run = self.plan(value);
        self.send(run).await
    }

    async fn a_day_later(&self) {
        self.platform.clock.sleep_until(self.platform.clock.now() + Duration::from_hours(24)).await;
    }
}

fn error_500() -> Answer {
    Attempt::lost(Some(500), "500 Server Error".into()).into()
}

fn refused(words: &str) -> Answer {
    Attempt::refused(403, words.into()).into()
}

fn reason(ending: &Ending) -> String {
    ending.summary.reason.clone().unwrap_or_default()
}

/// Calls of this kind fail.
fn fails(kind: CallKind) -> impl Fn(&Call, usize, Duration) -> Option<Answer> {
    move |call, _, _| (call.kind() == kind).then(error_500)
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_creates_all_fail_takes_few_calls_and_stops_after_the_outage_timeout() {
    for mode in [Mode::Upsert, Mode::Create] {
        let harness = Harness { mode, ..Harness::of(100, fails(CallKind::Create)) };
        let ending = harness.sync("a").await;
        let calls = harness.platform.calls();
        assert_eq!(
            ending.stopped,
            Some(StopReason::KindDown("creates have failed for 5 minutes: 500 Server Error".into()))
        );
        assert_eq!((ending.summary.pending, ending.summary.rejected), (100, 0));
        assert!(calls <= 60, "{mode:?}: {calls} calls");
        let took = harness.platform.clock.now().since(NOON);
        assert!((300..=310).contains(&took.as_secs()), "{took:?}");
        // The contacts that were tried are reported.
        let tried: BTreeSet<u64> =
            harness.platform.rows(CallKind::Create, 0).into_iter().map(|row| u64::try_from(row).unwrap() + 2).collect();
        let left: BTreeSet<u64> = harness.listener.left.borrow().keys().copied().collect();
        assert_eq!(left, tried);
        // An answered search shows at once that the platform as a whole is available.
        assert!(harness.listener.paused.get() <= 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_one_kind_ends_as_soon_as_a_call_of_it_is_answered() {
    for kind in [CallKind::Create, CallKind::AddTags] {
        let over = Duration::from_secs(100);
        let harness = Harness::of(60, move |call, _, at| (call.kind() == kind && at < over).then(error_500));
        let ending = harness.sync("a").await;
        assert_eq!((ending.stopped.clone(), ending.summary.created), (None, 60), "{kind:?}: {}", reason(&ending));
        let took = harness.platform.clock.now().since(NOON);
        assert!(took <= Duration::from_secs(400), "{kind:?}: {took:?}");
        let in_vain = harness.platform.sent.borrow().iter().filter(|(at, sent, _)| *sent == kind && *at < over).count();
        assert!(in_vain <= 12, "{kind:?}: {in_vain}");
        assert!(harness.listener.kind_paused.get() >= 1, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_creates_ends_also_with_more_rows_than_are_kept_in_memory() {
    let over = Duration::from_secs(150);
    let limits = Limits { max_calls: Some(100), until: None };
    for concurrency in [1, 3] {
        let harness = Harness::of(CONTACTS_PER_CHANNEL + 500, move |call, row, at| {
            (call.kind() == CallKind::Create && row >= 10 && at < over).then(error_500)
        });
        let harness = Harness { mode: Mode::Create, ..harness };
        let (run, window, stop) = (harness.plan("a"), WindowId::of("token", b""), Stop::default());
        let job = Job { limits, concurrency: Some(concurrency), ..harness.job("c", run, &window, &stop) };
        let ending = send(job).await.unwrap();
        assert_eq!(ending.stopped, Some(StopReason::MaxCalls(100)), "{concurrency}: {}", reason(&ending));
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_goes_on_with_its_fair_share_when_other_channels_have_the_most_contacts_in_memory() {
    const FAIR_SHARE: usize = 10;
    // Creates fail for a while, one row is refused, and all others are created at last.
    let over = Duration::from_secs(100);
    let budget = Rc::new(ContactBudget::new(CONTACTS_PER_PROCESS / FAIR_SHARE));
    let others = budget.share(1);
    let _in_memory: Vec<_> = (0..CONTACTS_PER_PROCESS).map(|_| others.count()).collect();
    let (peak, seen) = (Rc::new(Cell::new(0)), Rc::clone(&budget));
    let highest = Rc::clone(&peak);
    let harness = Harness::of(120, move |call, row, at| {
        highest.set(highest.get().max(seen.total()));
        if call.kind() != CallKind::Create {
            None
        } else if at < over {
            Some(error_500())
        } else {
            (row == 7).then(|| refused("Such contacts are not accepted."))
        }
    });
    let (run, window, stop) = (harness.plan("a"), WindowId::of("token", b""), Stop::default());
    let job = harness.job("c", run, &window, &stop);
    let begun = begin(&job).await.unwrap();
    let limiter = restored(job.journal, &window, job.rate, None, job.clock).await.unwrap();
    let ending = send_begun(&job, &limiter, &budget, begun).await.unwrap();
    let ends = (ending.summary.created, ending.summary.rejected, ending.summary.pending);
    assert_eq!((ending.stopped.clone(), ends), (None, (119, 1, 0)), "{}", reason(&ending));
    // A held rejection takes no part of the fair share.
    let own = peak.get() - CONTACTS_PER_PROCESS;
    assert!((2..=FAIR_SHARE + 1).contains(&own), "{own}");
    assert_eq!(budget.total(), CONTACTS_PER_PROCESS);
}

#[tokio::test(start_paused = true)]
async fn when_one_kind_fails_contacts_that_do_not_need_it_go_on() {
    let harness = Harness::of(40, |_, _, _| None);
    harness.sync("a").await;
    // Forty more, before them in the file or behind them, cannot be created; the first forty have changed.
    let harness = Harness { rows: 80, ..harness };
    harness.platform.follows(fails(CallKind::Create));
    let ending = harness.sync("b").await;
    assert_eq!((ending.summary.updated, ending.summary.pending), (40, 40), "{}", reason(&ending));
    assert!(matches!(ending.stopped, Some(StopReason::KindDown(_))));
}

#[tokio::test(start_paused = true)]
async fn a_few_rows_that_always_fail_are_left_and_the_others_finish() {
    // Positions of the failing rows: spread, all at the beginning, all at the end.
    let cases: [(&str, Rows); 3] = [
        ("here and there", |row| row % 20 == 7),
        ("at the beginning", |row| row < 10),
        ("at the end", |row| row >= 190),
    ];
    for (name, is_bad) in cases {
        for kind in [CallKind::Create, CallKind::AddTags] {
            let harness = Harness::of(200, move |call, row, _| (call.kind() == kind && is_bad(row)).then(error_500));
            let ending = harness.sync("a").await;
            assert_eq!((ending.summary.created, ending.summary.pending), (190, 10), "{name} {kind:?}");
            let why = reason(&ending);
            assert!(!why.contains("no answer"), "{name} {kind:?}: {why}");
            if name != "at the end" {
                assert_eq!((ending.stopped, why.as_str()), (None, "10 contacts are left: their calls kept failing"));
            }
            let lines: Vec<u64> = harness.listener.left.borrow().keys().copied().collect();
            let expected: Vec<u64> =
                (0..200).filter(|row| is_bad(*row)).map(|row| u64::try_from(row).unwrap() + 2).collect();
            assert_eq!(lines, expected, "{name} {kind:?}");
            // Each of them is tried a few times.
            for row in (0..200).filter(|row| is_bad(*row)) {
                let tries = harness.platform.rows(kind, 0).into_iter().filter(|tried| *tried == row).count();
                assert!((1..=7).contains(&tries), "{name} {kind:?}: row {row} {tries} times");
            }
        }
    }
}

/// Runs that end after a few calls finish the rows that they begin.
#[tokio::test(start_paused = true)]
async fn runs_of_few_calls_make_progress() {
    let short = |max_calls, seconds: Option<u64>| async move {
        let harness = Harness::of(12, |_, _, _| None);
        for _ in 0..20 {
            let until = seconds.map(|seconds| harness.platform.clock.now() + Duration::from_secs(30 + seconds));
            let run = harness.plan("a");
            let ending = harness.send_within(run, Limits { max_calls, until }).await;
            if ending.summary.pending == 0 {
                return;
            }
            harness.a_day_later().await;
        }
        panic!("no progress with {max_calls:?} calls or {seconds:?} s a night");
    };
    short(Some(4), None).await;
    short(Some(8), None).await;
    short(None, Some(1)).await;
}

/// Answered searches do not hide that every create is refused with 429.
#[tokio::test(start_paused = true)]
async fn a_quota_that_refuses_every_create_stops_the_run_with_the_message_of_the_platform() {
    let harness = Harness::of(50, |call, _, _| {
        let message = Some("Quota exceeded for this workspace.".to_owned());
        (call.kind() == CallKind::Create).then(|| Attempt::Throttled { retry_after: None, message }.into())
    });
    let ending = harness.sync("a").await;
    assert_eq!((ending.summary.created, ending.summary.pending), (0, 50));
    let why = reason(&ending);
    assert!(why.contains("refuses all creates") && why.contains("Quota exceeded for this workspace."), "{why}");
    assert!(harness.platform.calls() <= 200, "{} calls", harness.platform.calls());
}

/// One row that is always refused with 429 must not hold the channel back forever.
#[tokio::test(start_paused = true)]
async fn a_row_that_alone_is_refused_for_the_limit_is_left() {
    let harness = Harness::of(900, |call, row, _| {
        let is_refused = call.kind() == CallKind::Create && row == 3;
        is_refused.then(|| Attempt::throttled(None).into())
    });
    let ending = harness.sync("a").await;
    assert_eq!((ending.summary.created, ending.summary.pending, ending.summary.rejected), (899, 1, 0));
    assert!(ending.summary.throttled <= 8, "{:?}", ending.summary);
    let left = harness.listener.left.borrow();
    let reason = left.values().next().expect("it is named");
    assert!(reason.contains("refused for the rate limit 6 times"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn the_same_refusal_twenty_times_in_a_row_stops_and_blames_no_row() {
    let all_refused = |call: &Call, _: usize, _: Duration| {
        (call.kind() == CallKind::Create).then(|| refused("Your account is suspended."))
    };
    let harness = Harness::of(60, all_refused);
    let ending = harness.sync("a").await;
    let expected = StopReason::Refusing("the platform refused 20 creates in a row: Your account is suspended.".into());
    assert_eq!(ending.stopped, Some(expected));
    assert_eq!((ending.summary.rejected, ending.summary.pending), (0, 60));
    let first: BTreeSet<usize> = harness.platform.rows(CallKind::Create, 0).into_iter().collect();
    assert!((20..=28).contains(&first.len()), "{}", first.len());
    assert_eq!(*harness.listener.rejected.borrow(), [0; 0]);
    // The next run begins with other rows.
    harness.a_day_later().await;
    let before = harness.platform.calls();
    let ending = harness.sync("a").await;
    assert_eq!((ending.summary.rejected, ending.summary.pending), (0, 60));
    let second: BTreeSet<usize> = harness.platform.rows(CallKind::Create, before).into_iter().collect();
    assert!(first.is_disjoint(&second), "{first:?} {second:?}");
    // Nothing is lost once the account works again.
    harness.a_day_later().await;
    harness.platform.follows(|_, _, _| None);
    let ending = harness.sync("a").await;
    assert_eq!((ending.summary.created, ending.stopped), (60, None));
    let left = harness.journal.left(3).await.unwrap();
    assert_eq!(left, [0; 0]);
}

#[tokio::test(start_paused = true)]
async fn refused_rows_are_rejected_when_a_success_or_the_end_of_the_run_shows_that_the_rows_are_the_cause() {
    let refuses = |is_bad: fn(usize) -> bool| {
        move |call: &Call, row: usize, _: Duration| {
            (call.kind() == CallKind::Create && is_bad(row)).then(|| refused("Such contacts are not accepted."))
        }
    };
    // Fewer than twenty in all, and no success at all.
    let harness = Harness::of(19, refuses(|_| true));
    let ending = harness.sync("a").await;
    assert_eq!((ending.stopped, ending.summary.rejected, ending.summary.pending), (None, 19, 0));
    assert_eq!(harness.listener.rejected.borrow().len(), 19);
    // Many, with successes among them.
    let harness = Harness::of(120, refuses(|row| row % 3 > 0));
    let ending = harness.sync("a").await;
    assert_eq!((ending.stopped, ending.summary.rejected, ending.summary.created), (None, 80, 40));
    // In a run that ends early, the cause is not known yet.
    let limits = Limits { max_calls: Some(10), until: None };
    let harness = Harness { limits, ..Harness::of(19, refuses(|_| true)) };
    let ending = harness.sync("a").await;
    assert_eq!((ending.stopped, ending.summary.pending), (Some(StopReason::MaxCalls(10)), 19));
    // A message that names a field of the row is about the row.
    let harness = Harness::of(60, |call: &Call, _, _| {
        (call.kind() == CallKind::Create).then(|| refused("Unknown value for contact.name"))
    });
    let ending = harness.sync("a").await;
    assert_eq!((ending.stopped, ending.summary.rejected), (None, 60));
}

#[tokio::test(start_paused = true)]
async fn failing_rows_at_the_top_of_the_file_do_not_keep_later_rows_from_being_sent() {
    let cases: [(&str, Limits, Failing); 3] = [
        ("refused", Limits { max_calls: Some(40), until: None }, || refused("Your account is suspended.")),
        ("failing", Limits { max_calls: Some(40), until: None }, error_500),
        ("failing, all night", Limits::default(), error_500),
    ];
    for (name, limits, answer) in cases {
        let bad =
            move |call: &Call, row: usize, _: Duration| (row < 64 && call.kind() == CallKind::Create).then(answer);
        let harness = Harness { limits, ..Harness::of(84, bad) };
        let mut nights = 0;
        while harness.platform.contacts.borrow().len() < 20 {
            nights += 1;
            assert!(nights <= 30, "{name}: {} after {nights} nights", harness.platform.contacts.borrow().len());
            harness.sync("a").await;
            harness.a_day_later().await;
        }
        // No contact exists twice.
        let ids: BTreeSet<String> = harness.platform.contacts.borrow().iter().map(|one| one.id.to_string()).collect();
        assert_eq!(ids.len(), 20, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_file_whose_beginning_changes_every_night_is_sent() {
    // 100 rows that all change every night, and a time limit that is enough for some of them.
    for limits in [
        Limits { max_calls: Some(30), until: None },
        Limits { max_calls: None, until: Some(NOON + Duration::from_secs(35)) },
    ] {
        let harness = Harness::of(100, |_, _, _| None);
        harness.sync("first").await;
        let mut updated = BTreeSet::new();
        for night in 0..5 {
            harness.a_day_later().await;
            let until = limits.until.map(|until| harness.platform.clock.now() + until.since(NOON));
            let (before, run) = (harness.platform.calls(), harness.plan(&format!("night {night}")));
            harness.send_within(run, Limits { until, ..limits }).await;
            updated.extend(harness.platform.rows(CallKind::Update, before));
        }
        assert_eq!(updated.len(), 100, "{limits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_longer_than_the_outage_timeout_stops_at_once() {
    let throttled = |seconds: u64| Answer::from(Attempt::throttled(Some(Duration::from_secs(seconds))));
    let maintenance = |seconds: u64| {
        let cause = "503 Service Unavailable".to_owned();
        Answer::from(Attempt::Lost { status: Some(503), cause, retry_after: Some(Duration::from_secs(seconds)) })
    };
    let bare = Answer::from(Attempt::throttled(None));
    // The answer to the first calls, the outage timeout and the time limit of the run in seconds, and whether it stops.
    let cases: [(Answer, u64, Option<u64>, bool); 9] = [
        (throttled(7_200), 300, None, true),
        (throttled(298), 300, None, false),
        (throttled(300), 300, None, true),
        (maintenance(7_200), 300, None, true),
        (maintenance(200), 300, None, false),
        // A wait for the rate limit of a minute is no outage, however short the timeout is.
        (bare.clone(), 2, None, false),
        (throttled(60), 2, None, false),
        (maintenance(60), 2, None, true),
        // The wait ends after the time limit of the run.
        (bare, 300, Some(80), true),
    ];
    for (answer, outage_timeout, time, stops) in cases {
        let first = answer.clone();
        let limits = Limits { max_calls: None, until: time.map(|time| NOON + Duration::from_secs(time)) };
        let rule = move |_: &Call, _: usize, at: Duration| (at.as_millis() < 50).then(|| first.clone());
        let harness = Harness { outage_timeout: Duration::from_secs(outage_timeout), limits, ..Harness::of(3, rule) };
        let ending = harness.sync("a").await;
        let took = harness.platform.clock.now().since(NOON);
        let case = format!("{:?} {outage_timeout} {time:?}: {} after {took:?}", answer.attempt, reason(&ending));
        if stops {
            let Some(StopReason::AskedToWait(until)) = &ending.stopped else { panic!("{case}") };
            assert!(until.starts_with("2023-11-1") && until.contains(':'), "{case}");
            assert_eq!(reason(&ending), format!("the platform asked to wait until {until}"), "{case}");
            assert!(took < Duration::from_secs(1), "{case}");
            assert_eq!(ending.summary.pending, 3, "{case}");
            if outage_timeout == 2 {
                continue;
            }
            // The next process knows the wait and sends no call.
            let (calls, run) = (harness.platform.calls(), harness.plan("a"));
            let again = harness.send(run).await;
            assert_eq!((harness.platform.calls(), again.stopped), (calls, ending.stopped), "{case}");
        } else {
            assert_eq!((ending.stopped.clone(), ending.summary.created), (None, 3), "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn channels_of_one_token_stop_together_when_the_platform_asks_them_to_wait() {
    let asked = || Attempt::throttled(Some(Duration::from_hours(2))).into();
    let harness = Harness::of(150, move |_, row, at| (row == 20 && at.as_secs() < 9).then(asked));
    let runs = [harness.plan_for("c", "a"), harness.plan_for("d", "a")];
    let (window, stops) = (WindowId::of("token", b""), [Stop::default(), Stop::default()]);
    let jobs = [harness.job("c", runs[0], &window, &stops[0]), harness.job("d", runs[1], &window, &stops[1])];
    for ending in send_all(&jobs).await {
        assert!(matches!(ending.unwrap().stopped, Some(StopReason::AskedToWait(_))));
    }
    let took = harness.platform.clock.now().since(NOON);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn when_the_time_is_over_before_the_next_probe_nothing_more_is_searched() {
    let limits = Limits { max_calls: None, until: Some(NOON + Duration::from_secs(80)) };
    let harness = Harness { limits, ..Harness::of(100, fails(CallKind::Create)) };
    let ending = harness.sync("a").await;
    assert_eq!((ending.stopped, ending.summary.pending), (Some(StopReason::Deadline), 100));
    assert!(harness.platform.calls() <= 50, "{} calls", harness.platform.calls());
}

#[tokio::test(start_paused = true)]
async fn the_pause_that_a_503_asked_for_survives_a_restart() {
    let asked = Attempt::Lost { status: Some(503), cause: "503".into(), retry_after: Some(Duration::from_mins(2)) };
    let first = asked.clone();
    let harness = Harness::of(2, move |_, _, at| (at.as_secs() < 1).then(|| first.clone().into()));
    let run = harness.plan("a");
    tokio::select! {
        _ = harness.send(run) => panic!("it waits for two minutes"),
        () = harness.platform.clock.sleep_until(NOON + Duration::from_secs(10)) => {}
    }
    let calls = harness.platform.calls();
    let ending = harness.send(run).await;
    assert_eq!(ending.summary.created, 2);
    let next = harness.platform.sent.borrow()[calls].0;
    assert!((121..123).contains(&next.as_secs()), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn waits_for_the_rate_limit_do_not_use_up_the_outage_timeout() {
    // The minute is full when creates begin to fail, so that each of their probes waits for the next one.
    let harness = Harness::of(100, |call, row, at| {
        (call.kind() == CallKind::Create && row >= 28 && at.as_secs() < 61).then(error_500)
    });
    let harness = Harness { outage_timeout: Duration::from_secs(30), ..harness };
    let ending = harness.sync("a").await;
    assert_eq!((ending.stopped.clone(), ending.summary.created), (None, 100), "{}", reason(&ending));
}

#[tokio::test(start_paused = true)]
async fn a_url_at_which_every_call_finds_no_path_is_wrong() {
    let wrong = || Some(Attempt::WrongPath { message: "404 Not Found".into() }.into());
    for rows in [1, 100] {
        let harness = Harness::of(rows, move |_, _, _| wrong());
        let ending = harness.sync("a").await;
        assert_eq!(ending.stopped, Some(StopReason::WrongUrl("404 Not Found".into())));
        assert_eq!(reason(&ending), "every call was answered 404: 404 Not Found");
        assert_eq!((ending.summary.pending, ending.summary.rejected), (u64::try_from(rows).unwrap(), 0));
        // Calls in flight at the same time are counted as well.
        assert!((5..5 + 8).contains(&harness.platform.calls()), "{} calls", harness.platform.calls());
        // The run can be resumed.
        harness.platform.follows(|_, _, _| None);
        let run = harness.journal.resumable("c").unwrap().expect("the run");
        assert_eq!(harness.send(run.id).await.summary.pending, 0);
    }
    // After another answer it is an outage like any other.
    let harness = Harness::of(20, move |_, _, at| if at.as_secs() < 1 { None } else { wrong() });
    let ending = harness.sync("a").await;
    assert!(matches!(ending.stopped, None | Some(StopReason::Down(_))), "{:?}", ending.stopped);
}

#[tokio::test(start_paused = true)]
async fn a_learnt_limit_is_recorded_with_its_time_and_lapses() {
    let states = |limit: u32| {
        move |_: &Call, row: usize, _: Duration| {
            // Any answer may state the limit.
            let attempt = Attempt::Refused { status: 422, message: format!("{row}"), about_row: true };
            Some(Answer { rate_limit: Some(RateLimit { limit, remaining: None }), ..attempt.into() })
        }
    };
    let harness = Harness::of(5, states(40));
    let window = WindowId::of("token", b"");
    let learnt =
        async |harness: &Harness| harness.journal.learnt_limit(&window).await.unwrap().map(|limit| limit.calls);
    harness.sync("a").await;
    let first = harness.journal.learnt_limit(&window).await.unwrap().expect("a limit");
    assert_eq!((first.calls, first.since, first.stated), (40, NOON + LATENCY, NOON + LATENCY));
    let now = harness.platform.clock.now();
    assert_eq!(harness.journal.learnt_limit_of("c", now).unwrap().map(|limit| limit.calls), Some(40));
    // It lapses when it is not stated for a day. Stated again, it keeps the time when it was first stated.
    assert_eq!(harness.journal.learnt_limit_of("c", now + Duration::from_hours(24)).unwrap(), None);
    harness.a_day_later().await;
    harness.sync("b").await;
    let second = harness.journal.learnt_limit(&window).await.unwrap().expect("a limit");
    assert_eq!((second.calls, second.since), (40, first.since));
    assert!(second.stated.since(first.stated) >= Duration::from_hours(24));
    // A higher limit raises it, up to the configured rate.
    harness.platform.follows(states(60));
    harness.sync("c").await;
    assert_eq!(learnt(&harness).await, Some(60));
    harness.platform.follows(states(500));
    harness.sync("d").await;
    assert_eq!(learnt(&harness).await, None);
}
