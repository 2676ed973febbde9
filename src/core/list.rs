//! Finds a value in a JSON list by the content of its element, not by its position: the primary phone, a field by its name.

use std::borrow::Cow;

use serde_json::Value as Json;

use crate::core::headings::{PRIMARY_INSIDE, is_address_list};
use crate::core::plain_kind::PlainKind;
use crate::core::text::{bare_name, folded_key, visible};
use crate::core::yes_no;

/// Keys of an element that say that it is the one to use, folded.
const PRIMARY: &[&str] = &[
    "primary",
    "isprimary",
    "primaryflag",
    "isprimaryflag",
    "primaryindicator",
    "isprimaryphone",
    "isprimaryemail",
    "isprimarynumber",
    "isprimaryaddress",
    "preferred",
    "ispreferred",
    "preferredflag",
    "pref",
    "ispref",
    "default",
    "isdefault",
    "defaultflag",
    "main",
    "ismain",
    "mainflag",
    "principal",
    "isprincipal",
    "esprincipal",
    "predeterminado",
    "espredeterminado",
    "padrao",
];

/// The keys among them that can have no other meaning.
const PLAIN_PRIMARY: [&str; 4] = ["primary", "isprimary", "primaryflag", "isprimaryflag"];

/// Prefixes of keys that describe a phone or an address, folded.
const ATTRIBUTES: &[&str] = &[
    "country", "pais", "status", "state", "estado", "owner", "currency", "locale", "lang", "region", "timezone",
    "created", "updated", "verified", "source", "provider", "carrier", "areacode", "ext",
];

/// What the label of a primary element may be. `main` is not among them: it is the label of a company's main line.
const PRIMARY_LABELS: [&str; 5] = ["primary", "preferred", "pref", "default", "principal"];

/// The key of an object inside an element that has such a key, in answers of Google's API.
const METADATA: &str = "metadata";

/// The keys under which an element has the name of a field, folded, the surest first.
const NAMES: &[&str] = &[
    "name",
    "key",
    "code",
    "field",
    "fieldname",
    "fieldkey",
    "fieldcode",
    "slug",
    "fieldslug",
    "fieldlabel",
    "customfield",
    "customfieldname",
    "customfieldkey",
    "customfieldcode",
    "attribute",
    "attributename",
    "attributecode",
    "attributekey",
    "property",
    "propertyname",
    "propertykey",
    "parameter",
    "param",
    "variable",
    "question",
    "k",
];

/// The keys of an object inside an element that describes the field, folded.
const FIELD_OBJECTS: [&str; 11] = [
    "field",
    "property",
    "attribute",
    "question",
    "parameter",
    "definition",
    "customfield",
    "customattribute",
    "fielddefinition",
    "customfielddefinition",
    "attributedefinition",
];

/// The key of the value beside such an object. By itself it is that of the rows of an answer.
const FORM_VALUE: &str = "data";

/// The keys of an element's label. It is the name of a field, unless it is one of [`LABELS`]. The type of a field may also be
/// that of its value.
const LABEL_KEYS: [&str; 4] = ["label", "title", "type", "kind"];

/// Those of them that are no types.
const SURE_LABEL_KEYS: [&str; 2] = ["label", "title"];
const TYPE_KEYS: [&str; 2] = ["type", "kind"];

/// The keys of an element's labels, where it has a list of them.
const LABEL_LISTS: [&str; 2] = ["labels", "types"];

/// The keys of the field's id, which is its name where an element has nothing better.
const FIELD_IDS: [&str; 7] =
    ["fieldid", "customfieldid", "customfielddefinitionid", "attributeid", "propertyid", "questionid", "definitionid"];
const ID: &str = "id";

/// The keys of the field's value.
const VALUES: &[&str] = &[
    "value",
    "values",
    "fieldvalue",
    "fieldvalues",
    "customfieldvalue",
    "attributevalue",
    "propertyvalue",
    "val",
    "v",
    "answer",
    "answers",
    "content",
    "stringvalue",
    "textvalue",
];

/// Prefixes of value keys that end with the type of the value: `valueString`, `field_value_text`.
const VALUE_STARTS: [&str; 2] = ["value", "fieldvalue"];

/// Types of values, which are no names of fields.
const VALUE_TYPES: &[&str] = &[
    "text",
    "string",
    "str",
    "textarea",
    "longtext",
    "number",
    "numeric",
    "integer",
    "int",
    "float",
    "decimal",
    "currency",
    "monetary",
    "date",
    "datetime",
    "boolean",
    "bool",
    "checkbox",
    "radio",
    "dropdown",
    "select",
    "multiselect",
    "enum",
    "enumeration",
    "list",
    "url",
    "json",
    "custom",
];

