//! Alerts: one message for each change of state, pings of a check, and hooks that fail or hang.

use std::fs;
use std::time::{Duration, Instant};

use contactsync::sandbox::Faults;
use serde_json::Value as Json;
use support::{Harness, Listener, Output, TOKEN};

const GOOD: &str = "email,name\na@example.com,A\nb@example.com,B\nc@example.com,C\n";
const REJECTED: &str = "email,name\na@example.com,A\nb@example.com,B\nno address,C\n";

/// All messages go to one file, a line each.
const EVERY_MESSAGE: &str = "match = \"email\"\n[notify]\non_failure = \"cat >> messages\"\non_degraded = \"cat >> messages\"\n\
                             on_recovered = \"cat >> messages\"\n";

fn messages(harness: &Harness) -> Vec<Json> {
    let text = fs::read_to_string(harness.path("messages")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("each message is JSON")).collect()
}

fn events(harness: &Harness) -> Vec<String> {
    let event = |message: Json| message["alert"]["event"].as_str().expect("its event").to_owned();
    messages(harness).into_iter().map(event).collect()
}

#[tokio::test]
async fn each_change_of_state_is_told_once() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", EVERY_MESSAGE);
    harness.write("good.csv", GOOD);
    harness.write("rejected.csv", REJECTED);
    let mut told = 0;
    for (input, code, expected) in [
        ("good.csv", 0, None),
        ("missing.csv", 2, Some("failure")),
        ("missing.csv", 2, None),
        ("good.csv", 0, Some("recovered")),
        ("good.csv", 0, None),
        ("rejected.csv", 3, Some("degraded")),
        ("rejected.csv", 3, None),
        ("missing.csv", 2, Some("failure")),
        ("rejected.csv", 3, Some("degraded")),
        ("good.csv", 0, Some("recovered")),
    ] {
        let ran = harness.sync(input).run().await.exits(code);
        assert!(!ran.stderr.contains("notify"), "{ran:?}");
        let events = events(&harness);
        assert_eq!(events.get(told).map(String::as_str), expected, "{input} after {told} messages");
        told = events.len();
    }
    assert_eq!(told, 6);
    // To have nothing to resume shows neither that a failure is over nor that runs are well.
    harness.sync("missing.csv").run().await.exits(2);
    let failed = events(&harness);
    let ran = harness.resume().run().await.exits(0);
    assert!(ran.stderr.contains("nothing to resume"), "{ran:?}");
    assert_eq!(events(&harness), failed);
    harness.sync("good.csv").run().await.exits(0);
    assert_eq!(events(&harness).last().map(String::as_str), Some("recovered"));
}

#[tokio::test]
async fn a_message_is_the_summary_with_its_circumstances() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", format!("{EVERY_MESSAGE}on_finish = \"cat >> ends\"\n"));
    harness.write("good.csv", GOOD);
    harness.sync("missing.csv --source crm").run().await.exits(2);
    let ran = harness.sync("good.csv --source crm").run().await.exits(0);
    let [failed, recovered] = &messages(&harness)[..] else { panic!("{:?}", messages(&harness)) };
    assert_eq!((&failed["state"], &failed["rows"], &failed["alert"]["exit"]), (&"failed".into(), &0.into(), &2.into()));
    let text = failed["text"].as_str().unwrap_or_default();
    assert!(text.starts_with("contactsync: channel `default` failed (exit code 2): missing.csv: "), "{text}");
    assert_eq!(failed["reason"], failed["alert"]["message"]);
    // It has all keys and values of `--json`.
    let summary = ran.summary().json;
    for (key, value) in summary.as_object().expect("an object") {
        assert_eq!(&recovered[key], value, "{key}");
    }
    let alert = recovered["alert"].as_object().expect("an object");
    let text = |key: &str| alert[key].as_str().unwrap_or_default();
    assert_eq!((text("event"), text("health"), text("earlier")), ("recovered", "ok", "failed"));
    assert_eq!((text("channel"), text("source"), &alert["job"]), ("default", "crm", &Json::Null));
    assert_eq!(recovered["text"], "contactsync: channel `default` has recovered (exit code 0); 3 rows: 3 created");
    let ends = fs::read_to_string(harness.path("ends")).expect("on_finish ran");
    let ends: Vec<Json> = ends.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of_ends: Vec<_> = ends.iter().map(|end| (&end["alert"]["event"], &end["alert"]["exit"])).collect();
    assert_eq!(of_ends, [(&"finish".into(), &2.into()), (&"finish".into(), &0.into())]);
}

