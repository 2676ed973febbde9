//! `init INPUT`: a configuration with the mapping that a file's columns suggest.

mod render;
mod sample;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use contactsync::rules::Rules;
use contactsync::{
    ColumnGuess, CountryGuess, DoubtfulValues, Guess, Input, JsonList, Mapping, Meaning, Mode, NoticeKind, Record,
    RejectReason, RejectReasons, Rejection, Source, guess,
};

use crate::args::InitArgs;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::options::defaults;
use crate::render::console::{Console, Level};
use crate::render::input_notice::InputNotices;
use crate::render::summary::print_lines;
use crate::settings::skip_titles;
use crate::shell::quoted;

use render::render;
use sample::{Sample, sample};

/// How many reasons for rejections are named.
const REASONS_SAID: usize = 3;

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
        return Err(Failure::usage_text(format!("{}: rows of titles stand above the header", source.name())).hint(hint));
    }
    let Sample { columns, lists_of_fields, rows, .. } = sample(&mut source)?;
    for list in &lists_of_fields {
        let text = format!(
            "{}: the list `{list}` holds fields by name and value, in varying order, so it is left out. To send one, map \
             it as `{list}.NAME`; turn fields whose names are numbers into keys first",
            source.name()
        );
        console.say(Level::Warning, &text);
    }
    let guess = guess(&columns, args.country);
    if let [first, ..] = columns.as_slice()
        && guess.rows == 1
        && columns.iter().all(|column| is_of_a_list(&column.name))
    {
        let what = format!("{}: its contacts may be inside lists: found `{}`", source.name(), first.name);
        return Err(Failure::usage_text(what).hint("write one object for each contact, in an array or one on a line"));
    }
    write(path, &render(&guess, source.name(), &options), args.force)?;
    let judged = judged(&source, &rows, path);
    notices.at_end(None, console);
    say(&guess, &judged, args, path, console)?;
    Ok(Exit::Done)
}

/// What a sync with the configuration that was written would reject of the rows that were looked at.
#[derive(Default)]
struct Judged {
    rows: usize,
    rejected: usize,
    reasons: Vec<RejectReason>,
}

// Maps the rows as a sync would. Without a match field there is no mapping yet, and nothing to tell.
fn judged(source: &Source, rows: &[Result<Record, Rejection>], path: &Path) -> Judged {
    // A file that others can write is refused by the next command.
    let Ok(Config { layer, rules, .. }) = Config::find(Some(path)) else { return Judged::default() };
    let rules = Rules { matches: layer.matching.matches.unwrap_or_default(), ..rules };
    let Ok(mapping) = Mapping::by(&rules, source.header(), Mode::Upsert) else { return Judged::default() };
    let (mut reasons, mut doubtful, mut judged) = (RejectReasons::default(), DoubtfulValues::new(), Judged::default());
    let header = source.header().unwrap_or_default();
    let reads = mapping.reads(header);
    // Of a cell in a sheet that nothing reads, no row is rejected.
    let is_read = |rejection: &Rejection| {
        let column = rejection.column.as_deref().filter(|_| source.detected().sheet().is_some());
        let at = column.and_then(|column| header.iter().position(|name| **name == *column));
        at.and_then(|at| reads.get(at)).is_none_or(|is_read| *is_read)
    };
    for row in rows {
        let contact = match row {
            Ok(record) if mapping.leaves_out_total(record) => {
                source.detected().add_notice(NoticeKind::Total, record.line);
                continue;
            }
            Ok(record) => mapping.contact(record).map(|contact| (record.line, contact)),
            Err(rejection) if !is_read(rejection) => {
                judged.rows += 1;
                continue;
            }
            Err(rejection) => Err(rejection.clone()),
        };
        judged.rows += 1;
        match contact {
            Ok((line, contact)) => doubtful.add((), line, &contact),
            Err(rejection) => {
                judged.rejected += 1;
                reasons.add(rejection.to_string(), rejection.line);
            }
        }
    }
    source.detected().add_doubtful_values(&doubtful, &mapping);
    judged.reasons = reasons.most_frequent_first();
    judged
}

