//! Calls that the platform refused or did not answer, put together by what happened.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::attempt::Attempt;
use crate::core::call::CallKind;
use crate::core::reason_groups::without_values;

/// Longest text of a failure, in characters. A platform may answer with a page.
const LONGEST: usize = 200;

/// Calls of one kind that failed in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFailure {
    /// Their kind.
    pub kind: CallKind,
    /// Their result in one word.
    pub result: &'static str,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// What the platform or the network reported, without values.
    pub message: String,
    /// Their number.
    pub calls: u64,
    /// The longest wait that an answer asked for.
    pub longest_wait: Option<Duration>,
}

/// Failed calls, within bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFailures {
    /// What failed, the most frequent first.
    pub failures: Vec<CallFailure>,
    /// The number of calls that failed in other ways, if there are too many ways to list.
    pub other_calls: u64,
}

/// Puts failed calls together, one after the other.
#[derive(Debug)]
pub struct FailureFold {
    failures: BTreeMap<(CallKind, &'static str, Option<u16>, String), CallFailure>,
    other_calls: u64,
    most: usize,
}

impl FailureFold {
    /// With at most this number of ways to fail.
    pub const fn new(most: usize) -> Self {
        Self { failures: BTreeMap::new(), other_calls: 0, most }
    }

    /// Adds a call. One that succeeded changes nothing.
    pub fn add(&mut self, kind: CallKind, attempt: &Attempt) {
        let Some((status, message, wait)) = parts(attempt) else { return };
        let message: String = without_values(message).chars().take(LONGEST).collect();
        let key = (kind, attempt.name(), status, message);
        if let Some(failure) = self.failures.get_mut(&key) {
            failure.calls += 1;
            failure.longest_wait = failure.longest_wait.max(wait);
        } else if self.failures.len() < self.most {
            let (kind, result, status, message) = key.clone();
            let failure = CallFailure { kind, result, status, message, calls: 1, longest_wait: wait };
            self.failures.insert(key, failure);
        } else {
            self.other_calls += 1;
        }
    }

    /// What failed, the most frequent first.
    pub fn finish(self) -> CallFailures {
        let mut failures: Vec<CallFailure> = self.failures.into_values().collect();
        failures.sort_by_key(|failure| std::cmp::Reverse(failure.calls));
        CallFailures { failures, other_calls: self.other_calls }
    }
}

// The status, the message and the requested wait of a call that failed.
fn parts(attempt: &Attempt) -> Option<(Option<u16>, &str, Option<Duration>)> {
    Some(match attempt {
        Attempt::Page(_) | Attempt::Contact(_) | Attempt::Created(_) | Attempt::Done => return None,
        Attempt::Missing { message } | Attempt::Taken { message, .. } => (None, message, None),
        Attempt::Refused { status, message, .. } => (Some(*status).filter(|status| *status != 0), message, None),
        Attempt::Unauthorized { message } => (Some(401), message, None),
        Attempt::Throttled { retry_after, message } => {
            (Some(429), message.as_deref().unwrap_or_default(), *retry_after)
        }
        Attempt::Queued { message } => (Some(449), message, None),
        Attempt::WrongPath { message } => (Some(404), message, None),
        Attempt::Unsent { cause } => (None, cause, None),
        Attempt::Lost { status, cause, retry_after } => (*status, cause, *retry_after),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_failures_are_one_line_and_successes_are_none() {
        let mut fold = FailureFold::new(3);
        fold.add(CallKind::Update, &Attempt::Done);
        for seconds in [3, 61, 7] {
            fold.add(CallKind::Find, &Attempt::throttled(Some(Duration::from_secs(seconds))));
        }
        for phone in ["+525512345678", "+525512345679"] {
            fold.add(CallKind::Create, &Attempt::refused(403, format!("{phone} is taken")));
        }
        fold.add(CallKind::Create, &Attempt::lost(Some(504), "x".repeat(1_000)));
        fold.add(CallKind::Create, &Attempt::lost(None, "reset".into()));
        let CallFailures { failures, other_calls } = fold.finish();
        let found: Vec<_> =
            failures.iter().map(|one| (one.kind, one.result, one.status, one.message.len(), one.calls)).collect();
        assert_eq!(
            found,
            [
                (CallKind::Find, "throttled", Some(429), 0, 3),
                (CallKind::Create, "refused", Some(403), "… is taken".len(), 2),
                (CallKind::Create, "lost", Some(504), LONGEST, 1),
            ]
        );
        assert_eq!((failures[0].longest_wait, other_calls), (Some(Duration::from_secs(61)), 1));
    }
}