/// The longest name of a pair, in bytes.
const PAIR_NAME: usize = 64;

/// Labels of the phones and addresses of one contact.
const LABELS: &str = "\
    home work mobile main other personal private office business default primary secondary preferred cell cellphone \
    iphone casa trabajo oficina movil m\u{f3}vil celular principal otro trabalho escritorio escrit\u{f3}rio \
    comercial outro";

/// Labels that name the kind of address: of several contact points, they are the names.
const ADDRESS_LABELS: &str = "phone telephone fax whatsapp email mail telefono tel\u{e9}fono correo telefone";

/// The elements of a list of JSON.
#[derive(Clone, Copy, Debug)]
pub struct JsonList<'a> {
    items: &'a [Json],
    // Whether they may be fields: what several phones have as names are their labels.
    may_be_fields: bool,
}

impl<'a> JsonList<'a> {
    /// The step of a path that leads to the primary element.
    pub const PRIMARY_STEP: &'static str = "primary";

    /// That step between two others.
    pub const PRIMARY_INSIDE: &'static str = PRIMARY_INSIDE;

    /// The list under this key, or at the end of this path.
    pub fn new(path: &str, items: &'a [Json]) -> Self {
        let key = path.rsplit('.').next().unwrap_or_default();
        Self { items, may_be_fields: !is_address_list(key) }
    }

    /// Whether its key is that of a list of phones or of e-mail addresses.
    pub(crate) const fn are_addresses(self) -> bool {
        !self.may_be_fields
    }

