//! The rate limiter, which counts as the framework behind the platform does (API.md, "The limit"). Time is an argument.

use std::collections::VecDeque;

use serde::Serialize;

use crate::core::time::Timestamp;
use crate::core::window::MINUTE;

/// The kind of minute that the platform counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowKind {
    /// A minute that starts with the first counted call, as in the framework.
    #[default]
    Fixed,
    /// The past minute at any time: no 60 s contain more calls than the limit.
    Sliding,
}

/// The limiter of one token.
#[derive(Debug)]
pub struct Limiter {
    rate: usize,
    counted: Hits,
}

#[derive(Debug)]
enum Hits {
    Fixed { opened: Option<Timestamp>, hits: usize },
    Sliding(VecDeque<Timestamp>),
}

/// The decision about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateVerdict {
    /// There is no limit.
    Unlimited,
    /// Counted.
    Counted {
        /// The remaining calls, for `X-RateLimit-Remaining`.
        remaining: usize,
    },
    /// Refused, and not counted.
    Refused {
        /// For `Retry-After`: whole seconds, and 0 for the last part of a second in which calls are still refused.
        retry_after: u64,
        /// For `X-RateLimit-Reset`: seconds since the Unix epoch.
        reset: u64,
    },
    /// Refused and not counted; the answer has no headers.
    RefusedWithoutHeaders,
}

impl RateVerdict {
    /// The same decision without headers.
    #[must_use]
    pub const fn without_headers(self) -> Self {
        match self {
            Self::Unlimited | Self::Counted { .. } => Self::Unlimited,
            Self::Refused { .. } | Self::RefusedWithoutHeaders => Self::RefusedWithoutHeaders,
        }
    }

    /// Whether the call is refused.
    pub const fn is_refused(self) -> bool {
        match self {
            Self::Unlimited | Self::Counted { .. } => false,
            Self::Refused { .. } | Self::RefusedWithoutHeaders => true,
        }
    }
}

/// What is used of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LimiterUse {
    /// The calls that count now.
    pub used: usize,
    /// The time until the first of them no longer counts, in milliseconds.
    pub frees_in_ms: u64,
}

/// Another client with the same token.
#[derive(Debug, Default)]
pub struct Others {
    // The time of its last call.
    last: Option<Timestamp>,
}

impl Others {
    /// Makes the calls that are due by `now`, evenly spread. The first one is made with the first call of our client.
    pub fn call(&mut self, calls_a_minute: u32, limiter: &mut Limiter, now: Timestamp) {
        if calls_a_minute == 0 {
            return;
        }
        let apart = MINUTE / calls_a_minute;
        // Calls of more than two minutes ago no longer count.
        let mut next = self.last.map_or(now, |last| (last + apart).max(now.before(2 * MINUTE)));
        while next <= now {
            limiter.count(next);
            self.last = Some(next);
            next = next + apart;
        }
    }
}

impl Limiter {
    /// Creates a limiter of `rate` calls a minute; 0 is no limit.
    pub fn new(rate: u32, kind: WindowKind) -> Self {
        let counted = match kind {
            WindowKind::Fixed => Hits::Fixed { opened: None, hits: 0 },
            WindowKind::Sliding => Hits::Sliding(VecDeque::new()),
        };
        Self { rate: usize::try_from(rate).unwrap_or(usize::MAX), counted }
    }

    /// What is used of the limit at `now`.
    pub fn in_use(&self, now: Timestamp) -> LimiterUse {
        let (used, oldest) = match &self.counted {
            Hits::Fixed { opened, hits } => {
                let opened = opened.filter(|&opened| now.since(opened) < MINUTE);
                (opened.map_or(0, |_| *hits), opened)
            }
            Hits::Sliding(moments) => {
                let gone = moments.iter().take_while(|&&moment| now.since(moment) >= MINUTE).count();
                (moments.len() - gone, moments.get(gone).copied())
            }
        };
        let left = oldest.map(|oldest| MINUTE.saturating_sub(now.since(oldest))).unwrap_or_default();
        LimiterUse { used, frees_in_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX) }
    }

    /// Counts one call at `now`, or refuses it.
    pub fn count(&mut self, now: Timestamp) -> RateVerdict {
        if self.rate == 0 {
            return RateVerdict::Unlimited;
        }
        let (used, oldest) = match &mut self.counted {
            Hits::Fixed { opened, hits } => {
                if opened.is_none_or(|opened| now.since(opened) >= MINUTE) {
                    (*opened, *hits) = (Some(now), 0);
                }
                if *hits < self.rate {
                    *hits += 1;
                    return RateVerdict::Counted { remaining: self.rate - *hits };
                }
                (*hits, *opened)
            }
            Hits::Sliding(moments) => {
                while moments.front().is_some_and(|&moment| now.since(moment) >= MINUTE) {
                    moments.pop_front();
                }
                if moments.len() < self.rate {
                    moments.push_back(now);
                    return RateVerdict::Counted { remaining: self.rate - moments.len() };
                }
                (moments.len(), moments.front().copied())
            }
        };
        debug_assert!(used >= self.rate, "a call was refused although there was room");
        // The framework stores the end in whole seconds but drops the count after a full minute, so near the end
        // `Retry-After` is 0 although calls are still refused.
        let end = seconds(oldest.unwrap_or(now)) + MINUTE.as_secs();
        let retry_after = end.saturating_sub(seconds(now));
        RateVerdict::Refused { retry_after, reset: seconds(now) + retry_after }
    }
}

