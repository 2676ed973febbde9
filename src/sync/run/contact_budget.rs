//! Limits how many contacts the process keeps in memory.
//!
//! A contact takes memory from its beginning to its end, also while it waits for a delay, for the search lag or for the
//! end of an outage. One channel keeps up to 5,000 of them. Many channels share a total for the process; each channel
//! may always keep its fair share of it, at least as many contacts as it may have calls in flight, so that no channel
//! waits for another one.

use std::cell::Cell;
use std::rc::Rc;

use crate::core::refusals::REFUSALS_IN_A_ROW;

/// Maximum number of contacts that one channel keeps in memory.
pub const CONTACTS_PER_CHANNEL: usize = 5_000;

/// Number of contacts in memory from which on each channel keeps only its fair share.
pub const CONTACTS_PER_PROCESS: usize = 10_000;

/// Number of held rejections of one kind of call that a channel may always keep: twice as many as prove that the
/// account is refused.
const ALWAYS_HELD: usize = 2 * REFUSALS_IN_A_ROW;

/// Number of pending items that are read from the journal at a time: at least two for each call that may be in flight, because
/// no call starts meanwhile, and at most so many.
const PAGE_PER_CALL: usize = 2;
const MAX_PAGE: usize = 1_024;

/// The contacts in memory of all channels.
#[derive(Debug)]
pub struct ContactBudget {
    total: Rc<Cell<usize>>,
    fair_share: usize,
}

/// The contacts in memory of one channel.
#[derive(Debug)]
pub struct ContactShare {
    total: Rc<Cell<usize>>,
    // Held rejections are not among them: the channel does not wait for those.
    own: Cell<usize>,
    fair_share: usize,
}

/// One contact in memory. Dropping it makes room for another one.
#[derive(Debug)]
pub struct BudgetShare {
    share: Rc<ContactShare>,
    is_held: Cell<bool>,
}

impl ContactBudget {
    /// The budget of so many channels.
    pub fn new(channels: usize) -> Self {
        Self { total: Rc::default(), fair_share: CONTACTS_PER_PROCESS / channels.max(1) }
    }

    /// The share of a channel that may have `concurrency` calls in flight.
    pub fn share(&self, concurrency: usize) -> Rc<ContactShare> {
        let fair_share = self.fair_share.max(concurrency).min(CONTACTS_PER_CHANNEL);
        Rc::new(ContactShare { total: Rc::clone(&self.total), own: Cell::new(0), fair_share })
    }

    /// Number of contacts in memory.
    #[cfg(test)]
    pub fn total(&self) -> usize {
        self.total.get()
    }
}

impl ContactShare {
    /// Number of contacts that the channel may take now.
    pub fn room(&self) -> usize {
        let own = self.own.get();
        let fair = self.fair_share.saturating_sub(own);
        let shared = CONTACTS_PER_PROCESS.saturating_sub(self.total.get());
        fair.max(shared.min(CONTACTS_PER_CHANNEL.saturating_sub(own)))
    }

    /// Number of pending items to read from the journal at a time, for so many calls in flight. A thousand channels read few each.
    pub fn page(&self, concurrency: usize) -> usize {
        (self.fair_share / 4).clamp(concurrency * PAGE_PER_CALL, MAX_PAGE.max(concurrency * PAGE_PER_CALL))
    }

    /// Whether so many held rejections of one kind of call are more than there is room for.
    pub fn is_too_many(&self, held: usize) -> bool {
        held > ALWAYS_HELD && self.total.get() >= CONTACTS_PER_PROCESS
    }

    /// Counts one more contact.
    pub fn count(self: &Rc<Self>) -> BudgetShare {
        self.own.set(self.own.get() + 1);
        self.total.set(self.total.get() + 1);
        BudgetShare { share: Rc::clone(self), is_held: Cell::new(false) }
    }

    fn leave(&self) {
        self.own.set(self.own.get() - 1);
    }
}

impl BudgetShare {
    /// Counts the contact among the held rejections from now on: it takes memory, but no part of the fair share.
    pub fn hold(&self) {
        if !self.is_held.replace(true) {
            self.share.leave();
        }
    }
}

impl Drop for BudgetShare {
    fn drop(&mut self) {
        self.hold();
        self.share.total.set(self.share.total.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes contacts in turn until no channel may take another one, and returns how many each has.
    fn filled(channels: usize, concurrency: usize) -> Vec<usize> {
        let budget = ContactBudget::new(channels);
        let shares: Vec<_> = (0..channels).map(|_| budget.share(concurrency)).collect();
        let mut counted = Vec::new();
        loop {
            let before = counted.len();
            for share in &shares {
                counted.extend((share.room() > 0).then(|| share.count()));
            }
            if counted.len() == before {
                break;
            }
        }
        let own = shares.iter().map(|share| share.own.get()).collect();
        drop(counted);
        assert_eq!(budget.total(), 0);
        own
    }

    #[test]
    fn the_contacts_of_all_channels_share_a_total() {
        let check = |channels: usize, concurrency: usize, each: usize| {
            assert_eq!(filled(channels, concurrency), vec![each; channels], "{channels} channels of {concurrency}");
        };
        check(1, 8, 5_000);
        check(2, 8, 5_000);
        check(4, 8, 2_500);
        check(1_000, 8, 10);
        // Never fewer than the calls in flight.
        check(1_000, 64, 64);
    }

    #[test]
    fn many_channels_read_few_items_at_a_time() {
        for (channels, concurrency, page) in [(1, 8, 1_024), (1, 1_000, 2_000), (10, 64, 250), (1_000, 8, 16)] {
            assert_eq!(ContactBudget::new(channels).share(concurrency).page(concurrency), page, "{channels} channels");
        }
    }

    #[test]
    fn a_channel_uses_what_others_leave_and_never_more_than_the_process_has() {
        let budget = ContactBudget::new(100);
        let (busy, late) = (budget.share(8), budget.share(8));
        let take = |share: &Rc<ContactShare>| {
            let mut taken = Vec::new();
            while share.room() > 0 {
                taken.push(share.count());
            }
            taken
        };
        let first = take(&busy);
        assert_eq!(first.len(), CONTACTS_PER_CHANNEL);
        let second = take(&budget.share(8));
        assert_eq!((second.len(), budget.total()), (CONTACTS_PER_CHANNEL, CONTACTS_PER_PROCESS));
        // One that comes later still has its fair share.
        let third = take(&late);
        assert_eq!(third.len(), 100);
        // Held rejections take no part of it, and only many of them are too many.
        third.iter().for_each(BudgetShare::hold);
        assert_eq!((late.room(), late.is_too_many(40), late.is_too_many(41)), (100, false, true));
        drop(first);
        assert!(!late.is_too_many(1_000));
        drop(second);
        assert_eq!(late.room(), CONTACTS_PER_CHANNEL);
        drop(third);
        assert_eq!(budget.total(), 0);
    }
}
