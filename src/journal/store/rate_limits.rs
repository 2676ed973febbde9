//! The SQL of the waits that the platform asked for, and of the rate limits that it stated.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::sealed::unsealed;
use super::{Result, Store, damaged, millis, natural};
use crate::core::attempt::Attempt;
use crate::core::channel::WindowId;
use crate::core::retry::asked_wait;
use crate::core::time::Timestamp;
use crate::core::window::LEARNT_LIMIT_HOLDS;
use crate::journal::rows::LearntLimit;

impl Store {
    pub(in crate::journal) fn waits_since(
        &self,
        window: &WindowId,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, Duration)>> {
        let mut query = self.db.prepare_cached(
            "SELECT ended_at, attempt FROM (
                 SELECT number, ended_at, attempt FROM calls WHERE window = ?1 AND ended_at > ?2 AND result = 'throttled'
                 UNION ALL
                 SELECT number, ended_at, attempt FROM calls WHERE window = ?1 AND ended_at > ?2 AND result = 'lost'
                     AND attempt ->> '$.lost.retry_after' IS NOT NULL)
             WHERE number > coalesce((SELECT call FROM forgotten_waits WHERE window = ?1), 0) ORDER BY ended_at",
        )?;
        let mut rows = query.query(params![window.as_str(), millis(since)])?;
        let mut waits = Vec::new();
        while let Some(row) = rows.next()? {
            let (ended, attempt): (i64, String) = (row.get(0)?, row.get(1)?);
            let attempt: Attempt = unsealed("an attempt", &attempt)?;
            waits.extend(asked_wait(&attempt).map(|wait| (Timestamp::from_millis(natural(ended)), wait)));
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
