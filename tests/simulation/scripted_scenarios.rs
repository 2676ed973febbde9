//! Scripted scenarios that each examine one behaviour: an outage, another client of the token, a restart, a deadline.

use std::time::Duration;

use contactsync::estimate::Eta;
use contactsync::report::{CallKind, RunSummary};
use contactsync::{Limits, Mode, StopReason};
use tokio::time::{Instant, sleep};

use crate::platform::{Faults, Outage};
use crate::scenario::{Channel, Scenario, TIMEOUT};

const LATENCY: Duration = Duration::from_millis(200);

/// New contacts, two calls per contact, at 100 calls a minute.
fn plain(contacts: usize, faults: Faults) -> Scenario {
    Scenario::plain(contacts, true, Faults { latency: LATENCY, ..faults })
}

/// Syncs the scenario's file in one process.
async fn sync(channel: &Channel<'_>) -> (RunSummary, Option<StopReason>) {
    let ending = channel.send(channel.plan(), None, Limits::default()).await.expect("the process is not killed");
    (ending.summary, ending.stopped)
}

#[test]
fn an_outage_costs_its_own_duration_and_no_row() {
    let (begin, end) = (1_000, 31_000);
    for outage in Outage::ALL {
        let faults = Faults { outages: vec![(begin..end, outage)], ..Faults::default() };
        plain(200, faults).with_channels(async |channels, begun| {
            let channel = &channels[0];
            let (summary, stopped) = sync(channel).await;
            assert_eq!((summary.created, summary.pending, stopped), (200, 0, None), "{outage:?}");
            assert_eq!((channel.watcher.left.get(), summary.rejected), (0, 0), "{outage:?}");
            // The calls sent before five had failed, and a probe after 1, 3, 7 and 15 s. The probe after 31 s
            // succeeds.
            let sent = channel.platform.ledger.borrow().sent.clone();
            let in_vain = sent.iter().filter(|&&at| (begin..end).contains(&at)).count();
            assert!((4 + 5..=4 + 2 * 8).contains(&in_vain), "{outage:?}: {in_vain}");
            let probes: Vec<u64> = sent.iter().copied().filter(|at| (begin + 1_000..end).contains(at)).collect();
            assert!(probes.windows(2).all(|two| two[1] - two[0] >= 900), "{outage:?}: {probes:?}");
            // 400 calls take four windows, and the calls lost in the outage a little more.
            let took = begun.elapsed();
            println!("{outage:?}: {in_vain} calls in vain, {took:?} in all");
            assert!(took <= Duration::from_secs(4 * 60 + 45), "{outage:?}: {took:?}");
        });
    }
}

/// Without a match field, a lost create stays in doubt. Only the creates in flight at the start of the outage are in doubt, and
/// probing adds none.
#[test]
fn a_probe_never_puts_a_contact_in_doubt() {
    let outages = vec![(1_000..61_000, Outage::BadGateway)];
    let scenario = Scenario::plain(100, false, Faults { outages, latency: LATENCY, ..Faults::default() });
    scenario.with_channels(async |channels, _| {
        let (summary, _) = sync(&channels[0]).await;
        assert!(channels[0].watcher.paused.get() >= 5, "it was probed");
        assert_eq!(summary.created + summary.rejected, 100);
        // Eight creates were in flight, and each of four failures started another one before the fifth paused.
        assert!(summary.rejected <= 8 + 4, "{summary:?}");
        let kinds = channels[0].platform.ledger.borrow().kinds.clone();
        let probes = kinds.iter().position(|kind| *kind == CallKind::Find)
            ..kinds.iter().rposition(|kind| *kind == CallKind::Find);
        let probing = &kinds[probes.start.expect("a probe")..probes.end.expect("a probe")];
        assert!(!probing.contains(&CallKind::Create), "{probing:?}");
        assert_eq!(summary.calls.find, u64::from(channels[0].watcher.paused.get()));
    });
}

#[test]
fn a_run_slows_down_for_another_client_of_the_token() {
    let throttled = |tells| {
        let faults = Faults { others: 50, limit: Some(100), tells, ..Faults::default() };
        plain(250, faults).with_channels(async |channels, begun| {
            let (summary, _) = sync(&channels[0]).await;
            assert_eq!(summary.created, 250);
            println!("headers: {tells}; {} answers with 429 in {:?}", summary.throttled, begun.elapsed());
            summary.throttled
        })
    };
    let (with_headers, without_headers) = (throttled(true), throttled(false));
    assert!(
        with_headers * 3 <= without_headers && without_headers > 0,
        "{with_headers} with the headers, {without_headers} without"
    );
}

