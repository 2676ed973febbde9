//! The keys of the mapping: which columns become which fields and tags, and what is made of them on the way.
//!
//! ```toml
//! match = ["phone"]
//! unmapped = "ignore"              # columns that no rule names: "send" (default), "ignore" or "refuse"
//! country = "MX"                   # of phone numbers without a country code
//! nulls = ["N/A", "-"]             # words that stand for nothing, in any column
//! id = "ID"                        # or { column = "ID", transform = ["digits"] }
//!
//! [fields]                         # field = "Column", or a table
//! first_name = "Nombre"
//! phone = { column = "Teléfono", transform = ["e164"], required = true }
//! full_name = { template = "{Nombre} {Apellidos}", transform = ["collapse_spaces"] }
//! born = { column = "Nacimiento", transform = [{ date = "DD/MM/YYYY" }], blank = "clear" }
//! mobile = { column = "Móvil", country_column = "Prefijo", transform = ["e164"] }   # whose country is in a column
//! plan = { column = "Plan", transform = [{ table = { B = "basic" } }, { default = "none" }], accept = ["basic", "none"] }
//! sum = { column = "Saldo", transform = [{ decimal = "," }, { prefix = "EUR " }] }
//! zip = { column = "CP", transform = [{ null = "?" }, { first = ";" }], pattern = "[0-9]{5}" }
//! source = { constant = "crm" }
//! points = { column = "Puntos", type = "number" }   # sent as a JSON number; or "boolean". Without it: as a string
//!
//! [[tags]]
//! column = "Etiquetas"             # with separators = [";", ","], except = ["old"]
//! prefix = "crm: "                 # any of them; and remove = true
//! [[tags]]
//! column = "VIP"
//! tag = "vip"                      # when the cell means yes; with when = ["on"], other words than yes
//! [[tags]]
//! constant = ["import"]
//!
//! [[take]]                         # rows for which all of these hold
//! column = "Estado"
//! is = ["activo"]                  # or is_not = […], or not_blank = true
//! ```

use contactsync::mapping::rules::{
    Accept, BadDateForm, BadPattern, BadTemplate, Blank, ColumnName, Country, DateForm, DecimalMark, FieldRule, IdRule,
    Origin, Pattern, Rules, Step, TAG_SEPARATORS, Table as WordTable, TagOrigin, TagRule, TakeRule, TakeWhen, Template,
    UnknownCountry, Unmapped, ValueType, Words, YES,
};

use super::table::{Item, Short, Table};
use super::value;
use crate::options::{ConfigError, Located, Location, did_you_mean};

/// Steps that are written by their name alone.
const NAMED_STEPS: [(&str, Step); 7] = [
    ("trim", Step::Trim),
    ("lower", Step::Lower),
    ("upper", Step::Upper),
    ("collapse_spaces", Step::CollapseSpaces),
    ("digits", Step::Digits),
    ("e164", Step::E164(None)),
    ("decimal", Step::Decimal(None)),
];

/// Steps with a parameter, in braces.
const TABLE_STEPS: [&str; 6] = ["date", "table", "default", "null", "first", "prefix"];

/// The JSON types in which a field can be sent.
const VALUE_TYPES: [(&str, ValueType); 3] =
    [("text", ValueType::Text), ("number", ValueType::Number), ("boolean", ValueType::Boolean)];

/// What a field's rule is.
const FIELD: &str = "the name of a column in quotes, or a table such as { column = \"Name\", transform = [\"upper\"] }";

/// The rules of a configuration file, without the match fields, which are options.
pub(super) fn rules(table: &mut Table<'_>) -> Result<Rules, ConfigError> {
    let unmapped = table.parsed("unmapped", |text| {
        one_of(text, &[("send", Unmapped::Send), ("ignore", Unmapped::Ignore), ("refuse", Unmapped::Refuse)])
    })?;
    let country = table.parsed("country", country)?;
    let nulls = table.item("nulls").map(words).transpose()?.unwrap_or_default();
    let id = table.item("id").map(id).transpose()?;
    let set = [table.item("fields"), table.item("tags"), table.item("take")];
    // A key that is added at the end of a file belongs to the last table.
    let keys_of_all = table.asked().to_vec();
    let [all_fields, tags, take] = set;
    let fields = all_fields.map(|item| fields(item, &keys_of_all)).transpose()?.unwrap_or_default();
    let tags = several(tags, "tags", &keys_of_all, tag_rule)?;
    let take = several(take, "take", &keys_of_all, take_rule)?;
    Ok(Rules {
        matches: Vec::new(),
        id,
        fields,
        tags,
        take,
        unmapped: unmapped.map(value).unwrap_or_default(),
        nulls,
        country: country.map(value),
    })
}

