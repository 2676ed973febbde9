//! The open files of a journal: its file, its log and the locks. When one of them is deleted or replaced during a run, the
//! run's writes are lost, and another process can take the same channel. So a call is started only while each path still
//! names the file that is open.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use rusqlite::config::DbConfig;
use rusqlite::{OptionalExtension, params};

use super::{Result, Store, json};
use crate::core::task::Policy;
use crate::core::time::ClockOffset;
use crate::journal::JournalError;
use crate::journal::files::{FileId, Presence, with_suffix};
use crate::journal::lock::HeldFile;
use crate::journal::rows::{Loss, RunState};

/// The endings of the files that SQLite keeps beside a journal while it is open: the log, and its index, which holds the
/// locks of the log.
const LOG_ENDINGS: [&str; 2] = ["-wal", "-shm"];

/// The record of a channel's lock about the calls that earlier runs may have sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) enum Noted {
    /// The number of the last call; 0 for none.
    Call(i64),
    /// None: its file is of an earlier version.
    Nothing,
    /// Its file did not exist.
    NewFile,
}

/// The files of an open journal.
#[derive(Debug)]
pub(super) struct OpenFiles {
    file: PathBuf,
    log: Vec<(PathBuf, FileId)>,
    was_alone: bool,
    presence: Presence,
}

impl OpenFiles {
    /// The files as they are once SQLite has opened the log.
    pub(super) fn of(file: PathBuf, presence: Presence, was_alone: bool) -> Self {
        let paths = LOG_ENDINGS.map(|ending| with_suffix(&file, ending));
        let log = paths.into_iter().filter_map(|path| FileId::at(&path).map(|id| (path, id))).collect();
        Self { file, log, was_alone, presence }
    }

    // The first file that its path no longer names, or the journal when it was truncated.
    fn replaced(&self) -> Option<&Path> {
        if !self.presence.is_whole() {
            return Some(&self.file);
        }
        let is_other = |(path, id): &(&Path, FileId)| FileId::at(path) != Some(*id);
        let log = self.log.iter().map(|(path, id)| (path.as_path(), *id));
        [(self.file.as_path(), self.presence.id())].into_iter().chain(log).find(is_other).map(|(path, _)| path)
    }

    // Whether the paths name other files by now, or the journal was truncated: closing the log would delete another
    // process's log, or the remaining pages.
    fn is_taken(&self) -> bool {
        if !self.presence.is_whole() {
            return true;
        }
        let log = self.log.iter().any(|(path, id)| FileId::at(path).is_some_and(|other| other != *id));
        log || FileId::at(&self.file) != Some(self.presence.id())
    }
}

