//! Reads rows on one thread, converts them on others, and returns the results in input order.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::{Row, Rows, Source, SourceError, SourceFault, csv};
use crate::core::record::{Cells, TotalRow};
use crate::core::snapshot::{Recognition, RowHash, RowPosition};

/// Rows per batch: enough for the cost of passing a batch to be negligible.
const ROWS: usize = 1_000;

/// Bytes per batch, unless a single row has more.
const BYTES: usize = 1024 * 1024;

/// Maximum number of batches that are read ahead of the consumer.
const AHEAD: usize = 4;

/// Maximum number of converting threads. More of them would wait for the reading thread.
const MOST_MAKERS: usize = 4;

type Made<T> = Receiver<Vec<T>>;

/// Rows, and the channel for their results.
type Work<T> = (Batch, SyncSender<Vec<T>>);

/// Rows that are passed on together.
enum Batch {
    Whole(Vec<Whole>),
    // What can be left to those who make something of the rows is left to them: there are several.
    Raw(csv::Block, Arc<csv::Decoder>),
}

/// A row, with the cells that could be read of a rejected one.
type Whole = (Row, Option<Cells>);

/// What was read of an input of which rows are recognised.
#[derive(Debug)]
pub(crate) enum InputPart {
    /// A row.
    Row {
        /// The row.
        row: Row,
        /// The cells that could be read of a rejected row.
        remains: Option<Cells>,
        /// The hash of its line, if it is recognised by that.
        hash: Option<RowHash>,
    },
    /// Rows that are as they were in the last input, on successive lines.
    Skipped {
        /// Their places in the last input.
        places: Range<usize>,
        /// Where the first of them is in this one.
        first: RowPosition,
    },
}

/// How reading ended, if it has.
type Ended = Option<Result<(), SourceError>>;

impl Source {
    /// Reads all rows, converts each with `make` on several threads, and passes the results to `take` on this thread, in input
    /// order and at most 1,000 at a time, while further rows are read. For a rejected row, `make` also gets
    /// [the cells that could be read](Self::remains).
    ///
    /// # Errors
    /// Returns the first error of `take`, or the error of reading after all rows before it. No more rows are read then.
    pub fn in_batches<T: Send, E: From<SourceError>>(
        &mut self,
        make: impl Fn(Row, Option<Cells>) -> T + Sync,
        take: impl FnMut(Vec<T>) -> Result<(), E>,
    ) -> Result<(), E> {
        let make = |read| match read {
            InputPart::Row { row, remains, hash: _ } => Some(make(row, remains)),
            InputPart::Skipped { .. } => None,
        };
        self.batches(None, make, take)
    }

    /// As [`in_batches`](Self::in_batches), for an input of which rows are recognised: rows that are as they were in the last
    /// input need not be passed to `make` one by one, if they can be skipped. Each call of `make` returns one result.
    ///
    /// # Errors
    /// As `in_batches`.
    pub(crate) fn in_recognised_batches<T: Send, E: From<SourceError>>(
        &mut self,
        recognition: &Recognition<'_>,
        make: impl Fn(InputPart) -> T + Sync,
        take: impl FnMut(Vec<T>) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Rows::Csv(rows) = &mut self.rows {
            rows.hash_lines(recognition.key);
        }
        self.batches(Some(recognition), |read| Some(make(read)), take)
    }

