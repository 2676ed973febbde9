//! A program that uses the library has the guarantees of the command line: the same order of locks, guards, planning and
//! sending, and no way around it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use contactsync::client::{ChannelKind, Client, ClientError, ClientOptions, Timeouts};
use contactsync::contact::ContactId;
use contactsync::engine::Rows;
use contactsync::history::{JournalError, LockError};
use contactsync::report::{CallKind, PlanError};
use contactsync::sandbox::{Config, Fault, Faults, Rule, Sandbox};
use contactsync::{
    BaseUrl, Clock, Connection, DryChannel, DryRun, Environment, Event, Field, Format, GuardError, Http, Interrupted,
    Journal, Limits, Mapping, Mode, Notification, Observer, Overrides, Policy, Reporter, ResumeOptions, Routing,
    RunOptions, Silent, Source, Stop, StopReason, SyncError, SyncInput, SyncOutcome, Token, Workspace, dry_run,
    sync_input,
};
use tokio::runtime::Runtime;

#[path = "../examples/client.rs"]
#[expect(dead_code, reason = "`main` is for the program")]
mod client_example;
#[path = "../examples/import.rs"]
#[expect(dead_code, reason = "`main` is for the program")]
mod import_example;
#[path = "../examples/observer.rs"]
#[expect(dead_code, reason = "`main` is for the program")]
mod observer_example;
#[path = "../examples/verify.rs"]
#[expect(dead_code, reason = "`main` is for the program")]
mod verify_example;

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
        Policy { search_lag: Duration::from_millis(100), ..Policy::new(mode) }
    }

    fn options(wanted: &Wanted) -> RunOptions {
        let limits = Limits { max_calls: wanted.max_calls, until: None };
        RunOptions { limits, read_back: false, ..RunOptions::default() }
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
        let channel = ("c".into(), self.connection(wanted));
        let input = SyncInput {
            overrides: wanted.overrides,
            options: Self::options(wanted),
            ..SyncInput::new(vec![channel], source, &mapping, policy)
        };
        let (runtime, stop) = (self.runtime.handle(), Stop::default());
        sync_input(workspace, input, Environment { runtime, clock: &self.clock, stop: &stop, reporter })
    }

    fn resume(&self, workspace: &Workspace, wanted: &Wanted) -> Result<Option<SyncOutcome>, SyncError> {
        let (runtime, stop) = (self.runtime.handle(), Stop::default());
        let environment = Environment { runtime, clock: &self.clock, stop: &stop, reporter: &Silent };
        let interrupted = Interrupted::find(workspace, ["c"], environment)?;
        let connections = interrupted.runs().iter().map(|run| (run.channel.clone(), self.connection(wanted))).collect();
        let options =
            ResumeOptions { overrides: wanted.overrides, options: Self::options(wanted), ..ResumeOptions::default() };
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
            routing: routing.clone(),
            ..SyncInput::new(names.iter().map(connected).collect(), source, &mapping, policy)
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
        let dry = |name: &&str| DryChannel::new((*name).to_owned(), rate);
        let dry = DryRun { routing, ..DryRun::new(names.iter().map(dry).collect(), source, &mapping, policy) };
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
        routing: Routing::ByColumn { column: "site".into(), elsewhere: BTreeSet::new(), takes_unknown: true },
        options: Harness::options(&Wanted { max_calls: Some(6), ..Wanted::default() }),
        ..SyncInput::new(channels.map(connected).into(), source, &mapping, Harness::policy(Mode::Upsert))
    };
    let (runtime, stop) = (harness.runtime.handle(), Stop::default());
    let environment = Environment { runtime, clock: &harness.clock, stop: &stop, reporter: &Silent };
    let outcome = sync_input(&harness.workspace(), input, environment).unwrap();
    assert_eq!(outcome.summary.unwrap().state, "stopped");

    let options =
        ResumeOptions { by_channel: true, options: Harness::options(&Wanted::default()), ..ResumeOptions::default() };
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
        let refused = match &syncing {
            Err(SyncError::Guard(error) | SyncError::Plan(PlanError::Guard(error))) => expected(error),
            _ => false,
        };
        assert!(refused, "{syncing:?}");
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

