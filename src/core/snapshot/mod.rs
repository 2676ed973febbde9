//! Snapshots: which rows of an input are as they were in the last input of its source, and so need not be mapped.
//!
//! A snapshot has a [`RowHash`] for each row that was unchanged, in the order of the input, and the [`ContactDigest`] of its
//! contact. It is tied to a [`Basis`]: everything besides a row's cells that decides what becomes of the row. A row whose
//! hash is in the snapshot is unchanged again, as long as nothing else changed its contact.
//!
//! Hashes and tags are keyed (SipHash-1-3) with a random key that never leaves the journal, so that the author of an input
//! cannot make two rows with one hash.
//!
//! A row of text that is one line is hashed by its line, so that a row that is as it was need not even be parsed. Other rows
//! are hashed by their cells.

mod hash;
mod matcher;
mod next;
mod recognition;

pub use self::hash::{Basis, ContactDigest, LineHasher, RowHash, SnapshotKey, SuppressedHash};
pub use self::matcher::{Matcher, TOGETHER};
pub use self::next::{CHUNK, Entry, KeptRows, NextRow, NextSnapshot, RowPosition};
pub use self::recognition::Recognition;