// The tables `[[name]]`.
fn several<T>(
    item: Option<Item<'_>>,
    name: &str,
    keys_of_all: &[&str],
    rule: impl Fn(Table<'_>, &Location, &[&str]) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    let tables = item.map(Item::list).unwrap_or_default().into_iter();
    tables
        .map(|item| {
            let place = Location { key: format!("[[{name}]]"), ..item.place.clone() };
            rule(item.table(&format!("tables that begin with [[{name}]]"))?, &place, keys_of_all)
        })
        .collect()
}

fn id(item: Item<'_>) -> Result<IdRule, ConfigError> {
    let place = item.place.clone();
    match item.short("the name of a column in quotes, or a table with `column` and `transform`")? {
        Short::Text(name) => Ok(IdRule { column: column(name, &place)?, steps: Vec::new() }),
        Short::Table(mut table) => {
            let set = table.text("column")?;
            let steps = steps(table.item("transform"))?;
            table.finish()?;
            let set = set.ok_or_else(|| place.wrong("expected a table with `column`, found none in it"))?;
            Ok(IdRule { column: column(set.value, &set.place)?, steps })
        }
    }
}

fn fields(item: Item<'_>, keys_of_all: &[&str]) -> Result<Vec<FieldRule>, ConfigError> {
    let table = item.table("a table [fields], a line for each field")?;
    let field = |(name, item): (String, Item<'_>)| {
        if keys_of_all.contains(&name.as_str()) && item.is_no_field() {
            return Err(item.place.wrong("it is no field: move it above all tables"));
        }
        field(name, item)
    };
    table.items().into_iter().map(field).collect()
}

fn field(name: String, item: Item<'_>) -> Result<FieldRule, ConfigError> {
    let place = item.place.clone();
    let line = Some(place.line);
    match item.short(FIELD)? {
        Short::Text(set) => Ok(FieldRule { line, ..FieldRule::column(name, column(set, &place)?) }),
        Short::Table(mut table) => {
            let origin = origin(&mut table)?;
            let country_column = table.text("country_column")?;
            let steps = steps(table.item("transform"))?;
            let value_type = table.parsed("type", |text| one_of(text, &VALUE_TYPES))?.map(value).unwrap_or_default();
            let blank = table
                .parsed("blank", |text| one_of(text, &[("keep", Blank::Keep), ("clear", Blank::Clear)]))?
                .map(value)
                .unwrap_or_default();
            let required = table.flag("required")?.is_some_and(value);
            let accept = accept(&mut table)?;
            for step in NAMED_STEPS.iter().map(|(name, _)| *name).chain(TABLE_STEPS) {
                table.refuse(
                    step,
                    "it is a step: write it in a list, as in transform = [\"lower\", { default = \"none\" }]",
                )?;
            }
            // An unknown key is a more helpful error than a missing origin.
            table.finish()?;
            let origin = origin.map_err(|found| {
                place.wrong(format!("expected one of `column`, `template` and `constant`, found {found}"))
            })?;
            let country_column = country_column.map(|set| column_of_countries(set, &steps)).transpose()?;
            Ok(FieldRule { name, origin, country_column, steps, value_type, blank, required, accept, line })
        }
    }
}

// Without the step that uses it, the column would change nothing.
fn column_of_countries(set: Located<String>, steps: &[Step]) -> Result<ColumnName, ConfigError> {
    if !steps.iter().any(|step| matches!(step, Step::E164(_))) {
        return Err(set
            .place
            .wrong("expected the step e164 in `transform`, found none: the country is for phone numbers"));
    }
    column(set.value, &set.place)
}

// Or how many of them were found instead of one.
fn origin(table: &mut Table<'_>) -> Result<Result<Origin, &'static str>, ConfigError> {
    let set = table.text("column")?;
    let template = table.parsed("template", |text| text.parse::<Template>().map_err(in_words::<BadTemplate>))?;
    let constant = table.item("constant").map(Item::value).transpose()?;
    Ok(match (set, template, constant) {
        (Some(set), None, None) => Ok(Origin::Column(column(set.value, &set.place)?)),
        (None, Some(template), None) => Ok(Origin::Template(template.value)),
        (None, None, Some(constant)) => Ok(Origin::Constant(constant)),
        (None, None, None) => Err("none of them"),
        (Some(_) | None, Some(_) | None, Some(_) | None) => Err("several"),
    })
}

fn accept(table: &mut Table<'_>) -> Result<Option<Accept>, ConfigError> {
    let values = table.item("accept").map(Item::texts).transpose()?;
    let pattern = table.parsed("pattern", |text| text.parse::<Pattern>().map_err(in_words::<BadPattern>))?;
    match (values, pattern) {
        (Some(_), Some(pattern)) => Err(pattern.place.wrong("expected `accept` or `pattern`, found both")),
        (Some(values), None) => Ok(Some(Accept::Values(values.into_iter().map(value).collect()))),
        (None, pattern) => Ok(pattern.map(|pattern| Accept::Pattern(pattern.value))),
    }
}

fn steps(item: Option<Item<'_>>) -> Result<Vec<Step>, ConfigError> {
    item.map(Item::list).unwrap_or_default().into_iter().map(step).collect()
}

fn step(item: Item<'_>) -> Result<Step, ConfigError> {
    let place = item.place.clone();
    match item.short("a step such as \"lower\" or { e164 = \"MX\" }")? {
        Short::Text(name) => one_of(&name, &NAMED_STEPS).map_err(|expected| place.wrong(expected)),
        Short::Table(mut table) => {
            let steps = [
                table.parsed("e164", country)?.map(|set| Step::E164(Some(set.value))),
                table.item("date").map(dates).transpose()?,
                table.item("table").map(word_table).transpose()?,
                table.text("default")?.map(|set| Step::Default(set.value)),
                table.item("null").map(words).transpose()?.map(Step::Null),
                table.text("first")?.map(|set| Step::First(set.value)),
                table.parsed("decimal", decimal_mark)?.map(|set| Step::Decimal(Some(set.value))),
                table.text("prefix")?.map(|set| Step::Prefix(set.value)),
            ];
            table.finish()?;
            let mut steps = steps.into_iter().flatten();
            match (steps.next(), steps.next()) {
                (Some(step), None) => Ok(step),
                (None, _) => Err(place.wrong("expected a step such as { e164 = \"MX\" }, found empty braces")),
                (Some(_), Some(_)) => {
                    Err(place.wrong("expected one step in braces, found several: write each in its own braces"))
                }
            }
        }
    }
}

fn country(text: &str) -> Result<Country, String> {
    text.parse().map_err(in_words::<UnknownCountry>)
}

fn decimal_mark(text: &str) -> Result<DecimalMark, String> {
    match text {
        "." => Ok(DecimalMark::Point),
        "," => Ok(DecimalMark::Comma),
        _ => Err("expected \",\" or \".\", found another text".to_owned()),
    }
}

fn dates(item: Item<'_>) -> Result<Step, ConfigError> {
    let form = |set: Located<String>| {
        set.value.parse::<DateForm>().map_err(|error| set.place.wrong(in_words::<BadDateForm>(error)))
    };
    item.texts()?.into_iter().map(form).collect::<Result<_, _>>().map(Step::Date)
}

fn word_table(item: Item<'_>) -> Result<Step, ConfigError> {
    let place = item.place.clone();
    let entries = item.table("a table such as { S = \"yes\", N = \"no\" }")?.items().into_iter();
    let entries: Vec<_> =
        entries.map(|(word, item)| Ok((word, item.text()?.value))).collect::<Result<_, ConfigError>>()?;
    WordTable::new(entries).map(Step::Table).map_err(|error| place.wrong(error))
}

fn words(item: Item<'_>) -> Result<Words, ConfigError> {
    Ok(Words::new(item.texts()?.into_iter().map(value)))
}

fn tag_rule(mut table: Table<'_>, place: &Location, keys_of_all: &[&str]) -> Result<TagRule, ConfigError> {
    let set = table.text("column")?;
    let separators = table.item("separators").map(Item::texts).transpose()?;
    let except = table.item("except").map(words).transpose()?;
    let tag = table.text("tag")?;
    let when = table.item("when").map(words).transpose()?;
    let constant = table.item("constant").map(Item::texts).transpose()?;
    let prefix = table.text("prefix")?.map(value).unwrap_or_default();
    let remove = table.flag("remove")?.is_some_and(value);
    table.refuse_keys_of_all(keys_of_all)?;
    table.finish()?;
    let set = set.map(|set| column(set.value, &set.place)).transpose()?;
    let origin = match (set, tag, constant) {
        (Some(column), Some(tag), None) if separators.is_none() && except.is_none() => {
            TagOrigin::When { column, yes: when.unwrap_or_else(|| Words::new(YES)), tag: tag.value }
        }
        (Some(column), None, None) if when.is_none() => {
            let separators = match separators {
                Some(set) => set.into_iter().map(separator).collect::<Result<_, _>>()?,
                None => TAG_SEPARATORS.map(String::from).to_vec(),
            };
            TagOrigin::Column { column, separators, except: except.unwrap_or_default() }
        }
        (None, None, Some(tags)) if separators.is_none() && except.is_none() && when.is_none() => {
            TagOrigin::Constant(tags.into_iter().map(value).collect())
        }
        (Some(_) | None, Some(_) | None, Some(_) | None) => {
            return Err(place.wrong(
                "expected `column` with `separators` and `except`, or `column` with `tag` and `when`, or `constant`, \
                 found another choice",
            ));
        }
    };
    Ok(TagRule { origin, prefix, remove })
}

fn separator(set: Located<String>) -> Result<String, ConfigError> {
    if set.value.is_empty() {
        return Err(set.place.wrong("expected a separator, found an empty text"));
    }
    Ok(set.value)
}

fn take_rule(mut table: Table<'_>, place: &Location, keys_of_all: &[&str]) -> Result<TakeRule, ConfigError> {
    let set = table.text("column")?;
    let conditions = [
        table.item("is").map(words).transpose()?.map(TakeWhen::Is),
        table.item("is_not").map(words).transpose()?.map(TakeWhen::IsNot),
        table.flag("not_blank")?.filter(|set| set.value).map(|_| TakeWhen::NotBlank),
    ];
    table.refuse_keys_of_all(keys_of_all)?;
    table.finish()?;
    let set = set.ok_or_else(|| place.wrong("expected a `column`, found none"))?;
    let mut conditions = conditions.into_iter().flatten();
    match (conditions.next(), conditions.next()) {
        (Some(when), None) => Ok(TakeRule { column: column(set.value, &set.place)?, when }),
        (None, _) | (Some(_), Some(_)) => {
            Err(place.wrong("expected one of `is`, `is_not` and `not_blank = true`, found none or several"))
        }
    }
}

fn column(name: String, place: &Location) -> Result<ColumnName, ConfigError> {
    if name.trim().is_empty() {
        return Err(place.wrong("expected the name of a column, found an empty text"));
    }
    Ok(ColumnName { name, line: Some(place.line) })
}

fn one_of<T: Clone>(text: &str, all: &[(&str, T)]) -> Result<T, String> {
    let found = all.iter().find(|(name, _)| *name == text).map(|(_, value)| value.clone());
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|&(name, _)| name).collect();
        let meant = did_you_mean(text, names.iter().copied());
        format!("expected one of {}, found another text{meant}", names.join(", "))
    })
}

fn in_words<E: std::error::Error>(error: E) -> String {
    error.to_string()
}

#[cfg(test)]
pub mod keys;
#[cfg(test)]
mod tests;
