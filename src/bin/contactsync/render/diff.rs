//! Shows what a plan would change: a line for each contact, a table for a ticket, or JSON. Keys are shown, other values are
//! masked unless they are asked for.

use contactsync::contact::{HASHED, Key, Value};
use contactsync::mapping::rules::WriteMode;
use contactsync::report::{ChangeKind, ContactChange, FieldChange, masked};
use contactsync::{DryRunOutcome, Field};
use serde::Serialize;

use crate::render::summary::grouped;

/// What is shown of the changes of a plan.
#[derive(Clone, Copy, Debug)]
pub struct DiffView<'a> {
    changes: &'a [ContactChange],
    /// Number of contacts that are not shown.
    more: u64,
    shows_values: bool,
    names_channels: bool,
}

impl<'a> DiffView<'a> {
    /// The changes of a plan. Channels are named if there are several.
    pub fn of(outcome: &'a DryRunOutcome, shows_values: bool, names_channels: bool) -> Self {
        let shown = u64::try_from(outcome.changes.len()).unwrap_or(u64::MAX);
        let more = (outcome.to_send + outcome.missing).saturating_sub(shown);
        Self { changes: &outcome.changes, more, shows_values, names_channels }
    }

    /// These changes, and no more.
    pub const fn of_changes(changes: &'a [ContactChange], shows_values: bool, names_channels: bool) -> Self {
        Self { changes, more: 0, shows_values, names_channels }
    }

    /// A line for each contact, and how many more there are.
    pub fn lines(&self) -> Vec<String> {
        let line = |change: &ContactChange| {
            let mut line = format!("{} {}{}", sign(change.kind), change.key, note(change.kind));
            if self.names_channels {
                line.push_str(&format!(" [{}]", change.channel));
            }
            let parts = self.parts(change);
            if parts.is_empty() { line } else { format!("{line}: {}", parts.join(", ")) }
        };
        let lines = self.changes.iter().map(line);
        lines.chain(self.rest().map(|rest| format!("… {rest}"))).collect()
    }

    /// A table in Markdown, and how many more there are.
    pub fn table(&self) -> Vec<String> {
        let (channel, dashes) = if self.names_channels { (" channel |", " --- |") } else { ("", "") };
        let mut lines = vec![format!("| | contact |{channel} change |"), format!("| --- | --- |{dashes} --- |")];
        for change in self.changes {
            let (key, parts) = (markdown(&change.key), markdown(&self.parts(change).join(", ")));
            let channel = if self.names_channels { format!(" {} |", markdown(&change.channel)) } else { String::new() };
            lines.push(format!("| {} | {key}{} |{channel} {parts} |", markdown(sign(change.kind)), note(change.kind)));
        }
        if let Some(rest) = self.rest() {
            lines.extend([String::new(), rest]);
        }
        lines
    }

    /// The changes as JSON.
    pub fn json(&self) -> Diff<'a> {
        Diff { contacts: self.changes.iter().map(|change| self.object(change)).collect(), more: self.more }
    }

    fn rest(&self) -> Option<String> {
        let contacts = if self.more == 1 { "contact" } else { "contacts" };
        (self.more > 0).then(|| format!("and {} more {contacts}", grouped(self.more)))
    }

    fn parts(&self, change: &ContactChange) -> Vec<String> {
        let is_known = matches!(change.kind, ChangeKind::Update | ChangeKind::Missing);
        let field = |field: &FieldChange| {
            let (name, new, when) = (&field.name, self.value(&field.new), condition(field.write));
            match (&field.old, is_known) {
                (Some(old), _) => format!("{name}: {} → {new}{when}", self.value(old)),
                (None, true) => format!("{name}: (unknown) → {new}{when}"),
                (None, false) => format!("{name} = {new}{when}"),
            }
        };
        // The value of a new contact's key is shown as its key.
        let fields = change.fields.iter().filter(|field| is_known || !is_key(field, &change.key));
        let added = change.add_tags.iter().map(|tag| format!("+{tag}"));
        let removed = change.remove_tags.iter().map(|tag| format!("−{tag}"));
        fields.map(field).chain(added).chain(removed).collect()
    }

    fn value(&self, value: &Value) -> String {
        let text = value.text();
        if value.is_blank() {
            "(blank)".into()
        } else if *text == *HASHED {
            HASHED.into()
        } else if self.shows_values {
            text.into_owned()
        } else {
            masked(&text)
        }
    }

    fn object(&self, change: &'a ContactChange) -> Contact<'a> {
        let value = |value: &Value| if self.shows_values { value.clone() } else { masked_value(value) };
        let fields = change.fields.iter().map(|field| {
            let is_key = is_key(field, &change.key);
            let new = if is_key { field.new.clone() } else { value(&field.new) };
            let write = (field.write != WriteMode::Always).then_some(field.write);
            ChangedField { name: &field.name, old: field.old.as_ref().map(value), new, write }
        });
        Contact {
            change: change.kind,
            key: &change.key,
            channel: &change.channel,
            line: change.line,
            fields: fields.collect(),
            add_tags: &change.add_tags,
            remove_tags: &change.remove_tags,
        }
    }
}

