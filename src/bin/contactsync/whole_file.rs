//! Files that are written as a whole or not at all, with mode 0600.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process;

/// Writes a new file with this text and a line break beside the old one, and puts it in its place.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".part-{}", process::id()));
    let part = Path::new(&part);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part)?;
    let written = writeln!(file, "{text}").and_then(|()| file.sync_all()).and_then(|()| fs::rename(part, path));
    if written.is_err() {
        // The error is what matters. If this fails too, a part is left.
        let _ = fs::remove_file(part);
    }
    written
}
