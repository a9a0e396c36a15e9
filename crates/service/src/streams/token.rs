//! Tokens for private channels: JSON Web Tokens with ES384, in the format of IVS playback authorization.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;
use url::Url;

use crate::settings::Secret;

/// Name of the query parameter that contains the token.
const TOKEN_PARAMETER: &str = "token";

/// Header of every token.
const HEADER: &str = r#"{"alg":"ES384","typ":"JWT"}"#;

/// The reason why a key cannot sign tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeyError {
    /// The text is not a private key in PEM.
    #[error(
        "invalid private key for playback: not a private key in PEM; use the file that `openssl ecparam -name secp384r1 -genkey` wrote"
    )]
    NotPem,
    /// The key is not on the curve P-384.
    #[error("invalid private key for playback: IVS requires a key on the curve P-384 (secp384r1)")]
    WrongCurve,
}

/// Signs tokens.
pub struct Signer {
    key: EcdsaKeyPair,
    validity: Duration,
    random: SystemRandom,
}

/// Claims of a token: the right to watch a channel until the time `exp`.
#[derive(Serialize)]
struct Claims<'a> {
    #[serde(rename = "aws:channel-arn")]
    channel: &'a str,
    #[serde(rename = "aws:ads-opt-out")]
    without_ads: bool,
    /// Time when the token expires, seconds since 1970.
    exp: u64,
}

impl Signer {
    /// Creates a signer of tokens that are valid for the duration `validity`. `pem` is a private key on P-384, in the
    /// format SEC1 or PKCS8.
    ///
    /// # Errors
    /// [`SigningKeyError`] if the key is invalid.
    pub fn new(pem: &Secret, validity: Duration) -> Result<Self, SigningKeyError> {
        let der =
            PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| SigningKeyError::NotPem)?;
        let key = EcdsaKeyPair::from_private_key_der(&ECDSA_P384_SHA384_FIXED_SIGNING, der.secret_der());
        Ok(Self { key: key.map_err(|_| SigningKeyError::WrongCurve)?, validity, random: SystemRandom::new() })
    }

    /// Returns the URL with a new token for the channel as its last query parameter. Returns `None` if the system
    /// provides no random numbers. Each token is different, also within a second, because each signature uses its own
    /// random number.
    #[must_use]
    pub fn signed(&self, url: &Url, channel: &str) -> Option<Url> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let exp = (since + self.validity).as_secs();
        // The claim opts out of inserted advertisements, whose audio would be searched in place of that of the stream.
        let claims = serde_json::to_vec(&Claims { channel, without_ads: true, exp }).ok()?;
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.key.sign(&self.random, signed.as_bytes()).ok()?;
        let mut url = url.clone();
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        url.query_pairs_mut().append_pair(TOKEN_PARAMETER, &token);
        Some(url)
    }
}
