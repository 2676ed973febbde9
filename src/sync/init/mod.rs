//! The use case of `init`: what the columns of an input may mean, and what a sync with that mapping would reject.

mod sample;

use std::collections::{BTreeMap, BTreeSet};

use self::sample::{ColumnSample, sample};
use crate::core::diff::TagsMode;
use crate::core::doubtful_values::DoubtfulValues;
use crate::core::guess::{Guess, guess};
use crate::core::list::JsonList;
use crate::core::mapping::rules::Country;
use crate::core::mapping::{Mapping, is_place};
use crate::core::model::Rejection;
use crate::core::routing::{NotRouted, RoutingTable};
use crate::input::{Row, Source, SourceError};
use crate::sync::check::{RejectReason, RejectReasons};
use crate::sync::row_router::RowRouter;

/// A mapping that the first rows of an input suggest.
#[derive(Debug)]
pub struct Suggestion {
    /// What the columns may mean.
    pub guess: Guess,
    /// The paths of lists that hold fields by name and value, which are left out.
    pub lists_of_fields: BTreeSet<String>,
    /// The paths of lists of values of which only the first is sent, with the largest number of values in one row.
    pub lists_of_values: BTreeMap<String, usize>,
    rows: Vec<Row>,
}

/// Why no mapping can be suggested.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The input cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The contacts have the platform's own shape.
    #[error("{0}: the contacts are already in the platform's format")]
    OwnShape(String),
    /// The input has no rows.
    #[error("{0}: the input has no rows")]
    NoRows(String),
    /// None of the rows can be read.
    #[error("{name}:{}: no row can be read; the first: {first}", first.line)]
    Unreadable {
        /// The input's name.
        name: String,
        /// Why the first one cannot be read.
        first: Rejection,
    },
    /// There is one row, and all of its values are inside lists, as in a file whose rows are under a key that is not known.
    #[error("{name}: its contacts may be inside lists: found `{column}`")]
    InsideLists {
        /// The input's name.
        name: String,
        /// The path of the first value.
        column: String,
    },
}

/// What a sync would reject of the rows that a mapping was suggested by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Number of rows.
    pub rows: usize,
    /// Number of rows that would be rejected.
    pub rejected: usize,
    /// The reasons, the most frequent first.
    pub reasons: Vec<RejectReason>,
}

/// Reads the first rows of an input and guesses what its columns mean. `country` is that of phone numbers without a country code,
/// if it is known.
///
/// # Errors
/// An [`InitError`] when there is nothing to guess from, or nothing to guess.
pub fn suggest(source: &mut Source, country: Option<Country>) -> Result<Suggestion, InitError> {
    let sample = sample(source)?;
    let guess = guess(&sample.columns, country);
    if let [first, ..] = sample.columns.as_slice()
        && guess.rows == 1
        && sample.columns.iter().all(|column| is_of_a_list(&column.name))
    {
        return Err(InitError::InsideLists { name: source.name().to_owned(), column: first.name.clone() });
    }
    let ColumnSample { lists_of_fields, lists_of_values, rows, .. } = sample;
    Ok(Suggestion { guess, lists_of_fields, lists_of_values, rows })
}

// Whether a path leads into a list, or into an object whose keys are numbers.
fn is_of_a_list(path: &str) -> bool {
    path.split('.').any(is_place) || path.contains(JsonList::PRIMARY_INSIDE)
}

impl Suggestion {
    /// Maps the rows as a sync with this mapping would.
    pub fn judge(&self, source: &Source, mapping: &Mapping) -> Judged {
        let (mut reasons, mut doubtful, mut judged) =
            (RejectReasons::default(), DoubtfulValues::new(), Judged::default());
        let header = source.header().unwrap_or_default();
        let reads = mapping.reads(header);
        // A row is not rejected for a cell of a sheet that nothing reads.
        let is_read = |rejection: &Rejection| {
            let column = rejection.column.as_deref().filter(|_| source.detected().sheet().is_some());
            let at = column.and_then(|column| header.iter().position(|name| **name == *column));
            at.and_then(|at| reads.get(at)).is_none_or(|is_read| *is_read)
        };
        let row_router = RowRouter::new(RoutingTable::one(), mapping, source.detected(), TagsMode::Add);
        for row in &self.rows {
            let is_unread = matches!(row, Row::Rejected(rejection) if !is_read(rejection));
            match row_router.route(row).map(|routed| routed.contact) {
                Err(NotRouted::LeftOut | NotRouted::Total | NotRouted::OtherChannel | NotRouted::NoChannel) => continue,
                Ok(Ok(contact)) => doubtful.add((), line_of(row), &contact),
                Ok(Err(_)) if is_unread => {}
                Ok(Err(rejection)) => {
                    judged.rejected += 1;
                    reasons.add(rejection.to_string(), rejection.line);
                }
            }
            judged.rows += 1;
        }
        source.detected().add_doubtful_values(&doubtful, mapping);
        judged.reasons = reasons.most_frequent_first();
        judged
    }
}

const fn line_of(row: &Row) -> u64 {
    match row {
        Row::Record(record) => record.line,
        Row::Rejected(rejection) => rejection.line,
    }
}
