//! A scenario: a file, a platform, what goes wrong when, all from one seed.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use contactsync::{
    Clock, Ending, Event, Field, Format, Intake, Job, Journal, Limits, Mapping, Mode, NewRun, Observer, Outcome,
    Outlook, PATIENCE, Policy, Routes, Setting, Source, Stop, TagsMode, Timestamp, WindowId, plan, send, send_all,
};
use fastrand::Rng;
use futures_util::future::join_all;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use crate::journal::Gated;
use crate::oracle;
use crate::platform::{Faults, Outage, Platform};

/// How often a file is brought, runs that were killed included, until the scenario counts as endless.
const ROUNDS: usize = 120;

/// After so many rounds nothing goes wrong any more: what is left must come to its end.
const ROUNDS_WITH_FAULTS: usize = 60;

const EPOCH: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// How long a call can take.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// One thing that is left out, in the simulation only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A create is sent before its intent is in the journal.
    IntentNotCommitted,
    /// The search for a lost create finds nobody.
    NoSettleSearch,
    /// A new process does not count the calls of the one before it.
    NoReadBack,
    /// A new process does not notice that the wall clock was set ahead since the one before it.
    ClockNotFollowed,
    /// An answer is committed without what it implies, which follows later.
    AnswerWithoutKnown,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub key: String,
    pub fields: Vec<Field>,
    pub tags: Vec<String>,
    /// An id that the file gives for it and that the platform does not have.
    stale_id: bool,
    /// What the platform has of it before the first run.
    pub there: Option<(Vec<Field>, Vec<&'static str>)>,
}

#[derive(Debug)]
pub struct Scenario {
    pub seed: u64,
    pub mode: Mode,
    /// Whether rows have a match field.
    pub keyed: bool,
    /// Whether they have a second one, `email`, which comes before the first and is blank on some nights.
    second: bool,
    /// By channel.
    pub rows: Vec<Vec<Row>>,
    pub limit: u32,
    concurrency: usize,
    faults: Faults,
    /// How many gates each process passes until it is killed.
    kills: Vec<u32>,
    /// How often the wall clock is set anew between two processes, as a share.
    clock_jumps: f64,
    /// How often a process may only make so many calls, or has only so much time, as a share.
    short: f64,
    /// Whether its channels have one token.
    share_token: bool,
    bug: Option<Bug>,
}

/// What a process tells of one channel.
#[derive(Default)]
pub struct Watcher {
    /// How often the channel was told to wait by a 429.
    pub throttled: Cell<u32>,
    /// How often the platform seemed to be gone.
    pub paused: Cell<u32>,
    /// How often calls of one kind failed while others did not.
    pub kind_paused: Cell<u32>,
    /// Contacts that were left for the next run because their calls kept failing.
    pub left: Cell<u32>,
    /// What was to be expected at the beginning of the last run.
    pub outlook: Cell<Outlook>,
}

impl Observer for Watcher {
    fn tell(&self, event: &Event<'_>) {
        match event {
            // Seen only when a scenario fails, to say why.
            Event::Done { line, outcome: Outcome::Rejected(reason), .. } => println!("line {line}: rejected: {reason}"),
            Event::Throttled { .. } => self.throttled.set(self.throttled.get() + 1),
            Event::Paused { .. } => self.paused.set(self.paused.get() + 1),
            Event::Left { .. } => self.left.set(self.left.get() + 1),
            Event::Sending { outlook, .. } => self.outlook.set(*outlook),
            Event::KindPaused { .. } => self.kind_paused.set(self.kind_paused.get() + 1),
            Event::Done { .. }
            | Event::AskedToWait { .. }
            | Event::Read { .. }
            | Event::Called { .. }
            | Event::Trouble { .. }
            | Event::Limited { .. }
            | Event::Others { .. }
            | Event::Unsure { .. }
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
        let channels = 1 + chance.usize(0..4) / 3;
        let fields = if chance.u8(0..8) == 0 { 30 + chance.usize(0..35) } else { chance.usize(1..4) };
        let tags = if chance.u8(0..8) == 0 { chance.usize(8..22) } else { chance.usize(0..3) };
        let (second, stale_ids) = (keyed && chance.u8(0..3) == 0, mode == Mode::Upsert && chance.u8(0..4) == 0);
        let rows = (0..channels).map(|_| {
            let count = chance.usize(1..9);
            let mut row = |n| row(n, fields, tags, mode, keyed, &mut chance);
            let rows = (0..count).map(|n| Row { stale_id: stale_ids && n % 2 == 0, ..row(n) });
            rows.collect()
        });
        let rows = rows.collect();
        let mut share = || if chance.bool() { 0.0 } else { chance.f64() * 0.12 };
        let (unsent, lost_before, lost_after) = (share(), share(), share());
        let (throttled, queued) = (share() / 3.0, share() / 3.0);
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
        let kills = (0..chance.usize(0..6)).map(|_| chance.u32(0..70)).collect();
        let (limit, concurrency) = (chance.u32(4..40), chance.usize(1..9));
        let clock_jumps = if chance.u8(0..3) == 0 { chance.f64() } else { 0.0 };
        let faults = with_company(&faults, limit, &mut chance);
        let short = if chance.u8(0..3) == 0 { chance.f64() } else { 0.0 };
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
            bug,
        }
    }

