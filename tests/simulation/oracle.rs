//! The invariants at the end of a scenario, checked against the platform's own ledger.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use contactsync::engine::Rows;
use contactsync::history::ListedRow;
use contactsync::mapping::rules::WriteMode;
use contactsync::report::{Ending, RunSummary};
use contactsync::{Field, Limits, Mode, StopReason};

use crate::platform::{Ledger, Person};
use crate::scenario::{Channel, Others, Row, TIMEOUT};

/// The platform's rate limit window, in milliseconds.
pub const MINUTE: u64 = 60_000;

/// The strictness of the checks of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Night {
    /// With faults: rows may be rejected with the platform's messages.
    Faulty,
    /// Without faults: only rows that cannot be decided may be rejected.
    Clean,
}

/// Checks the channel's platform against its file and the run's summary.
pub fn check(channel: &Channel<'_>, summary: &RunSummary, night: Night) -> Result<(), String> {
    let broken = |what: String| Err(format!("{}: {what}", channel.name));
    let ledger = channel.platform.ledger.borrow();
    let rejected = rejected(channel);
    if rejected.len() as u64 != summary.rejected {
        return broken(format!("{} rejected in the summary, {} in the journal", summary.rejected, rejected.len()));
    }
    for (&n, reason) in &rejected {
        if !may_be_rejected(channel, &ledger, n, reason, night) {
            return broken(format!("row {n} is rejected in a {night:?} night: {reason}"));
        }
    }
    for (n, row) in channel.rows.iter().enumerate() {
        let found: Vec<&Person> =
            ledger.people.iter().filter(|person| person.row == Some(n) && !person.overwritten).collect();
        if found.len() > 1 {
            return broken(format!("{} is there {} times: twice", row.key, found.len()));
        }
        // A contact that the platform turned into another one is not checked.
        if rejected.contains_key(&n) || ledger.overwritten.contains(&n) {
            continue;
        }
        let Some(person) = found.first() else { return broken(format!("{} is missing", row.key)) };
        if !is_right(channel, n, row, person) {
            return broken(format!("{} differs from the file: {person:?}", row.key));
        }
    }
    check_people(channel, &ledger)?;
    let s = summary;
    if s.rows != channel.rows.len() as u64
        || s.rows != s.created + s.updated + s.unchanged + s.rejected + s.merged + s.pending
    {
        return broken(format!("the rows do not add up: {s:?}"));
    }
    check_limit(channel)
}

// No contact has values of another row, and contacts that counted as created did not exist before.
fn check_people(channel: &Channel<'_>, ledger: &Ledger) -> Result<(), String> {
    let broken = |what: String| Err(format!("{}: {what}", channel.name));
    for person in &ledger.people {
        let Some(row) = person.row else {
            let is_stranger =
                channel.scenario.others == Others::Strangers && person.made.is_none() && person.tags.is_empty();
            if !is_stranger {
                return broken(format!("a contact that no row wanted, or the tags of one: {person:?}"));
            }
            continue;
        };
        // A contact that the platform turned into another row's may have its earlier tags.
        let is_overwritten = person.overwritten || ledger.overwritten.contains(&row);
        let is_owner = |owner: &str| {
            let of = owner.strip_prefix("row").and_then(|of| of.parse::<usize>().ok());
            of.is_some_and(|of| of == row || (is_overwritten && of / 2 == row / 2))
        };
        let mut owners = person.tags.iter().filter_map(|tag| tag.split_once(" tag")).map(|tag| tag.0);
        if !owners.all(is_owner) {
            return broken(format!("the contact of row {row} has another one's tags: {:?}", person.tags));
        }
        let foreign = person.fields.values().find(|value| {
            let text = value.text().into_owned();
            text.strip_prefix("value ")
                .and_then(|rest| rest.split(' ').next()?.parse().ok())
                .is_some_and(|of: usize| of != row)
        });
        if let Some(foreign) = foreign.filter(|_| !is_overwritten) {
            return broken(format!("the contact of row {row} has another one's value: {foreign:?}"));
        }
        if person.made.is_some() && channel.rows[row].there.is_some() {
            return broken(format!("row {row} was there and is created again: twice"));
        }
    }
    for line in &*channel.watcher.created.borrow() {
        let row = usize::try_from(line - 2).expect("lines are few");
        if channel.rows[row].there.is_some() {
            return broken(format!("row {row} counts as created, and it was there before"));
        }
    }
    Ok(())
}

