//! The input formats, and their file extensions.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// The format of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Cells separated by commas or other delimiters, with the column names in the first row (RFC 4180).
    Csv,
    /// The same with tabs.
    Tsv,
    /// One JSON object a line.
    Jsonl,
    /// A JSON array of objects, objects one after the other, or objects that hold such an array under a key, as the pages of
    /// an API's answers do.
    Json,
    /// A spreadsheet of Excel.
    Xlsx,
    /// A spreadsheet in the open format of the others.
    Ods,
}

/// The name of an unknown format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected csv, tsv, jsonl, json, xlsx or ods, found `{0}`")]
pub struct UnknownFormat(String);

impl Format {
    /// All formats, in the order in which help texts name them.
    pub const ALL: [Self; 6] = [Self::Csv, Self::Tsv, Self::Jsonl, Self::Json, Self::Xlsx, Self::Ods];

    /// The format of a file's extension, in any case, before the extension of its compression. The content takes precedence:
    /// the name decides only where the content is ambiguous.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        if ["gz", "zst", "zip"].iter().any(|packed| extension.eq_ignore_ascii_case(packed)) {
            return Self::of(Path::new(path.file_stem()?));
        }
        extension.parse().ok()
    }

    /// Its name, as options and configuration files write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Jsonl => "jsonl",
            Self::Json => "json",
            Self::Xlsx => "xlsx",
            Self::Ods => "ods",
        }
    }

    /// Whether rows have cells under a header, instead of keys.
    pub const fn has_header(self) -> bool {
        match self {
            Self::Csv | Self::Tsv | Self::Xlsx | Self::Ods => true,
            Self::Jsonl | Self::Json => false,
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.to_ascii_lowercase().as_str() {
            "csv" => Ok(Self::Csv),
            "tsv" | "tab" => Ok(Self::Tsv),
            "jsonl" | "ndjson" => Ok(Self::Jsonl),
            "json" => Ok(Self::Json),
            "xlsx" | "xlsm" => Ok(Self::Xlsx),
            "ods" => Ok(Self::Ods),
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
        check("contacts.tab", Some(Format::Tsv));
        check("contacts.jsonl", Some(Format::Jsonl));
        check("contacts.ndjson", Some(Format::Jsonl));
        check("contacts.json", Some(Format::Json));
        check("contacts.csv.gz", Some(Format::Csv));
        check("contacts.JSONL.ZST", Some(Format::Jsonl));
        check("contacts.xlsx.zip", Some(Format::Xlsx));
        check("contacts.zip", None);
        check("contacts.txt", None);
        check("csv", None);
        check("-", None);
    }

    #[test]
    fn every_name_is_read_back() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        let error = "xls".parse::<Format>().unwrap_err();
        assert_eq!(error.to_string(), "expected csv, tsv, jsonl, json, xlsx or ods, found `xls`");
    }
}
