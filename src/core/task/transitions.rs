//! The transitions of a task: how each answer changes its state.

use super::{Distrust, EARLY_SEARCHES, Goal, NOT_THERE, Stage, Task};
use crate::core::attempt::Attempt;
use crate::core::call::Call;
use crate::core::diff::{TagsMode, first_fields};
use crate::core::doubt::{Doubt, Origin};
use crate::core::model::{Contact, ContactId, Field, Known, Mode, Remote, RemoteState, Value};
use crate::core::page::OtherHit;
use crate::core::search::{Found, PAGES_PER_FIND, Search};
use crate::core::task::{LOST_CREATES, Outcome};
use crate::core::text::Text;
use crate::core::time::Timestamp;
use crate::core::undo::{GONE, Restoration};

// The advice for a contact that may be the one in doubt, in another form.
const CORRECT_IT: &str =
    "if it is the same contact, correct the value in the input or on the platform; if not, create the contact there";

impl Task {
    pub(super) fn take_find(&mut self, attempt: &Attempt) {
        let (Stage::Searching { search, .. } | Stage::ResolvingDoubt { search, .. }) = &mut self.stage else { return };
        match attempt {
            Attempt::Page(page) => {
                let found = search.take(page);
                self.found(found);
            }
            // A refused search proves nothing about the contact.
            Attempt::Refused { message, .. } | Attempt::Taken { message, .. } | Attempt::Missing { message } => {
                self.reject(format!("search refused: {message}"));
            }
            Attempt::Contact(_)
            | Attempt::Created(_)
            | Attempt::Done
            | Attempt::Unauthorized { .. }
            | Attempt::Throttled { .. }
            | Attempt::Queued { .. }
            | Attempt::WrongPath { .. }
            | Attempt::Unsent { .. }
            | Attempt::Lost { .. } => {}
        }
    }

    fn found(&mut self, found: Found) {
        let (nth, field, is_settling) = match &self.stage {
            Stage::Searching { nth, search } => (*nth, search.field().clone(), false),
            Stage::ResolvingDoubt { nth, search } => (*nth, search.field().clone(), true),
            Stage::Creating
            | Stage::Confirming { .. }
            | Stage::Checking { .. }
            | Stage::Comparing { .. }
            | Stage::Writing
            | Stage::Rereading { .. }
            | Stage::Over(_)
            | Stage::Left(_) => return,
        };
        let name = &field.name;
        match found {
            Found::MorePages => {}
            Found::One(hit) => self.found_one(*hit, nth, name),
            Found::Several(one, other) => {
                self.reject(format!("conflict: several contacts have its `{name}`: {one}, {other}"));
            }
            Found::Endless => {
                self.reject(format!("the search for its `{name}` has more than {PAGES_PER_FIND} pages"));
            }
            Found::Unreliable(why) => {
                self.stage = Stage::Left(format!("the search for its `{name}` contradicts itself: {why}"));
            }
            Found::Absent(others) if is_settling => self.not_found_yet(nth, &field, &others),
            Found::Absent(others) => {
                self.seen.get_or_insert_default().extend(others.iter().map(|other| other.digest));
                self.stage = match (self.contact.matches().get(nth + 1), self.policy.mode) {
                    (Some(next), _) => Stage::Searching { nth: nth + 1, search: Search::of(next.clone()) },
                    (None, Mode::Upsert | Mode::Create) => Stage::Creating,
                    (None, Mode::Update) => Stage::Over(Outcome::Rejected(NOT_THERE.into())),
                };
            }
        }
    }

    fn found_one(&mut self, hit: Remote, nth: usize, name: &str) {
        let matches = match &self.remote_state {
            RemoteState::InDoubt(doubt) => doubt.sent.matches(),
            RemoteState::Unknown | RemoteState::Known(_) => self.contact.matches(),
        };
        if let Some(differs) = matches[..nth].iter().find(|field| hit.has_another(field)) {
            let (id, other) = (&hit.id, &differs.name);
            self.reject(format!("conflict: contact {id} has its `{name}`, but another `{other}`"));
            return;
        }
        // A contact that an earlier create of this journal created is not finished yet.
        let made_at = match &self.remote_state {
            RemoteState::InDoubt(doubt) if doubt.is_ours() => doubt.since,
            // `create` would skip it. It is most likely a contact that an earlier run began to create, in a part of the
            // journal that was lost.
            RemoteState::Unknown if self.policy.search_first && self.policy.mode == Mode::Create => {
                Some(Timestamp::default())
            }
            RemoteState::InDoubt(_) | RemoteState::Unknown | RemoteState::Known(_) => None,
        };
        self.adopt(hit, made_at);
    }

