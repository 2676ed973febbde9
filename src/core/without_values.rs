//! Texts without the values that they quote: messages of the platform and reasons, as a journal without values keeps them.

/// What stands in place of a value.
pub const MASK: &str = "…";

/// Minimum length, in bytes, of a value that is removed wherever it occurs. Shorter ones are removed where they are words.
const SHORTEST_PART: usize = 3;

/// Minimum number of digits in a word that may be a value.
const DIGITS: usize = 5;

/// The text without these values; without what it quotes, unless that `is_name`, such as that of a field; and without words that
/// may be phone numbers or e-mail addresses, except ids after the word `contact`.
pub fn without_values(text: &str, values: &[String], is_name: impl Fn(&str) -> bool) -> String {
    let mut values: Vec<&str> = values.iter().map(|value| value.trim()).filter(|value| !value.is_empty()).collect();
    // A value may be a part of another one.
    values.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
    let mut left = without_quoted(text, &is_name);
    for value in values {
        left = without_value(&left, value);
    }
    without_numbers(&left)
}

fn without_value(text: &str, value: &str) -> String {
    let is_part = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let (mut left, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(value) {
        let (before, after) = (&rest[..at], &rest[at + value.len()..]);
        let within = is_part(left.chars().chain(before.chars()).next_back()) || is_part(after.chars().next());
        left.push_str(before);
        left.push_str(if within && value.len() < SHORTEST_PART { value } else { MASK });
        rest = after;
    }
    left + rest
}

// An apostrophe is a quote only around whole words.
fn without_quoted(text: &str, is_name: impl Fn(&str) -> bool) -> String {
    let is_part = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let (mut left, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(['`', '"', '\'']) {
        let (before, from) = rest.split_at(at);
        left.push_str(before);
        let (quote, after) = from.split_at(1);
        let ends = |end: &usize| quote != "'" || !is_part(after[end + 1..].chars().next());
        let end = after.match_indices(quote).map(|(end, _)| end).find(ends);
        let begins = quote != "'" || !is_part(left.chars().next_back());
        let Some(end) = end.filter(|_| begins) else {
            left.push_str(quote);
            rest = after;
            continue;
        };
        let quoted = &after[..end];
        left.push_str(quote);
        left.push_str(if is_name(quoted) { quoted } else { MASK });
        left.push_str(quote);
        rest = &after[end + 1..];
    }
    left + rest
}

fn without_numbers(text: &str) -> String {
    let (mut left, mut last) = (String::with_capacity(text.len()), "");
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let may_be_value = word.contains('@') || word.bytes().filter(u8::is_ascii_digit).count() >= DIGITS;
        if may_be_value && !["contact", "contacts"].contains(&last) {
            left.push_str(MASK);
            left.push_str(&piece[word.len()..]);
        } else {
            left.push_str(piece);
        }
        last = word;
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_words_and_names_and_no_value() {
        let check = |text: &str, values: &[&str], expected: &str| {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            assert_eq!(without_values(text, &values, |name| name == "phone"), expected, "{text}");
        };
        check("The city Lima is unknown", &["Lima", "Ann"], "The city … is unknown");
        check("The citylima is unknown", &["lima"], "The city… is unknown");
        check("a phone needs a sign", &["a"], "… phone needs … sign");
        check("no field `phone`, but `nota`", &[], "no field `phone`, but `…`");
        check(r#"column `tel`: "555 cel" is no phone"#, &[], r#"column `…`: "…" is no phone"#);
        check("it doesn't take 'x y', it isn't one", &[], "it doesn't take '…', it isn't one");
        check("+52 1 5512345678 or ann@example.com", &[], "+52 1 … or …");
        check(
            "conflict: contact 1776025372480910 has its `phone`",
            &[],
            "conflict: contact 1776025372480910 has its `phone`",
        );
        check(
            "in doubt, and contact 12345 has `+521` instead of `+522`",
            &[],
            "in doubt, and contact 12345 has `…` instead of `…`",
        );
        check(
            "still rejected after 2 tries (next try in 1 day): no",
            &["", " "],
            "still rejected after 2 tries (next try in 1 day): no",
        );
        check("Ana María, María", &["María", "Ana María"], "…, …");
        check("an open ` and \" stay", &[], "an open ` and \" stay");
    }
}
