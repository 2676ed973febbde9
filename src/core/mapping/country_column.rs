//! The country of a phone number in another column: which columns hold one, and which country a cell names.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::core::mapping::number::{Fraction, without_fraction};
use crate::core::mapping::phone::Country;
use crate::core::text::is_invisible;

/// The longest name of a column that is examined, in bytes.
const LONGEST_NAME: usize = 60;

/// What the name of a column shows about countries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::core) enum CountryHeading {
    /// It holds the country code of a phone: `Country code`, `Prefijo`.
    Code,
    /// It holds the country where a person lives.
    Country,
}

/// Names of columns with country codes, in lower case without accents.
const CODES: [&str; 17] = [
    "prefijo",
    "prefixo",
    "lada",
    "ddi",
    "idd",
    "isd",
    "indicativo",
    "phone country",
    "country phone",
    "pais telefono",
    "pais del telefono",
    "pais movil",
    "pais celular",
    "pais whatsapp",
    "pais do telefone",
    "whatsapp country",
    "mobile country",
];

/// Words of which one stands beside one of [`CODE_WORDS`] in the name of a column with country codes.
const COUNTRY_WORDS: [&str; 18] = [
    "country",
    "pais",
    "dial",
    "dialing",
    "dialling",
    "calling",
    "international",
    "internacional",
    "phone",
    "mobile",
    "telefono",
    "telefonico",
    "telefone",
    "telefonica",
    "celular",
    "movil",
    "whatsapp",
    "area",
];

/// Words for a code.
const CODE_WORDS: [&str; 13] = [
    "code",
    "codigo",
    "cod",
    "prefix",
    "prefijo",
    "prefixo",
    "clave",
    "lada",
    "indicativo",
    "ddi",
    "isd",
    "idd",
    "iso",
];

/// Names of columns with the country of a person, in lower case without accents.
const COUNTRIES: [&str; 12] = [
    "country",
    "pais",
    "country region",
    "country name",
    "country of residence",
    "pais de residencia",
    "pais de origen",
    "nombre pais",
    "nombre del pais",
    "cc",
    "iso",
    "country iso",
];

/// What the name of a column shows, ignoring its numbers.
pub(in crate::core) fn heading(name: &str) -> Option<CountryHeading> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    // `countryCode` is two words, and `PAIS` is one.
    let mut spaced = String::with_capacity(name.len() + 4);
    let mut was_small = false;
    for character in name.chars() {
        if was_small && character.is_uppercase() {
            spaced.push(' ');
        }
        was_small = character.is_lowercase();
        spaced.push(character);
    }
    let folded = folded(&spaced);
    let words: Vec<&str> = folded.split(' ').filter(|word| word.parse::<u32>().is_err()).collect();
    let whole = words.join(" ");
    if COUNTRIES.contains(&whole.as_str()) {
        return Some(CountryHeading::Country);
    }
    let has = |all: &[&str]| words.iter().any(|word| all.contains(word));
    let is_code = matches!(whole.as_str(), "countrycode" | "dialcode" | "phonecode" | "codpais" | "codigopais");
    if is_code || CODES.contains(&whole.as_str()) || (words.len() <= 5 && has(&COUNTRY_WORDS) && has(&CODE_WORDS)) {
        return Some(CountryHeading::Code);
    }
    (words.len() == 2 && words[1] == "country").then_some(CountryHeading::Country)
}

/// The country that a cell names, and whether it writes out a country code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) struct Named {
    pub(in crate::core) country: Country,
    /// Whether the code has a `+` or the `00` of international calls before it, so that it can be nothing else.
    pub(in crate::core) is_code: bool,
}

/// The country that a cell names: by its country code (`+52`, `0052`, `52`, `México (+52)`), by its letters (`MX`, `MEX`),
/// or by its name in English, Spanish or Portuguese. For a code that several countries share, the largest of them.
pub(in crate::core) fn named(cell: &str) -> Option<Named> {
    let cell: String = cell.chars().filter(|character| !is_invisible(*character)).collect();
    let cell = cell.trim().trim_start_matches('\'').trim();
    let of_code = |digits: &str, is_code: bool| {
        let country = Country::of_code(digits)?;
        Some(Named { country, is_code })
    };
    if let Some((_, code)) = cell.split_once(['+', '\u{ff0b}']) {
        let code = code.trim_end_matches(|character: char| !character.is_ascii_digit());
        return of_code(code.trim(), true);
    }
    let bare = cell.trim_matches(|character: char| matches!(character, '(' | ')' | '[' | ']' | ' ' | '.'));
    if let Fraction::None(number) = without_fraction(bare)
        && !number.is_empty()
        && number.bytes().all(|digit| digit.is_ascii_digit())
    {
        return match number.strip_prefix("00") {
            Some(code) => of_code(code, true),
            None => of_code(&number, false),
        };
    }
    let country = of_letters(cell)?;
    Some(Named { country, is_code: false })
}

