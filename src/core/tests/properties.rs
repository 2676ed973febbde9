//! Properties of every contact and every task, with random contacts, states and answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use crate::core::attempt::Attempt;
use crate::core::call::{Call, CallKind};
use crate::core::decision::{Decision, decide};
use crate::core::diff::{TagsMode, diff, first_fields};
use crate::core::doubt::Doubt;
use crate::core::model::{Contact, ContactId, Draft, Field, Known, Mode, Remote, RemoteState, Value, WriteMode};
use crate::core::page::Page;
use crate::core::size_limits::{FIELDS_PER_CALL, TAGS_PER_CALL};
use crate::core::task::{FIND_STAYS_GOOD, Outcome, PastCall, Policy, Step, Task};
use crate::core::text::Text;
use crate::core::time::Timestamp;

const SEARCH_LAG: Duration = Duration::from_secs(30);

fn start() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

// Few names and values, so that what is wanted and what is there often meet.
fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => "[a-c]".prop_map(|text| Value::Text(text.into())),
        1 => (0_u8..3).prop_map(|n| Value::Text(format!(" {n} ").into())),
        1 => (0_u8..3).prop_map(|n| Value::Number(n.into())),
        1 => any::<bool>().prop_map(Value::Bool),
    ]
}

fn any_fields(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = BTreeMap<String, Value>> {
    btree_map((0_u8..70).prop_map(|n| format!("field{n}")), any_value(), count)
}

fn any_tags(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = BTreeSet<String>> {
    btree_set((0_u8..40).prop_map(|n| format!("tag{n}")), count)
}

/// A contact with so many match fields, up to 60 further fields, some of them to become blank, and tags to have and to
/// remove.
fn any_contact(matches: impl Strategy<Value = usize>) -> impl Strategy<Value = Contact> {
    let fields = prop_oneof![any_fields(0..5), any_fields(0..60)];
    let tags = prop_oneof![any_tags(0..3), any_tags(0..25)];
    let clear = prop_oneof![2 => any_fields(0..1), 1 => any_fields(0..40)];
    (matches, fields, clear, tags, any_tags(0..12)).prop_map(|(matches, fields, clear, tags, remove)| {
        let clear = clear.into_keys().filter(|name| !fields.contains_key(name)).map(Text::from).collect();
        let name = matches == 0 && fields.is_empty();
        let fields = fields.into_iter().map(|(name, value)| Field { name: name.into(), value });
        Contact::new(Draft {
            id: None,
            matches: (0..matches).map(|n| Field::text(format!("match{n}"), format!("key{n}"))).collect(),
            fields: fields.chain(name.then(|| Field::text("name", "Ann"))).collect(),
            clear,
            remove_tags: remove.difference(&tags).map(Text::from).collect(),
            tags: tags.into_iter().map(Text::from).collect(),
        })
        .expect("names are unique, and no tag is in both lists")
    })
}

/// The same, with fields that are written by other modes than always.
fn any_contact_with_modes(matches: impl Strategy<Value = usize>) -> impl Strategy<Value = Contact> {
    let mode = prop_oneof![3 => Just(WriteMode::Always), 4 => proptest::sample::select(WriteMode::ALL.to_vec())];
    (any_contact(matches), vec(mode, 70)).prop_map(|(contact, modes)| {
        contact.written(|name| {
            let number = name.strip_prefix("field").and_then(|number| number.parse::<usize>().ok());
            number.and_then(|number| modes.get(number).copied()).unwrap_or_default()
        })
    })
}

fn any_known() -> impl Strategy<Value = Known> {
    let own = vec(any::<bool>(), 40);
    (any_fields(0..60), any_tags(0..30), own, any_tags(0..2)).prop_map(|(fields, tags, own, stale)| {
        let own = tags.iter().zip(own).filter(|(_, own)| *own).map(|(tag, _)| tag.clone());
        // An own tag that another user removed is still in the list.
        let own_tags = own.chain(stale).collect();
        Known { fields, tags, own_tags, ..Known::only_id(id("7")) }
    })
}

fn any_tags_mode() -> impl Strategy<Value = TagsMode> {
    prop_oneof![Just(TagsMode::Add), Just(TagsMode::Mirror), Just(TagsMode::MirrorAll)]
}

fn any_mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Upsert), Just(Mode::Create), Just(Mode::Update)]
}

