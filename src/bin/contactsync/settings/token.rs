//! Reads a token: from an environment variable, a file, or the output of a command.

use std::env;
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use contactsync::Token;
use contactsync::client::RenewToken;

use crate::bounded_file::{self, FileContent, up_to};
use crate::failure::Failure;
use crate::options::{SettingOrigin, Sourced, TokenCommand, TokenPlace};
use crate::ownership;

/// The largest size of a file or an output with a token, in bytes.
const LARGEST: usize = 64 << 10;

/// The time limit for a command. A password manager may ask the user to unlock it.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(1);

/// The interval at which a command that has closed its output is checked.
const POLL: Duration = Duration::from_millis(5);

/// A token, and a warning about its place.
#[derive(Debug)]
pub struct FoundToken {
    pub token: Token,
    pub warning: Option<String>,
}

impl TokenCommand {
    /// Runs the command and reads the token from its output. Its standard error is that of the program.
    ///
    /// # Errors
    /// The reason why there is no token. It contains nothing of the output and no argument.
    pub fn run(&self) -> Result<Token, String> {
        let failed = |what: String| format!("token command `{}`: {what}", self.program);
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        // The command is not repeated: it may be a token under the wrong key.
        let mut child = command.spawn().map_err(|error| format!("token command: cannot run it: {error}"))?;
        let (status, bytes) = output(&mut child, COMMAND_TIMEOUT).map_err(|error| failed(error.to_string()))?;
        if !status.success() {
            return Err(failed(format!("it failed: {status}")));
        }
        if bytes.len() > LARGEST {
            return Err(failed(format!("its output is larger than {LARGEST} bytes")));
        }
        Token::new(&text(&bytes).map_err(|wrong| failed(wrong.into()))?).map_err(|error| failed(error.to_string()))
    }
}

impl RenewToken for TokenCommand {
    fn renew(&self) -> Result<Token, String> {
        self.run()
    }
}

// Returns the exit status and the output. The command has ended or was killed, also after an error.
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
                None => thread::sleep(POLL),
            }
        }
    });
    if ended.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    ended
}

// Decodes by the BOM: PowerShell writes UTF-16.
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
    text.ok_or("the token is not text")
}

impl Sourced<TokenPlace> {
    /// Reads the token.
    pub fn find(&self) -> Result<FoundToken, Failure> {
        let place = self.place();
        let mut warning = None;
        let text = match &self.value {
            TokenPlace::File(path) => {
                let cannot =
                    |error: &dyn std::fmt::Display| Failure::usage_text(format!("{place}: cannot read it: {error}"));
                let FileContent { bytes, metadata } =
                    bounded_file::read(path, LARGEST).map_err(|error| cannot(&error))?;
                if ownership::is_public(&metadata) {
                    let name = ownership::quoted(path);
                    warning = Some(format!("{place}: every user of this machine can read it; run `chmod o-r {name}`"));
                }
                text(&bytes).map_err(|wrong| Failure::usage_text(format!("{place}: {wrong}")))?
            }
            TokenPlace::Env(name) => env::var(name).map_err(|error| {
                let wrong = match error {
                    env::VarError::NotPresent => "is not set",
                    env::VarError::NotUnicode(_) => "is not text",
                };
                Failure::usage_text(format!("{place} {wrong}")).hint(match self.origin {
                    SettingOrigin::Option(_) => {
                        "set it, or use --token-env VAR, --token-file FILE or --token-command CMD"
                    }
                    SettingOrigin::Key(_) => "set it where contactsync is started, or use token_file or token_command",
                })
            })?,
            TokenPlace::Command(command) => {
                let token = command.run().map_err(|wrong| Failure::usage_text(format!("{place}: {wrong}")))?;
                return Ok(FoundToken { token, warning });
            }
        };
        let token = Token::new(&text).map_err(|error| Failure::usage_text(format!("{place}: {error}")))?;
        Ok(FoundToken { token, warning })
    }

    // In the configuration, the value may be the token itself under the wrong key, so only the line is named.
    pub(super) fn place(&self) -> String {
        match (&self.origin, &self.value) {
            (SettingOrigin::Option(_), TokenPlace::File(path)) => format!("token file {}", path.display()),
            (SettingOrigin::Option(_), TokenPlace::Env(name)) => format!("environment variable {name}"),
            (SettingOrigin::Option(option), TokenPlace::Command(_)) => option.clone(),
            (SettingOrigin::Key(place), TokenPlace::File(_)) => format!("{place}: the file that it names"),
            (SettingOrigin::Key(place), TokenPlace::Env(_)) => {
                format!("{place}: the environment variable that it names")
            }
            (SettingOrigin::Key(place), TokenPlace::Command(_)) => place.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            check(bytes, Err("the token is not text"));
        }
    }
}
