//! The task: the state machine that names the next call for one contact, given the answers so far.
//!
//! A task is a fold. It begins with the contact and its [`RemoteState`] in the journal, takes in attempts one by one, and
//! names the next [`Step`] after each. The journal commits an attempt together with the remote state that it implies, so a
//! task that is rebuilt after a kill names the same step as the one that was killed.

mod transitions;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::attempt::Attempt;
use crate::core::call::{Asked, Call, CallKind};
use crate::core::diff::{Change, TagsMode, diff, first_fields, unseen};
use crate::core::doubt::{Doubt, Origin};
use crate::core::model::{Contact, ContactId, Field, Known, Mode, Remote, RemoteState};
use crate::core::search::Search;
use crate::core::text::Text;
use crate::core::time::Timestamp;
use crate::core::undo::{NOT_KNOWN, Unrestored, Written};

/// Maximum number of lost creates of one contact in one run. After that, the contact is left for the next run.
pub const LOST_CREATES: u32 = 3;

/// How long a new contact may take to appear in searches, by default (API.md, trap 13).
pub const SEARCH_LAG: Duration = Duration::from_secs(30);

/// How long the answer to a search stays valid for a run that is resumed. Another client may create the contact meanwhile.
pub const FIND_STAYS_GOOD: Duration = Duration::from_mins(10);

const MAY_BE_LOST: &str = "in doubt: the journal may have lost its create, and it has no match field to search by";

const NOT_THERE: &str = "not on the platform, and mode `update` does not create contacts";

/// When a contact in doubt is searched for, in tenths of the search lag. Only the last search can show that it is absent.
const DOUBT_SEARCH_TENTHS: [u32; DOUBT_SEARCHES] = [1, 4, 10];

/// Number of searches for a contact in doubt by its first match field. The last search uses the other match fields too.
pub const DOUBT_SEARCHES: usize = 3;

/// Number of searches before the decisive one.
const EARLY_SEARCHES: usize = DOUBT_SEARCHES - 1;

/// The rules that a run gives to its tasks. [`Policy::new`] has the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Which contacts it may create and update.
    pub mode: Mode,
    /// What happens to tags that the input no longer names. By default, they stay ([`TagsMode::Add`]).
    pub tags_mode: TagsMode,
    /// How long a new contact may take to appear in searches. A create whose answer was lost is sent again only after a
    /// search that began at least this long after it found no contact. The default is [`crate::SEARCH_LAG`].
    // A process of an earlier version that has the journal open writes the earlier names.
    #[serde(alias = "settle")]
    pub search_lag: Duration,
    /// Whether a create whose answer was lost is sent again when there is no match field to search by; `false` by default.
    #[serde(alias = "resend_unsure")]
    pub retry_in_doubt: bool,
    /// Whether the journal may have lost calls of an earlier run. Then a contact that it does not know may be on the
    /// platform, so each one is searched for before it is created, in every mode. `false` by default; a
    /// [`Workspace`](crate::Workspace) also sets it where its journal may have lost calls.
    #[serde(default)]
    pub search_first: bool,
}

impl Policy {
    /// Creates the policy of this mode, with the program's defaults for all other fields.
    pub const fn new(mode: Mode) -> Self {
        Self { mode, tags_mode: TagsMode::Add, search_lag: SEARCH_LAG, retry_in_doubt: false, search_first: false }
    }

    /// The rules for setting the mark of a missing contact: nothing else is changed, and no contact is created.
    #[must_use]
    pub const fn of_marks(self) -> Self {
        Self { mode: Mode::Update, tags_mode: TagsMode::Add, ..self }
    }
}

/// How a contact ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was created.
    Created,
    /// It was on the platform and was updated.
    Updated,
    /// It was on the platform, and nothing differed.
    Unchanged,
    /// It was rejected, for this reason.
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

    /// The reason of a rejection.
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
    /// Nothing. The contact is done.
    Done(Outcome),
    /// Nothing in this run. The contact stays pending, for this reason.
    Leave(String),
}

/// A call of an earlier process in the same run.
#[derive(Clone, Debug, PartialEq)]
pub struct PastCall {
    /// Which of the six calls it was.
    pub kind: CallKind,
    /// Which page of which search, for a find.
    pub asked: Option<Asked>,
    /// Its result.
    pub attempt: Attempt,
    /// When it ended.
    pub ended: Timestamp,
}

