//! The guards of an input: it is refused, before anything is sent, when it would change too many contacts, when too many of its
//! rows are rejected, when it has too few rows, or when it is too old.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::core::missing::MissingCounts;
use crate::core::time::Timestamp;

/// The whole, in hundredths of a percent.
const WHOLE: u64 = 100 * HUNDREDTHS;
const HUNDREDTHS: u64 = 100;

/// Maximum number of rows: a number, or a share of the input's rows.
///
/// ```
/// use contactsync::RowLimit;
///
/// let limit: RowLimit = "5%".parse()?;
/// assert_eq!(limit.of(1_000), 50);
/// # Ok::<(), contactsync::options::BadRowLimit>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowLimit {
    /// A number of rows.
    Count(u64),
    /// A share of the rows, in hundredths of a percent.
    Share(u64),
}

/// Text that is no such limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a number such as 500, or a share of the rows such as 5% or 0.25%, found `{0}`")]
pub struct BadRowLimit(String);

/// Limits that an input must satisfy; otherwise nothing is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputGuards {
    /// Maximum number of contacts that may be created or updated.
    pub max_changes: Option<RowLimit>,
    /// Maximum number of rows that may be rejected.
    pub max_rejects: Option<RowLimit>,
    /// Maximum number of contacts of the sources that may be missing.
    pub max_missing: Option<RowLimit>,
    /// Minimum number of rows.
    pub min_rows: Option<u64>,
    /// Maximum time since the input was last written.
    pub max_age: Option<Duration>,
}

/// Numbers of rows of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// All rows.
    pub rows: u64,
    /// Rows whose contact is to be created or updated.
    pub changes: u64,
    /// Rows that are rejected.
    pub rejected: u64,
    /// Contacts that are missing from the input.
    pub missing: MissingCounts,
}

/// Why an input was refused by a guard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It would create or update more contacts than allowed.
    #[error(
        "too many changes: {changes} of {} would create or update a contact{}; the limit is {limit}; nothing was sent",
        Rows(*rows), Marks(*marks)
    )]
    TooManyChanges {
        /// The guard.
        limit: RowLimit,
        /// The number of rows that it allows.
        allowed: u64,
        /// Number of rows.
        rows: u64,
        /// Number of rows that would create or update a contact.
        changes: u64,
        /// Number of missing contacts that would be marked.
        marks: u64,
    },
    /// More of its rows are rejected than allowed.
    #[error(
        "too many rejected rows: {rejected} of {}; the limit is {limit}; nothing was sent",
        Rows(*rows)
    )]
    TooManyRejects {
        /// The guard.
        limit: RowLimit,
        /// The number of rows that it allows.
        allowed: u64,
        /// Number of rows.
        rows: u64,
        /// Number of rejected rows.
        rejected: u64,
    },
    /// More of the contacts that its source had are missing than allowed.
    #[error(
        "too many missing contacts: {missing} of {} that the source had; the limit is {limit}; nothing was sent",
        Contacts(*known)
    )]
    TooManyMissing {
        /// The guard.
        limit: RowLimit,
        /// The number of contacts that it allows.
        allowed: u64,
        /// Number of contacts that the source had.
        known: u64,
        /// Number of these that are not in the input.
        missing: u64,
    },
    /// It has no rows, and its source had contacts.
    #[error("the input has no rows, and the source had {}; nothing was sent", Contacts(*known))]
    NoRows {
        /// Number of contacts that the source had.
        known: u64,
    },
    /// It has fewer rows than required.
    #[error("too few rows: found {}, expected at least {min}; nothing was sent", Rows(*rows))]
    TooFewRows {
        /// The guard.
        min: u64,
        /// Number of rows.
        rows: u64,
    },
    /// It was written longer ago than allowed.
    #[error("the input is {} old; the limit is {}; nothing was sent", Age(*age), Age(*max))]
    TooOld {
        /// The guard.
        max: Duration,
        /// Time since it was last written.
        age: Duration,
    },
    /// Its age is to be checked, and is unknown.
    #[error("the age of the input is unknown because it is not a regular file; nothing was sent")]
    UnknownAge,
}

impl RowLimit {
    /// The number of rows that it allows of an input with `rows` rows.
    pub fn of(self, rows: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Share(share) => {
                let allowed = u128::from(share) * u128::from(rows) / u128::from(WHOLE);
                u64::try_from(allowed).expect("a share of the rows is not more than the rows")
            }
        }
    }
}

