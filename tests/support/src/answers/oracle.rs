//! Rules that hold for every answer, written independently of the parser.

use contactsync::Token;
use contactsync::engine::{Answer, Attempt, Call};
use contactsync::report::CallKind;
use serde_json::Value as Json;

use super::raw::{Raw, TOKEN};

/// The whole messages of API.md, trap 5.
const NO_SUCH_CONTACT: [&str; 4] =
    ["contact not found", "no such contact", "the contact does not exist", "contacto no encontrado"];

/// Checks an answer to `call`.
///
/// # Errors
/// The rule that the answer breaks.
pub fn check(call: &Call, raw: &Raw, answer: &Answer, token: &Token) -> Result<(), String> {
    let body = raw.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&raw.body);
    let json: Json = serde_json::from_slice(body).unwrap_or_default();
    let seen = Seen { call, raw, json, attempt: &answer.attempt };
    seen.words_are_one_short_line()?;
    seen.the_token_is_never_shown(token)?;
    seen.a_success_is_documented()?;
    seen.an_empty_page_adds_up()?;
    seen.a_missing_contact_is_beyond_doubt()?;
    seen.no_effect_is_beyond_doubt()?;
    seen.the_rate_limit_is_the_platforms(answer)
}

struct Seen<'a> {
    call: &'a Call,
    raw: &'a Raw,
    json: Json,
    attempt: &'a Attempt,
}

type Checked = Result<(), String>;

fn rule(holds: bool, rule: &str) -> Checked {
    if holds { Ok(()) } else { Err(rule.to_owned()) }
}

impl Seen<'_> {
    fn is_2xx(&self) -> bool {
        (200..300).contains(&self.raw.status)
    }

    fn is_success(&self) -> bool {
        matches!(self.attempt, Attempt::Page(_) | Attempt::Contact(_) | Attempt::Created(_) | Attempt::Done)
    }

    fn words_are_one_short_line(&self) -> Checked {
        let words = words(self.attempt).unwrap_or_default();
        let is_line =
            !words.chars().any(|character| character.is_control() || matches!(character, '\u{2028}'..='\u{202e}'));
        rule(words.chars().count() <= 200 && is_line, "words are one line of at most 200 characters")
    }

    fn the_token_is_never_shown(&self, token: &Token) -> Checked {
        let clean = token.redacted(self.attempt.clone());
        let words = words(&clean).unwrap_or_default();
        // Nor its beginning where the words are truncated.
        let beginning = format!("{}…", &TOKEN[..TOKEN.len() / 2]);
        rule(!words.contains(TOKEN) && !words.ends_with(&beginning), "words never hold the token")
    }

    // API.md, "The six calls" and trap 6.
    fn a_success_is_documented(&self) -> Checked {
        if !self.is_success() {
            return Ok(());
        }
        rule(self.is_2xx(), "a success has a status of success")?;
        rule(!has_trouble(&self.json), "a success has no trouble beside it")?;
        let data = &self.json["data"];
        let is_own = match (self.call.kind(), self.attempt) {
            (CallKind::Find, Attempt::Page(page)) => {
                let is_whole = |items: &Vec<Json>| items.len() == page.contacts.len() && items.iter().all(has_id);
                data.as_array().is_some_and(is_whole)
            }
            (CallKind::Read, Attempt::Contact(_)) | (CallKind::Create, Attempt::Created(_)) => has_id(data),
            (CallKind::Update | CallKind::AddTags | CallKind::RemoveTags, Attempt::Done) => {
                has_id(data) || !self.json["status"].is_null() || !self.json["success"].is_null()
            }
            _ => false,
        };
        rule(is_own, "a success is the one that is documented for its call")
    }

    // Only such a page may mean that there is no contact.
    fn an_empty_page_adds_up(&self) -> Checked {
        let Attempt::Page(page) = self.attempt else { return Ok(()) };
        let Call::Find { page: asked, .. } = self.call else { return Err("only a find has a page".to_owned()) };
        if page.contradiction.is_some() {
            return Ok(());
        }
        let number = |name: &str| {
            let value = &self.json["meta"][name];
            value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
        };
        rule(
            number("current_page").is_none_or(|current| current == u64::from(*asked)),
            "the page is the one asked for",
        )?;
        let mut ids: Vec<&str> = page.contacts.iter().map(|contact| contact.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        rule(ids.len() == page.contacts.len(), "a page shows a contact once")?;
        let count = page.contacts.len() as u64;
        rule(number("total").is_none_or(|total| total >= count), "a page shows no more contacts than there are")?;
        let last = number("last_page");
        let next = &self.json["links"]["next"];
        let is_linked = next.as_str().is_some_and(|link| !link.trim().is_empty());
        rule(!(is_linked && last.is_some_and(|last| last <= u64::from(*asked))), "no page follows the last one")?;
        rule(page.total == number("total").or(page.total), "the total is that of the answer")?;
        if count > 0 {
            return Ok(());
        }
        rule(self.json["data"] == Json::Array(Vec::new()), "an empty page has an empty list")?;
        rule(*asked > 1 || number("total").is_none_or(|total| total == 0), "an empty first page has no total")?;
        rule(!page.more && !is_linked, "an empty page is the last one")?;
        rule(last.is_none_or(|last| last <= u64::from(*asked)), "an empty page has no page after it")
    }

    // API.md, trap 5.
    fn a_missing_contact_is_beyond_doubt(&self) -> Checked {
        if !matches!(self.attempt, Attempt::Missing { .. }) {
            return Ok(());
        }
        let by_id = !matches!(self.call.kind(), CallKind::Find | CallKind::Create);
        rule(by_id, "only a call by id learns that a contact is missing")?;
        let words = words(self.attempt).unwrap_or_default().to_lowercase();
        let sentence = words.strip_suffix('.').unwrap_or(&words).trim();
        let is_documented = self.raw.status == 404
            && self.json["status"].as_str().is_some_and(|status| !status.trim().eq_ignore_ascii_case("success"))
            && self.json["message"].is_string()
            && self.json.get("data").is_some();
        let names_other = ["owner", "list", "tag", "field", "route", "page", "url", "endpoint", "channel", "support"];
        let is_other = names_other.iter().any(|name| words.contains(name));
        let is_beyond_doubt = NO_SUCH_CONTACT.contains(&sentence) || (is_documented && !is_other);
        rule(is_beyond_doubt, "only a whole sentence or a documented 404 means a missing contact")
    }

    // A lost call may have had its effect; a call without one is not searched for again.
    fn no_effect_is_beyond_doubt(&self) -> Checked {
        let status = self.raw.status;
        match self.attempt {
            Attempt::WrongPath { .. } => rule(status == 404, "only a 404 means a wrong path"),
            Attempt::Unsent { .. } => Err("what was answered was sent".to_owned()),
            Attempt::Refused { status: refused, .. } => {
                rule(*refused == status && (self.is_2xx() || (400..500).contains(&status)), "a refusal has its status")
            }
            Attempt::Unauthorized { .. } | Attempt::Throttled { .. } | Attempt::Taken { .. } => {
                rule(self.is_2xx() || (400..500).contains(&status), "5xx and redirects are no answers")
            }
            Attempt::Queued { .. } => rule(status == 449, "only a 449 means a contact in the queue"),
            Attempt::Page(_)
            | Attempt::Contact(_)
            | Attempt::Created(_)
            | Attempt::Done
            | Attempt::Missing { .. }
            | Attempt::Lost { .. } => Ok(()),
        }?;
        // A create with an id in its answer may have happened, whatever else the answer says.
        let is_refused =
            matches!(self.attempt, Attempt::Refused { .. } | Attempt::Missing { .. } | Attempt::WrongPath { .. });
        let is_made = self.call.kind() == CallKind::Create && self.is_2xx() && has_id(&self.json["data"]);
        rule(!(is_refused && is_made), "a create with an id is never refused")
    }

    fn the_rate_limit_is_the_platforms(&self, answer: &Answer) -> Checked {
        if answer.rate_limit.is_none() {
            return Ok(());
        }
        let is_own = self.json.is_object()
            && (self.is_success()
                || self.json["message"].is_string()
                || self.json.get("data").is_some()
                || !self.json["status"].is_null()
                || !self.json["success"].is_null());
        let is_answer = self.is_2xx() || (400..500).contains(&self.raw.status);
        let is_stated = self.raw.headers.iter().any(|(name, _)| name == "x-ratelimit-limit");
        rule(is_own && is_answer && is_stated, "the rate limit is learnt from the platform's own answers")
    }
}

