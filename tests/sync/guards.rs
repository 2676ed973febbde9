//! Guards against mixed-up journals and channels: one platform per channel, one run at a time.

use std::time::Duration;

use contactsync::Field;
use contactsync::sandbox::Faults;

use support::{Harness, People, TOKEN};

#[tokio::test]
async fn a_channel_keeps_its_url_unless_moved_is_given() {
    let (old, new) = (Harness::unlimited().await, Harness::unlimited().await);
    let people = People::new(10, 3, 1);
    old.write("in.csv", people.csv());
    let at = |url: &str| old.program(&format!("sync in.csv --match email --json --journal journal.db --url {url}"));
    at(&old.sandbox.url()).run().await.exits(0);
    // A trailing slash does not make it another URL.
    at(&format!("{}/", old.sandbox.url())).run().await.exits(0);

    let refused = at(&new.sandbox.url()).run().await.exits(2);
    assert_eq!(refused.stderr_lines("error:").len(), 1, "{refused:?}");
    for part in ["channel `default`", "journal.db", &old.sandbox.url(), &new.sandbox.url(), "--moved"] {
        assert!(refused.stderr.contains(part), "{part}: {refused:?}");
    }
    // Another channel of the same journal may have another URL.
    let ran = at(&new.sandbox.url()).with("--channel other").run().await.exits(0);
    assert_eq!(ran.summary().rows(), "10 created");
    people.assert_stored_in(&new.sandbox);

    let _ = new.calls();
    let moved = at(&new.sandbox.url()).with("--moved").run().await.exits(0);
    assert_eq!((moved.summary().rows().as_str(), new.calls().as_str()), ("10 unchanged", "none"));
    at(&new.sandbox.url()).run().await.exits(0);
    at(&old.sandbox.url()).run().await.exits(2);
}

#[tokio::test]
async fn a_move_is_written_only_after_all_guards_have_passed() {
    let (old, new) = (Harness::unlimited().await, Harness::unlimited().await);
    old.write("in.csv", People::new(4, 3, 1).csv());
    old.write("more.csv", People::new(8, 3, 1).csv());
    let at = |arguments: &str, url: &str| {
        old.program(&format!("{arguments} --json --journal journal.db --rate 1000000 --url {url}"))
    };
    let (old_url, new_url) = (old.sandbox.url(), new.sandbox.url());
    at("sync in.csv --match email", &old_url).run().await.exits(0);
    // Strangers have the ids of the known contacts there.
    for contact in old.sandbox.contacts(TOKEN) {
        new.sandbox.insert_as("stranger", contact.id, [Field::text("email", "stranger@example.com")]);
    }
    let check = async |arguments: &str, token: &str, code: i32| {
        let ran = at(arguments, &new_url).with("--moved").token(Some(token)).run().await.exits(code);
        // The known contacts are at the old URL, as before.
        let refused = at("sync in.csv --match email", &new_url).run().await.exits(2);
        assert!(refused.stderr.contains(&format!("its contacts are on {old_url}")), "{arguments}: {ran:?} {refused:?}");
        assert_eq!(old.sandbox.contacts(TOKEN).len(), 4);
    };
    // The token is another one, the input changes too much, a list cannot be written, and other match fields.
    check("sync in.csv --match email", "stranger", 5).await;
    check("sync more.csv --match email --max-changes 3", TOKEN, 7).await;
    check("sync in.csv --match email --rejects no/such/directory.csv", TOKEN, 2).await;
    check("sync in.csv --match field_01 --mode create", TOKEN, 2).await;
    // So does a resume.
    at("sync more.csv --match email --max-calls 1", &old_url).run().await.exits(4);
    check("resume", "stranger", 5).await;
    at("resume", &old_url).run().await.exits(0);
    at("sync in.csv --match email", &new_url).with("--moved").run().await.exits(0);
    at("sync in.csv --match email", &old_url).run().await.exits(2);
}

