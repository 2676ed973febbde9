//! Rows of CSV as a table of texts: cells, lines, quotes, headers, short rows and errors.

use std::fmt::Write as _;

use super::super::{Format, Source, SourceError};
use super::*;
use crate::core::model::Rejection;
use crate::core::record::Record;

const UNCLOSED: &str = "in.csv:#: a quoted cell begins in the row on this line, and its closing quote is missing";
const SPLIT: &str = ": it looks like a part of a row that a line break without quotes split";
const CUT: &str = ": the last line does not end, so the file may be cut off";

fn source(bytes: &[u8]) -> Result<Source, String> {
    let reader = Box::new(std::io::Cursor::new(bytes.to_vec()));
    Source::from_reader("in.csv", reader, Format::Csv).map_err(|error| error.to_string())
}

// Each row as `line a|b` or `line [column] reason`, and at last the error that ends them.
fn rows(bytes: &[u8]) -> Vec<String> {
    source(bytes).unwrap().map(show).collect()
}

fn show(row: Result<Row, SourceError>) -> String {
    match row {
        Err(error) => error.to_string(),
        Ok(Row::Record(Record { line, cells, total, .. })) => {
            let Cells::Texts(texts) = cells else { panic!("JSON from a CSV file") };
            let total = match total {
                Some(TotalRow::AddsUp) => " (sum) (total)",
                Some(TotalRow::Likely) => " (total)",
                None => "",
            };
            format!("{line} {}{total}", texts.iter().collect::<Vec<_>>().join("|"))
        }
        Ok(Row::Rejected(Rejection { line, column, reason, .. })) => {
            format!("{line} [{}] {reason}", column.unwrap_or_default())
        }
    }
}

// What was noticed in the rows.
fn notices(bytes: &[u8]) -> Vec<String> {
    let mut source = source(bytes).unwrap();
    source.by_ref().for_each(drop);
    source.detected().notices().iter().map(ToString::to_string).collect()
}

#[test]
fn cells_come_as_they_stand() {
    let check = |text: &str, expected: &[&str]| assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
    check("a,b\n1,2\n", &["2 1|2"]);
    check("a,b\n1,2", &["2 1|2"]);
    check("\u{feff}a,b\n1,2\n", &["2 1|2"]);
    check("a,b\n 1 ,\"2, \"\"3\"\"\"\n", &["2  1 |2, \"3\""]);
    check("a,b\n1,\n", &["2 1|"]);
    check("a,,b\n1,2,3\n", &["2 1|3"]);
    check("a\n\"\"\n", &["2 "]);
    check("a,b\n", &[]);
    check("a,b", &[]);
}

#[test]
fn the_line_is_the_one_that_an_editor_shows() {
    let check = |text: &str, expected: &[u64]| {
        let lines: Vec<u64> =
            rows(text.as_bytes()).iter().map(|row| row.split(' ').next().unwrap().parse().unwrap()).collect();
        assert_eq!(lines, expected, "{text:?}");
    };
    check("a,b\n1,2\n3,4\n5,6\n", &[2, 3, 4]);
    check("a,b\r\n1,2\r\n3,4\r\n5,6\r\n", &[2, 3, 4]);
    check("a,b\r1,2\r3,4\r5,6", &[2, 3, 4]);
    check("a,b\n\n\n1,2\n\n3,4\n", &[4, 6]);
    check("a,b\r\n\r\n\r\n1,2\r\n\r\n3,4\r\n", &[4, 6]);
    check("a,b\n  \n1,2\n\t\n3,4\n", &[3, 5]);
    check("\n\na,b\n1,2\n", &[4]);
    check("a,b\n1,\"x\ny\nz\"\n3,4\n", &[2, 5]);
    check("a,b\r\n1,\"x\r\ny\r\nz\"\r\n3,4\r\n", &[2, 5]);
    check("\"a\nx\",b\n1,2\n", &[3]);
    check("a,b\n1\n3,4\n1,2,3\n5,6\n", &[2, 3, 4, 5]);
}

#[test]
fn a_row_that_cannot_be_read_is_set_aside_and_reading_goes_on() {
    let check = |bytes: &[u8], expected: &[&str]| assert_eq!(rows(bytes), expected, "{}", bytes.escape_ascii());
    check(b"a,b\n1\n3,4\n", &["2 [] expected 2 cells, found 1", "3 3|4"]);
    check(b"a,b\n1,2,3\n3,4\n", &["2 [] expected 2 cells, found 3", "3 3|4"]);
    check(b"a\n1,2\n3\n", &["2 [] expected 1 cell, found 2", "3 3"]);
    check(
        b"\xC3\xA1,b\n1,ab\xFFc\n3,4\n",
        &["2 [b] expected UTF-8, found another encoding at byte 3 of the cell", "3 3|4"],
    );
    // Valid as a whole, but split in the middle of a character.
    check(b"\xC3\xA1,b\n\xC3,\xA9\n", &["2 [\u{e1}] expected UTF-8, found another encoding at byte 1 of the cell"]);
    let many = [b"a,b\n".as_slice(), &b",".repeat(5_000), b"\n3,4\n"].concat();
    check(&many, &["2 [] expected 2 cells, found 5001", "3 3|4"]);
}

#[test]
fn a_row_is_bounded() {
    let reason = "[] expected a row of at most 16 MiB, found a longer one";
    let long = vec![b'x'; MAX_ROW + 1];
    let quoted = [b"a,b\n1,\"".as_slice(), &long, b"\"\n3,4\n"].concat();
    assert_eq!(rows(&quoted), [format!("2 {reason}"), "3 3|4".to_owned()]);
    let unclosed = [b"a,b\n1,\"".as_slice(), &long].concat();
    assert_eq!(rows(&unclosed), [UNCLOSED.replace('#', "2")]);
    // A quote that stays open this long, over several lines, has taken in other rows.
    let swallowed = [b"a,b\n1,2\n3,\"".as_slice(), &b"4\n5,".repeat(MAX_ROW / 4 + 1), b"\"\n6,7\n"].concat();
    assert_eq!(rows(&swallowed), ["2 1|2".to_owned(), UNCLOSED.replace('#', "3")]);
    let cells = [b"a,b\n".as_slice(), &vec![b','; MAX_ROW + 1], b"\n3,4\n"].concat();
    assert_eq!(rows(&cells), [format!("2 {reason}"), "3 3|4".to_owned()]);
}