#[tokio::test]
async fn the_exit_codes_that_are_failures_are_told_as_failures() {
    let check = async |name: &str, harness: &Harness, ran: Output, code: i32, is_failure: bool| {
        ran.exits(code);
        let expected: &[&str] = if is_failure { &["failure"] } else { &[] };
        assert_eq!(events(harness), expected, "{name}");
    };
    let ready = async |faults: Faults| {
        let harness = Harness::faulty(faults).await;
        harness.write("contactsync.toml", EVERY_MESSAGE);
        harness.write("good.csv", GOOD);
        harness
    };
    let well = || ready(Faults::default());
    let harness = well().await;
    check("done", &harness, harness.sync("good.csv").run().await, 0, false).await;
    let harness = well().await;
    harness.write("mixed.csv", format!("{REJECTED}{}", &GOOD["email,name\n".len()..].repeat(4).replace('@', ".x@")));
    check("rejected rows", &harness, harness.sync("mixed.csv").run().await, 3, false).await;
    let harness = well().await;
    let ran = harness.sync("good.csv").shell("exec \"$@\" > /dev/full").run().await;
    check("full disk", &harness, ran, 1, true).await;
    let harness = well().await;
    harness.write("journal.db", "this is no journal");
    check("no journal", &harness, harness.sync("good.csv").run().await, 2, true).await;
    let harness = well().await;
    check("no input", &harness, harness.sync("").run().await, 2, true).await;
    let harness = well().await;
    check("own limit", &harness, harness.sync("good.csv --max-calls 1").run().await, 4, false).await;
    let harness = ready(Faults { bad_gateway: 1.0, ..Faults::default() }).await;
    check("outage", &harness, harness.sync("good.csv --outage-timeout 1s").run().await, 4, true).await;
    let harness = well().await;
    harness.sandbox.refuse_token(TOKEN);
    check("token", &harness, harness.sync("good.csv").run().await, 5, true).await;
    let harness = well().await;
    check("guard", &harness, harness.sync("good.csv --min-rows 4").run().await, 7, true).await;
}

#[tokio::test]
async fn a_run_that_is_refused_by_a_lock_is_a_failure_and_keeps_the_memory_whole() {
    let harness = Harness::faulty(Faults { latency: Duration::from_mins(1), ..Faults::default() }).await;
    harness.write("contactsync.toml", EVERY_MESSAGE);
    harness.write("good.csv", GOOD);
    let mut first = harness.sync("good.csv").start();
    assert!(first.until(|| !harness.sandbox.ledger().is_empty()).await);
    harness.sync("good.csv --metrics-file m.prom").run().await.exits(6);
    assert_eq!(events(&harness), ["failure"]);
    let metrics = fs::read_to_string(harness.path("m.prom")).expect("metrics are written when a lock refuses the run");
    assert!(metrics.contains("contactsync_last_run_exit_code{channel=\"default\"} 6\n"), "{metrics}");
    assert!(metrics.contains("contactsync_last_success_timestamp_seconds{channel=\"default\"} 0\n"), "{metrics}");
    first.signal("TERM").await;
    first.signal("TERM").await;
    first.end().await.exits(4);
    harness.sandbox.set_faults(Faults::default());
    harness.sync("good.csv").run().await.exits(0);
    assert_eq!(events(&harness), ["failure", "recovered"]);
}

#[tokio::test]
async fn nights_that_stop_early_are_told_when_they_last() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", format!("{EVERY_MESSAGE}[notify.degraded]\nstopped = 3\n"));
    let rows = (0..40).map(|row| format!("p{row}@example.com,P\n")).collect::<Vec<_>>().concat();
    harness.write("in.csv", format!("email,name\n{rows}"));
    for night in 1..=4 {
        harness.sync("in.csv --max-calls 2").run().await.exits(4);
        assert_eq!(events(&harness).len(), usize::from(night >= 3), "night {night}");
    }
    let text = messages(&harness)[0]["text"].as_str().unwrap_or_default().to_owned();
    assert!(text.contains("is degraded: 3 runs in a row stopped before the end"), "{text}");
    harness.sync("in.csv").run().await.exits(0);
    assert_eq!(events(&harness), ["degraded", "recovered"]);
}

