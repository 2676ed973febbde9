//! Converts dates as people write them to ISO 8601.

use std::fmt;
use std::str::FromStr;

/// The form of a date, such as `DD/MM/YYYY` or `M/D/YYYY h:mm A`.
///
/// `YYYY` is a year; `MM`, `DD`, `HH`, `hh`, `mm`, `ss` are two digits each and `M`, `D`, `H`, `h` one or two; with `h`,
/// `A` is AM or PM. Other characters must match literally. There is no code for a year of two digits, because its century is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateForm {
    source: String,
    pieces: Vec<Piece>,
    has_time: bool,
}

/// Why text is no form of a date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadDateForm {
    /// A part of a date is missing.
    #[error("expected a form with `{0}`, such as DD/MM/YYYY, found none in it")]
    Without(&'static str),
    /// A part occurs twice.
    #[error("expected each part once, found two for the {0}")]
    Twice(&'static str),
    /// A year of two digits.
    #[error(
        "expected the years with four digits, found `YY`: 05/03/24 has no century, so write YYYY and export the dates with it"
    )]
    ShortYear,
    /// Unknown letters.
    #[error("expected letters such as YYYY, MM, DD, HH, mm and ss, found `{0}`")]
    Letters(String),
}

/// Why text is no date in a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDate {
    /// It has another form.
    OtherForm,
    /// It names a day or an hour that does not exist.
    NotInCalendar,
    /// It is what programs write for a missing date.
    NoValue,
    /// Its year has two digits, and the rest fits.
    ShortYear,
}

/// Days that programs write for a missing date: the zero of Excel, that of Access and of OLE, the one before it, and the first
/// day of .NET.
const ZEROS: [(u32, u32, u32); 4] = [(1900, 1, 0), (1899, 12, 30), (1899, 12, 31), (1, 1, 1)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Number { of: Unit, least: usize, most: usize },
    HalfDay,
    Sign(char),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Year,
    Month,
    Day,
    Hour,
    HourOfHalfDay,
    Minute,
    Second,
}

/// What has been read of a date.
#[derive(Default)]
struct Moment {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    is_afternoon: Option<bool>,
}

impl DateForm {
    /// Converts `text` to a date such as `2024-03-05` or, with a time of day, `2024-03-05T14:30:00`.
    pub(in crate::core) fn read(&self, text: &str) -> Result<String, NoDate> {
        let Some(moment) = self.taken(text, |piece| piece) else {
            let has_short_year = self.taken(text, Piece::with_short_year).is_some();
            return Err(if has_short_year { NoDate::ShortYear } else { NoDate::OtherForm });
        };
        let Moment { year, month, day, minute, second, .. } = moment;
        let hour = moment.hour().ok_or(NoDate::NotInCalendar)?;
        let has_time = (hour, minute, second) != (0, 0, 0);
        let is_zero = (year, month, day) == (0, 0, 0) || ZEROS.contains(&(year, month, day));
        if is_zero && !has_time {
            return Err(NoDate::NoValue);
        }
        let is_day = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day) && year > 0;
        if !is_day || hour > 23 || minute > 59 || second > 59 {
            return Err(NoDate::NotInCalendar);
        }
        let mut iso = String::with_capacity(19);
        put(&mut iso, year, 4);
        for (character, number) in [('-', month), ('-', day)] {
            iso.push(character);
            put(&mut iso, number, 2);
        }
        if self.has_time {
            for (character, number) in [('T', hour), (':', minute), (':', second)] {
                iso.push(character);
                put(&mut iso, number, 2);
            }
        }
        Ok(iso)
    }

    // The numbers in text that has this form as a whole.
    fn taken(&self, text: &str, change: fn(Piece) -> Piece) -> Option<Moment> {
        let mut moment = Moment::default();
        let rest = self.pieces.iter().try_fold(text, |rest, piece| moment.take(change(*piece), rest))?;
        rest.is_empty().then_some(moment)
    }
}

