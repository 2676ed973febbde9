//! Suggestions for misspelt names.

/// The name that is nearest to `found`, if it is near enough.
///
/// Case is ignored, and `-` equals `_`. An added, missing, changed or swapped letter is one step. A name of up to five
/// letters may be one step away, a longer one a step for each three letters.
fn nearest<'n>(found: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    let found = plain(found);
    let steps = |name: &str| strsim::damerau_levenshtein(&plain(name), &found);
    let allowed = |name: &str| (name.chars().count() / 3).max(1);
    names
        .into_iter()
        .map(|name| (steps(name), name))
        // In a name of one or two letters, one letter is half of it.
        .filter(|&(steps, name)| steps <= allowed(name) && (steps == 0 || name.chars().count() > 2))
        .min_by_key(|&(steps, _)| steps)
        .map(|(_, name)| name)
}

/// `; did you mean …?` if a name is near, otherwise an empty text.
pub fn did_you_mean<'n>(found: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    nearest(found, names).map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// The message about a text that is none of the expected ones. It does not repeat the text, which could be a secret.
pub fn not_one_of(found: &str, expected: &[&str]) -> String {
    let meant = did_you_mean(found, expected.iter().copied());
    format!("expected one of {}, found another text{meant}", expected.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_told_from_another_one() {
        let names = ["url", "rate", "burst", "token_env", "token_file", "channel_column", "id", "for"];
        let check = |found: &str, expected: Option<&str>| assert_eq!(nearest(found, names), expected, "{found}");
        check("tokn_env", Some("token_env"));
        check("token-env", Some("token_env"));
        check("TokenEnv", Some("token_env"));
        check("token_flie", Some("token_file"));
        check("chanel_colum", Some("channel_column"));
        check("rtae", Some("rate"));
        check("rates", Some("rate"));
        check("URL", Some("url"));
        check("uri", Some("url"));
        check("ID", Some("id"));
        check("is", None);
        check("speed", None);
        check("token", None);
        check("", None);
        assert_eq!(did_you_mean("brust", names), "; did you mean `burst`?");
        assert_eq!(did_you_mean("nothing", names), "");
    }
}
