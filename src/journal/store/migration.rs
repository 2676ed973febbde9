//! Upgrading a journal of an earlier version, in one transaction. A kill at any moment leaves the journal as it was.
//!
//! Up to version 6, the tables were changed in place. Versions from 7 on have other tables than version 6: the old ones are renamed,
//! read, and dropped. From version 7 on, SQL is enough. A value that cannot be read is taken over as it is, for its reader to
//! report.

use std::collections::BTreeMap;

use rusqlite::{Row, params};
use serde::de::DeserializeOwned;

use super::attempts::{Detail, detail, kind_number, result, result_number};
use super::checked_json::parse_checked;
use super::compact::{self, Owner};
use super::keys::KeyParts;
use super::state;
use super::{LASTING_TABLES, READING_TABLES, RUN_TABLES, Result, SCHEMA_VERSION, Store, VIEWS, parse};
use crate::core::attempt::Attempt;
use crate::core::call::{Asked, CallKind};
use crate::core::doubt::Doubt;
use crate::core::model::{Contact, Known};
use crate::core::output_format::Listing;

/// The migrations from each version to the next, from version 1 to version 6.
const UPGRADES: [&str; 5] = [
    include_str!("../upgrade_1.sql"),
    include_str!("../upgrade_2.sql"),
    include_str!("../upgrade_3.sql"),
    include_str!("../upgrade_4.sql"),
    include_str!("../upgrade_5.sql"),
];

/// The migration from version 7 to version 8.
const UPGRADE_7: &str = include_str!("../upgrade_7.sql");

/// The migration from version 8 to version 9.
const UPGRADE_8: &str = include_str!("../upgrade_8.sql");

/// The migration from version 9 to version 10.
const UPGRADE_9: &str = include_str!("../upgrade_9.sql");

/// The tables of version 6 that are the same now, with their columns.
const SAME: [(&str, &str); 7] = [
    ("clocks", "channel, window, boot, zero"),
    ("limits", "window, calls, since, stated"),
    ("forgotten_waits", "window, call"),
    ("columns", "source, name"),
    ("tokens", "channel, digest"),
    ("losses", "channel"),
    ("listings", "sync, listing, written"),
];

/// The other tables of version 6.
const CHANGED: [&str; 9] = ["salt", "channels", "known", "aliases", "calls", "left_rows", "turns", "runs", "items"];

const INDEXES: [&str; 11] = [
    "known_in_doubt",
    "known_by_id",
    "calls_of_contact",
    "calls_by_start",
    "calls_throttled",
    "calls_lost",
    "calls_open",
    "runs_by_channel",
    "items_by_key",
    "items_pending",
    "items_rejected",
];

/// The rows of a run that have no item since version 7.
#[derive(Default)]
struct Counted {
    rows: i64,
    unchanged: i64,
    merged: i64,
    dropped: i64,
}

impl Store {
    /// Upgrades the journal to the present version, within a transaction of the caller.
    pub(super) fn upgrade(&self) -> Result<()> {
        let version = usize::try_from(self.version()?).unwrap_or(0);
        self.drop_views()?;
        if version < 7 {
            for upgrade in UPGRADES.iter().skip(version.saturating_sub(1)) {
                self.db.execute_batch(upgrade)?;
            }
            self.replace_tables()?;
        }
        if version == 7 {
            self.db.execute_batch(UPGRADE_7)?;
        }
        if version < 8 {
            self.db.execute_batch(READING_TABLES)?;
        }
        if version == 7 || version == 8 {
            self.db.execute_batch(UPGRADE_8)?;
        }
        if (7..=9).contains(&version) {
            self.db.execute_batch(UPGRADE_9)?;
        }
        // From version 10 to version 11, these are all that is new.
        self.db.execute_batch(VIEWS)?;
        self.db.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        Ok(())
    }

    // A table cannot be changed while a view of it is left.
    fn drop_views(&self) -> Result<()> {
        let mut query =
            self.db.prepare("SELECT name FROM sqlite_master WHERE type = 'view' AND name LIKE 'contactsync%'")?;
        let names = query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        for name in names {
            self.db.execute_batch(&format!("DROP VIEW {name}"))?;
        }
        Ok(())
    }

    // From version 6 to the present one.
    fn replace_tables(&self) -> Result<()> {
        for index in INDEXES {
            self.db.execute_batch(&format!("DROP INDEX IF EXISTS {index}"))?;
        }
        self.db.execute_batch("DROP TABLE IF EXISTS new_aliases")?;
        for table in CHANGED.into_iter().chain(SAME.map(|(table, _)| table)) {
            self.db.execute_batch(&format!("ALTER TABLE {table} RENAME TO old_{table}"))?;
        }
        self.db.execute_batch(LASTING_TABLES)?;
        self.db.execute_batch(RUN_TABLES)?;
        self.db.execute_batch("DELETE FROM salt; INSERT INTO salt SELECT value FROM old_salt")?;
        for (table, columns) in SAME {
            self.db.execute_batch(&format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM old_{table}"))?;
        }
        self.db.execute_batch("INSERT INTO channels (name, url) SELECT name, url FROM old_channels")?;
        self.take_over_known()?;
        self.take_over_aliases()?;
        self.take_over_runs()?;
        self.take_over_items()?;
        self.take_over_calls()?;
        self.take_over_order()?;
        for table in CHANGED.into_iter().chain(SAME.map(|(table, _)| table)) {
            self.db.execute_batch(&format!("DROP TABLE old_{table}"))?;
        }
        Ok(())
    }

    fn each_old(&self, query: &str, mut each: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let mut query = self.db.prepare(query)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            each(row)?;
        }
        Ok(())
    }

