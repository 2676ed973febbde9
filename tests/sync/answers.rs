//! Misleading answers, through the real program: a refused search, a search that contradicts itself, a value in another form,
//! the id of another contact.

use std::fs;
use std::time::Duration;

use contactsync::Field;
use contactsync::report::CallKind;
use contactsync::sandbox::{Fault, Faults, Rule, Sandbox, StoredForm};

use support::{Harness, Output, TOKEN};

const THREE: &str = "phone,name,tags\n+521,Ana,a\n+522,Luis,b\n+523,Eva,c\n";

/// A platform that has the contacts of [`THREE`], with other names, and that applies the rule to every call.
async fn with_three(rule: Rule) -> Harness {
    let harness = Harness::faulty(faults(rule)).await;
    for phone in ["+521", "+522", "+523"] {
        harness.sandbox.insert(TOKEN, [Field::text("phone", phone), Field::text("name", "old")], ["theirs"]);
    }
    harness.write("in.csv", THREE);
    harness
}

fn faults(rule: Rule) -> Faults {
    Faults { rules: vec![rule], ..Faults::default() }
}

fn contacts(sandbox: &Sandbox) -> usize {
    sandbox.contacts(TOKEN).len()
}

/// The reasons in the list of results.
fn reasons(harness: &Harness) -> Vec<String> {
    let results = fs::read(harness.path("results.csv")).expect("the list of results");
    let mut reader = csv::Reader::from_reader(results.as_slice());
    let column = reader.headers().expect("a header").iter().position(|name| name == "reason").expect("the column");
    reader.records().map(|row| row.expect("a row")[column].to_owned()).collect()
}

/// Checks that the run sent no create and completed no row.
#[track_caller]
fn created_nothing(fault: Fault, ran: &Output, harness: &Harness) {
    assert!(matches!(ran.code, Some(3 | 4)), "{fault}: {ran:?}");
    let summary = ran.summary();
    assert_eq!(summary.count("rejected") + summary.count("pending"), 3, "{fault}: {ran:?}");
    assert_eq!((contacts(&harness.sandbox), harness.sandbox.ledger().creates(TOKEN)), (3, 0), "{fault}");
}

#[tokio::test]
async fn a_refused_search_is_not_an_absent_contact() {
    for (fault, words) in [
        (Fault::UnknownError, "An unknown error occurred. Please contact support."),
        (Fault::PageNotFound, "Page Not Found. If error persists, contact info@example.com"),
        (Fault::BadRequest, "Bad Request"),
        (Fault::ValidationFailed, ""),
        (Fault::ProblemJson, ""),
        (Fault::BareList, ""),
        (Fault::ErrorWith200, ""),
        (Fault::OwnerNotFound, "Contact owner not found."),
        (Fault::ListNotFound, "Contact list does not exist"),
        (Fault::UnknownPlan, "Unknown value for contact.plan"),
        (Fault::EmptyWithError, ""),
    ] {
        let harness = with_three(Rule::always(fault).on(CallKind::Find)).await;
        let ran = harness.sync("in.csv --match phone --outage-timeout 1s --results results.csv").run().await;
        if fault == Fault::PageNotFound {
            // Every call answers 404: the base URL is wrong.
            assert_eq!((ran.code, contacts(&harness.sandbox)), (Some(2), 3), "{ran:?}");
            continue;
        }
        created_nothing(fault, &ran, &harness);
        for reason in reasons(&harness) {
            assert!(reason.starts_with("search refused: ") && reason.contains(words), "{fault}: {reason}");
        }
        // `check` reports it too.
        let check = harness.program(&format!("check --match phone --journal c.db --url {}", harness.sandbox.url()));
        let check = check.run().await;
        assert!(check.stdout.contains("not ready") && check.code != Some(0), "{fault}: {check:?}");
        // Without the fault, the same file updates the contacts, once it is tried again.
        harness.sandbox.set_faults(Faults::default());
        let again = harness.sync("in.csv --match phone --retry-rejected").run().await.exits(0).summary();
        assert_eq!((again.rows().as_str(), contacts(&harness.sandbox)), ("3 updated", 3), "{fault}");
    }
}

