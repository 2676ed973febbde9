//! Reads the tags of one cell, as people and other programs write them: `a; b`, `"a","b, c"`, `["a", "b"]`, `{a,"b"}`, `('a', 'b')`,
//! `a:1:{i:0;s:1:"a";}`, and one a line.

use std::borrow::Cow;
use std::cmp::Reverse;

use serde_json::Value as Json;

use crate::core::byte_scan::positions;
use crate::core::decimal::Decimal;
use crate::core::non_value::{artifact, has_printed_object};
use crate::core::text::{bare, visible};

/// A list in quotes, brackets or braces that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadList;

impl BadList {
    /// What was found.
    pub(super) const FOUND: &'static str = "a list with quotes, brackets, braces or line breaks that cannot be read";
}

/// The tags of text between any of these separators, without spaces around them.
///
/// A tag in double quotes may hold separators, and a doubled quote or one after `\` is a quote. Text in brackets or braces is a list
/// of JSON, of Python or of Postgres, whose separator is a comma; PHP's `serialize` is read too. Line breaks separate tags
/// unless another separator stands inside a line.
pub(super) fn tags_of<'a, T: AsRef<str>>(text: &'a str, separators: &[T]) -> Result<Vec<Cow<'a, str>>, BadList> {
    // Nearly all lists are plain.
    if !text.bytes().any(|byte| matches!(byte, b'"' | b'[' | b'{' | b'\'' | b'\n' | b'\r')) {
        return Ok(separated(text, separators).map(visible).collect());
    }
    let text = bare(text);
    if !text.contains(['"', '[', '{', '\'']) {
        return lines(text, separators);
    }
    if has_printed_object(text) {
        return Err(BadList);
    }
    let found = match serialized(text) {
        Some(tags) => Some(tags?),
        None => enclosed(text)?,
    };
    let tags = match found {
        Some(list) => list,
        None if is_all_in(text, '\'') => match quoted(text, separators, &['\'']) {
            Ok(tags) => tags,
            // An apostrophe.
            Err(BadList) => return lines(text, separators),
        },
        None if !text.contains(['"', '[', '{']) => return lines(text, separators),
        None => quoted(text, separators, &['"'])?,
    };
    let tags = tags.iter().map(|tag| visible(bare(tag)).into_owned());
    let tags: Vec<String> = tags.collect();
    if tags.iter().any(|tag| tag.contains(['\n', '\r'])) {
        return Err(BadList);
    }
    Ok(tags.into_iter().filter(|tag| !tag.is_empty()).map(Cow::Owned).collect())
}

/// Whether text is a tag, and not what a program wrote in place of one.
pub(super) fn is_tag(text: &str) -> bool {
    artifact(text, false).is_none()
}

/// The parts of text between any of these separators, without spaces around them.
pub(super) fn separated<'a, T: AsRef<str>>(text: &'a str, separators: &[T]) -> impl Iterator<Item = &'a str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let cut = cut(text, separators);
        rest = cut.map(|(at, length)| &text[at + length..]);
        Some(bare(cut.map_or(text, |(at, _)| &text[..at])))
    })
    .filter(|part| !part.is_empty())
}

// The tags of text with one tag per line, if there is more than one line.
fn lines<'a, T: AsRef<str>>(text: &'a str, separators: &[T]) -> Result<Vec<Cow<'a, str>>, BadList> {
    if !text.contains(['\n', '\r']) {
        return Ok(separated(text, separators).map(visible).collect());
    }
    let one = |line: &'a str| {
        let mut tags = separated(line, separators);
        match (tags.next(), tags.next()) {
            (tag, None) => Ok(tag),
            (_, Some(_)) => Err(BadList),
        }
    };
    let tags = text.split(['\n', '\r']).filter_map(|line| one(line).transpose());
    tags.map(|tag| tag.map(visible)).collect()
}

// The strings of an array that PHP's `serialize` wrote; `None` for other text.
fn serialized(text: &str) -> Option<Result<Vec<String>, BadList>> {
    let (count, rest) = text.strip_prefix("a:")?.split_once(":{")?;
    let count: usize = count.parse().ok()?;
    Some(items(count, rest).ok_or(BadList))
}

