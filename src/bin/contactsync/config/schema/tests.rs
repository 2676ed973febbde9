use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::*;
use crate::commands::reference::help_by_key;
use crate::config::tests::config;

fn whole() -> Json {
    schema(&help_by_key())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every configuration in the documentation and the examples, with its place.
fn documented() -> Vec<(String, String)> {
    let inside = |folder: &str| {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<PathBuf>>()
    };
    let folders = ["docs", "examples", "examples/kubernetes"].into_iter().flat_map(inside);
    let files = folders.chain(["README.md", "README.es.md"].map(|name| root().join(name)));
    let mut found = Vec::new();
    for path in files.filter(|path| path.is_file()) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
        let place = path.strip_prefix(root()).unwrap().display().to_string();
        if kind == "toml" {
            found.push((place, text));
        } else if kind == "yaml" {
            // The file in a ConfigMap.
            for (_, rest) in text.match_indices("contactsync.toml: |\n").map(|(at, key)| text.split_at(at + key.len()))
            {
                let inside = rest.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
                found.push((place.clone(), inside.map(str::trim_start).collect::<Vec<_>>().join("\n") + "\n"));
            }
        } else if kind == "md" {
            let blocks = text.split("\n```toml\n").skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned());
            found.extend(blocks.enumerate().map(|(nth, block)| (format!("{place}, block {nth}"), block + "\n")));
        }
    }
    found
}

/// A configuration as JSON, as editors see it.
fn json_of(text: &str) -> Json {
    fn table(entries: &DeTable<'_>) -> Json {
        entries
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), one(value.get_ref())))
            .collect::<Map<_, _>>()
            .into()
    }
    fn one(value: &DeValue<'_>) -> Json {
        match value {
            DeValue::String(text) => text.as_ref().into(),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).unwrap().into(),
            DeValue::Float(number) => number.as_str().parse::<f64>().unwrap().into(),
            DeValue::Boolean(flag) => (*flag).into(),
            DeValue::Datetime(moment) => moment.to_string().into(),
            DeValue::Array(values) => values.iter().map(|value| one(value.get_ref())).collect(),
            DeValue::Table(entries) => table(entries),
        }
    }
    table(DeTable::parse(text).unwrap().get_ref())
}

/// Whether a value is valid, by the parts of the specification that the schema uses.
fn is_valid(schema: &Json, value: &Json) -> bool {
    let Json::Object(schema) = schema else { panic!("{schema}") };
    schema.iter().all(|(key, rule)| match key.as_str() {
        "$schema" | "title" | "description" | "properties" => true,
        "anyOf" => rule.as_array().unwrap().iter().any(|form| is_valid(form, value)),
        "enum" => rule.as_array().unwrap().contains(value),
        "const" => rule == value,
        "minimum" => value.as_i64() >= rule.as_i64(),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| is_valid(rule, item))),
        "additionalProperties" => value.as_object().is_none_or(|entries| {
            entries.iter().all(|(name, value)| match schema.get("properties").and_then(|keys| keys.get(name)) {
                Some(known) => is_valid(known, value),
                None => rule.is_object() && is_valid(rule, value),
            })
        }),
        "type" => match rule.as_str().unwrap() {
            "string" => value.is_string(),
            "integer" => value.is_i64(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("{other}"),
        },
        other => panic!("the schema has an unexpected keyword: {other}"),
    })
}

#[test]
fn every_documented_configuration_is_valid_by_the_schema() {
    let schema = whole();
    let documented = documented();
    assert!(documented.len() >= 12, "found only {}", documented.len());
    for (place, text) in documented {
        assert!(is_valid(&schema, &json_of(&text)), "{place}:\n{text}");
    }
}

#[test]
fn the_schema_and_the_parser_agree() {
    let schema = whole();
    let check = |text: &str, expected: bool| {
        assert_eq!(is_valid(&schema, &json_of(text)), expected, "{text}");
        let found = config(text);
        assert_eq!(found.is_ok(), expected, "{text}: {found:?}");
    };
    for valid in [
        "match = \"phone\"\nrate = 5\nuntil = \"06:00\"",
        "match = [\"phone\", \"email\"]",
        "until = 06:00",
        "search_lag = 30",
        "max_changes = \"20%\"",
        "on_missing = { tag = \"gone\" }",
        "check_access = { field = \"a\", value = \"b\" }",
        "[source]\nname = \"crm\"",
        "[channel.a]\nkind = \"viber\"\ntoken_command = [\"pass\", \"a\"]",
        "[fields]\nphone = \"Tel\"\nname = { template = \"{A} {B}\", transform = [\"trim\", { date = [\"DD/MM/YYYY\"] }] }",
        "[fields.phone]\ncolumn = \"Tel\"\ntransform = { table = { A = \"b\" } }\ntype = \"number\"",
        "[[tags]]\ncolumn = \"T\"\n[[tags]]\nconstant = [\"x\"]",
        "[[take]]\ncolumn = \"E\"\nis = \"a\"",
        "id = { column = \"I\", transform = \"digits\" }",
    ] {
        check(valid, true);
    }
    for invalid in [
        "mach = \"phone\"",
        "rate = 0",
        "rate = \"5\"",
        "mode = \"upset\"",
        "platform = 5",
        "no_header = 1",
        "search_lag = -1",
        "token = \"x\"",
        "json = true",
        "match = [1]",
        "on_missing = { tags = \"gone\" }",
        "check_access = { fields = \"a\", value = \"b\" }",
        "[source]\nnames = \"crm\"",
        "[channel.a]\nchannel_kind = \"viber\"",
        "[channel.a]\njournal = \"a.db\"",
        "[fields]\nphone = { colum = \"Tel\" }",
        "[fields]\nphone = { column = \"Tel\", transform = [\"lowercase\"] }",
        "[fields]\nphone = { column = \"Tel\", transform = [{ dates = \"DD/MM/YYYY\" }] }",
        "[fields]\nphone = { column = \"Tel\", write = \"never\" }",
        "[fields]\nphone = { column = \"Tel\", required = \"yes\" }",
        "[[tags]]\ncolumns = \"T\"",
        "[[take]]\ncolumn = \"E\"\nare = \"a\"",
        "unmapped = \"drop\"",
        "id = { columns = \"I\" }",
    ] {
        check(invalid, false);
    }
}

