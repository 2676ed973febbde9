//! Detects mojibake, text that was decoded with the wrong encoding: text of a Mac or DOS that was guessed to be Windows-1252, and UTF-8
//! that was read as Windows-1252 and encoded again.

use encoding_rs::{DecoderResult, Encoding, MACINTOSH, WINDOWS_1252};
use serde_json::Value as Json;

use crate::core::code_page::CodePage;

/// Letters of the languages of Western Europe: the frequent ones, and the others.
const FREQUENT: &str = "áéíóúñüçãõâêôàèäößÁÉÍÓÚÑÜÇÃÕÂÊÔÀÈÄÖ";
const OTHERS: &str = "ìòùëïîûåæøÿÌÒÙËÏÎÛÅÆØ";

/// Letters that follow a cedilla.
const BEFORE_SOFT: &str = "aouãâáàóõôúAOUÃÂÁÀÓÕÔÚ";

/// How many characters another encoding must explain for each one that it does not, before the guess is doubtful.
const FITTING_EACH: u32 = 20;

/// Of this number of non-ASCII characters next to letters, at least one must be odd in Windows-1252.
const ODD_OF: u32 = 4;

/// Symbols of Windows-1252 that do not occur between two letters, and whose bytes are letters in other encodings.
const ODD_INSIDE: &str = "‚ƒ„†‡ˆ‰‹›•˜¤¢£¥¦§¨©¬±¶¡¿¯¸";

/// Those that do not occur after a letter either.
const ODD_AFTER: &str = "‚ƒ„‡ˆ‰‹";

/// What may follow a word in capitals, such as `IRMÃ”` before a closing quotation mark.
const CLOSING: &str = "’”»…–—›™®\u{a0}";

/// Letters of Iceland in Windows-1252, and letters of Turkey in the encodings that differ from it.
const OF_ICELAND: &str = "þðýÞÐÝ";

/// Signs of Windows-1252 whose bytes are letters in the encodings of Central Europe: before a letter, and only between letters.
const BEFORE_LETTERS: &str = "¯£³¹";
const BETWEEN_LETTERS: &str = "¿ªº¼½¾";

/// How many bytes that are not ASCII it takes for a guess without a language to count alone.
const ENOUGH_ALONE: usize = 20;

/// Text whose guessed encoding is probably wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mojibake {
    name: &'static str,
    // Whether the guess was Windows-1252, in which odd positions are recognised.
    is_western: bool,
}

/// Decodes bytes to characters.
type Signs = [char; 256];

/// How well an encoding explains text.
#[derive(Default)]
struct Fit {
    weight: u32,
    fitting: u32,
    others: u32,
}

impl Mojibake {
    /// What shows that Windows-1252 was the wrong choice for too little text. `name` is the encoding that is likely without a
    /// hint at the language.
    pub(super) fn of_region(sample: &[u8], name: &'static str) -> Option<Self> {
        let western = standard(WINDOWS_1252);
        let is_telling = |(before, character, after): (char, char, char)| {
            let (follows, precedes) = (before.is_alphabetic(), after.is_alphabetic());
            (OF_ICELAND.contains(character) && (follows || precedes))
                || (BEFORE_LETTERS.contains(character) && precedes)
                || (BETWEEN_LETTERS.contains(character) && follows && precedes)
        };
        let foreign = sample.iter().filter(|byte| !byte.is_ascii()).count();
        let is_doubtful = foreign >= ENOUGH_ALONE || neighbours(sample, &western).any(is_telling);
        is_doubtful.then_some(Self { name, is_western: false })
    }

