//! Unsafe files: devices, endless pipes, files that other users own or can write. And the files that read-only commands leave.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::time::{Duration, Instant};

use support::{Harness, JOURNAL, Program, TOKEN};

/// Far more than a busy machine needs to refuse a file. Reading an endless one takes longer.
const SOON: Duration = Duration::from_secs(50);

fn set_mode(harness: &Harness, name: &str, mode: u32) {
    fs::set_permissions(harness.path(name), Permissions::from_mode(mode)).expect("an own file");
}

#[tokio::test]
async fn endless_files_are_refused() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email\na@example.com\n");
    harness.write("large", vec![b' '; 17 << 20]);
    let url = harness.sandbox.url();
    let sync = |more: &str| {
        let arguments = format!("sync --match email --journal {JOURNAL} --url {url} {more}");
        harness.program(&arguments).shell("mkfifo pipe 2>/dev/null; exec \"$@\"")
    };
    let cases = [
        ("in.csv --token-file /dev/zero", "token file /dev/zero: cannot read it: it is a device, not a regular file"),
        ("in.csv --token-file pipe", "token file pipe: cannot read it: it is a named pipe, not a regular file"),
        ("in.csv --token-file .", "token file .: cannot read it: it is a directory, not a regular file"),
        ("in.csv --token-file large", "token file large: cannot read it: it is larger than 65536 bytes"),
        ("in.csv --config /dev/zero", "/dev/zero: cannot read it: it is a device, not a regular file"),
        ("in.csv --config pipe", "pipe: cannot read it: it is a named pipe, not a regular file"),
        ("in.csv --config .", ".: cannot read it: it is a directory, not a regular file"),
        ("in.csv --config large", "large: cannot read it: it is larger than 16777216 bytes"),
        ("/dev/zero", "/dev/zero: expected a file, found a device"),
        ("/dev/zero --skip-lines 1000000000", "/dev/zero: expected a file, found a device"),
        ("in.csv --skip-lines 1000000000", "in.csv: expected a header, found an empty file"),
        ("in.csv --skip-lines 9223372036854775807", "in.csv: expected a header, found an empty file"),
        (
            "in.csv --skip-lines 18446744073709551615",
            "--skip-lines: expected a whole number from 0 to 9223372036854775807",
        ),
    ];
    for (arguments, expected) in cases {
        let begun = Instant::now();
        let ran = sync(arguments).run().await.exits(2);
        assert!(ran.stderr.contains(expected), "{arguments}: {ran:?}");
        assert!(begun.elapsed() < SOON, "{arguments}: {:?}", begun.elapsed());
    }
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn a_token_file_may_be_a_pipe_and_have_a_byte_order_mark() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email\na@example.com\n");
    let utf16: Vec<u8> = format!("\u{feff}{TOKEN}\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    harness.write("utf8", format!("\u{feff}{TOKEN}\r\n"));
    harness.write("utf16", utf16);
    harness.write("config", format!("\u{feff}url = \"{}\"\n", harness.sandbox.url()));
    for (arguments, shell) in [
        ("--token-file utf8 --config config", "exec \"$@\""),
        ("--token-file utf16 --config config", "exec \"$@\""),
        ("--token-file /dev/fd/3 --config config", "printf token | exec \"$@\" 3<&0 </dev/null"),
        ("--token-file utf8 --config /dev/fd/3", "cat config | exec \"$@\" 3<&0 </dev/null"),
        ("--token-file /dev/stdin --config config", "exec \"$@\" <utf8"),
    ] {
        let sync = format!("sync in.csv --match email --journal {JOURNAL} --rate 1000000 {arguments}");
        harness.program(&sync).token(None).shell(shell).run().await.exits(0);
    }
    assert_eq!(harness.sandbox.contacts(TOKEN).len(), 1);
}

