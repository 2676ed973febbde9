//! From a call to its request: method, path, body.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::core::call::Call;
use crate::core::model::{ContactId, Field};
use crate::platform::ChannelKind;

/// All characters but those that are plain in every part of a URL (RFC 3986, "unreserved"). A blank becomes `%20` as documented, and `+`
/// becomes `%2B`, because servers read a plain one as a blank (API.md, trap 9).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The HTTP methods of the API (API.md, "The six calls").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A find or a read.
    Get,
    /// A create, or an addition of tags.
    Post,
    /// An update.
    Put,
    /// A removal of tags.
    Delete,
}

impl Method {
    /// The method as HTTP writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A call as an HTTP request, without the base URL and the headers, which are the same for all calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// The part after the base URL: the path, percent-encoded, and the query of a find.
    pub path: String,
    /// The JSON body; a DELETE has one too.
    pub body: Option<String>,
}

/// The body of a create or an update.
#[derive(Serialize)]
struct FieldsBody<'a> {
    custom_fields: &'a [Field],
}

/// The body of a change of tags.
#[derive(Serialize)]
struct TagsBody<'a> {
    tags: &'a [String],
}

/// Returns the request of a call, as the platform documents it (API.md, "The six calls").
///
/// The URL of every page is built here: the platform's own links lose the filter (API.md, trap 1). As in the documented
/// example, the first page is not named.
pub fn request(call: &Call, kind: ChannelKind) -> Request {
    let contact = |id: &ContactId| format!("/contact/{}", segment(id, kind));
    let tags = |id: &ContactId| format!("{}/tags", contact(id));
    match call {
        Call::Find { field, page } => {
            let (name, value) = (encoded(&field.name), encoded(&field.value.text()));
            let page = if *page > 1 { format!("&page={page}") } else { String::new() };
            let path = format!("/contact/by_custom_field?name={name}&value={value}{page}");
            Request { method: Method::Get, path, body: None }
        }
        Call::Read { id } => Request { method: Method::Get, path: contact(id), body: None },
        // The slash at the end is documented; a host may answer the path without it with a redirect.
        Call::Create { fields } => {
            let body = FieldsBody { custom_fields: fields };
            Request { method: Method::Post, path: "/contact/".to_owned(), body: Some(json(&body)) }
        }
        Call::Update { id, fields } => {
            let body = FieldsBody { custom_fields: fields };
            Request { method: Method::Put, path: contact(id), body: Some(json(&body)) }
        }
        Call::AddTags { id, tags: added } => {
            Request { method: Method::Post, path: tags(id), body: Some(json(&TagsBody { tags: added })) }
        }
        Call::RemoveTags { id, tags: removed } => {
            Request { method: Method::Delete, path: tags(id), body: Some(json(&TagsBody { tags: removed })) }
        }
    }
}

fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("texts, numbers and booleans are always JSON")
}

