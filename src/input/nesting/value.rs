//! The shape of JSON values, also of cut text: what objects and lists hold, without their content.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::keys::{KeyKind, OWN_SHAPE, folded, is_aside, is_beside, is_describing, is_part};
use crate::core::guess::{is_address, is_staff};
use crate::core::headings::{KeySense, key_sense};
use crate::core::list::{is_label, is_naming_key, is_primary_key, is_value_key};
use crate::core::mapping::is_place;

/// How many objects may be around an array of rows: `{"response": {"data": {"contacts": […]}}}`.
pub(super) const DEPTH: usize = 4;

/// How many elements of an array are examined.
const ITEMS: usize = 3;

/// The number of elements of an array of values above which it is not part of a contact.
const COLUMN: usize = 1_000;

/// How much of the text could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Whole,
    /// Up to the end of the text, which is cut.
    Cut,
    /// Up to a syntax error.
    Broken,
}

/// A value as far as it is examined.
#[derive(Debug)]
pub(super) enum Node {
    Scalar(Scalar),
    List(List),
    Object(Members),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Null,
    Blank,
    No,
    Yes,
    Zero,
    Number(u64),
    Text,
    /// The label of a phone or of an e-mail address.
    Label,
    /// An e-mail address, or a phone number with its country code.
    Address,
    /// A word for an error.
    Failure,
}

/// The first elements of a list, and the number of all.
#[derive(Debug, Default)]
pub(super) struct List(pub(super) Vec<Node>, usize);

#[derive(Debug, Default)]
pub(super) struct Members(pub(super) Vec<(String, Node)>);

impl List {
    // The first element that is not null decides for all. `None` when they are not rows.
    pub(super) fn content(&self, is_container: bool) -> Option<Content> {
        match self.0.iter().find(|item| !matches!(item, Node::Scalar(Scalar::Null))) {
            Some(Node::Object(_)) => Some(Content::Objects),
            Some(Node::List(_)) => Some(Content::Lists),
            Some(Node::Scalar(_)) => is_container.then_some(Content::Scalars),
            None => is_container.then_some(Content::Nothing),
        }
    }

    pub(super) fn is_of_people(&self) -> bool {
        self.0.iter().any(|item| matches!(item, Node::Object(members) if members.is_person(2)))
    }

    // Whether its elements are values with a label or a name each, as the phones or the fields of one contact are:
    // `[{"type": "home", "value": "+52…"}, {"type": "mobile", "value": "+52…"}]`.
    pub(super) fn is_of_labelled_values(&self) -> bool {
        let is_one = |item: &Node| match item {
            Node::Object(Members(members)) => {
                let has = |is_it: fn(&str) -> bool| members.iter().any(|(key, _)| is_it(key));
                let is_plain = |key: &str| is_naming_key(key) || is_value_key(key) || is_primary_key(key);
                has(is_naming_key) && has(is_value_key) && members.iter().all(|(key, _)| is_plain(key))
            }
            Node::Scalar(scalar) => *scalar == Scalar::Null,
            Node::List(_) => false,
        };
        self.0.iter().all(is_one) && self.0.iter().any(|item| matches!(item, Node::Object(_)))
    }

    // The number of the first elements that have a phone or an e-mail address themselves.
    pub(super) fn reachable(&self) -> usize {
        self.0.iter().filter(|item| matches!(item, Node::Object(members) if members.has_address())).count()
    }

    // Whether at least two of the first elements are people, with a name and a phone or an e-mail address.
    pub(super) fn is_of_named_people(&self) -> bool {
        let is_one =
            |item: &&Node| matches!(item, Node::Object(members) if members.has_name() && members.has_address());
        self.0.iter().filter(is_one).count() > 1
    }

    pub(super) fn holds_address(&self) -> bool {
        self.reachable() > 0 || self.0.iter().any(|item| matches!(item, Node::Scalar(Scalar::Address)))
    }

    pub(super) fn is_of_scalars(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|item| matches!(item, Node::Scalar(_)))
    }

    // The keys that lead from its elements to lists of people inside them.
    pub(super) fn people_inside(&self) -> Option<Vec<String>> {
        self.0.iter().find_map(|item| match item {
            Node::Object(members) => members.people_inside(),
            Node::Scalar(_) | Node::List(_) => None,
        })
    }
}

impl Node {
    // The number of its values as a column.
    pub(super) fn column_length(&self) -> Option<usize> {
        let is_scalar = |(_, node): &(String, Node)| matches!(node, Self::Scalar(_));
        let is_index = |(key, _): &(String, Node)| is_place(key);
        match self {
            Self::List(list) => list.is_of_scalars().then_some(list.1),
            Self::Object(Members(cells)) => {
                (!cells.is_empty() && cells.iter().all(|cell| is_scalar(cell) && is_index(cell))).then_some(cells.len())
            }
            Self::Scalar(_) => None,
        }
    }

