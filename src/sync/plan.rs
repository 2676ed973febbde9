//! The plan of an input, for `sync` and for a dry run: reads its rows, maps them, and plans them in the journal, where
//! [`planner`](crate::core::planner) decides each of them. Nothing is sent. The use case of `plan` is in `dry_run`.

mod planning;
mod row_mapper;

use std::sync::Arc;

use self::planning::Planning;
use self::row_mapper::RowMapper;
use crate::core::approval::{Approval, Difference, digest};
use crate::core::contact_change::ContactChange;
use crate::core::diff::TagsMode;
use crate::core::duplicates::Duplicates;
use crate::core::guard::{InputGuards, Refused, RowCounts};
use crate::core::mapping::Mapping;
use crate::core::missing::{Mark, MissingCounts, MissingUnsure};
use crate::core::model::Mode;
use crate::core::output_format::{ListFiles, Listing};
use crate::core::planner::Planner;
use crate::core::routing::{NotRoutedCounts, RoutingTable};
use crate::core::selection::{ContactRef, Selection};
use crate::core::task::Policy;
use crate::input::{Source, SourceError};
use crate::journal::{
    Extent, FirstRows, FoundMissing, Journal, JournalError, MissingRules, NO_CHANNEL, NewPlan, NewRun, Plan,
};
use crate::sync::event::Observer;
use crate::sync::guard_error::GuardError;
use crate::sync::known_rows::KnownRows;
use crate::sync::row_router::{NoTags, RowRouter};
use crate::sync::stop::Stop;

/// Number of rows or contacts that a refusal names.
const LISTED: usize = 10;
const LISTED_ROWS: u32 = 10;

/// Why an input could not be planned. Nothing was sent, and an interrupted earlier run can still be resumed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The input cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A guard refuses it.
    #[error(transparent)]
    Refused(#[from] RefusedInput),
    /// The last guard, which looks at the platform, refuses it.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// Tags are to be mirrored, and the input has no column or key of tags.
    #[error("the input has no column or key with tags, and mirroring it would remove all tags that contactsync added")]
    NoTags,
    /// The run is to be limited to contacts of which the input has no row.
    #[error("the input has no contact {}; nothing was sent", names(.0))]
    NoSuchContact(Vec<ContactRef>),
    /// It is not what was approved.
    #[error("the plan is not the saved one: {0}; nothing was sent")]
    NotApproved(#[from] Difference),
    /// A stop was requested.
    #[error("stopped while reading the input: nothing was sent")]
    Stopped,
}

fn names(contacts: &[ContactRef]) -> String {
    contacts.iter().map(|contact| format!("`{contact}`")).collect::<Vec<_>>().join(", ")
}

/// An input that a guard refuses, with the rows that show why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct RefusedInput {
    /// Why it is refused.
    pub why: Refused,
    /// The first ten of the rows that are too many: contacts by their keys, rejected rows by their lines and reasons.
    pub first: Vec<String>,
}

impl RefusedInput {
    /// Reads the rows that show why the input with this number is refused.
    pub(super) fn read(
        why: Refused,
        journal: &Journal,
        sync: i64,
        missing: &[ContactChange],
    ) -> Result<Self, JournalError> {
        let which = match &why {
            Refused::TooManyChanges { .. } => Some(FirstRows::Pending),
            Refused::TooManyRejects { .. } => Some(FirstRows::Rejected),
            Refused::TooManyMissing { .. } => {
                let first = missing.iter().take(LISTED).map(|contact| contact.key.clone()).collect();
                return Ok(Self { why, first });
            }
            Refused::NoRows { .. } | Refused::TooFewRows { .. } | Refused::TooOld { .. } | Refused::UnknownAge => None,
        };
        let mut first = which.map_or_else(|| Ok(Vec::new()), |which| journal.first_rows(sync, which, LISTED_ROWS))?;
        if matches!(why, Refused::TooManyChanges { .. }) {
            let left = LISTED - first.len();
            first.extend(missing.iter().take(left).map(|contact| contact.key.clone()));
        }
        Ok(Self { why, first })
    }
}

