//! Parses the body of a write, as strictly as the API is documented.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value as Json;

use super::answer::ApiError;
use crate::core::model::Value;
use crate::core::size_limits::{FIELDS_PER_CALL, TAGS_PER_CALL};

/// Fields to write: names, and values with their JSON types; `None` is null.
pub type Fields = Vec<(String, Option<Value>)>;

/// The body of a create or an update as clients write it, which is read faster than [`Json`].
#[derive(serde::Deserialize)]
struct FieldsBody<'a> {
    #[serde(borrow)]
    custom_fields: Vec<FieldBody<'a>>,
}

struct FieldBody<'a> {
    name: &'a str,
    value: Json,
}

impl<'de: 'a, 'a> Deserialize<'de> for FieldBody<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfObject;

        // A derived one would take an array too.
        impl<'de> Visitor<'de> for OfObject {
            type Value = FieldBody<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a name and a value")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<FieldBody<'de>, A::Error> {
                let (mut name, mut value) = (None, None);
                while let Some(key) = members.next_key::<&str>()? {
                    match key {
                        "name" if name.is_none() => name = Some(members.next_value()?),
                        "value" if value.is_none() => value = Some(members.next_value()?),
                        _ => return Err(A::Error::custom("another member")),
                    }
                }
                let (name, value) = name.zip(value).ok_or_else(|| A::Error::custom("a member is missing"))?;
                Ok(FieldBody { name, value })
            }
        }

        deserializer.deserialize_map(OfObject)
    }
}

/// Reads the body of a create or an update.
///
/// # Errors
/// [`ApiError::Malformed`] if it is not an array of names and single values, and [`ApiError::TooManyFields`].
pub fn fields(body: &[u8]) -> Result<Fields, ApiError> {
    // A body that is not as documented is read again, for its refusal.
    plain_fields(body).map_or_else(|| fields_or_refusal(body), Ok)
}

fn plain_fields(body: &[u8]) -> Option<Fields> {
    let body = body.trim_ascii_start().strip_prefix(b"{").map(|_| body)?;
    let FieldsBody { custom_fields } = serde_json::from_slice(body).ok()?;
    let is_allowed = (1..=FIELDS_PER_CALL).contains(&custom_fields.len());
    let plain = |FieldBody { name, value }: FieldBody<'_>| Some((trimmed(name)?, single(value).ok()?));
    custom_fields.into_iter().map(plain).collect::<Option<_>>().filter(|_| is_allowed)
}

fn fields_or_refusal(body: &[u8]) -> Result<Fields, ApiError> {
    let items = array(body, "custom_fields")?;
    if items.len() > FIELDS_PER_CALL {
        return Err(ApiError::TooManyFields);
    }
    items.into_iter().enumerate().map(|(place, item)| field(place, item)).collect()
}

/// Reads the body of a change of tags.
///
/// # Errors
/// [`ApiError::Malformed`] if it is not an array of strings, and [`ApiError::TooManyTags`].
pub fn tags(body: &[u8]) -> Result<Vec<String>, ApiError> {
    let items = array(body, "tags")?;
    if items.len() > TAGS_PER_CALL {
        return Err(ApiError::TooManyTags);
    }
    let tag = |(place, item)| text(item).ok_or_else(|| malformed(format!("The tags.{place} must be a string.")));
    items.into_iter().enumerate().map(tag).collect()
}

/// The text as the framework passes it on: trimmed, and `None` if it is empty (API.md, trap 10).
pub fn trimmed(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn array(body: &[u8], name: &str) -> Result<Vec<Json>, ApiError> {
    let mut body: Json =
        serde_json::from_slice(body).map_err(|_| malformed("The request body must be JSON.".to_owned()))?;
    match body.get_mut(name).map(Json::take) {
        Some(Json::Array(items)) if !items.is_empty() => Ok(items),
        Some(Json::Array(_) | Json::Null) | None => Err(malformed(format!("The {name} field is required."))),
        Some(Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_)) => {
            Err(malformed(format!("The {name} must be an array.")))
        }
    }
}

fn field(place: usize, mut item: Json) -> Result<(String, Option<Value>), ApiError> {
    let name = item.get_mut("name").map(Json::take).and_then(text);
    let name = name.ok_or_else(|| malformed(format!("The custom_fields.{place}.name must be a string.")))?;
    let value = item.get_mut("value").map(Json::take);
    let value = value.ok_or_else(|| malformed(format!("The custom_fields.{place}.value field is required.")))?;
    let value =
        single(value).map_err(|()| malformed(format!("The custom_fields.{place}.value must be a single value.")))?;
    Ok((name, value))
}

