//! The SQL of sending: intents, answers, and the remote states that they imply.

use std::collections::HashMap;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::attempts::{detail, killed, kind_number, result, result_number};
use super::checked_json::parse_checked;
use super::compact::{self, Owner};
use super::contacts::{Holder, StoredState};
use super::hashing::Texts;
use super::ids::StoredId;
use super::keys::KeyParts;
use super::listing::read_cells;
use super::state;
use super::{Result, Store, damaged, integer, millis, natural};
use crate::core::attempt::Attempt;
use crate::core::call::{Asked, Call, CallKind};
use crate::core::doubt::Doubt;
use crate::core::model::{Contact, Known, RemoteState};
use crate::core::task::Outcome;
use crate::core::time::Timestamp;
use crate::core::window::IN_FLIGHT_GRACE;
use crate::core::window_id::WindowId;
use crate::journal::rows::{Carried, Item, RunState};
use crate::journal::{Ended, MarkUpdate, Recorded, StateUpdate};

/// Longest time from the start of a call to its end.
pub(super) const LONGEST_CALL: Duration = Duration::from_mins(10);

/// The pending rows with their contacts and what is known of these, as [`Store::item`] reads them.
const PENDING: &str = "SELECT pending.row, pending.line, pending.cells, pending.content, pending.contact,
         contacts.channel, contacts.field, contacts.value, states.id, states.content, doubts.content
     FROM pending LEFT JOIN contacts ON contacts.number = pending.contact
     LEFT JOIN states ON states.contact = pending.contact LEFT JOIN doubts ON doubts.contact = pending.contact";

impl Store {
    // The contacts in doubt of a channel, with their keys.
    pub(super) fn doubts_of(&self, channel: i64) -> Result<Vec<(i64, KeyParts<'static>, Vec<u8>)>> {
        let mut query = self.db.prepare_cached(
            "SELECT doubts.contact, contacts.field, contacts.value, doubts.content
             FROM doubts CROSS JOIN contacts ON contacts.number = doubts.contact WHERE contacts.channel = ?1",
        )?;
        let mut rows = query.query([channel])?;
        let mut doubts = Vec::new();
        while let Some(row) = rows.next()? {
            doubts.push((row.get(0)?, KeyParts::stored(self, row.get(1)?, row.get(2)?)?, row.get(3)?));
        }
        Ok(doubts)
    }

