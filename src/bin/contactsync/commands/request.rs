//! What the library's use cases take, made of the settings.

use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use contactsync::report::Summary;
use contactsync::{Clock, Overrides, Routing, RowLists, RunOptions, Selection};

use crate::args::{ConnectionArgs, SelectionArgs};
use crate::failure::INPUT;
use crate::options::ListArgs;
use crate::options::value::ContactCount;
use crate::render::time::local_time;
use crate::settings::{Bounds, Channel, Channels};

/// What a file is that must not be written as a list.
const CONFIG: &str = "the configuration";
const TOKEN: &str = "the token file";

/// Which channel each row goes to.
pub fn routing(channels: &Channels) -> Routing {
    match channels {
        Channels::One(_) => Routing::One,
        Channels::Selected { column, others, .. } => {
            Routing::Selected { column: column.clone(), others: others.clone() }
        }
        Channels::ByColumn { column, elsewhere, takes_unknown, .. } => {
            Routing::ByColumn { column: column.clone(), elsewhere: elsewhere.clone(), takes_unknown: *takes_unknown }
        }
    }
}

/// The files that list rows, and those that they must not be.
pub fn row_lists(lists: ListArgs, config: Option<&Path>, channels: &Channels, input: Option<&str>) -> RowLists {
    let config = config.map(|path| (path.to_owned(), CONFIG));
    let tokens = channels.here().iter().filter_map(Channel::token_file).map(|path| (path.to_owned(), TOKEN));
    let input = input.map(|path| (PathBuf::from(path), INPUT));
    RowLists {
        rejects: lists.rejects,
        results: lists.results,
        reserved: config.into_iter().chain(tokens).chain(input).collect(),
    }
}

/// The guards that the command line overrides.
pub fn overrides(args: &ConnectionArgs) -> Overrides {
    Overrides { moved: args.moved, new_token: args.new_token, forget_limit: args.forget_limit }
}

/// The contacts to which the runs are limited.
pub fn selection(args: &SelectionArgs) -> Selection {
    Selection { only: args.only.clone(), limit: args.limit.map(ContactCount::get) }
}

/// How far the runs go. The time counts from now.
pub fn run_options(bounds: &Bounds, read_back: bool, clock: &Clock) -> RunOptions {
    RunOptions {
        read_back,
        limits: bounds.limits(clock.now()),
        outage_timeout: bounds.outage_timeout,
        keep_history: bounds.keep_history,
        keep_before: bounds.keep_before,
        seed: seed(clock),
    }
}

/// The summary with the duration of the whole command.
pub fn timed<C>(summary: Summary<C>, took: Duration) -> Summary<C> {
    Summary { seconds: took.as_secs_f64(), ..summary }
}

/// The seed of the random spread of retries, which differs from process to process.
pub fn seed(clock: &Clock) -> u64 {
    u64::from(process::id()) ^ clock.now().as_millis()
}

/// What other processes are told of the one that holds a channel.
pub fn holder() -> String {
    format!("process {} since {}", process::id(), local_time(jiff::Timestamp::now()))
}
