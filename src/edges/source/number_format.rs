//! Number formats that show more of a number than its digits: the zeros before a postal code, the plus of a phone number.

/// What a format of digits alone shows: a place for each `0`, and what stands between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digits(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Digit,
    Sign(char),
}

impl Digits {
    /// The format of the code of a cell in XLSX (ECMA-376, 18.8.31), when it shows a number otherwise than as that number:
    /// `00000`, `000-000`, `"+"0`. `None` for one that rounds, groups, or adds a unit: such a number stays one.
    pub(super) fn of(code: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut signs = code.chars();
        while let Some(sign) = signs.next() {
            match sign {
                // What follows is for negative numbers, zero, and text.
                ';' => break,
                '0' => pieces.push(Piece::Digit),
                '"' => pieces.extend(signs.by_ref().take_while(|sign| *sign != '"').map(Piece::Sign)),
                '\\' => pieces.push(Piece::Sign(signs.next()?)),
                // A blank as wide as the next character, or that character up to the edge of the cell.
                '_' | '*' => {
                    signs.next()?;
                }
                '[' => {
                    let inside: String = signs.by_ref().take_while(|sign| *sign != ']').collect();
                    let is_locale = inside.starts_with("$-");
                    if !is_locale && !is_color(&inside) {
                        return None;
                    }
                }
                '+' | '-' | '(' | ')' | ' ' | '/' | ':' => pieces.push(Piece::Sign(sign)),
                _ => return None,
            }
        }
        Self::showing(pieces)
    }

    // One place is that of every number: then only a plus, as of a phone number, is more than a unit.
    fn showing(pieces: Vec<Piece>) -> Option<Self> {
        let digits = pieces.iter().filter(|piece| **piece == Piece::Digit).count();
        let is_plain = |piece: &Piece| matches!(piece, Piece::Digit | Piece::Sign(' ' | '-' | '(' | ')' | '+'));
        let has_plus = pieces.contains(&Piece::Sign('+'));
        let is_money = pieces.iter().any(|piece| matches!(piece, Piece::Sign('$' | '€' | '£' | '¥' | '%')));
        let is_shown = digits > 1 || (digits == 1 && has_plus && pieces.iter().all(is_plain));
        (is_shown && !is_money).then_some(Self(pieces))
    }

    /// How a whole number that is not negative is shown. More digits than places stand before the first of them.
    pub(super) fn show(&self, number: &str) -> String {
        let places = self.0.iter().filter(|piece| **piece == Piece::Digit).count();
        let mut digits = "0".repeat(places.saturating_sub(number.len())) + number;
        let rest = digits.split_off(digits.len().saturating_sub(places.saturating_sub(1)));
        let mut places = std::iter::once(digits).chain(rest.chars().map(String::from));
        let mut shown = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Digit => shown.push_str(&places.next().unwrap_or_default()),
                Piece::Sign(sign) => shown.push(*sign),
            }
        }
        shown
    }
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

    pub(super) fn end(self) -> Option<Digits> {
        if self.is_other { None } else { Digits::of(&self.code) }
    }
}

/// The longest code that is looked at, in bytes.
const MAX_CODE: usize = 256;

/// Whether what a cell shows is its whole number with zeros before it, or with a plus: then it is more than the number.
/// With a point, a comma or a currency it is the number, written for people.
pub(super) fn shows_more(shown: &str, number: f64) -> bool {
    if number < 0.0 || number.fract() != 0.0 || shown.chars().any(|sign| ".,'%$€£¥".contains(sign)) {
        return false;
    }
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    let plain = format!("{number:.0}");
    let is_same = digits.trim_start_matches('0') == plain.trim_start_matches('0');
    is_same && (digits.len() > plain.len() || (shown.trim_start().starts_with('+') && !digits.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_shown_in_its_places() {
        let check = |code: &str, number: &str, expected: Option<&str>| {
            assert_eq!(Digits::of(code).map(|digits| digits.show(number)).as_deref(), expected, "{code} {number}");
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
        // Numbers.
        for code in [
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
            "[<=9999999]000-0000;(000) 000-0000",
            "\"x\"",
            "",
            "\\",
            "yyyy-mm-dd",
            "[h]:mm",
            "hh:mm",
        ] {
            check(code, "5", None);
        }
    }

    #[test]
    fn a_described_format_is_that_of_its_code() {
        let shown = |describe: &dyn Fn(&mut Described), number: &str| {
            let mut described = Described::default();
            describe(&mut described);
            described.end().map(|digits| digits.show(number))
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
