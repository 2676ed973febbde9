//! The task: which call brings one contact to what the file wants, given the answers so far.
//!
//! A task is a fold. It begins from the contact and its [`RemoteState`] in the journal, takes in attempts one by one, and
//! after each says the next [`Step`]. The journal commits an attempt together with the standing it implies, so a task
//! that is made anew after a kill says the same step as the one that was killed.

mod transitions;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::attempt::Attempt;
use crate::core::call::{Asked, Call, CallKind};
use crate::core::diff::{Change, TagsMode, diff, first_fields};
use crate::core::doubt::{Doubt, Origin};
use crate::core::model::{Contact, ContactId, Known, Mode, Remote, RemoteState};
use crate::core::search::Search;
use crate::core::text::Text;
use crate::core::time::Timestamp;

/// How often one contact's create may be lost in one run before the contact is left for the next.
pub const LOST_CREATES: u32 = 3;

/// How long the answer to a search stays good for a run that is resumed. Somebody else may make the contact meanwhile.
pub const FIND_STAYS_GOOD: Duration = Duration::from_mins(10);

const MAY_BE_LOST: &str = "in doubt: the journal may have lost its create, and it has no match field to search by";

const NOT_THERE: &str = "not on the platform, and `update` makes no contact";

/// When a lost create is searched for, in tenths of the settle time. Only the last search decides that it is not there.
const SETTLE_TENTHS: [u32; SETTLE_SEARCHES] = [1, 4, 10];

/// How often a lost create is searched for by its first match field. The last search also uses the others.
pub const SETTLE_SEARCHES: usize = 3;

/// How many searches come before the decisive one.
const EARLY_SEARCHES: usize = SETTLE_SEARCHES - 1;

/// What a run wants of its tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Which contacts it may make and change.
    pub mode: Mode,
    /// What becomes of tags that the file no longer names.
    pub tags_mode: TagsMode,
    /// How long a new contact may take to become findable. A create whose answer was lost is sent again only when a
    /// search that began this long after it finds nobody.
    #[serde(alias = "settle")]
    pub search_lag: Duration,
    /// Whether a create whose answer was lost is sent again when there is no match field to search by.
    #[serde(alias = "resend_unsure")]
    pub retry_in_doubt: bool,
    /// Whether the journal may have lost what an earlier run sent, so that a contact that it does not know may be on the
    /// platform all the same. Each is searched for before it is created, whatever the mode.
    #[serde(default)]
    pub search_first: bool,
}

/// How a contact ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Created,
    /// It was there and was changed.
    Updated,
    /// It was there and right.
    Unchanged,
    /// It was set aside, for this reason.
    Rejected(String),
}

impl Outcome {
    /// The outcome in one word, as the journal and lists name it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Rejected(_) => "rejected",
        }
    }

    /// Why, when there is a reason.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Created | Self::Updated | Self::Unchanged => None,
            Self::Rejected(reason) => Some(reason),
        }
    }
}

/// What a task does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Sends this call.
    Call(Call),
    /// Waits until this moment.
    Wait(Timestamp),
    /// Nothing: it is done.
    Done(Outcome),
    /// Nothing in this run: it stays pending, for this reason.
    Leave(String),
}

/// A call of an earlier process in the same run.
#[derive(Clone, Debug, PartialEq)]
pub struct PastCall {
    /// Which of the six calls it was.
    pub kind: CallKind,
    /// Which page of which search, for a find.
    pub asked: Option<Asked>,
    /// What it came to.
    pub attempt: Attempt,
    /// When it ended.
    pub ended: Timestamp,
}

/// What a task is to achieve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Bring,
    OnlySettle,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    /// Is it there? Searched by the match fields in turn, now by the one of this place.
    Searching { nth: usize, search: Search },
    /// It is not there: to be made.
    Creating,
    /// It may have been made, or be there under another id: does a search show it by now? Searched for by the match field
    /// of this place.
    Settling { nth: usize, search: Search },
    /// Its create was answered with this id, but answers to creates are not trusted: is it the contact?
    Confirming { id: ContactId },
    /// Its create was refused because another contact has its identifier: is that the same contact?
    Checking { other: ContactId, message: String },
    /// It is there: to be brought to what the file wants.
    Writing,
    /// A change was refused: did an earlier change with a lost answer work, or is the contact really gone?
    Rereading { id: ContactId, refused: Call, message: String, is_gone: bool },
    /// Nothing more to do.
    Over(Outcome),
    /// Nothing more to do in this run.
    Left(String),
}

