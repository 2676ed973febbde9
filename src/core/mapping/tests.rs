//! Records into contacts, by name and by rules.

use proptest::prelude::*;

use super::rules::*;
use super::*;
use crate::core::model::{Key, Value};
use crate::core::nfc::nfc;
use crate::core::record::TotalRow;

fn header(columns: &[&str]) -> Vec<Arc<str>> {
    columns.iter().map(|column| Arc::from(*column)).collect()
}

fn names(fields: &[&str]) -> Vec<String> {
    fields.iter().map(|field| (*field).to_owned()).collect()
}

// A contact as `key; name=value …; +tag …; -tag …`, a rejection as `[column] reason`.
fn show(contact: Result<Contact, Rejection>) -> String {
    match contact {
        Ok(contact) => {
            let key = match contact.key() {
                Key::Row { .. } => "row".to_owned(),
                key @ (Key::Match { .. } | Key::Id(_)) => key.to_string(),
            };
            let fields = contact.fields().iter().map(|field| format!(" {}={}", field.name, json(&field.value)));
            let id = contact.id().map(|id| format!(" id:{id}"));
            let tags = contact.tags().iter().map(|tag| format!(" +{tag}"));
            let removed = contact.remove_tags().iter().map(|tag| format!(" -{tag}"));
            [key + ";"].into_iter().chain(id).chain(fields).chain(tags).chain(removed).collect()
        }
        Err(Rejection { row, line, column, reason }) => {
            assert_eq!((row, line), (3, 7), "a rejection says where the row stands");
            format!("[{}] {reason}", column.unwrap_or_default())
        }
    }
}

fn json(value: &Value) -> String {
    serde_json::to_string(value).unwrap()
}

fn csv(cells: &[(&str, &str)], match_fields: &[&str], mode: Mode) -> String {
    let columns = header(&cells.iter().map(|(column, _)| *column).collect::<Vec<_>>());
    let mapping = Mapping::new(Some(&columns), names(match_fields), mode).unwrap();
    let cells = Cells::Texts(cells.iter().map(|(_, text)| *text).collect());
    show(mapping.contact(&Record { row: 3, line: 7, cells, total: None }))
}

fn jsonl(object: &str, match_fields: &[&str], mode: Mode) -> String {
    let mapping = Mapping::new(None, names(match_fields), mode).unwrap();
    let object: serde_json::Map<String, Json> = serde_json::from_str(object).unwrap();
    let cells = Cells::Object(object.into_iter().map(|(key, json)| (Arc::from(key), json)).collect());
    show(mapping.contact(&Record { row: 3, line: 7, cells, total: None }))
}

