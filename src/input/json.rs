//! Rows of JSON: objects in an array, consecutive objects, or objects in an array under a key, as in pages of an API
//! (`nesting` finds which).
//!
//! The text is split into elements as it is read, and each is parsed separately, so that memory is bounded by a row and not by
//! the array. A row that is valid JSON but not an object is rejected. A syntax error ends the reading, because the start of the
//! next row is unknown.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::BufRead;

use serde::de::IgnoredAny;

use super::edge;
use super::json_scan::Scan;
use super::lines::Lines;
use super::nesting::ValueAround;
use super::notice::Notices;
use super::object::{Keys, Object};
use super::pages::Pages;
use super::{BOM, Bytes, MAX_ROW, Row, RowsFault, SourceFault, nesting, raw_row, sniff, too_long};
use crate::core::model::Rejection;
use crate::core::record::{Cells, Record};

/// Maximum number of values around the rows that are compared. A response has a few; a contact has more.
const VALUES_AROUND: usize = 32;

/// The rows of a JSON input.
pub(super) struct Rows {
    bytes: Bytes,
    place: Place,
    // The keys that lead from an object to the array of its rows; empty when the objects are the rows.
    path: Vec<String>,
    begun: Begun,
    // The arrays and objects around the next element, outermost first.
    open: Vec<Open>,
    object: Object,
    before: nesting::Rows,
    // Values around the rows: their depth on the path, their keys and their hashes.
    values_around: Vec<(usize, String, u64)>,
    pages: Pages,
    notices: Notices,
    // The current element.
    text: Vec<u8>,
    row: u64,
}

/// What the text has, as far as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    Nothing,
    /// Consecutive objects.
    Objects,
    /// Consecutive arrays.
    Arrays,
}

/// An array or an object that is not read to its end.
#[derive(Clone, Copy, Debug)]
enum Open {
    /// An array. Its elements are rows, or objects that hold rows, or arrays of rows.
    Array { is_first: bool, of: Elements },
    /// An object on the path to the rows.
    Object(Around),
}

/// An object on the path to the rows.
#[derive(Clone, Copy, Debug)]
struct Around {
    /// Its depth on the path.
    depth: usize,
    /// The line on which it begins.
    line: u64,
    /// Whether no key was read yet.
    is_first: bool,
    /// Whether the next key of the path was read.
    is_found: bool,
    /// Whether it has values that a contact may have.
    is_unclear: bool,
}

/// What the elements of an array are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Elements {
    /// Unknown before the first element.
    Unknown,
    /// Rows, or with a path, objects that hold rows.
    Objects,
    /// Arrays of such objects.
    Arrays,
    /// Rows, at the end of the path.
    Rows,
}

/// The position of the next byte.
#[derive(Debug, Default)]
struct Place {
    lines: Lines,
    // The number of bytes before it in the line.
    before: u64,
}

/// A part of the text.
struct Part {
    /// The line on which it begins.
    line: u64,
    /// The number of bytes before it in that line.
    before: u64,
    /// Whether it is short enough to be kept.
    whole: bool,
}

impl Rows {
    pub(super) fn new(bytes: Bytes, path: Vec<String>, keys: Keys, notices: Notices) -> Self {
        Self {
            bytes,
            place: Place::default(),
            pages: Pages::of(&path),
            path,
            begun: Begun::Nothing,
            open: Vec::new(),
            object: Object::adding_to(keys),
            before: nesting::Rows::default(),
            values_around: Vec::new(),
            notices,
            text: Vec::new(),
            row: 0,
        }
    }