    /// The first element that says that it is the primary one (`"primary": true`, `"type": "primary"`), else the first.
    pub fn primary(self) -> Option<&'a Json> {
        self.items.get(self.primary_at())
    }

    /// Whether the first element is the primary one.
    pub(crate) fn is_primary_first(self) -> bool {
        self.primary_at() == 0
    }

    /// The elements, those first that say that they are the primary one.
    pub(crate) fn by_primacy(self) -> impl Iterator<Item = &'a Json> {
        let with = move |flag: bool| self.items.iter().filter(move |item| (is_primary(item) == Some(true)) == flag);
        with(true).chain(with(false))
    }

    fn primary_at(self) -> usize {
        self.items.iter().position(|item| is_primary(item) == Some(true)).unwrap_or(0)
    }

    /// Whether any element says that it is the primary one, or that it is not.
    pub fn has_primary(self) -> bool {
        self.items.iter().any(|item| is_primary(item).is_some())
    }

    /// The names of its fields, when its elements are fields, with a name and a value each: `[{"name": "city", "value": "Lima"}]`.
    /// One element with both shows that they are. An element without a name has a blank one here.
    pub fn field_names(self) -> Option<Vec<Cow<'a, str>>> {
        Some(self.fields()?.into_iter().map(|(name, _)| name).collect())
    }

    /// The same with their values, where they have one.
    pub(crate) fn fields(self) -> Option<Vec<(Cow<'a, str>, Option<&'a Json>)>> {
        let by = self.naming()?;
        Some(self.items.iter().map(|item| (by.name(item).unwrap_or_default(), by.value(item))).collect())
    }

    /// Whether its elements are fields of several names.
    pub fn has_several_fields(self) -> bool {
        self.field_names().is_some_and(|names| names.iter().any(|name| *name != names[0]))
    }

    /// The value of the field of this name, when the elements are fields. Of several of the name, the first that is not blank
    /// counts. The exact spelling comes first, then the name with other blanks or a colon after it, then in other case; and all
    /// of them among the names that the list goes by before its other ids and labels. The type of an element that has a name is
    /// the type of its value, and no name.
    pub fn field(self, name: &str) -> Option<&'a Json> {
        let by = self.naming()?;
        let plain = plain_name(name);
        let lowercase = plain.to_lowercase();
        let is_exact = |known: &str| visible(known).trim() == name;
        let is_same = |known: &str| plain_name(known) == plain;
        let is_alike = |known: &str| plain_name(known).to_lowercase() == lowercase;
        let spellings: [&dyn Fn(&str) -> bool; 3] = [&is_exact, &is_same, &is_alike];
        let value_of = |is_it: &dyn Fn(&Json) -> bool| {
            let mut values = self.items.iter().filter(|item| is_it(item)).filter_map(|item| by.value(item)).peekable();
            let first = values.peek().copied();
            values.find(|json| !is_blank(json)).or(first)
        };
        let by_name = |is_it: &dyn Fn(&str) -> bool| value_of(&|item| by.name(item).is_some_and(|known| is_it(&known)));
        // A row whose labels repeat, or are types of values, goes by its ids; the mapping names a label all the same.
        let others = |is_it: &dyn Fn(&str) -> bool| {
            value_of(&|item| {
                let names = [Naming::Name.name(item), text_under(item, &SURE_LABEL_KEYS), Naming::Id.name(item)];
                names.into_iter().flatten().any(|known| is_it(&known))
            })
        };
        spellings.iter().find_map(|is_it| by_name(is_it)).or_else(|| spellings.iter().find_map(|is_it| others(is_it)))
    }

    /// The first element with this label: the home phone of `[{"label": "home", "number": "…"}, …]`. The label comes before the
    /// name, and that before the type, which is no label of an element that has a name.
    pub fn labelled(self, label: &str) -> Option<&'a Json> {
        let lowercase = label.to_lowercase();
        let is_it = |text: &str| visible(text).trim().to_lowercase() == lowercase;
        let by = |key: &str, needs_no_name: bool| {
            let may_be = |item: &&Json| !needs_no_name || Naming::Name.name(item).is_none();
            let is_labelled = |json: &Json| labels(json).any(|text| is_it(&text));
            self.items.iter().filter(may_be).find(|item| under(item, key).is_some_and(is_labelled))
        };
        by("label", false)
            .or_else(|| by("title", false))
            .or_else(|| by("name", false))
            .or_else(|| TYPE_KEYS.iter().chain(&LABEL_LISTS).find_map(|key| by(key, true)))
    }

    /// The value of the first element with this label.
    pub fn labelled_value(self, label: &str) -> Option<&'a Json> {
        self.labelled(label).map_or_else(|| self.pair(label), value)
    }

    // The value of the first pair with this label.
    fn pair(self, label: &str) -> Option<&'a Json> {
        let lowercase = label.to_lowercase();
        let is_it = |name: &str| visible(name).trim().to_lowercase() == lowercase;
        let mut pairs = self.items.iter().filter(|_| self.are_pairs()).filter_map(pair);
        pairs.find(|(name, _)| is_it(name)).map(|(_, value)| value)
    }

    /// Whether its elements are pairs of a name and a value: `[["city", "Lima"], ["plan", "pro"]]`.
    pub(crate) fn are_pairs(self) -> bool {
        let mut items = self.items.iter().filter(|item| !item.is_null()).peekable();
        items.peek().is_some() && items.all(|item| pair(item).is_some())
    }

    // The kind of names of its elements, if at least one element has both a name and a value.
    fn naming(self) -> Option<Naming> {
        if !self.may_be_fields {
            return None;
        }
        if self.are_pairs() {
            return Some(Naming::Pair);
        }
        if !self.items.iter().any(|item| value(item).is_some()) {
            return None;
        }
        let fields = || self.items.iter().filter(|item| value(item).is_some());
        let are_named = |by: Naming| fields().any(|item| by.name(item).is_some());
        if are_named(Naming::Name) {
            return Some(Naming::Name);
        }
        if are_named(Naming::Label) {
            let labels = || fields().filter_map(|item| Naming::Label.name(item));
            let mut seen = Vec::new();
            let is_repeated = labels().any(|label| {
                let is_known = seen.contains(&label);
                seen.push(label);
                is_known
            });
            let is_described =
                |item: &Json| description(item).is_some() && text_under(item, &SURE_LABEL_KEYS).is_none();
            let is_type = is_repeated
                || labels().any(|label| is_folded_one_of(&label, VALUE_TYPES))
                || fields().any(is_described);
            if is_type && fields().any(|item| Naming::Id.name(item).is_some()) {
                return Some(Naming::Id);
            }
            return labels().any(|label| !is_one_of(LABELS, &label)).then_some(Naming::Label);
        }
        are_named(Naming::Id).then_some(Naming::Id)
    }
}

/// What the elements of a list of fields are named by.
#[derive(Clone, Copy, Debug)]
enum Naming {
    Name,
    Label,
    Id,
    // The elements are pairs of a name and a value.
    Pair,
}

