//! Several rows of one contact: which of them counts, at any distance in the file.

use std::collections::BTreeMap;

use contactsync::contact::{Text, Value};
use contactsync::engine::{NewRun, PlanOptions, Routes, Rows, SendJournal, plan};
use contactsync::history::ListedRow;
use contactsync::source::ListFiles;
use contactsync::{
    Duplicates, Event, Format, Journal, Mapping, Mode, Observer, Policy, Source, Stop, TagsMode, Timestamp,
};
use proptest::prelude::*;

use support::{Harness, TOKEN};

const MATCHES: [&str; 2] = ["crm_id", "phone"];

struct Silent;

impl Observer for Silent {
    fn observe(&self, _: &Event<'_>) {}
}

/// The state of each row of a file after planning, and the contacts to send.
fn planned(csv: &str, duplicates: Duplicates) -> (Vec<ListedRow>, BTreeMap<u64, Wanted>) {
    let journal = Journal::in_memory().expect("a journal");
    let source =
        Source::from_reader("in.csv", Box::new(std::io::Cursor::new(csv.to_owned())), Format::Csv).expect("a header");
    let mapping = Mapping::new(source.header(), MATCHES.map(str::to_owned).to_vec(), Mode::Upsert)
        .expect("the columns are known");
    let policy = Policy {
        mode: Mode::Upsert,
        tags_mode: TagsMode::Add,
        search_lag: std::time::Duration::from_secs(30),
        retry_in_doubt: false,
        search_first: false,
    };
    let new = NewRun {
        channel: "c".into(),
        url: String::new(),
        kind: String::new(),
        rate: 100,
        input: "in.csv".into(),
        policy,
        now: Timestamp::default(),
    };
    // Rows that need nothing are stored because they are listed.
    let files = ListFiles { results: Some("results.csv".into()), ..ListFiles::default() };
    let plan_options = PlanOptions { duplicates, files, ..PlanOptions::default() };
    let runs = plan(&journal, source, &mapping, Routes::one(new), plan_options, &Silent, &Stop::default())
        .expect("planning succeeds");
    let rows = journal.each_row(runs.sync, Rows::All, Vec::new(), |rows: &mut Vec<ListedRow>, row| {
        rows.push(row.clone());
        std::ops::ControlFlow::Continue(())
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let items = runtime.block_on(journal.pending(runs.runs[0], 0, u32::MAX)).expect("the journal works");
    let wanted = items.into_iter().map(|item| {
        let text = |value: &Value| value.text().into_owned();
        let fields = item.contact.fields().iter().map(|field| (field.name.to_string(), text(&field.value))).collect();
        let sorted = |tags: &[Text]| {
            let mut tags: Vec<String> = tags.iter().map(Text::to_string).collect();
            tags.sort();
            tags
        };
        let wanted = Wanted { fields, tags: sorted(item.contact.tags()), remove: sorted(item.contact.remove_tags()) };
        (item.row, wanted)
    });
    (rows.expect("the journal works"), wanted.collect())
}

/// The fields and tags that a row asks for.
#[derive(Clone, Debug, Default, PartialEq)]
struct Wanted {
    fields: BTreeMap<String, String>,
    tags: Vec<String>,
    remove: Vec<String>,
}

impl Wanted {
    fn with(mut self, later: &Self) -> Self {
        self.fields.extend(later.fields.clone());
        self.tags.retain(|tag| !later.remove.contains(tag));
        self.remove.retain(|tag| !later.tags.contains(tag));
        for (mine, others) in [(&mut self.tags, &later.tags), (&mut self.remove, &later.remove)] {
            mine.extend(others.iter().cloned());
            mine.sort();
            mine.dedup();
        }
        self
    }
}

/// A row of a random file: its cells by column, including blank ones.
#[derive(Clone, Debug)]
struct RandomRow {
    crm_id: &'static str,
    phone: &'static str,
    name: &'static str,
    city: &'static str,
    tags: &'static str,
    remove: &'static str,
}

impl RandomRow {
    fn wanted(&self) -> Wanted {
        let cells = [("crm_id", self.crm_id), ("phone", self.phone), ("name", self.name), ("city", self.city)];
        let fields = cells.iter().filter(|(_, cell)| !cell.is_empty());
        let tags = |cell: &str| cell.split(';').filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
        Wanted {
            fields: fields.map(|(name, cell)| ((*name).to_owned(), (*cell).to_owned())).collect(),
            tags: tags(self.tags),
            remove: tags(self.remove),
        }
    }
}

fn rows() -> impl Strategy<Value = Vec<RandomRow>> {
    let pick = |cells: &'static [&'static str]| proptest::sample::select(cells);
    let row = (
        pick(&["", "", "a", "b", "c"]),
        pick(&["", "", "1", "2", "3"]),
        pick(&["", "Ann", "Bo"]),
        pick(&["", "Lima", "Quito"]),
        pick(&["", "x", "x;y"]),
        pick(&["", "z", "w;z"]),
    );
    let row =
        row.prop_map(|(crm_id, phone, name, city, tags, remove)| RandomRow { crm_id, phone, name, city, tags, remove });
    proptest::collection::vec(row, 1..14)
}

/// A contact of the model: the values that identify it, its rows, and the result.
struct Group {
    key: String,
    stands: usize,
    wanted: Wanted,
}

/// A naive model: looks every row up in the list of contacts so far.
fn model(rows: &[RandomRow], way: Duplicates) -> (Vec<&'static str>, BTreeMap<u64, Wanted>) {
    let mut states: Vec<&'static str> = Vec::new();
    let mut groups: Vec<Group> = Vec::new();
    // The contact of a value, for values that are not keys themselves.
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let mut matches: Vec<(&str, String)> = Vec::new();
        for (name, value) in [("crm_id", row.crm_id), ("phone", row.phone)] {
            if !value.is_empty() {
                matches.push((name, format!("{name}={value}")));
            }
        }
        let Some((_, first)) = matches.first() else {
            states.push("rejected");
            continue;
        };
        let known = matches.iter().enumerate().find_map(|(nth, (_, value))| {
            let key = if groups.iter().any(|group| group.key == *value) { value } else { values.get(value)? };
            let other = |(name, value): &(&str, String)| key.starts_with(&format!("{name}=")) && key != value;
            (!matches[..nth].iter().any(other)).then(|| key.clone())
        });
        let key = known.unwrap_or_else(|| first.clone());
        let note = |values: &mut BTreeMap<String, String>, wanted: &Wanted| {
            let of = |name: &str| wanted.fields.get(name).map(|value| format!("{name}={value}"));
            let all: Vec<String> = MATCHES.iter().filter_map(|name| of(name)).collect();
            if all.len() > 1 {
                values.extend(all.into_iter().filter(|value| *value != key).map(|value| (value, key.clone())));
            }
        };
        // Another contact of the file that has a further value of the row, and could be the same person.
        let is_of_two = matches.iter().enumerate().skip(1).any(|(nth, (_, value))| {
            let is_key = groups.iter().any(|group| group.key == *value);
            let Some(owner) = (if is_key { Some(value) } else { values.get(value) }) else { return false };
            let field = |key: &str| key.split_once('=').map(|(field, _)| field.to_owned());
            let is_other = |value: &String| field(value) == field(owner) && value != owner;
            let mut before = matches[..nth].iter().map(|(_, value)| value).chain([&key]);
            *owner != key && groups.iter().any(|group| group.key == *owner) && !before.any(is_other)
        });
        let has_row = groups.iter().any(|group| group.key == key);
        if is_of_two && !(has_row && matches!(way, Duplicates::First | Duplicates::Reject)) {
            states.push("rejected");
            continue;
        }
        let wanted = row.wanted();
        let Some(group) = groups.iter_mut().find(|group| group.key == key) else {
            note(&mut values, &wanted);
            groups.push(Group { key, stands: at, wanted });
            states.push("pending");
            continue;
        };
        match way {
            Duplicates::Reject => states.push("rejected"),
            Duplicates::First => {
                note(&mut values, &wanted);
                states.push("merged");
            }
            Duplicates::Last | Duplicates::Merge => {
                states[group.stands] = "merged";
                states.push("pending");
                group.stands = at;
                group.wanted = if way == Duplicates::Last { wanted } else { group.wanted.clone().with(&wanted) };
                note(&mut values, &group.wanted);
            }
        }
    }
    let wanted = groups.into_iter().map(|group| (group.stands as u64 + 1, group.wanted)).collect();
    (states, wanted)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn rows_of_one_contact_are_merged_by_the_duplicates_mode(rows in rows()) {
        let mut csv = String::from("_row,crm_id,phone,name,city,tags,remove_tags\n");
        for RandomRow { crm_id, phone, name, city, tags, remove } in &rows {
            csv.push_str(&format!("row,{crm_id},{phone},{name},{city},{tags},{remove}\n"));
        }
        for way in Duplicates::ALL {
            let (found, sent) = planned(&csv, way);
            let (states, wanted) = model(&rows, way);
            let states_found: Vec<&str> = found.iter().map(|row| row.state.as_str()).collect();
            prop_assert_eq!(&states_found, &states, "{}\n{}", way, csv);
            prop_assert_eq!(&sent, &wanted, "{}\n{}", way, csv);
        }
    }
}

#[test]
fn a_merged_row_names_the_line_that_counts() {
    let check = |way: Duplicates, expected: &[&str]| {
        let csv = "crm_id,phone,name\na,,Ann\nb,,Bo\na,,Cy\n\na,1,Di\n,1,Ed\n";
        let (rows, _) = planned(csv, way);
        let reasons: Vec<String> = rows
            .iter()
            .map(|row| format!("{} {} {}", row.line, row.state, row.reason.as_deref().unwrap_or("-")))
            .collect();
        assert_eq!(reasons, expected, "{way}");
    };
    check(
        Duplicates::Last,
        &[
            "2 merged merged into line 4",
            "3 pending -",
            "4 merged merged into line 6",
            "6 merged merged into line 7",
            "7 pending -",
        ],
    );
    check(
        Duplicates::First,
        &[
            "2 pending -",
            "3 pending -",
            "4 merged merged into line 2",
            "6 merged merged into line 2",
            "7 merged merged into line 2",
        ],
    );
    let twice = "expected each contact once, found this one on line 2 too";
    check(
        Duplicates::Reject,
        &["2 pending -", "3 pending -", &format!("4 rejected {twice}"), &format!("6 rejected {twice}"), "7 pending -"],
    );
}

#[tokio::test]
async fn an_unchanged_row_is_merged_as_any_other() {
    let check = async |way: &str, code: i32, rows: &str, name: &str, tags: &[&str]| {
        let harness = Harness::unlimited().await;
        harness.write("in.csv", "email,name,tags\na@example.com,Ann,x\n");
        harness.sync("in.csv --match email").run().await.exits(0);
        // The first row equals the platform's contact; the second row, of the same contact, differs.
        harness.write("in.csv", "email,name,tags\na@example.com,Ann,x\na@example.com,Bo,y\n");
        // With `--tags-mode mirror`, a tag that only the first row has is removed when that row does not count.
        let options = format!("in.csv --match email --tags-mode mirror --duplicates {way}");
        let plan = harness.plan(&options).run().await.exits(code);
        let ran = harness.sync(&options).run().await.exits(code);
        assert_eq!(ran.summary().rows(), rows, "{way}");
        assert_eq!(plan.planned().rows().replace("pending", "updated"), sorted(rows), "{way}");
        let contact = &harness.sandbox.contacts(TOKEN)[0];
        assert_eq!(contact.fields["name"].text(), name, "{way}");
        assert_eq!(contact.tags.iter().map(String::as_str).collect::<Vec<_>>(), tags, "{way}");
        // A further run has nothing to do.
        let again = harness.sync(&options).run().await.exits(code).summary();
        assert_eq!((again.count("updated"), again.count("unchanged")), (0, 1), "{way}");
    };
    check("last", 0, "1 updated, 1 merged", "Bo", &["y"]).await;
    check("merge", 0, "1 updated, 1 merged", "Bo", &["x", "y"]).await;
    check("first", 0, "1 unchanged, 1 merged", "Ann", &["x"]).await;
    check("reject", 3, "1 unchanged, 1 rejected", "Ann", &["x"]).await;
}

// In the order of a plan, where pending rows come last.
fn sorted(rows: &str) -> String {
    match rows.strip_prefix("1 updated, ") {
        Some(others) => format!("{others}, 1 updated"),
        None => rows.to_owned(),
    }
}

#[tokio::test]
async fn a_row_with_the_values_of_two_contacts_is_rejected() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "phone,email,v\n+5255,,a\n,e1@x.com,b\n+5255,e1@x.com,c\n+5256,e1@x.com,d\n");
    for way in ["last", "merge"] {
        let options = format!("in.csv --match phone --match email --search-lag 1s --duplicates {way}");
        let ran = harness.sync(&options).run().await.exits(3);
        let reason = "in.csv:4: row 3 rejected: expected the match values of one contact, found the `email` of line 3, which is another contact";
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
        let text = |fields: &BTreeMap<String, Value>, name: &str| {
            fields.get(name).map_or_else(String::new, |value| value.text().into_owned())
        };
        let contacts = harness.sandbox.contacts(TOKEN);
        let mut found: Vec<_> =
            contacts.iter().map(|contact| ["phone", "email", "v"].map(|name| text(&contact.fields, name))).collect();
        found.sort();
        assert_eq!(found, [["+5255", "", "a"], ["+5256", "e1@x.com", "d"]], "{way}");
    }
}
