//! What a sync does with a contact: nothing, something now, or something later.
//!
//! Whether a pending contact is created or updated is known only after the search: see [`Task`].

use super::forecast::{Forecast, forecast};
use super::model::{Contact, RemoteState};
use super::task::{Outcome, Policy, Task};
use super::time::Timestamp;

/// What a sync does with a contact.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It sends nothing.
    Done(Outcome),
    /// It has something to send: the contact is pending, and takes these calls.
    Pending(Forecast),
    /// It has something to send that an earlier run was refused, and that is not tried again yet, for this reason.
    Waiting(String),
}

/// Decides whether `contact` is done or pending under `policy`, given its remote state.
pub fn decide(contact: &Contact, remote_state: &RemoteState, policy: Policy) -> Decision {
    let now = Timestamp::default();
    let task = Task::new(contact.clone(), remote_state.clone(), policy, &[], now);
    match task.outcome() {
        Some(outcome @ (Outcome::Unchanged | Outcome::Rejected(_))) => Decision::Done(outcome),
        // A contact that an earlier run has begun to create can be complete by the input as it is now. The run concludes
        // that, because it changes the remote state.
        Some(Outcome::Created | Outcome::Updated) => Decision::Pending(Forecast::default()),
        None => Decision::Pending(forecast(&task, policy)),
    }
}