#[test]
fn of_a_row_with_many_more_cells_nothing_is_kept() {
    for (cells, is_kept) in [(3, true), (128, true), (129, false), (5_000, false)] {
        // Whatever room earlier rows made.
        let row = |character: &str, cells: usize| vec![character; cells].join(",");
        let text = format!("a,b\n{}\n{}\n", row("y", 5_000), row("x", cells));
        let mut source = source(text.as_bytes()).unwrap();
        assert!(matches!(source.nth(1), Some(Ok(Row::Rejected(_)))));
        assert_eq!(source.remains().is_some(), is_kept, "{cells}");
    }
}

#[test]
fn quotes_open_at_the_end_are_told_from_closed_ones() {
    let check = |text: &str, unclosed: bool| {
        let rows = rows(format!("a\n{text}").as_bytes());
        assert_eq!(rows[0] == UNCLOSED.replace('#', "2"), unclosed, "{text:?}: {rows:?}");
    };
    check("1", false);
    check("\"1\"", false);
    check("\"1\"\"\"", false);
    check("\"1", true);
    check("\"1\"\"", true);
    check("\"", true);
    check("\"\"", false);
    check("1\"", false);
    check("\"1\n", true);
}

#[test]
fn a_quote_that_takes_in_other_rows_ends_the_reading() {
    let check = |text: &str, before: usize, line: u64| {
        let rows = rows(text.as_bytes());
        assert_eq!(rows.len(), before + 1, "{text:?}: {rows:?}");
        assert_eq!(rows.last(), Some(&UNCLOSED.replace('#', &line.to_string())), "{text:?}");
    };
    check("a,b\n1,2\n3,\"4\n5,6\n7,8\n", 1, 3);
    check("a,b\n1,\"2\n\"\n3,\"4\n5,6", 1, 4);
    // The line is that of the quote, also where the row begins before it.
    check("a,b,c\n\"1\n\",2,\"3\n4,5,6\n", 0, 3);
    // Closed by a quote that opens another cell.
    check("a,b,c\n1,Ann,\"he\n2,Bo,\"ok\"\n3,Cy,x\n", 0, 2);
    check("a,b,c\n1,Ann,\"he\r\n2,\"Bo, Jr\",x\r\n", 0, 2);
    check("a,b,c\n1,Ann,\"he\n\"2\",Bo,x\n", 0, 2);
    check("a,b,c\n1,Ann,\"he\n2,\"\",x\n3,\"Bo\",y\n", 0, 2);
    // Closed by a quote that is text: the lines inside are rows.
    check("a,b,c\n0,0,0\n1,Ann,\"he\n2,Bo,x\n3,Cy,x\n4,Di,5\"\n", 1, 3);
    // In a file that is far from whole.
    let far = format!("a,b\n{}x,\"y\n{}", "1,2\n".repeat(50_000), "3,4\n".repeat(50_000));
    check(&far, 50_000, 50_002);
}

#[test]
fn a_quoted_cell_may_have_lines_of_its_own() {
    let check = |text: &str| assert!(rows(text.as_bytes())[0].starts_with("2 1|"), "{text:?}");
    check("a,b,c\n1,\"Calle 5\nCol. Centro\nM\u{e9}xico\",x\n");
    check("a,b,c\n1,\"Calle 5, 3, A\nCol. Centro, 06000, CDMX\nM\u{e9}xico, DF, MX\",x\n");
    check("a,b\n1,\"x,y\nz,w\nu,v\"\n");
    check("a,b,c\n1,\"one\n\ntwo\nthree, four\n\",\"\"\n");
    check("a,b,c\n1,\"she \"\"said\"\",\n\"\"no\"\"\",x\n");
}

#[test]
fn a_quote_that_is_closed_by_another_cell_loses_no_row() {
    // The outcome of each row of a file with these rows between others: its line, the line and `!` when it is rejected,
    // or the line of the error.
    let check = |header: &str, other: &str, text: &str, expected: &str| {
        let (before, after) = (other.repeat(4), other.repeat(2));
        let outcome = |row: &String| {
            let (line, rest) = row.split_once(' ').unwrap();
            match row.strip_prefix("in.csv:") {
                Some(error) => format!("refused at {}", error.split(':').next().unwrap()),
                None if rest.starts_with('[') => format!("{line}!"),
                None => line.to_owned(),
            }
        };
        let found: Vec<String> =
            rows(format!("{header}{before}{text}{after}").as_bytes()).iter().map(outcome).collect();
        assert_eq!(found[..4], ["2", "3", "4", "5"], "{text:?}");
        assert_eq!(found[4..].join(" "), expected, "{text:?}");
    };
    let (header, other) = ("phone,name,note\n", "+5215550009000,Ann,x\n");
    let three = |text: &str, expected: &str| check(header, other, text, expected);
    // One row is swallowed, whichever cell opens.
    three("+5215550001,\"Ana,hi\n+5215550002,Luis\",x\n", "6! 8 9");
    three("\"+5215550001,Ana,hi\n+5215550002\",Luis,x\n", "6! 8 9");
    three("+5215550001,Ana,\"hi\n+5215550002,Luis,x\"\n", "6! 8 9");
    three("+5215550001,Ana,\"hi\r\n+5215550002,Luis,x\"\r\n", "6! 8 9");
    three("+5215550001,Ana,\"hi\n,Luis,x\"\n", "6! 8 9");
    // Two and more.
    three("+5215550001,\"Ana,hi\n+5215550002,Luis,x\n+5215550003,Eva\",y\n", "refused at 6");
    three("+5215550001,Ana,\"hi\n+5215550002,Luis,x\n+5215550003,Eva,y\"\n", "refused at 6");
    three("+5215550001,Ana,\"hi\n+5215550002,Luis,\n+5215550003,,y\"\n", "refused at 6");
    three("+5215550001,Ana,\"5\"\" pipe\n+5215550002,Luis,x\n+5215550003,Eva,\"\"6\"\"\"\n", "refused at 6");
    // The line of the quote, in a row that begins before it.
    three("+5215550001,\"A\nB\",\"hi\n+5215550002,Luis,x\n+5215550003,Eva,y\"\n", "refused at 7");
    // Closed in another column: the row is too short or too long, and those inside are as lost.
    three("+5215550001,\"Ana,hi\n+5215550002,Luis,x\n+5215550003,Eva,y\"\n", "refused at 6");
    three("+5215550001,Ana,\"hi\n+5215550002,\"\"Luis,x\n+5215550003\",Eva,y\n", "refused at 6");
    // The next quote begins a quoted cell that itself begins with a quote, or is blank.
    three("+5215550001,Ana,\"hi\n+5215550002,\"\"\"Lu\"\" is\",x\n", "refused at 6");
    three("+5215550001,Ana,\"hi\n+5215550002,\"\",x\n+5215550003,Eva,\"y\"\n", "refused at 6");
    // Among many rows, some are damaged.
    let many = other.repeat(20).replacen("Ann", "Ann,", 2);
    three(&format!("+5215550001,Ana,\"hi\n{many}+5215550002,Luis,5\"\n"), "refused at 6");
    // Two columns, and one.
    let two = |text: &str, expected: &str| check("phone,name\n", "+5215550009000,Ann\n", text, expected);
    two("+5215550001,\"Ana\n+5215550002,Luis\"\n", "6! 8 9");
    two("+5215550001,\"Ana\n+5215550002,Luis\n+5215550003,Eva\"\n", "refused at 6");
    check("mail\n", "ann@x.com\n", "\"ana@x.com\nluis@x.com\"\n", "6! 8 9");
    check("mail\n", "ann@x.com\n", "\"ana@x.com\nluis@x.com\neva@x.com\"\n", "refused at 6");
    // A file that leaves out blank cells at the end completes none of these.
    let short = |text: &str, expected: &str| check("mail,name,note\n", "ann@x.com,Ann\n", text, expected);
    short("ana@x.com,\"Ana\nluis@x.com,Luis\"\n", "6! 8! 9");
    // Cells with lines of their own are read.
    three("+5215550001,Ana,\"Calle 5\nCol. Centro, 06000, CDMX\nM\u{e9}xico\"\n", "6 9 10");
    three("+5215550001,Ana,\"Calle 5, 2, B\nPuebla, PUE, 72000\"\n", "6 8 9");
    three("+5215550001,\"Ana, Bo\nand Cy\",x\n", "6 8 9");
    three("+5215550001,\"Ana,Bo\nCy,Di\nEva,Flo\",x\n", "6 9 10");
    three("+5215550001,Ana,\"call\n+52 155 5000 2, or at work\"\n", "6 8 9");
    three("+5215550001,Ana,\"1. one\n2. two, then three\n\n\"\n", "6 10 11");
    two("+5215550001,\"Calle 5\nPuebla,PUE\"\n", "6 8 9");
    two("+5215550001,\"Calle 5\n72000, Puebla\"\n", "6 8 9");
    check("zip,address\n", "72000,x\n", "72001,\"Calle 5\n72001, Puebla\"\n", "6 8 9");
    check("note,phone\n", "x,+5215550009000\n", "\"one, two\nthree\",+5215550001\n", "6 8 9");
}

