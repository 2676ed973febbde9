//! The SQL. Every function here runs within a transaction that its caller begins and ends.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, named_params, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lock::LOCK_ENDING;
use super::rows::{Carried, Counts, Item, NewRun, Planned, RunRow, RunState, Settled};
use super::{Ended, Implied, JournalError};
use crate::core::attempt::Attempt;
use crate::core::call::CallKind;
use crate::core::model::{Contact, Key, Standing};
use crate::core::plan::{Decision, Forecast, decide, forecast};
use crate::core::task::{Outcome, PastCall, Policy, Task};
use crate::core::time::{Setting, Timestamp};
use crate::core::window::LINGER;

type Result<T> = std::result::Result<T, JournalError>;

/// Marks the file as ours (`PRAGMA application_id`): "csyn".
const APPLICATION_ID: i64 = 0x6373_796e;

/// The schema that this program writes (`PRAGMA user_version`).
const SCHEMA_VERSION: i64 = 1;

const LASTING_TABLES: &str = include_str!("lasting.sql");
const RUN_TABLES: &str = include_str!("runs.sql");

/// How long another process may hold the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Of how old a call somebody may still ask when it was: the window, of a minute; a task, whether its search is still
/// good; with room for calls that took long.
const ASKED_FOR: Duration = Duration::from_hours(1);

/// How many pending items a forecast reads at a time.
const FORECAST_PAGE: u32 = 1_000;