impl From<NoTags> for PlanError {
    fn from(_: NoTags) -> Self {
        Self::NoTags
    }
}

/// The runs that the rows of an input go to.
#[derive(Clone, Debug)]
pub struct Routes {
    /// The runs, in the order of the table's destinations.
    pub(super) runs: Vec<NewRun>,
    /// The run for the rows of the table's last destination, which name no channel.
    pub(super) unknown: Option<NewRun>,
    /// Decides to which of them each row goes.
    pub(super) table: RoutingTable,
}

impl Routes {
    /// All rows go to one run.
    pub fn one(run: NewRun) -> Self {
        Self { runs: vec![run], unknown: None, table: RoutingTable::one() }
    }
}

/// Options for all rows of an input, whichever run they go to.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// Which of several rows of one contact counts.
    pub duplicates: Duplicates,
    /// Limits that the rows of the input must satisfy.
    pub guards: InputGuards,
    /// The files that list the rows.
    pub files: ListFiles,
    /// The name of the source of the input. Rows that did not change since the last input of the source are not mapped again.
    /// `None`: all rows are mapped, and nothing is kept of them for the next input.
    pub source_name: Option<String>,
    /// Whether rows that earlier runs rejected are tried again at once, and not only after some nights.
    pub retry_rejected: bool,
    /// The contacts to which the runs are limited.
    pub selection: Selection,
    /// What is done about the approval of the plan.
    pub approving: Approving,
    /// The mark that contacts get which the source had and no longer has; without one, they are only counted.
    pub on_missing: Option<Mark>,
    /// Maximum number of missing contacts that are listed; at least ten are.
    pub listed: usize,
}

/// What is done about the approval of a plan.
#[derive(Clone, Debug, Default)]
pub enum Approving {
    /// Nothing.
    #[default]
    Nothing,
    /// What is to be approved is recorded.
    Record,
    /// The plan must be the approved one.
    Check(Approval),
}

/// The runs that were planned from an input.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRuns {
    /// The number that they share.
    pub sync: i64,
    /// Their numbers, in the order of the routes.
    pub runs: Vec<i64>,
    /// The number of the run that holds the rows without a channel, when there are any.
    pub unknown: Option<i64>,
    /// Number of rows that belong to none of the runs.
    pub not_routed: NotRoutedCounts,
    /// Whether rows are rejected that earlier runs rejected and that are not tried again yet.
    pub has_waiting: bool,
    /// Number of rows of suppressed persons, which are skipped.
    pub suppressed: u64,
    /// What is to be approved of the plan, if it was asked for.
    pub approval: Option<Approval>,
    /// How many contacts are missing from the input.
    pub missing: MissingCounts,
    /// Number of contacts that are missing since the last input, or that are to be marked.
    pub missing_contacts: u64,
    /// The first of them.
    pub first_missing: Vec<ContactChange>,
    /// By channel, how many contacts seem to be missing and do not count as missing yet, and why.
    pub unsure: Vec<(String, u64, MissingUnsure)>,
}

/// Plans `source` in the journal. It needs a thread that may block.
///
/// # Errors
/// A [`PlanError`] when the input or the journal fails, a guard refuses the plan, or a stop is requested. Then no run can be resumed;
/// the next plan removes what an interrupted one has stored.
pub fn plan(
    journal: &Journal,
    source: Source,
    mapping: &Mapping,
    routes: Routes,
    plan_options: PlanOptions,
    observer: &impl Observer,
    stop: &Stop,
) -> Result<PlannedRuns, PlanError> {
    plan_guarded(journal, (source, mapping), routes, plan_options, &mut |_| Ok(()), observer, stop)
}

/// A guard that looks at the platform, after all others: it takes the names of the channels that something would be sent to.
pub(super) type LastGuard<'a> = dyn FnMut(&[&str]) -> Result<(), GuardError> + 'a;

