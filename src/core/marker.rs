//! A marker: a field that has the same value in every contact of an input, by which the platform lists ten contacts a call (API.md,
//! trap 14).

use crate::core::model::{Contact, Field, Value};
use crate::core::size_limits::CONTACTS_PER_PAGE;

/// Names of fields that say where a contact comes from. Other fields with one value, such as a country, list other contacts too.
const ORIGINS: [&str; 6] = ["source", "origin", "origen", "fuente", "crm", "import"];

/// Minimum number of contacts for which a pull is suggested.
const SUGGESTED_FROM: u64 = 20;

/// The fields that have the same value in every contact so far.
#[derive(Clone, Debug, Default)]
pub struct MarkerCandidates {
    // `None` before the first contact.
    fields: Option<Vec<Field>>,
}

/// A pull that takes fewer calls than searching one by one.
#[derive(Clone, Debug, PartialEq)]
pub struct PullSuggestion {
    /// The marker.
    pub marker: Field,
    /// Number of calls that searching for the unknown contacts takes.
    pub finds: u64,
    /// Number of calls that a pull takes if all of them are on the platform.
    pub pages: u64,
}

impl MarkerCandidates {
    /// Takes in a contact. Match fields identify contacts, so none of them is a marker.
    pub fn take(&mut self, contact: &Contact) {
        let others = contact.filled().get(contact.matches().len()..).unwrap_or_default();
        match &mut self.fields {
            None => {
                let is_text = |field: &&Field| matches!(field.value, Value::Text(_));
                self.fields = Some(others.iter().filter(is_text).cloned().collect());
            }
            Some(fields) => fields.retain(|field| others.contains(field)),
        }
    }

    /// Whether no further contact can change the result.
    pub fn is_decided(&self) -> bool {
        self.fields.as_ref().is_some_and(Vec::is_empty)
    }

    /// The pull that takes fewer calls than `finds` searches, if the contacts have a marker.
    pub fn suggestion(&self, finds: u64) -> Option<PullSuggestion> {
        let fields = self.fields.as_deref()?;
        let names_origin = |field: &&Field| {
            let name = field.name.to_lowercase();
            ORIGINS.iter().any(|origin| name.contains(origin))
        };
        let marker = fields.iter().find(names_origin).or(fields.first())?.clone();
        let pages = finds.div_ceil(u64::try_from(CONTACTS_PER_PAGE).unwrap_or(u64::MAX));
        (finds >= SUGGESTED_FROM).then_some(PullSuggestion { marker, finds, pages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Draft;

    #[test]
    fn a_field_with_one_value_is_a_marker_and_one_that_names_the_origin_is_preferred() {
        let check = |contacts: &[&[(&str, &str)]], finds: u64, expected: Option<(&str, u64)>| {
            let mut candidates = MarkerCandidates::default();
            for fields in contacts {
                let fields = fields.iter().map(|&(name, value)| Field::text(name, value)).collect();
                let matches = vec![Field::text("phone", "1")];
                candidates.take(&Contact::new(Draft { matches, fields, ..Draft::default() }).unwrap());
            }
            let found = candidates.suggestion(finds);
            let found = found.as_ref().map(|found| (&*found.marker.name, found.pages));
            assert_eq!(found, expected, "{contacts:?} {finds}");
        };
        let ann: &[(&str, &str)] = &[("country", "MX"), ("name", "Ann"), ("Data source", "crm")];
        let bo: &[(&str, &str)] = &[("country", "MX"), ("name", "Bo"), ("Data source", "crm")];
        check(&[ann, bo], 10_001, Some(("Data source", 1_001)));
        check(&[ann, bo], 19, None);
        check(&[ann, &[("country", "MX"), ("name", "Cy")]], 100, Some(("country", 10)));
        check(&[ann, &[("name", "Cy")]], 100, None);
        check(&[], 100, None);
    }
}
