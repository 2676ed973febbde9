//! What must be true at the end of a scenario, by the platform's own ledger.

use contactsync::{Ending, Field, Limits, Mode, RunSummary, StopReason};

use crate::platform::Person;
use crate::scenario::{Channel, Row, TIMEOUT};

/// The span over which the platform counts, in milliseconds.
pub const MINUTE: u64 = 60_000;

/// Holds the channel's platform against its file and the run's summary.
pub fn check(channel: &Channel<'_>, summary: &RunSummary) -> Result<(), String> {
    let broken = |what: String| Err(format!("{}: {what}", channel.name));
    let ledger = channel.platform.ledger.borrow();
    let (mut wrong, mut missing) = (0, 0);
    for (n, row) in channel.rows.iter().enumerate() {
        let found: Vec<&Person> = ledger.people.iter().filter(|person| is(person, row)).collect();
        match found.as_slice() {
            [] => missing += 1,
            // What `create` made is left alone on later nights, whatever the file wants then.
            [person] if channel.scenario.mode == Mode::Create && channel.scenario.keyed => {
                wrong += u64::from(!has_tags(person, row));
            }
            [person] => {
                let wanted = channel.wanted(n);
                let has = |field: &Field| person.fields.get(&*field.name).is_some_and(|value| value.same(&field.value));
                wrong += u64::from(!wanted.iter().all(has) || !has_tags(person, row));
            }
            [_, _, ..] => return broken(format!("{} is there {} times: twice", row.key, found.len())),
        }
    }
    let strangers = ledger.people.iter().filter(|person| !channel.rows.iter().any(|row| is(person, row))).count();
    if strangers > 0 {
        return broken(format!("{strangers} contacts that nobody wanted"));
    }
    let absent = channel.rows.iter().filter(|row| row.there.is_none()).count() as u64;
    let rejected = match (channel.scenario.mode, channel.scenario.keyed) {
        (Mode::Update, _) => absent..=absent,
        (Mode::Upsert | Mode::Create, true) => 0..=0,
        // Without a match field, a create whose answer was lost is set aside as unsure: it may be there or not.
        (Mode::Upsert | Mode::Create, false) => wrong + missing..=channel.rows.len() as u64,
    };
    if !rejected.contains(&summary.rejected) {
        return broken(format!("{} rejected, expected {rejected:?}", summary.rejected));
    }
    if channel.scenario.keyed && wrong > 0 {
        return broken(format!("{wrong} contacts differ from the file"));
    }
    if missing > summary.rejected {
        return broken(format!("{missing} contacts are missing, and {} rows were rejected", summary.rejected));
    }
    let s = summary;
    if s.rows != channel.rows.len() as u64
        || s.rows != s.created + s.updated + s.unchanged + s.rejected + s.merged + s.pending
    {
        return broken(format!("the rows do not add up: {s:?}"));
    }
    let token = channel.platform.token.borrow();
    if token.refused > 0 && channel.scenario.has_the_token_alone() {
        return broken(format!("{} calls were refused", token.refused));
    }
    let limit = channel.scenario.limit as usize;
    for (earlier, later) in token.counted.iter().zip(token.counted.iter().skip(limit)) {
        if later - earlier < MINUTE {
            return broken(format!(
                "{} calls within 60 s, from {earlier} ms to {later} ms; the limit is {limit}",
                limit + 1
            ));
        }
    }
    Ok(())
}

/// Holds a process to its limits: no call too many, none that could not end in time, and none waited for in vain.
pub fn check_limits(
    channel: &Channel<'_>,
    limits: &Limits,
    sent_before: usize,
    ending: Option<&Ending>,
) -> Result<(), String> {
    let broken = |what: String| Err(format!("{}: {what}", channel.name));
    let ledger = channel.platform.ledger.borrow();
    let sent = &ledger.sent[sent_before..];
    if limits.max_calls.is_some_and(|max| sent.len() as u64 > max) {
        return broken(format!("{} calls, and {limits:?}", sent.len()));
    }
    if let Some(until) = limits.until {
        if let Some(late) = sent.iter().find(|&&at| channel.at(at) + TIMEOUT > until) {
            return broken(format!("a call at {late} ms may end too late: {limits:?}"));
        }
        if !sent.is_empty() && channel.now() > until {
            return broken(format!("it stopped after its time: {limits:?}"));
        }
    }
    let Some(Ending { summary, stopped }) = ending else { return Ok(()) };
    match stopped {
        Some(StopReason::MaxCalls(max)) if Some(*max) != limits.max_calls || sent.len() as u64 != *max => {
            broken(format!("it stopped after {} calls: {limits:?}", sent.len()))
        }
        Some(StopReason::Deadline) if limits.until.is_none() => {
            broken("it stopped at a deadline that it does not have".into())
        }
        Some(_) if summary.pending == 0 => broken("it stopped with nothing left to do".into()),
        Some(
            StopReason::Signal(_)
            | StopReason::Unauthorized(_)
            | StopReason::Down(_)
            | StopReason::KindDown(_)
            | StopReason::Refusing(_)
            | StopReason::AskedToWait(_)
            | StopReason::WrongUrl(_)
            | StopReason::Unlisted(_)
            | StopReason::Deadline
            | StopReason::MaxCalls(_),
        )
        | None => Ok(()),
    }
}

fn is(person: &Person, row: &Row) -> bool {
    row.fields.first().is_some_and(|key| person.fields.get(&*key.name).is_some_and(|value| value.same(&key.value)))
}

fn has_tags(person: &Person, row: &Row) -> bool {
    let tags = row.tags.iter().all(|tag| person.tags.contains(tag)) && !person.tags.contains("old");
    // What others put there stays.
    let theirs = row.there.as_ref().is_none_or(|(_, tags)| !tags.contains(&"theirs") || person.tags.contains("theirs"));
    tags && theirs
}
