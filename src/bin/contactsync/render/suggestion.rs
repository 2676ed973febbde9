//! A suggested mapping: as the text of a configuration, with its reasons as comments, and summed up on the terminal.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use contactsync::check::RejectReason;
use contactsync::source::Delimiter;
use contactsync::suggestion::{ColumnGuess, CountryGuess, Guess, Judged, Made, Meaning};
use toml_writer::{ToTomlKey as _, ToTomlValue as _, TomlKeyBuilder, TomlStringBuilder};

use crate::args::InitArgs;
use crate::failure::Failure;
use crate::options::SourceArgs;
use crate::options::value::LineCount;
use crate::render::console::{Console, Level};
use crate::render::summary::{counted, print_lines};
use crate::shell::quoted;

/// Maximum number of reasons for rejections that are listed.
const REASONS_SHOWN: usize = 3;

/// The whole file. `input` is where the columns come from, `options` how it was said to be read.
pub fn render(guess: &Guess, input: &str, options: &SourceArgs) -> String {
    let mut text = head(guess, input);
    text.push_str(&keys_of_all(guess, options));
    text.push_str(&fields(guess));
    text.push_str(&tags(guess));
    text.push_str(&nothing(guess));
    text
}

fn head(guess: &Guess, input: &str) -> String {
    let rows = match guess.rows {
        1 => "1 row".to_owned(),
        rows => format!("{rows} rows"),
    };
    let mut text = format!(
        "# A suggested mapping for {}, from its header and {rows}. The values in the comments are masked.\n\
         # Review it and correct mistakes; `contactsync check` shows the first contacts as they would be sent.\n",
        string(input)
    );
    if let Some(export) = guess.export {
        let _ = writeln!(text, "# The header is that of an export of {}.", export.name());
    }
    text.push_str(
        "\n# The platform (by name, or `url`) and its token. `plan` needs neither.\n\
         # platform = \"respondio\"\n\
         # url = \"https://app.example.com/api/v1\"\n\
         # token_file = \"token\"\n",
    );
    text
}

fn keys_of_all(guess: &Guess, options: &SourceArgs) -> String {
    let mut text = String::from("\n# The fields by which a contact is found on the platform, tried in this order.\n");
    let id = guess.columns.iter().find(|column| column.meaning == Meaning::PlatformId);
    match (guess.matches.as_slice(), id) {
        ([], None) => text.push_str(
            "# No phone, e-mail or id column was found that identifies contacts. Name one of the fields below.\n\
             # match = \"phone\"\n",
        ),
        ([], Some(_)) => {
            text.push_str("# No match field is needed: the rows have the platform's ids.\n# match = \"phone\"\n");
        }
        (chosen, _) => {
            for chosen in chosen {
                let _ = writeln!(text, "# {}: {}", string(&chosen.field), chosen.why);
            }
            if chosen.len() > 1 {
                text.push_str(SEVERAL_MATCHES);
            }
            let fields: Vec<String> = chosen.iter().map(|chosen| string(&chosen.field)).collect();
            let _ = match fields.as_slice() {
                [only] => writeln!(text, "match = {only}"),
                fields => writeln!(text, "match = [{}]", fields.join(", ")),
            };
        }
    }
    if let Some(id) = id {
        let _ = writeln!(text, "\n# {}\nid = {}", reason(id), string(&id.name));
    }
    text.push_str(&country(guess));
    if !guess.nulls.is_empty() {
        let words: Vec<String> = guess.nulls.iter().map(|word| string(word)).collect();
        let _ = writeln!(text, "\n# Words that mean that a cell is blank.\nnulls = [{}]", words.join(", "));
    }
    text.push_str(UNMAPPED);
    text.push_str(&reading(options));
    text
}

fn country(guess: &Guess) -> String {
    match guess.country {
        CountryGuess::Given(country) => {
            format!(
                "\n# The country of phone numbers without a country code, as set with `init --country`.\ncountry = \"{country}\"\n"
            )
        }
        CountryGuess::Unneeded => String::new(),
        CountryGuess::Missing { likely, of } => {
            let likely = likely.map(|(country, count)| {
                (
                    country.to_string(),
                    format!(" {count} of {of} would be valid in {country}; if that is right, uncomment this line."),
                )
            });
            let (letters, judged) = likely.unwrap_or_else(|| ("MX".into(), String::new()));
            format!(
                "\n# Some phone numbers have no country code.{judged}\n\
                 # Until a country is set, they are sent as written: a wrong country would produce wrong numbers.\n\
                 # country = \"{letters}\"\n"
            )
        }
    }
}

