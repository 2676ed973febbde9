//! The SQL: the file and its schema here, the queries in the modules below. Every function runs within a transaction that
//! its caller begins and ends.

mod attempts;
mod by_hand;
mod changes;
mod checked_json;
mod clock;
mod columns;
mod compact;
mod contacts;
mod conversion;
mod dictionary;
mod first_writes;
mod forget;
mod hashing;
mod history;
mod ids;
mod inserting;
mod items;
mod kept_rows;
mod keys;
mod listing;
mod maintenance;
mod marks;
mod migration;
mod missing;
pub(in crate::journal) mod open_files;
mod opening;
pub(super) use self::opening::tidy;
mod order;
mod past_calls;
mod planned_missing;
mod planning;
mod prior;
mod rate_limits;
mod readings;
mod rejections;
mod run_report;
mod runs;
mod selected;
mod selection;
mod sending;
mod snapshots;
mod staged;
mod state;
mod stored_cells;
mod story;
mod suppressed;
mod tokens;
mod undo;
mod verifications;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Weak;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempPath;

use self::contacts::ContactNumbers;
use self::dictionary::Dictionary;
use self::hashing::Hashing;
use self::open_files::OpenFiles;
use self::past_calls::PastCalls;
use self::planning::Plans;
use super::JournalError;
use super::lock::HeldFile;
use crate::core::kept_values::KeptValues;
use crate::core::time::Timestamp;
use crate::core::verification::Difference;

type Result<T> = std::result::Result<T, JournalError>;

/// Marks the file as a journal of contactsync (`PRAGMA application_id`): "csyn".
const APPLICATION_ID: i64 = 0x6373_796e;

/// The schema that this program writes (`PRAGMA user_version`).
const SCHEMA_VERSION: i64 = 11;

const LASTING_TABLES: &str = include_str!("lasting.sql");
const READING_TABLES: &str = include_str!("readings.sql");
const RUN_TABLES: &str = include_str!("runs.sql");
/// The views of the history for SQL tools. An upgrade recreates them, because they depend on tables that it may change.
const VIEWS: &str = include_str!("views.sql");
/// The states of runs that can be resumed, as a list in SQL.
const RESUMABLE: &str = "('planned', 'sending', 'stopped', 'failed')";

/// Size of SQLite's page cache. A negative number is in KiB. A thousand channels repeatedly use some 20 MB of the file, five
/// pages each.
const CACHE_KIB: i64 = -32 * 1024;

/// Number of pages of 4 KiB in the write-ahead log after which SQLite copies them into the file. Copying delays the writer,
/// and a page that was written ten times meanwhile is copied once, so a larger log is faster.
const WAL_PAGES: i64 = 8_192;

/// The first number of a contact or a name that is only in memory, because the journal may not be written.
const FIRST_IN_MEMORY: i64 = 1 << 40;

#[derive(Debug)]
pub(super) struct Store {
    db: Connection,
    // Whether it is a dry run: plans are not stored, and lasting tables are not written.
    dry: bool,
    // Whether lasting tables cannot be written: a dry run on a journal that others may use.
    is_read_only: bool,
    // The upgraded copy that a dry run uses for a journal of an earlier version. It is deleted on drop.
    copy: Option<TempPath>,
    // The copy of the journal as it was before this process upgraded it.
    backup: Option<PathBuf>,
    // Whether this process replaced its values with hashes.
    is_converted: bool,
    // Whether a commit is on disk when it returns.
    is_durable: Cell<bool>,
    // The open files; `None` in memory and in a dry run.
    open_files: Option<OpenFiles>,
    // The lock files on which the channels' calls depend.
    locks: RefCell<BTreeMap<String, Vec<Weak<HeldFile>>>>,
    // The last call of each channel that was started in the current transaction.
    started: RefCell<BTreeMap<String, i64>>,
    names: Dictionary,
    channels: Dictionary,
    windows: Dictionary,
    plans: RefCell<Plans>,
    past_calls: RefCell<PastCalls>,
    // The number of the window in which each run's calls count.
    sending_in: RefCell<BTreeMap<i64, i64>>,
    // The numbers of the contacts that are being sent.
    numbers: RefCell<ContactNumbers>,
    // Whether runs keep what was known of contacts before they change them.
    keeps_before: Cell<bool>,
    // How values are kept; `None` as they are.
    hashing: Cell<Option<Hashing>>,
    // The differences that this process found, with their values, which a journal of hashes does not store.
    found: RefCell<BTreeMap<(i64, i64), Vec<Difference>>>,
}

