//! Rules held against a header: where each value of a row stands, and what becomes of it.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::core::headings::{is_address_heading, is_phone_heading};
use crate::core::mapping::close::closest;
use crate::core::mapping::country_column::{CountryHeading, Named, heading, is_area_code, named};
use crate::core::mapping::date::is_zero_date;
use crate::core::mapping::error::MappingError;
use crate::core::mapping::number::is_rounded;
use crate::core::mapping::parts::{
    BOOLEAN, JSON_TEXT, Parts, Refusal, bad_list, id_of, is_false, is_json, is_list_of_one, tags, value,
};
use crate::core::mapping::path::Path;
use crate::core::mapping::phone::{Country, NoPhone, ROUNDED, has_code};
use crate::core::mapping::rules::{
    Accept, Blank, ColumnName, FieldRule, IdRule, Origin, Step, TagOrigin, TagRule, TakeRule, TakeWhen, ValueType,
};
use crate::core::mapping::steps::{Countries, Unfit, apply, check, replaces, typed};
use crate::core::mapping::tags::{BadList, tags_of};
use crate::core::mapping::template::Template;
use crate::core::mapping::words::Words;
use crate::core::model::{ContactId, Value};
use crate::core::nfc::nfc;
use crate::core::record::Texts;
use crate::core::text::{Text, bare, visible};

/// The columns of an input, in NFC; of an input without a header, nothing is known.
pub(super) struct Header(Option<Vec<String>>);

impl Header {
    pub(super) fn new(header: Option<&[Arc<str>]>) -> Self {
        Self(header.map(|columns| columns.iter().map(|name| visible(name).trim().to_owned()).collect()))
    }

    pub(super) const fn is_known(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn columns(&self) -> impl Iterator<Item = &String> + Clone {
        self.0.iter().flatten()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.columns().cloned().collect()
    }
}

/// What holds for every cell.
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    pub(super) nulls: Words,
    pub(super) country: Option<Country>,
}

impl Fixed {
    /// A cell's text without blanks around it, and nothing where a word, a date of zeros or the `\N` of databases stands for
    /// nothing.
    pub(super) fn clean<'a>(&self, text: &'a str) -> &'a str {
        let text = trim(text);
        if text == "\\N" || self.nulls.have(text) || is_zero_date(text) { "" } else { text }
    }

    /// Whether a word that stands for nothing is all that there is. A boolean is its word, as Odoo writes `false` for a
    /// blank; but not in a field of booleans.
    pub(super) fn is_null(&self, json: &Json) -> bool {
        if self.nulls.is_empty() {
            return false;
        }
        match json {
            Json::String(text) => self.nulls.have(&nfc(bare(text))),
            Json::Bool(flag) => self.nulls.have(if *flag { "true" } else { "false" }),
            Json::Null | Json::Number(_) | Json::Array(_) | Json::Object(_) => false,
        }
    }
}

// Most cells begin and end with an ASCII character that is no blank, and then there is nothing to decode.
fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [only] if only.is_ascii_graphic() => text,
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => bare(text),
    }
}

