//! Reports: the summary of a run or a plan as one JSON object, and its rows as files.

mod cell;
mod encoded;
mod erase;
mod file;
mod lists;
mod writer;

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::Serialize;

pub(super) use self::erase::{ErasedPerson, erase};
pub use self::file::{ListError, ListFault, ListFile, ListKind};
pub use self::lists::{Rejects, Results, RowResult};
pub use self::writer::{ListClaims, Listed, ListingError};
use crate::core::forecast::Range;

/// The summary of a run or a plan, with the names and the order that scripts rely on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary<C> {
    /// The run's number in the journal; a plan has none.
    pub run: Option<i64>,
    /// `finished`, `stopped` or `failed`; `planned` for a plan.
    pub state: &'static str,
    /// Why it stopped or failed.
    pub reason: Option<String>,
    /// Number of data rows of the input: the sum of the seven counts that follow.
    pub rows: u64,
    /// Rows whose contact was created.
    pub created: u64,
    /// Rows whose contact was updated.
    pub updated: u64,
    /// Rows whose contact was up to date.
    pub unchanged: u64,
    /// Rows that were rejected, with a reason.
    pub rejected: u64,
    /// Rows for whose contact another row stands.
    pub merged: u64,
    /// Rows that are not finished.
    pub pending: u64,
    /// Rows that need calls and were left to later runs, because the run was limited to other contacts.
    pub skipped: u64,
    /// Contacts that the source had and that the input no longer has. They are no rows of the input.
    pub missing: u64,
    /// Of these, those that are still to be marked.
    #[serde(skip_serializing_if = "is_zero")]
    pub marks_pending: u64,
    /// Calls by kind: sent calls of a run, minimum and maximum of a plan.
    pub calls: Calls<C>,
    /// Calls without a usable answer: lost, never sent, deferred by the platform, or 429. They are sent again, in this
    /// run or the next.
    pub retries: u64,
    /// Answers with 429.
    pub throttled: u64,
    /// Fields that the platform accepted and did not store, by the reads after their first writes in this process.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropped_fields: Vec<String>,
    /// Seconds of work: of a run, over all the processes that sent it. The program reports the duration of its command.
    pub seconds: f64,
    /// Minutes that a plan takes at the rate limit in one process: to its end, or to the limits of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<Minutes>,
    /// Number of such runs that the plan takes, if it is more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<Range>,
    /// The summaries of the channels by name, when this is the sum of several.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<String, Self>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Calls by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Calls<C> {
    /// All kinds together.
    pub total: C,
    /// Searches; each page is a call.
    pub find: C,
    /// Reads of one contact.
    pub read: C,
    /// Creates.
    pub create: C,
    /// Updates of fields.
    pub update: C,
    /// Additions of tags.
    pub add_tags: C,
    /// Removals of tags.
    pub remove_tags: C,
}

/// Minimum and maximum time, in minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Minutes {
    /// For the minimum of calls.
    pub min: f64,
    /// For the maximum of calls.
    pub max: f64,
}

/// The summary of a run.
pub type RunSummary = Summary<u64>;

/// The summary of a plan.
pub type PlanSummary = Summary<Range>;

impl<C: AddAssign + Copy + Default> Summary<C> {
    /// Returns the sum of several channels' summaries, which also holds each of them by name. Channels work at the same
    /// time, so the longest time counts. The state is the most severe one, and the reasons of all channels are joined.
    pub fn of_channels(channels: BTreeMap<String, Self>) -> Self {
        let mut sum = Self { state: "finished", ..Self::default() };
        let mut reasons = Vec::new();
        for (name, part) in &channels {
            sum.rows += part.rows;
            sum.created += part.created;
            sum.updated += part.updated;
            sum.unchanged += part.unchanged;
            sum.rejected += part.rejected;
            sum.merged += part.merged;
            sum.pending += part.pending;
            sum.skipped += part.skipped;
            sum.missing += part.missing;
            sum.marks_pending += part.marks_pending;
            sum.calls += part.calls;
            sum.retries += part.retries;
            sum.throttled += part.throttled;
            let new = part.dropped_fields.iter().filter(|field| !sum.dropped_fields.contains(field)).cloned();
            let new: Vec<String> = new.collect();
            sum.dropped_fields.extend(new);
            sum.seconds = sum.seconds.max(part.seconds);
            if let Some(minutes) = part.minutes {
                let longest = sum.minutes.unwrap_or_default();
                sum.minutes = Some(Minutes { min: longest.min.max(minutes.min), max: longest.max.max(minutes.max) });
            }
            if let Some(runs) = part.runs {
                let most = sum.runs.unwrap_or(Range { min: 1, max: 1 });
                sum.runs = Some(Range { min: most.min.max(runs.min), max: most.max.max(runs.max) });
            }
            // `failed` is more severe than `stopped`, and both than the other states.
            let is_more_severe = match part.state {
                "failed" => true,
                "stopped" => sum.state != "failed",
                _ => sum.state == "finished",
            };
            if is_more_severe {
                sum.state = part.state;
            }
            if let Some(reason) = &part.reason {
                reasons.push(format!("channel `{name}`: {reason}"));
            }
        }
        sum.reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        Self { channels, ..sum }
    }
}

impl<C: AddAssign> AddAssign for Calls<C> {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        self.find += other.find;
        self.read += other.read;
        self.create += other.create;
        self.update += other.update;
        self.add_tags += other.add_tags;
        self.remove_tags += other.remove_tags;
    }
}

impl<C: Serialize> Summary<C> {
    /// Returns the summary as one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and text are always JSON")
    }
}
