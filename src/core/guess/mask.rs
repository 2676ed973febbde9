//! Masks a value: a person who knows it recognises it, and other people cannot read it.

/// The character for what is hidden.
const DOT: char = '\u{2022}';

/// A value with most of it hidden. A phone number keeps its country code and its last two digits, a date its form, any other
/// value its ends.
pub fn masked(value: &str) -> String {
    // A value must not end the comment in which it is shown.
    let value: String =
        value.trim().chars().map(|character| if character.is_control() { DOT } else { character }).collect();
    let characters: Vec<char> = value.chars().collect();
    let digits = characters.iter().filter(|character| character.is_numeric()).count();
    let letters = characters.iter().filter(|character| character.is_alphabetic()).count();
    if digits >= 4 && letters == 0 {
        return digits_masked(&characters, digits);
    }
    match characters.as_slice() {
        [] => String::new(),
        [_] | [_, _] => DOT.to_string(),
        [first, _, _] => format!("{first}\u{2026}"),
        [first, .., last] => match value.split_once('@') {
            Some((_, domain)) => format!("{first}\u{2026}@{}\u{2026}{last}", domain.chars().next().unwrap_or(DOT)),
            None => format!("{first}\u{2026}{last}"),
        },
    }
}

fn digits_masked(characters: &[char], digits: usize) -> String {
    let is_phone = characters[0] == '+';
    let mut nth = 0;
    let shown = |character: &char| {
        if !character.is_numeric() {
            return *character;
        }
        nth += 1;
        // Fewer digits are a date or a number, whose last digits would reveal a year.
        let is_end = digits > 8 && nth + 2 > digits;
        if (is_phone && nth <= 2) || is_end { *character } else { DOT }
    };
    characters.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_by_its_ends() {
        let check = |value: &str, expected: &str| assert_eq!(masked(value), expected, "{value}");
        check("", "");
        check("Al", "\u{2022}");
        check("Ana", "A\u{2026}");
        check("Anna", "A\u{2026}a");
        check("ana@example.com", "a\u{2026}@e\u{2026}m");
        check("+525512345601", "+52\u{2022}\u{2022}\u{2022}\u{2022}\u{2022}\u{2022}\u{2022}\u{2022}01");
        check("05/03/1980", "\u{2022}\u{2022}/\u{2022}\u{2022}/\u{2022}\u{2022}\u{2022}\u{2022}");
        check("1980", "\u{2022}\u{2022}\u{2022}\u{2022}");
        check("17", "\u{2022}");
        check("\u{1}a\nb", "\u{2022}\u{2026}b");
    }
}
