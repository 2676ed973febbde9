//! Whether a contact of the input is on the platform, and in which form: what `check` finds out by searches.

use crate::core::attempt::Attempt;
use crate::core::model::{Contact, ContactId, Field, Value};
use crate::core::page::Page;

/// Minimum length, in digits, of a value that is searched for in another form.
const SHORTEST_PHONE: usize = 8;

/// Number of digits at the end of a phone number that no country or mobile prefix changes.
const NATIONAL_DIGITS: usize = 10;

/// What the searches for a contact found.
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
    /// A search was not answered, or contradicts itself, or there was no time for it. The reason.
    Unknown(String),
}

impl Sample {
    /// What the answer to a search for `asked` says about `field`, a value of the input. `asked` is `field`, or its value
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
        // A contact that shows nothing in the field may be any other.
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

/// The match field by which the `nth` sample is searched for: a phone before others, because a new id of a CRM is on no
/// contact of the platform yet.
pub fn sampled(contact: &Contact, nth: usize) -> Option<&Field> {
    let matches = contact.matches();
    matches.iter().find(|field| other_form(field, nth).is_some()).or_else(|| matches.first())
}

/// The value of a phone field in another form, for a platform that stores another one. `None` when the value is not like a
/// phone number.
///
/// A platform may compare whole values, so each sample is searched for in another of the usual forms (API.md, trap 9). By
/// `nth`: the value with or without its `+`; with or without the `1` of Mexican mobiles; and both. Where that makes no
/// difference, the national digits.
pub fn other_form(field: &Field, nth: usize) -> Option<Field> {
    let Value::Text(text) = &field.value else { return None };
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let is_phone = text.chars().all(|c| c.is_ascii_digit() || "+ -().".contains(c));
    if !is_phone || digits.len() < SHORTEST_PHONE {
        return None;
    }
    let national = digits.get(digits.len().saturating_sub(NATIONAL_DIGITS)..).unwrap_or(&digits);
    let mobile = match digits.len() - national.len() {
        2 if digits.starts_with("52") => Some(format!("521{national}")),
        3 if digits.starts_with("521") => Some(format!("52{national}")),
        _ => None,
    };
    let has_plus = text.starts_with('+');
    let with_plus = |digits: &str, plus: bool| if plus { format!("+{digits}") } else { digits.to_owned() };
    let form = match (nth % 3, mobile) {
        (0, _) => with_plus(&digits, !has_plus),
        (1, Some(mobile)) => with_plus(&mobile, has_plus),
        (2, Some(mobile)) => with_plus(&mobile, !has_plus),
        _ if national.len() < digits.len() => national.to_owned(),
        _ => with_plus(&digits, !has_plus),
    };
    Some(Field::text(field.name.clone(), form))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Remote;

    #[test]
    fn a_phone_is_searched_for_in_another_form() {
        let check = |value: &str, forms: [Option<&str>; 3]| {
            for (nth, form) in forms.into_iter().enumerate() {
                let field = other_form(&Field::text("phone", value), nth);
                assert_eq!(field.map(|field| field.value.text().into_owned()).as_deref(), form, "{value} {nth}");
            }
        };
        check("+525512345678", [Some("525512345678"), Some("+5215512345678"), Some("5215512345678")]);
        check("+5215512345678", [Some("5215512345678"), Some("+525512345678"), Some("525512345678")]);
        check("525512345678", [Some("+525512345678"), Some("5215512345678"), Some("+5215512345678")]);
        check("+1 (415) 555-2671", [Some("14155552671"), Some("4155552671"), Some("4155552671")]);
        check("+525512345", [Some("525512345"), Some("525512345"), Some("525512345")]);
        check("5512345678", [Some("+5512345678"), Some("+5512345678"), Some("+5512345678")]);
        for no_phone in ["1234567", "ann@example.com", "C-12345678", "", "555 1234 cel"] {
            check(no_phone, [None, None, None]);
        }
    }

    #[test]
    fn an_answer_says_whether_the_contact_is_there_and_in_which_form() {
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
        check(&[remote("4", "+525598765432"), remote("5", "")], "5512345678", &Sample::Absent);
        let contradictory = Page { contradiction: Some("why".into()), ..Page::default() };
        let field = Field::text("phone", whole);
        assert_eq!(Sample::of(&Attempt::Page(contradictory), &field), Sample::Unknown("why".into()));
        let refused = Attempt::refused(403, "no".into());
        assert_eq!(Sample::of(&refused, &field), Sample::Unknown("no".into()));
    }
}