/// The changes of a plan in JSON.
#[derive(Serialize)]
pub struct Diff<'a> {
    contacts: Vec<Contact<'a>>,
    more: u64,
}

#[derive(Serialize)]
struct Contact<'a> {
    change: ChangeKind,
    key: &'a str,
    channel: &'a str,
    line: u64,
    fields: Vec<ChangedField<'a>>,
    add_tags: &'a [String],
    remove_tags: &'a [String],
}

#[derive(Serialize)]
struct ChangedField<'a> {
    name: &'a str,
    old: Option<Value>,
    new: Value,
    /// On which condition it is written, if on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    write: Option<WriteMode>,
}

const fn sign(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Create | ChangeKind::CreateOrUpdate | ChangeKind::ResolveDoubt => "+",
        ChangeKind::Update | ChangeKind::UpdateIfFound => "~",
        ChangeKind::Missing => "!",
    }
}

const fn note(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Create | ChangeKind::Update => "",
        ChangeKind::CreateOrUpdate => " (may exist)",
        ChangeKind::UpdateIfFound => " (if it exists)",
        ChangeKind::ResolveDoubt => " (in doubt)",
        ChangeKind::Missing => " (missing)",
    }
}

const fn condition(write: WriteMode) -> &'static str {
    match write {
        WriteMode::Always => "",
        WriteMode::OnCreate => " (if created)",
        WriteMode::IfBlank => " (if blank)",
        WriteMode::WithOthers => " (with others)",
    }
}

fn is_key(field: &FieldChange, key: &str) -> bool {
    Key::of(&Field { name: field.name.as_str().into(), value: field.new.clone() }).to_string() == key
}

fn masked_value(value: &Value) -> Value {
    if value.is_blank() || *value.text() == *HASHED { value.clone() } else { Value::Text(masked(&value.text()).into()) }
}