/// The goal of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// Makes the platform match the input.
    Sync,
    /// Only resolves the doubt about a contact: the input no longer has it.
    OnlyResolveDoubt,
    /// Sets the mark of a missing contact, if the platform still has it.
    Mark,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    /// Searches for the contact by its match fields in turn, now by the one at this index.
    Searching { nth: usize, search: Search },
    /// Creates the contact, which is absent.
    Creating,
    /// Searches for a contact that may have been created, or may have another id, by the match field at this index.
    ResolvingDoubt { nth: usize, search: Search },
    /// Reads the contact with the id that the answer to the create named, because such answers are not trusted.
    Confirming { id: ContactId },
    /// Reads the other contact whose identifier made the platform refuse the create: it may be the same contact.
    Checking { other: ContactId, message: String },
    /// Reads the contact to find out what of an earlier run's change can be undone.
    Comparing { id: ContactId },
    /// Writes the differences to a contact that is on the platform.
    Writing,
    /// Reads the contact after a refused change: an earlier change whose answer was lost may have worked, or the contact
    /// may be gone.
    Rereading { id: ContactId, refused: Call, message: String, is_gone: bool },
    /// Done.
    Over(Outcome),
    /// Done for this run; the contact stays pending.
    Left(String),
}

/// How far answers to creates are distrusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// They are believed.
    None,
    /// The answer to another create was lost, so the following answers may belong to other creates. An answer is believed
    /// unless the contact that it names contradicts it.
    Suspected,
    /// An answer named the contact of another row.
    Proven,
}

/// The state of one contact while it is synchronised.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each records one thing that happened to the contact")]
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
    // How far answers to creates are distrusted, and whether the answer for this contact still has to be confirmed.
    distrust: Distrust,
    is_unconfirmed: bool,
    // Whether the platform showed the contact after it had reported it as gone.
    was_shown: bool,
    // Whether an earlier create of this journal may have created the contact.
    may_have_made: bool,
    // Whether all of the contact was known before its mark.
    was_whole: bool,
    // The refused change that was followed by a read. If it is refused again, it stays refused, whatever was written in
    // between.
    reread_for: Option<Call>,
    wrote: bool,
    fell_back: bool,
    lost_creates: u32,
    // What an earlier run wrote to the contact, which this task undoes.
    undone: Option<Undone>,
}

/// What a task undoes.
#[derive(Clone, Debug, PartialEq)]
struct Undone {
    written: Written,
    // What stays as it is, once the contact was compared.
    unrestored: Option<Unrestored>,
}

impl Task {
    /// Creates the task of a pending row: one that [syncs](Self::new) its contact, or one that [undoes](Self::undoing) what an
    /// earlier run wrote to it.
    pub fn of_row(
        contact: Contact,
        undone: Option<Written>,
        remote_state: RemoteState,
        policy: Policy,
        past: &[PastCall],
        now: Timestamp,
    ) -> Self {
        match undone {
            Some(written) => Self::undoing(contact, written, remote_state, policy, past, now),
            None => Self::new(contact, remote_state, policy, past, now),
        }
    }

    /// Creates the task that undoes what an earlier run wrote to a contact, once a read has shown what of it is still there.
    /// `contact` is the contact as it would be restored as a whole. Other arguments are as for [`new`](Self::new).
    pub fn undoing(
        contact: Contact,
        written: Written,
        remote_state: RemoteState,
        policy: Policy,
        past: &[PastCall],
        now: Timestamp,
    ) -> Self {
        let mut task = Self::begin(contact, remote_state, policy, Goal::Sync, now);
        // A write whose answer was lost may have restored the contact.
        task.wrote = past.iter().any(|call| match call.kind {
            CallKind::Update | CallKind::AddTags | CallKind::RemoveTags => {
                matches!(call.attempt, Attempt::Done | Attempt::Lost { .. })
            }
            CallKind::Find | CallKind::Read | CallKind::Create => false,
        });
        task.stage = match &task.remote_state {
            RemoteState::Known(known) => Stage::Comparing { id: known.id.clone() },
            RemoteState::Unknown | RemoteState::InDoubt(_) => Stage::Over(Outcome::Rejected(NOT_KNOWN.into())),
        };
        task.undone = Some(Undone { written, unrestored: None });
        task
    }

