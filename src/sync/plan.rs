//! The plan of an input: reads its rows, maps them, and plans them in the journal. Nothing is sent.

use std::mem;
use std::sync::Arc;

use crate::core::diff::TagsMode;
use crate::core::doubtful_values::DoubtfulValues;
use crate::core::duplicates::Duplicates;
use crate::core::guard::{MaxChanges, TooManyChanges};
use crate::core::mapping::Mapping;
use crate::core::model::{Contact, Rejection};
use crate::core::output_format::{ListFiles, Listing};
use crate::core::planner::Planner;
use crate::core::record::{Cells, Record};
use crate::core::routing::{NotRouted, NotRoutedCounts, RoutedRow, RoutingTable};
use crate::core::task::Outcome;
use crate::input::{Row, Source, SourceError};
use crate::journal::{Journal, JournalError, NewPlan, NewRun, Plan, Planned, RowOutcome};
use crate::sync::event::{Event, Observer};
use crate::sync::row_router::{NoTags, RowRouter};
use crate::sync::stop::Stop;

/// Number of batches of rows in one commit. Each commit writes some pages for each channel of its rows.
const TOGETHER: usize = 8;

/// A batch of fewer rows than this is planned at once: its rows are large and should not be collected in memory.
const FEW: usize = 250;

/// Why an input could not be planned. Nothing was sent, and an interrupted earlier run can still be resumed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The input cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It would change more contacts than the guard allows.
    #[error(transparent)]
    TooMany(#[from] TooManyChanges),
    /// Tags are to be mirrored, and the input has no column or key of tags.
    #[error("the input has no column or key with tags, and mirroring it would remove all tags that contactsync added")]
    NoTags,
    /// A stop was requested.
    #[error("stopped while reading the input: nothing was sent")]
    Stopped,
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
    /// Maximum number of contacts that may be created or updated.
    pub max_changes: Option<MaxChanges>,
    /// The files that list the rows.
    pub files: ListFiles,
}

/// The runs that were planned from an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRuns {
    /// The number that they share.
    pub sync: i64,
    /// Their numbers, in the order of the routes.
    pub runs: Vec<i64>,
    /// The number of the run that holds the rows without a channel, when there are any.
    pub unknown: Option<i64>,
    /// Number of rows that belong to none of the runs.
    pub not_routed: NotRoutedCounts,
}

/// Plans `source` in the journal. It needs a thread that may block.
///
/// # Errors
/// A [`PlanError`] when the input or the journal fails, a guard refuses the plan, or a stop is requested. Then no run is
/// left.
pub fn plan(
    journal: &Journal,
    mut source: Source,
    mapping: &Mapping,
    routes: Routes,
    plan_options: PlanOptions,
    observer: &impl Observer,
    stop: &Stop,
) -> Result<PlannedRuns, PlanError> {
    let PlanOptions { duplicates, max_changes, files } = plan_options;
    let Routes { mut runs, unknown, table } = routes;
    let at_unknown = unknown.is_some().then_some(runs.len());
    runs.extend(unknown);
    let is_mirror = runs.iter().any(|run| run.policy.tags_mode == TagsMode::Mirror);
    let tags_mode = if is_mirror { TagsMode::Mirror } else { TagsMode::Add };
    let row_router = RowRouter::new(table, mapping, source.detected(), tags_mode);
    let planner = Planner { duplicates, match_fields: mapping.match_fields().to_vec() };
    let plan = journal.begin_plan(NewPlan { runs, planner, lists_rows: files.results.is_some() })?;
    let mut planning = Planning::new(journal, &plan, at_unknown, observer, stop);
    let keeps_cells = files.rejects.is_some();
    let route = |row: Row, remains| {
        let RoutedRow { destination, contact } = row_router.route(&row)?;
        Ok((destination, planned(row, contact, remains, keeps_cells)))
    };
    source.in_batches(route, |batch| planning.add(batch))?;
    planning.flush()?;
    source.detected().add_doubtful_values(&planning.doubtful, mapping);
    if let Err(refused) = admit(journal, &plan, row_router, max_changes) {
        journal.drop_plan(&plan)?;
        return Err(refused);
    }
    // Only now is the encoding certain: a file may begin with much ASCII.
    let output_format = source.detected().output_format(source.header());
    let listing = (!files.is_empty()).then_some(Listing { files, output_format });
    journal.finish_plan(&plan, listing)?;
    let mut runs: Vec<i64> = plan.runs.iter().map(|planning| planning.run).collect();
    let unknown = at_unknown.map(|at| runs.remove(at)).filter(|_| planning.has_unknown);
    Ok(PlannedRuns { sync: plan.sync, runs, unknown, not_routed: planning.not_routed })
}

