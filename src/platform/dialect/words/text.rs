//! The words and sentences of a message, and names in it.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Words for a field of the contact or of the request.
pub(super) const FIELD_WORDS: [&str; 7] =
    ["field", "fields", "campo", "campos", "attribute", "custom_field", "custom_fields"];

/// Words for a tag of the contact.
pub(super) const TAG_WORDS: [&str; 4] = ["tag", "tags", "etiqueta", "etiquetas"];

/// Whether a text is only the name of the HTTP status, as a gateway sends it.
pub(in crate::platform::dialect) fn is_only_a_status(message: &str) -> bool {
    let text = folded(message);
    let is_plain = |word: &str| {
        word.bytes().all(|byte| byte.is_ascii_digit())
            || matches!(word, "forbidden" | "access" | "denied" | "error" | "http" | "request" | "blocked")
    };
    words_of(&text).all(is_plain)
}

/// Whether the text contains the name as whole words, ignoring case and accents.
pub(in crate::platform::dialect) fn has_name(text: &str, name: &str) -> bool {
    let (text, name) = (folded(text), folded(name));
    let name = name.trim();
    let is_edge =
        |character: Option<char>| character.is_none_or(|character| !character.is_alphanumeric() && character != '_');
    !name.is_empty()
        && text.match_indices(name).any(|(at, found)| {
            is_edge(text[..at].chars().next_back()) && is_edge(text[at + found.len()..].chars().next())
        })
}

// In small letters and without accents: the platforms write both `límite` and `limite`.
pub(super) fn folded(text: &str) -> String {
    text.nfd().filter(|&character| !is_combining_mark(character)).flat_map(char::to_lowercase).collect()
}

pub(super) fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric() && character != '_').filter(|word| !word.is_empty())
}

// A point inside a word (`custom_fields.3.value`) ends no sentence.
pub(super) fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split(['!', '?', ';', '\n']).flat_map(|part| part.split(". "))
}

pub(super) fn has_phrase(words: &[&str], phrase: &str) -> bool {
    let length = phrase.split(' ').count();
    words.windows(length).any(|window| window.iter().copied().eq(phrase.split(' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_as_whole_words() {
        let check =
            |text: &str, name: &str, expected: bool| assert_eq!(has_name(text, name), expected, "{text} {name}");
        check("The City is long", "city", true);
        check("The first name is long", "first name", true);
        check("La población es larga", "Poblacion", true);
        check("capacity", "city", false);
        check("city_2", "city", false);
        check("city2 city", "city", true);
        check("city", " ", false);
        check("", "city", false);
    }
}
