//! The contacts of one channel, and the effects of the six calls.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::answer::{self, ApiError, ContactBody, Reply};
use super::body::Fields;
use super::fault::Fault;
use super::faults::Lag;
use super::request::ApiRequest;
use super::saved_state::SavedContact;
use super::search::SearchIndex;
use super::stored_form::StoredForm;
use crate::core::model::{ContactId, Value};
use crate::core::size_limits::CONTACTS_PER_PAGE;
use crate::core::time::Timestamp;

/// The field by which [`Fault::UpsertByEmail`] recognises a contact.
const EMAIL: &str = "email";

/// The result of a call.
#[derive(Debug)]
pub struct Done {
    /// The answer or the refusal.
    pub answer: Result<Reply, ApiError>,
    /// The contact of the call, if it exists.
    pub contact: Option<ContactId>,
    /// Whether the fault of the call changed nothing.
    pub is_unaffected: bool,
}

/// The context of a call.
#[derive(Clone, Copy, Debug)]
pub struct CallContext<'a> {
    /// The platform's time.
    pub now: Timestamp,
    /// The delays after a write.
    pub lag: Lag,
    /// The platform's address, for links.
    pub origin: &'a str,
    /// The number of the next contact, unique across all channels.
    pub serial: &'a AtomicU64,
    /// The fault of a search or a create that affects the call.
    pub fault: Option<Fault>,
    /// [`Faults::stored_forms`](super::Faults::stored_forms).
    pub stored_forms: &'a [(String, StoredForm)],
    /// [`Faults::hit_bytes`](super::Faults::hit_bytes).
    pub hit_bytes: usize,
}

/// A contact as tests see it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredContact {
    /// The platform's id.
    pub id: ContactId,
    /// The fields that have a value.
    pub fields: BTreeMap<String, Value>,
    /// The tags.
    pub tags: BTreeSet<String>,
    /// Whether it was added by [`insert`](super::Sandbox::insert) and not by a create.
    pub seeded: bool,
}

/// A contact for people.
#[derive(Debug, Serialize)]
pub struct ContactRow {
    id: ContactId,
    created_at: Timestamp,
    /// Names and values, in the order of the names. A field without a value is null.
    fields: Vec<(String, Option<String>)>,
    tags: Vec<String>,
}

/// Number of characters of a value that people are shown.
const SHOWN_CHARACTERS: usize = 500;

/// The contacts of one channel.
#[derive(Debug)]
pub struct Contacts {
    viber: bool,
    // It grows with every change.
    changes: u64,
    unique: Arc<[String]>,
    list: Vec<ContactEntry>,
    by_id: HashMap<String, usize>,
    search: SearchIndex,
    // The owners of values that only one contact may have.
    owners: HashMap<(String, String), usize>,
    // Fields that have, or had, a value in another form than the one sent.
    reformed: BTreeSet<String>,
}

#[derive(Debug)]
struct ContactEntry {
    id: ContactId,
    fields: BTreeMap<String, Option<Value>>,
    // The values that were sent in another form than the one that is stored.
    sent: BTreeMap<String, Option<Value>>,
    tags: Vec<String>,
    created: Timestamp,
    seeded: bool,
}

impl Contacts {
    /// Creates an empty channel. Values of `unique` fields belong to one contact each. On a `viber` channel, ids in paths are
    /// Base64.
    pub fn new(viber: bool, unique: Arc<[String]>) -> Self {
        let (list, by_id, owners) = (Vec::new(), HashMap::new(), HashMap::new());
        let search = SearchIndex::default();
        Self { viber, changes: 0, unique, list, by_id, search, owners, reformed: BTreeSet::new() }
    }

    /// Applies a call, or refuses it and changes nothing.
    pub fn apply(&mut self, request: ApiRequest, context: CallContext<'_>) -> Done {
        match request {
            ApiRequest::Find { name, value, page } => self.find(name.as_deref(), value.as_deref(), page, context),
            ApiRequest::Read(id) => self.about(&id, context, Ok(()), |contacts, number, ()| {
                Ok(answer::contact(&contacts.list[number].shown()))
            }),
            ApiRequest::Create(fields) => self.create(fields, context),
            ApiRequest::Update(id, fields) => self.about(&id, context, fields, |contacts, number, fields| {
                contacts.free_for(&fields, Some(number), context.stored_forms)?;
                contacts.set(number, fields, context);
                // Another id than the contact's, as documented (API.md, trap 3).
                Ok(answer::id(&format!("cus_{}", 112_233_344_555 + number)))
            }),
            ApiRequest::AddTags(id, tags) => self.about(&id, context, tags, |contacts, number, tags| {
                contacts.changes += 1;
                contacts.list[number].add_tags(tags);
                Ok(answer::tags_changed("Contact Tags have been added successfully."))
            }),
            ApiRequest::RemoveTags(id, tags) => self.about(&id, context, tags, |contacts, number, tags| {
                let has = &mut contacts.list[number].tags;
                if let Some(missing) = tags.iter().find(|tag| !has.contains(tag)) {
                    return Err(ApiError::NoSuchTag(missing.clone()));
                }
                has.retain(|tag| !tags.contains(tag));
                contacts.changes += 1;
                Ok(answer::tags_changed("Contact Tags deleted successfully."))
            }),
        }
    }

