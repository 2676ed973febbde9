//! A sandbox, a directory, and the real program that runs in it.

use std::cell::Cell;
use std::env;
use std::fmt::Display;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use contactsync::report::CallKind;
use contactsync::sandbox::{CallRecord, Config, Faults, Sandbox};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::output::{Output, in_words};

/// The token that the program uses by default.
pub const TOKEN: &str = "token";

/// The journal that the program uses by default, in the harness's directory.
pub const JOURNAL: &str = "journal.db";

/// A rate far above what this machine can send, so that a test which is not about the rate limit does not wait for it.
const UNPACED: &str = "--rate 1000000";

/// Most tests count calls exactly, and the read after the first write of each field is one more: those that are about it, and the
/// README's examples, have it on.
const NO_READ_BACK: &str = "--no-read-back";

/// The longest that a program or a condition may take. It only ends what hangs.
const TIMEOUT: Duration = Duration::from_mins(3);

/// The interval at which a condition is checked.
const POLL: Duration = Duration::from_millis(2);

/// The program that cargo built for these tests.
///
/// # Panics
/// Where there is none.
pub fn program_path() -> PathBuf {
    // Cargo sets the variable since 1.94. Before that, the program is beside the directory of the test targets.
    let path = env::var_os("CARGO_BIN_EXE_contactsync").map_or_else(
        || {
            let target = env::current_exe().expect("a test knows its own path");
            let profile = target.ancestors().nth(2).expect("a test target is in target/<profile>/deps");
            profile.join("contactsync").with_extension(env::consts::EXE_EXTENSION)
        },
        PathBuf::from,
    );
    assert!(path.is_file(), "{} is missing: build it with `cargo build --bin contactsync`", path.display());
    path
}

/// A sandbox and a temporary directory, both for one test.
pub struct Harness {
    /// The platform.
    pub sandbox: Sandbox,
    directory: TempDir,
    // How many calls of the ledger `calls` has reported.
    reported: Cell<usize>,
    programs: Cell<usize>,
}

impl Harness {
    /// A platform with this configuration.
    pub async fn of(config: Config) -> Self {
        let sandbox = Sandbox::start(config).await.expect("a free port on loopback");
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { sandbox, directory, reported: Cell::new(0), programs: Cell::new(0) }
    }

    /// A platform without a rate limit.
    pub async fn unlimited() -> Self {
        Self::faulty(Faults::default()).await
    }

    /// A platform with these faults and without a rate limit.
    pub async fn faulty(faults: Faults) -> Self {
        Self::of(Config { rate: 0, faults, ..Config::default() }).await
    }

    /// The path of a file in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file into the directory.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file in a temporary directory");
    }

    /// The program with these arguments, separated by blanks. `sync`, `plan` and `resume` do not read back, unless
    /// [`Program::reading_back`] is called.
    pub fn program(&self, arguments: &str) -> Program<'_> {
        let mut arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        if arguments.first().is_some_and(|command| ["sync", "plan", "resume"].contains(&command.as_str())) {
            arguments.push(NO_READ_BACK.to_owned());
        }
        let environment = vec![("CONTACTSYNC_TOKEN".into(), TOKEN.into())];
        Program { harness: self, arguments, environment, stdin: None, shell: "exec \"$@\"".into() }
    }

    /// `sync --json` with the sandbox and the default journal, without waiting for the rate limit.
    pub fn sync(&self, arguments: &str) -> Program<'_> {
        self.program(&format!("sync {arguments} --json --journal {JOURNAL} --url {} {UNPACED}", self.sandbox.url()))
    }

    /// `resume --json` with the sandbox and the default journal, without waiting for the rate limit.
    pub fn resume(&self) -> Program<'_> {
        self.resume_at(self.sandbox.url())
    }

    /// The same on another platform.
    pub fn resume_at(&self, url: impl Display) -> Program<'_> {
        self.program(&format!("resume --json --journal {JOURNAL} --url {url} {UNPACED}"))
    }

    /// `plan --json` with the default journal.
    pub fn plan(&self, arguments: &str) -> Program<'_> {
        self.program(&format!("plan {arguments} --json --journal {JOURNAL}"))
    }

    /// The calls since this was last asked, as `2 find, 1 create`; `none` without any.
    pub fn calls(&self) -> String {
        let calls = self.sandbox.ledger().calls();
        let new = &calls[self.reported.replace(calls.len())..];
        let of = |kind| new.iter().filter(|call| call.kind == kind).count();
        let mut counts: Vec<(usize, &str)> =
            CallKind::ALL.into_iter().map(|kind| (of(Some(kind)), kind.name())).collect();
        counts.push((of(None), "unknown"));
        in_words(&counts)
    }

    /// The calls whose client closed the connection before the answer.
    pub fn undelivered(&self) -> Vec<CallRecord> {
        self.sandbox.ledger().calls().into_iter().filter(|call| !call.delivered).collect()
    }
}

