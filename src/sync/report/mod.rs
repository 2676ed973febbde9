//! Reports: what a run or a plan came to, as the one JSON object that scripts read, and what became of its rows, as files.

mod cell;
mod encoded;
mod file;
mod lists;
mod writer;

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::Serialize;

pub use self::file::{ListError, ListFault, ListFile, ListKind};
pub use self::lists::{Rejects, Results, RowResult};
pub use self::writer::{ListClaims, Listed, ListingError};
use crate::core::plan::Range;

/// A run's summary, in the contract's names and order.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary<C> {
    /// The run's number in the journal; a plan has none.
    pub run: Option<i64>,
    /// `finished`, `stopped` or `failed`; `planned` for a plan.
    pub state: &'static str,
    /// Why it stopped or failed.
    pub reason: Option<String>,
    /// The input's data rows. They are the sum of the six counts that follow.
    pub rows: u64,
    /// Contacts made.
    pub created: u64,
    /// Contacts changed.
    pub updated: u64,
    /// Contacts that were right.
    pub unchanged: u64,
    /// Rows set aside.
    pub rejected: u64,
    /// Rows whose contact has a later row.
    pub merged: u64,
    /// Rows still to do.
    pub pending: u64,
    /// Calls, by kind: sent ones for a run, the least and the most for a plan.
    pub calls: Calls<C>,
    /// Calls without a usable answer: lost, never sent, put off, or 429. They are sent again, in this run or the next.
    pub retries: u64,
    /// Answers with 429.
    pub throttled: u64,
    /// How long it worked.
    pub seconds: f64,
    /// How long a plan takes at the limit, in one process: until its end, or as far as the run may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<Minutes>,
    /// How many runs as long as that one a plan takes, when it is more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<Range>,
    /// The channels' own summaries, by name, when this is the sum of several.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<String, Self>,
}

/// Calls by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Calls<C> {
    /// All six.
    pub total: C,
    /// Searches, by page.
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

/// The shortest and the longest time, in minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Minutes {
    /// For the least calls.
    pub min: f64,
    /// For the most.
    pub max: f64,
}

/// The summary of a run.
pub type RunSummary = Summary<u64>;

/// The summary of a plan.
pub type PlanSummary = Summary<Range>;

impl<C: AddAssign + Copy + Default> Summary<C> {
    /// The sum of several channels' summaries, in which they stand by their names. They work side by side, so that the
    /// longest of their times is the sum's; it stopped or failed when one of them did, for all their reasons.
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
            sum.calls += part.calls;
            sum.retries += part.retries;
            sum.throttled += part.throttled;
            sum.seconds = sum.seconds.max(part.seconds);
            if let Some(minutes) = part.minutes {
                let longest = sum.minutes.unwrap_or_default();
                sum.minutes = Some(Minutes { min: longest.min.max(minutes.min), max: longest.max.max(minutes.max) });
            }
            if let Some(runs) = part.runs {
                let most = sum.runs.unwrap_or(Range { min: 1, max: 1 });
                sum.runs = Some(Range { min: most.min.max(runs.min), max: most.max.max(runs.max) });
            }
            // `failed` is graver than `stopped`, and each than the state of those that have nothing to say.
            let is_graver = match part.state {
                "failed" => true,
                "stopped" => sum.state != "failed",
                _ => sum.state == "finished",
            };
            if is_graver {
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
    /// The summary as one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and text are always JSON")
    }
}
