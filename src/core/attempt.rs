//! The result of one attempt at a call.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::model::key::ContactId;
use crate::core::model::remote::Remote;
use crate::core::model::value::Field;
use crate::core::page::Page;

/// HTTP status of a proxy that stopped waiting for the platform.
const GATEWAY_TIMEOUT: u16 = 504;

/// Status of a refusal when no request can be built from the call. Nothing was sent.
pub const NO_REQUEST: u16 = 0;

/// The result of one attempt at a call, with the platform's message.
///
/// The variants form three groups. An *answer* shows the platform's state. A *refusal* means that the call had no effect.
/// *No answer* leaves open whether the call had an effect, except for [`Attempt::Unsent`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    /// Answer to a find: one page.
    Page(Page),
    /// Answer to a read.
    Contact(Remote),
    /// Answer to a create.
    Created(ContactId),
    /// Answer to an update, or to a change of tags. Its id is meaningless (API.md, trap 3).
    Done,

    /// Refused: there is no such contact (API.md, trap 5).
    Missing {
        /// The platform's message.
        message: String,
    },
    /// Refused: an identifier belongs to another contact already (API.md, trap 8).
    Taken {
        /// The platform's message.
        message: String,
        /// The other contact, when the answer names it.
        by: Option<ContactId>,
    },
    /// Refused for a reason that a retry does not change.
    Refused {
        /// The HTTP status; 0 when no request could be built from the call.
        status: u16,
        /// The platform's message.
        message: String,
        /// Whether the refusal is known to concern the data of this call (it names a field, or the request is too
        /// large), and not the account or the platform.
        #[serde(default)]
        about_row: bool,
    },
    /// Refused: the token is not valid.
    Unauthorized {
        /// The platform's message.
        message: String,
    },
    /// Refused: too many calls.
    Throttled {
        /// What `Retry-After` asked for; `None` when it was absent.
        retry_after: Option<Duration>,
        /// The platform's message, where the message and not the status shows that it is the rate limit.
        #[serde(default)]
        message: Option<String>,
    },
    /// Postponed: the platform is still creating the contact (API.md, trap 7).
    Queued {
        /// The platform's message.
        message: String,
    },

    /// The server does not know the path of the call (a 404 that does not mention a contact). Every call gets it when the
    /// base URL is wrong, and then it has no effect; after a create, a search makes sure of that.
    WrongPath {
        /// The server's message.
        message: String,
    },
    /// No answer, and no effect: the platform was never reached (refused connection, unknown host, failed TLS handshake).
    Unsent {
        /// What went wrong.
        cause: String,
    },
    /// No answer that can be trusted, so the effect is open: timeout, reset, 5xx, a redirect, a page from a proxy or a
    /// firewall, a body that is not what the API documents.
    Lost {
        /// The HTTP status, when there was one.
        status: Option<u16>,
        /// What went wrong.
        cause: String,
        /// The wait in `Retry-After` (a 503 may have one); `None` when it was absent.
        #[serde(default)]
        retry_after: Option<Duration>,
    },
}

impl Attempt {
    /// An answer that cannot be trusted, without a `Retry-After`.
    pub const fn lost(status: Option<u16>, cause: String) -> Self {
        Self::Lost { status, cause, retry_after: None }
    }

    /// An answer with 429.
    pub const fn throttled(retry_after: Option<Duration>) -> Self {
        Self::Throttled { retry_after, message: None }
    }

    /// A refusal that is not known to concern the data of the call.
    pub const fn refused(status: u16, message: String) -> Self {
        Self::Refused { status, message, about_row: false }
    }

    /// The attempt at a search for `field`, reduced to what a decision needs ([`Page::reduced`]).
    #[must_use]
    pub fn reduced(self, field: Option<&Field>) -> Self {
        match (self, field) {
            (Self::Page(page), Some(field)) => Self::Page(page.reduced(field)),
            (other, _) => other,
        }
    }

    /// The attempt without the values and tags of a contact that was read.
    #[must_use]
    pub fn without_values(self) -> Self {
        match self {
            Self::Contact(Remote { id, .. }) => {
                Self::Contact(Remote { id, fields: BTreeMap::new(), tags: BTreeSet::new() })
            }
            other => other,
        }
    }

    /// The attempt without the contacts that a search or a read showed.
    #[must_use]
    pub fn without_contacts(self) -> Self {
        match self {
            Self::Page(page) => Self::Page(Page { contacts: Vec::new(), others: Vec::new(), ..page }),
            other => other.without_values(),
        }
    }

    /// Whether a create that ended like this may have created its contact, which only a search can show.
    pub const fn leaves_create_open(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::WrongPath { .. } | Self::Queued { .. })
    }

    /// Whether the platform gave no answer. Such a failure concerns the platform or the network, not the contact.
    pub const fn is_no_answer(&self) -> bool {
        matches!(self, Self::WrongPath { .. } | Self::Unsent { .. } | Self::Lost { .. })
    }

    /// Whether the call was answered and had its effect.
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Page(_) | Self::Contact(_) | Self::Created(_) | Self::Done)
    }

    /// Whether the call may still be in flight: it was not answered, or a proxy answered because the platform did not. Then
    /// the platform may count it later than it ended here.
    pub const fn may_be_in_flight(&self) -> bool {
        matches!(self, Self::Lost { status: None | Some(GATEWAY_TIMEOUT), .. })
    }

    /// The attempt in one word, for logs and statistics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Page(_) => "page",
            Self::Contact(_) => "contact",
            Self::Created(_) => "created",
            Self::Done => "done",
            Self::Missing { .. } => "missing",
            Self::Taken { .. } => "taken",
            Self::Refused { .. } => "refused",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Throttled { .. } => "throttled",
            Self::Queued { .. } => "queued",
            Self::WrongPath { .. } => "wrong_path",
            Self::Unsent { .. } => "unsent",
            Self::Lost { .. } => "lost",
        }
    }
}
