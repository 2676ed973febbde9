//! The keys of the mapping: the columns of fields and tags, and the transforms of their values.
//!
//! [`keys`] declares each key once: its type, its default and its meaning, from which the reference is generated.
//!
//! ```toml
//! match = ["phone"]
//! unmapped = "ignore"              # columns that no rule names
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
//! notes = { column = "Notas", write = "if_blank" }  # or "on_create": users of the platform may change it
//! last_seen = { column = "Visto", write = "with_others" }   # takes no call by itself
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

pub mod keys;

use contactsync::mapping::rules::{
    Accept, Blank, ColumnName, DateForm, FieldRule, IdRule, Origin, Rules, Step, TAG_SEPARATORS, Table as WordTable,
    TagOrigin, TagRule, TakeRule, TakeWhen, Words, YES,
};

use super::table::{ConfigItem, Short, Table, one_of};
use super::value;
use crate::options::{ConfigError, Located, Location};

use keys::{FieldTable, IdTable, NAMED_STEPS, RulesTable, STEPS_IN_BRACES, TagTable, TakeTable, steps_in_braces};

/// The expected value of a field.
const FIELD: &str = "the name of a column in quotes, or a table such as { column = \"Name\", transform = [\"upper\"] }";

/// The rules of a configuration file, without the match fields, which are options.
pub(super) fn rules(table: &mut Table<'_>) -> Result<Rules, ConfigError> {
    let RulesTable { unmapped, country, nulls, id: id_item, fields: field_items, tags, take } =
        RulesTable::read(table)?;
    let id = id_item.map(id).transpose()?;
    // A key that is added at the end of a file belongs to the last table.
    let keys_of_all = table.asked().to_vec();
    let fields = field_items.map(|item| fields(item, &keys_of_all)).transpose()?.unwrap_or_default();
    let tags = several(tags, "tags", &keys_of_all, tag_rule)?;
    let take = several(take, "take", &keys_of_all, take_rule)?;
    Ok(Rules {
        matches: Vec::new(),
        id,
        fields,
        tags,
        take,
        unmapped,
        nulls: nulls.unwrap_or_default(),
        country: country.map(value),
    })
}

