//! Inspects the relevant parts of XLSX and ODS before a spreadsheet is read.

use std::collections::BTreeMap;

use super::SourceFault;
use super::decompress::Book;
use super::open::Steady;
use super::package::Package;
use super::workbook_layout::{Layout, Shown};
use super::workbook_limits::Parts;
use super::workbook_probe::{Kind, Probe};

/// Properties of a spreadsheet that are found before it is read.
#[derive(Default)]
pub(super) struct Found {
    /// A copy whose parts have the names that the library searches for, if those of the file differ.
    pub(super) renamed: Option<Steady>,
    /// The cells of ODS that display more than their number, by the name of their table.
    pub(super) shown: BTreeMap<String, Vec<Shown>>,
    /// Hidden rows and merged ranges of each sheet, by its name.
    pub(super) layouts: BTreeMap<String, Layout>,
    /// Whether all formulas are computed only when the file is opened, so that the stored values may not be results.
    pub(super) is_uncomputed: bool,
}

/// Checks the parts that are read against their limits.
///
/// # Errors
/// When a part is damaged, or all parts together exceed the limits.
pub(super) fn inspect(book: Book, file: &Steady) -> Result<Found, SourceFault> {
    let mut parts = Parts::of(file)?;
    match book {
        Book::Ods => {
            parts.inspect_part("meta-inf/manifest.xml", Kind::Small)?;
            let Probe { shown, layouts, .. } = parts.inspect_part("content.xml", Kind::Document)?;
            Ok(Found { renamed: None, shown, layouts, is_uncomputed: false })
        }
        Book::Xlsx => {
            let mut package = Package::of(&mut parts)?;
            let renamed = if package.is_usual() { None } else { Some(package.renamed(file)?) };
            let layouts = std::mem::take(&mut package.layouts);
            Ok(Found { renamed, shown: BTreeMap::new(), layouts, is_uncomputed: package.is_uncomputed })
        }
    }
}
