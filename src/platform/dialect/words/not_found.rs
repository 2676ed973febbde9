//! Recognises messages that something does not exist: a contact, the path of the call, or something else.

use super::text::{FIELD_WORDS, folded, words_of};
use crate::core::model::ContactId;

/// The whole messages that mean that there is no such contact (API.md, trap 5).
const NO_SUCH_CONTACT: [&str; 4] =
    ["contact not found", "no such contact", "the contact does not exist", "contacto no encontrado"];

/// Whether the whole message is one of those that mean that there is no such contact, in any case, with or without a full
/// stop. A message that merely contains such words means something else (API.md, trap 5).
pub(in crate::platform::dialect) fn is_no_such_contact(message: &str) -> bool {
    let message = message.trim();
    let sentence = message.strip_suffix('.').unwrap_or(message).trim_end().to_lowercase();
    NO_SUCH_CONTACT.contains(&sentence.as_str())
}

/// What the message of a 404 concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform::dialect) enum NotFound {
    /// Nothing in particular: `404 Not Found.`
    Nothing,
    /// The path of the call.
    Path,
    /// Only a contact.
    Contact,
    /// Something else: a field, a tag, an owner, a list, …
    Other,
}

/// Classifies the message of a 404. `id` is the contact that the call names.
pub(in crate::platform::dialect) fn not_found(message: &str, id: Option<&ContactId>) -> NotFound {
    let text = match id {
        Some(id) => folded(message).replace(&folded(id.as_str()), " "),
        None => folded(message),
    };
    let is_field = |word: &&str| FIELD_WORDS.contains(word);
    let words = || words_of(&text);
    if words().any(|word| PATH_WORDS.contains(&word)) && !words().any(|word| is_field(&word)) {
        return NotFound::Path;
    }
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = |word: &str| is_number(word) || NOT_FOUND_WORDS.contains(&word);
    let is_contact = |word: &str| matches!(word, "contact" | "contacto");
    if words().all(is_plain) {
        NotFound::Nothing
    } else if words().all(|word| is_plain(word) || is_contact(word)) {
        NotFound::Contact
    } else {
        NotFound::Other
    }
}

/// Words for the path of a call, in the platforms' languages.
const PATH_WORDS: [&str; 11] =
    ["route", "url", "uri", "endpoint", "page", "path", "ruta", "pagina", "direccion", "extremo", "resource_path"];

/// Words that a "not found" message may have without naming a thing.
const NOT_FOUND_WORDS: [&str; 53] = [
    "error",
    "http",
    "status",
    "sorry",
    "the",
    "this",
    "that",
    "a",
    "an",
    "no",
    "not",
    "found",
    "such",
    "does",
    "doesn",
    "t",
    "do",
    "did",
    "exist",
    "exists",
    "is",
    "was",
    "be",
    "been",
    "has",
    "could",
    "can",
    "cannot",
    "couldn",
    "isn",
    "with",
    "by",
    "of",
    "for",
    "id",
    "given",
    "requested",
    "resource",
    "record",
    "any",
    "longer",
    "el",
    "la",
    "este",
    "se",
    "existe",
    "encontrado",
    "encontrada",
    "encontro",
    "recurso",
    "registro",
    "ha",
    "con",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_sentences_mean_no_such_contact() {
        let check = |words: &str, expected: bool| assert_eq!(is_no_such_contact(words), expected, "{words}");
        for words in NO_SUCH_CONTACT {
            check(words, true);
            check(&words.to_uppercase(), true);
            check(&format!("  {words}. \n"), true);
            check(&format!("{words} ."), true);
            check(&format!("{words}.."), false);
            check(&format!("{words}!"), false);
            check(&format!("{words} 17"), false);
            check(&format!("the {words}"), false);
        }
        check("Contact owner not found.", false);
        check("", false);
    }

    #[test]
    fn a_404_is_about_a_contact_only_when_it_names_nothing_else() {
        let id = ContactId::new("cus_17").unwrap();
        let check = |words: &str, expected: NotFound| assert_eq!(not_found(words, Some(&id)), expected, "{words}");
        for words in
            ["", "404 Not Found.", "Not found", "HTTP 404", "The requested resource was not found", "No existe"]
        {
            check(words, NotFound::Nothing);
        }
        for words in [
            "Contact not found",
            "Contact CUS_17 was not found.",
            "The contact with id cus_17 doesn't exist",
            "No such contact: 99",
            "El contacto no existe.",
            "No se encontró el contacto",
        ] {
            check(words, NotFound::Contact);
        }
        for words in
            ["Page not found", "The route api/contact could not be found", "Unknown URL", "Página no encontrada"]
        {
            check(words, NotFound::Path);
        }
        for words in [
            "Contact owner not found.",
            "Contact list does not exist",
            "Tag not found on contact",
            "Custom field url not found",
            "Contact cus_99 not found",
            "Please contact support",
            "Channel not found",
            "No existe el campo del contacto",
        ] {
            check(words, NotFound::Other);
        }
    }
}
