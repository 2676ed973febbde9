//! JSON whose rows are in an array under a key, as in the pages of an API: rows and their lines, objects that are rows although they
//! contain arrays, and ambiguous objects, which are refused.

use std::io::Write as _;

use contactsync::contact::Cells;
use contactsync::source::{Row, SourceError, SourceOptions};
use contactsync::{Format, Source};
use flate2::write::GzEncoder;

use crate::read;

/// The path of the rows, and each row as its line and its object, or the error.
fn outcome(bytes: Vec<u8>, options: impl Into<SourceOptions>) -> (String, Vec<String>) {
    let source = match Source::from_reader("in", Box::new(std::io::Cursor::new(bytes)), options) {
        Ok(source) => source,
        Err(error) => return (String::new(), vec![error.to_string()]),
    };
    let under = source.detected().rows_under().unwrap_or_default();
    let show = |row: Result<Row, SourceError>| match row {
        Ok(Row::Record(record)) => match record.cells {
            Cells::Object(object) => {
                let cells: Vec<_> = object.iter().map(|(key, json)| format!("{key}={json}")).collect();
                format!("{} {}", record.line, cells.join(" "))
            }
            Cells::Texts(_) => panic!("texts from JSON"),
        },
        Ok(Row::Rejected(rejection)) => format!("{} [] {}", rejection.line, rejection.reason),
        Err(error) => error.to_string(),
    };
    (under, source.map(show).collect())
}

#[track_caller]
fn check(text: &str, under: &str, expected: &[&str]) {
    let expected = (under.to_owned(), expected.iter().map(ToString::to_string).collect::<Vec<_>>());
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    assert_eq!(outcome(packed.finish().unwrap(), None), expected, "gz: {text}");
    for options in [None, Some(Format::Json)] {
        assert_eq!(outcome(text.as_bytes().to_vec(), options), expected, "{options:?} {text}");
    }
    // UTF-16, as some Windows programs write it.
    let wide: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(outcome(wide, None), expected, "UTF-16: {text}");
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    for options in [None, Some(Format::Json), Some(Format::Jsonl)] {
        let (_, messages) = outcome(text.as_bytes().to_vec(), options);
        assert_eq!(messages.last().map(String::as_str), Some(expected), "{options:?} {text}: {messages:?}");
        assert!(messages.iter().all(|line| !line.contains(" [] ")), "{options:?} {text}: {messages:?}");
    }
}

