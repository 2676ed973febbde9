//! Undoing what a run changed: what it wrote to a contact, what was known before, and what of it can be restored.
//!
//! A value is restored only while the platform still has what the run wrote. What others changed since stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::call::Call;
use crate::core::model::{Contact, ContactId, Draft, Field, Flaw, Key, Known, Remote, Value};
use crate::core::text::Text;
use crate::core::verification::{is_another, shows};

/// Why a contact that the undone run created is not restored: the platform has no call that deletes one.
pub const CREATED: &str = "the run created the contact";

/// Why a contact is not restored of which nothing is known any more.
pub const NOT_KNOWN: &str = "the contact is in doubt or no longer known";

/// Why a contact is not restored that the platform no longer has.
pub const GONE: &str = "the platform no longer has the contact";

/// Why a contact is not restored whose id another contact has by now.
const REPLACED: &str = "another contact has its id now";

/// With what the fields and tags begin that were changed since.
const CHANGED: &str = "changed since: ";

/// With what the fields and tags begin that were not known before.
const NOT_KNOWN_BEFORE: &str = "not known before the run: ";

/// What a run wrote to a contact, with what was known before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// The fields, by name.
    pub fields: BTreeMap<String, WrittenField>,
    /// The tags that it added, and that were not known to be there.
    pub added: BTreeSet<String>,
    /// The tags that it removed.
    pub removed: BTreeMap<String, TagBefore>,
}

/// A field that a run wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenField {
    /// The value before; a blank one for a field that was known to be blank, `None` for one that was not known.
    pub before: Option<Value>,
    /// The value that the run wrote.
    pub after: Value,
}

/// What was known of a tag before a run removed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagBefore {
    /// Whether the contact had it was not known.
    Unknown,
    /// Another user of the platform had added it.
    Foreign,
    /// contactsync had added it.
    Own,
}

/// What becomes of a contact when a run is undone.
#[derive(Clone, Debug, PartialEq)]
pub struct Restoration {
    /// The contact with the values and tags that are restored.
    pub contact: Contact,
    /// What is known of it on the platform.
    pub known: Known,
    /// The fields and tags that stay as they are; `None` when all are restored.
    pub unrestored: Option<Unrestored>,
}

/// What of a contact is not restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unrestored {
    /// The fields and tags that were changed since.
    pub changed: Vec<String>,
    /// The fields and tags of which it was not known what they were before.
    pub unknown: Vec<String>,
}

impl Unrestored {
    /// In words, without values.
    pub fn reason(&self) -> String {
        let parts = [(CHANGED, &self.changed), (NOT_KNOWN_BEFORE, &self.unknown)];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        parts.map(|(text, names)| format!("{text}{}", names.join(", "))).collect::<Vec<_>>().join("; ")
    }
}

/// Whether a [reason](Unrestored::reason) is that of a contact which was changed since.
pub fn was_changed_since(reason: &str) -> bool {
    reason.starts_with(CHANGED)
}

impl Written {
    /// Notes a call that is about to be sent for a contact. Of several calls that write one field, the first decides what was
    /// before, and the last what was written. `known` is what is known before the call; `None` for nothing.
    pub fn note(&mut self, call: &Call, known: Option<&Known>) {
        let is_whole = known.is_some_and(|known| known.is_whole);
        let is_listed = |name: &str| known.is_some_and(|known| known.fields.contains_key(name));
        match call {
            Call::Update { fields, .. } => {
                for Field { name, value } in fields {
                    let before = || {
                        let before = known.and_then(|known| known.fields.get(&**name)).cloned();
                        // A hash cannot be restored.
                        let before = before.filter(|before| !matches!(before, Value::Hashed(_)));
                        before.or_else(|| (is_whole && !is_listed(name)).then(|| Value::Text("".into())))
                    };
                    let written = self.fields.entry(name.to_string());
                    let written = written.or_insert_with(|| WrittenField { before: before(), after: value.clone() });
                    written.after.clone_from(value);
                }
            }
            Call::AddTags { tags, .. } => {
                let is_there = |tag: &String| known.is_some_and(|known| known.tags.contains(tag));
                self.added.extend(tags.iter().filter(|tag| !is_there(tag)).cloned());
            }
            Call::RemoveTags { tags, .. } => {
                for tag in tags {
                    let before = known.map_or(Some(TagBefore::Unknown), |known| {
                        match (known.tags.contains(tag), known.own_tags.contains(tag)) {
                            (true, true) => Some(TagBefore::Own),
                            (true, false) => Some(TagBefore::Foreign),
                            (false, _) if is_whole || known.absent_tags.contains(tag) => None,
                            (false, _) => Some(TagBefore::Unknown),
                        }
                    });
                    if let Some(before) = before {
                        self.removed.entry(tag.clone()).or_insert(before);
                    }
                }
            }
            Call::Find { .. } | Call::Read { .. } | Call::Create { .. } => {}
        }
    }