/// A program that is yet to be started.
pub struct Program<'a> {
    harness: &'a Harness,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    stdin: Option<PathBuf>,
    // What a shell does with the program and its arguments.
    shell: String,
}

impl Program<'_> {
    /// With another token, or none.
    #[must_use]
    pub fn token(mut self, token: Option<&str>) -> Self {
        self.environment = token.map(|token| ("CONTACTSYNC_TOKEN".into(), token.into())).into_iter().collect();
        self
    }

    /// With these variables instead of the token's.
    #[must_use]
    pub fn environment(mut self, variables: &[(&str, &str)]) -> Self {
        self.environment = variables.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        self
    }

    /// With further arguments, separated by blanks.
    #[must_use]
    pub fn with(mut self, arguments: &str) -> Self {
        self.arguments.extend(arguments.split_whitespace().map(str::to_owned));
        self
    }

    /// With the read after the first write of each field, as by default.
    #[must_use]
    pub fn reading_back(mut self) -> Self {
        self.arguments.retain(|argument| argument != NO_READ_BACK);
        self
    }

    /// With one further argument, which may contain blanks.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// With this file of the directory as its standard input.
    #[must_use]
    pub fn stdin(mut self, name: &str) -> Self {
        self.stdin = Some(self.harness.path(name));
        self
    }

    /// Through this shell script, in which `"$@"` is the program and its arguments.
    #[must_use]
    pub fn shell(mut self, script: &str) -> Self {
        script.clone_into(&mut self.shell);
        self
    }

    /// Starts the program in the harness's directory.
    pub fn start(self) -> Running {
        let number = self.harness.programs.replace(self.harness.programs.get() + 1);
        // Files, not pipes: they can be read while the program runs, and never fill.
        let (stdout, stderr) =
            (self.harness.path(&format!("{number}.stdout")), self.harness.path(&format!("{number}.stderr")));
        let create = |path: &Path| File::create(path).expect("a file in a temporary directory");
        let stdin = self.stdin.map_or_else(Stdio::null, |path| File::open(path).expect("the test wrote it").into());
        let child = Command::new("sh")
            .args(["-c", &self.shell, "sh"])
            .arg(program_path())
            .args(&self.arguments)
            .current_dir(self.harness.directory.path())
            .env_remove("CONTACTSYNC_TOKEN")
            .env("XDG_CONFIG_HOME", self.harness.path("no-config"))
            .envs(self.environment)
            .stdin(stdin)
            .stdout(create(&stdout))
            .stderr(create(&stderr))
            .kill_on_drop(true)
            .spawn()
            .expect("the program");
        Running { child, arguments: self.arguments.join(" "), stdout, stderr }
    }

    /// Runs the program to its end.
    pub async fn run(self) -> Output {
        self.start().end().await
    }
}

/// A program that was started.
pub struct Running {
    child: Child,
    arguments: String,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// Waits until `reached`. Returns false when the program ended before.
    pub async fn until(&mut self, reached: impl Fn() -> bool) -> bool {
        let wait = async {
            loop {
                if reached() {
                    return true;
                }
                if self.child.try_wait().expect("a child of this process").is_some() {
                    return reached();
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(TIMEOUT, wait).await.expect("the condition is reached within the timeout")
    }

    /// Waits until standard error contains this text.
    pub async fn until_stderr_has(&mut self, text: &str) {
        let stderr = self.stderr.clone();
        let reached = self.until(|| read(&stderr).contains(text)).await;
        assert!(reached, "{}: expected `{text}` on standard error, found: {}", self.arguments, read(&self.stderr));
    }

    /// Waits until standard output contains this text.
    pub async fn until_stdout_has(&mut self, text: &str) {
        let stdout = self.stdout.clone();
        let reached = self.until(|| read(&stdout).contains(text)).await;
        assert!(reached, "{}: expected `{text}` on standard output, found: {}", self.arguments, read(&self.stdout));
    }

    /// Sends a signal: `INT`, `TERM`.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("the program runs").to_string();
        let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &id]).status().await;
        assert!(sent.expect("a shell").success(), "{name} to {}", self.arguments);
    }

    /// Kills the program with SIGKILL.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("a child of this process");
    }

    /// Waits for the end of the program.
    pub async fn end(mut self) -> Output {
        let status = tokio::time::timeout(TIMEOUT, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("{}: does not end: {}", self.arguments, read(&self.stderr)));
        let code = status.expect("a child of this process").code();
        Output { arguments: self.arguments, ..Output::of(code, read(&self.stdout), &read(&self.stderr)) }
    }
}

fn read(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `HUP`; `TERM` where the tests, and so the program, run with SIGHUP ignored, as under `nohup`.
pub fn hang_up() -> &'static str {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    if ignored & 1 == 0 { "HUP" } else { "TERM" }
}
