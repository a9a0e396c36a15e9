//! Tokens of private channels: JSON Web Tokens of ES384, as the playback authorization of IVS has them.

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

/// The name of the token in a query.
const TOKEN: &str = "token";

/// The header of every token.
const HEADER: &str = r#"{"alg":"ES384","typ":"JWT"}"#;

/// Why a key cannot sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No private key in PEM.
    #[error(
        "the private key for playback is no PEM of a private key; give the file that `openssl ecparam -name secp384r1 -genkey` wrote"
    )]
    NotPem,
    /// A key of another kind.
    #[error("the private key for playback is of no use: IVS wants one on the curve P-384 (secp384r1)")]
    OtherKind,
}

/// Signs tokens.
pub struct Signer {
    key: EcdsaKeyPair,
    lasts: Duration,
    random: SystemRandom,
}

/// What a token claims: the right to look at a channel until a time.
#[derive(Serialize)]
struct Claims<'a> {
    #[serde(rename = "aws:channel-arn")]
    channel: &'a str,
    #[serde(rename = "aws:ads-opt-out")]
    without_ads: bool,
    /// Seconds since 1970.
    exp: u64,
}

impl Signer {
    /// Signs with this key (PEM of SEC 1 or PKCS #8, on P-384) tokens that are good for so long.
    ///
    /// # Errors
    /// [`KeyError`] if it is none.
    pub fn new(pem: &Secret, lasts: Duration) -> Result<Self, KeyError> {
        let der = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| KeyError::NotPem)?;
        let key = EcdsaKeyPair::from_private_key_der(&ECDSA_P384_SHA384_FIXED_SIGNING, der.secret_der());
        Ok(Self { key: key.map_err(|_| KeyError::OtherKind)?, lasts, random: SystemRandom::new() })
    }

    /// The URL with a new token for the channel behind what it asks for. `None` if the system has no random numbers.
    /// Two of them differ also within a second: each signature has its own random number.
    #[must_use]
    pub fn signed(&self, url: &Url, channel: &str) -> Option<Url> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let exp = (since + self.lasts).as_secs();
        let claims = serde_json::to_vec(&Claims { channel, without_ads: true, exp }).ok()?;
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.key.sign(&self.random, signed.as_bytes()).ok()?;
        let mut url = url.clone();
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        url.query_pairs_mut().append_pair(TOKEN, &token);
        Some(url)
    }
}
