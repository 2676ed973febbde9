//! What is found of a whole spreadsheet before it is read: the parts of XLSX and of ODS that matter, looked over in turn.

use std::collections::BTreeMap;

use super::SourceFault;
use super::decompress::Book;
use super::open::Steady;
use super::package::Package;
use super::workbook_layout::{Layout, Shown};
use super::workbook_limits::Parts;
use super::workbook_probe::{Kind, Probe};

/// What was found of a spreadsheet before it is read.
#[derive(Default)]
pub(super) struct Found {
    /// A copy whose parts have the names that the library searches for; only where the file's own are others.
    pub(super) renamed: Option<Steady>,
    /// The cells of ODS that show more than their number, by the name of their table.
    pub(super) shown: BTreeMap<String, Vec<Shown>>,
    /// What is hidden or merged in each sheet, by its name.
    pub(super) layouts: BTreeMap<String, Layout>,
    /// Whether all formulas are to be computed when the file is opened: what it holds may be no result then.
    pub(super) is_uncomputed: bool,
}

/// Holds the parts that are going to be read against what they may be.
///
/// # Errors
/// When one of them is damaged, or all of them are too much.
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
