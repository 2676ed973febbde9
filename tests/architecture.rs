//! Holds the sources against the layers that `docs/architecture.md` describes: what may import what, and what stands in one place only.
//!
//! The sources are read as text: comments, strings and tests are taken out, `use` trees are unfolded, and relative paths
//! are made whole. What is left are paths such as `crate::journal::Journal`, which the rules look at.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a rule holds, by the beginning of a file's path.
enum Where {
    /// In these and nowhere else.
    In(&'static [&'static str]),
    /// Everywhere but in these.
    OutOf(&'static [&'static str]),
}

/// What must not stand where.
struct Rule {
    why: &'static str,
    files: Where,
    forbidden: &'static [&'static str],
    allowed: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule {
        why: "core imports none of the layers above it",
        files: Where::In(&["src/core/"]),
        forbidden: &[
            "crate::input",
            "crate::journal",
            "crate::platform",
            "crate::sandbox",
            "crate::sync",
            "contactsync",
        ],
        allowed: &[],
    },
    Rule {
        why: "the core does no I/O, reads no clock, and is never async",
        files: Where::In(&["src/core/"]),
        forbidden: &[
            "async",
            "await",
            "std::env",
            "std::fs",
            "std::future",
            "std::io",
            "std::net",
            "std::os",
            "std::process",
            "std::thread",
            "std::time::Instant",
            "std::time::SystemTime",
        ],
        allowed: &[],
    },
    Rule {
        why: "use cases do not depend on the command line",
        files: Where::In(&["src/sync/"]),
        forbidden: &["contactsync", "std::env", "std::process", "std::thread"],
        allowed: &[],
    },
    Rule {
        why: "SQL is the journal's",
        files: Where::OutOf(&["src/journal/"]),
        forbidden: &["rusqlite"],
        allowed: &[],
    },
    Rule {
        why: "only the journal says that an intent is committed",
        files: Where::OutOf(&["src/journal/"]),
        forbidden: &["crate::core::call::Started::committed", "Started::committed"],
        allowed: &[],
    },
    Rule {
        why: "HTTP to the platform is the platform's",
        files: Where::OutOf(&["src/platform/"]),
        forbidden: &["reqwest", "secrecy"],
        allowed: &[],
    },
    Rule {
        why: "`backoff` is no longer maintained, so it has one place",
        files: Where::OutOf(&["src/platform/limiter/delays.rs"]),
        forbidden: &["backoff"],
        allowed: &[],
    },
    Rule {
        why: "only the limiter waits; the journal and the token command wait for other processes",
        files: Where::OutOf(&[
            "src/platform/limiter/",
            "src/sandbox/",
            "src/bin/contactsync/settings/token.rs",
            "src/journal/files.rs",
            "src/journal/lock.rs",
            "src/journal/store/opening.rs",
        ]),
        forbidden: &["tokio::time", "std::thread::sleep", "thread::sleep", "governor"],
        // The tick of the progress: nothing waits for it.
        allowed: &["tokio::time::interval"],
    },
    Rule {
        why: "the machine's clock is the process's clock's",
        files: Where::OutOf(&["src/platform/limiter/clock.rs"]),
        forbidden: &["rustix::time"],
        allowed: &[],
    },
    Rule {
        why: "how files are packed and written is the source's",
        files: Where::OutOf(&["src/input/"]),
        forbidden: &["calamine", "chardetng", "csv_core", "flate2", "quick_xml", "zip", "zstd"],
        allowed: &[],
    },
    Rule {
        why: "temporary files are the source's, and the journal's for a new one and for a copy that a dry run upgrades",
        files: Where::OutOf(&["src/input/", "src/journal/store.rs", "src/journal/store/opening.rs"]),
        forbidden: &["tempfile"],
        allowed: &[],
    },
    Rule {
        why: "text in other encodings is read by the source, and written back by the report",
        files: Where::OutOf(&["src/input/", "src/sync/report/"]),
        forbidden: &["encoding_rs"],
        allowed: &[],
    },
    Rule {
        why: "a server is the sandbox's",
        files: Where::OutOf(&["src/sandbox/"]),
        forbidden: &["axum", "hyper::server", "hyper_util", "tower"],
        allowed: &[],
    },
    Rule {
        why: "local time is the binary's, and the clock's for the reason of a stop",
        files: Where::OutOf(&["src/bin/", "src/platform/limiter/clock.rs"]),
        forbidden: &["jiff"],
        allowed: &[],
    },
    Rule {
        why: "the binary calls use cases, which pass the guards, and not the engine",
        files: Where::In(&["src/bin/"]),
        forbidden: &["Lock::of_channel", "contactsync::engine"],
        allowed: &[],
    },
    Rule {
        why: "only the binary talks to a person",
        files: Where::OutOf(&["src/bin/"]),
        forbidden: &["clap", "indicatif", "print!", "println!", "eprint!", "eprintln!", "dbg!"],
        allowed: &[],
    },
];