    /// Whether contactsync had added this tag before the run removed it.
    pub fn owned(&self, tag: &str) -> bool {
        self.removed.get(tag) == Some(&TagBefore::Own)
    }

    // A value may be longer than a request can carry.
    fn target(&self, key: Key, id: ContactId) -> Result<Contact, Flaw> {
        let mut draft = Draft { id: Some(id), ..Draft::default() };
        for (name, written) in &self.fields {
            if let Some(before) = &written.before {
                add_field(&mut draft, name, before, &written.after);
            }
        }
        let known = self.removed.iter().filter(|(_, before)| **before != TagBefore::Unknown);
        draft.tags.extend(known.map(|(tag, _)| Text::from(tag.as_str())));
        draft.remove_tags.extend(self.added.iter().map(|tag| Text::from(tag.as_str())));
        finished(draft, key)
    }

    /// Compares what the run wrote with the contact as the platform shows it.
    ///
    /// # Errors
    /// Why nothing of the contact can be restored.
    pub fn restoration(&self, key: &Key, known: &Known, shown: &Remote) -> Result<Restoration, String> {
        // What the run wrote is known of the contact unless its answer was lost.
        let mut expected = known.fields.clone();
        for (name, written) in &self.fields {
            expected.entry(name.clone()).or_insert_with(|| written.after.clone());
        }
        if key.match_field().is_some_and(|key| is_another(&key, &expected, &shown.fields, None)) {
            return Err(REPLACED.to_owned());
        }
        let mut draft = Draft { id: Some(known.id.clone()), ..Draft::default() };
        let mut known = Known { doubt: false, is_whole: false, ..known.clone() };
        let mut unrestored = Unrestored::default();
        for (name, written) in &self.fields {
            let now = shown.fields.get(name).cloned().unwrap_or_else(|| Value::Text("".into()));
            match written.fate(&now) {
                FieldFate::Restored => {
                    if let Some(before) = &written.before {
                        add_field(&mut draft, name, before, &written.after);
                    }
                    known.fields.insert(name.clone(), now);
                }
                FieldFate::AsBefore => drop(known.fields.insert(name.clone(), now)),
                FieldFate::Changed => unrestored.changed.push(name.clone()),
                FieldFate::Unknown => unrestored.unknown.push(name.clone()),
            }
        }
        for tag in &self.added {
            let is_there = set_tag(&mut known, shown, tag);
            if is_there {
                draft.remove_tags.push(tag.as_str().into());
            }
        }
        for (tag, before) in &self.removed {
            let is_there = set_tag(&mut known, shown, tag);
            match before {
                TagBefore::Unknown if !is_there => unrestored.unknown.push(format!("tag `{tag}`")),
                TagBefore::Foreign | TagBefore::Own if !is_there => draft.tags.push(tag.as_str().into()),
                TagBefore::Unknown | TagBefore::Foreign | TagBefore::Own => {}
            }
        }
        let contact = finished(draft, key.clone()).map_err(|flaw| flaw.to_string())?;
        let unrestored = (unrestored != Unrestored::default()).then_some(unrestored);
        Ok(Restoration { contact, known, unrestored })
    }
}

