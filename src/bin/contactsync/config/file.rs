//! A configuration file as text, and which line of it a place is in.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use super::location::{ConfigError, Location};
use super::table::Table;
use crate::bounded_file::{self, Whole};
use crate::ownership;

/// The largest configuration that is read: a hundred thousand channels take some 10 MB.
const LARGEST: usize = 16 << 20;

/// A configuration file that was read and not yet understood.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    text: String,
    lines: Arc<Lines>,
}

/// Where the lines of a file begin.
#[derive(Debug)]
pub struct Lines {
    file: Arc<str>,
    starts: Vec<usize>,
}

impl File {
    /// Reads a file. `None` when there is none of that name.
    pub fn read(path: &Path) -> Result<Option<Self>, ConfigError> {
        let wrong = |what: String| ConfigError(format!("{}: {what}", path.display()));
        let bytes = match bounded_file::read(path, LARGEST) {
            Ok(Whole { bytes, metadata }) => {
                ownership::check(path, &metadata).map_err(wrong)?;
                bytes
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(format!("cannot read it: {error}"))),
        };
        Self::of(path, bytes).map(Some)
    }

    fn of(path: &Path, bytes: Vec<u8>) -> Result<Self, ConfigError> {
        let file: Arc<str> = path.display().to_string().into();
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.split(|&byte| byte == b'\n').count();
            ConfigError(format!("{file}:{line}: expected UTF-8, found another encoding; save the file as UTF-8"))
        })?;
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Ok(Self { path: path.to_owned(), text, lines: Arc::new(Lines { file, starts }) })
    }

    /// The whole of it as a table.
    pub fn root(&self) -> Result<Table<'_>, ConfigError> {
        let entries = DeTable::parse(&self.text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let line = self.lines.at(span.start);
            ConfigError(format!("{}:{line}: {}", self.lines.file, in_words(error.message(), self.text.get(span))))
        })?;
        Ok(Table::new(Arc::clone(&self.lines), entries.into_inner()))
    }

    /// A path that stands in the file: it begins where the file is, because where a program is started from changes.
    pub fn other_runs(&self, path: &str) -> PathBuf {
        self.path.parent().map_or_else(|| PathBuf::from(path), |folder| folder.join(path))
    }
}

/// What the parser says, in words that need no knowledge of TOML where a mistake is a usual one.
fn in_words(message: &str, found: Option<&str>) -> String {
    let extends = message.starts_with("cannot extend value");
    match found {
        Some("channel") if extends || message == "duplicate key" => {
            "key `channel`: it names the channel where there are no [channel.NAME] tables; with them, remove it and say \
             --channel NAME, or channel_column"
                .into()
        }
        Some(key) if message == "duplicate key" => format!("key `{key}`: expected once, found a second time"),
        Some(_) | None if message.starts_with("string values must be quoted") => {
            "expected a value after `=`, and a text in quotes, as in mode = \"upsert\"".into()
        }
        // What begins with the letter of `true` or `false` is taken for one of them.
        Some(_) | None if message.starts_with("invalid boolean") => {
            "expected true or false in small letters, or a text in quotes, as in mode = \"upsert\"".into()
        }
        Some(_) | None if message.starts_with("key with no value") => {
            "expected `=` between a key and its value, found none; a key of several words stands in quotes".into()
        }
        Some(_) | None if message.starts_with("invalid unquoted key") => {
            "expected quotes around a key with other signs than a to z, 0 to 9, `-` and `_`, as in \"teléfono\" = \"Teléfono\""
                .into()
        }
        Some(_) | None if message.starts_with("invalid basic string, expected `\"`") => {
            "expected a quote at the end of the text, found the end of the line".into()
        }
        Some(_) | None if message.contains("escape") || message.contains("unicode value") => {
            "expected no backslash in a text in double quotes; write it in single quotes".into()
        }
        Some(_) | None => message.replace(['\n', '\r'], " "),
    }
}

