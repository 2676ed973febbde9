//! A value from several columns with text between them: `{First} {Last}`.

use std::str::FromStr;

/// Several columns with text between them. `{{` and `}}` are braces.
///
/// Text next to a blank column is omitted: `{Name} ({Company})` of a person without a company is the name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    // The text before each column, and the column.
    parts: Vec<(String, String)>,
    after: String,
}

/// Why text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadTemplate {
    /// An unmatched brace.
    #[error("expected a `}}` for each `{{`, found an unmatched `{0}` (write `{0}{0}` for the character itself)")]
    Brace(char),
    /// Braces without a name.
    #[error("expected a column's name between braces, found none")]
    Nameless,
    /// No column.
    #[error("expected a column in braces, such as `{{Name}}`, found none: text without a column is a constant")]
    Constant,
}

impl Template {
    /// The columns, in their order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(_, column)| column.as_str())
    }

    /// The text with the value of each column in turn. Blank if all of them are.
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

    fn from_str(template: &str) -> Result<Self, Self::Err> {
        let mut parts = Vec::new();
        let (mut text, mut column) = (String::new(), None::<String>);
        let mut characters = template.chars().peekable();
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
