//! `demo`: the main job in small. It starts the sandbox in this process, imports a file, shows what is there, and runs
//! again to show that nothing is left to do.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use contactsync::sandbox::{Config, Faults, Sandbox};
use contactsync::{
    BaseUrl, ChannelKind, Clock, Format, Http, Journal, Limits, Mapping, Mode, NewRun, OUTAGE_TIMEOUT, PlanError,
    PlanOptions, Policy, Routes, RunSummary, Source, Stop, TIMEOUT, TagsMode, Timeouts, Token, plan,
};
use tokio::runtime::Runtime;

use crate::commands::bring::{Sendable, Sending};
use crate::commands::other_runs::OtherRuns;
use crate::commands::runtime;
use crate::commands::workspace::Ready;
use crate::console::{Console, Level};
use crate::failure::{Exit, Failure};
use crate::progress::Progress;
use crate::settings::Connection;
use crate::signals;
use crate::summary::{print, print_lines, run_text};

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
        "A platform in this process, at {}: {RATE} calls a minute, and it loses {:.0} % of its answers.",
        sandbox.url(),
        FAULTS * 100.0
    ))?;
    let demo = Demo::new(&runtime, &sandbox, console)?;

    print_lines(&["", &format!("Bringing {NAME} to it, matched by `phone`:")])?;
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
    print_lines(&["", "Next: `contactsync plan YOUR.csv --match FIELD` says what a sync of your own file would do."])?;

    let right = contacts.len() == usize::try_from(first.rows).unwrap_or(0) && first.created == first.rows;
    let idle = second.unchanged == second.rows && second.calls.total == 0;
    Ok(if right && idle { Exit::Done } else { Exit::Stopped })
}

struct Demo<'a> {
    runtime: &'a Runtime,
    journal: Journal,
    to: Ready,
    policy: Policy,
    clock: Clock,
    stop: Stop,
}

impl<'a> Demo<'a> {
    fn new(runtime: &'a Runtime, sandbox: &Sandbox, console: &Console) -> Result<Self, Failure> {
        let url = BaseUrl::parse(&sandbox.url(), false).map_err(|error| Failure::unexpected(&error))?;
        let token = Token::new(TOKEN).map_err(|error| Failure::unexpected(&error))?;
        let kind = ChannelKind::Standard;
        let transport =
            Http::new(url.clone(), token, kind, Timeouts::default()).map_err(|error| Failure::unexpected(&error))?;
        let stop = Stop::default();
        signals::listen(stop.clone(), console.clone(), Arc::default()).map_err(|error| Failure::unexpected(&error))?;
        let journal = Journal::in_memory()?;
        let window = transport.window(&journal.salt()?);
        let connection = Connection {
            url,
            kind,
            transport,
            rate: RATE,
            burst: None,
            concurrency: None,
            call_timeout: TIMEOUT,
            renewal: None,
            warning: None,
        };
        Ok(Self {
            runtime,
            journal,
            to: Ready { name: CHANNEL.into(), connection, window },
            policy: Policy {
                mode: Mode::Upsert,
                tags_mode: TagsMode::Add,
                search_lag: std::time::Duration::from_secs(10),
                retry_in_doubt: false,
                search_first: false,
            },
            clock: Clock::system(),
            stop,
        })
    }

    // The exit after a signal. Nothing of the demo is kept, so that there is nothing to go on with.
    fn stopped(&self, console: &Console) -> Exit {
        let reason = self.stop.reason().map_or_else(|| "stopped".into(), |reason| reason.text());
        console.say(Level::Exit, &format!("the demo was {reason}"));
        Exit::Stopped
    }

    // `None` when it was stopped before anything was sent.
    fn sync(&self, console: &Console) -> Result<Option<RunSummary>, Failure> {
        let source = Source::from_reader(NAME, Box::new(CONTACTS.as_bytes()), Format::Csv)
            .map_err(|error| Failure::unexpected(&error))?;
        let mapping = Mapping::new(source.header(), vec!["phone".into()], self.policy.mode)
            .map_err(|error| Failure::unexpected(&error))?;
        let new = NewRun {
            channel: CHANNEL.into(),
            url: self.to.connection.url.to_string(),
            kind: self.to.connection.kind.name().into(),
            rate: RATE.get(),
            input: NAME.into(),
            policy: self.policy,
            now: self.clock.now(),
        };
        let progress = Progress::new(console, NAME);
        let routes = Routes::One(new);
        let run = match plan(&self.journal, source, &mapping, routes, PlanOptions::default(), &progress, &self.stop) {
            Ok(planned) => planned.runs[0],
            Err(PlanError::Stopped) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let sending = Sending {
            runtime: self.runtime,
            journal: &self.journal,
            runs: vec![Sendable { run, policy: self.policy, to: &self.to, listed: None }],
            other_runs: OtherRuns::default(),
            by_channel: false,
            limits: Limits::default(),
            outage_timeout: OUTAGE_TIMEOUT,
            clock: &self.clock,
            stop: &self.stop,
            tokens: None,
            refused: BTreeMap::new(),
        };
        Ok(Some(sending.send(&progress)?.summary))
    }
}