impl Store {
    // Checks that every path still names the open file. It runs within a transaction; another process that takes the channel
    // waits for it, and so sees each call that was started before.
    fn hold<'a>(&self, locks: impl IntoIterator<Item = &'a Weak<HeldFile>>) -> Result<()> {
        let replaced = |path: &Path| JournalError::Replaced { path: path.to_owned() };
        if let Some(path) = self.open_files.as_ref().and_then(OpenFiles::replaced) {
            return Err(replaced(path));
        }
        for lock in locks.into_iter().filter_map(Weak::upgrade) {
            if !lock.is_in_place() {
                return Err(replaced(lock.path()));
            }
        }
        Ok(())
    }

    /// Checks that the journal and all locks are in place.
    pub(in crate::journal) fn hold_all(&self) -> Result<()> {
        self.hold(self.locks.borrow().values().flatten())
    }

    /// Remembers that a call of the channel starts. The commit checks that the journal and the channel's locks are in place.
    pub(super) fn starts(&self, channel: &str, call: i64) {
        let mut started = self.started.borrow_mut();
        match started.get_mut(channel) {
            Some(last) => *last = call,
            None => drop(started.insert(channel.to_owned(), call)),
        }
    }

    /// Checks that the journal and the locks of the channels whose calls start with this commit are in place.
    pub(super) fn hold_started(&self) -> Result<()> {
        let (started, locks) = (self.started.borrow(), self.locks.borrow());
        if started.is_empty() {
            return Ok(());
        }
        self.hold(started.keys().filter_map(|channel| locks.get(channel)).flatten())
    }

    /// Checks that the journal and the channel's locks are in place, before a read-only call or when its run begins or ends.
    pub(super) fn looks(&self, channel: &str) -> Result<()> {
        self.hold(self.locks.borrow().get(channel).into_iter().flatten())
    }

    /// Writes the numbers of started calls into the locks, after the commit and before the calls are sent. By them, the next
    /// run notices when the journal lost calls.
    pub(in crate::journal) fn note_started(&self) -> Result<()> {
        let locks = self.locks.borrow();
        for (channel, call) in std::mem::take(&mut *self.started.borrow_mut()) {
            for lock in locks.get(&channel).into_iter().flatten().filter_map(Weak::upgrade) {
                lock.note(call)
                    .map_err(|source| JournalError::Lock { path: lock.path().to_owned(), source: Arc::new(source) })?;
            }
        }
        Ok(())
    }

    /// Makes the channel's calls depend on this lock. False when the lock's file was created although a run of the channel may
    /// still be working: then the file was deleted under that run.
    pub(in crate::journal) fn depend_on(&self, lock: &Arc<HeldFile>, is_new: bool, channel: &str) -> Result<bool> {
        let is_new_beside_others = is_new && self.open_files.as_ref().is_some_and(|open_files| !open_files.was_alone);
        if is_new_beside_others {
            let mut query = self
                .db
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM runs WHERE channel = ?1 AND state IN (?2, ?3))")?;
            let states = [RunState::Planning.name(), RunState::Sending.name()];
            if query.query_row(params![channel, states[0], states[1]], |row| row.get(0))? {
                return Ok(false);
            }
        }
        self.locks.borrow_mut().entry(channel.to_owned()).or_default().push(Arc::downgrade(lock));
        Ok(true)
    }

    /// Whether calls of the channel may be lost, by the record of its lock. The journal keeps a loss until a run that searches
    /// for all contacts is finished, because other runs between make other calls.
    pub(in crate::journal) fn loss(
        &self,
        channel: &str,
        noted: Noted,
        clock_offset: Option<&ClockOffset>,
    ) -> Result<Option<Loss>> {
        let found = self.found_loss(channel, noted, clock_offset)?;
        if found.is_some() {
            self.db.execute("INSERT OR IGNORE INTO losses (channel) VALUES (?1)", [channel])?;
            return Ok(found);
        }
        let mut is_open = self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM losses WHERE channel = ?1)")?;
        let is_open: bool = is_open.query_row([channel], |row| row.get(0))?;
        Ok(is_open.then_some(Loss::Unfinished))
    }

    /// Records that a run is finished. When it searched for all contacts, the loss is over, and its channel's locks record
    /// the last call of the journal.
    pub(super) fn loss_is_over(&self, run: i64) -> Result<()> {
        let searched = "SELECT channel FROM runs WHERE id = ?1 AND policy ->> '$.search_first' AND NOT is_limited";
        let channel: Option<String> = self.db.query_row(searched, [run], |row| row.get(0)).optional()?;
        let Some(channel) = channel else { return Ok(()) };
        self.db.execute("DELETE FROM losses WHERE channel = ?1", [&channel])?;
        let last = "SELECT COALESCE(MAX(number), 0) FROM calls WHERE channel = ?1 AND run != 0";
        let last: i64 = self.db.query_row(last, [self.channel_number(&channel)?], |row| row.get(0))?;
        self.started.borrow_mut().insert(channel, last);
        Ok(())
    }

    fn found_loss(&self, channel: &str, noted: Noted, clock_offset: Option<&ClockOffset>) -> Result<Option<Loss>> {
        let number = self.channels.find(self, channel)?;
        // A call that belongs to no run is not recorded: its number may be the number of a lost call.
        let mut has_call = self
            .db
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM calls WHERE number = ?1 AND channel = ?2 AND run != 0)")?;
        let is_lost = match noted {
            Noted::Nothing | Noted::Call(0) => false,
            Noted::Call(last) => !has_call.query_row(params![last, number], |row| row.get::<_, bool>(0))?,
            // A journal that was restored or moved without its locks.
            Noted::NewFile => {
                let calls = "SELECT EXISTS (SELECT 1 FROM calls WHERE channel = ?1 AND run != 0)";
                self.db.query_row(calls, [number], |row| row.get(0))?
            }
        };
        if is_lost {
            return Ok(Some(Loss::Calls));
        }
        let Some(left) = self.resumable(channel)? else { return Ok(None) };
        if left.policy.search_first {
            return Ok(Some(Loss::Unfinished));
        }
        if left.state != RunState::Sending {
            return Ok(None);
        }
        let mut boot = self.db.prepare_cached("SELECT boot FROM clocks WHERE channel = ?1")?;
        let boot: Option<String> = boot.query_row([channel], |row| row.get(0)).optional()?;
        let is_other = boot.zip(clock_offset).is_some_and(|(boot, clock_offset)| boot != clock_offset.boot);
        Ok(is_other.then_some(Loss::OtherBoot))
    }

    pub(in crate::journal) fn set_policy(&self, run: i64, policy: Policy) -> Result<()> {
        self.db.execute("UPDATE runs SET policy = ?2 WHERE id = ?1", params![run, json(&policy)])?;
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.open_files.as_ref().is_some_and(OpenFiles::is_taken) {
            // Without writing the log back, no data is lost that could still be read.
            let _ = self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
    }
}
