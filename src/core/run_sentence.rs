//! What happened in a run, in one sentence.

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunProgress {
    /// A process is sending it.
    Running,
    /// Its process ended before the run did.
    Interrupted,
    /// Every row is done.
    Finished,
    /// It stopped before the end.
    Stopped,
    /// It failed.
    Failed,
    /// A newer run replaced it.
    Replaced,
}

/// The counts of a run that the sentence names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentenceCounts {
    /// All rows.
    pub rows: u64,
    /// Rows whose contact was created.
    pub created: u64,
    /// Rows whose contact was updated.
    pub updated: u64,
    /// Rows that needed nothing.
    pub unchanged: u64,
    /// Rows that were rejected.
    pub rejected: u64,
    /// Rows that another row stands for.
    pub merged: u64,
    /// Rows that are not done.
    pub pending: u64,
    /// Rows that were left to later runs.
    pub skipped: u64,
    /// Contacts that the input no longer has.
    pub missing: u64,
    /// Calls.
    pub calls: u64,
}

/// The sentence about a run with this number, such as `Run 3 finished: of 5 rows, 3 were created and 2 needed nothing. It took 9
/// calls.`
pub fn run_sentence(run: i64, progress: RunProgress, counts: &SentenceCounts) -> String {
    let state = match progress {
        RunProgress::Running => "is in progress",
        RunProgress::Interrupted => "was interrupted",
        RunProgress::Finished => "finished",
        RunProgress::Stopped => "stopped before the end",
        RunProgress::Failed => "failed",
        RunProgress::Replaced => "was replaced by a newer run",
    };
    let calls = match (progress, counts.calls) {
        (_, 0) => "No call was made".to_owned(),
        (RunProgress::Running, 1) => "It has taken 1 call so far".to_owned(),
        (RunProgress::Running, calls) => format!("It has taken {} calls so far", grouped(calls)),
        (_, 1) => "It took 1 call".to_owned(),
        (_, calls) => format!("It took {} calls", grouped(calls)),
    };
    let missing = match counts.missing {
        0 => String::new(),
        1 => " 1 contact is missing from the input.".to_owned(),
        missing => format!(" {} contacts are missing from the input.", grouped(missing)),
    };
    format!("Run {run} {state}: {}. {calls}.{missing}", rows_clause(counts))
}

fn rows_clause(counts: &SentenceCounts) -> String {
    let SentenceCounts { rows, unchanged, .. } = *counts;
    match rows {
        0 => return "the input had no rows".to_owned(),
        1 if unchanged == 1 => return "the only row needed nothing".to_owned(),
        _ if rows == unchanged => return format!("all {} rows needed nothing", grouped(rows)),
        _ => {}
    }
    let one = |singular: &'static str, plural: &'static str| (singular, plural);
    let parts = [
        (counts.created, one("was created", "were created")),
        (counts.updated, one("was updated", "were updated")),
        (unchanged, one("needed nothing", "needed nothing")),
        (counts.merged, one("was merged with another row", "were merged with other rows")),
        (counts.rejected, one("was rejected", "were rejected")),
        (counts.skipped, one("was left to a later run", "were left to a later run")),
        (counts.pending, one("is not done", "are not done")),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, (singular, plural))| format!("{} {}", grouped(count), if count == 1 { singular } else { plural }))
        .collect();
    let of = if rows == 1 { "of 1 row".to_owned() } else { format!("of {} rows", grouped(rows)) };
    match parts.split_last() {
        None => format!("{of}, none is known"),
        Some((last, [])) => format!("{of}, {last}"),
        Some((last, first)) => format!("{of}, {} and {last}", first.join(", ")),
    }
}

// The digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_summed_up_in_a_sentence() {
        let check = |progress, counts: SentenceCounts, expected: &str| {
            assert_eq!(run_sentence(3, progress, &counts), expected);
        };
        let none = SentenceCounts::default();
        check(RunProgress::Finished, none, "Run 3 finished: the input had no rows. No call was made.");
        check(
            RunProgress::Finished,
            SentenceCounts { rows: 12_000, unchanged: 12_000, ..none },
            "Run 3 finished: all 12,000 rows needed nothing. No call was made.",
        );
        check(
            RunProgress::Finished,
            SentenceCounts { rows: 1, unchanged: 1, calls: 1, ..none },
            "Run 3 finished: the only row needed nothing. It took 1 call.",
        );
        check(
            RunProgress::Finished,
            SentenceCounts { rows: 5, created: 3, rejected: 1, merged: 1, calls: 9, ..none },
            "Run 3 finished: of 5 rows, 3 were created, 1 was merged with another row and 1 was rejected. It took 9 calls.",
        );
        check(
            RunProgress::Running,
            SentenceCounts { rows: 2, updated: 1, pending: 1, calls: 1, ..none },
            "Run 3 is in progress: of 2 rows, 1 was updated and 1 is not done. It has taken 1 call so far.",
        );
        check(
            RunProgress::Stopped,
            SentenceCounts { rows: 1, pending: 1, missing: 2, ..none },
            "Run 3 stopped before the end: of 1 row, 1 is not done. No call was made. 2 contacts are missing from the input.",
        );
    }
}
