//! Finds the name that was probably meant.

/// The closest of these names, if one is close to `name`.
pub(super) fn closest<'a>(name: &str, mut names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let same = |other: &&str| other.to_lowercase() == name.to_lowercase();
    let mut by_letter = names.clone().filter(|other| is_close(other, name));
    names.find(same).or_else(|| by_letter.next())
}

// Whether two names differ only in case, or in one letter.
fn is_close(one: &str, two: &str) -> bool {
    let chars = |name: &str| name.to_lowercase().chars().collect::<Vec<_>>();
    let (one, two) = (chars(one), chars(two));
    let (long, short) = if one.len() < two.len() { (two, one) } else { (one, two) };
    if long == short {
        return true;
    }
    // One letter is half of a name with two letters.
    if short.len() < 2 || long.len() < 3 || long.len() - short.len() > 1 {
        return false;
    }
    let same = long.iter().zip(&short).take_while(|(a, b)| a == b).count();
    let rest = if long.len() == short.len() { &short[same + 1..] } else { &short[same..] };
    long[same + 1..] == *rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_differs_in_case_before_it_differs_in_a_letter() {
        let names = ["phones", "Phone", "name"];
        assert_eq!(closest("phone", names.into_iter()), Some("Phone"));
        assert_eq!(closest("nane", names.into_iter()), Some("name"));
        assert_eq!(closest("email", names.into_iter()), None);
    }

    #[test]
    fn names_are_close_by_case_or_one_letter() {
        let check = |one: &str, two: &str, close: bool| {
            assert_eq!(is_close(one, two), close, "{one} {two}");
            assert_eq!(is_close(two, one), close, "{two} {one}");
        };
        check("Phone", "phone", true);
        check("phone", "phones", true);
        check("phone", "hone", true);
        check("phone", "phane", true);
        check("phone", "phon", true);
        check("phone", "pone2", false);
        check("phone", "ph", false);
        check("id", "ID", true);
        check("id", "it", false);
        check("a", "ab", false);
        check("", "a", false);
        check("teléfono", "telefono", true);
    }
}
