//! Takes off what an input is packed in, told by its first bytes: gzip, Zstandard, or a zip archive.
//!
//! One layer is taken off, and no more. What is unpacked is read as it comes, so that an archive which would fill the disk
//! fills nothing here.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use zip::read::ZipFile;
use zip::{CompressionMethod, ZipArchive};

use super::ahead::Ahead;
use super::open::{Opened, Steady, seekable, spooled};
use super::parts::{self, MAX_BYTES};
use super::{Bytes, SourceFault};

/// What an input was packed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packing {
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
    /// `.zip`, and the name of the one file in it.
    Zip(String),
}

/// What is inside.
pub(super) enum Content {
    /// Text, or what is to be shown to be text.
    Bytes(Bytes),
    /// A spreadsheet, which is an archive itself.
    Workbook(Book, Steady),
}

/// The kinds of spreadsheets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Book {
    Xlsx,
    Ods,
}

/// What the first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magic {
    Gzip,
    Zstd,
    Zip,
    Foreign(&'static str),
}

const MAGIC: [(&[u8], Magic); 13] = [
    (b"\x1F\x8B", Magic::Gzip),
    (b"\x28\xB5\x2F\xFD", Magic::Zstd),
    (b"PK\x03\x04", Magic::Zip),
    // An archive without a file.
    (b"PK\x05\x06", Magic::Zip),
    (
        b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
        Magic::Foreign("an Excel file of the old kind or with a password: save it as .xlsx without one"),
    ),
    (b"%PDF-", Magic::Foreign("a PDF")),
    (b"\xFD7zXZ\0", Magic::Foreign("an .xz archive: unpack it")),
    (b"BZh", Magic::Foreign("a .bz2 archive: unpack it")),
    (b"7z\xBC\xAF\x27\x1C", Magic::Foreign("a .7z archive: unpack it")),
    (b"Rar!\x1A\x07", Magic::Foreign("a .rar archive: unpack it")),
    (b"SQLite format 3\0", Magic::Foreign("a SQLite database")),
    (b"\x89PNG\r\n", Magic::Foreign("a picture")),
    (b"\xFF\xD8\xFF", Magic::Foreign("a picture")),
];

/// Where a tar archive has its name.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// As many bytes as are needed to tell.
const MAGIC_BYTES: usize = 262;

/// Takes the layer off, if there is one.
pub(super) fn peel(mut input: Ahead<Opened>) -> Result<(Option<Packing>, Content), SourceFault> {
    let (packing, mut bytes): (_, Bytes) = match magic(input.look(MAGIC_BYTES).bytes) {
        None => return Ok((None, Content::Bytes(boxed(input)))),
        Some(Magic::Foreign(found)) => return Err(SourceFault::Foreign { found: found.to_owned() }),
        Some(Magic::Gzip) => (Packing::Gzip, boxed(MultiGzDecoder::new(input))),
        Some(Magic::Zstd) => (Packing::Zstd, boxed(zstd::Decoder::with_buffer(input).map_err(SourceFault::Unpack)?)),
        Some(Magic::Zip) => {
            let mut file = seekable(input).map_err(SourceFault::Unpack)?;
            let (name, place) = match archive(&mut file)? {
                Archive::Workbook(book) => return Ok((None, Content::Workbook(book, file))),
                Archive::Member(name, place) => (name, place),
            };
            (Packing::Zip(name), boxed(place.open(file).map_err(SourceFault::Unpack)?))
        }
    };
    let content = match magic(bytes.look(MAGIC_BYTES).bytes) {
        None => Content::Bytes(bytes),
        Some(Magic::Foreign(found)) => return Err(SourceFault::Foreign { found: found.to_owned() }),
        Some(Magic::Gzip | Magic::Zstd) => return Err(SourceFault::PackedTwice),
        Some(Magic::Zip) => {
            // It is a spreadsheet, or nothing that is read: it need not fill the disk.
            let (mut file, size) = spooled(bytes.take(MAX_BYTES + 1)).map_err(SourceFault::Unpack)?;
            if size > MAX_BYTES {
                return Err(parts::too_large());
            }
            match archive(&mut file)? {
                Archive::Workbook(book) => Content::Workbook(book, file),
                Archive::Member(..) => return Err(SourceFault::PackedTwice),
            }
        }
    };
    Ok((Some(packing), content))
}

