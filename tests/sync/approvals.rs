//! What a plan shows of each contact, and plans that are saved, approved and carried out.

use std::fs;

use contactsync::Field;
use contactsync::sandbox::Faults;
use serde_json::{Value as Json, json};

use support::{Harness, JOURNAL, Output, People, TOKEN};

/// Three known contacts, two of which differ from `in.csv`, and two new ones.
async fn changed() -> Harness {
    let harness = Harness::unlimited().await;
    harness.write(
        "before.csv",
        "email,city,tags\nann@example.com,Lima,vip;old\nbo@example.com,Cusco,\ncy@example.com,Quito,\n",
    );
    harness.sync("before.csv --match email --tags-mode mirror").run().await.exits(0);
    harness.write(
        "in.csv",
        "email,city,note,tags\nann@example.com,Monterrey,,vip;new\nbo@example.com,Cusco,,\ncy@example.com,Quito,9|9,\n\
         di@example.com,La Paz,,vip\ned@example.com,,,\n",
    );
    let _ = harness.calls();
    harness
}

/// `plan` as text, with these arguments.
async fn plan(harness: &Harness, arguments: &str) -> Output {
    let program =
        harness.program(&format!("plan in.csv --match email --tags-mode mirror --journal {JOURNAL} {arguments}"));
    program.run().await
}

fn lines(ran: &Output) -> Vec<&str> {
    ran.stdout.lines().filter(|line| line.starts_with(['+', '~', '…'])).collect()
}

#[tokio::test]
async fn a_plan_exits_with_10_if_it_has_something_to_send() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email,name\na@example.com,A\n");
    let exits = async |arguments: &str, code: i32| {
        harness.plan(&format!("in.csv --match email {arguments}")).run().await.exits(code);
    };
    exits("", 0).await;
    exits("--detailed-exitcode", 10).await;
    exits("--detailed-exitcode --max-changes 0", 7).await;
    exits("--detailed-exitcode --match other", 2).await;
    harness.sync("in.csv --match email").run().await.exits(0);
    exits("--detailed-exitcode", 0).await;
    harness.write("in.csv", "email,name\na@example.com,A\n,B\n");
    exits("--detailed-exitcode", 3).await;
    harness.write("in.csv", "email,name\na@example.com,C\n,B\n");
    exits("", 3).await;
    exits("--detailed-exitcode", 10).await;
}

