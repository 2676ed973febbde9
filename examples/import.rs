//! The library in small: reads a CSV, plans it, sends it to a sandbox platform in this process, prints the summary.
//!
//! Run it with `cargo run --example import`. It needs no account and writes no file.

use std::error::Error;
use std::num::NonZeroU32;
use std::time::Duration;

use contactsync::sandbox::{Config, Sandbox};
use contactsync::{
    BaseUrl, ChannelKind, Clock, Event, Format, Http, Job, Journal, Limits, Mapping, Mode, NewRun, OUTAGE_TIMEOUT,
    Observer, PlanOptions, Policy, Routes, Source, Stop, TIMEOUT, TagsMode, Timeouts, Token, plan, send,
};

const CONTACTS: &str = "\
phone,firstName,tags
+525550001001,Ana,customer;newsletter
+525550001002,Luis,lead
,Diego,lead
";

/// Calls a minute. It counts for the token, so it is the platform's number, not a wish.
const RATE: NonZeroU32 = NonZeroU32::new(100).expect("100 is not 0");

/// What the sync tells goes where an observer takes it: a bar, a log, or, here, one line for each row.
struct Printed;

impl Observer for Printed {
    fn observe(&self, event: &Event<'_>) {
        if let Event::Done { line, outcome, .. } = event {
            println!("line {line}: {outcome:?}");
        }
    }
}

// One thread is enough: the limit is a hundred calls a minute, and all waiting is asynchronous.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // The platform. A real one is a URL and a token; the rest stays the same.
    let sandbox = Sandbox::start(Config::default()).await?;
    let url = BaseUrl::parse(&sandbox.url(), false)?;
    let kind = ChannelKind::Standard;
    let transport = Http::new(url.clone(), Token::new("any")?, kind, Timeouts::default())?;

    // The journal. `Journal::open` keeps it in a file, which is what makes a killed process lose nothing.
    let journal = Journal::in_memory()?;

    let policy = Policy {
        mode: Mode::Upsert,
        tags_mode: TagsMode::Add,
        search_lag: Duration::from_secs(30),
        retry_in_doubt: false,
        search_first: false,
    };
    let (clock, stop) = (Clock::system(), Stop::default());

    // Planning reads the input and compares it with what the journal knows. It calls nobody.
    let source = Source::from_reader("contacts.csv", Box::new(CONTACTS.as_bytes()), Format::Csv)?;
    let mapping = Mapping::new(source.header(), vec!["phone".into()], policy.mode)?;
    let run = NewRun {
        channel: "example".into(),
        url: url.to_string(),
        kind: kind.name().into(),
        rate: RATE.get(),
        input: "contacts.csv".into(),
        policy,
        now: clock.now(),
    };
    let planned = plan(&journal, source, &mapping, Routes::One(run), PlanOptions::default(), &Printed, &stop)?;

    // Sending brings each pending contact to its end. `stop.ask(…)` from anywhere would end it early.
    let ending = send(Job {
        journal: &journal,
        run: planned.runs[0],
        channel: "example",
        window: &transport.window(&journal.salt()?),
        policy,
        transport: &transport,
        call_timeout: TIMEOUT,
        rate: RATE,
        burst: None,
        concurrency: None,
        limits: Limits::default(),
        outage_timeout: OUTAGE_TIMEOUT,
        clock: &clock,
        // Where the chance in the delays between tries begins. A program takes another one each time.
        seed: 1,
        observer: &Printed,
        stop: &stop,
    })
    .await?;
    println!("{}", ending.summary.to_json());

    sandbox.stop().await;
    Ok(())
}
