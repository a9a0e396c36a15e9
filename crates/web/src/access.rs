//! Access control of the API.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::Access;
use super::error::ApiError;
use refrain_service::settings::Secret;

/// Passes a request on if it has access to the API, otherwise answers with 401 or 403.
pub(super) async fn check(
    State(access): State<Access>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let allowed = match &access.token {
        Some(token) => check_token(token, request.headers()),
        None => check_local(peer.ip(), request.headers()),
    };
    match allowed {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Checks that the request carries the token (RFC 6750, section 2.1). The time of the comparison does not reveal the
/// token.
fn check_token(token: &Secret, headers: &HeaderMap) -> Result<(), ApiError> {
    let sent = headers.get(AUTHORIZATION).map(axum::http::HeaderValue::as_bytes).unwrap_or_default();
    let (scheme, sent) = sent.split_at_checked(b"Bearer ".len()).unwrap_or_default();
    // A comparison that ends at the first different byte would let a client guess the token byte by byte.
    let is_equal = sent.ct_eq(token.expose().as_bytes());
    if scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(is_equal) {
        return Ok(());
    }
    Err(ApiError::Unauthorized(
        "missing or wrong token; send that of http.api_token_file: Authorization: Bearer TOKEN",
    ))
}

/// Checks that the request comes from a program on this machine, for an API without a token. Requests of a web page in
/// a local browser come from a loopback address, too, but have the host name of the page in `Host`.
fn check_local(peer: IpAddr, headers: &HeaderMap) -> Result<(), ApiError> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    // Both are checked: the address excludes other machines, and the host excludes pages that a browser on this machine
    // has loaded from a foreign name (DNS rebinding).
    if peer.to_canonical().is_loopback() && is_loopback_host(host) {
        return Ok(());
    }
    Err(ApiError::Forbidden("without http.api_token_file the API answers loopback addresses only"))
}

fn is_loopback_host(host: &str) -> bool {
    let name = match host.parse::<SocketAddr>() {
        Ok(address) => return address.ip().to_canonical().is_loopback(),
        Err(_) => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_hosts_are_recognized() {
        for local in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]",
            "[::1]:80",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is_loopback_host(local), "{local}");
        }
        for other in
            ["", "example.org", "localhost.example.org", "127.0.0.1.example.org:80", "10.0.0.1", "[::2]:80"]
        {
            assert!(!is_loopback_host(other), "{other}");
        }
    }
}
