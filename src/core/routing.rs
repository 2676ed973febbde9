//! Where a row of an input goes: to a channel, with what the mapping makes of it, or nowhere. Planning, checking and
//! suggesting a mapping all decide it here.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::mapping::Mapping;
use crate::core::model::{Contact, Rejection};
use crate::core::record::Record;

/// The destinations of an input's rows, by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingTable {
    // The destination of each channel; `None` for channels of other processes. Empty when all rows go to the first one.
    channels: BTreeMap<String, Option<usize>>,
    // The destination of rows that name none of the channels; `None` only counts them.
    without_channel: Option<usize>,
}

/// A row of one of the destinations.
#[derive(Clone, Debug, PartialEq)]
pub struct RoutedRow {
    /// The index of the destination.
    pub destination: usize,
    /// The contact that the row holds, or why it is rejected.
    pub contact: Result<Contact, Rejection>,
}

/// Why a row goes to none of the destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRouted {
    /// The rules do not take it: it is no row of the input.
    LeftOut,
    /// It is a total of the rows above it, and no row of the input.
    Total,
    /// It names a channel of another process.
    OtherChannel,
    /// It cannot be read or names no channel, and there is no destination for such rows.
    NoChannel,
}

/// Number of rows that go to none of the destinations. A total is not counted: it is no row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotRoutedCounts {
    /// Rows that the rules do not take.
    pub left_out: u64,
    /// Rows that name a channel of another process.
    pub of_other_channels: u64,
    /// Rows that cannot be read or name no channel, where no destination takes them.
    pub of_no_channel: u64,
}

impl NotRoutedCounts {
    /// Counts a row.
    pub const fn add(&mut self, why: NotRouted) {
        match why {
            NotRouted::LeftOut => self.left_out += 1,
            NotRouted::Total => {}
            NotRouted::OtherChannel => self.of_other_channels += 1,
            NotRouted::NoChannel => self.of_no_channel += 1,
        }
    }
}

impl RoutingTable {
    /// Routes all rows to destination 0.
    pub const fn one() -> Self {
        Self { channels: BTreeMap::new(), without_channel: Some(0) }
    }

    /// Routes each row to the channel that it names. The destinations are those of `here`, in their order; rows of channels
    /// `elsewhere` go to none of them. Rows that name no channel go to one more destination, after the others, if
    /// `takes_unknown`.
    pub fn by_channel(here: &[&str], elsewhere: &BTreeSet<String>, takes_unknown: bool) -> Self {
        let here_by_name = here.iter().enumerate().map(|(at, channel)| ((*channel).to_owned(), Some(at)));
        let channels = elsewhere.iter().map(|channel| (channel.clone(), None)).chain(here_by_name).collect();
        Self { channels, without_channel: takes_unknown.then_some(here.len()) }
    }

    /// Decides where a row goes. A row that cannot be read, given as its rejection, names no channel either.
    ///
    /// # Errors
    /// Why the row goes to none of the destinations.
    pub fn route(&self, row: Result<&Record, &Rejection>, mapping: &Mapping) -> Result<RoutedRow, NotRouted> {
        let record = match row {
            Ok(record) => record,
            Err(rejection) => return self.to_no_channel(|| Err(rejection.clone())),
        };
        if !mapping.takes(record) {
            return Err(NotRouted::LeftOut);
        }
        if mapping.leaves_out_total(record) {
            return Err(NotRouted::Total);
        }
        match mapping.channel_among(record, &self.channels) {
            Ok(Some(Some(destination))) => {
                Ok(RoutedRow { destination: *destination, contact: mapping.contact(record) })
            }
            Ok(Some(None)) => Err(NotRouted::OtherChannel),
            Ok(None) => self.to_no_channel(|| mapping.contact(record)),
            Err(rejection) => self.to_no_channel(|| Err(rejection)),
        }
    }

