//! The message of a response that is not a success: the platform's own, or a description of the response.

use reqwest::StatusCode;
use serde_json::Value as Json;

use super::Received;

impl Received<'_> {
    // If the platform's message names a place in the request (`custom_fields.3.value`), the name of the field is put before it.
    pub(super) fn message(&self) -> String {
        let Some(words) = self.words() else { return format!("{} with {}", self.status_line(), self.found()) };
        if let Some(exception) = self.failed_query(&words) {
            return format!("{} with debug output of {exception}", self.status_line());
        }
        let errors = self.errors();
        if errors.is_empty() {
            return match self.carried.label_in(&words) {
                Some(label) => format!("{label}: {words}"),
                None => words,
            };
        }
        let named = |(key, text): &(&str, String)| match self.carried.label(key) {
            Some(label) => format!("{label}: {text}"),
            None => text.clone(),
        };
        let details = errors.iter().map(named).collect::<Vec<_>>().join("; ");
        // The framework's own message repeats the first error, or has no information.
        let repeats = |text: &str| words.starts_with(text.split("; ").next().unwrap_or_default());
        let says_nothing = words.trim_end_matches('.').eq_ignore_ascii_case("the given data was invalid");
        if says_nothing || errors.iter().any(|(_, text)| repeats(text)) {
            details
        } else {
            format!("{words} {details}")
        }
    }

    // The message of a server error may be a single word.
    pub(super) fn with_status(&self) -> String {
        let message = self.carried.masked(&self.message());
        let status = self.response.status.to_string();
        if message.contains(&status) { message } else { format!("{status} {message}") }
    }

    // The exception of a server error whose message is SQL. The SQL has the values of a contact, which must not be logged.
    fn failed_query(&self, words: &str) -> Option<String> {
        let is_sql = words.contains("SQL:") || words.contains("SQLSTATE");
        let exception = self.json.as_ref().and_then(|json| json.get("exception")).and_then(Json::as_str);
        let exception = exception.and_then(|name| name.rsplit('\\').next()).unwrap_or("a database query");
        (self.response.status >= 500 && is_sql).then(|| exception.to_owned())
    }

    fn status_line(&self) -> String {
        let reason = StatusCode::from_u16(self.response.status).ok().and_then(|status| status.canonical_reason());
        reason.map_or_else(|| self.response.status.to_string(), |reason| format!("{} {reason}", self.response.status))
    }

    pub(super) fn found(&self) -> String {
        match (self.response.body, &self.json, self.response.header("content-type")) {
            ([], _, _) => "an empty body".to_owned(),
            (_, Some(_), _) => "JSON of another shape".to_owned(),
            (_, None, Some(kind)) if kind.contains("json") => "broken JSON".to_owned(),
            (_, None, Some(kind)) => {
                let name: String = kind.split(';').next().unwrap_or_default().chars().take(40).collect();
                format!("a body of type {}", name.trim())
            }
            (_, None, None) => "a body that is not JSON".to_owned(),
        }
    }

    // The target of a redirect, without the parts that could contain personal data or a secret.
    pub(super) fn redirection(&self) -> String {
        let target = self.response.header("location").unwrap_or_default();
        let target = target.split(['?', '#']).next().unwrap_or_default();
        let target = match (target.split_once("://"), target.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
            (Some(_) | None, _) => target.to_owned(),
        };
        if target.is_empty() {
            return format!("{}, which is not followed", self.status_line());
        }
        format!("{} to `{target}`, which is not followed; check the URL", self.status_line())
    }
}
