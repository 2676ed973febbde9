//! The response matrix: for each kind of call, each possible response, and whether the call had its effect, the following calls
//! and the outcome, as one table to review by eye.
//!
//! The real sync, journal and dialect run each case to its end against a small platform with virtual time. Independently of the
//! table, the platform must end with exactly one contact with the fields and tags of the file, and the row's outcome must be
//! true, with the exceptions in [`check_invariants`].

mod platform;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::num::NonZeroU32;
use std::time::Duration;

use contactsync::engine::{Job, NewRun, PlanOptions, Routes, WindowId, plan, send};
use contactsync::report::{CallKind, Outcome, RunSummary};
use contactsync::{
    Clock, Event, Format, Journal, Limits, Mapping, Mode, OUTAGE_TIMEOUT, Observer, Policy, Source, Stop, TagsMode,
    Timestamp,
};

use platform::{Manners, Platform, Response, Words};

const PHONE: &str = "+521";

/// The state of the platform and of the journal before the file is synced.
struct Situation {
    name: &'static str,
    /// The kind of call that gets the response.
    call: CallKind,
    mode: Mode,
    /// Synced before without faults, so that the journal knows the contact.
    known: Option<&'static str>,
    /// The value of the fields of a contact that another client created.
    there: Option<&'static str>,
    searches_late: bool,
    file: &'static str,
    /// The outcome without faults.
    ends: &'static str,
}

const FILE: &str = "phone,name,tags\n+521,Ann,vip\n";

const PLAIN: Situation = Situation {
    name: "",
    call: CallKind::Find,
    mode: Mode::Upsert,
    known: None,
    there: None,
    searches_late: false,
    file: FILE,
    ends: "created",
};

const SITUATIONS: [Situation; 9] = [
    Situation { name: "find, no contact", ..PLAIN },
    Situation { name: "find, existing contact", there: Some("Bea"), ends: "updated", ..PLAIN },
    // The search does not find the contact yet; its create is refused, and the refusal names it.
    Situation { name: "read", call: CallKind::Read, there: Some("Bea"), searches_late: true, ends: "updated", ..PLAIN },
    Situation { name: "create", call: CallKind::Create, mode: Mode::Create, ..PLAIN },
    Situation { name: "create, then tags", call: CallKind::AddTags, mode: Mode::Create, ..PLAIN },
    Situation {
        name: "create without a match field",
        call: CallKind::Create,
        mode: Mode::Create,
        file: "name,tags\nAnn,vip\n",
        ..PLAIN
    },
    Situation {
        name: "update",
        call: CallKind::Update,
        known: Some("phone,name,tags\n+521,Bea,vip\n"),
        ends: "updated",
        ..PLAIN
    },
    Situation {
        name: "add tags",
        call: CallKind::AddTags,
        known: Some("phone,name\n+521,Ann\n"),
        ends: "updated",
        ..PLAIN
    },
    Situation {
        name: "remove tags",
        call: CallKind::RemoveTags,
        known: Some("phone,name,tags\n+521,Ann,vip;old\n"),
        file: "phone,name,tags,remove_tags\n+521,Ann,vip,old\n",
        ends: "updated",
        ..PLAIN
    },
];

/// The table. A line has the response to the first call of the kind; then the calls as they were sent, with the seconds between
/// them, and the row's outcome: when the call had no effect, when it had, and, where that differs, when it had and the
/// platform refuses the same change twice.
const TABLE: &str = include_str!("table.txt");

/// A known contact whose id is gone: each response that reports it, for each kind of call with an id; without and with another
/// contact with the phone.
const GONE: &str = include_str!("gone.txt");

#[test]
fn every_response_has_the_outcome_in_the_matrix() {
    let mut found = String::new();
    for situation in &SITUATIONS {
        let _ = writeln!(found, "{}", situation.name);
        for response in Response::ALL.into_iter().filter(|response| response.applies_to(situation.call)) {
            let case = |applied, refuses_twice| {
                let result = run_case(situation, &OneResponse { response, applied, refuses_twice });
                check_invariants(situation, response, &result);
                result.to_string()
            };
            let mut line = format!("    {:20} | {}", response.name(), case(false, false));
            if response.may_be_applied() {
                let (applied, refused) = (case(true, false), case(true, true));
                line = format!("{line:84} | {applied}");
                if refused != applied {
                    line = format!("{line:134} | {refused}");
                }
            }
            let _ = writeln!(found, "{line}");
        }
    }
    compare(TABLE, &found);
}