/// A row's cells, in NFC where they are texts.
#[derive(Clone, Copy)]
pub(super) enum Row<'a> {
    Texts(&'a Texts),
    Object(&'a [(Arc<str>, Json)]),
}

/// Where a column stands.
#[derive(Clone, Debug)]
struct Place {
    name: String,
    at: Option<usize>,
    path: Path,
}

impl Place {
    fn new(rule: &str, column: &ColumnName, header: &Header) -> Result<Self, MappingError> {
        let name = visible(column.name.trim()).trim().to_owned();
        let at = header.columns().position(|known| *known == name);
        if header.is_known() && at.is_none() {
            return Err(MappingError::Missing {
                rule: rule.to_owned(),
                close: closest(&name, header.columns().map(String::as_str)).map(str::to_owned),
                columns: header.names(),
                line: column.line,
                column: name,
            });
        }
        Ok(Self { at, path: Path::new(&name), name })
    }

    /// What stands there; null when nothing does.
    fn cell<'a>(&self, row: Row<'a>) -> Cell<'a> {
        match row {
            Row::Texts(texts) => self.cell_of(texts),
            Row::Object(object) => Cell::of(self.path.find(object)),
        }
    }

    /// The same, with all values of a field in a list: the only one of several tags is a tag, not a text with tags in it.
    fn values<'a>(&self, row: Row<'a>) -> Cell<'a> {
        match row {
            Row::Texts(texts) => self.cell_of(texts),
            Row::Object(object) => Cell::of(self.path.find_values(object)),
        }
    }

    fn cell_of<'a>(&self, texts: &'a Texts) -> Cell<'a> {
        Cell::Text(self.at.and_then(|at| texts.get(at)).unwrap_or_default())
    }

    /// Refuses a match value or an id that is read by position from a list of fields: it may be another field in another row.
    fn check_position(&self, row: Row<'_>) -> Result<(), Refusal> {
        let Row::Object(object) = row else { return Ok(()) };
        let Some(list) = self.path.list_by_position(object) else { return Ok(()) };
        let reason = format!(
            "expected a match field or id read by name (`{list}.NAME`), found one read by position, where another row may have \
             another field"
        );
        Err(Refusal::of(&self.name, reason))
    }

    /// Whether a JSON boolean or the text `false` stands there, in any capitals. A word for a blank is none.
    fn is_boolean(&self, row: Row<'_>, fixed: &Fixed) -> bool {
        match self.cell(row) {
            Cell::Text(text) => is_false(&visible(trim(text))) && !fixed.text(text).is_empty(),
            Cell::Json(json) => json.is_boolean() && !fixed.is_null(json),
        }
    }

    /// What stands there as text.
    fn text<'a>(&self, row: Row<'a>, fixed: &Fixed) -> Result<Cow<'a, str>, Refusal> {
        match self.cell(row) {
            Cell::Text(text) => Ok(fixed.text(text)),
            Cell::Json(json) if fixed.is_null(json) => Ok(Cow::Borrowed("")),
            Cell::Json(json) => Ok(value(&self.name, json)?.map_or(Cow::Borrowed(""), |value| match value {
                Value::Text(text) => Cow::Owned(text.into()),
                value @ (Value::Bool(_) | Value::Number(_)) => Cow::Owned(value.text().into_owned()),
            })),
        }
    }
}

/// What stands in one place of a row.
enum Cell<'a> {
    Text(&'a str),
    // Anything but text.
    Json(&'a Json),
}

impl<'a> Cell<'a> {
    fn of(json: Option<&'a Json>) -> Self {
        match json {
            Some(Json::String(text)) => Self::Text(text),
            Some(json) => Self::Json(json),
            None => Self::Text(""),
        }
    }
}

impl Fixed {
    // A text from JSON has not been looked at yet.
    fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match nfc(trim(text)) {
            Cow::Borrowed(text) => Cow::Borrowed(self.clean(text)),
            Cow::Owned(text) if self.nulls.have(&text) => Cow::Borrowed(""),
            Cow::Owned(text) => Cow::Owned(text),
        }
    }
}

/// A column with what is made of it.
#[derive(Clone, Debug)]
pub(super) struct Read {
    place: Place,
    steps: Vec<Step>,
}

impl Read {
    pub(super) fn id(rule: &IdRule, header: &Header) -> Result<Self, MappingError> {
        Ok(Self { place: Place::new("id", &rule.column, header)?, steps: rule.steps.clone() })
    }

    pub(super) const fn path(&self) -> &Path {
        &self.place.path
    }

    pub(super) fn label(&self) -> &str {
        &self.place.name
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The text of its column, before any step.
    pub(super) fn texts<'a>(&'a self, row: Row<'a>, fixed: &'a Fixed) -> impl Iterator<Item = Cow<'a, str>> {
        self.place.text(row, fixed).into_iter()
    }

    pub(super) fn id_of(&self, row: Row<'_>, fixed: &Fixed) -> Result<Option<ContactId>, Refusal> {
        const EXPECTED: &str = "an id (text or a whole number)";
        self.place.check_position(row)?;
        if let Cell::Json(json) = self.place.cell(row)
            && json.is_f64()
        {
            return Err(Refusal::kind(&self.place.name, EXPECTED, json));
        }
        let text = self.place.text(row, fixed)?;
        let countries = Countries { of_row: None, of_all: fixed.country };
        if self.place.is_boolean(row, fixed) && !replaces(&self.steps, countries, &text) {
            let unfit = Unfit { expected: EXPECTED.to_owned(), found: BOOLEAN };
            return Err(Refusal::unfit(&self.place.name, &unfit));
        }
        let id = apply(&self.steps, countries, text).map_err(|unfit| Refusal::unfit(&self.place.name, &unfit))?;
        id_of(&self.place.name, bare(&id))
    }
}

