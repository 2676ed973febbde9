//! The code pages of DOS, in which old programs and the consoles of Windows still write text.

use std::fmt;

use yore::CodePage as Table;
use yore::code_pages::{CP437, CP737, CP850, CP852, CP855, CP857, CP860, CP861, CP862, CP863, CP865, CP869};

/// A code page of DOS. CP866 and the code pages of Windows and of the Mac are in the Encoding Standard, and not here.
#[derive(Clone, Copy)]
pub struct CodePage {
    name: &'static str,
    table: &'static (dyn Table + Sync),
}

const CODE_PAGES: [CodePage; 12] = [
    CodePage { name: "cp437", table: &CP437 },
    CodePage { name: "cp737", table: &CP737 },
    CodePage { name: "cp850", table: &CP850 },
    CodePage { name: "cp852", table: &CP852 },
    CodePage { name: "cp855", table: &CP855 },
    CodePage { name: "cp857", table: &CP857 },
    CodePage { name: "cp860", table: &CP860 },
    CodePage { name: "cp861", table: &CP861 },
    CodePage { name: "cp862", table: &CP862 },
    CodePage { name: "cp863", table: &CP863 },
    CodePage { name: "cp865", table: &CP865 },
    CodePage { name: "cp869", table: &CP869 },
];

impl CodePage {
    /// The code page of Western Europe.
    pub const WESTERN: Self = CODE_PAGES[2];

    /// The code page of this name: `cp850`, `ibm850`, `dos-850` or `850`, in any case.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        let number = ["cp", "ibm", "dos", "oem"].iter().find_map(|before| name.strip_prefix(before)).unwrap_or(&name);
        let number = number.trim_start_matches(['-', '_', ' ']);
        CODE_PAGES.into_iter().find(|page| page.name.strip_prefix("cp") == Some(number))
    }

    /// Its usual name, such as `cp850`.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The character that a byte stands for, if there is one.
    pub fn decode(self, byte: u8) -> Option<char> {
        self.table.decode(&[byte]).ok()?.chars().next()
    }

    /// The byte that stands for a character, if there is one.
    pub fn encode(self, character: char) -> Option<u8> {
        self.table.encode(character.encode_utf8(&mut [0; 4])).ok()?.first().copied()
    }
}

impl PartialEq for CodePage {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for CodePage {}

impl fmt::Debug for CodePage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_page_has_several_names() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(CodePage::named(name).map(CodePage::name), expected, "{name}");
        };
        check("cp850", Some("cp850"));
        check(" CP850 ", Some("cp850"));
        check("ibm437", Some("cp437"));
        check("dos-852", Some("cp852"));
        check("OEM_860", Some("cp860"));
        check("850", Some("cp850"));
        check("851", None);
        check("cp", None);
        check("", None);
        assert_eq!(CodePage::WESTERN.name(), "cp850");
    }

    #[test]
    fn every_byte_that_is_decoded_is_encoded_again() {
        let check = |name: &str, byte: u8, character: char| {
            let page = CodePage::named(name).unwrap();
            assert_eq!((page.decode(byte), page.encode(character)), (Some(character), Some(byte)), "{name} {byte:#x}");
        };
        check("cp437", 0x82, 'é');
        check("cp437", 0xA4, 'ñ');
        check("cp850", 0xB5, 'Á');
        check("cp850", 0xE0, 'Ó');
        check("cp852", 0xE7, 'š');
        check("cp860", 0x84, 'ã');
        for page in CODE_PAGES {
            for byte in 0..=u8::MAX {
                let Some(character) = page.decode(byte) else { continue };
                assert_eq!(page.encode(character), Some(byte), "{page:?} {byte:#x}");
            }
        }
        assert_eq!(CodePage::WESTERN.encode('€'), None);
    }
}
