//! Reads the value of a field by its rule.

use std::borrow::Cow;

use serde_json::Value as Json;

use crate::core::headings::{is_address_heading, is_phone_heading};
use crate::core::mapping::cells::{Cell, Defaults, Header, Place, Row};
use crate::core::mapping::country_column::{CountryHeading, heading};
use crate::core::mapping::error::MappingError;
use crate::core::mapping::number::is_rounded;
use crate::core::mapping::parts::{JSON_TEXT, Parts, Refusal, is_list_of_one, value};
use crate::core::mapping::path::Path;
use crate::core::mapping::phone::{Country, ROUNDED};
use crate::core::mapping::rules::{Accept, Blank, ColumnName, FieldRule, Origin, Step, ValueType};
use crate::core::mapping::steps::{Countries, Unfit, apply, check, replaces, typed};
use crate::core::mapping::template::Template;
use crate::core::model::{Value, WriteMode};
use crate::core::nfc::nfc;
use crate::core::non_value::{NonValue, is_json};
use crate::core::text::{Text, bare, visible};

/// Reads the value of a field by its rule.
#[derive(Clone, Debug)]
pub(super) struct FieldReader {
    name: Text,
    // Its place among the match fields, if it is one.
    matched: Option<usize>,
    from: From,
    // The column with the country of its phone numbers, if the rule names one.
    pub(super) country: Option<Place>,
    // Otherwise, the columns of the header that seem to hold it.
    pub(super) likely: Vec<(CountryHeading, Place)>,
    pub(super) steps: Vec<Step>,
    value_type: ValueType,
    blank: Blank,
    write: WriteMode,
    required: bool,
    accept: Option<Accept>,
}

/// The step for phone numbers, with the country that it names.
pub(super) struct PhoneStep {
    pub(super) own: Option<Country>,
}

#[derive(Clone, Debug)]
enum From {
    Column(Place),
    Constant(Value),
    Template(Template, Vec<Place>),
}

