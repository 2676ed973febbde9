//! A minimal sync: reads a CSV, plans it, sends it to a sandbox platform in this process, and prints the summary.
//!
//! Run it with `cargo run --example import`. It needs no account and writes no file.

use std::cell::RefCell;
use std::error::Error;
use std::io::{self, Write};
use std::num::NonZeroU32;

use contactsync::client::{ChannelKind, Timeouts};
use contactsync::sandbox::{Config, Sandbox};
use contactsync::{
    BaseUrl, Clock, Connection, Environment, Event, Format, Http, Mapping, Mode, Notification, Observer, Policy,
    Reporter, Source, Stop, SyncInput, Token, Workspace, sync_input,
};

const CONTACTS: &str = "\
phone,firstName,tags
+525550001001,Ana,customer;newsletter
+525550001002,Luis,lead
,Diego,lead
";

/// Calls a minute. It counts for the token, so use the number that the platform states.
const RATE: NonZeroU32 = NonZeroU32::new(100).expect("100 is not 0");

/// What the sync reports goes where an observer takes it: a bar, a log, or, here, one line for each row.
struct Printed<W>(RefCell<W>);

impl<W: Write> Printed<W> {
    // An observer cannot fail: a line that cannot be written is left out.
    fn print(&self, line: &str) {
        let _ = writeln!(self.0.borrow_mut(), "{line}");
    }
}

impl<W: Write> Observer for Printed<W> {
    fn observe(&self, event: &Event<'_>) {
        if let Event::Done { line, outcome, .. } = event {
            self.print(&format!("line {line}: {outcome:?}"));
        }
    }
}

impl<W: Write> Reporter for Printed<W> {
    type Channel<'a>
        = &'a Self
    where
        Self: 'a;

    fn notify(&self, notification: &Notification<'_>) {
        if let Notification::JournalLoss { channel, loss } = notification {
            self.print(&format!("channel {channel}: {loss:?}"));
        }
    }

    fn channels<'a>(&'a self, names: &[&str]) -> Vec<&'a Self> {
        vec![self; names.len()]
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut io::stdout())
}

/// Imports three rows, and writes one line for each and the summary.
///
/// # Errors
/// Any error of the library or of the writer.
pub fn run(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    // It drives connections and timers. The use cases block, so that they are called from outside of it.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;

    // The platform. A real one is a URL and a token; the rest stays the same.
    let sandbox = runtime.block_on(Sandbox::start(Config::default()))?;
    let url = BaseUrl::parse(&sandbox.url(), false)?;
    let http = Http::new(url, Token::new("any")?, ChannelKind::Standard, Timeouts::default())?;

    // The journal. `Workspace::open` keeps it in a file, which is what makes a killed process lose nothing.
    let workspace = Workspace::in_memory()?;

    let source = Source::from_reader("contacts.csv", Box::new(CONTACTS.as_bytes()), Format::Csv)?;
    let mapping = Mapping::new(source.header(), vec!["phone".into()], Mode::Upsert)?;

    // The channel is locked and compared with what the journal knows of it; the input is planned; what is pending is sent.
    // `stop.ask(…)` from anywhere would end it early.
    // The other fields of `SyncInput` have the defaults of the program: `input.guards.max_changes = …` changes one.
    let channel = ("example".into(), Connection::new(http, RATE));
    let input = SyncInput::new(vec![channel], source, &mapping, Policy::new(Mode::Upsert));
    let (clock, stop) = (Clock::system(), Stop::default());
    let printed = Printed(RefCell::new(out));
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &printed };
    let outcome = sync_input(&workspace, input, environment)?;
    printed.print(&outcome.summary?.to_json());

    runtime.block_on(sandbox.stop());
    Ok(())
}
