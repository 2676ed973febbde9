//! Parts of a spreadsheet: their names, attributes of their elements, and relationships to other parts.

use quick_xml::events::BytesStart;

use super::SourceFault;

/// A relationship of a part to another one.
#[derive(Clone, Debug, Default)]
pub(super) struct Relationship {
    /// The id by which the part refers to the other one.
    pub(super) id: String,
    /// The URI of its type.
    pub(super) kind: String,
    /// The target as written.
    pub(super) target: String,
}

/// The fault of a spreadsheet that is damaged or uses unsupported features.
pub(super) const fn damaged() -> SourceFault {
    SourceFault::Sheet { line: None, found: "a damaged or a rare one" }
}

/// The normalised name of a part: in lowercase, with `/` between folders.
pub(super) fn plain(name: &str) -> String {
    name.replace('\\', "/").trim_start_matches('/').to_ascii_lowercase()
}

/// The value of an attribute, if there is one.
pub(super) fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, SourceFault> {
    let found = element.try_get_attribute(name).map_err(|_| damaged())?;
    Ok(found.map(|attribute| attribute.value.into_owned()))
}
