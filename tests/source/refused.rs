//! JSON that must be refused: nothing is misread, and each error has its position. The ideas are from `JSONTestSuite` (its texts
//! `n_…` and some of `i_…`), the cases are new.

use contactsync::Format;
use contactsync::source::{Row, SourceOptions};

use crate::read;

// The number of contacts, and the messages.
fn outcome(text: &[u8], options: impl Into<SourceOptions>) -> (usize, Vec<String>) {
    let (mut contacts, mut messages) = (0, Vec::new());
    for row in read(text.to_vec(), options).unwrap() {
        match row {
            Ok(Row::Record(_)) => contacts += 1,
            Ok(Row::Rejected(rejection)) => {
                let column = rejection.column.unwrap_or_default();
                messages.push(format!("{} [{column}] {}", rejection.line, rejection.reason));
            }
            Err(error) => messages.push(error.to_string()),
        }
    }
    (contacts, messages)
}

// A text of at most one contact before the error.
fn check(text: &[u8], contacts: usize, expected: &str) {
    check_as(Format::Json, text, contacts, expected);
    as_a_line(text);
}

// An answer is read alike in a JSON file and on a line of JSONL.
fn check_answer(text: &[u8], contacts: usize, expected: &str) {
    check_as(Format::Json, text, contacts, expected);
    check_as(Format::Jsonl, text, contacts, expected);
}

fn check_as(format: Format, text: &[u8], contacts: usize, expected: &str) {
    let found = outcome(text, format);
    assert_eq!(found, (contacts, vec![expected.to_owned()]), "{}", text.escape_ascii());
    assert!(expected.starts_with("in:") || expected.starts_with("1 ["), "{expected}");
}

// As a line of JSONL it is one rejected row, and the next line is read, unless it is a contact there.
fn as_a_line(text: &[u8]) {
    if text.contains(&b'\n') || text.trim_ascii().is_empty() {
        return;
    }
    let lines = [text, b"\n{\"a\":1}\n"].concat();
    let (contacts, messages) = outcome(&lines, Format::Jsonl);
    assert_eq!((contacts, messages.len()), (1, 1), "{}: {messages:?}", text.escape_ascii());
    assert!(messages[0].starts_with("1 ["), "{messages:?}");
}

#[test]
fn brackets_and_commas() {
    check(b"[{\"a\":1},]", 1, "in:1: expected a value at byte 10, found `]`");
    check(b"[,{\"a\":1}]", 0, "in:1: expected a value at byte 2, found `,`");
    check(b"[{\"a\":1},,{\"a\":2}]", 1, "in:1: expected a value at byte 10, found `,`");
    check(b"[{\"a\":1}", 1, "in:1: expected `,` or `]` at byte 9, found the end of the file");
    check(b"[{\"a\":1},", 1, "in:1: expected a value at byte 10, found the end of the file");
    check(b"[", 0, "in:1: expected a value or `]` at byte 2, found the end of the file");
    check(b"[{", 0, "in:1: expected the end of what was begun at byte 3, found the end of the file");
    check(b"[{\"a\"", 0, "in:1: expected the end of what was begun at byte 6, found the end of the file");
    check(b"[{\"a\":", 0, "in:1: expected the end of what was begun at byte 7, found the end of the file");
    check(b"[{\"a\":1", 0, "in:1: expected the end of what was begun at byte 8, found the end of the file");
    check(b"[{\"a\":\"x", 0, "in:1: expected the end of what was begun at byte 9, found the end of the file");
    check(b"[{\"a\":\"x\\\"", 0, "in:1: expected the end of what was begun at byte 11, found the end of the file");
    check(b"[{\"a\":1}}", 1, "in:1: expected `,` or `]` at byte 9, found `}`");
    check(b"[{\"a\":1]}", 0, "in:1: expected JSON at byte 8, found a fault: expected `,` or `}`");
    check(b"[{\"a\":1}]]", 1, "in:1: expected nothing after the array at byte 10, found `]`");
    check(b"[{\"a\":1}],", 1, "in:1: expected nothing after the array at byte 10, found `,`");
    check(b"[{\"a\":1}] x", 1, "in:1: expected nothing after the array at byte 11, found `x`");
    check(b"[{\"a\":1}]{\"a\":2}", 1, "in:1: expected nothing after the array at byte 10, found `{`");
    check(b"[{\"a\":1} {\"a\":2}]", 1, "in:1: expected `,` or `]` at byte 10, found `{`");
    check(b"[{\"a\":1}: 2]", 1, "in:1: expected `,` or `]` at byte 9, found `:`");
    check(b"]", 0, "in:1: expected an array or an object at byte 1, found `]`");
    check(b"}", 0, "in:1: expected an array or an object at byte 1, found `}`");
    check(b",", 0, "in:1: expected an array or an object at byte 1, found `,`");
}

