//! The plan of an input: reads its rows, maps them, and plans them in the journal. Nothing is sent.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::mem;
use std::sync::Arc;
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
use crate::core::snapshot::RowHash;
use crate::core::task::Outcome;
use crate::input::{NoticeKind, Row, Source, SourceError};
use crate::journal::{Journal, JournalError, NewPlan, NewRun, Plan, Planned, RowOutcome};
use crate::sync::event::{Event, Observer};
use crate::sync::known_rows::{Demoted, KnownRow, KnownRows, NewRow, NextRows};
use crate::sync::stop::Stop;

/// Number of batches of rows in one commit. Each commit writes some pages for each channel of its rows.
const TOGETHER: usize = 8;

/// A batch of fewer rows than this is planned at once: its rows are large and should not be collected in memory.
const FEW: usize = 250;

/// Number of rows that are planned in one request to the journal.
const PLANNED_AT_ONCE: usize = 8_000;

/// How many bytes of rows are held, about, until the whole input was compared with the last one.
const MOST_HELD: usize = if cfg!(test) { 12 * 1024 } else { 128 * 1024 * 1024 };

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
    /// The name of the source of the input. Rows that are as they were in the last input of the source are not mapped again.
    /// `None`: all rows are mapped, and nothing is kept of them for the next input.
    pub source_name: Option<String>,
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
    let PlanOptions { duplicates, max_changes, files, source_name } = plan_options;
    let (mut ways, runs) = Router::new(routes);
    ways.keeps_rows = files.rejects.is_some();
    let match_fields = mapping.match_fields().to_vec();
    let is_mirror = runs.iter().any(|run| run.policy.tags_mode == TagsMode::Mirror);
    let mentions = TagMentions::new(if is_mirror { TagsMode::Mirror } else { TagsMode::Add });
    let plan = journal.begin_plan(NewPlan { runs, planner: Planner { duplicates, match_fields } })?;
    let is_listed = files.results.is_some();
    let read = |name| KnownRows::read(journal, &plan, name, (&source, mapping), is_listed);
    let known = source_name.map(read).transpose()?;
    let known = known.as_ref();
    let mapper = Mapper { ways: &ways, mapping, mentions: &mentions, known };
    let begin = || Planning::new(journal, &plan, (&ways, known), observer, stop);
    let mut planning = begin();
    source.in_batches(|row, remains| mapper.make(row, remains), |made| planning.take(made))?;
    if planning.is_overfull {
        // Too many rows changed to be held until it is known which others they meet. All rows are mapped as they are read.
        known.into_iter().for_each(KnownRows::restart);
        planning = begin();
        source.again()?.in_batches(|row, remains| mapper.make(row, remains), |made| planning.take(made))?;
    }
    planning.map_met(&source, &mapper)?;
    planning.flush()?;
    let detected = source.detected();
    for line in &planning.totals {
        detected.add_notice(NoticeKind::Total, *line);
    }
    detected.add_shared_values(&planning.shared, mapping);
    if let Err(none) = mentions.check() {
        journal.drop_plan(&plan)?;
        return Err(none);
    }
    if let Some(guard) = max_changes {
        let extent = journal.extent(&plan)?;
        if let Err(refused) = guard.check(extent.changes, extent.rows + planning.kept()) {
            journal.drop_plan(&plan)?;
            return Err(refused.into());
        }
    }
    // Only now is the encoding certain: a file may begin with much ASCII.
    let output_format = detected.output_format(source.header());
    let listing = (!files.is_empty()).then_some(Listing { files, output_format });
    let Planning { next, has_unknown, left_out, of_others, of_none, .. } = planning;
    let snapshots = known.zip(next).map_or_else(Vec::new, |(known, next)| known.finish(next));
    journal.finish_plan_with(&plan, listing, snapshots)?;
    let mut runs: Vec<i64> = plan.runs.iter().map(|planning| planning.run).collect();
    let unknown = ways.unknown.map(|at| runs.remove(at)).filter(|_| has_unknown);
    Ok(PlannedRuns { sync: plan.sync, runs, unknown, left_out, of_others, of_none })
}

/// What is made of a row while it is read.
enum Made {
    /// It is as it was.
    Known(KnownRow),
    /// It was mapped.
    Mapped(Box<(Way, Planned, Option<RowHash>)>),
    /// It is no row of the input.
    Unplanned(Unplanned),
}

/// Makes something of each row. Several threads do.
struct Mapper<'a> {
    ways: &'a Router,
    mapping: &'a Mapping,
    mentions: &'a TagMentions,
    known: Option<&'a KnownRows<'a>>,
}

