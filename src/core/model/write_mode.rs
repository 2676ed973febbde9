//! When a field is written: who owns its value on the platform.

use serde::{Deserialize, Serialize};

/// When a field is written. A contact that is being created is always given all its fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    /// Whenever the platform has another value: the input owns the field.
    #[default]
    Always,
    /// Only when the contact is created: from then on, the platform's users own it.
    OnCreate,
    /// Only while the platform's value is known to be blank.
    IfBlank,
    /// Only together with another field of the contact, so that it never takes a call by itself.
    WithOthers,
}

impl WriteMode {
    /// All modes, the default first.
    pub const ALL: [Self; 4] = [Self::Always, Self::OnCreate, Self::IfBlank, Self::WithOthers];

    /// The name in configuration files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OnCreate => "on_create",
            Self::IfBlank => "if_blank",
            Self::WithOthers => "with_others",
        }
    }

    /// Whether users of the platform may change the value, so that another one than was written is right.
    pub const fn may_be_edited(self) -> bool {
        match self {
            Self::OnCreate | Self::IfBlank => true,
            Self::Always | Self::WithOthers => false,
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde and iterators pass a reference")]
    pub(crate) const fn is_always(&self) -> bool {
        matches!(self, Self::Always)
    }
}
