//! One sandbox, one folder, and the real program between them.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use contactsync::CallKind;
use contactsync::sandbox::{CallRecord, Config, Faults, Sandbox};
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// The token that a scene's program calls with unless told otherwise.
pub const TOKEN: &str = "token";

/// The journal of a scene.
pub const JOURNAL: &str = "journal.db";

/// Far above what this machine can send: a test that is not about the pace does not wait for it.
const UNPACED: &str = "--rate 1000000";

/// The longest that any program here may take. It only ends what hangs.
const OUTAGE_TIMEOUT: Duration = Duration::from_mins(3);

/// How often what a program does is looked at.
const GLANCE: Duration = Duration::from_millis(2);

/// The contract's keys of a summary.
const KEYS: [&str; 14] = [
    "run",
    "state",
    "reason",
    "rows",
    "created",
    "updated",
    "unchanged",
    "rejected",
    "merged",
    "pending",
    "calls",
    "retries",
    "throttled",
    "seconds",
];

/// The contract's keys of the calls in a summary.
const CALL_KEYS: [&str; 7] = ["total", "find", "read", "create", "update", "add_tags", "remove_tags"];

/// A platform of its own and a folder of its own, in which the program runs.
pub struct Scene {
    pub sandbox: Sandbox,
    folder: TempDir,
    // How many calls of the ledger were looked at.
    seen: Cell<usize>,
    programs: Cell<usize>,
}

impl Scene {
    pub async fn of(config: Config) -> Self {
        let sandbox = Sandbox::start(config).await.expect("a free port on loopback");
        let folder = tempfile::tempdir().expect("a folder of its own");
        Self { sandbox, folder, seen: Cell::new(0), programs: Cell::new(0) }
    }

    /// A platform without a limit.
    pub async fn unlimited() -> Self {
        Self::faulty(Faults::default()).await
    }

    /// A platform without a limit on which things go wrong.
    pub async fn faulty(faults: Faults) -> Self {
        Self::of(Config { rate: 0, faults, ..Config::default() }).await
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file in a folder of its own");
    }

    /// The program with these arguments, parted by blanks.
    pub fn program(&self, arguments: &str) -> Program<'_> {
        let arguments = arguments.split_whitespace().map(str::to_owned).collect();
        let environment = vec![("CONTACTSYNC_TOKEN".into(), TOKEN.into())];
        Program { scene: self, arguments, environment, stdin: None, shell: "exec \"$@\"".into() }
    }

    /// `sync --json` with the scene's platform and journal and without a pace.
    pub fn sync(&self, arguments: &str) -> Program<'_> {
        self.program(&format!("sync {arguments} --json --journal {JOURNAL} --url {} {UNPACED}", self.sandbox.url()))
    }

    /// `resume --json` of the scene's journal on the scene's platform, without a pace.
    pub fn resume(&self) -> Program<'_> {
        self.resume_at(self.sandbox.url())
    }

    /// The same on another platform.
    pub fn resume_at(&self, url: impl std::fmt::Display) -> Program<'_> {
        self.program(&format!("resume --json --journal {JOURNAL} --url {url} {UNPACED}"))
    }

    /// `plan --json` with the scene's journal.
    pub fn plan(&self, arguments: &str) -> Program<'_> {
        self.program(&format!("plan {arguments} --json --journal {JOURNAL}"))
    }

    /// The calls since this was last asked, as `2 find, 1 create`; `none` without any.
    pub fn calls(&self) -> String {
        let calls = self.sandbox.ledger().calls();
        let new = &calls[self.seen.replace(calls.len())..];
        let of = |kind| new.iter().filter(|call| call.kind == kind).count();
        let mut counts: Vec<(usize, &str)> =
            CallKind::ALL.into_iter().map(|kind| (of(Some(kind)), kind.name())).collect();
        counts.push((of(None), "unknown"));
        in_words(&counts)
    }

    /// The calls whose answer the client did not wait for.
    pub fn unheard(&self) -> Vec<CallRecord> {
        self.sandbox.ledger().calls().into_iter().filter(|call| !call.delivered).collect()
    }
}

