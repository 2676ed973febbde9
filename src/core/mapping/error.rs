//! Why a mapping does not fit an input.

use std::fmt;

use crate::core::mapping::by_name::reserved;
use crate::core::model::WriteMode;

/// How many columns an error lists before it only counts.
const COLUMNS_LISTED: usize = 20;

/// Why a mapping does not fit an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// There is neither a match field nor an id.
    #[error("expected a match field or a column `contact_id`, found neither; {}", Listed(columns))]
    NoMatch {
        /// The header's columns.
        columns: Vec<String>,
    },
    /// A match field is neither a field of the rules nor a column of the file.
    #[error("match field `{field}`: expected a {}column of the file, found none of that name{}{}; {}", or_field(fields), Meant(close.as_deref()), Fields(fields), Listed(columns))]
    NoColumn {
        /// The match field.
        field: String,
        /// The fields of the rules.
        fields: Vec<String>,
        /// The column whose name differs only in case or in one letter.
        close: Option<String>,
        /// The header's columns.
        columns: Vec<String>,
    },
    /// A match field is no field of the rules, and the file's own columns are not sent.
    #[error("match field `{field}`: expected a field of the mapping, found none of that name{}{}", Meant(close.as_deref()), Fields(fields))]
    NoField {
        /// The match field.
        field: String,
        /// The fields of the rules.
        fields: Vec<String>,
        /// The field whose name differs only in case or in one letter.
        close: Option<String>,
    },
    /// A match field has a name that cannot be a custom field's.
    #[error("match field `{0}`: expected the name of a custom field, found {what}", what = reserved(.0).unwrap_or("none"))]
    Reserved(String),
    /// A match field is named twice.
    #[error("match field `{0}`: expected once, found twice")]
    Repeated(String),
    /// The channel's column is no column of the file.
    #[error("channel column `{column}`: expected a column of the file, found none of that name{}; {}", Meant(close.as_deref()), Listed(columns))]
    NoChannelColumn {
        /// The column.
        column: String,
        /// The column whose name differs only in case or in one letter.
        close: Option<String>,
        /// The header's columns.
        columns: Vec<String>,
    },
    /// The channel's column is a match field as well.
    #[error("channel column `{0}`: expected a separate column, found a match field")]
    ChannelMatches(String),
    /// A rule names a column that the file does not have.
    #[error("{rule}: expected a column of the file, found none called `{column}`{}; {}", Meant(close.as_deref()), Listed(columns))]
    Missing {
        /// The rule, such as ``field `phone` ``.
        rule: String,
        /// The column.
        column: String,
        /// The column whose name differs only in case or in one letter.
        close: Option<String>,
        /// The header's columns.
        columns: Vec<String>,
        /// The line of the rules that names it.
        line: Option<usize>,
    },
    /// A rule gives a value to a field without a name.
    #[error("expected the name of a custom field, found an empty one")]
    Nameless {
        /// The line of the rule.
        line: Option<usize>,
    },
    /// A match field is to be written only sometimes, although contacts are found by it.
    #[error(
        "field `{field}`: it is a match field, which `write = \"{}\"` would leave out of updates; expected \"always\" or \"on_create\"",
        write.name()
    )]
    MatchWrite {
        /// The field.
        field: String,
        /// When it is to be written.
        write: WriteMode,
        /// The line of the rule.
        line: Option<usize>,
    },
    /// Two rules are for one field.
    #[error("field `{field}`: expected one rule, found two")]
    FieldTwice {
        /// The field.
        field: String,
        /// The line of the second.
        line: Option<usize>,
    },
    /// A column that no rule names would be sent as a field that has a rule.
    #[error(
        "field `{field}`: expected one value, found two: the rule's and the column of that name, which no rule names (map it, or set `unmapped = \"ignore\"`)"
    )]
    Doubled {
        /// The field.
        field: String,
        /// The line of the rule.
        line: Option<usize>,
    },
    /// A column that no rule names, where each must be named.
    #[error(
        "expected each column in the mapping (`unmapped = \"refuse\"`), found {} that no rule names",
        Quoted(columns)
    )]
    Unmapped {
        /// The columns.
        columns: Vec<String>,
    },
}

impl MappingError {
    /// The line of the rules that is at fault, where one is and the rules come from a file.
    pub const fn line(&self) -> Option<usize> {
        match self {
            Self::Missing { line, .. }
            | Self::Nameless { line }
            | Self::MatchWrite { line, .. }
            | Self::FieldTwice { line, .. }
            | Self::Doubled { line, .. } => *line,
            Self::NoMatch { .. }
            | Self::NoColumn { .. }
            | Self::NoField { .. }
            | Self::Reserved(_)
            | Self::Repeated(_)
            | Self::NoChannelColumn { .. }
            | Self::ChannelMatches(_)
            | Self::Unmapped { .. } => None,
        }
    }
}

struct Meant<'a>(Option<&'a str>);

impl fmt::Display for Meant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |close| write!(f, "; did you mean `{close}`?"))
    }
}

/// Names in backticks, as errors show them.
pub(super) struct Quoted<'a>(pub &'a [String]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            write!(f, "{}`{name}`", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

const fn or_field(fields: &[String]) -> &'static str {
    if fields.is_empty() { "" } else { "field of the mapping or a " }
}

struct Fields<'a>(&'a [String]);

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "; its fields are {}", Quoted(self.0)) }
    }
}

struct Listed<'a>(&'a [String]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, more) = self.0.split_at(self.0.len().min(COLUMNS_LISTED));
        write!(f, "the columns are {}", Quoted(shown))?;
        if more.is_empty() { Ok(()) } else { write!(f, " and {} more", more.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_header_is_listed_in_part() {
        let columns: Vec<String> = (1..=30).map(|number| format!("c{number}")).collect();
        assert!(Listed(&columns).to_string().ends_with("`c19`, `c20` and 10 more"));
    }
}