#[test]
fn a_known_contact_that_is_gone_is_searched_for_by_its_match_field() {
    let mut found = String::new();
    for situation in SITUATIONS.iter().filter(|situation| situation.known.is_some()) {
        let _ = writeln!(found, "{}", situation.name);
        for words in Words::ALL {
            let [none, another] = [false, true].map(|is_back| {
                let result = run_case(situation, &Gone { words, is_back });
                assert_eq!(result.wrong, "", "{} {}", situation.name, words.name());
                result.to_string()
            });
            let _ = writeln!(found, "    {:32} | {none:58} | {another}", words.name());
        }
    }
    compare(GONE, &found);
}

/// Checks the invariants of a row independently of the table: one contact with the content of the file, and a true outcome.
#[track_caller]
fn check_invariants(situation: &Situation, response: Response, result: &CaseResult) {
    let row = format!("{}, {}: {result}", situation.name, response.name());
    let keyless = !situation.file.contains("phone");
    match response {
        // Existing contacts do not change, and none is created.
        _ if response.refuses(situation.call) => {
            let before = usize::from(situation.there.is_some() || situation.known.is_some());
            let before = before.max(usize::from(situation.call == CallKind::AddTags));
            assert_eq!((result.outcome, result.contacts), ("rejected", before), "{row}");
            assert!(!result.reason.is_empty(), "{row}");
        }
        // An exception: the platform reports success without an effect, which only a read of each contact would reveal. After a
        // create, the next call on its id reveals it. Nothing reveals it after a search, so a search that answers too late leads
        // to a second contact.
        Response::EmptyPromise if situation.call != CallKind::Create => {}
        Response::EmptyPromise if keyless => assert_eq!((result.outcome, result.contacts), ("rejected", 0), "{row}"),
        // Without a match field, a create that may have had its effect is not sent again unasked; the row is in doubt.
        _ if keyless && result.outcome == "rejected" => {
            assert!(result.contacts <= 1 && result.reason.starts_with("in doubt: "), "{row}");
        }
        _ => {
            assert_eq!(result.outcome, situation.ends, "{row}");
            assert_eq!(result.wrong, "", "{row}");
        }
    }
}

#[track_caller]
fn compare(expected: &str, found: &str) {
    if expected != found {
        let both = expected.lines().zip(found.lines()).find(|(expected, found)| expected != found);
        panic!("the table first differs in {both:#?}\nthe whole table:\n{found}");
    }
}

/// Collects the reason for a rejection.
#[derive(Default)]
struct Listener {
    reason: RefCell<String>,
}

impl Observer for Listener {
    fn observe(&self, event: &Event<'_>) {
        if let Event::Done { outcome: Outcome::Rejected(reason), .. } = event {
            reason.clone_into(&mut self.reason.borrow_mut());
        }
    }
}

/// The fault of a case.
trait Trouble {
    fn begin(&self, platform: &Platform, situation: &Situation);
}

struct OneResponse {
    response: Response,
    applied: bool,
    refuses_twice: bool,
}

impl Trouble for OneResponse {
    fn begin(&self, platform: &Platform, situation: &Situation) {
        let manners = Manners { refuses_twice: self.refuses_twice, searches_late: situation.searches_late };
        platform.manners.set(manners);
        platform.doomed.set(Some((situation.call, self.response, self.applied)));
    }
}

struct Gone {
    words: Words,
    is_back: bool,
}

impl Trouble for Gone {
    fn begin(&self, platform: &Platform, _: &Situation) {
        platform.words.set(self.words);
        platform.people.borrow_mut().clear();
        if self.is_back {
            platform.insert(&[("phone", PHONE), ("name", "Ann")], &["vip"]);
        }
    }
}

/// The result of a case.
struct CaseResult {
    walk: String,
    outcome: &'static str,
    /// The reason for the rejection.
    reason: String,
    contacts: usize,
    /// The differences between the platform and the file.
    wrong: String,
}