#[tokio::test]
async fn a_file_that_others_can_change_is_refused() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email\na@example.com\n");
    let url = harness.sandbox.url();
    let config =
        || harness.write("contactsync.toml", format!("url = \"{url}\"\njournal = \"{JOURNAL}\"\nmatch = \"email\"\n"));
    config();
    let sync = || harness.program("sync in.csv --rate 1000000");
    sync().run().await.exits(0);
    let commands = ["sync in.csv", "plan in.csv", "check", "resume", "runs"];
    let own = harness.path(".").metadata().expect("a directory").permissions();
    assert!(own.mode() & 0o002 == 0, "the folder is its owner's");
    for (name, prefix) in [("contactsync.toml", ""), (JOURNAL, "journal ")] {
        set_mode(&harness, name, 0o666);
        for command in commands {
            let ran = harness.program(command).run().await.exits(2);
            let expected = format!("{prefix}{name}: every user of this machine can write it; run `chmod o-w {name}`");
            assert!(ran.stderr.contains(&expected), "{command}: {ran:?}");
        }
        // A file that its group can write is accepted.
        set_mode(&harness, name, 0o660);
        sync().run().await.exits(0);
        // Only root can change a file's owner. Other users test with a file of root.
        if chown(harness.path(name), Some(4711), None).is_err() {
            continue;
        }
        for command in commands {
            let ran = harness.program(command).run().await.exits(2);
            let expected = format!("{prefix}{name}: it belongs to another user (uid 4711)");
            assert!(
                ran.stderr.contains(&expected) && ran.stderr.contains(&format!("chown 0 {name}`")),
                "{command}: {ran:?}"
            );
        }
        chown(harness.path(name), Some(0), None).expect("root can change the owner");
    }
    sync().run().await.exits(0);
}

#[tokio::test]
async fn where_a_token_goes_is_reported_before_anything_else() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email\na@example.com\n");
    let url = harness.sandbox.url();
    let rest = format!("--journal {JOURNAL} --rate 1000000");
    for (command, code) in [
        (format!("check in.csv --match email --url {url}"), 0),
        (format!("sync in.csv --match email --url {url} --max-calls 1"), 4),
        (format!("resume --url {url}"), 0),
    ] {
        let ran = harness.program(&format!("{command} {rest}")).run().await.exits(code);
        assert_eq!(ran.stderr.lines().next(), Some(&*format!("platform: {url}")), "{ran:?}");
        assert_eq!(ran.stderr_lines("platform: ").len(), 1, "{ran:?}");
    }
}

#[tokio::test]
async fn a_token_file_that_every_user_can_read_is_reported() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email,office\na@example.com,north\n");
    harness.write("token", TOKEN);
    let url = harness.sandbox.url();
    let tables = ["north", "south", "west"].map(|name| format!("[channel.{name}]\ntoken_file = \"token\"\n"));
    harness.write("several.toml", format!("url = \"{url}\"\nchannel_column = \"office\"\n{}", tables.concat()));
    harness.write("one.toml", format!("url = \"{url}\"\ntoken_file = \"token\"\n"));
    for (mode, is_public) in [(0o644, true), (0o604, true), (0o640, false), (0o600, false), (0o400, false)] {
        set_mode(&harness, "token", mode);
        for (config, more) in [("one.toml", ""), ("several.toml", "; the same applies to 2 more token files")] {
            let arguments = format!("sync in.csv --match email --journal {config}.db --config {config} --rate 1000000");
            let ran = harness.program(&arguments).token(None).run().await.exits(0);
            let expected = format!("every user of this machine can read it; run `chmod o-r token`{more}");
            let warnings: Vec<&str> =
                ran.stderr_lines("warning: ").into_iter().filter(|line| line.ends_with(&expected)).collect();
            assert_eq!(warnings.len(), usize::from(is_public), "{mode:o}: {ran:?}");
        }
    }
}

#[tokio::test]
async fn commands_that_only_read_create_no_file() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email\na@example.com\n");
    let url = harness.sandbox.url();
    let files = || {
        let entries = fs::read_dir(harness.path(".")).expect("the harness's directory");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> =
            names.filter(|name| !name.ends_with("stdout") && !name.ends_with("stderr")).collect();
        names.sort();
        names
    };
    let check = || -> Program<'_> {
        harness.program(&format!("check in.csv --match email --journal {JOURNAL} --url {url} --rate 1000000"))
    };
    check().run().await.exits(0);
    assert_eq!(files(), ["in.csv"]);
    assert!(harness.calls().contains("find"));
    harness.sync("in.csv --match email").run().await.exits(0);
    let before = files();
    for token in [TOKEN, "other"] {
        let _ = check().token(Some(token)).with("--channel other").run().await.exits(0);
        assert_eq!(files(), before, "{token}");
    }
    // Calls of read-only commands are journaled where there is a journal.
    let journal = rusqlite::Connection::open(harness.path(JOURNAL)).expect("a journal");
    let looks: u32 =
        journal.query_row("SELECT count(*) FROM calls WHERE run = 0", [], |row| row.get(0)).expect("a count");
    assert!(looks > 0);
}
