//! How far a run may go, and how long calls take at the limit.

use crate::core::time::Timestamp;

/// How far a run goes in this process. What is left then is for the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The most calls that it starts; without end when `None`.
    pub max_calls: Option<u64>,
    /// When the last call must have ended; whenever it is done when `None`.
    pub until: Option<Timestamp>,
}
