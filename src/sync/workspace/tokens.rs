//! Compares each channel's token with its last one: another token must open the channel of the known contacts. Replaces a
//! token that the platform refuses.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;

use super::{ReadOnlyChannel, Workspace};
use crate::core::answer::Answer;
use crate::core::attempt::Attempt;
use crate::core::call::Cleared;
use crate::core::model::Field;
use crate::core::token_recognition::Verdict;
use crate::core::window_id::WindowId;
use crate::journal::JournalError;
use crate::platform::limiter::Clock;
use crate::sync::connection::HttpTransport;
use crate::sync::guard_error::{GuardError, Mismatch};
use crate::sync::probe::{Probe, ProbeCalls, Probed};
use crate::sync::reporter::{Notification, Reporter};
use crate::sync::stop::StopReason;
use crate::sync::transport::Transport;

/// Maximum number of windows whose tokens are checked at the same time.
const AT_ONCE: usize = 16;

/// The tokens of channels, and the journal that knows their last ones.
#[derive(Debug)]
pub(in crate::sync) struct Tokens<'a, R> {
    /// What the channels are held by.
    pub workspace: &'a Workspace,
    /// The process's clock.
    pub clock: &'a Clock,
    /// Is told of renewed tokens.
    pub reporter: &'a R,
}

/// What is known of a token.
#[derive(Debug)]
enum Compared {
    /// The channel was last synced with it.
    Unchanged,
    /// The channel has no known contact.
    Incomparable,
    /// It opens the channel of the known contacts, as far as the platform shows them. Holds whether another token was known.
    Renewed { is_known: bool },
    /// It opens another channel.
    Other(Mismatch),
    /// The platform did not show the contacts.
    Undecided(Probed),
}

/// What a token came to that was tried with a search.
#[derive(Debug)]
pub(in crate::sync) struct Tried {
    /// The answer to the search.
    pub answer: Probed,
    /// Whether the token is another one than before, and opens the same channel.
    pub is_renewed: bool,
}

/// The platform of a channel whose token is replaced once it is refused.
pub(in crate::sync) struct Renewing<'a, R> {
    pub channel: &'a ReadOnlyChannel<'a>,
    pub tokens: Tokens<'a, R>,
}

impl<R> Clone for Tokens<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Tokens<'_, R> {}

