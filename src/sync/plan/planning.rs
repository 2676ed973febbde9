//! The rows of an input while it is planned: those that did not change are counted, the others go to the journal.
//!
//! As long as rows are recognised, the others are held in memory: only at the end of the input is it known which of the
//! recognised rows share a contact with them, and those are planned with them, in the order of the input.

use std::collections::{HashMap, HashSet, VecDeque};
use std::mem;
use std::sync::Arc;

use super::PlanError;
use super::row_mapper::{Identity, MappedRow, ReadRow, RowMapper};
use crate::core::doubtful_values::DoubtfulValues;
use crate::core::record::Cells;
use crate::core::routing::{NotRouted, NotRoutedCounts};
use crate::core::snapshot::Recognition;
use crate::core::task::Outcome;
use crate::input::{InputPart, Source};
use crate::journal::{
    BegunRows, FoundMissing, Journal, MissingRules, NO_CHANNEL, NewSnapshot, Plan, Planned, RowOutcome,
};
use crate::sync::event::{Event, Observer};
use crate::sync::known_rows::{Demoted, KnownRows, NewRow, NextRows, RejectedRows};
use crate::sync::stop::Stop;

/// Number of batches of rows in one request to the journal. Each request is a commit, which writes some pages again.
const TOGETHER: usize = 2;

/// Number of batches between two reports of progress while rows are recognised.
const REPORTED_TOGETHER: usize = 8;

/// A batch of fewer rows than this is planned at once: its rows are large and should not be collected in memory.
const FEW: usize = 250;

/// Maximum number of rows that are planned in one request to the journal: few enough to be in the processor's cache when the journal
/// plans them (benchmark: `night`).
const PLANNED_AT_ONCE: usize = 2_000;

/// Maximum number of requests whose results are not taken yet when the next rows are read. With one, the journal would wait for rows to
/// be read.
const MOST_BEGUN: usize = 6;

/// Approximate number of bytes of rows that are held until the whole input was compared with the last one.
const MOST_HELD: usize = if cfg!(test) { 12 * 1024 } else { 128 * 1024 * 1024 };

/// A row that is to be planned, and its place in the next snapshot.
struct Gathered {
    run: usize,
    planned: Box<Planned>,
    new: Option<NewRow>,
}

/// The rows of an input that is being planned, as they are read.
pub(super) struct Planning<'a, O> {
    journal: &'a Journal,
    plan: &'a Arc<Plan>,
    // The index of the run for rows that name no channel, and whether it has any.
    unknown: Option<usize>,
    has_unknown: bool,
    known: Option<&'a KnownRows<'a>>,
    next: Option<NextRows>,
    observer: &'a O,
    stop: &'a Stop,
    // The rows that are not in the journal yet.
    gathered: Vec<Gathered>,
    // The rows that the journal plans meanwhile, and their places in the next snapshots.
    begun: VecDeque<(BegunRows, Vec<Option<NewRow>>)>,
    weight: usize,
    is_overfull: bool,
    batches: usize,
    // Number of rows that were read, without those that go to no run.
    rows: u64,
    // Of these, the mapped ones of each run.
    mapped: Vec<u64>,
    rejected: RejectedRows,
    // The texts of the rejected rows without a usable key, each with its number.
    unidentified: HashMap<String, u32>,
    not_routed: NotRoutedCounts,
    doubtful: DoubtfulValues,
}

impl<'a, O: Observer> Planning<'a, O> {
    pub fn new(
        journal: &'a Journal,
        plan: &'a Arc<Plan>,
        (unknown, known): (Option<usize>, Option<&'a KnownRows<'a>>),
        observer: &'a O,
        stop: &'a Stop,
    ) -> Self {
        Self {
            journal,
            plan,
            unknown,
            has_unknown: false,
            known,
            next: known.map(KnownRows::begin_next),
            observer,
            stop,
            gathered: Vec::new(),
            begun: VecDeque::new(),
            weight: 0,
            is_overfull: false,
            batches: 0,
            rows: 0,
            mapped: vec![0; plan.runs.len()],
            rejected: RejectedRows::default(),
            unidentified: HashMap::new(),
            not_routed: NotRoutedCounts::default(),
            doubtful: DoubtfulValues::new(),
        }
    }

    /// Whether more rows changed than may be held in memory. The input has to be read again.
    pub const fn is_overfull(&self) -> bool {
        self.is_overfull
    }

    /// Number of rows that did not change.
    pub fn kept(&self) -> u64 {
        self.next.as_ref().map_or(0, NextRows::kept)
    }

    pub const fn has_unknown(&self) -> bool {
        self.has_unknown
    }