impl Piece {
    const fn with_short_year(self) -> Self {
        match self {
            Self::Number { of: Unit::Year, .. } => Self::Number { of: Unit::Year, least: 2, most: 2 },
            Self::Number { .. } | Self::HalfDay | Self::Sign(_) => self,
        }
    }
}

/// A date or a time in ISO 8601, as the cells of sheets have it, without a fraction of a second.
pub(in crate::core) fn iso(text: &str) -> Option<&str> {
    let (day, time) = text.split_once('T').map_or((text, None), |(day, time)| (day, Some(time)));
    let time = time.map(|time| time.split_once('.').map_or(time, |(time, _)| time));
    let is_of = |text: &str, form: &[u8]| {
        let fits =
            |(byte, character): (u8, &u8)| if *character == b'0' { byte.is_ascii_digit() } else { byte == *character };
        text.len() == form.len() && text.bytes().zip(form).all(fits)
    };
    if !is_of(day, b"0000-00-00") || !time.is_none_or(|time| is_of(time, b"00:00:00")) {
        return None;
    }
    let number = |text: &str| text.parse::<u32>().unwrap_or(0);
    let (year, month, date) = (number(&day[..4]), number(&day[5..7]), number(&day[8..]));
    let is_day = year > 0 && (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&date);
    let is_time = |time: &str| number(&time[..2]) < 24 && number(&time[3..5]) < 60 && number(&time[6..]) < 60;
    let length = day.len() + time.map_or(0, |time| time.len() + 1);
    (is_day && time.is_none_or(is_time)).then(|| &text[..length])
}

/// Whether `text` is a date of zeros, such as `0000-00-00` or `0/0/00 0:00:00`, which programs write for a missing date. The
/// year has two zeros or four, unlike a version (`0.0.0`) or a score.
#[inline]
pub(in crate::core) fn is_zero_date(text: &str) -> bool {
    // Each cell is asked about, and most are told apart by their first byte.
    text.as_bytes().first() == Some(&b'0') && text.len() >= 6 && has_zero_date(text)
}

fn has_zero_date(text: &str) -> bool {
    let (day, time) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let is_zeros =
        |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|character| character == b'0');
    let is_day = ['-', '/', '.'].into_iter().any(|character| {
        let groups: Vec<&str> = day.split(character).collect();
        let [first, second, third] = groups.as_slice() else { return false };
        let (year, rest) = if first.len() == 4 { (first, third) } else { (third, first) };
        is_zeros(year, 4) && year.len().is_multiple_of(2) && is_zeros(second, 2) && is_zeros(rest, 2)
    });
    // Midnight is 12 AM.
    let time = time.trim_end_matches(['Z', 'A', 'M', 'a', 'm', '.', ' ']);
    let time = time.split(['+', '.']).next().unwrap_or_default();
    let mut clock = time.split(':');
    let is_midnight = clock.next().is_some_and(|hour| is_zeros(hour, 2) || hour == "12" || time.is_empty())
        && clock.all(|part| is_zeros(part, 2));
    is_day && is_midnight
}

