//! Trouble of the account or the platform, through the whole loop under virtual time: how many calls it takes, why the run
//! stops, and with which rows the next one begins.

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
use crate::core::channel::WindowId;
use crate::core::circuit_breaker::OUTAGE_TIMEOUT;
use crate::core::diff::TagsMode;
use crate::core::eta::Limits;
use crate::core::mapping::Mapping;
use crate::core::model::{ContactId, Mode, Remote};
use crate::core::page::Page;
use crate::core::task::{Outcome, Policy};
use crate::core::time::Timestamp;
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

/// What a call is answered instead of being carried out. It is told the call, the row that it is about, from 0, and when.
type Rule = Box<dyn Fn(&Call, usize, Duration) -> Option<Answer>>;

/// Which rows something is true of.
type Rows = fn(usize) -> bool;

/// What a call comes to.
type Failing = fn() -> Answer;

/// A platform of a few lines that fails as it is told.
struct Platform {
    clock: Clock,
    rule: RefCell<Rule>,
    people: RefCell<Vec<Remote>>,
    /// When each call was sent, of which kind, and the row that it was about.
    sent: RefCell<Vec<(Duration, CallKind, usize)>>,
}

/// The row whose key a value is: `p17`.
fn row_of(value: &str) -> usize {
    value.trim_start_matches('p').parse().unwrap()
}

impl Platform {
    fn new(rule: impl Fn(&Call, usize, Duration) -> Option<Answer> + 'static) -> Self {
        Self {
            clock: Clock::starting_at(NOON),
            rule: RefCell::new(Box::new(rule)),
            people: RefCell::default(),
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
        let mut people = self.people.borrow_mut();
        let id = ContactId::new(format!("idp{row}")).unwrap();
        let found = people.iter().position(|person| person.id == id);
        match (call, found) {
            (Call::Find { .. }, found) => {
                Attempt::Page(Page::of(found.map(|at| people[at].clone()).into_iter().collect()))
            }
            (Call::Create { fields }, _) => {
                let fields = fields.iter().map(|field| (field.name.to_string(), field.value.clone()));
                people.push(Remote { id: id.clone(), fields: fields.collect(), tags: BTreeSet::new() });
                Attempt::Created(id)
            }
            (_, None) => Attempt::Missing { message: "Contact not found".into() },
            (Call::Read { .. }, Some(at)) => Attempt::Contact(people[at].clone()),
            (Call::Update { fields, .. }, Some(at)) => {
                let fields = fields.iter().map(|field| (field.name.to_string(), field.value.clone()));
                people[at].fields.extend(fields);
                Attempt::Done
            }
            (Call::AddTags { tags, .. }, Some(at)) => {
                people[at].tags.extend(tags.iter().cloned());
                Attempt::Done
            }
            (Call::RemoveTags { .. }, Some(_)) => Attempt::Done,
        }
    }

    /// The rows that calls of this kind were about since so many calls.
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

/// What was told of rows.
#[derive(Default)]
struct Listener {
    left: RefCell<BTreeMap<u64, String>>,
    rejected: RefCell<Vec<u64>>,
    paused: Cell<u32>,
    kind_paused: Cell<u32>,
}

impl Observer for Listener {
    fn tell(&self, event: &Event<'_>) {
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
            | Event::Unsure { .. }
            | Event::Tick { .. } => {}
        }
    }
}

/// A file of so many rows, each with a field and a tag, and what sends it.
struct Stage {
    platform: Platform,
    journal: Journal,
    listener: Listener,
    rows: usize,
    mode: Mode,
    outage_timeout: Duration,
    limits: Limits,
}

impl Stage {
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

