//! Failures in words, and the exit codes: the one place where they meet.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use contactsync::{
    Ending, JournalError, ListingError, LockError, PlanError, RowsFault, SourceError, SourceFault, StopReason,
    TooManyChanges,
};

use crate::open_files::{self, TooFewFiles};

/// What to do when a file that lists rows could not be written.
pub const REWRITE: &str = "nothing is lost: what the rows came to is in the journal; make room, and `contactsync resume` writes the file anew";

/// What to do when a server answers 404 to every call.
pub const CHECK_URL: &str =
    "check --url: use the API's base URL from the platform's documentation, such as https://app.example.com/api/v1";

/// How a command ends, as scripts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// An unexpected failure: nothing lost.
    Failed = 1,
    /// Wrong usage or configuration, including a URL that answers 404 to every call: nothing was changed.
    Usage = 2,
    /// Done, but some rows were rejected.
    Rejected = 3,
    /// Stopped before the end and resumable.
    Stopped = 4,
    /// The platform refused the token.
    Unauthorized = 5,
    /// Another run holds this channel.
    Held = 6,
    /// A guard refused it: nothing was sent.
    Refused = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// The exit of a run that was sent.
    pub fn of(ending: &Ending) -> Self {
        match &ending.stopped {
            Some(StopReason::Unauthorized(_) | StopReason::Unrenewed(_)) => Self::Unauthorized,
            Some(StopReason::Unlisted(_)) => Self::Failed,
            Some(StopReason::WrongUrl(_)) => Self::Usage,
            Some(
                StopReason::Signal(_)
                | StopReason::Down(_)
                | StopReason::KindDown(_)
                | StopReason::Refusing(_)
                | StopReason::AskedToWait(_)
                | StopReason::Deadline
                | StopReason::MaxCalls(_),
            ) => Self::Stopped,
            None if ending.summary.pending > 0 => Self::Stopped,
            None if ending.summary.rejected > 0 => Self::Rejected,
            None => Self::Done,
        }
    }
}

impl Exit {
    /// The gravest of several channels' exits: nothing that needs somebody may hide behind what does not.
    pub fn gravest(exits: impl IntoIterator<Item = Self>) -> Self {
        let gravity = |exit: &Self| match exit {
            Self::Done => 0,
            Self::Rejected => 1,
            Self::Stopped => 2,
            Self::Unauthorized => 3,
            Self::Held => 4,
            Self::Usage | Self::Refused => 5,
            Self::Failed => 6,
        };
        exits.into_iter().max_by_key(gravity).unwrap_or(Self::Done)
    }
}

/// Why a command could not do its work: one line, a hint, an exit code.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
    pub hint: Option<String>,
}

impl Failure {
    /// Wrong usage or configuration.
    pub fn usage(error: &(dyn Error + 'static)) -> Self {
        let hint = error.downcast_ref::<SourceError>().and_then(of_input);
        Self { exit: Exit::Usage, message: with_causes(error), hint }
    }

    /// Wrong usage or configuration, in the caller's words.
    pub fn usage_text(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), hint: None }
    }

    /// An unexpected failure.
    pub fn unexpected(error: &(dyn Error + 'static)) -> Self {
        Self { exit: Exit::Failed, message: with_causes(error), hint: None }
    }

    /// What was to be printed is not.
    pub fn output(error: &std::io::Error) -> Self {
        Self { exit: Exit::Failed, message: format!("standard output: cannot write to it: {error}"), hint: None }
    }

    /// The same failure with a hint on what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let failure = if error.is_configuration() { Self::usage(&error) } else { Self::unexpected(&error) };
        if let Some(bytes) = open_files::file_size_limit().filter(|_| error.is_unwritten()) {
            return failure.hint(format!(
                "the file size limit is {bytes} bytes (`ulimit -f`); raise it and run again: nothing is lost, the next run continues"
            ));
        }
        if let JournalError::Linked { .. } = error {
            return failure
                .hint("while no run is active, copy it to a new file and rename that over it: the copy has one name");
        }
        if error.is_configuration() {
            return failure;
        }
        let hint = if let JournalError::OnlyLog { .. } = error {
            "restore the journal beside it from a backup; or move that file away to start a new journal, with --match so that \
             contacts that are there are found"
        } else if let JournalError::LogMissing { .. } = error {
            "wait until the other process has ended, then run the same command again"
        } else if let JournalError::Locked { .. } = error {
            "end that program, or have it lock another file: contactsync keeps two runs apart by itself"
        } else if let JournalError::Replaced { .. } = error {
            "nothing more was sent; put the file back if it was moved, then run the same command again"
        } else if error.is_damage() {
            "restore it from a backup, or move it away and start a new journal, with --match so that existing contacts are found"
        } else {
            "nothing is lost: every call is in the journal, and the next run checks those without an answer"
        };
        failure.hint(hint)
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Journal(error) => error.into(),
            LockError::Held { .. } | LockError::WindowHeld { .. } => {
                Self { exit: Exit::Held, message: with_causes(&error), hint: None }
                    .hint("wait until it has ended, or stop it: it writes down where it is")
            }
            LockError::Foreign { .. } => {
                Self::usage(&error).hint("move this file away; contactsync creates the lock itself")
            }
            LockError::File { .. } => Self::usage(&error),
        }
    }
}