    fn contact_of_text(&self, channel: &str, key: &str) -> Result<i64> {
        self.contact_number(self.channel_number(channel)?, &KeyParts::of_text(key))
    }

    fn take_over_known(&self) -> Result<()> {
        let mut state = self.db.prepare("INSERT INTO states (contact, id, content) VALUES (?1, '', ?2)")?;
        let mut in_doubt = self.db.prepare("INSERT INTO doubts (contact, content) VALUES (?1, ?2)")?;
        self.each_old("SELECT channel, key, contact, doubt FROM old_known", |row| {
            let (channel, key): (String, String) = (row.get(0)?, row.get(1)?);
            let parts = KeyParts::of_text(&key);
            let owner = Owner { number: self.contact_of_text(&channel, &key)?, key: parts.value() };
            match (text(row, 2)?, text(row, 3)?) {
                (_, Some(doubt)) => match readable::<Doubt>(&doubt) {
                    Some(doubt) => self.set_doubt(owner, &doubt)?,
                    None => drop(in_doubt.execute(params![owner.number, doubt])?),
                },
                (known, None) => match known.as_deref().and_then(readable::<Known>) {
                    Some(known) => self.set_known(owner, &known)?,
                    None => drop(state.execute(params![owner.number, known.unwrap_or_default()])?),
                },
            }
            Ok(())
        })
    }

    fn take_over_aliases(&self) -> Result<()> {
        let mut insert = self
            .db
            .prepare("INSERT OR REPLACE INTO aliases (channel, field, value, contact) VALUES (?1, ?2, ?3, ?4)")?;
        self.each_old("SELECT channel, value, key FROM old_aliases", |row| {
            let (channel, value, key): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let (contact, value) = (self.contact_of_text(&channel, &key)?, KeyParts::of_text(&value));
            insert.execute(params![self.channel_number(&channel)?, value.field(self)?, value.value(), contact])?;
            Ok(())
        })
    }

    // An unfinished plan is dropped, as the next run would do.
    fn take_over_runs(&self) -> Result<()> {
        let columns = "id, sync, channel, window, url, kind, rate, input, policy, state, reason, started_at, ended_at, \
                       worked_ms, pruned, summary";
        self.db.execute_batch(&format!(
            "INSERT INTO runs ({columns}) SELECT {columns} FROM old_runs WHERE state <> 'planning'"
        ))?;
        Ok(())
    }