// One segment of the path, whatever the id contains.
fn segment(id: &ContactId, kind: ChannelKind) -> String {
    match kind {
        ChannelKind::Viber => encoded(&STANDARD.encode(id.as_str())),
        // URL parsers, proxies and servers resolve `.` and `..` even when written `%2e`. Encoded twice, such an id stays
        // one segment. The platform reads `%2E%2E` and answers that there is no such contact.
        ChannelKind::Standard if matches!(id.as_str(), "." | "..") => id.as_str().replace('.', "%252E"),
        ChannelKind::Standard => encoded(id.as_str()),
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Value;
    use crate::core::size_limits::{SEARCH_BYTES, encoded_length};
    use proptest::prelude::*;
    use reqwest::Url;
    use serde_json::{Value as Json, json};

    fn id(text: &str) -> ContactId {
        ContactId::new(text).unwrap()
    }

    fn find(name: &str, value: &str, page: u32) -> Call {
        Call::Find { field: Field::text(name, value), page }
    }

    #[test]
    fn a_call_is_written_as_documented() {
        let check = |call: &Call, line: &str, body: Option<Json>| {
            let written = request(call, ChannelKind::Standard);
            assert_eq!(format!("{} {}", written.method, written.path), line);
            let written: Option<Json> = written.body.map(|body| serde_json::from_str(&body).unwrap());
            assert_eq!(written, body, "{line}");
        };
        let fields = vec![Field::text("a", "1"), Field { name: "n".into(), value: Value::Bool(true) }];
        let fields_json = json!({ "custom_fields": [{ "name": "a", "value": "1" }, { "name": "n", "value": true }] });
        let tags = vec!["x y".to_owned()];
        let tags_json = json!({ "tags": ["x y"] });
        check(&find("firstName", "A B", 1), "GET /contact/by_custom_field?name=firstName&value=A%20B", None);
        check(&find("phone", "+52 1", 2), "GET /contact/by_custom_field?name=phone&value=%2B52%201&page=2", None);
        check(&find("a&b", "ñ=?#%", 1), "GET /contact/by_custom_field?name=a%26b&value=%C3%B1%3D%3F%23%25", None);
        check(&Call::Read { id: id("17") }, "GET /contact/17", None);
        check(&Call::Create { fields: fields.clone() }, "POST /contact/", Some(fields_json.clone()));
        check(&Call::Update { id: id("17"), fields }, "PUT /contact/17", Some(fields_json));
        check(&Call::AddTags { id: id("17"), tags: tags.clone() }, "POST /contact/17/tags", Some(tags_json.clone()));
        check(&Call::RemoveTags { id: id("17"), tags }, "DELETE /contact/17/tags", Some(tags_json));
    }

    #[test]
    fn an_id_stays_one_segment_of_the_path() {
        let check = |text: &str, kind: ChannelKind, expected: &str| {
            assert_eq!(request(&Call::Read { id: id(text) }, kind).path, format!("/contact/{expected}"), "{text}");
        };
        check("cus_1-2~3", ChannelKind::Standard, "cus_1-2~3");
        check("+52155", ChannelKind::Standard, "%2B52155");
        check("a/b", ChannelKind::Standard, "a%2Fb");
        check("../x", ChannelKind::Standard, "..%2Fx");
        check(".", ChannelKind::Standard, "%252E");
        check("..", ChannelKind::Standard, "%252E%252E");
        check("%2e%2e", ChannelKind::Standard, "%252e%252e");
        check("a?b#c", ChannelKind::Standard, "a%3Fb%23c");
        check("..", ChannelKind::Viber, "Li4%3D");
        check("O2wPtCLn8Rs==", ChannelKind::Viber, "TzJ3UHRDTG44UnM9PQ%3D%3D");
        check("a\u{3ff}\u{3ff}?", ChannelKind::Viber, "Yc%2B%2Fz78%2F");
    }

    proptest! {
        // What is planned is bounded by the length that is sent ([`limits`](crate::core::limits)).
        #[test]
        fn a_text_is_as_long_in_a_url_as_its_limit_counts(text: String) {
            prop_assert_eq!(encoded(&text).len(), encoded_length(&text));
        }

        #[test]
        fn the_request_line_of_the_longest_search_fits(name in "[a-z]{1,255}", character in prop::sample::select(vec!['a', '+', 'ñ', '🦀'])) {
            let length = encoded_length(&character.to_string());
            let value = character.to_string().repeat((SEARCH_BYTES - name.len()) / length);
            let path = request(&find(&name, &value, 50), ChannelKind::Standard).path;
            prop_assert!("GET ".len() + "/api/v1".len() + path.len() + " HTTP/1.1\r\n".len() <= 8_000);
        }

        // What is written must be what is sent: the transport hands the URL to a parser that normalises.
        #[test]
        fn a_url_parser_finds_nothing_to_change(text in ".+", value in ".*", viber: bool) {
            prop_assume!(!text.trim().is_empty());
            let kind = if viber { ChannelKind::Viber } else { ChannelKind::Standard };
            for call in [Call::AddTags { id: id(&text), tags: vec![] }, find(&text, &value, 3)] {
                let path = request(&call, kind).path;
                let url = Url::parse(&format!("https://example.com/api/v1{path}")).unwrap();
                let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
                prop_assert_eq!(format!("{}{query}", url.path()), format!("/api/v1{path}"));
                let pairs: Vec<_> = url.query_pairs().map(|(_, value)| value.into_owned()).collect();
                if let Call::Find { .. } = call {
                    prop_assert_eq!(pairs, vec![text.clone(), value.clone(), "3".to_owned()]);
                } else {
                    prop_assert_eq!(url.path_segments().unwrap().count(), 5);
                }
            }
        }
    }
}
