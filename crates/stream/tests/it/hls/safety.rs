//! What a stranger's playlist may not lead to.

use refrain_stream::GapReason;
use refrain_stream::http::{HttpFailure, Limits, Question, Reach};
use refrain_testkit::origin::{Fault, Times};
use url::Url;

use super::*;

const LIMITS: Limits = Limits { bytes: 1000, total: Duration::from_secs(5) };

async fn failure(url: &str, reach: Reach) -> HttpFailure {
    let url = Url::parse(url).unwrap();
    client().fetch(Question::new(&url, reach), LIMITS).await.unwrap_err().reason
}

#[tokio::test]
async fn a_public_stream_reaches_nothing_private() {
    let origin = origin().await;
    origin.put("/x", "secret", "text/plain");
    let port = origin.address().port();
    let hosts = ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"];
    for host in hosts {
        let failure = failure(&format!("http://{host}:{port}/x"), Reach::Public).await;
        assert_eq!(failure, HttpFailure::Refused, "{host}");
    }
    assert!(origin.asked().is_empty());
    let url = Url::parse(&origin.url("/x")).unwrap();
    let (_, body) = client().fetch(Question::new(&url, Reach::Private), LIMITS).await.unwrap();
    assert_eq!(&body[..], b"secret");
}

#[tokio::test]
async fn nobody_reaches_the_metadata_service() {
    for host in ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "2852039166"] {
        for reach in [Reach::Private, Reach::Public] {
            assert_eq!(
                failure(&format!("http://{host}/latest/"), reach).await,
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
    let ask = || failure_of(&origin);
    to("file:///etc/passwd");
    assert_eq!(ask().await, HttpFailure::Scheme("file".to_owned()));
    to("http://169.254.169.254/");
    assert_eq!(ask().await, HttpFailure::Refused);
    to("http://");
    assert_eq!(ask().await, HttpFailure::RedirectTarget);
    origin.fault("/r", Fault::Redirect("/r".to_owned()), Times::Always);
    assert_eq!(ask().await, HttpFailure::Redirects(5));
}

async fn failure_of(origin: &Origin) -> HttpFailure {
    failure(&origin.url("/r"), Reach::Private).await
}

#[tokio::test]
async fn segments_keys_and_sections_elsewhere_are_checked_too() {
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

#[tokio::test]
async fn bodies_end_in_size_and_in_time() {
    let origin = origin().await;
    origin.put("/x", vec![b'x'; 5000], "");
    let url = origin.url("/x");
    assert_eq!(failure(&url, Reach::Private).await, HttpFailure::TooLarge(1000));
    origin.fault("/x", Fault::Endless, Times::First(1));
    assert_eq!(failure(&url, Reach::Private).await, HttpFailure::TooLarge(1000));
    origin.fault("/x", Fault::Trickle(Duration::from_millis(50)), Times::First(1));
    assert_eq!(failure(&url, Reach::Private).await, HttpFailure::TooSlow(200));
    origin.fault("/x", Fault::Trickle(Duration::from_secs(3600)), Times::First(1));
    assert!(matches!(failure(&url, Reach::Private).await, HttpFailure::Timeout(_)));
    origin.fault("/x", Fault::Late(Duration::from_secs(3600)), Times::First(1));
    let late = Limits { total: Duration::from_millis(100), ..LIMITS };
    let url = Url::parse(&url).unwrap();
    let error = client().fetch(Question::new(&url, Reach::Private), late).await.unwrap_err();
    assert_eq!(error.reason, HttpFailure::Timeout(0.1));
}

#[tokio::test]
async fn no_error_holds_a_token() {
    let origin = origin().await;
    let secret = format!("http://user:hunter2@{}/x?token=secret", origin.address());
    origin.fault("/x", Fault::Reset, Times::First(1));
    let source = HlsSource::open(
        &secret,
        &client(),
        HlsSettings { give_up_after: Duration::from_millis(100), ..hasty() },
    )
    .unwrap();
    ended(&source).await;
    let error = client()
        .fetch(
            Question::new(
                &Url::parse("http://user:hunter2@127.0.0.1:1/x?token=secret").unwrap(),
                Reach::Private,
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
async fn compressed_playlists_are_read_and_their_size_counts_unpacked() {
    let origin = origin().await;
    let live = stream(3, LiveOptions::default());
    let url = origin.live("/a", &live);
    origin.fault("/a/index.m3u8", Fault::Compressed(gzip(&vec![b'#'; 50_000_000])), Times::First(1));
    origin.fault("/a/index.m3u8", Fault::Compressed(gzip(live.playlist().as_bytes())), Times::First(1));
    let mut source = open(&url);
    expect(&mut source, 0, 3).await;
    let status = status(&source);
    assert_eq!(status.playlist_errors, 1);
    assert!(status.last_error.unwrap().to_string().ends_with("it is larger than 2097152 bytes"));
}
