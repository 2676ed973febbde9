//! The sync: the loops that plan a file and send what is pending. It emits events and knows no bars.

mod channels;
mod check;
mod event;
mod plan;
mod probe;
pub mod report;
mod run;
mod stop;
mod summary;
mod transport;

pub use self::channels::send_all;
pub use self::check::{CheckedContact, CheckedInput, InputCheck, RejectReason, check_input};
pub use self::event::{Event, Observer, Wait};
pub use self::plan::{PlanError, PlanOptions, PlannedRuns, Routes, plan};
pub use self::probe::{Probe, Recognised};
pub use self::report::{ListClaims, Listed, ListingError};
pub use self::run::{Ending, Job, concurrency_for, send};
pub use self::stop::{Stop, StopReason};
pub use self::summary::{plan_summary, run_summary};
pub use self::transport::Transport;
