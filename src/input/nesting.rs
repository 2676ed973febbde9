//! Where the rows of JSON are: whether an object is a row, or holds rows under a key as a page of an API's answer does.
//!
//! An object holds rows when it has one array of objects and otherwise only values that describe the answer (`success`,
//! `total`, `next`). A contact has plain values (a phone, a name) beside its arrays (addresses, orders). What could be
//! either is refused: taken for a row, a page would lose all of its contacts.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::lines::Lines;
use super::object::Cells;
use super::page_keys::Hint;
use super::sample::SAMPLE;
use super::{Bytes, RowsFault, SourceFault};
use crate::core::guess::{is_address, is_staff};
use crate::core::headings::{KeySense, key_sense};
use crate::core::list::is_label;
use crate::core::output_format::{LINE_COLUMN, REASON_COLUMN};

/// The key of the contacts in an answer of the platform (API.md, "The six calls").
const ANSWER: &str = "data";

/// How much of the first object is looked at when a first look does not reach its end.
const LONG_SAMPLE: usize = 1024 * 1024;

/// How many objects may be around an array of rows: `{"response": {"data": {"contacts": […]}}}`.
const DEPTH: usize = 4;

/// How many elements of an array are looked into.
const ITEMS: usize = 3;

/// How many elements of an array of values are more than a contact has.
const COLUMN: usize = 1_000;

/// Keys of arrays of people.
const PEOPLE: &str = "\
    contacts contact contactlist people persons users customers clients leads subscribers members profiles \
    recipients prospects contactos personas usuarios clientes suscriptores miembros contatos pessoas assinantes \
    membros";

/// Keys of arrays of anything, in answers and exports.
const CONTAINERS: &str = "\
    data datos dados results result resultados items itens elements elementos records registros rows filas \
    linhas list lista entries objects values value hits nodes edges docs documents content body payload response \
    resources collection export";

/// Those of them that are hardly ever the key of a part of a contact.
const PLAIN_CONTAINERS: &str = "\
    data datos dados results resultados records registros rows filas linhas";

/// Keys of arrays that are parts of one contact.
const PARTS: &str = "\
    address addresses phones phonenumbers emails emailaddresses names urls websites organizations companies dates \
    birthdays relations photos images tags labels lists groups memberships segments notes orders purchases deals \
    tickets events activities customfields fields fieldvalues attributes properties channels identities \
    identifiers accounts sources consents subscriptions telefonos correos direcciones etiquetas grupos notas \
    identityprofiles pedidos campos empresas telefones enderecos";

/// Those with the name of a single one: a list of such is a part of a contact, but a key of this name may also head a column.
const SINGLE_PARTS: &str = "\
    phone phonenumber mobile cellphone telephone whatsapp telefono telefone celular movil email mail correo";

/// Keys of lists and objects that describe an answer.
const ASIDE: &str = "\
    links meta metadata error errors warnings messages included facets filters query request schema columns \
    headers sort pagination paging pageinfo";

/// Keys of values that describe an answer.
const DESCRIBING: &str = "\
    success ok status statuscode state code message messages msg error errors errorcode errormessage warnings \
    exito estado mensaje sucesso mensagem total totals totalcount totalresults totalrecords totalpages \
    totalitems totalpeople totalsize count size length page pages pagenumber pagesize pagecount perpage currentpage lastpage \
    firstpage nextpage prevpage previouspage pagina paginas siguiente anterior from to limit offset vidoffset \
    skip top next nexturl nextlink odatanextlink odatacount nextcursor nextpagetoken prev previous prevurl \
    cursor before after hasmore hasnext more done start end first last timestamp time date fecha generated \
    generatedat exported exportedat exportdate version apiversion requestid type object kind etag url self links \
    meta metadata pagination paging pageinfo took timedout resultsizeestimate lastupdated filters query sort \
    order sync synctoken";

/// The key that a contact in the platform's own shape has.
const OWN_SHAPE: &str = "customfields";

/// What an object of an input is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A row.
    Row,
    /// It holds rows: the keys that lead to them; and whether the names or the values there are those of contacts, or of
    /// an answer.
    Rows { path: Vec<String>, is_telling: bool },
    /// It is unclear. The same of the names and values.
    Unknown { fault: RowsFault, is_telling: bool },
}

