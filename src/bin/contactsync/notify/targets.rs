//! The commands and URLs of `[notify]`.

use std::time::Duration;

use contactsync::RowLimit;
use contactsync::alert::{AlertKind, Thresholds};
use contactsync::client::Webhook;

use super::hook;
use crate::config::{Config, NotifyTable};
use crate::failure::Failure;
use crate::options::value::{Name, TimeSpan};
use crate::options::{Layer, Sourced, defaults};

/// The longest time that a command or a URL may take, if `timeout` is not set.
const TIMEOUT: Duration = Duration::from_secs(30);

/// More rejected rows than this are unusual: 10%.
const REJECTS: RowLimit = RowLimit::Share(1_000);

/// A number of rows that differs by more from the usual one is unusual: 50%, in hundredths of a percent.
const ROWS: u64 = 5_000;

/// The least number of nights in a row that stop early and are therefore unusual.
const STOPPED: u32 = 3;

/// What is notified when runs end.
#[derive(Debug)]
pub struct Targets {
    finish: Option<Target>,
    failure: Option<Target>,
    degraded: Option<Target>,
    recovered: Option<Target>,
    pub ping: Option<Webhook>,
    pub timeout: Duration,
    /// The variables with tokens, which commands do not get.
    secrets: Vec<String>,
}

#[derive(Debug)]
enum Target {
    Command(String),
    Url(Webhook),
}

impl Targets {
    /// The targets of a configuration.
    ///
    /// # Errors
    /// If a URL is invalid.
    pub fn of(typed: &Layer, config: &Config) -> Result<Self, Failure> {
        let NotifyTable { on_finish, on_failure, on_degraded, on_recovered, ping_url, timeout, .. } = &config.notify;
        let allow_http = typed.http.allow_http || config.layer.http.allow_http;
        let target = |set: &Option<Sourced<Name>>| set.as_ref().map(|set| target(set, allow_http)).transpose();
        Ok(Self {
            finish: target(on_finish)?,
            failure: target(on_failure)?,
            degraded: target(on_degraded)?,
            recovered: target(on_recovered)?,
            ping: ping_url.as_ref().map(|set| webhook(set, allow_http)).transpose()?,
            timeout: timeout.map_or(TIMEOUT, |TimeSpan(time)| time),
            secrets: secrets(typed, config),
        })
    }

    /// Whether anything is notified.
    pub const fn are_any(&self) -> bool {
        let Self { finish, failure, degraded, recovered, ping, .. } = self;
        finish.is_some() || failure.is_some() || degraded.is_some() || recovered.is_some() || ping.is_some()
    }

    const fn of_kind(&self, kind: AlertKind) -> Option<&Target> {
        match kind {
            AlertKind::Failure => self.failure.as_ref(),
            AlertKind::Degraded => self.degraded.as_ref(),
            AlertKind::Recovered => self.recovered.as_ref(),
        }
    }

    /// Whether messages of this kind are sent.
    pub const fn tells(&self, kind: AlertKind) -> bool {
        self.of_kind(kind).is_some()
    }

    /// Whether the end of every run is reported.
    pub const fn tells_every_end(&self) -> bool {
        self.finish.is_some()
    }

    /// Sends the message.
    ///
    /// # Errors
    /// The key and the cause.
    pub fn tell(&self, kind: AlertKind, json: &str) -> Result<(), String> {
        self.of_kind(kind).map_or(Ok(()), |target| self.send(target, key_of(kind), json))
    }

    /// Reports the end of a run.
    ///
    /// # Errors
    /// The key and the cause.
    pub fn tell_end(&self, json: &str) -> Result<(), String> {
        self.finish.as_ref().map_or(Ok(()), |target| self.send(target, "on_finish", json))
    }

    fn send(&self, target: &Target, key: &str, json: &str) -> Result<(), String> {
        match target {
            Target::Command(line) => hook::run(line, json, self.timeout, &self.secrets)
                .map_err(|error| format!("notify: the command of {key} failed: {error}")),
            Target::Url(hook) => {
                hook.post(json, self.timeout).map_err(|error| format!("notify: {key}: {}: {error}", hook.origin()))
            }
        }
    }
}

/// The key of a message.
const fn key_of(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::Failure => "on_failure",
        AlertKind::Degraded => "on_degraded",
        AlertKind::Recovered => "on_recovered",
    }
}

/// What is unusual, with the defaults.
pub fn thresholds(notify: &NotifyTable) -> Thresholds {
    let degraded = notify.degraded;
    Thresholds {
        rejects: Some(degraded.rejects.unwrap_or(REJECTS)),
        duration: degraded.duration.map(|TimeSpan(time)| time),
        rows: Some(degraded.rows.unwrap_or(ROWS)),
        stopped: Some(degraded.stopped.unwrap_or(STOPPED)),
    }
}

fn target(set: &Sourced<Name>, allow_http: bool) -> Result<Target, Failure> {
    let is_url = ["https://", "http://"].iter().any(|scheme| set.trim_start().to_lowercase().starts_with(scheme));
    if is_url { webhook(set, allow_http).map(Target::Url) } else { Ok(Target::Command(set.to_string())) }
}

fn webhook(set: &Sourced<Name>, allow_http: bool) -> Result<Webhook, Failure> {
    Webhook::parse(set, allow_http).map_err(|error| Failure::usage_text(format!("{}: {error}", set.origin)))
}

fn secrets(typed: &Layer, config: &Config) -> Vec<String> {
    let typed = typed.channel.token.token_env.as_deref().cloned();
    config.token_variables.iter().cloned().chain(typed).chain([defaults::TOKEN_ENV.to_owned()]).collect()
}
