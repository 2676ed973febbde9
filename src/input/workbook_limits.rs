//! Inspects the parts of a spreadsheet before `sheet` reads them.
//!
//! The spreadsheet library trusts the parts: it allocates memory for as many strings as they announce and for every repeated
//! cell, and never stops searching for the end of a table. A few bytes can therefore exhaust the memory, which cannot be
//! caught. So each part is read here first, in bounded memory: its checksum must be right, its XML complete, and its content
//! within the limits of a spreadsheet.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::decompress::{Place, places};
use super::open::Steady;
use super::workbook_part::{damaged, plain};
use super::workbook_probe::{Kind, Probe};
use super::workbook_size::{MAX_BYTES, too_large};
use super::{MAX_ROW, SourceFault};

/// Maximum size of a part with styles or relationships, in bytes.
const MAX_SMALL: u64 = 16 * 1024 * 1024;

// The parts by their names, in lowercase and with `/` between folders; and whether a name begins with a slash, with which the
// library does not search for it.
fn by_name(file: &Steady) -> Result<(BTreeMap<String, Place>, bool), SourceFault> {
    let (mut by_name, mut is_rooted) = (BTreeMap::new(), false);
    for (name, place) in places(file)? {
        is_rooted |= name.starts_with(['/', '\\']);
        if by_name.insert(plain(&name), place).is_some() {
            return Err(damaged());
        }
    }
    Ok((by_name, is_rooted))
}

/// The parts of a spreadsheet, by their normalised names.
pub(super) struct Parts<'f> {
    places: BTreeMap<String, Place>,
    // Whether a name begins with a slash.
    is_rooted: bool,
    inspected: BTreeSet<String>,
    file: &'f Steady,
    // How many bytes of all parts may still be read.
    left: Rc<Cell<u64>>,
}

impl<'f> Parts<'f> {
    /// The parts of a file.
    pub(super) fn of(file: &'f Steady) -> Result<Self, SourceFault> {
        let left = Rc::new(Cell::new(MAX_BYTES));
        let (places, is_rooted) = by_name(file)?;
        Ok(Parts { places, is_rooted, inspected: BTreeSet::new(), file, left })
    }

    /// Whether there is a part of this name that was not inspected.
    pub(super) fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    pub(super) const fn is_rooted(&self) -> bool {
        self.is_rooted
    }

    /// Inspects a part. A missing part is an error of the reader, and not here.
    pub(super) fn inspect_part(&mut self, name: &str, kind: Kind) -> Result<Probe, SourceFault> {
        // A part that was inspected as one kind must not be read as another.
        if !self.inspected.insert(name.to_owned()) {
            return Err(damaged());
        }
        let Some(place) = self.places.remove(name) else { return Ok(Probe::new(kind)) };
        let part = place.open(self.file.try_clone().map_err(SourceFault::Unpack)?).map_err(SourceFault::Unpack)?;
        let event = Rc::new(Cell::new(0));
        let bounded = Bounded { part, left: Rc::clone(&self.left), event: Rc::clone(&event) };
        let mut xml = Reader::from_reader(BufReader::with_capacity(64 * 1024, bounded));
        xml.config_mut().expand_empty_elements = true;
        let mut probe = Probe::new(kind);
        let (mut depth, mut buffer) = (0_u64, Vec::new());
        loop {
            buffer.clear();
            event.set(MAX_ROW);
            match xml.read_event_into(&mut buffer) {
                Ok(Event::Start(element)) => {
                    depth += 1;
                    probe.start(&element)?;
                }
                Ok(Event::End(element)) => {
                    depth = depth.saturating_sub(1);
                    probe.end(element.name().as_ref());
                }
                Ok(Event::Text(text)) => probe.text(text.len(), &text),
                Ok(Event::CData(text)) => probe.text(text.len(), &text),
                Ok(Event::Eof) if depth == 0 => return Ok(probe),
                // One character of at most four bytes. Numbers are displayed without any that is written so.
                Ok(Event::GeneralRef(_)) => probe.text(4, "&"),
                // `expand_empty_elements` makes a start and an end of an empty element.
                Ok(Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_)) => {}
                Err(_) if self.left.get() == 0 || event.get() == 0 => return Err(too_large()),
                Ok(Event::Eof) | Err(_) => return Err(damaged()),
            }
            if probe.is_too_much() || (kind == Kind::Small && xml.buffer_position() > MAX_SMALL) {
                return Err(too_large());
            }
        }
    }
}

/// A reader of a part that fails when a limit is exceeded.
struct Bounded<R> {
    part: R,
    left: Rc<Cell<u64>>,
    // How many bytes of the current XML event may still be read.
    event: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 || self.event.get() == 0 {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let count = self.part.read(buffer)?;
        self.left.set(self.left.get().saturating_sub(count as u64));
        self.event.set(self.event.get().saturating_sub(count));
        Ok(count)
    }
}
