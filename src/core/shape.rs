//! How the rows of an input are written, so that other files can be written like it, and which files are.

use serde::{Deserialize, Serialize};

/// The column that says on which line of an input a rejected row stood. Like all that begin with `_`, it is no field.
pub const LINE_COLUMN: &str = "_line";

/// The column that says why a row was rejected.
pub const REASON_COLUMN: &str = "_reason";

/// How the rows of an input are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Cells under a header.
    Table {
        /// The header's cells, in their order; those of columns without a name are empty.
        header: Vec<String>,
        /// What parts the cells.
        delimiter: u8,
        /// The encoding, by its name in the Encoding Standard, such as `UTF-8` or `windows-1252`.
        encoding: String,
        /// Whether it begins with a byte order mark.
        mark: bool,
        /// How many lines stand before the header.
        skipped: u64,
    },
    /// One JSON object a line, in UTF-8.
    Objects,
}

/// The files that list the rows of an input, by their whole paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListFiles {
    /// Where the rows go that are rejected, as whole rows.
    pub rejects: Option<String>,
    /// Where it is said how each row ended.
    pub results: Option<String>,
}

impl ListFiles {
    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.rejects.is_none() && self.results.is_none()
    }
}

/// Which files list the rows of an input, and how rejected rows are written in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The files.
    pub files: ListFiles,
    /// How the rows were written in the input.
    pub shape: Shape,
}
