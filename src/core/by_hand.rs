//! Changes of one contact that are asked for by hand: the contact that is to be sent, and the calls that it takes.

use crate::core::attempt::Attempt;
use crate::core::call::{Call, CallKind};
use crate::core::mapping::rules::Rules;
use crate::core::model::{Contact, ContactId, Draft, Field, Flaw, Key, Known, Mode, Remote, RemoteState};
use crate::core::page::Page;
use crate::core::task::{Policy, Step, Task};
use crate::core::text::Text;
use crate::core::time::Timestamp;

/// What stands for an id that only the platform's answer will name.
const NEW_ID: &str = "ID";

/// Maximum number of calls that a preview names: a contact has at most some hundred fields and tags.
const MOST_CALLS: usize = 1_000;

/// What is to be written to one contact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edit {
    /// The fields, with their values.
    pub fields: Vec<Field>,
    /// The fields that are to become blank.
    pub clear: Vec<Text>,
    /// The tags to add.
    pub tags: Vec<Text>,
    /// The tags to remove.
    pub remove_tags: Vec<Text>,
}

/// Why an edit makes no contact.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadEdit {
    /// A create without a value in any match field: if its answer were lost, no search could find it.
    #[error("a new contact needs a value in a match field{}", named(.0))]
    NoMatch(Vec<String>),
    /// Another value for a field by which the contact has to be found first.
    #[error("the contact is found by its `{0}`, which can only be changed by its id")]
    MatchField(String),
    /// The parts do not make a contact.
    #[error(transparent)]
    Flaw(#[from] Flaw),
}

fn named(fields: &[String]) -> String {
    if fields.is_empty() { String::new() } else { format!(" (`{}`)", fields.join("`, `")) }
}

/// Which contact is edited.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Subject {
    /// One that the journal has under this key, with what it knows of the platform.
    Journaled(Key, RemoteState),
    /// One with this id, which the journal does not know.
    Id(ContactId),
    /// The one that a search by this field finds.
    Found(Field),
}

impl Subject {
    /// Its id on the platform, as far as it is known.
    pub const fn id(&self) -> Option<&ContactId> {
        match self {
            Self::Id(id) | Self::Journaled(Key::Id(id), RemoteState::Unknown | RemoteState::InDoubt(_)) => Some(id),
            Self::Journaled(_, remote_state) => remote_state.id(),
            Self::Found(_) => None,
        }
    }

    /// The field and the value by which it can be searched for.
    pub fn searched(&self) -> Option<Field> {
        match self {
            Self::Found(field) => Some(field.clone()),
            Self::Journaled(_, RemoteState::InDoubt(doubt)) => doubt.sent.matches().first().cloned(),
            Self::Journaled(key, RemoteState::Unknown | RemoteState::Known(_)) => key.match_field(),
            Self::Id(_) => None,
        }
    }
}

impl Edit {
    /// The new contact that the edit describes.
    ///
    /// # Errors
    /// A [`BadEdit`] when it has no match value, or its parts contradict each other or are too long.
    pub fn new_contact(&self, match_fields: &[String]) -> Result<Contact, BadEdit> {
        let of_field = |name: &String| self.fields.iter().find(|field| *field.name == **name).cloned();
        let matches: Vec<Field> = match_fields.iter().filter_map(of_field).collect();
        if matches.is_empty() {
            return Err(BadEdit::NoMatch(match_fields.to_vec()));
        }
        let is_other = |field: &&Field| !match_fields.iter().any(|name| **name == *field.name);
        // A field that is given twice stays twice, and is refused.
        let twice = self.fields.iter().enumerate().filter(|(at, field)| {
            !is_other(field) && self.fields[..*at].iter().any(|before| before.name == field.name)
        });
        let fields = self.fields.iter().filter(is_other).chain(twice.map(|(_, field)| field)).cloned().collect();
        let tags = self.tags.clone();
        Ok(Contact::new(Draft { matches, fields, tags, ..Draft::default() })?)
    }

