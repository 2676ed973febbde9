//! The Contacts API, version 1, as pure functions: from a call to what is sent, from an answer to what it means.
//!
//! A second version of the API would be a second module beside this one; nothing else knows paths, bodies or statuses.

mod answer;
mod body;
mod rate_limit;
mod request;

pub use answer::{LONGEST_RETRY_AFTER, classify};
pub(super) use body::one_line;
pub use rate_limit::rate_limit;
pub use request::{Request, request};
