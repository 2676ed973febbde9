//! The time that channels take which share a window: their calls add up in it.

use crate::core::eta::{Eta, Limits, RateModel};
use crate::core::forecast::Range;
use crate::platform::TIMEOUT;

/// The calls of a channel, and their rate when no other channel shares its window.
#[derive(Debug)]
pub struct Load {
    pub calls: Range,
    pub rate_model: RateModel,
}

/// The time that each of the channels takes that share a window, when each may make as many calls as `limits` has. They take
/// turns in it, so that all of them end with the last one. The calls are those that each makes when the others leave it
/// enough room.
pub fn etas(loads: &[Load], limits: &Limits) -> Vec<Eta> {
    let Some(rate_model) = shared(loads) else { return Vec::new() };
    let most = limits.max_calls.unwrap_or(u64::MAX);
    let mut now = Range::default();
    for Load { calls, .. } in loads {
        now += Range { min: calls.min.min(most), max: calls.max.min(most) };
    }
    let together = rate_model.eta(now, &Limits { max_calls: None, ..*limits }, TIMEOUT);
    let each = loads.iter().map(|Load { calls, rate_model }| {
        let alone = rate_model.eta(*calls, limits, TIMEOUT);
        if calls.max == 0 {
            return alone;
        }
        let runs = alone
            .runs
            .zip(together.runs)
            .map(|(alone, together)| Range { min: alone.min.max(together.min), max: alone.max.max(together.max) });
        Eta { calls: alone.calls, time: together.time, runs }
    });
    each.collect()
}

// At the rate of the slowest, as they are sent. What their last runs called counts once: they shared the window then as well.
fn shared(loads: &[Load]) -> Option<RateModel> {
    let slowest = loads.iter().min_by_key(|load| load.rate_model.limit)?;
    let longest = loads.iter().max_by_key(|load| load.rate_model.ended.len())?;
    Some(RateModel {
        concurrency: loads.iter().map(|load| load.rate_model.concurrency).fold(0, usize::saturating_add),
        latency: loads.iter().map(|load| load.rate_model.latency).max()?,
        ended: longest.rate_model.ended.clone(),
        ..slowest.rate_model.clone()
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;
    use crate::core::time::Timestamp;

    const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn the_calls_of_a_window_add_up() {
        let load = |rate, calls| Load {
            calls: Range { min: calls, max: calls },
            rate_model: RateModel::quiet(NonZeroU32::new(rate).unwrap(), None, 100, NOON),
        };
        let until = |seconds| Limits { until: Some(NOON + TIMEOUT + Duration::from_secs(seconds)), max_calls: None };
        let calls = |max| Limits { max_calls: Some(max), until: None };
        // The limits, what each has to call at which rate, and of each: seconds, and runs, none without room.
        let check = |limits: Limits, loads: &[Load], expected: &[(u64, Option<u64>)]| {
            let found: Vec<_> = etas(loads, &limits)
                .iter()
                .map(|eta| (eta.time.max.as_secs(), eta.runs.map(|runs| runs.max)))
                .collect();
            assert_eq!(found, expected, "{limits:?} {loads:?}");
        };
        let all = Limits::default();
        check(all, &[load(30, 30)], &[(0, Some(1))]);
        check(all, &[load(30, 30), load(30, 30)], &[(60, Some(1)), (60, Some(1))]);
        check(all, &[load(30, 20), load(90, 20), load(90, 0)], &[(60, Some(1)), (60, Some(1)), (0, Some(1))]);
        check(until(10), &[load(30, 30), load(30, 30)], &[(0, Some(2)), (0, Some(2))]);
        check(calls(10), &[load(30, 10), load(30, 100)], &[(0, Some(1)), (0, Some(10))]);
        check(calls(0), &[load(30, 10), load(30, 100)], &[(0, None), (0, None)]);
        check(all, &[], &[]);
    }
}
