//! JSON as CRMs and their APIs write it, with the real program: `false` for a blank, several phones of which one is the
//! primary one, fields in a list, JSON text inside a cell, and pages that are not all there.

use std::fs;

use support::{Harness, TOKEN};

/// All contacts on the platform, as `name=value … +tag`, in order.
fn there(harness: &Harness) -> Vec<String> {
    let mut lines: Vec<String> = harness
        .sandbox
        .contacts(TOKEN)
        .into_iter()
        .map(|contact| {
            let fields = contact.fields.iter().map(|(name, value)| format!("{name}={}", value.text()));
            fields.chain(contact.tags.iter().map(|tag| format!("+{tag}"))).collect::<Vec<_>>().join(" ")
        })
        .collect();
    lines.sort();
    lines
}

/// What `init` writes of an input, and the contacts that a sync with it makes.
async fn arrived(name: &str, text: &str, rows: &str) -> (String, Vec<String>, String) {
    let harness = Harness::unlimited().await;
    harness.write(name, text);
    let init = harness.program(&format!("init {name}")).run().await.exits(0);
    let written = fs::read_to_string(harness.path("contactsync.toml")).expect("what init wrote");
    let ran = harness.sync(name).run().await;
    assert_eq!(ran.summary().rows(), rows, "{ran:?}\n{written}");
    (written, there(&harness), init.stderr + &ran.stderr)
}

#[tokio::test]
async fn init_takes_false_in_a_column_of_text_for_a_blank() {
    let odoo = r#"[
        {"id":1,"name":"Ann","phone":"+525512345671","email":"a@example.com","street":false,"mobile":false,"active":true,
         "country_id":[156,"Mexico"],"zip":6600,"birthday":"1990-12-31","is_company":false,"seen":false},
        {"id":2,"name":"Bo","phone":"+525512345672","email":false,"street":"Main 1","mobile":false,"active":false,
         "country_id":false,"zip":false,"birthday":false,"is_company":true,"seen":null},
        {"id":3,"name":"Cy","phone":false,"email":"c@example.com","street":"Main 3","mobile":false,"active":true,
         "country_id":[156,"Mexico"],"zip":6602,"birthday":"1991-12-31","is_company":false,"seen":false}]"#;
    let (written, contacts, said) = arrived("odoo.json", odoo, "3 created").await;
    assert_eq!(contacts.len(), 3, "{contacts:?}");
    for contact in &contacts {
        for field in ["phone", "email", "street", "mobile", "zip", "birthday", "country_id"] {
            assert!(!contact.contains(&format!("{field}=false")), "{contact}\n{written}");
        }
        assert!(contact.contains("is_company="), "booleans stay: {contact}\n{written}");
        assert!(contact.contains("active="), "booleans stay: {contact}\n{written}");
    }
    assert!(contacts.iter().filter(|contact| contact.contains("seen=false")).count() == 2, "{contacts:?}");
    // Without another value, both are possible.
    let lines = ["seen = \"seen\"", "# seen = { column = \"seen\", transform = [{ null = [\"false\"] }] }"];
    assert!(lines.iter().all(|line| written.lines().any(|found| found == *line)), "{written}");
    for line in [
        "phone = { column = \"phone\", transform = [{ null = [\"false\"] }, \"e164\"] }",
        "email = { column = \"email\", transform = [{ null = [\"false\"] }, \"lower\"] }",
        "street = { column = \"street\", transform = [{ null = [\"false\"] }] }",
    ] {
        assert!(written.lines().any(|found| found == line), "{line}\n{written}");
    }
    assert!(!said.contains("false"), "{said}");
    let have = |text: &str| contacts.iter().filter(|contact| contact.contains(text)).count();
    assert_eq!((have("country_id.0=156"), have("country_id.0=")), (2, 2), "{contacts:?}\n{written}");
    // The name in such a pair is a blank as well where `false` stands in place of the pair.
    let harness = Harness::unlimited().await;
    harness.write("odoo.json", odoo);
    let rules = "match = \"name\"\nunmapped = \"ignore\"\n[fields]\nname = \"name\"\ncountry = \"country_id.1\"\n";
    harness.write("contactsync.toml", rules);
    assert_eq!(harness.sync("odoo.json").run().await.exits(0).summary().rows(), "3 created");
    assert_eq!(there(&harness), ["country=Mexico name=Ann", "country=Mexico name=Cy", "name=Bo"]);
    // Scripts write the same as text, as Python does.
    let csv = "phone,email,name,member\n+525512345671,False,Ann,False\n+525512345672,b@example.com,Bo,True\nFalse,c@example.com,Cy,True\n";
    let (written, contacts, _) = arrived("in.csv", csv, "3 created").await;
    let blank = |field: &str| contacts.iter().filter(|contact| !contact.contains(&format!("{field}="))).count();
    assert_eq!((blank("phone"), blank("email")), (1, 1), "{contacts:?}\n{written}");
    assert!(!contacts.iter().any(|contact| contact.contains("phone=F") || contact.contains("email=f")), "{contacts:?}");
}

