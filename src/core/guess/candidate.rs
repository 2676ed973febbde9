//! A column with what its name and its values show.

use std::collections::BTreeSet;

use crate::core::counted::counted;
use crate::core::guess::exports::own_field;
use crate::core::guess::kinds;
use crate::core::guess::suggestion::Sampled;
use crate::core::headings::{Heading, Sense, folded};
use crate::core::list::JsonList;
use crate::core::mapping::rules::Country;
use crate::core::mapping::{is_rounded, is_scientific};
use crate::core::text::bare;
use crate::core::text::folded_key;

/// A column, and what its name and its values show so far.
pub(super) struct Candidate<'a> {
    pub(super) column: &'a Sampled,
    pub(super) heading: Heading,
    pub(super) sense: Option<Sense>,
    /// Its values; the first one of each cell with several.
    pub(super) values: Vec<&'a str>,
    /// The word for a blank in it.
    pub(super) blank_word: Option<&'static str>,
    /// Whether the values show the sense, and not the name.
    pub(super) by_value: bool,
    /// For phone numbers: the column with their countries.
    pub(super) country: Option<CountryOf<'a>>,
    /// Whether it holds the country codes of phone numbers.
    pub(super) is_code: bool,
    /// Whether it belongs to another person, in a list of people that a contact has.
    pub(super) is_of_other: bool,
}

/// The column that names the countries of the phone numbers in another column.
#[derive(Clone, Copy)]
pub(super) struct CountryOf<'a> {
    pub(super) at: usize,
    pub(super) column: &'a str,
    /// Number of valid phone numbers with these countries.
    pub(super) numbers: usize,
    /// Number of these that have no country code.
    pub(super) without_code: usize,
}

impl<'a> Candidate<'a> {
    pub(super) fn of(column: &'a Sampled, several: Option<&str>) -> Self {
        let heading = Heading::of(&column.name);
        let is_value =
            |cell: &&str| !cell.is_empty() && *cell != "\\N" && (!NULL_WORDS.contains(cell) || heading.may_name(cell));
        let values: Vec<&str> = column.cells.iter().map(|cell| bare(cell)).filter(is_value).collect();
        let by_name = heading.sense().map(|(sense, _)| sense);
        let blank_word = (!is_own_boolean(column, &heading, &values)).then_some(FALSE);
        let is_blank = |value: &&str| blank_word.is_some() && is_false(value);
        let values: Vec<&str> = values.into_iter().filter(|value| !is_blank(value)).collect();
        let firsts = || values.iter().map(|cell| first(cell, several)).collect::<Vec<_>>();
        let share = |is: &dyn Fn(&str) -> bool, tenths: usize| {
            let firsts = firsts();
            !firsts.is_empty() && firsts.iter().filter(|value| is(value)).count() * 10 >= firsts.len() * tenths
        };
        let most = |is: &dyn Fn(&str) -> bool| share(is, 8);
        let is_own = own_field(&column.name).is_some();
        let is_phone = |value: &str| kinds::phones(&[value], None).numbers == 1;
        let (sense, by_value) = match by_name {
            _ if is_own => (None, false),
            // Most of the values must confirm what the name shows. For phones, half of them are enough, because people write
            // notes where they have no number.
            Some(Sense::Phone | Sense::Mobile) if !values.is_empty() && !share(&kinds::is_phone_like, 5) => {
                (None, false)
            }
            Some(Sense::Email) if !values.is_empty() && !most(&|value| value.contains('@')) => (None, false),
            Some(Sense::Flag) if !kinds::is_yes_or_no(&values) => (None, false),
            Some(sense) => (Some(sense), false),
            None if heading.is_label() || is_of_staff(&column.name) => (None, false),
            None if most(&kinds::is_email) => (Some(Sense::Email), true),
            None if most(&is_phone) => (Some(Sense::Phone), true),
            None => (None, false),
        };
        let values = match sense {
            Some(Sense::Phone | Sense::Mobile | Sense::Email) => firsts(),
            Some(_) | None => values,
        };
        Self { column, heading, sense, values, blank_word, by_value, country: None, is_code: false, is_of_other: false }
    }

    pub(super) fn is(&self, sense: Sense) -> bool {
        self.sense == Some(sense)
    }

    pub(super) fn is_phone(&self) -> bool {
        self.is(Sense::Phone) || self.is(Sense::Mobile)
    }

    // Whether the step for phone numbers is suggested. With a country, all values are expected to be numbers of it; without
    // one, nearly all must have a country code. A value that is no number rejects its row, so every value of a secondary phone
    // must be one. A value that a spreadsheet has rounded was a number.
    pub(super) fn is_e164(&self, country: Option<Country>, is_main: bool) -> bool {
        let (phones, all) = (kinds::phones(&self.values, country), self.values.len());
        let numbers = phones.numbers + phones.rounded;
        match (country, &self.country) {
            (_, Some(by_row)) => is_main || by_row.numbers == all,
            _ if !is_main => numbers == all,
            // A value that is no number of the country may be a part of one, or several: its row is rejected.
            (Some(_), None) => true,
            // Notes in place of a number need no country.
            (None, None) => numbers * 10 >= self.values.iter().filter(|value| kinds::is_phone_like(value)).count() * 9,
        }
    }

