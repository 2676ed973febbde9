//! Rows of a file with one JSON object per line.

use std::io::{BufRead, Read};

use super::object::{Keys, Object};
use super::{BOM, Bytes, MAX_ROW, Row, SourceFault, nesting, raw_row, too_long};
use crate::core::model::Rejection;
use crate::core::record::{Cells, Record};

/// The rows of a JSONL file.
pub(super) struct Rows {
    bytes: Bytes,
    text: Vec<u8>,
    line: u64,
    row: u64,
    object: Object,
    before: nesting::Rows,
}

impl Rows {
    pub(super) fn new(bytes: Bytes, keys: Keys) -> Self {
        let object = Object::adding_to(keys);
        Self { bytes, text: Vec::new(), line: 0, row: 0, object, before: nesting::Rows::default() }
    }

    /// The cells that could be read of the row that was just rejected.
    pub(super) fn remains(&self) -> Option<Cells> {
        raw_row(&self.text)
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Row>, SourceFault> {
        loop {
            self.line += 1;
            let (line, row) = (self.line, self.row + 1);
            let Some(whole) = self.read().map_err(|cause| SourceFault::Read { line, cause })? else { return Ok(None) };
            // A byte order mark in between belongs to an appended file.
            let text = self.text.strip_prefix(BOM).unwrap_or(&self.text).trim_ascii_end();
            if whole && text.trim_ascii().is_empty() {
                continue;
            }
            self.row = row;
            if !whole {
                self.text.clear();
                return Ok(Some(Row::Rejected(too_long(row, line))));
            }
            // Each line of an export ends with a line break. Without one, an incomplete object was cut off.
            if self.text.last() != Some(&b'\n') && is_cut_off(text) {
                return Err(SourceFault::CutOff { line });
            }
            return Ok(Some(match self.object.read(text) {
                Ok(object) => {
                    let checked = self.before.check(&object, text, false);
                    checked.map_err(|fault| SourceFault::Rows { line, fault })?;
                    Row::Record(Record { row, line, cells: Cells::Object(object), total: None })
                }
                Err(flaw) => Row::Rejected(Rejection { row, line, column: flaw.column, reason: flaw.reason }),
            }));
        }
    }

    // Reads one line into `text`. False when it is too long; the rest of it is skipped.
    fn read(&mut self) -> std::io::Result<Option<bool>> {
        self.text.clear();
        let read = (&mut self.bytes).take(MAX_ROW as u64 + 1).read_until(b'\n', &mut self.text)?;
        let whole = read <= MAX_ROW;
        if !whole && self.text.last() != Some(&b'\n') {
            self.bytes.skip_until(b'\n')?;
        }
        Ok((read > 0).then_some(whole))
    }
}

fn is_cut_off(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err_and(|error| error.is_eof())
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Source};
    use super::*;