fn id(text: &str) -> ContactId {
    ContactId::new(text).expect("not blank")
}

fn policy(mode: Mode, tags_mode: TagsMode) -> Policy {
    Policy { mode, tags_mode, search_lag: SEARCH_LAG, retry_in_doubt: false, search_first: false }
}

fn remote_of(known: &Known) -> Remote {
    Remote { id: known.id.clone(), fields: known.fields.clone(), tags: known.tags.clone() }
}

/// Applies the call of a change.
fn apply(remote: &mut Remote, call: &Call) {
    match call {
        Call::Update { fields, .. } => {
            remote.fields.extend(fields.iter().map(|field| (field.name.to_string(), field.value.clone())));
        }
        Call::AddTags { tags, .. } => remote.tags.extend(tags.iter().cloned()),
        Call::RemoveTags { tags, .. } => remote.tags.retain(|tag| !tags.contains(tag)),
        Call::Find { .. } | Call::Read { .. } | Call::Create { .. } => panic!("no change: {call:?}"),
    }
}

proptest! {
    #[test]
    fn the_calls_of_a_change_are_the_change_in_pieces_that_fit(
        contact in any_contact(0_usize..4),
        known in any_known(),
        mode in any_tags_mode(),
    ) {
        let change = diff(&contact, &known, mode);
        let (mut set, mut add, mut remove) = (Vec::new(), Vec::new(), Vec::new());
        let mut calls = 0;
        for call in change.calls(&known.id) {
            calls += 1;
            match call {
                Call::Update { fields, .. } => {
                    prop_assert!((1..=FIELDS_PER_CALL).contains(&fields.len()));
                    prop_assert!(add.is_empty() && remove.is_empty(), "fields before tags");
                    set.extend(fields);
                }
                Call::AddTags { tags, .. } => {
                    prop_assert!((1..=TAGS_PER_CALL).contains(&tags.len()) && remove.is_empty());
                    add.extend(tags);
                }
                Call::RemoveTags { tags, .. } => {
                    prop_assert!((1..=TAGS_PER_CALL).contains(&tags.len()));
                    remove.extend(tags);
                }
                Call::Find { .. } | Call::Read { .. } | Call::Create { .. } => prop_assert!(false, "no change"),
            }
        }
        let fewest = set.len().div_ceil(FIELDS_PER_CALL)
            + add.len().div_ceil(TAGS_PER_CALL)
            + remove.len().div_ceil(TAGS_PER_CALL);
        prop_assert_eq!(calls, fewest);
        prop_assert_eq!((set, add, remove), (change.set, change.add, change.remove));
    }

    #[test]
    fn a_create_and_what_follows_it_are_the_contact(contact in any_contact(0_usize..31)) {
        let first = first_fields(&contact);
        prop_assert!(first.len() <= FIELDS_PER_CALL);
        prop_assert!(first.starts_with(contact.matches()), "the match fields are in the first call");
        let fields = first.iter().map(|field| (field.name.to_string(), field.value.clone())).collect();
        let absent_tags = contact.remove_tags().iter().map(Text::to_string).collect();
        let known = Known { fields, absent_tags, ..Known::only_id(id("7")) }.blank_in(&contact);
        let rest = diff(&contact, &known, TagsMode::Add);
        let all: Vec<Field> = first.iter().cloned().chain(rest.set).collect();
        prop_assert_eq!(all.as_slice(), contact.filled());
        prop_assert_eq!(rest.add.as_slice(), contact.tags());
        prop_assert_eq!(rest.remove.len(), 0);
    }

    #[test]
    fn a_change_makes_the_wanted_contact_and_leaves_the_rest(
        contact in any_contact(0_usize..4),
        known in any_known(),
        mode in any_tags_mode(),
    ) {
        let change = diff(&contact, &known, mode);
        let mut remote = remote_of(&known);
        change.calls(&known.id).for_each(|call| apply(&mut remote, &call));
        // What is wanted is there.
        prop_assert!(contact.fields().iter().all(|field| remote.has(field)));
        prop_assert!(contact.tags().iter().all(|tag| remote.tags.contains(tag.as_str())));
        prop_assert!(!contact.remove_tags().iter().any(|tag| remote.tags.contains(tag.as_str())));
        // What is not named stays: every other field, and every tag but our own under `mirror`.
        for (name, value) in &known.fields {
            let is_named = contact.fields().iter().any(|field| field.name == *name);
            prop_assert!(is_named || remote.fields.get(name) == Some(value), "{}", name);
        }
        for tag in known.tags.difference(&remote.tags) {
            let is_asked = contact.remove_tags().iter().any(|asked| asked == tag);
            let is_mirrored = match mode {
                TagsMode::Add => false,
                TagsMode::Mirror => known.own_tags.contains(tag),
                TagsMode::MirrorAll => true,
            };
            prop_assert!(is_asked || is_mirrored, "{}", tag);
        }
        // Nothing is written that is there already, and then nothing is left to do.
        prop_assert!(!change.set.iter().any(|field| remote_of(&known).has(field)));
        let own_tags = known.own_tags.iter().chain(&change.add).filter(|tag| !change.remove.contains(tag));
        let after = Known {
            own_tags: own_tags.cloned().collect(),
            absent_tags: contact.remove_tags().iter().map(Text::to_string).collect(),
            fields: remote.fields,
            tags: remote.tags,
            ..known
        };
        prop_assert_eq!(diff(&contact, &after, mode), crate::core::diff::Change::default());
    }
}