/// Text in a cell of a table in Markdown.
pub fn markdown(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' => cell.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '#' | '&' | '!' | '$' => {
                cell.extend(['\\', character]);
            }
            // Elsewhere than at its beginning, it makes no list.
            '+' | '-' if cell.is_empty() => cell.extend(['\\', character]),
            other => cell.push(other),
        }
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: ChangeKind, key: &str, fields: &[(&str, Option<&str>, &str)], tags: [&[&str]; 2]) -> ContactChange {
        let text = |text: &str| Value::Text(text.into());
        let field = |&(name, old, new): &(&str, Option<&str>, &str)| FieldChange {
            name: name.to_owned(),
            old: old.map(text),
            new: text(new),
            write: WriteMode::Always,
        };
        let [add_tags, remove_tags] = tags.map(|tags| tags.iter().map(|tag| (*tag).to_owned()).collect());
        let fields = fields.iter().map(field).collect();
        ContactChange { channel: "c|1".into(), line: 2, key: key.into(), kind, fields, add_tags, remove_tags }
    }

    fn changes() -> Vec<ContactChange> {
        let new = [("phone", None, "+521"), ("city", None, "Lima"), ("note", None, "")];
        vec![
            change(ChangeKind::Create, "phone=+521", &new[..2], [&["vip"], &[]]),
            change(ChangeKind::CreateOrUpdate, "phone=+521", &new, [&[], &["old"]]),
            change(ChangeKind::ResolveDoubt, "phone=+521", &new[..1], [&["a", "b"], &[]]),
            change(ChangeKind::UpdateIfFound, "phone=+521", &new[1..2], [&[], &[]]),
            change(
                ChangeKind::Update,
                "phone=+521",
                &[("city", Some("Lima"), "Monterrey"), ("age", None, "40"), ("note", Some("x|y"), "")],
                [&["new"], &["old"]],
            ),
        ]
    }

    fn view(changes: &[ContactChange], more: u64, shows_values: bool, names_channels: bool) -> DiffView<'_> {
        DiffView { changes, more, shows_values, names_channels }
    }

    #[test]
    fn a_contact_is_a_line_with_its_key_and_masked_values() {
        let changes = changes();
        let lines = view(&changes, 1_980, true, false).lines();
        assert_eq!(
            lines,
            [
                "+ phone=+521: city = Lima, +vip",
                "+ phone=+521 (may exist): city = Lima, note = (blank), −old",
                "+ phone=+521 (in doubt): +a, +b",
                "~ phone=+521 (if it exists): city = Lima",
                "~ phone=+521: city: Lima → Monterrey, age: (unknown) → 40, note: x|y → (blank), +new, −old",
                "… and 1,980 more contacts",
            ]
        );
        let lines = view(&changes[4..], 1, false, true).lines();
        let expected = [
            "~ phone=+521 [c|1]: city: L…a → M…y, age: (unknown) → •, note: x… → (blank), +new, −old",
            "… and 1 more contact",
        ];
        assert_eq!(lines, expected);
        assert!(view(&[], 0, false, false).lines().is_empty());
        let mut moded = change(ChangeKind::CreateOrUpdate, "phone=+521", &[("a", None, "x"); 4], [&[], &[]]);
        for (field, mode) in moded.fields.iter_mut().zip(WriteMode::ALL) {
            field.write = mode;
        }
        let expected = "+ phone=+521 (may exist): a = x, a = x (if created), a = x (if blank), a = x (with others)";
        assert_eq!(view(&[moded], 0, true, false).lines(), [expected]);
    }

    #[test]
    fn a_table_has_no_other_cells_than_its_own() {
        let changes = changes();
        let table = view(&changes[4..], 3, true, true).table();
        assert_eq!(
            table,
            [
                "| | contact | channel | change |",
                "| --- | --- | --- | --- |",
                "| \\~ | phone=+521 | c\\|1 | city: Lima → Monterrey, age: (unknown) → 40, note: x\\|y → (blank), +new, −old |",
                "",
                "and 3 more contacts",
            ]
        );
        let table = view(&changes[..1], 0, false, false).table();
        assert_eq!(table[1..], ["| --- | --- | --- |", "| \\+ | phone=+521 | city = L…a, +vip |"]);
        assert_eq!(markdown("a_b*c<d>\\`\n- e"), "a\\_b\\*c\\<d\\>\\\\\\` - e");
    }

    #[test]
    fn json_has_the_contacts() {
        let changes = changes();
        let json = serde_json::to_value(view(&changes[..2], 3, false, false).json()).unwrap();
        assert_eq!(json["more"], 3);
        let contact = &json["contacts"][1];
        assert_eq!(contact["change"], "create_or_update");
        assert_eq!(contact["key"], "phone=+521");
        assert_eq!(contact["fields"][0]["new"], "+521");
        assert_eq!(contact["fields"][1], serde_json::json!({"name": "city", "old": null, "new": "L…a"}));
        assert_eq!(contact["remove_tags"], serde_json::json!(["old"]));
    }
}
