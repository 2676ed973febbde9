//! Maintenance of a journal: checking its invariants, removing what is old, and copying it.

use std::path::Path;
use std::time::Duration;

use super::store::{Store, tidy};
use super::{Journal, JournalError};
use crate::core::time::Timestamp;

/// Shortest time for which calls are kept. A call counts in its window for a minute, and a wait that the platform asked for lasts
/// up to a day (API.md, "Limits").
pub(super) const SHORTEST_HISTORY: Duration = Duration::from_hours(48);

/// Before which times calls and rows are removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cutoff {
    pub(super) calls: Timestamp,
    pub(super) rows: Timestamp,
}

/// Up to which call and which run the history was removed: each step continues after them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RemovalCursor {
    pub(super) call: i64,
    pub(super) run: i64,
}

/// What was removed from a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removed {
    /// Calls with their results.
    pub calls: u64,
    /// Rows of runs that are over.
    pub rows: u64,
    /// Runs without rows and calls.
    pub runs: u64,
    /// Contacts of which nothing was known, and that no row had.
    pub contacts: u64,
    /// The size of the journal before, in bytes.
    pub bytes_before: u64,
    /// Its size afterwards.
    pub bytes_after: u64,
}

impl Journal {
    /// Checks the journal at `path`: SQLite's own check of the file, every checksum, and the invariants of its content, such as
    /// that the rows of a run are the sum of their outcomes, and that no contact id belongs to two keys of a channel. Returns
    /// what is wrong, in words; empty when nothing is. It reads the whole journal and writes nothing.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn check_invariants(path: &Path) -> Result<Vec<String>, JournalError> {
        let found = Store::open_to_read(path)?.check_invariants();
        tidy(path);
        found
    }

    /// Copies the journal at `path`, with what its log holds, to the new file `copy`, which gets mode 0600. Runs may use the
    /// journal meanwhile.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read, or `copy` exists or cannot be written.
    pub fn backup(path: &Path, copy: &Path) -> Result<(), JournalError> {
        let copied = Store::open_to_read(path)?.copy_to_new(copy);
        tidy(path);
        copied
    }

    /// Removes what is older than `keep`: calls by their start, and rows of runs by the run's end. Calls are kept for
    /// two days at least. What a later run needs stays: known contacts, runs that can be resumed with their calls,
    /// the newest run of each channel, and the last call of each channel. Then the file shrinks. It works in steps, so that other
    /// requests wait for a part of it only.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn remove_history(&self, now: Timestamp, keep: Duration) -> Result<Removed, JournalError> {
        let before = Cutoff { calls: now.before(keep.max(SHORTEST_HISTORY)), rows: now.before(keep) };
        let mut removed = Removed { bytes_before: self.ask_blocking(Store::size)?, ..Removed::default() };
        let (mut cursor, mut has_more) = (RemovalCursor::default(), true);
        while has_more {
            (has_more, cursor, removed) = self.ask_blocking(move |store| {
                let has_more = store.remove_history(before, &mut cursor, &mut removed)?;
                Ok((has_more, cursor, removed))
            })?;
        }
        self.shrink(removed)
    }

    /// As [`remove_history`](Self::remove_history), and removes contacts of which nothing is known and that no row has: those of
    /// runs that never reached them.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn prune(&self, now: Timestamp, keep: Duration) -> Result<Removed, JournalError> {
        let removed = self.remove_history(now, keep)?;
        let removed = self.ask_blocking(move |store| {
            let mut removed = removed;
            store.remove_unused_contacts(&mut removed)?;
            Ok(removed)
        })?;
        self.shrink(removed)
    }

    fn shrink(&self, removed: Removed) -> Result<Removed, JournalError> {
        while self.ask_blocking(Store::give_back_pages)? {}
        Ok(Removed { bytes_after: self.ask_blocking(Store::size)?, ..removed })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rusqlite::Connection;

    use super::*;
    use crate::core::attempt::Attempt;
    use crate::core::call::Call;
    use crate::core::diff::TagsMode;
    use crate::core::doubt::Doubt;
    use crate::core::model::ContactId;
    use crate::core::model::{Contact, Draft, Field, Known, Mode, RemoteState};
    use crate::core::planner::Planner;
    use crate::core::record::Cells;
    use crate::core::snapshot::{Entry, NextSnapshot, SnapshotKey};
    use crate::core::task::{Outcome, Policy};
    use crate::core::window_id::WindowId;
    use crate::journal::{Ended, NewPlan, NewRun, NewSnapshot, Planned, RunState, SendJournal, StateUpdate};

    const DAY: Duration = Duration::from_hours(24);
    const FIRST: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn of_phone(phone: u64) -> Contact {
        let matches = vec![Field::text("phone", phone.to_string())];
        Contact::new(Draft { matches, ..Draft::default() }).unwrap()
    }

    fn new_run(channel: &str, now: Timestamp) -> NewRun {
        let policy = Policy {
            mode: Mode::Upsert,
            tags_mode: TagsMode::Add,
            search_lag: Duration::ZERO,
            retry_in_doubt: false,
            search_first: false,
        };
        NewRun {
            channel: channel.into(),
            url: "u".into(),
            kind: "k".into(),
            rate: 100,
            input: "in".into(),
            policy,
            now,
        }
    }

    /// Plans a run of these phones at `now` and creates all of them but the last, which is in doubt.
    async fn night(journal: &Journal, channel: &str, phones: std::ops::Range<u64>, now: Timestamp) -> i64 {
        let new = new_run(channel, now);
        let planner = Planner { match_fields: vec!["phone".into()], ..Planner::default() };
        let last = phones.end - 1;
        let rows: Vec<_> = phones.clone().zip(1..).collect();
        let of_row = |&(phone, row): &(u64, u64)| {
            (0, Planned::Contact { row, line: row, contact: of_phone(phone), cells: None })
        };
        let blocking = || {
            let plan = journal.begin_plan(NewPlan { runs: vec![new], planner, lists_rows: false }).unwrap();
            journal.plan_rows(&plan, rows.iter().map(of_row).collect()).unwrap();
            journal.finish_plan(&plan, None, Vec::new()).unwrap();
            plan.runs[0].run
        };
        let run = tokio::task::block_in_place(blocking);
        let window = WindowId::of(channel, b"");
        journal.begin_sending(run, channel, &window, Duration::from_secs(30), now, None).await.unwrap();
        for &(phone, row) in &rows {
            let contact = of_phone(phone);
            let update = |remote_state, outcome| StateUpdate {
                channel: channel.into(),
                contact: contact.clone(),
                remote_state: Some(remote_state),
                names_id: None,
                outcome,
                first_written: Vec::new(),
                mark: None,
                at: now,
            };
            let call = Call::Create { fields: contact.fields().to_vec() };
            let in_doubt = RemoteState::InDoubt(Doubt::of_create(&contact, None));
            let number = journal.start(run, &call, update(in_doubt, None), now).await.unwrap().number();
            if phone < last {
                let id = ContactId::new(format!("{channel}{phone}")).unwrap();
                let known = RemoteState::Known(Known::only_id(id.clone()));
                let outcome = Some((run, row, Outcome::Created));
                let ended = Ended { number, attempt: Attempt::Created(id), at: now };
                let _ = journal.answered(ended, update(known, outcome)).await.unwrap();
            }
        }
        run
    }

    async fn end(journal: &Journal, run: i64, state: RunState, now: Timestamp) {
        journal.end(run, state, None, Duration::ZERO, now, "{}".into()).await.unwrap();
    }

    fn count(path: &Path, query: &str) -> i64 {
        Connection::open(path).unwrap().query_row(query, [], |row| row.get(0)).unwrap()
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        (folder, path)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn calls_that_may_still_count_are_kept_whatever_is_asked() {
        let (_folder, path) = folder();
        let journal = Journal::open(&path).unwrap();
        for channel in ["a", "a"] {
            let run = night(&journal, channel, 0..20, FIRST).await;
            end(&journal, run, RunState::Stopped, FIRST).await;
        }
        let removed = |after: u64| {
            let now = FIRST + Duration::from_hours(after);
            tokio::task::block_in_place(|| journal.remove_history(now, Duration::ZERO)).unwrap().calls
        };
        assert_eq!((removed(0), removed(47)), (0, 0));
        assert!(removed(49) > 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_later_runs_need_is_not_removed_and_the_file_shrinks() {
        let (_folder, path) = folder();
        let journal = Journal::open(&path).unwrap();
        // Two nights that a later one replaced, the run of another channel, and one that can be resumed.
        for (channel, phones, day) in [("a", 0..601, 0), ("b", 0..5, 0), ("a", 600..1_201, 1), ("a", 1_200..1_210, 2)] {
            let now = FIRST + day * DAY;
            let run = night(&journal, channel, phones, now).await;
            end(&journal, run, RunState::Stopped, now).await;
        }
        let before = FIRST + Duration::from_hours(36);
        let removed = tokio::task::block_in_place(|| journal.remove_history(before + 90 * DAY, 90 * DAY)).unwrap();
        assert_eq!((removed.calls, removed.rows, removed.runs), (2 * 601, 2 * 600, 2), "{removed:?}");
        assert!(removed.bytes_after < removed.bytes_before, "{removed:?}");
        assert_eq!(count(&path, "SELECT count(*) FROM states"), 600 + 600 + 9 + 4);
        assert_eq!(count(&path, "SELECT count(*) FROM items"), 9 + 4);
        assert_eq!(count(&path, "SELECT count(*) FROM calls WHERE run = 4"), 10);
        assert_eq!(count(&path, "SELECT count(*) FROM calls WHERE run = 2"), 5);
        assert_eq!(Journal::check_invariants(&path).unwrap(), Vec::<String>::new());
        // A second time, nothing is left to remove.
        let again = tokio::task::block_in_place(|| journal.remove_history(before + 90 * DAY, 90 * DAY)).unwrap();
        assert_eq!((again.calls, again.rows, again.bytes_after), (0, 0, removed.bytes_after));
        drop(journal);
        assert!(std::fs::metadata(&path).unwrap().len() <= removed.bytes_after + 4_096 * 8);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_copy_has_what_the_log_holds_and_replaces_nothing() {
        let (folder, path) = folder();
        let journal = Journal::open(&path).unwrap();
        night(&journal, "a", 0..10, FIRST).await;
        let copy = folder.path().join("copy.db");
        Journal::backup(&path, &copy).unwrap();
        assert_eq!(count(&copy, "SELECT count(*) FROM states"), 9);
        assert_eq!(Journal::check_invariants(&copy).unwrap(), Vec::<String>::new());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let before = std::fs::read(&copy).unwrap();
        night(&journal, "a", 0..12, FIRST).await;
        Journal::backup(&path, &copy).unwrap_err();
        assert_eq!(std::fs::read(&copy).unwrap(), before);
        Journal::backup(&folder.path().join("missing.db"), &folder.path().join("other.db")).unwrap_err();
    }

    #[test]
    fn an_interrupted_plan_breaks_no_invariant() {
        let (_folder, path) = folder();
        let plan = |journal: &Journal| {
            let planner = Planner { match_fields: vec!["phone".into()], ..Planner::default() };
            let plan = NewPlan { runs: vec![new_run("a", FIRST)], planner, lists_rows: false };
            let plan = journal.begin_plan(plan).unwrap();
            let contact = Planned::Contact { row: 1, line: 2, contact: of_phone(1), cells: None };
            journal.plan_rows(&plan, vec![(0, contact)]).unwrap();
            plan
        };
        plan(&Journal::open(&path).unwrap());
        assert_eq!(count(&path, "SELECT count(*) FROM pending"), 1);
        assert_eq!(count(&path, "SELECT count(*) FROM contacts"), 0);
        assert_eq!(Journal::check_invariants(&path).unwrap(), Vec::<String>::new());
        let journal = Journal::open(&path).unwrap();
        journal.finish_plan(&plan(&journal), None, Vec::new()).unwrap();
        drop(journal);
        assert_eq!(count(&path, "SELECT count(*) FROM pending"), 1);
        assert_eq!(Journal::check_invariants(&path).unwrap(), Vec::<String>::new());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_broken_invariant_is_found() {
        let (folder, path) = folder();
        let journal = Journal::open(&path).unwrap();
        let run = night(&journal, "a", 0..5, FIRST).await;
        end(&journal, run, RunState::Stopped, FIRST).await;
        drop(journal);
        assert_eq!(Journal::check_invariants(&path).unwrap(), Vec::<String>::new());
        let broken = folder.path().join("broken.db");
        for (sql, expected) in [
            ("UPDATE runs SET rows = rows + 1", "run 1: its rows are not the sum of their outcomes"),
            ("DELETE FROM items WHERE row = 1", "run 1: its rows are not the sum of their outcomes"),
            ("UPDATE runs SET kept = 1", "run 1: it has fewer unchanged rows than were recognised"),
            (
                "INSERT INTO merging (run, row, contact, content) VALUES (1, 1, 1, x'00')",
                "run 1: temporary rows of its plan were not removed",
            ),
            (
                "INSERT INTO new_aliases (run, field, value, contact) VALUES (1, 1, 'a', 1)",
                "run 1: temporary rows of its plan were not removed",
            ),
            ("INSERT INTO contact_blocks VALUES (1, 9, 1)", "run 1: a finished plan still reserves contact numbers"),
            ("UPDATE contacts SET field = 99 WHERE number = 2", "contact 2: the field of its key has no name"),
            (
                "INSERT INTO aliases (channel, field, value, contact) VALUES (1, 99, 'a', 2)",
                "contact 2: the field of an alias has no name",
            ),
            (
                "INSERT INTO aliases (channel, field, value, contact) VALUES (2, 0, 'a', 2)",
                "contact 2: an alias of another channel leads to it",
            ),
            (
                "INSERT INTO aliases (channel, field, value, contact) VALUES (1, 0, 'a', 77)",
                "contact 77: an alias of another channel leads to it",
            ),
            ("UPDATE calls SET asked = 99 << 32 WHERE number = 2", "call 2: the field that it asked for has no name"),
            ("DELETE FROM names", "contact 1: the field of its key has no name"),
            ("UPDATE runs SET state = 'finished'", "run 1, row 5: it is pending in a run that is over"),
            (
                "INSERT INTO items (run, row, line, contact, state) SELECT run, row, line, contact, 1 FROM pending;
                 UPDATE runs SET rows = rows + 1",
                "run 1, row 5: it is pending and has ended",
            ),
            ("INSERT INTO items (run, row, line, state) VALUES (9, 1, 1, 1)", "run 9, row 1: it belongs to no run"),
            (
                "INSERT INTO runs (id, sync, channel, url, kind, rate, input, policy, state, started_at)
                 SELECT 2, 2, channel, url, kind, rate, input, policy, state, started_at FROM runs",
                "run 1: a newer run of its channel did not replace it",
            ),
            ("UPDATE states SET id = 'a0' WHERE id = 'a1'", "contact id a0: two keys of a channel have it"),
            ("INSERT INTO doubts SELECT contact, content FROM states LIMIT 1", "contact 1: it is known and in doubt"),
            ("DELETE FROM contacts WHERE number = 2", "contact 2: it has no key"),
            ("DELETE FROM contacts WHERE number = 5", "contact 5: it has no key"),
            ("DELETE FROM channels", "contact 1: it belongs to no channel"),
            ("UPDATE next_contact SET number = 3", "the next contact number is too low"),
            ("DELETE FROM windows", "call 1: it belongs to no channel or window"),
            ("UPDATE calls SET result = NULL WHERE number = 2", "call 2: its result is incomplete"),
            ("UPDATE calls SET result = 9 WHERE number = 2", "call 2: journal: damaged"),
            ("DELETE FROM run_windows", "call 1: its run does not have its window"),
            ("UPDATE run_windows SET first = 2", "call 1: its run does not have its window"),
            ("UPDATE states SET id = '7' WHERE contact = 3", "contact 3: its id is not stored as an integer"),
            ("UPDATE states SET id = id || 'x' WHERE contact = 3", "contact 3, known: journal: damaged"),
            ("UPDATE states SET content = x'00' WHERE contact = 3", "contact 3, known: journal: damaged"),
            ("UPDATE pending SET content = 'a'", "contact 5, pending: journal: the file is damaged"),
            ("UPDATE doubts SET content = substr(content, 2)", "contact 5, in doubt: journal: damaged"),
            ("UPDATE names SET name = 'p'", "contact 5, pending: journal: damaged"),
            (
                "INSERT INTO missing_contacts VALUES (9, 1, 1, 1)",
                "contact 1: it is listed as missing, but it or its source is unknown",
            ),
            ("INSERT INTO contact_marks VALUES (77, '{}', 1)", "contact 77: it has a mark but no key"),
            ("INSERT INTO pending_marks VALUES (1, 1)", "run 1: it still has marks to set, but it has ended"),
            (
                "INSERT INTO pending_marks VALUES (1, 1); INSERT INTO contact_marks VALUES (1, '{}', 2)",
                "contact 1: it is still to be marked, but was already marked",
            ),
        ] {
            std::fs::copy(&path, &broken).unwrap();
            Connection::open(&broken).unwrap().execute_batch(sql).unwrap();
            let problems = Journal::check_invariants(&broken).unwrap();
            assert!(problems.iter().any(|problem| problem.contains(expected)), "{sql}: {problems:?}");
        }
        // A flipped byte in an index, where SQLite's own check finds it.
        let mut bytes = std::fs::read(&path).unwrap();
        let index = bytes.windows(3).rposition(|window| window == b"a3\x04").unwrap_or(0);
        bytes[index + 1] = b'9';
        std::fs::write(&broken, bytes).unwrap();
        assert_ne!(Journal::check_invariants(&broken).unwrap(), Vec::<String>::new());
    }

    fn snapshot_of(rows: u64) -> NewSnapshot {
        let key = SnapshotKey::new([7; 16]);
        let mut next = NextSnapshot::default();
        for row in 0..rows {
            let place = next.add();
            let hash = Some(key.row(&Cells::Object(vec![("n".into(), row.into())])));
            let contact = Some(key.contact(of_phone(row).key()));
            next.settle(place, Entry { hash, contact, number: 1 });
        }
        NewSnapshot { source: "default".into(), basis: key.basis([("a", "b".into())]), base: None, next }
    }

    #[test]
    fn each_fault_of_a_snapshot_is_found() {
        let (folder, path) = folder();
        let journal = Journal::open(&path).unwrap();
        // Three chunks.
        let plan = journal.begin_plan(NewPlan {
            runs: vec![new_run("a", FIRST)],
            planner: Planner::default(),
            lists_rows: false,
        });
        journal.finish_plan(&plan.unwrap(), None, vec![(0, snapshot_of(20))]).unwrap();
        drop(journal);
        assert_eq!(Journal::check_invariants(&path).unwrap(), Vec::<String>::new());
        let broken = folder.path().join("broken.db");
        for (sql, expected) in [
            ("UPDATE snapshots SET rows = 19", "snapshot 1: its checksum is wrong"),
            ("UPDATE snapshots SET run = 2", "snapshot 1: its checksum is wrong"),
            ("UPDATE snapshots SET source = 'other'", "snapshot 1: its checksum is wrong"),
            ("UPDATE snapshots SET touched = 1", "snapshot 1: its checksum is wrong"),
            ("DELETE FROM snapshot_chunks WHERE number = 1", "snapshot 1: some of its rows are missing"),
            ("DELETE FROM snapshot_chunks WHERE number = 2", "snapshot 1: some of its rows are missing"),
            (
                "UPDATE snapshot_chunks SET hashes = x'00' || substr(hashes, 2) WHERE number = 1",
                "snapshot 1: the checksum of some of its rows is wrong",
            ),
            (
                "UPDATE snapshot_chunks SET contacts = x'' WHERE number = 0",
                "snapshot 1: the checksum of some of its rows is wrong",
            ),
            (
                "UPDATE snapshot_chunks SET contacts = (SELECT contacts FROM snapshot_chunks WHERE number = 2) WHERE number = 0",
                "snapshot 1: the numbers of row hashes and contacts differ",
            ),
            (
                "INSERT INTO snapshot_touched VALUES (1, x'00')",
                "snapshot 1: the checksum of a changed contact is wrong",
            ),
            (
                "INSERT INTO snapshot_touched VALUES (1, x'000000000000000069df2265')",
                "snapshot 1: some changed contacts are missing",
            ),
            (
                "UPDATE snapshot_chunks SET numbers = x'00' WHERE number = 0",
                "snapshot 1: the checksum of some of its rows is wrong",
            ),
            (
                "UPDATE snapshot_chunks SET numbers = (SELECT numbers FROM snapshot_chunks WHERE number = 2) WHERE number = 0",
                "snapshot 1: the numbers of row hashes and contacts differ",
            ),
            (
                "INSERT INTO snapshot_changes VALUES (1, 0, x'00')",
                "snapshot 1: the checksum of some of its rows is wrong",
            ),
            ("INSERT INTO snapshot_changes VALUES (1, 0, x'00000000')", "snapshot 1: some changed rows are missing"),
            ("INSERT INTO snapshot_changes VALUES (5, 0, x'00')", "snapshot 5: its rows belong to no source"),
            ("UPDATE snapshots SET id = 2", "snapshot 1: its rows belong to no source"),
            ("INSERT INTO snapshot_touched VALUES (5, x'00')", "snapshot 5: its rows belong to no source"),
        ] {
            std::fs::copy(&path, &broken).unwrap();
            Connection::open(&broken).unwrap().execute_batch(sql).unwrap();
            let problems = Journal::check_invariants(&broken).unwrap();
            assert!(problems.iter().any(|problem| problem == expected), "{sql}: {problems:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_journal_stops_growing_over_a_year_of_nights() {
        const CONTACTS: u64 = 2_000;
        let journal = Journal::in_memory().unwrap();
        let first = night(&journal, "a", 0..CONTACTS + 1, FIRST).await;
        end(&journal, first, RunState::Stopped, FIRST).await;
        let mut sizes = Vec::new();
        for day in 1..=365 {
            let now = FIRST + day * DAY;
            // Other contacts each night, and each of them again after a hundred nights.
            let begin = u64::from(day) * (CONTACTS / 100) % CONTACTS;
            let run = night(&journal, "a", begin..begin + CONTACTS / 100 + 1, now).await;
            end(&journal, run, RunState::Stopped, now).await;
            let removed = tokio::task::block_in_place(|| journal.remove_history(now, 90 * DAY));
            sizes.push(removed.unwrap().bytes_after);
        }
        let (after_quarter, at_end) = (sizes[119], sizes[364]);
        println!("{} bytes after a night, {after_quarter} after 120 nights, {at_end} after 365", sizes[0]);
        assert!(sizes[0] < at_end && at_end <= after_quarter + after_quarter / 50, "{sizes:?}");
    }
}
