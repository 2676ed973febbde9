//! The command that prints a token.

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A command that prints a token: a program and its arguments. No shell is involved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenCommand {
    pub program: String,
    pub arguments: Vec<String>,
}

impl FromStr for TokenCommand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TokenCommand {
    /// Splits a command line into words as a shell does, including quotes. The text is not repeated: it may contain a secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::of(words(text).ok_or("the command has an unclosed quote")?)
    }

    /// The program and its arguments as a list.
    pub fn of(words: Vec<String>) -> Result<Self, String> {
        let mut words = words.into_iter();
        match words.next().filter(|program| !program.trim().is_empty()) {
            Some(program) => Ok(Self { program, arguments: words.collect() }),
            None => Err("the command is empty".into()),
        }
    }

    /// The same command. A program with a relative path starts at `folder`.
    pub fn relative_to(self, folder: impl Fn(&str) -> PathBuf) -> Self {
        if !self.program.contains('/') || self.program.starts_with('/') {
            return self;
        }
        let path = folder(&self.program);
        // A name without a slash would be searched in PATH.
        let path = if path.components().count() == 1 { Path::new(".").join(path) } else { path };
        Self { program: path.to_string_lossy().into_owned(), ..self }
    }
}

// The words of a command line: separated by blanks; quotes keep blanks, and a backslash outside single quotes keeps the character
// after it. `None` when a quote is not closed.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote): (_, Option<String>, Option<char>) = (Vec::new(), None, None);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', None | Some('"')) => word.get_or_insert_default().push(characters.next()?),
            (quoted, Some(open)) if quoted != open => word.get_or_insert_default().push(quoted),
            (_, Some(_)) => quote = None,
            ('\'' | '"', None) => {
                word.get_or_insert_default();
                quote = Some(character);
            }
            (blank, None) if blank.is_whitespace() => words.extend(word.take()),
            (plain, None) => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_without_a_shell() {
        let check = |text: &str, expected: Result<&[&str], &str>| {
            let words = TokenCommand::parse(text).map(|command| {
                let mut words = vec![command.program];
                words.extend(command.arguments);
                words
            });
            let expected = expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
            assert_eq!(words, expected.map_err(str::to_owned), "{text}");
        };
        check("pass show contactsync", Ok(&["pass", "show", "contactsync"]));
        check("  vault  kv get -field='a b' \"x y\" ", Ok(&["vault", "kv", "get", "-field=a b", "x y"]));
        check(r#"a\ b "c\"d" 'e\f' g'h'"i" "" "#, Ok(&["a b", "c\"d", "e\\f", "ghi", ""]));
        check("echo $HOME | cat", Ok(&["echo", "$HOME", "|", "cat"]));
        check("", Err("the command is empty"));
        check("''", Err("the command is empty"));
        for open in ["pass 'show", "pass \"show", "pass show\\"] {
            check(open, Err("the command has an unclosed quote"));
        }
    }

    #[test]
    fn a_relative_program_is_found_beside_the_configuration() {
        let check = |program: &str, folder: &str, expected: &str| {
            let command = TokenCommand::parse(program).unwrap();
            assert_eq!(command.relative_to(|path| Path::new(folder).join(path)).program, expected, "{program}");
        };
        check("pass", "/etc/sync", "pass");
        check("/usr/bin/pass", "/etc/sync", "/usr/bin/pass");
        check("./token.sh", "/etc/sync", "/etc/sync/./token.sh");
        check("./token.sh", "", "./token.sh");
        check("bin/token.sh", "", "bin/token.sh");
    }
}