/// What a value beside the rows of an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OtherRuns {
    /// It describes the answer.
    Description,
    /// It may be of the export that the object is a part of, and then all its parts have it.
    Value,
    /// It may be a value of a contact.
    OfContact,
}

/// The keys that lead to the rows of a text; none when its objects are the rows.
pub(super) fn rows_path(text: &mut Bytes) -> Result<Vec<String>, SourceFault> {
    let path = |bytes: &[u8]| {
        let blanks = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let mut start = blanks(bytes);
        let in_array = bytes.get(start) == Some(&b'[');
        if in_array {
            start += 1;
            start += blanks(&bytes[start..]);
        }
        if bytes.get(start) != Some(&b'{') {
            return (Ok(Vec::new()), true);
        }
        let (kind, extent) = Members::kind_of(&bytes[start..]);
        let path = match kind {
            Kind::Rows { path, is_telling } if is_telling || !in_array => Ok(path),
            Kind::Unknown { fault, is_telling } if is_telling || !in_array => {
                let mut lines = Lines::default();
                lines.pass(&bytes[..start]);
                Err(SourceFault::Rows { line: lines.number(), fault })
            }
            Kind::Row | Kind::Rows { .. } | Kind::Unknown { .. } => Ok(Vec::new()),
        };
        (path, extent != Extent::Cut)
    };
    let (found, is_known) = path(text.look(SAMPLE).bytes);
    if is_known { found } else { path(text.look(LONG_SAMPLE).bytes).0 }
}

/// What an object is whose text begins here; its end may be missing.
pub(super) fn kind(text: &[u8]) -> Kind {
    Members::kind_of(text).0
}

/// Judges what stands beside the rows of an object, once they are read as rows: `path` leads to them, `key` is the key of
/// the value `text` in the object `depth` keys down that path.
pub(super) fn check_beside(path: &[String], depth: usize, key: &str, text: &[u8]) -> Result<OtherRuns, RowsFault> {
    let mut node = Node::default();
    // A cut text has what could be read of it.
    let _ = Fill { node: &mut node, depth: depth + 1 }.deserialize(&mut serde_json::Deserializer::from_slice(text));
    let name = folded(key);
    if is_failure(&name, &node) {
        return Err(RowsFault::Failed);
    }
    let rows = path.join(".");
    let mut above = path[..depth].to_vec();
    let members = Members(vec![(key.to_owned(), node)]);
    let mut search = Search::default();
    search.walk(&members, &mut above, Around::default());
    let is_there = |list: &&FoundList| list.content != Content::Null && list.may_be_rows().is_some();
    let list = search.lists.iter().find(is_there).map(|list| list.path.join("."));
    if let Some(other) = list.or(search.keyed).or(search.nested.pop()) {
        return Err(RowsFault::Several { arrays: vec![rows, other] });
    }
    let around = Around::default().with(&members);
    let is_container = path.last().is_some_and(|key| is_container(&folded(key)));
    Ok(match around {
        Around { has_values: false, .. } => OtherRuns::Description,
        Around { is_person: false, .. } if is_container => OtherRuns::Value,
        Around { .. } => OtherRuns::OfContact,
    })
}

/// Judges an object that stands in place of an array of rows.
pub(super) fn check_single(text: &[u8]) -> Result<(), RowsFault> {
    match kind(text) {
        Kind::Unknown { fault: fault @ RowsFault::Keyed { .. }, .. } => Err(fault),
        Kind::Row | Kind::Rows { .. } | Kind::Unknown { .. } => Ok(()),
    }
}

impl RowsFault {
    /// The same, where the rows are at the end of a path: the arrays inside them are named from the top.
    pub(super) fn under(self, path: &[String]) -> Self {
        match self {
            Self::Nested { arrays } if !path.is_empty() => {
                let rows = path.join(".");
                let below = |array: String| match array.strip_prefix("[]") {
                    Some(rest) => format!("{rows}[]{rest}"),
                    None => format!("{rows}[].{array}"),
                };
                Self::Nested { arrays: arrays.into_iter().map(below).collect() }
            }
            other => other,
        }
    }
}

/// Holds each row against the ones before, so that no object that holds rows is taken for one.
#[derive(Debug, Default)]
pub(super) struct Rows {
    // The keys of the first row that have a value of their own.
    keys: Option<Vec<String>>,
}