// How many rows would be rejected, and the reasons of most of them.
fn say_rejected(judged: &Judged, console: &Console) {
    let Judged { rows, rejected, reasons } = judged;
    if *rejected == 0 {
        return;
    }
    let reasons_said: Vec<String> = reasons
        .iter()
        .take(REASONS_SAID)
        .map(|RejectReason { reason, count, line }| match count {
            1 => format!("{reason} (1 row, on line {line})"),
            _ => format!("{reason} ({count} rows, first on line {line})"),
        })
        .collect();
    let more = match reasons.len().saturating_sub(REASONS_SAID) {
        0 => String::new(),
        1 => "; and 1 other reason".to_owned(),
        more => format!("; and {more} other reasons"),
    };
    let of_all = if *rows == 1 { "the first row".to_owned() } else { format!("{rejected} of the first {rows} rows") };
    let text = format!(
        "{of_all} would be rejected: {}{more}. Run `contactsync check` for the whole file",
        reasons_said.join("; ")
    );
    console.say(Level::Warning, &text);
}

// Whether a path leads into a list, or into an object whose keys are numbers.
fn is_of_a_list(path: &str) -> bool {
    let is_place = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
    path.split('.').any(is_place) || path.contains(JsonList::PRIMARY_INSIDE)
}

fn there_already(path: &Path) -> Failure {
    Failure::usage_text(format!("{}: expected no file of that name yet, found one", path.display()))
        .hint("--config FILE writes another one, --force writes over it")
}

fn write(path: &Path, text: &str, is_forced: bool) -> Result<(), Failure> {
    let file = if is_forced { File::create(path) } else { File::create_new(path) };
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(there_already(path)),
        written => {
            written.map_err(|error| Failure::usage_text(format!("{}: cannot write it: {error}", path.display())))
        }
    }
}

// What was written, what is not as it should be, and what to do next.
fn say(guess: &Guess, judged: &Judged, args: &InitArgs, path: &Path, console: &Console) -> Result<(), Failure> {
    let count = |is: fn(&Meaning) -> bool| guess.columns.iter().filter(|column| is(&column.meaning)).count();
    let counts = [
        (count(|meaning| matches!(meaning, Meaning::Field { .. } | Meaning::PlatformId)), "sent as fields"),
        (count(|meaning| matches!(meaning, Meaning::Tags { .. } | Meaning::Flag { .. })), "as tags"),
        (count(|meaning| matches!(meaning, Meaning::LeftOut)), "left out"),
        (count(|meaning| matches!(meaning, Meaning::Blank)), "blank"),
    ];
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let found_by: Vec<String> = guess.matches.iter().map(|chosen| format!("`{}`", chosen.field)).collect();
    let has_id = guess.columns.iter().any(|column| column.meaning == Meaning::PlatformId);
    let columns = guess.columns.len();
    let plural = if columns == 1 { "" } else { "s" };
    let mut text = format!("wrote {}: {columns} column{plural}: {}", path.display(), counts.join(", "));
    if !found_by.is_empty() {
        text.push_str(&format!("; contacts are found by {}", found_by.join(", then by ")));
    } else if !has_id {
        console.say(
            Level::Warning,
            "no column is a phone, an e-mail address or an id that tells contacts apart: say `match` in the file before a plan",
        );
    }
    for column in guess.columns.iter().filter(|column| column.rounded > 0) {
        let ColumnGuess { name, rounded, filled, .. } = column;
        console.say(
            Level::Warning,
            &format!("{rounded} of {filled} values of `{name}` are rounded numbers, such as 5.2E+11: export the column as text"),
        );
    }
    if let CountryGuess::Missing { likely, .. } = guess.country {
        let letters = likely.map_or_else(|| "MX".to_owned(), |(country, _)| country.to_string());
        console.say(
            Level::Warning,
            &format!(
                "phone numbers have no country code and stay as they are written: `init --country {letters} --force`, \
                 when that is their country, makes them numbers that can be called from anywhere"
            ),
        );
    }
    say_rejected(judged, console);
    let config = args.config.as_ref();
    let config = config.map(|path| format!(" --config {}", quoted(&path.display().to_string()))).unwrap_or_default();
    let input = quoted(&args.input);
    print_lines(&[
        text,
        "when you have looked it over:".to_owned(),
        format!("  contactsync check {input}{config}"),
        format!("  contactsync plan {input}{config}"),
    ])
}
