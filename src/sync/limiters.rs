//! Rate limiters, restored from what the journal knows of the past minute.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::core::retry::throttled_for;
use crate::core::start_throttle::StartThrottle;
use crate::core::window::{MARGIN, MINUTE};
use crate::core::window_id::WindowId;
use crate::journal::{JournalError, SendJournal};
use crate::platform::dialect::LONGEST_RETRY_AFTER;
use crate::platform::limiter::{Clock, RateLimiter, SharedThrottle};
use crate::sync::run::Job;

/// One rate limiter for each window; those whose past cannot be read from the journal have the error instead.
pub type Limiters = BTreeMap<WindowId, Result<RateLimiter, JournalError>>;

/// Restores the rate limiter of each window of the jobs, at the rate of the slowest job in it. They share a start
/// throttle.
pub async fn restored_for<J: SendJournal, T, O>(jobs: &[Job<'_, J, T, O>]) -> Limiters {
    let mut slowest: BTreeMap<&WindowId, &Job<'_, J, T, O>> = BTreeMap::new();
    for job in jobs {
        slowest
            .entry(job.window)
            .and_modify(|other| *other = if job.rate < other.rate { job } else { other })
            .or_insert(job);
    }
    let throttle = Arc::new(SharedThrottle::new(StartThrottle::of(slowest.values().map(|job| job.rate))));
    let mut limiters = Limiters::new();
    // One after the other: requests to the journal at the same time are one transaction, and fail together.
    for (window, job) in slowest {
        let limiter = restored(job.journal, window, job.rate, job.burst, job.clock).await;
        limiters.insert(window.clone(), limiter.map(|limiter| limiter.with_throttle(Arc::clone(&throttle))));
    }
    limiters
}

/// Restores the rate limiter of a window.
///
/// # Errors
/// A [`JournalError`] when the journal cannot be read.
pub async fn restored<J: SendJournal>(
    journal: &J,
    window: &WindowId,
    rate: NonZeroU32,
    burst: Option<NonZeroU32>,
    clock: &Clock,
) -> Result<RateLimiter, JournalError> {
    let now = clock.now();
    let ended = journal.ended_since(window, now.before(MINUTE + MARGIN)).await?;
    let limiter = RateLimiter::new(rate, burst, ended, clock.clone());
    let limiter = match journal.learnt_limit(window).await? {
        Some(limit) => limiter.with_stated_limit(limit.calls, limit.stated),
        None => limiter,
    };
    let longest_pause = throttled_for(Some(LONGEST_RETRY_AFTER));
    // A wait that the platform asked for holds for the token, in every process.
    for (at, wait) in journal.waits_since(window, now.before(longest_pause)).await? {
        limiter.pause_until(at.min(now) + wait.min(longest_pause));
    }
    Ok(limiter)
}

/// Runs futures at the same time and returns their results in the futures' order.
pub async fn in_order<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: FuturesUnordered<_> = futures.enumerate().map(async |(at, future)| (at, future.await)).collect();
    let mut results = Vec::with_capacity(running.len());
    while let Some(result) = running.next().await {
        results.push(result);
    }
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
