//! One look at a platform: a search that changes nothing, to see whether the token works. It is paced and written down
//! like any other call.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::core::attempt::Attempt;
use crate::core::call::{Call, CallKind, Cleared};
use crate::core::channel::WindowId;
use crate::core::model::Field;
use crate::edges::journal::{Journal, JournalError};
use crate::edges::pace::Clock;
use crate::engine::channels::restored;
use crate::engine::transport::Transport;

/// How long a look waits for its place in the minute: one that is full has room again by then.
const PATIENCE: Duration = Duration::from_secs(65);

/// A channel that is to be looked at.
#[derive(Debug)]
pub struct Look<'a, T> {
    /// Where the call is written down.
    pub journal: &'a Journal,
    /// The channel's name.
    pub channel: &'a str,
    /// The window that the call counts in.
    pub window: &'a WindowId,
    /// The platform.
    pub transport: &'a T,
    /// How long a call can take before the transport gives it up.
    pub call_timeout: Duration,
    /// The most calls a minute.
    pub rate: NonZeroU32,
    /// The process's clock.
    pub clock: &'a Clock,
}

impl<T: Transport> Look<'_, T> {
    /// Searches for `field`, whose value nobody needs to have. `None` when there is no room for a call: a 429 asked for a
    /// longer pause.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read or written.
    pub async fn find(&self, field: Field) -> Result<Option<Attempt>, JournalError> {
        let (now, setting) = (self.clock.now(), self.clock.setting());
        self.journal.begin_look(self.channel, self.window, self.call_timeout, now, setting).await?;
        let pace = restored(self.journal, self.window, self.rate, None, self.clock).await?;
        let Ok(passage) = pace.permit(Some(self.clock.now() + PATIENCE)).await else { return Ok(None) };
        let call = Call::Find { field, page: 1 };
        let started = self.journal.start_look(self.channel, self.window, CallKind::Find, self.clock.now()).await?;
        let number = started.number();
        let (permit, on_its_way) = passage.set_out();
        let answer = self.transport.send(Cleared::new(&call, permit, started)).await;
        let noted = answer.attempt.without_strangers(call.searched());
        self.journal.end_look(number, noted, self.clock.now()).await?;
        let _ = on_its_way.end(&answer);
        Ok(Some(answer.attempt))
    }
}
