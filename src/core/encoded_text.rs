//! Text in which a program wrote codes in place of characters: those of HTML, URLs, e-mail headers and string literals.

/// What a program puts in place of characters that it cannot decode.
const LOST: &str = "`\u{fffd}`, the mark for a character that was lost";
const HTML: &str = "HTML codes such as `&amp;` or `&eacute;`";
const ESCAPES: &str = "escapes such as `\\u00e9`";
const LINE_ESCAPES: &str = "escapes of a database such as `\\n`, or a backslash before a line break";
const PERCENT: &str = "URL codes such as `%C3%A9`";
const QUOTED_PRINTABLE: &str = "codes of e-mails such as `=C3=A9` or `=?UTF-8?Q?\u{2026}?=`";

/// Entities of HTML besides those of letters.
const ENTITIES: [&str; 18] = [
    "amp", "lt", "gt", "quot", "apos", "nbsp", "ntilde", "Ntilde", "szlig", "aelig", "AElig", "oelig", "OElig",
    "iexcl", "iquest", "rsquo", "lsquo", "ndash",
];

/// What the names of the entities of letters end with, after the letter: `&eacute;`.
const ACCENTS: [&str; 8] = ["acute", "grave", "circ", "tilde", "uml", "cedil", "ring", "slash"];

/// The codes in text, as a description of them; `None` for ordinary text.
pub(crate) fn encoded_text(text: &str) -> Option<&'static str> {
    // Most text has none of these, so that one look suffices.
    if !text.bytes().any(|byte| matches!(byte, b'&' | b'\\' | b'%' | b'=' | 0xEF)) {
        return None;
    }
    let found = if text.contains('\u{fffd}') {
        LOST
    } else if after_each(text, '&').any(is_entity) {
        HTML
    } else if after_each(text, '\\').any(is_escape) {
        ESCAPES
    } else if text.contains('\\') && has_line_breaks(text) {
        LINE_ESCAPES
    } else if is_mime_word(text) || (!text.contains('/') && has_utf8_codes(text, '=')) {
        QUOTED_PRINTABLE
    } else if !text.contains('/') && has_utf8_codes(text, '%') {
        // In an address of the web they are right.
        PERCENT
    } else {
        return None;
    };
    Some(found)
}

// What follows each of these.
fn after_each(text: &str, sign: char) -> impl Iterator<Item = &str> {
    text.match_indices(sign).map(move |(at, _)| &text[at + sign.len_utf8()..])
}

// Whether text begins with the rest of an escape, such as `u00e9`.
fn is_escape(text: &str) -> bool {
    text.strip_prefix('u').is_some_and(|rest| hexadecimal(rest, 4).is_some())
}

// Whether text has an escaped line break. A backslash also separates the folders of a path.
fn has_line_breaks(text: &str) -> bool {
    text.contains("\\\n") || (has_line_escapes(text) && !text.contains(":\\") && !text.starts_with("\\\\"))
}

// Whether text begins with the rest of an entity, such as `eacute;` or `#039;`.
fn is_entity(text: &str) -> bool {
    let Some((name, _)) = text.split_once(';') else { return false };
    if let Some(number) = name.strip_prefix('#') {
        let hex = number.strip_prefix(['x', 'X']).is_some_and(|number| hexadecimal(number, 1).is_some());
        return hex || (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
    }
    let is_letter = |accent: &&str| name.strip_suffix(*accent).is_some_and(|letter| letter.len() == 1);
    ENTITIES.contains(&name) || ACCENTS.iter().any(is_letter)
}

// Whether text has a line break or a tab as programs write them in string literals, and more text after it.
fn has_line_escapes(text: &str) -> bool {
    after_each(text, '\\').any(|rest| rest.len() > 1 && (rest.starts_with('n') || rest.starts_with("r\\n")))
}

// The number that text begins with, in so many hexadecimal digits.
fn hexadecimal(text: &str, digits: usize) -> Option<u32> {
    let number = text.get(..digits).filter(|number| number.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(number, 16).ok()
}

// Whether a character of UTF-8 is written as the codes of its bytes: `%C3%A9`, `=C3=A9`.
fn has_utf8_codes(text: &str, sign: char) -> bool {
    after_each(text, sign).any(|rest| {
        let first = hexadecimal(rest, 2).filter(|byte| (0xC2..=0xF4).contains(byte));
        let second = rest.get(2..).and_then(|rest| rest.strip_prefix(sign)).and_then(|rest| hexadecimal(rest, 2));
        first.is_some() && second.is_some_and(|byte| (0x80..=0xBF).contains(&byte))
    })
}

// Whether text has a word of an e-mail header (RFC 2047): `=?UTF-8?Q?Jos=C3=A9?=`.
fn is_mime_word(text: &str) -> bool {
    after_each(text, '=').filter_map(|rest| rest.strip_prefix('?')).any(|rest| {
        let mut parts = rest.splitn(3, '?');
        let (charset, kind, rest) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        !charset.is_empty()
            && kind.is_some_and(|kind| matches!(kind, "Q" | "q" | "B" | "b"))
            && rest.is_some_and(|rest| rest.contains("?="))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_programs_are_told() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(encoded_text(text), expected, "{text}");
        check("Jos&eacute; &amp; Ana", Some(HTML));
        check("O&#039;Brien", Some(HTML));
        check("O&#x27;Brien", Some(HTML));
        check("Nu&ntilde;ez", Some(HTML));
        check("Jos\\u00e9", Some(ESCAPES));
        check("line1\\nline2", Some(LINE_ESCAPES));
        check("line1\\r\\nline2", Some(LINE_ESCAPES));
        check("a\\\nb", Some(LINE_ESCAPES));
        check("Jos\u{fffd}", Some(LOST));
        check("Jos%C3%A9", Some(PERCENT));
        check("Jos=C3=A9", Some(QUOTED_PRINTABLE));
        check("=?UTF-8?Q?Jos=C3=A9?=", Some(QUOTED_PRINTABLE));
        check("=?iso-8859-1?b?Sm9z6Q==?=", Some(QUOTED_PRINTABLE));
        for text in [
            "",
            "Jos\u{e9}",
            "Ann & Bo",
            "Ann &Bo; Cy",
            "AT&T; Inc",
            "R&D",
            "C:\\users\\ann",
            "\\unit",
            "C:\\new",
            "\\\\server\\names",
            "\\N",
            "a\\b",
            "100%",
            "50%C",
            "https://example.com/Jos%C3%A9",
            "a=1",
            "=1+1",
            "&;",
            "&#;",
            "\u{ff21}",
            "?=",
        ] {
            check(text, None);
        }
    }
}