impl Lines {
    /// The place of a key that stands so many bytes into the file.
    pub fn place(&self, offset: usize, key: String) -> Location {
        Location { file: Arc::clone(&self.file), line: self.at(offset), key }
    }

    fn at(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A file of that text, called `c.toml`.
    pub fn file(text: &str) -> File {
        File::of(Path::new("c.toml"), text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_file_that_is_no_toml_is_refused_with_its_line() {
        let check = |text: &[u8], expected: &str| {
            let found = File::of(Path::new("c.toml"), text.to_vec()).and_then(|file| file.root().map(|_| ()));
            let message = found.unwrap_err().to_string();
            assert_eq!(message, expected, "{}", text.escape_ascii());
        };
        let quotes = "expected a value after `=`, and a text in quotes, as in mode = \"upsert\"";
        check(b"rate = 1\nmode = upsert\n", &format!("c.toml:2: {quotes}"));
        check(b"rate =\n", &format!("c.toml:1: {quotes}"));
        check(b"rate = 1\n\nrate = 2\n", "c.toml:3: key `rate`: expected once, found a second time");
        let equals = "expected `=` between a key and its value, found none; a key of several words stands in quotes";
        check(b"# say\nrate\n", &format!("c.toml:2: {equals}"));
        check(b"rate: 5\n", &format!("c.toml:1: {equals}"));
        check(b"first name = \"Nombre\"\n", &format!("c.toml:1: {equals}"));
        let small = "expected true or false in small letters, or a text in quotes, as in mode = \"upsert\"";
        check(b"allow_http = True\n", &format!("c.toml:1: {small}"));
        check("phone = Teléfono\n".as_bytes(), &format!("c.toml:1: {small}"));
        check(
            "teléfono = \"Teléfono\"\n".as_bytes(),
            "c.toml:1: expected quotes around a key with other signs than a to z, 0 to 9, `-` and `_`, as in \
             \"teléfono\" = \"Teléfono\"",
        );
        check(b"[channel.a\nrate = 5\n", "c.toml:1: unclosed table, expected `]`");
        check(b"[channel.a]\nrate = 5\n[channel.a]\n", "c.toml:3: key `a`: expected once, found a second time");
        let both = "key `channel`: it names the channel where there are no [channel.NAME] tables; with them, remove it and \
                    say --channel NAME, or channel_column";
        check(b"channel = \"a\"\n[channel.a]\nrate = 5\n", &format!("c.toml:2: {both}"));
        check(b"channel.a.rate = 5\nchannel = \"a\"\n", &format!("c.toml:2: {both}"));
        check(
            b"journal = \"C:\\Users\\x\"\n",
            "c.toml:1: expected no backslash in a text in double quotes; write it in single quotes",
        );
        check(
            b"journal = \"C:\\sync\"\n",
            "c.toml:1: expected no backslash in a text in double quotes; write it in single quotes",
        );
        check(
            b"url = \"https://s3cret\n",
            "c.toml:1: expected a quote at the end of the text, found the end of the line",
        );
        check(b"match = [\"a\", \"b\"\nrate = 1", "c.toml:2: missing comma between array elements, expected `,`");
        check(
            b"rate = 1\nmode = \"\xff\"\n",
            "c.toml:2: expected UTF-8, found another encoding; save the file as UTF-8",
        );
    }

    #[test]
    fn a_path_begins_where_its_file_is() {
        let check = |file: &str, path: &str, expected: &str| {
            let file = File::of(Path::new(file), Vec::new()).unwrap();
            assert_eq!(file.other_runs(path), Path::new(expected));
        };
        check("contactsync.toml", "journal.db", "journal.db");
        check("/etc/sync/contactsync.toml", "journal.db", "/etc/sync/journal.db");
        check("a/c.toml", "../b.db", "a/../b.db");
        check("/etc/c.toml", "/var/j.db", "/var/j.db");
    }
}
