//! Standard error. A separate thread writes to it, so that a reader that does not read (a full pipe, a terminal that is
//! held by Ctrl-S) blocks neither sending nor the handling of signals.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Maximum size of the lines that wait to be written, in bytes. Errors are taken in beyond it.
const MOST_WAITING: usize = 4 << 20;

/// How much is written at once, in bytes, unless a single line is longer: a pipe takes so much in one piece.
const PIECE: usize = 4_096;

/// Maximum duration of a flush, in multiples of its timeout, when the reader reads slowly.
const MOST_TIMEOUTS: u32 = 10;

/// Erases the line of a terminal that the cursor is in.
const ERASE: &str = "\r\x1b[2K";

/// The standard error of this process.
pub static STDERR: LazyLock<StderrLines> = LazyLock::new(|| StderrLines::to(io::stderr()));

/// What becomes of a line when too many wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It is always taken in.
    Kept,
    /// It is left out, or waits for room while nothing is being sent.
    Ordinary,
}

/// How long to wait for a reader that does not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum WaitForReader {
    /// Always.
    #[default]
    Endless,
    /// While lines are added, and at the end for some time.
    Bounded,
    /// At the end for some time. Lines are left out when too many wait.
    None,
}

/// Lines that are written one after the other by a thread of their own, and below them a line that is drawn anew.
#[derive(Debug)]
pub struct StderrLines {
    shared: Arc<SharedState>,
}

#[derive(Debug, Default)]
struct SharedState {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    // Their size in bytes.
    waiting: usize,
    // How many lines were left out since it was last written.
    left_out: u64,
    wait: WaitForReader,
    bar: String,
    is_bar_new: bool,
    is_writing: bool,
    // How many pieces were written.
    written: u64,
    // How many had been written when a flush gave up.
    stuck_at: Option<u64>,
}

impl StderrLines {
    fn to(out: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(SharedState::default());
        let writer = Arc::clone(&shared);
        // It ends with the process.
        let _ = thread::Builder::new().name("stderr".into()).spawn(move || writer.write_to(out));
        Self { shared }
    }

