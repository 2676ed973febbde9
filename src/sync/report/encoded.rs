//! A writer that takes UTF-8 and writes another encoding.

use std::fmt;
use std::io::{self, Write};
use std::str::from_utf8;

use encoding_rs::{Encoder, EncoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::core::code_page::CodePage;

/// Replaces a character that the encoding does not have. The characters of the input all exist in its encoding.
const UNKNOWN: &[u8] = b"?";

/// Encodes the UTF-8 that is written to it and writes that to `inner`. A write may end within a character.
pub(super) struct Encoded<W> {
    inner: W,
    way: Way,
    // The bytes of a character that is not complete yet.
    begun: Vec<u8>,
    // The bytes of one piece.
    out: Vec<u8>,
}

enum Way {
    Utf8,
    Utf16 { big: bool },
    Dos(CodePage),
    Other(Box<Encoder>),
}

impl<W: Write> Encoded<W> {
    /// Creates a writer for the encoding of this name, after a byte order mark if `mark` is set. An unknown name means
    /// UTF-8.
    pub(super) fn new(mut inner: W, encoding: &str, mark: bool) -> io::Result<Self> {
        let page = CodePage::named(encoding);
        let encoding = Encoding::for_label(encoding.as_bytes()).unwrap_or(UTF_8);
        let (way, bytes): (Way, &[u8]) = if let Some(page) = page {
            (Way::Dos(page), b"")
        } else if encoding == UTF_16LE {
            (Way::Utf16 { big: false }, b"\xFF\xFE")
        } else if encoding == UTF_16BE {
            (Way::Utf16 { big: true }, b"\xFE\xFF")
        } else if encoding.output_encoding() == UTF_8 {
            (Way::Utf8, b"\xEF\xBB\xBF")
        } else {
            (Way::Other(Box::new(encoding.new_encoder())), b"")
        };
        if mark {
            inner.write_all(bytes)?;
        }
        Ok(Self { inner, way, begun: Vec::new(), out: Vec::new() })
    }

    fn encode(&mut self, mut text: &str) {
        match &mut self.way {
            Way::Utf8 => self.out.extend_from_slice(text.as_bytes()),
            Way::Utf16 { big } => {
                for unit in text.encode_utf16() {
                    self.out.extend(if *big { unit.to_be_bytes() } else { unit.to_le_bytes() });
                }
            }
            Way::Dos(page) => {
                for character in text.chars() {
                    match page.encode(character) {
                        Some(byte) => self.out.push(byte),
                        None => self.out.extend_from_slice(UNKNOWN),
                    }
                }
            }
            Way::Other(encoder) => {
                while !text.is_empty() {
                    let room = encoder.max_buffer_length_from_utf8_without_replacement(text.len());
                    self.out.reserve(room.unwrap_or(text.len() * 4));
                    let (result, read) =
                        encoder.encode_from_utf8_to_vec_without_replacement(text, &mut self.out, false);
                    text = &text[read..];
                    match result {
                        EncoderResult::InputEmpty | EncoderResult::OutputFull => {}
                        EncoderResult::Unmappable(_) => self.out.extend_from_slice(UNKNOWN),
                    }
                }
            }
        }
    }
}

impl<W: Write> Write for Encoded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.clear();
        let mut piece = std::mem::take(&mut self.begun);
        piece.extend_from_slice(bytes);
        let whole = match from_utf8(&piece) {
            Ok(text) => text,
            Err(error) if error.error_len().is_none() => {
                from_utf8(&piece[..error.valid_up_to()]).expect("it was found valid up to there")
            }
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        };
        self.encode(whole);
        self.begun = piece[whole.len()..].to_vec();
        self.inner.write_all(&self.out)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W> fmt::Debug for Encoded<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoded")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(encoding: &str, mark: bool, pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = Encoded::new(Vec::new(), encoding, mark).unwrap();
        for piece in pieces {
            out.write_all(piece).unwrap();
        }
        out.inner
    }

    #[test]
    fn text_is_encoded_the_same_however_it_is_split_into_writes() {
        let check = |encoding: &str, mark: bool, expected: &[u8]| {
            let text = "añ€\n".as_bytes();
            let one_by_one: Vec<&[u8]> = text.chunks(1).collect();
            assert_eq!(written(encoding, mark, &[text]), expected, "{encoding}");
            assert_eq!(written(encoding, mark, &one_by_one), expected, "{encoding}");
        };
        check("UTF-8", false, "añ€\n".as_bytes());
        check("UTF-8", true, "\u{feff}añ€\n".as_bytes());
        check("UTF-16LE", true, b"\xFF\xFEa\0\xF1\0\xAC\x20\n\0");
        check("UTF-16BE", true, b"\xFE\xFF\0a\0\xF1\x20\xAC\0\n");
        check("windows-1252", false, b"a\xF1\x80\n");
        check("iso-8859-2", false, b"a??\n");
        check("cp850", false, b"a\xA4?\n");
        check("macintosh", false, b"a\x96\xDB\n");
        check("Shift_JIS", false, b"a??\n");
        check("nonsense", false, "añ€\n".as_bytes());
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        let mut out = Encoded::new(Vec::new(), "windows-1252", false).unwrap();
        assert_eq!(out.write(b"a\xFFb").unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