    // Each row as `line {…}` or `line [column] reason`.
    fn rows(bytes: &[u8]) -> Vec<String> {
        let reader = Box::new(std::io::Cursor::new(bytes.to_vec()));
        let source = Source::from_reader("in.jsonl", reader, Format::Jsonl).unwrap();
        let show = |row| match row {
            Row::Record(Record { line, cells, .. }) => {
                let Cells::Object(object) = cells else { panic!("texts from a JSONL file") };
                let cells: Vec<_> = object.iter().map(|(key, json)| format!("{key}={json}")).collect();
                format!("{line} {}", cells.join(" "))
            }
            Row::Rejected(Rejection { line, column, reason, .. }) => {
                format!("{line} [{}] {reason}", column.unwrap_or_default())
            }
        };
        source.map(|row| show(row.unwrap())).collect()
    }

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
    }

    #[test]
    fn values_come_as_they_stand() {
        check("{\"b\": \" x \", \"a\": null}\n", &["1 b=\" x \" a=null"]);
        check("{\"a\": [1, {\"b\": true}]}", &["1 a=[1,{\"b\":true}]"]);
        check("\u{feff}{\"a\":1}\r\n\r\n  \n{\"a\":2}\n{\"b\":1,\"a\":3}", &["1 a=1", "4 a=2", "5 b=1 a=3"]);
        check("{\"a\":1}\n\u{feff}{\"a\":2}\n\u{feff}\n", &["1 a=1", "2 a=2"]);
        check("{}\n", &["1 "]);
        check("", &[]);
        check("\n\n", &[]);
    }

    #[test]
    fn a_line_that_is_no_object_is_set_aside_without_its_content() {
        check(
            "{\"name\": \"Ann\", }\n{\"a\":1}\n",
            &["1 [] expected a JSON object, found a fault at byte 17: trailing comma", "2 a=1"],
        );
        check(
            "{\"a\": \"Ann\n",
            &["1 [] expected a JSON object, found a fault at byte 10: EOF while parsing a string"],
        );
        check("{\"a\":1} {\"a\":2}", &["1 [] expected a JSON object, found a fault at byte 9: trailing characters"]);
        check("Ann", &["1 [] expected a JSON object, found a fault at byte 1: expected value"]);
        check("\"Ann\"", &["1 [] expected a JSON object, found text"]);
        check("[{\"a\":1}]", &["1 [] expected a JSON object, found an array"]);
        check(" 17", &["1 [] expected a JSON object, found a number"]);
        check(
            "null\ntrue",
            &["1 [] expected a JSON object, found null", "2 [] expected a JSON object, found a boolean"],
        );
        assert_eq!(
            rows(b"{\"a\":\"\xFF\"}"),
            ["1 [] expected a JSON object, found a fault at byte 7: invalid unicode code point"]
        );
        let deep = format!("{{\"a\":{}\n", "[".repeat(100_000));
        check(&deep, &["1 [] expected a JSON object, found a fault at byte 132: recursion limit exceeded"]);
    }

    #[test]
    fn a_file_that_ends_inside_an_object_is_refused() {
        let check = |text: &str, cut: Option<u64>| {
            let reader = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
            let source = Source::from_reader("in.jsonl", reader, Format::Jsonl);
            let refused =
                source.and_then(Iterator::collect::<Result<Vec<Row>, _>>).err().map(|error| error.to_string());
            let expected =
                cut.map(|line| format!("in.jsonl:{line}: the last row is incomplete: the file may be cut off"));
            assert_eq!(refused, expected, "{text:?}");
        };
        check("{\"a\":1}\n{\"a\":2", Some(2));
        check("{\"a\":1}\n{\"a\":\"An", Some(2));
        check("{\"a\":1}\n{", Some(2));
        check("{\"a\":1}\n\n{\"a\"", Some(3));
        check("{\"a\":1}\n{\"a\":2}", None);
        // A line break shows that the line was written to its end.
        check("{\"a\":1}\n{\"a\":2\n", None);
        check("{\"a\":1}\n{\"a\":2,}", None);
    }

    #[test]
    fn a_key_stands_once_in_an_object() {
        let once = "expected the key once in an object, found it twice";
        check("{\"a\":1,\"a\":1}", &[&format!("1 [a] {once}")]);
        check(
            "{\"a\":1,\"b\":2}\n{\"a\":1,\"b\":2,\"a\":3}\n{\"a\":1,\"b\":2}",
            &["1 a=1 b=2", &format!("2 [a] {once}"), "3 a=1 b=2"],
        );
        check("{\"a\":1,\"b\":2}\n{\"b\":1,\"b\":2}", &["1 a=1 b=2", &format!("2 [b] {once}")]);
        check("{\"custom_fields\":{\"a\":1,\"a\":2}}", &[&format!("1 [a] {once}")]);
    }

    #[test]
    fn a_number_keeps_its_digits() {
        let kept = |number: &str, expected: &str| check(&format!("{{\"a\":{number}}}"), &[&format!("1 a={expected}")]);
        kept("18446744073709551615", "18446744073709551615");
        kept("-9223372036854775808", "-9223372036854775808");
        kept("0.1", "0.1");
        kept("-122.41941550000001", "-122.41941550000001");
        kept("0.30000000000000004", "0.30000000000000004");
        kept("0.00000000000000000001234", "1.234e-20");
        kept("1.50", "1.5");
        kept("100000000000000000000", "1e+20");
        // A float has not as many, so they are text.
        kept("18446744073709551616", "\"18446744073709551616\"");
        kept("-9223372036854775809", "\"-9223372036854775809\"");
        kept("1.000000000000000001", "\"1.000000000000000001\"");
        kept("0.12345678901234567", "\"0.12345678901234567\"");
        kept("12345678901234567890123e-3", "\"12345678901234567890.123\"");
        check(
            "{\"b\":\"\\\"1.000000000000000001\",\"a\":[{\"c\":1.000000000000000001,\"d\":2}],\"e\":18446744073709551616}",
            &[
                "1 b=\"\\\"1.000000000000000001\" a=[{\"c\":\"1.000000000000000001\",\"d\":2}] e=\"18446744073709551616\"",
            ],
        );
        check("{\"a\":1e999}", &["1 [] expected a JSON object, found a fault at byte 10: number out of range"]);
        check("{\"a\":1e-999}", &["1 [] expected a number of at most 400 digits, found a longer one at byte 6"]);
    }

    #[test]
    fn a_line_is_bounded() {
        let long = "x".repeat(MAX_ROW);
        let text = format!("{{\"a\":\"{long}\"}}\n{{\"a\":1}}\n{}", " ".repeat(MAX_ROW + 1));
        let reason = "[] expected a row of at most 16 MiB, found a longer one";
        check(&text, &[&format!("1 {reason}"), "2 a=1", &format!("3 {reason}")]);
        let just = format!("{}\n{{\"a\":1}}\n", " ".repeat(MAX_ROW));
        check(&just, &[&format!("1 {reason}"), "2 a=1"]);
    }
}
