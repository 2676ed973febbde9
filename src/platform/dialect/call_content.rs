//! Finds the field or tag of a call that a refusal names, by its index or by its name.

use super::words::has_name;
use crate::core::call::Call;
use crate::core::model::{ContactId, Field};
use crate::core::size_limits::shown;

/// Field names that are ordinary words in a message, and there do not refer to the field.
const ORDINARY: [&str; 20] = [
    "access", "account", "api", "call", "calls", "channel", "contact", "data", "error", "id", "key", "limit",
    "message", "plan", "quota", "rate", "request", "status", "token", "user",
];

/// The shortest value that is masked, in characters: shorter ones are words and numbers of any message.
const SHORTEST_MASKED: usize = 5;

/// The parts of a call that a refusal may name.
pub(super) struct CallContent<'a> {
    fields: &'a [Field],
    tags: &'a [String],
    id: Option<&'a ContactId>,
    is_find: bool,
}

impl<'a> CallContent<'a> {
    pub(super) const fn of(call: &'a Call) -> Self {
        let nothing = Self { fields: &[], tags: &[], id: None, is_find: false };
        match call {
            Call::Find { field, .. } => Self { fields: std::slice::from_ref(field), is_find: true, ..nothing },
            Call::Read { id } => Self { id: Some(id), ..nothing },
            Call::Create { fields } => Self { fields: fields.as_slice(), ..nothing },
            Call::Update { id, fields } => Self { fields: fields.as_slice(), id: Some(id), ..nothing },
            Call::AddTags { id, tags } | Call::RemoveTags { id, tags } => {
                Self { tags: tags.as_slice(), id: Some(id), ..nothing }
            }
        }
    }

    /// The contact that the call names.
    pub(super) const fn id(&self) -> Option<&'a ContactId> {
        self.id
    }

    /// The part of the call that a key of the framework's `errors` refers to: `custom_fields.3.value` is the field with
    /// that index (from 0), `tags.0` a tag, a field's own name that field, and in a search `value` the requested value.
    /// `None` when the call has no such part.
    pub(super) fn label(&self, key: &str) -> Option<String> {
        let key = key.replace(['[', ']', '/'], ".");
        let mut parts = key.split('.').filter(|part| !part.is_empty()).skip_while(|part| *part == "data");
        let (first, place) = (parts.next()?, parts.next());
        let at = place.and_then(|place| place.parse::<usize>().ok());
        match (first, at) {
            ("custom_fields", Some(at)) if !self.is_find => self.fields.get(at).map(|field| field_label(&field.name)),
            ("tags", Some(at)) => self.tags.get(at).map(|tag| format!("tag `{}`", shown(tag))),
            ("custom_fields", None) if !self.is_find && !self.fields.is_empty() => Some("the fields".to_owned()),
            ("tags", None) if !self.tags.is_empty() => Some("the tags".to_owned()),
            ("value", None) if self.is_find => self.fields.first().map(|field| field_label(&field.name)),
            (name, _) => {
                let field = self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
                Some(field_label(&field.name))
            }
        }
    }

    /// The part of the call that an index in a text refers to, as in `The custom_fields.3.value must be a string.`
    pub(super) fn label_in(&self, text: &str) -> Option<String> {
        let is_part = |character: char| character.is_alphanumeric() || matches!(character, '_' | '.' | '[' | ']');
        text.split(|character| !is_part(character))
            .filter(|word| word.starts_with("custom_fields") || word.starts_with("tags"))
            .filter(|word| word.bytes().any(|byte| byte.is_ascii_digit()))
            .find_map(|word| self.label(word))
    }

    /// The text without the values that the call carries: a server error may repeat them, and it goes into logs.
    pub(super) fn masked(&self, text: &str) -> String {
        let values = self.fields.iter().map(|field| field.value.text());
        let long = values.filter(|value| value.chars().count() >= SHORTEST_MASKED);
        long.fold(text.to_owned(), |text, value| text.replace(value.trim(), "[value]"))
    }

    /// Whether a text names a field or a tag of the call, as whole words.
    pub(super) fn is_named_in(&self, text: &str) -> bool {
        let is_telling = |name: &str| name.chars().nth(1).is_some() && !ORDINARY.contains(&&*name.to_lowercase());
        let is_quoted = |name: &str| ['`', '\'', '"'].iter().any(|mark| text.contains(&format!("{mark}{name}{mark}")));
        let is_called_field = |name: &str| {
            let phrases =
                [format!("contact.{name}"), format!("field {name}"), format!("{name} field"), format!("campo {name}")];
            phrases.iter().any(|phrase| has_name(text, phrase))
        };
        let is_field = |name: &str| {
            is_quoted(name)
                || is_called_field(name)
                || (is_telling(name) && (has_name(text, name) || has_name(text, &name.replace('_', " "))))
        };
        let is_tag = |tag: &str| is_quoted(tag) || (is_telling(tag) && has_name(text, tag));
        self.label_in(text).is_some()
            || self.fields.iter().any(|field| is_field(&field.name))
            || self.tags.iter().any(|tag| is_tag(tag))
    }
}