impl InputGuards {
    /// Checks the rows of a plan.
    ///
    /// # Errors
    /// Why it is refused, if it is.
    pub fn check(&self, counts: &RowCounts) -> Result<(), Refused> {
        let RowCounts { rows, changes, rejected, missing } = *counts;
        if let Some(min) = self.min_rows.filter(|min| rows < *min) {
            return Err(Refused::TooFewRows { min, rows });
        }
        if rows == 0 && missing.known > 0 && self.max_missing.is_some() {
            return Err(Refused::NoRows { known: missing.known });
        }
        let exceeded = |limit: Option<RowLimit>, found: u64, of: u64| {
            limit.map(|limit| (limit, limit.of(of))).filter(|(_, allowed)| found > *allowed)
        };
        if let Some((limit, allowed)) = exceeded(self.max_missing, missing.gone, missing.known) {
            let MissingCounts { known, gone, .. } = missing;
            return Err(Refused::TooManyMissing { limit, allowed, known, missing: gone });
        }
        if let Some((limit, allowed)) = exceeded(self.max_rejects, rejected, rows) {
            return Err(Refused::TooManyRejects { limit, allowed, rows, rejected });
        }
        if let Some((limit, allowed)) = exceeded(self.max_changes, changes + missing.marks, rows) {
            return Err(Refused::TooManyChanges { limit, allowed, rows, changes, marks: missing.marks });
        }
        Ok(())
    }

    /// Checks the age of an input that was last written at `modified`; `None` when that is unknown.
    ///
    /// # Errors
    /// Why it is refused, if it is.
    pub fn check_age(&self, modified: Option<Timestamp>, now: Timestamp) -> Result<(), Refused> {
        let Some(max) = self.max_age else { return Ok(()) };
        let age = now.since(modified.ok_or(Refused::UnknownAge)?);
        if age > max { Err(Refused::TooOld { max, age }) } else { Ok(()) }
    }
}

/// A number of rows, in words.
struct Rows(u64);

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} row{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// A number of contacts, in words.
struct Contacts(u64);

impl fmt::Display for Contacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} contact{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// What is added about marks, if there are any.
struct Marks(u64);

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            marks => write!(f, ", and {} would be marked as missing", Contacts(marks)),
        }
    }
}

/// A time in its largest units, such as `1 d 2 h` or `45 min`.
struct Age(Duration);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
        match (days, hours, minutes) {
            (0, 0, 0) => write!(f, "{seconds} s"),
            (0, 0, _) => write!(f, "{minutes} min"),
            (0, _, 0) => write!(f, "{hours} h"),
            (0, _, _) => write!(f, "{hours} h {minutes} min"),
            (_, 0, _) => write!(f, "{days} d"),
            (_, _, _) => write!(f, "{days} d {hours} h"),
        }
    }
}

impl FromStr for RowLimit {
    type Err = BadRowLimit;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadRowLimit(text.to_owned());
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let Some(share) = text.trim().strip_suffix('%') else {
            let count = text.trim();
            return if digits(count) { count.parse().map(Self::Count).map_err(|_| bad()) } else { Err(bad()) };
        };
        let (whole, part) = share.trim_end().split_once('.').unwrap_or((share.trim_end(), "0"));
        if !digits(whole) || !digits(part) || part.is_empty() || part.len() > 2 {
            return Err(bad());
        }
        let whole: u64 = whole.parse().map_err(|_| bad())?;
        let part: u64 = format!("{part:0<2}").parse().map_err(|_| bad())?;
        let share = whole.checked_mul(HUNDREDTHS).and_then(|whole| whole.checked_add(part));
        share.filter(|share| *share <= WHOLE).map(Self::Share).ok_or_else(bad)
    }
}