#[test]
fn a_lower_limit_of_the_platform_is_respected_once_it_is_known() {
    let faults = Faults { limit: Some(40), tells: true, ..Faults::default() };
    plain(100, faults).with_channels(async |channels, _| {
        let (summary, _) = sync(&channels[0]).await;
        assert_eq!((summary.created, summary.throttled), (100, 0));
    });
}

/// The platform's stated limit applies to the next process too, which has calls in flight before it reads the limit again.
#[test]
fn a_restart_respects_the_platforms_lower_limit() {
    let faults = Faults { limit: Some(20), tells: true, ..Faults::default() };
    plain(30, faults).with_channels(async |channels, _| {
        let channel = &channels[0];
        let run = channel.plan();
        tokio::select! {
            _ = channel.send(run, None, Limits::default()) => panic!("the run takes three minutes"),
            () = sleep(Duration::from_secs(5)) => {}
        }
        assert_eq!(channel.platform.ledger.borrow().sent.len(), 20);
        let ending = channel.send(run, None, Limits::default()).await.expect("the process is not killed");
        assert_eq!((ending.summary.created, ending.summary.throttled), (30, 0));
    });
}

/// Thirty windows allow 3,000 calls at once. A thousand start immediately, and a thousand more each second.
#[test]
fn the_start_throttle_spreads_the_starts_of_many_channels_and_the_forecast_counts_it() {
    let faults = Faults { latency: Duration::from_millis(20), ..Faults::default() };
    Scenario::plain(50, true, faults).of_channels(30).with_channels(async |channels, begun| {
        for ending in Scenario::send_together(channels).await {
            assert_eq!((ending.summary.created, ending.summary.pending), (50, 0));
        }
        let took = begun.elapsed();
        assert!(took >= Duration::from_secs(2) && took <= Duration::from_millis(2_200), "{took:?}");
        for channel in channels {
            let expected = channel.watcher.eta.get().time.max;
            assert!(expected.abs_diff(took) <= took.mul_f64(0.15), "expected {expected:?}, took {took:?}");
        }
        let mut sent: Vec<u64> = channels.iter().flat_map(|one| one.platform.ledger.borrow().sent.clone()).collect();
        sent.sort_unstable();
        let most = sent
            .iter()
            .map(|from| sent.partition_point(|at| *at < from + 1_000) - sent.partition_point(|at| at < from));
        let most = most.max().expect("some were sent");
        assert!((1_500..=2_001).contains(&most), "{most} in a second");
    });
}

/// The wait of a 429 applies to the next process too.
#[test]
fn a_restart_within_a_pause_waits_until_the_pause_ends() {
    let faults = Faults { throttled: 1.0, throttled_for: Some(250), ..Faults::default() };
    plain(2, faults).with_channels(async |channels, _| {
        let channel = &channels[0];
        let run = channel.plan();
        tokio::select! {
            _ = channel.send(run, None, Limits::default()) => panic!("the run waits for four minutes"),
            () = sleep(Duration::from_secs(100)) => {}
        }
        let sent = channel.platform.ledger.borrow().sent.clone();
        assert!((1..=2).contains(&sent.len()), "{sent:?}");
        *channel.platform.faults.borrow_mut() = Faults::default();
        let ending = channel.send(run, None, Limits::default()).await.expect("the process is not killed");
        assert_eq!((ending.summary.created, ending.summary.throttled), (2, sent.len() as u64));
        let next = channel.platform.ledger.borrow().sent[sent.len()];
        assert!((251_000..252_000).contains(&next), "{next}");
    });
}

#[test]
fn the_duration_in_the_plan_is_met() {
    for (contacts, latency) in [(125, 20), (250, 300), (1_000, 300), (60, 300)] {
        let latency = Duration::from_millis(latency);
        let scenario = Scenario::plain(contacts, true, Faults { latency, ..Faults::default() });
        scenario.with_channels(async |channels, begun| {
            sync(&channels[0]).await;
            let (expected, took) = (channels[0].watcher.eta.get().time, begun.elapsed());
            println!("{contacts} contacts, up to {latency:?} each way: expected {expected:?}, took {took:?}");
            assert_eq!(expected.min, expected.max);
            assert!(expected.max.abs_diff(took) <= took.mul_f64(0.05), "expected {expected:?}, took {took:?}");
        });
    }
}