/// The crates that the core may use: values, tables and their hashes, their serialization, their errors, a digest, and what a value is held
/// against: patterns, the numbers of each country, one form for what looks the same, and the code pages of DOS.
const CRATES_OF_THE_CORE: [&str; 11] = [
    "compact_str",
    "hashbrown",
    "regex",
    "rlibphonenumber",
    "serde",
    "serde_json",
    "sha2",
    "siphasher",
    "thiserror",
    "unicode_normalization",
    "yore",
];

/// The layer between the core and the use cases: each adapter touches one part of the world.
const ADAPTERS: [&str; 4] = ["input", "journal", "platform", "sandbox"];

/// Names that say nothing of what a module holds.
const EMPTY_NAMES: [&str; 10] =
    ["utils", "util", "helpers", "helper", "common", "manager", "handler", "handlers", "data", "misc"];

#[test]
fn the_sources_keep_to_their_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = dependencies(&fs::read_to_string(root.join("Cargo.toml")).expect("the manifest"));
    assert!(crates.iter().any(|name| name == "tokio") && crates.iter().any(|name| name == "serde_json"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    assert!(files.len() > 50, "the sources are there");
    let mut broken = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).expect("it is under the root").to_str().expect("a plain name");
        let name = name.replace('\\', "/");
        broken.extend(faults(&name, &fs::read_to_string(&file).expect("a source"), &crates));
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn modules_do_not_import_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    let sources = files.iter().map(|file| {
        let name = file.strip_prefix(root).expect("it is under the root").to_str().expect("a plain name");
        (name.replace('\\', "/"), fs::read_to_string(file).expect("a source"))
    });
    let found = circles(&sources.collect::<Vec<_>>());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_found() {
    let check = |sources: &[(&str, &str)], expected: &[&str]| {
        let sources: Vec<_> = sources.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())).collect();
        assert_eq!(circles(&sources), expected, "{sources:?}");
    };
    let (a, b, c) = ("src/core/a.rs", "src/core/b.rs", "src/core/c.rs");
    check(&[(a, "use super::b::B;"), (b, "use crate::core::c::C;"), (c, "")], &[]);
    check(&[(a, "use super::b::B;"), (b, "use crate::core::a::A;")], &["src/core/a.rs, src/core/b.rs"]);
    check(
        &[(a, "use super::b::B;"), (b, "fn f() { super::c::c(); }"), (c, "use crate::core::{a::A, b::B};")],
        &["src/core/a.rs, src/core/b.rs, src/core/c.rs"],
    );
    // A module and the one that it is a part of are one thing.
    check(&[("src/core/mod.rs", "pub use self::a::A;"), (a, "use super::S;")], &[]);
    // The binary's modules are its own.
    check(&[("src/bin/contactsync/core.rs", "use crate::a::A;"), ("src/bin/contactsync/a.rs", ""), (a, "")], &[]);
    let (one, other) = ("src/bin/contactsync/x.rs", "src/bin/contactsync/y/mod.rs");
    check(
        &[(one, "use crate::y::Y;"), (other, "use crate::x::X;")],
        &["src/bin/contactsync/x.rs, src/bin/contactsync/y/mod.rs"],
    );
}