impl fmt::Display for RowLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Share(share) => {
                let (whole, part) = (share / HUNDREDTHS, share % HUNDREDTHS);
                if part == 0 {
                    write!(f, "{whole}%")
                } else {
                    write!(f, "{whole}.{}%", format!("{part:02}").trim_end_matches('0'))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_a_number_or_a_share() {
        let check = |text: &str, expected: &str| {
            assert_eq!(text.parse::<RowLimit>().unwrap().to_string(), expected, "{text}");
        };
        check("0", "0");
        check("500", "500");
        check(" 500 ", "500");
        check("0%", "0%");
        check("5%", "5%");
        check("5 %", "5%");
        check("100%", "100%");
        check("0.5%", "0.5%");
        check("0.25%", "0.25%");
        check("2.50%", "2.5%");
        check("1.05%", "1.05%");
        for text in ["", "%", "-1", "+1", "1e3", "1,000", "5 percent", "101%", "100.01%", "0.125%", ".5%", "5.%", "1.2"]
        {
            assert_eq!(text.parse::<RowLimit>(), Err(BadRowLimit(text.into())), "{text}");
        }
    }

    #[test]
    fn a_limit_allows_a_number_of_rows() {
        let check = |limit: &str, rows: u64, allowed: u64| {
            assert_eq!(limit.parse::<RowLimit>().unwrap().of(rows), allowed, "{limit} of {rows}");
        };
        check("0", 1, 0);
        check("7", 10, 7);
        check("0%", 10, 0);
        check("5%", 1_000, 50);
        check("5%", 19, 0);
        check("5%", 20, 1);
        // Not one less, as a float has it.
        check("0.57%", 10_000, 57);
        check("100%", 10, 10);
    }

    #[test]
    fn an_input_beyond_a_limit_is_refused_and_one_at_it_is_not() {
        let limit = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        // The limits of changes and of rejected rows, and the minimum of rows.
        let check = |(changes, rejects, min): (&str, &str, u64), counts: [u64; 3], expected: &str| {
            let guards = InputGuards {
                max_changes: limit(changes),
                max_rejects: limit(rejects),
                min_rows: (min > 0).then_some(min),
                ..InputGuards::default()
            };
            let [rows, changes, rejected] = counts;
            let refused = guards.check(&RowCounts { rows, changes, rejected, ..RowCounts::default() });
            let refused = refused.err().map(|refused| refused.to_string());
            let expected = (!expected.is_empty()).then(|| format!("{expected}; nothing was sent"));
            assert_eq!(refused, expected, "{guards:?} {counts:?}");
        };
        check(("", "", 0), [10, 10, 10], "");
        check(("7", "", 0), [10, 7, 0], "");
        let many = "too many changes: 8 of 10 rows would create or update a contact; the limit is 7";
        check(("7", "", 0), [10, 8, 0], many);
        check(("0", "", 0), [1, 1, 0], "too many changes: 1 of 1 row would create or update a contact; the limit is 0");
        check(("", "5%", 0), [100, 0, 5], "");
        check(("", "5%", 0), [100, 0, 6], "too many rejected rows: 6 of 100 rows; the limit is 5%");
        check(("", "", 10), [10, 0, 0], "");
        check(("", "", 10), [9, 0, 0], "too few rows: found 9 rows, expected at least 10");
        check(("", "", 1), [0, 0, 0], "too few rows: found 0 rows, expected at least 1");
        // The number of rows is the first that is wrong.
        check(("0", "0", 10), [1, 1, 1], "too few rows: found 1 row, expected at least 10");
        check(("0", "0", 1), [2, 1, 1], "too many rejected rows: 1 of 2 rows; the limit is 0");
    }

    #[test]
    fn an_input_from_which_many_contacts_are_missing_is_refused() {
        let check = |limit: &str, rows: u64, [known, gone, marks]: [u64; 3], expected: &str| {
            let guards = InputGuards { max_missing: limit.parse().ok(), ..InputGuards::default() };
            let missing = MissingCounts { known, gone, marks };
            let refused = guards.check(&RowCounts { rows, missing, ..RowCounts::default() });
            let refused = refused.err().map(|refused| refused.to_string());
            let expected = (!expected.is_empty()).then(|| format!("{expected}; nothing was sent"));
            assert_eq!(refused, expected, "{limit} {rows} {missing:?}");
        };
        check("", 0, [10, 10, 10], "");
        check("10%", 9, [10, 1, 1], "");
        let many = "too many missing contacts: 2 of 10 contacts that the source had; the limit is 10%";
        check("10%", 8, [10, 2, 0], many);
        check("100%", 0, [10, 0, 0], "the input has no rows, and the source had 10 contacts");
        check("100%", 0, [0, 0, 0], "");
        check("0", 1, [1, 1, 1], "too many missing contacts: 1 of 1 contact that the source had; the limit is 0");
        let guards = InputGuards { max_changes: Some(RowLimit::Count(2)), ..InputGuards::default() };
        let missing = MissingCounts { known: 9, gone: 1, marks: 1 };
        let refused = guards.check(&RowCounts { rows: 9, changes: 2, rejected: 0, missing }).unwrap_err().to_string();
        let expected = "too many changes: 2 of 9 rows would create or update a contact, and 1 contact would be marked as \
                        missing; the limit is 2; nothing was sent";
        assert_eq!(refused, expected);
    }

    #[test]
    fn an_old_input_is_refused() {
        let hour = 3_600;
        let now = Timestamp::from_millis(100 * 86_400_000);
        let check = |max: u64, age: Option<u64>, expected: &str| {
            let guards = InputGuards { max_age: Some(Duration::from_secs(max)), ..InputGuards::default() };
            let modified = age.map(|age| now.before(Duration::from_secs(age)));
            let refused = guards.check_age(modified, now).err().map(|refused| refused.to_string());
            let expected = (!expected.is_empty()).then(|| format!("{expected}; nothing was sent"));
            assert_eq!(refused, expected, "{max} {age:?}");
        };
        check(26 * hour, Some(26 * hour), "");
        check(26 * hour, Some(0), "");
        check(26 * hour, Some(51 * hour), "the input is 2 d 3 h old; the limit is 1 d 2 h");
        check(hour, Some(3 * hour + 300), "the input is 3 h 5 min old; the limit is 1 h");
        check(30, Some(60), "the input is 1 min old; the limit is 30 s");
        check(hour, None, "the age of the input is unknown because it is not a regular file");
        // A clock that is behind the file's.
        let future = Some(now + Duration::from_mins(1));
        let guards = InputGuards { max_age: Some(Duration::ZERO), ..InputGuards::default() };
        assert_eq!(guards.check_age(future, now), Ok(()));
        assert_eq!(InputGuards::default().check_age(None, now), Ok(()));
    }
}
