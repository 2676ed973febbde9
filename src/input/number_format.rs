//! Number formats that display more than the digits of a number: the leading zeros of a postal code, the plus sign and the
//! country code of a phone number.

/// A number format that displays more than the number or the text itself (ECMA-376, 18.8.31).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NumberFormat {
    // For numbers that are not negative, in the order in which they are tried.
    sections: Vec<(Option<Condition>, Section)>,
    // The characters before and after text.
    text: Option<(String, String)>,
}

/// How a cell displays a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Display {
    /// The number.
    Number,
    /// This text.
    Text(String),
    /// A power of ten in place of its last digits.
    Scientific,
    /// A day, when it is one.
    Date,
    /// A plus sign or digits around it, in a way that is not supported.
    Unclear,
}

/// One section of a format, up to the next `;`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Section {
    Number,
    Digits(Vec<Piece>),
    Scientific,
    Date,
    Unclear,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    // A digit always, and one where the number has it.
    Digit,
    Optional,
    Sign(char),
}

/// A condition such as `[<=9999999]`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    operator: String,
    limit: String,
}

/// The fewest digits of a number for which an unclear format matters: a shorter one is not a phone number.
const PHONE_DIGITS: usize = 7;

/// Currencies that are written in letters before an amount.
const CURRENCIES: [&str; 44] = [
    "ARS", "AUD", "BOB", "BRL", "BS", "CAD", "CHF", "CLP", "CNY", "COP", "CR", "CRC", "CZK", "DKK", "DM", "EUR", "FR",
    "FT", "GBP", "GS", "GTQ", "HKD", "HNL", "HUF", "IDR", "INR", "JPY", "KC", "KR", "L", "LEI", "MXN", "NIO", "NOK",
    "PEN", "PLN", "PYG", "Q", "R", "RP", "RS", "SEK", "USD", "UYU",
];

impl NumberFormat {
    /// The format of this code, if it displays more than the number: `00000`, `000-000`, `"+1 "0`, a date. `None` for one that
    /// rounds, groups or adds a unit, because the number is then read as it is.
    pub(super) fn of(code: &str) -> Option<Self> {
        let read: Vec<Read> = split(code).into_iter().map(Read::of).collect();
        let text = read.iter().find_map(Read::around_text);
        let mut numbers: Vec<&Read> = read.iter().filter(|read| !read.is_text).collect();
        // A format with only a text section displays numbers too, and programs differ in how.
        let of_text = read.iter().find(|read| read.is_text && read.adds() && numbers.is_empty());
        let has_conditions = numbers.iter().any(|read| read.condition.is_some());
        if !has_conditions {
            // The other sections are for negative numbers and for zero.
            numbers.truncate(1);
        }
        let mut sections: Vec<_> = numbers.into_iter().map(|read| (read.condition.clone(), read.section())).collect();
        sections.extend(of_text.map(|_| (None, Section::Unclear)));
        let is_plain = sections.iter().all(|(_, section)| *section == Section::Number) && text.is_none();
        (!is_plain).then_some(Self { sections, text })
    }

    /// How a whole number that is not negative, given in digits, is displayed.
    pub(super) fn display(&self, number: &str) -> Display {
        let holds = |condition: &Option<Condition>| condition.as_ref().is_none_or(|it| it.holds(number));
        let section = self.sections.iter().find(|(condition, _)| holds(condition)).map(|(_, section)| section);
        match section {
            None | Some(Section::Number) => Display::Number,
            Some(Section::Digits(pieces)) => Display::Text(in_places(pieces, number)),
            Some(Section::Scientific) => Display::Scientific,
            Some(Section::Date) => Display::Date,
            Some(Section::Unclear) if number.len() < PHONE_DIGITS => Display::Number,
            Some(Section::Unclear) => Display::Unclear,
        }
    }

    /// Whether it displays dates.
    pub(super) fn is_date(&self) -> bool {
        self.sections.iter().any(|(_, section)| *section == Section::Date)
    }

    /// How text is displayed.
    pub(super) fn of_text(&self, text: &str) -> Option<String> {
        let (before, after) = self.text.as_ref().filter(|_| !text.is_empty())?;
        Some([before, text, after].concat())
    }
}