#[tokio::test]
async fn a_moved_run_resumes_at_the_new_url() {
    let slow = || Faults { latency: Duration::from_millis(200), ..Faults::default() };
    let (old, new) = (Harness::faulty(slow()).await, Harness::faulty(slow()).await);
    let people = People::new(20, 3, 1);
    old.write("in.csv", people.csv());
    let mut running = old.sync("in.csv --match email --mode create --concurrency 2").start();
    assert!(running.until(|| old.sandbox.ledger().len() > 4).await);
    running.signal("INT").await;
    running.end().await.exits(4);
    let moved = old.resume_at(new.sandbox.url()).with("--moved --concurrency 2");
    let mut running = moved.start();
    assert!(running.until(|| new.sandbox.ledger().len() > 4).await);
    running.signal("INT").await;
    running.end().await.exits(4);
    let before = old.sandbox.ledger().len();
    let ran = old.resume_at(new.sandbox.url()).run().await;
    assert!(ran.code != Some(2), "{ran:?}");
    assert_eq!(ran.summary().count("pending"), 0);
    assert_eq!(old.sandbox.ledger().len(), before, "nothing goes to the old platform any more");
}

#[tokio::test]
async fn one_run_at_a_time_holds_a_channel() {
    let harness = Harness::faulty(Faults { latency: Duration::from_mins(1), ..Faults::default() }).await;
    harness.write("in.csv", People::new(10, 3, 1).csv());
    let mut first = harness.sync("in.csv --match email").start();
    assert!(first.until(|| !harness.sandbox.ledger().is_empty()).await);

    for second in [harness.sync("in.csv --match email"), harness.resume()] {
        let refused = second.run().await.exits(6);
        let [error] = refused.stderr_lines("error:")[..] else { panic!("{refused:?}") };
        assert!(error.contains("channel `default`: in use by another run (process "), "{error}");
        let (_, since) = error.split_once(" since ").expect("the start of the run");
        assert!(
            since.len() == "2026-01-01 00:00:00)".len() && since.starts_with("20") && since.ends_with(')'),
            "{since}"
        );
        assert_eq!(refused.stdout, "");
    }
    // Another channel is free, and read-only commands work.
    harness.program("runs --journal journal.db").run().await.exits(0);
    harness.plan("in.csv --match email").run().await.exits(0);

    first.kill().await;
    harness.sandbox.set_faults(Faults::default());
    harness.resume().run().await.exits(0);
}

