//! Untrusted text must not control the terminal, hide or reorder output, or add lines, wherever it comes from: cells, headers,
//! names of files and channels, tags, ids, arguments, the configuration, the platform.

use std::fs;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use serde_json::Value as Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use support::{Harness, Output};

/// Pairs of a dangerous value and a harmless one of the same kind, which produces the same number of lines.
const VALUES: [(&str, &str); 3] = [
    ("a\u{1b}[2J\u{1b}]0;x\u{7}\r\nerror: forged\r\u{7f}\u{9b}31m\u{85}b", "a\u{1}b"),
    (
        "a\u{202e}b\u{2066}\u{200b}\u{200f}\u{61c}\u{feff}\u{2028}error: forged\u{2029}\u{2069}\u{e0041}\u{e007f}b",
        "a\u{202e}b",
    ),
    ("a\tb\u{202a}b", "a\tb"),
];

/// Every character that must not be printed. Only the program itself prints line breaks.
fn is_dangerous(character: char) -> bool {
    character.is_control() && character != '\n'
        || matches!(
            character,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[track_caller]
fn check_clean(what: &str, ran: &Output) {
    for text in [&ran.stdout, &ran.log] {
        let found: Vec<char> = text.chars().filter(|character| is_dangerous(*character)).collect();
        assert!(found.is_empty(), "{what}: {found:?} in {ran:?}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("error: forged")), "{what}: {ran:?}");
    }
}

/// A quoted CSV cell.
fn cell(value: &str) -> String {
    format!("\"{value}\"")
}

/// An escaped TOML string.
fn in_toml(value: &str) -> String {
    let escapes: Vec<String> = value.chars().map(|character| format!("\\U{:08x}", u32::from(character))).collect();
    escapes.concat()
}

/// Runs the same programs with a dangerous value and with a harmless one. The dangerous one is not printed unescaped, and both
/// outputs have the same number of lines.
async fn check(what: &str, run: impl AsyncFn(&Harness, &str) -> Vec<Output>) {
    for (value, harmless) in VALUES {
        let scenes = [Harness::unlimited().await, Harness::unlimited().await];
        let (ran, other) = (run(&scenes[0], value).await, run(&scenes[1], harmless).await);
        for (ran, other) in ran.iter().zip(&other) {
            check_clean(what, ran);
            let lines = |ran: &Output| (ran.code, ran.stdout.lines().count(), ran.stderr.lines().count());
            assert_eq!(lines(ran), lines(other), "{what}: {ran:?} {other:?}");
        }
    }
}

#[tokio::test]
async fn input_values_do_not_control_the_terminal() {
    let all = async |harness: &Harness, arguments: &str| {
        vec![
            harness.program(&format!("check {arguments} --url {}", harness.sandbox.url())).run().await,
            harness.plan(arguments).run().await,
            harness.sync(arguments).with("-v --search-lag 1s").run().await,
            harness.sync(arguments).with("-v --search-lag 1s --log-format json").run().await,
            harness.program(&format!("runs --journal {}", support::JOURNAL)).run().await,
        ]
    };
    check("a cell", async |harness, value| {
        harness.write("in.csv", format!("email,name\nann@example.com,{}\n", cell(value)));
        all(harness, "in.csv --match email").await
    })
    .await;
    check("the cell of the match field", async |harness, value| {
        harness.write("in.csv", format!("email,name\n{},Ann\n", cell(value)));
        all(harness, "in.csv --match email").await
    })
    .await;
    check("a header", async |harness, value| {
        harness.write("in.csv", format!("email,{}\nann@example.com,x\n", cell(value)));
        let mut ran = all(harness, "in.csv --match email").await;
        // A second column, which is reported as new.
        harness.write("in.csv", format!("email,{}\nann@example.com,x\n", cell(&format!("{value} new"))));
        ran.extend(all(harness, "in.csv --match email").await);
        ran.push(harness.program("init in.csv").run().await);
        ran.push(harness.program("plan in.csv").run().await);
        ran
    })
    .await;
    check("a key of JSON", async |harness, value| {
        let row = |email: &str| serde_json::json!({ "email": email, value: "x", "list": [{ value: 1 }] }).to_string();
        harness.write("in.jsonl", row("ann@example.com") + "\n" + &row("bo@example.com") + "\n");
        let mut ran = all(harness, "in.jsonl --match email").await;
        ran.push(harness.program("init in.jsonl").run().await);
        ran
    })
    .await;
    check("rows under a key", async |harness, value| {
        harness.write("in.json", serde_json::json!({ value: [{ "email": "ann@example.com" }] }).to_string());
        let mut ran = all(harness, "in.json --match email").await;
        harness
            .write("two.json", serde_json::json!({ value: [{ "email": "a" }], "b": [{ "email": "b" }] }).to_string());
        ran.push(harness.plan("two.json --match email").run().await);
        ran
    })
    .await;
    check("tags and ids", async |harness, value| {
        let row = serde_json::json!({ "email": "ann@example.com", "tags": [value], "remove_tags": [value, "x"] });
        let id = serde_json::json!({ "contact_id": value, "email": "bo@example.com" });
        harness.write("in.jsonl", format!("{row}\n{id}\n"));
        all(harness, "in.jsonl --match email").await
    })
    .await;
    check("a column of channels", async |harness, value| {
        harness.write("in.csv", format!("email,office\nann@example.com,{}\n", cell(value)));
        let url = harness.sandbox.url();
        harness.write(
            "contactsync.toml",
            format!("channel_column = \"office\"\nmatch = \"email\"\n[channel.a]\nurl = \"{url}\"\n"),
        );
        vec![harness.program("sync in.csv").run().await, harness.program("plan in.csv").run().await]
    })
    .await;
}

#[tokio::test]
async fn file_and_channel_names_do_not_control_the_terminal() {
    check("the name of the input", async |harness, value| {
        let name = format!("{value}.csv");
        harness.write(&name, "email,name\nann@example.com,Ann\n,Nobody\n");
        let mut ran = Vec::new();
        for command in ["check", "plan", "sync", "init"] {
            let options = match command {
                "check" | "sync" => format!("--match email --url {} --journal journal.db", harness.sandbox.url()),
                "plan" => "--match email --journal journal.db".to_owned(),
                _ => String::new(),
            };
            ran.push(harness.program(command).argument(&name).with(&options).run().await);
        }
        for arguments in ["resume", "runs", "runs --json"] {
            ran.push(harness.program(&format!("{arguments} --journal journal.db")).run().await);
        }
        ran.push(harness.program("plan --match email").argument(&format!("no {name}")).run().await);
        ran
    })
    .await;
    check("names of other files", async |harness, value| {
        harness.write("in.csv", "email\nann@example.com\n");
        let mut ran = Vec::new();
        for option in ["--journal", "--rejects", "--results", "--config", "--token-file"] {
            for name in [format!("no/{value}"), format!("{value}.txt")] {
                let url = harness.sandbox.url();
                let program = harness.program("sync in.csv --match email").with(&format!("--url {url}"));
                ran.push(program.argument(option).argument(&name).run().await);
            }
        }
        ran
    })
    .await;
    check("the name of a channel", async |harness, value| {
        harness.write("in.csv", "email\nann@example.com\n");
        let url = harness.sandbox.url();
        let mut ran = Vec::new();
        for command in ["check", "sync"] {
            let program = harness.program(&format!("{command} in.csv --match email --journal journal.db --url {url}"));
            ran.push(program.argument("--channel").argument(value).run().await);
        }
        let program = harness.program("resume --journal journal.db").argument("--channel").argument(value);
        ran.push(program.run().await);
        ran.push(harness.program("runs --journal journal.db").run().await);
        ran
    })
    .await;
    check("the names of several channels", async |harness, value| {
        let other = format!("{value}2");
        harness
            .write("in.csv", format!("email,office\na@example.com,{}\nb@example.com,{}\n", cell(value), cell(&other)));
        let table = |name: &str, url: &str| {
            let name = in_toml(name);
            format!("[channel.\"{name}\"]\nurl = \"{url}\"\n")
        };
        // The second channel has no platform.
        let tables = table(value, &harness.sandbox.url()) + &table(&other, "http://127.0.0.1:1");
        harness.write(
            "contactsync.toml",
            format!("channel_column = \"office\"\nmatch = \"email\"\noutage_timeout = \"1s\"\n{tables}"),
        );
        let mut ran = Vec::new();
        for command in ["check in.csv", "plan in.csv", "sync in.csv", "resume -q", "runs"] {
            ran.push(harness.program(command).run().await);
        }
        ran
    })
    .await;
}

#[tokio::test]
async fn arguments_and_configuration_do_not_control_the_terminal() {
    check("arguments", async |harness, value| {
        harness.write("in.csv", "email\nann@example.com\n");
        let mut ran = Vec::new();
        for option in [
            "--rate",
            "--mode",
            "--match",
            "--url",
            "--platform",
            "--until",
            "--for",
            "--format",
            "--delimiter",
            "--encoding",
            "--sheet",
            "--max-changes",
            "--shard",
            "--log-format",
            "--token-env",
            "--channel-column",
        ] {
            let program = harness.program("sync in.csv").argument(&format!("{option}={value}"));
            ran.push(program.run().await);
        }
        for arguments in [vec![value], vec!["sync", "in.csv", value], vec!["sync", &format!("--{value}")]] {
            let mut program = harness.program("");
            for argument in arguments {
                program = program.argument(argument);
            }
            ran.push(program.run().await);
        }
        // Not after `--help`.
        ran.push(harness.program("").argument(&format!("--help={value}")).run().await);
        ran
    })
    .await;
    check("the configuration", async |harness, value| {
        let escaped = in_toml(value);
        harness.write("in.csv", "email\nann@example.com\n");
        let raw = value.replace(['\n', '\r'], " ");
        let mut ran = Vec::new();
        for config in [
            format!("\"{escaped}\" = 1\n"),
            format!("url = \"{escaped}\"\n"),
            format!("platform = \"{escaped}\"\n"),
            format!("mode = \"{escaped}\"\n"),
            format!("match = \"{escaped}\"\n"),
            format!("rate = {raw}\n"),
            format!("{raw} = 1\n"),
            format!("# {raw}\nrate\n"),
            format!("[fields]\n\"{escaped}\" = {{ column = \"{escaped}\" }}\n"),
            format!("[fields]\na = {{ column = \"email\", transform = \"{escaped}\" }}\n"),
            format!("match = \"a\"\n[fields]\na = {{ column = \"email\", pattern = \"({escaped}\" }}\n"),
            format!("token_env = \"{escaped}\"\nurl = \"http://127.0.0.1:1\"\nmatch = \"email\"\n"),
        ] {
            harness.write("contactsync.toml", &config);
            for command in ["plan in.csv", "sync in.csv"] {
                ran.push(harness.program(command).run().await);
            }
        }
        ran
    })
    .await;
}

/// A platform whose answers, status and body, are a function of the number of the request and the request.
pub async fn platform(answer: impl Fn(usize, &str) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/api/v1", listener.local_addr().expect("a bound socket"));
    let (count, answer) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(answer)));
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let (count, answer) = (Arc::clone(&count), Arc::clone(&answer));
            tokio::spawn(async move {
                // One read suffices: the requests of these tests are small.
                let mut request = vec![0; 1 << 16];
                loop {
                    let read = connection.read(&mut request).await.unwrap_or_default();
                    if read == 0 {
                        return;
                    }
                    let (status, body) = {
                        let mut count = count.lock().expect("no panic");
                        *count += 1;
                        let request = String::from_utf8_lossy(&request[..read]);
                        (answer.lock().expect("no panic"))(*count, &request)
                    };
                    let head = format!(
                        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    if connection.write_all((head + &body).as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

/// An answer of the platform that contains a value.
type Answer = fn(&str) -> String;

#[tokio::test]
async fn platform_answers_do_not_control_the_terminal() {
    let text = |value: &str| Json::from(value).to_string();
    let answers: [(u16, Answer); 9] = [
        (401, |value| format!("{{\"message\":{value}}}")),
        (404, |value| format!("{{\"message\":{value}}}")),
        (400, |value| format!("{{\"message\":{value},\"errors\":{{{value}:[{value}]}}}}")),
        (422, |value| format!("{{\"error\":{{\"message\":{value}}}}}")),
        (500, |value| format!("{{\"message\":{value}}}")),
        (503, |value| format!("<html><title>{value}</title>")),
        (200, |value| format!("{{\"error\":{value}}}")),
        (200, |value| format!("{{\"contactId\":{value},\"data\":[{{\"id\":{value},\"custom_fields\":{{}}}}]}}")),
        (200, |value| {
            format!(
                "{{\"data\":[{{\"id\":{value},\"custom_fields\":{{\"email\":{value},\"x\":{value}}}}}],\"meta\":{{\"total\":1}}}}"
            )
        }),
    ];
    let all = answers.into_iter().map(async |(status, answer)| {
        let what = format!("an answer with {status}");
        check(&what, async |harness, value| {
            // Unescaped where JSON allows it.
            let body = answer(&text(value));
            let url = platform(move |_, _| (status, body.clone())).await;
            harness.write("in.csv", "email,tags\nann@example.com,x\n");
            let options = format!("in.csv --match email --url {url} --journal journal.db");
            let mut ran = vec![harness.program(&format!("check {options}")).run().await];
            for (mode, log) in [("create", "text"), ("upsert", "json")] {
                let options = format!("{options} --mode {mode} --log-format {log} --max-calls 3 --search-lag 1s -v");
                let sync = harness.program(&format!("sync {options}")).run().await;
                check_clean(&what, &sync);
                // The number of calls does not matter here.
                ran.push(Output::of(sync.code, sync.stdout, ""));
            }
            ran.push(harness.program("runs --journal journal.db").run().await);
            ran
        })
        .await;
    });
    join_all(all).await;
}

#[tokio::test]
async fn lists_keep_the_data_unescaped() {
    let harness = Harness::unlimited().await;
    let name = "Ann\u{202e}\u{200b}";
    harness.write("in.csv", format!("email,name\n,{name}\n"));
    harness.sync("in.csv --match email --rejects bad.csv").run().await.exits(3);
    let rejects = fs::read_to_string(harness.path("bad.csv")).expect("the list");
    assert!(rejects.contains(name), "{rejects:?}");
}

#[tokio::test]
async fn json_output_escapes_control_characters_and_keeps_the_values() {
    let harness = Harness::unlimited().await;
    for (name, channel) in [("a\u{202e}\u{9b}\u{2028}.csv", "c\u{200b}\n\u{e0041}")] {
        harness.write(name, "email\nann@example.com\n");
        let sync = harness.sync("--match email").argument(name).argument("--channel").argument(channel);
        sync.run().await.exits(0);
        let runs = harness.program("runs --json --journal journal.db").run().await.exits(0);
        check_clean("runs --json", &runs);
        let json: Json = serde_json::from_str(&runs.stdout).expect("JSON");
        assert_eq!((json[0]["input"].as_str(), json[0]["channel"].as_str()), (Some(name), Some(channel)));
    }
}