    /// Adds a contact without the API: searches show it at once, and it conflicts with no other contact.
    pub fn insert(&mut self, fields: Fields, tags: Vec<String>, context: CallContext<'_>) -> ContactId {
        let number = self.add(context.serial, context.now, true);
        self.set(number, fields, context);
        self.list[number].add_tags(tags);
        self.list[number].id.clone()
    }

    /// Adds a contact with this id, which another channel may use for another person.
    pub fn insert_as(&mut self, id: ContactId, fields: Fields, tags: Vec<String>, context: CallContext<'_>) {
        let given = self.insert(fields, tags, context);
        if let Some(number) = self.by_id.remove(given.as_str()) {
            self.by_id.insert(id.as_str().to_owned(), number);
            self.list[number].id = id;
        }
    }

    /// Changes a contact without the API, as a user of the platform does. Returns whether there is one with this id.
    pub fn edit(&mut self, id: &ContactId, fields: Fields, tags: Vec<String>, context: CallContext<'_>) -> bool {
        let Some(&number) = self.by_id.get(id.as_str()) else { return false };
        self.set(number, fields, context);
        self.list[number].add_tags(tags);
        true
    }

    /// Whether a call carries this value, or is about a contact that has it.
    pub fn is_about(&self, request: &ApiRequest, value: &str) -> bool {
        let holds = |found: Option<&Value>| found.is_some_and(|found| found.text() == value);
        let carries = |fields: &Result<Fields, ApiError>| {
            fields.as_ref().is_ok_and(|fields| fields.iter().any(|(_, found)| holds(found.as_ref())))
        };
        let has = |path_id: &str| {
            let contact = self.number(path_id).map(|number| &self.list[number]);
            contact.is_some_and(|contact| contact.fields.values().any(|found| holds(found.as_ref())))
        };
        match request {
            ApiRequest::Find { value: searched, .. } => searched.as_deref() == Some(value),
            ApiRequest::Create(fields) => carries(fields),
            ApiRequest::Update(id, fields) => carries(fields) || has(id),
            ApiRequest::Read(id) | ApiRequest::AddTags(id, _) | ApiRequest::RemoveTags(id, _) => has(id),
        }
    }

    /// Number of contacts.
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// A number that grows with every change of a contact.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// The contacts with this text in their id, a tag, or a value, in any case; all if it is empty: their number, and `most` of
    /// them after `skipped`, the newest first.
    pub fn listed(&self, text: &str, skipped: usize, most: usize) -> (usize, Vec<ContactRow>) {
        let newest = self.list.iter().rev();
        if text.is_empty() {
            return (self.list.len(), newest.skip(skipped).take(most).map(ContactEntry::row).collect());
        }
        let text = text.to_lowercase();
        let matching: Vec<&ContactEntry> = newest.filter(|contact| contact.contains(&text)).collect();
        (matching.len(), matching.iter().skip(skipped).take(most).map(|contact| contact.row()).collect())
    }

    /// All contacts, to be saved.
    pub fn saved(&self) -> Vec<SavedContact> {
        self.list.iter().map(ContactEntry::saved).collect()
    }

    /// Adds saved contacts. Searches find them at once.
    pub fn restore(&mut self, contacts: Vec<SavedContact>) {
        for SavedContact { id, created_at, seeded, fields, sent, tags } in contacts {
            let number = self.list.len();
            self.by_id.insert(id.as_str().to_owned(), number);
            let (empty, created) = (BTreeMap::new(), created_at);
            self.list.push(ContactEntry { id, fields: empty.clone(), sent: empty, tags, created, seeded });
            for (name, kept) in fields {
                let value = sent.get(&name).cloned().unwrap_or_else(|| kept.clone());
                self.store(number, name, value, kept, (created, created));
            }
        }
    }

