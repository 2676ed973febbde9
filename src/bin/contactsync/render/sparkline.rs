//! Small bars of text, where a terminal can draw them.

use std::env;
use std::io::{self, IsTerminal as _};

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Numbers as bars, the largest one at full height and 0 as a blank. Empty without a number above 0.
pub fn sparkline(numbers: &[u64]) -> String {
    let most = numbers.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    let bar = |number: &u64| match usize::try_from(u128::from(*number) * BARS.len() as u128 / u128::from(most)) {
        _ if *number == 0 => ' ',
        Ok(eighths) => BARS[eighths.saturating_sub(1).min(BARS.len() - 1)],
        Err(_) => BARS[BARS.len() - 1],
    };
    numbers.iter().map(bar).collect()
}

/// Whether standard output is a terminal that shows these characters.
pub fn can_draw() -> bool {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_lowercase();
    let is_utf8 = locale.contains("utf-8") || locale.contains("utf8");
    io::stdout().is_terminal() && is_utf8 && set("TERM").is_some_and(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_bars() {
        let check = |numbers: &[u64], expected: &str| assert_eq!(sparkline(numbers), expected, "{numbers:?}");
        check(&[], "");
        check(&[0, 0], "");
        check(&[7], "█");
        check(&[0, 1, 50, 100, 0], " ▁▄█ ");
        check(&[1, 2, 3, 4, 5, 6, 7, 8], "▁▂▃▄▅▆▇█");
        check(&[u64::MAX, 1], "█▁");
    }
}
