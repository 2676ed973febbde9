//! The SQL of the tokens with which the channels were synced, and of the contacts by which a token is recognised.

use rusqlite::{OptionalExtension, params};

use super::sealed::unsealed;
use super::{Result, Store};
use crate::core::channel::WindowId;
use crate::core::model::Key;
use crate::core::recognition::{Acquaintance, READ};

impl Store {
    pub(in crate::journal) fn token_of(&self, channel: &str) -> Result<Option<WindowId>> {
        let mut query = self.db.prepare_cached("SELECT digest FROM tokens WHERE channel = ?1")?;
        Ok(query.query_row([channel], |row| row.get(0)).optional()?.map(WindowId::from_journal))
    }

    pub(in crate::journal) fn set_token(&self, channel: &str, token: &WindowId) -> Result<()> {
        self.db.execute(
            "INSERT OR REPLACE INTO tokens (channel, digest) VALUES (?1, ?2)",
            params![channel, token.as_str()],
        )?;
        Ok(())
    }

    // Contacts that can be compared come first. One of the others is enough to show that there are others.
    pub(in crate::journal) fn acquaintances(&self, channel: &str) -> Result<Vec<Acquaintance>> {
        let mut query = self.db.prepare_cached(
            "SELECT key, contact FROM known WHERE channel = ?1 AND contact IS NOT NULL AND doubt IS NULL",
        )?;
        let mut rows = query.query([channel])?;
        let (mut found, mut bare) = (Vec::new(), None);
        while let Some(row) = rows.next()?
            && found.len() < READ
        {
            let (key, contact): (String, String) = (row.get(0)?, row.get(1)?);
            let known = unsealed("a known contact", &contact)?;
            let acquaintance = Acquaintance { key: Key::parse_match(&key), known };
            if acquaintance.has_content() {
                found.push(acquaintance);
            } else {
                bare.get_or_insert(acquaintance);
            }
        }
        if found.is_empty() {
            found.extend(bare);
        }
        Ok(found)
    }
}
