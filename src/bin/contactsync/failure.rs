//! Error messages with hints, and exit codes: the only place that assigns them to errors of the library.

mod one_contact;

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use contactsync::history::{ForgetError, JournalError, LockError};
use contactsync::options::Refused;
use contactsync::report::{ListError, ListFault, ListKind, ListingError, PlanError, RefusedInput};
use contactsync::run_report::RunReportError;
use contactsync::source::{InputSetting, RowsFault, SourceError, SourceFault};
use contactsync::undo::UndoError;
use contactsync::{GuardError, SyncError};

use crate::exit::Exit;
use crate::open_files::{self, TooFewFiles};
use crate::shell::quoted;

/// What to do when a file that lists rows could not be written.
pub const REWRITE: &str = "nothing is lost: the journal has the outcome of each row; once the file can be written, `contactsync resume` writes it again";

/// The hint for a server that answers 404 to every call.
pub const CHECK_URL: &str =
    "check --url: use the API's base URL from the platform's documentation, such as https://app.example.com/api/v1";

/// The hint for a token that belongs to another channel.
const SKIP_TOKEN_CHECK: &str = "use the previous token of the channel, or another --channel or --journal for another channel; \
                                if the token is correct, add --new-token";

/// The name of the input in errors about a list that would overwrite it.
pub const INPUT: &str = "the input";

/// The failure of a command: a message of one line, lines that show details, a hint, and an exit code.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
    pub details: Vec<String>,
    pub hint: Option<String>,
}

impl Failure {
    /// Wrong usage or configuration.
    pub fn usage(error: &(dyn Error + 'static)) -> Self {
        let hint = error.downcast_ref::<SourceError>().and_then(of_input);
        Self { exit: Exit::Usage, message: with_causes(error), details: Vec::new(), hint }
    }

    /// Wrong usage or configuration, with this message.
    pub fn usage_text(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), details: Vec::new(), hint: None }
    }

    /// An unexpected failure.
    pub fn unexpected(error: &(dyn Error + 'static)) -> Self {
        Self { exit: Exit::Failed, message: with_causes(error), details: Vec::new(), hint: None }
    }

    /// Standard output cannot be written.
    pub fn output(error: &std::io::Error) -> Self {
        Self {
            exit: Exit::Failed,
            message: format!("standard output: failed to write: {error}"),
            details: Vec::new(),
            hint: None,
        }
    }

    /// The failure to write a file: wrong usage, such as a wrong path or missing permission, unless the disk is full.
    pub fn write_failed(path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let failure = Self::usage_text(format!("{}: cannot write it: {error}", path.display()));
        let is_full = matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge);
        Self { exit: if is_full { Exit::Failed } else { failure.exit }, ..failure }
    }

    /// Adds a hint on what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let failure = if error.is_configuration() { Self::usage(&error) } else { Self::unexpected(&error) };
        if let Some(bytes) = open_files::file_size_limit().filter(|_| error.is_disk_failure()) {
            return failure.hint(format!(
                "the file size limit is {bytes} bytes (`ulimit -f`); raise it and run again; nothing is lost, and the next run continues"
            ));
        }
        if let JournalError::Exists { .. } = error {
            return failure.hint("choose another name for the backup; a backup replaces no file");
        }
        if let JournalError::Linked { .. } = error {
            return failure.hint(
                "while no run is active, copy it to a new file and rename the copy over it, which then has no other hard links",
            );
        }
        if error.is_configuration() {
            return failure;
        }
        let hint = if let JournalError::OnlyLog { .. } = error {
            "restore the journal next to it from a backup; or move that file away to start a new journal, with --match so that \
             existing contacts are found"
        } else if let JournalError::LogMissing { .. } | JournalError::InUse { .. } | JournalError::InUseToHash { .. } =
            error
        {
            "wait until the other process has ended, then run the command again"
        } else if let JournalError::Locked { .. } = error {
            "end that program, or let it lock another file; contactsync itself prevents two runs at once"
        } else if let JournalError::Replaced { .. } = error {
            "nothing more was sent; if the file was moved, move it back, then run the command again"
        } else if error.is_damage() {
            "restore it from a backup, or move it away to start a new journal, with --match so that existing contacts are found"
        } else {
            "nothing is lost: the journal has every call, and the next run checks those without an answer"
        };
        failure.hint(hint)
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Journal(error) => error.into(),
            LockError::Held { .. } | LockError::WindowHeld { .. } => {
                Self { exit: Exit::Held, message: with_causes(&error), details: Vec::new(), hint: None }
                    .hint("wait until it has ended, or stop it; a stopped run can be resumed")
            }
            LockError::Foreign { .. } => {
                Self::usage(&error).hint("move this file away; contactsync creates the lock itself")
            }
            LockError::File { .. } => Self::usage(&error),
        }
    }
}

