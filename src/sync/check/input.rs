//! The check of an input: what a sync would make of its rows, decided by the same planner, without a journal.

use std::collections::BTreeMap;

use crate::core::diff::TagsMode;
use crate::core::doubtful_values::DoubtfulValues;
use crate::core::mapping::Mapping;
use crate::core::model::Contact;
use crate::core::planner::{DuplicateFault, Planner, RowRole, SeenRows};
use crate::core::routing::{NotRouted, NotRoutedCounts, RoutedRow};
use crate::input::{Row, Source};
use crate::sync::plan::PlanError;
use crate::sync::routing::Routing;
use crate::sync::row_router::RowRouter;

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
    /// The channels whose rows are checked.
    pub channels: Vec<String>,
    /// Which of them each row goes to. Rows of other channels are only counted.
    pub routing: Routing,
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
    /// Number of rows that are not checked.
    pub not_routed: NotRoutedCounts,
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
    /// The channel that it is sent to.
    pub channel: String,
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
    let channels: Vec<&str> = check.channels.iter().map(String::as_str).collect();
    let router = RowRouter::new(check.routing.table(&channels), mapping, source.detected(), check.tags_mode);
    let mut tally = Tally::new(check);
    let route = |row: Row, _| {
        let line = match &row {
            Row::Record(record) => (record.row, record.line),
            Row::Rejected(rejection) => (rejection.row, rejection.line),
        };
        router.route(&row).map(|routed| (line, routed))
    };
    source.in_batches(route, |batch| -> Result<(), PlanError> {
        for row in batch {
            tally.add(row);
        }
        Ok(())
    })?;
    router.finish()?;
    source.detected().add_doubtful_values(&tally.doubtful, mapping);
    Ok(tally.finish())
}

/// The rows so far.
struct Tally<'a> {
    check: &'a InputCheck,
    checked: CheckedInput,
    // Number of contacts of the sample so far.
    sampled: usize,
    // By destination.
    rows: BTreeMap<usize, SeenRows>,
    doubtful: DoubtfulValues,
    reasons: RejectReasons,
}

impl<'a> Tally<'a> {
    fn new(check: &'a InputCheck) -> Self {
        Self {
            check,
            checked: CheckedInput::default(),
            sampled: 0,
            rows: BTreeMap::new(),
            doubtful: DoubtfulValues::new(),
            reasons: RejectReasons::default(),
        }
    }

    fn add(&mut self, row: Result<((u64, u64), RoutedRow), NotRouted>) {
        match row {
            Err(why) => self.checked.not_routed.add(why),
            Ok((_, RoutedRow { contact: Err(rejection), .. })) => self.reject(rejection.to_string(), rejection.line),
            Ok(((row, line), RoutedRow { destination, contact: Ok(contact) })) => {
                self.plan(row, line, contact, destination);
            }
        }
    }

    fn plan(&mut self, row: u64, line: u64, contact: Contact, destination: usize) {
        self.doubtful.add(destination, line, &contact);
        let planner = &self.check.planner;
        let rows = self.rows.entry(destination).or_insert_with(|| SeenRows::new(planner.duplicates));
        let Ok(resolution) = planner.resolve_duplicate(contact, rows);
        let is_new = resolution.role == RowRole::Counts { replaced: None };
        let is_sampled = is_new && self.sampled < self.check.sample;
        self.sampled += usize::from(is_sampled);
        rows.note(row, line, &resolution, is_sampled);
        match resolution.role {
            RowRole::Counts { replaced: None } => self.checked.contacts += 1,
            RowRole::Counts { replaced: Some(_) } | RowRole::Merged { .. } => self.checked.merged += 1,
            RowRole::Rejected { fault: DuplicateFault::Repeated, .. } => self.reject(REPEATED.to_owned(), line),
            RowRole::Rejected {
                earlier,
                fault: fault @ (DuplicateFault::Conflict(_) | DuplicateFault::OfAnother(_)),
            } => {
                self.reject(fault.reason(&earlier), line);
            }
        }
    }

    fn reject(&mut self, reason: String, line: u64) {
        self.checked.rejected += 1;
        self.reasons.add(reason, line);
    }

