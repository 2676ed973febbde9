//! Finds the rows in an object: a list of objects among values that describe a response.

use super::super::RowsFault;
use super::keys::{KeyKind, OWN_SHAPE, folded, is_aside, is_beside, is_container, is_describing};
use super::value::{Content, Extent, Members, Node, Scalar};
use crate::core::headings::{KeySense, key_sense};
use crate::core::output_format::{LINE_COLUMN, REASON_COLUMN};

/// The key of the contacts in a response of the platform (API.md, "The six calls").
const ANSWER: &str = "data";

/// The kind of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// A row.
    Row,
    /// It holds rows at this path. `is_telling` is whether its keys or values are typical of contacts or responses.
    Rows { path: Vec<String>, is_telling: bool },
    /// It is unclear, with the same flag.
    Unknown { fault: RowsFault, is_telling: bool },
}

impl Members {
    // Invalid JSON is reported as such when it is read, and not as unclear.
    pub(super) fn kind_of(text: &[u8]) -> (Kind, Extent) {
        let (members, extent) = Members::read(text);
        match members.kind() {
            Kind::Unknown { .. } if extent == Extent::Broken => (Kind::Row, extent),
            kind @ (Kind::Row | Kind::Rows { .. } | Kind::Unknown { .. }) => (kind, extent),
        }
    }

    fn kind(&self) -> Kind {
        let names = |name: &[&str]| self.0.iter().any(|(key, _)| name.contains(&key.as_str()));
        if names(&[LINE_COLUMN, REASON_COLUMN]) {
            return Kind::Row;
        }
        if let Some(columns) = self.columns() {
            return Kind::Unknown { fault: RowsFault::Columns { columns }, is_telling: true };
        }
        let mut search = Search::default();
        search.walk(self, &mut Vec::new(), Around::default());
        let Search { lists, keyed, nested } = search;
        let mut judged: Vec<(FoundList, bool)> =
            lists.into_iter().filter_map(|list| list.may_be_rows().map(|is_sure| (list, is_sure))).collect();
        let is_there = |list: &FoundList| list.content != Content::Null;
        if judged.iter().any(|(list, _)| is_there(list)) {
            judged.retain(|(list, _)| is_there(list));
        }
        // A duplicate key is reported when the rows are read.
        judged.dedup_by(|(one, _), (other, _)| one.path == other.path);
        if judged.is_empty() && !nested.is_empty() {
            return Kind::Unknown { fault: RowsFault::Nested { arrays: nested }, is_telling: true };
        }
        if let Some(key) = keyed.clone().filter(|key| judged.is_empty() || key.is_empty()) {
            return Kind::Unknown { fault: RowsFault::Keyed { key }, is_telling: false };
        }
        let others: Vec<String> = nested.into_iter().chain(keyed).collect();
        if !others.is_empty() {
            let arrays = judged.iter().map(|(list, _)| list.path.join(".")).chain(others).collect();
            return Kind::Unknown { fault: RowsFault::Several { arrays }, is_telling: true };
        }
        let is_telling = judged.iter().any(|(list, _)| list.is_telling());
        let keys = |list: &FoundList| list.path.join(".");
        match judged.as_slice() {
            [] => self.answer(),
            [(list, false)] => Kind::Unknown { fault: RowsFault::Unclear { array: keys(list) }, is_telling: false },
            [(list, true)] if list.content.found().is_some() => {
                let found = list.content.found().unwrap_or_default();
                Kind::Unknown { fault: RowsFault::NotObjects { array: keys(list), found }, is_telling }
            }
            [(list, true)] => Kind::Rows { path: list.path.clone(), is_telling },
            several => {
                let arrays = several.iter().map(|(list, _)| keys(list)).collect();
                Kind::Unknown { fault: RowsFault::Several { arrays }, is_telling }
            }
        }
    }

    // The platform's response to a read: one contact under `data` (API.md, "The six calls").
    fn answer(&self) -> Kind {
        let is_data = |(key, node): &(String, Node)| key == ANSWER && matches!(node, Node::Object(_));
        let is_answer = |(key, _): &(String, Node)| key == ANSWER || is_beside(&folded(key));
        if self.0.iter().any(is_data) && self.0.iter().all(is_answer) {
            return Kind::Rows { path: vec![ANSWER.to_owned()], is_telling: true };
        }
        Kind::Row
    }
}

/// The values around a list, in its object and in the objects around that one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Around {
    /// Whether there are values that do not describe a response.
    pub(super) has_values: bool,
    /// Whether any of the objects has values of a person.
    pub(super) is_person: bool,
    /// What the object of the list knows about a person.
    pub(super) here: Known,
}

