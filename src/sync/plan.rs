//! The plan of an input: reads its rows, maps them, and plans them in the journal. Nothing is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::core::diff::TagsMode;
use crate::core::duplicates::Duplicates;
use crate::core::guard::{MaxChanges, TooManyChanges};
use crate::core::mapping::Mapping;
use crate::core::model::{Contact, Rejection};
use crate::core::output_format::{ListFiles, Listing};
use crate::core::planner::Planner;
use crate::core::record::{Cells, Record};
use crate::core::shared_values::SharedValues;
use crate::core::task::Outcome;
use crate::input::{NoticeKind, Row, Source, SourceError};
use crate::journal::{Journal, JournalError, NewPlan, NewRun, Planned, RowOutcome};
use crate::sync::event::{Event, Observer};
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

/// Where the rows of an input go.
#[derive(Clone, Debug)]
pub enum Routes {
    /// All rows go to one run.
    One(NewRun),
    /// Each row goes to the run of the channel that it names.
    ByChannel {
        /// The runs, one for each channel.
        runs: Vec<NewRun>,
        /// Channels that other processes sync. Their rows are only counted.
        elsewhere: BTreeSet<String>,
        /// The run for the rows that name none of these channels; `None` only counts them, when another process rejects them.
        unknown: Option<NewRun>,
    },
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
    /// Number of rows that the rules do not take. They belong to none of the runs, and neither does a total below the rows.
    pub left_out: u64,
    /// Number of rows that name a channel of another process. They belong to none of the runs.
    pub of_others: u64,
    /// Number of rows that cannot be read or name no channel, where no run takes them. They belong to none of the runs.
    pub of_none: u64,
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
    let (mut ways, runs) = Router::new(routes);
    ways.keeps_rows = files.rejects.is_some();
    let match_fields = mapping.match_fields().to_vec();
    let is_mirror = runs.iter().any(|run| run.policy.tags_mode == TagsMode::Mirror);
    let mentions = TagMentions::new(if is_mirror { TagsMode::Mirror } else { TagsMode::Add });
    let lists_rows = files.results.is_some();
    let new = NewPlan { runs, planner: Planner { duplicates, match_fields }, lists_rows };
    let plan = journal.begin_plan(new)?;
    let (mut rows, mut unknown) = (0, false);
    let mut flush = |batch: Vec<(usize, Planned)>| -> Result<(), PlanError> {
        if stop.reason().is_some() {
            return Err(PlanError::Stopped);
        }
        rows += u64::try_from(batch.len()).unwrap_or(0);
        unknown |= batch.iter().any(|(at, _)| ways.unknown == Some(*at));
        for settled in journal.plan_rows(&plan, batch)? {
            match settled {
                RowOutcome::Done { row, line, outcome: outcome @ Outcome::Rejected(_) } => {
                    observer.observe(&Event::Done { row, line, outcome: &outcome, listed: None });
                }
                RowOutcome::Done { .. } | RowOutcome::Merged | RowOutcome::Pending => {}
            }
        }
        observer.observe(&Event::Read { rows });
        Ok(())
    };
    let (mut gathered, mut batches, mut left_out, mut of_others, mut of_none) = (Vec::new(), 0, 0, 0, 0);
    let detected = source.detected().clone();
    let mut shared = SharedValues::new();
    let make = |row: Row, remains: Option<Cells>| {
        let mention = mentions.of(&row, mapping);
        if let Row::Record(record) = &row {
            if !mapping.takes(record) {
                return Err(Unplanned::LeftOut);
            }
            if mapping.leaves_out_total(record) {
                detected.add_notice(NoticeKind::Total, record.line);
                return Err(Unplanned::Total);
            }
        }
        let (way, planned) = ways.route(row, remains, mapping);
        // A row that is not sent here removes no tags here.
        if matches!(way, Way::Run(_)) {
            mentions.add(mention);
        }
        Ok((way, planned))
    };
    source.in_batches(make, |made| {
        let read = made.len();
        for made in made {
            match made {
                Err(Unplanned::LeftOut) => left_out += 1,
                Err(Unplanned::Total) => {}
                Ok((Way::Run(place), planned)) => {
                    if let Planned::Contact { line, contact, .. } = &planned {
                        shared.add(place, *line, contact);
                    }
                    gathered.push((place, planned));
                }
                Ok((Way::Other, _)) => of_others += 1,
                Ok((Way::Unknown, _)) => of_none += 1,
            }
        }
        batches += 1;
        if batches % TOGETHER == 0 || read < FEW { flush(mem::take(&mut gathered)) } else { Ok(()) }
    })?;
    flush(gathered)?;
    detected.add_shared_values(&shared, mapping);
    if let Err(none) = mentions.check() {
        journal.drop_plan(&plan)?;
        return Err(none);
    }
    if let Some(guard) = max_changes {
        let extent = journal.extent(&plan)?;
        if let Err(refused) = guard.check(extent.changes, extent.rows) {
            journal.drop_plan(&plan)?;
            return Err(refused.into());
        }
    }
    // Only now is the encoding certain: a file may begin with much ASCII.
    let output_format = source.detected().output_format(source.header());
    let listing = (!files.is_empty()).then_some(Listing { files, output_format });
    journal.finish_plan(&plan, listing)?;
    let mut runs: Vec<i64> = plan.runs.iter().map(|planning| planning.run).collect();
    let unknown = ways.unknown.map(|at| runs.remove(at)).filter(|_| unknown);
    Ok(PlannedRuns { sync: plan.sync, runs, unknown, left_out, of_others, of_none })
}

