//! The files that list rows while a run is sent.
//!
//! They are written from the journal when sending begins and when it ends, and rows are appended in between. So no
//! listed row is lost, and at the end the rows are in the input's order. Rows are appended on a thread that may block,
//! so that a slow disk does not delay the calls.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use crate::core::output_format::ListFiles;
use crate::journal::{Journal, JournalError, ListedRow, Rows};
use crate::sync::event::{Event, Observer};
use crate::sync::report::{ListError, ListFile, ListKind, Rejects, Results, RowResult};
use crate::sync::stop::{Stop, StopReason};

/// Number of rows that wait to be written before the run waits for the disk.
const QUEUED_ROWS: usize = 10_000;

/// The files that this process may write, before the input is planned.
#[derive(Debug, Default)]
pub struct ListClaims {
    rejects: Option<ListFile>,
    results: Option<ListFile>,
}

/// Why rows could not be listed. Their outcomes are in the journal.
#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    /// A file cannot be written.
    #[error(transparent)]
    List(#[from] ListError),
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The files that list the rows of an input. As an observer it appends the rows that end, and asks the run to stop when
/// a file can no longer be written.
#[derive(Debug)]
pub struct Listed {
    sync: i64,
    shared: Arc<SharedLists>,
}

/// What the observer shares with the thread that writes.
#[derive(Debug)]
struct SharedLists {
    queue: Mutex<RowQueue>,
    files: Mutex<Files>,
    stop: Stop,
    // Whether there are any.
    has_files: bool,
}

/// Rows that are not written yet.
#[derive(Debug, Default)]
struct RowQueue {
    rows: VecDeque<ListedRow>,
    // Whether a thread writes them, or is about to.
    has_writer: bool,
}

#[derive(Debug, Default)]
struct Files {
    rejects: Option<Rejects>,
    results: Option<Results>,
    failure: Option<ListError>,
    // Whether they list all rows as they ended, because none was pending.
    are_final: bool,
}

impl ListClaims {
    /// Checks that the files can be written, and locks them. `others` are the files that must not be overwritten, each
    /// with a description.
    ///
    /// # Errors
    /// A [`ListError`] for the first that cannot be written, or is one of the others.
    pub fn new(rejects: Option<&Path>, results: Option<&Path>, others: &[(&Path, &str)]) -> Result<Self, ListError> {
        let also = [others, &rejects.map(|path| (path, "the one for rejected rows")).into_iter().collect::<Vec<_>>()];
        Ok(Self {
            rejects: rejects.map(|path| ListFile::claim(path, ListKind::Rejects, others)).transpose()?,
            results: results.map(|path| ListFile::claim(path, ListKind::Results, &also.concat())).transpose()?,
        })
    }

    /// The files, for the journal.
    pub fn files(&self) -> ListFiles {
        let path = |file: &Option<ListFile>| file.as_ref().map(|file| file.path().to_owned());
        ListFiles { rejects: path(&self.rejects), results: path(&self.results) }
    }

    /// Writes the rows of `sync` that the journal has, and puts the files in their places. It blocks the thread. `stop`
    /// stops all runs of the process when a file can no longer be written.
    ///
    /// # Errors
    /// A [`ListingError`] when a file cannot be written or the journal fails.
    pub fn write(self, journal: &Journal, sync: i64, stop: &Stop) -> Result<Listed, ListingError> {
        let mut files = Files::default();
        if let Some((listing, _)) = journal.listing(sync)? {
            let several = journal.channels_of(sync)? > 1;
            files.rejects = self.rejects.map(|file| Rejects::new(file, listing.output_format));
            files.results = self.results.map(|file| Results::new(file, several));
        }
        let has_files = files.rejects.is_some() || files.results.is_some();
        let shared = SharedLists { queue: Mutex::default(), files: Mutex::new(files), stop: stop.clone(), has_files };
        let listed = Listed { sync, shared: Arc::new(shared) };
        listed.rewrite(journal, false)?;
        Ok(listed)
    }
}

impl Listed {
    /// Writes the complete files again, in the input's order. It blocks the thread.
    ///
    /// # Errors
    /// A [`ListingError`] when a file cannot be written or the journal fails.
    pub fn finish(&self, journal: &Journal) -> Result<(), ListingError> {
        self.rewrite(journal, true)
    }

    fn rewrite(&self, journal: &Journal, is_end: bool) -> Result<(), ListingError> {
        let mut files = locked(&self.shared.files);
        // The journal has these rows as well.
        locked(&self.shared.queue).rows.clear();
        if files.rejects.is_none() && files.results.is_none() {
            return Ok(());
        }
        if !is_end {
            journal.set_listed(self.sync, false)?;
        } else if files.are_final && !journal.has_calls(self.sync)? {
            // Nothing can have changed since.
            journal.set_listed(self.sync, true)?;
            return Ok(());
        }
        // One that cannot be written does not keep the other one from being completed.
        let rejects = self.rewrite_rejects(journal, files.rejects.take());
        let results = self.rewrite_results(journal, files.results.take(), is_end);
        let failed = match (rejects, results) {
            (Ok(rejects), Ok((results, has_pending))) => {
                files.are_final = results.is_some() && !has_pending;
                (files.rejects, files.results) = (rejects, results);
                None
            }
            (Ok(rejects), Err(error)) => {
                files.rejects = rejects;
                Some(error)
            }
            (Err(error), Ok((results, _))) => {
                files.results = results;
                Some(error)
            }
            (Err(error), Err(_)) => Some(error),
        };
        if let Some(error) = failed {
            return Err(error);
        }
        if is_end {
            journal.set_listed(self.sync, true)?;
        }
        Ok(())
    }

    fn rewrite_rejects(&self, journal: &Journal, file: Option<Rejects>) -> Result<Option<Rejects>, ListingError> {
        let Some(mut rejects) = file else { return Ok(None) };
        rejects.begin()?;
        let mut rejects = each(journal, self.sync, Rows::Rejected, rejects, reject)?;
        rejects.put_in_place()?;
        Ok(Some(rejects))
    }

    // Also returns whether rows are pending.
    fn rewrite_results(
        &self,
        journal: &Journal,
        file: Option<Results>,
        is_end: bool,
    ) -> Result<(Option<Results>, bool), ListingError> {
        let Some(mut results) = file else { return Ok((None, false)) };
        results.begin()?;
        // Before the end, pending rows are left out: they are appended when they end.
        let add = move |(results, has_pending): &mut (Results, bool), row: &ListedRow| {
            let is_pending = row.state == "pending";
            *has_pending |= is_pending;
            if is_end || !is_pending { result(results, row) } else { Ok(()) }
        };
        let (mut results, has_pending) = each(journal, self.sync, Rows::All, (results, false), add)?;
        results.put_in_place()?;
        Ok((Some(results), has_pending))
    }
}

impl Observer for Listed {
    fn observe(&self, event: &Event<'_>) {
        let Event::Done { listed: Some(row), .. } = event else { return };
        if !self.shared.has_files {
            return;
        }
        let (is_full, has_writer) = {
            let mut queue = locked(&self.shared.queue);
            queue.rows.push_back((*row).clone());
            let is_full = queue.rows.len() >= QUEUED_ROWS;
            (is_full, std::mem::replace(&mut queue.has_writer, true))
        };
        match Handle::try_current() {
            Ok(_) if has_writer && !is_full => {}
            Ok(runtime) if !is_full => {
                let shared = Arc::clone(&self.shared);
                drop(runtime.spawn_blocking(move || shared.write_queue()));
            }
            // The disk is much slower than the platform, or there is no runtime whose threads could write.
            Ok(_) | Err(_) => self.shared.write_queue(),
        }
    }
}

impl SharedLists {
    // Writes the queued rows until there are none.
    fn write_queue(&self) {
        let mut files = locked(&self.files);
        loop {
            let rows = {
                let mut queue = locked(&self.queue);
                queue.has_writer = !queue.rows.is_empty();
                std::mem::take(&mut queue.rows)
            };
            if rows.is_empty() {
                return;
            }
            if files.failure.is_none()
                && let Err(error) = files.append(&rows)
            {
                self.stop.ask(StopReason::Unlisted(error.to_string()));
                files.failure = Some(error);
            }
        }
    }
}

// A panic while the lock was held leaves whole rows in the queue and in the files' buffers.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Files {
    fn append(&mut self, rows: &VecDeque<ListedRow>) -> Result<(), ListError> {
        if let Some(rejects) = &mut self.rejects {
            rows.iter().filter(|row| row.state == "rejected").try_for_each(|row| reject(rejects, row))?;
            rejects.flush()?;
        }
        if let Some(results) = &mut self.results {
            rows.iter().try_for_each(|row| result(results, row))?;
            results.flush()?;
        }
        Ok(())
    }
}

