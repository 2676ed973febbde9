//! The SQL of the waits that the platform asked for, and of the rate limits that it stated.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::attempts::{attempt_of, result};
use super::sending::{LONGEST_CALL, ended_at};
use super::{Result, Store, damaged, millis, natural};
use crate::core::retry::asked_wait;
use crate::core::time::Timestamp;
use crate::core::window::LEARNT_LIMIT_HOLDS;
use crate::core::window_id::WindowId;
use crate::journal::rows::LearntLimit;

impl Store {
    pub(in crate::journal) fn waits_since(
        &self,
        window: &WindowId,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, Duration)>> {
        let Some(number) = self.windows.find(self, window.as_str())? else { return Ok(Vec::new()) };
        let mut query = self.db.prepare_cached(
            "SELECT started_at, took, result, detail FROM calls
             WHERE window = ?1 AND started_at > ?2 AND result IN (9, 13)
                 AND (result = ?4 OR detail ->> '$.lost.retry_after' IS NOT NULL)
                 AND number > coalesce((SELECT call FROM forgotten_waits WHERE window = ?3), 0)
             ORDER BY started_at + took",
        )?;
        let after = millis(since.before(LONGEST_CALL));
        let mut rows = query.query(params![number, after, window.as_str(), result::THROTTLED])?;
        let mut waits = Vec::new();
        while let Some(row) = rows.next()? {
            let (ended, attempt) = (ended_at(row, 0)?, attempt_of(row.get(2)?, row.get(3)?)?);
            if ended > since {
                waits.extend(asked_wait(&attempt).map(|wait| (ended, wait)));
            }
        }
        Ok(waits)
    }

    pub(in crate::journal) fn forget_waits(&self, window: &WindowId) -> Result<()> {
        self.db.execute(
            "INSERT OR REPLACE INTO forgotten_waits (window, call) SELECT ?1, coalesce(max(number), 0) FROM calls",
            [window.as_str()],
        )?;
        Ok(())
    }

    pub(in crate::journal) fn learnt_limit(&self, window: &WindowId) -> Result<Option<LearntLimit>> {
        let mut query = self.db.prepare_cached("SELECT calls, since, stated FROM limits WHERE window = ?1")?;
        let limit = query.query_row([window.as_str()], |row| {
            let moment = |at: i64| Timestamp::from_millis(natural(at));
            Ok(LearntLimit { calls: row.get(0)?, since: moment(row.get(1)?), stated: moment(row.get(2)?) })
        });
        match limit.optional()? {
            Some(LearntLimit { calls: 0, .. }) => Err(damaged("a rate limit", "it is 0")),
            limit => Ok(limit),
        }
    }

    // The limit of the window of a channel's last run. A journal of an earlier version, which is only read, has no valid
    // limit.
    pub(in crate::journal) fn learnt_limit_of(&self, channel: &str, now: Timestamp) -> Result<Option<LearntLimit>> {
        if self.version()? < super::SCHEMA_VERSION {
            return Ok(None);
        }
        let Some(window) = self.last_window(channel)? else { return Ok(None) };
        Ok(self.learnt_limit(&window)?.filter(|limit| now.since(limit.stated) < LEARNT_LIMIT_HOLDS))
    }

    pub(in crate::journal) fn set_learnt_limit(
        &self,
        window: &WindowId,
        limit: Option<u32>,
        at: Timestamp,
    ) -> Result<()> {
        match limit {
            Some(calls) => self.db.execute(
                "INSERT INTO limits (window, calls, since, stated) VALUES (?1, ?2, ?3, ?3)
                 ON CONFLICT DO UPDATE SET since = iif(calls = excluded.calls, since, excluded.since),
                     calls = excluded.calls, stated = excluded.stated",
                params![window.as_str(), calls, millis(at)],
            )?,
            None => self.db.execute("DELETE FROM limits WHERE window = ?1", [window.as_str()])?,
        };
        Ok(())
    }
}
