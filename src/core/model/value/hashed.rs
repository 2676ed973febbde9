//! Values of which only keyed hashes are kept: how they compare with other values without being known.
//!
//! A journal that keeps no values keeps these. They compare as the values themselves would, by [`Value::same`] exactly. By
//! [`Value::resembles`] they lack one form: a text that was cut short differs from the whole one.

use std::fmt;
use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128 as _, SipHasher13 as LongHasher};

use super::{SHORTEST_PHONE, SUBSCRIBER_DIGITS, Value, bare, exact_number};
use crate::core::text::trimmed;

/// The secret of a journal with which it hashes values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ValueKey([u8; 16]);

/// The secret with which the values of one field are hashed. Equal values of two fields have different hashes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FieldKey([u8; 16]);

/// The keyed hashes of a value that is not blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashedValue {
    key: FieldKey,
    forms: Forms,
}

/// The hashes of a value's forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forms {
    /// The type of the value.
    pub kind: ValueKind,
    /// Whether it is long enough to identify a person.
    pub is_identifying: bool,
    /// Whether it is written as a phone number is.
    pub is_phone: bool,
    /// The hash of its text.
    pub exact: u64,
    /// The hash of the number or boolean that it is, or that its text stands for.
    pub typed: Option<u64>,
    /// The hash of its letters and digits, ignoring case.
    pub bare: u32,
    /// If it consists of digits, the hashes of the last seven and of the last eight of them, if there are as many.
    pub tails: [Option<u32>; 2],
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Text.
    Text,
    /// A JSON number.
    Number,
    /// `true` or `false`.
    Bool,
}

impl ValueKey {
    /// A key of these random bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The key of a field.
    pub fn of_field(&self, name: &str) -> FieldKey {
        let mut hasher = LongHasher::new_with_key(&self.0);
        hasher.write(name.as_bytes());
        FieldKey(hasher.finish128().as_u128().to_le_bytes())
    }
}

impl FieldKey {
    /// The hash of a text, trimmed.
    pub fn text(&self, text: &str) -> u64 {
        self.hash(b't', trimmed(text).as_bytes())
    }

    /// The value as it is kept: a blank one as it is, since it says nothing, and others as their hashes.
    pub fn hashed(&self, value: &Value) -> Value {
        match value {
            Value::Hashed(_) => value.clone(),
            Value::Text(_) if value.is_blank() => Value::Text("".into()),
            Value::Text(_) | Value::Number(_) | Value::Bool(_) => {
                Value::Hashed(Box::new(HashedValue { key: *self, forms: self.forms(value) }))
            }
        }
    }

    fn hash(&self, form: u8, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write_u8(form);
        hasher.write(bytes);
        hasher.finish()
    }

    fn short(&self, form: u8, text: &str) -> u32 {
        (self.hash(form, text.as_bytes()) >> 32) as u32
    }

    fn exact(&self, value: &Value) -> u64 {
        self.text(&value.text())
    }

    fn typed(&self, value: &Value) -> Option<u64> {
        let text = value.text();
        let text = trimmed(&text);
        let flag = |flag: bool| self.hash(b'b', &[u8::from(flag)]);
        match value {
            Value::Bool(of) => Some(flag(*of)),
            Value::Text(_) if text.eq_ignore_ascii_case("true") => Some(flag(true)),
            Value::Text(_) if text.eq_ignore_ascii_case("false") => Some(flag(false)),
            Value::Text(_) => exact_number(text).map(|number| self.hash(b'n', &number.to_bits().to_le_bytes())),
            Value::Number(number) => {
                exact_number(&number.to_string()).map(|number| self.hash(b'n', &number.to_bits().to_le_bytes()))
            }
            Value::Hashed(hashed) => hashed.forms.typed,
        }
    }

    fn forms(&self, value: &Value) -> Forms {
        let bare = bare(value);
        let is_of_digits = bare.bytes().all(|byte| byte.is_ascii_digit());
        let tail = |length: usize, form: u8| {
            let start = bare.len().checked_sub(length).filter(|_| is_of_digits)?;
            Some(self.short(form, &bare[start..]))
        };
        Forms {
            kind: match value {
                Value::Number(_) => ValueKind::Number,
                Value::Bool(_) => ValueKind::Bool,
                Value::Text(_) | Value::Hashed(_) => ValueKind::Text,
            },
            is_identifying: value.is_identifying(),
            is_phone: value.is_written_as_phone(),
            exact: self.exact(value),
            typed: self.typed(value),
            bare: self.short(b'a', &bare),
            tails: [tail(SHORTEST_PHONE, b'7'), tail(SUBSCRIBER_DIGITS, b'8')],
        }
    }
}

impl HashedValue {
    /// The value with these hashes, which were made with this key.
    pub const fn new(key: FieldKey, forms: Forms) -> Self {
        Self { key, forms }
    }

    /// A value of which nothing is known but the hash of its text.
    pub const fn of_text(key: FieldKey, exact: u64, is_identifying: bool) -> Self {
        let kind = ValueKind::Text;
        let forms = Forms { kind, is_identifying, is_phone: false, exact, typed: None, bare: 0, tails: [None; 2] };
        Self { key, forms }
    }

    /// Its hashes.
    pub const fn forms(&self) -> &Forms {
        &self.forms
    }

