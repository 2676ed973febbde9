//! The snapshot that an input leaves: rows that are in the last snapshot too, by their places there, and other rows.
//! Where all rows are to be listed, it also has where the kept rows are in the input.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::{ContactDigest, RowHash};

/// Number of rows that a snapshot stores together. What is stored is written again only where one of them changed.
pub const CHUNK: usize = if cfg!(test) { 8 } else { 4_096 };

/// A row of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The hash by which it is recognised; `None` for a row that is mapped in any case.
    pub hash: Option<RowHash>,
    /// Its contact; `None` for a row that became none.
    pub contact: Option<ContactDigest>,
    /// The number of its contact, 0 for none.
    pub number: i64,
}

/// Where a row is in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowPosition {
    /// Its place among the data rows, from 1.
    pub row: u64,
    /// The physical line on which it begins.
    pub line: u64,
}

/// Rows of an input that are kept, on successive lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptRows {
    /// The first of them.
    pub first: RowPosition,
    /// The place of the first of them in the snapshot of the input.
    pub place: u64,
    /// How many there are.
    pub count: u64,
}

/// A row of the next snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextRow {
    /// The row at this place of the last snapshot.
    Kept(usize),
    /// Another row.
    New(Entry),
}

/// The snapshot of the input that is being planned, for one run.
#[derive(Debug, Default)]
pub struct NextSnapshot {
    pieces: Vec<Piece>,
    entries: Vec<Entry>,
    // Rows that were taken for kept ones, by their places in the last snapshot.
    replaced: BTreeMap<usize, usize>,
    // Contacts of which the input has several rows, or that share a match value with another one.
    shared: HashSet<ContactDigest>,
    // Further contacts that rows may be.
    also: Vec<ContactDigest>,
    // Where the kept rows are in the input, if they are to be listed: the first of rows on successive lines, and their number.
    positions: Option<Vec<(RowPosition, u64)>>,
}

#[derive(Debug)]
enum Piece {
    Kept(Range<usize>),
    New(Range<usize>),
}

impl NextSnapshot {
    /// An empty one. `lists_rows` is whether all rows will be listed.
    pub fn new(lists_rows: bool) -> Self {
        Self { positions: lists_rows.then(Vec::new), ..Self::default() }
    }

    /// Adds the rows at these places of the last snapshot, which are unchanged. `first` is where the first of them is in the
    /// input; the others are on the next lines.
    pub fn keep(&mut self, kept: Range<usize>, first: RowPosition) {
        let more = kept.len() as u64;
        if let Some(positions) = &mut self.positions {
            match positions.last_mut() {
                Some((before, count)) if before.row + *count == first.row && before.line + *count == first.line => {
                    *count += more;
                }
                Some(_) | None => positions.push((first, more)),
            }
        }
        match self.pieces.last_mut() {
            Some(Piece::Kept(places)) if places.end == kept.start => places.end = kept.end,
            Some(Piece::Kept(_) | Piece::New(_)) | None => self.pieces.push(Piece::Kept(kept)),
        }
    }

    /// Adds another row, and returns its number for [`settle`](Self::settle). Until then it is not to be recognised.
    pub fn add(&mut self) -> usize {
        let number = self.entries.len();
        self.entries.push(Entry::default());
        match self.pieces.last_mut() {
            Some(Piece::New(numbers)) => numbers.end += 1,
            Some(Piece::Kept(_)) | None => self.pieces.push(Piece::New(number..number + 1)),
        }
        number
    }

    /// Takes a row that was [kept](Self::keep) for another one, and returns its number as [`add`](Self::add) does.
    pub fn replace(&mut self, place: usize) -> usize {
        let number = self.entries.len();
        self.entries.push(Entry::default());
        self.replaced.insert(place, number);
        number
    }

    /// Says what became of a row.
    pub fn settle(&mut self, number: usize, entry: Entry) {
        if let Some(settled) = self.entries.get_mut(number) {
            *settled = entry;
        }
    }

