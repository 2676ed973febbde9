//! Exports of `PostgreSQL` and `MariaDB` as input commands, with failures before and in the middle of the rows.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use support::Harness;
use support::tools::report;
use tempfile::TempDir;

/// How long a server may take to start.
const START: Duration = Duration::from_mins(1);

/// A server of this test. It ends with it.
struct Server {
    process: Child,
    dir: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The account of a database's package: servers refuse to run as root. `None` for another user, who runs them himself.
fn account(name: &str) -> Option<(u32, u32)> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let fields: Vec<&str> = accounts.lines().find(|line| line.starts_with(&format!("{name}:")))?.split(':').collect();
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

/// A new directory that the account owns and everybody may enter.
fn directory(owner: Option<(u32, u32)>) -> TempDir {
    let dir = TempDir::new().expect("a directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
    if let Some((user, group)) = owner {
        chown(dir.path(), Some(user), Some(group)).expect("its owner");
    }
    dir
}

/// A program that runs as this account.
fn program(path: &Path, owner: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(path);
    if let Some((user, group)) = owner {
        use std::os::unix::process::CommandExt as _;
        command.uid(user).gid(group);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Waits until a command succeeds; whether it does.
fn succeeds(mut command: Command) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < START {
        if command.status().is_ok_and(|status| status.success()) {
            return true;
        }
        thread::sleep(Duration::from_millis(50));
    }
    false
}

fn postgresql() -> Result<Server, String> {
    let versions = fs::read_dir("/usr/lib/postgresql").map_err(|_| "it is missing; apt-get install postgresql")?;
    let bin = versions.filter_map(Result::ok).map(|version| version.path().join("bin"));
    let bin = bin.filter(|bin| bin.join("initdb").exists()).max().ok_or("it has no initdb")?;
    let owner = account("postgres");
    let dir = directory(owner);
    let data = dir.path().join("data");
    let mut create = program(&bin.join("initdb"), owner);
    create.current_dir(dir.path()).arg("-D").arg(&data).args(["-A", "trust", "-U", "crm", "-E", "UTF8", "--no-sync"]);
    if !create.status().is_ok_and(|status| status.success()) {
        return Err("initdb failed".into());
    }
    let mut serve = program(&bin.join("postgres"), owner);
    serve.current_dir(dir.path()).arg("-D").arg(&data).arg("-k").arg(dir.path());
    let process =
        serve.args(["-c", "listen_addresses=", "-c", "fsync=off"]).spawn().map_err(|error| error.to_string())?;
    let server = Server { process, dir };
    let mut ready = program(Path::new("psql"), None);
    ready.arg("-h").arg(server.dir.path()).args(["-U", "crm", "-d", "postgres", "-c", "SELECT 1"]);
    if succeeds(ready) { Ok(server) } else { Err("it does not start".into()) }
}

fn mariadb() -> Result<Server, String> {
    let found = |name: &str| {
        let folders = ["/usr/sbin", "/usr/bin"].map(Path::new);
        folders.iter().map(|folder| folder.join(name)).find(|path| path.exists())
    };
    let missing = "it is missing; apt-get install mariadb-server";
    let (server, install): (PathBuf, PathBuf) =
        (found("mariadbd").ok_or(missing)?, found("mariadb-install-db").ok_or(missing)?);
    let owner = account("mysql");
    let dir = directory(owner);
    let data = format!("--datadir={}", dir.path().join("data").display());
    let mut create = program(&install, owner);
    create.current_dir(dir.path()).args(["--no-defaults", &data, "--auth-root-authentication-method=normal"]);
    if !create.status().is_ok_and(|status| status.success()) {
        return Err("mariadb-install-db failed".into());
    }
    let socket = format!("--socket={}", dir.path().join("sock").display());
    let pid = format!("--pid-file={}", dir.path().join("pid").display());
    let mut serve = program(&server, owner);
    serve.current_dir(dir.path()).args(["--no-defaults", &data, &socket, &pid, "--skip-networking"]);
    let server = Server { process: serve.spawn().map_err(|error| error.to_string())?, dir };
    let mut ready = program(Path::new("mariadb"), None);
    ready.args(["--no-defaults", &socket, "-u", "root", "-e", "SELECT 1"]);
    if succeeds(ready) { Ok(server) } else { Err("it does not start".into()) }
}

/// Syncs what `export` prints, then makes sure that nothing is sent when the export fails before its first row, or after some of them.
async fn check(query: &str, (export, missing, truncated): (String, String, String)) {
    let created = Command::new("sh").args(["-ec", query]).output().expect("sh runs");
    assert!(created.status.success(), "{created:?}");
    let harness = Harness::unlimited().await;
    let sync = |command: &str| harness.sync("--match email").argument("--input-command").argument(command);
    assert_eq!(sync(&export).run().await.exits(0).summary().rows(), "2 created");
    let stored = harness.sandbox.contacts(support::TOKEN);
    let ana = stored.iter().find(|contact| contact.fields["email"].text() == "ana@example.com").expect("it is created");
    assert_eq!(ana.fields["name"].text(), "Ana \"la\" Peña, S.A.");
    assert_eq!(sync(&export).run().await.exits(0).summary().rows(), "2 unchanged");
    let _ = harness.calls();
    for command in [missing, truncated] {
        let ran = sync(&command).run().await.exits(2);
        assert!(ran.stderr.contains("the input command failed: exit code 1: ERROR"), "{command}: {ran:?}");
        assert_eq!(harness.calls(), "none", "{command}");
    }
}

#[tokio::test]
async fn exports_of_postgresql_are_synced_and_failed_ones_send_nothing() {
    let server = match postgresql() {
        Ok(server) => server,
        Err(why) => return report("sync", &format!("SKIPPED: PostgreSQL: {why}")),
    };
    let psql = format!("psql -h {} -U crm -d postgres -q -v ON_ERROR_STOP=1", server.dir.path().display());
    let fill = "CREATE TABLE customers (email text, name text);
        INSERT INTO customers VALUES ('ana@example.com', 'Ana \\\"la\\\" Peña, S.A.'), ('bo@example.com', NULL);";
    let copy = |select: &str| format!("{psql} -c \"COPY ({select}) TO STDOUT CSV HEADER\"");
    let many =
        "SELECT 'p' || n || '@example.com' AS email, repeat('x', 100) AS name FROM generate_series(1, 20000000) AS n";
    check(
        &format!("{psql} -c \"{fill}\""),
        (
            copy("SELECT email, name FROM customers"),
            copy("SELECT email, name FROM customer"),
            format!("PGOPTIONS='-c statement_timeout=500ms' {}", copy(many)),
        ),
    )
    .await;
}

#[tokio::test]
async fn exports_of_mariadb_are_synced_and_failed_ones_send_nothing() {
    let server = match mariadb() {
        Ok(server) => server,
        Err(why) => return report("sync", &format!("SKIPPED: MariaDB: {why}")),
    };
    let socket = server.dir.path().join("sock");
    let client = format!(
        "mariadb --no-defaults --default-character-set=utf8mb4 --socket={} -u root --batch --quick",
        socket.display()
    );
    let fill = "CREATE DATABASE crm; USE crm; CREATE TABLE customers (email text, name text) CHARACTER SET utf8mb4;
        INSERT INTO customers VALUES ('ana@example.com', 'Ana \\\"la\\\" Peña, S.A.'), ('bo@example.com', '');";
    let select = |select: &str| format!("{client} crm -e \"{select}\"");
    let many = "SET STATEMENT max_statement_time=0.5 FOR \
        SELECT concat('p', seq, '@example.com') AS email, repeat('x', 100) AS name FROM seq_1_to_50000000";
    check(
        &format!("{client} -e \"{fill}\""),
        (select("SELECT email, name FROM customers"), select("SELECT email, name FROM customer"), select(many)),
    )
    .await;
}
