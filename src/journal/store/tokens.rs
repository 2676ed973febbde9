//! The SQL of the tokens with which the channels were synced, and of the contacts by which a token is recognised.

use rusqlite::{OptionalExtension, params};

use super::compact::{self, Owner};
use super::ids::StoredId;
use super::keys::KeyParts;
use super::{Result, Store};
use crate::core::token_recognition::{KnownContact, READ};
use crate::core::window_id::WindowId;

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
    pub(in crate::journal) fn known_contacts(&self, channel: &str) -> Result<Vec<KnownContact>> {
        let Some(channel) = self.channels.find(self, channel)? else { return Ok(Vec::new()) };
        let mut query = self.db.prepare_cached(
            "SELECT contacts.number, contacts.field, contacts.value, states.id, states.content
             FROM contacts CROSS JOIN states ON states.contact = contacts.number
             WHERE contacts.channel = ?1 AND EXISTS (SELECT 1 FROM states)",
        )?;
        let mut rows = query.query([channel])?;
        let (mut found, mut bare) = (Vec::new(), None);
        while let Some(row) = rows.next()?
            && found.len() < READ
        {
            let key = KeyParts::stored(self, row.get(1)?, row.get(2)?)?;
            let owner = Owner { number: row.get(0)?, key: key.value() };
            let content: Vec<u8> = row.get(4)?;
            let known = compact::read_known(self, owner, &row.get::<_, StoredId>(3)?.0, &content)?;
            let acquaintance = KnownContact { key: key.match_field(self, &known), known };
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