#[test]
fn modules_are_named_for_what_they_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches", "examples"] {
        collect(&root.join(folder), &mut files);
    }
    let broken: Vec<_> = files
        .iter()
        .filter_map(|file| file.strip_prefix(root).ok())
        .filter(|file| file.with_extension("").iter().any(|part| is_empty_name(&part.to_string_lossy())))
        .collect();
    assert!(broken.is_empty(), "{broken:?}");
    assert!(is_empty_name("helpers") && !is_empty_name("model"));
}

#[test]
fn a_broken_rule_is_found() {
    let crates: Vec<String> = ["tokio", "serde", "serde_json", "fastrand", "reqwest"].map(str::to_owned).into();
    let check = |file: &str, source: &str, expected: &[&str]| {
        let found = faults(file, source, &crates);
        assert_eq!(found.len(), expected.len(), "{file}: {source}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(file) && found.contains(expected), "{expected}: {found}");
        }
    };
    // The core.
    check("src/core/task.rs", "use crate::core::model::Key;\nuse std::time::Duration;", &[]);
    check("src/core/task.rs", "use crate::journal::Journal;", &["crate::journal::Journal"]);
    check("src/core/task.rs", "use super::super::platform::limiter;", &["crate::platform::limiter"]);
    check("src/core/task.rs", "use crate::{core::model, sync as e};", &["crate::sync"]);
    check("src/core/task.rs", "fn f() { crate :: sync :: send(); }", &["crate::sync::send"]);
    check("src/core/time.rs", "use std::time::{Duration, SystemTime};", &["std::time::SystemTime"]);
    check("src/core/time.rs", "fn f() { std::time::Instant::now(); }", &["std::time::Instant::now"]);
    check("src/core/time.rs", "use std::time::*;", &["std::time::*"]);
    check("src/core/time.rs", "use std::{fmt, fs::{self, File}};", &["std::fs", "std::fs::File"]);
    check("src/core/forecast.rs", "async fn f() {}", &["async"]);
    check("src/core/forecast.rs", "use tokio::sync::Notify;", &["tokio::sync::Notify"]);
    check("src/core/retry.rs", "fn f() -> f64 { fastrand::f64() }", &["fastrand::f64"]);
    check("src/core/retry.rs", "use serde_json::Value;\nuse serde::Serialize;", &[]);
    // Adapters.
    check(
        "src/platform/limiter/mod.rs",
        "use crate::core::window::Window;\nuse crate::platform::limiter::delays;",
        &[],
    );
    check("src/platform/limiter/mod.rs", "use crate::journal::Journal;", &["platform and journal"]);
    check("src/platform/limiter/mod.rs", "use super::super::journal::Journal;", &["platform and journal"]);
    check("src/journal/mod.rs", "use super::platform::Http;", &["journal and platform"]);
    check("src/input/csv.rs", "use super::super::journal::Journal;", &["input and journal"]);
    check("src/input/csv.rs", "use super::error::SourceError;", &[]);
    check("src/journal/mod.rs", "use crate::sync::Ending;", &["crate::sync::Ending"]);
    check("src/sync/run.rs", "use crate::journal::Journal; use crate::platform::Http;", &[]);
    // One place each.
    check("src/input/mod.rs", "use rusqlite::Connection;", &["rusqlite::Connection"]);
    check("src/journal/store.rs", "use rusqlite::Connection;", &[]);
    check("src/sync/run.rs", "let s = Started::committed(1);", &["Started::committed"]);
    check("src/platform/limiter/mod.rs", "crate::core::call::Started::committed(1)", &["committed"]);
    check("src/journal/mod.rs", "Ok(Started::committed(number))", &[]);
    check("src/sync/run.rs", "use reqwest::Client;", &["reqwest::Client"]);
    check("src/platform/limiter/mod.rs", "use backoff::ExponentialBackoff;", &["backoff::ExponentialBackoff"]);
    check("src/platform/limiter/delays.rs", "use backoff::ExponentialBackoff;", &[]);
    check("src/core/retry.rs", "let backoff = || 1; backoff();", &[]);
    check("src/sync/run.rs", "tokio::time::sleep(wait).await;", &["tokio::time::sleep"]);
    check("src/sync/run.rs", "use tokio::time;", &["tokio::time"]);
    check("src/sync/run.rs", "let tick = tokio::time::interval(SECOND);", &[]);
    check("src/platform/limiter/clock.rs", "tokio::time::sleep(span).await;", &[]);
    check("src/sync/run.rs", "use indicatif::ProgressBar;", &["indicatif::ProgressBar"]);
    check("src/sync/run.rs", "println!(\"done\");", &["println!"]);
    check("src/bin/contactsync/console.rs", "use indicatif::ProgressBar; eprintln!();", &[]);
    // The binary.
    check("src/bin/contactsync/main.rs", "use contactsync::{Journal, sandbox::Sandbox};", &[]);
    check("src/bin/contactsync/main.rs", "use rusqlite::Connection;", &["rusqlite::Connection"]);
    check(
        "src/bin/contactsync/commands/sync.rs",
        "use contactsync::{engine::Job, engine::send_all, sync_input};",
        &["Job", "send_all"],
    );
    check("src/bin/contactsync/commands/plan.rs", "use contactsync::{dry_run, plan_summary};", &[]);
    check("src/lib.rs", "pub mod core;\nmod sync;", &["pub mod core"]);
    // What is said or tried is not done.
    check("src/core/time.rs", "// std::time::Instant\n/* tokio::time /* std::fs */ async */", &[]);
    check(
        "src/core/time.rs",
        "const A: &str = \"async std::fs \\\" rusqlite::x\"; const B: &str = r#\"tokio::\"#;",
        &[],
    );
    check("src/core/time.rs", "const Q: char = '\"'; use std::fs::File; const R: char = '\\'';", &["std::fs::File"]);
    check("src/core/time.rs", "fn f<'a>(x: &'a str) {}\nuse std::net::IpAddr;", &["std::net::IpAddr"]);
    check("src/core/time.rs", "#[cfg(test)]\nmod tests {\n    use std::fs;\n    fn f() { { } }\n}\n", &[]);
    check("src/core/time.rs", "#[cfg(test)]\nmod tests;\nuse std::fs::File;", &["std::fs::File"]);
    check("src/core/time.rs", "#[cfg(test)]\nmod tests { }\nuse std::fs::File;", &["std::fs::File"]);
}

