//! Nights with snapshots against nights without: two journals, one input, and everything that a plan has as its result.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Duration;

use fastrand::Rng;

use crate::core::attempt::Attempt;
use crate::core::call::{Call, CallKind};
use crate::core::diff::TagsMode;
use crate::core::doubt::Doubt;
use crate::core::duplicates::Duplicates;
use crate::core::guard::{InputGuards, RowLimit};
use crate::core::mapping::Mapping;
use crate::core::mapping::rules::{FieldRule, Rules, Step, TakeRule, TakeWhen, Words};
use crate::core::model::{ContactId, Field, Known, Mode, RemoteState};
use crate::core::output_format::ListFiles;
use crate::core::routing::RoutingTable;
use crate::core::task::{Outcome, Policy};
use crate::core::time::Timestamp;
use crate::input::{Format, Source};
use crate::journal::{
    Counts, Ended, Item, Journal, ListedRow, NO_CHANNEL, NewRun, Recorded, Rows, RunState, SendJournal, StateUpdate,
};
use crate::sync::event::{Event, Observer};
use crate::sync::plan::{PlanOptions, Routes, plan};
use crate::sync::stop::Stop;

/// Number of histories. `CASES=20000 cargo test --release --lib known_rows` takes some minutes.
const CASES: u64 = 40;

/// Number of inputs in each.
const NIGHTS: u64 = 8;

const CHANNELS: [&str; 2] = ["one", "two"];

/// A row of the input, as cells of these columns.
const COLUMNS: [&str; 7] = ["email", "phone", "name", "city", "tags", "channel", "keep"];

type Cells = [String; COLUMNS.len()];

/// A mistake that the test must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// Rows stay known under another mapping.
    AnyMapping,
    /// Rows stay known where other rows have their contact.
    KeepsSharing,
    /// Rows are recognised although the input has several of their contact.
    SharesNone,
    /// Rows stay known where another source changed their contact.
    TouchesNone,
    /// Rows are skipped whatever follows them.
    SkipsBeforeAny,
    /// Listed rows are thought to follow each other.
    ListsWithoutGaps,
    /// Rows that are stored beside their chunk are forgotten.
    ForgetsChanges,
}

