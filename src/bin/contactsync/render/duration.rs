//! Durations in words.

use std::time::Duration;

/// The remaining time: `less than a minute left`, `about 13 min left`, `13 min to 2 h left`.
pub fn time_left(least: Duration, most: Duration) -> String {
    let text = time_range(least, most);
    let is_exact = text == short_time(most) && most >= MINUTE;
    if is_exact { format!("about {text} left") } else { format!("{text} left") }
}

/// A range of times: `less than a minute`, `13 min`, `up to 2 min`, `13 min to 2 h`.
pub fn time_range(least: Duration, most: Duration) -> String {
    match (short_time(least), short_time(most)) {
        (least, most) if least == most => most,
        (_, most) if least < MINUTE => format!("up to {most}"),
        (least, most) => format!("{least} to {most}"),
    }
}

/// A time in whole minutes, rounded up: `less than a minute`, `13 min`, `2 h 5 min`.
pub fn short_time(time: Duration) -> String {
    if time < MINUTE {
        return "less than a minute".into();
    }
    let minutes = time.as_secs().div_ceil(60);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

const MINUTE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remaining_time_is_one_phrase() {
        let check = |least, most, expected: &str| {
            assert_eq!(time_left(Duration::from_secs(least), Duration::from_secs(most)), expected, "{least} {most}");
        };
        check(0, 0, "less than a minute left");
        check(0, 50, "less than a minute left");
        check(59, 59, "less than a minute left");
        check(55, 60, "up to 1 min left");
        check(20, 100, "up to 2 min left");
        check(60, 60, "about 1 min left");
        check(61, 120, "about 2 min left");
        check(61, 180, "2 min to 3 min left");
        check(12_050, 18_060, "3 h 21 min to 5 h 1 min left");
    }
}
