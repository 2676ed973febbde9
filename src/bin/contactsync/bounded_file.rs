//! Files of the user's that are read whole: regular files up to a size, or a pipe that the shell opened (`<(command)`).

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a pipe may take to be written and closed.
const PIPE_TIMEOUT: Duration = Duration::from_mins(1);

/// Where the open files of a process are, under the names that shells give to pipes.
const OPEN_FILES: [&str; 3] = ["/dev/fd/", "/dev/stdin", "/proc/self/fd/"];

/// A file that was read, and what the system says about it.
pub struct FileContent {
    pub bytes: Vec<u8>,
    pub metadata: Metadata,
}

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// What the system says, in words for a file that is larger or of another kind: a device and a named pipe may never end.
pub fn read(path: &Path, most: usize) -> io::Result<FileContent> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
    // Before it is opened: opening a named pipe waits for its writer.
    let kind = fs::metadata(path)?.file_type();
    let is_pipe = kind.is_fifo() && OPEN_FILES.iter().any(|open| path.starts_with(open));
    if !kind.is_file() && !is_pipe {
        let found = match kind {
            _ if kind.is_dir() => "a directory",
            _ if kind.is_fifo() => "a named pipe",
            _ if kind.is_socket() => "a socket",
            _ => "a device",
        };
        return Err(wrong(format!("it is {found}, not a regular file")));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let bytes = if is_pipe { of_pipe(file, most)? } else { up_to(file, most)? };
    if bytes.len() > most {
        return Err(wrong(format!("it is larger than {most} bytes")));
    }
    Ok(FileContent { bytes, metadata })
}

/// Reads at most one byte more than `most`.
pub fn up_to(from: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    from.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn of_pipe(pipe: File, most: usize) -> io::Result<Vec<u8>> {
    let (sender, read) = mpsc::channel();
    thread::Builder::new().name("pipe".into()).spawn(move || drop(sender.send(up_to(pipe, most))))?;
    read.recv_timeout(PIPE_TIMEOUT).unwrap_or_else(|_| {
        let seconds = PIPE_TIMEOUT.as_secs();
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("the pipe was not closed within {seconds} s")))
    })
}
