//! What keeps a journal and a channel from being mixed up: one platform a channel, one run at a time.

use std::time::Duration;

use contactsync::sandbox::Faults;

use crate::scene::{People, Scene};

#[tokio::test]
async fn a_channel_stays_with_its_platform_until_it_is_said_to_have_moved() {
    let (old, new) = (Scene::unlimited().await, Scene::unlimited().await);
    let people = People::new(10, 3, 1);
    old.write("in.csv", people.csv());
    let at = |url: &str| old.program(&format!("sync in.csv --match email --json --journal journal.db --url {url}"));
    at(&old.sandbox.url()).run().await.exits(0);
    // A slash at the end does not make it another.
    at(&format!("{}/", old.sandbox.url())).run().await.exits(0);

    let refused = at(&new.sandbox.url()).run().await.exits(2);
    assert_eq!(refused.said("error:").len(), 1, "{refused:?}");
    for part in ["channel `default`", "journal.db", &old.sandbox.url(), &new.sandbox.url(), "--moved"] {
        assert!(refused.stderr.contains(part), "{part}: {refused:?}");
    }
    // Another channel of the same journal may be anywhere.
    let ran = at(&new.sandbox.url()).with("--channel other").run().await.exits(0);
    assert_eq!(ran.summary().rows(), "10 created");
    people.are_all_of(&new.sandbox);

    let _ = new.calls();
    let moved = at(&new.sandbox.url()).with("--moved").run().await.exits(0);
    assert_eq!((moved.summary().rows().as_str(), new.calls().as_str()), ("10 unchanged", "none"));
    at(&new.sandbox.url()).run().await.exits(0);
    at(&old.sandbox.url()).run().await.exits(2);
}

#[tokio::test]
async fn a_run_that_moved_is_resumed_where_it_moved_to() {
    let slow = || Faults { latency: Duration::from_millis(200), ..Faults::default() };
    let (old, new) = (Scene::faulty(slow()).await, Scene::faulty(slow()).await);
    let people = People::new(20, 3, 1);
    old.write("in.csv", people.csv());
    let mut running = old.sync("in.csv --match email --mode create --concurrency 2").start();
    assert!(running.until(|| old.sandbox.ledger().len() > 4).await);
    running.signal("INT").await;
    running.end().await.exits(4);
    let moved = old.resume().with(&format!("--moved --concurrency 2 --url {}", new.sandbox.url()));
    let mut running = moved.start();
    assert!(running.until(|| new.sandbox.ledger().len() > 4).await);
    running.signal("INT").await;
    running.end().await.exits(4);
    let before = old.sandbox.ledger().len();
    let ran = old.resume().run().await;
    assert!(ran.code != Some(2), "{ran:?}");
    assert_eq!(ran.summary().count("pending"), 0);
    assert_eq!(old.sandbox.ledger().len(), before, "nothing goes to the old platform any more");
}

#[tokio::test]
async fn one_run_at_a_time_holds_a_channel() {
    let scene = Scene::faulty(Faults { latency: Duration::from_mins(1), ..Faults::default() }).await;
    scene.write("in.csv", People::new(10, 3, 1).csv());
    let mut first = scene.sync("in.csv --match email").start();
    assert!(first.until(|| !scene.sandbox.ledger().is_empty()).await);

    for second in [scene.sync("in.csv --match email"), scene.resume()] {
        let refused = second.run().await.exits(6);
        let [error] = refused.said("error:")[..] else { panic!("{refused:?}") };
        assert!(error.contains("channel `default`: another run holds it: process "), "{error}");
        let (_, since) = error.split_once(" since ").expect("since when");
        assert!(since.len() == "2026-01-01 00:00:00".len() && since.starts_with("20"), "{since}");
        assert_eq!(refused.stdout, "");
    }
    // Another channel is free, and so is looking.
    scene.program("runs --journal journal.db").run().await.exits(0);
    scene.plan("in.csv --match email").run().await.exits(0);

    first.kill().await;
    scene.sandbox.set_faults(Faults::default());
    scene.resume().run().await.exits(0);
}
