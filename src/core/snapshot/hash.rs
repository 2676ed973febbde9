//! Keyed hashes of rows and contacts, and of everything else that determines how a row is planned.

use std::fmt;
use std::hash::Hasher as _;
use std::num::{NonZeroU64, NonZeroU128};

use serde_json::Value as Json;
use siphasher::sip::SipHasher13 as ShortHasher;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::core::model::{HashedKey, Key};
use crate::core::record::{Cells, Texts};

/// Version of the hash format and of the meaning of rows, besides the program's. Increase it when a row with
/// the same cells or the same line may become another contact.
const FORMAT: u32 = 2;

/// What the hash of a line is combined with when reading the row added a notice about the input.
const NOTED: u128 = 0x6E6F_7465_6400_0000_0000_0000_0000_0001;

/// What the hash of a line is combined with when each of its cells that is not blank is quoted.
const QUOTED: u128 = 0x7175_6F74_6564_0000_0000_0000_0000_0001;

/// Number of bytes that are hashed at once of where the cells of a row end: 64 cells.
const ENDS: usize = 256;

/// The hash of a row, by its cells or by its line of text: never 0. An input has as many as rows, so that an `Option` of one takes no
/// more memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowHash(NonZeroU128);

/// A digest of a contact's key. Two contacts may have one tag with a probability of 2⁻⁶⁴; that is harmless, because a tag only
/// makes a row take the long way. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContactDigest(NonZeroU64);

/// The hash of a match value or an id of a person who must not return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SuppressedHash([u8; 16]);

impl SuppressedHash {
    /// The hash as it was stored.
    pub const fn from_stored(hash: [u8; 16]) -> Self {
        Self(hash)
    }

    /// The hash as it is stored.
    pub const fn stored(self) -> [u8; 16] {
        self.0
    }
}

/// A digest of everything besides the cells of a row that decides what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Basis(u128);

impl RowHash {
    /// The hash as it is stored; `None` for 0, which stands for a row that is not to be recognised.
    pub const fn from_stored(hash: u128) -> Option<Self> {
        match NonZeroU128::new(hash) {
            Some(hash) => Some(Self(hash)),
            None => None,
        }
    }

    /// The hash as a number.
    pub const fn number(self) -> u128 {
        self.0.get()
    }

    /// The hash of the same line, when reading the row adds a notice about the input: such a row is never skipped.
    #[must_use]
    pub const fn noted(self) -> Self {
        Self(or_one(self.0.get() ^ NOTED))
    }

    /// The hash of the same line, when each of its cells that is not blank is quoted.
    #[must_use]
    pub const fn quoted(self) -> Self {
        Self(or_one(self.0.get() ^ QUOTED))
    }
}

const fn or_one(hash: u128) -> NonZeroU128 {
    match NonZeroU128::new(hash) {
        Some(hash) => hash,
        None => NonZeroU128::MIN,
    }
}

const fn tag_or_one(tag: u64) -> NonZeroU64 {
    match NonZeroU64::new(tag) {
        Some(tag) => tag,
        None => NonZeroU64::MIN,
    }
}

/// Hashes lines of text, each of which is a row.
#[derive(Clone)]
pub struct LineHasher(SipHasher13);

impl LineHasher {
    /// The hash of a line, without its end.
    pub fn line(&self, line: &[u8]) -> RowHash {
        RowHash(or_one(self.0.hash(line).as_u128()))
    }
}

/// Without the key.
impl fmt::Debug for LineHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LineHasher")
    }
}

impl ContactDigest {
    /// The tag as it is stored; `None` for 0, which stands for a row without a contact.
    pub const fn from_stored(tag: u64) -> Option<Self> {
        match NonZeroU64::new(tag) {
            Some(tag) => Some(Self(tag)),
            None => None,
        }
    }

    /// The tag as a number.
    pub const fn number(self) -> u64 {
        self.0.get()
    }
}

impl Basis {
    /// The digest as a number.
    pub const fn number(self) -> u128 {
        self.0
    }
}

/// The key of all hashes of a journal. It is a secret of the journal: who knows it can make two rows with one hash.
#[derive(Clone, Copy)]
pub struct SnapshotKey([u8; 16]);