impl Naming {
    fn name(self, item: &Json) -> Option<Cow<'_, str>> {
        match self {
            Self::Name => text_under(item, NAMES).or_else(|| {
                let description = description(item)?;
                text_under(description, NAMES).or_else(|| text_under(description, &SURE_LABEL_KEYS))
            }),
            Self::Label => text_under(item, &LABEL_KEYS),
            Self::Id => field_id(item).or_else(|| {
                let description = description(item)?;
                under(description, ID).and_then(id_text).or_else(|| field_id(description))
            }),
            Self::Pair => pair(item).map(|(name, _)| Cow::Borrowed(name)),
        }
    }

    fn value(self, item: &Json) -> Option<&Json> {
        match self {
            Self::Name | Self::Label | Self::Id => value(item),
            Self::Pair => pair(item).map(|(_, value)| value),
        }
    }
}

// The id of a field that an element has itself.
fn field_id(item: &Json) -> Option<Cow<'_, str>> {
    let object = item.as_object()?;
    let is_plain =
        || object.keys().all(|key| is_folded(key, ID) || is_value_key(key) || is_folded_one_of(key, &LABEL_KEYS));
    let is_id = |key: &str| is_folded_one_of(key, &FIELD_IDS) || (is_folded(key, ID) && is_plain());
    object.iter().find(|(key, _)| is_id(key)).and_then(|(_, id)| id_text(id))
}

fn id_text(id: &Json) -> Option<Cow<'_, str>> {
    match id {
        Json::String(id) => Some(Cow::Borrowed(id)),
        Json::Number(id) => Some(Cow::Owned(id.to_string())),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

// The object inside an element that describes its field: `{"definition": {"id": 7}, "value": "Lima"}`.
fn description(item: &Json) -> Option<&Json> {
    FIELD_OBJECTS.iter().find_map(|key| under(item, key).filter(|json| json.is_object()))
}

// The value under this key, in any spelling.
fn under<'j>(item: &'j Json, key: &str) -> Option<&'j Json> {
    item.as_object()?.iter().find(|(known, _)| is_folded(known, key)).map(|(_, json)| json)
}

/// The texts of a label: itself, those of a list, or the name, the label or the id in an object.
pub(crate) fn labels(json: &Json) -> impl Iterator<Item = Cow<'_, str>> {
    let one = |json| {
        let name = || text_under(json, NAMES).or_else(|| text_under(json, &SURE_LABEL_KEYS));
        id_text(json).or_else(name).or_else(|| under(json, ID).and_then(id_text))
    };
    let list = json.as_array().map_or_else(|| std::slice::from_ref(json), Vec::as_slice);
    list.iter().filter_map(one)
}

// The text under the first of these keys that an element has.
fn text_under<'j>(item: &'j Json, keys: &[&str]) -> Option<Cow<'j, str>> {
    keys.iter().find_map(|key| under(item, key)?.as_str()).map(Cow::Borrowed)
}

// The name of a field with usual blanks, and without a colon or an asterisk after it.
fn plain_name(name: &str) -> Cow<'_, str> {
    let is_other_blank = |character: char| character.is_whitespace() && character != ' ';
    match visible(name) {
        Cow::Borrowed(name) if !name.contains(is_other_blank) && !name.contains("  ") => {
            Cow::Borrowed(bare_name(name.trim()))
        }
        name => {
            let words: Vec<&str> = name.split_whitespace().collect();
            Cow::Owned(bare_name(&words.join(" ")).to_owned())
        }
    }
}

/// Whether a key describes its element and does not name it: another value under it is not another thing.
pub(crate) fn is_attribute_key(key: &str) -> bool {
    let folded = folded_key(key);
    ATTRIBUTES.iter().any(|attribute| folded.starts_with(attribute))
}

/// Whether a key says of an element that it is the primary one.
pub(crate) fn is_primary_key(key: &str) -> bool {
    is_folded_one_of(key, PRIMARY)
}

/// Whether an element has its label or its name under this key.
pub(crate) fn is_label_key(key: &str) -> bool {
    is_folded(key, "name") || is_folded_one_of(key, &LABEL_KEYS) || is_folded_one_of(key, &LABEL_LISTS)
}

/// Whether an element has the kind of its value under this key, such as `home` or `mobile`, which no name or title is.
pub(crate) fn is_kind_key(key: &str) -> bool {
    is_folded(key, "label") || is_folded_one_of(key, &TYPE_KEYS) || is_folded_one_of(key, &LABEL_LISTS)
}

/// Whether a text is the label of a phone or of an e-mail address.
pub(crate) fn is_label(text: &str) -> bool {
    is_one_of(LABELS, text) || is_one_of(ADDRESS_LABELS, text)
}

fn is_one_of(words: &str, text: &str) -> bool {
    words.split(' ').any(|word| word.eq_ignore_ascii_case(text.trim()))
}