// So many keys with their values, up to the closing brace.
fn items(count: usize, mut rest: &str) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    for _ in 0..count {
        let (_, after) = item(rest)?;
        let (tag, after) = item(after)?;
        tags.extend(tag);
        rest = after;
    }
    (rest == "}").then_some(tags)
}

// One key or value, `None` for null, and what follows it.
fn item(text: &str) -> Option<(Option<String>, &str)> {
    if let Some(rest) = text.strip_prefix("N;") {
        return Some((None, rest));
    }
    if let Some(rest) = text.strip_prefix("s:") {
        let (length, rest) = rest.split_once(":\"")?;
        let (tag, rest) = rest.split_at_checked(length.parse().ok()?)?;
        return Some((Some(tag.to_owned()), rest.strip_prefix("\";")?));
    }
    let (number, rest) = text.strip_prefix("i:").or_else(|| text.strip_prefix("d:"))?.split_once(';')?;
    Some((Some(number.to_owned()), rest))
}

// Where the first separator begins, and how long it is. Of two that begin at one place, the longer is meant.
fn cut<T: AsRef<str>>(text: &str, separators: &[T]) -> Option<(usize, usize)> {
    let marks = separators.iter().map(AsRef::as_ref).filter(|mark| !mark.is_empty());
    // A search for text is prepared anew for each cell, which takes longer than the search for a byte.
    let find = |mark: &str| match mark.as_bytes() {
        [byte] => positions(text.as_bytes(), *byte).next(),
        _ => text.find(mark),
    };
    let first = marks.filter_map(|mark| Some((find(mark)?, Reverse(mark.len())))).min();
    first.map(|(at, Reverse(length))| (at, length))
}

fn is_all_in(text: &str, quote: char) -> bool {
    text.len() > 1 && text.starts_with(quote) && text.ends_with(quote)
}

// The tags of a list in brackets or braces; `None` for text that only begins with one, such as `[old] customer`.
fn enclosed(text: &str) -> Result<Option<Vec<String>>, BadList> {
    let (open, close) = match text.chars().next() {
        Some('[') => ('[', ']'),
        Some('{') => ('{', '}'),
        // A tuple of Python. Other text begins with a parenthesis, too.
        Some('(') if text[1..].trim_start().starts_with(['"', '\'']) => ('(', ')'),
        Some(_) | None => return Ok(None),
    };
    let inner = text[1..].trim_start();
    if !text.ends_with(close) {
        let is_list = !text.contains(close) || inner.starts_with(['"', '\'', open]);
        return if is_list { Err(BadList) } else { Ok(None) };
    }
    if let Ok(Json::Array(items)) = serde_json::from_str(text) {
        return items.iter().filter_map(|item| scalar(item).transpose()).collect::<Result<_, _>>().map(Some);
    }
    let inner = &text[1..text.len() - 1];
    let tags = quoted(inner, &[","], &['"', '\''])?;
    let is_plain = |tag: &String| !matches!(tag.as_str(), "NULL" | "null" | "None");
    // What is left of a list inside a list.
    if inner.contains(['[', ']', '{', '}']) && tags.iter().any(|tag| tag.contains(['[', ']', '{', '}'])) {
        return Err(BadList);
    }
    Ok(Some(tags.into_iter().filter(is_plain).collect()))
}

fn scalar(json: &Json) -> Result<Option<String>, BadList> {
    match json {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(text.clone())),
        // Exactly, as any other number of the input; one that has lost digits is none.
        Json::Number(number) => Ok(Some(Decimal::of_number(number).and_then(|it| it.plain()).ok_or(BadList)?)),
        Json::Bool(flag) => Ok(Some(flag.to_string())),
        Json::Array(_) | Json::Object(_) => Err(BadList),
    }
}

// Tags of which those that begin with one of `quotes` end with it.
fn quoted<T: AsRef<str>>(text: &str, separators: &[T], quotes: &[char]) -> Result<Vec<String>, BadList> {
    let mut tags = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let Some(quote) = rest.chars().next().filter(|first| quotes.contains(first)) else {
            let (tag, after) = match cut(rest, separators) {
                Some((at, length)) => (&rest[..at], &rest[at + length..]),
                None => (rest, ""),
            };
            tags.push(tag.trim_end().to_owned());
            rest = after.trim_start();
            continue;
        };
        let (tag, after) = unquoted(&rest[1..], quote)?;
        tags.push(tag);
        rest = after.trim_start();
        if !rest.is_empty() {
            let (at, length) = cut(rest, separators).ok_or(BadList)?;
            if at > 0 {
                return Err(BadList);
            }
            rest = rest[length..].trim_start();
        }
    }
    Ok(tags)
}