/// A program that is to be run.
pub struct Program<'a> {
    scene: &'a Scene,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    stdin: Option<PathBuf>,
    // What a shell does with the program and its arguments.
    shell: String,
}

impl Program<'_> {
    /// With another token, or none.
    pub fn token(mut self, token: Option<&str>) -> Self {
        self.environment = token.map(|token| ("CONTACTSYNC_TOKEN".into(), token.into())).into_iter().collect();
        self
    }

    /// With these variables instead of the token's.
    pub fn environment(mut self, variables: &[(&str, &str)]) -> Self {
        self.environment = variables.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        self
    }

    /// With further arguments.
    pub fn with(mut self, arguments: &str) -> Self {
        self.arguments.extend(arguments.split_whitespace().map(str::to_owned));
        self
    }

    /// With one further argument, which may have blanks.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// With this file of the scene as its standard input.
    pub fn stdin(mut self, name: &str) -> Self {
        self.stdin = Some(self.scene.path(name));
        self
    }

    /// In a shell that does this with it, where `"$@"` is the program and its arguments.
    pub fn shell(mut self, script: &str) -> Self {
        script.clone_into(&mut self.shell);
        self
    }

    pub fn start(self) -> Running {
        let number = self.scene.programs.replace(self.scene.programs.get() + 1);
        // Files, not pipes: they can be read while the program runs, and never fill.
        let (stdout, stderr) =
            (self.scene.path(&format!("{number}.stdout")), self.scene.path(&format!("{number}.stderr")));
        let create = |path: &Path| File::create(path).expect("a file in a folder of its own");
        let stdin = self.stdin.map_or_else(Stdio::null, |path| File::open(path).expect("the scene's file").into());
        let child = Command::new("sh")
            .args(["-c", &self.shell, "sh", env!("CARGO_BIN_EXE_contactsync")])
            .args(&self.arguments)
            .current_dir(self.scene.folder.path())
            .env_remove("CONTACTSYNC_TOKEN")
            .envs(self.environment)
            .stdin(stdin)
            .stdout(create(&stdout))
            .stderr(create(&stderr))
            .kill_on_drop(true)
            .spawn()
            .expect("the program");
        Running { child, arguments: self.arguments.join(" "), stdout, stderr }
    }

    pub async fn run(self) -> Ran {
        self.start().end().await
    }
}

/// A program that runs.
pub struct Running {
    child: Child,
    arguments: String,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// Waits until `reached`. False when the program ended before.
    pub async fn until(&mut self, reached: impl Fn() -> bool) -> bool {
        let wait = async {
            loop {
                if reached() {
                    return true;
                }
                if self.child.try_wait().expect("a child of ours").is_some() {
                    return reached();
                }
                tokio::time::sleep(GLANCE).await;
            }
        };
        tokio::time::timeout(OUTAGE_TIMEOUT, wait).await.expect("what is waited for happens")
    }

    /// Waits until the program has said this on standard error.
    pub async fn until_said(&mut self, text: &str) {
        let stderr = self.stderr.clone();
        let said = self.until(|| read(&stderr).contains(text)).await;
        assert!(said, "{}: never said `{text}` but: {}", self.arguments, read(&self.stderr));
    }

    /// Waits until the program has written this on standard output.
    pub async fn until_printed(&mut self, text: &str) {
        let stdout = self.stdout.clone();
        assert!(self.until(|| read(&stdout).contains(text)).await, "{}: never printed `{text}`", self.arguments);
    }

    /// Sends a signal: `INT`, `TERM`.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("a program that runs").to_string();
        let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &id]).status().await;
        assert!(sent.expect("a shell").success(), "{name} to {}", self.arguments);
    }

    /// Kills it at once (SIGKILL).
    pub async fn kill(mut self) {
        self.child.kill().await.expect("a child of ours");
    }

    pub async fn end(mut self) -> Ran {
        let status = tokio::time::timeout(OUTAGE_TIMEOUT, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("{}: does not end: {}", self.arguments, read(&self.stderr)));
        let code = status.expect("a child of ours").code();
        Ran { arguments: self.arguments, ..Ran::of(code, read(&self.stdout), &read(&self.stderr)) }
    }
}

