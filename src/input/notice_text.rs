//! The sentences of the notices of an input.

use std::fmt;

use super::notice::{Notice, NoticeKind};
use crate::core::counted::counted;
use crate::core::list::is_label_key;
use crate::core::mapping::Obstacle;
use crate::core::shared_values::Evidence;

const PART: &str = "the file may not contain all contacts";

/// A sentence that follows the input's name: `contacts.csv: line 7 repeats the header and is skipped`.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, line, rows } = self;
        let (line, rows) = (*line, *rows);
        f.write_str(&match kind {
            NoticeKind::RepeatedHeader => repeated_header(line, rows),
            NoticeKind::Total => format!("line {line} is a total of the rows above it and is left out"),
            NoticeKind::DoubtfulEncoding(name) => doubtful_encoding(name, line, rows),
            NoticeKind::DoubleEncoded => double_encoded(line, rows),
            NoticeKind::PaddedRow => padded_row(line, rows),
            NoticeKind::TextBeside => text_beside(line, rows),
            NoticeKind::QuotedLines => "each line is quoted as a whole; read without those quotes".to_owned(),
            NoticeKind::HiddenRow => {
                let rows = counted(rows, "hidden row is", "hidden rows are");
                format!("{rows} read as well (the first is row {line})")
            }
            NoticeKind::MergedCells => merged_cells(line, rows),
            NoticeKind::SwappedDate(column) => swapped_date(*column, line, rows),
            NoticeKind::SharedValue { column, evidence, values } => {
                shared_value(column, *evidence, *values, line, rows)
            }
            NoticeKind::Artifact { column, text } => artifact(column, text, line, rows),
            NoticeKind::TagArtifact { column, text } => {
                let rows = counted(rows, "row holds", "rows hold");
                format!(
                    "column `{column}`: {rows} {text} (first on line {line}), which a program wrote in place of a tag; it is not sent"
                )
            }
            NoticeKind::MorePages => {
                let rows = counted(rows, "row", "rows");
                format!("the last page announces further pages, but the file ends after {rows}: {PART}")
            }
            NoticeKind::FewerRows { total } => {
                let total = counted(*total, "row", "rows");
                format!("it has {rows} of the {total} that its pages mention: {PART}")
            }
            NoticeKind::FewerPages { total } => {
                let total = counted(*total, "page", "pages");
                format!("it has {rows} of the {total} that its pages mention: {PART}")
            }
            NoticeKind::RepeatedPage => {
                let pages = counted(rows, "page is the same as an earlier one", "pages are the same as earlier ones");
                format!("{pages} (the first is on line {line}): {PART}")
            }
            NoticeKind::MissingPage { page } => format!("page {page} is missing, although a later page is present: {PART}"),
            NoticeKind::EarlierPages => format!("earlier pages are missing: {PART}"),
            NoticeKind::FalseInText(path) => false_in_text(path, line, rows),
            NoticeKind::UnseenPath(path) => format!("no row has `{path}`, which the mapping reads"),
            NoticeKind::BlockedPath { path, at, cause } => blocked_path(path, at, *cause, line, rows),
            NoticeKind::JsonText(column) => json_text(column, line, rows),
            NoticeKind::FieldOrder(list) => field_order(list, line, rows),
            NoticeKind::ElementOrder { list, key } => element_order(list, key, line, rows),
            NoticeKind::ValueOrder(list) => value_order(list, line, rows),
            NoticeKind::CommandMessages(text) => format!("it wrote to standard error: {text}"),
            NoticeKind::PrimaryNotFirst(list) => primary_not_first(list, line, rows),
        })
    }
}

fn repeated_header(line: u64, rows: u64) -> String {
    if rows == 1 {
        return format!("line {line} repeats the header and is skipped");
    }
    format!("{rows} lines repeat the header and are skipped (the first is line {line})")
}

fn doubtful_encoding(name: &str, line: u64, rows: u64) -> String {
    let lines = counted(rows, "line looks", "lines look");
    format!("{lines} wrong in the guessed encoding and right in {name} (the first is line {line})")
}

fn double_encoded(line: u64, rows: u64) -> String {
    let lines = counted(rows, "line holds", "lines hold");
    format!(
        "{lines} text that was encoded twice, such as `JosÃ©` for `José` (the first is line {line}): \
         export it again as UTF-8"
    )
}

fn padded_row(line: u64, rows: u64) -> String {
    if rows == 1 {
        return format!("the row on line {line} ends before the last column; its missing cells are read as blank");
    }
    format!(
        "{rows} rows end before the last column (the first is on line {line}); their missing cells are read as blank"
    )
}

fn merged_cells(line: u64, rows: u64) -> String {
    if rows == 1 {
        return format!(
            "1 merged range holds a single value (row {line}); other values that it hides are read as blank"
        );
    }
    format!(
        "{rows} merged ranges hold a single value each (the first is in row {line}); other values that they hide are read as blank"
    )
}

fn text_beside(line: u64, rows: u64) -> String {
    let rows = counted(rows, "row has", "rows have");
    format!(
        "{rows} text in a column without a name (first on line {line}), where most rows are blank; the text is ignored. An \
         unquoted delimiter in a cell also shifts the cells after it"
    )
}

