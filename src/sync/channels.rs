//! Several runs side by side, each with its own tasks and its own end; those whose calls count together share a pace.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::core::channel::WindowId;
use crate::core::eta::Limits;
use crate::core::retry::throttled_for;
use crate::core::start_throttle::StartThrottle;
use crate::core::time::Timestamp;
use crate::core::window::{MARGIN, MINUTE};
use crate::journal::{JournalError, SendJournal};
use crate::platform::dialect::LONGEST_RETRY_AFTER;
use crate::platform::limiter::{Clock, RateLimiter, SharedThrottle};
use crate::sync::event::Observer;
use crate::sync::run::{Ending, Job, begin, fail, send_begun};
use crate::sync::stop::StopReason;
use crate::sync::transport::Transport;

/// Sends the runs of several channels, all at the same time, and returns how each ended, in their order. What befalls one
/// of them does not befall the others.
///
/// # Errors
/// A [`JournalError`] for each run whose journal cannot be read or written, as [`send`](super::run()) has it.
pub async fn send_all<J: SendJournal, T: Transport, O: Observer>(
    jobs: &[Job<'_, J, T, O>],
) -> Vec<Result<Ending, JournalError>> {
    // All begin before any sends: what is open in a window at its beginning was left by a killed process.
    let begun = in_order(jobs.iter().map(begin)).await;
    let limiters = match limiters(jobs).await {
        Ok(limiters) => limiters,
        Err(error) => return jobs.iter().map(|_| Err(error.clone())).collect(),
    };
    let sent = jobs.iter().zip(begun).map(async |(job, begun)| {
        let limiter = limiters.get(job.window).expect("each window of a job has its pace");
        send_one(job, limiter, begun).await
    });
    let mut groups: BTreeMap<&WindowId, Vec<Part<'_, '_, J, T, O, _>>> = BTreeMap::new();
    for (at, (job, sent)) in jobs.iter().zip(sent).enumerate() {
        groups.entry(job.window).or_default().push(Part { at, job, sent });
    }
    let mut ended: Vec<_> = in_order(groups.into_values().map(send_group)).await.into_iter().flatten().collect();
    ended.sort_unstable_by_key(|(at, _)| *at);
    ended.into_iter().map(|(_, ending)| ending).collect()
}

/// A job of several, its place among them, and its sending.
struct Part<'j, 'a, J, T, O, F> {
    at: usize,
    job: &'j Job<'a, J, T, O>,
    sent: F,
}

// Sends the jobs of one window. Those whose token is refused meanwhile go on with a new one, if there is one. Their token is the
// same, so that they are refused together; and none of them is renewed while another one has calls on their way, because
// the calls that it finds open would be taken for those of a killed process.
async fn send_group<J: SendJournal, T: Transport, O: Observer, F>(
    parts: Vec<Part<'_, '_, J, T, O, F>>,
) -> Vec<(usize, Result<Ending, JournalError>)>
where
    F: Future<Output = Result<Ending, JournalError>>,
{
    let (jobs, sent): (Vec<_>, Vec<_>) = parts.into_iter().map(|part| ((part.at, part.job), part.sent)).unzip();
    let mut ended: Vec<_> = jobs.into_iter().zip(in_order(sent.into_iter()).await).collect();
    let mut before: BTreeMap<usize, u64> = BTreeMap::new();
    loop {
        let mut renewed: BTreeMap<WindowId, Vec<usize>> = BTreeMap::new();
        for (nth, ((at, job), ending)) in ended.iter_mut().enumerate() {
            let Ok(Ending { summary, stopped: Some(StopReason::Unauthorized(_)), .. }) = ending else { continue };
            // A new token with which nothing came to its end is not renewed again.
            if before.insert(*at, summary.pending).is_some_and(|before| summary.pending >= before) {
                continue;
            }
            match job.transport.renewed().await {
                Ok(Some(window)) => renewed.entry(window).or_default().push(nth),
                Ok(None) => {}
                Err(reason) => {
                    if let Ok(ending) = ending {
                        ending.summary.reason = Some(reason.text());
                        ending.stopped = Some(reason);
                    }
                }
            }
        }
        if renewed.is_empty() {
            return ended.into_iter().map(|((at, _), ending)| (at, ending)).collect();
        }
        let sent = renewed.iter().map(async |(window, nths)| {
            let parts = nths.iter().filter_map(|&nth| ended.get(nth)).map(|((_, job), ending)| {
                let started = ending.as_ref().map_or(0, |ending| ending.started);
                (*job, started)
            });
            send_again(window, parts.collect()).await
        });
        let sent = in_order(sent).await;
        for (nth, ending) in renewed.into_values().flatten().zip(sent.into_iter().flatten()) {
            ended[nth].1 = ending;
        }
    }
}

// Goes on with runs whose token was renewed, in the window of the new one, within what is left of their limits after the calls
// that were started.
async fn send_again<'b, J: SendJournal, T: Transport, O: Observer>(
    window: &'b WindowId,
    parts: Vec<(&'b Job<'b, J, T, O>, u64)>,
) -> Vec<Result<Ending, JournalError>> {
    let (mut started, mut jobs) = (Vec::with_capacity(parts.len()), Vec::with_capacity(parts.len()));
    for (job, before) in parts {
        job.stop.take_back();
        let max_calls = job.limits.max_calls.map(|max| max.saturating_sub(before));
        started.push(before);
        jobs.push(again(job, window, Limits { max_calls, ..job.limits }));
    }
    let begun = in_order(jobs.iter().map(begin)).await;
    let limiters = match limiters(&jobs).await {
        Ok(limiters) => limiters,
        Err(error) => return jobs.iter().map(|_| Err(error.clone())).collect(),
    };
    let sent = jobs.iter().zip(begun).zip(started).map(async |((job, begun), before)| {
        let limiter = limiters.get(job.window).expect("each window of a job has its pace");
        let ending = send_one(job, limiter, begun).await?;
        Ok(Ending { started: before + ending.started, ..ending })
    });
    in_order(sent).await
}

