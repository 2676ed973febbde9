//! The use case of `plan`: what a sync would do. It sends nothing and writes nothing.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use crate::core::approval::Approval;
use crate::core::call::CallKind;
use crate::core::contact_change::ContactChange;
use crate::core::duplicates::Duplicates;
use crate::core::eta::{Eta, Limits, RateModel, TYPICAL_LATENCY};
use crate::core::field_use::FieldUses;
use crate::core::forecast::{Forecast, Range};
use crate::core::guard::{InputGuards, RowCounts};
use crate::core::mapping::Mapping;
use crate::core::marker::{MarkerCandidates, PullSuggestion};
use crate::core::missing::Mark;
use crate::core::model::Field;
use crate::core::selection::Selection;
use crate::core::start_throttle::StartThrottle;
use crate::core::task::Policy;
use crate::core::time::Timestamp;
use crate::input::Source;
use crate::journal::{Counts, Journal, LearntLimit, NewRun, SendJournal};
use crate::platform::BaseUrl;
use crate::sync::environment::Environment;
use crate::sync::execute::RunOptions;
use crate::sync::other_runs::WITHOUT_CHANNEL;
use crate::sync::plan::{Approving, PlanOptions, PlannedRuns, RefusedInput};
use crate::sync::plan_input::{InputToPlan, check_age, plan_input, run_of_no_channel};
use crate::sync::report::{PlanSummary, Summary};
use crate::sync::reporter::{Notification, Reporter};
use crate::sync::routing::Routing;
use crate::sync::run::concurrency_for;
use crate::sync::shared_window_eta::{Load, etas};
use crate::sync::summary::plan_summary;
use crate::sync::sync_error::SyncError;
use crate::sync::sync_input::DEFAULT_SOURCE;
use crate::sync::workspace::{JournalOf, Overrides};

/// Number of pending contacts that are looked at for a field that all have in common.
const LOOKED_AT: u32 = 1_000;

/// Number of contacts that are looked at for fields that were never written.
const LOOKED_AT_FOR_READS: usize = 1_000;

/// A channel that a sync would send to.
#[derive(Clone, Debug)]
pub struct DryChannel {
    /// Its name.
    pub name: String,
    /// Where its calls would go, when that is known.
    pub url: Option<BaseUrl>,
    /// Maximum number of calls a minute.
    pub rate: NonZeroU32,
    /// Maximum number of calls that start at once; the rate when `None`.
    pub burst: Option<NonZeroU32>,
    /// Maximum number of calls in flight; see [`concurrency_for`] when `None`.
    pub concurrency: Option<usize>,
    /// Channels with an equal number have the same token, so that their calls count together; `None` for a token that no other channel has.
    pub token: Option<usize>,
}

impl DryChannel {
    /// Creates a channel from its name and its rate, in calls a minute. All other fields are `None`.
    pub const fn new(name: String, rate: NonZeroU32) -> Self {
        Self { name, url: None, rate, burst: None, concurrency: None, token: None }
    }
}

/// An input, and the channels that its rows would go to. [`DryRun::new`] has the defaults, which are those of
/// [`SyncInput`](crate::SyncInput).
pub struct DryRun<'a> {
    /// The channels.
    pub channels: Vec<DryChannel>,
    /// Which of them each row goes to.
    pub routing: Routing,
    /// The rows.
    pub source: Source,
    /// The name of where the input comes from; see [`SyncInput`](crate::SyncInput).
    pub source_name: String,
    /// How rows become contacts.
    pub mapping: &'a Mapping,
    /// How contacts are created and changed.
    pub policy: Policy,
    /// What becomes of several rows of one contact.
    pub duplicates: Duplicates,
    /// Whether rows that earlier runs rejected are tried again at once, and not only after some nights.
    pub retry_rejected: bool,
    /// Limits that the input must satisfy. If it does not, the plan is still made and reports the refusal.
    pub guards: InputGuards,
    /// The contacts to which the runs are limited.
    pub selection: Selection,
    /// The mark that contacts would get which the source had and no longer has; without one, they are only counted.
    pub on_missing: Option<Mark>,
    /// Maximum number of contacts whose changes are listed.
    pub listed: usize,
    /// The field and the value of the contact that a sync would search for before the first write.
    pub access: Option<Field>,
    /// Whether a sync would read a contact back after the first write of a field.
    pub read_back: bool,
    /// Whether it records what is to be approved.
    pub is_recorded: bool,
    /// The guards that would be overridden.
    pub overrides: Overrides,
    /// How far a run goes that begins at this time.
    pub limits: &'a dyn Fn(Timestamp) -> Limits,
}

impl<'a> DryRun<'a> {
    /// Creates an input with the program's defaults. No change is listed, and nothing is recorded.
    pub fn new(channels: Vec<DryChannel>, source: Source, mapping: &'a Mapping, policy: Policy) -> Self {
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
            on_missing: None,
            listed: 0,
            access: None,
            read_back: RunOptions::default().read_back,
            is_recorded: false,
            overrides: Overrides::default(),
            limits: &|_| Limits::default(),
        }
    }
}

