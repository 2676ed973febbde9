//! Finds rows in a snapshot: where they were last time, else nearby, else in a table of all.

use std::ops::Range;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::RowHash;

/// How many rows before and after its expected place a row is searched for. A few rows that were added or removed move the
/// rows below them.
const WINDOW: usize = if cfg!(test) { 4 } else { 32 };

/// After how many rows that are not where they are expected the table may be made.
const FEW_MISSES: usize = if cfg!(test) { 6 } else { 256 };

/// The order counts as changed when at least one row in this many is missed.
const MISSED_OF: usize = 16;

/// How many rows are searched for in the table together. Each search waits for memory twice, and these wait at the same time
/// (`benches/night`).
pub const TOGETHER: usize = 64;

/// The rows of the snapshots of one input, one snapshot for each of its runs. Several threads may search it.
#[derive(Debug)]
pub struct Matcher {
    // The hashes of all snapshots, one after the other; 0 for a row that is not to be recognised.
    hashes: Arc<Vec<u128>>,
    // Where the hashes of each snapshot end.
    ends: Arc<Vec<usize>>,
    // One bit for each row: whether a row of the input was found to be it.
    found: Vec<AtomicU64>,
    // By how much rows are further down than they were.
    shift: AtomicI64,
    hits: AtomicUsize,
    misses: AtomicUsize,
    table: Arc<OnceLock<Table>>,
}

impl Matcher {
    /// A matcher of these snapshots, one for each run, in their order. A snapshot is empty where there is none.
    pub fn new(snapshots: impl IntoIterator<Item = Vec<u128>>) -> Self {
        let (mut hashes, mut ends, mut filled) = (Vec::new(), Vec::new(), 0);
        for snapshot in snapshots {
            filled += usize::from(!snapshot.is_empty());
            if hashes.is_empty() {
                hashes = snapshot;
            } else {
                hashes.extend(snapshot);
            }
            ends.push(hashes.len());
        }
        let matcher = Self::of(Arc::new(hashes), Arc::new(ends), Arc::default());
        // Rows of several runs are mixed in the input.
        if filled > 1 {
            matcher.table.get_or_init(|| Table::new(&matcher.hashes));
        }
        matcher
    }

