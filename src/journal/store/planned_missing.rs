//! What a plan in progress found about missing contacts.

use std::collections::BTreeSet;

use crate::core::forecast::Forecast;
use crate::core::missing::Mark;

/// What a plan changes about missing contacts when it is finished, of one run.
#[derive(Debug, Default)]
pub(super) struct PlannedMissing {
    pub mark: Option<Mark>,
    pub source: String,
    /// Those that the last input had, and whether they count as missing.
    pub new: Vec<(i64, bool)>,
    pub returned: Vec<i64>,
    /// Whether those that were not sure count as missing from now on.
    pub settles: bool,
    /// Those that the run is to mark.
    pub due: Vec<i64>,
    /// Those that have the mark already.
    pub marked: Vec<i64>,
    /// The rejected rows without a key that are none of the missing contacts; `None` leaves them as they were.
    pub harmless: Option<BTreeSet<u64>>,
    pub total: u64,
}

impl PlannedMissing {
    /// The calls that set the marks.
    pub(super) fn forecast(&self) -> Forecast {
        self.mark.as_ref().map_or_else(Forecast::default, |mark| Forecast::of_calls(mark.call_kind(), self.due.len()))
    }
}
