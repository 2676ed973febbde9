//! Snapshots: which rows of an input are as they were in the last input of its source, and so need not be mapped.
//!
//! A snapshot has a [`RowHash`] for each row that was unchanged, in the order of the input, and the [`ContactTag`] of its
//! contact. It is tied to a [`Basis`]: everything besides a row's cells that decides what becomes of the row. A row whose
//! hash is in the snapshot is unchanged again, as long as nothing else changed its contact.
//!
//! Hashes and tags are keyed (SipHash-1-3) with a random key that never leaves the journal, so that the author of an input
//! cannot make two rows with one hash.

mod hash;
mod matcher;
mod next;

pub use self::hash::{Basis, ContactTag, RowHash, SnapshotKey};
pub use self::matcher::Matcher;
pub use self::next::{CHUNK, Entry, NextRow, NextSnapshot};
