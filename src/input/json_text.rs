//! JSON text in cells of phones and e-mail addresses, as exports of nested values have it: `{"work":"ann@example.com"}`.

use std::sync::Arc;

use super::notice::{NoticeKind, Notices};
use crate::core::headings::is_address_heading;
use crate::core::non_value::is_json;
use crate::core::record::Texts;

/// The columns of phones and e-mail addresses of a header.
#[derive(Debug)]
pub(super) struct AddressColumns(Vec<(usize, Arc<str>)>);

impl AddressColumns {
    /// Those of this header.
    pub(super) fn of(header: &[Arc<str>]) -> Self {
        let named = header.iter().enumerate().filter(|(_, name)| is_address_heading(name));
        Self(named.map(|(at, name)| (at, Arc::clone(name))).collect())
    }

    /// Takes note of a row. Returns whether there was something to note.
    pub(super) fn watch(&self, texts: &Texts, line: u64, notices: &Notices) -> bool {
        let mut is_noted = false;
        for (at, name) in &self.0 {
            if texts.get(*at).is_some_and(|text| is_json(text.trim())) {
                notices.add(NoticeKind::JsonText(Arc::clone(name)), line);
                is_noted = true;
            }
        }
        is_noted
    }
}

/// Takes note of text of JSON under this key, in the object at the path `above`.
pub(super) fn watch(above: &str, key: &str, text: &str, line: u64, notices: &Notices) {
    if is_json(text.trim()) && is_address_heading(key) {
        let path = if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") };
        notices.add(NoticeKind::JsonText(path.into()), line);
    }
}

#[cfg(test)]
mod tests {
    use super::super::notice::Notice;
    use super::*;

    #[test]
    fn json_text_is_noticed_in_columns_of_addresses() {
        let columns = AddressColumns::of(&["name".into(), "E-mail".into(), "phone".into()]);
        let notices = Notices::default();
        for (line, row) in (2..).zip([
            ["[1]", "a@example.com", "{x}"],
            ["Ann", r#"{"a":1}"#, ""],
            ["Bo", r#" ["b@example.com"] "#, "[5]"],
            ["Cy", "[c]@example.com", "{"],
        ]) {
            columns.watch(&row.into_iter().collect(), line, &notices);
        }
        watch("", "name", "{}", 9, &notices);
        watch("work", "email", "{}", 9, &notices);
        let notice = |name: &str, line, rows| Notice { kind: NoticeKind::JsonText(name.into()), line, rows };
        assert_eq!(notices.all(), [notice("E-mail", 3, 2), notice("phone", 4, 1), notice("work.email", 9, 1)]);
    }
}