    /// Adds a line. When lines were left out before it, a line that says how many comes first.
    pub fn add(&self, line: String, weight: Weight, left_out: impl FnOnce(u64) -> String) {
        let mut state = self.shared.state();
        while weight == Weight::Ordinary && state.waiting >= MOST_WAITING {
            if state.wait == WaitForReader::None {
                state.left_out += 1;
                return;
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.left_out > 0 {
            let text = left_out(std::mem::take(&mut state.left_out));
            state.push(text);
        }
        state.push(line);
        self.shared.changed.notify_all();
    }

    /// Draws this line below the others from now on, or none when it is empty. A line that is not drawn yet is replaced.
    pub fn draw(&self, bar: &str) {
        let mut state = self.shared.state();
        if state.bar != bar {
            bar.clone_into(&mut state.bar);
            state.is_bar_new = true;
            self.shared.changed.notify_all();
        }
    }

    /// From now on, lines are left out when too many wait, and a flush gives up.
    pub fn leave_out_when_full(&self) {
        self.shared.state().wait = WaitForReader::None;
        self.shared.changed.notify_all();
    }

    /// From now on, a flush ends also when nothing is read: the process handles signals itself, so that they do not end it
    /// in the middle of one.
    pub fn give_up_when_stuck(&self) {
        let mut state = self.shared.state();
        state.wait = state.wait.max(WaitForReader::Bounded);
        self.shared.changed.notify_all();
    }

    /// Waits until everything is written. Unless the reader is waited for without end, it gives up when nothing was
    /// written for `timeout`, which is waited for only once, and after ten times that.
    pub fn flush(&self, timeout: Duration) {
        let mut state = self.shared.state();
        let begun = Instant::now();
        let (mut seen, mut since) = (state.written, begun);
        while !state.is_idle() {
            if state.wait == WaitForReader::Endless {
                state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            if state.stuck_at == Some(state.written) {
                return;
            }
            if state.written != seen {
                (seen, since) = (state.written, Instant::now());
            }
            let left = timeout.saturating_sub(since.elapsed());
            let left = left.min((timeout * MOST_TIMEOUTS).saturating_sub(begun.elapsed()));
            if left.is_zero() {
                state.stuck_at = Some(state.written);
                return;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl SharedState {
    fn state(&self) -> MutexGuard<'_, State> {
        // It is changed in steps that cannot panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut out: impl Write) {
        let mut is_drawn = false;
        loop {
            let mut state = self.state();
            while state.is_idle() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let mut text = if is_drawn { ERASE.to_owned() } else { String::new() };
            state.take_piece(&mut text);
            // Drawn once below all that waits.
            is_drawn = state.lines.is_empty() && !state.bar.is_empty();
            if is_drawn {
                text.push_str(&state.bar);
            }
            (state.is_bar_new, state.is_writing) = (false, true);
            drop(state);
            // A standard error that is closed is no reason to stop work.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            let mut state = self.state();
            state.is_writing = false;
            state.written += 1;
            self.changed.notify_all();
        }
    }
}

impl State {
    const fn is_idle(&self) -> bool {
        self.waiting == 0 && !self.is_bar_new && !self.is_writing
    }

    fn push(&mut self, mut line: String) {
        line.push('\n');
        self.waiting += line.len();
        self.lines.push_back(line);
    }

    fn take_piece(&mut self, text: &mut String) {
        let mut taken = 0;
        while let Some(line) = self.lines.front()
            && (taken == 0 || taken + line.len() <= PIECE)
        {
            taken += line.len();
            text.push_str(line);
            self.lines.pop_front();
        }
        self.waiting -= taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing until it is let go.
    #[derive(Clone, Default)]
    struct Held {
        // Whether it takes something, and what it took.
        taken: Arc<Mutex<(bool, Vec<u8>)>>,
        is_free: Arc<Condvar>,
    }

    impl Held {
        fn let_go(&self) {
            self.taken.lock().unwrap().0 = true;
            self.is_free.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.taken.lock().unwrap().1.clone()).unwrap()
        }
    }

    impl Write for Held {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut taken = self.is_free.wait_while(self.taken.lock().unwrap(), |(is_free, _)| !*is_free).unwrap();
            taken.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn add(lines: &StderrLines, text: &str, weight: Weight) {
        lines.add(text.to_owned(), weight, |count| format!("{count} left out"));
    }

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn a_reader_that_does_not_read_costs_lines_and_no_errors() {
        let held = Held::default();
        let lines = StderrLines::to(held.clone());
        lines.leave_out_when_full();
        let line = "x".repeat(1_023);
        add(&lines, &line, Weight::Ordinary);
        // From now on, the writer takes no further lines.
        while !lines.shared.state().is_writing {
            thread::yield_now();
        }
        for _ in 1..6_000 {
            add(&lines, &line, Weight::Ordinary);
        }
        add(&lines, "error", Weight::Kept);
        let begun = Instant::now();
        lines.flush(Duration::from_millis(50));
        lines.flush(LONG);
        assert!(begun.elapsed() < LONG / 2, "it gives up once: {:?}", begun.elapsed());
        held.let_go();
        // As if some of it had been written by now.
        lines.shared.state().stuck_at = None;
        lines.flush(LONG);
        let text = held.text();
        let kept = text.lines().filter(|line| line.starts_with('x')).count();
        assert!((4_096..4_110).contains(&kept), "{kept}");
        assert!(text.ends_with(&format!("\n{} left out\nerror\n", 6_000 - kept)));
    }

    #[test]
    fn lines_are_waited_for_while_nothing_is_sent() {
        let held = Held::default();
        let lines = StderrLines::to(held.clone());
        let line = "x".repeat(1_023);
        thread::scope(|scope| {
            scope.spawn(|| (0..6_000).for_each(|_| add(&lines, &line, Weight::Ordinary)));
            held.let_go();
        });
        lines.flush(LONG);
        assert_eq!(held.text().lines().count(), 6_000);
    }

    #[test]
    fn the_bar_stands_below_the_lines_and_is_erased_before_the_next() {
        let held = Held::default();
        held.let_go();
        let lines = StderrLines::to(held.clone());
        let step = |bar: Option<&str>, line: Option<&str>| {
            if let Some(bar) = bar {
                lines.draw(bar);
            }
            if let Some(line) = line {
                add(&lines, line, Weight::Ordinary);
            }
            lines.flush(LONG);
        };
        step(Some("1/3"), None);
        step(None, Some("a"));
        step(Some("2/3"), None);
        step(Some("2/3"), None);
        step(Some(""), None);
        step(None, Some("b"));
        assert_eq!(held.text(), format!("1/3{ERASE}a\n1/3{ERASE}2/3{ERASE}b\n"));
    }
}