impl Rows {
    /// Judges a row. `in_array` is that it is an element of an array, which makes it a row unless it plainly holds some.
    pub(super) fn check(&mut self, cells: &Cells, text: &[u8], in_array: bool) -> Result<(), RowsFault> {
        let is_first = self.keys.is_none();
        let own = |(key, json): &(std::sync::Arc<str>, Json)| {
            let is_value = !json.is_object() && !json.is_array();
            (is_value && !is_describing(&folded(key))).then(|| key.to_string())
        };
        if is_first {
            self.keys = Some(cells.iter().filter_map(own).collect());
        }
        let holds_list = cells.iter().any(|(_, json)| holds_list(json));
        if !holds_list && !may_be_columns(cells) {
            return Ok(());
        }
        if holds_list && let Some(array) = Members::read(text).0.group() {
            let array = if in_array { format!("[].{array}") } else { array.to_owned() };
            return Err(RowsFault::Nested { arrays: vec![array] });
        }
        match kind(text) {
            Kind::Rows { path, is_telling } if is_telling || (is_first && !in_array) => {
                Err(RowsFault::Mixed { array: path.join(".") })
            }
            Kind::Unknown { fault, is_telling } if in_array && is_telling => Err(fault),
            Kind::Unknown { fault, .. } if !in_array => {
                let known = self.keys.as_deref().unwrap_or_default();
                let shared = known.iter().filter(|key| cells.iter().any(|(other, _)| **other == ***key)).count();
                if !is_first && shared > 0 && shared * 3 >= known.len() * 2 { Ok(()) } else { Err(fault) }
            }
            Kind::Row | Kind::Rows { .. } | Kind::Unknown { .. } => Ok(()),
        }
    }
}

// Whether each of its values may be a column of values.
fn may_be_columns(cells: &Cells) -> bool {
    let own = |(key, _): &&(std::sync::Arc<str>, Json)| !is_beside(&folded(key));
    cells.iter().filter(own).all(|(_, json)| json.is_array() || json.is_object())
}

// Whether there is a list of objects, or of lists, in it.
fn holds_list(json: &Json) -> bool {
    match json {
        Json::Array(items) => items.iter().any(|item| item.is_object() || item.is_array()),
        Json::Object(members) => members.values().any(holds_list),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
    }
}

/// How much of a text could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Whole,
    /// Up to the end of what there is.
    Cut,
    /// Up to a fault.
    Broken,
}

/// A value as far as it is looked into.
#[derive(Debug)]
enum Node {
    Scalar(Scalar),
    List(List),
    Object(Members),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scalar {
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
    /// One of the words for what went wrong.
    Failure,
}

/// The first elements of a list, and how many there are.
#[derive(Debug, Default)]
struct List(Vec<Node>, usize);

#[derive(Debug, Default)]
struct Members(Vec<(String, Node)>);

impl List {
    // The first element says what all of them are; null is no row. `None` when they are no rows.
    fn content(&self, is_container: bool) -> Option<Content> {
        match self.0.iter().find(|item| !matches!(item, Node::Scalar(Scalar::Null))) {
            Some(Node::Object(_)) => Some(Content::Objects),
            Some(Node::List(_)) => Some(Content::Lists),
            Some(Node::Scalar(_)) => is_container.then_some(Content::Scalars),
            None => is_container.then_some(Content::Nothing),
        }
    }

    fn is_of_people(&self) -> bool {
        self.0.iter().any(|item| matches!(item, Node::Object(members) if members.is_person(2)))
    }

    // How many of its first elements have a phone or an e-mail address of their own.
    fn reachable(&self) -> usize {
        self.0.iter().filter(|item| matches!(item, Node::Object(members) if members.has_address())).count()
    }

    // Whether at least two of its first elements are people: each with a name beside a phone or an e-mail address.
    fn is_of_named_people(&self) -> bool {
        let is_one =
            |item: &&Node| matches!(item, Node::Object(members) if members.has_name() && members.has_address());
        self.0.iter().filter(is_one).count() > 1
    }

    fn holds_address(&self) -> bool {
        self.reachable() > 0 || self.0.iter().any(|item| matches!(item, Node::Scalar(Scalar::Address)))
    }

    fn is_of_scalars(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|item| matches!(item, Node::Scalar(_)))
    }

