//! The Contacts API, version 1, as pure functions: from a call to what is sent, from an answer to what it means.
//!
//! A second version of the API would be a second module beside this one; nothing else knows paths, bodies or statuses.

mod answer;
mod body;
mod carried;
mod page;
mod rate_limit;
mod request;
mod retry_after;
mod words;

pub(super) use answer::cut_off;
pub use answer::{answer, classify};
pub(super) use body::one_line;
pub use request::{Request, request};
pub use retry_after::LONGEST_RETRY_AFTER;
