//! The engine: the loops that plan a file and send what is pending. It emits events and knows no bars.

mod channels;
mod event;
mod listing;
mod look;
mod plan;
mod send;
mod stop;
mod summary;
mod transport;

pub use self::channels::send_all;
pub use self::event::{Event, Observer, Wait};
pub use self::listing::{ListClaims, Listed, ListingError};
pub use self::look::{Look, Recognised};
pub use self::plan::{Intake, PlanError, PlannedRuns, Routes, TagMentions, plan};
pub use self::send::{Ending, Job, concurrency_for, send};
pub use self::stop::{Stop, StopReason};
pub use self::summary::{plan_summary, run_summary};
pub use self::transport::Transport;
