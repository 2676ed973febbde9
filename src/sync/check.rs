//! The check of an input: what a sync would make of its rows, decided by the same planner, without a journal.

use std::collections::BTreeMap;

use crate::core::diff::TagsMode;
use crate::core::doubtful_values::DoubtfulValues;
use crate::core::mapping::Mapping;
use crate::core::model::{Contact, Rejection};
use crate::core::planner::{DuplicateFault, Planner, Resolution, SeenRows};
use crate::input::{Detected, NoticeKind, Row, Source};
use crate::sync::plan::{PlanError, TagMentions};

/// Number of different reasons that are counted apart. Some name a byte, and then there may be as many as there are rows.
const REASONS_KEPT: usize = 1_000;

/// The reason under which rows are counted whose reason is one too many.
const OTHER_REASONS: &str = "other reasons";

/// The reason for a further row of a contact that may have one row. It names no line, so that such rows are counted together.
const REPEATED: &str = "expected each contact once, found this one in an earlier row too";

/// How the rows of an input are checked.
#[derive(Clone, Debug)]
pub struct InputCheck {
    /// The rules by which rows of one contact are planned.
    pub planner: Planner,
    /// What becomes of tags that the input does not name.
    pub tags_mode: TagsMode,
    /// By the name of each channel, whether its rows are checked. Rows of the others are only counted.
    pub channels: BTreeMap<String, bool>,
    /// Whether a row that names no channel is rejected here. Otherwise it is only counted.
    pub rejects_unknown: bool,
    /// Number of contacts to keep, from the beginning of the input.
    pub sample: usize,
}

/// What a sync would make of the rows of an input.
#[derive(Clone, Debug, Default)]
pub struct CheckedInput {
    /// Number of contacts, one row each.
    pub contacts: u64,
    /// Number of rows that are merged into another row of their contact.
    pub merged: u64,
    /// Number of rows that are rejected.
    pub rejected: u64,
    /// Number of rows that the rules do not take.
    pub left_out: u64,
    /// Number of rows of other channels.
    pub of_others: u64,
    /// Number of rows that cannot be read or name no channel, where none is rejected for that.
    pub of_none: u64,
    /// The first contacts as they would be sent, in the order of their first rows.
    pub first: Vec<CheckedContact>,
    /// The reasons for which rows are rejected, the most frequent first.
    pub reasons: Vec<RejectReason>,
}

/// A contact as it would be sent.
#[derive(Clone, Debug)]
pub struct CheckedContact {
    /// The line of the row that counts.
    pub line: u64,
    /// The contact.
    pub contact: Contact,
    /// The channel that its row names; `None` where there is only one.
    pub channel: Option<String>,
}

/// A reason for which rows are rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectReason {
    /// The reason.
    pub reason: String,
    /// Number of rows.
    pub count: u64,
    /// The line of the first of them.
    pub line: u64,
}

/// The reasons for which rows are rejected, as they are counted. Its size is bounded: rows with further reasons are counted
/// together.
#[derive(Clone, Debug, Default)]
pub struct RejectReasons {
    // The count and the first line by reason.
    reasons: BTreeMap<String, (u64, u64)>,
}

impl RejectReasons {
    /// Counts the row at `line`. Rows are added in the order of the input.
    pub fn add(&mut self, reason: String, line: u64) {
        let is_one_too_many = self.reasons.len() >= REASONS_KEPT && !self.reasons.contains_key(&reason);
        let reason = if is_one_too_many { OTHER_REASONS.to_owned() } else { reason };
        self.reasons.entry(reason).or_insert((0, line)).0 += 1;
    }

    /// The reasons, the most frequent first.
    pub fn most_frequent_first(self) -> Vec<RejectReason> {
        let reasons = self.reasons.into_iter().map(|(reason, (count, line))| RejectReason { reason, count, line });
        let mut reasons: Vec<RejectReason> = reasons.collect();
        reasons.sort_by_key(|reason| (std::cmp::Reverse(reason.count), reason.line));
        reasons
    }
}

/// Reads all rows of `source` and decides what a sync would make of each. It takes a thread that may block.
///
/// What the journal knows is left out of account: each contact counts as one to be sent.
///
/// # Errors
/// [`PlanError::Source`] when the input cannot be read; [`PlanError::NoTags`] as in a sync.
pub fn check_input(source: &mut Source, mapping: &Mapping, check: &InputCheck) -> Result<CheckedInput, PlanError> {
    let mentions = TagMentions::new(check.tags_mode);
    let mut tally = Tally::new(&check.planner, check.sample);
    let detected = source.detected().clone();
    let see = |row: Row, _| {
        let mention = mentions.of(&row, mapping);
        let seen = seen(row, mapping, check, &detected);
        // As in a sync: rows that are not sent here do not count.
        if matches!(seen, Seen::Contact { .. } | Seen::Rejected(_)) {
            mentions.add(mention);
        }
        seen
    };
    source.in_batches(see, |batch| -> Result<(), PlanError> {
        for seen in batch {
            tally.add(seen);
        }
        Ok(())
    })?;
    mentions.check()?;
    detected.add_doubtful_values(&tally.doubtful, mapping);
    Ok(tally.finish())
}