#[tokio::test]
async fn a_search_without_a_trustworthy_answer_leaves_the_row_pending() {
    for (fault, words) in [
        (Fault::FirewallPage, "firewall"),
        // An error without a message.
        (Fault::EmptyWithStatusFail, "not a response of the API"),
        (Fault::EmptyWithSuccessFalse, "not a response of the API"),
        (Fault::EmptyWithTotal, "contradicts itself: "),
        (Fault::TotalBeyondPages, "contradicts itself: "),
        (Fault::NextOnLastPage, "contradicts itself: "),
    ] {
        let harness = with_three(Rule::always(fault).on(CallKind::Find)).await;
        let ran = harness.sync("in.csv --match phone --outage-timeout 1s").run().await.exits(4);
        created_nothing(fault, &ran, &harness);
        assert!(ran.stderr.contains(words), "{fault}: {}", ran.stderr);
        let check = harness.program(&format!("check --match phone --journal c.db --url {}", harness.sandbox.url()));
        let check = check.run().await;
        assert!(check.stdout.contains("not ready") && check.code != Some(0), "{fault}: {check:?}");
        harness.sandbox.set_faults(Faults::default());
        let again = harness.resume().run().await.exits(0).summary();
        assert_eq!((again.rows().as_str(), contacts(&harness.sandbox)), ("3 updated", 3), "{fault}");
    }
}

/// Twelve other contacts match the search inexactly; the contact itself is on the second page.
#[tokio::test]
async fn a_page_number_that_is_ignored_makes_no_second_contact() {
    let harness = Harness::faulty(faults(Rule::always(Fault::PageIgnored))).await;
    for n in 0..12 {
        harness.sandbox.insert(TOKEN, [Field::text("name", format!("Ana {n}"))], ["x"]);
    }
    harness.sandbox.insert(TOKEN, [Field::text("name", "Ana")], ["x"]);
    harness.write("in.csv", "name,city\nAna,Lima\n");
    let ran = harness.sync("in.csv --match name").run().await.exits(4);
    assert!(ran.stderr.contains("page 2 was requested, page 1 was returned"), "{ran:?}");
    assert_eq!(harness.calls(), "4 find");
    harness.sandbox.set_faults(Faults::default());
    let again = harness.resume().run().await.exits(0).summary();
    assert_eq!((again.rows().as_str(), contacts(&harness.sandbox)), ("1 updated", 13));
}

/// Every page is full of large contacts with the value. The first two suffice for a conflict.
#[tokio::test]
async fn endless_exact_hits_take_one_page_and_little_journal_space() {
    let harness = with_three(Rule::always(Fault::EndlessHits)).await;
    let ran = harness.sync("in.csv --match phone --results results.csv").run().await.exits(3);
    assert_eq!((harness.calls().as_str(), ran.summary().rows().as_str()), ("3 find", "3 rejected"));
    assert!(reasons(&harness).iter().all(|reason| reason.starts_with("conflict: several contacts have its `phone`")));
    let size: u64 = ["journal.db", "journal.db-wal"]
        .iter()
        .map(|name| fs::metadata(harness.path(name)).map_or(0, |file| file.len()))
        .sum();
    assert!(size < 3_000_000, "{size} bytes of journal for three contacts");
}

#[tokio::test]
async fn a_lost_create_that_is_shown_in_another_form_is_not_sent_again() {
    let check = async |form: StoredForm, value: &str, shown: &str| {
        let harness = Harness::faulty(Faults {
            stored_forms: vec![("code".into(), form)],
            rules: vec![Rule::always(Fault::LoseAfter).on(CallKind::Create)],
            ..Faults::default()
        })
        .await;
        harness.write("in.csv", format!("code,name\n{value},Ana\n"));
        let ran = harness.sync("in.csv --match code --search-lag 1s --results results.csv").run().await.exits(3);
        let reasons = reasons(&harness);
        let [reason] = &reasons[..] else { panic!("{reasons:?}") };
        let both = reason.starts_with("in doubt: ") && reason.contains(shown) && reason.contains(value);
        assert!(both, "{form:?} {value}: {reason}");
        assert_eq!((contacts(&harness.sandbox), harness.sandbox.ledger().creates(TOKEN)), (1, 1), "{form:?}: {ran:?}");
        // The next run searches once and does not send the create either.
        let _ = harness.calls();
        harness.sync("in.csv --match code --search-lag 1s").run().await.exits(3);
        assert_eq!((harness.calls().as_str(), contacts(&harness.sandbox)), ("1 find", 1), "{form:?}");
    };
    check(StoredForm::MexicanMobile, "+525512345678", "+5215512345678").await;
    check(StoredForm::MexicanMobile, "+5215512345678", "+525512345678").await;
    check(StoredForm::WithPlus, "5215512345678", "+5215512345678").await;
    check(StoredForm::WithoutPlus, "+5215512345678", "5215512345678").await;
    check(StoredForm::Nfd, "José", "Jose\u{301}").await;
    check(StoredForm::Cut, "customer-000000000000012", "customer-00000000000").await;
    check(StoredForm::Decimal, "12345", "12345.0").await;
    check(StoredForm::Number, "0012345", "12345").await;
    check(StoredForm::Number, "+12345", "12345").await;
}

