//! `check_access`: before a run writes, a search must find a contact with a configured value.

use std::fs;
use std::time::Duration;

use contactsync::Field;
use contactsync::report::CallKind;
use contactsync::sandbox::{Fault, Faults, Rule};

use support::{Harness, Output, People, TOKEN};

const CONFIG: &str = "match = [\"email\"]\ncheck_access = { field = \"account\", value = \"acme 7\" }\n";

async fn configured() -> (Harness, People) {
    let harness = Harness::unlimited().await;
    let people = People::new(5, 3, 1);
    harness.write("contactsync.toml", CONFIG);
    harness.write("in.csv", people.csv());
    (harness, people)
}

fn insert_sentinel(harness: &Harness, value: &str) {
    harness.sandbox.insert(TOKEN, [Field::text("account", value)], [""; 0]);
}

#[track_caller]
fn assert_refused(harness: &Harness, ran: Output, found: &str, calls: &str) {
    let ran = ran.exits(7);
    let expected = format!(
        "error: channel `default`: check_access: expected a contact whose `account` is `acme 7`, found none ({found}): this may \
         be another account; nothing was sent\n\
         hint: check the URL and the token; if they are right, give a contact on the platform that value, or remove check_access\n"
    );
    assert!(ran.stderr.ends_with(&expected), "{ran:?}");
    assert_eq!(harness.calls(), calls);
}

