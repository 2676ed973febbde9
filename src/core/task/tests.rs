//! Each case is a script: the calls that the task makes and the answers that it gets, step by step.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::core::doubt::MOST_SEEN;
use crate::core::model::{Draft, Field, Value};
use crate::core::page::Page;
use crate::core::search::PAGES_PER_FIND;

const SEARCH_LAG: Duration = Duration::from_secs(30);

fn policy(mode: Mode) -> Policy {
    Policy { mode, tags_mode: TagsMode::Add, search_lag: SEARCH_LAG, retry_in_doubt: false, search_first: false }
}

fn start() -> Timestamp {
    Timestamp::from_millis(1_000_000)
}

/// A contact with the match field `phone`, so many fields in all, and so many tags.
fn contact(fields: usize, tags: usize) -> Contact {
    Contact::new(Draft {
        matches: vec![Field::text("phone", "1")],
        fields: (1..fields).map(|n| Field::text(format!("f{n}"), format!("v{n}"))).collect(),
        tags: (0..tags).map(|n| format!("t{n}").into()).collect(),
        ..Draft::default()
    })
    .unwrap()
}

fn keyless(id: Option<&str>) -> Contact {
    let fields = vec![Field::text("name", "Ann")];
    Contact::new(Draft { id: id.and_then(ContactId::new), fields, ..Draft::default() }).unwrap()
}

fn id(text: &str) -> ContactId {
    ContactId::new(text).unwrap()
}

fn remote(text: &str, fields: &[(&str, &str)], tags: &[&str]) -> Remote {
    Remote {
        id: id(text),
        fields: fields.iter().map(|(name, value)| ((*name).into(), Value::Text((*value).into()))).collect(),
        tags: tags.iter().map(|tag| (*tag).into()).collect(),
    }
}

/// Contact 7 as the platform shows it when it has all fields of `contact`.
fn shown(contact: &Contact) -> Remote {
    let fields = contact.fields().iter().map(|field| (field.name.to_string(), field.value.clone())).collect();
    Remote { fields, ..remote("7", &[], &[]) }
}

fn known(text: &str) -> Known {
    Known::only_id(id(text))
}

/// The first page of the search by `phone`, for a past find.
fn asked(kind: CallKind) -> Option<Asked> {
    (kind == CallKind::Find).then(|| Asked { field: "phone".into(), page: 1 })
}

/// What holds once a create of `contact` was sent without a search before it.
fn in_doubt(contact: &Contact) -> RemoteState {
    RemoteState::InDoubt(Doubt::of_create(contact, None))
}

fn page(contacts: &[Remote]) -> Attempt {
    Attempt::Page(Page::of(contacts.to_vec()))
}

fn lost() -> Attempt {
    Attempt::lost(None, "reset".into())
}

fn refused() -> Attempt {
    Attempt::refused(403, "no".into())
}

fn missing() -> Attempt {
    Attempt::Missing { message: "no such contact".into() }
}

fn created(text: &str) -> Attempt {
    Attempt::Created(id(text))
}

/// The call in short: `find phone p1`, `create 30`, `update 7 11`, `add 7 10`, `remove 7 1`, `read 7`.
fn short(call: &Call) -> String {
    match call {
        Call::Find { field, page } => format!("find {} p{page}", field.name),
        Call::Read { id } => format!("read {id}"),
        Call::Create { fields } => format!("create {}", fields.len()),
        Call::Update { id, fields } => format!("update {id} {}", fields.len()),
        Call::AddTags { id, tags } => format!("add {id} {}", tags.len()),
        Call::RemoveTags { id, tags } => format!("remove {id} {}", tags.len()),
    }
}

/// Walks the task through `script`: each step is a call in short with what it came to, or `wait N` in seconds since the
/// start. Then it must be at `end`.
fn check(name: &str, mut task: Task, script: &[(&str, Attempt)], end: &Step) -> Task {
    let mut now = start();
    for (n, (expected, attempt)) in script.iter().enumerate() {
        let mut step = task.step(now);
        if let (Step::Wait(until), Some(seconds)) = (&step, expected.strip_prefix("wait ")) {
            assert_eq!(until.since(start()).as_secs().to_string(), seconds, "{name}, step {n}");
            now = *until;
            continue;
        }
        if let Step::Wait(until) = step {
            now = until;
            step = task.step(now);
        }
        let Step::Call(call) = step else { panic!("{name}, step {n}: expected {expected}, found {step:?}") };
        assert_eq!(short(&call), *expected, "{name}, step {n}");
        task.start(&call);
        task.apply(&call, attempt, now);
    }
    assert_eq!(task.step(now), *end, "{name}, at the end");
    task
}

fn done(outcome: Outcome) -> Step {
    Step::Done(outcome)
}

fn rejected(reason: &str) -> Step {
    Step::Done(Outcome::Rejected(reason.into()))
}

fn task(contact: Contact, remote_state: RemoteState, mode: Mode) -> Task {
    Task::new(contact, remote_state, policy(mode), &[], start())
}

/// The journal, the summary and `--results` name an outcome by its word.
#[test]
fn an_outcome_has_a_word_and_only_a_rejection_has_a_reason() {
    for (outcome, word, reason) in [
        (Outcome::Created, "created", None),
        (Outcome::Updated, "updated", None),
        (Outcome::Unchanged, "unchanged", None),
        (Outcome::Rejected("no".into()), "rejected", Some("no")),
    ] {
        assert_eq!((outcome.name(), outcome.reason()), (word, reason), "{outcome:?}");
    }
}

