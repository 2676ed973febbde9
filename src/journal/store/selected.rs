//! The contacts to which a plan in progress is limited.

use std::collections::HashSet;

use super::Result;
use crate::core::model::{Contact, ContactId};
use crate::core::selection::{ContactRef, Selection};

/// The contacts to which a plan is limited, and what is known of them so far.
#[derive(Debug, Default)]
pub(super) struct Selected {
    pub selection: Selection,
    /// The contacts that are named.
    pub named: HashSet<i64>,
    /// The places of the names that a row has.
    pub found: HashSet<usize>,
}

impl Selected {
    /// Notes a row of a contact. `id` gives the contact's id, as far as it is known.
    pub(super) fn note(
        &mut self,
        line: u64,
        (number, contact): (i64, &Contact),
        id: impl FnOnce() -> Result<Option<ContactId>>,
    ) -> Result<()> {
        let only = &self.selection.only;
        if only.is_empty() {
            return Ok(());
        }
        let id = if only.iter().any(|name| matches!(name, ContactRef::Id(_))) { id()? } else { None };
        for (at, name) in only.iter().enumerate() {
            if name.is_of(line, contact, id.as_ref()) {
                self.named.insert(number);
                self.found.insert(at);
            }
        }
        Ok(())
    }

    /// Notes a row that became no contact.
    pub(super) fn note_rejected(&mut self, line: u64) {
        let only = self.selection.only.iter().enumerate();
        self.found.extend(only.filter(|(_, name)| name.is_line(line)).map(|(at, _)| at));
    }
}