    /// What shows that the encoding of `sample` was guessed wrong, if anything does; `is_western` when it was Windows-1252.
    pub(super) fn of(sample: &[u8], is_western: bool) -> Option<Self> {
        let western = standard(WINDOWS_1252);
        let (mut odd, mut all) = (0_u32, 0_u32);
        for (before, character, after) in neighbours(sample, &western) {
            odd += u32::from(is_odd(before, character, after));
            all += u32::from(before.is_alphabetic() || after.is_alphabetic());
        }
        if odd == 0 || odd.saturating_mul(ODD_OF) < all {
            return None;
        }
        let candidates = [("macintosh", standard(MACINTOSH)), (CodePage::WESTERN.name(), dos(CodePage::WESTERN))];
        let fits = candidates.map(|(name, characters)| (name, Fit::of(sample, &characters)));
        let sound = fits.into_iter().filter(|(_, fit)| fit.fitting > 0 && fit.others * FITTING_EACH <= fit.fitting);
        let (name, _) = sound.max_by_key(|(_, fit)| fit.weight)?;
        Some(Self { name, is_western })
    }

    /// The encoding that explains the text better.
    pub(super) const fn name(self) -> &'static str {
        self.name
    }

    /// Whether this text is affected.
    pub(super) fn is_in(self, text: &str) -> bool {
        if !self.is_western {
            return !text.is_ascii();
        }
        let mut before = ' ';
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let after = characters.peek().copied().unwrap_or(' ');
            if !character.is_ascii() && is_odd(before, character, after) {
                return true;
            }
            before = character;
        }
        false
    }
}

impl Fit {
    fn of(sample: &[u8], characters: &Signs) -> Self {
        let mut fit = Self::default();
        for (before, character, after) in neighbours(sample, characters) {
            if !before.is_alphabetic() && !after.is_alphabetic() {
                continue;
            }
            let weight = if FREQUENT.contains(character) { 2 } else { u32::from(OTHERS.contains(character)) };
            let is_torn = (before.is_lowercase() && character.is_uppercase())
                || (character.is_lowercase() && after.is_uppercase());
            let is_hard = matches!(character, 'ç' | 'Ç') && !BEFORE_SOFT.contains(after);
            if weight > 0 && !is_torn && !is_hard {
                fit.weight += weight;
                fit.fitting += 1;
            } else {
                fit.others += 1;
            }
        }
        fit
    }
}

/// Whether a character of Windows-1252 is at a position where it does not occur in text.
fn is_odd(before: char, character: char, after: char) -> bool {
    let (follows, precedes) = (before.is_alphabetic(), after.is_alphabetic());
    let is_vowel = |character: char| "aeiouAEIOU".contains(character);
    match character {
        '\u{80}'..='\u{9f}' => follows || precedes,
        // `Mu–oz`: between other letters it joins two words.
        '–' => is_vowel(before) && is_vowel(after) && before.is_lowercase() == after.is_lowercase(),
        // `JosŽ` and `MŸller`.
        _ if character.is_uppercase() => before.is_lowercase() || (follows && after.is_lowercase()),
        _ if ODD_AFTER.contains(character) => follows,
        _ => follows && precedes && ODD_INSIDE.contains(character) && !(before.is_lowercase() && after.is_uppercase()),
    }
}

// The non-ASCII characters, each with its neighbours.
fn neighbours<'a>(sample: &'a [u8], characters: &'a Signs) -> impl Iterator<Item = (char, char, char)> + 'a {
    let at = |place: Option<usize>| {
        let byte = place.and_then(|place| sample.get(place)).copied().unwrap_or(b' ');
        characters[usize::from(byte)]
    };
    let foreign = sample.iter().enumerate().filter(|(_, byte)| !byte.is_ascii());
    foreign.map(move |(place, byte)| (at(place.checked_sub(1)), characters[usize::from(*byte)], at(Some(place + 1))))
}

fn standard(encoding: &'static Encoding) -> Signs {
    each_byte(|byte| {
        let mut text = [0; 8];
        let mut decoder = encoding.new_decoder_without_bom_handling();
        match decoder.decode_to_utf8_without_replacement(&[byte], &mut text, true) {
            (DecoderResult::InputEmpty, _, length) => std::str::from_utf8(&text[..length]).ok()?.chars().next(),
            (DecoderResult::OutputFull | DecoderResult::Malformed(..), ..) => None,
        }
    })
}

