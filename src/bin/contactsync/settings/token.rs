//! Where a token comes from: an environment variable, a file, or what a command prints.

use std::env;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use contactsync::Token;

use super::layer::{Origin, Sourced, TokenPlace};
use crate::bounded_file::{self, Whole, up_to};
use crate::failure::Failure;
use crate::ownership;

/// The largest file, and the longest output of a command, that is taken for a token.
const LARGEST: usize = 64 << 10;

/// How long a command may take to print a token: a password manager may ask a person to unlock it.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(1);

/// How often a command that has closed its output is asked whether it has ended.
const GLANCE: Duration = Duration::from_millis(5);

/// A command that prints a token: a program and its arguments. No shell is involved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenCommand {
    program: String,
    arguments: Vec<String>,
}

/// A token that was found, and what is to be reported about its place.
#[derive(Debug)]
pub struct Found {
    pub token: Token,
    pub warning: Option<String>,
}

impl TokenCommand {
    /// Splits a command line into words as a shell does, quotes included. The text is not repeated: it may hold a secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::of(words(text).ok_or("expected a command, found a quote that is not closed")?)
    }

    /// The program and its arguments as a list.
    pub fn of(words: Vec<String>) -> Result<Self, String> {
        let mut words = words.into_iter();
        match words.next().filter(|program| !program.trim().is_empty()) {
            Some(program) => Ok(Self { program, arguments: words.collect() }),
            None => Err("expected a command, found none".into()),
        }
    }

    /// The same with its program found from `folder`, where its name is a relative path.
    pub fn other_runs(self, folder: impl Fn(&str) -> std::path::PathBuf) -> Self {
        if !self.program.contains('/') || self.program.starts_with('/') {
            return self;
        }
        let path = folder(&self.program);
        // A name without a slash would be looked for in PATH.
        let path = if path.components().count() == 1 { Path::new(".").join(path) } else { path };
        Self { program: path.to_string_lossy().into_owned(), ..self }
    }

    /// Runs it and takes what it prints for the token. Its standard error is the user's to see.
    ///
    /// # Errors
    /// Why there is no token, in words that hold nothing of the output and none of the arguments.
    pub fn run(&self) -> Result<Token, String> {
        let failed = |what: String| format!("token command `{}`: {what}", self.program);
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        // What is no program may be a token at the wrong place.
        let mut child = command.spawn().map_err(|error| format!("token command: cannot run it: {error}"))?;
        let (status, bytes) = output(&mut child, COMMAND_TIMEOUT).map_err(|error| failed(error.to_string()))?;
        if !status.success() {
            return Err(failed(format!("it failed: {status}")));
        }
        if bytes.len() > LARGEST {
            return Err(failed(format!("expected a token, found more than {LARGEST} bytes")));
        }
        Token::new(&text(&bytes).map_err(|wrong| failed(wrong.into()))?).map_err(|error| failed(error.to_string()))
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

// What it prints, and how it ends. Whatever happens, it has ended, or was killed.
fn output(child: &mut Child, timeout: Duration) -> io::Result<(ExitStatus, Vec<u8>)> {
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("it has no output"))?;
    let (sender, read) = mpsc::channel();
    let reader = thread::Builder::new().name("token".into()).spawn(move || drop(sender.send(up_to(stdout, LARGEST))));
    let until = Instant::now() + timeout;
    let ended = reader.and_then(|_| {
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("it did not end within {timeout:?}"));
        let bytes = read.recv_timeout(timeout).map_err(|_| late())??;
        if bytes.len() > LARGEST {
            child.kill()?;
        }
        loop {
            match child.try_wait()? {
                Some(status) if bytes.len() <= LARGEST => return Ok((status, bytes)),
                Some(_) => return Ok((ExitStatus::default(), bytes)),
                None if Instant::now() >= until => return Err(late()),
                None => thread::sleep(GLANCE),
            }
        }
    });
    if ended.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    ended
}

// A text by its byte order mark: PowerShell writes UTF-16.
fn text(bytes: &[u8]) -> Result<String, &'static str> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks();
        let units: Vec<u16> = pairs.iter().copied().map(unit).collect();
        String::from_utf16(&units).ok().filter(|_| rest.is_empty())
    };
    let text = match bytes {
        [0xff, 0xfe, bytes @ ..] => utf16(bytes, u16::from_le_bytes),
        [0xfe, 0xff, bytes @ ..] => utf16(bytes, u16::from_be_bytes),
        bytes => String::from_utf8(bytes.to_vec()).ok(),
    };
    text.ok_or("expected a token, found bytes that are not text")
}