    pub(super) fn is_column_of_addresses(&self) -> bool {
        let is_address = |node: &Self| matches!(node, Self::Scalar(Scalar::Address));
        match self {
            Self::List(list) => list.0.iter().all(is_address),
            Self::Object(members) => members.0.iter().all(|(_, node)| is_address(node)),
            Self::Scalar(_) => false,
        }
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::Scalar(Scalar::Null)
    }
}

impl Members {
    // The members of an object that could be read, and how much of the text that is.
    pub(super) fn read(text: &[u8]) -> (Self, Extent) {
        let mut node = Node::default();
        let read = Fill { node: &mut node, depth: 0 }.deserialize(&mut serde_json::Deserializer::from_slice(text));
        let extent = match read {
            Ok(()) => Extent::Whole,
            Err(error) if error.is_eof() => Extent::Cut,
            Err(_) => Extent::Broken,
        };
        match node {
            Node::Object(mut members) => {
                if extent != Extent::Whole {
                    members.drop_unread();
                }
                (members, extent)
            }
            Node::Scalar(_) | Node::List(_) => (Self::default(), extent),
        }
    }

    // A key whose value was not read completely does not count.
    pub(super) fn drop_unread(&mut self) {
        match self.0.last_mut() {
            Some((_, Node::Scalar(Scalar::Null))) => {
                self.0.pop();
            }
            Some((_, Node::Object(inner))) => inner.drop_unread(),
            Some((_, Node::Scalar(_) | Node::List(_))) | None => {}
        }
    }

    pub(super) fn people_inside(&self) -> Option<Vec<String>> {
        self.0.iter().filter(|(key, _)| !is_aside(&folded(key))).find_map(|(key, node)| {
            let rest = match node {
                Node::List(list) if list.is_of_labelled_values() => return None,
                Node::List(list) if list.is_of_people() && !is_part(&folded(key)) => Vec::new(),
                Node::List(list) => {
                    let mut rest = list.people_inside()?;
                    let first = format!("{key}[]");
                    rest.insert(0, first);
                    return Some(rest);
                }
                Node::Object(inner) => inner.people_inside()?,
                Node::Scalar(_) => return None,
            };
            Some([vec![key.clone()], rest].concat())
        })
    }

    // Whether it has a phone or an e-mail address itself, and not only people in a list or the staff responsible for it. The key
    // counts, whatever its value is.
    pub(super) fn has_address(&self) -> bool {
        self.0.iter().any(|(key, node)| {
            let name = folded(key);
            let is_known = name == OWN_SHAPE || name == "contactid";
            is_known
                || !is_staff(key)
                    && match node {
                        Node::Scalar(scalar) => {
                            *scalar == Scalar::Address
                                || key_sense(key) == Some(KeySense::Address) && !is_describing(&name)
                        }
                        Node::Object(inner) => inner.has_address(),
                        Node::List(list) => holds_parts(&name, list) && list.holds_address(),
                    }
        })
    }

    pub(super) fn has_name(&self) -> bool {
        self.0.iter().any(|(key, node)| {
            matches!(node, Node::Scalar(Scalar::Text))
                && matches!(key_sense(key), Some(KeySense::PersonName | KeySense::Name))
        })
    }

    // The key of a list of people, if the object is a group and not a contact.
    pub(super) fn group(&self) -> Option<&str> {
        let is_of_people = |name: &str, list: &List| {
            !holds_parts(name, list) && !is_aside(name) && list.reachable() > 1 && !list.is_of_labelled_values()
        };
        let (key, _) = self.0.iter().find(|(key, node)| match node {
            Node::List(list) => is_of_people(&folded(key), list),
            Node::Scalar(_) | Node::Object(_) => false,
        })?;
        (!self.has_address()).then_some(key)
    }

    // The names of the columns, if each member is a column of values: a list, or an object with a number for each value.
    pub(super) fn columns(&self) -> Option<Vec<String>> {
        let own: Vec<&(String, Node)> = self.0.iter().filter(|(key, _)| !is_beside(&folded(key))).collect();
        let names = || own.iter().map(|(key, _)| key.clone()).collect();
        let lengths: Option<Vec<usize>> = own.iter().map(|(_, node)| node.column_length()).collect();
        let lengths = lengths?;
        let (least, most) = (lengths.iter().min()?, lengths.iter().max()?);
        // Of long text, only the first columns are read.
        let is_table = *most >= COLUMN || (least == most && (*most > 1 || own.len() > 1));
        let is_list = own.iter().any(|(_, node)| matches!(node, Node::List(_)));
        if !is_table || (is_list && *most < 2) {
            return None;
        }
        let is_column = |key: &str| matches!(KeyKind::of(&folded(key)), KeyKind::Other | KeyKind::SinglePart);
        let is_alone = own.len() == 1 && is_list && *most < COLUMN;
        let are_addresses = own.iter().all(|(_, node)| node.is_column_of_addresses());
        (own.iter().any(|(key, _)| is_column(key)) && (!is_alone || are_addresses)).then(names)
    }

