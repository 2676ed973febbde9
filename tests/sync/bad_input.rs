//! Errors in the input, the options, the URL or the journal: one line that names the place, the documented exit code, and no
//! unwanted call.

use std::fs;

use contactsync::sandbox::Config;

use support::{ClosedPort, Harness, JOURNAL, Output, People, TOKEN};

/// Checks a run that could not start: its exit code, its one error line, and that nothing was sent. A part that begins with
/// `hint: ` is one of the hint.
#[track_caller]
fn check_refused(harness: &Harness, ran: Output, code: i32, parts: &[&str]) {
    let ran = ran.exits(code);
    let [error] = ran.stderr_lines("error:")[..] else { panic!("expected one error: {ran:?}") };
    for part in parts {
        let is_there = match part.strip_prefix("hint: ") {
            Some(part) => ran.stderr_lines("hint: ").iter().any(|hint| hint.contains(part)),
            None => error.contains(part),
        };
        assert!(is_there, "expected `{part}`: {ran:?}");
    }
    assert_eq!(ran.stdout, "", "{ran:?}");
    assert_eq!(ran.stderr_lines("warning:"), [""; 0], "{ran:?}");
    assert!(ran.stderr.lines().all(|line| line.starts_with("error: ") || line.starts_with("hint: ")), "{ran:?}");
    assert_eq!(harness.calls(), "none", "{ran:?}");
}

#[tokio::test]
async fn an_input_that_cannot_be_read_is_refused_before_anything_is_written() {
    let harness = Harness::unlimited().await;
    let check = async |name: &str, content: Option<&[u8]>, options: &str, parts: &[&str]| {
        if let Some(content) = content {
            harness.write(name, content);
        }
        for ran in [harness.sync(&format!("{name} {options}")), harness.plan(&format!("{name} {options}"))] {
            check_refused(&harness, ran.run().await, 2, parts);
        }
        assert!(!harness.path(JOURNAL).exists(), "{name}");
    };
    let email = "--match email";
    fs::create_dir(harness.path("folder.csv")).unwrap();
    check("missing.csv", None, email, &["missing.csv: ", "no such file or directory"]).await;
    check("folder.csv", None, email, &["folder.csv: ", "found a directory"]).await;
    check("empty.csv", Some(b""), email, &["empty.csv: ", "found an empty file"]).await;
    check("blank.csv", Some(b"\n\n"), email, &["blank.csv: ", "found an empty file"]).await;
    check("nameless.csv", Some(b" , \n1,2\n"), email, &["nameless.csv:1: "]).await;
    check("twice.csv", Some(b"email,name,email\n"), email, &["twice.csv:1: ", "`email`"]).await;
    let contact = "found what looks like a contact: column";
    check(
        "headerless.csv",
        Some(b"ann@x.mx,Ann\nbo@x.mx,Bo\n"),
        email,
        &["headerless.csv:1: ", contact, "hint: use `--no-header`"],
    )
    .await;
    check("headerless.csv", Some(b"Ann;+525512345600\nBo;+525512345601\n"), "--mode create", &[contact, " 2 is"]).await;
    check("binary.csv", Some(b"email\x01\x02\0\n"), email, &["binary.csv:1: ", "control characters"]).await;
    check("print.csv", Some(b"%PDF-1.7\n%"), email, &["print.csv: ", "found a PDF"]).await;
    check("cut.csv.gz", Some(b"\x1F\x8B\x08\0"), email, &["cut.csv.gz:1: ", "unexpected end of file"]).await;
    check("open.csv", Some(b"email,\"name\na,b\n"), email, &["open.csv:1: ", "quote"]).await;
    for book in ["sheet.xlsx", "sheet.ods"] {
        let whole = fs::read(format!("fixtures/input/{book}")).expect("a fixture");
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 0xFF;
        check(book, Some(&flipped), email, &[book, "found a damaged", "save it again as .xlsx or .csv"]).await;
        check(book, Some(&whole[..whole.len() / 2]), email, &[book, "expected an archive", "found a damaged one"])
            .await;
    }
    for (name, found) in [
        ("old.xls", "an Excel file of the old kind (.xls)"),
        ("page.xls", "a table of a web page (HTML)"),
        ("contacts.vcf", "contacts as vCard (.vcf)"),
    ] {
        let content = fs::read(format!("fixtures/input/{name}")).expect("a fixture");
        check(name, Some(&content), email, &[&format!("{name}: "), found]).await;
    }
    check("people.ldif", Some(b"dn: cn=Ann\ncn: Ann\n"), email, &["people.ldif: ", "LDIF", "export it as CSV"]).await;
    check(
        "page.mht",
        Some(b"MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=x\r\n\r\n--x\r\n"),
        email,
        &["page.mht: ", "MHTML"],
    )
    .await;
    check(
        "book.xml",
        Some(b"<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\"/>"),
        email,
        &["book.xml: ", "a spreadsheet of Excel 2003 (XML)"],
    )
    .await;
    check("in.csv", Some(b"email\na@example.com\n"), "--match mail", &["in.csv: ", "`mail`", "did you mean `email`?"])
        .await;
    check("in.csv", None, "", &["in.csv: ", "expected a match field", "`email`"]).await;
    let hint = "hint: name the field that identifies a contact with --match FIELD";
    assert_eq!(harness.plan("in.csv").run().await.stderr_lines("hint:"), [hint]);
    check("in.csv", None, "--match email --match email", &["in.csv: ", "`email`", "twice"]).await;
    check("in.csv", None, "--match contact_id", &["in.csv: ", "`contact_id`"]).await;
    check("in.csv", None, "--match email --format xml", &["--format: expected csv, tsv, jsonl", "`xml`"]).await;
    check("in.csv", None, "--match email --format xlsx", &["in.csv: expected xlsx, found csv"]).await;
    check("in.csv", None, "--match email --delimiter ;;", &["--delimiter: expected one character", "`;;`"]).await;
    check("in.csv", None, "--match email --encoding klingon", &["--encoding: expected an encoding", "`klingon`"]).await;
    check(
        "in.csv",
        None,
        "--match email --sheet 2",
        &["in.csv: the name of a sheet applies to a spreadsheet only, found csv"],
    )
    .await;
    check("-", None, email, &["standard input: ", "found an empty file"]).await;
}

