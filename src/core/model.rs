//! The terms of the field as types: values and fields, ids and keys, contacts, and what the platform has.

pub mod contact;
pub mod key;
pub mod mode;
pub mod remote;
pub mod remote_state;
pub mod value;
pub mod write_mode;

pub use self::contact::{Contact, Draft, Flaw, Rejection};
pub use self::key::{ContactId, HashedKey, ID_KEY, ID_NAME, Key};
pub use self::mode::Mode;
pub use self::remote::Remote;
pub use self::remote_state::{Known, RemoteState};
pub use self::value::{Field, Forms, HASHED, HashedValue, Value, ValueKey, ValueKind};
pub use self::write_mode::WriteMode;