impl<R: Reporter> Tokens<'_, R> {
    /// Checks the tokens of these channels, and journals those that pass. Returns the channels in their order, each with what
    /// its token came to.
    pub(super) async fn check<'w>(
        &self,
        channels: Vec<ReadOnlyChannel<'w>>,
        is_accepted: bool,
    ) -> Vec<(ReadOnlyChannel<'w>, Result<(), GuardError>)> {
        let mut windows: BTreeMap<WindowId, Vec<(usize, ReadOnlyChannel<'w>)>> = BTreeMap::new();
        for (at, channel) in channels.into_iter().enumerate() {
            windows.entry(channel.window.clone()).or_default().push((at, channel));
        }
        // Channels of one window take turns: what another one has in flight would be taken for a killed process's.
        let groups =
            windows.into_iter().map(async |(window, channels)| self.check_group(&window, channels, is_accepted).await);
        let groups: Vec<_> = stream::iter(groups).buffer_unordered(AT_ONCE).collect().await;
        let mut checked: Vec<_> = groups.into_iter().flatten().collect();
        checked.sort_unstable_by_key(|(at, ..)| *at);
        checked.into_iter().map(|(_, channel, result)| (channel, result)).collect()
    }

    // The channels of one window, and so of one token.
    async fn check_group<'w>(
        &self,
        window: &WindowId,
        channels: Vec<(usize, ReadOnlyChannel<'w>)>,
        is_accepted: bool,
    ) -> Vec<(usize, ReadOnlyChannel<'w>, Result<(), GuardError>)> {
        let mut checked = Vec::with_capacity(channels.len());
        for (at, mut channel) in channels {
            let result = self.check_one(&mut channel, is_accepted).await;
            checked.push((at, channel, result));
        }
        // A token that was refused to one of them is refused to all.
        let is_renewed = checked.iter().any(|(_, channel, _)| channel.window != *window);
        let old = |(_, channel, result): &&mut (usize, ReadOnlyChannel<'w>, Result<(), GuardError>)| {
            is_renewed && channel.window == *window && result.is_ok()
        };
        for (_, channel, result) in checked.iter_mut().filter(old) {
            match self.renew_and_note(channel).await {
                Ok(Some(window)) => channel.window = window,
                Ok(None) => {}
                Err(error) => *result = Err(error),
            }
        }
        checked
    }

    async fn check_one(&self, channel: &mut ReadOnlyChannel<'_>, is_accepted: bool) -> Result<(), GuardError> {
        if is_accepted {
            return Ok(self.workspace.journal().set_token(&channel.name, &channel.window).await?);
        }
        let calls = ProbeCalls::unlimited();
        let mut compared = self.compare(channel, &channel.window, &calls).await?;
        if matches!(compared, Compared::Undecided(Ok(Attempt::Unauthorized { .. })))
            && let Some(window) = self.renew(channel).await?
        {
            channel.window = window;
            compared = self.compare(channel, &channel.window, &calls).await?;
        }
        self.note(channel, &channel.window, compared).await
    }

    // Compares the channel that a token opens with the known one.
    async fn compare(
        &self,
        channel: &ReadOnlyChannel<'_>,
        window: &WindowId,
        calls: &ProbeCalls,
    ) -> Result<Compared, JournalError> {
        let (name, journal) = (&channel.name, self.workspace.journal());
        let last = journal.token_of(name).await?;
        if last.as_ref() == Some(window) {
            return Ok(Compared::Unchanged);
        }
        let known = journal.known_contacts(name).await?;
        if known.is_empty() {
            return Ok(Compared::Incomparable);
        }
        self.reporter.notify(&Notification::Calling);
        Ok(match self.probe_in(channel, window, calls).recognise(&known).await? {
            Ok(Verdict::Same) => Compared::Renewed { is_known: last.is_some() },
            Ok(Verdict::Other) => Compared::Other(Mismatch::OtherContacts),
            Ok(Verdict::AllMissing) => Compared::Other(Mismatch::Missing { read: known.len() }),
            Err(answer) => Compared::Undecided(answer),
        })
    }

    /// A probe of a channel.
    pub fn probe<'b>(&'b self, channel: &'b ReadOnlyChannel<'_>, calls: &'b ProbeCalls) -> Probe<'b, HttpTransport> {
        self.probe_in(channel, &channel.window, calls)
    }

    // A probe whose calls count in `window`.
    fn probe_in<'b>(
        &'b self,
        channel: &'b ReadOnlyChannel<'_>,
        window: &'b WindowId,
        calls: &'b ProbeCalls,
    ) -> Probe<'b, HttpTransport> {
        let ReadOnlyChannel { name, connection, .. } = channel;
        Probe {
            journal: self.workspace.journal(),
            channel: name,
            window,
            transport: &connection.transport,
            call_timeout: connection.transport.0.call_timeout(),
            rate: connection.rate,
            clock: self.clock,
            calls,
        }
    }

    async fn note(
        &self,
        channel: &ReadOnlyChannel<'_>,
        window: &WindowId,
        compared: Compared,
    ) -> Result<(), GuardError> {
        match compared {
            Compared::Unchanged => return Ok(()),
            Compared::Renewed { is_known: true } => {
                self.reporter.notify(&Notification::TokenRenewed { channel: &channel.name });
            }
            Compared::Incomparable | Compared::Renewed { is_known: false } => {}
            Compared::Other(mismatch) => {
                return Err(GuardError::OtherChannel { channel: channel.name.clone(), mismatch });
            }
            Compared::Undecided(answer) => return Err(GuardError::unchecked(&channel.name, channel.url(), answer)),
        }
        Ok(self.workspace.journal().set_token(&channel.name, window).await?)
    }

    // Has another token provided, if there is one, and sends with that from now on. Returns its window; `None` when there is
    // no other token.
    async fn renew(&self, channel: &ReadOnlyChannel<'_>) -> Result<Option<WindowId>, GuardError> {
        let Some(renewal) = channel.connection.renewal.as_ref().map(Arc::clone) else { return Ok(None) };
        let refused = |cause| GuardError::TokenNotRenewed { channel: channel.name.clone(), cause };
        let provided = tokio::task::spawn_blocking(move || renewal.renew()).await;
        let token = provided.map_err(|error| refused(error.to_string()))?.map_err(refused)?;
        let http = &channel.connection.transport.0;
        let (earlier, window) = (self.workspace.window_of(http), self.workspace.window_of(&token));
        if window == earlier {
            return Ok(None);
        }
        self.workspace.replace_window(&window, &channel.name, &earlier).await?;
        http.replace_token(token);
        Ok(Some(window))
    }

    /// Has another token provided, if there is one, and makes sure that it opens the same channel. Returns its window.
    ///
    /// # Errors
    /// A [`GuardError`] when it does not, or the journal fails.
    pub async fn renew_and_note(&self, channel: &ReadOnlyChannel<'_>) -> Result<Option<WindowId>, GuardError> {
        let Some(window) = self.renew(channel).await? else { return Ok(None) };
        let compared = self.compare(channel, &window, &ProbeCalls::unlimited()).await?;
        self.note(channel, &window, compared).await?;
        Ok(Some(window))
    }

    /// Tries the token of a channel within `calls`: compares it with the last one, unless it `is_accepted` as it is, and
    /// searches for `field`. A token that is refused is renewed once, if it can be. It journals no token.
    ///
    /// # Errors
    /// A [`GuardError`] when the token opens another channel, or the journal fails.
    pub async fn try_token(
        &self,
        channel: &mut ReadOnlyChannel<'_>,
        is_accepted: bool,
        field: &Field,
        calls: &ProbeCalls,
    ) -> Result<Tried, GuardError> {
        let mut was_renewed = false;
        loop {
            let compared =
                if is_accepted { Compared::Unchanged } else { self.compare(channel, &channel.window, calls).await? };
            let (answer, is_renewed) = match compared {
                Compared::Other(mismatch) => {
                    return Err(GuardError::OtherChannel { channel: channel.name.clone(), mismatch });
                }
                Compared::Undecided(answer @ Ok(Attempt::Unauthorized { .. })) => (answer, false),
                Compared::Undecided(answer) => return Err(GuardError::unchecked(&channel.name, channel.url(), answer)),
                Compared::Unchanged | Compared::Incomparable | Compared::Renewed { .. } => {
                    let is_renewed = matches!(compared, Compared::Renewed { is_known: true });
                    (self.probe(channel, calls).find(field.clone()).await?, is_renewed)
                }
            };
            if matches!(answer, Ok(Attempt::Unauthorized { .. }))
                && !was_renewed
                && let Some(window) = self.renew(channel).await?
            {
                (channel.window, was_renewed) = (window, true);
                continue;
            }
            return Ok(Tried { answer, is_renewed });
        }
    }
}

impl<R: Reporter> Transport for Renewing<'_, R> {
    async fn send(&self, call: Cleared<'_>) -> Answer {
        self.channel.connection.transport.send(call).await
    }

    async fn renewed(&self) -> Result<Option<WindowId>, StopReason> {
        self.tokens.renew_and_note(self.channel).await.map_err(|error| error.stop_reason())
    }
}