impl Moment {
    fn take<'a>(&mut self, piece: Piece, text: &'a str) -> Option<&'a str> {
        match piece {
            Piece::Sign(' ') => {
                let rest = text.trim_start();
                (rest.len() < text.len()).then_some(rest)
            }
            Piece::Sign(character) => text.strip_prefix(character),
            Piece::HalfDay => {
                // Spanish has `a. m.`.
                let (half, rest) = ["a. m.", "p. m.", "a.m.", "p.m.", "am", "pm"].into_iter().find_map(|half| {
                    let start = text.get(..half.len())?;
                    start.eq_ignore_ascii_case(half).then(|| (half, &text[half.len()..]))
                })?;
                self.is_afternoon = Some(half.starts_with('p'));
                Some(rest)
            }
            Piece::Number { of, least, most } => {
                let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
                if digits < least {
                    return None;
                }
                let number = text[..digits].bytes().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
                *match of {
                    Unit::Year => &mut self.year,
                    Unit::Month => &mut self.month,
                    Unit::Day => &mut self.day,
                    Unit::Hour | Unit::HourOfHalfDay => &mut self.hour,
                    Unit::Minute => &mut self.minute,
                    Unit::Second => &mut self.second,
                } = number;
                Some(&text[digits..])
            }
        }
    }

    fn hour(&self) -> Option<u32> {
        match self.is_afternoon {
            None => Some(self.hour),
            Some(is_afternoon) => {
                (1..=12).contains(&self.hour).then(|| self.hour % 12 + if is_afternoon { 12 } else { 0 })
            }
        }
    }
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Hour | Self::HourOfHalfDay => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
        }
    }
}

impl FromStr for DateForm {
    type Err = BadDateForm;

    fn from_str(source: &str) -> Result<Self, Self::Err> {
        let mut pieces = Vec::new();
        let mut rest = source.trim();
        while let Some(character) = rest.chars().next() {
            let run = if character.is_ascii_alphabetic() {
                rest.len() - rest.trim_start_matches(character).len()
            } else {
                character.len_utf8()
            };
            let letters = &rest[..run];
            rest = &rest[run..];
            let number = |of, least, most| Piece::Number { of, least, most };
            pieces.push(match letters {
                "YYYY" => number(Unit::Year, 4, 4),
                "MM" => number(Unit::Month, 2, 2),
                "M" => number(Unit::Month, 1, 2),
                "DD" => number(Unit::Day, 2, 2),
                "D" => number(Unit::Day, 1, 2),
                "HH" => number(Unit::Hour, 2, 2),
                "H" => number(Unit::Hour, 1, 2),
                "hh" => number(Unit::HourOfHalfDay, 2, 2),
                "h" => number(Unit::HourOfHalfDay, 1, 2),
                "mm" => number(Unit::Minute, 2, 2),
                "ss" => number(Unit::Second, 2, 2),
                "A" => Piece::HalfDay,
                // ISO 8601 has it between the day and the hour.
                "T" => Piece::Sign('T'),
                "YY" => return Err(BadDateForm::ShortYear),
                letters if character.is_ascii_alphabetic() => return Err(BadDateForm::Letters(letters.to_owned())),
                _ => Piece::Sign(character),
            });
        }
        let form = Self { source: source.trim().to_owned(), has_time: false, pieces };
        form.checked()
    }
}

impl DateForm {
    fn checked(mut self) -> Result<Self, BadDateForm> {
        let count = |name: &str| {
            let is_it = |piece: &&Piece| matches!(piece, Piece::Number { of, .. } if of.name() == name);
            self.pieces.iter().filter(is_it).count()
        };
        for name in ["year", "month", "day", "hour", "minute", "second"] {
            if count(name) > 1 {
                return Err(BadDateForm::Twice(name));
            }
        }
        for (letters, name) in [("YYYY", "year"), ("MM", "month"), ("DD", "day")] {
            if count(name) == 0 {
                return Err(BadDateForm::Without(letters));
            }
        }
        let has_half = self.pieces.contains(&Piece::HalfDay);
        let is_half_hour = |piece: &Piece| matches!(piece, Piece::Number { of: Unit::HourOfHalfDay, .. });
        let (has_half_hour, has_hour) = (self.pieces.iter().any(is_half_hour), count("hour") > 0);
        if has_half && !has_half_hour {
            return Err(BadDateForm::Without("h"));
        }
        if has_half_hour && !has_half {
            return Err(BadDateForm::Without("A"));
        }
        if !has_hour && count("minute") + count("second") > 0 {
            return Err(BadDateForm::Without("HH"));
        }
        self.has_time = has_hour;
        Ok(self)
    }
}

