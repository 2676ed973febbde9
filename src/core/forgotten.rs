//! Finds and removes what identifies a person in texts and answers that are not that person's own.

use crate::core::attempt::Attempt;
use crate::core::model::{ContactId, Remote};
use crate::core::page::Page;
use crate::core::text::trimmed;

/// What stands in place of a text that was erased.
pub const FORGOTTEN: &str = "forgotten";

/// The fewest digits by which a phone number is recognised in another form.
const PHONE_DIGITS: usize = 8;

/// The match values and ids of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identifiers(Vec<Identifier>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Identifier {
    text: String,
    // As it stands in JSON.
    json: String,
}

impl Identifiers {
    /// Adds a match value or an id.
    pub fn add(&mut self, text: &str) {
        let text = trimmed(text).to_owned();
        if text.is_empty() || self.0.iter().any(|identifier| identifier.text == text) {
            return;
        }
        let json = serde_json::Value::from(text.as_str()).to_string();
        let json = json.trim_matches('"').to_owned();
        self.0.push(Identifier { text, json });
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a cell is one of them.
    pub fn has(&self, cell: &str) -> bool {
        let cell = trimmed(cell);
        self.0.iter().any(|identifier| identifier.text == cell)
    }

    /// Whether a cell of a row, as JSON, is one of them: as a whole, or the same phone number in another form.
    pub fn are_in_row(&self, cells: &str) -> bool {
        serde_json::from_str(cells).map_or_else(|_| self.are_in(cells), |cells| self.are_in_json(&cells))
    }

    fn are_in_json(&self, json: &serde_json::Value) -> bool {
        match json {
            serde_json::Value::String(cell) => self.has(cell) || self.has_digits_of(cell),
            serde_json::Value::Number(number) => {
                self.has(&number.to_string()) || self.has_digits_of(&number.to_string())
            }
            serde_json::Value::Array(cells) => cells.iter().any(|cell| self.are_in_json(cell)),
            serde_json::Value::Object(cells) => cells.values().any(|cell| self.are_in_json(cell)),
            serde_json::Value::Null | serde_json::Value::Bool(_) => false,
        }
    }

    // Whether a cell is a phone number of the person, perhaps without its country code.
    fn has_digits_of(&self, cell: &str) -> bool {
        let Some(of_cell) = phone_digits(cell) else { return false };
        let digits = self.0.iter().filter_map(|identifier| phone_digits(&identifier.text));
        digits.into_iter().any(|digits| digits.ends_with(&of_cell) || of_cell.ends_with(&digits))
    }

    /// Whether one of them stands in a text, not as a part of a longer word or number.
    pub fn are_in(&self, text: &str) -> bool {
        self.0.iter().any(|Identifier { text: plain, json }| has_word(text, plain) || has_word(text, json))
    }
}

// The digits of what may be a phone number.
fn phone_digits(text: &str) -> Option<String> {
    let is_part = |character: char| character.is_ascii_digit() || "+-.() /".contains(character);
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (text.chars().all(is_part) && digits.len() >= PHONE_DIGITS).then_some(digits)
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        !is_part(before) && !is_part(after)
    })
}