/// A field that a rule fills.
#[derive(Clone, Debug)]
pub(super) struct Filled {
    name: Text,
    // Its place among the match fields.
    matched: Option<usize>,
    from: From,
    // The column with the country of its phone numbers.
    country: Option<Place>,
    // Without one: the columns that seem to hold it, of an input with a header.
    likely: Vec<(CountryHeading, Place)>,
    steps: Vec<Step>,
    value_type: ValueType,
    blank: Blank,
    required: bool,
    accept: Option<Accept>,
}

/// The step for phone numbers, with the country that it names.
struct PhoneStep {
    own: Option<Country>,
}

#[derive(Clone, Debug)]
enum From {
    Column(Place),
    Constant(Value),
    Template(Template, Vec<Place>),
}

impl Filled {
    pub(super) fn new(rule: &FieldRule, header: &Header, match_fields: &[String]) -> Result<Self, MappingError> {
        let name = Text::from(visible(rule.name.trim()).trim());
        if name.is_empty() {
            return Err(MappingError::Nameless { line: rule.line });
        }
        let said = format!("field `{name}`");
        let from = match &rule.origin {
            Origin::Column(column) => From::Column(Place::new(&said, column, header)?),
            Origin::Constant(Value::Text(text)) => From::Constant(Value::Text((*nfc(bare(text))).into())),
            Origin::Constant(value) => From::Constant(value.clone()),
            Origin::Template(template) => {
                let column = |name: &str| ColumnName { name: name.to_owned(), line: rule.line };
                let places = template.columns().map(|name| Place::new(&said, &column(name), header));
                From::Template(template.clone(), places.collect::<Result<_, _>>()?)
            }
        };
        let matched = match_fields.iter().position(|field| name == *field);
        let FieldRule { steps, value_type, blank, required, accept, .. } = rule.clone();
        let country = rule.country_column.as_ref().map(|column| Place::new(&said, column, header)).transpose()?;
        let mut filled =
            Self { name, matched, from, country, likely: Vec::new(), steps, value_type, blank, required, accept };
        if filled.country.is_none() && filled.phone_step().is_some() {
            filled.likely = filled.likely_in(header);
        }
        Ok(filled)
    }

    // The columns of the header that seem to hold the country of its phone numbers.
    fn likely_in(&self, header: &Header) -> Vec<(CountryHeading, Place)> {
        let is_own = |name: &str| self.places().iter().any(|place| place.name == name);
        let place = |(at, name): (usize, &String)| {
            let heading = heading(name).filter(|_| !is_own(name))?;
            Some((heading, Place { name: name.clone(), at: Some(at), path: Path::new(name) }))
        };
        header.columns().enumerate().filter_map(place).collect()
    }

