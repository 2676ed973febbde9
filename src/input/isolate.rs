//! Calls into a library that panics on some damaged files. What it says then is for those who write it, and is not shown.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    // Whether this thread is inside such a call.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// What the call gives; `None` when it panicked. What it had in its hands is then not to be used again.
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Option<T> {
    static QUIET: Once = Once::new();
    // The process has one hook for all of its threads: the others go on to say what they said.
    QUIET.call_once(|| {
        let said = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !INSIDE.try_with(Cell::get).unwrap_or(false) {
                said(panic);
            }
        }));
    });
    INSIDE.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(call));
    INSIDE.set(false);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_call_that_gave_nothing() {
        assert_eq!(caught(|| 1), Some(1));
        assert_eq!(caught(|| u8::try_from(256).expect("it fits")), None);
        assert!(!INSIDE.get());
    }
}