// The same job in another window.
fn again<'b, J, T, O>(job: &Job<'b, J, T, O>, window: &'b WindowId, limits: Limits) -> Job<'b, J, T, O> {
    Job {
        journal: job.journal,
        run: job.run,
        channel: job.channel,
        window,
        policy: job.policy,
        transport: job.transport,
        call_timeout: job.call_timeout,
        rate: job.rate,
        burst: job.burst,
        concurrency: job.concurrency,
        limits,
        outage_timeout: job.outage_timeout,
        clock: job.clock,
        seed: job.seed,
        observer: job.observer,
        stop: job.stop,
    }
}

async fn send_one<J: SendJournal, T: Transport, O: Observer>(
    job: &Job<'_, J, T, O>,
    limiter: &RateLimiter,
    begun: Result<Timestamp, JournalError>,
) -> Result<Ending, JournalError> {
    let ended = match begun {
        Ok(at) => send_begun(job, limiter, at).await.map_err(|error| (at, error)),
        Err(error) => Err((job.clock.now(), error)),
    };
    match ended {
        Ok(ending) => Ok(ending),
        Err((at, error)) => {
            fail(job, at, &error).await;
            Err(error)
        }
    }
}

// Each at the rate of the slowest that shares it.
async fn limiters<J: SendJournal, T, O>(
    jobs: &[Job<'_, J, T, O>],
) -> Result<BTreeMap<WindowId, RateLimiter>, JournalError> {
    let mut slowest: BTreeMap<&WindowId, &Job<'_, J, T, O>> = BTreeMap::new();
    for job in jobs {
        slowest
            .entry(job.window)
            .and_modify(|other| *other = if job.rate < other.rate { job } else { other })
            .or_insert(job);
    }
    let throttle = Arc::new(SharedThrottle::new(StartThrottle::of(slowest.values().map(|job| job.rate))));
    let limiters = slowest.into_iter().map(async |(window, job)| {
        let limiter = restored(job.journal, window, job.rate, job.burst, job.clock).await?;
        Ok((window.clone(), limiter.through(Arc::clone(&throttle))))
    });
    in_order(limiters).await.into_iter().collect()
}

/// The pace of a window, from what the journal knows of the past minute.
pub(super) async fn restored<J: SendJournal>(
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
        Some(limit) => limiter.held_to(limit.calls, limit.stated),
        None => limiter,
    };
    let longest_pause = throttled_for(Some(LONGEST_RETRY_AFTER));
    // What the platform asked for, it asked of the token, whichever process heard it.
    for (at, wait) in journal.waits_since(window, now.before(longest_pause)).await? {
        limiter.pause_until(at.min(now) + wait.min(longest_pause));
    }
    Ok(limiter)
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