#[tokio::test]
async fn a_plan_lists_what_would_change_with_masked_values() {
    let harness = changed().await;
    let ran = plan(&harness, "--diff").await.exits(0);
    let expected = [
        "~ email=ann@example.com: city: L…a → M…y, +new, −old",
        "~ email=cy@example.com: note: (unknown) → 9…",
        "+ email=di@example.com (may exist): city = L…z, +vip",
        "+ email=ed@example.com (may exist)",
    ];
    assert_eq!(lines(&ran), expected, "{ran:?}");
    let ran = plan(&harness, "--diff --show-values").await.exits(0);
    assert_eq!(lines(&ran)[0], "~ email=ann@example.com: city: Lima → Monterrey, +new, −old");
    assert_eq!(lines(&ran)[2], "+ email=di@example.com (may exist): city = La Paz, +vip");
    let ran = plan(&harness, "--diff=1").await.exits(0);
    assert_eq!(lines(&ran), [expected[0], "… and 3 more contacts"]);
    let ran = plan(&harness, "--diff=2 --limit 3").await.exits(0);
    assert_eq!(lines(&ran)[2], "… and 1 more contact");
    let ran = plan(&harness, "--diff --only line:5").await.exits(0);
    assert_eq!(lines(&ran), [expected[2]]);
    let ran = plan(&harness, "--diff=0").await.exits(0);
    assert_eq!(lines(&ran), ["… and 4 more contacts"]);
    assert!(lines(&plan(&harness, "").await.exits(0)).is_empty());
    // A create without a search, and an update of a contact that must exist.
    let ran = plan(&harness, "--diff=3 --mode create --only di@example.com").await.exits(0);
    assert_eq!(lines(&ran), ["+ email=di@example.com: city = L…z, +vip"]);
    let ran = plan(&harness, "--diff=3 --mode update --only di@example.com").await.exits(0);
    assert_eq!(lines(&ran), ["~ email=di@example.com (if it exists): city = L…z, +vip"]);
    for wrong in ["--diff x", "--diff=x", "--diff=-1", "--show-values", "--output markdown --json", "--output html"] {
        plan(&harness, wrong).await.exits(2);
    }
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn a_plan_prints_its_changes_as_markdown_and_as_json() {
    let harness = changed().await;
    let ran = plan(&harness, "--diff=2 --show-values --output markdown").await.exits(0);
    let table: Vec<&str> = ran.stdout.lines().skip_while(|line| !line.starts_with('|')).collect();
    assert_eq!(
        table,
        [
            "| | contact | change |",
            "| --- | --- | --- |",
            "| \\~ | email=ann@example.com | city: Lima → Monterrey, +new, −old |",
            "| \\~ | email=cy@example.com | note: (unknown) → 9\\|9 |",
            "",
            "and 2 more contacts",
        ]
    );
    assert!(ran.stdout.starts_with("- 5 rows: 4 to send, 1 unchanged\n- "), "{ran:?}");
    let ran = plan(&harness, "--output markdown").await.exits(0);
    assert!(ran.stdout.lines().all(|line| line.starts_with("- ")), "{ran:?}");

    let ran = plan(&harness, "--diff=3 --json").await.exits(0);
    let planned = ran.planned();
    let diff = &planned.json["diff"];
    assert_eq!(diff["more"], 1);
    assert_eq!(
        diff["contacts"][0],
        json!({
            "change": "update", "key": "email=ann@example.com", "channel": "default", "line": 2,
            "fields": [{"name": "city", "old": "L…a", "new": "M…y"}], "add_tags": ["new"], "remove_tags": ["old"],
        })
    );
    assert_eq!(diff["contacts"][2]["change"], "create_or_update");
    assert!(!ran.stdout.contains("Lima") && !ran.stdout.contains("La Paz"), "{ran:?}");
    let ran = plan(&harness, "--diff --json --show-values").await.exits(0);
    assert_eq!(ran.planned().json["diff"]["contacts"][0]["fields"][0]["old"], "Lima");
    assert!(plan(&harness, "--json").await.exits(0).planned().json.get("diff").is_none());
}

/// `sync` of a saved plan.
async fn carry_out(harness: &Harness, arguments: &str) -> Output {
    harness.sync(&format!("{arguments} --plan plan.json")).run().await
}

const OPTIONS: &str = "--match email --tags-mode mirror";

#[tokio::test]
async fn a_saved_plan_is_carried_out_as_it_was_approved() {
    let harness = changed().await;
    plan(&harness, "--save plan.json").await.exits(0);
    let saved = fs::read_to_string(harness.path("plan.json")).unwrap();
    let json: Json = serde_json::from_str(&saved).unwrap();
    assert_eq!((&json["input"], &json["approval"]["contacts"]), (&json!("in.csv"), &json!(4)), "{saved}");
    for value in ["Monterrey", "Lima", "La Paz", "ann@", "di@", "vip"] {
        assert!(!saved.contains(value), "{value}: {saved}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(harness.path("plan.json")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // One of the contacts that was never seen is on the platform: that takes no create, and is the same plan.
    harness.sandbox.insert(
        TOKEN,
        [Field::text("email", "di@example.com"), Field::text("city", "La Paz")],
        ["vip".to_owned()],
    );
    // The plan names the input.
    let ran = carry_out(&harness, OPTIONS).await.exits(0);
    assert_eq!(ran.summary().rows(), "1 created, 2 updated, 2 unchanged", "{ran:?}");
    assert_eq!(harness.calls(), "2 find, 1 create, 2 update, 1 add_tags, 1 remove_tags");
    // It was carried out, so the same plan is another one now.
    let ran = carry_out(&harness, &format!("in.csv {OPTIONS}")).await.exits(7);
    assert!(ran.stderr.contains("the plan is not the saved one"), "{ran:?}");
    assert_eq!(harness.calls(), "none");
    // An empty plan is one too.
    plan(&harness, "--save plan.json").await.exits(0);
    carry_out(&harness, &format!("in.csv {OPTIONS}")).await.exits(0);
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn a_plan_that_differs_from_the_saved_one_is_refused() {
    let harness = changed().await;
    plan(&harness, "--save plan.json").await.exits(0);
    let original = fs::read_to_string(harness.path("in.csv")).unwrap();
    let configuration = "the configuration, the options or the columns of the input differ";
    let decisions = "the contacts, or the fields and tags to send, differ";
    // Options and inputs that make another plan.
    let cases = [
        ("", ("Monterrey", "Arequipa"), decisions),
        ("", ("vip;new", "vip;nuevo"), decisions),
        ("", ("di@", "do@"), decisions),
        ("", ("cy@example.com,Quito,9|9,\n", ""), "the counts differ"),
        ("", ("ed@", "@"), "the counts differ"),
        ("", ("city,note", "town,note"), configuration),
        ("--limit 4", ("", ""), configuration),
        ("--only line:2", ("", ""), configuration),
        ("--mode update", ("", ""), configuration),
        ("--source crm", ("", ""), configuration),
        ("--duplicates first", ("", ""), configuration),
    ];
    for (options, (from, to), expected) in cases {
        assert!(original.contains(from), "{from}");
        harness.write("in.csv", original.replacen(from, to, 1));
        let ran = carry_out(&harness, &format!("in.csv {OPTIONS} {options}")).await.exits(7);
        let error = ran.stderr_lines("error: the plan is not the saved one: ");
        assert!(error.len() == 1 && error[0].contains(expected), "{options} {to}: {ran:?}");
        assert!(ran.stdout.is_empty(), "{ran:?}");
    }
    harness.write("in.csv", &original);
    // Tags as they are added, and a mapping.
    let ran = carry_out(&harness, "in.csv --match email").await.exits(7);
    assert!(ran.stderr.contains(configuration), "{ran:?}");
    harness.write("contactsync.toml", "[fields]\ncity = \"city\"\nemail = \"email\"\n");
    let ran = carry_out(&harness, &format!("in.csv {OPTIONS}")).await.exits(7);
    assert!(ran.stderr.contains(configuration), "{ran:?}");
    fs::remove_file(harness.path("contactsync.toml")).unwrap();
    // Another channel, and a URL that was approved.
    let ran = carry_out(&harness, &format!("in.csv {OPTIONS} --channel other")).await.exits(7);
    assert!(ran.stderr.contains("the channels or their URLs differ"), "{ran:?}");
    assert_eq!(harness.calls(), "none");
    plan(&harness, "--save plan.json --url https://app.example.com/api/v1 --moved").await.exits(0);
    let ran = carry_out(&harness, &format!("in.csv {OPTIONS}")).await.exits(7);
    assert!(ran.stderr.contains("the channels or their URLs differ"), "{ran:?}");

    // Another run changed what is known.
    plan(&harness, "--save plan.json").await.exits(0);
    harness.sync(&format!("in.csv {OPTIONS} --only ann@example.com")).run().await.exits(0);
    let _ = harness.calls();
    let ran = carry_out(&harness, &format!("in.csv {OPTIONS}")).await.exits(7);
    assert!(ran.stderr.contains("the counts differ: the saved plan has 5 rows, 4 to send"), "{ran:?}");
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn a_saved_plan_with_a_limit_is_carried_out_with_the_same_limit() {
    let harness = changed().await;
    plan(&harness, "--save plan.json --limit 3").await.exits(0);
    carry_out(&harness, &format!("in.csv {OPTIONS}")).await.exits(7);
    let ran = carry_out(&harness, &format!("in.csv {OPTIONS} --limit 3")).await.exits(0);
    assert_eq!(ran.summary().rows(), "1 created, 2 updated, 1 unchanged, 1 skipped", "{ran:?}");
}

#[tokio::test]
async fn an_interrupted_saved_plan_is_continued_by_resume() {
    let harness = Harness::faulty(Faults::default()).await;
    let people = People::new(40, 3, 1);
    harness.write("in.csv", people.csv());
    plan(&harness, "--save plan.json").await.exits(0);
    let ran = carry_out(&harness, &format!("in.csv {OPTIONS} --max-calls 30")).await.exits(4);
    assert_eq!(ran.summary().count("pending"), 30, "{ran:?}");
    let ran = carry_out(&harness, &format!("in.csv {OPTIONS}")).await.exits(7);
    assert!(ran.stderr.contains("contactsync resume"), "{ran:?}");
    // The refusal leaves the interrupted run as it was.
    harness.resume().run().await.exits(0);
    people.assert_stored_in(&harness.sandbox);
    assert_eq!(harness.sandbox.ledger().creates(TOKEN), 40);
}

#[tokio::test]
async fn only_a_saved_plan_is_overwritten_or_carried_out() {
    let harness = changed().await;
    harness.write("foreign.json", "{\"a\": 1}\n");
    for path in ["foreign.json", "in.csv", JOURNAL, "."] {
        let before = fs::read(harness.path(path)).ok();
        let ran = plan(&harness, &format!("--save {path}")).await.exits(2);
        assert!(ran.stderr.contains("not a saved plan"), "{ran:?}");
        assert_eq!(fs::read(harness.path(path)).ok(), before, "{path}");
    }
    plan(&harness, "--save missing/plan.json").await.exits(2);
    plan(&harness, "--save plan.json --max-changes 1").await.exits(7);
    assert!(!harness.path("plan.json").exists(), "a plan that is refused is not saved");
    for path in ["foreign.json", "in.csv", "missing.json"] {
        let ran = harness.sync(&format!("in.csv {OPTIONS} --plan {path}")).run().await.exits(2);
        assert!(ran.stderr.contains(path), "{ran:?}");
    }
    assert_eq!(harness.calls(), "none");
    // The same plan has the same digests.
    plan(&harness, "--save plan.json").await.exits(0);
    let approval = || {
        let text = fs::read_to_string(harness.path("plan.json")).unwrap();
        serde_json::from_str::<Json>(&text).unwrap()["approval"].clone()
    };
    let first = approval();
    plan(&harness, "--save plan.json --diff").await.exits(0);
    assert_eq!(approval(), first);
}