fn field_label(name: &str) -> String {
    format!("field `{}`", shown(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create() -> Call {
        let fields = [("phone", "1"), ("city", "2"), ("plan", "3"), ("birth_date", "4"), ("token", "5"), ("x", "6")];
        Call::Create { fields: fields.map(|(name, value)| Field::text(name, value)).into() }
    }

    fn tags() -> Call {
        Call::AddTags { id: ContactId::new("7").unwrap(), tags: vec!["VIP".into(), "Blog Updates".into()] }
    }

    #[test]
    fn values_of_the_call_are_masked_in_what_goes_into_logs() {
        let call = Call::Create { fields: vec![Field::text("email", "ana@example.com"), Field::text("n", "key")] };
        let masked = CallContent::of(&call).masked("Duplicate entry 'ana@example.com' for key 'email'");
        assert_eq!(masked, "Duplicate entry '[value]' for key 'email'");
    }

    fn find() -> Call {
        Call::Find { field: Field::text("phone", "1"), page: 1 }
    }

    #[test]
    fn a_key_of_the_framework_stands_for_what_the_call_carries() {
        let check = |call: &Call, key: &str, expected: Option<&str>| {
            assert_eq!(CallContent::of(call).label(key).as_deref(), expected, "{key}");
        };
        check(&create(), "custom_fields.1.value", Some("field `city`"));
        check(&create(), "custom_fields.0.name", Some("field `phone`"));
        check(&create(), "custom_fields[1][value]", Some("field `city`"));
        check(&create(), "/data/custom_fields/1/value", Some("field `city`"));
        check(&create(), "custom_fields", Some("the fields"));
        check(&create(), "custom_fields.9.value", None);
        check(&create(), "City", Some("field `city`"));
        check(&create(), "channel", None);
        check(&create(), "value", None);
        check(&create(), "tags.0", None);
        check(&create(), "", None);
        check(&tags(), "tags.1", Some("tag `Blog Updates`"));
        check(&tags(), "tags", Some("the tags"));
        check(&tags(), "custom_fields.0.value", None);
        check(&find(), "value", Some("field `phone`"));
        check(&find(), "phone", Some("field `phone`"));
        check(&find(), "name", None);
        check(&find(), "custom_fields.0.value", None);
        check(&find(), "custom_fields", None);
        check(&tags(), "custom_fields", None);
        check(&create(), "tags", None);
        check(&find(), "page", None);
        let long = Call::Create { fields: vec![Field::text("é".repeat(61), "1")] };
        check(&long, "custom_fields.0.value", Some(&format!("field `{}…`", "é".repeat(60))));
    }

    #[test]
    fn a_text_names_a_field_by_whole_words() {
        let check = |call: &Call, text: &str, expected: bool| {
            assert_eq!(CallContent::of(call).is_named_in(text), expected, "{text}");
        };
        check(&create(), "The City is too long", true);
        check(&create(), "Unknown value for contact.city", true);
        check(&create(), "The birth date is no date", true);
        check(&create(), "The custom_fields.1.value must be a string.", true);
        check(&create(), "The custom_fields.9.value must be a string.", false);
        check(&create(), "Capacity exceeded", false);
        check(&create(), "birth_date_2 is wrong", false);
        check(&create(), "An error occurred", false);
        // Ordinary words name a field only in quotation marks; one letter too.
        check(&create(), "Your plan has ended", false);
        check(&create(), "Unknown value for contact.plan", true);
        check(&create(), "The token field is required.", true);
        check(&create(), "Unknown value for `plan`", true);
        check(&create(), "x is unknown", false);
        check(&create(), "'x' is unknown", true);
        check(&tags(), "The tag vip is not allowed", true);
        check(&tags(), "Tag \"Blog Updates\" is not allowed", true);
        check(&tags(), "Tags are not allowed", false);
        check(&find(), "The phone is not valid", true);
    }
}
