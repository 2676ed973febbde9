//! A program that uses the library has the guarantees of the command line: the same order of locks, guards, planning and
//! sending, and no way around it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use contactsync::client::{ChannelKind, Timeouts};
use contactsync::engine::Rows;
use contactsync::history::{JournalError, LockError};
use contactsync::sandbox::{Config, Sandbox};
use contactsync::{
    BaseUrl, Clock, Connection, DryChannel, DryRun, Duplicates, Environment, Event, Format, GuardError, Http,
    InputGuards, Interrupted, Journal, KEPT_BEFORE, KEPT_HISTORY, Limits, Mapping, Mode, Notification, OUTAGE_TIMEOUT,
    Observer, Overrides, Policy, Reporter, ResumeOptions, Routing, RowLists, RunOptions, Selection, Silent, Source,
    Stop, StopReason, SyncError, SyncInput, SyncOutcome, TagsMode, Token, Workspace, dry_run, sync_input,
};
use tokio::runtime::Runtime;

const TOKEN: &str = "token";

/// A sandbox without a rate limit, and a journal in a temporary directory.
struct Harness {
    runtime: Runtime,
    sandbox: Sandbox,
    dir: tempfile::TempDir,
    clock: Clock,
}

/// A sync with what differs from case to case.
#[derive(Clone)]
struct Wanted {
    rows: usize,
    field: &'static str,
    mode: Mode,
    token: &'static str,
    url: Option<String>,
    max_calls: Option<u64>,
    overrides: Overrides,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            rows: 20,
            field: "email",
            mode: Mode::Upsert,
            token: TOKEN,
            url: None,
            max_calls: None,
            overrides: Overrides::default(),
        }
    }
}

impl Harness {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let sandbox = runtime.block_on(Sandbox::start(Config { rate: 0, ..Config::default() })).expect("a sandbox");
        Self { runtime, sandbox, dir: tempfile::tempdir().expect("a directory"), clock: Clock::system() }
    }

    fn workspace(&self) -> Workspace {
        Workspace::open(&self.dir.path().join("journal.db"), "the test").expect("a journal")
    }

    fn connection(&self, wanted: &Wanted) -> Connection {
        let url = wanted.url.clone().unwrap_or_else(|| self.sandbox.url());
        let url = BaseUrl::parse(&url, false).expect("a URL");
        let token = Token::new(wanted.token).expect("a token");
        let http = Http::new(url, token, ChannelKind::Standard, Timeouts::default()).expect("a client");
        Connection::new(http, NonZeroU32::new(6_000).expect("6,000 is not 0"))
    }

    fn policy(mode: Mode) -> Policy {
        let search_lag = Duration::from_millis(100);
        Policy { mode, tags_mode: TagsMode::Add, search_lag, retry_in_doubt: false, search_first: false }
    }

    fn options(wanted: &Wanted) -> RunOptions {
        let limits = Limits { max_calls: wanted.max_calls, until: None };
        RunOptions {
            limits,
            read_back: false,
            outage_timeout: OUTAGE_TIMEOUT,
            keep_history: KEPT_HISTORY,
            keep_before: KEPT_BEFORE,
            seed: 1,
        }
    }

    fn sync<R: Reporter>(
        &self,
        workspace: &Workspace,
        wanted: &Wanted,
        reporter: &R,
    ) -> Result<SyncOutcome, SyncError> {
        let mut csv = format!("{},firstName\n", wanted.field);
        for row in 0..wanted.rows {
            writeln!(csv, "person{row}@example.com,Person {row}").expect("a text grows");
        }
        let source = Source::from_reader("in.csv", Box::new(std::io::Cursor::new(csv.into_bytes())), Format::Csv)
            .expect("an input");
        let policy = Self::policy(wanted.mode);
        let mapping = Mapping::new(source.header(), vec![wanted.field.into()], wanted.mode).expect("a mapping");
        let input = SyncInput {
            channels: vec![("c".into(), self.connection(wanted))],
            routing: Routing::One,
            source,
            source_name: "default".into(),
            mapping: &mapping,
            policy,
            duplicates: Duplicates::default(),
            retry_rejected: false,
            guards: InputGuards::default(),
            selection: Selection::default(),
            access: None,
            on_missing: None,
            approved: None,
            lists: &RowLists::default(),
            overrides: wanted.overrides,
            options: Self::options(wanted),
        };
        let (runtime, stop) = (self.runtime.handle(), Stop::default());
        sync_input(workspace, input, Environment { runtime, clock: &self.clock, stop: &stop, reporter })
    }

    fn resume(&self, workspace: &Workspace, wanted: &Wanted) -> Result<Option<SyncOutcome>, SyncError> {
        let (runtime, stop) = (self.runtime.handle(), Stop::default());
        let environment = Environment { runtime, clock: &self.clock, stop: &stop, reporter: &Silent };
        let interrupted = Interrupted::find(workspace, ["c"], environment)?;
        let connections = interrupted.runs().iter().map(|run| (run.channel.clone(), self.connection(wanted))).collect();
        let options = ResumeOptions {
            by_channel: false,
            lists: &RowLists::default(),
            access: None,
            overrides: wanted.overrides,
            options: Self::options(wanted),
        };
        interrupted.resume(connections, options, environment)
    }

    fn creates(&self) -> usize {
        self.sandbox.ledger().creates(TOKEN)
    }
}