/// Whether a cell holds the first digits of a phone number, and nothing shows that they are a country code: if the phone is a
/// complete number of the given country, they are its area code.
pub(in crate::core) fn is_area_code(cell: &str, phone: &str) -> bool {
    let is_sign = |character: char| matches!(character, '(' | ')' | ' ' | '.' | '-');
    let code: String = cell.chars().filter(|character| !is_sign(*character) && !is_invisible(*character)).collect();
    let is_bare =
        !code.is_empty() && !code.starts_with("00") && code.bytes().all(|character| character.is_ascii_digit());
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    is_bare && digits.len() > code.len() && digits.starts_with(&code)
}

fn of_letters(cell: &str) -> Option<Country> {
    // `Ms` and `Sr.` are no countries.
    let is_same_case = cell.chars().all(char::is_uppercase) || cell.chars().all(char::is_lowercase);
    if cell.len() == 2 && is_same_case {
        // People in Britain do not write its ISO code.
        return if cell.eq_ignore_ascii_case("uk") { "GB".parse().ok() } else { cell.parse().ok() };
    }
    let folded = folded(cell);
    let is_it = |(_, three, names): &&(&str, &str, &[&str])| {
        three.eq_ignore_ascii_case(&folded) || names.contains(&folded.as_str())
    };
    NAMES.iter().find(is_it)?.0.parse().ok()
}

// Lower case without accents, one space between words.
fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for character in text.nfd().filter(|character| !is_combining_mark(*character)) {
        if character.is_alphanumeric() {
            folded.extend(character.to_lowercase());
        } else if !folded.ends_with(' ') {
            folded.push(' ');
        }
    }
    folded.trim().to_owned()
}

