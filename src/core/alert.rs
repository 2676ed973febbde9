//! The health of a job after a night (ok, degraded or failed), and which message is due.
//!
//! A message is due when the health differs from the last one that was delivered, so that a lasting failure is reported once,
//! and a message that could not be delivered is sent again.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::counted::counted;
use crate::core::guard::RowLimit;
use crate::core::time::Timestamp;

/// Number of nights that are remembered.
const REMEMBERED: usize = 30;

/// Number of earlier nights whose rows are compared with those of a night.
pub const ROWS_COMPARED: usize = 7;

/// The least number of earlier nights with which rows are compared. Fewer show no usual number.
pub const ROWS_LEAST: usize = 3;

/// 100%, in hundredths of a percent.
const WHOLE: u64 = 10_000;

/// The health of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// The last run did its work.
    #[default]
    Ok,
    /// The runs do their work, and something about them is unusual.
    Degraded,
    /// The last run that did not only stop has failed.
    Failed,
}

impl Health {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Degraded, Self::Failed];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NightEnd {
    /// Every row has its outcome, also if some were rejected.
    Finished,
    /// It stopped early for a reason that the user set: a time, a number of calls, a signal. The next run continues it.
    Stopped,
    /// It failed, or the platform made it stop.
    Failed,
    /// There was no run to resume.
    Idle,
}

/// A run, as far as later ones are compared with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Night {
    /// When it ended.
    pub at: Timestamp,
    /// How it ended.
    pub end: NightEnd,
    /// Its exit code.
    pub exit: u8,
    /// Where its input comes from. Rows are compared with those of the same source only.
    pub source: String,
    /// Number of its rows and of the rejected ones, if it read its input.
    pub rows: Option<NightRows>,
    /// How long the command took.
    pub seconds: f64,
}

/// Numbers of rows of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NightRows {
    /// All rows.
    pub all: u64,
    /// Those that were rejected.
    pub rejected: u64,
}

/// From when on a run that did not fail is unusual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// More rejected rows than this.
    pub rejects: Option<RowLimit>,
    /// A longer command than this.
    pub duration: Option<Duration>,
    /// A number of rows that differs from the usual one by more than this share of it, in hundredths of a percent.
    pub rows: Option<u64>,
    /// This many nights in a row that stopped early.
    pub stopped: Option<u32>,
}

/// Why a night is unusual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unusual {
    /// Too many rows were rejected.
    Rejects {
        /// The rejected rows.
        rejected: u64,
        /// All rows.
        rows: u64,
    },
    /// It took too long.
    Duration {
        /// How long it took, in seconds.
        seconds: f64,
        /// The longest usual time.
        limit: Duration,
    },
    /// The input has far more or fewer rows than the last ones.
    Rows {
        /// Its rows.
        rows: u64,
        /// The median of the last ones.
        usual: u64,
    },
    /// This many nights in a row stopped early.
    Stopped {
        /// The nights.
        nights: u32,
    },
}

impl fmt::Display for Unusual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejects { rejected, rows } => {
                let were = if *rejected == 1 { "was" } else { "were" };
                write!(f, "{rejected} of {} {were} rejected", counted(*rows, "row", "rows"))
            }
            Self::Duration { seconds, limit } => {
                write!(f, "it took {seconds:.0} s, longer than {} s", limit.as_secs())
            }
            Self::Rows { rows, usual } => {
                write!(f, "the input has {}; the usual number is {usual}", counted(*rows, "row", "rows"))
            }
            Self::Stopped { nights: 1 } => f.write_str("the run stopped before the end"),
            Self::Stopped { nights } => write!(f, "{nights} runs in a row stopped before the end"),
        }
    }
}

/// A message about a change of health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertKind {
    /// It failed.
    Failure,
    /// It is degraded.
    Degraded,
    /// It has recovered.
    Recovered,
}

/// What a night means.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The health after the night. A night that only stopped leaves it as it was.
    pub health: Health,
    /// Why the night is unusual.
    pub unusual: Vec<Unusual>,
    /// The message that is due.
    pub due: Option<AlertKind>,
}

/// What is remembered of a job between its runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobMemory {
    /// The health after the last run.
    pub health: Health,
    /// The health that the last delivered message reported.
    pub reported: Health,
    /// When a run last finished, also with rejected rows.
    pub last_success: Option<Timestamp>,
    /// The last runs, oldest first.
    pub nights: Vec<Night>,
}

