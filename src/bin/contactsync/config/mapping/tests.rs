//! The keys of the mapping, and the error for each kind of mistake.

use contactsync::contact::Value;
use contactsync::mapping::rules::{Blank, DecimalMark, Unmapped, ValueType};

use super::super::file::tests::file;
use super::*;

fn read(text: &str) -> Result<Rules, ConfigError> {
    let file = file(text);
    let mut table = file.root()?;
    let rules = rules(&mut table)?;
    table.finish()?;
    Ok(rules)
}

fn at(name: &str, line: usize) -> ColumnName {
    ColumnName { name: name.into(), line: Some(line) }
}

#[test]
fn every_rule_of_a_field_can_be_set() {
    let rules = read(
        r#"
        unmapped = "refuse"
        country = "MX"
        nulls = ["N/A", "-"]
        id = { column = "ID", transform = "digits" }

        [fields]
        phone = { column = "Tel", transform = ["digits", { e164 = "ES" }, "e164"], required = true }
        name = { template = "{A} {B}", transform = ["trim", "lower", "upper", "collapse_spaces"], blank = "clear" }
        city = "Ciudad"
        born = { column = "F", transform = { date = ["DD/MM/YYYY", "D/M/YYYY"] } }
        plan = { column = "P", transform = [{ table = { S = "yes" } }, { default = "no" }, { null = "-" }], accept = ["yes", "no"] }
        zip = { column = "Z", transform = [{ first = ";" }], pattern = "[0-9]{5}", blank = "keep" }
        vip = { constant = true }
        level = { constant = 3 }
        source = { constant = "crm" }
        points = { column = "Puntos", type = "number" }
        active = { constant = 1, type = "boolean" }
        note = { column = "Nota", type = "text" }
        sum = { column = "S", transform = ["decimal", { decimal = "," }, { decimal = "." }, { prefix = "EUR " }] }
        mobile = { column = "M", country_column = "Pref", transform = ["e164"] }
        "#,
    )
    .unwrap();
    let field = |name: &str, line| FieldRule { line: Some(line), ..FieldRule::column(name, at("", line)) };
    let of =
        |name: &str, column: &str, line| FieldRule { origin: Origin::Column(at(column, line)), ..field(name, line) };
    let constant = |value| Origin::Constant(value);
    let table = WordTable::new([("S".into(), "yes".into())]).unwrap();
    let dates = ["DD/MM/YYYY", "D/M/YYYY"].map(|form| form.parse().unwrap()).to_vec();
    let expected = Rules {
        id: Some(IdRule { column: at("ID", 5), steps: vec![Step::Digits] }),
        fields: vec![
            FieldRule {
                steps: vec![Step::Digits, Step::E164("ES".parse().ok()), Step::E164(None)],
                required: true,
                ..of("phone", "Tel", 8)
            },
            FieldRule {
                origin: Origin::Template("{A} {B}".parse().unwrap()),
                steps: vec![Step::Trim, Step::Lower, Step::Upper, Step::CollapseSpaces],
                blank: Blank::Clear,
                ..field("name", 9)
            },
            of("city", "Ciudad", 10),
            FieldRule { steps: vec![Step::Date(dates)], ..of("born", "F", 11) },
            FieldRule {
                steps: vec![Step::Table(table), Step::Default("no".into()), Step::Null(Words::new(["-"]))],
                accept: Some(Accept::Values(vec!["yes".into(), "no".into()])),
                ..of("plan", "P", 12)
            },
            FieldRule {
                steps: vec![Step::First(";".into())],
                accept: Some(Accept::Pattern("[0-9]{5}".parse().unwrap())),
                ..of("zip", "Z", 13)
            },
            FieldRule { origin: constant(Value::Bool(true)), ..field("vip", 14) },
            FieldRule { origin: constant(Value::Number(3.into())), ..field("level", 15) },
            FieldRule { origin: constant(Value::Text("crm".into())), ..field("source", 16) },
            FieldRule { value_type: ValueType::Number, ..of("points", "Puntos", 17) },
            FieldRule {
                origin: constant(Value::Number(1.into())),
                value_type: ValueType::Boolean,
                ..field("active", 18)
            },
            of("note", "Nota", 19),
            FieldRule {
                steps: vec![
                    Step::Decimal(None),
                    Step::Decimal(Some(DecimalMark::Comma)),
                    Step::Decimal(Some(DecimalMark::Point)),
                    Step::Prefix("EUR ".into()),
                ],
                ..of("sum", "S", 20)
            },
            FieldRule { country_column: Some(at("Pref", 21)), steps: vec![Step::E164(None)], ..of("mobile", "M", 21) },
        ],
        unmapped: Unmapped::Refuse,
        nulls: Words::new(["N/A", "-"]),
        country: "MX".parse().ok(),
        ..Rules::default()
    };
    assert_eq!(rules, expected);
    assert_eq!(read("").unwrap(), Rules::default());
}

