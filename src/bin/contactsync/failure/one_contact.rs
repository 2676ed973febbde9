//! The errors of `contact` and `explain`.

use contactsync::one_contact::{BadEdit, ContactError, ExplainError};

use super::{Exit, Failure};

const NAME_ONE: &str = "name one of them as FIELD=VALUE or id:ID";

impl From<ContactError> for Failure {
    fn from(error: ContactError) -> Self {
        let (exit, hint) = match error {
            ContactError::Guard(error) => return error.into(),
            ContactError::Journal(error) => return error.into(),
            ContactError::Unknown(_) => {
                (Exit::Usage, "name a contact that the journal does not know as id:ID or FIELD=VALUE")
            }
            ContactError::Ambiguous { .. } => (Exit::Usage, NAME_ONE),
            ContactError::Edit(BadEdit::NoMatch(_)) => (
                Exit::Usage,
                "name the field that identifies a contact with --match FIELD, and give it a value; it is needed to find \
                 the contact if the answer to the create is lost",
            ),
            ContactError::Edit(BadEdit::MatchField(_)) => {
                (Exit::Usage, "read the contact with `contactsync contact get`, and name it as id:ID")
            }
            ContactError::Edit(BadEdit::Flaw(_)) => return Self::usage(&error),
            ContactError::Known { .. } | ContactError::Exists { .. } => {
                (Exit::Refused, "change it with `contactsync contact update`")
            }
            ContactError::Suppressed { .. } => {
                (Exit::Refused, "the person was suppressed with `contactsync journal forget --suppress`")
            }
            ContactError::InDoubt { .. } => {
                (Exit::Refused, "run a sync first: it searches for the contact, which prevents a duplicate")
            }
            ContactError::Unfinished { .. } => (
                Exit::Refused,
                "finish it with `contactsync resume`, or replace it with another `sync`; nothing was sent",
            ),
            ContactError::SearchRefused { .. } => {
                return Self { exit: Exit::Rejected, ..Self::usage(&error) };
            }
            ContactError::SearchFailed { .. } => (Exit::Stopped, "run the same command again"),
        };
        Self { exit, ..Self::usage(&error) }.hint(hint)
    }
}

impl From<ExplainError> for Failure {
    fn from(error: ExplainError) -> Self {
        match error {
            ExplainError::Input(error) => error.into(),
            ExplainError::Journal(error) => error.into(),
            ExplainError::Ambiguous { .. } => Self::usage(&error).hint(format!("{NAME_ONE}, and its channel with --channel")),
            ExplainError::Unknown(_) => Self::usage(&error).hint(
                "name a contact by a match value, FIELD=VALUE, id:ID, or line:N; without INPUT, line:N finds a row of the last \
                 input that was rejected or needed a call; `contactsync report` lists rejected rows with their lines",
            ),
        }
    }
}