fn words(attempt: &Attempt) -> Option<&str> {
    match attempt {
        Attempt::Page(page) => page.contradiction.as_deref(),
        Attempt::Missing { message }
        | Attempt::Taken { message, .. }
        | Attempt::Refused { message, .. }
        | Attempt::Unauthorized { message }
        | Attempt::Queued { message }
        | Attempt::WrongPath { message } => Some(message),
        Attempt::Unsent { cause } | Attempt::Lost { cause, .. } => Some(cause),
        Attempt::Contact(_) | Attempt::Created(_) | Attempt::Done | Attempt::Throttled { .. } => None,
    }
}

fn has_id(json: &Json) -> bool {
    let id = &json["id"];
    id.is_u64() || id.as_str().is_some_and(|text| !text.trim().is_empty())
}

fn has_trouble(json: &Json) -> bool {
    let lower = |name: &str| json[name].as_str().map(|text| text.trim().to_lowercase());
    let is_bad_status = lower("status").is_some_and(|text| {
        !text.is_empty() && text != "success" && text != "ok" && !text.parse::<u64>().is_ok_and(|code| code < 400)
    });
    let is_denied = json["success"] == false
        || json["success"].as_f64() == Some(0.0)
        || lower("success").is_some_and(|text| text == "false" || text == "0");
    let is_set = |name: &str| match &json[name] {
        Json::Bool(true) => true,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !["", "0", "false", "null", "none"].contains(&text.trim().to_lowercase().as_str()),
        // A list or an object may be empty.
        Json::Null | Json::Bool(false) | Json::Array(_) | Json::Object(_) => false,
    };
    is_bad_status || json["status"].as_f64().is_some_and(|code| code >= 400.0) || is_denied || is_set("error")
}
