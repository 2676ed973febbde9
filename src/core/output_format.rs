//! How the rows of an input are written, so that other files can be written like it, and which files are.

use serde::{Deserialize, Serialize};

/// The column with the line of a rejected row in its input. Like all columns that begin with `_`, it is no field.
pub const LINE_COLUMN: &str = "_line";

/// The column with the reason for a rejection.
pub const REASON_COLUMN: &str = "_reason";

/// What follows the reason of a rejected row of which not all cells are known: how many are listed.
pub fn listed_part(listed: usize, cells: usize) -> String {
    format!("; {listed} of {cells} cell{} listed", if cells == 1 { "" } else { "s" })
}

/// How many cells a list has of a rejected row, when its reason says that it has not all of them.
pub fn cells_listed(reason: &str) -> Option<usize> {
    if let Some((_, part)) = reason.rsplit_once("; ")
        && let Some((listed, rest)) = part.split_once(" of ")
        && rest.ends_with(" listed")
    {
        return listed.parse().ok();
    }
    // Lists of earlier versions say it for rows with too few cells only.
    let (expected, rest) = reason.strip_prefix("expected ")?.split_once(" cell")?;
    let found: String = rest.split_once(", found ")?.1.chars().take_while(char::is_ascii_digit).collect();
    let (expected, found): (usize, usize) = (expected.parse().ok()?, found.parse().ok()?);
    (found < expected).then_some(found)
}

/// Whether text reads like the reason of a rejected row.
pub fn is_reason(text: &str) -> bool {
    cells_listed(text).is_some() || (text.starts_with("expected ") && text.contains(", found "))
}

/// How the rows of an input are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputFormat {
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
    // A process of an earlier version that has the journal open writes the earlier name.
    #[serde(alias = "shape")]
    pub output_format: OutputFormat,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_how_many_cells_are_listed() {
        let check = |reason: &str, expected: Option<usize>| assert_eq!(cells_listed(reason), expected, "{reason}");
        check("expected 3 cells, found 1", Some(1));
        check("expected 3 cells, found 2: the last line does not end, the file may be cut off", Some(2));
        check("expected 3 cells, found 5", None);
        check(&format!("expected 3 cells, found 1{}", listed_part(1, 3)), Some(1));
        check(&format!("anything{}", listed_part(0, 1)), Some(0));
        check("column `phone`: expected a phone number, found letters", None);
        check("", None);
    }
}
