//! A pattern that a value must have from end to end.

use std::fmt;
use std::str::FromStr;

use regex::Regex;

/// A regular expression for a whole value.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: String,
    whole: Regex,
}

/// Why text is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a regular expression, found {0}")]
pub struct BadPattern(String);

impl Pattern {
    pub(super) fn describes(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }
}

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(source: &str) -> Result<Self, Self::Err> {
        // First without the group: `a)(b` is valid only inside it.
        let checked = Regex::new(source).and_then(|_| Regex::new(&format!("^(?:{source})$")));
        let whole = checked.map_err(|error| BadPattern(in_one_line(&error)))?;
        Ok(Self { source: source.to_owned(), whole })
    }
}

// The last line has the reason; those before it point to the place.
fn in_one_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_describes_the_whole_value() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(pattern.parse::<Pattern>().unwrap().describes(text), expected, "{pattern} {text}");
        };
        check("[0-9]{5}", "12345", true);
        check("[0-9]{5}", "123456", false);
        check("a|b", "ab", false);
        check("a|b", "b", true);
        check(".+@.+", "ann@example.com", true);
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        let check = |pattern: &str, expected: &str| {
            assert_eq!(pattern.parse::<Pattern>().unwrap_err().to_string(), expected, "{pattern}");
        };
        check("[0-9", "expected a regular expression, found unclosed character class");
        check("a)(b", "expected a regular expression, found unopened group");
    }
}
