//! Why a channel may not be sent to.

use std::error::Error;
use std::path::PathBuf;

use crate::core::attempt::Attempt;
use crate::journal::{JournalError, LockError};
use crate::platform::BaseUrl;
use crate::sync::probe::{NotProbed, Probed};
use crate::sync::stop::StopReason;

/// Why a channel may not be sent to. Nothing was sent to it that changes anything.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The right to run on the channel, or to call with its token, cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// An interrupted run is to be resumed, and the caller gives no connection of its channel.
    #[error("channel `{channel}`: no connection was given for its interrupted run")]
    NotConnected {
        /// The channel.
        channel: String,
    },
    /// The channel's known contacts are on another platform.
    #[error("channel `{channel}` of journal {}: its contacts are on {known}, found {found}", journal.display())]
    OtherUrl {
        /// The channel.
        channel: String,
        /// The path of the journal; empty for one in memory.
        journal: PathBuf,
        /// Where its contacts are.
        known: String,
        /// Where it was to be sent to.
        found: String,
    },
    /// The channel's known contacts have other match fields, and none of the run's contacts would be searched for.
    #[error(
        "channel `{channel}` of journal {}: its contacts are known by {}, found {}",
        journal.display(), Fields(known), Fields(found)
    )]
    OtherMatchFields {
        /// The channel.
        channel: String,
        /// The path of the journal; empty for one in memory.
        journal: PathBuf,
        /// The match field of a known contact; empty when it has none.
        known: Vec<String>,
        /// The match fields of the run.
        found: Vec<String>,
    },
    /// The token opens another channel than that of the known contacts.
    #[error("channel `{channel}`: this token belongs to another channel: {mismatch}")]
    OtherChannel {
        /// The channel.
        channel: String,
        /// How that was found out.
        mismatch: Mismatch,
    },
    /// The token changed, and the platform refuses it.
    #[error(
        "channel `{channel}`: the platform refused the token: {message}; its token changed and could not be checked; nothing was sent"
    )]
    TokenRefused {
        /// The channel.
        channel: String,
        /// What the platform answered.
        message: String,
    },
    /// The platform refused the token, and there is no other one.
    #[error("channel `{channel}`: the platform refused the token; {cause}")]
    TokenNotRenewed {
        /// The channel.
        channel: String,
        /// Why there is none.
        cause: String,
    },
    /// The new token of a channel is that of another channel of the same process, which counts its calls without this
    /// channel's.
    #[error("channel `{channel}`: its new token is that of another channel of this run")]
    TokenOfOtherChannel {
        /// The channel.
        channel: String,
    },
    /// The token changed, and the platform did not show the known contacts.
    #[error("channel `{channel}`: {cause}; its token changed and could not be checked; nothing was sent")]
    TokenUnchecked {
        /// The channel.
        channel: String,
        /// What the platform answered.
        cause: String,
    },
    /// A read of a known contact, or a search, was answered 404 with words that mention no contact.
    #[error("{url}: a call was answered 404: {message}")]
    WrongUrl {
        /// Where it was sent to.
        url: BaseUrl,
        /// What the platform answered.
        message: String,
    },
    /// The platform refused the token when access was to be checked.
    #[error("channel `{channel}`: the platform refused the token: {message}; nothing was sent")]
    TokenRefusedNow {
        /// The channel.
        channel: String,
        /// What the platform answered.
        message: String,
    },
    /// The contact that shows that this is the right account was not found.
    #[error(
        "channel `{channel}`: check_access: expected a contact whose `{field}` is `{value}`, found none ({found}): this may be \
         another account; nothing was sent"
    )]
    NoAccess {
        /// The channel.
        channel: String,
        /// The field.
        field: String,
        /// The value that a contact must have.
        value: String,
        /// What was found.
        found: String,
    },
    /// Whether that contact exists is not known.
    #[error("channel `{channel}`: check_access: {cause}; nothing was sent")]
    AccessUnchecked {
        /// The channel.
        channel: String,
        /// What the platform answered.
        cause: String,
    },
}

