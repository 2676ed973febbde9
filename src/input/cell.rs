//! The text of a spreadsheet cell, as the spreadsheet displays it.

use calamine::{DataType, ExcelDateTime};

use super::number_format::{Display, NumberFormat, rounded};
use super::text_prefix;

/// The largest whole number that a sheet keeps exactly: it computes with floats.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Error values of formulas, besides `Err:` and a number.
const ERRORS: [&str; 8] = ["#N/A", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#DATA!"];

/// The date of serial number zero in ODS.
const ZERO_OF_ODS: &str = "1899-12-30";

/// Why a formula without a result is not read.
pub(super) const NO_RESULT: &str =
    "expected the result of the formula, found none: open the file in a spreadsheet and save it";

/// Why a number is not read whose format may show another one.
const UNCLEAR: &str =
    "expected a number as it is shown, found one whose format adds a plus or digits to it: make the column text";

/// Properties of a cell besides its value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Around<'a> {
    /// Its formula, if known; empty if there is one whose text is unknown.
    pub(super) formula: Option<&'a str>,
    /// The number format, if it shows more than the value.
    pub(super) format: Option<&'a NumberFormat>,
}

/// The text of a cell; empty for an empty one.
///
/// # Errors
/// The reason for rejecting its row.
pub(super) fn text(value: &impl DataType, around: Around<'_>) -> Result<String, String> {
    let has_formula = around.formula.is_some();
    if let Some(text) = value.get_string() {
        let text = if has_formula && is_error(text) { return Err(failed(text)) } else { text_prefix::stripped(text) };
        return Ok(around.format.and_then(|format| format.of_text(text)).unwrap_or_else(|| text.to_owned()));
    }
    if let Some(whole) = value.get_int() {
        return shown(whole.to_string(), around.format);
    }
    if let Some(float) = value.get_float() {
        return number(float).and_then(|number| shown(number, around.format));
    }
    if let Some(flag) = value.get_bool() {
        return Ok(flag.to_string());
    }
    if let Some(moment) = value.get_datetime() {
        // A zero that is formatted as a day is what a sheet shows where there is no date.
        if moment.as_f64() == 0.0 && around.format.is_some_and(NumberFormat::is_date) {
            return Ok(String::new());
        }
        return date_and_time(moment);
    }
    if let Some(moment) = value.get_datetime_iso() {
        let (date, time) = moment.split_once('T').unwrap_or((moment, ""));
        let is_midnight = time.bytes().all(|byte| matches!(byte, b'0' | b':' | b'.'));
        if date == ZERO_OF_ODS && is_midnight {
            return Ok(String::new());
        }
        return Ok(if is_midnight { date } else { moment }.to_owned());
    }
    if let Some(span) = value.get_duration_iso() {
        return Ok(span_of_time(span).unwrap_or_else(|| span.to_owned()));
    }
    if let Some(error) = value.get_error() {
        return Err(failed(&error.to_string()));
    }
    if let Some(text) = around.formula.and_then(text_prefix::text_of_formula) {
        // Programs that compute nothing write `="02138"` as a formula without its result.
        return Ok(text.to_owned());
    }
    if has_formula {
        return Err(NO_RESULT.to_owned());
    }
    Ok(String::new())
}

// A whole number that is not negative, as its format shows it.
fn shown(number: String, format: Option<&NumberFormat>) -> Result<String, String> {
    let Some(format) = format.filter(|_| number.bytes().all(|byte| byte.is_ascii_digit())) else { return Ok(number) };
    match format.display(&number) {
        Display::Number | Display::Date => Ok(number),
        Display::Text(text) => Ok(text),
        Display::Scientific => Ok(rounded(&number).unwrap_or(number)),
        Display::Unclear => Err(UNCLEAR.to_owned()),
    }
}

fn failed(error: &str) -> String {
    format!("expected a value, found the error {error}")
}

