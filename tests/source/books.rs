//! Spreadsheets as programs and users write them: parts under any name, number formats that display more than the digits, dates,
//! escaped formulas, and sheets without contacts. Each is built here from its parts.

use std::io::{Cursor, Write as _};

use contactsync::Source;
use contactsync::contact::Cells;
use contactsync::source::{Record, Row, SourceOptions};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// The parts of a workbook, by name.
type Parts = Vec<(String, String)>;

/// A change to the name or the content of a part.
type Change<'a> = &'a dyn Fn(&str) -> String;

/// The name of a sheet, and its two rows.
type Sheet<'a> = (&'a str, [&'a [&'a str]; 2]);

/// The parts of every Office package.
const PACKAGE: [&str; 2] = ["[Content_Types].xml", "_rels/.rels"];

fn zipped(parts: &[(String, String)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        archive.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn open(bytes: &[u8], options: SourceOptions) -> Result<Source, String> {
    Source::from_reader("in", Box::new(Cursor::new(bytes.to_vec())), options).map_err(|error| error.to_string())
}

/// The header and the rows of an input, or its one-line error.
fn table(bytes: &[u8], options: SourceOptions) -> Vec<String> {
    let source = match open(bytes, options) {
        Ok(source) => source,
        Err(error) => return vec![error],
    };
    let header: Vec<_> = source.header().unwrap().iter().map(ToString::to_string).collect();
    let rows = source.map(|row| match row.unwrap() {
        Row::Record(record) => match record.cells {
            Cells::Texts(texts) => texts.iter().collect::<Vec<_>>().join("|"),
            Cells::Object(_) => panic!("JSON from a sheet"),
        },
        Row::Rejected(rejection) => format!("[{}] {}", rejection.column.unwrap_or_default(), rejection.reason),
    });
    std::iter::once(header.join("|")).chain(rows).collect()
}

/// Concatenated pieces of XML.
fn joined(pieces: impl Iterator<Item = String>) -> String {
    pieces.collect::<Vec<_>>().concat()
}

fn relationships(all: &[(&str, &str)]) -> String {
    let each = all.iter().enumerate().map(|(at, (kind, target))| {
        format!(r#"<Relationship Id="rId{}" Type="{OFFICE}/{kind}" Target="{target}"/>"#, at + 1)
    });
    format!("<Relationships>{}</Relationships>", joined(each))
}

/// A workbook with one sheet for each list of rows of XML cells.
fn book(sheets: &[(&str, &[&str])], styles: &str, is_1904: bool) -> Parts {
    let entries = sheets
        .iter()
        .enumerate()
        .map(|(at, (name, _))| format!(r#"<sheet name="{name}" sheetId="{0}" r:id="rId{0}"/>"#, at + 1));
    let entries = joined(entries);
    let date = if is_1904 { r#"<workbookPr date1904="1"/>"# } else { "" };
    let targets: Vec<String> = (1..=sheets.len()).map(|at| format!("worksheets/sheet{at}.xml")).collect();
    let mut all: Vec<(&str, &str)> = targets.iter().map(|target| ("worksheet", target.as_str())).collect();
    all.extend([("styles", "styles.xml"), ("sharedStrings", "sharedStrings.xml")]);
    let mut parts = vec![
        ("[Content_Types].xml".to_owned(), "<Types/>".to_owned()),
        ("_rels/.rels".to_owned(), relationships(&[("officeDocument", "xl/workbook.xml")])),
        ("xl/workbook.xml".to_owned(), format!("<workbook xmlns:r=\"r\">{date}<sheets>{entries}</sheets></workbook>")),
        ("xl/_rels/workbook.xml.rels".to_owned(), relationships(&all)),
        ("xl/styles.xml".to_owned(), format!("<styleSheet>{styles}</styleSheet>")),
        (
            "xl/sharedStrings.xml".to_owned(),
            "<sst><si><t>shared</t></si><si><r><t xml:space=\"preserve\">rich </t></r><r><t>text</t></r></si></sst>"
                .to_owned(),
        ),
    ];
    for (at, (_, rows)) in sheets.iter().enumerate() {
        let rows = joined(rows.iter().map(|cells| format!("<row>{cells}</row>")));
        let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
        parts.push((format!("xl/worksheets/sheet{}.xml", at + 1), sheet));
    }
    parts
}

/// A text cell.
fn text(text: &str) -> String {
    format!(r#"<c t="inlineStr"><is><t>{text}</t></is></c>"#)
}

fn texts(all: &[&str]) -> String {
    joined(all.iter().map(|cell| text(cell)))
}

/// Cell styles, each with the code of its number format; the first style is the default.
fn styles(codes: &[&str]) -> String {
    let formats = codes.iter().enumerate().map(|(at, code)| {
        let code = code.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
        format!(r#"<numFmt numFmtId="{}" formatCode="{code}"/>"#, at + 164)
    });
    let cells = (0..codes.len()).map(|at| format!(r#"<xf numFmtId="{}"/>"#, at + 164));
    format!(r#"<numFmts>{}</numFmts><cellXfs><xf numFmtId="0"/>{}</cellXfs>"#, joined(formats), joined(cells))
}

/// A workbook of one sheet with one column of these cells.
fn column(cells: &[&str], styles: &str, is_1904: bool) -> Vec<u8> {
    let header = text("value");
    let rows: Vec<&str> = std::iter::once(header.as_str()).chain(cells.iter().copied()).collect();
    zipped(&book(&[("Contacts", &rows)], styles, is_1904))
}

#[test]
fn a_sheet_without_a_header_is_refused() {
    let contact = [text("Ann"), text("+525512345600")].concat();
    let rows: &[&str] = &[&contact, &contact];
    let bytes = zipped(&book(&[("People", rows)], "", false));
    let refused =
        "in:1: expected column names, found what looks like a contact: column 2 is an e-mail address or a phone number";
    assert_eq!(table(&bytes, SourceOptions::default()), [refused]);
    let options = SourceOptions { no_header: true, ..SourceOptions::default() };
    assert_eq!(table(&bytes, options), ["column 1|column 2", "Ann|+525512345600", "Ann|+525512345600"]);
}

#[test]
fn parts_are_found_by_their_relationships() {
    let cells = [
        texts(&["phone", "zip", "name"]),
        r#"<c><v>5215550001</v></c><c s="1"><v>2138</v></c><c t="s"><v>1</v></c>"#.to_owned(),
    ];
    let rows: Vec<&str> = cells.iter().map(String::as_str).collect();
    let usual = book(&[("Contacts", &rows)], &styles(&["00000"]), false);
    let expected = ["phone|zip|name", "5215550001|02138|rich text"];
    let changed =
        |name: Change, body: Change| -> Parts { usual.iter().map(|(part, text)| (name(part), body(text))).collect() };
    let check = |what: &str, parts: Parts| {
        assert_eq!(table(&zipped(&parts), SourceOptions::default()), expected, "{what}");
    };
    let same = |text: &str| text.to_owned();
    let to = |from: &'static str, to: &'static str| move |text: &str| text.replace(from, to);
    check("usual", usual.clone());
    check("backslashes", changed(&to("/", "\\"), &same));
    check("backslashes in targets", changed(&to("/", "\\"), &to("Target=\"worksheets/", "Target=\"worksheets\\")));
    check("workbook22", changed(&to("workbook.xml", "workbook22.xml"), &to("workbook.xml", "workbook22.xml")));
    check(
        "capitals",
        changed(&to("sharedStrings.xml", "SharedStrings.xml"), &to("worksheets/sheet", "Worksheets/Sheet")),
    );
    check(
        "absolute",
        changed(&same, &|text| {
            text.replace("Target=\"xl/", "Target=\"/xl/")
                .replace("Target=\"worksheets", "Target=\"/xl/worksheets")
                .replace("Target=\"s", "Target=\"/xl/s")
        }),
    );
    check("from the folder above", changed(&same, &to("Target=\"worksheets", "Target=\"../xl/worksheets")));
    check("from here", changed(&same, &to("Target=\"", "Target=\"./")));
    check("escaped", changed(&to("sheet1.xml", "sheet 1.xml"), &to("sheet1.xml", "sheet%201.xml")));
    check("another folder", changed(&to("xl/", "Book/"), &to("Target=\"xl/", "Target=\"Book/")));
    check("no folder", changed(&to("xl/", ""), &to("Target=\"xl/", "Target=\"")));
    check("rooted names", changed(&|name| format!("/{name}"), &same));
    check(
        "texts elsewhere",
        changed(&to("sharedStrings.xml", "texts/all.xml"), &to("sharedStrings.xml", "texts/all.xml")),
    );
    check("styles elsewhere", changed(&to("styles.xml", "looks.xml"), &to("styles.xml", "looks.xml")));
    check("strict", changed(&same, &to(OFFICE, "http://purl.oclc.org/ooxml/officeDocument/relationships")));
    check("no relationships of the package", usual.iter().filter(|(name, _)| name != "_rels/.rels").cloned().collect());
    let mut more = usual.clone();
    more.extend([
        ("docProps/app.xml".to_owned(), "<p/>".to_owned()),
        ("xl/theme/theme1.xml".to_owned(), "<t/>".to_owned()),
    ]);
    check("other parts", more);
}

#[test]
fn a_package_with_a_broken_relationship_is_refused() {
    let rows = [texts(&["phone"]), texts(&["1"])];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let usual = book(&[("Contacts", &rows)], "", false);
    let check = |from: &str, to: &str| {
        let parts: Parts = usual.iter().map(|(name, text)| (name.clone(), text.replace(from, to))).collect();
        let found = table(&zipped(&parts), SourceOptions::default());
        assert!(found.len() == 1 && found[0].contains("found a damaged or a rare one"), "{to}: {found:?}");
    };
    check("Target=\"xl/workbook.xml", "Target=\"xl/none.xml");
    check("Target=\"xl/workbook.xml", "Target=\"xl/worksheets/sheet1.xml");
    check("Target=\"worksheets/sheet1.xml", "Target=\"../none.xml");
    check("Target=\"worksheets/sheet1.xml", "Target=\"../xl/styles.xml");
    check("Target=\"worksheets/sheet1.xml", "Target=\"workbook.xml");
}

#[test]
fn numbers_are_read_as_displayed() {
    let codes = [
        "00000",
        "000-000",
        "\"+\"0",
        "0000\"-\"0000",
        "\\+00 00 0000 0000",
        "[$-409]00000;@",
        "0.00",
        "0%",
        "\"$\"#,##0.00",
        "#,##0",
        "[$€-407]00",
        "General",
    ];
    let check = |style: usize, value: &str, expected: &str| {
        let cell = format!(r#"<c s="{}"><v>{value}</v></c>"#, style + 1);
        let found = table(&column(&[&cell], &styles(&codes), false), SourceOptions::default());
        assert_eq!(found, ["value", expected], "{}", codes[style]);
    };
    check(0, "2138", "02138");
    check(0, "2138.0", "02138");
    check(0, "0", "00000");
    check(0, "123456", "123456");
    check(0, "-5", "-5");
    check(0, "2138.5", "2138.5");
    check(1, "12345", "012-345");
    check(2, "5215550001", "+5215550001");
    check(2, "5.215550001E9", "+5215550001");
    check(3, "12345678", "1234-5678");
    check(4, "525512345678", "+52 55 1234 5678");
    check(5, "2138", "02138");
    check(6, "2.5", "2.5");
    check(7, "0.25", "0.25");
    check(8, "1234.5", "1234.5");
    check(9, "1234", "1234");
    check(10, "5", "5");
    check(11, "2138", "2138");
    // A row in which only some cells have such a format, including blank ones.
    let row =
        r#"<c r="A2" s="1"/><c r="B2" s="1"><v>7</v></c><c r="C2"><v>7</v></c><c r="D2" s="1"><f>A1</f><v>8</v></c>"#;
    let rows = [texts(&["a", "b", "c", "d"]), row.to_owned()];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let parts = book(&[("Contacts", &rows)], &styles(&["000"]), false);
    assert_eq!(table(&zipped(&parts), SourceOptions::default()), ["a|b|c|d", "|007|7|008"]);
}

#[test]
fn every_kind_of_cell_is_read() {
    let codes = ["yyyy-mm-dd", "dd/mm/yyyy hh:mm", "[h]:mm", "h:mm AM/PM"];
    let check = |is_1904: bool, cell: &str, expected: &str| {
        let found = table(&column(&[cell], &styles(&codes), is_1904), SourceOptions::default());
        assert_eq!(found, ["value", expected], "{cell}");
    };
    check(false, r#"<c s="1"><v>45352</v></c>"#, "2024-03-01");
    check(false, r#"<c s="2"><v>45352.604166666664</v></c>"#, "2024-03-01T14:30:00");
    check(false, r#"<c s="2"><v>45352</v></c>"#, "2024-03-01");
    check(false, r#"<c s="3"><v>1.5</v></c>"#, "36:00:00");
    check(false, r#"<c s="4"><v>0.5</v></c>"#, "12:00:00");
    check(false, r#"<c s="1"><v>59</v></c>"#, "1900-02-28");
    check(true, r#"<c s="1"><v>43890</v></c>"#, "2024-03-01");
    check(true, r#"<c s="2"><v>43890.25</v></c>"#, "2024-03-01T06:00:00");
    check(false, r#"<c t="d"><v>2024-03-01</v></c>"#, "2024-03-01");
    check(false, r#"<c t="d"><v>2024-03-01T00:00:00</v></c>"#, "2024-03-01");
    check(false, r#"<c t="s"><v>0</v></c>"#, "shared");
    check(false, r#"<c t="s"><v>1</v></c>"#, "rich text");
    check(false, r#"<c t="str"><f>A1&amp;"x"</f><v>computed</v></c>"#, "computed");
    check(false, r#"<c t="inlineStr"><is><r><t>in</t></r><r><t>line</t></r></is></c>"#, "inline");
    check(false, r#"<c t="b"><v>1</v></c>"#, "true");
    check(false, r#"<c t="b"><v>0</v></c>"#, "false");
    check(false, r"<c><f>1+1</f><v>2</v></c>", "2");
    check(false, r#"<c t="e"><v>#N/A</v></c>"#, "[value] expected a value, found the error #N/A");
    // Escapes of formulas.
    check(false, r#"<c t="str"><f>"02138"</f><v>02138</v></c>"#, "02138");
    check(false, r#"<c><f>"02138"</f><v></v></c>"#, "02138");
    check(false, &text("=\"02138\""), "02138");
    check(false, &text("'+525550001"), "+525550001");
    check(false, &text("'02138"), "02138");
    check(false, &text("'s-Hertogenbosch"), "'s-Hertogenbosch");
    check(false, &text("'t Hart"), "'t Hart");
}

fn ods(rows: &[&str]) -> Vec<u8> {
    styled_ods("", "", rows)
}

/// An ODS table with a header, these styles and these columns.
fn styled_ods(styles: &str, columns: &str, rows: &[&str]) -> Vec<u8> {
    let header = r#"<table:table-cell office:value-type="string"><text:p>value</text:p></table:table-cell>"#;
    ods_table(styles, columns, &[&[header], rows].concat())
}

/// A table of ODS.
fn ods_table(styles: &str, columns: &str, rows: &[&str]) -> Vec<u8> {
    let rows = joined(rows.iter().map(|cells| format!("<table:table-row>{cells}</table:table-row>")));
    zipped(&[
        ("mimetype".to_owned(), "application/vnd.oasis.opendocument.spreadsheet".to_owned()),
        ("META-INF/manifest.xml".to_owned(), "<manifest:manifest/>".to_owned()),
        (
            "content.xml".to_owned(),
            format!(
                "<office:document-content><office:automatic-styles>{styles}</office:automatic-styles><office:body>\
                 <office:spreadsheet><table:table table:name=\"A &amp; B\">{columns}{rows}</table:table></office:spreadsheet></office:body></office:document-content>"
            ),
        ),
    ])
}

#[test]
fn ods_cells_are_read_as_displayed() {
    let check_cell = |cell: &str, expected: &str| {
        assert_eq!(table(&ods(&[cell]), SourceOptions::default()), ["value", expected], "{cell}");
    };
    let check = |value: &str, shown: &str, expected: &str| {
        check_cell(
            &format!(
                r#"<table:table-cell office:value-type="float" office:value="{value}">{shown}</table:table-cell>"#
            ),
            expected,
        );
    };
    check("2138", "<text:p>02138</text:p>", "02138");
    check("2138", "<text:p>2138</text:p>", "2138");
    check("2138", "", "2138");
    check("12345", "<text:p>012-345</text:p>", "012-345");
    check("5215550001", "<text:p>+5215550001</text:p>", "+5215550001");
    check("5215550001", "<text:p>+52 155<text:s/>50001</text:p>", "+52 155 50001");
    check("2138", "<office:annotation><text:p>00</text:p></office:annotation><text:p>2138</text:p>", "2138");
    check("2138", "<office:annotation><text:p>see</text:p></office:annotation><text:p>02138</text:p>", "02138");
    check("2138", "<text:p><text:span>02</text:span>138</text:p>", "02138");
    check("1234.5", "<text:p>1,234.50</text:p>", "1234.5");
    check("1234", "<text:p>1,234.00</text:p>", "1234");
    check("0", "<text:p>0.00</text:p>", "0");
    check("0", "<text:p>000</text:p>", "000");
    check("1234567", "<text:p>1.23E+06</text:p>", "1234567");
    check("2138", "<text:p>###</text:p>", "2138");
    let cell = |kind: &str, shown: &str| {
        format!(r"<table:table-cell office:value-type={kind}><text:p>{shown}</text:p></table:table-cell>")
    };
    check_cell(&cell(r#""percentage" office:value="5""#, "0500%"), "5");
    check_cell(&cell(r#""currency" office:value="5""#, "$05"), "5");
    check_cell(&cell(r#""date" office:date-value="2024-03-01""#, "01/03/24"), "2024-03-01");
    check_cell(&cell(r#""date" office:date-value="2024-03-01T14:30:00""#, "x"), "2024-03-01T14:30:00");
    check_cell(&cell(r#""boolean" office:boolean-value="true""#, "TRUE"), "true");
    check_cell(&cell(r#""string""#, "'+525550001"), "+525550001");
    check_cell(&cell(r#""string""#, "02138"), "02138");
    // Repeated cells and rows.
    let zero = r#"<table:table-cell office:value-type="float" office:value="7" table:number-columns-repeated="2"><text:p>007</text:p></table:table-cell>"#;
    let header = r#"<table:table-cell office:value-type="string"><text:p>other</text:p></table:table-cell>"#;
    let bytes = ods(&[
        &format!("{header}{header}{header}").replacen("other", "a", 1).replacen("other", "b", 1),
        &format!(
            r#"{zero}<table:table-cell office:value-type="float" office:value="7"><text:p>7</text:p></table:table-cell>"#
        ),
    ]);
    let options = SourceOptions { skip_lines: 1, ..SourceOptions::default() };
    assert_eq!(table(&bytes, options.clone()), ["a|b|other", "007|007|7"]);
    let text = String::from_utf8(unpacked(&bytes)).unwrap();
    let repeated = text.replacen(
        "<table:table-row><table:table-cell office:value-type=\"float\" office:value=\"7\"",
        "<table:table-row table:number-rows-repeated=\"2\"><table:table-cell office:value-type=\"float\" office:value=\"7\"",
        1,
    );
    assert_ne!(text, repeated);
    let bytes = zipped(&[
        ("mimetype".to_owned(), "application/vnd.oasis.opendocument.spreadsheet".to_owned()),
        ("META-INF/manifest.xml".to_owned(), "<manifest:manifest/>".to_owned()),
        ("content.xml".to_owned(), repeated),
    ]);
    assert_eq!(table(&bytes, options), ["a|b|other", "007|007|7", "007|007|7"]);
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    use std::io::Read as _;
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes.to_vec())).unwrap();
    let mut content = Vec::new();
    archive.by_name("content.xml").unwrap().read_to_end(&mut content).unwrap();
    content
}

#[test]
fn ods_cells_without_text_are_formatted_by_their_style() {
    const STYLES: &str = r#"
        <number:number-style style:name="N1"><number:number number:decimal-places="0" number:min-integer-digits="5"/></number:number-style>
        <number:number-style style:name="N2"><number:text>+</number:text><number:number number:min-integer-digits="1"/></number:number-style>
        <number:number-style style:name="N3"><number:number number:min-integer-digits="6"><number:embedded-text number:position="3">-</number:embedded-text></number:number></number:number-style>
        <number:number-style style:name="N4"><number:number number:decimal-places="2" number:min-integer-digits="2"/></number:number-style>
        <number:number-style style:name="N5"><number:number number:min-integer-digits="1" number:grouping="true"/></number:number-style>
        <style:style style:name="zip" style:family="table-cell" style:data-style-name="N1"/>
        <style:style style:name="phone" style:family="table-cell" style:data-style-name="N2"/>
        <style:style style:name="code" style:family="table-cell" style:data-style-name="N3"/>
        <style:style style:name="money" style:family="table-cell" style:data-style-name="N4"/>
        <style:style style:name="many" style:family="table-cell" style:data-style-name="N5"/>
        <style:style style:name="plain" style:family="table-cell"/>"#;
    let check = |column: &str, style: &str, value: &str, shown: &str, expected: &str| {
        let columns = format!(r#"<table:table-column table:default-cell-style-name="{column}"/>"#);
        let style = if style.is_empty() { String::new() } else { format!(r#" table:style-name="{style}""#) };
        let cell = format!(
            r#"<table:table-cell{style} office:value-type="float" office:value="{value}">{shown}</table:table-cell>"#
        );
        let found = table(&styled_ods(STYLES, &columns, &[&cell]), SourceOptions::default());
        assert_eq!(found, ["value", expected], "{column} {style} {value}");
    };
    check("", "zip", "2138", "", "02138");
    check("", "zip", "2138", "<text:p>2138</text:p>", "02138");
    check("zip", "", "2138", "<text:p>2138</text:p>", "02138");
    check("zip", "plain", "2138", "<text:p>2138</text:p>", "2138");
    check("", "phone", "5215550001", "", "+5215550001");
    check("", "code", "12345", "", "012-345");
    check("", "money", "5", "<text:p>05.00</text:p>", "5");
    check("", "many", "1234", "<text:p>1,234</text:p>", "1234");
    check("", "none", "2138", "", "2138");
    check("", "zip", "2138.5", "", "2138.5");
    check("", "zip", "-5", "", "-5");
}

#[test]
fn a_sheet_of_instructions_is_skipped_or_refused() {
    const PEOPLE: [&[&str]; 2] = [&["phone", "name"], &["+1", "Ann"]];
    const LEADS: [&[&str]; 2] = [&["phone", "city"], &["+2", "Lima"]];
    const GUIDE: [&[&str]; 2] = [&["Column", "Meaning"], &["phone", "with its country code"]];
    const PROSE: [&[&str]; 2] = [&["Please fill in the next sheet."], &["Do not change the header."]];
    const LIST: [&[&str]; 2] = [&["phone"], &["+3"]];
    let opened = |sheets: &[Sheet]| {
        let cells: Vec<[String; 2]> = sheets.iter().map(|(_, rows)| rows.map(texts)).collect();
        let cells: Vec<[&str; 2]> = cells.iter().map(|rows| [rows[0].as_str(), rows[1].as_str()]).collect();
        let sheets: Vec<(&str, &[&str])> =
            sheets.iter().zip(&cells).map(|((name, _), rows)| (*name, rows.as_slice())).collect();
        let source = open(&zipped(&book(&sheets, "", false)), SourceOptions::default())?;
        let sheet = source.detected().sheet().unwrap().name.clone();
        Ok::<_, String>((sheet, source.detected().summary().unwrap_or_default(), source.count()))
    };
    let check = |sheets: &[Sheet], expected: &str, remark: &str| {
        let (sheet, found, rows) = opened(sheets).unwrap();
        assert_eq!((sheet.as_str(), found.as_str(), rows), (expected, remark, 1));
    };
    for name in ["Instructions", "instrucciones", "INSTRUÇÕES", "Read me", "README", "Léeme", "Leia-me", "Anleitung"]
    {
        let remark = format!("read from sheet `People`, one of 2, as `{name}` holds instructions");
        check(&[(name, GUIDE), ("People", PEOPLE)], "People", &remark);
    }
    let notes: [&[&str]; 2] = [&["ACME"], &["One person a row, with a phone."]];
    let remark = "read from sheet `People`, one of 2, as `Notes` holds instructions";
    check(&[("Notes", notes), ("People", PEOPLE)], "People", remark);
    let remark = "read from sheet `People`, one of 2, as `Sheet1` holds instructions";
    check(&[("Sheet1", PROSE), ("People", PEOPLE)], "People", remark);
    // The first sheet with contacts is read, whatever follows; an only sheet is read, whatever its name.
    check(&[("People", PEOPLE), ("Leads", LEADS)], "People", "read from sheet `People`, one of 2");
    check(&[("People", PEOPLE), ("Instructions", GUIDE)], "People", "read from sheet `People`, one of 2");
    check(&[("Phones", LIST), ("Leads", LEADS)], "Phones", "read from sheet `Phones`, one of 2");
    check(&[("Instructions", PEOPLE)], "Instructions", "");
    for first in [("Instructions", GUIDE), ("Sheet1", PROSE)] {
        let refused = opened(&[first, ("People", PEOPLE), ("Leads", LEADS)]).unwrap_err();
        let found = format!("found instructions on `{}` and several sheets after it: `People`, `Leads`", first.0);
        assert!(refused.contains(&found), "{refused}");
    }
}

#[test]
fn an_unsupported_spreadsheet_format_is_named() {
    let check = |names: &[&str], expected: &str| {
        let parts: Parts = names.iter().map(|name| ((*name).to_owned(), "<x/>".to_owned())).collect();
        let found = table(&zipped(&parts), SourceOptions::default());
        assert!(found.len() == 1 && found[0].contains(expected), "{names:?}: {found:?}");
    };
    let package = |names: &[&'static str]| [&PACKAGE, names].concat();
    check(&package(&["xl/workbook.bin", "xl/worksheets/sheet1.bin"]), ".xlsb");
    check(&package(&["word/document.xml"]), "a text document of Word");
    check(&package(&["word\\document22.xml"]), "a text document of Word");
    check(&package(&["ppt/presentation.xml"]), "a presentation");
    check(&["Index/Document.iwa", "Metadata/Properties.plist"], "a document of Numbers");
    check(&["Index.zip", "preview.jpg"], "a document of Numbers");
    check(&["a.csv", "b.csv"], "holds one file, found 2");
    let kind = |kind: &str| {
        let parts = [("mimetype".to_owned(), kind.to_owned()), ("content.xml".to_owned(), "<x/>".to_owned())];
        table(&zipped(&parts), SourceOptions::default()).concat()
    };
    assert!(kind("application/vnd.oasis.opendocument.text").contains("a text document (.odt)"));
    assert!(kind("application/vnd.oasis.opendocument.presentation").contains("a presentation or a drawing"));
}

#[test]
fn a_gzip_file_may_have_padding_and_several_members() {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    let member = |text: &str| {
        let mut member = GzEncoder::new(Vec::new(), Compression::default());
        member.write_all(text.as_bytes()).unwrap();
        member.finish().unwrap()
    };
    let rows = |bytes: Vec<u8>| -> Result<usize, String> {
        open(&bytes, SourceOptions::default())?
            .try_fold(0, |count, row| row.map(|_| count + 1).map_err(|error| error.to_string()))
    };
    let (first, second) = (member("phone\n+1\n"), member("+2\n+3\n"));
    let zeros = |count: usize| vec![0; count];
    for count in [1, 7, 511, 70_000] {
        assert_eq!(rows([first.clone(), zeros(count)].concat()), Ok(1), "{count}");
        assert_eq!(rows([first.clone(), second.clone(), zeros(count)].concat()), Ok(3), "{count}");
        assert_eq!(rows([first.clone(), zeros(count), second.clone(), zeros(count)].concat()), Ok(3), "{count}");
    }
    assert_eq!(rows([first.clone(), second.clone()].concat()), Ok(3));
    for rest in
        [b"x".to_vec(), b"\0\0x".to_vec(), b"\x1F".to_vec(), b"\n".to_vec(), second[..second.len() - 1].to_vec()]
    {
        let refused = rows([first.clone(), rest.clone()].concat()).unwrap_err();
        assert!(refused.contains("failed to read the input"), "{rest:?}: {refused}");
    }
}

/// A text cell at this position.
fn cell_at(place: &str, text: &str) -> String {
    format!(r#"<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>"#)
}

#[test]
fn titles_and_repeated_headers_of_a_sheet_are_reported() {
    let two = |line: usize, cells: [&str; 2]| {
        let cells = [cell_at(&format!("A{line}"), cells[0]), cell_at(&format!("B{line}"), cells[1])].concat();
        format!(r#"<row r="{line}">{cells}</row>"#)
    };
    let title = format!(r#"<row r="1">{}</row>"#, cell_at("A1", "Contacts of today"));
    let opened = |rows: &[String]| {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let file = zipped(&book(&[("Contacts", &rows)], "", false));
        open(&file, SourceOptions::default()).unwrap()
    };
    let ann = |line| two(line, ["+525512345678", "Ann"]);
    let titled = opened(&[title, two(2, ["phone", "name"]), ann(3), ann(4)]);
    assert_eq!(titled.detected().likely_header(), Some(2));
    let mut joined = opened(&[two(1, ["phone", "name"]), ann(2), two(3, ["Phone ", "NAME"]), ann(4)]);
    assert_eq!(joined.detected().likely_header(), None);
    let rows: Vec<_> = joined.by_ref().map(Result::unwrap).collect();
    let numbers = rows.iter().map(|row| match row {
        Row::Record(record) => (record.row, record.line),
        Row::Rejected(_) => (0, 0),
    });
    assert_eq!(numbers.collect::<Vec<_>>(), [(1, 2), (2, 4)]);
    let noticed: Vec<_> = joined.detected().notices().iter().map(ToString::to_string).collect();
    assert_eq!(noticed, ["line 3 repeats the header and is skipped"]);
}

/// A book and its twin in ODS, whose rows have these texts in their first cells.
fn both(rows: &[&[&str]]) -> [Vec<u8>; 2] {
    let of_xlsx: Vec<String> = rows.iter().map(|row| texts(row)).collect();
    let of_xlsx: Vec<&str> = of_xlsx.iter().map(String::as_str).collect();
    let cell = |text: &&str| {
        let kind = if text.is_empty() { "" } else { " office:value-type=\"string\"" };
        format!("<table:table-cell{kind}><text:p>{text}</text:p></table:table-cell>")
    };
    let of_ods: Vec<String> = rows.iter().map(|row| joined(row.iter().map(cell))).collect();
    let of_ods: Vec<&str> = of_ods.iter().map(String::as_str).collect();
    [zipped(&book(&[("Contacts", &of_xlsx)], "", false)), ods_table("", "", &of_ods)]
}

#[test]
fn another_header_of_a_sheet_is_refused() {
    let check = |rows: &[&[&str]], expected: Option<u64>| {
        let rows = [&[&["phone", "name", "segment"][..], &["+5215550001", "Ann", "x"]], rows].concat();
        for book in both(&rows) {
            let found = table(&book, SourceOptions::default());
            let refused = expected.map(|line| {
                format!(
                    "in:{line}: found a second header with other columns or in another order: the rows below it do not fit the first header"
                )
            });
            assert_eq!(found.first().filter(|_| found.len() == 1), refused.as_ref(), "{rows:?}: {found:?}");
        }
    };
    let bo = &["Bo", "+5215550002", "y"][..];
    check(&[&["name", "phone", "segment"], bo], Some(3));
    check(&[&["phone", "city", "name"], &["+5215550002", "Leon", "Bo"]], Some(3));
    check(&[&["phone", "name", "city", "segment"], &["+5215550002", "Bo", "Leon", "y"]], Some(3));
    check(&[&["phone", "name"], &["+5215550002", "Bo"]], Some(3));
    check(&[&["", "name", "segment"], &["+5215550002", "Bo", "y"], &["name", "phone", "segment"], bo], Some(5));
    check(&[&["Name:", "", "Phone:"], bo], None);
    let (cy, di) = (&["+5215550003", "Cy", "z"][..], &["+5215550004", "Di", "z"][..]);
    check(&[cy, di, &["Phone:", "", "Name:"], bo], Some(5));
    check(&[cy, di, &["email", "city", "points"], &["a@example.com", "Leon", "3"]], Some(5));
    check(&[cy, di, &["phone", "", "name", "campo 2024001"], bo], Some(5));
    // Half of the rows have each column in another place, so that no column has a usual kind.
    check(&[&["Nombre", "Celular", "Ciudad"], bo], Some(3));
    // The same header again is skipped.
    check(&[&["PHONE", "Name", "segment"], &["+5215550002", "Bo", "y"]], None);
    // Values that are names of columns.
    check(&[&["+5215550002", "name", "segment"]], None);
    check(&[&["", "Name", "y"]], None);
    check(&[&["", "phone", "segment"]], None);
    let told = SourceOptions { no_header: true, ..SourceOptions::default() };
    for book in both(&[&["phone", "name"], &["+5215550001", "Ann"], &["name", "phone"], &["Bo", "+5215550002"]]) {
        assert_eq!(table(&book, told.clone()).len(), 5);
    }
}

#[test]
fn a_total_below_the_last_row_of_a_sheet_is_marked() {
    let check = |rows: &[&[&str]], expected: bool| {
        let rows = [&[&["", "name", "phone", "amount"][..], &["", "Ann", "+5215550001", "5"]], rows].concat();
        for book in both(&rows) {
            let source = open(&book, SourceOptions::default()).unwrap();
            let totals: Vec<bool> =
                source.map(|row| matches!(row.unwrap(), Row::Record(record) if record.total.is_some())).collect();
            let last = totals.len() - 1;
            let filled = rows.iter().filter(|row| row.iter().any(|cell| !cell.trim().is_empty())).count();
            assert_eq!((totals.len(), totals[last]), (filled - 1, expected), "{rows:?}");
            assert!(!totals[..last].contains(&true), "{rows:?}");
        }
    };
    check(&[&["", "Total", "", "5049"]], true);
    check(&[&["", "Total: 1"]], true);
    check(&[&["Total", "", "", "5,049.00 \u{20ac}"]], true);
    check(&[&["", "Gesamt"], &[], &["", " "]], true);
    check(&[&["", "", "Total de contactos", "1"]], true);
    check(&[&["", "Total", "", "5049"], &["", "Bo", "+5215550002", "7"]], false);
    check(&[&["", "Total", "+5215550003", "7"]], false);
    check(&[&["", "Total", "5215550003", "7"]], false);
    check(&[&["", "Total Recall", "", "7"]], false);
    check(&[&["7", "Total", "", ""]], false);
    // The formula of a sum that was not computed, or came to an error.
    for sum in [r#"<c t="e"><v>#REF!</v></c>"#, r"<c><f>SUM(B2:B2)</f></c>"] {
        let cells = [texts(&["name", "amount"]), texts(&["Ann", "5"]), format!("{}{sum}", text("Total"))];
        let rows: Vec<&str> = cells.iter().map(String::as_str).collect();
        let book = zipped(&book(&[("Contacts", &rows)], "", false));
        let last = open(&book, SourceOptions::default()).unwrap().last().unwrap().unwrap();
        assert!(matches!(&last, Row::Record(record) if record.total.is_some()), "{last:?}");
    }
}

#[test]
fn sparse_rows_of_a_wide_sheet_may_be_a_header_or_a_total() {
    let names: Vec<String> = (0..300).map(|at| format!("Column {at}")).collect();
    let header = [&["phone", "name", "segment"][..], &names.iter().map(String::as_str).collect::<Vec<_>>()].concat();
    let mut other = header.clone();
    other.swap(0, 1);
    let ann = &["+5215550001", "Ann", "x"][..];
    let bo = &["+5215550002", "Bo", "y"][..];
    let check = |last: &[&[&str]], expected: &str| {
        for book in both(&[&[&header[..], ann], last].concat()) {
            let found = match open(&book, SourceOptions::default()) {
                Err(error) => error,
                Ok(source) => {
                    let is_total = |row| matches!(row, Row::Record(Record { total: Some(_), .. }));
                    let shown = source.map(|row| if is_total(row.unwrap()) { "total" } else { "row" });
                    shown.collect::<Vec<_>>().join(" ")
                }
            };
            assert!(found.starts_with(expected), "{expected}: {found}");
        }
    };
    check(&[bo], "row row");
    check(&[bo, &["Total: 2"]], "row row total");
    check(&[bo, &["", "Total", "2"]], "row row total");
    check(&[bo, &["", "name"]], "row row row");
    check(&[&other, bo], "in:3: found a second header");
}

#[test]
fn a_rejects_list_that_a_spreadsheet_padded_is_rejected_again() {
    let row = |line: usize, cells: &[&str]| {
        let cells = cells.iter().zip('A'..).map(|(cell, column)| cell_at(&format!("{column}{line}"), cell));
        format!(r#"<row r="{line}">{}</row>"#, joined(cells))
    };
    let rows = [
        row(1, &["_line", "_reason", "phone", "name", "city"]),
        row(2, &["3", "expected 3 cells, found 1; 1 of 3 cells listed", "+525512345678"]),
        row(3, &["4", "expected 3 cells, found 1; 1 of 3 cells listed", "+525512345679", "Bo", "Lima"]),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let read = table(&zipped(&book(&[("Contacts", &rows)], "", false)), SourceOptions::default());
    assert!(read[1].starts_with("[] expected the cells that this row lacked"), "{read:?}");
    assert!(read[2].ends_with("+525512345679|Bo|Lima"), "{read:?}");
}

/// The notices of reading all rows.
fn noticed(bytes: &[u8]) -> Vec<String> {
    let mut source = open(bytes, SourceOptions::default()).unwrap();
    for row in source.by_ref() {
        row.unwrap();
    }
    source.detected().notices().iter().map(ToString::to_string).collect()
}

#[test]
fn a_country_code_in_a_number_format_is_read() {
    let codes = [
        "\"+1 \"0",
        "+1 0",
        "\"+1\"##########",
        "[$+1-409] 000 000 0000",
        "\"+1 \"General",
        "[<=9999999]###-####;\"+1 \"(###) ###-####",
        "[<=9999999]###-####;(###) ###-####",
        "\"+1 \"#,##0",
        "\"+1 \"@",
    ];
    let check = |style: usize, cell: &str, expected: &str| {
        let cell = cell.replacen("<c", &format!(r#"<c s="{}""#, style + 1), 1);
        let found = table(&column(&[&cell], &styles(&codes), false), SourceOptions::default());
        assert_eq!(found, ["value", expected], "{}", codes[style]);
    };
    let number = "<c><v>4155552671</v></c>";
    check(0, number, "+1 4155552671");
    check(1, number, "+1 4155552671");
    check(2, number, "+14155552671");
    check(3, number, "+1 415 555 2671");
    check(4, number, "+1 4155552671");
    check(5, number, "+1 (415) 555-2671");
    check(6, number, "4155552671");
    let unclear = "[value] expected a number as it is shown, found one whose format adds a plus or digits to it: make the column text";
    check(7, number, unclear);
    check(7, "<c><v>12</v></c>", "12");
    check(8, number, unclear);
    check(8, &text("4155552671"), "+1 4155552671");
    check(0, &text("4155552671"), "4155552671");

    let ods_cell = |shown: &str, expected: &str| {
        let cell = format!(
            r#"<table:table-cell office:value-type="float" office:value="4155552671"><text:p>{shown}</text:p></table:table-cell>"#
        );
        assert_eq!(table(&ods(&[&cell]), SourceOptions::default()), ["value", expected], "{shown}");
    };
    ods_cell("+1 415 555 2671", "+1 415 555 2671");
    ods_cell("1-415-555-2671", "1-415-555-2671");
    ods_cell("415 555 2671", "4155552671");
    ods_cell("4,155,552,671", "4155552671");
    ods_cell("4155552671.00", "4155552671");
}

#[test]
fn numbers_rounded_by_the_sheet_are_marked_as_rounded() {
    let check = |value: &str, expected: &str| {
        let cell = format!(r#"<c s="1"><v>{value}</v></c>"#);
        let found = table(&column(&[&cell], &styles(&["0.00E+00"]), false), SourceOptions::default());
        assert_eq!(found, ["value", expected], "{value}");
        let cell = format!(
            r#"<table:table-cell office:value-type="float" office:value="{value}"><text:p>5.22E+12</text:p></table:table-cell>"#
        );
        assert_eq!(table(&ods(&[&cell]), SourceOptions::default()), ["value", expected], "{value}");
    };
    check("5215500000000", "5.2155E+12");
    check("5.2155E12", "5.2155E+12");
    check("5000000000000", "5E+12");
    check("5215512345678", "5215512345678");
    check("5512350000", "5.51235E+09");
    check("5215512340000", "5215512340000");
    // Without that format it is an ordinary number.
    let plain = column(&["<c><v>5215500000000</v></c>"], "", false);
    assert_eq!(table(&plain, SourceOptions::default()), ["value", "5215500000000"]);
}

#[test]
fn a_zero_in_place_of_a_date_is_no_value() {
    let check = |is_1904: bool, code: &str, value: &str, expected: &str| {
        let rows = [texts(&["name", "born"]), text("Ann") + &format!(r#"<c s="1"><v>{value}</v></c>"#)];
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let bytes = zipped(&book(&[("Contacts", &rows)], &styles(&[code]), is_1904));
        assert_eq!(table(&bytes, SourceOptions::default()), ["name|born", expected], "{code} {value}");
    };
    check(false, "yyyy-mm-dd", "0", "Ann|");
    check(false, "dd/mm/yyyy hh:mm", "0", "Ann|");
    check(true, "yyyy-mm-dd", "0", "Ann|");
    check(false, "hh:mm", "0", "Ann|00:00:00");
    check(false, "[h]:mm", "0", "Ann|00:00:00");
    check(false, "yyyy-mm-dd", "45352", "Ann|2024-03-01");
    let date = |value: &str, expected: &str| {
        let cell = format!(
            r#"<table:table-cell office:value-type="float" office:value="1"/><table:table-cell office:value-type="date" office:date-value="{value}"/>"#
        );
        let cells = [
            r#"<table:table-cell/><table:table-cell office:value-type="string"><text:p>born</text:p></table:table-cell>"#,
            &cell,
        ];
        let found = table(&ods(&cells), SourceOptions { skip_lines: 1, ..SourceOptions::default() });
        assert_eq!(found, ["born", expected], "{value}");
    };
    date("2024-03-01", "2024-03-01");
    date("1899-12-30", "");
}

#[test]
fn a_zero_of_a_formula_that_was_not_computed_is_no_value() {
    let check = |calculation: &str, cells: [&str; 2], expected: [&str; 2]| {
        let rows = [texts(&["name", "sum"]), text("Ann") + cells[0], text("Bob") + cells[1]];
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let mut parts = book(&[("Contacts", &rows)], "", false);
        parts[2].1 = parts[2].1.replace("</workbook>", &format!("{calculation}</workbook>"));
        let found = table(&zipped(&parts), SourceOptions::default());
        assert_eq!(found, ["name|sum", expected[0], expected[1]], "{calculation} {cells:?}");
    };
    let none = "[sum] expected the result of the formula, found none: open the file in a spreadsheet and save it";
    let (zero, one) = ("<c><f>A1+B1</f><v>0</v></c>", "<c><f>A1+B1</f><v>1</v></c>");
    for on_load in [r#"<calcPr calcId="124519" fullCalcOnLoad="1"/>"#, r#"<calcPr fullCalcOnLoad="true"/>"#] {
        check(on_load, [zero, zero], [none, none]);
        // Another program has computed the column.
        check(on_load, [zero, one], ["Ann|0", "Bob|1"]);
        check(on_load, [zero, r#"<c t="str"><f>A1</f><v>x</v></c>"#], ["Ann|0", "Bob|x"]);
        check(on_load, [zero, "<c><f>A1</f></c>"], [none, none]);
        check(on_load, ["<c><v>0</v></c>", "<c><v>0</v></c>"], ["Ann|0", "Bob|0"]);
        check(on_load, [zero, "<c><v>5</v></c>"], [none, "Bob|5"]);
    }
    for computed in ["", r#"<calcPr calcId="124519"/>"#, r#"<calcPr fullCalcOnLoad="0"/>"#] {
        check(computed, [zero, zero], ["Ann|0", "Bob|0"]);
    }
}

#[test]
fn hidden_rows_and_merged_cells_are_reported() {
    let rows = [
        texts(&["phone", "name"]),
        texts(&["+525550001001", "Ann"]),
        texts(&["+525550001002", "Bob"]),
        texts(&["+525550001003", "Eva"]),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let changed = |change: &dyn Fn(&str) -> String| {
        let mut parts = book(&[("A &amp; B", &rows), ("Other", &["<c/>"])], "", false);
        let sheet = parts.iter_mut().find(|(name, _)| name.ends_with("sheet1.xml")).unwrap();
        sheet.1 = change(&sheet.1);
        let bytes = zipped(&parts);
        assert_eq!(table(&bytes, SourceOptions::default()).len(), 4);
        noticed(&bytes)
    };
    let hide = |sheet: &str, at: usize| {
        let mut pieces: Vec<String> = sheet.split("<row>").map(str::to_owned).collect();
        pieces[at - 1].push_str("<row hidden=\"1\">");
        let (before, after) = pieces.split_at(at);
        format!("{}{}", before.join("<row>"), after.join("<row>"))
    };
    assert_eq!(changed(&str::to_owned), [] as [&str; 0]);
    assert_eq!(changed(&|sheet| hide(sheet, 3)), ["1 hidden row is read as well (the first is row 3)"]);
    let two = changed(&|sheet| hide(&hide(sheet, 3), 3));
    assert_eq!(two, ["2 hidden rows are read as well (the first is row 3)"]);
    let merged = |range: &str| {
        let merge = format!("</sheetData><mergeCells><mergeCell ref=\"{range}\"/></mergeCells>");
        changed(&|sheet| sheet.replace("</sheetData>", &merge))
    };
    let expected = "1 merged range holds a single value (row 2); other values that it hides are read as blank";
    assert_eq!(merged("B2:B3"), [expected]);
    // Merged cells of the header.
    assert_eq!(merged("A1:B1"), [] as [&str; 0]);

    let cell = r#"<table:table-cell office:value-type="string"><text:p>x</text:p></table:table-cell>"#;
    assert_eq!(noticed(&ods(&[cell, cell])), [] as [&str; 0]);
    let spanned = cell.replace("<table:table-cell", "<table:table-cell table:number-rows-spanned=\"2\"");
    assert_eq!(noticed(&ods(&[cell, &spanned])), [expected.replace("row 2", "row 3")]);
    for visibility in ["filter", "collapse"] {
        let row = format!("{cell}</table:table-row><table:table-row table:visibility=\"{visibility}\">{cell}");
        assert_eq!(noticed(&ods(&[&row])), ["1 hidden row is read as well (the first is row 3)"], "{visibility}");
    }
}

#[test]
fn what_a_merged_range_hides_is_not_read() {
    let rows = [
        texts(&["name", "city", "company"]),
        texts(&["Ann", "Lima", "old"]),
        texts(&["Bo", "Lima", "Acme"]),
        texts(&["Cy", "Lima", "Acme"]),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let check = |ranges: &[&str], expected: [&str; 4]| {
        let mut parts = book(&[("Contacts", &rows)], "", false);
        let ranges = joined(ranges.iter().map(|range| format!("<mergeCell ref=\"{range}\"/>")));
        let sheet = parts.iter_mut().find(|(name, _)| name.ends_with("sheet1.xml")).unwrap();
        sheet.1 = sheet.1.replace("</sheetData>", &format!("</sheetData><mergeCells>{ranges}</mergeCells>"));
        assert_eq!(table(&zipped(&parts), SourceOptions::default()), expected, "{ranges}");
    };
    let header = "name|city|company";
    check(&["B2:C2"], [header, "Ann|Lima|", "Bo|Lima|Acme", "Cy|Lima|Acme"]);
    check(&["A1:B1"], [header, "Ann|Lima|old", "Bo|Lima|Acme", "Cy|Lima|Acme"]);
    check(&["A3:A4", "B2:C2"], [header, "Ann|Lima|", "Bo|Lima|Acme", "|Lima|Acme"]);
    // Each cell has the value that the range displays.
    check(&["C3:C4", "B2:B4"], [header, "Ann|Lima|old", "Bo|Lima|Acme", "Cy|Lima|Acme"]);

    let cell = |text: &str| {
        format!(r#"<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>"#)
    };
    let covered = cell("old").replace("table:table-cell", "table:covered-table-cell");
    let spanned = cell("Ann").replacen("<table:table-cell", "<table:table-cell table:number-columns-spanned=\"2\"", 1);
    let read = |first: &str| {
        let rows = [cell("name") + &cell("city"), first.to_owned() + &covered];
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        table(&ods(&rows), SourceOptions { skip_lines: 1, ..SourceOptions::default() })
    };
    assert_eq!(read(&spanned), ["name|city", "Ann|"]);
    // The results of a matrix formula.
    let matrix = spanned.replace("number-columns-spanned", "number-matrix-columns-spanned");
    assert_eq!(read(&matrix), ["name|city", "Ann|old"]);
}

#[test]
fn a_formula_of_ods_without_a_result_is_rejected() {
    let none = "[city] expected the result of the formula, found none: open the file in a spreadsheet and save it";
    let cell = |text: &str| {
        format!(r#"<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>"#)
    };
    let check = |formula: &str, expected: &str| {
        let rows = [cell("name") + &cell("city"), cell("Ann") + formula, cell("Bo") + &cell("Lima")];
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let found = table(&ods(&rows), SourceOptions { skip_lines: 1, ..SourceOptions::default() });
        assert_eq!(found, ["name|city", expected, "Bo|Lima"], "{formula}");
    };
    let of = |attributes: &str| format!(r#"<table:table-cell table:formula="of:=CONCATENATE([.A1];1)" {attributes}/>"#);
    check(&of(""), none);
    check(&of(r#"office:value-type="string""#), none);
    check(&of(r#"office:value-type="float""#), none);
    check(&of("").replace("/>", "><text:p/></table:table-cell>"), none);
    // The guard of a text.
    check(r#"<table:table-cell table:formula="of:=&quot;02138&quot;"/>"#, "Ann|02138");
    // Results.
    check(&of(r#"office:value-type="string" office:string-value="""#), "Ann|");
    check(&of(r#"office:value-type="float" office:value="0""#), "Ann|0");
    check(&of(r#"office:value-type="string""#).replace("/>", "><text:p>Lima</text:p></table:table-cell>"), "Ann|Lima");
}

#[test]
fn a_row_of_a_sheet_whose_cells_moved_is_rejected() {
    let usual = ["+525512345600", "Ann", "Lima"];
    let check = |row: &[&str], expected: &str, notice: &[&str]| {
        // Without that attribute, the spaces around a text are not kept.
        let spaced = texts(row).replace("<t>", "<t xml:space=\"preserve\">");
        let rows = [texts(&["phone", "name", "city"]), texts(&usual), spaced, texts(&usual)];
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let bytes = zipped(&book(&[("Contacts", &rows)], "", false));
        assert_eq!(table(&bytes, SourceOptions::default())[2], expected, "{row:?}");
        assert_eq!(noticed(&bytes), notice, "{row:?}");
    };
    let moved = "[city] expected the cells of the header, found text in a column without a name: a cell with a delimiter may lack \
                 its quotes";
    let unclear = "1 row has text in a column without a name (first on line 3), where most rows are blank; the text is ignored. \
                   An unquoted delimiter in a cell also shifts the cells after it";
    check(&["+525512345602", "Smith", " John", "Lima"], moved, &[]);
    check(&["+525512345601", "Bo", "Lima", "a note"], "+525512345601|Bo|Lima", &[unclear]);
    check(&["+525512345601", "Bo", " Lima"], "+525512345601|Bo| Lima", &[]);
}

#[test]
fn dates_whose_day_and_month_may_be_swapped_are_reported() {
    let check = |cells: &[&str], expected: &[&str]| {
        let found = noticed(&column(cells, &styles(&["mm/dd/yyyy"]), false));
        assert_eq!(found, expected, "{cells:?}");
    };
    // 5 February, 5 March, and 13 March.
    let (february, march, late) =
        (r#"<c s="1"><v>45693</v></c>"#, r#"<c s="1"><v>45721</v></c>"#, r#"<c s="1"><v>45701</v></c>"#);
    let (day, other) = (text("13/02/2025"), text("05/02/2025"));
    check(
        &[&day, february, march],
        &[
            "column A: 2 dates may have day and month swapped (the first is in row 3), because other cells of the column are \
           texts such as 13/02/2025; export the dates as YYYY-MM-DD",
        ],
    );
    check(&[&day, february, late], &[]);
    check(&[&other, february], &[]);
    check(&[&day], &[]);
    check(&[february], &[]);
}
