//! Dates where a phone number should be: as digits alone, many would be numbers of a country whose numbers have any length.

/// The years of a date that is no phone number.
const YEARS: std::ops::RangeInclusive<u32> = 1900..=2099;

/// Whether text is a date or a range of days, such as `05.10.1986`, `1986-10-05 00:00` or `04.06.-07.06`. A year of two
/// digits counts if `may_be_short`: islands with numbers of six digits write them in the same form.
pub(super) fn is_date(text: &str, may_be_short: impl Fn() -> bool + Copy) -> bool {
    let text = text.trim();
    if !text.starts_with(|sign: char| sign.is_ascii_digit()) || !text.contains(['/', '.', '-']) {
        return false;
    }
    let day = match text.split_once([' ', 'T']) {
        Some((day, time)) if time.contains(':') => day,
        Some(_) | None => text,
    };
    let mut days = text.split('-').map(str::trim);
    is_full(day, may_be_short)
        || (text.contains('-') && days.all(|day| is_day_of_month(day) || is_full(day, may_be_short)))
}

// A day with its month and year, in any order.
fn is_full(text: &str, may_be_short: impl Fn() -> bool) -> bool {
    let parts = |separator: char| {
        let mut parts = text.split(separator);
        let three = [parts.next()?, parts.next()?, parts.next()?];
        parts.next().is_none().then_some(three)
    };
    ['/', '.', '-'].into_iter().filter_map(parts).any(|[first, second, third]| match (first.len(), third.len()) {
        (4, 1 | 2) => is_year(first) && is_day_and_month(third, second),
        (1 | 2, 4) => is_year(third) && is_day_and_month(first, second),
        (1 | 2, 2) => number(third).is_some() && is_day_and_month(first, second) && may_be_short(),
        _ => false,
    })
}

// A day with its month, as in `04.06.` and `04/06`.
fn is_day_of_month(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    text.split_once(['.', '/']).is_some_and(|(day, month)| is_day_and_month(day, month))
}

fn is_day_and_month(one: &str, other: &str) -> bool {
    let (Some(one), Some(other)) = (number(one), number(other)) else { return false };
    let fit = |day: u32, month: u32| (1..=31).contains(&day) && (1..=12).contains(&month);
    fit(one, other) || fit(other, one)
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && number(text).is_some_and(|year| YEARS.contains(&year))
}

// Of at most four digits and nothing else.
fn number(text: &str) -> Option<u32> {
    let is_short = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_short { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_told_from_numbers() {
        let check = |text: &str, expected: bool| assert_eq!(is_date(text, || true), expected, "{text}");
        for text in [
            "22/05/1990",
            "05.10.1986",
            "5.1.1986",
            "05-10-1986",
            "1986-10-05",
            "1986/10/05",
            "1986.10.5",
            "10/25/1986",
            "03.06.15",
            "3/6/15",
            "03-06-15",
            "04.06.-07.06",
            "04.06. - 07.06.",
            "04.06.2015 - 07.06.2015",
            "04/06-07/06",
            "05.10.1986 00:00",
            "1986-10-05T00:00:00",
            " 22/05/1990 ",
        ] {
            check(text, true);
        }
        for text in [
            "",
            "06.12.34.56.78",
            "06/12/34/56/78",
            "030/123456",
            "55-1234-5678",
            "22.51.1990",
            "32.13.1990",
            "22.05.1899",
            "22.05.2100",
            "22.05.990",
            "2220-12-15",
            "22-05-19-90",
            "22 05 1990",
            "12.34-56.78",
            "030-12.34",
            "+22/05/1990",
            "5,512,345,678",
            "10.12.2020.5",
        ] {
            check(text, false);
        }
        assert!(!is_date("25.12.15", || false));
        assert!(is_date("25.12.2015", || false));
    }
}
