//! Each case is a walk: what the task asks for, and what it is told, step by step.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::core::doubt::{MOST_SEEN, Origin};
use crate::core::model::{Draft, Field, Value};
use crate::core::page::Page;
use crate::core::search::PAGES_PER_FIND;

const SETTLE: Duration = Duration::from_secs(30);

fn policy(mode: Mode) -> Policy {
    Policy { mode, tags_mode: TagsMode::Add, settle: SETTLE, resend_unsure: false }
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

fn known(text: &str) -> Known {
    Known::only_id(id(text))
}

/// The first page of the search by `phone`, for a past find.
fn asked(kind: CallKind) -> Option<Asked> {
    (kind == CallKind::Find).then(|| Asked { field: "phone".into(), page: 1 })
}

/// What holds once a create of `contact` was sent without a search before it.
fn in_doubt(contact: &Contact) -> Standing {
    Standing::InDoubt(Doubt::of_create(contact, None))
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

fn task(contact: Contact, standing: Standing, mode: Mode) -> Task {
    Task::new(contact, standing, policy(mode), &[], start())
}

#[test]
fn the_straight_ways() {
    let new = |contact, mode| task(contact, Standing::Unknown, mode);
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
        &rejected("not on the platform, and `update` makes no contact"),
    );
}

#[test]
fn a_known_id_is_never_looked_up() {
    check(
        "in the row",
        task(keyless(Some("9")), Standing::Unknown, Mode::Upsert),
        &[("update 9 1", Attempt::Done)],
        &done(Outcome::Updated),
    );
    check(
        "in the journal",
        task(contact(2, 0), Standing::Known(known("7")), Mode::Upsert),
        &[("update 7 2", Attempt::Done)],
        &done(Outcome::Updated),
    );
    let both = Contact::new(Draft { id: Some(id("9")), matches: vec![Field::text("phone", "1")], ..Draft::default() });
    check(
        "the row's, not the journal's",
        task(both.unwrap(), Standing::Known(known("7")), Mode::Upsert),
        &[("update 9 1", Attempt::Done)],
        &done(Outcome::Updated),
    );
}

#[test]
fn create_leaves_others_alone_but_finishes_its_own() {
    check("known", task(contact(2, 1), Standing::Known(known("7")), Mode::Create), &[], &done(Outcome::Unchanged));
    let half = Known { made_at: Some(start()), ..known("7") };
    let task = check(
        "half made",
        task(contact(2, 1), Standing::Known(half), Mode::Create),
        &[("update 7 2", Attempt::Done), ("add 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    assert!(matches!(task.standing(), Standing::Known(Known { made_at: None, .. })));
}

#[test]
fn searches_are_walked_and_filtered() {
    let full = Attempt::Page(Page::of(vec![remote("1", &[("phone", "11")], &[])]).followed(true));
    let hit = remote("7", &[("phone", " 1 "), ("f1", "v1")], &[]);
    let new = || task(contact(2, 0), Standing::Unknown, Mode::Upsert);
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
            ("find phone p1", page(&[remote("8", &[("phone", "+1")], &[]), remote("9", &[], &[])])),
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
        task(contact(), Standing::Unknown, Mode::Upsert),
        &[
            ("find phone p1", page(&[])),
            ("find email p1", page(&[remote("7", &[("email", "a@example.com")], &[])])),
            ("update 7 1", Attempt::Done),
        ],
        &done(Outcome::Updated),
    );
    check(
        "none hits",
        task(contact(), Standing::Unknown, Mode::Upsert),
        &[("find phone p1", page(&[])), ("find email p1", page(&[])), ("create 2", created("7"))],
        &done(Outcome::Created),
    );
}

#[test]
fn a_lost_create_is_settled_by_search() {
    let new = || task(contact(2, 1), Standing::Unknown, Mode::Create);
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
    let nobody = [("find phone p1", page(&[])), ("find phone p1", page(&[])), ("find phone p1", page(&[]))];
    let mut script = Vec::new();
    for _ in 0..LOST_CREATES {
        script.push(("create 2", lost()));
        script.extend(nobody.clone());
    }
    check("lost again and again: left", new(), &script, &Step::Leave("its create was lost 3 times".into()));
}

#[test]
fn a_create_that_was_not_sent_is_just_sent_again() {
    for attempt in [
        Attempt::Unsent { cause: "refused".into() },
        Attempt::Throttled { retry_after: None },
        Attempt::Unauthorized { message: String::new() },
    ] {
        let task = check(
            "unsent",
            task(contact(2, 0), Standing::Unknown, Mode::Create),
            &[("create 2", attempt)],
            &Step::Call(Call::Create { fields: contact(2, 0).fields().to_vec() }),
        );
        assert_eq!(task.standing(), &Standing::Unknown);
    }
}

#[test]
fn without_a_match_field_a_lost_create_is_unsure() {
    let unsure = "in doubt: the answer to its create was lost, and it has no match field to search by";
    let lost_now = check(
        "lost now",
        task(keyless(None), Standing::Unknown, Mode::Create),
        &[("create 1", lost())],
        &rejected(unsure),
    );
    assert!(matches!(lost_now.standing(), Standing::InDoubt(doubt) if doubt.since == Some(start())));
    check("lost before", task(keyless(None), in_doubt(&keyless(None)), Mode::Create), &[], &rejected(unsure));
    let asked = Policy { resend_unsure: true, ..policy(Mode::Create) };
    let asked = Task::new(keyless(None), in_doubt(&keyless(None)), asked, &[], start());
    check("resent when asked", asked, &[("create 1", created("7"))], &done(Outcome::Created));
    let update = Policy { resend_unsure: true, ..policy(Mode::Update) };
    check(
        "`update` makes none",
        Task::new(keyless(None), in_doubt(&keyless(None)), update, &[], start()),
        &[],
        &rejected(unsure),
    );
}

#[test]
fn an_unsettled_create_of_an_earlier_run_is_settled_first() {
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
    let orphan = || Task::settling(contact(2, 0), doubt(), policy(Mode::Upsert), start());
    let found = check(
        "an orphan is adopted and left as it is",
        orphan(),
        &[("find phone p1", page(&[made()]))],
        &done(Outcome::Unchanged),
    );
    assert!(matches!(found.standing(), Standing::Known(_)));
    let gone = check(
        "an orphan that was not made is not made",
        orphan(),
        &[("find phone p1", page(&[])), ("find phone p1", page(&[])), ("find phone p1", page(&[]))],
        &done(Outcome::Unchanged),
    );
    assert_eq!(gone.standing(), &Standing::Unknown);
}

#[test]
fn an_identifier_that_is_taken_may_be_the_same_contact() {
    let taken = |by: Option<&str>| Attempt::Taken { message: "already connected".into(), by: by.map(id) };
    let new = || task(contact(2, 0), Standing::Unknown, Mode::Upsert);
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
        "nobody says",
        new(),
        &[("find phone p1", page(&[])), ("create 2", taken(None))],
        &rejected("already connected"),
    );
}

#[test]
fn a_refusal_after_a_lost_change_is_looked_into() {
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
        Standing::Known(Known { fields, tags: ["x".to_owned()].into(), ..known("7") })
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

#[test]
fn a_contact_that_is_gone_is_searched_again() {
    check(
        "found under another id",
        task(contact(2, 0), Standing::Known(known("7")), Mode::Upsert),
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
        task(contact(2, 0), Standing::Known(known("7")), Mode::Upsert),
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
        task(keyless(Some("7")), Standing::Unknown, Mode::Upsert),
        &[("update 7 1", missing()), ("read 7", missing())],
        &rejected("the platform no longer has this contact id"),
    );
    let young = task(contact(31, 0), Standing::Unknown, Mode::Create);
    let young = check(
        "a moment after its create it is only not visible yet",
        young,
        &[("create 30", created("7")), ("update 7 1", missing()), ("update 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    assert!(!young.is_passing(&missing(), start()));
    check(
        "and so it is when it is read",
        task(contact(31, 0), Standing::Unknown, Mode::Create),
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
fn tags_that_others_put_there_stay() {
    let mirror = Policy { tags_mode: TagsMode::Mirror, ..policy(Mode::Upsert) };
    let tags = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|tag| (*tag).into()).collect() };
    let fields: BTreeMap<_, _> = [("phone".to_owned(), Value::Text("1".into()))].into();
    let known = Known { fields, tags: tags(&["t0", "ours", "theirs"]), own_tags: tags(&["ours"]), ..known("7") };
    let mirrored = Task::new(contact(1, 1), Standing::Known(known), mirror, &[], start());
    let Step::Call(Call::RemoveTags { tags, .. }) = mirrored.step(start()) else { panic!("{mirrored:?}") };
    assert_eq!(tags, ["ours"]);
}

#[test]
fn a_resumed_task_goes_on_where_it_was() {
    let past = |kind, attempt, minutes: u64| PastCall {
        kind,
        asked: asked(kind),
        attempt,
        ended: start().before(Duration::from_mins(minutes)),
    };
    let resumed = |standing, past: &[PastCall]| Task::new(contact(2, 1), standing, policy(Mode::Upsert), past, start());
    check(
        "the search is not asked again",
        resumed(Standing::Unknown, &[past(CallKind::Find, page(&[]), 1)]),
        &[("create 2", created("7")), ("add 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    check(
        "unless it is old",
        resumed(Standing::Unknown, &[past(CallKind::Find, page(&[]), 11)]),
        &[("find phone p1", page(&[])), ("create 2", created("7")), ("add 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    let ahead = PastCall { ended: start() + Duration::from_millis(1), ..past(CallKind::Find, page(&[]), 0) };
    check(
        "or from before the clock was set back",
        resumed(Standing::Unknown, &[ahead]),
        &[("find phone p1", page(&[])), ("create 2", created("7")), ("add 7 1", Attempt::Done)],
        &done(Outcome::Created),
    );
    let fields = contact(2, 1).fields().iter().map(|f| (f.name.to_string(), f.value.clone())).collect();
    let right = Known { fields, tags: ["t0".to_owned()].into(), ..known("7") };
    check(
        "what was written counts",
        resumed(Standing::Known(right.clone()), &[past(CallKind::Update, Attempt::Done, 1)]),
        &[],
        &done(Outcome::Updated),
    );
    check(
        "what was not does not",
        resumed(Standing::Known(right), &[past(CallKind::Update, refused(), 1)]),
        &[],
        &done(Outcome::Unchanged),
    );
}

#[test]
fn an_id_that_the_platform_no_longer_has_is_asked_once() {
    let both = || {
        let fields = Draft { id: Some(id("9")), matches: vec![Field::text("phone", "1")], ..Draft::default() };
        Contact::new(fields).unwrap()
    };
    let moved = check(
        "found under another id",
        task(both(), Standing::Unknown, Mode::Upsert),
        &[
            ("update 9 1", missing()),
            ("read 9", missing()),
            ("find phone p1", page(&[remote("7", &[("phone", "1")], &[])])),
        ],
        &done(Outcome::Unchanged),
    );
    check("known by then", task(both(), moved.standing().clone(), Mode::Upsert), &[], &done(Outcome::Unchanged));
    let made = check(
        "made anew",
        task(both(), Standing::Unknown, Mode::Upsert),
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
    check("known by then", task(both(), made.standing().clone(), Mode::Upsert), &[], &done(Outcome::Unchanged));
}

#[test]
fn a_tag_to_remove_is_removed_whoever_put_it_there() {
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
        "nobody knows of it",
        task(removing(), Standing::Known(right()), Mode::Upsert),
        &[("remove 7 1", Attempt::Done)],
        &done(Outcome::Updated),
    );
    check("once", task(removing(), there.standing().clone(), Mode::Upsert), &[], &done(Outcome::Unchanged));
    let missing = check(
        "it is not there",
        task(removing(), Standing::Known(right()), Mode::Upsert),
        &[("remove 7 1", refused()), ("read 7", Attempt::Contact(remote("7", &[("phone", "1")], &[])))],
        &done(Outcome::Updated),
    );
    check("once", task(removing(), missing.standing().clone(), Mode::Upsert), &[], &done(Outcome::Unchanged));
    check(
        "seen not to be there",
        task(removing(), Standing::Unknown, Mode::Upsert),
        &[("find phone p1", page(&[remote("7", &[("phone", "1")], &["y"])]))],
        &done(Outcome::Unchanged),
    );
}

#[test]
fn a_search_is_recalled_whole_or_not_at_all() {
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
        Task::new(contact(1, 0), Standing::Unknown, policy(Mode::Upsert), &past, start()),
        &[("find phone p1", page(&[remote("7", &[("phone", "1")], &[])]))],
        &done(Outcome::Unchanged),
    );
}

#[test]
fn a_contact_that_looks_like_a_lost_create_is_not_made_again() {
    let row = Contact::new(Draft { matches: vec![Field::text("phone", "5215550001")], ..Draft::default() }).unwrap();
    let stored = page(&[remote("7", &[("phone", "+5215550001")], &[])]);
    let unsure = check(
        "stored in another form",
        task(row, Standing::Unknown, Mode::Create),
        &[
            ("create 1", lost()),
            ("find phone p1", stored.clone()),
            ("find phone p1", stored.clone()),
            ("find phone p1", stored),
        ],
        &rejected(
            "in doubt: the answer to its create was lost, and contact 7 shows its `phone` as `+5215550001`; the input \
             has `5215550001`",
        ),
    );
    assert!(matches!(unsure.standing(), Standing::InDoubt(_)));
}

#[test]
fn a_lost_create_is_searched_by_what_it_carried() {
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
fn a_resent_unsure_create_that_is_put_off_stays_unsure() {
    let asked = Policy { resend_unsure: true, ..policy(Mode::Create) };
    let asked = Task::new(keyless(None), in_doubt(&keyless(None)), asked, &[], start());
    let throttled = Attempt::Throttled { retry_after: None };
    let create = Step::Call(Call::Create { fields: keyless(None).fields().to_vec() });
    let task = check("put off", asked, &[("create 1", throttled)], &create);
    assert!(matches!(task.standing(), Standing::InDoubt(_)));
}

#[test]
fn create_leaves_a_contact_alone_that_its_refusal_named() {
    check(
        "somebody else made it",
        task(contact(2, 1), Standing::Unknown, Mode::Create),
        &[
            ("create 2", Attempt::Taken { message: "already connected".into(), by: Some(id("7")) }),
            ("read 7", Attempt::Contact(remote("7", &[("phone", "1")], &[]))),
        ],
        &done(Outcome::Unchanged),
    );
}

#[test]
fn a_contact_of_our_making_that_is_gone_is_settled() {
    let half = || Known { made_at: Some(start().before(SETTLE)), ..known("7") };
    for mode in [Mode::Create, Mode::Upsert] {
        let gone = || task(contact(2, 0), Standing::Known(half()), mode);
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
        assert!(matches!(searched.standing(), Standing::Known(_)));
        // Killed before the search: it is not made again on a guess, whatever was found before it was made.
        let mut killed = gone();
        let Step::Call(call) = killed.step(start()) else { panic!("{killed:?}") };
        killed.apply(&call, &missing(), start());
        killed.apply(&Call::Read { id: id("7") }, &missing(), start());
        let find = PastCall { kind: CallKind::Find, asked: asked(CallKind::Find), attempt: page(&[]), ended: start() };
        let update = PastCall { kind: CallKind::Update, asked: None, attempt: missing(), ended: start() };
        let anew = Task::new(contact(2, 0), killed.standing().clone(), policy(mode), &[find, update], start());
        assert!(matches!(anew.step(start()), Step::Wait(_)), "{anew:?}");
    }
}

#[test]
fn what_was_found_before_a_contact_was_gone_is_not_recalled() {
    let past = |kind, attempt| PastCall { kind, asked: asked(kind), attempt, ended: start() };
    let hit = page(&[remote("7", &[("phone", "1")], &[])]);
    let resumed = |past: &[PastCall]| Task::new(contact(2, 0), Standing::Unknown, policy(Mode::Upsert), past, start());
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
fn a_page_that_was_asked_for_twice_is_no_answer_to_another_search() {
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
        Task::new(contact.unwrap(), Standing::Unknown, policy(Mode::Upsert), &past, start()),
        &[("find phone p1", page(&[remote("7", &[("phone", "1"), ("email", "a@example.com")], &[])]))],
        &done(Outcome::Unchanged),
    );
}
