//! Protection against untrusted playlists: forbidden addresses, size and time limits, credentials in messages.

use refrain_net::{AddressPolicy, HttpFailure, HttpRequest, PrivateHost, TransferLimits};
use refrain_stream::GapReason;
use refrain_testkit::origin::{Fault, Times};
use url::Url;

use super::*;

const LIMITS: TransferLimits = TransferLimits { bytes: 1000, total: Duration::from_secs(5) };

async fn failure(url: &str, policy: AddressPolicy) -> HttpFailure {
    let url = Url::parse(url).unwrap();
    client().fetch(HttpRequest::new(&url, &policy), LIMITS).await.unwrap_err().reason
}

#[tokio::test]
async fn public_streams_cannot_reach_private_addresses() {
    let origin = origin().await;
    origin.put("/x", "secret", "text/plain");
    let port = origin.address().port();
    let hosts = ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"];
    for host in hosts {
        let failure = failure(&format!("http://{host}:{port}/x"), AddressPolicy::PublicOnly).await;
        assert_eq!(failure, HttpFailure::Refused, "{host}");
    }
    assert!(origin.requests().is_empty());
    let url = Url::parse(&origin.url("/x")).unwrap();
    let (_, body) =
        client().fetch(HttpRequest::new(&url, &AddressPolicy::AllowPrivate), LIMITS).await.unwrap();
    assert_eq!(&body[..], b"secret");
}

#[tokio::test]
async fn metadata_service_is_unreachable_for_every_policy() {
    for host in ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "2852039166"] {
        for policy in [AddressPolicy::AllowPrivate, AddressPolicy::PublicOnly] {
            assert_eq!(
                failure(&format!("http://{host}/latest/"), policy).await,
                HttpFailure::Refused,
                "{host}"
            );
        }
    }
}

#[tokio::test]
async fn redirects_are_checked_and_counted() {
    let origin = origin().await;
    let to = |target: &str| origin.fault("/r", Fault::Redirect(target.to_owned()), Times::First(1));
    let request_failure = || failure_of(&origin);
    to("file:///etc/passwd");
    assert_eq!(request_failure().await, HttpFailure::Scheme("file".to_owned()));
    to("http://169.254.169.254/");
    assert_eq!(request_failure().await, HttpFailure::Refused);
    to("http://");
    assert_eq!(request_failure().await, HttpFailure::RedirectTarget);
    origin.fault("/r", Fault::Redirect("/r".to_owned()), Times::Always);
    assert_eq!(request_failure().await, HttpFailure::Redirects(5));
}

async fn failure_of(origin: &Origin) -> HttpFailure {
    failure(&origin.url("/r"), AddressPolicy::AllowPrivate).await
}

#[tokio::test]
async fn addresses_of_segments_keys_and_init_sections_are_checked() {
    let origin = origin().await;
    let list = |lines: &str| {
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{lines}\n#EXTINF:2,\nb.ts\n#EXT-X-ENDLIST\n")
    };
    origin.put("/b.ts", "good", "");
    for bad in ["file:///etc/passwd", "http://169.254.169.254/x", "data:text/plain,x", "ftp://127.0.0.1/x"] {
        origin.put("/s.m3u8", list(&format!("#EXTINF:2,\n{bad}")), "");
        let mut source = open(&origin.url("/s.m3u8"));
        assert_eq!(gap(&mut source).await.reason, GapReason::NotFetched, "{bad}");
        assert_eq!(&segment(&mut source).await.bytes[..], b"good");
        origin.put("/k.m3u8", list(&format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{bad}\"")), "");
        assert_eq!(gap(&mut open(&origin.url("/k.m3u8"))).await.reason, GapReason::Unreadable, "{bad}");
        origin.put("/i.m3u8", list(&format!("#EXT-X-MAP:URI=\"{bad}\"")), "");
        assert_eq!(gap(&mut open(&origin.url("/i.m3u8"))).await.reason, GapReason::NotFetched, "{bad}");
    }
}

/// Returns a playlist with a key, a segment, an init section and a redirect on another private host.
fn playlist_with_resources_on(host: &str, port: u16) -> String {
    let other = format!("http://{host}:{port}/other");
    format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{other}/segment\n#EXTINF:2,\n/redirect\n\
         #EXT-X-MAP:URI=\"{other}/section\"\n#EXTINF:2,\n/own\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"{other}/key\"\n#EXTINF:2,\n/own\n#EXT-X-ENDLIST\n"
    )
}