impl Sourced<TokenPlace> {
    /// Looks for the token there.
    pub fn find(&self) -> Result<Found, Failure> {
        let place = self.place();
        let mut warning = None;
        let text = match &self.value {
            TokenPlace::File(path) => {
                let cannot =
                    |error: &dyn std::fmt::Display| Failure::usage_text(format!("{place}: cannot read it: {error}"));
                let Whole { bytes, metadata } = bounded_file::read(path, LARGEST).map_err(|error| cannot(&error))?;
                if ownership::is_public(&metadata) {
                    let name = ownership::quoted(path);
                    warning = Some(format!("{place}: every user of this machine can read it; run `chmod o-r {name}`"));
                }
                text(&bytes).map_err(|wrong| Failure::usage_text(format!("{place}: {wrong}")))?
            }
            TokenPlace::Env(name) => env::var(name).map_err(|error| {
                let found = match error {
                    env::VarError::NotPresent => "none: it is not set",
                    env::VarError::NotUnicode(_) => "something that is not text",
                };
                Failure::usage_text(format!("{place}: expected the channel's token, found {found}")).hint(
                    match self.origin {
                        Origin::Option(_) => "set it, or use --token-env VAR, --token-file FILE or --token-command CMD",
                        Origin::Key(_) => "set it where contactsync is started, or use token_file or token_command",
                    },
                )
            })?,
            TokenPlace::Command(command) => {
                let token = command.run().map_err(|wrong| Failure::usage_text(format!("{place}: {wrong}")))?;
                return Ok(Found { token, warning });
            }
        };
        let token = Token::new(&text).map_err(|error| Failure::usage_text(format!("{place}: {error}")))?;
        Ok(Found { token, warning })
    }

    // In the configuration, the text may be the token itself, at the wrong place: there the line says enough.
    pub(super) fn place(&self) -> String {
        match (&self.origin, &self.value) {
            (Origin::Option(_), TokenPlace::File(path)) => format!("token file {}", path.display()),
            (Origin::Option(_), TokenPlace::Env(name)) => format!("environment variable {name}"),
            (Origin::Option(option), TokenPlace::Command(_)) => (*option).to_owned(),
            (Origin::Key(place), TokenPlace::File(_)) => format!("{place}: the file that it names"),
            (Origin::Key(place), TokenPlace::Env(_)) => format!("{place}: the environment variable that it names"),
            (Origin::Key(place), TokenPlace::Command(_)) => place.to_string(),
        }
    }
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
        check("", Err("expected a command, found none"));
        check("''", Err("expected a command, found none"));
        for open in ["pass 'show", "pass \"show", "pass show\\"] {
            check(open, Err("expected a command, found a quote that is not closed"));
        }
    }

    #[test]
    fn a_relative_program_is_found_beside_the_configuration() {
        let check = |program: &str, folder: &str, expected: &str| {
            let command = TokenCommand::parse(program).unwrap();
            assert_eq!(command.other_runs(|path| Path::new(folder).join(path)).program, expected, "{program}");
        };
        check("pass", "/etc/sync", "pass");
        check("/usr/bin/pass", "/etc/sync", "/usr/bin/pass");
        check("./token.sh", "/etc/sync", "/etc/sync/./token.sh");
        check("./token.sh", "", "./token.sh");
        check("bin/token.sh", "", "bin/token.sh");
    }

    #[test]
    fn a_command_that_does_not_end_is_killed() {
        // One that keeps its output open, and one that closes it.
        for script in ["sleep 60", "exec >&-; sleep 60"] {
            let mut command = Command::new("sh");
            let mut child =
                command.args(["-c", &format!("exec sh -c '{script}'")]).stdout(Stdio::piped()).spawn().unwrap();
            let error = output(&mut child, Duration::from_millis(300)).unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string()),
                (io::ErrorKind::TimedOut, "it did not end within 300ms".into())
            );
            assert!(child.try_wait().unwrap().is_some(), "{script}: it was killed");
        }
    }

    #[test]
    fn a_token_is_text_in_the_encoding_of_its_byte_order_mark() {
        let check = |bytes: &[u8], expected: Result<&str, &str>| {
            assert_eq!(text(bytes), expected.map(str::to_owned), "{}", bytes.escape_ascii());
        };
        check(b"abc\n", Ok("abc\n"));
        check(b"\xef\xbb\xbfabc", Ok("\u{feff}abc"));
        check(b"\xff\xfea\0b\0\r\0\n\0", Ok("ab\r\n"));
        check(b"\xfe\xff\0a\0b", Ok("ab"));
        for bytes in [&b"abc\xff"[..], b"\xff\xfea", b"\xff\xfe\x00\xd8"] {
            check(bytes, Err("expected a token, found bytes that are not text"));
        }
    }
}
