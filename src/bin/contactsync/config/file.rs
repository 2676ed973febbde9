//! Reads a configuration file as TOML, and reports syntax errors.

use std::io;
use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use super::lines::LineIndex;
use super::table::Table;
use crate::bounded_file::{self, FileContent};
use crate::options::ConfigError;
use crate::ownership;

/// The largest configuration file, in bytes. A hundred thousand channels take about 10 MB.
const LARGEST: usize = 16 << 20;

/// The text of a configuration file.
#[derive(Debug)]
pub struct ConfigFile {
    text: String,
    lines: Arc<LineIndex>,
}

impl ConfigFile {
    /// Reads a file. `None` if it does not exist.
    pub fn read(path: &Path) -> Result<Option<Self>, ConfigError> {
        let wrong = |what: String| ConfigError::of_file(format!("{}: {what}", path.display()));
        let bytes = match bounded_file::read(path, LARGEST) {
            Ok(FileContent { bytes, metadata }) => {
                ownership::check(path, &metadata).map_err(wrong)?;
                bytes
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(format!("cannot read it: {error}"))),
        };
        Self::of(path, bytes).map(Some)
    }

    /// The file at `path`, with this content.
    pub fn of(path: &Path, bytes: Vec<u8>) -> Result<Self, ConfigError> {
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.split(|&byte| byte == b'\n').count();
            ConfigError::of_file(format!("{}:{line}: the file is not UTF-8; save it as UTF-8", path.display()))
        })?;
        let lines = Arc::new(LineIndex::of(path, &text));
        Ok(Self { text, lines })
    }

    /// Parses the file as a table.
    pub fn root(&self) -> Result<Table<'_>, ConfigError> {
        let entries = DeTable::parse(&self.text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let line = self.lines.at(span.start);
            let what = in_words(error.message(), self.text.get(span));
            ConfigError::of_file(format!("{}:{line}: {what}", self.lines.file().display()))
        })?;
        Ok(Table::new(Arc::clone(&self.lines), entries.into_inner()))
    }
}

/// The parser's message. Usual mistakes are explained for readers who do not know TOML.
fn in_words(message: &str, found: Option<&str>) -> String {
    let extends = message.starts_with("cannot extend value");
    match found {
        Some("channel") if extends || message == "duplicate key" => {
            "key `channel`: it selects a channel if there are no [channel.NAME] tables; with them, remove it and use \
             --channel NAME, or channel_column"
                .into()
        }
        Some(key) if message == "duplicate key" => format!("key `{key}`: it is set twice"),
        Some(_) | None if message.starts_with("string values must be quoted") => {
            "expected a value after `=`, and a text in quotes, as in mode = \"upsert\"".into()
        }
        // The parser takes a word that begins like `true` or `false` for one of them.
        Some(_) | None if message.starts_with("invalid boolean") => {
            "expected true or false in lower case, or a text in quotes, as in mode = \"upsert\"".into()
        }
        Some(_) | None if message.starts_with("key with no value") => {
            "expected `=` between a key and its value, found none; write a key of several words in quotes".into()
        }
        Some(_) | None if message.starts_with("invalid unquoted key") => {
            "expected quotes around a key with other characters than a to z, 0 to 9, `-` and `_`, as in \"teléfono\" = \"Teléfono\""
                .into()
        }
        Some(_) | None if message.starts_with("invalid basic string, expected `\"`") => {
            "expected a quote at the end of the text, found the end of the line".into()
        }
        Some(_) | None if message.contains("escape") || message.contains("unicode value") => {
            "a backslash in double quotes is an escape; use single quotes".into()
        }
        Some(_) | None => message.replace(['\n', '\r'], " "),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A file of that text, called `c.toml`.
    pub fn file(text: &str) -> ConfigFile {
        ConfigFile::of(Path::new("c.toml"), text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn invalid_toml_is_reported_with_its_line() {
        let check = |text: &[u8], expected: &str| {
            let found = ConfigFile::of(Path::new("c.toml"), text.to_vec()).and_then(|file| file.root().map(|_| ()));
            let message = found.unwrap_err().to_string();
            assert_eq!(message, expected, "{}", text.escape_ascii());
        };
        let quotes = "expected a value after `=`, and a text in quotes, as in mode = \"upsert\"";
        check(b"rate = 1\nmode = upsert\n", &format!("c.toml:2: {quotes}"));
        check(b"rate =\n", &format!("c.toml:1: {quotes}"));
        check(b"rate = 1\n\nrate = 2\n", "c.toml:3: key `rate`: it is set twice");
        let equals = "expected `=` between a key and its value, found none; write a key of several words in quotes";
        check(b"# say\nrate\n", &format!("c.toml:2: {equals}"));
        check(b"rate: 5\n", &format!("c.toml:1: {equals}"));
        check(b"first name = \"Nombre\"\n", &format!("c.toml:1: {equals}"));
        let small = "expected true or false in lower case, or a text in quotes, as in mode = \"upsert\"";
        check(b"allow_http = True\n", &format!("c.toml:1: {small}"));
        check("phone = Teléfono\n".as_bytes(), &format!("c.toml:1: {small}"));
        check(
            "teléfono = \"Teléfono\"\n".as_bytes(),
            "c.toml:1: expected quotes around a key with other characters than a to z, 0 to 9, `-` and `_`, as in \
             \"teléfono\" = \"Teléfono\"",
        );
        check(b"[channel.a\nrate = 5\n", "c.toml:1: unclosed table, expected `]`");
        check(b"[channel.a]\nrate = 5\n[channel.a]\n", "c.toml:3: key `a`: it is set twice");
        let both = "key `channel`: it selects a channel if there are no [channel.NAME] tables; with them, remove it and \
                    use --channel NAME, or channel_column";
        check(b"channel = \"a\"\n[channel.a]\nrate = 5\n", &format!("c.toml:2: {both}"));
        check(b"channel.a.rate = 5\nchannel = \"a\"\n", &format!("c.toml:2: {both}"));
        check(
            b"journal = \"C:\\Users\\x\"\n",
            "c.toml:1: a backslash in double quotes is an escape; use single quotes",
        );
        check(b"journal = \"C:\\sync\"\n", "c.toml:1: a backslash in double quotes is an escape; use single quotes");
        check(
            b"url = \"https://s3cret\n",
            "c.toml:1: expected a quote at the end of the text, found the end of the line",
        );
        check(b"match = [\"a\", \"b\"\nrate = 1", "c.toml:2: missing comma between array elements, expected `,`");
        check(b"rate = 1\nmode = \"\xff\"\n", "c.toml:2: the file is not UTF-8; save it as UTF-8");
    }
}
