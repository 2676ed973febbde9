//! Whole files: what each column is taken for, and by what contacts are found.

use super::*;

// The first line is the header; cells are separated by commas.
fn columns(lines: &[&str]) -> Vec<Sampled> {
    let (header, rows) = lines.split_first().expect("a header");
    let cells = |at: usize| rows.iter().map(|row| row.split(',').nth(at).unwrap_or_default().to_owned()).collect();
    header
        .split(',')
        .enumerate()
        .map(|(at, name)| Sampled { name: name.to_owned(), cells: cells(at), falses: 0 })
        .collect()
}

fn said(meaning: &Meaning) -> String {
    match meaning {
        Meaning::Field { name, made } => {
            let made = made.iter().map(|made| match made {
                Made::Null(word) => format!(" null {word}"),
                Made::First(separator) => format!(" first {separator}"),
                Made::E164 => " e164".to_owned(),
                Made::E164By(column) => format!(" e164 by {column}"),
                Made::Lower => " lower".to_owned(),
                Made::Digits => " digits".to_owned(),
                Made::Date(forms) => format!(" date {}", forms.join("|")),
            });
            format!("{name}{}", made.collect::<String>())
        }
        Meaning::Tags { separator, except, remove } => {
            let verb = if *remove { "-" } else { "+" };
            format!("{verb}tags {} {}", separator.unwrap_or("any"), except.len())
        }
        Meaning::Flag { tag } => format!("+{tag}?"),
        Meaning::PlatformId => "id".into(),
        Meaning::LeftOut => "out".into(),
        Meaning::Blank => "blank".into(),
    }
}

#[track_caller]
fn check(country: &str, lines: &[&str], matches: &str, expected: &[&str]) {
    let guess = guess(&columns(lines), country.parse().ok());
    let found: Vec<String> = guess.columns.iter().map(|column| said(&column.meaning)).collect();
    assert_eq!(found, expected, "{}", lines[0]);
    let found: Vec<&str> = guess.matches.iter().map(|chosen| chosen.field.as_str()).collect();
    assert_eq!(found.join(","), matches, "{}", lines[0]);
}

#[test]
fn known_exports_are_understood() {
    check(
        "",
        &[
            "First Name,Last Name,Photo,Labels,E-mail 1 - Label,E-mail 1 - Value,Phone 1 - Label,Phone 1 - Value,Phone 2 - Value",
            "Ann,Lee,http://x,Work ::: * myContacts,Home,a@example.com ::: b@example.com,Mobile,+525512345601,+525512345609",
            "Bob,,,* myContacts,Home,c@example.com,,,",
        ],
        "email",
        &[
            "firstName",
            "lastName",
            "out",
            "+tags ::: 3",
            "out",
            "email first ::: lower",
            "out",
            "phone first ::: e164",
            "phone_2 first ::: e164",
        ],
    );
    check(
        "",
        &[
            "Name,Given Name,Family Name,Group Membership,E-mail 1 - Type,Phone 1 - Value",
            "Ann Lee,Ann,Lee,* myContacts ::: Work,,+525512345601",
        ],
        "phone",
        &["fullName", "firstName", "lastName", "+tags ::: 3", "out", "phone first ::: e164"],
    );
    check(
        "",
        &[
            "First Name,Last Name,E-mail Address,Home Phone,Mobile Phone,Categories,Birthday",
            "Ann,Lee,a@example.com,+34912345678,+34612345601,One;Two,12/31/1980",
            "Bob,Lee,b@example.com,,+34612345602,,4/5/1981",
        ],
        "phone",
        &[
            "firstName",
            "lastName",
            "email lower",
            "Home Phone e164",
            "phone e164",
            "+tags ; 0",
            "birthday date M/D/YYYY",
        ],
    );
    check(
        "",
        &[
            "Record ID,First Name,Last Name,Email,Phone Number,Lifecycle Stage",
            "101,Ann,Lee,a@example.com,+34612345601,Lead",
            "102,Bob,Lee,b@example.com,,Lead",
        ],
        "crm_id,email",
        &["crm_id", "firstName", "lastName", "email lower", "phone e164", "Lifecycle Stage"],
    );
    check(
        "",
        &["Id,FirstName,LastName,Email,MobilePhone", "A1,Ann,Lee,,+34612345601", "A2,Bob,Lee,b@example.com,"],
        "crm_id,phone,email",
        &["crm_id", "firstName", "lastName", "email lower", "phone e164"],
    );
    check(
        "",
        &[
            "First Name,Phone Number,Email,Tags,Assignee,custom_field.Plan,custom_field.Email",
            "Ann,+34612345601,a@example.com,one;two,rosa@example.com,gold,x@example.com",
        ],
        "phone",
        &["firstName", "phone e164", "email lower", "+tags ; 0", "out", "Plan", "Email"],
    );
}

