//! One channel is one token: a new token is verified before anything is sent, and a token command runs again when its token is
//! refused.

use std::fs;

use contactsync::Field;
use contactsync::report::CallKind;
use contactsync::sandbox::{Config, Fault, Faults, Rule, StoredContact};

use crate::old_journals::write_old;
use support::{Harness, JOURNAL, People, TOKEN};

const OTHER: &str = "other-token";

const FOREIGN: &str = "channel `default`: this token belongs to another channel";

/// A platform whose contact ids start at 1 in each channel, and a channel that was synced.
async fn synced(people: &People) -> Harness {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", people.csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    let _ = harness.calls();
    harness
}

/// The contact that another channel has under the id of a known contact, given its position.
type Under = fn(usize, &StoredContact) -> Option<Vec<Field>>;

/// Stores contacts under the ids of the known ones in another channel.
fn fill(harness: &Harness, token: &str, under: Under) {
    let mut known = harness.sandbox.contacts(TOKEN);
    // In the order of the journal: creates overtake each other.
    known.sort_by_key(|contact| contact.fields["email"].text().into_owned());
    for (nth, known) in known.iter().enumerate() {
        if let Some(fields) = under(nth, known) {
            harness.sandbox.insert_as(token, known.id.clone(), fields);
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one of several functions of a type")]
fn same(_: usize, known: &StoredContact) -> Option<Vec<Field>> {
    Some(known.fields.iter().map(|(name, value)| Field { name: name.as_str().into(), value: value.clone() }).collect())
}

fn edited(nth: usize, known: &StoredContact) -> Option<Vec<Field>> {
    let by_an_agent = |field: Field| if field.name == "email" { field } else { Field::text(field.name, "by an agent") };
    same(nth, known).map(|fields| fields.into_iter().map(by_an_agent).collect())
}

#[expect(clippy::unnecessary_wraps, reason = "one of several functions of a type")]
fn stranger(nth: usize, _: &StoredContact) -> Option<Vec<Field>> {
    Some(vec![Field::text("email", format!("stranger.{nth}@example.com")), Field::text("field_01", "another value")])
}

#[tokio::test]
async fn a_new_token_must_open_the_channel_of_the_known_contacts() {
    let people = People::new(5, 4, 1);
    // The contacts of the new token's channel under the known ids, the exit code, the message, and the most reads.
    let cases: [(&str, Under, i32, &str, &str); 6] = [
        ("the same people", same, 0, "the token was renewed", "3 read"),
        ("the same people, edited", edited, 0, "the token was renewed", "3 read"),
        (
            "one of them is another one",
            |n, it| if n == 0 { stranger(n, it) } else { same(n, it) },
            0,
            "renewed",
            "3 read",
        ),
        ("other people with the same ids", stranger, 5, FOREIGN, "3 read"),
        ("no such ids", |_, _| None, 5, FOREIGN, "5 read"),
        ("all but one were deleted", |n, it| same(n, it).filter(|_| n == 0), 0, "renewed", "5 read"),
    ];
    for (case, under, code, message, calls) in cases {
        for command in ["sync", "check"] {
            let harness = synced(&people).await;
            fill(&harness, OTHER, under);
            let before = harness.sandbox.contacts(OTHER).len();
            let url = harness.sandbox.url();
            let run = |token| match command {
                "sync" => harness.sync("in.csv --match email").token(Some(token)),
                _ => harness
                    .program(&format!("check --match email --journal {JOURNAL} --url {url} --rate 1000000"))
                    .token(Some(token)),
            };
            let ran = run(OTHER).run().await.exits(code);
            let is_reported = match (command, code) {
                ("check", 0) => ran.stdout.contains("the token is new and belongs to the same channel"),
                _ => ran.stderr.contains(message),
            };
            assert!(is_reported, "{case}, {command}: {ran:?}");
            assert!(code == 0 || ran.stderr.contains("--new-token"), "{case}, {command}: {ran:?}");
            let expected = if command == "check" && code == 0 { format!("1 find, {calls}") } else { calls.to_owned() };
            assert_eq!(harness.calls(), expected, "{case}, {command}");
            assert_eq!(harness.sandbox.contacts(OTHER).len(), before, "{case}, {command}: nothing is sent");
            // A sync records a renewed token and does not verify it again; a refused token is verified again.
            let again = run(OTHER).run().await.exits(code);
            let is_quiet = command == "sync" && code == 0;
            assert_eq!(
                again.stderr.contains(message) || again.stdout.contains("the token is new"),
                !is_quiet,
                "{case}, {command}"
            );
            // Where no new token was recorded, the previous token is still the channel's.
            if !is_quiet {
                let _ = harness.calls();
                run(TOKEN).run().await.exits(0);
                assert!(!harness.calls().contains("read"), "{case}, {command}");
            }
        }
    }
}

#[tokio::test]
async fn a_channel_without_known_contacts_takes_any_token() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email,age\nann@example.com,\n");
    // Refused at its first call, so that no contact becomes known.
    harness.sandbox.refuse_token(OTHER);
    harness.sync("in.csv --match email").token(Some(OTHER)).run().await.exits(5);
    let _ = harness.calls();
    harness.sync("in.csv --match email").run().await.exits(0);
    assert_eq!(harness.calls(), "1 find, 1 create");
}

#[tokio::test]
async fn a_new_token_is_accepted_unchecked_on_request() {
    let people = People::new(3, 3, 1);
    let harness = synced(&people).await;
    let sync = || harness.sync("in.csv --match email").token(Some(OTHER));
    sync().run().await.exits(5);
    let _ = harness.calls();
    sync().with("--new-token").run().await.exits(0);
    sync().run().await.exits(0);
    assert_eq!(harness.calls(), "none");
    harness.sync("in.csv --match email").run().await.exits(0);
    assert_eq!(harness.calls(), "3 read");
}

// The platform's answer to the reads, and the exit code, which is the usual one for that answer.
#[tokio::test]
async fn a_platform_that_does_not_answer_decides_nothing() {
    let people = People::new(4, 3, 1);
    let always = |fault| Faults { rules: vec![Rule::always(fault)], ..Faults::default() };
    let cases = [
        ("no answer", Faults { lose_before: 1.0, ..Faults::default() }, 4),
        ("5xx", Faults { error_500: 1.0, ..Faults::default() }, 4),
        ("refused", always(Fault::UnknownError), 4),
        ("not the token", always(Fault::TokenExpired), 5),
    ];
    for (case, faults, code) in cases {
        let harness = synced(&people).await;
        fill(&harness, OTHER, same);
        harness.write("more.csv", People::new(6, 3, 1).csv());
        let sync = || harness.sync("more.csv --match email").token(Some(OTHER));
        harness.sandbox.set_faults(faults);
        let ran = sync().run().await.exits(code);
        assert!(!ran.stderr.contains(FOREIGN) && !ran.stderr.contains("renewed"), "{case}: {ran:?}");
        assert_eq!(ran.stdout, "", "{case}");
        let calls = harness.calls();
        assert!(calls.ends_with(" read") && !calls.contains(','), "{case}: {calls}");
        harness.sandbox.set_faults(Faults::default());
        let ran = sync().run().await.exits(0);
        assert_eq!(ran.summary().rows(), "2 created, 4 unchanged", "{case}");
        assert!(harness.calls().contains("3 read"), "{case}");
    }
}

#[tokio::test]
async fn what_an_interrupted_run_left_is_not_sent_to_another_channel() {
    let harness = Harness::unlimited().await;
    let people = People::new(8, 3, 1);
    harness.write("in.csv", people.csv());
    harness.sync("in.csv --match email --max-calls 6").run().await.exits(4);
    let known = harness.sandbox.contacts(TOKEN);
    assert!(!known.is_empty() && known.len() < 8, "{known:?}");
    for contact in &known {
        harness.sandbox.insert_as(OTHER, contact.id.clone(), [Field::text("email", "stranger@example.com")]);
    }
    let _ = harness.calls();
    let ran = harness.resume().token(Some(OTHER)).run().await.exits(5);
    assert!(ran.stderr.contains(FOREIGN), "{ran:?}");
    assert_eq!(harness.sandbox.contacts(OTHER).len(), known.len());
    harness.resume().run().await.exits(0);
    people.assert_stored_in(&harness.sandbox);
}

#[tokio::test]
async fn other_channels_continue_when_a_token_is_wrong() {
    let harness = Harness::unlimited().await;
    let config = |sur: &str, norte: &str| {
        let url = harness.sandbox.url();
        harness.write("sur.token", sur);
        harness.write("norte.token", norte);
        let channel = |name: &str| format!("[channel.{name}]\nurl = \"{url}\"\ntoken_file = \"{name}.token\"\n");
        let head = "match = \"email\"\nchannel_column = \"office\"\nrate = 1000000\n";
        harness.write("contactsync.toml", format!("{head}{}{}", channel("sur"), channel("norte")));
    };
    let file = |count: usize| {
        let rows = (0..count).map(|n| format!("s{n}@example.com,sur\nn{n}@example.com,norte\n"));
        harness.write("in.csv", format!("email,office\n{}", rows.collect::<String>()));
    };
    let sync = |token: Option<&str>| harness.program("sync in.csv --json").token(token);
    config("token-s", "token-n");
    file(2);
    sync(None).run().await.exits(0);
    // One channel has the token of the other.
    config("token-s", "token-s");
    file(3);
    let ran = sync(None).run().await.exits(5);
    assert!(ran.stderr.contains("channel `norte`: this token belongs to another channel"), "{ran:?}");
    assert!(ran.stderr.contains("--new-token") && !ran.stderr.contains("put it back"), "{ran:?}");
    assert_eq!((harness.sandbox.contacts("token-s").len(), harness.sandbox.contacts("token-n").len()), (3, 2));
    let ran = harness.program("resume --json").token(None).run().await.exits(5);
    assert!(ran.stderr.contains("channel `norte`: this token"), "{ran:?}");
    config("token-s", "token-n");
    harness.program("resume --json").token(None).run().await.exits(0);
    assert_eq!((harness.sandbox.contacts("token-s").len(), harness.sandbox.contacts("token-n").len()), (3, 3));
}

#[tokio::test]
async fn a_journal_of_an_earlier_version_is_compared_once() {
    let people = People::new(4, 3, 1);
    let harness = synced(&people).await;
    let (url, contacts) = (harness.sandbox.url(), harness.sandbox.contacts(TOKEN));
    write_old(&harness.path(JOURNAL), 4, &url, &contacts);
    // The calls of the first sync are not in it.
    std::fs::remove_file(harness.path(&format!("{JOURNAL}-default.lock"))).unwrap();
    let ran = harness.sync("in.csv --match email").token(Some(OTHER)).run().await.exits(5);
    assert!(ran.stderr.contains(FOREIGN), "{ran:?}");
    let _ = harness.calls();
    for calls in ["3 read", "none"] {
        let ran = harness.sync("in.csv --match email").run().await.exits(0);
        assert_eq!((harness.calls().as_str(), ran.stderr.contains("renewed")), (calls, false));
    }
}

/// A command that prints the file `current` and appends a line to `runs`.
const PRINT: &str = "echo ran >> runs; echo asking the vault >&2; cat current";

fn runs(harness: &Harness) -> usize {
    fs::read_to_string(harness.path("runs")).unwrap_or_default().lines().count()
}

#[tokio::test]
async fn the_token_command_prints_the_token() {
    let harness = Harness::of(Config { rate: 0, tokens: vec![TOKEN.into()], ..Config::default() }).await;
    harness.write("in.csv", "email\nann@example.com\n");
    harness.write("print.sh", PRINT);
    harness.write("current", format!("\u{feff}{TOKEN}\r\n"));
    let url = harness.sandbox.url();
    let configured = |command: &str| harness.write("contactsync.toml", format!("url = \"{url}\"\n{command}\n"));
    let program = |more: &str| harness.program(&format!("sync in.csv --match email --rate 1000000 {more}")).token(None);
    for (nth, command) in
        ["token_command = \"sh 'print.sh'\"", "token_command = [\"sh\", \"print.sh\"]"].iter().enumerate()
    {
        configured(command);
        let ran = program("-v").run().await.exits(0);
        assert!(ran.stderr.contains("asking the vault"), "its standard error is the user's: {ran:?}");
        assert!(!ran.stderr.contains(TOKEN), "{ran:?}");
        assert_eq!(runs(&harness), nth + 1);
    }
    configured("");
    let typed = |command: &str| program("").argument("--token-command").argument(command);
    typed("sh print.sh").run().await.exits(0);
    // Errors, which contain nothing of the command's output.
    let secret = "tok-1f0e9d8c7b6a5948";
    let cases = [
        (format!("sh -c 'echo {secret}; exit 3'"), "token command `sh`: it failed: exit status: 3"),
        (format!("sh -c 'echo {secret} {secret}'"), "token command `sh`: the token contains a space or a line break"),
        ("sh -c ''".to_owned(), "token command `sh`: the token is empty"),
        ("sh -c 'yes'".to_owned(), "token command `sh`: its output is larger than 65536 bytes"),
        (secret.to_owned(), "token command: cannot run it: No such file or directory"),
        ("./nowhere --key x".to_owned(), "token command: cannot run it: No such file or directory"),
        ("sh 'open".to_owned(), "--token-command: the command has an unclosed quote"),
        (" ".to_owned(), "--token-command: the command is empty"),
    ];
    for (command, expected) in cases {
        let ran = typed(&command).run().await.exits(2);
        assert!(ran.stderr.contains(expected), "{command}: {ran:?}");
        assert!(!ran.stderr.contains(secret), "{command}: {ran:?}");
    }
    typed("sh print.sh").with("--token-file current").run().await.exits(2);
}

#[tokio::test]
async fn a_refused_token_is_renewed_by_its_command_and_the_run_continues() {
    let people = People::new(12, 3, 1);
    // What happens to the token during the run, the next token, the exit code, and the message.
    for (case, next, code, message) in [
        ("renewed", "token-2", 0, "the token was renewed"),
        ("the same", "token-1", 5, "the platform refused the token"),
        ("of another channel", "token-3", 5, "this token belongs to another channel"),
        ("no command any more", "", 5, "token command `sh`: it failed: exit status: 1"),
    ] {
        let harness =
            Harness::faulty(Faults { latency: std::time::Duration::from_millis(20), ..Faults::default() }).await;
        harness.write("in.csv", people.csv());
        harness.write("print.sh", format!("{PRINT}; test -s current"));
        harness.write("current", "token-1");
        let sync = harness.sync("in.csv --match email --concurrency 1").token(None);
        let mut running = sync.argument("--token-command").argument("sh print.sh").start();
        let creates = || harness.sandbox.ledger().creates("token-1") > 3;
        assert!(running.until(creates).await, "{case}");
        harness.write("current", next);
        harness.sandbox.replace_token("token-1", "token-2");
        let ran = running.end().await.exits(code);
        assert!(ran.stderr.contains(message), "{case}: {ran:?}");
        assert_eq!(runs(&harness), 2, "{case}");
        if code == 0 {
            let summary = ran.summary();
            assert_eq!((summary.text("state"), summary.rows().as_str()), ("finished", "12 created"), "{case}");
            people.assert_stored_in_channel(&harness.sandbox, "token-1");
        } else {
            assert!(harness.sandbox.contacts("token-3").is_empty(), "{case}");
            assert!(ran.summary().count("pending") > 0, "{case}");
        }
    }
}

// The channels share a window, and continue together in the window of the new token.
#[tokio::test]
async fn channels_with_one_token_are_renewed_together() {
    let harness = Harness::faulty(Faults { latency: std::time::Duration::from_millis(20), ..Faults::default() }).await;
    harness.write("print.sh", PRINT);
    harness.write("current", "token-1");
    let command = "token_command = [\"sh\", \"print.sh\"]\n";
    let url = harness.sandbox.url();
    let head =
        format!("url = \"{url}\"\nmatch = \"email\"\nchannel_column = \"office\"\nrate = 1000000\nconcurrency = 1\n");
    harness.write("contactsync.toml", format!("{head}[channel.sur]\n{command}[channel.norte]\n{command}"));
    let rows = (0..10).map(|n| format!("s{n}@example.com,sur\nn{n}@example.com,norte\n"));
    harness.write("in.csv", format!("email,office\n{}", rows.collect::<String>()));
    let mut running = harness.program("sync in.csv --json").token(None).start();
    assert!(running.until(|| harness.sandbox.ledger().creates("token-1") > 5).await);
    harness.write("current", "token-2");
    harness.sandbox.replace_token("token-1", "token-2");
    let ran = running.end().await.exits(0);
    assert_eq!(harness.sandbox.contacts("token-2").len(), 20, "{ran:?}");
    assert_eq!(runs(&harness), 4);
    for channel in ["sur", "norte"] {
        let expected = format!("channel `{channel}`: the token was renewed");
        assert_eq!(ran.stderr_lines(&expected).len(), 1, "{ran:?}");
    }
    // At the start of a run too: the first two times, the command prints a token that is refused.
    harness.write("print.sh", "echo ran >> starts; test $(wc -l < starts) -gt 2 && cat current || echo token-x");
    harness.sandbox.refuse_token("token-x");
    let before = harness.sandbox.ledger().len();
    let ran = harness.program("sync in.csv --json").token(None).run().await.exits(0);
    let calls = harness.sandbox.ledger().calls();
    let calls: Vec<_> = calls[before..].iter().map(|call| (call.kind, call.status)).collect();
    assert_eq!(calls, [(Some(CallKind::Read), Some(401)), (Some(CallKind::Read), Some(401))], "{ran:?}");
}

#[tokio::test]
async fn the_calls_of_check_are_journaled_and_count_against_the_limit() {
    let people = People::new(4, 3, 1);
    let harness = synced(&people).await;
    fill(&harness, OTHER, same);
    harness.sync("in.csv --match email").token(Some(OTHER)).run().await.exits(0);
    let journal = rusqlite::Connection::open(harness.path(JOURNAL)).unwrap();
    let count = "SELECT count(*), count(DISTINCT window) FROM calls WHERE run = 0 AND kind = 2 AND took NOT NULL
                 AND window = (SELECT number FROM windows JOIN tokens ON digest = name WHERE channel = 'default')";
    let counted: (u32, u32) = journal.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(counted, (3, 1));
}

// `--max-calls` counts the calls of a run with all its tokens.
#[tokio::test]
async fn max_calls_counts_across_a_renewed_token() {
    let harness = Harness::faulty(Faults { latency: std::time::Duration::from_millis(20), ..Faults::default() }).await;
    harness.write("in.csv", People::new(12, 3, 0).csv());
    harness.write("print.sh", PRINT);
    harness.write("current", "token-1");
    let sync = harness.sync("in.csv --match email --mode create --concurrency 1 --max-calls 9").token(None);
    let mut running = sync.argument("--token-command").argument("sh print.sh").start();
    assert!(running.until(|| harness.sandbox.ledger().creates("token-1") > 3).await);
    harness.write("current", "token-2");
    harness.sandbox.replace_token("token-1", "token-2");
    let ran = running.end().await.exits(4);
    assert!(ran.stderr.contains("the token was renewed"), "{ran:?}");
    let reads = harness.sandbox.ledger().calls().iter().filter(|call| call.kind == Some(CallKind::Read)).count();
    assert_eq!((reads, harness.sandbox.ledger().len() - reads), (3, 9), "the reads of the check come on top");
}

// The platform does not answer, so that `check` tries again.
#[tokio::test]
async fn check_ends_at_the_first_signal() {
    let people = People::new(4, 3, 1);
    let harness = synced(&people).await;
    harness.write("more.csv", People::new(6, 3, 1).csv());
    harness.sandbox.set_faults(Faults { lose_before: 1.0, ..Faults::default() });
    for command in ["sync", "resume"] {
        let program = if command == "sync" {
            harness.sync("more.csv --match email")
        } else {
            harness.sandbox.set_faults(Faults::default());
            harness.sync("more.csv --match email --max-calls 1").run().await.exits(4);
            harness.sandbox.set_faults(Faults { lose_before: 1.0, ..Faults::default() });
            harness.resume()
        };
        let before = harness.sandbox.ledger().len();
        let mut running = program.token(Some(OTHER)).start();
        assert!(running.until(|| harness.sandbox.ledger().len() > before).await);
        running.signal("TERM").await;
        let ran = running.end().await.exits(4);
        assert!(ran.stderr.contains("SIGTERM: ended before anything was sent"), "{command}: {ran:?}");
        assert!(harness.sandbox.contacts(OTHER).is_empty());
    }
}
