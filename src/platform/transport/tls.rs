//! The TLS configuration of the HTTP clients.

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, Error, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// The protocol that reqwest speaks without its feature `http2`, as servers know it (RFC 7301).
const HTTP_1_1: &[u8] = b"http/1.1";

/// A configuration that trusts the certificates which this machine trusts.
///
/// # Errors
/// A [`rustls::Error`] when the machine has none.
pub(in crate::platform) fn trusting_this_machine() -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let mut config = builder.with_safe_default_protocol_versions()?.with_platform_verifier()?.with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(config)
}

/// A configuration that trusts no certificate, for connections that are not encrypted: it needs none on this machine.
///
/// # Errors
/// A [`rustls::Error`] when the cryptography supports no version of the protocol.
pub(in crate::platform) fn trusting_nothing() -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let roots = RootCertStore::empty();
    Ok(builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}