/// What several match fields cost.
const SEVERAL_MATCHES: &str = "\
# A new contact is searched for by each field in turn, one call for each field. A known contact needs no search. A contact\n\
# that is found by one field, with a different value in an earlier field, is a conflict, and its row is rejected. So is the\n\
# second of two rows that differ in the first field and share another. Each field must exist on the platform.\n";

/// A column that a later export has besides these is named by `plan` and by `sync`, and sent only once it is mapped.
const UNMAPPED: &str = "\n# Columns that are not named below are left out. \"send\" sends each as a field with the name of its column.\n\
                        unmapped = \"ignore\"\n";

fn reading(options: &SourceArgs) -> String {
    let SourceArgs { format, delimiter, encoding, skip_lines, no_header, sheet } = options;
    let options = [
        ("format", format.map(|format| string(&format.to_string().to_lowercase()))),
        ("delimiter", delimiter.map(|delimiter| string(&character(delimiter)))),
        ("encoding", encoding.map(|encoding| string(&encoding.to_string()))),
        ("skip_lines", skip_lines.map(LineCount::get).filter(|lines| *lines > 0).map(|lines| lines.to_string())),
        ("no_header", no_header.then(|| "true".into())),
        ("sheet", sheet.as_deref().map(string)),
    ];
    let lines: Vec<String> =
        options.into_iter().filter_map(|(key, value)| Some(format!("{key} = {}\n", value?))).collect();
    if lines.is_empty() {
        String::new()
    } else {
        format!("\n# How the file is read, by the options of `init`.\n{}", lines.concat())
    }
}

fn character(delimiter: Delimiter) -> String {
    if delimiter == Delimiter::TAB { "tab".into() } else { char::from(delimiter.byte()).into() }
}

fn fields(guess: &Guess) -> String {
    let mut text = String::from(
        "\n# The platform's field = the column that it comes from. Values are sent as text; { column = \"…\", type = \"number\" }\n\
         # sends a number, and type = \"boolean\" a boolean.\n[fields]\n",
    );
    for column in &guess.columns {
        let Meaning::Field { name, made } = &column.meaning else { continue };
        let _ = writeln!(text, "# {}\n{}", reason(column), field(name, &column.name, made));
        match &column.instead {
            Some(Meaning::Field { name, made }) => {
                let _ = writeln!(text, "# {}", field(name, &column.name, made));
            }
            Some(
                Meaning::Tags { .. } | Meaning::Flag { .. } | Meaning::PlatformId | Meaning::LeftOut | Meaning::Blank,
            )
            | None => {}
        }
    }
    text
}

fn field(name: &str, column: &str, made: &[Made]) -> String {
    let steps: Vec<String> = made.iter().map(step).collect();
    let country = made.iter().find_map(|made| match made {
        Made::E164By(column) => Some(format!(", country_column = {}", string(column))),
        Made::Null(_) | Made::First(_) | Made::E164 | Made::Lower | Made::Digits | Made::Date(_) => None,
    });
    let country = country.unwrap_or_default();
    match steps.as_slice() {
        [] => format!("{} = {}", key(name), string(column)),
        steps => {
            let (name, column, steps) = (key(name), string(column), steps.join(", "));
            format!("{name} = {{ column = {column}{country}, transform = [{steps}] }}")
        }
    }
}

fn step(made: &Made) -> String {
    match made {
        Made::Null(word) => format!("{{ null = [{}] }}", string(word)),
        Made::First(separator) => format!("{{ first = {} }}", string(separator)),
        Made::E164 | Made::E164By(_) => "\"e164\"".into(),
        Made::Lower => "\"lower\"".into(),
        Made::Digits => "\"digits\"".into(),
        Made::Date(forms) => match forms.as_slice() {
            [form] => format!("{{ date = {} }}", string(form)),
            forms => {
                let forms: Vec<String> = forms.iter().map(|form| string(form)).collect();
                format!("{{ date = [{}] }}", forms.join(", "))
            }
        },
    }
}

fn tags(guess: &Guess) -> String {
    let mut text = String::new();
    for column in &guess.columns {
        if let Some(table) = tag_table(&column.name, &column.meaning) {
            let _ = write!(text, "\n# {}\n{table}", reason(column));
        }
        if let Some(table) = column.instead.as_ref().and_then(|instead| tag_table(&column.name, instead)) {
            let _ = writeln!(text, "\n# In place of the field {}:", string(&column.name));
            table.lines().for_each(|line| text.push_str(&format!("# {line}\n")));
        }
    }
    text
}

