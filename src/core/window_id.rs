//! The id of a window, made of a token: the calls of channels with equal tokens count in one window.

use std::fmt;

use sha2::{Digest, Sha256};

/// The name of a window. The platform counts calls by token (API.md, "Platforms"), so channels whose tokens are equal
/// share one, whatever they are called.
///
/// It is made of the token by a digest that cannot be undone, with the journal's own salt, so that the same token has
/// other names elsewhere; and it is short, so that it fits many tokens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId(String);

/// How many bytes of the digest are kept: enough that two tokens of one journal do not share a window by chance.
const KEPT: usize = 8;

impl WindowId {
    /// The name of the window of `token`, for a journal with this salt.
    pub fn of(token: &str, salt: &[u8]) -> Self {
        let mut digest = Sha256::new();
        digest.update(u64::try_from(salt.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(salt);
        digest.update(token);
        let digest = digest.finalize();
        let kept = digest.first_chunk::<KEPT>().expect("SHA-256 has 32 bytes");
        Self(format!("{:016x}", u64::from_be_bytes(*kept)))
    }

    /// The window whose name the journal has.
    pub(crate) const fn from_journal(name: String) -> Self {
        Self(name)
    }

    /// The name as the journal has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WindowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_tokens_share_a_window_within_a_journal_only() {
        let of = |token: &str, salt: &[u8]| WindowId::of(token, salt);
        assert_eq!(of("token", b"salt"), of("token", b"salt"));
        assert_ne!(of("token", b"salt"), of("token2", b"salt"));
        assert_ne!(of("token", b"salt"), of("token", b"other"));
        assert_ne!(of("ttoken", b"sal"), of("token", b"salt"));
        assert_eq!(of("token", b"salt").as_str().len(), 2 * KEPT);
    }
}
