//! A journal that keeps hashes in place of values: what it stores of keys, values, answers and reasons.
//!
//! Rows that are pending and contacts in doubt are stored as they are, because they are sent or searched for again. Everything
//! else passes through here before it is stored.

use std::borrow::Cow;

use rusqlite::params;
use serde_json::Value as Json;

use super::attempts::killed;
use super::checked_json::checked_json;
use super::keys::KeyParts;
use super::{RESUMABLE, Result, Store, integer, json};
use crate::core::attempt::Attempt;
use crate::core::model::{Contact, HASHED, Key, Remote, Value, ValueKey};
use crate::core::page::Page;
use crate::core::record::Cells;
use crate::core::snapshot::SnapshotKey;
use crate::core::verification::Difference;
use crate::core::without_values::{MASK, without_values};

/// Why a page that was stored without its contacts decides nothing.
const NOT_KEPT: &str = "the journal does not keep its contacts";

/// The tables that have values as they are, until rows and doubts end.
const WITH_VALUES: [&str; 6] = ["pending", "doubts", "open_rows", "open_answers", "merging", "values_before"];

/// The secrets of a journal that has hashes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashing {
    values: ValueKey,
    hasher: SnapshotKey,
    /// Whether values other than match values are hashed when they are stored.
    are_hashed: bool,
}

impl Hashing {
    /// The parts of a key as a journal of hashes has them.
    pub(super) fn key<'k>(&self, parts: KeyParts<'k>) -> KeyParts<'k> {
        parts.hashed(&self.values, &self.hasher)
    }
}

/// What is kept of the texts of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Texts<'a> {
    /// They are kept without values. If the call was sent for a contact, its values are known.
    Of(Option<&'a Contact>),
    /// They are not kept: which values they quote is not known any more.
    None,
}

impl Store {
    /// Reads how the journal keeps values. Until then, it keeps them as they are.
    pub(super) fn load_hashing(&self) -> Result<()> {
        let mut query = self.db.prepare("SELECT key, has_hashes, are_hashed FROM kept_values")?;
        let (key, has_hashes, are_hashed): ([u8; 16], bool, bool) =
            query.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let hashing = Hashing { values: ValueKey::new(key), hasher: self.snapshot_key()?, are_hashed };
        self.hashing.set(has_hashes.then_some(hashing));
        Ok(())
    }

    /// Whether values are hashed when they are stored.
    pub(super) fn hashes_values(&self) -> bool {
        self.hashing.get().is_some_and(|hashing| hashing.are_hashed)
    }