/// What is wrong with a source, a line each.
fn faults(file: &str, source: &str, crates: &[String]) -> Vec<String> {
    let code = code_of(source);
    let paths = paths(file, &code);
    let mut faults = Vec::new();
    for rule in RULES.iter().filter(|rule| rule.files.holds(file)) {
        let is_broken = |path: &&String| {
            is_any(path, rule.forbidden) && !rule.allowed.iter().any(|allowed| is_under(path, allowed))
        };
        faults.extend(paths.iter().filter(is_broken).map(|path| format!("{file}: {path}: {}", rule.why)));
    }
    if file.starts_with("src/core/") {
        let strange = |path: &&String| {
            let first = path.split("::").next().unwrap_or_default();
            path.contains("::") && crates.iter().any(|name| name == first) && !CRATES_OF_THE_CORE.contains(&first)
        };
        faults.extend(
            paths.iter().filter(strange).map(|path| format!("{file}: {path}: the core does not use this crate")),
        );
    }
    if let Some(adapter) = adapter_of(file) {
        let other = |path: &String| {
            let name = path.strip_prefix("crate::")?.split("::").next()?.to_owned();
            (name != adapter && ADAPTERS.contains(&name.as_str())).then_some(name)
        };
        let others: BTreeSet<String> = paths.iter().filter_map(other).collect();
        faults.extend(
            others.iter().map(|other| format!("{file}: adapters do not import each other: {adapter} and {other}")),
        );
        let up = paths.iter().filter(|path| is_under(path, "crate::sync"));
        faults.extend(up.map(|path| format!("{file}: {path}: an adapter does not import a use case")));
    }
    if file == "src/lib.rs" {
        let layers = ["pub mod core", "pub mod input", "pub mod journal", "pub mod platform", "pub mod sync"];
        faults.extend(
            layers
                .iter()
                .filter(|layer| code.contains(*layer))
                .map(|layer| format!("{file}: {layer}: a layer is not public")),
        );
    }
    faults
}