impl Store {
    fn on(db: Connection, dry: bool) -> Self {
        db.set_prepared_statement_cache_capacity(64);
        // Otherwise a statement may be prepared again for each value that is bound to it. If it fails, only time is lost.
        let _ = db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true);
        Self {
            db,
            dry,
            is_read_only: false,
            copy: None,
            backup: None,
            is_converted: false,
            is_durable: Cell::new(true),
            open_files: None,
            locks: RefCell::default(),
            started: RefCell::default(),
            names: Dictionary::of("names"),
            channels: Dictionary::of("channels"),
            windows: Dictionary::of("windows"),
            plans: RefCell::default(),
            past_calls: RefCell::default(),
            sending_in: RefCell::default(),
            numbers: RefCell::default(),
            keeps_before: Cell::new(true),
            hashing: Cell::new(None),
            found: RefCell::default(),
        }
    }

    pub(super) fn in_memory(kept: Option<KeptValues>) -> Result<Self> {
        let store = Self::on(Connection::open_in_memory()?, false);
        store.configure()?;
        store.create()?;
        store.keep(Path::new(""), kept, true)?;
        Ok(store)
    }

    // SQLite moves it to a temporary file when it grows, and deletes that file at the end.
    pub(super) fn dry_and_empty() -> Result<Self> {
        let store = Self::on(Connection::open("")?, true);
        store.db.pragma_update(None, "cache_size", CACHE_KIB)?;
        store.create()?;
        Ok(store)
    }

    fn configure(&self) -> rusqlite::Result<()> {
        // What is deleted is overwritten: it is personal data.
        self.db.pragma_update(None, "secure_delete", "ON")?;
        self.db.pragma_update(None, "journal_mode", "WAL")?;
        // A commit is on disk when it returns: an intent that a power failure undoes may create a duplicate.
        self.db.pragma_update(None, "synchronous", "FULL")?;
        // Truncating a memory-mapped file kills the process instead of returning an error.
        self.db.pragma_update(None, "mmap_size", 0)?;
        self.db.pragma_update(None, "cache_size", CACHE_KIB)?;
        self.db.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
        Ok(())
    }

    /// Sets whether the next commits are on disk when they return. The first one that is brings the earlier ones along, because
    /// the log is written in order.
    pub(super) fn set_durable(&self, is_durable: bool) -> Result<()> {
        if self.is_durable.get() != is_durable {
            // SQLite ignores it within a transaction, such as one that a panic left.
            if !self.db.is_autocommit() {
                self.roll_back();
            }
            self.db.pragma_update(None, "synchronous", if is_durable { "FULL" } else { "NORMAL" })?;
            self.is_durable.set(is_durable);
        }
        Ok(())
    }

    // Makes a new file able to shrink by some pages at a time. It writes to a file that has tables.
    fn set_incremental(&self) -> rusqlite::Result<()> {
        self.db.pragma_update(None, "auto_vacuum", "INCREMENTAL")
    }

    fn create(&self) -> Result<()> {
        self.db.execute_batch(LASTING_TABLES)?;
        self.db.execute_batch(READING_TABLES)?;
        self.db.execute_batch(RUN_TABLES)?;
        self.db.execute_batch(VIEWS)?;
        self.db.pragma_update(None, "application_id", APPLICATION_ID)?;
        self.db.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        Ok(())
    }

    fn version(&self) -> Result<i64> {
        Ok(self.db.query_row("PRAGMA user_version", [], |row| row.get(0))?)
    }

    pub(super) fn backup(&self) -> Option<&Path> {
        self.backup.as_deref()
    }

    pub(super) fn is_converted(&self) -> bool {
        self.is_converted
    }

    pub(super) fn begin(&self) -> Result<()> {
        self.started.borrow_mut().clear();
        if !self.db.is_autocommit() {
            self.roll_back();
        }
        self.plans.borrow_mut().changed = None;
        Ok(self.db.execute_batch("BEGIN IMMEDIATE")?)
    }

    pub(super) fn commit(&self) -> Result<()> {
        // Once for all calls that start with it.
        self.hold_started()?;
        Ok(self.db.execute_batch("COMMIT")?)
    }

    pub(super) fn roll_back(&self) {
        // Some failures have rolled back already; then there is nothing left to do.
        let _ = self.db.execute_batch("ROLLBACK");
        for dictionary in [&self.names, &self.channels, &self.windows] {
            dictionary.forget();
        }
        self.sending_in.take();
        self.numbers.take();
        let mut plans = self.plans.borrow_mut();
        if let Some(changed) = plans.changed.take() {
            plans.open.remove(&changed);
        }
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the core's types have text keys, which JSON can always hold")
}

fn damaged(what: &'static str, why: &str) -> JournalError {
    JournalError::damaged(what)(serde::de::Error::custom(why))
}

fn parse<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(JournalError::damaged(what))
}

// SQLite's integers are signed. No count or time in the journal comes near their maximum.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn millis(moment: Timestamp) -> i64 {
    integer(moment.as_millis())
}
