//! A mapping in words, a line for each of its columns and rules: for the person who is to trust it.

use crate::core::mapping::Mapping;
use crate::core::mapping::by_name::Column;
use crate::core::mapping::cells::Header;
use crate::core::mapping::field::FieldReader;
use crate::core::mapping::phone::Country;
use crate::core::mapping::reading::TagReader;
use crate::core::mapping::rules::{Accept, Blank, Step, TakeWhen, ValueType};
use crate::core::mapping::words::Words;
use crate::core::model::WriteMode;

/// One line of a mapping's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlineLine {
    /// The columns, or what takes the place of one.
    pub from: String,
    /// What they become.
    pub to: String,
    /// The transforms of their values.
    pub how: Vec<String>,
}

impl OutlineLine {
    fn new(from: impl Into<String>, to: impl Into<String>, how: Vec<String>) -> Self {
        Self { from: from.into(), to: to.into(), how }
    }
}

impl Mapping {
    /// Describes the mapping: the rules, then the columns of `header` that are sent by their names, then those that are left
    /// out, and the row filters.
    pub fn outline(&self, header: Option<&[std::sync::Arc<str>]>) -> Vec<OutlineLine> {
        let country = self.defaults.country;
        let mut lines = Vec::new();
        if let Some(id) = &self.id {
            lines.push(OutlineLine::new(id.label(), "the platform's id", steps(id.steps(), country)));
        }
        lines.extend(self.fields.iter().map(|field| filled(field, country)));
        lines.extend(self.tags.iter().map(tagged));
        let header = Header::new(header);
        for (name, column) in header.columns().zip(&self.columns) {
            let is_named = self.named.iter().any(|path| path.goes_by(name));
            let (to, how) = match column {
                Column::Ignored if is_named => continue,
                Column::Ignored if self.channel_column() == Some(name) => ("the channel".to_owned(), Vec::new()),
                Column::Ignored => ("left out".to_owned(), Vec::new()),
                Column::Id => ("the platform's id".to_owned(), Vec::new()),
                Column::Tags => ("tags".to_owned(), Vec::new()),
                Column::RemoveTags => ("tags to remove".to_owned(), Vec::new()),
                Column::Match(_) => (format!("field `{name}`"), vec!["match field".to_owned()]),
                Column::Field(field) => (format!("field `{field}`"), Vec::new()),
            };
            lines.push(OutlineLine::new(name.as_str(), to, how));
        }
        lines.extend(self.take.iter().map(|filter| {
            let to = match filter.when() {
                TakeWhen::Is(words) => format!("the row is read if it is {}", listed(words)),
                TakeWhen::IsNot(words) => format!("the row is read unless it is {}", listed(words)),
                TakeWhen::NotBlank => "the row is read if it is not blank".to_owned(),
            };
            OutlineLine::new(filter.label(), to, Vec::new())
        }));
        lines
    }
}

fn filled(field: &FieldReader, country: Option<Country>) -> OutlineLine {
    let mut how = steps(field.steps(), country);
    how.extend(field.country_column().map(|column| format!("of the country in `{column}`")));
    let is_match = field.is_match().then(|| "match field".to_owned());
    let required = field.required().then(|| "required".to_owned());
    let clears = (field.blank() == Blank::Clear).then(|| "cleared if blank".to_owned());
    let accept = field.accept().map(|accept| match accept {
        Accept::Values(values) => format!("one of {}", values.join(", ")),
        Accept::Pattern(pattern) => format!("as `{pattern}`"),
    });
    let value_type = match field.value_type() {
        ValueType::Text => None,
        ValueType::Number => Some("sent as a number".to_owned()),
        ValueType::Boolean => Some("sent as a boolean".to_owned()),
    };
    let write = match field.write() {
        WriteMode::Always => None,
        WriteMode::OnCreate => Some("only when it is created".to_owned()),
        WriteMode::IfBlank => Some("only if blank on the platform".to_owned()),
        WriteMode::WithOthers => Some("only with other fields".to_owned()),
    };
    how.extend([value_type, is_match, required, clears, write, accept].into_iter().flatten());
    OutlineLine::new(field.origin(), format!("field `{}`", field.name()), how)
}

fn tagged(tags: &TagReader) -> OutlineLine {
    let (from, what) = tags.origin();
    let to = if tags.remove() { format!("{what} to remove") } else { what };
    let prefix = (!tags.prefix().is_empty()).then(|| format!("prefix `{}`", tags.prefix()));
    OutlineLine::new(from, to, prefix.into_iter().collect())
}

fn steps(steps: &[Step], country: Option<Country>) -> Vec<String> {
    steps.iter().map(|step| described(step, country)).collect()
}

fn described(step: &Step, country: Option<Country>) -> String {
    match step {
        Step::Trim => "trimmed".to_owned(),
        Step::Lower => "lower case".to_owned(),
        Step::Upper => "upper case".to_owned(),
        Step::CollapseSpaces => "single spaces".to_owned(),
        Step::Digits => "digits only".to_owned(),
        Step::First(separator) => format!("first part, split at `{separator}`"),
        Step::E164(own) => match own.or(country) {
            Some(country) => format!("phone number of {country} (E.164)"),
            None => "phone number with a country code (E.164)".to_owned(),
        },
        Step::Date(forms) => {
            let forms: Vec<String> = forms.iter().map(ToString::to_string).collect();
            format!("date from {}", forms.join(" or "))
        }
        Step::Decimal(None) => "decimal number".to_owned(),
        Step::Decimal(Some(mark)) => format!("decimal number with `{}`", mark.character()),
        Step::Prefix(prefix) => format!("prefix `{prefix}`"),
        Step::Table(_) => "by a table".to_owned(),
        Step::Default(value) => format!("`{value}` if blank"),
        Step::Null(words) => format!("blank if it is {}", listed(words)),
    }
}

fn listed(words: &Words) -> String {
    words.iter().collect::<Vec<_>>().join(", ")
}
