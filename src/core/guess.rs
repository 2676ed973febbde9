//! What the columns of a file may mean, by their names and by some of their values: the first draft of a mapping.
//!
//! A guess is for a person to read and to correct, so each has its reason and two masked values. What is not known is
//! kept as it stands: an unknown column becomes the field with the name of the column.

mod exports;
mod kinds;
mod mask;

use std::collections::BTreeSet;

use crate::core::guess::exports::own_field;
use crate::core::guess::kinds::{Dates, DayOrder};
use crate::core::headings::{Heading, Sense, folded};
use crate::core::list::{JsonList, is_primary_key};
use crate::core::mapping::rules::Country;
use crate::core::mapping::{
    CountryHeading, country_heading, e164, is_area_code, is_rounded, is_scientific, named_country,
};
use crate::core::text::bare;

pub use self::exports::Export;
pub use crate::core::headings::Language;

/// Whether a text is an e-mail address, or a phone number with its country code.
pub(crate) fn is_address(text: &str) -> bool {
    kinds::is_email(text) || (text.starts_with('+') && kinds::is_phone_like(text))
}

/// Whether a key is of a person who looks after a contact: `owner`.
pub(crate) fn is_staff(key: &str) -> bool {
    is_of_staff(key)
}

/// A column of a file: its name, and its cells in the rows that were looked at, one for each of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sampled {
    /// Its name.
    pub name: String,
    /// Its cells, the blank ones too.
    pub cells: Vec<String>,
    /// How many of its cells are the boolean `false` of JSON, which some programs write for a blank.
    pub falses: usize,
}

/// What a file may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// The program that the file comes from, when its header is known.
    pub export: Option<Export>,
    /// The language of most of the headings.
    pub language: Option<Language>,
    /// The fields by which a contact is found, in order, each with the reason.
    pub matches: Vec<Chosen>,
    /// What the sample shows about the country of phone numbers.
    pub country: CountryGuess,
    /// Words in its cells that stand for no value in the programs that write them, such as `NULL`.
    pub nulls: Vec<&'static str>,
    /// The columns, in the file's order.
    pub columns: Vec<ColumnGuess>,
    /// How many rows were looked at.
    pub rows: usize,
}

/// A field that was chosen, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The field.
    pub field: String,
    /// The reason.
    pub why: String,
}

/// The country of phone numbers without a country code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountryGuess {
    /// It was said.
    Sourced(Country),
    /// None is needed: all numbers have their code, or there are none.
    Unneeded,
    /// It is needed and was not said. The numbers stay as they are written. So many of so many would be numbers of this
    /// country.
    Missing {
        /// The country that most of them may be of.
        likely: Option<(Country, usize)>,
        /// How many there are.
        of: usize,
    },
}

/// What a column may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnGuess {
    /// Its name.
    pub name: String,
    /// What it is taken for.
    pub meaning: Meaning,
    /// What it could be taken for as well.
    pub instead: Option<Meaning>,
    /// Why.
    pub why: String,
    /// Up to two of its values, masked.
    pub samples: Vec<String>,
    /// How many of its values are numbers that a spreadsheet has rounded, where they should tell contacts apart.
    pub rounded: usize,
    /// How many values it has.
    pub filled: usize,
}

/// What a column is taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A field.
    Field {
        /// Its name on the platform.
        name: String,
        /// What is made of the values.
        made: Vec<Made>,
    },
    /// Tags.
    Tags {
        /// What parts them; `None` for what usually does.
        separator: Option<&'static str>,
        /// Tags that are none.
        except: &'static [&'static str],
        /// Whether they are to be removed.
        remove: bool,
    },
    /// A tag for those of whom it says yes.
    Flag {
        /// The tag.
        tag: String,
    },
    /// The platform's own id.
    PlatformId,
    /// Nothing that is to be sent.
    LeftOut,
    /// Nothing yet: it is blank in all the rows that were looked at.
    Blank,
}

