//! One platform, one directory, and the runs of one case.

use std::fmt;
use std::fs;
use std::ops::AddAssign;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use contactsync::sandbox::{Config, Faults, Sandbox};
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::Case;
use crate::golden::Golden;
use crate::strace::{self, Effect, Injection, Trace};

pub const TOKEN: &str = "token";

const JOURNAL: &str = "journal.db";

/// The journal and its log, which hold every commit.
const FILES: [&str; 2] = [JOURNAL, "journal.db-wal"];

/// The longest that a program may take. It only ends what hangs.
const TIMEOUT: Duration = Duration::from_mins(2);

/// The time without a new call before the platform is checked: a request of a killed process may arrive after its end.
const QUIET: Duration = Duration::from_millis(50);

/// The delay after which the platform's search finds a new contact. Without it, the find before each create would hide that a lost
/// create was forgotten. The search lag of the golden runs is twice as long.
const LATE_SEARCH: Duration = Duration::from_millis(500);

/// The minimum number of pages in the log of a grown journal. At 1,000 pages SQLite checkpoints it, in the middle of a golden run.
const GROWN_PAGES: u64 = 940;

/// The size of a page in the log, with its header.
const LOGGED_PAGE: u64 = 4_096 + 24;

/// The results of cases.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Runs with an injection.
    pub run: usize,
    /// Runs that reached their injection; the others ended before.
    pub hit: usize,
    /// Recovering runs with an injection.
    pub again: usize,
    /// Recovering runs that reached their injection.
    pub hit_again: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.run += other.run;
        self.hit += other.hit;
        self.again += other.again;
        self.hit_again += other.hit_again;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, hit, again, hit_again } = self;
        write!(f, "{run} run, {hit} hit; {again} of them again in recovery, {hit_again} hit")
    }
}

/// A journal with a long history.
pub struct Template {
    directory: TempDir,
}

impl Template {
    pub async fn grown() -> Self {
        let harness = Harness::fresh(Golden::Fresh).await;
        fs::write(harness.path("in.csv"), "email,tags\nzoe@example.com,lead\n").expect("a temporary directory");
        let log = harness.path(FILES[1]);
        let mut reader = None;
        for channel in 0.. {
            harness
                .run(&harness.sync().with(&["--channel".into(), format!("c{channel}")]))
                .await
                .expect("a run without injections");
            // As long as another connection has the journal open, the log stays when a run closes it.
            let reader = reader.get_or_insert_with(|| {
                rusqlite::Connection::open(harness.path(FILES[0])).expect("the journal of the first run")
            });
            reader.query_row("SELECT count(*) FROM runs", [], |row| row.get::<_, i64>(0)).expect("the runs");
            if fs::metadata(&log).is_ok_and(|log| log.len() / LOGGED_PAGE >= GROWN_PAGES) {
                break;
            }
        }
        // Never closed, because that would checkpoint the log. The cases use copies.
        std::mem::forget(reader);
        let Harness { directory, .. } = harness;
        Self { directory }
    }
}

/// A platform and a temporary directory for one case.
pub struct Harness {
    golden: Golden,
    sandbox: Sandbox,
    directory: TempDir,
}

/// A program and its arguments.
struct CommandLine(Vec<String>);

impl CommandLine {
    fn with(mut self, more: &[String]) -> Self {
        self.0.extend(more.iter().cloned());
        self
    }

    fn under_strace(mut self, arguments: Vec<String>) -> Self {
        let strace = ["strace", "-f", "-qq", "-o", "trace"].map(str::to_owned);
        self.0 = strace.into_iter().chain(arguments).chain(self.0).collect();
        self
    }
}

/// A program that ended.
#[derive(Debug)]
struct Output {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Output {
    fn was_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }

    fn check_code(&self, codes: &[i32]) -> Result<(), String> {
        if self.status.code().is_some_and(|code| codes.contains(&code)) {
            return Ok(());
        }
        Err(format!(
            "expected exit code {codes:?}, found {}: {} {}",
            self.status,
            self.stdout.trim(),
            self.stderr.trim()
        ))
    }

    fn rejected(&self) -> usize {
        let summary: Json = serde_json::from_str(&self.stdout).unwrap_or_default();
        summary["rejected"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
    }
}

impl Harness {
    pub async fn set(golden: Golden, template: &Template) -> Self {
        let harness = Self::fresh(golden).await;
        if golden.is_grown() {
            // Without the shared memory, as after a restart of the machine.
            for file in FILES {
                fs::copy(template.directory.path().join(file), harness.path(file)).expect("the template's files");
            }
        }
        harness
    }

