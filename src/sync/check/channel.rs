//! The check of a channel: the guards that a sync would apply, the token, and the first contacts of the input on the platform.

use std::num::NonZeroU32;

use super::CheckedContact;
use crate::core::attempt::Attempt;
use crate::core::model::{Field, Mode};
use crate::core::sample::{CHECK_CALLS, Change, Sample, change, other_forms, sampled};
use crate::core::task::Policy;
use crate::journal::{JournalError, LockError};
use crate::platform::BaseUrl;
use crate::sync::access::judge;
use crate::sync::connection::Connection;
use crate::sync::environment::Environment;
use crate::sync::guard_error::GuardError;
use crate::sync::probe::{NotProbed, Probe, ProbeCalls, Probed};
use crate::sync::reporter::{Notification, Reporter};
use crate::sync::transport::Transport;
use crate::sync::workspace::{Overrides, Tokens, Tried, Workspace};

/// The value of the search that shows whether the token works. No contact needs to have it.
const PROBE_VALUE: &str = "contactsync check";

/// The field of that search when the mapping has no match field.
const PROBE_FIELD: &str = "email";

/// What a sync would compare with a channel's known contacts.
#[derive(Clone, Copy, Debug)]
pub struct ChannelGuards<'a> {
    /// The match fields.
    pub match_fields: &'a [String],
    /// How contacts are created and changed.
    pub policy: Policy,
    /// The guards that a sync would override.
    pub overrides: Overrides,
    /// The field and the value that a contact must have on the platform.
    pub access: Option<&'a Field>,
}

/// What a check found of a channel.
#[derive(Debug)]
pub struct CheckedChannel {
    /// Where its calls go.
    pub url: BaseUrl,
    /// Maximum number of calls a minute.
    pub rate: NonZeroU32,
    /// Why a sync would refuse the channel; empty when it would not.
    pub refused: Vec<GuardError>,
    /// The result of the check of its token.
    pub token: TokenCheck,
    /// Whether the token is another one than before, and opens the same channel.
    pub is_renewed: bool,
    /// The first contacts of the input on the platform.
    pub contacts: Vec<Lookup>,
    /// Number of calls that the check made.
    pub calls: usize,
}

/// The result of a search with a channel's token.
#[derive(Debug)]
pub enum TokenCheck {
    /// The platform answered with a page of contacts.
    Works,
    /// No call was made: a sync would refuse the channel.
    NotTried,
    /// No call was made: another run is active.
    Held(LockError),
    /// No call was made: the platform asked for a pause that is not over.
    Paused,
    /// The platform answered 429.
    Throttled,
    /// The platform refused the token.
    Refused {
        /// The platform's message.
        message: String,
    },
    /// The platform refused the search for another reason.
    SearchRefused {
        /// The platform's message.
        message: String,
    },
    /// A 404 that mentions no contact: the URL is wrong.
    WrongPath {
        /// The server's message.
        message: String,
    },
    /// There was no answer that can be trusted.
    NoAnswer {
        /// The HTTP status, when there was one.
        status: Option<u16>,
        /// What went wrong.
        cause: String,
    },
    /// The page of contacts contradicts itself.
    Contradiction {
        /// How.
        why: String,
    },
    /// The answer is not one to a search.
    OtherAnswer,
    /// Repeated reads used up the calls of the check.
    CallsUsedUp,
}

/// What the platform has of a contact of the input.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The line of the contact's row.
    pub line: u64,
    /// The match field that it was searched for by, as the input has it.
    pub field: Field,
    /// What the searches found.
    pub sample: Sample,
}

impl Lookup {
    /// The change that turns the input's value into the platform's; `None` when the platform has no other form of it, or when
    /// the two may be different numbers.
    pub fn change(&self) -> Option<Change> {
        match &self.sample {
            Sample::OtherForm { value, .. } => change(&self.field.value.text(), value),
            Sample::Found(_) | Sample::Several(..) | Sample::Absent | Sample::Unknown(_) => None,
        }
    }
}

impl TokenCheck {
    fn of(probed: Probed) -> Self {
        match probed {
            Ok(Attempt::Page(page)) => match page.contradiction {
                None => Self::Works,
                Some(why) => Self::Contradiction { why },
            },
            Ok(Attempt::Unauthorized { message }) => Self::Refused { message },
            Ok(Attempt::Throttled { .. }) => Self::Throttled,
            Ok(Attempt::Unsent { cause }) => Self::NoAnswer { status: None, cause },
            Ok(Attempt::Lost { status, cause, .. }) => Self::NoAnswer { status, cause },
            Ok(Attempt::WrongPath { message }) => Self::WrongPath { message },
            Ok(
                Attempt::Refused { message, .. }
                | Attempt::Missing { message }
                | Attempt::Taken { message, .. }
                | Attempt::Queued { message },
            ) => Self::SearchRefused { message },
            Ok(Attempt::Contact(_) | Attempt::Created(_) | Attempt::Done) => Self::OtherAnswer,
            Err(NotProbed::Paused) => Self::Paused,
            Err(NotProbed::NoCallsLeft) => Self::CallsUsedUp,
        }
    }