#[derive(Debug)]
pub(super) struct Store {
    db: Connection,
    // What is planned is forgotten, and what lasts may not be written.
    dry: bool,
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let was_there = path.exists();
        make_private(path)?;
        // The whole path: some names, such as `:memory:`, mean something else to SQLite.
        let file = path.canonicalize().map_err(|source| JournalError::open(path, source))?;
        let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(|source| JournalError::open(path, source))?;
        let store = Self { db, dry: false };
        let is_new = store.check(path)?;
        if is_new && was_there {
            refuse_emptied(path)?;
        }
        store.configure().map_err(|source| JournalError::open(path, source))?;
        if is_new {
            // Another process may be at the same; who comes second finds it made.
            let create = || if store.check(path)? { store.create() } else { Ok(()) };
            store.begin().and_then(|()| create()).and_then(|()| store.commit()).map_err(|error| match error {
                JournalError::Sql(source) => JournalError::open(path, source),
                other => other,
            })?;
        }
        Ok(store)
    }

    pub(super) fn in_memory() -> Result<Self> {
        let store = Self { db: Connection::open_in_memory()?, dry: false };
        store.configure()?;
        store.create()?;
        Ok(store)
    }

    // SQLite keeps it in a file of its own making when it grows, and deletes that at the end.
    pub(super) fn dry_and_empty() -> Result<Self> {
        let store = Self { db: Connection::open("")?, dry: true };
        store.create()?;
        Ok(store)
    }

    pub(super) fn dry(path: &Path) -> Result<Self> {
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(|source| JournalError::open(path, source))?;
        let store = Self { db, dry: true };
        if store.check(path)? {
            refuse_emptied(path)?;
            return Self::dry_and_empty();
        }
        store.db.busy_timeout(BUSY_TIMEOUT)?;
        // Temporary tables hide the lasting ones of the same name.
        let tables =
            RUN_TABLES.replace("CREATE TABLE ", "CREATE TEMP TABLE ").replace("INDEX items", "INDEX temp.items");
        store.db.execute_batch(&tables)?;
        Ok(store)
    }

    // Whether the file is new. Nothing is written before it is known to be ours.
    fn check(&self, path: &Path) -> Result<bool> {
        let foreign = |found| JournalError::Foreign { path: path.to_owned(), found };
        let number = |sql: &str| {
            self.db.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|source| match source.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) if !was_ours(path) => foreign("a file that is no database"),
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                    JournalError::Unreadable { path: path.to_owned(), source: source.into() }
                }
                _ => JournalError::open(path, source),
            })
        };
        let application = number("PRAGMA application_id")?;
        let tables = number("SELECT count(*) FROM sqlite_schema")?;
        match (application, tables) {
            (0, 0) => Ok(true),
            (APPLICATION_ID, _) => {
                let found = number("PRAGMA user_version")?;
                if found > SCHEMA_VERSION {
                    return Err(JournalError::Newer { path: path.to_owned(), found, supported: SCHEMA_VERSION });
                }
                Ok(false)
            }
            _ => Err(foreign("a database of another program")),
        }
    }

    fn configure(&self) -> rusqlite::Result<()> {
        self.db.busy_timeout(BUSY_TIMEOUT)?;
        self.db.pragma_update(None, "journal_mode", "WAL")?;
        // A commit is on disk when it returns: an intent that a power failure takes back is a second contact.
        self.db.pragma_update(None, "synchronous", "FULL")?;
        // A mapped file that is cut short kills the process instead of giving an error.
        self.db.pragma_update(None, "mmap_size", 0)?;
        self.db.set_prepared_statement_cache_capacity(64);
        Ok(())
    }

    fn create(&self) -> Result<()> {
        self.db.execute_batch(LASTING_TABLES)?;
        self.db.execute_batch(RUN_TABLES)?;
        self.db.pragma_update(None, "application_id", APPLICATION_ID)?;
        self.db.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        Ok(())
    }

    pub(super) fn begin(&self) -> Result<()> {
        if !self.db.is_autocommit() {
            self.roll_back();
        }
        Ok(self.db.execute_batch("BEGIN IMMEDIATE")?)
    }

    pub(super) fn commit(&self) -> Result<()> {
        Ok(self.db.execute_batch("COMMIT")?)
    }

    pub(super) fn roll_back(&self) {
        // Some failures have rolled back already; then there is nothing left to do.
        let _ = self.db.execute_batch("ROLLBACK");
    }

    pub(super) fn channel_url(&self, channel: &str) -> Result<Option<String>> {
        let mut query = self.db.prepare_cached("SELECT url FROM channels WHERE name = ?1")?;
        Ok(query.query_row([channel], |row| row.get(0)).optional()?)
    }

    pub(super) fn known_by_others(&self, channel: &str, matches: &[String]) -> Result<Option<Key>> {
        let mut query =
            self.db.prepare_cached("SELECT key FROM known WHERE channel = ?1 AND key NOT LIKE 'contact_id=%'")?;
        let mut rows = query.query([channel])?;
        while let Some(row) = rows.next()? {
            let text: String = row.get(0)?;
            let key = Key::parse_match(&text);
            let is_ours = match &key {
                Some(Key::Match { field, .. }) => matches.contains(field),
                Some(Key::Id(_) | Key::Row { .. }) | None => matches.is_empty(),
            };
            if !is_ours {
                return Ok(Some(key.unwrap_or(Key::Row { digest: String::new(), nth: 0 })));
            }
        }
        Ok(None)
    }

    pub(super) fn move_channel(&self, channel: &str, url: &str) -> Result<()> {
        self.db.execute("UPDATE channels SET url = ?2 WHERE name = ?1", [channel, url])?;
        // What is left of a run is left there: it is resumed where its contacts are.
        self.db.execute(
            "UPDATE runs SET url = ?2 WHERE channel = ?1 AND state IN ('planned', 'sending', 'stopped', 'failed')",
            [channel, url],
        )?;
        Ok(())
    }

    pub(super) fn begin_plan(&self, run: &NewRun) -> Result<i64> {
        let stale = "SELECT id FROM runs WHERE channel = ?1 AND state = 'planning'";
        self.db.execute(&format!("DELETE FROM new_aliases WHERE run IN ({stale})"), [&run.channel])?;
        self.db.execute(&format!("DELETE FROM items WHERE run IN ({stale})"), [&run.channel])?;
        self.db.execute("DELETE FROM runs WHERE channel = ?1 AND state = 'planning'", [&run.channel])?;
        self.db.execute(
            "INSERT INTO runs (channel, url, kind, rate, input, policy, state, started_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'planning', ?7)",
            params![run.channel, run.url, run.kind, run.rate, run.input, json(&run.policy), millis(run.now)],
        )?;
        Ok(self.db.last_insert_rowid())
    }

    pub(super) fn plan_rows(&self, run: i64, channel: &str, policy: Policy, rows: &[Planned]) -> Result<Vec<Settled>> {
        rows.iter().map(|row| self.plan_row(run, channel, policy, row)).collect()
    }

    fn plan_row(&self, run: i64, channel: &str, policy: Policy, planned: &Planned) -> Result<Settled> {
        let (row, line, contact) = match planned {
            Planned::Contact { row, line, contact } => (*row, *line, contact),
            Planned::Rejected(rejection) => {
                let reason = rejection.to_string();
                self.insert_item(run, rejection.row, rejection.line, None, "rejected", Some(&reason), None)?;
                return Ok(Settled::Done { line: rejection.line, outcome: Outcome::Rejected(reason) });
            }
        };
        let contact = &self.as_known(run, channel, self.among_equals(run, contact)?)?;
        let key = contact.key().to_string();
        let mut merge = self.db.prepare_cached(
            "UPDATE items SET state = 'merged', contact = NULL, reason = 'a later row is the same contact'
             WHERE run = ?1 AND key = ?2 AND state <> 'merged'",
        )?;
        merge.execute(params![run, key])?;
        let standing = self.standing(channel, &key)?;
        match decide(contact, &standing, policy) {
            Decision::Done(outcome) => {
                let (state, reason) = outcome_columns(&outcome);
                self.insert_item(run, row, line, Some(&key), state, reason, None)?;
                Ok(Settled::Done { line, outcome })
            }
            Decision::Pending(_) => {
                self.insert_item(run, row, line, Some(&key), "pending", None, Some(&json(contact)))?;
                Ok(Settled::Pending)
            }
        }
    }

    // A contact with several match fields is one contact, whichever of them a row has.
    fn as_known(&self, run: i64, channel: &str, contact: Contact) -> Result<Contact> {
        let mut find = self.db.prepare_cached(
            "SELECT key FROM items WHERE run = ?1 AND key = ?2 AND state <> 'merged'
             UNION ALL SELECT key FROM new_aliases WHERE run = ?1 AND value = ?2
             UNION ALL SELECT key FROM known WHERE channel = ?3 AND key = ?2
             UNION ALL SELECT key FROM aliases WHERE channel = ?3 AND value = ?2 LIMIT 1",
        )?;
        let values: Vec<String> = contact.matches().iter().map(|field| Key::of(field).to_string()).collect();
        let mut known = None;
        for (nth, value) in values.iter().enumerate() {
            let found: Option<String> = find.query_row(params![run, value, channel], |row| row.get(0)).optional()?;
            let Some(key) = found.as_deref().and_then(Key::parse_match) else { continue };
            // Whoever has another value in a field that is tried before is somebody else, who shares this one.
            if !contact.matches()[..nth].iter().any(|field| key.is_another(field)) {
                known = Some(key);
                break;
            }
        }
        let contact = match known {
            Some(key) => contact.known_as(key),
            None => contact,
        };
        if values.len() > 1 {
            let key = contact.key().to_string();
            let mut note = self.db.prepare_cached(
                "INSERT OR REPLACE INTO new_aliases (run, value, key) SELECT ?1, ?2, ?3 WHERE ?2 <> ?3",
            )?;
            for value in &values {
                note.execute(params![run, value, key])?;
            }
        }
        Ok(contact)
    }

    // A contact without a key of its own is one more of the rows with its content.
    fn among_equals(&self, run: i64, contact: &Contact) -> Result<Contact> {
        let digest = match contact.key() {
            Key::Row { digest, .. } => digest,
            Key::Match { .. } | Key::Id(_) => return Ok(contact.clone()),
        };
        let mut newest = self.db.prepare_cached(
            "SELECT key FROM items WHERE run = ?1 AND key > ?2 AND key < ?3 AND state <> 'merged' ORDER BY key DESC LIMIT 1",
        )?;
        // The key ends in a point and eight digits, and the sign after the point is the slash.
        let last: Option<String> = newest
            .query_row(params![run, format!("#{digest}."), format!("#{digest}/")], |row| row.get(0))
            .optional()?;
        let nth = last.and_then(|key| key.rsplit('.').next().and_then(|nth| nth.parse::<u32>().ok())).unwrap_or(0);
        Ok(contact.clone().as_nth(nth + 1))
    }

    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    fn insert_item(
        &self,
        run: i64,
        row: u64,
        line: u64,
        key: Option<&str>,
        state: &str,
        reason: Option<&str>,
        contact: Option<&str>,
    ) -> Result<()> {
        let mut insert = self.db.prepare_cached(
            "INSERT INTO items (run, row, line, key, state, reason, contact) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        insert.execute(params![run, integer(row), integer(line), key, state, reason, contact])?;
        Ok(())
    }

    pub(super) fn finish_plan(&self, run: i64, channel: &str) -> Result<()> {
        self.db.execute("UPDATE runs SET state = 'planned' WHERE id = ?1", [run])?;
        if self.dry {
            return Ok(());
        }
        self.db.execute(
            "INSERT OR REPLACE INTO aliases (channel, value, key) SELECT ?2, value, key FROM new_aliases WHERE run = ?1",
            params![run, channel],
        )?;
        self.db.execute("DELETE FROM new_aliases WHERE run = ?1", [run])?;
        let left = "channel = ?1 AND id < ?2 AND state IN ('planned', 'sending', 'stopped', 'failed')";
        self.db.execute(
            &format!(
                "UPDATE items SET contact = NULL WHERE state = 'pending' AND run IN (SELECT id FROM runs WHERE {left})"
            ),
            params![channel, run],
        )?;
        self.db.execute(&format!("UPDATE runs SET state = 'replaced' WHERE {left}"), params![channel, run])?;
        // The bulk of a nightly run's rows. Their counts stay in the run's summary.
        let done = "channel = ?1 AND id < ?2 AND summary IS NOT NULL AND NOT pruned";
        self.db.execute(
            &format!(
                "DELETE FROM items WHERE state IN ('unchanged', 'merged') AND run IN (SELECT id FROM runs WHERE {done})"
            ),
            params![channel, run],
        )?;
        self.db.execute(&format!("UPDATE runs SET pruned = 1 WHERE {done}"), params![channel, run])?;
        Ok(())
    }

    pub(super) fn forecast(&self, run: i64, channel: &str, policy: Policy) -> Result<Forecast> {
        let mut sum = Forecast::default();
        let mut after = 0;
        loop {
            let page = self.pending_contacts(run, after, FORECAST_PAGE)?;
            let Some(last) = page.last() else { return Ok(sum) };
            after = last.0;
            for (_, _, contact) in page {
                let standing = self.standing(channel, &contact.key().to_string())?;
                let task = Task::new(contact, standing, policy, &[], Timestamp::default());
                sum += forecast(&task, policy.mode);
            }
        }
    }

    pub(super) fn resumable(&self, channel: &str) -> Result<Option<RunRow>> {
        let rows = self.select_runs(
            "WHERE runs.channel = ?1 AND state IN ('planned', 'sending', 'stopped', 'failed') ORDER BY id DESC LIMIT 1",
            params![channel],
        )?;
        Ok(rows.into_iter().next())
    }

    pub(super) fn runs(&self, limit: u32) -> Result<Vec<RunRow>> {
        self.select_runs("WHERE state <> 'planning' ORDER BY id DESC LIMIT ?1", params![limit])
    }

    fn select_runs(&self, which: &str, params: &[&dyn rusqlite::ToSql]) -> Result<Vec<RunRow>> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT id, channel, url, kind, rate, input, policy, state, reason, started_at, ended_at, worked_ms, summary FROM runs {which}"
        ))?;
        let mut rows = query.query(params)?;
        let mut runs = Vec::new();
        while let Some(row) = rows.next()? {
            runs.push(run_row(row)?);
        }
        Ok(runs)
    }

    pub(super) fn counts(&self, run: i64) -> Result<Counts> {
        let mut counts = Counts::default();
        let mut query = self.db.prepare_cached("SELECT state, count(*) FROM items WHERE run = ?1 GROUP BY state")?;
        let mut rows = query.query([run])?;
        while let Some(row) = rows.next()? {
            let (state, number): (String, i64) = (row.get(0)?, row.get(1)?);
            let number = natural(number);
            counts.rows += number;
            match state.as_str() {
                "created" => counts.created = number,
                "updated" => counts.updated = number,
                "unchanged" => counts.unchanged = number,
                "rejected" => counts.rejected = number,
                "merged" => counts.merged = number,
                "pending" => counts.pending = number,
                _ => return Err(JournalError::damaged("a row's state")(serde::de::Error::custom("unknown state"))),
            }
        }
        let mut query =
            self.db.prepare_cached("SELECT kind, result, count(*) FROM calls WHERE run = ?1 GROUP BY kind, result")?;
        let mut rows = query.query([run])?;
        while let Some(row) = rows.next()? {
            let (kind, result, number): (String, Option<String>, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let number = natural(number);
            *counts.calls.entry(call_kind(&kind)?).or_default() += number;
            match result.as_deref() {
                Some("throttled") => {
                    counts.throttled += number;
                    counts.retries += number;
                }
                Some("lost" | "unsent" | "queued") => counts.retries += number,
                Some(_) | None => {}
            }
        }
        let mut query = self.db.prepare_cached("SELECT worked_ms FROM runs WHERE id = ?1")?;
        counts.worked_ms = natural(query.query_row([run], |row| row.get(0))?);
        Ok(counts)
    }

    pub(super) fn follow_clock(&self, channel: &str, setting: &Setting, now: Timestamp) -> Result<()> {
        let mut query = self.db.prepare_cached("SELECT boot, zero FROM clocks WHERE channel = ?1")?;
        let noted = query.query_row([channel], |row| {
            Ok(Setting { boot: row.get(0)?, zero: Timestamp::from_millis(natural(row.get(1)?)) })
        });
        let ahead = noted.optional()?.map_or(Duration::ZERO, |noted| setting.ahead_of(&noted));
        if !ahead.is_zero() {
            let by = millis(Timestamp::default() + ahead);
            self.db.execute(
                "UPDATE calls SET started_at = started_at + ?3, ended_at = ended_at + ?3
                 WHERE started_at > ?2 AND channel = ?1",
                params![channel, millis(now.before(ahead + ASKED_FOR)), by],
            )?;
            self.db.execute(
                "UPDATE known SET contact = json_set(contact, '$.made_at', contact ->> '$.made_at' + ?2)
                 WHERE channel = ?1 AND contact ->> '$.made_at' IS NOT NULL",
                params![channel, by],
            )?;
        }
        self.db.execute(
            "INSERT OR REPLACE INTO clocks (channel, boot, zero) VALUES (?1, ?2, ?3)",
            params![channel, setting.boot, millis(setting.zero)],
        )?;
        Ok(())
    }

    pub(super) fn begin_sending(&self, run: i64, channel: &str, call_timeout: Duration, now: Timestamp) -> Result<()> {
        self.db
            .execute("INSERT OR IGNORE INTO channels (name, url) SELECT channel, url FROM runs WHERE id = ?1", [run])?;
        let killed = Attempt::Lost { status: None, cause: "the process was killed before the answer".into() };
        self.db.execute(
            "UPDATE calls SET ended_at = min(:latest, started_at + :timeout), result = :result, attempt = :attempt
             WHERE channel = :channel AND ended_at IS NULL",
            named_params! {
                ":latest": millis(now + LINGER),
                ":timeout": millis(Timestamp::default() + call_timeout),
                ":result": killed.name(),
                ":attempt": json(&killed),
                ":channel": channel,
            },
        )?;
        // What an earlier stop summed up is over: if this process is killed, the rows themselves say how far it came.
        self.db.execute(
            "UPDATE runs SET state = 'sending', reason = NULL, ended_at = NULL, summary = NULL WHERE id = ?1",
            [run],
        )?;
        Ok(())
    }

    pub(super) fn ended_since(&self, channel: &str, since: Timestamp) -> Result<Vec<Timestamp>> {
        // A call that ended since then began at most a while before: the index is on the beginning.
        let began = since.before(Duration::from_mins(10));
        let mut query = self
            .db
            .prepare_cached("SELECT ended_at FROM calls WHERE started_at > ?1 AND channel = ?2 AND ended_at > ?3")?;
        let ends = query.query_map(params![millis(began), channel, millis(since)], |row| row.get::<_, i64>(0))?;
        ends.map(|end| Ok(Timestamp::from_millis(natural(end?)))).collect()
    }

    pub(super) fn unsettled(&self, run: i64, channel: &str) -> Result<Vec<Carried>> {
        let mut query = self.db.prepare_cached(
            "SELECT known.unsettled, items.row, items.line, items.contact
             FROM known LEFT JOIN items ON items.run = ?1 AND items.key = known.key AND items.state = 'pending'
             WHERE known.channel = ?2 AND known.unsettled IS NOT NULL ORDER BY items.row",
        )?;
        let mut rows = query.query(params![run, channel])?;
        let mut carried = Vec::new();
        while let Some(row) = rows.next()? {
            let (sent, place, line, wanted): (String, Option<i64>, Option<i64>, Option<String>) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            carried.push(match (place, line, wanted) {
                (Some(row), Some(line), Some(contact)) => {
                    let contact = parse("a contact", &contact)?;
                    Carried::Item(Box::new(self.item(run, channel, natural(row), natural(line), contact)?))
                }
                _ => Carried::Orphan(parse("a contact", &sent)?),
            });
        }
        Ok(carried)
    }

    pub(super) fn pending(&self, run: i64, channel: &str, row: u64, limit: u32) -> Result<Vec<Item>> {
        let page = self.pending_contacts(run, row, limit)?;
        page.into_iter().map(|(row, line, contact)| self.item(run, channel, row, line, contact)).collect()
    }

    fn pending_contacts(&self, run: i64, row: u64, limit: u32) -> Result<Vec<(u64, u64, Contact)>> {
        let mut query = self.db.prepare_cached(
            "SELECT row, line, contact FROM items WHERE run = ?1 AND state = 'pending' AND row > ?2 ORDER BY row LIMIT ?3",
        )?;
        let mut rows = query.query(params![run, integer(row), limit])?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            let contact: String = row.get(2)?;
            page.push((natural(row.get(0)?), natural(row.get(1)?), parse("a contact", &contact)?));
        }
        Ok(page)
    }

    fn item(&self, run: i64, channel: &str, row: u64, line: u64, contact: Contact) -> Result<Item> {
        let key = contact.key().to_string();
        let standing = self.standing(channel, &key)?;
        let mut query = self.db.prepare_cached(
            "SELECT kind, attempt, ended_at FROM calls
             WHERE run = ?1 AND key = ?2 AND ended_at IS NOT NULL ORDER BY number",
        )?;
        let mut rows = query.query(params![run, key])?;
        let mut past = Vec::new();
        while let Some(row) = rows.next()? {
            let (kind, attempt, ended): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            past.push(PastCall {
                kind: call_kind(&kind)?,
                attempt: parse("an attempt", &attempt)?,
                ended: Timestamp::from_millis(natural(ended)),
            });
        }
        Ok(Item { row, line, contact, standing, past })
    }

    fn standing(&self, channel: &str, key: &str) -> Result<Standing> {
        let mut query =
            self.db.prepare_cached("SELECT contact, unsettled FROM known WHERE channel = ?1 AND key = ?2")?;
        let known: Option<(Option<String>, Option<String>)> =
            query.query_row([channel, key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(match known {
            None | Some((None, None)) => Standing::Unknown,
            Some((_, Some(sent))) => Standing::unsettled(&parse("a contact", &sent)?),
            Some((Some(contact), None)) => Standing::Known(parse("a known contact", &contact)?),
        })
    }

    pub(super) fn start(&self, run: i64, kind: CallKind, implied: &Implied, now: Timestamp) -> Result<i64> {
        let mut insert = self
            .db
            .prepare_cached("INSERT INTO calls (run, channel, key, kind, started_at) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        let key = implied.contact.key().to_string();
        insert.execute(params![run, implied.channel, key, kind.name(), millis(now)])?;
        let number = self.db.last_insert_rowid();
        self.imply(implied)?;
        Ok(number)
    }

    pub(super) fn answered(&self, ended: &Ended, implied: &Implied) -> Result<()> {
        let mut update =
            self.db.prepare_cached("UPDATE calls SET ended_at = ?2, result = ?3, attempt = ?4 WHERE number = ?1")?;
        update.execute(params![ended.number, millis(ended.at), ended.attempt.name(), json(&ended.attempt)])?;
        self.imply(implied)
    }

    pub(super) fn imply(&self, implied: &Implied) -> Result<()> {
        let (channel, key) = (&implied.channel, implied.contact.key().to_string());
        match &implied.standing {
            None => {}
            Some(Standing::Unknown) => {
                let mut forget = self.db.prepare_cached("DELETE FROM known WHERE channel = ?1 AND key = ?2")?;
                forget.execute(params![channel, key])?;
            }
            Some(Standing::Unsettled { .. }) => {
                let mut mark = self.db.prepare_cached(
                    "INSERT INTO known (channel, key, unsettled) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET contact = NULL, unsettled = excluded.unsettled",
                )?;
                mark.execute(params![channel, key, json(&implied.contact)])?;
            }
            Some(Standing::Known(known)) => {
                let mut learn = self.db.prepare_cached(
                    "INSERT INTO known (channel, key, contact) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET contact = excluded.contact, unsettled = NULL",
                )?;
                learn.execute(params![channel, key, json(known)])?;
            }
        }
        if let Some((run, row, outcome)) = &implied.outcome {
            let (state, reason) = outcome_columns(outcome);
            let mut end = self.db.prepare_cached(
                "UPDATE items SET state = ?3, reason = ?4, contact = NULL WHERE run = ?1 AND row = ?2",
            )?;
            end.execute(params![run, integer(*row), state, reason])?;
        }
        Ok(())
    }

    pub(super) fn end(
        &self,
        run: i64,
        state: RunState,
        reason: Option<&str>,
        worked: Duration,
        now: Timestamp,
        summary: &str,
    ) -> Result<()> {
        self.db.execute(
            "UPDATE runs SET state = ?2, reason = ?3, worked_ms = worked_ms + ?4, ended_at = ?5, summary = ?6 WHERE id = ?1",
            params![run, state.name(), reason, millis(Timestamp::default() + worked), millis(now), summary],
        )?;
        Ok(())
    }
}

// SQLite gives its other files the rights of the first, so that one is made before SQLite sees it.
fn make_private(path: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|source| JournalError::open(path, source))
}

// For a file that holds nothing. A run takes its lock once the journal's tables are there, and leaves the lock's file
// beside it.
fn refuse_emptied(path: &Path) -> Result<()> {
    let had_a_run = names_beside(path).iter().any(|name| name.ends_with(LOCK_ENDING));
    if had_a_run { Err(JournalError::Emptied { path: path.to_owned() }) } else { Ok(()) }
}

// Whether a file that is no database was a journal once: a run leaves its lock, or SQLite its log, beside it.
fn was_ours(path: &Path) -> bool {
    !names_beside(path).is_empty()
}

// The names of the files that belong to a journal.
fn names_beside(path: &Path) -> Vec<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = path.file_name() else { return Vec::new() };
    let beside = format!("{}-", name.to_string_lossy());
    let names = folder.read_dir().into_iter().flatten().flatten();
    let names = names.map(|file| file.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(&beside)).collect()
}

