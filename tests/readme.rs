//! Checks the README, the pages in `docs/` and the examples against the program: commands, options, keys, output, links.

#![expect(clippy::unwrap_used, reason = "a helper that panics fails the test it is called by")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

const SAMPLE: &str = "fixtures/customers.csv";

/// The source of the exit codes.
const EXIT: &str = include_str!("../src/bin/contactsync/exit.rs");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents that users read, by their paths.
fn pages() -> BTreeMap<String, String> {
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let docs = docs.map(|entry| format!("docs/{}", entry.unwrap().file_name().to_str().unwrap()));
    let others = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "README.es.md"].map(str::to_owned);
    docs.filter(|path| Path::new(path).extension().is_some_and(|extension| extension == "md"))
        .chain(others)
        .map(|path| (path.clone(), read(&path)))
        .collect()
}

#[test]
fn every_test_target_is_described_in_contributing() {
    let page = read("CONTRIBUTING.md");
    let table = section(&page, "Tests");
    let entries = fs::read_dir(root().join("tests")).unwrap().map(|entry| entry.unwrap().path());
    let targets: Vec<String> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file())
        .map(|path| format!("`tests/{}`", path.file_name().unwrap().to_str().unwrap()))
        .collect();
    assert!(targets.len() > 15, "{targets:?}");
    let missing: Vec<_> = targets.iter().filter(|target| !table.contains(*target)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Words that make a sentence hard to read, in documents and in the program's texts.
#[test]
fn the_documents_and_the_sources_use_plain_words() {
    const AVOIDED: [&str; 6] = ["nobody", "somebody", "whoever", "of its own", "what is said", "parted by"];
    let mut texts: BTreeMap<String, String> = pages();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                texts.insert(path.display().to_string(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    let found: Vec<_> = texts
        .iter()
        .flat_map(|(path, text)| text.lines().zip(1..).map(move |(line, number)| (path, number, line.to_lowercase())))
        .filter(|(_, _, line)| AVOIDED.iter().any(|words| line.contains(words)))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_table_of_the_journal_is_in_the_table_of_personal_data() {
    let page = read("docs/personal-data.md");
    let described: BTreeSet<String> = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let schema = ["lasting", "runs", "readings"].map(|name| read(&format!("src/journal/{name}.sql"))).concat();
    let tables = schema.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")?.split_whitespace().next());
    let missing: Vec<&str> = tables.filter(|table| !described.contains(*table)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn contactsync_in(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_contactsync"));
    command.args(args).current_dir(folder).env_remove("CONTACTSYNC_TOKEN").env("TZ", "UTC");
    command.output().unwrap()
}

fn contactsync(args: &[&str]) -> Output {
    let empty = tempfile::tempdir().unwrap();
    let journal = empty.path().join("none.db");
    let mut args = args.to_vec();
    if args[0] == "plan" && args.len() > 2 {
        args.extend(["--journal", journal.to_str().unwrap()]);
    }
    contactsync_in(root(), &args)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The text between a heading of the second level and the next one.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, after) = page.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    after.split("\n## ").next().unwrap()
}

/// The fenced block after a comment such as `<!-- sample -->`, without its indentation.
fn block(page: &str, mark: &str) -> String {
    let (_, after) = page.split_once(&format!("<!-- {mark} -->\n")).unwrap_or_else(|| panic!("no mark {mark}"));
    let indent = after.len() - after.trim_start_matches(' ').len();
    let lines = after.lines().skip(1).map(|line| line.get(indent..).unwrap_or_default());
    lines.take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect()
}

/// The first cells of the table after a comment such as `<!-- keys of tags -->`, without its head.
fn cells_after(page: &str, mark: &str) -> Vec<String> {
    let (_, after) = page.split_once(&format!("<!-- {mark} -->\n")).unwrap_or_else(|| panic!("no mark {mark}"));
    first_cells(after)
}

/// The first cells of the first table in a text, without its head.
fn first_cells(text: &str) -> Vec<String> {
    let rows = text.lines().skip_while(|line| !line.starts_with("| ")).take_while(|line| line.starts_with("| "));
    let cells: Vec<String> =
        rows.skip(2).map(|row| row.split(" | ").next().unwrap().trim_matches(['|', ' ', '`']).to_owned()).collect();
    assert!(!cells.is_empty(), "no table in {text}");
    cells
}

/// The long options that start a line of a help text, except `--help`.
fn options(help: &str) -> BTreeSet<String> {
    help.lines()
        .filter_map(|line| {
            let line = line.trim_start();
            let long = line.strip_prefix("--").or_else(|| line.strip_prefix('-')?.get(1..)?.strip_prefix(", --"))?;
            Some(format!("--{}", long.split([' ', '\t', '=', '[']).next()?))
        })
        .filter(|option| option != "--help")
        .collect()
}

/// The options of a command and of its subcommands.
fn options_of(command: &str) -> BTreeSet<String> {
    let help = contactsync(&[command, "--help"]);
    let help = text(&help.stdout);
    let subcommands = help.split_once("Commands:\n").map_or("", |(_, after)| after).lines();
    let subcommands =
        subcommands.take_while(|line| line.starts_with("  ")).filter_map(|line| line.split_whitespace().next());
    let mut all = options(help);
    for subcommand in subcommands.filter(|name| *name != "help") {
        all.extend(options(text(&contactsync(&[command, subcommand, "--help"]).stdout)));
    }
    all
}

/// The options that a text names in backticks.
fn options_in(text: &str) -> BTreeSet<String> {
    let names = text.split("`--").skip(1);
    names.map(|rest| format!("--{}", rest.split(['`', ' ', '=', '[']).next().unwrap())).collect()
}

/// The keys that the program lists for an unknown one.
fn keys_known(config: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    fs::write(&file, config).unwrap();
    let ran = contactsync(&["runs", "--config", file.to_str().unwrap()]);
    let (_, keys) = text(&ran.stderr).split_once("expected one of ").unwrap();
    keys.trim().split(", ").map(str::to_owned).collect()
}

#[test]
fn the_readme_is_a_front_page() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 250, "{lines} lines");
}

/// The fenced blocks of a page.
fn fenced(page: &str) -> Vec<&str> {
    page.split("\n```").skip(1).step_by(2).collect()
}

#[test]
fn the_spanish_readme_has_the_commands_and_the_pages_of_the_english_one() {
    let (english, spanish) = (read("README.md"), read("README.es.md"));
    assert!(fenced(&english).len() > 15);
    assert_eq!(fenced(&spanish), fenced(&english));
    let targets = |page: &str| -> BTreeSet<String> {
        page.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
    };
    let (of_english, of_spanish) = (targets(&english), targets(&spanish));
    let other: Vec<_> = of_english.symmetric_difference(&of_spanish).collect();
    assert_eq!(other, ["README.es.md", "README.md"]);
    let (english, spanish) = (read("docs/safe-nightly-sync.md"), read("docs/safe-nightly-sync.es.md"));
    assert!(fenced(&english).len() > 30);
    assert_eq!(fenced(&spanish), fenced(&english));
    // The same sections, and links to the same pages.
    assert_eq!(headings(&spanish).len(), headings(&english).len());
    let pages = |page: &str| -> BTreeSet<String> {
        let other = |target: &String| !target.starts_with('#') && !target.starts_with("safe-nightly-sync");
        targets(page).into_iter().filter(other).collect()
    };
    assert_eq!(pages(&spanish), pages(&english));
}

/// The anchor that GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|&character| character.is_alphanumeric() || character == '-' || character == '_').collect()
}

fn headings(page: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let mut anchors = BTreeSet::new();
    for line in page.lines() {
        is_code ^= line.trim_start().starts_with("```");
        if let Some(heading) = line.strip_prefix('#').filter(|_| !is_code) {
            anchors.insert(anchor(heading.trim_start_matches('#').trim()));
        }
    }
    anchors
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let pages = pages();
    let mut held = 0;
    for (path, page) in &pages {
        for link in page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.starts_with("http") {
                continue;
            }
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let folder = root().join(path).parent().unwrap().to_owned();
            let target = if file.is_empty() { root().join(path) } else { folder.join(file) };
            assert!(target.exists(), "{path}: {link}: no such file");
            if !fragment.is_empty() {
                let there = headings(&fs::read_to_string(target).unwrap());
                assert!(there.contains(fragment), "{path}: {link}: no such heading among {there:?}");
            }
            held += 1;
        }
    }
    assert!(held > 50, "found only {held} links");
}

#[test]
fn the_readme_links_to_every_page_and_every_page_lists_its_sections() {
    let readme = read("README.md");
    for (path, page) in pages() {
        assert!(path == "README.md" || readme.contains(&format!("]({path})")), "README.md does not link to {path}");
        let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let is_short = sections.len() < 3;
        if is_short || ["README.md", "README.es.md", "CHANGELOG.md", "SECURITY.md"].contains(&path.as_str()) {
            continue;
        }
        for section in sections {
            let entry = format!("](#{})", anchor(section));
            assert!(page.contains(&entry), "{path}: the table of contents lacks `{section}`");
        }
    }
}

#[test]
fn every_file_and_folder_that_the_pages_name_exists() {
    let mut held = 0;
    for (path, page) in pages().into_iter().filter(|(path, _)| path != "CHANGELOG.md") {
        for name in page.split('`').skip(1).step_by(2) {
            let is_ours = ["src/", "tests/", "fixtures/", "examples/"].iter().any(|folder| name.starts_with(folder));
            if is_ours && !name.contains(' ') {
                assert!(root().join(name).exists(), "{path}: no {name}");
                held += 1;
            }
        }
    }
    assert!(held > 50, "found only {held} names");
}

#[test]
fn the_language_is_plain() {
    let mut found = Vec::new();
    let (mut sources, mut folders) = (Vec::new(), vec![root().join("src")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).expect("a source");
                sources.push((path.display().to_string(), text));
            }
        }
    }
    assert!(sources.len() > 100, "found only {} sources", sources.len());
    for (path, page) in pages().into_iter().chain(sources) {
        for (line, text) in page.lines().enumerate().map(|(at, line)| (at + 1, line.to_lowercase())) {
            let phrases = ["nobody", "somebody", "whoever", "of its own", "what is said", "parted by"];
            if phrases.iter().any(|phrase| text.contains(phrase)) {
                found.push(format!("{path}:{line}: {text}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_reference_names_every_option_and_no_other() {
    let told = options_in(&read("docs/reference.md"));
    let there: BTreeSet<String> = commands().iter().flat_map(|command| options_of(command)).collect();
    for command in ["sync", "plan"] {
        let missing: Vec<String> = options_of(command).difference(&told).cloned().collect();
        assert!(missing.is_empty(), "{command}: {missing:?}");
    }
    assert!(told.is_subset(&there), "{:?}", told.difference(&there).collect::<Vec<_>>());
}

#[test]
fn the_reference_and_the_mapping_page_name_every_key() {
    let (reference, mapping) = (read("docs/reference.md"), read("docs/mapping.md"));
    let of_mapping = cells_after(&mapping, "keys of the mapping");
    let known = keys_known("none_of_them = 1");
    assert!(of_mapping.iter().all(|key| known.contains(key)), "{of_mapping:?}");
    for key in known.iter().filter(|key| !of_mapping.contains(key)) {
        let is_named = reference.contains(&format!("`{key}`")) || reference.contains(&format!("`[{key}.NAME]`"));
        assert!(is_named, "docs/reference.md lacks `{key}`");
    }
    for (mark, config) in [
        ("keys of a field", "[fields]\nx = { none_of_them = 1 }"),
        ("keys of a step", "[fields]\nx = { column = \"a\", transform = { none_of_them = 1 } }"),
        ("keys of tags", "[[tags]]\nnone_of_them = 1"),
        ("keys of take", "[[take]]\nnone_of_them = 1"),
    ] {
        assert_eq!(cells_after(&mapping, mark), keys_known(config), "{mark}");
    }
    let alerts = read("docs/alerts.md");
    for (mark, config) in
        [("keys of notify", "[notify]\nnone_of_them = 1"), ("keys of degraded", "[notify.degraded]\nnone_of_them = 1")]
    {
        assert_eq!(cells_after(&alerts, mark), keys_known(config), "{mark}");
    }
    assert_eq!(
        cells_after(&read("docs/channels.md"), "keys of a channel"),
        keys_known("[channel.a]\nnone_of_them = 1")
    );
}

#[test]
fn the_mapping_page_names_every_transform_and_the_words_for_yes_and_no() {
    let mapping = read("docs/mapping.md");
    let steps = keys_known("[fields]\nx = { column = \"a\", transform = \"none of them\" }").join(", ");
    for step in steps.split(", found").next().unwrap().split(", ") {
        assert!(section(&mapping, "Transforms").contains(&format!("`\"{step}\"`")), "{step}");
    }
    let list = |words: &[&str], quote: &str| {
        let words: Vec<String> = words.iter().map(|word| format!("{quote}{word}{quote}")).collect();
        format!("{} or {}", words[..words.len() - 1].join(", "), words[words.len() - 1])
    };
    let mapping = mapping.replace("\n  ", " ");
    let yes = contactsync::mapping::rules::YES;
    assert!(mapping.contains(&format!("means yes: {} |", list(&yes, ""))), "{yes:?}");
    // `x` means yes for a tag only.
    let is_true: Vec<&str> =
        ["true"].into_iter().chain(yes.into_iter().filter(|&word| word != "true" && word != "x")).collect();
    assert!(mapping.contains(&format!("True is {}.", list(&is_true, "`"))), "{is_true:?}");
}

#[test]
fn the_example_of_a_mapping_is_valid_and_maps() {
    let folder = tempfile::tempdir().unwrap();
    let (config, input) = (folder.path().join("contactsync.toml"), folder.path().join("clientes.csv"));
    fs::write(&config, block(&read("docs/mapping.md"), "mapping")).unwrap();
    let header = "Nombre;Apellidos;Teléfono;Correo;Nacimiento;Plan;Ciudad;Etiquetas;Cliente VIP;Estado;Notas";
    let rows = "Ana;Pérez;55 1234 5678;ANA@example.com;05/03/1990;B;;lead;sí;Activo;x\n\
                Luis;Soto;n/a;luis@example.com;;;;;;activo;\n\
                Eva;Mora;55 8765 4321;eva@example.com;;;;;;baja;\n";
    fs::write(&input, format!("{header}\n{rows}")).unwrap();
    let plan = contactsync(&["plan", input.to_str().unwrap(), "--config", config.to_str().unwrap(), "--json"]);
    let summary: Json = serde_json::from_slice(&plan.stdout).unwrap_or_else(|_| panic!("{}", text(&plan.stderr)));
    // The filter excludes the third row.
    assert_eq!((&summary["rows"], &summary["pending"], &summary["rejected"]), (&2.into(), &1.into(), &1.into()));
}

#[test]
fn the_example_of_several_channels_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let (file, input) = (folder.path().join("contactsync.toml"), folder.path().join("in.csv"));
    fs::write(&file, block(&read("docs/channels.md"), "channels")).unwrap();
    let (file, input) = (file.to_str().unwrap(), input.to_str().unwrap());
    for channel in ["norte", "Ciudad de México", "viber"] {
        let rows =
            format!("phone,email,office\n+525512345678,a@example.com,{channel}\n+525512345679,b@example.com,x\n");
        fs::write(input, rows).unwrap();
        let ran = contactsync(&["plan", input, "--config", file, "--channel", channel]);
        assert_eq!(ran.status.code(), Some(0), "{channel}: {}", text(&ran.stderr));
        assert!(text(&ran.stdout).starts_with("1 row: 1 to send"), "{channel}: {}", text(&ran.stdout));
    }
}

#[test]
fn the_examples_of_jobs_and_alerts_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("contactsync.toml"), block(&read("docs/jobs.md"), "jobs")).unwrap();
    fs::create_dir(folder.path().join("exports")).unwrap();
    let rows = "Mail,Teléfono,Estado\na@example.com,+525550001001,activo\nb@example.com,+525550001002,baja\n";
    fs::write(folder.path().join("exports/customers.csv"), rows).unwrap();
    let ran = contactsync_in(folder.path(), &["plan", "--job", "customers"]);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    assert!(text(&ran.stdout).contains("1 row"), "{}", text(&ran.stdout));
    let ran = contactsync_in(folder.path(), &["plan", "--job", "lead"]);
    assert!(text(&ran.stderr).contains("expected one of `customers`, `leads`"), "{}", text(&ran.stderr));
    fs::write(folder.path().join("contactsync.toml"), block(&read("docs/alerts.md"), "notify")).unwrap();
    let ran = contactsync_in(folder.path(), &["plan", "exports/customers.csv", "--match", "Mail"]);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
}

#[test]
fn a_missing_token_of_one_channel_ends_the_run_before_the_first_call() {
    let folder = tempfile::tempdir().unwrap();
    let docs = read("docs/channels.md");
    // The variables of the example are not set here.
    fs::write(folder.path().join("contactsync.toml"), block(&docs, "channels")).unwrap();
    fs::create_dir(folder.path().join("secrets")).unwrap();
    fs::write(folder.path().join("secrets/mexico"), "token").unwrap();
    fs::write(folder.path().join("in.csv"), "phone,office\n+525512345678,norte\n+525512345679,viber\n").unwrap();
    let ran = contactsync_in(folder.path(), &["sync", "in.csv"]);
    assert_eq!(ran.status.code(), Some(2));
    assert_eq!(undated(text(&ran.stderr)), block(&docs, "missing token"));
}

#[test]
fn the_configurations_give_the_plan_that_is_shown() {
    let readme = read("README.md");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contactsync.toml");
    fs::write(&file, block(&readme, "configuration")).unwrap();
    for config in [file.to_str().unwrap(), "examples/contactsync.toml"] {
        let plan = contactsync(&["plan", SAMPLE, "--config", config]);
        assert!(block(&readme, "plan").ends_with(text(&plan.stdout)), "{config}: {}", text(&plan.stdout));
        assert_eq!(plan.status.code(), Some(3), "{config}: {}", text(&plan.stderr));
    }
}

/// The commands of the program.
fn commands() -> BTreeSet<String> {
    let help = contactsync(&["--help"]);
    let (_, commands) = text(&help.stdout).split_once("Commands:\n").unwrap();
    commands
        .lines()
        .take_while(|line| !line.is_empty())
        // The description of a command may continue on a line that is indented further.
        .filter(|line| !line.starts_with("    "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|command| command != "help")
        .collect()
}

#[test]
fn the_table_of_commands_is_that_of_the_program() {
    let reference = read("docs/reference.md");
    let cells = first_cells(section(&reference, "Commands"));
    let told: BTreeSet<String> = cells.iter().map(|cell| cell.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(told, commands());
}

/// The commands in the fenced blocks of a page, from the program's name on.
fn commands_in(page: &str) -> Vec<String> {
    let mut is_shell = false;
    let mut commands = Vec::new();
    for line in page.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            is_shell = language == "sh";
        } else if let Some((_, command)) = line.split_once("contactsync ").filter(|_| is_shell) {
            commands.push(command.to_owned());
        }
    }
    commands
}

#[test]
fn every_option_in_the_pages_exists() {
    let there: BTreeMap<String, BTreeSet<String>> =
        commands().into_iter().map(|command| (command.clone(), options_of(&command))).collect();
    let mut held = 0;
    for (path, page) in pages() {
        for line in commands_in(&page) {
            let command = line.split(' ').next().unwrap();
            let options = there.get(command).unwrap_or_else(|| panic!("{path}: no command {command}: {line}"));
            let words = line.split(' ').filter(|word| word.starts_with("--"));
            for option in words.map(|word| word.split('=').next().unwrap()) {
                assert!(options.contains(option), "{path}: {line}: {command} has no {option}");
                held += 1;
            }
        }
        // Options of other programs, such as cargo, appear only in blocks or after the program's name.
        for option in options_in(&page) {
            assert!(there.values().any(|options| options.contains(&option)), "{path}: no command has {option}");
            held += 1;
        }
    }
    assert!(held > 60, "found only {held} options");
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let operations = read("docs/operations.md");
    let cells = first_cells(section(&operations, "Exit codes"));
    let told: BTreeSet<u8> = cells.iter().map(|cell| cell.parse().unwrap()).collect();
    let (_, codes) = EXIT.split_once("pub enum Exit {").unwrap();
    let there: BTreeSet<u8> = codes
        .split("\n}")
        .next()
        .unwrap()
        .lines()
        .filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = ")?.1.parse().ok())
        .collect();
    assert_eq!(told, there);
}

/// All keys of an object, those of nested objects with their paths.
fn keys(object: &Json) -> BTreeSet<String> {
    let object = object.as_object().unwrap();
    object
        .iter()
        .flat_map(|(key, value)| match value {
            Json::Object(_) => keys(value).into_iter().map(|inner| format!("{key}.{inner}")).collect(),
            _ => vec![key.clone()],
        })
        .collect()
}

#[test]
fn the_summary_has_the_keys_that_are_shown_and_explained() {
    let results = read("docs/results.md");
    let told = keys(&serde_json::from_str(&block(&results, "summary")).unwrap());
    let summary = contactsync::report::RunSummary::default().to_json();
    assert_eq!(told, keys(&serde_json::from_str(&summary).unwrap()));
    for key in told.iter().map(|key| key.split('.').next().unwrap()) {
        let section = section(&results, "JSON summary");
        let is_explained = section.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{key}`")));
        assert!(is_explained, "{key}");
    }

    // A plan has the same keys and the minutes; its calls are ranges.
    let plan = contactsync(&["plan", SAMPLE, "--match", "phone", "--json"]);
    let plan: BTreeSet<String> = keys(&serde_json::from_slice(&plan.stdout).unwrap())
        .into_iter()
        .filter(|key| !key.starts_with("minutes."))
        .map(|key| key.trim_end_matches(".min").trim_end_matches(".max").to_owned())
        .collect();
    assert_eq!(told, plan);
}

#[test]
fn the_sample_gives_the_plan_that_is_shown() {
    let readme = read("README.md");
    assert_eq!(block(&readme, "sample"), read(SAMPLE));
    assert!(readme.contains(&format!("\ncontactsync plan {SAMPLE} --match phone\n")));

    let plan = contactsync(&["plan", SAMPLE, "--match", "phone"]);
    assert_eq!(block(&readme, "plan"), format!("{}{}", text(&plan.stderr), text(&plan.stdout)));
    assert_eq!(plan.status.code(), Some(3));
}

#[test]
fn init_prints_what_is_shown_and_the_next_steps_work_in_the_same_folder() {
    let readme = read("README.md");
    let folder = tempfile::tempdir().unwrap();
    let export = "fixtures/exports/spanish-excel.csv";
    fs::create_dir_all(folder.path().join("fixtures/exports")).unwrap();
    for file in [SAMPLE, export] {
        fs::copy(root().join(file), folder.path().join(file)).unwrap();
    }
    let run = |line: &str| {
        let args: Vec<&str> = line.split_whitespace().skip(1).collect();
        let output = contactsync_in(folder.path(), &args);
        (output.status.code(), [text(&output.stderr), text(&output.stdout)].concat())
    };
    let shown = block(&readme, "init output");
    assert_eq!(run(&block(&readme, "init")), (Some(0), shown.clone()));
    let (code, printed) = run(&format!("contactsync plan {SAMPLE} --match phone"));
    assert_eq!((code, printed), (Some(3), block(&readme, "plan")));
    let next: Vec<&str> = shown.lines().filter(|line| line.starts_with("  contactsync ")).collect();
    let [check, plan] = next[..] else { panic!("{shown}") };
    // Without a platform, `check` shows the mapping and ends with 2, as the README tells.
    let (code, printed) = run(check);
    assert!(
        code == Some(2) && printed.contains("the mapping") && printed.contains("no platform is configured"),
        "{printed}"
    );
    let (code, printed) = run(plan);
    assert!(code == Some(0) && printed.contains("4 rows: 4 to send"), "{printed}");
}

/// A sandbox of this test. It ends with it.
struct Sandbox {
    process: Child,
    url: String,
}

impl Sandbox {
    fn start(options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_contactsync"));
        command.args(["sandbox", "--port", "0"]).args(options).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { process, url: url.trim().to_owned() }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Lines of a log without their date and time.
fn undated(log: &str) -> String {
    let lines = log.lines().map(|line| match line.split_once(' ') {
        Some((time, rest)) if time.len() > 18 && time.as_bytes()[10] == b'T' => rest,
        _ => line,
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Output with the durations of commands, such as `  0.1 s`, replaced.
fn untimed(output: &str) -> String {
    let is_duration = |line: &str| line.starts_with("  ") && line.ends_with(" s") && line.trim().len() < 8;
    output.lines().flat_map(|line| [if is_duration(line) { "  TIME" } else { line }, "\n"]).collect()
}

#[test]
fn the_rehearsal_prints_what_is_shown_and_a_second_one_makes_no_call() {
    let readme = read("README.md");
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("fixtures")).unwrap();
    fs::copy(root().join(SAMPLE), folder.path().join(SAMPLE)).unwrap();
    let line = readme.lines().find_map(|line| line.strip_prefix("CONTACTSYNC_TOKEN=any contactsync ")).unwrap();
    let port = "http://127.0.0.1:8100/api/v1";
    let shown = block(&readme, "rehearsal").replace(port, &sandbox.url);
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_contactsync"));
        command.args(line.replace(port, &sandbox.url).split(' ')).current_dir(folder.path());
        let output = command.env("CONTACTSYNC_TOKEN", "any").output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        undated(text(&output.stderr)) + text(&output.stdout)
    };
    assert_eq!(untimed(&run()), untimed(&shown));
    assert!(run().contains("5 rows: 3 unchanged, 1 rejected, 1 merged\n  0 calls\n"));
}

#[test]
fn the_lists_of_rows_are_those_that_are_shown() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    fs::copy(root().join(SAMPLE), folder.path().join("in.csv")).unwrap();
    fs::write(folder.path().join("token"), "any").unwrap();
    // One call at a time, so that the ids follow the order of the rows.
    let options = ["--match", "phone", "--token-file", "token", "--concurrency", "1"];
    let lists = ["--rejects", "rejected.csv", "--results", "results.csv", "--url", &sandbox.url];
    let ran = contactsync_in(folder.path(), &[&["sync", "in.csv"], &options[..], &lists[..]].concat());
    assert_eq!(ran.status.code(), Some(3), "{}", text(&ran.stderr));
    let page = read("docs/results.md");
    for (mark, file) in [("rejects", "rejected.csv"), ("results", "results.csv")] {
        let list = fs::read_to_string(folder.path().join(file)).unwrap().replace("\r\n", "\n");
        assert_eq!(list, block(&page, mark), "{file}");
    }
}

#[test]
fn the_changes_of_a_plan_are_those_that_are_shown() {
    let sandbox = Sandbox::start(&["--rate", "0"]);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| fs::write(folder.path().join(name), content).unwrap();
    write("token", "any");
    write("before.csv", "email,city,tags\nann@example.com,Lima,vip;old\ncy@example.com,Quito,\n");
    write(
        "in.csv",
        "email,city,note,tags\nann@example.com,Monterrey,,vip;new\ncy@example.com,Quito,9|9,\n\
         di@example.com,La Paz,,vip\ned@example.com,Lima,,\n",
    );
    let options = ["--match", "email", "--tags-mode", "mirror", "--token-file", "token", "--url", &sandbox.url];
    let ran = contactsync_in(folder.path(), &[&["sync", "before.csv"], &options[..]].concat());
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    let plan = |more: &[&str]| contactsync_in(folder.path(), &[&["plan", "in.csv"], &options[..], more].concat());
    let page = read("docs/plans.md");
    assert!(text(&plan(&["--diff=3"]).stdout).ends_with(&block(&page, "diff")));
    // The keys of a contact in JSON.
    let json: Json = serde_json::from_slice(&plan(&["--diff=1", "--json"]).stdout).unwrap();
    let shown: Json = serde_json::from_str(&block(&page, "json diff")).unwrap();
    assert_eq!(json["diff"], shown["diff"]);
}

#[test]
fn the_missing_contact_of_a_plan_is_the_one_that_is_shown() {
    let sandbox = Sandbox::start(&["--rate", "0"]);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| fs::write(folder.path().join(name), content).unwrap();
    write("token", "any");
    let others = (0..20).map(|nth| format!("contact{nth}@example.com\n")).collect::<Vec<_>>().concat();
    write("before.csv", &format!("email\nann@example.com\n{others}"));
    write("in.csv", &format!("email\n{others}"));
    let options = ["--match", "email", "--on-missing", "tag:left", "--token-file", "token", "--url", &sandbox.url];
    let ran = contactsync_in(folder.path(), &[&["sync", "before.csv"], &options[..]].concat());
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    let plan = contactsync_in(folder.path(), &[&["plan", "in.csv", "--diff"], &options[..]].concat());
    let shown = block(&read("docs/missing.md"), "missing");
    assert!(text(&plan.stdout).contains(&shown), "{}", text(&plan.stdout));
}

#[test]
fn the_fields_that_cause_updates_are_those_that_are_shown() {
    let sandbox = Sandbox::start(&["--rate", "0"]);
    let folder = tempfile::tempdir().unwrap();
    let write = |seen: &str, city: &str| {
        let row = |nth: usize| format!("p{nth}@example.com,{},{seen}\n", if nth == 0 { city } else { "Lima" });
        let rows: String = (0..12).map(row).collect();
        fs::write(folder.path().join("in.csv"), format!("email,city,lastSeen\n{rows}")).unwrap();
    };
    fs::write(folder.path().join("token"), "any").unwrap();
    let options = ["in.csv", "--match", "email", "--token-file", "token", "--url", &sandbox.url];
    write("1", "Lima");
    let ran = contactsync_in(folder.path(), &[&["sync"], &options[..]].concat());
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    write("2", "Quito");
    let plan = |more: &[&str]| contactsync_in(folder.path(), &[&["plan"], &options[..], more].concat()).stdout;
    let page = read("docs/plans.md");
    assert!(text(&plan(&[])).ends_with(&block(&page, "causes")), "{}", text(&plan(&[])));
    assert!(text(&plan(&["--output", "markdown"])).contains("- updated fields: \\`lastSeen\\` in 12"));
    let json: Json = serde_json::from_slice(&plan(&["--json"])).unwrap();
    let shown: Json = serde_json::from_str(&block(&page, "json causes")).unwrap();
    assert_eq!(json["fields"], shown["fields"]);
}

/// A line of `runs` without the time of its start.
fn unstarted(runs: &str) -> Vec<String> {
    let lines = runs.lines().map(|line| {
        let (run, rest) = line.split_once("  ").unwrap();
        format!("{run} {}", rest.get("2026-11-26 02:30:01".len()..).unwrap())
    });
    lines.collect()
}

#[test]
fn the_history_is_the_one_that_is_shown() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    fs::copy(root().join("fixtures/contacts.csv"), folder.path().join("contacts.csv")).unwrap();
    fs::write(folder.path().join("token"), "any").unwrap();
    let sync = |more: &[&str]| {
        let args = ["sync", "contacts.csv", "--match", "phone", "--token-file", "token"];
        [&args[..], more].concat().iter().map(|&arg| arg.to_owned()).collect::<Vec<String>>()
    };
    let run = |args: Vec<String>| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        contactsync_in(folder.path(), &args)
    };
    assert_eq!(run(sync(&["--max-calls", "30", "--url", &sandbox.url])).status.code(), Some(4));
    assert_eq!(run(sync(&["--url", &sandbox.url])).status.code(), Some(0));

    // Seven contacts change; the platform moves and answers after the kill.
    let changed = fs::read_to_string(folder.path().join("contacts.csv")).unwrap().replace("free", "pro");
    fs::write(folder.path().join("contacts.csv"), changed).unwrap();
    let slow = Sandbox::start(&["--latency", "60s"]);
    let mut killed = Command::new(env!("CARGO_BIN_EXE_contactsync"))
        .args(sync(&["--url", &slow.url, "--moved", "--new-token"]))
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let runs = || text(&contactsync_in(folder.path(), &["runs"]).stdout).to_owned();
    let begun = Instant::now();
    while !runs().contains("7 calls ") {
        assert!(begun.elapsed() < Duration::from_mins(2), "{}", runs());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(runs().contains("sending"), "{}", runs());
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(unstarted(&runs()), unstarted(&block(&read("docs/operations.md"), "runs")));
}

/// A report without what differs each time: times, and the calls that happened to be slow.
fn unmeasured(report: &str) -> String {
    let report = report.split("\nslowest calls\n").next().unwrap();
    let line = |line: &str| {
        let name = line.trim().split(' ').next().unwrap().to_owned();
        if ["time", "started", "waits", "latency", "channel"].contains(&name.as_str()) { name } else { line.to_owned() }
    };
    report.lines().map(|text| line(text) + "\n").collect()
}

#[test]
fn the_report_and_the_comparison_are_those_that_are_shown() {
    let page = read("docs/report.md");
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("fixtures")).unwrap();
    fs::copy(root().join(SAMPLE), folder.path().join(SAMPLE)).unwrap();
    fs::write(folder.path().join("token"), "any").unwrap();
    let run = |args: &[&str]| {
        let ran = contactsync_in(folder.path(), args);
        (ran.status.code(), text(&ran.stdout).to_owned())
    };
    let sync = ["sync", SAMPLE, "--match", "phone", "--token-file", "token", "--url", &sandbox.url];
    assert_eq!(run(&sync).0, Some(3));
    let (code, report) = run(&["report"]);
    assert_eq!((code, unmeasured(&report)), (Some(0), unmeasured(&block(&page, "report"))));
    // Its keys, of which several share a row.
    let (_, json) = run(&["report", "--json"]);
    let json: Json = serde_json::from_str(&json).unwrap();
    let there: BTreeSet<String> = json.as_object().unwrap().keys().cloned().collect();
    let cells = cells_after(&page, "report keys");
    let told: BTreeSet<String> =
        cells.iter().flat_map(|cell| cell.split(", ")).map(|key| key.trim_matches('`').to_owned()).collect();
    assert_eq!(told, there);
    // The rejected row gets a phone.
    fs::write(folder.path().join(SAMPLE), read(SAMPLE).replace("\n,Diego", "\n+525550001004,Diego")).unwrap();
    assert_eq!(run(&sync).0, Some(0));
    let (code, compared) = run(&["runs", "diff", "1", "2"]);
    assert_eq!((code, unmeasured(&compared)), (Some(0), unmeasured(&block(&page, "runs diff"))));
}

#[test]
fn the_states_of_a_run_are_all_explained() {
    use contactsync::history::RunState;
    let told: BTreeSet<String> = cells_after(&read("docs/operations.md"), "states").into_iter().collect();
    let all = [
        RunState::Planning,
        RunState::Planned,
        RunState::Sending,
        RunState::Finished,
        RunState::Stopped,
        RunState::Failed,
        RunState::Replaced,
    ];
    // `runs` shows this for a run whose process is gone.
    let there: BTreeSet<String> =
        all.iter().map(|state| state.name().to_owned()).chain(["interrupted".to_owned()]).collect();
    assert_eq!(told, there);
}

#[test]
fn five_seconds_are_too_short_for_a_call() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    fs::copy(root().join(SAMPLE), folder.path().join("in.csv")).unwrap();
    fs::write(folder.path().join("token"), "any").unwrap();
    let args = ["sync", "in.csv", "--match", "phone", "--token-file", "token", "--url", &sandbox.url, "--for", "5"];
    let ran = contactsync_in(folder.path(), &args);
    assert_eq!(ran.status.code(), Some(4));
    assert!(text(&ran.stdout).contains("3 pending\n  0 calls\n"), "{}", text(&ran.stdout));
}

/// A scheduled command runs with the example configuration up to the guard, which is the last step before the first call.
fn runs_as_scheduled(command: &str, folder: &Path) {
    let place = |path: &str| folder.join(path).to_str().unwrap().to_owned();
    let config = if command.contains("--config") { "etc/contactsync.toml" } else { "job/contactsync.toml" };
    for inner in ["etc", "job", "state", "crm"] {
        fs::create_dir_all(folder.join(inner)).unwrap();
    }
    fs::copy(root().join("examples/contactsync.toml"), folder.join(config)).unwrap();
    fs::write(folder.join("crm/contacts.csv"), "phone,tags\n+525550001001,lead\n").unwrap();
    for token in ["etc/token", "job/token"] {
        fs::write(folder.join(token), "any").unwrap();
    }
    let command = command
        .replace("/srv/crm", &place("crm"))
        .replace("/etc/contactsync", &place("etc"))
        .replace("${CREDENTIALS_DIRECTORY}", &place("etc"))
        .replace("${STATE_DIRECTORY}", &place("state"));
    let mut args: Vec<&str> = command.split_whitespace().collect();
    args.extend(["--max-changes", "0"]);
    let ran = contactsync_in(&folder.join("job"), &args);
    assert_eq!(ran.status.code(), Some(7), "{command}: {}", text(&ran.stderr));
    let journal = if command.contains("--journal") { "state/contactsync.db" } else { "job/contactsync.db" };
    assert!(folder.join(journal).exists(), "no {journal}");
}

#[test]
fn the_examples_for_cron_and_systemd_run_and_the_pages_show_them() {
    let between = |text: &str, begin: &str, end: &str| {
        let (_, after) = text.split_once(begin).unwrap_or_else(|| panic!("no {begin}"));
        after.split(end).next().unwrap().trim().to_owned()
    };
    let cron = between(&read("examples/contactsync.crontab"), "/bin/contactsync\" ", " >> sync.log");
    let service = read("examples/systemd/contactsync.service");
    let systemd = between(&service, "ExecStart=/usr/local/bin/contactsync ", "\n");
    for command in [&cron, &systemd] {
        runs_as_scheduled(command, tempfile::tempdir().unwrap().path());
    }
    for page in ["README.md", "docs/operations.md"] {
        assert!(block(&read(page), "crontab").contains(&cron), "{page}: {cron}");
    }
    for line in block(&read("docs/operations.md"), "systemd").lines() {
        assert!(service.contains(line), "{line}");
    }
}

/// Numbers of the pages that the code or the fixtures decide.
#[test]
fn the_figures_are_those_of_the_code() {
    let count = |folder: &str| {
        let files = fs::read_dir(root().join(folder)).unwrap();
        files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|ext| ext == "http")).count()
    };
    let answers = count("fixtures/answers") + count("fixtures/answers/laravel");
    let minutes = contactsync::OUTAGE_TIMEOUT.as_secs() / 60;
    let presets: Vec<String> = contactsync::client::PRESETS.iter().map(|preset| format!("`{}`", preset.name)).collect();
    let presets = format!("{} or {}", presets[..presets.len() - 1].join(", "), presets[presets.len() - 1]);
    for (page, figure) in [
        ("docs/promises.md", format!("each of {answers} raw answers")),
        ("docs/promises.md", format!("(`--outage-timeout`, {minutes} minutes;")),
        ("docs/operations.md", format!("A call may take up to {} seconds", contactsync::client::TIMEOUT.as_secs())),
        ("README.md", format!("`platform` is {presets}.")),
    ] {
        assert!(read(page).contains(&figure), "{page}: {figure}");
    }
}