    pub const fn not_routed(&self) -> NotRoutedCounts {
        self.not_routed
    }

    /// What is doubtful in the values of the rows that were mapped.
    pub const fn doubtful(&self) -> &DoubtfulValues {
        &self.doubtful
    }

    /// The snapshots for the next input, by the indexes of their runs.
    pub fn into_snapshots(self) -> Vec<(usize, NewSnapshot)> {
        let counts = self.counts();
        self.known.zip(self.next).map_or_else(Vec::new, |(known, next)| known.finish(next, &counts))
    }

    /// Finds the contacts that the source had and no longer has, once all rows are planned.
    pub fn find_missing(&self, rules: MissingRules) -> Result<FoundMissing, PlanError> {
        let (Some(known), Some(next)) = (self.known, &self.next) else { return Ok(FoundMissing::default()) };
        let rows = known.present(next, &self.counts(), &self.rejected)?;
        Ok(self.journal.find_missing(self.plan, rules, rows)?)
    }

    // Number of rows of each run.
    fn counts(&self) -> Vec<u64> {
        let kept = self.next.iter().flat_map(NextRows::kept_of_runs).chain(std::iter::repeat(0));
        self.mapped.iter().zip(kept).map(|(mapped, kept)| mapped + kept).collect()
    }

    fn is_matching(&self) -> bool {
        self.known.is_some_and(KnownRows::is_matching)
    }

    /// Adds the next rows of the input.
    pub fn add(&mut self, batch: Vec<ReadRow>) -> Result<(), PlanError> {
        self.check_stop()?;
        if self.is_overfull {
            return Ok(());
        }
        let read = batch.len();
        for row in batch {
            match row {
                ReadRow::Known(known, at) => {
                    self.rows += 1;
                    if let Some(next) = &mut self.next {
                        next.keep(known, at);
                    }
                }
                ReadRow::Skipped(places, first) => {
                    self.rows += places.len() as u64;
                    if let (Some(known), Some(next)) = (self.known, &mut self.next) {
                        known.skipped(places, first).for_each(|skipped| next.keep_all(skipped));
                    }
                }
                ReadRow::NotRouted(why, identity) => {
                    self.note_rejected(None, identity);
                    self.add_not_routed(why);
                }
                ReadRow::Mapped(mapped) => {
                    let MappedRow { run, planned, hash, identity } = mapped;
                    self.note_rejected(Some(run), identity);
                    let new = self.next.as_mut().map(|next| next.add(run, hash));
                    self.gather(run, planned, new);
                }
                ReadRow::Drained => {}
            }
        }
        self.batches += 1;
        if !self.is_matching() {
            return if self.batches.is_multiple_of(TOGETHER) || read < FEW { self.hand_on() } else { Ok(()) };
        }
        if self.weight > MOST_HELD {
            self.is_overfull = true;
            self.gathered = Vec::new();
            self.known.into_iter().for_each(KnownRows::stop_matching);
        } else if self.batches.is_multiple_of(REPORTED_TOGETHER) {
            self.observer.observe(&Event::Read { rows: self.rows });
        }
        Ok(())
    }

    fn add_not_routed(&mut self, why: NotRouted) {
        self.not_routed.add(why);
        // With one run, its snapshot has a place for each row of the input, so that the others are found where they were.
        if let Some(next) = self.next.as_mut().filter(|_| self.plan.runs.len() == 1) {
            next.add(0, None);
        }
    }

    // Notes whose row a rejected row is. The keys of a run's rows are noted with their plan.
    fn note_rejected(&mut self, run: Option<usize>, identity: Option<Identity>) {
        let run = run.filter(|run| self.plan.runs[*run].channel != NO_CHANNEL);
        match (identity, self.known) {
            (Some(Identity::Keys(keys)), _) if run.is_none() => self.rejected.of_any.push(keys),
            (Some(Identity::Unknown(text)), Some(known)) => {
                let nth = self.unidentified.entry(text.clone()).or_default();
                self.rejected.unknown.push((run, known.digest_of(&text, *nth)));
                *nth += 1;
            }
            (Some(Identity::Keys(_) | Identity::Unknown(_)) | None, _) => {}
        }
    }

    fn gather(&mut self, run: usize, planned: Box<Planned>, new: Option<NewRow>) {
        if let Planned::Contact { line, contact, .. } = &*planned {
            self.doubtful.add(run, *line, contact);
        }
        self.rows += 1;
        self.mapped[run] += 1;
        self.has_unknown |= self.unknown == Some(run);
        if self.is_matching() {
            self.weight += weight(&planned);
        }
        self.gathered.push(Gathered { run, planned, new });
    }

