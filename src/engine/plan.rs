//! The loop that plans: reads rows, maps them, and gives them to the journal, which compares them with what is known.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::mapping::Mapping;
use crate::core::model::Rejection;
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

/// Where the rows of an input go.
#[derive(Clone, Debug)]
pub enum Routes {
    /// All of them to one run.
    One(NewRun),
    /// Each to the run of the channel that the row names.
    ByChannel {
        /// The runs, one a channel.
        runs: Vec<NewRun>,
        /// Channels that are somebody else's work: their rows are passed over and not counted.
        elsewhere: BTreeSet<String>,
        /// The run of no channel, for the rows that name none of these; `None` passes over them, for somebody else to tell.
        unknown: Option<NewRun>,
    },
}

/// The runs that came of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRuns {
    /// Their numbers, in the order of the routes.
    pub runs: Vec<i64>,
    /// The number of the run that holds the rows without a channel, when there are any.
    pub unknown: Option<i64>,
    /// How many rows of the input the rules do not take. They are none of the runs' rows.
    pub left_out: u64,
}

/// Plans `source` into the journal. It takes a thread that may block.
///
/// # Errors
/// A [`PlanError`] when the input or the journal fails, or `stop` is asked for. Then no run is left.
pub fn plan(
    journal: &Journal,
    source: Source,
    mapping: &Mapping,
    routes: Routes,
    observer: &impl Observer,
    stop: &Stop,
) -> Result<PlannedRuns, PlanError> {
    let (ways, new) = Router::new(routes);
    let runs = journal.begin_plan(new)?;
    let mut rows = 0;
    let mut batch = Vec::with_capacity(BATCH);
    let mut flush = |batch: &mut Vec<(usize, Planned)>| -> Result<(), PlanError> {
        if stop.reason().is_some() {
            return Err(PlanError::Stopped);
        }
        rows += u64::try_from(batch.len()).unwrap_or(0);
        for settled in journal.plan_rows(&runs, std::mem::take(batch))? {
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
    let (mut unknown, mut left_out) = (false, 0);
    for row in source {
        let row = row?;
        if let Row::Record(record) = &row
            && !mapping.takes(record)
        {
            left_out += 1;
            continue;
        }
        let (place, planned) = ways.route(row, mapping);
        let Some(at) = place else { continue };
        unknown |= ways.unknown == Some(at);
        batch.push((at, planned));
        if batch.len() == BATCH {
            flush(&mut batch)?;
        }
    }
    flush(&mut batch)?;
    journal.finish_plan(&runs)?;
    let mut runs: Vec<i64> = runs.iter().map(|planning| planning.run).collect();
    let unknown = ways.unknown.map(|at| runs.remove(at)).filter(|_| unknown);
    Ok(PlannedRuns { runs, unknown, left_out })
}

/// Which of the runs a row goes to.
struct Router {
    // By channel: the place of its run, or `None` for what is somebody else's; empty when all rows go to the first.
    channels: BTreeMap<String, Option<usize>>,
    unknown: Option<usize>,
}

impl Router {
    fn new(routes: Routes) -> (Self, Vec<NewRun>) {
        match routes {
            Routes::One(run) => (Self { channels: BTreeMap::new(), unknown: None }, vec![run]),
            Routes::ByChannel { mut runs, elsewhere, unknown } => {
                let here = runs.iter().enumerate().map(|(at, run)| (run.channel.clone(), Some(at)));
                let channels = here.chain(elsewhere.into_iter().map(|channel| (channel, None))).collect();
                let last = runs.len();
                let unknown = unknown.map(|run| {
                    runs.push(run);
                    last
                });
                (Self { channels, unknown }, runs)
            }
        }
    }

    // A row that cannot be read names no channel either.
    fn route(&self, row: Row, mapping: &Mapping) -> (Option<usize>, Planned) {
        let nobodys = if self.channels.is_empty() { Some(0) } else { self.unknown };
        let record = match row {
            Row::Rejected(rejection) => return (nobodys, Planned::Rejected(rejection)),
            Row::Record(record) => record,
        };
        let (row, line) = (record.row, record.line);
        let place = if let Some(column) = mapping.channel_column() {
            let refuse = |found: &str| {
                let reason = format!("expected the name of a channel, found {found}");
                Planned::Rejected(Rejection { row, line, column: Some(column.to_owned()), reason })
            };
            match mapping.channel(&record) {
                None => return (nobodys, refuse("none")),
                Some(name) => match self.channels.get(name) {
                    None => return (nobodys, refuse("one that is not in the configuration")),
                    Some(place) => *place,
                },
            }
        } else {
            nobodys
        };
        let planned =
            mapping.contact(&record).map_or_else(Planned::Rejected, |contact| Planned::Contact { row, line, contact });
        (place, planned)
    }
}