/// The contact as it is restored if nothing was changed since. `written` is what the run wrote to it; `None` for a contact that the
/// run created, which gets this tag.
///
/// # Errors
/// Why nothing is done with it.
pub fn target(
    key: &Key,
    known: Option<&Known>,
    written: Option<&Written>,
    tag_created: Option<&Text>,
) -> Result<Contact, String> {
    let id = || known.map(|known| known.id.clone()).ok_or_else(|| NOT_KNOWN.to_owned());
    let target = match (written, tag_created) {
        (Some(written), _) => written.target(key.clone(), id()?),
        (None, Some(tag)) => {
            let draft = Draft { id: Some(id()?), tags: vec![tag.clone()], ..Draft::default() };
            finished(draft, key.clone())
        }
        (None, None) => return Err(CREATED.to_owned()),
    };
    target.map_err(|flaw| flaw.to_string())
}

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldFate {
    /// It has what the run wrote: it gets the value before.
    Restored,
    /// It has the value before.
    AsBefore,
    /// It has another value.
    Changed,
    /// It has what the run wrote, and the value before is not known.
    Unknown,
}

impl WrittenField {
    fn fate(&self, now: &Value) -> FieldFate {
        match &self.before {
            Some(before) if before.same(now) => FieldFate::AsBefore,
            Some(_) if shows(&self.after, now) => FieldFate::Restored,
            None if shows(&self.after, now) => FieldFate::Unknown,
            Some(_) | None => FieldFate::Changed,
        }
    }
}

// The value before, in the type in which the run wrote the field: a typed field may refuse another one (API.md, trap 11).
fn add_field(draft: &mut Draft, name: &str, before: &Value, after: &Value) {
    if before.is_blank() {
        draft.clear.push(name.into());
        return;
    }
    let value = match after {
        Value::Text(_) => before.clone().into_text(),
        Value::Number(_) | Value::Bool(_) | Value::Hashed(_) => before.clone(),
    };
    draft.fields.push(Field { name: name.into(), value });
}

fn finished(draft: Draft, key: Key) -> Result<Contact, Flaw> {
    Ok(Contact::new(draft)?.known_as(key))
}

