//! Which rows of an input are as they were in the last input of its source, and what the input leaves for the next one.
//!
//! A row that is known is not mapped. That has the same result as mapping it, unless a row that is mapped may be the same
//! contact, or shares a match value with it: then the known row is mapped as well, in its place among the others.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::core::mapping::Mapping;
use crate::core::model::{Contact, Key};
use crate::core::planner::Planner;
use crate::core::record::Cells;
use crate::core::snapshot::{
    Basis, ContactDigest, Entry, Matcher, NextSnapshot, Recognition, RowHash, RowPosition, SnapshotKey,
};
use crate::input::{Row, Source};
use crate::journal::{BaseSnapshot, Journal, JournalError, NO_CHANNEL, NewSnapshot, Plan, PresentRows, RowTrace};

/// The rows of the last inputs of a source, one for each run of a plan. Several threads may ask for rows.
pub(super) struct KnownRows<'a> {
    journal: &'a Journal,
    plan: &'a Arc<Plan>,
    key: SnapshotKey,
    source: String,
    bases: Vec<Basis>,
    // The stored snapshot of each run, if there is one.
    stored: Vec<Option<i64>>,
    matcher: Arc<Matcher>,
    is_matching: AtomicBool,
    // Whether the remaining rows are read but discarded.
    is_draining: AtomicBool,
    // Whether all rows will be listed.
    lists_rows: bool,
}

/// Rows that are known: their run, their places in the snapshot of the run, and where the first of them is in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SkippedRows {
    pub run: usize,
    pub places: Range<usize>,
    pub first: RowPosition,
}

/// A row that is known: its run, and its place in the snapshot of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct KnownRow {
    pub run: usize,
    pub place: usize,
}

/// The rejected rows of an input, as far as they matter for contacts of its last input.
#[derive(Debug, Default)]
pub(super) struct RejectedRows {
    /// The keys of those that name no channel.
    pub of_any: Vec<Vec<Key>>,
    /// Digests of those without a usable key, with their run; `None` for those that name no channel.
    pub unknown: Vec<(Option<usize>, u64)>,
}

/// The rows that are to be mapped although they are known, by their hashes.
pub(super) type Demoted = HashMap<RowHash, KnownRow>;

impl<'a> KnownRows<'a> {
    /// Reads the snapshots of `source` for the runs of a plan. They are used where the input can be read again. `lists_rows` is
    /// whether all rows will be listed, and `maps_all` whether none is recognised, because each is to be mapped.
    pub fn read(
        journal: &'a Journal,
        plan: &'a Arc<Plan>,
        source: String,
        (input, mapping): (&Source, &Mapping),
        (lists_rows, maps_all): (bool, bool),
    ) -> Result<Self, JournalError> {
        let key = journal.snapshot_key()?;
        let header = format!("{:?}", input.header());
        let mapping = format!("{mapping:?}");
        #[cfg(test)]
        let mapping = if tests::has(tests::Bug::AnyMapping) { String::new() } else { mapping };
        // Only rows that were not unchanged are tried again.
        let planner = format!("{:?}", Planner { retry_rejected: false, ..plan.planner.clone() });
        let digest = |policy| {
            let parts = [("header", &header), ("mapping", &mapping), ("planner", &planner), ("policy", &policy)];
            key.basis(parts.map(|(name, part)| (name, part.clone())))
        };
        let bases: Vec<Basis> = plan.runs.iter().map(|run| digest(format!("{:?}", run.policy))).collect();
        let (mut stored, mut hashes) = (Vec::with_capacity(bases.len()), Vec::with_capacity(bases.len()));
        for (run, basis) in plan.runs.iter().zip(&bases) {
            let is_wanted = !maps_all && run.channel != NO_CHANNEL;
            let snapshot = if is_wanted { journal.snapshot(&run.channel, &source, *basis, lists_rows)? } else { None };
            stored.push(snapshot.as_ref().map(|snapshot| snapshot.id));
            hashes.push(snapshot.map_or_else(Vec::new, |snapshot| snapshot.hashes));
        }
        let matcher = Arc::new(Matcher::new(hashes));
        let is_matching = AtomicBool::new(!matcher.is_empty() && input.prepare_again());
        Ok(Self {
            journal,
            plan,
            key,
            source,
            bases,
            stored,
            matcher,
            is_matching,
            is_draining: AtomicBool::new(false),
            lists_rows,
        })
    }

    /// Whether rows are looked for.
    pub fn is_matching(&self) -> bool {
        self.is_matching.load(Ordering::Relaxed)
    }

