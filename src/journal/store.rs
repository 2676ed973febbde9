//! The SQL: the file and its schema here, the queries in the modules below. Every function runs within a transaction that
//! its caller begins and ends.

mod columns;
mod history;
mod items;
mod listing;
pub(in crate::journal) mod open_files;
mod opening;
mod order;
mod rate_limits;
mod runs;
mod sealed;
mod sending;
mod snapshots;
mod stored_cells;
mod tokens;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Weak;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempPath;

use self::open_files::OpenFiles;
use self::sealed::unsealed;
use super::JournalError;
use super::lock::HeldFile;
use crate::core::call::CallKind;
use crate::core::model::{Contact, RemoteState};
use crate::core::time::Timestamp;

type Result<T> = std::result::Result<T, JournalError>;

/// Marks the file as a journal of contactsync (`PRAGMA application_id`): "csyn".
const APPLICATION_ID: i64 = 0x6373_796e;

/// The schema that this program writes (`PRAGMA user_version`).
const SCHEMA_VERSION: i64 = 7;

const LASTING_TABLES: &str = include_str!("lasting.sql");
const RUN_TABLES: &str = concat!(include_str!("runs.sql"), include_str!("skipped.sql"));
const SNAPSHOT_TABLES: &str = include_str!("snapshots.sql");

/// The migrations from each version to the next, beginning with version 1.
const UPGRADES: [&str; 6] = [
    include_str!("upgrade_1.sql"),
    include_str!("upgrade_2.sql"),
    include_str!("upgrade_3.sql"),
    include_str!("upgrade_4.sql"),
    include_str!("upgrade_5.sql"),
    concat!(include_str!("snapshots.sql"), include_str!("skipped.sql")),
];

/// Size of SQLite's page cache. A negative number is in KiB. A thousand channels repeatedly use some 20 MB of the file, five
/// pages each.
const CACHE_KIB: i64 = -32 * 1024;

/// Number of pages of 4 KiB in the write-ahead log after which SQLite copies them into the file. Copying delays the writer,
/// and a page that was written ten times meanwhile is copied once, so a larger log is faster.
const WAL_PAGES: i64 = 8_192;

#[derive(Debug)]
pub(super) struct Store {
    db: Connection,
    // Whether it is a dry run: plans are not stored, and lasting tables are not written.
    dry: bool,
    // The upgraded copy that a dry run uses for a journal of an earlier version. It is deleted on drop.
    copy: Option<TempPath>,
    // The open files; `None` in memory and in a dry run.
    open_files: Option<OpenFiles>,
    // The lock files on which the channels' calls depend.
    locks: RefCell<BTreeMap<String, Vec<Weak<HeldFile>>>>,
    // The last call of each channel that was started in the current transaction.
    started: RefCell<BTreeMap<String, i64>>,
}

impl Store {
    fn on(db: Connection, dry: bool) -> Self {
        Self { db, dry, copy: None, open_files: None, locks: RefCell::default(), started: RefCell::default() }
    }

    pub(super) fn in_memory() -> Result<Self> {
        let store = Self::on(Connection::open_in_memory()?, false);
        store.configure()?;
        store.create()?;
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
        self.db.pragma_update(None, "journal_mode", "WAL")?;
        // A commit is on disk when it returns: an intent that a power failure undoes may create a duplicate.
        self.db.pragma_update(None, "synchronous", "FULL")?;
        // Truncating a memory-mapped file kills the process instead of returning an error.
        self.db.pragma_update(None, "mmap_size", 0)?;
        self.db.pragma_update(None, "cache_size", CACHE_KIB)?;
        self.db.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
        self.db.set_prepared_statement_cache_capacity(64);
        Ok(())
    }

    fn create(&self) -> Result<()> {
        self.db.execute_batch(LASTING_TABLES)?;
        self.db.execute_batch(RUN_TABLES)?;
        self.db.execute_batch(SNAPSHOT_TABLES)?;
        self.db.pragma_update(None, "application_id", APPLICATION_ID)?;
        self.db.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        Ok(())
    }

    fn version(&self) -> Result<i64> {
        Ok(self.db.query_row("PRAGMA user_version", [], |row| row.get(0))?)
    }

    fn upgrade(&self) -> Result<()> {
        let version = usize::try_from(self.version()?).unwrap_or(0);
        for upgrade in UPGRADES.iter().skip(version.saturating_sub(1)) {
            self.db.execute_batch(upgrade)?;
        }
        self.db.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        Ok(())
    }

    pub(super) fn begin(&self) -> Result<()> {
        self.started.borrow_mut().clear();
        if !self.db.is_autocommit() {
            self.roll_back();
        }
        Ok(self.db.execute_batch("BEGIN IMMEDIATE")?)
    }

    pub(super) fn commit(&self) -> Result<()> {
        Ok(self.db.execute_batch("COMMIT")?)
    }

    pub(super) fn roll_back(&self) {
        // Some failures have rolled back already; then there is nothing left to do.
        let _ = self.db.execute_batch("ROLLBACK");
    }

    fn pending_contacts(&self, run: i64, row: u64, limit: u32) -> Result<Vec<(u64, u64, Contact)>> {
        let mut query = self.db.prepare_cached(
            "SELECT row, line, contact FROM items WHERE run = ?1 AND state = 'pending' AND row > ?2 ORDER BY row LIMIT ?3",
        )?;
        let mut rows = query.query(params![run, integer(row), limit])?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            let contact: String = row.get(2)?;
            page.push((natural(row.get(0)?), natural(row.get(1)?), unsealed("a contact", &contact)?));
        }
        Ok(page)
    }

    fn remote_state(&self, channel: &str, key: &str) -> Result<RemoteState> {
        let mut query = self.db.prepare_cached("SELECT contact, doubt FROM known WHERE channel = ?1 AND key = ?2")?;
        let known: Option<(Option<String>, Option<String>)> =
            query.query_row([channel, key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(match known {
            None => RemoteState::Unknown,
            // As an unknown contact, it would be created again.
            Some((None, None)) => return Err(damaged("a known contact", "it is empty")),
            Some((_, Some(doubt))) => RemoteState::InDoubt(unsealed("a contact in doubt", &doubt)?),
            Some((Some(contact), None)) => RemoteState::Known(unsealed("a known contact", &contact)?),
        })
    }
}

fn call_kind(name: &str) -> Result<CallKind> {
    CallKind::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| JournalError::damaged("a call's kind")(serde::de::Error::custom("unknown kind")))
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