#[test]
fn headings_in_spanish_and_portuguese_are_understood() {
    check(
        "ES",
        &["Nombre,Apellidos,Tel\u{e9}fono,Correo,Etiquetas", "Ana,Paz,612 345 601,a@example.com,uno|dos"],
        "phone",
        &["firstName", "lastName", "phone e164", "email lower", "+tags | 0"],
    );
    check(
        "",
        &["C\u{f3}digo do cliente,Nome,Celular,Data de nascimento,VIP,Obs", "7,Ana,+5511912345601,03/04/1990,sim,"],
        "crm_id,phone",
        &["crm_id", "firstName", "phone e164", "birthday date D/M/YYYY", "+vip?", "blank"],
    );
}

#[test]
fn what_is_not_sure_stays_as_it_is() {
    // Numbers without a country code, and no country: the addresses are what is the same everywhere.
    let lines = ["Tel\u{e9}fono,Correo", "612 345 601,a@example.com", "612 345 602,b@example.com"];
    check("", &lines, "email", &["phone", "email lower"]);
    let found = guess(&columns(&lines), None);
    assert_eq!(found.country, CountryGuess::Missing { likely: "ES".parse().ok().map(|country| (country, 2)), of: 2 });
    check("ES", &lines, "phone", &["phone e164", "email lower"]);
    // Names that the values do not bear out.
    check("", &["Phone,Email,VIP", "yes,no,gold"], "", &["Phone", "Email", "VIP"]);
    // Values that say more than their names.
    check("", &["A,B", "+34612345601,a@example.com"], "phone", &["phone e164", "email lower"]);
    // No contact has two fields of one name, and none has a name that means something else.
    check(
        "",
        &["phone,Phone,Tags,tags,_x", "1,+34612345601,a,b,c"],
        "phone",
        &["phone_2", "phone e164", "+tags any 0", "+tags any 0", "out"],
    );
    check("", &["contact_id,note,remove_tags", "17,x,a;b"], "", &["id", "note", "-tags ; 0"]);
    // The last resort.
    check("", &["Customer ID,Name", "1,Ann", "2,Bob"], "crm_id", &["crm_id", "firstName"]);
    check("", &["Customer ID,Name", "1,Ann", "1,Bob"], "", &["crm_id", "firstName"]);
}

#[test]
fn an_id_of_the_crm_goes_before_the_phone() {
    check("ES", &["ID,Tel", "1,612345601", "2,612345602"], "crm_id,phone", &["crm_id", "phone e164"]);
    check("", &["ID,Email", "1,a@x.com", "2,b@x.com"], "crm_id,email", &["crm_id", "email lower"]);
    // Not one that several rows have, that many lack, or that a spreadsheet has rounded.
    check("ES", &["ID,Tel", "1,612345601", "1,612345602"], "phone", &["crm_id", "phone e164"]);
    check("ES", &["ID,Tel", "1,612345601", ",612345602"], "phone", &["crm_id", "phone e164"]);
    check("ES", &["ID,Tel", "1.7E+15,612345601", "1.8E+15,612345602"], "phone", &["crm_id", "phone e164"]);
    let found = guess(&columns(&["ID,Tel", "1,612345601", "2,612345602"]), "ES".parse().ok());
    let why: Vec<&str> = found.matches.iter().map(|chosen| chosen.why.as_str()).collect();
    assert_eq!(
        why,
        [
            "filled in 2 of 2 rows, 2 different; a contact is still found by it when its `phone` changes",
            "filled in 2 of 2 rows, 2 different; for contacts that have no id on the platform yet"
        ]
    );
}

#[test]
fn the_contacts_own_address_goes_before_that_of_its_owner() {
    let rows = ["Owner Email,Email,Name", "o@x.com,a@x.com,Ann", "o@x.com,b@x.com,Bob"];
    check("", &rows, "email", &["Owner Email", "email lower", "firstName"]);
    check("", &["Vendedor correo,Nombre", "o@x.com,Ann"], "", &["Vendedor correo", "firstName"]);
    check(
        "",
        &["Work address,Email,Name", "w@x.com,a@x.com,Ann", "v@x.com,,Bob"],
        "email",
        &["email_2 lower", "email lower", "firstName"],
    );
}

