//! Prints the detected format of an input, and the notices about its rows.

use contactsync::{Detected, Mapping, Notice, NoticeKind, Source};

use crate::render::console::{Console, Level};

/// The notices of an input that were printed. They are printed when the input is opened and again at its end, because a text
/// that begins in plain ASCII shows its encoding only later.
pub struct Remark {
    name: String,
    detected: Detected,
    said: Option<String>,
}

impl Remark {
    /// Prints what is known when the input is opened.
    pub fn at_once(source: &Source, console: &Console) -> Self {
        let mut remark = Self { name: source.name().to_owned(), detected: source.detected().clone(), said: None };
        remark.say(console);
        remark
    }

    /// Says what is known when the input was read, if that is more, and matters to the mapping.
    pub fn in_the_end(mut self, mapping: Option<&Mapping>, console: &Console) {
        self.say(console);
        for notice in self.detected.notices().into_iter().filter(|notice| matters(notice, mapping)) {
            let level = if notice.kind.is_doubtful() { Level::Warning } else { Level::Info };
            console.say(level, &format!("{}: {}", self.name, sentence(&notice)));
        }
    }

    fn say(&mut self, console: &Console) {
        let known = self.detected.summary();
        if let Some(remark) = &known
            && known != self.said
        {
            let is_skipped = self.detected.sheet().is_some_and(|sheet| sheet.passed_over.is_some());
            let hint = if is_skipped { " (`--sheet` takes another one)" } else { "" };
            console.say(Level::Info, &format!("{}: {remark}{hint}", self.name));
        }
        self.said = known;
    }
}

/// Whether a notice is of something that the mapping reads so. A guess, which has no mapping yet, is made with it in mind.
pub fn matters(notice: &Notice, mapping: Option<&Mapping>) -> bool {
    match &notice.kind {
        NoticeKind::FalseInText(path) => mapping.is_some_and(|mapping| mapping.sends_false(path)),
        NoticeKind::JsonText(column) => mapping.is_some_and(|mapping| mapping.sends_json_text(column)),
        NoticeKind::FieldOrder(list) | NoticeKind::ElementOrder { list, .. } => {
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
