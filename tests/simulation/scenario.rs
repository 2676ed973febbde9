//! A scenario: a file, a platform, faults and kills, all derived from one seed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use contactsync::engine::{ClockOffset, Job, NewRun, PlanOptions, Routes, WindowId, plan, plan_undo, send, send_all};
use contactsync::estimate::Eta;
use contactsync::mapping::rules::{FieldRule, Rules, WriteMode};
use contactsync::report::{CallKind, Ending, Outcome, RunSummary};
use contactsync::sandbox::{Fault, StoredForm};
use contactsync::{
    Clock, Event, Field, Format, Journal, KeptValues, Limits, Mapping, Mark, Mode, OUTAGE_TIMEOUT, Observer, Policy,
    Source, Stop, TagsMode, Timestamp,
};
use fastrand::Rng;
use futures_util::future::join_all;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use crate::journal::Gated;
use crate::oracle::{self, Night};
use crate::platform::{Faults, Outage, Platform};
use crate::trouble::{self, LONGEST_WAIT, Trouble};

/// The most runs of a file while there are faults, including killed ones.
const MOST_ROUNDS_WITH_FAULTS: usize = 60;

/// The most runs after the last fault, within which everything must complete.
pub const ROUNDS_AFTER_FAULTS: usize = 3;

/// The same for processes that have only [`SHORT`].
const SHORT_ROUNDS_AFTER_FAULTS: usize = 20;

/// The time in which a short process can start calls: less than the search lag.
const SHORT: Duration = Duration::from_secs(15);

pub const EPOCH: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The longest duration of a call.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// A bug that is planted in the simulation only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A create is sent before its intent is in the journal.
    IntentNotCommitted,
    /// The search for a lost create finds no contact.
    NoSettleSearch,
    /// A new process does not count the calls of the one before it.
    NoReadBack,
    /// A new process does not notice that the wall clock was set ahead since the one before it.
    ClockNotFollowed,
    /// An answer is committed before its state update.
    AnswerWithoutKnown,
    /// A refused search counts as an absent contact.
    RefusedSearchIsAbsent,
    /// A page that contradicts itself is trusted.
    ContradictionsIgnored,
    /// Inexact hits of a search are ignored.
    SimilarHitsIgnored,
    /// An id that the journal has under another key is trusted.
    ClaimedIdBelieved,
    /// Each process counts the search lag of a lost create from its own start.
    SearchesBegunAnew,
    /// The limit that a proxy's page names is taken for the platform's.
    ProxyLimitLearnt,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub key: String,
    pub fields: Vec<Field>,
    pub tags: Vec<String>,
    /// An id that the file gives for it and that the platform does not have.
    pub stale_id: bool,
    /// What the platform has of it before the first run.
    pub there: Option<(Vec<Field>, Vec<String>)>,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is another property of the scenario")]
pub struct Scenario {
    pub seed: u64,
    pub mode: Mode,
    /// Whether rows have a match field.
    pub keyed: bool,
    /// Whether rows have a second match field, `email`, which comes before the first and is blank in some runs.
    second: bool,
    /// By channel.
    pub rows: Vec<Vec<Row>>,
    pub limit: u32,
    concurrency: usize,
    faults: Faults,
    /// The number of gates that each process passes until it is killed.
    kills: Vec<u32>,
    /// The probability that the wall clock is changed between two processes.
    clock_jumps: f64,
    /// The probability that a process has a limit of calls or time.
    short: f64,
    /// Whether the channels share one token.
    share_token: bool,
    /// The form in which the platform stores the rows' keys.
    pub form: Option<StoredForm>,
    /// Contacts that may be confused with a row's contact.
    pub others: Others,
    /// Whether fields have other write modes than always.
    modes: bool,
    /// Whether contacts are read back after first writes.
    read_back: bool,
    /// How the journal keeps values.
    kept: KeptValues,
    /// The number of rounds with faults.
    rounds_with_faults: usize,
    bug: Option<Bug>,
}

/// Contacts that may be confused with a row's contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    None,
    /// Every search finds contacts of no row, on several pages.
    Strangers,
    /// Pairs of rows have the same e-mail address, which is not a match field.
    Families,
}

/// Statistics of a scenario.
#[derive(Debug, Default)]
pub struct Seen {
    /// The faults that occurred, by kind of call.
    pub struck: BTreeSet<(Fault, CallKind)>,
    /// The most rounds that a channel took after the last fault.
    pub rounds: usize,
    /// The same where each process is shorter than the search lag.
    pub short_rounds: usize,
    /// The longest working time of the processes of one run after the last fault.
    pub worked: Duration,
}

/// Collects the events of one channel.
#[derive(Default)]
pub struct Watcher {
    /// The number of waits after a 429.
    pub throttled: Cell<u32>,
    /// The number of pauses for an unavailable platform.
    pub paused: Cell<u32>,
    /// The number of pauses of one kind of call.
    pub kind_paused: Cell<u32>,
    /// Contacts that were left for the next run because their calls kept failing.
    pub left: Cell<u32>,
    /// The estimate at the start of the last run.
    pub eta: Cell<Eta>,
    /// A log of every event, where one is kept.
    pub log: RefCell<Option<String>>,
    /// The lines whose contact counted as created.
    pub created: RefCell<Vec<u64>>,
}

