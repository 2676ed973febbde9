//! How many calls one contact takes.

use std::ops::AddAssign;

use serde::Serialize;

use crate::core::call::CallKind;
use crate::core::diff::TagsMode;
use crate::core::model::{ContactId, Field, Mode, RemoteState, WriteMode};
use crate::core::size_limits::{FIELDS_PER_CALL, TAGS_PER_CALL};
use crate::core::task::{DOUBT_SEARCHES, Policy, Task};

/// A minimum and maximum number of calls.
///
/// A contact that the journal does not know needs a find before it is clear whether it is created, updated or unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Range {
    /// The minimum.
    pub min: u64,
    /// The maximum.
    pub max: u64,
}

impl AddAssign for Range {
    fn add_assign(&mut self, other: Self) {
        self.min += other.min;
        self.max += other.max;
    }
}

/// The calls that contacts take when nothing fails, in total and by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// The total. Its bounds are not the sums of the kinds' bounds: a contact is either created or updated.
    pub total: Range,
    kinds: [Range; CallKind::ALL.len()],
}

impl Forecast {
    /// The calls of one kind.
    pub const fn of(&self, kind: CallKind) -> Range {
        self.kinds[kind as usize]
    }

    /// Exactly this number of calls of one kind.
    pub fn of_calls(kind: CallKind, calls: usize) -> Self {
        let mut forecast = Self { total: Range { min: count(calls), max: count(calls) }, ..Self::default() };
        forecast.add_exactly(kind, calls);
        forecast
    }

    fn set(&mut self, kind: CallKind, min: usize, max: usize) {
        self.kinds[kind as usize] = Range { min: count(min), max: count(max) };
    }

    /// Adds calls that belong to no contact.
    pub fn add(&mut self, kind: CallKind, range: Range) {
        self.kinds[kind as usize] += range;
        self.total += range;
    }

    fn add_exactly(&mut self, kind: CallKind, calls: usize) {
        self.kinds[kind as usize] += Range { min: count(calls), max: count(calls) };
    }
}

impl AddAssign for Forecast {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        for (mine, others) in self.kinds.iter_mut().zip(other.kinds) {
            *mine += others;
        }
    }
}

/// The calls that `task` takes from its present state.
pub fn forecast(task: &Task, policy: Policy) -> Forecast {
    match task.remote_state() {
        RemoteState::Known(known) if task.is_comparing() => of_comparison(task, &known.id),
        RemoteState::Known(known) => of_known(task, &known.id),
        RemoteState::Unknown | RemoteState::InDoubt(_) => of_unknown(task, policy),
    }
}

fn of_comparison(task: &Task, id: &ContactId) -> Forecast {
    let mut forecast = Forecast::default();
    // What the read shows may leave nothing to restore.
    forecast.set(CallKind::Read, 1, 1);
    forecast.total = Range { min: 1, max: 1 };
    for call in task.change().calls(id) {
        forecast.kinds[call.kind() as usize].max += 1;
        forecast.total.max += 1;
    }
    forecast
}

fn of_known(task: &Task, id: &ContactId) -> Forecast {
    let mut forecast = Forecast::default();
    let change = task.change();
    for call in change.calls(id) {
        forecast.add_exactly(call.kind(), 1);
    }
    let calls = forecast.kinds.iter().map(|range| range.min).sum();
    forecast.total = Range { min: calls, max: calls };
    let unseen = task.unseen().count();
    if unseen > 0 || task.lacks_tags() {
        // A read shows whether they are blank, and which tags the contact has.
        let reasons = change.reasons().len();
        let further = (reasons + unseen).div_ceil(FIELDS_PER_CALL) - reasons.div_ceil(FIELDS_PER_CALL);
        forecast.add_exactly(CallKind::Read, 1);
        forecast.kinds[CallKind::Update as usize].max += count(further);
        forecast.total += Range { min: 1, max: 1 + count(further) };
    }
    if task.lacks_tags() {
        // It may have the wanted tags and values, and others that are to be removed.
        for kind in [CallKind::Update, CallKind::AddTags, CallKind::RemoveTags] {
            forecast.kinds[kind as usize].min = 0;
        }
        let removes = &mut forecast.kinds[CallKind::RemoveTags as usize];
        let one_more = u64::from(removes.max == 0);
        removes.max += one_more;
        forecast.total = Range { min: 1, max: forecast.total.max + one_more };
    }
    forecast
}

fn of_unknown(task: &Task, policy: Policy) -> Forecast {
    let (mode, contact) = (policy.mode, task.contact());
    let mut forecast = Forecast::default();
    // A contact in doubt is searched for several times by its first match field, and once by each of the others.
    let (is_in_doubt, finds) = match task.remote_state() {
        RemoteState::InDoubt(doubt) => {
            let early = DOUBT_SEARCHES.saturating_sub(1 + doubt.searches);
            (true, early + doubt.sent.matches().len())
        }
        RemoteState::Unknown | RemoteState::Known(_) => (false, contact.matches().len()),
    };
    let writes = contact.filled().len().div_ceil(FIELDS_PER_CALL);
    // Of a contact that is found, not all fields are written, and those that are sent along take no call. One that an
    // earlier create created is completed.
    let is_ours = match task.remote_state() {
        RemoteState::InDoubt(doubt) => doubt.is_ours(),
        RemoteState::Unknown | RemoteState::Known(_) => policy.search_first && mode == Mode::Create,
    };
    let is_sent = |(_, mode): &(&Field, WriteMode)| is_ours || matches!(mode, WriteMode::Always | WriteMode::IfBlank);
    let found = contact.fields_with_modes().filter(is_sent).count().div_ceil(FIELDS_PER_CALL);
    let adds = contact.tags().len().div_ceil(TAGS_PER_CALL);
    let all = usize::from(policy.tags_mode == TagsMode::MirrorAll);
    let removes = contact.remove_tags().len().div_ceil(TAGS_PER_CALL).max(all);
    match mode {
        Mode::Create if !(is_in_doubt || policy.search_first) || contact.matches().is_empty() => {
            forecast.set(CallKind::Create, 1, 1);
            forecast.set(CallKind::Update, writes.saturating_sub(1), writes.saturating_sub(1));
            forecast.set(CallKind::AddTags, adds, adds);
            forecast.total = Range { min: count(writes + adds), max: count(writes + adds) };
        }
        Mode::Upsert | Mode::Create | Mode::Update => {
            let creates = usize::from(mode != Mode::Update);
            let updates = found.max(creates * writes.saturating_sub(1));
            forecast.set(CallKind::Find, 1, finds.max(1));
            forecast.set(CallKind::Create, 0, creates);
            forecast.set(CallKind::Update, 0, updates);
            forecast.set(CallKind::AddTags, 0, adds);
            forecast.set(CallKind::RemoveTags, 0, removes);
            forecast.total = Range { min: 1, max: count(finds.max(1) + found.max(creates * writes) + adds + removes) };
        }
    }
    forecast
}

fn count(calls: usize) -> u64 {
    u64::try_from(calls).unwrap_or(u64::MAX)
}
