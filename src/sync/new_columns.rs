//! The columns that an input has and the inputs of earlier runs did not have.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::core::mapping::Mapping;
use crate::input::{Detected, Source};
use crate::journal::{Journal, JournalError};
use crate::sync::reporter::{NewColumn, Notification, Reporter};

/// The columns of an input, and what they are compared with.
pub(super) struct NewColumns {
    // The inputs that they are compared with.
    of: String,
    known: BTreeSet<String>,
    names: Vec<String>,
    // Of an input without a header, whose keys are known after it was read.
    unread: Option<Unread>,
}

struct Unread {
    name: String,
    detected: Detected,
    mapping: Mapping,
}

impl NewColumns {
    /// Reports those that are new since the last run. The first run has none that are new. `of` names the inputs that they
    /// are compared with.
    pub fn reported<R: Reporter>(
        of: String,
        source: &Source,
        mapping: &Mapping,
        journal: &Journal,
        reporter: &R,
    ) -> Result<Self, JournalError> {
        let known = journal.columns_of(&of)?;
        let mut new = Self { of, known, names: Vec::new(), unread: None };
        if let Some(header) = source.header() {
            new.compare(source.name(), header, mapping, reporter);
        } else {
            let (name, detected) = (source.name().to_owned(), source.detected().clone());
            new.unread = Some(Unread { name, detected, mapping: mapping.clone() });
        }
        Ok(new)
    }

    /// Reports the keys of an input without a header that are new, once all of it was read.
    pub fn report_keys<R: Reporter>(&mut self, reporter: &R) {
        if let Some(Unread { name, detected, mapping }) = self.unread.take() {
            self.compare(&name, &detected.keys(), &mapping, reporter);
        }
    }

    fn compare<R: Reporter>(&mut self, input: &str, columns: &[Arc<str>], mapping: &Mapping, reporter: &R) {
        let is_new = |name: &str| !name.starts_with('_') && !self.known.contains(name);
        let new = columns.iter().zip(mapping.reads(columns)).filter(|(name, _)| is_new(name));
        let new: Vec<_> = new.map(|(name, is_sent)| NewColumn { name: Arc::clone(name), is_sent }).collect();
        // An input that shares no column with the earlier ones is of another kind.
        let is_of_their_kind = columns.iter().any(|name| self.known.contains(&**name));
        if is_of_their_kind && !new.is_empty() {
            reporter.notify(&Notification::NewColumns { input, columns: &new });
        }
        self.names = new.iter().map(|column| column.name.to_string()).collect();
    }

    /// Remembers them for the next run.
    pub fn remember(self, journal: &Journal) -> Result<(), JournalError> {
        if self.names.is_empty() { Ok(()) } else { journal.add_columns(&self.of, self.names) }
    }
}
