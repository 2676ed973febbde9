//! JSON in which one row has another shape than the next, with the real program: an object or a text in place of a list,
//! fields whose names are in an object of their own, and lists whose first element has another label.

use std::fs;

use support::{Harness, TOKEN};

/// All contacts on the platform, as `name=value …`, in order.
fn there(harness: &Harness) -> Vec<String> {
    let contacts = harness.sandbox.contacts(TOKEN).into_iter();
    let mut lines: Vec<String> = contacts
        .map(|contact| {
            let fields = contact.fields.iter().map(|(name, value)| format!("{name}={}", value.text()));
            fields.collect::<Vec<_>>().join(" ")
        })
        .collect();
    lines.sort();
    lines
}

/// The contacts that a sync of these rows makes with `x` read from `path`, and its warnings.
async fn read_from(path: &str, rows: &[&str]) -> (Vec<String>, Vec<String>) {
    let harness = Harness::unlimited().await;
    let rows = rows.iter().zip(1..).map(|(row, id)| format!("{{\"crm\":\"C{id}\",\"name\":\"Ann\",{row}}}\n"));
    harness.write("in.jsonl", rows.collect::<String>());
    let rules = "match = \"crm\"\nunmapped = \"ignore\"\n[fields]\ncrm = \"crm\"\n";
    harness.write("contactsync.toml", format!("{rules}x = \"{path}\"\n"));
    let ran = harness.sync("in.jsonl").run().await.exits(0);
    let warnings = ran.stderr_lines("warning:").iter().map(ToString::to_string).collect();
    (there(&harness), warnings)
}

