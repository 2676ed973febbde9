//! Prints what `journal forget` erased.

use std::path::{Path, PathBuf};

use contactsync::ContactRef;
use contactsync::history::Forgotten;
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::console::{Console, Level};
use crate::render::summary::{counted_calls, counted_rows, print_json, print_lines};

/// Prints what was erased from the journal at a path, and what may still have the person.
pub fn print_forgotten(
    forgotten: &Forgotten,
    (path, key): (&Path, &ContactRef),
    json: bool,
    console: &Console,
) -> Result<Exit, Failure> {
    let Forgotten { contacts, calls, rows, lists, foreign_lists, is_suppressed, is_log_empty, copies } = forgotten;
    let name = path.display();
    // What was erased is gone, also if that cannot be printed.
    let printed = if json {
        let contacts: Vec<_> =
            contacts.iter().map(|(key, channel)| json!({ "key": key, "channel": channel })).collect();
        let lists: Vec<_> = lists.iter().map(|(path, rows)| json!({ "file": path, "rows": rows })).collect();
        let object = json!({
            "contacts": contacts,
            "calls": calls,
            "rows": rows,
            "lists": lists,
            "lists_left": foreign_lists,
            "suppressed": is_suppressed,
            "log_empty": is_log_empty,
            "copies": copies,
        });
        print_json(&object.to_string())
    } else if console.is_quiet() {
        Ok(())
    } else {
        let known: Vec<String> =
            contacts.iter().map(|(key, channel)| format!("contact `{key}` of channel `{channel}`")).collect();
        let known = if known.is_empty() { format!("`{key}` (an unknown contact)") } else { known.join(", ") };
        let mut lines = vec![format!(
            "journal {name}: erased {known}, and its data in {} and {}",
            counted_calls(*calls),
            counted_rows(*rows)
        )];
        lines.extend(lists.iter().map(|(path, rows)| format!("{}: removed {}", path.display(), counted_rows(*rows))));
        if *is_suppressed {
            lines.push("rows of this person are skipped from now on".to_owned());
        }
        print_lines(&lines)
    };
    let names = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    if !foreign_lists.is_empty() {
        let text = format!("not changed, because they are no longer contactsync lists: {}", names(foreign_lists));
        console.say(Level::Warning, &text);
    }
    if !copies.is_empty() {
        let text = format!("unchanged copies of the journal may still contain the person's data: {}", names(copies));
        console.say(Level::Warning, &text);
    }
    if !is_log_empty {
        let text = format!("journal {name}: another process has it open; its log may still contain the person's data");
        console.say(Level::Warning, &text);
        console.say(Level::Hint, "run the same command again when that process has ended");
        return printed.map(|()| Exit::Stopped);
    }
    printed.map(|()| Exit::Done)
}