    /// Stops matching. The remaining rows are read and discarded until [`restart`](Self::restart).
    pub fn stop_matching(&self) {
        self.is_matching.store(false, Ordering::Relaxed);
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// From now on, all rows are mapped.
    pub fn restart(&self) {
        self.is_draining.store(false, Ordering::Relaxed);
    }

    /// Whether rows are being discarded.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// What the reader of the input needs in order to skip known rows.
    pub fn recognition(&self) -> Recognition<'_> {
        Recognition {
            key: &self.key,
            matcher: &self.matcher,
            may_skip: &self.is_matching,
            #[cfg(test)]
            skips_before_any: tests::has(tests::Bug::SkipsBeforeAny),
        }
    }

    /// The hash of a row, which may be that of its `line`; `None` for one that is mapped in any case.
    pub fn hash(&self, row: &Row, line: Option<RowHash>) -> Option<RowHash> {
        match row {
            Row::Record(record) if record.total.is_none() => Some(line.unwrap_or_else(|| self.key.row(&record.cells))),
            Row::Record(_) | Row::Rejected(_) => None,
        }
    }

    /// The rows that the reader skipped, by their runs.
    pub fn skipped(&self, places: Range<usize>, mut first: RowPosition) -> impl Iterator<Item = SkippedRows> {
        self.matcher.by_run(places).map(move |(run, places)| {
            let skipped = SkippedRows { run, places, first };
            let count = skipped.places.len() as u64;
            (first.row, first.line) = (first.row + count, first.line + count);
            skipped
        })
    }

    /// The row of the snapshots with this hash, for the `row`th row of the input. Only the first of several equal rows gets it.
    pub fn find(&self, row: u64, hash: RowHash) -> Option<KnownRow> {
        if !self.is_matching() {
            return None;
        }
        let (run, place) = self.matcher.run_of(self.matcher.find(row, hash)?);
        Some(KnownRow { run, place })
    }

    /// The known rows that may be of the contacts of other rows, or share a match value with them. Those in `before` are among
    /// the others already.
    pub fn sharing_contacts_with<'c>(
        &self,
        contacts: impl Iterator<Item = (usize, &'c Contact)>,
        before: &Demoted,
    ) -> Result<Demoted, JournalError> {
        let keys: Vec<(usize, Vec<Key>)> = contacts.map(|(run, contact)| (run, keys_of(contact))).collect();
        if keys.is_empty() {
            return Ok(Demoted::new());
        }
        #[cfg(test)]
        if tests::has(tests::Bug::KeepsSharing) {
            return Ok(Demoted::new());
        }
        let shared: HashSet<(usize, ContactDigest)> =
            self.journal.contacts_by_keys(self.plan, keys)?.into_iter().collect();
        let runs: BTreeSet<usize> = shared.iter().map(|(run, _)| *run).collect();
        let mut demoted = Demoted::new();
        for run in runs {
            let Some(base) = self.base(run) else { continue };
            let contacts = self.journal.snapshot_contacts(&base)?;
            let hashes = self.matcher.hashes_of(run);
            for place in self.matcher.found_of(run) {
                // Of damaged tags, each may be one of them.
                let is_shared = contacts.as_ref().is_none_or(|contacts| {
                    let tag = contacts.get(place).copied().and_then(ContactDigest::from_stored);
                    tag.is_none_or(|tag| shared.contains(&(run, tag)))
                });
                let hash = hashes.get(place).copied().and_then(RowHash::from_stored);
                if let Some(hash) = hash.filter(|hash| is_shared && !before.contains_key(hash)) {
                    demoted.insert(hash, KnownRow { run, place });
                }
            }
        }
        Ok(demoted)
    }

    /// For reading the input again: all rows of the snapshots but these.
    pub fn without(&self, demoted: &Demoted) -> Matcher {
        self.matcher.without(demoted.values().map(|known| (known.run, known.place)))
    }

    fn base(&self, run: usize) -> Option<BaseSnapshot> {
        let id = self.stored.get(run).copied().flatten()?;
        Some(BaseSnapshot { id, rows: Arc::clone(&self.matcher), run })
    }

    /// What the input leaves for the next one: nothing yet.
    pub fn begin_next(&self) -> NextRows {
        NextRows { snapshots: self.bases.iter().map(|_| NextSnapshot::new(self.lists_rows)).collect() }
    }

    /// A text of a rejected row without a usable key: its reason, and a hash of its cells as far as they could be read.
    pub fn text_of(&self, reason: &str, cells: Option<&Cells>) -> String {
        let cells = cells.map(|cells| self.key.row(cells).number());
        format!("{cells:?} {reason}")
    }

    /// A digest of the `nth` such row with this text.
    pub fn digest_of(&self, text: &str, nth: u32) -> u64 {
        self.key.contact_of_text(&format!("!{nth} {text}")).number()
    }