    /// The cells that could be read of the row that was just rejected.
    pub(super) fn remains(&self) -> Option<Cells> {
        raw_row(&self.text)
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Row>, SourceFault> {
        loop {
            let next = self.skip_spaces()?;
            let row = match self.open.last().copied() {
                None if next.is_none() && self.begun != Begun::Nothing => {
                    self.pages.report(self.row, self.place.lines.number(), &self.notices);
                    return Ok(None);
                }
                None => self.top(next)?,
                Some(Open::Array { is_first, of }) => self.in_array(next, is_first, of)?,
                Some(Open::Object(around)) => self.in_object(next, around)?,
            };
            if row.is_some() {
                return Ok(row);
            }
        }
    }

    fn top(&mut self, next: Option<u8>) -> Result<Option<Row>, SourceFault> {
        if next == BOM.first().copied() && self.bytes.peek(BOM.len()).bytes.starts_with(BOM) {
            // The byte order mark of an appended file.
            for _ in BOM {
                self.take()?;
            }
            return Ok(None);
        }
        match (self.begun, next) {
            (Begun::Nothing, None) => Err(SourceFault::EmptyJson),
            (Begun::Nothing | Begun::Arrays, Some(b'[')) => {
                self.begun = Begun::Arrays;
                self.enter(Open::Array { is_first: true, of: Elements::Unknown })
            }
            (Begun::Nothing | Begun::Objects, Some(b'{')) => {
                self.begun = Begun::Objects;
                self.object(false)
            }
            (Begun::Nothing, Some(_)) => Err(self.expected("an array or an object", next)),
            (Begun::Objects, None | Some(_)) => Err(self.expected("another object", next)),
            (Begun::Arrays, None | Some(_)) => Err(self.expected("nothing after the array", next)),
        }
    }

    fn in_array(&mut self, next: Option<u8>, is_first: bool, of: Elements) -> Result<Option<Row>, SourceFault> {
        let first = match next {
            Some(b']') => {
                self.open.pop();
                return self.take().map(|()| None);
            }
            Some(b',') if !is_first => {
                self.take()?;
                self.skip_spaces()?
            }
            Some(_) if is_first => next,
            None | Some(_) => {
                return Err(self.expected(if is_first { "a value or `]`" } else { "`,` or `]`" }, next));
            }
        };
        let of = if of == Elements::Unknown { self.elements() } else { of };
        if let Some(array) = self.open.last_mut() {
            *array = Open::Array { is_first: false, of };
        }
        match (of, first) {
            (Elements::Arrays, Some(b'[')) => self.enter(Open::Array { is_first: true, of: Elements::Objects }),
            (Elements::Objects | Elements::Arrays, Some(b'{')) => self.object(true),
            (Elements::Unknown | Elements::Objects | Elements::Arrays | Elements::Rows, None | Some(_)) => {
                self.element(true).map(Some)
            }
        }
    }

    // The kind of the elements of a new array, by the first one.
    fn elements(&mut self) -> Elements {
        let start = self.bytes.peek(sniff::SAMPLE).bytes;
        let is_array_of_objects =
            start.strip_prefix(b"[").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"{"));
        if is_array_of_objects { Elements::Arrays } else { Elements::Objects }
    }

    // An object that is a row or holds rows.
    fn object(&mut self, in_array: bool) -> Result<Option<Row>, SourceFault> {
        if self.path.is_empty() {
            return self.element(in_array).map(Some);
        }
        self.enter_object(0)
    }

    fn enter_object(&mut self, depth: usize) -> Result<Option<Row>, SourceFault> {
        let line = self.place.lines.number();
        if depth == 0 {
            self.pages.begin(line);
        }
        self.enter(Open::Object(Around { depth, line, is_first: true, is_found: false, is_unclear: false }))
    }

    fn in_object(&mut self, next: Option<u8>, around: Around) -> Result<Option<Row>, SourceFault> {
        let Around { depth, line, is_first, is_found, .. } = around;
        match next {
            Some(b'}') => {
                let array = self.path.join(".");
                if !is_found {
                    return Err(SourceFault::Rows { line, fault: RowsFault::Missing { array } });
                }
                if around.is_unclear {
                    return Err(SourceFault::Rows { line, fault: RowsFault::Unclear { array } });
                }
                self.open.pop();
                return self.take().map(|()| None);
            }
            Some(b',') if !is_first => self.take()?,
            Some(_) if is_first => {}
            None | Some(_) => return Err(self.expected("`,` or `}`", next)),
        }
        let key = self.key()?;
        let is_on_path = self.path.get(depth) == Some(&key);
        if is_on_path && is_found {
            return Err(self.expected("the key of the rows once in an object", Some(b':')));
        }
        self.colon()?;
        let next = self.skip_spaces()?;
        let is_last = depth + 1 == self.path.len();
        let is_opened = is_on_path && matches!(next, Some(b'{' | b'['));
        let is_unclear = !is_opened && self.check_value_around(depth, &key, is_on_path)?;
        if let Some(Open::Object(object)) = self.open.last_mut() {
            object.is_first = false;
            object.is_found |= is_on_path;
            object.is_unclear |= is_unclear;
        }
        match next {
            Some(b'[') if is_opened && is_last => self.enter(Open::Array { is_first: true, of: Elements::Rows }),
            // A single row, which some programs write without an array.
            Some(b'{') if is_opened && is_last => {
                let row = self.element(false)?;
                if let Row::Record(Record { line, .. }) = row {
                    nesting::check_single(&self.text).map_err(|fault| SourceFault::Rows { line, fault })?;
                }
                Ok(Some(row))
            }
            Some(b'{') if is_opened => self.enter_object(depth + 1),
            Some(b'[') if is_opened => {
                let fault = RowsFault::Missing { array: self.path.join(".") };
                Err(SourceFault::Rows { line: self.place.lines.number(), fault })
            }
            None | Some(_) => Ok(None),
        }
    }

    // A value that is not a row: it describes the response, or is null in place of the rows. Returns whether it may belong to a
    // contact.
    fn check_value_around(&mut self, depth: usize, key: &str, is_on_path: bool) -> Result<bool, SourceFault> {
        let part = self.part()?;
        self.check(&part)?;
        let line = part.line;
        if is_on_path {
            let fault = RowsFault::Missing { array: self.path.join(".") };
            return if self.text == b"null" { Ok(false) } else { Err(SourceFault::Rows { line, fault }) };
        }
        self.pages.add(key, &self.text);
        let kind = nesting::check_beside(&self.path, depth, key, &self.text);
        Ok(match kind.map_err(|fault| SourceFault::Rows { line, fault })? {
            ValueAround::Description => false,
            ValueAround::Value => self.is_another(depth, key),
            ValueAround::OfContact => true,
        })
    }

    // Whether an earlier object has another value under this key.
    fn is_another(&mut self, depth: usize, key: &str) -> bool {
        let mut value = DefaultHasher::new();
        self.text.hash(&mut value);
        let value = value.finish();
        match self.values_around.iter().find(|(at, name, _)| *at == depth && name == key) {
            Some((_, _, known)) => *known != value,
            None if self.values_around.len() < VALUES_AROUND => {
                self.values_around.push((depth, key.to_owned(), value));
                false
            }
            None => true,
        }
    }

    fn key(&mut self) -> Result<String, SourceFault> {
        match self.skip_spaces()? {
            Some(b'"') => {}
            next => return Err(self.expected("a key", next)),
        }
        let part = self.part()?;
        self.check(&part)?;
        // A key of invalid UTF-8 is not on the path.
        Ok(serde_json::from_slice(&self.text).unwrap_or_default())
    }

    fn colon(&mut self) -> Result<(), SourceFault> {
        match self.skip_spaces()? {
            Some(b':') => self.take(),
            next => Err(self.expected("`:`", next)),
        }
    }

    // A row. An element of an array certainly is one, unless it clearly holds rows.
    fn element(&mut self, in_array: bool) -> Result<Row, SourceFault> {
        self.row += 1;
        let part = self.part()?;
        let (row, line) = (self.row, part.line);
        if !part.whole {
            self.text.clear();
            return Ok(Row::Rejected(too_long(row, line)));
        }
        if !self.path.is_empty() {
            self.pages.add_row(&self.text);
        }
        if self.path.last().is_some_and(|key| key == edge::EDGES) {
            self.check(&part)?;
            if let Some(row) = edge::row(&self.text) {
                self.text = row;
            }
        }
        match self.object.read(&self.text) {
            Ok(object) => {
                let checked = self.before.check(&object, &self.text, in_array);
                checked.map_err(|fault| SourceFault::Rows { line, fault: fault.under(&self.path) })?;
                Ok(Row::Record(Record { row, line, cells: Cells::Object(object), total: None }))
            }
            Err(flaw) => {
                self.check(&part)?;
                Ok(Row::Rejected(Rejection { row, line, column: flaw.column, reason: flaw.reason }))
            }
        }
    }

    // A part that is too long is not checked: its brackets and quotes were closed.
    fn check(&self, part: &Part) -> Result<(), SourceFault> {
        if !part.whole {
            return Ok(());
        }
        let Err(error) = serde_json::from_slice::<IgnoredAny>(&self.text) else { return Ok(()) };
        let found = if error.is_eof() {
            "a fault: it is cut off".to_owned()
        } else {
            let message = error.to_string();
            format!("a fault: {}", message.split(" at line ").next().unwrap_or("a syntax error"))
        };
        let (lines, bytes) = (error.line().max(1) as u64 - 1, error.column() as u64);
        let before = if lines == 0 { part.before } else { 0 };
        Err(SourceFault::Json { line: part.line + lines, byte: (before + bytes).max(1), expected: "JSON", found })
    }

    // Reads the next value into `text`, up to its closing bracket or quote.
    fn part(&mut self) -> Result<Part, SourceFault> {
        self.text.clear();
        let mut part = Part { line: self.place.lines.number(), before: self.place.before, whole: true };
        let mut scan = Scan::default();
        loop {
            let line = part.line;
            let chunk = self.bytes.fill_buf().map_err(|cause| SourceFault::Read { line, cause })?;
            let (count, closed) = scan.pass(chunk);
            if self.text.len() + count > MAX_ROW {
                part.whole = false;
            } else if part.whole {
                self.text.extend_from_slice(&chunk[..count]);
            }
            let at_end = chunk.is_empty();
            self.place.pass(&chunk[..count]);
            self.bytes.consume(count);
            if closed || (at_end && scan.may_end()) {
                break;
            }
            if at_end {
                return Err(self.expected("the end of what was begun", None));
            }
        }
        if self.text.is_empty() && part.whole {
            let next = self.skip_spaces()?;
            return Err(self.expected("a value", next));
        }
        Ok(part)
    }

    fn skip_spaces(&mut self) -> Result<Option<u8>, SourceFault> {
        loop {
            let line = self.place.lines.number();
            let chunk = self.bytes.fill_buf().map_err(|cause| SourceFault::Read { line, cause })?;
            let spaces = chunk.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
            let (next, at_end) = (chunk.get(spaces).copied(), chunk.is_empty());
            self.place.pass(&chunk[..spaces]);
            self.bytes.consume(spaces);
            if next.is_some() || at_end {
                return Ok(next);
            }
        }
    }

    // Skips the byte that was peeked.
    fn take(&mut self) -> Result<(), SourceFault> {
        let line = self.place.lines.number();
        let chunk = self.bytes.fill_buf().map_err(|cause| SourceFault::Read { line, cause })?;
        self.place.pass(&chunk[..1]);
        self.bytes.consume(1);
        Ok(())
    }

    // Skips the bracket that was peeked.
    fn enter(&mut self, open: Open) -> Result<Option<Row>, SourceFault> {
        self.open.push(open);
        self.take().map(|()| None)
    }

    fn expected(&self, expected: &'static str, found: Option<u8>) -> SourceFault {
        let found = match found {
            None => "the end of the file".to_owned(),
            Some(byte) if byte.is_ascii_graphic() => format!("`{}`", char::from(byte)),
            Some(byte) => format!("the byte 0x{byte:02X}"),
        };
        SourceFault::Json { line: self.place.lines.number(), byte: self.place.before + 1, expected, found }
    }
}