#[tokio::test]
async fn unusual_runs_are_degraded_by_the_thresholds() {
    let harness = Harness::unlimited().await;
    let rows = |count: usize| (0..count).map(|row| format!("p{row}@example.com,P\n")).collect::<Vec<_>>().concat();
    harness.write("contactsync.toml", EVERY_MESSAGE);
    for count in [10, 10, 10, 4] {
        harness.write("in.csv", format!("email,name\n{}", rows(count)));
        harness.sync("in.csv").run().await.exits(0);
    }
    let [few] = &messages(&harness)[..] else { panic!("{:?}", messages(&harness)) };
    assert_eq!(few["alert"]["reasons"], serde_json::json!(["the input has 4 rows; the usual number is 10"]));
    harness.write(
        "strict.toml",
        format!("{EVERY_MESSAGE}repeat = true\ndegraded = {{ duration = \"1ms\", rows = \"90%\" }}\n"),
    );
    for _ in 0..2 {
        harness.sync("in.csv --config strict.toml").run().await.exits(0);
    }
    let last: Vec<_> = messages(&harness).into_iter().skip(1).collect();
    assert_eq!(last.len(), 2, "{last:?}");
    for message in last {
        let reason = message["alert"]["reasons"][0].as_str().unwrap_or_default().to_owned();
        assert!(reason.starts_with("it took ") && reason.ends_with(" s, longer than 0 s"), "{reason}");
    }
}

