//! The rules of a mapping as plain values, as a configuration file lists them.

pub use crate::core::mapping::date::{BadDateForm, DateForm};
pub use crate::core::mapping::number::DecimalMark;
pub use crate::core::mapping::pattern::{BadPattern, Pattern};
pub use crate::core::mapping::phone::{Country, UnknownCountry};
pub use crate::core::mapping::template::{BadTemplate, Template};
pub use crate::core::mapping::words::{TAG_SEPARATORS, Table, WordTwice, Words};
pub use crate::core::yes_no::{FALSE, TRUE, YES};

pub use crate::core::model::WriteMode;

use crate::core::model::Value;

/// The rules that turn rows into contacts. Without rules, every column is the field of its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// The match fields, in the order in which they are tried.
    pub matches: Vec<String>,
    /// The source of the platform's id.
    pub id: Option<IdRule>,
    /// The fields, in their order.
    pub fields: Vec<FieldRule>,
    /// The tags to add and to remove.
    pub tags: Vec<TagRule>,
    /// The row filters. A row is read if all of them hold.
    pub take: Vec<TakeRule>,
    /// The treatment of columns that no rule names.
    pub unmapped: Unmapped,
    /// Words that count as blank in any column.
    pub nulls: Words,
    /// The country of phone numbers without a country code.
    pub country: Option<Country>,
}

/// A column as a rule names it: a CSV column's name, or a JSON key, or a path into nested JSON (`address.city`,
/// `phones.0`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnName {
    /// Its name.
    pub name: String,
    /// The line of the configuration file that names it, if the rules come from a file.
    pub line: Option<usize>,
}

impl From<&str> for ColumnName {
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), line: None }
    }
}

/// The rule for one custom field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldRule {
    /// The custom field's name on the platform.
    pub name: String,
    /// The source of the value.
    pub origin: Origin,
    /// The column that names the country of each phone number without a country code: by its code (`+52`), its letters, or
    /// its name. Where its cell is blank, the country is that of the step, or the rules' own.
    pub country_column: Option<ColumnName>,
    /// The transforms of the value, in order.
    pub steps: Vec<Step>,
    /// The JSON type of the value.
    pub value_type: ValueType,
    /// The effect of a blank value.
    pub blank: Blank,
    /// When the field is written.
    pub write: WriteMode,
    /// Whether a row without a value is rejected.
    pub required: bool,
    /// The accepted values.
    pub accept: Option<Accept>,
    /// The line of the rule, if the rules come from a file.
    pub line: Option<usize>,
}

impl FieldRule {
    /// The field `name` with the unchanged value of `column`.
    pub fn column(name: impl Into<String>, column: impl Into<ColumnName>) -> Self {
        Self {
            name: name.into(),
            origin: Origin::Column(column.into()),
            country_column: None,
            steps: Vec::new(),
            value_type: ValueType::Text,
            blank: Blank::Keep,
            write: WriteMode::Always,
            required: false,
            accept: None,
            line: None,
        }
    }
}

/// The source of a value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Origin {
    /// A column.
    Column(ColumnName),
    /// The same value for every row.
    Constant(Value),
    /// Several columns and text between them.
    Template(Template),
}

/// One transform of a value. A blank value stays blank, except with [`Step::Default`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Removes spaces at both ends. Every cell is trimmed before the first step.
    Trim,
    /// Lower case.
    Lower,
    /// Upper case.
    Upper,
    /// One space for each run of white space.
    CollapseSpaces,
    /// Digits only. A final `.0` is dropped first, and a number in scientific notation rejects the row.
    Digits,
    /// The first part that is not blank between these separators.
    First(String),
    /// A phone number as `+` and digits (E.164). A number without a country code is read as one of this country, or of the
    /// country of the rules; a number that cannot exist, or has letters, rejects the row.
    E164(Option<Country>),
    /// An ISO 8601 date from one of these forms. Other text rejects the row. What programs write for a missing date
    /// (`0000-00-00`, `1900-01-00`) is blank.
    Date(Vec<DateForm>),
    /// A decimal number with a decimal point and without separators of thousands. `None`: each value shows its own decimal
    /// mark, and an ambiguous value rejects the row.
    Decimal(Option<DecimalMark>),
    /// The value with this prefix, even if it already starts with it.
    Prefix(String),
    /// Another value for each word of a table. Values that are not in the table stay the same.
    Table(Table),
    /// This value for blank ones.
    Default(String),
    /// Blank for these words.
    Null(Words),
}

/// The JSON type of a value (API.md, trap 11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueType {
    /// A string, as in every documented request. A JSON number becomes its exact decimal, without an exponent or trailing
    /// zeros; a boolean becomes `true` or `false`.
    #[default]
    Text,
    /// A number. Other text, or more digits than a JSON number can hold, rejects the row.
    Number,
    /// `true` or `false`. Text that is neither in [`TRUE`] nor in [`FALSE`] rejects the row.
    Boolean,
}

/// The effect of a blank value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blank {
    /// The platform's value stays unchanged.
    #[default]
    Keep,
    /// The platform's value is cleared.
    Clear,
}

/// The accepted values. Any other value rejects the row.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Accept {
    /// Exactly one of these.
    Values(Vec<String>),
    /// A value that matches this pattern as a whole.
    Pattern(Pattern),
}

/// The source of the platform's id.
#[derive(Clone, Debug, PartialEq)]
pub struct IdRule {
    /// The column.
    pub column: ColumnName,
    /// The transforms of the value, in order.
    pub steps: Vec<Step>,
}

/// A source of tags.
#[derive(Clone, Debug, PartialEq)]
pub struct TagRule {
    /// The source of the tags.
    pub origin: TagOrigin,
    /// The text before each tag.
    pub prefix: String,
    /// Whether the tags are removed instead of added.
    pub remove: bool,
}

/// The source of tags.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TagOrigin {
    /// The cell of a column, split at any of these separators, or the strings of a JSON array.
    Column {
        /// The column.
        column: ColumnName,
        /// The separators.
        separators: Vec<String>,
        /// Tags to leave out.
        except: Words,
    },
    /// This tag, if the cell of a column is one of these words.
    When {
        /// The column.
        column: ColumnName,
        /// The words that mean yes.
        yes: Words,
        /// The tag.
        tag: String,
    },
    /// The same tags for every contact.
    Constant(Vec<String>),
}

/// A row filter.
#[derive(Clone, Debug, PartialEq)]
pub struct TakeRule {
    /// The column.
    pub column: ColumnName,
    /// The condition.
    pub when: TakeWhen,
}

/// The condition that a cell must satisfy for its row to be read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TakeWhen {
    /// The cell is one of these words.
    Is(Words),
    /// The cell is none of these words.
    IsNot(Words),
    /// The cell is not blank.
    NotBlank,
}

/// The treatment of columns that no rule names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unmapped {
    /// Each is sent as the field of its name.
    #[default]
    Send,
    /// They are left out.
    Ignore,
    /// The file is refused.
    Refuse,
}
