//! What is said on standard error: lines for people, or JSON lines for machines, past a progress bar when there is one.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::ProgressBar;

use crate::args::{LogFormat, TalkArgs};

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Error,
    Warning,
    Hint,
    Info,
    Detail,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Hint => "hint",
            Self::Info => "info",
            Self::Detail => "detail",
        }
    }
}

/// The program's voice on standard error. Clones share the bar, past which everything is said.
#[derive(Clone, Debug)]
pub struct Voice {
    talk: TalkArgs,
    format: LogFormat,
    bar: Arc<Mutex<Option<ProgressBar>>>,
}

impl Voice {
    pub fn new(talk: TalkArgs, format: LogFormat) -> Self {
        Self { talk, format, bar: Arc::default() }
    }

    /// Draws `bar` from now on, or none.
    pub fn draw(&self, bar: Option<ProgressBar>) {
        if let Some(earlier) = std::mem::replace(&mut *self.bar(), bar) {
            earlier.finish_and_clear();
        }
    }

    /// Whether a bar may be drawn.
    pub fn has_bar(&self) -> bool {
        self.shows_progress() && self.format == LogFormat::Text && io::stderr().is_terminal()
    }

    /// Whether progress is shown in some way.
    pub const fn shows_progress(&self) -> bool {
        !self.talk.quiet && !self.talk.no_progress
    }

    /// Whether every call is told.
    pub const fn is_verbose(&self) -> bool {
        self.talk.verbose
    }

    /// Whether nothing but errors is told.
    pub const fn is_quiet(&self) -> bool {
        self.talk.quiet
    }

    /// Says a line, above the bar when there is one.
    pub fn say(&self, level: Level, text: &str) {
        let told = match level {
            Level::Error | Level::Hint => true,
            Level::Warning | Level::Info => !self.talk.quiet,
            Level::Detail => self.talk.verbose,
        };
        if !told {
            return;
        }
        let line = match self.format {
            LogFormat::Text => match level {
                Level::Error | Level::Warning | Level::Hint => format!("{}: {text}", level.name()),
                Level::Info | Level::Detail => text.to_owned(),
            },
            LogFormat::Json => {
                let at =
                    jiff::Timestamp::now().round(jiff::Unit::Millisecond).unwrap_or_else(|_| jiff::Timestamp::now());
                serde_json::json!({ "at": at.to_string(), "level": level.name(), "message": text }).to_string()
            }
        };
        match &*self.bar() {
            Some(bar) => bar.suspend(|| write_line(&line)),
            None => write_line(&line),
        }
    }

    fn bar(&self) -> MutexGuard<'_, Option<ProgressBar>> {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// A closed standard error is no reason to stop work.
fn write_line(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
