//! The token of a channel. It is sent in a header and never shown.

use std::fmt;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::core::attempt::Attempt;
use crate::core::page::Page;
use crate::core::window_id::WindowId;

/// The replacement of a token that a response repeats.
const HIDDEN: &str = "[token]";

/// The BOM, which some editors put before a text.
const BOM: char = '\u{feff}';

/// The shortest beginning of a token that is hidden, in characters.
const SHORTEST_HIDDEN: usize = 4;

/// A channel's API token. Its memory is erased when it is dropped, and its `Debug` output hides it.
#[derive(Clone)]
pub struct Token(SecretString);

/// The reason why a text is not a token. The text itself is never part of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Only blanks.
    #[error("the token is empty; copy it from the channel's settings (the key icon)")]
    Empty,
    /// A blank inside, as in `Bearer abc`.
    #[error("the token contains a space or a line break; remove `Bearer` and any other lines")]
    Blank,
    /// A character that is not allowed in a header.
    #[error("the token contains a character that is not visible ASCII, at position {0}; copy the token again")]
    Character(usize),
}

impl Token {
    /// Creates a token. Blanks and line breaks around it, and a BOM before it, are ignored.
    ///
    /// # Errors
    /// A [`TokenError`] if it is empty or not allowed in a header.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let text = text.trim_start_matches(BOM).trim();
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        match text.chars().position(|c| !c.is_ascii_graphic()) {
            None => Ok(Self(SecretString::from(text))),
            Some(at) if text.chars().nth(at).is_some_and(char::is_whitespace) => Err(TokenError::Blank),
            Some(at) => Err(TokenError::Character(at + 1)),
        }
    }

    /// The window in which the calls with this token count.
    pub fn window(&self, salt: &[u8]) -> WindowId {
        WindowId::of(self.0.expose_secret(), salt)
    }

    /// The value of the `Authorization` header, marked as sensitive so that no log shows it.
    pub(super) fn bearer(&self) -> HeaderValue {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0.expose_secret()))
            .expect("visible ASCII always fits into a header");
        value.set_sensitive(true);
        value
    }

    /// Returns the attempt without the token, in case the platform repeats it in a message.
    #[must_use]
    pub fn redacted(&self, attempt: Attempt) -> Attempt {
        let clean = |text: String| self.redact(&text);
        match attempt {
            Attempt::Page(page) => Attempt::Page(Page { contradiction: page.contradiction.map(clean), ..page }),
            Attempt::Missing { message } => Attempt::Missing { message: clean(message) },
            Attempt::Taken { message, by } => Attempt::Taken { message: clean(message), by },
            Attempt::Refused { status, message, about_row } => {
                Attempt::Refused { status, message: clean(message), about_row }
            }
            Attempt::Unauthorized { message } => Attempt::Unauthorized { message: clean(message) },
            Attempt::Queued { message } => Attempt::Queued { message: clean(message) },
            Attempt::Unsent { cause } => Attempt::Unsent { cause: clean(cause) },
            Attempt::WrongPath { message } => Attempt::WrongPath { message: clean(message) },
            Attempt::Lost { status, cause, retry_after } => Attempt::Lost { status, cause: clean(cause), retry_after },
            silent @ (Attempt::Contact(_) | Attempt::Created(_) | Attempt::Done | Attempt::Throttled { .. }) => silent,
        }
    }

    // The text without the token, or without its beginning where the text was cut.
    fn redact(&self, text: &str) -> String {
        let secret = self.0.expose_secret();
        // Such a short token is a word of any text. It exists only in tests and rehearsals.
        if secret.len() < SHORTEST_HIDDEN {
            return text.to_owned();
        }
        let clean = text.replace(secret, HIDDEN);
        let Some(kept) = clean.strip_suffix('…') else { return clean };
        // The token is ASCII, so each of its bytes is a character.
        match (SHORTEST_HIDDEN..secret.len()).rev().find(|&length| kept.ends_with(&secret[..length])) {
            Some(length) => format!("{}{HIDDEN}…", &kept[..kept.len() - length]),
            None => clean,
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([hidden])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_normalised_and_never_shown() {
        let token = Token::new(" abc.DEF-123/+=\n").unwrap();
        assert_eq!(token.bearer().to_str().unwrap(), "Bearer abc.DEF-123/+=");
        assert_eq!(format!("{token:?} {:?}", token.bearer()), "Token([hidden]) Sensitive");
        assert_eq!(Token::new("\u{feff}abc\r\n").unwrap().bearer().to_str().unwrap(), "Bearer abc");
    }

    #[test]
    fn an_invalid_token_is_not_repeated_in_the_message() {
        let check = |text: &str, expected: TokenError| {
            let error = Token::new(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("abc"));
        };
        check("", TokenError::Empty);
        check(" \n", TokenError::Empty);
        check("\u{feff}\n", TokenError::Empty);
        check("abc\u{feff}", TokenError::Character(4));
        check("Bearer abc", TokenError::Blank);
        check("abc\nabc", TokenError::Blank);
        check("abcé", TokenError::Character(4));
        check("abc\u{7f}", TokenError::Character(4));
    }

    #[test]
    fn the_token_is_removed_from_messages() {
        let token = Token::new("tok-12345678").unwrap();
        let check = |text: &str, expected: &str| assert_eq!(token.redact(text), expected, "{text}");
        check("no contact", "no contact");
        check("Token tok-12345678 is invalid", "Token [token] is invalid");
        check("Token tok-1234…", "Token [token]…");
        assert_eq!(Token::new("t").unwrap().redact("text"), "text");
        check("Token tok-1234", "Token tok-1234");
        check("a tok…", "a tok…");
    }
}
