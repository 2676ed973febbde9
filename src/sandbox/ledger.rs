//! The ledger: the record of every call as the platform saw it. Tests and benchmarks check against it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::fault::Fault;
use super::lock;
use crate::core::call::CallKind;
use crate::core::model::ContactId;
use crate::core::time::Timestamp;
use crate::core::window::MINUTE;

/// One call as the platform saw it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallRecord {
    /// The time of its arrival.
    pub at: Timestamp,
    /// The same, from the start of the sandbox.
    #[serde(rename = "since_start_ms", serialize_with = "as_millis")]
    pub since_start: Duration,
    /// Its token; empty if it had none. In JSON only the end is shown.
    #[serde(serialize_with = "as_masked")]
    pub token: Arc<str>,
    /// The kind of call; `None` for a path or a method that the API does not have.
    pub kind: Option<CallKind>,
    /// The status of the answer; `None` if the connection was closed without one.
    pub status: Option<u16>,
    /// Whether it passed the limiter and counts against the limit, also without a limit.
    pub counted: bool,
    /// Whether it had its effect. A find and a read have none.
    pub applied: bool,
    /// Whether the whole answer was passed to the connection. False while an answer is delayed, and forever if the client
    /// disconnected meanwhile.
    pub delivered: bool,
    /// The time of that, from the start of the sandbox.
    #[serde(rename = "delivered_ms", serialize_with = "as_millis_if_any")]
    pub delivered_at: Option<Duration>,
    /// The contact of the call, if it exists.
    pub contact: Option<ContactId>,
    /// The injected fault that affected it.
    pub fault: Option<Fault>,
}

/// The calls of one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SecondCalls {
    /// Those that count against the limit.
    pub counted: usize,
    /// Those that were refused with 429.
    pub refused: usize,
    /// The others.
    pub other: usize,
}

/// Every call since the start.
#[derive(Debug, Default)]
pub struct Ledger {
    calls: Mutex<Vec<CallRecord>>,
}

impl Ledger {
    /// All calls, in the order of their arrival.
    pub fn calls(&self) -> Vec<CallRecord> {
        lock(&self.calls).clone()
    }

    /// Number of calls.
    pub fn len(&self) -> usize {
        lock(&self.calls).len()
    }

    /// Whether there was no call.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of calls of each kind with this token, whatever their result.
    pub fn by_kind(&self, token: &str) -> BTreeMap<CallKind, usize> {
        let mut counts = BTreeMap::new();
        for kind in lock(&self.calls).iter().filter(|call| &*call.token == token).filter_map(|call| call.kind) {
            *counts.entry(kind).or_default() += 1;
        }
        counts
    }

    /// Number of calls of each kind with this token that each fault affected.
    pub fn by_fault(&self, token: &str) -> BTreeMap<(Fault, CallKind), usize> {
        let mut counts = BTreeMap::new();
        for call in lock(&self.calls).iter().filter(|call| &*call.token == token) {
            if let (Some(fault), Some(kind)) = (call.fault, call.kind) {
                *counts.entry((fault, kind)).or_default() += 1;
            }
        }
        counts
    }

    /// Number of contacts that were created with this token.
    pub fn creates(&self, token: &str) -> usize {
        self.count(|call| {
            let made = call.applied && call.fault != Some(Fault::UpsertByEmail);
            made && call.kind == Some(CallKind::Create) && &*call.token == token
        })
    }

    /// Number of calls that were answered with 429, by a fault or by the limiter.
    pub fn throttled(&self) -> usize {
        self.count(|call| call.status == Some(429))
    }

    /// Maximum number of counted calls with this token in any 60 s.
    pub fn busiest_minute(&self, token: &str) -> usize {
        let mut moments: Vec<Duration> = lock(&self.calls)
            .iter()
            .filter(|call| call.counted && &*call.token == token)
            .map(|call| call.since_start)
            .collect();
        moments.sort_unstable();
        let mut minute = VecDeque::new();
        let mut most = 0;
        for moment in moments {
            while minute.front().is_some_and(|&first| moment.saturating_sub(first) >= MINUTE) {
                minute.pop_front();
            }
            minute.push_back(moment);
            most = most.max(minute.len());
        }
        most
    }

    /// The newest calls of all tokens, at most `most`, the newest first.
    pub(super) fn newest(&self, most: usize) -> Vec<CallRecord> {
        lock(&self.calls).iter().rev().take(most).cloned().collect()
    }