impl SnapshotKey {
    /// A key of these random bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The hash of a row's cells.
    pub fn row(&self, cells: &Cells) -> RowHash {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        match cells {
            Cells::Texts(texts) => hash_texts(texts, &mut hasher),
            Cells::Object(object) => {
                hash_length(b'o', object.len(), &mut hasher);
                for (key, json) in object {
                    hash_text(b'k', key, &mut hasher);
                    hash_json(json, &mut hasher);
                }
            }
        }
        RowHash(or_one(hasher.finish128().as_u128()))
    }

    /// A hasher of lines. `context` is everything besides a line that decides which cells it has; lines have other hashes in
    /// another context.
    pub fn lines(&self, context: &str) -> LineHasher {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hash_text(b'l', context, &mut hasher);
        LineHasher(SipHasher13::new_with_key(&hasher.finish128().as_u128().to_le_bytes()))
    }

    /// The tag of a contact. Rows without id and match field that have equal content share one.
    pub fn contact(&self, key: &Key) -> ContactDigest {
        self.contact_of_text(&key.to_string())
    }

    /// The tag of the contact whose key has this text. The hashes of a match value have that of the value.
    pub fn contact_of_text(&self, key: &str) -> ContactDigest {
        if let Some(hashed) = HashedKey::of_key(key) {
            return ContactDigest(tag_or_one(hashed.tag));
        }
        // `#digest.00000002` is the second row with its content.
        let key = if key.starts_with('#') { key.rsplit_once('.').map_or(key, |(digest, _)| digest) } else { key };
        let mut hasher = ShortHasher::new_with_key(&self.0);
        hasher.write(key.as_bytes());
        ContactDigest(tag_or_one(hasher.finish()))
    }

    /// The hash of a match value or an id of a suppressed person.
    pub fn suppressed(&self, key: &Key) -> SuppressedHash {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hash_text(b'x', &key.to_string(), &mut hasher);
        SuppressedHash(hasher.finish128().as_u128().to_le_bytes())
    }

    /// The digest of everything that decides what becomes of rows, each part by its name. The version of the program is one
    /// of the parts.
    pub fn basis<'a>(&self, parts: impl IntoIterator<Item = (&'a str, String)>) -> Basis {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write_u32(FORMAT);
        hash_text(b'v', env!("CARGO_PKG_VERSION"), &mut hasher);
        for (name, part) in parts {
            hash_text(b'n', name, &mut hasher);
            hash_text(b'p', &part, &mut hasher);
        }
        Basis(hasher.finish128().as_u128())
    }
}

/// Without the key.
impl fmt::Debug for SnapshotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SnapshotKey")
    }
}

// All text at once, and where each cell ends in it.
fn hash_texts(texts: &Texts, hasher: &mut SipHasher13) {
    hasher.write(texts.whole().as_bytes());
    let mut buffer = [0; ENDS];
    for ends in texts.ends().chunks(ENDS / 4) {
        let bytes = buffer.chunks_exact_mut(4).zip(ends);
        for (bytes, end) in bytes {
            // A row is far shorter than 4 GiB.
            bytes.copy_from_slice(&u32::try_from(*end).unwrap_or(u32::MAX).to_le_bytes());
        }
        hasher.write(&buffer[..ends.len() * 4]);
    }
    hash_length(b't', texts.len(), hasher);
}

// No two values are written alike: each begins with its kind, and with its length if that may differ.
fn hash_json(json: &Json, hasher: &mut SipHasher13) {
    match json {
        Json::Null => hasher.write_u8(b'0'),
        Json::Bool(false) => hasher.write_u8(b'f'),
        Json::Bool(true) => hasher.write_u8(b'b'),
        Json::Number(number) => hash_text(b'n', &number.to_string(), hasher),
        Json::String(text) => hash_text(b's', text, hasher),
        Json::Array(list) => {
            hash_length(b'a', list.len(), hasher);
            for json in list {
                hash_json(json, hasher);
            }
        }
        Json::Object(map) => {
            hash_length(b'm', map.len(), hasher);
            for (key, json) in map {
                hash_text(b'k', key, hasher);
                hash_json(json, hasher);
            }
        }
    }
}

fn hash_text(kind: u8, text: &str, hasher: &mut SipHasher13) {
    hash_length(kind, text.len(), hasher);
    hasher.write(text.as_bytes());
}

