//! The types of a suggested mapping. It is for a person to review, so each suggestion has its reason and two masked values.

use crate::core::guess::exports::Export;
use crate::core::headings::Language;
use crate::core::mapping::rules::Country;

/// A column of a file: its name, and its cell in each of the rows that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sampled {
    /// Its name.
    pub name: String,
    /// Its cells, including blank ones.
    pub cells: Vec<String>,
    /// Number of cells that are the JSON boolean `false`, which some programs write for a blank.
    pub falses: usize,
}

/// A suggested mapping of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// The program that wrote the file, if its header is known.
    pub export: Option<Export>,
    /// The language of most column names.
    pub language: Option<Language>,
    /// The suggested match fields, in order.
    pub matches: Vec<Chosen>,
    /// The country of phone numbers without a country code.
    pub country: CountryGuess,
    /// Words in its cells that programs write for a missing value, such as `NULL`.
    pub nulls: Vec<&'static str>,
    /// The columns, in the order of the file.
    pub columns: Vec<ColumnGuess>,
    /// Number of rows that were read.
    pub rows: usize,
}

/// A suggested match field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The field.
    pub field: String,
    /// The reason, as part of a sentence.
    pub why: String,
}

/// The country of phone numbers without a country code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountryGuess {
    /// The user named it.
    Given(Country),
    /// None is needed: all numbers have a country code, or there are no numbers.
    Unneeded,
    /// It is needed, and the user did not name it. The numbers stay as they are written.
    Missing {
        /// The country that most of the numbers fit, and how many fit it.
        likely: Option<(Country, usize)>,
        /// Number of phone numbers without a country code.
        of: usize,
    },
}

/// The suggestion for one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnGuess {
    /// Its name.
    pub name: String,
    /// The suggested use.
    pub meaning: Meaning,
    /// Another possible use.
    pub instead: Option<Meaning>,
    /// The reason for the suggestion, as part of a sentence.
    pub why: String,
    /// Up to two of its values, masked.
    pub samples: Vec<String>,
    /// Number of values that a spreadsheet has rounded, in a column that should tell contacts apart.
    pub rounded: usize,
    /// Number of values.
    pub filled: usize,
}

/// The use of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A field.
    Field {
        /// Its name on the platform.
        name: String,
        /// The transforms of the values, in order.
        made: Vec<Made>,
    },
    /// Tags.
    Tags {
        /// The separator; `None` for the default separators.
        separator: Option<&'static str>,
        /// Tags to leave out.
        except: &'static [&'static str],
        /// Whether the tags are removed instead of added.
        remove: bool,
    },
    /// One tag, for contacts whose cell means yes.
    Flag {
        /// The tag.
        tag: String,
    },
    /// The platform's own id.
    PlatformId,
    /// It is not sent.
    LeftOut,
    /// It is blank in all rows that were read.
    Blank,
}

/// A suggested transform of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// A blank for this word.
    Null(&'static str),
    /// The first of several values with this separator.
    First(&'static str),
    /// A phone number with its country code.
    E164,
    /// The same. This column names the country of numbers without a country code.
    E164By(String),
    /// Lower case.
    Lower,
    /// Digits only. A final `.0` is dropped first.
    Digits,
    /// An ISO 8601 date from one of these forms.
    Date(Vec<String>),
}

impl ColumnGuess {
    /// The name of the suggested field.
    pub fn field(&self) -> Option<&str> {
        match &self.meaning {
            Meaning::Field { name, .. } => Some(name),
            Meaning::Tags { .. } | Meaning::Flag { .. } | Meaning::PlatformId | Meaning::LeftOut | Meaning::Blank => {
                None
            }
        }
    }
}