/// What a row is by itself.
enum Seen {
    LeftOut,
    // A total of the rows above it.
    Total,
    OfOther,
    OfNone,
    Contact { row: u64, line: u64, contact: Box<Contact>, channel: Option<String> },
    Rejected(Rejection),
}

fn seen(row: Row, mapping: &Mapping, check: &InputCheck, detected: &Detected) -> Seen {
    let of_no_channel = |rejection| if check.rejects_unknown { Seen::Rejected(rejection) } else { Seen::OfNone };
    match row {
        // A row that cannot be read names no channel either.
        Row::Rejected(rejection) => of_no_channel(rejection),
        Row::Record(record) if !mapping.takes(&record) => Seen::LeftOut,
        Row::Record(record) if mapping.leaves_out_total(&record) => {
            detected.add_notice(NoticeKind::Total, record.line);
            Seen::Total
        }
        Row::Record(record) => match mapping.channel_among(&record, &check.channels) {
            Ok(Some(false)) => Seen::OfOther,
            Ok(Some(true) | None) => match mapping.contact(&record) {
                Ok(contact) => Seen::Contact {
                    row: record.row,
                    line: record.line,
                    contact: Box::new(contact),
                    channel: mapping.channel(&record).map(str::to_owned),
                },
                Err(rejection) => Seen::Rejected(rejection),
            },
            Err(rejection) => of_no_channel(rejection),
        },
    }
}

/// The rows so far.
struct Tally<'a> {
    planner: &'a Planner,
    sample: usize,
    checked: CheckedInput,
    // Number of contacts of the sample so far.
    sampled: usize,
    rows: BTreeMap<Option<String>, SeenRows>,
    doubtful: DoubtfulValues,
    reasons: RejectReasons,
}

impl<'a> Tally<'a> {
    fn new(planner: &'a Planner, sample: usize) -> Self {
        Self {
            planner,
            sample,
            checked: CheckedInput::default(),
            sampled: 0,
            rows: BTreeMap::new(),
            doubtful: DoubtfulValues::new(),
            reasons: RejectReasons::default(),
        }
    }

    fn add(&mut self, seen: Seen) {
        match seen {
            Seen::LeftOut => self.checked.left_out += 1,
            Seen::Total => {}
            Seen::OfOther => self.checked.of_others += 1,
            Seen::OfNone => self.checked.of_none += 1,
            Seen::Rejected(rejection) => self.reject(rejection.to_string(), rejection.line),
            Seen::Contact { row, line, contact, channel } => self.plan(row, line, *contact, channel),
        }
    }

    fn plan(&mut self, row: u64, line: u64, contact: Contact, channel: Option<String>) {
        self.doubtful.add(&channel, line, &contact);
        let rows = self.rows.entry(channel).or_default();
        let Ok(resolution) = self.planner.resolve_duplicate(contact, rows);
        let is_new = matches!(resolution, Resolution::Counts { replaced: None, .. });
        let is_sampled = is_new && self.sampled < self.sample;
        self.sampled += usize::from(is_sampled);
        rows.note(row, line, &resolution, is_sampled);
        match resolution {
            Resolution::Counts { replaced: None, .. } => self.checked.contacts += 1,
            Resolution::Counts { replaced: Some(_), .. } | Resolution::Merged { .. } => self.checked.merged += 1,
            Resolution::Rejected { reason: DuplicateFault::Repeated, .. } => self.reject(REPEATED.to_owned(), line),
            Resolution::Rejected { earlier, reason: reason @ DuplicateFault::Conflict(_), .. } => {
                self.reject(reason.reason(&earlier), line);
            }
        }
    }

    fn reject(&mut self, reason: String, line: u64) {
        self.checked.rejected += 1;
        self.reasons.add(reason, line);
    }

    fn finish(self) -> CheckedInput {
        let Self { mut checked, rows, reasons, .. } = self;
        let mut first: Vec<(u64, CheckedContact)> = Vec::new();
        for (channel, rows) in rows {
            first.extend(rows.into_kept().into_iter().map(|kept| {
                let (line, contact) = (kept.counts.line, kept.contact);
                (kept.first_row, CheckedContact { line, contact, channel: channel.clone() })
            }));
        }
        first.sort_by_key(|(first_row, _)| *first_row);
        checked.first = first.into_iter().map(|(_, contact)| contact).collect();
        checked.reasons = reasons.most_frequent_first();
        checked
    }
}
