//! Messages on standard error: text, or JSON lines for programs, above the progress bar when there is one.

use std::env;
use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, TermLike};

use crate::escape::{escaped, escaped_json};
use crate::options::OutputArgs;
use crate::options::value::LogFormat;
use crate::render::time::offset_time;
use crate::stderr::{STDERR, Weight};

/// The time limit for writing the last lines if standard error is not read.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The width of a terminal that does not report it, in columns.
const WIDTH: u16 = 80;

/// The level of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Error,
    Warning,
    /// The reason for an exit code that is not zero, where that is no error. It is printed as a warning, also when quiet.
    Exit,
    Hint,
    Info,
    Detail,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning | Self::Exit => "warning",
            Self::Hint => "hint",
            Self::Info => "info",
            Self::Detail => "detail",
        }
    }
}

/// Prints lines on standard error, above the progress bar. Clones share the bar.
#[derive(Clone, Debug)]
pub struct Console {
    talk: OutputArgs,
    format: LogFormat,
    // Whether lines for people begin with date and time.
    is_dated: bool,
    bar: Arc<Mutex<Option<ProgressBar>>>,
}

impl Console {
    /// Creates a console with this format. Lines of text begin with date and time if the format is set, or if they go to a
    /// file or a pipe and the command `works_long`.
    pub fn new(talk: OutputArgs, format: Option<LogFormat>, works_long: bool) -> Self {
        let is_dated = format.is_some() || works_long && !io::stderr().is_terminal();
        Self { talk, format: format.unwrap_or(LogFormat::Text), is_dated, bar: Arc::default() }
    }

    /// Creates a bar for this number of contacts and draws it from now on.
    pub fn draw_bar(&self, length: u64) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::term_like(Box::<BarLine>::default()));
        self.replace_bar(Some(bar.clone()));
        bar
    }

    /// Removes the bar.
    pub fn clear_bar(&self) {
        self.replace_bar(None);
    }

    fn replace_bar(&self, bar: Option<ProgressBar>) {
        let earlier = std::mem::replace(&mut *self.bar.lock().unwrap_or_else(PoisonError::into_inner), bar);
        if let Some(earlier) = earlier {
            earlier.finish_and_clear();
        }
    }

    /// Whether a bar may be drawn.
    pub fn has_bar(&self) -> bool {
        let is_able = || io::stderr().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        self.shows_progress() && self.format == LogFormat::Text && is_able()
    }

    /// Whether progress is shown in some way.
    pub const fn shows_progress(&self) -> bool {
        !self.talk.quiet && !self.talk.no_progress
    }

    /// Whether every call is printed.
    pub const fn is_verbose(&self) -> bool {
        self.talk.verbose
    }

    /// Whether only errors are printed.
    pub const fn is_quiet(&self) -> bool {
        self.talk.quiet
    }

    /// Prints a line, above the bar if there is one. Another thread writes it: see [`end`].
    pub fn say(&self, level: Level, text: &str) {
        let (is_shown, weight) = match level {
            Level::Error | Level::Exit | Level::Hint => (true, Weight::Kept),
            Level::Warning | Level::Info => (!self.talk.quiet, Weight::Ordinary),
            Level::Detail => (self.talk.verbose, Weight::Ordinary),
        };
        if is_shown {
            STDERR.add(self.line(level, text), weight, |lines| self.line(Level::Warning, &omitted(lines)));
        }
    }

    /// Reports panics on this console, except those that the library catches.
    pub fn report_panics(&self) {
        let console = self.clone();
        panic::set_hook(Box::new(move |panic| {
            if contactsync::source::panic_is_caught() {
                return;
            }
            console.say(Level::Error, &panic_text(panic));
            console
                .say(Level::Hint, "this is a bug in contactsync; nothing is lost: run it again, and report this line");
            end();
        }));
    }

    fn line(&self, level: Level, text: &str) -> String {
        match self.format {
            LogFormat::Text => {
                let begun = match level {
                    Level::Error | Level::Warning | Level::Exit | Level::Hint => format!("{}: ", level.name()),
                    Level::Info | Level::Detail => String::new(),
                };
                let date = if self.is_dated { offset_time(jiff::Timestamp::now()) + " " } else { String::new() };
                format!("{date}{begun}{}", escaped(text))
            }
            LogFormat::Json => {
                let at =
                    jiff::Timestamp::now().round(jiff::Unit::Millisecond).unwrap_or_else(|_| jiff::Timestamp::now());
                let line = serde_json::json!({ "at": at.to_string(), "level": level.name(), "message": text });
                escaped_json(&line.to_string()).into_owned()
            }
        }
    }
}

/// Waits until all lines are written, unless nothing reads them.
pub fn end() {
    STDERR.flush(FLUSH_TIMEOUT);
}

fn panic_text(panic: &PanicHookInfo<'_>) -> String {
    let what = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
    format!("unexpected failure{place}: {what}")
}

/// The width of a line on this terminal, in columns. The last column stays free, because some terminals begin a new line
/// after it.
pub fn columns() -> u16 {
    let width = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col);
    if width == 0 { WIDTH - 1 } else { width - 1 }
}

/// The line of the bar. It is passed as a whole to the thread that writes standard error.
#[derive(Debug, Default)]
struct BarLine {
    drawn: Mutex<String>,
}

impl TermLike for BarLine {
    fn width(&self) -> u16 {
        columns()
    }

    // Nothing moves, because the whole line is drawn each time.
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let drawn = std::mem::take(&mut *self.drawn.lock().unwrap_or_else(PoisonError::into_inner));
        // Each character takes one column: the line has only digits and words of this program.
        let line: String = drawn.trim().chars().take(columns().into()).collect();
        STDERR.draw(&line);
        Ok(())
    }
}

fn omitted(lines: u64) -> String {
    let lines = if lines == 1 { "1 line was".to_owned() } else { format!("{lines} lines were") };
    format!("{lines} omitted because standard error was not read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_omitted_lines_agrees_with_its_verb() {
        assert_eq!(omitted(1), "1 line was omitted because standard error was not read");
        assert_eq!(omitted(2), "2 lines were omitted because standard error was not read");
    }
}
