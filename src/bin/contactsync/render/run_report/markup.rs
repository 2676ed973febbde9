//! HTML that can only be made from literals of this program and from escaped text.

use std::fmt::Write as _;

use crate::escape::escaped;

/// A piece of HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// Markup of this program. It is a literal, so that no text of a journal can become markup.
    pub fn literal(markup: &'static str) -> Self {
        Self(markup.to_owned())
    }

    /// Text, escaped: characters of markup, and characters that hide or reorder text.
    pub fn text(text: impl AsRef<str>) -> Self {
        let mut html = String::new();
        for character in escaped(text.as_ref()).chars() {
            match character {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                other => html.push(other),
            }
        }
        Self(html)
    }

    /// An element with these attributes, whose values are escaped, and this content.
    pub fn element(name: &'static str, attributes: &[(&'static str, &str)], content: impl Into<Self>) -> Self {
        let mut html = Self::open(name, attributes);
        html.0.push_str(&content.into().0);
        let _ = write!(html.0, "</{name}>");
        html
    }

    /// An element without content and end, such as `<meta>`.
    pub fn open(name: &'static str, attributes: &[(&'static str, &str)]) -> Self {
        let mut html = Self(format!("<{name}"));
        for (attribute, value) in attributes {
            let _ = write!(html.0, " {attribute}=\"{}\"", Self::text(value).0);
        }
        html.0.push('>');
        html
    }

    pub fn push(&mut self, more: impl Into<Self>) {
        self.0.push_str(&more.into().0);
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Html {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Html {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl FromIterator<Self> for Html {
    fn from_iter<I: IntoIterator<Item = Self>>(pieces: I) -> Self {
        let mut html = Self::default();
        pieces.into_iter().for_each(|piece| html.push(piece));
        html
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_are_escaped() {
        let text = "<script>alert('a&b')</script>\u{202e}\"\n";
        let shown = "&lt;script&gt;alert(&#39;a&amp;b&#39;)&lt;/script&gt;\\u{202e}&quot;\\n";
        assert_eq!(Html::text(text).as_str(), shown);
        let element = Html::element("b", &[("title", text)], text);
        assert_eq!(element.as_str(), format!("<b title=\"{shown}\">{shown}</b>"));
        let both: Html = [Html::literal("<i>"), Html::text("<i>")].into_iter().collect();
        assert_eq!(both.as_str(), "<i>&lt;i&gt;");
    }
}
