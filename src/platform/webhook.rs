//! A URL that is notified when runs end: a webhook of a chat or an alert service, or the check of a health-check service.

use std::thread;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url, redirect};

use super::endpoint::{UrlError, is_loopback};
use super::transport::CONNECT_TIMEOUT;
use super::transport::failure::deepest;
use super::transport::tls;

/// Maximum number of redirects that are followed, all on the same host.
const REDIRECTS: usize = 5;

/// A URL that messages are sent to. It may contain a secret, so only its [origin](Self::origin) is printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    url: Url,
}

/// Why a message was not delivered. No message repeats the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// There is no answer.
    #[error("{0}")]
    NoAnswer(String),
    /// The answer is a refusal.
    #[error("answered {0}")]
    Refused(u16),
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Webhook").field(&self.origin()).finish()
    }
}

impl Webhook {
    /// Checks a URL. Plain `http://` is accepted for this machine only, unless `allow_http` is set.
    ///
    /// # Errors
    /// A [`UrlError`] with the reason in one line, without the URL.
    pub fn parse(text: &str, allow_http: bool) -> Result<Self, UrlError> {
        let text = text.trim();
        if let Some(odd) = text.chars().find(|&c| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(UrlError::Character(odd));
        }
        let (scheme, _) = text.split_once("://").ok_or(UrlError::NotAbsolute)?;
        let url = Url::parse(text).map_err(|error| UrlError::Unreadable(error.to_string()))?;
        if !["https", "http"].contains(&url.scheme()) {
            return Err(UrlError::Scheme(scheme.chars().take(20).collect()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        let host = url.host_str().ok_or_else(|| UrlError::Unreadable("no host".to_owned()))?;
        if url.scheme() == "http" && !is_loopback(host) && !allow_http {
            return Err(UrlError::Plain(host.to_owned()));
        }
        Ok(Self { url })
    }

    /// The scheme, the host and the port: the part of the URL that is no secret.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The URL with a further segment of its path, such as `start`. A query stays at the end.
    #[must_use]
    pub fn below(&self, segment: &str) -> Self {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(segment);
        }
        Self { url }
    }

    /// Sends a GET request and waits for the answer. It may be called in and outside of a runtime.
    ///
    /// # Errors
    /// A [`WebhookError`] if there is no answer within the time limit, or the answer is not a success.
    pub fn get(&self, timeout: Duration) -> Result<(), WebhookError> {
        self.send(None, timeout)
    }

    /// Sends JSON in a POST request and waits for the answer. It may be called in and outside of a runtime.
    ///
    /// # Errors
    /// The same as [`Webhook::get`].
    pub fn post(&self, json: &str, timeout: Duration) -> Result<(), WebhookError> {
        self.send(Some(json.to_owned()), timeout)
    }

    // On a thread with a runtime for this request: the caller may be a task of another runtime, which must not block.
    fn send(&self, json: Option<String>, timeout: Duration) -> Result<(), WebhookError> {
        let broken = |error: &dyn std::fmt::Display| WebhookError::NoAnswer(error.to_string());
        let this = self.clone();
        let sent = thread::Builder::new().name("webhook".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| broken(&error))?.block_on(this.request(json, timeout))
        });
        let joined = sent.map_err(|error| broken(&error))?.join();
        joined.unwrap_or_else(|_| Err(WebhookError::NoAnswer("the request failed".to_owned())))
    }

    async fn request(&self, json: Option<String>, timeout: Duration) -> Result<(), WebhookError> {
        let client = self.client(timeout)?;
        let request = match json {
            Some(json) => client.post(self.url.clone()).header(CONTENT_TYPE, "application/json").body(json),
            None => client.get(self.url.clone()),
        };
        let answer = request.send().await.map_err(|error| WebhookError::NoAnswer(cause(&error, timeout)))?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(WebhookError::Refused(status.as_u16())) }
    }

    fn client(&self, timeout: Duration) -> Result<Client, WebhookError> {
        let (is_encrypted, own) = (self.url.scheme() == "https", self.url.clone());
        let tls = if is_encrypted { tls::trusting_this_machine() } else { tls::trusting_nothing() };
        let tls = tls.map_err(|error| WebhookError::NoAnswer(error.to_string()))?;
        // Another host was not chosen by the user, and another scheme may be unencrypted.
        let within = redirect::Policy::custom(move |attempt| {
            let is_near = attempt.url().origin() == own.origin() && attempt.previous().len() <= REDIRECTS;
            // After the others, a client sends a GET without the message.
            let keeps_message =
                [StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT].contains(&attempt.status());
            if is_near && keeps_message { attempt.follow() } else { attempt.stop() }
        });
        let mut client = Client::builder()
            .user_agent(concat!("contactsync/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .redirect(within)
            .referer(false)
            .https_only(is_encrypted)
            .tls_backend_preconfigured(tls);
        if self.url.host_str().is_some_and(is_loopback) {
            client = client.no_proxy();
        }
        client.build().map_err(|error| WebhookError::NoAnswer(deepest(&error)))
    }
}

fn cause(error: &reqwest::Error, timeout: Duration) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", timeout.as_secs_f64());
    }
    if error.is_dns() {
        return "unknown host name".to_owned();
    }
    deepest(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_checked_and_only_its_origin_is_shown() {
        let check = |text: &str, expected: Result<&str, &str>| match (Webhook::parse(text, false), expected) {
            (Ok(hook), Ok(origin)) => {
                assert_eq!(hook.origin(), origin, "{text}");
                assert!(!format!("{hook:?}").contains("s3cret"), "{hook:?}");
            }
            (Err(error), Err(part)) => {
                let error = error.to_string();
                assert!(error.contains(part) && !error.contains("s3cret"), "{text}: {error}");
            }
            (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
        };
        check("https://hooks.example.com/services/s3cret?key=s3cret", Ok("https://hooks.example.com"));
        check(" http://127.0.0.1:81/s3cret ", Ok("http://127.0.0.1:81"));
        check("http://[::1]:81/", Ok("http://[::1]:81"));
        check("http://hooks.example.com/s3cret", Err("plain `http://` to `hooks.example.com`"));
        check("https://me:s3cret@example.com/", Err("before `@`"));
        check("https://example.com/#s3cret", Err("from `#` on"));
        check("https://exa mple.com/s3cret", Err("' '"));
        check("ftp://example.com/s3cret", Err("found `ftp://`"));
        check("s3cret", Err("without `https://`"));
        assert!(Webhook::parse("http://10.0.0.7/", true).is_ok());
    }

    #[test]
    fn a_segment_is_added_before_the_query() {
        let check = |text: &str, expected: &str| {
            let hook = Webhook::parse(text, false).unwrap().below("start");
            assert_eq!(hook.url.as_str(), expected);
        };
        check("https://hc.example.com/uuid", "https://hc.example.com/uuid/start");
        check("https://hc.example.com/uuid/", "https://hc.example.com/uuid/start");
        check("https://hc.example.com/uuid?create=1", "https://hc.example.com/uuid/start?create=1");
        check("https://hc.example.com", "https://hc.example.com/start");
    }
}