// Whether the contact has the tag, which is known from now on.
fn set_tag(known: &mut Known, shown: &Remote, tag: &str) -> bool {
    let is_there = shown.tags.contains(tag);
    if is_there {
        known.absent_tags.remove(tag);
        known.tags.insert(tag.to_owned());
    } else {
        known.tags.remove(tag);
        known.own_tags.remove(tag);
        known.absent_tags.insert(tag.to_owned());
    }
    is_there
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::diff::{TagsMode, diff};

    fn id() -> ContactId {
        ContactId::new("7").unwrap()
    }

    fn key() -> Key {
        Key::of(&Field::text("email", "ann@example.com"))
    }

    fn text(value: &str) -> Value {
        Value::Text(value.into())
    }

    fn shown(fields: &[(&str, &str)], tags: &[&str]) -> Remote {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
        Remote { id: id(), fields, tags: tags.iter().map(ToString::to_string).collect() }
    }

    fn update(fields: &[(&str, &str)]) -> Call {
        Call::Update { id: id(), fields: fields.iter().map(|(name, value)| Field::text(*name, *value)).collect() }
    }

    fn known(fields: &[(&str, &str)]) -> Known {
        Known { fields: shown(fields, &[]).fields, ..Known::only_id(id()) }
    }

    /// What is sent for a contact, as `city=Lima +vip -old`, and what is left.
    fn sent(written: &Written, known: &Known, shown: &Remote) -> (String, Option<String>) {
        let Restoration { contact, known, unrestored: left } = written.restoration(&key(), known, shown).unwrap();
        let change = diff(&contact, &known, TagsMode::Add);
        let set = change.set.iter().map(|field| format!("{}={}", field.name, field.value.text()));
        let add = change.add.iter().map(|tag| format!("+{tag}"));
        let remove = change.remove.iter().map(|tag| format!("-{tag}"));
        (set.chain(add).chain(remove).collect::<Vec<_>>().join(" "), left.map(|left| left.reason()))
    }

    #[test]
    fn a_field_is_restored_while_it_has_what_the_run_wrote() {
        let check = |before: &[(&str, &str)], now: &[(&str, &str)], expected: &str, left: Option<&str>| {
            let mut written = Written::default();
            written.note(&update(&[("city", "Quito")]), Some(&known(before)));
            let found = sent(&written, &known(&[("city", "Quito")]), &shown(now, &[]));
            assert_eq!(found, (expected.to_owned(), left.map(str::to_owned)), "{before:?} {now:?}");
        };
        check(&[("city", "Lima")], &[("city", "Quito")], "city=Lima", None);
        check(&[("city", "Lima")], &[("city", " Quito ")], "city=Lima", None);
        check(&[("city", "Lima")], &[("city", "Lima")], "", None);
        check(&[("city", "Lima")], &[("city", "Cuzco")], "", Some("changed since: city"));
        check(&[("city", "Lima")], &[], "", Some("changed since: city"));
        // Known to be blank before.
        check(&[("city", "")], &[("city", "Quito")], "city=", None);
        check(&[("city", "")], &[], "", None);
        check(&[], &[("city", "Quito")], "", Some("not known before the run: city"));
        check(&[], &[("city", "Cuzco")], "", Some("changed since: city"));
    }

    #[test]
    fn of_several_writes_the_first_decides_what_was_before_and_the_last_what_was_written() {
        let mut written = Written::default();
        written.note(&update(&[("city", "Quito")]), Some(&known(&[("city", "Lima")])));
        // The answer was lost, so that nothing is known of the field when it is sent again.
        written.note(&update(&[("city", "Cuzco")]), Some(&known(&[])));
        let expected = WrittenField { before: Some(text("Lima")), after: text("Cuzco") };
        assert_eq!(written.fields["city"], expected);
        // Of a contact that was seen as a whole, a missing field is blank.
        let whole = Known { is_whole: true, ..known(&[]) };
        let mut written = Written::default();
        written.note(&update(&[("city", "Quito")]), Some(&whole));
        assert_eq!(written.fields["city"].before, Some(text("")));
    }

    #[test]
    fn tags_are_taken_away_and_given_back_to_whom_they_belong() {
        let tags = |tags: &[&str]| tags.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let before = Known {
            tags: tags(&["own", "foreign", "kept"]),
            own_tags: tags(&["own"]),
            absent_tags: tags(&["absent"]),
            ..known(&[])
        };
        let mut written = Written::default();
        let add = ["new", "kept"].map(str::to_owned).to_vec();
        let remove = ["own", "foreign", "absent", "unknown"].map(str::to_owned).to_vec();
        written.note(&Call::AddTags { id: id(), tags: add }, Some(&before));
        written.note(&Call::RemoveTags { id: id(), tags: remove }, Some(&before));
        assert_eq!(written.added, tags(&["new"]));
        assert_eq!((written.owned("own"), written.owned("foreign"), written.owned("new")), (true, false, false));
        let check = |now: &[&str], expected: &str, left: Option<&str>| {
            let found = sent(&written, &known(&[]), &shown(&[], now));
            assert_eq!(found, (expected.to_owned(), left.map(str::to_owned)), "{now:?}");
        };
        let unknown = Some("not known before the run: tag `unknown`");
        check(&["new", "kept"], "+foreign +own -new", unknown);
        check(&["kept", "own", "foreign"], "", unknown);
        check(&["unknown", "own", "new"], "+foreign -new", None);
    }

    #[test]
    fn another_contact_under_the_id_is_left_as_it_is() {
        let mut written = Written::default();
        written.note(&update(&[("city", "Quito")]), Some(&known(&[("city", "Lima")])));
        let found = written.restoration(
            &key(),
            &known(&[("email", "ann@example.com"), ("city", "Quito"), ("name", "Ann")]),
            &shown(&[("email", "bo@example.com"), ("city", "Quito"), ("name", "Bo"), ("note", "x")], &[]),
        );
        assert_eq!(found, Err(REPLACED.to_owned()));
    }

    #[test]
    fn a_value_is_restored_in_the_type_in_which_the_run_wrote_it() {
        let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let check = |before: Value, after: Value, expected: Value| {
            let written = Written {
                fields: [("n".to_owned(), WrittenField { before: Some(before), after })].into(),
                ..Written::default()
            };
            assert_eq!(written.target(key(), id()).unwrap().fields()[0].value, expected);
        };
        check(number("5"), text("6"), text("5"));
        check(number("5"), number("6"), number("5"));
        check(text("5"), number("6"), text("5"));
    }

    #[test]
    fn a_contact_is_restored_tagged_or_neither() {
        let mut written = Written::default();
        written.note(&update(&[("city", "Quito")]), Some(&known(&[("city", "Lima")])));
        let (known, tag) = (known(&[]), Text::from("oops"));
        assert_eq!(target(&key(), Some(&known), None, None), Err(CREATED.to_owned()));
        assert_eq!(target(&key(), None, None, Some(&tag)), Err(NOT_KNOWN.to_owned()));
        assert_eq!(target(&key(), None, Some(&written), None), Err(NOT_KNOWN.to_owned()));
        assert_eq!(target(&key(), Some(&known), None, Some(&tag)).unwrap().tags(), std::slice::from_ref(&tag));
        let restored = target(&key(), Some(&known), Some(&written), Some(&tag)).unwrap();
        assert_eq!((restored.fields(), restored.tags()), ([Field::text("city", "Lima")].as_slice(), [].as_slice()));
    }

    const NAMES: [&str; 3] = ["a", "b", "c"];

    fn any_values() -> impl Strategy<Value = Vec<Option<&'static str>>> {
        prop::collection::vec(prop::sample::select(vec![None, Some(""), Some("1"), Some("2")]), NAMES.len())
    }

    fn of_values(values: &[Option<&str>]) -> BTreeMap<String, Value> {
        let pairs = NAMES.iter().zip(values).filter_map(|(name, value)| Some((*name, (*value)?)));
        pairs.map(|(name, value)| (name.to_owned(), text(value))).collect()
    }

    proptest! {
        /// Whatever was known, written, and changed since: a field that still has what the run wrote gets the value before, if that
        /// was known, and no other field is written.
        #[test]
        fn nothing_but_what_the_run_wrote_is_overwritten(
            before in any_values(), wrote in any_values(), now in any_values(), is_lost in any::<bool>()
        ) {
            let known = Known { fields: of_values(&before), ..Known::only_id(id()) };
            let fields: Vec<Field> = of_values(&wrote).into_iter().map(|(name, value)| Field { name: name.into(), value }).collect();
            let mut written = Written::default();
            written.note(&Call::Update { id: id(), fields: fields.clone() }, Some(&known));
            let mut after = known.clone();
            for field in &fields {
                if is_lost {
                    after.fields.remove(&*field.name);
                } else {
                    after.fields.insert(field.name.to_string(), field.value.clone());
                }
            }
            let mut platform = of_values(&now);
            platform.retain(|_, value| !value.is_blank());
            let remote = Remote { id: id(), fields: platform.clone(), tags: BTreeSet::new() };
            let Restoration { contact, known, unrestored: left } = written.restoration(&key(), &after, &remote).unwrap();
            let change = diff(&contact, &known, TagsMode::Add);
            let blank = text("");
            for (name, was, wrote) in by_name(&before, &wrote) {
                let set = change.set.iter().find(|field| *field.name == *name).map(|field| field.value.clone());
                let now = platform.get(name).unwrap_or(&blank);
                let left = left.as_ref().is_some_and(|left| {
                    left.changed.iter().chain(&left.unknown).any(|left| left == name)
                });
                match (was, wrote) {
                    (_, None) => prop_assert_eq!((set, left), (None, false)),
                    (Some(was), Some(_)) if text(was).same(now) => prop_assert_eq!((set, left), (None, false)),
                    (Some(was), Some(wrote)) if text(wrote).same(now) => prop_assert_eq!((set, left), (Some(text(was)), false)),
                    (_, Some(_)) => prop_assert_eq!((set, left), (None, true)),
                }
            }
            let is_left = |name: &String| left.as_ref().is_some_and(|left| left.changed.contains(name) || left.unknown.contains(name));
            let is_shown = |name: &String, value: &Value| value.same(platform.get(name).unwrap_or(&blank));
            let mut fields = known.fields.iter().filter(|(name, _)| written.fields.contains_key(*name));
            let is_right = fields.all(|(name, value)| is_left(name) || is_shown(name, value));
            prop_assert!(is_right, "{:?}", known);
        }
    }

    fn by_name<'a>(
        before: &'a [Option<&'static str>],
        wrote: &'a [Option<&'static str>],
    ) -> impl Iterator<Item = (&'static str, Option<&'static str>, Option<&'static str>)> + 'a {
        NAMES.iter().zip(before).zip(wrote).map(|((name, was), wrote)| (*name, *was, *wrote))
    }
}
