//! The country of a phone number without a country code, and why such a number is rejected.

use std::borrow::Cow;

use crate::core::mapping::cells::{Defaults, Row};
use crate::core::mapping::country_column::{CountryHeading, Named, heading, is_area_code, named};
use crate::core::mapping::field::{FieldReader, PhoneStep};
use crate::core::mapping::parts::{Refusal, value};
use crate::core::mapping::phone::{Country, NoPhone, has_code};
use crate::core::mapping::steps::{Countries, Unfit, apply};

impl FieldReader {
    /// Why a value is rejected. For a phone number without a country code, the reason names the row's column for the country,
    /// if there is one.
    pub(super) fn unfit(&self, row: Row<'_>, defaults: &Defaults, unfit: &Unfit) -> Refusal {
        let refused = Refusal::unfit(self.label(), unfit);
        if unfit.found != NoPhone::NoCountry.found() {
            return refused;
        }
        let expected = &unfit.expected;
        let columns = self.country_cells(row, defaults);
        let names_country = |(_, text): &&(&str, Cow<'_, str>)| named(text).is_some();
        let reason = if let Some((column, _)) = columns.iter().find(names_country) {
            format!(
                "expected {expected}, found one without, and the row's `{column}` names a country (set `country_column = \
                 \"{column}\"`)"
            )
        } else if let [(column, _), ..] = columns.as_slice()
            && columns.iter().all(|(_, text)| text.is_empty())
        {
            format!(
                "expected {expected}, found one without, and the row's `{column}` is blank (fill it in, or set `country`)"
            )
        } else {
            return refused;
        };
        Refusal::of(self.label(), reason)
    }

    // The cells of the row with its country: that of the rule's column, or else those of columns with such a name.
    fn country_cells<'a>(&'a self, row: Row<'a>, defaults: &'a Defaults) -> Vec<(&'a str, Cow<'a, str>)> {
        let places = self.country.iter().chain(self.likely.iter().map(|(_, place)| place));
        let mut cells: Vec<_> =
            places.filter_map(|place| Some((place.name.as_str(), place.text(row, defaults).ok()?))).collect();
        if let (Row::Object(object), Some(place), None) = (row, self.places().first(), &self.country) {
            for (key, json) in place.path.neighbours(object).into_iter().filter(|(key, _)| heading(key).is_some()) {
                if let Ok(value) = value(key, json) {
                    let text = value.map_or_else(String::new, |value| value.text().into_owned());
                    cells.push((key, Cow::Owned(defaults.text(&text).into_owned())));
                }
            }
        }
        cells
    }

    /// The country that the row names in its country column. A number with a country code needs none.
    pub(super) fn country_of(&self, row: Row<'_>, defaults: &Defaults, text: &str) -> Result<Option<Country>, Refusal> {
        let Some(place) = self.country.as_ref().filter(|_| !text.is_empty()) else { return Ok(None) };
        let cell = place.text(row, defaults)?;
        match named(&cell) {
            Some(Named { country, .. }) => Ok(Some(country)),
            None if cell.is_empty() || has_code(text, None) => Ok(None),
            None => {
                Err(Refusal::of(&place.name, "expected a country or its code, such as MX or +52, found something else"))
            }
        }
    }

    /// Refuses a number without a country code in a row whose column names another country than the mapping. It may be the number of
    /// a stranger.
    pub(super) fn no_other_country(
        &self,
        row: Row<'_>,
        defaults: &Defaults,
        text: &str,
        made: &str,
    ) -> Result<(), Refusal> {
        let is_open = self.country.is_none() && !text.contains('+') && !made.is_empty();
        let Some(PhoneStep { own }) = self.phone_step().filter(|_| is_open) else { return Ok(()) };
        let Some(assumed) = own.or(defaults.country) else { return Ok(()) };
        let differs = |kind: CountryHeading, cell: &str| {
            let Some(Named { country, is_code }) = named(cell) else { return false };
            // A step for one country decides for all phones, wherever the people live.
            if country.shares_code(assumed) || (kind == CountryHeading::Country && own.is_some() && !is_code) {
                return false;
            }
            // The number is complete in the country of the mapping.
            if is_area_code(cell, text) {
                return false;
            }
            let countries = Countries { of_row: Some(country), of_all: None };
            match apply(&self.steps, countries, Cow::Borrowed(text)) {
                Ok(other) => other != made,
                Err(_) => is_code && !has_code(text, Some(assumed)),
            }
        };
        let refused = |kind: CountryHeading, column: &str| {
            Err(Refusal::of(self.label(), of_another_country(assumed, kind, column)))
        };
        for (kind, place) in &self.likely {
            if let Ok(cell) = place.text(row, defaults)
                && differs(*kind, &cell)
            {
                return refused(*kind, &place.name);
            }
        }
        if let (Row::Object(object), Some(place)) = (row, self.places().first()) {
            for (key, json) in place.path.neighbours(object) {
                let Some(kind) = heading(key) else { continue };
                let value = value(key, json).ok().flatten();
                if differs(kind, &value.as_ref().map_or(Cow::Borrowed(""), |value| value.text())) {
                    return refused(kind, key);
                }
            }
        }
        Ok(())
    }
}

// Why a number is rejected that is complete only in another country than the one that its row names.
fn of_another_country(assumed: Country, kind: CountryHeading, column: &str) -> String {
    let own = match kind {
        CountryHeading::Code => String::new(),
        CountryHeading::Country => {
            format!(", or {{ e164 = \"{assumed}\" }} if the phones are of {assumed} nevertheless")
        }
    };
    format!(
        "expected a phone number of {assumed}, found one without a country code in a row whose `{column}` names another \
         country (write country_column = \"{column}\"{own})"
    )
}