    /// No row of this contact is to be recognised.
    pub fn share(&mut self, contact: ContactDigest) {
        self.shared.insert(contact);
    }

    /// A row may be of these contacts too.
    pub fn note_contacts(&mut self, contacts: &[ContactDigest]) {
        self.also.extend(contacts);
    }

    /// The contacts of the rows that are not kept, by the numbers of their tags, in ascending order.
    pub fn contacts(&self) -> Vec<u64> {
        let of_rows = self.entries.iter().filter_map(|entry| entry.contact);
        let mut contacts: Vec<u64> = of_rows.chain(self.also.iter().copied()).map(ContactDigest::number).collect();
        contacts.sort_unstable();
        contacts.dedup();
        contacts
    }

    /// Which of the `rows` rows of the last snapshot are kept.
    pub fn kept_places(&self, rows: usize) -> Vec<bool> {
        let mut kept = vec![false; rows];
        for piece in &self.pieces {
            match piece {
                Piece::Kept(places) => {
                    if let Some(kept) = kept.get_mut(places.clone()) {
                        kept.fill(true);
                    }
                }
                Piece::New(_) => {}
            }
        }
        for place in self.replaced.keys() {
            if let Some(kept) = kept.get_mut(*place) {
                *kept = false;
            }
        }
        kept
    }

    /// Whether a row of this contact is not to be recognised.
    pub fn is_shared(&self, contact: ContactDigest) -> bool {
        self.shared.contains(&contact)
    }