#[test]
fn of_a_country_a_phone_that_is_none_is_rejected_and_not_sent_as_it_is() {
    let rows = ["Nombre,Lada,Telefono", "Ana,55,12345678", "Lu,81,12345679"];
    check("MX", &rows, "phone", &["firstName", "Lada", "phone e164"]);
    check("MX", &["Nombre,Telefono", "Ana,5512345678 / 5587654321"], "phone", &["firstName", "phone e164"]);
}

#[test]
fn ids_with_decimals_and_words_for_nothing_are_told() {
    let rows = ["crm_id,phone,name", "1001.0,+525512345678,NULL", "1002.0,+525512345679,N/A", "1003.0,nan,Null"];
    check("MX", &rows, "crm_id,phone", &["crm_id digits", "phone e164", "firstName"]);
    assert_eq!(guess(&columns(&rows), None).nulls, ["NULL", "N/A", "nan"]);
    for word in ["null", "Null", "none", "None", "nil"] {
        let row = format!("Ann,+525512345678,{word}");
        assert_eq!(guess(&columns(&["Name,Phone,Email", &row]), None).nulls, [word]);
    }
    let mixed = ["crm_id,phone", "1001.0,+525512345678", "A-2,+525512345679"];
    check("MX", &mixed, "crm_id,phone", &["crm_id", "phone e164"]);
    assert!(guess(&columns(&mixed), None).nulls.is_empty());
}

#[test]
fn rounded_numbers_are_phones_and_are_counted() {
    let reason = |country: &str, lines: &[&str]| {
        let guess = guess(&columns(lines), country.parse().ok());
        (said(&guess.columns[0].meaning), guess.columns[0].why.clone(), guess.columns[0].rounded)
    };
    let (meaning, why, rounded) = reason("MX", &["Phone", "5.2155E+12", "5.2E+12", "5E12"]);
    assert_eq!((meaning.as_str(), rounded), ("phone e164", 3));
    assert!(why.ends_with("; 3 of 3 are numbers that a spreadsheet has rounded: export the column as text"), "{why}");
    let (meaning, why, rounded) = reason("MX", &["Phone", "5512345678", "5.2155E+12", "+34612345601"]);
    assert_eq!((meaning.as_str(), rounded), ("phone e164", 1));
    assert!(why.contains("; 1 of 3 are phone numbers of MX, 1 of other countries; 1 of 3 are numbers"), "{why}");
    assert_eq!(reason("", &["Tel\u{e9}fono", "5.2155E+12", "5.3E12"]).0, "phone e164");
    assert_eq!(reason("", &["Customer ID", "1.7E+15", "12E5"]).2, 1);
    assert_eq!(reason("", &["contact_id", "1.7E+15"]).2, 1);
    assert_eq!(reason("", &["Sum", "1.7E+15"]).2, 0);
}

#[test]
fn numbers_are_counted_for_the_country_that_they_are_of() {
    let mx = (0..9).map(|n| format!("551234567{n}"));
    let rows: Vec<String> = mx.chain(["+34612345601".to_owned()]).collect();
    let lines: Vec<&str> = ["Phone"].into_iter().chain(rows.iter().map(String::as_str)).collect();
    let found = guess(&columns(&lines), None);
    assert_eq!(found.country, CountryGuess::Missing { likely: "MX".parse().ok().map(|country| (country, 9)), of: 10 });
    let found = guess(&columns(&lines), "MX".parse().ok());
    assert!(found.columns[0].why.ends_with("; 9 of 10 are phone numbers of MX, 1 of other countries"), "{found:?}");
}

