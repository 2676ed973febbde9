//! What a mapping says, as plain values: a configuration file is one way to write it down.

pub use crate::core::mapping::date::{BadDateForm, DateForm};
pub use crate::core::mapping::number::DecimalMark;
pub use crate::core::mapping::pattern::{BadPattern, Pattern};
pub use crate::core::mapping::phone::{Country, UnknownCountry};
pub use crate::core::mapping::template::{BadTemplate, Template};
pub use crate::core::mapping::words::{FALSE, TAG_SEPARATORS, TRUE, Table, WordTwice, Words, YES};

use crate::core::model::Value;

/// The rules by which rows become contacts. Without any, every column is the field of its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// The fields by which a contact is found, in the order in which they are tried.
    pub matches: Vec<String>,
    /// Where the platform's id stands.
    pub id: Option<IdRule>,
    /// The fields, in the order in which they are written.
    pub fields: Vec<FieldRule>,
    /// The tags to have and to remove.
    pub tags: Vec<TagRule>,
    /// Which rows are taken: those for which all of these hold.
    pub take: Vec<TakeRule>,
    /// What becomes of columns that no rule names.
    pub unmapped: Unmapped,
    /// Words that stand for no value, in any column.
    pub nulls: Words,
    /// The country of phone numbers that are written without a country code.
    pub country: Option<Country>,
}

/// A column as a rule names it: a CSV column's name, or a JSON key, or a path into nested JSON (`address.city`,
/// `phones.0`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnName {
    /// Its name.
    pub name: String,
    /// The line that names it, where the rules come from a file.
    pub line: Option<usize>,
}

impl From<&str> for ColumnName {
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), line: None }
    }
}

/// How one custom field gets its value.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldRule {
    /// The custom field's name on the platform.
    pub name: String,
    /// Where the value comes from.
    pub origin: Origin,
    /// The column that names the country of each phone number without a country code: by its code (`+52`), its letters, or
    /// its name. Where its cell is blank, the country is that of the step, or the rules' own.
    pub country_column: Option<ColumnName>,
    /// What is made of it, in this order.
    pub steps: Vec<Step>,
    /// The JSON type in which it is sent.
    pub value_type: ValueType,
    /// What a blank value means.
    pub blank: Blank,
    /// Whether a row without a value is set aside.
    pub required: bool,
    /// What the value must be.
    pub accept: Option<Accept>,
    /// The line that says so, where the rules come from a file.
    pub line: Option<usize>,
}

impl FieldRule {
    /// The field `name` as it stands in `column`.
    pub fn column(name: impl Into<String>, column: impl Into<ColumnName>) -> Self {
        Self {
            name: name.into(),
            origin: Origin::Column(column.into()),
            country_column: None,
            steps: Vec::new(),
            value_type: ValueType::Text,
            blank: Blank::Keep,
            required: false,
            accept: None,
            line: None,
        }
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// A column.
    Column(ColumnName),
    /// The same for every row.
    Constant(Value),
    /// Several columns and text between them.
    Template(Template),
}

/// One thing that is done with a text. A blank text stays blank, but for [`Step::Default`].
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Takes away blanks around it. Every cell is trimmed before the first step.
    Trim,
    /// Small letters.
    Lower,
    /// Capital letters.
    Upper,
    /// One space in place of each run of blanks.
    CollapseSpaces,
    /// Digits alone. Decimals of zeros are none, and a number in scientific notation sets the row aside.
    Digits,
    /// What stands before the first of these separators.
    First(String),
    /// A phone number as `+` and digits (E.164). A number without a country code is taken for one of this country, or of
    /// the rules' own; a number that cannot exist, or has letters, sets the row aside.
    E164(Option<Country>),
    /// A date in one of these forms, as ISO 8601. What is no date sets the row aside, and what programs write where they
    /// have none (`0000-00-00`, `1900-01-00`) is no value.
    Date(Vec<DateForm>),
    /// A decimal number, with a point before its decimals and nothing between its thousands. `None`: each
    /// text shows its own decimal mark, and an ambiguous text sets the row aside.
    Decimal(Option<DecimalMark>),
    /// This text before it, also where it begins with it already.
    Prefix(String),
    /// Another value for each word of a table. What is not in it stays as it is.
    Table(Table),
    /// This text where there is none.
    Default(String),
    /// Nothing, where one of these words stands.
    Null(Words),
}

/// The JSON type in which a value is sent (API.md, trap 11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueType {
    /// A string, as in every documented request. A number of JSON input is its exact decimal then, without an exponent or
    /// trailing zeros; a boolean is `true` or `false`.
    #[default]
    Text,
    /// A number. A text that is none, or that has more digits than a JSON number keeps, rejects the row.
    Number,
    /// `true` or `false`. A text that is none of [`TRUE`] and [`FALSE`] rejects the row.
    Boolean,
}

/// What a blank value means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blank {
    /// The platform's value stays as it is.
    #[default]
    Keep,
    /// The platform's value is made blank too.
    Clear,
}

/// What a value must be, or its row is set aside.
#[derive(Clone, Debug, PartialEq)]
pub enum Accept {
    /// One of these, letter for letter.
    Values(Vec<String>),
    /// Something that a pattern describes from end to end.
    Pattern(Pattern),
}

/// Where the platform's id stands.
#[derive(Clone, Debug, PartialEq)]
pub struct IdRule {
    /// The column.
    pub column: ColumnName,
    /// What is made of what stands there.
    pub steps: Vec<Step>,
}

/// How a contact gets tags.
#[derive(Clone, Debug, PartialEq)]
pub struct TagRule {
    /// Where they come from.
    pub origin: TagOrigin,
    /// What is put before each.
    pub prefix: String,
    /// Whether the contact is to have them, or not to have them any more.
    pub remove: bool,
}

/// Where tags come from.
#[derive(Clone, Debug, PartialEq)]
pub enum TagOrigin {
    /// The cell of a column, separated by any of these separators; of a JSON array, its texts.
    Column {
        /// The column.
        column: ColumnName,
        /// What parts them.
        separators: Vec<String>,
        /// Tags that are left out.
        except: Words,
    },
    /// This tag, when a column says one of these words.
    When {
        /// The column.
        column: ColumnName,
        /// The words that mean yes.
        yes: Words,
        /// The tag.
        tag: String,
    },
    /// These tags for every contact.
    Constant(Vec<String>),
}

/// Which rows are taken.
#[derive(Clone, Debug, PartialEq)]
pub struct TakeRule {
    /// The column that decides.
    pub column: ColumnName,
    /// What must hold of its cell.
    pub when: TakeWhen,
}

/// What must hold of a cell for its row to be taken.
#[derive(Clone, Debug, PartialEq)]
pub enum TakeWhen {
    /// It is one of these words.
    Is(Words),
    /// It is none of these words.
    IsNot(Words),
    /// There is something in it.
    NotBlank,
}

/// What becomes of columns that no rule names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unmapped {
    /// Each is the field of its name, as without any rules.
    #[default]
    Send,
    /// They are left out.
    Ignore,
    /// There must be none.
    Refuse,
}
