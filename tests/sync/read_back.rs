//! The read after a field's first write on a channel: a field that the platform accepts and drops is reported once.

use std::time::Duration;

use contactsync::Field;
use contactsync::report::CallKind;
use contactsync::sandbox::{Fault, Faults, Rule, StoredForm};
use serde_json::{Value as Json, json};

use support::{Harness, JOURNAL, Output, People, Program, TOKEN};

/// A platform that accepts these fields and does not store them.
async fn dropping(fields: &[&str]) -> Harness {
    Harness::faulty(drops(fields)).await
}

fn drops(fields: &[&str]) -> Faults {
    let stored_forms = fields.iter().map(|field| ((*field).to_owned(), StoredForm::Dropped)).collect();
    Faults { stored_forms, ..Faults::default() }
}

fn sync<'a>(harness: &'a Harness, arguments: &str) -> Program<'a> {
    harness.sync(&format!("in.csv --match email {arguments}")).reading_back()
}

const WARNING: &str = "warning: the platform accepted ";

#[track_caller]
fn check(harness: &Harness, ran: &Output, calls: &str, dropped: &[&str]) {
    assert_eq!(harness.calls(), calls, "{ran:?}");
    let found = ran.summary().json.get("dropped_fields").cloned().unwrap_or_else(|| json!([]));
    assert_eq!(found, json!(dropped), "{ran:?}");
    assert_eq!(ran.stderr_lines(WARNING).len(), usize::from(!dropped.is_empty()), "{ran:?}");
}

#[tokio::test]
async fn one_contact_is_read_back_for_all_new_fields_and_none_the_next_night() {
    let harness = Harness::unlimited().await;
    let mut people = People::new(30, 5, 1);
    harness.write("in.csv", people.csv());
    let plan = harness.plan("in.csv --match email").reading_back().run().await.exits(0).planned();
    assert_eq!(plan.json["calls"]["read"], json!({"min": 0, "max": 1}));
    let ran = sync(&harness, "").run().await.exits(0);
    check(&harness, &ran, "30 find, 1 read, 30 create, 30 add_tags", &[]);
    assert_eq!(ran.summary().calls(), "30 find, 1 read, 30 create, 30 add_tags");
    // It is the last call.
    assert_eq!(harness.sandbox.ledger().calls().last().unwrap().kind, Some(CallKind::Read));
    people.assert_stored_in(&harness.sandbox);
    people.person(3).fields[0].1 = "changed".into();
    harness.write("in.csv", people.csv());
    let plan = harness.plan("in.csv --match email").reading_back().run().await.exits(0).planned();
    assert_eq!(plan.json["calls"]["total"], json!({"min": 1, "max": 1}));
    check(&harness, &sync(&harness, "").run().await.exits(0), "1 update", &[]);
    // A further field is new on the channel.
    people.people.iter_mut().for_each(|person| person.fields.insert(0, ("plan".into(), "basic".into())));
    harness.write("in.csv", people.csv());
    check(&harness, &sync(&harness, "").run().await.exits(0), "1 read, 30 update", &[]);
    harness.program(&format!("journal check --journal {JOURNAL}")).run().await.exits(0);
}

#[tokio::test]
async fn a_dropped_field_is_reported_once_and_not_sent_every_night() {
    let harness = dropping(&["nombre", "plan"]).await;
    let csv = |city: &str| format!("email,nombre,city,plan\nann@x.com,Ann,{city},a\nbo@x.com,Bo,Lima,b\n");
    harness.write("in.csv", csv("Lima"));
    let ran = sync(&harness, "--concurrency 1").run().await.exits(0);
    check(&harness, &ran, "2 find, 1 read, 2 create", &["nombre", "plan"]);
    let ann = &harness.sandbox.contacts(TOKEN)[0].id;
    let expected = format!(
        "warning: the platform accepted the fields `nombre`, `plan` and did not store them: contact {ann} (email=ann@x.com) was \
         read back without them; check whether they exist there under exactly that name, then run \
         `contactsync verify --repair` and the sync again"
    );
    assert_eq!(ran.stderr_lines(WARNING), [expected]);
    for city in ["Lima", "Quito"] {
        harness.write("in.csv", csv(city));
        let ran = sync(&harness, "").run().await.exits(0);
        check(&harness, &ran, if city == "Lima" { "none" } else { "1 update" }, &[]);
    }
    // Once the fields exist, what was dropped is sent.
    harness.sandbox.set_faults(Faults::default());
    let url = harness.sandbox.url();
    let verify = format!("verify --repair --journal {JOURNAL} --url {url} --rate 1000000");
    harness.program(&verify).run().await.exits(3);
    harness.calls();
    check(&harness, &sync(&harness, "").run().await.exits(0), "2 update", &[]);
    let names: Vec<String> =
        harness.sandbox.contacts(TOKEN).iter().map(|contact| contact.fields["nombre"].text().into_owned()).collect();
    assert_eq!(names, ["Ann", "Bo"]);
}