    fn batches<T: Send, E: From<SourceError>>(
        &mut self,
        recognition: Option<&Recognition<'_>>,
        make: impl Fn(InputPart) -> Option<T> + Sync,
        mut take: impl FnMut(Vec<T>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (hand_on, work) = sync_channel::<Work<T>>(AHEAD);
        let (line_up, in_order) = sync_channel::<Result<Made<T>, SourceError>>(AHEAD);
        let work = Mutex::new(work);
        let (work, make) = (&work, &make);
        thread::scope(|threads| {
            threads.spawn(move || self.hand_on(recognition, &hand_on, &line_up));
            for _ in 0..makers() {
                threads.spawn(move || make_all(work, make));
            }
            for made in in_order {
                // Nothing comes from a thread that panicked, and then this one panics too when it waits for the others.
                let Ok(batch) = made?.recv() else { break };
                take(batch)?;
            }
            Ok(())
        })
    }

    // Until the end, the first error, or until the receiver is gone.
    fn hand_on<T>(
        &mut self,
        recognition: Option<&Recognition<'_>>,
        hand_on: &SyncSender<Work<T>>,
        line_up: &SyncSender<Result<Made<T>, SourceError>>,
    ) {
        loop {
            let (batch, ended) = self.batch(recognition);
            if !batch.is_empty() {
                let (done, made) = sync_channel(1);
                if line_up.send(Ok(made)).is_err() || hand_on.send((batch, done)).is_err() {
                    return;
                }
            }
            match ended {
                Some(Ok(())) => return,
                Some(Err(error)) => {
                    // The receiver may have stopped before.
                    let _ = line_up.send(Err(error));
                    return;
                }
                None => {}
            }
        }
    }

    fn batch(&mut self, recognition: Option<&Recognition<'_>>) -> (Batch, Ended) {
        self.begin();
        if !self.broken
            && let Rows::Csv(rows) = &mut self.rows
        {
            let (mut block, ended) = rows.block(ROWS, BYTES, recognition);
            let (decoder, lacks_sums) = (rows.decoder(), rows.lacks_sums(&block));
            if lacks_sums {
                match self.total() {
                    Ok(total) => block.set_total(total),
                    Err(error) => {
                        self.broken = true;
                        return (Batch::Raw(csv::Block::default(), decoder), Some(Err(error)));
                    }
                }
            }
            let batch = Batch::Raw(block, decoder);
            return match ended {
                Ok(true) => (batch, None),
                Ok(false) => (batch, Some(self.end())),
                Err(fault) => (batch, Some(Err(self.broken_by(fault)))),
            };
        }
        let (batch, ended) = self.whole_rows();
        (Batch::Whole(batch), ended)
    }

    // How the last row looks like a total: all rows are read again for their sums, after the last one was read.
    fn total(&self) -> Result<Option<TotalRow>, SourceError> {
        let mut again = self.again()?;
        let Rows::Csv(rows) = &mut again.rows else { return Err(self.changed()) };
        let mut total = None;
        loop {
            let (block, ended) = rows.block(ROWS, BYTES, None);
            total = block.total().or(total);
            if !ended.map_err(|fault: SourceFault| SourceError::new(&self.name, fault))? {
                return if total.is_some() { Ok(total) } else { Err(self.changed()) };
            }
        }
    }

    fn whole_rows(&mut self) -> (Vec<Whole>, Ended) {
        let mut batch = Vec::with_capacity(ROWS);
        let mut bytes = 0;
        while batch.len() < ROWS && bytes < BYTES {
            match self.next() {
                Some(Ok(row)) => {
                    let remains = matches!(row, Row::Rejected(_)).then(|| self.remains()).flatten();
                    bytes += weight(&row, remains.as_ref());
                    batch.push((row, remains));
                }
                Some(Err(error)) => return (batch, Some(Err(error))),
                None => return (batch, Some(Ok(()))),
            }
        }
        (batch, None)
    }
}

impl Batch {
    fn is_empty(&self) -> bool {
        match self {
            Self::Whole(rows) => rows.is_empty(),
            Self::Raw(block, _) => block.is_empty(),
        }
    }

    fn make<T>(self, make: impl Fn(InputPart) -> Option<T>) -> Vec<T> {
        match self {
            Self::Whole(rows) => rows
                .into_iter()
                .filter_map(|(row, remains)| make(InputPart::Row { row, remains, hash: None }))
                .collect(),
            Self::Raw(block, decoder) => decoder.parts(&block).filter_map(make).collect(),
        }
    }
}

fn make_all<T>(work: &Mutex<Receiver<Work<T>>>, make: &impl Fn(InputPart) -> Option<T>) {
    loop {
        // No thread panics while it waits for work.
        let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((batch, done)) = next else { return };
        // It fails when the receiver was dropped, because the reading was stopped.
        let _ = done.send(batch.make(make));
    }
}

fn makers() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MOST_MAKERS)
}

// About how many bytes a row holds.
fn weight(row: &Row, remains: Option<&Cells>) -> usize {
    let cells = match row {
        Row::Rejected(_) => remains,
        Row::Record(record) => Some(&record.cells),
    };
    match cells {
        None => 0,
        Some(Cells::Texts(texts)) => texts.iter().map(str::len).sum(),
        Some(Cells::Object(object)) => object.iter().map(|(_, json)| json_weight(json)).sum(),
    }
}