#[test]
fn every_rule_of_tags_and_rows_can_be_set() {
    let rules = read(
        r#"
        [[tags]]
        column = "T"
        separators = [";", " ::: "]
        except = "old"
        prefix = "crm: "

        [[tags]]
        column = "V"
        tag = "VIP"

        [[tags]]
        column = "W"
        tag = "W"
        when = ["on"]
        remove = true

        [[tags]]
        constant = ["a", "b"]

        [[take]]
        column = "E"
        is = ["x", "y"]

        [[take]]
        column = "E"
        is_not = "z"

        [[take]]
        column = "Tel"
        not_blank = true
        "#,
    )
    .unwrap();
    let tags = |origin| TagRule { origin, prefix: String::new(), remove: false };
    let expected = Rules {
        tags: vec![
            TagRule {
                prefix: "crm: ".into(),
                ..tags(TagOrigin::Column {
                    column: at("T", 3),
                    separators: vec![";".into(), " ::: ".into()],
                    except: Words::new(["old"]),
                })
            },
            tags(TagOrigin::When { column: at("V", 9), yes: Words::new(YES), tag: "VIP".into() }),
            TagRule {
                remove: true,
                ..tags(TagOrigin::When { column: at("W", 13), yes: Words::new(["on"]), tag: "W".into() })
            },
            tags(TagOrigin::Constant(vec!["a".into(), "b".into()])),
        ],
        take: vec![
            TakeRule { column: at("E", 22), when: TakeWhen::Is(Words::new(["x", "y"])) },
            TakeRule { column: at("E", 26), when: TakeWhen::IsNot(Words::new(["z"])) },
            TakeRule { column: at("Tel", 30), when: TakeWhen::NotBlank },
        ],
        ..Rules::default()
    };
    assert_eq!(rules, expected);
}

fn check(text: &str, expected: &str) {
    let message = read(text).expect_err(text).to_string();
    assert_eq!(message, format!("c.toml:{expected}"), "{text}");
}

#[test]
fn a_mistake_in_a_key_of_the_whole_file_is_reported_in_one_line() {
    check(
        "unmapped = \"ignor\"",
        "1: key `unmapped`: expected one of send, ignore, refuse, found another text; did you mean `ignore`?",
    );
    check("country = \"Mexico\"", "1: key `country`: expected a country's two letters, such as MX, found `Mexico`");
    check("nulls = [1]", "1: key `nulls`: expected a text in quotes, found a whole number");
    let id = "expected the name of a column in quotes, or a table with `column` and `transform`";
    check("id = 5", &format!("1: key `id`: {id}, found a whole number"));
    check("id = { transform = \"digits\" }", "1: key `id`: expected a table with `column`, found none in it");
    check("fields = \"x\"", "1: key `fields`: expected a table [fields], a line for each field, found text");
    check("tags = \"x\"", "1: key `tags`: expected tables that begin with [[tags]], found text");
    check(
        "[take]\ncolumn = \"x\"",
        "1: [[take]]: expected one of `is`, `is_not` and `not_blank = true`, found none or several",
    );
}

#[test]
fn a_mistake_in_a_field_is_reported_in_one_line() {
    let field = |line: &str, expected: &str| check(&format!("[fields]\n{line}\n"), &format!("2: key {expected}"));
    field("phone = 5", &format!("`phone`: expected {FIELD}, found a whole number"));
    field("phone = \" \"", "`phone`: expected the name of a column, found an empty text");
    let one = "`phone`: expected one of `column`, `template` and `constant`, found";
    field("phone = {}", &format!("{one} none of them"));
    field("phone = { column = \"a\", constant = 1 }", &format!("{one} several"));
    check("[fields]\nphone = { colum = \"a\" }", "2: unknown key `colum`; did you mean `column`?");
    check("[fields]\nphone = { column = \"a\", requird = true }", "2: unknown key `requird`; did you mean `required`?");
    field("phone = { column = \"a\", required = 1 }", "`required`: expected true or false, found a whole number");
    field("phone = { column = \"a\", blank = \"empty\" }", "`blank`: expected one of keep, clear, found another text");
    field(
        "phone = { column = \"a\", country_column = \"b\" }",
        "`country_column`: expected the step e164 in `transform`, found none: the country is for phone numbers",
    );
    field(
        "phone = { constant = 1.5 }",
        "`constant`: expected a text in quotes, a whole number, or true or false, found a number with a decimal point",
    );
    field(
        "phone = { template = \"{A\" }",
        "`template`: expected a `}` for each `{`, found an unmatched `{` (write `{{` for the character itself)",
    );
    field(
        "phone = { template = \"A\" }",
        "`template`: expected a column in braces, such as `{Name}`, found none: text without a column is a constant",
    );
    field(
        "phone = { column = \"a\", accept = [\"x\"], pattern = \"y\" }",
        "`pattern`: expected `accept` or `pattern`, found both",
    );
    field(
        "phone = { column = \"a\", pattern = \"[0-9\" }",
        "`pattern`: expected a regular expression, found unclosed character class",
    );
}

