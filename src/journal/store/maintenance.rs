//! The SQL of maintenance: the journal's own invariants, and removing what is old.

use rusqlite::{OptionalExtension, params};

use super::attempts::attempt_of;
use super::compact::{self, Owner};
use super::ids::StoredId;
use super::{RESUMABLE, Result, Store, integer, millis, natural};
use crate::core::time::Timestamp;
use crate::journal::JournalError;
use crate::journal::maintenance::{Cutoff, RemovalCursor, Removed};

/// Number of problems after which a check stops counting them.
const MOST_PROBLEMS: usize = 100;

/// Number of rows that one step removes. Other requests wait for a step.
const STEP: i64 = if cfg!(test) { 100 } else { 5_000 };

/// Number of pages that one step gives back to the file system.
const PAGES: i64 = if cfg!(test) { 20 } else { 2_000 };

/// What must not be there: a query for the first of its rows, and what they would mean.
const FORBIDDEN: [(&str, &str); 28] = [
    (
        "SELECT 'run ' || id FROM runs
         WHERE state <> 'planning' AND NOT pruned AND rows <> unchanged + merged + dropped + skipped
             + (SELECT count(*) FROM items WHERE run = runs.id) + (SELECT count(*) FROM pending WHERE run = runs.id)",
        "its rows are not the sum of their outcomes",
    ),
    (
        "SELECT 'run ' || id FROM runs WHERE state <> 'planning' AND (kept < 0 OR kept > unchanged)",
        "it has fewer unchanged rows than were recognised",
    ),
    (
        "SELECT 'run ' || run FROM (SELECT run FROM merging UNION ALL SELECT run FROM new_aliases)
         WHERE run NOT IN (SELECT id FROM runs WHERE state = 'planning') ORDER BY run",
        "temporary rows of its plan were not removed",
    ),
    (
        "SELECT 'run ' || sync FROM contact_blocks WHERE sync NOT IN (SELECT sync FROM runs WHERE state = 'planning')",
        "a finished plan still reserves contact numbers",
    ),
    (
        "SELECT 'run ' || run || ', row ' || row FROM pending
         WHERE run NOT IN (SELECT id FROM runs WHERE state IN ('planning', 'planned', 'sending', 'stopped', 'failed'))",
        "it is pending in a run that is over",
    ),
    ("SELECT 'run ' || run || ', row ' || row FROM pending JOIN items USING (run, row)", "it is pending and has ended"),
    (
        "SELECT 'run ' || run || ', row ' || row FROM items WHERE run NOT IN (SELECT id FROM runs)",
        "it belongs to no run",
    ),
    (
        "SELECT 'run ' || min(id) FROM runs WHERE state IN ('planned', 'sending', 'stopped', 'failed')
         GROUP BY channel HAVING count(*) > 1",
        "a newer run of its channel did not replace it",
    ),
    (
        "SELECT 'contact id ' || states.id FROM states JOIN contacts ON number = contact
         WHERE field <> 0 GROUP BY channel, states.id HAVING count(*) > 1",
        "two keys of a channel have it",
    ),
    ("SELECT 'contact ' || contact FROM states JOIN doubts USING (contact)", "it is known and in doubt"),
    ("SELECT 'contact ' || contact FROM states WHERE contact NOT IN (SELECT number FROM contacts)", "it has no key"),
    ("SELECT 'contact ' || contact FROM doubts WHERE contact NOT IN (SELECT number FROM contacts)", "it has no key"),
    // The new contacts of an input are stored while it is planned, many at a time. A plan that was interrupted is dropped by the next one.
    (
        "SELECT 'contact ' || contact FROM pending WHERE contact NOT IN (SELECT number FROM contacts)
             AND run NOT IN (SELECT id FROM runs WHERE state = 'planning')",
        "it has no key",
    ),
    (
        "SELECT 'contact ' || contact FROM rejections WHERE contact NOT IN (SELECT number FROM contacts)",
        "it has no key",
    ),
    (
        "SELECT 'contact ' || number FROM contacts WHERE channel NOT IN (SELECT number FROM channels)",
        "it belongs to no channel",
    ),
    (
        "SELECT 'contact ' || number FROM contacts WHERE field NOT IN (-1, 0) AND field NOT IN (SELECT number FROM names)",
        "the field of its key has no name",
    ),
    (
        "SELECT 'contact ' || contact FROM aliases WHERE field NOT IN (-1, 0) AND field NOT IN (SELECT number FROM names)",
        "the field of an alias has no name",
    ),
    (
        "SELECT 'contact ' || contact FROM aliases LEFT JOIN contacts ON number = contact
         WHERE contacts.channel IS NOT aliases.channel",
        "an alias of another channel leads to it",
    ),
    (
        "SELECT 'contact ' || max(number) FROM contacts HAVING max(number) >= (SELECT number FROM next_contact)",
        "the next contact number is too low",
    ),
    (
        "SELECT 'call ' || number FROM calls WHERE window NOT IN (SELECT number FROM windows)
             OR channel NOT IN (SELECT number FROM channels)",
        "it belongs to no channel or window",
    ),
    (
        "SELECT 'call ' || number FROM calls WHERE asked IS NOT NULL AND asked >> 32 NOT IN (SELECT number FROM names)",
        "the field that it asked for has no name",
    ),
    ("SELECT 'call ' || number FROM calls WHERE (took IS NULL) <> (result IS NULL)", "its result is incomplete"),
    (
        "SELECT 'call ' || number FROM calls WHERE run <> 0 AND NOT EXISTS (
             SELECT 1 FROM run_windows WHERE run = calls.run AND window = calls.window AND first <= calls.number)",
        "its run does not have its window",
    ),
    (
        "SELECT 'contact ' || contact FROM states
         WHERE typeof(id) = 'text' AND id GLOB '[0-9]*' AND cast(cast(id AS INTEGER) AS TEXT) = id",
        "its id is not stored as an integer",
    ),
    (
        "SELECT 'contact ' || contact FROM missing_contacts WHERE contact NOT IN (SELECT number FROM contacts)
             OR snapshot NOT IN (SELECT id FROM snapshots)",
        "it is listed as missing, but it or its source is unknown",
    ),
    (
        "SELECT 'contact ' || contact FROM contact_marks WHERE contact NOT IN (SELECT number FROM contacts)",
        "it has a mark but no key",
    ),
    (
        "SELECT 'run ' || run FROM pending_marks WHERE run NOT IN (
             SELECT id FROM runs WHERE mark IS NOT NULL AND state IN ('planned', 'sending', 'stopped', 'failed'))",
        "it still has marks to set, but it has ended",
    ),
    (
        "SELECT 'contact ' || pending_marks.contact FROM pending_marks
         JOIN contact_marks ON contact_marks.contact = pending_marks.contact WHERE contact_marks.state <> 1",
        "it is still to be marked, but was already marked",
    ),
];

