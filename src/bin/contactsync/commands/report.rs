//! `report [RUN]`: what happened in a run.

use std::path::Path;

use contactsync::Clock;
use contactsync::run_report::run_report;

use crate::args::ReportArgs;
use crate::commands::{existing_journal, shown};
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::console::{Console, Level};
use crate::render::run_report::{Made, html, json, saved_page, text};
use crate::render::summary::{print_json, print_lines, print_text};
use crate::whole_file;

pub fn run(args: &ReportArgs, config: Config, console: &Console) -> Result<Exit, Failure> {
    let path = existing_journal(&args.journal, config)?;
    let file = args.html.as_deref().filter(|file| *file != Path::new("-"));
    file.map_or(Ok(()), saved_page::check)?;
    let now = Clock::system().now();
    let report = run_report(&path, args.run, now)?;
    let made = Made { now, journal: &path };
    match (&args.html, file) {
        (_, Some(file)) => {
            whole_file::replace(file, html::page(&report, made).as_str(), 0o600)
                .map_err(|error| Failure::write_failed(file, &error))?;
            console.say(Level::Info, &format!("{}: report of run {}", shown(file), report.run.id));
        }
        (Some(_), None) => print_text(html::page(&report, made).as_str())?,
        (None, None) if args.json => print_json(&json::object(&report).to_string())?,
        (None, None) => print_lines(&text::lines(&report, made))?,
    }
    Ok(Exit::Done)
}