thread_local! {
    static BUG: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Whether a mistake is planted.
pub(super) fn has(bug: Bug) -> bool {
    BUG.get() == Some(bug)
}

/// What stays the same through a night, besides the rows.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "settings that vary one by one")]
struct Setting {
    matches: Vec<&'static str>,
    mode: Mode,
    tags_mode: TagsMode,
    duplicates: Duplicates,
    upper: bool,
    take: bool,
    json: bool,
    by_channel: bool,
    // Whether the second channel is another process's.
    sharded: bool,
    keeps_rejects: bool,
    // Whether all rows are listed.
    lists_rows: bool,
    max_changes: Option<RowLimit>,
    source: &'static str,
    form: Form,
}

/// How a file of CSV is written.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "settings that vary one by one")]
struct Form {
    crlf: bool,
    mark: bool,
    western: bool,
    all_quoted: bool,
    cut: bool,
}

fn any_form(rng: &mut Rng) -> Form {
    Form {
        crlf: rng.bool(),
        mark: rng.u8(..4) == 0,
        western: rng.u8(..4) == 0,
        all_quoted: rng.u8(..3) == 0,
        cut: rng.u8(..4) == 0,
    }
}

fn any_setting(rng: &mut Rng) -> Setting {
    let matches = [vec!["email", "phone"], vec!["email", "phone"], vec!["phone", "email"], vec!["email"], vec![]];
    let mut setting = Setting {
        matches: matches[rng.usize(..matches.len())].clone(),
        mode: [Mode::Upsert, Mode::Upsert, Mode::Create, Mode::Update][rng.usize(..4)],
        tags_mode: if rng.bool() { TagsMode::Add } else { TagsMode::Mirror },
        duplicates: Duplicates::ALL[rng.usize(..Duplicates::ALL.len())],
        upper: false,
        take: rng.bool(),
        json: rng.u8(..4) == 0,
        by_channel: rng.bool(),
        sharded: rng.u8(..3) == 0,
        keeps_rejects: rng.bool(),
        lists_rows: rng.u8(..3) == 0,
        max_changes: None,
        source: "a",
        form: any_form(rng),
    };
    if setting.matches.is_empty() {
        setting.mode = Mode::Create;
    }
    setting
}

fn any_cells(rng: &mut Rng) -> Cells {
    let name = rng.usize(..3).saturating_sub(rng.usize(..2));
    let mut pick = |prefix: &str, of: usize, blanks: u8| {
        if rng.u8(..100) < blanks { String::new() } else { format!("{prefix}{}", rng.usize(..of)) }
    };
    let mut cells: Cells = [
        pick("e", 40, 15),
        pick("+5215550", 30, 30),
        pick(["Name ", "Jos\u{e9} ", "Jos\u{c3}\u{a9} "][name], 4, 20),
        pick("City ", 3, 20),
        pick("t", 3, 40),
        pick("", 2, 5),
        String::new(),
    ];
    if !cells[0].is_empty() {
        cells[0].push_str("@x.mx");
    }
    cells[5] = match cells[5].as_str() {
        "0" => "one".into(),
        "1" => "two".into(),
        _ => ["", "thre"][rng.usize(..2)].into(),
    };
    if rng.u8(..12) == 0 {
        cells[6] = "no".into();
    }
    // A row that is rejected.
    if rng.u8(..25) == 0 {
        cells[2] = "a\u{1}b".into();
    }
    cells
}

// A few changes of the rows of last night.
fn edit(rows: &mut Vec<Cells>, rng: &mut Rng) {
    let edits = [0, 0, 1, 2, 3, 8][rng.usize(..6)];
    for _ in 0..edits {
        let at = rng.usize(..=rows.len().saturating_sub(1));
        match rng.u8(..12) {
            0..=2 if !rows.is_empty() => {
                let (column, cells) = (rng.usize(..COLUMNS.len()), any_cells(rng));
                rows[at][column].clone_from(&cells[column]);
            }
            3 if !rows.is_empty() => {
                let row = rows.remove(at);
                rows.insert(rng.usize(..=rows.len()), row);
            }
            4..=6 => rows.insert(at.min(rows.len()), any_cells(rng)),
            7 if !rows.is_empty() => drop(rows.remove(at)),
            8 if !rows.is_empty() => rows.insert(rng.usize(..=rows.len()), rows[at].clone()),
            9 if rng.bool() => rng.shuffle(rows),
            10 if !rows.is_empty() => {
                // Another row with a match value of this one.
                let (mut other, column) = (any_cells(rng), rng.usize(..2));
                other[column].clone_from(&rows[at][column]);
                rows.insert(rng.usize(..=rows.len()), other);
            }
            11 => rows.truncate(rows.len() - rows.len() / 4),
            _ => {}
        }
    }
}

fn text_of(rows: &[Cells], setting: &Setting, rng: &mut Rng) -> String {
    let mut text = String::new();
    if setting.json {
        for row in rows {
            let pairs = COLUMNS.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
            let object: serde_json::Map<String, serde_json::Value> =
                pairs.map(|(name, cell)| ((*name).to_owned(), cell.as_str().into())).collect();
            writeln!(text, "{}", serde_json::Value::Object(object)).unwrap();
        }
    } else {
        writeln!(text, "{}", COLUMNS.join(",")).unwrap();
        for row in rows {
            // How a cell is quoted depends on it alone, so that its row is as it was the next time; except for a few.
            let is_other = rng.u8(..100) == 0;
            let is_quoted = |cell: &str| setting.form.all_quoted || cell.len() % 9 == 3 || is_other;
            let cell = |cell: &String| if is_quoted(cell) { format!("\"{cell}\"") } else { cell.clone() };
            writeln!(text, "{}", row.iter().map(cell).collect::<Vec<_>>().join(",")).unwrap();
            if rng.u8(..60) == 0 {
                // The rest of a cell whose opening quote is missing.
                text.push_str("goes on\",,,,,,\n");
            }
            if rng.u8(..60) == 0 {
                text.push_str("too,few\n");
            }
            if rng.u8(..60) == 0 {
                text.push('\n');
            }
        }
        if rng.u8(..6) == 0 {
            text.push_str("Total: 7,,,,,,\n");
        }
    }
    text
}

fn rules(setting: &Setting) -> Rules {
    let mut fields = Vec::new();
    if setting.upper {
        fields.push(FieldRule { steps: vec![Step::Upper], ..FieldRule::column("city", "city") });
    }
    let take = TakeRule { column: "keep".into(), when: TakeWhen::IsNot(Words::new(["no"])) };
    Rules {
        matches: setting.matches.iter().map(|name| (*name).to_owned()).collect(),
        fields,
        take: if setting.take { vec![take] } else { Vec::new() },
        ..Rules::default()
    }
}

fn routes(setting: &Setting, night: u64) -> Routes {
    let policy = Policy {
        mode: setting.mode,
        tags_mode: setting.tags_mode,
        search_lag: Duration::ZERO,
        retry_in_doubt: false,
        search_first: false,
    };
    let run = |channel: &str| NewRun {
        channel: channel.to_owned(),
        url: "http://localhost".into(),
        kind: "standard".into(),
        rate: 100,
        input: "in".into(),
        policy,
        now: Timestamp::from_millis(1_700_000_000_000 + night),
    };
    if !setting.by_channel {
        return Routes::one(run(CHANNELS[0]));
    }
    let (here, elsewhere) = CHANNELS.split_at(if setting.sharded { 1 } else { 2 });
    let elsewhere = elsewhere.iter().map(|channel| (*channel).to_owned()).collect();
    Routes {
        runs: here.iter().map(|channel| run(channel)).collect(),
        unknown: (!setting.sharded).then(|| run(NO_CHANNEL)),
        table: RoutingTable::by_channel(here, &elsewhere, !setting.sharded),
    }
}

/// The rejections and the number of rows that a plan reports.
#[derive(Default)]
struct Heard(Mutex<Reported>);

/// Each rejection by row and line, and the last number of rows.
type Reported = (Vec<(u64, u64, Outcome)>, u64);

impl Observer for Heard {
    fn observe(&self, event: &Event<'_>) {
        let mut heard = self.0.lock().unwrap();
        match event {
            Event::Done { row, line, outcome, .. } => heard.0.push((*row, *line, (*outcome).clone())),
            Event::Read { rows } => heard.1 = *rows,
            _ => {}
        }
    }
}

/// Everything that a plan has as its result, as text.
#[derive(Default)]
struct Planned {
    lines: Vec<String>,
    runs: Vec<(i64, String)>,
    pending: Vec<(usize, Item)>,
    kept: u64,
    sync: i64,
}

fn input(text: &str, setting: &Setting) -> Source {
    let format = if setting.json { Format::Jsonl } else { Format::Csv };
    let bytes = if setting.json { text.as_bytes().to_vec() } else { bytes_of(text, setting.form) };
    Source::from_reader("in", Box::new(std::io::Cursor::new(bytes)), format).unwrap()
}

fn bytes_of(text: &str, form: Form) -> Vec<u8> {
    let Form { crlf, mark, western, cut, .. } = form;
    let text = if cut { text.trim_end_matches('\n') } else { text };
    let text = if crlf { text.replace('\n', "\r\n") } else { text.to_owned() };
    match (western, mark) {
        // In Windows-1252, the letters that are used here are those of Latin-1.
        (true, _) => text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?')).collect(),
        (false, true) => format!("\u{feff}{text}").into_bytes(),
        (false, false) => text.into_bytes(),
    }
}

fn planned(journal: &Journal, text: &str, (setting, night): (&Setting, u64), with_snapshot: bool) -> Planned {
    let source = input(text, setting);
    let mut mapping = match Mapping::by(&rules(setting), source.header(), setting.mode) {
        Ok(mapping) => mapping,
        Err(error) => panic!("{error}"),
    };
    if setting.by_channel {
        mapping = mapping.routed_by(source.header(), "channel").unwrap();
    }
    let (heard, detected) = (Heard::default(), source.detected().clone());
    let options = PlanOptions {
        duplicates: setting.duplicates,
        guards: InputGuards { max_changes: setting.max_changes, ..InputGuards::default() },
        files: ListFiles {
            rejects: setting.keeps_rejects.then(|| "bad".into()),
            results: setting.lists_rows.then(|| "all".into()),
        },
        retry_rejected: false,
        source_name: with_snapshot.then(|| setting.source.to_owned()),
        ..PlanOptions::default()
    };
    let channels: Vec<String> = routes(setting, night).runs.into_iter().map(|run| run.channel).collect();
    let mut result = Planned::default();
    let plan = plan(journal, source, &mapping, routes(setting, night), options, &heard, &Stop::default());
    for notice in detected.notices() {
        result.lines.push(format!("notice {notice:?}"));
    }
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => {
            result.lines.push(error.to_string());
            return result;
        }
    };
    let heard = heard.0.into_inner().unwrap();
    result.lines.push(format!("{:?} {}", plan.not_routed, plan.unknown.is_some()));
    result.lines.push(format!("{heard:?}"));
    result.runs = plan.runs.iter().copied().zip(channels).collect();
    let unknown = plan.unknown.map(|run| (run, NO_CHANNEL.to_owned()));
    for (at, (run, channel)) in result.runs.iter().chain(&unknown).enumerate() {
        result.lines.push(format!("{channel} {:?}", counts(journal, *run)));
        result.kept += journal.kept_rows(*run).unwrap();
        let pending = wait(journal.pending(*run, 0, u32::MAX)).unwrap();
        result.lines.extend(pending.iter().map(|item| format!("pending {item:?}")));
        result.pending.extend(pending.into_iter().map(|item| (at, item)));
        let policy = journal.newest(channel).unwrap().map(|run| run.policy);
        if let Some(policy) = policy.filter(|_| channel != NO_CHANNEL) {
            result.lines.push(format!("{:?}", wait(journal.forecast(*run, channel, policy)).unwrap()));
            result.lines.push(format!("{:?}", wait(journal.in_doubt(*run, channel)).unwrap()));
        }
    }
    result.sync = plan.sync;
    result.lines.extend(listed(journal, plan.sync, setting));
    result
}

