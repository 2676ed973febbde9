//! `demo`: the main job in small. It starts the sandbox in this process, imports a file, shows what is there, and runs
//! again to show that nothing is left to do.

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use contactsync::client::{ChannelKind, Timeouts};
use contactsync::report::{PlanError, RunSummary};
use contactsync::sandbox::{Config, Faults, Sandbox};
use contactsync::{
    BaseUrl, Clock, Connection, Duplicates, Environment, Format, Http, KEPT_HISTORY, Limits, Mapping, Mode,
    OUTAGE_TIMEOUT, Overrides, Policy, Routing, RowLists, RunOptions, Source, Stop, SyncError, SyncInput, TagsMode,
    Token, Workspace, sync_input,
};
use tokio::runtime::Runtime;

use crate::commands::request::seed;
use crate::commands::runtime;
use crate::failure::{Exit, Failure};
use crate::render::console::{Console, Level};
use crate::render::notices::{Announcement, Notices};
use crate::render::progress::Progress;
use crate::render::reporter::Printer;
use crate::render::summary::{print, print_lines, run_text};
use crate::signals;

const NAME: &str = "fixtures/contacts.csv";
const CONTACTS: &str = include_str!("../../../../fixtures/contacts.csv");
const TOKEN: &str = "demo";
const CHANNEL: &str = "demo";

/// The documented limit. The file's 20 contacts take 60 calls when nothing fails, and with what lost answers cost still fewer
/// than a minute's 100.
const RATE: NonZeroU32 = NonZeroU32::new(100).expect("100 is not 0");

/// Some answers get lost after their effect: what makes a careless import create contacts twice.
const FAULTS: f64 = 0.04;

pub fn run(console: &Console) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let faults = Faults { seed: 2, lose_after: FAULTS, ..Faults::default() };
    let config = Config { rate: RATE.get(), tokens: vec![TOKEN.into()], faults, ..Config::default() };
    let sandbox = runtime.block_on(Sandbox::start(config)).map_err(|error| Failure::unexpected(&error))?;
    print(&format!(
        "Sandbox platform at {}: {RATE} calls a minute, {:.0} % of its answers are lost.",
        sandbox.url(),
        FAULTS * 100.0
    ))?;
    let demo = Demo::new(&runtime, &sandbox, console)?;

    print_lines(&["", &format!("Importing {NAME}, matched by `phone`:")])?;
    let Some(first) = demo.sync(console)? else { return Ok(demo.stopped(console)) };
    print_lines(&run_text(&first))?;
    if demo.stop.reason().is_some() {
        return Ok(demo.stopped(console));
    }

    let contacts = sandbox.contacts(TOKEN);
    let lost = sandbox.ledger().calls().iter().filter(|call| !call.delivered).count();
    let creates = sandbox.ledger().creates(TOKEN);
    let has = format!("The platform has {} contacts from {creates} creates;", contacts.len());
    print_lines(&["", &format!("{has} {lost} of its answers were lost. Two of them:")])?;
    for contact in contacts.iter().take(2) {
        let fields: Vec<String> =
            contact.fields.iter().map(|(name, value)| format!("{name}: {}", value.text())).collect();
        let tags: Vec<&str> = contact.tags.iter().map(String::as_str).collect();
        print(&format!("  {}  {}  [{}]", contact.id, fields.join(", "), tags.join(", ")))?;
    }

    print_lines(&["", "The same file again:"])?;
    let Some(second) = demo.sync(console)? else { return Ok(demo.stopped(console)) };
    print_lines(&run_text(&second))?;
    if demo.stop.reason().is_some() {
        return Ok(demo.stopped(console));
    }
    print_lines(&["", "Next: `contactsync plan YOUR.csv --match FIELD` shows what a sync of your own file would do."])?;

    let right = contacts.len() == usize::try_from(first.rows).unwrap_or(0) && first.created == first.rows;
    let idle = second.unchanged == second.rows && second.calls.total == 0;
    Ok(if right && idle { Exit::Done } else { Exit::Stopped })
}

struct Demo<'a> {
    runtime: &'a Runtime,
    url: BaseUrl,
    workspace: Workspace,
    clock: Clock,
    stop: Stop,
}

impl<'a> Demo<'a> {
    fn new(runtime: &'a Runtime, sandbox: &Sandbox, console: &Console) -> Result<Self, Failure> {
        let url = BaseUrl::parse(&sandbox.url(), false).map_err(|error| Failure::unexpected(&error))?;
        let stop = Stop::default();
        signals::listen(stop.clone(), console.clone(), Arc::default()).map_err(|error| Failure::unexpected(&error))?;
        Ok(Self { runtime, url, workspace: Workspace::in_memory()?, clock: Clock::system(), stop })
    }

    // The exit after a signal. Nothing of the demo is stored, so there is nothing to resume.
    fn stopped(&self, console: &Console) -> Exit {
        let reason = self.stop.reason().map_or_else(|| "stopped".into(), |reason| reason.text());
        console.say(Level::Exit, &format!("the demo was {reason}"));
        Exit::Stopped
    }

    // `None` when it was stopped before anything was sent.
    fn sync(&self, console: &Console) -> Result<Option<RunSummary>, Failure> {
        let source = Source::from_reader(NAME, Box::new(CONTACTS.as_bytes()), Format::Csv)
            .map_err(|error| Failure::unexpected(&error))?;
        let policy = Policy {
            mode: Mode::Upsert,
            tags_mode: TagsMode::Add,
            search_lag: Duration::from_secs(10),
            retry_in_doubt: false,
            search_first: false,
        };
        let mapping = Mapping::new(source.header(), vec!["phone".into()], policy.mode)
            .map_err(|error| Failure::unexpected(&error))?;
        let token = Token::new(TOKEN).map_err(|error| Failure::unexpected(&error))?;
        let http = Http::new(self.url.clone(), token, ChannelKind::Standard, Timeouts::default())
            .map_err(|error| Failure::unexpected(&error))?;
        let input = SyncInput {
            channels: vec![(CHANNEL.into(), Connection::new(http, RATE))],
            routing: Routing::One,
            source,
            source_name: "default".into(),
            mapping: &mapping,
            policy,
            duplicates: Duplicates::default(),
            retry_rejected: false,
            max_changes: None,
            lists: &RowLists::default(),
            overrides: Overrides::default(),
            options: RunOptions {
                limits: Limits::default(),
                outage_timeout: OUTAGE_TIMEOUT,
                keep_history: KEPT_HISTORY,
                seed: seed(&self.clock),
            },
        };
        let printer = Printer {
            notices: Notices { console, announcement: Announcement::default() },
            progress: Progress::new(console, NAME),
            channels: None,
            reading: Arc::default(),
            input_notices: RefCell::default(),
        };
        let (runtime, clock, stop) = (self.runtime.handle(), &self.clock, &self.stop);
        let environment = Environment { runtime, clock, stop, reporter: &printer };
        match sync_input(&self.workspace, input, environment) {
            Ok(outcome) => Ok(Some(outcome.summary?)),
            Err(SyncError::Plan(PlanError::Stopped)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