impl JobMemory {
    /// Judges a night and adds it. With `repeats`, a message is due for every night that failed or is unusual.
    pub fn add(&mut self, night: Night, thresholds: &Thresholds, repeats: bool) -> Judgement {
        let unusual = match night.end {
            NightEnd::Finished | NightEnd::Stopped => thresholds.unusual(&self.nights, &night),
            NightEnd::Failed | NightEnd::Idle => Vec::new(),
        };
        let shown = match night.end {
            NightEnd::Failed => Some(Health::Failed),
            NightEnd::Finished | NightEnd::Stopped if !unusual.is_empty() => Some(Health::Degraded),
            NightEnd::Finished => Some(Health::Ok),
            NightEnd::Stopped | NightEnd::Idle => None,
        };
        self.health = shown.unwrap_or(self.health);
        if night.end == NightEnd::Finished {
            self.last_success = Some(night.at);
        }
        // Later runs are not compared with an idle one.
        self.nights.extend(Some(night).filter(|night| night.end != NightEnd::Idle));
        let excess = self.nights.len().saturating_sub(REMEMBERED);
        self.nights.drain(..excess);
        let is_repeated = repeats && shown.is_some_and(|shown| shown != Health::Ok);
        let due = (self.health != self.reported || is_repeated).then_some(match self.health {
            Health::Ok => AlertKind::Recovered,
            Health::Degraded => AlertKind::Degraded,
            Health::Failed => AlertKind::Failure,
        });
        Judgement { health: self.health, unusual, due }
    }

    /// Notes that the message about this health was delivered.
    pub const fn delivered(&mut self, health: Health) {
        self.reported = health;
    }
}

impl Thresholds {
    fn unusual(&self, past: &[Night], night: &Night) -> Vec<Unusual> {
        let rejects = self.rejects.zip(night.rows).and_then(|(limit, rows)| {
            let is_over = rows.rejected > limit.of(rows.all);
            is_over.then_some(Unusual::Rejects { rejected: rows.rejected, rows: rows.all })
        });
        let duration = self.duration.and_then(|limit| {
            let is_over = night.seconds > limit.as_secs_f64();
            is_over.then_some(Unusual::Duration { seconds: night.seconds, limit })
        });
        let usual = usual_rows(past, &night.source);
        let rows = self.rows.zip(night.rows).zip(usual).and_then(|((share, rows), usual)| {
            let far = u128::from(rows.all.abs_diff(usual)) * u128::from(WHOLE) > u128::from(share) * u128::from(usual);
            far.then_some(Unusual::Rows { rows: rows.all, usual })
        });
        let stopped = self.stopped.and_then(|limit| {
            let nights = past.iter().chain([night]).rev().take_while(|night| night.end == NightEnd::Stopped).count();
            let nights = u32::try_from(nights).unwrap_or(u32::MAX);
            (nights >= limit).then_some(Unusual::Stopped { nights })
        });
        [rejects, duration, rows, stopped].into_iter().flatten().collect()
    }
}