fn run_row(row: &Row<'_>) -> Result<RunRow> {
    let (policy, state): (String, String) = (row.get("policy")?, row.get("state")?);
    let unreadable = || JournalError::damaged("a run's state")(serde::de::Error::custom("unknown state"));
    Ok(RunRow {
        id: row.get("id")?,
        channel: row.get("channel")?,
        url: row.get("url")?,
        kind: row.get("kind")?,
        rate: row.get("rate")?,
        input: row.get("input")?,
        policy: parse("a run's policy", &policy)?,
        state: RunState::from_name(&state).ok_or_else(unreadable)?,
        reason: row.get("reason")?,
        started_at: Timestamp::from_millis(natural(row.get("started_at")?)),
        ended_at: row.get::<_, Option<i64>>("ended_at")?.map(|at| Timestamp::from_millis(natural(at))),
        worked_ms: natural(row.get("worked_ms")?),
        summary: row.get("summary")?,
    })
}

fn outcome_columns(outcome: &Outcome) -> (&'static str, Option<&str>) {
    match outcome {
        Outcome::Created => ("created", None),
        Outcome::Updated => ("updated", None),
        Outcome::Unchanged => ("unchanged", None),
        Outcome::Rejected(reason) => ("rejected", Some(reason)),
    }
}

fn call_kind(name: &str) -> Result<CallKind> {
    CallKind::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| JournalError::damaged("a call's kind")(serde::de::Error::custom("unknown kind")))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the core's types have text keys, which JSON can always hold")
}

fn parse<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(JournalError::damaged(what))
}

// SQLite's integers are signed. No count or moment of ours comes near their end.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn millis(moment: Timestamp) -> i64 {
    integer(moment.as_millis())
}