    // The step for phone numbers, with the country that it names.
    fn phone_step(&self) -> Option<PhoneStep> {
        self.steps.iter().find_map(|step| if let Step::E164(own) = step { Some(PhoneStep { own: *own }) } else { None })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What messages call the place of the value: its column, the first one of several.
    pub(super) fn label(&self) -> &str {
        self.places().first().map_or(&self.name, |place| &place.name)
    }

    /// Its columns, or its constant, in words.
    pub(super) fn origin(&self) -> String {
        match &self.from {
            From::Column(place) => place.name.clone(),
            From::Constant(value) => format!("always `{}`", value.text()),
            From::Template(_, places) => places.iter().map(|place| place.name.as_str()).collect::<Vec<_>>().join(" + "),
        }
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(super) const fn value_type(&self) -> ValueType {
        self.value_type
    }

    pub(super) const fn is_match(&self) -> bool {
        self.matched.is_some()
    }

    pub(super) const fn required(&self) -> bool {
        self.required
    }

    pub(super) const fn blank(&self) -> Blank {
        self.blank
    }

    pub(super) const fn accept(&self) -> Option<&Accept> {
        self.accept.as_ref()
    }

    // Whether its values are phone numbers, by its steps, its name or its column's.
    fn reads_phone(&self) -> bool {
        self.phone_step().is_some() || is_phone_heading(&self.name) || is_phone_heading(self.label())
    }

    /// Whether its values are phone numbers or e-mail addresses, by its steps, its name or its column's.
    pub(super) fn reads_address(&self) -> bool {
        self.phone_step().is_some() || is_address_heading(&self.name) || is_address_heading(self.label())
    }

    /// Whether JSON text at a path is sent as it is.
    pub(super) fn sends_json_text(&self, path: &str) -> bool {
        !self.is_match() && self.phone_step().is_none() && self.places().iter().any(|place| place.path.is(path))
    }

    /// Whether its value, or a part of it, is what this path leads to, and a JSON `false` there arrives as that word.
    pub(super) fn sends_false(&self, path: &str) -> bool {
        let is_of_text = |step: &Step| match step {
            Step::Null(words) => words.have("false"),
            Step::Table(table) => table.value("false").is_some(),
            Step::E164(_) | Step::Date(_) | Step::Decimal(_) => true,
            Step::Trim
            | Step::Lower
            | Step::Upper
            | Step::CollapseSpaces
            | Step::Digits
            | Step::First(_)
            | Step::Prefix(_)
            | Step::Default(_) => false,
        };
        let is_there = self.places().iter().any(|place| place.path.is(path));
        // The steps of a template come after its parts are put together.
        let is_whole = matches!(self.from, From::Column(_));
        is_there && self.value_type == ValueType::Text && !(is_whole && self.steps.iter().any(is_of_text))
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.places().iter().chain(&self.country).map(|place| &place.path)
    }

    /// The column with the country of its phone numbers, if a rule names one.
    pub(super) fn country_column(&self) -> Option<&str> {
        self.country.as_ref().map(|place| place.name.as_str())
    }

    /// The texts of its columns, before any step.
    pub(super) fn texts<'a>(&'a self, row: Row<'a>, fixed: &'a Fixed) -> impl Iterator<Item = Cow<'a, str>> {
        self.places().iter().filter_map(move |place| place.text(row, fixed).ok())
    }

    fn places(&self) -> &[Place] {
        match &self.from {
            From::Column(place) => std::slice::from_ref(place),
            From::Constant(_) => &[],
            From::Template(_, places) => places,
        }
    }

    pub(super) fn fill(&self, row: Row<'_>, fixed: &Fixed, parts: &mut Parts<'_>) -> Result<(), Refusal> {
        let unfit = |unfit: Unfit| Refusal::unfit(self.label(), &unfit);
        match self.value(row, fixed)? {
            None if self.required => {
                let expected = format!("expected a value (field `{}`), found none", self.name);
                return Err(Refusal::of(self.label(), expected));
            }
            None if self.blank == Blank::Clear => parts.clear(&self.name),
            None => {}
            Some(value) => {
                if let Some(accept) = &self.accept {
                    check(accept, &value.text()).map_err(unfit)?;
                }
                let value = match self.value_type {
                    ValueType::Text => parts.as_text(&self.name, value),
                    ValueType::Number | ValueType::Boolean => typed(&value, self.value_type).map_err(unfit)?,
                };
                match self.matched {
                    Some(place) => parts.matched(place, value),
                    None => parts.other(&self.name, value),
                }
            }
        }
        Ok(())
    }

    // In a field of booleans, a JSON boolean is a value, also where `false` is a word for a blank: an opt-out is sent.
    fn is_null(&self, json: &Json, fixed: &Fixed) -> bool {
        !(json.is_boolean() && self.value_type == ValueType::Boolean) && fixed.is_null(json)
    }