    /// Creates the task that makes the platform match `contact`.
    ///
    /// `past` are the calls that an earlier process of the same run made for it, oldest first;
    /// `remote_state` already holds what they imply.
    pub fn new(contact: Contact, remote_state: RemoteState, policy: Policy, past: &[PastCall], now: Timestamp) -> Self {
        let mut task = Self::begin(contact, remote_state, policy, Goal::Sync, now);
        task.wrote = past.iter().any(|call| call.attempt == Attempt::Done);
        // The remote state holds what the platform has. What it does not hold is an unfinished search that found no contact
        // so far; it is recalled if all past calls belong to it. A page dated in the future was journaled before the clock
        // was set back, so its age is unknown. One page that is too old makes its whole search too old. After a loss, the
        // journal may lack the create that followed the search.
        let is_good = |call: &PastCall| {
            let is_recent = call.ended <= now && now.since(call.ended) < FIND_STAYS_GOOD;
            call.kind == CallKind::Find && is_recent && !policy.search_first
        };
        if !past.is_empty() && past.iter().all(is_good) {
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

    /// Creates the task that only resolves the doubt about a contact that the input no longer has.
    pub fn resolving_doubt(contact: Contact, doubt: Doubt, policy: Policy, now: Timestamp) -> Self {
        Self::begin(contact, RemoteState::InDoubt(doubt), policy, Goal::OnlyResolveDoubt, now)
    }

    /// Creates the task that sets the mark of a missing contact, and nothing else. A contact that is not known gets none.
    pub fn marking(contact: Contact, remote_state: RemoteState, policy: Policy, now: Timestamp) -> Self {
        let is_known = matches!(remote_state, RemoteState::Known(_));
        let mut task = Self::begin(contact, remote_state, policy.of_marks(), Goal::Mark, now);
        if !is_known {
            task.stage = Stage::Over(Outcome::Unchanged);
        }
        task.conclude();
        task
    }

    fn begin(contact: Contact, remote_state: RemoteState, policy: Policy, goal: Goal, now: Timestamp) -> Self {
        let was_whole = matches!(&remote_state, RemoteState::Known(known) if known.is_whole);
        let remote_state = match remote_state {
            RemoteState::Known(known) => {
                let has_all_tags = known.has_all_tags || known.is_whole && policy.tags_mode == TagsMode::MirrorAll;
                RemoteState::Known(Known { has_all_tags, ..known.narrowed_to(&contact) })
            }
            other @ (RemoteState::Unknown | RemoteState::InDoubt(_)) => other,
        };
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
            was_whole,
            reread_for: None,
            wrote: false,
            fell_back: false,
            lost_creates: 0,
            undone: None,
        };
        task.stage = task.first_stage(now);
        task
    }

    fn first_stage(&mut self, now: Timestamp) -> Stage {
        if let RemoteState::InDoubt(doubt) = &mut self.remote_state {
            self.may_have_made = doubt.is_ours();
            // Journals of earlier versions lack the time, and the clock may have been set back since.
            let since = doubt.since.map_or(now, |since| since.min(now));
            doubt.since = Some(since);
            if now.since(since) >= self.policy.search_lag {
                doubt.searches = EARLY_SEARCHES;
            }
            // An earlier process found that the given id is gone, so it is not read again. A contact with a given id is
            // created only after that.
            let was_gone = match doubt.origin {
                Origin::GoneId { .. } => true,
                Origin::Create { .. } => doubt.sent.id().is_some(),
            };
            self.fell_back = was_gone && doubt.sent.id() == self.contact.id();
            // A platform that took the create for an existing contact may decide otherwise when the content differs.
            if doubt.sent.fields() != self.contact.fields() {
                doubt.conflict = None;
            }
            return match doubt.named.clone() {
                Some(id) => Stage::Confirming { id },
                None => self.resolve_doubt(),
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

    // The input names the contact by id, so neither another known id nor an unknown contact matters.
    fn by_given_id(&mut self) -> Stage {
        if let Some(id) = self.contact.id() {
            self.remote_state = RemoteState::Known(Known::only_id(id.clone()));
        }
        if self.policy.mode == Mode::Create { Stage::Over(Outcome::Unchanged) } else { Stage::Writing }
    }

    // `create` skips contacts that exist already, but finishes those that it has begun to create.
    fn leaves_alone(&self, known: &Known) -> bool {
        self.policy.mode == Mode::Create && known.made_at.is_none()
    }

    /// The contact that the task is about.
    pub const fn contact(&self) -> &Contact {
        &self.contact
    }

    /// What is known about the contact on the platform after the attempts so far.
    pub const fn remote_state(&self) -> &RemoteState {
        &self.remote_state
    }

    /// What is left to write. Empty as long as the platform's contact is unknown.
    pub fn change(&self) -> Change {
        match &self.remote_state {
            RemoteState::Known(known) => diff(&self.contact, known, self.policy.tags_mode),
            RemoteState::Unknown | RemoteState::InDoubt(_) => Change::default(),
        }
    }

    /// The fields that are written only while they are blank, where a read has to show whether they are.
    pub fn unseen(&self) -> impl Iterator<Item = &Field> {
        let known = match &self.remote_state {
            RemoteState::Known(known) => Some(known),
            RemoteState::Unknown | RemoteState::InDoubt(_) => None,
        };
        known.into_iter().flat_map(|known| unseen(&self.contact, known))
    }

    /// Whether a read has to show the tags of the contact, because those that the input does not have are removed.
    pub fn lacks_tags(&self) -> bool {
        match &self.remote_state {
            RemoteState::Known(known) => self.policy.tags_mode == TagsMode::MirrorAll && !known.has_all_tags,
            RemoteState::Unknown | RemoteState::InDoubt(_) => false,
        }
    }

    /// The next step.
    pub fn step(&self, now: Timestamp) -> Step {
        match &self.stage {
            Stage::Searching { search, .. } => Step::Call(search.call()),
            Stage::Creating => Step::Call(Call::Create { fields: first_fields(&self.contact).to_vec() }),
            Stage::ResolvingDoubt { search, .. } => {
                let due = self.search_due(now);
                if now < due { Step::Wait(due) } else { Step::Call(search.call()) }
            }
            Stage::Checking { other, .. } => Step::Call(Call::Read { id: other.clone() }),
            Stage::Writing => self.next_write().map_or_else(|| Step::Done(self.written()), Step::Call),
            Stage::Comparing { id } | Stage::Confirming { id } | Stage::Rereading { id, .. } => {
                Step::Call(Call::Read { id: id.clone() })
            }
            Stage::Over(outcome) => Step::Done(outcome.clone()),
            Stage::Left(reason) => Step::Leave(reason.clone()),
        }
    }

    /// How it ended; `None` while there is a next step.
    pub fn outcome(&self) -> Option<Outcome> {
        match &self.stage {
            Stage::Over(outcome) => Some(outcome.clone()),
            Stage::Writing => self.next_write().is_none().then(|| self.written()),
            Stage::Searching { .. }
            | Stage::Creating
            | Stage::ResolvingDoubt { .. }
            | Stage::Checking { .. }
            | Stage::Comparing { .. }
            | Stage::Confirming { .. }
            | Stage::Rereading { .. }
            | Stage::Left(_) => None,
        }
    }

    /// Whether a refusal is temporary: the contact was created a moment ago and is not visible to every call yet.
    pub fn is_passing(&self, attempt: &Attempt, now: Timestamp) -> bool {
        let made_at = match &self.remote_state {
            RemoteState::Known(known) => known.made_at,
            RemoteState::InDoubt(doubt) if self.is_confirming() => doubt.since,
            RemoteState::Unknown | RemoteState::InDoubt(_) => None,
        };
        matches!(attempt, Attempt::Missing { .. })
            && made_at.is_some_and(|made| now.since(made) < self.policy.search_lag)
    }

    /// Records that `call` is about to be sent. From now on it may have had its effect.
    ///
    /// A contact that is being created is in doubt. The values that a change writes become unknown, so that a later input
    /// with the old values is not taken for unchanged.
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
                    if self.undone.as_ref().is_none_or(|undone| undone.written.owned(tag)) {
                        known.own_tags.insert(tag.clone());
                    }
                }
            }
            (Call::RemoveTags { tags, .. }, RemoteState::Known(known)) => {
                known.doubt = true;
                for tag in tags {
                    known.tags.remove(tag);
                    if self.policy.tags_mode == TagsMode::MirrorAll {
                        // If the answer is lost, it is removed again.
                        known.own_tags.insert(tag.clone());
                    }
                }
            }
            (
                Call::Update { .. } | Call::AddTags { .. } | Call::RemoveTags { .. },
                RemoteState::Unknown | RemoteState::InDoubt(_),
            )
            | (Call::Find { .. } | Call::Read { .. }, _) => {}
        }
    }