impl fmt::Display for CaseResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { walk, outcome, reason, wrong, .. } = self;
        let reason = reason.split(':').next().unwrap_or_default();
        let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        write!(f, "{walk}: {outcome}{reason}{wrong}")
    }
}

fn run_case(situation: &Situation, trouble: &impl Trouble) -> CaseResult {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let (platform, journal) = (Platform::default(), Journal::in_memory().expect("memory"));
        if let Some(name) = situation.there {
            platform.insert(&[("phone", PHONE), ("name", name)], &[]);
        }
        if let Some(known) = situation.known {
            sync(&platform, &journal, known, situation.mode).await;
            tokio::time::sleep(Duration::from_mins(10)).await;
        }
        platform.sent.borrow_mut().clear();
        trouble.begin(&platform, situation);
        let (summary, reason) = sync(&platform, &journal, situation.file, situation.mode).await;
        let counts = [
            (summary.created, "created"),
            (summary.updated, "updated"),
            (summary.unchanged, "unchanged"),
            (summary.rejected, "rejected"),
        ];
        let (_, outcome) = counts.into_iter().find(|(count, _)| *count == 1).expect("one row");
        let contacts = platform.people.borrow().len();
        CaseResult { walk: walk(&platform), outcome, reason, contacts, wrong: wrong(&platform, situation) }
    })
}

async fn sync(platform: &Platform, journal: &Journal, file: &'static str, mode: Mode) -> (RunSummary, String) {
    let observer = Listener::default();
    let clock = Clock::starting_at(Timestamp::from_millis(1_700_000_000_000));
    let source = Source::from_reader("file.csv", Box::new(file.as_bytes()), Format::Csv).expect("a header");
    let matches = if file.starts_with("phone") { vec!["phone".to_owned()] } else { Vec::new() };
    let mapping = Mapping::new(source.header(), matches, mode).expect("the columns are known");
    let policy = Policy {
        mode,
        tags_mode: TagsMode::Add,
        search_lag: Duration::from_secs(30),
        retry_in_doubt: false,
        search_first: false,
    };
    let new = NewRun {
        channel: "default".into(),
        url: "https://example.com".into(),
        kind: "standard".into(),
        rate: 100,
        input: "file.csv".into(),
        policy,
        now: clock.now(),
    };
    let planned =
        plan(journal, source, &mapping, Routes::one(new), PlanOptions::default(), &observer, &Stop::default())
            .expect("planning succeeds");
    for _ in 0..4 {
        let job = Job {
            journal,
            run: planned.runs[0],
            channel: "default",
            window: &WindowId::of("default", b""),
            policy,
            transport: platform,
            call_timeout: Duration::from_secs(30),
            rate: NonZeroU32::new(100).expect("not zero"),
            burst: None,
            concurrency: None,
            limits: Limits::default(),
            read_back: false,
            outage_timeout: OUTAGE_TIMEOUT,
            clock: &clock,
            seed: 1,
            observer: &observer,
            stop: &Stop::default(),
        };
        let ending = send(job).await.expect("the journal works");
        if ending.summary.pending == 0 {
            return (ending.summary, observer.reason.into_inner());
        }
    }
    panic!("the run does not end")
}

fn walk(platform: &Platform) -> String {
    let mut walk = Vec::new();
    let mut last = None;
    for sent in platform.sent.borrow().iter() {
        let waited = last.map_or(Duration::ZERO, |last| sent.begun - last);
        if !waited.is_zero() {
            walk.push(format!("{}s", waited.as_secs_f64().round()));
        }
        walk.push(sent.kind.name().to_owned());
        last = Some(sent.ended);
    }
    walk.join(" ")
}

fn wrong(platform: &Platform, situation: &Situation) -> String {
    let people = platform.people.borrow();
    let mut wrong = String::new();
    if people.len() != 1 {
        wrong.push_str(&format!(", {} contacts", people.len()));
    }
    for person in people.iter() {
        let mut wanted = BTreeMap::from([("name".to_owned(), "Ann".to_owned())]);
        if situation.file.contains("phone") {
            wanted.insert("phone".into(), PHONE.into());
        }
        if person.fields != wanted {
            wrong.push_str(", not its fields");
        }
        if person.tags != BTreeSet::from(["vip".to_owned()]) {
            wrong.push_str(", not its tags");
        }
    }
    wrong
}