#[test]
fn every_misspelt_key_is_invalid_by_the_schema() {
    let schema = whole();
    let mut checked = 0;
    for (place, text) in documented() {
        for (at, line) in text.lines().enumerate() {
            let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase()))
            else {
                continue;
            };
            // A line of a table of names has a name of the user's.
            let lines: Vec<&str> = text.lines().collect();
            let header = lines[..at].iter().rev().find(|line| line.starts_with('[')).copied().unwrap_or_default();
            if header == "[fields]" || header.ends_with(".fields]") {
                continue;
            }
            let misspelt = format!("{key}x{}", &line[key.len()..]);
            let changed = [&lines[..at], &[misspelt.as_str()], &lines[at + 1..]].concat().join("\n");
            let Ok(_) = DeTable::parse(&changed) else { continue };
            assert!(!is_valid(&schema, &json_of(&changed)), "{place}: {misspelt}");
            checked += 1;
        }
    }
    assert!(checked >= 30, "checked only {checked} keys");
}

#[test]
fn the_schema_has_the_keys_of_the_reference() {
    let reference = fs::read_to_string(root().join("docs/reference.md")).unwrap().replace("\\|", " or ");
    // The columns `key` of the tables of options, and the first column of the tables of keys.
    let section = |title: &str| {
        let (_, rest) = reference.split_once(&format!("### {title}\n")).expect(title);
        rest.split("\n#").next().unwrap().to_owned()
    };
    let cell = |line: &str, nth: usize| {
        let cell = line.split('|').nth(nth)?.trim();
        cell.strip_prefix('`')?.strip_suffix('`').map(str::to_owned)
    };
    let listed = |title: &str| section(title).lines().filter_map(|line| cell(line, 1)).collect::<BTreeSet<String>>();
    let schema = whole();
    let keys = |path: &str| {
        let object = schema.pointer(path).and_then(Json::as_object).expect(path);
        object.keys().cloned().collect::<BTreeSet<String>>()
    };
    let (_, options) = reference.split_once("\n## Options\n").unwrap();
    let options = options.split("\n## ").next().unwrap().lines();
    let is_option = |line: &&str| line.starts_with("| `-");
    let of_options: BTreeSet<String> = options.filter(is_option).filter_map(|line| cell(line, 2)).collect();
    let of_mapping = listed("Keys of the mapping");
    // Tables that are no option have a section of their own in the reference.
    let is_documented_table = |key: &String| reference.contains(&format!("`[{key}"));
    let expected: BTreeSet<String> = of_options.union(&of_mapping).cloned().collect();
    let found: BTreeSet<String> =
        keys("/properties").into_iter().filter(|key| expected.contains(key) || !is_documented_table(key)).collect();
    assert_eq!(found, expected);
    let field = "/properties/fields/additionalProperties/anyOf/1/properties";
    assert_eq!(keys(field), listed("Keys of a field"));
    assert_eq!(keys("/properties/tags/anyOf/1/properties"), listed("Keys of `[[tags]]`"));
    assert_eq!(keys("/properties/take/anyOf/1/properties"), listed("Keys of `[[take]]`"));
    let channel = section("Keys of a channel");
    for key in keys("/properties/channel/anyOf/1/additionalProperties/properties") {
        assert!(channel.contains(&format!("`{key}`")), "{key}");
    }
    for step in NAMED_STEPS.iter().map(|step| step.name) {
        assert!(schema.to_string().contains(&format!("\"const\":\"{step}\"")), "{step}");
    }
}

#[test]
fn every_key_has_a_description() {
    fn check(schema: &Json, path: &str) {
        let Some(schema) = schema.as_object() else { return };
        for (key, value) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
            // Short tables of two or three keys are explained where they are used.
            let explained = ["on_missing", "check_access", "source", "job"];
            let whole = format!("{path}.{key}");
            let is_table = ["notify", "degraded"].contains(&key.as_str());
            let is_explained = is_table || explained.iter().any(|table| whole.contains(&format!(".{table}")));
            assert!(is_explained || value.get("description").is_some(), "{path}.{key}");
            check(value, &format!("{path}.{key}"));
        }
        for form in schema.get("anyOf").and_then(Json::as_array).into_iter().flatten() {
            check(form, path);
        }
        for inner in ["items", "additionalProperties"] {
            check(schema.get(inner).unwrap_or(&Json::Null), path);
        }
    }
    check(&whole(), "");
}