/// What is made of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// Nothing, where this word stands.
    Null(&'static str),
    /// The first of several.
    First(&'static str),
    /// A phone number with its country code.
    E164,
    /// The same, where this column names the country of numbers without a country code.
    E164By(String),
    /// Small letters.
    Lower,
    /// Digits only, without a final `.0`.
    Digits,
    /// A date as ISO 8601, from one of these forms.
    Date(Vec<String>),
}

/// What databases, spreadsheets and scripts write for no value.
const NULL_WORDS: [&str; 28] = [
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

// A column on its way to a guess.
struct Seen<'a> {
    column: &'a Sampled,
    heading: Heading,
    sense: Option<Sense>,
    // Not blank; of several values in one cell, the first.
    values: Vec<&'a str>,
    // The word that stands for a blank in it.
    blank_word: Option<&'static str>,
    by_value: bool,
    // Of a phone: the column with its country.
    country: Option<CountryOf<'a>>,
    // Whether it holds the country codes of phones.
    is_code: bool,
    // Whether it is of another person, in a list of people that a contact has.
    is_of_other: bool,
}

// A column that names the country of the phones in another one.
#[derive(Clone, Copy)]
struct CountryOf<'a> {
    at: usize,
    column: &'a str,
    // How many of the phones are numbers then, and how many of them have no country code.
    numbers: usize,
    without_code: usize,
}

/// What a file with these columns may mean. `country` is that of phone numbers without a country code, when it was said.
pub fn guess(columns: &[Sampled], country: Option<Country>) -> Guess {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let export = Export::of(&names);
    let several = export.and_then(Export::several);
    let language = language(&names);
    let mut seen: Vec<Seen<'_>> = columns.iter().map(|column| Seen::of(column, several)).collect();
    leave_out_others(&mut seen);
    find_countries(&mut seen, columns, several, country);

    let phone = main_phone(&seen);
    let email = best(&seen, |seen| seen.is(Sense::Email));
    let id = best(&seen, |seen| seen.is(Sense::Id) && seen.why_no_match().is_none());
    let id = id.or_else(|| best(&seen, |seen| seen.is(Sense::Id)));
    let is_e164 = phone.is_some_and(|at| seen[at].is_e164(country, true));
    let mut drafts = Drafts { export, several, language, country, names: Names::of(&seen), taken: BTreeSet::new() };
    // The usual names go to the columns that were chosen for them; the others get what is left.
    let mut fields: Vec<Option<String>> = vec![None; seen.len()];
    for (at, name) in [(phone, "phone"), (email, "email"), (id, "crm_id")] {
        if let Some(at) = at {
            fields[at] = Some(drafts.fresh(name));
        }
    }
    for (seen, field) in seen.iter().zip(&mut fields).filter(|(_, field)| field.is_none()) {
        if let Some(name) = drafts.usual_name(seen) {
            *field = Some(drafts.fresh(name));
        }
    }
    let mut columns: Vec<ColumnGuess> =
        seen.iter().zip(fields).map(|(seen, field)| drafts.column(seen, field)).collect();
    let name_of = |at: Option<usize>| at.and_then(|at| columns[at].field().map(|field| (at, field.to_owned())));
    let matches = matches(&seen, name_of(phone), is_e164, name_of(email), name_of(id));
    for (seen, column) in seen.iter().zip(&mut columns).filter(|(seen, _)| seen.is(Sense::Id)) {
        let is_match = column.field().is_some_and(|field| matches.iter().any(|chosen| chosen.field == field));
        if let Some(why) = seen.why_no_match().filter(|_| !is_match) {
            column.why.push_str(&format!("; no match field, because {why}"));
        }
    }
    let country = match country {
        Some(country) => CountryGuess::Sourced(country),
        None => missing_country(&seen),
    };
    let rows = seen.first().map_or(0, |seen| seen.column.cells.len());
    Guess { export, language, matches, country, nulls: nulls(&seen), columns, rows }
}