// What stands before the closing quote, and what after it.
fn unquoted(text: &str, quote: char) -> Result<(String, &str), BadList> {
    let mut tag = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        let after = &text[at + character.len_utf8()..];
        if character == '\\' && after.starts_with([quote, '\\']) {
            tag.extend(characters.next().map(|(_, escaped)| escaped));
        } else if character == quote && after.starts_with(quote) {
            tag.extend(characters.next().map(|(_, second)| second));
        } else if character == quote {
            return Ok((tag, after));
        } else {
            tag.push(character);
        }
    }
    Err(BadList)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::mapping::words::TAG_SEPARATORS;

    #[test]
    fn a_text_is_split_at_any_separator() {
        let check = |text: &str, separators: &[&str], expected: &[&str]| {
            assert_eq!(separated(text, separators).collect::<Vec<_>>(), expected, "{text} {separators:?}");
        };
        check("a;b,c", &[";", ","], &["a", "b", "c"]);
        check("a;b,c", &[";"], &["a", "b,c"]);
        check("* a ::: b", &[":::"], &["* a", "b"]);
        check(" ; ", &[";"], &[]);
        check("a b", &[], &["a b"]);
        check("a b", &[""], &["a b"]);
        check("a:::b:c", &[":", ":::"], &["a", "b", "c"]);
        check("a\u{1f600}b\u{e9}", &["\u{1f600}"], &["a", "b\u{e9}"]);
        check("a\u{200b};\u{feff} b\u{2060}", &[";"], &["a", "b"]);
    }

    // Tags with ` + ` between them, `-` for none, `bad` for a list that cannot be read.
    fn shown(text: &str, separators: &[String]) -> String {
        match tags_of(text, separators) {
            Ok(tags) if tags.is_empty() => "-".to_owned(),
            Ok(tags) => tags.join(" + "),
            Err(BadList) => "bad".to_owned(),
        }
    }

    #[test]
    fn serialized_arrays_tuples_and_lines_are_read_or_refused() {
        let usual = TAG_SEPARATORS.map(String::from);
        let check = |text: &str, expected: &str| assert_eq!(shown(text, &usual), expected, "{text}");
        check("a:2:{i:0;s:3:\"VIP\";i:1;s:6:\"a;b \"c\";}", "VIP + a;b \"c");
        check("a:1:{s:1:\"k\";s:5:\"Jos\u{e9}\";}", "Jos\u{e9}");
        check("a:3:{i:0;i:7;i:1;N;i:2;s:0:\"\";}", "7");
        check("a:0:{}", "-");
        check("a:2:{i:0;s:3:\"VIP\";}", "bad");
        check("a:1:{i:0;s:4:\"VIP\";}", "bad");
        check("a:1:{i:0;a:1:{i:0;s:1:\"x\";}}", "bad");
        check("a:1:{i:0;s:4:\"Jos\u{e9}\";}", "bad");
        check("('VIP','x')", "VIP + x");
        check("('VIP',)", "VIP");
        check("(\"VIP\", \"a, b\")", "VIP + a, b");
        check("('VIP'", "bad");
        check("(old) customer", "(old) customer");
        check("{VIP,x}", "VIP + x");
        check("VIP\nBig spender", "VIP + Big spender");
        check("VIP;\r\nx;\r\n", "VIP + x");
        check("O'Brien\nx", "O'Brien + x");
        check("VIP;Big\nspender", "bad");
        check("\"VIP\",\"Big\nspender\"", "bad");
        check("[\"VIP\",\n \"x\"]", "VIP + x");
        check("[\"Big\\nspender\"]", "bad");
    }

    #[test]
    fn lists_of_other_programs_are_read() {
        let usual = TAG_SEPARATORS.map(String::from);
        let check = |text: &str, expected: &str| assert_eq!(shown(text, &usual), expected, "{text}");
        check("VIP; Lead,x|y", "VIP + Lead + x + y");
        // As Mailchimp writes them.
        check(r#""VIP","Big, spender""#, "VIP + Big, spender");
        check(r#""VIP""#, "VIP");
        check(r#"VIP,"Big, spender""#, "VIP + Big, spender");
        check(r#""VIP" ; "Big; spender""#, "VIP + Big; spender");
        check(r#""a ""b"" c""#, r#"a "b" c"#);
        check(r#""a \"b\" c","d""#, r#"a "b" c + d"#);
        check(r#""","a""#, "a");
        check(r#""""#, "-");
        // JSON.
        check(r#"["VIP"]"#, "VIP");
        check(r#"["VIP", "Big, spender"]"#, "VIP + Big, spender");
        check(r#"["a;b"]"#, "a;b");
        check(r#"["Jos\u00e9", null, 5, true]"#, "Jos\u{e9} + 5 + true");
        check("[2024, 5.50, 5E3, 0E+12, 12345678901]", "2024 + 5.5 + 5000 + 0 + 12345678901");
        check("[12345678901234567890123]", "bad");
        check(r#" [ "VIP" ] "#, "VIP");
        check("[]", "-");
        check("[ ]", "-");
        check(r#"[""]"#, "-");
        // Python.
        check("['VIP']", "VIP");
        check("['VIP', 'Big, spender', None]", "VIP + Big, spender");
        check(r#"['it\'s', "it's"]"#, "it's + it's");
        check("{'VIP', 'x'}", "VIP + x");
        // Java and others, without quotes.
        check("[VIP, Lead]", "VIP + Lead");
        check("[VIP]", "VIP");
        check("[object]", "object");
        // Words that are no values elsewhere are tags.
        check("None; Null; N/A; unknown; true", "None + Null + N/A + unknown + true");
        // Postgres.
        check(r#"{VIP,"Big spender"}"#, "VIP + Big spender");
        check(r#"{VIP,NULL,"a \"b\", c"}"#, r#"VIP + a "b", c"#);
        check("{}", "-");
        // SQL.
        check("'VIP','Lead'", "VIP + Lead");
        check("'VIP'", "VIP");

        // Signs that are part of a tag.
        check("6\" pipe; it's; O'Neil", "6\" pipe + it's + O'Neil");
        check("'70s; '80s'", "'70s + '80s'");
        check("[old] customer", "[old] customer");
        check("a [b]; {c} d", "a [b] + {c} d");
        check("rock'n'roll", "rock'n'roll");

        for text in [
            r#""VIP"#,
            r#""VIP" Lead"#,
            r#""VIP","Lead"#,
            r#"["VIP""#,
            r#"["VIP","Big"#,
            "[VIP",
            "{VIP",
            r#"["VIP"], x"#,
            "[VIP];[Lead]",
            r#"[["VIP"]]"#,
            r#"[{"name":"VIP"}]"#,
            r#"{"name":"VIP"}"#,
            r#"["a" "b"]"#,
            "['a'b']",
            "[object Object]",
            "[object Object],[object Object]",
            "VIP;[object Object]",
            "[[object Object]]",
        ] {
            check(text, "bad");
        }
    }

    #[test]
    fn quotes_and_lists_are_read_with_other_separators() {
        let check = |text: &str, separators: &[&str], expected: &str| {
            let separators: Vec<String> = separators.iter().map(|&character| character.to_owned()).collect();
            assert_eq!(shown(text, &separators), expected, "{text} {separators:?}");
        };
        check(r#""a ::: b" ::: c,d"#, &[":::"], "a ::: b + c,d");
        check(r#"["a","b"]"#, &[";"], "a + b");
        check(r#""a","b""#, &[";"], "bad");
        check(r#""a, b""#, &[";"], "a, b");
    }

    #[test]
    fn invisible_characters_make_no_other_tag() {
        let usual = TAG_SEPARATORS.map(String::from);
        assert_eq!(shown("V\u{200b}IP\u{feff}; \u{202a}Lead\u{202c}", &usual), "VIP + Lead");
        assert_eq!(shown("[\"V\u{200b}IP\u{feff}\"]", &usual), "VIP");
        assert_eq!(shown("\u{200b}", &usual), "-");
        assert_eq!(shown("\u{645}\u{200c}\u{62e}", &usual), "\u{645}\u{200c}\u{62e}");
    }
}