impl Place {
    fn pass(&mut self, bytes: &[u8]) {
        self.lines.pass(bytes);
        match bytes.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')) {
            Some(at) => self.before = (bytes.len() - at - 1) as u64,
            None => self.before += bytes.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Source, SourceError};
    use super::*;

    // Each row as `line {…}` or `line [column] reason`, and what ended the reading.
    fn rows(bytes: &[u8]) -> Vec<String> {
        let reader = Box::new(std::io::Cursor::new(bytes.to_vec()));
        let source = Source::from_reader("in.json", reader, Format::Json).unwrap();
        let show = |row: Result<Row, SourceError>| match row {
            Ok(Row::Record(Record { line, cells, .. })) => {
                let Cells::Object(object) = cells else { panic!("texts from a JSON file") };
                let cells: Vec<_> = object.iter().map(|(key, json)| format!("{key}={json}")).collect();
                format!("{line} {}", cells.join(" "))
            }
            Ok(Row::Rejected(Rejection { line, column, reason, .. })) => {
                format!("{line} [{}] {reason}", column.unwrap_or_default())
            }
            Err(error) => error.to_string(),
        };
        source.map(show).collect()
    }

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
    }

    #[test]
    fn the_elements_of_an_array_are_rows() {
        check("[]", &[]);
        check(" [ ] \n", &[]);
        check("[{\"a\":1}]", &["1 a=1"]);
        check(
            "\u{feff}[\n  {\"a\": 1, \"b\": \"x\"},\r\n  {\"a\": {\"c\": [1]}}\n]\n",
            &["2 a=1 b=\"x\"", "3 a={\"c\":[1]}"],
        );
        check("[{\"a\":\"]},{\\\"\"},\n\n{}]", &["1 a=\"]},{\\\"\"", "3 "]);
    }

    #[test]
    fn what_is_json_and_no_contact_is_set_aside() {
        let object = "[] expected a JSON object, found";
        check(
            "[1, {\"a\":1},\n\"x\", null, [{}], {\"a\":2}]",
            &[
                &format!("1 {object} a number"),
                "1 a=1",
                &format!("2 {object} text"),
                &format!("2 {object} null"),
                &format!("2 {object} an array"),
                "2 a=2",
            ],
        );
        check("[{\"a\":1,\"a\":2},{\"a\":3}]", &["1 [a] expected the key once in an object, found it twice", "1 a=3"]);
        let long = format!("[{{\"a\":\"{}\"}},\n{{\"a\":1}}]", "x".repeat(MAX_ROW));
        check(&long, &["1 [] expected a row of at most 16 MiB, found a longer one", "2 a=1"]);
        assert_eq!(
            rows(b"[{\"a\":\"\xFF\"},{\"a\":1}]"),
            ["1 [] expected a JSON object, found a fault at byte 7: invalid unicode code point", "1 a=1"]
        );
        check(
            "[{\"a\":1e999},{\"a\":1}]",
            &["1 [] expected a JSON object, found a fault at byte 10: number out of range", "1 a=1"],
        );
    }

    #[test]
    fn what_is_no_json_ends_the_reading_with_its_place() {
        let fault = |text: &str, expected: &str| {
            assert_eq!(rows(text.as_bytes()).last().map(String::as_str), Some(expected), "{text:?}");
        };
        fault("", "in.json: expected an array or an object, found an empty file");
        fault("[", "in.json:1: expected a value or `]` at byte 2, found the end of the file");
        fault("[{\"a\":1}", "in.json:1: expected `,` or `]` at byte 9, found the end of the file");
        fault("[{\"a\":1},]", "in.json:1: expected a value at byte 10, found `]`");
        fault("[{\"a\":1},\n  {\"a\":}]", "in.json:2: expected JSON at byte 8, found a fault: expected value");
        fault("[{\"a\":1}\n{\"a\":2}]", "in.json:2: expected `,` or `]` at byte 1, found `{`");
        fault("[{\"a\":1}] x", "in.json:1: expected nothing after the array at byte 11, found `x`");
        fault("[{\"a\":\"x", "in.json:1: expected the end of what was begun at byte 9, found the end of the file");
    }

    #[test]
    fn an_answer_of_the_platform_gives_its_contacts() {
        check(
            "{\"data\":[{\"id\":\"1\"},\n{\"id\":\"2\"}],\"links\":{\"next\":null},\"meta\":{\"total\":2}}",
            &["1 id=\"1\"", "2 id=\"2\""],
        );
        check("{\"meta\":[1],\n\"data\" : {\"id\":\"1\"}}", &["2 id=\"1\""]);
        check("{\"data\":[{\"id\":1}]}\n{\"data\":[]}{\"data\":[{\"id\":2}]}\n", &["1 id=1", "2 id=2"]);
        check(
            "{\"data\":[],\"data\":[]}",
            &["in.json:1: expected the key of the rows once in an object at byte 18, found `:`"],
        );
        check("{\"data\":[]", &["in.json:1: expected `,` or `}` at byte 11, found the end of the file"]);
        check("{\"data\":[], 1}", &["in.json:1: expected a key at byte 13, found `1`"]);
        check("{\"data\":[], \"x\" 1}", &["in.json:1: expected `:` at byte 17, found `1`"]);
        check("{\"data\":[], \"x\": nul}", &["in.json:1: expected JSON at byte 20, found a fault: it is cut off"]);
    }

    #[test]
    fn objects_may_follow_each_other() {
        check("{\"a\":1}\n\u{feff}{\"a\":2}\u{feff}", &["1 a=1", "2 a=2"]);
        check("[{\"a\":1}]\n\u{feff}[{\"a\":2}]\n", &["1 a=1", "2 a=2"]);
        check("{\n\"a\":1\n}\n{\n\"a\":2,\"data\":[1]\n}", &["1 a=1", "4 a=2 data=[1]"]);
        check("{\"a\":1} x", &["1 a=1", "in.json:1: expected another object at byte 9, found `x`"]);
    }
}
