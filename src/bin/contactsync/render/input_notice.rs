//! Prints the detected format of an input, and the notices about its rows.

use contactsync::source::{Detected, Notice, NoticeKind};
use contactsync::{Mapping, Source};

use crate::render::console::{Console, Level};

/// Prints the notices of an input: when it is opened, and again at its end, because a text that begins in plain ASCII shows
/// its encoding only later.
pub struct InputNotices {
    name: String,
    detected: Detected,
    printed: Option<String>,
}

impl InputNotices {
    /// Prints the detected format when the input is opened.
    pub fn at_open(source: &Source, console: &Console) -> Self {
        let mut notices = Self { name: source.name().to_owned(), detected: source.detected().clone(), printed: None };
        notices.print_format(console);
        notices
    }

    /// Prints the detected format, and the warnings about the mapping, when the input is opened.
    pub fn of_reading(source: &Source, warnings: &[String], console: &Console) -> Self {
        let notices = Self::at_open(source, console);
        for warning in warnings {
            console.say(Level::Warning, &format!("{}: {warning}", source.name()));
        }
        notices
    }

    /// Prints the detected format again if it is more exact now, and the notices that matter to the mapping.
    pub fn at_end(mut self, mapping: Option<&Mapping>, console: &Console) {
        self.print_format(console);
        for notice in self.detected.notices().into_iter().filter(|notice| matters(notice, mapping)) {
            let level = if notice.kind.is_doubtful() { Level::Warning } else { Level::Info };
            console.say(level, &format!("{}: {}", self.name, sentence(&notice)));
        }
    }

    fn print_format(&mut self, console: &Console) {
        let format = self.detected.summary();
        if let Some(text) = &format
            && format != self.printed
        {
            let is_skipped = self.detected.sheet().is_some_and(|sheet| sheet.passed_over.is_some());
            let hint = if is_skipped { " (select another sheet with `--sheet`)" } else { "" };
            console.say(Level::Info, &format!("{}: {text}{hint}", self.name));
        }
        self.printed = format;
    }
}

/// Whether a notice concerns something that the mapping reads. Without a mapping, when `init` guesses one, it is considered
/// there.
pub fn matters(notice: &Notice, mapping: Option<&Mapping>) -> bool {
    match &notice.kind {
        NoticeKind::FalseInText(path) => mapping.is_some_and(|mapping| mapping.sends_false(path)),
        NoticeKind::JsonText(column) => mapping.is_some_and(|mapping| mapping.sends_json_text(column)),
        NoticeKind::FieldOrder(list) | NoticeKind::ElementOrder { list, .. } | NoticeKind::ValueOrder(list) => {
            mapping.is_some_and(|mapping| mapping.takes_by_position(list))
        }
        NoticeKind::PrimaryNotFirst(list) => mapping.is_some_and(|mapping| mapping.takes_first(list)),
        _ => true,
    }
}

/// A notice with the option that helps, if there is one.
pub fn sentence(notice: &Notice) -> String {
    if let NoticeKind::DoubtfulEncoding(name) = notice.kind {
        return format!("{notice}: try `--encoding {name}`, or save the file as UTF-8");
    }
    notice.to_string()
}
