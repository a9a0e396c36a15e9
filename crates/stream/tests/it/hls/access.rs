//! Headers and cookies of a stream: sent where the stream needs them, and never to another origin.

use refrain_net::{RequestHeaders, StreamAccess};
use refrain_testkit::origin::{Fault, LoggedRequest, Times};
use reqwest::header::HeaderName;
use url::Url;

use super::*;

/// Opens a stream with request headers, one per line.
fn open_with(url: &str, lines: &str) -> HlsSource {
    let mut headers = RequestHeaders::default();
    headers.push_lines(lines).unwrap();
    let access = StreamAccess::new(&Url::parse(url).unwrap(), &headers);
    HlsSource::open(url, &client(), HlsSettings { access, ..fast_settings() }).unwrap()
}

/// Returns the names of the headers of a request that a client does not send by itself.
fn added(request: &LoggedRequest) -> Vec<&str> {
    let usual = ["accept", "accept-encoding", "host", "user-agent", "if-none-match", "range"];
    request.headers.keys().map(HeaderName::as_str).filter(|name| !usual.contains(name)).collect()
}

#[tokio::test]
async fn cookie_of_the_playlist_is_sent_with_segments_and_keys() {
    let origin = origin().await;
    let live = stream(3, LiveOptions { key: Some([42; 16]), ..LiveOptions::default() });
    origin.add_header("/a/index.m3u8", "set-cookie", "session=1; Path=/a");
    origin.require_header("/a/seg*", "cookie", "session=1");
    origin.require_header("/a/key", "cookie", "session=1");
    let mut source = open(&origin.live("/a", &live));
    expect(&mut source, 0, 3).await;
    assert_eq!(status(&source).retries, 0);
}

#[tokio::test]
async fn cookie_of_a_redirect_is_sent_to_its_target() {
    let origin = origin().await;
    let live = stream(3, LiveOptions::default());
    origin.live("/a", &live);
    origin.fault("/entry.m3u8", Fault::Redirect("/a/index.m3u8".to_owned()), Times::Always);
    origin.add_header("/entry.m3u8", "set-cookie", "session=1; Path=/");
    origin.require_header("/a/*", "cookie", "session=1");
    let mut source = open(&origin.url("/entry.m3u8"));
    expect(&mut source, 0, 3).await;
}

#[tokio::test]
async fn user_and_password_of_the_url_survive_a_redirect_within_the_origin() {
    let (own, other) = (origin().await, origin().await);
    own.put("/list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n/moved\n#EXT-X-ENDLIST\n", "");
    own.fault("/entry.m3u8", Fault::Redirect(own.url("/list.m3u8")), Times::Always);
    own.fault("/moved", Fault::Redirect(other.url("/segment")), Times::Always);
    // The text `user:password` in Base64.
    own.require_header("/list.m3u8", "authorization", "Basic dXNlcjpwYXNzd29yZA==");
    other.put("/segment", "good", "");
    let mut source = open(&own.url("/entry.m3u8").replace("http://", "http://user:password@"));
    assert_eq!(&segment(&mut source).await.bytes[..], b"good");
    assert!(!other.requests()[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn renewed_cookie_replaces_the_older_one() {
    let origin = origin().await;
    let live = stream(3, LiveOptions::default());
    let url = origin.live("/a", &live);
    origin.add_header("/a/seg1.ts", "set-cookie", "session=2; Path=/a");
    origin.require_header("/a/seg3.ts", "cookie", "session=2");
    let mut source = open_with(&url, "Cookie: session=1");
    expect(&mut source, 0, 3).await;
    live.publish(1);
    expect(&mut source, 3, 1).await;
}

#[tokio::test]
async fn required_headers_are_sent_with_playlists_segments_and_keys() {
    let origin = origin().await;
    let live = stream(3, LiveOptions { key: Some([42; 16]), ..LiveOptions::default() });
    let url = origin.live("/a", &live);
    for (name, value) in [
        ("authorization", "Bearer secret"),
        ("referer", "https://player.example/"),
        ("user-agent", "Player/1.0"),
        ("cookie", "CloudFront-Policy=p; CloudFront-Signature=s; CloudFront-Key-Pair-Id=k"),
    ] {
        origin.require_header("/a/*", name, value);
    }
    let mut source = open_with(
        &url,
        "Authorization: Bearer secret\nReferer: https://player.example/\nUser-Agent: Player/1.0\n\
         Cookie: CloudFront-Policy=p; CloudFront-Signature=s; CloudFront-Key-Pair-Id=k",
    );
    expect(&mut source, 0, 3).await;
    assert_eq!(status(&source).retries, 0);
}

#[tokio::test]
async fn missing_credentials_are_reported_with_their_status() {
    let origin = origin().await;
    let url = origin.live("/a", &stream(3, LiveOptions::default()));
    origin.require_header("/a/*", "authorization", "Bearer secret");
    let source = open_with(&url, "Authorization: Bearer wrong");
    let status = until(&source, |status| status.last_error.is_some()).await;
    let text = format!("{} {status:?}", status.last_error.as_ref().unwrap());
    assert!(text.contains("status 403") && !text.contains("wrong"), "{text}");
}

#[tokio::test]
async fn headers_and_cookies_are_not_sent_to_another_origin() {
    let (own, other) = (origin().await, origin().await);
    own.add_header("/s.m3u8", "set-cookie", "session=1; Path=/");
    other.add_header("/*", "set-cookie", "foreign=1; Path=/");
    // The other origin has the same host and another port. It is reached by a redirect, and by a URL in the playlist.
    own.fault("/redirected", Fault::Redirect(other.url("/target")), Times::Always);
    let direct = other.url("/direct");
    let list = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n/redirected\n#EXTINF:2,\n{direct}\n#EXTINF:2,\n/own\n#EXT-X-ENDLIST\n"
    );
    own.put("/s.m3u8", list, "");
    own.put("/own", "good", "");
    other.put("/target", "good", "");
    other.put("/direct", "good", "");
    let lines = "Authorization: Bearer secret\nX-Key: secret\nReferer: r\nUser-Agent: u\nCookie: a=1";
    let mut source = open_with(&own.url("/s.m3u8"), lines);
    for _ in 0..3 {
        assert_eq!(&segment(&mut source).await.bytes[..], b"good");
    }
    let all = ["authorization", "cookie", "referer", "x-key"];
    for request in own.requests() {
        let mut names = added(&request);
        names.sort_unstable();
        assert_eq!(names, all, "{}", request.path);
        assert_eq!(request.headers["user-agent"], "u");
        assert!(!request.headers["cookie"].to_str().unwrap().contains("foreign"));
    }
    assert_eq!(other.requests().len(), 2);
    for request in other.requests() {
        let names = added(&request);
        // A cookie that the other origin has set for itself is returned to it.
        assert!(names.iter().all(|name| *name == "cookie"), "{}: {names:?}", request.path);
        if let Some(cookie) = request.headers.get("cookie") {
            assert_eq!(cookie, "foreign=1");
        }
        assert!(request.headers["user-agent"].to_str().unwrap().starts_with("refrain/"));
    }
}
