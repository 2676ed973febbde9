//! What a text holds, told by how it begins.

use serde::de::IgnoredAny;

use super::nesting::{self, Kind};
use super::{Format, SourceFault};

/// How much of a text is looked at.
pub(super) const SAMPLE: usize = 64 * 1024;

/// The key of the contacts in an answer of the platform (API.md, "The six calls").
pub(super) const ANSWER: &str = "data";

/// The format of a text that begins with `start`, after its mark. `named` is what the file's name says, for where the text
/// leaves a choice.
pub(super) fn format(start: &[u8], named: Option<Format>) -> Result<Format, SourceFault> {
    let text = start.trim_ascii_start();
    let named_json = named.filter(|format| matches!(format, Format::Json | Format::Jsonl));
    let after = text.get(1..).unwrap_or_default().trim_ascii_start().first();
    match (text.first(), after) {
        (Some(b'{'), Some(b'"' | b'}')) => Ok(of_object(text, named)),
        (Some(b'['), Some(b'{' | b'[' | b']' | b'"')) => Ok(Format::Json),
        (Some(b'<'), Some(_)) if is_markup(text) => {
            Err(SourceFault::Foreign { found: "a web page or XML: save it as CSV or .xlsx".to_owned() })
        }
        (Some(_) | None, _) => Ok(named_json.unwrap_or(Format::Csv)),
    }
}

fn of_object(text: &[u8], named: Option<Format>) -> Format {
    if nesting::kind(text) != Kind::Row {
        return Format::Json;
    }
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let is_whole = serde_json::from_slice::<IgnoredAny>(first).is_ok();
    let another = lines.next().is_some_and(|line| line.starts_with(b"{"));
    if is_whole || another || named == Some(Format::Jsonl) { Format::Jsonl } else { Format::Json }
}

fn is_markup(text: &[u8]) -> bool {
    let starts = |tag: &str| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()));
    ["<?xml", "<!doctype", "<html", "<table", "<head", "<meta", "<!--"].into_iter().any(starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_tells_its_format() {
        let check = |text: &str, named: Option<Format>, expected: Format| {
            assert_eq!(format(text.as_bytes(), named).unwrap(), expected, "{text:?} {named:?}");
        };
        check("", None, Format::Csv);
        check("phone,name\n", None, Format::Csv);
        check("phone\tname\n", None, Format::Csv);
        check("{first}\n", None, Format::Csv);
        check("[Name],[Phone]\n", None, Format::Csv);
        check("[{\"a\":1}]", None, Format::Json);
        check(" \n[\n  {", None, Format::Json);
        check("[]", None, Format::Json);
        check("[1]", Some(Format::Json), Format::Json);
        check("{\"a\":1}\n{\"a\":2}\n", None, Format::Jsonl);
        check("{\"a\":1}", None, Format::Jsonl);
        check("{}", None, Format::Jsonl);
        check("{\"a\":1,\n{\"a\":2}\n", None, Format::Jsonl);
        check("{\n  \"a\": 1\n}\n", None, Format::Json);
        check("{\n  \"a\": 1\n}\n", Some(Format::Jsonl), Format::Jsonl);
        check("{\"data\":[{\"id\":1}]}", None, Format::Json);
        check("{\"data\" : {\"id\":1}}", None, Format::Json);
        check("{\"links\":{\"data\":1},\"meta\":[],\"data\":[", None, Format::Json);
        check("{\"id\":7,\"data\":{\"phone\":1}}", None, Format::Jsonl);
        check("{\"data\":\"x\"}", None, Format::Jsonl);
        check("{\"x\":\"\\\"data\\\":[\"}", None, Format::Jsonl);
        check("{\"meta\":{\"x\":\"}\"},\"data\":[]}", None, Format::Json);
        // What the text says is more than its name.
        check("{\"a\":1}\n", Some(Format::Csv), Format::Jsonl);
        check("phone,name\n", Some(Format::Xlsx), Format::Csv);
        check("", Some(Format::Jsonl), Format::Jsonl);
        check("Ann", Some(Format::Jsonl), Format::Jsonl);
    }

    #[test]
    fn a_web_page_is_none_of_them() {
        for text in ["<html><table>", "<!DOCTYPE html>", "\n<?xml version=\"1.0\"?>"] {
            assert!(format(text.as_bytes(), None).is_err(), "{text}");
        }
        assert_eq!(format(b"<name>,phone\n", None).unwrap(), Format::Csv);
    }
}
