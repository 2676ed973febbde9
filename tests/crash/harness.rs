//! One platform, one folder, and the runs of one case between them.

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
use crate::strace::{self, Fate, Injection, Trace};

pub const TOKEN: &str = "token";

const JOURNAL: &str = "journal.db";

/// The journal and its log, in which every commit is.
const FILES: [&str; 2] = [JOURNAL, "journal.db-wal"];

/// The longest that any program here may take. It only ends what hangs.
const OUTAGE_TIMEOUT: Duration = Duration::from_mins(2);

/// How long no call must have arrived before the platform is looked at: what a killed process had written may arrive
/// after its end.
const QUIET: Duration = Duration::from_millis(50);

/// How long the platform's search does not see a new contact. Without that, the find with which a contact begins would
/// hide that a lost create was forgotten. The golden runs' settle time is twice as long.
const LATE_SEARCH: Duration = Duration::from_millis(500);

/// How many pages the log of a grown journal has at least. At 1,000 SQLite writes it back: in the middle of a golden run.
const GROWN_PAGES: u64 = 940;

/// The size of a page in the log, with its header.
const LOGGED_PAGE: u64 = 4_096 + 24;

/// What became of a case, or of many.
#[derive(Clone, Copy, Debug, Default)]
pub struct Course {
    /// Disturbed runs.
    pub run: usize,
    /// Those of them that were hit; the others ended before it came to that.
    pub hit: usize,
    /// Runs that were to be disturbed while they recovered.
    pub again: usize,
    /// Those of them that were hit.
    pub hit_again: usize,
}

impl AddAssign for Course {
    fn add_assign(&mut self, other: Self) {
        self.run += other.run;
        self.hit += other.hit;
        self.again += other.again;
        self.hit_again += other.hit_again;
    }
}

impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, hit, again, hit_again } = self;
        write!(f, "{run} run, {hit} hit; {again} of them again in recovery, {hit_again} hit")
    }
}

/// A journal that was used for long.
pub struct Template {
    folder: TempDir,
}

impl Template {
    pub async fn grown() -> Self {
        let stage = Stage::fresh(Golden::Fresh).await;
        fs::write(stage.path("in.csv"), "email,tags\nzoe@example.com,lead\n").expect("a folder of its own");
        let log = stage.path(FILES[1]);
        let mut reader = None;
        for channel in 0.. {
            stage
                .run(&stage.sync().with(&["--channel".into(), format!("c{channel}")]))
                .await
                .expect("a run without harm");
            // As long as somebody else has the journal open, the log stays when a run closes it.
            let reader = reader.get_or_insert_with(|| {
                rusqlite::Connection::open(stage.path(FILES[0])).expect("the journal of the first run")
            });
            reader.query_row("SELECT count(*) FROM runs", [], |row| row.get::<_, i64>(0)).expect("its runs");
            if fs::metadata(&log).is_ok_and(|log| log.len() / LOGGED_PAGE >= GROWN_PAGES) {
                break;
            }
        }
        // Never closed, or it would write the log back; what is played with are copies.
        std::mem::forget(reader);
        let Stage { folder, .. } = stage;
        Self { folder }
    }
}

/// A platform and a folder of its own.
pub struct Stage {
    golden: Golden,
    sandbox: Sandbox,
    folder: TempDir,
}

/// What is run.
struct Words(Vec<String>);

impl Words {
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

/// How it ended.
#[derive(Debug)]
struct Ran {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn was_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }

