//! The SQL of rejected contacts: what each was sent with, what the platform had afterwards, and how often it was tried. They are
//! tried again at growing intervals.

use std::borrow::Cow;
use std::collections::HashSet;

use rusqlite::{OptionalExtension, params};

use super::ids::StoredId;
use super::{Result, Store, json, millis, natural, parse};
use crate::core::model::Contact;
use crate::core::past_rejection::{FORGOTTEN_AFTER, PastRejection};
use crate::core::task::Policy;
use crate::core::time::Timestamp;

impl Store {
    /// The numbers of the contacts that earlier runs rejected.
    pub(super) fn rejected_contacts(&self) -> Result<HashSet<i64>> {
        let mut query = self.db.prepare_cached("SELECT DISTINCT contact FROM rejections")?;
        let contacts = query.query_map([], |row| row.get(0))?;
        Ok(contacts.collect::<rusqlite::Result<_>>()?)
    }

    /// The rejection of a contact that was sent with this content.
    pub(super) fn past_rejection(
        &self,
        number: i64,
        contact: &Contact,
        policy: Policy,
    ) -> Result<Option<PastRejection>> {
        let content = self.content_sent(number, contact, policy)?;
        let mut query = self
            .db
            .prepare_cached("SELECT tries, tried_at, reason FROM rejections WHERE contact = ?1 AND content = ?2")?;
        let found = query.query_row(params![number, content], |row| {
            Ok(PastRejection {
                tries: u32::try_from(row.get::<_, i64>(0)?).unwrap_or(u32::MAX),
                tried_at: Timestamp::from_millis(natural(row.get(1)?)),
                reason: row.get(2)?,
            })
        });
        Ok(found.optional()?)
    }

    /// Notes that a contact of a run was rejected after it was sent.
    pub(super) fn set_rejection(
        &self,
        run: i64,
        number: i64,
        contact: &Contact,
        reason: &str,
        at: Timestamp,
    ) -> Result<()> {
        let mut query = self.db.prepare_cached("SELECT policy FROM runs WHERE id = ?1")?;
        let policy: String = query.query_row([run], |row| row.get(0))?;
        let content = self.content_sent(number, contact, parse("a run's policy", &policy)?)?;
        let reason = self.kept_text(reason, Some(contact), None);
        let mut insert = self.db.prepare_cached(
            "INSERT INTO rejections (contact, content, tries, tried_at, reason) VALUES (?1, ?2, 1, ?3, ?4)
             ON CONFLICT (contact, content)
                 DO UPDATE SET tries = tries + 1, tried_at = excluded.tried_at, reason = excluded.reason",
        )?;
        insert.execute(params![number, content, millis(at), reason])?;
        Ok(())
    }

    /// A contact was sent and ended well.
    pub(super) fn no_longer_rejected(&self, number: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM rejections WHERE contact = ?1")?.execute([number])?;
        Ok(())
    }

    /// Forgets rejections whose rows are gone from the input.
    pub(super) fn forget_old_rejections(&self, now: Timestamp) -> Result<()> {
        let mut delete = self.db.prepare_cached("DELETE FROM rejections WHERE tried_at < ?1")?;
        delete.execute([millis(now.before(FORGOTTEN_AFTER))])?;
        Ok(())
    }

    // A keyed hash of what decides which calls are sent for a contact: the contact, and what is known of it on the platform. A part of
    // a rejected change may have been written, so that the contact of an earlier night would change it again.
    fn content_sent(&self, number: i64, contact: &Contact, policy: Policy) -> Result<Vec<u8>> {
        let mut query = self.db.prepare_cached("SELECT id, content FROM states WHERE contact = ?1")?;
        let state: Option<(String, Vec<u8>)> =
            query.query_row([number], |row| Ok((row.get::<_, StoredId>(0)?.0, row.get(1)?))).optional()?;
        let Policy { mode, tags_mode, search_lag: _, retry_in_doubt, search_first: _ } = policy;
        let policy = format!("{mode:?} {tags_mode:?} {retry_in_doubt}");
        // A row may have the value of which the key has a hash, or not.
        let kept = self.key_parts(contact.key()).key(false).filter(|_| self.value_key().is_some());
        let contact = kept.map_or(Cow::Borrowed(contact), |key| Cow::Owned(contact.clone().known_as(key)));
        let parts = [("contact", json(&*contact)), ("state", format!("{state:?}")), ("policy", policy)];
        Ok(self.snapshot_key()?.basis(parts).number().to_le_bytes().to_vec())
    }
}