#[test]
fn dates_are_guessed_by_country_then_by_language() {
    let date = |country: &str, lines: &[&str]| said(&guess(&columns(lines), country.parse().ok()).columns[0].meaning);
    let english = ["Birthday,First Name", "1/2/1990,Ann"];
    assert_eq!(date("", &english), "birthday date M/D/YYYY");
    assert_eq!(date("GB", &english), "birthday date D/M/YYYY");
    assert_eq!(date("US", &english), "birthday date M/D/YYYY");
    assert_eq!(date("CA", &english), "birthday date M/D/YYYY");
    let spanish = ["Cumplea\u{f1}os,Nombre", "1/2/1990,Ana"];
    assert_eq!(date("", &spanish), "birthday date D/M/YYYY");
    assert_eq!(date("US", &spanish), "birthday date M/D/YYYY");
    // What the values say wins.
    assert_eq!(date("GB", &["Birthday", "12/31/1990", "1/2/1990"]), "birthday date M/D/YYYY");
    assert_eq!(date("US", &["Birthday", "31/12/1990", "1/2/1990"]), "birthday date D/M/YYYY");
    assert_eq!(date("GB", &["Birthday", "1990-12-31", "31/12/1990"]), "birthday date YYYY-MM-DD|D/M/YYYY");
    assert_eq!(date("GB", &["Birthday", "0000-00-00", "31/12/1990"]), "birthday date D/M/YYYY");
    // One that is not in the calendar, in a column of any name.
    let impossible = ["Birthday", "31/12/1990", "1/2/1990", "31/02/1990"];
    assert_eq!(date("", &impossible), "birthday date D/M/YYYY");
    assert_eq!(date("", &["Joined", "31/12/1990", "1/2/1990", "31/02/1990"]), "Joined date D/M/YYYY");
    assert_eq!(date("", &["Joined", "1990-12-31", "1990-02-01", "1990-02-31"]), "Joined date YYYY-MM-DD");
    let why = guess(&columns(&impossible), None).columns[0].why.clone();
    let expected = "; 2 of 3 values are dates as D/M/YYYY; 1 is not in the calendar, and its row would be rejected";
    assert!(why.ends_with(expected), "{why}");
}

#[test]
fn no_reason_and_no_sample_holds_a_value() {
    let lines = ["Nombre,Tel\u{e9}fono,Nacimiento,Ciudad", "Anastasia,612345601,03/04/1990,Villarriba"];
    for column in guess(&columns(&lines), None).columns {
        for value in lines[1].split(',') {
            assert!(!column.why.contains(value), "{column:?}");
            assert!(!column.samples.iter().any(|sample| sample.contains(value)), "{column:?}");
        }
    }
}

#[test]
fn a_column_with_the_country_of_a_phone_is_used_for_it() {
    let code = |heading: &str, codes: [&str; 3], expected: &[&str]| {
        let rows = ["4155552671", "612345678", "55 1234 5678"];
        let lines: Vec<String> = [format!("{heading},Tel\u{e9}fono")]
            .into_iter()
            .chain(codes.iter().zip(rows).map(|(code, phone)| format!("{code},{phone}")))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for country in ["", "MX"] {
            check(country, &lines, "phone", expected);
        }
        assert_ne!(guess(&columns(&lines), None).country, CountryGuess::Missing { likely: None, of: 3 });
        assert_eq!(guess(&columns(&lines), None).country, CountryGuess::Unneeded);
    };
    for heading in ["Prefijo", "Country code", "dial_code", "C\u{f3}digo de pa\u{ed}s", "Lada"] {
        let by = format!("phone e164 by {heading}");
        code(heading, ["+1", "+34", "+52"], &["out", &by]);
        code(heading, ["1", "34", "52"], &["out", &by]);
        code(heading, ["001", "0034", "0052"], &["out", &by]);
        code(heading, ["US", "ES", "MX"], &["out", &by]);
    }
    code("Pa\u{ed}s", ["Estados Unidos", "Espa\u{f1}a", "M\u{e9}xico"], &["country", "phone e164 by Pa\u{ed}s"]);
    code("Country", ["US", "ESP", "mx"], &["country", "phone e164 by Country"]);
    // A code is nearer to a phone than a country.
    check(
        "",
        &["Country,Phone,Dial code", "Mexico,4155552671,+1", "Mexico,612345678,+34"],
        "phone",
        &["country", "phone e164 by Dial code", "out"],
    );
    // Its own name says nothing.
    check(
        "",
        &["C\u{f3}digo Pa\u{ed}s,N\u{fa}mero", "52,5512345678", "1,4155552671"],
        "phone",
        &["out", "phone e164 by C\u{f3}digo Pa\u{ed}s"],
    );
    check("", &["Country code,Points", "52,1512345678", "1,1155552671"], "", &["Country code", "Points"]);
    // Each phone has the code beside it.
    check(
        "",
        &["Prefijo,M\u{f3}vil,Prefijo 2,Tel\u{e9}fono", "+52,5512345678,+52,5587654321", "+34,612345678,+34,912345678"],
        "phone",
        &["out", "phone e164 by Prefijo", "out", "Tel\u{e9}fono e164 by Prefijo 2"],
    );
}