    /// All contacts in the form of the API, in the order of their creation.
    pub fn shown(&self) -> impl Iterator<Item = ContactBody<'_>> {
        self.list.iter().map(ContactEntry::shown)
    }

    /// All contacts, in the order of their creation.
    pub fn stored(&self) -> Vec<StoredContact> {
        self.list.iter().map(ContactEntry::stored).collect()
    }

    fn find(&mut self, name: Option<&str>, value: Option<&str>, page: usize, at: CallContext<'_>) -> Done {
        let (Some(name), Some(value)) = (name, value) else {
            let missing = if name.is_none() { "name" } else { "value" };
            let refusal = ApiError::Malformed(format!("The {missing} field is required."));
            return Done { answer: Err(refusal), contact: None, is_unaffected: true };
        };
        if at.fault == Some(Fault::EndlessHits) {
            let answer = Ok(answer::endless_page(at.origin, page, name, value, at.hit_bytes));
            return Done { answer, contact: None, is_unaffected: false };
        }
        let mut matching = self.search.find(name, value, at.now);
        if self.reformed.contains(name) {
            let mut all = matching.into_owned();
            all.extend(self.search.find(&shown_name(name), value, at.now).iter());
            all.sort_unstable();
            all.dedup();
            matching = all.into();
        }
        let is_last = page.saturating_mul(CONTACTS_PER_PAGE) >= matching.len();
        let answer = answer::page(at.origin, page, &matching, |number| self.list[number].shown(), at.fault);
        Done { answer: Ok(answer), contact: None, is_unaffected: at.fault == Some(Fault::NextOnLastPage) && !is_last }
    }

    fn create(&mut self, fields: Result<Fields, ApiError>, at: CallContext<'_>) -> Done {
        let free = fields.and_then(|fields| self.free_for(&fields, None, at.stored_forms).map(|()| fields));
        let fields = match free {
            Err(refusal) => return Done { answer: Err(refusal), contact: None, is_unaffected: true },
            Ok(fields) => fields,
        };
        let made = |answered: &ContactId, id: ContactId, is_unaffected| Done {
            answer: Ok(answer::id(answered.as_str())),
            contact: Some(id),
            is_unaffected,
        };
        if at.fault == Some(Fault::UpsertByEmail)
            && let Some(number) = self.with_email_of(&fields)
        {
            self.set(number, fields, at);
            let id = self.list[number].id.clone();
            return made(&id.clone(), id, false);
        }
        let previous = self.list.iter().rev().find(|contact| !contact.seeded).map(|contact| contact.id.clone());
        let number = self.add(at.serial, at.now, false);
        self.set(number, fields, at);
        let id = self.list[number].id.clone();
        match previous.filter(|_| at.fault == Some(Fault::PreviousId)) {
            Some(previous) => made(&previous, id, false),
            None => made(&id.clone(), id, true),
        }
    }

    fn with_email_of(&self, fields: &Fields) -> Option<usize> {
        let value = |(name, value): &(String, Option<Value>)| value.clone().filter(|_| name == EMAIL);
        let email = fields.iter().find_map(value)?;
        self.list.iter().position(|contact| contact.fields.get(EMAIL).is_some_and(|has| has.as_ref() == Some(&email)))
    }

    // The common part of calls on one contact: the body must be valid, and the contact must exist and not be queued.
    fn about<T>(
        &mut self,
        path_id: &str,
        at: CallContext<'_>,
        body: Result<T, ApiError>,
        act: impl FnOnce(&mut Self, usize, T) -> Result<Reply, ApiError>,
    ) -> Done {
        let number = self.number(path_id);
        let contact = number.map(|number| self.list[number].id.clone());
        let answer = body.and_then(|body| {
            let number = number.ok_or(ApiError::NoSuchContact)?;
            let made = &self.list[number];
            if !made.seeded && at.now.since(made.created) < at.lag.queued {
                return Err(ApiError::Queued);
            }
            act(self, number, body)
        });
        Done { answer, contact, is_unaffected: true }
    }

    fn number(&self, path_id: &str) -> Option<usize> {
        if !self.viber {
            return self.by_id.get(path_id).copied();
        }
        let id = String::from_utf8(STANDARD.decode(path_id).ok()?).ok()?;
        self.by_id.get(&id).copied()
    }

    fn add(&mut self, serial: &AtomicU64, now: Timestamp, seeded: bool) -> usize {
        let number = self.list.len();
        let id = loop {
            let serial = serial.fetch_add(1, Ordering::Relaxed);
            // A Viber id has `/` and `+`, and so has its Base64: `?` and `~` in third place become them.
            let id = if self.viber {
                format!("vb?id~/+{serial:08}=")
            } else {
                format!("{}", 1_776_025_372_480_910 + serial)
            };
            // A saved state that was edited may have any ids.
            if !self.by_id.contains_key(&id) {
                break id;
            }
        };
        self.changes += 1;
        self.by_id.insert(id.clone(), number);
        let id = ContactId::new(id).expect("it has digits");
        let (fields, sent) = (BTreeMap::new(), BTreeMap::new());
        self.list.push(ContactEntry { id, fields, sent, tags: Vec::new(), created: now, seeded });
        number
    }

    // Contacts that `insert` adds are found at once, because their context has no delays.
    fn set(&mut self, number: usize, fields: Fields, at: CallContext<'_>) {
        let is_dropped =
            |field: &str| at.stored_forms.iter().any(|(name, form)| name == field && *form == StoredForm::Dropped);
        for (name, value) in fields.into_iter().filter(|(name, _)| !is_dropped(name)) {
            let kept = value.clone().map(|value| kept(at.stored_forms, &name, value));
            self.store(number, name, value, kept, (at.now, at.now + at.lag.search));
        }
    }

    // Stores a value that was sent, in the form in which it is kept. Searches find it from `findable` on.
    fn store(
        &mut self,
        number: usize,
        name: String,
        value: Option<Value>,
        kept: Option<Value>,
        (now, findable): (Timestamp, Timestamp),
    ) {
        self.changes += 1;
        let (sent, shown) = (value.as_ref().map(Value::text), kept.as_ref().map(Value::text));
        self.search.write(number, &name, sent.as_deref(), findable, now);
        let is_reformed = sent != shown;
        if is_reformed {
            self.reformed.insert(name.clone());
        }
        if self.reformed.contains(&name) {
            self.search.write(number, &shown_name(&name), shown.as_deref(), findable, now);
        }
        if self.unique.contains(&name) {
            if let Some(Some(old)) = self.list[number].fields.get(&name) {
                let key = (name.clone(), old.text().into_owned());
                if self.owners.get(&key) == Some(&number) {
                    self.owners.remove(&key);
                }
            }
            if let Some(shown) = &shown {
                self.owners.entry((name.clone(), shown.clone().into_owned())).or_insert(number);
            }
        }
        let entry = &mut self.list[number];
        if is_reformed {
            entry.sent.insert(name.clone(), value);
        } else {
            entry.sent.remove(&name);
        }
        entry.fields.insert(name, kept);
    }

    fn free_for(
        &self,
        fields: &Fields,
        own: Option<usize>,
        stored_forms: &[(String, StoredForm)],
    ) -> Result<(), ApiError> {
        for (name, value) in fields {
            let Some(value) = value.as_ref().filter(|_| self.unique.contains(name)) else { continue };
            let kept = kept(stored_forms, name, value.clone());
            let owner = self.owners.get(&(name.clone(), kept.text().into_owned())).copied();
            if let Some(owner) = owner.filter(|&owner| Some(owner) != own) {
                return Err(ApiError::Taken { field: name.clone(), by: self.list[owner].id.clone() });
            }
        }
        Ok(())
    }
}

