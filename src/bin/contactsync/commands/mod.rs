//! The commands, one a file, and what they share: the runtime, and moments and paths as people write them.

pub mod check;
pub mod demo;
pub mod init;
pub mod journal;
pub mod plan;
pub mod reference;
mod request;
pub mod resume;
pub mod runs;
pub mod sandbox;
pub mod sync;

use std::path::Path;

use tokio::runtime::Runtime;

use crate::failure::Failure;

/// The runtime of a command: it drives connections and timers.
fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| Failure::unexpected(&error))
}

/// A moment as the person at this machine writes it.
fn local_time(moment: jiff::Timestamp) -> String {
    moment.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A moment as logs and machines have it: ISO 8601 with the offset of this machine's clock.
pub fn offset_time(moment: jiff::Timestamp) -> String {
    moment.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// The time of day of a moment, on this machine's clock.
pub fn time_of_day(at: contactsync::Timestamp) -> String {
    let shown = moment(at);
    shown.get(11..16).unwrap_or(&shown).to_owned()
}

fn moment(at: contactsync::Timestamp) -> String {
    instant(at).map_or_else(|| "?".into(), local_time)
}

/// `None` when there is no such date.
fn instant(at: contactsync::Timestamp) -> Option<jiff::Timestamp> {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).ok()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
