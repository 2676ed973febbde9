//! The keys of the mapping, which are no options, for the reference.

/// A key that is no option, for the reference.
pub struct Key {
    pub name: &'static str,
    pub default: &'static str,
    pub meaning: &'static str,
}

const fn key(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { name, default, meaning }
}

/// The keys of the mapping, in the order in which [`rules`] reads them.
pub const KEYS: [Key; 7] = [
    key(
        "unmapped",
        "`\"send\"`",
        "What to do with columns that no rule names: `\"send\"`, `\"ignore\"` or `\"refuse\"`",
    ),
    key("country", "none", "The country of phone numbers without a country code, such as `\"MX\"`"),
    key("nulls", "none", "Words that mean that a cell is blank, in any column, such as `[\"N/A\", \"-\"]`"),
    key(
        "id",
        "column `contact_id`",
        "The column with the platform's contact id, or a table with `column` and `transform`",
    ),
    key("fields", "none", "A table with a line for each custom field: its column, or a table of the keys below"),
    key("tags", "column `tags`", "Tables `[[tags]]`: which columns, or which constant tags, become tags"),
    key("take", "all rows", "Tables `[[take]]`: use only the rows for which all of them hold"),
];

/// The keys of a field's table under `[fields]`.
pub const FIELD_KEYS: [Key; 10] = [
    key("column", "none", "The column with the value; one of `column`, `template` and `constant` is required"),
    key("template", "none", "A text with columns in braces, such as `\"{First} {Last}\"`"),
    key("constant", "none", "The same value for every row: a text, a whole number, or `true` or `false`"),
    key("country_column", "none", "The column with the country of each phone number, for the step `e164`"),
    key("transform", "none", "A list of steps, applied in order (below)"),
    key("type", "`\"text\"`", "The JSON type in which the value is sent: `\"text\"`, `\"number\"` or `\"boolean\"`"),
    key("blank", "`\"keep\"`", "What a blank cell does to the platform's value: `\"keep\"` or `\"clear\"`"),
    key("required", "`false`", "Reject a row whose value is blank"),
    key("accept", "all values", "A list of accepted values; other values are rejected"),
    key("pattern", "all values", "A regular expression that the whole value must match; other values are rejected"),
];

/// The keys of a table `[[tags]]`.
pub const TAG_KEYS: [Key; 8] = [
    key("column", "none", "The column with the tags, or with the answer that `tag` depends on"),
    key("separators", "`;`, `|` and `,`", "The texts that separate tags in a cell"),
    key("except", "none", "Tags to leave out"),
    key("tag", "none", "The tag to set when the cell means yes"),
    key("when", "words for yes", "The words that mean yes, for `tag`"),
    key("constant", "none", "Tags for every row"),
    key("prefix", "none", "A text to put before each tag"),
    key("remove", "`false`", "Remove these tags instead of adding them"),
];

/// The keys of a table `[[take]]`.
pub const TAKE_KEYS: [Key; 4] = [
    key("column", "required", "The column to look at"),
    key("is", "none", "Use rows with one of these values"),
    key("is_not", "none", "Use rows with none of these values"),
    key("not_blank", "`false`", "Use rows with a value"),
];

/// The steps of `transform`, as they are written.
pub const STEPS: [Key; 15] = [
    key("\"trim\"", "", "Remove blanks at both ends"),
    key("\"lower\"", "", "Convert to lower case"),
    key("\"upper\"", "", "Convert to upper case"),
    key("\"collapse_spaces\"", "", "Replace each run of blanks by one space"),
    key("\"digits\"", "", "Keep digits only"),
    key("\"e164\"", "", "Write a phone number as `+` and digits, with the country of `country` or `country_column`"),
    key("\"decimal\"", "", "Write a number with a decimal point and without thousands separators"),
    key("{ e164 = \"MX\" }", "", "Write a phone number of this country as `+` and digits"),
    key("{ date = \"DD/MM/YYYY\" }", "", "Read a date in this form, or in one of a list, and write it in ISO 8601"),
    key("{ table = { B = \"basic\" } }", "", "Replace words by other words"),
    key("{ default = \"none\" }", "", "Use this value for a blank one"),
    key("{ null = \"?\" }", "", "Treat these words as blank"),
    key("{ first = \";\" }", "", "Keep the text before the first separator"),
    key("{ decimal = \",\" }", "", "The same as `\"decimal\"`, for numbers with this decimal separator"),
    key("{ prefix = \"EUR \" }", "", "Put a text before the value"),
];