#[test]
fn a_sync_that_stops_is_resumed_and_then_leaves_nothing_to_do() {
    let harness = Harness::new();
    let stopping = Wanted { max_calls: Some(15), ..Wanted::default() };
    let outcome = harness.sync(&harness.workspace(), &stopping, &Silent).unwrap();
    let summary = outcome.summary.unwrap();
    assert_eq!((summary.state, summary.rows, summary.calls.total), ("stopped", 20, 15));
    assert!(summary.pending > 0 && outcome.refused.is_empty() && outcome.lists.is_ok());
    let stopped = outcome.channels[0].ending.as_ref().unwrap().stopped.clone();
    assert_eq!((outcome.channels[0].name.as_str(), stopped), ("c", Some(StopReason::MaxCalls(15))));

    let resumed = harness.resume(&harness.workspace(), &Wanted::default()).unwrap().expect("a run was left");
    let summary = resumed.summary.unwrap();
    assert_eq!((summary.state, summary.created, summary.pending), ("finished", 20, 0));
    assert_eq!((harness.sandbox.contacts(TOKEN).len(), harness.creates()), (20, 20));
    assert!(harness.resume(&harness.workspace(), &Wanted::default()).unwrap().is_none());

    let calls = harness.sandbox.ledger().len();
    let again = harness.sync(&harness.workspace(), &Wanted::default(), &Silent).unwrap().summary.unwrap();
    assert_eq!((again.unchanged, again.calls.total, harness.sandbox.ledger().len()), (20, 0, calls));
}

// With two channels, all rows would be left out, or all would go to one of them.
#[test]
fn an_input_for_one_channel_is_refused_with_another_number_of_channels() {
    let harness = Harness::new();
    let column = || Routing::Selected { column: "site".into(), others: BTreeSet::new() };
    for (routing, names) in
        [(Routing::One, &["a", "b"][..]), (Routing::One, &[]), (column(), &["a", "b"]), (column(), &[])]
    {
        let case = format!("{routing:?} {names:?}");
        let csv = std::io::Cursor::new("email,site\nann@example.com,a\n");
        let source = Source::from_reader("in.csv", Box::new(csv), Format::Csv).expect("an input");
        let mapping = Mapping::new(source.header(), vec!["email".into()], Mode::Upsert).expect("a mapping");
        let (runtime, stop) = (harness.runtime.handle(), Stop::default());
        let environment = Environment { runtime, clock: &harness.clock, stop: &stop, reporter: &Silent };
        let policy = Harness::policy(Mode::Upsert);
        let connected = |name: &&str| ((*name).to_owned(), harness.connection(&Wanted::default()));
        let input = SyncInput {
            channels: names.iter().map(connected).collect(),
            routing: routing.clone(),
            source,
            source_name: "default".into(),
            mapping: &mapping,
            policy,
            duplicates: Duplicates::default(),
            retry_rejected: false,
            guards: InputGuards::default(),
            selection: Selection::default(),
            access: None,
            on_missing: None,
            approved: None,
            lists: &RowLists::default(),
            overrides: Overrides::default(),
            options: Harness::options(&Wanted::default()),
        };
        let refused = sync_input(&harness.workspace(), input, environment).expect_err(&case);
        assert_eq!(
            refused.to_string(),
            format!("all rows go to one channel, but {} channels were given", names.len()),
            "{case}"
        );

        let csv = std::io::Cursor::new("email,site\nann@example.com,a\n");
        let source = Source::from_reader("in.csv", Box::new(csv), Format::Csv).expect("an input");
        let rate = NonZeroU32::new(100).expect("100 is not 0");
        let dry = |name: &&str| DryChannel {
            name: (*name).to_owned(),
            url: None,
            rate,
            burst: None,
            concurrency: None,
            token: None,
        };
        let dry = DryRun {
            channels: names.iter().map(dry).collect(),
            routing,
            source,
            source_name: "default".into(),
            mapping: &mapping,
            policy,
            duplicates: Duplicates::default(),
            retry_rejected: false,
            guards: InputGuards::default(),
            selection: Selection::default(),
            on_missing: None,
            listed: 0,
            access: None,
            read_back: false,
            is_recorded: false,
            overrides: Overrides::default(),
            limits: &|_| Limits::default(),
        };
        let refused = dry_run(&harness.dir.path().join("journal.db"), dry, environment).expect_err(&case);
        assert!(matches!(refused, SyncError::NotOneChannel { found } if found == names.len()), "{case}: {refused:?}");
    }
    assert_eq!(harness.sandbox.ledger().len(), 0);
}

