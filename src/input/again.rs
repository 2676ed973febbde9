//! Reads an input a second time, when some of its rows are needed again.
//!
//! A file is read again through the same open file, so that another file which took its name meanwhile does no harm. What
//! comes through a pipe is copied into a file without a name while it is read, once that is asked for.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use super::open::{Opened, Steady};
use crate::core::time::Timestamp;

use super::{Format, Source, SourceError, SourceFault, SourceOptions};

/// How many bytes of a pipe are kept before it is known whether the input is to be read again: more than is looked at to find
/// out what it holds.
const KEPT: usize = 4 * 1024 * 1024;

/// What it takes to open an input once more.
#[derive(Debug)]
pub(super) struct Again {
    named: Option<Format>,
    options: SourceOptions,
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    File(Steady),
    Pipe(Arc<Mutex<Copied>>),
    // A file that cannot be read at any place.
    Once,
}

/// What was read of a pipe.
#[derive(Debug)]
enum Copied {
    // Its beginning, while it is not known whether it is to be read again.
    Held(Vec<u8>),
    Spooled(File),
    // More was read than is held, or it could not be copied.
    Lost,
}

/// A pipe, of which a copy is made.
struct Tee {
    pipe: Box<dyn Read + Send>,
    copied: Arc<Mutex<Copied>>,
}

/// A file from its beginning. Another reader of the same open file keeps its place.
struct FromStart {
    file: Steady,
    at: u64,
}

impl Again {
    /// The opened input, and how it is opened once more.
    pub(super) fn of(opened: Opened, named: Option<Format>, options: &SourceOptions) -> (Opened, Self) {
        let again = |origin| Self { named, options: options.clone(), origin };
        match opened {
            Opened::File(file) => {
                let origin =
                    if cfg!(unix) { file.try_clone().map_or(Origin::Once, Origin::File) } else { Origin::Once };
                (Opened::File(file), again(origin))
            }
            Opened::Stream(pipe) => {
                let copied = Arc::new(Mutex::new(Copied::Held(Vec::new())));
                let tee = Tee { pipe, copied: Arc::clone(&copied) };
                (Opened::Stream(Box::new(tee)), again(Origin::Pipe(copied)))
            }
            Opened::Command(command) => Self::of(Opened::Stream(Box::new(command)), named, options),
        }
    }

    /// When the file was last written; `None` when it is no file.
    pub(super) fn modified(&self) -> Option<Timestamp> {
        match &self.origin {
            Origin::File(file) => file.modified(),
            Origin::Pipe(_) | Origin::Once => None,
        }
    }

    /// Prepares for reading the input again, and says whether that is possible.
    pub(super) fn prepare(&self) -> bool {
        match &self.origin {
            Origin::File(_) => true,
            Origin::Once => false,
            Origin::Pipe(copied) => {
                let mut copied = copied.lock().unwrap_or_else(PoisonError::into_inner);
                if let Copied::Held(start) = &*copied {
                    let spooled = tempfile::tempfile().and_then(|mut file| file.write_all(start).map(|()| file));
                    *copied = spooled.map_or(Copied::Lost, Copied::Spooled);
                }
                matches!(*copied, Copied::Spooled(_))
            }
        }
    }

    /// Frees what is kept of a pipe, if it was not prepared for being read again.
    pub(super) fn release(&self) {
        if let Origin::Pipe(copied) = &self.origin {
            let mut copied = copied.lock().unwrap_or_else(PoisonError::into_inner);
            if let Copied::Held(_) = *copied {
                *copied = Copied::Lost;
            }
        }
    }

    /// The input once more, from its beginning, after all of it was read.
    pub(super) fn open(&self, name: &str) -> Result<Source, SourceError> {
        let failed = |cause| SourceError::new(name, SourceFault::Read { line: 1, cause });
        let file = match &self.origin {
            Origin::File(file) => file.try_clone().map_err(failed)?,
            Origin::Pipe(copied) => match &*copied.lock().unwrap_or_else(PoisonError::into_inner) {
                Copied::Spooled(file) => Steady::new(file.try_clone().map_err(failed)?),
                Copied::Held(_) | Copied::Lost => return Err(failed(io::Error::other("it can be read only once"))),
            },
            Origin::Once => return Err(failed(io::Error::other("it can be read only once"))),
        };
        let opened = Opened::Stream(Box::new(FromStart { file, at: 0 }));
        Source::assembled(name.to_owned(), opened, self.named, &self.options)
    }
}

impl Read for Tee {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.pipe.read(buffer)?;
        let mut copied = self.copied.lock().unwrap_or_else(PoisonError::into_inner);
        let is_lost = match &mut *copied {
            Copied::Held(start) => {
                start.extend_from_slice(&buffer[..count]);
                start.len() > KEPT
            }
            // A full disk for temporary files: all rows are planned as they are read, unless some of them are needed again.
            Copied::Spooled(file) => file.write_all(&buffer[..count]).is_err(),
            Copied::Lost => false,
        };
        if is_lost {
            *copied = Copied::Lost;
        }
        Ok(count)
    }
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
