//! Detects the format of text from its beginning.

use serde::de::IgnoredAny;

use super::nesting::{self, Kind};
use super::{Format, SourceFault};

pub(super) use super::sample::SAMPLE;

/// The format of text that begins with `start`, after a byte order mark. `named` is the format of the file's name, which
/// decides where the text is ambiguous.
pub(super) fn format(start: &[u8], named: Option<Format>) -> Result<Format, SourceFault> {
    let text = start.trim_ascii_start();
    let named_json = named.filter(|format| matches!(format, Format::Json | Format::Jsonl));
    let after = text.get(1..).unwrap_or_default().trim_ascii_start().first();
    match (text.first(), after) {
        (Some(b'{'), Some(b'"' | b'}')) => Ok(of_object(text, named)),
        (Some(b'['), Some(b'{' | b'[' | b']' | b'"')) => Ok(Format::Json),
        (Some(b'<'), Some(_)) if is_markup(text) => Err(SourceFault::Foreign { found: markup(text).to_owned() }),
        (Some(_) | None, _) => match foreign(text) {
            Some(found) => Err(SourceFault::Foreign { found: found.to_owned() }),
            None => Ok(named_json.unwrap_or(Format::Csv)),
        },
    }
}

fn of_object(text: &[u8], named: Option<Format>) -> Format {
    if nesting::kind(text) != Kind::Row {
        return Format::Json;
    }
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let is_whole = serde_json::from_slice::<IgnoredAny>(first).is_ok();
    let another = lines.next().is_some_and(|line| line.starts_with(b"{"));
    if is_whole || another || named == Some(Format::Jsonl) { Format::Jsonl } else { Format::Json }
}

fn is_markup(text: &[u8]) -> bool {
    let starts = |tag: &str| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()));
    [
        "<?xml",
        "<!doctype",
        "<html",
        "<table",
        "<head",
        "<meta",
        "<!--",
        "<style",
        "<workbook",
        "<ss:workbook",
        "<office:document",
    ]
    .into_iter()
    .any(starts)
}

// The kind of markup. Programs save all of these under names that end in `.xls`.
fn markup(text: &[u8]) -> &'static str {
    let text = text.to_ascii_lowercase();
    let has = |part: &str| text.windows(part.len()).any(|window| window == part.as_bytes());
    if has("urn:schemas-microsoft-com:office:spreadsheet") || has("progid=\"excel.sheet\"") {
        "a spreadsheet of Excel 2003 (XML): open it in a spreadsheet and save it as .xlsx"
    } else if has("application/vnd.oasis.opendocument.spreadsheet") {
        "a spreadsheet in one piece of XML (.fods): open it in a spreadsheet and save it as .ods"
    } else if has("<table") {
        "a table of a web page (HTML), which some programs call .xls: open it in a spreadsheet and save it as .xlsx"
    } else if has("<html") || has("<!doctype html") {
        "a web page: is it the page on which one signs in? Export the contacts as CSV or .xlsx"
    } else {
        "XML: export the contacts as CSV or .xlsx"
    }
}

/// Header fields of a message or a web archive, with which no list of contacts begins.
const MESSAGE_FIELDS: [&str; 5] = ["mime-version", "received", "return-path", "message-id", "delivered-to"];

// The kind of text that has no rows, by its first lines.
fn foreign(text: &[u8]) -> Option<&'static str> {
    const VCARD: &str =
        "contacts as vCard (.vcf): import them into an address book such as Google Contacts, and export them as CSV";
    const CALENDAR: &str = "a calendar (.ics): export the contacts as CSV";
    const LDIF: &str = "an export of a directory (LDIF): export it as CSV";
    const SYLK: &str = "a spreadsheet in the form SYLK (.slk): open it in a spreadsheet and save it as .xlsx";
    let is = |line: &[u8], expected: &str| line.eq_ignore_ascii_case(expected.as_bytes());
    let starts = |line: &[u8], start: &str| line.get(..start.len()).is_some_and(|begin| is(begin, start));
    let mut lines = text.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#"))?;
    let second = lines.find(|line| !line.is_empty() && !line.starts_with(b"#")).unwrap_or_default();
    if is(first, "begin:vcard") {
        return Some(VCARD);
    }
    if is(first, "begin:vcalendar") {
        return Some(CALENDAR);
    }
    let is_name = |line: &[u8]| starts(line, "dn:: ") || (starts(line, "dn: ") && line.contains(&b'='));
    if is_name(first) || (starts(first, "version: ") && is_name(second)) {
        return Some(LDIF);
    }
    if starts(first, "ID;P") && second.len() > 1 && second[1] == b';' && first.split(|byte| *byte == b';').count() < 5 {
        let is_record = |line: &[u8]| matches!(line.first(), Some(b'P' | b'B' | b'C' | b'F' | b'O' | b'E'));
        return is_record(second).then_some(SYLK);
    }
    is_message(text)
}