// Adds the rows of an input to a file, and returns the file.
fn each<F: Send + 'static>(
    journal: &Journal,
    sync: i64,
    rows: Rows,
    file: F,
    add: impl Fn(&mut F, &ListedRow) -> Result<(), ListError> + Send + 'static,
) -> Result<F, ListingError> {
    let (file, failure) =
        journal.each_row(sync, rows, (file, None), move |(file, failure), row| match add(file, row) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                *failure = Some(error);
                ControlFlow::Break(())
            }
        })?;
    match failure {
        None => Ok(file),
        Some(error) => Err(error.into()),
    }
}

fn reject(rejects: &mut Rejects, row: &ListedRow) -> Result<(), ListError> {
    rejects.row(row.line, row.reason.as_deref().unwrap_or_default(), row.cells.as_ref())
}

fn result(results: &mut Results, row: &ListedRow) -> Result<(), ListError> {
    results.row(&RowResult {
        line: row.line,
        key: row.key.as_deref(),
        outcome: &row.state,
        contact_id: row.contact_id.as_deref(),
        calls: row.calls,
        reason: row.reason.as_deref(),
        channel: &row.channel,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::core::output_format::OutputFormat;
    use crate::core::task::Outcome;
    use crate::sync::report::{ListFile, ListKind, Results};

    fn row(n: u64) -> ListedRow {
        ListedRow {
            channel: "c".into(),
            row: n,
            line: n + 1,
            key: Some(format!("k{n}")),
            state: "created".into(),
            reason: None,
            contact_id: None,
            calls: 1,
            cells: None,
        }
    }

    fn end(listed: &Listed, n: u64) {
        listed.observe(&Event::Done { row: n, line: n + 1, outcome: &Outcome::Created, listed: Some(&row(n)) });
    }

    fn listed(folder: &Path, stop: &Stop) -> Listed {
        let file = ListFile::claim(&folder.join("results.csv"), ListKind::Results, &[]).unwrap();
        let mut results = Results::new(file, false);
        results.begin().unwrap();
        results.put_in_place().unwrap();
        let files = Files { results: Some(results), ..Files::default() };
        let shared =
            SharedLists { queue: Mutex::default(), files: Mutex::new(files), stop: stop.clone(), has_files: true };
        Listed { sync: 1, shared: Arc::new(shared) }
    }

    #[test]
    fn a_disk_that_hangs_does_not_delay_the_run_and_rows_stay_in_order() {
        const ROWS: u64 = 2_000;
        let (folder, stop) = (tempfile::tempdir().unwrap(), Stop::default());
        let listed = listed(folder.path(), &stop);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            // As long as the files are locked, nothing is written.
            let hanging = locked(&listed.shared.files);
            (1..=ROWS).for_each(|n| end(&listed, n));
            assert!(!locked(&listed.shared.queue).rows.is_empty());
            drop(hanging);
        });
        // The runtime waits for its threads.
        drop(runtime);
        let written = fs::read_to_string(folder.path().join("results.csv")).unwrap();
        let lines: Vec<u64> =
            written.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
        assert_eq!(lines, (2..=ROWS + 1).collect::<Vec<_>>());
        assert_eq!(stop.reason(), None);
    }

    #[test]
    fn the_queue_is_bounded_and_a_row_without_a_runtime_is_written_at_once() {
        let (folder, stop) = (tempfile::tempdir().unwrap(), Stop::default());
        let listed = listed(folder.path(), &stop);
        let written = || fs::read_to_string(folder.path().join("results.csv")).unwrap().lines().count() - 1;
        end(&listed, 1);
        assert_eq!(written(), 1);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // A writer that does not come: the queue is full after so many rows, and the run writes them.
        locked(&listed.shared.queue).has_writer = true;
        runtime.block_on(async { (1..u64::try_from(QUEUED_ROWS).unwrap()).for_each(|n| end(&listed, n)) });
        assert_eq!(written(), 1);
        runtime.block_on(async { end(&listed, 1) });
        assert_eq!(written(), 1 + QUEUED_ROWS);
    }

    #[test]
    fn a_list_is_completed_although_the_other_one_cannot_be_written() {
        for lost in [ListKind::Rejects, ListKind::Results] {
            let (kept_folder, lost_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let claim = |kind| {
                let folder = if kind == lost { &lost_folder } else { &kept_folder };
                ListFile::claim(&folder.path().join("list.csv"), kind, &[]).unwrap()
            };
            let format = OutputFormat::Objects;
            let files = Files {
                rejects: Some(Rejects::new(claim(ListKind::Rejects), format)),
                results: Some(Results::new(claim(ListKind::Results), false)),
                failure: None,
                are_final: false,
            };
            let shared = SharedLists {
                queue: Mutex::default(),
                files: Mutex::new(files),
                stop: Stop::default(),
                has_files: true,
            };
            let listed = Listed { sync: 1, shared: Arc::new(shared) };
            let lost_path = lost_folder.path().join("list.csv");
            drop(lost_folder);
            let Err(ListingError::List(error)) = listed.finish(&Journal::in_memory().unwrap()) else {
                panic!("{lost:?} cannot be written")
            };
            assert!(error.to_string().contains(lost_path.to_str().unwrap()), "{lost:?}: {error}");
            // An empty file until then.
            let written = fs::read_to_string(kept_folder.path().join("list.csv"));
            let expected = if lost == ListKind::Rejects { "line,key,outcome,contact_id,calls,reason\n" } else { "" };
            assert_eq!(written.ok().as_deref(), Some(expected), "{lost:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_cannot_be_written_stops_the_run() {
        let (folder, stop) = (tempfile::tempdir().unwrap(), Stop::default());
        let listed = listed(folder.path(), &stop);
        locked(&listed.shared.files).results.as_mut().unwrap().fill_the_disk();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.block_on(async {
            end(&listed, 1);
            stop.asked().await;
        });
        let Some(StopReason::Unlisted(cause)) = stop.reason() else { panic!("{:?}", stop.reason()) };
        assert!(cause.contains("No space left on device"), "{cause}");
        // Nothing more is written, and finishing is another matter.
        end(&listed, 2);
        assert!(locked(&listed.shared.files).failure.is_some());
    }
}