    /// Takes in the result of `call`, which the last step named.
    pub fn apply(&mut self, call: &Call, attempt: &Attempt, now: Timestamp) {
        match call {
            Call::Find { .. } => self.take_find(attempt),
            Call::Read { .. } => self.take_read(attempt, now),
            Call::Create { .. } => self.take_create(attempt, now),
            Call::Update { .. } | Call::AddTags { .. } | Call::RemoveTags { .. } => {
                self.take_write(call, attempt, now);
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

    /// What of an earlier run's change is not undone, once the contact was compared.
    pub fn unrestored(&self) -> Option<&Unrestored> {
        self.undone.as_ref()?.unrestored.as_ref()
    }

    /// Whether a read is about to show what of an earlier run's change can be undone.
    pub const fn is_comparing(&self) -> bool {
        matches!(self.stage, Stage::Comparing { .. })
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

    // The searches for a contact in doubt are not recalled page by page: their number is in the remote state. A page that
    // was requested twice is recalled once.
    fn recall_find(&mut self, past: &PastCall) {
        if let (Stage::Searching { search, .. }, Attempt::Page(_)) = (&self.stage, &past.attempt)
            && search.call().asked() == past.asked
        {
            self.take_find(&past.attempt);
        }
    }

    // A contact without a match field cannot be searched for. Sending its create again may create a duplicate, so it
    // requires `retry_in_doubt`.
    fn resolve_doubt(&self) -> Stage {
        if let Some(search) = self.doubt_search(0) {
            Stage::ResolvingDoubt { nth: 0, search }
        } else if self.policy.retry_in_doubt && self.policy.mode == Mode::Create && self.lost_creates < LOST_CREATES {
            Stage::Creating
        } else {
            let reason = "in doubt: the answer to its create was lost, and it has no match field to search by";
            Stage::Over(Outcome::Rejected(reason.into()))
        }
    }

    fn doubt_search(&self, nth: usize) -> Option<Search> {
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
        self.stage = self.resolve_doubt();
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

    // The known id is gone. The contact may exist under another id, and a search may show it late.
    fn fall_back(&mut self, now: Timestamp) {
        if self.goal == Goal::Mark {
            if let RemoteState::Known(known) = &self.remote_state {
                let gone = Known { doubt: true, ..Known::only_id(known.id.clone()) };
                self.remote_state = RemoteState::Known(gone);
            }
            self.stage = Stage::Over(Outcome::Unchanged);
        } else if self.fell_back || self.contact.matches().is_empty() {
            self.remote_state = RemoteState::Unknown;
            self.reject("the platform no longer has this contact id".into());
        } else {
            self.fell_back = true;
            let was_ours = matches!(&self.remote_state, RemoteState::Known(known) if known.made_at.is_some());
            self.remote_state = RemoteState::InDoubt(Doubt::of_gone_id(&self.contact, was_ours, now));
            self.stage = self.resolve_doubt();
        }
    }

    fn adopt(&mut self, remote: Remote, made_at: Option<Timestamp>) {
        // When a create is confirmed late, tags may have been added since.
        let own_tags = match &mut self.remote_state {
            RemoteState::Known(known) => std::mem::take(&mut known.own_tags),
            RemoteState::Unknown | RemoteState::InDoubt(_) => BTreeSet::new(),
        };
        let known = Known {
            made_at,
            absent_tags: self.absent_from(&remote),
            has_all_tags: self.policy.tags_mode == TagsMode::MirrorAll,
            replaces: self.contact.id().filter(|given| **given != remote.id).cloned(),
            ..Known::seen(remote, &own_tags).blank_in(&self.contact)
        };
        self.stage = match self.goal {
            Goal::Sync if !self.leaves_alone(&known) => Stage::Writing,
            Goal::Sync | Goal::OnlyResolveDoubt | Goal::Mark => Stage::Over(Outcome::Unchanged),
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
                // Whichever change was lost, the platform has all of it now.
                known.doubt = false;
                known.is_whole |= self.goal == Goal::Mark && self.was_whole;
            }
        }
    }

    // A write, or the read on which it depends.
    fn next_write(&self) -> Option<Call> {
        let RemoteState::Known(known) = &self.remote_state else { return None };
        if self.unseen().next().is_some() || self.lacks_tags() {
            return Some(Call::Read { id: known.id.clone() });
        }
        self.change().calls(&known.id).next()
    }

    fn written(&self) -> Outcome {
        if let Some(unrestored) = self.unrestored() {
            return Outcome::Rejected(unrestored.reason());
        }
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
                let tenths = DOUBT_SEARCH_TENTHS[doubt.searches.min(EARLY_SEARCHES)];
                doubt.since.unwrap_or(now) + self.policy.search_lag.saturating_mul(tenths) / 10
            }
            RemoteState::Unknown | RemoteState::Known(_) => now,
        }
    }
}

#[cfg(test)]
mod tests;
