//! `sync INPUT`: plans the file into the journal, then sends what is pending.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contactsync::{Clock, Intake, NewRun, Routes, Stop, plan};

use crate::args::SyncArgs;
use crate::commands::{Place, Sending, bring, hold_to_keys, hold_to_url, runtime};
use crate::failure::{Exit, Failure};
use crate::progress::Progress;
use crate::settings::{Connection, Reading};
use crate::signals;
use crate::voice::{Level, Voice};

pub fn run(args: &SyncArgs, voice: &Voice) -> Result<Exit, Failure> {
    // Everything that can be wrong with the arguments is found before anything is read or written.
    let connection = Connection::new(&args.connection, None)?;
    let Reading { source, mapping, policy, warnings } = Reading::open(&args.input)?;
    for warning in &warnings {
        voice.say(Level::Warning, &format!("{}: {warning}", source.name()));
    }
    let place = Place::take(&args.place)?;
    hold_to_url(&place.journal, &args.place, &connection.url, args.connection.moved)?;

    hold_to_keys(&place.journal, &args.place, &args.input.matches, policy)?;

    let runtime = runtime()?;
    let _inside = runtime.enter();
    let (stop, clock) = (Stop::default(), Clock::system());
    let reading = Arc::new(AtomicBool::new(true));
    signals::listen(stop.clone(), voice.clone(), Arc::clone(&reading)).map_err(|error| Failure::unexpected(&error))?;
    let name = source.name().to_owned();
    let new = NewRun {
        channel: args.place.channel.clone(),
        url: connection.url.to_string(),
        kind: connection.kind.name().into(),
        rate: connection.rate.get(),
        input: name.clone(),
        policy,
        now: clock.now(),
    };
    let run = plan(
        &place.journal,
        source,
        &mapping,
        Routes::One(new),
        Intake::default(),
        &Progress::new(voice, &name),
        &stop,
    )?
    .runs[0];
    reading.store(false, Ordering::Release);
    let sending = Sending {
        runtime: &runtime,
        journal: &place.journal,
        run,
        channel: &args.place.channel,
        window: &connection.transport.window(&place.journal.salt()?),
        policy,
        connection: &connection,
        input: &name,
        json: args.json,
        clock: &clock,
        stop: &stop,
    };
    bring(&sending, &args.place, &args.connection, voice)
}