#[tokio::test]
async fn a_number_of_the_platform_is_compared_as_a_decimal() {
    let stored = |form| Faults { stored_forms: vec![("code".into(), form)], ..Faults::default() };
    // A boolean identifies no contact, so it stands in another column.
    for (form, value, field) in [(StoredForm::Number, "12345", "code"), (StoredForm::Boolean, "true", "name")] {
        let harness = Harness::faulty(stored(form)).await;
        harness.write("in.csv", format!("code,name\n{value},Ana\n"));
        harness.sync(&format!("in.csv --match {field}")).run().await.exits(0);
        // With another journal, only the search finds the contact.
        let other = format!("sync in.csv --match {field} --json --journal other.db --url {}", harness.sandbox.url());
        let again = harness.program(&other).run().await.exits(0).summary();
        assert_eq!((again.rows().as_str(), contacts(&harness.sandbox)), ("1 unchanged", 1), "{form:?}");
    }
}

#[tokio::test]
async fn answers_shifted_by_one_give_no_contact_the_tags_of_another() {
    for mode in ["upsert", "create"] {
        let harness = Harness::faulty(faults(Rule::always(Fault::PreviousId))).await;
        let rows: Vec<String> = (100..130).map(|n| format!("+52{n},name {n},tag {n}")).collect();
        let rows = rows.join("\n");
        harness.write("in.csv", format!("phone,name,tags\n{rows}"));
        let ran = harness.sync(&format!("in.csv --match phone --mode {mode} --search-lag 1s")).run().await;
        let stored = harness.sandbox.contacts(TOKEN);
        assert_eq!(stored.len(), 30, "{mode}: {ran:?}");
        for contact in &stored {
            let phone = contact.fields["phone"].text().replace("+52", "");
            let foreign: Vec<&String> = contact.tags.iter().filter(|tag| **tag != format!("tag {phone}")).collect();
            assert!(foreign.is_empty(), "{mode}: {phone} has {foreign:?}: {ran:?}");
        }
        assert_eq!(ran.summary().rows(), "30 created", "{mode}: {ran:?}");
    }
}

// The answer to the first create is lost, and each later create is answered with the id of the previous one. None of these ids
// is known under another key.
#[tokio::test]
async fn answers_that_shift_after_a_lost_one_give_no_contact_the_tags_of_another() {
    for (mode, concurrency) in [("upsert", 1), ("upsert", 8), ("create", 1), ("create", 8)] {
        let lost = Rule { value: Some("name 100".into()), ..Rule::always(Fault::LoseAfter) }.on(CallKind::Create);
        let rules = vec![lost, Rule::always(Fault::PreviousId)];
        let harness = Harness::faulty(Faults { rules, ..Faults::default() }).await;
        let rows: Vec<String> = (100..120).map(|n| format!("+52{n},name {n},tag {n}")).collect();
        let rows = rows.join("\n");
        harness.write("in.csv", format!("phone,name,tags\n{rows}"));
        let options = format!("in.csv --match phone --mode {mode} --concurrency {concurrency} --search-lag 1s");
        let ran = harness.sync(&options).run().await;
        let stored = harness.sandbox.contacts(TOKEN);
        assert_eq!(stored.len(), 20, "{options}: {ran:?}");
        for contact in &stored {
            let phone = contact.fields["phone"].text().replace("+52", "");
            let foreign: Vec<&String> = contact.tags.iter().filter(|tag| **tag != format!("tag {phone}")).collect();
            assert!(foreign.is_empty(), "{options}: {phone} has {foreign:?}: {ran:?}");
        }
        assert_eq!(ran.summary().rows(), "20 created", "{options}: {ran:?}");
    }
}