#[test]
fn a_note_that_is_like_rows_is_no_reason_to_refuse_its_file() {
    // How the last row of a file arrives: whole, rejected, or not at all.
    let check = |header: &str, other: &str, row: &str, expected: &str| {
        let rows = rows(format!("{header}{}{row}", other.repeat(4)).as_bytes());
        let found = match rows.last() {
            Some(row) if row.starts_with("in.csv:") => "refused",
            Some(row) if row.contains("] expected ") => "rejected",
            Some(_) | None => "read",
        };
        let count = other.lines().filter(|line| !line.bytes().all(|byte| byte == b',')).count() * 4 + 1;
        assert_eq!((rows.len(), found), (count, expected), "{row:?}: {rows:?}");
    };
    // Each cell is quoted: another row would have brought its quotes along.
    let all = |row: &str, expected: &str| {
        check("\"mail\",\"phone\",\"note\"\n", "\"a@x.mx\",\"+525512345600\",\"hola\"\n", row, expected);
    };
    let list = "b@x.mx,+525511111112,ok\nc@x.mx,+525511111113,ok\n";
    all(&format!("\"z@x.mx\",\"+525512345699\",\"Lista:\n{list}\"\n"), "read");
    all(&format!("\"z@x.mx\",\"+525512345699\",\"Lista:\n{}\"\n", list.repeat(9)), "read");
    all("\"z@x.mx\",\"+525512345699\",\"Firma:\nAna, +525511111111\nok\"\n", "read");
    all(&format!("\"z@x.mx\",+525512345699,\"Lista:\n{list}\"\n"), "refused");
    all(&format!("\"z@x.mx\",\"+525512345699\",\"\"\"Lista\"\":\n{list}\"\n"), "refused");
    // The same where blank cells have no quotes.
    let but_blank = |row: &str, expected: &str| {
        let rows = "\"a@x.mx\",,\"hola\"\n,\"+525512345600\",\n";
        check("\"mail\",\"phone\",\"note\"\n", &format!("{rows},,\n"), row, expected);
    };
    but_blank(&format!("\"z@x.mx\",,\"Lista:\n{list}\"\n"), "read");
    but_blank(&format!(",\"+525512345699\",\"Lista:\n{}\"", list.repeat(9)), "read");
    but_blank(&format!("\"z@x.mx\",+525512345699,\"Lista:\n{list}\"\n"), "refused");
    but_blank(&format!("\"z@x.mx\",,\"\"\"Lista\"\":\n{list}\"\n"), "refused");
    let two = |row: &str, expected: &str| check("phone,note\n", "+525512345600,hola\n", row, expected);
    // A space follows each delimiter.
    two("+525512345699,\"Mama:\n5512345611, mama\n5512345612, papa\n5512345613, tia\"\n", "read");
    two(&format!("+525512345699,\"Chat\n{}fin\"\n", "+5215512345699, hola\n".repeat(9)), "read");
    two("+525512345699,\"Mama:\n5512345611, mama\n5512345612,papa\n5512345613, tia\"\n", "rejected");
    two("+525512345699,\"Mama:\n5512345611,mama\n5512345612,papa\n5512345613,tia\"\n", "refused");
    // A postal code among phones, and a blank last line.
    two("+525512345699,\"Calle 5\n06000,CDMX\"\n", "read");
    check("phone,zip\n", "+525512345600,06000\n", "+525512345699,\"06000\n+525512345698,06001\"\n", "rejected");
    check("mail\n", "a@x.mx\n", "\"b@x.mx\n\"\n", "read");
    let short = |row: &str, expected: &str| {
        check("phone,name,note,city,plan\n", "+525512345600,N\n", row, expected);
    };
    short("+525512345699,Zed,\"Hola\n\",Lima\n", "read");
    short("+525512345699,Zed,\"Hola\n\nchau\",Lima\n", "read");
    short("+525512345699,Zed,\"Hola\n5512345611\",Lima\n", "rejected");
    // One whole line is not enough.
    let five = |row: &str, expected: &str| check("a,b,phone,c,d\n", "x,x,+525512345600,x,x\n", row, expected);
    five("z,z,+525512345699,z,\"Lista\n1,Ana,5511111111,y,ok\n\"\n", "rejected");
    five("z,z,+525512345699,z,\"Lista\n1,Ana,5511111111,y,ok\n2,Bo,5511111112,y,ok\n\"\n", "refused");
}

