//! The defaults of the options: the help texts state them, and `settings` applies them.

use std::num::NonZeroU32;

use contactsync::RowLimit;

use super::value::TimeSpan;

/// `--config`: the file that is read from the working directory if it exists, and that `init` writes.
pub const CONFIG: &str = "contactsync.toml";

/// `--journal`.
pub const JOURNAL: &str = "contactsync.db";

/// `--channel`.
pub const CHANNEL: &str = "default";

/// `--source`.
pub const SOURCE: &str = contactsync::DEFAULT_SOURCE;

/// `--token-env`.
pub const TOKEN_ENV: &str = "CONTACTSYNC_TOKEN";

/// `--rate`, in calls a minute, where the platform's preset has none (API.md, "Platforms").
pub const RATE: NonZeroU32 = NonZeroU32::new(100).expect("100 is not 0");

/// The N of `--diff` without N.
pub const DIFF: &str = "20";

/// `--search-lag`.
pub const SEARCH_LAG: TimeSpan = TimeSpan(contactsync::SEARCH_LAG);

/// `--max-missing`, with a mark of missing contacts: 10%.
pub const MAX_MISSING: RowLimit = RowLimit::Share(1_000);

/// `--outage-timeout`.
pub const OUTAGE_TIMEOUT: TimeSpan = TimeSpan(contactsync::OUTAGE_TIMEOUT);