#[tokio::test]
async fn a_boolean_finds_no_contact() {
    let reason = "a boolean";
    for (name, text, rules, rows) in [
        (
            "in.jsonl",
            "{\"phone\":false,\"name\":\"Ann\"}\n{\"phone\":\"+525512345671\"}\n",
            "",
            "1 created, 1 rejected",
        ),
        ("in.jsonl", "{\"phone\":true,\"name\":\"Ann\"}\n{\"phone\":\"+525512345671\"}\n", "", "1 created, 1 rejected"),
        ("in.jsonl", "{\"phone\":\"False\"}\n{\"phone\":\"+525512345671\"}\n", "", "1 created, 1 rejected"),
        ("in.csv", "phone,name\nFALSE,Ann\n+525512345671,Bo\n", "", "1 created, 1 rejected"),
        (
            "in.jsonl",
            "{\"custom_fields\":{\"phone\":false}}\n{\"custom_fields\":{\"phone\":\"+525512345671\"}}\n",
            "",
            "1 created, 1 rejected",
        ),
        (
            "in.jsonl",
            "{\"p\":false}\n{\"p\":\"+525512345671\"}\n",
            "[fields]\nphone = \"p\"\n",
            "1 created, 1 rejected",
        ),
        (
            "in.jsonl",
            "{\"p\":false}\n{\"p\":\"a17@example.com\"}\n",
            "[fields]\nphone = { column = \"p\", transform = [\"lower\"] }\n",
            "1 created, 1 rejected",
        ),
        (
            "in.jsonl",
            "{\"p\":true}\n{\"p\":\"a17@example.com\"}\n",
            "[fields]\nphone = { column = \"p\", transform = [\"upper\"] }\n",
            "1 created, 1 rejected",
        ),
        (
            "in.jsonl",
            "{\"p\":false}\n{\"p\":false}\n{\"p\":\"5512345671\"}\n",
            "[fields]\nphone = { column = \"p\", transform = [{ prefix = \"521\" }] }\n",
            "1 created, 2 rejected",
        ),
        (
            "in.csv",
            "p,name\nFalse,Ann\nfalse,Bo\n5512345671,Cy\n",
            "[fields]\nphone = { column = \"p\", transform = [{ prefix = \"521\" }] }\n",
            "1 created, 2 rejected",
        ),
        (
            "in.csv",
            "p,name\nFalse,Ann\nfalse,Bo\n5512345671,Cy\n",
            "[fields]\nphone = { template = \"52{p}\" }\n",
            "1 created, 2 rejected",
        ),
    ] {
        let harness = Harness::unlimited().await;
        harness.write(name, text);
        harness.write("contactsync.toml", format!("match = \"phone\"\n{rules}"));
        let ran = harness.sync(&format!("{name} --rejects bad")).run().await.exits(3);
        assert_eq!(ran.summary().rows(), rows, "{text} {ran:?}");
        let rejected = fs::read_to_string(harness.path("bad")).unwrap();
        assert!(rejected.contains(reason), "{text} {rejected}");
        let there = there(&harness).concat().to_lowercase();
        assert!(!there.contains("phone=false") && !there.contains("phone=true"), "{text} {there}");
    }
    // The words of a configuration stand for a JSON `false` as well.
    for rules in [
        "nulls = [\"false\"]\n",
        "nulls = [\"false\"]\n[fields]\nphone = \"phone\"\nemail = \"email\"\n",
        "[fields]\nphone = { column = \"phone\", transform = [{ null = [\"false\"] }] }\nemail = \"email\"\n",
    ] {
        let harness = Harness::unlimited().await;
        harness.write("in.jsonl", "{\"phone\":false,\"email\":\"a@example.com\"}\n");
        harness.write("contactsync.toml", format!("match = [\"phone\", \"email\"]\n{rules}"));
        assert_eq!(harness.sync("in.jsonl").run().await.exits(0).summary().rows(), "1 created", "{rules}");
        assert_eq!(there(&harness), ["email=a@example.com"], "{rules}");
    }
}

#[tokio::test]
async fn false_among_texts_is_reported_where_it_is_sent() {
    let text = "{\"phone\":\"+525512345671\",\"city\":\"Lima\",\"vip\":false,\"n\":5}\n{\"phone\":\"+525512345672\",\"city\":false,\"vip\":true,\"n\":6}\n\
                {\"phone\":\"+525512345673\",\"city\":false,\"vip\":false,\"n\":false}\n";
    let city = "`city` is `false` in 2 rows (first on line 2) and text in others; it is sent as the text `false`";
    let number = "`n` is `false` in 1 row (first on line 3) and text in others; it is sent as the text `false`";
    let step = "[fields]\nphone = \"phone\"\nvip = \"vip\"\ncity = { column = \"city\", transform = [{ null = [\"false\"] }] }\nn = \"n\"\n";
    let shaped = |row: &str| format!("{{\"custom_fields\":{row}}}");
    let own: String = text.lines().map(|row| shaped(row) + "\n").collect();
    for (text, rules, expected) in [
        (text, "", vec![city, number]),
        (text, "nulls = [\"false\"]\n", vec![]),
        (text, step, vec![number]),
        (text, "unmapped = \"ignore\"\n[fields]\nphone = \"phone\"\n", vec![]),
        (&own, "", vec!["`custom_fields.city` is `false`", "`custom_fields.n` is `false`"]),
    ] {
        let harness = Harness::unlimited().await;
        harness.write("in.jsonl", text);
        harness.write("contactsync.toml", format!("match = \"phone\"\n{rules}"));
        let plan = harness.plan("in.jsonl").run().await.exits(0);
        let check = harness.program("check in.jsonl").run().await;
        let sync = harness.sync("in.jsonl").run().await.exits(0);
        for said in [&plan.stderr, &check.stdout, &sync.stderr] {
            assert_eq!(said.matches("` is `false` in ").count(), expected.len(), "{rules} {said}");
            assert!(expected.iter().all(|line| said.contains(line)), "{rules} {said}");
        }
        assert!(
            expected.is_empty() || plan.stderr_lines("warning:").iter().any(|line| line.contains("null = [\"false\"]"))
        );
    }
}

