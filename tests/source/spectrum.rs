//! Edge cases of CSV. The ideas are from the `csv-spectrum` suite (npm, BSD-2-Clause), the cases are new.

use contactsync::Source;
use contactsync::contact::Cells;
use contactsync::source::{Row, SourceOptions};

use crate::read;

// Each row as `line a|b`, with its line breaks shown, or as `line [column] reason`.
fn rows(source: Source) -> Vec<String> {
    let show = |row| match row {
        Row::Record(record) => {
            let Cells::Texts(texts) = record.cells else { panic!("JSON from CSV") };
            let cells: Vec<_> = texts.iter().collect();
            format!("{} {}", record.line, cells.join("|")).replace('\n', "⏎").replace('\r', "␍")
        }
        Row::Rejected(rejection) => {
            format!("{} [{}] {}", rejection.line, rejection.column.unwrap_or_default(), rejection.reason)
        }
    };
    source.map(|row| show(row.unwrap())).collect()
}

fn check(text: impl AsRef<[u8]>, header: &str, expected: &[&str]) {
    check_as(SourceOptions::default(), text, header, expected);
}

fn check_as(options: SourceOptions, text: impl AsRef<[u8]>, header: &str, expected: &[&str]) {
    let text = text.as_ref();
    let source = read(text.to_vec(), options).unwrap_or_else(|| panic!("{}", text.escape_ascii()));
    let names: Vec<_> = source.header().unwrap().iter().map(|name| &**name).collect();
    assert_eq!(names.join("|"), header, "{}", text.escape_ascii());
    assert_eq!(rows(source), expected, "{}", text.escape_ascii());
}

#[test]
fn simple() {
    check("name,city\nAnn,Lima\n", "name|city", &["2 Ann|Lima"]);
    check("name,city\r\nAnn,Lima\r\n", "name|city", &["2 Ann|Lima"]);
    check("name,city\rAnn,Lima\r", "name|city", &["2 Ann|Lima"]);
    check("name,city\nAnn,Lima", "name|city", &["2 Ann|Lima"]);
    check("name\nAnn\nBo\n", "name", &["2 Ann", "3 Bo"]);
    // Mixed line ends in one file.
    check("a,b\r\n1,2\n3,4\r5,6\r\n", "a|b", &["2 1|2", "3 3|4", "4 5|6"]);
}

#[test]
fn comma_in_quotes() {
    check("name,place\nAnn,\"Puebla, Mexico\"\n", "name|place", &["2 Ann|Puebla, Mexico"]);
    check("name;place\nAnn;\"Puebla; Mexico\"\n", "name|place", &["2 Ann|Puebla; Mexico"]);
    check("\"last, first\",phone\n\"Lee, Ann\",1\n", "last, first|phone", &["2 Lee, Ann|1"]);
}

#[test]
fn empty() {
    check("a,b,c\n1,\"\",\"\"\n2,3,4\n", "a|b|c", &["2 1||", "3 2|3|4"]);
    check("a,b,c\r\n1,\"\",\"\"\r\n2,3,4\r\n", "a|b|c", &["2 1||", "3 2|3|4"]);
    check("a,b,c\n1,,\n,2,\n,,3\n", "a|b|c", &["2 1||", "3 |2|", "4 ||3"]);
    check("a,b,c\n,,\n\"\",\"\",\"\"\n1,2,3\n", "a|b|c", &["4 1|2|3"]);
    check("a\n\"\"\n1\n", "a", &["2 ", "3 1"]);
    check("a,b\n", "a|b", &[]);
}

#[test]
fn escaped_quotes() {
    check("a,b\n1,\"said \"\"hola\"\" twice\"\n", "a|b", &["2 1|said \"hola\" twice"]);
    check("a,b\n1,\"\"\"\"\n2,\"\"\"x\"\n", "a|b", &["2 1|\"", "3 2|\"x"]);
    // A quote inside an unquoted cell is an ordinary character.
    check("a,b\n5' 11\",x\nAn\"n,y\n", "a|b", &["2 5' 11\"|x", "3 An\"n|y"]);
    // Text after a closing quote means a misplaced quote.
    let reason =
        "expected a delimiter after the closing quote of a cell, found text: quotes inside a cell must be doubled";
    check("a,b\n\"x\"y,z\n", "a|b", &[&format!("2 [] {reason}")]);
    check("a,b\n\"x\" ,z\n", "a|b", &["2 x |z"]);
}

#[test]
fn newlines() {
    check("a,b\n1,\"x\ny\nz\"\n2,w\n", "a|b", &["2 1|x⏎y⏎z", "5 2|w"]);
    check("a,b\r\n1,\"x\r\ny\"\r\n2,w\r\n", "a|b", &["2 1|x␍⏎y", "4 2|w"]);
    check("\"a\nx\",b\n1,2\n", "a\nx|b", &["3 1|2"]);
    check("a,b\n\"\n\",\"\n\n\"\n2,w\n", "a|b", &["6 2|w"]);
    check("a,b\n\n\n1,2\n\n", "a|b", &["4 1|2"]);
}