#[test]
fn rows_under_a_key_are_read() {
    let rows = ["1 phone=\"+1\"", "1 phone=\"+2\"", "1 phone=\"+3\""];
    let three = r#"[{"phone":"+1"},{"phone":"+2"},{"phone":"+3"}]"#;
    for (text, under) in [
        (r#"{"contacts":ROWS}"#, "contacts"),
        (r#"{"success":true,"data":ROWS}"#, "data"),
        (r#"{"data":ROWS,"success":true,"message":"ok","total":3}"#, "data"),
        (r#"{"status":"success","code":200,"results":ROWS,"count":3,"next":null,"previous":null}"#, "results"),
        (r#"{"contacts":ROWS,"has-more":false,"vid-offset":17}"#, "contacts"),
        (r#"{"totalSize":3,"done":true,"records":ROWS}"#, "records"),
        (r#"{"@odata.context":"x","value":ROWS,"@odata.nextLink":"y"}"#, "value"),
        (r#"{"clientes":ROWS}"#, "clientes"),
        (r#"{"anything":ROWS}"#, "anything"),
        (r#"{"export":"crm","account_id":7,"contacts":ROWS}"#, "contacts"),
        (r#"{"response":{"contacts":ROWS}}"#, "response.contacts"),
        (r#"{"result":{"data":{"items":ROWS,"total":3}},"id":null}"#, "result.data.items"),
        (r#"{"_embedded":{"contacts":ROWS},"_links":{"self":{"href":"x"}},"page":{"size":20}}"#, "_embedded.contacts"),
        (r#"{"meta":{"email":"me@example.com"},"contacts":ROWS}"#, "contacts"),
        (r#"{"contacts":ROWS,"tags":[{"id":1,"name":"vip"}],"errors":[],"links":[{"rel":"self"}]}"#, "contacts"),
        (r#"{"c\u006fntacts":ROWS}"#, "contacts"),
    ] {
        check(&text.replace("ROWS", three), under, &rows);
    }
}

#[test]
fn rows_of_consecutive_pages_have_their_lines() {
    let page = |numbers: &[usize]| {
        let rows: Vec<String> = numbers.iter().map(|number| format!("{{\"phone\":\"+{number}\"}}")).collect();
        format!("{{\"contacts\":[{}],\"page\":{}}}", rows.join(","), numbers.len())
    };
    let (one, two, none) = (page(&[1, 2]), page(&[3]), page(&[]));
    check(&format!("{one}\n{two}\n"), "contacts", &["1 phone=\"+1\"", "1 phone=\"+2\"", "2 phone=\"+3\""]);
    check(&format!("{one}{two}"), "contacts", &["1 phone=\"+1\"", "1 phone=\"+2\"", "1 phone=\"+3\""]);
    check(&format!("[{one},\n{two}]"), "contacts", &["1 phone=\"+1\"", "1 phone=\"+2\"", "2 phone=\"+3\""]);
    // A page without rows is not a row.
    check(&format!("{none}\n{one}\n{none}\n"), "contacts", &["2 phone=\"+1\"", "2 phone=\"+2\""]);
    check(&none, "contacts", &[]);
    check("{\"contacts\":null,\"total\":0}\n{\"contacts\":[{\"phone\":\"+1\"}]}", "contacts", &["2 phone=\"+1\""]);
}

#[test]
fn the_layout_of_a_page_does_not_matter() {
    check(
        "{\n  \"success\": true,\n  \"data\": [\n    {\n      \"phone\": \"+1\",\n      \"addresses\": [{\"city\": \"Lima\"}]\n    },\r\n    {\"phone\": \"+2\"}\n  ]\n}\n{\n \"data\": [{\"phone\": \"+3\"}]}\n",
        "data",
        &["4 phone=\"+1\" addresses=[{\"city\":\"Lima\"}]", "8 phone=\"+2\"", "12 phone=\"+3\""],
    );
    check("\n\n[\n[{\"phone\":\"+1\"}],\n[{\"phone\":\"+2\"}], [] ]", "", &["4 phone=\"+1\"", "5 phone=\"+2\""]);
    check("[{\"phone\":\"+1\"}]\n[{\"phone\":\"+2\"}]\n", "", &["1 phone=\"+1\"", "2 phone=\"+2\""]);
    // A single row without an array, as converters from XML write it.
    check(
        "{\"contacts\":[{\"phone\":\"+1\"}]}\n{\"contacts\":{\"phone\":\"+2\"}}",
        "contacts",
        &["1 phone=\"+1\"", "2 phone=\"+2\""],
    );
}

#[test]
fn a_long_page_on_one_line_is_read_in_pieces() {
    const ROWS: usize = 50_000;
    let note = "x".repeat(400);
    let rows: Vec<String> = (0..ROWS).map(|row| format!("{{\"phone\":\"+{row}\",\"note\":\"{note}\"}}")).collect();
    let text = format!("{{\"total\":{ROWS},\"contacts\":[{}],\"success\":true}}\n", rows.join(","));
    assert!(text.len() > 16 * 1024 * 1024, "longer than a row may be");
    for options in [None, Some(Format::Json), Some(Format::Jsonl)] {
        let source = read(text.clone().into_bytes(), options).unwrap();
        assert_eq!(source.detected().rows_under().as_deref(), Some("contacts"));
        let count = source.filter(|row| matches!(row, Ok(Row::Record(record)) if record.line == 1)).count();
        assert_eq!(count, ROWS, "{options:?}");
    }
}

#[test]
fn a_contact_with_arrays_in_it_is_a_row() {
    for row in [
        r#"{"phone":"+1","addresses":[{"city":"Lima"},{"city":"Quito"}]}"#,
        r#"{"id":"c1","custom_fields":{"phone":"+1"},"tags":["a","b"]}"#,
        r#"{"custom_fields":[{"name":"phone","value":"+1"}],"tags":["a"],"created_at":1700000000}"#,
        r#"{"custom_fields":[{"name":"phone","value":"+1"}]}"#,
        r#"{"id":7,"name":"Ann","phones":[{"type":"home","number":"+1"}],"emails":[{"email":"a@example.com"}]}"#,
        r#"{"resourceName":"people/c1","names":[{"givenName":"Ann"}],"phoneNumbers":[{"value":"+52 155"}]}"#,
        r#"{"email":"a@example.com","orders":[{"id":1,"email":"a@example.com"}],"items":[{"sku":1}]}"#,
        r#"{"phone":"+1","company":{"name":"X","employees":[{"email":"b@example.com"}]}}"#,
        r#"{"contact":{"phone":"+1","addresses":[{"city":"Lima"}]}}"#,
        r#"{"kundennr":"17","vorname":"Ann","bestellungen":[{"nr":1}]}"#,
        r#"{"phone":null,"name":"Ann","addresses":[{"city":"Lima"}]}"#,
        r#"{"phone":"+1","coordinates":[[1,2],[3,4]]}"#,
        r#"{"phone":"+1","tags":["a","b"],"contacts":[]}"#,
        r#"{"phone":"+1","billing":{"email":"a@example.com"},"shipping":{"email":"a@example.com"}}"#,
        r#"{"tags":["a"],"phone_numbers":["+1","+2"]}"#,
        r#"{"contacts":[{"phone":"+1"}],"email":"a@example.com","_line":7,"_reason":"x"}"#,
        r#"{"data":"x","phone":"+1"}"#,
        r#"{"id":7,"data":{"phone":"+1"}}"#,
        "{}",
    ] {
        for options in [None, Some(Format::Json), Some(Format::Jsonl)] {
            for text in [format!("{row}\n"), format!("{row}\n{row}\n{row}")] {
                let (under, rows) = outcome(text.clone().into_bytes(), options);
                assert_eq!(under, "", "{text}");
                assert_eq!(rows.len(), text.matches(row).count(), "{options:?} {text}: {rows:?}");
                assert!(
                    rows.iter()
                        .enumerate()
                        .all(|(at, line)| line.starts_with(&format!("{} ", at + 1)) && !line.contains(" [] ")),
                    "{rows:?}"
                );
            }
        }
        let (under, rows) = outcome(format!("[{row},{row}]").into_bytes(), None);
        assert_eq!((under.as_str(), rows.len()), ("", 2), "{row}: {rows:?}");
    }
}

#[test]
fn an_object_that_may_be_a_page_or_a_contact_is_refused() {
    let several =
        |arrays: &str| format!("in:1: expected one array of objects, found several that may be the rows: {arrays}");
    refused(r#"{"contacts":[{"phone":"+1"}],"companies":[{"phone":"+2"}]}"#, &several("`contacts`, `companies`"));
    refused(r#"{"data":{"leads":[{"phone":"+1"}],"users":[{"phone":"+2"}]}}"#, &several("`data.leads`, `data.users`"));
    refused(r#"{"contacts":[],"users":[{"phone":"+2"}]}"#, &several("`contacts`, `users`"));
    refused(r#"{"a":[{"x":1}],"b":[{"x":1}]}"#, &several("`a`, `b`"));
    let unclear = |array: &str| {
        format!(
            "in:1: expected a contact or an object that holds contacts, found an object that may be either, with objects under `{array}`"
        )
    };
    refused(
        r#"{"name":"ACME","email":"info@example.com","contacts":[{"phone":"+1"},{"phone":"+2"}]}"#,
        &unclear("contacts"),
    );
    refused(r#"{"id":7,"numbers":[{"v":"+5215550001"}]}"#, &unclear("numbers"));
    refused(r#"{"name":"my list","data":[{"wa":"5215550001"}]}"#, &unclear("data"));
    refused(r#"{"custom_fields":[{"name":"city"}],"contacts":[{"phone":"+1"}]}"#, &unclear("contacts"));
    refused(r#"{"emails":[{"email":"a@example.com"},{"email":"b@example.com"}]}"#, &unclear("emails"));
    refused(
        r#"{"columns":["phone"],"rows":[["+1"],["+2"]]}"#,
        "in:1: expected an array of objects under `rows`, found an array of arrays",
    );
    refused(
        r#"{"contacts":["+5215550001","+5215550002"]}"#,
        "in:1: expected an array of objects under `contacts`, found an array of texts or numbers",
    );
    refused(
        r#"{"contacts":{"17":{"phone":"+1"},"18":{"phone":"+2"}}}"#,
        "in:1: expected an array of objects under `contacts`, found an object with one key for each contact",
    );
    refused(
        r#"{"17":{"phone":"+1","name":"Ann"},"18":{"phone":"+2","name":"Bo"}}"#,
        "in:1: expected an array of objects, found an object with one key for each contact",
    );
}

#[test]
fn a_table_stored_by_columns_is_refused() {
    let columns = |names: &str| format!("in:1: expected an object for each contact, found a table by columns: {names}");
    let two = columns("`phone`, `name`");
    refused(r#"{"phone":["+1","+2"],"name":["Ann","Bo"]}"#, &two);
    refused(r#"{"phone":["+1","+2",null],"name":["Ann",null,"Cy"]}"#, &two);
    refused(r#"{"total":2,"phone":["+1","+2"],"name":["Ann","Bo"]}"#, &two);
    refused(r#"{"phone":{"0":"+1","1":"+2"},"name":{"0":"Ann","1":"Bo"}}"#, &two);
    refused(r#"{"phone":{"0":"+1"},"name":{"0":"Ann"}}"#, &two);
    refused(r#"{"contact_id":["a","b"],"plan":["x","y"]}"#, &columns("`contact_id`, `plan`"));
    refused(r#"{"phone":["+5215550001","+5215550002"]}"#, &columns("`phone`"));
    refused(r#"{"phone":["+1","+2"],"tags":["x","y"]}"#, &columns("`phone`, `tags`"));
    // Longer than the limit of a row.
    let numbers = vec!["\"+5215550001\""; 2_000_000].join(",");
    refused(&format!("{{\"phone\":[{numbers}],\"x\":[{numbers}]}}"), &columns("`phone`"));
}

#[test]
fn contacts_in_arrays_inside_another_array_are_refused() {
    let nested = |array: &str| {
        format!("in:1: expected one array of objects, found contacts in arrays inside another array: `{array}`")
    };
    let members = r#"[{"phone":"+1","name":"Ann"},{"phone":"+2"}]"#;
    for (text, array) in [
        (r#"{"groups":[{"group":"g1","members":M},{"group":"g2","members":M}]}"#, "groups[].members"),
        (r#"{"groups":[{"members":M},{"members":M}]}"#, "groups[].members"),
        (r#"{"groups":[{"name":"g1","members":M}]}"#, "groups[].members"),
        (r#"{"accounts":[{"id":7,"people":{"list":M}}],"total":1}"#, "accounts[].people.list"),
        (r#"{"companies":[{"sites":[{"staff":M}]}]}"#, "companies[].sites[].staff"),
        (r#"{"id":7,"regions":[{"members":M}]}"#, "regions[].members"),
    ] {
        refused(&text.replace('M', members), &nested(array));
    }
    refused(
        &r#"{"contacts":M,"groups":[{"members":M}]}"#.replace('M', members),
        "in:1: expected one array of objects, found several that may be the rows: `contacts`, `groups[].members`",
    );
}

#[test]
fn groups_of_contacts_are_not_contacts() {
    let two = r#"[{"name":"Ann","phone":"+1"},{"name":"Bo","email":"b@example.com"}]"#;
    let one = r#"[{"name":"Ann","phone":"+1"}]"#;
    let last = |text: &str| outcome(text.as_bytes().to_vec(), Some(Format::Json)).1.pop().unwrap_or_default();
    for (group, key) in [
        (r#"{"id":1,"name":"A","contacts":M}"#, "contacts"),
        (r#"{"id":1,"company":"A","employees":M}"#, "employees"),
        (r#"{"id":1,"name":"A","owner":{"email":"o@example.com"},"members":M}"#, "members"),
        (r#"{"name":"A","tags":["x"],"people":M}"#, "people"),
    ] {
        let expected =
            format!("expected one array of objects, found contacts in arrays inside another array: `[].{key}`");
        let (two, one) = (group.replace('M', two), group.replace('M', one));
        for text in [format!("[{two},{one}]"), format!("[{one},{two}]")] {
            assert_eq!(last(&text), format!("in:1: {expected}"), "{text}");
        }
        let text = format!("{{\"data\":[{one},{two}]}}");
        assert_eq!(last(&text), format!("in:1: {}", expected.replace("`[]", "`data[]")), "{text}");
        assert!(!last(&format!("[{one},{one}]")).contains("expected"), "{one}");
    }
    // A contact has an address field, and its phones are not contacts.
    for row in [
        r#"{"name":"Ann","phone":"+1","family":M}"#,
        r#"{"name":"Ann","phone":null,"contacts":M}"#,
        r#"{"name":"Ann","emails":["a@example.com"],"contacts":M}"#,
        r#"{"name":"Ann","phoneNumbers":[{"value":"+5215550001"}],"relatives":M}"#,
        r#"{"id":7,"properties":{"email":{"value":"a@example.com"}},"friends":M}"#,
        r#"{"id":"7","custom_fields":{"x":"y"},"friends":M}"#,
        r#"{"contact_id":"7","friends":M}"#,
        r#"{"id":"7","name":"Ann","phones":[{"phone":"+1"},{"phone":"+2"}]}"#,
        r#"{"id":"7","name":"Ann","orders":M}"#,
    ] {
        let row = row.replace('M', two);
        let (_, rows) = outcome(format!("[{row},{row}]").into_bytes(), None);
        assert!(rows.len() == 2 && rows.iter().all(|line| line.starts_with("1 ")), "{row}: {rows:?}");
    }
}

#[test]
fn people_under_the_key_of_a_single_part_are_no_part() {
    let people = r#"[{"name":"Ann","phone":"+525512345671"},{"name":"Bo","phone":"+525512345672"}]"#;
    let mails = r#"[{"first_name":"Ann","email":"a@example.com"},{"first_name":"Bo","email":"b@example.com"}]"#;
    for key in ["email", "phone", "mobile", "whatsapp", "celular", "correo"] {
        for list in [people, mails] {
            let group = format!(r#"{{"campaign":"Nov","{key}":{list}}}"#);
            let unclear = format!(
                "in:1: expected a contact or an object that holds contacts, found an object that may be either, with objects under \
                 `{key}`"
            );
            refused(&group, &unclear);
            refused(&format!("{group}\n{group}\n"), &unclear);
            let named = group.replace("campaign", "name");
            let nested = |array: &str| {
                format!("in:1: expected one array of objects, found contacts in arrays inside another array: `{array}`")
            };
            refused(&named, &nested(key));
            let (_, rows) = outcome(format!("[{named},{named}]").into_bytes(), None);
            assert_eq!(rows, [nested(&format!("[].{key}"))], "{named}");
        }
    }
    // The phones and addresses of one contact, some with labels.
    for row in [
        r#"{"id":7,"phone":[{"name":"Mobile","phone":"+525512345671"},{"name":"trabajo","phone":"+525512345672"}]}"#,
        r#"{"id":7,"phone":[{"label":"x","value":"+525512345671"},{"label":"y","value":"+525512345672"}]}"#,
        r#"{"id":7,"whatsapp":[{"name":"Ann","phone":"+525512345671"}]}"#,
        r#"{"id":7,"email":[{"value":"a@example.com","primary":true},{"value":"b@example.com","primary":false}]}"#,
        r#"{"name":"Ann","email":[{"email":"a@example.com"},{"email":"b@example.com"}]}"#,
    ] {
        for text in [format!("{row}\n{row}\n"), format!("[{row},{row}]")] {
            let (_, rows) = outcome(text.clone().into_bytes(), None);
            assert!(rows.len() == 2 && !rows.concat().contains("expected"), "{text}: {rows:?}");
        }
    }
}

#[test]
fn lists_of_parts_are_not_contacts() {
    let person = r#"{"resourceName":"people/c1","names":[{"givenName":"Ann"}],"phoneNumbers":[{"value":"+5215550001"}],"emailAddresses":[{"value":"a@example.com"}]}"#;
    let profile = r#"{"vid":1,"properties":{"firstname":{"value":"Ann"},"phone":{"value":"+5215550001"}},"identity-profiles":[{"vid":1,"identities":[{"type":"EMAIL","value":"a@example.com"},{"type":"EMAIL","value":"b@example.com"}]}]}"#;
    for (text, under) in [
        (r#"{"connections":[R,R],"totalPeople":2,"totalItems":2}"#.replace('R', person), "connections"),
        (r#"{"connections":[R,R],"nextSyncToken":"abc","totalItems":2}"#.replace('R', person), "connections"),
        (r#"{"connections":[R,R],"sync_token":"abc"}"#.replace('R', person), "connections"),
        (r#"{"contacts":[R,R],"has-more":false,"vid-offset":5}"#.replace('R', profile), "contacts"),
    ] {
        let (found, rows) = outcome(text.clone().into_bytes(), None);
        assert_eq!((found.as_str(), rows.len()), (under, 2), "{text}: {rows:?}");
        assert!(rows.iter().all(|line| line.starts_with("1 ")), "{rows:?}");
    }
    refused(
        &r#"{"id":7,"connections":[R,R]}"#.replace('R', person),
        "in:1: expected a contact or an object that holds contacts, found an object that may be either, with objects under \
         `connections`",
    );
}

#[test]
fn contacts_by_key_beside_the_rows_are_refused() {
    let several = |line: u64| {
        format!("in:{line}: expected one array of objects, found several that may be the rows: `leads`, `customers`")
    };
    let keyed = r#""customers":{"1":{"phone":"+2","name":"Bo"},"2":{"phone":"+3","name":"Cy"}}"#;
    refused(&format!("{{\"leads\":[{{\"phone\":\"+1\"}}],{keyed}}}"), &several(1));
    refused(&format!("{{{keyed},\"leads\":[{{\"phone\":\"+1\"}}]}}"), &several(1));
    let page = r#"{"leads":[{"phone":"+1"}]}"#;
    refused(&format!("{page}\n{{\"leads\":[],{keyed}}}\n"), &several(2));
    // Rows with only an id.
    refused(r#"{"leads":[{"contact_id":"1","plan":"x"}],"customers":[{"contact_id":"2","plan":"y"}]}"#, &several(1));
    refused(r#"{"leads":[{"contact_id":"1"}],"customers":[{"key":"2"}]}"#, &several(1));
}

/// Checks the notice about missing pages, or that there is none.
#[track_caller]
fn check_notice(text: &str, expected: Option<&str>) {
    check_notices(text, &expected.into_iter().collect::<Vec<_>>());
}

/// Checks the notices about missing and repeated pages.
#[track_caller]
fn check_notices(text: &str, expected: &[&str]) {
    let mut source = read(text.as_bytes().to_vec(), None).unwrap();
    assert!(source.by_ref().all(|row| matches!(row, Ok(Row::Record(_)))), "{text}");
    let noticed: Vec<_> = source.detected().notices();
    let expected: Vec<_> =
        expected.iter().map(|text| format!("{text}: the file may not contain all contacts")).collect();
    assert_eq!(noticed.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{text}");
    assert!(noticed.iter().all(|notice| notice.kind.is_doubtful()));
}

/// A page with one row and these other values.
fn page(others: &str) -> String {
    format!("{{\"contacts\":[{{\"phone\":\"+1\"}}],{others}}}\n")
}

#[test]
fn a_last_page_that_links_to_more_is_reported() {
    let more = Some("the last page announces further pages, but the file ends after 1 row");
    for others in [
        r#""has_more":true"#,
        r#""hasMore":true,"next":null"#,
        r#""next":"https://example.com/?page=2""#,
        r#""paging":{"next":{"after":"3","link":"https://x"}}"#,
        r#""pageInfo":{"hasNextPage":true}"#,
        r#""links":{"self":"https://x","next":"https://y"}"#,
        r#""@odata.nextLink":"https://x""#,
        r#""next_page":2"#,
        r#""meta":{"pagination":{"next_cursor":"abc"}}"#,
        r#""info":{"per_page":200,"count":1,"more_records":true}"#,
        r#""additional_data":{"pagination":{"start":0,"more_items_in_collection":true}}"#,
        r#""totalSize":1,"nextRecordsUrl":"/query/01g-2000""#,
        r#""totalSize":1,"done":false"#,
        r#""done":false,"totalSize":1"#,
        r#""Count":1,"LastEvaluatedKey":{"id":"x"}"#,
        r#""response_metadata":{"next_cursor":"x"}"#,
        r#""_links":{"next":{"href":"https://x"}}"#,
        // Other spellings of the next page.
        r#""link":{"nextPage":"https://x"}"#,
        r#""next_page_uri":"/contacts?page=2""#,
        r#""NextToken":"abc""#,
        r#""continuationToken":"abc""#,
        r#""next_offset":100"#,
        r#""nextPageToken":"abc""#,
        r#""NextMarker":"abc""#,
        r#""hydra:view":{},"hydra:next":"/contacts?page=2""#,
        r#""meta":{"next_page":2}"#,
        r#""cursor":"abc""#,
        r#""meta":{"cursor":"abc"}"#,
        r#""pagination":{"cursor":{"next":"abc"}}"#,
        r#""links":[{"rel":"self","href":"https://x"},{"rel":"next","href":"https://y"}]"#,
        r#""_links":[{"rel":["next"],"href":"https://y"}]"#,
        r#""link":"<https://x?page=2>; rel=\"next\"""#,
        r#""pagingMetadata":{"hasNext":true}"#,
        r#""paginatorInfo":{"hasMorePages":true}"#,
        r#""pagingInfo":{"nextPage":2}"#,
        r#""has_more":"true""#,
        r#""has_more":1"#,
        r#""hasMoreContacts":true"#,
        r#""is_last_page":"false""#,
        // A count may be that of this page, and a flag decides.
        r#""result_count":1,"next_offset":1"#,
        r#""info":{"count":1},"next":"https://x""#,
        r#""total":1,"has_more":true"#,
    ] {
        check_notice(&page(others), more);
    }
    let first = page(r#""next":"https://x","total":2,"total_pages":2"#);
    check_notice(&(first.clone() + &page_of(2, r#""next":null,"total":2,"total_pages":2"#)), None);
    check_notice(&format!("[{first},{}]", page_of(2, r#""next":false"#)), None);
}

/// A page with this row and these other values.
fn page_of(phone: u32, others: &str) -> String {
    page(others).replace("+1", &format!("+{phone}"))
}

#[test]
fn a_page_that_is_there_twice_is_reported() {
    let twice = "1 page is the same as an earlier one (the first is on line 2)";
    let first = page(r#""next":"https://x","total":2,"total_pages":2"#);
    check_notices(&first.repeat(2), &["it has 1 of the 2 rows that its pages mention", twice]);
    for others in [r#""page":1"#, r#""next":null"#, r#""ok":true"#] {
        check_notices(&page(others).repeat(2), &[twice]);
        check_notices(
            &(page_of(2, others) + &page(others).repeat(3)),
            &["2 pages are the same as earlier ones (the first is on line 3)"],
        );
    }
    // Other rows, or none.
    check_notice(&(page(r#""ok":true"#) + &page_of(2, r#""ok":true"#)), None);
    let none = r#"{"contacts":[],"ok":true}"#;
    check_notice(&format!("{}{none}\n{none}\n", page(r#""ok":true"#)), None);
    // The same contact within one page.
    check_notice(r#"{"contacts":[{"phone":"+1"},{"phone":"+1"}],"ok":true}"#, None);
}

#[test]
fn a_page_that_is_missing_before_another_one_is_reported() {
    let first = "page 1 is missing, although a later page is present";
    for others in [
        r#""page":2"#,
        r#""current_page":3,"next":null"#,
        r#""meta":{"pagination":{"page":2}}"#,
        r#""pageNumber":"2","links":{"next":null}"#,
    ] {
        check_notice(&page(others), Some(first));
    }
    check_notices(&page(r#""page":2,"next_page":3"#), &[MORE, first]);
    let earlier = "earlier pages are missing";
    for others in [
        r#""from":3,"to":3"#,
        r#""offset":100,"limit":50"#,
        r#""pagination":{"start":20,"limit":10}"#,
        r#""links":{"prev":"https://x/?page=1","next":null}"#,
        r#""prev_page_url":"/contacts?page=4","next_page_url":null"#,
        r#""prev_page":1,"next_page":null"#,
    ] {
        check_notice(&page(others), Some(earlier));
    }
    // A gap.
    let number = |page: u32| page_of(page, &format!("\"page\":{page}"));
    check_notice(&(number(1) + &number(3)), Some("page 2 is missing, although a later page is present"));
    check_notice(&(number(0) + &number(1) + &number(4)), Some("page 2 is missing, although a later page is present"));
    check_notice(&(number(4) + &number(2) + &number(1)), Some("page 3 is missing, although a later page is present"));
}

const MORE: &str = "the last page announces further pages, but the file ends after 1 row";

#[test]
fn pages_in_any_order_are_complete() {
    let number = |page: u32, next: &str| page_of(page, &format!("\"page\":{page},\"next\":{next}"));
    check_notice(&(number(2, "null") + &number(1, "\"?page=2\"")), None);
    check_notice(&(number(3, "null") + &number(1, "2") + &number(2, "3")), None);
    check_notice(&(number(1, "2") + &number(0, "1") + &number(2, "null")), None);
    // The last one is not there.
    let expected = "the last page announces further pages, but the file ends after 2 rows";
    check_notice(&(number(2, "3") + &number(1, "2")), Some(expected));
    // Numbers of rows in place of pages.
    let start = |start: u32, next: &str| page_of(start + 1, &format!("\"page\":{start},\"next\":{next}"));
    check_notice(&(start(0, "50") + &start(50, "100") + &start(100, "null")), None);
    let offset = |start: u32| page_of(start + 1, &format!("\"offset\":{start},\"limit\":50"));
    check_notice(&(offset(0) + &offset(50)), None);
    check_notice(&(offset(50) + &offset(0)), None);
}

#[test]
fn pages_with_fewer_rows_than_they_announce_are_reported() {
    check_notice(&page(r#""total":5000,"has_more":true"#), Some("it has 1 of the 5000 rows that its pages mention"));
    check_notice(
        &page(r#""meta":{"total":300,"per_page":1}"#),
        Some("it has 1 of the 300 rows that its pages mention"),
    );
    check_notice(
        &page(r#""page":{"number":1,"totalPages":2}"#),
        Some("it has 1 of the 2 pages that its pages mention"),
    );
    check_notice(&page(r#""meta":{"total":"500"}"#), Some("it has 1 of the 500 rows that its pages mention"));
    check_notice(&page(r#""totalPeople":500"#), Some("it has 1 of the 500 rows that its pages mention"));
    check_notice(&page(r#""totalRecords":"500""#), Some("it has 1 of the 500 rows that its pages mention"));
    for others in [
        r#""meta":{"count":"500","current_page":1}"#,
        r#""meta":{"count":500,"page":1}"#,
        r#""total":{"contacts":500}"#,
        r#""meta":{"total":{"records":"500"}}"#,
        r#""counts":{"contacts":500}"#,
        r#""num_results":500"#,
        r#""resultCount":500"#,
        r#""contactsTotal":500"#,
        r#""total_contacts_count":500"#,
        r#""page":1,"limit":1,"count":500"#,
        r#""pagination":{"page":1,"limit":1,"count":500}"#,
        r#""count":500,"pageSize":1,"page":1"#,
        r#""paginatorInfo":{"count":1,"total":500,"perPage":1}"#,
        r#""pagingMetadata":{"total":500,"count":1}"#,
        r#""listInfo":{"totalCount":500}"#,
        r#""hydra:totalItems":500"#,
    ] {
        check_notice(&page(others), Some("it has 1 of the 500 rows that its pages mention"));
    }
    for total in ["1,234", "1.234", "1 234", "1'234", "1234 "] {
        let others = format!("\"total\":\"{total}\"");
        check_notice(&page(&others), Some("it has 1 of the 1234 rows that its pages mention"));
    }
    check_notice(
        &page(r#""draw":1,"recordsTotal":900,"recordsFiltered":500"#),
        Some("it has 1 of the 500 rows that its pages mention"),
    );
    check_notice(&page(r#""current":1,"last":3"#), Some("it has 1 of the 3 pages that its pages mention"));
    check_notice(&page(r#""pager":{"current":1,"last":3}"#), Some("it has 1 of the 3 pages that its pages mention"));
    check_notice(
        &page(r#""paginatorInfo":{"currentPage":1,"lastPage":3}"#),
        Some("it has 1 of the 3 pages that its pages mention"),
    );
    check_notice(&page(r#""page":1,"pages":12"#), Some("it has 1 of the 12 pages that its pages mention"));
    check_notice(&page(r#""page":1,"last_page":3"#), Some("it has 1 of the 3 pages that its pages mention"));
}

/// A page with so many rows, the first with this phone, and these other values.
fn page_of_rows(first: u32, rows: u32, others: &str) -> String {
    let rows: Vec<String> = (first..first + rows).map(|phone| format!("{{\"phone\":\"+{phone}\"}}")).collect();
    format!("{{\"contacts\":[{}],{others}}}\n", rows.join(","))
}

#[test]
fn a_count_may_be_that_of_a_page_or_of_all_pages() {
    let next = r#""next":"https://x""#;
    let page = |first: u32, rows: u32, count: u32| page_of_rows(first, rows, &format!("\"count\":{count},{next}"));
    let last =
        |first: u32, rows: u32, count: u32| page_of_rows(first, rows, &format!("\"count\":{count},\"next\":null"));
    // The count of all pages.
    check_notice(&page(1, 3, 5), Some("it has 3 of the 5 rows that its pages mention"));
    check_notice(&(page(1, 3, 9) + &last(4, 3, 9)), Some("it has 6 of the 9 rows that its pages mention"));
    check_notice(&(page(1, 3, 5) + &last(4, 2, 5)), None);
    // It is reached, so a link on the last page leads to an empty one.
    check_notice(&(page(1, 3, 5) + &page(4, 2, 5)), None);
    check_notice(&(page(1, 3, 3) + &page(4, 0, 3)), None);
    // A single page with that many rows may be the first one.
    check_notice(&page(1, 3, 3), Some("the last page announces further pages, but the file ends after 3 rows"));
    check_notice(&last(1, 3, 3), None);
    // The count of each page.
    check_notice(&(page(1, 3, 3) + &last(4, 2, 2)), None);
    check_notice(&(page(1, 3, 3) + &page(4, 3, 3) + &last(7, 1, 1)), None);
    check_notice(
        &(page(1, 3, 3) + &page(4, 2, 2)),
        Some("the last page announces further pages, but the file ends after 5 rows"),
    );
    check_notice(&(page(1, 3, 3) + &last(4, 2, 5)), Some("it has 5 of the 8 rows that its pages mention"));
    check_notice(
        &(page(1, 2, 3) + &page(4, 3, 3) + &last(7, 1, 1)),
        Some("it has 6 of the 7 rows that its pages mention"),
    );
    // Two exports in one file, and a contact that was added between two pages.
    check_notice(&(page(1, 2, 4) + &last(3, 2, 4) + &last(5, 3, 3)), None);
    check_notice(&(page(1, 2, 5) + &page(3, 2, 6) + &last(5, 2, 6)), None);
    // The most rows of a page.
    for others in [r#""count":100,"limit":100,"next":null"#, r#""count":100,"page":1,"next":null"#] {
        check_notice(&page_of_rows(1, 3, others), None);
    }
    // Fewer than a page has, which loses nothing.
    check_notice(&last(1, 3, 2), None);
}

#[test]
fn the_rows_of_a_connection_are_its_nodes() {
    let page = |edges: &str, info: &str| format!("{{\"data\":{{\"contacts\":{{\"edges\":[{edges}]{info}}}}}}}\n");
    let (ann, bo) = (r#"{"node":{"phone":"+1","score":1.50},"cursor":"a"}"#, r#"{"cursor":"b","node":{"phone":"+2"}}"#);
    let (more, end) =
        (r#","pageInfo":{"hasNextPage":true,"endCursor":"b"}"#, r#","pageInfo":{"hasNextPage":false,"endCursor":"b"}"#);
    let under = "data.contacts.edges";
    check(&page(&format!("{ann},{bo}"), end), under, &["1 phone=\"+1\" score=1.5", "1 phone=\"+2\""]);
    check(&page(&format!("{ann},\n{bo}"), ""), under, &["1 phone=\"+1\" score=1.5", "2 phone=\"+2\""]);
    // What else belongs to an edge, unless its node has the same key.
    check(
        &page(&format!("{},{bo}", ann.replace("\"cursor\"", "\"role\"")), end),
        under,
        &["1 phone=\"+1\" score=1.5 role=\"a\"", "1 phone=\"+2\""],
    );
    check(
        &page(&format!("{},{bo}", ann.replace("\"cursor\"", "\"phone\"")), end),
        under,
        &["1 [] expected the key once in an object, found it twice", "1 phone=\"+2\""],
    );
    // An edge without a node is no contact.
    check(&page(&format!("{ann},{{\"node\":null}}"), end), under, &["1 phone=\"+1\" score=1.5", "1 node=null"]);
    // Nodes without edges.
    check(
        r#"{"data":{"contacts":{"nodes":[{"phone":"+1"}],"pageInfo":{"hasNextPage":false}}}}"#,
        "data.contacts.nodes",
        &["1 phone=\"+1\""],
    );
    // Further pages.
    let missing = |rows: &str| format!("the last page announces further pages, but the file ends after {rows}");
    check_notice(&page(ann, more), Some(&missing("1 row")));
    check_notice(&(page(ann, more) + &page(bo, more)), Some(&missing("2 rows")));
    check_notice(&(page(ann, more) + &page(bo, end)), None);
    check_notice(&page(ann, end), None);
    check_notice(
        r#"{"data":{"contacts":{"nodes":[{"phone":"+1"}],"pageInfo":{"hasNextPage":true}}}}"#,
        Some(&missing("1 row")),
    );
    check_notice(&page(ann, r#","totalCount":3"#), Some("it has 1 of the 3 rows that its pages mention"));
}

#[test]
fn complete_pages_are_not_reported() {
    for others in [
        r#""total":1,"has_more":false"#,
        r#""next":null"#,
        r#""links":{"next":null}"#,
        r#""count":100,"page":1"#,
        r#""total":"1","page":1,"pages":1"#,
        r#""total":"many""#,
        r#""info":{"more_records":false}"#,
        r#""totalSize":1,"done":true,"nextRecordsUrl":null"#,
        r#""status":"ok","done":false"#,
        r#""LastEvaluatedKey":{}"#,
        r#""meta":{"orders":{"total":500}}"#,
        // A cursor that is there on the last page as well.
        r#""cursor":"abc","has_more":false"#,
        r#""pageInfo":{"endCursor":"abc","hasNextPage":false}"#,
        r#""paging":{"cursors":{"before":"a","after":"b"}}"#,
        r#""nextSyncToken":"abc""#,
        r#""next_page":0,"nextPageToken":"""#,
        r#""next":-1"#,
        r#""next":"null""#,
        r#""next_run_at":"2024-01-01""#,
        r#""links":[{"rel":"next","href":null},{"rel":"self","href":"https://x"}]"#,
        r#""links":{"first":"https://x","last":"https://x"}"#,
        r#""pagination":{"page":1,"limit":100,"count":100}"#,
        r#""pagination":{"count":100}"#,
        r#""current":1,"last":1"#,
        r#""last":"2024-01-01""#,
        r#""total":{"orders":500}"#,
        r#""total":{"amount":"1,234"}"#,
        r#""totalAmount":500,"total_time":500,"totalSpent":500"#,
        r#""num_results":1,"resultCount":"1""#,
        // The flag, or the total, decides against a link.
        r#""meta":{"has_more":false,"after_cursor":"x"},"links":{"next":"https://x","prev":"https://x"}"#,
        r#""total":1,"next":"https://x?offset=1""#,
        r#""total_count":"1","next_page":2"#,
        // DataTables: the total before a filter.
        r#""draw":1,"recordsTotal":500,"recordsFiltered":1"#,
        r#""recordsFiltered":1,"recordsTotal":500"#,
        // The first page.
        r#""page":1"#,
        r#""page":0,"prev_page":null"#,
        r#""page":1,"prev_page":0"#,
        r#""offset":0,"limit":50"#,
        r#""from":1,"to":1"#,
        r#""from":0"#,
        r#""previous":null"#,
        r#""prev":"https://x""#,
        // The offset of the next page, or a cursor.
        r#""offset":1,"limit":1"#,
        r#""offset":8822"#,
    ] {
        check_notice(&page(others), None);
    }
}

#[test]
fn rows_that_look_like_pages_are_not_reported() {
    let row =
        r#"{"phone":"+1","next":"x","next_page":2,"has_more":true,"cursor":"x","total":500,"count":500,"totalPages":9,
        "links":[{"rel":"next","href":"x"}],"pagination":{"total":500},"meta":{"next":"x"}}"#
            .replace('\n', "");
    for text in [
        format!("[{row},{row}]"),
        format!("{row}\n{row}\n"),
        format!("{{\"contacts\":[{row},{row}]}}"),
        format!("{{\"data\":[{row}],\"total\":1}}"),
    ] {
        let mut source = read(text.as_bytes().to_vec(), None).unwrap();
        assert!(source.by_ref().all(|row| matches!(row, Ok(Row::Record(_)))), "{text}");
        assert_eq!(source.detected().notices(), [], "{text}");
    }
}

#[test]
fn pages_with_a_cursor_of_their_own_are_one_input() {
    let page = |cursor: &str, id: u32| {
        format!(
            "{{\"contacts\":[{{\"phone\":\"+{id}\"}}],\"cursor\":{cursor},\"NextToken\":{cursor},\"num_results\":{id}}}\n"
        )
    };
    let text = page("\"a\"", 1) + &page("\"b\"", 2) + &page("null", 3);
    check(&text, "contacts", &["1 phone=\"+1\"", "2 phone=\"+2\"", "3 phone=\"+3\""]);
}

#[test]
fn an_input_that_changes_its_layout_is_refused() {
    let page = r#"{"contacts":[{"phone":"+1"}]}"#;
    let mixed = "expected a row, found an object that holds rows under `contacts`";
    refused(&format!("{{\"phone\":\"+2\"}}\n{page}\n"), &format!("in:2: {mixed}"));
    refused(
        "{\"phone\":\"+2\",\"name\":\"x\"}\n\n{\"name\":\"page\",\"x\":1,\"contacts\":[{\"phone\":\"+1\"}]}\n",
        "in:3: expected a contact or an object that holds contacts, found an object that may be either, with objects under `contacts`",
    );
    let missing =
        "expected rows under `contacts`, as in the first object of the input, found an object without that key";
    refused(&format!("{page}\n{{\"phone\":\"+2\"}}\n"), &format!("in:2: {missing}"));
    refused(
        &format!("{page}\n{{\"data\":[{{\"phone\":\"+2\"}}]}}\n"),
        "in:2: expected one array of objects, found several that may be the rows: `contacts`, `data`",
    );
    refused(&format!("{page}\n{{\"contacts\":5}}\n"), &format!("in:2: {missing}"));
    refused(
        &format!("{page}\n{{\"contacts\":{{\"a\":{{\"phone\":\"+1\"}},\"b\":{{\"phone\":\"+2\"}}}}}}\n"),
        "in:2: expected an array of objects, found an object with one key for each contact",
    );
    // The parts of one export share these values; contacts have different ones.
    let part = |crm_id: u32| format!("{{\"crm_id\":{crm_id},\"leads\":[{{\"email\":\"{crm_id}@example.com\"}}]}}\n");
    check(&(part(7) + &part(7)), "leads", &["1 email=\"7@example.com\"", "2 email=\"7@example.com\""]);
    let unclear = "found an object that may be either, with objects under `leads`";
    refused(&(part(7) + &part(8)), &format!("in:2: expected a contact or an object that holds contacts, {unclear}"));
    // In an array as well.
    let check = |text: &str, expected: &str| {
        let (_, messages) = outcome(text.as_bytes().to_vec(), None);
        assert_eq!(messages.last().map(String::as_str), Some(expected), "{text}");
    };
    check(&format!("[{{\"phone\":\"+2\"}},{page}]"), &format!("in:1: {mixed}"));
    check(&format!("{{\"pages\":[{page},{page}]}}"), &format!("in:1: {mixed}"));
    let several = "expected one array of objects, found several that may be the rows: `contacts`, `users`";
    let two = r#"{"contacts":[{"phone":"+1"}],"users":[{"phone":"+2"}]}"#;
    check(&format!("[{two}]"), &format!("in:1: {several}"));
    check(&format!("[{{\"phone\":\"+2\"}},\n{two}]"), &format!("in:2: {several}"));
}

#[test]
fn a_saved_error_response_is_refused() {
    let failed =
        "expected rows, found the answer to a request that failed: the input may lack the rows of that request";
    for page in [
        r#"{"status":"error","message":"Too many requests","data":[]}"#,
        r#"{"data":[],"success":false}"#,
        r#"{"error":"timeout","data":[{"phone":"+2"}]}"#,
        r#"{"errors":[{"message":"x"}],"data":[]}"#,
        r#"{"status":429,"data":[]}"#,
        r#"{"data":null,"success":false}"#,
    ] {
        refused(&format!("{{\"data\":[{{\"phone\":\"+1\"}}]}}\n{page}\n"), &format!("in:2: {failed}"));
    }
}
