//! The Laravel application in PHP's web server, and direct access to its database.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use support::tools::skip;
use support::{Harness, JOURNAL, People, Program, TOKEN};

/// The application's directory.
pub const APP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/laravel/app");

/// Prints the framework's version, or fails where something is missing.
const PROBE: &str = r#"
    foreach (['mbstring', 'pdo_sqlite', 'xml'] as $extension) {
        extension_loaded($extension) || exit("PHP has no extension $extension");
    }
    stream_resolve_include_path('Illuminate/autoload.php') || exit('the framework is not in the include path');
    require 'Illuminate/autoload.php';
    echo 'Laravel ', Illuminate\Foundation\Application::VERSION;
"#;

/// Runs a server until standard input ends, which happens when the test ends for any reason. PHP's workers do not end with
/// their parent, but all of them end on SIGINT, which a shell in the background ignores.
const KEEPER: &str = r#"trap "" INT; "$@" & cat; kill -INT 0; wait $!"#;

/// The worker processes of a server. Their parent answers requests too.
pub const WORKERS: usize = 4;

/// The longest wait for a server. Enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The interval at which the start or end of a server is checked.
const POLL: Duration = Duration::from_millis(10);

/// The configuration of the application.
#[derive(Clone, Copy)]
pub struct Settings {
    pub errors: Errors,
    /// Laravel's `APP_DEBUG`: errors show their exception, its trace and the SQL.
    pub debug: bool,
    /// There is no route for DELETE.
    pub without_delete: bool,
    /// PHP's `post_max_size`, such as `4K`.
    pub post_max_size: &'static str,
}

/// The format of errors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Errors {
    /// The platform's envelope for documented errors, the framework's format for others.
    Documented,
    /// The framework's JSON.
    Plain,
    /// The framework's HTML: a proxy removes `Accept`.
    Html,
}

impl Settings {
    /// As the platform is documented.
    pub const DOCUMENTED: Self =
        Self { errors: Errors::Documented, debug: false, without_delete: false, post_max_size: "8M" };
}

/// A server with a directory and a database.
pub struct Platform {
    keeper: Child,
    storage: TempDir,
    port: u16,
}

/// A request that the application answered.
#[derive(Debug)]
pub struct Call {
    /// When it came, in seconds.
    pub at: f64,
    pub method: String,
    pub path: String,
    pub status: u16,
}

impl Platform {
    /// A platform on a free port. `None`, with a message, where PHP or the framework is missing.
    pub fn start(settings: Settings) -> Option<Self> {
        if let Err(why) = framework() {
            skip("laravel", why);
            return None;
        }
        let storage = new_storage();
        let mut keeper = serve(settings, storage.path()).spawn().expect("a shell");
        let begun = Instant::now();
        loop {
            let printed = fs::read_to_string(storage.path().join("server.log")).expect("text");
            if printed.matches(") started\n").count() == 1 + WORKERS {
                let port = printed.split(['(', ')']).find_map(|part| part.strip_prefix("http://127.0.0.1:"));
                let port = port.and_then(|port| port.parse().ok()).expect("the server names its port");
                return Some(Self { keeper, storage, port });
            }
            let ended = keeper.try_wait().expect("a child of this process").is_some();
            assert!(!ended && begun.elapsed() < TIMEOUT, "the server did not start: {printed}");
            thread::sleep(POLL);
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn storage(&self) -> PathBuf {
        self.storage.path().to_owned()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1", self.port)
    }

    /// `sync --json` with this platform and the harness's journal.
    pub fn sync<'a>(&self, harness: &'a Harness, arguments: &str) -> Program<'a> {
        self.sync_into(harness, JOURNAL, arguments)
    }

