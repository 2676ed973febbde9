//! `check [INPUT]`: whether everything is ready for a sync.

use std::collections::BTreeMap;

use contactsync::check::{ChannelGuards, Check, InputCheck, InputToCheck, Planner, check};
use contactsync::client::{Clients, Timeouts};
use contactsync::{Clock, Environment, Stop};

use crate::args::CheckArgs;
use crate::commands::request::{holder, of_settings, overrides, routing};
use crate::commands::runtime;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::options::{Layer, ListArgs};
use crate::render::check::{InputReport, Report, channel_state};
use crate::render::console::{Console, Level};
use crate::render::notices::{Announcement, Notices};
use crate::settings::{Channels, InputSettings, Reading, Settings};

/// Number of contacts that are shown as they would be sent, and looked up on the platform.
const CONTACTS_SHOWN: usize = 3;

pub fn run(args: &CheckArgs, config: Config, console: &Console) -> Result<Exit, Failure> {
    let typed = Layer::typed(&args.place, &args.connection, &ListArgs::default(), None).with_input(args);
    let config_path = config.path.clone();
    let Settings { channels, journal, input, .. } = Settings::of(typed, config, args.place.shard)?;
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let mut reading = args.input.as_ref().map(|name| Reading::open(name, &input, channels.column())).transpose()?;
    if let Some(Reading { source, warnings, .. }) = &reading {
        for warning in warnings {
            console.say(Level::Warning, &format!("{}: {warning}", source.name()));
        }
    }
    let Connected { connections, announcement, mut failed } = Connected::of(&channels);
    let (clock, stop) = (Clock::system(), Stop::default());
    let notices = Notices { console, announcement };
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &notices };
    let request = Check {
        journal: &journal,
        holder: holder(),
        input: reading.as_mut().map(|reading| to_check(reading, &input, &channels)),
        channels: connections,
        guards: ChannelGuards {
            match_fields: &input.rules.matches,
            policy: input.policy,
            overrides: overrides(&args.connection),
        },
    };
    let found = check(request, environment)?;

    let mut report = Report::default();
    report.configuration(config_path.as_deref());
    let (mut exits, mut lookups) = (Vec::new(), Vec::new());
    let mut checked: BTreeMap<_, _> = found.channels.into_iter().collect();
    if found.journal.is_ok() {
        for channel in channels.here() {
            let state = match checked.remove(&channel.name) {
                Some(Ok(mut checked)) => {
                    lookups.append(&mut checked.contacts);
                    channel_state(checked)
                }
                Some(Err(error)) => Err(vec![error.into()]),
                None => Err(failed.remove(&channel.name).into_iter().collect()),
            };
            exits.push(report.channel(&channel.name, state, console));
        }
    }
    if let Ok(exists) = found.journal {
        report.journal(&journal, exists);
    }
    if let (Some(Reading { source, mapping, .. }), Some(checked)) = (&reading, &found.input) {
        let (duplicates, is_selected) = (input.duplicates, channels.selected().is_some());
        report.input(&InputReport { source, mapping, checked, duplicates, is_selected });
        exits.push(if checked.rejected > 0 { Exit::Rejected } else { Exit::Done });
    }
    report.on_the_platform(&mut lookups, console);
    report.print()?;
    found.journal?;
    Ok(Exit::gravest(exits))
}

/// The channels that are ready to be asked.
struct Connected {
    connections: Vec<(String, contactsync::Connection)>,
    announcement: Announcement,
    // Why the others are not, by name.
    failed: BTreeMap<String, Failure>,
}

impl Connected {
    // Looks for the tokens of the channels; connects to nothing yet.
    fn of(channels: &Channels) -> Self {
        let clients = Clients::new(Timeouts::default());
        let (mut connections, mut warnings, mut failed) = (Vec::new(), Vec::new(), BTreeMap::new());
        for channel in channels.here() {
            match channel.connect(&clients, None) {
                Ok(mut connection) => {
                    warnings.extend(connection.warning.take());
                    connections.push((channel.name.clone(), of_settings(connection)));
                }
                Err(failure) => drop(failed.insert(channel.name.clone(), failure)),
            }
        }
        let announcement = Announcement::of(connections.iter().map(|(_, connection)| connection.url()), warnings);
        Self { connections, announcement, failed }
    }
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