    // The text of its column, or of one of several.
    fn part<'a>(&self, place: &Place, row: Row<'a>, fixed: &Fixed) -> Result<Cow<'a, str>, Refusal> {
        match place.cell(row) {
            Cell::Json(json @ Json::Bool(flag)) if !self.is_null(json, fixed) => {
                Ok(Cow::Borrowed(if *flag { "true" } else { "false" }))
            }
            Cell::Text(_) | Cell::Json(_) => place.text(row, fixed),
        }
    }

    // `None` when it is blank.
    fn value(&self, row: Row<'_>, fixed: &Fixed) -> Result<Option<Value>, Refusal> {
        if self.matched.is_some() {
            self.places().iter().try_for_each(|place| place.check_position(row))?;
        }
        let text = match &self.from {
            From::Constant(value) if self.steps.is_empty() => return Ok(Some(value.clone())),
            From::Constant(value) => value.text(),
            From::Column(place) => match place.cell(row) {
                Cell::Text(text) => fixed.text(text),
                Cell::Json(json) if self.steps.is_empty() && self.is_null(json, fixed) => return Ok(None),
                Cell::Json(json) if self.steps.is_empty() => return value(&place.name, json),
                Cell::Json(_) => self.part(place, row, fixed)?,
            },
            From::Template(template, places) => {
                let values: Vec<_> =
                    places.iter().map(|place| self.part(place, row, fixed)).collect::<Result<_, _>>()?;
                let filled = template.fill(values.into_iter());
                Cow::Owned(nfc(bare(&filled)).into_owned())
            }
        };
        if self.matched.is_some() && is_rounded(&text) {
            return Err(Refusal::unfit(self.label(), &rounded_match()));
        }
        // The step for phone numbers reads a list of one number as that number.
        let is_number = self.phone_step().is_some() && is_list_of_one(&text);
        if is_json(&text) && !is_number && (self.matched.is_some() || self.reads_phone()) {
            let expected = if self.reads_phone() { "a phone number" } else { "a value (match field)" };
            let unfit = Unfit { expected: expected.to_owned(), found: JSON_TEXT };
            return Err(Refusal::unfit(self.label(), &unfit));
        }
        let countries = Countries { of_row: self.country_of(row, fixed, &text)?, of_all: fixed.country };
        // A prefix or a template would hide a boolean, and all rows with it would become one contact.
        if self.matched.is_some()
            && let Some(place) = self.places().iter().find(|place| place.is_boolean(row, fixed))
            && !replaces(&self.steps, countries, &text)
        {
            let unfit = Unfit { expected: "a value (match field)".to_owned(), found: BOOLEAN };
            return Err(Refusal::unfit(&place.name, &unfit));
        }
        let made =
            apply(&self.steps, countries, Cow::Borrowed(&*text)).map_err(|unfit| self.unfit(row, fixed, &unfit))?;
        self.no_other_country(row, fixed, &text, &made)?;
        let text = bare(&made);
        // A step may split a character.
        Ok((!text.is_empty()).then(|| Value::Text((*nfc(text)).into())))
    }

    // Of a number without a country code: whether its row has a column for the country, and leaves it blank.
    fn unfit(&self, row: Row<'_>, fixed: &Fixed, unfit: &Unfit) -> Refusal {
        let refused = Refusal::unfit(self.label(), unfit);
        if unfit.found != NoPhone::NoCountry.found() {
            return refused;
        }
        let expected = &unfit.expected;
        let columns = self.country_cells(row, fixed);
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

    // The cells of the row that hold its country: that of the rule's column, else those of columns that are named so.
    fn country_cells<'a>(&'a self, row: Row<'a>, fixed: &'a Fixed) -> Vec<(&'a str, Cow<'a, str>)> {
        let places = self.country.iter().chain(self.likely.iter().map(|(_, place)| place));
        let mut cells: Vec<_> =
            places.filter_map(|place| Some((place.name.as_str(), place.text(row, fixed).ok()?))).collect();
        if let (Row::Object(object), Some(place), None) = (row, self.places().first(), &self.country) {
            for (key, json) in place.path.other_runs(object).into_iter().filter(|(key, _)| heading(key).is_some()) {
                if let Ok(value) = value(key, json) {
                    let text = value.map_or_else(String::new, |value| value.text().into_owned());
                    cells.push((key, Cow::Owned(fixed.text(&text).into_owned())));
                }
            }
        }
        cells
    }

    // The country that the row names in its country column. A number with a country code needs none.
    fn country_of(&self, row: Row<'_>, fixed: &Fixed, text: &str) -> Result<Option<Country>, Refusal> {
        let Some(place) = self.country.as_ref().filter(|_| !text.is_empty()) else { return Ok(None) };
        let said = place.text(row, fixed)?;
        match named(&said) {
            Some(Named { country, .. }) => Ok(Some(country)),
            None if said.is_empty() || has_code(text, None) => Ok(None),
            None => {
                Err(Refusal::of(&place.name, "expected a country or its code, such as MX or +52, found something else"))
            }
        }
    }

    // A number without a country code is one of the country that all numbers are said to be of, unless a column of its row
    // names another country: then it may be the number of a stranger.
    fn no_other_country(&self, row: Row<'_>, fixed: &Fixed, text: &str, made: &str) -> Result<(), Refusal> {
        let is_open = self.country.is_none() && !text.contains('+') && !made.is_empty();
        let Some(PhoneStep { own }) = self.phone_step().filter(|_| is_open) else { return Ok(()) };
        let Some(assumed) = own.or(fixed.country) else { return Ok(()) };
        let differs = |kind: CountryHeading, said: &str| {
            let Some(Named { country, is_code }) = named(said) else { return false };
            // A step for one country says that it is that of the phones, wherever the people live.
            if country.shares_code(assumed) || (kind == CountryHeading::Country && own.is_some() && !is_code) {
                return false;
            }
            // The number is whole in the country that was said.
            if is_area_code(said, text) {
                return false;
            }
            let countries = Countries { of_row: Some(country), of_all: None };
            match apply(&self.steps, countries, Cow::Borrowed(text)) {
                Ok(other) => other != made,
                Err(_) => is_code && !has_code(text, Some(assumed)),
            }
        };
        let refused = |kind: CountryHeading, column: &str| {
            let own = match kind {
                CountryHeading::Code => String::new(),
                CountryHeading::Country => {
                    format!(", or {{ e164 = \"{assumed}\" }} where the phones are of {assumed} all the same")
                }
            };
            let reason = format!(
                "expected a phone number of {assumed}, found one without a country code in a row whose `{column}` names \
                 another country (write country_column = \"{column}\"{own})"
            );
            Err(Refusal::of(self.label(), reason))
        };
        for (kind, place) in &self.likely {
            if let Ok(said) = place.text(row, fixed)
                && differs(*kind, &said)
            {
                return refused(*kind, &place.name);
            }
        }
        if let (Row::Object(object), Some(place)) = (row, self.places().first()) {
            for (key, json) in place.path.other_runs(object) {
                if let Some(kind) = heading(key)
                    && differs(
                        kind,
                        value(key, json)
                            .ok()
                            .flatten()
                            .map_or(Cow::Borrowed(""), |it| it.text().into_owned().into())
                            .as_ref(),
                    )
                {
                    return refused(kind, key);
                }
            }
        }
        Ok(())
    }
}

