//! Jobs of the configuration: one by its name, or all of them.

use std::fs;

use contactsync::sandbox::Faults;
use serde_json::Value as Json;
use support::Harness;

const CUSTOMERS: &str = "Mail,Nombre,Estado\na@example.com,A,activo\nb@example.com,B,baja\n";
const LEADS: &str = "phone,name\n+525550001001,L\n+525550001002,M\n+525550001003,N\n";

/// Two jobs that share the channel and the journal.
async fn two_jobs() -> Harness {
    let harness = Harness::unlimited().await;
    configure(&harness, "");
    harness
}

fn configure(harness: &Harness, first: &str) {
    fs::create_dir_all(harness.path("etc")).expect("a folder");
    let url = harness.sandbox.url();
    let text = format!(
        "url = {url:?}\nmatch = \"phone\"\njournal = \"contacts.db\"\nrate = 1000000\n{first}
[job.customers]
input = \"customers.csv\"
match = \"email\"
unmapped = \"ignore\"
rejects = \"customers-rejected.csv\"
[job.customers.fields]
email = \"Mail\"
first_name = \"Nombre\"
[[job.customers.take]]
column = \"Estado\"
is = [\"activo\"]

[job.leads]
input = \"leads.csv\"
rejects = \"leads-rejected.csv\"
"
    );
    harness.write("etc/contactsync.toml", text);
    harness.write("etc/customers.csv", CUSTOMERS);
    harness.write("etc/leads.csv", LEADS);
}

const CONFIG: &str = "--config etc/contactsync.toml";

fn objects(stdout: &str) -> Vec<Json> {
    stdout.lines().map(|line| serde_json::from_str(line).expect("each line is a JSON object")).collect()
}

#[tokio::test]
async fn a_job_has_its_own_input_mapping_and_source() {
    let harness = two_jobs().await;
    let ran = harness.program(&format!("sync {CONFIG} --job customers --json")).run().await.exits(0);
    assert_eq!(ran.summary().rows(), "1 created");
    let ran = harness.program(&format!("sync {CONFIG} --job leads --json")).run().await.exits(0);
    assert_eq!(ran.summary().rows(), "3 created");
    let contacts = harness.sandbox.contacts("token");
    assert_eq!(contacts.len(), 4);
    // Each job has the snapshot of its own input, although they share the channel.
    for (job, rows) in [("customers", "1 unchanged"), ("leads", "3 unchanged"), ("customers", "1 unchanged")] {
        harness.calls();
        let ran = harness.program(&format!("sync {CONFIG} --job {job} --json --max-missing 0")).run().await.exits(0);
        assert_eq!((ran.summary().rows().as_str(), harness.calls().as_str()), (rows, "none"), "{job}");
        assert_eq!(ran.summary().count("missing"), 0, "{job}");
    }
    // The command line wins over the job.
    harness.write("other.csv", "phone,name\n+525550001009,Z\n");
    let ran =
        harness.program(&format!("sync other.csv {CONFIG} --job leads --source other --json")).run().await.exits(0);
    assert_eq!(ran.summary().rows(), "1 created");
    let typed = harness.program(&format!("sync {CONFIG} --job leads --source third --json"));
    let ran = typed.argument("--input-command").argument("cat other.csv").run().await.exits(0);
    assert_eq!(ran.summary().rows(), "1 unchanged");
}

#[tokio::test]
async fn other_commands_take_a_job() {
    let harness = two_jobs().await;
    let run = async |arguments: &str| harness.program(&format!("{arguments} {CONFIG} --job customers")).run().await;
    let planned = run("plan --json").await.exits(0);
    assert_eq!(planned.planned().count("created") + planned.planned().count("pending"), 1, "{planned:?}");
    let checked = run("check").await;
    assert!(checked.stdout.contains("Mail") && checked.stdout.contains("customers.csv"), "{checked:?}");
    let stopped = run("sync --max-calls 1").await.exits(4);
    assert!(stopped.stderr.contains("resume --config etc/contactsync.toml --job customers`"), "{stopped:?}");
    assert!(run("resume --json").await.exits(0).stdout.contains("\"created\":1"));
    assert!(run("verify --json").await.exits(0).stdout.contains("\"verified\":1"), "{:?}", run("verify --json").await);
    run("pull --field source --value crm").await.exits(0);
    assert!(run("runs").await.exits(0).stdout.contains("customers.csv"));
    for command in ["sync", "plan", "check", "resume", "verify", "runs"] {
        let ran = harness.program(&format!("{command} {CONFIG} --job lead")).run().await.exits(2);
        let error =
            "error: etc/contactsync.toml: no job `lead`: expected one of `customers`, `leads`; did you mean `leads`?";
        assert_eq!(ran.stderr_lines("error:"), [error], "{command}");
    }
}

#[tokio::test]
async fn all_jobs_run_in_order_and_a_failing_one_stops_none() {
    let harness = two_jobs().await;
    let all = async |more: &str| harness.program(&format!("sync {CONFIG} --all {more}")).run().await;
    let ran = all("").await.exits(0);
    let heads: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("job ")).collect();
    assert_eq!(heads, ["job `customers`: run 1 finished", "job `leads`: run 2 finished"]);
    let [customers, leads] = &objects(&all("--json").await.exits(0).stdout)[..] else { panic!("two objects") };
    assert_eq!(
        (&customers["job"], &customers["exit"], &customers["unchanged"]),
        (&"customers".into(), &0.into(), &1.into())
    );
    assert_eq!((&leads["job"], &leads["unchanged"]), (&"leads".into(), &3.into()));

    fs::remove_file(harness.path("etc/customers.csv")).expect("the input");
    harness.write("etc/leads.csv", format!("{LEADS}not a phone,X\n"));
    let ran = all("--json").await.exits(2);
    let [customers, leads] = &objects(&ran.stdout)[..] else { panic!("{ran:?}") };
    assert_eq!((&customers["state"], &customers["exit"]), (&"failed".into(), &2.into()));
    assert!(customers["reason"].as_str().is_some_and(|reason| reason.contains("customers.csv")), "{customers}");
    assert_eq!((&leads["rejected"], &leads["exit"]), (&1.into(), &3.into()));
    assert_eq!(ran.stderr_lines("error: job `customers`: etc/customers.csv: ").len(), 1, "{ran:?}");
    assert!(harness.path("etc/leads-rejected.csv").exists());

    // Of the outcomes 3 and 7, the more severe one is the exit code.
    harness.write("etc/customers.csv", CUSTOMERS);
    let ran = all("--min-rows 3 --json").await.exits(7);
    let exits: Vec<Json> = objects(&ran.stdout).iter().map(|object| object["exit"].clone()).collect();
    assert_eq!(exits, [Json::from(7), Json::from(3)]);
    let ran = harness.program(&format!("sync {CONFIG} --all")).token(Some("wrong")).run().await.exits(5);
    assert_eq!(ran.stderr_lines("error:").len(), 2, "{ran:?}");
}