    /// The parts of a key as the journal has them.
    pub(super) fn key_parts<'k>(&self, key: &'k Key) -> KeyParts<'k> {
        self.kept_key(KeyParts::of(key))
    }

    /// The parts of a key as the journal has them, from its text.
    pub(super) fn key_parts_of_text<'k>(&self, text: &'k str) -> KeyParts<'k> {
        self.kept_key(KeyParts::of_text(text))
    }

    pub(super) fn kept_key<'k>(&self, parts: KeyParts<'k>) -> KeyParts<'k> {
        match self.hashing.get() {
            Some(hashing) => hashing.key(parts),
            None => parts,
        }
    }

    /// The key with which values are hashed; `None` in a journal without hashes.
    pub(super) fn value_key(&self) -> Option<ValueKey> {
        self.hashing.get().map(|hashing| hashing.values)
    }

    /// The known value of a field as it is stored.
    pub(super) fn kept_value<'v>(&self, name: &str, value: &'v Value) -> Cow<'v, Value> {
        match self.hashing.get() {
            Some(Hashing { values, are_hashed: true, .. }) => Cow::Owned(values.of_field(name).hashed(value)),
            Some(_) | None => Cow::Borrowed(value),
        }
    }

    /// A text without the values of a contact, and without what else may be a value.
    pub(super) fn kept_text(&self, text: &str, contact: Option<&Contact>, cells: Option<&Cells>) -> String {
        if !self.hashes_values() {
            return text.to_owned();
        }
        let fields = contact.into_iter().flat_map(Contact::fields).map(|field| field.value.text());
        let mut values: Vec<String> = fields.map(Cow::into_owned).collect();
        match cells {
            Some(Cells::Texts(texts)) => values.extend(texts.iter().map(str::to_owned)),
            Some(Cells::Object(object)) => {
                values.extend(object.iter().filter_map(|(_, json)| json.as_str().map(str::to_owned)));
            }
            None => {}
        }
        if let Some(Key::Match { value, .. }) = contact.map(Contact::key) {
            values.push(value.to_string());
        }
        let names = |name: &str| self.names.find(self, name).is_ok_and(|number| number.is_some());
        without_values(text, &values, names)
    }

    /// An attempt as it is stored for good. The answer to a search that goes on is beside it until the row of its contact ends.
    pub(super) fn kept_attempt<'a>(
        &self,
        call: i64,
        attempt: &'a Attempt,
        texts: Texts<'_>,
    ) -> Result<Cow<'a, Attempt>> {
        // What a killed process left open is recognised by it.
        if !self.hashes_values() || *attempt == killed() {
            return Ok(Cow::Borrowed(attempt));
        }
        let text = |text: &str| match texts {
            Texts::Of(contact) => self.kept_text(text, contact, None),
            Texts::None => MASK.to_owned(),
        };
        let without = |remote: &Remote| Remote { fields: std::collections::BTreeMap::new(), ..remote.clone() };
        Ok(Cow::Owned(match attempt {
            Attempt::Page(page) if page.contacts.is_empty() && page.contradiction.is_none() => {
                return Ok(Cow::Borrowed(attempt));
            }
            Attempt::Page(page) => {
                if page.more && matches!(texts, Texts::Of(Some(_))) {
                    self.keep_open_answer(call, attempt)?;
                }
                let contradiction = page.contradiction.as_deref().map(text);
                Attempt::Page(Page {
                    contacts: page.contacts.iter().map(without).collect(),
                    contradiction: contradiction.or_else(|| Some(NOT_KEPT.to_owned())),
                    ..page.clone()
                })
            }
            Attempt::Contact(remote) => Attempt::Contact(without(remote)),
            Attempt::Created(_) | Attempt::Done => return Ok(Cow::Borrowed(attempt)),
            Attempt::Missing { message } => Attempt::Missing { message: text(message) },
            Attempt::Taken { message, by } => Attempt::Taken { message: text(message), by: by.clone() },
            Attempt::Refused { status, message, about_row } => {
                Attempt::Refused { status: *status, message: text(message), about_row: *about_row }
            }
            Attempt::Unauthorized { message } => Attempt::Unauthorized { message: text(message) },
            Attempt::Throttled { retry_after, message } => {
                Attempt::Throttled { retry_after: *retry_after, message: message.as_deref().map(text) }
            }
            Attempt::Queued { message } => Attempt::Queued { message: text(message) },
            Attempt::WrongPath { message } => Attempt::WrongPath { message: text(message) },
            Attempt::Unsent { cause } => Attempt::Unsent { cause: text(cause) },
            Attempt::Lost { status, cause, retry_after } => {
                Attempt::Lost { status: *status, cause: text(cause), retry_after: *retry_after }
            }
        }))
    }

    /// The reason of a run as it is stored. What it quotes of the platform follows a colon.
    pub(super) fn kept_reason(&self, reason: &str) -> String {
        match reason.split_once(": ").filter(|_| self.hashes_values()) {
            Some((what, _)) => format!("{}: {MASK}", self.kept_text(what, None, None)),
            None => self.kept_text(reason, None, None),
        }
    }

    /// The summary of a run as it is stored. Its reason may quote the platform.
    pub(super) fn kept_summary(&self, summary: &str) -> String {
        let Ok(mut parsed) = serde_json::from_str::<serde_json::Map<String, Json>>(summary) else {
            return summary.to_owned();
        };
        let Some(Json::String(reason)) = parsed.get_mut("reason").filter(|_| self.hashes_values()) else {
            return summary.to_owned();
        };
        *reason = self.kept_reason(reason);
        json(&parsed)
    }

    fn keep_open_answer(&self, call: i64, attempt: &Attempt) -> Result<()> {
        let mut insert = self.db.prepare_cached(
            "INSERT OR REPLACE INTO open_answers (call, contact, detail)
             SELECT number, contact, ?2 FROM calls WHERE number = ?1 AND contact IS NOT NULL",
        )?;
        insert.execute(params![call, checked_json(attempt)])?;
        Ok(())
    }

    /// The row of a contact ended: its searches are not continued.
    pub(super) fn close_answers(&self, contact: i64) -> Result<()> {
        if self.hashing.get().is_some() {
            self.db.prepare_cached("DELETE FROM open_answers WHERE contact = ?1")?.execute([contact])?;
        }
        Ok(())
    }

    /// Keeps what the lists of an input need of a row, besides what its item has: its key, the whole reason and its cells.
    pub(super) fn keep_open_row(
        &self,
        (run, row): (i64, u64),
        key: Option<&str>,
        reason: Option<&str>,
        cells: Option<&str>,
    ) -> Result<()> {
        let mut insert = self.db.prepare_cached(
            "INSERT OR REPLACE INTO open_rows (run, row, key, reason, cells) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        insert.execute(params![run, integer(row), key, reason, cells])?;
        Ok(())
    }

    /// Whether rows that were sent or rejected are kept as [`keep_open_row`](Self::keep_open_row) does. A dry run stores nothing.
    pub(super) fn has_open_rows(&self) -> bool {
        self.hashes_values() && !self.dry
    }

    /// Forgets what lists need of the rows of inputs whose runs are over and whose lists are written.
    pub(in crate::journal) fn close_rows(&self) -> Result<()> {
        if self.dry || self.hashing.get().is_none() {
            return Ok(());
        }
        self.db.execute(
            &format!(
                "DELETE FROM open_rows WHERE run NOT IN (SELECT id FROM runs WHERE sync IN (
                     SELECT sync FROM runs WHERE state = 'planning' OR state IN {RESUMABLE}
                     UNION ALL SELECT sync FROM listings WHERE NOT written))"
            ),
            [],
        )?;
        self.db.execute(
            &format!(
                "DELETE FROM open_answers WHERE contact NOT IN (
                     SELECT contact FROM pending WHERE run IN (SELECT id FROM runs WHERE state IN {RESUMABLE}))"
            ),
            [],
        )?;
        if self.hashes_values() { self.close_values_before() } else { Ok(()) }
    }

    /// Forgets what was known before runs, except before those that are being undone.
    pub(super) fn close_values_before(&self) -> Result<()> {
        self.db.execute(
            &format!(
                "DELETE FROM values_before WHERE run NOT IN (
                     SELECT undoes FROM runs WHERE undoes IS NOT NULL AND (state = 'planning' OR state IN {RESUMABLE}))"
            ),
            [],
        )?;
        Ok(())
    }

    /// Removes what deleted rows have left. SQLite overwrites a deleted row, but not the copies of it that are left in a page when rows
    /// move to another one. It overwrites the pages of a table that is emptied, so what is left of a table is stored anew.
    pub(super) fn clear_remains(&self) -> Result<()> {
        if self.dry || !self.hashes_values() {
            return Ok(());
        }
        for table in WITH_VALUES {
            let is_empty: bool =
                self.db.query_row(&format!("SELECT NOT EXISTS (SELECT 1 FROM {table})"), [], |row| row.get(0))?;
            self.db.execute_batch(&if is_empty {
                format!("DELETE FROM {table}")
            } else {
                format!(
                    "CREATE TEMP TABLE left_of_table AS SELECT * FROM {table};
                     DELETE FROM {table};
                     INSERT INTO {table} SELECT * FROM left_of_table;
                     DROP TABLE left_of_table;"
                )
            })?;
        }
        Ok(())
    }

    /// A difference as it is stored.
    pub(super) fn kept_difference(&self, difference: &Difference) -> String {
        match (difference, self.hashes_values()) {
            (Difference::Field { name, wanted, found }, true) => self.hashed_difference(name, [wanted, found]),
            (
                Difference::Field { .. }
                | Difference::TagMissing { .. }
                | Difference::TagPresent { .. }
                | Difference::Gone
                | Difference::Replaced,
                _,
            ) => checked_json(difference),
        }
    }

    /// The text that stands for a difference with hashes, by which it is recognised when it was accepted.
    fn hashed_difference(&self, name: &str, values: [&Option<Value>; 2]) -> String {
        let hashed = |value: &Option<Value>| value.as_ref().map(|value| self.hash_text(name, value));
        let [wanted, found] = values.map(hashed);
        checked_json(&Difference::Field { name: name.to_owned(), wanted, found })
    }

    fn hash_text(&self, name: &str, value: &Value) -> Value {
        let Some(key) = self.value_key() else { return value.clone() };
        match key.of_field(name).hashed(value) {
            Value::Hashed(hashed) => Value::Text(format!("{HASHED} {:016x}", hashed.forms().exact).into()),
            blank @ (Value::Text(_) | Value::Number(_) | Value::Bool(_)) => blank,
        }
    }
}

/// A difference that was stored with hashes, as it is shown.
pub(super) fn shown_difference(difference: Difference) -> Difference {
    let is_hash = |value: &Value| matches!(value, Value::Text(text) if text.starts_with(HASHED));
    with_shown(difference, is_hash)
}

/// A difference with the platform's values, as it is shown. The known value may be a hash.
pub(super) fn without_hashes(difference: Difference) -> Difference {
    with_shown(difference, |value| matches!(value, Value::Hashed(_)))
}

fn with_shown(difference: Difference, is_hash: impl Fn(&Value) -> bool) -> Difference {
    let shown =
        |value: Option<Value>| value.map(|value| if is_hash(&value) { Value::Text(HASHED.into()) } else { value });
    match difference {
        Difference::Field { name, wanted, found } => {
            Difference::Field { name, wanted: shown(wanted), found: shown(found) }
        }
        other @ (Difference::TagMissing { .. }
        | Difference::TagPresent { .. }
        | Difference::Gone
        | Difference::Replaced) => other,
    }
}