#[test]
fn a_resumed_run_expects_the_latency_of_earlier_calls() {
    let faults = Faults { latency: Duration::from_secs(2), ..Faults::default() };
    Scenario::plain(45, true, faults).with_channels(async |channels, _| {
        let channel = &channels[0];
        let run = channel.plan();
        let first = Limits { max_calls: Some(45), until: None };
        channel.send(run, None, first).await.expect("the process is not killed");
        let begun = Instant::now();
        channel.send(run, None, Limits::default()).await.expect("the process is not killed");
        let (expected, took) = (channel.watcher.eta.get().time, begun.elapsed());
        println!("expected {expected:?}, took {took:?}");
        assert!(expected.max.abs_diff(took) <= took.mul_f64(0.25), "expected {expected:?}, took {took:?}");
    });
}

#[test]
fn a_sync_takes_as_many_nights_as_the_first_night_forecasts() {
    plain(1_000, Faults::default()).with_channels(async |channels, _| {
        let channel = &channels[0];
        let run = channel.plan();
        let (mut nights, mut expected) = (0, Eta::default());
        loop {
            let begun = Instant::now();
            let until = channel.now() + Duration::from_mins(5);
            let ending = channel.send(run, None, Limits { until: Some(until), max_calls: None }).await;
            let ending = ending.expect("the process is not killed");
            nights += 1;
            if nights == 1 {
                expected = channel.watcher.eta.get();
                // 2,000 calls; each of five windows takes a hundred.
                assert_eq!(ending.summary.calls.total, expected.calls.max);
            }
            if ending.stopped.is_none() {
                assert_eq!(ending.summary.created, 1_000);
                break;
            }
            assert_eq!(ending.stopped, Some(StopReason::Deadline));
            // The process does not wait for the deadline when no further call fits.
            assert!(begun.elapsed() < Duration::from_secs(4 * 60 + 10), "{:?}", begun.elapsed());
            sleep(Duration::from_hours(19)).await;
        }
        let runs = expected.runs.expect("calls fit into a run");
        assert_eq!((runs.min, runs.max), (nights, nights));
    });
}

#[test]
fn max_calls_stops_a_process_after_that_number_of_calls() {
    plain(50, Faults::default()).with_channels(async |channels, _| {
        let channel = &channels[0];
        let run = channel.plan();
        let send = async |max| {
            let limits = Limits { max_calls: Some(max), until: None };
            let ending = channel.send(run, None, limits).await.expect("the process is not killed");
            (ending.summary.calls.total, ending.summary.pending > 0, ending.stopped)
        };
        assert_eq!(send(0).await, (0, true, Some(StopReason::MaxCalls(0))));
        assert_eq!(send(30).await, (30, true, Some(StopReason::MaxCalls(30))));
        assert_eq!(send(69).await, (99, true, Some(StopReason::MaxCalls(69))));
        // Exactly the needed number of calls is enough.
        assert_eq!(send(1).await, (100, false, None));
    });
}

#[test]
fn creates_are_sent_in_the_order_of_the_file() {
    plain(300, Faults::default()).with_channels(async |channels, _| {
        sync(&channels[0]).await;
        let creates = channels[0].platform.ledger.borrow().created.clone();
        let file: Vec<String> = channels[0].rows.iter().map(|row| row.key.clone()).collect();
        assert_eq!(creates, file);
    });
}

#[test]
fn channels_of_one_token_share_its_window() {
    for seed in 0..150 {
        Scenario::sharing(seed).run_together().unwrap_or_else(|broken| panic!("{broken} with seed {seed}"));
    }
}