/// The groups of sources, given by name and text, that import each other in a circle, a line each. A module and the modules
/// inside it count as one thing: they may use each other.
fn circles(sources: &[(String, String)]) -> Vec<String> {
    const BINARY: &str = "src/bin/contactsync/";
    // A module's path below its crate's root, which is one name more for the binary.
    let module = |name: &str| -> Vec<String> {
        let is_binary = name.starts_with(BINARY);
        let path = name.trim_start_matches(BINARY).trim_start_matches("src/").trim_end_matches(".rs");
        let parts = path.split('/').filter(|part| !["mod", "lib", "main"].contains(part)).map(str::to_owned);
        [if is_binary { "binary" } else { "library" }.to_owned()].into_iter().chain(parts).collect()
    };
    let modules: Vec<_> = sources.iter().map(|(name, _)| module(name)).collect();
    let imports = |at: usize| -> Vec<usize> {
        let (name, source) = &sources[at];
        let imported = |path: &String| {
            let path: Vec<&str> = path.strip_prefix("crate::")?.split("::").collect();
            let root = &modules[at][0];
            let under =
                |module: &Vec<String>| module[0] == *root && module[1..].iter().eq(path.iter().take(module.len() - 1));
            (0..modules.len()).filter(|&other| under(&modules[other])).max_by_key(|&other| modules[other].len())
        };
        let is_apart = |&other: &usize| {
            let (one, other) = (&modules[at], &modules[other]);
            !one.starts_with(other) && !other.starts_with(one)
        };
        paths(name, &code_of(source)).iter().filter_map(imported).filter(is_apart).collect()
    };
    let imports: Vec<Vec<usize>> = (0..sources.len()).map(imports).collect();
    let reached = |from: usize| {
        let (mut reached, mut next) = (BTreeSet::new(), imports[from].clone());
        while let Some(at) = next.pop() {
            if reached.insert(at) {
                next.extend(&imports[at]);
            }
        }
        reached
    };
    let reached: Vec<_> = (0..sources.len()).map(reached).collect();
    let circles: BTreeSet<String> = (0..sources.len())
        .filter(|at| reached[*at].contains(at))
        .map(|at| {
            let members = reached[at].iter().filter(|other| reached[**other].contains(&at));
            let mut names: Vec<&str> = members.map(|other| sources[*other].0.as_str()).collect();
            names.sort_unstable();
            names.join(", ")
        })
        .collect();
    circles.into_iter().collect()
}

impl Where {
    fn holds(&self, file: &str) -> bool {
        match self {
            Self::In(places) => places.iter().any(|place| file.starts_with(place)),
            Self::OutOf(places) => !places.iter().any(|place| file.starts_with(place)),
        }
    }
}

fn adapter_of(file: &str) -> Option<&str> {
    let (layer, _) = file.strip_prefix("src/")?.split_once('/')?;
    ADAPTERS.contains(&layer).then_some(layer)
}

fn is_any(path: &str, forbidden: &[&str]) -> bool {
    forbidden.iter().any(|forbidden| {
        // `use std::time::*` brings what is forbidden in without naming it.
        let hidden = path.strip_suffix("::*").is_some_and(|prefix| is_under(forbidden, prefix));
        hidden || is_under(path, forbidden)
    })
}

fn is_under(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn is_empty_name(name: &str) -> bool {
    EMPTY_NAMES.contains(&name.to_lowercase().as_str())
}

/// The names under `[dependencies]`, as code writes them.
fn dependencies(manifest: &str) -> Vec<String> {
    let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().replace('-', "_"))
        .filter(|name| !name.starts_with('#'))
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The source without comments, without what strings and characters hold, and without its tests.
fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let after_name = code.chars().last().is_some_and(is_name);
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest).filter(|_| !after_name) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if let Some(length) = character(rest) {
            length
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        // So that what stood on both sides does not grow together.
        code.push(' ');
        rest = &rest[length..];
    }
    without_tests(&code)
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let marks = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = marks.len() - marks.trim_start_matches('#').len();
    let body = marks[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close)? + close.len();
    Some(text.len() - body.len() + end)
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            character if character == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