// Whether a key is this one in any spelling. It is asked of each key of each element, so nothing is allocated.
fn is_folded(key: &str, folded: &str) -> bool {
    let letters = key.bytes().filter(|byte| !matches!(byte, b'_' | b'-' | b' ')).map(|byte| byte.to_ascii_lowercase());
    letters.eq(folded.bytes())
}

fn is_folded_one_of(key: &str, words: &[&str]) -> bool {
    words.iter().any(|folded| is_folded(key, folded))
}

/// Whether an element has its name, its label or its id under this key.
pub(crate) fn is_naming_key(key: &str) -> bool {
    let is_one_of = |keys: &[&str]| is_folded_one_of(key, keys);
    is_label_key(key) || is_one_of(NAMES) || is_one_of(&FIELD_IDS) || is_one_of(&FIELD_OBJECTS) || is_folded(key, ID)
}

/// Whether an element has the value of its field under this key.
pub(crate) fn is_value_key(key: &str) -> bool {
    is_folded_one_of(key, VALUES) || is_typed_value_key(key)
}

fn is_typed_value_key(key: &str) -> bool {
    // Most keys are none, and nothing is allocated for them.
    if !key.starts_with(['v', 'V', 'f', 'F']) {
        return false;
    }
    let folded = folded_key(key);
    VALUE_STARTS.iter().any(|start| folded.strip_prefix(start).is_some_and(|rest| is_folded_one_of(rest, VALUE_TYPES)))
}

// The name and the value of a pair: `["city", "Lima"]`.
fn pair(item: &Json) -> Option<(&str, &Json)> {
    let Json::Array(items) = item else { return None };
    let [Json::String(name), value] = items.as_slice() else { return None };
    let is_name = PlainKind::of(&items[0]).is_none_or(|kind| !kind.is_sure()) && !name.trim().is_empty();
    (is_name && name.len() <= PAIR_NAME).then_some((name, value))
}

// The value of a field.
fn value(item: &Json) -> Option<&Json> {
    let object = item.as_object()?;
    let of = |key: &&str| object.iter().find(|(known, _)| is_folded(known, key)).map(|(_, json)| json);
    let typed = || object.iter().find(|(key, json)| !json.is_null() && is_typed_value_key(key)).map(|(_, json)| json);
    let all = || VALUES.iter().filter_map(of).chain(typed());
    // An element may have several such keys, of which its type fills one.
    all().find(|json| !is_blank(json)).or_else(|| all().next()).or_else(|| form_value(item))
}

// The value of an element that describes its field in an object, under the key `data` or that of its type:
// `{"type": "email", "email": "a@example.com", "field": {"id": "7"}}`.
fn form_value(item: &Json) -> Option<&Json> {
    description(item)?;
    let of_type = || text_under(item, &TYPE_KEYS).and_then(|kind| item.get(&*kind));
    under(item, FORM_VALUE).or_else(of_type)
}

/// Whether a value is null, blank text or an empty list.
pub(crate) fn is_blank(json: &Json) -> bool {
    match json {
        Json::Null => true,
        Json::String(text) => text.trim().is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Bool(_) | Json::Number(_) | Json::Object(_) => false,
    }
}

