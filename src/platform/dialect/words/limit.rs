//! Recognises messages that the account made too many calls.

use super::text::{FIELD_WORDS, TAG_WORDS, folded, has_phrase, sentences, words_of};

/// Whether the message means that the account made too many calls. `names_carried` returns whether a text names a field
/// or a tag of the call; the limit then concerns the row.
pub(in crate::platform::dialect) fn is_about_limit(message: &str, names_carried: impl Fn(&str) -> bool) -> bool {
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

#[cfg(test)]
mod tests {
    use super::super::text::has_name;
    use super::*;

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
}