    async fn fresh(golden: Golden) -> Self {
        let faults = Faults { late_search: LATE_SEARCH, ..Faults::default() };
        let config = Config { rate: 0, faults, ..Config::default() };
        let sandbox = Sandbox::start(config).await.expect("a free port on loopback");
        golden.seed(&sandbox);
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::write(directory.path().join("in.csv"), golden.csv()).expect("a temporary directory");
        Self { golden, sandbox, directory }
    }

    /// A run under `strace` without injections.
    pub async fn golden(&self) -> Trace {
        let ran = self.run(&self.sync().under_strace(strace::golden_arguments())).await;
        ran.and_then(|ran| ran.check_code(&[0])).expect("a run without injections");
        self.golden.check(&self.sandbox, 0).expect("a run without injections");
        let text = fs::read(self.path("trace")).expect("the trace");
        let only: &[&str] = if self.golden.is_grown() { &FILES } else { &[] };
        Trace::read(&String::from_utf8_lossy(&text), only)
    }

    /// Runs a case: the run with the injection, then the recovery. Checks the platform against the file.
    pub async fn check(&self, case: &Case) -> Result<Counts, String> {
        let mut course = Counts { run: 1, ..Counts::default() };
        course.hit = usize::from(self.run_injected(self.sync(), case.injection).await?);
        let go_on = || if case.resumes && self.path(JOURNAL).exists() { self.resume() } else { self.sync() };
        if let Some(injection) = case.again {
            course.again = 1;
            course.hit_again = usize::from(self.run_injected(go_on(), injection).await?);
        }
        let fine: &[i32] = if self.golden.has_key() { &[0] } else { &[0, 3] };
        self.run(&go_on()).await?.check_code(fine)?;
        let ran = self.run(&self.sync()).await?;
        ran.check_code(fine)?;
        self.until_quiet().await;
        self.golden.check(&self.sandbox, ran.rejected())?;

        let calls = self.sandbox.ledger().len();
        let again = self.run(&self.sync()).await?;
        again.check_code(fine)?;
        if again.rejected() != ran.rejected() || self.sandbox.ledger().len() != calls {
            return Err(format!(
                "{} calls when nothing was left to do: {again:?}",
                self.sandbox.ledger().len() - calls
            ));
        }
        Ok(course)
    }

    // Whether the run reached its injection.
    async fn run_injected(&self, words: CommandLine, injection: Injection) -> Result<bool, String> {
        let only = if self.golden.is_grown() { FILES.map(|file| self.path(file)).to_vec() } else { Vec::new() };
        let ran = self.run(&words.under_strace(injection.arguments(&only))).await?;
        match injection.effect {
            Effect::Killed if ran.was_killed() => Ok(true),
            Effect::Killed => ran.check_code(&[0, 3]).map(|()| false),
            // A failure has a documented exit code; a panic would be 101.
            Effect::Failed => {
                ran.check_code(&[0, 1, 2, 3, 4])?;
                let trace = fs::read(self.path("trace")).unwrap_or_default();
                Ok(String::from_utf8_lossy(&trace).contains("(INJECTED)"))
            }
        }
    }

    async fn until_quiet(&self) {
        let mut before = usize::MAX;
        while before != self.sandbox.ledger().len() {
            before = self.sandbox.ledger().len();
            tokio::time::sleep(QUIET).await;
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        // `strace` compares canonical paths.
        let directory = fs::canonicalize(self.directory.path()).expect("a temporary directory");
        directory.join(name)
    }

    fn sync(&self) -> CommandLine {
        let arguments = format!("sync {} --url {}", self.golden.arguments(), self.sandbox.url());
        Self::program(&arguments)
    }

    fn resume(&self) -> CommandLine {
        let arguments = format!("resume --url {}", self.sandbox.url());
        Self::program(&arguments)
    }

    fn program(arguments: &str) -> CommandLine {
        let all = format!(
            "{arguments} --json --journal {JOURNAL} --rate 1000000 --concurrency 2 --no-progress --no-read-back"
        );
        let program = env!("CARGO_BIN_EXE_contactsync").to_owned();
        CommandLine([program].into_iter().chain(all.split_whitespace().map(str::to_owned)).collect())
    }

    async fn run(&self, words: &CommandLine) -> Result<Output, String> {
        let (program, arguments) = words.0.split_first().expect("a program");
        let running = Command::new(Path::new(program))
            .args(arguments)
            .current_dir(self.directory.path())
            .env("CONTACTSYNC_TOKEN", TOKEN)
            .env("TOKIO_WORKER_THREADS", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output =
            tokio::time::timeout(TIMEOUT, running).await.map_err(|_| format!("does not end: {:?}", words.0))?;
        let output = output.map_err(|error| format!("{error}: {:?}", words.0))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Output { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }
}