// Programs also write 1 and 0, or words, for true and false.
fn is_primary(item: &Json) -> Option<bool> {
    let object = item.as_object()?;
    let is_primary_label =
        |json: &Json| json.as_str().is_some_and(|text| is_folded_one_of(text.trim(), &PRIMARY_LABELS));
    let flag = |(key, json): (&String, &Json)| {
        if is_folded_one_of(key, &LABEL_KEYS) || is_folded_one_of(key, &LABEL_LISTS) {
            let is_primary =
                json.as_array().map_or_else(|| is_primary_label(json), |all| all.iter().any(is_primary_label));
            return is_primary.then_some(true);
        }
        if !is_primary_key(key) {
            return None;
        }
        yes_no::flag(json)
    };
    let metadata = object.get(METADATA).and_then(Json::as_object);
    let all = || object.iter().chain(metadata.into_iter().flatten());
    // The plainest key decides. Any other flag may be of something else: one that is set counts.
    let plain = all().filter(|(key, _)| is_folded_one_of(key, &PLAIN_PRIMARY)).find_map(flag);
    plain.or_else(|| all().filter_map(flag).reduce(|any, flag| any || flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(list: &str) -> Vec<Json> {
        serde_json::from_str(list).unwrap()
    }

    #[test]
    fn the_primary_element_says_so_itself() {
        for (list, at, has_flag) in [
            (r#"[{"v":1,"primary":false},{"v":2,"primary":true}]"#, Some(1), true),
            (r#"[{"v":1,"is_primary":true},{"v":2,"is_primary":true}]"#, Some(0), true),
            (r#"[{"v":1},{"v":2,"isPrimary":"TRUE"}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"preferred":1}]"#, Some(1), true),
            (r#"[{"v":1,"default":0},{"v":2,"default":false}]"#, Some(0), true),
            (r#"[{"v":1},{"v":2,"metadata":{"primary":true}}]"#, Some(1), true),
            // Of several flags of an element, one that is set.
            (r#"[{"v":1},{"v":2,"is_default":false,"primary":true}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"primary":true,"is_default":false}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"default":0,"metadata":{"primary":true}}]"#, Some(1), true),
            (r#"[{"v":1,"default":0,"primary":"x"},{"v":2,"is_default":false,"main":false}]"#, Some(0), true),
            (r#"[{"v":1,"primary":"+52155"},{"v":2,"primary":7}]"#, Some(0), false),
            // Flags as words, in several spellings of the key.
            (r#"[{"v":1,"primary":"no"},{"v":2,"primary":"yes"}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"is_primary":"Y"}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"principal":"S\u00ed"}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"principal":"si"}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"main":"1"}]"#, Some(1), true),
            (r#"[{"v":1,"default":"N"},{"v":2,"default":"true"}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"primaryFlag":true}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"primary_flag":"Y"}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"isMain":true}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"Is Default":1}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"pref":1}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"primary":"on"}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"primary":"X"}]"#, Some(1), true),
            // The plainest key decides, against other flags and labels.
            (r#"[{"v":1,"is_default":true,"primary":false},{"v":2,"primary":true}]"#, Some(1), true),
            (r#"[{"v":1,"type":"primary","primary":false},{"v":2,"is_primary":true}]"#, Some(1), true),
            (r#"[{"v":1,"label":"default"},{"v":2,"default":false}]"#, Some(0), true),
            // By its label.
            (r#"[{"v":1,"type":"work"},{"v":2,"type":"primary"}]"#, Some(1), true),
            (r#"[{"v":1,"label":"Home"},{"v":2,"label":"Primary"}]"#, Some(1), true),
            (r#"[{"v":1,"type":["cell"]},{"v":2,"type":["cell","pref"]}]"#, Some(1), true),
            (r#"[{"v":1,"type":"work"},{"v":2,"type":"main"}]"#, Some(0), false),
            (r#"["a","b"]"#, Some(0), false),
            ("[]", None, false),
        ] {
            let items = items(list);
            let found = JsonList::new("x.phones", &items);
            assert_eq!((found.primary(), found.has_primary()), (at.map(|at: usize| &items[at]), has_flag), "{list}");
            assert_eq!(found.is_primary_first(), at.is_none_or(|at| at == 0), "{list}");
        }
        // By its place, not by its value.
        let same = items(r#"[{"v":1,"primary":true},{"v":1,"primary":true}]"#);
        assert!(JsonList::new("phones", &same).is_primary_first());
    }

    #[test]
    fn a_key_says_primary_in_any_spelling() {
        for (key, expected) in [
            ("primary", true),
            ("Is_Primary", true),
            ("is-default", true),
            ("ES_PRINCIPAL", true),
            ("__main__", true),
            ("primary_phone", false),
            ("prim", false),
            ("", false),
            ("_", false),
        ] {
            assert_eq!(is_primary_key(key), expected, "{key:?}");
        }
    }

    #[test]
    fn a_list_of_fields_has_several_names_and_their_values() {
        for (list, expected) in [
            (r#"[{"name":"full_name","values":["Ann"]},{"name":"phone_number","values":["+1"]}]"#, true),
            (
                r#"[{"field_id":1,"field_code":"PHONE","values":[{"value":"+1"}]},{"field_id":2,"field_code":"EMAIL","values":[]}]"#,
                true,
            ),
            (r#"[{"key":"city","value":null},{"key":"plan","value":"pro"}]"#, true),
            (r#"[{"id":"a1","value":"Lima"},{"id":"b2","value":"pro"}]"#, true),
            (r#"[{"id":3600,"value":"Lima"},{"id":3601,"value":null}]"#, true),
            // Other names of the keys.
            (r#"[{"label":"City","value":"Lima"},{"label":"Plan","value":"pro"}]"#, true),
            (r#"[{"attribute_code":"city","value":"Lima"},{"attribute_code":"plan","value":"pro"}]"#, true),
            (r#"[{"fieldName":"city","value":"Lima"},{"fieldName":"plan","value":"pro"}]"#, true),
            (r#"[{"type":"phone","value":"+1"},{"type":"email","value":"a@example.com"}]"#, true),
            (r#"[{"type":"PHONE","value":"+1"},{"type":"mobile","value":"+2"}]"#, true),
            (r#"[{"k":"city","v":"Lima"},{"k":"plan","v":"pro"}]"#, true),
            (r#"[{"id":"a1","type":"text","value":"x"},{"id":"b2","type":"text","value":"y"}]"#, true),
            (r#"[{"id":"a1","type":"dropdown","value":"x"},{"id":"b2","type":"text","value":"y"}]"#, true),
            (r#"[{"id":"a1","fieldKey":"city","value":"x"},{"id":"b2","fieldKey":"plan","value":"y"}]"#, true),
            (r#"[{"id":"a1","field_value":"x"},{"id":"b2","field_value":"y"}]"#, true),
            (r#"[{"name":"city","field_value":"x"},{"name":"plan","field_value":"y"}]"#, true),
            (r#"[{"field_id":7,"val":"x","at":1},{"field_id":8,"val":"y","at":2}]"#, true),
            (r#"[{"id":"a1","fieldValueString":"x"},{"id":"b2","fieldValueString":"y"}]"#, true),
            (r#"[{"question":"How?","answer":"x"},{"question":"Why?","answer":"y"}]"#, true),
            (r#"[["city","Lima"],["plan",7]]"#, true),
            (r#"[null,["city","Lima"],["plan",null]]"#, true),
            (r#"[["city","Lima"]]"#, false),
            (r#"[["city","Lima"],["plan","pro",1]]"#, false),
            (r#"[["city","Lima"],{"name":"plan","value":"pro"}]"#, true),
            (r#"[["ann@x.mx","Ann"],["bo@x.mx","Bo"]]"#, false),
            (r"[[19.4,-99.1],[20.5,-98.2]]", false),
            (r#"[["","x"],[" ","y"]]"#, false),
            (r#"[{"id":7,"content":"Lima"},{"id":9,"content":"gold"}]"#, true),
            (r#"[{"custom_field_definition_id":7,"value":"x"},{"custom_field_definition_id":8,"value":null}]"#, true),
            // Some without a value or a name.
            (r#"[{"name":"city"},{"name":"plan","value":"pro"}]"#, true),
            (r#"[{"name":"city","value":"Lima"},{"name":"plan"}]"#, true),
            (r#"[null,{"name":"plan","value":"pro"}]"#, true),
            (r#"[{"name":"plan","value":"pro"},{}]"#, true),
            (r#"[{"value":"x"},{"name":"plan","value":"pro"}]"#, true),
            (r#"[{"name":"city"},{"name":"plan"}]"#, false),
            // Ids of other things.
            (r#"[{"id":1,"value":30,"status":"paid"},{"id":2,"value":40,"status":"paid"}]"#, false),
            (r#"[{"id":1,"type":"home","value":"x"},{"id":2,"type":"work","value":"y"}]"#, false),
            // Several phones of one contact, the main one first.
            (r#"[{"type":"mobile","value":"+1"},{"type":"work","value":"+2"}]"#, false),
            (r#"[{"name":"phone","value":"+1"}]"#, false),
            (r#"[{"name":"Ann","phone":"+1"},{"name":"Bo","phone":"+2"}]"#, false),
            (r#"[{"value":"+1","primary":true},{"value":"+2","primary":false}]"#, false),
            (r#"["a","b"]"#, false),
            ("[]", false),
        ] {
            assert_eq!(JsonList::new("fields", &items(list)).has_several_fields(), expected, "{list}");
            for path in ["phones", "a.phoneNumbers", "email", "x.0.celulares", "emailAddresses", "Tel\u{e9}fonos"] {
                assert!(!JsonList::new(path, &items(list)).has_several_fields(), "{path} {list}");
            }
        }
    }

    #[test]
    fn a_field_is_found_by_its_name() {
        let check = |list: &str, name: &str, expected: Option<Json>| {
            assert_eq!(JsonList::new("fields", &items(list)).field(name), expected.as_ref(), "{list} {name}");
        };
        let list = r#"[{"name":"city","value":"Lima"},{"name":"plan","values":["a"]},{"name":"city","value":"Quito"}]"#;
        check(list, "city", Some("Lima".into()));
        check(list, "plan", Some(serde_json::json!(["a"])));
        check(list, "other", None);
        check("[{\"name\":\" jose\u{301} \",\"value\":\"x\"}]", "jos\u{e9}", Some("x".into()));
        check(r#"[{"x":1},{"name":"city","value":"Lima"}]"#, "city", Some("Lima".into()));
        check(r#"[{"name":"city"},{"name":"city","value":"Lima"}]"#, "city", Some("Lima".into()));
        check("[]", "city", None);
        // Twice, the first one blank.
        for blank in ["null", "\"\"", "\" \"", "[]"] {
            let list = format!(r#"[{{"name":"a","value":{blank}}},{{"name":"a","value":"x"}}]"#);
            check(&list, "a", Some("x".into()));
        }
        check(r#"[{"name":"a","value":null},{"name":"a","value":""}]"#, "a", Some(Json::Null));
        check(r#"[{"name":"a","value":false},{"name":"a","value":"x"}]"#, "a", Some(false.into()));
        // In other capitals, where there is no equal one.
        check(r#"[{"name":"City","value":"x"}]"#, "city", Some("x".into()));
        check(r#"[{"name":"City","value":"x"},{"name":"city","value":"y"}]"#, "city", Some("y".into()));
        // Under another key, where the first one is blank.
        for item in [
            r#"{"name":"a","value":null,"values":["x"]}"#,
            r#"{"name":"a","value":"","answer":["x"]}"#,
            r#"{"name":"a","value":[],"value_text":["x"]}"#,
        ] {
            check(&format!("[{item}]"), "a", Some(serde_json::json!(["x"])));
        }
        // By its id as well as by its name.
        let list = r#"[{"id":"c1","fieldKey":"city","value":"x"},{"id":"c2","fieldKey":"c1","value":"y"}]"#;
        check(list, "city", Some("x".into()));
        check(list, "c1", Some("y".into()));
        check(list, "c2", None);
        check(r#"[{"type":"phone","value":"+1"},{"type":"email","value":"a"}]"#, "email", Some("a".into()));
        check(
            r#"[{"id":"a1","type":"text","value":"x"},{"id":"b2","type":"text","value":"y"}]"#,
            "b2",
            Some("y".into()),
        );
        check(r#"[{"k":"city","v":"x"}]"#, "city", Some("x".into()));
        // The type of another field is no name, although the name is in other case or missing.
        let list = r#"[{"name":"Agent","type":"phone","value":"x"},{"name":"Phone","type":"phone","value":"y"}]"#;
        check(list, "phone", Some("y".into()));
        check(r#"[{"name":"Agent","type":"phone","value":"x"}]"#, "phone", None);
        // A row that goes by its ids, because a label repeats or is a type of values.
        for others in [
            r#"{"id":52,"label":"URL","value":""}"#,
            r#"{"id":52,"label":"a","value":1},{"id":53,"label":"a","value":2}"#,
        ] {
            let list = format!(r#"[{{"id":51,"label":"Unsubscribed","value":"yes"}},{others}]"#);
            check(&list, "unsubscribed", Some("yes".into()));
            check(&list, "Unsubscribed", Some("yes".into()));
            check(&list, "51", Some("yes".into()));
        }
    }

    #[test]
    fn a_labelled_element_is_found_by_its_label() {
        let list =
            items(r#"[{"label":"Home","number":"1"},{"type":"mobile","number":"2"},{"name":"work","number":"3"},4]"#);
        let check = |label: &str, expected: Option<&str>| {
            let found = JsonList::new("phones", &list).labelled(label);
            assert_eq!(found.map(|item| item["number"].as_str().unwrap()), expected, "{label}");
        };
        check("home", Some("1"));
        check("Mobile", Some("2"));
        check("work", Some("3"));
        check("number", None);
        check("1", None);
        // Of an element with a name, the type is no label; and a label comes before a type.
        let named = items(r#"[{"name":"Agent","type":"phone"},{"name":"Phone","type":"phone"}]"#);
        assert_eq!(JsonList::new("f", &named).labelled("phone"), Some(&named[1]));
        let both = items(r#"[{"type":"mobile","label":"home"},{"type":"home","label":"mobile"}]"#);
        assert_eq!(JsonList::new("phones", &both).labelled("mobile"), Some(&both[1]));
    }

    #[test]
    fn a_key_that_describes_an_element_does_not_name_it() {
        for key in ["country", "country_code", "Status", "owner_id", "createdBy", "area_code", "extension"] {
            assert!(is_attribute_key(key), "{key}");
        }
        for key in ["name", "label", "Type", "id", "field_id", "custom_field_definition_id", "code", "campo", "what"] {
            assert!(!is_attribute_key(key), "{key}");
        }
    }
}
