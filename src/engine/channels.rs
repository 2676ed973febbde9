//! Several runs side by side, each with its own tasks and its own end; those whose calls count together share a pace.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::core::channel::WindowId;
use crate::core::retry::throttled_for;
use crate::core::spread::Spread;
use crate::core::window::{MARGIN, MINUTE};
use crate::edges::journal::{JournalError, SendJournal};
use crate::edges::pace::{Clock, Gate, Pace};
use crate::edges::platform::dialect::LONGEST_RETRY_AFTER;
use crate::engine::event::Observer;
use crate::engine::send::{Ending, Job, begin, fail, send_begun};
use crate::engine::transport::Transport;

/// Sends the runs of several channels, all at the same time, and returns how each ended, in their order. What befalls one
/// of them does not befall the others.
///
/// # Errors
/// A [`JournalError`] for each run whose journal cannot be read or written, as [`send`](super::send()) has it.
pub async fn send_all<J: SendJournal, T: Transport, O: Observer>(
    jobs: &[Job<'_, J, T, O>],
) -> Vec<Result<Ending, JournalError>> {
    // All begin before any sends: what is open in a window at its beginning was left by a killed process.
    let begun = in_order(jobs.iter().map(begin)).await;
    let paces = match paces(jobs).await {
        Ok(paces) => paces,
        Err(error) => return jobs.iter().map(|_| Err(error.clone())).collect(),
    };
    let sent = jobs.iter().zip(begun).map(async |(job, begun)| {
        let pace = paces.get(job.window).expect("each window of a job has its pace");
        let ended = match begun {
            Ok(at) => send_begun(job, pace, at).await.map_err(|error| (at, error)),
            Err(error) => Err((job.clock.now(), error)),
        };
        match ended {
            Ok(ending) => Ok(ending),
            Err((at, error)) => {
                fail(job, at, &error).await;
                Err(error)
            }
        }
    });
    in_order(sent).await
}

// Each at the rate of the slowest that shares it.
async fn paces<J: SendJournal, T, O>(jobs: &[Job<'_, J, T, O>]) -> Result<BTreeMap<WindowId, Pace>, JournalError> {
    let mut slowest: BTreeMap<&WindowId, &Job<'_, J, T, O>> = BTreeMap::new();
    for job in jobs {
        slowest
            .entry(job.window)
            .and_modify(|other| *other = if job.rate < other.rate { job } else { other })
            .or_insert(job);
    }
    let gate = Arc::new(Gate::new(Spread::of(slowest.values().map(|job| job.rate))));
    let paces = slowest.into_iter().map(async |(window, job)| {
        let pace = restored(job.journal, window, job.rate, job.burst, job.clock).await?;
        Ok((window.clone(), pace.through(Arc::clone(&gate))))
    });
    in_order(paces).await.into_iter().collect()
}

/// The pace of a window, from what the journal knows of the past minute.
pub(super) async fn restored<J: SendJournal>(
    journal: &J,
    window: &WindowId,
    rate: NonZeroU32,
    burst: Option<NonZeroU32>,
    clock: &Clock,
) -> Result<Pace, JournalError> {
    let now = clock.now();
    let ended = journal.ended_since(window, now.before(MINUTE + MARGIN)).await?;
    let pace = Pace::new(rate, burst, ended, clock.clone());
    let pace = match journal.learnt_limit(window).await? {
        Some(limit) => pace.held_to(limit.calls, limit.stated),
        None => pace,
    };
    let longest_pause = throttled_for(Some(LONGEST_RETRY_AFTER));
    // What the platform asked for, it asked of the token, whichever process heard it.
    for (at, wait) in journal.waits_since(window, now.before(longest_pause)).await? {
        pace.pause_until(at.min(now) + wait.min(longest_pause));
    }
    Ok(pace)
}

// The results of futures that run at the same time, in the futures' order.
async fn in_order<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: FuturesUnordered<_> = futures.enumerate().map(async |(at, future)| (at, future.await)).collect();
    let mut results = Vec::with_capacity(running.len());
    while let Some(result) = running.next().await {
        results.push(result);
    }
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
