//! Decodes text of any encoding to UTF-8 as it is read.
//!
//! A byte order mark decides the encoding. Without one, nothing is decided before the first byte that is not ASCII, because
//! ASCII is the same in all encodings of such files. The next [`SAMPLE`] bytes then show whether the text is UTF-8, and
//! otherwise which encoding is the most likely. Later bytes do not change the encoding: invalid UTF-8 rejects its row.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::Bytes;
use super::mojibake::{self, Mojibake};
use super::notice::{NoticeKind, Notices};
use crate::core::code_page::CodePage;

/// How many bytes are examined to guess an encoding, from the first one that is not ASCII.
const SAMPLE: usize = 1024 * 1024;

/// A byte that is never valid in UTF-8. It replaces what could not be decoded, so that its row is rejected.
const UNDECODED: u8 = 0xFF;

/// How many sequences that are no UTF-8 there must be for each that is, for text to be taken for another encoding. By
/// chance a few pairs of letters look like UTF-8 in the encodings of one byte a letter, and one in five in those of two.
const FOREIGN_EACH: usize = 4;

/// How many bytes that are not ASCII it takes to tell Windows-1252 from the encodings that have other letters in the same
/// places. The guess at lists of Spanish and Portuguese names went wrong once in five with three of them, once in a hundred
/// with twenty, and in none of three hundred with forty.
const ENOUGH: usize = 32;

/// With fewer bytes, the guess uses the language, given by a country that speaks it.
const WESTERN: &[u8] = b"es";

/// A text encoding: one of the Encoding Standard, by any of its labels, or a DOS code page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Standard(&'static Encoding),
    Dos(CodePage),
}

/// The name of an unknown encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an encoding such as utf-8, utf-16le, windows-1252, iso-8859-2, macintosh or cp850, found `{0}`")]
pub struct UnknownCharset(String);

/// How the encoding is chosen.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// The given one.
    Given(Charset),
    /// UTF-8 if the text is valid, otherwise the most likely one.
    Guessed,
    /// UTF-8, the only encoding of the format.
    Utf8,
}

/// The detected encoding, which is unknown as long as all text is ASCII, and the notices about text that looks wrong in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    charset: Arc<OnceLock<Charset>>,
    mojibake: Arc<OnceLock<Mojibake>>,
    notices: Notices,
}

/// Text as UTF-8, without its byte order mark. Invalid bytes stay in it: the reader of rows rejects their rows.
pub(super) struct Text {
    raw: Bytes,
    state: State,
    found: Found,
}

enum State {
    /// Only ASCII so far.
    Ascii,
    /// Passed through unchanged.
    Utf8,
    Decoded(Box<Decoding>),
}

struct Decoding {
    decoder: AnyDecoder,
    // What was decoded and not yet read.
    out: Vec<u8>,
    at: usize,
    ended: bool,
}

enum AnyDecoder {
    Standard(Decoder),
    // What each byte from 128 on is.
    Dos(Box<[Option<char>; 128]>),
}

impl Charset {
    /// UTF-8.
    pub const UTF_8: Self = Self::of(UTF_8);

    const fn of(encoding: &'static Encoding) -> Self {
        Self(Kind::Standard(encoding))
    }

    /// The encoding of a byte order mark, and the length of the mark. Without a mark, two ASCII characters in four bytes show
    /// UTF-16.
    pub(super) fn of_mark(start: &[u8]) -> Option<(Self, usize)> {
        match start {
            [0xEF, 0xBB, 0xBF, ..] => Some((Self::of(UTF_8), 3)),
            [0xFF, 0xFE, ..] => Some((Self::of(UTF_16LE), 2)),
            [0xFE, 0xFF, ..] => Some((Self::of(UTF_16BE), 2)),
            [1..=0x7F, 0, 1..=0x7F, 0, ..] => Some((Self::of(UTF_16LE), 0)),
            [0, 1..=0x7F, 0, 1..=0x7F, ..] => Some((Self::of(UTF_16BE), 0)),
            _ => None,
        }
    }

    /// Its name in the Encoding Standard, or that of the code page.
    pub(super) fn name(self) -> &'static str {
        match self.0 {
            Kind::Standard(encoding) => encoding.name(),
            Kind::Dos(page) => page.name(),
        }
    }

    /// Whether it is UTF-8.
    pub fn is_utf8(self) -> bool {
        self == Self::of(UTF_8)
    }

    /// Whether it is UTF-16 of either order.
    pub(super) fn is_utf16(self) -> bool {
        self == Self::of(UTF_16LE) || self == Self::of(UTF_16BE)
    }
}

