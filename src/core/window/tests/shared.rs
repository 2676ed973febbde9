//! The window when another client uses the same token, as a property test: what the platform states makes it slower only
//! with a reason, and never faster.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::core::answer::RateLimit;
use crate::core::time::Timestamp;
use crate::core::window::{Admission, Learned, MARGIN, MINUTE, Window};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A call after a pause.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Our call with its latency, and when the server counts it, as a share of the latency.
    Ours { wait: u64, latency: u64, counted: f64 },
    /// A call of another client.
    Theirs { wait: u64 },
}

fn any_event(theirs: u32) -> impl Strategy<Value = Event> {
    let wait = || prop_oneof![5 => Just(0_u64), 3 => 0_u64..2_000, 2 => 0_u64..70_000];
    let latency = prop_oneof![3 => 0_u64..500, 1 => 0_u64..30_000];
    let ours = (wait(), latency, 0.0..=1.0).prop_map(|(wait, latency, counted)| Event::Ours { wait, latency, counted });
    prop_oneof![10 => ours, theirs => wait().prop_map(|wait| Event::Theirs { wait })]
}

/// The server's count, in fixed windows as Laravel does or in a sliding window.
#[derive(Debug)]
enum Server {
    Fixed { opened: Timestamp, hits: u32 },
    Sliding(VecDeque<Timestamp>),
}

impl Server {
    /// Counts a call, and returns how many calls of the limit remain.
    fn count(&mut self, limit: u32, at: Timestamp) -> u32 {
        let counted = match self {
            Self::Fixed { opened, hits } => {
                if at.since(*opened) >= MINUTE {
                    (*opened, *hits) = (at, 0);
                }
                *hits += 1;
                *hits
            }
            Self::Sliding(moments) => {
                moments.push_back(at);
                moments.retain(|&moment| at.since(moment) < MINUTE);
                u32::try_from(moments.len()).expect("a few calls")
            }
        };
        limit.saturating_sub(counted)
    }
}

/// One of our calls in flight.
struct Call {
    begun: Timestamp,
    counted: Timestamp,
    over: Timestamp,
    remaining: Option<u32>,
}

struct Simulation {
    window: Window,
    server: Server,
    limit: usize,
    platform_limit: u32,
    now: Timestamp,
    in_flight: Vec<Call>,
    ends: Vec<Timestamp>,
    theirs: Vec<Timestamp>,
}

impl Simulation {
    /// Processes all events until then, in their order.
    fn pass_until(&mut self, until: Timestamp) -> Result<(), TestCaseError> {
        loop {
            let uncounted = self.in_flight.iter().enumerate().filter(|(_, call)| call.remaining.is_none());
            let next_count = uncounted.map(|(n, call)| (call.counted, n)).min();
            let counted = self.in_flight.iter().enumerate().filter(|(_, call)| call.remaining.is_some());
            let next_end = counted.map(|(n, call)| (call.over, n)).min();
            match (next_count, next_end) {
                (Some((at, n)), end) if at <= until && end.is_none_or(|(over, _)| at <= over) => {
                    self.in_flight[n].remaining = Some(self.server.count(self.platform_limit, at));
                }
                (_, Some((over, n))) if over <= until => {
                    let call = self.in_flight.remove(n);
                    self.end(&call)?;
                }
                (_, _) => break,
            }
        }
        self.now = until;
        Ok(())
    }

    fn end(&mut self, call: &Call) -> Result<(), TestCaseError> {
        self.window.finish(call.over);
        self.ends.push(call.over);
        let stated = RateLimit { limit: self.platform_limit, remaining: call.remaining };
        for learned in self.window.learn(stated, call.begun, call.over) {
            if let Learned::Others(calls) = learned {
                let since = call.begun.before(MINUTE);
                let real = self.theirs.iter().filter(|&&at| at > since && at <= call.over).count();
                prop_assert!(calls <= real, "{} of others, and there were {}", calls, real);
            }
        }
        Ok(())
    }

