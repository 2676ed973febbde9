//! The README held to the program: its tables, its sample and its summary say what the program does.

#![expect(clippy::unwrap_used, reason = "a helper that panics fails the test it is called by")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value as Json;

const README: &str = include_str!("../README.md");
const SAMPLE: &str = "fixtures/customers.csv";

/// Where the exit codes are.
const FAILURE: &str = include_str!("../src/bin/contactsync/failure.rs");

fn contactsync(args: &[&str]) -> Output {
    let empty = tempfile::tempdir().unwrap();
    let journal = empty.path().join("none.db");
    let mut command = Command::new(env!("CARGO_BIN_EXE_contactsync"));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("CONTACTSYNC_TOKEN");
    if args[0] == "plan" && args.len() > 2 {
        command.arg("--journal").arg(journal);
    }
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What stands between a heading and the next one.
fn section(heading: &str) -> &'static str {
    let (_, after) = README.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    after.split("\n## ").next().unwrap()
}

/// The fenced block after a comment such as `<!-- sample -->`.
fn block(mark: &str) -> &'static str {
    let (_, after) = README.split_once(&format!("<!-- {mark} -->\n```")).unwrap_or_else(|| panic!("no mark {mark}"));
    let (_, after) = after.split_once('\n').unwrap();
    after.split("```").next().unwrap()
}

/// The first cells of a section's table, without its head.
fn first_cells(heading: &str) -> Vec<&'static str> {
    let cells: Vec<&str> = section(heading)
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .skip(2)
        .map(|line| line.split(" | ").next().unwrap().trim_matches('`'))
        .collect();
    assert!(!cells.is_empty(), "no table in {heading}");
    cells
}

/// The long options that stand at the beginning of a line of a help text, but for help itself.
fn options(help: &str) -> BTreeSet<String> {
    help.lines()
        .filter_map(|line| {
            let line = line.trim_start();
            let long = line.strip_prefix("--").or_else(|| line.strip_prefix('-')?.get(1..)?.strip_prefix(", --"))?;
            Some(format!("--{}", long.split([' ', '\t']).next()?))
        })
        .filter(|option| option != "--help")
        .collect()
}

#[test]
fn the_table_of_options_is_that_of_sync_and_of_plan() {
    let told: BTreeSet<String> = first_cells("Options of `plan` and `sync`")
        .iter()
        .map(|cell| cell.split(' ').next().unwrap().to_owned())
        .collect();
    for command in ["sync", "plan"] {
        let help = contactsync(&[command, "--help"]);
        assert_eq!(told, options(text(&help.stdout)), "{command}");
    }
}

/// The keys that the program lists when it is given one that is none.
fn keys_known(config: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    std::fs::write(&file, config).unwrap();
    let ran = contactsync(&["runs", "--config", file.to_str().unwrap()]);
    let (_, keys) = text(&ran.stderr).split_once("expected one of ").unwrap();
    keys.trim().split(", ").map(str::to_owned).collect()
}

#[test]
fn the_tables_of_keys_are_those_of_the_program() {
    let (connection, mapping) = (first_cells("`contactsync.toml`"), keys_told("the mapping"));
    assert_eq!([connection, mapping].concat(), keys_known("none_of_them = 1"));
    assert_eq!(first_cells("Several channels"), keys_known("[channel.a]\nnone_of_them = 1"));

    // Each says the option that it stands for, and the options without a key are told.
    let rows = || section("`contactsync.toml`").lines().filter_map(|line| line.strip_prefix("| `"));
    for (key, option) in rows().map(|row| (row.split('`').next().unwrap(), row.rsplit(" | ").next().unwrap())) {
        assert_eq!(option, format!("`--{}` |", key.replace('_', "-")));
    }
    let options: BTreeSet<&str> = first_cells("Options of `plan` and `sync`")
        .iter()
        .map(|cell| cell.trim_start_matches("--").split(' ').next().unwrap())
        .collect();
    let (_, without) = section("`contactsync.toml`").split_once("\n\n`--config`").unwrap();
    let without = format!("`--config`{}", without.split(" are for one run").next().unwrap());
    let without: BTreeSet<&str> = without.split("`--").skip(1).map(|name| name.split('`').next().unwrap()).collect();
    let with: BTreeSet<String> = rows().map(|row| row.split('`').next().unwrap().replace('_', "-")).collect();
    let all: BTreeSet<&str> = with.iter().map(String::as_str).chain(without.iter().copied()).collect();
    assert_eq!(options, all);
}