fn swapped_date(column: u16, line: u64, rows: u64) -> String {
    let dates = counted(rows, "date", "dates");
    format!(
        "column {}: {dates} may have day and month swapped (the first is in row {line}), because other cells of the column are \
         texts such as 13/02/2025; export the dates as YYYY-MM-DD",
        letters(column)
    )
}

fn shared_value(column: &str, evidence: Evidence, values: u64, line: u64, rows: u64) -> String {
    // What at least three of the rows with one value differ in.
    let different = match evidence {
        Evidence::Names => "at least three different names",
        Evidence::OtherColumns => "at least three different combinations of other columns",
    };
    if values == 1 {
        return format!(
            "column `{column}`: {rows} rows, with {different}, have the same value (the first is on line {line}), so they may \
             become one contact; if it is a placeholder, add it to `nulls`"
        );
    }
    format!(
        "column `{column}`: {rows} rows share {values} values (the first is on line {line}), each with {different}, so each \
         value may become one contact; add those that are placeholders to `nulls`"
    )
}

fn artifact(column: &str, text: &str, line: u64, rows: u64) -> String {
    let rows = counted(rows, "row holds", "rows hold");
    format!(
        "column `{column}`: {rows} {text} (first on line {line}), which a program wrote in place of a value; it is sent as it is"
    )
}

fn false_in_text(path: &str, line: u64, rows: u64) -> String {
    let rows = counted(rows, "row", "rows");
    format!(
        "`{path}` is `false` in {rows} (first on line {line}) and text in others; it is sent as the text `false`. To send nothing \
         instead, add `{{ null = [\"false\"] }}` to the transform of its field"
    )
}

fn blocked_path(path: &str, at: &str, cause: Obstacle, line: u64, rows: u64) -> String {
    let rows = counted(rows, "row", "rows");
    let (found, advice) = match cause {
        Obstacle::SeveralElements => {
            let rest = path.strip_prefix(at).unwrap_or_default();
            ("a list of several elements", format!("; use `{at}.primary{rest}`"))
        }
        Obstacle::Fields => ("a list of fields", format!("; use `{at}.NAME`")),
        Obstacle::PlainValue => ("not an object", String::new()),
    };
    format!(
        "`{at}` is {found} in {rows} (first on line {line}), so the mapping reads nothing from `{path}` there{advice}"
    )
}

fn json_text(column: &str, line: u64, rows: u64) -> String {
    let rows = counted(rows, "row", "rows");
    format!(
        "`{column}` is JSON text in {rows} (first on line {line}), which is sent as it is; export its values as separate columns"
    )
}

fn field_order(list: &str, line: u64, rows: u64) -> String {
    let rows = counted(rows, "row", "rows");
    format!(
        "the list `{list}` has its fields in another order in {rows} (first on line {line}) than in the first row, and the \
         mapping reads one by position; read it by name, as `{list}.NAME`"
    )
}

fn element_order(list: &str, key: &str, line: u64, rows: u64) -> String {
    let rows = counted(rows, "row", "rows");
    let by_label =
        if is_label_key(key) { format!("; read it by its `{key}`, as `{list}.VALUE.KEY`") } else { String::new() };
    format!(
        "the list `{list}` has its elements (identified by `{key}`) at other positions in {rows} (first on line {line}) than in \
         earlier rows, and the mapping reads one by position{by_label}"
    )
}

fn value_order(list: &str, line: u64, rows: u64) -> String {
    let rows = counted(rows, "row", "rows");
    format!(
        "the list `{list}` has its values at other positions in {rows} (first on line {line}) than in earlier rows, and the \
         mapping reads one by position; export them under separate keys"
    )
}

fn primary_not_first(list: &str, line: u64, rows: u64) -> String {
    let rows = counted(rows, "row", "rows");
    format!(
        "in {rows} (first on line {line}) the primary element of `{list}` is not the first one, but the mapping reads the first; \
         use `{list}.primary`"
    )
}

// A column as spreadsheets call it, by its number from 1.
fn letters(column: u16) -> String {
    let (mut rest, mut letters) = (column, Vec::new());
    while rest > 0 {
        letters.push(char::from(b'A' + u8::try_from((rest - 1) % 26).unwrap_or(0)));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_agree_with_their_nouns() {
        let check = |kind: NoticeKind, expected: &str| {
            let text = Notice { kind, line: 1, rows: 0 }.to_string();
            assert!(text.starts_with(expected), "{text}");
        };
        check(NoticeKind::FewerRows { total: 1 }, "it has 0 of the 1 row that its pages mention: ");
        check(NoticeKind::FewerRows { total: 2 }, "it has 0 of the 2 rows that its pages mention: ");
        check(NoticeKind::FewerPages { total: 1 }, "it has 0 of the 1 page that its pages mention: ");
    }

    #[test]
    fn columns_have_letters() {
        let check = |column: u16, expected: &str| assert_eq!(letters(column), expected);
        check(1, "A");
        check(26, "Z");
        check(27, "AA");
        check(16_384, "XFD");
    }
}
