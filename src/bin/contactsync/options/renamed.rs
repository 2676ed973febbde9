//! Options and keys that have a new name.

/// Earlier names, written as keys, with the present ones.
pub const RENAMED: [(&str, &str); 3] =
    [("settle", "search_lag"), ("patience", "outage_timeout"), ("resend_unsure", "retry_in_doubt")];

/// The present name of an option or a key, written as a key. `None` if `name` was never one.
pub fn renamed(name: &str) -> Option<&'static str> {
    let key = name.trim_start_matches('-').replace('-', "_");
    RENAMED.iter().find(|(earlier, _)| *earlier == key).map(|&(_, present)| present)
}