// Fields with their names, up to a blank line.
fn is_message(text: &[u8]) -> Option<&'static str> {
    const MHTML: &str =
        "a web archive (MHTML), which some programs call .xls: open it in a spreadsheet and save it as .xlsx";
    const MESSAGE: &str = "an e-mail message (.eml): save the file that is attached to it";
    let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let name = |line: &&[u8]| -> Option<String> {
        let end = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(&line[..end]).ok()?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_name.then(|| name.to_ascii_lowercase())
    };
    let goes_on = |line: &[u8]| line.starts_with(b" ") || line.starts_with(b"\t");
    if head.is_empty() || !head.iter().all(|line| goes_on(line) || name(line).is_some()) {
        return None;
    }
    let names: Vec<String> = head.iter().filter(|line| !goes_on(line)).filter_map(name).collect();
    if names.len() < 2 || !names.iter().any(|name| MESSAGE_FIELDS.contains(&name.as_str())) {
        return None;
    }
    let is_related = head.iter().any(|line| {
        let line = line.to_ascii_lowercase();
        line.windows(17).any(|part| part == b"multipart/related")
    });
    Some(if is_related && !names.iter().any(|name| name == "received") { MHTML } else { MESSAGE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_tells_its_format() {
        let check = |text: &str, named: Option<Format>, expected: Format| {
            assert_eq!(format(text.as_bytes(), named).unwrap(), expected, "{text:?} {named:?}");
        };
        check("", None, Format::Csv);
        check("phone,name\n", None, Format::Csv);
        check("phone\tname\n", None, Format::Csv);
        check("{first}\n", None, Format::Csv);
        check("[Name],[Phone]\n", None, Format::Csv);
        check("[{\"a\":1}]", None, Format::Json);
        check(" \n[\n  {", None, Format::Json);
        check("[]", None, Format::Json);
        check("[1]", Some(Format::Json), Format::Json);
        check("{\"a\":1}\n{\"a\":2}\n", None, Format::Jsonl);
        check("{\"a\":1}", None, Format::Jsonl);
        check("{}", None, Format::Jsonl);
        check("{\"a\":1,\n{\"a\":2}\n", None, Format::Jsonl);
        check("{\n  \"a\": 1\n}\n", None, Format::Json);
        check("{\n  \"a\": 1\n}\n", Some(Format::Jsonl), Format::Jsonl);
        check("{\"data\":[{\"id\":1}]}", None, Format::Json);
        check("{\"data\" : {\"id\":1}}", None, Format::Json);
        check("{\"links\":{\"data\":1},\"meta\":[],\"data\":[", None, Format::Json);
        check("{\"id\":7,\"data\":{\"phone\":1}}", None, Format::Jsonl);
        check("{\"data\":\"x\"}", None, Format::Jsonl);
        check("{\"x\":\"\\\"data\\\":[\"}", None, Format::Jsonl);
        check("{\"meta\":{\"x\":\"}\"},\"data\":[]}", None, Format::Json);
        // The content takes precedence over the name.
        check("{\"a\":1}\n", Some(Format::Csv), Format::Jsonl);
        check("phone,name\n", Some(Format::Xlsx), Format::Csv);
        check("", Some(Format::Jsonl), Format::Jsonl);
        check("Ann", Some(Format::Jsonl), Format::Jsonl);
    }

    #[test]
    fn what_is_none_of_them_is_named() {
        let check = |text: &str, expected: &str| {
            let error = format(text.as_bytes(), None).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("<html><table>", "a table of a web page (HTML)");
        check("<!DOCTYPE html><title>Sign in</title>", "a web page");
        check("\n<?xml version=\"1.0\"?>", "found XML");
        check("<?xml version=\"1.0\"?><?mso-application progid=\"Excel.Sheet\"?>", "Excel 2003");
        check("<Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\">", "Excel 2003");
        check(
            "<?xml version=\"1.0\"?><office:document office:mimetype=\"application/vnd.oasis.opendocument.spreadsheet\">",
            ".fods",
        );
        check("BEGIN:VCARD\r\nVERSION:3.0\r\n", "vCard");
        check("\nbegin:vcard\n", "vCard");
        check("BEGIN:VCALENDAR\r\n", "a calendar");
        check("dn: cn=Ann,ou=people\nobjectclass: person\n", "LDIF");
        check("# extended LDIF\n\nversion: 1\n\ndn:: Y249QW5u\n", "LDIF");
        check("version: 1\ndn: cn=Ann\n", "LDIF");
        check("MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=\"x\"\r\n\r\n--x\r\n", "MHTML");
        check("Received: from a\n\tby b\nFrom: ann@example.com\nSubject: contacts\n\nHi\n", ".eml");
        check("ID;PWXL;N;E\nP;PGeneral\n", "SYLK");
    }

    #[test]
    fn a_table_that_begins_like_something_else_is_a_table() {
        for text in [
            "<name>,phone\n",
            "ID;PHONE;NAME\n1;2;3\n",
            "ID;Phone\n7;+1\n",
            "dn,phone\n",
            "version,dn\n",
            "begin:vcard,x\n",
            "From: CRM\nDate: 2024-01-01\n\nphone,name\n",
            "Received,From\na,b\n",
            "received: yes\n",
            "Message-ID: 1,x\nphone,name\n",
            "mime-version\n1.0\n",
        ] {
            assert_eq!(format(text.as_bytes(), None).unwrap(), Format::Csv, "{text}");
        }
    }
}
