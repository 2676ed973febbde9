//! Text on its way out of the program, without the characters that steer a terminal, break a line, or hide or reorder
//! text. They come from cells, headers, names of files and channels, arguments, and what the platform answers.

use std::borrow::Cow;

/// One line as it may be written to a terminal or a log: each dangerous character, line breaks among them, becomes its
/// escape, such as `\n` or `\u{1b}`. Text that has none is returned as it is; escaped text stays the same when it is
/// escaped again.
pub fn escaped(line: &str) -> Cow<'_, str> {
    replaced(line, |character, text| text.extend(character.escape_default()))
}

/// JSON as it may be written to a terminal or a log: each dangerous character becomes its JSON escape, such as `\u202e`.
/// A reader of the JSON gets the same text. `json` has no line break but between its tokens.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    if !json.contains(|character| is_dangerous(character) && character != '\n') {
        return Cow::Borrowed(json);
    }
    // Between the tokens.
    let lines = json.split('\n').map(|line| {
        replaced(line, |character, text| {
            for unit in character.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        })
    });
    Cow::Owned(lines.collect::<Vec<_>>().join("\n"))
}

fn replaced(line: &str, escape: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !line.contains(is_dangerous) {
        return Cow::Borrowed(line);
    }
    let mut text = String::with_capacity(line.len() * 2);
    for character in line.chars() {
        if is_dangerous(character) {
            escape(character, &mut text);
        } else {
            text.push(character);
        }
    }
    Cow::Owned(text)
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and the characters that are invisible or change the
/// direction of text (Unicode, general category Cf, and the tags of plane 14).
fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        let check = |text: &str, expected: &str| {
            assert_eq!(escaped(text), expected);
            assert_eq!(escaped(expected), expected, "escaped again");
        };
        check("Jos\u{e9} \u{645}\u{6cc} \u{2764}\u{fe0f}", "Jos\u{e9} \u{645}\u{6cc} \u{2764}\u{fe0f}");
        check("a\nerror: b", "a\\nerror: b");
        check("a\r\tb", "a\\r\\tb");
        check("\u{1b}[2J", "\\u{1b}[2J");
        check("\u{7f}\u{9b}31m\u{0}", "\\u{7f}\\u{9b}31m\\u{0}");
        check("\u{e0041}\u{e007f}", "\\u{e0041}\\u{e007f}");
        check("a\\nb", "a\\nb");
    }

    #[test]
    fn every_dangerous_character_is_escaped_in_text_and_in_json() {
        let ranges = [
            0x0..=0x1f,
            0x7f..=0x9f,
            0x61c..=0x61c,
            0x200b..=0x200f,
            0x2028..=0x202e,
            0x2060..=0x206f,
            0xfeff..=0xfeff,
            0xe0000..=0xe007f,
        ];
        for character in ranges.into_iter().flatten().map(|code| char::from_u32(code).unwrap()) {
            let text = format!("a{character}b");
            assert!(!escaped(&text).contains(character), "{character:?}");
            let json = serde_json::to_string(&text).unwrap();
            let written = escaped_json(&json);
            assert!(!written.contains(is_dangerous), "{character:?}: {written}");
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text, "{written}");
        }
        assert_eq!(escaped_json("[1,\n\"\u{202e}\"]"), "[1,\n\"\\u202e\"]");
    }
}
