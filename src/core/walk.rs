//! A walk over all pages of a search that lists many contacts, such as those with the same value in a marker field (API.md, trap 14).
//!
//! The pages are not a snapshot. A contact that is written while they are walked may move from a page that is still to come to one
//! that was taken, and one that leaves the list moves all that follow; then another contact is on no page. Such a walk shows a
//! contact twice, sees fewer contacts than the total, or finds a lower total than before. It begins again from the first page, at
//! most [`PASSES`] times.

use serde::{Deserialize, Serialize};

use crate::core::page::Page;

/// Maximum number of times that the pages are walked.
pub const PASSES: u32 = 3;

/// Maximum number of requests for a page that contradicts itself, in a row.
const CONTRADICTIONS: u32 = 3;

/// Number of pages in a row without a contact that is new in a pass, after which the pages repeat. Contacts that are created
/// meanwhile may move a page of contacts to the next one.
const REPEATED_PAGES: u32 = 3;

/// The progress of a walk. It is stored after each page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    // The next page, from 1.
    page: u32,
    pass: u32,
    total: Option<u64>,
    // Whether this pass was shown a contact on two pages, and whether it was shown a total that was lower than before.
    moved: bool,
    shrunk: bool,
    // Number of pages in a row without a contact that is new in this pass.
    repeats: u32,
    // Number of answers in a row that contradicted themselves.
    contradictions: u32,
    // Number of contacts that this pass showed, and those of them that no pass before it showed.
    in_pass: u64,
    added: u64,
    // Whether all passes count, because none of them was without a change.
    is_mixed: bool,
    end: Option<WalkEnd>,
}

/// The contacts of a page, compared with those that were seen before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageCounts {
    /// Number of contacts on the page.
    pub shown: u64,
    /// Number of them that no earlier page of the same pass showed.
    pub new_in_pass: u64,
    /// Number of them that no page showed.
    pub new: u64,
    /// Number of contacts that all pages showed, with this one.
    pub seen: u64,
}

/// How a walk ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WalkEnd {
    /// All contacts were seen, as far as the pages tell.
    Complete,
    /// At least this number of contacts was not seen: they moved while the pages were walked, or the total is wrong.
    Missing(u64),
    /// The pages repeat, or their order changed all the time, and they state no total: contacts may be missing.
    Uncertain,
    /// The pages contradict themselves, for this reason.
    Contradicted(String),
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            page: 1,
            pass: 1,
            total: None,
            moved: false,
            shrunk: false,
            repeats: 0,
            contradictions: 0,
            in_pass: 0,
            added: 0,
            is_mixed: false,
            end: None,
        }
    }
}

impl Walk {
    /// The next page, from 1.
    pub const fn page(&self) -> u32 {
        self.page
    }

    /// Which time the pages are walked, from 1.
    pub const fn pass(&self) -> u32 {
        self.pass
    }

    /// Number of contacts that the latest page stated for all pages.
    pub const fn total(&self) -> Option<u64> {
        self.total
    }

    /// The first of the passes whose contacts count. A contact that only an earlier one showed has left the list.
    pub const fn counts_from(&self) -> u32 {
        if self.is_mixed { 1 } else { self.pass }
    }

    /// How the walk ended; `None` before.
    pub const fn end(&self) -> Option<&WalkEnd> {
        self.end.as_ref()
    }

    /// Takes in the answer to the request for [`page`](Self::page).
    pub fn take(&mut self, page: &Page, counts: PageCounts) {
        if let Some(why) = &page.contradiction {
            self.contradictions += 1;
            if self.contradictions >= CONTRADICTIONS {
                self.end = Some(WalkEnd::Contradicted(why.clone()));
            }
            return;
        }
        self.contradictions = 0;
        let is_lower = page.total.zip(self.total).is_some_and(|(now, before)| now < before);
        self.moved |= counts.new_in_pass < counts.shown;
        self.shrunk |= is_lower && self.page > 1;
        self.total = page.total.or(self.total);
        self.repeats = if counts.new_in_pass > 0 { 0 } else { self.repeats + 1 };
        self.in_pass += counts.new_in_pass;
        self.added += counts.new;
        if page.more && counts.shown > 0 && self.repeats < REPEATED_PAGES {
            self.page += 1;
        } else {
            self.end_pass(counts.seen);
        }
    }