#[tokio::test]
async fn a_file_with_too_many_changes_is_refused_without_a_trace() {
    let harness = Harness::unlimited().await;
    let mut people = People::new(20, 3, 1);
    harness.write("in.csv", people.csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    // A run with pending rows, and its lists.
    let more = People::new(30, 3, 1);
    harness.write("more.csv", more.csv());
    let lists = "--rejects bad.csv --results results.csv";
    harness.sync(&format!("more.csv --match email --max-calls 6 {lists}")).run().await.exits(4);
    let content = |name: &str| std::fs::read_to_string(harness.path(name)).expect("a list");
    let (bad, results, _) = (content("bad.csv"), content("results.csv"), harness.calls());

    for nth in 0..11 {
        people.person(nth).fields[0].1 = "wrong".into();
    }
    harness.write("wrong.csv", people.csv());
    let check = async |guard: &str| {
        let message = format!(
            "error: too many changes: 11 of 20 rows would create or update a contact; the limit is {guard}; nothing was \
             sent"
        );
        for ran in [
            harness.sync(&format!("wrong.csv --match email --max-changes {guard} {lists}")).run().await.exits(7),
            harness.plan(&format!("wrong.csv --match email --max-changes {guard}")).run().await.exits(7),
        ] {
            let errors = ran.stderr_lines("error:");
            let first = errors[0].strip_prefix(&message).and_then(|rest| rest.strip_prefix("; the first contacts: "));
            let keys: Vec<&str> = first.expect("the first contacts").split(", ").collect();
            assert_eq!((errors.len(), keys.len()), (1, 10), "{ran:?}");
            assert!(keys.iter().all(|key| key.starts_with("email=")), "{ran:?}");
            assert_eq!(ran.stderr_lines("hint:").len(), 1, "{ran:?}");
            assert!(!ran.stderr.contains("warning:"), "{ran:?}");
        }
        assert_eq!(harness.calls(), "none");
        assert_eq!((content("bad.csv"), content("results.csv")), (bad.clone(), results.clone()));
    };
    check("10").await;
    check("0").await;
    check("54.9%").await;
    // `plan` shows the changes.
    let plan = harness.plan("wrong.csv --match email --max-changes 10").run().await.exits(7).planned();
    assert_eq!(plan.rows(), "9 unchanged, 11 pending");

    // The pending rows are still pending.
    let ran = harness.resume().with(lists).run().await.exits(0);
    assert_eq!(ran.summary().count("rows"), 30);
    more.assert_stored_in(&harness.sandbox);
    // A file with exactly the allowed changes passes, unaffected by the refused ones.
    harness.plan("wrong.csv --match email --max-changes 11").run().await.exits(0);
    let ran = harness.sync("wrong.csv --match email --max-changes 55%").run().await.exits(0);
    assert_eq!(ran.summary().rows(), "11 updated, 9 unchanged");
}

#[tokio::test]
async fn an_invalid_guard_value_is_refused() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email\na@example.com\n");
    for wrong in ["all", "5.5", "101%", "-1"] {
        let ran = harness.sync(&format!("in.csv --match email --max-changes={wrong}")).run().await.exits(2);
        assert!(ran.stderr.contains("expected a number such as 500"), "{ran:?}");
    }
    let number = |found: &str| format!("expected a number of rows such as 900, found `{found}`");
    for wrong in ["50%", "all", "5.5", "-1", ""] {
        let ran = harness.sync("in.csv --match email").argument(&format!("--min-rows={wrong}")).run().await.exits(2);
        assert!(ran.stderr.contains(&number(wrong)), "{ran:?}");
    }
    for (wrong, found) in [("\"50%\"", "50%"), ("-1", "-1")] {
        harness.write("contactsync.toml", format!("match = \"email\"\nmin_rows = {wrong}\n"));
        let ran = harness.sync("in.csv").run().await.exits(2);
        let message = format!("error: contactsync.toml:2: key `min_rows`: {}", number(found));
        assert_eq!(ran.stderr_lines("error:"), [message], "{ran:?}");
    }
    harness.write("contactsync.toml", "match = \"email\"\nmax_changes = 0\n");
    let ran = harness.sync("in.csv").run().await.exits(7);
    assert!(ran.stderr.contains("1 of 1 row would create or update a contact"), "{ran:?}");
    harness.write("contactsync.toml", "match = \"email\"\nmax_changes = \"100%\"\n");
    harness.sync("in.csv").run().await.exits(0);
}