impl Seen {
    /// Adds the statistics of another scenario.
    pub fn add(&mut self, other: Self) {
        self.struck.extend(other.struck);
        self.rounds = self.rounds.max(other.rounds);
        self.short_rounds = self.short_rounds.max(other.short_rounds);
        self.worked = self.worked.max(other.worked);
    }
}

impl Observer for Watcher {
    fn observe(&self, event: &Event<'_>) {
        if let Some(log) = &mut *self.log.borrow_mut() {
            writeln!(log, "{event:?}").expect("a string can always grow");
        }
        match event {
            Event::Done { line, outcome: Outcome::Created, .. } => self.created.borrow_mut().push(*line),
            // Printed when a scenario fails.
            Event::Done { line, outcome: Outcome::Rejected(reason), .. } => println!("line {line}: rejected: {reason}"),
            Event::Throttled { .. } => self.throttled.set(self.throttled.get() + 1),
            Event::Paused { .. } => self.paused.set(self.paused.get() + 1),
            Event::Left { .. } => self.left.set(self.left.get() + 1),
            Event::Sending { eta, .. } => self.eta.set(*eta),
            Event::KindPaused { .. } => self.kind_paused.set(self.kind_paused.get() + 1),
            Event::Done { .. }
            | Event::AskedToWait { .. }
            | Event::Read { .. }
            | Event::Called { .. }
            | Event::Trouble { .. }
            | Event::Limited { .. }
            | Event::Others { .. }
            | Event::MarkRefused { .. }
            | Event::ReadBack { .. }
            | Event::InDoubt { .. }
            | Event::Dropped { .. }
            | Event::Tick { .. } => {}
        }
    }
}

impl Scenario {
    pub fn from_seed(seed: u64, bug: Option<Bug>) -> Self {
        let mut chance = Rng::with_seed(seed);
        let keyed = chance.u8(0..5) > 0;
        let mode = match chance.u8(0..6) {
            _ if !keyed => Mode::Create,
            0 => Mode::Update,
            1 | 2 => Mode::Create,
            _ => Mode::Upsert,
        };
        let output_format = RowShape {
            mode,
            keyed,
            channels: 1 + chance.usize(0..4) / 3,
            fields: if chance.u8(0..8) == 0 { 30 + chance.usize(0..35) } else { chance.usize(1..4) },
            tags: if chance.u8(0..8) == 0 { chance.usize(8..22) } else { chance.usize(0..3) },
            second: keyed && chance.u8(0..3) == 0,
            stale_ids: mode == Mode::Upsert && chance.u8(0..4) == 0,
            form: None,
            others: Others::None,
            first: First::ByChance,
        };
        let directed = directed(seed);
        let output_format = match directed {
            Some((fault, kind)) => output_format.with_form(&mut chance).with_calls_for(fault, kind),
            None => output_format,
        };
        let RowShape { mode, keyed, second, form, .. } = output_format;
        let rows = output_format.rows(&mut chance);
        let mut probability = || if chance.bool() { 0.0 } else { chance.f64() * 0.12 };
        let (unsent, lost_before, lost_after) = (probability(), probability(), probability());
        let (throttled, queued) = (probability() / 3.0, probability() / 3.0);
        let faults = Faults {
            unsent,
            lost_before,
            lost_after,
            throttled,
            queued,
            late_search: Duration::from_millis(if chance.bool() { 0 } else { chance.u64(0..10_000) }),
            latency: Duration::from_millis(chance.u64(1..900)),
            ..Faults::default()
        };
        let kills: Vec<u32> = (0..chance.usize(0..6)).map(|_| chance.u32(0..70)).collect();
        let (limit, concurrency) = (chance.u32(4..40), chance.usize(1..9));
        let clock_jumps = if chance.u8(0..3) == 0 { chance.f64() } else { 0.0 };
        let faults = with_company(&faults, limit, &mut chance);
        let short = if chance.u8(0..3) == 0 { chance.f64() } else { 0.0 };
        let faults = Faults { troubles: troubles(directed, rows[0].len(), &mut chance), ..faults };
        // An answer that names another contact is recognised by an id that the journal knows, so no other answer may be lost.
        let is_misnaming = directed.is_some_and(|(fault, _)| fault == Fault::PreviousId);
        let (faults, kills, short) =
            if is_misnaming { (faults.only_troubles(), Vec::new(), 0.0) } else { (faults, kills, short) };
        let has_strangers =
            keyed && directed.is_some_and(|(fault, _)| trouble::is_of_search(fault) || chance.u8(0..6) == 0);
        let others = if has_strangers && output_format.others == Others::None {
            Others::Strangers
        } else {
            output_format.others
        };
        // A fault of every call would prevent any progress.
        let is_hopeless = faults.troubles.iter().any(|trouble| trouble.share >= 1.0);
        let long = chance.bool() && !is_hopeless;
        let rounds_with_faults = if long { MOST_ROUNDS_WITH_FAULTS } else { chance.usize(1..7) };
        let mut chance = Rng::with_seed(seed ^ 0x3fa2_60de);
        let (modes, read_back) = (keyed && chance.u8(0..3) == 0, chance.u8(0..3) == 0);
        let kept = if chance.u8(0..4) == 0 { KeptValues::Hashed } else { KeptValues::Plain };
        Self {
            seed,
            mode,
            keyed,
            second,
            rows,
            limit,
            concurrency,
            faults,
            kills,
            clock_jumps,
            short,
            share_token: false,
            form,
            others,
            modes,
            read_back,
            kept,
            rounds_with_faults,
            bug,
        }
    }