impl fmt::Display for DateForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

const fn days_of(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

// A formatter would take longer than everything else.
fn put(text: &mut String, number: u32, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        text.push(char::from_digit(digit, 10).expect("a remainder by 10 is a digit"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_iso() {
        let check = |form: &str, text: &str, expected: Result<&str, NoDate>| {
            let found = form.parse::<DateForm>().unwrap().read(text);
            assert_eq!(found.as_deref(), expected.as_ref().copied(), "{form} {text}");
        };
        check("DD/MM/YYYY", "05/03/2024", Ok("2024-03-05"));
        check("D/M/YYYY", "5/3/2024", Ok("2024-03-05"));
        check("D/M/YYYY", "15/03/2024", Ok("2024-03-15"));
        check("YYYY-MM-DD", "2024-03-05", Ok("2024-03-05"));
        check("DD.MM.YYYY HH:mm", "05.03.2024  14:30", Ok("2024-03-05T14:30:00"));
        check("M/D/YYYY h:mm A", "3/5/2024 2:30 PM", Ok("2024-03-05T14:30:00"));
        check("M/D/YYYY h:mm A", "3/5/2024 12:05 am", Ok("2024-03-05T00:05:00"));
        check("D/M/YYYY h:mm A", "3/5/2024 12:05 p. m.", Ok("2024-05-03T12:05:00"));
        check("YYYY-MM-DDTHH:mm:ss", "2024-03-05T01:02:03", Ok("2024-03-05T01:02:03"));
        check("DD/MM/YYYY", "29/02/2024", Ok("2024-02-29"));
        check("DD/MM/YYYY", "29/02/2000", Ok("2000-02-29"));

        check("DD/MM/YYYY", "29/02/2023", Err(NoDate::NotInCalendar));
        check("DD/MM/YYYY", "29/02/1900", Err(NoDate::NotInCalendar));
        check("DD/MM/YYYY", "03/25/2024", Err(NoDate::NotInCalendar));
        check("DD/MM/YYYY", "00/12/2024", Err(NoDate::NotInCalendar));
        check("DD/MM/YYYY", "01/01/0000", Err(NoDate::NotInCalendar));
        check("DD/MM/YYYY", "00/01/2024", Err(NoDate::NotInCalendar));
        check("DD/MM/YYYY HH:mm", "01/01/2024 24:00", Err(NoDate::NotInCalendar));
        check("M/D/YYYY h:mm A", "3/5/2024 13:05 PM", Err(NoDate::NotInCalendar));
        check("DD/MM/YYYY", "5/3/2024", Err(NoDate::OtherForm));
        check("DD/MM/YYYY", "05/03/24", Err(NoDate::ShortYear));
        check("D-M-YYYY H:mm", "5-3-24 1:02", Err(NoDate::ShortYear));
        check("YYYY-MM-DD", "24-03-05", Err(NoDate::ShortYear));
        check("DD/MM/YYYY", "05/03/024", Err(NoDate::OtherForm));
        check("DD/MM/YYYY", "05/03/2024 10:00", Err(NoDate::OtherForm));
        check("DD/MM/YYYY", "05-03-2024", Err(NoDate::OtherForm));
        check("DD/MM/YYYY", "\u{666}5/03/2024", Err(NoDate::OtherForm));
    }

    #[test]
    fn what_is_iso_already_stays() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(iso(text), expected, "{text}");
        check("2024-03-05", Some("2024-03-05"));
        check("2024-02-29", Some("2024-02-29"));
        check("2024-03-05T14:30:00", Some("2024-03-05T14:30:00"));
        check("2024-03-05T14:30:00.250", Some("2024-03-05T14:30:00"));
        check("2023-02-29", None);
        check("0000-00-00", None);
        check("2024-13-01", None);
        check("2024-03-05T24:00:00", None);
        check("2024-03-05T14:30", None);
        check("2024-3-5", None);
        check("20240305", None);
        check("05-03-2024", None);
        check("2024-03-0\u{e9}", None);
        check("", None);
    }

    #[test]
    fn what_stands_for_no_date_is_none() {
        let check = |form: &str, text: &str, expected: NoDate| {
            assert_eq!(form.parse::<DateForm>().unwrap().read(text), Err(expected), "{form} {text}");
        };
        check("YYYY-MM-DD", "0000-00-00", NoDate::NoValue);
        check("DD/MM/YYYY", "00/00/0000", NoDate::NoValue);
        check("D/M/YYYY", "0/0/0000", NoDate::NoValue);
        check("YYYY-MM-DD HH:mm:ss", "0000-00-00 00:00:00", NoDate::NoValue);
        check("YYYY-MM-DD", "1900-01-00", NoDate::NoValue);
        check("M/D/YYYY", "1/0/1900", NoDate::NoValue);
        check("D/M/YYYY", "0/1/1900", NoDate::NoValue);
        check("M/D/YYYY h:mm A", "1/0/1900 12:00 AM", NoDate::NoValue);
        check("YYYY-MM-DD", "1899-12-30", NoDate::NoValue);
        check("DD/MM/YYYY", "31/12/1899", NoDate::NoValue);
        check("YYYY-MM-DDTHH:mm:ss", "0001-01-01T00:00:00", NoDate::NoValue);
        // With a time it is a time that lost its day.
        check("M/D/YYYY H:mm", "1/0/1900 14:30", NoDate::NotInCalendar);
        check("YYYY-MM-DD", "0000-00-01", NoDate::NotInCalendar);
        check("YYYY-MM-DD", "1900-00-00", NoDate::NotInCalendar);
    }

    #[test]
    fn a_date_of_zeros_is_told_in_any_form() {
        let check = |text: &str, expected: bool| assert_eq!(is_zero_date(text), expected, "{text}");
        for text in [
            "0000-00-00",
            "0/0/00",
            "0/0/0000",
            "00/00/00",
            "00/00/0000",
            "00-00-0000",
            "00.00.0000",
            "0000/00/00",
            "0000-00-00 00:00:00",
            "0000-00-00 00:00",
            "0000-00-00T00:00:00",
            "0000-00-00T00:00:00Z",
            "0000-00-00 00:00:00.000",
            "0000-00-00T00:00:00+00:00",
            "00/00/0000 0:00",
            "0/0/0000 12:00:00 AM",
            "00/00/0000 12:00 a. m.",
        ] {
            check(text, true);
        }
        for text in [
            "",
            "0",
            "0000",
            "0.0.0",
            "0-0-0",
            "0/0/0",
            "0.0.0.0",
            "0000-00",
            "0000-00-01",
            "2000-00-00",
            "0000-00-00 10:00",
            "0000-00-00 x",
            "00:00:00",
            "000000",
            "00-0000-00",
            "0000000000",
        ] {
            check(text, false);
        }
    }

    #[test]
    fn what_is_no_form_says_why() {
        let check = |form: &str, expected: &BadDateForm| {
            assert_eq!(form.parse::<DateForm>().unwrap_err(), *expected, "{form}");
        };
        check("%d/%m/%Y", &BadDateForm::Letters("d".into()));
        check("DD/MM/YY", &BadDateForm::ShortYear);
        check("DD/MM/YYY", &BadDateForm::Letters("YYY".into()));
        check("DD/MM", &BadDateForm::Without("YYYY"));
        check("", &BadDateForm::Without("YYYY"));
        check("DD/MM/YYYY D", &BadDateForm::Twice("day"));
        check("DD/MM/YYYY h:mm", &BadDateForm::Without("A"));
        check("DD/MM/YYYY HH:mm A", &BadDateForm::Without("h"));
        check("DD/MM/YYYY mm", &BadDateForm::Without("HH"));
    }
}