#[tokio::test]
async fn nothing_is_written_to_an_account_without_the_contact() {
    let (harness, _) = configured().await;
    assert_refused(&harness, harness.sync("in.csv").run().await, "no contact has it", "1 find");
    // The search is loose: a contact with a similar value is not the one.
    insert_sentinel(&harness, "ACME 7");
    assert_refused(
        &harness,
        harness.sync("in.csv").run().await,
        &format!("contact {} has it in another form", harness.sandbox.contacts(TOKEN)[0].id),
        "1 find",
    );
    assert_eq!(harness.sandbox.contacts(TOKEN).len(), 1);
    // No run is left that could be resumed.
    let resumed = harness.resume().run().await.exits(0);
    assert!(resumed.stderr.contains("nothing to resume"), "{resumed:?}");
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn the_guards_of_the_input_come_before_the_token_and_the_token_before_the_search() {
    let (harness, people) = configured().await;
    insert_sentinel(&harness, "acme 7");
    harness.sync("in.csv").run().await.exits(0);
    let _ = harness.calls();
    let mut edited = people.clone();
    edited.people.iter_mut().for_each(|person| person.fields[0].1 = "edited".into());
    harness.write("in.csv", edited.csv());
    // Another token is compared with the known contacts, which takes calls, and then refused.
    let stranger = |options: &str| harness.sync(&format!("in.csv {options}")).token(Some("stranger"));
    stranger("--max-changes 2").run().await.exits(7);
    assert_eq!(harness.calls(), "none");
    stranger("--max-changes 5").run().await.exits(5);
    // The known contacts were read, and nothing was searched for.
    assert_eq!(harness.calls(), "5 read");
}

#[tokio::test]
async fn one_search_precedes_the_first_write_and_none_a_night_without_changes() {
    let (harness, mut people) = configured().await;
    insert_sentinel(&harness, "acme 7");
    let plan = harness.plan("in.csv").run().await.exits(0).planned();
    assert_eq!(plan.json["calls"]["find"], serde_json::json!({"min": 6, "max": 6}));
    let ran = harness.sync("in.csv").run().await.exits(0);
    assert_eq!(harness.calls(), "6 find, 5 create, 5 add_tags");
    assert_eq!(ran.summary().calls(), "6 find, 5 create, 5 add_tags");
    let kinds: Vec<_> = harness.sandbox.ledger().calls().iter().map(|call| call.kind).collect();
    assert_eq!(kinds[0], Some(CallKind::Find));
    let night = harness.sync("in.csv").run().await.exits(0);
    assert_eq!((night.summary().rows(), harness.calls()), ("5 unchanged".into(), "none".into()));
    people.person(2).fields[0].1 = "changed".into();
    harness.write("in.csv", people.csv());
    let ran = harness.sync("in.csv").run().await.exits(0);
    assert_eq!((harness.calls(), ran.summary().calls()), ("1 find, 1 update".into(), "1 find, 1 update".into()));
    harness.program("journal check --journal journal.db").run().await.exits(0);
    // A plan makes no call.
    people.person(2).fields[0].1 = "changed again".into();
    harness.write("in.csv", people.csv());
    harness.plan("in.csv").run().await.exits(0);
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn local_guards_come_first() {
    let (harness, _) = configured().await;
    let refused = harness.sync("in.csv --max-changes 3").run().await.exits(7);
    assert!(refused.stderr.contains("too many changes"), "{refused:?}");
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn an_option_wins_over_the_key_and_a_resume_checks_again() {
    let (harness, people) = configured().await;
    insert_sentinel(&harness, "acme 8");
    let stopped = harness.sync("in.csv --max-calls 3").argument("--check-access=account=acme 8").run().await.exits(4);
    assert!(
        stopped.stderr.contains("resume") && stopped.stderr.contains("--check-access 'account=acme 8'"),
        "{stopped:?}"
    );
    fs::remove_file(harness.path("in.csv")).unwrap();
    harness.calls();
    assert_refused(&harness, harness.resume().run().await, "no contact has it", "1 find");
    harness.resume().argument("--check-access=account=acme 8").run().await.exits(0);
    let stored = harness.sandbox.contacts(TOKEN);
    assert_eq!(stored.len(), people.people.len() + 1);
}

#[tokio::test]
async fn a_search_without_an_answer_stops_the_run_and_is_not_taken_for_another_account() {
    let (harness, _) = configured().await;
    insert_sentinel(&harness, "acme 7");
    let check = async |fault: Fault, code: i32, expected: &str, calls: &str| {
        harness.sandbox.set_faults(Faults { rules: vec![Rule::always(fault).on(CallKind::Find)], ..Faults::default() });
        let ran = harness.sync("in.csv").run().await.exits(code);
        assert!(ran.stderr.contains(expected), "{fault:?}: {ran:?}");
        assert_eq!(harness.calls(), calls, "{fault:?}");
    };
    check(Fault::LoseAfter, 4, "check_access: ", "3 find").await;
    check(Fault::TokenExpired, 5, "the platform refused the token", "1 find").await;
    check(Fault::BadRequest, 7, "the search was refused", "1 find").await;
    // One lost answer is repeated.
    let rules = vec![Rule::always(Fault::LoseAfter).on(CallKind::Find).until_call(1)];
    harness.sandbox.set_faults(Faults { rules, ..Faults::default() });
    harness.sync("in.csv").run().await.exits(0);
    assert_eq!(harness.sandbox.contacts(TOKEN).len(), 6);
}

#[tokio::test]
async fn a_kill_between_the_search_and_the_first_write_leaves_no_run() {
    let (harness, people) = configured().await;
    insert_sentinel(&harness, "acme 7");
    harness.sandbox.set_faults(Faults { latency: Duration::from_millis(300), ..Faults::default() });
    let mut running = harness.sync("in.csv").start();
    assert!(running.until(|| harness.sandbox.ledger().len() == 1).await);
    running.kill().await;
    harness.sandbox.set_faults(Faults::default());
    let resumed = harness.resume().run().await.exits(0);
    assert!(resumed.stderr.contains("nothing to resume"), "{resumed:?}");
    harness.sync("in.csv").run().await.exits(0);
    assert_eq!(harness.sandbox.contacts(TOKEN).len(), people.people.len() + 1);
}

#[tokio::test]
async fn a_mark_of_a_missing_contact_is_a_write() {
    let (harness, people) = configured().await;
    insert_sentinel(&harness, "acme 7");
    let marking = || harness.sync("in.csv --on-missing tag:left --max-missing 100%");
    marking().run().await.exits(0);
    let csv = String::from_utf8(people.csv()).unwrap();
    let fewer: Vec<&str> = csv.lines().take(5).collect();
    harness.write("in.csv", fewer.join("\n"));
    harness.calls();
    let elsewhere = marking().argument("--check-access=account=acme 8").run().await.exits(7);
    assert_eq!(harness.calls(), "1 find", "{elsewhere:?}");
    let plan = harness.plan("in.csv --on-missing tag:left --max-missing 100%").run().await.exits(0).planned();
    assert_eq!(plan.json["calls"]["find"]["max"], 1);
    marking().run().await.exits(0);
    assert_eq!(harness.calls(), "1 find, 1 add_tags");
    marking().run().await.exits(0);
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn an_undo_checks_it_as_well() {
    let (harness, mut people) = configured().await;
    insert_sentinel(&harness, "acme 7");
    harness.sync("in.csv").run().await.exits(0);
    people.person(0).fields[0].1 = "changed".into();
    harness.write("in.csv", people.csv());
    harness.sync("in.csv").run().await.exits(0);
    harness.calls();
    let url = harness.sandbox.url();
    let undo = || harness.program(&format!("undo 2 --json --journal journal.db --url {url} --rate 1000000")).run();
    harness.write("contactsync.toml", CONFIG.replace("acme 7", "acme 8"));
    undo().await.exits(7);
    assert_eq!(harness.calls(), "1 find");
    harness.write("contactsync.toml", CONFIG);
    undo().await.exits(0);
    assert_eq!(harness.calls(), "1 find, 1 read, 1 update");
}

#[tokio::test]
async fn check_shows_whether_the_contact_is_there() {
    let (harness, _) = configured().await;
    let check = || harness.program(&format!("check --url {}", harness.sandbox.url())).run();
    let ran = check().await.exits(7);
    assert!(ran.stderr.contains("check_access: expected a contact whose `account` is `acme 7`"), "{ran:?}");
    insert_sentinel(&harness, "acme 7");
    harness.calls();
    check().await.exits(0);
    // The same search shows that the token works.
    assert_eq!(harness.calls(), "1 find");
}

#[tokio::test]
async fn a_value_that_is_no_field_with_a_value_is_refused() {
    let (harness, _) = configured().await;
    let expected = "expected FIELD=VALUE, or a table such as { field = \"source\", value = \"crm\" }";
    let keys = ["\"account\"", "\"=x\"", "{ field = \"a\" }", "{ field = \"a\", value = \" \" }"];
    for key in keys {
        harness.write("contactsync.toml", format!("match = [\"email\"]\ncheck_access = {key}\n"));
        let ran = harness.sync("in.csv").run().await.exits(2);
        let place = format!("contactsync.toml:2: key `check_access`: {expected}");
        assert!(ran.stderr.contains(&place), "{key}: {ran:?}");
    }
    harness.write("contactsync.toml", "check_access = { field = \"a\", value = \"b\", url = \"c\" }\n");
    let ran = harness.sync("in.csv").run().await.exits(2);
    assert!(
        ran.stderr.contains("contactsync.toml:1: key `check_access`: expected `field` and `value`, found `url`"),
        "{ran:?}"
    );
    harness.write("contactsync.toml", "match = [\"email\"]\n");
    let ran = harness.sync("in.csv --check-access account").run().await.exits(2);
    assert!(ran.stderr.contains(&format!("--check-access: {expected}, found `account`")), "{ran:?}");
    // A text, as for the option.
    harness.write("contactsync.toml", "match = [\"email\"]\ncheck_access = \"account=acme 7\"\n");
    insert_sentinel(&harness, "acme 7");
    harness.sync("in.csv").run().await.exits(0);
}

#[tokio::test]
async fn each_channel_that_is_written_to_must_have_the_contact() {
    let harness = Harness::unlimited().await;
    let url = harness.sandbox.url();
    harness.write(
        "contactsync.toml",
        format!(
            "match = [\"email\"]\ncheck_access = {{ field = \"account\", value = \"acme 7\" }}\nchannel_column = \"team\"\n\
             [channel.a]\nurl = \"{url}\"\ntoken_env = \"A\"\n[channel.b]\nurl = \"{url}\"\ntoken_env = \"B\"\n"
        ),
    );
    let sentinel = || [Field::text("account", "acme 7")];
    harness.sandbox.insert("a", sentinel(), [""; 0]);
    let sync = || {
        let program = harness.program("sync in.csv --json --journal journal.db --rate 1000000");
        program.environment(&[("A", "a"), ("B", "b")]).run()
    };
    // Only channel `a` is written to.
    harness.write("in.csv", "email,team\nann@x.com,a\n");
    sync().await.exits(0);
    harness.write("in.csv", "email,team\nann@x.com,a\nbo@x.com,a\ncy@x.com,b\n");
    let refused = sync().await.exits(7);
    assert!(refused.stderr.contains("channel `b`: check_access"), "{refused:?}");
    assert_eq!(harness.sandbox.contacts("a").len(), 2);
    harness.sandbox.insert("b", sentinel(), [""; 0]);
    sync().await.exits(0);
    assert_eq!(["a", "b"].map(|token| harness.sandbox.contacts(token).len()), [3, 2]);
}
