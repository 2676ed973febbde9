//! What the values of an input show once its rows are mapped: match values that different people share, and text that a program
//! wrote in place of a value.

use std::collections::BTreeMap;
use std::hash::Hash;

use crate::core::encoded_text::encoded_text;
use crate::core::headings::{KeySense, key_sense};
use crate::core::model::{Contact, Value};
use crate::core::non_value::{Artifact, artifact};
use crate::core::shared_values::{SharedField, SharedValues};

/// How many fields with text of programs are remembered.
const FIELDS: usize = 100;

/// What is doubtful in the values of the rows so far.
#[derive(Clone, Debug, Default)]
pub struct DoubtfulValues {
    shared: SharedValues,
    artifacts: BTreeMap<(String, Artifact), Rows>,
}

#[derive(Clone, Copy, Debug)]
struct Rows {
    line: u64,
    count: u64,
}

/// A field in which a program wrote text that is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArtifactField {
    /// The field.
    pub(crate) field: String,
    /// The text in backticks, or a description of it.
    pub(crate) text: String,
    /// The number of rows with it.
    pub(crate) rows: u64,
    /// The line of the first of these rows, from 1.
    pub(crate) line: u64,
}

impl DoubtfulValues {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the contact of the row at `line`. Match values are compared within one `group`, such as a channel.
    pub fn add(&mut self, group: impl Hash, line: u64, contact: &Contact) {
        self.shared.add(group, line, contact);
        // A match value that is no value rejects its row.
        for field in &contact.fields()[contact.matches().len()..] {
            let Value::Text(text) = &field.value else { continue };
            let found = artifact(text, false);
            let found = found.filter(|_| found == artifact(text, is_of_names(&field.name)));
            let Some(found) = found.or_else(|| encoded_text(text).map(Artifact::Encoded)) else { continue };
            let key = (field.name.to_string(), found);
            if let Some(rows) = self.artifacts.get_mut(&key) {
                rows.count += 1;
                rows.line = rows.line.min(line);
            } else if self.artifacts.len() < FIELDS {
                self.artifacts.insert(key, Rows { line, count: 1 });
            }
        }
    }

    /// The match fields in which rows of different people share values.
    pub(crate) fn shared(&self) -> Vec<SharedField> {
        self.shared.found()
    }

    /// The other fields in which a program wrote text that is no value, at most 100 of them.
    pub(crate) fn artifacts(&self) -> impl Iterator<Item = ArtifactField> {
        self.artifacts.iter().map(|((field, artifact), rows)| {
            let text = artifact.described();
            ArtifactField { field: field.clone(), text, rows: rows.count, line: rows.line }
        })
    }
}

fn is_of_names(field: &str) -> bool {
    matches!(key_sense(field), Some(KeySense::PersonName | KeySense::Name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Draft, Field};

    #[test]
    fn text_of_programs_is_counted_by_field() {
        let mut doubtful = DoubtfulValues::new();
        for (name, notes, line) in [
            ("Null", "[object Object]", 5),
            ("null", "['a', 'b']", 3),
            ("undefined", "NULL", 2),
            ("None", "None", 4),
            ("Ann", "-", 6),
            ("Jos&eacute;", "Jos\u{fffd}", 7),
            ("O&#039;Brien", "x", 8),
        ] {
            let fields = vec![Field::text("name", name), Field::text("notes", notes)];
            let matches = vec![Field::text("phone", "1")];
            doubtful.add((), line, &Contact::new(Draft { matches, fields, ..Draft::default() }).unwrap());
        }
        let found: Vec<String> = doubtful
            .artifacts()
            .map(|ArtifactField { field, text, rows, line }| format!("{field}: {text}, {rows} from {line}"))
            .collect();
        assert_eq!(
            found,
            [
                "name: `undefined`, 1 from 2",
                "name: HTML codes such as `&amp;` or `&eacute;`, 2 from 7",
                "notes: `NULL`, 1 from 2",
                "notes: a printed list or object such as `[object Object]`, 2 from 3",
                "notes: `\u{fffd}`, the mark for a character that was lost, 1 from 7",
            ]
        );
    }

    #[test]
    fn the_fields_with_text_of_programs_are_bounded() {
        let mut doubtful = DoubtfulValues::new();
        for line in 1..=2 * FIELDS as u64 {
            let fields = vec![Field::text(format!("f{line}"), "NaN")];
            let matches = vec![Field::text("phone", "1")];
            doubtful.add((), line, &Contact::new(Draft { matches, fields, ..Draft::default() }).unwrap());
        }
        assert_eq!(doubtful.artifacts().count(), FIELDS);
    }
}
