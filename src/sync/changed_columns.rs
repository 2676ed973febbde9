//! The columns that an input has and the inputs of earlier runs did not have, and those that it lacks.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::core::mapping::Mapping;
use crate::input::{Detected, Source};
use crate::journal::{EarlierColumns, Journal, JournalError};
use crate::sync::reporter::{NewColumn, Notification, Reporter};

/// The columns of an input, and what they are compared with.
pub(super) struct ChangedColumns {
    // The inputs that they are compared with.
    of: String,
    earlier: EarlierColumns,
    // The columns of this input, without those that are ignored.
    names: BTreeSet<String>,
    // Of an input without a header, whose keys are known after it was read.
    unread: Option<Unread>,
}

struct Unread {
    name: String,
    detected: Detected,
    mapping: Mapping,
}

impl ChangedColumns {
    /// Reports those that are new or gone since the last run. The first run has none. `of` names the inputs that they are compared
    /// with.
    pub fn reported<R: Reporter>(
        of: String,
        source: &Source,
        mapping: &Mapping,
        journal: &Journal,
        reporter: &R,
    ) -> Result<Self, JournalError> {
        let earlier = journal.columns_of(&of)?;
        let mut changed = Self { of, earlier, names: BTreeSet::new(), unread: None };
        if let Some(header) = source.header() {
            changed.compare(source.name(), header, mapping, reporter);
        } else {
            let (name, detected) = (source.name().to_owned(), source.detected().clone());
            changed.unread = Some(Unread { name, detected, mapping: mapping.clone() });
        }
        Ok(changed)
    }

    /// Reports the changed keys of an input without a header, once all of it was read.
    pub fn report_keys<R: Reporter>(&mut self, reporter: &R) {
        if let Some(Unread { name, detected, mapping }) = self.unread.take() {
            self.compare(&name, &detected.keys(), &mapping, reporter);
        }
    }

    fn compare<R: Reporter>(&mut self, input: &str, columns: &[Arc<str>], mapping: &Mapping, reporter: &R) {
        let is_ignored = |name: &str| name.starts_with('_');
        let EarlierColumns { all, last } = &self.earlier;
        let new =
            columns.iter().zip(mapping.reads(columns)).filter(|(name, _)| !is_ignored(name) && !all.contains(&***name));
        let new: Vec<_> = new.map(|(name, is_sent)| NewColumn { name: Arc::clone(name), is_sent }).collect();
        self.names = columns.iter().filter(|name| !is_ignored(name)).map(ToString::to_string).collect();
        // An input that shares no column with the earlier ones is of another kind.
        if !new.is_empty() && columns.iter().any(|name| all.contains(&**name)) {
            reporter.notify(&Notification::NewColumns { input, columns: &new });
        }
        let gone: Vec<&str> = last.difference(&self.names).map(String::as_str).collect();
        if !gone.is_empty() && gone.len() < last.len() {
            reporter.notify(&Notification::ColumnsGone { input, columns: &gone });
        }
    }

    /// Remembers the columns for the next run.
    pub fn remember(self, journal: &Journal) -> Result<(), JournalError> {
        if self.names.is_empty() || self.names == self.earlier.last {
            return Ok(());
        }
        journal.set_columns(&self.of, self.names)
    }
}
