//! `explain KEY [INPUT]`: the history of one contact.

use std::cell::RefCell;
use std::sync::Arc;

use contactsync::one_contact::{ContactSearch, ExplainedInput, Story, explain, explain_live};
use contactsync::{Clock, Environment, Stop, Workspace};
use tokio::runtime::Handle;

use crate::args::ExplainArgs;
use crate::commands::connections::Connections;
use crate::commands::request::{holder, overrides, routing, run_options};
use crate::commands::{runtime, shown};
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::{Layer, ListArgs};
use crate::render::console::Console;
use crate::render::contact::ContactOutput;
use crate::render::explain::conclude_explain;
use crate::render::input_notice::InputNotices;
use crate::render::notices::{Announcement, Notices, report_upgrade};
use crate::render::progress::Progress;
use crate::render::reporter::Printer;
use crate::render::value::Shown;
use crate::settings::{Reading, Settings};
use crate::signals;

pub fn run(args: &ExplainArgs, config: Config, console: &Console) -> Result<Exit, Failure> {
    let typed = Layer::typed(&args.place, &args.connection, &ListArgs::default(), Some(&args.input));
    let settings = Settings::of(typed, config, args.place.shard)?;
    if !settings.journal.exists() {
        return Err(Failure::usage_text(format!("journal {}: no such file", shown(&settings.journal)))
            .hint("use --journal FILE to name the journal"));
    }
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let connected = if args.live { Some(Connections::only(&settings.channels)?) } else { None };
    let story = story(args, &settings, runtime.handle(), console)?;
    let keys = story.key.iter().chain(&story.aliases).cloned();
    let values = Shown::of(args.show_values, &settings.input.rules.matches, keys);
    let output = (&ContactOutput { json: args.json, shown: values }, args.show_values);
    let Some((channel, announcement)) = connected else {
        return conclude_explain(&story, None, output, console);
    };
    let Settings { journal, kept_values, input, bounds, .. } = settings;
    let clock = Clock::system();
    let (stop, reading) = signals::listen_while_reading(console)?;
    let notices = Notices { console, announcement };
    let progress = Progress::new(console, "");
    let printer = Printer { notices, progress, channels: None, reading, input_notices: RefCell::default() };
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &printer };
    let (options, overrides) = (run_options(&bounds, false, &clock), overrides(&args.connection));
    let search = ContactSearch { channel, match_fields: &input.rules.matches, overrides, options };
    let workspace = Workspace::open_keeping(&journal, holder(), kept_values)?;
    report_upgrade(workspace.journal(), &journal, console);
    let live = explain_live(&workspace, &story, (search, &args.key), environment)?;
    conclude_explain(&story, Some(&live), output, console)
}

// The story by the journal and, if one is given, the input.
fn story(args: &ExplainArgs, settings: &Settings, runtime: &Handle, console: &Console) -> Result<Story, Failure> {
    let Settings { channels, input, .. } = settings;
    let (clock, stop) = (Clock::system(), Stop::default());
    let is_given = args.input.input.is_some() || args.input.source_name.input_command.is_some();
    let from = if is_given { Some(input.input(args.input.input.as_deref())?) } else { None };
    let read = from.map(|from| Reading::open(&from, input, channels.column())).transpose()?;
    let notices = read.as_ref().map(|read| InputNotices::of_reading(&read.source, &read.warnings, console));
    let printer = Printer {
        notices: Notices { console, announcement: Announcement::default() },
        progress: Progress::new(console, read.as_ref().map_or("", |read| read.source.name())),
        channels: Some(channels),
        reading: Arc::default(),
        input_notices: RefCell::new(notices),
    };
    let environment = Environment { runtime, clock: &clock, stop: &stop, reporter: &printer };
    let is_one = args.live || args.place.routing.channel.is_some();
    let channel = channels.here().first().filter(|_| is_one).map(|channel| channel.name.as_str());
    let Some(Reading { source, mapping, policy, .. }) = read else {
        return Ok(explain(&settings.journal, &args.key, channel, None, environment)?);
    };
    let planned = ExplainedInput {
        channels: channels.here().iter().map(|channel| channel.name.clone()).collect(),
        routing: routing(channels),
        source,
        mapping: &mapping,
        policy,
        duplicates: input.duplicates,
        retry_rejected: input.retry_rejected,
    };
    Ok(explain(&settings.journal, &args.key, channel, Some(planned), environment)?)
}