    fn take_over_items(&self) -> Result<()> {
        let mut insert = self.db.prepare(
            "INSERT INTO items (run, row, line, contact, state, reason, cells) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let mut pend = self
            .db
            .prepare("INSERT INTO pending (run, row, line, contact, cells, content) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        let listed = self.runs_that_list_all()?;
        let mut counted = BTreeMap::<i64, Counted>::new();
        let all = "SELECT old_items.run, row, line, key, old_items.state, old_items.reason, contact, doubles, cells, runs.channel
                   FROM old_items JOIN runs ON runs.id = old_items.run";
        self.each_old(all, |row| {
            let (run, place, line): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let (key, old_state): (Option<String>, String) = (row.get(3)?, row.get(4)?);
            let (reason, cells, channel): (Option<String>, Option<String>, String) =
                (row.get(5)?, row.get(8)?, row.get(9)?);
            let counted = counted.entry(run).or_default();
            counted.rows += 1;
            let is_double = row.get::<_, Option<i64>>(7)?.is_some();
            let state = match old_state.as_str() {
                "pending" => {
                    let (Some(key), Some(contact)) = (key, text(row, 6)?) else {
                        counted.dropped += 1;
                        return Ok(());
                    };
                    let number = self.contact_of_text(&channel, &key)?;
                    let content = self.compacted(number, &key, contact)?;
                    pend.execute(params![run, place, line, number, cells, content])?;
                    return Ok(());
                }
                "unchanged" if !listed.contains(&run) => {
                    counted.unchanged += 1;
                    return Ok(());
                }
                "merged" if !listed.contains(&run) => {
                    counted.merged += 1;
                    return Ok(());
                }
                "created" => state::CREATED,
                "updated" => state::UPDATED,
                "unchanged" => state::UNCHANGED,
                "merged" => state::MERGED,
                "rejected" if is_double => state::REPEATED,
                "rejected" => state::REJECTED,
                _ => -1,
            };
            let contact = key.map(|key| self.contact_of_text(&channel, &key)).transpose()?;
            insert.execute(params![run, place, line, contact, state, reason, cells])?;
            Ok(())
        })?;
        let mut write =
            self.db.prepare("UPDATE runs SET rows = ?2, unchanged = ?3, merged = ?4, dropped = ?5 WHERE id = ?1")?;
        for (run, Counted { rows, unchanged, merged, dropped }) in counted {
            write.execute([run, rows, unchanged, merged, dropped])?;
        }
        Ok(())
    }

    // The content of a contact in the present form. A damaged one stays as it is.
    fn compacted(&self, number: i64, key: &str, contact: Vec<u8>) -> Result<Vec<u8>> {
        let parts = KeyParts::of_text(key);
        match readable::<Contact>(&contact).filter(|contact| contact.key().to_string() == key) {
            Some(contact) => compact::contact_bytes(self, Owner { number, key: parts.value() }, &contact),
            None => Ok(contact),
        }
    }

    // The runs that are not finished and whose lists hold all rows.
    fn runs_that_list_all(&self) -> Result<Vec<i64>> {
        let mut runs = Vec::new();
        let open = "SELECT runs.id, listing FROM runs JOIN listings USING (sync)
                    WHERE runs.state IN ('planned', 'sending', 'stopped', 'failed')";
        self.each_old(open, |row| {
            let listing: Option<Listing> = parse("which files list its rows", &row.get::<_, String>(1)?).ok();
            if listing.is_some_and(|listing| listing.files.results.is_some()) {
                runs.push(row.get(0)?);
            }
            Ok(())
        })?;
        Ok(runs)
    }

    fn take_over_calls(&self) -> Result<()> {
        let mut insert = self.db.prepare(
            "INSERT INTO calls (number, run, channel, window, contact, kind, asked, started_at, took, result, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        let all =
            "SELECT number, run, channel, window, key, kind, asked, started_at, ended_at - started_at, result, attempt
                   FROM old_calls";
        self.each_old(all, |row| {
            let (run, channel, window): (i64, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
            let (key, kind): (String, String) = (row.get(4)?, row.get(5)?);
            let channel = self.channel_number(&channel)?;
            let contact = if run == 0 { None } else { Some(self.contact_number(channel, &KeyParts::of_text(&key))?) };
            let kind = CallKind::ALL.into_iter().find(|known| known.name() == kind).map_or(0, kind_number);
            let asked =
                row.get::<_, Option<String>>(6)?.and_then(|asked| parse::<Asked>("what was asked", &asked).ok());
            let asked = asked.map(|asked| self.asked_number(&asked)).transpose()?;
            let attempt = row.get::<_, Option<String>>(10)?;
            let read = attempt.as_deref().map(|text| parse_checked::<Attempt>("an attempt", text));
            let (result, detail) = match (&attempt, &read) {
                (Some(_), Some(Ok(attempt))) => (Some(result_number(attempt)), detail(attempt)),
                (Some(text), Some(Err(_))) => (Some(result::LOST), Detail::Checked(text.clone())),
                (_, None) | (None, _) => (None, Detail::Nothing),
            };
            let (number, started, took): (i64, i64, Option<i64>) = (row.get(0)?, row.get(7)?, row.get(8)?);
            let window = self.windows.number(self, &window)?;
            insert
                .execute(params![number, run, channel, window, contact, kind, asked, started, took, result, detail])?;
            Ok(())
        })?;
        self.db.execute_batch(
            "INSERT INTO run_windows (run, window, first)
             SELECT run, window, min(number) FROM calls WHERE run <> 0 GROUP BY run, window",
        )?;
        Ok(())
    }

    fn take_over_order(&self) -> Result<()> {
        let mut leave = self.db.prepare("INSERT INTO left_rows (contact, tried_at) VALUES (?1, ?2)")?;
        self.each_old("SELECT channel, key, tried_at FROM old_left_rows", |row| {
            let (channel, key): (String, String) = (row.get(0)?, row.get(1)?);
            leave.execute([self.contact_of_text(&channel, &key)?, row.get(2)?])?;
            Ok(())
        })?;
        let mut turn = self.db.prepare("INSERT INTO turns (channel, contact, row) VALUES (?1, ?2, ?3)")?;
        self.each_old("SELECT channel, key, row FROM old_turns", |row| {
            let (channel, key): (String, String) = (row.get(0)?, row.get(1)?);
            let contact = self.contact_of_text(&channel, &key)?;
            turn.execute(params![channel, contact, row.get::<_, i64>(2)?])?;
            Ok(())
        })
    }
}

// The bytes of a text, which may be damaged.
fn text(row: &Row<'_>, at: usize) -> Result<Option<Vec<u8>>> {
    use rusqlite::types::ValueRef;
    Ok(match row.get_ref(at)? {
        ValueRef::Null => None,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_vec()),
        ValueRef::Integer(_) | ValueRef::Real(_) => Some(Vec::new()),
    })
}

fn readable<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    parse_checked("a value of an earlier version", std::str::from_utf8(bytes).ok()?).ok()
}
