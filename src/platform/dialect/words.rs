//! Classifies the message of a refusal: no such contact, the token, the rate limit, or something else.
//!
//! 403 stands for any business error (API.md, "Errors"), so only the message shows which one it is. Each rule here
//! accepts only clear messages; all others are a plain refusal.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::core::model::ContactId;

/// The whole messages that mean that there is no such contact (API.md, trap 5).
const NO_SUCH_CONTACT: [&str; 4] =
    ["contact not found", "no such contact", "the contact does not exist", "contacto no encontrado"];

/// Whether the whole message is one of those that mean that there is no such contact, in any case, with or without a full
/// stop. A message that merely contains such words means something else (API.md, trap 5).
pub(super) fn is_no_such_contact(message: &str) -> bool {
    let message = message.trim();
    let sentence = message.strip_suffix('.').unwrap_or(message).trim_end().to_lowercase();
    NO_SUCH_CONTACT.contains(&sentence.as_str())
}

/// What the message of a 404 concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotFound {
    /// Nothing in particular: `404 Not Found.`
    Nothing,
    /// The path of the call.
    Path,
    /// A contact, and nothing beside it.
    Contact,
    /// Something else: a field, a tag, an owner, a list, …
    Other,
}

/// Classifies the message of a 404. `id` is the contact that the call names.
pub(super) fn not_found(message: &str, id: Option<&ContactId>) -> NotFound {
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

/// Words for a field of the contact or of the request.
const FIELD_WORDS: [&str; 7] = ["field", "fields", "campo", "campos", "attribute", "custom_field", "custom_fields"];

/// Words for a tag of the contact.
const TAG_WORDS: [&str; 4] = ["tag", "tags", "etiqueta", "etiquetas"];

/// Whether the message means that the token is not, or no longer, valid. `names_carried` returns whether a text names a
/// field or a tag of the call; `token` may then be one of these.
pub(super) fn is_about_token(message: &str, names_carried: impl Fn(&str) -> bool) -> bool {
    let whole = folded(message);
    if WHOLE_TOKEN_MESSAGES.contains(&whole.trim().trim_end_matches(['.', '!']).trim_end()) {
        return true;
    }
    sentences(&whole).any(|sentence| {
        let words: Vec<&str> = words_of(sentence).collect();
        let is_bad = words.iter().any(|word| INVALID_WORDS.contains(word))
            || INVALID_PHRASES.iter().any(|phrase| has_phrase(&words, phrase));
        let is_field = words.iter().any(|word| FIELD_WORDS.contains(word));
        let is_api = API_TOKEN_PHRASES.iter().any(|phrase| has_phrase(&words, phrase));
        is_bad && !is_field && (is_api || (has_plain_token(sentence) && !names_carried(sentence)))
    })
}

/// The whole messages that mean that the token is not valid.
const WHOLE_TOKEN_MESSAGES: [&str; 8] = [
    "unauthenticated",
    "unauthorized",
    "unauthorised",
    "not authenticated",
    "401 unauthorized",
    "no autenticado",
    "no autorizado",
    "401 no autorizado",
];

const API_TOKEN_PHRASES: [&str; 15] = [
    "api token",
    "api_token",
    "api key",
    "apikey",
    "api_key",
    "access token",
    "access_token",
    "bearer token",
    "auth token",
    "token de api",
    "token de la api",
    "token de acceso",
    "clave api",
    "clave de api",
    "clave de la api",
];

/// Words before `token` with which it is the API token, not a device token, a reset token or a CSRF token.
const TOKEN_ARTICLES: [&str; 20] = [
    "the",
    "your",
    "this",
    "that",
    "a",
    "an",
    "provided",
    "given",
    "supplied",
    "channel",
    "authentication",
    "authorization",
    "error",
    "el",
    "su",
    "tu",
    "este",
    "un",
    "del",
    "no",
];

const INVALID_WORDS: [&str; 41] = [
    "expired",
    "invalid",
    "revoked",
    "disabled",
    "deactivated",
    "inactive",
    "blocked",
    "suspended",
    "incorrect",
    "wrong",
    "unknown",
    "deleted",
    "malformed",
    "missing",
    "rejected",
    "unauthorized",
    "unrecognized",
    "expirado",
    "expirada",
    "expiro",
    "invalido",
    "invalida",
    "revocado",
    "revocada",
    "deshabilitado",
    "deshabilitada",
    "desactivado",
    "desactivada",
    "inactivo",
    "inactiva",
    "caducado",
    "caducada",
    "caduco",
    "vencido",
    "vencida",
    "vencio",
    "bloqueado",
    "bloqueada",
    "suspendido",
    "incorrecto",
    "incorrecta",
];

const INVALID_PHRASES: [&str; 12] = [
    "not valid",
    "no longer valid",
    "isn t valid",
    "not active",
    "not recognized",
    "not found",
    "does not exist",
    "not provided",
    "no es valido",
    "no es valida",
    "no valido",
    "no existe",
];

// `token` as a whole word, with nothing before it that makes it another token.
fn has_plain_token(sentence: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    sentence.match_indices("token").any(|(at, found)| {
        let (before, after) = (&sentence[..at], &sentence[at + found.len()..]);
        if before.ends_with(is_part) || after.starts_with(is_part) {
            return false;
        }
        // A sign between the two parts them: `access denied: token expired`.
        let word = words_of(before.trim_end()).last().filter(|_| before.trim_end().ends_with(is_part));
        word.is_none_or(|word| TOKEN_ARTICLES.contains(&word) || INVALID_WORDS.contains(&word))
    })
}

/// Whether the message means that the account made too many calls. `names_carried` returns whether a text names a field
/// or a tag of the call; the limit then concerns the row.
pub(super) fn is_about_limit(message: &str, names_carried: impl Fn(&str) -> bool) -> bool {
    let whole = folded(message);
    sentences(&whole).any(|sentence| {
        let words: Vec<&str> = words_of(sentence).collect();
        let has = |phrases: &[&str]| phrases.iter().any(|phrase| has_phrase(&words, phrase));
        let is_exceeded = words.iter().any(|word| EXCEEDED_WORDS.contains(word));
        let is_row = words.iter().any(|word| FIELD_WORDS.contains(word) || TAG_WORDS.contains(word));
        (has(&TOO_MANY) || (has(&LIMIT_PHRASES) && is_exceeded)) && !is_row && !names_carried(sentence)
    })
}

const TOO_MANY: [&str; 12] = [
    "throttled",
    "too many requests",
    "too many attempts",
    "too many calls",
    "too many api requests",
    "too many api calls",
    "rate limited",
    "demasiadas solicitudes",
    "demasiadas peticiones",
    "demasiadas llamadas",
    "demasiados intentos",
    "demasiadas consultas",
];

const LIMIT_PHRASES: [&str; 26] = [
    "requests per minute",
    "calls per minute",
    "solicitudes por minuto",
    "peticiones por minuto",
    "llamadas por minuto",
    "rate limit",
    "rate_limit",
    "ratelimit",
    "rate limits",
    "request limit",
    "requests limit",
    "call limit",
    "api limit",
    "usage limit",
    "limit of requests",
    "limit of calls",
    "quota",
    "cuota",
    "limite de solicitudes",
    "limite de peticiones",
    "limite de llamadas",
    "limite de velocidad",
    "limite de frecuencia",
    "limite de tasa",
    "limite de uso",
    "limite de consultas",
];

const EXCEEDED_WORDS: [&str; 17] = [
    "exceeded",
    "exceeds",
    "exceed",
    "exceeding",
    "reached",
    "hit",
    "exhausted",
    "over",
    "excedido",
    "excedida",
    "excedio",
    "superado",
    "superada",
    "alcanzado",
    "alcanzada",
    "agotado",
    "agotada",
];

/// Whether a text is only the name of the HTTP status, as a gateway sends it.
pub(super) fn is_only_a_status(message: &str) -> bool {
    let text = folded(message);
    let is_plain = |word: &str| {
        word.bytes().all(|byte| byte.is_ascii_digit())
            || matches!(word, "forbidden" | "access" | "denied" | "error" | "http" | "request" | "blocked")
    };
    words_of(&text).all(is_plain)
}

/// Whether the text contains the name as whole words, ignoring case and accents.
pub(super) fn has_name(text: &str, name: &str) -> bool {
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
fn folded(text: &str) -> String {
    text.nfd().filter(|&character| !is_combining_mark(character)).flat_map(char::to_lowercase).collect()
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric() && character != '_').filter(|word| !word.is_empty())
}

// A point inside a word (`custom_fields.3.value`) ends no sentence.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split(['!', '?', ';', '\n']).flat_map(|part| part.split(". "))
}

