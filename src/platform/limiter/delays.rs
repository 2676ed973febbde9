//! The delays between tries, and the only use of the `backoff` crate.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

/// Delay after the first failed try.
const FIRST: Duration = Duration::from_secs(1);

/// Longest delay between two tries.
const LONGEST: Duration = Duration::from_secs(30);

/// Returns the delays after the first `count` tries. They double from 1 to 30 seconds, without the random part that
/// [`crate::core::retry::decide`] adds.
pub fn delays(count: usize) -> Vec<Duration> {
    let mut policy = ExponentialBackoff {
        current_interval: FIRST,
        initial_interval: FIRST,
        multiplier: 2.0,
        randomization_factor: 0.0,
        max_interval: LONGEST,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    std::iter::from_fn(|| policy.next_backoff()).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest() {
        let seconds: Vec<u64> = delays(7).iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
    }
}