    fn ends_with(&self, codes: &[i32]) -> Result<(), String> {
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

impl Stage {
    pub async fn set(golden: Golden, template: &Template) -> Self {
        let stage = Self::fresh(golden).await;
        if golden.is_grown() {
            // Without the shared memory, as after a restart of the machine.
            for file in FILES {
                fs::copy(template.folder.path().join(file), stage.path(file)).expect("the template's files");
            }
        }
        stage
    }

    async fn fresh(golden: Golden) -> Self {
        let faults = Faults { late_search: LATE_SEARCH, ..Faults::default() };
        let config = Config { rate: 0, faults, ..Config::default() };
        let sandbox = Sandbox::start(config).await.expect("a free port on loopback");
        golden.seed(&sandbox);
        let folder = tempfile::tempdir().expect("a folder of its own");
        fs::write(folder.path().join("in.csv"), golden.csv()).expect("a folder of its own");
        Self { golden, sandbox, folder }
    }

    /// An undisturbed run under `strace`.
    pub async fn golden(&self) -> Trace {
        let ran = self.run(&self.sync().under_strace(strace::golden_arguments())).await;
        ran.and_then(|ran| ran.ends_with(&[0])).expect("an undisturbed run");
        self.golden.hold(&self.sandbox, 0).expect("an undisturbed run");
        let text = fs::read(self.path("trace")).expect("what strace wrote");
        let only: &[&str] = if self.golden.is_grown() { &FILES } else { &[] };
        Trace::read(&String::from_utf8_lossy(&text), only)
    }

    /// Disturbs a run as the case says, goes on, and holds the platform against the file.
    pub async fn hold(&self, case: &Case) -> Result<Course, String> {
        let mut course = Course { run: 1, ..Course::default() };
        course.hit = usize::from(self.disturb(self.sync(), case.injection).await?);
        let go_on = || if case.resumes && self.path(JOURNAL).exists() { self.resume() } else { self.sync() };
        if let Some(injection) = case.again {
            course.again = 1;
            course.hit_again = usize::from(self.disturb(go_on(), injection).await?);
        }
        let fine: &[i32] = if self.golden.has_key() { &[0] } else { &[0, 3] };
        self.run(&go_on()).await?.ends_with(fine)?;
        let ran = self.run(&self.sync()).await?;
        ran.ends_with(fine)?;
        self.until_quiet().await;
        self.golden.hold(&self.sandbox, ran.rejected())?;

        let calls = self.sandbox.ledger().len();
        let again = self.run(&self.sync()).await?;
        again.ends_with(fine)?;
        if again.rejected() != ran.rejected() || self.sandbox.ledger().len() != calls {
            return Err(format!(
                "{} calls when nothing was left to do: {again:?}",
                self.sandbox.ledger().len() - calls
            ));
        }
        Ok(course)
    }

    // Whether the run was hit.
    async fn disturb(&self, words: Words, injection: Injection) -> Result<bool, String> {
        let only = if self.golden.is_grown() { FILES.map(|file| self.path(file)).to_vec() } else { Vec::new() };
        let ran = self.run(&words.under_strace(injection.arguments(&only))).await?;
        match injection.fate {
            Fate::Killed if ran.was_killed() => Ok(true),
            Fate::Killed => ran.ends_with(&[0, 3]).map(|()| false),
            // A failure is told, whatever it is; a panic would be 101.
            Fate::Failed => {
                ran.ends_with(&[0, 1, 2, 3, 4])?;
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
        // `strace` compares paths as the system shows them.
        let folder = fs::canonicalize(self.folder.path()).expect("a folder of its own");
        folder.join(name)
    }

    fn sync(&self) -> Words {
        let arguments = format!("sync {} --url {}", self.golden.arguments(), self.sandbox.url());
        Self::program(&arguments)
    }

    fn resume(&self) -> Words {
        let arguments = format!("resume --url {}", self.sandbox.url());
        Self::program(&arguments)
    }

    fn program(arguments: &str) -> Words {
        let all = format!("{arguments} --json --journal {JOURNAL} --rate 1000000 --concurrency 2 --no-progress");
        let program = env!("CARGO_BIN_EXE_contactsync").to_owned();
        Words([program].into_iter().chain(all.split_whitespace().map(str::to_owned)).collect())
    }

    async fn run(&self, words: &Words) -> Result<Ran, String> {
        let (program, arguments) = words.0.split_first().expect("a program");
        let running = Command::new(Path::new(program))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("CONTACTSYNC_TOKEN", TOKEN)
            .env("TOKIO_WORKER_THREADS", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output =
            tokio::time::timeout(OUTAGE_TIMEOUT, running).await.map_err(|_| format!("does not end: {:?}", words.0))?;
        let output = output.map_err(|error| format!("{error}: {:?}", words.0))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Ran { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }
}
