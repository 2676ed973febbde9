//! Rows of an input that are the same contact: which of them counts, and how two of them are merged.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::core::model::{Contact, Draft, Field, Flaw, WriteMode};
use crate::core::text::Text;

/// Which of the rows of one contact counts. The others are merged into it, or rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// The last one.
    #[default]
    Last,
    /// The first one.
    First,
    /// All of them, in the place of the last: later values win over earlier ones, and a blank cell never wins over a value.
    Merge,
    /// The first one; the others are rejected.
    Reject,
}

/// The name of no variant of [`Duplicates`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected last, first, merge or reject, found `{0}`")]
pub struct UnknownDuplicates(String);

impl Duplicates {
    /// All variants, in the order in which messages list them.
    pub const ALL: [Self; 4] = [Self::Last, Self::First, Self::Merge, Self::Reject];

    /// The name in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::First => "first",
            Self::Merge => "merge",
            Self::Reject => "reject",
        }
    }
}

impl FromStr for Duplicates {
    type Err = UnknownDuplicates;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|duplicates| duplicates.name() == name)
            .ok_or_else(|| UnknownDuplicates(name.to_owned()))
    }
}

impl fmt::Display for Duplicates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Merges two rows of one contact, under the key of the later row.
///
/// A value of the later row wins over one of the earlier row. A field becomes blank only if neither row has a value for it.
/// Tags are united; if one row adds a tag and the other removes it, the later row decides. `match_fields` is the order in
/// which match fields are tried.
///
/// # Errors
/// A [`Flaw`] when the merged parts do not make a contact.
pub fn merged(earlier: &Contact, later: &Contact, match_fields: &[String]) -> Result<Contact, Flaw> {
    let mut matches = union(earlier.matches(), later.matches());
    matches.sort_by_key(|field| match_fields.iter().position(|name| *name == field.name).unwrap_or(usize::MAX));
    let others = |contact: &'_ Contact| contact.filled()[contact.matches().len()..].to_vec();
    let fields = union(&others(earlier), &others(later));
    let blank = union(earlier.clear(), later.clear()).into_iter().map(|field| field.name);
    let draft = Draft {
        id: later.id().or(earlier.id()).cloned(),
        clear: blank.filter(|name| fields.iter().all(|field| field.name != *name)).collect(),
        matches,
        fields,
        tags: together(earlier.tags(), later.tags(), later.remove_tags()),
        remove_tags: together(earlier.remove_tags(), later.remove_tags(), later.tags()),
    };
    let mode = |name: &str| match later.mode_of(name) {
        WriteMode::Always => earlier.mode_of(name),
        mode @ (WriteMode::OnCreate | WriteMode::IfBlank | WriteMode::WithOthers) => mode,
    };
    Ok(Contact::new(draft)?.written(mode).known_as(later.key().clone()))
}

fn union(earlier: &[Field], later: &[Field]) -> Vec<Field> {
    let mut fields = earlier.to_vec();
    for field in later {
        match fields.iter_mut().find(|known| known.name == field.name) {
            Some(known) => known.value = field.value.clone(),
            None => fields.push(field.clone()),
        }
    }
    fields
}

fn together(earlier: &[Text], later: &[Text], against: &[Text]) -> Vec<Text> {
    let against: BTreeSet<&Text> = against.iter().collect();
    earlier.iter().filter(|tag| !against.contains(tag)).chain(later).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // `name=value` is a field, `!name=value` a match field, `+tag` and `-tag` are tags, `~name` becomes blank, `#id` is the
    // id.
    fn contact(text: &str) -> Contact {
        let mut draft = Draft::default();
        for word in text.split_whitespace() {
            let field = |text: &str| {
                let (name, value) = text.split_once('=').unwrap();
                Field::text(name, value)
            };
            match word.split_at(1) {
                ("#", id) => draft.id = crate::core::model::ContactId::new(id),
                ("+", tag) => draft.tags.push(tag.into()),
                ("-", tag) => draft.remove_tags.push(tag.into()),
                ("~", name) => draft.clear.push(name.into()),
                ("!", text) => draft.matches.push(field(text)),
                _ => draft.fields.push(field(word)),
            }
        }
        Contact::new(draft).unwrap()
    }

    #[test]
    fn later_values_win_and_blank_ones_keep_the_earlier() {
        let order = ["email".to_owned(), "phone".to_owned()];
        let check = |earlier: &str, later: &str, expected: &str| {
            let (earlier, later, expected) = (contact(earlier), contact(later), contact(expected));
            let found = merged(&earlier, &later, &order).unwrap();
            assert_eq!(found, expected.known_as(later.key().clone()), "{earlier:?} {later:?}");
        };
        check("!email=a", "!email=a", "!email=a");
        check("!email=a name=Ann city=Lima", "!email=a name=Bo", "!email=a name=Bo city=Lima");
        check("!email=a name=Ann", "!email=a ~name", "!email=a name=Ann");
        check("!email=a ~name", "!email=a name=Bo", "!email=a name=Bo");
        check("!email=a ~name", "!email=a ~city", "!email=a ~name ~city");
        check("!email=a", "!email=a name=Bo", "!email=a name=Bo");
        check("!email=a x=1", "!email=a y=2 x=3", "!email=a x=3 y=2");
        // Match fields stay in the order in which they are tried, whichever row has them.
        check("!phone=1", "!email=a", "!email=a !phone=1");
        check("!email=a !phone=1", "!email=a !phone=2", "!email=a !phone=2");
        check("#1 !email=a", "!email=a", "#1 !email=a");
        check("#1 !email=a", "#2 !email=a", "#2 !email=a");
        check("!email=a +x +y", "!email=a +y +z", "!email=a +x +y +z");
        check("!email=a -x", "!email=a -y", "!email=a -x -y");
        check("!email=a +x +y", "!email=a -x", "!email=a +y -x");
        check("!email=a -x -y", "!email=a +x", "!email=a +x -y");
    }

    #[test]
    fn every_name_is_read_back() {
        for duplicates in Duplicates::ALL {
            assert_eq!(duplicates.to_string().parse(), Ok(duplicates));
        }
        let unknown = "newest".parse::<Duplicates>().unwrap_err();
        assert_eq!(unknown.to_string(), "expected last, first, merge or reject, found `newest`");
    }
}