fn is_error(text: &str) -> bool {
    ERRORS.contains(&text)
        || text.strip_prefix("Err:").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

// Without an exponent; no more digits than a spreadsheet shows, as those after them are noise of its sums.
fn number(value: f64) -> Result<String, String> {
    if value.is_finite() && value.fract() != 0.0 {
        let shown: f64 = format!("{value:.14e}").parse().unwrap_or(value);
        return Ok(shown.to_string());
    }
    if value.abs() > WHOLE || !value.is_finite() {
        let expected = "expected a number of at most 15 digits";
        return Err(format!("{expected}, found a longer one, which a spreadsheet does not keep: make the column text"));
    }
    Ok(if value == 0.0 { "0".to_owned() } else { format!("{value:.0}") })
}

// ISO 8601. Before the first day there are only times, and after the year 9999 nothing: a sheet shows neither.
fn date_and_time(moment: ExcelDateTime) -> Result<String, String> {
    const DAY: f64 = 86_400_000.0;
    const DAYS: std::ops::Range<f64> = 0.0..2_958_466.0;
    let days = moment.as_f64();
    if !(if moment.is_duration() { -DAYS.end..DAYS.end } else { DAYS }).contains(&days) {
        return Err("expected a date or a time, found a number that is none".to_owned());
    }
    if moment.is_duration() || days < 1.0 {
        return Ok(clock((days * DAY).round()));
    }
    let (year, month, day, hour, minute, second, milli) = moment.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    Ok(match (hour, minute, second, milli) {
        (0, 0, 0, 0) => date,
        (_, _, _, 0) => format!("{date}T{hour:02}:{minute:02}:{second:02}"),
        (..) => format!("{date}T{hour:02}:{minute:02}:{second:02}.{milli:03}"),
    })
}

// A span of milliseconds as hours, minutes and seconds.
fn clock(millis: f64) -> String {
    let sign = if millis < 0.0 { "-" } else { "" };
    let millis = millis.abs();
    let part = |unit: f64, each: f64| (millis / unit).floor() % each;
    let (hours, minutes, seconds, rest) =
        ((millis / 3_600_000.0).floor(), part(60_000.0, 60.0), part(1_000.0, 60.0), millis % 1_000.0);
    let fraction = if rest == 0.0 { String::new() } else { format!(".{rest:03}") };
    format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{fraction}")
}

// `PT14H30M00S` as `14:30:00`.
fn span_of_time(iso: &str) -> Option<String> {
    let (hours, rest) = iso.strip_prefix("PT")?.split_once('H')?;
    let (minutes, rest) = rest.split_once('M')?;
    let seconds = rest.strip_suffix('S')?;
    let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let (seconds, fraction) = seconds.split_once(['.', ',']).unwrap_or((seconds, ""));
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{hours:02}:{minutes:02}:{:02}{point}{fraction}", seconds.parse::<u64>().ok()?))
}

#[cfg(test)]
mod tests {
    use calamine::{CellErrorType, Data, ExcelDateTimeType};

    use super::*;

    fn computed(formula: &str) -> Around<'_> {
        Around { formula: Some(formula), format: None }
    }

    #[test]
    fn numbers_are_as_they_are_shown() {
        let check = |value: Data, code: &str, expected: &str| {
            let format = NumberFormat::of(code).unwrap();
            let around = Around { formula: None, format: Some(&format) };
            assert_eq!(text(&value, around).as_deref(), Ok(expected), "{value:?} {code}");
        };
        check(Data::Float(2138.0), "00000", "02138");
        check(Data::Int(2138), "00000", "02138");
        check(Data::Float(0.0), "000", "000");
        check(Data::Float(5_215_550_001.0), "\"+\"0", "+5215550001");
        check(Data::Float(-5.0), "000", "-5");
        check(Data::Float(2.5), "000", "2.5");
        check(Data::String("2138".to_owned()), "00000", "2138");
        check(Data::Bool(true), "00000", "true");
        check(Data::Float(4_155_552_671.0), "\"+1 \"0", "+1 4155552671");
        check(Data::String("4155552671".to_owned()), "\"+1 \"@", "+1 4155552671");
        check(Data::Float(5_215_500_000_000.0), "0.00E+00", "5.2155E+12");
        check(Data::Float(525_512_345_678.0), "0.00E+00", "525512345678");
        check(Data::Float(12.0), "0.00E+00", "12");
        let unclear = NumberFormat::of("\"+1 \"#,##0").unwrap();
        let around = Around { formula: None, format: Some(&unclear) };
        assert_eq!(text(&Data::Float(4_155_552_671.0), around).unwrap_err(), UNCLEAR);
    }

    #[test]
    fn a_zero_that_is_shown_as_a_day_is_no_date() {
        let check = |serial: f64, code: &str, is_1904: bool, expected: &str| {
            let value = Data::DateTime(ExcelDateTime::new(serial, ExcelDateTimeType::DateTime, is_1904));
            let format = NumberFormat::of(code);
            let around = Around { formula: None, format: format.as_ref() };
            assert_eq!(text(&value, around).as_deref(), Ok(expected), "{serial} {code}");
        };
        check(0.0, "yyyy-mm-dd", false, "");
        check(0.0, "dd/mm/yyyy hh:mm", false, "");
        check(0.0, "d mmm", true, "");
        check(0.0, "hh:mm", false, "00:00:00");
        check(0.5, "hh:mm", false, "12:00:00");
        check(1.0, "yyyy-mm-dd", false, "1900-01-01");
        let zero = |moment: &str| text(&Data::DateTimeIso(moment.to_owned()), Around::default());
        assert_eq!(zero("1899-12-30").as_deref(), Ok(""));
        assert_eq!(zero("1899-12-30T00:00:00").as_deref(), Ok(""));
        assert_eq!(zero("1899-12-30T14:30:00").as_deref(), Ok("1899-12-30T14:30:00"));
    }

    #[test]
    fn prefixes_of_spreadsheets_are_no_text() {
        let check = |value: &str, expected: &str| {
            assert_eq!(text(&Data::String(value.to_owned()), Around::default()).as_deref(), Ok(expected), "{value}");
        };
        check("=\"02138\"", "02138");
        check("'+525550001", "+525550001");
        check("'s-Hertogenbosch", "'s-Hertogenbosch");
        assert_eq!(text(&Data::Empty, computed("\"02138\"")).as_deref(), Ok("02138"));
        assert!(text(&Data::Empty, computed("\"a\"&B1&\"b\"")).is_err());
        assert!(text(&Data::Empty, computed("")).is_err());
    }

    #[test]
    fn cells_say_what_a_person_sees() {
        let check = |value: Data, expected: &str| {
            assert_eq!(text(&value, Around::default()).as_deref(), Ok(expected), "{value:?}");
        };
        check(Data::Empty, "");
        check(Data::String("007".to_owned()), "007");
        check(Data::String("#N/A".to_owned()), "#N/A");
        check(Data::Float(42.0), "42");
        check(Data::Float(-0.0), "0");
        check(Data::Float(5_215_550_000_001.0), "5215550000001");
        check(Data::Float(9_007_199_254_740_992.0), "9007199254740992");
        check(Data::Float(-3.5), "-3.5");
        check(Data::Float(0.1 + 0.2), "0.3");
        check(Data::Float(1.0 / 3.0), "0.333333333333333");
        check(Data::Float(2.999_999_999_999_999_6), "3");
        check(Data::Float(1.5e-7), "0.00000015");
        check(Data::Int(7), "7");
        check(Data::Bool(true), "true");
        check(Data::DateTimeIso("2024-02-29".to_owned()), "2024-02-29");
        check(Data::DateTimeIso("2024-02-29T00:00:00".to_owned()), "2024-02-29");
        check(Data::DateTimeIso("2024-02-29T08:05:00".to_owned()), "2024-02-29T08:05:00");
        check(Data::DurationIso("PT08H05M00S".to_owned()), "08:05:00");
        check(Data::DurationIso("PT08H05M00.250S".to_owned()), "08:05:00.25");
        check(Data::DurationIso("P1Y".to_owned()), "P1Y");
    }

    #[test]
    fn moments_are_in_iso_8601() {
        let check = |serial: f64, kind: ExcelDateTimeType, expected: &str| {
            let value = Data::DateTime(ExcelDateTime::new(serial, kind, false));
            assert_eq!(text(&value, Around::default()).as_deref(), Ok(expected), "{serial}");
        };
        check(45_351.0, ExcelDateTimeType::DateTime, "2024-02-29");
        check(45_351.604_166_666_664, ExcelDateTimeType::DateTime, "2024-02-29T14:30:00");
        check(45_351.500_002_893_52, ExcelDateTimeType::DateTime, "2024-02-29T12:00:00.250");
        check(0.604_166_666_666_666_6, ExcelDateTimeType::DateTime, "14:30:00");
        check(1.5, ExcelDateTimeType::TimeDelta, "36:00:00");
        check(-0.5, ExcelDateTimeType::TimeDelta, "-12:00:00");
    }

    #[test]
    fn what_came_to_nothing_sets_its_row_aside() {
        let check = |value: Data, expected: &str| {
            let reason = text(&value, computed("1/0")).unwrap_err();
            assert!(reason.contains(expected), "{value:?}: {reason}");
        };
        check(Data::Error(CellErrorType::NA), "the error #N/A");
        check(Data::String("#DIV/0!".to_owned()), "the error #DIV/0!");
        check(Data::String("Err:502".to_owned()), "the error Err:502");
        check(Data::Empty, "the result of the formula");
        let moment = |serial, kind| Data::DateTime(ExcelDateTime::new(serial, kind, false));
        for serial in [-3.0, 2_958_466.0, 1e300, f64::NAN] {
            check(moment(serial, ExcelDateTimeType::DateTime), "found a number that is none");
        }
        check(moment(1e300, ExcelDateTimeType::TimeDelta), "found a number that is none");
        check(Data::Float(1e16), "at most 15 digits");
        check(Data::Float(f64::INFINITY), "at most 15 digits");
        assert_eq!(text(&Data::String(String::new()), computed("A1")).as_deref(), Ok(""));
    }
}