#[tokio::test]
async fn invalid_rows_are_rejected_one_by_one() {
    let check = async |name: &str, content: &[u8], made: usize, rejected: &[(usize, &str)]| {
        let harness = Harness::unlimited().await;
        harness.write(name, content);
        let planned = harness.plan(&format!("{name} --match email")).run().await.exits(3).planned();
        assert_eq!((planned.count("pending"), planned.count("rejected")), (made, rejected.len()), "{planned:?}");
        let ran = harness.sync(&format!("{name} --match email")).run().await.exits(3);
        let summary = ran.summary();
        assert_eq!((summary.count("created"), summary.count("rejected")), (made, rejected.len()), "{ran:?}");
        assert_eq!(harness.sandbox.contacts(TOKEN).len(), made, "{ran:?}");
        assert_eq!(ran.stderr_lines("error:"), [""; 0], "{ran:?}");
        let warnings = ran.stderr_lines("warning:");
        assert_eq!(warnings.len(), rejected.len(), "{ran:?}");
        for (warning, (line, part)) in warnings.iter().zip(rejected) {
            let place = format!("warning: {name}:{line}: row ");
            assert!(warning.starts_with(&place) && warning.contains(" rejected: "), "{place}: {ran:?}");
            assert!(warning.contains(part), "{place}{part}: {ran:?}");
        }
    };
    let good = |rows: &str| format!("email,name\na@example.com,Ann\n{rows}\nb@example.com,Bo\n").into_bytes();
    check("short.csv", &good("x@example.com"), 2, &[(3, "expected 2 cells, found 1")]).await;
    check("long.csv", &good("x@example.com,X,Y"), 2, &[(3, "expected 2 cells, found 3")]).await;
    check("none.csv", &good(",Nobody"), 2, &[(3, "column `email`")]).await;
    check("blank.csv", &good("  ,Nobody"), 2, &[(3, "column `email`")]).await;
    check(
        "many.csv",
        b"email,name,tags,remove_tags\na@example.com,\"An\xC3\xA9\nn\",,\nx\nb@example.com,Bo,x,x\n\nc@example.com,C\xC3y,,\nd@example.com,Di,,\n",
        2,
        &[(4, "found 1"), (5, "`x`"), (7, "column `name`: expected UTF-8")],
    )
    .await;
    check("after.csv", &good("x@example.com,\"X \"Y\" Z\""), 2, &[(3, "expected a delimiter after the closing quote")])
        .await;
    check(
        "cut.csv",
        b"email,name,city\na@example.com,Ann,Lima\nb@example.com,Bo",
        1,
        &[(3, "the last line does not end")],
    )
    .await;
    check(
        "control.csv",
        &good("x@example.com,a\0b"),
        2,
        &[(3, "column `name`: expected text, found the control character U+0000")],
    )
    .await;
    check(
        "control.jsonl",
        b"{\"email\":\"a@example.com\"}\n{\"email\":\"b@example.com\",\"name\":\"a\\u0001b\"}\n",
        1,
        &[(2, "column `name`: expected text, found the control character U+0001")],
    )
    .await;
    check(
        "in.jsonl",
        b"{\"email\":\"a@example.com\"}\n[1]\n{\"email\":\n17\nnull\n\n{\"name\":\"Nobody\"}\n{\"email\":{\"x\":1}}\n\xFF\n{\"email\":\"b@example.com\"}\n",
        2,
        &[
            (2, "expected a JSON object, found an array"),
            (3, "expected a JSON object"),
            (4, "found a number"),
            (5, "found null"),
            (7, "column `email`"),
            (8, "column `email`"),
            (9, "expected"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_truncated_input_sends_nothing() {
    let harness = Harness::unlimited().await;
    let packed = fs::read("fixtures/input/packed.csv.gz").unwrap();
    let check = async |name: &str, content: &[u8], part: &str| {
        harness.write(name, content);
        check_refused(&harness, harness.sync(&format!("{name} --match phone")).run().await, 2, &[part]);
    };
    check("in.json", b"[{\"phone\": 1},\n{,}]", "in.json:2: expected JSON at byte 2, found a fault").await;
    check("cut.csv.gz", &packed[..packed.len() - 9], "failed to read the input").await;
}

#[tokio::test]
async fn an_unclosed_quote_late_in_a_large_file_sends_nothing() {
    let harness = Harness::unlimited().await;
    let rows = |from: usize, to: usize| {
        (from..to).fold(String::new(), |rows, nth| rows + &format!("p{nth}@example.com,Person\n"))
    };
    let missing = "a quoted cell begins in the row on this line, and its closing quote is missing";
    let late = format!("email,name\n{}x@example.com,\"X\n{}", rows(0, 20_000), rows(20_000, 40_000));
    let swallowed =
        format!("email,name\n{}x@example.com,\"X\n\"y@example.com\",Y\n{}", rows(0, 5_000), rows(5_000, 6_000));
    for (name, content, line) in [("late.csv", late, 20_002), ("swallowed.csv", swallowed, 5_002)] {
        harness.write(name, content);
        for ran in [harness.sync(&format!("{name} --match email")), harness.plan(&format!("{name} --match email"))] {
            let ran = ran.run().await;
            assert_eq!(ran.stderr_lines("hint:").len(), 1, "{ran:?}");
            check_refused(&harness, ran, 2, &[&format!("{name}:{line}: {missing}")]);
        }
        // No row is left for `resume`.
        let ran = harness.resume().run().await.exits(0);
        assert_eq!(ran.summary().count("rows"), 0, "{ran:?}");
        assert_eq!(harness.calls(), "none", "{ran:?}");
    }
    assert!(harness.sandbox.contacts(TOKEN).is_empty());
}

#[tokio::test]
async fn every_command_reports_titles_above_the_header() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "Contacts of today\n\nemail;name\na@example.com;Ann\n");
    let hint = "line 3 looks like the header: use `--skip-lines 2`";
    for ran in [
        harness.sync("in.csv --match email"),
        harness.plan("in.csv --match email"),
        harness.program("check in.csv --match email"),
        harness.program("init in.csv --config out.toml"),
    ] {
        let ran = ran.run().await;
        assert!(ran.stderr.contains(hint) || ran.stdout.contains(hint), "{ran:?}");
    }
    harness.sync("in.csv --match email --skip-lines 2").run().await.exits(0);
}

#[tokio::test]
async fn a_file_without_rows_finishes_without_calls() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email,name\n");
    harness.write("in.jsonl", "");
    for name in ["in.csv", "in.jsonl"] {
        let summary = harness.sync(&format!("{name} --match email")).run().await.exits(0).summary();
        assert_eq!((summary.count("rows"), summary.text("state")), (0, "finished"));
        assert_eq!(harness.plan(&format!("{name} --match email")).run().await.exits(0).planned().count("rows"), 0);
    }
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn an_invalid_url_or_token_is_refused() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email\na@example.com\n");
    harness.write("empty", " \n");
    harness.write("two-lines", "one\ntwo\n");
    let url = harness.sandbox.url();
    let check = async |options: &str, token: Option<&str>, parts: &[&str]| {
        let program = harness.program(&format!("sync in.csv --match email --json --journal {JOURNAL} {options}"));
        check_refused(&harness, program.token(token).run().await, 2, parts);
        assert!(!harness.path(JOURNAL).exists(), "{options}");
    };
    let here = &format!("--url {url}");
    check(here, None, &["CONTACTSYNC_TOKEN", "is not set"]).await;
    check(here, Some(""), &["CONTACTSYNC_TOKEN", "empty"]).await;
    check(here, Some("Bearer s3cret"), &["CONTACTSYNC_TOKEN", "a space"]).await;
    check(&format!("{here} --token-env OTHER"), Some(TOKEN), &["OTHER", "is not set"]).await;
    check(&format!("{here} --token-file none"), Some(TOKEN), &["token file none"]).await;
    check(&format!("{here} --token-file empty"), Some(TOKEN), &["token file empty", "empty"]).await;
    check(&format!("{here} --token-file two-lines"), Some(TOKEN), &["token file two-lines", "line break"]).await;
    check("", Some(TOKEN), &["no platform is configured"]).await;
    check("--platform acme", Some(TOKEN), &["`acme`", "`1980tic`", "`orade`"]).await;
    check("--url app.example.com/api/v1", Some(TOKEN), &["https://"]).await;
    check("--url https://", Some(TOKEN), &["URL"]).await;
    check("--url ftp://example.com", Some(TOKEN), &["ftp://"]).await;
    check(
        "--url http://app.example.com/api/v1",
        Some(TOKEN),
        &["plain `http://`", "`app.example.com`", "hint: --allow-http"],
    )
    .await;
    check("--url http://192.0.2.1/api/v1", Some(TOKEN), &["plain `http://`"]).await;
    check("--url https://example.com/v1?token=s3cret", Some(TOKEN), &["`?`"]).await;
}

#[tokio::test]
async fn invalid_arguments_are_usage_errors() {
    let harness = Harness::unlimited().await;
    for arguments in
        ["", "sync", "sync in.csv --no-such-option", "sync in.csv --rate 0", "sync in.csv --mode replace", "nothing"]
    {
        let ran = harness.program(arguments).run().await.exits(2);
        assert_eq!(ran.stdout, "", "{ran:?}");
        assert!(!ran.stderr.is_empty(), "{arguments}");
    }
    let ran = harness.program("runs").run().await;
    check_refused(&harness, ran, 2, &["contactsync.db", "no such file"]);
    let ran = harness.resume().run().await;
    check_refused(&harness, ran, 2, &[JOURNAL, "no such file"]);
}

#[tokio::test]
async fn a_refused_token_stops_the_run_and_the_right_one_ends_it() {
    let config = Config { rate: 0, tokens: vec!["right".into()], ..Config::default() };
    let harness = Harness::of(config).await;
    let people = People::new(30, 3, 1);
    harness.write("in.csv", people.csv());
    for (program, token) in [(harness.sync("in.csv --match email"), "wrong-token"), (harness.resume(), "worse-token")] {
        let ran = program.token(Some(token)).run().await.exits(5);
        let summary = ran.summary();
        assert_eq!((summary.rows().as_str(), summary.text("state")), ("30 pending", "stopped"));
        let [error] = ran.stderr_lines("error:")[..] else { panic!("{ran:?}") };
        assert!(error.contains("the platform refused the token: API Token is invalid."), "{error}");
        let [hint] = ran.stderr_lines("hint:")[..] else { panic!("{ran:?}") };
        assert!(hint.contains("contactsync resume"), "{hint}");
        assert!(!ran.stderr.contains(token) && !ran.stdout.contains(token), "{ran:?}");
    }
    harness.resume().token(Some("right")).run().await.exits(0);
    people.assert_stored_in_channel(&harness.sandbox, "right");
    assert_eq!(harness.sandbox.ledger().creates("right"), 30);
}

#[tokio::test]
async fn an_unreachable_platform_stops_the_run_and_leaves_its_rows_pending() {
    // Each case waits ten seconds for a first answer, so they run concurrently.
    tokio::join!(
        check_closed_port(),
        check_wrong_path("--match email"),
        check_wrong_path("--match email --mode create"),
        check_wrong_path("--mode create"),
    );
}

async fn check_closed_port() {
    let harness = Harness::unlimited().await;
    let people = People::new(30, 3, 1);
    harness.write("in.csv", people.csv());
    let closed = ClosedPort::take().expect("a free port");
    let gone = closed.url().expect("the address of the port");
    let sync = format!("sync in.csv --match email --json --journal {JOURNAL} --rate 10000 --url {gone}");
    let ran = harness.program(&sync).run().await.exits(4);
    let summary = ran.summary();
    assert_eq!((summary.rows().as_str(), summary.text("state")), ("30 pending", "stopped"));
    assert!(summary.text("reason").contains("is not available"), "{ran:?}");
    let reports = ran.stderr.lines().filter(|line| line.contains("refused")).count();
    assert!((1..=2).contains(&reports), "{ran:?}");
    assert_eq!(ran.stderr_lines("error:"), [""; 0], "{ran:?}");
    // On a platform that is reachable.
    harness.resume().with("--moved").run().await.exits(0);
    people.assert_stored_in(&harness.sandbox);
}

async fn check_wrong_path(options: &str) {
    let harness = Harness::unlimited().await;
    let people = People::new(30, 3, 1);
    harness.write("in.csv", people.csv());
    let wrong = harness.sandbox.url().replace("/api/v1", "/api/v2");
    let sync = format!("sync in.csv {options} --json --journal {JOURNAL} --search-lag 1s --rate 10000 --url");
    let ran = harness.program(&format!("{sync} {wrong}")).run().await.exits(2);
    let summary = ran.summary();
    assert_eq!((summary.rows().as_str(), summary.text("state")), ("30 pending", "stopped"), "{options}: {ran:?}");
    assert_eq!(
        ran.stderr_lines(&format!("error: every call to {wrong} was answered 404: ")).len(),
        1,
        "{options}: {ran:?}"
    );
    assert!(summary.text("reason").contains("check the URL"), "{options}: {ran:?}");
    assert!(ran.stderr.contains("check the URL"), "{options}: {ran:?}");
    assert!(harness.sandbox.contacts(TOKEN).is_empty());
    assert!(!harness.calls().contains("create"));

    let right = harness.program(&format!("{sync} {} --moved", harness.sandbox.url())).run().await.exits(0);
    assert_eq!(right.summary().rows(), "30 created", "{options}");
    people.assert_stored_in(&harness.sandbox);
}

#[tokio::test]
async fn a_journal_that_cannot_be_used_is_refused_and_left_as_it_is() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email\na@example.com\n");
    let url = harness.sandbox.url();
    let check = async |journal: &str, code: i32, parts: &[&str]| {
        let path = harness.path(journal);
        let before = fs::read(&path).ok();
        for command in ["sync in.csv --match email --json --url", "resume --json --url"] {
            if command.starts_with("resume") && !path.exists() {
                continue;
            }
            let ran = harness.program(&format!("{command} {url} --journal {journal}")).run().await;
            check_refused(&harness, ran, code, parts);
        }
        if path.exists() {
            let ran = harness.program(&format!("plan in.csv --match email --json --journal {journal}")).run().await;
            check_refused(&harness, ran, code, parts);
            let ran = harness.program(&format!("runs --journal {journal}")).run().await;
            check_refused(&harness, ran, code, parts);
        }
        assert_eq!(fs::read(&path).ok(), before, "{journal}");
    };
    check("none/j.db", 2, &["journal none/j.db"]).await;

    fs::create_dir(harness.path("folder.db")).unwrap();
    check("folder.db", 2, &["journal folder.db"]).await;

    fs::create_dir(harness.path("locked")).unwrap();
    let mut rights = fs::metadata(harness.path("locked")).unwrap().permissions();
    rights.set_readonly(true);
    fs::set_permissions(harness.path("locked"), rights).unwrap();
    // Root may write everywhere.
    if fs::write(harness.path("locked/try"), "").is_err() {
        check("locked/j.db", 2, &["journal locked/j.db"]).await;
    }

    let other = rusqlite::Connection::open(harness.path("other.db")).unwrap();
    other.execute_batch("CREATE TABLE songs (name TEXT); INSERT INTO songs VALUES ('a')").unwrap();
    drop(other);
    check("other.db", 2, &["journal other.db", "a database of another program"]).await;

    harness.program(&format!("sync in.csv --match email --url {url} --journal newer.db")).run().await.exits(0);
    let newer = rusqlite::Connection::open(harness.path("newer.db")).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let _ = harness.calls();
    check("newer.db", 2, &["journal newer.db", "found 99", "newer contactsync"]).await;

    harness.write("text.db", "These are my contacts: ann@example.com\n".repeat(100));
    check("text.db", 2, &["journal text.db", "expected a journal of contactsync"]).await;
    harness.write("short.db", "email\n");
    check("short.db", 2, &["journal short.db", "expected a journal of contactsync"]).await;
}
