//! Compares the answers to creates that are in flight at the same time.
//!
//! A platform may answer each create with the id of the create before it. Only the first wrong answer shows that,
//! because it names a contact that is already known. So the first answers of a process count only after the answers to
//! all creates that were in flight at the same time were checked.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::Notify;

use crate::platform::limiter::Clock;

/// Longest time that an answer waits for the answers to other creates. One that takes longer is most likely lost.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How many answers must have been checked before further ones count at once. Two answers can contradict each other.
const FIRST_ANSWERS: u64 = 2;

/// The creates of a run whose answers were not checked yet.
#[derive(Debug, Default)]
pub struct OpenCreates {
    begun: Cell<u64>,
    answered: Cell<u64>,
    has_begun_well: Cell<bool>,
    open: RefCell<BTreeSet<u64>>,
    ended: Notify,
}

/// An open create. Dropping it means that its answer was checked, or that there is none.
#[derive(Debug)]
pub struct OpenCreate<'a> {
    creates: &'a OpenCreates,
    number: u64,
}

impl OpenCreates {
    /// Records a create that is about to be sent.
    pub fn begin(&self) -> OpenCreate<'_> {
        let number = self.begun.get() + 1;
        self.begun.set(number);
        self.open.borrow_mut().insert(number);
        OpenCreate { creates: self, number }
    }

    /// Waits until the answers to all creates that are now in flight were checked, at most 5 seconds. Once the first
    /// answers were checked, it no longer waits.
    pub async fn checked(&self, clock: &Clock) {
        if self.has_begun_well.get() {
            return;
        }
        self.answered.set(self.answered.get() + 1);
        let newest = self.begun.get();
        let all = async {
            loop {
                // Created before the check, so that a create that ends after it wakes this.
                let ended = self.ended.notified();
                if self.open.borrow().first().is_none_or(|&oldest| oldest > newest) {
                    return;
                }
                ended.await;
            }
        };
        tokio::select! {
            biased;
            () = all => {}
            () = clock.sleep_until(clock.now() + LONGEST_WAIT) => {}
        }
        self.has_begun_well.set(self.answered.get() >= FIRST_ANSWERS);
    }
}

impl Drop for OpenCreate<'_> {
    fn drop(&mut self) {
        self.creates.open.borrow_mut().remove(&self.number);
        self.creates.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Timestamp;
    use tokio::time::{Instant, sleep};

    fn clock() -> Clock {
        Clock::starting_at(Timestamp::default())
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_waits_for_creates_in_flight_and_not_for_later_ones() {
        let (creates, begun) = (OpenCreates::default(), Instant::now());
        let (first, second) = (creates.begin(), creates.begin());
        drop(second);
        let wait = async {
            creates.checked(&clock()).await;
            begun.elapsed()
        };
        let others = async {
            sleep(Duration::from_secs(1)).await;
            let later = creates.begin();
            sleep(Duration::from_secs(1)).await;
            drop(first);
            sleep(Duration::from_secs(9)).await;
            drop(later);
        };
        let (waited, ()) = tokio::join!(wait, others);
        assert_eq!(waited, Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_first_answers_wait() {
        let (creates, begun) = (OpenCreates::default(), Instant::now());
        for waits in [5, 10, 10, 10] {
            let _hangs = creates.begin();
            creates.checked(&clock()).await;
            assert_eq!(begun.elapsed(), Duration::from_secs(waits));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_waits_for_a_bounded_time() {
        let (creates, begun) = (OpenCreates::default(), Instant::now());
        let _hangs = creates.begin();
        creates.checked(&clock()).await;
        assert_eq!(begun.elapsed(), LONGEST_WAIT);
        let none = OpenCreates::default();
        none.checked(&clock()).await;
        assert_eq!(begun.elapsed(), LONGEST_WAIT);
    }
}