// The row as the journal plans it.
fn planned(row: Row, contact: Result<Contact, Rejection>, remains: Option<Cells>, keeps_cells: bool) -> Planned {
    let (row, line, cells) = match row {
        Row::Record(Record { row, line, cells, total: _ }) => (row, line, Some(cells)),
        Row::Rejected(Rejection { row, line, .. }) => (row, line, remains),
    };
    let cells = cells.filter(|_| keeps_cells);
    match contact {
        Ok(contact) => Planned::Contact { row, line, contact, cells },
        Err(rejection) => Planned::Rejected { rejection, cells },
    }
}

// The guards that look at the whole input.
fn admit(
    journal: &Journal,
    plan: &Arc<Plan>,
    router: RowRouter<'_>,
    max_changes: Option<MaxChanges>,
) -> Result<(), PlanError> {
    router.finish()?;
    if let Some(guard) = max_changes {
        let extent = journal.extent(plan)?;
        guard.check(extent.changes, extent.rows)?;
    }
    Ok(())
}

/// The rows of an input that is being planned, as they are read.
struct Planning<'a, O> {
    journal: &'a Journal,
    plan: &'a Arc<Plan>,
    // The index of the run for rows that name no channel, and whether it has any.
    unknown: Option<usize>,
    has_unknown: bool,
    observer: &'a O,
    stop: &'a Stop,
    // The rows that are not in the journal yet.
    gathered: Vec<(usize, Planned)>,
    batches: usize,
    // Number of rows that are in the journal.
    rows: u64,
    not_routed: NotRoutedCounts,
    doubtful: DoubtfulValues,
}

impl<'a, O: Observer> Planning<'a, O> {
    fn new(journal: &'a Journal, plan: &'a Arc<Plan>, unknown: Option<usize>, observer: &'a O, stop: &'a Stop) -> Self {
        Self {
            journal,
            plan,
            unknown,
            has_unknown: false,
            observer,
            stop,
            gathered: Vec::new(),
            batches: 0,
            rows: 0,
            not_routed: NotRoutedCounts::default(),
            doubtful: DoubtfulValues::new(),
        }
    }

    fn add(&mut self, batch: Vec<Result<(usize, Planned), NotRouted>>) -> Result<(), PlanError> {
        let read = batch.len();
        for row in batch {
            match row {
                Ok((run, planned)) => {
                    if let Planned::Contact { line, contact, .. } = &planned {
                        self.doubtful.add(run, *line, contact);
                    }
                    self.has_unknown |= self.unknown == Some(run);
                    self.gathered.push((run, planned));
                }
                Err(why) => self.not_routed.add(why),
            }
        }
        self.batches += 1;
        if self.batches.is_multiple_of(TOGETHER) || read < FEW { self.flush() } else { Ok(()) }
    }

    // Plans the rows that were read so far.
    fn flush(&mut self) -> Result<(), PlanError> {
        if self.stop.reason().is_some() {
            return Err(PlanError::Stopped);
        }
        let batch = mem::take(&mut self.gathered);
        self.rows += u64::try_from(batch.len()).unwrap_or(0);
        for settled in self.journal.plan_rows(self.plan, batch)? {
            match settled {
                RowOutcome::Done { row, line, outcome: outcome @ Outcome::Rejected(_) } => {
                    self.observer.observe(&Event::Done { row, line, outcome: &outcome, listed: None });
                }
                RowOutcome::Done { .. } | RowOutcome::Merged | RowOutcome::Pending => {}
            }
        }
        self.observer.observe(&Event::Read { rows: self.rows });
        Ok(())
    }
}