    /// The rows of the input as they are compared with the contacts of the last input, of each run of a channel. `counts` are the
    /// numbers of rows of the runs.
    pub fn present(
        &self,
        next: &NextRows,
        counts: &[u64],
        rejected: &RejectedRows,
    ) -> Result<Vec<PresentRows>, JournalError> {
        let of_channels = (0..self.plan.runs.len()).filter(|run| self.plan.runs[*run].channel != NO_CHANNEL);
        let keys = of_channels.clone().flat_map(|run| rejected.of_any.iter().map(move |keys| (run, keys.clone())));
        let of_any = if rejected.of_any.is_empty() {
            Vec::new()
        } else {
            self.journal.contacts_by_keys(self.plan, keys.collect())?
        };
        let present = of_channels.map(|run| {
            let next = &next.snapshots[run];
            let mut present = next.contacts();
            let more: Vec<u64> = of_any.iter().filter(|(of, _)| *of == run).map(|(_, tag)| tag.number()).collect();
            if !more.is_empty() {
                present.extend(more);
                present.sort_unstable();
            }
            let unknown = rejected.unknown.iter().filter(|(of, _)| of.is_none_or(|of| of == run));
            PresentRows {
                run,
                source: self.source.clone(),
                basis: self.bases[run],
                rows: counts.get(run).copied().unwrap_or(0),
                kept: match self.base(run).filter(|_| self.is_matching()) {
                    Some(base) => next.kept_places(base.rows.hashes_of(run).len()),
                    None => Vec::new(),
                },
                present,
                unidentified: unknown.map(|(_, digest)| *digest).collect(),
            }
        });
        Ok(present.collect())
    }

    /// The snapshots that the finished plan leaves, by the places of their runs. `counts` are the numbers of rows of the runs.
    pub fn finish(&self, next: NextRows, counts: &[u64]) -> Vec<(usize, NewSnapshot)> {
        let is_of_channel = |(at, _): &(usize, NextSnapshot)| self.plan.runs[*at].channel != NO_CHANNEL;
        // The contacts of a channel of which the input has no row stay those of its last input.
        let has_rows = |(at, _): &(usize, NextSnapshot)| counts.get(*at).is_some_and(|rows| *rows > 0);
        let snapshots = next.snapshots.into_iter().enumerate().filter(is_of_channel).filter(has_rows);
        let new = snapshots.map(|(at, next)| {
            let base = self.base(at).filter(|_| self.is_matching());
            (at, NewSnapshot { source: self.source.clone(), basis: self.bases[at], base, next })
        });
        new.collect()
    }
}

// The keys by which a contact may be known.
fn keys_of(contact: &Contact) -> Vec<Key> {
    let matches = contact.matches().iter().map(Key::of);
    let own = Some(contact.key().clone()).filter(|key| !matches!(key, Key::Match { .. }));
    matches.chain(own).collect()
}

/// The rows that an input leaves for the next one, run by run.
pub(super) struct NextRows {
    snapshots: Vec<NextSnapshot>,
}

/// A row that was mapped, in the snapshot of its run.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewRow {
    run: usize,
    number: usize,
    hash: Option<RowHash>,
}

impl NextRows {
    /// A row that is known, and where it is in the input.
    pub fn keep(&mut self, known: KnownRow, at: RowPosition) {
        #[cfg(test)]
        let at = if tests::has(tests::Bug::ListsWithoutGaps) { RowPosition { line: at.row + 1, ..at } } else { at };
        self.snapshots[known.run].keep(known.place..known.place + 1, at);
    }

    /// Rows that were skipped.
    pub fn keep_all(&mut self, skipped: SkippedRows) {
        let SkippedRows { run, places, first } = skipped;
        #[cfg(test)]
        let first =
            if tests::has(tests::Bug::ListsWithoutGaps) { RowPosition { line: first.row + 1, ..first } } else { first };
        self.snapshots[run].keep(places, first);
    }

    /// A row of this run that is mapped.
    pub fn add(&mut self, run: usize, hash: Option<RowHash>) -> NewRow {
        NewRow { run, number: self.snapshots[run].add(), hash }
    }

    /// A known row that is mapped after all.
    pub fn replace(&mut self, known: KnownRow, hash: RowHash) -> NewRow {
        NewRow { run: known.run, number: self.snapshots[known.run].replace(known.place), hash: Some(hash) }
    }

    /// Notes what became of a row that was mapped.
    pub fn settle(&mut self, row: NewRow, trace: &RowTrace) {
        let NewRow { run, number, hash } = row;
        let next = &mut self.snapshots[run];
        next.note_contacts(&trace.also);
        let hash = hash.filter(|_| trace.is_unchanged);
        next.settle(number, Entry { hash, contact: trace.contact, number: trace.number });
        #[cfg(test)]
        if tests::has(tests::Bug::SharesNone) {
            return;
        }
        trace.shared.iter().for_each(|contact| next.share(*contact));
    }

    /// Number of rows of each run that are known and not mapped.
    pub fn kept_of_runs(&self) -> impl Iterator<Item = u64> {
        self.snapshots.iter().map(|next| next.kept() as u64)
    }

    /// Number of rows that are known and not mapped.
    pub fn kept(&self) -> u64 {
        self.kept_of_runs().sum()
    }
}