#[tokio::test]
async fn an_input_without_a_tags_column_removes_no_tags() {
    let harness = Harness::unlimited().await;
    let tagged = "email,tags\na@example.com,vip;new\n";
    let column = "[[tags]]\ncolumn = \"labels\"\n";
    let constant = "[[tags]]\nconstant = [\"crm\"]\n";
    let removal = "[[tags]]\ncolumn = \"labels\"\nremove = true\n";
    // The input, the configuration, and the contact's tags afterwards; `None` when the input is refused.
    let cases: [(&str, &str, &str, Option<&str>); 15] = [
        ("a.csv", "email\na@example.com\n", "", None),
        ("b.csv", "email,Tags\na@example.com,vip\n", "", None),
        ("c.csv", "email,remove_tags\na@example.com,other\n", "", None),
        ("d.csv", "email,labels\na@example.com,vip\n", removal, None),
        ("e.csv", "email,tags\na@example.com,vip\n", "unmapped = \"ignore\"\n[fields]\nemail = \"email\"\n", None),
        ("f.csv", "email,tags\na@example.com,\n", "", Some("")),
        ("g.csv", "email,tags\na@example.com,vip\n", "", Some("vip")),
        ("h.csv", "email,labels\na@example.com,\n", column, Some("")),
        ("i.csv", "email\na@example.com\n", constant, Some("crm")),
        ("j.csv", "email,name\n", "", Some("new,vip")),
        ("k.jsonl", r#"{"email": "a@example.com"}"#, "", None),
        ("l.jsonl", r#"{"email": "a@example.com", "name": "A"}"#, column, None),
        ("m.jsonl", r#"{"email": "a@example.com", "tags": []}"#, "", Some("")),
        ("n.jsonl", "{\"email\": \"a@example.com\"}\n{\"email\": \"b@example.com\", \"tags\": null}", "", Some("")),
        ("o.jsonl", r#"{"custom_fields": {"email": "a@example.com"}, "tags": ["vip"]}"#, "", Some("vip")),
    ];
    for (name, input, config, expected) in cases {
        harness.write("tagged.csv", tagged);
        harness.write(name, input);
        harness.write("none.toml", "");
        harness.write("c.toml", format!("tags_mode = \"mirror\"\n{config}"));
        let token = name;
        let program = |command: &str, more: &str| {
            let url = harness.sandbox.url();
            let arguments = format!("{command} --match email --journal {name}.db --url {url} --rate 1000000 {more}");
            harness.program(&arguments).token(Some(token))
        };
        program("sync tagged.csv", "--config none.toml").run().await.exits(0);
        for command in ["plan", "check", "sync"] {
            let ran = program(&format!("{command} {name}"), "--config c.toml").run().await;
            let ran = ran.exits(if expected.is_none() { 2 } else { 0 });
            let is_refused = ran.stderr.contains("the input has no column or key with tags")
                && ran.stderr.contains("--tags-mode add");
            assert_eq!(is_refused, expected.is_none(), "{name}: {ran:?}");
        }
        let contacts = harness.sandbox.contacts(token);
        let contact =
            contacts.iter().find(|contact| contact.fields["email"].text() == "a@example.com").expect("a contact");
        let tags: Vec<&str> = contact.tags.iter().map(String::as_str).collect();
        assert_eq!(tags.join(","), expected.unwrap_or("new,vip"), "{name}");
    }
}

#[tokio::test]
async fn an_input_with_too_few_or_too_many_rejected_rows_is_refused() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email,name\na@example.com,A\nb@example.com,B\n,C\nd@example.com,D\n");
    let check = async |guards: &str, expected: Option<(&str, &[&str])>| {
        for command in ["plan", "sync"] {
            let ran = match command {
                "plan" => harness.plan(&format!("in.csv --match email {guards}")).run().await,
                _ => harness.sync(&format!("in.csv --match email {guards}")).run().await,
            };
            let Some((error, details)) = expected else {
                ran.exits(3);
                continue;
            };
            let ran = ran.exits(7);
            assert_eq!(ran.stderr_lines("error:"), [format!("error: {error}; nothing was sent")], "{ran:?}");
            for detail in details {
                assert!(ran.stderr.contains(detail), "{detail}: {ran:?}");
            }
            assert_eq!(harness.calls(), "none", "{command} {guards}");
        }
    };
    let rejected = "line 4: column `email`: expected a value (match field), found none";
    check("--max-rejects 0", Some(("too many rejected rows: 1 of 4 rows; the limit is 0", &[rejected]))).await;
    check("--max-rejects 24%", Some(("too many rejected rows: 1 of 4 rows; the limit is 24%", &[rejected]))).await;
    check("--min-rows 5", Some(("too few rows: found 4 rows, expected at least 5", &["lower --min-rows"]))).await;
    check("--max-rejects 25% --min-rows 4 --max-changes 3", None).await;
}

#[tokio::test]
async fn an_old_input_is_refused_before_it_is_read() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email\na@example.com\n");
    let file = std::fs::File::options().write(true).open(harness.path("in.csv")).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_hours(50)).unwrap();
    harness.write("contactsync.toml", "match = \"email\"\nmax_age = \"26h\"\n");
    for ran in [harness.sync("in.csv").run().await.exits(7), harness.plan("in.csv").run().await.exits(7)] {
        let error = "error: the input is 2 d 2 h old; the limit is 1 d 2 h; nothing was sent";
        assert_eq!(ran.stderr_lines("error:"), [error], "{ran:?}");
    }
    let ran = harness.sync("-").stdin("in.csv").run().await.exits(2);
    assert!(ran.stderr.contains("the age of the input is unknown"), "{ran:?}");
    assert_eq!(harness.calls(), "none");
    harness.sync("in.csv --max-age 51h").run().await.exits(0);
}
