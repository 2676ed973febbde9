//! `contact get | find | create | update | tag | untag`: single contacts by hand.

use std::cell::RefCell;

use contactsync::one_contact::{
    ContactAction, ContactEdit, ContactSearch, Edit, ReservedName, edit_contact, find_contacts, get_contact,
    preview_edit,
};
use contactsync::{Clock, Environment, Field, Workspace};

use crate::args::{Assignment, ContactCommand, OneContactArgs};
use crate::commands::connections::Connections;
use crate::commands::request::{holder, overrides, run_options};
use crate::commands::runtime;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::value::{ContactCount, Tag};
use crate::options::{Layer, ListArgs};
use crate::render::console::Console;
use crate::render::contact::{ContactOutput, conclude_edit, conclude_find, conclude_get, print_requests};
use crate::render::notices::{Notices, report_upgrade};
use crate::render::progress::Progress;
use crate::render::reporter::Printer;
use crate::render::value::Shown;
use crate::settings::Settings;
use crate::signals;

pub fn run(command: &ContactCommand, config: Config, console: &Console) -> Result<Exit, Failure> {
    let args = command.shared();
    let settings = settings(command, config)?;
    let output = output(args, &settings);
    match command {
        ContactCommand::Get(get) => with_search(args, settings, console, |workspace, search, environment| {
            let outcome = get_contact(workspace, search, &get.key, environment)?;
            conclude_get(&outcome, &output, console)
        }),
        ContactCommand::Find(find) => {
            let field = Field::text(find.field.trim(), find.value.trim());
            if field.name.is_empty() || field.value.is_blank() {
                return Err(Failure::usage_text("--field and --value: expected text that is not blank"));
            }
            let limit = find.limit.map(ContactCount::get);
            with_search(args, settings, console, |workspace, search, environment| {
                let found = find_contacts(workspace, search, (&field, limit), environment)?;
                conclude_find(&found, &field, &output, console)
            })
        }
        ContactCommand::Create(create) => {
            let edit = Edit { tags: tags(&create.tag), ..fields(&create.fields, &settings, create_hint)? };
            change(ContactAction::Create(edit), create.edit.dry_run, args, settings, &output, console)
        }
        ContactCommand::Update(update) => {
            let clear = update.clear.iter().map(|name| name.trim().into()).collect();
            let edit = Edit { clear, ..fields(&update.fields, &settings, update_hint)? };
            let action = ContactAction::Change(update.key.clone(), edit);
            change(action, update.edit.dry_run, args, settings, &output, console)
        }
        ContactCommand::Tag(tag) => {
            let action = ContactAction::Change(tag.key.clone(), Edit { tags: tags(&tag.tags), ..Edit::default() });
            change(action, tag.edit.dry_run, args, settings, &output, console)
        }
        ContactCommand::Untag(tag) => {
            let edit = Edit { remove_tags: tags(&tag.tags), ..Edit::default() };
            let action = ContactAction::Change(tag.key.clone(), edit);
            change(action, tag.edit.dry_run, args, settings, &output, console)
        }
    }
}

fn settings(command: &ContactCommand, config: Config) -> Result<Settings, Failure> {
    let args = command.shared();
    let edit = match command {
        ContactCommand::Get(_) | ContactCommand::Find(_) => None,
        ContactCommand::Create(args) => Some(&args.edit),
        ContactCommand::Update(args) => Some(&args.edit),
        ContactCommand::Tag(args) | ContactCommand::Untag(args) => Some(&args.edit),
    };
    let mut typed = Layer::typed(&args.place, &args.connection, &ListArgs::default(), None);
    typed.matching.matches.clone_from(&args.matches);
    if let Some(edit) = edit {
        typed.history = edit.history;
        typed.policy.search_lag = edit.search_lag;
    }
    Settings::of(typed, config, args.place.shard)
}

fn output(args: &OneContactArgs, settings: &Settings) -> ContactOutput {
    let shown = Shown::of(args.show_values, &settings.input.rules.matches, []);
    ContactOutput { json: args.json, shown }
}