/// What the values of an object know about a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known {
    #[default]
    Nothing,
    Name,
    /// An e-mail address or a phone number.
    Address,
}

impl Around {
    pub(super) fn with(self, members: &Members) -> Self {
        let mut around = Self { here: Known::Nothing, ..self };
        for (key, node) in &members.0 {
            let name = folded(key);
            let known = match node {
                Node::Scalar(_) if is_describing(&name) => continue,
                Node::Scalar(Scalar::Null) if is_container(&name) => continue,
                Node::Scalar(Scalar::Address) => Known::Address,
                Node::Scalar(_) => match key_sense(key) {
                    Some(KeySense::Address) => Known::Address,
                    Some(KeySense::PersonName | KeySense::Name) => Known::Name,
                    None => Known::Nothing,
                },
                Node::List(_) | Node::Object(_) if name == OWN_SHAPE => Known::Address,
                Node::List(_) | Node::Object(_) => continue,
            };
            around.has_values = true;
            around.here = around.here.max(known);
        }
        around.is_person |= around.here != Known::Nothing;
        around
    }
}

/// A list that may be the rows.
#[derive(Debug)]
pub(super) struct FoundList {
    pub(super) path: Vec<String>,
    around: Around,
    pub(super) content: Content,
    key: KeyKind,
    is_of_people: bool,
    is_of_named_people: bool,
}

impl FoundList {
    // `None` if it is a part of a row; otherwise whether it certainly is the rows.
    pub(super) fn may_be_rows(&self) -> Option<bool> {
        let Self {
            around: Around { has_values, is_person, here }, content, key, is_of_people, is_of_named_people, ..
        } = self;
        let is_container = key.is_container();
        if matches!(content, Content::Null | Content::Nothing | Content::Scalars) {
            return (is_container && !has_values).then_some(true);
        }
        // Beside other values, a list of phones is a part of a contact unless its elements are people.
        let may_be_of_people = match key {
            KeyKind::Part => *is_of_people && !has_values,
            KeyKind::SinglePart => *is_of_people && (!has_values || *is_of_named_people),
            KeyKind::PlainContainer | KeyKind::Container | KeyKind::Other => true,
        };
        if !may_be_of_people {
            return None;
        }
        if *is_person {
            let is_like_rows = *is_of_people || (*key == KeyKind::PlainContainer && *here != Known::Address);
            let is_doubtful = *here != Known::Nothing && is_container && is_like_rows;
            return is_doubtful.then_some(false);
        }
        match (has_values, is_container, is_of_people) {
            (true, true, true) | (false, true, _) => Some(true),
            (true, true, false) | (true, false, true) => Some(false),
            (true, false, false) => None,
            (false, false, _) => Some(!key.is_part()),
        }
    }

    fn is_telling(&self) -> bool {
        self.key.is_container() || self.is_of_people
    }
}

#[derive(Debug, Default)]
pub(super) struct Search {
    pub(super) lists: Vec<FoundList>,
    // The key of an object whose members are the rows.
    pub(super) keyed: Option<String>,
    // The keys of lists of people inside the elements of other lists.
    pub(super) nested: Vec<String>,
}

impl Search {
    pub(super) fn walk(&mut self, members: &Members, path: &mut Vec<String>, around: Around) {
        let around = around.with(members);
        if !around.has_values && members.are_people_by_key() {
            self.keyed.get_or_insert_with(|| path.join("."));
        }
        for (key, node) in &members.0 {
            let name = folded(key);
            let is_container = is_container(&name);
            if is_aside(&name) {
                continue;
            }
            path.push(key.clone());
            let (content, is_of_people) = match node {
                Node::List(list) => (list.content(is_container), list.is_of_people()),
                // Some programs write null for no rows.
                Node::Scalar(Scalar::Null) if is_container => (Some(Content::Null), false),
                Node::Scalar(_) => (None, false),
                Node::Object(inner) => {
                    self.walk(inner, path, around);
                    (None, false)
                }
            };
            if let Some(content) = content {
                let key = KeyKind::of(&name);
                let is_of_named_people = matches!(node, Node::List(list) if list.is_of_named_people());
                let path = path.clone();
                let found = FoundList { path, around, content, key, is_of_people, is_of_named_people };
                if let Node::List(list) = node
                    && !around.is_person
                    && found.may_be_rows().is_none()
                    && let Some(rest) = list.people_inside()
                {
                    self.nested.push(format!("{}[].{}", found.path.join("."), rest.join(".")));
                }
                self.lists.push(found);
            }
            path.pop();
        }
    }
}
