//! The columns that name the countries of phone numbers in other columns.

use crate::core::guess::candidate::{Candidate, CountryOf, first, is_of_staff};
use crate::core::guess::suggestion::Sampled;
use crate::core::headings::Sense;
use crate::core::mapping::rules::Country;
use crate::core::mapping::{CountryHeading, country_heading, e164, is_area_code, named_country};
use crate::core::text::bare;

/// A column of countries: its place, the column, and what its name shows.
type CountryColumn<'a> = (usize, &'a Sampled, CountryHeading);

/// Finds, for each column of phone numbers, the column that names their countries. If the user named a country, the column
/// must fit more numbers than that country does, because people enter the country where they live, whatever their phone.
pub(super) fn find_countries<'a>(
    candidates: &mut [Candidate<'a>],
    columns: &'a [Sampled],
    several: Option<&str>,
    given: Option<Country>,
) {
    let headed = |(at, column): (usize, &'a Sampled)| Some((at, column, country_heading(&column.name)?));
    let countries: Vec<CountryColumn<'a>> =
        columns.iter().enumerate().filter_map(headed).filter(|(_, column, _)| names_countries(column)).collect();
    for at in 0..candidates.len() {
        // Beside country codes, a column of any name may hold the rest of a phone number: `Number`.
        let candidate = &candidates[at];
        let is_open =
            candidate.sense.is_none() && !candidate.is_of_other && country_heading(&columns[at].name).is_none();
        if !candidate.is_phone() && (!is_open || is_of_staff(&columns[at].name)) {
            continue;
        }
        let phones: Vec<&str> = columns[at].cells.iter().map(|cell| first(bare(cell), several)).collect();
        let Some((country, heading)) = best_country(&phones, candidate.values.len(), at, &countries, is_open, given)
        else {
            continue;
        };
        if is_open {
            (candidates[at].sense, candidates[at].by_value) = (Some(Sense::Phone), true);
        }
        let by_given = given.map(|_| phones.iter().filter(|phone| e164(phone, given).is_ok()).count());
        if by_given.is_none_or(|count| country.numbers > count) {
            candidates[at].country = Some(country);
            candidates[country.at].is_code |= heading == CountryHeading::Code;
        }
    }
}

// Whether most cells of a column are countries or their codes.
fn names_countries(column: &Sampled) -> bool {
    let filled: Vec<&str> = column.cells.iter().map(|cell| bare(cell)).filter(|cell| !cell.is_empty()).collect();
    let named = filled.iter().filter(|cell| named_country(cell).is_some()).count();
    named > 0 && named * 10 >= filled.len() * 8
}

// The column that fits enough of the phones in the column at `at`, of which `filled` are not blank. Codes come before countries,
// then the column that fits most, then the nearest one. `is_open`: whether nothing but the values shows that they are phones.
fn best_country<'a>(
    phones: &[&str],
    filled: usize,
    at: usize,
    countries: &[CountryColumn<'a>],
    is_open: bool,
    given: Option<Country>,
) -> Option<(CountryOf<'a>, CountryHeading)> {
    let by_row = |(place, column, heading): &CountryColumn<'a>| {
        let read = phones.iter().zip(&column.cells).filter_map(|(phone, cell)| {
            let country = named_country(cell).map(|named| named.country);
            let is_without = country.is_some() && !phone.starts_with('+');
            let number = e164(phone, country).ok()?;
            // An area code is read as that of another country.
            let is_wrong =
                given.is_some() && is_area_code(cell, phone) && e164(phone, given).is_ok_and(|other| other != number);
            (!is_wrong).then(|| usize::from(is_without))
        });
        let (numbers, without_code) = read.fold((0, 0), |(all, without), one| (all + 1, without + one));
        let country = CountryOf { at: *place, column: &column.name, numbers, without_code };
        (country, *heading, place.abs_diff(at))
    };
    let fits_enough = |(country, heading, _): &(CountryOf<'_>, CountryHeading, usize)| {
        // Where people live is not always where their phones are from.
        let tenths = match heading {
            CountryHeading::Code if is_open => 9,
            CountryHeading::Code => 5,
            CountryHeading::Country if is_open => return false,
            CountryHeading::Country => 8,
        };
        country.without_code > 0 && country.numbers * 10 >= filled * tenths
    };
    let fitting = countries.iter().map(by_row).filter(fits_enough);
    let best = fitting.min_by_key(|(country, heading, distance)| (*heading, usize::MAX - country.numbers, *distance));
    best.map(|(country, heading, _)| (country, heading))
}