#[tokio::test]
async fn an_element_without_its_list_is_read_as_a_list_of_one() {
    let object = r#""phones":{"type":"mobile","number":"1"}"#;
    let list = r#""phones":[{"type":"home","number":"3"},{"type":"mobile","number":"2"}]"#;
    let field = r#""f":{"name":"plan","value":"1"}"#;
    let fields = r#""f":[{"name":"city","value":"3"},{"name":"plan","value":"2"}]"#;
    for (path, rows, expected) in [
        ("phones.mobile.number", [object, list], ["1", "2"]),
        ("phones.0.number", [object, list], ["1", "3"]),
        ("phones.1.number", [object, list], ["", "2"]),
        ("phones.primary.number", [object, list], ["1", "3"]),
        ("phones.primary.number", [object, r#""phones":[{"number":"3"},{"number":"2","primary":true}]"#], ["1", "2"]),
        ("phones.0.number", [r#""phones":{"0":{"number":"1"},"1":{"number":"4"}}"#, list], ["1", "3"]),
        ("f.plan", [field, fields], ["1", "2"]),
        ("f.city", [field, fields], ["", "3"]),
        ("phones.0", [r#""phones":"1""#, r#""phones":["2","3"]"#], ["1", "2"]),
        ("phones.primary", [r#""phones":1"#, r#""phones":["2","3"]"#], ["1", "2"]),
        ("phones.1", [r#""phones":"1""#, r#""phones":["2","3"]"#], ["", "3"]),
        ("a.phones.0", [r#""a":{"phones":"1"}"#, r#""a":[{"phones":["2"]}]"#], ["1", "2"]),
        // The other way round: a path into an object, and a list of one.
        ("phones.number", [object, r#""phones":[{"type":"home","number":"2"}]"#], ["1", "2"]),
        ("a.b.c", [r#""a":{"b":{"c":"1"}}"#, r#""a":[{"b":[{"c":"2"}]}]"#], ["1", "2"]),
        // Blanks.
        ("phones.0.number", [r#""phones":"""#, r#""phones":[]"#], ["", ""]),
        ("phones.number", [r#""phones":[]"#, r#""phones":null"#], ["", ""]),
        ("phones.number", [r#""phones":false"#, r#""phones":[{}]"#], ["", ""]),
    ] {
        let (contacts, warnings) = read_from(path, &rows).await;
        let expected: Vec<String> = expected.iter().zip(1..).map(|(value, id)| arrived(id, value)).collect();
        assert_eq!(contacts, expected, "{path} {rows:?}");
        assert_eq!(warnings, [""; 0], "{path} {rows:?}");
    }
}

fn arrived(id: u32, value: &str) -> String {
    if value.is_empty() { format!("crm=C{id}") } else { format!("crm=C{id} x={value}") }
}

#[tokio::test]
async fn a_value_of_another_shape_than_its_path_is_reported() {
    let list = r#""phones":[{"number":"2"},{"number":"3"}]"#;
    for (path, rows, expected) in [
        (
            "phones.number",
            [r#""phones":{"number":"1"}"#, list],
            "`phones` is a list of several elements in 1 row (first on line 2)",
        ),
        ("phones.number", [list, list], "`phones` is a list of several elements in 2 rows (first on line 1)"),
        ("phones.0.number", [list, r#""phones":"2""#], "`phones` is not an object in 1 row (first on line 2)"),
        ("phones.number", [r#""phones":"2""#, list], "`phones` is not an object in 1 row (first on line 1)"),
        ("a.b.c", [r#""a":{"b":7}"#, r#""a":{"b":{"c":"1"}}"#], "`a.b` is not an object in 1 row (first on line 1)"),
        // Of fields by name and value, another row may have another one there.
        (
            "f.value",
            [r#""f":{"name":"a","value":"1"}"#, r#""f":[{"name":"b","value":"2"}]"#],
            "`f` is a list of fields in 1 row",
        ),
    ] {
        let (_, warnings) = read_from(path, &rows).await;
        assert!(warnings.iter().any(|line| line.contains(expected)), "{path} {rows:?} {warnings:?}");
        assert!(warnings.iter().all(|line| line.contains(path)), "{path} {rows:?} {warnings:?}");
    }
    // A label or a field that a row lacks is no fault.
    for (path, rows) in [
        (
            "phones.mobile.number",
            [r#""phones":[{"type":"home","number":"3"},{"type":"work","number":"4"}]"#, r#""phones":[]"#],
        ),
        ("f.plan", [r#""f":[{"name":"city","value":"3"}]"#, r#""f":[{"name":"plan","value":"3"}]"#]),
        ("a.b", [r#""a":{"c":1}"#, r#""a":{}"#]),
    ] {
        let (_, warnings) = read_from(path, &rows).await;
        assert_eq!(warnings, [""; 0], "{path} {rows:?}");
    }
}

#[tokio::test]
async fn init_reads_an_object_and_a_list_by_one_path() {
    let object = r#"{"id":7001,"name":"Ann","phones":{"type":"mobile","number":"+525512345671"}}"#;
    let list = r#"{"id":7002,"name":"Bo","phones":[{"type":"mobile","number":"+525512345672"},{"type":"home","number":"+525512345673"}]}"#;
    for text in [format!("[{object},{list}]"), format!("[{list},{object}]")] {
        let harness = Harness::unlimited().await;
        harness.write("in.json", &text);
        harness.program("init in.json").run().await.exits(0);
        let written = fs::read_to_string(harness.path("contactsync.toml")).expect("what init wrote");
        harness.sync("in.json").run().await.exits(0);
        let there = there(&harness);
        for (contact, phone) in there.iter().zip(["phone=+525512345671", "phone=+525512345672"]) {
            assert!(contact.contains(phone), "{there:?}\n{written}");
        }
        assert!(written.contains("phones.0.number") && !written.contains("phones.number"), "{written}");
    }
}

#[tokio::test]
async fn a_blank_primary_value_gives_way_to_the_next() {
    for (path, row, expected) in [
        ("phones.primary.number", r#""phones":[{"number":"1","primary":false},{"number":"","primary":true}]"#, "1"),
        ("phones.primary.number", r#""phones":[{"number":null,"primary":true},{"number":" "},{"number":"1"}]"#, "1"),
        ("phones.primary.number", r#""phones":[{"primary":true},{"number":"1"}]"#, "1"),
        ("phones.primary.number", r#""phones":[{"number":""},{"number":"1"}]"#, "1"),
        ("phones.primary", r#""phones":["","1"]"#, "1"),
        ("phones.primary.number", r#""phones":[{"number":"2"},{"number":"1","primary":true}]"#, "1"),
        ("phones.primary.number", r#""phones":[{"number":""},{"number":"","primary":true}]"#, ""),
        ("phones.0.number", r#""phones":[{"number":""},{"number":"2"}]"#, ""),
    ] {
        let (contacts, warnings) = read_from(path, &[row]).await;
        assert_eq!((contacts, warnings), (vec![arrived(1, expected)], vec![]), "{path} {row}");
    }
}

#[tokio::test]
async fn names_of_fields_that_look_alike_are_one() {
    for (path, name) in [
        ("f.Mobile phone", "Mobile\u{a0}phone"),
        ("f.mobile phone", "Mobile\u{202f}Phone"),
        ("f.phone", "Phone: "),
        ("f.phone", "phone *"),
        ("f.Phone:", "phone"),
        ("f.phone", "Phone\u{ff1a}"),
        ("f.two words", "two  words"),
    ] {
        let row = format!("\"f\":[{{\"name\":\"other\",\"value\":\"2\"}},{{\"name\":\"{name}\",\"value\":\"1\"}}]");
        let (contacts, _) = read_from(path, &[&row]).await;
        assert_eq!(contacts, [arrived(1, "1")], "{path} {row}");
    }
    // The exact spelling comes first.
    let row = r#""f":[{"name":"phone:","value":"2"},{"name":"phone","value":"1"}]"#;
    assert_eq!(read_from("f.phone", &[row]).await.0, [arrived(1, "1")]);
}

#[tokio::test]
async fn a_field_is_known_by_a_name_in_an_object_of_its_own() {
    for (key, of) in [
        ("definition", r#"{"type":"customFieldDefinition","id":"KEY"}"#),
        ("property", r#"{"slug":"KEY"}"#),
        ("field", r#"{"id":5001,"label":"KEY"}"#),
        ("field", r#"{"name":"KEY"}"#),
        ("custom_field", r#"{"id":12,"title":"KEY"}"#),
        ("customFieldDefinition", r#"{"key":"KEY"}"#),
        ("attribute", r#"{"code":"KEY"}"#),
        ("question", r#"{"text":"how?","id":"KEY"}"#),
    ] {
        let element =
            |name: &str, value: &str| format!("{{\"{key}\":{},\"value\":\"{value}\"}}", of.replace("KEY", name));
        let rows = [
            format!("\"f\":[{},{}]", element("plan", "1"), element("city", "3")),
            format!("\"f\":[{},{}]", element("city", "4"), element("plan", "2")),
        ];
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        assert_eq!(read_from("f.plan", &rows).await.0, [arrived(1, "1"), arrived(2, "2")], "{rows:?}");
        // By position it is another field in the next row.
        let (_, warnings) = read_from("f.0.value", &rows).await;
        assert!(
            warnings.iter().any(|line| line.contains("the list `f` has its fields in another order")),
            "{warnings:?}"
        );
    }
    // The values of a form, under the key of their type or under `data`.
    for element in [
        r#"{"type":"text","text":"VALUE","field":{"id":"NAME","type":"short_text"}}"#,
        r#"{"field":{"id":5001,"label":"NAME"},"data":"VALUE"}"#,
    ] {
        let of = |name: &str, value: &str| element.replace("NAME", name).replace("VALUE", value);
        let rows = [
            format!("\"f\":[{},{}]", of("plan", "1"), of("city", "3")),
            format!("\"f\":[{},{}]", of("city", "4"), of("plan", "2")),
        ];
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        assert_eq!(read_from("f.plan", &rows).await.0, [arrived(1, "1"), arrived(2, "2")], "{rows:?}");
    }
}

#[tokio::test]
async fn another_label_of_the_first_element_is_reported() {
    let said = |key: &str, rows: &str, line: u32| {
        format!("has its elements (identified by `{key}`) at other positions in {rows} (first on line {line})")
    };
    let one = |label: &str| format!("\"phones\":[{{{label}\"number\":\"1\"}}]");
    let two =
        |first: &str, second: &str| format!("\"phones\":[{{{first}\"number\":\"1\"}},{{{second}\"number\":\"2\"}}]");
    let (home, mobile) = ("\"type\":\"home\",", "\"type\":\"mobile\",");
    for (rows, expected) in [
        // One element in each row.
        (vec![one(mobile), one(home), one(mobile)], Some(said("type", "1 row", 2))),
        (vec![two(mobile, home), one(home)], Some(said("type", "1 row", 2))),
        (vec![one("\"label\":\"work\","), one("\"label\":\"home\",")], Some(said("label", "1 row", 2))),
        // An element without a label.
        (vec![two(mobile, ""), two(home, mobile)], Some(said("type", "1 row", 2))),
        (vec![two(mobile, ""), two("", mobile)], Some(said("type", "1 row", 2))),
        // A label that is a number, an object or a list.
        (vec![two("\"type\":1,", "\"type\":2,"), two("\"type\":2,", "\"type\":1,")], Some(said("type", "1 row", 2))),
        (
            vec![two("\"type\":{\"id\":1,\"name\":\"a\"},", ""), two("\"type\":{\"id\":2,\"name\":\"b\"},", "")],
            Some(said("type", "1 row", 2)),
        ),
        (vec![one("\"types\":[\"cell\"],"), one("\"types\":[\"home\"],")], Some(said("types", "1 row", 2))),
        // The same label in other case, and none at all.
        (vec![one(mobile), one("\"type\":\"Mobile\","), two(mobile, home), two(mobile, "")], None),
        (vec![one(""), two("", "")], None),
        (vec![one("\"number2\":\"5\","), one("\"number2\":\"6\",")], None),
        (vec!["\"phones\":[]".to_owned(), one(mobile)], None),
    ] {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let (_, warnings) = read_from("phones.0.number", &rows).await;
        match expected {
            Some(expected) => assert!(warnings.iter().any(|line| line.contains(&expected)), "{rows:?} {warnings:?}"),
            None => assert_eq!(warnings, [""; 0], "{rows:?}"),
        }
        // A path by label adds no notice.
        assert_eq!(read_from("phones.mobile.number", &rows).await.1, [""; 0], "{rows:?}");
    }
    // A label in an object is one as well.
    let rows = [two("\"type\":{\"id\":1,\"name\":\"Home\"},", "\"type\":{\"id\":2,\"name\":\"Mobile\"},")];
    assert_eq!(read_from("phones.mobile.number", &[&rows[0]]).await.0, [arrived(1, "2")]);
}

#[tokio::test]
async fn init_reports_another_order_as_a_plan_does() {
    let row = |id: u32, one: &str, two: &str| {
        let phone = |label: &str, at: u32| format!("{{\"type\":\"{label}\",\"number\":\"+5255123456{at}{id}\"}}");
        format!("{{\"id\":700{id},\"name\":\"P{id}\",\"phones\":[{},{}]}}\n", phone(one, 7), phone(two, 8))
    };
    let said =
        "the list `phones` has its elements (identified by `type`) at other positions in 1 row (first on line 2)";
    let mixed = "`vip` is `false` in 1 row";
    for (second, expected) in [(row(2, "mobile", "home"), 1), (row(2, "home", "mobile"), 0)] {
        let harness = Harness::unlimited().await;
        harness.write("in.jsonl", row(1, "home", "mobile") + &second);
        let init = harness.program("init in.jsonl").run().await.exits(0);
        let plan = harness.plan("in.jsonl").run().await.exits(0);
        for ran in [&init, &plan] {
            let count = ran.stderr_lines("warning:").iter().filter(|line| line.contains(said)).count();
            assert_eq!(count, expected, "{ran:?}");
            assert!(!ran.stderr.contains(mixed), "{ran:?}");
        }
    }
}

#[tokio::test]
async fn pairs_of_a_name_and_a_value_are_read_by_name() {
    let mail = r#"["email","ann@x.mx"]"#;
    let phone = r#"["phone","+525512345671"]"#;
    let rows = [format!("\"f\":[{mail},{phone}]"), format!("\"f\":[{phone},{mail}]")];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    for (path, value) in [("f.email", "ann@x.mx"), ("f.phone", "+525512345671"), ("f.Phone", "+525512345671")] {
        let (contacts, warnings) = read_from(path, &rows).await;
        assert_eq!((contacts, warnings), (vec![arrived(1, value), arrived(2, value)], vec![]), "{path}");
    }
    // By position it is another field in the next row.
    let (_, warnings) = read_from("f.0.1", &rows).await;
    let said = "the list `f` has its fields in another order in 1 row (first on line 2)";
    assert!(warnings.iter().any(|line| line.contains(said)), "{warnings:?}");
    // Values that are no text, blanks, and fields that only some rows have.
    for (path, row, expected) in [
        ("f.plan", r#""f":[["city","Lima"],["plan",7]]"#, "7"),
        ("f.plan", r#""f":[["plan",null],["plan","pro"]]"#, "pro"),
        ("f.plan", r#""f":[null,["plan","pro"]]"#, "pro"),
        ("f.plan", r#""f":[["city","Lima"]]"#, ""),
        ("f.a.b", r#""f":[["a.b","pro"],["a","Lima"]]"#, "pro"),
        ("a.0.f.plan", r#""a":[{"f":[["city","Lima"],["plan","pro"]]}]"#, "pro"),
        // The labels of phones.
        ("phones.mobile", r#""phones":[["home","1"],["mobile","2"]]"#, "2"),
        // No pairs of a name and a value: by position alone.
        ("f.1.0", r#""f":[["a","1"],["b","2","3"]]"#, "b"),
        ("f.a", r#""f":[["a","1"],["b","2","3"]]"#, ""),
        ("f.0.1", r#""f":[["ann@x.mx","1"],["bo@x.mx","2"]]"#, "1"),
        ("f.0.1", r#""f":[["+525512345671","1"],["+525512345672","2"]]"#, "1"),
        ("f.1.1", r#""f":[[19.4,-99.1],[20.5,-98.2]]"#, "-98.2"),
    ] {
        let (contacts, warnings) = read_from(path, &[row]).await;
        assert_eq!((contacts, warnings), (vec![arrived(1, expected)], vec![]), "{path} {row}");
    }
}

#[tokio::test]
async fn plain_values_in_another_order_are_reported() {
    let said = |rows: &str, line: u32| {
        format!(
            "the list `c` has its values at other positions in {rows} (first on line {line}) than in earlier rows, and the mapping \
             reads one by position"
        )
    };
    let (mail, phone) = ("\"ann@x.mx\"", "\"+52 55 1234 5671\"");
    let list = |values: &[&str]| format!("\"c\":[{}]", values.join(","));
    for (rows, expected) in [
        (vec![list(&[mail, phone]), list(&[phone, mail])], Some(said("1 row", 2))),
        (vec![list(&[phone, mail]), list(&[phone, mail]), list(&[mail, phone])], Some(said("1 row", 3))),
        (vec![list(&[mail, "\"Ann\""]), list(&["\"Bo\"", mail]), list(&["\"Cy\"", mail])], Some(said("2 rows", 2))),
        (vec![list(&["\"Ann\"", phone]), list(&[phone, "\"Bo\""])], Some(said("1 row", 2))),
        (vec![list(&["525512345671", mail]), list(&[mail, "525512345672"])], Some(said("1 row", 2))),
        (vec![list(&["\"1990-05-17\"", phone]), list(&[phone, "\"1990-05-18\""])], Some(said("1 row", 2))),
        (vec![list(&[mail, "\"https://x.mx\""]), list(&["\"https://y.mx\"", mail])], Some(said("1 row", 2))),
        // One value in a row.
        (vec![list(&[mail]), list(&[phone])], Some(said("1 row", 2))),
        (vec![list(&[phone, mail]), list(&[mail])], Some(said("1 row", 2))),
        // The same texts, none of which is an address.
        (vec![list(&["\"gold\"", "\"Lima\""]), list(&["\"Lima\"", "\"gold\""])], Some(said("1 row", 2))),
        // The same order, values of one kind, and blanks.
        (vec![list(&[mail, phone]), list(&["\"bo@x.mx\"", "\"+525512345672\""]), list(&[mail])], None),
        (vec![list(&[phone, "\"+525512345672\""]), list(&["\"+525512345672\"", phone])], None),
        (vec![list(&[mail, "null"]), list(&["\"bo@x.mx\"", "\"\""]), list(&[]), list(&["\" \"", phone])], None),
        (vec![list(&["\"Ann\"", "\"Lima\""]), list(&["\"Bo\"", "\"Quito\""])], None),
        (vec![list(&["1", "2"]), list(&["2", "1"])], None),
        (vec![list(&["\"n/a\""]), list(&[phone])], None),
    ] {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let (_, warnings) = read_from("c.0", &rows).await;
        match expected {
            Some(expected) => assert!(warnings.iter().any(|line| line.contains(&expected)), "{rows:?} {warnings:?}"),
            None => assert_eq!(warnings, [""; 0], "{rows:?}"),
        }
        assert_eq!(read_from("name", &rows).await.1, [""; 0], "{rows:?}");
    }
    // The texts are data where they have no end.
    let rows: Vec<String> = (0..40).map(|at| list(&[&format!("\"A{at}\""), &format!("\"A{}\"", at + 1)])).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    assert_eq!(read_from("c.0", &[rows[1], r#""c":["A2","A1"]"#]).await.1.len(), 1);
    assert_eq!(read_from("c.0", &[&[r#""c":["A2","A1"]"#], rows.as_slice()].concat()).await.1, [""; 0]);
    // Of phones, a text is a remark.
    let (_, warnings) = read_from(
        "phones.0",
        &[r#""phones":["sin dato","+525512345671"]"#, r#""phones":["+525512345672","sin dato"]"#],
    )
    .await;
    assert_eq!(warnings, [""; 0]);
}

#[tokio::test]
async fn a_match_value_is_not_read_from_plain_values_in_another_order() {
    for (text, path) in [
        (
            "{\"name\":\"P\",\"c\":[\"+525512345671\",\"ann@x.mx\"]}\n{\"name\":\"P\",\"c\":[\"bo@x.mx\",\"+525512345672\"]}\n",
            "c.0",
        ),
        ("{\"name\":\"P\",\"c\":[\"+525512345671\"]}\n{\"name\":\"P\",\"c\":[\"bo@x.mx\"]}\n", "c.0"),
        (
            "{\"name\":\"P\",\"a\":{\"name\":\"P\",\"c\":[\"Ann\",\"+525512345671\"]}}\n{\"name\":\"P\",\"a\":{\"name\":\"P\",\"c\":[\"+525512345672\",\"Bo\"]}}\n",
            "a.c.1",
        ),
        (
            "{\"name\":\"P\",\"a\":[[\"Ann\",\"+525512345671\"]]}\n{\"name\":\"P\",\"a\":[[\"+525512345672\",\"Bo\"]]}\n",
            "a.0.1",
        ),
    ] {
        let harness = Harness::unlimited().await;
        harness.write("in.jsonl", text);
        let rules = format!("match = \"key\"\nunmapped = \"ignore\"\n[fields]\nkey = \"{path}\"\n");
        harness.write("contactsync.toml", rules);
        let ran = harness.sync("in.jsonl").run().await.exits(2);
        let list = path.rsplit_once('.').map_or(path, |(list, _)| list);
        let fault =
            format!("in.jsonl:2: expected the elements of the list `{list}` in the same order as in earlier rows");
        assert!(ran.stderr.contains(&fault), "{text} {ran:?}");
        assert!(there(&harness).is_empty(), "{text}");
        let check = harness.program("check in.jsonl").run().await.exits(2);
        assert!((check.stdout + &check.stderr).contains(&fault), "{text}");
    }
    // Pairs: by name alone.
    let harness = Harness::unlimited().await;
    harness.write(
        "in.jsonl",
        "{\"name\":\"P\",\"f\":[[\"email\",\"ann@x.mx\"],[\"phone\",\"+525512345671\"]]}\n\
         {\"name\":\"P\",\"f\":[[\"phone\",\"+525512345672\"],[\"email\",\"bo@x.mx\"]]}\n",
    );
    let rules = |path: &str| format!("match = \"phone\"\nunmapped = \"ignore\"\n[fields]\nphone = \"{path}\"\n");
    harness.write("contactsync.toml", rules("f.0.1"));
    assert_eq!(harness.sync("in.jsonl").run().await.exits(3).summary().rows(), "2 rejected");
    harness.write("contactsync.toml", rules("f.phone"));
    assert_eq!(harness.sync("in.jsonl").run().await.exits(0).summary().rows(), "2 created");
    assert_eq!(there(&harness), ["phone=+525512345671", "phone=+525512345672"]);
}

#[tokio::test]
async fn init_reads_plain_values_by_their_positions_and_leaves_out_pairs() {
    let harness = Harness::unlimited().await;
    let row = |id: u32, c: &str| format!("{{\"id\":700{id},\"name\":\"P{id}\",\"c\":[{c}]}}\n");
    harness.write("same.jsonl", row(1, r#""a@x.mx","+525512345671""#) + &row(2, r#""b@x.mx","+525512345672""#));
    harness.program("init same.jsonl").run().await.exits(0);
    let written = fs::read_to_string(harness.path("contactsync.toml")).unwrap();
    assert!(written.contains("column = \"c.0\"") && written.contains("column = \"c.1\""), "{written}");
    assert!(written.contains("\nphone = {") && written.contains("\nemail = {"), "{written}");
    assert_eq!(harness.sync("same.jsonl").run().await.exits(0).summary().rows(), "2 created");
    // In another order, it is reported.
    let harness = Harness::unlimited().await;
    harness.write("in.jsonl", row(1, r#""a@x.mx","+525512345671""#) + &row(2, r#""+525512345672","b@x.mx""#));
    let init = harness.program("init in.jsonl").run().await.exits(0);
    assert!(
        init.stderr.contains("the list `c` has its values at other positions in 1 row (first on line 2)"),
        "{init:?}"
    );
    // Pairs are fields by name.
    let harness = Harness::unlimited().await;
    harness.write(
        "in.jsonl",
        row(1, r#"["email","a@x.mx"],["phone","+525512345671"]"#)
            + &row(2, r#"["phone","+525512345672"],["email","b@x.mx"]"#),
    );
    let init = harness.program("init in.jsonl").run().await.exits(0);
    assert!(init.stderr.contains("the list `c` holds fields by name and value"), "{init:?}");
    assert!(!fs::read_to_string(harness.path("contactsync.toml")).unwrap().contains("c.0"));
}

#[tokio::test]
async fn text_of_programs_is_no_tag() {
    let csv = "phone,tags\n+525512345671,#REF!\n+525512345672,VIP;undefined\n+525512345673,#N/A\n+525512345674,null\n\
               +525512345675,\"VIP, #vip\"\n+525512345676,None\n";
    let json = "{\"phone\":\"+525512345671\",\"tags\":[\"[object Object]\",\"VIP\"]}\n\
                {\"phone\":\"+525512345672\",\"tags\":[\"undefined\",null]}\n";
    let rule = "[[tags]]\ncolumn = \"tags\"\n";
    for (name, text, rules, expected, rows, reported) in [
        (
            "in.csv",
            csv,
            "",
            vec!["VIP", "#vip", "VIP", "None"],
            "6 created",
            [
                "a spreadsheet error such as `#REF!` (first on line 2)",
                "`undefined` (first on line 3)",
                "`null` (first on line 5)",
            ]
            .as_slice(),
        ),
        (
            "in.csv",
            csv,
            rule,
            vec!["VIP", "#vip", "VIP", "None"],
            "6 created",
            &["2 rows hold a spreadsheet error such as `#REF!`", "1 row holds `undefined`", "1 row holds `null`"],
        ),
        (
            "in.csv",
            csv,
            "nulls = [\"#REF!\", \"#N/A\", \"null\"]\n",
            vec!["VIP", "#vip", "VIP", "None"],
            "6 created",
            &["1 row holds `undefined`"],
        ),
        (
            "in.jsonl",
            json,
            "",
            vec!["VIP"],
            "2 created",
            &["1 row holds a printed list or object", "1 row holds `undefined`"],
        ),
        (
            "in.jsonl",
            json,
            rule,
            vec!["VIP"],
            "2 created",
            &["1 row holds a printed list or object", "1 row holds `undefined`"],
        ),
    ] {
        let harness = Harness::unlimited().await;
        harness.write(name, text);
        harness.write(
            "contactsync.toml",
            if rules.starts_with('[') {
                format!("match = \"phone\"\n{rules}")
            } else {
                format!("{rules}match = \"phone\"\n")
            },
        );
        let ran = harness.sync(name).run().await.exits(0);
        assert_eq!(ran.summary().rows(), rows, "{ran:?}");
        let mut contacts = harness.sandbox.contacts(TOKEN);
        contacts
            .sort_by_key(|contact| contact.fields.values().map(|value| value.text().into_owned()).collect::<String>());
        let tags: Vec<String> =
            contacts.iter().flat_map(|contact| contact.tags.iter().map(ToString::to_string)).collect();
        assert_eq!(tags, expected, "{rules} {ran:?}");
        let said = ran.stderr_lines("warning:");
        let of_tags: Vec<_> = said.iter().filter(|line| line.contains("in place of a tag; it is not sent")).collect();
        assert_eq!(of_tags.len(), reported.len(), "{rules} {said:?}");
        assert!(reported.iter().all(|text| of_tags.iter().any(|line| line.contains(text))), "{said:?}");
    }
}
