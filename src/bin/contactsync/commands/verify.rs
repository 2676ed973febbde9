//! `verify [INPUT]`: reads known contacts back and lists what differs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use contactsync::mapping::rules::{Rules, Unmapped, WriteMode};
use contactsync::read_back::{Remedy, VerifiedInput, Verify, verify};
use contactsync::{Clock, Environment, Field, Workspace};

use crate::args::VerifyArgs;
use crate::commands::connections::Connections;
use crate::commands::request::{holder, overrides, routing, run_options};
use crate::commands::{runtime, shown};
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::value::ContactCount;
use crate::options::{Layer, ListArgs};
use crate::render::console::Console;
use crate::render::input_notice::InputNotices;
use crate::render::notices::{Notices, report_upgrade};
use crate::render::progress::Progress;
use crate::render::read_back::{VerifyOutput, conclude_verify};
use crate::render::reporter::Printer;
use crate::settings::{Reading, Settings};
use crate::signals;

pub fn run(args: &VerifyArgs, config: Config, console: &Console) -> Result<Exit, Failure> {
    let typed = Layer::typed(&args.place, &args.connection, &ListArgs::default(), None);
    let typed = Layer { source: args.source.clone(), matching: args.matching.clone(), ..typed };
    let Settings { channels, journal, kept_values, input, bounds, .. } = Settings::of(typed, config, args.place.shard)?;
    let marker = args.field.as_deref().zip(args.value.as_deref());
    let marker = marker.map(|(field, value)| Field::text(field.trim(), value.trim()));
    if !journal.exists() {
        return Err(Failure::usage_text(format!("journal {}: no such file", shown(&journal))).hint(
            "only contacts that a sync or a pull made known can be verified; use --journal FILE to name the journal",
        ));
    }
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let clock = Clock::system();
    let (options, begun) = (run_options(&bounds, false, &clock), clock.now());
    let (channel, announcement) = Connections::only(&channels)?;
    let (stop, reading) = signals::listen_while_reading(console)?;
    let from = input.file(args.input.as_deref()).map(|file| input.input(Some(&file))).transpose()?;
    if let Some(from) = &from {
        signals::end_reading_at(options.limits.until, from, &clock, &reading, console);
    }
    let read = from.map(|from| Reading::open(&from, &input, channels.column())).transpose()?;
    let notices = read.as_ref().map(|read| InputNotices::of_reading(&read.source, &read.warnings, console));
    let printer = Printer {
        notices: Notices { console, announcement },
        progress: Progress::new(console, read.as_ref().map_or("", |read| read.source.name())),
        channels: Some(&channels),
        reading,
        input_notices: RefCell::new(notices),
    };
    let (mut of_input, mut mapped) = (None, None);
    if let Some(Reading { source, mapping, policy, .. }) = read {
        let fields = fields(&input.rules, source.header().is_some(), mapping.fields_by_name());
        of_input = Some((source, policy, fields));
        mapped = Some(mapping);
    }
    let of_input = of_input.zip(mapped.as_ref()).map(|((source, policy, fields), mapping)| VerifiedInput {
        source,
        mapping,
        policy,
        duplicates: input.duplicates,
        routing: routing(&channels),
        fields,
    });
    let request = Verify {
        channel,
        marker,
        input: of_input,
        sample: args.sample.map(ContactCount::get),
        seed: args.seed,
        remedy: match (args.repair, args.accept) {
            (true, _) => Remedy::Repair,
            (false, true) => Remedy::Accept,
            (false, false) => Remedy::None,
        },
        edited: edited(&input.rules),
        search_lag: input.policy.search_lag,
        overrides: overrides(&args.connection),
        options,
    };
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &printer };
    let workspace = Workspace::open_keeping(&journal, holder(), kept_values)?;
    report_upgrade(workspace.journal(), &journal, console);
    let mut outcome = verify(&workspace, &journal, request, environment)?;
    outcome.summary.seconds = clock.now().since(begun).as_secs_f64();
    let output = VerifyOutput { json: args.json, shows_values: args.show_values, is_repaired: args.repair };
    conclude_verify(&outcome, output, console)
}

// The fields that users of the platform may change.
fn edited(rules: &Rules) -> BTreeMap<String, WriteMode> {
    let edited = rules.fields.iter().filter(|rule| rule.write.may_be_edited());
    edited.map(|rule| (rule.name.trim().to_owned(), rule.write)).collect()
}

// The fields that the rows of an input may set; `None` if only the rows themselves show that.
fn fields<'a>(rules: &Rules, has_header: bool, by_name: impl Iterator<Item = &'a str>) -> Option<BTreeSet<String>> {
    let is_open = !has_header && rules.unmapped == Unmapped::Send;
    let by_rules = rules.fields.iter().map(|rule| rule.name.trim().to_owned());
    (!is_open).then(|| by_rules.chain(by_name.map(str::to_owned)).chain(rules.matches.iter().cloned()).collect())
}