impl Condition {
    fn of(inside: &str) -> Option<Self> {
        let limit = inside.trim_start_matches(['<', '>', '=']);
        let operator = &inside[..inside.len() - limit.len()];
        let is_known = matches!(operator, "<" | "<=" | ">" | ">=" | "=" | "<>") && limit.parse::<f64>().is_ok();
        is_known.then(|| Self { operator: operator.to_owned(), limit: limit.to_owned() })
    }

    fn holds(&self, number: &str) -> bool {
        let (Ok(number), Ok(limit)) = (number.parse::<f64>(), self.limit.parse::<f64>()) else { return false };
        match self.operator.as_str() {
            "<" => number < limit,
            "<=" => number <= limit,
            ">" => number > limit,
            ">=" => number >= limit,
            "<>" => (number - limit).abs() > 0.0,
            _ => (number - limit).abs() <= 0.0,
        }
    }
}

// The sections of a code.
fn split(code: &str) -> Vec<&str> {
    let (mut parts, mut start, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (at, sign) in code.char_indices() {
        match sign {
            _ if is_escaped => is_escaped = false,
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '\\' | '_' | '*' => is_escaped = true,
            ';' => {
                parts.push(&code[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&code[start..]);
    parts
}

/// How a section displays a number; if it has several kinds of parts, the last of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Content {
    #[default]
    Places,
    /// Groups of digits, decimals, a percentage, a fraction, a time of day, or something that is not known.
    Other,
    Scientific,
    Date,
}

/// One part of a code while it is read.
#[derive(Default)]
struct Read {
    pieces: Vec<Piece>,
    condition: Option<Condition>,
    content: Content,
    is_text: bool,
    // Whether it has a currency in brackets.
    is_money: bool,
    // Where the text stands among the pieces.
    text_at: usize,
}

impl Read {
    fn of(part: &str) -> Self {
        let mut read = Self::default();
        let mut rest = part;
        while let Some(sign) = rest.chars().next() {
            if let Some(after) = strip_keyword(rest, "general").or_else(|| strip_keyword(rest, "standard")) {
                read.pieces.push(Piece::Digit);
                rest = after;
                continue;
            }
            let mut signs = rest.chars();
            signs.next();
            read.take(sign, &mut signs);
            rest = signs.as_str();
        }
        read
    }

    fn take(&mut self, sign: char, signs: &mut std::str::Chars<'_>) {
        match sign {
            '0' => self.pieces.push(Piece::Digit),
            '#' | '?' => self.pieces.push(Piece::Optional),
            '"' => self.pieces.extend(signs.by_ref().take_while(|sign| *sign != '"').map(Piece::Sign)),
            '\\' => self.pieces.extend(signs.next().map(Piece::Sign)),
            // A space as wide as the next character, or that character repeated up to the edge of the cell.
            '_' | '*' => {
                signs.next();
            }
            '[' => {
                let inside: String = signs.by_ref().take_while(|sign| *sign != ']').collect();
                self.bracket(&inside);
            }
            '@' => {
                self.is_text = true;
                self.text_at = self.pieces.len();
            }
            '/' if self.pieces.contains(&Piece::Optional) => self.content = self.content.max(Content::Other),
            '.' | ',' | '%' => self.content = self.content.max(Content::Other),
            'E' | 'e' if signs.as_str().starts_with(['+', '-']) => {
                signs.next();
                self.content = Content::Scientific.max(self.content);
            }
            'y' | 'Y' | 'd' | 'D' => self.content = Content::Date,
            // Times of day, and the years of other calendars.
            'm' | 'M' | 'h' | 'H' | 's' | 'S' | 'a' | 'A' | 'p' | 'P' | 'b' | 'B' | 'g' | 'G' | 'e' | 'E' | 'n'
            | 'N' => {
                self.content = self.content.max(Content::Other);
            }
            sign => self.pieces.push(Piece::Sign(sign)),
        }
    }

    // A color, a condition, a currency with its language, a time longer than a day.
    fn bracket(&mut self, inside: &str) {
        if let Some(symbol) = inside.strip_prefix('$') {
            let symbol = symbol.rsplit_once('-').map_or(symbol, |(symbol, _)| symbol);
            self.is_money |= !symbol.is_empty();
            self.pieces.extend(symbol.chars().map(Piece::Sign));
        } else if let Some(condition) = Condition::of(inside) {
            self.condition = Some(condition);
        } else if !is_color(inside) {
            self.content = self.content.max(Content::Other);
        }
    }

    fn signs(&self) -> impl Iterator<Item = char> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Sign(sign) => Some(*sign),
            Piece::Digit | Piece::Optional => None,
        })
    }

    // Whether it puts a plus anywhere, or digits before those of the number.
    fn adds(&self) -> bool {
        self.signs().any(|sign| sign == '+') || self.has_digits_before()
    }

    fn has_digits_before(&self) -> bool {
        self.signs_before().any(|sign| sign.is_ascii_digit())
    }

    // Whether letters stand right before the digits, as in the code `ES44`, and nothing after them. A currency is no part of its
    // number.
    fn has_letters_before(&self) -> bool {
        let before: String = self.signs_before().collect();
        let letters = before.trim_end_matches(['-', '_', '/', '#']);
        let is_code = before.starts_with(|sign: char| sign.is_ascii_alphabetic())
            && letters.chars().all(|sign| sign.is_ascii_alphanumeric());
        let is_currency = self.is_money || CURRENCIES.contains(&letters.to_ascii_uppercase().as_str());
        is_code && !is_currency && self.signs().count() == before.len()
    }

    // The characters before the first digit.
    fn signs_before(&self) -> impl Iterator<Item = char> + '_ {
        self.pieces.iter().map_while(|piece| match piece {
            Piece::Sign(sign) => Some(*sign),
            Piece::Digit | Piece::Optional => None,
        })
    }

    fn section(&self) -> Section {
        let zeros = self.pieces.iter().filter(|piece| **piece == Piece::Digit).count();
        let has_place = self.pieces.iter().any(|piece| !matches!(piece, Piece::Sign(_)));
        let is_money = self.signs().any(|sign| matches!(sign, '$' | '€' | '£' | '¥' | '%'));
        let is_plain = self.signs().all(|sign| sign.is_ascii_digit() || " -()+./".contains(sign) || sign == '\u{a0}');
        match self.content {
            Content::Date => return Section::Date,
            Content::Scientific => return Section::Scientific,
            Content::Other if !self.has_digits_before() => return Section::Number,
            Content::Other => return Section::Unclear,
            Content::Places => {}
        }
        if !has_place {
            if self.adds() { Section::Unclear } else { Section::Number }
        } else if zeros > 1 && !is_money {
            Section::Digits(self.pieces.clone())
        } else if self.adds() && is_plain {
            // One place is that of every number: then only a plus or digits are more than a unit.
            Section::Digits(self.pieces.clone())
        } else if self.has_digits_before() {
            Section::Unclear
        } else if self.has_letters_before() {
            Section::Digits(self.pieces.clone())
        } else {
            Section::Number
        }
    }

    fn around_text(&self) -> Option<(String, String)> {
        if !self.is_text || !self.adds() {
            return None;
        }
        let all: Vec<char> = self.signs().collect();
        let at = self.text_at.min(all.len());
        Some((all[..at].iter().collect(), all[at..].iter().collect()))
    }
}