#[tokio::test]
async fn a_dropped_field_of_an_update_is_reported() {
    let harness = dropping(&["birthday"]).await;
    harness.write("in.csv", "email,city\nann@x.com,Lima\n");
    check(&harness, &sync(&harness, "").run().await.exits(0), "1 find, 1 read, 1 create", &[]);
    harness.write("in.csv", "email,city,birthday\nann@x.com,Lima,1990-01-02\n");
    let ran = sync(&harness, "").run().await.exits(0);
    check(&harness, &ran, "1 read, 1 update", &["birthday"]);
    // The field is sent to no other contact for that, and again to none.
    check(&harness, &sync(&harness, "").run().await.exits(0), "none", &[]);
    // A rejected row is still what decides the exit code.
    harness.write("in.csv", "email,city,birthday,born\nann@x.com,Lima,1990-01-02,1990\n,Lima,,\n");
    sync(&harness, "").run().await.exits(3);
}

#[tokio::test]
async fn a_read_that_fails_is_tried_by_the_next_run() {
    let harness = dropping(&["nombre"]).await;
    harness.write("in.csv", "email,nombre\nann@x.com,Ann\n");
    let failing = |fault: Fault| Faults { rules: vec![Rule::always(fault).on(CallKind::Read)], ..drops(&["nombre"]) };
    harness.sandbox.set_faults(failing(Fault::LoseAfter));
    let ran = sync(&harness, "").run().await.exits(0);
    check(&harness, &ran, "1 find, 1 read, 1 create", &[]);
    assert_eq!(ran.summary().text("state"), "finished");
    // A limit leaves no call for it; and a run that is stopped makes none.
    let csv = |rows: usize| {
        (0..rows).fold("email,nombre\nann@x.com,Ann\n".to_owned(), |csv, nth| format!("{csv}p{nth}@x.com,P\n"))
    };
    harness.write("in.csv", csv(1));
    check(&harness, &sync(&harness, "--max-calls 2").run().await.exits(0), "1 find, 1 create", &[]);
    harness.write("in.csv", csv(3));
    check(&harness, &sync(&harness, "--max-calls 3 --concurrency 1").run().await.exits(4), "2 find, 1 create", &[]);
    harness.sandbox.set_faults(failing(Fault::LoseBefore));
    check(&harness, &harness.resume().reading_back().run().await.exits(0), "1 read, 1 create", &[]);
    harness.sandbox.set_faults(drops(&["nombre"]));
    // A night without changes reads it as well.
    check(&harness, &sync(&harness, "").run().await.exits(0), "1 read", &["nombre"]);
    check(&harness, &sync(&harness, "").run().await.exits(0), "none", &[]);
}

#[tokio::test]
async fn a_kill_before_the_read_loses_nothing() {
    let harness = dropping(&["nombre"]).await;
    harness.write("in.csv", "email,nombre\nann@x.com,Ann\nbo@x.com,Bo\n");
    harness.sandbox.set_faults(Faults { latency: Duration::from_millis(150), ..drops(&["nombre"]) });
    let mut running = sync(&harness, "--concurrency 1").start();
    let is_reading = || harness.sandbox.ledger().calls().last().is_some_and(|call| call.kind == Some(CallKind::Read));
    assert!(running.until(is_reading).await);
    running.kill().await;
    harness.sandbox.set_faults(drops(&["nombre"]));
    harness.calls();
    check(&harness, &sync(&harness, "").run().await.exits(0), "1 read", &["nombre"]);
    check(&harness, &sync(&harness, "").run().await.exits(0), "none", &[]);
}