    // Whether they are values of a person, or contain such an object.
    pub(super) fn is_person(&self, depth: usize) -> bool {
        self.0.iter().any(|(key, node)| match node {
            Node::Scalar(scalar) => {
                *scalar == Scalar::Address
                    || matches!(key_sense(key), Some(KeySense::Address | KeySense::PersonName))
                        && !is_describing(&folded(key))
            }
            Node::Object(inner) => folded(key) == OWN_SHAPE || (depth > 0 && inner.is_person(depth - 1)),
            Node::List(list) => {
                let name = folded(key);
                name == OWN_SHAPE || (is_part(&name) && list.holds_address())
            }
        })
    }

    // Whether all members are people with the same keys, so that the members are the rows.
    pub(super) fn are_people_by_key(&self) -> bool {
        let mut people = Vec::new();
        for (_, node) in self.0.iter().filter(|(key, _)| !is_beside(&folded(key))) {
            let Node::Object(inner) = node else { return false };
            people.push(inner);
        }
        let Some((first, rest)) = people.split_first() else { return false };
        let is_like = |other: &&Members| {
            let shared = first.0.iter().filter(|(key, _)| other.0.iter().any(|(name, _)| name == key)).count();
            shared * 2 >= first.0.len()
        };
        !rest.is_empty() && people.iter().all(|one| one.is_person(1)) && rest.iter().all(is_like)
    }
}

/// The content of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Null in place of the list.
    Null,
    Nothing,
    Objects,
    Lists,
    Scalars,
}

impl Content {
    // What was found in place of objects.
    pub(super) const fn found(self) -> Option<&'static str> {
        match self {
            Self::Lists => Some("arrays"),
            Self::Scalars => Some("texts or numbers"),
            Self::Null | Self::Nothing | Self::Objects => None,
        }
    }
}

// Whether a list under this key holds parts of a contact: a list of people under the name of a single part does not.
fn holds_parts(name: &str, list: &List) -> bool {
    match KeyKind::of(name) {
        KeyKind::Part => true,
        KeyKind::SinglePart => !list.is_of_named_people(),
        KeyKind::PlainContainer | KeyKind::Container | KeyKind::Other => false,
    }
}

pub(super) fn is_failure(name: &str, node: &Node) -> bool {
    match (name, node) {
        ("success" | "ok" | "exito" | "sucesso", Node::Scalar(scalar)) => *scalar == Scalar::No,
        ("status" | "state" | "result" | "estado" | "statuscode", Node::Scalar(Scalar::Failure)) => true,
        ("status" | "statuscode", Node::Scalar(Scalar::Number(code))) => (400..600).contains(code),
        ("error" | "errors", Node::Scalar(scalar)) => {
            !matches!(scalar, Scalar::Null | Scalar::Blank | Scalar::No | Scalar::Zero)
        }
        ("error" | "errors", Node::List(list)) => !list.0.is_empty(),
        ("error" | "errors", Node::Object(members)) => !members.0.is_empty(),
        (_, Node::Scalar(_) | Node::List(_) | Node::Object(_)) => false,
    }
}

/// Reads a value into a node, which keeps what was read before a syntax error or the end of cut text.
pub(super) struct Fill<'a> {
    pub(super) node: &'a mut Node,
    pub(super) depth: usize,
}

impl<'de> DeserializeSeed<'de> for Fill<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        *self.node = Node::Scalar(if flag { Scalar::Yes } else { Scalar::No });
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        *self.node = Node::Scalar(Scalar::Number(1));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        *self.node = Node::Scalar(if number == 0 { Scalar::Zero } else { Scalar::Number(number) });
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        *self.node = Node::Scalar(Scalar::Number(1));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        let text = text.trim();
        *self.node = Node::Scalar(if text.is_empty() {
            Scalar::Blank
        } else if ["error", "fail", "failed", "failure"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
            Scalar::Failure
        } else if is_address(text) {
            Scalar::Address
        } else if is_label(text) {
            Scalar::Label
        } else {
            Scalar::Text
        });
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        *self.node = Node::List(List::default());
        let Node::List(list) = self.node else { return Ok(()) };
        while list.0.len() < ITEMS {
            let mut item = Node::default();
            let read = elements.next_element_seed(Fill { node: &mut item, depth: DEPTH - 2 });
            // The beginning of a cut element shows its kind.
            let is_one = !matches!(read, Ok(None)) && (read.is_ok() || !matches!(item, Node::Scalar(_)));
            if is_one {
                list.0.push(item);
            }
            list.1 = list.0.len();
            if read?.is_none() {
                return Ok(());
            }
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {
            list.1 += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        *self.node = Node::Object(Members::default());
        let Node::Object(Members(members)) = self.node else { return Ok(()) };
        if self.depth >= DEPTH {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        while let Some(key) = map.next_key::<String>()? {
            members.push((key, Node::default()));
            if let Some((_, node)) = members.last_mut() {
                map.next_value_seed(Fill { node, depth: self.depth + 1 })?;
            }
        }
        Ok(())
    }
}