fn strip_keyword<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let start = text.get(..keyword.len())?;
    start.eq_ignore_ascii_case(keyword).then(|| &text[keyword.len()..])
}

// More digits than places stand before the first of them.
fn in_places(pieces: &[Piece], number: &str) -> String {
    let is_place = |piece: &&Piece| !matches!(piece, Piece::Sign(_));
    let places: Vec<Piece> = pieces.iter().filter(is_place).copied().collect();
    let more = number.len().saturating_sub(places.len());
    let missing = places.len().saturating_sub(number.len());
    let mut digits = number.chars();
    let mut shown = String::new();
    let mut at = 0;
    for piece in pieces {
        match piece {
            Piece::Sign(sign) => shown.push(*sign),
            Piece::Digit | Piece::Optional => {
                if at < missing {
                    // Places after one that is always shown are shown, too.
                    let is_shown = places[..=at].contains(&Piece::Digit);
                    shown.push_str(if is_shown { "0" } else { "" });
                } else {
                    let count = if at == 0 { more + 1 } else { 1 };
                    shown.extend(digits.by_ref().take(count));
                }
                at += 1;
            }
        }
    }
    shown
}

fn is_color(inside: &str) -> bool {
    const COLORS: [&str; 8] = ["black", "blue", "cyan", "green", "magenta", "red", "white", "yellow"];
    let inside = inside.to_ascii_lowercase();
    COLORS.contains(&inside.as_str()) || inside.starts_with("color")
}