    /// The same with another journal.
    pub fn sync_into<'a>(&self, harness: &'a Harness, journal: &str, arguments: &str) -> Program<'a> {
        harness.program(&format!("sync {arguments} --json --journal {journal} --url {}", self.url()))
    }

    /// The database, which a test may change while the server runs.
    pub fn database(&self) -> Connection {
        let database = Connection::open(self.storage.path().join("contacts.db")).expect("the database");
        database.busy_timeout(TIMEOUT).expect("a timeout");
        database
    }

    pub fn execute(&self, sql: &str) {
        self.database().execute_batch(sql).expect("valid SQL");
    }

    /// `artisan down --retry=N`, with the file that this command writes.
    pub fn goes_down(&self, retry_seconds: u32) {
        let down = format!(
            r#"{{"except":[],"redirect":null,"retry":{retry_seconds},"refresh":null,"secret":null,"status":503,"template":null}}"#
        );
        // Renamed, so that no request reads an incomplete file.
        let path = self.storage.path().join("framework/down");
        fs::write(path.with_extension("new"), down).expect("a file in a temporary directory");
        fs::rename(path.with_extension("new"), path).expect("a file in a temporary directory");
    }

    /// `artisan up`.
    pub fn comes_up(&self) {
        fs::remove_file(self.storage.path().join("framework/down")).expect("the platform is down");
    }

    /// All calls in the order of their arrival.
    pub fn calls(&self) -> Vec<Call> {
        let database = self.database();
        let mut rows = database.prepare("SELECT at, method, path, status FROM calls ORDER BY at").expect("valid SQL");
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Call { at: row.get(0)?, method: row.get(1)?, path: row.get(2)?, status: row.get(3)? })
        };
        rows.query_map([], read).expect("valid SQL").map(|call| call.expect("a call")).collect()
    }

    /// The number of contacts.
    pub fn count(&self) -> usize {
        let count = self.database().query_row("SELECT count(*) FROM contacts", [], |row| row.get::<_, i64>(0));
        usize::try_from(count.expect("a number")).expect("a small number")
    }

    /// Each contact's fields and tags.
    pub fn contacts(&self) -> Vec<(BTreeMap<String, String>, BTreeSet<String>)> {
        let database = self.database();
        let mut rows = database.prepare("SELECT custom_fields, tags FROM contacts").expect("valid SQL");
        let rows = rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
        rows.expect("valid SQL")
            .map(|row| {
                let (fields, tags) = row.expect("a contact");
                let fields: Json = serde_json::from_str(&fields).expect("JSON");
                // PHP writes an empty object as `[]`.
                let fields = fields.as_object().cloned().unwrap_or_default();
                let text = |value: Json| value.as_str().expect("text").to_owned();
                (
                    fields.into_iter().map(|(name, value)| (name, text(value))).collect(),
                    serde_json::from_str(&tags).expect("tags"),
                )
            })
            .collect()
    }

    /// Checks that the platform has each contact exactly once, with exactly these fields and tags, and no other contact.
    #[track_caller]
    pub fn has_exactly(&self, people: &People) {
        let stored = self.contacts();
        assert_eq!(stored.len(), people.people.len(), "contacts on the platform: {stored:?}");
        for person in &people.people {
            let fields: BTreeMap<_, _> = person.fields.iter().cloned().collect();
            let tags: BTreeSet<_> = person.tags.iter().cloned().collect();
            let same = stored.iter().filter(|contact| **contact == (fields.clone(), tags.clone())).count();
            assert_eq!(same, 1, "{fields:?} {tags:?} in {stored:?}");
        }
    }

    /// Sends a request and returns the raw answer: status line, headers, empty line, body.
    pub fn ask(&self, request: &str, body: &str) -> String {
        self.ask_as(TOKEN, request, body)
    }

    pub fn ask_as(&self, token: &str, request: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a server that listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        let head = [
            &format!("{request} HTTP/1.1"),
            &format!("Host: 127.0.0.1:{}", self.port),
            &format!("Authorization: Bearer {token}"),
            "Accept: application/json",
            "Content-Type: application/json",
            &format!("Content-Length: {}", body.len()),
            "Connection: close",
        ];
        write!(stream, "{}\r\n\r\n{body}", head.join("\r\n")).expect("a server that reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("a server that answers");
        String::from_utf8(answer).expect("text")
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        // The end of its standard input makes the keeper end all processes.
        drop(self.keeper.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < TIMEOUT {
            if matches!(self.keeper.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(POLL);
        }
        let group = format!("-{}", self.keeper.id());
        let _ = Command::new("sh").args(["-c", "kill -KILL -- \"$0\"", &group]).status();
        let _ = self.keeper.wait();
    }
}

/// The framework's storage directory, with an empty database.
fn new_storage() -> TempDir {
    let storage = tempfile::tempdir().expect("a temporary directory");
    for folder in ["framework/views", "logs", "bootstrap"] {
        fs::create_dir_all(storage.path().join(folder)).expect("a temporary directory");
    }
    let schema = include_str!("app/schema.sql");
    Connection::open(storage.path().join("contacts.db"))
        .and_then(|database| database.execute_batch(schema))
        .expect("the schema is valid");
    storage
}

/// PHP's server with the application, in a separate process group.
fn serve(settings: Settings, storage: &Path) -> Command {
    let log = File::create(storage.join("server.log")).expect("a file in a temporary directory");
    let switches = [
        ("APP_DEBUG", settings.debug),
        ("APP_PLAIN_ERRORS", settings.errors != Errors::Documented),
        ("APP_DROP_ACCEPT", settings.errors == Errors::Html),
        ("APP_WITHOUT_DELETE", settings.without_delete),
    ];
    let size = format!("post_max_size={}", settings.post_max_size);
    let mut command = Command::new("sh");
    command
        .args(["-c", KEEPER, "sh", "php", "-d", "opcache.enable_cli=1", "-d", "display_errors=0", "-d", &size])
        .args(["-S", "127.0.0.1:0", &format!("{APP}/index.php")])
        .env("PHP_CLI_SERVER_WORKERS", WORKERS.to_string())
        .env("APP_STORAGE", storage)
        .env("APP_PACKAGES_CACHE", storage.join("bootstrap/packages.php"))
        .env("APP_SERVICES_CACHE", storage.join("bootstrap/services.php"))
        .envs(switches.iter().filter(|(_, on)| *on).map(|(name, _)| (name, "1")))
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().expect("an open file"))
        .stderr(log);
    command
}

/// The framework's version, or why the tests cannot run.
pub fn framework() -> Result<&'static str, &'static str> {
    static FOUND: OnceLock<Result<String, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let output = Command::new("php").args(["-r", PROBE]).output().map_err(|error| format!("php: {error}"))?;
        let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && printed.starts_with("Laravel ") { Ok(printed) } else { Err(printed) }
    });
    found.as_deref().map_err(String::as_str)
}
