//! The keys of a row, whatever else is wrong with it.

use std::sync::Arc;

use serde_json::Value as Json;

use super::by_name::{Column, ID_COLUMN, SHAPE_KEY, is_shaped};
use super::cells::Row;
use super::control::control_character;
use super::parts::{Parts, Refusal};
use super::rules::Unmapped;
use super::{FieldReader, Mapping};
use crate::core::model::{Contact, Key};
use crate::core::nfc::nfc_texts;
use crate::core::record::{Cells, Record, Texts};
use crate::core::text::visible;

/// Reads one part of a contact.
type ReadPart<'p> = &'p dyn Fn(&mut Parts<'_>) -> Result<(), Refusal>;

impl Mapping {
    /// The keys by which the contact of a rejected record may be known: its match values and its id, as far as each of them can be
    /// read by itself.
    pub fn keys(&self, record: &Record) -> Vec<Key> {
        let mut keys = Vec::new();
        if record.total.is_some() {
            return keys;
        }
        match &record.cells {
            Cells::Texts(texts) if self.title_among_rows(texts).is_some() => {}
            Cells::Texts(texts) => self.keys_of_texts(&nfc_texts(texts), &mut keys),
            Cells::Object(object) => self.keys_of_object(object, &mut keys),
        }
        keys
    }

    fn keys_of_texts(&self, texts: &Texts, keys: &mut Vec<Key>) {
        self.keys_by_rules(Row::Texts(texts), keys);
        for (column, text) in self.columns.iter().zip(texts.iter()) {
            if matches!(column, Column::Id | Column::Match(_)) {
                self.add_keys(&|parts| parts.text(column, self.defaults.clean(text)), keys);
            }
        }
    }

    fn keys_of_object(&self, object: &[(Arc<str>, Json)], keys: &mut Vec<Key>) {
        self.keys_by_rules(Row::Object(object), keys);
        if self.unmapped != Unmapped::Send {
            return;
        }
        let is_key = |name: &str| self.match_fields.iter().any(|field| *field == *name);
        let shaped = is_shaped(object, self.channel_column());
        for (key, json) in object {
            let key = visible(key);
            if Some(&*key) == self.channel_column() || self.named.iter().any(|path| path.goes_by(&key)) {
                continue;
            }
            match json {
                Json::Object(fields) if shaped && key == SHAPE_KEY => {
                    for (name, json) in fields.iter().filter(|(name, _)| is_key(&visible(name))) {
                        self.add_keys(&|parts| parts.json(name, json), keys);
                    }
                }
                _ if shaped && (key == "id" || key == SHAPE_KEY) => {
                    self.add_keys(&|parts| parts.shaped(&key, json), keys);
                }
                _ if key == ID_COLUMN || is_key(&key) => self.add_keys(&|parts| parts.json(&key, json), keys),
                _ => {}
            }
        }
    }

    fn keys_by_rules(&self, row: Row<'_>, keys: &mut Vec<Key>) {
        if let Some(id) = &self.id {
            self.add_keys(&|parts| parts.id(id.id_of(row, &self.defaults)?), keys);
        }
        for field in self.fields.iter().filter(|field| FieldReader::is_match(field)) {
            self.add_keys(&|parts| field.fill(row, &self.defaults, parts), keys);
        }
    }

    // Adds the keys of a contact that has nothing but this part.
    fn add_keys(&self, read: ReadPart<'_>, keys: &mut Vec<Key>) {
        let mut parts = Parts::new(&self.match_fields, 1);
        if read(&mut parts).is_err() {
            return;
        }
        let Ok(contact) = self.checked(parts) else { return };
        keys.extend(keys_of(&contact).filter(|key| control_character(&key.to_string()).is_none()));
    }
}

fn keys_of(contact: &Contact) -> impl Iterator<Item = Key> {
    let id = contact.id().cloned().map(Key::Id);
    contact.matches().iter().map(Key::of).chain(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::mapping::rules::Rules;
    use crate::core::model::Mode;

    #[test]
    fn a_rejected_row_has_the_keys_that_can_be_read() {
        let header: Vec<Arc<str>> = ["email", "phone", "contact_id", "city"].map(Arc::from).to_vec();
        let rules = Rules { matches: vec!["email".into(), "phone".into()], ..Rules::default() };
        let mapping = Mapping::by(&rules, Some(&header), Mode::Upsert).unwrap();
        let check = |cells: [&str; 4], expected: &[&str]| {
            let record = Record { row: 1, line: 2, cells: Cells::Texts(cells.into_iter().collect()), total: None };
            let keys: Vec<String> = mapping.keys(&record).iter().map(Key::to_string).collect();
            assert_eq!(keys, expected, "{cells:?}");
        };
        check(["a@x.mx", "", "", "Lima"], &["email=a@x.mx"]);
        check(["a@x.mx", "none", "7", "Li\u{7}ma"], &["email=a@x.mx", "contact_id=7"]);
        check(["no address", "+521", "N/A", ""], &["phone=+521"]);
        check(["a\u{7}@x.mx", "", "", ""], &[]);
        check(["", "", "", "Lima"], &[]);
    }

    #[test]
    fn a_rejected_object_has_the_keys_that_can_be_read() {
        let rules = Rules { matches: vec!["email".into()], ..Rules::default() };
        let mapping = Mapping::by(&rules, None, Mode::Upsert).unwrap();
        let check = |json: &str, expected: &[&str]| {
            let json: serde_json::Map<String, Json> = serde_json::from_str(json).unwrap();
            let cells = Cells::Object(json.into_iter().map(|(key, json)| (key.as_str().into(), json)).collect());
            let keys: Vec<String> =
                mapping.keys(&Record { row: 1, line: 1, cells, total: None }).iter().map(Key::to_string).collect();
            assert_eq!(keys, expected);
        };
        check(r#"{"email": "a@x.mx", "city": ["a", {}]}"#, &["email=a@x.mx"]);
        check(r#"{"contact_id": 7, "email": {}}"#, &["contact_id=7"]);
        check(r#"{"custom_fields": {"a": {}, "email": "a@x.mx"}, "id": "7"}"#, &["email=a@x.mx", "contact_id=7"]);
        check(r#"{"city": "Lima"}"#, &[]);
    }
}