// The value as the platform stores it.
fn kept(stored_forms: &[(String, StoredForm)], name: &str, value: Value) -> Value {
    let form = stored_forms.iter().find(|(field, _)| field == name);
    match form {
        Some((_, form)) => form.keep(value),
        None => value,
    }
}

// The name under which the search indexes the stored form of a field's values, if it differs from the sent form. A request
// cannot name it, because names are trimmed.
fn shown_name(name: &str) -> String {
    format!("{name} ")
}

impl ContactEntry {
    fn add_tags(&mut self, tags: Vec<String>) {
        for tag in tags {
            if !self.tags.contains(&tag) {
                self.tags.push(tag);
            }
        }
    }

    fn shown(&self) -> ContactBody<'_> {
        let created_at = self.created.as_millis() / 1_000;
        ContactBody { id: &self.id, custom_fields: &self.fields, tags: &self.tags, created_at }
    }

    // Whether its id, a tag or a value contains this text in lower case.
    fn contains(&self, text: &str) -> bool {
        let holds = |found: &str| found.to_lowercase().contains(text);
        let mut values = self.fields.values().flatten();
        holds(self.id.as_str()) || values.any(|value| holds(&value.text())) || self.tags.iter().any(|tag| holds(tag))
    }

    fn row(&self) -> ContactRow {
        let shortened = |text: &str| match text.char_indices().nth(SHOWN_CHARACTERS) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        let field = |(name, value): (&String, &Option<Value>)| {
            (shortened(name), value.as_ref().map(|value| shortened(&value.text())))
        };
        ContactRow {
            id: self.id.clone(),
            created_at: self.created,
            fields: self.fields.iter().map(field).collect(),
            tags: self.tags.iter().map(|tag| shortened(tag)).collect(),
        }
    }

    fn saved(&self) -> SavedContact {
        let Self { id, fields, sent, tags, created, seeded } = self;
        SavedContact {
            id: id.clone(),
            created_at: *created,
            seeded: *seeded,
            fields: fields.clone(),
            sent: sent.clone(),
            tags: tags.clone(),
        }
    }

    fn stored(&self) -> StoredContact {
        let valued = |(name, value): (&String, &Option<Value>)| Some((name.clone(), value.clone()?));
        StoredContact {
            id: self.id.clone(),
            fields: self.fields.iter().filter_map(valued).collect(),
            tags: self.tags.iter().cloned().collect(),
            seeded: self.seeded,
        }
    }
}
