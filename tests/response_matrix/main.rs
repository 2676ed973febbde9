//! The fates of answers: for each call, whatever may become of its answer, and whether it had its effect or not, what
//! follows, as one table to be checked by eye.
//!
//! Each row is played by the real sync, journal and dialect against a platform of one page, under virtual time, to
//! its end. Held beside the table, and whatever it says: the platform ends with exactly one contact that has the
//! fields and tags of the file, and the row's outcome is the true one, but for what [`check_promise`] names.

mod platform;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::num::NonZeroU32;
use std::time::Duration;

use contactsync::{
    CallKind, Clock, Event, Format, Job, Journal, Limits, Mapping, Mode, NewRun, OUTAGE_TIMEOUT, Observer, Outcome,
    PlanOptions, Policy, Routes, RunSummary, Source, Stop, TagsMode, Timestamp, WindowId, plan, send,
};

use platform::{Fate, Manners, Platform, Words};

const PHONE: &str = "+521";

/// The file, and how the platform and the journal stand before it is brought.
struct Situation {
    name: &'static str,
    /// The call that meets its fate.
    call: CallKind,
    mode: Mode,
    /// Brought before without faults, so that the journal knows it.
    known: Option<&'static str>,
    /// There already by other hands, as the fields' values.
    there: Option<&'static str>,
    searches_late: bool,
    file: &'static str,
    /// How the row ends when all is well.
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
    Situation { name: "find, nobody there", ..PLAIN },
    Situation { name: "find, somebody there", there: Some("Bea"), ends: "updated", ..PLAIN },
    // The search does not see it yet, its create is refused, and the refusal names it.
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

/// The table. A line: the fate of the first call of its kind; then the calls as they were sent, with the seconds
/// between them, and how the row ended: when the fated call had no effect, when it had, and, where that differs, when
/// it had and the platform refuses to be told the same twice.
const TABLE: &str = include_str!("table.txt");

/// A known contact that is no longer there under its id: each way in which the platform says so, for each call that
/// names one; without a further contact of that phone, and with one.
const GONE: &str = include_str!("gone.txt");

#[test]
fn every_response_has_the_outcome_in_the_matrix() {
    let mut found = String::new();
    for situation in &SITUATIONS {
        let _ = writeln!(found, "{}", situation.name);
        for fate in Fate::ALL.into_iter().filter(|fate| fate.befalls(situation.call)) {
            let play = |applied, refuses_twice| {
                let played = play(situation, &Fated { fate, applied, refuses_twice });
                check_promise(situation, fate, &played);
                played.to_string()
            };
            let mut line = format!("    {:20} | {}", fate.name(), play(false, false));
            if fate.may_be_applied() {
                let (applied, refused) = (play(true, false), play(true, true));
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
            let [nobody, another] = [false, true].map(|is_back| {
                let played = play(situation, &Gone { words, is_back });
                assert_eq!(played.wrong, "", "{} {}", situation.name, words.name());
                played.to_string()
            });
            let _ = writeln!(found, "    {:32} | {nobody:58} | {another}", words.name());
        }
    }
    compare(GONE, &found);
}

/// What is promised of a row, whatever the table says: one contact, as the file wants it, and the true outcome.
#[track_caller]
fn check_promise(situation: &Situation, fate: Fate, played: &Played) {
    let row = format!("{}, {}: {played}", situation.name, fate.name());
    let keyless = !situation.file.contains("phone");
    match fate {
        // Whatever there was stays as it is, and nothing is made.
        _ if fate.refuses(situation.call) => {
            let before = usize::from(situation.there.is_some() || situation.known.is_some());
            let before = before.max(usize::from(situation.call == CallKind::AddTags));
            assert_eq!((played.outcome, played.contacts), ("rejected", before), "{row}");
            assert!(!played.reason.is_empty(), "{row}");
        }
        // Not promised, because the platform itself says that it is done, and only reading each contact back, a call
        // each, could tell. For a create, the next call on its id does; for a search, nothing does: it is the only
        // witness of who is there, so one that answers too late makes a second contact.
        Fate::EmptyPromise if situation.call != CallKind::Create => {}
        Fate::EmptyPromise if keyless => assert_eq!((played.outcome, played.contacts), ("rejected", 0), "{row}"),
        // Nothing to search by, so a create that may have happened is not sent again unasked, and said to be unsure.
        _ if keyless && played.outcome == "rejected" => {
            assert!(played.contacts <= 1 && played.reason.starts_with("in doubt: "), "{row}");
        }
        _ => {
            assert_eq!(played.outcome, situation.ends, "{row}");
            assert_eq!(played.wrong, "", "{row}");
        }
    }
}

#[track_caller]
fn compare(expected: &str, found: &str) {
    if expected != found {
        let both = expected.lines().zip(found.lines()).find(|(expected, found)| expected != found);
        panic!("the table differs first in {both:#?}\nall that was found:\n{found}");
    }
}

/// Hears why a row is rejected.
#[derive(Default)]
struct Listener {
    reason: RefCell<String>,
}

impl Observer for Listener {
    fn tell(&self, event: &Event<'_>) {
        if let Event::Done { outcome: Outcome::Rejected(reason), .. } = event {
            reason.clone_into(&mut self.reason.borrow_mut());
        }
    }
}

/// What goes wrong in a row.
trait Trouble {
    fn begin(&self, platform: &Platform, situation: &Situation);
}

struct Fated {
    fate: Fate,
    applied: bool,
    refuses_twice: bool,
}

impl Trouble for Fated {
    fn begin(&self, platform: &Platform, situation: &Situation) {
        let manners = Manners { refuses_twice: self.refuses_twice, searches_late: situation.searches_late };
        platform.manners.set(manners);
        platform.doomed.set(Some((situation.call, self.fate, self.applied)));
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

/// A row, played to its end.
struct Played {
    walk: String,
    outcome: &'static str,
    /// Why it was rejected.
    reason: String,
    contacts: usize,
    /// In what the platform differs from the file.
    wrong: String,
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { walk, outcome, reason, wrong, .. } = self;
        let reason = reason.split(':').next().unwrap_or_default();
        let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        write!(f, "{walk}: {outcome}{reason}{wrong}")
    }
}

fn play(situation: &Situation, trouble: &impl Trouble) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let (platform, journal) = (Platform::default(), Journal::in_memory().expect("memory"));
        if let Some(name) = situation.there {
            platform.insert(&[("phone", PHONE), ("name", name)], &[]);
        }
        if let Some(known) = situation.known {
            bring(&platform, &journal, known, situation.mode).await;
            tokio::time::sleep(Duration::from_mins(10)).await;
        }
        platform.sent.borrow_mut().clear();
        trouble.begin(&platform, situation);
        let (summary, reason) = bring(&platform, &journal, situation.file, situation.mode).await;
        let counts = [
            (summary.created, "created"),
            (summary.updated, "updated"),
            (summary.unchanged, "unchanged"),
            (summary.rejected, "rejected"),
        ];
        let (_, outcome) = counts.into_iter().find(|(count, _)| *count == 1).expect("one row");
        let contacts = platform.people.borrow().len();
        Played { walk: walk(&platform), outcome, reason, contacts, wrong: wrong(&platform, situation) }
    })
}

async fn bring(platform: &Platform, journal: &Journal, file: &'static str, mode: Mode) -> (RunSummary, String) {
    let observer = Listener::default();
    let clock = Clock::starting_at(Timestamp::from_millis(1_700_000_000_000));
    let source = Source::from_reader("file.csv", Box::new(file.as_bytes()), Format::Csv).expect("a header");
    let matches = if file.starts_with("phone") { vec!["phone".to_owned()] } else { Vec::new() };
    let mapping = Mapping::new(source.header(), matches, mode).expect("its columns");
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
        plan(journal, source, &mapping, Routes::One(new), PlanOptions::default(), &observer, &Stop::default())
            .expect("it is planned");
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
    panic!("it does not end")
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
