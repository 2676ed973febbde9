//! The difference between a contact as the input wants it and as the platform has it, and the calls that make it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::core::call::Call;
use crate::core::model::{Contact, ContactId, Field, Known, Value, WriteMode};
use crate::core::size_limits::{FIELDS_PER_CALL, TAGS_PER_CALL};
use crate::core::text::Text;

/// What happens to tags that the input no longer names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagsMode {
    /// They stay.
    #[default]
    Add,
    /// Those that contactsync added are removed. Tags that others added stay (API.md, trap 12).
    Mirror,
    /// All of them are removed, also those that others added.
    MirrorAll,
}

/// The difference between a contact in the input and on the platform.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Fields to write, match fields first.
    pub set: Vec<Field>,
    /// Number of fields at the end of `set` that are only sent along ([`WriteMode::WithOthers`]): they take no call.
    pub along: usize,
    /// Tags to add.
    pub add: Vec<String>,
    /// Tags to remove.
    pub remove: Vec<String>,
}

/// Computes the change from `known` to `contact`. Fields that the contact does not name are left as they are. A field that
/// is to become blank is written unless it is known to be blank.
///
/// A contact whose create is not finished gets all its fields. Afterwards, each field is written by its [`WriteMode`]: one that
/// is written if it is blank has to be [known](unseen) to be so, and those that are sent along only fill the calls of others.
pub fn diff(contact: &Contact, known: &Known, mode: TagsMode) -> Change {
    let is_new = known.made_at.is_some();
    let (mut set, mut along) = (Vec::new(), Vec::new());
    for (field, mode) in contact.fields_with_modes() {
        let value = known.fields.get(&*field.name);
        if value.is_some_and(|value| value.same(&field.value)) {
            continue;
        }
        // A new contact has the values that were written to it, or that a search showed, and no others.
        let may_fill = !field.value.is_blank() && value.map_or(is_new, Value::is_blank);
        match mode {
            WriteMode::Always => set.push(field),
            WriteMode::WithOthers if is_new => set.push(field),
            WriteMode::WithOthers => along.push(field),
            WriteMode::OnCreate if is_new && may_fill => set.push(field),
            WriteMode::IfBlank if may_fill => set.push(field),
            WriteMode::OnCreate | WriteMode::IfBlank => {}
        }
    }
    let room = set.len().next_multiple_of(FIELDS_PER_CALL) - set.len();
    along.truncate(room);
    let along_count = along.len();
    let set = set.into_iter().chain(along).cloned().collect();
    let add = contact.tags().iter().filter(|tag| !known.tags.contains(tag.as_str())).map(Text::to_string).collect();
    // A tag may be on the contact unless it is known to be missing: another user may have added it.
    let may_be_there = |tag: &&Text| !known.absent_tags.contains(tag.as_str());
    let mut remove: Vec<String> = contact.remove_tags().iter().filter(may_be_there).map(Text::to_string).collect();
    let mirrored: BTreeSet<&String> = match mode {
        TagsMode::Add => BTreeSet::new(),
        TagsMode::Mirror => known.own_tags.iter().collect(),
        TagsMode::MirrorAll => known.own_tags.union(&known.tags).collect(),
    };
    if !mirrored.is_empty() {
        let wanted = contact.tags().iter().map(Text::as_str);
        let named: BTreeSet<&str> = wanted.chain(remove.iter().map(String::as_str)).collect();
        let dropped: Vec<String> = mirrored.into_iter().filter(|tag| !named.contains(tag.as_str())).cloned().collect();
        remove.extend(dropped);
    }
    Change { set, along: along_count, add, remove }
}

/// The fields that are written only while they are blank, where it is not known whether they are. A read shows it.
pub fn unseen<'a>(contact: &'a Contact, known: &'a Known) -> impl Iterator<Item = &'a Field> {
    let is_unseen = |field: &Field| !field.value.is_blank() && !known.fields.contains_key(&*field.name);
    let is_new = known.made_at.is_some();
    let unseen = contact
        .fields_with_modes()
        .filter(move |(field, mode)| !is_new && *mode == WriteMode::IfBlank && is_unseen(field));
    unseen.map(|(field, _)| field)
}

impl Change {
    /// The fields for which an update is sent, without those that are only sent along.
    pub fn reasons(&self) -> &[Field] {
        &self.set[..self.set.len() - self.along]
    }

    /// The calls that make the change, in the order in which they are sent: fields first and tags last, because tags
    /// trigger automations that read the fields (API.md, trap 12).
    pub fn calls<'a>(&'a self, id: &'a ContactId) -> impl Iterator<Item = Call> + 'a {
        let updates =
            self.set.chunks(FIELDS_PER_CALL).map(|fields| Call::Update { id: id.clone(), fields: fields.to_vec() });
        let adds = self.add.chunks(TAGS_PER_CALL).map(|tags| Call::AddTags { id: id.clone(), tags: tags.to_vec() });
        let removes =
            self.remove.chunks(TAGS_PER_CALL).map(|tags| Call::RemoveTags { id: id.clone(), tags: tags.to_vec() });
        updates.chain(adds).chain(removes)
    }
}

/// The fields that the create of a contact carries: up to [`FIELDS_PER_CALL`], match fields first. Fields that are to become
/// blank are left out, because a new contact has no values.
pub fn first_fields(contact: &Contact) -> &[Field] {
    let filled = contact.filled();
    &filled[..filled.len().min(FIELDS_PER_CALL)]
}