impl FieldReader {
    pub(super) fn new(rule: &FieldRule, header: &Header, match_fields: &[String]) -> Result<Self, MappingError> {
        let name = Text::from(visible(rule.name.trim()).trim());
        if name.is_empty() {
            return Err(MappingError::Nameless { line: rule.line });
        }
        let rule_name = format!("field `{name}`");
        let from = match &rule.origin {
            Origin::Column(column) => From::Column(Place::new(&rule_name, column, header)?),
            Origin::Constant(Value::Text(text)) => From::Constant(Value::Text((*nfc(bare(text))).into())),
            Origin::Constant(value) => From::Constant(value.clone()),
            Origin::Template(template) => {
                let column = |name: &str| ColumnName { name: name.to_owned(), line: rule.line };
                let places = template.columns().map(|name| Place::new(&rule_name, &column(name), header));
                From::Template(template.clone(), places.collect::<Result<_, _>>()?)
            }
        };
        let matched = match_fields.iter().position(|field| name == *field);
        let FieldRule { steps, value_type, blank, write, required, accept, .. } = rule.clone();
        match write {
            WriteMode::IfBlank | WriteMode::WithOthers if matched.is_some() => {
                return Err(MappingError::MatchWrite { field: name.to_string(), write, line: rule.line });
            }
            WriteMode::Always | WriteMode::OnCreate | WriteMode::IfBlank | WriteMode::WithOthers => {}
        }
        let country = rule.country_column.as_ref().map(|column| Place::new(&rule_name, column, header)).transpose()?;
        let mut filled = Self {
            name,
            matched,
            from,
            country,
            likely: Vec::new(),
            steps,
            value_type,
            blank,
            write,
            required,
            accept,
        };
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
    pub(super) fn phone_step(&self) -> Option<PhoneStep> {
        self.steps.iter().find_map(|step| if let Step::E164(own) = step { Some(PhoneStep { own: *own }) } else { None })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The name of its column in messages; the first one of several.
    pub(super) fn label(&self) -> &str {
        self.places().first().map_or(&self.name, |place| &place.name)
    }

    /// Describes its columns, or its constant.
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

    pub(super) const fn write(&self) -> WriteMode {
        self.write
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

    /// Whether it reads the value at this path, and a JSON `false` there is sent as text.
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
        // The steps of a template apply to the whole text.
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
    pub(super) fn texts<'a>(&'a self, row: Row<'a>, defaults: &'a Defaults) -> impl Iterator<Item = Cow<'a, str>> {
        self.places().iter().filter_map(move |place| place.text(row, defaults).ok())
    }

    pub(super) fn places(&self) -> &[Place] {
        match &self.from {
            From::Column(place) => std::slice::from_ref(place),
            From::Constant(_) => &[],
            From::Template(_, places) => places,
        }
    }

    pub(super) fn fill(&self, row: Row<'_>, defaults: &Defaults, parts: &mut Parts<'_>) -> Result<(), Refusal> {
        let unfit = |unfit: Unfit| Refusal::unfit(self.label(), &unfit);
        match self.value(row, defaults)? {
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

    // In a field of booleans, a JSON boolean is a value even if `false` counts as blank, so that an opt-out is sent.
    fn is_null(&self, json: &Json, defaults: &Defaults) -> bool {
        !(json.is_boolean() && self.value_type == ValueType::Boolean) && defaults.is_null(json)
    }

    // The text of one of its columns.
    fn part<'a>(&self, place: &Place, row: Row<'a>, defaults: &Defaults) -> Result<Cow<'a, str>, Refusal> {
        match place.cell(row) {
            Cell::Json(json @ Json::Bool(flag)) if !self.is_null(json, defaults) => {
                Ok(Cow::Borrowed(if *flag { "true" } else { "false" }))
            }
            Cell::Text(_) | Cell::Json(_) => place.text(row, defaults),
        }
    }

    // `None` when it is blank.
    fn value(&self, row: Row<'_>, defaults: &Defaults) -> Result<Option<Value>, Refusal> {
        if self.matched.is_some() {
            self.places().iter().try_for_each(|place| place.check_position(row))?;
        }
        let text = match &self.from {
            From::Constant(value) if self.steps.is_empty() => return Ok(Some(value.clone())),
            From::Constant(value) => value.text(),
            From::Column(place) => match place.cell(row) {
                Cell::Text(text) => defaults.text(text),
                Cell::Json(json) if self.steps.is_empty() && self.is_null(json, defaults) => return Ok(None),
                Cell::Json(json) if self.steps.is_empty() => return value(&place.name, json),
                Cell::Json(_) => self.part(place, row, defaults)?,
            },
            From::Template(template, places) => {
                let values: Vec<_> =
                    places.iter().map(|place| self.part(place, row, defaults)).collect::<Result<_, _>>()?;
                let filled = template.fill(values.into_iter());
                Cow::Owned(nfc(bare(&filled)).into_owned())
            }
        };
        if self.matched.is_some() && is_rounded(&text) {
            return Err(Refusal::unfit(self.label(), &rounded_match()));
        }
        // The step for phone numbers reads a list of one number as that number.
        let is_number = || self.phone_step().is_some() && is_list_of_one(&text);
        if is_json(&text) && (self.matched.is_some() || self.reads_phone()) && !is_number() {
            let expected = if self.reads_phone() { "a phone number" } else { "a value (match field)" };
            let unfit = Unfit { expected: expected.to_owned(), found: JSON_TEXT };
            return Err(Refusal::unfit(self.label(), &unfit));
        }
        let countries = Countries { of_row: self.country_of(row, defaults, &text)?, of_all: defaults.country };
        let hidden = self.hidden_non_value(row, defaults, countries, &text);
        let refused = |(place, non_value): (&Place, NonValue)| {
            let unfit = Unfit { expected: "a value (match field)".to_owned(), found: non_value.found() };
            Err(Refusal::unfit(&place.name, &unfit))
        };
        if let Some(boolean) = hidden.filter(|(_, non_value)| *non_value == NonValue::Boolean) {
            return refused(boolean);
        }
        let made =
            apply(&self.steps, countries, Cow::Borrowed(&*text)).map_err(|unfit| self.unfit(row, defaults, &unfit))?;
        if let Some(hidden) = hidden.filter(|(_, non_value)| non_value.counts_for(&made)) {
            return refused(hidden);
        }
        self.no_other_country(row, defaults, &text, &made)?;
        let text = bare(&made);
        // A step may leave half of a combined character.
        Ok((!text.is_empty()).then(|| Value::Text((*nfc(text)).into())))
    }

    // The cell of a match field that identifies no contact, unless a step replaces it. A prefix or a template would hide it, and
    // all rows with it would become one contact. What the step for phone numbers accepts is a number.
    fn hidden_non_value(
        &self,
        row: Row<'_>,
        defaults: &Defaults,
        countries: Countries,
        text: &str,
    ) -> Option<(&Place, NonValue)> {
        self.matched?;
        let non_values = self.places().iter().filter_map(|place| Some((place, place.non_value(row, defaults)?)));
        let is_phone = self.phone_step().is_some();
        // One part of several may be a zero.
        let is_alone = self.places().len() == 1;
        let mut counting = non_values.filter(|(_, non_value)| match non_value {
            NonValue::Boolean => true,
            NonValue::Zero => is_alone && !is_phone,
            NonValue::Total => !is_phone && non_value.counts_under(&self.name),
            NonValue::Json | NonValue::Printed | NonValue::Placeholder | NonValue::ReportLine => !is_phone,
        });
        counting.next().filter(|_| !replaces(&self.steps, countries, text))
    }
}

/// Why a match value that a spreadsheet has rounded is rejected.
pub(super) fn rounded_match() -> Unfit {
    Unfit { expected: "a value (match field)".to_owned(), found: ROUNDED }
}