    fn to_no_channel(&self, contact: impl FnOnce() -> Result<Contact, Rejection>) -> Result<RoutedRow, NotRouted> {
        let destination = self.without_channel.ok_or(NotRouted::NoChannel)?;
        Ok(RoutedRow { destination, contact: contact() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::mapping::rules::{Rules, TakeRule, TakeWhen, Unmapped, Words};
    use crate::core::model::Mode;
    use crate::core::record::{Cells, TotalRow};

    /// Rows of the columns `email`, `site` and `status`. Those whose `status` is `gone` are not taken.
    fn mapping(channel_column: Option<&str>) -> Mapping {
        let header: Vec<Arc<str>> = ["email", "site", "status"].map(Arc::from).to_vec();
        let gone = TakeWhen::IsNot(Words::new(["gone"]));
        let rules = Rules {
            matches: vec!["email".into()],
            take: vec![TakeRule { column: "status".into(), when: gone }],
            unmapped: Unmapped::Send,
            ..Rules::default()
        };
        let mapping = Mapping::by(&rules, Some(&header), Mode::Upsert).unwrap();
        match channel_column {
            Some(column) => mapping.routed_by(Some(&header), column).unwrap(),
            None => mapping,
        }
    }

    /// Where the row goes: its destination with the contact's key or `rejected`, or why it goes nowhere.
    fn routed(table: &RoutingTable, row: Result<&[&str], &str>, mapping: &Mapping) -> String {
        let row = match row {
            Ok(cells) => {
                let total = (cells[0] == "Total").then_some(TotalRow::AddsUp);
                Ok(Record { row: 1, line: 2, cells: Cells::Texts(cells.iter().copied().collect()), total })
            }
            Err(reason) => Err(Rejection { row: 1, line: 2, column: None, reason: reason.into() }),
        };
        match table.route(row.as_ref(), mapping) {
            Ok(RoutedRow { destination, contact }) => {
                let contact = contact.map_or_else(|_| "rejected".to_owned(), |contact| contact.key().to_string());
                format!("{destination} {contact}")
            }
            Err(why) => format!("{why:?}"),
        }
    }

    #[test]
    fn a_row_goes_to_one_destination_or_to_none_with_a_reason() {
        let elsewhere = BTreeSet::from(["north".to_owned()]);
        let tables = [
            (RoutingTable::one(), None),
            (RoutingTable::by_channel(&["west", "east"], &elsewhere, true), Some("site")),
            (RoutingTable::by_channel(&["west", "east"], &elsewhere, false), Some("site")),
        ];
        let check = |row: Result<&[&str], &str>, expected: [&str; 3]| {
            for ((table, column), expected) in tables.iter().zip(expected) {
                assert_eq!(routed(table, row, &mapping(*column)), expected, "{row:?} {table:?}");
            }
        };
        check(Ok(&["a@x.mx", "east", ""]), ["0 email=a@x.mx", "1 email=a@x.mx", "1 email=a@x.mx"]);
        check(Ok(&["a@x.mx", "west", ""]), ["0 email=a@x.mx", "0 email=a@x.mx", "0 email=a@x.mx"]);
        check(Ok(&["a@x.mx", "north", ""]), ["0 email=a@x.mx", "OtherChannel", "OtherChannel"]);
        // Without a channel, a valid row is rejected as well.
        check(Ok(&["a@x.mx", "south", ""]), ["0 email=a@x.mx", "2 rejected", "NoChannel"]);
        check(Ok(&["a@x.mx", "", ""]), ["0 email=a@x.mx", "2 rejected", "NoChannel"]);
        check(Err("expected 3 cells, found 2"), ["0 rejected", "2 rejected", "NoChannel"]);
        // A rejected row of a channel is that channel's.
        check(Ok(&["", "east", ""]), ["0 rejected", "1 rejected", "1 rejected"]);
        // What is no row of the input names no channel either.
        check(Ok(&["a@x.mx", "north", "gone"]), ["LeftOut"; 3]);
        check(Ok(&["Total", "south", ""]), ["Total"; 3]);
        check(Ok(&["Total", "south", "gone"]), ["LeftOut"; 3]);
    }

    #[test]
    fn totals_are_not_counted() {
        let mut counts = NotRoutedCounts::default();
        for why in [NotRouted::LeftOut, NotRouted::Total, NotRouted::OtherChannel, NotRouted::NoChannel] {
            counts.add(why);
        }
        assert_eq!(counts, NotRoutedCounts { left_out: 1, of_other_channels: 1, of_no_channel: 1 });
    }
}
