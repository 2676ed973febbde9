//! What a reader needs in order to skip rows that did not change.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Matcher, SnapshotKey};

/// The key of hashes, and the rows of the last input.
#[derive(Clone, Copy, Debug)]
pub struct Recognition<'a> {
    /// The key of the hashes.
    pub key: &'a SnapshotKey,
    /// The rows of the last input.
    pub matcher: &'a Matcher,
    /// Whether rows may be skipped. It may change at any time.
    pub may_skip: &'a AtomicBool,
    /// A mistake that tests plant: rows are skipped whatever follows them.
    #[cfg(test)]
    pub skips_before_any: bool,
}

impl Recognition<'_> {
    /// The rows of the last input, if rows of this one may be skipped now.
    pub fn matcher(&self) -> Option<&Matcher> {
        self.may_skip.load(Ordering::Relaxed).then_some(self.matcher)
    }

    /// Whether a row is skipped only before another row that is known.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "only tests plant a mistake"))]
    pub const fn looks_ahead(&self) -> bool {
        #[cfg(test)]
        if self.skips_before_any {
            return false;
        }
        true
    }
}
