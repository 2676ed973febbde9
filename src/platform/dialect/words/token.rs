//! Recognises messages that the token is not valid.

use super::text::{FIELD_WORDS, folded, has_phrase, sentences, words_of};

/// Whether the message means that the token is not, or no longer, valid. `names_carried` returns whether a text names a
/// field or a tag of the call; `token` may then be one of these.
pub(in crate::platform::dialect) fn is_about_token(message: &str, names_carried: impl Fn(&str) -> bool) -> bool {
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

#[cfg(test)]
mod tests {
    use super::super::text::has_name;
    use super::*;

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
}