    fn of(hashes: Arc<Vec<u128>>, ends: Arc<Vec<usize>>, table: Arc<OnceLock<Table>>) -> Self {
        let found = (0..hashes.len().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let (shift, hits, misses) = (AtomicI64::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        Self { hashes, ends, found, shift, hits, misses, table }
    }

    /// A matcher of the same snapshots for reading the input again, in which these rows are not found: each by its run and its
    /// place in the snapshot of the run.
    #[must_use]
    pub fn without(&self, rows: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let again = Self::of(Arc::clone(&self.hashes), Arc::clone(&self.ends), Arc::clone(&self.table));
        for (run, place) in rows {
            again.take(self.start_of(run) + place);
        }
        again
    }

    /// Whether no row can be found.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The place of the row with this hash, the `row`th of the input from 1. `None` also when another row was found to be the
    /// same one before.
    pub fn find(&self, row: u64, hash: RowHash) -> Option<usize> {
        let place = self.peek(row, hash);
        if place.is_none() {
            self.note_miss();
        }
        place.filter(|place| self.take(*place))
    }

    /// The place of the row with this hash, whether it was found before or not, without taking note of it.
    pub fn peek(&self, row: u64, hash: RowHash) -> Option<usize> {
        self.place(row, hash.number())
    }

    /// The places of the rows with these hashes, at most [`TOGETHER`], whether they were found before or not, without taking note
    /// of it. `None` as long as rows are searched for where they were.
    pub fn peek_all(&self, hashes: &[RowHash]) -> Option<[Option<usize>; TOGETHER]> {
        Some(self.table.get()?.places(hashes, &self.hashes))
    }

    /// Whether rows are searched for in a table.
    pub fn has_table(&self) -> bool {
        self.table.get().is_some()
    }

    /// Notes that a row is not in the snapshots.
    pub fn note_miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that the row at this place was found. Returns whether it was not found before.
    pub fn take(&self, place: usize) -> bool {
        let bit = 1 << (place % 64);
        self.found[place / 64].fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Whether the row at this place was found before.
    pub fn is_taken(&self, place: usize) -> bool {
        self.found[place / 64].load(Ordering::Relaxed) & (1 << (place % 64)) != 0
    }

    /// The places of a run's rows that were found.
    pub fn found_of(&self, run: usize) -> impl Iterator<Item = usize> {
        let start = self.start_of(run);
        (start..start + self.hashes_of(run).len()).filter(|place| self.is_taken(*place)).map(move |place| place - start)
    }

    /// The run of a place, and the row's place in the snapshot of that run.
    pub fn run_of(&self, place: usize) -> (usize, usize) {
        let run = self.ends.partition_point(|end| *end <= place);
        (run, place - self.start_of(run))
    }

    /// These places by their runs, each with the places in the snapshot of that run.
    pub fn by_run(&self, places: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let mut rest = places;
        std::iter::from_fn(move || {
            let (run, start) = (!rest.is_empty()).then(|| self.run_of(rest.start))?;
            let count = self.ends.get(run).map_or(rest.len(), |end| rest.len().min(end - rest.start));
            rest.start += count;
            Some((run, start..start + count))
        })
    }

    /// The hashes of the snapshot of a run.
    pub fn hashes_of(&self, run: usize) -> &[u128] {
        let end = self.ends.get(run).copied().unwrap_or(0);
        &self.hashes[self.start_of(run).min(end)..end]
    }

    fn start_of(&self, run: usize) -> usize {
        run.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0)
    }

    fn place(&self, row: u64, hash: u128) -> Option<usize> {
        if let Some(table) = self.table.get() {
            return table.place(hash, &self.hashes);
        }
        let shift = self.shift.load(Ordering::Relaxed);
        let expected = i64::try_from(row).ok()?.saturating_sub(1).saturating_add(shift);
        let expected = usize::try_from(expected).unwrap_or(0);
        if self.hashes.get(expected) == Some(&hash) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Some(expected);
        }
        let near = expected.saturating_sub(WINDOW)..(expected + WINDOW + 1).min(self.hashes.len());
        let start = near.start;
        let nearby = self.hashes.get(near).and_then(|near| near.iter().position(|other| *other == hash));
        if let Some(at) = nearby {
            let (place, before) = (start + at, i64::try_from(row).unwrap_or(i64::MAX) - 1);
            self.shift.store(i64::try_from(place).unwrap_or(0).saturating_sub(before), Ordering::Relaxed);
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Some(place);
        }
        // Where rows were changed or are new, those after them are where they were. A table takes longer to make than a few
        // rows to map.
        let misses = self.misses.load(Ordering::Relaxed);
        if misses < FEW_MISSES || misses < self.hits.load(Ordering::Relaxed) / MISSED_OF {
            return None;
        }
        self.table.get_or_init(|| Table::new(&self.hashes)).place(hash, &self.hashes)
    }
}

/// The places of hashes: open addressing with linear probing. Keyed hashes are as good as random, so their low bits are taken
/// as they are.
#[derive(Debug)]
struct Table {
    // A place and one, or 0.
    slots: Vec<u32>,
}

impl Table {
    fn new(hashes: &[u128]) -> Self {
        let mut table = Self { slots: vec![0; (hashes.len() * 2).next_power_of_two()] };
        for (place, hash) in hashes.iter().enumerate().filter(|(_, hash)| **hash != 0) {
            // Inputs have fewer than 4 billion rows; further ones are not recognised.
            let Ok(number) = u32::try_from(place + 1) else { break };
            let mut slot = table.slot(*hash);
            while table.slots[slot] != 0 {
                slot = (slot + 1) & (table.slots.len() - 1);
            }
            table.slots[slot] = number;
        }
        table
    }

    fn slot(&self, hash: u128) -> usize {
        let low = usize::try_from(hash & u128::from(u32::MAX)).unwrap_or(0);
        low & (self.slots.len() - 1)
    }

    // As `place`, of many hashes step by step: no step waits for that of another hash.
    fn places(&self, wanted: &[RowHash], hashes: &[u128]) -> [Option<usize>; TOGETHER] {
        let mut places = [None; TOGETHER];
        let mut slots = [0; TOGETHER];
        let mut found = [0; TOGETHER];
        let mut left = wanted.len().min(TOGETHER);
        let mut open: [usize; TOGETHER] = std::array::from_fn(|at| at);
        for (slot, hash) in slots.iter_mut().zip(wanted) {
            *slot = self.slot(hash.number());
        }
        while left > 0 {
            for at in &open[..left] {
                found[*at] = self.slots.get(slots[*at]).map_or(0, |number| *number as usize);
            }
            let mut still = 0;
            for next in 0..left {
                let at = open[next];
                // An empty slot ends the search.
                let Some(place) = found[at].checked_sub(1) else { continue };
                if hashes.get(place) == Some(&wanted[at].number()) {
                    places[at] = Some(place);
                } else {
                    slots[at] = (slots[at] + 1) & (self.slots.len() - 1);
                    open[still] = at;
                    still += 1;
                }
            }
            left = still;
        }
        places
    }

