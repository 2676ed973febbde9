//! Opens an input: a file or a pipe.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, IsTerminal, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use super::command::RunningCommand;
use super::lookahead::Lookahead;
use super::{SourceError, SourceFault};
use crate::core::time::Timestamp;

/// The source of the contacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file.
    Path(PathBuf),
    /// Standard input.
    Stdin,
    /// The output of this command line, which `sh -c` runs. The input is refused when the command fails.
    Command(String),
}

/// An input that is open.
pub(super) enum Opened {
    /// A file, which is seekable.
    File(Steady),
    /// A stream, which can be read once.
    Stream(Box<dyn Read + Send>),
    /// A command, whose output can be read once.
    Command(RunningCommand),
}

/// A file that must not be written to while it is read. A file that replaces it does no harm. One that is written in place
/// may be incomplete: its last row may be cut, and others missing.
#[derive(Debug)]
pub(super) struct Steady {
    file: File,
    opened: Option<(SystemTime, u64)>,
    // The system's error when it could not be read, which a reader may take for a fault of the file.
    failed: Arc<OnceLock<i32>>,
}

impl Opened {
    pub(super) fn open(input: &Input) -> Result<Self, SourceError> {
        let path = match input {
            Input::Stdin => return Ok(Self::Stream(Box::new(io::stdin()))),
            Input::Command(command_line) => {
                let command = RunningCommand::start(command_line);
                let started = command.map_err(|cause| SourceError::opening(&input.to_string(), cause));
                return started.map(Self::Command);
            }
            Input::Path(path) => path,
        };
        let name = input.to_string();
        let file = File::open(path).map_err(|cause| SourceError::opening(&name, cause))?;
        // A directory opens like a file on some systems, and fails only when it is read.
        match file.metadata() {
            Ok(metadata) if metadata.is_dir() => Err(SourceError::new(&name, SourceFault::Directory)),
            Ok(metadata) if is_device(&metadata) && !file.is_terminal() => {
                Err(SourceError::new(&name, SourceFault::Device))
            }
            Ok(metadata) if metadata.is_file() => Ok(Self::File(Steady::new(file))),
            Ok(_) | Err(_) => Ok(Self::Stream(Box::new(file))),
        }
    }
}

// Such as `/dev/zero`, which has no end.
#[cfg(unix)]
fn is_device(metadata: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    metadata.file_type().is_char_device()
}

#[cfg(not(unix))]
fn is_device(_: &Metadata) -> bool {
    false
}

/// The complete input as a seekable file: the file itself, or a copy of a stream.
pub(super) fn seekable(input: Lookahead<Opened>) -> io::Result<Steady> {
    let (lookahead, opened) = input.into_parts();
    match opened {
        Opened::File(mut file) => {
            file.rewind()?;
            Ok(file)
        }
        Opened::Stream(rest) => Ok(spooled(lookahead.as_slice().chain(rest))?.0),
        Opened::Command(rest) => Ok(spooled(lookahead.as_slice().chain(rest))?.0),
    }
}

/// A copy of the rest of a stream, and its size, in an unnamed temporary file that only this process can read.
pub(super) fn spooled(mut stream: impl Read) -> io::Result<(Steady, u64)> {
    let mut file = tempfile::tempfile()?;
    let size = io::copy(&mut stream, &mut file)?;
    file.rewind()?;
    Ok((Steady::new(file), size))
}

impl Steady {
    pub(super) fn new(file: File) -> Self {
        Self { opened: state_of(&file), file, failed: Arc::default() }
    }

    /// When the file was last written before it was opened.
    pub(super) fn modified(&self) -> Option<Timestamp> {
        let since_epoch = self.opened?.0.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).ok()?))
    }

    /// Another handle of the same file, to check it. Both share one position.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { file: self.file.try_clone()?, opened: self.opened, failed: Arc::clone(&self.failed) })
    }

    /// Reads at any place of the file, without moving other readers.
    pub(super) fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let count = read_at(&self.file, buffer, at)?;
        if count == 0 && !buffer.is_empty() {
            self.check()?;
        }
        Ok(count)
    }

    /// Checks that the file has not changed since it was opened, and that it could be read.
    ///
    /// # Errors
    /// When it was written to, or the system failed to read it.
    pub(super) fn check(&self) -> io::Result<()> {
        if let Some(&code) = self.failed.get() {
            return Err(io::Error::from_raw_os_error(code));
        }
        if state_of(&self.file) == self.opened {
            return Ok(());
        }
        Err(io::Error::other("it changed while it was being read"))
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(not(unix))]
fn read_at(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Stream(stream) => stream.read(buffer),
            Self::Command(command) => command.read(buffer),
        }
    }
}

impl Read for Steady {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer);
        match &read {
            Ok(0) => self.check()?,
            Ok(_) => {}
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => {
                if let Some(code) = cause.raw_os_error() {
                    self.failed.get_or_init(|| code);
                }
            }
        }
        read
    }
}

impl Seek for Steady {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.file.seek(place)
    }
}

// When the file was last written, and its size; a pipe has neither.
fn state_of(file: &File) -> Option<(SystemTime, u64)> {
    let metadata = file.metadata().ok().filter(Metadata::is_file)?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// `-` is standard input, everything else a path.
impl From<PathBuf> for Input {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::Path(path) }
    }
}

/// The name in error messages.
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Stdin => f.write_str("standard input"),
            // The command line may contain a password.
            Self::Command(_) => f.write_str("input command"),
        }
    }
}