/// What a sync would do.
#[derive(Debug)]
pub struct DryRunOutcome {
    /// The summary of all channels.
    pub summary: PlanSummary,
    /// Whether a call could end within the limits.
    pub has_room: bool,
    /// The rate limits that the platform stated, by channel, where they are lower than the channel's rate.
    pub learnt: Vec<(String, LearntLimit)>,
    /// The pull that would take fewer calls than searching for the unknown contacts one by one, for an input of one channel.
    pub pull: Option<PullSuggestion>,
    /// Why a sync would refuse the input, if it would.
    pub refused: Option<RefusedInput>,
    /// What would be sent for the first contacts, as many as were asked for: those of rows, then those that are missing.
    pub changes: Vec<ContactChange>,
    /// Which fields cause the updates of known contacts.
    pub fields: FieldUses,
    /// Number of rows for whose contacts something would be sent.
    pub to_send: u64,
    /// Number of contacts that are missing since the last input, or that would be marked as missing.
    pub missing: u64,
    /// What is to be approved, if it was asked for.
    pub approval: Option<Approval>,
}

/// Plans an input in memory, against what the journal at `path` knows. It blocks.
///
/// # Errors
/// A [`SyncError`] when the channels' known contacts are on another platform, the input cannot be planned, or the journal cannot
/// be read.
pub fn dry_run<R: Reporter>(
    path: &Path,
    dry_run: DryRun<'_>,
    environment: Environment<'_, R>,
) -> Result<DryRunOutcome, SyncError> {
    let DryRun { channels, routing, source, source_name, mapping, policy, duplicates, .. } = dry_run;
    let DryRun { retry_rejected, guards, selection, on_missing, listed, access, read_back, is_recorded, .. } = dry_run;
    let DryRun { overrides, limits, .. } = dry_run;
    let checks_access = access.is_some();
    routing.verify(channels.len())?;
    let Environment { clock, reporter, .. } = environment;
    let journal = Journal::dry(path)?;
    for channel in &channels {
        let known = JournalOf { journal: &journal, path };
        let matches = (mapping.match_fields(), policy);
        let mismatches = known.mismatches(&channel.name, channel.url.as_ref(), matches, overrides)?;
        if let Some(error) = mismatches.into_iter().next() {
            return Err(error.into());
        }
    }
    let begun = clock.now();
    let too_old = check_age(&source, &guards, environment).err();
    let new = run_of_no_channel(source.name(), policy);
    let run = |channel: &DryChannel| NewRun {
        channel: channel.name.clone(),
        url: channel.url.as_ref().map(ToString::to_string).unwrap_or_default(),
        rate: channel.rate.get(),
        ..new.clone()
    };
    let by_channel = routing.is_by_channel();
    let runs = channels.iter().map(run).collect();
    // The guards are compared afterwards, so that the plan of a refused input is shown. No list is written.
    let options = PlanOptions {
        duplicates,
        source_name: Some(source_name),
        retry_rejected,
        selection,
        on_missing,
        listed,
        approving: if is_recorded { Approving::Record } else { Approving::Nothing },
        ..PlanOptions::default()
    };
    let to_plan = InputToPlan { source, mapping, routing: &routing, runs, policy, options };
    let (planned, _) = plan_input(&journal, to_plan, &mut |_| Ok(()), environment)?;
    reporter.notify(&Notification::Planned(&planned));

    let now = clock.now();
    let reads = if read_back { journal.expected_reads(planned.sync, LOOKED_AT_FOR_READS)? } else { BTreeMap::new() };
    let estimating =
        Estimating { journal: &journal, channels: &channels, policy, overrides, checks_access, reads: &reads, now };
    let (windows, learnt) = estimating.windows(&planned, environment)?;
    let worked = clock.now().since(begun);
    let (mut summaries, has_room) = summaries(&windows, &limits(now), worked);
    if let Some(run) = planned.unknown {
        let counts = journal.counts_blocking(run)?;
        let nothing = plan_summary(&counts, &Forecast::default(), &Eta::default(), worked);
        summaries.insert(WITHOUT_CHANNEL.into(), nothing);
    }
    let summary = match (by_channel, summaries.pop_first()) {
        (false, Some((_, only))) => only,
        (_, first) => Summary::of_channels(summaries.into_iter().chain(first).collect()),
    };
    let to_send = summary.pending - deferred(&journal, &planned)?;
    let counts =
        RowCounts { rows: summary.rows, changes: to_send, rejected: summary.rejected, missing: planned.missing };
    let refused = match (too_old, guards.check(&counts)) {
        (Some(too_old), _) => Some(too_old),
        (None, Err(why)) => Some(RefusedInput::read(why, &journal, planned.sync, &planned.first_missing)?),
        (None, Ok(())) => None,
    };
    let pull = match (&planned.runs[..], &channels[..]) {
        ([run], [_]) => {
            suggested_pull(&journal, *run, summary.calls.find.min.saturating_sub(u64::from(checks_access)))?
        }
        _ => None,
    };
    let mut changes = journal.first_changes(planned.sync, listed)?;
    let left = listed - changes.len();
    changes.extend(planned.first_missing.into_iter().take(left));
    let fields = journal.field_uses(planned.sync)?;
    let missing = planned.missing_contacts;
    Ok(DryRunOutcome {
        summary,
        has_room,
        learnt,
        pull,
        refused,
        changes,
        fields,
        to_send,
        missing,
        approval: planned.approval,
    })
}