impl From<TooFewFiles> for Failure {
    fn from(error: TooFewFiles) -> Self {
        Self::usage(&error)
            .hint("raise the limit (`ulimit -Hn`, LimitNOFILE= of systemd), or divide the channels with --shard I/N")
    }
}

impl From<TooManyChanges> for Failure {
    fn from(error: TooManyChanges) -> Self {
        Self { exit: Exit::Refused, message: error.to_string(), hint: None }
            .hint("look at what is different in the input; when it is meant, say a higher --max-changes")
    }
}

impl From<ListingError> for Failure {
    fn from(error: ListingError) -> Self {
        match error {
            ListingError::List(error) => Self::unexpected(&error).hint(REWRITE),
            ListingError::Journal(error) => error.into(),
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Source(error) => Self::usage(&error),
            PlanError::Journal(error) => error.into(),
            PlanError::TooMany(error) => error.into(),
            PlanError::NoTags => Self::usage(&error).hint(
                "use --tags-mode add, or an input with a column of tags; a column whose cells are blank removes the tags \
                 that contactsync added",
            ),
            PlanError::Stopped => Self { exit: Exit::Stopped, message: error.to_string(), hint: None },
        }
    }
}

/// What to do about an input that is refused.
fn of_input(error: &SourceError) -> Option<String> {
    if matches!(error.fault(), SourceFault::Unclosed { .. }) {
        return Some("close the quote, or double the quotes inside the cell; nothing was sent".to_owned());
    }
    if matches!(error.fault(), SourceFault::SecondHeader { .. }) {
        return Some("save the rows from that line on as a file of their own; nothing was sent".to_owned());
    }
    if matches!(error.fault(), SourceFault::CutOff { .. }) {
        return Some("export the file again, or complete its last row; nothing was sent".to_owned());
    }
    let SourceFault::Rows { fault, .. } = error.fault() else { return None };
    let saved = |keys: &str| {
        let name = |key: &str| {
            let name = key.trim_end_matches("[]");
            let quoted = if is_plain(name) { format!(".{name}") } else { format!(".{name:?}") };
            quoted + &key[name.len()..]
        };
        let path: String = keys.split('.').filter(|key| !key.is_empty()).map(name).collect();
        format!("jq -c '{}[]'", if path.is_empty() { "." } else { &path })
    };
    match fault {
        RowsFault::Several { arrays } => {
            let first = arrays.first().map(String::as_str).unwrap_or_default();
            Some(format!("save the one that is meant as a file of its own, such as with {}", saved(first)))
        }
        RowsFault::Unclear { array } => Some(format!(
            "save the objects under `{array}` with {}, or leave that key out if each object is a contact",
            saved(array)
        )),
        RowsFault::Keyed { key } => {
            Some(format!("save its members as a file of their own, such as with {}", saved(key)))
        }
        RowsFault::Mixed { array } => {
            Some(format!("save the contacts in files of one form, such as with {}", saved(array)))
        }
        RowsFault::Nested { arrays } => {
            let first = arrays.first().map(String::as_str).unwrap_or_default();
            Some(format!("save the contacts as a file of their own, such as with {}", saved(first)))
        }
        RowsFault::Columns { .. } => Some(
            "save one object for each contact, such as with `orient=\"records\"` in pandas, or save it as CSV"
                .to_owned(),
        ),
        RowsFault::NotObjects { .. } => Some("save the rows as objects, or as CSV".to_owned()),
        RowsFault::Missing { .. } | RowsFault::Failed => Some(
            "the input may be incomplete: export it again, or remove that object if it stands for no contacts"
                .to_owned(),
        ),
    }
}

fn is_plain(name: &str) -> bool {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    name.chars().all(is_word) && !name.starts_with(|character: char| character.is_ascii_digit())
}

/// The error and its causes on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        // Some errors repeat their cause, with or without a number before it.
        let last = inner_text.rsplit(": ").next().unwrap_or(&inner_text);
        if !text.contains(last) {
            let _ = write!(text, ": {inner_text}");
        }
        cause = inner.source();
    }
    text.replace(['\n', '\r'], " ")
}