/// A format of ODS while it is read (ODF 1.2, 16.27): made into the code that XLSX has for the same.
#[derive(Debug, Default)]
pub(super) struct Described {
    code: String,
    // Whether something was in it that no code of digits has.
    is_other: bool,
}

impl Described {
    /// Text before or after the digits.
    pub(super) fn text(&mut self, text: &str) {
        if self.code.len() + text.len() > MAX_CODE {
            self.is_other = true;
        } else if !text.is_empty() {
            self.code.push_str(&format!("\"{}\"", text.replace('"', "")));
        }
    }

    /// As many digits at least.
    pub(super) fn digits(&mut self, places: usize) {
        if places == 0 || self.code.len() + places > MAX_CODE {
            self.is_other = true;
        } else {
            self.code.push_str(&"0".repeat(places));
        }
    }

    /// Text before the last `places` digits.
    pub(super) fn text_inside(&mut self, places: usize, text: &str) {
        match self.code.len().checked_sub(places) {
            Some(at)
                if self.code.len() + text.len() <= MAX_CODE && self.code[at..].bytes().all(|byte| byte == b'0') =>
            {
                self.code.insert_str(at, &format!("\"{}\"", text.replace('"', "")));
            }
            Some(_) | None => self.is_other = true,
        }
    }

    /// Anything else: a fraction, an exponent, a condition.
    pub(super) const fn other(&mut self) {
        self.is_other = true;
    }

    pub(super) fn end(self) -> Option<NumberFormat> {
        if self.is_other { None } else { NumberFormat::of(&self.code) }
    }
}

/// Maximum length of a code, in bytes.
const MAX_CODE: usize = 256;

/// Whether what a cell shows is its whole number with zeros before it, or with a plus, or with a country code: then it is
/// more than the number. With a point, a comma or a currency it is the number, written for people.
pub(super) fn shows_more(shown: &str, number: f64) -> bool {
    if number < 0.0 || number.fract() != 0.0 || shown.chars().any(|sign| "%$€£¥".contains(sign)) {
        return false;
    }
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    let plain = format!("{number:.0}");
    let is_longer = digits.len() > plain.len();
    if plain.len() >= PHONE_DIGITS && is_longer && digits.ends_with(&plain) {
        return true;
    }
    if shown.chars().any(|sign| ".,'".contains(sign)) {
        return false;
    }
    let is_same = digits.trim_start_matches('0') == plain.trim_start_matches('0');
    is_same && (is_longer || (shown.trim_start().starts_with('+') && !digits.is_empty()))
}

/// Whether a cell shows its number in scientific notation: `5.22E+12`.
pub(super) fn is_scientific(shown: &str) -> bool {
    shown.split_once(['E', 'e']).is_some_and(|(digits, power)| {
        let power = power.strip_prefix(['+', '-']).unwrap_or(power);
        digits.starts_with(|sign: char| sign.is_ascii_digit())
            && !power.is_empty()
            && power.bytes().all(|digit| digit.is_ascii_digit())
    })
}