#[test]
fn a_column_with_countries_must_read_more_phones_than_the_country_that_was_said() {
    let code = |country: &str, heading: &str, codes: &[&str], phones: &[&str], by_column: bool| {
        let lines: Vec<String> = [format!("{heading},Phone")]
            .into_iter()
            .chain(codes.iter().zip(phones).map(|(code, phone)| format!("{code},{phone}")))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let found = said(&guess(&columns(&lines), country.parse().ok()).columns[1].meaning);
        let by = format!("phone e164 by {heading}");
        assert_eq!(found, if by_column { by.as_str() } else { "phone e164" }, "{country} {lines:?}");
    };
    let of_mexico = ["5532345671", "5532345672", "5512345673", "3311234567"];
    for heading in ["CC", "ISO", "Country ISO", "Country/Region", "Default Address Country Code", "Phone country"] {
        code("MX", heading, &["MX", "MX", "US", "US"], &of_mexico, false);
        code("MX", heading, &["MX", "MX", "MX", "MX"], &of_mexico, false);
        code("MX", heading, &["MX", "MX", "MX", "ES"], &["5532345671", "5532345672", "5532345673", "612345678"], true);
        code("", heading, &["MX", "MX", "MX", "MX"], &of_mexico, true);
    }
    // Digits with which a number of the country begins are its area code.
    code("MX", "Lada", &["52", "52", "55"], &["3312345671", "3312345672", "5532345674"], false);
    code("MX", "Lada", &["33", "55", "34"], &["3312345671", "5532345672", "612345678"], false);
    code("MX", "Lada", &["52", "52", "34"], &["3312345671", "3312345672", "612345678"], true);
}

#[test]
fn people_in_the_lists_of_a_contact_are_others() {
    let family = [
        "id,name,phone,family.0.name,family.0.phone,family.0.email,contacts.0.name,contacts.0.phone",
        "1,Ann,+525512345671,Kid,+525511111111,k@example.com,Bo,+525522222222",
        "2,Bo,+525512345672,Kid,+525511111112,k@example.com,Cy,+525522222222",
    ];
    let found = guess(&columns(&family), None);
    let fields: Vec<&str> = found.columns.iter().filter_map(ColumnGuess::field).collect();
    assert_eq!(fields[1..3], ["firstName", "phone"]);
    for (field, column) in fields.iter().zip(&found.columns).skip(3) {
        assert_eq!(*field, column.name, "{fields:?}");
    }
    assert!(found.matches.iter().all(|chosen| chosen.field != "email"), "{:?}", found.matches);
    for name in ["orders.0.email", "orders.0.customer.email", "a.0.emails.0.email"] {
        let header = format!("phone,{name}");
        let lines = [header.as_str(), "+525512345671,a@example.com"];
        check("", &lines, "phone", &["phone e164", name]);
    }
    // What a contact has itself, and what it has nothing else of.
    for name in ["emails.0.email", "emailAddresses.0.value", "identity-profiles.0.identities.0.value", "email.0.value"]
    {
        let header = format!("phone,{name}");
        let lines = [header.as_str(), "+525512345671,a@example.com"];
        check("", &lines, "phone", &["phone e164", "email lower"]);
    }
    check("", &["id,contact.0.email", "1,a@example.com"], "crm_id,email", &["crm_id", "email lower"]);
}

#[test]
fn a_column_that_does_not_fit_the_phones_is_not_used_for_them() {
    // Areas, which are no countries, before seven or eight digits.
    check("MX", &["Lada,Tel\u{e9}fono", "55,12345678", "81,87654321"], "phone", &["Lada", "phone e164"]);
    check("MX", &["Prefijo,Tel\u{e9}fono", "Sr.,5512345678", "Dra.,5512345679"], "phone", &["Prefijo", "phone e164"]);
    // Each number has its code.
    let with_codes = ["Country,Phone", "US,+525512345678", "US,+525512345679"];
    check("", &with_codes, "phone", &["country", "phone e164"]);
    // People who live elsewhere.
    let elsewhere = ["Country,Phone", "US,5555551234", "US,5555551235", "MX,5555551236"];
    check("MX", &elsewhere, "phone", &["country", "phone e164"]);
}

#[test]
fn notes_among_phones_leave_them_phones() {
    check(
        "MX",
        &["M\u{f3}vil,Nombre", "5512345678,Ana", "5512345679,Eva", "ver notas,Lu"],
        "phone",
        &["phone e164", "firstName"],
    );
    check("", &["M\u{f3}vil", "+525512345678", "+525512345679", "ver notas"], "phone", &["phone e164"]);
    check("MX", &["M\u{f3}vil", "5512345678", "ver notas"], "phone", &["phone e164"]);
    check("MX", &["M\u{f3}vil", "ver notas", "no", "5512345678"], "", &["M\u{f3}vil"]);
    // A name that says nothing needs more of them.
    check("MX", &["Dato", "+525512345678", "+525512345679", "ver notas"], "", &["Dato"]);
}

