//! The platforms that sell this API under a name, so that a person gives the name instead of a URL and a limit.

/// What a platform's name stands for. Everything in it is only a default: URL and limit are settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// The name to give.
    pub name: &'static str,
    /// Where its API is.
    pub base_url: &'static str,
    /// How many calls it takes in a minute.
    pub calls_per_minute: u32,
}

/// The known platforms (API.md, "Platforms").
///
/// The documentation of `botcity` names `app.botcity.com`; its public clients call `app.botcity.com.do`.
pub const PRESETS: [Preset; 5] = [
    Preset { name: "1980tic", base_url: "https://app.1980tic.us/api/v1", calls_per_minute: 100 },
    Preset { name: "orade", base_url: "https://chatcentral.orade.com/api/v1", calls_per_minute: 100 },
    Preset { name: "respondio", base_url: "https://app.respond.io/api/v1", calls_per_minute: 100 },
    Preset { name: "okeybot", base_url: "https://app.okeybot.com/api/v1", calls_per_minute: 100 },
    Preset { name: "botcity", base_url: "https://app.botcity.com.do/api/v1", calls_per_minute: 100 },
];

/// No platform goes by this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a platform out of {known}, found `{found}`; any other one is given by its URL", known = names())]
pub struct UnknownPreset {
    /// The name that was given.
    pub found: String,
}

/// Looks a platform up by its name, in capitals or not.
///
/// # Errors
/// [`UnknownPreset`], which lists the names.
pub fn preset(name: &str) -> Result<&'static Preset, UnknownPreset> {
    PRESETS
        .iter()
        .find(|preset| preset.name.eq_ignore_ascii_case(name.trim()))
        .ok_or_else(|| UnknownPreset { found: name.to_owned() })
}

fn names() -> String {
    PRESETS.map(|preset| format!("`{}`", preset.name)).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::BaseUrl;

    #[test]
    fn a_name_gives_its_platform_and_a_wrong_one_the_list() {
        for (name, base_url) in [
            ("1980tic", "https://app.1980tic.us/api/v1"),
            (" Orade ", "https://chatcentral.orade.com/api/v1"),
            ("respondio", "https://app.respond.io/api/v1"),
            ("okeybot", "https://app.okeybot.com/api/v1"),
            ("BotCity", "https://app.botcity.com.do/api/v1"),
        ] {
            let preset = preset(name).unwrap();
            assert_eq!((preset.base_url, preset.calls_per_minute), (base_url, 100), "{name}");
        }
        assert_eq!(
            preset("acme").unwrap_err().to_string(),
            "expected a platform out of `1980tic`, `orade`, `respondio`, `okeybot`, `botcity`, found `acme`; any other one is given by its URL"
        );
    }

    #[test]
    fn every_preset_is_a_valid_base_url() {
        for preset in PRESETS {
            assert_eq!(BaseUrl::parse(preset.base_url, false).unwrap().to_string(), preset.base_url);
            assert!(preset.calls_per_minute > 0);
        }
    }
}