impl Mapper<'_> {
    fn make(&self, row: Row, remains: Option<Cells>) -> Made {
        if self.known.is_some_and(KnownRows::is_draining) {
            return Made::Unplanned(Unplanned::LeftOut);
        }
        let hash = self.known.and_then(|known| known.hash(&row));
        if let (Some(known), Some(hash), Row::Record(record)) = (self.known, hash, &row)
            && let Some(found) = known.find(record.row, hash)
        {
            self.mentions.add(self.mentions.of(&row, self.mapping));
            return Made::Known(found);
        }
        self.map(row, remains, hash)
    }

    fn map(&self, row: Row, remains: Option<Cells>, hash: Option<RowHash>) -> Made {
        let mention = self.mentions.of(&row, self.mapping);
        if let Row::Record(record) = &row {
            if !self.mapping.takes(record) {
                return Made::Unplanned(Unplanned::LeftOut);
            }
            if self.mapping.leaves_out_total(record) {
                return Made::Unplanned(Unplanned::Total { line: record.line });
            }
        }
        let (way, planned) = self.ways.route(row, remains, self.mapping);
        // A row that is not sent here removes no tags here.
        if matches!(way, Way::Run(_)) {
            self.mentions.add(mention);
        }
        Made::Mapped(Box::new((way, planned, hash)))
    }
}

/// A row that is to be planned, and its place in the next snapshot.
struct Gathered {
    run: usize,
    planned: Planned,
    new: Option<NewRow>,
}

/// The rows of an input that is being planned, as they are read.
struct Planning<'a, O> {
    journal: &'a Journal,
    plan: &'a Arc<Plan>,
    ways: &'a Router,
    known: Option<&'a KnownRows<'a>>,
    next: Option<NextRows>,
    observer: &'a O,
    stop: &'a Stop,
    // The rows that are not in the journal yet. While known rows are found, all of them: it must be known first which known
    // rows they meet.
    gathered: Vec<Gathered>,
    weight: usize,
    is_overfull: bool,
    batches: usize,
    // Number of rows that were read, without those that are no rows of the input.
    rows: u64,
    totals: Vec<u64>,
    left_out: u64,
    of_others: u64,
    of_none: u64,
    has_unknown: bool,
    shared: SharedValues,
}

