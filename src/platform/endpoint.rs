//! The base URL of a platform, checked before anything is sent to it, and the kind of a channel.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;
use serde::{Deserialize, Serialize};

/// The URL before the path of every call. It contains no secret and may be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    // Without a slash at the end, so that a path can follow as it is.
    text: String,
    loopback: bool,
    encrypted: bool,
}

/// The reason why a text is not a base URL. No message repeats a part that could contain a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// The text does not begin with a scheme and `://`.
    #[error("expected a URL such as `https://app.example.com/api/v1`, found a text without `https://`")]
    NotAbsolute,
    /// A scheme that does not carry HTTP.
    #[error("expected a URL that begins with `https://`, found `{0}://`")]
    Scheme(String),
    /// A character that is not allowed in a URL, and that a parser would drop or replace silently.
    #[error("expected a URL without blanks, control characters and backslashes, found {0:?}")]
    Character(char),
    /// The error of the URL parser, such as an empty host.
    #[error("expected a URL such as `https://app.example.com/api/v1`, found an invalid one: {0}")]
    Unreadable(String),
    /// A name or a password before the host.
    #[error("expected a URL without a name or password, found one before `@`")]
    UserInfo,
    /// A query, which every call would have to repeat.
    #[error("expected a URL that ends with its path, found a query; remove the part from `?` on")]
    Query,
    /// A fragment, which is never sent.
    #[error("expected a URL that ends with its path, found a fragment; remove the part from `#` on")]
    Fragment,
    /// The token would be sent unencrypted (API.md, trap 1).
    #[error("expected `https://`, found plain `http://` to `{0}`, which sends the token unencrypted")]
    Plain(String),
}

impl BaseUrl {
    /// Checks a base URL. Slashes at its end are ignored.
    ///
    /// Plain `http://` is accepted for this machine only (127.0.0.0/8, `::1`, `localhost`), unless `allow_http` is set.
    ///
    /// # Errors
    /// A [`UrlError`] with the reason in one line.
    pub fn parse(text: &str, allow_http: bool) -> Result<Self, UrlError> {
        let text = text.trim();
        if let Some(odd) = text.chars().find(|&c| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(UrlError::Character(odd));
        }
        let (scheme, _) = text.split_once("://").ok_or(UrlError::NotAbsolute)?;
        let url = Url::parse(text).map_err(|error| UrlError::Unreadable(error.to_string()))?;
        let encrypted = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(UrlError::Scheme(scheme.chars().take(20).collect())),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::UserInfo);
        }
        if url.query().is_some() {
            return Err(UrlError::Query);
        }
        if url.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        let host = url.host_str().ok_or_else(|| UrlError::Unreadable("no host".to_owned()))?;
        let loopback = is_loopback(host);
        if !encrypted && !loopback && !allow_http {
            return Err(UrlError::Plain(host.to_owned()));
        }
        Ok(Self { text: url.as_str().trim_end_matches('/').to_owned(), loopback, encrypted })
    }

    /// The URL, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether its host is this machine, so that no request leaves it.
    pub const fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether it is `https://`.
    pub const fn is_encrypted(&self) -> bool {
        self.encrypted
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

// The URL parser has normalised other spellings of an address (`127.1`, `0x7f000001`).
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The form of contact ids in the paths of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// Unchanged: every channel except Viber.
    #[default]
    Standard,
    /// In Base64 (API.md, "Viber").
    Viber,
}

impl ChannelKind {
    /// The name of the kind in the journal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Viber => "viber",
        }
    }

    /// Returns the kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Standard, Self::Viber].into_iter().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_normalised() {
        let check = |text: &str, expected: &str, loopback: bool| {
            let url = BaseUrl::parse(text, false).unwrap();
            assert_eq!((url.to_string().as_str(), url.is_loopback()), (expected, loopback), "{text}");
        };
        check("https://app.1980tic.us/api/v1", "https://app.1980tic.us/api/v1", false);
        check("  HTTPS://App.1980TIC.us/api/v1//  ", "https://app.1980tic.us/api/v1", false);
        check("https://example.com", "https://example.com", false);
        check("https://example.com:8443/", "https://example.com:8443", false);
        check("https://example.com/a/../v1", "https://example.com/v1", false);
        check("http://localhost:8080/api/v1", "http://localhost:8080/api/v1", true);
        check("http://127.9.8.7:80", "http://127.9.8.7", true);
        check("http://127.1:81", "http://127.0.0.1:81", true);
        check("http://[::1]:8080", "http://[::1]:8080", true);
    }

    #[test]
    fn a_url_that_would_not_reach_the_platform_safely_is_refused() {
        let check = |text: &str, expected: &str| {
            let error = BaseUrl::parse(text, false).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains('\n') && !error.contains("s3cret"), "{text}: {error}");
        };
        check("", "without `https://`");
        check("app.1980tic.us/api/v1", "without `https://`");
        check("s3cret", "without `https://`");
        check("https:app.1980tic.us", "without `https://`");
        check("ftp://example.com", "found `ftp://`");
        check("https://", "empty host");
        check("https://exa mple.com", "' '");
        check("https://exa\nmple.com", "'\\n'");
        check("https:\\\\example.com", "'\\\\'");
        check("https://[::1", "an invalid one");
        check("https://example.com:99999", "invalid port");
        check("https://me:s3cret@example.com", "before `@`");
        check("https://s3cret@example.com", "before `@`");
        check("https://example.com/v1?token=s3cret", "from `?` on");
        check("https://example.com/v1#s3cret", "from `#` on");
        check("http://app.1980tic.us/api/v1", "plain `http://` to `app.1980tic.us`");
        check("http://localhost.example.com", "plain `http://`");
        check("http://128.0.0.1", "plain `http://`");
        check("http://0.0.0.0", "plain `http://`");
        check("http://[::ffff:127.0.0.1]", "plain `http://`");
    }

    #[test]
    fn plain_http_to_another_host_needs_permission() {
        let url = BaseUrl::parse("http://10.0.0.7/api/v1", true).unwrap();
        assert!(!url.is_loopback() && !url.is_encrypted());
    }
}
