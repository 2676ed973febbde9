//! How many calls a file takes: exactly those that the API's limits ask for, in the ledger and in the summary.

use crate::scene::{People, Ran, Scene};

/// Holds one run against its exit code, how its rows ended, and its calls.
#[track_caller]
fn check(scene: &Scene, ran: Ran, code: i32, rows: &str, calls: &str) {
    let ran = ran.exits(code);
    let summary = ran.summary();
    assert_eq!(summary.rows(), rows, "{ran:?}");
    assert_eq!(scene.calls(), calls, "{ran:?}");
    assert_eq!(summary.calls(), calls, "{ran:?}");
    assert_eq!(summary.text("state"), "finished", "{ran:?}");
}

#[tokio::test]
async fn a_new_contact_takes_one_create_and_what_does_not_fit_into_it() {
    let scene = Scene::unlimited().await;
    let people = People::new(300, 41, 15);
    scene.write("in.csv", people.csv());
    let sync = || scene.sync("in.csv --mode create").run();
    check(&scene, sync().await, 0, "300 created", "300 create, 300 update, 600 add_tags");
    people.are_all_of(&scene.sandbox);
    check(&scene, sync().await, 0, "300 unchanged", "none");
}

#[tokio::test]
async fn an_upsert_of_new_contacts_takes_a_search_each_and_then_only_what_changes() {
    let scene = Scene::unlimited().await;
    let mut people = People::new(300, 41, 15);
    scene.write("in.csv", people.csv());
    let sync = || scene.sync("in.csv --match email").run();
    check(&scene, sync().await, 0, "300 created", "300 find, 300 create, 300 update, 600 add_tags");
    people.are_all_of(&scene.sandbox);
    check(&scene, sync().await, 0, "300 unchanged", "none");

    people.person(17).fields[3].1 = "another value".into();
    scene.write("in.csv", people.csv());
    check(&scene, sync().await, 0, "1 updated, 299 unchanged", "1 update");
    people.are_all_of(&scene.sandbox);

    people.person(200).tags.push("one more".into());
    scene.write("in.csv", people.csv());
    check(&scene, sync().await, 0, "1 updated, 299 unchanged", "1 add_tags");
    people.are_all_of(&scene.sandbox);

    // A blank cell leaves the platform's value alone.
    let before = people.clone();
    people.person(5).fields[0].1.clear();
    scene.write("in.csv", people.csv());
    check(&scene, sync().await, 0, "300 unchanged", "none");
    before.are_all_of(&scene.sandbox);
}

#[tokio::test]
async fn contacts_that_are_there_and_right_take_a_search_and_nothing_else() {
    let scene = Scene::unlimited().await;
    let people = People::new(300, 41, 15);
    people.insert_into(&scene.sandbox);
    scene.write("in.csv", people.csv());
    check(&scene, scene.sync("in.csv --match email").run().await, 0, "300 unchanged", "300 find");
    people.are_all_of(&scene.sandbox);
    check(&scene, scene.sync("in.csv --match email").run().await, 0, "300 unchanged", "none");
}

#[tokio::test]
async fn an_update_makes_nobody() {
    let scene = Scene::unlimited().await;
    let people = People::new(30, 41, 15);
    scene.write("in.csv", people.csv());
    let ran = scene.sync("in.csv --match email --mode update").run().await;
    let warned = ran.said("warning: in.csv:").len();
    check(&scene, ran, 3, "30 rejected", "30 find");
    assert_eq!(warned, 20, "the first twenty are named");
    assert!(scene.sandbox.contacts(crate::scene::TOKEN).is_empty());
}