#[tokio::test]
async fn the_primary_one_of_several_is_taken() {
    let (old, new) = ("+525512345671", "+525512345672");
    for flag in ["primary", "is_primary", "isPrimary", "preferred", "default", "is_default", "isDefault"] {
        let row = |first: &str, second: &str, value: &str, at: &str| {
            format!(
                "{{\"id\":{at},\"name\":\"Ann{at}\",\"phone\":[{{\"value\":\"{first}{at}\",\"{flag}\":false,\"label\":\"work\"}},\
                 {{\"value\":\"{second}{at}\",\"{flag}\":{value},\"label\":\"mobile\"}}],\
                 \"email\":[{{\"value\":\"old{at}@example.com\",\"{flag}\":false}},{{\"value\":\"new{at}@example.com\",\"{flag}\":{value}}}]}}"
            )
        };
        let (old, new) = (&old[..12], &new[..12]);
        let rows = [
            row(old, new, "true", "1"),
            row(old, new, "true", "2"),
            // None of them is.
            row(new, old, "false", "3"),
            "{\"id\":4,\"name\":\"Ann4\",\"phone\":[{\"value\":\"+525512345674\"}],\"email\":[]}".to_owned(),
        ];
        let (written, contacts, _) = arrived("in.json", &format!("[{}]", rows.join(",")), "4 created").await;
        let all = contacts.join("\n");
        assert!(all.contains("new1@example.com") && all.contains("new2@example.com"), "{flag}: {all}\n{written}");
        assert!(!all.contains("old1") && !all.contains("old2") && all.contains("old3"), "{flag}: {all}\n{written}");
        assert!(written.contains("phone.primary.value") && written.contains("email.primary.value"), "{written}");
        assert!(!written.contains("\nphone.primary.") && !all.contains(flag), "{all}\n{written}");
        assert!(!written.contains("phone.0") && !written.contains("email.0"), "{written}");
    }
    // The second one, by its digits; and the way in which Google's API says it.
    for row in [
        r#"{"name":"Ann","phones":[{"number":"+525512345671","primary":false},{"number":"+525512345672","primary":true}]}"#,
        r#"{"name":"Ann","phones":[{"number":"+525512345671","primary":0},{"number":"+525512345672","primary":1}]}"#,
        r#"{"name":"Ann","phones":[{"number":"+525512345671"},{"number":"+525512345672","primary":"true"}]}"#,
        r#"{"name":"Ann","contact":{"phoneNumbers":[{"value":"+525512345671"},{"value":"+525512345672","metadata":{"primary":true}}]}}"#,
    ] {
        let (written, contacts, _) = arrived("in.json", row, "1 created").await;
        assert!(contacts[0].contains("+525512345672") && !contacts[0].contains("345671"), "{contacts:?}\n{written}");
    }
    // A single contact, as Pipedrive has it.
    let one = r#"{"id":1,"name":"Ann","phone":[{"value":"+525512345671","primary":false},{"value":"+525512345672","primary":true}],
        "email":[{"value":"a@example.com","primary":false},{"value":"b@example.com","primary":true}]}"#;
    for text in [one.to_owned(), format!("{{\"success\":true,\"data\":[{one}]}}")] {
        let (written, contacts, _) = arrived("in.json", &text, "1 created").await;
        let all = contacts.concat();
        assert!(all.contains("+525512345672") && all.contains("b@example.com"), "{all}\n{written}");
    }
    // Without such a flag, and in a path that names a place, the first is the first.
    let plain = r#"{"name":"Ann","phones":[{"number":"+525512345671"},{"number":"+525512345672"}]}"#;
    let (written, contacts, _) = arrived("in.json", plain, "1 created").await;
    assert!(contacts[0].contains("+525512345671") && written.contains("phones.0.number"), "{contacts:?}\n{written}");
}

#[tokio::test]
async fn a_path_to_the_first_of_several_is_reported_where_another_one_is_primary() {
    let row = |phone: &str, first: bool| {
        format!(
            "{{\"name\":\"Ann\",\"phone\":[{{\"value\":\"{phone}1\",\"primary\":{first}}},{{\"value\":\"{phone}2\",\"primary\":{}}}]}}\n",
            !first
        )
    };
    let text = row("+52551234567", true) + &row("+52551234568", false) + &row("+52551234569", false);
    let expected = "in 2 rows (first on line 2) the primary element of `phone` is not the first one, but the mapping reads the first; use \
         `phone.primary`";
    for (path, is_said) in [("phone.0.value", true), ("phone.primary.value", false), ("phone.1.value", false)] {
        let harness = Harness::unlimited().await;
        harness.write("in.jsonl", &text);
        let rules = format!("match = \"phone\"\nunmapped = \"ignore\"\n[fields]\nphone = \"{path}\"\n");
        harness.write("contactsync.toml", rules);
        let plan = harness.plan("in.jsonl").run().await.exits(0);
        assert_eq!(
            plan.stderr_lines("warning:").iter().any(|line| line.contains(expected)),
            is_said,
            "{path} {plan:?}"
        );
        assert_eq!(plan.stderr.contains("`phone.primary`"), is_said, "{plan:?}");
        assert_eq!(harness.program("check in.jsonl").run().await.stdout.contains(expected), is_said);
    }
}

#[tokio::test]
async fn false_is_no_tag_and_no_part_of_a_text() {
    // Of a list of tags it can only be a blank.
    let text = "{\"phone\":\"+525512345671\",\"tags\":false,\"last\":false}\n\
                {\"phone\":\"+525512345672\",\"tags\":\"vip\",\"last\":\"Lee\"}\n";
    for (rules, first) in [
        ("", "last=false phone=+525512345671"),
        ("unmapped = \"ignore\"\n[fields]\nphone = \"phone\"\n[[tags]]\ncolumn = \"tags\"\n", "phone=+525512345671"),
    ] {
        let harness = Harness::unlimited().await;
        harness.write("in.jsonl", text);
        harness.write("contactsync.toml", format!("match = \"phone\"\n{rules}"));
        assert_eq!(harness.sync("in.jsonl").run().await.exits(0).summary().rows(), "2 created", "{rules}");
        assert!(there(&harness).contains(&first.to_owned()), "{:?}", there(&harness));
    }
    let (_, contacts, _) = arrived("in.jsonl", text, "2 created").await;
    assert!(
        contacts.iter().any(|contact| contact.contains("+vip")) && !contacts.concat().contains("false"),
        "{contacts:?}"
    );
    // A step of a template comes after its parts are put together, so `false` is in them all the same.
    let rules = "match = \"phone\"\nunmapped = \"ignore\"\n[fields]\nphone = \"phone\"\n\
                 name = { template = \"{phone} {last}\", transform = [{ null = [\"false\"] }] }\n";
    for (nulls, is_said) in [("", true), ("nulls = [\"false\"]\n", false)] {
        let harness = Harness::unlimited().await;
        harness.write("in.jsonl", text);
        harness.write("contactsync.toml", format!("{nulls}{rules}"));
        let ran = harness.sync("in.jsonl").run().await.exits(0);
        assert_eq!(ran.stderr.contains("`last` is `false` in "), is_said, "{ran:?}");
        assert_eq!(there(&harness).concat().contains("false"), is_said, "{:?}", there(&harness));
    }
}