    /// The contact with what is written to it.
    ///
    /// # Errors
    /// A [`BadEdit`] when the parts of the edit contradict each other or are too long.
    pub fn contact(&self, subject: &Subject) -> Result<Contact, BadEdit> {
        let Self { fields, clear, tags, remove_tags } = self.clone();
        let draft = Draft { fields, clear, tags, remove_tags, ..Draft::default() };
        Ok(match subject {
            Subject::Id(id) => Contact::new(Draft { id: Some(id.clone()), ..draft })?,
            Subject::Found(field) => {
                let matches = vec![field.clone()];
                let fields = besides(&matches, &draft.fields)?;
                Contact::new(Draft { matches, fields, ..draft })?
            }
            Subject::Journaled(key, RemoteState::Known(known)) => {
                Contact::new(Draft { id: Some(known.id.clone()), ..draft })?.known_as(key.clone())
            }
            Subject::Journaled(Key::Id(id), RemoteState::Unknown | RemoteState::InDoubt(_)) => {
                Contact::new(Draft { id: Some(id.clone()), ..draft })?
            }
            Subject::Journaled(key, RemoteState::InDoubt(doubt)) => {
                let matches = doubt.sent.matches().to_vec();
                let fields = besides(&matches, &draft.fields)?;
                Contact::new(Draft { matches, fields, ..draft })?.known_as(key.clone())
            }
            Subject::Journaled(key @ Key::Match { field, value }, RemoteState::Unknown) => {
                let matches = vec![Field::text(field.clone(), value.clone())];
                let fields = besides(&matches, &draft.fields)?;
                Contact::new(Draft { matches, fields, ..draft })?.known_as(key.clone())
            }
            Subject::Journaled(key @ Key::Row { .. }, RemoteState::Unknown) => {
                Contact::new(draft)?.known_as(key.clone())
            }
        })
    }
}

// The fields that are written besides the match values by which the contact is found.
fn besides(matches: &[Field], fields: &[Field]) -> Result<Vec<Field>, BadEdit> {
    let mut others = Vec::new();
    for field in fields {
        match matches.iter().find(|found_by| found_by.name == field.name) {
            Some(found_by) if found_by.value.same(&field.value) => {}
            Some(_) => return Err(BadEdit::MatchField(field.name.to_string())),
            None => others.push(field.clone()),
        }
    }
    Ok(others)
}

/// What is known of a contact to which all of `contact` is to be written by hand: a value or a tag that it is known to have may
/// have been changed on the platform, and is written all the same. Other values stay known, so that they can be restored.
#[must_use]
pub fn to_rewrite(known: Known, contact: &Contact) -> Known {
    let mut known = known.narrowed_to(contact);
    for field in contact.fields() {
        if known.fields.get(&*field.name).is_some_and(|value| value.same(&field.value)) {
            known.fields.remove(&*field.name);
        }
    }
    for tag in contact.tags() {
        known.tags.remove(tag.as_str());
    }
    for tag in contact.remove_tags() {
        known.absent_tags.remove(tag.as_str());
    }
    known
}

/// A name that is reserved, so that it cannot be given as the name of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservedName {
    /// The platform's id of the contact.
    Id,
    /// Tags to add.
    Tags,
    /// Tags to remove.
    RemoveTags,
}

impl ReservedName {
    /// Returns what a name is reserved for. A name that a rule or a match field has is not reserved.
    pub fn of(name: &str, rules: &Rules) -> Option<Self> {
        let mut fields = rules.fields.iter().map(|rule| &rule.name).chain(&rules.matches);
        if fields.any(|field| field.trim() == name) {
            return None;
        }
        match name {
            "id" | "contact_id" => Some(Self::Id),
            "tags" => Some(Self::Tags),
            "remove_tags" => Some(Self::RemoveTags),
            _ => None,
        }
    }
}

/// A call of a preview.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedCall {
    /// The call.
    pub call: Call,
    /// On what it depends.
    pub when: When,
}

/// On what a call depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// On nothing.
    Always,
    /// No contact is found.
    Absent,
    /// One contact is found.
    Found,
}

/// The calls that a contact takes, if all of them are answered as expected: a search that may be followed by a create finds no contact, and one
/// for a contact that is only updated finds it.
pub fn preview(contact: Contact, remote_state: RemoteState, policy: Policy, now: Timestamp) -> Vec<PlannedCall> {
    let creates = policy.mode != Mode::Update;
    let (mut task, mut now, mut when) = (Task::new(contact, remote_state, policy, &[], now), now, When::Always);
    let mut calls: Vec<PlannedCall> = Vec::new();
    while calls.len() < MOST_CALLS {
        let call = match task.step(now) {
            Step::Call(call) => call,
            Step::Wait(until) => {
                now = until;
                continue;
            }
            Step::Done(_) | Step::Leave(_) => break,
        };
        // A search for a contact in doubt is repeated.
        if calls.iter().all(|planned| planned.call != call) {
            calls.push(PlannedCall { call: call.clone(), when });
        }
        task.start(&call);
        task.apply(&call, &expected(&call, creates), now);
        if call.kind() == CallKind::Find {
            when = if creates { When::Absent } else { When::Found };
        }
    }
    calls
}

