//! Match values of which only keyed hashes are kept: the form in which a key has one in place of its value.
//!
//! It begins with a space, so that no match value has this form: those are trimmed.

/// Number of hexadecimal digits of a hash.
const DIGITS: usize = 16;

/// Number of characters that are shown of a hash. They distinguish a contact from others for a reader.
const SHOWN: usize = 8;

/// The hashes of a match value, with which a key has its contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashedKey {
    /// The tag that snapshots have of a contact: the hash of the key's text.
    pub tag: u64,
    /// The hash of the value in its field, as [`FieldKey::text`](crate::core::model::value::ValueKey::of_field) has it.
    pub exact: u64,
    /// Whether the value is long enough to identify a person.
    pub is_identifying: bool,
}

impl HashedKey {
    /// In place of a key's value.
    pub fn text(&self) -> String {
        let mark = if self.is_identifying { "" } else { "~" };
        format!(" {:016x}{:016x}{mark}", self.exact, self.tag)
    }

    /// The beginning of what stands in place of a key's value whose hash is this one.
    pub fn beginning(exact: u64) -> String {
        let text = Self { exact, tag: 0, is_identifying: true }.text();
        text[..=DIGITS].to_owned()
    }

    /// From what stands in place of a key's value. `None` for a value.
    pub fn parse(value: &str) -> Option<Self> {
        let text = value.strip_prefix(' ')?;
        // The number of a row among those with its content.
        let text = text.split_once('.').map_or(text, |(text, _)| text);
        let (text, is_identifying) = text.strip_suffix('~').map_or((text, true), |text| (text, false));
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let (exact, tag) = text.split_at_checked(DIGITS)?;
        if tag.len() != DIGITS || !text.bytes().all(is_digit) {
            return None;
        }
        let number = |digits: &str| u64::from_str_radix(digits, 16).ok();
        Some(Self { exact: number(exact)?, tag: number(tag)?, is_identifying })
    }
}

impl HashedKey {
    /// The hashes in the text of a key; `None` for a key with a value.
    pub fn of_key(key: &str) -> Option<Self> {
        divided(key).and_then(|(_, value)| Self::parse(value))
    }
}

/// The text of a key as it is printed: of a hash, only the beginning.
pub fn shown(key: &str) -> String {
    match divided(key).filter(|(_, value)| HashedKey::parse(value).is_some()) {
        Some((name, value)) => format!("{name}…{}", value.chars().skip(1).take(SHOWN).collect::<String>()),
        None => key.to_owned(),
    }
}

// What precedes the value of a key, and the value. A name has no `=`.
fn divided(key: &str) -> Option<(&str, &str)> {
    let length = key.find('=').or_else(|| key.find('#').filter(|at| *at == 0))? + 1;
    Some(key.split_at(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Field, Key};

    #[test]
    fn the_hashes_of_a_key_are_read_back_and_no_value_is_taken_for_them() {
        for is_identifying in [true, false] {
            let hashed = HashedKey { tag: 7, exact: u64::MAX, is_identifying };
            let text = hashed.text();
            assert_eq!(HashedKey::parse(&text), Some(hashed));
            assert!(text.starts_with(&HashedKey::beginning(u64::MAX)) && !text.starts_with(&HashedKey::beginning(7)));
            assert_eq!(HashedKey::parse(&format!("{text}.00000002")), Some(hashed));
            assert_eq!(HashedKey::parse(text.trim()), None);
            let Key::Match { value, .. } = Key::of(&Field::text("phone", &*text)) else { panic!("{text}") };
            assert_eq!(HashedKey::parse(&value), None, "a row with this value");
        }
        for other in
            ["", " ", "+521", " 00ff", " 0000000000000000000000000000000g", " +000000000000000+000000000000000"]
        {
            assert_eq!(HashedKey::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_printed_key_has_the_beginning_of_its_hash() {
        let hashed = HashedKey { tag: 0, exact: u64::MAX, is_identifying: true }.text();
        assert_eq!(shown(&format!("phone={hashed}")), "phone=…ffffffff");
        assert_eq!(shown(&format!("customer #={hashed}")), "customer #=…ffffffff");
        assert_eq!(shown(&format!("#{hashed}.00000001")), "#…ffffffff");
        for plain in ["phone=+521", "contact_id=7", "#d41d8c.00000001", "a%3Db=c=d"] {
            assert_eq!(shown(plain), plain);
        }
    }
}