/// How far the platform's answers to creates are distrusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// They are believed.
    None,
    /// The answer to another create was lost, so that they may have shifted. Without a contact that contradicts it, an
    /// answer is believed.
    Suspected,
    /// One named the contact of another row.
    Proven,
}

/// The state of one contact on its way.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each tells of one thing that happened on the way")]
pub struct Task {
    contact: Contact,
    policy: Policy,
    goal: Goal,
    remote_state: RemoteState,
    stage: Stage,
    // What was known before the call that was sent last.
    before_send: RemoteState,
    // Digests of the contacts that the searches of this task showed without the value; `None` without a search.
    seen: Option<BTreeSet<u64>>,
    // Whether the platform's answers to creates are not to be trusted, and whether this contact's was not confirmed yet.
    distrust: Distrust,
    is_unconfirmed: bool,
    // Whether the platform showed the contact after it had said that it is gone.
    was_shown: bool,
    // Whether an earlier create of ours may have made the contact.
    may_have_made: bool,
    // The change for whose refusal the contact was read. Refused again, it stays refused, whatever was written between.
    reread_for: Option<Call>,
    wrote: bool,
    fell_back: bool,
    lost_creates: u32,
}

impl Task {
    /// A task that brings the platform to `contact`.
    ///
    /// `past` are the calls that an earlier process of the same run made for it, oldest first; `standing` already
    /// holds what they imply.
    pub fn new(contact: Contact, remote_state: RemoteState, policy: Policy, past: &[PastCall], now: Timestamp) -> Self {
        let mut task = Self::begin(contact, remote_state, policy, Goal::Bring, now);
        task.wrote = past.iter().any(|call| call.attempt == Attempt::Done);
        // What the platform has is in the standing; left to recall is a search that has found nobody so far, as long as
        // nothing but it has happened. A page from the future was noted before the clock was set back: how old it is,
        // nobody knows. When one is too old, so is the search that it was part of. After a loss, the create that followed
        // it may be missing.
        let is_good = |call: &PastCall| {
            let is_recent = call.ended <= now && now.since(call.ended) < FIND_STAYS_GOOD;
            call.kind == CallKind::Find && is_recent && !policy.search_first
        };
        if past.iter().all(is_good) {
            let unasked = task.clone();
            for find in past {
                task.recall_find(find);
            }
            // A search without a usable result is repeated.
            if matches!(task.stage, Stage::Left(_)) {
                task = unasked;
            }
        }
        task.conclude();
        task
    }

    /// A task that only resolves a contact in doubt that the input no longer has.
    pub fn settling(contact: Contact, doubt: Doubt, policy: Policy, now: Timestamp) -> Self {
        Self::begin(contact, RemoteState::InDoubt(doubt), policy, Goal::OnlySettle, now)
    }

    fn begin(contact: Contact, remote_state: RemoteState, policy: Policy, goal: Goal, now: Timestamp) -> Self {
        let stage = Stage::Writing;
        let mut task = Self {
            contact,
            policy,
            goal,
            before_send: remote_state.clone(),
            remote_state,
            stage,
            seen: None,
            distrust: Distrust::None,
            is_unconfirmed: false,
            was_shown: false,
            may_have_made: false,
            reread_for: None,
            wrote: false,
            fell_back: false,
            lost_creates: 0,
        };
        task.stage = task.first_stage(now);
        task
    }

