//! The delays between tries, from the `backoff` crate: its only place.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

/// The wait after the first failed try.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_secs(30);

/// The waits after the first, second, … of `count` tries: doubling from a second to half a minute, without chance,
/// which [`crate::core::retry::decide`] adds.
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