/// The first cells of the table after a comment such as `<!-- keys of tags -->`.
fn keys_told(of: &str) -> Vec<&'static str> {
    let mark = format!("<!-- keys of {of} -->\n");
    let (_, after) = README.split_once(&mark).unwrap_or_else(|| panic!("no mark {mark}"));
    let rows = after.lines().take_while(|line| line.starts_with("| ")).skip(2);
    rows.map(|row| row.split('`').nth(1).unwrap()).collect()
}

#[test]
fn the_tables_of_the_mapping_are_those_of_the_program() {
    assert_eq!(keys_told("a field"), keys_known("[fields]\nx = { none_of_them = 1 }"));
    assert_eq!(keys_told("a step"), keys_known("[fields]\nx = { column = \"a\", transform = { none_of_them = 1 } }"));
    assert_eq!(keys_told("tags"), keys_known("[[tags]]\nnone_of_them = 1"));
    assert_eq!(keys_told("take"), keys_known("[[take]]\nnone_of_them = 1"));
    // The steps that have a name alone, and what means yes.
    let steps = keys_known("[fields]\nx = { column = \"a\", transform = \"none of them\" }").join(", ");
    for step in steps.split(", found").next().unwrap().split(", ") {
        assert!(section("The mapping").contains(&format!("`\"{step}\"`")), "{step}");
    }
    let yes = contactsync::rules::YES;
    let yes = format!("{} or {}", yes[..yes.len() - 1].join(", "), yes[yes.len() - 1]);
    assert!(section("The mapping").contains(&format!("says yes: {yes} |")), "{yes}");
}

#[test]
fn the_example_of_a_mapping_is_understood_and_maps() {
    let folder = tempfile::tempdir().unwrap();
    let (config, input) = (folder.path().join("contactsync.toml"), folder.path().join("clientes.csv"));
    std::fs::write(&config, block("mapping")).unwrap();
    let header = "Nombre;Apellidos;Teléfono;Correo;Nacimiento;Plan;Ciudad;Etiquetas;Cliente VIP;Estado;Notas";
    let rows = "Ana;Pérez;55 1234 5678;ANA@example.com;05/03/1990;B;;lead;sí;Activo;x\n\
                Luis;Soto;n/a;luis@example.com;;;;;;activo;\n\
                Eva;Mora;55 8765 4321;eva@example.com;;;;;;baja;\n";
    std::fs::write(&input, format!("{header}\n{rows}")).unwrap();
    let plan = contactsync(&["plan", input.to_str().unwrap(), "--config", config.to_str().unwrap(), "--json"]);
    let summary: Json = serde_json::from_slice(&plan.stdout).unwrap_or_else(|_| panic!("{}", text(&plan.stderr)));
    // The third row is not taken.
    assert_eq!((&summary["rows"], &summary["pending"], &summary["rejected"]), (&2.into(), &1.into(), &1.into()));
}

#[test]
fn the_example_of_several_channels_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let (file, input) = (folder.path().join("contactsync.toml"), folder.path().join("in.csv"));
    std::fs::write(&file, block("channels")).unwrap();
    let (file, input) = (file.to_str().unwrap(), input.to_str().unwrap());
    for channel in ["norte", "Ciudad de México", "viber"] {
        let rows =
            format!("phone,email,office\n+525512345678,a@example.com,{channel}\n+525512345679,b@example.com,x\n");
        std::fs::write(input, rows).unwrap();
        let ran = contactsync(&["plan", input, "--config", file, "--channel", channel]);
        assert_eq!(ran.status.code(), Some(0), "{channel}: {}", text(&ran.stderr));
        assert!(text(&ran.stdout).starts_with("1 row: 1 to send"), "{channel}: {}", text(&ran.stdout));
    }
}

#[test]
fn the_example_of_a_configuration_gives_the_plan_that_is_told() {
    let plan = contactsync(&["plan", SAMPLE, "--config", "examples/contactsync.toml"]);
    assert!(block("plan").ends_with(text(&plan.stdout)), "{}", text(&plan.stdout));
    assert_eq!(plan.status.code(), Some(3), "{}", text(&plan.stderr));
}