impl Text {
    /// The text in `raw`. A byte order mark takes precedence over `wanted`, except over a given single-byte encoding.
    pub(super) fn new(mut raw: Bytes, wanted: &Wanted, found: Found) -> Self {
        let mark = Charset::of_mark(raw.peek(4).bytes);
        let (charset, state) = match (wanted, mark) {
            (Wanted::Given(given), Some((charset, mark)))
                if *given == charset || (given.is_utf16() && charset.is_utf16()) =>
            {
                raw.consume(mark);
                (Some(charset), State::of(charset))
            }
            (Wanted::Given(given), _) => (Some(*given), State::of(*given)),
            (Wanted::Guessed | Wanted::Utf8, Some((charset, mark))) => {
                raw.consume(mark);
                (Some(charset), State::of(charset))
            }
            (Wanted::Utf8, None) => (Some(Charset::UTF_8), State::Utf8),
            (Wanted::Guessed, None) => (None, State::Ascii),
        };
        if let Some(charset) = charset {
            found.set(charset);
        }
        Self { raw, state, found }
    }

    // ASCII as far as it goes, and the decision where it ends.
    fn read_ascii(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let chunk = self.raw.fill_buf()?;
        let most = chunk.len().min(buffer.len());
        let ascii = if chunk[..most].is_ascii() { most } else { ascii_prefix(&chunk[..most]) };
        buffer[..ascii].copy_from_slice(&chunk[..ascii]);
        self.raw.consume(ascii);
        if ascii > 0 || most == 0 {
            return Ok(ascii);
        }
        let sample = self.raw.peek(SAMPLE);
        let (charset, other) = told_by(sample.bytes, sample.whole);
        self.found.set(charset);
        if !charset.is_utf8() {
            let mojibake = Mojibake::of(sample.bytes, charset.0 == Kind::Standard(WINDOWS_1252));
            let mojibake = mojibake.or_else(|| Mojibake::of_region(sample.bytes, other?.name()));
            if let Some(mojibake) = mojibake {
                self.found.set_mojibake(mojibake);
            }
        }
        self.state = State::of(charset);
        self.read(buffer)
    }
}

impl State {
    fn of(charset: Charset) -> Self {
        if charset.is_utf8() {
            return Self::Utf8;
        }
        let decoder = match charset.0 {
            Kind::Standard(encoding) => AnyDecoder::Standard(encoding.new_decoder_without_bom_handling()),
            Kind::Dos(page) => {
                let character = |at| page.decode(u8::try_from(at + 128).expect("an array of 128 goes up to 255"));
                AnyDecoder::Dos(Box::new(std::array::from_fn(character)))
            }
        };
        Self::Decoded(Box::new(Decoding { decoder, out: Vec::new(), at: 0, ended: false }))
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Ascii => self.read_ascii(buffer),
            State::Utf8 => self.raw.read(buffer),
            State::Decoded(decoding) => {
                if decoding.at == decoding.out.len() {
                    decoding.refill(&mut self.raw)?;
                }
                let rest = &decoding.out[decoding.at..];
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                decoding.at += count;
                Ok(count)
            }
        }
    }
}

impl Decoding {
    // Something into `out`, but at the end.
    fn refill(&mut self, raw: &mut Bytes) -> io::Result<()> {
        self.out.clear();
        self.at = 0;
        while self.out.is_empty() && !self.ended {
            let chunk = raw.fill_buf()?;
            let last = chunk.is_empty();
            let decoder = match &mut self.decoder {
                AnyDecoder::Standard(decoder) => decoder,
                AnyDecoder::Dos(characters) => {
                    decode_each(chunk, characters, &mut self.out);
                    let read = chunk.len();
                    raw.consume(read);
                    self.ended = last;
                    continue;
                }
            };
            // The most that a byte of any encoding becomes, and more than the decoder asks for at least.
            self.out.resize(chunk.len() * 3 + 16, 0);
            let (result, read, written) = decoder.decode_to_utf8_without_replacement(chunk, &mut self.out, last);
            self.out.truncate(written);
            raw.consume(read);
            match result {
                DecoderResult::InputEmpty => self.ended = last,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => self.out.push(UNDECODED),
            }
        }
        Ok(())
    }
}

