//! What the use cases that read one channel back begin with: its lock, and the job of making calls.

use std::time::Duration;

use crate::core::diff::TagsMode;
use crate::core::model::Mode;
use crate::core::task::Policy;
use crate::journal::Journal;
use crate::sync::connection::Connection;
use crate::sync::environment::Environment;
use crate::sync::execute::RunOptions;
use crate::sync::guard_error::GuardError;
use crate::sync::read_calls::ReadJob;
use crate::sync::reporter::Reporter;
use crate::sync::stop::Stop;
use crate::sync::workspace::{LockedChannel, Overrides, Workspace};

/// Locks the only channel of a use case.
pub(super) fn lock_one<'w, R: Reporter>(
    workspace: &'w Workspace,
    channel: (String, Connection),
    match_fields: &[String],
    overrides: Overrides,
    environment: Environment<'_, R>,
) -> Result<LockedChannel<'w>, GuardError> {
    let policy = Policy {
        mode: Mode::Upsert,
        tags_mode: TagsMode::Add,
        search_lag: Duration::ZERO,
        retry_in_doubt: false,
        search_first: false,
    };
    let name = channel.0.clone();
    let mut locked = workspace.lock(vec![channel], (match_fields, policy), overrides, environment)?;
    locked.channels.pop().ok_or(GuardError::NotConnected { channel: name })
}

/// The job of reading a channel back.
pub(super) fn read_job<'a, R: Reporter, T, O>(
    journal: &'a Journal,
    channel: &'a LockedChannel<'_>,
    transport: &'a T,
    stop: &'a Stop,
    (observer, options): (&'a O, RunOptions),
    environment: Environment<'a, R>,
) -> ReadJob<'a, T, O> {
    let held = channel.held();
    ReadJob {
        journal,
        channel: &held.name,
        window: &held.window,
        transport,
        call_timeout: held.connection.transport.0.call_timeout(),
        rate: held.connection.rate,
        burst: held.connection.burst,
        concurrency: held.connection.concurrency,
        limits: options.limits,
        outage_timeout: options.outage_timeout,
        clock: environment.clock,
        seed: options.seed,
        observer,
        stop,
    }
}
