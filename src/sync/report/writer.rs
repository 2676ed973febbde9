//! The files that list rows while they are sent: written from the journal when sending begins and when it ends, and grown
//! in between, so that what is in them is never lost and, at the end, in the input's order.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;

use crate::core::output_format::ListFiles;
use crate::journal::{Journal, JournalError, ListedRow, Rows};
use crate::sync::event::{Event, Observer};
use crate::sync::report::{ListError, ListFile, ListKind, Rejects, Results, RowResult};
use crate::sync::stop::{Stop, StopReason};

/// Files that this process may write, before it is known what of.
#[derive(Debug, Default)]
pub struct ListClaims {
    rejects: Option<ListFile>,
    results: Option<ListFile>,
}

/// Why rows could not be listed. What they came to is in the journal.
#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    /// A file cannot be written.
    #[error(transparent)]
    List(#[from] ListError),
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The files that list the rows of an input. It is told what happens as an observer, and asks to stop when a file can no
/// longer be written.
#[derive(Debug)]
pub struct Listed {
    sync: i64,
    files: RefCell<Files>,
    stop: Stop,
}

#[derive(Debug, Default)]
struct Files {
    rejects: Option<Rejects>,
    results: Option<Results>,
    failure: Option<ListError>,
}

impl ListClaims {
    /// Makes sure that the files can be written, and takes the right to. `others` are the files that they must not be, with
    /// what they are.
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

    /// Writes what the journal holds of the rows of `sync`, and puts the files in their places. It takes a thread that may
    /// block. The process as a whole stops by `stop`.
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
        let listed = Listed { sync, files: RefCell::new(files), stop: stop.clone() };
        listed.rewrite(journal, false)?;
        Ok(listed)
    }
}

impl Listed {
    /// Writes the files anew, whole and in the input's order. It takes a thread that may block.
    ///
    /// # Errors
    /// A [`ListingError`] when a file cannot be written or the journal fails.
    pub fn finish(&self, journal: &Journal) -> Result<(), ListingError> {
        self.rewrite(journal, true)
    }

    fn rewrite(&self, journal: &Journal, is_end: bool) -> Result<(), ListingError> {
        let mut files = self.files.borrow_mut();
        if files.rejects.is_none() && files.results.is_none() {
            return Ok(());
        }
        if !is_end {
            journal.set_listed(self.sync, false)?;
        }
        if let Some(mut rejects) = files.rejects.take() {
            rejects.begin()?;
            let mut rejects = each(journal, self.sync, Rows::Rejected, rejects, reject)?;
            rejects.put_in_place()?;
            files.rejects = Some(rejects);
        }
        if let Some(mut results) = files.results.take() {
            results.begin()?;
            // Before the end, what is pending will come after it.
            let mut results = each(journal, self.sync, Rows::All, results, move |results, row| {
                if is_end || row.state != "pending" { result(results, row) } else { Ok(()) }
            })?;
            results.put_in_place()?;
            files.results = Some(results);
        }
        if is_end {
            journal.set_listed(self.sync, true)?;
        }
        Ok(())
    }
}

impl Observer for Listed {
    fn tell(&self, event: &Event<'_>) {
        let Event::Done { listed: Some(row), .. } = event else { return };
        let files = &mut *self.files.borrow_mut();
        if files.failure.is_some() {
            return;
        }
        if let Err(error) = files.add(row) {
            self.stop.ask(StopReason::Unlisted(error.to_string()));
            files.failure = Some(error);
        }
    }
}

impl Files {
    fn add(&mut self, row: &ListedRow) -> Result<(), ListError> {
        if let Some(rejects) = self.rejects.as_mut().filter(|_| row.state == "rejected") {
            reject(rejects, row)?;
            rejects.flush()?;
        }
        if let Some(results) = &mut self.results {
            result(results, row)?;
            results.flush()?;
        }
        Ok(())
    }
}

// Adds the rows of an input to a file, which comes back.
fn each<F: Send + 'static>(
    journal: &Journal,
    sync: i64,
    rows: Rows,
    file: F,
    add: impl Fn(&mut F, &ListedRow) -> Result<(), ListError> + Send + 'static,
) -> Result<F, ListingError> {
    let (file, failure) =
        journal.each_row(sync, rows, (file, None), move |(file, failure), row| match add(file, &row) {
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