// A person may be called Null: the word does not count where a column of names has it.
fn nulls(seen: &[Seen<'_>]) -> Vec<&'static str> {
    let is_name = |word: &str| {
        seen.iter().any(|seen| seen.column.cells.iter().any(|cell| seen.heading.may_name(word) && cell.trim() == word))
    };
    let is_there = |word: &&str| seen.iter().any(|seen| seen.column.cells.iter().any(|cell| cell.trim() == *word));
    NULL_WORDS.into_iter().filter(is_there).filter(|word| !is_name(word)).collect()
}

impl Heading {
    // Whether a word for no value may be the name of a person in a column with this heading.
    fn may_name(&self, word: &str) -> bool {
        let is_name = |sense| matches!(sense, Sense::FirstName | Sense::LastName | Sense::FullName | Sense::Name);
        word == "Null" && self.sense().is_some_and(|(sense, _)| is_name(sense))
    }
}

impl ColumnGuess {
    /// The field that it is taken for.
    pub fn field(&self) -> Option<&str> {
        match &self.meaning {
            Meaning::Field { name, .. } => Some(name),
            Meaning::Tags { .. } | Meaning::Flag { .. } | Meaning::PlatformId | Meaning::LeftOut | Meaning::Blank => {
                None
            }
        }
    }
}

impl<'a> Seen<'a> {
    fn of(column: &'a Sampled, several: Option<&str>) -> Self {
        let heading = Heading::of(&column.name);
        let is_value =
            |cell: &&str| !cell.is_empty() && *cell != "\\N" && (!NULL_WORDS.contains(cell) || heading.may_name(cell));
        let values: Vec<&str> = column.cells.iter().map(|cell| bare(cell)).filter(is_value).collect();
        let said = heading.sense().map(|(sense, _)| sense);
        let blank_word = (!is_own_boolean(column, said, &values)).then_some(FALSE);
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
        let (sense, by_value) = match said {
            _ if is_own => (None, false),
            // What a name says, most of the values have to bear out.
            // People write notes where they have no number, so for a phone half of them will do.
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

    fn is(&self, sense: Sense) -> bool {
        self.sense == Some(sense)
    }

    fn is_phone(&self) -> bool {
        self.is(Sense::Phone) || self.is(Sense::Mobile)
    }

    // Numbers that a country was said for are expected to be of it; without one, nearly all must have their code. A
    // number that is none sets its row aside, so of a phone that is one of several all must be. One that a spreadsheet has
    // rounded was a number.
    fn is_e164(&self, country: Option<Country>, is_main: bool) -> bool {
        let (phones, all) = (kinds::phones(&self.values, country), self.values.len());
        let numbers = phones.numbers + phones.rounded;
        match (country, &self.country) {
            (_, Some(by_row)) => is_main || by_row.numbers == all,
            _ if !is_main => numbers == all,
            // What is no number of the country may be a part of one, or several: its row is rejected, not sent as it is.
            (Some(_), None) => true,
            // Words in place of a number need no country.
            (None, None) => numbers * 10 >= self.values.iter().filter(|value| kinds::is_phone_like(value)).count() * 9,
        }
    }

    // Whether more than one in ten numbers is written as inside its country, and no column names it.
    fn lacks_codes(&self) -> bool {
        let has_none = |value: &&&str| {
            !value.starts_with(['+', '\u{ff0b}']) && !is_scientific(value) && kinds::is_phone_like(value)
        };
        let is_open = self.is_phone() && self.country.is_none();
        is_open && self.values.iter().filter(has_none).count() * 10 > self.values.len()
    }

    // Why contacts cannot be told apart by an id, if they cannot.
    fn why_no_match(&self) -> Option<String> {
        let (filled, distinct, rows) = (self.values.len(), self.distinct(), self.column.cells.len());
        if filled * 10 < rows * 9 {
            Some(format!("it is blank in {} of {rows} rows", rows - filled))
        } else if distinct < filled {
            Some(format!("only {distinct} of its {filled} values are different"))
        } else if self.rounded() > 0 {
            Some("some of its values are rounded".to_owned())
        } else {
            None
        }
    }

    // How many of its values are rounded, where that makes several contacts one.
    fn rounded(&self) -> usize {
        match self.sense {
            Some(Sense::Phone | Sense::Mobile) => self.values.iter().filter(|value| is_scientific(value)).count(),
            Some(Sense::Id) => self.values.iter().filter(|value| is_rounded(value)).count(),
            Some(_) | None if self.column.name == "contact_id" => {
                self.values.iter().filter(|value| is_rounded(value)).count()
            }
            Some(_) | None => 0,
        }
    }

    // Whether all its values are whole numbers with `.0`: the same ids without it would be other contacts.
    fn has_fractions(&self) -> bool {
        let is_whole = |value: &&str| {
            value
                .strip_suffix(".0")
                .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|d| d.is_ascii_digit()))
        };
        !self.values.is_empty() && self.values.iter().all(is_whole)
    }

    fn distinct(&self) -> usize {
        self.values.iter().map(|value| value.to_lowercase()).collect::<BTreeSet<_>>().len()
    }

    fn is_blank_at(&self, row: usize) -> bool {
        let is_blank = |cell: &str| cell.is_empty() || (self.blank_word.is_some() && is_false(cell));
        self.column.cells.get(row).is_none_or(|cell| is_blank(cell.trim()))
    }
}

/// The word of JSON for a blank in programs that have no other.
const FALSE: &str = "false";

fn is_false(text: &str) -> bool {
    text.eq_ignore_ascii_case(FALSE)
}

// Whether the word `false`, if it is there, says no. It stands for a blank where the other values are no booleans: in any
// column when it is a boolean of JSON, in one whose name says that it holds text when it is a text. Without other values, the
// name alone decides.
fn is_own_boolean(column: &Sampled, said: Option<Sense>, values: &[&str]) -> bool {
    if !values.iter().any(|value| is_false(value)) {
        return true;
    }
    let of_text = said.is_some_and(|sense| !matches!(sense, Sense::Flag | Sense::Tags));
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

fn first<'a>(cell: &'a str, several: Option<&str>) -> &'a str {
    let parts = several.map(|separator| cell.split(separator).map(bare).find(|part| !part.is_empty()));
    parts.flatten().unwrap_or(cell)
}

/// Lists of what a contact has itself, by their keys without signs in small letters.
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

// Whether a path leads through a list of what may be other people: `family.0.phone`.
fn is_in_list_of_others(path: &str) -> bool {
    let keys: Vec<&str> = path.split('.').collect();
    keys.windows(3).any(|three| {
        let [list, place, _] = three else { return false };
        let name: String =
            list.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        (*place == "0" || *place == JsonList::PRIMARY_STEP)
            && !OWN_LISTS.contains(&name.as_str())
            && Heading::of(list).sense().is_none()
    })
}

// Where a contact has a phone or an e-mail address itself, those in its lists of people are of others.
fn leave_out_others(seen: &mut [Seen<'_>]) {
    let is_other = |seen: &Seen<'_>| is_in_list_of_others(&seen.column.name);
    if !seen.iter().any(|seen| !is_other(seen) && (seen.is_phone() || seen.is(Sense::Email))) {
        return;
    }
    for seen in seen.iter_mut().filter(|seen| is_other(seen)) {
        seen.is_of_other = true;
        let is_personal = match seen.sense {
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
            (seen.sense, seen.by_value) = (None, false);
        }
    }
}

// Of each phone: the column that names its country, if there is one. Where a country was said, the column must read more
// phones than that country does: people write the country where they live beside phones of another.
fn find_countries<'a>(seen: &mut [Seen<'a>], columns: &'a [Sampled], several: Option<&str>, assumed: Option<Country>) {
    let is_country = |column: &Sampled| {
        let filled: Vec<&str> = column.cells.iter().map(|cell| bare(cell)).filter(|cell| !cell.is_empty()).collect();
        let named = filled.iter().filter(|cell| named_country(cell).is_some()).count();
        named > 0 && named * 10 >= filled.len() * 8
    };
    let headed = |(at, column): (usize, &'a Sampled)| Some((at, column, country_heading(&column.name)?));
    let countries: Vec<_> =
        columns.iter().enumerate().filter_map(headed).filter(|(_, column, _)| is_country(column)).collect();
    for at in 0..seen.len() {
        // Beside country codes, a column of any name may hold the rest of a phone: `Number`.
        let is_open = seen[at].sense.is_none() && !seen[at].is_of_other && country_heading(&columns[at].name).is_none();
        if !seen[at].is_phone() && (!is_open || is_of_staff(&columns[at].name)) {
            continue;
        }
        let phones = || seen[at].column.cells.iter().map(|cell| first(bare(cell), several));
        let by_row = |(place, column, heading): &(usize, &'a Sampled, CountryHeading)| {
            let read = phones().zip(&column.cells).filter_map(|(phone, cell)| {
                let country = named_country(cell).map(|named| named.country);
                let is_without = country.is_some() && !phone.starts_with('+');
                let number = e164(phone, country).ok()?;
                // An area code is read as that of another country.
                let is_wrong = assumed.is_some()
                    && is_area_code(cell, phone)
                    && e164(phone, assumed).is_ok_and(|other| other != number);
                (!is_wrong).then(|| usize::from(is_without))
            });
            let (numbers, without_code) = read.fold((0, 0), |(all, without), one| (all + 1, without + one));
            let country = CountryOf { at: *place, column: &column.name, numbers, without_code };
            (country, *heading, place.abs_diff(at))
        };
        let enough = |(country, heading, _): &(CountryOf<'_>, CountryHeading, usize)| {
            // Where people live is not always where their phones are of.
            let tenths = match heading {
                CountryHeading::Code if is_open => 9,
                CountryHeading::Code => 5,
                CountryHeading::Country if is_open => return false,
                CountryHeading::Country => 8,
            };
            country.without_code > 0 && country.numbers * 10 >= seen[at].values.len() * tenths
        };
        let by_assumed = assumed.map(|_| phones().filter(|phone| e164(phone, assumed).is_ok()).count());
        let best = countries
            .iter()
            .map(by_row)
            .filter(enough)
            .min_by_key(|(country, heading, distance)| (*heading, usize::MAX - country.numbers, *distance));
        if let Some((country, heading, _)) = best {
            if is_open {
                (seen[at].sense, seen[at].by_value) = (Some(Sense::Phone), true);
            }
            if by_assumed.is_none_or(|count| country.numbers > count) {
                seen[at].country = Some(country);
                seen[country.at].is_code |= heading == CountryHeading::Code;
            }
        }
    }
}

fn language(names: &[&str]) -> Option<Language> {
    let count = |language| {
        names.iter().filter(|name| Heading::of(name).sense().is_some_and(|(_, said)| said == Some(language))).count()
    };
    let counted = Language::ALL.map(|language| (language, count(language)));
    counted.into_iter().filter(|(_, count)| *count > 0).max_by_key(|(_, count)| *count).map(|(language, _)| language)
}

// The column that is filled most; of several, the first.
fn best<'a>(seen: &[Seen<'a>], is: impl Fn(&Seen<'a>) -> bool) -> Option<usize> {
    let filled = seen.iter().enumerate().filter(|(_, seen)| is(seen) && !seen.values.is_empty());
    // A name says more than the values.
    filled.rev().max_by_key(|(_, seen)| (!seen.by_value, seen.values.len())).map(|(at, _)| at)
}

