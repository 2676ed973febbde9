//! The Contacts API, version 1, as pure functions: from a call to its request, from a response to its meaning.
//!
//! A second version of the API would be a second module next to this one. Nothing else knows paths, bodies or statuses.

mod answer;
mod body;
mod call_content;
mod page;
mod rate_limit;
mod request;
mod response;
mod retry_after;
mod words;

pub use answer::answer;
pub(super) use answer::cut_off;
pub(super) use body::one_line;
pub use request::{Method, Request, request};
pub use response::Response;
pub(crate) use retry_after::LONGEST_RETRY_AFTER;
