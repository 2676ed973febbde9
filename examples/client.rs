//! The six calls by hand: each waits for the rate limit, is journaled, and is repeated where that is safe.
//!
//! Run it with `cargo run --example client`. It needs no account and writes no file.

use std::error::Error;
use std::io::{self, Write};
use std::num::NonZeroU32;

use contactsync::client::{ChannelKind, Client, ClientOptions, Timeouts};
use contactsync::sandbox::{Config, Sandbox};
use contactsync::{BaseUrl, Clock, Connection, Environment, Field, Http, Silent, Stop, Token, Workspace};

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut io::stdout())
}

/// Finds, creates, reads and changes one contact, and writes what the platform answered.
///
/// # Errors
/// Any error of the library or of the writer.
pub fn run(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;

    // A real platform is a URL and a token. 100 is its limit of calls a minute.
    let sandbox = runtime.block_on(Sandbox::start(Config::default()))?;
    let url = BaseUrl::parse(&sandbox.url(), false)?;
    let http = Http::new(url, Token::new("any")?, ChannelKind::Standard, Timeouts::default())?;
    let connection = Connection::new(http, NonZeroU32::new(100).expect("100 is not 0"));

    // With `Workspace::open`, a file remembers the calls of the past minute for the next process.
    let workspace = Workspace::in_memory()?;
    let (clock, stop) = (Clock::system(), Stop::default());
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &Silent };
    let client = Client::open(&workspace, ("example".into(), connection), ClientOptions::default(), environment)?;

    let phone = Field::text("phone", "+525550001001");
    writeln!(out, "found: {}", client.find(&phone)?.len())?;

    let id = client.create(&[phone.clone(), Field::text("firstName", "Ana")])?;
    client.update(&id, &[Field::text("plan", "pro")])?;
    client.add_tags(&id, &["customer", "newsletter"])?;
    client.remove_tags(&id, &["newsletter"])?;

    let contact = client.read(&id)?.ok_or("the platform has lost the contact")?;
    for (name, value) in &contact.fields {
        writeln!(out, "{name}: {}", value.text())?;
    }
    writeln!(out, "tags: {}", contact.tags.iter().map(String::as_str).collect::<Vec<_>>().join(", "))?;
    writeln!(out, "found: {}", client.find(&phone)?.len())?;

    drop(client);
    runtime.block_on(sandbox.stop());
    Ok(())
}
