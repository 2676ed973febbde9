//! The contacts to which a plan in progress is limited.

use std::collections::HashSet;

use super::Result;
use super::keys::KeyParts;
use crate::core::model::{Contact, ContactId, Key};
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
    /// Notes a row of a contact. `id` gives the contact's id, as far as it is known, and `parts` the parts of a key as the journal has
    /// them.
    pub(super) fn note(
        &mut self,
        line: u64,
        (number, contact): (i64, &Contact),
        id: impl FnOnce() -> Result<Option<ContactId>>,
        parts: impl for<'k> Fn(&'k Key) -> KeyParts<'k>,
    ) -> Result<()> {
        let only = &self.selection.only;
        if only.is_empty() {
            return Ok(());
        }
        let id = if only.iter().any(|name| matches!(name, ContactRef::Id(_))) { id()? } else { None };
        for (at, name) in only.iter().enumerate() {
            // The key may have a hash in place of the value that is named.
            let is_key = |text: &str| {
                let Key::Match { field, .. } = contact.key() else { return false };
                let value = text.strip_prefix(field.as_str()).and_then(|rest| rest.strip_prefix('=')).unwrap_or(text);
                let named = Key::Match { field: field.clone(), value: value.into() };
                parts(&named) == parts(contact.key())
            };
            let is_of = name.is_of(line, contact, id.as_ref());
            if is_of || matches!(name, ContactRef::Match(text) if is_key(text)) {
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