    fn place(&self, hash: u128, hashes: &[u128]) -> Option<usize> {
        let mut slot = self.slot(hash);
        loop {
            let place = (*self.slots.get(slot)? as usize).checked_sub(1)?;
            if hashes.get(place) == Some(&hash) {
                return Some(place);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u128) -> RowHash {
        RowHash::from_stored(number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)).unwrap()
    }

    fn snapshot(rows: impl IntoIterator<Item = u128>) -> Vec<u128> {
        rows.into_iter().map(|row| if row == 0 { 0 } else { hash(row).number() }).collect()
    }

    // The places at which the rows of an input are found.
    fn places(matcher: &Matcher, input: impl IntoIterator<Item = u128>) -> Vec<Option<usize>> {
        (1..).zip(input).map(|(row, number)| matcher.find(row, hash(number))).collect()
    }

    #[test]
    fn rows_are_found_where_they_were_and_nearby() {
        let matcher = |rows: &[u128]| Matcher::new([snapshot(rows.iter().copied())]);
        assert_eq!(places(&matcher(&[1, 2, 3]), [1, 2, 3]), [Some(0), Some(1), Some(2)]);
        // Changed, new, removed and swapped rows.
        assert_eq!(places(&matcher(&[1, 2, 3]), [1, 9, 3]), [Some(0), None, Some(2)]);
        assert_eq!(places(&matcher(&[1, 2, 3]), [9, 1, 2, 3]), [None, Some(0), Some(1), Some(2)]);
        assert_eq!(places(&matcher(&[1, 2, 3]), [2, 3]), [Some(1), Some(2)]);
        assert_eq!(places(&matcher(&[1, 2, 3]), [3, 2, 1]), [Some(2), Some(1), Some(0)]);
        // A row that is not to be recognised, and one that comes twice.
        assert_eq!(places(&matcher(&[1, 0, 3]), [1, 2, 3, 3]), [Some(0), None, Some(2), None]);
        assert_eq!(places(&matcher(&[]), [1, 2]), [None, None]);
        // Far more rows were added than are searched.
        let shifted = Matcher::new([snapshot(1..=3_000)]);
        let found = places(&shifted, (10_001..=10_020).chain(1..=3_000));
        assert_eq!(found.iter().flatten().count(), 3_000);
    }

    #[test]
    fn rows_in_another_order_are_found_by_the_table() {
        let rows = 10_000;
        let matcher = Matcher::new([snapshot(1..=rows)]);
        let found = places(&matcher, (1..=rows).map(|row| row * 7_919 % 10_007 % rows + 1));
        let right =
            |(at, place): (u128, &Option<usize>)| place.is_none_or(|place| place as u128 == at * 7_919 % 10_007 % rows);
        assert!((1..).zip(&found).all(right));
        // Only the first ones are taken for new rows, and a few that the other order has twice.
        assert!(found.iter().flatten().count() > 9_000, "{}", found.iter().flatten().count());
    }

    #[test]
    fn rows_that_are_searched_for_together_are_found_where_each_is() {
        let matcher = Matcher::new([snapshot(1..=3_000)]);
        let all: Vec<RowHash> = (1..=6_000).rev().map(hash).collect();
        assert_eq!(matcher.peek_all(&all[..TOGETHER]), None);
        matcher.table.get_or_init(|| Table::new(&matcher.hashes));
        // Hashes that differ from those of rows in the bits that the table does not use.
        let near = all.iter().map(|hash| RowHash::from_stored(hash.number() ^ 1 << 100).unwrap());
        let wanted: Vec<RowHash> = all.iter().copied().zip(near).flat_map(|(hash, near)| [hash, near]).collect();
        for count in [0, 1, 7, TOGETHER] {
            for wanted in wanted.chunks(count.max(1)) {
                let wanted = &wanted[..count.min(wanted.len())];
                let places = matcher.peek_all(wanted).unwrap();
                let each: Vec<_> = wanted.iter().map(|hash| matcher.peek(1, *hash)).collect();
                assert_eq!(places[..wanted.len()], each);
                assert!(places[wanted.len()..].iter().all(Option::is_none));
            }
        }
        assert_eq!(Matcher::new([Vec::new(), Vec::new()]).peek_all(&[]), None);
        let empty = Matcher::new([Vec::new()]);
        empty.table.get_or_init(|| Table::new(&empty.hashes));
        assert_eq!(empty.peek_all(&all[..3]).unwrap()[..3], [None; 3]);
    }

    #[test]
    fn rows_of_several_runs_are_told_apart() {
        let matcher = Matcher::new([snapshot([1, 3]), Vec::new(), snapshot([2, 0, 4])]);
        let runs: Vec<_> =
            places(&matcher, [1, 2, 3, 4, 5]).into_iter().map(|at| at.map(|at| matcher.run_of(at))).collect();
        assert_eq!(runs, [Some((0, 0)), Some((2, 0)), Some((0, 1)), Some((2, 2)), None]);
        assert_eq!(matcher.hashes_of(2).len(), 3);
        assert_eq!(matcher.hashes_of(1), [0_u128; 0]);
        assert_eq!(matcher.found_of(2).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(matcher.by_run(1..4).collect::<Vec<_>>(), [(0, 1..2), (2, 0..2)]);
        assert_eq!(matcher.by_run(0..2).collect::<Vec<_>>(), [(0, 0..2)]);
        assert_eq!(matcher.by_run(3..3).count(), 0);
        // When the input is read again.
        let again = matcher.without([(2, 0)]);
        assert_eq!(places(&again, [1, 2, 3, 4]), [Some(0), None, Some(1), Some(4)]);
    }
}