    /// Maps the known rows that share a contact with mapped ones, until there are no more.
    pub fn map_rows_sharing_contacts(&mut self, source: &Source, mapper: &RowMapper<'_>) -> Result<(), PlanError> {
        let Some(known) = self.known.filter(|known| known.is_matching()) else { return Ok(()) };
        let mut demoted = Demoted::new();
        let mut from = 0;
        loop {
            let contacts = self.gathered[from..].iter().filter_map(|gathered| match &*gathered.planned {
                Planned::Contact { contact, .. } => Some((gathered.run, contact)),
                Planned::Rejected { .. } => None,
            });
            let sharing = known.sharing_contacts_with(contacts, &demoted)?;
            if sharing.is_empty() {
                break;
            }
            from = self.gathered.len();
            self.map_again(source, (mapper, known), &sharing)?;
            demoted.extend(sharing);
        }
        self.gathered.sort_by_key(|gathered| gathered.planned.row());
        Ok(())
    }

    // Reads the input again for these known rows.
    fn map_again(
        &mut self,
        source: &Source,
        (mapper, known): (&RowMapper<'_>, &KnownRows<'_>),
        sharing: &Demoted,
    ) -> Result<(), PlanError> {
        let in_plan: HashSet<u64> = self.gathered.iter().map(|gathered| gathered.planned.row()).collect();
        let map = |part| {
            let InputPart::Row { row, remains: _, hash } = part else { return None };
            let hash = known.hash(&row, hash)?;
            let known = sharing.get(&hash).filter(|_| !in_plan.contains(&row.place()))?;
            match mapper.map_changed(row, None, Some(hash)) {
                ReadRow::Mapped(new) => Some((*known, hash, new)),
                ReadRow::Known(..) | ReadRow::Skipped(..) | ReadRow::NotRouted(..) | ReadRow::Drained => None,
            }
        };
        let mut count = 0;
        // The other known rows are skipped again.
        let matcher = known.without(sharing);
        let recognition = Recognition { matcher: &matcher, ..known.recognition() };
        source.again()?.in_recognised_batches(&recognition, map, |batch| {
            self.check_stop()?;
            for (known, hash, mapped) in batch.into_iter().flatten() {
                count += 1;
                // It was counted when it was recognised.
                self.rows -= 1;
                let new = self.next.as_mut().map(|next| next.replace(known, hash));
                self.gather(mapped.run, mapped.planned, new);
            }
            Ok::<(), PlanError>(())
        })?;
        if count == sharing.len() { Ok(()) } else { Err(source.changed().into()) }
    }

    fn check_stop(&self) -> Result<(), PlanError> {
        if self.stop.reason().is_some() { Err(PlanError::Stopped) } else { Ok(()) }
    }

    /// Plans the rows that were gathered, and waits for all of them.
    pub fn flush(&mut self) -> Result<(), PlanError> {
        self.hand_on()?;
        self.settle_all_but(0)
    }

    // Hands the rows that were gathered on to the journal, which plans them while further rows are read.
    fn hand_on(&mut self) -> Result<(), PlanError> {
        self.check_stop()?;
        let mut gathered = mem::take(&mut self.gathered).into_iter().peekable();
        while gathered.peek().is_some() {
            let (batch, new): (Vec<_>, Vec<_>) =
                gathered.by_ref().take(PLANNED_AT_ONCE).map(|row| ((row.run, row.planned), row.new)).unzip();
            // The rows of a request are in memory until its results are taken.
            let most_begun = if batch.len() < FEW { 1 } else { MOST_BEGUN };
            let begun = self.journal.begin_rows(self.plan, batch)?;
            self.begun.push_back((begun, new));
            self.settle_all_but(most_begun)?;
            self.check_stop()?;
        }
        self.observer.observe(&Event::Read { rows: self.rows });
        Ok(())
    }

    // Waits for the requests to the journal, except the last ones, and takes their results.
    fn settle_all_but(&mut self, last: usize) -> Result<(), PlanError> {
        while self.begun.len() > last
            && let Some((begun, new)) = self.begun.pop_front()
        {
            for ((settled, trace), new) in begun.wait()?.results.into_iter().zip(new) {
                if let (Some(next), Some(new)) = (&mut self.next, new) {
                    next.settle(new, &trace);
                }
                match settled {
                    RowOutcome::Done { row, line, outcome: outcome @ Outcome::Rejected(_) } => {
                        self.observer.observe(&Event::Done { row, line, outcome: &outcome, listed: None });
                    }
                    RowOutcome::Done { .. } | RowOutcome::Merged | RowOutcome::Pending | RowOutcome::Suppressed => {}
                }
            }
        }
        Ok(())
    }
}

// The approximate number of bytes of memory that a row takes.
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