    // Whether the platform answers searches.
    const fn is_ready(&self) -> bool {
        match self {
            Self::Works | Self::Contradiction { .. } => true,
            Self::NotTried
            | Self::Held(_)
            | Self::Paused
            | Self::Throttled
            | Self::Refused { .. }
            | Self::SearchRefused { .. }
            | Self::WrongPath { .. }
            | Self::NoAnswer { .. }
            | Self::OtherAnswer
            | Self::CallsUsedUp => false,
        }
    }
}

/// Checks a channel: what a sync would refuse, then the token, then these contacts of the input on the platform.
pub(super) fn check<R: Reporter>(
    workspace: &Workspace,
    name: &str,
    connection: Connection,
    guards: ChannelGuards<'_>,
    wanted: &[&CheckedContact],
    environment: Environment<'_, R>,
) -> Result<CheckedChannel, GuardError> {
    let mut checked = CheckedChannel {
        url: connection.url().clone(),
        rate: connection.rate,
        refused: Vec::new(),
        token: TokenCheck::NotTried,
        is_renewed: false,
        contacts: Vec::new(),
        calls: 0,
    };
    let mut held = match workspace.hold_to_probe(name, connection, environment) {
        Ok(held) => held,
        Err(GuardError::Lock(error @ (LockError::Held { .. } | LockError::WindowHeld { .. }))) => {
            checked.token = TokenCheck::Held(error);
            return Ok(checked);
        }
        Err(error) => return Err(error),
    };
    let ChannelGuards { match_fields, policy, overrides, access } = guards;
    if policy.mode == Mode::Create {
        workspace.journal().verify_known()?;
    }
    checked.refused = workspace.mismatches(&held, (match_fields, policy), overrides)?;
    // A token is not sent to another platform than that of the known contacts.
    if !checked.refused.is_empty() {
        return Ok(checked);
    }
    let absent = || Field::text(match_fields.first().map_or(PROBE_FIELD, String::as_str), PROBE_VALUE);
    // The search for the contact that must be there shows as well whether the token works.
    let field = access.cloned().unwrap_or_else(absent);
    let calls = ProbeCalls::at_most(CHECK_CALLS);
    let Environment { runtime, clock, reporter, .. } = environment;
    reporter.notify(&Notification::Calling);
    let tokens = Tokens { workspace, clock, reporter };
    match runtime.block_on(tokens.try_token(&mut held, overrides.new_token, &field, &calls)) {
        Ok(Tried { answer, is_renewed }) => {
            if access.is_some()
                && let Err(error @ GuardError::NoAccess { .. }) = judge(&held, &field, answer.clone())
            {
                checked.refused.push(error);
            }
            (checked.token, checked.is_renewed) = (TokenCheck::of(answer), is_renewed);
        }
        Err(error) if error.is_fatal() => return Err(error),
        Err(error) => checked.refused.push(error),
    }
    if checked.token.is_ready() && checked.refused.is_empty() {
        checked.contacts = runtime.block_on(look_up(&tokens.probe(&held, &calls), wanted))?;
    }
    checked.calls = calls.made();
    Ok(checked)
}

// First each contact by its own value, then those that are absent in other forms, until one is found or no call is left. Each
// contact begins with another form, because the platform has one form for all.
async fn look_up<T: Transport>(probe: &Probe<'_, T>, wanted: &[&CheckedContact]) -> Result<Vec<Lookup>, JournalError> {
    let mut found = Vec::new();
    for contact in wanted {
        let Some(field) = sampled(&contact.contact).filter(|_| probe.calls.left() > 0) else { continue };
        let sample = probe.sample(field, field.clone()).await?;
        found.push(Lookup { line: contact.line, field: field.clone(), sample });
    }
    let mut forms: Vec<Vec<Field>> = found.iter().map(|lookup| other_forms(&lookup.field)).collect();
    for (nth, forms) in forms.iter_mut().enumerate() {
        let begin = nth % forms.len().max(1);
        forms.rotate_left(begin);
    }
    let rounds = forms.iter().map(Vec::len).max().unwrap_or(0);
    for round in 0..rounds {
        for (lookup, forms) in found.iter_mut().zip(&forms) {
            let is_wanted = probe.calls.left() > 0 && lookup.sample == Sample::Absent;
            let Some(form) = forms.get(round).filter(|_| is_wanted) else { continue };
            lookup.sample = probe.sample(&lookup.field, form.clone()).await?;
            if matches!(lookup.sample, Sample::OtherForm { .. }) {
                return Ok(found);
            }
        }
    }
    Ok(found)
}
