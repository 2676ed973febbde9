//! The meaning of a request without a response.

use std::error::Error;
use std::io;

use super::Http;
use crate::core::attempt::{Attempt, NO_REQUEST};
use crate::platform::dialect;

impl Http {
    pub(super) fn unanswered(&self, error: &reqwest::Error) -> Attempt {
        let cause = self.cause(error);
        if error.is_builder() {
            // The call would fail in the same way in every run.
            let message = format!("no request can be built from this row: {cause}");
            return Attempt::Refused { status: NO_REQUEST, message, about_row: true };
        }
        if error.is_connect() || was_never_written(error) {
            Attempt::Unsent { cause }
        } else {
            Attempt::lost(None, cause)
        }
    }

    pub(super) fn cause(&self, error: &reqwest::Error) -> String {
        if error.is_dns() {
            return "unknown host name".to_owned();
        }
        if error.is_timeout() {
            return if error.is_connect() {
                format!("no connection within {:?}", self.timeouts.connect)
            } else {
                format!("timed out after {:?}", self.timeouts.total)
            };
        }
        let causes = chain(error).filter_map(|cause| {
            let hyper = cause.downcast_ref::<hyper::Error>().and_then(hyper_cause);
            hyper.or_else(|| cause.downcast_ref::<io::Error>().and_then(io_cause)).map(str::to_owned)
        });
        // The last one is the deepest: the error of the operating system, not of the layers above it.
        causes.last().unwrap_or_else(|| {
            let stage = if error.is_connect() && self.base.is_encrypted() { "no encrypted connection: " } else { "" };
            format!("{stage}{}", deepest(error))
        })
    }
}

fn chain<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

// hyper reports a request as canceled only while it waits in the queue of a connection, before any byte was written.
fn was_never_written(error: &reqwest::Error) -> bool {
    chain(error).any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled))
}

fn hyper_cause(error: &hyper::Error) -> Option<&'static str> {
    if error.is_incomplete_message() {
        Some("the connection was closed before the answer")
    } else if error.is_parse() || error.is_parse_too_large() {
        Some("the answer is not HTTP")
    } else {
        None
    }
}

fn io_cause(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some("connection refused"),
        io::ErrorKind::ConnectionReset => Some("the connection was reset"),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => Some("the connection broke"),
        io::ErrorKind::UnexpectedEof => Some("the connection was closed before the answer was whole"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Some("the host cannot be reached"),
        _ => None,
    }
}

// The message of the deepest cause. It comes from below HTTP, so it contains no URL.
pub(in crate::platform) fn deepest(error: &reqwest::Error) -> String {
    let text = chain(error).last().map_or_else(|| "the request failed".to_owned(), ToString::to_string);
    dialect::one_line(&text)
}
