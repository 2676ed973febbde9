//! The SQL of the wall clock: when it was set ahead, the times of late calls are set ahead too.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::compact::HAS_MADE_AT;
use super::{Result, Store, millis, natural};
use crate::core::time::{ClockOffset, Timestamp};
use crate::core::window_id::WindowId;

/// How far back the time of a call may matter: a minute for the window, ten for a task's search, and a day for a wait that
/// the platform asked for; with room for calls that took long.
const ASKED_FOR: Duration = Duration::from_hours(25);

impl Store {
    // Also for the window's other channels: no other process uses them, and their calls count in the same window.
    pub(in crate::journal) fn follow_clock(
        &self,
        channel: &str,
        window: &WindowId,
        clock_offset: &ClockOffset,
        now: Timestamp,
    ) -> Result<()> {
        let mut query = self.db.prepare_cached("SELECT channel FROM clocks WHERE window = ?1 AND channel <> ?2")?;
        let others = query.query_map([window.as_str(), channel], |row| row.get::<_, String>(0))?;
        for other in others.collect::<rusqlite::Result<Vec<_>>>()? {
            self.follow_clock_of(&other, window, clock_offset, now)?;
        }
        self.follow_clock_of(channel, window, clock_offset, now)
    }

    fn follow_clock_of(
        &self,
        channel: &str,
        window: &WindowId,
        clock_offset: &ClockOffset,
        now: Timestamp,
    ) -> Result<()> {
        let mut query = self.db.prepare_cached("SELECT boot, zero FROM clocks WHERE channel = ?1")?;
        let noted = query.query_row([channel], |row| {
            Ok(ClockOffset { boot: row.get(0)?, zero: Timestamp::from_millis(natural(row.get(1)?)) })
        });
        let lookahead = noted.optional()?.map_or(Duration::ZERO, |noted| clock_offset.ahead_of(&noted));
        if !lookahead.is_zero() {
            self.set_ahead(channel, lookahead, now)?;
        }
        self.db.execute(
            "INSERT OR REPLACE INTO clocks (channel, window, boot, zero) VALUES (?1, ?2, ?3, ?4)",
            params![channel, window.as_str(), clock_offset.boot, millis(clock_offset.zero)],
        )?;
        Ok(())
    }

    // Sets the late moments of a channel ahead.
    fn set_ahead(&self, channel: &str, lookahead: Duration, now: Timestamp) -> Result<()> {
        let Some(channel) = self.channels.find(self, channel)? else { return Ok(()) };
        self.db.execute(
            "UPDATE calls SET started_at = started_at + ?3 WHERE started_at > ?2 AND channel = ?1",
            params![channel, millis(now.before(lookahead + ASKED_FOR)), millis(Timestamp::default() + lookahead)],
        )?;
        let mut made = self.db.prepare(
            "SELECT states.contact FROM states JOIN contacts ON contacts.number = states.contact
             WHERE contacts.channel = ?1 AND states.content >= ?2",
        )?;
        let made = made.query_map(params![channel, [HAS_MADE_AT]], |row| row.get(0))?;
        for contact in made.collect::<rusqlite::Result<Vec<i64>>>()? {
            self.change_known(contact, |known| known.made_at = known.made_at.map(|at| at + lookahead))?;
        }
        for (contact, ..) in self.doubts_of(channel)? {
            self.change_doubt(contact, |doubt| doubt.since = doubt.since.map(|since| since + lookahead))?;
        }
        Ok(())
    }
}