// What the disk does not give, or somebody writes meanwhile, looks damaged to who reads it.
fn archive(file: &mut Steady) -> Result<Archive, SourceFault> {
    let archive = Archive::read(file);
    file.check().map_err(|cause| SourceFault::Read { line: 1, cause })?;
    archive
}

fn boxed(reader: impl Read + Send + 'static) -> Bytes {
    Ahead::new(Box::new(reader))
}

fn magic(start: &[u8]) -> Option<Magic> {
    // A frame that is to be skipped may stand before the first one of data.
    if matches!(start, [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..]) {
        return Some(Magic::Zstd);
    }
    if start.get(TAR.0..).is_some_and(|name| name.starts_with(TAR.1)) {
        return Some(Magic::Foreign("a .tar archive: unpack it"));
    }
    MAGIC.iter().find(|(bytes, _)| start.starts_with(bytes)).map(|(_, magic)| *magic)
}

/// What a zip archive is.
enum Archive {
    Workbook(Book),
    Member(String, Place),
}

/// Where in the archive a file is, and what it must come to.
pub(super) struct Place {
    start: u64,
    packed: u64,
    deflated: bool,
    size: u64,
    checksum: u32,
}

impl Archive {
    fn read(file: &mut Steady) -> Result<Self, SourceFault> {
        let damaged = |error: zip::result::ZipError| SourceFault::Unpack(error.into());
        let mut archive = ZipArchive::new(&mut *file).map_err(damaged)?;
        let mut names = BTreeSet::new();
        let mut members = Vec::new();
        for at in 0..archive.len() {
            let entry = archive.by_index_raw(at).map_err(damaged)?;
            let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
            if entry.is_file() && !is_clutter(&name) {
                members.push((at, name.clone()));
            }
            names.insert(name);
        }
        if let Some(book) = book(&names)? {
            drop(archive);
            file.rewind().map_err(SourceFault::Unpack)?;
            return Ok(Self::Workbook(book));
        }
        let [(at, name)] = members.as_slice() else {
            return Err(SourceFault::Members { found: listed(&members) });
        };
        let place = Place::of(&archive.by_index_raw(*at).map_err(damaged)?)?;
        Ok(Self::Member(name.clone(), place))
    }
}

/// The files of an archive, by their names in it.
pub(super) fn places(file: &Steady) -> Result<Vec<(String, Place)>, SourceFault> {
    let damaged = |error: zip::result::ZipError| SourceFault::Unpack(error.into());
    let mut archive = ZipArchive::new(file.try_clone().map_err(SourceFault::Unpack)?).map_err(damaged)?;
    let mut places = Vec::new();
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at).map_err(damaged)?;
        if entry.is_file() {
            places.push((String::from_utf8_lossy(entry.name_raw()).into_owned(), Place::of(&entry)?));
        }
    }
    Ok(places)
}

// What a spreadsheet is told by; `None` for an archive of files.
fn book(names: &BTreeSet<String>) -> Result<Option<Book>, SourceFault> {
    let has = |name: &str| names.contains(name);
    let foreign = |found: &str| Err(SourceFault::Foreign { found: found.to_owned() });
    if has("xl/workbook.xml") {
        Ok(Some(Book::Xlsx))
    } else if has("mimetype") && has("content.xml") {
        Ok(Some(Book::Ods))
    } else if has("xl/workbook.bin") {
        foreign("an Excel file of the binary kind: save it as .xlsx")
    } else if has("word/document.xml") {
        foreign("a text document: save its table as CSV or .xlsx")
    } else if has("Index/Document.iwa") || has("Index.zip") {
        foreign("a document of Numbers: export it as CSV or .xlsx")
    } else {
        Ok(None)
    }
}