#[test]
fn an_id_that_tells_no_contacts_apart_says_why() {
    let why = |lines: &[&str]| guess(&columns(lines), None).columns[0].why.clone();
    let check_why = |lines: &[&str], expected: &str| {
        let why = why(lines);
        assert!(why.ends_with(expected), "{}: {why}", lines[0]);
    };
    let shared = ["C\u{f3}digo,Phone", "A,+525512345678", "A,+525512345679", "B,+525512345670"];
    check_why(&shared, "; no match field, because only 2 of its 3 values are different");
    let blank = ["N\u{ba} cliente,Phone", "1,+525512345678", ",+525512345679", "2,+525512345670"];
    check_why(&blank, "; no match field, because it is blank in 1 of 3 rows");
    let good = ["NIF,Phone", "1A,+525512345678", "2B,+525512345679"];
    assert!(!why(&good).contains("no match field"), "{}", why(&good));
    check("", &good, "crm_id,phone", &["crm_id", "phone e164"]);
    // Of two ids, the one that tells them apart.
    check(
        "",
        &["C\u{f3}digo,ID,Phone", "A,1,+525512345678", "A,2,+525512345679"],
        "crm_id,phone",
        &["C\u{f3}digo", "crm_id", "phone e164"],
    );
}

// What a column of these JSON values is taken for, and what it could be taken for as well. `false` is the boolean.
fn of_values(name: &str, values: &[&str], are_json: bool) -> (String, Option<String>) {
    let falses = values.iter().filter(|value| are_json && **value == "false").count();
    let phones = Sampled { name: "phone".into(), cells: vec!["+525512345678".into(); values.len()], falses: 0 };
    let cells = values.iter().map(|value| (*value).to_owned()).collect();
    let guess = guess(&[phones, Sampled { name: name.to_owned(), cells, falses }], None);
    (said(&guess.columns[1].meaning), guess.columns[1].instead.as_ref().map(said))
}

#[test]
fn a_false_that_is_a_value_is_not_made_blank() {
    // A column whose name asks a question, whatever else it holds.
    for name in ["newsletter", "opt_in", "marketing_opt_in", "is_active", "hasConsent", "Suscrito", "acepta_correos"] {
        for other in ["weekly", "2024-01-05", "7"] {
            for are_json in [true, false] {
                let (meaning, _) = of_values(name, &["false", other, "false"], are_json);
                assert!(!meaning.contains("null"), "{name} {other} {meaning}");
            }
        }
    }
    // The name of a person.
    for (name, field) in
        [("first_name", "firstName"), ("last_name", "lastName"), ("Apellidos", "lastName"), ("name", "firstName")]
    {
        for values in [&["False", "Ann"] as &[&str], &["False"], &["False", "False"]] {
            let (meaning, instead) = of_values(name, values, false);
            assert_eq!((meaning.as_str(), instead), (field, Some(format!("{field} null false"))), "{name} {values:?}");
        }
    }
    // Odoo's blank, which the second line takes for a value where the name does not decide.
    let second = |name: &str| (format!("{name} null false"), Some(name.to_owned()));
    assert_eq!(of_values("street", &["false", "Main 1"], true), second("street"));
    assert_eq!(of_values("city", &["false", "Lima"], true), ("city null false".into(), None));
    assert_eq!(of_values("email", &["False", "a@example.com"], false), ("email null false lower".into(), None));
    let name = ("firstName null false".to_owned(), Some("firstName".to_owned()));
    assert_eq!(of_values("name", &["false", "Ann"], true), name);
}

#[test]
fn a_reason_calls_only_unchanged_values_unchanged() {
    let check = |lines: &[&str], expected: &str| {
        let why = guess(&columns(lines), None).columns[0].why.clone();
        assert!(why.starts_with(expected), "{lines:?} {why}");
    };
    check(&["Joined", "31/12/1990"], "sent under the same name; all values are dates as D/M/YYYY");
    check(&["Joined", "1990-12-31"], "sent unchanged under the same name; dates in ISO 8601 already");
    check(&["Plan", "pro"], "sent unchanged under the same name");
}
