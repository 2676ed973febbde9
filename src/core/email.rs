//! E-mail addresses in text.

/// What people put between two addresses in one cell.
const BETWEEN: [char; 9] = [';', ',', '|', '/', '&', ' ', '\n', '\r', '\t'];

/// What follows an address at the end of an enumeration or of a sentence.
const AFTER: [char; 3] = [';', ',', '.'];

/// The quotes and brackets around an address.
const AROUND: [(char, char); 7] = [
    ('<', '>'),
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('\u{201c}', '\u{201d}'),
    ('\u{2018}', '\u{2019}'),
    ('\u{ab}', '\u{bb}'),
];

/// The scheme of RFC 6068.
const SCHEME: &str = "mailto:";

/// The most layers around an address: `"Ann Roe" <mailto:ann@example.com>;` has three.
const LAYERS: usize = 6;

/// Why text is no e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoEmail {
    /// It has several.
    Several,
    /// It is other text.
    Other,
}

/// The e-mail address in text, which may have a name before it (`Ann Roe <ann@example.com>`), the scheme `mailto:`, quotes
/// around it, and a mark such as `;` after it. The domain may have a single part, as inside a company.
pub(crate) fn email_address(text: &str) -> Result<&str, NoEmail> {
    let address = without_layers(text);
    if is_plain(address) {
        return Ok(address);
    }
    let with_at = text.split(BETWEEN).filter(|part| part.contains('@')).count();
    Err(if with_at > 1 { NoEmail::Several } else { NoEmail::Other })
}

fn without_layers(text: &str) -> &str {
    let mut text = text.trim();
    for _ in 0..LAYERS {
        let Some(inner) = without_layer(text) else { break };
        text = inner.trim();
    }
    text
}

fn without_layer(text: &str) -> Option<&str> {
    let around = |(first, last): (char, char)| text.strip_prefix(first)?.strip_suffix(last);
    AROUND
        .into_iter()
        .find_map(around)
        .or_else(|| text.strip_suffix(AFTER))
        .or_else(|| {
            let scheme = text.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME))?;
            text[scheme.len()..].split('?').next()
        })
        .or_else(|| {
            let (name, address) = text.strip_suffix('>')?.split_once('<')?;
            // Some programs repeat the address as the name.
            let is_name = !name.contains('@') || without_layers(name).eq_ignore_ascii_case(address.trim());
            (is_name && !address.contains('<')).then_some(address)
        })
}

// Whether text is in the form `name@domain`, without the characters that need quotes (RFC 5321, section 4.1.2).
fn is_plain(text: &str) -> bool {
    let Some((name, domain)) = text.split_once('@') else { return false };
    let are_parts = |text: &str| text.split('.').all(|part| !part.is_empty());
    let may_be_in_name = |sign: char| !sign.is_whitespace() && !sign.is_control() && !"<>()[]\\,;:\"".contains(sign);
    let may_be_in_domain = |sign: char| sign.is_alphanumeric() || is_mark(sign) || "-_.".contains(sign);
    are_parts(name) && are_parts(domain) && name.chars().all(may_be_in_name) && domain.chars().all(may_be_in_domain)
}

// Scripts of India and others write vowels as marks, which are not alphanumeric.
fn is_mark(sign: char) -> bool {
    unicode_normalization::char::is_combining_mark(sign) || matches!(sign, '\u{200c}' | '\u{200d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, NoEmail>) {
        assert_eq!(email_address(text), expected, "{text:?}");
    }

    #[test]
    fn an_address_is_taken_out_of_what_is_around_it() {
        for text in [
            "ann@x.mx",
            " ann@x.mx ",
            "<ann@x.mx>",
            "Ann Roe <ann@x.mx>",
            "Roe, Ann <ann@x.mx>",
            "\"Roe, Ann\" <ann@x.mx>;",
            "ann@x.mx <ann@x.mx>",
            "'Ann@x.mx' <ann@x.mx>",
            "mailto:ann@x.mx",
            "MAILTO:ann@x.mx?subject=Hi",
            "<mailto:ann@x.mx>",
            "'ann@x.mx'",
            "\"ann@x.mx\"",
            "\u{201c}ann@x.mx\u{201d}",
            "ann@x.mx;",
            "ann@x.mx.",
            "ann@x.mx,",
            "ann@x.mx ;",
        ] {
            check(text, Ok("ann@x.mx"));
        }
    }

    #[test]
    fn good_addresses_stay_as_they_are() {
        for text in [
            "Ann.Roe+news@mail.example.com",
            "o'brien@example.com",
            "ann_roe@sub-domain.example.co.uk",
            "_ann-@example.com",
            "ann/bo@example.com",
            "{ann}!#$%&*=?^`|~@example.com",
            "jos\u{e9}@ejemplo.mx",
            "\u{7528}\u{6237}@\u{4f8b}\u{5b50}.\u{5e7f}\u{544a}",
            "\u{905}\u{928}\u{94d}\u{928}@\u{921}\u{93e}\u{91f}\u{93e}.\u{92d}\u{93e}\u{930}\u{924}",
            "ann@localhost",
            "a@x",
            "ann@my_host.example.com",
        ] {
            check(text, Ok(text));
        }
    }

    #[test]
    fn several_addresses_are_none() {
        for text in [
            "ann@x.mx;bo@x.mx",
            "ann@x.mx, bo@x.mx",
            "ann@x.mx bo@x.mx",
            "ann@x.mx/bo@x.mx",
            "ann@x.mx|bo@x.mx",
            "Ann <ann@x.mx>; Bo <bo@x.mx>",
            "bo@x.mx <ann@x.mx>",
            "ann@x.mx\nbo@x.mx",
        ] {
            check(text, Err(NoEmail::Several));
        }
    }

    #[test]
    fn other_text_is_no_address() {
        for text in [
            "",
            "none",
            "@",
            "x@",
            "@example.com",
            "ann@@example.com",
            "ann @example.com",
            "ann@example .com",
            "ann@example..com",
            "ann@.example.com",
            "ann..roe@example.com",
            ".bla@x",
            "ann.@x.mx",
            "http://ann@x",
            "ann@example.com (work)",
            "ann@example.com/12",
            "ann@[1.2.3.4]",
            "ann(at)x@y.mx",
            "Ann: ann@x.mx",
            "ann@x.mx5512345678 call",
            "<>",
            "Ann <>",
            "mailto:",
        ] {
            check(text, Err(NoEmail::Other));
        }
    }
}