    // A contact in doubt was not found by its match field in this place.
    fn not_found_yet(&mut self, nth: usize, field: &Field, others: &[OtherHit]) {
        let RemoteState::InDoubt(doubt) = &mut self.remote_state else { return };
        doubt.notice(others, field);
        // No create was sent yet, so every contact that is shown now existed before it.
        if matches!(doubt.origin, Origin::GoneId { .. }) {
            self.seen.get_or_insert_default().extend(others.iter().map(|other| other.digest));
        }
        if doubt.searches < EARLY_SEARCHES {
            doubt.searches += 1;
            self.stage = self.resolve_doubt();
            return;
        }
        // It counts as absent only after a search by each match field.
        if let Some(search) = self.doubt_search(nth + 1) {
            self.stage = Stage::ResolvingDoubt { nth: nth + 1, search };
            return;
        }
        let RemoteState::InDoubt(doubt) = &mut self.remote_state else { return };
        let cause = doubt.cause();
        if let Some(conflict) = doubt.conflict.clone() {
            self.reject(conflict);
        } else if let Some(lookalike) = doubt.lookalike.take() {
            // The next run searches again.
            self.reject(format!("{cause}, and {lookalike}; {CORRECT_IT}"));
        } else {
            self.stage = self.not_made();
        }
    }

    // The search lag is over and no search shows the contact: the create had no effect.
    fn not_made(&mut self) -> Stage {
        let mut is_searched = true;
        if let RemoteState::InDoubt(doubt) = &mut self.remote_state {
            if let Origin::Create { seen } = &mut doubt.origin {
                self.seen = seen.take();
            }
            is_searched = self.contact.matches().iter().all(|field| doubt.sent.matches().contains(field));
        }
        self.remote_state = RemoteState::Unknown;
        match self.goal {
            Goal::OnlyResolveDoubt | Goal::Mark => Stage::Over(Outcome::Unchanged),
            // The input gives the id of the contact by now.
            Goal::Sync if !self.fell_back && self.contact.id().is_some() => self.by_given_id(),
            Goal::Sync if self.lost_creates >= LOST_CREATES => {
                Stage::Left(format!("its create was lost {} times", self.lost_creates))
            }
            Goal::Sync => match self.policy.mode {
                // The lost create had other match fields, and the searches used only those.
                Mode::Upsert | Mode::Update if !is_searched => self.search_or_create(),
                Mode::Upsert | Mode::Create => Stage::Creating,
                Mode::Update => Stage::Over(Outcome::Rejected(NOT_THERE.into())),
            },
        }
    }