/// A platform of at most one contact, on which nothing goes wrong.
struct Server {
    contact: Option<Remote>,
}

impl Server {
    fn answer(&mut self, call: &Call) -> Attempt {
        match call {
            Call::Find { field, .. } => {
                let hits = self.contact.iter().filter(|contact| contact.has(field)).cloned().collect();
                Attempt::Page(Page::of(hits))
            }
            Call::Read { .. } => self.contact.clone().map_or_else(missing, Attempt::Contact),
            Call::Create { fields } => {
                let fields = fields.iter().map(|field| (field.name.to_string(), field.value.clone())).collect();
                self.contact = Some(Remote { id: id("8"), fields, tags: BTreeSet::new() });
                Attempt::Created(id("8"))
            }
            Call::Update { .. } | Call::AddTags { .. } | Call::RemoveTags { .. } => match &mut self.contact {
                Some(contact) => {
                    apply(contact, call);
                    Attempt::Done
                }
                None => missing(),
            },
        }
    }
}

fn missing() -> Attempt {
    Attempt::Missing { message: "no such contact".into() }
}

proptest! {
    #[test]
    fn a_task_without_faults_takes_as_many_calls_as_planned(
        contact in any_contact_with_modes(prop_oneof![1 => Just(0_usize), 4 => 1_usize..4]),
        known in any_known(),
        mode in any_mode(),
        tags_mode in any_tags_mode(),
        remote_state in 0..3,
        half_made: bool,
        there: bool,
        retry_in_doubt: bool,
    ) {
        let policy = Policy { retry_in_doubt, ..policy(mode, tags_mode) };
        let made_at = half_made.then(start);
        let mut remote = Remote { id: id("7"), ..remote_of(&known) };
        remote.fields.extend(contact.matches().iter().map(|field| (field.name.to_string(), field.value.clone())));
        let (remote_state, server) = match remote_state {
            0 => (RemoteState::Unknown, there.then_some(remote)),
            1 => (RemoteState::InDoubt(Doubt::of_create(&contact, None)), there.then_some(remote)),
            _ => {
                let known = Known { fields: remote.fields.clone(), made_at, ..known };
                (RemoteState::Known(known), Some(remote))
            }
        };
        let mut server = Server { contact: server };
        let decision = decide(&contact, &remote_state, policy);
        let mut task = Task::new(contact, remote_state.clone(), policy, &[], start());
        let is_read = task.unseen().next().is_some();
        let mut now = start();
        let mut made: BTreeMap<CallKind, u64> = BTreeMap::new();
        let outcome = loop {
            match task.step(now) {
                Step::Done(outcome) => break outcome,
                Step::Leave(reason) => return Err(TestCaseError::fail(reason)),
                Step::Wait(until) => now = until,
                Step::Call(call) => {
                    *made.entry(call.kind()).or_default() += 1;
                    task.start(&call);
                    let attempt = server.answer(&call);
                    task.apply(&call, &attempt, now);
                }
            }
        };
        let total: u64 = made.values().sum();
        match decision {
            Decision::Done(planned) => {
                prop_assert_eq!(total, 0);
                prop_assert_eq!(planned, outcome);
            }
            Decision::Waiting(reason) => prop_assert!(false, "nothing was refused before: {}", reason),
            Decision::Pending(forecast) => {
                // How many tags others added is not known before.
                let is_open = tags_mode == TagsMode::MirrorAll;
                for kind in CallKind::ALL.into_iter().filter(|kind| !is_open || *kind != CallKind::RemoveTags) {
                    let (range, made) = (forecast.of(kind), made.get(&kind).copied().unwrap_or(0));
                    prop_assert!((range.min..=range.max).contains(&made), "{:?}: {:?}, and it was {}", kind, range, made);
                }
                let range = forecast.total;
                prop_assert!(range.min <= total && (is_open || total <= range.max), "{:?}, and it was {}", range, total);
                let is_exact = range.min == range.max || is_open || is_read;
                prop_assert!(is_exact || !matches!(remote_state, RemoteState::Known(_)));
            }
        }
    }
}