#[tokio::test]
async fn a_signal_stops_the_jobs_that_are_left() {
    let harness = two_jobs().await;
    harness.sandbox.set_faults(Faults { latency: std::time::Duration::from_secs(2), ..Faults::default() });
    let mut running = harness.program(&format!("sync {CONFIG} --all")).start();
    assert!(running.until(|| !harness.sandbox.ledger().is_empty()).await);
    running.signal("TERM").await;
    let ran = running.end().await.exits(4);
    assert_eq!(ran.stderr_lines("warning: jobs that were not started: `leads`").len(), 1, "{ran:?}");
}

#[tokio::test]
async fn a_signal_after_the_hooks_of_a_job_is_graceful_again() {
    let harness = two_jobs().await;
    configure(&harness, "[notify]\non_finish = \"cat >> ends\"\n");
    harness.sandbox.set_faults(Faults { latency: std::time::Duration::from_millis(500), ..Faults::default() });
    let mut running = harness.program(&format!("sync {CONFIG} --all --concurrency 1")).start();
    assert!(running.until(|| harness.path("ends").exists()).await);
    let before = harness.sandbox.ledger().len();
    assert!(running.until(|| harness.sandbox.ledger().len() > before).await);
    running.signal("TERM").await;
    let ran = running.end().await.exits(4);
    assert_eq!(ran.stderr_lines("SIGTERM: finishing the calls in flight").len(), 1, "{ran:?}");
    let ends = objects(&fs::read_to_string(harness.path("ends")).expect("two ends"));
    let states: Vec<_> = ends.iter().map(|end| (&end["alert"]["job"], &end["state"], &end["alert"]["exit"])).collect();
    assert_eq!(
        states,
        [(&"customers".into(), &"finished".into(), &0.into()), (&"leads".into(), &"stopped".into(), &4.into())]
    );
}

