//! The arguments and the traces of `strace`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The calls before which the program is killed: those with an external effect, those that receive input, and the wait for
/// either. A name that this machine does not know is ignored.
const CALLS: [&str; 21] = [
    "pwrite64",
    "pwritev",
    "fsync",
    "fdatasync",
    "write",
    "writev",
    "sendto",
    "sendmsg",
    "connect",
    "read",
    "pread64",
    "recvfrom",
    "recvmsg",
    "rename",
    "renameat2",
    "unlink",
    "unlinkat",
    "ftruncate",
    "openat",
    "epoll_wait",
    "epoll_pwait",
];

/// The calls that fail when the disk fails.
pub const MAY_FAIL: [&str; 7] = ["pwrite64", "fsync", "fdatasync", "unlink", "unlinkat", "ftruncate", "openat"];

/// The effect of an injection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The process is killed.
    Killed,
    /// The call fails and has no effect.
    Failed,
}

impl Effect {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Failed => "EIO",
        }
    }

    const fn injected(self) -> &'static str {
        match self {
            Self::Killed => "signal=KILL",
            Self::Failed => "error=EIO",
        }
    }
}

/// An effect at the nth call of the first thread that reaches it.
#[derive(Clone, Copy, Debug)]
pub struct Injection {
    pub call: &'static str,
    pub number: usize,
    pub effect: Effect,
}

impl Injection {
    /// The arguments for `strace`. `only` are the files for which `pwrite64` is counted; all files if empty.
    pub fn arguments(self, only: &[impl AsRef<Path>]) -> Vec<String> {
        let Self { call, number, effect } = self;
        let mut arguments =
            vec![format!("--trace={call}"), format!("--inject={call}:{}:when={number}", effect.injected())];
        if call == "pwrite64" {
            arguments.extend(only.iter().map(|path| format!("--trace-path={}", path.as_ref().display())));
        }
        arguments
    }
}

/// The arguments for the trace of a golden run.
pub fn golden_arguments() -> Vec<String> {
    let calls: Vec<String> = CALLS.into_iter().chain(["mmap"]).map(|call| format!("?{call}")).collect();
    vec!["--decode-fds=path".into(), format!("--trace={}", calls.join(","))]
}

/// The trace of a golden run.
#[derive(Debug)]
pub struct Trace {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    thread: String,
    call: &'static str,
    text: String,
}

impl Trace {
    /// Reads the output of `strace`. A `pwrite64` only counts on a path that ends in one of `only`, if there are any.
    pub fn read(text: &str, only: &[&str]) -> Self {
        let counts = |line: &Line| {
            line.call != "pwrite64"
                || only.is_empty()
                || only.iter().any(|path| line.text.contains(&format!("{path}>")))
        };
        Self { lines: text.lines().filter_map(Line::read).filter(counts).collect() }
    }

    /// The calls, each with the numbers n at which a thread can be stopped.
    pub fn calls(&self) -> BTreeMap<&'static str, BTreeSet<usize>> {
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut numbers: BTreeMap<&'static str, BTreeSet<usize>> = BTreeMap::new();
        for line in self.lines.iter().filter(|line| line.call != "mmap") {
            let count = counts.entry((&line.thread, line.call)).or_default();
            *count += 1;
            if line.call != "openat" || line.text.contains("O_CREAT") {
                numbers.entry(line.call).or_default().insert(*count);
            }
        }
        numbers
    }

    /// How often the main thread made this call.
    pub fn by_main(&self, call: &str) -> usize {
        let first = self.lines.first().map(|line| &line.thread);
        self.lines.iter().filter(|line| line.call == call && Some(&line.thread) == first).count()
    }

    /// The memory mappings of files whose path contains this.
    pub fn mapped(&self, path: &str) -> impl Iterator<Item = &str> {
        self.lines
            .iter()
            .filter(move |line| line.call == "mmap" && line.text.contains(path))
            .map(|line| line.text.as_str())
    }

    /// Whether there was a `pwrite64` to a file whose path contains this.
    pub fn writes_to(&self, path: &str) -> bool {
        self.lines.iter().any(|line| line.call == "pwrite64" && line.text.contains(path))
    }
}

impl Line {
    // `123 fsync(5</tmp/x>) = 0`; the `resumed` line of an interrupted call is not a call.
    fn read(text: &str) -> Option<Self> {
        let (thread, rest) = text.split_once(' ')?;
        let name = rest.trim_start().split('(').next()?;
        let call = CALLS.into_iter().chain(["mmap"]).find(|call| *call == name)?;
        Some(Self { thread: thread.into(), call, text: text.into() })
    }
}
