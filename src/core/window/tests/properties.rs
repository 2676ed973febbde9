//! The window against every kind of server, with random latencies, orders in which calls end, lost calls, killed processes,
//! and clocks that are set.
//!
//! The rule is computed from the whole history: a call that it allows is granted at once, and a call that it forbids is granted
//! at the first moment at which it is allowed.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::servers::Server;
use crate::core::time::Timestamp;
use crate::core::window::{Admission, IN_FLIGHT_GRACE, MARGIN, MINUTE, Window};

/// The timeout of a call, in milliseconds.
const TIMEOUT: u64 = 30_000;

/// The start of the true time, in milliseconds.
const EPOCH: u64 = 1_700_000_000_000;

/// The next event: time passes, and then a call begins, or the process is killed and started again.
#[derive(Clone, Debug)]
enum Event {
    Call { wait: u64, plan: Plan },
    Restart { wait: u64, clock: Step },
}

/// The course of a call.
#[derive(Clone, Debug)]
struct Plan {
    latency: u64,
    /// When the server counts it, as a share of its latency.
    counted: f64,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Answered,
    /// It never left the machine.
    Unsent,
    /// The call gets no answer, and the server may count it after it was abandoned.
    Unanswered,
}

/// The change of the wall clock between two processes. If it was set ahead, the journal detects it and sets its own moments
/// ahead too.
#[derive(Clone, Copy, Debug)]
enum Step {
    None,
    Ahead(u64),
    Back(u64),
}

fn any_event() -> impl Strategy<Value = Event> {
    let wait = || prop_oneof![5 => Just(0_u64), 3 => 0_u64..2_000, 2 => 0_u64..70_000];
    let latency = prop_oneof![3 => 0_u64..500, 1 => 0..=TIMEOUT];
    let end = prop_oneof![14 => Just(End::Answered), 1 => Just(End::Unsent), 1 => Just(End::Unanswered)];
    let call = (wait(), latency, 0.0..=1.0, end)
        .prop_map(|(wait, latency, counted, end)| Event::Call { wait, plan: Plan { latency, counted, end } });
    let step = || 0_u64..7_200_000;
    let clock = prop_oneof![2 => Just(Step::None), 1 => step().prop_map(Step::Ahead), 1 => step().prop_map(Step::Back)];
    let restart = (wait(), clock).prop_map(|(wait, clock)| Event::Restart { wait, clock });
    prop_oneof![19 => call, 1 => restart]
}

/// A call in flight, in true time.
struct InFlight {
    begun: u64,
    over: u64,
    plan: Plan,
}

/// A window with a process that feeds it, a clock, and a server that counts.
struct Played {
    limit: usize,
    window: Window,
    /// The true time.
    now: u64,
    /// The offset of the process's clock.
    skew: i64,
    in_flight: Vec<InFlight>,
    /// When each call ended, by the current clock, as reported to the window.
    ends: Vec<Timestamp>,
    /// When the server counted each call, in true time.
    counted: Vec<u64>,
}

impl Played {
    fn new(limit: usize) -> Self {
        let window = Window::new(limit);
        Self { limit, window, now: EPOCH, skew: 0, in_flight: Vec::new(), ends: Vec::new(), counted: Vec::new() }
    }

    fn play(&mut self, events: &[Event]) -> Result<(), TestCaseError> {
        for event in events {
            match event {
                Event::Call { wait, plan } => {
                    self.pass_until(self.now + wait);
                    self.begin(plan)?;
                }
                Event::Restart { wait, clock } => {
                    self.pass_until(self.now + wait);
                    self.restart(*clock);
                }
            }
        }
        Ok(())
    }

    fn wall(&self, moment: u64) -> Timestamp {
        Timestamp::from_millis(moment.checked_add_signed(self.skew).expect("clocks are set by hours"))
    }

    fn next_end(&self) -> Option<u64> {
        self.in_flight.iter().map(|call| call.over).min()
    }

    fn pass_until(&mut self, until: u64) {
        while let Some(over) = self.next_end().filter(|&over| over <= until) {
            let first = self.in_flight.iter().position(|call| call.over == over).expect("it is the next");
            let call = self.in_flight.remove(first);
            let end = self.wall(over);
            match call.plan.end {
                End::Answered => {
                    self.window.finish(end);
                    self.ends.push(end);
                    self.counted.push(call.begun + share(over - call.begun, call.plan.counted));
                }
                End::Unsent => self.window.give_back(),
                End::Unanswered => {
                    self.window.finish_unanswered(end);
                    self.ends.push(end + IN_FLIGHT_GRACE);
                    self.counted.push(call.begun + share(over - call.begun + in_flight_grace(), call.plan.counted));
                }
            }
        }
        self.now = until;
    }