    fn first_stage(&mut self, now: Timestamp) -> Stage {
        if let RemoteState::InDoubt(doubt) = &mut self.remote_state {
            self.may_have_made = doubt.is_ours();
            // Journals of earlier versions do not have the moment, and a clock may have been set back since.
            let since = doubt.since.map_or(now, |since| since.min(now));
            doubt.since = Some(since);
            if now.since(since) >= self.policy.search_lag {
                doubt.searches = EARLY_SEARCHES;
            }
            // An earlier process found out that the given id is gone: it is not asked for again. A contact with a given id
            // is created only after that.
            let was_gone = match doubt.origin {
                Origin::GoneId { .. } => true,
                Origin::Create { .. } => doubt.sent.id().is_some(),
            };
            self.fell_back = was_gone && doubt.sent.id() == self.contact.id();
            // Another content may be taken for another contact by a platform that gave this one's to an existing one.
            if doubt.sent.fields() != self.contact.fields() {
                doubt.conflict = None;
            }
            return match doubt.named.clone() {
                Some(id) => Stage::Confirming { id },
                None => self.settle(),
            };
        }
        match (&self.remote_state, self.contact.id()) {
            (RemoteState::Known(known), given) if given.is_none_or(|id| known.goes_by(id)) => {
                if self.leaves_alone(known) { Stage::Over(Outcome::Unchanged) } else { Stage::Writing }
            }
            (RemoteState::Known(_) | RemoteState::Unknown | RemoteState::InDoubt(_), Some(_)) => self.by_given_id(),
            (RemoteState::Known(_) | RemoteState::Unknown | RemoteState::InDoubt(_), None) => match self.policy.mode {
                Mode::Create if !self.policy.search_first => Stage::Creating,
                Mode::Create | Mode::Upsert | Mode::Update => self.search_or_create(),
            },
        }
    }

    // The file says which contact it is; what another one has, or nobody knows, does not matter.
    fn by_given_id(&mut self) -> Stage {
        if let Some(id) = self.contact.id() {
            self.remote_state = RemoteState::Known(Known::only_id(id.clone()));
        }
        if self.policy.mode == Mode::Create { Stage::Over(Outcome::Unchanged) } else { Stage::Writing }
    }

    // `create` leaves contacts alone that are there already, but finishes those that it was making.
    fn leaves_alone(&self, known: &Known) -> bool {
        self.policy.mode == Mode::Create && known.made_at.is_none()
    }

    /// The contact that the task is about.
    pub const fn contact(&self) -> &Contact {
        &self.contact
    }

    /// What is known of the contact on the platform, as the attempts so far imply.
    pub const fn remote_state(&self) -> &RemoteState {
        &self.remote_state
    }

    /// What is left to write: nothing as long as it is not known what the platform has.
    pub fn change(&self) -> Change {
        match &self.remote_state {
            RemoteState::Known(known) => diff(&self.contact, known, self.policy.tags_mode),
            RemoteState::Unknown | RemoteState::InDoubt(_) => Change::default(),
        }
    }

    /// What to do next.
    pub fn step(&self, now: Timestamp) -> Step {
        match &self.stage {
            Stage::Searching { search, .. } => Step::Call(search.call()),
            Stage::Creating => Step::Call(Call::Create { fields: first_fields(&self.contact).to_vec() }),
            Stage::Settling { search, .. } => {
                let due = self.search_due(now);
                if now < due { Step::Wait(due) } else { Step::Call(search.call()) }
            }
            Stage::Checking { other, .. } => Step::Call(Call::Read { id: other.clone() }),
            Stage::Writing => self.next_write().map_or_else(|| Step::Done(self.written()), Step::Call),
            Stage::Confirming { id } | Stage::Rereading { id, .. } => Step::Call(Call::Read { id: id.clone() }),
            Stage::Over(outcome) => Step::Done(outcome.clone()),
            Stage::Left(reason) => Step::Leave(reason.clone()),
        }
    }

    /// Whether a refusal passes by itself: the contact was made a moment ago and is not visible to every call yet.
    pub fn is_passing(&self, attempt: &Attempt, now: Timestamp) -> bool {
        let made_at = match &self.remote_state {
            RemoteState::Known(known) => known.made_at,
            RemoteState::InDoubt(doubt) if self.is_confirming() => doubt.since,
            RemoteState::Unknown | RemoteState::InDoubt(_) => None,
        };
        matches!(attempt, Attempt::Missing { .. })
            && made_at.is_some_and(|made| now.since(made) < self.policy.search_lag)
    }

