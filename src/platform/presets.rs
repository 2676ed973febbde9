//! Known platforms with their URLs and limits, so that a user needs only a name.

/// A known platform. Its URL and limit are defaults that settings can replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name in the settings.
    pub name: &'static str,
    /// The base URL of its API.
    pub base_url: &'static str,
    /// Maximum number of calls a minute (API.md, "Platforms").
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

/// There is no platform with this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {known}, found `{found}`; use the URL for any other platform", known = names())]
pub struct UnknownPreset {
    /// The name.
    pub found: String,
}

/// Finds a platform by its name, in any case.
///
/// # Errors
/// [`UnknownPreset`] with the known names.
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
    fn a_platform_is_found_by_its_name() {
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
            "expected one of `1980tic`, `orade`, `respondio`, `okeybot`, `botcity`, found `acme`; use the URL for any other platform"
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