/// The median of the rows of the last [`ROWS_COMPARED`] runs of a source that read their input. `None` if there are fewer than
/// [`ROWS_LEAST`]. Of an even number, the smaller of the two in the middle.
fn usual_rows(past: &[Night], source: &str) -> Option<u64> {
    let of_source = past.iter().rev().filter(|night| night.source == source && night.end != NightEnd::Failed);
    let mut rows: Vec<u64> = of_source.filter_map(|night| Some(night.rows?.all)).take(ROWS_COMPARED).collect();
    rows.sort_unstable();
    (rows.len() >= ROWS_LEAST).then(|| rows[(rows.len() - 1) / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Thresholds = Thresholds {
        rejects: Some(RowLimit::Share(1_000)),
        duration: Some(Duration::from_mins(1)),
        rows: Some(5_000),
        stopped: Some(3),
    };

    fn night(end: NightEnd, rows: u64, rejected: u64) -> Night {
        let exit = match end {
            NightEnd::Finished | NightEnd::Idle => 0,
            NightEnd::Stopped => 4,
            NightEnd::Failed => 1,
        };
        let rows = (end != NightEnd::Failed).then_some(NightRows { all: rows, rejected });
        Night { at: Timestamp::from_millis(1), end, exit, source: "crm".into(), rows, seconds: 1.0 }
    }

    fn ok() -> Night {
        night(NightEnd::Finished, 100, 0)
    }

    fn failed() -> Night {
        night(NightEnd::Failed, 0, 0)
    }

    fn stopped() -> Night {
        night(NightEnd::Stopped, 100, 0)
    }

    fn rejecting() -> Night {
        night(NightEnd::Finished, 100, 11)
    }

    // The messages of nights, all of which are delivered.
    fn messages(nights: &[Night], repeats: bool) -> Vec<Option<AlertKind>> {
        let mut memory = JobMemory::default();
        let each = nights.iter().map(|night| {
            let judged = memory.add(night.clone(), &ALL, repeats);
            memory.delivered(judged.health);
            judged.due
        });
        each.collect()
    }

    #[test]
    fn a_message_is_due_for_each_change_and_not_for_each_night() {
        use AlertKind::{Degraded, Failure, Recovered};
        let check = |nights: &[Night], expected: &[Option<AlertKind>]| assert_eq!(messages(nights, false), expected);
        check(&[ok(), ok()], &[None, None]);
        check(&[failed(), failed(), ok(), ok()], &[Some(Failure), None, Some(Recovered), None]);
        check(&[ok(), rejecting(), rejecting(), ok()], &[None, Some(Degraded), None, Some(Recovered)]);
        check(
            &[rejecting(), failed(), rejecting(), ok()],
            &[Some(Degraded), Some(Failure), Some(Degraded), Some(Recovered)],
        );
        // A night that stopped shows neither a failure nor a recovery, until it is the third one.
        check(&[stopped(), stopped(), stopped(), stopped()], &[None, None, Some(Degraded), None]);
        check(&[stopped(), stopped(), ok(), stopped(), stopped()], &[None; 5]);
        check(&[failed(), stopped(), ok()], &[Some(Failure), None, Some(Recovered)]);
        // That there was nothing to resume shows neither, and does not end a row of nights that stopped.
        let idle = || night(NightEnd::Idle, 0, 0);
        check(&[failed(), idle(), ok()], &[Some(Failure), None, Some(Recovered)]);
        check(&[stopped(), stopped(), idle(), stopped()], &[None, None, None, Some(Degraded)]);
        assert_eq!(
            messages(&[failed(), failed(), stopped(), ok(), ok()], true),
            [Some(Failure), Some(Failure), None, Some(Recovered), None]
        );
    }

    #[test]
    fn a_message_that_was_not_delivered_stays_due() {
        let mut memory = JobMemory::default();
        assert_eq!(memory.add(failed(), &ALL, false).due, Some(AlertKind::Failure));
        assert_eq!(memory.add(failed(), &ALL, false).due, Some(AlertKind::Failure));
        memory.delivered(Health::Failed);
        assert_eq!(memory.add(failed(), &ALL, false).due, None);
        assert_eq!(memory.add(ok(), &ALL, false).due, Some(AlertKind::Recovered));
        // It was never reported as failed again, so there is nothing to recover from.
        let mut memory = JobMemory::default();
        memory.add(failed(), &ALL, false);
        assert_eq!(memory.add(ok(), &ALL, false).due, None);
    }

    #[test]
    fn each_threshold_has_its_reason() {
        let none = Thresholds { rejects: None, duration: None, rows: None, stopped: None };
        let check = |past: &[Night], night: &Night, thresholds: &Thresholds, expected: &[&str]| {
            let found: Vec<String> = thresholds.unusual(past, night).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{night:?}");
        };
        check(&[], &rejecting(), &ALL, &["11 of 100 rows were rejected"]);
        check(&[], &night(NightEnd::Finished, 100, 10), &ALL, &[]);
        check(&[], &rejecting(), &none, &[]);
        check(&[], &Night { seconds: 61.4, ..ok() }, &ALL, &["it took 61 s, longer than 60 s"]);
        check(&[], &Night { seconds: 61.4, ..ok() }, &none, &[]);
        let past = [ok(), ok(), stopped()];
        let rows = |rows| night(NightEnd::Finished, rows, 0);
        check(&past, &rows(49), &ALL, &["the input has 49 rows; the usual number is 100"]);
        check(&past, &rows(151), &ALL, &["the input has 151 rows; the usual number is 100"]);
        check(&past, &rows(50), &ALL, &[]);
        check(&past, &rows(150), &ALL, &[]);
        check(&past, &rows(49), &none, &[]);
        // Two nights show no usual number, and neither do failed ones or those of another source.
        check(&past[1..], &rows(1), &ALL, &[]);
        check(&[ok(), ok(), failed()], &rows(1), &ALL, &[]);
        check(&past, &Night { source: "erp".into(), ..rows(1) }, &ALL, &[]);
        check(&[rows(0), rows(0), rows(0)], &rows(1), &ALL, &["the input has 1 row; the usual number is 0"]);
        check(&[stopped(), stopped()], &stopped(), &ALL, &["3 runs in a row stopped before the end"]);
        check(&[stopped(), stopped()], &stopped(), &none, &[]);
        let first = Thresholds { stopped: Some(1), ..none };
        check(&[], &stopped(), &first, &["the run stopped before the end"]);
        let any = Thresholds { rejects: Some(RowLimit::Count(0)), ..none };
        check(&[], &night(NightEnd::Finished, 1, 1), &any, &["1 of 1 row was rejected"]);
        check(&[stopped(), failed(), stopped()], &stopped(), &ALL, &[]);
    }

    #[test]
    fn the_usual_rows_follow_the_last_nights() {
        let past: Vec<Night> =
            [10, 10, 10, 90, 90, 90, 90, 10, 10, 10].map(|rows| night(NightEnd::Finished, rows, 0)).into();
        assert_eq!(usual_rows(&past, "crm"), Some(90));
        assert_eq!(usual_rows(&past[..6], "crm"), Some(10));
    }

    #[test]
    fn the_last_success_is_that_of_a_finished_run() {
        let mut memory = JobMemory::default();
        for night in [failed(), stopped()] {
            memory.add(night, &ALL, false);
        }
        assert_eq!(memory.last_success, None);
        memory.add(Night { exit: 3, at: Timestamp::from_millis(7), ..ok() }, &ALL, false);
        memory.add(failed(), &ALL, false);
        assert_eq!(memory.last_success, Some(Timestamp::from_millis(7)));
        for _ in 0..100 {
            memory.add(ok(), &ALL, false);
        }
        assert_eq!(memory.nights.len(), REMEMBERED);
    }
}