    /// Whether there are contacts of which no row is to be recognised.
    pub fn has_shared(&self) -> bool {
        !self.shared.is_empty()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Kept(places) => places.len(),
                Piece::New(numbers) => numbers.len(),
            })
            .sum()
    }

    /// Number of rows that are unchanged without having been mapped.
    pub fn kept(&self) -> usize {
        let kept = self.pieces.iter().map(|piece| match piece {
            Piece::Kept(places) => places.len(),
            Piece::New(_) => 0,
        });
        kept.sum::<usize>() - self.replaced.len()
    }

    /// The rows, in the input's order.
    pub fn rows(&self) -> impl Iterator<Item = NextRow> {
        let rows = self.pieces.iter().flat_map(|piece| {
            let (range, is_kept) = match piece {
                Piece::Kept(places) => (places.clone(), true),
                Piece::New(numbers) => (numbers.clone(), false),
            };
            range.map(move |at| (is_kept, at))
        });
        rows.map(|(is_kept, at)| {
            let replaced = if is_kept { self.replaced.get(&at) } else { Some(&at) };
            replaced.map_or(NextRow::Kept(at), |&number| NextRow::New(self.entry(number)))
        })
    }

    /// Whether the rows are those of the last snapshot, which had `rows`, in any order. Each is kept once.
    pub fn has_same_rows(&self, rows: usize) -> bool {
        self.entries.is_empty() && self.len() == rows && self.shared.is_empty()
    }

    /// Whether a kept row is at another place than in the last snapshot.
    pub fn moves_rows(&self) -> bool {
        let mut at = 0;
        self.pieces.iter().any(|piece| {
            let (count, moves) = match piece {
                Piece::Kept(places) => (places.len(), places.start != at),
                Piece::New(numbers) => (numbers.len(), false),
            };
            at += count;
            moves
        })
    }

    /// Where the kept rows are, in the input's order; nothing unless they are to be listed. The last
    /// snapshot had `rows`.
    pub fn kept_rows(&self, rows: usize) -> Vec<KeptRows> {
        // Then the last snapshot stays, with its order.
        let has_same_rows = self.has_same_rows(rows);
        let mut listed: Vec<KeptRows> = Vec::new();
        let mut positions = self.positions.iter().flatten();
        // What is left of the current positions.
        let (mut first, mut left) = (RowPosition { row: 0, line: 0 }, 0);
        let mut at = 0;
        for piece in &self.pieces {
            let mut places = match piece {
                Piece::Kept(places) => places.clone(),
                Piece::New(numbers) => {
                    at += numbers.len() as u64;
                    continue;
                }
            };
            while !places.is_empty() {
                if left == 0 {
                    let Some(next) = positions.next() else { return listed };
                    (first, left) = *next;
                }
                let replaced = self.replaced.range(places.clone()).next().map(|(place, _)| *place);
                let is_replaced = replaced == Some(places.start);
                let end = if is_replaced { places.start + 1 } else { replaced.unwrap_or(places.end) };
                let count = left.min((end - places.start) as u64);
                if !is_replaced {
                    let place = if has_same_rows { places.start as u64 } else { at };
                    listed.push(KeptRows { first, place, count });
                }
                (first.row, first.line, left, at) = (first.row + count, first.line + count, left - count, at + count);
                places.start += usize::try_from(count).unwrap_or(usize::MAX);
            }
        }
        listed
    }

    fn entry(&self, number: usize) -> Entry {
        let entry = self.entries[number];
        let is_shared = entry.contact.is_some_and(|contact| self.is_shared(contact));
        Entry { hash: entry.hash.filter(|_| !is_shared), ..entry }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_the_order_of_the_input() {
        let entry = |hash: u128, contact: u64| Entry {
            hash: RowHash::from_stored(hash),
            contact: ContactDigest::from_stored(contact),
            number: 7,
        };
        let mut next = NextSnapshot::new(true);
        let position = |row, line| RowPosition { row, line };
        next.keep(0..1, position(1, 2));
        next.keep(1..2, position(2, 3));
        assert!(next.has_same_rows(2) && !next.has_same_rows(3) && !next.moves_rows());
        let new = next.add();
        next.keep(3..4, position(4, 5));
        let (other, rejected) = (next.add(), next.add());
        // The row before it has three lines.
        next.keep(4..7, position(7, 10));
        next.keep(7..8, position(10, 14));
        let replaced = next.replace(1);
        next.settle(new, entry(10, 1));
        next.settle(other, entry(11, 2));
        next.settle(replaced, entry(12, 3));
        let rows: Vec<_> = next.rows().collect();
        let (kept, added) = (NextRow::Kept, |hash, contact| NextRow::New(entry(hash, contact)));
        let rejected_row = NextRow::New(Entry::default());
        let mut expected = vec![kept(0), added(12, 3), added(10, 1), kept(3), added(11, 2), rejected_row];
        expected.extend([kept(4), kept(5), kept(6), kept(7)]);
        assert_eq!((rows, next.kept(), rejected), (expected, 6, 2));
        let piece = |(row, line), place, count| KeptRows { first: position(row, line), place, count };
        let listed = [piece((1, 2), 0, 1), piece((4, 5), 3, 1), piece((7, 10), 6, 3), piece((10, 14), 9, 1)];
        assert_eq!(next.kept_rows(9), listed);
        next.note_contacts(&[ContactDigest::from_stored(9).unwrap(), ContactDigest::from_stored(2).unwrap()]);
        assert_eq!(next.contacts(), [1, 2, 3, 9]);
        assert_eq!(next.kept_places(9), [true, false, false, true, true, true, true, true, false]);
        let replaced = next.replace(5);
        next.settle(replaced, entry(13, 4));
        let listed = [piece((7, 10), 6, 1), piece((9, 12), 8, 1)];
        assert_eq!(next.kept_rows(9)[2..4], listed);
        // A contact that has another row.
        next.share(ContactDigest::from_stored(2).unwrap());
        assert_eq!(next.rows().nth(4), Some(added(0, 2)));
        assert!(!next.has_same_rows(10));
        // The rows of the last snapshot in another order.
        let mut next = NextSnapshot::new(true);
        next.keep(2..4, position(1, 2));
        next.keep(0..2, position(3, 4));
        assert!(next.has_same_rows(4) && next.moves_rows());
        assert_eq!(next.kept_rows(4), [piece((1, 2), 2, 2), piece((3, 4), 0, 2)]);
        assert_eq!(next.kept_rows(5), [piece((1, 2), 0, 2), piece((3, 4), 2, 2)]);
    }
}