impl From<GuardError> for Failure {
    fn from(error: GuardError) -> Self {
        let exit = match error {
            GuardError::Journal(error) => return error.into(),
            GuardError::Lock(error) => return error.into(),
            GuardError::OtherUrl { .. } => {
                return Self::usage(&error).hint(
                    "use another --channel or --journal for another platform, or --moved if it is the same platform",
                );
            }
            GuardError::OtherMatchFields { .. } => {
                return Self::usage_text(format!("{error}: `--mode create` could create them again")).hint(
                    "use the previous match fields, or --mode upsert, which searches; for other contacts, use another --channel",
                );
            }
            GuardError::WrongUrl { .. } => return Self::usage(&error).hint(CHECK_URL),
            GuardError::NotConnected { .. } => return Self::unexpected(&error),
            GuardError::OtherChannel { .. }
            | GuardError::TokenRefused { .. }
            | GuardError::TokenRefusedNow { .. }
            | GuardError::TokenNotRenewed { .. } => Exit::Unauthorized,
            GuardError::TokenOfOtherChannel { .. }
            | GuardError::TokenUnchecked { .. }
            | GuardError::AccessUnchecked { .. } => Exit::Stopped,
            GuardError::NoAccess { .. } => Exit::Refused,
        };
        let hint = match error {
            GuardError::OtherChannel { .. } => Some(SKIP_TOKEN_CHECK.to_owned()),
            GuardError::TokenOfOtherChannel { .. } => Some("run again".to_owned()),
            GuardError::NoAccess { .. } => Some(
                "check the URL and the token; if they are right, give a contact on the platform that value, or remove check_access"
                    .to_owned(),
            ),
            GuardError::Journal(_)
            | GuardError::Lock(_)
            | GuardError::NotConnected { .. }
            | GuardError::OtherUrl { .. }
            | GuardError::OtherMatchFields { .. }
            | GuardError::WrongUrl { .. }
            | GuardError::TokenRefused { .. }
            | GuardError::TokenRefusedNow { .. }
            | GuardError::TokenNotRenewed { .. }
            | GuardError::TokenUnchecked { .. }
            | GuardError::AccessUnchecked { .. } => None,
        };
        Self { exit, message: error.to_string(), details: Vec::new(), hint }
    }
}

impl From<ForgetError> for Failure {
    fn from(error: ForgetError) -> Self {
        let refused = |error: &ForgetError| Self { exit: Exit::Refused, ..Self::usage(error) };
        match error {
            ForgetError::Guard(error) => error.into(),
            ForgetError::Journal(error) => error.into(),
            ForgetError::List(error) => of_claim(&error),
            ForgetError::Unknown(_) => Self::usage(&error).hint(
                "name the person by a match value, FIELD=VALUE, id:ID, or line:N of a row of the last input that needed a call; \
                 with FIELD=VALUE, --suppress also skips a person who is not known",
            ),
            ForgetError::Ambiguous { .. } => Self::usage(&error).hint("name one of them as FIELD=VALUE"),
            ForgetError::InDoubt { .. } => refused(&error).hint(
                "run a sync first, which searches for the contact: without the journal, it could be created twice",
            ),
            ForgetError::Pending { .. } => {
                refused(&error).hint("finish the run with `contactsync resume`, or sync an input without the person")
            }
        }
    }
}

