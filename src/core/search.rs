//! A search for one value. It reads all pages and compares each hit with the requested value, because the platform
//! matches loosely (API.md, trap 2). Only consistent pages show that a contact is absent.

use std::collections::BTreeSet;

use crate::core::call::Call;
use crate::core::model::{ContactId, Field, Remote};
use crate::core::page::{OtherHit, Page, digest};

/// Maximum number of pages that one search reads. A search with more pages matches too loosely to decide anything.
pub const PAGES_PER_FIND: u32 = 50;

/// Maximum number of contacts that one search reads, in case pages are larger than documented.
const CONTACTS_PER_FIND: usize = 5_000;

/// A search in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    field: Field,
    page: u32,
    // Whether it comes before a create: then what it lists must have to do with the value.
    is_first: bool,
    // Whether this is the second attempt, because the pages of the first one contradicted each other.
    is_repeated: bool,
    hit: Option<Remote>,
    others: Vec<OtherHit>,
    // Digests of the ids of all contacts shown so far.
    shown: BTreeSet<u64>,
}

/// What a search has come to.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Nothing yet: the next page follows, or the search starts again.
    MorePages,
    /// No contact has the value, and the pages are consistent. Holds the inexact hits.
    Absent(Vec<OtherHit>),
    /// One contact has it.
    One(Box<Remote>),
    /// These two contacts have it; there may be more.
    Several(ContactId, ContactId),
    /// More pages than are walked.
    Endless,
    /// The pages contradict each other, also when requested again: the search proves nothing.
    Unreliable(String),
}

impl Search {
    /// A search that has not begun, for a contact that may be absent.
    pub fn of(field: Field) -> Self {
        Self { is_first: true, ..Self::for_doubt(field) }
    }

    /// A search that has not begun, for a contact in doubt: what it lists may be the contact in any form.
    pub const fn for_doubt(field: Field) -> Self {
        Self {
            field,
            page: 1,
            is_first: false,
            is_repeated: false,
            hit: None,
            others: Vec::new(),
            shown: BTreeSet::new(),
        }
    }

    /// The field and value that it searches for.
    pub const fn field(&self) -> &Field {
        &self.field
    }

    /// The next page.
    pub fn call(&self) -> Call {
        Call::Find { field: self.field.clone(), page: self.page }
    }

    /// Takes in one page.
    pub fn take(&mut self, page: &Page) -> Found {
        let Page { contacts, others, more, total, contradiction } = page.clone().reduced(&self.field);
        if let Some(contradiction) = contradiction {
            return self.contradicted(contradiction);
        }
        let digests: Vec<u64> =
            contacts.iter().map(|hit| digest(&hit.id)).chain(others.iter().map(|other| other.digest)).collect();
        if !digests.is_empty() && digests.iter().all(|digest| self.shown.contains(digest)) {
            return self.contradicted(format!("page {} repeats the contacts of an earlier page", self.page));
        }
        for contact in contacts {
            match &self.hit {
                Some(hit) if hit.id != contact.id => return Found::Several(hit.id.clone(), contact.id),
                Some(_) => {}
                None => self.hit = Some(contact),
            }
        }
        self.others.extend(others.into_iter().filter(|other| !self.shown.contains(&other.digest)));
        self.shown.extend(digests);
        if self.shown.len() > CONTACTS_PER_FIND || (more && self.page >= PAGES_PER_FIND) {
            return Found::Endless;
        }
        if more {
            self.page += 1;
            return Found::MorePages;
        }
        let shown = u64::try_from(self.shown.len()).unwrap_or(u64::MAX);
        if let Some(total) = total.filter(|&total| total != shown) {
            let contacts = if shown == 1 { "contact" } else { "contacts" };
            return self.contradicted(format!("its pages list {shown} {contacts}, but `total` is {total}"));
        }
        let is_unrelated = |other: &OtherHit| other.shown.as_ref().is_some_and(|shown| !shown.is_related);
        if self.is_first && self.hit.is_none() && !self.others.is_empty() && self.others.iter().all(is_unrelated) {
            return self.contradicted("it lists only contacts that have nothing of the value".to_owned());
        }
        match self.hit.take() {
            Some(hit) => Found::One(Box::new(hit)),
            None => Found::Absent(std::mem::take(&mut self.others)),
        }
    }

    // Contacts may have been added or removed between two pages. So the search is repeated once before it is given up.
    fn contradicted(&mut self, why: String) -> Found {
        if self.is_repeated {
            return Found::Unreliable(why);
        }
        *self = Self { is_first: self.is_first, is_repeated: true, ..Self::for_doubt(self.field.clone()) };
        Found::MorePages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn contact(id: usize) -> Remote {
        let fields = BTreeMap::from([("name".to_owned(), crate::core::model::Value::Text("Ann".into()))]);
        Remote { id: ContactId::new(id.to_string()).unwrap(), fields, tags: BTreeSet::new() }
    }

    fn search() -> Search {
        Search::for_doubt(Field::text("phone", "1"))
    }

    #[test]
    fn a_search_that_lists_only_strangers_is_no_answer_before_a_create() {
        let with_phone = |id: usize| {
            let phone = crate::core::model::Value::Text(format!("+52999999999{id}").into());
            let mut contact = contact(id);
            contact.fields.insert("phone".to_owned(), phone);
            contact
        };
        let page = || Page::of(vec![with_phone(7), with_phone(8)]);
        let mut first = Search::of(Field::text("phone", "+525550000001"));
        assert_eq!(first.take(&page()), Found::MorePages);
        assert!(matches!(first.take(&page()), Found::Unreliable(_)));
        let mut in_doubt = Search::for_doubt(Field::text("phone", "+525550000001"));
        assert!(matches!(in_doubt.take(&page()), Found::Absent(others) if others.len() == 2));
        let mut related = Search::of(Field::text("name", "Ann Smith"));
        assert!(matches!(related.take(&page()), Found::Absent(others) if others.len() == 2));
    }

    #[test]
    fn a_search_is_too_loose_beyond_so_many_contacts_and_pages() {
        let check = |count: usize, expected: Option<usize>| {
            let found = search().take(&Page::of((0..count).map(contact).collect()));
            let others = match &found {
                Found::Absent(others) => Some(others.len()),
                Found::Endless => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(others, expected, "{count}");
        };
        check(0, Some(0));
        check(CONTACTS_PER_FIND, Some(CONTACTS_PER_FIND));
        check(CONTACTS_PER_FIND + 1, None);
        let mut walked = search();
        for page in 1..PAGES_PER_FIND {
            let shown = Page::of(vec![contact(page as usize)]).followed(true);
            assert_eq!(walked.take(&shown), Found::MorePages);
        }
        let mut ended = walked.clone();
        assert!(matches!(ended.take(&Page::of(vec![contact(99)])), Found::Absent(others) if others.len() == 50));
        assert_eq!(walked.take(&Page::of(vec![contact(99)]).followed(true)), Found::Endless);
    }

    #[test]
    fn a_contact_that_moves_to_the_next_page_is_counted_once() {
        let mut walked = search();
        assert_eq!(walked.take(&Page::of(vec![contact(1), contact(2)]).followed(true)), Found::MorePages);
        let last = Page { total: Some(3), ..Page::of(vec![contact(2), contact(3)]) };
        assert!(matches!(walked.take(&last), Found::Absent(others) if others.len() == 3));
    }
}
