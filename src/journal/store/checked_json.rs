//! JSON with a checksum as its last member. SQLite's log has checksums and its file has none: a flipped bit in a match value
//! would create a contact that does not exist, and drop the one that does.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Result, damaged, json, parse};

/// The last member of an object with a checksum, with `?` for the digits of its checksum.
const SUM_MEMBER: &[u8] = br#","sum":"????????"}"#;

/// Maximum number of wrong characters in a damaged last member. A text of an earlier version has no checksum, and more characters
/// differ.
const MOST_WRONG: usize = 3;

/// The value as JSON, with a checksum when it is an object.
pub(super) fn checked_json(value: &impl Serialize) -> String {
    let mut text = json(value);
    if text.ends_with('}') && text.len() > 2 {
        let sum = crc32fast::hash(text.as_bytes());
        text.truncate(text.len() - 1);
        text.push_str(&format!(r#","sum":"{sum:08x}"}}"#));
    }
    text
}

/// Reads a value with its checksum, or one without that an earlier version wrote.
pub(super) fn parse_checked<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    let Some((content, last)) = text.as_bytes().split_last_chunk::<{ SUM_MEMBER.len() }>() else {
        return parse(what, text);
    };
    let wrong = SUM_MEMBER.iter().zip(last).filter(|(expected, found)| **expected != b'?' && expected != found).count();
    if wrong > MOST_WRONG {
        return parse(what, text);
    }
    let mut object = content.to_vec();
    object.push(b'}');
    let sum = format!("{:08x}", crc32fast::hash(&object));
    match std::str::from_utf8(&object) {
        Ok(object) if wrong == 0 && &last[8..16] == sum.as_bytes() => parse(what, object),
        Ok(_) | Err(_) => Err(damaged(what, "its checksum is another one")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::attempt::Attempt;
    use crate::core::model::{Contact, Draft, Field};

    #[test]
    fn every_flipped_bit_of_a_value_is_noticed() {
        let contact = Contact::new(Draft {
            matches: vec![Field::text("email", "añn@example.com")],
            tags: vec!["a".into()],
            ..Draft::default()
        })
        .unwrap();
        let text = checked_json(&contact);
        assert_eq!(parse_checked::<Contact>("a contact", &text).unwrap(), contact);
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // Invalid UTF-8 is not read at all.
            let Ok(turned) = String::from_utf8(bytes) else { continue };
            assert!(parse_checked::<Contact>("a contact", &turned).is_err(), "{turned}");
        }
    }

    #[test]
    fn values_without_a_checksum_are_read_as_they_are() {
        for attempt in [Attempt::Done, Attempt::lost(None, "reset".into()), Attempt::throttled(None)] {
            assert_eq!(parse_checked::<Attempt>("an attempt", &checked_json(&attempt)).unwrap(), attempt);
            assert_eq!(parse_checked::<Attempt>("an attempt", &json(&attempt)).unwrap(), attempt);
        }
        let empty = std::collections::BTreeMap::<String, String>::new();
        assert_eq!(checked_json(&empty), "{}");
    }
}
