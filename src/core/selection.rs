//! The contacts that a run is limited to: the first ones that need calls, or those that are named.

use std::fmt;
use std::str::FromStr;

use serde_json::Value as Json;

use crate::core::model::{Contact, ContactId, Key};
use crate::core::record::Cells;
use crate::core::text::trimmed;

const ID_PREFIX: &str = "id:";
const LINE_PREFIX: &str = "line:";

/// The name of a contact of an input: a match value, `FIELD=VALUE`, `id:ID` or `line:N`.
///
/// ```
/// use contactsync::ContactRef;
///
/// assert_eq!("line:17".parse(), Ok(ContactRef::Line(17)));
/// assert_eq!("id:1234".parse(), Ok(ContactRef::Id("1234".into())));
/// assert_eq!("+525512345601".parse(), Ok(ContactRef::Match("+525512345601".into())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContactRef {
    /// The value of one of its match fields, alone or after the field's name and `=`.
    Match(String),
    /// Its id on the platform.
    Id(String),
    /// The line of the input on which one of its rows begins.
    Line(u64),
}

/// Text that names no contact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a match value, FIELD=VALUE, id:ID or line:N, found `{0}`")]
pub struct BadContactRef(String);

impl FromStr for ContactRef {
    type Err = BadContactRef;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadContactRef(text.to_owned());
        let name = trimmed(text);
        if let Some(line) = name.strip_prefix(LINE_PREFIX) {
            let line = line.parse().ok().filter(|line| *line > 0);
            return line.map(Self::Line).ok_or_else(bad);
        }
        let (name, kind): (_, fn(String) -> Self) = match name.strip_prefix(ID_PREFIX) {
            Some(id) => (trimmed(id), Self::Id),
            None => (name, Self::Match),
        };
        if name.is_empty() { Err(bad()) } else { Ok(kind(name.to_owned())) }
    }
}

impl fmt::Display for ContactRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Match(text) => f.write_str(text),
            Self::Id(id) => write!(f, "{ID_PREFIX}{id}"),
            Self::Line(line) => write!(f, "{LINE_PREFIX}{line}"),
        }
    }
}

impl ContactRef {
    /// Whether it names the contact of a row on this line. `id` is the contact's id, as far as it is known.
    pub fn is_of(&self, line: u64, contact: &Contact, id: Option<&ContactId>) -> bool {
        match self {
            Self::Line(named) => *named == line,
            Self::Id(named) => contact.id().into_iter().chain(id).any(|id| id.as_str() == named),
            Self::Match(text) => {
                let is_match = |key: &Key| match key {
                    Key::Match { field, value } => {
                        *text == **value || text.split_once('=') == Some((field.as_str(), value.as_str()))
                    }
                    Key::Id(_) | Key::Row { .. } => false,
                };
                let key = contact.key();
                is_match(key)
                    || *text == key.to_string()
                    || contact.matches().iter().map(Key::of).any(|key| is_match(&key))
            }
        }
    }

    /// Whether one of these cells, of a row that became no contact, has the value that this reference names.
    pub fn matches_row(&self, cells: &Cells) -> bool {
        let Self::Match(text) = self else { return false };
        let value = text.split_once('=').map(|(_, value)| value);
        let is_named = |cell: &str| {
            let cell = trimmed(cell);
            cell == text || Some(cell) == value
        };
        match cells {
            Cells::Texts(texts) => texts.iter().any(is_named),
            Cells::Object(object) => object.iter().any(|(_, json)| match json {
                Json::String(text) => is_named(text),
                Json::Number(number) => is_named(&number.to_string()),
                Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => false,
            }),
        }
    }

    /// Whether it names a row on this line that became no contact.
    pub const fn is_line(&self, line: u64) -> bool {
        matches!(self, Self::Line(named) if *named == line)
    }
}

/// The contacts that a run is limited to. Without limits, it is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those that are named; all when empty.
    pub only: Vec<ContactRef>,
    /// Of these, the first that need calls, in the order of the input.
    pub limit: Option<u64>,
}

impl Selection {
    /// Whether it is all contacts.
    pub fn is_all(&self) -> bool {
        self.only.is_empty() && self.limit.is_none()
    }
}

/// What a limited run does with a contact that needs calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It sends them.
    Send,
    /// It leaves the contact pending or in doubt, as an earlier run left it.
    Defer,
    /// It leaves the contact for a later run.
    Skip,
}

/// Chooses contacts, which come in the order of the input.
#[derive(Debug)]
pub struct Chooser<'a> {
    selection: &'a Selection,
    sent: u64,
}

impl<'a> Chooser<'a> {
    /// Chooses none yet.
    pub const fn new(selection: &'a Selection) -> Self {
        Self { selection, sent: 0 }
    }