    /// Takes note that `call` is about to be sent: from now on, its effect may be there.
    ///
    /// A created contact is in doubt. What a change writes is no longer known, neither as it was nor as it will be, so
    /// that a later file that wants it as it was does not take it for unchanged.
    pub fn start(&mut self, call: &Call) {
        self.before_send = self.remote_state.clone();
        match (call, &mut self.remote_state) {
            (Call::Create { .. }, remote_state) => {
                *remote_state = RemoteState::InDoubt(Doubt::of_create(&self.contact, self.seen.clone()));
            }
            (Call::Update { fields, .. }, RemoteState::Known(known)) => {
                known.doubt = true;
                for field in fields {
                    known.fields.remove(&*field.name);
                }
            }
            (Call::AddTags { tags, .. }, RemoteState::Known(known)) => {
                known.doubt = true;
                for tag in tags {
                    known.tags.remove(tag);
                    known.absent_tags.remove(tag);
                    known.own_tags.insert(tag.clone());
                }
            }
            (Call::RemoveTags { tags, .. }, RemoteState::Known(known)) => {
                known.doubt = true;
                for tag in tags {
                    known.tags.remove(tag);
                }
            }
            (
                Call::Update { .. } | Call::AddTags { .. } | Call::RemoveTags { .. },
                RemoteState::Unknown | RemoteState::InDoubt(_),
            )
            | (Call::Find { .. } | Call::Read { .. }, _) => {}
        }
    }

    /// Takes in what `call`, the step that the task last asked for, came to.
    pub fn apply(&mut self, call: &Call, attempt: &Attempt, now: Timestamp) {
        match call {
            Call::Find { .. } => self.heard_find(attempt),
            Call::Read { .. } => self.heard_read(attempt, now),
            Call::Create { .. } => self.heard_create(attempt, now),
            Call::Update { .. } | Call::AddTags { .. } | Call::RemoveTags { .. } => {
                self.heard_write(call, attempt, now);
            }
        }
        self.conclude();
    }

    /// Stops trusting answers to creates. From now on, a created contact is read before anything else is written to it.
    pub fn distrust(&mut self, distrust: Distrust) {
        self.distrust = distrust;
        if distrust == Distrust::None {
            return;
        }
        if self.is_unconfirmed
            && self.stage == Stage::Writing
            && let RemoteState::Known(known) = &self.remote_state
        {
            self.stage = Stage::Confirming { id: known.id.clone() };
        }
    }

    /// Whether the answer to its create is about to be confirmed by a read.
    pub const fn is_confirming(&self) -> bool {
        matches!(self.stage, Stage::Confirming { .. })
    }

    /// Records that the answer to `call` names a contact that belongs to another key of the channel, `by`. After a
    /// create, a search decides. After a search, the row is rejected as a conflict.
    pub fn claimed(&mut self, call: &Call, id: &ContactId, by: &str, now: Timestamp) {
        match call {
            Call::Create { .. } => {
                let conflict = format!("conflict: its create was answered with contact {id}, which belongs to `{by}`");
                self.create_was_lost(now);
                match &mut self.remote_state {
                    RemoteState::InDoubt(doubt) if !doubt.sent.matches().is_empty() => doubt.conflict = Some(conflict),
                    RemoteState::InDoubt(_) | RemoteState::Unknown | RemoteState::Known(_) => self.reject(conflict),
                }
            }
            Call::Find { .. }
            | Call::Read { .. }
            | Call::Update { .. }
            | Call::AddTags { .. }
            | Call::RemoveTags { .. } => {
                let conflict = format!("conflict: contact {id} has its match value, but belongs to `{by}`");
                // It prevents another create, by the next run as well. That run searches: the id that the create was
                // answered with is not this contact's, and is not read once more to confirm it.
                if let RemoteState::InDoubt(doubt) = &mut self.remote_state {
                    doubt.conflict = Some(conflict.clone());
                    doubt.named = None;
                }
                self.reject(conflict);
            }
        }
        self.conclude();
    }

    // The searches for a lost create are not recalled page by page: how many there were is in the standing. Nor is a page
    // that was asked for twice.
    fn recall_find(&mut self, past: &PastCall) {
        if let (Stage::Searching { search, .. }, Attempt::Page(_)) = (&self.stage, &past.attempt)
            && search.call().asked() == past.asked
        {
            self.heard_find(&past.attempt);
        }
    }

    // A contact without a match field cannot be searched for. Sending its create again may create a duplicate, so that
    // takes an option.
    fn settle(&self) -> Stage {
        if let Some(search) = self.settle_search(0) {
            Stage::Settling { nth: 0, search }
        } else if self.policy.retry_in_doubt && self.policy.mode == Mode::Create && self.lost_creates < LOST_CREATES {
            Stage::Creating
        } else {
            let reason = "in doubt: the answer to its create was lost, and it has no match field to search by";
            Stage::Over(Outcome::Rejected(reason.into()))
        }
    }