    /// The rule: when a call may start, as far as it is known by now.
    fn allowed_from(&self) -> Option<Timestamp> {
        let now = self.wall(self.now);
        let counting: Vec<Timestamp> =
            self.ends.iter().map(|&end| end + MINUTE + MARGIN).filter(|&leaves| leaves > now).collect();
        let is_allowed = |moment: &Timestamp| {
            let still = counting.iter().filter(|&leaves| leaves > moment).count();
            self.in_flight.len() + still < self.limit
        };
        counting.iter().copied().chain([now]).filter(is_allowed).min()
    }

    /// Waits as long as the window requires, and compares that with the rule.
    fn begin(&mut self, plan: &Plan) -> Result<(), TestCaseError> {
        loop {
            let allowed = self.allowed_from();
            let now = self.wall(self.now);
            let until = match self.window.admit(now) {
                Admission::Granted(_) => {
                    prop_assert_eq!(allowed, Some(now), "granted while the rule forbids it");
                    break;
                }
                Admission::At(moment) => {
                    prop_assert_eq!(allowed, Some(moment), "kept waiting for another moment");
                    let wait = u64::try_from(moment.since(now).as_millis()).expect("a wait is short");
                    prop_assert!(wait > 0, "kept waiting for nothing");
                    self.next_end().map_or(self.now + wait, |end| end.min(self.now + wait))
                }
                Admission::WhenOneFinishes => {
                    prop_assert_eq!(allowed, None, "kept waiting for an end");
                    self.next_end().expect("a call is in flight")
                }
            };
            self.pass_until(until);
        }
        self.in_flight.push(InFlight { begun: self.now, over: self.now + plan.latency, plan: plan.clone() });
        Ok(())
    }

    /// Kills the process. Calls in flight may still be counted until their timeout and the in-flight grace are over.
    fn restart(&mut self, clock: Step) {
        let mut open = Vec::new();
        for InFlight { begun, plan, .. } in std::mem::take(&mut self.in_flight) {
            open.push(self.wall(begun));
            let latest = (begun + TIMEOUT).min(self.now + in_flight_grace());
            if plan.end != End::Unsent {
                self.counted.push(begun + share(latest - begun, plan.counted));
            }
        }
        match clock {
            Step::None => {}
            Step::Ahead(by) => {
                self.skew += signed(by);
                for moment in self.ends.iter_mut().chain(&mut open) {
                    *moment = *moment + Duration::from_millis(by);
                }
            }
            Step::Back(by) => self.skew -= signed(by),
        }
        let now = self.wall(self.now);
        let timeout = Duration::from_millis(TIMEOUT);
        self.ends.extend(open.into_iter().map(|begun| (begun + timeout).min(now + IN_FLIGHT_GRACE)));
        let since = now.before(MINUTE + MARGIN);
        let recent = self.ends.iter().copied().filter(|&end| end > since);
        self.window = Window::restored(self.limit, recent, now);
        // As the window reads them after its clock was set back.
        self.ends.iter_mut().for_each(|end| *end = (*end).min(now + IN_FLIGHT_GRACE));
    }
}

fn share(span: u64, share: f64) -> u64 {
    let span = Duration::from_millis(span).mul_f64(share);
    u64::try_from(span.as_millis()).expect("a part of a short span")
}

fn in_flight_grace() -> u64 {
    u64::try_from(IN_FLIGHT_GRACE.as_millis()).expect("half a minute")
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).expect("some hours")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_server_refuses_a_call_and_no_slot_stays_idle(
        limit in prop_oneof![1_usize..5, 5_usize..40],
        anchor in 0_u64..60_000,
        events in vec(any_event(), 1..150),
    ) {
        let mut played = Played::new(limit);
        played.play(&events)?;
        // Calls in flight are counted as well.
        played.restart(Step::None);
        let mut counted = played.counted;
        counted.sort_unstable();
        for server in Server::all(anchor) {
            prop_assert_eq!(server.refused(limit, &counted), None, "{:?} with a limit of {}", server, limit);
        }
    }
}