fn decode_each(bytes: &[u8], characters: &[Option<char>; 128], out: &mut Vec<u8>) {
    for &byte in bytes {
        match byte.checked_sub(128).map(|at| characters[usize::from(at)]) {
            None => out.push(byte),
            Some(None) => out.push(UNDECODED),
            Some(Some(character)) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

fn ascii_prefix(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii()).count()
}

// The encoding of a sample: UTF-8 unless nearly all of its bytes above ASCII are invalid as UTF-8. If the guess is Windows-1252
// only because few bytes are known, also the encoding that the detector names without a language. `whole` is whether the sample
// is the whole input.
fn told_by(sample: &[u8], whole: bool) -> (Charset, Option<&'static Encoding>) {
    let (mut sound, mut foreign) = (0, 0);
    for chunk in sample.utf8_chunks() {
        sound += chunk.valid().chars().filter(|character| !character.is_ascii()).count();
        foreign += usize::from(!chunk.invalid().is_empty());
    }
    // A sample may end inside a character.
    let cut = std::str::from_utf8(sample).is_err_and(|error| error.error_len().is_none()) && !whole;
    foreign = foreign.saturating_sub(usize::from(cut));
    if foreign <= sound * FOREIGN_EACH {
        return (Charset::UTF_8, None);
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(sample, whole);
    let is_short = sample.iter().filter(|byte| !byte.is_ascii()).count() < ENOUGH;
    let guessed = detector.guess(is_short.then_some(WESTERN), Utf8Detection::Deny);
    let other = detector.guess(None, Utf8Detection::Deny);
    (Charset::of(guessed), (guessed == WINDOWS_1252 && other != guessed).then_some(other))
}

impl Found {
    /// An unknown encoding. Text that looks wrong later is added to `notices`.
    pub(super) fn reporting_to(notices: Notices) -> Self {
        Self { notices, ..Self::default() }
    }

    // Each text decides once.
    fn set(&self, charset: Charset) {
        let _ = self.charset.set(charset);
    }

    fn set_mojibake(&self, mojibake: Mojibake) {
        let _ = self.mojibake.set(mojibake);
    }

    pub(super) fn get(&self) -> Option<Charset> {
        self.charset.get().copied()
    }

    /// Everything that decides how [`watch`](Self::watch) judges text that is not ASCII, once such text was read.
    pub(super) fn judgement(&self) -> String {
        format!("{:?} {:?}", self.charset.get(), self.mojibake.get())
    }

    /// Adds a notice if a row's decoded text looks as if it was decoded in the wrong encoding. Returns whether it did.
    pub(super) fn watch(&self, text: &[u8], line: u64) -> bool {
        let doubtful = self.mojibake.get();
        // Of most rows, this is known without decoding them.
        if text.is_ascii() || (doubtful.is_none() && !mojibake::may_be_double_encoded(text)) {
            return false;
        }
        let text = String::from_utf8_lossy(text);
        let mojibake = doubtful.filter(|mojibake| mojibake.is_in(&text));
        if let Some(mojibake) = mojibake {
            self.notices.add(NoticeKind::DoubtfulEncoding(mojibake.name()), line);
        }
        let is_twice = mojibake::is_double_encoded(&text);
        if is_twice {
            self.notices.add(NoticeKind::DoubleEncoded, line);
        }
        mojibake.is_some() || is_twice
    }
}

impl FromStr for Charset {
    type Err = UnknownCharset;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        // People write `mac-roman` and `MacRoman`.
        let plain = name.trim().to_ascii_lowercase().replace(['-', '_', ' '], "");
        let label = if plain == "macroman" { "macintosh" } else { name.trim() };
        // Two of the standard's names encode no text at all.
        Encoding::for_label_no_replacement(label.as_bytes())
            .filter(|encoding| *encoding != encoding_rs::X_USER_DEFINED)
            .map(Self::of)
            .or_else(|| CodePage::named(name).map(|page| Self(Kind::Dos(page))))
            .ok_or_else(|| UnknownCharset(name.to_owned()))
    }
}

/// The usual spelling: `UTF-8`, `Windows-1252`.
impl fmt::Display for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name().strip_prefix("windows") {
            Some(number) => write!(f, "Windows{number}"),
            None => f.write_str(self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lookahead::Lookahead;
    use super::*;

    // Gives one byte at a time when asked to.
    struct Pieces(io::Cursor<Vec<u8>>, bool);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = if self.1 { buffer.len().min(1) } else { buffer.len() };
            self.0.read(&mut buffer[..most])
        }
    }

    fn text(bytes: &[u8], wanted: &Wanted) -> (Vec<u8>, Option<String>) {
        let read = |slow: bool| {
            let raw: Box<dyn Read + Send> = Box::new(Pieces(io::Cursor::new(bytes.to_vec()), slow));
            let found = Found::default();
            let mut text = Text::new(Lookahead::new(raw), wanted, found.clone());
            let mut out = Vec::new();
            let mut piece = [0; 7];
            loop {
                let most = if slow { 1 } else { piece.len() };
                let count = text.read(&mut piece[..most]).unwrap();
                if count == 0 {
                    return (out, found.get().map(|charset| charset.to_string()));
                }
                out.extend(&piece[..count]);
            }
        };
        let result = read(false);
        assert_eq!(read(true), result, "the pieces in which it comes do not matter");
        result
    }

    #[test]
    fn the_encoding_is_told_by_the_text() {
        let check = |bytes: &[u8], expected: &[u8], name: Option<&str>| {
            let (out, found) = text(bytes, &Wanted::Guessed);
            assert_eq!((out.escape_ascii().to_string(), found.as_deref()), (expected.escape_ascii().to_string(), name));
        };
        check(b"", b"", None);
        check(b"name\nAnn\n", b"name\nAnn\n", None);
        check("niño".as_bytes(), "niño".as_bytes(), Some("UTF-8"));
        check("\u{feff}niño".as_bytes(), "niño".as_bytes(), Some("UTF-8"));
        check(b"\xFF\xFEa\0\xF1\0", "añ".as_bytes(), Some("UTF-16LE"));
        check(b"\xFE\xFF\0a\0\xF1", "añ".as_bytes(), Some("UTF-16BE"));
        check(b"a\0b\0\xF1\0", "abñ".as_bytes(), Some("UTF-16LE"));
        check(b"\0a\0b\0\xF1", "abñ".as_bytes(), Some("UTF-16BE"));
        check(
            b"Nombre;Ciudad\nJos\xE9;M\xE1laga\nBego\xF1a;C\xF3rdoba\n",
            "Nombre;Ciudad\nJosé;Málaga\nBegoña;Córdoba\n".as_bytes(),
            Some("Windows-1252"),
        );
        check(b"Jo\xE3o,S\xE3o Paulo\n", "João,São Paulo\n".as_bytes(), Some("Windows-1252"));
        check(b"price\n5 \x80\n", "price\n5 €\n".as_bytes(), Some("Windows-1252"));
        let many = b"Dvo\xF8\xE1k;Kr\xE1l\xF9v Dv\xF9r;\xC8ern\xFD;D\xEC\xE8\xEDn\n".repeat(10);
        assert_eq!(text(&many, &Wanted::Guessed).1.as_deref(), Some("Windows-1250"));
        // A row in another encoding does not make the others so.
        check("niño\nJos\u{e9}\n\u{e1}".as_bytes(), "niño\nJosé\ná".as_bytes(), Some("UTF-8"));
        check(b"ni\xC3\xB1o\nJos\xE9\n", b"ni\xC3\xB1o\nJos\xE9\n", Some("UTF-8"));
    }

    #[test]
    fn a_few_letters_of_another_region_are_doubted() {
        use encoding_rs::{WINDOWS_1250, WINDOWS_1254};
        let check = |encoding: &'static Encoding, written: &str, expected: Option<&str>| {
            let (bytes, ..) = encoding.encode(written);
            let found = Found::default();
            let raw: Box<dyn Read + Send> = Box::new(io::Cursor::new(bytes.into_owned()));
            Text::new(Lookahead::new(raw), &Wanted::Guessed, found.clone()).read_to_end(&mut Vec::new()).unwrap();
            assert_eq!(found.mojibake.get().map(|mojibake| mojibake.name()), expected, "{written}");
        };
        check(WINDOWS_1250, "nazwisko;miasto\nMałgorzata;Łódź\nŻółć;Kraków\n", Some("windows-1250"));
        check(WINDOWS_1254, "ad;sehir\nGülşen;Ankara\nAyşe;İzmir\n", Some("windows-1254"));
        check(WINDOWS_1252, "Nombre;Ciudad\nJosé;Málaga\nBegoña;Córdoba\n", None);
        check(WINDOWS_1252, "nome;cidade\nJoão;São Paulo\nConceição;Belém\n", None);
        check(WINDOWS_1252, "nafn;bær\nÞórður;Reykjavík\nÁsgeir;Höfn\n", None);
        check(WINDOWS_1252, "Name\nMüller\nStraße\n", None);
        check(WINDOWS_1252, "Nombre;Nota\n¿Quién?;5 m²\nMª José;£5\n", None);
    }

    #[test]
    fn what_is_told_is_not_guessed() {
        let check = |bytes: &[u8], name: &str, expected: &[u8]| {
            let (out, _) = text(bytes, &Wanted::Given(name.parse().unwrap()));
            assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string(), "{name}");
        };
        check(b"\xE9", "latin1", "é".as_bytes());
        check(b"\xE9", "windows-1251", "й".as_bytes());
        check(b"\xE9", "utf-8", b"\xE9");
        check(b"\xC3\xA9", "windows-1252", "Ã©".as_bytes());
        check("\u{feff}a".as_bytes(), "utf-8", b"a");
        check(b"\xFE\xFF\0a", "utf-16", b"a");
        check(b"a\0\x0D\xD8b\0", "utf-16le", b"a\xFFb");
        check(b"a\0b", "utf-16le", b"a\xFF");
        check(b"Jos\x8E Mu\x96oz", "macintosh", "José Muñoz".as_bytes());
        check(b"Jos\x82 Mu\xA4oz \xB5vila", "cp850", "José Muñoz Ávila".as_bytes());
        check(b"Jos\x82 Mu\xA4oz", "cp437", "José Muñoz".as_bytes());
        check(b"Dvo\xFD\xA0k", "cp852", "Dvořák".as_bytes());
        check(b"\x8D\xA0", "cp866", "На".as_bytes());
        check(b"a\x8Db", "cp857", "aıb".as_bytes());
        check(b"a\xE7b", "cp857", b"a\xFFb");
        assert_eq!(text(b"a\xE9", &Wanted::Utf8), (b"a\xE9".to_vec(), Some("UTF-8".to_owned())));
    }

    #[test]
    fn a_late_byte_decides_for_what_follows_it() {
        let mut bytes = b"Ana;Lima\n".repeat(300_000);
        bytes.extend(b"Jos\xE9;M\xE1laga\nBego\xF1a;Le\xF3n\n");
        let (out, found) = text_of(&bytes);
        assert_eq!(found.as_deref(), Some("Windows-1252"));
        assert!(out.ends_with("José;Málaga\nBegoña;León\n".as_bytes()));
        // A character that the sample ends in the middle of is whole.
        let bytes = "é".repeat(SAMPLE);
        let odd = format!("a{bytes}");
        for bytes in [bytes, odd] {
            assert_eq!(text_of(bytes.as_bytes()), (bytes.into_bytes(), Some("UTF-8".to_owned())));
        }
    }

    fn text_of(bytes: &[u8]) -> (Vec<u8>, Option<String>) {
        let raw: Box<dyn Read + Send> = Box::new(io::Cursor::new(bytes.to_vec()));
        let found = Found::default();
        let mut out = Vec::new();
        Text::new(Lookahead::new(raw), &Wanted::Guessed, found.clone()).read_to_end(&mut out).unwrap();
        (out, found.get().map(|charset| charset.to_string()))
    }

    #[test]
    fn names_are_those_that_browsers_know() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(name.parse::<Charset>().ok().map(|charset| charset.to_string()).as_deref(), expected, "{name}");
        };
        check("utf8", Some("UTF-8"));
        check("Latin1", Some("Windows-1252"));
        check("CP1252", Some("Windows-1252"));
        check("ISO-8859-2", Some("ISO-8859-2"));
        check("macintosh", Some("macintosh"));
        check("Mac-Roman", Some("macintosh"));
        check("cp866", Some("IBM866"));
        check("CP850", Some("cp850"));
        check("ibm437", Some("cp437"));
        check("klingon", None);
        check("x-user-defined", None);
        check("iso-2022-kr", None);
    }
}
