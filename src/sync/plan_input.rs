//! The steps of planning that a sync and a dry run share: new and missing columns are reported, the rows are routed and planned, and what the
//! input was found to be is reported.

use crate::core::guard::InputGuards;
use crate::core::mapping::Mapping;
use crate::core::task::Policy;
use crate::core::time::Timestamp;
use crate::input::Source;
use crate::journal::{Journal, NO_CHANNEL, NewRun};
use crate::sync::changed_columns::ChangedColumns;
use crate::sync::environment::Environment;
use crate::sync::plan::{LastGuard, PlanOptions, PlannedRuns, RefusedInput, plan_guarded};
use crate::sync::reporter::{Notification, Reporter};
use crate::sync::routing::Routing;
use crate::sync::sync_error::SyncError;

/// An input, and the runs that its rows go to.
pub(super) struct InputToPlan<'a> {
    pub source: Source,
    pub mapping: &'a Mapping,
    pub routing: &'a Routing,
    /// The runs, one for each channel.
    pub runs: Vec<NewRun>,
    pub policy: Policy,
    pub options: PlanOptions,
}

/// Plans an input in the journal. Returns its columns, to be remembered.
pub(super) fn plan_input<R: Reporter>(
    journal: &Journal,
    input: InputToPlan<'_>,
    last_guard: &mut LastGuard<'_>,
    environment: Environment<'_, R>,
) -> Result<(PlannedRuns, ChangedColumns), SyncError> {
    let InputToPlan { source, mapping, routing, mut runs, policy, options } = input;
    let Environment { clock, stop, reporter, .. } = environment;
    let of = routing.source(runs.first().map(|run| run.channel.as_str()), options.source_name.as_deref());
    let mut changed_columns = ChangedColumns::reported(of, &source, mapping, journal, reporter)?;
    let mut unknown = run_of_no_channel(source.name(), policy);
    for run in runs.iter_mut().chain([&mut unknown]) {
        run.now = clock.now();
    }
    let routes = routing.routes(runs, unknown);
    let detected = source.detected().clone();
    let planned = plan_guarded(journal, (source, mapping), routes, options, last_guard, reporter, stop)?;
    reporter.notify(&Notification::InputRead { detected: &detected, mapping });
    changed_columns.report_keys(reporter);
    Ok((planned, changed_columns))
}

/// Checks the age of an input against the guard.
pub(super) fn check_age<R: Reporter>(
    source: &Source,
    guards: &InputGuards,
    environment: Environment<'_, R>,
) -> Result<(), RefusedInput> {
    let refused = guards.check_age(source.modified(), environment.clock.now());
    refused.map_err(|why| RefusedInput { why, first: Vec::new() })
}

/// The run of the rows that name no channel, of which only its input is known.
pub(super) fn run_of_no_channel(input: &str, policy: Policy) -> NewRun {
    NewRun {
        channel: NO_CHANNEL.into(),
        url: String::new(),
        kind: String::new(),
        rate: 0,
        input: input.to_owned(),
        policy,
        now: Timestamp::default(),
    }
}