#[test]
fn keys() {
    check(b"[{\"a\":1,}]", 0, "in:1: expected JSON at byte 9, found a fault: key must be a string");
    check(b"[{,\"a\":1}]", 0, "in:1: expected JSON at byte 3, found a fault: key must be a string");
    check(b"[{\"a\":1,,\"b\":2}]", 0, "in:1: expected JSON at byte 9, found a fault: key must be a string");
    check(b"[{\"a\" 1}]", 0, "in:1: expected JSON at byte 7, found a fault: expected `:`");
    check(b"[{\"a\"::1}]", 0, "in:1: expected JSON at byte 7, found a fault: expected value");
    check(b"[{\"a\"}]", 0, "in:1: expected JSON at byte 6, found a fault: expected `:`");
    check(b"[{:1}]", 0, "in:1: expected JSON at byte 3, found a fault: key must be a string");
    check(b"[{\"a\":}]", 0, "in:1: expected JSON at byte 7, found a fault: expected value");
    check(b"[{a:1}]", 0, "in:1: expected JSON at byte 3, found a fault: key must be a string");
    check(b"[{'a':1}]", 0, "in:1: expected JSON at byte 3, found a fault: key must be a string");
    check(b"[{1:1}]", 0, "in:1: expected JSON at byte 3, found a fault: key must be a string");
    check(b"[{null:1}]", 0, "in:1: expected JSON at byte 3, found a fault: key must be a string");
    check(b"[{[1]:1}]", 0, "in:1: expected JSON at byte 3, found a fault: key must be a string");
}

#[test]
fn strings() {
    check(b"[{\"a\":'x'}]", 0, "in:1: expected JSON at byte 7, found a fault: expected value");
    check(b"[{\"a\":\"x]}", 0, "in:1: expected the end of what was begun at byte 11, found the end of the file");
    check(
        b"[{\"a\":\"x\ty\"}]",
        0,
        "in:1: expected JSON at byte 8, found a fault: control character (\\u0000-\\u001F) found while parsing a string",
    );
    check(
        b"[{\"a\":\"x\ny\"}]",
        0,
        "in:1: expected JSON at byte 8, found a fault: control character (\\u0000-\\u001F) found while parsing a string",
    );
    check(
        b"[{\"a\":\"\0\"}]",
        0,
        "in:1: expected JSON at byte 7, found a fault: control character (\\u0000-\\u001F) found while parsing a string",
    );
    check(b"[{\"a\":\"\\x41\"}]", 0, "in:1: expected JSON at byte 9, found a fault: invalid escape");
    check(b"[{\"a\":\"\\\"}]", 0, "in:1: expected the end of what was begun at byte 12, found the end of the file");
    check(b"[{\"a\":\"\\u12\"}]", 0, "in:1: expected JSON at byte 13, found a fault: invalid escape");
    check(b"[{\"a\":\"\\u00G0\"}]", 0, "in:1: expected JSON at byte 13, found a fault: invalid escape");
    check(
        b"[{\"a\":\"\\uD800\"}]",
        0,
        "1 [] expected a JSON object, found a fault at byte 13: unexpected end of hex escape",
    );
    check(
        b"[{\"a\":\"\\uD800\\u0041\"}]",
        0,
        "1 [] expected a JSON object, found a fault at byte 18: lone leading surrogate in hex escape",
    );
    check(
        b"[{\"a\":\"\\uDC00\"}]",
        0,
        "1 [] expected a JSON object, found a fault at byte 12: lone leading surrogate in hex escape",
    );
    check(b"[{\"a\":\"\xFF\"}]", 0, "1 [] expected a JSON object, found a fault at byte 7: invalid unicode code point");
    check(b"[{\"a\":\"\xC3\"}]", 0, "1 [] expected a JSON object, found a fault at byte 7: invalid unicode code point");
    check(
        b"[{\"a\":\"\xED\xA0\x80\"}]",
        0,
        "1 [] expected a JSON object, found a fault at byte 7: invalid unicode code point",
    );
    check(
        b"[{\"a\":\"\xC0\xAF\"}]",
        0,
        "1 [] expected a JSON object, found a fault at byte 7: invalid unicode code point",
    );
    check(b"[{\"a\xFF\":1}]", 0, "1 [] expected a JSON object, found a fault at byte 4: invalid unicode code point");
    check(b"[{\"a\":\xFF}]", 0, "in:1: expected JSON at byte 7, found a fault: expected value");
}