/// [`plan`] with a last guard. If it refuses, no run is left.
pub(super) fn plan_guarded(
    journal: &Journal,
    (mut source, mapping): (Source, &Mapping),
    routes: Routes,
    plan_options: PlanOptions,
    last_guard: &mut LastGuard<'_>,
    observer: &impl Observer,
    stop: &Stop,
) -> Result<PlannedRuns, PlanError> {
    let PlanOptions {
        duplicates,
        guards,
        files,
        source_name,
        retry_rejected,
        selection,
        approving,
        on_missing,
        listed,
    } = plan_options;
    let Routes { mut runs, unknown, table } = routes;
    let at_unknown = unknown.is_some().then_some(runs.len());
    runs.extend(unknown);
    let is_mirror = runs.iter().any(|run| run.policy.tags_mode != TagsMode::Add);
    let tags_mode = if is_mirror { TagsMode::Mirror } else { TagsMode::Add };
    let row_router = RowRouter::new(table, mapping, source.detected(), tags_mode);
    let planner = Planner { duplicates, match_fields: mapping.match_fields().to_vec(), retry_rejected };
    let lists_rows = files.results.is_some();
    let channels: Vec<(String, String)> = runs.iter().map(|run| (run.channel.clone(), run.url.clone())).collect();
    let plan = journal.begin_plan(NewPlan { runs, planner, lists_rows })?;
    let settings = (&selection, on_missing.as_ref());
    let approver = Approver::new(approving, &plan, (channels, source_name.as_deref()), (&source, mapping), settings);
    // Rows that are not mapped have no name.
    let maps_all = !selection.only.is_empty();
    let is_limited = !selection.is_all();
    let rules = MissingRules { mark: on_missing, is_limited, retry_rejected, listed: listed.max(LISTED) };
    journal.limit_plan(&plan, selection)?;
    let read = |name| KnownRows::read(journal, &plan, name, (&source, mapping), (lists_rows, maps_all));
    let known = source_name.map(read).transpose()?;
    let known = known.as_ref();
    let mapper = RowMapper { router: &row_router, known, keeps_cells: files.rejects.is_some() };
    let mut planning = Planning::new(journal, &plan, (at_unknown, known), observer, stop);
    read_into(&mut planning, &mut source, &mapper)?;
    if planning.is_overfull() {
        // Too many rows changed to be held until the end of the input, where it is known which others share a contact with
        // them. All rows are mapped as they are read.
        known.into_iter().for_each(KnownRows::restart);
        planning = Planning::new(journal, &plan, (at_unknown, known), observer, stop);
        read_into(&mut planning, &mut source.again()?, &mapper)?;
    }
    planning.map_rows_sharing_contacts(&source, &mapper)?;
    planning.flush()?;
    source.detected().add_doubtful_values(planning.doubtful(), mapping);
    let missing = planning.find_missing(rules)?;
    let admitted = admit(journal, &plan, row_router, (guards, planning.kept(), &missing), approver);
    let approval = match admitted.and_then(|approval| pass(journal, &plan, last_guard).map(|()| approval)) {
        Ok(approval) => approval,
        Err(refused) => {
            journal.drop_plan(&plan)?;
            return Err(refused);
        }
    };
    // Only now is the encoding certain: a file may begin with much ASCII.
    let output_format = source.detected().output_format(source.header());
    let listing = (!files.is_empty()).then_some(Listing { files, output_format });
    let (has_unknown, not_routed) = (planning.has_unknown(), planning.not_routed());
    let Extent { has_waiting, suppressed, .. } = journal.extent(&plan)?;
    journal.finish_plan(&plan, listing, planning.into_snapshots())?;
    let mut runs: Vec<i64> = plan.runs.iter().map(|planning| planning.run).collect();
    let unknown = at_unknown.map(|at| runs.remove(at)).filter(|_| has_unknown);
    let FoundMissing { counts: missing, contacts: missing_contacts, listed: first_missing, unsure } = missing;
    Ok(PlannedRuns {
        sync: plan.sync,
        runs,
        unknown,
        not_routed,
        has_waiting,
        suppressed,
        approval,
        missing,
        missing_contacts,
        first_missing,
        unsure,
    })
}

