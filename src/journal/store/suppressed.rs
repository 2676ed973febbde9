//! The SQL of suppressed persons: rows with one of their match values or ids are not planned.

use std::collections::HashSet;

use super::hashing::Hashing;
use super::keys::KeyParts;
use super::{Result, Store};
use crate::core::model::{Contact, Field, Key};
use crate::core::record::Cells;
use crate::core::snapshot::{SnapshotKey, SuppressedHash};

/// The match values and ids of suppressed persons.
#[derive(Debug, Default)]
pub(super) struct Suppressed {
    hashes: HashSet<SuppressedHash>,
    // With a journal of hashes, how it has the keys of those who were suppressed since.
    hashing: Option<Hashing>,
}

impl Suppressed {
    /// Whether a contact has one of them.
    pub(super) fn has(&self, hasher: &SnapshotKey, contact: &Contact) -> bool {
        if self.hashes.is_empty() {
            return false;
        }
        let keys = contact.matches().iter().map(Key::of).chain([contact.key().clone()]);
        let ids = contact.id().cloned().map(Key::Id);
        keys.chain(ids).any(|key| self.has_key(hasher, &key))
    }

    /// Whether a key is one of them.
    pub(super) fn has_key(&self, hasher: &SnapshotKey, key: &Key) -> bool {
        let is_kept = |hashing: &Hashing| {
            let kept = hashing.key(KeyParts::of(key)).key(false);
            kept.is_some_and(|kept| self.hashes.contains(&hasher.suppressed(&kept)))
        };
        self.hashes.contains(&hasher.suppressed(key)) || self.hashing.as_ref().is_some_and(is_kept)
    }

    /// Whether a row that became no contact has one of them: among its keys, or in a cell, whichever match field that is.
    pub(super) fn has_rejected(
        &self,
        hasher: &SnapshotKey,
        keys: &[Key],
        match_fields: &[String],
        cells: Option<&Cells>,
    ) -> bool {
        if self.hashes.is_empty() {
            return false;
        }
        if keys.iter().any(|key| self.has_key(hasher, key)) {
            return true;
        }
        let Some(cells) = cells else { return false };
        let has = |text: &str| {
            let key = |name: &String| Key::of(&Field::text(name.as_str(), text));
            match_fields.iter().any(|name| self.has_key(hasher, &key(name)))
        };
        match cells {
            Cells::Texts(texts) => texts.iter().any(has),
            Cells::Object(object) => object.iter().any(|(_, json)| match json {
                serde_json::Value::String(text) => has(text),
                other => has(&other.to_string()),
            }),
        }
    }
}

impl Store {
    pub(super) fn suppressed(&self) -> Result<Suppressed> {
        let mut query = self.db.prepare_cached("SELECT hash FROM suppressed")?;
        let hashes = query.query_map([], |row| row.get(0).map(SuppressedHash::from_stored))?;
        Ok(Suppressed { hashes: hashes.collect::<rusqlite::Result<_>>()?, hashing: self.hashing.get() })
    }

    /// From now on, rows with one of these keys are not planned.
    pub(super) fn suppress(&self, keys: &[Key]) -> Result<()> {
        let hasher = self.snapshot_key()?;
        let mut insert = self.db.prepare_cached("INSERT OR IGNORE INTO suppressed (hash) VALUES (?1)")?;
        for key in keys {
            insert.execute([hasher.suppressed(key).stored()])?;
        }
        Ok(())
    }
}