fn expected(call: &Call, creates: bool) -> Attempt {
    let new_id = || ContactId::new(NEW_ID).expect("it is not blank");
    let remote = |id: ContactId, field: Option<&Field>| {
        let fields = field.iter().map(|field| (field.name.to_string(), field.value.clone())).collect();
        Remote { id, fields, tags: std::collections::BTreeSet::new() }
    };
    match call {
        Call::Find { .. } if creates => Attempt::Page(Page { total: Some(0), ..Page::default() }),
        Call::Find { field, .. } => Attempt::Page(Page::of(vec![remote(new_id(), Some(field))])),
        Call::Read { id } => Attempt::Contact(remote(id.clone(), None)),
        Call::Create { .. } => Attempt::Created(new_id()),
        Call::Update { .. } | Call::AddTags { .. } | Call::RemoveTags { .. } => Attempt::Done,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::mapping::rules::FieldRule;

    fn policy(mode: Mode) -> Policy {
        Policy { search_lag: Duration::ZERO, ..Policy::new(mode) }
    }

    fn edit(fields: &[(&str, &str)], tags: &[&str]) -> Edit {
        Edit {
            fields: fields.iter().map(|(name, value)| Field::text(*name, *value)).collect(),
            tags: tags.iter().map(|tag| (*tag).into()).collect(),
            ..Edit::default()
        }
    }

    fn known() -> Known {
        let mut known = Known::only_id(ContactId::new("7").unwrap());
        known.fields = [("phone", "+521"), ("city", "Lima"), ("plan", "basic")]
            .map(|(name, value)| (name.to_owned(), Field::text(name, value).value))
            .into();
        known.tags = ["vip".to_owned()].into();
        known
    }

    fn key() -> Key {
        Key::of(&Field::text("phone", "+521"))
    }

    fn shown(calls: &[PlannedCall]) -> Vec<String> {
        let shown = |planned: &PlannedCall| {
            let fields = |fields: &[Field]| {
                let fields = fields.iter().flat_map(|field| {
                    [" ".into(), field.name.to_string(), "=".into(), field.value.text().into_owned()]
                });
                fields.collect::<String>()
            };
            let what = match &planned.call {
                Call::Find { field, page } => format!("find {}={} {page}", field.name, field.value.text()),
                Call::Read { id } => format!("read {id}"),
                Call::Create { fields: all } => format!("create{}", fields(all)),
                Call::Update { id, fields: all } => format!("update {id}{}", fields(all)),
                Call::AddTags { id, tags } => format!("add {id} {}", tags.join(",")),
                Call::RemoveTags { id, tags } => format!("remove {id} {}", tags.join(",")),
            };
            match planned.when {
                When::Always => what,
                When::Absent => format!("absent: {what}"),
                When::Found => format!("found: {what}"),
            }
        };
        calls.iter().map(shown).collect()
    }

    #[test]
    fn a_create_needs_a_match_value_and_names_each_field_once() {
        let matches = ["email".to_owned(), "phone".to_owned()];
        let contact = edit(&[("city", "Lima"), ("phone", "+521")], &["new"]).new_contact(&matches).unwrap();
        assert_eq!((contact.key(), contact.matches().len(), contact.tags().len()), (&key(), 1, 1));
        assert_eq!(edit(&[("city", "Lima")], &[]).new_contact(&matches), Err(BadEdit::NoMatch(matches.to_vec())));
        let error = edit(&[], &[]).new_contact(&[]).unwrap_err();
        assert_eq!(error.to_string(), "a new contact needs a value in a match field");
        for twice in [[("phone", "1"), ("phone", "2"), ("a", "b")], [("phone", "1"), ("a", "2"), ("a", "b")]] {
            let flaw = edit(&twice, &[]).new_contact(&matches);
            assert!(matches!(flaw, Err(BadEdit::Flaw(Flaw::FieldTwice(_)))), "{twice:?}: {flaw:?}");
        }
    }

    #[test]
    fn a_name_that_stands_for_tags_or_an_id_is_no_field_unless_the_rules_have_it() {
        let none = Rules::default();
        let check = |name: &str, rules: &Rules, expected: Option<ReservedName>| {
            assert_eq!(ReservedName::of(name, rules), expected, "{name} {rules:?}");
        };
        check("tags", &none, Some(ReservedName::Tags));
        check("remove_tags", &none, Some(ReservedName::RemoveTags));
        check("id", &none, Some(ReservedName::Id));
        check("contact_id", &none, Some(ReservedName::Id));
        for name in ["tag", "Tags", "ID", "name"] {
            check(name, &none, None);
        }
        let ruled = Rules { fields: vec![FieldRule::column("tags", "Etiquetas")], ..Rules::default() };
        check("tags", &ruled, None);
        check("id", &ruled, Some(ReservedName::Id));
        check("id", &Rules { matches: vec!["id".into()], ..Rules::default() }, None);
    }

    #[test]
    fn what_is_known_to_be_there_is_written_again_and_the_rest_stays_known() {
        let subject = Subject::Journaled(key(), RemoteState::Known(known()));
        let edit = Edit { remove_tags: vec!["old".into()], ..edit(&[("city", "Lima"), ("plan", "pro")], &["vip"]) };
        let contact = edit.contact(&subject).unwrap();
        let before = Known { absent_tags: ["old".to_owned()].into(), ..known() };
        let known = to_rewrite(before, &contact);
        assert_eq!(known.fields.keys().collect::<Vec<_>>(), ["phone", "plan"]);
        let calls = preview(contact, RemoteState::Known(known), policy(Mode::Update), Timestamp::default());
        assert_eq!(shown(&calls), ["update 7 city=Lima plan=pro", "add 7 vip", "remove 7 old"]);
    }

    #[test]
    fn a_contact_is_addressed_by_what_is_known_of_it() {
        let edit = edit(&[("city", "Lima")], &[]);
        let check = |subject: Subject, expected: &[&str]| {
            let contact = edit.contact(&subject).unwrap();
            let remote_state = match subject {
                Subject::Journaled(_, remote_state) => remote_state,
                Subject::Id(_) | Subject::Found(_) => RemoteState::Unknown,
            };
            let calls = preview(contact, remote_state, policy(Mode::Update), Timestamp::default());
            assert_eq!(shown(&calls), expected);
        };
        check(Subject::Id(ContactId::new("9").unwrap()), &["update 9 city=Lima"]);
        let found = ["find phone=+521 1", "found: update ID city=Lima"];
        check(Subject::Found(Field::text("phone", "+521")), &found);
        check(Subject::Journaled(key(), RemoteState::Unknown), &found);
        let other_phone = Edit { fields: vec![Field::text("phone", "+522")], ..Edit::default() };
        for subject in [Subject::Found(Field::text("phone", "+521")), Subject::Journaled(key(), RemoteState::Unknown)] {
            assert_eq!(other_phone.contact(&subject), Err(BadEdit::MatchField("phone".into())));
        }
        let mut changed = known();
        changed.fields.remove("city");
        check(Subject::Journaled(key(), RemoteState::Known(changed)), &["update 7 city=Lima"]);
    }

    #[test]
    fn a_create_is_previewed_with_the_searches_before_it_and_the_calls_after_it() {
        let fields: Vec<(String, String)> = (0..32).map(|nth| (format!("f{nth}"), "x".to_owned())).collect();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let all = [&[("phone", "+521"), ("email", "a@b.c")], fields.as_slice()].concat();
        let contact = edit(&all, &["new"]).new_contact(&["phone".into(), "email".into()]).unwrap();
        let calls = shown(&preview(contact, RemoteState::Unknown, policy(Mode::Upsert), Timestamp::default()));
        assert_eq!(calls[..2], ["find phone=+521 1", "absent: find email=a@b.c 1"]);
        assert!(calls[2].starts_with("absent: create phone=+521 email=a@b.c f0=x"), "{calls:?}");
        assert_eq!(calls[3..], ["absent: update ID f28=x f29=x f30=x f31=x", "absent: add ID new"]);
    }
}
