//! The guard against an input that would change more contacts than intended.

use std::fmt;
use std::str::FromStr;

/// The whole, in hundredths of a percent.
const WHOLE: u64 = 100 * HUNDREDTHS;
const HUNDREDTHS: u64 = 100;

/// Maximum number of contacts that one sync may create or update: a number, or a share of the input's rows.
///
/// ```
/// use contactsync::MaxChanges;
///
/// let guard: MaxChanges = "5%".parse()?;
/// assert!(guard.check(50, 1_000).is_ok());
/// assert!(guard.check(51, 1_000).is_err());
/// # Ok::<(), contactsync::options::BadMaxChanges>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxChanges {
    /// A number of contacts.
    Count(u64),
    /// A share of the rows, in hundredths of a percent.
    Share(u64),
}

/// Text that is no such limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a number of contacts such as 500, or a share of the rows such as 5% or 0.25%, found `{0}`")]
pub struct BadMaxChanges(String);

/// A plan that would create or update more contacts than allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "too many changes: {changes} of {rows} row{} would create or update a contact, and at most {allowed} may ({guard}); nothing was sent",
    if *.rows == 1 { "" } else { "s" }
)]
pub struct TooManyChanges {
    guard: MaxChanges,
    allowed: u64,
    rows: u64,
    changes: u64,
}

impl MaxChanges {
    /// Checks a plan that would create or update `changes` contacts, of an input with `rows` rows.
    ///
    /// # Errors
    /// [`TooManyChanges`] if they are more than allowed.
    pub fn check(self, changes: u64, rows: u64) -> Result<(), TooManyChanges> {
        let allowed = match self {
            Self::Count(count) => count,
            Self::Share(share) => {
                let allowed = u128::from(share) * u128::from(rows) / u128::from(WHOLE);
                u64::try_from(allowed).expect("a share of the rows is not more than the rows")
            }
        };
        if changes > allowed { Err(TooManyChanges { guard: self, allowed, rows, changes }) } else { Ok(()) }
    }
}

impl FromStr for MaxChanges {
    type Err = BadMaxChanges;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadMaxChanges(text.to_owned());
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

impl fmt::Display for MaxChanges {
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
            assert_eq!(text.parse::<MaxChanges>().unwrap().to_string(), expected, "{text}");
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
            assert_eq!(text.parse::<MaxChanges>(), Err(BadMaxChanges(text.into())), "{text}");
        }
    }

    #[test]
    fn what_is_over_the_bound_is_refused_and_what_is_at_it_is_not() {
        let check = |guard: &str, rows: u64, allowed: u64| {
            let guard: MaxChanges = guard.parse().unwrap();
            assert_eq!(guard.check(allowed, rows), Ok(()), "{guard}");
            let plural = if rows == 1 { "" } else { "s" };
            let refused = guard.check(allowed + 1, rows).unwrap_err();
            assert_eq!(
                refused.to_string(),
                format!(
                    "too many changes: {} of {rows} row{plural} would create or update a contact, and at most {allowed} may ({guard}); \
                     nothing was sent",
                    allowed + 1
                )
            );
        };
        check("0", 1, 0);
        check("0", 10, 0);
        check("7", 10, 7);
        check("0%", 10, 0);
        check("5%", 1_000, 50);
        check("5%", 19, 0);
        check("5%", 20, 1);
        // Not one less, as a float has it.
        check("0.57%", 10_000, 57);
        check("100%", 10, 10);
    }
}