// What systems add to an archive without being asked.
fn is_clutter(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    name.starts_with("__MACOSX/") || file.starts_with('.') || file.eq_ignore_ascii_case("thumbs.db")
}

fn listed(members: &[(usize, String)]) -> String {
    const LISTED: usize = 5;
    if members.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<_> = members.iter().take(LISTED).map(|(_, name)| format!("`{}`", name.escape_debug())).collect();
    let more = members.len().saturating_sub(LISTED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}: {}{more}", members.len(), names.join(", "))
}

impl Place {
    fn of(entry: &ZipFile<'_, impl Read>) -> Result<Self, SourceFault> {
        if entry.encrypted() {
            return Err(SourceFault::Foreign { found: "a zip archive with a password: unpack it".to_owned() });
        }
        let deflated = match entry.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            // Their enum grows with what they can read.
            _ => {
                let found = "a zip archive of a rare kind (neither stored nor deflated): unpack it".to_owned();
                return Err(SourceFault::Foreign { found });
            }
        };
        let start =
            entry.data_start().ok_or_else(|| SourceFault::Unpack(damage("it does not say where its file is")))?;
        Ok(Self { start, packed: entry.compressed_size(), deflated, size: entry.size(), checksum: entry.crc32() })
    }

    /// The file, unpacked.
    pub(super) fn open(self, mut file: Steady) -> io::Result<Member> {
        file.seek(SeekFrom::Start(self.start))?;
        let watched = file.try_clone()?;
        let packed = BufReader::with_capacity(64 * 1024, file.take(self.packed));
        let bytes: Box<dyn Read + Send> =
            if self.deflated { Box::new(DeflateDecoder::new(packed)) } else { Box::new(packed) };
        Ok(Member { bytes, watched, sum: Crc::new(), size: 0, place: self })
    }
}

/// A file in an archive, which at its end is held against what the archive says of it.
pub(super) struct Member {
    bytes: Box<dyn Read + Send>,
    watched: Steady,
    sum: Crc,
    size: u64,
    place: Place,
}

impl Read for Member {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.sum.update(&buffer[..count]);
        self.size += count as u64;
        if count == 0 && !buffer.is_empty() {
            self.watched.check()?;
            if self.size != self.place.size || self.sum.sum() != self.place.checksum {
                return Err(damage("its file is not what its checksum says"));
            }
        }
        Ok(count)
    }
}

fn damage(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the archive is damaged: {what}"))
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gzip => f.write_str("gzip"),
            Self::Zstd => f.write_str("Zstandard"),
            Self::Zip(name) => write!(f, "zip, `{}` in it", name.escape_debug()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_packing() {
        let check = |start: &[u8], expected: Option<Magic>| assert_eq!(magic(start), expected, "{start:?}");
        check(b"", None);
        check(b"P", None);
        check(b"PK,name\n", None);
        check(b"\x1F\x8B\x08", Some(Magic::Gzip));
        check(b"\x28\xB5\x2F\xFD\x24", Some(Magic::Zstd));
        check(b"\x50\x2A\x4D\x18\x04", Some(Magic::Zstd));
        check(b"PK\x03\x04\x14", Some(Magic::Zip));
        check(b"%PDF-1.7", Some(Magic::Foreign("a PDF")));
        let tar = [vec![b'a'; TAR.0], TAR.1.to_vec()].concat();
        check(&tar, Some(Magic::Foreign("a .tar archive: unpack it")));
        check(&tar[1..], None);
        assert!(MAGIC.iter().all(|(bytes, _)| bytes.len() <= MAGIC_BYTES) && tar.len() <= MAGIC_BYTES);
    }

    #[test]
    fn what_systems_add_is_no_file_of_the_archive() {
        let check = |name: &str, expected: bool| assert_eq!(is_clutter(name), expected, "{name}");
        check("contacts.csv", false);
        check("export/contacts.csv", false);
        check("__MACOSX/._contacts.csv", true);
        check("export/.DS_Store", true);
        check("Thumbs.db", true);
    }
}