fn hash_length(kind: u8, length: usize, hasher: &mut SipHasher13) {
    hasher.write_u8(kind);
    hasher.write_u64(length as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: SnapshotKey = SnapshotKey::new([7; 16]);

    #[test]
    fn rows_with_other_cells_have_other_hashes() {
        let hash = |cells: &[&str]| KEY.row(&Cells::Texts(cells.iter().copied().collect()));
        let long: Vec<String> = (0..200).map(|at| at.to_string()).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        let swapped: Vec<&str> = long.iter().rev().copied().collect();
        let rows: [&[&str]; 9] =
            [&["ab", "c"], &["a", "bc"], &["abc"], &["abc", ""], &["", "abc"], &[], &[""], &long, &swapped];
        for (at, one) in rows.iter().enumerate() {
            assert_eq!(hash(one), hash(one));
            for other in &rows[..at] {
                assert_ne!(hash(one), hash(other), "{one:?} {other:?}");
            }
        }
        assert_ne!(hash(&["a"]), SnapshotKey::new([8; 16]).row(&Cells::Texts(["a"].into_iter().collect())));
    }

    #[test]
    fn lines_have_other_hashes_in_other_contexts_and_kinds() {
        let (one, other) = (KEY.lines("a"), KEY.lines("b"));
        let lines: [&[u8]; 6] = [b"", b"\0", b"a,b", b"a;b", b"\"a\",b", &[b'x'; 300]];
        let mut hashes = std::collections::HashSet::new();
        for hasher in [&one, &other, &SnapshotKey::new([8; 16]).lines("a")] {
            for line in lines {
                let hash = hasher.line(line);
                assert_eq!(hash, hasher.line(line));
                assert_eq!((hash.noted().noted(), hash.quoted().quoted()), (hash, hash));
                hashes.extend([hash, hash.noted(), hash.quoted()]);
            }
        }
        assert_eq!(hashes.len(), 3 * 3 * lines.len());
    }

    #[test]
    fn objects_with_other_content_have_other_hashes() {
        let texts = [
            "{}",
            r#"{"a":1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":"1"}"#,
            r#"{"a":[1]}"#,
            r#"{"a":[[1]]}"#,
            r#"{"a":{"1":null}}"#,
            r#"{"a":null}"#,
            r#"{"a":true}"#,
            r#"{"a":false}"#,
            r#"{"a":[]}"#,
            r#"{"a":{}}"#,
            r#"{"a":[null,null]}"#,
            r#"{"a":1,"b":2}"#,
            r#"{"a":{"b":2}}"#,
            r#"{"a":["x","y"]}"#,
            r#"{"a":["xy",""]}"#,
            r#"{"a":["","xy"]}"#,
            r#"{"ab":"x"}"#,
        ];
        let hash = |text: &str| {
            let json: serde_json::Map<String, Json> = serde_json::from_str(text).unwrap();
            KEY.row(&Cells::Object(json.into_iter().map(|(key, json)| (key.as_str().into(), json)).collect()))
        };
        for (at, one) in texts.iter().enumerate() {
            assert_eq!(hash(one), hash(one));
            for other in &texts[..at] {
                assert_ne!(hash(one), hash(other), "{one} {other}");
            }
        }
    }

    #[test]
    fn equal_rows_without_a_key_share_a_tag_and_other_contacts_do_not() {
        let row = |digest: &str, nth| KEY.contact(&Key::Row { digest: digest.into(), nth });
        assert_eq!(row("ab", 1), row("ab", 12));
        assert_ne!(row("ab", 1), row("ac", 1));
        let phone = |value: &str| KEY.contact(&Key::Match { field: "phone".into(), value: value.into() });
        assert_ne!(phone("1.2"), phone("1.3"));
        assert_eq!(phone("1"), KEY.contact_of_text("phone=1"));
    }

    #[test]
    fn a_basis_is_of_all_parts() {
        let basis = |parts: &[(&str, &str)]| KEY.basis(parts.iter().map(|(name, part)| (*name, (*part).to_owned())));
        let all: [&[(&str, &str)]; 5] =
            [&[], &[("a", "x")], &[("a", "xb")], &[("a", "x"), ("b", "")], &[("a", ""), ("b", "x")]];
        for (at, one) in all.iter().enumerate() {
            assert_eq!(basis(one), basis(one));
            for other in &all[..at] {
                assert_ne!(basis(one), basis(other), "{one:?} {other:?}");
            }
        }
    }
}