#[test]
fn a_rejected_row_is_listed_with_all_its_text() {
    let check = |text: &str, expected: &[&str]| {
        let mut source = source(text.as_bytes()).unwrap();
        let row = source.find(|row| matches!(row, Ok(Row::Rejected(_)))).unwrap().unwrap();
        let Some(Cells::Texts(texts)) = source.remains() else { panic!("{row:?}") };
        assert_eq!(texts.iter().collect::<Vec<_>>(), expected, "{text:?}");
    };
    let others = "+5215550009000,Ann,x\n".repeat(4);
    let header = format!("phone,name,note\n{others}");
    check(
        &format!("{header}+5215550001,\"Ana,hi\n+5215550002,Luis\",x\n"),
        &["+5215550001", "Ana,hi\n+5215550002,Luis,x"],
    );
    check("a;b;c\n1;\"2\"x;3\n", &["1", "2x;3"]);
    check("a,b,c\n1,\"2\"x,\n", &["1", "2x"]);
}

#[test]
fn a_cell_without_quotes_that_ends_with_one_lost_its_first() {
    let check = |text: &str, expected: &[&str]| assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
    let stray = "expected quotes around a cell that ends with a quote, found none: is the opening quote missing?";
    let all = "\"a\",\"b\"\n\"1\",\"2\"\n";
    check(&format!("{all}3\",\"4\"\n\"5\",\"6\"\n"), &["2 1|2", &format!("3 [] {stray}"), "4 5|6"]);
    check(&format!("{all}\"3\",4\"\n\"5\",6\""), &["2 1|2", &format!("3 [] {stray}"), &format!("4 [] {stray}")]);
    check(
        &format!("{all}\"3\",4\" \n\"5\",say \"6\" or 7\n"),
        &["2 1|2", &format!("3 [] {stray}"), "4 5|say \"6\" or 7"],
    );
    check(&format!("{all}\"3\",say \"\"4\"\"\"\n"), &["2 1|2", &format!("3 [] {stray}")]);
    // Inches, in files that quote no cell or only those that need it.
    check("a,b\n1,5'7\"\n2,6'1\"\n", &["2 1|5'7\"", "3 2|6'1\""]);
    check("a,b\n1,5'7\"\n\"2, 3\",6'1\"\n", &["2 1|5'7\"", "3 2, 3|6'1\""]);
    assert_eq!(
        source(b"a\",\"b\"\n\"1\",\"2\"\n\"3\",\"4\"\n").unwrap_err(),
        "in.csv:1: expected column names, found misplaced quotes: is the file CSV?"
    );
}

#[test]
fn quotes_out_of_place_set_their_row_aside() {
    let check = |text: &str, expected: &[&str]| assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
    let after =
        "expected a delimiter after the closing quote of a cell, found text: quotes inside a cell must be doubled";
    let space = "expected no space between a delimiter and a quote, found one";
    check("a,b\n1,\"Ann \"The Boss\" Lee\"\n3,4\n", &[&format!("2 [] {after}"), "3 3|4"]);
    check("a,b\n\"Ann\"x,2\n3,4\n", &[&format!("2 [] {after}"), "3 3|4"]);
    check("a,b\n1,\"line\nhe said \"hi\" there\"\n3,4\n", &[&format!("2 [] {after} (lines 2 to 3)"), "4 3|4"]);
    check("a,b\n1,5\" pipe\n\"3\" ,4 \"x\"\n", &["2 1|5\" pipe", "3 3 |4 \"x\""]);
    // Past what is examined for the dialect.
    let rest = "1,2\n".repeat(20_000);
    let late = rows(format!("a,b\n{rest}1, \"2\"\n1,\"say \\\"hi\\\"\"\n").as_bytes());
    assert_eq!(late[20_000..], [format!("20002 [] {space}"), format!("20003 [] {after}")]);
    assert_eq!(
        source(b"a,\"b\"c\n1,2\n").unwrap_err(),
        "in.csv:1: expected column names, found misplaced quotes: is the file CSV?"
    );
}

