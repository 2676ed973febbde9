//! The check that a channel is the right account: before a run writes, a search must show a contact with a configured value.

use crate::core::attempt::Attempt;
use crate::core::model::Field;
use crate::core::sample::Sample;
use crate::platform::limiter::delays;
use crate::sync::environment::Environment;
use crate::sync::guard_error::GuardError;
use crate::sync::probe::{NotProbed, ProbeCalls, Probed};
use crate::sync::reporter::{Notification, Reporter};
use crate::sync::workspace::{LockedChannel, ReadOnlyChannel, Tokens};

/// How often a search without an answer is repeated before the run is stopped.
const TRIES: usize = 2;

/// Makes sure that the platform of a channel has a contact with exactly this value. It takes one call. Returns the numbers of its calls.
/// A token that is refused is replaced once, if it can be.
pub(super) fn check_access<R: Reporter>(
    channel: &mut LockedChannel<'_>,
    field: &Field,
    environment: Environment<'_, R>,
) -> Result<Vec<i64>, GuardError> {
    let Environment { runtime, clock, reporter, .. } = environment;
    let tokens = Tokens { workspace: channel.held().workspace, clock, reporter };
    runtime.block_on(search(tokens, channel.held_mut(), field))
}

async fn search<R: Reporter>(
    tokens: Tokens<'_, R>,
    channel: &mut ReadOnlyChannel<'_>,
    field: &Field,
) -> Result<Vec<i64>, GuardError> {
    tokens.reporter.notify(&Notification::Calling);
    let calls = ProbeCalls::unlimited();
    let delays = delays(TRIES);
    let (mut waits, mut was_renewed) = (delays.iter(), false);
    let answer = loop {
        let answer = tokens.probe(channel, &calls).find(field.clone()).await?;
        if matches!(answer, Ok(Attempt::Unauthorized { .. }))
            && !was_renewed
            && let Some(window) = tokens.renew_and_note(channel).await?
        {
            (channel.window, was_renewed) = (window, true);
            continue;
        }
        let is_lost = matches!(answer, Ok(Attempt::Unsent { .. } | Attempt::Lost { .. }));
        match waits.next().filter(|_| is_lost) {
            Some(wait) => tokens.clock.sleep_until(tokens.clock.now() + *wait).await,
            None => break answer,
        }
    };
    judge(channel, field, answer).map(|()| calls.into_numbers())
}

/// What the answer to a search for the value means.
pub(super) fn judge(channel: &ReadOnlyChannel<'_>, field: &Field, answer: Probed) -> Result<(), GuardError> {
    let name = channel.name().to_owned();
    let attempt = match answer {
        Ok(
            attempt @ (Attempt::Page(_) | Attempt::Refused { .. } | Attempt::Missing { .. } | Attempt::Taken { .. }),
        ) => attempt,
        Ok(Attempt::Unauthorized { message }) => return Err(GuardError::TokenRefusedNow { channel: name, message }),
        Ok(Attempt::WrongPath { message }) => {
            return Err(GuardError::WrongUrl { url: channel.url().clone(), message });
        }
        Err(NotProbed::Paused | NotProbed::NoCallsLeft) => {
            let cause = "the platform answered 429 (too many requests) and asked to wait".to_owned();
            return Err(GuardError::AccessUnchecked { channel: name, cause });
        }
        Ok(
            other @ (Attempt::Contact(_)
            | Attempt::Created(_)
            | Attempt::Done
            | Attempt::Throttled { .. }
            | Attempt::Queued { .. }
            | Attempt::Unsent { .. }
            | Attempt::Lost { .. }),
        ) => {
            let Sample::Unknown(cause) = Sample::of(&other, field) else { return Ok(()) };
            return Err(GuardError::AccessUnchecked { channel: name, cause });
        }
    };
    let found = match Sample::of(&attempt, field) {
        Sample::Found(_) | Sample::Several(..) => return Ok(()),
        Sample::Absent => "no contact has it".to_owned(),
        Sample::OtherForm { id, .. } => format!("contact {id} has it in another form"),
        Sample::Unknown(why) => format!("the search was refused: {why}"),
    };
    let (field, value) = (field.name.to_string(), field.value.text().into_owned());
    Err(GuardError::NoAccess { channel: name, field, value, found })
}
