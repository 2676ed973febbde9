//! How the rows of an input are written, so that other files can be written like it, and which files are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
    },
    /// One JSON object a line, in UTF-8.
    Objects,
}

/// The files that list the rows of one input while it is brought to its channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Where the rows go that are rejected, as whole rows.
    pub rejects: Option<PathBuf>,
    /// Where it is said how each row ended.
    pub results: Option<PathBuf>,
    /// How the rejected rows are written: like the input.
    pub shape: Shape,
}

impl Listing {
    /// Whether rows are to be kept as they are read, because they may be rejected.
    pub const fn keeps_rows(&self) -> bool {
        self.rejects.is_some()
    }
}
