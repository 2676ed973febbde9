//! The reporter of `sync`, `resume`, `plan` and `demo`: prints notices and the progress of reading and sending.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contactsync::{Event, Notification, Observer, Reporter};

use crate::render::input_notice::InputNotices;
use crate::render::notices::Notices;
use crate::render::progress::{ChannelProgress, Progress};
use crate::settings::Channels;
use crate::stderr::STDERR;

/// Prints the events and notifications of a use case.
pub struct Printer<'a> {
    pub notices: Notices<'a>,
    pub progress: Progress<'a>,
    /// The channels, to name those whose rows are left out.
    pub channels: Option<&'a Channels>,
    /// Whether the input is still read, so that no call was sent that changes a contact.
    pub reading: Arc<AtomicBool>,
    /// The notices of the input, until it is read.
    pub input_notices: RefCell<Option<InputNotices>>,
}

impl Observer for Printer<'_> {
    fn observe(&self, event: &Event<'_>) {
        self.progress.observe(event);
    }
}

impl Reporter for Printer<'_> {
    type Channel<'a>
        = ChannelProgress<'a>
    where
        Self: 'a;

    fn notify(&self, notification: &Notification<'_>) {
        match notification {
            Notification::InputRead { mapping, .. } => {
                if let Some(notices) = self.input_notices.take() {
                    notices.at_end(Some(mapping), self.notices.console);
                }
            }
            Notification::Planned(planned) => {
                self.notices.notify(notification);
                if let Some(channels) = self.channels {
                    self.progress.read_to_the_end(planned, channels);
                    self.notices.unsure(planned, channels.are_several());
                }
            }
            Notification::Sending => {
                self.reading.store(false, Ordering::Release);
                STDERR.leave_out_when_full();
            }
            Notification::Sent => self.progress.end(),
            Notification::JournalLoss { .. }
            | Notification::Calling
            | Notification::TokenRenewed { .. }
            | Notification::NewColumns { .. }
            | Notification::ColumnsGone { .. }
            | Notification::EarlierListLeft { .. }
            | Notification::RowsNotKept { .. }
            | Notification::HistoryNotRemoved(_)
            | Notification::ListsCompleted => self.notices.notify(notification),
        }
    }

    fn channels<'a>(&'a self, names: &[&str]) -> Vec<ChannelProgress<'a>> {
        self.progress.channels(names)
    }
}