#[test]
fn quotes_and_newlines() {
    check("a,b\n1,\"x\n\"\"y\"\"\nz\"\n2,w\n", "a|b", &["2 1|x⏎\"y\"⏎z", "5 2|w"]);
    check("a,b\n1,\"\"\"\n\"\"\"\n2,w\n", "a|b", &["2 1|\"⏎\"", "4 2|w"]);
}

#[test]
fn json_in_a_cell() {
    let cell = "{\"\"at\"\": [102.0, 0.5], \"\"is\"\": \"\"x\"\"}";
    check(format!("key,val\n1,\"{cell}\"\n"), "key|val", &["2 1|{\"at\": [102.0, 0.5], \"is\": \"x\"}"]);
}

#[test]
fn letters() {
    check("a,b\n1,\u{2603} \u{4f60}\u{597d}\n", "a|b", &["2 1|\u{2603} \u{4f60}\u{597d}"]);
    check("\u{feff}a,b\n1,\u{1f600}\n", "a|b", &["2 1|\u{1f600}"]);
    check("\u{feff}\"a\",b\n1,2\n", "a|b", &["2 1|2"]);
    // Coordinates with the degree signs of older programs.
    check(b"at,city\n19\xB002'36\"N 98\xB012'W,Puebla\n", "at|city", &["2 19°02'36\"N 98°12'W|Puebla"]);
}

#[test]
fn delimiters_at_the_ends_of_lines() {
    check("a,b,\n1,2,\n3,4,\n", "a|b", &["2 1|2", "3 3|4"]);
    check("a,b\n1,2,\n3,4,,\n", "a|b", &["2 1|2", "3 3|4"]);
    check("a;b;\n1;2\n", "a|b", &["2 1|2"]);
    check("a,b\n1,2,x\n3,4\n", "a|b", &["2 [] expected 2 cells, found 3", "3 3|4"]);
    let many = ",".repeat(200);
    check(format!("a,b\n1,2{many}\n3,4\n"), "a|b", &["2 [] expected 2 cells, found 202", "3 3|4"]);
}

#[test]
fn options_override_the_detected_format() {
    let with =
        |delimiter: &str| SourceOptions { delimiter: Some(delimiter.parse().unwrap()), ..SourceOptions::default() };
    check_as(with(","), "a;b\n1;2\n", "a;b", &["2 1;2"]);
    check_as(with("tab"), "a\tb,c\n1\t2,3\n", "a|b,c", &["2 1|2,3"]);
    check_as(with(","), "sep=;\na,b\n1,2\n", "a|b", &["3 1|2"]);
    let skipped = |skip_lines| SourceOptions { skip_lines, ..SourceOptions::default() };
    check_as(skipped(1), "a note, \"left open\na;b\n1;2\n", "a|b", &["3 1|2"]);
    check_as(skipped(1), "sep=|\r\na|b\r\n1|2\r\n", "a|b", &["3 1|2"]);
    check_as(skipped(2), "x\r\ny\r\na,b\r\n1,2\r\n", "a|b", &["4 1|2"]);
    let headless = SourceOptions { no_header: true, ..SourceOptions::default() };
    check_as(headless.clone(), "1;2\n3;4\n", "column 1|column 2", &["1 1|2", "2 3|4"]);
    check_as(
        headless.clone(),
        "\n1,\"2\nx\"\n3,4\n5\n",
        "column 1|column 2",
        &["2 1|2⏎x", "4 3|4", "5 [] expected 2 cells, found 1"],
    );
    let both = SourceOptions { skip_lines: 1, ..headless };
    check_as(both, "a,b\n1,2\n", "column 1|column 2", &["2 1|2"]);
    let latin = SourceOptions { encoding: Some("windows-1251".parse().unwrap()), ..SourceOptions::default() };
    check_as(latin, b"a,b\n\xC8\xE2\xE0\xED,1\n", "a|b", &["2 Иван|1"]);
}

#[test]
fn an_error_has_its_position() {
    let utf16 = |text: &str| [vec![0xFF, 0xFE], text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat();
    let lone = [utf16("a,b\n1,x"), vec![0x00, 0xD8], utf16("\n2,3\n")[2..].to_vec()].concat();
    let reason = "[b] expected UTF-16LE, found bytes that are invalid in it at byte 2 of the cell";
    check(lone, "a|b", &[&format!("2 {reason}"), "3 2|3"]);
    check(
        b"\xC3\xA1,b\n1,2\xE9\n3,4\n",
        "á|b",
        &["2 [b] expected UTF-8, found another encoding at byte 2 of the cell", "3 3|4"],
    );
}
