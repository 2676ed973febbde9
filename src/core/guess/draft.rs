//! The suggestion for each column, with its reason in words.

use std::collections::BTreeSet;
use std::iter;

use crate::core::guess::candidate::{Candidate, CountryOf, FALSE, is_false, is_of_names};
use crate::core::guess::exports::{Export, own_field};
use crate::core::guess::kinds::{self, Dates, DayOrder};
use crate::core::guess::mask;
use crate::core::guess::suggestion::{ColumnGuess, Made, Meaning};
use crate::core::headings::{Language, Sense, folded};
use crate::core::list::{JsonList, is_primary_key};
use crate::core::mapping::rules::Country;

/// What the suggestions for all columns share.
pub(super) struct Drafts {
    export: Option<Export>,
    // Between the values of a cell with several.
    several: Option<&'static str>,
    language: Option<Language>,
    country: Option<Country>,
    names: Names,
    // The names of fields that columns have already.
    taken: BTreeSet<String>,
}

// The columns of the file for the names of people.
#[derive(Clone, Copy)]
enum Names {
    // One for first names.
    First,
    // One for last names, and none for first names.
    LastOnly,
    // Neither.
    Whole,
}

// Another possible use of a column.
enum Other {
    Flag,
    Made(Vec<Made>),
}

/// Columns with the time of the last change, by their names in lower case without accents.
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

/// Names of columns that are no fields.
const RESERVED: [&str; 3] = ["contact_id", "tags", "remove_tags"];

