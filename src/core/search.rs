//! A search for one value: its pages are walked to the end, and its hits held against the value asked for, because the
//! platform matches loosely (API.md, trap 2).

use crate::core::call::Call;
use crate::core::model::{ContactId, Field, Remote};

/// The most pages of one search that are walked: a search so loose finds nobody, and the walk must end.
pub const PAGES_PER_FIND: u32 = 50;

/// A search on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    field: Field,
    page: u32,
    hits: Vec<Remote>,
    alike: Option<ContactId>,
}

/// What a search has come to.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Nothing yet: a further page follows.
    MorePages,
    /// No contact has the value; `alike` is one that may have it in another form.
    Nobody {
        /// The lookalike.
        alike: Option<ContactId>,
    },
    /// One contact has it.
    One(Remote),
    /// Several have it.
    Several(Vec<ContactId>),
    /// More pages than are walked.
    Endless,
}

impl Search {
    /// A search that has not begun.
    pub const fn of(field: Field) -> Self {
        Self { field, page: 1, hits: Vec::new(), alike: None }
    }

    /// The field and value that it searches.
    pub const fn field(&self) -> &Field {
        &self.field
    }

    /// The next page.
    pub fn call(&self) -> Call {
        Call::Find { field: self.field.clone(), page: self.page }
    }

    /// Whether a page was heard already.
    pub const fn is_under_way(&self) -> bool {
        self.page > 1
    }

    /// Takes in one page.
    pub fn hear(&mut self, contacts: &[Remote], more: bool) -> Found {
        for contact in contacts {
            if !contact.has(&self.field) {
                if contact.resembles(&self.field) {
                    self.alike.get_or_insert_with(|| contact.id.clone());
                }
            } else if !self.hits.iter().any(|hit| hit.id == contact.id) {
                self.hits.push(contact.clone());
            }
        }
        if more {
            self.page += 1;
            return if self.page > PAGES_PER_FIND { Found::Endless } else { Found::MorePages };
        }
        match self.hits.as_slice() {
            [] => Found::Nobody { alike: self.alike.clone() },
            [hit] => Found::One(hit.clone()),
            [_, _, ..] => Found::Several(self.hits.iter().map(|hit| hit.id.clone()).collect()),
        }
    }
}
