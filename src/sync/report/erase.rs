//! Removes a person's rows from a list of rows that was written before. The other rows stay as they are, byte for byte.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use encoding_rs::{Encoding, UTF_8};
use serde_json::Value as Json;

use super::encoded::Encoded;
use super::file::{ListError, ListFault, ListFile, ListKind};
use crate::core::code_page::CodePage;
use crate::core::forgotten::Identifiers;
use crate::core::output_format::{LINE_COLUMN, OutputFormat};

/// A person whose rows are removed from lists.
#[derive(Clone, Copy, Debug)]
pub struct ErasedPerson<'a> {
    /// The keys of the person's contacts.
    pub keys: &'a [String],
    /// The person's match values and ids.
    pub identifiers: &'a Identifiers,
    /// The lines of the person's rows in the input.
    pub lines: &'a [u64],
}

/// Removes the person's rows from the list at `path`, in one step. Returns how many there were; `None` when there is no file.
///
/// # Errors
/// A [`ListError`] when the file is no list of this kind, another run writes it, or it cannot be written: it stays as it was.
pub fn erase(
    path: &Path,
    kind: ListKind,
    format: &OutputFormat,
    person: ErasedPerson<'_>,
) -> Result<Option<u64>, ListError> {
    let failed = |error| ListError::new(path, ListFault::Write(error));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
        Ok(_) => {}
    }
    let mut file = ListFile::claim(path, kind, &[])?;
    let bytes = fs::read(path).map_err(failed)?;
    let (encoding, mark, delimiter) = match (kind, format) {
        (ListKind::Rejects, OutputFormat::Table { encoding, mark, delimiter, .. }) => {
            (encoding.as_str(), *mark, Some(*delimiter))
        }
        (ListKind::Rejects, OutputFormat::Objects) => ("UTF-8", false, None),
        (ListKind::Results, _) => ("UTF-8", false, Some(b',')),
    };
    let text = decoded(&bytes, encoding);
    let rows = match delimiter {
        Some(delimiter) => table_rows(&text, delimiter).map_err(failed)?,
        None => text.split_inclusive('\n').map(|line| (line, object_cells(line))).collect(),
    };
    let (removed, kept): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .enumerate()
        .partition(|(nth, (_, cells))| (*nth > 0 || delimiter.is_none()) && person.has(kind, cells));
    if removed.is_empty() {
        return Ok(Some(0));
    }
    let mut out = Encoded::new(file.begin()?, encoding, mark).map_err(|error| file.failed(error))?;
    for (_, (source, _)) in kept {
        out.write_all(source.as_bytes()).map_err(|error| file.failed(error))?;
    }
    out.flush().map_err(|error| file.failed(error))?;
    file.put_in_place()?;
    Ok(Some(removed.len() as u64))
}

impl ErasedPerson<'_> {
    // Whether a row is the person's. The first cell is its line in the input.
    fn has(&self, kind: ListKind, cells: &[String]) -> bool {
        let Some((line, cells)) = cells.split_first() else { return false };
        if line.trim().parse().is_ok_and(|line| self.lines.contains(&line)) {
            return true;
        }
        match kind {
            ListKind::Results => {
                let (key, id) = (cells.first(), cells.get(2));
                key.is_some_and(|key| self.keys.iter().any(|known| known == key.trim()))
                    || id.is_some_and(|id| self.identifiers.has(id))
            }
            ListKind::Rejects => cells.iter().any(|cell| self.identifiers.has(cell)),
        }
    }
}

// Without a byte order mark.
fn decoded(bytes: &[u8], encoding: &str) -> String {
    if let Some(page) = CodePage::named(encoding) {
        return bytes.iter().map(|byte| page.decode(*byte).unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    }
    let encoding = Encoding::for_label(encoding.as_bytes()).unwrap_or(UTF_8);
    encoding.decode(bytes).0.into_owned()
}

/// A row as it stands in the text, and its cells.
type ListRow<'a> = (&'a str, Vec<String>);

fn table_rows(text: &str, delimiter: u8) -> io::Result<Vec<ListRow<'_>>> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text.as_bytes());
    let (mut rows, mut record, mut start) = (Vec::new(), csv::StringRecord::new(), 0);
    while reader.read_record(&mut record)? {
        let end = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        let source = text.get(start..end).ok_or_else(|| io::Error::other("its rows have no ends"))?;
        rows.push((source, record.iter().map(str::to_owned).collect()));
        start = end;
    }
    Ok(rows)
}

// The line first, then the texts of all values.
fn object_cells(line: &str) -> Vec<String> {
    fn add(json: &Json, cells: &mut Vec<String>) {
        match json {
            Json::String(text) => cells.push(text.clone()),
            Json::Number(number) => cells.push(number.to_string()),
            Json::Array(list) => list.iter().for_each(|json| add(json, cells)),
            Json::Object(object) => object.values().for_each(|json| add(json, cells)),
            Json::Null | Json::Bool(_) => {}
        }
    }
    let json: Json = serde_json::from_str(line).unwrap_or_default();
    let mut cells = vec![json[LINE_COLUMN].to_string()];
    add(&json, &mut cells);
    cells
}