#[test]
fn other_dialects_of_quotes_are_read() {
    let check = |text: &str, header: &[&str], expected: &[&str]| {
        let source = source(text.as_bytes()).unwrap();
        let names: Vec<&str> = source.header().unwrap().iter().map(|name| &**name).collect();
        assert_eq!(names, header, "{text:?}");
        assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
    };
    check("\"a\", \"b\"\n\"1\", \"x, \"\"y\"\"\"\n", &["a", "b"], &["2 1|x, \"y\""]);
    check("a; b\n1; \"x; y\"\n", &["a", "b"], &["2 1|x; y"]);
    check("a,b\n1,\"say \\\"hi, you\\\"\"\n2,\\N\n", &["a", "b"], &["2 1|say \"hi, you\"", "3 2|"]);
    check("a,b\n1,\"5\\\"\"\n2,\"x\ny\"\n3,z\n", &["a", "b"], &["2 1|5\"", "3 2|x\ny", "5 3|z"]);
    check("'a','b'\n'1','O''Brien, \"Bo\"'\n", &["a", "b"], &["2 1|O'Brien, \"Bo\""]);
    // The header has none.
    check("a,b\n'1','O''Brien, \"Bo\"'\n'2','x'\n", &["a", "b"], &["2 1|O'Brien, \"Bo\"", "3 2|x"]);
    check("a,b\n1,'x, y'\n2,'z'\n", &["a", "b"], &["2 1|x, y", "3 2|z"]);
    check("a,b\n1,'t Hooft\n2,D'Angelo'\n3,'s-H'\n", &["a", "b"], &["2 1|'t Hooft", "3 2|D'Angelo'", "4 3|'s-H'"]);
    // Apostrophes that are not doubled.
    check("a,b\n1,'Ann'\n2,'O'Neil, Jr'\n", &["a", "b"], &["2 1|Ann", "3 2|O'Neil, Jr"]);
    check("'a','b'\n'1','James''\n'2','''\n'D'A','x'\n", &["a", "b"], &["2 1|James'", "3 2|'", "4 D'A|x"]);
    let mixed = "in.csv:3: expected the apostrophes in single-quoted cells to be all doubled or none, found both: double them \
                 all, or export the file with double quotes";
    assert_eq!(source(b"a,b\n1,'D'Angelo'\n2,'O''Neil'\n").unwrap_err(), mixed);
    // A damaged row among others loses itself only.
    let stray = "expected quotes around a cell that ends with a quote, found none: is the opening quote missing?";
    let quoted = "'a','b'\n'1','2'\n'3','4'\n";
    check(&format!("{quoted}'5',6'\n'7','8'\n"), &["a", "b"], &["2 1|2", "3 3|4", &format!("4 [] {stray}"), "5 7|8"]);
    check("a,b\n1,'Ann'\n2,'Bo'\n3,'Cy',x\n", &["a", "b"], &["2 1|Ann", "3 2|Bo", "4 [] expected 2 cells, found 3"]);
    // One that is not closed, and the next row with it.
    assert_eq!(rows(b"'a','b'\n'1','2'\n'3','x\n'5','6'\n")[1], UNCLOSED.replace('#', "3"));
    assert_eq!(rows(b"'a','b'\n'1','2'\n'3','O'Neil\n'5','6'\n")[1], UNCLOSED.replace('#', "3"));
    // Past what is examined for the dialect.
    let late = format!("'a','b'\n{}'3','O'Neil'\n'4','O''Neil'\n", "'1','2'\n".repeat(20_000));
    assert_eq!(rows(late.as_bytes())[20_000..], ["20002 3|O'Neil", "20003 4|O'Neil"]);
    // Files that were appended to each other.
    let mark = "\u{feff}";
    check(&format!("\"a\", \"b\"\n\"1\", \"x, y\"\n{mark}\"2\", \"z\"\n"), &["a", "b"], &["2 1|x, y", "3 2|z"]);
    check(&format!("'a','b'\n'1','x, y'\n{mark}'2','z, w'\n"), &["a", "b"], &["2 1|x, y", "3 2|z, w"]);
    check(&format!("\"a,b\"\n\"1,x\"\n{mark}\"2,z\"\n"), &["a", "b"], &["2 1|x", "3 2|z"]);
    check("\"a,b\"\n\"1,\"\"x, y\"\"\"\n\"2,z\"\n", &["a", "b"], &["2 1|x, y", "3 2|z"]);
    assert_eq!(notices(b"\"a,b\"\n\"1,2\"\n"), ["each line is quoted as a whole; read without those quotes"]);
    // A backslash in single quotes is doubled where all are.
    check("'a','b'\n'C:\\\\','x'\n'it''s','y'\n", &["a", "b"], &["2 C:\\|x", "3 it's|y"]);
    check("'a','b'\n'C:\\\\','x'\n'D'Angelo','y'\n", &["a", "b"], &["2 C:\\|x", "3 D'Angelo|y"]);
    check("'a';'b'\n'C:\\\\dir\\\\';'x'\n'O\\\\';'y'\n", &["a", "b"], &["2 C:\\dir\\|x", "3 O\\|y"]);
    check("'a','b'\n'C:\\dir','x'\n'O','C:\\\\'\n", &["a", "b"], &["2 C:\\dir|x", "3 O|C:\\\\"]);
    // A backslash that ends a cell is text.
    check("a,b\n\"C:\\\",\"D:\\\"\n", &["a", "b"], &["2 C:\\|D:\\"]);
}

#[test]
fn what_follows_the_end_and_what_joins_two_files_is_passed_over() {
    let check = |text: &str, expected: &[&str], noticed: &[&str]| {
        assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
        assert_eq!(notices(text.as_bytes()), noticed, "{text:?}");
    };
    let one = "line 3 repeats the header and is skipped";
    check("a\n1\n\x1A", &["2 1"], &[]);
    check("a\n1\x1A\r\n", &["2 1"], &[]);
    check("a,b\n1,2\n\0\0\0\0", &["2 1|2"], &[]);
    check("a,b\n1,2\0\0", &["2 1|2"], &[]);
    check("a,b\n1,2\n\u{feff}a,b\n3,4\n", &["2 1|2", "4 3|4"], &[one]);
    check("a,b\n1,2\n\u{feff}\"a\",\"b\"\n3,4\n", &["2 1|2", "4 3|4"], &[one]);
    check("a,b\n1,2\n A , B,\n3,4\n", &["2 1|2", "4 3|4"], &[one]);
    check("a,b\n1,2\n\u{feff}\n3,4\n", &["2 1|2", "4 3|4"], &[]);
    check("a,b\n1,2\n\u{feff}3,4\n", &["2 1|2", "3 3|4"], &[]);
    check(
        "a,b\na,b\n1,2\na,b\n\n\u{feff}a,b\n",
        &["3 1|2"],
        &["3 lines repeat the header and are skipped (the first is line 2)"],
    );
    check("a,b\n1,a\nb,c\n", &["2 1|a", "3 b|c"], &[]);
}

