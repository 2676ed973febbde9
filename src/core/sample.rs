//! Whether a contact of the input is on the platform, and in which form: what `check` finds by searches.

use crate::core::attempt::Attempt;
use crate::core::mapping::{NumberParts, number_parts};
use crate::core::model::{Contact, ContactId, Field, Value};
use crate::core::page::Page;

/// Maximum number of calls that a check makes to one channel, repeated ones included: reads of known contacts when the token is
/// new, a search that shows whether the token works, and searches for contacts of the input.
pub const CHECK_CALLS: usize = 7;

/// Minimum length, in digits, of a value that is searched for in another form.
const SHORTEST_PHONE: usize = 8;

/// Number of digits at the end of a phone number that are not separated in any form.
const LAST_DIGITS: usize = 4;

/// Maximum number of digits before the national number: `00` and a country code, `52` and the `1` of mobiles.
const LONGEST_PREFIX: usize = 6;

/// The country calling code of Mexico.
const MEXICO: &str = "52";

/// The result of the searches for a contact.
#[derive(Clone, Debug, PartialEq)]
pub enum Sample {
    /// A contact has the value.
    Found(ContactId),
    /// Several contacts have the value: a sync rejects the row.
    Several(ContactId, ContactId),
    /// No contact has the value in any form that the searches show.
    Absent,
    /// No contact has the value, but one has it in another form: a sync would create the contact a second time.
    OtherForm {
        /// The contact.
        id: ContactId,
        /// Its value.
        value: String,
    },
    /// The reason why it is unknown: a search was not answered, contradicts itself, or was not made in time.
    Unknown(String),
}

impl Sample {
    /// What the answer to a search for `asked` shows about `field`, a value of the input. `asked` is `field`, or its value
    /// in another form.
    pub fn of(attempt: &Attempt, field: &Field) -> Self {
        let page = match attempt {
            Attempt::Page(page) => page,
            Attempt::Refused { message, .. }
            | Attempt::Missing { message }
            | Attempt::Taken { message, .. }
            | Attempt::Queued { message }
            | Attempt::WrongPath { message }
            | Attempt::Unauthorized { message } => return Self::Unknown(message.clone()),
            Attempt::Unsent { cause } | Attempt::Lost { cause, .. } => return Self::Unknown(cause.clone()),
            Attempt::Throttled { .. } => return Self::Unknown("the rate limit is reached".into()),
            Attempt::Contact(_) | Attempt::Created(_) | Attempt::Done => {
                return Self::Unknown("another answer than a page of contacts".into());
            }
        };
        match &page.contradiction {
            Some(why) => Self::Unknown(why.clone()),
            None => Self::of_page(page, field),
        }
    }

    fn of_page(page: &Page, field: &Field) -> Self {
        let mut exact = page.contacts.iter().filter(|contact| contact.has(field));
        match (exact.next(), exact.next()) {
            (Some(one), Some(other)) if one.id != other.id => {
                return Self::Several(one.id.clone(), other.id.clone());
            }
            (Some(one), _) => return Self::Found(one.id.clone()),
            (None, _) => {}
        }
        // A contact without a value in the field may be any contact.
        let of_hits = page.contacts.iter().filter(|contact| contact.resembles(field)).filter_map(|contact| {
            let value = contact.fields.get(&*field.name)?;
            Some((contact.id.clone(), value.text().into_owned()))
        });
        let of_others = page.others.iter().filter_map(|other| {
            let shown = other.shown.as_ref()?;
            let value = shown.value.clone()?;
            Value::Text(value.as_str().into()).resembles(&field.value).then(|| (shown.id.clone(), value))
        });
        let found = of_hits.chain(of_others).find(|(_, value)| !value.trim().is_empty());
        found.map_or(Self::Absent, |(id, value)| Self::OtherForm { id, value })
    }
}

/// The match field by which a sample is searched for: a phone before others, because no contact of the platform has a new
/// id of a CRM yet.
pub fn sampled(contact: &Contact) -> Option<&Field> {
    let matches = contact.matches();
    matches.iter().find(|field| !other_forms(field).is_empty()).or_else(|| matches.first())
}