#[test]
fn a_column_means_what_its_name_says() {
    let check = |cells: &[(&str, &str)], expected: &str| {
        assert_eq!(csv(cells, &["phone"], Mode::Upsert), expected, "{cells:?}");
    };
    check(&[("phone", "1"), ("name", " Ann ")], r#"phone=1; phone="1" name="Ann""#);
    check(&[("name", "Ann"), ("phone", "1")], r#"phone=1; phone="1" name="Ann""#);
    check(&[("phone", "1"), ("id", "5")], r#"phone=1; phone="1" id="5""#);
    check(&[("phone", "1"), ("contact_id", " 5 ")], r#"phone=1; id:5 phone="1""#);
    check(&[("phone", " "), ("contact_id", "5"), ("name", "Ann")], r#"contact_id=5; id:5 name="Ann""#);
    check(&[("phone", "1"), ("_line", "4"), ("_", "x")], r#"phone=1; phone="1""#);
    check(&[("phone", "1"), ("name", " \u{a0}\t"), ("city", "")], r#"phone=1; phone="1""#);
    check(&[("phone", "1"), ("tags", " a b ;c|d, ,a;")], r#"phone=1; phone="1" +a b +c +d +a"#);
    check(&[("phone", "1"), ("tags", "a"), ("remove_tags", "b;c")], r#"phone=1; phone="1" +a -b -c"#);
    check(&[("phone", "1"), ("tags", " ; ")], r#"phone=1; phone="1""#);
    check(&[("phone", "1"), ("custom_fields", "x")], r#"phone=1; phone="1" custom_fields="x""#);
    check(&[("phone", "1"), ("tags", "a"), ("remove_tags", "a")], "[] a tag is both to have and to remove: `a`");
}

#[test]
fn a_cell_that_no_request_can_carry_is_refused_with_its_column() {
    let long = "é".repeat(256);
    let check = |cells: &[(&str, &str)], expected: &str| {
        assert_eq!(csv(cells, &["phone"], Mode::Upsert), expected);
    };
    let searched = "match field `phone` is too long to search for: 7705 bytes in a URL; the maximum is 7700";
    check(&[("phone", &"1".repeat(7_700))], &format!("[phone] {searched}"));
    let value = "the value of field `notes` has 70000 bytes; the maximum is 65535";
    check(&[("phone", "1"), ("notes", &"x".repeat(70_000))], &format!("[notes] {value}"));
    let id = "the contact id has 256 characters; the maximum is 255";
    check(&[("phone", "1"), ("contact_id", &long)], &format!("[contact_id] {id}"));
    let tag = "a tag has 256 characters; the maximum is 255";
    check(&[("phone", "1"), ("tags", &format!("a;{long}"))], &format!("[tags] {tag}"));
    check(&[("phone", "1"), ("remove_tags", &long)], &format!("[remove_tags] {tag}"));
    let name = "é".repeat(60);
    let named = format!("the name of field `{name}…` has 256 characters; the maximum is 255");
    check(&[("phone", "1"), (&long, "x")], &format!("[{name}…] {named}"));
    let object = format!(r#"{{"custom_fields":{{"phone":"1","notes":"{}"}}}}"#, "x".repeat(70_000));
    assert_eq!(jsonl(&object, &["phone"], Mode::Upsert), format!("[notes] {value}"));

    // The column is the rule's.
    let rules = Rules { matches: names(&["phone"]), ..only(vec![field("phone", "Tel"), field("notes", "Notas")]) };
    let mapping = Mapping::by(&rules, Some(&header(&["Tel", "Notas"])), Mode::Upsert).unwrap();
    let reason = |phone: &str, notes: &str| {
        let cells = Cells::Texts([phone, notes].into_iter().collect());
        show(mapping.contact(&Record { row: 3, line: 7, cells, total: None }))
    };
    assert_eq!(reason(&"1".repeat(7_700), "x"), format!("[Tel] {searched}"));
    assert_eq!(reason("1", &"x".repeat(70_000)), format!("[Notas] {value}"));
}

#[test]
fn a_json_value_is_sent_as_text() {
    let check = |object: &str, expected: &str| {
        assert_eq!(jsonl(object, &["phone"], Mode::Upsert), expected, "{object}");
    };
    check(r#"{"phone":" 1 ","n":5,"x":1.5,"b":true}"#, r#"phone=1; phone="1" b="true" n="5" x="1.5""#);
    check(r#"{"phone":5215550001}"#, r#"phone=5215550001; phone="5215550001""#);
    check(r#"{"phone":"1","a":1e3,"b":-0,"c":1.50,"d":5.0}"#, r#"phone=1; phone="1" a="1000" b="0" c="1.5" d="5""#);
    check(r#"{"phone":12345678901234567890}"#, r#"phone=12345678901234567890; phone="12345678901234567890""#);
    check(r#"{"custom_fields":{"phone":1,"n":5},"tags":[]}"#, r#"phone=1; phone="1" n="5""#);
    check(
        r#"{"custom_fields":[{"name":"phone","value":1},{"name":"b","value":false}]}"#,
        r#"phone=1; phone="1" b="false""#,
    );
    check(r#"{"phone":"1","a":null,"b":" ","_c":{},"":"x"}"#, r#"phone=1; phone="1""#);
    check(r#"{"phone":"1","tags":[" a ",null,"","b;c"],"remove_tags":["d"]}"#, r#"phone=1; phone="1" +a +b;c -d"#);
    check(r#"{"phone":"1","tags":"a;b","remove_tags":null}"#, r#"phone=1; phone="1" +a +b"#);
    check(r#"{"contact_id":7,"a":"x"}"#, r#"contact_id=7; id:7 a="x""#);
    check(r#"{"phone":"1","a":{}}"#, "[a] expected text, a number or a boolean, found an object");
    check(r#"{"phone":["1"]}"#, "[phone] expected text, a number or a boolean, found an array");
    check(r#"{"phone":"1","tags":5}"#, "[tags] expected an array of text, found a number");
    check(r#"{"phone":"1","tags":["a",5]}"#, "[tags] expected an array of text, found a number in it");
    check(r#"{"contact_id":true}"#, "[contact_id] expected an id (text or a whole number), found a boolean");
    check(r#"{"contact_id":1.5}"#, "[contact_id] expected an id (text or a whole number), found a number");
}

#[test]
fn the_platforms_own_shape_is_taken() {
    let check = |object: &str, expected: &str| {
        assert_eq!(jsonl(object, &["phone"], Mode::Upsert), expected, "{object}");
    };
    check(
        r#"{"id":"7","custom_fields":{"phone":"1","name":"Ann","x":null},"tags":["a"],"created_at":1700000000}"#,
        r#"phone=1; id:7 phone="1" name="Ann" +a"#,
    );
    check(
        r#"{"custom_fields":[{"name":"phone","value":"1"},{"name":"x","value":2},{"name":"y"}]}"#,
        r#"phone=1; phone="1" x="2""#,
    );
    check(r#"{"id":7,"custom_fields":[]}"#, "contact_id=7; id:7");
    check(r#"{"id":7,"custom_fields":null}"#, "contact_id=7; id:7");
    check(r#"{"id":7,"custom_fields":{},"contact_id":"7"}"#, "contact_id=7; id:7");
    check(r#"{"id":7,"custom_fields":{},"contact_id":"8"}"#, "[contact_id] expected one id, found two");
    // Inside, a name is a custom field's whatever it is.
    check(r#"{"id":7,"custom_fields":{"tags":"x","_y":"z"}}"#, r#"contact_id=7; id:7 _y="z" tags="x""#);
    check(r#"{"id":7,"custom_fields":{"phone":"1"},"updated_at":null,"_line":4}"#, r#"phone=1; id:7 phone="1""#);
    // Beside keys of another program, `id` is the id of that program.
    let other = "[custom_fields] expected text, a number or a boolean, found an object";
    for row in [
        r#"{"phone":"1","custom_fields":{"phone":"2"}}"#,
        r#"{"id":7,"name":"Ann","phone":"1","custom_fields":{"plan":"pro"}}"#,
        r#"{"id":7,"mobile":"1","custom_fields":{"plan":null},"tags":["a"]}"#,
    ] {
        check(row, other);
    }
    check(r#"{"id":7,"custom_fields":{"a":[1]}}"#, "[a] expected text, a number or a boolean, found an array");
    check(r#"{"id":7,"custom_fields":["a"]}"#, "[custom_fields] expected objects with a name and a value, found text");
    check(
        r#"{"id":7,"custom_fields":[{"phone":"1"}]}"#,
        "[custom_fields] expected objects with a name and a value, found others",
    );
    // Without custom fields beside it, `id` is a plain field and so is `created_at`.
    check(r#"{"id":7,"phone":"1","created_at":5}"#, r#"phone=1; phone="1" created_at="5" id="7""#);
}

#[test]
fn match_fields_are_taken_in_the_order_given() {
    let cells = |phone: &'static str, email: &'static str| [("name", "Ann"), ("email", email), ("phone", phone)];
    let check = |phone, email, mode, expected: &str| {
        assert_eq!(csv(&cells(phone, email), &["phone", "email"], mode), expected, "{phone} {email} {mode:?}");
    };
    check("1", "a@x", Mode::Upsert, r#"phone=1; phone="1" email="a@x" name="Ann""#);
    check("", "a@x", Mode::Upsert, r#"email=a@x; email="a@x" name="Ann""#);
    let none = "[phone] expected a value in one of the match fields `phone`, `email`, found none";
    check("", "", Mode::Upsert, none);
    check(" ", "", Mode::Update, none);
    check("", "", Mode::Create, r#"row; name="Ann""#);
}

#[test]
fn a_row_says_which_contact_it_is_or_is_set_aside() {
    let row = [("phone", " "), ("name", "Ann")];
    let none = "[phone] expected a value (match field), found none";
    assert_eq!(csv(&row, &["phone"], Mode::Upsert), none);
    assert_eq!(csv(&row, &["phone"], Mode::Update), none);
    assert_eq!(csv(&row, &["phone"], Mode::Create), r#"row; name="Ann""#);
    assert_eq!(csv(&[("a", " "), ("tags", "x")], &[], Mode::Create), "[] the row has no value");
    let no_id = "[contact_id] expected an id, as there is no match field; found none";
    assert_eq!(csv(&[("contact_id", " "), ("a", "x")], &[], Mode::Upsert), no_id);
    assert_eq!(jsonl(r#"{"a":"x"}"#, &[], Mode::Update), no_id);
    assert_eq!(jsonl(r#"{"a":"x"}"#, &[], Mode::Create), r#"row; a="x""#);
}

#[test]
fn match_fields_are_checked_before_the_first_row() {
    let check = |columns: &[&str], fields: &[&str], mode, expected: &str| {
        let found = Mapping::new(Some(&header(columns)), names(fields), mode);
        assert_eq!(found.unwrap_err().to_string(), expected, "{columns:?} {fields:?}");
    };
    let no_column = |field: &str, close: &str| {
        format!(
            "match field `{field}`: expected a column of the file, found none of that name{close}; \
             the columns are `phone`, `name`"
        )
    };
    let columns = &["phone", "name"];
    check(columns, &["email"], Mode::Upsert, &no_column("email", ""));
    check(columns, &["email"], Mode::Create, &no_column("email", ""));
    check(columns, &["Phone"], Mode::Upsert, &no_column("Phone", "; did you mean `phone`?"));
    check(columns, &["phne"], Mode::Upsert, &no_column("phne", "; did you mean `phone`?"));
    check(
        columns,
        &[],
        Mode::Upsert,
        "expected a match field or a column `contact_id`, found neither; the columns are `phone`, `name`",
    );
    check(columns, &["phone", "phone"], Mode::Upsert, "match field `phone`: expected once, found twice");
    let reserved = |field: &str, what: &str| {
        let expected = format!("match field `{field}`: expected the name of a custom field, found {what}");
        check(&[field, "phone"], &[field], Mode::Upsert, &expected);
    };
    reserved("tags", "a column of tags");
    reserved("remove_tags", "a column of tags");
    reserved("contact_id", "the column of the platform's id, by which a contact is found anyway");
    reserved("_x", "a column that is ignored, because it begins with `_`");
    reserved(" ", "an empty name");

    let accepted = |columns: Option<&[&str]>, fields: &[&str], mode| {
        let columns = columns.map(header);
        assert!(Mapping::new(columns.as_deref(), names(fields), mode).is_ok(), "{columns:?} {fields:?}");
    };
    accepted(Some(&["a", "contact_id"]), &[], Mode::Upsert);
    accepted(Some(&["a"]), &[], Mode::Create);
    accepted(None, &["anything"], Mode::Upsert);
    accepted(None, &[], Mode::Update);
}

/// A row as its columns and cells, by these rules.
fn texts(rules: &Rules, cells: &[(&str, &str)]) -> String {
    let columns = header(&cells.iter().map(|(column, _)| *column).collect::<Vec<_>>());
    let mapping = match Mapping::by(rules, Some(&columns), Mode::Upsert) {
        Ok(mapping) => mapping,
        Err(error) => return error.to_string(),
    };
    let cells = Cells::Texts(cells.iter().map(|(_, text)| *text).collect());
    show(mapping.contact(&Record { row: 3, line: 7, cells, total: None }))
}

/// An object by these rules.
fn object(rules: &Rules, object: &str) -> String {
    let mapping = Mapping::by(rules, None, Mode::Upsert).unwrap();
    let object: serde_json::Map<String, Json> = serde_json::from_str(object).unwrap();
    let cells = Cells::Object(object.into_iter().map(|(key, json)| (Arc::from(key), json)).collect());
    show(mapping.contact(&Record { row: 3, line: 7, cells, total: None }))
}

fn field(name: &str, column: &str) -> FieldRule {
    FieldRule::column(name, column)
}

/// The rules for these fields, matching by `phone`, without what they do not name.
fn only(fields: Vec<FieldRule>) -> Rules {
    Rules { matches: names(&["phone"]), fields, unmapped: Unmapped::Ignore, ..Rules::default() }
}

#[test]
fn a_field_comes_from_the_column_that_its_rule_names() {
    let rules = only(vec![field("first_name", "Nombre"), field("phone", "Tel\u{e9}fono")]);
    let check = |cells: &[(&str, &str)], expected: &str| assert_eq!(texts(&rules, cells), expected, "{cells:?}");
    check(&[("Nombre", " Ana "), ("Tel\u{e9}fono", "1")], r#"phone=1; phone="1" first_name="Ana""#);
    check(&[("Tel\u{e9}fono", "1"), ("Nombre", ""), ("x", "y"), ("tags", "t")], r#"phone=1; phone="1""#);
    // A header whose accent is a separate character is the same header.
    check(&[("Nombre", "Ana"), ("Tele\u{301}fono", "1")], r#"phone=1; phone="1" first_name="Ana""#);
    check(&[("Nombre", "Ana"), ("Tel\u{e9}fono", " ")], "[Tel\u{e9}fono] expected a value (match field), found none");
}

#[test]
fn text_is_in_one_form_with_and_without_rules() {
    assert_eq!(
        csv(&[("phone", "1"), ("nome", "Jose\u{301}")], &["phone"], Mode::Upsert),
        "phone=1; phone=\"1\" nome=\"Jos\u{e9}\""
    );
    assert_eq!(
        csv(&[("nome\u{301}", "Jose\u{301}")], &["nom\u{e9}"], Mode::Upsert),
        "nom\u{e9}=Jos\u{e9}; nom\u{e9}=\"Jos\u{e9}\""
    );
    assert_eq!(csv(&[("nom\u{e9}", "1")], &["nome\u{301}"], Mode::Upsert), "nom\u{e9}=1; nom\u{e9}=\"1\"");
    let row = r#"{"phone":"1","e\u0301":"e\u0301","tags":["e\u0301"]}"#;
    assert_eq!(jsonl(row, &["phone"], Mode::Upsert), "phone=1; phone=\"1\" \u{e9}=\"\u{e9}\" +\u{e9}");
    let rules = only(vec![field("phone", "phone"), field("e\u{301}", "\u{e9}")]);
    assert_eq!(object(&rules, r#"{"phone":"1","e\u0301":"e\u0301"}"#), "phone=1; phone=\"1\" \u{e9}=\"\u{e9}\"");
}

#[test]
fn a_rounded_number_tells_no_contact_from_another() {
    let found = "found a number that a spreadsheet has rounded, such as 5.2E+11 (export the column as text)";
    let of_match = |column: &str| format!("[{column}] expected a value (match field), {found}");
    for mode in [Mode::Upsert, Mode::Update, Mode::Create] {
        for text in ["5.2155E+12", "5,2155E+12", " 5.2155e+12", "5.2E12", "5E+12"] {
            assert_eq!(csv(&[("phone", text), ("a", "x")], &["phone"], mode), of_match("phone"), "{text} {mode:?}");
            assert_eq!(
                csv(&[("email", "a@x"), ("phone", text)], &["email", "phone"], mode),
                of_match("phone"),
                "{text}"
            );
            let object = format!(r#"{{"phone":"{text}","a":"x"}}"#);
            assert_eq!(jsonl(&object, &["phone"], mode), of_match("phone"), "{text} {mode:?}");
            let id = format!("[contact_id] expected an id, {found}");
            assert_eq!(csv(&[("contact_id", text), ("a", "x")], &[], mode), id, "{text} {mode:?}");
        }
    }
    // By a rule, whatever its steps make of it.
    for steps in [vec![], vec![Step::Lower], vec![Step::Prefix("x".into())], vec![Step::First("E".into())]] {
        let rules = only(vec![FieldRule { steps, ..field("phone", "Tel") }]);
        assert_eq!(texts(&rules, &[("Tel", "5.2155E+12")]), of_match("Tel"), "{rules:?}");
    }
    // An id of a CRM, and a field that is no match field.
    assert_eq!(
        csv(&[("crm", "12E5"), ("sum", "5.2E+12")], &["crm"], Mode::Upsert),
        r#"crm=12E5; crm="12E5" sum="5.2E+12""#
    );
    assert_eq!(csv(&[("crm", "1E5"), ("phone", "")], &["crm"], Mode::Upsert), r#"crm=1E5; crm="1E5""#);
}

#[test]
fn invisible_characters_make_no_other_contact() {
    for character in
        ["\u{200b}", "\u{2060}", "\u{feff}", "\u{ad}", "\u{202a}", "\u{202e}", "\u{2066}", "\u{61c}", "\u{200d}"]
    {
        let around = |text: &str| format!("{character}{text} {character}");
        let inside = |text: &str| around(&format!("{}{character}{}", &text[..2], &text[2..]));
        let (phone, name, tag, id) = (inside("+521"), around("Ann"), inside("vip"), inside("789"));
        let cells = [("phone", phone.as_str()), ("name", &name), ("tags", &tag), ("contact_id", &id)];
        assert_eq!(
            csv(&cells, &["phone"], Mode::Upsert),
            r#"phone=+521; id:789 phone="+521" name="Ann" +vip"#,
            "{character:?}"
        );
        let object = format!(
            r#"{{"{}":"{phone}","name":"{name}","tags":["{tag}"],"contact_id":"{id}"}}"#,
            inside("phone").replace(' ', "")
        );
        assert_eq!(
            jsonl(&object, &["phone"], Mode::Upsert),
            r#"phone=+521; id:789 phone="+521" name="Ann" +vip"#,
            "{character:?}"
        );
        // In names of columns, in those of the rules, and in match fields.
        let columns = [inside("Tel"), around("Tags")];
        let cells = [(columns[0].as_str(), phone.as_str()), (&columns[1], &tag)];
        let phone = FieldRule { steps: vec![Step::Lower], ..field(&around("phone"), "Tel") };
        let tags = TagOrigin::Column { column: "Tags".into(), separators: names(&[";"]), except: Words::default() };
        let tags = vec![TagRule { origin: tags, prefix: String::new(), remove: false }];
        let rules = Rules { matches: names(&["phone"]), tags, ..only(vec![phone]) };
        assert_eq!(texts(&rules, &cells), r#"phone=+521; phone="+521" +vip"#, "{character:?}");
        assert_eq!(csv(&cells[..1], &["Tel"], Mode::Upsert), r#"Tel=+521; Tel="+521""#, "{character:?}");
        // Nothing else is nothing.
        let cells = [("phone", "1"), ("a", character), ("tags", character), ("contact_id", character)];
        assert_eq!(csv(&cells, &["phone"], Mode::Upsert), r#"phone=1; phone="1""#, "{character:?}");
    }
    // Inside other values they may mean something.
    let cells = [("phone", "1"), ("name", "\u{645}\u{6cc}\u{200c}\u{62e}")];
    assert_eq!(csv(&cells, &["phone"], Mode::Upsert), "phone=1; phone=\"1\" name=\"\u{645}\u{6cc}\u{200c}\u{62e}\"");
}

#[test]
fn a_date_of_zeros_is_no_value() {
    let cells = |date| [("phone", "1"), ("born", date)];
    for date in ["0000-00-00", "0/0/00", "00/00/0000", "0000-00-00 00:00:00"] {
        assert_eq!(csv(&cells(date), &["phone"], Mode::Upsert), r#"phone=1; phone="1""#, "{date}");
        let object = format!(r#"{{"phone":"1","born":"{date}"}}"#);
        assert_eq!(jsonl(&object, &["phone"], Mode::Upsert), r#"phone=1; phone="1""#, "{date}");
    }
    let born = |steps, blank| only(vec![field("phone", "phone"), FieldRule { steps, blank, ..field("born", "born") }]);
    let forms = || vec![Step::Date(vec!["YYYY-MM-DD".parse().unwrap(), "M/D/YYYY".parse().unwrap()])];
    for date in ["0000-00-00", "0/0/00", "1900-01-00", "1/0/1900", "0001-01-01", "12/30/1899"] {
        assert_eq!(texts(&born(forms(), Blank::Keep), &cells(date)), r#"phone=1; phone="1""#, "{date}");
        assert_eq!(texts(&born(forms(), Blank::Clear), &cells(date)), r#"phone=1; phone="1" born="""#, "{date}");
    }
    assert_eq!(
        csv(&[("phone", "1"), ("version", "0.0.0")], &["phone"], Mode::Upsert),
        r#"phone=1; phone="1" version="0.0.0""#
    );
}

#[test]
fn tags_that_cannot_be_read_set_the_row_aside() {
    let bad = "expected tags, found a list with quotes, brackets, braces or line breaks that cannot be read";
    let check = |tags: &str, expected: &str| {
        let expected = match expected {
            "bad" => bad.to_owned(),
            tags => format!("phone=1; phone=\"1\"{tags}"),
        };
        let at = |column: &str| if expected == bad { format!("[{column}] {bad}") } else { expected.clone() };
        assert_eq!(csv(&[("phone", "1"), ("tags", tags)], &["phone"], Mode::Upsert), at("tags"), "{tags}");
        let removed = csv(&[("phone", "1"), ("remove_tags", tags)], &["phone"], Mode::Upsert);
        assert_eq!(removed.replace(" -", " +"), at("remove_tags"), "{tags}");
        let object = serde_json::json!({ "phone": "1", "tags": tags }).to_string();
        assert_eq!(jsonl(&object, &["phone"], Mode::Upsert), at("tags"), "{tags}");
        let origin =
            TagOrigin::Column { column: "E".into(), separators: names(&[",", ";"]), except: Words::new(["x"]) };
        let rule = TagRule { origin, prefix: String::new(), remove: false };
        let rules = Rules { tags: vec![rule], ..only(vec![field("phone", "phone")]) };
        assert_eq!(texts(&rules, &[("phone", "1"), ("E", tags)]), at("E"), "{tags}");
    };
    check(r#""VIP","Big, spender""#, " +VIP +Big, spender");
    check(r#"["VIP"]"#, " +VIP");
    check("[]", "");
    check("['VIP', 'Lead']", " +VIP +Lead");
    check(r#"{VIP,"Big spender"}"#, " +VIP +Big spender");
    check(r#"["VIP""#, "bad");
    check(r#"[["VIP"]]"#, "bad");
    check(r#""VIP"#, "bad");
}

#[test]
fn a_value_may_be_constant_or_made_of_several_columns() {
    let constant = |value| FieldRule { origin: Origin::Constant(value), ..field("source", "") };
    let template = |text: &str| FieldRule { origin: Origin::Template(text.parse().unwrap()), ..field("name", "") };
    let row = [("phone", "1"), ("Nombre", "Ana"), ("Apellidos", "")];
    let check = |rule: FieldRule, expected: &str| {
        assert_eq!(texts(&only(vec![field("phone", "phone"), rule.clone()]), &row), expected, "{rule:?}");
    };
    check(constant(Value::Text(" crm ".into())), r#"phone=1; phone="1" source="crm""#);
    check(constant(Value::Bool(true)), r#"phone=1; phone="1" source="true""#);
    check(constant(Value::Number(3.into())), r#"phone=1; phone="1" source="3""#);
    let number = FieldRule { value_type: ValueType::Number, ..constant(Value::Number(3.into())) };
    check(number, r#"phone=1; phone="1" source=3"#);
    check(template("{Nombre} {Apellidos}"), r#"phone=1; phone="1" name="Ana""#);
    check(template("{Apellidos}"), r#"phone=1; phone="1""#);
    check(FieldRule { steps: vec![Step::Upper], ..template("{Nombre}-{phone}") }, r#"phone=1; phone="1" name="ANA-1""#);
    check(
        template("{Nombre} {Apelidos}"),
        "field `name`: expected a column of the file, found none called `Apelidos`; did you mean `Apellidos`?; \
         the columns are `phone`, `Nombre`, `Apellidos`",
    );
}

#[test]
fn a_blank_keeps_clears_or_sets_the_row_aside() {
    let city = |blank, required| FieldRule { blank, required, ..field("city", "Ciudad") };
    let row = |text: &'static str| [("phone", "1"), ("Ciudad", text)];
    let nulls = Words::new(["N/A"]);
    let check = |rule: &FieldRule, text: &'static str, expected: &str| {
        let rules = Rules { nulls: nulls.clone(), ..only(vec![field("phone", "phone"), rule.clone()]) };
        assert_eq!(texts(&rules, &row(text)), expected, "{rule:?} {text}");
    };
    check(&city(Blank::Keep, false), " ", r#"phone=1; phone="1""#);
    check(&city(Blank::Clear, false), " ", r#"phone=1; phone="1" city="""#);
    check(&city(Blank::Clear, false), "n/a", r#"phone=1; phone="1" city="""#);
    check(&city(Blank::Clear, false), "\\N", r#"phone=1; phone="1" city="""#);
    check(&city(Blank::Clear, false), "Lima", r#"phone=1; phone="1" city="Lima""#);
    check(&city(Blank::Clear, true), " ", "[Ciudad] expected a value (field `city`), found none");
    check(&city(Blank::Keep, true), "N/a", "[Ciudad] expected a value (field `city`), found none");
    let steps = vec![Step::Null(Words::new(["-"])), Step::Default("Lima".into())];
    check(&FieldRule { steps, ..city(Blank::Keep, true) }, "-", r#"phone=1; phone="1" city="Lima""#);
}

#[test]
fn words_for_nothing_are_nothing_in_any_column() {
    let rules = Rules { matches: names(&["phone"]), nulls: Words::new(["N/A", "-"]), ..Rules::default() };
    assert_eq!(
        texts(&rules, &[("phone", "1"), ("a", "n/a"), ("tags", " - "), ("b", "x")]),
        r#"phone=1; phone="1" b="x""#
    );
    assert_eq!(object(&rules, r#"{"phone":"1","a":"N/A","tags":"-","b":"x"}"#), r#"phone=1; phone="1" b="x""#);
    assert_eq!(texts(&rules, &[("phone", "N/A"), ("b", "x")]), "[phone] expected a value (match field), found none");
}

#[test]
fn what_does_not_fit_sets_the_row_aside_without_repeating_it() {
    let phone = FieldRule { steps: vec![Step::E164("MX".parse().ok())], ..field("phone", "Tel") };
    let plan = FieldRule { accept: Some(Accept::Values(names(&["a", "b"]))), ..field("plan", "Plan") };
    let rules = only(vec![phone, plan]);
    let check = |tel: &str, plan: &str, expected: &str| {
        assert_eq!(texts(&rules, &[("Tel", tel), ("Plan", plan)]), expected, "{tel} {plan}");
    };
    check("55 1234 5678", "a", r#"phone=+525512345678; phone="+525512345678" plan="a""#);
    check("55 1234 5678", "", r#"phone=+525512345678; phone="+525512345678""#);
    check("55 1234 5678", "c", "[Plan] expected one of `a`, `b`, found another value");
    check("unknown", "a", "[Tel] expected a phone number of MX, or one with its country code, found something else");
    // The rules' own country is that of steps that name none.
    let phone = FieldRule { steps: vec![Step::E164(None)], ..field("phone", "Tel") };
    let rules = Rules { country: "ES".parse().ok(), ..only(vec![phone]) };
    assert_eq!(texts(&rules, &[("Tel", "612345678")]), r#"phone=+34612345678; phone="+34612345678""#);
}

#[test]
fn a_boolean_identifies_no_contact_whatever_is_made_of_it() {
    let made = |steps: Vec<Step>| FieldRule { steps, ..field("phone", "p") };
    let joined = |template: &str, steps: Vec<Step>| FieldRule {
        origin: Origin::Template(template.parse().unwrap()),
        ..made(steps)
    };
    let null = || Step::Null(Words::new(["false"]));
    let table = |to: &str| Step::Table(Table::new([("false".to_owned(), to.to_owned())]).unwrap());
    let prefix = || Step::Prefix("521".into());
    let refused = "[p] expected a value (match field), found a boolean, which cannot identify a contact (add `{ null = \
                   [\"false\"] }` to its transform if it means blank)";
    let blank = "[p] expected a value (match field), found none";
    let check = |rule: FieldRule, cells: &[(&str, Json)], expected: &str| {
        let rules = only(vec![rule]);
        let row: serde_json::Map<String, Json> =
            cells.iter().map(|(name, json)| ((*name).to_owned(), json.clone())).collect();
        assert_eq!(object(&rules, &Json::Object(row).to_string()), expected, "{rules:?} {cells:?}");
        if cells.iter().all(|(_, json)| json.is_string()) {
            let cells: Vec<(&str, &str)> = cells.iter().map(|(name, json)| (*name, json.as_str().unwrap())).collect();
            assert_eq!(texts(&rules, &cells), expected, "{rules:?} {cells:?}");
        }
    };
    for json in [Json::Bool(false), Json::Bool(true), "False".into(), " FALSE\u{200b}".into()] {
        for steps in [
            vec![],
            vec![prefix()],
            vec![Step::Lower, prefix()],
            vec![Step::Digits, Step::Default("0".into())],
            vec![Step::First("a".into())],
            vec![Step::E164(None)],
            vec![prefix(), null()],
            vec![Step::Null(Words::new(["n/a"])), prefix()],
        ] {
            check(made(steps), &[("p", json.clone())], refused);
        }
        for template in ["52{p}", "{p}", "{q}{p}", "{p}-{q}"] {
            check(joined(template, vec![]), &[("p", json.clone()), ("q", "7".into())], refused);
            check(joined(template, vec![prefix()]), &[("p", json.clone()), ("q", "7".into())], refused);
        }
    }
    for json in [Json::Bool(false), "False".into()] {
        check(made(vec![null(), prefix()]), &[("p", json.clone())], blank);
        check(made(vec![Step::Trim, table(""), prefix()]), &[("p", json.clone())], blank);
        check(made(vec![table("7"), prefix()]), &[("p", json.clone())], r#"phone=5217; phone="5217""#);
        check(joined("52{p}", vec![Step::Null(Words::new(["52false"]))]), &[("p", json.clone())], blank);
    }
    // Other values that contain the word.
    check(made(vec![prefix()]), &[("p", "falsetto".into())], r#"phone=521falsetto; phone="521falsetto""#);
    // The same of ids.
    let by_id = |steps: Vec<Step>, p: Json| {
        let rules =
            Rules { id: Some(IdRule { column: "p".into(), steps }), unmapped: Unmapped::Ignore, ..Rules::default() };
        object(&rules, &Json::Object([("p".to_owned(), p)].into_iter().collect()).to_string())
    };
    let refused = refused.replace("a value (match field)", "an id (text or a whole number)");
    for json in [Json::Bool(false), Json::Bool(true), "False".into()] {
        assert_eq!(by_id(vec![], json.clone()), refused);
        assert_eq!(by_id(vec![prefix()], json), refused);
    }
    assert_eq!(by_id(vec![null()], false.into()), "[p] expected an id, as there is no match field; found none");
    assert!(
        csv(&[("contact_id", "False")], &[], Mode::Upsert).starts_with("[contact_id] expected an id, found a boolean")
    );
}

// Text in a match field or an id that identifies no contact, and what is found there.
const NON_VALUES: [(&[&str], &str); 4] = [
    (
        &[
            "null",
            "NULL",
            "(null)",
            "None",
            "undefined",
            "N/A",
            "n/a",
            "#N/A",
            "nan",
            "NA",
            "-",
            "--",
            "?",
            "unknown",
            "Desconocido",
            "Sin tel\u{e9}fono",
            "#REF!",
            "null\u{200b}",
            " n\u{200b}/a ",
        ],
        "a placeholder such as `N/A`, which cannot identify a contact (add the word to `nulls` if it means blank)",
    ),
    (
        &[
            "[object Object]",
            "['a', 'b']",
            "{'a': 1}",
            "[None]",
            "[\"a\", \"b",
            "{\"a\": \"b",
            "('a', 'b')",
            "{a=1}",
            "System.Object",
        ],
        "a list or an object that a program printed, such as `[object Object]` (export its values as separate columns)",
    ),
    (&["[\"a\"]", "{\"a\":1}", "[]"], JSON_TEXT),
    (
        &["true", "False", "VERDADERO"],
        "a boolean, which cannot identify a contact (add `{ null = [\"false\"] }` to its transform if it means blank)",
    ),
];

#[test]
fn text_that_is_no_value_identifies_no_contact_in_any_mode() {
    let steps: [&[Step]; 4] =
        [&[], &[Step::Lower], &[Step::Prefix("crm-".into())], &[Step::Trim, Step::Prefix("+52".into())]];
    let template =
        |name: &str| FieldRule { origin: Origin::Template("crm-{Kod}".parse().unwrap()), ..field(name, "Kod") };
    for (texts_of, found) in NON_VALUES {
        for text in texts_of {
            let refused = |column: &str| format!("[{column}] expected a value (match field), found {found}");
            for mode in [Mode::Upsert, Mode::Update, Mode::Create] {
                for field in ["phone", "email", "crm_id", "name", "x"] {
                    assert_eq!(csv(&[(field, text), ("n", "x")], &[field], mode), refused(field), "{mode:?}");
                    // Another match value does not help: the row may be of several contacts.
                    assert_eq!(csv(&[(field, text), ("k", "7")], &["k", field], mode), refused(field), "{mode:?}");
                    let row = serde_json::json!({field: text, "n": "x"}).to_string();
                    assert_eq!(jsonl(&row, &[field], mode), refused(field), "{mode:?}");
                    let row = serde_json::json!({"custom_fields": {field: text}}).to_string();
                    assert_eq!(jsonl(&row, &[field], mode), refused(field), "{mode:?}");
                }
                let id = format!("[contact_id] expected an id, found {found}");
                assert_eq!(csv(&[("contact_id", text), ("phone", "1")], &["phone"], mode), id, "{mode:?}");
            }
            let mut rules: Vec<Rules> = steps
                .iter()
                .map(|steps| only(vec![FieldRule { steps: steps.to_vec(), ..field("x", "Kod") }]))
                .collect();
            rules.push(only(vec![template("x")]));
            for rules in rules.into_iter().map(|rules| Rules { matches: names(&["x"]), ..rules }) {
                assert_eq!(texts(&rules, &[("Kod", text)]), refused("Kod"), "{rules:?}");
                assert_eq!(object(&rules, &serde_json::json!({"Kod": text}).to_string()), refused("Kod"), "{rules:?}");
            }
            for steps in [Vec::new(), vec![Step::Prefix("crm-".into())]] {
                let id = Some(IdRule { column: "ID".into(), steps });
                let rules = Rules { id, ..only(vec![field("phone", "Kod")]) };
                let refusal = texts(&rules, &[("ID", text), ("Kod", "1")]);
                assert!(refusal.starts_with("[ID] expected an id") && refusal.ends_with(found), "{text} {refusal}");
            }
        }
    }
}

#[test]
fn a_match_field_of_addresses_has_no_other_text() {
    let email = "expected an e-mail address (match field), found text that is not in the form `name@domain`";
    let several = "expected an e-mail address (match field), found several (the step `first` takes one of them)";
    let phone = "expected a phone number (match field), found text without digits";
    for mode in [Mode::Upsert, Mode::Update, Mode::Create] {
        for (field, text, expected) in [
            ("email", "no tiene cuenta", email),
            ("email", "Generado el 01/02/2026 por Ann", "expected a value (match field), found a line of a report"),
            ("Correo", "pend.", email),
            ("e-mail", "x@", email),
            ("email", "@example.com", email),
            ("email", "5512345678", email),
            ("email", "ann@@example.com", email),
            ("email", "ann @example.com", email),
            ("email", "ann@example..com", email),
            ("email", ".bla@x", email),
            ("email", "http://ann@x", email),
            ("email", "ann@example.com (work)", email),
            ("email", "ann@x.mx;bo@x.mx", several),
            ("Correo", "ann@x.mx, bo@x.mx", several),
            ("phone", "#+525512345601", "expected a phone number (match field), found one that begins with `#`"),
            ("phone", "22/05/1990", "expected a phone number (match field), found a date"),
            ("phone", "WhatsApp", phone),
            ("Celular", "Sucursal Norte", phone),
        ] {
            let refused = csv(&[(field, text), ("n", "x")], &[field], mode);
            assert!(refused.starts_with(&format!("[{field}] {expected}")), "{mode:?} {text} {refused}");
            // Another match value does not help.
            let refused = csv(&[(field, text), ("k", "7")], &["k", field], mode);
            assert!(refused.starts_with(&format!("[{field}] {expected}")), "{mode:?} {text} {refused}");
            let row = serde_json::json!({field: text, "n": "x"}).to_string();
            let refused = jsonl(&row, &[field], mode);
            assert!(refused.starts_with(&format!("[{field}] {expected}")), "{mode:?} {text} {refused}");
        }
        for (field, text) in [
            ("email", "a@example.com"),
            ("email", "ann@localhost"),
            ("email", "\u{e1}@ejemplo.mx"),
            ("phone", "1"),
            ("phone", "whatsapp:+525512345678"),
            ("crm_id", "Ann"),
            ("handle", "@ann"),
        ] {
            let arrived = csv(&[(field, text), ("n", "x")], &[field], mode);
            assert!(arrived.contains(&format!("{field}={}", serde_json::json!(text))), "{mode:?} {text} {arrived}");
        }
    }
    for text in [
        "Ann Lee <a@example.com>",
        "mailto:a@example.com",
        "'a@example.com'",
        "<a@example.com>",
        "a@example.com;",
        "a@example.com.",
    ] {
        let arrived = csv(&[("email", text), ("n", "x")], &["email"], Mode::Upsert);
        assert_eq!(arrived, r#"email=a@example.com; email="a@example.com" n="x""#, "{text}");
        // In another field nothing is taken away.
        let arrived = csv(&[("email", text), ("n", "x")], &["n"], Mode::Upsert);
        assert!(arrived.contains(&format!("email={text:?}")), "{text} {arrived}");
    }
    // By the column, and by the field; a blank one is no fault.
    let by = |name: &str, column: &str| Rules {
        matches: names(&[name, "phone"]),
        ..only(vec![field(name, column), field("phone", "Tel")])
    };
    for (name, column) in [("who", "E-mail"), ("email", "who")] {
        let refused = texts(&by(name, column), &[(column, "pend."), ("Tel", "1")]);
        assert_eq!(refused, format!("[{column}] {email}"));
        assert_eq!(texts(&by(name, column), &[(column, ""), ("Tel", "1")]), "phone=1; phone=\"1\"");
    }
    // Another field may have any text.
    assert_eq!(
        csv(&[("phone", "1"), ("email", "none")], &["phone"], Mode::Upsert),
        "phone=1; phone=\"1\" email=\"none\""
    );
}

#[test]
fn a_zero_is_no_id() {
    let zero = "expected a value (match field), found a zero, which stands for a missing value (add it to `nulls` if it means blank)";
    for mode in [Mode::Upsert, Mode::Update, Mode::Create] {
        for text in ["0", "00", "0.0", "0000000000"] {
            for field in ["crm_id", "phone", "x"] {
                assert_eq!(csv(&[(field, text), ("n", "x")], &[field], mode), format!("[{field}] {zero}"), "{text}");
            }
            let id = zero.replace("a value (match field)", "an id");
            assert_eq!(csv(&[("contact_id", text), ("phone", "1")], &["phone"], mode), format!("[contact_id] {id}"));
        }
        assert_eq!(jsonl(r#"{"crm_id":0,"n":"x"}"#, &["crm_id"], mode), format!("[crm_id] {zero}"));
        assert!(
            jsonl(r#"{"contact_id":0,"phone":"1"}"#, &["phone"], mode)
                .starts_with("[contact_id] expected an id, found a zero")
        );
        for text in ["10", "0001", "0A", "-0", "0-0-1"] {
            assert!(csv(&[("crm_id", text)], &["crm_id"], mode).starts_with("crm_id="), "{text}");
        }
    }
    // A prefix does not hide it; a part of a template may be a zero.
    let rules = |rule: FieldRule| Rules { matches: names(&["x"]), ..only(vec![rule]) };
    let prefix = rules(FieldRule { steps: vec![Step::Prefix("crm-".into())], ..field("x", "Kod") });
    assert_eq!(texts(&prefix, &[("Kod", "0")]), format!("[Kod] {zero}"));
    assert_eq!(object(&prefix, r#"{"Kod":0}"#), format!("[Kod] {zero}"));
    let template = rules(FieldRule { origin: Origin::Template("{Kod}-{n}".parse().unwrap()), ..field("x", "Kod") });
    assert_eq!(texts(&template, &[("Kod", "7"), ("n", "0")]), "x=7-0; x=\"7-0\"");
}

#[test]
fn a_line_of_a_report_is_no_contact() {
    let refused = |text: &str, field: &str, found: &str| {
        for mode in [Mode::Upsert, Mode::Update, Mode::Create] {
            let expected = format!("[{field}] expected a value (match field), found {found}");
            assert_eq!(csv(&[(field, text), ("n", ""), ("points", "30")], &[field], mode), expected, "{text}");
        }
    };
    let total = "a word for a total, which cannot identify a contact";
    for text in
        ["Total", "Total: 5", "Subtotal", "TOTAL GENERAL", "Promedio", "Average", "Promedio:", "Total de contactos"]
    {
        refused(text, "crm_id", total);
    }
    let report = "a line of a report, which cannot identify a contact";
    for text in [
        "Generado el 01/02/2026",
        "Generated By: Ann",
        "Exportado por: Juan",
        "Exported on 2026-01-01",
        "Gerado em 01/02/2026",
        "Impreso el 01/02/2026",
        "Copyright (c) 2000-2026 example.com, inc. All rights reserved.",
        "Confidential Information - Do Not Distribute",
        "Fuente: CRM",
        "P\u{e1}gina 1 de 3",
        "Page 1 of 3",
        "--- end of report ---",
    ] {
        refused(text, "crm_id", report);
        refused(text, "name", report);
    }
    // A company and a person may be called so, and words of reports occur in names.
    for (field, text) in [
        ("company", "Total"),
        ("name", "Average"),
        ("crm_id", "Suma"),
        ("crm_id", "Total Recall"),
        ("crm_id", "Generado"),
        ("crm_id", "PAGE-1"),
        ("name", "Page Smith"),
        ("company", "Confidential Records"),
    ] {
        let arrived = csv(&[(field, text), ("n", ""), ("points", "30")], &[field], Mode::Upsert);
        assert!(arrived.contains(&format!("{field}={}", serde_json::json!(text))), "{arrived}");
    }
}

#[test]
fn a_title_between_the_rows_is_no_contact() {
    let title = "expected an id, found a section title (all other cells are blank)";
    for mode in [Mode::Upsert, Mode::Update, Mode::Create] {
        for text in ["Sucursal Norte", "Clientes de la zona sur:", "A\u{f1}o nuevo"] {
            let found = csv(&[("crm_id", text), ("name", ""), ("phone", "")], &["crm_id"], mode);
            assert_eq!(found, format!("[crm_id] {title}"), "{mode:?} {text}");
        }
        for cells in [
            [("crm_id", "Sucursal Norte"), ("name", "Ann"), ("phone", "")],
            [("crm_id", "Norte"), ("name", ""), ("phone", "")],
            [("crm_id", "A 17"), ("name", ""), ("phone", "")],
        ] {
            assert!(csv(&cells, &["crm_id"], mode).starts_with("crm_id="), "{cells:?}");
        }
        // A person of whom there is only the name, and a file of ids.
        assert!(csv(&[("name", "Ann Lee"), ("city", ""), ("phone", "")], &["name"], mode).starts_with("name="));
        assert!(csv(&[("crm_id", "Ann Lee")], &["crm_id"], mode).starts_with("crm_id="));
    }
    let rules = Rules { matches: names(&["x"]), unmapped: Unmapped::Ignore, ..only(vec![field("x", "Record ID")]) };
    let cells = [("Record ID", "Sucursal Norte"), ("a", ""), ("b", "")];
    assert_eq!(texts(&rules, &cells), format!("[Record ID] {title}"));
}

#[test]
fn words_that_a_rule_makes_blank_or_replaces_are_no_placeholders() {
    let rules = |nulls: &[&str], steps: Vec<Step>| {
        let email = FieldRule { steps, ..field("email", "Mail") };
        Rules {
            matches: names(&["email", "phone"]),
            nulls: Words::new(nulls),
            ..only(vec![email, field("phone", "Tel")])
        }
    };
    let check = |rules: &Rules, mail: &str, expected: &str| {
        assert_eq!(texts(rules, &[("Mail", mail), ("Tel", "1")]), expected, "{rules:?} {mail}");
    };
    let blank = r#"phone=1; phone="1""#;
    for word in ["n/a", "None", "-", "[object Object]"] {
        check(&rules(&["n/a", "none", "-", "[object Object]"], Vec::new()), word, blank);
        check(&rules(&[], vec![Step::Null(Words::new(["n/a", "none", "-", "[object Object]"]))]), word, blank);
    }
    // Steps that leave nothing of it.
    check(&rules(&[], vec![Step::Digits]), "-", blank);
    check(&rules(&[], vec![Step::Digits, Step::Prefix("crm-".into())]), "N/A", blank);
    let table = Table::new([("none".to_owned(), "a@example.com".to_owned())]).unwrap();
    let replaced = r#"email=a@example.com; email="a@example.com" phone="1""#;
    check(&rules(&[], vec![Step::Table(table)]), "None", replaced);
    // One number in a list is that number, by the step for phones.
    let phone = only(vec![FieldRule { steps: vec![Step::E164("MX".parse().ok())], ..field("phone", "Tel") }]);
    assert_eq!(texts(&phone, &[("Tel", "[\"5512345678\"]")]), r#"phone=+525512345678; phone="+525512345678""#);
}

#[test]
fn words_that_may_be_names_arrive_where_no_contact_is_identified_by_them() {
    for word in
        ["None", "Null", "NULL", "null", "N/A", "nan", "true", "-", "?", "unknown", "[object Object]", "['a', 'b']"]
    {
        let quoted = serde_json::json!(word);
        let expected = format!(r#"phone=1; phone="1" name={quoted}"#);
        assert_eq!(csv(&[("phone", "1"), ("name", word)], &["phone"], Mode::Upsert), expected);
        assert_eq!(jsonl(&format!(r#"{{"phone":"1","name":{quoted}}}"#), &["phone"], Mode::Upsert), expected);
    }
    for tag in ["None", "Null", "N/A", "true", "-", "?", "unknown"] {
        assert_eq!(
            csv(&[("phone", "1"), ("tags", tag)], &["phone"], Mode::Upsert),
            format!(r#"phone=1; phone="1" +{tag}"#)
        );
    }
}

#[test]
fn a_word_for_nothing_drops_no_boolean_of_a_field_of_booleans() {
    let rules = |steps: Vec<Step>, value_type: ValueType| {
        let opt_in = FieldRule { steps, value_type, ..field("opt_in", "o") };
        Rules { nulls: Words::new(["false"]), ..only(vec![field("phone", "phone"), opt_in]) }
    };
    let check = |steps: &[Step], value_type: ValueType, o: &str, expected: &str| {
        let row = format!(r#"{{"phone":"1","o":{o}}}"#);
        let found = object(&rules(steps.to_vec(), value_type), &row);
        assert_eq!(found, format!(r#"phone=1; phone="1"{expected}"#), "{steps:?} {value_type:?} {o}");
    };
    let null = || Step::Null(Words::new(["false"]));
    for steps in [&[] as &[Step], &[Step::Lower]] {
        check(steps, ValueType::Boolean, "false", " opt_in=false");
        check(steps, ValueType::Boolean, "true", " opt_in=true");
        check(steps, ValueType::Boolean, "null", "");
        // A word is what the rule names.
        check(steps, ValueType::Boolean, r#""false""#, "");
        check(steps, ValueType::Text, "false", "");
    }
    check(&[null()], ValueType::Boolean, "false", "");
    let by_id = Rules {
        nulls: Words::new(["false"]),
        id: Some(IdRule { column: "p".into(), steps: Vec::new() }),
        ..only(vec![field("phone", "phone")])
    };
    assert_eq!(object(&by_id, r#"{"phone":"1","p":false}"#), r#"phone=1; phone="1""#);
}

// Whether the last row of an input, the third, is left out as a total.
fn leaves_out(rules: &Rules, mode: Mode, total: TotalRow, cells: &[(&str, &str)]) -> bool {
    let columns = header(&cells.iter().map(|(column, _)| *column).collect::<Vec<_>>());
    let mapping = Mapping::by(rules, Some(&columns), mode).unwrap();
    let cells = Cells::Texts(cells.iter().map(|(_, text)| *text).collect());
    let record = Record { row: 3, line: 7, cells, total: Some(total) };
    let is_left_out = mapping.leaves_out_total(&record);
    // Any other total is listed as rejected.
    assert!(mapping.contact(&record).is_err(), "{record:?}");
    is_left_out
}

#[test]
fn a_total_is_left_out_where_its_word_is_no_value() {
    let check = |rules: &Rules, mode: Mode, cells: &[(&str, &str)], expected: bool| {
        let is_left_out = leaves_out(rules, mode, TotalRow::AddsUp, cells);
        assert_eq!(is_left_out, expected, "{rules:?} {mode:?} {cells:?}");
    };
    let by_name = |field: &str| Rules { matches: names(&[field]), ..Rules::default() };
    let by_rule = |column: &str, steps: Vec<Step>| only(vec![FieldRule { steps, ..field("phone", column) }]);
    let named = |name: &str| Rules { matches: names(&[name]), ..only(vec![field(name, "a")]) };
    for word in ["Total", "total:", "Gesamt", "Total de contactos", "Total: 7"] {
        for column in ["phone", "Tel\u{e9}fono", "email", "E-mail", "whatsapp"] {
            check(&by_name(column), Mode::Upsert, &[(column, word), ("n", "7")], true);
            check(&by_name(column), Mode::Update, &[(column, word), ("n", "7")], true);
            check(&by_name(column), Mode::Create, &[(column, word), ("n", "7")], false);
            check(&named(column), Mode::Upsert, &[("a", word), ("n", "7")], true);
        }
        for column in ["company", "name", "crm_id", "contact_id", "x"] {
            let rules = if column == "contact_id" { Rules::default() } else { by_name(column) };
            check(&rules, Mode::Upsert, &[(column, word), ("n", "7")], false);
            check(&rules, Mode::Upsert, &[(column, ""), ("n", word)], true);
        }
        check(&named("company"), Mode::Upsert, &[("a", word), ("n", "7")], false);
        check(&by_rule("x", vec![Step::E164(None)]), Mode::Upsert, &[("x", word)], true);
        let id = Rules { id: Some(IdRule { column: "ID".into(), steps: Vec::new() }), ..by_rule("phone", Vec::new()) };
        check(&id, Mode::Upsert, &[("ID", word), ("phone", "")], false);
        check(&id, Mode::Upsert, &[("ID", ""), ("phone", word)], true);
    }
    // It may be the name of a person, and a number is a value.
    check(&by_name("phone"), Mode::Upsert, &[("phone", "Suma"), ("n", "7")], false);
    check(&by_name("phone"), Mode::Upsert, &[("phone", "7"), ("n", "Total")], false);
}

#[test]
fn a_total_is_left_out_only_where_it_adds_up_or_states_a_count() {
    let rules = Rules { matches: names(&["phone"]), ..Rules::default() };
    let check = |name: &str, number: &str, by_sum: bool, otherwise: bool| {
        for mode in [Mode::Upsert, Mode::Update] {
            for cells in
                [[("name", name), ("phone", ""), ("n", number)], [("n", number), ("name", name), ("phone", "")]]
            {
                assert_eq!(leaves_out(&rules, mode, TotalRow::AddsUp, &cells), by_sum, "{mode:?} {cells:?}");
                assert_eq!(leaves_out(&rules, mode, TotalRow::Likely, &cells), otherwise, "{mode:?} {cells:?}");
            }
        }
    };
    // Names of people, with their age.
    for name in ["Suma", "Soma", "Count", "Sum", "Total", "Totales", "Gesamt"] {
        check(name, "31", true, false);
        check(name, "", true, false);
    }
    // The number of rows above, beside a word that is no name.
    for name in ["Total", "Gesamt"] {
        check(name, "2", true, true);
        check(name, "3", true, false);
    }
    check("Suma", "2", true, false);
    // A count with its word.
    for name in ["Total: 2", "Count: 3", "Total de contactos", "(57 rows affected)", "2 registros"] {
        check(name, "", true, true);
    }
}

#[test]
fn a_column_with_the_country_is_that_of_its_row() {
    let phone =
        FieldRule { steps: vec![Step::E164(None)], country_column: Some("Prefijo".into()), ..field("phone", "Tel") };
    let rules = Rules { country: "MX".parse().ok(), ..only(vec![phone]) };
    let check = |prefix: &str, tel: &str, expected: &str| {
        let shown = |found: String| found.split("; ").next().unwrap_or_default().to_owned();
        assert_eq!(shown(texts(&rules, &[("Prefijo", prefix), ("Tel", tel)])), expected, "{prefix} {tel}");
        let row = serde_json::json!({"Prefijo": prefix, "Tel": tel}).to_string();
        assert_eq!(shown(object(&rules, &row)), expected, "{row}");
    };
    for us in ["+1", "1", "001", "(+1)", "1.0", "US", "usa", "EE. UU.", "Estados Unidos", "US +1"] {
        check(us, "415 555 2671", "phone=+14155552671");
        check(us, "14155552671", "phone=+14155552671");
    }
    check("+52", "55 1234 5678", "phone=+525512345678");
    check("52", "52 55 1234 5678", "phone=+525512345678");
    check("0034", "612 345 678", "phone=+34612345678");
    check("", "55 1234 5678", "phone=+525512345678");
    // A number with a country code keeps that code.
    check("+1", "+52 55 1234 5678", "phone=+525512345678");
    check("unknown", "+52 55 1234 5678", "phone=+525512345678");
    check("+1 809", "555 1234", "[Prefijo] expected a country or its code, such as MX or +52, found something else");
    check(
        "+34",
        "14155552671",
        "[Tel] expected a phone number of ES, or one with its country code, found what looks like a number of another country without its `+`",
    );
    check(
        "+1",
        "55 5555 1234",
        "[Tel] expected a phone number of US, or one with its country code, found one that its country does not have",
    );
    let number = object(&rules, r#"{"Prefijo":1,"Tel":4155552671}"#);
    assert_eq!(number, r#"phone=+14155552671; phone="+14155552671""#);
    assert_eq!(
        texts(&rules, &[("Tel", "x")]),
        "field `phone`: expected a column of the file, found none called `Prefijo`; the columns are `Tel`"
    );
}

#[test]
fn a_phone_without_a_country_is_rejected_with_what_its_row_lacks() {
    let check = |column: Option<&str>, cells: &[(&str, &str)], expected: &str| {
        let phone = FieldRule {
            steps: vec![Step::E164(None)],
            country_column: column.map(Into::into),
            ..field("phone", "Tel")
        };
        let rules = Rules { nulls: Words::new(["n/a"]), ..only(vec![phone]) };
        let expected = format!("[Tel] expected a phone number with its country code, found one without{expected}");
        let cells = [cells, &[("Tel", "55 1234 5678")]].concat();
        assert_eq!(texts(&rules, &cells), expected, "{cells:?}");
        let row: serde_json::Map<_, _> = cells.iter().map(|(key, cell)| ((*key).to_owned(), (*cell).into())).collect();
        assert_eq!(object(&rules, &serde_json::Value::Object(row).to_string()), expected, "{cells:?}");
    };
    let blank = |name: &str| format!(", and the row's `{name}` is blank (fill it in, or set `country`)");
    let none = " a country code (set `country`, or the country in `e164`)";
    for country in ["", " ", "n/a", "\\N"] {
        // Whether a rule names the column, or only its name tells what it holds.
        check(Some("Pa\u{ed}s"), &[("Pa\u{ed}s", country)], &blank("Pa\u{ed}s"));
        check(None, &[("Pa\u{ed}s", country)], &blank("Pa\u{ed}s"));
        check(None, &[("Country code", country), ("Pa\u{ed}s", country)], &blank("Country code"));
    }
    let names = ", and the row's `Pa\u{ed}s` names a country (set `country_column = \"Pa\u{ed}s\"`)";
    check(None, &[("Pa\u{ed}s", "MX")], names);
    check(None, &[("Lada", ""), ("Pa\u{ed}s", "M\u{e9}xico")], names);
    check(None, &[], none);
    check(None, &[("Ciudad", "")], none);
    check(None, &[("Pa\u{ed}s", "Marte")], none);
}

#[test]
fn a_column_with_another_country_that_no_rule_names_rejects_the_row() {
    let rules = |own: &str| {
        let phone = FieldRule { steps: vec![Step::E164(own.parse().ok())], ..field("phone", "Tel") };
        Rules { country: "MX".parse().ok(), ..only(vec![phone]) }
    };
    let of = |own: &str, heading: &str, cell: &str, tel: &str| {
        let found = texts(&rules(own), &[(heading, cell), ("Tel", tel)]);
        let row = serde_json::json!({heading: cell, "Tel": tel}).to_string();
        assert_eq!(object(&rules(own), &row), found, "{row}");
        found
    };
    let rejected = |heading: &str, cell: &str, tel: &str| {
        let found = of("", heading, cell, tel);
        let expected =
            format!("in a row whose `{heading}` names another country (write country_column = \"{heading}\"");
        assert!(
            found.starts_with("[Tel] expected a phone number of MX") && found.contains(&expected),
            "{cell} {tel}: {found}"
        );
    };
    for heading in ["Prefijo", "Country code", "dialCode", "Lada", "C\u{f3}digo de pa\u{ed}s"] {
        rejected(heading, "+1", "415 555 2671");
        rejected(heading, "1", "415 555 2671");
        rejected(heading, "+1", "55 5555 1234");
        rejected(heading, "US", "551 234 5678");
        rejected(heading, "+57", "300 123 4567");
    }
    rejected("Pa\u{ed}s", "Estados Unidos", "415 555 2671");
    rejected("Country", "CO", "300 123 4567");
    let accepted = |own: &str, heading: &str, cell: &str, tel: &str, phone: &str| {
        let expected = format!(r#"phone={phone}; phone="{phone}""#);
        assert_eq!(of(own, heading, cell, tel), expected, "{heading} {cell} {tel}");
    };
    accepted("", "Prefijo", "+52", "55 1234 5678", "+525512345678");
    accepted("", "Prefijo", "", "55 1234 5678", "+525512345678");
    accepted("", "Prefijo", "Sra.", "55 1234 5678", "+525512345678");
    // An area, not a country: no number of Brazil.
    accepted("", "Lada", "55", "5512345678", "+525512345678");
    accepted("", "Prefijo", "+1", "+52 55 1234 5678", "+525512345678");
    accepted("", "Prefijo", "+1", "00 1 415 555 2671", "+14155552671");
    // No number of the United States, so the person only lives there.
    accepted("", "Pa\u{ed}s", "USA", "55 5555 1234", "+525555551234");
    accepted("MX", "Pa\u{ed}s", "USA", "415 555 2671", "+524155552671");
    assert!(of("MX", "Prefijo", "+1", "415 555 2671").starts_with("[Tel] expected a phone number of MX"));
    // Beside the phone inside an object, too.
    let phone = FieldRule { steps: vec![Step::E164(None)], ..field("phone", "contact.phones.0.number") };
    let rules = Rules { country: "MX".parse().ok(), ..only(vec![phone]) };
    let row = r#"{"contact":{"phones":[{"countryCode":"+1","number":"4155552671"}]}}"#;
    assert!(object(&rules, row).contains("whose `countryCode` names another country"), "{}", object(&rules, row));
}

#[test]
fn a_field_with_a_type_is_sent_in_it() {
    let of = |value_type| FieldRule { value_type, ..field("n", "N") };
    let number = only(vec![field("phone", "phone"), of(ValueType::Number)]);
    let flag = only(vec![field("phone", "phone"), of(ValueType::Boolean)]);
    let check = |rules: &Rules, cell: &str, expected: &str| {
        assert_eq!(texts(rules, &[("phone", "1"), ("N", cell)]), expected, "{cell}");
        // The same from JSON.
        let row = serde_json::json!({"phone": "1", "N": cell}).to_string();
        assert_eq!(object(rules, &row), expected, "{row}");
    };
    check(&number, " 5 ", r#"phone=1; phone="1" n=5"#);
    check(&number, "-1.50", r#"phone=1; phone="1" n=-1.5"#);
    check(&number, "", r#"phone=1; phone="1""#);
    check(&number, "five", "[N] expected a number, found other text");
    check(&number, "5.2155E+12", "[N] expected a number, found one in scientific notation, which may be rounded");
    check(&flag, "S\u{ed}", r#"phone=1; phone="1" n=true"#);
    check(&flag, "0", r#"phone=1; phone="1" n=false"#);
    check(&flag, "2", "[N] expected true or false (or yes, no, 1, 0), found another value");
    let json = |rules: &Rules, value: &str| object(rules, &format!(r#"{{"phone":"1","N":{value}}}"#));
    assert_eq!(json(&number, "1e3"), r#"phone=1; phone="1" n=1000"#);
    assert_eq!(json(&number, "true"), "[N] expected a number, found a boolean");
    assert_eq!(json(&flag, "true"), r#"phone=1; phone="1" n=true"#);
    assert_eq!(json(&flag, "1"), r#"phone=1; phone="1" n=true"#);
    assert_eq!(json(&flag, "null"), r#"phone=1; phone="1""#);
    // Steps come first; a match field may have a type too.
    let steps = FieldRule { steps: vec![Step::Digits], ..of(ValueType::Number) };
    assert_eq!(
        texts(&only(vec![field("phone", "phone"), steps]), &[("phone", "1"), ("N", "n. 7")]),
        r#"phone=1; phone="1" n=7"#
    );
    let typed = FieldRule { value_type: ValueType::Number, ..field("phone", "phone") };
    assert_eq!(texts(&only(vec![typed]), &[("phone", "0052")]), "phone=52; phone=52");
}

#[test]
fn a_row_without_key_is_known_as_before_numbers_became_text() {
    let mapping = Mapping::new(None, Vec::new(), Mode::Create).unwrap();
    let key = |row: &str| {
        let object: serde_json::Map<String, Json> = serde_json::from_str(row).unwrap();
        let cells = Cells::Object(object.into_iter().map(|(key, json)| (Arc::from(key), json)).collect());
        mapping.contact(&Record { row: 1, line: 1, cells, total: None }).unwrap().key().to_string()
    };
    let number = key(r#"{"name":"Ann","n":5}"#);
    assert_ne!(number, key(r#"{"name":"Ann","n":"5"}"#));
    // As an earlier version journaled it, when it sent the number.
    assert_eq!(number, "#db13c6f46c602b1175273aaec980af23.00000001");
}

#[test]
fn nested_json_is_reached_by_dotted_paths() {
    let rules = only(vec![
        field("phone", "phones.0.number"),
        field("age", "age"),
        field("city", "address.city"),
        FieldRule { steps: vec![Step::Default("x".into())], ..field("vip", "flags.vip") },
    ]);
    let check = |row: &str, expected: &str| assert_eq!(object(&rules, row), expected, "{row}");
    check(
        r#"{"phones":[{"number":"1"}],"age":5,"address":{"city":" Lima "},"flags":{"vip":true},"other":1}"#,
        r#"phone=1; phone="1" age="5" city="Lima" vip="true""#,
    );
    check(r#"{"phones":[{"number":1}],"address":null}"#, r#"phone=1; phone="1" vip="x""#);
    check(r#"{"phones":[]}"#, "[phones.0.number] expected a value (match field), found none");
    check(r#"{"phones":[{"number":"1"}],"age":[5]}"#, "[age] expected text, a number or a boolean, found an array");
    // A key that a path goes into is named by it.
    let rules = Rules { unmapped: Unmapped::Send, ..only(vec![field("phone", "a.b")]) };
    assert_eq!(object(&rules, r#"{"a":{"b":"1","c":"2"},"d":"3"}"#), r#"phone=1; phone="1" d="3""#);
}

#[test]
fn tags_come_from_columns_words_and_rules() {
    let tags = |origin| TagRule { origin, prefix: String::new(), remove: false };
    let from = |column: &str, separators: &[&str]| TagOrigin::Column {
        column: column.into(),
        separators: names(separators),
        except: Words::new(["* myContacts"]),
    };
    let vip = || TagOrigin::When { column: "VIP".into(), yes: Words::new(YES), tag: "VIP".into() };
    let check = |rules: Vec<TagRule>, cells: &[(&str, &str)], expected: &str| {
        let rules = Rules { tags: rules, ..only(vec![field("phone", "phone")]) };
        let cells = [&[("phone", "1")], cells].concat();
        assert_eq!(texts(&rules, &cells), format!("phone=1; phone=\"1\"{expected}"), "{cells:?}");
    };
    check(vec![tags(from("E", &[",", ";"]))], &[("E", "a, b;c d")], " +a +b +c d");
    check(vec![tags(from("E", &[":::"]))], &[("E", "* myContacts ::: a,b")], " +a,b");
    check(vec![tags(vip())], &[("VIP", "S\u{ed}")], " +VIP");
    check(vec![tags(vip())], &[("VIP", "X")], " +VIP");
    check(vec![tags(vip())], &[("VIP", "no")], "");
    check(vec![tags(vip())], &[("VIP", "")], "");
    check(vec![tags(TagOrigin::Constant(names(&["crm", "2026"])))], &[], " +crm +2026");
    check(vec![TagRule { prefix: "crm: ".into(), ..tags(from("E", &[","])) }], &[("E", "a,b")], " +crm: a +crm: b");
    check(
        vec![tags(from("E", &[","])), TagRule { remove: true, ..tags(from("F", &[","])) }],
        &[("E", "a"), ("F", "b")],
        " +a -b",
    );
    let rules = Rules { tags: vec![tags(vip()), tags(from("t", &[","]))], ..only(vec![field("phone", "phone")]) };
    assert_eq!(object(&rules, r#"{"phone":"1","VIP":true,"t":["a,b"]}"#), r#"phone=1; phone="1" +VIP +a,b"#);
}

#[test]
fn the_id_comes_from_the_column_that_its_rule_names() {
    let id = |steps| Some(IdRule { column: "ID".into(), steps });
    let rules = Rules { id: id(vec![Step::Digits]), unmapped: Unmapped::Send, ..Rules::default() };
    assert_eq!(texts(&rules, &[("ID", "+52 1"), ("a", "x")]), r#"contact_id=521; id:521 a="x""#);
    assert_eq!(texts(&rules, &[("ID", ""), ("a", "x")]), "[ID] expected an id, as there is no match field; found none");
    let rules = Rules { id: id(Vec::new()), ..Rules::default() };
    assert_eq!(object(&rules, r#"{"ID":7,"a":"x"}"#), r#"contact_id=7; id:7 a="x""#);
    assert_eq!(object(&rules, r#"{"ID":1.5,"a":"x"}"#), "[ID] expected an id (text or a whole number), found a number");
}

#[test]
fn columns_that_no_rule_names_are_sent_left_out_or_refused() {
    let rules = |unmapped| Rules { unmapped, ..only(vec![field("phone", "Tel")]) };
    let check = |unmapped, cells: &[(&str, &str)], expected: &str| {
        assert_eq!(texts(&rules(unmapped), cells), expected, "{unmapped:?} {cells:?}");
    };
    let row = [("Tel", "1"), ("name", "Ann"), ("tags", "a"), ("_x", "y")];
    check(Unmapped::Send, &row, r#"phone=1; phone="1" name="Ann" +a"#);
    check(Unmapped::Ignore, &row, r#"phone=1; phone="1""#);
    let refused =
        "expected each column in the mapping (`unmapped = \"refuse\"`), found `name`, `tags` that no rule names";
    check(Unmapped::Refuse, &row, refused);
    check(Unmapped::Refuse, &[("Tel", "1"), ("_x", "y")], r#"phone=1; phone="1""#);
    assert_eq!(object(&rules(Unmapped::Refuse), r#"{"Tel":"1","_x":2}"#), r#"phone=1; phone="1""#);
    assert_eq!(
        object(&rules(Unmapped::Refuse), r#"{"Tel":"1","name":2}"#),
        "[name] expected a key that the mapping names, found another"
    );
}

#[test]
fn rules_are_held_against_the_header() {
    let check = |rules: &Rules, columns: &[&str], line: Option<usize>, expected: &str| {
        let error = Mapping::by(rules, Some(&header(columns)), Mode::Upsert).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.line()), (expected, line), "{columns:?}");
    };
    let at = |line| ColumnName { name: "Telefono".into(), line: Some(line) };
    let phone = FieldRule { origin: Origin::Column(at(4)), line: Some(4), ..field("phone", "") };
    let rules = only(vec![phone.clone()]);
    check(
        &rules,
        &["Tel\u{e9}fono"],
        Some(4),
        "field `phone`: expected a column of the file, found none called `Telefono`; did you mean `Tel\u{e9}fono`?; \
         the columns are `Tel\u{e9}fono`",
    );
    let take = TakeRule { column: at(9), when: TakeWhen::NotBlank };
    check(
        &Rules { take: vec![take], ..only(vec![field("phone", "a")]) },
        &["a"],
        Some(9),
        "take: expected a column of the file, found none called `Telefono`; the columns are `a`",
    );
    let twice = FieldRule { line: Some(5), ..field("phone", "a") };
    check(&only(vec![field("phone", "a"), twice]), &["a"], Some(5), "field `phone`: expected one rule, found two");
    let rules = Rules { unmapped: Unmapped::Send, ..rules };
    check(
        &rules,
        &["Telefono", "phone"],
        Some(4),
        "field `phone`: expected one value, found two: the rule's and the column of that name, which no rule names (map it, \
         or set `unmapped = \"ignore\"`)",
    );
    check(
        &Rules { matches: names(&["phnoe", "phone"]), ..only(vec![field("phone", "a")]) },
        &["a"],
        None,
        "match field `phnoe`: expected a field of the mapping, found none of that name; its fields are `phone`",
    );
    check(
        &Rules { matches: names(&["phon"]), ..only(vec![field("phone", "a")]) },
        &["a"],
        None,
        "match field `phon`: expected a field of the mapping, found none of that name; did you mean `phone`?; its fields are `phone`",
    );
    check(
        &Rules { matches: names(&["fone"]), unmapped: Unmapped::Send, ..only(vec![field("phone", "a")]) },
        &["a", "b"],
        None,
        "match field `fone`: expected a field of the mapping or a column of the file, found none of that name; its fields \
         are `phone`; the columns are `a`, `b`",
    );
    check(&only(vec![field(" ", "a")]), &["a"], None, "expected the name of a custom field, found an empty one");
    // A field that a rule fills may have any name.
    let tags = Rules { matches: names(&["tags"]), ..only(vec![field("tags", "a")]) };
    assert_eq!(texts(&tags, &[("a", "1")]), r#"tags=1; tags="1""#);
}

#[test]
fn only_the_rows_that_the_rules_take_are_rows() {
    let take = |when| Rules { take: vec![TakeRule { column: "Estado".into(), when }], ..Rules::default() };
    let check = |when: TakeWhen, cell: &str, expected: bool| {
        let rules = take(when.clone());
        let mapping = Mapping::by(&rules, Some(&header(&["Estado"])), Mode::Create).unwrap();
        let cells = Cells::Texts([cell].into_iter().collect());
        assert_eq!(mapping.takes(&Record { row: 1, line: 2, cells, total: None }), expected, "{when:?} {cell}");
    };
    let words = || Words::new(["Activo", "Nuevo"]);
    check(TakeWhen::Is(words()), " activo ", true);
    check(TakeWhen::Is(words()), "baja", false);
    check(TakeWhen::Is(words()), "", false);
    check(TakeWhen::IsNot(words()), "baja", true);
    check(TakeWhen::IsNot(words()), "NUEVO", false);
    check(TakeWhen::NotBlank, "x", true);
    check(TakeWhen::NotBlank, "\u{a0}", false);
    let by_json = |json: &str, when| {
        let object: serde_json::Map<String, Json> = serde_json::from_str(json).unwrap();
        let cells = Cells::Object(object.into_iter().map(|(key, json)| (Arc::from(key), json)).collect());
        let mapping = Mapping::by(&take(when), None, Mode::Create).unwrap();
        mapping.takes(&Record { row: 1, line: 2, cells, total: None })
    };
    assert!(by_json(r#"{"Estado":["x"]}"#, TakeWhen::NotBlank));
    assert!(!by_json(r#"{"Estado":null}"#, TakeWhen::NotBlank));
    assert!(!by_json("{}", TakeWhen::NotBlank));
    assert!(by_json(r#"{"Estado":1}"#, TakeWhen::Is(Words::new(["1"]))));
}

#[test]
fn a_mapping_is_described() {
    let phone = FieldRule { steps: vec![Step::E164(None)], required: true, ..field("phone", "Tel") };
    let name = FieldRule {
        origin: Origin::Template("{A} {B}".parse().unwrap()),
        steps: vec![Step::Upper, Step::Default("?".into())],
        blank: Blank::Clear,
        ..field("name", "")
    };
    let source = FieldRule { origin: Origin::Constant(Value::Text("crm".into())), ..field("source", "") };
    let plan = FieldRule { accept: Some(Accept::Values(names(&["x", "y"]))), ..field("plan", "Plan") };
    let tags = |origin, remove| TagRule { origin, prefix: "t: ".into(), remove };
    let rules = Rules {
        matches: names(&["phone", "email"]),
        id: Some(IdRule { column: "ID".into(), steps: vec![Step::Digits] }),
        fields: vec![phone, name, source, plan],
        tags: vec![
            tags(TagOrigin::When { column: "VIP".into(), yes: Words::new(YES), tag: "vip".into() }, false),
            tags(TagOrigin::Constant(names(&["a", "b"])), true),
        ],
        take: vec![TakeRule { column: "E".into(), when: TakeWhen::Is(Words::new(["x"])) }],
        country: "MX".parse().ok(),
        ..Rules::default()
    };
    let columns = header(&["Tel", "A", "B", "Plan", "ID", "VIP", "E", "email", "tags", "_x", "note"]);
    let mapping = Mapping::by(&rules, Some(&columns), Mode::Upsert).unwrap();
    let lines: Vec<String> = mapping
        .outline(Some(&columns))
        .into_iter()
        .map(|line| format!("{} -> {}; {}", line.from, line.to, line.how.join(", ")))
        .collect();
    assert_eq!(
        lines,
        [
            "ID -> the platform's id; digits only",
            "Tel -> field `phone`; phone number of MX (E.164), match field, required",
            "A + B -> field `name`; upper case, `?` if blank, cleared if blank",
            "always `crm` -> field `source`; ",
            "Plan -> field `plan`; one of x, y",
            "VIP -> tag `vip` if it means yes; prefix `t: `",
            "every row -> tags a, b to remove; prefix `t: `",
            "E -> field `E`; ",
            "email -> field `email`; match field",
            "tags -> tags; ",
            "_x -> left out; ",
            "note -> field `note`; ",
            "E -> the row is read if it is x; ",
        ]
    );
}

// Values that spreadsheets hold, and unusual ones.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[+0-9 ()./-]{0,16}", "[a-zA-Z\u{e9}\u{301} ,;:{}]{0,12}", "\\PC{0,8}", Just(String::new())]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop::sample::select(vec![
        Step::Trim,
        Step::Lower,
        Step::Upper,
        Step::CollapseSpaces,
        Step::Digits,
        Step::First(";".into()),
        Step::E164(None),
        Step::E164("MX".parse().ok()),
        Step::E164("AR".parse().ok()),
        Step::Date(vec!["D/M/YYYY".parse().unwrap(), "YYYY-MM-DD h:mm A".parse().unwrap()]),
        Step::Decimal(None),
        Step::Decimal(Some(DecimalMark::Comma)),
        Step::Prefix("521".into()),
        Step::Default("x".into()),
        Step::Null(Words::new(["-", "N/A"])),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_cells_become_a_contact_without_blanks_or_a_rejection(
        cells in prop::array::uniform3(any_text()),
        steps in prop::collection::vec(any_step(), 0..4),
        clears in any::<bool>(),
    ) {
        let template = FieldRule {
            origin: Origin::Template("{A} - {B}".parse().unwrap()),
            blank: if clears { Blank::Clear } else { Blank::Keep },
            ..field("t", "")
        };
        let rules = only(vec![field("phone", "P"), FieldRule { steps, ..field("a", "A") }, template]);
        let mapping = Mapping::by(&rules, Some(&header(&["P", "A", "B"])), Mode::Create).unwrap();
        let texts = Cells::Texts(cells.iter().map(String::as_str).collect());
        if let Ok(contact) = mapping.contact(&Record { row: 3, line: 7, cells: texts, total: None }) {
            for field in contact.filled() {
                let text = field.value.text();
                prop_assert!(!text.is_empty() && text.trim() == text, "{:?}", field);
                prop_assert_eq!(nfc(&text), text.as_ref(), "{:?}", field);
            }
            prop_assert!(clears || contact.clear().is_empty());
        }
    }

    #[test]
    fn a_number_in_e164_stays_as_it_is(text in "[+0-9 ()-]{5,18}", country in prop::sample::select(vec!["MX", "ES", "BR", "US", "IT"])) {
        let phone = |steps| only(vec![FieldRule { steps, ..field("phone", "P") }]);
        let first = texts(&phone(vec![Step::E164(country.parse().ok())]), &[("P", &text)]);
        if let Some(number) = first.strip_prefix("phone=").and_then(|rest| rest.split(';').next()) {
            prop_assert!(number.starts_with('+') && number[1..].bytes().all(|character| character.is_ascii_digit()), "{}", number);
            // With any country, and with none.
            for again in [Step::E164(None), Step::E164("GB".parse().ok())] {
                prop_assert_eq!(&texts(&phone(vec![again]), &[("P", number)]), &first);
            }
        }
    }
}