#[test]
fn the_paths_without_failures() {
    let new = |contact, mode| task(contact, RemoteState::Unknown, mode);
    let all = [("phone", "1"), ("f1", "v1")];
    check(
        "create, all chunks",
        new(contact(41, 15), Mode::Create),
        &[
            ("create 30", created("7")),
            ("update 7 11", Attempt::Done),
            ("add 7 10", Attempt::Done),
            ("add 7 5", Attempt::Done),
        ],
        &done(Outcome::Created),
    );
    check(
        "upsert of a new one",
        new(contact(2, 1), Mode::Upsert),
        &[("find phone p1", page(&[])), ("create 2", created("7")), ("add 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    check(
        "upsert of one that is right",
        new(contact(2, 1), Mode::Upsert),
        &[("find phone p1", page(&[remote("7", &all, &["t0", "x"])]))],
        &done(Outcome::Unchanged),
    );
    check(
        "upsert of one that differs",
        new(contact(2, 1), Mode::Upsert),
        &[
            ("find phone p1", page(&[remote("7", &[("phone", "1"), ("f1", "old")], &[])])),
            ("update 7 1", Attempt::Done),
            ("add 7 1", Attempt::Done),
        ],
        &done(Outcome::Updated),
    );
    check(
        "update of one that is not there",
        new(contact(2, 1), Mode::Update),
        &[("find phone p1", page(&[]))],
        &rejected("not on the platform, and mode `update` does not create contacts"),
    );
}

#[test]
fn a_known_id_is_never_searched_for() {
    check(
        "in the row",
        task(keyless(Some("9")), RemoteState::Unknown, Mode::Upsert),
        &[("update 9 1", Attempt::Done)],
        &done(Outcome::Updated),
    );
    check(
        "in the journal",
        task(contact(2, 0), RemoteState::Known(known("7")), Mode::Upsert),
        &[("update 7 2", Attempt::Done)],
        &done(Outcome::Updated),
    );
    let both = Contact::new(Draft { id: Some(id("9")), matches: vec![Field::text("phone", "1")], ..Draft::default() });
    check(
        "the row's, not the journal's",
        task(both.unwrap(), RemoteState::Known(known("7")), Mode::Upsert),
        &[("update 9 1", Attempt::Done)],
        &done(Outcome::Updated),
    );
}

#[test]
fn create_skips_known_contacts_and_finishes_its_own() {
    check("known", task(contact(2, 1), RemoteState::Known(known("7")), Mode::Create), &[], &done(Outcome::Unchanged));
    let half = Known { made_at: Some(start()), ..known("7") };
    let task = check(
        "half made",
        task(contact(2, 1), RemoteState::Known(half), Mode::Create),
        &[("update 7 2", Attempt::Done), ("add 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    assert!(matches!(task.remote_state(), RemoteState::Known(Known { made_at: None, .. })));
}

#[test]
fn all_pages_of_a_search_are_read_and_filtered() {
    let full = Attempt::Page(Page::of(vec![remote("1", &[("phone", "11")], &[])]).followed(true));
    let hit = remote("7", &[("phone", " 1 "), ("f1", "v1")], &[]);
    let new = || task(contact(2, 0), RemoteState::Unknown, Mode::Upsert);
    check(
        "a hit on the second page",
        new(),
        &[("find phone p1", full.clone()), ("find phone p2", page(std::slice::from_ref(&hit)))],
        &done(Outcome::Unchanged),
    );
    check(
        "the same hit twice is one",
        new(),
        &[
            ("find phone p1", Attempt::Page(Page::of(vec![hit.clone()]).followed(true))),
            ("find phone p2", page(&[hit.clone(), remote("8", &[("phone", "18")], &[])])),
        ],
        &done(Outcome::Unchanged),
    );
    check(
        "two exact hits",
        new(),
        &[("find phone p1", page(&[hit.clone(), remote("8", &[("phone", "1")], &[])]))],
        &rejected("conflict: several contacts have its `phone`: 7, 8"),
    );
    check(
        "only loose hits",
        new(),
        &[
            ("find phone p1", page(&[remote("8", &[("phone", "+1")], &[]), remote("9", &[("f1", "v1")], &[])])),
            ("create 2", created("7")),
        ],
        &done(Outcome::Created),
    );
    let endless: Vec<String> = (1..=PAGES_PER_FIND).map(|page| format!("find phone p{page}")).collect();
    let full = |n: usize| Attempt::Page(Page::of(vec![remote(&n.to_string(), &[("phone", "11")], &[])]).followed(true));
    let script: Vec<_> = endless.iter().enumerate().map(|(n, call)| (call.as_str(), full(n))).collect();
    check("a search without end", new(), &script, &rejected("the search for its `phone` has more than 50 pages"));
}

#[test]
fn match_fields_are_tried_in_order() {
    let contact = || {
        Contact::new(Draft {
            matches: vec![Field::text("phone", "1"), Field::text("email", "a@example.com")],
            ..Draft::default()
        })
        .unwrap()
    };
    check(
        "the second hits",
        task(contact(), RemoteState::Unknown, Mode::Upsert),
        &[
            ("find phone p1", page(&[])),
            ("find email p1", page(&[remote("7", &[("email", "a@example.com")], &[])])),
            ("update 7 1", Attempt::Done),
        ],
        &done(Outcome::Updated),
    );
    check(
        "none hits",
        task(contact(), RemoteState::Unknown, Mode::Upsert),
        &[("find phone p1", page(&[])), ("find email p1", page(&[])), ("create 2", created("7"))],
        &done(Outcome::Created),
    );
}

#[test]
fn a_lost_create_is_resolved_by_search() {
    let new = || task(contact(2, 1), RemoteState::Unknown, Mode::Create);
    let made = || remote("7", &[("phone", "1"), ("f1", "v1")], &[]);
    check(
        "found at once",
        new(),
        &[("create 2", lost()), ("wait 3", lost()), ("find phone p1", page(&[made()])), ("add 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    check(
        "found at the last search",
        new(),
        &[
            ("create 2", lost()),
            ("find phone p1", page(&[])),
            ("wait 12", lost()),
            ("find phone p1", page(&[])),
            ("wait 30", lost()),
            ("find phone p1", page(&[made()])),
            ("add 7 1", Attempt::Done),
        ],
        &done(Outcome::Created),
    );
    check(
        "not found: sent again",
        new(),
        &[
            ("create 2", lost()),
            ("find phone p1", page(&[])),
            ("find phone p1", page(&[])),
            ("wait 30", lost()),
            ("find phone p1", page(&[])),
            ("create 2", created("8")),
            ("add 8 1", Attempt::Done),
        ],
        &done(Outcome::Created),
    );
    check(
        "a search that fails is no answer",
        new(),
        &[
            ("create 2", lost()),
            ("find phone p1", lost()),
            ("find phone p1", page(&[made()])),
            ("add 7 1", Attempt::Done),
        ],
        &done(Outcome::Created),
    );
    check(
        "several hits are a conflict",
        new(),
        &[("create 2", lost()), ("find phone p1", page(&[made(), remote("8", &[("phone", "1")], &[])]))],
        &rejected("conflict: several contacts have its `phone`: 7, 8"),
    );
    check(
        "put off counts as lost",
        new(),
        &[("create 2", Attempt::Queued { message: "in the queue".into() }), ("wait 3", lost())],
        &Step::Call(Call::Find { field: Field::text("phone", "1"), page: 1 }),
    );
    let absent = [("find phone p1", page(&[])), ("find phone p1", page(&[])), ("find phone p1", page(&[]))];
    let mut script = Vec::new();
    for _ in 0..LOST_CREATES {
        script.push(("create 2", lost()));
        script.extend(absent.clone());
    }
    check("lost again and again: left", new(), &script, &Step::Leave("its create was lost 3 times".into()));
}

#[test]
fn a_create_that_was_not_sent_is_sent_again() {
    for attempt in [
        Attempt::Unsent { cause: "refused".into() },
        Attempt::throttled(None),
        Attempt::Unauthorized { message: String::new() },
    ] {
        let task = check(
            "unsent",
            task(contact(2, 0), RemoteState::Unknown, Mode::Create),
            &[("create 2", attempt)],
            &Step::Call(Call::Create { fields: contact(2, 0).fields().to_vec() }),
        );
        assert_eq!(task.remote_state(), &RemoteState::Unknown);
    }
}

#[test]
fn without_a_match_field_a_lost_create_stays_in_doubt() {
    let unsure = "in doubt: the answer to its create was lost, and it has no match field to search by";
    let lost_now = check(
        "lost now",
        task(keyless(None), RemoteState::Unknown, Mode::Create),
        &[("create 1", lost())],
        &rejected(unsure),
    );
    assert!(matches!(lost_now.remote_state(), RemoteState::InDoubt(doubt) if doubt.since == Some(start())));
    check("lost before", task(keyless(None), in_doubt(&keyless(None)), Mode::Create), &[], &rejected(unsure));
    let asked = Policy { retry_in_doubt: true, ..policy(Mode::Create) };
    let asked = Task::new(keyless(None), in_doubt(&keyless(None)), asked, &[], start());
    check("resent when asked", asked, &[("create 1", created("7"))], &done(Outcome::Created));
    let asked = Policy { retry_in_doubt: true, ..policy(Mode::Create) };
    let asked = Task::new(keyless(None), RemoteState::Unknown, asked, &[], start());
    let creates = vec![("create 1", lost()); LOST_CREATES as usize];
    check("lost again and again: not sent a fourth time", asked, &creates, &rejected(unsure));
    let update = Policy { retry_in_doubt: true, ..policy(Mode::Update) };
    check(
        "`update` makes none",
        Task::new(keyless(None), in_doubt(&keyless(None)), update, &[], start()),
        &[],
        &rejected(unsure),
    );
}

#[test]
fn a_create_in_doubt_of_an_earlier_run_is_resolved_first() {
    let made = || remote("7", &[("phone", "1"), ("f1", "old")], &[]);
    for mode in [Mode::Upsert, Mode::Create] {
        check(
            "found, and the file has changed",
            task(contact(2, 0), in_doubt(&contact(2, 0)), mode),
            &[("find phone p1", page(&[made()])), ("update 7 1", Attempt::Done)],
            &done(Outcome::Created),
        );
        check(
            "not found",
            task(contact(2, 0), in_doubt(&contact(2, 0)), mode),
            &[
                ("wait 3", lost()),
                ("find phone p1", page(&[])),
                ("find phone p1", page(&[])),
                ("wait 30", lost()),
                ("find phone p1", page(&[])),
                ("create 2", created("7")),
            ],
            &done(Outcome::Created),
        );
    }
    let doubt = || Doubt::of_create(&contact(2, 0), None);
    let orphan = || Task::resolving_doubt(contact(2, 0), doubt(), policy(Mode::Upsert), start());
    let found = check(
        "an orphan is adopted and left as it is",
        orphan(),
        &[("find phone p1", page(&[made()]))],
        &done(Outcome::Unchanged),
    );
    assert!(matches!(found.remote_state(), RemoteState::Known(_)));
    let gone = check(
        "an orphan that was not made is not made",
        orphan(),
        &[("find phone p1", page(&[])), ("find phone p1", page(&[])), ("find phone p1", page(&[]))],
        &done(Outcome::Unchanged),
    );
    assert_eq!(gone.remote_state(), &RemoteState::Unknown);
}

#[test]
fn an_identifier_that_is_taken_may_be_the_same_contact() {
    let taken = |by: Option<&str>| Attempt::Taken { message: "already connected".into(), by: by.map(id) };
    let new = || task(contact(2, 0), RemoteState::Unknown, Mode::Upsert);
    check(
        "it is",
        new(),
        &[
            ("find phone p1", page(&[])),
            ("create 2", taken(Some("7"))),
            ("read 7", Attempt::Contact(remote("7", &[("phone", "1")], &[]))),
            ("update 7 1", Attempt::Done),
        ],
        &done(Outcome::Updated),
    );
    check(
        "it is not",
        new(),
        &[
            ("find phone p1", page(&[])),
            ("create 2", taken(Some("7"))),
            ("read 7", Attempt::Contact(remote("7", &[("phone", "2")], &[]))),
        ],
        &rejected("already connected (contact 7)"),
    );
    check(
        "no contact named",
        new(),
        &[("find phone p1", page(&[])), ("create 2", taken(None))],
        &rejected("already connected"),
    );
    check(
        "no match field to search by",
        task(keyless(None), RemoteState::Unknown, Mode::Create),
        &[("create 1", taken(Some("7")))],
        &rejected("already connected (contact 7)"),
    );
}

#[test]
fn a_refusal_after_a_lost_change_is_followed_by_a_read() {
    let removing = || {
        Contact::new(Draft {
            matches: vec![Field::text("phone", "1")],
            remove_tags: vec!["x".into()],
            ..Draft::default()
        })
        .unwrap()
    };
    let has_tag = || {
        let fields: BTreeMap<_, _> = [("phone".to_owned(), Value::Text("1".into()))].into();
        RemoteState::Known(Known { fields, tags: ["x".to_owned()].into(), ..known("7") })
    };
    check(
        "it had worked",
        task(removing(), has_tag(), Mode::Upsert),
        &[
            ("remove 7 1", lost()),
            ("remove 7 1", refused()),
            ("read 7", Attempt::Contact(remote("7", &[("phone", "1")], &[]))),
        ],
        &done(Outcome::Updated),
    );
    check(
        "it had not",
        task(removing(), has_tag(), Mode::Upsert),
        &[
            ("remove 7 1", lost()),
            ("remove 7 1", refused()),
            ("read 7", Attempt::Contact(remote("7", &[("phone", "1")], &["x"]))),
        ],
        &rejected("no"),
    );
    check("nothing was lost", task(removing(), has_tag(), Mode::Upsert), &[("remove 7 1", refused())], &rejected("no"));
}

/// A read after a refusal shows what the platform has, and changes nothing that the platform does not know.
#[test]
fn a_read_after_a_refusal_keeps_the_known_contact() {
    let all = [("phone", "1"), ("f1", "v1")];
    let read = |shown: &str, fields: &[(&str, &str)]| Attempt::Contact(remote(shown, fields, &[]));
    check(
        "its id, whatever the answer calls it (API.md, trap 3)",
        task(contact(2, 1), RemoteState::Known(known("7")), Mode::Upsert),
        &[("update 7 2", missing()), ("read 7", read("cus_7", &all)), ("add 7 1", Attempt::Done)],
        &done(Outcome::Updated),
    );
    check(
        "created by an earlier create",
        task(contact(31, 0), RemoteState::Unknown, Mode::Create),
        &[
            ("create 30", created("7")),
            ("update 7 1", lost()),
            ("update 7 1", refused()),
            ("read 7", Attempt::Contact(shown(&contact(31, 0)))),
        ],
        &done(Outcome::Created),
    );
    // The id that the row gives is gone, and the contact is there under another one.
    let row = || {
        let (matches, fields) = (vec![Field::text("phone", "1")], vec![Field::text("f1", "v1")]);
        Contact::new(Draft { id: Some(id("9")), matches, fields, ..Draft::default() }).unwrap()
    };
    let moved = Known { replaces: Some(id("9")), ..known("7") };
    let read = check(
        "that it replaces the id in the row",
        task(row(), RemoteState::Known(moved), Mode::Upsert),
        &[("update 7 2", missing()), ("read 7", read("7", &all))],
        &done(Outcome::Unchanged),
    );
    check("in the next run", task(row(), read.remote_state().clone(), Mode::Upsert), &[], &done(Outcome::Unchanged));
}

/// A platform that keeps a value in another form shows it as one that is yet to be written, however often it is.
#[test]
fn a_change_that_is_refused_again_after_a_read_is_rejected() {
    let shown = || Attempt::Contact(remote("7", &[("phone", "1"), ("f1", "another form")], &[]));
    let task = || task(contact(2, 1), RemoteState::Known(known("7")), Mode::Upsert);
    check(
        "refused",
        task(),
        &[
            ("update 7 2", Attempt::Done),
            ("add 7 1", refused()),
            ("read 7", shown()),
            ("update 7 1", Attempt::Done),
            ("add 7 1", refused()),
        ],
        &rejected("no"),
    );
    check(
        "reported as gone",
        task(),
        &[
            ("update 7 2", Attempt::Done),
            ("add 7 1", missing()),
            ("read 7", shown()),
            ("update 7 1", Attempt::Done),
            ("add 7 1", missing()),
            ("read 7", shown()),
        ],
        &rejected("no such contact"),
    );
}

#[test]
fn a_contact_that_is_gone_is_searched_again() {
    check(
        "found under another id",
        task(contact(2, 0), RemoteState::Known(known("7")), Mode::Upsert),
        &[
            ("update 7 2", missing()),
            ("read 7", missing()),
            ("find phone p1", page(&[remote("8", &[("phone", "1")], &[])])),
            ("update 8 1", Attempt::Done),
        ],
        &done(Outcome::Updated),
    );
    check(
        "made anew",
        task(contact(2, 0), RemoteState::Known(known("7")), Mode::Upsert),
        &[
            ("update 7 2", missing()),
            ("read 7", missing()),
            ("find phone p1", page(&[])),
            ("find phone p1", page(&[])),
            ("wait 30", lost()),
            ("find phone p1", page(&[])),
            ("create 2", created("8")),
        ],
        &done(Outcome::Created),
    );
    check(
        "no match field",
        task(keyless(Some("7")), RemoteState::Unknown, Mode::Upsert),
        &[("update 7 1", missing()), ("read 7", missing())],
        &rejected("the platform no longer has this contact id"),
    );
    let young = task(contact(31, 0), RemoteState::Unknown, Mode::Create);
    let young = check(
        "a moment after its create it is only not visible yet",
        young,
        &[("create 30", created("7")), ("update 7 1", missing()), ("update 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    assert!(!young.is_passing(&missing(), start()));
    check(
        "and so it is when it is read",
        task(contact(31, 0), RemoteState::Unknown, Mode::Create),
        &[
            ("create 30", created("7")),
            ("update 7 1", lost()),
            ("update 7 1", refused()),
            ("read 7", missing()),
            ("read 7", missing()),
        ],
        &Step::Call(Call::Read { id: id("7") }),
    );
}

#[test]
fn a_contact_of_a_lost_create_is_searched_for_again_when_it_is_gone() {
    let mut doubt = Doubt::of_create(&contact(2, 0), None);
    doubt.since = Some(start().before(SEARCH_LAG));
    check(
        "found under another id",
        task(contact(2, 0), RemoteState::InDoubt(doubt), Mode::Upsert),
        &[
            ("find phone p1", page(&[remote("7", &[("phone", "1")], &[])])),
            ("update 7 1", missing()),
            ("read 7", missing()),
            ("find phone p1", page(&[remote("8", &[("phone", "1")], &[])])),
            ("update 8 1", Attempt::Done),
        ],
        &done(Outcome::Created),
    );
}

#[test]
fn tags_that_others_added_stay() {
    let mirror = Policy { tags_mode: TagsMode::Mirror, ..policy(Mode::Upsert) };
    let tags = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|tag| (*tag).into()).collect() };
    let fields: BTreeMap<_, _> = [("phone".to_owned(), Value::Text("1".into()))].into();
    let known = Known { fields, tags: tags(&["t0", "ours", "theirs"]), own_tags: tags(&["ours"]), ..known("7") };
    let mirrored = Task::new(contact(1, 1), RemoteState::Known(known), mirror, &[], start());
    let Step::Call(Call::RemoveTags { tags, .. }) = mirrored.step(start()) else { panic!("{mirrored:?}") };
    assert_eq!(tags, ["ours"]);
}

#[test]
fn a_resumed_task_continues_where_it_was() {
    let past = |kind, attempt, minutes: u64| PastCall {
        kind,
        asked: asked(kind),
        attempt,
        ended: start().before(Duration::from_mins(minutes)),
    };
    let resumed =
        |remote_state, past: &[PastCall]| Task::new(contact(2, 1), remote_state, policy(Mode::Upsert), past, start());
    check(
        "the search is not asked again",
        resumed(RemoteState::Unknown, &[past(CallKind::Find, page(&[]), 1)]),
        &[("create 2", created("7")), ("add 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    check(
        "unless it is old",
        resumed(RemoteState::Unknown, &[past(CallKind::Find, page(&[]), 11)]),
        &[("find phone p1", page(&[])), ("create 2", created("7")), ("add 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    let lookahead = PastCall { ended: start() + Duration::from_millis(1), ..past(CallKind::Find, page(&[]), 0) };
    check(
        "or from before the clock was set back",
        resumed(RemoteState::Unknown, &[lookahead]),
        &[("find phone p1", page(&[])), ("create 2", created("7")), ("add 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    let fields = contact(2, 1).fields().iter().map(|f| (f.name.to_string(), f.value.clone())).collect();
    let right = Known { fields, tags: ["t0".to_owned()].into(), ..known("7") };
    check(
        "what was written counts",
        resumed(RemoteState::Known(right.clone()), &[past(CallKind::Update, Attempt::Done, 1)]),
        &[],
        &done(Outcome::Updated),
    );
    check(
        "what was not does not",
        resumed(RemoteState::Known(right), &[past(CallKind::Update, refused(), 1)]),
        &[],
        &done(Outcome::Unchanged),
    );
}

#[test]
fn an_id_that_the_platform_no_longer_has_is_read_once() {
    let both = || {
        let fields = Draft { id: Some(id("9")), matches: vec![Field::text("phone", "1")], ..Draft::default() };
        Contact::new(fields).unwrap()
    };
    let moved = check(
        "found under another id",
        task(both(), RemoteState::Unknown, Mode::Upsert),
        &[
            ("update 9 1", missing()),
            ("read 9", missing()),
            ("find phone p1", page(&[remote("7", &[("phone", "1")], &[])])),
        ],
        &done(Outcome::Unchanged),
    );
    check("known by then", task(both(), moved.remote_state().clone(), Mode::Upsert), &[], &done(Outcome::Unchanged));
    let made = check(
        "made anew",
        task(both(), RemoteState::Unknown, Mode::Upsert),
        &[
            ("update 9 1", missing()),
            ("read 9", missing()),
            ("find phone p1", page(&[])),
            ("find phone p1", page(&[])),
            ("find phone p1", page(&[])),
            ("create 1", created("8")),
        ],
        &done(Outcome::Created),
    );
    check("known by then", task(both(), made.remote_state().clone(), Mode::Upsert), &[], &done(Outcome::Unchanged));
}

#[test]
fn a_tag_to_remove_is_removed_even_if_others_added_it() {
    let removing = || {
        Contact::new(Draft {
            matches: vec![Field::text("phone", "1")],
            remove_tags: vec!["x".into()],
            ..Draft::default()
        })
        .unwrap()
    };
    let right = || Known { fields: [("phone".to_owned(), Value::Text("1".into()))].into(), ..known("7") };
    let there = check(
        "the tag was never seen",
        task(removing(), RemoteState::Known(right()), Mode::Upsert),
        &[("remove 7 1", Attempt::Done)],
        &done(Outcome::Updated),
    );
    check("once", task(removing(), there.remote_state().clone(), Mode::Upsert), &[], &done(Outcome::Unchanged));
    let missing = check(
        "it is not there",
        task(removing(), RemoteState::Known(right()), Mode::Upsert),
        &[("remove 7 1", refused()), ("read 7", Attempt::Contact(remote("7", &[("phone", "1")], &[])))],
        &done(Outcome::Updated),
    );
    check("once", task(removing(), missing.remote_state().clone(), Mode::Upsert), &[], &done(Outcome::Unchanged));
    let created = check(
        "a new contact has no tag",
        task(removing(), RemoteState::Unknown, Mode::Create),
        &[("create 1", created("7"))],
        &done(Outcome::Created),
    );
    check(
        "nor in the next run",
        task(removing(), created.remote_state().clone(), Mode::Upsert),
        &[],
        &done(Outcome::Unchanged),
    );
    check(
        "seen not to be there",
        task(removing(), RemoteState::Unknown, Mode::Upsert),
        &[("find phone p1", page(&[remote("7", &[("phone", "1")], &["y"])]))],
        &done(Outcome::Unchanged),
    );
}

#[test]
fn a_search_is_recalled_completely_or_not_at_all() {
    let first = Attempt::Page(Page::of(vec![remote("7", &[("phone", "1")], &[])]).followed(true));
    let at = |attempt, minutes| PastCall {
        kind: CallKind::Find,
        asked: asked(CallKind::Find),
        attempt,
        ended: start().before(Duration::from_mins(minutes)),
    };
    let past = [at(first, 11), at(page(&[]), 9)];
    check(
        "its first page is old",
        Task::new(contact(1, 0), RemoteState::Unknown, policy(Mode::Upsert), &past, start()),
        &[("find phone p1", page(&[remote("7", &[("phone", "1")], &[])]))],
        &done(Outcome::Unchanged),
    );
}

#[test]
fn a_contact_that_resembles_a_lost_create_is_not_created_again() {
    let row = Contact::new(Draft { matches: vec![Field::text("phone", "5215550001")], ..Draft::default() }).unwrap();
    let stored = page(&[remote("7", &[("phone", "+5215550001")], &[])]);
    let unsure = check(
        "stored in another form",
        task(row, RemoteState::Unknown, Mode::Create),
        &[
            ("create 1", lost()),
            ("find phone p1", stored.clone()),
            ("find phone p1", stored.clone()),
            ("find phone p1", stored),
        ],
        &rejected(
            "in doubt: the answer to its create was lost, and the search for its `phone` found contact 7, which has \
             `+5215550001` instead of `5215550001`; if it is the same contact, correct the value in the input or on \
             the platform; if not, create the contact there",
        ),
    );
    assert!(matches!(unsure.remote_state(), RemoteState::InDoubt(_)));
}

#[test]
fn a_lost_create_is_searched_for_by_the_fields_that_it_carried() {
    let now = Contact::new(Draft {
        matches: vec![Field::text("email", "a@example.com"), Field::text("phone", "1")],
        ..Draft::default()
    });
    let now = now.unwrap();
    check(
        "the file has an e-mail by now",
        task(now, in_doubt(&contact(1, 0)), Mode::Upsert),
        &[("find phone p1", page(&[remote("7", &[("phone", "1")], &[])])), ("update 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
}

#[test]
fn a_retried_create_in_doubt_that_is_postponed_stays_in_doubt() {
    let asked = Policy { retry_in_doubt: true, ..policy(Mode::Create) };
    let asked = Task::new(keyless(None), in_doubt(&keyless(None)), asked, &[], start());
    let throttled = Attempt::throttled(None);
    let create = Step::Call(Call::Create { fields: keyless(None).fields().to_vec() });
    let task = check("put off", asked, &[("create 1", throttled)], &create);
    assert!(matches!(task.remote_state(), RemoteState::InDoubt(_)));
}

#[test]
fn create_skips_a_contact_that_its_refusal_names() {
    check(
        "another client created it",
        task(contact(2, 1), RemoteState::Unknown, Mode::Create),
        &[
            ("create 2", Attempt::Taken { message: "already connected".into(), by: Some(id("7")) }),
            ("read 7", Attempt::Contact(remote("7", &[("phone", "1")], &[]))),
        ],
        &done(Outcome::Unchanged),
    );
}

#[test]
fn an_own_contact_that_is_gone_is_resolved() {
    let half = || Known { made_at: Some(start().before(SEARCH_LAG)), ..known("7") };
    for mode in [Mode::Create, Mode::Upsert] {
        let gone = || task(contact(2, 0), RemoteState::Known(half()), mode);
        let searched = check(
            "there under another id",
            gone(),
            &[
                ("update 7 2", missing()),
                ("read 7", missing()),
                ("find phone p1", page(&[remote("8", &[("phone", "1")], &[])])),
                ("update 8 1", Attempt::Done),
            ],
            &done(Outcome::Created),
        );
        assert!(matches!(searched.remote_state(), RemoteState::Known(_)));
        // Killed before the search: it is not made again on a guess, whatever was found before it was made.
        let mut killed = gone();
        let Step::Call(call) = killed.step(start()) else { panic!("{killed:?}") };
        killed.apply(&call, &missing(), start());
        killed.apply(&Call::Read { id: id("7") }, &missing(), start());
        let find = PastCall { kind: CallKind::Find, asked: asked(CallKind::Find), attempt: page(&[]), ended: start() };
        let update = PastCall { kind: CallKind::Update, asked: None, attempt: missing(), ended: start() };
        let anew = Task::new(contact(2, 0), killed.remote_state().clone(), policy(mode), &[find, update], start());
        assert!(matches!(anew.step(start()), Step::Wait(_)), "{anew:?}");
    }
}

#[test]
fn a_search_from_before_a_contact_was_gone_is_not_recalled() {
    let past = |kind, attempt| PastCall { kind, asked: asked(kind), attempt, ended: start() };
    let hit = page(&[remote("7", &[("phone", "1")], &[])]);
    let resumed =
        |past: &[PastCall]| Task::new(contact(2, 0), RemoteState::Unknown, policy(Mode::Upsert), past, start());
    for found in [hit, page(&[])] {
        check(
            "the search begins anew",
            resumed(&[past(CallKind::Find, found), past(CallKind::Update, missing())]),
            &[("find phone p1", page(&[])), ("create 2", created("8"))],
            &done(Outcome::Created),
        );
    }
    // Half a search is none: of its pages, the first is too old.
    let full = Attempt::Page(Page::of(vec![remote("7", &[("phone", "1")], &[])]).followed(true));
    let old = PastCall { ended: start().before(FIND_STAYS_GOOD), ..past(CallKind::Find, full) };
    check(
        "all of its pages or none",
        resumed(&[old, past(CallKind::Find, page(&[]))]),
        &[("find phone p1", page(&[remote("7", &[("phone", "1"), ("f1", "v1")], &[])]))],
        &done(Outcome::Unchanged),
    );
}

#[test]
fn a_page_that_was_requested_twice_does_not_answer_another_search() {
    let contact = Contact::new(Draft {
        matches: vec![Field::text("email", "a@example.com"), Field::text("phone", "1")],
        ..Draft::default()
    });
    let find = |field: &str, attempt| PastCall {
        kind: CallKind::Find,
        asked: Some(Asked { field: field.into(), page: 1 }),
        attempt,
        ended: start(),
    };
    // The second process could not know yet how the search by phone ended, and began anew.
    let past = [find("email", page(&[])), find("phone", lost()), find("email", page(&[]))];
    check(
        "the phone was never searched",
        Task::new(contact.unwrap(), RemoteState::Unknown, policy(Mode::Upsert), &past, start()),
        &[("find phone p1", page(&[remote("7", &[("phone", "1"), ("email", "a@example.com")], &[])]))],
        &done(Outcome::Unchanged),
    );
}

#[test]
fn a_refused_search_is_not_an_absent_contact() {
    let refusal = |status, message: &str| Attempt::refused(status, message.into());
    for attempt in [
        refusal(403, "An unknown error occurred. Please contact support."),
        refusal(404, "Page Not Found. If error persists, contact info@example.com"),
        refusal(400, "Bad Request"),
        refusal(422, "The name field is required."),
        refusal(200, "error"),
        Attempt::Missing { message: "Contact not found".into() },
        Attempt::Taken { message: "taken".into(), by: Some(id("7")) },
    ] {
        let words = match &attempt {
            Attempt::Refused { message, .. } | Attempt::Missing { message } | Attempt::Taken { message, .. } => message,
            other => panic!("{other:?}"),
        };
        let end = rejected(&format!("search refused: {words}"));
        let first = ("find phone p1", attempt.clone());
        check(
            "the first search",
            task(contact(2, 1), RemoteState::Unknown, Mode::Upsert),
            std::slice::from_ref(&first),
            &end,
        );
        let lost = ("create 2", lost());
        let after = check(
            "the search for a lost create",
            task(contact(2, 1), RemoteState::Unknown, Mode::Create),
            &[lost, first.clone()],
            &end,
        );
        assert!(matches!(after.remote_state(), RemoteState::InDoubt(_)), "{words}");
        assert!(!after.is_passing(&attempt, start()), "{words}");
    }
    for no_answer in [
        lost(),
        Attempt::WrongPath { message: "404 Not Found".into() },
        Attempt::Queued { message: "queue".into() },
        Attempt::throttled(None),
    ] {
        check(
            "no answer",
            task(contact(2, 1), RemoteState::Unknown, Mode::Upsert),
            &[("find phone p1", no_answer)],
            &Step::Call(Call::Find { field: Field::text("phone", "1"), page: 1 }),
        );
    }
}

#[test]
fn a_search_that_contradicts_itself_is_repeated_once() {
    let counted = |contacts: &[Remote], total: u64, more: bool| {
        Attempt::Page(Page { total: Some(total), more, ..Page::of(contacts.to_vec()) })
    };
    let contradictory = |why: &str| Attempt::Page(Page { contradiction: Some(why.into()), ..Page::default() });
    let stranger = |n: u64| remote(&n.to_string(), &[("phone", "11")], &[]);
    let left = |why: &str| Step::Leave(format!("the search for its `phone` contradicts itself: {why}"));
    let new = || task(contact(1, 0), RemoteState::Unknown, Mode::Upsert);
    let (one, none) = ("find phone p1", ("find phone p1", counted(&[], 0, false)));
    check(
        "empty, and it announces one",
        new(),
        &[(one, counted(&[], 1, false)), (one, counted(&[], 1, false))],
        &left("its pages list 0 contacts, but `total` is 1"),
    );
    check(
        "fewer than announced",
        new(),
        &[(one, counted(&[stranger(1)], 14, false)), (one, counted(&[stranger(1)], 14, false))],
        &left("its pages list 1 contact, but `total` is 14"),
    );
    check(
        "the page number is ignored",
        new(),
        &[
            (one, counted(&[stranger(1)], 2, true)),
            ("find phone p2", counted(&[stranger(1)], 2, true)),
            (one, counted(&[stranger(1)], 2, true)),
            ("find phone p2", counted(&[stranger(1)], 2, true)),
        ],
        &left("page 2 repeats the contacts of an earlier page"),
    );
    check("the page contradicts itself", new(), &[(one, contradictory("so")), (one, contradictory("so"))], &left("so"));
    check("only once", new(), &[(one, contradictory("so")), none, ("create 1", created("7"))], &done(Outcome::Created));
    check(
        "contacts were added meanwhile",
        new(),
        &[
            (one, counted(&[stranger(1)], 2, true)),
            ("find phone p2", counted(&[stranger(2)], 3, false)),
            (one, counted(&[stranger(3)], 3, true)),
            ("find phone p2", counted(&[stranger(1), stranger(2)], 3, false)),
            ("create 1", created("7")),
        ],
        &done(Outcome::Created),
    );
    let hit = remote("7", &[("phone", "1")], &[]);
    check(
        "an exact hit on pages that do not add up",
        new(),
        &[(one, counted(std::slice::from_ref(&hit), 2, false)), (one, counted(std::slice::from_ref(&hit), 2, false))],
        &left("its pages list 1 contact, but `total` is 2"),
    );
    let doubtful = check(
        "after a lost create it stays in doubt",
        task(contact(1, 0), RemoteState::Unknown, Mode::Create),
        &[("create 1", lost()), (one, contradictory("so")), (one, contradictory("so"))],
        &left("so"),
    );
    assert!(matches!(doubtful.remote_state(), RemoteState::InDoubt(_)));
    check(
        "two exact hits end the walk at once",
        new(),
        &[(one, counted(&[hit.clone(), remote("8", &[("phone", "1")], &[])], 500, true))],
        &rejected("conflict: several contacts have its `phone`: 7, 8"),
    );
    check(
        "on two pages as well",
        new(),
        &[
            (one, counted(std::slice::from_ref(&hit), 500, true)),
            ("find phone p2", counted(&[remote("8", &[("phone", "1")], &[])], 500, true)),
        ],
        &rejected("conflict: several contacts have its `phone`: 7, 8"),
    );
}

/// What the platform shows of `+5215550001234567890123` after its create was lost.
fn shown_as(value: Value) -> Remote {
    Remote { fields: [("phone".to_owned(), value)].into(), ..remote("7", &[], &[]) }
}

#[test]
fn a_new_similar_hit_after_a_lost_create_prevents_another_create() {
    let number = |json: &str| serde_json::from_str::<Value>(json).unwrap();
    let text = |text: &str| Value::Text(text.into());
    let check_form = |wanted: &str, shown: Value| {
        let row = || Contact::new(Draft { matches: vec![Field::text("phone", wanted)], ..Draft::default() }).unwrap();
        let form = shown.text().into_owned();
        let hit = || page(&[shown_as(shown.clone())]);
        let end = rejected(&format!(
            "in doubt: the answer to its create was lost, and the search for its `phone` found contact 7, which has \
             `{form}` instead of `{wanted}`; if it is the same contact, correct the value in the input or on \
             the platform; if not, create the contact there"
        ));
        let searches = [("find phone p1", hit()), ("find phone p1", hit()), ("find phone p1", hit())];
        let mut script = vec![("find phone p1", page(&[])), ("create 1", lost())];
        script.extend(searches.clone());
        check(wanted, task(row(), RemoteState::Unknown, Mode::Upsert), &script, &end);
        check(wanted, task(row(), RemoteState::Unknown, Mode::Create), &script[1..], &end);
        // Seen by an early search alone, it still may be the contact.
        let script = [&script[..3], &[("find phone p1", page(&[])), ("find phone p1", page(&[]))]].concat();
        check(wanted, task(row(), RemoteState::Unknown, Mode::Upsert), &script, &end);
    };
    check_form("+525512345678", text("+5215512345678"));
    check_form("+5215512345678", text("+525512345678"));
    check_form("+5215512345678", text("5215512345678"));
    check_form("5215512345678", text("+5215512345678"));
    check_form("Jos\u{e9}", text("Jose\u{301}"));
    check_form("customer-0000000000000001", text("customer-00000000000"));
    check_form("12345", text("12345.0"));
    check_form("012345", number("12345"));
    check_form("+12345", number("12345"));
    check_form("12345", text("another"));
    // As a number it is the same, at the first search as well.
    let row = || Contact::new(Draft { matches: vec![Field::text("phone", "12345")], ..Draft::default() }).unwrap();
    for json in ["12345", "12345.0", "1.2345e4"] {
        let hit = page(&[shown_as(number(json))]);
        check(
            json,
            task(row(), RemoteState::Unknown, Mode::Upsert),
            &[("find phone p1", hit.clone())],
            &done(Outcome::Unchanged),
        );
        check(
            json,
            task(row(), RemoteState::Unknown, Mode::Create),
            &[("create 1", lost()), ("find phone p1", hit)],
            &done(Outcome::Created),
        );
    }
}

#[test]
fn a_hit_from_before_the_create_does_not_prevent_another_create() {
    let before = page(&[remote("8", &[("phone", "11")], &[]), remote("9", &[("f1", "v1")], &[])]);
    let again = || [("find phone p1", before.clone()), ("find phone p1", before.clone())];
    let mut script = vec![("find phone p1", before.clone()), ("create 1", lost())];
    script.extend(again());
    script.push(("find phone p1", before.clone()));
    script.push(("create 1", created("7")));
    check("the same hits", task(contact(1, 0), RemoteState::Unknown, Mode::Upsert), &script, &done(Outcome::Created));
    // The process was killed after the create was lost: what was shown before it lasts.
    let mut killed = task(contact(1, 0), RemoteState::Unknown, Mode::Upsert);
    for (call, attempt) in [(killed.step(start()), before.clone()), (Step::Wait(start()), lost())] {
        let Step::Call(call) = (if matches!(call, Step::Call(_)) { call } else { killed.step(start()) }) else {
            panic!()
        };
        killed.start(&call);
        killed.apply(&call, &attempt, start());
    }
    let journaled = serde_json::to_string(match killed.remote_state() {
        RemoteState::InDoubt(doubt) => doubt,
        other => panic!("{other:?}"),
    });
    let doubt: Doubt = serde_json::from_str(&journaled.unwrap()).unwrap();
    let resumed = |doubt: &Doubt, now| {
        Task::new(contact(1, 0), RemoteState::InDoubt(doubt.clone()), policy(Mode::Upsert), &[], now)
    };
    check("resumed", resumed(&doubt, start()), &script[2..], &done(Outcome::Created));
    // Too many to remember: any hit counts as new.
    let many: Vec<Remote> = (0..=MOST_SEEN).map(|n| remote(&format!("s{n}"), &[("phone", "11")], &[])).collect();
    let loose = ("find phone p1", page(&many));
    let script = [loose.clone(), ("create 1", lost()), loose.clone(), loose.clone(), loose];
    let forbidden = check(
        "too many",
        task(contact(1, 0), RemoteState::Unknown, Mode::Upsert),
        &script,
        &rejected(
            "in doubt: the answer to its create was lost, and the search for its `phone` found contact s0, which has \
             `11` instead of `1`; if it is the same contact, correct the value in the input or on \
             the platform; if not, create the contact there",
        ),
    );
    assert!(matches!(forbidden.remote_state(), RemoteState::InDoubt(_)));
}

#[test]
fn new_match_fields_are_searched_before_a_lost_create_is_sent_again() {
    let row = |email: &str| {
        let matches = vec![Field::text("phone", "1"), Field::text("email", email)];
        Contact::new(Draft { matches, ..Draft::default() }).unwrap()
    };
    let none = |field| (field, page(&[]));
    let searches = [none("find phone p1"), none("find phone p1"), none("find phone p1"), none("find email p1")];
    let b = remote("7", &[("email", "b@example.com")], &[]);
    let again = |then: &[(&'static str, Attempt)]| [&searches[..], then].concat();
    for mode in [Mode::Upsert, Mode::Update] {
        check(
            "the file has another e-mail by now, which a contact has",
            task(row("b@example.com"), in_doubt(&row("a@example.com")), mode),
            &again(&[
                none("find phone p1"),
                ("find email p1", page(std::slice::from_ref(&b))),
                ("update 7 1", Attempt::Done),
            ]),
            &done(Outcome::Updated),
        );
    }
    check(
        "the same e-mail is not searched for again",
        task(row("a@example.com"), in_doubt(&row("a@example.com")), Mode::Upsert),
        &again(&[("create 2", created("7"))]),
        &done(Outcome::Created),
    );
}

#[test]
fn a_create_answered_with_an_unknown_path_may_have_happened() {
    let no_path = || Attempt::WrongPath { message: "404 Not Found".into() };
    let new = || task(contact(1, 0), RemoteState::Unknown, Mode::Create);
    check(
        "a search finds it",
        new(),
        &[("create 1", no_path()), ("find phone p1", page(&[remote("7", &[("phone", "1")], &[])]))],
        &done(Outcome::Created),
    );
    let none = || ("find phone p1", page(&[]));
    check(
        "no search finds it",
        new(),
        &[("create 1", no_path()), none(), none(), none(), ("create 1", created("7"))],
        &done(Outcome::Created),
    );
    // Without a match field no search is possible, and a wrong URL would reject the row.
    check(
        "it cannot be searched for",
        task(keyless(None), RemoteState::Unknown, Mode::Create),
        &[("create 1", no_path()), ("create 1", created("7"))],
        &done(Outcome::Created),
    );
}

#[test]
fn a_lost_create_is_searched_for_by_every_match_field_before_it_is_sent_again() {
    let row = || {
        let matches = vec![Field::text("email", "a@example.com"), Field::text("phone", "1")];
        Contact::new(Draft { matches, ..Draft::default() }).unwrap()
    };
    let none = ("find email p1", page(&[]));
    let lost = [("create 2", lost()), none.clone(), none.clone(), none];
    let script = |last: Attempt| [&lost[..], &[("find phone p1", last)]].concat();
    check(
        "the platform dropped the first one",
        task(row(), RemoteState::Unknown, Mode::Create),
        &[&script(page(&[remote("7", &[("phone", "1")], &[])]))[..], &[("update 7 1", Attempt::Done)]].concat(),
        &done(Outcome::Created),
    );
    check(
        "another contact has the second one",
        task(row(), RemoteState::Unknown, Mode::Create),
        &script(page(&[remote("7", &[("phone", "1"), ("email", "b@example.com")], &[])])),
        &rejected("conflict: contact 7 has its `phone`, but another `email`"),
    );
    check(
        "it has none",
        task(row(), RemoteState::Unknown, Mode::Create),
        &[&script(page(&[]))[..], &[("create 2", created("7"))]].concat(),
        &done(Outcome::Created),
    );
}

#[test]
fn the_search_lag_and_the_searches_continue_in_the_next_process() {
    let lost = |searches, seconds_ago: u64| {
        let mut doubt = Doubt::of_create(&contact(1, 0), Some(BTreeSet::new()));
        (doubt.since, doubt.searches) = (Some(start().before(Duration::from_secs(seconds_ago))), searches);
        Task::new(contact(1, 0), RemoteState::InDoubt(doubt), policy(Mode::Upsert), &[], start())
    };
    let none = || ("find phone p1", page(&[]));
    let again = ("create 1", created("7"));
    let all = [none(), ("wait 12", Attempt::Done), none(), ("wait 30", Attempt::Done), none(), again.clone()];
    check("lost just now", lost(0, 0), &[&[("wait 3", Attempt::Done)], &all[..]].concat(), &done(Outcome::Created));
    check(
        "the first search is due",
        lost(0, 5),
        &[none(), ("wait 7", Attempt::Done), none()],
        &Step::Wait(start() + Duration::from_secs(25)),
    );
    check(
        "one was made",
        lost(1, 5),
        &[("wait 7", Attempt::Done), none(), ("wait 25", Attempt::Done), none(), again.clone()],
        &done(Outcome::Created),
    );
    check(
        "only the last is left",
        lost(2, 20),
        &[("wait 10", Attempt::Done), none(), again.clone()],
        &done(Outcome::Created),
    );
    check("the lag is over: the last one decides", lost(0, 30), &[none(), again], &done(Outcome::Created));
    // A clock that was set back since: the lag begins anew, and does not last until the clock has caught up.
    let mut lookahead = Doubt::of_create(&contact(1, 0), None);
    lookahead.since = Some(start() + Duration::from_hours(1));
    let set_back = Task::new(contact(1, 0), RemoteState::InDoubt(lookahead), policy(Mode::Upsert), &[], start());
    assert_eq!(set_back.step(start()), Step::Wait(start() + Duration::from_secs(3)));
}

#[test]
fn the_next_process_knows_that_a_create_was_its_own() {
    let hit = || page(&[remote("8", &[("phone", "1"), ("f1", "v1")], &[])]);
    let gone = |made_at| {
        let known = Known { made_at, ..known("7") };
        let mut live = task(contact(2, 0), RemoteState::Known(known), Mode::Upsert);
        for expected in ["update 7 2", "read 7"] {
            let Step::Call(call) = live.step(start() + SEARCH_LAG) else { panic!("{live:?}") };
            assert_eq!(short(&call), expected);
            live.start(&call);
            live.apply(&call, &missing(), start() + SEARCH_LAG);
        }
        let anew = |remote_state: &RemoteState| {
            Task::new(contact(2, 0), remote_state.clone(), policy(Mode::Upsert), &[], start())
        };
        (anew(live.remote_state()), live)
    };
    let (resumed, _) = gone(None);
    check("it was there before", resumed, &[("find phone p1", hit())], &done(Outcome::Unchanged));
    let (resumed, _) = gone(Some(start()));
    check("an earlier create had created it", resumed, &[("find phone p1", hit())], &done(Outcome::Created));
}

#[test]
fn an_id_reported_as_gone_is_read_before_a_create() {
    let read = |name: &str| Attempt::Contact(remote("7", &[("phone", "1"), ("f1", name)], &[]));
    let new = || task(contact(2, 0), RemoteState::Known(known("7")), Mode::Upsert);
    check(
        "it is there, and the change works now",
        new(),
        &[("update 7 2", missing()), ("read 7", read("old")), ("update 7 1", Attempt::Done)],
        &done(Outcome::Updated),
    );
    check(
        "it is there and as it should be",
        new(),
        &[("update 7 2", missing()), ("read 7", read("v1"))],
        &done(Outcome::Unchanged),
    );
    check(
        "it is there, and the change is refused again",
        new(),
        &[("update 7 2", missing()), ("read 7", read("old")), ("update 7 1", missing()), ("read 7", read("old"))],
        &rejected("no such contact"),
    );
    check(
        "reading is refused",
        new(),
        &[("update 7 2", missing()), ("read 7", refused())],
        &rejected("no such contact (reading contact 7 was refused: no)"),
    );
    check(
        "reading gets no answer",
        new(),
        &[("update 7 2", missing()), ("read 7", lost())],
        &Step::Call(Call::Read { id: id("7") }),
    );
}

#[test]
fn an_answer_with_the_id_of_another_row_is_not_believed() {
    let claim = |mut task: Task, script: &[(&str, Attempt)], named: &str| {
        for (n, (expected, attempt)) in script.iter().enumerate() {
            let Step::Call(call) = task.step(start()) else { panic!("{task:?}") };
            assert_eq!(short(&call), *expected);
            task.start(&call);
            if n + 1 == script.len() {
                task.claimed(&call, &id(named), "phone=2", start());
            } else {
                task.apply(&call, attempt, start());
            }
        }
        task
    };
    let none = || ("find phone p1", page(&[]));
    let new = |mode| task(contact(2, 1), RemoteState::Unknown, mode);
    let conflict = "conflict: its create was answered with contact 5, which belongs to `phone=2`";
    check(
        "a search finds the contact",
        claim(new(Mode::Upsert), &[none(), ("create 2", created("5"))], "5"),
        &[("find phone p1", page(&[remote("7", &[("phone", "1"), ("f1", "v1")], &[])])), ("add 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    check(
        "no search finds it: it is not sent again",
        claim(new(Mode::Create), &[("create 2", created("5"))], "5"),
        &[none(), none(), none()],
        &rejected(conflict),
    );
    check(
        "what was found belongs to another row",
        claim(new(Mode::Upsert), &[("find phone p1", page(&[remote("5", &[("phone", "1")], &[])]))], "5"),
        &[],
        &rejected("conflict: contact 5 has its match value, but belongs to `phone=2`"),
    );
    let keyless = task(keyless(None), RemoteState::Unknown, Mode::Create);
    check("without a match field", claim(keyless, &[("create 1", created("5"))], "5"), &[], &rejected(conflict));
    // The next run does not send it again either, unless the row has changed.
    let again = claim(new(Mode::Create), &[("create 2", created("5"))], "5");
    let later = |contact: Contact| {
        Task::new(contact, again.remote_state().clone(), policy(Mode::Create), &[], start() + Duration::from_hours(24))
    };
    let now = start() + Duration::from_hours(24);
    let step = |mut task: Task| {
        let Step::Call(call) = task.step(now) else { panic!("{task:?}") };
        task.apply(&call, &page(&[]), now);
        task.step(now)
    };
    assert_eq!(step(later(contact(2, 1))), rejected(conflict));
    assert!(matches!(step(later(contact(3, 1))), Step::Call(Call::Create { .. })));
}

#[test]
fn the_next_run_searches_after_a_read_showed_the_contact_of_another_row() {
    let mut first = task(contact(2, 1), RemoteState::Unknown, Mode::Create);
    first.distrust(Distrust::Proven);
    let Step::Call(create) = first.step(start()) else { panic!("{first:?}") };
    first.start(&create);
    first.apply(&create, &created("5"), start());
    let Step::Call(read) = first.step(start()) else { panic!("{first:?}") };
    assert_eq!(short(&read), "read 5");
    first.claimed(&read, &id("5"), "phone=2", start());
    let conflict = "conflict: contact 5 has its match value, but belongs to `phone=2`";
    assert_eq!(first.step(start()), rejected(conflict));

    let tomorrow = start() + Duration::from_hours(24);
    let mut next = Task::new(contact(2, 1), first.remote_state().clone(), policy(Mode::Create), &[], tomorrow);
    let Step::Call(find) = next.step(tomorrow) else { panic!("{next:?}") };
    assert_eq!(short(&find), "find phone p1");
    next.apply(&find, &page(&[]), tomorrow);
    assert_eq!(next.step(tomorrow), rejected(conflict));
}

#[test]
fn a_create_is_confirmed_when_answers_are_not_trusted() {
    let distrusting = || {
        let mut task = task(contact(2, 1), RemoteState::Unknown, Mode::Create);
        task.distrust(Distrust::Proven);
        task
    };
    let read = |id: &str, phone: &str| Attempt::Contact(remote(id, &[("phone", phone), ("f1", "v1")], &[]));
    check(
        "it is the contact",
        distrusting(),
        &[("create 2", created("7")), ("read 7", read("7", "1")), ("add 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    for (name, fields) in [
        ("its phone in another form", &[("phone", "+1"), ("f1", "V1")][..]),
        ("its phone is not shown", &[("f1", "v1")]),
    ] {
        let mut task = distrusting();
        task.apply(&Call::Create { fields: first_fields(task.contact()).to_vec() }, &created("7"), start());
        task.apply(&Call::Read { id: id("7") }, &Attempt::Contact(remote("7", fields, &[])), start());
        let Step::Call(next) = task.step(start()) else { panic!("{name}: {task:?}") };
        assert_eq!(short(&next), "add 7 1", "{name}");
    }
    for (name, fields) in [
        ("without its phone, and with another name", &[("f1", "v2")][..]),
        ("without any field", &[]),
        ("another phone and the same name", &[("phone", "2"), ("f1", "v1")]),
    ] {
        let shown = Attempt::Contact(remote("7", fields, &[]));
        check(
            name,
            distrusting(),
            &[("create 2", created("7")), ("read 7", shown), ("find phone p1", lost())],
            &Step::Call(Call::Find { field: Field::text("phone", "1"), page: 1 }),
        );
    }
    check(
        "it is another one",
        distrusting(),
        &[
            ("create 2", created("7")),
            ("read 7", read("7", "2")),
            ("find phone p1", page(&[remote("8", &[("phone", "1"), ("f1", "v1")], &[])])),
            ("add 8 1", Attempt::Done),
        ],
        &done(Outcome::Created),
    );
    check(
        "it cannot be read",
        distrusting(),
        &[("create 2", created("7")), ("read 7", refused()), ("wait 3", lost())],
        &Step::Call(Call::Find { field: Field::text("phone", "1"), page: 1 }),
    );
    // What was created a moment before is confirmed as well, before its tags are written.
    let mut before = task(contact(2, 1), RemoteState::Unknown, Mode::Create);
    let Step::Call(call) = before.step(start()) else { panic!("{before:?}") };
    before.start(&call);
    before.apply(&call, &created("7"), start());
    assert!(!before.is_confirming());
    before.distrust(Distrust::Proven);
    assert!(before.is_confirming());
    let confirmed = check(
        "created before",
        before,
        &[
            ("read 7", read("7", "2")),
            ("find phone p1", page(&[remote("8", &[("phone", "1"), ("f1", "v1")], &[])])),
            ("add 8 1", Attempt::Done),
        ],
        &done(Outcome::Created),
    );
    assert!(!confirmed.is_confirming());
}

#[test]
fn tags_that_were_added_before_a_create_is_confirmed_stay_ours() {
    let mut task = task(contact(2, 12), RemoteState::Unknown, Mode::Create);
    for answer in [created("7"), Attempt::Done] {
        let Step::Call(call) = task.step(start()) else { panic!("{task:?}") };
        task.start(&call);
        task.apply(&call, &answer, start());
    }
    task.distrust(Distrust::Proven);
    let tags: Vec<String> = task.contact().tags().iter().take(10).map(ToString::to_string).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let read = Attempt::Contact(remote("7", &[("phone", "1"), ("f1", "v1")], &tags));
    let ended = check("two more tags", task, &[("read 7", read), ("add 7 2", Attempt::Done)], &done(Outcome::Created));
    let RemoteState::Known(known) = ended.remote_state() else { panic!("{ended:?}") };
    assert_eq!(known.own_tags.len(), 12, "{known:?}");
}

/// Processes that are shorter than the search lag: what one found out about a given id, the next does not ask again.
#[test]
fn a_given_id_that_is_gone_is_not_read_by_every_process() {
    let row = |given: &str| {
        let matches = vec![Field::text("phone", "1")];
        Contact::new(Draft { id: Some(id(given)), matches, ..Draft::default() }).unwrap()
    };
    let begun = task(row("5"), RemoteState::Unknown, Mode::Upsert);
    let first = check(
        "the first process",
        begun,
        &[("update 5 1", missing()), ("read 5", missing())],
        &Step::Wait(start() + Duration::from_secs(3)),
    );
    let next = |given: &str| {
        let now = start() + Duration::from_hours(1);
        Task::new(row(given), first.remote_state().clone(), policy(Mode::Upsert), &[], now)
    };
    let none = || ("find phone p1", page(&[]));
    check("the next", next("5"), &[none(), ("create 1", created("7"))], &done(Outcome::Created));
    check("another id by now", next("6"), &[none(), ("update 6 1", Attempt::Done)], &done(Outcome::Updated));
    // The create that followed was lost: it was sent only because the id is gone.
    let mut lost_create = next("5");
    let now = start() + Duration::from_hours(1);
    for (expected, attempt) in [none(), ("create 1", lost())] {
        let Step::Call(call) = lost_create.step(now) else { panic!("{lost_create:?}") };
        assert_eq!(short(&call), expected);
        lost_create.start(&call);
        lost_create.apply(&call, &attempt, now);
    }
    let after = |given: &str| {
        let now = start() + Duration::from_hours(2);
        Task::new(row(given), lost_create.remote_state().clone(), policy(Mode::Upsert), &[], now)
    };
    check("after a lost create", after("5"), &[none(), ("create 1", created("7"))], &done(Outcome::Created));
    check("another id after it", after("6"), &[none(), ("update 6 1", Attempt::Done)], &done(Outcome::Updated));
}

#[test]
fn hits_of_searches_for_a_gone_id_existed_before_the_create() {
    let matches = vec![Field::text("phone", "1")];
    let row = Contact::new(Draft { id: Some(id("5")), matches, ..Draft::default() }).unwrap();
    let others = || ("find phone p1", page(&[remote("8", &[("phone", "11")], &[])]));
    let script = [
        ("update 5 1", missing()),
        ("read 5", missing()),
        others(),
        others(),
        others(),
        ("create 1", lost()),
        others(),
        others(),
        others(),
        ("create 1", created("7")),
    ];
    check("another create", task(row, RemoteState::Unknown, Mode::Upsert), &script, &done(Outcome::Created));
}

#[test]
fn a_create_without_a_match_field_is_confirmed_by_all_its_values() {
    let distrusting = || {
        let fields = vec![Field::text("a", "1"), Field::text("b", "2")];
        let contact = Contact::new(Draft { fields, tags: vec!["t".into()], ..Draft::default() }).unwrap();
        let mut task = task(contact, RemoteState::Unknown, Mode::Create);
        task.distrust(Distrust::Proven);
        task
    };
    let read = |fields: &[(&str, &str)]| Attempt::Contact(remote("7", fields, &[]));
    check(
        "it is the contact",
        distrusting(),
        &[("create 2", created("7")), ("read 7", read(&[("a", "1"), ("b", "2")])), ("add 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    let gone = refused();
    for other in [read(&[("a", "1"), ("b", "3")]), read(&[("a", "1")]), gone] {
        check(
            "it is another one",
            distrusting(),
            &[("create 2", created("7")), ("read 7", other)],
            &rejected("in doubt: the answer to its create was lost, and it has no match field to search by"),
        );
    }
}

#[test]
fn a_suspected_answer_is_believed_unless_it_names_another_contact() {
    let suspecting = |distrust| {
        let fields = vec![Field::text("a", "1")];
        let contact = Contact::new(Draft { fields, tags: vec!["t".into()], ..Draft::default() }).unwrap();
        let mut task = task(contact, RemoteState::Unknown, Mode::Create);
        task.distrust(distrust);
        task
    };
    let script = || [("create 1", created("7")), ("read 7", refused()), ("add 7 1", Attempt::Done)];
    check("refused", suspecting(Distrust::Suspected), &script(), &done(Outcome::Created));
    let lost = rejected("in doubt: the answer to its create was lost, and it has no match field to search by");
    check("refused after a proof", suspecting(Distrust::Proven), &script()[..2], &lost);
    let bare =
        [("create 1", created("7")), ("read 7", Attempt::Contact(remote("7", &[], &[]))), ("add 7 1", Attempt::Done)];
    check("shown without its fields", suspecting(Distrust::Suspected), &bare, &done(Outcome::Created));
    // It is not read again, and a contact that was written to before keeps what is known of it.
    let mut written = suspecting(Distrust::None);
    written.apply(&Call::Create { fields: first_fields(written.contact()).to_vec() }, &created("7"), start());
    written.distrust(Distrust::Suspected);
    assert!(written.is_confirming());
    written.apply(&Call::Read { id: id("7") }, &refused(), start());
    written.distrust(Distrust::Suspected);
    assert!(!written.is_confirming(), "{written:?}");
    let another = ("read 7", Attempt::Contact(remote("7", &[("a", "2")], &[])));
    check("another contact", suspecting(Distrust::Suspected), &[("create 1", created("7")), another], &lost);
}

#[test]
fn the_next_process_confirms_the_id_that_a_create_was_answered_with() {
    let mut killed = task(contact(2, 1), RemoteState::Unknown, Mode::Upsert);
    killed.distrust(Distrust::Suspected);
    for (expected, attempt) in [("find phone p1", page(&[])), ("create 2", created("7"))] {
        let Step::Call(call) = killed.step(start()) else { panic!("{killed:?}") };
        assert_eq!(short(&call), expected);
        killed.start(&call);
        killed.apply(&call, &attempt, start());
    }
    let resumed = |contact: Contact, later| {
        Task::new(contact, killed.remote_state().clone(), policy(Mode::Upsert), &[], start() + later)
    };
    let now = Duration::from_secs(1);
    let read = |phone: &str| ("read 7", Attempt::Contact(remote("7", &[("phone", phone), ("f1", "v1")], &[])));
    let tagged = || ("add 7 1", Attempt::Done);
    check("it is", resumed(contact(2, 1), now), &[read("1"), tagged()], &done(Outcome::Created));
    check("in another form", resumed(contact(2, 1), now), &[read("+1"), tagged()], &done(Outcome::Created));
    let script = [read("1"), ("update 7 1", Attempt::Done), tagged()];
    check("with another content", resumed(contact(3, 1), now), &script, &done(Outcome::Created));
    let found = ("find phone p1", page(&[remote("8", &[("phone", "1"), ("f1", "v1")], &[])]));
    check(
        "it is another",
        resumed(contact(2, 1), now),
        &[read("2"), found, ("add 8 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    // It may take as long as a search until it is visible.
    let gone = || ("read 7", missing());
    check("not yet", resumed(contact(2, 1), now), &[gone(), read("1"), tagged()], &done(Outcome::Created));
    let mut late = resumed(contact(2, 1), SEARCH_LAG);
    late.apply(&Call::Read { id: id("7") }, &missing(), start() + SEARCH_LAG);
    assert_eq!(late.step(start() + SEARCH_LAG), Step::Wait(start() + SEARCH_LAG + SEARCH_LAG));
}

#[test]
fn the_next_process_repeats_a_search_without_an_answer() {
    let past = |attempt| PastCall { kind: CallKind::Find, asked: asked(CallKind::Find), attempt, ended: start() };
    let contradictory = || Attempt::Page(Page { contradiction: Some("so".into()), ..Page::default() });
    let resumed =
        |past: &[PastCall]| Task::new(contact(1, 0), RemoteState::Unknown, policy(Mode::Upsert), past, start());
    let one = "find phone p1";
    for past in [
        &[past(contradictory()), past(contradictory())][..],
        &[past(refused())],
        &[past(Attempt::Missing { message: "Contact not found".into() })],
    ] {
        check(
            "it is searched for again",
            resumed(past),
            &[(one, contradictory()), (one, page(&[])), ("create 1", created("7"))],
            &done(Outcome::Created),
        );
    }
}

#[test]
fn a_contact_of_an_earlier_create_counts_as_created_after_a_kill() {
    let taken = || Attempt::Taken { message: "already connected".into(), by: Some(id("7")) };
    let doubt = {
        let mut doubt = Doubt::of_create(&contact(2, 0), None);
        doubt.since = Some(start().before(SEARCH_LAG));
        doubt
    };
    let mut live = Task::new(contact(2, 0), RemoteState::InDoubt(doubt), policy(Mode::Upsert), &[], start());
    for (expected, attempt) in [("find phone p1", page(&[])), ("create 2", taken())] {
        let Step::Call(call) = live.step(start()) else { panic!("{live:?}") };
        assert_eq!(short(&call), expected);
        live.start(&call);
        live.apply(&call, &attempt, start());
    }
    let shown = || remote("7", &[("phone", "1"), ("f1", "v1")], &[]);
    let resumed =
        Task::new(contact(2, 0), live.remote_state().clone(), policy(Mode::Upsert), &[], start() + SEARCH_LAG);
    check("resumed", resumed, &[("find phone p1", page(&[shown()]))], &done(Outcome::Created));
    check("read", live.clone(), &[("read 7", Attempt::Contact(shown()))], &done(Outcome::Created));
    let another = Attempt::Contact(remote("7", &[("phone", "2")], &[]));
    let refused = check("another one", live, &[("read 7", another)], &rejected("already connected (contact 7)"));
    assert_eq!(refused.remote_state(), &RemoteState::Unknown);
}

#[test]
fn each_contact_is_searched_for_first_when_the_journal_may_have_lost_calls() {
    let lossy = |mode| Policy { search_first: true, ..policy(mode) };
    let task = |contact: Contact, policy| Task::new(contact, RemoteState::Unknown, policy, &[], start());
    let (whole, find) = (contact(3, 1), "find phone p1");
    check(
        "not there",
        task(whole.clone(), lossy(Mode::Create)),
        &[(find, page(&[])), ("create 3", created("7")), ("add 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    // Created at a time that was lost, and not finished.
    check(
        "there in part",
        task(whole.clone(), lossy(Mode::Create)),
        &[(find, page(&[shown(&contact(2, 0))])), ("update 7 1", Attempt::Done), ("add 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    let find_answered =
        PastCall { kind: CallKind::Find, asked: asked(CallKind::Find), attempt: page(&[]), ended: start() };
    check(
        "searched for before the loss, which a create may have followed",
        Task::new(whole.clone(), RemoteState::Unknown, lossy(Mode::Upsert), &[find_answered], start()),
        &[(find, page(&[shown(&whole)])), ("add 7 1", Attempt::Done)],
        &done(Outcome::Updated),
    );
    let known = RemoteState::Known(Known::only_id(id("7")));
    let left_alone = Task::new(whole.clone(), known, lossy(Mode::Create), &[], start());
    check("known", left_alone, &[], &done(Outcome::Unchanged));
    check("with an id", task(keyless(Some("7")), lossy(Mode::Create)), &[], &done(Outcome::Unchanged));
    check("without a match field", task(keyless(None), lossy(Mode::Create)), &[], &rejected(MAY_BE_LOST));
    let asked = Policy { retry_in_doubt: true, ..lossy(Mode::Create) };
    check("when asked", task(keyless(None), asked), &[("create 1", created("7"))], &done(Outcome::Created));
    check("`update` makes none", task(whole, lossy(Mode::Update)), &[(find, page(&[]))], &rejected(NOT_THERE));
}
