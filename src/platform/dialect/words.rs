//! Classifies the message of a refusal: no such contact, the token, the rate limit, or something else.
//!
//! 403 stands for any business error (API.md, "Errors"), so only the message shows which one it is. Each rule here
//! accepts only clear messages; all others are a plain refusal.

mod limit;
mod not_found;
mod text;
mod token;

pub(super) use limit::is_about_limit;
pub(super) use not_found::{NotFound, is_no_such_contact, not_found};
pub(super) use text::{has_name, is_only_a_status};
pub(super) use token::is_about_token;
