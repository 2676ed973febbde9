//! Rejected rows by reason: equal reasons, apart from the values in them, are one group.

use std::collections::BTreeMap;

/// What is shown in place of a value in a reason.
const HIDDEN: char = '\u{2026}';

/// Number of digits in a row from which on a word is a value, such as a phone number or an id, and not a status of HTTP.
const DIGITS_OF_VALUE: usize = 4;

/// Words before a number that differs from row to row.
const BEFORE_NUMBERS: [&str; 4] = ["line", "lines", "row", "contact"];

/// Rows that were rejected for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonGroup {
    /// The reason, without values.
    pub reason: String,
    /// The number of rows.
    pub rows: u64,
    /// The lines of the first of them.
    pub lines: Vec<u64>,
}

/// Rejected rows by reason, within bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReasonGroups {
    /// The reasons, the one with the most rows first.
    pub groups: Vec<ReasonGroup>,
    /// The number of rows with other reasons, if there are too many reasons to list.
    pub other_rows: u64,
}

/// The difference between the rejected rows of two runs for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonChange {
    /// The reason, without values.
    pub reason: String,
    /// The number of rows in the first run.
    pub before: u64,
    /// The number of rows in the second run.
    pub after: u64,
}

/// Puts rejected rows together, one after the other.
#[derive(Debug)]
pub struct ReasonFold {
    groups: BTreeMap<String, ReasonGroup>,
    other_rows: u64,
    most_groups: usize,
    most_lines: usize,
}

impl ReasonFold {
    /// With at most this number of groups, and of lines in each.
    pub const fn new(most_groups: usize, most_lines: usize) -> Self {
        Self { groups: BTreeMap::new(), other_rows: 0, most_groups, most_lines }
    }

    /// Adds a row.
    pub fn add(&mut self, line: u64, reason: &str) {
        let reason = without_values(reason);
        if let Some(group) = self.groups.get_mut(&reason) {
            group.rows += 1;
            if group.lines.len() < self.most_lines {
                group.lines.push(line);
            }
        } else if self.groups.len() < self.most_groups {
            self.groups.insert(reason.clone(), ReasonGroup { reason, rows: 1, lines: vec![line] });
        } else {
            self.other_rows += 1;
        }
    }

    /// The groups, the one with the most rows first.
    pub fn finish(self) -> ReasonGroups {
        let mut groups: Vec<ReasonGroup> = self.groups.into_values().collect();
        groups.sort_by(|one, other| other.rows.cmp(&one.rows).then_with(|| one.lines.cmp(&other.lines)));
        ReasonGroups { groups, other_rows: self.other_rows }
    }
}

impl ReasonGroups {
    /// The number of all rows.
    pub fn rows(&self) -> u64 {
        self.groups.iter().map(|group| group.rows).sum::<u64>() + self.other_rows
    }

    /// The reasons of which `later` has another number of rows, those that are new first, then those that are gone.
    pub fn changes(&self, later: &Self) -> Vec<ReasonChange> {
        let mut rows: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for group in &self.groups {
            rows.entry(&group.reason).or_default().0 = group.rows;
        }
        for group in &later.groups {
            rows.entry(&group.reason).or_default().1 = group.rows;
        }
        let mut changes: Vec<ReasonChange> = rows
            .into_iter()
            .filter(|(_, (before, after))| before != after)
            .map(|(reason, (before, after))| ReasonChange { reason: reason.to_owned(), before, after })
            .collect();
        changes.sort_by_key(|change| (change.before > 0, change.after > 0));
        changes
    }
}

/// A reason without the parts that differ from row to row: addresses, phone numbers, ids, and numbers of lines. Names in
/// backticks stay.
pub fn without_values(reason: &str) -> String {
    let mut text = String::with_capacity(reason.len());
    for (nth, part) in reason.split('`').enumerate() {
        if nth > 0 {
            text.push('`');
        }
        // Every second part is a name.
        if nth % 2 == 1 {
            text.push_str(part);
        } else {
            push_without_values(&mut text, part);
        }
    }
    text
}

fn push_without_values(text: &mut String, part: &str) {
    let mut before = "";
    for word in part.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end_matches(char::is_whitespace);
        let inner =
            bare.trim_matches(|character: char| !character.is_alphanumeric() && !matches!(character, '@' | '+'));
        let is_number = !inner.is_empty() && inner.chars().all(|character| character.is_ascii_digit());
        if is_value(inner) || (is_number && BEFORE_NUMBERS.contains(&before)) {
            // Quotes, brackets and commas around it stay.
            let at = bare.find(inner).unwrap_or(0);
            text.push_str(&bare[..at]);
            text.push(HIDDEN);
            text.push_str(&bare[at + inner.len()..]);
        } else {
            text.push_str(bare);
        }
        text.push_str(&word[bare.len()..]);
        before = inner;
    }
}

fn is_value(word: &str) -> bool {
    let is_character = word.starts_with("U+");
    let mut digits = 0;
    let has_digits = word.chars().any(|character| {
        digits = if character.is_ascii_digit() { digits + 1 } else { 0 };
        digits >= DIGITS_OF_VALUE
    });
    word.contains('@') || (has_digits && !is_character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_lose_their_values_and_keep_their_words() {
        let check = |reason: &str, expected: &str| {
            assert_eq!(without_values(reason), expected);
            assert_eq!(without_values(expected), expected, "twice");
        };
        check("expected a value (match field), found none", "expected a value (match field), found none");
        check("column `phone 2024`: \"555123456\" is wrong", "column `phone 2024`: \"…\" is wrong");
        check("merged into line 17", "merged into line …");
        check("found this one on line 3 too", "found this one on line … too");
        check("found the control character U+0008", "found the control character U+0008");
        check("403: (ann@example.com), +525512345678", "403: (…), …");
        check("at most 30 fields, found 31", "at most 30 fields, found 31");
        check("Taken by contact cus_1122334", "Taken by contact …");
        check("  two  blanks ", "  two  blanks ");
        check("", "");
        check("`", "`");
    }

    #[test]
    fn rows_are_grouped_within_bounds() {
        let mut fold = ReasonFold::new(2, 3);
        for line in 2..=51_u64 {
            fold.add(line, &format!("found this one on line {} too", line + 1));
        }
        fold.add(60, "blank");
        fold.add(61, "another");
        fold.add(62, "one more");
        fold.add(63, "blank");
        let groups = fold.finish();
        let found: Vec<_> = groups.groups.iter().map(|group| (&*group.reason, group.rows, &*group.lines)).collect();
        assert_eq!(found, [("found this one on line … too", 50, &[2, 3, 4][..]), ("blank", 2, &[60, 63])]);
        assert_eq!((groups.other_rows, groups.rows()), (2, 54));
    }

    #[test]
    fn new_reasons_come_first_then_those_that_are_gone() {
        let groups = |reasons: &[(&str, u64)]| {
            let mut fold = ReasonFold::new(9, 1);
            for (reason, rows) in reasons {
                (0..*rows).for_each(|line| fold.add(line, reason));
            }
            fold.finish()
        };
        let (one, other) = (groups(&[("a", 1), ("b", 2), ("c", 3)]), groups(&[("b", 5), ("c", 3), ("d", 1)]));
        let found: Vec<_> = one.changes(&other).into_iter().map(|c| (c.reason, c.before, c.after)).collect();
        assert_eq!(found, [("d".into(), 0, 1), ("a".into(), 1, 0), ("b".to_owned(), 2, 5)]);
        assert_eq!(one.changes(&one), []);
    }
}