impl From<UndoError> for Failure {
    fn from(error: UndoError) -> Self {
        let hint = match error {
            UndoError::Guard(error) => return error.into(),
            UndoError::Journal(error) => return error.into(),
            UndoError::NoRun { .. } => "`contactsync runs` lists the runs; use --journal FILE to name the journal",
            UndoError::NoChannel { .. } => "undo the run of a channel; `contactsync runs` lists them",
            UndoError::NotKept { .. } => {
                "values are kept for 30 days, or for --keep-before TIME; `verify INPUT` compares contacts with a file"
            }
            UndoError::Unfinished { .. } => {
                "finish it with `contactsync resume`, or replace it with another `sync`; then undo the run"
            }
        };
        Self::usage(&error).hint(hint)
    }
}

impl From<RunReportError> for Failure {
    fn from(error: RunReportError) -> Self {
        let hint = match error {
            RunReportError::Journal(error) => return error.into(),
            RunReportError::NoRun { .. } => "`contactsync runs` lists the runs; use --journal FILE to name the journal",
            RunReportError::NoRuns => "run a sync first, or use --journal FILE for another journal",
        };
        Self::usage(&error).hint(hint)
    }
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Guard(error) => error.into(),
            SyncError::NotOneChannel { .. } => Self::unexpected(&error),
            SyncError::Claim(error) => of_claim(&error),
            SyncError::UnnamedLists(lists) => {
                let option = |(kind, path): &(ListKind, PathBuf)| {
                    let option = match kind {
                        ListKind::Rejects => "--rejects",
                        ListKind::Results => "--results",
                    };
                    format!("{option} {}", quoted(&path.display().to_string()))
                };
                let options = lists.iter().map(option).collect::<Vec<_>>().join(" ");
                Self::usage_text(format!(
                    "the run was started with `{options}`, which neither the command line nor the configuration sets now"
                ))
                .hint(format!("add `{options}`, or use other file names"))
            }
            SyncError::RowsNotStored { rows } => {
                let (rows, them) =
                    if rows == 1 { ("1 row".to_owned(), "it") } else { (format!("{rows} rows"), "them") };
                Self::usage_text(format!(
                    "--results: the run counted {rows} that needed no call but did not store {them}"
                ))
                .hint("leave out `--results`, or run the same `sync` again with `--results`")
            }
            SyncError::Plan(error) => error.into(),
            SyncError::Refused(error) => error.into(),
            SyncError::Listing(error) => error.into(),
            SyncError::Journal(error) => error.into(),
        }
    }
}

// A list of rows that cannot be written, before anything was sent.
fn of_claim(error: &ListError) -> Failure {
    let failure = Failure::usage(error);
    match error.fault() {
        ListFault::Taken(what) if what == INPUT => failure.hint("use another file: this one is the input"),
        ListFault::Foreign(_) => failure.hint("use another file name, or move this file away; it was not changed"),
        ListFault::Ending(_) => failure.hint("lists are written as CSV or JSONL; spreadsheet programs open CSV"),
        ListFault::Taken(_) | ListFault::Busy | ListFault::Kind(_) | ListFault::Path | ListFault::Write(_) => failure,
    }
}

impl From<TooFewFiles> for Failure {
    fn from(error: TooFewFiles) -> Self {
        Self::usage(&error)
            .hint("raise the limit (`ulimit -Hn`, LimitNOFILE= of systemd), or divide the channels with --shard I/N")
    }
}

