//! What one level says of how the input is to be read. What no level says is told by the input itself.

use contactsync::{Charset, Delimiter, Format, SourceOptions};

use crate::args::SourceArgs;
use crate::failure::Failure;

/// What a level says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceLayer {
    pub format: Option<Format>,
    pub delimiter: Option<Delimiter>,
    pub encoding: Option<Charset>,
    pub skip_lines: Option<u64>,
    pub no_header: Option<bool>,
    pub sheet: Option<String>,
}

impl SourceLayer {
    pub fn typed(args: &SourceArgs) -> Result<Self, Failure> {
        Ok(Self {
            format: parsed("--format", args.format.as_deref())?,
            delimiter: parsed("--delimiter", args.delimiter.as_deref())?,
            encoding: parsed("--encoding", args.encoding.as_deref())?,
            skip_lines: args.skip_lines,
            no_header: args.no_header.then_some(true),
            sheet: args.sheet.clone(),
        })
    }

    /// This level, and where it says nothing the lower one.
    pub fn over(self, lower: Self) -> Self {
        Self {
            format: self.format.or(lower.format),
            delimiter: self.delimiter.or(lower.delimiter),
            encoding: self.encoding.or(lower.encoding),
            skip_lines: self.skip_lines.or(lower.skip_lines),
            no_header: self.no_header.or(lower.no_header),
            sheet: self.sheet.or(lower.sheet),
        }
    }

    pub fn options(self) -> SourceOptions {
        SourceOptions {
            format: self.format,
            delimiter: self.delimiter,
            encoding: self.encoding,
            skip_lines: self.skip_lines.unwrap_or(0),
            no_header: self.no_header.unwrap_or(false),
            sheet: self.sheet,
        }
    }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    option: &str,
    text: Option<&str>,
) -> Result<Option<T>, Failure> {
    text.map(str::parse).transpose().map_err(|error| Failure::usage_text(format!("{option}: {error}")))
}