    /// As [`Value::same`].
    pub(super) fn same(&self, other: &Value) -> bool {
        let mine = &self.forms;
        let (kind, exact) = match other {
            Value::Hashed(other) => (other.forms.kind, other.forms.exact),
            Value::Text(_) => (ValueKind::Text, self.key.exact(other)),
            Value::Number(_) => (ValueKind::Number, self.key.exact(other)),
            Value::Bool(_) => (ValueKind::Bool, self.key.exact(other)),
        };
        if mine.exact == exact {
            return true;
        }
        let are_texts = mine.kind == ValueKind::Text && kind == ValueKind::Text;
        !are_texts && mine.typed.is_some() && mine.typed == self.key.typed(other)
    }

    /// As [`Value::resembles`].
    pub(super) fn resembles(&self, other: &Value) -> bool {
        let mine = &self.forms;
        let theirs = match other {
            Value::Hashed(other) => other.forms,
            Value::Text(_) | Value::Number(_) | Value::Bool(_) => self.key.forms(other),
        };
        let is_typed = mine.typed.is_some() && mine.typed == theirs.typed;
        let is_phone = match (mine.tails, theirs.tails) {
            ([_, Some(one)], [_, Some(other)]) | ([Some(one), _], [Some(other), _]) => one == other,
            _ => false,
        };
        mine.bare == theirs.bare || is_phone || is_typed || self.same(other)
    }
}

/// Without the key.
impl fmt::Debug for ValueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ValueKey")
    }
}

/// Without the key.
impl fmt::Debug for FieldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FieldKey")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: ValueKey = ValueKey::new([7; 16]);

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[ ]?[+]?[0-9]{1,12}(\\.0{1,2})?[ ]?",
            "(52|521|\\+52|)5512345[0-9]{0,3}",
            "(TRUE|true|False|false|tRue)",
            "[ ]?[Aa]n(n|ñ|n\u{303})[ .-]?[12]?",
            Just("1e3".to_owned()),
            Just("007".to_owned()),
        ];
        prop_oneof![
            6 => text.prop_map(|text| Value::Text(text.into())),
            2 => (-20_i64..20).prop_map(|number| Value::Number(number.into())),
            1 => Just(json("9007199254740993")),
            1 => Just(json("1000.0")),
            1 => any::<bool>().prop_map(Value::Bool),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

        #[test]
        fn hashed_values_compare_as_the_values_do(one in any_value(), other in any_value()) {
            let key = KEY.of_field("phone");
            let (hashed, other_hashed) = (key.hashed(&one), key.hashed(&other));
            let (same, resembles) = (one.same(&other), one.resembles(&other));
            prop_assert_eq!(hashed.same(&other), same, "{:?} {:?}", one, other);
            prop_assert_eq!(other.same(&hashed), same, "{:?} {:?}", one, other);
            prop_assert_eq!(hashed.same(&other_hashed), same, "{:?} {:?}", one, other);
            // Text that stands for one number with and without leading zeros counts as alike.
            let is_number = |value: &Value| exact_number(trimmed(&value.text()));
            let is_alike = is_number(&one).is_some_and(|number| is_number(&other) == Some(number));
            prop_assert_eq!(hashed.resembles(&other), resembles || is_alike, "{:?} {:?}", one, other);
            prop_assert_eq!(hashed.resembles(&other_hashed), resembles || is_alike, "{:?} {:?}", one, other);
            prop_assert_eq!(hashed == other_hashed, key.hashed(&other) == hashed);
        }
    }

    #[test]
    fn hashes_depend_on_the_key_and_the_field_and_show_nothing() {
        let lima = json(r#""Lima""#);
        let hashed = |key: ValueKey, field: &str| key.of_field(field).hashed(&lima);
        assert_eq!(hashed(KEY, "city"), hashed(KEY, "city"));
        assert!(!hashed(KEY, "city").same(&hashed(KEY, "town")));
        assert!(!hashed(KEY, "city").same(&hashed(ValueKey::new([8; 16]), "city")));
        let shown = format!("{:?} {}", hashed(KEY, "city"), hashed(KEY, "city").text());
        assert!(!shown.contains("Lima") && !shown.contains("[7, 7"), "{shown}");
        assert!(serde_json::to_string(&hashed(KEY, "city")).is_err(), "no request can carry it");
    }

    #[test]
    fn a_blank_value_stays_known_to_be_blank() {
        for blank in [r#""""#, r#"" ""#, "\"\u{feff}\""] {
            assert_eq!(KEY.of_field("city").hashed(&json(blank)), json(r#""""#));
        }
    }

    #[test]
    fn long_texts_that_begin_alike_are_different() {
        let check = |one: &str, other: &str, resembles: bool| {
            let hashed = KEY.of_field("url").hashed(&Value::Text(one.into()));
            assert_eq!(hashed.resembles(&Value::Text(other.into())), resembles, "{one} {other}");
        };
        check("https://example.com/people/ann", "https://example.com/people/bea", false);
        check("1234567890123456", "1234567890123457", false);
        check("a text that the platform cut", "a text that the platform cut here", false);
        check("Ann@Example.com", "ann@example.com", true);
        check("+52 1 55 1234 5678", "5512345678", true);
    }
}