impl Names {
    fn of(candidates: &[Candidate<'_>]) -> Self {
        let has = |sense| candidates.iter().any(|candidate| candidate.is(sense) && !candidate.values.is_empty());
        match (has(Sense::FirstName), has(Sense::LastName)) {
            (true, _) => Self::First,
            (false, true) => Self::LastOnly,
            (false, false) => Self::Whole,
        }
    }
}

impl Drafts {
    pub(super) fn new(
        export: Option<Export>,
        language: Option<Language>,
        country: Option<Country>,
        candidates: &[Candidate<'_>],
    ) -> Self {
        let several = export.and_then(Export::several);
        Self { export, several, language, country, names: Names::of(candidates), taken: BTreeSet::new() }
    }

    /// A name of a field that no other column has, and that is not reserved.
    pub(super) fn fresh(&mut self, name: &str) -> String {
        let is_free = |name: &str| !self.taken.contains(name) && !RESERVED.contains(&name);
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let fresh = iter::once(name.to_owned()).chain(numbered).find(|name| is_free(name));
        let fresh = fresh.expect("the numbers have no end");
        self.taken.insert(fresh.clone());
        fresh
    }

    /// The usual name of a column's field on the platform.
    pub(super) fn usual_name(&self, candidate: &Candidate<'_>) -> Option<&'static str> {
        if candidate.values.is_empty() || self.leaves_out(candidate).is_some() {
            return None;
        }
        match candidate.sense? {
            Sense::FirstName => Some("firstName"),
            Sense::LastName => Some("lastName"),
            // The platform shows a contact by its first name.
            Sense::Name => Some(match self.names {
                Names::LastOnly | Names::Whole => "firstName",
                Names::First => "fullName",
            }),
            Sense::FullName => Some(match self.names {
                Names::Whole => "firstName",
                Names::First | Names::LastOnly => "fullName",
            }),
            Sense::Phone | Sense::Mobile if candidate.heading.number.is_some() || candidate.by_value => Some("phone"),
            Sense::Email if candidate.heading.number.is_some() || candidate.by_value => Some("email"),
            Sense::Birthday => Some("birthday"),
            Sense::City => Some("city"),
            Sense::Country => Some("country"),
            Sense::Company => Some("company"),
            Sense::Language => Some("language"),
            Sense::Phone | Sense::Mobile | Sense::Email | Sense::Tags | Sense::Flag | Sense::Id => None,
        }
    }

    fn leaves_out(&self, candidate: &Candidate<'_>) -> Option<&'static str> {
        if CHANGES_EACH_NIGHT.contains(&folded(&candidate.column.name).as_str()) {
            return Some("it changes whenever the contact is saved, so every such contact would be sent each night");
        }
        if candidate.column.name.starts_with('_') {
            return Some("its name begins with `_`");
        }
        if candidate.is_code {
            return Some("the country code of a phone, which is put before its number");
        }
        if candidate.column.name.rsplit_once(JsonList::PRIMARY_INSIDE).is_some_and(|(_, key)| is_primary_key(key)) {
            return Some("it marks the primary element of a list");
        }
        if candidate.heading.is_label() {
            return Some("it labels another column");
        }
        self.export.and_then(|export| export.leaves_out(&candidate.column.name))
    }

    /// The suggestion for a column. `field` is the name of its field, if it has one already.
    pub(super) fn column(&mut self, candidate: &Candidate<'_>, field: Option<String>) -> ColumnGuess {
        let (meaning, instead, why) = self.meaning(candidate, field);
        let mut samples: Vec<String> = Vec::new();
        for value in &candidate.values {
            let masked = mask::masked(value);
            if samples.len() < 2 && !samples.contains(&masked) {
                samples.push(masked);
            }
        }
        ColumnGuess {
            name: candidate.column.name.clone(),
            meaning,
            instead,
            why,
            samples,
            rounded: candidate.rounded(),
            filled: candidate.values.len(),
        }
    }

    fn meaning(&mut self, candidate: &Candidate<'_>, field: Option<String>) -> (Meaning, Option<Meaning>, String) {
        let name = candidate.column.name.as_str();
        if let Some(why) = self.leaves_out(candidate) {
            return (Meaning::LeftOut, None, why.to_owned());
        }
        if name == "contact_id" {
            return (Meaning::PlatformId, None, "the platform's id, by its name".into());
        }
        if candidate.values.is_empty() {
            return (Meaning::Blank, None, "blank in all rows that were read".into());
        }
        let tags = |remove| {
            let separator = kinds::separator(&candidate.values);
            let except = self.export.map_or(&[][..], Export::own_groups);
            Meaning::Tags { separator, except: if remove { &[] } else { except }, remove }
        };
        if name == "remove_tags" {
            return (tags(true), None, "tags to remove, by its name".into());
        }
        let by_name = Self::by_name(candidate);
        let made = |made| (made, None, String::new());
        let (steps, other, more) = match candidate.sense {
            Some(Sense::Tags) => return (tags(false), None, format!("tags, {by_name}")),
            Some(Sense::Flag) => {
                let tag = folded(name);
                return (Meaning::Flag { tag }, None, format!("yes or no, {by_name} and by its values"));
            }
            Some(Sense::Phone | Sense::Mobile) => self.phone(candidate, field.as_deref() == Some("phone")),
            Some(Sense::Email) => made(self.several.map(Made::First).into_iter().chain([Made::Lower]).collect()),
            Some(Sense::Birthday) | None => self.plain(candidate),
            Some(Sense::Id) if candidate.has_fractions() => {
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
        let field = field.unwrap_or_else(|| self.fresh(own_field(name).unwrap_or(name)));
        let (instead, about_false) = alternative(candidate, &field, &steps, other);
        let steps: Vec<Made> = candidate.blank_word.map(Made::Null).into_iter().chain(steps).collect();
        let what = match (own_field(name), candidate.sense) {
            (Some(_), _) => "a field of the platform, by its name".to_owned(),
            (None, Some(sense)) => format!("{}, {by_name}", noun(sense)),
            (None, None) => format!(
                "sent {}under {} name",
                if steps.is_empty() { "unchanged " } else { "" },
                if field == name { "the same" } else { "another" }
            ),
        };
        (Meaning::Field { name: field, made: steps }, instead, what + &more + about_false)
    }

    fn by_name(candidate: &Candidate<'_>) -> String {
        let language = candidate.heading.sense().and_then(|(_, language)| language);
        match language {
            _ if candidate.by_value => "by its values".into(),
            Some(language) => format!("by its name ({})", language.name()),
            None => "by its name".into(),
        }
    }

    fn phone(&self, candidate: &Candidate<'_>, is_main: bool) -> (Vec<Made>, Option<Other>, String) {
        let first = self.several.map(Made::First);
        let (phones, all) = (kinds::phones(&candidate.values, self.country), candidate.values.len());
        let numbers = phones.numbers;
        let made = candidate.country.map_or(Made::E164, |country| Made::E164By(country.column.to_owned()));
        let with = |e164: bool| first.clone().into_iter().chain(e164.then(|| made.clone())).collect::<Vec<_>>();
        let rounded = match phones.rounded {
            0 => String::new(),
            rounded => {
                format!("; {rounded} of {all} are numbers that a spreadsheet has rounded: export the column as text")
            }
        };
        if candidate.is_e164(self.country, is_main) {
            let why = match (self.country, candidate.country) {
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
        let why = match (self.country, candidate.country) {
            (_, Some(CountryOf { column, numbers, .. })) => format!(
                "; only {numbers} of {all} are phone numbers of the country that `{column}` names, so it stays unchanged"
            ),
            (Some(country), None) => {
                let of_country = phones.of_country;
                format!("; only {of_country} of {all} are phone numbers of {country}, so it stays unchanged")
            }
            (None, None) if candidate.lacks_codes() => format!(
                "; only {numbers} of {all} are phone numbers with a country code, so it stays unchanged: set `country` and \
                 use the second line"
            ),
            (None, None) => format!("; only {numbers} of {all} are phone numbers, so it stays unchanged"),
        };
        (with(false), Some(Other::Made(with(true))), why + &rounded)
    }

    fn plain(&self, candidate: &Candidate<'_>) -> (Vec<Made>, Option<Other>, String) {
        if candidate.column.falses > 0 && candidate.values.iter().all(|value| is_false(value)) {
            let why = "; its only value is `false`: if that means blank, use the second line instead";
            return (Vec::new(), Some(Other::Made(vec![Made::Null(FALSE)])), why.into());
        }
        if kinds::is_yes_or_no(&candidate.values) && candidate.sense.is_none() {
            return (Vec::new(), Some(Other::Flag), "; yes or no, so it could be a tag instead".into());
        }
        let by_country = self.country.and_then(|country| Some((country, DayOrder::of_country(country)?)));
        let order = by_country.map_or_else(|| DayOrder::of_language(self.language), |(_, order)| order);
        let values = &candidate.values;
        let found = kinds::dates(values, order).map(|dates| (dates, 0));
        let found = found.or_else(|| kinds::dates_and_impossible(values, order));
        let (are_dates, rejected) = match &found {
            Some((_, impossible @ 1..)) => {
                let rows = if *impossible == 1 { "its row" } else { "their rows" };
                let verb = if *impossible == 1 { "is" } else { "are" };
                (
                    match values.len() - impossible {
                        1 => format!("1 of {} values is a date", values.len()),
                        dates => format!("{dates} of {} values are dates", values.len()),
                    },
                    format!("; {impossible} {verb} not in the calendar, and {rows} would be rejected"),
                )
            }
            Some((_, 0)) | None => ("all values are dates".to_owned(), String::new()),
        };
        match found.map(|(dates, _)| dates) {
            Some(Dates::Iso) => (Vec::new(), None, "; dates in ISO 8601 already".into()),
            Some(Dates::Forms(forms)) => {
                let why = format!("; {are_dates} as {}{rejected}", forms.join(" or "));
                (vec![Made::Date(forms)], None, why)
            }
            Some(Dates::Either(forms, others)) => {
                let decides = match by_country {
                    Some((country, _)) => format!("the country ({country})"),
                    None => format!("the headings' language ({})", self.language.map_or("no language", Language::name)),
                };
                let why = format!(
                    "; {are_dates} as {} and as {}, and {decides} decides{rejected}",
                    forms.join(" or "),
                    others.join(" or ")
                );
                (vec![Made::Date(forms)], Some(Other::Made(vec![Made::Date(others)])), why)
            }
            None if candidate.is(Sense::Birthday) && kinds::has_short_years(&candidate.values) => {
                let why =
                    "; years of two digits have no century, so the dates stay unchanged: export them with four digits";
                (Vec::new(), None, why.into())
            }
            None if candidate.is(Sense::Birthday) => {
                (Vec::new(), None, "; no forms fit all dates, so they stay unchanged".into())
            }
            None => (Vec::new(), None, String::new()),
        }
    }
}

// Another possible use of a column that is sent as `field` with these steps, and what the reason adds about `false` in it.
fn alternative(
    candidate: &Candidate<'_>,
    field: &str,
    steps: &[Made],
    other: Option<Other>,
) -> (Option<Meaning>, &'static str) {
    let blank = candidate.blank_word.map(Made::Null);
    let with = |made: Vec<Made>| Some(Meaning::Field { name: field.to_owned(), made });
    let is_of_names = candidate.sense.is_some_and(is_of_names);
    let about_false = if blank.is_some() { "; `false` means blank" } else { "" };
    match other {
        Some(Other::Flag) => (Some(Meaning::Flag { tag: folded(&candidate.column.name) }), about_false),
        Some(Other::Made(made)) => (with(blank.into_iter().chain(made).collect()), about_false),
        None if blank.is_some() && (candidate.sense.is_none() || is_of_names) => {
            (with(steps.to_vec()), "; `false` means blank (if it is a value, use the second line instead)")
        }
        None if is_of_names && candidate.values.iter().any(|value| is_false(value)) => (
            with(iter::once(Made::Null(FALSE)).chain(steps.iter().cloned()).collect()),
            "; if `false` means blank, use the second line instead",
        ),
        None => (None, about_false),
    }
}

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