fn has_phrase(words: &[&str], phrase: &str) -> bool {
    let length = phrase.split(' ').count();
    words.windows(length).any(|window| window.iter().copied().eq(phrase.split(' ')))
}

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

    #[test]
    fn words_about_the_token_are_told_from_others() {
        let check = |words: &str, expected: bool| {
            let names = |text: &str| has_name(text, "phone");
            assert_eq!(is_about_token(words, names), expected, "{words}");
        };
        for words in [
            "API Token is invalid.",
            "API Token has expired.",
            "The API key was revoked",
            "Invalid API key",
            "Invalid token",
            "Token expired",
            "Your token is disabled.",
            "The access token has expired",
            "This token is no longer valid",
            "Error: token expired",
            "Access denied: token expired",
            "Forbidden (invalid token)",
            "Unauthenticated.",
            "unauthorized",
            "No autorizado",
            "El token ha expirado.",
            "Token inválido",
            "Token de API no válido",
            "La clave de API ha sido revocada",
            "El token de acceso ha caducado",
            "No contact was changed. API Token is invalid.",
        ] {
            check(words, true);
        }
        for words in [
            "The token field is required.",
            "The selected token field is invalid.",
            "El campo token es inválido",
            "The device token is invalid",
            "The reset token has expired",
            "CSRF token mismatch.",
            "The device_token is invalid",
            "The tokens are invalid",
            "The device  token is invalid",
            "Token accepted",
            "The value is invalid",
            "The token is invalid for this phone",
            "Value expired. Please check your token.",
            "This action is unauthorized.",
            "custom_fields.3.value: token is invalid, custom_fields",
            "",
        ] {
            check(words, false);
        }
    }

    #[test]
    fn words_about_the_limit_are_told_from_others() {
        let check = |words: &str, expected: bool| {
            let names = |text: &str| has_name(text, "phone");
            assert_eq!(is_about_limit(words, names), expected, "{words}");
        };
        for words in [
            "Too many requests",
            "Too Many Attempts.",
            "Too many API calls, slow down",
            "Rate limit exceeded.",
            "You have exceeded your rate limit",
            "API limit reached",
            "Quota exceeded",
            "Quota exceeded for this account.",
            "Monthly quota has been exhausted",
            "You are being rate limited",
            "Request was throttled. Expected available in 37 seconds.",
            "You exceeded the limit of 100 requests per minute",
            "Ha superado el máximo de 100 llamadas por minuto",
            "Demasiadas solicitudes",
            "Demasiados intentos.",
            "Cuota excedida",
            "Se ha superado el límite de solicitudes",
            "Límite de peticiones alcanzado",
        ] {
            check(words, true);
        }
        for words in [
            "The tags field exceeds the limit",
            "Tag quota exceeded",
            "Quota exceeded for field city",
            "Quota exceeded for this phone",
            "The limit of 255 characters is exceeded",
            "The quota is unknown",
            "Rate limit: 100",
            "Too many tags",
            "Se ha superado el límite de caracteres",
            "Límite de etiquetas excedido",
            "",
        ] {
            check(words, false);
        }
    }

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
