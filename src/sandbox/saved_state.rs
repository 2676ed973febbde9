//! The contacts of a sandbox as text, so that a later sandbox can continue with them.
//!
//! The text is JSON with one contact on each line. It contains hashes of tokens, and never a whole token of more than eight
//! characters.

use std::collections::{BTreeMap, HashSet};
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::core::model::{ContactId, Value};
use crate::core::time::Timestamp;
use crate::core::window_id::WindowId;

/// The version of the format. Other versions are refused.
const VERSION: u32 = 1;

/// The name of the format, by which the file of another program is recognised.
const FORMAT: &str = "contactsync sandbox";

/// The contacts of a sandbox at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SavedState {
    pub(super) created: u64,
    pub(super) channels: Vec<SavedChannel>,
}

/// The contacts of a channel.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedChannel {
    /// The token as people see it.
    pub token: String,
    /// The hash of the token.
    pub token_hash: String,
    /// The contacts, in the order of their creation.
    pub contacts: Vec<SavedContact>,
}

/// A contact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedContact {
    /// The platform's id.
    pub id: ContactId,
    /// Milliseconds since the Unix epoch.
    pub created_at: Timestamp,
    /// Whether it was added without the API.
    #[serde(default, skip_serializing_if = "is_false")]
    pub seeded: bool,
    /// The values as the platform shows them.
    pub fields: BTreeMap<String, Option<Value>>,
    /// The values that were sent in another form, by which the search finds the contact too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sent: BTreeMap<String, Option<Value>>,
    /// The tags, in the order in which they were added.
    #[serde(default)]
    pub tags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedFile {
    format: String,
    version: u32,
    created: u64,
    channels: Vec<SavedChannel>,
}

/// The reason for which a text is no saved state. It repeats no value of the text.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SavedStateError {
    /// It is not JSON, or not of this form.
    #[error("line {line}, column {column}: the file is damaged, or is not the saved state of a sandbox")]
    Damaged {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// It is the file of another program.
    #[error("not the saved state of a sandbox")]
    Foreign,
    /// It was written by another version of contactsync.
    #[error("version {0} of the saved state is not supported; expected version {VERSION}")]
    OtherVersion(u32),
    /// Two contacts of a channel have one id, or two channels one token.
    #[error("the file is damaged: {0} occurs twice")]
    Twice(&'static str),
}

impl SavedState {
    /// Number of contacts in all channels.
    pub fn contacts(&self) -> usize {
        self.channels.iter().map(|channel| channel.contacts.len()).sum()
    }

    /// Reads the text of a saved state.
    ///
    /// # Errors
    /// If it is another text, or damaged.
    pub fn parse(text: &[u8]) -> Result<Self, SavedStateError> {
        let file: SavedFile = serde_json::from_slice(text).map_err(|error| {
            // A newer version may have another form.
            match serde_json::from_slice::<Version>(text) {
                Ok(Version { format, .. }) if format != FORMAT => SavedStateError::Foreign,
                Ok(Version { version, .. }) if version != VERSION => SavedStateError::OtherVersion(version),
                Ok(_) | Err(_) => SavedStateError::Damaged { line: error.line(), column: error.column() },
            }
        })?;
        let SavedFile { format, version, created, channels } = file;
        if format != FORMAT {
            return Err(SavedStateError::Foreign);
        }
        if version != VERSION {
            return Err(SavedStateError::OtherVersion(version));
        }
        let mut tokens = HashSet::new();
        for channel in &channels {
            if !tokens.insert(&channel.token_hash) {
                return Err(SavedStateError::Twice("a token"));
            }
            let mut ids = HashSet::new();
            if !channel.contacts.iter().all(|contact| ids.insert(contact.id.as_str())) {
                return Err(SavedStateError::Twice("the id of a contact"));
            }
        }
        Ok(Self { created, channels })
    }
}

/// Writes the text of the state.
impl fmt::Display for SavedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = |text: &str| serde_json::to_string(text).expect("text is always JSON");
        let Self { created, channels } = self;
        write!(f, "{{\"format\":{},\"version\":{VERSION},\"created\":{created},\"channels\":[", json(FORMAT))?;
        for (place, SavedChannel { token, token_hash, contacts }) in channels.iter().enumerate() {
            f.write_str(if place > 0 { ",\n" } else { "\n" })?;
            write!(f, "{{\"token\":{},\"token_hash\":{},\"contacts\":[", json(token), json(token_hash))?;
            for (place, contact) in contacts.iter().enumerate() {
                f.write_str(if place > 0 { ",\n" } else { "\n" })?;
                f.write_str(&serde_json::to_string(contact).expect("its values are always JSON"))?;
            }
            f.write_str("\n]}")?;
        }
        f.write_str("\n]}")?;
        f.write_char('\n')
    }
}

/// The hash by which a saved state recognises a token.
pub(super) fn token_hash(token: &str) -> String {
    WindowId::of(token, FORMAT.as_bytes()).to_string()
}

#[derive(Deserialize)]
struct Version {
    format: String,
    version: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this form")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"format":"contactsync sandbox","version":1,"created":2,"channels":[
{"token":"any","token_hash":"0011223344556677","contacts":[
{"id":"1","created_at":1700000000000,"fields":{"email":"ann@example.com","gone":null,"points":12.5},"tags":["vip"]},
{"id":"2","created_at":1700000000001,"seeded":true,"fields":{"phone":"+34600"},"sent":{"phone":"34600"},"tags":[]}
]}
]}
"#;

    #[test]
    fn a_state_is_written_as_it_was_read() {
        let state = SavedState::parse(WHOLE.as_bytes()).unwrap();
        assert_eq!(state.contacts(), 2);
        assert_eq!(state.to_string(), WHOLE);
        let empty = SavedState::default();
        assert_eq!(SavedState::parse(empty.to_string().as_bytes()), Ok(empty));
    }

    #[test]
    fn every_truncated_state_is_refused() {
        let whole = WHOLE.trim_end();
        for end in 0..whole.len() {
            let found = SavedState::parse(&whole.as_bytes()[..end]);
            assert!(matches!(found, Err(SavedStateError::Damaged { .. })), "{end}: {found:?}");
        }
    }

    #[test]
    fn another_text_is_refused_without_its_values() {
        let check = |text: &str, expected: &str| {
            assert_eq!(SavedState::parse(text.as_bytes()).unwrap_err().to_string(), expected, "{text}");
        };
        let damaged = "the file is damaged, or is not the saved state of a sandbox";
        check("", &format!("line 1, column 0: {damaged}"));
        check("phone\n+34600\n", &format!("line 1, column 1: {damaged}"));
        check("[]", &format!("line 1, column 2: {damaged}"));
        check(&WHOLE.replace("contactsync sandbox", "journal"), "not the saved state of a sandbox");
        check(r#"{"format":"journal","version":1}"#, "not the saved state of a sandbox");
        let other = "version 2 of the saved state is not supported; expected version 1";
        check(&WHOLE.replace("\"version\":1", "\"version\":2"), other);
        check(r#"{"format":"contactsync sandbox","version":2,"contacts":{}}"#, other);
        check(&WHOLE.replace("\"tags\":[\"vip\"]", "\"tags\":7"), &format!("line 3, column 108: {damaged}"));
        check(&WHOLE.replace("\"id\":\"2\"", "\"id\":\"1\""), "the file is damaged: the id of a contact occurs twice");
        check(&WHOLE.replace("\"seeded\":true", "\"sown\":true"), &format!("line 4, column 43: {damaged}"));
    }
}