// A single value; `None` is null.
fn single(value: Json) -> Result<Option<Value>, ()> {
    Ok(match value {
        Json::Null => None,
        Json::Bool(flag) => Some(Value::Bool(flag)),
        Json::Number(number) => Some(Value::Number(number)),
        Json::String(text) => trimmed(&text).map(|text| Value::Text(text.into())),
        Json::Array(_) | Json::Object(_) => return Err(()),
    })
}

fn text(item: Json) -> Option<String> {
    match item {
        Json::String(text) => trimmed(&text),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

fn malformed(why: String) -> ApiError {
    ApiError::Malformed(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array_of(item: &str, count: usize) -> String {
        vec![item; count].join(",")
    }

    #[test]
    fn fields_keep_their_type_and_lose_their_blanks() {
        let body = r#"{"custom_fields":[{"name":" a ","value":" x "},{"name":"b","value":"  "},{"name":"c","value":7},
            {"name":"d","value":true},{"name":"e","value":null},{"name":"f","value":"7"}]}"#;
        let text = |text: &str| Some(Value::Text(text.into()));
        let expected = [
            ("a", text("x")),
            ("b", None),
            ("c", Some(Value::Number(7.into()))),
            ("d", Some(Value::Bool(true))),
            ("e", None),
            ("f", text("7")),
        ];
        let expected: Fields = expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(fields(body.as_bytes()), Ok(expected));
    }

    #[test]
    fn a_body_means_the_same_however_it_is_read() {
        let field = r#"{"name":"a","value":"x"}"#;
        for body in [
            format!(r#"{{"custom_fields":[{field}]}}"#),
            format!(r#"{{"custom_fields":[{field}],"custom_fields":[]}}"#),
            format!(r#"{{"custom_fields":[],"custom_fields":[{field}],"more":1}}"#),
            r#"{"custom_fields":[{"name":"a","name":" b\u00f1 ","value":1,"value":2.50,"more":[]}]}"#.into(),
            r#"[[{"name":"a","value":"x"}]]"#.into(),
            r#"{"custom_fields":[["a","x"]]}"#.into(),
            format!("\u{feff}{field}"),
        ] {
            assert_eq!(fields(body.as_bytes()), fields_or_refusal(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn what_is_not_documented_is_refused() {
        let check = |body: &str, status: u16| {
            let found = fields(body.as_bytes()).map_err(|refusal| refusal.status());
            assert_eq!(found, Err(status), "{body}");
        };
        check("", 400);
        check("name=a&value=b", 400);
        check("[]", 400);
        check("{}", 400);
        check(r#"{"custom_fields":{"a":"b"}}"#, 400);
        check(r#"{"custom_fields":[]}"#, 400);
        check(r#"{"custom_fields":"a"}"#, 400);
        check(r#"{"custom_fields":["a"]}"#, 400);
        check(r#"{"custom_fields":[{"name":"a"}]}"#, 400);
        check(r#"{"custom_fields":[{"value":"a"}]}"#, 400);
        check(r#"{"custom_fields":[{"name":1,"value":"a"}]}"#, 400);
        check(r#"{"custom_fields":[{"name":" ","value":"a"}]}"#, 400);
        check(r#"{"custom_fields":[{"name":"a","value":["b"]}]}"#, 400);
        check(r#"{"custom_fields":[{"name":"a","value":{"b":1}}]}"#, 400);
        check(&format!(r#"{{"custom_fields":[{}]}}"#, array_of(r#"{"name":"a","value":"b"}"#, 31)), 403);

        let check = |body: &str, status: u16| {
            let found = tags(body.as_bytes()).map_err(|refusal| refusal.status());
            assert_eq!(found, Err(status), "{body}");
        };
        check(r#"{"tags":"a"}"#, 400);
        check(r#"{"tags":[]}"#, 400);
        check(r#"{"tags":[1]}"#, 400);
        check(r#"{"tags":[""]}"#, 400);
        check(r#"{"tags":[["a"]]}"#, 400);
        check(&format!(r#"{{"tags":[{}]}}"#, array_of(r#""a""#, 11)), 403);
    }

    #[test]
    fn a_full_call_is_taken() {
        let body = format!(r#"{{"custom_fields":[{}]}}"#, array_of(r#"{"name":"a","value":"b"}"#, 30));
        assert_eq!(fields(body.as_bytes()).map(|fields| fields.len()), Ok(30));
        let body = format!(r#"{{"tags":[{}]}}"#, array_of(r#"" a ""#, 10));
        assert_eq!(tags(body.as_bytes()), Ok(vec!["a".to_owned(); 10]));
    }
}