proptest! {
    #[test]
    fn an_existing_contact_is_sent_the_fewest_fields_that_the_modes_allow(
        contact in any_contact_with_modes(0_usize..3),
        there in any_fields(0..60),
        is_seen in vec(any::<bool>(), 70),
        tags in any_tags(0..30),
    ) {
        let before = Remote { id: id("7"), fields: there, tags };
        // A value on the platform may be known, and that there is none, too.
        let seen = contact.fields().iter().zip(is_seen).filter(|(_, is_seen)| *is_seen).map(|(field, _)| {
            let shown = before.fields.get(&*field.name).cloned();
            (field.name.to_string(), shown.unwrap_or_else(|| Value::Text("".into())))
        });
        let known = Known { fields: seen.collect(), tags: before.tags.clone(), ..Known::only_id(id("7")) };
        let policy = policy(Mode::Upsert, TagsMode::Add);
        let mut task = Task::new(contact.clone(), RemoteState::Known(known.clone()), policy, &[], start());
        let mut server = Server { contact: Some(before.clone()) };
        let (mut reads, mut updates, mut sent) = (0, 0, Vec::new());
        while let Step::Call(call) = task.step(start()) {
            match &call {
                Call::Read { .. } => reads += 1,
                Call::Update { fields, .. } => {
                    updates += 1;
                    sent.extend(fields.iter().map(|field| field.name.clone()));
                }
                Call::AddTags { .. } | Call::RemoveTags { .. } => {}
                Call::Find { .. } | Call::Create { .. } => prop_assert!(false, "its id is known: {:?}", call),
            }
            task.start(&call);
            let attempt = server.answer(&call);
            task.apply(&call, &attempt, start());
        }
        let after = server.contact.expect("nothing removes it");
        let is_blank = |field: &Field| before.fields.get(&*field.name).is_none_or(Value::is_blank);
        let (mut needed, mut unseen) = (0, false);
        for (field, mode) in contact.fields_with_modes() {
            let is_known = known.fields.get(&*field.name).is_some_and(|value| value.same(&field.value));
            let is_unchanged = after.fields.get(&*field.name) == before.fields.get(&*field.name);
            let times = sent.iter().filter(|name| **name == field.name).count();
            let fills = is_blank(field) && !field.value.is_blank();
            let expected = match mode {
                WriteMode::Always => usize::from(!is_known),
                WriteMode::OnCreate => 0,
                WriteMode::IfBlank => usize::from(fills),
                WriteMode::WithOthers => times.min(usize::from(!is_known)),
            };
            prop_assert_eq!(times, expected, "{:?} {:?}", field, mode);
            prop_assert!(times == 1 && after.has(field) || times == 0 && is_unchanged, "{:?} {:?}", field, mode);
            needed += if mode == WriteMode::WithOthers { 0 } else { expected };
            let is_unknown = !field.value.is_blank() && !known.fields.contains_key(&*field.name);
            unseen |= mode == WriteMode::IfBlank && is_unknown;
        }
        prop_assert_eq!(updates, needed.div_ceil(FIELDS_PER_CALL));
        prop_assert_eq!(reads, usize::from(unseen));
        // What is sent along fills the room that there is.
        let left = contact.fields_with_modes().filter(|(field, mode)| {
            *mode == WriteMode::WithOthers
                && !sent.contains(&field.name)
                && !known.fields.get(&*field.name).is_some_and(|value| value.same(&field.value))
        });
        prop_assert!(left.count() == 0 || sent.len() == updates * FIELDS_PER_CALL);
    }
}

