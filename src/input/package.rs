//! The package of a workbook in XLSX: its relationships give the names of its parts. The spreadsheet library searches for some
//! parts by their usual names; if the names differ, a copy with the usual names is read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Seek as _, Write as _};

use percent_encoding::percent_decode_str;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::SourceFault;
use super::open::Steady;
use super::workbook_layout::Layout;
use super::workbook_limits::Parts;
use super::workbook_part::{Relationship, damaged, plain};
use super::workbook_probe::Kind;

/// The parts of a workbook in XLSX, found by its relationships.
pub(super) struct Package {
    // The names of the parts, and those that the library searches for.
    names: BTreeMap<String, String>,
    relationships: Vec<Relationship>,
    is_usual: bool,
    /// Hidden rows and merged ranges of each sheet, by its name.
    pub(super) layouts: BTreeMap<String, Layout>,
    /// Whether its formulas are computed only when it is opened.
    pub(super) is_uncomputed: bool,
}

impl Relationship {
    fn is(&self, kind: &str) -> bool {
        self.kind.rsplit('/').next() == Some(kind)
    }

    // The full name of its target in the package (ECMA-376, part 2, annex A), and whether the library finds it.
    fn resolved(&self, folder: &str) -> (String, bool) {
        let target = self.target.replace('\\', "/");
        let target = percent_decode_str(&target).decode_utf8_lossy();
        let whole = if target.starts_with('/') { target.into_owned() } else { format!("{folder}{target}") };
        let mut steps: Vec<&str> = Vec::new();
        for step in whole.split('/') {
            match step {
                "" | "." => {}
                ".." => {
                    steps.pop();
                }
                step => steps.push(step),
            }
        }
        let name = plain(&steps.join("/"));
        let as_written = match self.target.strip_prefix('/') {
            Some(whole) => whole.to_owned(),
            None => format!("{folder}{}", self.target),
        };
        let is_usual = as_written.to_ascii_lowercase() == name && !self.target.contains('&');
        (name, is_usual)
    }
}

impl Package {
    /// Finds the parts that are read, and inspects them.
    pub(super) fn of(parts: &mut Parts<'_>) -> Result<Self, SourceFault> {
        const USUAL_BOOK: &str = "xl/workbook.xml";
        let package = parts.inspect_part("_rels/.rels", Kind::Small)?.relationships;
        let mut books = package.iter().rev().filter(|relationship| relationship.kind.ends_with("officeDocument"));
        let (book, mut is_usual) = books.next().map_or_else(
            || (USUAL_BOOK.to_owned(), false),
            |book| {
                let (name, is_found) = book.resolved("");
                (name, is_found && book.kind.ends_with("/relationships/officeDocument"))
            },
        );
        is_usual &= books.next().is_none() && !parts.is_rooted();
        if !parts.has(&book) {
            return Err(damaged());
        }
        let (folder, file) = book.rsplit_once('/').map_or(("", book.as_str()), |(folder, file)| (folder, file));
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let relationships = parts.inspect_part(&format!("{folder}_rels/{file}.rels"), Kind::Small)?.relationships;
        let workbook = parts.inspect_part(&book, Kind::Small)?;
        let mut names = BTreeMap::from([(book.clone(), USUAL_BOOK.to_owned())]);
        for (kind, usual, part_kind) in [
            ("styles", "styles.xml", Kind::Small),
            ("theme", "theme/theme1.xml", Kind::Small),
            ("sharedStrings", "sharedStrings.xml", Kind::Texts),
        ] {
            let place = plain(&format!("{folder}{usual}"));
            let given = relationships.iter().find(|relationship| relationship.is(kind));
            let name = given.map_or_else(|| place.clone(), |given| given.resolved(&folder).0);
            // A theme has only colours.
            is_usual &= name == place || kind == "theme";
            parts.inspect_part(&name, part_kind)?;
            if kind == "theme" && name != place {
                parts.inspect_part(&place, part_kind)?;
            }
            names.insert(name, format!("xl/{usual}"));
        }
        let mut sheets = BTreeSet::new();
        for relationship in relationships.iter().filter(|relationship| relationship.is("worksheet")) {
            let (name, is_found) = relationship.resolved(&folder);
            is_usual &= is_found;
            sheets.insert(name);
        }
        let mut layouts = BTreeMap::new();
        for (place, name) in sheets.into_iter().enumerate() {
            let layout = parts.inspect_part(&name, Kind::Sheet)?.layout;
            let leads_here = |id: &str| {
                let mut all = relationships.iter().filter(|relationship| relationship.id == id);
                all.any(|relationship| relationship.resolved(&folder).0 == name)
            };
            if layout != Layout::default() {
                let of_it = workbook.sheets.iter().filter(|(_, id)| leads_here(id));
                layouts.extend(of_it.map(|(sheet, _)| (sheet.clone(), layout.clone())));
            }
            names.insert(name, format!("xl/worksheets/sheet{}.xml", place + 1));
        }
        let relationships = resolved(relationships, &folder);
        Ok(Self { names, relationships, is_usual, layouts, is_uncomputed: workbook.is_uncomputed })
    }

    /// Whether the library finds all parts by their names.
    pub(super) const fn is_usual(&self) -> bool {
        self.is_usual
    }

    /// A copy of the parts that are read, under their usual names.
    pub(super) fn renamed(&self, file: &Steady) -> Result<Steady, SourceFault> {
        let copied = self.copied(file).map_err(|error| SourceFault::Unpack(error.into()))?;
        Ok(Steady::new(copied))
    }

    fn copied(&self, file: &Steady) -> zip::result::ZipResult<File> {
        const START: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">"#;
        const DOCUMENT: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument";
        let mut archive = ZipArchive::new(file.try_clone()?)?;
        let mut copy = ZipWriter::new(tempfile::tempfile()?);
        for at in 0..archive.len() {
            let entry = archive.by_index_raw(at)?;
            let name = plain(&String::from_utf8_lossy(entry.name_raw()));
            if let Some(usual) = self.names.get(&name)
                && entry.is_file()
            {
                copy.raw_copy_file_rename(entry, usual)?;
            }
        }
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        copy.start_file("_rels/.rels", stored)?;
        write!(copy, r#"{START}<Relationship Id="rId1" Type="{DOCUMENT}" Target="xl/workbook.xml"/></Relationships>"#)?;
        copy.start_file("xl/_rels/workbook.xml.rels", stored)?;
        write!(copy, "{START}")?;
        for Relationship { id, kind, target } in &self.relationships {
            let target = self.names.get(target).map_or("none", String::as_str);
            let quoted = |text: &str| text.replace('"', "&quot;");
            let (id, kind) = (quoted(id), quoted(kind));
            write!(copy, r#"<Relationship Id="{id}" Type="{kind}" Target="/{target}"/>"#)?;
        }
        write!(copy, "</Relationships>")?;
        let mut file = copy.finish()?;
        file.rewind()?;
        Ok(file)
    }
}

fn resolved(relationships: Vec<Relationship>, folder: &str) -> Vec<Relationship> {
    let whole = |relationship: Relationship| Relationship { target: relationship.resolved(folder).0, ..relationship };
    relationships.into_iter().map(whole).collect()
}
