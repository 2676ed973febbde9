//! What a sync would change of a contact, for a person to read and approve.

use serde::Serialize;

use crate::core::model::{Contact, Field, HASHED, Known, Mode, RemoteState, Value, WriteMode};
use crate::core::task::{Policy, Task};
use crate::core::text::Text;
use crate::core::time::Timestamp;

/// What would change of one contact.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContactChange {
    /// The channel.
    pub channel: String,
    /// The line of the input on which the row that counts for the contact begins; 0 for a missing contact.
    pub line: u64,
    /// Its key.
    pub key: String,
    /// What would be done.
    pub kind: ChangeKind,
    /// The fields that would be written, match fields first. A new contact's match field that is its key is among them.
    pub fields: Vec<FieldChange>,
    /// The tags that would be added.
    pub add_tags: Vec<String>,
    /// The tags that would be removed.
    pub remove_tags: Vec<String>,
}

/// What would be done with a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is created.
    Create,
    /// It was never seen: a search decides whether it is created, updated or unchanged.
    CreateOrUpdate,
    /// It was never seen: it is updated if a search finds it, and rejected otherwise.
    UpdateIfFound,
    /// A create of it got no answer: searches decide whether it is created again.
    ResolveDoubt,
    /// It is known, and updated.
    Update,
    /// Its source had it and no longer has it: it gets its mark, if there is one.
    Missing,
}

/// A field that would be written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    /// Its name.
    pub name: String,
    /// The value on the platform; `None` when it is not known, and [`HASHED`] when only its hash is known.
    pub old: Option<Value>,
    /// The value that would be written. A blank one clears the field.
    pub new: Value,
    /// On which condition it is written, where that is not known before the contact is found or read: only if the contact is
    /// created, only if the platform shows no value, or only with another field. Otherwise [`WriteMode::Always`].
    #[serde(skip_serializing_if = "WriteMode::is_always")]
    pub write: WriteMode,
}

impl ContactChange {
    /// The change of a missing contact, which is `marked` by this contact if it is to be marked.
    pub fn missing(channel: &str, key: &str, marked: Option<(Contact, RemoteState)>, policy: Policy) -> Self {
        let change = marked.map(|(contact, remote_state)| Self::of(channel, 0, contact, remote_state, policy));
        let (fields, add_tags) = change.map_or_else(Default::default, |change| (change.fields, change.add_tags));
        let (kind, remove_tags) = (ChangeKind::Missing, Vec::new());
        Self { channel: channel.to_owned(), line: 0, key: key.to_owned(), kind, fields, add_tags, remove_tags }
    }

    /// The change that makes the platform match `contact`, whose row begins on this line.
    pub fn of(channel: &str, line: u64, contact: Contact, remote_state: RemoteState, policy: Policy) -> Self {
        let task = Task::new(contact, remote_state, policy, &[], Timestamp::default());
        let (contact, key) = (task.contact(), task.contact().key().shown());
        let texts = |tags: &[Text]| tags.iter().map(Text::to_string).collect();
        let (kind, fields, add_tags, remove_tags) = match task.remote_state() {
            RemoteState::Known(known) => {
                let change = task.change();
                let reasons = change.reasons().len();
                let certain = change.set.iter().enumerate().map(|(at, field)| {
                    let write = if at < reasons { WriteMode::Always } else { WriteMode::WithOthers };
                    FieldChange { write, ..FieldChange::known(field, known) }
                });
                let unseen = task.unseen().map(|field| FieldChange::unknown(field, WriteMode::IfBlank));
                (ChangeKind::Update, certain.chain(unseen).collect(), change.add, change.remove)
            }
            RemoteState::Unknown | RemoteState::InDoubt(_) => {
                let kind = match (task.remote_state(), policy.mode) {
                    (RemoteState::InDoubt(_), _) => ChangeKind::ResolveDoubt,
                    (_, Mode::Create) if !policy.search_first || contact.matches().is_empty() => ChangeKind::Create,
                    (_, Mode::Create | Mode::Upsert) => ChangeKind::CreateOrUpdate,
                    (_, Mode::Update) => ChangeKind::UpdateIfFound,
                };
                let fields: Vec<FieldChange> = match kind {
                    // A new contact gets all its fields. It has no value and no tag that could be removed.
                    ChangeKind::Create => {
                        contact.filled().iter().map(|field| FieldChange::unknown(field, WriteMode::Always)).collect()
                    }
                    ChangeKind::CreateOrUpdate
                    | ChangeKind::UpdateIfFound
                    | ChangeKind::ResolveDoubt
                    | ChangeKind::Update
                    | ChangeKind::Missing => {
                        let may_create = kind != ChangeKind::UpdateIfFound;
                        let written = contact
                            .fields_with_modes()
                            .filter(|(field, mode)| may_be_written(field, *mode, may_create));
                        written.map(|(field, mode)| FieldChange::unknown(field, mode)).collect()
                    }
                };
                let removed = if kind == ChangeKind::Create { &[] } else { contact.remove_tags() };
                (kind, fields, texts(contact.tags()), texts(removed))
            }
        };
        Self { channel: channel.to_owned(), line, key, kind, fields, add_tags, remove_tags }
    }
}

