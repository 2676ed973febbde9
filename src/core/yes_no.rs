//! The words for yes and no.

use serde_json::Value as Json;

/// What people write for yes in English, Spanish and Portuguese.
pub const YES: [&str; 11] = ["yes", "y", "true", "1", "x", "s\u{ed}", "si", "s", "sim", "verdadero", "verdadeiro"];

/// What people write for no in these languages.
pub(in crate::core) const NO: [&str; 9] = ["no", "n", "false", "0", "-", "n\u{e3}o", "nao", "falso", "f"];

/// The words for true in a field of booleans.
pub const TRUE: [&str; 10] = ["true", "yes", "y", "1", "s\u{ed}", "si", "s", "sim", "verdadero", "verdadeiro"];

/// The words for false in a field of booleans.
pub const FALSE: [&str; 7] = ["false", "no", "n", "0", "n\u{e3}o", "nao", "falso"];

/// What programs print for a boolean: English, Spanish and Portuguese spreadsheets, and scripts.
pub(in crate::core) const PRINTED: [&str; 5] = ["true", "false", "verdadero", "verdadeiro", "falso"];

/// The words for a flag of JSON, such as `"primary": "on"`.
const SET: [&str; 10] = ["true", "1", "yes", "y", "t", "si", "s\u{ed}", "sim", "on", "x"];
const UNSET: [&str; 8] = ["false", "0", "no", "n", "f", "nao", "n\u{e3}o", "off"];

/// The flag that a JSON value is: a boolean, 0 or 1, or a word.
pub(crate) fn flag(json: &Json) -> Option<bool> {
    match json {
        Json::Bool(flag) => Some(*flag),
        Json::Number(number) => number.as_u64().filter(|number| *number < 2).map(|number| number == 1),
        Json::String(text) => {
            let word = text.trim().to_lowercase();
            if SET.contains(&&*word) { Some(true) } else { UNSET.contains(&&*word).then_some(false) }
        }
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}