/// A lost create of an earlier process is searched for as soon as the search lag allows, before the rest of the file. The
/// lag counts from the time at which the answer was lost.
#[test]
fn lost_creates_of_an_earlier_process_are_settled_before_the_file_is_read() {
    let faults = Faults { lost_after: 1.0, ..Faults::default() };
    plain(30, faults).with_channels(async |channels, _| {
        let channel = &channels[0];
        let run = channel.plan();
        channel.send(run, None, Limits { max_calls: Some(5), until: None }).await.expect("the process is not killed");
        *channel.platform.faults.borrow_mut() = Faults::default();
        sleep(Duration::from_mins(5)).await;
        let (before, begun) = (channel.platform.ledger.borrow().sent.len(), channel.platform.now());
        let ending = channel.send(run, None, Limits::default()).await.expect("the process is not killed");
        assert_eq!((ending.summary.created, ending.summary.rejected), (30, 0));
        let ledger = channel.platform.ledger.borrow();
        let sent = ledger.sent.iter().zip(&ledger.kinds).skip(before);
        let finds: Vec<u64> = sent.filter(|(_, kind)| **kind == CallKind::Find).map(|(at, _)| at - begun).collect();
        assert_eq!(finds, [0; 3]);
    });
}

/// Runs that are shorter than the search lag still settle a lost create: the lag and the number of searches persist across runs.
#[test]
fn a_lost_create_is_settled_by_runs_that_are_shorter_than_the_search_lag() {
    for is_applied in [false, true] {
        let faults = if is_applied {
            Faults { lost_after: 1.0, ..Faults::default() }
        } else {
            Faults { lost_before: 1.0, ..Faults::default() }
        };
        plain(3, faults).with_channels(async |channels, _| {
            let channel = &channels[0];
            let run = channel.plan();
            let mut summary = None;
            for night in 0..6 {
                // Calls may start within 5 s; the search lag is 30 s.
                let until = Some(channel.now() + TIMEOUT + Duration::from_secs(5));
                let max_calls = (night == 0).then_some(3);
                let ending = channel.send(run, None, Limits { until, max_calls }).await;
                summary = Some(ending.expect("the process is not killed").summary);
                if night == 0 {
                    *channel.platform.faults.borrow_mut() = Faults::default();
                }
                sleep(Duration::from_secs(10)).await;
            }
            let summary = summary.expect("a run");
            assert_eq!((summary.created, summary.pending, summary.rejected), (3, 0, 0), "applied: {is_applied}");
            let ledger = channel.platform.ledger.borrow();
            assert_eq!(ledger.people.len(), 3, "applied: {is_applied}");
            let finds = ledger.kinds.iter().filter(|kind| **kind == CallKind::Find).count();
            assert!(finds <= 9, "{finds} searches for 3 lost creates");
        });
    }
}

/// Processes are killed and answers lost while missing contacts are marked, and while the marks are taken back.
#[test]
fn each_missing_contact_is_marked_and_unmarked_whatever_is_killed_or_lost() {
    for seed in 0..20 {
        let mut scenario = plain(12, Faults::default());
        scenario.mode = Mode::Upsert;
        scenario.with_channels(async |channels, _| {
            let channel = &channels[0];
            let mut chance = fastrand::Rng::with_seed(seed);
            for (gone, kills) in [(0, 0), (5, 3), (5, 0), (0, 3), (2, 3), (0, 3)] {
                let faults = if kills > 0 {
                    Faults { lost_before: 0.1, lost_after: 0.2, latency: LATENCY, ..Faults::default() }
                } else {
                    Faults { latency: LATENCY, ..Faults::default() }
                };
                *channel.platform.faults.borrow_mut() = faults;
                let run = channel.plan_without(gone);
                for _ in 0..kills {
                    channel.send(run, Some(chance.u32(0..20)), Limits::default()).await;
                }
                *channel.platform.faults.borrow_mut() = Faults { latency: LATENCY, ..Faults::default() };
                let before = channel.platform.ledger.borrow().sent.len();
                let ending = channel.send(run, None, Limits::default()).await.expect("the process is not killed");
                let summary = ending.summary;
                assert_eq!(
                    (summary.state, summary.pending, summary.marks_pending),
                    ("finished", 0, 0),
                    "{seed} {gone}"
                );
                assert_eq!(usize::try_from(summary.missing), Ok(gone), "{seed}");
                let people = channel.platform.ledger.borrow().people.clone();
                assert_eq!(people.len(), 12);
                let mut marked: Vec<usize> = people
                    .iter()
                    .filter(|person| person.tags.contains("left"))
                    .filter_map(|person| person.row)
                    .collect();
                marked.sort_unstable();
                assert_eq!(marked, (0..gone).collect::<Vec<_>>(), "{seed} {gone}: {summary:?}");
                if kills == 0 && gone > 0 {
                    // All of them were marked before.
                    assert_eq!(channel.platform.ledger.borrow().sent.len(), before);
                }
            }
        });
    }
}