    // A pass during which nothing moved shows all contacts. So do several passes of which the last one shows none that is new.
    fn end_pass(&mut self, seen: u64) {
        let is_whole = match self.total {
            Some(total) => self.in_pass >= total && !self.shrunk,
            None => !self.moved,
        };
        let is_last = self.pass >= PASSES || self.pass > 1 && self.added == 0;
        if !is_whole && !is_last {
            *self = Self { pass: self.pass + 1, total: self.total, ..Self::default() };
            return;
        }
        self.is_mixed = !is_whole;
        let missing = self.total.map_or(0, |total| total.saturating_sub(seen));
        self.end = Some(match missing {
            0 if is_whole => WalkEnd::Complete,
            0 if self.total.is_none() && (self.repeats >= REPEATED_PAGES || self.added > 0) => WalkEnd::Uncertain,
            0 => WalkEnd::Complete,
            missing => WalkEnd::Missing(missing),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    // A platform that shows these contacts on page `page` of pass `pass`, whether a page follows, and the total.
    type Shown = (Vec<u32>, bool, Option<u64>);

    // Walks it, and returns how that ended, the number of requests, and the contacts that were seen.
    fn walked(show: impl Fn(u32, u32) -> Shown) -> (WalkEnd, u32, usize) {
        let (mut walk, mut seen, mut in_pass, mut requests) = (Walk::default(), BTreeSet::new(), BTreeSet::new(), 0);
        let mut pass = 1;
        loop {
            if walk.pass() != pass {
                pass = walk.pass();
                in_pass.clear();
            }
            let (contacts, more, total) = show(walk.page(), walk.pass());
            let count = |known: &mut BTreeSet<u32>| contacts.iter().filter(|&&id| known.insert(id)).count() as u64;
            let (new, new_in_pass) = (count(&mut seen), count(&mut in_pass));
            let counts = PageCounts { shown: contacts.len() as u64, new_in_pass, new, seen: seen.len() as u64 };
            requests += 1;
            assert!(requests < 1_000, "the walk does not end");
            walk.take(&Page { more, total, ..Page::default() }, counts);
            // It is the same after it was stored.
            let stored = serde_json::to_string(&walk).unwrap();
            assert_eq!(serde_json::from_str::<Walk>(&stored).unwrap(), walk);
            if let Some(end) = walk.end() {
                return (end.clone(), requests, seen.len());
            }
        }
    }

    // Pages of ten of these contacts.
    fn paged(contacts: &[u32], page: u32) -> (Vec<u32>, bool) {
        let pages: Vec<&[u32]> = contacts.chunks(10).collect();
        let shown = pages.get(page as usize - 1).map_or_else(Vec::new, |page| page.to_vec());
        (shown, (page as usize) < pages.len())
    }

    #[test]
    fn pages_that_do_not_move_are_walked_once() {
        let check = |count: u32, total: Option<u64>, requests: u32| {
            let all: Vec<u32> = (0..count).collect();
            let show = |page, _| {
                let (shown, more) = paged(&all, page);
                (shown, more, total)
            };
            assert_eq!(walked(show), (WalkEnd::Complete, requests, count as usize), "{count} {total:?}");
        };
        check(0, Some(0), 1);
        check(0, None, 1);
        check(10, Some(10), 1);
        check(95, Some(95), 10);
        check(95, None, 10);
    }

    #[test]
    fn a_contact_that_moved_to_an_earlier_page_is_found_by_another_pass() {
        // While page 1 is read, contact 10 is written and moves to the front: contact 9 is shown twice, and 10 is not.
        let before: Vec<u32> = (0..30).collect();
        let after: Vec<u32> = [10].into_iter().chain((0..30).filter(|id| *id != 10)).collect();
        for total in [Some(30), None] {
            let show = |page: u32, pass: u32| {
                let (shown, more) = paged(if (page, pass) == (1, 1) { &before } else { &after }, page);
                (shown, more, total)
            };
            assert_eq!(walked(show), (WalkEnd::Complete, 6, 30), "{total:?}");
        }
    }

    #[test]
    fn a_contact_that_leaves_the_list_hides_no_other() {
        // After page 1, contact 5 leaves the list, and 10 moves to page 1.
        let before: Vec<u32> = (0..30).collect();
        let after: Vec<u32> = (0..30).filter(|id| *id != 5).collect();
        let show = |page: u32, pass: u32| {
            let all = if (page, pass) == (1, 1) { &before } else { &after };
            let (shown, more) = paged(all, page);
            (shown, more, Some(all.len() as u64))
        };
        assert_eq!(walked(show), (WalkEnd::Complete, 6, 30));
        // One that joins it at its end does no harm.
        let after: Vec<u32> = (0..31).collect();
        let show = |page: u32, pass: u32| {
            let all = if (page, pass) == (1, 1) { &before } else { &after };
            let (shown, more) = paged(all, page);
            (shown, more, Some(all.len() as u64))
        };
        assert_eq!(walked(show), (WalkEnd::Complete, 4, 31));
    }

    #[test]
    fn pages_that_always_move_are_walked_a_bounded_number_of_times() {
        // Each pass misses another contact, and shows one of the others twice.
        let show = |page: u32, pass: u32| {
            let missed = 10 + pass % 2;
            let all: Vec<u32> = (0..30).map(|id| if id == missed { 0 } else { id }).collect();
            let (shown, more) = paged(&all, page);
            (shown, more, Some(31))
        };
        assert_eq!(walked(show), (WalkEnd::Missing(1), 9, 30));
    }

    #[test]
    fn a_total_that_is_too_high_costs_one_more_pass() {
        let all: Vec<u32> = (0..25).collect();
        let show = |page, _| {
            let (shown, more) = paged(&all, page);
            (shown, more, Some(40))
        };
        assert_eq!(walked(show), (WalkEnd::Missing(15), 6, 25));
    }

    #[test]
    fn pages_that_repeat_end() {
        // The page number is ignored, and the last page is followed by itself.
        let first: Vec<u32> = (0..10).collect();
        assert_eq!(walked(|_, _| (first.clone(), true, None)), (WalkEnd::Uncertain, 8, 10));
        let all: Vec<u32> = (0..25).collect();
        let clamped = |page: u32, _| (paged(&all, page.min(3)).0, true, Some(25));
        assert_eq!(walked(clamped), (WalkEnd::Complete, 6, 25));
    }

    #[test]
    fn a_page_that_contradicts_itself_is_requested_again() {
        let mut walk = Walk::default();
        let counts = PageCounts::default();
        let wrong = Page { contradiction: Some("`total` is 7".into()), ..Page::default() };
        walk.take(&wrong, counts);
        walk.take(&wrong, counts);
        assert_eq!((walk.page(), walk.end()), (1, None));
        let mut ended = walk.clone();
        ended.take(&wrong, counts);
        assert_eq!(ended.end(), Some(&WalkEnd::Contradicted("`total` is 7".into())));
        // A good answer forgives the earlier ones.
        walk.take(&Page::default().followed(true), PageCounts { shown: 10, new_in_pass: 10, new: 10, seen: 10 });
        walk.take(&wrong, counts);
        assert_eq!((walk.page(), walk.end()), (2, None));
    }
}
