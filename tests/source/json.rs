//! Properties of reading arbitrary bytes as JSON, and arbitrary rows in any layout. `CASES=10000000 cargo test --release --test
//! source json` is the long run.

use contactsync::contact::Cells;
use contactsync::source::Row;
use contactsync::{Format, Source};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use crate::properties::Pieces;

fn cases() -> u32 {
    std::env::var("CASES").map_or(2_000, |cases| cases.parse().expect("a number of cases"))
}

/// The layout of rows in a text.
#[derive(Clone, Copy, Debug)]
enum Layout {
    Array,
    Lines,
    Objects,
    Arrays,
    ArrayOfArrays,
    Under(usize),
    Pages(usize),
    PageLines(usize),
    ArrayOfPages(usize),
}

/// The path of keys to the rows, and the other content of the objects on it.
const WAYS: [(&[&str], &str); 8] = [
    (&["contacts"], "{}"),
    (&["data"], r#"{"success":true,"total":3,"links":{"next":"http://x/?page=2"},"meta":{"total":3}}"#),
    (&["results"], r#"{"count":3,"next":null,"previous":null}"#),
    (&["anything"], "{}"),
    (&["response", "contacts"], r#"{"status":"ok"}"#),
    (&["result", "data", "items"], r#"{"has_more":false}"#),
    (&["value"], r#"{"@odata.context":"https://example.com/$metadata"}"#),
    (&["contacts"], r#"{"export":"crm","account_id":17}"#),
];

fn any_row() -> impl Strategy<Value = Json> {
    let text = prop_oneof!["\\PC{0,6}", "[{}\\[\\]\",:\\\\]{0,8}"];
    let address = (text.clone(), any::<bool>()).prop_map(|(city, home)| json!({"city": city, "home": home}));
    let parts = (
        any::<u32>(),
        prop::option::of(text.clone()),
        prop::option::of(any::<i64>()),
        prop::option::of(any::<bool>()),
        prop::option::of(prop::collection::vec(text, 0..3)),
        prop::option::of(prop::collection::vec(address, 0..3)),
        any::<bool>(),
    );
    parts.prop_map(|(phone, name, visits, member, tags, addresses, is_nested)| {
        let mut row = Map::new();
        row.insert("phone".into(), format!("+{phone}").into());
        let mut put = |key: &str, json: Option<Json>| json.map(|json| row.insert(key.into(), json));
        put("name", name.map(Json::from));
        put("visits", visits.map(Json::from));
        put("member", member.map(Json::from));
        put("tags", tags.map(Json::from));
        put("addresses", addresses.map(Json::from));
        put("company", is_nested.then(|| json!({"name": "ACME", "offices": [{"city": "Lima"}]})));
        Json::Object(row)
    })
}

fn any_layout() -> impl Strategy<Value = Layout> {
    let way = 0..WAYS.len();
    prop_oneof![
        Just(Layout::Array),
        Just(Layout::Lines),
        Just(Layout::Objects),
        Just(Layout::Arrays),
        Just(Layout::ArrayOfArrays),
        way.clone().prop_map(Layout::Under),
        way.clone().prop_map(Layout::Pages),
        way.clone().prop_map(Layout::PageLines),
        way.prop_map(Layout::ArrayOfPages),
    ]
}

impl Layout {
    fn text(self, rows: &[Json], a_page: usize, is_pretty: bool) -> String {
        let show =
            |json: &Json| if is_pretty { serde_json::to_string_pretty(json) } else { serde_json::to_string(json) };
        let show = |json: Json| show(&json).expect("JSON") + "\n";
        let pages = || rows.chunks(a_page);
        let all = |of: &mut dyn Iterator<Item = Json>| of.map(show).collect::<String>();
        let lines = |of: &mut dyn Iterator<Item = Json>| of.flat_map(|json| [json.to_string(), "\n".into()]).collect();
        match self {
            Self::Array => show(rows.into()),
            Self::Lines => lines(&mut rows.iter().cloned()),
            Self::Objects => all(&mut rows.iter().cloned()),
            Self::Arrays => all(&mut pages().map(Json::from)),
            Self::ArrayOfArrays => show(pages().map(Json::from).collect()),
            Self::Under(way) => show(page(way, rows)),
            Self::Pages(way) => all(&mut pages().map(|rows| page(way, rows))),
            Self::PageLines(way) => lines(&mut pages().map(|rows| page(way, rows))),
            Self::ArrayOfPages(way) => show(pages().map(|rows| page(way, rows)).collect()),
        }
    }
}

fn page(way: usize, rows: &[Json]) -> Json {
    let (keys, others) = WAYS[way];
    let others: Map<String, Json> = serde_json::from_str(others).expect("JSON");
    let mut inner = Json::from(rows);
    for (at, key) in keys.iter().enumerate().rev() {
        let mut object = if at == 0 { others.clone() } else { Map::new() };
        object.insert((*key).to_owned(), inner);
        inner = object.into();
    }
    inner
}

fn open(bytes: Vec<u8>, size: usize, format: Option<Format>) -> Option<Source> {
    Source::from_reader("in", Box::new(Pieces { bytes, at: 0, size }), format).ok()
}

// The number of rows at `path` in a JSON text; `None` when a plain parser cannot read it.
fn rows_of(bytes: &[u8], path: Option<&str>) -> Option<usize> {
    let path: Vec<&str> = path.map(|path| path.split('.').collect()).unwrap_or_default();
    let of_object = |object: &Json| {
        let mut json = object;
        for key in &path {
            json = json.get(key)?;
        }
        Some(match json {
            _ if path.is_empty() => 1,
            Json::Array(rows) => rows.len(),
            Json::Null => 0,
            Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => 1,
        })
    };
    let mut count = 0;
    for json in serde_json::Deserializer::from_slice(bytes).into_iter::<Json>() {
        match json.ok()? {
            Json::Array(elements) => {
                let is_nested = elements.first().is_some_and(|first| first.get(0).is_some_and(Json::is_object));
                for element in &elements {
                    count += match element {
                        Json::Array(rows) if is_nested => rows
                            .iter()
                            .map(|row| if row.is_object() { of_object(row) } else { Some(1) })
                            .sum::<Option<usize>>()?,
                        Json::Object(_) => of_object(element)?,
                        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => 1,
                    };
                }
            }
            object @ Json::Object(_) => count += of_object(&object)?,
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => return None,
        }
    }
    Some(count)
}

// Bytes with the tokens that matter to a JSON reader, more often than uniform randomness gives.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\n",
        " ",
        "\"",
        "\\",
        "{\"phone\":\"+1\"}",
        "\"contacts\":",
        "\"data\":[",
        "\"phone\":\"+1\"",
        "\"success\":true",
        "{\"contacts\":[",
        "]}",
        "1",
        "-0",
        "1e3",
        "1e999",
        "null",
        "\"a\":",
        "\"x\"",
        "\u{feff}",
        "\u{e9}",
        "[{\"id\":1}]",
        "{\"a\":[{\"b\":1}]}",
        "12345678901234567890123",
    ]);
    let tokens = prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat().into_bytes());
    let rows = prop::collection::vec(any_row(), 0..4);
    let change =
        (any::<prop::sample::Index>(), prop_oneof![any::<u8>(), prop::sample::select(b"{}[],:\"\\\n0e".to_vec())]);
    let changed = (rows, any_layout(), 1_usize..3, any::<bool>(), prop::collection::vec(change, 0..4)).prop_map(
        |(rows, layout, a_page, is_pretty, changes)| {
            let mut bytes = layout.text(&rows, a_page, is_pretty).into_bytes();
            for (at, byte) in changes {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            bytes
        },
    );
    prop_oneof![3 => tokens, 6 => changed, 1 => prop::collection::vec(any::<u8>(), 0..60)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn the_layout_of_json_does_not_change_its_rows(
        rows in prop::collection::vec(any_row(), 1..8), layout in any_layout(), a_page in 1_usize..4, is_pretty in any::<bool>(),
        size in 1_usize..200,
    ) {
        let text = layout.text(&rows, a_page, is_pretty);
        for format in [None, Some(Format::Json), Some(Format::Jsonl)] {
            // Only the layout of lines has one object on each line.
            if format == Some(Format::Jsonl) && !matches!(layout, Layout::Lines | Layout::PageLines(_)) {
                continue;
            }
            let source = open(text.clone().into_bytes(), size, format).expect("JSON");
            let mut read: Vec<Json> = Vec::new();
            let mut line = 1;
            for row in source {
                match row.expect("JSON") {
                    Row::Record(record) => {
                        prop_assert_eq!(record.row, read.len() as u64 + 1);
                        prop_assert!(record.line >= line && record.line <= text.lines().count() as u64);
                        line = record.line;
                        let Cells::Object(object) = record.cells else { panic!("texts from JSON") };
                        let object = object.into_iter().map(|(key, json)| (key.to_string(), json));
                        read.push(object.collect::<Map<_, _>>().into());
                    }
                    Row::Rejected(rejection) => panic!("{rejection:?}\n{text}"),
                }
            }
            prop_assert_eq!(&read, &rows, "{:?}\n{}", format, &text);
        }
    }

    #[test]
    fn no_bytes_of_json_lose_a_row(bytes in any_bytes(), size in 1_usize..100, choice in 0_usize..3) {
        let format = [None, Some(Format::Json), Some(Format::Jsonl)][choice];
        let Some(mut source) = open(bytes.clone(), size, format) else { return Ok(()) };
        let (found, path) = (source.format(), source.detected().rows_under());
        let mut count = 0;
        for row in source.by_ref() {
            match row {
                Ok(Row::Record(_)) => {}
                Ok(Row::Rejected(rejection)) => prop_assert!(!rejection.reason.is_empty()),
                // The whole input is refused.
                Err(_) => return Ok(()),
            }
            count += 1;
        }
        // A byte order mark is at the start of a file, and of each file in a concatenation.
        let unmarked = |bytes: &[u8]| bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).to_vec();
        // Ctrl-Z or NUL bytes after the text are not a row.
        let text = bytes.iter().rposition(|byte| !matches!(byte, 0 | 0x1A | b'\n' | b'\r')).map_or(0, |last| last + 1);
        let end = bytes[text..].iter().position(|byte| matches!(byte, 0 | 0x1A)).map_or(bytes.len(), |at| text + at);
        let text = unmarked(&bytes[..end]);
        // Lines of UTF-16 are not counted here. NUL bytes show it even without a byte order mark.
        if source.detected().encoding().is_some_and(|charset| charset.to_string().starts_with("UTF-16")) {
            return Ok(());
        }
        let expected = match (found, &path) {
            (Format::Jsonl, None) => {
                Some(text.split(|byte| *byte == b'\n').filter(|line| !unmarked(line).trim_ascii().is_empty()).count())
            }
            (Format::Jsonl | Format::Json, _) => rows_of(&text, path.as_deref()),
            (Format::Csv | Format::Tsv | Format::Xlsx | Format::Ods, _) => None,
        };
        if let Some(expected) = expected {
            prop_assert_eq!(count, expected, "{} {:?}", String::from_utf8_lossy(&bytes), path);
        }
    }
}