impl<'a, O: Observer> Planning<'a, O> {
    fn new(
        journal: &'a Journal,
        plan: &'a Arc<Plan>,
        (ways, known): (&'a Router, Option<&'a KnownRows<'a>>),
        observer: &'a O,
        stop: &'a Stop,
    ) -> Self {
        Self {
            journal,
            plan,
            ways,
            known,
            next: known.map(KnownRows::begin_next),
            observer,
            stop,
            gathered: Vec::new(),
            weight: 0,
            is_overfull: false,
            batches: 0,
            rows: 0,
            totals: Vec::new(),
            left_out: 0,
            of_others: 0,
            of_none: 0,
            has_unknown: false,
            shared: SharedValues::new(),
        }
    }

    fn kept(&self) -> u64 {
        self.next.as_ref().map_or(0, NextRows::kept)
    }

    fn is_matching(&self) -> bool {
        self.known.is_some_and(KnownRows::is_matching)
    }

    fn take(&mut self, made: Vec<Made>) -> Result<(), PlanError> {
        self.check_stop()?;
        let read = made.len();
        if self.is_overfull {
            return Ok(());
        }
        for made in made {
            match made {
                Made::Known(known) => {
                    self.rows += 1;
                    if let Some(next) = &mut self.next {
                        next.keep(known);
                    }
                }
                Made::Unplanned(why) => {
                    match why {
                        Unplanned::LeftOut => self.left_out += 1,
                        Unplanned::Total { line } => self.totals.push(line),
                    }
                    // In a snapshot of all rows, the others are found where they were.
                    if let Some(next) = self.next.as_mut().filter(|_| self.ways.channels.is_empty()) {
                        next.add(0, None);
                    }
                }
                Made::Mapped(mapped) => match *mapped {
                    (Way::Run(run), planned, hash) => {
                        let new = self.next.as_mut().map(|next| next.add(run, hash));
                        self.gather(run, planned, new);
                    }
                    (Way::Other, ..) => self.of_others += 1,
                    (Way::Unknown, ..) => self.of_none += 1,
                },
            }
        }
        self.batches += 1;
        if self.is_matching() {
            if self.weight > MOST_HELD {
                self.is_overfull = true;
                self.gathered = Vec::new();
                self.known.into_iter().for_each(KnownRows::stop_matching);
            } else if self.batches.is_multiple_of(TOGETHER) {
                self.observer.observe(&Event::Read { rows: self.rows });
            }
            return Ok(());
        }
        if self.batches.is_multiple_of(TOGETHER) || read < FEW { self.flush() } else { Ok(()) }
    }

    fn gather(&mut self, run: usize, planned: Planned, new: Option<NewRow>) {
        if let Planned::Contact { line, contact, .. } = &planned {
            self.shared.add(run, *line, contact);
        }
        self.rows += 1;
        self.has_unknown |= self.ways.unknown == Some(run);
        if self.is_matching() {
            self.weight += weight(&planned);
        }
        self.gathered.push(Gathered { run, planned, new });
    }

    // Maps the known rows that those which were mapped meet, until there are no more.
    fn map_met(&mut self, source: &Source, mapper: &Mapper<'_>) -> Result<(), PlanError> {
        let Some(known) = self.known.filter(|known| known.is_matching()) else { return Ok(()) };
        let mut demoted = Demoted::new();
        let mut from = 0;
        loop {
            let contacts = self.gathered[from..].iter().filter_map(|gathered| match &gathered.planned {
                Planned::Contact { contact, .. } => Some((gathered.run, contact)),
                Planned::Rejected { .. } => None,
            });
            let met = known.met_by(contacts, &demoted)?;
            if met.is_empty() {
                break;
            }
            from = self.gathered.len();
            self.map_again(source, mapper, &met)?;
            demoted.extend(met);
        }
        self.gathered.sort_by_key(|gathered| gathered.planned.row());
        Ok(())
    }

    // Reads the input again for these known rows.
    fn map_again(&mut self, source: &Source, mapper: &Mapper<'_>, met: &Demoted) -> Result<(), PlanError> {
        let in_plan: HashSet<u64> = self.gathered.iter().map(|gathered| gathered.planned.row()).collect();
        let make = |row: Row, _| {
            let hash = mapper.known.and_then(|known| known.hash(&row))?;
            let known = met.get(&hash).filter(|_| !in_plan.contains(&row.place()))?;
            match mapper.map(row, None, Some(hash)) {
                Made::Mapped(row) => match *row {
                    (Way::Run(run), planned, _) => Some((*known, hash, run, planned)),
                    (Way::Other | Way::Unknown, ..) => None,
                },
                Made::Known(_) | Made::Unplanned(_) => None,
            }
        };
        let mut count = 0;
        source.again()?.in_batches(make, |made| {
            self.check_stop()?;
            for (known, hash, run, planned) in made.into_iter().flatten() {
                count += 1;
                // It was counted when it was found.
                self.rows -= 1;
                let new = self.next.as_mut().map(|next| next.replace(known, hash));
                self.gather(run, planned, new);
            }
            Ok::<(), PlanError>(())
        })?;
        if count == met.len() { Ok(()) } else { Err(source.changed().into()) }
    }

    fn check_stop(&self) -> Result<(), PlanError> {
        if self.stop.reason().is_some() { Err(PlanError::Stopped) } else { Ok(()) }
    }

    // Plans the rows that were gathered.
    fn flush(&mut self) -> Result<(), PlanError> {
        self.check_stop()?;
        let mut gathered = mem::take(&mut self.gathered).into_iter().peekable();
        while gathered.peek().is_some() {
            let (batch, new): (Vec<_>, Vec<_>) =
                gathered.by_ref().take(PLANNED_AT_ONCE).map(|row| ((row.run, row.planned), row.new)).unzip();
            for ((settled, trace), new) in self.journal.plan_rows_traced(self.plan, batch)?.into_iter().zip(new) {
                if let (Some(next), Some(new)) = (&mut self.next, new) {
                    next.settle(new, &trace);
                }
                match settled {
                    RowOutcome::Done { row, line, outcome: outcome @ Outcome::Rejected(_) } => {
                        self.observer.observe(&Event::Done { row, line, outcome: &outcome, listed: None });
                    }
                    RowOutcome::Done { .. } | RowOutcome::Merged | RowOutcome::Pending => {}
                }
            }
            self.check_stop()?;
        }
        self.observer.observe(&Event::Read { rows: self.rows });
        Ok(())
    }
}

// About how many bytes of memory a row takes.
fn weight(planned: &Planned) -> usize {
    const EACH: usize = 256;
    const FIELD: usize = 64;
    let cells = |cells: &Option<Cells>| match cells {
        None => 0,
        Some(Cells::Texts(texts)) => texts.iter().map(|text| text.len() + size_of::<usize>()).sum(),
        // Twice what it takes in the input.
        Some(Cells::Object(object)) => object.iter().map(|(_, json)| FIELD + 2 * json.to_string().len()).sum::<usize>(),
    };
    EACH + match planned {
        Planned::Contact { contact, cells: kept, .. } => {
            let fields: usize = contact.fields().iter().map(|field| FIELD + field.value.text().len()).sum();
            let tags = contact.tags().iter().chain(contact.remove_tags());
            fields + tags.map(|tag| FIELD + tag.len()).sum::<usize>() + cells(kept)
        }
        Planned::Rejected { cells: kept, .. } => cells(kept),
    }
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
    Total { line: u64 },
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
