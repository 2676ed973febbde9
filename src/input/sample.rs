//! How much of a text is read before its format and its structure are decided.

/// How much of a text is looked at, in bytes.
pub(super) const SAMPLE: usize = 64 * 1024;