#[test]
fn another_header_below_the_first_ends_the_reading() {
    let check = |text: &str, before: usize, expected: Option<u64>| {
        let rows = rows(text.as_bytes());
        let refused = "found a second header with other columns or in another order: the rows below it do not fit the first header";
        let last = rows.last().unwrap();
        match expected {
            Some(line) => assert_eq!(*last, format!("in.csv:{line}: {refused}"), "{text:?}"),
            None => assert!(!last.contains("header"), "{text:?}: {last}"),
        }
        assert_eq!(rows.len(), before + usize::from(expected.is_some()), "{text:?}");
    };
    let file = "phone,name,segment\n+5215550001,Ann,x\n";
    check(&format!("{file}name,phone,segment\nBo,+5215550002,y\n"), 1, Some(3));
    check(&format!("{file}\u{feff}name,phone,segment\nBo,+5215550002,y\n"), 1, Some(3));
    check(&format!("{file}\u{feff}\"Segment\",\"Phone\",\"Name\"\n"), 1, Some(3));
    check(&format!("{file}phone,city,name\n+5215550002,Leon,Bo\n"), 1, Some(3));
    check(&format!("{file}phone,name,city,segment\n+5215550002,Bo,Leon,y\n"), 1, Some(3));
    check(&format!("{file}\u{feff}phone,nota,x y\n+5215550002,Bo,z\n"), 1, Some(3));
    check(&format!("{file}phone,name\n+5215550002,Bo\n"), 1, Some(3));
    check(&format!("{file}+5215550002,name,segment\n"), 2, None);
    check(&format!("{file},Name,y\n"), 2, None);
    // Half of the rows have each column in another place, so that no column has a usual kind.
    for half in [1, 2, 5, 90] {
        let mut here = String::new();
        let mut below = String::new();
        for row in 0..half {
            writeln!(here, "+521555{row:04},Ann {row},Lima").unwrap();
            writeln!(below, "Bo {row},+521556{row:04},Quito").unwrap();
        }
        let line = half + 2;
        let text = format!("phone,name,city\n{here}Nombre,Celular,Ciudad\n{below}");
        check(&text, usize::try_from(half).unwrap(), Some(line));
    }
    // Other names of columns, in place of which the values of the other half stand.
    for header in [
        "Tel. celular,Ciudad,Nombre",
        "Cel.,Ciudad,Nombre",
        "Nro. Tel\u{e9}fono,Ciudad,Nombre",
        "N\u{fa}mero,Ciudad,Nombre",
        "Nro.,Ciudad,Nombre",
        "Phone No.,City,Full Name",
        "Mobile No.,City,Name",
        "E-mail,City,Name",
        "N\u{ba} de tel\u{e9}fono,Ciudad,Nombre",
        "Ville,Nom,T\u{e9}l\u{e9}phone",
        "Stadt,Nachname,Telefon",
        "Citt\u{e0},Cognome,Cellulare",
    ] {
        for half in [1, 4, 30] {
            let rows = |values: [&str; 3]| {
                let row = |at: usize| format!("{}{at},{}{at},{}{at}\n", values[0], values[1], values[2]);
                (10..10 + half).map(row).collect::<String>()
            };
            let here = rows(["+52155512345", "Ann ", "Lima "]);
            let below = rows(["+52155512346", "Quito ", "Bo "]);
            check(&format!("phone,name,city\n{here}{header}\n{below}"), half, Some(half as u64 + 2));
        }
    }
    // Values that are names of columns.
    check(&format!("{file},phone,segment\n"), 2, None);
    let four = "name,company,city,phone\nAnn,Acme,Lima,+525512345671\n";
    check(&format!("{four}company,city,,\n"), 2, None);
    check(&format!("{four}Cy,company,city,\n"), 2, None);
    check(&format!("{four}Bo,,,city\n"), 2, None);
    check(&format!("{four}phone,name,city,\n"), 1, Some(3));
    check(&format!("{file}\u{feff}+5215550002,Bo,y\n"), 2, None);
    check(&format!("{file}phone,name,segment\n+5215550002,Bo,y\n"), 2, None);
    // A name in the column of phones, whatever else is in the row.
    check(&format!("{four}phone,,company,name\n"), 1, Some(3));
    check(&format!("{four}email,city,,points\n"), 2, None);
    check(&format!("{four}Name:,City:,Ref:,Phone:\n"), 1, Some(3));
    check(&format!("{four}rubro,zona,puntos,correo\n"), 2, None);
    check(&format!("{four}ciudad,zona,puntos,correo\n"), 1, Some(3));
    check(&format!("{four}city,zona 2024001,puntos,Phone\n"), 1, Some(3));
    check(&format!("{four}name,phone\n"), 1, Some(3));
    check(&format!("{four}phone,name,other,thing\n"), 2, None);
    let more = "+5215550002,Bo,y\n+5215550003,Cy,z\n";
    check(&format!("{file}{more}email,city,points\na@example.com,Leon,3\n"), 3, Some(5));
    check(&format!("{file}phone,Ann,y\n"), 2, None);
    // Columns whose cells tell nothing.
    check("a,b,c\n1,2,3\nb,a,c\n", 1, Some(3));
    check("a,b,c\n1,2,3\nb,x,y\n", 2, None);
}

#[test]
fn a_total_below_the_last_row_is_no_contact() {
    let check = |text: &str, is_total: bool| {
        let file = "name,phone,amount\nAnn,+5215550001,5\nBo,+5215550002,7\n";
        let rows = rows(format!("{file}{text}").as_bytes());
        let found = rows.last().unwrap().ends_with(" (total)");
        assert_eq!((rows.len(), found), (3, is_total), "{text:?}: {rows:?}");
    };
    check("Total,,12\n", true);
    check("TOTAL: 2,,\n", true);
    check("Totales,,\"12,00\"\n", true);
    check("Total,2,$12.00", true);
    check("Total general,,\n\n", true);
    check(",,Total: 12\n", true);
    check("Suma,,12\n", true);
    check("2 registros,,\n", true);
    check("(2 rows affected),,\n", true);
    check("Gesamt,,\"12,00 \u{20ac}\"\n", true);
    check("Total g\u{e9}n\u{e9}ral,,R$ 12\n", true);
    // It lacks its last cells.
    check("Total: 2", true);
    check("Total: 2\n", true);
    // Rows of people, and totals that are not the last row.
    check("Total,+5215550003,\n", false);
    check("Total,5550003,12\n", false);
    check("Total Recall,,\n", false);
    check("Total,,gold\n", false);
    check("Tot,,3\n", false);
    // The line names what it counts; the count may be as long as a phone number.
    check("Total de contactos,2000000000,\n", true);
    check("Total of contacts,2,\n", true);
    check("Total do contatos: 2,,\n", true);
    check("Total general registros,,2\n", true);
    check("Total,2000000000,\n", false);
    check("Total de gold,2,\n", false);
    // An id, beside a name.
    check("3,,Total\n", false);
    let rows = rows(b"name,phone\nTotal,3\nAnn,+5215550001\n");
    assert_eq!(rows, ["2 Total|3", "3 Ann|+5215550001"]);
    let one = |text: &str| self::rows(format!("phone\n+5215550001\n{text}\n").as_bytes()).pop().unwrap();
    assert_eq!(one("Total: 1"), "3 Total: 1 (total)");
    assert_eq!(one("+5215550002"), "3 +5215550002");
    // The last line does not end: a contact may be cut off there, unless the word can be nothing else.
    let cut = |text: &str, expected: &str| {
        for (end, expected) in [("", expected), ("\n", "total")] {
            let found = self::rows(format!("first_name,age,email\nAnn,5,a@x.mx\nBo,7,b@x.mx\n{text}{end}").as_bytes());
            let last = found.last().unwrap();
            let is_total = last.ends_with(" (total)");
            let is_cut = last.contains("the last line does not end, so the file may be cut off");
            assert_eq!(
                (found.len(), is_total, is_cut),
                (3, expected == "total", expected == "cut"),
                "{text:?}: {last}"
            );
        }
    };
    cut("Soma,3", "cut");
    cut("Sum: 3", "cut");
    cut("Count: 3,1", "cut");
    cut("Total,5", "cut");
    cut("Gesamt,", "cut");
    cut("Total: 2", "total");
    cut("Total: 2,", "total");
    cut("2 registros,5", "total");
    cut("(57 rows affected)", "total");
    cut("Total de contactos,2", "total");
}

