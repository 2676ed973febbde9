//! Finds the line of an offset in a configuration file.

use std::path::Path;
use std::sync::Arc;

use crate::options::Location;

/// The beginnings of the lines of a file.
#[derive(Debug)]
pub struct LineIndex {
    file: Arc<Path>,
    starts: Vec<usize>,
}

impl LineIndex {
    pub fn of(file: &Path, text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file: file.into(), starts }
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The place of a key, by its offset in bytes.
    pub fn place(&self, offset: usize, key: String) -> Location {
        Location { file: Arc::clone(&self.file), line: self.at(offset), key }
    }

    /// The line of an offset, from 1.
    pub fn at(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset)
    }
}
