//! `init INPUT`: writes a configuration with the mapping that a file's columns suggest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use contactsync::mapping::rules::Rules;
use contactsync::suggestion::{InitError, suggest};
use contactsync::{Input, Mapping, Mode, Source};

use crate::args::InitArgs;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::defaults;
use crate::render::console::{Console, Level};
use crate::render::input_notice::InputNotices;
use crate::render::suggestion::{print, render, warn_of_lists};
use crate::settings::skip_titles;

pub fn run(args: &InitArgs, console: &Console) -> Result<Exit, Failure> {
    let path = args.config.as_deref().unwrap_or(Path::new(defaults::CONFIG));
    // Before anything is read: standard input can be read only once.
    if !args.force && path.symlink_metadata().is_ok() {
        return Err(there_already(path));
    }
    let options = args.source.clone();
    let input = if args.input == "-" { Input::Stdin } else { Input::Path(PathBuf::from(&args.input)) };
    let mut source = Source::open(&input, options.clone()).map_err(|error| Failure::usage(&error))?;
    let notices = InputNotices::at_open(&source, console);
    if let Some(hint) = skip_titles(&source) {
        let text = format!("{}: title rows precede the header", source.name());
        return Err(Failure::usage_text(text).hint(hint));
    }
    let suggestion = suggest(&mut source, args.country).map_err(refused)?;
    warn_of_lists(source.name(), &suggestion.lists_of_fields, console);
    warn_of_values(source.name(), &suggestion.lists_of_values, console);
    write(path, &render(&suggestion.guess, source.name(), &options), args.force)?;
    let mapping = mapping(&source, path);
    let judged = mapping.as_ref().map(|mapping| suggestion.judge(&source, mapping)).unwrap_or_default();
    notices.at_end(mapping.as_ref(), console);
    print(&suggestion.guess, &judged, args, path, console)?;
    Ok(Exit::Done)
}

// Warns of lists of which only the first value is sent.
fn warn_of_values(input: &str, lists: &BTreeMap<String, usize>, console: &Console) {
    for (list, most) in lists {
        let text = format!(
            "{input}: the list `{list}` has up to {most} values; only the first is sent. To set a tag for each, read the list with \
             `[[tags]]`"
        );
        console.say(Level::Warning, &text);
    }
}

// The mapping of the configuration that was written. Without a match field there is none yet.
fn mapping(source: &Source, path: &Path) -> Option<Mapping> {
    // A file that others can write is refused by the next command.
    let Config { layer, rules, .. } = Config::find(Some(path), None).ok()?;
    let matches = layer.matching.matches.unwrap_or_default();
    Mapping::by(&Rules { matches, ..rules }, source.header(), Mode::Upsert).ok()
}

fn refused(error: InitError) -> Failure {
    match error {
        InitError::Source(error) => Failure::usage(&error),
        InitError::OwnShape(_) => Failure::usage(&error).hint("run `contactsync plan` without a mapping"),
        InitError::InsideLists { .. } => {
            Failure::usage(&error).hint("write one object for each contact, in an array or one on a line")
        }
        InitError::NoRows(_) | InitError::Unreadable { .. } => Failure::usage(&error),
    }
}

fn there_already(path: &Path) -> Failure {
    Failure::usage_text(format!("{}: file already exists", path.display()))
        .hint("use --config FILE to write another one, or --force to replace it")
}

fn write(path: &Path, text: &str, is_forced: bool) -> Result<(), Failure> {
    let file = if is_forced { File::create(path) } else { File::create_new(path) };
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(there_already(path)),
        written => written.map_err(|error| Failure::write_failed(path, &error)),
    }
}
