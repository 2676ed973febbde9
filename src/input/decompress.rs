//! Decompresses an input, recognised by its first bytes: gzip, Zstandard, or a zip archive.
//!
//! Only one layer is decompressed. It is streamed, so that a decompression bomb fills neither memory nor disk.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::bufread::{DeflateDecoder, GzDecoder};
use zip::read::ZipFile;
use zip::{CompressionMethod, ZipArchive};

use super::lookahead::Lookahead;
use super::open::{Opened, Steady, seekable, spooled};
use super::workbook_part::plain;
use super::workbook_size::{MAX_BYTES, too_large};
use super::{Bytes, SourceFault};

/// The compression or archive of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packing {
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
    /// `.zip`, with the name of the only file in it.
    Zip(String),
}

/// The decompressed content.
pub(super) enum Content {
    /// Text, unless it proves to be something else.
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

/// The kind of file that the first bytes show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magic {
    Gzip,
    Zstd,
    Zip,
    /// The container of older Office programs.
    Compound,
    Foreign(&'static str),
}

const MAGIC: [(&[u8], Magic); 25] = [
    (b"\x1F\x8B", Magic::Gzip),
    (b"\x28\xB5\x2F\xFD", Magic::Zstd),
    (b"PK\x03\x04", Magic::Zip),
    // An archive without a file.
    (b"PK\x05\x06", Magic::Zip),
    (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", Magic::Compound),
    (b"%PDF-", Magic::Foreign("a PDF: export the contacts as CSV or .xlsx from where it was made")),
    (b"{\\rtf", Magic::Foreign("a text document (RTF): save its table as CSV or .xlsx")),
    (b"\xFD7zXZ\0", Magic::Foreign("an .xz archive: unpack it")),
    (b"BZh", Magic::Foreign("a .bz2 archive: unpack it")),
    (b"7z\xBC\xAF\x27\x1C", Magic::Foreign("a .7z archive: unpack it")),
    (b"Rar!\x1A\x07", Magic::Foreign("a .rar archive: unpack it")),
    (b"\x1F\x9D", Magic::Foreign("a .Z archive: unpack it")),
    (b"SQLite format 3\0", Magic::Foreign("a SQLite database: export the table as CSV")),
    (b"\0\x01\0\0Standard ", Magic::Foreign("an Access database: export the table as CSV")),
    (b"!BDN", Magic::Foreign("a mailbox of Outlook (.pst): export its contacts as CSV from Outlook")),
    (b"PAR1\x15", Magic::Foreign("a Parquet file: export it as CSV")),
    (b"ARROW1\0\0", Magic::Foreign("an Arrow file: export it as CSV")),
    (b"Obj\x01", Magic::Foreign("an Avro file: export it as CSV")),
    (b"bplist00", Magic::Foreign("a property list of a Mac: export the contacts as CSV")),
    (b"\x89PNG\r\n", Magic::Foreign("a picture")),
    (b"\xFF\xD8\xFF", Magic::Foreign("a picture")),
    (b"GIF87a", Magic::Foreign("a picture")),
    (b"GIF89a", Magic::Foreign("a picture")),
    (b"II*\0", Magic::Foreign("a picture")),
    (b"MM\0*", Magic::Foreign("a picture")),
];

/// Kinds of Microsoft compound files, by the name of a stream in it. The first name that is found decides.
const COMPOUNDS: [(&str, &str); 7] = [
    ("EncryptedPackage", "an Excel or Word file with a password: save it without one"),
    ("Workbook", OLD_EXCEL),
    ("Book", OLD_EXCEL),
    ("WordDocument", "a Word document: save its table as CSV or .xlsx"),
    ("PowerPoint Document", "a presentation: save its table as CSV or .xlsx"),
    (
        "__properties_version1.0",
        "a message of Outlook (.msg): save what is attached to it, or export the contacts as CSV",
    ),
    ("MSysObjects", "a database: export the table as CSV"),
];

const OLD_EXCEL: &str = "an Excel file of the old kind (.xls): open it in a spreadsheet and save it as .xlsx";

/// How many bytes of a compound file are searched for its directory.
const MAX_COMPOUND: usize = 16 * 1024 * 1024;

/// How many bytes of the directory hold the names of the first streams.
const DIRECTORY: usize = 16 * 1024;

/// The position of the magic number of a tar archive.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// How many bytes are needed to recognise the kind.
const MAGIC_BYTES: usize = 262;

/// Decompresses the input, if it is compressed.
pub(super) fn unpack(mut input: Lookahead<Opened>) -> Result<(Option<Packing>, Content), SourceFault> {
    let (packing, mut bytes): (_, Bytes) = match magic(input.peek(MAGIC_BYTES).bytes) {
        None => return Ok((None, Content::Bytes(boxed(input)))),
        Some(Magic::Foreign(found)) => return Err(foreign(found)),
        Some(Magic::Compound) => return Err(foreign(compound(&mut input))),
        Some(Magic::Gzip) => (Packing::Gzip, boxed(Gzip::new(input))),
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
    let content = match magic(bytes.peek(MAGIC_BYTES).bytes) {
        None => Content::Bytes(bytes),
        Some(Magic::Foreign(found)) => return Err(foreign(found)),
        Some(Magic::Compound) => return Err(foreign(compound(&mut bytes))),
        Some(Magic::Gzip | Magic::Zstd) => return Err(SourceFault::PackedTwice),
        Some(Magic::Zip) => {
            // It is a spreadsheet, or nothing that is read: it need not fill the disk.
            let (mut file, size) = spooled(bytes.take(MAX_BYTES + 1)).map_err(SourceFault::Unpack)?;
            if size > MAX_BYTES {
                return Err(too_large());
            }
            match archive(&mut file)? {
                Archive::Workbook(book) => Content::Workbook(book, file),
                Archive::Member(..) => return Err(SourceFault::PackedTwice),
            }
        }
    };
    Ok((Some(packing), content))
}

/// The members of a gzip file, one after the other. Zeros may follow the last one, because tapes and some transfers pad
/// their blocks with them. Anything else there is an error, since it may be the rest of another member.
struct Gzip<R>(Option<GzDecoder<R>>);

impl<R: BufRead> Gzip<R> {
    fn new(reader: R) -> Self {
        Self(Some(GzDecoder::new(reader)))
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.0 {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let is_next = skip_zeros(member.get_mut())?;
            self.0 = self.0.take().filter(|_| is_next).map(|member| GzDecoder::new(member.into_inner()));
        }
        Ok(0)
    }
}

// Whether anything follows them.
fn skip_zeros(reader: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let chunk = reader.fill_buf()?;
        let zeros = chunk.iter().take_while(|byte| **byte == 0).count();
        let (is_next, is_end) = (zeros < chunk.len(), chunk.is_empty());
        reader.consume(zeros);
        if is_next || is_end {
            return Ok(is_next);
        }
    }
}

fn foreign(found: &str) -> SourceFault {
    SourceFault::Foreign { found: found.to_owned() }
}

// The header of a compound file has the position of its directory, which has the names of its streams in UTF-16 (MS-CFB, 2.2).
fn compound(input: &mut Lookahead<impl Read>) -> &'static str {
    const OTHER: &str = "a file of an older Office program: save it as .xlsx or CSV";
    let header = input.peek(512).bytes;
    let (Some(shift), Some(sector)) = (header.get(30..32), header.get(48..52)) else { return OTHER };
    let shift = u32::from(u16::from_le_bytes([shift[0], shift[1]]));
    let sector = u64::from(u32::from_le_bytes([sector[0], sector[1], sector[2], sector[3]]));
    let start = (sector + 1).checked_shl(shift).filter(|_| matches!(shift, 9 | 12));
    let start = start.and_then(|start| usize::try_from(start).ok()).filter(|start| *start <= MAX_COMPOUND);
    let Some(start) = start else { return OTHER };
    let file = input.peek(start + DIRECTORY).bytes;
    let directory = file.get(start..(start + DIRECTORY).min(file.len())).unwrap_or_default();
    // The name of an entry fills its first 64 bytes with zeros.
    let has = |name: &str| {
        let name: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        directory.chunks(128).any(|entry| entry.starts_with(&name))
    };
    COMPOUNDS.iter().find(|(name, _)| has(name)).map_or(OTHER, |(_, found)| found)
}

// A failing disk, or a file that is being written, looks like damage to the reader.
fn archive(file: &mut Steady) -> Result<Archive, SourceFault> {
    let archive = Archive::read(file);
    file.check().map_err(|cause| SourceFault::Read { line: 1, cause })?;
    archive
}

fn boxed(reader: impl Read + Send + 'static) -> Bytes {
    Lookahead::new(Box::new(reader))
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

/// The kind of a zip archive.
enum Archive {
    Workbook(Book),
    Member(String, Place),
}

/// The position of a file in the archive, with its size and checksum.
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
            names.insert(plain(&name));
        }
        if let Some(book) = book(&names)? {
            if book == Book::Ods {
                check_kind(&mut archive)?;
            }
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

// The kind of spreadsheet; `None` for an archive of files. The workbook of XLSX can be anywhere in the package, so it is
// recognised by the folder that most programs use, or by its file name in any folder.
fn book(names: &BTreeSet<String>) -> Result<Option<Book>, SourceFault> {
    let has = |name: &str| names.contains(name);
    let is_in = |folder: &str| names.iter().any(|name| name.starts_with(folder));
    let is_package = has("_rels/.rels") || has("[content_types].xml");
    let is_book = |name: &String| name.rsplit('/').next().is_some_and(|file| file.starts_with("workbook"));
    let is_binary = |name: &String| is_book(name) && name.rsplit('.').next() == Some("bin");
    if is_package && names.iter().any(is_binary) {
        Err(foreign("an Excel file of the binary kind (.xlsb): save it as .xlsx"))
    } else if has("xl/workbook.xml") || (is_package && (is_in("xl/") || names.iter().any(is_book))) {
        Ok(Some(Book::Xlsx))
    } else if has("mimetype") && has("content.xml") {
        Ok(Some(Book::Ods))
    } else if has("word/document.xml") || (is_package && is_in("word/")) {
        Err(foreign("a text document of Word: save its table as CSV or .xlsx"))
    } else if is_package && is_in("ppt/") {
        Err(foreign("a presentation: save its table as CSV or .xlsx"))
    } else if has("index/document.iwa") || has("index.zip") {
        Err(foreign("a document of Numbers: export it as CSV or .xlsx"))
    } else {
        Ok(None)
    }
}

// Documents of the other programs of the suite have the same package, and begin with their type.
fn check_kind(archive: &mut ZipArchive<&mut Steady>) -> Result<(), SourceFault> {
    let mut kind = String::new();
    if let Ok(file) = archive.by_name("mimetype") {
        // One that cannot be read is refused by who reads the book.
        let _ = file.take(256).read_to_string(&mut kind);
    }
    match kind.trim().strip_prefix("application/vnd.oasis.opendocument.") {
        Some(kind) if kind.starts_with("text") => Err(foreign("a text document (.odt): save its table as CSV or .ods")),
        Some(kind) if kind.starts_with("presentation") || kind.starts_with("graphics") => {
            Err(foreign("a presentation or a drawing: save its table as CSV or .ods"))
        }
        Some(_) | None => Ok(()),
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

    /// The file, decompressed.
    pub(super) fn open(self, mut file: Steady) -> io::Result<Member> {
        file.seek(SeekFrom::Start(self.start))?;
        let watched = file.try_clone()?;
        let packed = BufReader::with_capacity(64 * 1024, file.take(self.packed));
        let bytes: Box<dyn Read + Send> =
            if self.deflated { Box::new(DeflateDecoder::new(packed)) } else { Box::new(packed) };
        Ok(Member { bytes, watched, sum: Crc::new(), size: 0, place: self })
    }
}

/// A file in an archive. At its end, its size and checksum are compared with those in the archive.
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
        check(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0", Some(Magic::Compound));
        check(b"BZ,name\n", None);
        let tar = [vec![b'a'; TAR.0], TAR.1.to_vec()].concat();
        check(&tar, Some(Magic::Foreign("a .tar archive: unpack it")));
        check(&tar[1..], None);
        assert!(MAGIC.iter().all(|(bytes, _)| bytes.len() <= MAGIC_BYTES) && tar.len() <= MAGIC_BYTES);
    }

    #[test]
    fn a_compound_file_is_named_by_its_streams() {
        let file = |streams: &[&str]| {
            let mut file = vec![0; 1024];
            file[..8].copy_from_slice(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1");
            file[30] = 9;
            file[48] = 1;
            for name in streams {
                let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
                entry.resize(128, 0);
                file.extend(entry);
            }
            compound(&mut Lookahead::new(io::Cursor::new(file)))
        };
        let check = |streams: &[&str], expected: &str| {
            assert!(file(streams).contains(expected), "{streams:?}: {}", file(streams));
        };
        check(&["Root Entry", "Workbook"], "old kind (.xls)");
        check(&["Root Entry", "Book"], "old kind (.xls)");
        check(&["Root Entry", "EncryptionInfo", "a", "b", "c", "EncryptedPackage"], "with a password");
        check(&["Root Entry", "1Table", "WordDocument"], "a Word document");
        check(&["Root Entry", "__properties_version1.0"], "a message of Outlook");
        check(&["Root Entry", "Workbooks"], "older Office program");
        check(&[], "older Office program");
        assert!(compound(&mut Lookahead::new(io::Cursor::new(b"\xD0\xCF\x11\xE0"))).contains("older Office"));
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
