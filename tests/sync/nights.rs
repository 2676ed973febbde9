//! One export after another: rows that are as they were, from files and pipes, and what meets them.

use support::{Harness, Output};

const HEADER: &str = "phone,email,name\n";

fn row(n: usize) -> String {
    format!("+5215550{n:04},p{n}@example.com,Person {n}\n")
}

fn rows(numbers: impl IntoIterator<Item = usize>) -> String {
    numbers.into_iter().map(row).collect()
}

#[track_caller]
fn check(harness: &Harness, ran: &Output, rows: &str, calls: &str) {
    let summary = ran.summary();
    assert_eq!(
        (summary.rows(), summary.calls(), harness.calls()),
        (rows.into(), calls.into(), calls.into()),
        "{ran:?}"
    );
}

// Two runs: one that creates the contacts, and one that finds them unchanged and leaves a snapshot.
async fn nights(input: &str) -> Harness {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", format!("{HEADER}{input}"));
    for _ in 0..2 {
        let ran = harness.sync("in.csv --match phone --match email").run().await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        harness.calls();
    }
    harness
}

#[tokio::test]
async fn a_row_that_meets_a_known_row_is_merged_with_it() {
    let harness = nights(&rows(0..40)).await;
    let sync = |arguments: &str| harness.sync(&format!("in.csv --match phone --match email {arguments}")).run();
    check(&harness, &sync("").await, "40 unchanged", "none");
    // By the first match field, and by the other one.
    let other = "+52155500007,,Other\n,p9@example.com,Another\n";
    harness.write("in.csv", format!("{HEADER}{}{other}", rows(0..40)));
    check(&harness, &sync("").await, "2 updated, 38 unchanged, 2 merged", "2 update");
    check(&harness, &sync("").await, "40 unchanged, 2 merged", "none");
    harness.write("in.csv", format!("{HEADER}{}{other}", rows(0..40)));
    check(&harness, &sync("--duplicates first").await, "2 updated, 38 unchanged, 2 merged", "2 update");
}

#[tokio::test]
async fn known_rows_are_found_in_any_order_and_from_a_pipe() {
    let harness = nights(&rows(0..40)).await;
    harness.write("in.csv", format!("{HEADER}{}{}+52155500099,,New\n", rows(20..40), rows((0..20).rev())));
    let ran = harness.sync("- --match phone --match email").stdin("in.csv").run().await;
    check(&harness, &ran, "1 created, 40 unchanged", "1 find, 1 create");
    // A row is read again that came through a pipe.
    harness.write("in.csv", format!("{HEADER}{}+52155500003,,Other\n+52155500099,,New\n", rows(0..40)));
    let ran = harness.sync("- --match phone --match email").stdin("in.csv").run().await;
    check(&harness, &ran, "1 updated, 40 unchanged, 1 merged", "1 update");
}

#[tokio::test]
async fn another_source_that_changes_a_contact_is_noticed() {
    let harness = nights(&rows(0..40)).await;
    harness.write("other.csv", "phone,name\n+52155500005,Changed\n");
    let ran = harness.sync("other.csv --match phone --match email --source other").run().await;
    assert_eq!(ran.code, Some(2), "the column of a match field is missing: {ran:?}");
    harness.write("other.csv", format!("{HEADER}+52155500005,p5@example.com,Changed\n"));
    let ran = harness.sync("other.csv --match phone --match email --source other").run().await;
    check(&harness, &ran, "1 updated", "1 update");
    let ran = harness.sync("in.csv --match phone --match email").run().await;
    check(&harness, &ran, "1 updated, 39 unchanged", "1 update");
}

#[tokio::test]
async fn the_list_of_results_has_known_rows_too() {
    let harness = nights(&rows(0..3)).await;
    let ran = harness.sync("in.csv --match phone --match email --results results.csv").run().await;
    check(&harness, &ran, "3 unchanged", "none");
    let results = std::fs::read_to_string(harness.path("results.csv")).expect("the list is written");
    assert_eq!(results.lines().filter(|line| line.contains(",unchanged,")).count(), 3, "{results}");
}
