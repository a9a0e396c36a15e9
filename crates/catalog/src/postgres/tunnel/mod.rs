//! TLS for servers whose certificate is rejected by the TLS of sqlx although the certificate does not have to be
//! verified.
//!
//! With `sslmode=prefer` and `sslmode=require`, libpq accepts any certificate. In these modes, sqlx makes rustls skip
//! the verification of the issuer and the name. However, rustls still parses the certificate to check the signature of
//! the handshake, and its parser supports X.509 version 3 only. Citus generates version 1; old keys and signatures are
//! rejected the same way. sqlx has no hook for another verifier. Only for such a server, this module opens a Unix
//! socket in a folder that other users cannot read. Connections of sqlx to this socket use no TLS. This module forwards
//! each of them to the server through TLS that accepts any certificate.
//!
//! The signature of the handshake is not checked, because without a verified certificate it proves nothing. As with
//! libpq, these modes protect against eavesdropping on the network and not against an impostor; `verify-full` protects
//! against both.

#[cfg(unix)]
mod relay;
#[cfg(unix)]
mod verifier;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

#[cfg(not(unix))]
use super::error::PostgresName;
use crate::CatalogError;

#[cfg(unix)]
pub(super) use relay::Tunnel;

/// Part of the error text of rustls for a certificate that it rejects; sqlx passes on only the text.
const REJECTED_CERTIFICATE: &str = "invalid peer certificate";

/// Returns true if the connection failed only because of a certificate that does not have to be verified.
pub(super) fn is_needed(options: &PgConnectOptions, error: &CatalogError) -> bool {
    // `verify-ca` and `verify-full` are excluded, because a certificate that cannot be parsed cannot be verified.
    let unverified = matches!(options.get_ssl_mode(), PgSslMode::Prefer | PgSslMode::Require);
    let rejected = matches!(error, CatalogError::Tls { detail, .. } if detail.contains(REJECTED_CERTIFICATE));
    unverified && rejected
}

/// Placeholder for platforms without Unix sockets.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) struct Tunnel;

#[cfg(not(unix))]
impl Tunnel {
    pub(super) async fn open(
        _options: &PgConnectOptions,
        name: &PostgresName,
    ) -> Result<(Self, PgConnectOptions), CatalogError> {
        Err(name.cannot_open(
            "its certificate is of an old version that can be used on Unix only; issue one of X.509 version 3",
        ))
    }
}
