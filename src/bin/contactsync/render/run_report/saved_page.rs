//! The file of a report: which file may be overwritten.

use std::io::ErrorKind;
use std::path::Path;

use crate::bounded_file;
use crate::failure::Failure;

/// How a page begins, by which a report is recognised.
pub const BEGINNING: &str = "<!doctype html>\n<!-- a report of contactsync -->\n";

/// Maximum size of a file that is recognised. A report is far smaller.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Checks that a report may be written to this file: it does not exist, is empty, or is a report.
///
/// # Errors
/// If another file would be overwritten.
pub fn check(path: &Path) -> Result<(), Failure> {
    let is_free = match path.symlink_metadata() {
        Err(error) => error.kind() == ErrorKind::NotFound,
        // What is behind a link may be anything.
        Ok(metadata) if !metadata.is_file() => false,
        Ok(metadata) => {
            metadata.len() == 0
                || bounded_file::read(path, MOST_BYTES)
                    .is_ok_and(|content| content.bytes.starts_with(BEGINNING.as_bytes()))
        }
    };
    if is_free {
        return Ok(());
    }
    Err(Failure::usage_text(format!("{}: the file exists and is not a report", path.display()))
        .hint("use another file name; the file was not changed"))
}
