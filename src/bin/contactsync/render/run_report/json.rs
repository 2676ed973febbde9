//! A report as JSON.

use std::time::Duration;

use contactsync::Timestamp;
use contactsync::report::CallKind;
use contactsync::run_report::{RateBar, RunProgress, RunReport};
use serde_json::{Map, Value, json};

use super::words::{all_calls, outcomes, state};
use crate::render::time::{instant, offset_time};

/// The report as one object.
pub fn object(report: &RunReport) -> Value {
    let RunReport { run, counts, .. } = report;
    let mut object = json!({
        "run": run.id,
        "state": state(report),
        "reason": run.reason,
        "summary": report.sentence,
        "channel": run.channel,
        "url": run.url,
        "input": run.input,
        "undoes": report.undoes,
        "other_runs": report.others,
        "started": time(run.started_at),
        "ended": run.ended_at.map(time),
        "seconds": seconds(Duration::from_millis(run.worked_ms)),
        "rows": counts.rows,
        "missing": counts.missing,
        "calls": calls(report),
        "retries": counts.retries,
        "throttled": counts.throttled,
        "calls_removed": report.calls_removed,
        "rate": rate(report),
        "latency": report.latency.map(|latency| json!({
            "median_ms": millis(latency.median),
            "p95_ms": millis(latency.most),
            "max_ms": millis(latency.max),
        })),
        "failures": failures(report),
        "other_failures": report.failures.other_calls,
        "slowest": slowest(report),
        "rejected_reasons": reasons(report),
        "other_rejected": report.reasons.other_rows,
        "rejected_removed": report.rejections_removed,
        "missing_contacts": missing(report),
        "left": left(report),
    });
    for (count, name) in outcomes(report) {
        object[name] = count.into();
    }
    object
}

/// The calls of a run by kind.
pub fn calls(report: &RunReport) -> Value {
    let mut calls = Map::new();
    calls.insert("total".into(), all_calls(report).into());
    for kind in CallKind::ALL {
        calls.insert(kind.name().into(), report.counts.calls.get(&kind).copied().unwrap_or(0).into());
    }
    calls.into()
}

fn rate(report: &RunReport) -> Value {
    let bar = |bar: &RateBar| {
        json!({
            "at": time(bar.at),
            "minutes": bar.minutes,
            "answered": bar.calls.answered,
            "refused": bar.calls.refused,
            "throttled": bar.calls.throttled,
            "unanswered": bar.calls.unanswered,
            "peak": bar.peak,
        })
    };
    json!({
        "limit": report.run.rate,
        "peak": report.rate.peak,
        "limit_wait_seconds": seconds(report.rate.limit_wait),
        "pause_seconds": seconds(report.rate.pauses),
        "bars": report.rate.bars.iter().map(bar).collect::<Vec<_>>(),
    })
}

fn failures(report: &RunReport) -> Value {
    let failures = report.failures.failures.iter().map(|failure| {
        json!({
            "kind": failure.kind.name(),
            "result": failure.result,
            "status": failure.status,
            "message": failure.message,
            "calls": failure.calls,
            "longest_wait_seconds": failure.longest_wait.map(seconds),
        })
    });
    failures.collect()
}

fn slowest(report: &RunReport) -> Value {
    let calls = report.slowest.iter().map(|call| {
        json!({
            "call": call.number,
            "kind": call.kind.name(),
            "key": call.key,
            "started": time(call.started),
            "ms": millis(call.took),
            "result": call.result,
        })
    });
    calls.collect()
}

fn reasons(report: &RunReport) -> Value {
    let groups = &report.reasons.groups;
    groups.iter().map(|group| json!({ "reason": group.reason, "rows": group.rows, "lines": group.lines })).collect()
}

fn missing(report: &RunReport) -> Value {
    let Some(listed) = &report.missing else { return Value::Null };
    let contacts = listed.iter();
    contacts.map(|one| json!({ "key": one.key, "since": time(one.since), "marked": one.is_marked })).collect()
}

fn left(report: &RunReport) -> Value {
    let Some(left) = &report.left else { return Value::Null };
    json!({
        "rows": left.rows,
        "marks": left.marks,
        "is_running": report.progress == RunProgress::Running,
        "calls": { "min": left.calls.min, "max": left.calls.max },
        "seconds": { "min": seconds(left.eta.time.min), "max": seconds(left.eta.time.max) },
    })
}

/// A moment with the offset of this machine's clock.
pub fn time(at: Timestamp) -> Value {
    instant(at).map(offset_time).into()
}

/// A time in seconds.
pub fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
