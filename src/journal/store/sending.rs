//! The SQL of sending: intents, answers, and the remote states that they imply.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::listing::read_cells;
use super::sealed::{sealed, unsealed};
use super::{Result, Store, call_kind, damaged, integer, json, millis, natural, parse};
use crate::core::attempt::Attempt;
use crate::core::call::{Asked, CallKind};
use crate::core::channel::WindowId;
use crate::core::doubt::Doubt;
use crate::core::model::{Contact, ContactId, ID_KEY, Known, RemoteState};
use crate::core::record::Cells;
use crate::core::task::PastCall;
use crate::core::time::{ClockOffset, Timestamp};
use crate::core::window::IN_FLIGHT_GRACE;
use crate::journal::rows::{Carried, Item, RunState};
use crate::journal::{Ended, Recorded, StateUpdate};

/// How far back the time of a call may matter: a minute for the window, ten for a task's search, and a day for a wait that
/// the platform asked for; with room for calls that took long.
const ASKED_FOR: Duration = Duration::from_hours(25);

/// The other keys that have a contact id. Without `INDEXED BY`, SQLite uses the primary key and reads every known contact of
/// the channel for each contact that is found or created.
const HOLDERS: &str = "SELECT key FROM known INDEXED BY known_by_id
     WHERE channel = ?1 AND contact ->> '$.id' = ?2 AND contact IS NOT NULL AND key <> ?3";

/// The contacts in doubt of a channel. Without `INDEXED BY`, SQLite reads every known contact of the channel at the beginning of
/// each run.
const IN_DOUBT: &str = "SELECT known.doubt, items.row, items.line, items.contact, items.cells, items.key
     FROM known INDEXED BY known_in_doubt
     LEFT JOIN items ON items.run = ?1 AND items.key = known.key AND items.state = 'pending'
     WHERE known.channel = ?2 AND known.doubt IS NOT NULL ORDER BY items.row";

/// A pending row as the table of items has it.
struct PendingRow {
    row: u64,
    line: u64,
    contact: Contact,
    cells: Option<Cells>,
}