#[test]
fn numbers() {
    check(b"[{\"a\":01}]", 0, "in:1: expected JSON at byte 8, found a fault: invalid number");
    check(b"[{\"a\":-01}]", 0, "in:1: expected JSON at byte 9, found a fault: invalid number");
    check(b"[{\"a\":1.}]", 0, "in:1: expected JSON at byte 9, found a fault: invalid number");
    check(b"[{\"a\":.5}]", 0, "in:1: expected JSON at byte 7, found a fault: expected value");
    check(b"[{\"a\":-.5}]", 0, "in:1: expected JSON at byte 8, found a fault: invalid number");
    check(b"[{\"a\":+1}]", 0, "in:1: expected JSON at byte 7, found a fault: expected value");
    check(b"[{\"a\":-}]", 0, "in:1: expected JSON at byte 8, found a fault: invalid number");
    check(b"[{\"a\":--1}]", 0, "in:1: expected JSON at byte 8, found a fault: invalid number");
    check(b"[{\"a\":1e}]", 0, "in:1: expected JSON at byte 9, found a fault: invalid number");
    check(b"[{\"a\":1e+}]", 0, "in:1: expected JSON at byte 10, found a fault: invalid number");
    check(b"[{\"a\":1ee2}]", 0, "in:1: expected JSON at byte 9, found a fault: invalid number");
    check(b"[{\"a\":1.2.3}]", 0, "in:1: expected JSON at byte 10, found a fault: expected `,` or `}`");
    check(b"[{\"a\":1 2}]", 0, "in:1: expected JSON at byte 9, found a fault: expected `,` or `}`");
    check(b"[{\"a\":0x1F}]", 0, "in:1: expected JSON at byte 8, found a fault: expected `,` or `}`");
    check(b"[{\"a\":NaN}]", 0, "in:1: expected JSON at byte 7, found a fault: expected value");
    check(b"[{\"a\":Infinity}]", 0, "in:1: expected JSON at byte 7, found a fault: expected value");
    check(b"[{\"a\":-Infinity}]", 0, "in:1: expected JSON at byte 8, found a fault: invalid number");
    check(b"[{\"a\":1e999}]", 0, "1 [] expected a JSON object, found a fault at byte 10: number out of range");
    let long = "1 [] expected a number of at most 400 digits, found a longer one at byte 6";
    check(b"[{\"a\":1e-999}]", 0, long);
}

