//! Sends the runs of several channels at the same time. Channels fail independently; those that share a window share a
//! rate limiter.

use std::collections::BTreeMap;

use crate::core::eta::Limits;
use crate::core::time::Timestamp;
use crate::core::window_id::WindowId;
use crate::journal::{JournalError, SendJournal};
use crate::sync::event::Observer;
use crate::sync::limiters::{Limiters, in_order, restored_for};
use crate::sync::run::{ContactBudget, Ending, Job, begin, fail, send_begun};
use crate::sync::stop::StopReason;
use crate::sync::transport::Transport;

/// Sends the pending contacts of a run until all have ended, nothing more can be done, or the run is asked to stop.
/// Calls that are in flight then are finished and recorded.
///
/// # Errors
/// A [`JournalError`] when the journal cannot be read or written. The run is then marked as failed, if the journal can
/// still be written; calls in flight are resolved by the next run.
pub async fn send<J: SendJournal, T: Transport, O: Observer>(job: Job<'_, J, T, O>) -> Result<Ending, JournalError> {
    send_all(&[job]).await.pop().expect("one job has one end")
}

/// Sends the runs of several channels at the same time, and returns how each ended, in the order of the jobs. Channels
/// fail independently.
///
/// # Errors
/// A [`JournalError`] for each run whose journal, or whose window in it, cannot be read or written, as [`send`] has it.
pub async fn send_all<J: SendJournal, T: Transport, O: Observer>(
    jobs: &[Job<'_, J, T, O>],
) -> Vec<Result<Ending, JournalError>> {
    let contacts = ContactBudget::new(jobs.len());
    // All begin before any sends: the calls that are open in a window at its beginning were left by a killed process.
    let begun = in_order(jobs.iter().map(begin)).await;
    let limiters = restored_for(jobs).await;
    let mut groups: BTreeMap<&WindowId, Vec<WindowJob<'_, '_, J, T, O, _>>> = BTreeMap::new();
    for (at, (job, begun)) in jobs.iter().zip(begun).enumerate() {
        let sent = send_one(job, &limiters, &contacts, begun);
        groups.entry(job.window).or_default().push(WindowJob { at, job, sent });
    }
    let groups = groups.into_values().map(|group| send_group(group, &contacts));
    let mut ended: Vec<_> = in_order(groups).await.into_iter().flatten().collect();
    ended.sort_unstable_by_key(|(at, _)| *at);
    ended.into_iter().map(|(_, ending)| ending).collect()
}

/// A job, its index among the jobs, and the future that sends it.
struct WindowJob<'j, 'a, J, T, O, F> {
    at: usize,
    job: &'j Job<'a, J, T, O>,
    sent: F,
}

// Sends the jobs of one window. Jobs whose token is refused meanwhile go on with a new token, if there is one. They
// have the same token, so they are refused together. None of them is renewed while another one has calls in flight,
// because the calls that it finds open would be taken for those of a killed process.
async fn send_group<J: SendJournal, T: Transport, O: Observer, F>(
    parts: Vec<WindowJob<'_, '_, J, T, O, F>>,
    contacts: &ContactBudget,
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
            // A new token with which no contact came to its end is not renewed again.
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
            send_again(window, parts.collect(), contacts).await
        });
        let sent = in_order(sent).await;
        for (nth, ending) in renewed.into_values().flatten().zip(sent.into_iter().flatten()) {
            ended[nth].1 = ending;
        }
    }
}

// Continues runs whose token was renewed, in the window of the new token, within what is left of their limits after the
// calls that were started before.
async fn send_again<'b, J: SendJournal, T: Transport, O: Observer>(
    window: &'b WindowId,
    parts: Vec<(&'b Job<'b, J, T, O>, u64)>,
    contacts: &ContactBudget,
) -> Vec<Result<Ending, JournalError>> {
    let (mut started, mut jobs) = (Vec::with_capacity(parts.len()), Vec::with_capacity(parts.len()));
    for (job, before) in parts {
        job.stop.take_back();
        let max_calls = job.limits.max_calls.map(|max| max.saturating_sub(before));
        started.push(before);
        jobs.push(again(job, window, Limits { max_calls, ..job.limits }));
    }
    let begun = in_order(jobs.iter().map(begin)).await;
    let limiters = restored_for(&jobs).await;
    let sent = jobs.iter().zip(begun).zip(started).map(async |((job, begun), before)| {
        let ending = send_one(job, &limiters, contacts, begun).await?;
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
        read_back: job.read_back,
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
    limiters: &Limiters,
    contacts: &ContactBudget,
    begun: Result<Timestamp, JournalError>,
) -> Result<Ending, JournalError> {
    let limiter = limiters.get(job.window).expect("each window of a job has a limiter");
    let ended = match (begun, limiter) {
        (Ok(at), Ok(limiter)) => send_begun(job, limiter, contacts, at).await.map_err(|error| (at, error)),
        (Ok(at), Err(error)) => Err((at, error.clone())),
        (Err(error), _) => Err((job.clock.now(), error)),
    };
    match ended {
        Ok(ending) => Ok(ending),
        Err((at, error)) => {
            fail(job, at, &error).await;
            Err(error)
        }
    }
}