/// Countries by their letters (ISO 3166) and their names in English, Spanish and Portuguese, in lower case without accents.
const NAMES: &[(&str, &str, &[&str])] = &[
    ("AD", "AND", &["andorra"]),
    ("AE", "ARE", &["united arab emirates", "emiratos arabes unidos", "emirados arabes unidos"]),
    ("AO", "AGO", &["angola"]),
    ("AR", "ARG", &["argentina"]),
    ("AT", "AUT", &["austria"]),
    ("AU", "AUS", &["australia"]),
    ("BE", "BEL", &["belgium", "belgica"]),
    ("BO", "BOL", &["bolivia"]),
    ("BR", "BRA", &["brazil", "brasil"]),
    ("CA", "CAN", &["canada"]),
    ("CH", "CHE", &["switzerland", "suiza", "suica"]),
    ("CL", "CHL", &["chile"]),
    ("CN", "CHN", &["china"]),
    ("CO", "COL", &["colombia"]),
    ("CR", "CRI", &["costa rica"]),
    ("CU", "CUB", &["cuba"]),
    ("CZ", "CZE", &["czech republic", "czechia", "republica checa", "chequia"]),
    ("DE", "DEU", &["germany", "alemania", "alemanha", "deutschland"]),
    ("DK", "DNK", &["denmark", "dinamarca"]),
    ("DO", "DOM", &["dominican republic", "republica dominicana", "rep dominicana"]),
    ("DZ", "DZA", &["algeria", "argelia"]),
    ("EC", "ECU", &["ecuador", "equador"]),
    ("EG", "EGY", &["egypt", "egipto", "egito"]),
    ("ES", "ESP", &["spain", "espana", "espanha"]),
    ("FI", "FIN", &["finland", "finlandia"]),
    ("FR", "FRA", &["france", "francia", "franca"]),
    ("GB", "GBR", &["united kingdom", "reino unido", "great britain", "england", "inglaterra", "gran bretana"]),
    ("GR", "GRC", &["greece", "grecia"]),
    ("GT", "GTM", &["guatemala"]),
    ("HN", "HND", &["honduras"]),
    ("HU", "HUN", &["hungary", "hungria"]),
    ("ID", "IDN", &["indonesia"]),
    ("IE", "IRL", &["ireland", "irlanda"]),
    ("IL", "ISR", &["israel"]),
    ("IN", "IND", &["india"]),
    ("IT", "ITA", &["italy", "italia"]),
    ("JP", "JPN", &["japan", "japon", "japao"]),
    ("KR", "KOR", &["south korea", "corea del sur", "coreia do sul"]),
    ("MA", "MAR", &["morocco", "marruecos", "marrocos"]),
    ("MX", "MEX", &["mexico", "mejico"]),
    ("MZ", "MOZ", &["mozambique", "mocambique"]),
    ("NG", "NGA", &["nigeria"]),
    ("NI", "NIC", &["nicaragua"]),
    ("NL", "NLD", &["netherlands", "the netherlands", "holanda", "paises bajos", "paises baixos"]),
    ("NO", "NOR", &["norway", "noruega"]),
    ("PA", "PAN", &["panama"]),
    ("PE", "PER", &["peru"]),
    ("PH", "PHL", &["philippines", "filipinas"]),
    ("PK", "PAK", &["pakistan", "paquistan", "paquistao"]),
    ("PL", "POL", &["poland", "polonia"]),
    ("PR", "PRI", &["puerto rico", "porto rico"]),
    ("PT", "PRT", &["portugal"]),
    ("PY", "PRY", &["paraguay", "paraguai"]),
    ("RO", "ROU", &["romania", "rumania", "romenia"]),
    ("RU", "RUS", &["russia", "rusia"]),
    ("SE", "SWE", &["sweden", "suecia"]),
    ("SV", "SLV", &["el salvador"]),
    ("TR", "TUR", &["turkey", "turquia", "turkiye"]),
    ("UA", "UKR", &["ukraine", "ucrania"]),
    (
        "US",
        "USA",
        &[
            "united states",
            "united states of america",
            "estados unidos",
            "estados unidos de america",
            "u s a",
            "u s",
            "eeuu",
            "ee uu",
            "e e u u",
            "eua",
            "e u a",
        ],
    ),
    ("UY", "URY", &["uruguay", "uruguai"]),
    ("VE", "VEN", &["venezuela"]),
    ("ZA", "ZAF", &["south africa", "sudafrica", "africa do sul"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_names_a_country() {
        let check = |cell: &str, country: Option<&str>, is_code: bool| {
            let found = named(cell).map(|named| (named.country.to_string(), named.is_code));
            assert_eq!(found, country.map(|country| (country.to_owned(), is_code)), "{cell:?}");
        };
        check("+1", Some("US"), true);
        check("(+52)", Some("MX"), true);
        check("+ 52", Some("MX"), true);
        check("0052", Some("MX"), true);
        check("'+34", Some("ES"), true);
        check("+52 (MX)", Some("MX"), true);
        check("M\u{e9}xico (+52)", Some("MX"), true);
        check("\u{1f1f2}\u{1f1fd} +52", Some("MX"), true);
        check("\u{202a}+52\u{202c}", Some("MX"), true);
        check("52", Some("MX"), false);
        check("(52)", Some("MX"), false);
        check("52.0", Some("MX"), false);
        check("7", Some("RU"), false);
        check("44", Some("GB"), false);
        check("MX", Some("MX"), false);
        check("mx ", Some("MX"), false);
        check("MEX", Some("MX"), false);
        check("UK", Some("GB"), false);
        check("M\u{e9}xico", Some("MX"), false);
        check("ESPA\u{d1}A", Some("ES"), false);
        check("EE.UU.", Some("US"), false);
        check("U.S.A.", Some("US"), false);
        check("Estados Unidos", Some("US"), false);
        for none in [
            "", "Sr.", "Ms", "Mx", "+", "0", "00", "+1 809", "+1-809", "01", "999", "+999", "800", "Marte", "ZZ",
            "5.2", "-52",
        ] {
            check(none, None, false);
        }
    }

    #[test]
    fn a_column_holds_country_codes_or_countries_by_its_name() {
        let check = |name: &str, expected: Option<CountryHeading>| assert_eq!(heading(name), expected, "{name}");
        for name in [
            "Prefijo",
            "Country code",
            "countryCode",
            "country_code",
            "COUNTRY_CODE",
            "CountryCode",
            "Dial code",
            "Calling Code",
            "Phone prefix",
            "C\u{f3}digo pa\u{ed}s",
            "C\u{f3}digo de pa\u{ed}s",
            "Cod. Pais",
            "Prefijo internacional",
            "Prefijo tel\u{e9}fono 1",
            "Lada",
            "Clave lada pa\u{ed}s",
            "DDI",
            "C\u{f3}digo do pa\u{ed}s",
        ] {
            check(name, Some(CountryHeading::Code));
        }
        for name in [
            "Pais",
            "PA\u{cd}S",
            "Country",
            "Country/Region",
            "Billing Country",
            "Mailing Country",
            "Country 2",
            "CC",
            "ISO",
            "Country ISO",
            "countryIso",
        ] {
            check(name, Some(CountryHeading::Country));
        }
        for name in [
            "Phone",
            "C\u{f3}digo postal",
            "Code",
            "C\u{f3}digo",
            "Promo code",
            "Ciudad",
            "Pa\u{ed}s de destino favorito",
            "",
        ] {
            check(name, None);
        }
    }

    #[test]
    fn the_first_digits_of_a_phone_may_be_its_area_code() {
        for (cell, phone, expected) in [
            ("55", "5532345674", true),
            ("(55)", "55 3234 5674", true),
            ("52", "3312345671", false),
            ("+55", "5532345674", false),
            ("0055", "5532345674", false),
            ("MX", "5532345674", false),
            ("", "5532345674", false),
            ("55", "55", false),
        ] {
            assert_eq!(is_area_code(cell, phone), expected, "{cell} {phone}");
        }
    }

    #[test]
    fn each_country_of_the_table_is_one() {
        for (two, three, names) in NAMES {
            assert!(two.parse::<Country>().is_ok() && three.len() == 3, "{two}");
            assert!(names.iter().all(|name| folded(name) == **name), "{two}");
        }
    }
}