#[test]
fn the_table_of_commands_is_that_of_the_program() {
    let told: BTreeSet<&str> = first_cells("Commands").iter().map(|cell| cell.split(' ').next().unwrap()).collect();
    let help = contactsync(&["--help"]);
    let (_, commands) = text(&help.stdout).split_once("Commands:\n").unwrap();
    let there: BTreeSet<&str> = commands
        .lines()
        .take_while(|line| !line.is_empty())
        // What a command does may go on in a further line, which begins further in.
        .filter(|line| !line.starts_with("    "))
        .map(|line| line.split_whitespace().next().unwrap())
        .filter(|&command| command != "help")
        .collect();
    assert_eq!(told, there);
}

#[test]
fn every_option_in_a_command_of_the_readme_exists() {
    let lines = README.lines().filter_map(|line| line.strip_prefix("contactsync "));
    let mut held = 0;
    for line in lines {
        let command = line.split(' ').next().unwrap();
        let there = options(text(&contactsync(&[command, "--help"]).stdout));
        for option in line.split(' ').filter(|word| word.starts_with("--")) {
            assert!(there.contains(option), "{line}: {command} has no {option}");
            held += 1;
        }
    }
    assert!(held > 10, "found only {held} options: are the commands still there?");
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let told: BTreeSet<u8> = first_cells("Exit codes").iter().map(|cell| cell.parse().unwrap()).collect();
    let (_, codes) = FAILURE.split_once("pub enum Exit {").unwrap();
    let there: BTreeSet<u8> = codes
        .split("\n}")
        .next()
        .unwrap()
        .lines()
        .filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = ")?.1.parse().ok())
        .collect();
    assert_eq!(told, there);
}

/// All keys of an object, those of objects inside with their paths.
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
fn the_summary_has_the_keys_that_are_told() {
    let told = keys(&serde_json::from_str(block("summary")).unwrap());
    let summary = contactsync::RunSummary::default().to_json();
    assert_eq!(told, keys(&serde_json::from_str(&summary).unwrap()));

    // A plan has the same and the minutes; its calls are ranges.
    let plan = contactsync(&["plan", SAMPLE, "--match", "phone", "--json"]);
    let plan: BTreeSet<String> = keys(&serde_json::from_slice(&plan.stdout).unwrap())
        .into_iter()
        .filter(|key| !key.starts_with("minutes."))
        .map(|key| key.trim_end_matches(".min").trim_end_matches(".max").to_owned())
        .collect();
    assert_eq!(told, plan);
}

#[test]
fn the_sample_gives_the_plan_that_is_told() {
    let file = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLE)).unwrap();
    assert_eq!(block("sample"), file);
    assert!(README.contains(&format!("\ncontactsync plan {SAMPLE} --match phone\n")));

    let plan = contactsync(&["plan", SAMPLE, "--match", "phone"]);
    assert_eq!(block("plan"), format!("{}{}", text(&plan.stderr), text(&plan.stdout)));
    assert_eq!(plan.status.code(), Some(3));
}

#[test]
fn the_example_of_init_says_what_is_told_and_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let export = "fixtures/exports/spanish-excel.csv";
    std::fs::create_dir_all(folder.path().join("fixtures/exports")).unwrap();
    for file in [SAMPLE, export] {
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), folder.path().join(file)).unwrap();
    }
    let run = |line: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_contactsync"));
        command.args(line.split_whitespace().skip(1)).current_dir(folder.path()).env_remove("CONTACTSYNC_TOKEN");
        let output = command.output().unwrap();
        (output.status.code(), [text(&output.stderr), text(&output.stdout)].concat())
    };
    assert_eq!(run(block("init")), (Some(0), block("what init says").to_owned()));
    // What follows in the text goes on with the sample, in the same folder.
    let (code, said) = run(&format!("contactsync plan {SAMPLE} --match phone"));
    assert_eq!((code, said.as_str()), (Some(3), block("plan")));
    let (code, said) = run(block("what init says").lines().last().unwrap());
    assert!(code == Some(0) && said.contains("4 rows: 4 to send"), "{said}");
}
