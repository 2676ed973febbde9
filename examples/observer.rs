//! Two channels at the same time, followed by an observer of their progress.
//!
//! Run it with `cargo run --example observer`. It needs no account and writes no file.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::num::NonZeroU32;

use contactsync::client::{ChannelKind, Timeouts};
use contactsync::report::CallKind;
use contactsync::sandbox::{Config, Fault, Faults, Rule, Sandbox};
use contactsync::{
    BaseUrl, Clock, Connection, Environment, Event, Format, Http, Mapping, Mode, Notification, Observer, Policy,
    Reporter, Routing, RunOptions, Source, Stop, SyncInput, Token, Workspace, sync_input,
};

/// Collects the lines that a program would show.
#[derive(Default)]
struct Screen(RefCell<Vec<String>>);

/// The progress of one channel.
struct Progress<'a> {
    channel: String,
    screen: &'a Screen,
    // Rows that are done, and all rows that are sent.
    rows: Cell<(u64, u64)>,
}

impl Screen {
    fn show(&self, line: String) {
        self.0.borrow_mut().push(line);
    }
}

impl Observer for Progress<'_> {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Sending { pending, limit, .. } => {
                self.rows.set((0, *pending));
                self.screen.show(format!("{}: {pending} contacts at {limit} calls a minute", self.channel));
            }
            Event::Done { .. } => {
                let (done, all) = self.rows.get();
                self.rows.set((done + 1, all));
                if done + 1 == all {
                    self.screen.show(format!("{}: all {all} contacts are done", self.channel));
                }
            }
            Event::Trouble { kind, .. } => self.screen.show(format!("{}: a {} failed", self.channel, kind.name())),
            // The events grow with the library: others are left out here.
            _ => {}
        }
    }
}

// As an observer, the screen follows the reading of the input; sending is followed by channel.
impl Observer for Screen {
    fn observe(&self, _: &Event<'_>) {}
}

impl Reporter for Screen {
    type Channel<'a> = Progress<'a>;

    fn notify(&self, notification: &Notification<'_>) {
        if let Notification::Planned(_) = notification {
            self.show("the input is planned".to_owned());
        }
    }

    fn channels<'a>(&'a self, names: &[&str]) -> Vec<Progress<'a>> {
        let progress = |name: &&str| Progress { channel: (*name).to_owned(), screen: self, rows: Cell::new((0, 0)) };
        names.iter().map(progress).collect()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut io::stdout())
}

/// Syncs ten contacts to two channels of a platform that fails at first, and writes the progress.
///
/// # Errors
/// Any error of the library or of the writer.
pub fn run(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    // The first two searches are answered with an error, and repeated.
    let rules = vec![Rule::always(Fault::Error).on(CallKind::Find).until_call(2)];
    let faults = Faults { rules, ..Faults::default() };
    let sandbox = runtime.block_on(Sandbox::start(Config { faults, ..Config::default() }))?;
    let connect = |token: &str| -> Result<Connection, Box<dyn Error>> {
        let url = BaseUrl::parse(&sandbox.url(), false)?;
        let http = Http::new(url, Token::new(token)?, ChannelKind::Standard, Timeouts::default())?;
        Ok(Connection::new(http, NonZeroU32::new(100).expect("100 is not 0")))
    };

    let mut csv = "phone,office\n".to_owned();
    for row in 0..10 {
        writeln!(csv, "+52555000100{row},{}", ["north", "south"][row % 2])?;
    }
    let source = Source::from_reader("contacts.csv", Box::new(io::Cursor::new(csv)), Format::Csv)?;
    let mapping = Mapping::new(source.header(), vec!["phone".into()], Mode::Upsert)?;
    let mapping = mapping.routed_by(source.header(), "office")?;
    let workspace = Workspace::in_memory()?;
    let channels = vec![("north".into(), connect("token-north")?), ("south".into(), connect("token-south")?)];
    let by_office = Routing::ByColumn { column: "office".into(), elsewhere: BTreeSet::new(), takes_unknown: true };
    let input = SyncInput {
        routing: by_office,
        options: RunOptions { read_back: false, ..RunOptions::default() },
        ..SyncInput::new(channels, source, &mapping, Policy::new(Mode::Upsert))
    };
    let (clock, stop, screen) = (Clock::system(), Stop::default(), Screen::default());
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &screen };
    let outcome = sync_input(&workspace, input, environment)?;
    for line in screen.0.borrow().iter() {
        writeln!(out, "{line}")?;
    }
    for channel in &outcome.channels {
        let ending = channel.ending.as_ref().map_err(ToString::to_string)?;
        writeln!(out, "{}: {}", channel.name, if ending.stopped.is_none() { "finished" } else { "stopped" })?;
    }
    writeln!(out, "{}", outcome.summary?.to_json())?;
    runtime.block_on(sandbox.stop());
    Ok(())
}