/// Why a match value that a spreadsheet has rounded is none.
pub(super) fn rounded_match() -> Unfit {
    Unfit { expected: "a value (match field)".to_owned(), found: ROUNDED }
}

/// Tags that a rule gives.
#[derive(Clone, Debug)]
pub(super) struct Tagged {
    from: TagsFrom,
    prefix: String,
    remove: bool,
}

#[derive(Clone, Debug)]
enum TagsFrom {
    Column { place: Place, separators: Vec<String>, except: Words },
    When { place: Place, yes: Words, tag: String },
    Constant(Vec<String>),
}

impl Tagged {
    pub(super) fn new(rule: &TagRule, header: &Header) -> Result<Self, MappingError> {
        let clean = |text: &String| visible(bare(text)).into_owned();
        let from = match &rule.origin {
            TagOrigin::Column { column, separators, except } => TagsFrom::Column {
                place: Place::new("tags", column, header)?,
                separators: separators.clone(),
                except: except.clone(),
            },
            TagOrigin::When { column, yes, tag } => {
                TagsFrom::When { place: Place::new("tags", column, header)?, yes: yes.clone(), tag: clean(tag) }
            }
            TagOrigin::Constant(tags) => TagsFrom::Constant(tags.iter().map(clean).collect()),
        };
        Ok(Self { from, prefix: nfc(rule.prefix.trim_start()).into_owned(), remove: rule.remove })
    }

