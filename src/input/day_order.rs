//! Detects dates whose day and month a spreadsheet may have swapped.
//!
//! A program that expects the month first reads `05/02/2025` as the second of May, and keeps `13/02/2025` as text. The result
//! is a column of dates, none after the 12th, and of text that is a date in the other order only.

use std::collections::BTreeMap;

use super::notice::{NoticeKind, Notices};

/// The dates in the columns of a sheet, by column.
#[derive(Debug)]
pub(super) struct DayOrders(BTreeMap<usize, Dates>);

#[derive(Debug, Default)]
struct Dates {
    // The number of dates, the line of the first, and whether a day is after the 12th.
    count: u64,
    first: u64,
    has_late_day: bool,
    // Whether a text cell is a date with a number above 12.
    has_text: bool,
}

impl DayOrders {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds the text of a cell.
    pub(super) fn take(&mut self, column: usize, line: u64, text: &str, is_date: bool) {
        if is_date {
            let Some(day) = text.get(8..10).and_then(|day| day.parse::<u8>().ok()) else { return };
            let dates = self.0.entry(column).or_default();
            if dates.count == 0 {
                dates.first = line;
            }
            dates.count += 1;
            dates.has_late_day |= day > 12;
        } else if text.len() <= 20 && text.starts_with(|character: char| character.is_ascii_digit()) && is_ordered(text)
        {
            self.0.entry(column).or_default().has_text = true;
        }
    }

    /// Adds notices about columns with dates that may be swapped.
    pub(super) fn notice(&self, notices: &Notices) {
        for (column, dates) in &self.0 {
            if dates.count > 0 && dates.has_text && !dates.has_late_day {
                let column = u16::try_from(column + 1).unwrap_or(u16::MAX);
                notices.add_rows(NoticeKind::SwappedDate(column), dates.first, dates.count);
            }
        }
    }
}

// Whether text is a date that ends with the year, and of which one number can only be a day.
fn is_ordered(text: &str) -> bool {
    let (day, _) = text.split_once(' ').unwrap_or((text, ""));
    ['/', '-', '.'].into_iter().any(|character| {
        let mut parts = day.split(character).map(|part| part.parse::<u16>().ok());
        let (Some(Some(first)), Some(Some(second)), Some(Some(_)), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        let is_pair = |day: u16, month: u16| (13..=31).contains(&day) && (1..=12).contains(&month);
        is_pair(first, second) || is_pair(second, first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_beside_texts_of_the_other_order_may_be_swapped() {
        let check = |cells: &[(&str, bool)], expected: u64| {
            let mut orders = DayOrders::new();
            for (line, (text, is_date)) in (2..).zip(cells) {
                orders.take(2, line, text, *is_date);
            }
            let notices = Notices::default();
            orders.notice(&notices);
            let all = notices.all();
            assert_eq!(all.iter().map(|notice| notice.rows).sum::<u64>(), expected, "{cells:?}");
            assert!(all.iter().all(|notice| notice.kind == NoticeKind::SwappedDate(3)), "{all:?}");
        };
        check(&[("2025-02-05", true), ("13/02/2025", false)], 1);
        check(&[("13/02/2025", false), ("2025-02-05", true), ("2025-12-12", true)], 2);
        check(&[("2025-02-05", true), ("02/13/2025", false)], 1);
        check(&[("2025-02-05", true), ("13-2-25", false)], 1);
        check(&[("2025-02-05", true), ("13.02.2025 10:30", false)], 1);
        check(&[("2025-02-05T10:30:00", true), ("13/02/2025", false)], 1);
        // A day after the 12th was not taken for a month.
        check(&[("2025-02-05", true), ("2025-02-13", true), ("14/02/2025", false)], 0);
        check(&[("2025-02-05", true), ("05/02/2025", false)], 0);
        check(&[("2025-02-05", true), ("unknown", false), ("2025-02-13", false)], 0);
        check(&[("2025-02-05", true), ("10:30:00", true)], 0);
        check(&[("13/02/2025", false)], 0);
        check(&[("2025-02-05", true)], 0);
    }
}