// Maps all rows of the input, except those that did not change.
fn read_into(
    planning: &mut Planning<'_, impl Observer>,
    source: &mut Source,
    mapper: &RowMapper<'_>,
) -> Result<(), PlanError> {
    match mapper.known {
        Some(known) => source.in_recognised_batches(
            &known.recognition(),
            |part| mapper.map_part(part),
            |batch| planning.add(batch),
        ),
        None => source.in_batches(|row, remains| mapper.map(row, remains, None), |batch| planning.add(batch)),
    }
}

// Chooses the rows to send, and checks the guards that look at the whole input, and the approval.
fn admit(
    journal: &Journal,
    plan: &Arc<Plan>,
    router: RowRouter<'_>,
    (guards, kept, missing): (InputGuards, u64, &FoundMissing),
    approver: Option<Approver>,
) -> Result<Option<Approval>, PlanError> {
    router.finish()?;
    let not_found = journal.select_rows(plan)?;
    if !not_found.is_empty() {
        return Err(PlanError::NoSuchContact(not_found));
    }
    let counts = journal.extent(plan)?.counts;
    let counts = RowCounts { rows: counts.rows + kept, missing: missing.counts, ..counts };
    if let Err(why) = guards.check(&counts) {
        return Err(RefusedInput::read(why, journal, plan.sync, &missing.listed)?.into());
    }
    approver.map(|approver| approver.finish(journal, plan, counts)).transpose()
}

// Makes sure of what is known before something is created, and asks the last guard about the channels that something would
// be sent to.
fn pass(journal: &Journal, plan: &Arc<Plan>, last_guard: &mut LastGuard<'_>) -> Result<(), PlanError> {
    let to_send = journal.extent(plan)?.to_send;
    let channels = plan.runs.iter().filter(|run| to_send.contains(&run.run)).map(|run| run.channel.as_str());
    let channels: Vec<&str> = channels.filter(|name| *name != NO_CHANNEL).collect();
    // Contacts that are known are not created again only if the journal finds them.
    if !channels.is_empty() && plan.runs.iter().any(|run| run.policy.mode == Mode::Create) {
        journal.verify_known()?;
    }
    Ok(last_guard(&channels)?)
}

/// Records what is to be approved of a plan, and compares it with what was approved.
struct Approver {
    approved: Option<Approval>,
    channels: Vec<(String, String)>,
    configuration: String,
}

impl Approver {
    // `channels` are those of the plan, with their URLs.
    fn new(
        approving: Approving,
        plan: &Plan,
        (channels, source_name): (Vec<(String, String)>, Option<&str>),
        (source, mapping): (&Source, &Mapping),
        (selection, on_missing): (&Selection, Option<&Mark>),
    ) -> Option<Self> {
        let approved = match approving {
            Approving::Nothing => return None,
            Approving::Record => None,
            Approving::Check(approved) => Some(approved),
        };
        // Contacts that are searched for first are the same contacts.
        let policy = |policy| format!("{:?}", Policy { search_first: false, ..policy });
        let mut policies: Vec<_> = plan.runs.iter().map(|run| (&run.channel, policy(run.policy))).collect();
        policies.sort_unstable();
        let configuration = digest([
            ("header", format!("{:?}", source.header())),
            ("mapping", format!("{mapping:?}")),
            ("planner", format!("{:?}", plan.planner)),
            ("policies", format!("{policies:?}")),
            ("selection", format!("{selection:?}")),
            ("source", format!("{source_name:?}")),
            ("on_missing", format!("{on_missing:?}")),
        ]);
        Some(Self { approved, channels, configuration })
    }

    fn finish(self, journal: &Journal, plan: &Arc<Plan>, counts: RowCounts) -> Result<Approval, PlanError> {
        let Self { approved, channels, configuration } = self;
        let channels = channels.iter().filter(|(name, _)| name != NO_CHANNEL);
        let channels = channels.map(|(name, url)| (name.as_str(), url.as_str()));
        let approval = Approval::new(channels, counts, configuration, journal.decision_digest(plan)?);
        if let Some(approved) = approved {
            approved.check(&approval)?;
        }
        Ok(approval)
    }
}