// A character, not a lifetime: `'a'` or `'\…'`.
fn character(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    let first = body.chars().next()?;
    let is_character = first == '\\' || body[first.len_utf8()..].starts_with('\'');
    is_character.then(|| quoted(text, '\''))
}

fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::new();
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        kept.push_str(&rest[..at]);
        rest = &rest[at + MARK.len()..];
        let mut depth = 0_usize;
        let end = rest.char_indices().find_map(|(at, character)| {
            match character {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            let ends = depth == 0 && matches!(character, '}' | ';');
            ends.then_some(at + 1)
        });
        rest = &rest[end.unwrap_or(rest.len())..];
    }
    kept.push_str(rest);
    kept
}

/// The paths that a source names, whole and each once, with the words and macros that rules know.
fn paths(file: &str, code: &str) -> BTreeSet<String> {
    let tokens = tokens(code);
    let mut paths = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "use" => {
                let end = tokens[at..].iter().position(|token| token == ";").map_or(tokens.len(), |end| at + end);
                let mut found = Vec::new();
                unfold(&tokens[at + 1..end], "", &mut found);
                paths.extend(found.iter().map(|path| absolute(file, path)));
                at = end;
            }
            word if is_word(word) => {
                let mut path = word.to_owned();
                while tokens.get(at + 1).is_some_and(|token| token == "::")
                    && let Some(next) = tokens.get(at + 2).filter(|token| is_word(token))
                {
                    path.push_str("::");
                    path.push_str(next);
                    at += 2;
                }
                if tokens.get(at + 1).is_some_and(|token| token == "!") {
                    path.push('!');
                }
                let is_told = path.contains("::") || path.ends_with('!') || path == "async" || path == "await";
                if is_told {
                    paths.insert(absolute(file, &path));
                }
            }
            _ => {}
        }
        at += 1;
    }
    paths
}

fn is_word(token: &str) -> bool {
    token.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut last_colon = false;
    for character in code.chars().chain([' ']) {
        if character.is_alphanumeric() || character == '_' {
            word.push(character);
            last_colon = false;
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        if character == ':' && last_colon {
            tokens.pop();
            tokens.push("::".to_owned());
            last_colon = false;
        } else if !character.is_whitespace() {
            tokens.push(character.to_string());
            last_colon = character == ':';
        } else {
            last_colon = false;
        }
    }
    tokens
}

// `a::{b, c::{self, d}}` is `a::b`, `a::c` and `a::c::d`.
fn unfold(tree: &[String], prefix: &str, found: &mut Vec<String>) {
    for branch in branches(tree) {
        let open = branch.iter().position(|token| token == "{");
        let name: Vec<&str> = branch[..open.unwrap_or(branch.len())]
            .iter()
            .take_while(|token| *token != "as")
            .map(String::as_str)
            .filter(|token| *token != "::")
            .collect();
        let joined = [&[prefix], name.as_slice()].concat();
        let path = joined.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("::");
        match open {
            Some(open) => unfold(&branch[open + 1..branch.len() - 1], &path, found),
            None => found.push(path.strip_suffix("::self").map(str::to_owned).unwrap_or(path)),
        }
    }
}

fn branches(tree: &[String]) -> Vec<&[String]> {
    let mut depth = 0_usize;
    let parts = tree.split(|token| {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        token == "," && depth == 0
    });
    parts.filter(|part| !part.is_empty()).collect()
}

// `super` and `self` as seen from the file's module.
fn absolute(file: &str, path: &str) -> String {
    let parts: Vec<&str> = path.split("::").collect();
    let ups = parts.iter().take_while(|part| **part == "super").count();
    let from_self = parts[0] == "self";
    if ups == 0 && !from_self || file.starts_with("src/bin/") {
        return path.to_owned();
    }
    let module = file.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let module: Vec<&str> = module.split('/').filter(|part| *part != "lib").collect();
    let kept = module.len().saturating_sub(ups);
    let rest = &parts[ups.max(usize::from(from_self))..];
    [&["crate"], &module[..kept], rest].concat().join("::")
}