// Without the missing contacts: only the snapshot shows them.
fn counts(journal: &Journal, run: i64) -> Counts {
    Counts { missing: 0, ..journal.counts_blocking(run).unwrap() }
}

// The rows of an input as they are listed: those that need nothing only where all rows are to be listed.
fn listed(journal: &Journal, sync: i64, setting: &Setting) -> Vec<String> {
    let listed = journal.each_row(sync, Rows::All, Vec::new(), |listed: &mut Vec<ListedRow>, row| {
        listed.push(row.clone());
        ControlFlow::Continue(())
    });
    let listed = listed.unwrap().into_iter().filter(|row| setting.lists_rows || row.state != "unchanged");
    let mut lines: Vec<String> = listed.map(|row| format!("{row:?}")).collect();
    if setting.lists_rows {
        lines.push(format!("{} rows are not stored", journal.rows_not_stored(sync).unwrap()));
    }
    lines
}

// The journal answers on the caller's thread.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// What became of pending rows, for both journals.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Done,
    Rejected,
    Left,
    InDoubt,
    // The answer names the id of another contact.
    Claims(usize),
}

fn any_fates(count: usize, rng: &mut Rng) -> Vec<Fate> {
    let fate = |_| match rng.u8(..20) {
        0 => Fate::Rejected,
        1 => Fate::Left,
        2 => Fate::InDoubt,
        3 | 4 => Fate::Claims(rng.usize(..40)),
        _ => Fate::Done,
    };
    (0..count).map(fate).collect()
}

