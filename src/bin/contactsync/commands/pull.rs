//! `pull --field F --value V`: learns the platform's contacts by a field that they have in common.

use std::cell::RefCell;

use contactsync::read_back::{Pull, pull};
use contactsync::{Clock, Environment, Field, Workspace};

use crate::args::PullArgs;
use crate::commands::connections::Connections;
use crate::commands::request::{holder, overrides, run_options};
use crate::commands::runtime;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::{Layer, ListArgs};
use crate::render::console::Console;
use crate::render::notices::{Notices, report_upgrade};
use crate::render::progress::Progress;
use crate::render::read_back::conclude_pull;
use crate::render::reporter::Printer;
use crate::settings::Settings;
use crate::signals;

pub fn run(args: &PullArgs, config: Config, console: &Console) -> Result<Exit, Failure> {
    let typed = Layer::typed(&args.place, &args.connection, &ListArgs::default(), None);
    let typed = Layer { matching: args.matching.clone(), ..typed };
    let Settings { channels, journal, kept_values, input, bounds, .. } = Settings::of(typed, config, args.place.shard)?;
    let marker = Field::text(args.field.trim(), args.value.trim());
    if marker.name.is_empty() || marker.value.is_blank() {
        return Err(Failure::usage_text("--field and --value: expected text that is not blank"));
    }
    let match_fields = &input.rules.matches;
    if match_fields.is_empty() {
        return Err(Failure::usage_text("no match field is given, so the rows of an input would not be recognised")
            .hint("name the field that identifies a contact with --match FIELD"));
    }
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let clock = Clock::system();
    let (options, begun) = (run_options(&bounds, false, &clock), clock.now());
    let (channel, announcement) = Connections::only(&channels)?;
    let (stop, reading) = signals::listen_while_reading(console)?;
    let printer = Printer {
        notices: Notices { console, announcement },
        progress: Progress::new(console, ""),
        channels: None,
        reading,
        input_notices: RefCell::default(),
    };
    let request = Pull {
        channel,
        marker,
        match_fields,
        search_lag: input.policy.search_lag,
        overrides: overrides(&args.connection),
        options,
    };
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &printer };
    let workspace = Workspace::open_keeping(&journal, holder(), kept_values)?;
    report_upgrade(workspace.journal(), &journal, console);
    let mut outcome = pull(&workspace, request, environment)?;
    outcome.summary.seconds = clock.now().since(begun).as_secs_f64();
    conclude_pull(&outcome, args.json, console)
}