/// Follows such a playlist to its end and returns the paths that were requested on the other host.
async fn requested_elsewhere(host: &str, settings: HlsSettings) -> Vec<String> {
    let origin = origin().await;
    let port = origin.address().port();
    origin.put("/s.m3u8", playlist_with_resources_on(host, port), "");
    origin.put("/own", "good", "");
    for path in ["/other/segment", "/other/section", "/other/key", "/other/redirected"] {
        origin.put(path, "secret", "");
    }
    let target = format!("http://{host}:{port}/other/redirected");
    origin.fault("/redirect", Fault::Redirect(target), Times::Always);
    let mut source = HlsSource::open(&origin.url("/s.m3u8"), &client(), settings).unwrap();
    while source.next().await.is_some() {}
    let mut paths: Vec<String> = origin.requests().into_iter().map(|asked| asked.path).collect();
    paths.retain(|path| path.starts_with("/other/"));
    paths.sort();
    paths.dedup();
    paths
}

#[tokio::test]
async fn literal_private_address_gives_no_access_to_other_private_hosts() {
    for host in ["127.0.0.2", "localhost", "[::1]", "10.0.0.1"] {
        assert_eq!(requested_elsewhere(host, fast_settings()).await, [""; 0], "{host}");
    }
}

#[tokio::test]
async fn literal_private_address_gives_access_to_itself_and_to_listed_hosts() {
    let all = ["/other/key", "/other/redirected", "/other/section", "/other/segment"];
    assert_eq!(requested_elsewhere("127.0.0.1", fast_settings()).await, all);
    let private_hosts: Vec<PrivateHost> = vec!["localhost".parse().unwrap()];
    assert_eq!(requested_elsewhere("localhost", HlsSettings { private_hosts, ..fast_settings() }).await, all);
}

#[tokio::test]
async fn name_that_resolves_to_loopback_is_followed_only_where_it_is_allowed() {
    let origin = origin().await;
    origin.put("/s.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n/own\n#EXT-X-ENDLIST\n", "");
    origin.put("/own", "good", "");
    let url = format!("http://localhost:{}/s.m3u8", origin.address().port());
    let mut source = open(&url);
    assert_eq!(&segment(&mut source).await.bytes[..], b"good", "localhost grants itself");
    let url = Url::parse(&url).unwrap();
    let http_request = HttpRequest::new(&url, &AddressPolicy::PublicOnly);
    assert_eq!(client().fetch(http_request, LIMITS).await.unwrap_err().reason, HttpFailure::Refused);
}

#[tokio::test]
async fn bodies_are_limited_in_size_and_time() {
    let origin = origin().await;
    origin.put("/x", vec![b'x'; 5000], "");
    let url = origin.url("/x");
    assert_eq!(failure(&url, AddressPolicy::AllowPrivate).await, HttpFailure::TooLarge(1000));
    origin.fault("/x", Fault::Endless, Times::First(1));
    assert_eq!(failure(&url, AddressPolicy::AllowPrivate).await, HttpFailure::TooLarge(1000));
    origin.fault("/x", Fault::Trickle(Duration::from_millis(50)), Times::First(1));
    assert_eq!(failure(&url, AddressPolicy::AllowPrivate).await, HttpFailure::TooSlow(200));
    origin.fault("/x", Fault::Trickle(Duration::from_secs(3600)), Times::First(1));
    assert!(matches!(failure(&url, AddressPolicy::AllowPrivate).await, HttpFailure::Timeout(_)));
    origin.fault("/x", Fault::Late(Duration::from_secs(3600)), Times::First(1));
    let late = TransferLimits { total: Duration::from_millis(100), ..LIMITS };
    let url = Url::parse(&url).unwrap();
    let error = client().fetch(HttpRequest::new(&url, &AddressPolicy::AllowPrivate), late).await.unwrap_err();
    assert_eq!(error.reason, HttpFailure::Timeout(0.1));
}

#[tokio::test]
async fn errors_contain_no_credentials() {
    let origin = origin().await;
    let secret = format!("http://user:hunter2@{}/x?token=secret", origin.address());
    origin.fault("/x", Fault::Reset, Times::First(1));
    let source = HlsSource::open(
        &secret,
        &client(),
        HlsSettings { give_up_after: Duration::from_millis(100), ..fast_settings() },
    )
    .unwrap();
    ended(&source).await;
    let error = client()
        .fetch(
            HttpRequest::new(
                &Url::parse("http://user:hunter2@127.0.0.1:1/x?token=secret").unwrap(),
                &AddressPolicy::AllowPrivate,
            ),
            LIMITS,
        )
        .await
        .unwrap_err();
    for text in [format!("{error}"), format!("{error:?}"), format!("{:?}", status(&source))] {
        assert!(!text.contains("secret") && !text.contains("hunter2"), "{text}");
        assert!(text.contains("127.0.0.1"), "{text}");
    }
}

