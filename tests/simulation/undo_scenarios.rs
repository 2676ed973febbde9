//! Runs that are undone while answers are lost and the process is killed, after agents have changed some of the contacts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contactsync::contact::Value;
use contactsync::{Field, Limits, Mode};
use fastrand::Rng;
use tokio::time::sleep;

use crate::platform::{Faults, Person};
use crate::scenario::{Channel, Scenario};

/// Number of scenarios.
const UNDONE: u64 = 60;

/// The most processes that a run takes.
const MOST_ROUNDS: usize = 60;

/// The value that an agent writes.
const BY_HAND: &str = "by hand";

/// What the platform has: values and tags by the match value.
fn people(channel: &Channel<'_>) -> BTreeMap<String, (BTreeMap<String, String>, BTreeSet<String>)> {
    let of = |person: &Person| {
        let fields: BTreeMap<String, String> =
            person.fields.iter().map(|(name, value)| (name.clone(), value.text().into_owned())).collect();
        (fields["phone"].clone(), (fields, person.tags.clone()))
    };
    channel.platform.ledger.borrow().people.iter().map(of).collect()
}

/// Sends a run with faults and kills until it is done.
async fn send(channel: &Channel<'_>, run: i64, faults: &Faults, chance: &mut Rng) {
    *channel.platform.faults.borrow_mut() = faults.clone();
    for round in 0..MOST_ROUNDS {
        if round == MOST_ROUNDS / 2 {
            *channel.platform.faults.borrow_mut() = Faults::default();
        }
        let gates = (round < 12 && chance.bool()).then(|| chance.u32(0..60));
        let ending = channel.send_and_check(run, gates, Limits::default()).await.expect("within the limit");
        if ending.is_some_and(|ending| ending.summary.pending == 0) {
            *channel.platform.faults.borrow_mut() = Faults::default();
            return;
        }
        sleep(Duration::from_millis(chance.u64(0..90_000))).await;
    }
    panic!("run {run} does not end");
}

#[test]
fn an_undone_run_leaves_what_was_before_and_what_others_wrote_since() {
    for seed in 0..UNDONE {
        let mut chance = Rng::with_seed(seed);
        let mut plain = Scenario::plain(chance.usize(1..12), true, Faults::default());
        // Some contacts take two updates.
        if chance.u8(0..4) == 0 {
            for row in &mut plain.rows[0] {
                row.fields.extend((2..40).map(|nth| Field::text(format!("field{nth}"), format!("value {nth}"))));
            }
        }
        let probability = |chance: &mut Rng| if chance.bool() { 0.0 } else { chance.f64() * 0.15 };
        let faults = Faults {
            unsent: probability(&mut chance),
            lost_before: probability(&mut chance),
            lost_after: probability(&mut chance),
            throttled: probability(&mut chance) / 3.0,
            latency: Duration::from_millis(chance.u64(1..900)),
            ..Faults::default()
        };
        (plain.seed, plain.mode) = (seed, Mode::Upsert);
        plain.with_channels(async |channels, _| {
            let channel = &channels[0];
            send(channel, channel.plan(), &Faults::default(), &mut chance).await;
            let before = people(channel);
            channel.set_version(1);
            let changing = channel.plan();
            send(channel, changing, &faults, &mut chance).await;
            assert_ne!(people(channel), before, "seed {seed}");

            // Agents change some of what the run wrote, and some of what it did not write.
            let mut expected = before.clone();
            for person in &mut channel.platform.ledger.borrow_mut().people {
                let field = ["field1", "own"][chance.usize(0..2)];
                if chance.u8(0..3) == 0 {
                    person.fields.insert(field.into(), Value::Text(BY_HAND.into()));
                    let phone = person.fields["phone"].text().into_owned();
                    let (fields, _) = expected.get_mut(&phone).expect("it was there before");
                    fields.insert(field.into(), BY_HAND.into());
                }
            }
            let undo = channel.plan_undo(changing);
            send(channel, undo, &faults, &mut chance).await;
            assert_eq!(people(channel), expected, "seed {seed}");

            // The undo can be undone, except where it restored nothing.
            let undone_again = channel.plan_undo(undo);
            send(channel, undone_again, &faults, &mut chance).await;
            let again = people(channel);
            let is_by_hand = |fields: &BTreeMap<String, String>| fields["field1"] == BY_HAND;
            for (phone, (fields, _)) in &again {
                let changed = format!("{} of 1", before[phone].0["field1"]);
                assert!(is_by_hand(fields) || fields["field1"] == changed, "seed {seed}: {fields:?}");
            }
            assert_eq!(again.len(), before.len(), "seed {seed}");
        });
    }
}