#[tokio::test]
async fn a_hook_that_fails_or_hangs_is_reported_and_changes_nothing() {
    let harness = Harness::unlimited().await;
    harness.write("good.csv", GOOD);
    let check = async |hook: &str, expected: &str| {
        harness.write(
            "contactsync.toml",
            format!("match = \"email\"\n[notify]\ntimeout = \"1s\"\non_finish = {hook:?}\n"),
        );
        let begun = Instant::now();
        let ran = harness.sync("good.csv -q").run().await.exits(0);
        assert!(begun.elapsed() < Duration::from_secs(30), "{ran:?}");
        assert_eq!(
            ran.stderr_lines("warning:"),
            [format!("warning: notify: the command of on_finish failed: {expected}")]
        );
    };
    check("exit 3", "exit code 3").await;
    check("echo 'no route to host' >&2; exit 1", "exit code 1: no route to host").await;
    check("/no/such/program", "exit code 127: sh: 1: /no/such/program: not found").await;
    check("sleep 300 & echo $! > started; wait", "did not end within 1 s and was killed").await;
    check("printf 'a\\033[31mb'; exit 1", "exit code 1: a\\u{1b}[31mb").await;
    let started = fs::read_to_string(harness.path("started")).expect("the process that the hook started");
    let stat = format!("/proc/{}/stat", started.trim());
    // It has ended, or waits to be collected.
    let is_over = || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
    for _ in 0..1_000 {
        if is_over() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(is_over(), "{stat}");

    // A message that could not be delivered is sent again.
    for (hook, told) in [("cat > /dev/null; exit 1", 0), ("cat >> messages", 1), ("cat >> messages", 1)] {
        harness.write("contactsync.toml", format!("match = \"email\"\n[notify]\non_failure = {hook:?}\n"));
        harness.sync("missing.csv").run().await.exits(2);
        assert_eq!(events(&harness).len(), told, "{hook}");
    }
}

#[tokio::test]
async fn a_hook_gets_no_token() {
    let harness = Harness::unlimited().await;
    harness.write("good.csv", GOOD);
    harness.write(
        "contactsync.toml",
        "match = \"email\"\ntoken_env = \"OTHER\"\n[notify]\non_finish = \"env > seen; cat >> seen\"\n\
         [job.a]\nsource = \"a\"\n[job.b]\ntoken_env = \"OF_B\"\n",
    );
    let of_b = ("OF_B", TOKEN);
    let tokens = [("OTHER", TOKEN), of_b, ("CONTACTSYNC_TOKEN", "another-s3cret"), ("SHOWN", "yes")];
    // Also those of other jobs, and of the whole file.
    for options in ["", "--job a", "--job b", "--token-env OF_B"] {
        harness.sync(&format!("good.csv {options}")).environment(&tokens).run().await.exits(0);
        let seen = fs::read_to_string(harness.path("seen")).expect("the hook ran");
        assert!(seen.contains("SHOWN=yes"), "{options}: {seen}");
        assert!(!seen.contains("OTHER=") && !seen.contains("OF_B=") && !seen.contains("s3cret"), "{options}: {seen}");
        fs::remove_file(harness.path("seen")).expect("the hook ran");
    }
}

#[tokio::test]
async fn a_check_is_pinged_at_the_start_and_at_the_end() {
    let harness = Harness::unlimited().await;
    harness.write("good.csv", GOOD);
    let listener = Listener::start("200 OK");
    let config = |path: &str| format!("match = \"email\"\n[notify]\nping_url = {:?}\n", listener.url(path));
    harness.write("contactsync.toml", config("/s3cret"));
    let mut expected = Vec::new();
    for (input, code, end) in [
        ("good.csv", 0, "GET /s3cret"),
        ("missing.csv", 2, "GET /s3cret/fail"),
        ("good.csv --max-calls 1", 0, "GET /s3cret"),
    ] {
        harness.sync(input).run().await.exits(code);
        expected.extend(["GET /s3cret/start", end]);
        assert_eq!(listener.lines(), expected, "{input}");
    }
    harness.write("contactsync.toml", config("/s3cret?create=1"));
    harness.sync("good.csv").run().await.exits(0);
    assert_eq!(listener.lines()[6..], ["GET /s3cret/start?create=1", "GET /s3cret?create=1"]);
    for request in listener.requests() {
        assert!(!request.headers.to_lowercase().contains("authorization"), "{request:?}");
    }

    // A check that refuses the ping is reported, without the secret in its URL.
    let refusing = Listener::start("500 Oops");
    harness
        .write("contactsync.toml", format!("match = \"email\"\n[notify]\nping_url = {:?}\n", refusing.url("/s3cret")));
    let ran = harness.sync("good.csv").run().await.exits(0);
    let warning = format!("warning: notify: ping_url: {}: answered 500", refusing.url(""));
    assert_eq!(ran.stderr_lines("warning: notify"), [warning.as_str(), warning.as_str()]);
    assert!(!ran.log.contains("s3cret"), "{ran:?}");
}

#[tokio::test]
async fn a_url_gets_the_message_and_no_other_host_does() {
    let harness = Harness::unlimited().await;
    harness.write("good.csv", GOOD);
    let (listener, other) = (Listener::start("200 OK"), Listener::start("200 OK"));
    let moved = Listener::start(&format!("307 Moved\r\nLocation: {}", other.url("/stolen")));
    let config = |hook: &str| format!("match = \"email\"\n[notify]\non_finish = {hook:?}\n");
    harness.write("contactsync.toml", config(&listener.url("/hooks/s3cret")));
    harness.sync("good.csv").run().await.exits(0);
    let [request] = &listener.requests()[..] else { panic!("{:?}", listener.requests()) };
    assert_eq!(request.line, "POST /hooks/s3cret");
    let body: Json = serde_json::from_str(&request.body).expect("JSON");
    assert_eq!((&body["created"], &body["alert"]["event"]), (&3.into(), &"finish".into()));
    assert!(request.headers.to_lowercase().contains("content-type: application/json"), "{request:?}");

    // After some redirects a client sends a GET, without the message: it is not delivered.
    let elsewhere = Listener::start("301 Moved\r\nLocation: /elsewhere");
    harness.write("contactsync.toml", config(&elsewhere.url("/hooks/s3cret")));
    let ran = harness.sync("good.csv").run().await.exits(0);
    assert!(ran.stderr.contains("answered 301"), "{ran:?}");
    assert_eq!(elsewhere.lines(), ["POST /hooks/s3cret"]);

    harness.write("contactsync.toml", config(&moved.url("/hooks/s3cret")));
    let ran = harness.sync("good.csv").run().await.exits(0);
    assert!(ran.stderr.contains(&format!("warning: notify: on_finish: {}: answered 307", moved.url(""))), "{ran:?}");
    assert_eq!(other.lines(), Vec::<String>::new());

    // Plain http needs permission, and the error repeats no secret.
    harness.write("contactsync.toml", config("http://hooks.example.com/s3cret"));
    let ran = harness.sync("good.csv").run().await.exits(2);
    let errors =
        ran.stderr_lines("error: contactsync.toml:3: key `on_finish`: expected `https://`, found plain `http://`");
    assert!(errors.len() == 1 && !ran.log.contains("s3cret"), "{ran:?}");
}

#[tokio::test]
async fn a_run_that_a_signal_ends_at_once_is_reported() {
    let harness = Harness::unlimited().await;
    let listener = Listener::start("200 OK");
    let notify = format!("[notify]\nping_url = {:?}\non_finish = \"cat >> messages\"\n", listener.url("/check"));
    harness.write(
        "contactsync.toml",
        format!("match = \"email\"\ninput_command = \"echo email; touch begun; sleep 60\"\n{notify}"),
    );
    let mut running = harness.sync("--metrics-file m.prom").start();
    assert!(running.until(|| harness.path("begun").exists()).await);
    running.signal("INT").await;
    let ran = running.end().await.exits(4);
    assert_eq!(ran.stderr_lines("warning: SIGINT: ended before anything was sent").len(), 1, "{ran:?}");
    assert_eq!(listener.lines(), ["GET /check/start", "GET /check"]);
    let [end] = &messages(&harness)[..] else { panic!("{:?}", messages(&harness)) };
    assert_eq!((&end["state"], &end["alert"]["exit"]), (&"stopped".into(), &4.into()));
    let metrics = fs::read_to_string(harness.path("m.prom")).expect("metrics");
    assert!(metrics.contains("contactsync_last_run_exit_code{channel=\"default\"} 4\n"), "{metrics}");
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn a_signal_during_a_hook_ends_the_program_at_once() {
    let harness = Harness::unlimited().await;
    harness.write("good.csv", GOOD);
    harness.write(
        "contactsync.toml",
        "match = \"email\"\n[notify]\ntimeout = \"2m\"\non_finish = \"touch begun; sleep 120\"\n",
    );
    let begun = Instant::now();
    let mut running = harness.sync("good.csv").start();
    assert!(running.until(|| harness.path("begun").exists()).await);
    running.signal("TERM").await;
    let ran = running.end().await.exits(4);
    assert!(begun.elapsed() < Duration::from_mins(1), "{ran:?}");
    assert_eq!(ran.stderr_lines("warning: SIGTERM: ended before the end of the run was reported").len(), 1, "{ran:?}");
}

#[tokio::test]
async fn a_run_that_reaches_its_time_limit_while_it_reads_is_reported() {
    let harness = Harness::unlimited().await;
    let config =
        "match = \"email\"\ninput_command = \"echo email; sleep 60\"\n[notify]\non_finish = \"cat >> messages\"\n";
    harness.write("contactsync.toml", config);
    harness.sync("--for 1s").run().await.exits(4);
    let [end] = &messages(&harness)[..] else { panic!("{:?}", messages(&harness)) };
    assert!(end["alert"]["message"].as_str().is_some_and(|text| text.starts_with("stopped at the deadline")), "{end}");
    assert_eq!(end["alert"]["health"], "ok");
}

#[tokio::test]
async fn a_damaged_memory_begins_anew_and_the_file_is_private() {
    use std::os::unix::fs::PermissionsExt as _;

    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", EVERY_MESSAGE);
    harness.sync("missing.csv").run().await.exits(2);
    let mode = fs::metadata(harness.path("journal.db.alerts")).expect("the memory").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!harness.path("journal.db").exists());
    harness.write("journal.db.alerts", "{ \"jobs\": [");
    let ran = harness.sync("missing.csv").run().await.exits(2);
    assert_eq!(ran.stderr_lines("warning: journal.db.alerts: cannot be read; starting empty: ").len(), 1, "{ran:?}");
    assert_eq!(events(&harness), ["failure", "failure"]);
    // Without [notify] and metrics, there is no memory.
    let other = Harness::unlimited().await;
    other.write("good.csv", GOOD);
    other.sync("good.csv --match email").run().await.exits(0);
    assert!(!other.path("journal.db.alerts").exists());
}

#[tokio::test]
async fn quiet_is_silent_when_all_is_well() {
    let harness = Harness::unlimited().await;
    let listener = Listener::start("200 OK");
    harness.write("good.csv", GOOD);
    let hooks = format!("ping_url = {:?}\non_finish = \"echo noise; echo more noise >&2\"\n", listener.url("/check"));
    let url = harness.sandbox.url();
    let config = format!(
        "match = \"email\"\nurl = {url:?}\nmetrics_file = \"m.prom\"\n[notify]\n{hooks}[job.a]\ninput = \"good.csv\"\n[job.b]\ninput = \"good.csv\"\n"
    );
    harness.write("contactsync.toml", config);
    for arguments in ["sync good.csv -q", "sync good.csv -q", "sync --all -q", "sync --job a --quiet", "resume -q"] {
        let ran = harness.program(arguments).run().await.exits(0);
        assert_eq!((ran.stdout.as_str(), ran.log.as_str()), ("", ""), "{arguments}");
    }
}