    // Whether more than one in ten numbers has no country code, and no column names the country.
    pub(super) fn lacks_codes(&self) -> bool {
        let has_none = |value: &&&str| {
            !value.starts_with(['+', '\u{ff0b}']) && !is_scientific(value) && kinds::is_phone_like(value)
        };
        let is_open = self.is_phone() && self.country.is_none();
        is_open && self.values.iter().filter(has_none).count() * 10 > self.values.len()
    }

    // Why an id cannot be a match field, if it cannot.
    pub(super) fn why_no_match(&self) -> Option<String> {
        let (filled, distinct, rows) = (self.values.len(), self.distinct(), self.column.cells.len());
        if filled * 10 < rows * 9 {
            Some(format!("it is blank in {} of {}", rows - filled, counted(rows as u64, "row", "rows")))
        } else if distinct < filled {
            Some(format!("only {distinct} of its {filled} values are different"))
        } else if self.rounded() > 0 {
            Some("some of its values are rounded".to_owned())
        } else {
            None
        }
    }

    // Number of rounded values, in a column where they would merge contacts.
    pub(super) fn rounded(&self) -> usize {
        match self.sense {
            Some(Sense::Phone | Sense::Mobile) => self.values.iter().filter(|value| is_scientific(value)).count(),
            Some(Sense::Id) => self.values.iter().filter(|value| is_rounded(value)).count(),
            Some(_) | None if self.column.name == "contact_id" => {
                self.values.iter().filter(|value| is_rounded(value)).count()
            }
            Some(_) | None => 0,
        }
    }

    // Whether all values are whole numbers with `.0`. The same ids without it would be other contacts.
    pub(super) fn has_fractions(&self) -> bool {
        let is_whole = |value: &&str| {
            value
                .strip_suffix(".0")
                .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|d| d.is_ascii_digit()))
        };
        !self.values.is_empty() && self.values.iter().all(is_whole)
    }

    pub(super) fn distinct(&self) -> usize {
        self.values.iter().map(|value| value.to_lowercase()).collect::<BTreeSet<_>>().len()
    }

    pub(super) fn is_blank_at(&self, row: usize) -> bool {
        let is_blank = |cell: &str| cell.is_empty() || (self.blank_word.is_some() && is_false(cell));
        self.column.cells.get(row).is_none_or(|cell| is_blank(cell.trim()))
    }
}

/// What databases, spreadsheets and scripts write for a missing value.
pub(super) const NULL_WORDS: [&str; 28] = [
    "NULL",
    "null",
    "Null",
    "(null)",
    "<null>",
    "[NULL]",
    "#N/A",
    "N/A",
    "n/a",
    "N/D",
    "S/D",
    "None",
    "none",
    "nil",
    "nan",
    "NaN",
    "undefined",
    "-",
    "--",
    "no tiene",
    "No tiene",
    "NO TIENE",
    "sin correo",
    "Sin correo",
    "sin email",
    "sin teléfono",
    "não tem",
    "Não tem",
];

/// The JSON boolean that some programs write for a blank.
pub(super) const FALSE: &str = "false";

pub(super) fn is_false(text: &str) -> bool {
    text.eq_ignore_ascii_case(FALSE)
}

// Whether the word `false`, if it is there, is a value. It stands for a blank where the other values are no booleans: in any
// column if it is a JSON boolean, in a column whose name shows that it holds text if it is text. Without other values, the
// name alone decides. It is a value where the name asks a question, such as `newsletter` with `false` or `weekly`, and as text
// among names, because a person may be called so.
fn is_own_boolean(column: &Sampled, heading: &Heading, values: &[&str]) -> bool {
    if !values.iter().any(|value| is_false(value)) {
        return true;
    }
    let sense = heading.sense().map(|(sense, _)| sense);
    if sense == Some(Sense::Flag) || heading.is_question() || (column.falses == 0 && sense.is_some_and(is_of_names)) {
        return true;
    }
    let of_text = sense.is_some_and(|sense| sense != Sense::Tags);
    if column.falses == 0 && !of_text {
        return true;
    }
    let mut others = values.iter().filter(|value| !is_false(value)).peekable();
    if others.peek().is_none() {
        return !of_text;
    }
    let others: Vec<&str> = others.copied().collect();
    others.iter().any(|value| value.eq_ignore_ascii_case("true")) || kinds::is_yes_or_no(&others)
}

impl Heading {
    // Whether a word for a missing value may be a person's name in a column with this heading.
    pub(super) fn may_name(&self, word: &str) -> bool {
        word == "Null" && self.sense().is_some_and(|(sense, _)| is_of_names(sense))
    }