/// Checks that an input whose tags are mirrored has a column or key of tags. Without one, mirroring would remove all tags.
#[derive(Debug)]
pub struct TagMentions {
    has_rows: AtomicBool,
    has_tags: AtomicBool,
}

impl TagMentions {
    /// Begins before the first row. With [`TagsMode::Add`], an input need not mention tags.
    pub const fn new(mode: TagsMode) -> Self {
        let needs_none = match mode {
            TagsMode::Mirror => false,
            TagsMode::Add => true,
        };
        Self { has_rows: AtomicBool::new(false), has_tags: AtomicBool::new(needs_none) }
    }

    /// Whether a row mentions tags; `None` when it does not matter. Several threads may call it.
    pub fn of(&self, row: &Row, mapping: &Mapping) -> Option<bool> {
        match row {
            Row::Record(record) if !self.has_tags.load(Ordering::Relaxed) && mapping.takes(record) => {
                Some(mapping.mentions_tags(record))
            }
            Row::Record(_) | Row::Rejected(_) => None,
        }
    }

    /// Adds the result of [`of`](Self::of) for a row that goes to one of the channels.
    pub fn add(&self, mention: Option<bool>) {
        let Some(has_tags) = mention else { return };
        self.has_rows.store(true, Ordering::Relaxed);
        if has_tags {
            self.has_tags.store(true, Ordering::Relaxed);
        }
    }

    /// Checks whether the input may be used.
    ///
    /// # Errors
    /// [`PlanError::NoTags`] when it has rows and none of them mentions tags.
    pub fn check(self) -> Result<(), PlanError> {
        if self.has_rows.into_inner() && !self.has_tags.into_inner() { Err(PlanError::NoTags) } else { Ok(()) }
    }
}

/// Why a row is no row of the input.
enum Unplanned {
    /// The rules do not take it.
    LeftOut,
    /// It is a total of the rows above it.
    Total,
}

/// Where a row goes.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// To the run at this index.
    Run(usize),
    /// To a channel of another process.
    Other,
    /// Nowhere: it names no channel, and no run takes such rows.
    Unknown,
}

/// Which of the runs a row goes to.
struct Router {
    // The index of the run of each channel; `None` for channels of other processes. Empty when all rows go to the first run.
    channels: BTreeMap<String, Option<usize>>,
    unknown: Option<usize>,
    // Whether rows are stored as they were read, too.
    keeps_rows: bool,
}

impl Router {
    fn new(routes: Routes) -> (Self, Vec<NewRun>) {
        match routes {
            Routes::One(run) => (Self { channels: BTreeMap::new(), unknown: None, keeps_rows: false }, vec![run]),
            Routes::ByChannel { mut runs, elsewhere, unknown } => {
                let here = runs.iter().enumerate().map(|(at, run)| (run.channel.clone(), Some(at)));
                let channels = here.chain(elsewhere.into_iter().map(|channel| (channel, None))).collect();
                let last = runs.len();
                let unknown = unknown.map(|run| {
                    runs.push(run);
                    last
                });
                (Self { channels, unknown, keeps_rows: false }, runs)
            }
        }
    }

    // A row that cannot be read names no channel either.
    fn route(&self, row: Row, remains: Option<Cells>, mapping: &Mapping) -> (Way, Planned) {
        match row {
            Row::Rejected(rejection) => {
                let cells = remains.filter(|_| self.keeps_rows);
                (self.of_no_channel(), Planned::Rejected { rejection, cells })
            }
            Row::Record(record) => {
                let (place, contact) = self.contact(&record, mapping);
                let Record { row, line, cells, is_total: _ } = record;
                let cells = self.keeps_rows.then_some(cells);
                let planned = match contact {
                    Ok(contact) => Planned::Contact { row, line, contact, cells },
                    Err(rejection) => Planned::Rejected { rejection, cells },
                };
                (place, planned)
            }
        }
    }

    fn contact(&self, record: &Record, mapping: &Mapping) -> (Way, Result<Contact, Rejection>) {
        match mapping.channel_among(record, &self.channels) {
            Ok(None) => (self.of_no_channel(), mapping.contact(record)),
            Ok(Some(Some(place))) => (Way::Run(*place), mapping.contact(record)),
            Ok(Some(None)) => (Way::Other, mapping.contact(record)),
            Err(rejection) => (self.of_no_channel(), Err(rejection)),
        }
    }

    fn of_no_channel(&self) -> Way {
        if self.channels.is_empty() { Way::Run(0) } else { self.unknown.map_or(Way::Unknown, Way::Run) }
    }
}
