//! Holds each channel to its token: one that differs from the last one must open the channel of the known contacts. And
//! gets another token when one is refused.

use std::collections::BTreeMap;

use contactsync::{
    Answer, Attempt, Cleared, Clock, Http, JournalError, Probe, Recognised, StopReason, Transport, Verdict, WindowId,
};
use futures_util::StreamExt;
use futures_util::stream;
use tokio::runtime::Runtime;

use crate::commands::workspace::{Announcement, Ready, Workspace};
use crate::console::{Console, Level};
use crate::failure::{CHECK_URL, Exit, Failure};

/// How many tokens are checked at the same time.
const AT_ONCE: usize = 16;

/// How to skip the check.
const SKIP: &str = "use the token that the channel had before, or another --channel or --journal for another channel; \
                    if it is the right one, add --new-token";

/// The channels' tokens, and where they are written down.
#[derive(Clone, Copy)]
pub struct Tokens<'a> {
    pub place: &'a Workspace,
    pub clock: &'a Clock,
    pub console: &'a Console,
    pub announcement: &'a Announcement,
}

/// What is known of a token.
pub enum Compared {
    /// The channel was last synced with it.
    Unchanged,
    /// The channel has no known contact.
    Incomparable,
    /// It opens the channel of the known contacts, as far as the platform shows them. Holds whether another token was known.
    Renewed { is_known: bool },
    /// It opens another channel. Holds how that was found out.
    Other(String),
    /// The platform did not show the contacts. `None`: it was not asked, because a 429 asked for a longer pause.
    Undecided(Option<Attempt>),
}

/// A channel that is sent to, whose token is replaced once it is refused.
pub struct Renewing<'a> {
    pub to: &'a Ready,
    /// `None` where no token can be replaced.
    pub tokens: Option<Tokens<'a>>,
}

impl Tokens<'_> {
    /// Checks the tokens of these channels, and notes those that pass. Of several channels, returns those that are not to be
    /// sent to: the others go on.
    ///
    /// # Errors
    /// A [`Failure`] when the journal cannot be read or written, and when the only channel is not to be sent to.
    pub fn hold(
        &self,
        runtime: &Runtime,
        ready: &mut [Ready],
        is_new: bool,
        are_several: bool,
    ) -> Result<BTreeMap<String, Failure>, Failure> {
        let mut windows: BTreeMap<WindowId, Vec<&mut Ready>> = BTreeMap::new();
        for to in ready {
            windows.entry(to.window.clone()).or_default().push(to);
        }
        // Channels of one window take turns: what another one has on its way would be taken for a killed process's.
        let held = stream::iter(windows.into_values()).map(async |channels| self.hold_group(channels, is_new).await);
        let refused: Vec<_> = runtime.block_on(held.buffer_unordered(AT_ONCE).collect());
        let mut channels = BTreeMap::new();
        for (name, failure) in refused.into_iter().flatten() {
            if failure.exit == Exit::Failed || !are_several {
                return Err(failure);
            }
            channels.insert(name, failure);
        }
        Ok(channels)
    }

    // The channels of one window, and so of one token.
    async fn hold_group(&self, mut channels: Vec<&mut Ready>, is_new: bool) -> Vec<(String, Failure)> {
        let Some(window) = channels.first().map(|to| to.window.clone()) else { return Vec::new() };
        let mut refused = BTreeMap::new();
        for to in &mut channels {
            if let Err(failure) = self.hold_one(to, is_new).await {
                refused.insert(to.name.clone(), failure);
            }
        }
        // A token that was refused to one of them is refused to all.
        let is_renewed = channels.iter().any(|to| to.window != window);
        for to in channels.iter_mut().filter(|to| is_renewed && to.window == window) {
            if refused.contains_key(&to.name) {
                continue;
            }
            match self.renew_and_note(to).await {
                Ok(Some(window)) => to.window = window,
                Ok(None) => {}
                Err(failure) => drop(refused.insert(to.name.clone(), failure)),
            }
        }
        refused.into_iter().collect()
    }

    async fn hold_one(&self, to: &mut Ready, is_new: bool) -> Result<(), Failure> {
        if is_new {
            return Ok(self.place.journal.set_token(&to.name, &to.window).await?);
        }
        let (mut compared, _) = self.compare(to, &to.window).await?;
        if matches!(compared, Compared::Undecided(Some(Attempt::Unauthorized { .. })))
            && let Some(window) = self.renew(to).await?
        {
            to.window = window;
            (compared, _) = self.compare(to, &to.window).await?;
        }
        self.note(to, &to.window, compared).await
    }

    /// Compares the channel that a token opens with the known one. Returns how many calls it took as well.
    pub async fn compare(&self, to: &Ready, window: &WindowId) -> Result<(Compared, usize), JournalError> {
        let (name, journal) = (&to.name, &self.place.journal);
        let last = journal.token_of(name).await?;
        if last.as_ref() == Some(window) {
            return Ok((Compared::Unchanged, 0));
        }
        let known = journal.acquaintances(name).await?;
        if known.is_empty() {
            return Ok((Compared::Incomparable, 0));
        }
        self.announcement.say(self.console);
        let Recognised { calls, verdict } = self.look(to, window).recognise(&known).await?;
        let compared = match verdict {
            Ok(Verdict::Same) => Compared::Renewed { is_known: last.is_some() },
            Ok(Verdict::Other) => Compared::Other("the ids in the journal belong to other contacts there".into()),
            Ok(Verdict::AllMissing) => {
                let none = match known.len() {
                    1 => "the known contact that was".into(),
                    read => format!("the {read} known contacts that were"),
                };
                Compared::Other(format!("it does not have {none} looked for"))
            }
            Err(answer) => Compared::Undecided(answer),
        };
        Ok((compared, calls))
    }

    /// A look at a channel, whose calls count in `window`.
    pub fn look<'b>(&'b self, to: &'b Ready, window: &'b WindowId) -> Probe<'b, Http> {
        let Ready { name, connection, .. } = to;
        Probe {
            journal: &self.place.journal,
            channel: name,
            window,
            transport: &connection.transport,
            call_timeout: connection.call_timeout,
            rate: connection.rate,
            clock: self.clock,
        }
    }

    async fn note(&self, to: &Ready, window: &WindowId, compared: Compared) -> Result<(), Failure> {
        match compared {
            Compared::Unchanged => return Ok(()),
            Compared::Renewed { is_known: true } => {
                let text = format!("channel `{}`: the token was renewed; its contacts are the known ones", to.name);
                self.console.say(Level::Info, &text);
            }
            Compared::Incomparable | Compared::Renewed { is_known: false } => {}
            Compared::Other(how) => return Err(other_channel(&to.name, &how)),
            Compared::Undecided(answer) => return Err(undecided(to, answer)),
        }
        Ok(self.place.journal.set_token(&to.name, window).await?)
    }

    /// Runs the command that prints another token, if there is one, and sends with that from now on. Returns its window;
    /// `None` when there is no other token.
    pub async fn renew(&self, to: &Ready) -> Result<Option<WindowId>, Failure> {
        let Some(command) = to.connection.renewal.clone() else { return Ok(None) };
        let refused = |what: String| Failure {
            exit: Exit::Unauthorized,
            message: format!("channel `{}`: the platform refused the token; {what}", to.name),
            hint: None,
        };
        let ran = tokio::task::spawn_blocking(move || command.run()).await;
        let token = ran.map_err(|error| refused(error.to_string()))?.map_err(refused)?;
        let (earlier, window) = (self.place.window_of(&to.connection.transport), self.place.window_of(&token));
        if window == earlier {
            return Ok(None);
        }
        self.place.replace_window(&window, &to.name, &earlier).await?;
        to.connection.transport.replace_token(token);
        Ok(Some(window))
    }

    async fn renew_and_note(&self, to: &Ready) -> Result<Option<WindowId>, Failure> {
        let Some(window) = self.renew(to).await? else { return Ok(None) };
        let (compared, _) = self.compare(to, &window).await?;
        self.note(to, &window, compared).await?;
        Ok(Some(window))
    }
}