/// Opens a client of the harness's sandbox for the time of `work`.
fn with_client<T>(harness: &Harness, wanted: &Wanted, work: impl FnOnce(&Client<'_, Silent>) -> T) -> T {
    let workspace = harness.workspace();
    let stop = Stop::default();
    let environment =
        Environment { runtime: harness.runtime.handle(), clock: &harness.clock, stop: &stop, reporter: &Silent };
    let limits = Limits { max_calls: wanted.max_calls, until: None };
    let options = ClientOptions { limits, ..ClientOptions::default() };
    let client = Client::open(&workspace, ("c".into(), harness.connection(wanted)), options, environment);
    work(&client.expect("a client"))
}

#[test]
fn the_six_calls_do_what_their_names_say() {
    let harness = Harness::new();
    with_client(&harness, &Wanted::default(), |client| {
        let email = Field::text("email", "ana@example.com");
        assert_eq!(client.find(&email).unwrap(), []);
        let id = client.create(&[email.clone(), Field::text("firstName", "Ana")]).unwrap();
        client.update(&id, &[Field::text("plan", "pro")]).unwrap();
        client.add_tags(&id, &["lead", "vip"]).unwrap();
        client.remove_tags(&id, &["lead"]).unwrap();
        let read = client.read(&id).unwrap().unwrap();
        assert_eq!((read.fields["plan"].text().as_ref(), read.tags.len()), ("pro", 1));
        assert_eq!(client.find(&email).unwrap(), [read]);

        let missing = ContactId::new("0").unwrap();
        assert_eq!(client.read(&missing).unwrap(), None);
        assert!(matches!(client.update(&missing, &[email]), Err(ClientError::Missing(_))));
    });
    assert_eq!(harness.sandbox.contacts(TOKEN).len(), 1);

    // The next process counts the calls of this one.
    let made = u32::try_from(harness.sandbox.ledger().len()).unwrap();
    for (rate, is_full) in [(made, true), (made + 1, false)] {
        let (workspace, stop) = (harness.workspace(), Stop::default());
        let environment =
            Environment { runtime: harness.runtime.handle(), clock: &harness.clock, stop: &stop, reporter: &Silent };
        let mut connection = harness.connection(&Wanted::default());
        connection.rate = NonZeroU32::new(rate).unwrap();
        // Time for a call that starts at once, and not for one that waits for the minute to end.
        let until = Some(harness.clock.now() + contactsync::client::TIMEOUT + Duration::from_secs(5));
        let options = ClientOptions { limits: Limits { max_calls: None, until }, ..ClientOptions::default() };
        let client = Client::open(&workspace, ("c".into(), connection), options, environment).unwrap();
        let found = client.find(&Field::text("email", "ana@example.com"));
        assert_eq!(matches!(found, Err(ClientError::Stopped(StopReason::Deadline))), is_full, "{rate}: {found:?}");
    }
}

#[test]
fn a_search_walks_all_pages_and_keeps_exact_hits() {
    let harness = Harness::new();
    let city = |city: &str| [Field::text("city", city)];
    for _ in 0..23 {
        harness.sandbox.insert(TOKEN, city("Lima"), Vec::<String>::new());
    }
    harness.sandbox.insert(TOKEN, city("Lima Norte"), Vec::<String>::new());
    with_client(&harness, &Wanted::default(), |client| {
        let lima = Field::text("city", "Lima");
        assert_eq!(client.find(&lima).unwrap().len(), 23);
        let first = client.find_page(&lima, 1).unwrap();
        assert_eq!((first.contacts.len(), first.has_more, first.total), (10, true, Some(24)));
    });
}

#[test]
fn a_client_sends_no_call_that_the_platform_would_refuse_for_its_size() {
    let harness = Harness::new();
    with_client(&harness, &Wanted::default(), |client| {
        let id = ContactId::new("1").unwrap();
        let fields: Vec<Field> = (0..31).map(|at| Field::text(format!("f{at}"), "x")).collect();
        let tags: Vec<String> = (0..11).map(|at| format!("tag{at}")).collect();
        let check = |result: Result<(), ClientError>, expected: &str| {
            assert_eq!(result.expect_err(expected).to_string(), expected);
        };
        check(client.create(&fields).map(drop), "31 fields in one call; the maximum is 30");
        check(client.update(&id, &fields), "31 fields in one call; the maximum is 30");
        check(client.add_tags(&id, &tags), "11 tags in one call; the maximum is 10");
        check(client.remove_tags(&id, &["x".repeat(256)]), "a tag has 256 characters; the maximum is 255");
    });
    assert!(harness.sandbox.ledger().is_empty());
}

#[test]
fn a_create_whose_answer_is_lost_is_in_doubt_and_not_repeated() {
    let harness = Harness::new();
    harness.sandbox.set_faults(Faults { lose_after: 1.0, ..Faults::default() });
    with_client(&harness, &Wanted::default(), |client| {
        let email = Field::text("email", "ana@example.com");
        let created = client.create(std::slice::from_ref(&email));
        assert!(matches!(created, Err(ClientError::InDoubt(_))), "{created:?}");
        assert_eq!(harness.creates(), 1);
        harness.sandbox.set_faults(Faults::default());
        assert_eq!(client.find(&email).unwrap().len(), 1);
    });
    // An update is repeated.
    let rule = Rule::always(Fault::LoseAfter).on(CallKind::Update).until_call(2);
    harness.sandbox.set_faults(Faults { rules: vec![rule], ..Faults::default() });
    with_client(&harness, &Wanted::default(), |client| {
        let id = client.find(&Field::text("email", "ana@example.com")).unwrap().remove(0).id;
        client.update(&id, &[Field::text("plan", "pro")]).unwrap();
    });
    assert_eq!(harness.sandbox.ledger().by_kind(TOKEN)[&CallKind::Update], 2);
}

#[test]
fn a_client_keeps_to_its_limit_of_calls_and_to_a_refused_token() {
    let harness = Harness::new();
    let email = Field::text("email", "ana@example.com");
    with_client(&harness, &Wanted { max_calls: Some(3), ..Wanted::default() }, |client| {
        for _ in 0..3 {
            client.find(&email).unwrap();
        }
        let refused = client.find(&email);
        assert!(matches!(refused, Err(ClientError::Stopped(StopReason::MaxCalls(3)))), "{refused:?}");
    });
    assert_eq!(harness.sandbox.ledger().len(), 3);
    harness.sandbox.refuse_token(TOKEN);
    with_client(&harness, &Wanted::default(), |client| {
        let refused = client.find(&email);
        assert!(matches!(refused, Err(ClientError::Stopped(StopReason::Unauthorized(_)))), "{refused:?}");
    });
}

#[test]
fn a_client_is_refused_a_channel_of_other_contacts_or_of_a_run() {
    let harness = Harness::new();
    harness.sync(&harness.workspace(), &Wanted::default(), &Silent).unwrap();
    let (workspace, stop) = (harness.workspace(), Stop::default());
    let environment =
        Environment { runtime: harness.runtime.handle(), clock: &harness.clock, stop: &stop, reporter: &Silent };
    let open = |wanted: &Wanted| {
        let channel = ("c".to_owned(), harness.connection(wanted));
        Client::open(&workspace, channel, ClientOptions::default(), environment).map(drop)
    };
    let other = harness.runtime.block_on(Sandbox::start(Config { rate: 0, ..Config::default() })).unwrap();
    let refused = open(&Wanted { url: Some(other.url()), ..Wanted::default() });
    assert!(matches!(refused, Err(GuardError::OtherUrl { .. })), "{refused:?}");
    open(&Wanted::default()).unwrap();

    let second = harness.workspace();
    let channel = ("c".to_owned(), harness.connection(&Wanted::default()));
    let held = Client::open(&second, channel, ClientOptions::default(), environment).map(drop);
    assert!(matches!(held, Err(GuardError::Lock(LockError::Held { .. }))), "{held:?}");
    assert!(other.ledger().is_empty());
}

/// What an example writes.
fn output<E: std::fmt::Debug>(run: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> String {
    let mut out = Vec::new();
    run(&mut out).expect("the example succeeds");
    String::from_utf8(out).expect("text")
}

#[test]
fn the_examples_run() {
    let imported = output(import_example::run);
    assert!(imported.starts_with("line "), "{imported}");
    assert!(imported.contains("\"created\":2") && imported.contains("\"rejected\":1"), "{imported}");
    assert_eq!(
        output(client_example::run),
        "found: 0\nfirstName: Ana\nphone: +525550001001\nplan: pro\ntags: customer\nfound: 1\n"
    );
    let observed = output(observer_example::run);
    for line in ["the input is planned", "north: 5 contacts at 100 calls a minute", "south: all 5 contacts are done"] {
        assert!(observed.contains(line), "{line}: {observed}");
    }
    assert!(observed.contains(" failed\n") && observed.contains("\"created\":10"), "{observed}");
    assert_eq!(
        output(verify_example::run),
        "created 2\ndiffers: phone=+525550001001\nupdated 1, unchanged 1, calls 1\n"
    );
}