/// What a program did.
#[derive(Debug)]
pub struct Ran {
    arguments: String,
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    /// Standard error, without the date and time of its lines.
    pub stderr: String,
    /// Standard error as it is.
    pub log: String,
}

impl Ran {
    /// What a program did, by its exit code and what it wrote.
    pub fn of(code: Option<i32>, stdout: String, log: &str) -> Self {
        let stderr = log.split_inclusive('\n').map(undated).collect();
        Self { arguments: String::new(), code, stdout, stderr, log: log.to_owned() }
    }

    /// The same, once it ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\nstdout: {}\nstderr: {}", self.arguments, self.stdout, self.stderr);
        self
    }

    /// The one object on standard output, once it has the contract's keys and its counts add up.
    #[track_caller]
    pub fn summary(&self) -> Summary {
        let json = self.object();
        assert_keys(&json, &KEYS);
        assert_keys(&json["calls"], &CALL_KEYS);
        let summary = Summary { json };
        assert!(["finished", "stopped", "failed"].contains(&summary.text("state")), "{}", self.stdout);
        let kinds: u64 = CALL_KEYS[1..].iter().map(|kind| number(&summary.json["calls"][kind])).sum();
        assert_eq!(kinds, number(&summary.json["calls"]["total"]), "{}", self.stdout);
        summary
    }

    /// The one object on standard output of a plan.
    #[track_caller]
    pub fn planned(&self) -> Summary {
        let json = self.object();
        let expected: Vec<&str> = KEYS.into_iter().chain(["minutes"]).collect();
        assert_keys(&json, &expected);
        assert_keys(&json["calls"], &CALL_KEYS);
        for range in CALL_KEYS.iter().map(|kind| &json["calls"][kind]).chain([&json["minutes"]]) {
            assert_keys(range, &["min", "max"]);
        }
        Summary { json }
    }

    #[track_caller]
    fn object(&self) -> Json {
        assert_eq!(self.stdout.lines().count(), 1, "{}\nstdout: {}", self.arguments, self.stdout);
        let json: Json = serde_json::from_str(&self.stdout).expect("standard output is one JSON object");
        let of = |name: &str| number(&json[name]);
        let ends = ["created", "updated", "unchanged", "rejected", "merged", "pending"].map(of);
        assert_eq!(of("rows"), ends.iter().sum::<u64>(), "{}", self.stdout);
        json
    }

    /// The lines on standard error that begin so.
    pub fn said(&self, beginning: &str) -> Vec<&str> {
        self.stderr.lines().filter(|line| line.starts_with(beginning)).collect()
    }
}

/// A summary that has all its keys.
#[derive(Debug)]
pub struct Summary {
    pub json: Json,
}

impl Summary {
    /// How the rows ended, as `2 created, 1 rejected`.
    pub fn rows(&self) -> String {
        let names = ["created", "updated", "unchanged", "rejected", "merged", "pending"];
        in_words(&names.map(|name| (self.count(name), name)))
    }

    /// The calls, as `2 find, 1 create`.
    pub fn calls(&self) -> String {
        let count = |kind: &str| usize::try_from(number(&self.json["calls"][kind])).expect("a small number");
        in_words(&CallKind::ALL.map(|kind| (count(kind.name()), kind.name())))
    }

    pub fn count(&self, name: &str) -> usize {
        usize::try_from(number(&self.json[name])).expect("a small number")
    }

    pub fn text(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_default()
    }
}

/// Contacts as a file wants them: what the platform is to have, by the value of `email`.
#[derive(Clone)]
pub struct People {
    pub people: Vec<Person>,
}

#[derive(Clone)]
pub struct Person {
    pub fields: Vec<(String, String)>,
    pub tags: Vec<String>,
}