fn may_be_rejected(channel: &Channel<'_>, ledger: &Ledger, n: usize, reason: &str, night: Night) -> bool {
    let scenario = channel.scenario;
    let reason = if is_waiting(reason) { reason.split_once("): ").map_or(reason, |(_, first)| first) } else { reason };
    if reason.starts_with("not on the platform") {
        return scenario.mode == Mode::Update && channel.rows[n].there.is_none();
    }
    let was_lost = channel.doubtful.borrow().contains(&channel.rows[n].key) || channel.rows[n].stale_id;
    // Once an answer named another contact, answers to creates are no longer trusted. Without a match field, or when the platform
    // shows the value in another form, neither a read nor a search settles the create.
    let is_distrusted = ledger.misnamed || !ledger.overwritten.is_empty();
    let other_contact =
        ledger.overwritten.contains(&n) || (is_distrusted && (!scenario.keyed || scenario.form.is_some()));
    let undecided = if reason.starts_with("in doubt") {
        // The answer to its create was lost, and no search can settle it: without a match field, with the value in another form, or
        // among inexact hits that may or may not have existed before.
        let unsearched = scenario.others == Others::Strangers && scenario.mode == Mode::Create;
        other_contact || (was_lost && (!scenario.keyed || scenario.form.is_some() || unsearched))
    } else {
        reason.starts_with("conflict") && other_contact
    };
    undecided || (night == Night::Faulty && ledger.refused.contains(&n))
}

// Whether a row was rejected by an earlier run and is not tried yet.
fn is_waiting(reason: &str) -> bool {
    reason.starts_with("still rejected after ")
}

/// Whether the channel's newest run has a rejected row.
pub fn has_rejected(channel: &Channel<'_>) -> bool {
    !rejected(channel).is_empty()
}

/// Whether the channel's newest run rejected a row whose contact is in doubt.
pub fn has_row_in_doubt(channel: &Channel<'_>) -> bool {
    rejected(channel).values().any(|reason| reason.starts_with("in doubt"))
}

/// Whether no rejected row of the channel's newest run was tried.
pub fn are_all_waiting(channel: &Channel<'_>) -> bool {
    rejected(channel).values().all(|reason| is_waiting(reason))
}

// The rows of the channel's newest run that are rejected, with the reasons.
fn rejected(channel: &Channel<'_>) -> BTreeMap<usize, String> {
    let run = channel.journal.newest(&channel.name).expect("the journal works").expect("a run");
    let note = |rejected: &mut BTreeMap<usize, String>, row: &ListedRow| {
        let number = usize::try_from(row.line - 2).expect("lines are few");
        rejected.insert(number, row.reason.clone().unwrap_or_default());
        ControlFlow::Continue(())
    };
    channel.journal.each_row(run.sync, Rows::Rejected, BTreeMap::new(), note).expect("the journal works")
}

fn is_right(channel: &Channel<'_>, n: usize, row: &Row, person: &Person) -> bool {
    // `create` does not change contacts in later runs.
    if channel.scenario.mode == Mode::Create && channel.scenario.keyed {
        return has_tags(person, row);
    }
    let wanted = channel.wanted(n);
    // The key is present in any form.
    let has = |field: &Field| person.fields.get(&*field.name).is_some_and(|value| value.same(&field.value));
    wanted.iter().skip(1).all(|field| match channel.scenario.mode_of(&field.name) {
        WriteMode::Always => has(field),
        mode @ (WriteMode::OnCreate | WriteMode::IfBlank | WriteMode::WithOthers) => {
            is_right_by(mode, field, row, person)
        }
    }) && has_tags(person, row)
}

// Whether a field that is not always written has a value of the row, in any version of the file, or the one that it had before.
fn is_right_by(mode: WriteMode, field: &Field, row: &Row, person: &Person) -> bool {
    let before = row.there.as_ref().map(|(fields, _)| fields.iter().find(|there| there.name == field.name));
    let found = person.fields.get(&*field.name);
    let of_row = row.fields.iter().find(|of_row| of_row.name == field.name).expect("a field of the row");
    let is_of_row = found.is_some_and(|value| value.text().starts_with(&*of_row.value.text()));
    match (mode, before) {
        // A new contact got all of it.
        (_, None) | (WriteMode::IfBlank, Some(None)) => is_of_row,
        (WriteMode::OnCreate, Some(before)) | (WriteMode::IfBlank, Some(before @ Some(_))) => {
            found == before.map(|field| &field.value)
        }
        (WriteMode::Always | WriteMode::WithOthers, Some(before)) => {
            is_of_row || found == before.map(|field| &field.value)
        }
    }
}

fn check_limit(channel: &Channel<'_>) -> Result<(), String> {
    let broken = |what: String| Err(format!("{}: {what}", channel.name));
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

/// Checks the limits of a process: no call beyond them, none that could not end in time, and no needless wait.
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
    let Some(Ending { summary, stopped, .. }) = ending else { return Ok(()) };
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
            | StopReason::Unrenewed(_)
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

fn has_tags(person: &Person, row: &Row) -> bool {
    let tags = row.tags.iter().all(|tag| person.tags.contains(tag)) && !person.tags.contains("old");
    // Tags of other clients stay.
    let theirs = row
        .there
        .as_ref()
        .is_none_or(|(_, tags)| !tags.iter().any(|tag| tag == "theirs") || person.tags.contains("theirs"));
    tags && theirs
}