    pub(super) const fn path(&self) -> Option<&Path> {
        match &self.from {
            TagsFrom::Column { place, .. } | TagsFrom::When { place, .. } => Some(&place.path),
            TagsFrom::Constant(_) => None,
        }
    }

    /// The column that it reads its tags from; `None` when its tags are its own.
    pub(super) fn column(&self) -> Option<&str> {
        match &self.from {
            TagsFrom::Column { place, .. } => Some(&place.name),
            TagsFrom::When { .. } | TagsFrom::Constant(_) => None,
        }
    }

    /// Its column, or that there is none, and what it gives, in words.
    pub(super) fn origin(&self) -> (String, String) {
        match &self.from {
            TagsFrom::Column { place, .. } => (place.name.clone(), "tags".to_owned()),
            TagsFrom::When { place, tag, .. } => (place.name.clone(), format!("tag `{tag}` when it says yes")),
            TagsFrom::Constant(tags) => ("every row".to_owned(), format!("tags {}", tags.join(", "))),
        }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) const fn remove(&self) -> bool {
        self.remove
    }

    pub(super) fn put(&self, row: Row<'_>, fixed: &Fixed, parts: &mut Parts<'_>) -> Result<(), Refusal> {
        let mut put = |tag: &str| parts.tag(Text::from([self.prefix.as_str(), tag].concat()), self.remove);
        match &self.from {
            TagsFrom::Column { place, separators, except } => match place.values(row) {
                Cell::Text(text) => {
                    let text = fixed.text(text);
                    let tags = tags_of(&text, separators).map_err(|BadList| bad_list(&place.name))?;
                    tags.iter().filter(|tag| !except.have(tag)).for_each(|tag| put(tag));
                }
                Cell::Json(json) => {
                    tags(&place.name, json)?.iter().filter(|tag| !except.have(tag)).for_each(|tag| put(tag));
                }
            },
            TagsFrom::When { place, yes, tag } if yes.have(&place.text(row, fixed)?) => put(tag),
            TagsFrom::When { .. } => {}
            TagsFrom::Constant(tags) => tags.iter().for_each(|tag| put(tag)),
        }
        Ok(())
    }
}

/// A condition of a row's being taken.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    place: Place,
    when: TakeWhen,
}

impl Taken {
    pub(super) fn new(rule: &TakeRule, header: &Header) -> Result<Self, MappingError> {
        Ok(Self { place: Place::new("take", &rule.column, header)?, when: rule.when.clone() })
    }

    pub(super) const fn path(&self) -> &Path {
        &self.place.path
    }

    pub(super) fn label(&self) -> &str {
        &self.place.name
    }

    pub(super) const fn when(&self) -> &TakeWhen {
        &self.when
    }

    pub(super) fn holds(&self, row: Row<'_>, fixed: &Fixed) -> bool {
        // A list or an object is no word, but it is something.
        let text = self.place.text(row, fixed).ok();
        match &self.when {
            TakeWhen::Is(words) => text.is_some_and(|text| words.have(&text)),
            TakeWhen::IsNot(words) => !text.is_some_and(|text| words.have(&text)),
            TakeWhen::NotBlank => text.is_none_or(|text| !text.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_taken_away_as_from_any_text() {
        let mut chance = fastrand::Rng::with_seed(1);
        let characters =
            [' ', '\t', '\0', '\u{7f}', '!', '~', 'a', '\u{e9}', '\u{a0}', '\u{2003}', '\u{85}', '\u{200b}'];
        for length in 0..6 {
            for _ in 0..2_000 {
                let text: String = (0..length).map(|_| *chance.choice(&characters).unwrap()).collect();
                assert_eq!(trim(&text), bare(&text), "{text:?}");
            }
        }
    }
}