/// A whole number as a spreadsheet shows it in scientific notation, where it has been rounded to what is shown: then the
/// zeros at its end are no digits of it. `None` for a number that has all its digits, and for a short one.
pub(super) fn rounded(number: &str) -> Option<String> {
    // As many digits as spreadsheets show in this notation, unless a format asks for more.
    const SHOWN_DIGITS: usize = 6;
    let known = number.trim_end_matches('0');
    if number.len() <= PHONE_DIGITS || known.is_empty() || known.len() > SHOWN_DIGITS {
        return None;
    }
    let (first, rest) = known.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    Some(format!("{first}{point}{rest}E+{:02}", number.len() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(code: &str, number: &str) -> Option<String> {
        match NumberFormat::of(code)?.display(number) {
            Display::Text(text) => Some(text),
            Display::Number | Display::Scientific | Display::Date | Display::Unclear => None,
        }
    }

    #[test]
    fn a_number_is_shown_in_its_places() {
        let check = |code: &str, number: &str, expected: Option<&str>| {
            assert_eq!(shown(code, number).as_deref(), expected, "{code} {number}");
        };
        check("00000", "2138", Some("02138"));
        check("00000", "0", Some("00000"));
        check("00000", "123456", Some("123456"));
        check("000-000", "12345", Some("012-345"));
        check("000-000", "1234567", Some("1234-567"));
        check("\"+\"0", "5215550001", Some("+5215550001"));
        check("+0", "5215550001", Some("+5215550001"));
        check("\\+00 00", "5255", Some("+52 55"));
        check("0000\"-\"0000", "12345678", Some("1234-5678"));
        check("(000) 000\\-0000", "5551234567", Some("(555) 123-4567"));
        check("\"ID-\"00000", "42", Some("ID-00042"));
        check("00000;-00000;;@", "2138", Some("02138"));
        check("00000_);[Red]\\(00000\\)", "2138", Some("02138"));
        check("[$-409]00000", "2138", Some("02138"));
        check("[Red]00", "7", Some("07"));
        check("00 00 00 00 00", "612345678", Some("06 12 34 56 78"));
        check("[<=9999999]000-0000;(000) 000-0000", "5551234", Some("555-1234"));
        check("[<=9999999]000-0000;(000) 000-0000", "4155552671", Some("(415) 555-2671"));
        check("[>100]0;000", "5", Some("005"));
        // Letters before the only digit are a part of a code, unless they are a currency.
        check("\"ES\"0", "44", Some("ES44"));
        check("\"C-\"0", "7", Some("C-7"));
        check("\"ES\"General", "44", Some("ES44"));
        // Numbers.
        for code in [
            "\"EUR\"0",
            "[$MXN]0",
            "[$Bs-400A]0",
            "\"Bs\"0",
            "\"Nr. \"0",
            "\"ES\"0\" x\"",
            "General",
            "0",
            "0.00",
            "00.0",
            "#,##0",
            "#,##0.00",
            "#",
            "##0",
            "0%",
            "00%",
            "0.00E+00",
            "# ?/?",
            "@",
            "\"$\"0",
            "$00",
            "[$€-407]00",
            "0 \"kg\"",
            "0_ ;[Red]\\-0\\ ",
            "[<=9999999]###-####;(###) ###-####",
            "\"x\"",
            "",
            "\\",
            "yyyy-mm-dd",
            "[h]:mm",
            "hh:mm",
            "+0.0%;-0.0%",
            "0\"/10\"",
            "+0 \"kg\"",
            ";;;",
        ] {
            check(code, "5", None);
        }
    }

    #[test]
    fn a_country_code_in_a_format_is_shown() {
        let check = |code: &str, expected: &str| {
            let found = shown(code, "4155552671").map(|shown| shown.replace([' ', '-', '(', ')'], ""));
            assert_eq!(found.as_deref(), Some(expected), "{code}");
        };
        for code in [
            "\"+1 \"0",
            "\"+1 \"000 000 0000",
            "\"+1 \"(000) 000-0000",
            "+1 0",
            "+1\\ 000\\-000\\-0000",
            "\"+1\"##########",
            "\\+1 ###-###-####",
            "[$+1] 0",
            "[$+1-409] 000 000 0000",
            "\"(+1) \"0",
            "\"+1 \"### ### ####",
            "\"+1-\"#",
            "+1#########0",
            "\\+\\10000000000",
            "\"+1 \"General",
            "[<=9999999]0;\"+1 \"0",
            "\"+1 \"0;;;@",
            "[Blue]\"+1 \"0",
        ] {
            check(code, "+14155552671");
        }
        for code in ["\"1 \"000-000-0000", "\"1\"0", "\\1#", "1 (000) 000-0000"] {
            check(code, "14155552671");
        }
        check("\"001\"0", "0014155552671");
        check("+0", "+4155552671");
        check("\"+\"General", "+4155552671");
        check("+# ### ### ###", "+4155552671");
        let is_unclear = |code: &str, number: &str| NumberFormat::of(code).map(|format| format.display(number));
        for code in ["\"+1 \"#,##0", "\"Tel 1 \"0", "\"+1 \"@", "\"+1 \"0.00", "\"+1\""] {
            assert_eq!(is_unclear(code, "4155552671"), Some(Display::Unclear), "{code}");
            assert_eq!(is_unclear(code, "12"), Some(Display::Number), "{code}");
        }
    }

    #[test]
    fn what_a_format_puts_beside_a_text_is_shown() {
        let check = |code: &str, text: &str, expected: Option<&str>| {
            let found = NumberFormat::of(code).and_then(|format| format.of_text(text));
            assert_eq!(found.as_deref(), expected, "{code} {text}");
        };
        check("\"+1 \"@", "4155552671", Some("+1 4155552671"));
        check("0;0;0;\"+52\"@", "5512345678", Some("+525512345678"));
        check("\"+1 \"@", "", None);
        check("@", "x", None);
        check("@\" kg\"", "5", None);
        check("0;0;0;@", "x", None);
    }

    #[test]
    fn dates_and_powers_of_ten_are_told() {
        for code in
            ["yyyy-mm-dd", "dd/mm/yyyy hh:mm", "[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", "d \"de\" mmmm", "mmm-yy"]
        {
            assert!(NumberFormat::of(code).is_some_and(|format| format.is_date()), "{code}");
        }
        for code in ["hh:mm", "[h]:mm:ss", "h:mm AM/PM", "0\"d\"", "0\\ \\d", "mm:ss.0"] {
            assert!(!NumberFormat::of(code).is_some_and(|format| format.is_date()), "{code}");
        }
        for code in ["0.00E+00", "##0.0E+0", "0E+00"] {
            assert_eq!(NumberFormat::of(code).map(|format| format.display("5")), Some(Display::Scientific), "{code}");
        }
        let check = |number: &str, expected: Option<&str>| assert_eq!(rounded(number).as_deref(), expected, "{number}");
        check("5215500000000", Some("5.2155E+12"));
        check("525512000000", Some("5.25512E+11"));
        check("5000000000000", Some("5E+12"));
        check("5512350000", Some("5.51235E+09"));
        check("612346000", Some("6.12346E+08"));
        check("100000", None);
        check("525512345678", None);
        check("5512345000", None);
        check("0", None);
        check("00000", None);
    }

    #[test]
    fn a_described_format_is_that_of_its_code() {
        let shown = |describe: &dyn Fn(&mut Described), number: &str| {
            let mut described = Described::default();
            describe(&mut described);
            match described.end()?.display(number) {
                Display::Text(text) => Some(text),
                Display::Number | Display::Scientific | Display::Date | Display::Unclear => None,
            }
        };
        let check = |describe: &dyn Fn(&mut Described), number: &str, expected: Option<&str>| {
            assert_eq!(shown(describe, number).as_deref(), expected);
        };
        check(&|format| format.digits(5), "2138", Some("02138"));
        check(&|format| format.digits(1), "2138", None);
        check(&|format| format.digits(0), "2138", None);
        check(&|format| format.digits(1_000), "2138", None);
        let plus = |format: &mut Described| {
            format.text("+");
            format.digits(1);
        };
        check(&plus, "525550001", Some("+525550001"));
        let inside = |format: &mut Described| {
            format.digits(6);
            format.text_inside(3, "-");
        };
        check(&inside, "12345", Some("012-345"));
        let twice = |format: &mut Described| {
            format.digits(6);
            format.text_inside(4, "-");
            format.text_inside(2, "-");
        };
        check(&twice, "123456", Some("12-34-56"));
        let other = |format: &mut Described| {
            format.digits(5);
            format.other();
        };
        check(&other, "2138", None);
        check(&|format| format.text_inside(3, "-"), "2138", None);
    }

    #[test]
    fn what_is_shown_is_more_than_a_number() {
        let check = |shown: &str, number: f64, expected: bool| {
            assert_eq!(shows_more(shown, number), expected, "{shown} {number}");
        };
        check("02138", 2138.0, true);
        check("012-345", 12345.0, true);
        check("+5215550001", 5_215_550_001.0, true);
        check("00000", 0.0, true);
        check("ID-00042", 42.0, true);
        check("+1 4155552671", 4_155_552_671.0, true);
        check("1 (415) 555-2671", 4_155_552_671.0, true);
        check("+1 4,155,552,671", 4_155_552_671.0, true);
        check("10/10", 10.0, false);
        check("4,155,552,671", 4_155_552_671.0, false);
        check("4155552671.00", 4_155_552_671.0, false);
        check("2138", 2138.0, false);
        check("2,138", 2138.0, false);
        check("2138.00", 2138.0, false);
        check("0.00", 0.0, false);
        check("0", 0.0, false);
        check("$05", 5.0, false);
        check("(555) 123-4567", 5_551_234_567.0, false);
        check("-05", -5.0, false);
        check("05", 4.6, false);
        check("5 kg", 5.0, false);
        check("five", 5.0, false);
        check("", 0.0, false);
        check("02139", 2138.0, false);
    }
}