#[tokio::test]
async fn the_time_limit_of_all_jobs_is_that_of_the_command() {
    let harness = two_jobs().await;
    configure(&harness, "");
    // The first job takes all of the time, so the second one starts no call.
    let text = fs::read_to_string(harness.path("etc/contactsync.toml")).expect("the configuration");
    let slow = "input_command = \"sleep 3; cat etc/customers.csv\"";
    harness.write("etc/contactsync.toml", text.replace("input = \"customers.csv\"", slow));
    let ran = harness.program(&format!("sync {CONFIG} --all --for 33s --json")).run().await.exits(4);
    let [_, leads] = &objects(&ran.stdout)[..] else { panic!("{ran:?}") };
    assert_eq!((&leads["pending"], &leads["calls"]["total"]), (&3.into(), &0.into()), "{ran:?}");
}

#[tokio::test]
async fn each_job_has_its_own_state() {
    let harness = two_jobs().await;
    configure(&harness, "[notify]\non_failure = \"cat >> told\"\non_recovered = \"cat >> told\"\n");
    let all = async || harness.program(&format!("sync {CONFIG} --all --metrics-file m.prom")).run().await;
    all().await.exits(0);
    fs::remove_file(harness.path("etc/leads.csv")).expect("the input");
    all().await.exits(2);
    all().await.exits(2);
    harness.write("etc/leads.csv", LEADS);
    all().await.exits(0);
    let told = objects(&fs::read_to_string(harness.path("told")).expect("two messages"));
    let told: Vec<_> = told.iter().map(|message| (&message["alert"]["event"], &message["alert"]["job"])).collect();
    assert_eq!(told, [(&"failure".into(), &"leads".into()), (&"recovered".into(), &"leads".into())]);
    let metrics = fs::read_to_string(harness.path("m.prom")).expect("metrics");
    for job in ["customers", "leads"] {
        let line = format!("contactsync_last_run_exit_code{{channel=\"default\",job=\"{job}\"}} 0\n");
        assert!(metrics.contains(&line), "{metrics}");
    }
    assert!(harness.path("etc/contacts.db.alerts").exists());
}

#[tokio::test]
async fn the_columns_of_a_job_are_compared_with_those_of_its_own_last_input() {
    let harness = Harness::unlimited().await;
    let tables = "[job.a]\ninput = \"a.csv\"\n[job.b]\ninput = \"b.csv\"\n";
    harness.write("contactsync.toml", format!("match = \"phone\"\nurl = {:?}\n{tables}", harness.sandbox.url()));
    harness.write("a.csv", "phone,name\n+525512345601,Ann\n");
    harness.write("b.csv", "phone,mail\n+525512345602,bo@example.com\n");
    for _ in 0..2 {
        let ran = harness.program("sync --all").run().await.exits(0);
        assert!(!ran.stderr.contains("column"), "{ran:?}");
    }
    harness.write("a.csv", "phone,city\n+525512345601,Lima\n");
    let ran = harness.program("sync --all").run().await.exits(0);
    assert!(ran.stderr.contains("a.csv: column of the last run that is missing: `name`"), "{ran:?}");
    assert!(!ran.stderr.contains("b.csv: column"), "{ran:?}");
}