#[test]
fn the_cut_end_of_a_file_is_no_total() {
    let check = |file: &str, last: &str, expected: Option<usize>| {
        let text = format!("first_name,age,email\n{file}{last}");
        let found = rows(text.as_bytes()).pop().unwrap();
        match expected {
            Some(cells) => {
                let plural = format!("[] expected 3 cells, found {cells}{CUT}");
                assert!(found.ends_with(&plural), "{text:?}: {found}");
            }
            None => assert!(found.ends_with(" (total)"), "{text:?}: {found}"),
        }
    };
    // Whole rows, and rows that leave out their last cells.
    for file in ["Ann,31,a@example.com\nBo,32,b@example.com\n", "Ann,31,a@example.com\nBo,32\nCy,33\n"] {
        check(file, "Soma,3", Some(2));
        check(file, "Total,5", Some(2));
        check(file, "Suma", Some(1));
        check(file, "Total", Some(1));
        check(file, "Count: 3", Some(1));
        check(file, "Total: 2", None);
        check(file, "(57 rows affected)", None);
        check(file, "Total de contactos,2", None);
        // With its line break, or with all its cells, the line is not cut.
        check(file, "Soma,3\n", None);
        check(file, "Total,5\n", None);
        check(file, "Total,5,", None);
    }
}

#[test]
fn rows_that_lack_only_their_last_cells_are_completed() {
    let header = "name,mail,phone,city,plan\n";
    let check = |text: &str, expected: &[&str], completed: usize| {
        let text = format!("{header}{text}");
        assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
        let mut source = source(text.as_bytes()).unwrap();
        source.by_ref().for_each(drop);
        let noticed = source.detected().notices().iter().map(|notice| notice.rows).sum::<u64>();
        assert_eq!(noticed, completed as u64, "{text:?}");
    };
    let short = |line: u64, cells: usize, why: &str| format!("{line} [] expected 5 cells, found {cells}{why}");
    check("Ann,a@x,123456,Lima,pro\nBo,b@x\n", &["2 Ann|a@x|123456|Lima|pro", &short(3, 2, "")], 0);
    check(
        "Ann,a@x,123456,Lima,pro\nBo,b@x\nCy,c@x,123457\n",
        &["2 Ann|a@x|123456|Lima|pro", "3 Bo|b@x|||", "4 Cy|c@x|123457||"],
        2,
    );
    check("Ann,a@x\nBo,b@x,123456\nCy,,123457\n", &["2 Ann|a@x|||", "3 Bo|b@x|123456||", "4 Cy||123457||"], 3);
    // Three and three are five and a line break, but their addresses stand in one column.
    check("Ann,a@x,123456\nBo,b@x,123457\n", &["2 Ann|a@x|123456||", "3 Bo|b@x|123457||"], 2);
    // Split in two, and in three; blank lines do not count.
    check(
        "Ann\nLee,a@x,123456,Lima,pro\nBo,b@x,123457\nCy,c@x\n",
        &[&short(2, 1, ""), "3 Lee|a@x|123456|Lima|pro", "4 Bo|b@x|123457||", "5 Cy|c@x|||"],
        2,
    );
    check("Ann,a@x,123456,Li\nma,pro\n", &[&short(2, 4, SPLIT), &short(3, 2, SPLIT)], 0);
    check("Ann,a@x,12\n3456,Lima,pro\n", &[&short(2, 3, SPLIT), &short(3, 3, SPLIT)], 0);
    check(
        "Ann,a@x,123456,Li\n\nma\nPeru,pro\nBo,b@x\n",
        &[&short(2, 4, SPLIT), &short(4, 1, SPLIT), &short(5, 2, SPLIT), "6 Bo|b@x|||"],
        1,
    );
    // The end of a cell of the row above.
    check("Ann,a@x,123456,Lima,pro\nplus\n", &["2 Ann|a@x|123456|Lima|pro", &short(3, 1, "")], 0);
    // Cut off.
    check("Ann,a@x,123456,Lima,pro\nBo,b@x,1234", &["2 Ann|a@x|123456|Lima|pro", &short(3, 3, CUT)], 0);
    check("Ann,a@x\nBo,b@x\nCy,c@x,1234", &["2 Ann|a@x|||", "3 Bo|b@x|||", &short(4, 3, CUT)], 2);
    check("Ann,a@x,123456,Lima,pro\nBo,b@x,1,Lima,p", &["2 Ann|a@x|123456|Lima|pro", "3 Bo|b@x|1|Lima|p"], 0);
    // A cell is missing before the last ones.
    let (two, read) = ("Ann,a@x\nBo,b@x\nCy,,1,Lima,pro\n", ["2 Ann|a@x|||", "3 Bo|b@x|||", "4 Cy||1|Lima|pro"]);
    check(&format!("{two}c@x,123457,Lima\n"), &[&read[..], &[&*short(5, 3, "")]].concat(), 2);
    check(&format!("{two}Cy,123457,Lima,pro\n"), &[&read[..], &[&*short(5, 4, "")]].concat(), 2);
    // A file that writes blank cells at the end leaves none out.
    check("Ann,a@x,123456,Lima,\nBo,b@x\nCy,c@x\n", &["2 Ann|a@x|123456|Lima|", &short(3, 2, ""), &short(4, 2, "")], 0);
    check("Ann,a@x,123456,,\nBo,b@x,\nCy,c@x\n", &["2 Ann|a@x|123456||", &short(3, 3, ""), &short(4, 2, "")], 0);
    // Also when such a row comes late.
    let early = "Ann,a@x,123456,Lima\n".repeat(300);
    let rows = rows(format!("{header}{early}Bo,b@x,123457,Lima,\nCy,c@x\n").as_bytes());
    assert_eq!(rows[299..], ["301 Ann|a@x|123456|Lima|", "302 Bo|b@x|123457|Lima|", &short(303, 2, "")]);
    // After a row whose quotes are out of place.
    let after =
        "expected a delimiter after the closing quote of a cell, found text: quotes inside a cell must be doubled";
    check(
        "Ann,\"say \"hi\"\nyou\",123456,Lima,pro\nBo,b@x,123457\n",
        &[&format!("2 [] {after}"), &short(3, 4, ""), &short(4, 3, "")],
        0,
    );
}