/// The value of a phone field in the other forms in which platforms store numbers, the usual ones first. Empty when the
/// value is not like a phone number.
///
/// A platform may compare whole values, words, or parts of values, so each form is searched for by itself (API.md, traps 2
/// and 9): with or without the `+`; without the country code; with the `1` of Mexican mobiles; in groups; and the last four
/// digits, which no form changes.
pub fn other_forms(field: &Field) -> Vec<Field> {
    let Value::Text(text) = &field.value else { return Vec::new() };
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let is_phone = text.chars().all(|c| c.is_ascii_digit() || "+ -().".contains(c));
    if !is_phone || digits.len() < SHORTEST_PHONE {
        return Vec::new();
    }
    let has_plus = text.starts_with('+');
    let with_plus = |digits: &str, plus: bool| if plus { format!("+{digits}") } else { digits.to_owned() };
    let mut forms = vec![with_plus(&digits, !has_plus)];
    if let Some(NumberParts { code, national, grouped }) = number_parts(&format!("+{digits}")) {
        let is_mobile = digits.starts_with("521") && digits.len() == national.len() + 3;
        let mexican = (code == MEXICO).then(|| {
            let other = if is_mobile { format!("52{national}") } else { format!("521{national}") };
            [with_plus(&other, !has_plus), with_plus(&other, has_plus)]
        });
        forms.push(national);
        forms.extend(mexican.into_iter().flatten());
        forms.push(grouped);
    }
    forms.push(digits[digits.len() - LAST_DIGITS..].to_owned());
    forms.into_iter().filter(|form| *form != *text).map(|form| Field::text(field.name.clone(), form)).collect()
}

/// How the steps of a mapping turn a phone number of the input into the form of the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The number with its `+` and country code.
    E164,
    /// `prefix` instead of the `+` and `digits` at the beginning of the number. `digits` may be empty.
    Instead {
        /// The digits after the `+`.
        digits: String,
        /// The replacement; may be empty.
        prefix: String,
    },
    /// The platform's value has other characters, which no step writes.
    Punctuation,
}