impl From<RefusedInput> for Failure {
    fn from(error: RefusedInput) -> Self {
        let hint = match &error.why {
            Refused::TooManyChanges { .. } => {
                "check what changed in the input; if it is intended, use a higher --max-changes"
            }
            Refused::TooManyRejects { .. } => {
                "correct the rows or the mapping; if the rejections are expected, use a higher --max-rejects"
            }
            Refused::TooManyMissing { .. } => {
                "check whether the export is complete; if these contacts are gone on purpose, use a higher --max-missing once"
            }
            Refused::NoRows { .. } => {
                "check whether the export ran; contacts are never marked as missing for an input without rows"
            }
            Refused::TooFewRows { .. } => "check whether the export is complete; if it is, use a lower --min-rows",
            Refused::TooOld { .. } => {
                "check whether the export ran; if the file is the right one, use a longer --max-age"
            }
            Refused::UnknownAge => "omit --max-age for standard input, pipes and commands",
        };
        let (message, details) = match &error.why {
            Refused::TooManyChanges { .. } | Refused::TooManyMissing { .. } if !error.first.is_empty() => {
                (format!("{error}; the first contacts: {}", error.first.join(", ")), Vec::new())
            }
            Refused::TooManyChanges { .. }
            | Refused::TooManyMissing { .. }
            | Refused::NoRows { .. }
            | Refused::TooManyRejects { .. }
            | Refused::TooFewRows { .. }
            | Refused::TooOld { .. }
            | Refused::UnknownAge => (error.to_string(), error.first),
        };
        let exit = match error.why {
            Refused::UnknownAge => Exit::Usage,
            Refused::TooManyChanges { .. }
            | Refused::TooManyMissing { .. }
            | Refused::NoRows { .. }
            | Refused::TooManyRejects { .. }
            | Refused::TooFewRows { .. }
            | Refused::TooOld { .. } => Exit::Refused,
        };
        Self { exit, message, details, hint: None }.hint(hint)
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
            PlanError::Refused(error) => error.into(),
            PlanError::Guard(error) => error.into(),
            PlanError::NoTags => Self::usage(&error).hint(
                "use --tags-mode add, or an input with a column of tags; a column whose cells are blank removes the tags \
                 that contactsync added",
            ),
            PlanError::NoSuchContact(_) => Self::usage(&error).hint(
                "name a contact by a match value or FIELD=VALUE as `plan --diff` shows it, by id:ID, or by line:N",
            ),
            PlanError::NotApproved(_) => {
                Self { exit: Exit::Refused, ..Self::usage(&error) }.hint(
                    "save a new plan with `plan --save` and the same options; if a run of this plan was interrupted, \
                     `contactsync resume` continues it",
                )
            }
            PlanError::Stopped => Self { exit: Exit::Stopped, message: error.to_string(), details: Vec::new(), hint: None },
        }
    }
}

/// The option of a setting.
const fn option_of(setting: InputSetting) -> &'static str {
    match setting {
        InputSetting::Delimiter => "--delimiter",
        InputSetting::Encoding => "--encoding",
        InputSetting::SkipLines => "--skip-lines",
        InputSetting::NoHeader => "--no-header",
        InputSetting::Sheet => "--sheet",
    }
}

/// What to do about an input that is refused.
fn of_input(error: &SourceError) -> Option<String> {
    if let SourceFault::FormatMismatch { found, .. } = error.fault() {
        return Some(format!("use `--format {found}`, or omit `--format`: the format is detected"));
    }
    if let SourceFault::Inapplicable { setting, .. } = error.fault() {
        return Some(format!("omit `{}` for this input", option_of(*setting)));
    }
    if matches!(error.fault(), SourceFault::SeveralSheets { .. }) {
        return Some("select one with `--sheet NAME`".to_owned());
    }
    if let SourceFault::ElementOrder { list, .. } = error.fault() {
        return Some(format!(
            "export the elements of `{list}` in one order or as separate keys, or match by another field; nothing was sent"
        ));
    }
    if matches!(error.fault(), SourceFault::Unclosed { .. }) {
        return Some("close the quote, or double the quotes inside the cell; nothing was sent".to_owned());
    }
    if matches!(error.fault(), SourceFault::SecondHeader { .. }) {
        return Some("save the rows from that line on as a separate file; nothing was sent".to_owned());
    }
    if matches!(error.fault(), SourceFault::NoHeader { .. }) {
        return Some(
            "use `--no-header` if the file has no header, or `--skip-lines N` if the header is below; nothing was sent"
                .to_owned(),
        );
    }
    if matches!(error.fault(), SourceFault::CutOff { .. }) {
        return Some("export the file again, or complete its last row; nothing was sent".to_owned());
    }
    if let SourceFault::Rows { fault, .. } = error.fault() {
        return Some(of_rows(fault));
    }
    None
}

