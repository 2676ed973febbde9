//! Calls into a library that panics on some damaged files.
//!
//! A panic is caught and becomes an error of the input. The process's panic hook still runs first; a program whose hook
//! reports panics asks [`panic_is_caught`] whether to leave this one out.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    // Whether this thread is inside such a call.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether this thread is inside a call whose panics are caught and become an error. A panic hook need not
/// report such a panic.
///
/// ```
/// let before = std::panic::take_hook();
/// std::panic::set_hook(Box::new(move |panic| {
///     if !contactsync::source::panic_is_caught() {
///         before(panic);
///     }
/// }));
/// ```
pub fn panic_is_caught() -> bool {
    INSIDE.try_with(Cell::get).unwrap_or(false)
}

/// Returns what the call returns; `None` when it panicked. The values that the call was given must not be used
/// afterwards if it panicked.
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Option<T> {
    let was_inside = INSIDE.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(call));
    INSIDE.set(was_inside);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    fn too_large() -> u8 {
        u8::try_from(256).expect("it fits")
    }

    #[test]
    fn a_panic_is_caught_and_the_hook_of_the_program_stays_and_knows_it() {
        // The hook belongs to the process, so only the panics of this test's threads are counted.
        let (caught_panics, own) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (Arc::clone(&caught_panics), Arc::clone(&own));
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if thread::current().name() == Some("isolate") {
                if panic_is_caught() { &counts.0 } else { &counts.1 }.fetch_add(1, Ordering::Relaxed);
            } else {
                before(panic);
            }
        }));
        let run = |test: fn()| thread::Builder::new().name("isolate".into()).spawn(test).unwrap().join();
        let counted = || (caught_panics.load(Ordering::Relaxed), own.load(Ordering::Relaxed));
        let caught_twice = || {
            assert_eq!(caught(|| 1), Some(1));
            assert_eq!(caught(|| (caught(too_large), panic_is_caught())), Some((None, true)));
            assert_eq!((caught(too_large), panic_is_caught()), (None, false));
        };
        assert!(run(caught_twice).is_ok());
        assert_eq!(counted(), (2, 0));
        assert!(run(|| assert_eq!(too_large(), 0)).is_err());
        assert_eq!(counted(), (2, 1));
    }
}