/// The change that turns `ours` into `theirs`, the same phone number in another form. `None` when they may be different
/// numbers.
pub fn change(ours: &str, theirs: &str) -> Option<Change> {
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let (mine, shown) = (digits(ours), digits(theirs));
    let NumberParts { code, national, .. } =
        number_parts(&format!("+{mine}")).or_else(|| number_parts(&format!("+{shown}")))?;
    let is_it = |digits: &str| digits.strip_suffix(&*national).is_some_and(|before| before.len() <= LONGEST_PREFIX);
    if !is_it(&mine) || !is_it(&shown) {
        return None;
    }
    let plus = if theirs.starts_with('+') { "+" } else { "" };
    if theirs != format!("{plus}{shown}") {
        return Some(Change::Punctuation);
    }
    let prefix = format!("{plus}{}", &shown[..shown.len() - national.len()]);
    Some(if prefix == format!("+{code}") {
        Change::E164
    } else if prefix == code {
        Change::Instead { digits: String::new(), prefix: String::new() }
    } else {
        Change::Instead { digits: code, prefix }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Remote;

    #[test]
    fn a_phone_is_searched_for_in_other_forms() {
        let check = |value: &str, expected: &[&str]| {
            let forms: Vec<String> = other_forms(&Field::text("phone", value))
                .into_iter()
                .map(|field| field.value.text().into_owned())
                .collect();
            assert_eq!(forms, expected, "{value}");
        };
        let mexican = ["525512345678", "5512345678", "5215512345678", "+5215512345678", "+52 55 1234 5678", "5678"];
        check("+525512345678", &mexican);
        check(
            "525512345678",
            &["+525512345678", "5512345678", "+5215512345678", "5215512345678", "+52 55 1234 5678", "5678"],
        );
        check(
            "+5215512345678",
            &["5215512345678", "5512345678", "525512345678", "+525512345678", "+52 55 1234 5678", "5678"],
        );
        check("+34612345678", &["34612345678", "612345678", "+34 612 34 56 78", "5678"]);
        check("+1 (415) 555-2671", &["14155552671", "4155552671", "+1 415-555-2671", "2671"]);
        check("612345678", &["+612345678", "5678"]);
        for no_phone in ["1234567", "ann@example.com", "C-12345678", "", "555 1234 cel"] {
            check(no_phone, &[]);
        }
    }

    #[test]
    fn the_change_writes_the_form_of_the_platform() {
        let instead =
            |digits: &str, prefix: &str| Some(Change::Instead { digits: digits.to_owned(), prefix: prefix.to_owned() });
        let check = |ours: &str, theirs: &str, expected: Option<Change>| {
            assert_eq!(change(ours, theirs), expected, "{ours} {theirs}");
        };
        check("+525512345678", "525512345678", instead("", ""));
        check("+525512345678", "5512345678", instead("52", ""));
        check("+525512345678", "+5215512345678", instead("52", "+521"));
        check("+525512345678", "5215512345678", instead("52", "521"));
        check("+525512345678", "00525512345678", instead("52", "0052"));
        check("+447400123456", "07400123456", instead("44", "0"));
        check("+34612345678", "34612345678", instead("", ""));
        check("+34612345678", "612345678", instead("34", ""));
        check("5512345678", "+525512345678", Some(Change::E164));
        check("5215512345678", "+525512345678", Some(Change::E164));
        check("612345678", "+34612345678", Some(Change::E164));
        check("+525512345678", "+52 55 1234 5678", Some(Change::Punctuation));
        check("+525512345678", "(55) 1234-5678", Some(Change::Punctuation));
        // Other people.
        check("+525512345678", "+34612345678", None);
        check("+525512345678", "+525512345679", None);
        check("+525512345678", "", None);
        check("5512345678", "5512345678", None);
    }

    #[test]
    fn an_answer_shows_whether_the_contact_exists_and_in_which_form() {
        let id = |text: &str| ContactId::new(text).unwrap();
        let remote = |name: &str, phone: &str| Remote {
            id: id(name),
            fields: [("phone".to_owned(), Value::Text(phone.into()))].into(),
            tags: std::collections::BTreeSet::new(),
        };
        let check = |hits: &[Remote], asked: &str, expected: &Sample| {
            let field = Field::text("phone", "+525512345678");
            let page = Page::of(hits.to_vec()).reduced(&Field::text("phone", asked));
            assert_eq!(&Sample::of(&Attempt::Page(page), &field), expected, "{hits:?} {asked}");
        };
        let whole = "+525512345678";
        let other = |value: &str| Sample::OtherForm { id: id("2"), value: value.into() };
        check(&[], whole, &Sample::Absent);
        check(&[remote("1", whole)], whole, &Sample::Found(id("1")));
        check(&[remote("1", whole), remote("3", whole)], whole, &Sample::Several(id("1"), id("3")));
        check(&[remote("2", "525512345678")], whole, &other("525512345678"));
        check(&[remote("2", "+5215512345678")], "5512345678", &other("+5215512345678"));
        check(&[remote("2", "5512345678")], "5512345678", &other("5512345678"));
        check(&[remote("2", "(55) 1234-5678")], "5678", &other("(55) 1234-5678"));
        check(&[remote("3", "+14155555678"), remote("2", "044 55 1234 5678")], "5678", &other("044 55 1234 5678"));
        check(&[remote("4", "+525598765432"), remote("5", "")], "5512345678", &Sample::Absent);
        let contradictory = Page { contradiction: Some("why".into()), ..Page::default() };
        let field = Field::text("phone", whole);
        assert_eq!(Sample::of(&Attempt::Page(contradictory), &field), Sample::Unknown("why".into()));
        let refused = Attempt::refused(403, "no".into());
        assert_eq!(Sample::of(&refused, &field), Sample::Unknown("no".into()));
    }
}