// The tables `[[name]]`.
fn several<T>(
    item: Option<ConfigItem<'_>>,
    name: &str,
    keys_of_all: &[&str],
    rule: impl Fn(Table<'_>, &Location, &[&str]) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    let tables = item.map(ConfigItem::list).unwrap_or_default().into_iter();
    tables
        .map(|item| {
            let place = Location { key: format!("[[{name}]]"), ..item.place.clone() };
            rule(item.table(&format!("tables that begin with [[{name}]]"))?, &place, keys_of_all)
        })
        .collect()
}

fn id(item: ConfigItem<'_>) -> Result<IdRule, ConfigError> {
    let place = item.place.clone();
    match item.short("the name of a column in quotes, or a table with `column` and `transform`")? {
        Short::Text(name) => Ok(IdRule { column: column(name, &place)?, steps: Vec::new() }),
        Short::Table(mut table) => {
            let IdTable { column: name, transform } = IdTable::read(&mut table)?;
            table.finish()?;
            let name = name.ok_or_else(|| place.wrong("expected a table with `column`, found none in it"))?;
            Ok(IdRule { column: column(name.value, &name.place)?, steps: transform })
        }
    }
}

fn fields(item: ConfigItem<'_>, keys_of_all: &[&str]) -> Result<Vec<FieldRule>, ConfigError> {
    let table = item.table("a table [fields], a line for each field")?;
    let field = |(name, item): (String, ConfigItem<'_>)| {
        if keys_of_all.contains(&name.as_str()) && item.is_no_field() {
            return Err(item.place.wrong("it is not a field; move it above all tables"));
        }
        field(name, item)
    };
    table.items().into_iter().map(field).collect()
}

fn field(name: String, item: ConfigItem<'_>) -> Result<FieldRule, ConfigError> {
    let place = item.place.clone();
    match item.short(FIELD)? {
        Short::Text(set) => Ok(FieldRule { line: Some(place.line), ..FieldRule::column(name, column(set, &place)?) }),
        Short::Table(mut table) => {
            let keys = FieldTable::read(&mut table)?;
            for step in NAMED_STEPS.iter().map(|step| step.name).chain(STEPS_IN_BRACES.iter().copied()) {
                table.refuse(
                    step,
                    "it is a step; write it in a list, as in transform = [\"lower\", { default = \"none\" }]",
                )?;
            }
            // An unknown key is a more helpful error than a missing origin.
            table.finish()?;
            field_rule(name, keys, &place)
        }
    }
}

fn field_rule(name: String, keys: FieldTable, place: &Location) -> Result<FieldRule, ConfigError> {
    let FieldTable { column: set, template, constant, country_column, transform: steps, value_type, blank, .. } = keys;
    let accept = match (keys.accept, keys.pattern) {
        (Some(_), Some(pattern)) => return Err(pattern.place.wrong("expected `accept` or `pattern`, found both")),
        (Some(values), None) => Some(Accept::Values(values.into_iter().map(value).collect())),
        (None, pattern) => pattern.map(|pattern| Accept::Pattern(pattern.value)),
    };
    let one = "expected one of `column`, `template` and `constant`, found";
    let origin = match (set, template, constant) {
        (Some(set), None, None) => Origin::Column(column(set.value, &set.place)?),
        (None, Some(template), None) => Origin::Template(template.value),
        (None, None, Some(constant)) => Origin::Constant(constant),
        (None, None, None) => return Err(place.wrong(format!("{one} none of them"))),
        (Some(_) | None, Some(_) | None, Some(_) | None) => return Err(place.wrong(format!("{one} several"))),
    };
    let country_column = country_column.map(|set| column_of_countries(set, &steps)).transpose()?;
    let (write, required, line) = (keys.write, keys.required, Some(place.line));
    if blank == Blank::Clear && write.may_be_edited() {
        let why = format!("`blank = \"clear\"` has no effect with `write = \"{}\"`; remove one of them", write.name());
        return Err(place.wrong(why));
    }
    Ok(FieldRule { name, origin, country_column, steps, value_type, blank, write, required, accept, line })
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

fn step(item: ConfigItem<'_>) -> Result<Step, ConfigError> {
    let place = item.place.clone();
    match item.short("a step such as \"lower\" or { e164 = \"MX\" }")? {
        Short::Text(name) => {
            let steps: Vec<(&str, Step)> = NAMED_STEPS.iter().map(|step| (step.name, step.step.clone())).collect();
            one_of(&name, &steps, &place)
        }
        Short::Table(mut table) => {
            let mut steps = steps_in_braces(&mut table)?.into_iter();
            table.finish()?;
            match (steps.next(), steps.next()) {
                (Some(step), None) => Ok(step),
                (None, _) => Err(place.wrong("expected a step such as { e164 = \"MX\" }, found empty braces")),
                (Some(_), Some(_)) => {
                    Err(place.wrong("expected one step in braces, found several; write each in its own braces"))
                }
            }
        }
    }
}

fn dates(item: ConfigItem<'_>) -> Result<Step, ConfigError> {
    let form = |set: Located<String>| set.value.parse::<DateForm>().map_err(|error| set.place.wrong(error));
    item.texts()?.into_iter().map(form).collect::<Result<_, _>>().map(Step::Date)
}

fn word_table(item: ConfigItem<'_>) -> Result<Step, ConfigError> {
    let place = item.place.clone();
    let entries = item.table("a table such as { S = \"yes\", N = \"no\" }")?.items().into_iter();
    let entries: Vec<_> =
        entries.map(|(word, item)| Ok((word, item.text()?.value))).collect::<Result<_, ConfigError>>()?;
    WordTable::new(entries).map(Step::Table).map_err(|error| place.wrong(error))
}

fn tag_rule(mut table: Table<'_>, place: &Location, keys_of_all: &[&str]) -> Result<TagRule, ConfigError> {
    let TagTable { column: set, separators, except, tag, when, constant, prefix, remove } = TagTable::read(&mut table)?;
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
    Ok(TagRule { origin, prefix: prefix.map(value).unwrap_or_default(), remove })
}

fn separator(set: Located<String>) -> Result<String, ConfigError> {
    if set.value.is_empty() {
        return Err(set.place.wrong("expected a separator, found an empty text"));
    }
    Ok(set.value)
}

fn take_rule(mut table: Table<'_>, place: &Location, keys_of_all: &[&str]) -> Result<TakeRule, ConfigError> {
    let TakeTable { column: set, is, is_not, not_blank } = TakeTable::read(&mut table)?;
    let conditions = [is.map(TakeWhen::Is), is_not.map(TakeWhen::IsNot), not_blank.then_some(TakeWhen::NotBlank)];
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

#[cfg(test)]
mod tests;
