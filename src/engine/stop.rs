//! The wish to stop, and why.

use tokio::sync::watch;

/// Why a run stops before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody asked for it.
    Signal(&'static str),
    /// The platform refuses the token.
    Unauthorized(String),
    /// The platform gives no useful answer.
    Down(String),
}

impl StopReason {
    /// The reason in words.
    pub fn text(&self) -> String {
        match self {
            Self::Signal(name) => format!("stopped by {name}"),
            Self::Unauthorized(message) => format!("the platform refused the token: {message}"),
            Self::Down(cause) => cause.clone(),
        }
    }
}

/// A wish to stop that can be uttered from anywhere and is heard everywhere. The first reason stays.
#[derive(Clone, Debug)]
pub struct Stop {
    reason: watch::Sender<Option<StopReason>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { reason: watch::Sender::new(None) }
    }
}

impl Stop {
    /// Asks to stop.
    pub fn ask(&self, why: StopReason) {
        self.reason.send_if_modified(|reason| {
            let first = reason.is_none();
            reason.get_or_insert(why);
            first
        });
    }

    /// The reason, once somebody asked.
    pub fn reason(&self) -> Option<StopReason> {
        self.reason.borrow().clone()
    }

    /// Waits until somebody asks.
    pub async fn asked(&self) {
        // It cannot fail: `self` holds the sender that would have to be gone.
        let _ = self.reason.subscribe().wait_for(Option::is_some).await;
    }
}