/// What a call comes to, of what can come of it.
fn any_attempt(call: &Call, roll: u8) -> Attempt {
    let lost = || Attempt::lost(None, "reset".into());
    let refused = || Attempt::refused(403, "no".into());
    let hit = |name: &str, n: u8| {
        let fields = (0..3).map(|n| (format!("match{n}"), Value::Text(format!("key{n}").into()))).collect();
        let tags = if n.is_multiple_of(2) { BTreeSet::new() } else { ["tag1".to_owned()].into() };
        Remote { id: id(name), fields, tags }
    };
    let stranger = || Remote { id: id("9"), fields: BTreeMap::new(), tags: BTreeSet::new() };
    match (roll % 16, call) {
        (0, _) => lost(),
        (1, _) => Attempt::throttled(None),
        (2, _) => Attempt::Unsent { cause: "refused".into() },
        (3, _) => Attempt::Queued { message: "in the queue".into() },
        (4, Call::Create { .. }) => Attempt::Taken { message: "taken".into(), by: Some(id("5")) },
        (4 | 5, _) => refused(),
        (6, _) if call.kind() != CallKind::Create => missing(),
        (7, Call::Find { .. }) => Attempt::Page(Page::of(vec![stranger(); 2]).followed(true)),
        (8, Call::Find { .. }) => Attempt::Page(Page::of(vec![hit("7", roll), hit("8", roll)])),
        (9 | 10, Call::Find { .. }) => Attempt::Page(Page::of(vec![hit("7", roll)]).followed(roll > 128)),
        (_, Call::Find { .. }) => Attempt::Page(Page::of(Vec::new())),
        (_, Call::Read { .. }) => Attempt::Contact(hit("5", roll / 16)),
        (_, Call::Create { .. }) => Attempt::Created(id("6")),
        (_, Call::Update { .. } | Call::AddTags { .. } | Call::RemoveTags { .. }) => Attempt::Done,
    }
}