fn dos(page: CodePage) -> Signs {
    each_byte(|byte| page.decode(byte))
}

fn each_byte(decode: impl Fn(u8) -> Option<char>) -> Signs {
    std::array::from_fn(|at| {
        let byte = u8::try_from(at).expect("an array of 256 goes up to 255");
        if byte.is_ascii() { char::from(byte) } else { decode(byte).unwrap_or(char::REPLACEMENT_CHARACTER) }
    })
}

/// Whether text contains UTF-8 that was read as Windows-1252, such as `JosÃ©` for `José`.
pub(super) fn is_double_encoded(text: &str) -> bool {
    if !may_be_double_encoded(text.as_bytes()) {
        return false;
    }
    let mut rest = text;
    let mut before = ' ';
    while let Some(start) = rest.find(|character: char| !character.is_ascii()) {
        before = rest[..start].chars().next_back().unwrap_or(before);
        rest = &rest[start..];
        let end = rest.find(|character: char| character.is_ascii()).unwrap_or(rest.len());
        let (run, following) = rest.split_at(end);
        if is_encoded_again(run, before, following.chars().next().unwrap_or(' ')) {
            return true;
        }
        before = run.chars().next_back().unwrap_or(before);
        rest = following;
    }
    false
}

/// The first byte of the letters of Western Europe in UTF-8, from U+00C0 to U+00FF. In Windows-1252 they are none of the bytes with which
/// a character of UTF-8 goes on.
const LETTER: u8 = 0xC3;

/// Whether text may contain such UTF-8: each character became at least two, the second of which is no letter. Hardly any other text
/// has such a pair.
pub(super) fn may_be_double_encoded(bytes: &[u8]) -> bool {
    let mut at = 0;
    loop {
        let first = at + Encoding::ascii_valid_up_to(&bytes[at..]);
        if first == bytes.len() {
            return false;
        }
        // The bytes of a character that follow its first one.
        let next = first + 1 + bytes[first + 1..].iter().take_while(|byte| **byte & 0xC0 == 0x80).count();
        if bytes.get(next).is_some_and(|byte| !byte.is_ascii() && *byte != LETTER) {
            return true;
        }
        at = next;
    }
}

