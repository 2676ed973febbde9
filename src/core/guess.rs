//! Suggests a mapping for a file by the names of its columns and some of their values.
//!
//! A person reviews the suggestion, so each column has its reason and two masked values. An unknown column becomes the field
//! of its name.

mod candidate;
mod countries;
mod draft;
mod exports;
mod kinds;
mod mask;
mod suggestion;

use crate::core::guess::candidate::{Candidate, NULL_WORDS, is_of_staff, leave_out_others};
use crate::core::guess::countries::find_countries;
use crate::core::guess::draft::Drafts;
use crate::core::headings::{Heading, Sense};
use crate::core::mapping::rules::Country;

pub use self::exports::Export;
pub use self::mask::masked;
pub use self::suggestion::{Chosen, ColumnGuess, CountryGuess, Guess, Made, Meaning, Sampled};
pub use crate::core::headings::Language;

/// Whether text is an e-mail address, or a phone number with a country code.
pub(crate) fn is_address(text: &str) -> bool {
    kinds::is_email(text) || (text.starts_with('+') && kinds::is_phone_like(text))
}

/// Whether a key is for an employee who is responsible for a contact: `owner`.
pub(crate) fn is_staff(key: &str) -> bool {
    is_of_staff(key)
}

/// Suggests a mapping for a file with these columns. `country` is the country of phone numbers without a country code, if the
/// user named one.
pub fn guess(columns: &[Sampled], country: Option<Country>) -> Guess {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let export = Export::of(&names);
    let several = export.and_then(Export::several);
    let language = language(&names);
    let mut candidates: Vec<Candidate<'_>> = columns.iter().map(|column| Candidate::of(column, several)).collect();
    leave_out_others(&mut candidates);
    find_countries(&mut candidates, columns, several, country);

    let phone = main_phone(&candidates);
    let email = best(&candidates, |candidate| candidate.is(Sense::Email));
    let id = best(&candidates, |candidate| candidate.is(Sense::Id) && candidate.why_no_match().is_none());
    let id = id.or_else(|| best(&candidates, |candidate| candidate.is(Sense::Id)));
    let is_e164 = phone.is_some_and(|at| candidates[at].is_e164(country, true));
    let mut drafts = Drafts::new(export, language, country, &candidates);
    // The chosen columns get the usual names first.
    let mut fields: Vec<Option<String>> = vec![None; candidates.len()];
    for (at, name) in [(phone, "phone"), (email, "email"), (id, "crm_id")] {
        if let Some(at) = at {
            fields[at] = Some(drafts.fresh(name));
        }
    }
    for (candidate, field) in candidates.iter().zip(&mut fields).filter(|(_, field)| field.is_none()) {
        if let Some(name) = drafts.usual_name(candidate) {
            *field = Some(drafts.fresh(name));
        }
    }
    let mut columns: Vec<ColumnGuess> =
        candidates.iter().zip(fields).map(|(candidate, field)| drafts.column(candidate, field)).collect();
    let name_of = |at: Option<usize>| at.and_then(|at| columns[at].field().map(|field| (at, field.to_owned())));
    let matches = matches(&candidates, name_of(phone), is_e164, name_of(email), name_of(id));
    for (candidate, column) in candidates.iter().zip(&mut columns).filter(|(candidate, _)| candidate.is(Sense::Id)) {
        let is_match = column.field().is_some_and(|field| matches.iter().any(|chosen| chosen.field == field));
        if let Some(why) = candidate.why_no_match().filter(|_| !is_match) {
            column.why.push_str(&format!("; no match field, because {why}"));
        }
    }
    let country = match country {
        Some(country) => CountryGuess::Given(country),
        None => missing_country(&candidates),
    };
    let rows = candidates.first().map_or(0, |candidate| candidate.column.cells.len());
    Guess { export, language, matches, country, nulls: nulls(&candidates), columns, rows }
}

