//! A request to the sandbox: one of the six calls.

use super::answer::ApiError;
use super::body::Fields;
use super::fault::{Fault, FaultStage};
use crate::core::call::CallKind;

/// A parsed request. An invalid body is kept as its refusal, which is answered after the limiter has counted the call.
#[derive(Clone, Debug, PartialEq)]
pub enum ApiRequest {
    /// One page of a search.
    Find {
        /// The field.
        name: Option<String>,
        /// The value.
        value: Option<String>,
        /// From 1.
        page: usize,
    },
    /// One contact.
    Read(String),
    /// A new contact.
    Create(Result<Fields, ApiError>),
    /// New values for fields.
    Update(String, Result<Fields, ApiError>),
    /// Additional tags.
    AddTags(String, Result<Vec<String>, ApiError>),
    /// Tags to remove.
    RemoveTags(String, Result<Vec<String>, ApiError>),
}

impl ApiRequest {
    /// The kind of call.
    pub const fn kind(&self) -> CallKind {
        match self {
            Self::Find { .. } => CallKind::Find,
            Self::Read(_) => CallKind::Read,
            Self::Create(_) => CallKind::Create,
            Self::Update(..) => CallKind::Update,
            Self::AddTags(..) => CallKind::AddTags,
            Self::RemoveTags(..) => CallKind::RemoveTags,
        }
    }

    /// Whether it has an effect if it succeeds.
    pub const fn writes(&self) -> bool {
        match self {
            Self::Find { .. } | Self::Read(_) => false,
            Self::Create(_) | Self::Update(..) | Self::AddTags(..) | Self::RemoveTags(..) => true,
        }
    }

    /// Whether a fault can affect a request; `None` is a request for none of the six calls.
    pub(super) fn is_affected(request: Option<&Self>, fault: Fault) -> bool {
        match (fault.stage(), request) {
            (FaultStage::Search, Some(Self::Find { page, .. })) => fault != Fault::PageIgnored || *page > 1,
            (FaultStage::Network, _)
            | (FaultStage::Create, Some(Self::Create(_)))
            | (FaultStage::Gate | FaultStage::Refusal | FaultStage::After, Some(_)) => true,
            (FaultStage::Search | FaultStage::Create, Some(_))
            | (
                FaultStage::Gate | FaultStage::Refusal | FaultStage::Search | FaultStage::Create | FaultStage::After,
                None,
            ) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_only_calls_that_it_can_change() {
        let find = |page| ApiRequest::Find { name: None, value: None, page };
        let create = ApiRequest::Create(Ok(Vec::new()));
        let check = |fault: Fault, request: Option<&ApiRequest>, expected: bool| {
            assert_eq!(ApiRequest::is_affected(request, fault), expected, "{fault} {request:?}");
        };
        check(Fault::EmptyWithTotal, Some(&find(1)), true);
        check(Fault::EmptyWithTotal, Some(&create), false);
        check(Fault::PageIgnored, Some(&find(1)), false);
        check(Fault::PageIgnored, Some(&find(2)), true);
        check(Fault::PreviousId, Some(&create), true);
        check(Fault::PreviousId, Some(&find(1)), false);
        check(Fault::UnknownError, Some(&create), true);
        check(Fault::UnknownError, None, false);
        check(Fault::NotFoundPage, None, true);
    }
}