#[tokio::test]
async fn what_jobs_cannot_do_together_is_refused() {
    let harness = two_jobs().await;
    let refused = async |arguments: &str, error: &str| {
        let ran = harness.program(arguments).run().await.exits(2);
        assert!(ran.stderr.contains(error), "{arguments}: {ran:?}");
        assert_eq!(harness.calls(), "none", "{arguments}");
    };
    let both = "error: r.csv: jobs `customers` and `leads` would both write this file";
    refused(&format!("sync {CONFIG} --all --rejects r.csv"), both).await;
    refused(&format!("sync {CONFIG} --all --results r.csv"), both).await;
    let config = fs::read_to_string(harness.path("etc/contactsync.toml")).expect("the configuration");
    let tables = config.replace("customers-rejected.csv", "r.csv");
    let tables = tables.replace("leads-rejected.csv", "../etc/r.csv");
    assert_eq!(tables.matches("r.csv").count(), 2);
    harness.write("etc/same.toml", tables);
    refused("sync --config etc/same.toml --all", "jobs `customers` and `leads` would both write this file").await;
    refused(&format!("sync in.csv {CONFIG} --all"), "cannot be used with").await;
    refused(&format!("sync {CONFIG} --all --job leads"), "cannot be used with").await;
    refused(&format!("sync {CONFIG}"), "a job with --job NAME").await;
    harness.write("none.toml", "rate = 5\n");
    refused("sync --config none.toml --all", "error: no job is configured").await;
    refused("sync --config none.toml --job a", "none.toml: no job `a`: the file has no tables [job.NAME]").await;
    refused("sync --job a", "no job `a`").await;
}

#[tokio::test]
async fn the_configuration_is_found_in_the_folder_or_in_that_of_the_user() {
    let harness = two_jobs().await;
    let home = harness.path("home");
    let folder = home.join("contactsync");
    fs::create_dir_all(&folder).expect("a folder");
    for file in ["contactsync.toml", "customers.csv", "leads.csv"] {
        fs::copy(harness.path("etc").join(file), folder.join(file)).expect("a copy");
    }
    let home = home.to_str().expect("a plain name");
    let run = async |variable: &str, path: &str, arguments: &str| {
        let variables = [("CONTACTSYNC_TOKEN", "token"), (variable, path)];
        harness.program(arguments).environment(&variables).run().await
    };
    let ran = run("XDG_CONFIG_HOME", home, "sync --job leads --json").await.exits(0);
    assert_eq!(ran.summary().rows(), "3 created");
    // Paths in the file start at its folder.
    assert!(folder.join("contacts.db").exists());
    let above = harness.path("above");
    fs::create_dir_all(&above).expect("a folder");
    std::os::unix::fs::symlink(home, above.join(".config")).expect("a link");
    let script = "unset XDG_CONFIG_HOME; exec \"$@\"";
    let variables = [("CONTACTSYNC_TOKEN", "token"), ("HOME", above.to_str().expect("a plain name"))];
    let ran = harness.program("sync --job leads --json").environment(&variables).shell(script).run().await.exits(0);
    assert_eq!(ran.summary().rows(), "3 unchanged");
    // A relative path does not count, and the working directory comes first.
    run("XDG_CONFIG_HOME", "home", "sync --job leads").await.exits(2);
    harness.write("contactsync.toml", "rate = 5\n");
    let ran = run("XDG_CONFIG_HOME", home, "sync --job leads").await.exits(2);
    assert!(ran.stderr.contains("contactsync.toml: no job `leads`: the file has no tables"), "{ran:?}");
}