#[tokio::test]
async fn a_create_that_the_platform_turns_into_an_update_of_another_row_is_a_conflict() {
    let harness = Harness::faulty(faults(Rule::always(Fault::UpsertByEmail))).await;
    harness
        .write("in.csv", "phone,email,name\n+521,a@example.com,Ana\n+522,b@example.com,Bea\n+523,a@example.com,Eva\n");
    let ran =
        harness.sync("in.csv --match phone --search-lag 1s --results results.csv --concurrency 1").run().await.exits(3);
    assert_eq!(ran.summary().rows(), "2 created, 1 rejected");
    let reasons = reasons(&harness);
    assert!(reasons[2].starts_with("conflict: ") && reasons[2].contains("phone=+521"), "{reasons:?}");
    assert_eq!(contacts(&harness.sandbox), 2);
    // The next run rewrites what the create of the third row overwrote.
    let again = harness.sync("in.csv --match phone --search-lag 1s").run().await.exits(3).summary();
    assert_eq!((again.rows().as_str(), contacts(&harness.sandbox)), ("1 updated, 1 unchanged, 1 rejected", 2));
    let names = |harness: &Harness| -> Vec<String> {
        harness.sandbox.contacts(TOKEN).iter().map(|contact| contact.fields["name"].text().into_owned()).collect()
    };
    assert_eq!(names(&harness), ["Ana", "Bea"]);
    let again = harness.sync("in.csv --match phone --search-lag 1s").run().await.exits(3).summary();
    assert_eq!((again.rows().as_str(), names(&harness).len()), ("2 unchanged, 1 rejected", 2));
}

#[tokio::test]
async fn a_lost_create_is_settled_by_runs_that_are_shorter_than_the_search_lag() {
    let harness = Harness::faulty(faults(Rule::always(Fault::LoseBefore).on(CallKind::Create))).await;
    harness.write("in.csv", "phone,name\n+521,Ana\n");
    // With a call timeout of 30 s, no call starts after the first second.
    let short = || harness.sync("in.csv --match phone --search-lag 6s --for 31s");
    short().run().await.exits(4);
    harness.sandbox.set_faults(Faults::default());
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(3_200)).await;
        let ran = short().run().await;
        if ran.code == Some(0) {
            assert_eq!((ran.summary().rows().as_str(), contacts(&harness.sandbox)), ("1 created", 1));
            return;
        }
        ran.exits(4);
    }
    panic!("the search lag starts again with each run");
}

#[tokio::test]
async fn business_refusals_of_a_write_are_refusals_of_the_row() {
    for (fault, words) in [
        (Fault::OwnerNotFound, "Contact owner not found."),
        (Fault::ListNotFound, "Contact list does not exist"),
        (Fault::UnknownPlan, "Unknown value for contact.plan"),
    ] {
        for kind in [CallKind::Update, CallKind::AddTags] {
            let harness = with_three(Rule::always(fault).on(kind)).await;
            let ran = harness.sync("in.csv --match phone --results results.csv").run().await.exits(3);
            assert_eq!(ran.summary().rows(), "3 rejected", "{fault}");
            assert!(reasons(&harness).iter().all(|reason| reason.contains(words)), "{:?}", reasons(&harness));
            assert_eq!((contacts(&harness.sandbox), harness.sandbox.ledger().creates(TOKEN)), (3, 0), "{fault}");
        }
    }
}

/// An inexact hit that belongs to another row is not the contact of a lost create.
#[tokio::test]
async fn a_contact_of_another_row_does_not_prevent_a_lost_create() {
    let rule = Rule { value: Some("Ana".into()), ..Rule::always(Fault::LoseBefore) }.on(CallKind::Create);
    let harness = Harness::faulty(faults(rule)).await;
    harness.write("in.csv", "name,city\nAna,Lima\nAna Lopez,Quito\n");
    harness.sync("in.csv --match name --search-lag 1s").run().await.exits(4);
    assert_eq!(contacts(&harness.sandbox), 1);
    harness.sandbox.set_faults(Faults::default());
    let again = harness.sync("in.csv --match name --search-lag 1s").run().await.exits(0).summary();
    assert_eq!((again.rows().as_str(), contacts(&harness.sandbox)), ("1 created, 1 unchanged", 2));
}