fn id_of(key: &str) -> ContactId {
    ContactId::new(format!("id of {key}")).unwrap()
}

// The contact as the platform has it after the calls.
fn known(item: &Item, id: ContactId) -> Known {
    let mut known = match &item.remote_state {
        RemoteState::Known(known) => known.clone(),
        RemoteState::Unknown | RemoteState::InDoubt(_) => Known::only_id(id),
    };
    for Field { name, value } in item.contact.fields() {
        known.fields.insert(name.to_string(), value.clone());
    }
    for tag in item.contact.tags() {
        known.tags.insert(tag.to_string());
        known.own_tags.insert(tag.to_string());
    }
    let wanted: BTreeSet<String> = item.contact.tags().iter().map(ToString::to_string).collect();
    known.own_tags.retain(|tag| wanted.contains(tag));
    known.tags.retain(|tag| wanted.contains(tag));
    for tag in item.contact.remove_tags() {
        known.absent_tags.insert(tag.to_string());
    }
    known
}

fn send(journal: &Journal, planned: &Planned, fates: &[Fate], ends: bool) -> Vec<String> {
    let mut log = Vec::new();
    for ((at, item), fate) in planned.pending.iter().zip(fates) {
        let Some((run, channel)) = planned.runs.get(*at) else { continue };
        let key = item.contact.key().to_string();
        let is_new = matches!(item.remote_state, RemoteState::Unknown);
        let done = if is_new { Outcome::Created } else { Outcome::Updated };
        let update = |remote_state, names_id, outcome: Option<Outcome>| StateUpdate {
            channel: channel.clone(),
            contact: item.contact.clone(),
            remote_state,
            names_id,
            outcome: outcome.map(|outcome| (*run, item.row, outcome)),
            first_written: Vec::new(),
            mark: None,
            at: Timestamp::default(),
        };
        let state = |id| Some(RemoteState::Known(known(item, id)));
        match fate {
            Fate::Done => wait(journal.concluded(update(state(id_of(&key)), None, Some(done)))).unwrap(),
            Fate::Rejected => {
                wait(journal.concluded(update(None, None, Some(Outcome::Rejected("refused".into()))))).unwrap();
            }
            Fate::InDoubt if is_new => {
                let doubt = RemoteState::InDoubt(Doubt::of_create(&item.contact, None));
                wait(journal.concluded(update(Some(doubt), None, None))).unwrap();
            }
            Fate::Left | Fate::InDoubt => {}
            Fate::Claims(other) => {
                let other = format!("email=e{other}@x.mx");
                let fields = vec![Field::text("email", "x")];
                let (call, kind) = if other.len().is_multiple_of(2) {
                    (Call::Create { fields }, CallKind::Create)
                } else {
                    (Call::Find { field: fields[0].clone(), page: 1 }, CallKind::Find)
                };
                let now = Timestamp::from_millis(1_700_000_000_000);
                let started = wait(journal.start(*run, &call, update(None, None, None), now)).unwrap();
                let ended = Ended { number: started.number(), attempt: Attempt::Created(id_of(&other)), at: now };
                let known = Some(RemoteState::Known(Known { id: id_of(&other), ..known(item, id_of(&other)) }));
                let recorded = wait(journal.answered(ended, update(known, Some(kind), Some(done)))).unwrap();
                log.push(format!("{key} {recorded:?}"));
                if recorded != Recorded::Written {
                    wait(journal.concluded(update(None, None, Some(Outcome::Rejected("claimed".into()))))).unwrap();
                }
            }
        }
    }
    for (run, _) in &planned.runs {
        log.push(format!("{:?}", counts(journal, *run)));
        if ends {
            let (state, worked) = (RunState::Finished, Duration::ZERO);
            let now = Timestamp::from_millis(1_700_000_000_000);
            wait(journal.end(*run, state, None, worked, now, "{}".into())).unwrap();
        }
    }
    log
}

