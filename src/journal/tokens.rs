//! The tokens with which the channels were synced, as digests.

use super::{Journal, JournalError};
use crate::core::token_recognition::KnownContact;
use crate::core::window_id::WindowId;

impl Journal {
    /// The digest of the token with which a channel was last synced; `None` before its first sync.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub async fn token_of(&self, channel: &str) -> Result<Option<WindowId>, JournalError> {
        let channel = channel.to_owned();
        self.ask(move |store| store.token_of(&channel)).await
    }

    /// Records the digest of the token with which a channel is synced from now on.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) async fn set_token(&self, channel: &str, token: &WindowId) -> Result<(), JournalError> {
        let (channel, token) = (channel.to_owned(), token.clone());
        self.ask(move |store| store.set_token(&channel, &token)).await
    }

    /// Known contacts of a channel by which a token can be recognised, at most six; none when the channel has no known
    /// contact. Contacts in doubt are not among them.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub async fn known_contacts(&self, channel: &str) -> Result<Vec<KnownContact>, JournalError> {
        let channel = channel.to_owned();
        self.ask(move |store| store.known_contacts(&channel)).await
    }
}