// One that is carried along, unless it is filled in less than half as many rows as another: it is for messages.
fn main_phone(seen: &[Seen<'_>]) -> Option<usize> {
    let any = best(seen, Seen::is_phone)?;
    let mobile = best(seen, |seen| seen.is(Sense::Mobile));
    Some(mobile.filter(|at| seen[*at].values.len() * 2 >= seen[any].values.len()).unwrap_or(any))
}

// Which columns there are for the names of people.
#[derive(Clone, Copy)]
enum Names {
    // One of first names.
    First,
    // One of last names, and none that says that it has first names.
    LastOnly,
    // Neither.
    Whole,
}

impl Names {
    fn of(seen: &[Seen<'_>]) -> Self {
        let has = |sense| seen.iter().any(|seen| seen.is(sense) && !seen.values.is_empty());
        match (has(Sense::FirstName), has(Sense::LastName)) {
            (true, _) => Self::First,
            (false, true) => Self::LastOnly,
            (false, false) => Self::Whole,
        }
    }
}

fn missing_country(seen: &[Seen<'_>]) -> CountryGuess {
    let without = seen.iter().filter(|seen| seen.lacks_codes());
    let values: Vec<&str> = without.flat_map(|seen| seen.values.iter().copied()).collect();
    if values.is_empty() {
        return CountryGuess::Unneeded;
    }
    CountryGuess::Missing { likely: kinds::likely_country(&values), of: values.len() }
}

fn matches(
    seen: &[Seen<'_>],
    phone: Option<(usize, String)>,
    is_e164: bool,
    email: Option<(usize, String)>,
    id: Option<(usize, String)>,
) -> Vec<Chosen> {
    let of = |at: usize| {
        let (filled, distinct, rows) = (seen[at].values.len(), seen[at].distinct(), seen[at].column.cells.len());
        let plural = if rows == 1 { "" } else { "s" };
        format!("filled in {filled} of {rows} row{plural}, {distinct} different")
    };
    // An id of the program that the file comes from, in nearly every row and in no two.
    let tells_apart = |(at, _): &(usize, String)| seen[*at].why_no_match().is_none();
    // A number that is written in its own way in each program finds no contact. Messages go to phones, so a few that are
    // missing do not count.
    let worth = |at: usize, is_sure: bool| {
        let (is_phone, distinct) = (seen[at].is_phone(), seen[at].distinct());
        distinct * if is_sure { 2 } else { 1 } * if is_phone { 5 } else { 4 }
    };
    let (first, second) = match (phone, email) {
        (Some(phone), Some(email)) if worth(phone.0, is_e164) >= worth(email.0, true) => (phone, Some(email)),
        (Some(phone), Some(email)) => (email, Some(phone)),
        (Some(only), None) | (None, Some(only)) => (only, None),
        (None, None) => {
            let last = id.filter(tells_apart).map(|(at, field)| Chosen {
                why: format!("{}; there is neither a phone nor an e-mail address", of(at)),
                field,
            });
            return last.into_iter().collect();
        }
    };
    let rows = 0..seen[first.0].column.cells.len();
    let helps = |(at, _): &(usize, String)| {
        rows.clone().any(|row| seen[first.0].is_blank_at(row) && !seen[*at].is_blank_at(row))
    };
    let id = id.filter(tells_apart);
    let has_id = id.is_some();
    let id = id.map(|(at, field)| Chosen {
        why: format!("{}; a contact is still found by it when its `{}` changes", of(at), first.1),
        field,
    });
    let why = of(first.0);
    let chosen = Chosen {
        why: if has_id { format!("{why}; for contacts that have no id on the platform yet") } else { why },
        field: first.1,
    };
    let also = second
        .filter(helps)
        .map(|(at, field)| Chosen { why: format!("{}; for rows without `{}`", of(at), chosen.field), field });
    [id, Some(chosen), also].into_iter().flatten().collect()
}

// What the guesses of all columns share.
struct Drafts {
    export: Option<Export>,
    several: Option<&'static str>,
    language: Option<Language>,
    country: Option<Country>,
    names: Names,
    taken: BTreeSet<String>,
}

impl Drafts {
    // A field's name that no other column has got yet, and that means nothing else to the platform.
    fn fresh(&mut self, name: &str) -> String {
        let is_free = |name: &str| !self.taken.contains(name) && !RESERVED.contains(&name);
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let fresh = std::iter::once(name.to_owned()).chain(numbered).find(|name| is_free(name));
        let fresh = fresh.expect("the numbers have no end");
        self.taken.insert(fresh.clone());
        fresh
    }

    // The platform's name of what a column is, as far as its fields have one.
    fn usual_name(&self, seen: &Seen<'_>) -> Option<&'static str> {
        if seen.values.is_empty() || self.leaves_out(seen).is_some() {
            return None;
        }
        match seen.sense? {
            Sense::FirstName => Some("firstName"),
            Sense::LastName => Some("lastName"),
            // The platform shows a contact by its first name: one without it has no name there.
            Sense::Name => Some(match self.names {
                Names::LastOnly | Names::Whole => "firstName",
                Names::First => "fullName",
            }),
            Sense::FullName => Some(match self.names {
                Names::Whole => "firstName",
                Names::First | Names::LastOnly => "fullName",
            }),
            Sense::Phone | Sense::Mobile if seen.heading.number.is_some() || seen.by_value => Some("phone"),
            Sense::Email if seen.heading.number.is_some() || seen.by_value => Some("email"),
            Sense::Birthday => Some("birthday"),
            Sense::City => Some("city"),
            Sense::Country => Some("country"),
            Sense::Company => Some("company"),
            Sense::Language => Some("language"),
            Sense::Phone | Sense::Mobile | Sense::Email | Sense::Tags | Sense::Flag | Sense::Id => None,
        }
    }

    fn leaves_out(&self, seen: &Seen<'_>) -> Option<&'static str> {
        if CHANGES_EACH_NIGHT.contains(&folded(&seen.column.name).as_str()) {
            return Some("it changes whenever the contact is saved, so every such contact would be sent each night");
        }
        if seen.column.name.starts_with('_') {
            return Some("its name begins with `_`");
        }
        if seen.is_code {
            return Some("the country code of a phone, which is put before its number");
        }
        if seen.column.name.rsplit_once(JsonList::PRIMARY_INSIDE).is_some_and(|(_, key)| is_primary_key(key)) {
            return Some("it marks the primary element of a list");
        }
        if seen.heading.is_label() {
            return Some("it says what kind another column is of");
        }
        self.export.and_then(|export| export.leaves_out(&seen.column.name))
    }

    fn column(&mut self, seen: &Seen<'_>, field: Option<String>) -> ColumnGuess {
        let (meaning, instead, why) = self.meaning(seen, field);
        let mut samples: Vec<String> = Vec::new();
        for value in &seen.values {
            let masked = mask::masked(value);
            if samples.len() < 2 && !samples.contains(&masked) {
                samples.push(masked);
            }
        }
        ColumnGuess {
            name: seen.column.name.clone(),
            meaning,
            instead,
            why,
            samples,
            rounded: seen.rounded(),
            filled: seen.values.len(),
        }
    }

    fn meaning(&mut self, seen: &Seen<'_>, field: Option<String>) -> (Meaning, Option<Meaning>, String) {
        let name = seen.column.name.as_str();
        if let Some(why) = self.leaves_out(seen) {
            return (Meaning::LeftOut, None, why.to_owned());
        }
        if name == "contact_id" {
            return (Meaning::PlatformId, None, "the platform's id, by its name".into());
        }
        if seen.values.is_empty() {
            return (Meaning::Blank, None, "blank in all rows that were looked at".into());
        }
        let tags = |remove| {
            let separator = kinds::separator(&seen.values);
            let except = self.export.map_or(&[][..], Export::own_groups);
            Meaning::Tags { separator, except: if remove { &[] } else { except }, remove }
        };
        if name == "remove_tags" {
            return (tags(true), None, "tags to remove, by its name".into());
        }
        let by_name = Self::by_name(seen);
        let made = |made| (made, None, String::new());
        let (steps, other, more) = match seen.sense {
            Some(Sense::Tags) => return (tags(false), None, format!("tags, {by_name}")),
            Some(Sense::Flag) => {
                let tag = folded(name);
                return (Meaning::Flag { tag }, None, format!("yes or no, {by_name} and by its values"));
            }
            Some(Sense::Phone | Sense::Mobile) => self.phone(seen, field.as_deref() == Some("phone")),
            Some(Sense::Email) => made(self.several.map(Made::First).into_iter().chain([Made::Lower]).collect()),
            Some(Sense::Birthday) | None => self.plain(seen),
            Some(Sense::Id) if seen.has_fractions() => {
                (vec![Made::Digits], None, "; whole numbers with `.0`, as scripts write them".into())
            }
            Some(
                Sense::FirstName
                | Sense::LastName
                | Sense::FullName
                | Sense::Name
                | Sense::City
                | Sense::Country
                | Sense::Company
                | Sense::Language
                | Sense::Id,
            ) => made(Vec::new()),
        };
        let blank = || seen.blank_word.map(Made::Null);
        let steps: Vec<Made> = blank().into_iter().chain(steps).collect();
        let more = if seen.blank_word.is_some() { more + "; `false` stands for a blank" } else { more };
        let field = field.unwrap_or_else(|| self.fresh(own_field(name).unwrap_or(name)));
        let instead = other.map(|other| match other {
            Other::Flag => Meaning::Flag { tag: folded(name) },
            Other::Made(made) => {
                Meaning::Field { name: field.clone(), made: blank().into_iter().chain(made).collect() }
            }
        });
        let what = match (own_field(name), seen.sense) {
            (Some(_), _) => "a field of the platform, by its name".to_owned(),
            (None, Some(sense)) => format!("{}, {by_name}", noun(sense)),
            (None, None) => "kept as it stands, under its own name".to_owned(),
        };
        (Meaning::Field { name: field, made: steps }, instead, what + &more)
    }

    fn by_name(seen: &Seen<'_>) -> String {
        let language = seen.heading.sense().and_then(|(_, language)| language);
        match language {
            _ if seen.by_value => "by its values".into(),
            Some(language) => format!("by its name ({})", language.name()),
            None => "by its name".into(),
        }
    }

    fn phone(&self, seen: &Seen<'_>, is_main: bool) -> (Vec<Made>, Option<Other>, String) {
        let first = self.several.map(Made::First);
        let (phones, all) = (kinds::phones(&seen.values, self.country), seen.values.len());
        let numbers = phones.numbers;
        let made = seen.country.map_or(Made::E164, |country| Made::E164By(country.column.to_owned()));
        let with = |e164: bool| first.clone().into_iter().chain(e164.then(|| made.clone())).collect::<Vec<_>>();
        let rounded = match phones.rounded {
            0 => String::new(),
            rounded => {
                format!("; {rounded} of {all} are numbers that a spreadsheet has rounded: export the column as text")
            }
        };
        if seen.is_e164(self.country, is_main) {
            let why = match (self.country, seen.country) {
                (_, Some(CountryOf { column, numbers, .. })) => {
                    format!("; {numbers} of {all} are phone numbers of the country that `{column}` names in their row")
                }
                (Some(country), None) => {
                    let others = match numbers - phones.of_country {
                        0 => String::new(),
                        others => format!(", {others} of other countries"),
                    };
                    format!("; {} of {all} are phone numbers of {country}{others}", phones.of_country)
                }
                (None, None) => format!("; {numbers} of {all} are phone numbers with a country code"),
            };
            return (with(true), None, why + &rounded);
        }
        let why = match (self.country, seen.country) {
            (_, Some(CountryOf { column, numbers, .. })) => format!(
                "; only {numbers} of {all} are phone numbers of the country that `{column}` names, so it stays as it is"
            ),
            (Some(country), None) => {
                let of_country = phones.of_country;
                format!("; only {of_country} of {all} are phone numbers of {country}, so it stays as it is")
            }
            (None, None) if seen.lacks_codes() => format!(
                "; only {numbers} of {all} are phone numbers with a country code, so it stays as it is: set `country` and \
                 use the second line"
            ),
            (None, None) => format!("; only {numbers} of {all} are phone numbers, so it stays as it is"),
        };
        (with(false), Some(Other::Made(with(true))), why + &rounded)
    }

    fn plain(&self, seen: &Seen<'_>) -> (Vec<Made>, Option<Other>, String) {
        if seen.column.falses > 0 && seen.values.iter().all(|value| is_false(value)) {
            let why = "; its only value is `false`: if that means blank, use the second line instead";
            return (Vec::new(), Some(Other::Made(vec![Made::Null(FALSE)])), why.into());
        }
        if kinds::is_yes_or_no(&seen.values) && seen.sense.is_none() {
            return (Vec::new(), Some(Other::Flag), "; it says yes or no, so it could be a tag instead".into());
        }
        let by_country = self.country.and_then(|country| Some((country, DayOrder::of_country(country)?)));
        let order = by_country.map_or_else(|| DayOrder::of_language(self.language), |(_, order)| order);
        match kinds::dates(&seen.values, order) {
            Some(Dates::Iso) => (Vec::new(), None, "; dates in ISO 8601 already".into()),
            Some(Dates::Forms(forms)) => {
                let why = format!("; all values are dates as {}", forms.join(" or "));
                (vec![Made::Date(forms)], None, why)
            }
            Some(Dates::Either(forms, others)) => {
                let decides = match by_country {
                    Some((country, _)) => format!("the country ({country})"),
                    None => format!("the headings' language ({})", self.language.map_or("no language", Language::name)),
                };
                let why = format!(
                    "; all values are dates as {} and as {}, and {decides} decides",
                    forms.join(" or "),
                    others.join(" or ")
                );
                (vec![Made::Date(forms)], Some(Other::Made(vec![Made::Date(others)])), why)
            }
            None if seen.is(Sense::Birthday) && kinds::has_short_years(&seen.values) => {
                let why = "; years of two digits say no century, so the dates stay as they are: export them with four";
                (Vec::new(), None, why.into())
            }
            None if seen.is(Sense::Birthday) => {
                (Vec::new(), None, "; no forms fit all dates, so they stay as they are".into())
            }
            None => (Vec::new(), None, String::new()),
        }
    }
}

// What a column could be taken for as well.
enum Other {
    Flag,
    Made(Vec<Made>),
}

/// Words in the names of columns about the people who look after a contact.
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

fn is_of_staff(column: &str) -> bool {
    let name = format!(" {} ", folded(column));
    STAFF.iter().any(|word| name.contains(&format!(" {word} ")))
}

/// Columns with the time of the last change, by their folded names.
const CHANGES_EACH_NIGHT: [&str; 12] = [
    "updated at",
    "modified at",
    "last modified",
    "last modified date",
    "last modified time",
    "modified time",
    "modified date",
    "date modified",
    "ultima modificacion",
    "fecha modificacion",
    "fecha de modificacion",
    "ultima modificacao",
];

/// Names that mean something else than a field.
const RESERVED: [&str; 3] = ["contact_id", "tags", "remove_tags"];

const fn noun(sense: Sense) -> &'static str {
    match sense {
        Sense::FirstName => "the first name",
        Sense::LastName => "the last name",
        Sense::FullName | Sense::Name => "the name",
        Sense::Phone => "a phone",
        Sense::Mobile => "a mobile phone",
        Sense::Email => "an e-mail address",
        Sense::Tags => "tags",
        Sense::Birthday => "the birthday",
        Sense::City => "the town",
        Sense::Country => "the country",
        Sense::Company => "the company",
        Sense::Language => "the language",
        Sense::Flag => "yes or no",
        Sense::Id => "an id, but not the platform's",
    }
}

#[cfg(test)]
mod tests;