    pub(super) fn change_known(&self, contact: i64, change: impl FnOnce(&mut Known)) -> Result<()> {
        let Some(key) = self.key_of_contact(contact)? else { return Ok(()) };
        let mut query = self.db.prepare_cached("SELECT id, content FROM states WHERE contact = ?1")?;
        let stored = query.query_row([contact], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((StoredId(id), content)): Option<(StoredId, Vec<u8>)> = stored else { return Ok(()) };
        let owner = Owner { number: contact, key: key.value() };
        let mut known = compact::read_known(self, owner, &id, &content)?;
        change(&mut known);
        self.set_known(owner, &known)
    }

    pub(super) fn change_doubt(&self, contact: i64, change: impl FnOnce(&mut Doubt)) -> Result<()> {
        let Some(key) = self.key_of_contact(contact)? else { return Ok(()) };
        let mut query = self.db.prepare_cached("SELECT content FROM doubts WHERE contact = ?1")?;
        let stored = query.query_row([contact], |row| row.get(0)).optional()?;
        let Some(content): Option<Vec<u8>> = stored else { return Ok(()) };
        let owner = Owner { number: contact, key: key.value() };
        let mut doubt = compact::read_doubt(self, owner, &key, &content)?;
        change(&mut doubt);
        self.set_doubt(owner, &doubt)
    }

    pub(in crate::journal) fn begin_sending(
        &self,
        run: i64,
        channel: &str,
        window: &WindowId,
        call_timeout: Duration,
        now: Timestamp,
    ) -> Result<()> {
        // Not those of the other channels: each of a thousand would look at the files of all.
        self.looks(channel)?;
        let mut write_url = self.db.prepare_cached(
            "INSERT INTO channels (name, url) SELECT channel, url FROM runs WHERE id = ?1
             ON CONFLICT (name) DO UPDATE SET url = excluded.url",
        )?;
        write_url.execute([run])?;
        self.close_open(channel, window, call_timeout, now)?;
        self.forget_past_calls(run);
        self.sending_in.borrow_mut().remove(&run);
        // The summary of an earlier stop is outdated: if this process is killed, the rows themselves show its progress.
        let mut write_state = self.db.prepare_cached(
            "UPDATE runs SET state = 'sending', window = ?2, reason = NULL, ended_at = NULL, summary = NULL WHERE id = ?1",
        )?;
        write_state.execute(params![run, window.as_str()])?;
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
        let (channel, window) = (self.channel_number(channel)?, self.windows.number(self, window.as_str())?);
        // The search lag of such a create begins at the latest possible end of its call.
        let mut open = self.db.prepare_cached(
            "SELECT contact, max(min(:latest, started_at + :timeout)) FROM calls
             WHERE (channel = :channel OR window = :window) AND took IS NULL AND kind = :create AND contact IS NOT NULL
             GROUP BY contact",
        )?;
        let (latest, timeout) = (millis(now + IN_FLIGHT_GRACE), millis(Timestamp::default() + call_timeout));
        let named = named_params! {
            ":latest": latest,
            ":timeout": timeout,
            ":channel": channel,
            ":window": window,
            ":create": kind_number(CallKind::Create),
        };
        let open = open.query_map(named, |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (contact, ended) in open.collect::<rusqlite::Result<Vec<(i64, i64)>>>()? {
            let ended = Timestamp::from_millis(natural(ended));
            self.change_doubt(contact, |doubt| doubt.since = doubt.since.or(Some(ended)))?;
        }
        self.db.execute(
            "UPDATE calls SET took = min(:latest, started_at + :timeout) - started_at, result = :result, detail = :detail
             WHERE (channel = :channel OR window = :window) AND took IS NULL",
            named_params! {
                ":latest": latest,
                ":timeout": timeout,
                ":result": result_number(&killed),
                ":detail": detail(&killed),
                ":channel": channel,
                ":window": window,
            },
        )?;
        Ok(())
    }

    pub(in crate::journal) fn ended_since(&self, window: &WindowId, since: Timestamp) -> Result<Vec<Timestamp>> {
        let Some(window) = self.windows.find(self, window.as_str())? else { return Ok(Vec::new()) };
        let since_grace = since.before(IN_FLIGHT_GRACE);
        // The attempt matters only for lost calls.
        let mut query = self.db.prepare_cached(
            "SELECT started_at, took, iif(result = ?3, detail, NULL) FROM calls INDEXED BY calls_of_window
             WHERE window = ?1 AND started_at > ?2 AND took IS NOT NULL AND number > coalesce(
                 (SELECT number FROM calls INDEXED BY calls_of_window WHERE window = ?1 AND started_at <= ?2
                  ORDER BY number DESC LIMIT 1), 0)",
        )?;
        // Calls are numbered in the order in which they start, and the index is in that order.
        let mut rows = query.query(params![window, millis(since_grace.before(LONGEST_CALL)), result::LOST])?;
        let (mut ends, killed) = (Vec::new(), killed());
        while let Some(row) = rows.next()? {
            let ended = ended_at(row, 0)?;
            let lost: Option<String> = row.get(2)?;
            let lost: Option<Attempt> = lost.map(|lost| parse_checked("an attempt", &lost)).transpose()?;
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
        let Some(channel) = self.channels.find(self, channel)? else { return Ok(Vec::new()) };
        let doubts = self.doubts_of(channel)?;
        if doubts.is_empty() {
            return Ok(Vec::new());
        }
        let mut pending = self.db.prepare_cached(
            "SELECT contact, row FROM pending WHERE run = ?1 AND NOT deferred AND contact IN (SELECT contact FROM doubts)",
        )?;
        let pending = pending.query_map([run], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rows: HashMap<i64, i64> = pending.collect::<rusqlite::Result<_>>()?;
        let is_limited = self.is_limited(run)?;
        let mut carried = Vec::new();
        for (contact, key, content) in doubts {
            if let Some(row) = rows.get(&contact) {
                let mut query = self.db.prepare_cached(&format!("{PENDING} WHERE run = ?1 AND row = ?2"))?;
                let mut rows = query.query([run, *row])?;
                let row = rows.next()?.ok_or_else(|| damaged("a row", "it is missing"))?;
                carried.push((Some(natural(row.get(0)?)), Carried::Item(Box::new(self.item(run, row)?))));
                continue;
            }
            // Other contacts stay as they are.
            if is_limited {
                continue;
            }
            let owner = Owner { number: contact, key: key.value() };
            let doubt = compact::read_doubt(self, owner, &key, &content)?;
            // No search can resolve it, and its row was rejected for that: the input has it.
            let is_rejected = doubt.sent.matches().is_empty() && self.has_rejected_row(run, contact)?;
            if !is_rejected {
                carried.push((None, Carried::Orphan(Box::new(doubt))));
            }
        }
        carried.sort_by_key(|(row, _)| *row);
        Ok(carried.into_iter().map(|(_, carried)| carried).collect())
    }

    // Whether the row that counts for a contact was rejected.
    fn has_rejected_row(&self, run: i64, contact: i64) -> Result<bool> {
        let mut query = self
            .db
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM items WHERE run = ?1 AND contact = ?2 AND state = ?3)")?;
        Ok(query.query_row(params![run, contact, state::REJECTED], |row| row.get(0))?)
    }

    pub(in crate::journal) fn pending(&self, run: i64, row: u64, limit: u32) -> Result<Vec<Item>> {
        let mut query = self
            .db
            .prepare_cached(&format!("{PENDING} WHERE run = ?1 AND row > ?2 AND NOT deferred ORDER BY row LIMIT ?3"))?;
        let mut rows = query.query(params![run, integer(row), limit])?;
        let mut items = Vec::new();
        while let Some(row) = rows.next()? {
            items.push(self.item(run, row)?);
        }
        Ok(items)
    }

    // From the columns of `PENDING`.
    fn item(&self, run: i64, row: &Row<'_>) -> Result<Item> {
        let (contact, content): (i64, Vec<u8>) = (row.get(4)?, row.get(3)?);
        let (Some(channel), Some(field), Some(value)) = (row.get(5)?, row.get(6)?, row.get::<_, Option<String>>(7)?)
        else {
            return Err(damaged("a contact", "its key is missing"));
        };
        self.note_number(channel, field, &value, contact);
        let key = KeyParts::stored(self, field, value)?;
        let owner = Owner { number: contact, key: key.value() };
        let cells: Option<String> = row.get(2)?;
        let undone = self.undoes(run)?.map_or(Ok(None), |undone| self.written(undone, owner))?;
        Ok(Item {
            undone,
            row: natural(row.get(0)?),
            line: natural(row.get(1)?),
            contact: compact::read_contact(self, owner, &key, &content)?,
            cells: cells.as_deref().map(read_cells).transpose()?,
            remote_state: StoredState::of(row, 8)?.read(self, contact, &key)?,
            past: self.past_calls_of(run, contact)?,
        })
    }

    pub(in crate::journal) fn start(
        &self,
        run: i64,
        (kind, write): (CallKind, Option<&Call>),
        asked: Option<&Asked>,
        state_update: &StateUpdate,
        now: Timestamp,
    ) -> Result<i64> {
        let channel = self.channel_number(&state_update.channel)?;
        let key = self.key_parts(state_update.contact.key());
        let contact = self.contact_number(channel, &key)?;
        let window = self.window_of_run(run)?;
        let asked = asked.map(|asked| self.asked_number(asked)).transpose()?;
        let mut insert = self.db.prepare_cached(
            "INSERT INTO calls (run, channel, window, contact, kind, asked, started_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        insert.execute(params![run, channel, window, contact, kind_number(kind), asked, millis(now)])?;
        let number = self.db.last_insert_rowid();
        let owner = Owner { number: contact, key: key.value() };
        if let Some(write) = write {
            self.keep_before(run, owner, write)?;
        }
        self.apply(owner, state_update)?;
        self.starts(&state_update.channel, number);
        Ok(number)
    }

    pub(in crate::journal) fn count_in_run(&self, run: i64, calls: &[i64]) -> Result<()> {
        let mut update = self.db.prepare_cached("UPDATE calls SET run = ?1 WHERE number = ?2 AND run = 0")?;
        let mut note = self.db.prepare_cached(
            "INSERT INTO run_windows (run, window, first) SELECT ?1, window, number FROM calls WHERE number = ?2
             ON CONFLICT (run, window) DO UPDATE SET first = min(first, excluded.first)",
        )?;
        for number in calls {
            update.execute([run, *number])?;
            note.execute([run, *number])?;
        }
        Ok(())
    }

    // A read that belongs to a run and to no contact.
    pub(in crate::journal) fn start_read_back(&self, run: i64, channel: &str, now: Timestamp) -> Result<i64> {
        let (number, window) = (self.channel_number(channel)?, self.window_of_run(run)?);
        let mut insert = self
            .db
            .prepare_cached("INSERT INTO calls (run, channel, window, kind, started_at) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        insert.execute(params![run, number, window, kind_number(CallKind::Read), millis(now)])?;
        let number = self.db.last_insert_rowid();
        self.starts(channel, number);
        Ok(number)
    }

    // The number of the window in which the calls of a run count.
    fn window_of_run(&self, run: i64) -> Result<i64> {
        if let Some(window) = self.sending_in.borrow().get(&run) {
            return Ok(*window);
        }
        let mut query = self.db.prepare_cached("SELECT window FROM runs WHERE id = ?1")?;
        let window: Option<String> = query.query_row([run], |row| row.get(0)).optional()?;
        let window = self.windows.number(self, &window.unwrap_or_default())?;
        let mut note = self.db.prepare_cached(
            "INSERT OR IGNORE INTO run_windows (run, window, first) SELECT ?1, ?2, 1 + coalesce(max(number), 0) FROM calls",
        )?;
        note.execute([run, window])?;
        self.sending_in.borrow_mut().insert(run, window);
        Ok(window)
    }

    // A call that belongs to no run and no contact.
    pub(in crate::journal) fn start_probe(
        &self,
        channel: &str,
        window: &WindowId,
        kind: CallKind,
        now: Timestamp,
    ) -> Result<i64> {
        let (number, window) = (self.channel_number(channel)?, self.windows.number(self, window.as_str())?);
        self.db.execute(
            "INSERT INTO calls (run, channel, window, kind, started_at) VALUES (0, ?1, ?2, ?3, ?4)",
            params![number, window, kind_number(kind), millis(now)],
        )?;
        let number = self.db.last_insert_rowid();
        match kind {
            CallKind::Find | CallKind::Read => self.looks(channel)?,
            CallKind::Create | CallKind::Update | CallKind::AddTags | CallKind::RemoveTags => {
                self.starts(channel, number);
            }
        }
        Ok(number)
    }

    pub(in crate::journal) fn end_probe(&self, number: i64, attempt: &Attempt, at: Timestamp) -> Result<()> {
        self.end_call(number, attempt, at, Texts::Of(None))
    }

    fn end_call(&self, number: i64, attempt: &Attempt, at: Timestamp, texts: Texts<'_>) -> Result<()> {
        let attempt = &*self.kept_attempt(number, attempt, texts)?;
        let mut update = self
            .db
            .prepare_cached("UPDATE calls SET took = ?2 - started_at, result = ?3, detail = ?4 WHERE number = ?1")?;
        update.execute(params![number, millis(at), result_number(attempt), detail(attempt)])?;
        Ok(())
    }

    pub(in crate::journal) fn answered(&self, ended: &Ended, state_update: &StateUpdate) -> Result<Recorded> {
        let channel = self.channel_number(&state_update.channel)?;
        let key = self.key_parts(state_update.contact.key());
        if let Some(claimed) = self.claim(ended.number, channel, &key, state_update)? {
            return Ok(Recorded::Claimed { by: claimed.text() });
        }
        self.end_call(ended.number, &ended.attempt, ended.at, Texts::Of(Some(&state_update.contact)))?;
        self.imply_of(channel, &key, state_update)?;
        Ok(Recorded::Written)
    }

    // One id is one contact. Returns the other key with the id that the platform named, if that key's row is in the input too,
    // or if the answer to a create named the id. A key that the input no longer has gives up a contact that was found.
    fn claim(
        &self,
        call: i64,
        channel: i64,
        key: &KeyParts<'_>,
        state_update: &StateUpdate,
    ) -> Result<Option<KeyParts<'static>>> {
        let (Some(named_by), Some(RemoteState::Known(known))) = (state_update.names_id, &state_update.remote_state)
        else {
            return Ok(None);
        };
        let mut given_up = Vec::new();
        for holder in self.holders_of(channel, &known.id, key)? {
            // A read confirms the answer to a create.
            if matches!(named_by, CallKind::Create | CallKind::Read) {
                self.touch(&state_update.channel, &holder.key.text(), None)?;
                // The create may have overwritten the holder's fields: they are written again when its row is next sent.
                self.change_known(holder.number, |known| {
                    known.doubt = true;
                    known.fields.clear();
                })?;
                return Ok(Some(holder.key));
            }
            if self.is_in_input_of(call, &holder)? {
                return Ok(Some(holder.key));
            }
            given_up.push(holder);
        }
        for holder in given_up {
            self.touch(&state_update.channel, &holder.key.text(), None)?;
            self.move_mark(holder.number, self.contact_number(channel, key)?)?;
            self.forget_state(holder.number)?;
        }
        Ok(None)
    }

    // Whether the input of the run of this call has a row of this contact.
    fn is_in_input_of(&self, call: i64, contact: &Holder) -> Result<bool> {
        let mut query = self.db.prepare_cached(
            "SELECT runs.id, runs.channel, runs.unchanged + runs.skipped FROM runs JOIN calls ON calls.run = runs.id WHERE calls.number = ?1",
        )?;
        let run = query.query_row([call], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        let Some((run, channel, unchanged)): Option<(i64, String, i64)> = run else { return Ok(false) };
        let plans = self.plans.borrow();
        let plan = plans.finished.get(&channel).filter(|plan| plan.run == run);
        let is_member = plan.map(|plan| plan.members.has(contact.number));
        if is_member == Some(true) {
            return Ok(true);
        }
        // A snapshot has all rows, also those that were not mapped.
        if let Some(is_in_input) = self.is_in_snapshot(&channel, run, &contact.key)?.or(is_member) {
            return Ok(is_in_input);
        }
        // An earlier process planned it. Its rows that needed nothing are not stored: if there are any, the contact may be
        // among them, and stays what it is.
        let mut query = self.db.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM pending WHERE run = ?1 AND contact = ?2)
                 OR EXISTS (SELECT 1 FROM items WHERE run = ?1 AND contact = ?2 AND state NOT IN (?3, ?4))",
        )?;
        let of_contact = params![run, contact.number, state::MERGED, state::REPEATED];
        Ok(unchanged > 0 || query.query_row(of_contact, |row| row.get(0))?)
    }

    pub(in crate::journal) fn imply(&self, state_update: &StateUpdate) -> Result<()> {
        let channel = self.channel_number(&state_update.channel)?;
        self.imply_of(channel, &self.key_parts(state_update.contact.key()), state_update)
    }

    fn imply_of(&self, channel: i64, key: &KeyParts<'_>, state_update: &StateUpdate) -> Result<()> {
        let StateUpdate { remote_state, outcome, first_written, mark, at, .. } = state_update;
        if remote_state.is_none() && outcome.is_none() && mark.is_none() && first_written.is_empty() {
            return Ok(());
        }
        let number = self.contact_number(channel, key)?;
        self.add_written_fields(channel, number, first_written, *at)?;
        self.apply(Owner { number, key: key.value() }, state_update)
    }

    fn apply(&self, owner: Owner<'_>, state_update: &StateUpdate) -> Result<()> {
        match &state_update.remote_state {
            None => {}
            Some(RemoteState::Unknown) => self.forget_state(owner.number)?,
            Some(RemoteState::InDoubt(doubt)) => self.set_doubt(owner, doubt)?,
            Some(RemoteState::Known(known)) => self.set_known(owner, known)?,
        }
        if let Some((run, row, outcome)) = &state_update.outcome {
            let (state, reason) = (state::of(outcome), outcome.reason());
            self.end_row(*run, *row, &state_update.contact, state, reason)?;
            self.close_answers(owner.number)?;
            match outcome {
                // What an undo does not restore is no row of an input that would be tried again.
                Outcome::Rejected(_) if self.undoes(*run)?.is_some() => {}
                Outcome::Rejected(reason) => {
                    self.set_rejection(*run, owner.number, &state_update.contact, reason, state_update.at)?;
                }
                Outcome::Created | Outcome::Updated => {
                    self.no_longer_rejected(owner.number)?;
                    self.forget_accepted(owner.number)?;
                    self.take_back_mark(owner.number, &state_update.contact)?;
                }
                Outcome::Unchanged => {
                    self.no_longer_rejected(owner.number)?;
                    self.take_back_mark(owner.number, &state_update.contact)?;
                }
            }
            self.no_longer_left(owner.number)?;
        }
        if let Some(mark) = &state_update.mark {
            self.set_mark(owner.number, mark)?;
            match mark {
                MarkUpdate::Begun { .. } => {}
                MarkUpdate::Ended { run, outcome: Outcome::Rejected(reason) } => {
                    self.set_rejection(*run, owner.number, &state_update.contact, reason, state_update.at)?;
                }
                MarkUpdate::Ended { .. } => self.no_longer_rejected(owner.number)?,
            }
        }
        Ok(())
    }

    // Moves a row from the pending ones to those that ended.
    fn end_row(&self, run: i64, row: u64, contact: &Contact, state: i64, reason: Option<&str>) -> Result<()> {
        let whole_reason = reason;
        let kept = reason.map(|reason| self.kept_text(reason, Some(contact), None));
        let reason = kept.as_deref();
        // Two statements: for `RETURNING`, SQLite makes a temporary table of 88 KB each time.
        let mut find =
            self.db.prepare_cached("SELECT line, contact, cells FROM pending WHERE run = ?1 AND row = ?2")?;
        let ended =
            find.query_row(params![run, integer(row)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        let Some((line, number, cells)): Option<(i64, i64, Option<String>)> = ended else {
            // It ended before.
            let mut change =
                self.db.prepare_cached("UPDATE items SET state = ?3, reason = ?4 WHERE run = ?1 AND row = ?2")?;
            change.execute(params![run, integer(row), state, reason])?;
            return Ok(());
        };
        let mut delete = self.db.prepare_cached("DELETE FROM pending WHERE run = ?1 AND row = ?2")?;
        delete.execute(params![run, integer(row)])?;
        let mut cells = cells.filter(|_| state == state::REJECTED);
        if self.has_open_rows() {
            self.keep_open_row((run, row), Some(&contact.key().shown()), whole_reason, cells.take().as_deref())?;
        }
        let mut insert = self.db.prepare_cached(
            "INSERT INTO items (run, row, line, contact, state, reason, cells) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        insert.execute(params![run, integer(row), line, number, state, reason, cells])?;
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
        let reason = reason.map(|reason| self.kept_reason(reason));
        let summary = self.kept_summary(summary);
        // A row whose outcome is not stored is not done.
        let mut find = self.db.prepare_cached("SELECT channel FROM runs WHERE id = ?1")?;
        let channel: Option<String> = find.query_row([run], |row| row.get(0)).optional()?;
        self.looks(channel.as_deref().unwrap_or_default())?;
        let mut write = self.db.prepare_cached(
            "UPDATE runs SET state = ?2, reason = ?3, worked_ms = worked_ms + ?4, ended_at = ?5, summary = ?6 WHERE id = ?1",
        )?;
        write.execute(params![
            run,
            state.name(),
            reason,
            millis(Timestamp::default() + worked),
            millis(now),
            summary
        ])?;
        if state == RunState::Finished {
            // Those of contacts of which nothing is known any more are left.
            self.db.prepare_cached("DELETE FROM pending_marks WHERE run = ?1")?.execute([run])?;
            self.loss_is_over(run)?;
        }
        self.close_rows()?;
        if state == RunState::Finished { self.clear_remains() } else { Ok(()) }
    }
}

// When the call of a row ended, of which this column and the next are the start and the time that it took.
pub(super) fn ended_at(row: &Row<'_>, at: usize) -> Result<Timestamp> {
    let (started, took): (i64, i64) = (row.get(at)?, row.get(at + 1)?);
    Ok(Timestamp::from_millis(natural(started.saturating_add(took))))
}