impl People {
    /// So many people with so many fields and tags each. The match field `email` is the last of the fields, so that it
    /// is not in the first call of a create by its place alone.
    pub fn new(count: usize, fields: usize, tags: usize) -> Self {
        let person = |nth: usize| {
            let mut all: Vec<_> =
                (1..fields).map(|field| (format!("field_{field:02}"), format!("value {field}, \"{nth}\""))).collect();
            all.push(("email".into(), format!("person.{nth}@example.com")));
            Person { fields: all, tags: (0..tags).map(|tag| format!("tag {tag}")).collect() }
        };
        Self { people: (0..count).map(person).collect() }
    }

    pub fn person(&mut self, nth: usize) -> &mut Person {
        &mut self.people[nth]
    }

    pub fn csv(&self) -> Vec<u8> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let names = self.people[0].fields.iter().map(|(name, _)| name.as_str());
        csv.write_record(names.chain(["tags"])).expect("memory");
        for person in &self.people {
            let tags = person.tags.join(";");
            let cells = person.fields.iter().map(|(_, value)| value.as_str());
            csv.write_record(cells.chain([tags.as_str()])).expect("memory");
        }
        csv.into_inner().expect("memory")
    }

    /// Puts them on the platform past the API.
    pub fn insert_into(&self, sandbox: &Sandbox) {
        for person in &self.people {
            let fields = person.fields.iter().map(|(name, value)| contactsync::Field::text(name, value));
            sandbox.insert(TOKEN, fields, &person.tags);
        }
    }

    /// Holds the platform against them: each there exactly once, with exactly these fields and tags, and nobody else.
    #[track_caller]
    pub fn are_all_of(&self, sandbox: &Sandbox) {
        self.are_all_of_channel(sandbox, TOKEN);
    }

    #[track_caller]
    pub fn are_all_of_channel(&self, sandbox: &Sandbox, token: &str) {
        let stored = sandbox.contacts(token);
        assert_eq!(stored.len(), self.people.len(), "contacts on the platform");
        let mut there = BTreeMap::new();
        for contact in stored {
            let fields: BTreeMap<String, String> =
                contact.fields.iter().map(|(name, value)| (name.clone(), value.text().into_owned())).collect();
            let email = fields.get("email").cloned().expect("each has its match field");
            assert!(there.insert(email.clone(), (fields, contact.tags)).is_none(), "{email} is there twice");
        }
        for person in &self.people {
            let wanted = (
                person.fields.iter().filter(|(_, value)| !value.is_empty()).cloned().collect(),
                person.tags.iter().cloned().collect::<BTreeSet<_>>(),
            );
            let (_, email) = person.fields.last().expect("each has its match field");
            assert_eq!(there.get(email), Some(&wanted), "{email}");
        }
    }
}

/// A line of a log without its date and time, if it has one.
pub fn undated(line: &str) -> &str {
    const FORM: &str = "0000-00-00T00:00:00+00:00 ";
    let is_of_form = |(found, form): (char, char)| match form {
        '0' => found.is_ascii_digit(),
        '+' => found == '+' || found == '-',
        other => found == other,
    };
    match line.split_at_checked(FORM.len()) {
        Some((date, rest)) if date.chars().zip(FORM.chars()).all(is_of_form) => rest,
        Some(_) | None => line,
    }
}

fn in_words(counts: &[(usize, &str)]) -> String {
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
    if counts.is_empty() { "none".into() } else { counts.join(", ") }
}

#[track_caller]
fn number(json: &Json) -> u64 {
    json.as_u64().unwrap_or_else(|| panic!("expected a number, found {json}"))
}

#[track_caller]
fn assert_keys(json: &Json, expected: &[&str]) {
    let keys: BTreeSet<&str> = json.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, expected.iter().copied().collect(), "{json}");
}

fn read(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// SIGHUP; where the tests themselves run with it ignored (`nohup`), and so the program too, SIGTERM.
pub fn hang_up() -> &'static str {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    if ignored & 1 == 0 { "HUP" } else { "TERM" }
}
