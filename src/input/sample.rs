//! How much of an input is read before its format and its structure are decided.

/// Size of the sample, in bytes.
pub(super) const SAMPLE: usize = 64 * 1024;