#[test]
fn each_interrupted_run_is_resumed_with_the_connection_of_its_channel() {
    let harness = Harness::new();
    let channels = ["north", "south"];
    let connected = |channel: &'static str| {
        let connection = harness.connection(&Wanted { token: channel, ..Wanted::default() });
        (channel.to_owned(), connection)
    };
    let mut csv = "email,site\n".to_owned();
    for row in 0..20 {
        writeln!(csv, "person{row}@example.com,{}", channels[row % 2]).expect("a text grows");
    }
    let source =
        Source::from_reader("in.csv", Box::new(std::io::Cursor::new(csv.into_bytes())), Format::Csv).expect("an input");
    let mapping = Mapping::new(source.header(), vec!["email".into()], Mode::Upsert)
        .and_then(|mapping| mapping.routed_by(source.header(), "site"))
        .expect("a mapping");
    let input = SyncInput {
        source_name: "default".into(),
        channels: channels.map(connected).into(),
        routing: Routing::ByColumn { column: "site".into(), elsewhere: BTreeSet::new(), takes_unknown: true },
        source,
        mapping: &mapping,
        policy: Harness::policy(Mode::Upsert),
        duplicates: Duplicates::default(),
        retry_rejected: false,
        guards: InputGuards::default(),
        selection: Selection::default(),
        access: None,
        on_missing: None,
        approved: None,
        lists: &RowLists::default(),
        overrides: Overrides::default(),
        options: Harness::options(&Wanted { max_calls: Some(6), ..Wanted::default() }),
    };
    let (runtime, stop) = (harness.runtime.handle(), Stop::default());
    let environment = Environment { runtime, clock: &harness.clock, stop: &stop, reporter: &Silent };
    let outcome = sync_input(&harness.workspace(), input, environment).unwrap();
    assert_eq!(outcome.summary.unwrap().state, "stopped");

    let options = ResumeOptions {
        by_channel: true,
        lists: &RowLists::default(),
        access: None,
        overrides: Overrides::default(),
        options: Harness::options(&Wanted::default()),
    };
    let (workspace, before) = (harness.workspace(), harness.sandbox.ledger().len());
    let interrupted = Interrupted::find(&workspace, ["south", "north"], environment).unwrap();
    let resumed = interrupted.resume([connected("north")].into(), options, environment);
    let without = |channel: &str| channel == "south";
    assert!(
        matches!(&resumed, Err(SyncError::Guard(GuardError::NotConnected { channel })) if without(channel)),
        "{resumed:?}"
    );
    assert_eq!(harness.sandbox.ledger().len(), before);

    let interrupted = Interrupted::find(&workspace, ["south", "north"], environment).unwrap();
    let resumed = interrupted.resume(channels.map(connected).into(), options, environment).unwrap();
    assert_eq!(resumed.expect("two runs were left").summary.unwrap().state, "finished");
    for (place, channel) in channels.into_iter().enumerate() {
        let emails: BTreeSet<String> = harness
            .sandbox
            .contacts(channel)
            .iter()
            .map(|contact| contact.fields["email"].text().into_owned())
            .collect();
        let expected = (0..20).filter(|row| row % 2 == place).map(|row| format!("person{row}@example.com")).collect();
        assert_eq!(emails, expected, "{channel}");
    }
}

#[test]
fn a_channel_that_must_not_be_sent_to_is_refused() {
    let harness = Harness::new();
    harness.sync(&harness.workspace(), &Wanted::default(), &Silent).unwrap();
    let other = harness.runtime.block_on(Sandbox::start(Config { rate: 0, ..Config::default() })).unwrap();
    let more = Wanted { rows: 21, ..Wanted::default() };
    let check = |wanted: &Wanted, expected: fn(&GuardError) -> bool| {
        let syncing = harness.sync(&harness.workspace(), wanted, &Silent);
        assert!(matches!(&syncing, Err(SyncError::Guard(error)) if expected(error)), "{syncing:?}");
        assert_eq!(
            (harness.creates(), harness.sandbox.ledger().creates(wanted.token)),
            (20, harness.sandbox.contacts(wanted.token).len())
        );
        assert!(other.ledger().is_empty());
    };
    check(&Wanted { url: Some(other.url()), ..more.clone() }, |error| matches!(error, GuardError::OtherUrl { .. }));
    check(&Wanted { token: "another", ..more.clone() }, |error| matches!(error, GuardError::OtherChannel { .. }));
    check(&Wanted { field: "mail", mode: Mode::Create, ..more.clone() }, |error| {
        matches!(error, GuardError::OtherMatchFields { .. })
    });

    let first = harness.workspace();
    harness.sync(&first, &Wanted::default(), &Silent).unwrap();
    check(&more, |error| matches!(error, GuardError::Lock(LockError::Held { .. })));
    let resumed = harness.resume(&harness.workspace(), &more);
    assert!(matches!(&resumed, Err(SyncError::Guard(GuardError::Lock(LockError::Held { .. })))), "{resumed:?}");
    drop(first);

    // A caller may override a guard.
    let accepted = Overrides { new_token: true, ..Overrides::default() };
    harness.sync(&harness.workspace(), &Wanted { token: "another", overrides: accepted, ..more }, &Silent).unwrap();
}

