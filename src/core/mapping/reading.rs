//! Reads the id and the tags of a row by their rules, and decides whether the row is read at all.

use std::borrow::Cow;

use crate::core::mapping::cells::{Cell, Defaults, Header, Place, Row};
use crate::core::mapping::error::MappingError;
use crate::core::mapping::parts::{Parts, Refusal, bad_list, id_of, tags};
use crate::core::mapping::path::Path;
use crate::core::mapping::rules::{IdRule, Step, TagOrigin, TagRule, TakeRule, TakeWhen};
use crate::core::mapping::steps::{Countries, Unfit, apply, replaces};
use crate::core::mapping::tags::{BadList, is_tag, tags_of};
use crate::core::mapping::words::Words;
use crate::core::model::ContactId;
use crate::core::nfc::nfc;
use crate::core::text::{Text, bare, visible};

/// Reads the platform's id by its rule.
#[derive(Clone, Debug)]
pub(super) struct IdReader {
    place: Place,
    steps: Vec<Step>,
}

impl IdReader {
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
    pub(super) fn texts<'a>(&'a self, row: Row<'a>, defaults: &'a Defaults) -> impl Iterator<Item = Cow<'a, str>> {
        self.place.text(row, defaults).into_iter()
    }

    pub(super) fn id_of(&self, row: Row<'_>, defaults: &Defaults) -> Result<Option<ContactId>, Refusal> {
        const EXPECTED: &str = "an id (text or a whole number)";
        self.place.check_position(row)?;
        if let Cell::Json(json) = self.place.cell(row)
            && json.is_f64()
        {
            return Err(Refusal::kind(&self.place.name, EXPECTED, json));
        }
        let text = self.place.text(row, defaults)?;
        let countries = Countries { of_row: None, of_all: defaults.country };
        let hidden = self.place.non_value(row, defaults).filter(|_| !replaces(&self.steps, countries, &text));
        let id = apply(&self.steps, countries, text).map_err(|unfit| Refusal::unfit(&self.place.name, &unfit))?;
        // A prefix would hide a placeholder, and all rows with it would become one contact.
        if let Some(non_value) = hidden.filter(|non_value| non_value.counts_for(&id)) {
            let unfit = Unfit { expected: EXPECTED.to_owned(), found: non_value.found() };
            return Err(Refusal::unfit(&self.place.name, &unfit));
        }
        id_of(&self.place.name, bare(&id))
    }
}

/// Reads tags by their rule.
#[derive(Clone, Debug)]
pub(super) struct TagReader {
    from: TagSource,
    prefix: String,
    remove: bool,
}

#[derive(Clone, Debug)]
enum TagSource {
    Column { place: Place, separators: Vec<String>, except: Words },
    When { place: Place, yes: Words, tag: String },
    Constant(Vec<String>),
}

impl TagReader {
    pub(super) fn new(rule: &TagRule, header: &Header) -> Result<Self, MappingError> {
        let clean = |text: &String| visible(bare(text)).into_owned();
        let from = match &rule.origin {
            TagOrigin::Column { column, separators, except } => TagSource::Column {
                place: Place::new("tags", column, header)?,
                separators: separators.clone(),
                except: except.clone(),
            },
            TagOrigin::When { column, yes, tag } => {
                TagSource::When { place: Place::new("tags", column, header)?, yes: yes.clone(), tag: clean(tag) }
            }
            TagOrigin::Constant(tags) => TagSource::Constant(tags.iter().map(clean).collect()),
        };
        Ok(Self { from, prefix: nfc(rule.prefix.trim_start()).into_owned(), remove: rule.remove })
    }

    pub(super) const fn path(&self) -> Option<&Path> {
        match &self.from {
            TagSource::Column { place, .. } | TagSource::When { place, .. } => Some(&place.path),
            TagSource::Constant(_) => None,
        }
    }

    /// The column with the tags; `None` if the rule names the tags.
    pub(super) fn column(&self) -> Option<&str> {
        match &self.from {
            TagSource::Column { place, .. } => Some(&place.name),
            TagSource::When { .. } | TagSource::Constant(_) => None,
        }
    }

    /// Its column, the cell there, and the separators of the tags in its text; `None` if the rule names the tags.
    pub(super) fn cell<'a>(&'a self, row: Row<'a>) -> Option<(&'a str, Cell<'a>, &'a [String])> {
        match &self.from {
            TagSource::Column { place, separators, .. } => Some((&place.name, place.values(row), separators)),
            TagSource::When { .. } | TagSource::Constant(_) => None,
        }
    }

    /// Describes its column and its tags.
    pub(super) fn origin(&self) -> (String, String) {
        match &self.from {
            TagSource::Column { place, .. } => (place.name.clone(), "tags".to_owned()),
            TagSource::When { place, tag, .. } => (place.name.clone(), format!("tag `{tag}` if it means yes")),
            TagSource::Constant(tags) => ("every row".to_owned(), format!("tags {}", tags.join(", "))),
        }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) const fn remove(&self) -> bool {
        self.remove
    }

    pub(super) fn put(&self, row: Row<'_>, defaults: &Defaults, parts: &mut Parts<'_>) -> Result<(), Refusal> {
        let mut put = |tag: &str| parts.tag(Text::from([self.prefix.as_str(), tag].concat()), self.remove);
        match &self.from {
            TagSource::Column { place, separators, except } => match place.values(row) {
                Cell::Text(text) => {
                    let text = defaults.text(text);
                    let tags = tags_of(&text, separators).map_err(|BadList| bad_list(&place.name))?;
                    tags.iter().filter(|tag| is_tag(tag) && !except.have(tag)).for_each(|tag| put(tag));
                }
                Cell::Json(json) => {
                    tags(&place.name, json)?.iter().filter(|tag| !except.have(tag)).for_each(|tag| put(tag));
                }
            },
            TagSource::When { place, yes, tag } if yes.have(&place.text(row, defaults)?) => put(tag),
            TagSource::When { .. } => {}
            TagSource::Constant(tags) => tags.iter().for_each(|tag| put(tag)),
        }
        Ok(())
    }
}

/// A condition that a row must satisfy to be read.
#[derive(Clone, Debug)]
pub(super) struct RowFilter {
    place: Place,
    when: TakeWhen,
}

impl RowFilter {
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

    pub(super) fn holds(&self, row: Row<'_>, defaults: &Defaults) -> bool {
        // A list or an object is no word, but not blank.
        let text = self.place.text(row, defaults).ok();
        match &self.when {
            TakeWhen::Is(words) => text.is_some_and(|text| words.have(&text)),
            TakeWhen::IsNot(words) => !text.is_some_and(|text| words.have(&text)),
            TakeWhen::NotBlank => text.is_none_or(|text| !text.is_empty()),
        }
    }
}