#[tokio::test]
async fn a_field_of_a_list_is_read_by_its_name() {
    let row = |phone: &str, first: &str, second: &str| {
        format!("{{\"phone\":\"{phone}\",\"custom_fields\":[{first},{second}],\"plan\":\"x\"}}\n")
    };
    let (city, key) = (r#"{"name":"city","value":"Lima"}"#, r#"{"name":"key","value":"K-1"}"#);
    let text = row("+525512345671", city, key) + &row("+525512345672", key, city);
    let ordered = "the list `custom_fields` has its fields in another order in 1 row (first on line 2)";
    let rules = |matches: &str, fields: &str| {
        format!("match = \"{matches}\"\nunmapped = \"ignore\"\n[fields]\nphone = \"phone\"\n{fields}\n")
    };
    let harness = Harness::unlimited().await;
    harness.write("in.jsonl", &text);
    // By position: reported where it is another field in another row.
    harness.write("contactsync.toml", rules("phone", "city = \"custom_fields.0.value\""));
    let plan = harness.plan("in.jsonl").run().await.exits(0);
    assert_eq!(plan.stderr_lines("warning:").iter().filter(|line| line.contains(ordered)).count(), 1, "{plan:?}");
    assert!(plan.stderr.contains("custom_fields.NAME"), "{plan:?}");
    assert!(harness.program("check in.jsonl").run().await.stdout.contains(ordered));
    // No contact is found by it.
    harness.write("contactsync.toml", rules("key", "key = \"custom_fields.0.value\""));
    let plan = harness.plan("in.jsonl").run().await.exits(3);
    assert_eq!(plan.planned().rows(), "2 rejected", "{plan:?}");
    assert!((plan.stdout.clone() + &plan.stderr).contains("custom_fields.NAME"), "{plan:?}");
    // By name: the same field of each row.
    harness.write("contactsync.toml", rules("key", "key = \"custom_fields.key\"\ncity = \"custom_fields.city\""));
    let plan = harness.plan("in.jsonl").run().await.exits(0);
    assert!(!plan.stderr.contains("its fields in another order"), "{plan:?}");
    assert_eq!(harness.sync("in.jsonl").run().await.exits(0).summary().rows(), "1 created, 1 merged");
    assert_eq!(there(&harness).len(), 1);
    assert!(there(&harness)[0].starts_with("city=Lima key=K-1"), "{:?}", there(&harness));
    // Neither by an id.
    harness.write(
        "contactsync.toml",
        "id = \"custom_fields.0.value\"\nunmapped = \"ignore\"\n[fields]\nphone = \"phone\"\n",
    );
    assert_eq!(harness.plan("in.jsonl").run().await.exits(3).planned().rows(), "2 rejected");
    // Nor by the first one of a list that has no primary one.
    harness.write("contactsync.toml", rules("phone", "city = \"custom_fields.primary.value\""));
    assert_eq!(harness.sync("in.jsonl").run().await.exits(0).summary().rows().matches("created").count(), 1);
    assert_eq!(there(&harness), ["city=Lima key=K-1 phone=+525512345672", "phone=+525512345671"]);
    // Tags by position are reported as well.
    let tags = "match = \"phone\"\nunmapped = \"ignore\"\n[fields]\nphone = \"phone\"\n[[tags]]\ncolumn = \"custom_fields.0.value\"\n";
    harness.write("contactsync.toml", tags);
    assert!(harness.plan("in.jsonl").run().await.stderr.contains(ordered));
    // Ids in place of names, as GoHighLevel and Zendesk have them: no columns by position, and the same by a name that is no
    // number.
    let by_id = |id: u32, first: &str, second: &str| {
        format!(
            "{{\"phone\":\"+52551234567{id}\",\"customFields\":[{{\"id\":{first},\"value\":\"v{id}\"}},\
             {{\"id\":{second},\"value\":\"w{id}\"}}]}}\n"
        )
    };
    for (one, two) in [("\"c1\"", "\"p2\""), ("3600", "3601")] {
        let text = by_id(1, one, two) + &by_id(2, two, one);
        let (written, contacts, said) = arrived("in.jsonl", &text, "2 created").await;
        assert!(
            !written.contains("customFields") && said.contains("the list `customFields` holds fields"),
            "{written}"
        );
        assert_eq!(contacts, ["phone=+525512345671", "phone=+525512345672"]);
        harness.write("ids.jsonl", &text);
        harness.write("contactsync.toml", rules("phone", "x = \"customFields.0.value\""));
        let plan = harness.plan("ids.jsonl").run().await.exits(0);
        assert!(plan.stderr.contains("the list `customFields` has its fields in another order"), "{plan:?}");
    }
    let ids = Harness::unlimited().await;
    ids.write("ids.jsonl", by_id(1, "\"c1\"", "\"p2\"") + &by_id(2, "\"p2\"", "\"c1\""));
    ids.write("contactsync.toml", rules("phone", "x = \"customFields.c1\""));
    assert_eq!(ids.sync("ids.jsonl").run().await.exits(0).summary().rows(), "2 created");
    assert_eq!(there(&ids), ["phone=+525512345671 x=v1", "phone=+525512345672 x=w2"]);
    // Values in a list of their own, as in lead forms of Meta.
    let lead = |id: u32, first: &str, second: &str| {
        format!(
            "{{\"id\":{id},\"field_data\":[{{\"name\":\"{first}\",\"values\":[\"+52551234567{id}\"]}},\
             {{\"name\":\"{second}\",\"values\":[\"+52551234568{id}\"]}}]}}\n"
        )
    };
    let leads = Harness::unlimited().await;
    leads
        .write("leads.jsonl", lead(1, "phone_number", "emergency_phone") + &lead(2, "emergency_phone", "phone_number"));
    leads.write("contactsync.toml", rules("phone", "").replace("\"phone\"\n\n", "\"field_data.phone_number\"\n"));
    assert_eq!(leads.sync("leads.jsonl").run().await.exits(0).summary().rows(), "2 created");
    assert_eq!(there(&leads), ["phone=+525512345671", "phone=+525512345682"]);
    // The names of several phones are their labels.
    let phones = |id: u32, first: &str, second: &str| {
        format!(
            "{{\"id\":{id},\"phones\":[{{\"name\":\"{first}\",\"value\":\"+52551234567{id}\"}},\
             {{\"name\":\"{second}\",\"value\":\"+52551234568{id}\"}}]}}\n"
        )
    };
    let text = phones(1, "mobile", "work") + &phones(2, "work", "mobile");
    let (written, contacts, said) = arrived("in.jsonl", &text, "2 created").await;
    assert!(written.contains("phones.0.value") && !said.contains("its fields in another order"), "{written}\n{said}");
    let reordered =
        "the list `phones` has its elements (identified by `name`) at other positions in 1 row (first on line 2)";
    assert!(said.contains(reordered) && said.contains("`phones.VALUE.KEY`"), "{said}");
    assert!(contacts.concat().contains("+525512345671") && contacts.concat().contains("+525512345672"), "{contacts:?}");
    // The same order in each row: nothing is said.
    harness.write("same.jsonl", row("+525512345671", city, key) + &row("+525512345672", city, key));
    harness.write("contactsync.toml", rules("phone", "city = \"custom_fields.0.value\""));
    let plan = harness.plan("same.jsonl").run().await.exits(0);
    assert!(!plan.stderr.contains("its fields in another order"), "{plan:?}");
    // One field in each row, of another name.
    let one = |phone: &str, name: &str| {
        format!("{{\"phone\":\"{phone}\",\"more\":{{\"data\":[{{\"key\":\"{name}\",\"value\":\"v\"}}]}}}}\n")
    };
    harness.write("one.jsonl", one("+525512345671", "a") + &one("+525512345672", "b") + &one("+525512345673", "b"));
    harness.write("contactsync.toml", rules("phone", "x = \"more.data.0.value\""));
    let plan = harness.plan("one.jsonl").run().await.exits(0);
    let said = "the list `more.data` has its fields in another order in 2 rows (first on line 2)";
    assert!(plan.stderr_lines("warning:").iter().any(|line| line.contains(said)), "{plan:?}");
}

#[tokio::test]
async fn lists_of_fields_are_known_whatever_their_keys_are_called() {
    // The phone of one contact is never read as another's: what is matched by position is rejected, and by name it arrives.
    for (field, is_named) in [
        (r#"{"label":"NAME","value":"VALUE"}"#, true),
        (r#"{"attribute_code":"NAME","value":"VALUE"}"#, true),
        (r#"{"fieldName":"NAME","value":"VALUE"}"#, true),
        (r#"{"type":"NAME","value":"VALUE"}"#, true),
        (r#"{"k":"NAME","v":"VALUE"}"#, true),
        (r#"{"id":"NAME","type":"text","value":"VALUE"}"#, true),
        (r#"{"id":"x1","fieldKey":"NAME","value":"VALUE"}"#, true),
        (r#"{"name":"NAME","field_value":"VALUE"}"#, true),
        // Without keys that are known, and nothing in between.
        (r#"{"campo":"NAME","dato":"VALUE"}"#, false),
        (r#"{"what":"NAME","content":"VALUE"}"#, false),
    ] {
        let of = |name: &str, value: &str| field.replace("NAME", name).replace("VALUE", value);
        let row = |id: u32, is_swapped: bool| {
            let own = of("phone", &format!("+52551234567{id}"));
            let others = of("emergency_phone", "+525599999999");
            let (one, two) = if is_swapped { (&others, &own) } else { (&own, &others) };
            format!("{{\"name\":\"P{id}\",\"fields\":[{one},{two}]}}\n")
        };
        let text = row(1, false) + &row(2, true) + &row(3, true);
        let rules = |path: &str| format!("match = \"phone\"\nunmapped = \"ignore\"\n[fields]\nphone = \"{path}\"\n");
        let value = field.split('"').nth(field.matches('"').count() - 3).unwrap();
        let harness = Harness::unlimited().await;
        harness.write("in.jsonl", &text);
        harness.write("contactsync.toml", rules(&format!("fields.0.{value}")));
        let ran = harness.sync("in.jsonl").run().await;
        assert!(there(&harness).is_empty(), "{field} {:?}", there(&harness));
        if is_named {
            assert_eq!(ran.exits(3).summary().rows(), "3 rejected", "{field}");
            harness.write("contactsync.toml", rules("fields.phone"));
            assert_eq!(harness.sync("in.jsonl").run().await.exits(0).summary().rows(), "3 created", "{field}");
            let expected = ["phone=+525512345671", "phone=+525512345672", "phone=+525512345673"];
            assert_eq!(there(&harness), expected, "{field}");
        } else {
            let fault = "in.jsonl:2: expected the elements of the list `fields` in the same order as in earlier rows";
            assert!(ran.exits(2).stderr.contains(fault), "{field}");
            let check = harness.program("check in.jsonl").run().await.exits(2);
            assert!((check.stdout + &check.stderr).contains(fault), "{field}");
            // In the same order, and as a value that finds no contact, it is read.
            harness.write("same.jsonl", row(1, false) + &row(2, false));
            assert_eq!(harness.sync("same.jsonl").run().await.exits(0).summary().rows(), "2 created", "{field}");
            let rules = rules("name") + &format!("first = \"fields.0.{value}\"\n");
            harness.write("contactsync.toml", rules.replace("phone", "name"));
            let plan = harness.plan("in.jsonl").run().await.exits(0);
            let said = "at other positions in 2 rows (first on line 2) than in earlier rows";
            assert_eq!(plan.stderr_lines("warning:").iter().filter(|line| line.contains(said)).count(), 1, "{plan:?}");
        }
    }
}

#[tokio::test]
async fn a_list_of_fields_of_which_one_has_no_value_is_read_by_name() {
    let text = "{\"phone\":\"+525512345671\",\"f\":[{\"name\":\"city\"},{\"name\":\"plan.kind\",\"value\":\"pro\"}]}\n\
                {\"phone\":\"+525512345672\",\"f\":[{\"name\":\"city\",\"value\":null},{\"name\":\"city\",\"value\":\"Lima\"}]}\n\
                {\"phone\":\"+525512345673\",\"f\":[null,{\"name\":\"City\",\"value\":\"Quito\"},{}]}\n";
    let rules = "match = \"phone\"\nunmapped = \"ignore\"\n[fields]\nphone = \"phone\"\ncity = \"f.city\"\nplan = \"f.plan.kind\"\n";
    let harness = Harness::unlimited().await;
    harness.write("in.jsonl", text);
    harness.write("contactsync.toml", rules);
    assert_eq!(harness.sync("in.jsonl").run().await.exits(0).summary().rows(), "3 created");
    let expected = ["city=Lima phone=+525512345672", "city=Quito phone=+525512345673", "phone=+525512345671 plan=pro"];
    assert_eq!(there(&harness), expected);
    harness.write("contactsync.toml", rules.replace("\"phone\"\ncity", "\"f.1.value\"\ncity"));
    assert_eq!(harness.plan("in.jsonl").run().await.exits(3).planned().rows(), "3 rejected");
}

#[tokio::test]
async fn labelled_phones_in_another_order_are_reported() {
    let row = |id: u32, one: &str, two: &str| {
        let phone = |label: &str| {
            format!("{{\"label\":\"{label}\",\"number\":\"+5255{}234567{id}\"}}", u8::from(label == "home"))
        };
        format!("{{\"name\":\"P{id}\",\"phones\":[{},{}]}}\n", phone(one), phone(two))
    };
    let text = row(1, "home", "mobile") + &row(2, "mobile", "home") + &row(3, "mobile", "work");
    for (path, is_said) in
        [("phones.0.number", true), ("phones.mobile.number", false), ("phones.primary.number", false)]
    {
        let harness = Harness::unlimited().await;
        harness.write("in.jsonl", &text);
        harness.write(
            "contactsync.toml",
            format!("match = \"phone\"\nunmapped = \"ignore\"\n[fields]\nphone = \"{path}\"\n"),
        );
        let ran = harness.sync("in.jsonl").run().await.exits(0);
        let said = "the list `phones` has its elements (identified by `label`) at other positions in 2 rows (first on line 2) \
                    than in earlier rows, and the mapping reads one by position; read it by its `label`, as `phones.VALUE.KEY`";
        assert_eq!(ran.stderr_lines("warning:").iter().any(|line| line.contains(said)), is_said, "{path} {ran:?}");
        if path.contains("mobile") {
            let expected = ["phone=+525502345671", "phone=+525502345672", "phone=+525502345673"];
            assert_eq!(there(&harness), expected);
        }
    }
    // With the same label first, and others after it, nothing is reported.
    let harness = Harness::unlimited().await;
    harness.write("in.jsonl", row(1, "home", "mobile") + &row(2, "home", "work") + &row(3, "home", "fax"));
    harness
        .write("contactsync.toml", "match = \"phone\"\nunmapped = \"ignore\"\n[fields]\nphone = \"phones.0.number\"\n");
    assert!(!harness.sync("in.jsonl").run().await.exits(0).stderr.contains("at other positions"));
}

#[tokio::test]
async fn a_primary_flag_may_be_a_word_or_a_label() {
    for flag in [
        r#""primary":"yes""#,
        r#""primary":"Y""#,
        r#""principal":"s\u00ed""#,
        r#""is_primary":"1""#,
        r#""isPrimary":"true""#,
        r#""primaryFlag":true"#,
        r#""isMain":true"#,
        r#""type":"primary""#,
        r#""label":"Primary""#,
    ] {
        let row = |id: u32| {
            format!(
                "{{\"name\":\"P{id}\",\"phones\":[{{\"value\":\"+52551111111{id}\"}},{{\"value\":\"+52552222222{id}\",{flag}}}]}}\n"
            )
        };
        let (written, contacts, _) = arrived("in.jsonl", &(row(1) + &row(2)), "2 created").await;
        assert!(
            contacts.iter().all(|contact| contact.contains("phone=+52552222222")),
            "{flag} {contacts:?}\n{written}"
        );
        let harness = Harness::unlimited().await;
        harness.write("in.jsonl", row(1));
        let rules = "match = \"phone\"\nunmapped = \"ignore\"\n[fields]\nphone = \"phones.0.value\"\n";
        harness.write("contactsync.toml", rules);
        let plan = harness.plan("in.jsonl").run().await.exits(0);
        assert!(plan.stderr.contains("use `phones.primary`"), "{flag} {plan:?}");
    }
}

#[tokio::test]
async fn json_text_in_an_address_that_finds_no_contact_is_reported() {
    let jsonl = "{\"phone\":\"+525512345671\",\"email\":\"{\\\"a\\\":1}\",\"notes\":\"[1]\"}\n{\"phone\":\"+525512345672\",\"email\":\"[]\"}\n";
    let csv = "phone,email,notes\n+525512345671,\"{\"\"a\"\":1}\",[1]\n+525512345672,[],\n";
    let said = "`email` is JSON text in 2 rows (first on line #), which is sent as it is";
    for (name, text, line) in [("in.jsonl", jsonl, "1"), ("in.csv", csv, "2")] {
        for (rules, is_said) in [
            ("match = \"phone\"\n", true),
            ("match = \"phone\"\nunmapped = \"ignore\"\n[fields]\nphone = \"phone\"\nmail = \"email\"\n", true),
            ("match = \"phone\"\nunmapped = \"ignore\"\n[fields]\nphone = \"phone\"\n", false),
            ("match = \"email\"\n", false),
        ] {
            let harness = Harness::unlimited().await;
            harness.write(name, text);
            harness.write("contactsync.toml", rules);
            let plan = harness.plan(name).run().await;
            let warned = plan.stderr_lines("warning:").iter().any(|found| found.contains(&said.replace('#', line)));
            assert_eq!(warned, is_said, "{rules} {plan:?}");
            assert!(!plan.stderr.contains("`notes`"), "{plan:?}");
        }
    }
}

#[tokio::test]
async fn false_beside_text_is_reported_at_every_depth() {
    let row = |id: u32, value: &str| {
        format!(
            "{{\"phone\":\"+52551234567{id}\",\"address\":{{\"home\":{{\"street\":{value}}}}},\
             \"more\":[{{\"name\":\"street\",\"value\":{value}}}],\"lines\":[{{\"street\":{value}}}]}}\n"
        )
    };
    for path in ["address.home.street", "more.street", "lines.0.street"] {
        let harness = Harness::unlimited().await;
        harness.write("in.jsonl", row(1, "false") + &row(2, "\"Main 1\""));
        let rules =
            format!("match = \"phone\"\nunmapped = \"ignore\"\n[fields]\nphone = \"phone\"\nstreet = \"{path}\"\n");
        harness.write("contactsync.toml", &rules);
        let plan = harness.plan("in.jsonl").run().await.exits(0);
        let said = format!("`{path}` is `false` in 1 row (first on line 1) and text in others");
        assert!(plan.stderr_lines("warning:").iter().any(|line| line.contains(&said)), "{path} {plan:?}");
        let null = format!("{{ column = \"{path}\", transform = [{{ null = [\"false\"] }}] }}");
        harness.write("contactsync.toml", rules.replace(&format!("\"{path}\""), &null));
        let ran = harness.sync("in.jsonl").run().await.exits(0);
        assert!(!ran.stderr.contains("is `false`"), "{path} {ran:?}");
        assert_eq!(there(&harness), ["phone=+525512345671", "phone=+525512345672 street=Main 1"]);
    }
    let (written, contacts, _) = arrived("in.jsonl", &(row(1, "false") + &row(2, "\"Main 1\"")), "2 created").await;
    assert!(!contacts.concat().contains("false"), "{contacts:?}\n{written}");
}

#[tokio::test]
async fn the_only_field_of_a_list_is_read_by_its_name() {
    // The next row may have another field there.
    let harness = Harness::unlimited().await;
    let only =
        |id: &str| format!("{{\"name\":\"Ann\",\"more\":[{{\"fields\":[{{\"id\":\"{id}\",\"value\":\"1\"}}]}}]}}\n");
    harness.write("only.jsonl", only("crm") + &only("city"));
    for path in ["more.0.fields.0.value", "more.primary.fields.0.value"] {
        let rules = format!("match = \"key\"\nunmapped = \"ignore\"\n[fields]\nkey = \"{path}\"\n");
        harness.write("contactsync.toml", rules);
        let plan = harness.plan("only.jsonl").run().await.exits(3);
        assert_eq!(plan.planned().rows(), "2 rejected", "{plan:?}");
        assert!(
            (plan.stdout.clone() + &plan.stderr).contains(".fields.NAME`), found one read by position"),
            "{plan:?}"
        );
    }
    // Of a list with one field in each row, `init` writes the name as well.
    let text = "{\"phone\":\"+525512345671\",\"extra\":[{\"name\":\"plan\",\"value\":\"pro\"}],\"a\":[{\"key\":\"city\",\"values\":[\"Lima\"]}]}\n\
                {\"phone\":\"+525512345672\",\"extra\":[],\"a\":[{\"key\":\"city\",\"values\":[]}]}\n";
    let (written, contacts, _) = arrived("in.jsonl", text, "2 created").await;
    assert!(written.contains("\"extra.plan\"") && written.contains("\"a.city.0\""), "{written}");
    assert!(!written.contains(".0.value") && contacts[0].contains("Lima"), "{contacts:?}\n{written}");
    assert!(contacts.concat().matches("pro").count() == 1, "{contacts:?}");
    // A tag of one value is that tag.
    let text = r#"{"phone":"+525512345671","f":[{"name":"tags","values":["Big, spender"]},{"name":"plan","values":["pro, x"]}]}"#;
    let tags = "match = \"phone\"\nunmapped = \"ignore\"\n[fields]\nphone = \"phone\"\nplan = \"f.plan\"\n[[tags]]\ncolumn = \"f.tags\"\n";
    let one = Harness::unlimited().await;
    one.write("in.jsonl", text);
    one.write("contactsync.toml", tags);
    assert_eq!(one.sync("in.jsonl").run().await.exits(0).summary().rows(), "1 created");
    assert_eq!(there(&one), ["phone=+525512345671 plan=pro, x +Big, spender"]);
}

#[tokio::test]
async fn json_text_in_a_cell_is_no_phone_and_finds_no_contact() {
    let cell = r#"{\"number\": \"+525512345671\"}"#;
    let list = r#"[\"+525512345671\"]"#;
    for (name, text, rules, rows) in [
        ("in.jsonl", format!("{{\"phone\":\"{cell}\"}}"), "", "1 rejected"),
        ("in.jsonl", format!("{{\"phone\":\"{list}\"}}"), "", "1 rejected"),
        (
            "in.jsonl",
            format!("{{\"phone\":\" {list} \"}}"),
            "[fields]\nphone = { column = \"phone\", transform = [\"e164\"] }\n",
            // One number, whose step drops what is no digit of it.
            "1 created",
        ),
        (
            "in.jsonl",
            r#"{"phone":"{\"1\":\"5512345671\"}"}"#.to_owned(),
            "country = \"US\"\n[fields]\nphone = { column = \"phone\", transform = [\"e164\"] }\n",
            "1 rejected",
        ),
        (
            "in.jsonl",
            r#"{"phone":"[\"+525512345671\",\"1\"]"}"#.to_owned(),
            "[fields]\nphone = { column = \"phone\", transform = [\"e164\"] }\n",
            "1 rejected",
        ),
        (
            "in.jsonl",
            r#"{"x":"[\"17\"]"}"#.to_owned(),
            "[fields]\nphone = { column = \"x\", transform = [\"digits\"] }\n",
            "1 rejected",
        ),
        (
            "in.jsonl",
            format!("{{\"phone\":\"{list}\"}}"),
            "[fields]\nphone = { column = \"phone\", transform = [\"digits\"] }\n",
            "1 rejected",
        ),
        (
            "in.jsonl",
            format!("{{\"phone\":\"{cell}\"}}"),
            "[fields]\nphone = { column = \"phone\", transform = [\"digits\"] }\n",
            "1 rejected",
        ),
        ("in.jsonl", r#"{"phone":"+525512345671","tags":"[{\"name\":\"vip\"}]"}"#.to_owned(), "", "1 rejected"),
        ("in.jsonl", r#"{"phone":"+525512345671","tags":"{\"name\":\"vip\"}"}"#.to_owned(), "", "1 rejected"),
        // Another phone than the one that contacts are found by, also in the field of another name.
        ("in.jsonl", format!("{{\"phone\":\"+525512345672\",\"mobile\":\"{cell}\"}}"), "", "1 rejected"),
        (
            "in.jsonl",
            format!("{{\"phone\":\"+525512345672\",\"x\":\"{cell}\"}}"),
            "[fields]\nphone = \"phone\"\ncelular = \"x\"\n",
            "1 rejected",
        ),
        ("in.csv", format!("phone,name\n\"{}\",Ann\n", cell.replace("\\\"", "\"\"")), "", "1 rejected"),
        ("in.csv", "phone\tname\n[\"+525512345671\"]\tAnn\n".to_owned(), "", "1 rejected"),
        // A note may be anything.
        ("in.jsonl", format!("{{\"phone\":\"+525512345672\",\"note\":\"{cell}\",\"a\":\"[x]\"}}"), "", "1 created"),
        ("in.jsonl", "{\"phone\":\"+525512345672\",\"mobile\":\"[no number]\"}".to_owned(), "", "1 created"),
        ("in.jsonl", r#"{"phone":"+525512345672","tags":"[\"vip\"]"}"#.to_owned(), "", "1 created"),
    ] {
        let harness = Harness::unlimited().await;
        harness.write(name, &text);
        harness.write("contactsync.toml", format!("match = \"phone\"\n{rules}"));
        let ran = harness.sync(name).run().await;
        assert_eq!(ran.summary().rows(), rows, "{text} {rules} {ran:?}");
    }
}

#[tokio::test]
async fn pages_that_contradict_their_own_count_are_reported() {
    let rows = r#"[{"phone":"+525512345671"},{"phone":"+525512345672"}]"#;
    let part = "the file may not contain all contacts";
    for (text, expected) in [
        (r#"{"count":57,"results":ROWS}"#, "it has 2 of the 57 rows that its pages mention"),
        (r#"{"results":ROWS,"count":"57"}"#, "it has 2 of the 57 rows"),
        (r#"{"results":ROWS,"count":57,"page":1,"page_size":2}"#, "it has 2 of the 57 rows"),
        (r#"{"length":57,"data":ROWS}"#, "it has 2 of the 57 rows"),
        (r#"{"total_count":57,"items":ROWS}"#, "it has 2 of the 57 rows"),
        (r#"{"totalCount":57,"items":ROWS}"#, "it has 2 of the 57 rows"),
        (r#"{"data":ROWS,"recordsTotal":57}"#, "it has 2 of the 57 rows"),
        (r#"{"data":ROWS,"total_entries":57}"#, "it has 2 of the 57 rows"),
        (r#"{"data":ROWS,"total_contacts":57}"#, "it has 2 of the 57 rows"),
        (r#"{"contacts":ROWS,"meta":{"count":57}}"#, "it has 2 of the 57 rows"),
        (r#"{"@odata.count":57,"value":ROWS}"#, "it has 2 of the 57 rows"),
        (
            r#"{"took":5,"timed_out":false,"hits":{"total":{"value":57,"relation":"eq"},"max_score":1.0,"hits":ROWS}}"#,
            "it has 2 of the 57 rows",
        ),
        (r#"{"took":5,"hits":{"total":57,"hits":ROWS}}"#, "it has 2 of the 57 rows"),
        (r#"{"response":{"numFound":57,"start":0,"docs":ROWS}}"#, "it has 2 of the 57 rows"),
        (r#"{"records":ROWS,"offset":"itrABC/recXYZ"}"#, "announces further pages"),
        (r#"{"items":ROWS,"next_page_token":"abc"}"#, "announces further pages"),
        (r#"{"items":ROWS,"nextPageToken":"abc"}"#, "announces further pages"),
        (r#"{"items":ROWS,"has_more":true}"#, "announces further pages"),
        (r#"{"items":ROWS,"hasMore":true}"#, "announces further pages"),
        (r#"{"content":ROWS,"last":false,"first":true}"#, "announces further pages"),
        (r#"{"values":ROWS,"isLast":false}"#, "announces further pages"),
        (r#"{"items":ROWS,"IsTruncated":true}"#, "announces further pages"),
        // What is whole.
        (r#"{"count":2,"results":ROWS}"#, ""),
        (r#"{"count":0,"results":ROWS}"#, ""),
        (r#"{"length":2,"data":ROWS,"offset":0}"#, ""),
        (r#"{"data":ROWS,"offset":"40","limit":50}"#, ""),
        (r#"{"data":ROWS,"offset":null,"next_page_token":"","has_more":false,"last":true}"#, ""),
        (r#"{"results":ROWS,"count":100,"page":1}"#, ""),
        (r#"{"results":ROWS,"count":100,"limit":100,"page":1}"#, ""),
        // The size of a page, not the number of its rows.
        (r#"{"elements":ROWS,"paging":{"count":10,"start":0}}"#, ""),
        (r#"{"hits":{"total":{"value":2,"relation":"eq"},"hits":ROWS}}"#, ""),
    ] {
        let harness = Harness::unlimited().await;
        let rows = if text.contains("\"hits\"") {
            r#"[{"_source":{"phone":"+525512345671"}},{"_source":{"phone":"+525512345672"}}]"#
        } else {
            rows
        };
        harness.write("in.json", text.replace("ROWS", rows));
        let path = if text.contains("\"hits\"") { "_source.phone" } else { "phone" };
        harness.write(
            "contactsync.toml",
            format!("match = \"phone\"\nunmapped = \"ignore\"\n[fields]\nphone = \"{path}\"\n"),
        );
        let ran = harness.plan("in.json").run().await.exits(0);
        assert_eq!(ran.planned().rows(), "2 pending", "{text}");
        assert_eq!(ran.stderr.contains(part), !expected.is_empty(), "{text} {ran:?}");
        assert!(ran.stderr.contains(expected), "{text} {ran:?}");
    }
}

#[tokio::test]
async fn a_path_that_no_row_has_is_reported() {
    let harness = Harness::unlimited().await;
    let person = |id: u32| {
        format!(
            "{{\"id\":\"{id}\",\"phones\":[{{\"label\":\"Celular\",\"number\":\"+52551234567{id}\"}}],\"fax\":null}}\n"
        )
    };
    harness.write("in.jsonl", person(1) + &person(2));
    let config = |path: &str| {
        format!(
            "match = \"crm_id\"\nunmapped = \"ignore\"\n[fields]\ncrm_id = \"id\"\nfax = \"fax\"\nphone = \"{path}\"\n"
        )
    };
    for (path, is_missing) in [("phones.movil.number", true), ("fone", true), ("phones.celular.number", false)] {
        harness.write("contactsync.toml", config(path));
        let notice = format!("no row has `{path}`, which the mapping reads");
        for ran in [harness.plan("in.jsonl").run().await, harness.sync("in.jsonl").run().await] {
            let ran = ran.exits(0);
            assert_eq!(ran.stderr.contains(&notice), is_missing, "{path}: {ran:?}");
            assert_eq!(ran.stderr.matches("no row has").count(), usize::from(is_missing), "{path}: {ran:?}");
        }
        // It has no platform, and shows what it can.
        let ran = harness.program("check in.jsonl").run().await;
        assert_eq!(ran.stdout.contains(&notice), is_missing, "{path}: {ran:?}");
    }
}

#[tokio::test]
async fn labelled_values_under_any_key_are_parts_of_a_contact() {
    for key in ["customFieldValues", "answers", "field_data", "contact_points", "tels", "contact", "f"] {
        let harness = Harness::unlimited().await;
        let person = |id: u32| {
            let phone = |label: &str, digit: u32| format!("{{\"type\":\"{label}\",\"value\":\"+52551234567{digit}\"}}");
            let list = [phone("home", 9), phone("mobile", id)].join(",");
            format!("{{\"id\":\"{id}\",\"name\":\"Ana\",\"{key}\":[{list}]}}")
        };
        harness.write("in.json", format!("[{},{}]", person(1), person(2)));
        let rules = format!(
            "match = \"crm_id\"\nunmapped = \"ignore\"\n[fields]\ncrm_id = \"id\"\nphone = \"{key}.mobile.value\"\n"
        );
        harness.write("contactsync.toml", rules);
        let ran = harness.sync("in.json").run().await.exits(0);
        assert_eq!(ran.summary().rows(), "2 created", "{key}: {ran:?}");
        let expected = ["crm_id=1 phone=+525512345671", "crm_id=2 phone=+525512345672"];
        assert_eq!(there(&harness), expected, "{key}");
    }
}