#[test]
fn a_workspace_can_be_used_again_and_a_channel_only_once_in_a_run() {
    let harness = Harness::new();
    let workspace = harness.workspace();
    for rows in [10, 20] {
        let summary =
            harness.sync(&workspace, &Wanted { rows, ..Wanted::default() }, &Silent).unwrap().summary.unwrap();
        assert_eq!((summary.created, summary.unchanged), (10, u64::try_from(rows).unwrap() - 10));
    }
    let (runtime, stop) = (harness.runtime.handle(), Stop::default());
    let environment = Environment { runtime, clock: &harness.clock, stop: &stop, reporter: &Silent };
    let channel = || ("c".to_owned(), harness.connection(&Wanted::default()));
    let matches = (&["email".to_owned()][..], Harness::policy(Mode::Upsert));
    let check = |channels: Vec<(String, Connection)>, expected: Result<usize, &str>| {
        let locked = workspace.lock(channels, matches, Overrides::default(), environment);
        let locked = locked.map(|locked| locked.channels.len()).map_err(|error| error.to_string());
        assert_eq!(locked, expected.map_err(str::to_owned));
    };
    check(vec![channel()], Ok(1));
    check(vec![channel(), channel()], Err("channel `c`: in use by another run (the test)"));
}

/// Ends the journal's thread as soon as a row has ended.
struct JournalEnder {
    journal: Journal,
    has_ended: AtomicBool,
}

impl Observer for &JournalEnder {
    fn observe(&self, event: &Event<'_>) {
        if !matches!(event, Event::Done { .. }) || self.has_ended.swap(true, Ordering::Relaxed) {
            return;
        }
        let journal = self.journal.clone();
        let ending = thread::spawn(move || {
            let sync = journal.runs(1).expect("the journal works")[0].sync;
            journal.each_row(sync, Rows::All, (), |(), _| panic!("the journal's thread ends here"))
        });
        assert!(matches!(ending.join().expect("it asked the journal"), Err(JournalError::Gone)));
    }
}

impl<'b> Reporter for &'b JournalEnder {
    type Channel<'a>
        = &'b JournalEnder
    where
        Self: 'a;

    fn notify(&self, _: &Notification<'_>) {}

    fn channels<'a>(&'a self, names: &[&str]) -> Vec<&'b JournalEnder> {
        vec![*self; names.len()]
    }
}

#[test]
fn rows_that_cannot_be_counted_are_not_reported_as_none() {
    let harness = Harness::new();
    let workspace = harness.workspace();
    let ender = JournalEnder { journal: workspace.journal().clone(), has_ended: AtomicBool::new(false) };
    let outcome = harness.sync(&workspace, &Wanted::default(), &&ender).unwrap();
    assert!(matches!(outcome.channels[0].ending, Err(JournalError::Gone)), "{outcome:?}");
    assert!(matches!(outcome.summary, Err(JournalError::Gone)), "{outcome:?}");
    drop((workspace, ender));

    let resumed = harness.resume(&harness.workspace(), &Wanted::default()).unwrap().expect("a run was left");
    assert_eq!(resumed.summary.unwrap().state, "finished");
    assert_eq!((harness.sandbox.contacts(TOKEN).len(), harness.creates()), (20, 20));
}

#[test]
fn a_missing_journal_is_not_created_for_a_probe() {
    let harness = Harness::new();
    let path = harness.dir.path().join("other.db");
    let workspace = Workspace::open_to_probe(&path, "the test").unwrap();
    let (runtime, stop) = (harness.runtime.handle(), Stop::default());
    let environment = Environment { runtime, clock: &harness.clock, stop: &stop, reporter: &Silent };
    let held = workspace.hold_to_probe("c", harness.connection(&Wanted::default()), environment).unwrap();
    assert_eq!(held.name(), "c");
    let files = |dir: &Path| std::fs::read_dir(dir).unwrap().count();
    assert_eq!(files(harness.dir.path()), 0);
}