#[test]
fn a_list_of_rejected_rows_is_known_by_its_first_or_last_columns() {
    let given = SourceOptions { no_header: true, ..Format::Csv.into() };
    let check = |text: &str, expected: &[&str]| {
        let reader = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
        let source = Source::from_reader("in.csv", reader, given.clone()).unwrap();
        let header: Vec<&str> = source.header().unwrap().iter().map(|column| &**column).collect();
        assert_eq!(header, expected, "{text:?}");
    };
    check("_line,_reason,column 1\n2,why,x\n", &["_line", "_reason", "column 1"]);
    check("column 1,_line,_reason\nx,2,why\n", &["column 1", "_line", "_reason"]);
    check("_line,column 1,_reason\n", &["column 1", "column 2", "column 3"]);
}

#[test]
fn a_list_of_rejected_rows_has_no_lines_before_its_header() {
    let check = |text: &str, header: &str, expected: &[&str]| {
        let given = SourceOptions { skip_lines: 2, ..Format::Csv.into() };
        let reader = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
        let source = Source::from_reader("in.csv", reader, given).unwrap();
        assert_eq!(source.header().unwrap().join("|"), header, "{text:?}");
        assert_eq!(source.map(show).collect::<Vec<_>>(), expected, "{text:?}");
    };
    check("_line,_reason,a\n4,why,1\n5,why,2\n", "_line|_reason|a", &["2 4|why|1", "3 5|why|2"]);
    check("\"_line\";\"_reason\";\"a\"\n4;why;1\n", "_line|_reason|a", &["2 4|why|1"]);
    check("\u{feff}_line\t_reason\ta\n4\twhy\t1\n", "_line|_reason|a", &["2 4|why|1"]);
    // As earlier versions wrote it.
    check("\n\n_line,_reason,a\n4,why,1\n", "_line|_reason|a", &["4 4|why|1"]);
    check("title\n\na,b\n1,2\n", "a|b", &["4 1|2"]);
}

#[test]
fn a_row_of_a_list_with_too_many_cells_is_rejected_again() {
    let check = |text: &str, rejected: usize| {
        let rows = rows(text.as_bytes());
        let reason = "[] expected 5 cells, found text in a column without a name";
        assert_eq!(rows.iter().filter(|row| row.ends_with(reason)).count(), rejected, "{rows:?}");
    };
    // As a spreadsheet writes it: each row as long as the longest.
    let reason = "\"expected 3 cells, found 4\"";
    check(&format!("_line,_reason,phone,name,city,\n6,{reason},+1,Jo,Y,Z\n7,why,+2,Bo,X,\n"), 1);
    check(&format!("_line,_reason,phone,name,city,\n6,{reason},+1,Jo,Y Z,\n"), 0);
    check(&format!("phone,name,city,,_line,_reason\n+1,Jo,Y,Z,6,{reason}\n+2,Bo,X,,7,why\n"), 1);
    let mut source = source(format!("_line,_reason,phone,name,city,\n6,{reason},+1,Jo,Y,Z\n").as_bytes()).unwrap();
    source.next();
    let Some(Cells::Texts(texts)) = source.remains() else { panic!("no remains") };
    assert_eq!(texts.iter().skip(2).collect::<Vec<_>>(), ["+1", "Jo", "Y", "Z"]);
}

#[test]
fn a_row_whose_cells_moved_is_rejected_with_all_its_text() {
    let usual = "+525512345600,Ann,Lima,\n+525512345601,Bo,Lima,\n";
    let text = format!("phone,name,city,\n{usual}+525512345602,Smith, John,Lima\n+525512345603,Cy,Lima,\n");
    let found = rows(text.as_bytes());
    let moved = "[] expected the cells of the header, found text in a column without a name: a cell with a delimiter may lack its quotes";
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[2].ends_with(moved), "{found:?}");
    assert!(found.iter().filter(|row| row.contains("[]")).count() == 1, "{found:?}");
    let mut source = source(text.as_bytes()).unwrap();
    source.nth(2);
    let Some(Cells::Texts(texts)) = source.remains() else { panic!("no remains") };
    assert_eq!(texts.iter().collect::<Vec<_>>(), ["+525512345602", "Smith", " John", "Lima"]);
    // A note, and a column that most rows fill.
    for rest in ["+525512345602,Smith,Lima,a note\n", "+525512345602,Smith,Lima\n"] {
        let found = rows(format!("phone,name,city,\n{usual}{rest}").as_bytes());
        assert!(!found.iter().any(|row| row.contains("[]")), "{found:?}");
    }
    let index = "phone,name,\n+525512345600,Ann,x\n+525512345601, Bo,y\n+525512345602,Cy,\n";
    assert!(!rows(index.as_bytes()).iter().any(|row| row.contains("[]")), "{index}");
}

#[test]
fn a_header_must_name_columns_once_and_in_utf8() {
    let check = |bytes: &[u8], expected: &str| assert_eq!(source(bytes).unwrap_err(), expected);
    check(b"", "in.csv: expected a header, found an empty file");
    check(b"\xEF\xBB\xBF", "in.csv: expected a header, found an empty file");
    check(b"\n\r\n", "in.csv: expected a header, found an empty file");
    check(b"\n , \n1,2\n", "in.csv:2: expected column names, found a blank header");
    check(b"a,b, a \n", "in.csv:1: expected each column once, found `a` as column 1 and column 3");
    check(
        b"\xC3\xA9,b\xE9\n",
        "in.csv:1: expected UTF-8 in the header, found another encoding at byte 2 in column 2: save the file as UTF-8",
    );
    check(b"a,b\0c\n", "in.csv:1: expected column names, found control characters: is it text?");
    check(b"a,\"b\n1,2\n", "in.csv:1: the header does not end: is a closing quote missing?");
    check(&vec![b'x'; MAX_HEADER + 1], "in.csv:1: the header does not end: is a closing quote missing?");
}

#[test]
fn the_header_is_trimmed_and_leaves_out_columns_without_a_name() {
    let source = source("\u{feff} phone ,, name\n".as_bytes()).unwrap();
    let header: Vec<&str> = source.header().unwrap().iter().map(|column| &**column).collect();
    assert_eq!(header, ["phone", "name"]);
}