/// Whether a value contains such text.
pub(super) fn is_double_encoded_json(value: &Json) -> bool {
    match value {
        Json::String(text) => is_double_encoded(text),
        Json::Array(list) => list.iter().any(is_double_encoded_json),
        Json::Object(object) => object.values().any(is_double_encoded_json),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

// Whether non-ASCII characters are the bytes of other characters that occur in text.
fn is_encoded_again(run: &str, before: char, after: char) -> bool {
    let characters: Option<Vec<u8>> = run.chars().map(byte_of).collect();
    let Some(text) = characters.and_then(|bytes| String::from_utf8(bytes).ok()) else { return false };
    let mut pair = run.chars();
    let (first, second, third) = (pair.next(), pair.next(), pair.next());
    // The end of a word in capitals, and a closing character: `“IRMÃ”`, or a no-break space.
    let is_closed = first.is_some_and(char::is_uppercase)
        && second.is_some_and(|character| CLOSING.contains(character))
        && third.is_none()
        && !before.is_lowercase()
        && (!after.is_alphabetic() || second == Some('\u{a0}'));
    !is_closed && text.chars().all(is_usual)
}

// Characters by which double encoding is recognised: accented Latin letters, Greek and Cyrillic, punctuation, CJK, and emoji.
fn is_usual(character: char) -> bool {
    matches!(
        character,
        '\u{80}'..='\u{17f}'
            | '\u{386}'..='\u{3ce}'
            | '\u{401}'..='\u{45f}'
            | '\u{2010}'..='\u{203a}'
            | '€'
            | '™'
            | '\u{3040}'..='\u{30ff}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7a3}'
            | '\u{feff}'
            | '\u{1f300}'..='\u{1faff}'
    )
}

// Windows-1252, in which the five undefined bytes are control characters.
fn byte_of(character: char) -> Option<u8> {
    if let '\u{80}'..='\u{ff}' = character {
        return u8::try_from(u32::from(character)).ok();
    }
    let mut text = [0; 4];
    let (bytes, _, has_unknown) = WINDOWS_1252.encode(character.encode_utf8(&mut text));
    if has_unknown { None } else { bytes.first().copied() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_in(encoding: &str, text: &str) -> Vec<u8> {
        if let Some(page) = CodePage::named(encoding) {
            return text
                .chars()
                .map(
                    |character| {
                        if character.is_ascii() { character as u8 } else { page.encode(character).expect(encoding) }
                    },
                )
                .collect();
        }
        let encoding = Encoding::for_label(encoding.as_bytes()).unwrap();
        let (bytes, _, has_unknown) = encoding.encode(text);
        assert!(!has_unknown, "{text}");
        bytes.into_owned()
    }

    fn doubt(encoding: &str, text: &str) -> Option<&'static str> {
        Mojibake::of(&bytes_in(encoding, text), true).map(Mojibake::name)
    }

    const NAMES: [&str; 12] = [
        "José;León\n",
        "Begoña Núñez;Cádiz\n",
        "Íñigo;Ávila\n",
        "Joaquín;Málaga\n",
        "Muñoz",
        "JOSÉ PEÑA;CÓRDOBA\n",
        "João Gonçalves;São Paulo\n",
        "Conceição;Avó\n",
        "François;Besançon\n",
        "Agüero",
        "Jürgen Müller;Köln\n",
        "Zoë;Curaçao\n",
    ];

    #[test]
    fn what_a_mac_or_dos_wrote_is_doubted() {
        for text in ["José", "Muñoz", "Málaga", "Agüero", "João", "Müller", "Begoña;Cádiz;Álvaro", "Ramón Peña;Jesús"]
        {
            assert_eq!(doubt("macintosh", text), Some("macintosh"), "{text}");
        }
        for text in ["José", "Muñoz", "León", "María", "Jesús", "Agüero", "JOSÉ", "Begoña;Cádiz;Ávila"] {
            assert_eq!(doubt("cp850", text), Some("cp850"), "{text}");
        }
        let all = NAMES.concat();
        assert_eq!(doubt("macintosh", &all), Some("macintosh"));
        assert_eq!(doubt("cp850", &all), Some("cp850"));
        assert_eq!(doubt("cp437", "José;Muñoz;León"), Some("cp850"));
    }

    #[test]
    fn what_is_windows_1252_is_not_doubted() {
        for text in NAMES {
            assert_eq!(doubt("windows-1252", text), None, "{text}");
        }
        for text in [
            "O’Brien",
            "don’t",
            "D´Angelo",
            "Jean–Paul",
            "Madrid–Barcelona",
            "word—that",
            "“Ana”",
            "„Ana“",
            "«Ana»",
            "¿Qué? ¡Hola!",
            "5 €",
            "5€",
            "£5",
            "N.º 5",
            "Mª José",
            "D.ª Ana",
            "n° 3",
            "Acme®",
            "Acme™",
            "Ana…",
            "cœur",
            "Œuvre",
            "Žižek",
            "Šimon",
            "Paral·lel",
            "Ana\u{a0}García",
            "µg",
            "10–12",
            "Señor – Señora",
            "Straße",
            "naïve",
            "Ångström",
            "Þórður",
            "MÉxico",
            "© 2024 Acme",
            "§ 5",
        ] {
            assert_eq!(doubt("windows-1252", text), None, "{text}");
        }
        // One error among correct names.
        assert_eq!(doubt("windows-1252", &format!("{}Jos‚", NAMES.concat())), None);
    }

    #[test]
    fn the_rows_that_show_it_are_told() {
        let doubt = Mojibake { name: "macintosh", is_western: true };
        for (text, expected) in [("JosŽ", true), ("Mu–oz", true), ("Jos‚", true), ("Mu¤oz", true), ("Ana", false)]
        {
            assert_eq!(doubt.is_in(text), expected, "{text}");
        }
        assert!(Mojibake { is_western: false, ..doubt }.is_in("é"));
    }

    #[test]
    fn double_encoding_is_told() {
        let again = |text: &str| -> String {
            text.bytes()
                .map(|byte| WINDOWS_1252.decode_without_bom_handling(&[byte]).0.chars().next().unwrap())
                .collect()
        };
        for text in NAMES {
            assert!(is_double_encoded(&again(text)), "{text}: {}", again(text));
            assert!(is_double_encoded(&again(&again(text))), "{text}");
        }
        for text in
            ["PEÑA", "MARÍA", "JOSÉ", "voilà", "N.º 5", "O’Brien", "5 €", "Łódź", "Иван", "Γιώργος", "山田", "😀"]
        {
            assert!(is_double_encoded(&again(text)), "{text}: {}", again(text));
        }
        for text in ["JosÃ©", "JosÃƒÂ©", "Ã±", "NÃºÃ±ez", "ConceiÃ§Ã£o", "Oâ€™Brien"] {
            assert!(is_double_encoded(text), "{text}");
        }
    }

    #[test]
    fn the_first_look_passes_over_no_double_encoding() {
        let mut chance = fastrand::Rng::with_seed(1);
        let letters: Vec<char> =
            NAMES.concat().chars().chain("Łódź Иван 山田 😀 5 € O’Brien \u{fffd}".chars()).collect();
        let mut told = 0;
        for _ in 0..20_000 {
            let text: String = (0..chance.usize(0..6)).map(|_| *chance.choice(&letters).unwrap()).collect();
            let again = WINDOWS_1252.decode_without_bom_handling(text.as_bytes()).0;
            for text in [&*text, &*again, &format!("{text}{again}"), &format!("{again}{text}")] {
                let (mut rest, mut is_double) = (text, false);
                while let Some(start) = rest.find(|character: char| !character.is_ascii()) {
                    let run = &rest[start..];
                    let end = run.find(|character: char| character.is_ascii()).unwrap_or(run.len());
                    let bytes: Option<Vec<u8>> = run[..end].chars().map(byte_of).collect();
                    is_double |= bytes.is_some_and(|bytes| std::str::from_utf8(&bytes).is_ok());
                    rest = &run[end..];
                }
                assert!(!is_double || may_be_double_encoded(text.as_bytes()), "{text}");
                told += usize::from(is_double);
            }
        }
        assert!(told > 1_000, "{told}");
    }

    #[test]
    fn true_names_are_not_taken_for_double_encoded() {
        for text in NAMES {
            assert!(!is_double_encoded(text), "{text}");
        }
        for text in [
            "",
            "Ana",
            "JOÃO",
            "SÃO PAULO",
            "IRMÃ",
            "“IRMÃ”",
            "AMANHÃ…",
            "IRMÃ\u{a0}LÚCIA",
            "Ângela",
            "ÂNGELA",
            "Ã",
            "Â",
            "DÑª MARÍA",
            "D.ª María",
            "ESPAÑA",
            "MALMÖ–LUND",
            "Åsa",
            "ÅÄÖ",
            "Ærø",
            "Źdźbło",
            "Đặng Văn Ân",
            "Nguyễn Thị Ánh",
            "Þórður",
            "Ćwikła",
            "Иван",
            "Γιώργος",
            "山田太郎",
            "김철수",
            "محمد",
            "😀",
            "Ñandú",
            "«É»",
            "“Él”",
            "¿Él?",
            "¡Ánimo!",
            "5 €",
            "Î–Ï",
            "Élodie",
            "ÇELİK",
            "Öğüş",
        ] {
            assert!(!is_double_encoded(text), "{text}");
        }
    }
}
