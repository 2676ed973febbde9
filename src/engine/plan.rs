//! The loop that plans: reads rows, maps them, and gives them to the journal, which compares them with what is known.

use crate::core::mapping::Mapping;
use crate::core::task::Outcome;
use crate::edges::journal::{Journal, JournalError, NewRun, Planned, Settled};
use crate::edges::source::{Row, Source, SourceError};
use crate::engine::event::{Event, Observer};
use crate::engine::stop::Stop;

/// How many rows share one commit: enough that the commit's wait for the disk does not count.
const BATCH: usize = 1_000;

/// Why a file could not be planned. Nothing was sent, and what an earlier run left can still be resumed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The input cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Somebody asked to stop.
    #[error("stopped while reading the input: nothing was sent")]
    Stopped,
}

/// Plans `source` into the journal and returns the run's number. It takes a thread that may block.
///
/// # Errors
/// A [`PlanError`] when the input or the journal fails, or `stop` is asked for. Then no run is left.
pub fn plan(
    journal: &Journal,
    source: Source,
    mapping: &Mapping,
    run: NewRun,
    observer: &impl Observer,
    stop: &Stop,
) -> Result<i64, PlanError> {
    let (channel, policy) = (run.channel.clone(), run.policy);
    let run = journal.begin_plan(run)?;
    let mut rows = 0;
    let mut batch = Vec::with_capacity(BATCH);
    let mut flush = |batch: &mut Vec<Planned>| -> Result<(), PlanError> {
        if stop.reason().is_some() {
            return Err(PlanError::Stopped);
        }
        rows += u64::try_from(batch.len()).unwrap_or(0);
        for settled in journal.plan_rows(run, &channel, policy, std::mem::take(batch))? {
            match settled {
                Settled::Done { line, outcome: outcome @ Outcome::Rejected(_) } => {
                    observer.tell(&Event::Done { line, outcome: &outcome });
                }
                Settled::Done { .. } | Settled::Pending => {}
            }
        }
        observer.tell(&Event::Read { rows });
        Ok(())
    };
    for row in source {
        batch.push(match row? {
            Row::Rejected(rejection) => Planned::Rejected(rejection),
            Row::Record(record) => {
                let (row, line) = (record.row, record.line);
                mapping.contact(&record).map_or_else(Planned::Rejected, |contact| Planned::Contact {
                    row,
                    line,
                    contact,
                })
            }
        });
        if batch.len() == BATCH {
            flush(&mut batch)?;
        }
    }
    flush(&mut batch)?;
    journal.finish_plan(run, &channel)?;
    Ok(run)
}