#[test]
fn literals_and_comments() {
    check(b"[{\"a\":True}]", 0, "in:1: expected JSON at byte 7, found a fault: expected value");
    check(b"[{\"a\":tru}]", 0, "in:1: expected JSON at byte 10, found a fault: expected ident");
    check(b"[{\"a\":nul}]", 0, "in:1: expected JSON at byte 10, found a fault: expected ident");
    check(b"[{\"a\":undefined}]", 0, "in:1: expected JSON at byte 7, found a fault: expected value");
    check(b"[{\"a\":1} // x\n]", 1, "in:1: expected `,` or `]` at byte 10, found `/`");
    check(b"[{\"a\":/* x */1}]", 0, "in:1: expected JSON at byte 7, found a fault: expected value");
    check(b"# x\n[{\"a\":1}]", 0, "in:1: expected an array or an object at byte 1, found `#`");
}

#[test]
fn values_that_are_not_contacts() {
    check(b"[{\"a\":1,\"a\":2}]", 0, "1 [a] expected the key once in an object, found it twice");
    check(b"[{\"a\":{\"b\":1,\"b\":2}}]", 0, "1 [b] expected the key once in an object, found it twice");
    check(b"[null]", 0, "1 [] expected a JSON object, found null");
    check(b"[true]", 0, "1 [] expected a JSON object, found a boolean");
    check(b"[1]", 0, "1 [] expected a JSON object, found a number");
    check(b"[\"x\"]", 0, "1 [] expected a JSON object, found text");
    check(b"[[1]]", 0, "1 [] expected a JSON object, found an array");
    check(b"null", 0, "in:1: expected an array or an object at byte 1, found `n`");
    check(b"1", 0, "in:1: expected an array or an object at byte 1, found `1`");
    check(b"\"x\"", 0, "in:1: expected an array or an object at byte 1, found `\"`");
}

#[test]
fn whitespace_and_byte_order_marks() {
    check(b"", 0, "in: expected an array or an object, found an empty file");
    check(b" \n ", 0, "in: expected an array or an object, found an empty file");
    check(b"[\xA0{\"a\":1}]", 0, "in:1: expected JSON at byte 2, found a fault: expected value");
    check(b"[\x0B{\"a\":1}]", 0, "in:1: expected JSON at byte 2, found a fault: expected value");
    check(b"[{\"a\":1}\xEF\xBB\xBF]", 1, "in:1: expected `,` or `]` at byte 9, found the byte 0xEF");
    check(b"[{\"a\":\x7F1}]", 0, "in:1: expected JSON at byte 7, found a fault: expected value");
}

#[test]
fn answers() {
    check_answer(b"{\"data\":[{\"a\":1},]}", 1, "in:1: expected a value at byte 18, found `]`");
    check_answer(b"{\"data\":[{\"a\":1}]", 1, "in:1: expected `,` or `}` at byte 18, found the end of the file");
    check_answer(b"{\"data\":[{\"a\":1}],}", 1, "in:1: expected a key at byte 19, found `}`");
    check_answer(b"{\"data\":[{\"a\":1}] \"meta\":{}}", 1, "in:1: expected `,` or `}` at byte 19, found `\"`");
    check_answer(
        b"{\"data\":[{\"a\":1}],\"meta\":{]}",
        1,
        "in:1: expected JSON at byte 27, found a fault: key must be a string",
    );
    // An error before the key of the rows: an ordinary object.
    check(b"{\"meta\":nul,\"data\":[{\"a\":1}]}", 0, "in:1: expected JSON at byte 12, found a fault: expected ident");
    check_answer(b"{\"data\":[{\"a\":1}]}}", 1, "in:1: expected another object at byte 19, found `}`");
    check(b"{\"a\":1}]", 1, "in:1: expected another object at byte 8, found `]`");
}

#[test]
fn deep_nesting_and_long_rows() {
    let deep = [b"[{\"a\":".to_vec(), b"[".repeat(100_000), b"]".repeat(100_000), b"}]".to_vec()].concat();
    check(&deep, 0, "1 [] expected a JSON object, found a fault at byte 132: recursion limit exceeded");
    let open = b"[".repeat(100_000);
    check(&open, 0, "in:1: expected the end of what was begun at byte 100001, found the end of the file");
    let keys = b"[{\"a\":".repeat(50_000);
    check(&keys, 0, "in:1: expected the end of what was begun at byte 300001, found the end of the file");
}
