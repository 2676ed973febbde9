//! The faults by name, and the stage of a call at which each one occurs.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The stage of a call at which a fault occurs. Earlier stages have happened, later ones have not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultStage {
    /// In front of the framework: the token is not checked, the call is not counted and has no effect.
    Network,
    /// After the token was accepted, before the rate limiter: not counted, no effect.
    Gate,
    /// The framework or the application refuses the call: counted, no effect.
    Refusal,
    /// A search answers with a wrong page. Counted.
    Search,
    /// A create has another effect, or names another contact. Counted.
    Create,
    /// The call has its effect, and its answer is lost or replaced. Counted.
    After,
}

macro_rules! faults {
    ($($(#[$doc:meta])+ $fault:ident, $name:literal, $stage:ident;)+) => {
        /// A fault of a call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[$doc])+ $fault,)+
        }

        impl Fault {
            /// All faults, in the order of their definition.
            pub const ALL: &'static [Self] = &[$(Self::$fault,)+];

            /// Its name in the ledger. The command line writes it with hyphens.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)+
                }
            }

            /// The stage at which it occurs.
            pub(super) const fn stage(self) -> FaultStage {
                match self {
                    $(Self::$fault => FaultStage::$stage,)+
                }
            }
        }
    };
}

faults! {
    // Connections, proxies and servers.

    /// The connection closes without an answer.
    LoseBefore, "lose_before", Network;
    /// A proxy's 502 page.
    BadGateway, "bad_gateway", Network;
    /// A proxy's 502 page that carries `X-RateLimit-Limit: 2`, which is the proxy's own limit.
    BadGatewayLimit, "bad_gateway_limit", Network;
    /// A firewall's 403 page.
    FirewallPage, "firewall_page", Network;
    /// A web server's 404 page, as a wrong base URL gives on every call.
    NotFoundPage, "not_found_page", Network;
    /// The framework's own 404 in JSON for a path that it does not know.
    NotFoundJson, "not_found_json", Network;
    /// 413 as nginx answers it. Meant for bodies over [`Rule::over_bytes`](super::Rule::over_bytes).
    BodyTooLarge, "body_too_large", Network;
    /// 414 as nginx answers it. Meant for URLs over [`Rule::over_bytes`](super::Rule::over_bytes).
    UrlTooLong, "url_too_long", Network;
    /// 431 as a page. Meant for request heads over [`Rule::over_bytes`](super::Rule::over_bytes).
    HeadTooLarge, "head_too_large", Network;
    /// A 503 page with a `Retry-After` of [`Faults::throttle_seconds`](super::Faults::throttle_seconds).
    Unavailable, "unavailable", Network;

    // The limit and the account.

    /// A 429 although the limit is not reached, with its headers and a `Retry-After` of
    /// [`Faults::throttle_seconds`](super::Faults::throttle_seconds).
    Throttle, "throttle", Gate;
    /// The same 429 without any of the headers.
    ThrottleBare, "throttle_bare", Gate;
    /// The same 429 with a `Retry-After` of two hours.
    ThrottleHours, "throttle_hours", Gate;
    /// The same 429 with `Retry-After: 1.5`.
    ThrottleFraction, "throttle_fraction", Gate;
    /// The same 429 whose `Retry-After` is an HTTP date, [`Faults::throttle_seconds`](super::Faults::throttle_seconds)
    /// from now.
    ThrottleDate, "throttle_date", Gate;
    /// 403 "API Token has expired."
    TokenExpired, "token_expired", Gate;
    /// 403 "Rate limit exceeded."
    RateLimitExceeded, "rate_limit_exceeded", Gate;
    /// 403 "Quota exceeded for this workspace."
    QuotaExceeded, "quota_exceeded", Refusal;
    /// 402 "Your subscription has expired."
    SubscriptionExpired, "subscription_expired", Refusal;

    // Refusals that do not concern the existence of the contact.

    /// 403 "An unknown error occurred. Please contact support."
    UnknownError, "unknown_error", Refusal;
    /// 404 "Page Not Found. If error persists, contact info@example.com" in the documented envelope.
    PageNotFound, "page_not_found", Refusal;
    /// 400 "Bad Request"
    BadRequest, "bad_request", Refusal;
    /// 422 in the framework's shape, with the failed field under `errors`.
    ValidationFailed, "validation_failed", Refusal;
    /// 422 as `application/problem+json`.
    ProblemJson, "problem_json", Refusal;
    /// 400 whose body is a bare list of messages.
    BareList, "bare_list", Refusal;
    /// 200 with `status: "error"`.
    ErrorWith200, "error_with_200", Refusal;
    /// 403 "Contact owner not found."
    OwnerNotFound, "owner_not_found", Refusal;
    /// 403 "Contact list does not exist"
    ListNotFound, "list_not_found", Refusal;
    /// 403 "Unknown value for contact.plan"
    UnknownPlan, "unknown_plan", Refusal;
    /// A 500, as JSON or as a page by chance.
    Error, "error_500", Refusal;

    // Searches that contradict themselves.

    /// No contacts, but `meta.total: 1`.
    EmptyWithTotal, "empty_with_total", Search;
    /// No contacts, but an `error`.
    EmptyWithError, "empty_with_error", Search;
    /// No contacts, but `status: "fail"`.
    EmptyWithStatusFail, "empty_with_status_fail", Search;
    /// No contacts, but `success: "false"`.
    EmptyWithSuccessFalse, "empty_with_success_false", Search;
    /// `meta.total` is at least 14, and `meta.last_page` is 1.
    TotalBeyondPages, "total_beyond_pages", Search;
    /// `links.next` is set on the last page.
    NextOnLastPage, "next_on_last_page", Search;
    /// The page number is ignored: page 1 again. Does not affect requests for page 1.
    PageIgnored, "page_ignored", Search;
    /// 1,000 pages of contacts that all have the requested value, each with
    /// [`Faults::hit_bytes`](super::Faults::hit_bytes) more.
    EndlessHits, "endless_hits", Search;

    // Creates that are answered with another contact.

    /// A create is answered with the id of the create before it. Does not affect the first one.
    PreviousId, "previous_id", Create;
    /// A create whose `email` a contact has overwrites that contact and answers with its id.
    UpsertByEmail, "upsert_by_email", Create;

    // After the effect.

    /// The connection closes without an answer.
    LoseAfter, "lose_after", After;
    /// A 500, as JSON or as a page by chance.
    ErrorAfter, "error_500_after", After;
    /// A proxy's 502 page.
    BadGatewayAfter, "bad_gateway_after", After;
    /// The answer's head and half of its body come, then the connection closes.
    CutBody, "cut_body", After;
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Takes hyphens for underscores: `unknown-error` is `unknown_error`.
impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.replace('-', "_");
        Self::ALL.iter().copied().find(|fault| fault.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|fault| fault.name()).collect();
            format!("unknown fault `{text}`; expected one of {}", names.join(", ").replace('_', "-"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_name_of_its_own() {
        for &fault in Fault::ALL {
            assert_eq!(fault.name().parse(), Ok(fault));
            assert_eq!(fault.name().replace('_', "-").parse(), Ok(fault));
        }
        assert!("unknown".parse::<Fault>().is_err_and(|error| error.contains("unknown-error")));
    }
}