/// How it was found out that a token opens another channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The ids of known contacts belong to others.
    #[error("the ids in the journal belong to other contacts there")]
    OtherContacts,
    /// None of the known contacts is there.
    #[error("{}", none_found(*read))]
    Missing {
        /// Number of known contacts that were read.
        read: usize,
    },
}

fn none_found(read: usize) -> String {
    if read == 1 { "the known contact is not there".into() } else { format!("none of {read} known contacts is there") }
}

struct Fields<'a>(&'a [String]);

impl std::fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { f.write_str("their whole content") } else { write!(f, "`{}`", self.0.join("`, `")) }
    }
}

impl GuardError {
    /// That the platform did not show the known contacts, so that nothing is known of a new token.
    pub(super) fn unchecked(channel: &str, url: &BaseUrl, answer: Probed) -> Self {
        let channel = channel.to_owned();
        let cause = match answer {
            Ok(Attempt::Unauthorized { message }) => return Self::TokenRefused { channel, message },
            Ok(Attempt::WrongPath { message }) => return Self::WrongUrl { url: url.clone(), message },
            Ok(Attempt::Unsent { cause } | Attempt::Lost { status: None, cause, .. }) => {
                format!("the platform does not answer: {cause}")
            }
            Ok(Attempt::Lost { status: Some(_), cause, .. }) => format!("the platform's answer is unusable: {cause}"),
            Ok(
                Attempt::Refused { message, .. }
                | Attempt::Missing { message }
                | Attempt::Taken { message, .. }
                | Attempt::Queued { message },
            ) => format!("the platform refused a read: {message}"),
            Err(NotProbed::NoCallsLeft) => "too many reads of known contacts were left without an answer".into(),
            Err(NotProbed::Paused) | Ok(Attempt::Throttled { .. }) => {
                "the platform answered 429 (too many requests) and asked to wait".into()
            }
            Ok(Attempt::Page(_) | Attempt::Contact(_) | Attempt::Created(_) | Attempt::Done) => {
                "expected a contact, found another answer".into()
            }
        };
        Self::TokenUnchecked { channel, cause }
    }

    /// Whether the other channels of the process cannot go on either.
    pub(super) fn is_fatal(&self) -> bool {
        match self {
            Self::Journal(error) | Self::Lock(LockError::Journal(error)) => !error.is_configuration(),
            Self::Lock(_)
            | Self::NotConnected { .. }
            | Self::OtherUrl { .. }
            | Self::OtherMatchFields { .. }
            | Self::OtherChannel { .. }
            | Self::TokenRefused { .. }
            | Self::TokenNotRenewed { .. }
            | Self::TokenOfOtherChannel { .. }
            | Self::TokenUnchecked { .. }
            | Self::TokenRefusedNow { .. }
            | Self::NoAccess { .. }
            | Self::AccessUnchecked { .. }
            | Self::WrongUrl { .. } => false,
        }
    }

    /// Why a run stops whose token was refused and cannot be replaced.
    pub(super) fn stop_reason(&self) -> StopReason {
        let text = with_causes(self);
        match self {
            Self::OtherChannel { .. } | Self::TokenRefused { .. } | Self::TokenNotRenewed { .. } => {
                StopReason::Unrenewed(text)
            }
            Self::Journal(_)
            | Self::Lock(_)
            | Self::NotConnected { .. }
            | Self::OtherUrl { .. }
            | Self::OtherMatchFields { .. }
            | Self::TokenOfOtherChannel { .. }
            | Self::TokenUnchecked { .. }
            | Self::TokenRefusedNow { .. }
            | Self::NoAccess { .. }
            | Self::AccessUnchecked { .. }
            | Self::WrongUrl { .. } => StopReason::Down(text),
        }
    }
}

// The error and its causes on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}