    fn settle_search(&self, nth: usize) -> Option<Search> {
        match &self.remote_state {
            RemoteState::InDoubt(doubt) => doubt.sent.matches().get(nth).cloned().map(Search::for_doubt),
            RemoteState::Unknown | RemoteState::Known(_) => None,
        }
    }

    fn create_was_lost(&mut self, now: Timestamp) {
        self.lost_creates += 1;
        self.may_have_made = true;
        if let RemoteState::InDoubt(doubt) = &mut self.remote_state {
            doubt.since = Some(now);
        }
        self.stage = self.settle();
    }

    fn search_or_create(&self) -> Stage {
        match (self.contact.matches(), self.policy.mode) {
            ([first, ..], _) => Stage::Searching { nth: 0, search: Search::of(first.clone()) },
            ([], Mode::Create) if self.policy.search_first && !self.policy.retry_in_doubt => {
                Stage::Over(Outcome::Rejected(MAY_BE_LOST.into()))
            }
            ([], Mode::Create) => Stage::Creating,
            ([], Mode::Upsert | Mode::Update) => Stage::Over(Outcome::Rejected("no match field to search by".into())),
        }
    }

    // The id that we hold is no longer there: the contact may be, under another, and a search may be late to show it.
    fn fall_back(&mut self, now: Timestamp) {
        if self.fell_back || self.contact.matches().is_empty() {
            self.remote_state = RemoteState::Unknown;
            self.reject("the platform no longer has this contact id".into());
        } else {
            self.fell_back = true;
            let was_ours = matches!(&self.remote_state, RemoteState::Known(known) if known.made_at.is_some());
            self.remote_state = RemoteState::InDoubt(Doubt::of_gone_id(&self.contact, was_ours, now));
            self.stage = self.settle();
        }
    }

    fn adopt(&mut self, remote: Remote, made_at: Option<Timestamp>) {
        let known = Known {
            made_at,
            absent_tags: self.absent_from(&remote),
            replaces: self.contact.id().filter(|given| **given != remote.id).cloned(),
            ..Known::seen(remote, &BTreeSet::new()).blank_in(self.contact.clear())
        };
        self.stage = match self.goal {
            Goal::Bring if !self.leaves_alone(&known) => Stage::Writing,
            Goal::Bring | Goal::OnlySettle => Stage::Over(Outcome::Unchanged),
        };
        self.remote_state = RemoteState::Known(known);
    }

    fn absent_from(&self, remote: &Remote) -> BTreeSet<String> {
        let is_absent = |tag: &&Text| !remote.tags.contains(tag.as_str());
        self.contact.remove_tags().iter().filter(is_absent).map(Text::to_string).collect()
    }

    fn reject(&mut self, reason: String) {
        self.stage = Stage::Over(Outcome::Rejected(reason));
    }

    fn conclude(&mut self) {
        if self.stage == Stage::Writing && self.next_write().is_none() {
            self.stage = Stage::Over(self.written());
            if let RemoteState::Known(known) = &mut self.remote_state {
                known.made_at = None;
                // Whatever was lost, all that it was to bring is there now.
                known.doubt = false;
            }
        }
    }

    fn next_write(&self) -> Option<Call> {
        let RemoteState::Known(known) = &self.remote_state else { return None };
        self.change().calls(&known.id).next()
    }

    fn written(&self) -> Outcome {
        match &self.remote_state {
            RemoteState::Known(known) if known.made_at.is_some() => Outcome::Created,
            RemoteState::Known(_) | RemoteState::Unknown | RemoteState::InDoubt(_) if self.wrote => Outcome::Updated,
            RemoteState::Known(_) | RemoteState::Unknown | RemoteState::InDoubt(_) => Outcome::Unchanged,
        }
    }

    // When the next search for a contact in doubt may begin.
    fn search_due(&self, now: Timestamp) -> Timestamp {
        match &self.remote_state {
            RemoteState::InDoubt(doubt) => {
                let tenths = SETTLE_TENTHS[doubt.searches.min(EARLY_SEARCHES)];
                doubt.since.unwrap_or(now) + self.policy.search_lag.saturating_mul(tenths) / 10
            }
            RemoteState::Unknown | RemoteState::Known(_) => now,
        }
    }
}

#[cfg(test)]
mod tests;