    // The keys that lead from its elements to lists of people inside them.
    fn people_inside(&self) -> Option<Vec<String>> {
        self.0.iter().find_map(|item| match item {
            Node::Object(members) => members.people_inside(),
            Node::Scalar(_) | Node::List(_) => None,
        })
    }
}

impl Node {
    // How many values it has as a column.
    fn column_length(&self) -> Option<usize> {
        let is_scalar = |(_, node): &(String, Node)| matches!(node, Self::Scalar(_));
        let is_index = |(key, _): &(String, Node)| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
        match self {
            Self::List(list) => list.is_of_scalars().then_some(list.1),
            Self::Object(Members(cells)) => {
                (!cells.is_empty() && cells.iter().all(|cell| is_scalar(cell) && is_index(cell))).then_some(cells.len())
            }
            Self::Scalar(_) => None,
        }
    }

    fn is_column_of_addresses(&self) -> bool {
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
    // What could be read of an object, and how far that goes.
    fn read(text: &[u8]) -> (Self, Extent) {
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

    // A key whose value was not read to its end says nothing.
    fn drop_unread(&mut self) {
        match self.0.last_mut() {
            Some((_, Node::Scalar(Scalar::Null))) => {
                self.0.pop();
            }
            Some((_, Node::Object(inner))) => inner.drop_unread(),
            Some((_, Node::Scalar(_) | Node::List(_))) | None => {}
        }
    }

    // Of what is no JSON, the fault in it says more than that it is unclear.
    fn kind_of(text: &[u8]) -> (Kind, Extent) {
        let (members, extent) = Self::read(text);
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
        // A key that occurs twice is found when the rows are read.
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

    // The platform's answer to a read: one contact under `data` (API.md, "The six calls").
    fn answer(&self) -> Kind {
        let is_data = |(key, node): &(String, Node)| key == ANSWER && matches!(node, Node::Object(_));
        let is_answer = |(key, _): &(String, Node)| key == ANSWER || is_beside(&folded(key));
        if self.0.iter().any(is_data) && self.0.iter().all(is_answer) {
            return Kind::Rows { path: vec![ANSWER.to_owned()], is_telling: true };
        }
        Kind::Row
    }

    fn people_inside(&self) -> Option<Vec<String>> {
        self.0.iter().filter(|(key, _)| !is_aside(&folded(key))).find_map(|(key, node)| {
            let rest = match node {
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

    // Whether it has a phone or an e-mail address itself: not one of people in a list, or of the staff who look after it.
    // The key counts, whatever its value is.
    fn has_address(&self) -> bool {
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

    fn has_name(&self) -> bool {
        self.0.iter().any(|(key, node)| {
            matches!(node, Node::Scalar(Scalar::Text))
                && matches!(key_sense(key), Some(KeySense::PersonName | KeySense::Name))
        })
    }

    // The key of a list of people, when it is that of a group and no contact itself.
    fn group(&self) -> Option<&str> {
        let is_of_people =
            |name: &str, list: &List| !holds_parts(name, list) && !is_aside(name) && list.reachable() > 1;
        let (key, _) = self.0.iter().find(|(key, node)| match node {
            Node::List(list) => is_of_people(&folded(key), list),
            Node::Scalar(_) | Node::Object(_) => false,
        })?;
        (!self.has_address()).then_some(key)
    }

    // The names of the columns, when each member is a column of values: a list of them, or an object with a number for each.
    fn columns(&self) -> Option<Vec<String>> {
        let own: Vec<&(String, Node)> = self.0.iter().filter(|(key, _)| !is_beside(&folded(key))).collect();
        let names = || own.iter().map(|(key, _)| key.clone()).collect();
        let lengths: Option<Vec<usize>> = own.iter().map(|(_, node)| node.column_length()).collect();
        let lengths = lengths?;
        let (least, most) = (lengths.iter().min()?, lengths.iter().max()?);
        // Of a long text only the first columns are seen.
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

    // Whether they are those of a person, or hold one.
    fn is_person(&self, depth: usize) -> bool {
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

    // Whether all members are people of the same keys: the rows are the members then.
    fn are_people_by_key(&self) -> bool {
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

/// What stands beside a list, in its object and in those around it.
#[derive(Clone, Copy, Debug, Default)]
struct Around {
    /// Values that do not describe an answer.
    has_values: bool,
    /// Values of a person, in any of the objects.
    is_person: bool,
    /// What is known of a person, in the list's own object.
    here: Known,
}

/// What the values of an object say of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    #[default]
    Nothing,
    Name,
    /// An e-mail address or a phone number.
    Address,
}

impl Around {
    fn with(self, members: &Members) -> Self {
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

/// A list that may be that of the rows.
#[derive(Debug)]
struct FoundList {
    path: Vec<String>,
    around: Around,
    content: Content,
    key: KeyKind,
    is_of_people: bool,
    is_of_named_people: bool,
}

/// What is in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// Nothing: null stands in its place.
    Null,
    Nothing,
    Objects,
    Lists,
    Scalars,
}

impl Content {
    // What is there in place of objects.
    const fn found(self) -> Option<&'static str> {
        match self {
            Self::Lists => Some("arrays"),
            Self::Scalars => Some("texts or numbers"),
            Self::Null | Self::Nothing | Self::Objects => None,
        }
    }
}

/// What the key of a list says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    /// That rows are in it, and hardly ever a part of a contact.
    PlainContainer,
    /// That rows are in it.
    Container,
    /// That it is a part of a contact.
    Part,
    /// That it is one, by the name of a single one.
    SinglePart,
    Other,
}

impl KeyKind {
    fn of(name: &str) -> Self {
        if is_one_of(PEOPLE, name) || is_one_of(PLAIN_CONTAINERS, name) {
            Self::PlainContainer
        } else if is_one_of(CONTAINERS, name) {
            Self::Container
        } else if is_one_of(PARTS, name) {
            Self::Part
        } else if is_one_of(SINGLE_PARTS, name) {
            Self::SinglePart
        } else {
            Self::Other
        }
    }

    const fn is_container(self) -> bool {
        matches!(self, Self::PlainContainer | Self::Container)
    }

    const fn is_part(self) -> bool {
        matches!(self, Self::Part | Self::SinglePart)
    }
}

impl FoundList {
    // `None`: it is a part of a row. Else whether it is sure to be the rows.
    fn may_be_rows(&self) -> Option<bool> {
        let Self {
            around: Around { has_values, is_person, here }, content, key, is_of_people, is_of_named_people, ..
        } = self;
        let is_container = key.is_container();
        if matches!(content, Content::Null | Content::Nothing | Content::Scalars) {
            return (is_container && !has_values).then_some(true);
        }
        // Beside other values, a list of phones is a part of a contact, unless its elements are people.
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
struct Search {
    lists: Vec<FoundList>,
    // The key of an object whose members are the rows.
    keyed: Option<String>,
    // The keys of lists of people inside the elements of other lists.
    nested: Vec<String>,
}

impl Search {
    fn walk(&mut self, members: &Members, path: &mut Vec<String>, around: Around) {
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
                // No rows, as some programs write them.
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

fn is_one_of(words: &str, name: &str) -> bool {
    words.split(' ').any(|word| word == name)
}

fn is_container(name: &str) -> bool {
    is_one_of(PEOPLE, name) || is_one_of(CONTAINERS, name)
}

fn is_part(name: &str) -> bool {
    KeyKind::of(name).is_part()
}

// Whether a list under this key holds parts of a contact: a list of people under the name of a single part does not.
fn holds_parts(name: &str, list: &List) -> bool {
    match KeyKind::of(name) {
        KeyKind::Part => true,
        KeyKind::SinglePart => !list.is_of_named_people(),
        KeyKind::PlainContainer | KeyKind::Container | KeyKind::Other => false,
    }
}

fn is_aside(name: &str) -> bool {
    name.is_empty() || is_one_of(ASIDE, name)
}

fn is_describing(name: &str) -> bool {
    name.is_empty() || is_one_of(DESCRIBING, name) || Hint::of(name, "").is_some()
}

// Whether it is a key of an answer, and not of what it holds.
fn is_beside(name: &str) -> bool {
    is_aside(name) || is_describing(name)
}

fn is_failure(name: &str, node: &Node) -> bool {
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

// Small letters and digits alone. Keys such as `@odata.context` describe an answer, and have no name here.
fn folded(key: &str) -> String {
    if key.starts_with(['@', '$', '#']) {
        return String::new();
    }
    key.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Reads a value into a node. What was read before a fault, or before the end of a cut text, stays there.
struct Fill<'a> {
    node: &'a mut Node,
    depth: usize,
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
            // Of a cut element, the beginning says what it is.
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