impl Attempt {
    /// The attempt without what it shows of contacts. What decides when calls may start stays, and so does the kind of the answer.
    #[must_use]
    pub fn forgotten(self, identifiers: &Identifiers) -> Self {
        let id = || ContactId::new(FORGOTTEN).expect("the text is not blank");
        let message = || FORGOTTEN.to_owned();
        let kept = |text: String| if identifiers.are_in(&text) { message() } else { text };
        match self {
            // A page without its contacts proves nothing: an interrupted search is made again.
            Self::Page(_) => Self::Page(Page { contradiction: Some(message()), ..Page::default() }),
            Self::Contact(_) => Self::Contact(Remote { id: id(), fields: [].into(), tags: [].into() }),
            Self::Created(_) => Self::Created(id()),
            Self::Done => Self::Done,
            Self::Missing { .. } => Self::Missing { message: message() },
            Self::Taken { .. } => Self::Taken { message: message(), by: None },
            Self::Refused { status, about_row, .. } => Self::Refused { status, message: message(), about_row },
            Self::Unauthorized { message } => Self::Unauthorized { message: kept(message) },
            Self::Throttled { retry_after, message } => Self::Throttled { retry_after, message: message.map(kept) },
            Self::Queued { .. } => Self::Queued { message: message() },
            Self::WrongPath { message } => Self::WrongPath { message: kept(message) },
            Self::Unsent { cause } => Self::Unsent { cause: kept(cause) },
            Self::Lost { status, cause, retry_after } => Self::Lost { status, cause: kept(cause), retry_after },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifiers(texts: &[&str]) -> Identifiers {
        let mut identifiers = Identifiers::default();
        for text in texts {
            identifiers.add(text);
        }
        identifiers
    }

    #[test]
    fn an_identifier_is_found_as_a_whole_and_in_json() {
        let of = identifiers(&["ann@example.com", " +521 ", "a\"b", "7", ""]);
        for text in ["contact 7 has it", "\"ann@example.com\"", "phone=+521;", r#"{"value":"a\"b"}"#, "7"] {
            assert!(of.are_in(text), "{text}");
        }
        for text in ["contact 17", "joann@example.com", "+5215", "", "ab"] {
            assert!(!of.are_in(text), "{text}");
        }
        assert!(of.has(" ann@example.com ") && of.has("\t+521") && !of.has("521") && !of.has(""));
        assert!(identifiers(&[" "]).is_empty());
    }

    #[test]
    fn a_row_is_of_the_person_whose_match_value_a_cell_is() {
        let of = identifiers(&["7", "+525512345603", "ann@example.com"]);
        for cells in
            [r#"["x"," 7 "]"#, r#"{"a":[{"b":7}]}"#, r#"["55 1234 5603"]"#, r#"["0052 (55) 1234-5603"]"#, "cut 7"]
        {
            assert!(of.are_in_row(cells), "{cells}");
        }
        for cells in [r#"["Calle 7","77"]"#, r#"["ann@example.com or bo"]"#, r#"["1234 5604","345603",true,null]"#] {
            assert!(!of.are_in_row(cells), "{cells}");
        }
    }

    #[test]
    fn a_forgotten_answer_keeps_its_kind_and_no_text_of_a_contact() {
        let of = identifiers(&["ann@example.com"]);
        let id = ContactId::new("ann@example.com").unwrap();
        let text = || "ann@example.com is taken".to_owned();
        let wait = Some(std::time::Duration::from_secs(5));
        let remote = Remote {
            id: id.clone(),
            fields: [("a".into(), serde_json::from_str("\"Ann\"").unwrap())].into(),
            tags: ["Ann".into()].into(),
        };
        let all = [
            Attempt::Page(Page::of(vec![remote.clone()])),
            Attempt::Contact(remote),
            Attempt::Created(id.clone()),
            Attempt::Done,
            Attempt::Missing { message: text() },
            Attempt::Taken { message: text(), by: Some(id) },
            Attempt::refused(403, text()),
            Attempt::Unauthorized { message: text() },
            Attempt::Throttled { retry_after: wait, message: Some(text()) },
            Attempt::Queued { message: text() },
            Attempt::WrongPath { message: text() },
            Attempt::Unsent { cause: text() },
            Attempt::Lost { status: Some(503), cause: text(), retry_after: wait },
        ];
        for attempt in all {
            let (name, waits) = (attempt.name(), format!("{attempt:?}").contains("5s"));
            let forgotten = attempt.forgotten(&of);
            let shown = format!("{forgotten:?}");
            assert_eq!((forgotten.name(), shown.contains("5s")), (name, waits));
            assert!(!shown.contains("ann") && !shown.contains("Ann"), "{shown}");
        }
        // What decides for how long a call may have been in flight stays.
        let killed = Attempt::lost(None, "the process was killed before the answer".into());
        assert_eq!(killed.clone().forgotten(&of), killed);
    }
}
