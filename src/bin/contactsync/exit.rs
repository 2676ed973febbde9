//! The exit codes.

use std::process::ExitCode;

use contactsync::StopReason;
use contactsync::report::Ending;

/// The exit code of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or there was nothing to do.
    Done = 0,
    /// An unexpected failure. Nothing is lost.
    Failed = 1,
    /// Wrong usage or configuration, including a URL that answers 404 to every call. Nothing was changed.
    Usage = 2,
    /// Done, but some rows were rejected.
    Rejected = 3,
    /// Stopped before the end; the next run continues.
    Stopped = 4,
    /// The platform refused the token.
    Unauthorized = 5,
    /// Another run holds this channel.
    Held = 6,
    /// A guard refused the run. Nothing was sent.
    Refused = 7,
    /// A plan has something to send.
    Changes = 10,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// The exit code of a command that ended early for this reason.
    pub const fn of_stop(reason: &StopReason) -> Self {
        match reason {
            StopReason::Unauthorized(_) | StopReason::Unrenewed(_) => Self::Unauthorized,
            StopReason::Unlisted(_) => Self::Failed,
            StopReason::WrongUrl(_) => Self::Usage,
            StopReason::Signal(_)
            | StopReason::Down(_)
            | StopReason::KindDown(_)
            | StopReason::Refusing(_)
            | StopReason::AskedToWait(_)
            | StopReason::Deadline
            | StopReason::MaxCalls(_) => Self::Stopped,
        }
    }

    /// The exit code of a run that was sent.
    pub fn of(ending: &Ending) -> Self {
        match &ending.stopped {
            Some(reason) => Self::of_stop(reason),
            None if ending.summary.pending + ending.summary.marks_pending > 0 => Self::Stopped,
            None if ending.summary.rejected > 0 => Self::Rejected,
            None => Self::Done,
        }
    }

    /// The most severe exit code of several channels or jobs: one that needs attention is not hidden by one that does not.
    pub fn gravest(exits: impl IntoIterator<Item = Self>) -> Self {
        let gravity = |exit: &Self| match exit {
            Self::Done => 0,
            Self::Rejected => 1,
            Self::Changes => 2,
            Self::Stopped => 3,
            Self::Unauthorized => 4,
            Self::Held => 5,
            Self::Refused => 6,
            Self::Usage => 7,
            Self::Failed => 8,
        };
        exits.into_iter().max_by_key(gravity).unwrap_or(Self::Done)
    }
}
