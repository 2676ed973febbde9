//! Which fields cause the updates of a plan, so that one that changes every night is seen.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::core::contact_change::{ChangeKind, ContactChange};
use crate::core::model::WriteMode;

/// Minimum number of contacts that are updated for one field alone before it is worth a hint.
const MANY: u64 = 10;

/// The known contacts that are updated because of a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldUse {
    /// The field.
    pub field: String,
    /// Number of contacts in which it changes.
    pub contacts: u64,
    /// Number of contacts among them in which no other field changes: as many updates are sent for it alone.
    pub alone: u64,
}

/// Counts the fields that cause updates.
#[derive(Clone, Debug, Default)]
pub struct FieldUses {
    by_field: BTreeMap<String, (u64, u64)>,
    updated: u64,
}

impl FieldUses {
    /// Adds a contact.
    pub fn add(&mut self, change: &ContactChange) {
        if change.kind != ChangeKind::Update {
            return;
        }
        // Fields that are only sent along cause nothing, and of those that are written if they are blank it is not known.
        let reasons: Vec<&str> = change
            .fields
            .iter()
            .filter(|field| field.write == WriteMode::Always)
            .map(|field| field.name.as_str())
            .collect();
        self.updated += u64::from(!reasons.is_empty());
        for field in &reasons {
            let (contacts, alone) = self.by_field.entry((*field).to_owned()).or_default();
            *contacts += 1;
            *alone += u64::from(reasons.len() == 1);
        }
    }

    /// The fields, those that cause most updates first.
    pub fn fields(&self) -> Vec<FieldUse> {
        let of =
            |(field, &(contacts, alone)): (&String, &(u64, u64))| FieldUse { field: field.clone(), contacts, alone };
        let mut fields: Vec<FieldUse> = self.by_field.iter().map(of).collect();
        fields.sort_by_key(|field| Reverse((field.alone, field.contacts)));
        fields
    }

    /// The field for which alone most of the updates are sent, if there are many.
    pub fn noisy(&self) -> Option<FieldUse> {
        self.fields().into_iter().next().filter(|field| field.alone >= MANY && field.alone * 2 > self.updated)
    }

    /// Number of contacts that are updated.
    pub const fn updated(&self) -> u64 {
        self.updated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::contact_change::FieldChange;
    use crate::core::model::Value;

    fn change(kind: ChangeKind, fields: &[(&str, WriteMode)]) -> ContactChange {
        let field = |&(name, write): &(&str, WriteMode)| FieldChange {
            name: name.to_owned(),
            old: None,
            new: Value::Text("x".into()),
            write,
        };
        ContactChange {
            channel: "c".into(),
            line: 2,
            key: "phone=1".into(),
            kind,
            fields: fields.iter().map(field).collect(),
            add_tags: vec!["t".into()],
            remove_tags: Vec::new(),
        }
    }

    #[test]
    fn a_field_that_alone_causes_most_updates_is_noisy() {
        use WriteMode::{Always, IfBlank, WithOthers};
        let mut uses = FieldUses::default();
        let mut add = |times: usize, kind, fields: &[(&str, WriteMode)]| {
            (0..times).for_each(|_| uses.add(&change(kind, fields)));
            let fields = uses
                .fields()
                .into_iter()
                .map(|FieldUse { field, contacts, alone }| format!("{field} {contacts} {alone}"));
            (fields.collect::<Vec<_>>().join(", "), uses.noisy().map(|field| field.field))
        };
        assert_eq!(add(5, ChangeKind::CreateOrUpdate, &[("seen", Always)]), (String::new(), None));
        assert_eq!(add(9, ChangeKind::Update, &[("seen", Always)]), ("seen 9 9".into(), None));
        assert_eq!(add(1, ChangeKind::Update, &[("seen", Always)]), ("seen 10 10".into(), Some("seen".into())));
        let both = [("city", Always), ("seen", Always), ("note", IfBlank), ("age", WithOthers)];
        let expected = "seen 19 10, city 9 0".to_owned();
        assert_eq!(add(9, ChangeKind::Update, &both), (expected, Some("seen".into())));
        assert_eq!(add(1, ChangeKind::Update, &both), ("seen 20 10, city 10 0".into(), None));
        // Tags alone.
        assert_eq!(add(3, ChangeKind::Update, &[]), ("seen 20 10, city 10 0".into(), None));
    }
}