fn seconds(moment: Timestamp) -> u64 {
    moment.as_millis() / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + millis)
    }

    fn counted(remaining: usize) -> RateVerdict {
        RateVerdict::Counted { remaining }
    }

    fn refused(retry_after: u64, at_second: u64) -> RateVerdict {
        RateVerdict::Refused { retry_after, reset: 1_700_000_000 + at_second + retry_after }
    }

    fn check(kind: WindowKind, rate: u32, calls: &[(u64, RateVerdict)]) {
        let mut limiter = Limiter::new(rate, kind);
        for &(millis, expected) in calls {
            assert_eq!(limiter.count(at(millis)), expected, "{kind:?} at {millis} ms");
        }
    }

    #[test]
    fn a_fixed_window_starts_with_its_first_call_and_ends_after_a_full_minute() {
        check(
            WindowKind::Fixed,
            2,
            &[
                (900, counted(1)),
                (30_000, counted(0)),
                (30_000, refused(30, 30)),
                // The end in whole seconds is past, the minute is not.
                (60_000, refused(0, 60)),
                (60_899, refused(0, 60)),
                (60_900, counted(1)),
                (60_901, counted(0)),
                (60_902, refused(60, 60)),
            ],
        );
    }

    #[test]
    fn a_fixed_window_lets_twice_the_limit_pass_around_its_edge() {
        check(
            WindowKind::Fixed,
            2,
            &[
                (0, counted(1)),
                (59_000, counted(0)),
                (60_000, counted(1)),
                (60_001, counted(0)),
                (60_002, refused(60, 60)),
            ],
        );
    }

    #[test]
    fn refused_calls_are_not_counted() {
        for kind in [WindowKind::Fixed, WindowKind::Sliding] {
            let mut limiter = Limiter::new(1, kind);
            assert_eq!(limiter.count(at(0)), counted(0));
            for second in 1..60 {
                assert_eq!(limiter.count(at(second * 1_000)), refused(60 - second, second), "{kind:?}");
            }
            assert_eq!(limiter.count(at(60_000)), counted(0), "{kind:?}");
        }
    }

    #[test]
    fn a_sliding_window_frees_one_call_at_a_time() {
        check(
            WindowKind::Sliding,
            2,
            &[
                (0, counted(1)),
                (59_000, counted(0)),
                (59_999, refused(1, 59)),
                (60_000, counted(0)),
                (60_001, refused(59, 60)),
                (118_999, refused(1, 118)),
                (119_000, counted(0)),
            ],
        );
    }

    #[test]
    fn waiting_a_second_more_than_asked_is_always_enough() {
        for kind in [WindowKind::Fixed, WindowKind::Sliding] {
            for (first, later) in [(0, 1), (999, 1_000), (1, 59_999), (999, 60_998), (500, 60_000), (0, 59_999)] {
                let mut limiter = Limiter::new(1, kind);
                assert_eq!(limiter.count(at(first)), counted(0));
                let RateVerdict::Refused { retry_after, .. } = limiter.count(at(later)) else {
                    panic!("{kind:?}: {later} ms was not refused after {first} ms");
                };
                assert_eq!(
                    limiter.count(at(later + (retry_after + 1) * 1_000)),
                    counted(0),
                    "{kind:?} {first} {later}"
                );
            }
        }
    }

    #[test]
    fn another_client_calls_evenly_and_takes_room() {
        let (mut limiter, mut others) = (Limiter::new(10, WindowKind::Sliding), Others::default());
        let mut count = |millis| {
            others.call(6, &mut limiter, at(millis));
            limiter.count(at(millis))
        };
        // One every 10 s, in addition to ours.
        assert_eq!(count(0), counted(8));
        assert_eq!(count(9_999), counted(7));
        assert_eq!(count(10_000), counted(5));
        assert_eq!(count(40_000), counted(1));
        assert_eq!(count(45_000), counted(0));
        assert!(count(50_000).is_refused());
        // After a long pause, the six of the past minute.
        assert_eq!(count(9_000_000), counted(3));
    }

    #[test]
    fn what_is_used_agrees_with_what_remains() {
        let check = |kind, millis, used, frees_in_ms| {
            let mut limiter = Limiter::new(3, kind);
            limiter.count(at(0));
            limiter.count(at(20_000));
            assert_eq!(limiter.in_use(at(millis)), LimiterUse { used, frees_in_ms }, "{kind:?} at {millis} ms");
        };
        check(WindowKind::Fixed, 20_000, 2, 40_000);
        check(WindowKind::Fixed, 59_999, 2, 1);
        check(WindowKind::Fixed, 60_000, 0, 0);
        check(WindowKind::Sliding, 20_000, 2, 40_000);
        check(WindowKind::Sliding, 60_000, 1, 20_000);
        check(WindowKind::Sliding, 80_000, 0, 0);
        assert_eq!(Limiter::new(0, WindowKind::Fixed).in_use(at(0)), LimiterUse { used: 0, frees_in_ms: 0 });
    }

    #[test]
    fn no_limit_refuses_nothing() {
        let mut limiter = Limiter::new(0, WindowKind::Fixed);
        assert!((0..1_000).all(|_| limiter.count(at(0)) == RateVerdict::Unlimited));
    }
}