// The fields with their values in the types of their rules. `hint_for` says what to do about a name of no field.
fn fields(
    given: &[Assignment],
    settings: &Settings,
    hint_for: fn(ReservedName) -> &'static str,
) -> Result<Edit, Failure> {
    for Assignment(Field { name, .. }) in given {
        let (what, hint) = match ReservedName::of(name, &settings.input.rules) {
            None => continue,
            Some(reserved @ ReservedName::Id) => ("the contact's id", hint_for(reserved)),
            Some(reserved @ (ReservedName::Tags | ReservedName::RemoveTags)) => {
                ("the contact's tags", hint_for(reserved))
            }
        };
        return Err(Failure::usage_text(format!("`{name}` is reserved for {what}; it is not a custom field"))
            .hint(format!("{hint}; to set a custom field `{name}`, add it to [fields] in the configuration")));
    }
    let typed = |Assignment(field): &Assignment| settings.input.rules.typed(field.clone());
    let fields = given.iter().map(typed).collect::<Result<_, _>>().map_err(Failure::usage_text)?;
    Ok(Edit { fields, ..Edit::default() })
}

const fn create_hint(reserved: ReservedName) -> &'static str {
    match reserved {
        ReservedName::Id => "leave it out: the platform chooses the id of a new contact",
        ReservedName::Tags => "add each tag with --tag NAME",
        ReservedName::RemoveTags => "leave it out: a new contact has no tags to remove",
    }
}

const fn update_hint(reserved: ReservedName) -> &'static str {
    match reserved {
        ReservedName::Id => "to choose the contact by its id, use id:ID as KEY; the id cannot be changed",
        ReservedName::Tags => "add tags with `contactsync contact tag`",
        ReservedName::RemoveTags => "remove tags with `contactsync contact untag`",
    }
}

fn tags(given: &[Tag]) -> Vec<contactsync::contact::Text> {
    given.iter().map(|Tag(name)| name.as_str().into()).collect()
}

/// Makes calls that change nothing.
pub(super) fn with_search(
    args: &OneContactArgs,
    settings: Settings,
    console: &Console,
    work: impl FnOnce(&Workspace, ContactSearch<'_>, Environment<'_, Printer<'_>>) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let Settings { channels, journal, kept_values, input, bounds, .. } = settings;
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let clock = Clock::system();
    let options = run_options(&bounds, false, &clock);
    let (channel, announcement) = Connections::only(&channels)?;
    let (stop, reading) = signals::listen_while_reading(console)?;
    let notices = Notices { console, announcement };
    let progress = Progress::new(console, "");
    let printer = Printer { notices, progress, channels: None, reading, input_notices: RefCell::default() };
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &printer };
    let workspace = Workspace::open_keeping(&journal, holder(), kept_values)?;
    report_upgrade(workspace.journal(), &journal, console);
    let (match_fields, overrides) = (&input.rules.matches, overrides(&args.connection));
    work(&workspace, ContactSearch { channel, match_fields, overrides, options }, environment)
}

fn change(
    action: ContactAction,
    is_dry: bool,
    args: &OneContactArgs,
    settings: Settings,
    output: &ContactOutput,
    console: &Console,
) -> Result<Exit, Failure> {
    let (lag, access, matches) =
        (settings.input.policy.search_lag, settings.access.clone(), settings.input.rules.matches.clone());
    if is_dry {
        let [channel] = settings.channels.here() else {
            return Err(Failure::usage_text("the configuration has several channels, and one is changed at a time")
                .hint("use --channel NAME"));
        };
        let channel = (channel.name.as_str(), channel.kind());
        let requests = preview_edit(&settings.journal, channel, &action, (&matches, lag), Clock::system().now())?;
        return print_requests(&requests, output);
    }
    with_search(args, settings, console, |workspace, search, environment| {
        let begun = environment.clock.now();
        let ContactSearch { channel, match_fields, overrides, options } = search;
        let edit = ContactEdit { channel, action, match_fields, search_lag: lag, access, overrides, options };
        let mut outcome = edit_contact(workspace, edit, environment)?;
        outcome.summary.seconds = environment.clock.now().since(begun).as_secs_f64();
        conclude_edit(outcome, output, console)
    })
}
