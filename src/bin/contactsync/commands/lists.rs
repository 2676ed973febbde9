//! The files that list rows: which may be written, and how an interrupted run goes on with its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use contactsync::{Journal, ListClaims, ListError, ListFault, Listed, Listing, OutputFormat, Stop};

use crate::commands::bring::quoted;
use crate::console::{Console, Level};
use crate::failure::Failure;
use crate::options::ListArgs;
use crate::settings::{Channel, Channels};

/// What a file that is read, or written already, is to whoever names it as a list by mistake.
pub const INPUT: &str = "the input";
const JOURNAL: &str = "the journal";
const CONFIG: &str = "the configuration";
const TOKEN: &str = "the token file";

/// The files that SQLite keeps beside a journal.
pub fn parts_of(journal: &Path) -> Vec<PathBuf> {
    let other_runs = |ending: &str| {
        let mut name = journal.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    ["-wal", "-shm", "-journal"].map(other_runs).into()
}

/// The files that a list must not be, beside the input: `parts` are those that SQLite keeps beside the journal.
pub fn others<'a>(
    journal: &'a Path,
    parts: &'a [PathBuf],
    config: Option<&'a Path>,
    channels: &'a Channels,
) -> Vec<(&'a Path, &'static str)> {
    let parts = parts.iter().map(|part| (part.as_path(), JOURNAL));
    let tokens = channels.here().iter().filter_map(Channel::token_file).map(|path| (path, TOKEN));
    let config = config.map(|path| (path, CONFIG));
    [(journal, JOURNAL)].into_iter().chain(config).chain(parts).chain(tokens).collect()
}

/// Takes the right to write the files, before anything is sent. They must be none of the others.
pub fn claim(lists: &ListArgs, others: &[(&Path, &str)]) -> Result<ListClaims, Failure> {
    ListClaims::new(lists.rejects.as_deref(), lists.results.as_deref(), others).map_err(|error| in_words(&error))
}

/// Continues the lists of these inputs, given by their numbers. The files named on the command line or in the configuration
/// are the lists of the newest input. A list that only the journal names is not written: the journal may come from someone
/// else.
pub fn go_on(
    journal: &Journal,
    syncs: &BTreeSet<i64>,
    said: &ListArgs,
    others: &[(&Path, &str)],
    stop: &Stop,
    console: &Console,
) -> Result<BTreeMap<i64, Listed>, Failure> {
    let (mut lists, mut taken) = (BTreeMap::new(), BTreeSet::new());
    let none = ListArgs::default();
    for (nth, &sync) in syncs.iter().rev().enumerate() {
        let is_newest = nth == 0;
        let said = if is_newest { said } else { &none };
        let before = journal.listing(sync)?.map(|(listing, _)| listing);
        let output_format = before.as_ref().map_or(OutputFormat::Objects, |listing| listing.output_format.clone());
        let (begun, keeps_rows) = match before {
            Some(Listing { files, .. }) => {
                let keeps_rows = files.rejects.is_some();
                (
                    ListArgs { rejects: files.rejects.map(Into::into), results: files.results.map(Into::into) },
                    keeps_rows,
                )
            }
            None => (ListArgs::default(), false),
        };
        let mut wanted = said.clone();
        let options = [("--rejects", &begun.rejects, &wanted.rejects), ("--results", &begun.results, &wanted.results)];
        let unnamed = options.into_iter().filter(|(_, _, wanted)| wanted.is_none());
        let unnamed: Vec<(&str, &Path)> =
            unnamed.filter_map(|(option, begun, _)| Some((option, begun.as_deref()?))).collect();
        if is_newest && !unnamed.is_empty() {
            let options =
                unnamed.iter().map(|(option, path)| format!("{option} {}", quoted(&path.display().to_string())));
            let options = options.collect::<Vec<_>>().join(" ");
            return Err(Failure::usage_text(format!(
                "the run was started with `{options}`, which neither the command line nor the configuration names now"
            ))
            .hint(format!("add `{options}`, or use other file names")));
        }
        for (_, begun) in unnamed {
            if !taken.contains(begun) {
                let text = format!("{}: not written: it lists the rows of an earlier input", begun.display());
                console.say(Level::Warning, &text);
            }
        }
        if let Some(path) = wanted.rejects.take_if(|_| !keeps_rows) {
            let path = path.display();
            let text = format!("{path}: not written: the run was begun without --rejects, so its rows were not kept");
            console.say(Level::Warning, &text);
        }
        let claims = claim(&wanted, others)?;
        let files = claims.files();
        // Of two inputs with one list, the newer one has it.
        taken.extend([&files.rejects, &files.results].into_iter().flatten().map(PathBuf::from));
        if !files.is_empty() {
            journal.set_listing(sync, Listing { files, output_format })?;
        }
        lists.insert(sync, claims.write(journal, sync, stop)?);
    }
    Ok(lists)
}

fn in_words(error: &ListError) -> Failure {
    let failure = Failure::usage(error);
    match error.fault() {
        ListFault::Taken(what) if what == INPUT => {
            failure.hint("write to another file: this one is the input, which must stay complete")
        }
        ListFault::Foreign(_) => failure.hint("use another file name, or move this file away; it was not changed"),
        ListFault::Ending(_) => failure.hint("lists are written as CSV or JSONL, which spreadsheets open"),
        ListFault::Taken(_) | ListFault::Busy | ListFault::Kind(_) | ListFault::Path | ListFault::Write(_) => failure,
    }
}
