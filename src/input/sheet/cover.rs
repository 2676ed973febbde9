//! Recognises a sheet of instructions before the sheet of contacts.

use super::table::Found;
use crate::core::record::{Cells, Record};

/// The beginnings of names of such sheets, in several languages, without accents.
const COVERS: [&str; 14] = [
    "instruc",
    "instrucoes",
    "instrukt",
    "istruzioni",
    "anleitung",
    "read me",
    "readme",
    "read-me",
    "read_me",
    "leeme",
    "lea me",
    "leia-me",
    "leia me",
    "leiame",
];

/// The fewest words of a sentence. Column names have fewer.
const SENTENCE: usize = 5;

impl Found {
    /// Whether the sheet holds instructions and not contacts: by its name, or because it has a single column of sentences.
    pub(super) fn is_cover(&self, name: &str) -> bool {
        let name = plain(name);
        let is_sentence = |text: &str| text.split_whitespace().count() >= SENTENCE;
        let has_sentence = |row: &Record| match &row.cells {
            Cells::Texts(texts) => texts.iter().any(is_sentence),
            Cells::Object(_) => false,
        };
        let is_prose = self.width == 1
            && (self.columns.header().iter().any(|name| is_sentence(name)) || self.rows.iter().any(has_sentence));
        COVERS.iter().any(|cover| name.starts_with(cover)) || is_prose
    }
}

// In lowercase, without the accents of these languages.
fn plain(name: &str) -> String {
    let without = |character: char| match character {
        'á' | 'à' | 'ã' | 'â' => 'a',
        'é' | 'è' | 'ê' => 'e',
        'í' => 'i',
        'ó' | 'õ' | 'ô' => 'o',
        'ú' => 'u',
        'ç' => 'c',
        _ => character,
    };
    name.trim().chars().flat_map(char::to_lowercase).map(without).collect()
}
