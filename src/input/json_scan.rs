//! Finds where a JSON value ends, without parsing it.

/// Finds the end of a value: its closing bracket or quote, or the end of its word.
#[derive(Debug, Default)]
pub(super) struct Scan {
    depth: usize,
    in_text: bool,
    escaped: bool,
    in_word: bool,
}

impl Scan {
    /// The number of these bytes that belong to the value, and whether it ends within them.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_text = false;
                        if self.depth == 0 {
                            return (at + 1, true);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            let is_mark = matches!(byte, b'{' | b'}' | b'[' | b']' | b'"' | b',' | b':') || byte.is_ascii_whitespace();
            if self.depth == 0 && is_mark && (self.in_word || !matches!(byte, b'{' | b'[' | b'"')) {
                return (at, true);
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                _ => self.in_word |= self.depth == 0,
            }
        }
        (bytes.len(), false)
    }

    /// Whether the value may end with the text.
    pub(super) const fn may_end(&self) -> bool {
        self.depth == 0 && !self.in_text
    }
}
