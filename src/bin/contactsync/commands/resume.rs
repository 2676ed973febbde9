//! `resume`: sends what an interrupted run left pending, without its input.

use std::sync::Arc;

use contactsync::{ChannelKind, Clients, Clock, RunState, RunSummary, Stop, Timeouts};

use crate::args::ResumeArgs;
use crate::commands::{Place, Sending, bring, hold_to_url, runtime, shown};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output;
use crate::settings::layer::Layer;
use crate::settings::{Earlier, Settings};
use crate::signals;
use crate::voice::{Level, Voice};

pub fn run(args: &ResumeArgs, config: Config, voice: &Voice) -> Result<Exit, Failure> {
    let typed = Layer::typed(&args.place, &args.connection, None)?;
    let settings = Settings::of(typed, config, args.place.shard)?;
    let (path, setup) = (&settings.journal, settings.channels.one()?);
    let channel = &setup.name;
    if !path.exists() {
        return Err(Failure::usage_text(format!("journal {}: there is no such file", shown(path)))
            .hint("say --journal FILE, the one that the run was begun with"));
    }
    let place = Place::take(path, channel)?;
    let Some(run) = place.journal.resumable(channel)? else {
        voice.say(Level::Info, &format!("nothing to resume: no run of channel `{channel}` has anything left"));
        if args.json {
            output::print(&RunSummary { state: RunState::Finished.name(), ..RunSummary::default() }.to_json())?;
        }
        return Ok(Exit::Done);
    };
    let kind = ChannelKind::from_name(&run.kind).unwrap_or_default();
    let earlier = Earlier { url: run.url.clone(), kind, rate: run.rate };
    let connection = setup.connect(&Clients::new(Timeouts::default()), Some(&earlier))?;
    hold_to_url(&place.journal, path, channel, &connection.url, args.connection.moved)?;
    if connection.url.as_str() != run.url {
        // Nobody is known where it went before: that was a wrong URL. What is left of it goes where it should have gone.
        place.journal.move_channel(channel, connection.url.as_str())?;
    }

    let runtime = runtime()?;
    let _inside = runtime.enter();
    let (stop, clock) = (Stop::default(), Clock::system());
    signals::listen(stop.clone(), voice.clone(), Arc::default()).map_err(|error| Failure::unexpected(&error))?;
    let sending = Sending {
        runtime: &runtime,
        journal: &place.journal,
        run: run.id,
        channel,
        window: &connection.transport.window(&place.journal.salt()?),
        policy: run.policy,
        connection: &connection,
        input: &run.input,
        json: args.json,
        clock: &clock,
        stop: &stop,
    };
    bring(&sending, &args.place, &args.connection, voice)
}