    /// When a field is written.
    pub fn mode_of(&self, name: &str) -> WriteMode {
        let number = name.strip_prefix("field").and_then(|number| number.parse::<u64>().ok());
        match number.filter(|_| self.modes) {
            Some(number) => WriteMode::ALL[usize::try_from((number + self.seed) % 4).expect("less than 4")],
            None => WriteMode::Always,
        }
    }

    /// The fault that the scenario of this seed targets, if any.
    pub fn fault(seed: u64) -> Option<Fault> {
        directed(seed).map(|(fault, _)| fault)
    }

    /// The scenario of this seed for three channels that share one token.
    pub fn sharing(seed: u64) -> Self {
        let one = Self::from_seed(seed, None);
        let rows = one.rows.iter().cycle().take(3).cloned().collect();
        Self { rows, share_token: true, ..one }
    }

    /// Whether no other client uses the token and the limit is the configured one. Then no call is ever refused.
    pub fn has_the_token_alone(&self) -> bool {
        self.faults.others == 0 && self.faults.limit.is_none_or(|limit| limit >= self.limit)
    }

    // The calls per minute that the platform and the token's other clients leave to the program.
    fn learnt_limit(&self) -> u64 {
        let Faults { limit, others, .. } = self.faults;
        u64::from(limit.map_or(self.limit, |limit| limit.min(self.limit)).saturating_sub(others).max(1))
    }

    // Whether its last processes are shorter than the search lag. They may make enough calls for a search of each row.
    fn ends_in_short_runs(&self) -> bool {
        self.short > 0.0 && self.others != Others::Strangers && self.learnt_limit() >= 10
    }

    /// New contacts with a tag each, two calls per contact, at 100 calls a minute; with a match field if `keyed`.
    pub fn plain(contacts: usize, keyed: bool, faults: Faults) -> Self {
        let mut chance = Rng::with_seed(0);
        let output_format = RowShape {
            mode: Mode::Create,
            keyed,
            channels: 1,
            fields: 2,
            tags: 1,
            second: false,
            stale_ids: false,
            form: None,
            others: Others::None,
            first: First::ByChance,
        };
        let rows = (0..contacts).map(|n| output_format.row(n, &mut chance)).collect();
        Self {
            seed: 0,
            mode: Mode::Create,
            keyed,
            second: false,
            rows: vec![rows],
            limit: 100,
            concurrency: 8,
            faults,
            kills: Vec::new(),
            clock_jumps: 0.0,
            short: 0.0,
            share_token: false,
            form: None,
            others: Others::None,
            modes: false,
            read_back: false,
            kept: KeptValues::Plain,
            rounds_with_faults: MOST_ROUNDS_WITH_FAULTS,
            bug: None,
        }
    }

    /// The same for each of several channels, which may have a whole window's calls in flight.
    pub fn of_channels(self, channels: usize) -> Self {
        let rows = self.rows.iter().cycle().take(channels).cloned().collect();
        Self { rows, concurrency: 100, ..self }
    }

    /// Runs the scenario. Returns the virtual time that it took.
    pub fn time(&self) -> Result<Duration, String> {
        self.with_channels(async |channels, begun| {
            Self::side_by_side(channels).await?;
            Ok(begun.elapsed())
        })
    }

    /// Runs the scenario with virtual time, each channel in separate processes.
    pub fn run(&self) -> Result<Seen, String> {
        self.with_channels(async |channels, _| Self::side_by_side(channels).await)
    }

