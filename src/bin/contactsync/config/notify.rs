//! The table `[notify]`: which commands and URLs are notified when runs end, and which runs are unusual.

use std::str::FromStr;
use std::time::Duration;

use contactsync::RowLimit;
use serde::Deserialize;

use super::deserializer::group;
use super::mapping::keys::KeyInfo;
use super::table::Table;
use crate::options::value::{Name, TimeSpan, WholeNumber, name, parsed};
use crate::options::{ConfigError, Sourced};

/// The table `[notify]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NotifyTable {
    /// A command or a URL for the end of every run.
    #[serde(deserialize_with = "name")]
    pub on_finish: Option<Sourced<Name>>,
    /// The same, for a failure.
    #[serde(deserialize_with = "name")]
    pub on_failure: Option<Sourced<Name>>,
    /// The same, for an unusual run.
    #[serde(deserialize_with = "name")]
    pub on_degraded: Option<Sourced<Name>>,
    /// The same, for a recovery.
    #[serde(deserialize_with = "name")]
    pub on_recovered: Option<Sourced<Name>>,
    /// The URL of a check: `URL/start` at the start, `URL` or `URL/fail` at the end.
    #[serde(deserialize_with = "name")]
    pub ping_url: Option<Sourced<Name>>,
    /// The longest time that a command or a URL may take.
    #[serde(deserialize_with = "parsed")]
    pub timeout: Option<TimeSpan>,
    /// Whether failures and unusual runs are reported every time.
    pub repeat: bool,
    #[serde(skip)]
    pub degraded: DegradedTable,
}

/// The table `[notify.degraded]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DegradedTable {
    pub rejects: Option<RowLimit>,
    pub duration: Option<TimeSpan>,
    /// In hundredths of a percent.
    pub rows: Option<u64>,
    pub stopped: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DegradedKeys {
    #[serde(deserialize_with = "parsed")]
    rejects: Option<RowLimit>,
    #[serde(deserialize_with = "parsed")]
    duration: Option<TimeSpan>,
    #[serde(deserialize_with = "parsed")]
    rows: Option<Share>,
    stopped: Option<WholeNumber<1, 365>>,
}

/// A share in hundredths of a percent.
struct Share(u64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(RowLimit::Share(share)) => Ok(Self(share)),
            Ok(RowLimit::Count(_)) | Err(_) => Err(format!("expected a share such as 50%, found `{text}`")),
        }
    }
}

macro_rules! keys {
    ($($name:literal, $default:literal, $meaning:literal;)+) => {
        &[$(KeyInfo { name: $name, #[cfg(test)] default: $default, meaning: $meaning },)+]
    };
}

/// The keys of `[notify]`.
pub const NOTIFY_KEYS: &[KeyInfo] = keys! {
    "on_finish", "none", "A command or a URL that gets the summary of every run";
    "on_failure", "none", "A command or a URL that is notified when runs begin to fail";
    "on_degraded", "none", "A command or a URL that is notified when runs begin to be unusual";
    "on_recovered", "none", "A command or a URL that is notified of a recovery";
    "ping_url", "none", "The URL of a health check: `URL/start` is requested at the start, `URL` or `URL/fail` at the end";
    "timeout", "`30s`", "The longest time that a command or a URL may take";
    "repeat", "`false`", "Whether failures and unusual runs are reported every time";
};

/// The keys of `[notify.degraded]`.
pub const DEGRADED_KEYS: &[KeyInfo] = keys! {
    "rejects", "`10%`", "A run is unusual if more than this number, or this share of its rows, is rejected";
    "duration", "none", "A run is unusual if the command takes longer than this";
    "rows", "`50%`", "A run is unusual if its number of rows differs by more than this share from the usual number";
    "stopped", "`3`", "A run is unusual if it is at least the Nth in a row that stopped early";
};

/// Reads the table, if there is one.
pub(super) fn notify(table: &mut Table<'_>) -> Result<NotifyTable, ConfigError> {
    let Some(item) = table.item("notify") else { return Ok(NotifyTable::default()) };
    let mut inner = item.table("a table [notify]")?;
    let timeout = inner.place_of("timeout");
    let keys: NotifyTable = group(&mut inner)?;
    if let (Some(TimeSpan(Duration::ZERO)), Some(place)) = (keys.timeout, timeout) {
        return Err(place.wrong("expected a time above zero"));
    }
    let degraded = match inner.item("degraded") {
        None => DegradedTable::default(),
        Some(item) => {
            let mut inner = item.table("a table [notify.degraded]")?;
            let DegradedKeys { rejects, duration, rows, stopped } = group(&mut inner)?;
            inner.finish()?;
            let stopped = stopped.and_then(|nights| u32::try_from(nights.get()).ok());
            DegradedTable { rejects, duration, rows: rows.map(|Share(share)| share), stopped }
        }
    };
    inner.finish()?;
    Ok(NotifyTable { degraded, ..keys })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::config;

    #[test]
    fn the_table_is_read_and_its_mistakes_are_reported() {
        let text = "[notify]\non_failure = \"mail\"\nping_url = \"https://a.example.com/b\"\ntimeout = 5\nrepeat = true\n\
                    degraded = { rejects = \"5%\", duration = \"2h\", rows = \"30%\", stopped = 4 }";
        let notify = config(text).unwrap().notify;
        assert_eq!(notify.on_failure.as_ref().map(|name| name.0.as_str()), Some("mail"));
        assert_eq!((notify.timeout, notify.repeat), (Some(TimeSpan(Duration::from_secs(5))), true));
        let expected = DegradedTable {
            rejects: Some(RowLimit::Share(500)),
            duration: Some(TimeSpan(Duration::from_hours(2))),
            rows: Some(3_000),
            stopped: Some(4),
        };
        assert_eq!(notify.degraded, expected);
        let check = |text: &str, expected: &str| {
            let message = config(text).expect_err(text).to_string();
            assert_eq!(message, expected, "{text}");
        };
        check("notify = 5", "c.toml:1: key `notify`: expected a table [notify], found a whole number");
        check("[notify]\non_failed = \"a\"", "c.toml:2: unknown key `on_failed`; did you mean `on_failure`?");
        check("[notify]\non_failure = \" \"", "c.toml:2: key `on_failure`: expected a text, found an empty one");
        check(
            "[notify]\non_failure = 5",
            "c.toml:2: key `on_failure`: expected a text in quotes, found a whole number",
        );
        check("[notify]\ntimeout = \"0s\"", "c.toml:2: key `timeout`: expected a time above zero");
        check("[notify]\nrepeat = \"yes\"", "c.toml:2: key `repeat`: expected true or false, found text");
        check("[notify.degraded]\nrows = 5", "c.toml:2: key `rows`: expected a share such as 50%, found `5`");
        check(
            "[notify.degraded]\nstopped = 0",
            "c.toml:2: key `stopped`: expected a whole number from 1 to 365, found 0",
        );
        check(
            "[notify.degraded]\nspeed = 0",
            "c.toml:2: unknown key `speed`; expected one of rejects, duration, rows, stopped",
        );
    }
}