// Whether a field of a contact that is created or found may be written.
fn may_be_written(field: &Field, mode: WriteMode, may_create: bool) -> bool {
    match mode {
        WriteMode::Always | WriteMode::WithOthers => true,
        WriteMode::OnCreate => may_create && !field.value.is_blank(),
        WriteMode::IfBlank => !field.value.is_blank(),
    }
}

impl FieldChange {
    fn unknown(field: &Field, write: WriteMode) -> Self {
        Self { name: field.name.to_string(), old: None, new: field.value.clone(), write }
    }

    /// The change of a field of a known contact.
    pub(crate) fn known(field: &Field, known: &Known) -> Self {
        let shown = |value: &Value| match value {
            Value::Hashed(_) => Value::Text(HASHED.into()),
            Value::Text(_) | Value::Number(_) | Value::Bool(_) => value.clone(),
        };
        Self { old: known.fields.get(&*field.name).map(shown), ..Self::unknown(field, WriteMode::Always) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::diff::TagsMode;
    use crate::core::doubt::Doubt;
    use crate::core::model::{ContactId, Draft};

    fn contact() -> Contact {
        Contact::new(Draft {
            matches: vec![Field::text("phone", "+521")],
            fields: vec![Field::text("city", "Lima")],
            clear: vec!["note".into()],
            tags: vec!["new".into(), "vip".into()],
            remove_tags: vec!["old".into()],
            ..Draft::default()
        })
        .unwrap()
    }

    fn text(change: &ContactChange) -> String {
        let shown = |value: &Value| value.text().into_owned();
        let field = |field: &FieldChange| {
            let old = field.old.as_ref().map_or_else(|| "?".into(), shown);
            format!("{} {old}>{}", field.name, shown(&field.new))
        };
        let fields = change.fields.iter().map(field);
        let tags = change.add_tags.iter().map(|tag| format!("+{tag}"));
        let removed = change.remove_tags.iter().map(|tag| format!("-{tag}"));
        let parts: Vec<String> = fields.chain(tags).chain(removed).collect();
        format!("{:?} {} {}: {}", change.kind, change.key, change.line, parts.join(", "))
    }

    #[test]
    fn a_change_depends_on_what_is_known_and_on_the_mode() {
        let policy = |mode| Policy {
            mode,
            tags_mode: TagsMode::Mirror,
            search_lag: Duration::ZERO,
            retry_in_doubt: false,
            search_first: false,
        };
        let check = |mode, state: RemoteState, expected: &str| {
            assert_eq!(text(&ContactChange::of("c", 2, contact(), state, policy(mode))), expected);
        };
        let all = "phone=+521 2: phone ?>+521, city ?>Lima, note ?>, +new, +vip, -old";
        check(Mode::Create, RemoteState::Unknown, "Create phone=+521 2: phone ?>+521, city ?>Lima, +new, +vip");
        check(Mode::Upsert, RemoteState::Unknown, &format!("CreateOrUpdate {all}"));
        check(Mode::Update, RemoteState::Unknown, &format!("UpdateIfFound {all}"));
        let in_doubt = || RemoteState::InDoubt(Doubt::of_create(&contact(), None));
        check(Mode::Upsert, in_doubt(), &format!("ResolveDoubt {all}"));
        check(Mode::Create, in_doubt(), &format!("ResolveDoubt {all}"));
        let mut known = Known::only_id(ContactId::new("7").unwrap());
        known.fields = [("phone", "+521"), ("city", "Cusco")]
            .map(|(name, value)| (name.to_owned(), Field::text(name, value).value))
            .into();
        known.tags = ["vip".to_owned(), "gone".to_owned()].into();
        known.own_tags = ["gone".to_owned()].into();
        let known = RemoteState::Known(known);
        let expected = "Update phone=+521 2: city Cusco>Lima, note ?>, +new, -old, -gone";
        check(Mode::Upsert, known.clone(), expected);
        check(Mode::Update, known, expected);
    }
}
