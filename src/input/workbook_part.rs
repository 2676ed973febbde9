//! What a part of a spreadsheet is made of: its name, the attributes of its elements, its relationships to other parts, and the
//! fault of one that is damaged.

use quick_xml::events::BytesStart;

use super::SourceFault;

/// What a part says of another one.
#[derive(Clone, Debug, Default)]
pub(super) struct Relationship {
    /// The id by which the part refers to it.
    pub(super) id: String,
    /// The URI of its type.
    pub(super) kind: String,
    /// Where the other part is, as written.
    pub(super) target: String,
}

/// The fault of a spreadsheet that is damaged, or that is written in a rare way.
pub(super) const fn damaged() -> SourceFault {
    SourceFault::Sheet { line: None, found: "a damaged or a rare one" }
}

/// A name as names of parts are compared: without capitals, and with `/` between folders, whichever program wrote it.
pub(super) fn plain(name: &str) -> String {
    name.replace('\\', "/").trim_start_matches('/').to_ascii_lowercase()
}

/// The value of an attribute, if there is one.
pub(super) fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, SourceFault> {
    let found = element.try_get_attribute(name).map_err(|_| damaged())?;
    Ok(found.map(|attribute| attribute.value.into_owned()))
}