#[tokio::test]
async fn a_read_that_is_refused_is_given_up_after_three_runs() {
    let harness = Harness::unlimited().await;
    harness
        .sandbox
        .set_faults(Faults { rules: vec![Rule::always(Fault::BadRequest).on(CallKind::Read)], ..Faults::default() });
    harness.write("in.csv", "email,city\nann@x.com,Lima\n");
    check(&harness, &sync(&harness, "").run().await.exits(0), "1 find, 1 read, 1 create", &[]);
    for calls in ["1 read", "1 read", "none", "none"] {
        check(&harness, &sync(&harness, "").run().await.exits(0), calls, &[]);
    }
}

#[tokio::test]
async fn lost_answers_and_faults_take_no_further_reads() {
    for seed in 1..=3 {
        let harness = Harness::unlimited().await;
        let people = People::new(40, 4, 0);
        harness.write("in.csv", people.csv());
        let lost = |share, kind| Rule::always(Fault::LoseAfter).share(share).on(kind);
        let rules = vec![lost(0.1, CallKind::Find), lost(0.7, CallKind::Read)];
        harness.sandbox.set_faults(Faults { seed, rules, throttle: 0.05, ..Faults::default() });
        sync(&harness, "").run().await.exits(0);
        harness.sandbox.set_faults(Faults::default());
        sync(&harness, "").run().await.exits(0);
        people.assert_stored_in(&harness.sandbox);
        // One in each of the two runs, unless the first one was answered.
        let reads = harness.sandbox.ledger().by_kind(TOKEN).get(&CallKind::Read).copied().unwrap_or(0);
        assert!((1..=2).contains(&reads), "{reads}");
        harness.calls();
        check(&harness, &sync(&harness, "").run().await.exits(0), "none", &[]);
    }
}

#[tokio::test]
async fn fields_that_other_users_wrote_are_not_read_back() {
    let harness = Harness::unlimited().await;
    harness.sandbox.insert(TOKEN, ["email", "city"].map(|name| Field::text(name, "ann@x.com")), [""; 0]);
    harness.write("in.csv", "email,city\nann@x.com,ann@x.com\n");
    check(&harness, &sync(&harness, "").run().await.exits(0), "1 find", &[]);
}

#[tokio::test]
async fn it_can_be_switched_off_by_option_and_key() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email,city\nann@x.com,Lima\n");
    let ran = harness.sync("in.csv --match email").run().await.exits(0);
    check(&harness, &ran, "1 find, 1 create", &[]);
    harness.write("contactsync.toml", "no_read_back = true\n");
    harness.write("in.csv", "email,city,plan\nann@x.com,Lima,a\n");
    check(&harness, &sync(&harness, "").run().await.exits(0), "1 update", &[]);
    let plan: Json = harness.plan("in.csv --match email").reading_back().run().await.exits(0).planned().json;
    assert_eq!(plan["calls"]["total"]["max"], 0);
}

#[tokio::test]
async fn each_channel_has_its_own_fields() {
    let harness = dropping(&["nombre"]).await;
    let url = harness.sandbox.url();
    harness.write(
        "contactsync.toml",
        format!(
            "match = [\"email\"]\nchannel_column = \"team\"\n[channel.a]\nurl = \"{url}\"\ntoken_env = \"A\"\n\
             [channel.b]\nurl = \"{url}\"\ntoken_env = \"B\"\n"
        ),
    );
    harness.write("in.csv", "email,nombre,team\nann@x.com,Ann,a\nbo@x.com,Bo,b\n");
    let sync = || {
        let program = harness.program("sync in.csv --json --journal journal.db --rate 1000000");
        program.environment(&[("A", "a"), ("B", "b")]).reading_back().run()
    };
    let ran = sync().await.exits(0);
    assert_eq!(harness.calls(), "2 find, 2 read, 2 create");
    let summary: Json = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(summary["dropped_fields"], json!(["nombre"]));
    assert_eq!(summary["channels"]["b"]["dropped_fields"], json!(["nombre"]));
    let channels: Vec<bool> =
        ["a", "b"].map(|name| ran.stderr.contains(&format!("channel `{name}`: the platform accepted"))).to_vec();
    assert_eq!(channels, [true, true], "{ran:?}");
    sync().await.exits(0);
    assert_eq!(harness.calls(), "none");
}