fn json_weight(json: &serde_json::Value) -> usize {
    const NODE: usize = size_of::<serde_json::Value>();
    NODE + match json {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(list) => list.iter().map(json_weight).sum(),
        serde_json::Value::Object(map) => map.iter().map(|(key, json)| key.len() + json_weight(json)).sum(),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::{Format, SourceFault};
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Halt {
        Source,
        Enough,
    }

    impl From<SourceError> for Halt {
        fn from(error: SourceError) -> Self {
            assert!(matches!(error.fault(), SourceFault::Read { .. }), "{error}");
            Self::Source
        }
    }

    /// Gives its text, then fails.
    struct Torn(io::Cursor<Vec<u8>>);

    impl Read for Torn {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(buffer)?;
            if count == 0 { Err(io::Error::other("the disk is gone")) } else { Ok(count) }
        }
    }

    /// A header, and a row of two cells over and over.
    struct Endless(usize);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            for byte in buffer.iter_mut() {
                *byte = if self.0 < 4 { b"a,b\n" } else { b"1,2\n" }[self.0 % 4];
                self.0 += 1;
            }
            Ok(buffer.len())
        }
    }

    fn text(rows: usize, long: usize) -> Vec<u8> {
        let cell = "x".repeat(long);
        let rows = (0..rows).map(|row| format!("{row},{cell}\n"));
        std::iter::once("n,text\n".to_owned()).chain(rows).collect::<String>().into_bytes()
    }

    fn source(reader: impl Read + Send + 'static) -> Source {
        Source::from_reader("in.csv", Box::new(reader), Format::Csv).unwrap()
    }

    fn line(row: Row, remains: Option<Cells>) -> u64 {
        match (row, remains) {
            (Row::Record(record), None) => record.line,
            (row, remains) => panic!("{row:?}, {remains:?}"),
        }
    }

    // The lines that were taken, with how the reading ended; it is stopped after so many rows.
    fn taken(reader: impl Read + Send + 'static, most: usize) -> (Vec<u64>, usize, Result<(), Halt>) {
        let (mut lines, mut batches) = (Vec::new(), 0);
        let ended = source(reader).in_batches(line, |batch| {
            assert!((1..=ROWS).contains(&batch.len()));
            batches += 1;
            lines.extend(batch);
            if lines.len() >= most { Err(Halt::Enough) } else { Ok(()) }
        });
        (lines, batches, ended)
    }

    #[test]
    fn rows_come_in_order_and_all_of_them() {
        for rows in [0, 1, ROWS - 1, ROWS, ROWS + 1, 20 * ROWS + 7] {
            let (lines, batches, ended) = taken(io::Cursor::new(text(rows, 1)), usize::MAX);
            assert_eq!(lines, (2..rows as u64 + 2).collect::<Vec<_>>(), "{rows}");
            assert_eq!((batches, ended), (rows.div_ceil(ROWS), Ok(())), "{rows}");
        }
    }

    #[test]
    fn long_rows_are_handed_on_sooner() {
        let (lines, batches, _) = taken(io::Cursor::new(text(40, BYTES / 4)), usize::MAX);
        assert_eq!((lines.len(), batches), (40, 10));
    }

    #[test]
    fn what_cannot_be_read_ends_it_after_the_rows_before() {
        let (lines, _, ended) = taken(Torn(io::Cursor::new(text(3 * ROWS, 1))), usize::MAX);
        // Whether the last row is whole cannot be known.
        assert!(lines.len() + 1 >= 3 * ROWS, "{}", lines.len());
        assert_eq!(ended, Err(Halt::Source));
    }

    #[test]
    fn reading_stops_once_the_receiver_has_enough() {
        let (lines, batches, ended) = taken(Endless(0), 1);
        assert_eq!((lines.first(), batches, ended), (Some(&2), 1, Err(Halt::Enough)));
    }

    #[test]
    fn several_threads_make() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let make = |row, remains| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
            line(row, remains)
        };
        let mut count = 0;
        let take = |batch: Vec<u64>| {
            count += batch.len();
            Ok::<(), Halt>(())
        };
        source(io::Cursor::new(text(20 * ROWS, 1))).in_batches(make, take).unwrap();
        assert_eq!(count, 20 * ROWS);
        assert!(makers() == 1 || most.into_inner() > 1, "no two rows were ever made at once");
    }
}