// Number of rows that stay pending because the runs are limited to others.
fn deferred(journal: &Journal, planned: &PlannedRuns) -> Result<u64, SyncError> {
    let of = |run: &i64| Ok(journal.counts_blocking(*run)?.deferred);
    planned.runs.iter().map(of).sum()
}

// A pull by a field that has the same value in the first unknown contacts.
fn suggested_pull(journal: &Journal, run: i64, finds: u64) -> Result<Option<PullSuggestion>, SyncError> {
    if finds == 0 {
        return Ok(None);
    }
    let mut candidates = MarkerCandidates::default();
    for contact in journal.first_unknown(run, LOOKED_AT)? {
        candidates.take(&contact);
        if candidates.is_decided() {
            break;
        }
    }
    Ok(candidates.suggestion(finds))
}

// The summary of each channel, and whether a call of each could end within the limits.
fn summaries(windows: &Windows<'_>, limits: &Limits, worked: Duration) -> (BTreeMap<String, PlanSummary>, bool) {
    let (mut summaries, mut has_room) = (BTreeMap::new(), true);
    for (members, loads) in windows.values() {
        for ((channel, counts, forecast), eta) in members.iter().zip(etas(loads, limits)) {
            has_room &= eta.runs.is_some();
            summaries.insert(channel.name.clone(), plan_summary(counts, forecast, &eta, worked));
        }
    }
    (summaries, has_room)
}

/// What the time of the calls is estimated from.
struct Estimating<'a> {
    journal: &'a Journal,
    channels: &'a [DryChannel],
    policy: Policy,
    overrides: Overrides,
    checks_access: bool,
    // The reads that are expected after first writes, by channel.
    reads: &'a BTreeMap<String, u64>,
    now: Timestamp,
}

/// The channels of a window, with their counts, their calls, and the load that they put on it.
type Window<'a> = (Vec<(&'a DryChannel, Counts, Forecast)>, Vec<Load>);

/// The windows, by their token, or by the name of the channel whose token is its own.
type Windows<'a> = BTreeMap<(Option<usize>, Option<&'a str>), Window<'a>>;

impl<'a> Estimating<'a> {
    // As if it were sent now: the calls of the past minute hold it up, and calls take as long as they took before. The tokens
    // are not read. Also gives the lower limits that the platform stated.
    fn windows<R>(
        &self,
        planned: &PlannedRuns,
        environment: Environment<'_, R>,
    ) -> Result<(Windows<'a>, Vec<(String, LearntLimit)>), SyncError> {
        let throttle = StartThrottle::of(self.channels.iter().map(|channel| channel.rate));
        let (mut windows, mut limits) = (Windows::new(), Vec::new());
        for (run, channel) in planned.runs.iter().zip(self.channels) {
            let name = &channel.name;
            let counts = environment.runtime.block_on(self.journal.counts(*run))?;
            let mut forecast = environment.runtime.block_on(self.journal.forecast(*run, name, self.policy))?;
            forecast.add(CallKind::Read, Range { min: 0, max: self.reads.get(name).copied().unwrap_or(0) });
            if self.checks_access && (counts.pending > counts.deferred || counts.marks > 0) {
                forecast.add(CallKind::Find, Range { min: 1, max: 1 });
            }
            let ended = self.journal.ended_lately(name, self.now)?;
            let latency = self.journal.mean_latency_of(name)?.unwrap_or(TYPICAL_LATENCY);
            let mut rate_model = channel.rate_model(self.now, ended, latency, throttle);
            // Unless it is to be forgotten, as a sync would with the same overrides.
            let learnt = self.journal.learnt_limit_of(name, self.now)?.filter(|_| !self.overrides.forget_limit);
            if let Some(learnt) = learnt.filter(|learnt| learnt.calls < channel.rate.get()) {
                rate_model.limit = usize::try_from(learnt.calls).unwrap_or(usize::MAX);
                limits.push((name.clone(), learnt));
            }
            let own = channel.token.is_none().then_some(name.as_str());
            let (members, loads) = windows.entry((channel.token, own)).or_default();
            members.push((channel, counts, forecast));
            loads.push(Load { calls: forecast.total, rate_model });
        }
        Ok((windows, limits))
    }
}

impl DryChannel {
    fn rate_model(
        &self,
        now: Timestamp,
        ended: Vec<Timestamp>,
        latency: Duration,
        throttle: StartThrottle,
    ) -> RateModel {
        let concurrency = self.concurrency.unwrap_or_else(|| concurrency_for(self.rate));
        RateModel {
            ended,
            latency,
            throttle: Some(throttle),
            ..RateModel::quiet(self.rate, self.burst, concurrency, now)
        }
    }
}
