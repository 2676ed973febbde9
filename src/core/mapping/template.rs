//! A value made of several columns and the text between them: `{First} {Last}`.

use std::str::FromStr;

/// Several columns and text between them. `{{` and `}}` stand for the braces themselves.
///
/// Text between two columns is there only when something stands on both sides of it, text before the first and after the
/// last only when that column has a value: `{Name} ({Company})` of a person without a company is the name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    // The text before each column, and the column.
    parts: Vec<(String, String)>,
    after: String,
}

/// What is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// A brace without its other half.
    #[error("expected a `}}` for each `{{`, found a lone `{0}` (write `{0}{0}` for the sign itself)")]
    Brace(char),
    /// Braces around nothing.
    #[error("expected a column's name between braces, found none")]
    Nameless,
    /// No column.
    #[error("expected a column in braces, such as `{{Name}}`, found none: a text alone is a constant")]
    Constant,
}

impl Template {
    /// The columns, in the order in which they stand.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(_, column)| column.as_str())
    }

    /// The text, given the value of each column in turn. Blank when all of them are.
    pub(super) fn fill<'a>(&self, values: impl Iterator<Item = std::borrow::Cow<'a, str>>) -> String {
        let mut text = String::new();
        let mut last_is_filled = false;
        for (at, ((before, _), value)) in self.parts.iter().zip(values).enumerate() {
            last_is_filled = !value.is_empty();
            if last_is_filled {
                if at == 0 || !text.is_empty() {
                    text.push_str(before);
                }
                text.push_str(&value);
            }
        }
        if last_is_filled {
            text.push_str(&self.after);
        }
        text
    }
}

impl FromStr for Template {
    type Err = BadTemplate;

    fn from_str(said: &str) -> Result<Self, Self::Err> {
        let mut parts = Vec::new();
        let (mut text, mut column) = (String::new(), None::<String>);
        let mut characters = said.chars().peekable();
        while let Some(character) = characters.next() {
            let doubled = matches!(character, '{' | '}') && characters.peek() == Some(&character);
            match (character, &mut column) {
                ('{' | '}', None) if doubled => text.extend(characters.next()),
                ('{', None) => column = Some(String::new()),
                ('}', Some(name)) => {
                    let name = name.trim().to_owned();
                    if name.is_empty() {
                        return Err(BadTemplate::Nameless);
                    }
                    parts.push((std::mem::take(&mut text), name));
                    column = None;
                }
                ('{', Some(_)) | ('}', None) => return Err(BadTemplate::Brace(character)),
                (character, Some(name)) => name.push(character),
                (character, None) => text.push(character),
            }
        }
        if column.is_some() {
            return Err(BadTemplate::Brace('{'));
        }
        if parts.is_empty() {
            return Err(BadTemplate::Constant);
        }
        Ok(Self { parts, after: text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_between_columns_is_there_when_both_sides_are() {
        let check = |template: &str, values: &[&str], expected: &str| {
            let template: Template = template.parse().unwrap();
            assert_eq!(template.columns().count(), values.len());
            let filled = template.fill(values.iter().map(|value| (*value).into()));
            assert_eq!(filled, expected, "{template:?} {values:?}");
        };
        let name = "{First} {Middle} {Last}";
        check(name, &["Ann", "B", "Cole"], "Ann B Cole");
        check(name, &["Ann", "", "Cole"], "Ann Cole");
        check(name, &["", "", "Cole"], "Cole");
        check(name, &["Ann", "", ""], "Ann");
        check(name, &["", "", ""], "");
        check("{Name} ({Company})", &["Ann", ""], "Ann");
        check("{Name} ({Company})", &["Ann", "Acme"], "Ann (Acme)");
        check("crm-{Id}", &["7"], "crm-7");
        check("crm-{Id}", &[""], "");
        check("{{{Id}}}", &["7"], "{7}");
    }

    #[test]
    fn what_is_no_template_says_why() {
        let check = |template: &str, expected: &BadTemplate| {
            assert_eq!(template.parse::<Template>().unwrap_err(), *expected, "{template}");
        };
        check("{A", &BadTemplate::Brace('{'));
        check("{A{B}}", &BadTemplate::Brace('{'));
        check("A} {B}", &BadTemplate::Brace('}'));
        check("{ }", &BadTemplate::Nameless);
        check("A", &BadTemplate::Constant);
        check("", &BadTemplate::Constant);
    }
}
