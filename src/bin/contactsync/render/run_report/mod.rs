//! The report of a run: as text, as JSON, and as a page of HTML.

mod chart;
pub mod html;
pub mod json;
mod markup;
pub mod saved_page;
mod sections;
pub mod text;
pub mod words;

use std::path::Path;

use contactsync::Timestamp;

/// When a report is made, and from which journal.
#[derive(Clone, Copy)]
pub struct Made<'a> {
    pub now: Timestamp,
    pub journal: &'a Path,
}