// Changes of the settings for one night.
fn vary(setting: &Setting, rng: &mut Rng) -> Setting {
    let mut varied = setting.clone();
    match rng.u8(..16) {
        0 => varied.upper = true,
        1 => varied.tags_mode = TagsMode::Mirror,
        2 => varied.duplicates = Duplicates::First,
        3 => varied.json = !varied.json,
        4 => varied.take = !varied.take,
        9 => varied.lists_rows = !varied.lists_rows,
        5 => varied.sharded = !varied.sharded,
        6 => varied.max_changes = Some(RowLimit::Share(1_000)),
        8 if rng.u8(..4) == 0 => varied.form = any_form(rng),
        7 if varied.matches.len() == 2 => varied.matches.reverse(),
        _ => {}
    }
    varied
}

/// What a history showed: how many rows were known, and how many there were.
fn history(seed: u64) -> BTreeMap<&'static str, u64> {
    let mut rng = Rng::with_seed(seed);
    let (full, short) = (Journal::in_memory().unwrap(), Journal::in_memory().unwrap());
    let setting = any_setting(&mut rng);
    let mut sources: [Vec<Cells>; 2] =
        [8, 30].map(|most| (0..rng.usize(1..most)).map(|_| any_cells(&mut rng)).collect());
    let is_alone = rng.bool();
    let mut counts = BTreeMap::new();
    let mut story = String::new();
    for night in 0..NIGHTS {
        let at = usize::from(is_alone || rng.u8(..3) > 0);
        let mut setting = vary(&setting, &mut rng);
        setting.source = ["a", "b"][at];
        let rows = &mut sources[at];
        if night > 0 {
            edit(rows, &mut rng);
        }
        if rng.u8(..6) == 0 {
            // Rows of the other source.
            let other = sources[1 - at].clone();
            let other = other.into_iter().filter(|_| rng.u8(..4) == 0).collect::<Vec<_>>();
            sources[at].extend(other);
        }
        let text = text_of(&sources[at], &setting, &mut rng);
        write!(story, "night {night}: {setting:?}\n{text}").unwrap();
        let expected = planned(&full, &text, (&setting, night), false);
        let found = planned(&short, &text, (&setting, night), true);
        assert_eq!(found.lines, expected.lines, "seed {seed}, night {night}\n{story}");
        let (fates, ends) = (any_fates(expected.pending.len(), &mut rng), rng.bool());
        let sent = send(&full, &expected, &fates, ends);
        assert_eq!(send(&short, &found, &fates, ends), sent, "seed {seed}, sending of night {night}\n{story}");
        if setting.lists_rows && expected.sync > 0 {
            let expected = listed(&full, expected.sync, &setting);
            let found = listed(&short, found.sync, &setting);
            assert_eq!(found, expected, "seed {seed}, list of night {night}\n{story}");
            *counts.entry("listed").or_default() += found.len() as u64;
        }
        writeln!(story, "fates: {fates:?}").unwrap();
        if has(Bug::TouchesNone) {
            short.forget_touched().unwrap();
        }
        if has(Bug::ForgetsChanges) {
            short.forget_snapshot_changes().unwrap();
        }
        *counts.entry("known").or_default() += found.kept;
        *counts.entry("pending").or_default() += found.pending.len() as u64;
        *counts.entry("rows").or_default() += sources[at].len() as u64;
    }
    counts
}