    fn used(&self) -> usize {
        let counting = self.ends.iter().filter(|&&end| end + MINUTE + MARGIN > self.now).count();
        self.in_flight.len() + counting
    }

    /// Waits for room. Returns how often it waited although the rule, with the lower of the limits, had room.
    fn begin(&mut self, latency: u64, counted: f64) -> Result<u32, TestCaseError> {
        let mut held_back = 0;
        loop {
            let next_end = self.in_flight.iter().map(|call| call.over).min();
            let rule_allows = self.used() < self.limit.min(self.window.limit(self.now));
            let until = match self.window.admit(self.now) {
                Admission::Granted(_) => {
                    prop_assert!(rule_allows, "granted while the rule forbids it");
                    break;
                }
                Admission::At(moment) => next_end.map_or(moment, |end| end.min(moment)),
                Admission::WhenOneFinishes => next_end.expect("a call is in flight"),
            };
            held_back += u32::from(rule_allows);
            prop_assert!(until > self.now || next_end == Some(self.now), "waits for nothing");
            self.pass_until(until)?;
        }
        let latency = Duration::from_millis(latency);
        let counted = self.now + latency.mul_f64(counted).min(latency);
        self.in_flight.push(Call { begun: self.now, counted, over: self.now + latency, remaining: None });
        Ok(held_back)
    }
}

fn simulate(limit: usize, platform_limit: u32, slides: bool, events: &[Event]) -> Result<u32, TestCaseError> {
    let server =
        if slides { Server::Sliding(VecDeque::new()) } else { Server::Fixed { opened: Timestamp::default(), hits: 0 } };
    let mut simulation = Simulation {
        window: Window::new(limit),
        server,
        limit,
        platform_limit,
        now: NOW,
        in_flight: Vec::new(),
        ends: Vec::new(),
        theirs: Vec::new(),
    };
    let mut held_back = 0;
    for event in events {
        match *event {
            Event::Ours { wait, latency, counted } => {
                simulation.pass_until(simulation.now + Duration::from_millis(wait))?;
                held_back += simulation.begin(latency, counted)?;
            }
            Event::Theirs { wait } => {
                simulation.pass_until(simulation.now + Duration::from_millis(wait))?;
                simulation.server.count(platform_limit, simulation.now);
                simulation.theirs.push(simulation.now);
            }
        }
    }
    Ok(held_back)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_other_client_is_noticed_where_there_is_none(
        limit in 1_usize..20,
        platform_limit in 1_u32..30,
        slides: bool,
        events in vec(any_event(0), 1..100),
    ) {
        prop_assert_eq!(simulate(limit, platform_limit, slides, &events)?, 0);
    }

    #[test]
    fn another_client_only_makes_it_slower_and_its_calls_are_never_overcounted(
        limit in 1_usize..20,
        platform_limit in 1_u32..30,
        slides: bool,
        events in vec(any_event(8), 1..100),
    ) {
        simulate(limit, platform_limit, slides, &events)?;
    }
}

#[test]
fn another_client_gets_room() {
    let theirs = [Event::Theirs { wait: 0 }; 3];
    let ours = [Event::Ours { wait: 0, latency: 100, counted: 0.5 }; 5];
    let one_by_one = [Event::Ours { wait: 200, latency: 100, counted: 0.5 }; 5];
    let check = |platform_limit, events: &[&[Event]], waits: u32| {
        assert_eq!(simulate(5, platform_limit, true, &events.concat()).unwrap(), waits, "{events:?}");
    };
    // Two of ours fit beside three of theirs, and the third waits until theirs have left.
    check(5, &[&theirs, &one_by_one], 1);
    // All five are in flight before the first answer.
    check(5, &[&theirs, &ours], 0);
    // There is room for all.
    check(8, &[&theirs, &one_by_one], 0);
    check(7, &[&theirs, &one_by_one], 1);
}
