//! `check [INPUT]`: whether everything is ready for a sync.

use contactsync::check::{ChannelGuards, Check, InputCheck, InputToCheck, Planner, check};
use contactsync::{Clock, Environment, Stop};

use crate::args::CheckArgs;
use crate::commands::connections::Connections;
use crate::commands::request::{holder, overrides, routing};
use crate::commands::runtime;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::{Layer, ListArgs};
use crate::render::check::Checked;
use crate::render::console::{Console, Level};
use crate::render::notices::{Notices, report_backup};
use crate::settings::{Channels, InputSettings, Reading, Settings};

/// Number of contacts that are shown as they would be sent, and looked up on the platform.
const CONTACTS_SHOWN: usize = 3;

pub fn run(args: &CheckArgs, config: Config, console: &Console) -> Result<Exit, Failure> {
    let typed = Layer::typed(&args.place, &args.connection, &ListArgs::default(), None).with_input(args);
    let config_path = config.path.clone();
    let Settings { channels, journal, input, access, .. } = Settings::of(typed, config, args.place.shard)?;
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let from = input.file(args.input.as_deref()).map(|file| input.input(Some(&file))).transpose()?;
    let mut reading = from.map(|from| Reading::open(&from, &input, channels.column())).transpose()?;
    if let Some(Reading { source, warnings, .. }) = &reading {
        for warning in warnings {
            console.say(Level::Warning, &format!("{}: {warning}", source.name()));
        }
    }
    let (Connections { channels: connected, announcement }, failed) = Connections::available(&channels);
    let (clock, stop) = (Clock::system(), Stop::default());
    let notices = Notices { console, announcement };
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &notices };
    let request = Check {
        journal: &journal,
        holder: holder(),
        input: reading.as_mut().map(|reading| to_check(reading, &input, &channels)),
        channels: connected,
        guards: ChannelGuards {
            match_fields: &input.rules.matches,
            policy: input.policy,
            overrides: overrides(&args.connection),
            access: access.as_ref(),
        },
    };
    let found = check(request, environment)?;
    report_backup(found.backup.as_deref(), &journal, console);
    let checked = Checked {
        config: config_path.as_deref(),
        journal: &journal,
        channels: &channels,
        failed,
        input: reading.as_ref(),
        duplicates: input.duplicates,
        found,
    };
    checked.print(console)
}

fn to_check<'a>(reading: &'a mut Reading, input: &InputSettings, channels: &Channels) -> InputToCheck<'a> {
    let Reading { source, mapping, policy, .. } = reading;
    let check = InputCheck {
        planner: Planner {
            duplicates: input.duplicates,
            match_fields: mapping.match_fields().to_vec(),
            retry_rejected: input.retry_rejected,
        },
        tags_mode: policy.tags_mode,
        channels: channels.here().iter().map(|channel| channel.name.clone()).collect(),
        routing: routing(channels),
        sample: CONTACTS_SHOWN,
    };
    InputToCheck { source, mapping, check }
}