#[test]
fn a_misplaced_key_is_reported_with_its_right_place() {
    check("[fields]\nnulls = [\"-\"]", "2: key `nulls`: it is not a field; move it above all tables");
    let table = "it belongs to the whole file; move it above all tables";
    check("[[tags]]\ncolumn = \"a\"\ncountry = \"MX\"", &format!("3: key `country`: {table}"));
    check("[[take]]\ncolumn = \"a\"\nunmapped = \"send\"", &format!("3: key `unmapped`: {table}"));
    let step = "it is a step; write it in a list, as in transform = [\"lower\", { default = \"none\" }]";
    check("[fields]\nplan = { column = \"a\", default = \"x\" }", &format!("2: key `default`: {step}"));
    check("[fields]\nplan = { column = \"a\", upper = true }", &format!("2: key `upper`: {step}"));
    // A field may be called as a key of the whole file is.
    assert!(read("[fields]\ncountry = \"País\"").is_ok());
}

#[test]
fn a_mistake_in_a_step_is_reported_in_one_line() {
    let step = |step: &str, expected: &str| {
        let text = format!("[fields]\nphone = {{ column = \"a\", transform = [{step}] }}\n");
        check(&text, &format!("2: key {expected}"));
    };
    let named = "expected one of trim, lower, upper, collapse_spaces, digits, e164, decimal, found another text";
    step("\"uper\"", &format!("`transform`: {named}; did you mean `upper`?"));
    step("5", "`transform`: expected a step such as \"lower\" or { e164 = \"MX\" }, found a whole number");
    step("{}", "`transform`: expected a step such as { e164 = \"MX\" }, found empty braces");
    step(
        "{ e164 = \"MX\", default = \"x\" }",
        "`transform`: expected one step in braces, found several; write each in its own braces",
    );
    step("{ e164 = \"M\" }", "`e164`: expected a country's two letters, such as MX, found `M`");
    step("{ date = \"%d/%m/%Y\" }", "`date`: expected letters such as YYYY, MM, DD, HH, mm and ss, found `d`");
    step("{ date = \"DD/MM\" }", "`date`: expected a form with `YYYY`, such as DD/MM/YYYY, found none in it");
    step("{ table = { s = \"1\", S = \"2\" } }", "`table`: expected each word once, found `S` twice (case is ignored)");
    step("{ decimal = \";\" }", "`decimal`: expected \",\" or \".\", found another text");
    step("{ prefix = \"\" }", "`prefix`: expected a text, found an empty one");
    check(
        "[fields]\nphone = { column = \"a\", transform = [{ tabel = { s = \"1\" } }] }",
        "2: unknown key `tabel`; did you mean `table`?",
    );
    // Of a list over several lines, the place is that of the step.
    check(
        "[fields]\nphone = { column = \"a\", transform = [\n  \"trim\",\n  \"uper\",\n] }",
        &format!("4: key `transform`: {named}; did you mean `upper`?"),
    );
}

#[test]
fn a_mistake_in_tags_and_conditions_is_reported_in_one_line() {
    let choice = "expected `column` with `separators` and `except`, or `column` with `tag` and `when`, or `constant`, \
                  found another choice";
    check("[[tags]]\nseparators = \";\"", &format!("1: [[tags]]: {choice}"));
    check("[[tags]]\ncolumn = \"a\"\ntag = \"b\"\nseparators = \";\"", &format!("1: [[tags]]: {choice}"));
    check("[[tags]]\ncolumn = \"a\"\nconstant = \"b\"", &format!("1: [[tags]]: {choice}"));
    check(
        "[[tags]]\ncolumn = \"a\"\nseparators = [\"\"]",
        "3: key `separators`: expected a separator, found an empty text",
    );
    check("[[tags]]\ncolunm = \"a\"", "2: unknown key `colunm`; did you mean `column`?");
    check("[[take]]\nis = \"a\"", "1: [[take]]: expected a `column`, found none");
    let one = "expected one of `is`, `is_not` and `not_blank = true`, found none or several";
    check("[[take]]\ncolumn = \"a\"", &format!("1: [[take]]: {one}"));
    check("\n[[take]]\ncolumn = \"a\"\nis = \"a\"\nis_not = \"b\"", &format!("2: [[take]]: {one}"));
}