impl Transport for Renewing<'_> {
    async fn send(&self, call: Cleared<'_>) -> Answer {
        Http::send(&self.to.connection.transport, call).await
    }

    async fn renewed(&self) -> Result<Option<WindowId>, StopReason> {
        let Some(tokens) = self.tokens else { return Ok(None) };
        tokens.renew_and_note(self.to).await.map_err(|failure| match failure.exit {
            Exit::Unauthorized => StopReason::Unrenewed(failure.message),
            Exit::Done | Exit::Failed | Exit::Usage | Exit::Rejected | Exit::Stopped | Exit::Held | Exit::Refused => {
                StopReason::Down(failure.message)
            }
        })
    }
}

/// That a token opens another channel than the known one.
pub fn other_channel(channel: &str, how: &str) -> Failure {
    let message = format!("channel `{channel}`: this token belongs to another channel: {how}");
    Failure { exit: Exit::Unauthorized, message, hint: Some(SKIP.into()) }
}

/// That the platform did not show the known contacts, so that nothing is known of a new token.
pub fn undecided(to: &Ready, answer: Option<Attempt>) -> Failure {
    let (exit, what) = match answer {
        Some(Attempt::Unauthorized { message }) => {
            (Exit::Unauthorized, format!("the platform refused the token: {message}"))
        }
        Some(Attempt::WrongPath { message }) => {
            let message = format!("{}: a read was answered 404: {message}", to.connection.url);
            return Failure { exit: Exit::Usage, message, hint: Some(CHECK_URL.into()) };
        }
        Some(Attempt::Unsent { cause } | Attempt::Lost { cause, .. }) => {
            (Exit::Stopped, format!("the platform gives no answer: {cause}"))
        }
        Some(
            Attempt::Refused { message, .. }
            | Attempt::Missing { message }
            | Attempt::Taken { message, .. }
            | Attempt::Queued { message },
        ) => (Exit::Stopped, format!("the platform refused a read: {message}")),
        None | Some(Attempt::Throttled { .. }) => {
            (Exit::Stopped, "the platform answered 429 (too many requests) and asked to wait".into())
        }
        Some(Attempt::Page(_) | Attempt::Contact(_) | Attempt::Created(_) | Attempt::Done) => {
            (Exit::Stopped, "expected a contact, found another answer".into())
        }
    };
    let message =
        format!("channel `{}`: {what}; its token changed and could not be checked; nothing was sent", to.name);
    Failure { exit, message, hint: None }
}
