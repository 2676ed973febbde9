//! The formats that are read, and how a file's name tells them.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// What an input holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Cells parted by commas, the first row naming the columns (RFC 4180).
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// A name that no format has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected csv or jsonl, found `{0}`")]
pub struct UnknownFormat(String);

impl Format {
    /// All formats, in the order in which help texts name them.
    pub const ALL: [Self; 2] = [Self::Csv, Self::Jsonl];

    /// The format that a file's extension tells, whatever its case: `.csv`, `.jsonl` or `.ndjson`.
    pub fn of(path: &Path) -> Option<Self> {
        path.extension()?.to_str()?.parse().ok()
    }

    /// The name that `--format` takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.to_ascii_lowercase().as_str() {
            "csv" => Ok(Self::Csv),
            "jsonl" | "ndjson" => Ok(Self::Jsonl),
            _ => Err(UnknownFormat(name.to_owned())),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_tells_the_format() {
        let check = |path: &str, expected: Option<Format>| assert_eq!(Format::of(Path::new(path)), expected, "{path}");
        check("contacts.csv", Some(Format::Csv));
        check("/in/CONTACTS.CSV", Some(Format::Csv));
        check("contacts.jsonl", Some(Format::Jsonl));
        check("contacts.ndjson", Some(Format::Jsonl));
        check("contacts.json", None);
        check("contacts.csv.gz", None);
        check("csv", None);
        check("-", None);
    }

    #[test]
    fn every_name_is_read_back() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!("xlsx".parse::<Format>().unwrap_err().to_string(), "expected csv or jsonl, found `xlsx`");
    }
}
