//! The sync: the loops that plan a file and send what is pending. It emits events and knows no bars.

mod channels;
mod event;
pub mod report;
mod probe;
mod plan;
mod run;
mod stop;
mod summary;
mod transport;

pub use self::channels::send_all;
pub use self::event::{Event, Observer, Wait};
pub use self::report::{ListClaims, Listed, ListingError};
pub use self::probe::{Look, Recognised};
pub use self::plan::{Intake, PlanError, PlannedRuns, Routes, TagMentions, plan};
pub use self::run::{Ending, Job, concurrency_for, send};
pub use self::stop::{Stop, StopReason};
pub use self::summary::{plan_summary, run_summary};
pub use self::transport::Transport;
