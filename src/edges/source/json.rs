//! Rows of a JSON text: the objects of an array, or those of the platform's own answers, one after the other.
//!
//! The text is parted into its elements as it comes, and each is parsed by itself. A row that is JSON and no contact is
//! set aside; what is no JSON ends the reading, because nobody can tell where in it the next row begins.

use std::io::BufRead;

use serde::de::IgnoredAny;

use super::lines::Lines;
use super::object::Object;
use super::{Bytes, MAX_ROW, Row, SourceFault, raw_row, sniff, too_long};
use crate::core::model::Rejection;
use crate::core::record::{Cells, Record};

/// The rows of a JSON text.
pub(super) struct Rows {
    bytes: Bytes,
    place: Place,
    level: Level,
    object: Object,
    // The element that is looked at.
    text: Vec<u8>,
    row: u64,
}

/// What is open around the next element.
#[derive(Clone, Copy, Debug)]
enum Level {
    /// Nothing. Objects may follow each other, as the pages of an answer that were saved one after the other do.
    Top { begun: bool },
    /// An array: the whole text, or the contacts of an answer.
    Array { first: bool, answer: bool },
    /// An answer whose contacts were read.
    AfterAnswer,
    /// The array that is the whole text is closed.
    End,
}

/// Where in the text the next byte is.
#[derive(Debug, Default)]
struct Place {
    lines: Lines,
    // How many bytes of the line stand before it.
    before: u64,
}

/// A part of the text.
struct Part {
    /// The line on which it begins.
    line: u64,
    /// How many bytes of that line stand before it.
    before: u64,
    /// Whether it is short enough to be kept.
    whole: bool,
}

