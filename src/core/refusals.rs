//! Counts refusals in a row, to decide whether they concern single rows or the whole account.

use std::collections::{BTreeMap, VecDeque};

use crate::core::attempt::Attempt;
use crate::core::call::CallKind;
use crate::core::model::Contact;
use crate::core::time::Timestamp;

/// How many refusals with the same message, of one kind of call and without a success of that kind between them, count
/// as a refusal of the account instead of the rows.
pub const REFUSALS_IN_A_ROW: usize = 20;

/// Statuses that concern the data of the call: the request is too large, or (0) cannot be built.
const ABOUT_THE_REQUEST: [u16; 4] = [0, 413, 414, 431];

/// Minimum length, in characters, of a row's value that is masked in a message before messages are compared.
const SHORTEST_VALUE: usize = 3;

/// Words for "field" in the platforms' languages.
const FIELD_WORDS: [&str; 6] = ["field", "fields", "attribute", "column", "campo", "atributo"];

/// What an attempt means for the refusals before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not a refusal that may concern the account.
    None,
    /// A success: earlier refusals of the same kind of call concerned their rows.
    Cleared,
    /// A refusal that may concern the account: it is not known yet whether the row is the cause.
    Open,
    /// Too many refusals with the same message: the account is refused.
    TooMany,
}

/// The refusals of a run, since the last success of each kind of call.
#[derive(Debug, Default)]
pub struct Refusals {
    // The times of the refusals, by message.
    kinds: [BTreeMap<String, VecDeque<Timestamp>>; CallKind::ALL.len()],
}

impl Refusals {
    /// Records the result of a call of this kind for `contact`, with the times when it began and ended.
    ///
    /// A success only clears refusals that came before it began, because calls that are in flight together are answered
    /// in any order.
    pub fn record(
        &mut self,
        kind: CallKind,
        attempt: &Attempt,
        contact: &Contact,
        (begun, ended): (Timestamp, Timestamp),
    ) -> Refusal {
        let words = &mut self.kinds[kind as usize];
        if attempt.is_success() {
            words.retain(|_, times| {
                times.retain(|&time| time > begun);
                !times.is_empty()
            });
            return Refusal::Cleared;
        }
        let Attempt::Refused { status, message, about_row } = attempt else { return Refusal::None };
        if *about_row || ABOUT_THE_REQUEST.contains(status) || names_a_field(message, contact) {
            return Refusal::None;
        }
        let times = words.entry(format!("{status} {}", without_values(message, contact))).or_default();
        times.push_back(ended);
        if times.len() >= REFUSALS_IN_A_ROW { Refusal::TooMany } else { Refusal::Open }
    }
}

// Whether the message names one of the row's fields as a field: quoted, in a path, or next to a word such as `field`. A
// name alone may be an ordinary word: `Your plan has expired.`
fn names_a_field(message: &str, contact: &Contact) -> bool {
    let words = message.to_lowercase();
    contact.fields().iter().any(|field| {
        let name = field.name.to_lowercase();
        !name.is_empty() && places(&words, &name).any(|(before, after)| is_named(before, after))
    })
}

fn is_named(before: &str, after: &str) -> bool {
    let quote = |character: char| "\"'`´‘’“”«»".contains(character);
    let quoted = before.ends_with(quote) && after.starts_with(quote);
    // A point that ends a sentence is followed by a blank.
    let in_a_path = before.ends_with(['.', '[']) || after.starts_with(']') || {
        let mut after = after.chars();
        after.next() == Some('.') && after.next().is_some_and(char::is_alphanumeric)
    };
    let word = |word: Option<&str>| {
        word.is_some_and(|word| {
            FIELD_WORDS.contains(&word.trim_matches(|character: char| !character.is_alphanumeric()))
        })
    };
    quoted || in_a_path || word(before.split_whitespace().next_back()) || word(after.split_whitespace().next())
}

// The text before and after each occurrence of `name` as a whole word.
fn places<'a>(words: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    words.match_indices(name).filter_map(move |(at, _)| {
        let (before, after) = (words.get(..at)?, words.get(at + name.len()..)?);
        let is_word = |character: Option<char>| {
            character.is_none_or(|character| !character.is_alphanumeric() && character != '_')
        };
        (is_word(before.chars().next_back()) && is_word(after.chars().next())).then_some((before, after))
    })
}

