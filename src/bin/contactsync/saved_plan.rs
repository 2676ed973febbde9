//! Plans in files: `plan --save FILE` writes one, and `sync --plan FILE` carries it out or refuses.

use std::io::ErrorKind;
use std::path::Path;

use contactsync::Approval;
use contactsync::report::PlanSummary;
use serde::{Deserialize, Serialize};

use crate::bounded_file;
use crate::failure::Failure;
use crate::whole_file;

const ABOUT: &str =
    "a plan of contactsync: `contactsync sync --plan FILE` carries out exactly this plan, or refuses to";

/// Maximum size of a saved plan. A thousand channels take less than 1 MB.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// A plan that was read from a file.
#[derive(Debug, Deserialize)]
pub struct SavedPlan {
    /// The input that was planned, if it is a file.
    pub input: Option<String>,
    pub approval: Approval,
}

#[derive(Serialize)]
struct NewPlan<'a> {
    about: &'static str,
    input: Option<&'a str>,
    approval: &'a Approval,
    /// For people. It is not compared.
    summary: &'a PlanSummary,
}

/// Reads a saved plan.
///
/// # Errors
/// If it cannot be read, or is another file.
pub fn read(path: &Path) -> Result<SavedPlan, Failure> {
    let shown = path.display();
    let content = bounded_file::read(path, MOST_BYTES)
        .map_err(|error| Failure::usage_text(format!("{shown}: cannot read it: {error}")))?;
    serde_json::from_slice(&content.bytes).map_err(|error| {
        Failure::usage_text(format!("{shown}: not a saved plan: {error}"))
            .hint("save one with `contactsync plan INPUT --save FILE`")
    })
}

/// Checks that a plan may be saved to this file: it does not exist, or is a saved plan.
///
/// # Errors
/// If another file would be overwritten.
pub fn check(path: &Path) -> Result<(), Failure> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(_) | Err(_) => read(path).map(drop).map_err(|_| {
            Failure::usage_text(format!("{}: the file exists and is not a saved plan", path.display()))
                .hint("use another file name; the file was not changed")
        }),
    }
}

/// Saves a plan. The file has mode 0600, and is replaced as a whole.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, input: Option<&str>, approval: &Approval, summary: &PlanSummary) -> Result<(), Failure> {
    let plan = NewPlan { about: ABOUT, input, approval, summary };
    let text = serde_json::to_string_pretty(&plan).expect("numbers and text are always JSON");
    whole_file::replace(path, &text, 0o600).map_err(|error| Failure::write_failed(path, &error))
}