    /// The same. Returns a log of every call, answer and event.
    pub fn run_logged(&self) -> String {
        self.with_channels(async |channels, _| {
            for channel in channels {
                channel.platform.ledger.borrow_mut().log = Some(String::new());
                channel.watcher.log.replace(Some(String::new()));
            }
            let result = Self::side_by_side(channels).await;
            let log = |channel: &Channel<'_>| {
                let calls = channel.platform.ledger.borrow_mut().log.take();
                [calls, channel.watcher.log.take()].map(Option::unwrap_or_default).concat()
            };
            format!("{}{result:?}", channels.iter().map(log).collect::<String>())
        })
    }

    /// Runs the channels together, in processes that send all of them with one token and are killed at times.
    pub fn run_together(&self) -> Result<(), String> {
        self.with_channels(async |channels, _| self.together(channels).await)
    }

    /// Sets up the channels and runs `act` with them.
    pub fn with_channels<R>(&self, act: impl AsyncFnOnce(&[Channel<'_>], Instant) -> R) -> R {
        let journal = || Journal::in_memory_keeping(Some(self.kept)).expect("memory");
        let (journal, elsewhere) = (journal(), journal());
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        LocalSet::new().block_on(&runtime, async {
            let begun = Instant::now();
            let channels = self.rows.iter().enumerate().map(|(n, rows)| {
                let keys = rows.iter().map(|row| row.key.as_str());
                let platform = Platform::new(self.seed ^ n as u64, self.faults.clone(), keys, self.bug);
                for row in rows {
                    // Searches only recognise plain digits and a number as the same value.
                    let is_number = row.key.parse::<u64>().is_ok_and(|number| number.to_string() == row.key);
                    platform.form.set(self.form.filter(|form| *form == StoredForm::Number && is_number));
                    if let Some((fields, tags)) = &row.there {
                        platform.insert(fields, tags);
                    }
                }
                for _ in 0..if self.others == Others::Strangers { STRANGERS } else { 0 } {
                    let beginning: String = rows[0].key.chars().take(5).collect();
                    platform.insert(&[Field::text("phone", beginning)], &[]);
                }
                platform.form.set(self.form);
                Channel {
                    scenario: self,
                    name: format!("channel{n}"),
                    rows,
                    platform,
                    watcher: Watcher::default(),
                    journal: &journal,
                    elsewhere: &elsewhere,
                    begun,
                    wall: RefCell::new(ClockOffset { boot: "first".into(), zero: EPOCH }),
                    set_back: Cell::default(),
                    doubtful: RefCell::default(),
                    tonight: RefCell::default(),
                }
            });
            let mut channels: Vec<Channel<'_>> = channels.collect();
            if self.share_token {
                let token = Rc::clone(&channels[0].platform.token);
                for channel in &mut channels {
                    channel.platform.token = Rc::clone(&token);
                }
            }
            act(&channels, begun).await
        })
    }

    async fn side_by_side(channels: &[Channel<'_>]) -> Result<Seen, String> {
        let mut seen = Seen::default();
        for channel in join_all(channels.iter().map(Channel::play)).await {
            seen.add(channel?);
        }
        Ok(seen)
    }

    /// Sends the file of each channel, all of them in one process.
    pub async fn send_together(channels: &[Channel<'_>]) -> Vec<Ending> {
        let runs: Vec<i64> = channels.iter().map(Channel::plan).collect();
        let processes: Vec<Process<'_>> = channels.iter().map(|channel| channel.process(None)).collect();
        let jobs: Vec<_> =
            processes.iter().zip(&runs).map(|(process, run)| process.job(*run, Limits::default())).collect();
        send_all(&jobs).await.into_iter().map(|ending| ending.expect("the journal works")).collect()
    }

    async fn together(&self, channels: &[Channel<'_>]) -> Result<(), String> {
        let mut chance = Rng::with_seed(self.seed ^ 0x7063);
        for channel in channels {
            channel.write_file(&mut chance);
        }
        let runs: Vec<i64> = channels.iter().map(Channel::plan).collect();
        let rounds = self.rounds_with_faults + ROUNDS_AFTER_FAULTS;
        for round in 0..rounds {
            if round == self.rounds_with_faults {
                for channel in channels {
                    *channel.platform.faults.borrow_mut() = Faults::default();
                }
            }
            let processes: Vec<Process<'_>> = channels.iter().map(|channel| channel.process(None)).collect();
            let jobs: Vec<_> =
                processes.iter().zip(&runs).map(|(process, run)| process.job(*run, Limits::default())).collect();
            let killed_after = Duration::from_millis(chance.u64(0..100_000));
            let endings = tokio::select! {
                endings = send_all(&jobs) => endings,
                () = sleep(killed_after), if round < self.rounds_with_faults => {
                    sleep(Duration::from_millis(chance.u64(0..20_000))).await;
                    continue;
                }
            };
            let endings = endings.into_iter().map(|ending| ending.expect("the journal works"));
            let summaries: Vec<_> = endings.map(|ending| ending.summary).collect();
            if summaries.iter().all(|summary| summary.pending == 0) {
                return channels
                    .iter()
                    .zip(&summaries)
                    .try_for_each(|(channel, summary)| oracle::check(channel, summary, Night::Faulty));
            }
            // After the last fault, a pause that the platform asked for may still last.
            let is_over = round >= self.rounds_with_faults;
            sleep(if is_over { LONGEST_WAIT } else { Duration::from_millis(chance.u64(0..20_000)) }).await;
        }
        Err(format!("it does not end in {rounds} rounds"))
    }
}

// Outages, another client of the token, and a limit of the platform that is lower than the configured one.
fn with_company(faults: &Faults, limit: u32, chance: &mut Rng) -> Faults {
    let outages = (0..chance.usize(0..4).saturating_sub(1)).map(|_| {
        let begin = chance.u64(0..200_000);
        (begin..begin + chance.u64(1_000..90_000), Outage::ALL[chance.usize(0..Outage::ALL.len())])
    });
    let outages = outages.collect();
    let (others, lower) = (chance.u8(0..5) == 0, chance.u8(0..8) == 0);
    let others = if others { chance.u32(1..limit) } else { 0 };
    let limit = if lower { 1 + others + chance.u32(0..limit) } else { limit + chance.u32(0..2) };
    Faults { outages, others, limit: Some(limit), tells: chance.bool(), ..faults.clone() }
}

/// The shape of the rows of a scenario.
#[derive(Clone, Copy, Debug)]
struct RowShape {
    mode: Mode,
    keyed: bool,
    channels: usize,
    fields: usize,
    tags: usize,
    second: bool,
    stale_ids: bool,
    form: Option<StoredForm>,
    others: Others,
    first: First,
}

/// Whether the first row's contact exists from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    ByChance,
    Absent,
    There,
}

impl RowShape {
    fn with_form(self, chance: &mut Rng) -> Self {
        let forms = [
            StoredForm::MexicanMobile,
            StoredForm::WithPlus,
            StoredForm::WithoutPlus,
            StoredForm::Nfd,
            StoredForm::Cut,
            StoredForm::Number,
            StoredForm::Decimal,
        ];
        let form = (chance.u8(0..4) == 0).then(|| forms[chance.usize(0..forms.len())]);
        Self { form, ..self }
    }

    // Adjusted so that the fault meets calls of the kind.
    fn with_calls_for(self, fault: Fault, kind: CallKind) -> Self {
        let searches = Self { keyed: true, mode: Mode::Upsert, ..self };
        let output_format = match kind {
            CallKind::Find => searches,
            CallKind::Read => Self { stale_ids: true, ..searches },
            CallKind::Create if self.mode == Mode::Update => Self { first: First::Absent, ..searches },
            CallKind::Create => Self { first: First::Absent, ..self },
            CallKind::Update => Self { first: First::There, fields: self.fields.max(2), ..searches },
            CallKind::AddTags => Self { first: First::Absent, tags: self.tags.max(1), ..searches },
            CallKind::RemoveTags => Self { first: First::There, ..searches },
        };
        if fault == Fault::UpsertByEmail {
            Self { others: Others::Families, second: false, ..output_format }
        } else {
            output_format
        }
    }

    fn rows(&self, chance: &mut Rng) -> Vec<Vec<Row>> {
        let channel = |_| {
            let count = chance.usize(1..9).max(if self.others == Others::Families { 2 } else { 1 });
            let mut row = |n| Row { stale_id: self.stale_ids && n % 2 == 0, ..self.row(n, chance) };
            (0..count).map(&mut row).collect()
        };
        (0..self.channels).map(channel).collect()
    }

    fn row(&self, n: usize, chance: &mut Rng) -> Row {
        let key = self.key(n);
        let mut all = vec![Field::text(if self.keyed { "phone" } else { "name" }, &key)];
        all.extend((1..self.fields).map(|f| Field::text(format!("field{f}"), format!("value {n} {f}"))));
        let tags: Vec<String> = (0..self.tags).map(|tag| format!("row{n} tag{tag}")).collect();
        let is_there = match self.mode {
            Mode::Create => false,
            Mode::Upsert => chance.u8(0..3) == 0,
            Mode::Update => chance.u8(0..4) > 0,
        };
        let is_there = match self.first {
            First::There if n == 0 => true,
            First::Absent if n == 0 => false,
            First::ByChance | First::There | First::Absent => is_there && self.others != Others::Families,
        };
        let there = is_there.then(|| {
            let mut some: Vec<Field> = all.clone();
            some.truncate(1 + chance.usize(0..all.len()));
            if chance.bool() && some.len() > 1 {
                some[1].value = contactsync::contact::Value::Text("another".into());
            }
            let theirs = chance.bool() || self.first == First::There;
            (some, if theirs { vec!["old".to_owned(), "theirs".to_owned()] } else { vec![format!("row{n} tag0")] })
        });
        Row { key, fields: all, tags, stale_id: false, there }
    }

    fn key(&self, n: usize) -> String {
        match self.form {
            None | Some(StoredForm::MexicanMobile | StoredForm::WithoutPlus) => format!("+5255{n:08}"),
            Some(StoredForm::WithPlus) => format!("5255{n:08}"),
            Some(StoredForm::Nfd | StoredForm::Nfc) => format!("José Núñez {n}"),
            Some(StoredForm::Cut) => format!("customer-number-2024-{n:03}"),
            // Every third key is unchanged as a number, one loses its plus sign, one its zeros.
            Some(StoredForm::Number) => format!("{}12345{n:03}", ["", "+", "00"][n % 3]),
            Some(StoredForm::Decimal | StoredForm::Boolean | StoredForm::Dropped) => format!("12345{n:03}"),
        }
    }
}

/// The longest time until a rejected row is tried again.
const LONGEST_INTERVAL: Duration = Duration::from_hours(7 * 24);

/// The number of other clients' contacts that every search finds: three pages.
const STRANGERS: usize = 25;

// Two of three scenarios target a misbehaviour of real servers: each fault with each kind of call in turn.
fn directed(seed: u64) -> Option<(Fault, CallKind)> {
    let all = trouble::combinations();
    let place = usize::try_from(seed - seed.div_ceil(3)).expect("seeds are small") % all.len();
    (!seed.is_multiple_of(3)).then(|| all[place])
}

// The targeted fault, and at times a second one.
fn troubles(directed: Option<(Fault, CallKind)>, rows: usize, chance: &mut Rng) -> Vec<Trouble> {
    let Some((fault, kind)) = directed else { return Vec::new() };
    let first = Trouble {
        fault,
        share: if chance.bool() { 1.0 } else { 0.2 + chance.f64() * 0.6 },
        kind: Some(kind).filter(|_| chance.u8(0..4) > 0),
        from_call: 0,
        row: None,
    };
    let others: Vec<Fault> = Fault::ALL.iter().copied().filter(|fault| !trouble::is_of_create(*fault)).collect();
    let second = (chance.u8(0..3) == 0 && fault != Fault::PreviousId).then(|| Trouble {
        fault: others[chance.usize(0..others.len())],
        share: chance.f64() * 0.3,
        kind: None,
        from_call: chance.u64(0..20),
        row: chance.bool().then(|| chance.usize(0..rows)),
    });
    [Some(first), second].into_iter().flatten().collect()
}

/// One channel of a running scenario.
pub struct Channel<'a> {
    pub scenario: &'a Scenario,
    pub name: String,
    pub rows: &'a [Row],
    pub platform: Platform,
    pub watcher: Watcher,
    pub journal: &'a Journal,
    elsewhere: &'a Journal,
    begun: Instant,
    // The offset of the wall clock.
    wall: RefCell<ClockOffset>,
    // The most that the wall clock was set back in total.
    set_back: Cell<Duration>,
    /// The fields of creates whose answer was not committed or was lost.
    pub doubtful: RefCell<BTreeSet<String>>,
    tonight: RefCell<Tonight>,
}

/// The part of the file that changes between runs.
#[derive(Default)]
struct Tonight {
    version: u32,
    /// The rows whose `email` is not blank.
    with_email: Vec<bool>,
}

impl Channel<'_> {
    async fn play(&self) -> Result<Seen, String> {
        let mut chance = Rng::with_seed(self.scenario.seed ^ 0x5eed);
        let mut kills = self.scenario.kills.iter().copied();
        self.write_file(&mut chance);
        let mut run = self.plan();
        let mut last = None;
        for _ in 0..self.scenario.rounds_with_faults {
            let limits = if chance.f64() < self.scenario.short { self.limits(&mut chance) } else { Limits::default() };
            last = self.send_and_check(run, kills.next(), limits).await?;
            if last.as_ref().is_some_and(|ending| ending.summary.pending == 0) {
                oracle::check(self, &last.as_ref().expect("the run ended").summary, Night::Faulty)?;
                break;
            }
            sleep(Duration::from_millis(chance.u64(0..90_000))).await;
            if chance.f64() < self.scenario.clock_jumps {
                self.set_clock(&mut chance);
            }
            // A killed run is resumed, or the file is synced again.
            if chance.bool() {
                self.write_file(&mut chance);
                run = self.plan();
            }
        }
        let is_open = last.is_none_or(|ending| ending.summary.pending > 0);

        // From here on there are no faults.
        *self.platform.faults.borrow_mut() = Faults::default();
        let mut seen = Seen { struck: self.platform.ledger.borrow().struck.clone(), ..Seen::default() };
        if is_open {
            self.finish(run, &mut seen).await?;
        }
        // The next run sends rows that were rejected for a reason that has passed, once they are tried again.
        if oracle::has_rejected(self) {
            self.rest().await;
        }
        let summary = self.finish(self.plan(), &mut seen).await?;
        oracle::check(self, &summary, Night::Clean)?;

        // A further run makes no call, because the journal knows that everything is equal. Where a row was rejected, two runs: a
        // contact that looked like the row's may be known as another row's by now.
        let mut before = summary.rejected;
        for _ in 0..2 {
            if before > 0 {
                self.check_waiting(&mut seen).await?;
                self.rest().await;
            }
            let calls = self.platform.ledger.borrow().calls;
            let again = self.finish(self.plan(), &mut seen).await?;
            let calls = self.platform.ledger.borrow().calls - calls;
            if before == 0 && again.rejected == 0 && calls > 0 {
                return Err(format!("{}: {calls} calls to bring the same file again", self.name));
            }
            oracle::check(self, &again, Night::Clean)?;
            if before == 0 {
                break;
            }
            before = again.rejected;
        }
        Ok(seen)
    }

    // Until every rejected row is tried again, by any clock.
    async fn rest(&self) {
        sleep(LONGEST_INTERVAL + self.set_back.get()).await;
    }

    // The same file at once: rows that are not tried yet cost no call, and are rejected as before. A contact in doubt is searched
    // for in any case.
    async fn check_waiting(&self, seen: &mut Seen) -> Result<(), String> {
        let had_doubt = oracle::has_row_in_doubt(self);
        let calls = self.platform.ledger.borrow().calls;
        let summary = self.finish(self.plan(), seen).await?;
        oracle::check(self, &summary, Night::Clean)?;
        let calls = self.platform.ledger.borrow().calls - calls;
        if calls > 0 && !had_doubt && oracle::are_all_waiting(self) {
            return Err(format!("{}: {calls} calls for rows that are not tried yet", self.name));
        }
        Ok(())
    }

    // Finishes a run on a platform without faults, within bounds.
    async fn finish(&self, run: i64, seen: &mut Seen) -> Result<RunSummary, String> {
        let begun = self.platform.ledger.borrow().calls;
        let is_short = self.scenario.ends_in_short_runs();
        let most = if is_short { SHORT_ROUNDS_AFTER_FAULTS } else { ROUNDS_AFTER_FAULTS };
        let mut worked = Duration::ZERO;
        for round in 1..=most {
            let until = is_short.then(|| self.now() + TIMEOUT + SHORT);
            let since = Instant::now();
            let limits = Limits { until, max_calls: None };
            let ending = self.send_and_check(run, None, limits).await?.ok_or("killed without a kill")?;
            worked += since.elapsed();
            let calls = self.platform.ledger.borrow().calls - begun;
            let bound = self.time_for(calls);
            if worked > bound {
                return Err(format!("{}: {calls} calls took {worked:?}, more than {bound:?}", self.name));
            }
            if ending.summary.pending == 0 {
                seen.rounds = seen.rounds.max(if is_short { 0 } else { round });
                seen.short_rounds = seen.short_rounds.max(if is_short { round } else { 0 });
                seen.worked = seen.worked.max(worked);
                return Ok(ending.summary);
            }
            // By then, a pause that the platform asked for is over, also by a clock that was set back.
            sleep(LONGEST_WAIT + self.set_back.get()).await;
        }
        Err(format!("{}: it does not end in {most} rounds without faults", self.name))
    }

    // The time for this number of calls at the limit, a search lag, and a pause from the time with faults.
    fn time_for(&self, calls: u64) -> Duration {
        let windows = calls / self.scenario.learnt_limit() + 2;
        let is_long = |trouble: &Trouble| trouble.fault == Fault::ThrottleHours;
        let pause = if self.scenario.faults.troubles.iter().any(is_long) { LONGEST_WAIT } else { Duration::ZERO };
        Duration::from_mins(2 * windows + 5) + pause
    }

    // A CRM's next export: some values have changed, and some e-mail addresses come and go.
    pub fn write_file(&self, chance: &mut Rng) {
        let mut tonight = self.tonight.borrow_mut();
        // Without a match field, another content is another contact.
        if self.scenario.keyed && chance.u8(0..3) == 0 {
            // Three versions, so that a file may revert to an earlier content.
            tonight.version = chance.u32(0..3);
        }
        tonight.with_email = self.rows.iter().map(|_| chance.bool()).collect();
    }

    /// The fields of row `n` in the current file.
    pub fn wanted(&self, n: usize) -> Vec<Field> {
        let (tonight, row) = (self.tonight.borrow(), &self.rows[n]);
        let mut wanted = row.fields.clone();
        for field in wanted.iter_mut().skip(1).filter(|_| tonight.version > 0) {
            field.value =
                contactsync::contact::Value::Text(format!("{} of {}", field.value.text(), tonight.version).into());
        }
        if self.scenario.second && tonight.with_email[n] {
            wanted.push(Field::text("email", format!("contact{n}@example.com")));
        }
        if self.scenario.others == Others::Families {
            wanted.push(Field::text("email", format!("family{}@example.com", n / 2)));
        }
        wanted
    }

    // Running processes keep their clock; the next one starts with this offset.
    fn set_clock(&self, chance: &mut Rng) {
        let ClockOffset { boot, zero } = self.clock_offset();
        let (hour, day) = (Duration::from_hours(1), Duration::from_hours(24));
        let step = Duration::from_millis(chance.u64(0..120_000));
        self.set_back.set(self.set_back.get() + hour);
        let wall = match chance.u8(0..6) {
            0 => ClockOffset { boot, zero: zero + hour },
            1 => ClockOffset { boot, zero: zero + day },
            2 => ClockOffset { boot, zero: zero + step },
            3 => ClockOffset { boot, zero: zero.before(hour) },
            4 => ClockOffset { boot, zero: zero.before(step) },
            // A restart of the machine. A clock change before it cannot be detected, so the invariant only holds when the clock
            // is not set ahead then.
            _ => ClockOffset { boot: format!("{boot}, again"), zero: zero.before(step) },
        };
        self.wall.replace(wall);
    }

    fn clock_offset(&self) -> ClockOffset {
        self.wall.borrow().clone()
    }

    /// A time by the channel's clock.
    pub fn at(&self, millis: u64) -> Timestamp {
        self.clock_offset().zero + Duration::from_millis(millis)
    }

    pub fn now(&self) -> Timestamp {
        self.clock_offset().zero + self.begun.elapsed()
    }

    fn policy(&self) -> Policy {
        Policy {
            mode: self.scenario.mode,
            tags_mode: TagsMode::Add,
            search_lag: Duration::from_secs(30),
            retry_in_doubt: false,
            search_first: false,
        }
    }

    pub fn plan(&self) -> i64 {
        self.plan_csv(self.csv(), PlanOptions::default())
    }

    /// Plans the file without its first `gone` rows. Contacts that are missing since the last such file get the tag `left`.
    pub fn plan_without(&self, gone: usize) -> i64 {
        let csv = self.csv();
        let lines = csv.lines().enumerate().filter(|(line, _)| *line == 0 || *line > gone);
        let csv: Vec<&str> = lines.map(|(_, line)| line).collect();
        let on_missing = Some(Mark::tag("left").expect("a tag"));
        let source_name = Some("default".to_owned());
        self.plan_csv(csv.join("\n"), PlanOptions { source_name, on_missing, ..PlanOptions::default() })
    }

    fn plan_csv(&self, csv: String, options: PlanOptions) -> i64 {
        let source =
            Source::from_reader("file.csv", Box::new(std::io::Cursor::new(csv)), Format::Csv).expect("a header");
        let matches: &[&str] = match (self.scenario.keyed, self.scenario.second) {
            (false, _) => &[],
            (true, false) => &["phone"],
            (true, true) => &["email", "phone"],
        };
        let named = self.rows[0].fields.iter().map(|field| field.name.as_str());
        let rule = |name| FieldRule { write: self.scenario.mode_of(name), ..FieldRule::column(name, name) };
        let rules = Rules {
            matches: matches.iter().map(|&name| name.to_owned()).collect(),
            fields: named.map(rule).collect(),
            ..Rules::default()
        };
        let mapping = Mapping::by(&rules, source.header(), self.scenario.mode).expect("the columns are known");
        let new = self.new_run("file.csv".into());
        plan(self.journal, source, &mapping, Routes::one(new), options, &self.watcher, &Stop::default())
            .expect("planning succeeds")
            .runs[0]
    }

    /// The file has another version from now on.
    pub fn set_version(&self, version: u32) {
        self.tonight.borrow_mut().version = version;
    }

    /// Plans the run that undoes another one.
    pub fn plan_undo(&self, undone: i64) -> i64 {
        plan_undo(self.journal, self.new_run(format!("undo of run {undone}")), undone, None).expect("planning succeeds")
    }

    fn new_run(&self, input: String) -> NewRun {
        NewRun {
            channel: self.name.clone(),
            url: "https://example.com".into(),
            kind: "standard".into(),
            rate: self.scenario.limit,
            input,
            policy: self.policy(),
            now: self.now(),
        }
    }

    fn limits(&self, chance: &mut Rng) -> Limits {
        let until = self.now() + Duration::from_millis(chance.u64(0..200_000));
        Limits { max_calls: chance.bool().then(|| chance.u64(0..40)), until: chance.bool().then_some(until) }
    }

    /// Sends the run in a new process; `None` when it was killed.
    pub async fn send_and_check(&self, run: i64, gates: Option<u32>, limits: Limits) -> Result<Option<Ending>, String> {
        let before = self.platform.ledger.borrow().sent.len();
        let ending = self.send(run, gates, limits).await;
        oracle::check_limits(self, &limits, before, ending.as_ref())?;
        Ok(ending)
    }

    /// The same without checks.
    pub async fn send(&self, run: i64, gates: Option<u32>, limits: Limits) -> Option<Ending> {
        let process = self.process(gates);
        tokio::select! {
            biased;
            ending = send(process.job(run, limits)) => Some(ending.expect("the journal works")),
            () = process.journal.killed.notified() => None,
        }
    }

    /// A new process, which is killed after a number of gates.
    fn process(&self, gates: Option<u32>) -> Process<'_> {
        let token = if self.scenario.share_token { "shared" } else { &self.name };
        Process {
            channel: self,
            journal: Gated::new(self.journal, self.elsewhere, &self.doubtful, self.scenario.bug, gates),
            window: WindowId::of(token, b""),
            clock: Clock::starting_at(self.now()).with_clock_offset(self.clock_offset()),
            stop: Stop::default(),
        }
    }

    fn csv(&self) -> String {
        let names: Vec<&str> = self.rows[0].fields.iter().map(|field| field.name.as_str()).collect();
        let mut csv = format!("{},email,contact_id,tags,remove_tags\n", names.join(","));
        for (n, row) in self.rows.iter().enumerate() {
            let wanted = self.wanted(n);
            let cell = |name: &str| {
                let field = wanted.iter().find(|field| field.name == name);
                field.map(|field| field.value.text().into_owned()).unwrap_or_default()
            };
            let cells: Vec<String> = names.iter().map(|name| cell(name)).collect();
            let id = if row.stale_id { format!("gone{n}") } else { String::new() };
            csv.push_str(&format!("{},{},{id},{},old\n", cells.join(","), cell("email"), row.tags.join(";")));
        }
        csv
    }
}

/// A process that sends a channel's runs.
struct Process<'a> {
    channel: &'a Channel<'a>,
    journal: Gated<'a>,
    window: WindowId,
    clock: Clock,
    stop: Stop,
}

impl Process<'_> {
    fn job(&self, run: i64, limits: Limits) -> Job<'_, Gated<'_>, Platform, Watcher> {
        let Channel { scenario, name, platform, watcher, .. } = self.channel;
        Job {
            journal: &self.journal,
            run,
            channel: name,
            window: &self.window,
            policy: self.channel.policy(),
            transport: platform,
            call_timeout: TIMEOUT,
            rate: NonZeroU32::new(scenario.limit).expect("not zero"),
            burst: None,
            concurrency: Some(scenario.concurrency),
            limits,
            read_back: scenario.read_back,
            outage_timeout: OUTAGE_TIMEOUT,
            clock: &self.clock,
            seed: scenario.seed,
            observer: watcher,
            stop: &self.stop,
        }
    }
}