// From its columns in this order, beginning at this one.
fn pending_row(row: &Row<'_>, at: usize) -> Result<PendingRow> {
    let (contact, cells): (String, Option<String>) = (row.get(at + 2)?, row.get(at + 3)?);
    let (key, contact): (String, Contact) = (row.get(at + 4)?, unsealed("a contact", &contact)?);
    // The remote state is found by the key.
    if contact.key().to_string() != key {
        return Err(damaged("a contact", "its key is another one"));
    }
    Ok(PendingRow {
        row: natural(row.get(at)?),
        line: natural(row.get(at + 1)?),
        contact,
        cells: cells.as_deref().map(read_cells).transpose()?,
    })
}

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
            let by = millis(Timestamp::default() + lookahead);
            self.db.execute(
                "UPDATE calls SET started_at = started_at + ?3, ended_at = ended_at + ?3
                 WHERE started_at > ?2 AND channel = ?1",
                params![channel, millis(now.before(lookahead + ASKED_FOR)), by],
            )?;
            for key in self.keys("channel = ?1 AND contact ->> '$.made_at' IS NOT NULL", channel)? {
                self.change_known(channel, &key, |known| known.made_at = known.made_at.map(|at| at + lookahead))?;
            }
            for key in self.keys("channel = ?1 AND doubt IS NOT NULL AND doubt ->> '$.since' IS NOT NULL", channel)? {
                self.change_doubt(channel, &key, |doubt| doubt.since = doubt.since.map(|since| since + lookahead))?;
            }
        }
        self.db.execute(
            "INSERT OR REPLACE INTO clocks (channel, window, boot, zero) VALUES (?1, ?2, ?3, ?4)",
            params![channel, window.as_str(), clock_offset.boot, millis(clock_offset.zero)],
        )?;
        Ok(())
    }

    // The keys of known contacts of a channel, its name the one value in `which`.
    fn keys(&self, which: &str, channel: &str) -> Result<Vec<String>> {
        let mut query = self.db.prepare_cached(&format!("SELECT key FROM known WHERE {which}"))?;
        let keys = query.query_map([channel], |row| row.get(0))?;
        Ok(keys.collect::<rusqlite::Result<_>>()?)
    }

    fn change_known(&self, channel: &str, key: &str, change: impl FnOnce(&mut Known)) -> Result<()> {
        let mut remote_state = self.remote_state(channel, key)?;
        if let RemoteState::Known(known) = &mut remote_state {
            change(known);
            let mut write = self.db.prepare_cached("UPDATE known SET contact = ?3 WHERE channel = ?1 AND key = ?2")?;
            write.execute(params![channel, key, sealed(known)])?;
        }
        Ok(())
    }

    fn change_doubt(&self, channel: &str, key: &str, change: impl FnOnce(&mut Doubt)) -> Result<()> {
        let mut remote_state = self.remote_state(channel, key)?;
        if let RemoteState::InDoubt(doubt) = &mut remote_state {
            change(doubt);
            let mut write = self.db.prepare_cached("UPDATE known SET doubt = ?3 WHERE channel = ?1 AND key = ?2")?;
            write.execute(params![channel, key, sealed(doubt)])?;
        }
        Ok(())
    }

    pub(in crate::journal) fn begin_sending(
        &self,
        run: i64,
        channel: &str,
        window: &WindowId,
        call_timeout: Duration,
        now: Timestamp,
    ) -> Result<()> {
        self.hold_all()?;
        self.db.execute(
            "INSERT OR REPLACE INTO channels (name, url) SELECT channel, url FROM runs WHERE id = ?1",
            [run],
        )?;
        self.close_open(channel, window, call_timeout, now)?;
        // The summary of an earlier stop is outdated: if this process is killed, the rows themselves show its progress.
        self.db.execute(
            "UPDATE runs SET state = 'sending', window = ?2, reason = NULL, ended_at = NULL, summary = NULL WHERE id = ?1",
            params![run, window.as_str()],
        )?;
        Ok(())
    }

    // Closes the calls that a killed process left open.
    pub(in crate::journal) fn close_open(
        &self,
        channel: &str,
        window: &WindowId,
        call_timeout: Duration,
        now: Timestamp,
    ) -> Result<()> {
        let killed = killed();
        // The search lag of such a create begins at the latest possible end of its call.
        let mut open = self.db.prepare_cached(
            "SELECT open.channel, open.key, open.ended_at
             FROM (SELECT channel, key, max(min(:latest, started_at + :timeout)) AS ended_at FROM calls
                   WHERE (channel = :channel OR window = :window) AND ended_at IS NULL AND kind = 'create'
                   GROUP BY channel, key) AS open
             JOIN known ON known.channel = open.channel AND known.key = open.key
             WHERE known.doubt IS NOT NULL AND known.doubt ->> '$.since' IS NULL",
        )?;
        let named = named_params! {
            ":latest": millis(now + IN_FLIGHT_GRACE),
            ":timeout": millis(Timestamp::default() + call_timeout),
            ":channel": channel,
            ":window": window.as_str(),
        };
        let open = open.query_map(named, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        for (channel, key, ended) in open.collect::<rusqlite::Result<Vec<(String, String, i64)>>>()? {
            let ended = Timestamp::from_millis(natural(ended));
            self.change_doubt(&channel, &key, |doubt| doubt.since = Some(ended))?;
        }
        self.db.execute(
            "UPDATE calls SET ended_at = min(:latest, started_at + :timeout), result = :result, attempt = :attempt
             WHERE (channel = :channel OR window = :window) AND ended_at IS NULL",
            named_params! {
                ":latest": millis(now + IN_FLIGHT_GRACE),
                ":timeout": millis(Timestamp::default() + call_timeout),
                ":result": killed.name(),
                ":attempt": sealed(&killed),
                ":channel": channel,
                ":window": window.as_str(),
            },
        )?;
        Ok(())
    }

    pub(in crate::journal) fn ended_since(&self, window: &WindowId, since: Timestamp) -> Result<Vec<Timestamp>> {
        let since_grace = since.before(IN_FLIGHT_GRACE);
        // The attempt matters only for lost calls.
        let mut query = self.db.prepare_cached(
            "SELECT ended_at, iif(result = 'lost', attempt, NULL) FROM calls
             WHERE window = ?2 AND started_at > ?1 AND ended_at > ?3",
        )?;
        // The index is on the start, which precedes the end by at most ten minutes.
        let began = since_grace.before(Duration::from_mins(10));
        let mut rows = query.query(params![millis(began), window.as_str(), millis(since_grace)])?;
        let (mut ends, killed) = (Vec::new(), killed());
        while let Some(row) = rows.next()? {
            let (ended, lost): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
            let ended = Timestamp::from_millis(natural(ended));
            let lost: Option<Attempt> = lost.map(|lost| unsealed("an attempt", &lost)).transpose()?;
            // The end of a killed process's call already includes the time in which it may be in flight.
            let is_in_flight = lost.is_some_and(|lost| lost.may_be_in_flight() && lost != killed);
            let end = if is_in_flight { ended + IN_FLIGHT_GRACE } else { ended };
            if end > since {
                ends.push(end);
            }
        }
        Ok(ends)
    }

    pub(in crate::journal) fn in_doubt(&self, run: i64, channel: &str) -> Result<Vec<Carried>> {
        let mut query = self.db.prepare_cached(IN_DOUBT)?;
        let mut rows = query.query(params![run, channel])?;
        let mut carried = Vec::new();
        while let Some(row) = rows.next()? {
            carried.push(match row.get::<_, Option<i64>>(1)? {
                Some(_) => Carried::Item(Box::new(self.item(run, channel, pending_row(row, 1)?)?)),
                None => Carried::Orphan(Box::new(unsealed("a contact in doubt", &row.get::<_, String>(0)?)?)),
            });
        }
        Ok(carried)
    }

    pub(in crate::journal) fn pending(&self, run: i64, channel: &str, row: u64, limit: u32) -> Result<Vec<Item>> {
        let mut query = self.db.prepare_cached(
            "SELECT row, line, contact, cells, key FROM items
             WHERE run = ?1 AND state = 'pending' AND row > ?2 ORDER BY row LIMIT ?3",
        )?;
        let mut rows = query.query(params![run, integer(row), limit])?;
        let mut items = Vec::new();
        while let Some(row) = rows.next()? {
            items.push(self.item(run, channel, pending_row(row, 0)?)?);
        }
        Ok(items)
    }

    fn item(&self, run: i64, channel: &str, pending: PendingRow) -> Result<Item> {
        let PendingRow { row, line, contact, cells } = pending;
        let key = contact.key().to_string();
        let remote_state = self.remote_state(channel, &key)?;
        let mut query = self.db.prepare_cached(
            "SELECT kind, asked, attempt, ended_at FROM calls
             WHERE run = ?1 AND key = ?2 AND ended_at IS NOT NULL ORDER BY number",
        )?;
        let mut rows = query.query(params![run, key])?;
        let mut past = Vec::new();
        while let Some(row) = rows.next()? {
            let (kind, asked, attempt): (String, Option<String>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            past.push(PastCall {
                kind: call_kind(&kind)?,
                asked: asked.map(|asked| parse("what was asked", &asked)).transpose()?,
                attempt: unsealed("an attempt", &attempt)?,
                ended: Timestamp::from_millis(natural(row.get(3)?)),
            });
        }
        Ok(Item { row, line, contact, cells, remote_state, past })
    }

    pub(in crate::journal) fn start(
        &self,
        run: i64,
        kind: CallKind,
        asked: Option<&Asked>,
        state_update: &StateUpdate,
        now: Timestamp,
    ) -> Result<i64> {
        let mut insert = self.db.prepare_cached(
            "INSERT INTO calls (run, channel, window, key, kind, asked, started_at)
             SELECT ?1, ?2, window, ?3, ?4, ?5, ?6 FROM runs WHERE id = ?1",
        )?;
        let key = state_update.contact.key().to_string();
        insert.execute(params![run, state_update.channel, key, kind.name(), asked.map(json), millis(now)])?;
        let number = self.db.last_insert_rowid();
        self.imply(state_update)?;
        self.starts(&state_update.channel, number)?;
        Ok(number)
    }

    // A call that belongs to no run and no contact.
    pub(in crate::journal) fn start_probe(
        &self,
        channel: &str,
        window: &WindowId,
        kind: CallKind,
        now: Timestamp,
    ) -> Result<i64> {
        self.db.execute(
            "INSERT INTO calls (run, channel, window, key, kind, started_at) VALUES (0, ?1, ?2, '', ?3, ?4)",
            params![channel, window.as_str(), kind.name(), millis(now)],
        )?;
        let number = self.db.last_insert_rowid();
        self.looks(channel)?;
        Ok(number)
    }

    pub(in crate::journal) fn end_probe(&self, number: i64, attempt: &Attempt, at: Timestamp) -> Result<()> {
        self.db.execute(
            "UPDATE calls SET ended_at = ?2, result = ?3, attempt = ?4 WHERE number = ?1",
            params![number, millis(at), attempt.name(), sealed(attempt)],
        )?;
        Ok(())
    }

    pub(in crate::journal) fn answered(&self, ended: &Ended, state_update: &StateUpdate) -> Result<Recorded> {
        if let Some(claimed) = self.claim(ended.number, state_update)? {
            return Ok(Recorded::Claimed { by: claimed });
        }
        let mut update =
            self.db.prepare_cached("UPDATE calls SET ended_at = ?2, result = ?3, attempt = ?4 WHERE number = ?1")?;
        update.execute(params![ended.number, millis(ended.at), ended.attempt.name(), sealed(&ended.attempt)])?;
        self.imply(state_update)?;
        Ok(Recorded::Written)
    }

    // The other keys of the channel that have this contact id. A key that is the id itself is the same contact.
    pub(in crate::journal) fn holders(&self, channel: &str, id: &ContactId, key: &str) -> Result<Vec<String>> {
        let mut holders = self.db.prepare_cached(HOLDERS)?;
        let keys = holders.query_map([channel, id.as_str(), key], |row| row.get::<_, String>(0))?;
        let mut keys = keys.collect::<rusqlite::Result<Vec<_>>>()?;
        keys.retain(|key| !key.starts_with(ID_KEY));
        Ok(keys)
    }

    // One id is one contact. Returns the other key with the id that the platform named, if that key's row is in the input too,
    // or if the answer to a create named the id. A key that the input no longer has gives up a contact that was found.
    fn claim(&self, call: i64, state_update: &StateUpdate) -> Result<Option<String>> {
        let (Some(named_by), Some(RemoteState::Known(known))) = (state_update.names_id, &state_update.remote_state)
        else {
            return Ok(None);
        };
        let mut is_item = self.db.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM items JOIN calls ON calls.run = items.run
                            WHERE calls.number = ?1 AND items.key = ?2 AND items.doubles IS NULL)",
        )?;
        let run: i64 = self.db.query_row("SELECT run FROM calls WHERE number = ?1", [call], |row| row.get(0))?;
        let (channel, key) = (&state_update.channel, state_update.contact.key().to_string());
        let mut given_up = Vec::new();
        for holder in self.holders(channel, &known.id, &key)? {
            // A read confirms the answer to a create.
            if matches!(named_by, CallKind::Create | CallKind::Read) {
                self.touch(channel, &holder, None)?;
                // The create may have overwritten the holder's fields: they are written again when its row is next sent.
                self.change_known(channel, &holder, |known| {
                    known.doubt = true;
                    known.fields.clear();
                })?;
                return Ok(Some(holder));
            }
            let is_item: bool = is_item.query_row(params![call, holder], |row| row.get(0))?;
            // Rows that are unchanged by a snapshot have no items.
            if is_item || self.is_in_snapshot(channel, run, &holder)? {
                return Ok(Some(holder));
            }
            given_up.push(holder);
        }
        let mut forget = self.db.prepare_cached("DELETE FROM known WHERE channel = ?1 AND key = ?2")?;
        for holder in given_up {
            self.touch(channel, &holder, None)?;
            forget.execute([channel, &holder])?;
        }
        Ok(None)
    }

    pub(in crate::journal) fn imply(&self, state_update: &StateUpdate) -> Result<()> {
        let (channel, key) = (&state_update.channel, state_update.contact.key().to_string());
        match &state_update.remote_state {
            None => {}
            Some(RemoteState::Unknown) => {
                let mut forget = self.db.prepare_cached("DELETE FROM known WHERE channel = ?1 AND key = ?2")?;
                forget.execute(params![channel, key])?;
            }
            Some(RemoteState::InDoubt(doubt)) => {
                let mut mark = self.db.prepare_cached(
                    "INSERT INTO known (channel, key, doubt) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET contact = NULL, doubt = excluded.doubt",
                )?;
                mark.execute(params![channel, key, sealed(doubt)])?;
            }
            Some(RemoteState::Known(known)) => {
                let mut learn = self.db.prepare_cached(
                    "INSERT INTO known (channel, key, contact) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET contact = excluded.contact, doubt = NULL",
                )?;
                learn.execute(params![channel, key, sealed(known)])?;
            }
        }
        if let Some((run, row, outcome)) = &state_update.outcome {
            let (state, reason) = (outcome.name(), outcome.reason());
            let mut end = self.db.prepare_cached(
                "UPDATE items SET state = ?3, reason = ?4, contact = NULL, cells = CASE ?3 WHEN 'rejected' THEN cells END
                 WHERE run = ?1 AND row = ?2",
            )?;
            end.execute(params![run, integer(*row), state, reason])?;
            self.no_longer_left(channel, &key)?;
        }
        Ok(())
    }

    pub(in crate::journal) fn end(
        &self,
        run: i64,
        state: RunState,
        reason: Option<&str>,
        worked: Duration,
        now: Timestamp,
        summary: &str,
    ) -> Result<()> {
        // A row whose outcome is not stored is not done.
        self.hold_all()?;
        self.db.execute(
            "UPDATE runs SET state = ?2, reason = ?3, worked_ms = worked_ms + ?4, ended_at = ?5, summary = ?6 WHERE id = ?1",
            params![run, state.name(), reason, millis(Timestamp::default() + worked), millis(now), summary],
        )?;
        if state == RunState::Finished {
            self.loss_is_over(run)?;
        }
        Ok(())
    }
}

// The result of a call of a killed process.
fn killed() -> Attempt {
    Attempt::lost(None, "the process was killed before the answer".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_contact_id_is_found_by_the_index() {
        let store = Store::in_memory().unwrap();
        let mut plan = store.db.prepare(&format!("EXPLAIN QUERY PLAN {HOLDERS}")).unwrap();
        let plan: String = plan.query_row(["c", "7", "k"], |row| row.get(3)).unwrap();
        assert_eq!(plan, "SEARCH known USING INDEX known_by_id (channel=? AND <expr>=?)");
    }

    #[test]
    fn the_contacts_in_doubt_are_found_by_the_index() {
        let store = Store::in_memory().unwrap();
        let mut plan = store.db.prepare(&format!("EXPLAIN QUERY PLAN {IN_DOUBT}")).unwrap();
        let plan: String = plan.query_row(params![1, "c"], |row| row.get(3)).unwrap();
        assert_eq!(plan, "SEARCH known USING INDEX known_in_doubt (channel=?)");
    }
}
