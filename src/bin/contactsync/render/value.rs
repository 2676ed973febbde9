//! Values of contacts as they are printed: keys as they are, other values masked unless they are asked for.

use contactsync::Field;
use contactsync::contact::{HASHED, Key, Value};
use contactsync::report::masked;
use serde_json::json;

/// Which values are printed as they are.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    all: bool,
    /// The names of fields whose values are keys.
    key_fields: Vec<String>,
    /// Keys, as they are printed.
    keys: Vec<String>,
}

impl Shown {
    /// All values, or those of these match fields and keys.
    pub fn of(all: bool, key_fields: &[String], keys: impl IntoIterator<Item = String>) -> Self {
        Self { all, key_fields: key_fields.to_vec(), keys: keys.into_iter().collect() }
    }

    /// The value of a field, for a person.
    pub fn text(&self, name: &str, value: &Value) -> String {
        let text = value.text();
        if value.is_blank() {
            "(blank)".into()
        } else if *text == *HASHED || self.is_shown(name, value) {
            text.into_owned()
        } else {
            masked(&text)
        }
    }

    /// The value of a field in JSON.
    pub fn json(&self, name: &str, value: &Value) -> serde_json::Value {
        let text = value.text();
        if *text == *HASHED {
            json!(HASHED)
        } else if value.is_blank() || self.is_shown(name, value) {
            json!(value)
        } else {
            json!(masked(&text))
        }
    }

    fn is_shown(&self, name: &str, value: &Value) -> bool {
        let is_key = || {
            let key = Key::of(&Field { name: name.into(), value: value.clone() }).to_string();
            self.keys.contains(&key)
        };
        self.all || self.key_fields.iter().any(|field| field == name) || is_key()
    }
}