    /// The scenario of this seed for three channels that have one token.
    pub fn sharing(seed: u64) -> Self {
        let one = Self::from_seed(seed, None);
        let rows = one.rows.iter().cycle().take(3).cloned().collect();
        Self { rows, share_token: true, ..one }
    }

    /// Whether nobody else uses the token, and its limit is ours: then no call is ever refused.
    pub fn has_the_token_alone(&self) -> bool {
        self.faults.others == 0 && self.faults.limit.is_none_or(|limit| limit >= self.limit)
    }

    /// So many new contacts with a tag each, two calls a contact, at 100 calls a minute; `keyed` if they have a match
    /// field.
    pub fn plain(contacts: usize, keyed: bool, faults: Faults) -> Self {
        let mut chance = Rng::with_seed(0);
        let rows = (0..contacts).map(|n| row(n, 2, 1, Mode::Create, keyed, &mut chance)).collect();
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
            bug: None,
        }
    }

    /// The same for each of so many channels, which may have a whole window's calls on their way at once.
    pub fn of_channels(self, channels: usize) -> Self {
        let rows = self.rows.iter().cycle().take(channels).cloned().collect();
        Self { rows, concurrency: 100, ..self }
    }

    /// Plays it, and says how long it took in virtual time.
    pub fn time(&self) -> Result<Duration, String> {
        self.stage(async |channels, begun| {
            Self::side_by_side(channels).await?;
            Ok(begun.elapsed())
        })
    }

    /// Plays it on a runtime of its own whose time is virtual: each channel in processes of its own.
    pub fn run(&self) -> Result<(), String> {
        self.stage(async |channels, _| Self::side_by_side(channels).await)
    }

    /// Plays its channels together, in processes that send all of them with the same token, and that are killed now and
    /// then.
    pub fn run_together(&self) -> Result<(), String> {
        self.stage(async |channels, _| self.together(channels).await)
    }

    /// Sets up the channels and lets `act` do something with them.
    pub fn stage<R>(&self, act: impl AsyncFnOnce(&[Channel<'_>], Instant) -> R) -> R {
        let (journal, elsewhere) =
            (Journal::in_memory().expect("memory is there"), Journal::in_memory().expect("memory is there"));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        LocalSet::new().block_on(&runtime, async {
            let begun = Instant::now();
            let channels = self.rows.iter().enumerate().map(|(n, rows)| {
                let platform = Platform::new(self.seed ^ n as u64, self.faults.clone(), self.bug);
                for row in rows {
                    if let Some((fields, tags)) = &row.there {
                        platform.insert(fields, tags);
                    }
                }
                Channel {
                    scenario: self,
                    name: format!("channel{n}"),
                    rows,
                    platform,
                    watcher: Watcher::default(),
                    journal: &journal,
                    elsewhere: &elsewhere,
                    begun,
                    wall: RefCell::new(Setting { boot: "first".into(), zero: EPOCH }),
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

    async fn side_by_side(channels: &[Channel<'_>]) -> Result<(), String> {
        join_all(channels.iter().map(Channel::play)).await.into_iter().collect()
    }

    /// Sends the file of each channel, all of them in one process.
    pub async fn bring_together(channels: &[Channel<'_>]) -> Vec<Ending> {
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
        for round in 0..ROUNDS {
            if round == ROUNDS_WITH_FAULTS {
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
                () = sleep(killed_after), if round < ROUNDS_WITH_FAULTS => {
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
                    .try_for_each(|(channel, summary)| oracle::check(channel, summary));
            }
            sleep(Duration::from_millis(chance.u64(0..20_000))).await;
        }
        Err(format!("it does not end in {ROUNDS} rounds"))
    }
}

// Outages, somebody else with the same token, and a limit of the platform's that is lower than was said.
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

fn row(n: usize, fields: usize, tags: usize, mode: Mode, keyed: bool, chance: &mut Rng) -> Row {
    let key = format!("+52155{n:06}");
    let mut all = vec![Field::text(if keyed { "phone" } else { "name" }, &key)];
    all.extend((1..fields).map(|f| Field::text(format!("field{f}"), format!("value {n} {f}"))));
    let tags: Vec<String> = (0..tags).map(|tag| format!("tag{tag}")).collect();
    let is_there = match mode {
        Mode::Create => false,
        Mode::Upsert => chance.u8(0..3) == 0,
        Mode::Update => chance.u8(0..4) > 0,
    };
    let there = is_there.then(|| {
        let mut some: Vec<Field> = all.clone();
        some.truncate(1 + chance.usize(0..all.len()));
        if chance.bool() && some.len() > 1 {
            some[1].value = contactsync::Value::Text("another".into());
        }
        (some, if chance.bool() { vec!["old", "theirs"] } else { vec!["tag0"] })
    });
    Row { key, fields: all, tags, stale_id: false, there }
}

/// One channel of a scenario at play.
pub struct Channel<'a> {
    pub scenario: &'a Scenario,
    pub name: String,
    pub rows: &'a [Row],
    pub platform: Platform,
    pub watcher: Watcher,
    journal: &'a Journal,
    elsewhere: &'a Journal,
    begun: Instant,
    // How the wall clock is set.
    wall: RefCell<Setting>,
    tonight: RefCell<Tonight>,
}

/// What differs from night to night in the file.
#[derive(Default)]
struct Tonight {
    version: u32,
    /// The rows whose `email` is not blank.
    with_email: Vec<bool>,
}

impl Channel<'_> {
    async fn play(&self) -> Result<(), String> {
        let mut chance = Rng::with_seed(self.scenario.seed ^ 0x5eed);
        let mut kills = self.scenario.kills.iter().copied();
        self.write_file(&mut chance);
        let mut run = self.plan();
        let mut last = None;
        for round in 0..ROUNDS {
            if round == ROUNDS_WITH_FAULTS {
                *self.platform.faults.borrow_mut() = Faults::default();
            }
            let limits = if chance.f64() < self.scenario.short && round < ROUNDS_WITH_FAULTS {
                self.limits(&mut chance)
            } else {
                Limits::default()
            };
            let ending = self.bring(run, kills.next(), limits).await?;
            last = ending.map(|ending| ending.summary);
            if last.as_ref().is_some_and(|summary| summary.pending == 0) {
                break;
            }
            sleep(Duration::from_millis(chance.u64(0..90_000))).await;
            if chance.f64() < self.scenario.clock_jumps {
                self.set_clock(&mut chance);
            }
            // A killed run is brought to its end, or the file is brought again.
            if chance.bool() {
                self.write_file(&mut chance);
                run = self.plan();
            }
        }
        let Some(summary) = last.filter(|summary| summary.pending == 0) else {
            return Err(format!("{}: it does not end in {ROUNDS} rounds", self.name));
        };
        oracle::check(self, &summary)?;

        // Once more, with nothing going wrong: all is right already, and the journal knows it.
        *self.platform.faults.borrow_mut() = Faults::default();
        let calls = self.platform.ledger.borrow().calls;
        let again = self.bring(self.plan(), None, Limits::default()).await?.ok_or("killed without a kill")?.summary;
        let calls = self.platform.ledger.borrow().calls - calls;
        if again.rejected == 0 && calls > 0 {
            return Err(format!("{}: {calls} calls to bring the same file again", self.name));
        }
        oracle::check(self, &again)
    }

    // A CRM's next export: some values have changed, some e-mail addresses are there or not.
    pub fn write_file(&self, chance: &mut Rng) {
        let mut tonight = self.tonight.borrow_mut();
        // Without a match field, another content is another contact.
        if self.scenario.keyed && chance.u8(0..3) == 0 {
            // Three versions, so that a file may go back to what it was.
            tonight.version = chance.u32(0..3);
        }
        tonight.with_email = self.rows.iter().map(|_| chance.bool()).collect();
    }

    /// What tonight's file wants of row `n`.
    pub fn wanted(&self, n: usize) -> Vec<Field> {
        let (tonight, row) = (self.tonight.borrow(), &self.rows[n]);
        let mut wanted = row.fields.clone();
        for field in wanted.iter_mut().skip(1).filter(|_| tonight.version > 0) {
            field.value = contactsync::Value::Text(format!("{} of {}", field.value.text(), tonight.version).into());
        }
        if self.scenario.second && tonight.with_email[n] {
            wanted.push(Field::text("email", format!("contact{n}@example.com")));
        }
        wanted
    }

    // Processes that run go on with the clock that they have; the next one begins with this.
    fn set_clock(&self, chance: &mut Rng) {
        let Setting { boot, zero } = self.setting();
        let (hour, day) = (Duration::from_hours(1), Duration::from_hours(24));
        let step = Duration::from_millis(chance.u64(0..120_000));
        let wall = match chance.u8(0..6) {
            0 => Setting { boot, zero: zero + hour },
            1 => Setting { boot, zero: zero + day },
            2 => Setting { boot, zero: zero + step },
            3 => Setting { boot, zero: zero.before(hour) },
            4 => Setting { boot, zero: zero.before(step) },
            // Another start of the machine. What happens to the clock before it can be told of no more, so that the
            // promise holds only when it is not set ahead then.
            _ => Setting { boot: format!("{boot}, again"), zero: zero.before(step) },
        };
        self.wall.replace(wall);
    }

    fn setting(&self) -> Setting {
        self.wall.borrow().clone()
    }

    /// The moment by the channel's clock.
    pub fn at(&self, millis: u64) -> Timestamp {
        self.setting().zero + Duration::from_millis(millis)
    }

    pub fn now(&self) -> Timestamp {
        self.setting().zero + self.begun.elapsed()
    }

    fn policy(&self) -> Policy {
        Policy {
            mode: self.scenario.mode,
            tags_mode: TagsMode::Add,
            settle: Duration::from_secs(30),
            resend_unsure: false,
        }
    }

    pub fn plan(&self) -> i64 {
        let source =
            Source::from_reader("file.csv", Box::new(std::io::Cursor::new(self.csv())), Format::Csv).expect("a header");
        let matches: &[&str] = match (self.scenario.keyed, self.scenario.second) {
            (false, _) => &[],
            (true, false) => &["phone"],
            (true, true) => &["email", "phone"],
        };
        let matches = matches.iter().map(|&name| name.to_owned()).collect();
        let mapping = Mapping::new(source.header(), matches, self.scenario.mode).expect("its columns");
        let new = NewRun {
            channel: self.name.clone(),
            url: "https://example.com".into(),
            kind: "standard".into(),
            rate: self.scenario.limit,
            input: "file.csv".into(),
            policy: self.policy(),
            now: self.now(),
        };
        plan(self.journal, source, &mapping, Routes::One(new), Intake::default(), &self.watcher, &Stop::default())
            .expect("it is planned")
            .runs[0]
    }

    fn limits(&self, chance: &mut Rng) -> Limits {
        let until = self.now() + Duration::from_millis(chance.u64(0..200_000));
        Limits { max_calls: chance.bool().then(|| chance.u64(0..40)), until: chance.bool().then_some(until) }
    }

    /// Sends the run in a new process; `None` when it was killed.
    async fn bring(&self, run: i64, gates: Option<u32>, limits: Limits) -> Result<Option<Ending>, String> {
        let before = self.platform.ledger.borrow().sent.len();
        let ending = self.send(run, gates, limits).await;
        oracle::check_limits(self, &limits, before, ending.as_ref())?;
        Ok(ending)
    }

    /// The same, with no look at what it did.
    pub async fn send(&self, run: i64, gates: Option<u32>, limits: Limits) -> Option<Ending> {
        let process = self.process(gates);
        tokio::select! {
            biased;
            ending = send(process.job(run, limits)) => Some(ending.expect("the journal works")),
            () = process.journal.killed.notified() => None,
        }
    }

    /// A new process, which is killed after so many gates.
    fn process(&self, gates: Option<u32>) -> Process<'_> {
        let token = if self.scenario.share_token { "shared" } else { &self.name };
        Process {
            channel: self,
            journal: Gated::new(self.journal, self.elsewhere, self.scenario.bug, gates),
            window: WindowId::of(token, b""),
            clock: Clock::starting_at(self.now()).with_setting(self.setting()),
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
            patience: PATIENCE,
            clock: &self.clock,
            seed: scenario.seed,
            observer: watcher,
            stop: &self.stop,
        }
    }
}