    fn finish(self) -> CheckedInput {
        let Self { check, mut checked, rows, reasons, .. } = self;
        let mut first: Vec<(u64, CheckedContact)> = Vec::new();
        // Rows of a destination without a channel are rejected, so that each contact has a channel.
        for (destination, rows) in rows {
            let Some(channel) = check.channels.get(destination) else { continue };
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::time::Duration;

    use super::*;
    use crate::core::duplicates::Duplicates;
    use crate::core::model::Mode;
    use crate::core::task::Policy;
    use crate::core::time::Timestamp;
    use crate::input::Format;
    use crate::journal::{Journal, NewRun};
    use crate::sync::plan::{PlanOptions, Routes, plan};
    use crate::sync::reporter::Silent;
    use crate::sync::stop::Stop;

    fn source(csv: &str) -> Source {
        Source::from_reader("in.csv", Box::new(Cursor::new(csv.to_owned().into_bytes())), Format::Csv).unwrap()
    }

    /// Contacts, merged rows and rejected rows of a check that keeps `sample` contacts.
    fn checked(csv: &str, matches: &[String], duplicates: Duplicates, sample: usize) -> (u64, u64, u64) {
        let mut source = source(csv);
        let mapping = Mapping::new(source.header(), matches.to_vec(), Mode::Upsert).unwrap();
        let check = InputCheck {
            planner: Planner { duplicates, match_fields: matches.to_vec(), retry_rejected: false },
            tags_mode: TagsMode::Add,
            channels: vec!["c".into()],
            routing: Routing::One,
            sample,
        };
        let CheckedInput { contacts, merged, rejected, .. } = check_input(&mut source, &mapping, &check).unwrap();
        (contacts, merged, rejected)
    }

    /// The same of a plan.
    fn planned(csv: &str, matches: &[String], duplicates: Duplicates) -> (u64, u64, u64) {
        let (source, journal) = (source(csv), Journal::in_memory().unwrap());
        let mapping = Mapping::new(source.header(), matches.to_vec(), Mode::Upsert).unwrap();
        let policy = Policy {
            mode: Mode::Upsert,
            tags_mode: TagsMode::Add,
            search_lag: Duration::ZERO,
            retry_in_doubt: false,
            search_first: false,
        };
        let run = NewRun {
            channel: "c".into(),
            url: String::new(),
            kind: String::new(),
            rate: 100,
            input: "in.csv".into(),
            policy,
            now: Timestamp::default(),
        };
        let options = PlanOptions { duplicates, ..PlanOptions::default() };
        let planned = plan(&journal, source, &mapping, Routes::one(run), options, &Silent, &Stop::default()).unwrap();
        let counts = journal.counts_blocking(planned.runs[0]).unwrap();
        (counts.pending, counts.merged, counts.rejected)
    }

    #[test]
    fn a_check_counts_duplicates_as_a_plan_does() {
        // Each row has few match fields, and the contact that two of them make together has more than a create carries.
        let names: Vec<String> = (0..31).map(|field| format!("m{field}")).collect();
        let row = |has: fn(usize) -> bool| {
            let cells: Vec<&str> = (0..31).map(|field| if field == 0 || has(field) { "1" } else { "" }).collect();
            cells.join(",")
        };
        let (low, high) = (row(|field| field < 16), row(|field| field >= 16));
        let wide = format!("{}\n{low}\n{high}\n", names.join(","));
        let check = |csv: &str, matches: &[String], expected: [(u64, u64, u64); 4]| {
            for (duplicates, expected) in Duplicates::ALL.into_iter().zip(expected) {
                assert_eq!(planned(csv, matches, duplicates), expected, "planned, {duplicates}: {csv}");
                for sample in [0, 1, 3] {
                    assert_eq!(checked(csv, matches, duplicates, sample), expected, "{duplicates}, {sample}: {csv}");
                }
            }
        };
        // In the order of `Duplicates::ALL`: last, first, merge, reject.
        check(&wide, &names, [(1, 1, 0), (1, 1, 0), (1, 0, 1), (1, 0, 1)]);
        let email = ["email".to_owned()];
        let csv = "email,name\na@x.mx,Ann\nb@x.mx,Bo\na@x.mx,Al\n,Cy\na@x.mx,Ada\n";
        check(csv, &email, [(2, 2, 1), (2, 2, 1), (2, 2, 1), (2, 0, 3)]);
    }
}
