//! Tests of private channels.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use refrain_catalog::StreamState;
use refrain_service::settings::{Secret, StreamsSettings};
use refrain_service::streams::{Signer, SigningKeyError};
use refrain_testkit::origin::{Fault, LiveOptions, LiveStream, Origin, Times};
use serde_json::Value;
use url::Url;

use crate::memory_cloud::MemoryChannels;
use crate::process::{Process, fast_settings, row, sqlite, until};
use crate::songs::library;

const ARN: &str = "arn:aws:ivs:us-east-1:123456789012:channel/abcdABCDefgh";

fn openssl(arguments: &[&str], input: &str) -> Vec<u8> {
    use std::io::Write;
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}");
    output.stdout
}

/// Returns a key in the format of the IVS documentation (SEC 1), the same key as PKCS #8, and its public half as a
/// point.
fn keys() -> (String, String, Vec<u8>) {
    let sec1 = openssl(&["ecparam", "-name", "secp384r1", "-noout", "-genkey"], "");
    let sec1 = String::from_utf8(sec1).unwrap();
    let pkcs8 = String::from_utf8(openssl(&["pkcs8", "-topk8", "-nocrypt"], &sec1)).unwrap();
    let public = openssl(&["ec", "-pubout", "-outform", "DER", "-conv_form", "uncompressed"], &sec1);
    (sec1, pkcs8, public[public.len() - 97..].to_vec())
}

/// Verifies the signature of a token and returns its claims.
fn claims(token: &str, public: &[u8]) -> Value {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, public);
    key.verify(signed.as_bytes(), &decode(signature)).unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&decode(header)).unwrap();
    assert_eq!((header["alg"].as_str(), header["typ"].as_str()), (Some("ES384"), Some("JWT")));
    serde_json::from_slice(&decode(claims)).unwrap()
}

#[test]
fn token_can_be_verified_and_is_different_each_time() {
    let (sec1, pkcs8, public) = keys();
    let url = Url::parse("https://host.example/live/m.m3u8?a=b%20c").unwrap();
    let mut tokens = BTreeSet::new();
    for pem in [sec1, pkcs8] {
        let signer = Signer::new(&Secret::new(pem), Duration::from_secs(300)).unwrap();
        for _ in 0..2 {
            let signed = signer.signed(&url, ARN).unwrap();
            let (rest, token) = signed.as_str().split_once("&token=").unwrap();
            assert_eq!(rest, url.as_str(), "the rest of the URL is unchanged");
            let claims = claims(token, &public);
            assert_eq!(claims["aws:channel-arn"], ARN);
            let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
            let left = claims["exp"].as_u64().unwrap() - now;
            assert!((295..=300).contains(&left), "{left}");
            tokens.insert(token.to_owned());
        }
    }
    assert_eq!(tokens.len(), 4);
}

#[test]
fn invalid_key_is_refused_and_not_shown() {
    let signer = |pem: String| Signer::new(&Secret::new(pem), Duration::from_secs(300)).map(|_| ());
    assert!(matches!(signer("secret".to_owned()), Err(SigningKeyError::NotPem)));
    let other = openssl(&["ecparam", "-name", "prime256v1", "-noout", "-genkey"], "");
    let error = signer(String::from_utf8(other).unwrap()).unwrap_err();
    assert!(matches!(error, SigningKeyError::WrongCurve) && error.to_string().contains("P-384"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_for_the_master_playlist_of_a_private_channel_has_its_own_token() {
    let (pem, _, public) = keys();
    let origin = Origin::start().await.unwrap();
    let options = LiveOptions { window: 1000, ..LiveOptions::default() };
    let live = LiveStream::manual(Arc::clone(&library().clips), 3, options);
    origin.live("/live", &live);
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,NAME=\"audio_only\"\nlive/index.m3u8\n";
    origin.put("/m.m3u8", master, "");
    let channels = Arc::new(MemoryChannels::default());
    channels.make_private();
    channels.put(ARN, "st-1", &origin.url("/m.m3u8"), 1000);
    let mut settings =
        StreamsSettings { private_key: Some(Secret::new(pem)), ..fast_settings(1, Duration::from_secs(60)) };
    settings.monitor.source.hls.resolve_every = Duration::from_millis(100);
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    let process = Process::start(&catalog, "one", Some(channels.clone()), settings);
    let event = serde_json::json!({"detail-type": "IVS Stream State Change", "resources": [ARN],
        "detail": {"event_name": "Stream Start", "stream_id": "st-1"}});
    process.streams.handler().handle(&event.to_string()).await;
    until("the stream is decoded and its playlist was requested three times", || async {
        process.count_decoding(3) == 1 && origin.request_count("/m.m3u8") >= 3
    })
    .await;
    let asked: Vec<_> = origin.requests().into_iter().filter(|asked| asked.path == "/m.m3u8").collect();
    let tokens: BTreeSet<_> = asked.iter().map(|asked| asked.query.strip_prefix("token=").unwrap()).collect();
    assert_eq!(tokens.len(), asked.len());
    for token in &tokens {
        assert_eq!(claims(token, &public)["aws:channel-arn"], ARN);
    }
    let segments = origin.requests().into_iter().filter(|asked| asked.path.starts_with("/live/"));
    assert!(
        segments.into_iter().all(|asked| asked.query.is_empty()),
        "only the master playlist requires a token"
    );
    let shown = format!("{:?} {:?}", process.streams.statuses(), row(&catalog, ARN).await);
    assert!(tokens.iter().all(|token| !shown.contains(*token)), "{shown}");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_channel_without_a_key_fails_with_a_reason() {
    let origin = Origin::start().await.unwrap();
    origin.put("/m.m3u8", "", "");
    origin.fault("/m.m3u8", Fault::Status(403), Times::Always);
    let channels = Arc::new(MemoryChannels::default());
    channels.make_private();
    channels.put(ARN, "st-1", &origin.url("/m.m3u8"), 1000);
    let mut settings = fast_settings(1, Duration::from_secs(60));
    settings.monitor.source.give_up.before_audio = Duration::from_millis(200);
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    let process = Process::start(&catalog, "one", Some(channels.clone()), settings);
    let event = serde_json::json!({"detail-type": "IVS Stream State Change", "resources": [ARN],
        "detail": {"event_name": "Stream Start", "stream_id": "st-1"}});
    process.streams.handler().handle(&event.to_string()).await;
    until("the stream has failed", || async {
        row(&catalog, ARN).await.unwrap().state == StreamState::Failed
    })
    .await;
    let why = row(&catalog, ARN).await.unwrap().reason.unwrap();
    assert!(why.contains("private_key_file"), "{why}");
    process.stop().await;
}