impl Store {
    pub(in crate::journal) fn check_invariants(&self) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        let mut query = self.db.prepare("PRAGMA integrity_check(100)")?;
        for line in query.query_map([], |row| row.get::<_, String>(0))? {
            let line = line?;
            if line != "ok" {
                problems.push(format!("SQLite: {line}"));
            }
        }
        // The queries may not end in a file that is damaged.
        if !problems.is_empty() {
            return Ok(problems);
        }
        for (query, why) in FORBIDDEN {
            let found: Option<String> = self.db.query_row(query, [], |row| row.get(0)).optional()?;
            problems.extend(found.map(|what| format!("{what}: {why}")));
        }
        self.check_contents(&mut problems)?;
        self.check_attempts(&mut problems)?;
        self.check_snapshots(&mut problems)?;
        Ok(problems)
    }

    // Reads every contact, so that each checksum is compared.
    fn check_contents(&self, problems: &mut Vec<String>) -> Result<()> {
        let all = [
            ("before a run", "SELECT contact, content, NULL FROM values_before"),
            ("known", "SELECT contact, content, id FROM states"),
            ("in doubt", "SELECT contact, content, NULL FROM doubts"),
            ("pending", "SELECT contact, content, NULL FROM pending"),
        ];
        for (what, query) in all {
            let mut query = self.db.prepare(query)?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()?
                && problems.len() < MOST_PROBLEMS
            {
                let number: i64 = row.get(0)?;
                // A key that is missing or has no name was reported above.
                let Ok(Some(key)) = self.key_of_contact(number) else { continue };
                let owner = Owner { number, key: key.value() };
                let read = match row.get::<_, Vec<u8>>(1) {
                    Err(error) => Err(error.into()),
                    Ok(content) => match what {
                        "known" => compact::read_known(self, owner, &row.get::<_, StoredId>(2)?.0, &content).map(drop),
                        "before a run" => compact::read_written(self, owner, &content).map(drop),
                        "in doubt" => compact::read_doubt(self, owner, &key, &content).map(drop),
                        _ => compact::read_contact(self, owner, &key, &content).map(drop),
                    },
                };
                if let Err(error) = read {
                    problems.push(unreadable(&format!("contact {number}, {what}"), &error));
                }
            }
        }
        Ok(())
    }

    fn check_attempts(&self, problems: &mut Vec<String>) -> Result<()> {
        let mut query = self.db.prepare("SELECT number, result, detail FROM calls WHERE result IS NOT NULL")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()?
            && problems.len() < MOST_PROBLEMS
        {
            let number: i64 = row.get(0)?;
            if let Err(error) = attempt_of(row.get(1)?, row.get(2)?) {
                problems.push(unreadable(&format!("call {number}"), &error));
            }
        }
        Ok(())
    }

    /// Removes one step of what ended before `before`. `false` in the end.
    pub(in crate::journal) fn remove_history(
        &self,
        before: Cutoff,
        cursor: &mut RemovalCursor,
        removed: &mut Removed,
    ) -> Result<bool> {
        if self.remove_calls(before.calls, cursor, removed)? {
            return Ok(true);
        }
        self.remove_items(before.rows, cursor, removed)
    }

    // Calls are numbered in the order in which they start. The last call of each channel stays: its lock has its number. So do
    // the calls of runs that can be resumed, and of runs whose summary is not written.
    fn remove_calls(&self, before: Timestamp, cursor: &mut RemovalCursor, removed: &mut Removed) -> Result<bool> {
        let mut old = self.db.prepare_cached(
            "SELECT max(number) FROM (SELECT number, started_at FROM calls WHERE number > ?1 ORDER BY number LIMIT ?2)
             WHERE started_at < ?3",
        )?;
        let last: Option<i64> = old.query_row(params![cursor.call, STEP, millis(before)], |row| row.get(0))?;
        let Some(last) = last else { return Ok(false) };
        let mut delete = self.db.prepare_cached(&format!(
            "DELETE FROM calls WHERE number > ?1 AND number <= ?2 AND started_at < ?3 AND took IS NOT NULL
                 AND run NOT IN (SELECT id FROM runs WHERE state = 'planning' OR state IN {RESUMABLE}
                                     OR summary IS NULL AND state <> 'replaced')
                 AND EXISTS (SELECT 1 FROM calls AS later
                             WHERE later.number > calls.number AND later.channel = calls.channel AND later.run <> 0)"
        ))?;
        let deleted = delete.execute(params![cursor.call, last, millis(before)])?;
        removed.calls += u64::try_from(deleted).unwrap_or(0);
        cursor.call = last;
        Ok(true)
    }

    // Of a run that is over and is not the newest of its channel. The run itself goes once it has no items and no calls.
    fn remove_items(&self, before: Timestamp, cursor: &mut RemovalCursor, removed: &mut Removed) -> Result<bool> {
        let mut find = self.db.prepare_cached(
            "SELECT id FROM runs WHERE state IN ('finished', 'replaced') AND coalesce(ended_at, started_at) < ?1 AND id > ?2
                 AND EXISTS (SELECT 1 FROM runs AS later WHERE later.channel = runs.channel AND later.id > runs.id)
             ORDER BY id LIMIT 1",
        )?;
        let run: Option<i64> = find.query_row(params![millis(before), cursor.run], |row| row.get(0)).optional()?;
        let Some(run) = run else { return Ok(false) };
        let mut delete = self.db.prepare_cached(
            "DELETE FROM items WHERE run = ?1 AND row IN (SELECT row FROM items WHERE run = ?1 ORDER BY row LIMIT ?2)",
        )?;
        let deleted = delete.execute([run, STEP])?;
        removed.rows += u64::try_from(deleted).unwrap_or(0);
        self.db.prepare_cached("UPDATE runs SET pruned = 1 WHERE id = ?1")?.execute([run])?;
        if integer(u64::try_from(deleted).unwrap_or(0)) < STEP {
            let mut delete = self.db.prepare_cached(
                "DELETE FROM runs WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM run_calls WHERE run = ?1)
                     AND NOT EXISTS (SELECT 1 FROM pending WHERE run = ?1)",
            )?;
            removed.runs += u64::try_from(delete.execute([run])?).unwrap_or(0);
            cursor.run = run;
            self.db.execute("DELETE FROM listings WHERE sync NOT IN (SELECT sync FROM runs)", [])?;
            self.db.execute("DELETE FROM kept_rows WHERE run NOT IN (SELECT id FROM runs)", [])?;
            self.db.execute("DELETE FROM run_windows WHERE run NOT IN (SELECT id FROM runs)", [])?;
        }
        Ok(true)
    }

    /// Removes contacts of which nothing is known and that no row has, with their aliases.
    pub(in crate::journal) fn remove_unused_contacts(&self, removed: &mut Removed) -> Result<()> {
        self.forget_numbers();
        let deleted = self.db.execute(
            "DELETE FROM contacts WHERE number NOT IN (SELECT contact FROM states)
                 AND number NOT IN (SELECT contact FROM doubts) AND number NOT IN (SELECT contact FROM pending)
                 AND number NOT IN (SELECT contact FROM items WHERE contact IS NOT NULL)
                 AND number NOT IN (SELECT contact FROM rejections)
                 AND number NOT IN (SELECT contact FROM missing_contacts)
                 AND number NOT IN (SELECT contact FROM contact_marks)
                 AND number NOT IN (SELECT contact FROM left_rows) AND number NOT IN (SELECT contact FROM turns)
                 AND NOT EXISTS (SELECT 1 FROM contact_blocks WHERE contacts.number BETWEEN first AND last)",
            [],
        )?;
        removed.contacts += u64::try_from(deleted).unwrap_or(0);
        self.db.execute("DELETE FROM aliases WHERE contact NOT IN (SELECT number FROM contacts)", [])?;
        Ok(())
    }

    /// Gives some free pages back to the file system, when they are many. `false` in the end.
    pub(in crate::journal) fn give_back_pages(&self) -> Result<bool> {
        let count = |pragma: &str| self.db.query_row(pragma, [], |row| row.get::<_, i64>(0));
        let (free, all) = (count("PRAGMA freelist_count")?, count("PRAGMA page_count")?);
        // The next run needs some pages anyway.
        if free <= (all / 20).max(PAGES / 10) {
            return Ok(false);
        }
        let mut vacuum = self.db.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
        Ok(count("PRAGMA freelist_count")? < free)
    }

    /// The size of the journal in bytes, without its log.
    pub(in crate::journal) fn size(&self) -> Result<u64> {
        let count = |pragma: &str| self.db.query_row(pragma, [], |row| row.get::<_, i64>(0));
        Ok(natural(count("PRAGMA page_count")?.saturating_mul(count("PRAGMA page_size")?)))
    }
}

fn unreadable(what: &str, error: &JournalError) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{what}: {error}{source}")
}