fn gzip(bytes: &[u8]) -> Bytes {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut gzip =
        Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = gzip.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writing = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
    let output = gzip.wait_with_output().unwrap();
    writing.join().unwrap();
    output.stdout.into()
}

#[tokio::test]
async fn compressed_playlists_are_read_and_limited_by_their_unpacked_size() {
    let origin = origin().await;
    let live = stream(3, LiveOptions::default());
    let url = origin.live("/a", &live);
    origin.fault("/a/index.m3u8", Fault::Encoded("gzip", gzip(&vec![b'#'; 50_000_000])), Times::First(1));
    origin.fault("/a/index.m3u8", Fault::Encoded("gzip", gzip(live.playlist().as_bytes())), Times::First(1));
    let mut source = open(&url);
    expect(&mut source, 0, 3).await;
    let status = status(&source);
    assert_eq!(status.playlist_errors, 1);
    assert!(status.last_error.unwrap().to_string().ends_with("body is larger than 2097152 bytes"));
}

/// Returns the zlib form (RFC 1950) of up to 65,535 bytes, in one block without compression.
fn zlib(bytes: &[u8]) -> Bytes {
    let length = u16::try_from(bytes.len()).unwrap();
    let mut zlib = vec![0x78, 0x01, 0x01];
    zlib.extend(length.to_le_bytes());
    zlib.extend((!length).to_le_bytes());
    zlib.extend(bytes);
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in bytes {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    zlib.extend((high << 16 | low).to_be_bytes());
    zlib.into()
}

/// Returns the Brotli form (RFC 7932) of 1 to 65,536 bytes, in one meta-block without compression.
fn brotli(bytes: &[u8]) -> Bytes {
    // A bit 0 for a window of 64 KiB; ISLAST 0; MNIBBLES 0 for a length of 16 bits; the length less 1; ISUNCOMPRESSED 1.
    let header = (bytes.len() as u32 - 1) << 4 | 1 << 20;
    let mut brotli = header.to_le_bytes()[..3].to_vec();
    brotli.extend(bytes);
    // The last meta-block is empty: ISLAST 1, ISLASTEMPTY 1.
    brotli.push(3);
    brotli.into()
}

#[tokio::test]
async fn deflate_and_brotli_are_read_but_not_requested() {
    let live = stream(3, LiveOptions::default());
    let playlist = live.playlist();
    for (name, encoded) in [("deflate", zlib(playlist.as_bytes())), ("br", brotli(playlist.as_bytes()))] {
        let origin = origin().await;
        let url = origin.live("/a", &live);
        origin.fault("/a/index.m3u8", Fault::Encoded(name, encoded), Times::First(1));
        let mut source = open(&url);
        expect(&mut source, 0, 3).await;
        assert_eq!(status(&source).playlist_errors, 0, "{name}");
        let asked = origin.requests();
        assert_eq!(asked[0].headers["accept-encoding"], "gzip");
        let segment = asked.iter().find(|asked| asked.path == "/a/seg0.ts").unwrap();
        assert_eq!(segment.headers["accept-encoding"], "identity");
    }
}

#[tokio::test]
async fn unsupported_content_encodings_are_named() {
    let origin = origin().await;
    let live = stream(3, LiveOptions::default());
    let url = origin.live("/a", &live);
    let list = live.playlist();
    origin.fault("/a/index.m3u8", Fault::Encoded("zstd", Bytes::from_static(&[0x1b; 90])), Times::First(1));
    // Some servers name an encoding that they did not apply.
    origin.fault("/a/index.m3u8", Fault::Encoded("aws-chunked", list.into()), Times::Always);
    let mut source = open(&url);
    expect(&mut source, 0, 3).await;
    let status = status(&source);
    let message = status.last_error.unwrap().to_string();
    assert!(
        message.ends_with(
            "the content encoding zstd, which is not supported; supported are gzip, deflate and br"
        )
    );
    assert_eq!(status.playlist_errors, 1);
}
