//! `runs diff`: in what two runs differ; and the bars that `runs` draws on a terminal.

use serde_json::Value as Json;

use crate::terminal::Terminal;
use support::{Harness, JOURNAL, People, Program};

fn runs<'a>(harness: &'a Harness, arguments: &str) -> Program<'a> {
    harness.program(&format!("runs {arguments} --journal {JOURNAL}"))
}

/// Two runs: one that creates twenty contacts and rejects two rows, and one that updates one, creates two, and rejects three rows.
async fn two_runs() -> Harness {
    let harness = Harness::unlimited().await;
    let mut people = People::new(20, 3, 1);
    let write = |people: &People, more: &str| harness.write("in.csv", [people.csv(), more.into()].concat());
    write(&people, "a,b,,t\nc,d,,t\n");
    harness.sync("in.csv --match email").run().await.exits(3);
    people = People::new(22, 3, 1);
    people.person(0).fields[0].1 = "changed".into();
    write(&people, "a,b,n/a,t\nc,d,n/a,t\ne,f,,t\n");
    harness.sync("in.csv --match email").run().await.exits(3);
    harness
}

#[tokio::test]
async fn two_runs_are_compared_by_rows_calls_and_reasons() {
    let harness = two_runs().await;
    let ran = runs(&harness, "diff 1 2 --json").run().await.exits(0);
    let compared: Json = serde_json::from_str(ran.stdout.trim()).expect("one JSON object");
    let difference = &compared["difference"];
    let found = ["rows", "created", "updated", "unchanged", "rejected", "calls"].map(|name| difference[name].as_i64());
    assert_eq!(found, [Some(3), Some(-18), Some(1), Some(19), Some(1), Some(-53)], "{compared}");
    assert_eq!((&compared["before"]["run"], &compared["after"]["run"]), (&1.into(), &2.into()));
    let reasons = compared["rejected_reasons"].as_array().expect("a list");
    let counts: Vec<_> = reasons.iter().map(|one| (one["before"].as_u64(), one["after"].as_u64())).collect();
    assert_eq!(counts, [(Some(0), Some(2)), (Some(2), Some(1))], "{compared}");
    let text = runs(&harness, "diff 1 2").run().await.exits(0).stdout;
    let words: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in
        ["run 1 run 2", "rows 22 25 +3", "created 20 2 −18", "rejected 2 3 +1", "calls 60 7 −53", "rejected rows"]
    {
        assert!(words.iter().any(|found| found == line), "{line}: {text}");
    }
    assert!(text.contains("\n  new   2: column `email`: ") && text.contains("\n  2 → 1: column `email`: "), "{text}");
    // The other way round, and a run with itself.
    let back = runs(&harness, "diff 2 1").run().await.exits(0).stdout;
    assert!(back.contains("\n  gone  2: column `email`: "), "{back}");
    let same = runs(&harness, "diff 2 2").run().await.exits(0).stdout;
    assert!(!same.contains("rejected rows") && same.contains("  ="), "{same}");
    let refused = runs(&harness, "diff 1 7").run().await.exits(2);
    assert!(refused.stderr.starts_with("error: run 7: the journal has no such run\nhint: "), "{refused:?}");
    // The list is as before.
    assert_eq!(runs(&harness, "--limit 1").run().await.exits(0).stdout.lines().count(), 1);
    let mixed = harness.program(&format!("runs --limit 1 diff 1 2 --journal {JOURNAL}")).run().await.exits(2);
    assert!(mixed.stderr.contains("cannot be used with"), "{mixed:?}");
}

#[tokio::test]
async fn the_list_draws_bars_on_a_terminal_that_can_show_them() {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let harness = two_runs().await;
    for (variables, has_bars) in [
        ([("TERM", "xterm"), ("LC_ALL", "C.UTF-8")], true),
        ([("TERM", "dumb"), ("LC_ALL", "C.UTF-8")], false),
        ([("TERM", "xterm"), ("LC_ALL", "C")], false),
    ] {
        let terminal = Terminal::of(200);
        let shell = format!("{} >&2", terminal.shell());
        runs(&harness, "").environment(&variables).shell(&shell).run().await.exits(0);
        let text = terminal.until(" calls");
        assert_eq!(text.contains(BARS), has_bars, "{variables:?}: {text}");
    }
    let piped = runs(&harness, "").environment(&[("TERM", "xterm"), ("LC_ALL", "C.UTF-8")]).run().await.exits(0);
    assert!(!piped.stdout.contains(BARS), "{piped:?}");
}
