//! The snapshot that an input leaves: rows that are in the last snapshot too, by their places there, and other rows.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::{ContactTag, RowHash};

/// Number of rows that a snapshot stores together. What is stored is written again only where one of them changed.
pub const CHUNK: usize = if cfg!(test) { 8 } else { 4_096 };

/// A row of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The hash by which it is recognised; `None` for a row that is mapped in any case.
    pub hash: Option<RowHash>,
    /// Its contact; `None` for a row that became none.
    pub contact: Option<ContactTag>,
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
    shared: HashSet<ContactTag>,
}

#[derive(Debug)]
enum Piece {
    Kept(Range<usize>),
    New(Range<usize>),
}

impl NextSnapshot {
    /// Adds the row at this place of the last snapshot, which is unchanged.
    pub fn keep(&mut self, place: usize) {
        self.keep_all(place..place + 1);
    }

    /// Adds the rows at these places of the last snapshot, which are unchanged.
    pub fn keep_all(&mut self, kept: Range<usize>) {
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
    pub fn share(&mut self, contact: ContactTag) {
        self.shared.insert(contact);
    }

    /// Whether a row of this contact is not to be recognised.
    pub fn is_shared(&self, contact: ContactTag) -> bool {
        self.shared.contains(&contact)
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

    /// Whether the rows are all those of the last snapshot, which had `rows`, in its order.
    pub fn is_same(&self, rows: usize) -> bool {
        let is_whole = match &self.pieces[..] {
            [] => rows == 0,
            [Piece::Kept(places)] => *places == (0..rows),
            [_, ..] => false,
        };
        is_whole && self.replaced.is_empty() && self.shared.is_empty()
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
            contact: ContactTag::from_stored(contact),
        };
        let mut next = NextSnapshot::default();
        next.keep(0);
        next.keep(1);
        assert!(next.is_same(2) && !next.is_same(3));
        let new = next.add();
        next.keep(3);
        let (other, rejected) = (next.add(), next.add());
        next.keep(7);
        let replaced = next.replace(1);
        next.settle(new, entry(10, 1));
        next.settle(other, entry(11, 2));
        next.settle(replaced, entry(12, 3));
        let rows: Vec<_> = next.rows().collect();
        let (kept, added) = (NextRow::Kept, |hash, contact| NextRow::New(entry(hash, contact)));
        let expected = [kept(0), added(12, 3), added(10, 1), kept(3), added(11, 2), added(0, 0), kept(7)];
        assert_eq!((rows.as_slice(), next.kept(), rejected), (&expected[..], 3, 2));
        // A contact that has another row.
        next.share(ContactTag::from_stored(2).unwrap());
        assert_eq!(next.rows().nth(4), Some(added(0, 2)));
        assert!(!next.is_same(7));
    }
}