// How to get the contacts of a JSON file into a form in which each is a row.
fn of_rows(fault: &RowsFault) -> String {
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
            format!("save the correct one as a separate file, for instance with {}", saved(first))
        }
        RowsFault::Unclear { array } => format!(
            "save the objects under `{array}` with {}, or leave that key out if each object is a contact",
            saved(array)
        ),
        RowsFault::Keyed { key } => {
            format!("save its members as a separate file, for instance with {}", saved(key))
        }
        RowsFault::Mixed { array } => {
            format!("save contacts of different forms as separate files, for instance with {}", saved(array))
        }
        RowsFault::Nested { arrays } => {
            let first = arrays.first().map(String::as_str).unwrap_or_default();
            format!("save the contacts as a separate file, for instance with {}", saved(first))
        }
        RowsFault::Columns { .. } => {
            "save one object for each contact, for instance with `orient=\"records\"` in pandas, or save it as CSV"
                .to_owned()
        }
        RowsFault::NotObjects { .. } => "save the rows as objects, or as CSV".to_owned(),
        RowsFault::Missing { .. } | RowsFault::Failed => {
            "the input may be incomplete: export it again, or remove that object if it contains no contacts".to_owned()
        }
    }
}

fn is_plain(name: &str) -> bool {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    name.chars().all(is_word) && !name.starts_with(|character: char| character.is_ascii_digit())
}

/// The error and its causes on one line. A cause is omitted only if the text before it contains it word for word.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !repeats(&text, without_code(&inner_text)) {
            let _ = write!(text, ": {inner_text}");
        }
        cause = inner.source();
    }
    text.replace(['\n', '\r'], " ")
}

/// Whether `cause` is a whole part of `text`, between colons or at its ends.
fn repeats(text: &str, cause: &str) -> bool {
    text.match_indices(cause).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + cause.len()..]);
        let begins = before.is_empty() || before.ends_with(": ");
        begins && (after.is_empty() || after.starts_with([':', ';', ',', ')', '\n']))
    })
}

/// The message of an error of SQLite without its number, which the error above it does not repeat.
fn without_code(cause: &str) -> &str {
    let rest = cause.strip_prefix("Error code ").and_then(|rest| rest.split_once(": "));
    rest.filter(|(code, _)| code.bytes().all(|byte| byte.is_ascii_digit())).map_or(cause, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors from the outermost to the innermost, by their texts.
    #[derive(Debug)]
    struct Chain(&'static str, Option<Box<Self>>);

    impl std::fmt::Display for Chain {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Chain {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn a_cause_is_printed_unless_it_is_repeated_word_for_word() {
        let check = |texts: &[&'static str], expected: &str| {
            let chain = texts.iter().rev().fold(None, |cause, text| Some(Box::new(Chain(text, cause))));
            assert_eq!(with_causes(&*chain.unwrap()), expected, "{texts:?}");
        };
        check(&["in.csv"], "in.csv");
        check(&["in.csv: cannot read it", "is a directory"], "in.csv: cannot read it: is a directory");
        check(&["one", "two", "three"], "one: two: three");
        // Repeated as a whole part of the text.
        check(&["cannot write: disk full", "disk full"], "cannot write: disk full");
        check(&["disk full", "disk full"], "disk full");
        check(&["cannot write: disk full; nothing is lost", "disk full"], "cannot write: disk full; nothing is lost");
        check(&["journal: disk I/O error", "Error code 3338: disk I/O error"], "journal: disk I/O error");
        check(&["journal: write", "disk: full", "full"], "journal: write: disk: full");
        // A part of a word, or of a longer part, is no repetition.
        check(&["cannot open the profile", "file"], "cannot open the profile: file");
        check(
            &["timeout of 30 s: timeout while reading", "timeout"],
            "timeout of 30 s: timeout while reading: timeout",
        );
        check(&["list.csv: no directory", "directory"], "list.csv: no directory: directory");
        // Nor is one whose last part alone was there before.
        check(&["journal: disk full", "salt: disk full"], "journal: disk full: salt: disk full");
        check(&["two\nlines", "cause"], "two lines: cause");
    }
}