    /// Plans the file, whose rows all have this value.
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
            Routes::One(new),
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
            outage_timeout: self.outage_timeout,
            clock: &self.platform.clock,
            seed: 1,
            observer: &self.listener,
            stop,
        }
    }

    /// Brings the file in one process.
    async fn bring(&self, value: &str) -> Ending {
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
        let stage = Stage { mode, ..Stage::of(100, fails(CallKind::Create)) };
        let ending = stage.bring("a").await;
        let calls = stage.platform.calls();
        assert_eq!(
            ending.stopped,
            Some(StopReason::KindDown("creates have failed for 5 minutes: 500 Server Error".into()))
        );
        assert_eq!((ending.summary.pending, ending.summary.rejected), (100, 0));
        assert!(calls <= 60, "{mode:?}: {calls} calls");
        let took = stage.platform.clock.now().since(NOON);
        assert!((300..=310).contains(&took.as_secs()), "{took:?}");
        // Those that were tried are named.
        let tried: BTreeSet<u64> =
            stage.platform.rows(CallKind::Create, 0).into_iter().map(|row| u64::try_from(row).unwrap() + 2).collect();
        let left: BTreeSet<u64> = stage.listener.left.borrow().keys().copied().collect();
        assert_eq!(left, tried);
        // The platform as a whole is there, which a search shows at once.
        assert!(stage.listener.paused.get() <= 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_one_kind_ends_as_soon_as_a_call_of_it_is_answered() {
    for kind in [CallKind::Create, CallKind::AddTags] {
        let over = Duration::from_secs(100);
        let stage = Stage::of(60, move |call, _, at| (call.kind() == kind && at < over).then(error_500));
        let ending = stage.bring("a").await;
        assert_eq!((ending.stopped.clone(), ending.summary.created), (None, 60), "{kind:?}: {}", reason(&ending));
        let took = stage.platform.clock.now().since(NOON);
        assert!(took <= Duration::from_secs(400), "{kind:?}: {took:?}");
        let in_vain = stage.platform.sent.borrow().iter().filter(|(at, sent, _)| *sent == kind && *at < over).count();
        assert!(in_vain <= 12, "{kind:?}: {in_vain}");
        assert!(stage.listener.kind_paused.get() >= 1, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_creates_ends_also_with_more_rows_than_are_kept_in_memory() {
    let over = Duration::from_secs(150);
    let limits = Limits { max_calls: Some(100), until: None };
    for concurrency in [1, 3] {
        let stage = Stage::of(CONTACTS_PER_CHANNEL + 500, move |call, row, at| {
            (call.kind() == CallKind::Create && row >= 10 && at < over).then(error_500)
        });
        let stage = Stage { mode: Mode::Create, ..stage };
        let (run, window, stop) = (stage.plan("a"), WindowId::of("token", b""), Stop::default());
        let job = Job { limits, concurrency: Some(concurrency), ..stage.job("c", run, &window, &stop) };
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
    let stage = Stage::of(120, move |call, row, at| {
        highest.set(highest.get().max(seen.total()));
        if call.kind() != CallKind::Create {
            None
        } else if at < over {
            Some(error_500())
        } else {
            (row == 7).then(|| refused("Such contacts are not accepted."))
        }
    });
    let (run, window, stop) = (stage.plan("a"), WindowId::of("token", b""), Stop::default());
    let job = stage.job("c", run, &window, &stop);
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
    let stage = Stage::of(40, |_, _, _| None);
    stage.bring("a").await;
    // Forty more, before them in the file or behind them, cannot be created; the first forty have changed.
    let stage = Stage { rows: 80, ..stage };
    stage.platform.follows(fails(CallKind::Create));
    let ending = stage.bring("b").await;
    assert_eq!((ending.summary.updated, ending.summary.pending), (40, 40), "{}", reason(&ending));
    assert!(matches!(ending.stopped, Some(StopReason::KindDown(_))));
}

#[tokio::test(start_paused = true)]
async fn a_few_rows_that_always_fail_are_left_and_the_others_finish() {
    // Where they lie: one here and there, all at the beginning, all at the end.
    let cases: [(&str, Rows); 3] = [
        ("here and there", |row| row % 20 == 7),
        ("at the beginning", |row| row < 10),
        ("at the end", |row| row >= 190),
    ];
    for (name, is_bad) in cases {
        for kind in [CallKind::Create, CallKind::AddTags] {
            let stage = Stage::of(200, move |call, row, _| (call.kind() == kind && is_bad(row)).then(error_500));
            let ending = stage.bring("a").await;
            assert_eq!((ending.summary.created, ending.summary.pending), (190, 10), "{name} {kind:?}");
            let why = reason(&ending);
            assert!(!why.contains("no answer"), "{name} {kind:?}: {why}");
            if name != "at the end" {
                assert_eq!((ending.stopped, why.as_str()), (None, "10 contacts are left: their calls kept failing"));
            }
            let lines: Vec<u64> = stage.listener.left.borrow().keys().copied().collect();
            let expected: Vec<u64> =
                (0..200).filter(|row| is_bad(*row)).map(|row| u64::try_from(row).unwrap() + 2).collect();
            assert_eq!(lines, expected, "{name} {kind:?}");
            // Each of them is tried a few times.
            for row in (0..200).filter(|row| is_bad(*row)) {
                let tries = stage.platform.rows(kind, 0).into_iter().filter(|tried| *tried == row).count();
                assert!((1..=7).contains(&tries), "{name} {kind:?}: row {row} {tries} times");
            }
        }
    }
}

/// Runs that end after a few calls finish the rows that they begin.
#[tokio::test(start_paused = true)]
async fn runs_of_few_calls_make_progress() {
    let short = |max_calls, seconds: Option<u64>| async move {
        let stage = Stage::of(12, |_, _, _| None);
        for _ in 0..20 {
            let until = seconds.map(|seconds| stage.platform.clock.now() + Duration::from_secs(30 + seconds));
            let run = stage.plan("a");
            let ending = stage.send_within(run, Limits { max_calls, until }).await;
            if ending.summary.pending == 0 {
                return;
            }
            stage.a_day_later().await;
        }
        panic!("no progress with {max_calls:?} calls or {seconds:?} s a night");
    };
    short(Some(4), None).await;
    short(Some(8), None).await;
    short(None, Some(1)).await;
}

/// Searches that are answered do not hide that every create is refused in the words of the limit.
#[tokio::test(start_paused = true)]
async fn a_quota_that_refuses_every_create_stops_the_run_with_its_words() {
    let stage = Stage::of(50, |call, _, _| {
        let message = Some("Quota exceeded for this workspace.".to_owned());
        (call.kind() == CallKind::Create).then(|| Attempt::Throttled { retry_after: None, message }.into())
    });
    let ending = stage.bring("a").await;
    assert_eq!((ending.summary.created, ending.summary.pending), (0, 50));
    let why = reason(&ending);
    assert!(why.contains("refuses all creates") && why.contains("Quota exceeded for this workspace."), "{why}");
    assert!(stage.platform.calls() <= 200, "{} calls", stage.platform.calls());
}

/// A refusal of one row in the words of the limit: it must not hold the channel back for ever.
#[tokio::test(start_paused = true)]
async fn a_row_that_alone_is_refused_for_the_limit_is_left() {
    let stage = Stage::of(900, |call, row, _| {
        let is_refused = call.kind() == CallKind::Create && row == 3;
        is_refused.then(|| Attempt::throttled(None).into())
    });
    let ending = stage.bring("a").await;
    assert_eq!((ending.summary.created, ending.summary.pending, ending.summary.rejected), (899, 1, 0));
    assert!(ending.summary.throttled <= 8, "{:?}", ending.summary);
    let left = stage.listener.left.borrow();
    let reason = left.values().next().expect("it is named");
    assert!(reason.contains("refused for the rate limit 6 times"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn the_same_refusal_twenty_times_in_a_row_stops_and_blames_no_row() {
    let all_refused = |call: &Call, _: usize, _: Duration| {
        (call.kind() == CallKind::Create).then(|| refused("Your account is suspended."))
    };
    let stage = Stage::of(60, all_refused);
    let ending = stage.bring("a").await;
    let expected = StopReason::Refusing("the platform refused 20 creates in a row: Your account is suspended.".into());
    assert_eq!(ending.stopped, Some(expected));
    assert_eq!((ending.summary.rejected, ending.summary.pending), (0, 60));
    let first: BTreeSet<usize> = stage.platform.rows(CallKind::Create, 0).into_iter().collect();
    assert!((20..=28).contains(&first.len()), "{}", first.len());
    assert_eq!(*stage.listener.rejected.borrow(), [0; 0]);
    // The next night begins with others.
    stage.a_day_later().await;
    let before = stage.platform.calls();
    let ending = stage.bring("a").await;
    assert_eq!((ending.summary.rejected, ending.summary.pending), (0, 60));
    let second: BTreeSet<usize> = stage.platform.rows(CallKind::Create, before).into_iter().collect();
    assert!(first.is_disjoint(&second), "{first:?} {second:?}");
    // And when the account is in order again, nothing is lost.
    stage.a_day_later().await;
    stage.platform.follows(|_, _, _| None);
    let ending = stage.bring("a").await;
    assert_eq!((ending.summary.created, ending.stopped), (60, None));
    let left = stage.journal.left(3, "c").await.unwrap();
    assert_eq!(left, [0; 0]);
}

#[tokio::test(start_paused = true)]
async fn refusals_of_rows_are_told_when_a_success_or_the_end_of_the_run_shows_that_they_are_of_rows() {
    let refuses = |is_bad: fn(usize) -> bool| {
        move |call: &Call, row: usize, _: Duration| {
            (call.kind() == CallKind::Create && is_bad(row)).then(|| refused("Such contacts are not accepted."))
        }
    };
    // Fewer than twenty in all, and no success at all.
    let stage = Stage::of(19, refuses(|_| true));
    let ending = stage.bring("a").await;
    assert_eq!((ending.stopped, ending.summary.rejected, ending.summary.pending), (None, 19, 0));
    assert_eq!(stage.listener.rejected.borrow().len(), 19);
    // Many, with successes among them.
    let stage = Stage::of(120, refuses(|row| row % 3 > 0));
    let ending = stage.bring("a").await;
    assert_eq!((ending.stopped, ending.summary.rejected, ending.summary.created), (None, 80, 40));
    // In a run that is cut short, it is not known yet.
    let limits = Limits { max_calls: Some(10), until: None };
    let stage = Stage { limits, ..Stage::of(19, refuses(|_| true)) };
    let ending = stage.bring("a").await;
    assert_eq!((ending.stopped, ending.summary.pending), (Some(StopReason::MaxCalls(10)), 19));
    // Words that name a field of the row are about the row.
    let stage = Stage::of(60, |call: &Call, _, _| {
        (call.kind() == CallKind::Create).then(|| refused("Unknown value for contact.name"))
    });
    let ending = stage.bring("a").await;
    assert_eq!((ending.stopped, ending.summary.rejected), (None, 60));
}

#[tokio::test(start_paused = true)]
async fn rows_that_fail_at_the_top_of_the_file_do_not_keep_the_others_from_their_turn() {
    let cases: [(&str, Limits, Failing); 3] = [
        ("refused", Limits { max_calls: Some(40), until: None }, || refused("Your account is suspended.")),
        ("failing", Limits { max_calls: Some(40), until: None }, error_500),
        ("failing, all night", Limits::default(), error_500),
    ];
    for (name, limits, answer) in cases {
        let bad =
            move |call: &Call, row: usize, _: Duration| (row < 64 && call.kind() == CallKind::Create).then(answer);
        let stage = Stage { limits, ..Stage::of(84, bad) };
        let mut nights = 0;
        while stage.platform.people.borrow().len() < 20 {
            nights += 1;
            assert!(nights <= 30, "{name}: {} after {nights} nights", stage.platform.people.borrow().len());
            stage.bring("a").await;
            stage.a_day_later().await;
        }
        // No contact exists twice.
        let ids: BTreeSet<String> = stage.platform.people.borrow().iter().map(|one| one.id.to_string()).collect();
        assert_eq!(ids.len(), 20, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_file_whose_beginning_changes_every_night_has_its_turn() {
    // 100 rows that all change every night, of which a night has time for a part.
    for limits in [
        Limits { max_calls: Some(30), until: None },
        Limits { max_calls: None, until: Some(NOON + Duration::from_secs(35)) },
    ] {
        let stage = Stage::of(100, |_, _, _| None);
        stage.bring("first").await;
        let mut updated = BTreeSet::new();
        for night in 0..5 {
            stage.a_day_later().await;
            let until = limits.until.map(|until| stage.platform.clock.now() + until.since(NOON));
            let (before, run) = (stage.platform.calls(), stage.plan(&format!("night {night}")));
            stage.send_within(run, Limits { until, ..limits }).await;
            updated.extend(stage.platform.rows(CallKind::Update, before));
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
    // What the first calls are answered, the outage timeout and the time that the run has in seconds, and whether it stops.
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
        // It is of no use when the time of the run is over by then.
        (bare, 300, Some(80), true),
    ];
    for (answer, outage_timeout, time, stops) in cases {
        let told = answer.clone();
        let limits = Limits { max_calls: None, until: time.map(|time| NOON + Duration::from_secs(time)) };
        let rule = move |_: &Call, _: usize, at: Duration| (at.as_millis() < 50).then(|| told.clone());
        let stage = Stage { outage_timeout: Duration::from_secs(outage_timeout), limits, ..Stage::of(3, rule) };
        let ending = stage.bring("a").await;
        let took = stage.platform.clock.now().since(NOON);
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
            // The next process knows it, and does not call.
            let (calls, run) = (stage.platform.calls(), stage.plan("a"));
            let again = stage.send(run).await;
            assert_eq!((stage.platform.calls(), again.stopped), (calls, ending.stopped), "{case}");
        } else {
            assert_eq!((ending.stopped.clone(), ending.summary.created), (None, 3), "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn channels_of_one_token_stop_together_when_it_is_asked_to_wait() {
    let asked = || Attempt::throttled(Some(Duration::from_hours(2))).into();
    let stage = Stage::of(150, move |_, row, at| (row == 20 && at.as_secs() < 9).then(asked));
    let runs = [stage.plan_for("c", "a"), stage.plan_for("d", "a")];
    let (window, stops) = (WindowId::of("token", b""), [Stop::default(), Stop::default()]);
    let jobs = [stage.job("c", runs[0], &window, &stops[0]), stage.job("d", runs[1], &window, &stops[1])];
    for ending in send_all(&jobs).await {
        assert!(matches!(ending.unwrap().stopped, Some(StopReason::AskedToWait(_))));
    }
    let took = stage.platform.clock.now().since(NOON);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn when_the_time_is_over_before_the_next_probe_nothing_more_is_searched() {
    let limits = Limits { max_calls: None, until: Some(NOON + Duration::from_secs(80)) };
    let stage = Stage { limits, ..Stage::of(100, fails(CallKind::Create)) };
    let ending = stage.bring("a").await;
    assert_eq!((ending.stopped, ending.summary.pending), (Some(StopReason::Deadline), 100));
    assert!(stage.platform.calls() <= 50, "{} calls", stage.platform.calls());
}

#[tokio::test(start_paused = true)]
async fn the_pause_that_a_503_asked_for_survives_a_restart() {
    let asked = Attempt::Lost { status: Some(503), cause: "503".into(), retry_after: Some(Duration::from_mins(2)) };
    let told = asked.clone();
    let stage = Stage::of(2, move |_, _, at| (at.as_secs() < 1).then(|| told.clone().into()));
    let run = stage.plan("a");
    tokio::select! {
        _ = stage.send(run) => panic!("it waits for two minutes"),
        () = stage.platform.clock.sleep_until(NOON + Duration::from_secs(10)) => {}
    }
    let calls = stage.platform.calls();
    let ending = stage.send(run).await;
    assert_eq!(ending.summary.created, 2);
    let next = stage.platform.sent.borrow()[calls].0;
    assert!((121..123).contains(&next.as_secs()), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn waits_for_the_rate_limit_do_not_use_up_the_outage_timeout() {
    // The minute is full when creates begin to fail, so that each of their probes waits for the next one.
    let stage = Stage::of(100, |call, row, at| {
        (call.kind() == CallKind::Create && row >= 28 && at.as_secs() < 61).then(error_500)
    });
    let stage = Stage { outage_timeout: Duration::from_secs(30), ..stage };
    let ending = stage.bring("a").await;
    assert_eq!((ending.stopped.clone(), ending.summary.created), (None, 100), "{}", reason(&ending));
}

#[tokio::test(start_paused = true)]
async fn a_url_at_which_every_call_finds_no_path_is_wrong() {
    let wrong = || Some(Attempt::WrongPath { message: "404 Not Found".into() }.into());
    for rows in [1, 100] {
        let stage = Stage::of(rows, move |_, _, _| wrong());
        let ending = stage.bring("a").await;
        assert_eq!(ending.stopped, Some(StopReason::WrongUrl("404 Not Found".into())));
        assert_eq!(reason(&ending), "every call was answered 404: 404 Not Found");
        assert_eq!((ending.summary.pending, ending.summary.rejected), (u64::try_from(rows).unwrap(), 0));
        // Those that were on their way meanwhile are among them.
        assert!((5..5 + 8).contains(&stage.platform.calls()), "{} calls", stage.platform.calls());
        // It can be gone on with.
        stage.platform.follows(|_, _, _| None);
        let run = stage.journal.resumable("c").unwrap().expect("the run");
        assert_eq!(stage.send(run.id).await.summary.pending, 0);
    }
    // After another answer it is an outage like any other.
    let stage = Stage::of(20, move |_, _, at| if at.as_secs() < 1 { None } else { wrong() });
    let ending = stage.bring("a").await;
    assert!(matches!(ending.stopped, None | Some(StopReason::Down(_))), "{:?}", ending.stopped);
}

#[tokio::test(start_paused = true)]
async fn a_learnt_limit_is_written_down_with_its_time_and_forgotten() {
    let states = |limit: u32| {
        move |_: &Call, row: usize, _: Duration| {
            // By the answer to any call.
            let attempt = Attempt::Refused { status: 422, message: format!("{row}"), about_row: true };
            Some(Answer { rate_limit: Some(RateLimit { limit, remaining: None }), ..attempt.into() })
        }
    };
    let stage = Stage::of(5, states(40));
    let window = WindowId::of("token", b"");
    let learnt = async |stage: &Stage| stage.journal.learnt_limit(&window).await.unwrap().map(|limit| limit.calls);
    stage.bring("a").await;
    let first = stage.journal.learnt_limit(&window).await.unwrap().expect("a limit");
    assert_eq!((first.calls, first.since, first.stated), (40, NOON + LATENCY, NOON + LATENCY));
    let now = stage.platform.clock.now();
    assert_eq!(stage.journal.learnt_limit_of("c", now).unwrap().map(|limit| limit.calls), Some(40));
    // Not stated for a day, it holds no longer. Stated again, it is as old as it is.
    assert_eq!(stage.journal.learnt_limit_of("c", now + Duration::from_hours(24)).unwrap(), None);
    stage.a_day_later().await;
    stage.bring("b").await;
    let second = stage.journal.learnt_limit(&window).await.unwrap().expect("a limit");
    assert_eq!((second.calls, second.since), (40, first.since));
    assert!(second.stated.since(first.stated) >= Duration::from_hours(24));
    // A higher one raises it, up to what is asked for.
    stage.platform.follows(states(60));
    stage.bring("c").await;
    assert_eq!(learnt(&stage).await, Some(60));
    stage.platform.follows(states(500));
    stage.bring("d").await;
    assert_eq!(learnt(&stage).await, None);
}
