//! The use case of `sync`: plans an input into the journal, then sends what is pending.

use std::collections::BTreeMap;

use crate::core::approval::Approval;
use crate::core::duplicates::Duplicates;
use crate::core::guard::InputGuards;
use crate::core::mapping::Mapping;
use crate::core::missing::Mark;
use crate::core::model::Field;
use crate::core::selection::Selection;
use crate::core::task::Policy;
use crate::input::Source;
use crate::journal::NewRun;
use crate::sync::access::check_access;
use crate::sync::connection::Connection;
use crate::sync::environment::Environment;
use crate::sync::execute::{ReadyRun, RunOptions, SyncOutcome, execute};
use crate::sync::other_runs::OtherRuns;
use crate::sync::plan::{Approving, PlanOptions};
use crate::sync::plan_input::{InputToPlan, check_age, plan_input, run_of_no_channel};
use crate::sync::reporter::{Notification, Reporter};
use crate::sync::routing::Routing;
use crate::sync::row_lists::{NO_LISTS, RowLists};
use crate::sync::sync_error::SyncError;
use crate::sync::workspace::{Locked, Overrides, ReadOnlyChannel, Workspace};

/// Default name of the source of an input.
pub const DEFAULT_SOURCE: &str = "default";

/// An input, its channels, and how it is synced. [`SyncInput::new`] has the defaults; the fields change them.
#[derive(Debug)]
pub struct SyncInput<'a> {
    /// The channels, by name.
    pub channels: Vec<(String, Connection)>,
    /// Which of them each row goes to. The default, [`Routing::One`], takes exactly one channel.
    pub routing: Routing,
    /// The rows.
    pub source: Source,
    /// The name of the input's source, which must be the same for each night's export. Rows that did not change since the last
    /// input of that source are not mapped again. The default is [`DEFAULT_SOURCE`].
    pub source_name: String,
    /// How rows become contacts.
    pub mapping: &'a Mapping,
    /// How contacts are created and changed.
    pub policy: Policy,
    /// What becomes of several rows of one contact. By default, the last one counts.
    pub duplicates: Duplicates,
    /// Whether rows that earlier runs rejected are tried again at once, and not only after some nights; `false` by default.
    pub retry_rejected: bool,
    /// Limits that the input must satisfy. An input that does not is refused before anything is sent. None by default.
    pub guards: InputGuards,
    /// The contacts to which the runs are limited. The others are left to later runs. By default, all are sent.
    pub selection: Selection,
    /// The field and the value that a contact must have on each platform that something is sent to. Otherwise nothing is sent. Not
    /// checked by default.
    pub access: Option<Field>,
    /// The mark for contacts that the source had and no longer has; without one, they are only counted. None by default. With a
    /// mark, set `guards.max_missing` as well, so that an incomplete export does not mark most contacts. The program's default
    /// for it is 10 %.
    pub on_missing: Option<Mark>,
    /// What was approved. A plan that differs from it is refused before anything is sent. By default, any plan is sent.
    pub approved: Option<Approval>,
    /// The files that list the rows. None by default.
    pub lists: &'a RowLists,
    /// The guards that are overridden. None by default.
    pub overrides: Overrides,
    /// How far the runs go.
    pub options: RunOptions,
}

impl<'a> SyncInput<'a> {
    /// Creates an input with the program's defaults: all rows go to one channel, without guards and lists.
    pub fn new(channels: Vec<(String, Connection)>, source: Source, mapping: &'a Mapping, policy: Policy) -> Self {
        Self {
            channels,
            routing: Routing::One,
            source,
            source_name: DEFAULT_SOURCE.to_owned(),
            mapping,
            policy,
            duplicates: Duplicates::default(),
            retry_rejected: false,
            guards: InputGuards::default(),
            selection: Selection::default(),
            access: None,
            on_missing: None,
            approved: None,
            lists: &NO_LISTS,
            overrides: Overrides::default(),
            options: RunOptions::default(),
        }
    }
}