proptest! {
    // The process may be killed after any event. The journal then has the remote state, and the calls with their results: the
    // task of the next process continues from them as the live one would have.
    #[test]
    fn a_task_rebuilt_after_any_event_continues_as_the_live_one(
        contact in any_contact_with_modes(0_usize..4),
        known in any_known(),
        mode in any_mode(),
        tags_mode in any_tags_mode(),
        is_known: bool,
        half_made: bool,
        events in vec((any::<u8>(), 0_u64..400), 1..40),
    ) {
        let policy = policy(mode, tags_mode);
        let made_at = half_made.then(start);
        let remote_state = if is_known { RemoteState::Known(Known { made_at, ..known }) } else { RemoteState::Unknown };
        let mut now = start();
        let mut live = Task::new(contact.clone(), remote_state, policy, &[], now);
        let mut past: Vec<PastCall> = Vec::new();
        for (roll, seconds) in events {
            let anew = |remote_state: &RemoteState| Task::new(contact.clone(), remote_state.clone(), policy, &past, now).step(now);
            let step = live.step(now);
            check_made_anew(&live, &step, &anew(live.remote_state()), &past, now)?;
            let call = match step {
                Step::Call(call) => call,
                Step::Wait(until) => {
                    now = until;
                    continue;
                }
                Step::Done(_) | Step::Leave(_) => break,
            };
            live.start(&call);
            if call.kind() == CallKind::Create {
                // Killed with the create in flight.
                let is_resolved_first = match anew(live.remote_state()) {
                    Step::Wait(_) => true,
                    Step::Done(Outcome::Rejected(reason)) => reason.starts_with("in doubt"),
                    Step::Call(_) | Step::Done(_) | Step::Leave(_) => false,
                };
                prop_assert!(is_resolved_first, "{:?}", anew(live.remote_state()));
            }
            let attempt = any_attempt(&call, roll);
            live.apply(&call, &attempt, now);
            past.push(PastCall { kind: call.kind(), asked: call.asked(), attempt, ended: now });
            now = now + Duration::from_secs(seconds * seconds / 100);
        }
    }
}

/// Holds the step of a task made anew against that of the live one: the same, or a detour that costs calls, never a
/// create that the live one would not have sent without another search.
fn check_made_anew(
    live: &Task,
    step: &Step,
    anew: &Step,
    past: &[PastCall],
    now: Timestamp,
) -> Result<(), TestCaseError> {
    let has_old_search =
        past.iter().any(|call| call.kind == CallKind::Find && now.since(call.ended) >= FIND_STAYS_GOOD);
    let has_more_than_finds = past.iter().any(|call| call.kind != CallKind::Find);
    let is_well = match (step, anew) {
        // A row that ended is not taken up again, and what is left for the next run may be tried by it.
        (Step::Done(_) | Step::Leave(_), _) => true,
        (step, anew) if step == anew => true,
        // A search for a contact in doubt begins anew with its first page and its first match field.
        (_, Step::Wait(_)) => matches!(live.remote_state(), RemoteState::InDoubt(_)),
        (Step::Call(Call::Find { .. }), Step::Call(Call::Find { .. }))
            if matches!(live.remote_state(), RemoteState::InDoubt(_)) =>
        {
            true
        }
        // A search is recalled as long as nothing but it has happened; else it begins anew, before anything is written.
        (_, Step::Call(Call::Find { .. })) if *live.remote_state() == RemoteState::Unknown && has_more_than_finds => {
            true
        }
        // It searches once more before it creates.
        (Step::Call(Call::Create { .. }), Step::Call(Call::Find { .. })) => true,
        (Step::Call(Call::Find { .. }), Step::Call(Call::Find { .. })) => has_old_search,
        // A refused call is sent again, and refused again, before its cause is determined.
        (Step::Call(Call::Read { .. }), Step::Call(again)) => {
            let refused = past.iter().rev().find(|call| call.kind != CallKind::Read).map(|call| call.kind);
            Some(again.kind()) == refused || (again.kind() == CallKind::Find && has_old_search)
        }
        (Step::Call(_) | Step::Wait(_), Step::Call(_) | Step::Done(_) | Step::Leave(_)) => false,
    };
    prop_assert!(
        is_well,
        "live {:?}, rebuilt {:?}, remote state {:?}, after {:#?}",
        step,
        anew,
        live.remote_state(),
        past
    );
    Ok(())
}