// A person may be called Null, so the word does not count if a column of names has it.
fn nulls(candidates: &[Candidate<'_>]) -> Vec<&'static str> {
    let is_name = |word: &str| {
        candidates.iter().any(|candidate| {
            candidate.column.cells.iter().any(|cell| candidate.heading.may_name(word) && cell.trim() == word)
        })
    };
    let is_there =
        |word: &&str| candidates.iter().any(|candidate| candidate.column.cells.iter().any(|cell| cell.trim() == *word));
    NULL_WORDS.into_iter().filter(is_there).filter(|word| !is_name(word)).collect()
}

fn language(names: &[&str]) -> Option<Language> {
    let count = |language| {
        names.iter().filter(|name| Heading::of(name).sense().is_some_and(|(_, of)| of == Some(language))).count()
    };
    let counted = Language::ALL.map(|language| (language, count(language)));
    counted.into_iter().filter(|(_, count)| *count > 0).max_by_key(|(_, count)| *count).map(|(language, _)| language)
}

// The column with the most values, one that its name shows first; of several, the first.
fn best<'a>(candidates: &[Candidate<'a>], is: impl Fn(&Candidate<'a>) -> bool) -> Option<usize> {
    let filled = candidates.iter().enumerate().filter(|(_, candidate)| is(candidate) && !candidate.values.is_empty());
    filled.rev().max_by_key(|(_, candidate)| (!candidate.by_value, candidate.values.len())).map(|(at, _)| at)
}

// A mobile phone, because it receives messages, unless another column has more than twice as many values.
fn main_phone(candidates: &[Candidate<'_>]) -> Option<usize> {
    let any = best(candidates, Candidate::is_phone)?;
    let mobile = best(candidates, |candidate| candidate.is(Sense::Mobile));
    Some(mobile.filter(|at| candidates[*at].values.len() * 2 >= candidates[any].values.len()).unwrap_or(any))
}

fn missing_country(candidates: &[Candidate<'_>]) -> CountryGuess {
    let without = candidates.iter().filter(|candidate| candidate.lacks_codes());
    let values: Vec<&str> = without.flat_map(|candidate| candidate.values.iter().copied()).collect();
    if values.is_empty() {
        return CountryGuess::Unneeded;
    }
    CountryGuess::Missing { likely: kinds::likely_country(&values), of: values.len() }
}

fn matches(
    candidates: &[Candidate<'_>],
    phone: Option<(usize, String)>,
    is_e164: bool,
    email: Option<(usize, String)>,
    id: Option<(usize, String)>,
) -> Vec<Chosen> {
    let of = |at: usize| {
        let (filled, distinct, rows) =
            (candidates[at].values.len(), candidates[at].distinct(), candidates[at].column.cells.len());
        let plural = if rows == 1 { "" } else { "s" };
        format!("filled in {filled} of {rows} row{plural}, {distinct} different")
    };
    // An id of the program that wrote the file, in nearly every row and never twice.
    let is_unique = |(at, _): &(usize, String)| candidates[*at].why_no_match().is_none();
    // A number that each program writes in another form finds no contact. Messages go to phones, so a few missing ones do not
    // count.
    let worth = |at: usize, is_sure: bool| {
        let (is_phone, distinct) = (candidates[at].is_phone(), candidates[at].distinct());
        distinct * if is_sure { 2 } else { 1 } * if is_phone { 5 } else { 4 }
    };
    let (first, second) = match (phone, email) {
        (Some(phone), Some(email)) if worth(phone.0, is_e164) >= worth(email.0, true) => (phone, Some(email)),
        (Some(phone), Some(email)) => (email, Some(phone)),
        (Some(only), None) | (None, Some(only)) => (only, None),
        (None, None) => {
            let last = id.filter(is_unique).map(|(at, field)| Chosen {
                why: format!("{}; there is neither a phone nor an e-mail address", of(at)),
                field,
            });
            return last.into_iter().collect();
        }
    };
    let rows = 0..candidates[first.0].column.cells.len();
    let helps = |(at, _): &(usize, String)| {
        rows.clone().any(|row| candidates[first.0].is_blank_at(row) && !candidates[*at].is_blank_at(row))
    };
    let id = id.filter(is_unique);
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

#[cfg(test)]
mod tests;