    /// What becomes of the next contact that needs calls. `is_named`: whether the selection names it. `is_open`: whether an
    /// earlier run left it pending or in doubt.
    pub fn choose(&mut self, is_named: bool, is_open: bool) -> Choice {
        let Selection { only, limit } = self.selection;
        if (is_named || only.is_empty()) && limit.is_none_or(|limit| self.sent < limit) {
            self.sent += 1;
            Choice::Send
        } else if is_open {
            Choice::Defer
        } else {
            Choice::Skip
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Draft, Field};

    #[test]
    fn a_contact_is_named_by_a_match_value_a_field_an_id_or_a_line() {
        let contact = Contact::new(Draft {
            id: ContactId::new("7"),
            matches: vec![Field::text("phone", "+521"), Field::text("a=b", "c=d")],
            fields: vec![Field::text("name", "Ann")],
            ..Draft::default()
        });
        let (contact, known) = (contact.unwrap(), ContactId::new("8").unwrap());
        let check = |text: &str, expected: bool| {
            let name: ContactRef = text.parse().unwrap();
            assert_eq!(name.is_of(3, &contact, Some(&known)), expected, "{text}");
            assert_eq!(name.to_string(), trimmed(text));
        };
        check("+521", true);
        check(" phone=+521 ", true);
        check("521", false);
        check("c=d", true);
        check("email=+521", false);
        check("name=Ann", false);
        check("Ann", false);
        check("id:7", true);
        check("id:8", true);
        check("id:9", false);
        check("7", false);
        check("line:3", true);
        check("line:4", false);
        // The key as it is printed.
        check(&contact.clone().known_as(Key::of(&Field::text("a=b", "x%"))).key().to_string(), false);
        let other = contact.clone().known_as(Key::of(&Field::text("a=b", "x%")));
        for text in ["x%", "a%3Db=x%"] {
            assert!(text.parse::<ContactRef>().unwrap().is_of(3, &other, None), "{text}");
        }
        let by_id = Contact::new(Draft { id: ContactId::new("7"), ..Draft::default() }).unwrap();
        assert!("contact_id=7".parse::<ContactRef>().unwrap().is_of(1, &by_id, None));
    }

    #[test]
    fn a_row_without_a_contact_is_named_by_a_whole_cell() {
        let json = |text: &str| serde_json::from_str::<Json>(text).unwrap();
        let rows = [
            Cells::Texts([" 555 1234 cel", "Ann", "a=b"].into_iter().collect()),
            Cells::Object(vec![("phone".into(), json("\" 555 1234 cel\"")), ("a".into(), json("[7, \"a=b\"]"))]),
        ];
        for (text, expected) in [
            ("555 1234 cel", [true, true]),
            ("phone=555 1234 cel", [true, true]),
            ("555 1234", [false, false]),
            ("a=b", [true, false]),
            ("name=Ann", [true, false]),
            ("id:Ann", [false, false]),
            ("line:1", [false, false]),
        ] {
            let name: ContactRef = text.parse().unwrap();
            assert_eq!(rows.each_ref().map(|cells| name.matches_row(cells)), expected, "{text}");
        }
        let number = Cells::Object(vec![("phone".into(), json("5551234"))]);
        assert!("phone=5551234".parse::<ContactRef>().unwrap().matches_row(&number));
    }

    #[test]
    fn a_text_that_names_no_contact_is_refused() {
        for text in ["", " ", "line:", "line:0", "line:x", "line:-1", "id:", "id: "] {
            assert_eq!(text.parse::<ContactRef>(), Err(BadContactRef(text.into())), "{text}");
        }
    }

    #[test]
    fn the_first_that_are_named_are_sent_and_no_open_one_is_skipped() {
        let (all, named) = (Vec::new(), vec![ContactRef::Line(1)]);
        let check = |only: &Vec<ContactRef>, limit: Option<u64>, contacts: &[(bool, bool)], expected: &str| {
            let selection = Selection { only: only.clone(), limit };
            let mut chooser = Chooser::new(&selection);
            let choices = contacts.iter().map(|&(is_named, is_open)| match chooser.choose(is_named, is_open) {
                Choice::Send => 's',
                Choice::Defer => 'd',
                Choice::Skip => '-',
            });
            assert_eq!(choices.collect::<String>(), expected, "{selection:?}");
        };
        let contacts = [(false, false), (true, true), (false, true), (true, false)];
        check(&all, None, &contacts, "ssss");
        check(&all, Some(1), &contacts, "sdd-");
        check(&all, Some(3), &contacts, "sss-");
        check(&named, None, &contacts, "-sds");
        check(&named, Some(1), &contacts, "-sd-");
        check(&named, Some(0), &contacts, "-dd-");
    }
}