impl Rows {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self {
            bytes,
            place: Place::default(),
            level: Level::Top { begun: false },
            object: Object::default(),
            text: Vec::new(),
            row: 0,
        }
    }

    /// What could be read of the row that was just set aside.
    pub(super) fn remains(&self) -> Option<Cells> {
        raw_row(&self.text)
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Row>, SourceFault> {
        loop {
            let next = self.skip_blanks()?;
            match (self.level, next) {
                (Level::Top { begun: true } | Level::End, None) => return Ok(None),
                (Level::Top { begun: false }, None) => return Err(SourceFault::EmptyJson),
                (Level::Top { begun: false }, Some(b'[')) => self.enter(Level::Array { first: true, answer: false })?,
                (Level::Top { .. }, Some(b'{')) => {
                    if let Some(row) = self.top_object()? {
                        return Ok(Some(row));
                    }
                }
                (Level::Top { begun }, Some(_)) => {
                    return Err(self.expected(if begun { "another object" } else { "an array or an object" }, next));
                }
                (Level::Array { answer, .. }, Some(b']')) => {
                    self.enter(if answer { Level::AfterAnswer } else { Level::End })?;
                }
                (Level::Array { first: true, answer }, Some(_)) => {
                    self.level = Level::Array { first: false, answer };
                    return self.element().map(Some);
                }
                (Level::Array { first: false, .. }, Some(b',')) => {
                    self.take()?;
                    self.skip_blanks()?;
                    return self.element().map(Some);
                }
                (Level::Array { first: true, .. }, None) => return Err(self.expected("a value or `]`", next)),
                (Level::Array { .. }, None | Some(_)) => return Err(self.expected("`,` or `]`", next)),
                (Level::AfterAnswer, Some(b'}')) => self.enter(Level::Top { begun: true })?,
                (Level::AfterAnswer, Some(b',')) => {
                    self.take()?;
                    if self.key()? {
                        return Err(self.expected("the key `data` once in an answer", Some(b'"')));
                    }
                    self.pass_over()?;
                }
                (Level::AfterAnswer, None | Some(_)) => return Err(self.expected("`,` or `}`", next)),
                (Level::End, Some(_)) => return Err(self.expected("nothing after the array", next)),
            }
        }
    }

    // A contact of its own is its row; the rows of an answer come after its first keys.
    fn top_object(&mut self) -> Result<Option<Row>, SourceFault> {
        self.level = Level::Top { begun: true };
        if !sniff::is_answer(self.bytes.look(sniff::SAMPLE).bytes) {
            return self.element().map(Some);
        }
        self.take()?;
        while !self.key()? {
            self.pass_over()?;
            match self.skip_blanks()? {
                Some(b',') => self.take()?,
                next => return Err(self.expected("`,`", next)),
            }
        }
        if self.skip_blanks()? == Some(b'[') {
            self.enter(Level::Array { first: true, answer: true })?;
            return Ok(None);
        }
        self.level = Level::AfterAnswer;
        self.element().map(Some)
    }

    // A key and its colon; whether it is the key of an answer's contacts.
    fn key(&mut self) -> Result<bool, SourceFault> {
        match self.skip_blanks()? {
            Some(b'"') => {}
            next => return Err(self.expected("a key", next)),
        }
        let part = self.part()?;
        self.check(&part)?;
        let is_answer = self.text.strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\""));
        let is_answer = is_answer.is_some_and(|key| key == sniff::ANSWER.as_bytes());
        match self.skip_blanks()? {
            Some(b':') => self.take()?,
            next => return Err(self.expected("`:`", next)),
        }
        Ok(is_answer)
    }

    // A value that is nobody's.
    fn pass_over(&mut self) -> Result<(), SourceFault> {
        self.skip_blanks()?;
        let part = self.part()?;
        self.check(&part)
    }

    fn element(&mut self) -> Result<Row, SourceFault> {
        self.row += 1;
        let part = self.part()?;
        let (row, line) = (self.row, part.line);
        if !part.whole {
            self.text.clear();
            return Ok(Row::Rejected(too_long(row, line)));
        }
        match self.object.read(&self.text) {
            Ok(object) => Ok(Row::Record(Record { row, line, cells: Cells::Object(object) })),
            Err(flaw) => {
                self.check(&part)?;
                Ok(Row::Rejected(Rejection { row, line, column: flaw.column, reason: flaw.reason }))
            }
        }
    }

    // What is too long to be kept is taken for JSON: its brackets and quotes were closed.
    fn check(&self, part: &Part) -> Result<(), SourceFault> {
        if !part.whole {
            return Ok(());
        }
        let Err(error) = serde_json::from_slice::<IgnoredAny>(&self.text) else { return Ok(()) };
        let found = if error.is_eof() {
            "a fault: it is cut off".to_owned()
        } else {
            let said = error.to_string();
            format!("a fault: {}", said.split(" at line ").next().unwrap_or("a syntax error"))
        };
        let (lines, bytes) = (error.line().max(1) as u64 - 1, error.column() as u64);
        let before = if lines == 0 { part.before } else { 0 };
        Err(SourceFault::Json { line: part.line + lines, byte: (before + bytes).max(1), expected: "JSON", found })
    }

    // The next value into `text`, up to where its brackets or its quotes close.
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
            let next = self.skip_blanks()?;
            return Err(self.expected("a value", next));
        }
        Ok(part)
    }

    fn skip_blanks(&mut self) -> Result<Option<u8>, SourceFault> {
        loop {
            let line = self.place.lines.number();
            let chunk = self.bytes.fill_buf().map_err(|cause| SourceFault::Read { line, cause })?;
            let blanks = chunk.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
            let (next, at_end) = (chunk.get(blanks).copied(), chunk.is_empty());
            self.place.pass(&chunk[..blanks]);
            self.bytes.consume(blanks);
            if next.is_some() || at_end {
                return Ok(next);
            }
        }
    }

    // The byte that was looked at.
    fn take(&mut self) -> Result<(), SourceFault> {
        let line = self.place.lines.number();
        let chunk = self.bytes.fill_buf().map_err(|cause| SourceFault::Read { line, cause })?;
        self.place.pass(&chunk[..1]);
        self.bytes.consume(1);
        Ok(())
    }

    fn enter(&mut self, level: Level) -> Result<(), SourceFault> {
        self.level = level;
        self.take()
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

/// How far a value goes: to where its brackets close, its quotes close, or its word ends.
#[derive(Debug, Default)]
struct Scan {
    depth: usize,
    in_text: bool,
    escaped: bool,
    in_word: bool,
}

impl Scan {
    /// How many of these bytes belong to the value, and whether it ends with them.
    fn pass(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_text = false;
                        if self.depth == 0 {
                            return (at + 1, true);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            let is_mark = matches!(byte, b'{' | b'}' | b'[' | b']' | b'"' | b',' | b':') || byte.is_ascii_whitespace();
            if self.depth == 0 && is_mark && (self.in_word || !matches!(byte, b'{' | b'[' | b'"')) {
                return (at, true);
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                _ => self.in_word |= self.depth == 0,
            }
        }
        (bytes.len(), false)
    }

    /// Whether the value may end with the text.
    const fn may_end(&self) -> bool {
        self.depth == 0 && !self.in_text
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
            &["in.json:1: expected the key `data` once in an answer at byte 19, found `\"`"],
        );
        check("{\"data\":[]", &["in.json:1: expected `,` or `}` at byte 11, found the end of the file"]);
        check("{\"data\":[], 1}", &["in.json:1: expected a key at byte 13, found `1`"]);
        check("{\"data\":[], \"x\" 1}", &["in.json:1: expected `:` at byte 17, found `1`"]);
        check("{\"data\":[], \"x\": nul}", &["in.json:1: expected JSON at byte 20, found a fault: it is cut off"]);
    }

    #[test]
    fn objects_may_follow_each_other() {
        check("{\n\"a\":1\n}\n{\n\"a\":2,\"data\":[1]\n}", &["1 a=1", "4 a=2 data=[1]"]);
        check("{\"a\":1} x", &["1 a=1", "in.json:1: expected another object at byte 9, found `x`"]);
    }
}