/// Makes the platform match an input: locks its channels, plans the input into the journal of the workspace, makes sure that the
/// channels may be sent to, sends what is pending, and lists the rows. It blocks.
///
/// # Errors
/// A [`SyncError`] when a guard refuses a channel, the input cannot be planned, or a list cannot be written: then nothing was
/// sent that changes a contact. Later failures are those of the [outcome](SyncOutcome).
pub fn sync_input<R: Reporter>(
    workspace: &Workspace,
    input: SyncInput<'_>,
    environment: Environment<'_, R>,
) -> Result<SyncOutcome, SyncError> {
    let SyncInput { channels, routing, source, mapping, policy, overrides, .. } = input;
    let Environment { stop, reporter, .. } = environment;
    routing.verify(channels.len())?;
    let journal = workspace.journal();
    check_age(&source, &input.guards, environment)?;
    let by_channel = routing.is_by_channel();
    let held = workspace.hold_all(channels, (mapping.match_fields(), policy), overrides, environment)?;
    let claims = input.lists.claim(workspace).map_err(SyncError::Claim)?;
    let input_name = source.name().to_owned();
    let runs: Vec<NewRun> = held.iter().map(|channel| new_run(channel, &input_name, policy)).collect();
    let names: Vec<String> = runs.iter().map(|run| run.channel.clone()).collect();

    let policies: Vec<Policy> = runs.iter().map(|run| run.policy).collect();
    let plan_options = PlanOptions {
        duplicates: input.duplicates,
        guards: input.guards,
        files: claims.files(),
        source_name: Some(input.source_name),
        retry_rejected: input.retry_rejected,
        selection: input.selection,
        on_missing: input.on_missing,
        listed: 0,
        approving: input.approved.map_or(Approving::Nothing, Approving::Check),
    };
    let to_plan = InputToPlan { source, mapping, routing: &routing, runs, policy, options: plan_options };
    let access = input.access;
    let (mut held, mut locked) = (Some(held), None);
    let mut searches = BTreeMap::new();
    // The platform is asked after the input has passed all guards.
    let mut last_guard = |to_send: &[&str]| {
        let admitted = workspace.admit(held.take().unwrap_or_default(), overrides, by_channel, environment)?;
        let Locked { channels, .. } = locked.insert(admitted);
        let Some(field) = &access else { return Ok(()) };
        for channel in channels.iter_mut().filter(|channel| to_send.contains(&channel.name())) {
            searches.insert(channel.name().to_owned(), check_access(channel, field, environment)?);
        }
        Ok(())
    };
    let (planned, changed_columns) = plan_input(journal, to_plan, &mut last_guard, environment)?;
    for (run, name) in planned.runs.iter().zip(&names) {
        journal.count_in_run(*run, searches.remove(name).unwrap_or_default())?;
    }
    changed_columns.remember(journal)?;
    let listed = claims.write(journal, planned.sync, stop)?;
    reporter.notify(&Notification::Planned(&planned));

    let Locked { channels, refused } = locked.expect("a plan is finished only after its last guard has passed");
    let channels: BTreeMap<&str, _> = channels.iter().map(|channel| (channel.name(), channel)).collect();
    let planned_runs = planned.runs.iter().zip(policies).zip(&names);
    let ready: Vec<_> = planned_runs
        .filter_map(|((run, policy), name)| {
            let channel = channels.get(name.as_str())?;
            Some(ReadyRun { run: *run, policy, channel, listed: Some(&listed) })
        })
        .collect();
    let other_runs = OtherRuns::of(journal, [planned.sync], &ready.iter().map(|run| run.run).collect())?;
    let (summary, channels) = execute(workspace, &ready, &other_runs, by_channel, input.options, environment);
    Ok(SyncOutcome { summary, channels, refused, lists: listed.finish(journal) })
}

/// A run of a channel with an input of this name.
pub(super) fn new_run(channel: &ReadOnlyChannel<'_>, input: &str, policy: Policy) -> NewRun {
    NewRun {
        channel: channel.name().to_owned(),
        url: channel.url().to_string(),
        kind: channel.kind().name().into(),
        rate: channel.connection.rate.get(),
        policy: channel.workspace.policy(channel.name(), policy),
        ..run_of_no_channel(input, policy)
    }
}