#[test]
fn nights_with_a_snapshot_have_the_results_of_nights_without() {
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
    let cases = number(option_env!("CASES")).unwrap_or(CASES);
    let begin = number(option_env!("SEED")).unwrap_or(0);
    let mut all: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in begin..begin + cases {
        for (what, count) in history(seed) {
            *all.entry(what).or_default() += count;
        }
    }
    // Rows are known in many nights, or nothing was tested.
    assert!(all["known"] * 10 > all["rows"], "{all:?}");
}

// A changed row comes before rows that it moves from one chunk to the next.
#[test]
fn a_row_that_moves_to_another_chunk_keeps_its_contact() {
    let setting = Setting {
        matches: vec!["email"],
        mode: Mode::Upsert,
        tags_mode: TagsMode::Add,
        duplicates: Duplicates::First,
        upper: false,
        take: false,
        json: false,
        by_channel: false,
        sharded: false,
        keeps_rejects: false,
        lists_rows: true,
        max_changes: None,
        source: "a",
        form: Form { crlf: false, mark: false, western: false, all_quoted: false, cut: false },
    };
    let text = |rows: &[(usize, &str)]| {
        let lines = rows.iter().map(|(number, city)| format!("e{number}@x.mx,,,{city},,,\n"));
        format!("{}\n{}", COLUMNS.join(","), lines.collect::<String>())
    };
    let first: Vec<(usize, &str)> = (0..16).map(|number| (number, "Lima")).collect();
    let mut second = first.clone();
    second.pop();
    second.insert(7, (15, "Oslo"));
    let (full, short) = (Journal::in_memory().unwrap(), Journal::in_memory().unwrap());
    for (night, rows) in [&first, &first, &second, &second].into_iter().enumerate() {
        let night = night as u64;
        let expected = planned(&full, &text(rows), (&setting, night), false);
        let found = planned(&short, &text(rows), (&setting, night), true);
        assert_eq!(found.lines, expected.lines, "night {night}");
        let fates = vec![Fate::Done; expected.pending.len()];
        assert_eq!(send(&short, &found, &fates, true), send(&full, &expected, &fates, true), "night {night}");
        assert_eq!(listed(&short, found.sync, &setting), listed(&full, expected.sync, &setting), "night {night}");
        assert_eq!(found.kept, [0, 0, 15, 15][usize::try_from(night).unwrap()], "night {night}");
    }
}

#[test]
fn planted_mistakes_are_found() {
    const MOST: u64 = 200;
    for bug in [
        Bug::AnyMapping,
        Bug::KeepsSharing,
        Bug::SharesNone,
        Bug::TouchesNone,
        Bug::SkipsBeforeAny,
        Bug::ListsWithoutGaps,
        Bug::ForgetsChanges,
    ] {
        BUG.set(Some(bug));
        let fails = |seed: &u64| std::panic::catch_unwind(|| history(*seed)).is_err();
        let found = (0..MOST).find(fails);
        BUG.set(None);
        assert!(found.is_some(), "{bug:?} is not found");
    }
}
