//! The sync: plans an input and sends the pending contacts. It emits events and prints nothing.

mod channels;
mod event;
mod limiters;
mod plan;
mod probe;
pub mod report;
mod run;
mod stop;
mod summary;
mod transport;

pub use self::channels::{send, send_all};
pub use self::event::{Event, Observer, Wait};
pub use self::plan::{PlanError, PlanOptions, PlannedRuns, Routes, TagMentions, plan};
pub use self::probe::{Probe, Recognised};
pub use self::report::{ListClaims, Listed, ListingError};
pub use self::run::{Ending, Job, concurrency_for};
pub use self::stop::{Stop, StopReason};
pub use self::summary::{plan_summary, run_summary};
pub use self::transport::Transport;