    pub(super) fn take_read(&mut self, attempt: &Attempt, now: Timestamp) {
        if self.is_passing(attempt, now) {
            return;
        }
        match (&self.stage, attempt) {
            (Stage::Comparing { .. }, Attempt::Contact(remote)) => self.compare(remote),
            // What is known stays: the next sync finds out for itself.
            (Stage::Comparing { .. }, Attempt::Missing { .. }) => self.reject(GONE.into()),
            (Stage::Comparing { id }, Attempt::Refused { message, .. } | Attempt::Taken { message, .. }) => {
                self.reject(format!("reading contact {id} was refused: {message}"));
            }
            (Stage::Checking { other, message }, Attempt::Contact(remote)) => {
                if self.contact.matches().iter().any(|field| remote.has(field)) {
                    // A lost create of this journal created it, and not all of it is written yet.
                    let made_at = self.may_have_made.then_some(now);
                    self.adopt(remote.clone(), made_at);
                } else {
                    let reason = format!("{message} (contact {other})");
                    self.remote_state = RemoteState::Unknown;
                    self.reject(reason);
                }
            }
            (
                Stage::Checking { other, message },
                Attempt::Missing { message: words }
                | Attempt::Refused { message: words, .. }
                | Attempt::Taken { message: words, .. },
            ) => {
                let reason = format!("{message} (reading contact {other} was refused: {words})");
                self.remote_state = RemoteState::Unknown;
                self.reject(reason);
            }
            (Stage::Confirming { .. }, Attempt::Contact(remote)) if self.is_shown_by(remote) => {
                self.confirm_create(remote, now);
            }
            // Nothing contradicts the answer to the create, and a search may miss the form that was sent.
            (Stage::Confirming { id }, attempt) if self.distrust != Distrust::Proven && self.shows_nothing(attempt) => {
                let id = id.clone();
                self.is_unconfirmed = false;
                match self.remote_state {
                    RemoteState::Known(_) => self.stage = Stage::Writing,
                    RemoteState::Unknown | RemoteState::InDoubt(_) => self.created(id, now),
                }
            }
            (
                Stage::Confirming { .. },
                Attempt::Contact(_) | Attempt::Missing { .. } | Attempt::Refused { .. } | Attempt::Taken { .. },
            ) => {
                self.is_not_the_one(now);
            }
            (Stage::Rereading { refused, message, is_gone, .. }, Attempt::Contact(remote)) => {
                let (refused, message, is_gone) = (refused.clone(), message.clone(), *is_gone);
                self.write_what_differs(remote, &refused, message, is_gone);
            }
            (Stage::Writing, Attempt::Contact(remote)) => self.note_read(remote),
            (Stage::Rereading { .. } | Stage::Writing, Attempt::Missing { .. }) => self.fall_back(now),
            (Stage::Writing, Attempt::Refused { message, .. } | Attempt::Taken { message, .. }) => {
                self.reject(format!("reading the contact was refused: {message}"));
            }
            (
                Stage::Rereading { id, message, .. },
                Attempt::Refused { message: words, .. } | Attempt::Taken { message: words, .. },
            ) => self.reject(format!("{message} (reading contact {id} was refused: {words})")),
            (_, _) => {}
        }
    }

    // Restores what the platform still has as the undone run wrote it.
    fn compare(&mut self, remote: &Remote) {
        let (Some(undone), RemoteState::Known(known)) = (&mut self.undone, &self.remote_state) else { return };
        if remote.id != known.id {
            let reason = format!("the read of contact {} was answered with contact {}", known.id, remote.id);
            self.reject(reason);
            return;
        }
        match undone.written.restoration(self.contact.key(), known, remote) {
            Ok(Restoration { contact, known, unrestored }) => {
                undone.unrestored = unrestored;
                self.contact = contact;
                self.remote_state = RemoteState::Known(known);
                self.stage = Stage::Writing;
            }
            Err(why) => self.reject(why),
        }
    }

    // The contact of a create's answer is the one that was sent. A value in the platform's form counts as the value that was sent,
    // as after any other create.
    fn confirm_create(&mut self, remote: &Remote, now: Timestamp) {
        self.is_unconfirmed = false;
        let mut created = remote.clone();
        for field in first_fields(self.sent()).iter().filter(|field| remote.resembles(field)) {
            if let Some(value) = created.fields.get_mut(&*field.name) {
                value.clone_from(&field.value);
            }
        }
        self.adopt(created, Some(now));
    }

