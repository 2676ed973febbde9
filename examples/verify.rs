//! A contact is edited on the platform; `verify` finds the difference, and the next sync repairs it with one call.
//!
//! Run it with `cargo run --example verify`. It needs no account and writes no file.

use std::error::Error;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use contactsync::client::{ChannelKind, Client, ClientOptions, Timeouts};
use contactsync::read_back::{Remedy, Verify, verify};
use contactsync::report::Summary;
use contactsync::sandbox::{Config, Sandbox};
use contactsync::{
    BaseUrl, Clock, Connection, Environment, Field, Format, Http, Mapping, Mode, Policy, Silent, Source, Stop,
    SyncInput, Token, Workspace, sync_input,
};

const CONTACTS: &str = "\
phone,firstName,plan
+525550001001,Ana,pro
+525550001002,Luis,free
";

/// How long a new contact may be missing from a search. The sandbox finds it at once; platforms need 30 seconds.
const SEARCH_LAG: Duration = Duration::ZERO;

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut io::stdout())
}

/// Syncs two contacts, edits one on the platform, verifies and repairs it, and writes what was found.
///
/// # Errors
/// Any error of the library or of the writer.
pub fn run(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let sandbox = runtime.block_on(Sandbox::start(Config::default()))?;
    let workspace = Workspace::in_memory()?;
    let (clock, stop) = (Clock::system(), Stop::default());
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &Silent };

    let first = sync(&workspace, &sandbox, environment)?;
    writeln!(out, "created {}", first.created)?;

    // Edits the contact as a person on the platform would.
    let client = Client::open(&workspace, channel(&sandbox)?, ClientOptions::default(), environment)?;
    let found = client.find(&Field::text("phone", "+525550001001"))?;
    let ana = found.first().ok_or("the sandbox has lost a contact")?;
    client.update(&ana.id, &[Field::text("plan", "free")])?;
    drop(client);

    let known = Verify { remedy: Remedy::Repair, search_lag: SEARCH_LAG, ..Verify::new(channel(&sandbox)?) };
    let verified = verify(&workspace, Path::new(""), known, environment)?;
    for contact in &verified.differing {
        writeln!(out, "differs: {}", contact.key)?;
    }

    let second = sync(&workspace, &sandbox, environment)?;
    writeln!(out, "updated {}, unchanged {}, calls {}", second.updated, second.unchanged, second.calls.total)?;
    runtime.block_on(sandbox.stop());
    Ok(())
}

fn channel(sandbox: &Sandbox) -> Result<(String, Connection), Box<dyn Error>> {
    let url = BaseUrl::parse(&sandbox.url(), false)?;
    let http = Http::new(url, Token::new("any")?, ChannelKind::Standard, Timeouts::default())?;
    Ok(("example".into(), Connection::new(http, NonZeroU32::new(100).expect("100 is not 0"))))
}

fn sync(
    workspace: &Workspace,
    sandbox: &Sandbox,
    environment: Environment<'_, Silent>,
) -> Result<Summary<u64>, Box<dyn Error>> {
    let source = Source::from_reader("contacts.csv", Box::new(CONTACTS.as_bytes()), Format::Csv)?;
    let mapping = Mapping::new(source.header(), vec!["phone".into()], Mode::Upsert)?;
    let policy = Policy { search_lag: SEARCH_LAG, ..Policy::new(Mode::Upsert) };
    let mut input = SyncInput::new(vec![channel(sandbox)?], source, &mapping, policy);
    input.options.read_back = false;
    Ok(sync_input(workspace, input, environment)?.summary?)
}
