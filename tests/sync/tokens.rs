//! One channel is one token: what a new one opens is found out before anything is sent, and what prints one is run again when it
//! is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use contactsync::sandbox::{Config, Fault, Faults, Rule};
use contactsync::{CallKind, Field};

use crate::scene::{JOURNAL, People, Program, Ran, Scene, TOKEN};

const OTHER: &str = "other-token";

const FOREIGN: &str = "channel `default`: this token belongs to another channel";

/// A platform where contacts have ids from 1 on in each channel, and a channel that was synced.
async fn synced(people: &People) -> Scene {
    let scene = Scene::unlimited().await;
    scene.write("in.csv", people.csv());
    scene.sync("in.csv --match email").run().await.exits(0);
    let _ = scene.calls();
    scene
}

/// Gives another channel contacts with these fields, under the ids that the known channel's contacts have.
fn fill(scene: &Scene, token: &str, contacts: impl IntoIterator<Item = Vec<Field>>) {
    let known = scene.sandbox.contacts(TOKEN);
    for (known, fields) in known.iter().zip(contacts) {
        scene.sandbox.insert_as(token, known.id.clone(), fields);
    }
}

fn copies(people: &People) -> Vec<Vec<Field>> {
    let fields = |person: &crate::scene::Person| {
        person.fields.iter().map(|(name, value)| Field::text(name, value)).collect::<Vec<_>>()
    };
    people.people.iter().map(fields).collect()
}

#[tokio::test]
async fn a_new_token_must_open_the_channel_of_the_known_contacts() {
    let people = People::new(5, 4, 1);
    let others = || People { people: People::new(10, 4, 1).people.split_off(5) };
    let mut edited = people.clone();
    for person in &mut edited.people {
        person.fields[0].1 = "changed by an agent".into();
    }
    // One person was deleted and replaced; the others are the known ones.
    let mut mixed = copies(&people);
    mixed[0] = copies(&others())[0].clone();
    // What the new token's channel has under the known ids, what a run says, and how many contacts are read at most.
    let cases: [(&str, Vec<Vec<Field>>, i32, &str, &str); 6] = [
        ("the same people", copies(&people), 0, "the token was renewed", "3 read"),
        ("the same people, edited", copies(&edited), 0, "the token was renewed", "3 read"),
        ("the same people but one", mixed, 0, "the token was renewed", "3 read"),
        ("other people with the same ids", copies(&others()), 5, FOREIGN, "3 read"),
        ("nobody", Vec::new(), 5, FOREIGN, "5 read"),
        ("one of the people", copies(&people)[..1].to_vec(), 0, "the token was renewed", "5 read"),
    ];
    for (case, contacts, code, said, calls) in cases {
        for command in ["sync", "check"] {
            let scene = synced(&people).await;
            fill(&scene, OTHER, contacts.clone());
            let before = scene.sandbox.contacts(OTHER).len();
            let url = scene.sandbox.url();
            let run = |token| match command {
                "sync" => scene.sync("in.csv --match email").token(Some(token)),
                _ => scene
                    .program(&format!("check --match email --journal {JOURNAL} --url {url} --rate 1000000"))
                    .token(Some(token)),
            };
            let ran = run(OTHER).run().await.exits(code);
            let is_said = match (command, code) {
                ("check", 0) => ran.stdout.contains("the token is a new one of the same channel"),
                _ => ran.stderr.contains(said),
            };
            assert!(is_said, "{case}, {command}: {ran:?}");
            assert!(code == 0 || ran.stderr.contains("--new-token"), "{case}, {command}: {ran:?}");
            let expected = if command == "check" && code == 0 { format!("1 find, {calls}") } else { calls.to_owned() };
            assert_eq!(scene.calls(), expected, "{case}, {command}");
            assert_eq!(scene.sandbox.contacts(OTHER).len(), before, "{case}, {command}: nothing is sent");
            // A renewed token is noted by a sync and not asked about again; one that was refused is asked about again.
            let again = run(OTHER).run().await.exits(code);
            let is_quiet = command == "sync" && code == 0;
            assert_eq!(again.stderr.contains(said) || again.stdout.contains("new one"), !is_quiet, "{case}, {command}");
            // The token that the channel had is still its own where nothing was noted.
            if !is_quiet {
                let _ = scene.calls();
                run(TOKEN).run().await.exits(0);
                assert!(!scene.calls().contains("read"), "{case}, {command}");
            }
        }
    }
}