// The message without this row's values, numbers and request ids, so that it equals that of other rows.
fn without_values(message: &str, contact: &Contact) -> String {
    let mut words = message.to_lowercase();
    let values = contact.fields().iter().map(|field| field.value.text().trim().to_lowercase());
    let tags = contact.tags().iter().chain(contact.remove_tags()).map(|tag| tag.trim().to_lowercase());
    let id = contact.id().map(|id| id.as_str().to_lowercase());
    let mut values: Vec<String> = values.chain(tags).chain(id).collect();
    values.retain(|value| value.chars().count() >= SHORTEST_VALUE);
    // The longest first: one may be a part of another.
    values.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
    for value in values {
        words = words.replace(&value, "*");
    }
    let mut plain = String::with_capacity(words.len());
    for word in words.split_whitespace() {
        // A word with a digit in it, such as a request id, is replaced; the punctuation around it stays.
        let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        let mut rest = word;
        while let Some(start) = rest.find(is_part) {
            let (before, from) = rest.split_at(start);
            let (part, after) = from.split_at(from.find(|c| !is_part(c)).unwrap_or(from.len()));
            plain.push_str(before);
            plain.push_str(if part.contains(char::is_numeric) { "#" } else { part });
            rest = after;
        }
        plain.push_str(rest);
        plain.push(' ');
    }
    plain.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Draft, Field};
    use CallKind::{Create, Find, Update};

    fn contact(n: usize) -> Contact {
        let matches = vec![Field::text("phone", format!("+52155{n:06}"))];
        let fields = vec![Field::text("plan", "gold"), Field::text("name", format!("Ann {n}"))];
        Contact::new(Draft { matches, fields, ..Draft::default() }).unwrap()
    }

    fn refused(message: &str) -> Attempt {
        Attempt::refused(403, message.into())
    }

    const NOW: (Timestamp, Timestamp) = (Timestamp::from_millis(1), Timestamp::from_millis(1));

    /// The result of the last of `calls` refused calls, whose messages depend on their rows' numbers.
    fn last(calls: usize, message: impl Fn(usize) -> String) -> Refusal {
        let mut refusals = Refusals::default();
        (0..calls).map(|n| refusals.record(Create, &refused(&message(n)), &contact(n), NOW)).last().unwrap()
    }

    #[test]
    fn the_same_refusal_for_twenty_rows_concerns_the_account() {
        let check = |message: &dyn Fn(usize) -> String| {
            assert_eq!(last(19, message), Refusal::Open, "{}", message(1));
            assert_eq!(last(20, message), Refusal::TooMany, "{}", message(1));
        };
        check(&|_| "Quota exceeded".into());
        check(&|n| format!("Request {n}: your account is suspended"));
        check(&|n| format!("Your account is suspended (request 7f{n:02x}c1b2-0a4e-4f7d-9b1c-{:012x}).", n * 7919));
        check(&|n| format!("Quota exceeded, ref=\"req_{:016X}\"", n * 104_729));
        check(&|_| "Your phone channel is disconnected. Please scan the code again.".to_owned());
        check(&|n| format!("Contact +52155{n:06} cannot be stored:  quota exceeded."));
        check(&|n| format!("Ann {n} is one contact too many"));
        // The name of a field as an ordinary word.
        check(&|_| "Your plan has expired.".into());
        check(&|_| "No name server answers".into());
    }

    #[test]
    fn refusals_with_different_messages_are_counted_separately() {
        let message = |n: usize| if n.is_multiple_of(2) { "Quota exceeded" } else { "Account suspended" }.to_owned();
        assert_eq!((last(38, message), last(39, message)), (Refusal::Open, Refusal::TooMany));
        let words = ["first", "second", "third"];
        assert_eq!(last(57, |n| words[n % 3].to_owned()), Refusal::Open);
    }

    #[test]
    fn refusals_about_a_row_are_not_counted() {
        for message in [
            "Unknown value for contact.plan",
            "The field plan is unknown",
            "The `Plan` is unknown",
            "Campo \"plan\" no existe",
            "custom_fields[plan] is too long",
            "plan field is too long",
        ] {
            assert_eq!(last(40, |_| message.to_owned()), Refusal::None, "{message}");
        }
        let check = |attempt: &Attempt| {
            let mut refusals = Refusals::default();
            for n in 0..40 {
                assert_eq!(refusals.record(Create, attempt, &contact(n), NOW), Refusal::None, "{attempt:?}");
            }
        };
        for status in ABOUT_THE_REQUEST {
            check(&Attempt::refused(status, "too large".into()));
        }
        check(&Attempt::Refused { status: 422, message: "The value is wrong.".into(), about_row: true });
        check(&Attempt::Missing { message: "Contact not found".into() });
        check(&Attempt::Taken { message: "Already connected to a contact".into(), by: None });
        check(&Attempt::lost(Some(500), "500".into()));
        check(&Attempt::throttled(None));
    }

    #[test]
    fn only_a_success_of_the_same_kind_clears_refusals() {
        let mut refusals = Refusals::default();
        let mut hear = |kind, attempt: &Attempt| refusals.record(kind, attempt, &contact(0), NOW);
        for _ in 0..19 {
            assert_eq!(hear(Create, &refused("no")), Refusal::Open);
            assert_eq!(hear(Find, &Attempt::Done), Refusal::Cleared);
            assert_eq!(hear(Create, &Attempt::Queued { message: String::new() }), Refusal::None);
            assert_eq!(hear(Update, &refused("no")), Refusal::Open);
        }
        assert_eq!(hear(Create, &Attempt::Done), Refusal::Cleared);
        assert_eq!(hear(Create, &refused("no")), Refusal::Open);
        assert_eq!(hear(Update, &refused("no")), Refusal::TooMany);
        // Another status is another refusal.
        assert_eq!(hear(Update, &Attempt::refused(422, "no".into())), Refusal::Open);
    }

    #[test]
    fn a_success_that_began_before_a_refusal_does_not_clear_it() {
        // The refusals come at 10, 11, … The success began at `began` and comes after the tenth of them. `expected` is
        // the result of the twentieth.
        let check = |began: u64, expected: Refusal| {
            let mut refusals = Refusals::default();
            let moments = |begun, ended| (Timestamp::from_millis(begun), Timestamp::from_millis(ended));
            let mut refused = |n: u64| refusals.record(Create, &refused("no"), &contact(0), moments(5, 10 + n));
            for n in 0..10 {
                assert_eq!(refused(n), Refusal::Open);
            }
            let success = Attempt::Created(crate::core::model::ContactId::new("1").unwrap());
            refusals.record(Create, &success, &contact(0), moments(began, 20));
            let mut refused = |n: u64| refusals.record(Create, &self::refused("no"), &contact(0), moments(20, 20 + n));
            assert_eq!((0..10).map(&mut refused).last(), Some(expected), "{began}");
        };
        check(5, Refusal::TooMany);
        check(9, Refusal::TooMany);
        check(10, Refusal::Open);
        check(19, Refusal::Open);
    }
}
