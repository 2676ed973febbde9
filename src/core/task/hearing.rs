//! What a task makes of each answer.

use super::{Goal, NOT_THERE, SETTLE_TENTHS, Stage, Task};
use crate::core::attempt::Attempt;
use crate::core::call::Call;
use crate::core::model::{ContactId, Field, Known, Mode, Standing};
use crate::core::search::{Found, PAGES_PER_FIND, Search};
use crate::core::task::{LOST_CREATES, Outcome};
use crate::core::text::Text;
use crate::core::time::Timestamp;

impl Task {
    pub(super) fn heard_find(&mut self, attempt: &Attempt) {
        let (Stage::Searching { search, .. } | Stage::Settling { search, .. }) = &mut self.stage else { return };
        match attempt {
            Attempt::Page(page) => {
                let found = search.hear(&page.contacts, page.more);
                self.found(found);
            }
            // Some hosts say so instead of giving an empty page.
            Attempt::Missing { .. } => {
                let found = search.hear(&[], false);
                self.found(found);
            }
            Attempt::Refused { message, .. } | Attempt::Taken { message, .. } => {
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
        let (search, settling) = match &self.stage {
            Stage::Searching { nth, search } => (search, Err(*nth)),
            Stage::Settling { since, searches, search } => (search, Ok((*since, *searches))),
            Stage::Creating
            | Stage::Checking { .. }
            | Stage::Writing
            | Stage::Rereading { .. }
            | Stage::Over(_)
            | Stage::Left(_) => return,
        };
        let name = search.field().name.clone();
        match (found, settling) {
            (Found::MorePages, _) => {}
            (Found::One(hit), settling) => {
                // One of our making is yet to be finished.
                let nth = settling.err().unwrap_or(0);
                let differs = self.contact.matches()[..nth].iter().find(|field| hit.has_another(field));
                if let Some(differs) = differs {
                    let (id, other) = (&hit.id, &differs.name);
                    self.reject(format!("conflict: contact {id} has its `{name}`, but another `{other}`"));
                    return;
                }
                let ours = settling.ok().filter(|_| self.is_ours);
                self.adopt(hit, ours.map(|(since, _)| since));
            }
            (Found::Several(ids), _) => {
                let list: Vec<&str> = ids.iter().map(ContactId::as_str).collect();
                self.reject(format!("conflict: {} contacts have its `{name}`: {}", ids.len(), list.join(", ")));
            }
            (Found::Endless, _) => {
                self.reject(format!("the search for its `{name}` has more than {PAGES_PER_FIND} pages"));
            }
            (Found::Nobody { alike }, Ok((since, searches))) => {
                let searches = searches + 1;
                self.stage = match (self.settle_search(), alike) {
                    (Some(search), _) if searches < SETTLE_TENTHS.len() => Stage::Settling { since, searches, search },
                    // It may be the one that was made, in the form in which the platform stores it.
                    (_, Some(alike)) => Stage::Over(Outcome::Rejected(format!(
                        "unsure: the answer to its create was lost, and contact {alike} looks like it by its `{name}`"
                    ))),
                    (_, None) => self.not_made(),
                };
            }
            (Found::Nobody { .. }, Err(nth)) => {
                self.stage = match (self.contact.matches().get(nth + 1), self.policy.mode) {
                    (Some(next), _) => Stage::Searching { nth: nth + 1, search: Search::of(next.clone()) },
                    (None, Mode::Upsert | Mode::Create) => Stage::Creating,
                    (None, Mode::Update) => Stage::Over(Outcome::Rejected(NOT_THERE.into())),
                };
            }
        }
    }

    // The settle time is over and nobody is there: the create did not happen.
    fn not_made(&mut self) -> Stage {
        self.standing = Standing::Unknown;
        match self.goal {
            Goal::OnlySettle => Stage::Over(Outcome::Unchanged),
            // The file says by now which contact it is.
            Goal::Bring if !self.fell_back && self.contact.id().is_some() => self.by_given_id(),
            Goal::Bring if self.lost_creates >= LOST_CREATES => {
                Stage::Left(format!("its create was lost {} times", self.lost_creates))
            }
            // Its id is gone, and it was searched by its key alone.
            Goal::Bring => match self.policy.mode {
                Mode::Upsert if self.fell_back && self.lost_creates == 0 && self.contact.matches().len() > 1 => {
                    self.search_or_create()
                }
                Mode::Upsert | Mode::Create => Stage::Creating,
                Mode::Update => Stage::Over(Outcome::Rejected(NOT_THERE.into())),
            },
        }
    }

    pub(super) fn heard_read(&mut self, attempt: &Attempt, now: Timestamp) {
        if self.is_passing(attempt, now) {
            return;
        }
        match (&self.stage, attempt) {
            (Stage::Checking { other, message }, Attempt::Contact(remote)) => {
                if self.contact.matches().iter().any(|field| remote.has(field)) {
                    // After a create that was lost, it is ours; the file is yet to be finished.
                    let made_at = (self.lost_creates > 0).then_some(now);
                    self.adopt(remote.clone(), made_at);
                } else {
                    self.reject(format!("{message} (contact {other})"));
                }
            }
            (
                Stage::Checking { message, .. },
                Attempt::Missing { .. } | Attempt::Refused { .. } | Attempt::Taken { .. },
            ) => self.reject(message.clone()),
            (Stage::Rereading { refused, message, .. }, Attempt::Contact(remote)) => {
                let (refused, message) = (refused.clone(), message.clone());
                let absent_tags = self.absent_from(remote);
                if let Standing::Known(known) = &mut self.standing {
                    *known = Known {
                        id: known.id.clone(),
                        made_at: known.made_at,
                        replaces: known.replaces.clone(),
                        absent_tags,
                        ..Known::seen(remote.clone(), &known.own_tags).blank_in(self.contact.clear())
                    };
                }
                // What was refused may be done; if it is not, it would only be refused again.
                self.wrote = true;
                self.stage = Stage::Writing;
                if self.next_write().as_ref() == Some(&refused) {
                    self.reject(message);
                }
            }
            (Stage::Rereading { .. }, Attempt::Missing { .. }) => self.fall_back(now),
            (Stage::Rereading { message, .. }, Attempt::Refused { .. } | Attempt::Taken { .. }) => {
                self.reject(message.clone());
            }
            (_, _) => {}
        }
    }

    pub(super) fn heard_create(&mut self, fields: &[Field], attempt: &Attempt, now: Timestamp) {
        match attempt {
            Attempt::Created(id) => {
                let fields = fields.iter().map(|field| (field.name.to_string(), field.value.clone())).collect();
                let known = Known {
                    fields,
                    absent_tags: self.contact.remove_tags().iter().map(Text::to_string).collect(),
                    made_at: Some(now),
                    replaces: self.contact.id().filter(|given| *given != id).cloned(),
                    ..Known::only_id(id.clone())
                };
                self.standing = Standing::Known(known.blank_in(self.contact.clear()));
                self.stage = Stage::Writing;
            }
            Attempt::Lost { .. } | Attempt::Queued { .. } => {
                self.lost_creates += 1;
                self.is_ours = true;
                self.stage = self.settle(now);
            }
            Attempt::Taken { message, by } => {
                self.standing = self.before_send.clone();
                match by {
                    Some(other) if !self.contact.matches().is_empty() => {
                        self.stage = Stage::Checking { other: other.clone(), message: message.clone() };
                    }
                    Some(other) => self.reject(format!("{message} (contact {other})")),
                    None => self.reject(message.clone()),
                }
            }
            Attempt::Refused { message, .. } | Attempt::Missing { message } => {
                self.standing = self.before_send.clone();
                self.reject(message.clone());
            }
            Attempt::Unauthorized { .. }
            | Attempt::Throttled { .. }
            | Attempt::WrongPath { .. }
            | Attempt::Unsent { .. } => {
                self.standing = self.before_send.clone();
            }
            Attempt::Page(_) | Attempt::Contact(_) | Attempt::Done => {}
        }
    }

    pub(super) fn heard_write(&mut self, call: &Call, attempt: &Attempt, now: Timestamp) {
        match attempt {
            Attempt::Done => self.written_down(call),
            Attempt::Missing { .. } => {
                let passes = self.is_passing(attempt, now);
                self.standing = self.before_send.clone();
                if !passes {
                    self.fall_back(now);
                }
            }
            Attempt::Refused { message, .. } | Attempt::Taken { message, .. } => {
                self.standing = self.before_send.clone();
                let Standing::Known(known) = &self.standing else { return };
                // A tag that nobody saw there need not be there; one that is refused for that is gone as wanted.
                let is_blind =
                    matches!(call, Call::RemoveTags { tags, .. } if tags.iter().any(|tag| !known.tags.contains(tag)));
                if known.doubt || is_blind {
                    let id = known.id.clone();
                    self.stage = Stage::Rereading { id, refused: call.clone(), message: message.clone() };
                } else {
                    self.reject(message.clone());
                }
            }
            Attempt::Unauthorized { .. }
            | Attempt::Throttled { .. }
            | Attempt::WrongPath { .. }
            | Attempt::Unsent { .. } => {
                self.standing = self.before_send.clone();
            }
            // Still in doubt, as it is since it was sent.
            Attempt::Lost { .. }
            | Attempt::Queued { .. }
            | Attempt::Page(_)
            | Attempt::Contact(_)
            | Attempt::Created(_) => {}
        }
    }

    fn written_down(&mut self, call: &Call) {
        self.wrote = true;
        let Standing::Known(known) = &mut self.standing else { return };
        match call {
            Call::Update { fields, .. } => {
                known.fields.extend(fields.iter().map(|field| (field.name.to_string(), field.value.clone())));
            }
            Call::AddTags { tags, .. } => {
                for tag in tags {
                    known.tags.insert(tag.clone());
                    known.own_tags.insert(tag.clone());
                    known.absent_tags.remove(tag);
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
