//! Keys and paths that rules read from objects, and that no object has: mistyped ones, most often. In an input with a header
//! they are refused as missing columns; objects show only at the end which keys they have.

use std::sync::atomic::{AtomicBool, Ordering};

use super::path::Path;
use crate::core::record::{Cells, Record};

/// The paths of a mapping that no object had so far. Several threads may use it.
#[derive(Debug)]
pub struct UnseenPaths {
    // Each path once, and whether an object has it.
    paths: Vec<(Path, AtomicBool)>,
    has_rows: AtomicBool,
}

impl UnseenPaths {
    pub(super) fn new<'p>(paths: impl Iterator<Item = &'p Path>) -> Self {
        let mut unseen: Vec<(Path, AtomicBool)> = Vec::new();
        for path in paths {
            if !unseen.iter().any(|(known, _)| known == path) {
                unseen.push((path.clone(), AtomicBool::new(false)));
            }
        }
        Self { paths: unseen, has_rows: AtomicBool::new(false) }
    }

    /// Notes which paths a record has. A blank value counts.
    pub fn note(&self, record: &Record) {
        let Cells::Object(object) = &record.cells else { return };
        self.has_rows.store(true, Ordering::Relaxed);
        for (path, is_seen) in self.paths.iter().filter(|(_, is_seen)| !is_seen.load(Ordering::Relaxed)) {
            if path.find(object).is_some() {
                is_seen.store(true, Ordering::Relaxed);
            }
        }
    }

    /// The paths that no object had. Without an object there are none.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let has_rows = self.has_rows.load(Ordering::Relaxed);
        let unseen = self.paths.iter().filter(move |(_, is_seen)| has_rows && !is_seen.load(Ordering::Relaxed));
        unseen.map(|(path, _)| path.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_unseen_until_an_object_has_it() {
        let paths = ["phone", "phones.mobile.number", "city"].map(Path::new);
        let unseen = UnseenPaths::new(paths.iter().chain(&paths));
        let check = |expected: &[&str]| assert_eq!(unseen.paths().collect::<Vec<_>>(), expected);
        check(&[]);
        let note = |json: &str| {
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap();
            let cells = Cells::Object(object.into_iter().map(|(key, json)| (key.as_str().into(), json)).collect());
            unseen.note(&Record { row: 1, line: 1, cells, total: None });
        };
        note(r#"{"city":null,"phones":[{"label":"home","number":"1"}]}"#);
        check(&["phone", "phones.mobile.number"]);
        note(r#"{"phone":"","phones":[]}"#);
        check(&["phones.mobile.number"]);
        note(r#"{"phones":[{"label":"mobile","number":"1"}]}"#);
        check(&[]);
    }
}