    /// The calls with this token in each of the 60 seconds before `now`, a time since the start; the newest second first.
    pub(super) fn last_minute(&self, token: &str, now: Duration) -> Vec<SecondCalls> {
        // Calls are recorded in almost the order of their times.
        const DISORDER: Duration = Duration::from_secs(5);
        let mut seconds = vec![SecondCalls::default(); 60];
        let calls = lock(&self.calls);
        let age = |call: &CallRecord| now.saturating_sub(call.since_start);
        let recent = calls.iter().rev().take_while(|call| age(call) < MINUTE + DISORDER);
        for call in recent.filter(|call| &*call.token == token) {
            let second = usize::try_from(age(call).as_secs()).ok().and_then(|second| seconds.get_mut(second));
            let Some(second) = second else { continue };
            if call.counted {
                second.counted += 1;
            } else if call.status == Some(429) {
                second.refused += 1;
            } else {
                second.other += 1;
            }
        }
        seconds
    }

    /// Adds a call and returns its index.
    pub(super) fn enter(&self, call: CallRecord) -> usize {
        let mut calls = lock(&self.calls);
        calls.push(call);
        calls.len() - 1
    }

    /// Records that the answer to the call with this index was delivered, at this time since the start.
    pub(super) fn deliver(&self, place: usize, since_start: Duration) {
        if let Some(call) = lock(&self.calls).get_mut(place) {
            call.delivered = true;
            call.delivered_at = Some(since_start);
        }
    }

    fn count(&self, wanted: impl Fn(&CallRecord) -> bool) -> usize {
        lock(&self.calls).iter().filter(|call| wanted(call)).count()
    }
}

fn as_millis<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

#[expect(clippy::ref_option, reason = "serde asks for this form")]
fn as_millis_if_any<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match span {
        Some(span) => as_millis(span, serializer),
        None => serializer.serialize_none(),
    }
}

fn as_masked<S: Serializer>(token: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&masked(token))
}

/// A token as people see it. A long one, which may be that of a real account, shows only its end.
pub(super) fn masked(token: &str) -> String {
    const SHOWN: usize = 4;
    let length = token.chars().count();
    if length <= 2 * SHOWN {
        return token.to_owned();
    }
    let end: String = token.chars().skip(length - SHOWN).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(seconds: f64, token: &str, counted: bool) -> CallRecord {
        CallRecord {
            at: Timestamp::from_millis(0),
            since_start: Duration::from_secs_f64(seconds),
            token: token.into(),
            kind: Some(CallKind::Find),
            status: Some(200),
            counted,
            applied: false,
            delivered: true,
            delivered_at: None,
            contact: None,
            fault: None,
        }
    }

    #[test]
    fn the_busiest_minute_begins_anywhere_and_counts_one_token() {
        let ledger = Ledger::default();
        for seconds in [0.0, 50.0, 59.9, 60.0, 109.9, 110.0] {
            ledger.enter(call(seconds, "a", true));
        }
        ledger.enter(call(55.0, "a", false));
        ledger.enter(call(55.0, "b", true));
        assert_eq!(ledger.busiest_minute("a"), 4);
        assert_eq!(ledger.busiest_minute("b"), 1);
        assert_eq!(ledger.busiest_minute("c"), 0);
    }

    #[test]
    fn the_last_minute_is_counted_by_second() {
        let ledger = Ledger::default();
        for seconds in [0.0, 0.001, 59.0, 59.9, 60.0] {
            ledger.enter(call(seconds, "a", true));
        }
        ledger.enter(CallRecord { status: Some(429), ..call(58.5, "a", false) });
        ledger.enter(call(58.6, "a", false));
        ledger.enter(call(58.6, "b", true));
        let seconds = ledger.last_minute("a", Duration::from_mins(1));
        assert_eq!(seconds.len(), 60);
        let of = |counted, refused, other| SecondCalls { counted, refused, other };
        assert_eq!((seconds[0], seconds[1], seconds[59]), (of(2, 0, 0), of(1, 1, 1), of(1, 0, 0)));
        assert_eq!(seconds.iter().map(|second| second.counted).sum::<usize>(), 4);
        assert_eq!(ledger.newest(2).len(), 2);
    }

    #[test]
    fn a_long_token_shows_only_its_end() {
        let shown = |token| serde_json::to_value(call(0.0, token, true)).unwrap()["token"].clone();
        assert_eq!(shown("demo"), "demo");
        assert_eq!(shown("a-real-looking-token"), "…oken");
    }
}