fn tag_table(column: &str, meaning: &Meaning) -> Option<String> {
    let mut table = format!("[[tags]]\ncolumn = {}\n", string(column));
    match meaning {
        Meaning::Tags { separator, except, remove } => {
            if let Some(separator) = separator {
                let _ = writeln!(table, "separators = [{}]", string(separator));
            }
            if !except.is_empty() {
                let except: Vec<String> = except.iter().map(|tag| string(tag)).collect();
                let _ = writeln!(table, "except = [{}]", except.join(", "));
            }
            if *remove {
                table.push_str("remove = true\n");
            }
            Some(table)
        }
        Meaning::Flag { tag } => {
            let _ = writeln!(table, "tag = {}", string(tag));
            Some(table)
        }
        Meaning::Field { .. } | Meaning::PlatformId | Meaning::LeftOut | Meaning::Blank => None,
    }
}

// The columns of which nothing is made.
fn nothing(guess: &Guess) -> String {
    let mut text = String::new();
    for column in &guess.columns {
        match column.meaning {
            Meaning::LeftOut | Meaning::Blank => {
                let _ = writeln!(text, "# {}", reason(column));
            }
            Meaning::Field { .. } | Meaning::Tags { .. } | Meaning::Flag { .. } | Meaning::PlatformId => {}
        }
    }
    if text.is_empty() { text } else { format!("\n# Columns that are left out:\n{text}") }
}

fn reason(column: &ColumnGuess) -> String {
    let mut text = format!("{}: {}", string(&column.name), column.why);
    if !column.samples.is_empty() {
        let _ = write!(text, "\n#   such as {}", column.samples.join(" and "));
    }
    text
}

fn key(name: &str) -> String {
    TomlKeyBuilder::new(name).as_default().to_toml_key()
}

// On one line whatever it holds, as it also stands in comments.
fn string(text: &str) -> String {
    TomlStringBuilder::new(text).as_basic().to_toml_value()
}

/// Warns of lists that are left out of the suggestion.
pub fn warn_of_lists(input: &str, lists: &BTreeSet<String>, console: &Console) {
    for list in lists {
        let text = format!(
            "{input}: the list `{list}` holds fields by name and value, in varying order, so it is left out. To send one, map \
             it as `{list}.NAME`; turn fields whose names are numbers into keys first"
        );
        console.say(Level::Warning, &text);
    }
}

// How many rows would be rejected, and the reasons of most of them.
fn warn_of_rejected(judged: &Judged, console: &Console) {
    let Judged { rows, rejected, reasons } = judged;
    if *rejected == 0 {
        return;
    }
    let shown: Vec<String> = reasons
        .iter()
        .take(REASONS_SHOWN)
        .map(|RejectReason { reason, count, line }| match count {
            1 => format!("{reason} (1 row, on line {line})"),
            _ => format!("{reason} ({count} rows, first on line {line})"),
        })
        .collect();
    let more = match reasons.len().saturating_sub(REASONS_SHOWN) {
        0 => String::new(),
        1 => "; and 1 other reason".to_owned(),
        more => format!("; and {more} other reasons"),
    };
    let of_all = if *rows == 1 { "the first row".to_owned() } else { format!("{rejected} of the first {rows} rows") };
    let text =
        format!("{of_all} would be rejected: {}{more}. Run `contactsync check` for the whole file", shown.join("; "));
    console.say(Level::Warning, &text);
}

/// Prints the warnings, the path of the written file, and the next commands.
pub fn print(guess: &Guess, judged: &Judged, args: &InitArgs, path: &Path, console: &Console) -> Result<(), Failure> {
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
            "no phone, e-mail or id column identifies contacts; set `match` in the file before you run plan",
        );
    }
    for column in guess.columns.iter().filter(|column| column.rounded > 0) {
        let ColumnGuess { name, rounded, filled, .. } = column;
        let values = counted(*filled as u64, "value", "values");
        let are = if *rounded == 1 { "is a rounded number" } else { "are rounded numbers" };
        console.say(
            Level::Warning,
            &format!("{rounded} of {values} of `{name}` {are}, such as 5.2E+11: export the column as text"),
        );
    }
    if let CountryGuess::Missing { likely, .. } = guess.country {
        let letters = likely.map_or_else(|| "MX".to_owned(), |(country, _)| country.to_string());
        console.say(
            Level::Warning,
            &format!(
                "phone numbers have no country code and are sent as written; if they are from {letters}, run init again with \
                 `--country {letters} --force`"
            ),
        );
    }
    warn_of_rejected(judged, console);
    let config = args.config.as_ref();
    let config = config.map(|path| format!(" --config {}", quoted(&path.display().to_string()))).unwrap_or_default();
    let input = quoted(&args.input);
    print_lines(&[
        text,
        "review the file, then run:".to_owned(),
        format!("  contactsync check {input}{config}"),
        format!("  contactsync plan {input}{config}"),
    ])
}