    // Whether the fields that are written only while they are blank are so, and the tags. The other values stay what is known of them: a sync
    // compares with what it knows, whichever fields have a mode.
    fn note_read(&mut self, remote: &Remote) {
        let unseen: Vec<Text> = self.unseen().map(|field| field.name.clone()).collect();
        let RemoteState::Known(known) = &mut self.remote_state else { return };
        for name in unseen {
            let shown = remote.fields.get(&*name).cloned().unwrap_or_else(|| Value::Text("".into()));
            known.fields.insert(name.to_string(), shown);
        }
        if self.policy.tags_mode == TagsMode::MirrorAll {
            let absent_tags = self.absent_from(remote);
            let RemoteState::Known(known) = &mut self.remote_state else { return };
            known.own_tags.retain(|tag| remote.tags.contains(tag));
            (known.tags, known.absent_tags, known.has_all_tags) = (remote.tags.clone(), absent_tags, true);
            for (name, value) in &remote.fields {
                known.fields.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
    }

    // After a refused write, `remote` shows what is still to be written. The refused change may have been made earlier; otherwise
    // it would be refused again. A contact that the platform reported as gone and then showed gets one more attempt.
    fn write_what_differs(&mut self, remote: &Remote, refused: &Call, message: String, is_gone: bool) {
        let absent_tags = self.absent_from(remote);
        if let RemoteState::Known(known) = &mut self.remote_state {
            *known = Known {
                id: known.id.clone(),
                made_at: known.made_at,
                replaces: known.replaces.clone(),
                absent_tags,
                has_all_tags: self.policy.tags_mode == TagsMode::MirrorAll,
                ..Known::seen(remote.clone(), &known.own_tags).blank_in(&self.contact)
            };
        }
        self.wrote |= !is_gone;
        self.stage = Stage::Writing;
        let next = self.next_write();
        let is_refused_again = if is_gone { self.was_shown && next.is_some() } else { next.as_ref() == Some(refused) };
        if is_refused_again {
            self.reject(message);
        }
        self.was_shown |= is_gone;
    }

    // Whether the answer to a read does not show which contact has the id: a refusal, or a contact without any of the
    // fields that were sent.
    fn shows_nothing(&self, attempt: &Attempt) -> bool {
        match attempt {
            Attempt::Refused { .. } | Attempt::Taken { .. } => true,
            Attempt::Contact(remote) => {
                !first_fields(self.sent()).iter().any(|field| remote.fields.contains_key(&*field.name))
            }
            Attempt::Missing { .. }
            | Attempt::Page(_)
            | Attempt::Created(_)
            | Attempt::Done
            | Attempt::Unauthorized { .. }
            | Attempt::Throttled { .. }
            | Attempt::Queued { .. }
            | Attempt::WrongPath { .. }
            | Attempt::Unsent { .. }
            | Attempt::Lost { .. } => false,
        }
    }

    // The answer to the create named another contact's id, so only a search can find the contact.
    fn is_not_the_one(&mut self, now: Timestamp) {
        match &mut self.remote_state {
            RemoteState::InDoubt(doubt) => doubt.named = None,
            remote_state @ (RemoteState::Unknown | RemoteState::Known(_)) => {
                *remote_state = RemoteState::InDoubt(Doubt::of_create(&self.contact, self.seen.clone()));
            }
        }
        self.create_was_lost(now);
    }

    // The contact as its create was sent.
    const fn sent(&self) -> &Contact {
        match &self.remote_state {
            RemoteState::InDoubt(doubt) => &doubt.sent,
            RemoteState::Unknown | RemoteState::Known(_) => &self.contact,
        }
    }

    // Whether a contact is the one that was created: it has a match field, or all values that were sent, in the form in
    // which the platform shows them. Without a match field, all values are required.
    fn is_shown_by(&self, remote: &Remote) -> bool {
        let sent = first_fields(self.sent());
        let shows = |field: &Field| remote.fields.contains_key(&*field.name);
        match self.sent().matches() {
            [] => sent.iter().all(|field| shows(field) && remote.resembles(field)),
            matches => {
                matches.iter().any(|field| remote.has(field))
                    || (sent.iter().any(shows) && sent.iter().all(|field| remote.resembles(field)))
            }
        }
    }

    // The contact has this id and what its create carried.
    fn created(&mut self, id: ContactId, now: Timestamp) {
        let fields =
            first_fields(self.sent()).iter().map(|field| (field.name.to_string(), field.value.clone())).collect();
        let known = Known {
            fields,
            absent_tags: self.contact.remove_tags().iter().map(Text::to_string).collect(),
            made_at: Some(now),
            has_all_tags: self.policy.tags_mode == TagsMode::MirrorAll,
            replaces: self.contact.id().filter(|given| **given != id).cloned(),
            ..Known::only_id(id)
        };
        self.remote_state = RemoteState::Known(known.blank_in(&self.contact));
        self.stage = Stage::Writing;
    }

    pub(super) fn take_create(&mut self, attempt: &Attempt, now: Timestamp) {
        match attempt {
            Attempt::Created(id) => {
                self.is_unconfirmed = true;
                if self.distrust != Distrust::None
                    && let RemoteState::InDoubt(doubt) = &mut self.remote_state
                {
                    doubt.since = Some(now);
                    doubt.named = Some(id.clone());
                    self.stage = Stage::Confirming { id: id.clone() };
                    return;
                }
                self.created(id.clone(), now);
            }
            Attempt::Lost { .. } | Attempt::Queued { .. } => self.create_was_lost(now),
            // The platform may have created the contact and failed to find something else: only a refusal in the platform's
            // own form means that there was no effect. Without a match field no search can check that, and a wrong URL would
            // reject the row.
            Attempt::WrongPath { .. } if !self.contact.matches().is_empty() => self.create_was_lost(now),
            Attempt::Taken { message, by } => {
                let in_doubt = std::mem::replace(&mut self.remote_state, self.before_send.clone());
                match by {
                    Some(other) if !self.contact.matches().is_empty() => {
                        // After a lost create, the other contact may be the one that it created. A kill must not lose that.
                        if self.may_have_made {
                            self.remote_state = in_doubt;
                        }
                        self.stage = Stage::Checking { other: other.clone(), message: message.clone() };
                    }
                    Some(other) => self.reject(format!("{message} (contact {other})")),
                    None => self.reject(message.clone()),
                }
            }
            Attempt::Refused { message, .. } | Attempt::Missing { message } => {
                self.remote_state = self.before_send.clone();
                self.reject(message.clone());
            }
            Attempt::Unauthorized { .. }
            | Attempt::Throttled { .. }
            | Attempt::WrongPath { .. }
            | Attempt::Unsent { .. } => {
                self.remote_state = self.before_send.clone();
            }
            Attempt::Page(_) | Attempt::Contact(_) | Attempt::Done => {}
        }
    }

    pub(super) fn take_write(&mut self, call: &Call, attempt: &Attempt, now: Timestamp) {
        match attempt {
            Attempt::Done => self.written_down(call),
            Attempt::Missing { message } => {
                let passes = self.is_passing(attempt, now);
                self.remote_state = self.before_send.clone();
                let RemoteState::Known(known) = &self.remote_state else { return };
                if !passes && self.goal == Goal::Mark {
                    // Nothing is created in its place. If it returns, it is sent, which shows whether it is gone.
                    let gone = Known { doubt: true, ..Known::only_id(known.id.clone()) };
                    self.remote_state = RemoteState::Known(gone);
                    self.stage = Stage::Over(Outcome::Unchanged);
                } else if !passes {
                    // The id is read before another contact is created in its place.
                    let (id, refused, message) = (known.id.clone(), call.clone(), message.clone());
                    self.stage = Stage::Rereading { id, refused, message, is_gone: true };
                }
            }
            Attempt::Refused { message, .. } | Attempt::Taken { message, .. } => {
                self.remote_state = self.before_send.clone();
                let RemoteState::Known(known) = &self.remote_state else { return };
                // A tag that was never seen may be missing, and another user may have removed one that contactsync added. If its
                // removal is refused for that, it is absent as wanted.
                let may_be = |tag: &String| !known.tags.contains(tag) || known.own_tags.contains(tag);
                let may_be_absent = matches!(call, Call::RemoveTags { tags, .. } if tags.iter().any(may_be));
                if (known.doubt || may_be_absent) && self.reread_for.as_ref() != Some(call) {
                    self.reread_for = Some(call.clone());
                    let id = known.id.clone();
                    let (refused, message) = (call.clone(), message.clone());
                    self.stage = Stage::Rereading { id, refused, message, is_gone: false };
                } else {
                    self.reject(message.clone());
                }
            }
            Attempt::Unauthorized { .. }
            | Attempt::Throttled { .. }
            | Attempt::WrongPath { .. }
            | Attempt::Unsent { .. } => {
                self.remote_state = self.before_send.clone();
            }
            // What the platform has stays unknown, as since the call was sent.
            Attempt::Lost { .. }
            | Attempt::Queued { .. }
            | Attempt::Page(_)
            | Attempt::Contact(_)
            | Attempt::Created(_) => {}
        }
    }

    fn written_down(&mut self, call: &Call) {
        self.wrote = true;
        let RemoteState::Known(known) = &mut self.remote_state else { return };
        match call {
            Call::Update { fields, .. } => {
                known.fields.extend(fields.iter().map(|field| (field.name.to_string(), field.value.clone())));
            }
            Call::AddTags { tags, .. } => {
                for tag in tags {
                    known.tags.insert(tag.clone());
                    known.absent_tags.remove(tag);
                    // A tag that others had added stays theirs when it is restored.
                    if self.undone.as_ref().is_none_or(|undone| undone.written.owned(tag)) {
                        known.own_tags.insert(tag.clone());
                    }
                }
            }
            Call::RemoveTags { tags, .. } => {
                for tag in tags {
                    known.tags.remove(tag);
                    known.own_tags.remove(tag);
                    known.absent_tags.insert(tag.clone());
                }
            }
            Call::Find { .. } | Call::Read { .. } | Call::Create { .. } => {}
        }
    }
}