    // Whether the name of a column asks for yes or no, whatever else its values hold.
    fn is_question(&self) -> bool {
        let mut words = self.words.split(' ');
        let begins = self.words.split(' ').next().is_some_and(|first| QUESTION_STARTS.contains(&first));
        begins || words.any(|word| QUESTION_WORDS.contains(&word))
    }
}

/// First words in the names of columns that ask for yes or no, in lower case without accents.
const QUESTION_STARTS: [&str; 17] = [
    "is", "has", "was", "can", "do", "does", "did", "accepts", "allow", "allows", "wants", "es", "esta", "tiene",
    "acepta", "tem", "aceita",
];

/// Words in the names of such columns.
const QUESTION_WORDS: [&str; 36] = [
    "opt",
    "optin",
    "optout",
    "consent",
    "gdpr",
    "rgpd",
    "lgpd",
    "subscribed",
    "unsubscribed",
    "subscription",
    "newsletter",
    "marketing",
    "promotions",
    "notifications",
    "active",
    "enabled",
    "disabled",
    "verified",
    "confirmed",
    "blocked",
    "deleted",
    "archived",
    "bounced",
    "vip",
    "permission",
    "consentimiento",
    "suscrito",
    "suscripcion",
    "boletin",
    "activo",
    "activa",
    "verificado",
    "bloqueado",
    "consentimento",
    "inscrito",
    "ativo",
];

pub(super) const fn is_of_names(sense: Sense) -> bool {
    match sense {
        Sense::FirstName | Sense::LastName | Sense::FullName | Sense::Name => true,
        Sense::Phone
        | Sense::Mobile
        | Sense::Email
        | Sense::Tags
        | Sense::Birthday
        | Sense::City
        | Sense::Country
        | Sense::Company
        | Sense::Language
        | Sense::Flag
        | Sense::Id => false,
    }
}

pub(super) fn first<'a>(cell: &'a str, several: Option<&str>) -> &'a str {
    let parts = several.map(|separator| cell.split(separator).map(bare).find(|part| !part.is_empty()));
    parts.flatten().unwrap_or(cell)
}

/// Lists of a contact's own values, by their keys in lower case without punctuation.
const OWN_LISTS: [&str; 24] = [
    "phones",
    "phonenumbers",
    "telefonos",
    "telefones",
    "emails",
    "emailaddresses",
    "correos",
    "mails",
    "names",
    "nombres",
    "nomes",
    "addresses",
    "direcciones",
    "enderecos",
    "identities",
    "identityprofiles",
    "identifiers",
    "accounts",
    "channels",
    "properties",
    "attributes",
    "fields",
    "customfields",
    "fieldvalues",
];

// Whether a path leads through a list that may be of other people: `family.0.phone`.
fn is_in_list_of_others(path: &str) -> bool {
    let keys: Vec<&str> = path.split('.').collect();
    keys.windows(3).any(|three| {
        let [list, place, _] = three else { return false };
        let name = folded_key(list);
        (*place == "0" || *place == JsonList::PRIMARY_STEP)
            && !OWN_LISTS.contains(&name.as_str())
            && Heading::of(list).sense().is_none()
    })
}

// If a contact has a phone or an e-mail address itself, those in its lists of people belong to others.
pub(super) fn leave_out_others(candidates: &mut [Candidate<'_>]) {
    let is_other = |candidate: &Candidate<'_>| is_in_list_of_others(&candidate.column.name);
    if !candidates.iter().any(|candidate| !is_other(candidate) && (candidate.is_phone() || candidate.is(Sense::Email)))
    {
        return;
    }
    for candidate in candidates.iter_mut().filter(|candidate| is_other(candidate)) {
        candidate.is_of_other = true;
        let is_personal = match candidate.sense {
            Some(
                Sense::Phone
                | Sense::Mobile
                | Sense::Email
                | Sense::FirstName
                | Sense::LastName
                | Sense::FullName
                | Sense::Name,
            ) => true,
            Some(
                Sense::Tags
                | Sense::Birthday
                | Sense::City
                | Sense::Country
                | Sense::Company
                | Sense::Language
                | Sense::Flag
                | Sense::Id,
            )
            | None => false,
        };
        if is_personal {
            (candidate.sense, candidate.by_value) = (None, false);
        }
    }
}

/// Words in the names of columns about employees who are responsible for a contact.
const STAFF: [&str; 14] = [
    "owner",
    "created by",
    "modified by",
    "updated by",
    "assigned",
    "agent",
    "manager",
    "rep",
    "vendedor",
    "vendedora",
    "propietario",
    "asignado",
    "ejecutivo",
    "responsable",
];

pub(super) fn is_of_staff(column: &str) -> bool {
    let name = format!(" {} ", folded(column));
    STAFF.iter().any(|word| name.contains(&format!(" {word} ")))
}
