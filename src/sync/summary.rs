//! Makes the summary that scripts read from the journal's counts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::call::CallKind;
use crate::core::eta::Eta;
use crate::core::forecast::Forecast;
use crate::journal::{Counts, RunState};
use crate::sync::report::{Calls, Minutes, PlanSummary, RunSummary};

/// Returns the summary of a run that worked for `worked` in this process.
pub fn run_summary(run: i64, state: RunState, reason: Option<String>, counts: &Counts, worked: Duration) -> RunSummary {
    let of = |kind| counts.calls.get(&kind).copied().unwrap_or_default();
    let worked = Duration::from_millis(counts.worked_ms).saturating_add(worked);
    RunSummary {
        run: Some(run),
        state: state.name(),
        reason,
        rows: counts.rows,
        created: counts.created,
        updated: counts.updated,
        unchanged: counts.unchanged,
        rejected: counts.rejected,
        merged: counts.merged,
        pending: counts.pending,
        skipped: counts.skipped,
        missing: counts.missing,
        marks_pending: counts.marks,
        calls: by_kind(counts.calls.values().sum(), of),
        retries: counts.retries,
        throttled: counts.throttled,
        dropped_fields: Vec::new(),
        seconds: worked.as_secs_f64(),
        minutes: None,
        runs: None,
        channels: BTreeMap::new(),
    }
}

/// Returns the summary of a plan that took `worked` to make and whose sending is expected to go as `eta` has it.
pub fn plan_summary(counts: &Counts, forecast: &Forecast, eta: &Eta, worked: Duration) -> PlanSummary {
    let minutes = |time: Duration| time.as_secs_f64() / 60.0;
    PlanSummary {
        run: None,
        state: RunState::Planned.name(),
        reason: None,
        rows: counts.rows,
        created: counts.created,
        updated: counts.updated,
        unchanged: counts.unchanged,
        rejected: counts.rejected,
        merged: counts.merged,
        pending: counts.pending,
        skipped: counts.skipped,
        missing: counts.missing,
        marks_pending: counts.marks,
        calls: by_kind(forecast.total, |kind| forecast.of(kind)),
        retries: 0,
        throttled: 0,
        dropped_fields: Vec::new(),
        seconds: worked.as_secs_f64(),
        minutes: Some(Minutes { min: minutes(eta.time.min), max: minutes(eta.time.max) }),
        runs: eta.runs.filter(|runs| runs.max > 1),
        channels: BTreeMap::new(),
    }
}

fn by_kind<C>(total: C, of: impl Fn(CallKind) -> C) -> Calls<C> {
    Calls {
        total,
        find: of(CallKind::Find),
        read: of(CallKind::Read),
        create: of(CallKind::Create),
        update: of(CallKind::Update),
        add_tags: of(CallKind::AddTags),
        remove_tags: of(CallKind::RemoveTags),
    }
}
