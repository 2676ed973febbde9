//! How a journal keeps values.

/// How a journal keeps the values that it knows of contacts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeptValues {
    /// As they are.
    #[default]
    Plain,
    /// As keyed hashes, except those of rows that are pending and of contacts in doubt.
    Hashed,
}
