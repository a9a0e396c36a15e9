//! A TLS configuration that accepts any server certificate.

use std::fs;
use std::sync::Arc;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

/// Returns the TLS configuration for the server of `options`, with the client certificate of `sslcert` and `sslkey`.
pub(super) fn config(options: &PgConnectOptions) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(AnyCertificate(Arc::clone(&provider)));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match client_certificate(options)? {
        Some((chain, key)) => config
            .with_client_auth_cert(chain, key)
            .map_err(|error| format!("sslcert and sslkey: {error}"))?,
        None => config.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

type ClientCertificate = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Returns the client certificate with its key, or `None` if the URL and the environment do not name both. sqlx exposes
/// these settings only as a URL.
fn client_certificate(options: &PgConnectOptions) -> Result<Option<ClientCertificate>, String> {
    let url = options.to_url_lossy();
    let named = |name: &str| {
        let value = url.query_pairs().find(|(key, _)| key == name)?.1.into_owned();
        // sqlx accepts the PEM text itself instead of a path.
        Some(match value.starts_with("-----BEGIN") {
            true => Ok(value.into_bytes()),
            false => fs::read(value).map_err(|error| format!("cannot read the file of {name}: {error}")),
        })
    };
    let (Some(chain), Some(key)) = (named("sslcert").transpose()?, named("sslkey").transpose()?) else {
        return Ok(None);
    };
    let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| format!("sslcert: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| format!("sslkey: {error}"))?;
    Ok(Some((chain, key)))
}

/// Accepts every certificate, even one that cannot be parsed.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
