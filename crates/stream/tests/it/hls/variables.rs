//! Variables of playlists (EXT-X-DEFINE, RFC 8216bis section 4.4.2.3).

use refrain_testkit::origin::{Fault, Times};

use super::*;

const TYPE: &str = "application/vnd.apple.mpegurl";

/// Returns a media playlist of the segments `0..count`, whose URIs begin with `start` and end with `end`.
fn list(head: &str, count: u64, start: &str, end: &str) -> String {
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:11\n#EXT-X-TARGETDURATION:2\n{head}\n");
    for index in 0..count {
        text.push_str(&format!("#EXTINF:2,\n{start}{index}.ts{end}\n"));
    }
    text
}

fn put_segments(origin: &Origin, folder: &str, count: u64) {
    for index in 0..count {
        origin.put(&format!("{folder}/{index}.ts"), content(index), "video/mp2t");
    }
}

#[tokio::test]
async fn variables_of_the_playlist_and_its_query_are_used_in_requests() {
    let origin = origin().await;
    put_segments(&origin, "/live/seg/a", 3);
    let head = "#EXT-X-DEFINE:NAME=\"path\",VALUE=\"seg/a\"\n#EXT-X-DEFINE:QUERYPARAM=\"token\"";
    origin.put("/live/index.m3u8", list(head, 3, "{$path}/", "?t={$token}"), TYPE);
    let mut source = open(&origin.url("/live/index.m3u8?token=k1"));
    expect(&mut source, 0, 3).await;
    let asked = origin.requests();
    let segments: Vec<_> = asked.iter().filter(|asked| asked.path.ends_with(".ts")).collect();
    assert!(segments.iter().all(|asked| asked.query == "t=k1"), "{segments:?}");
}

#[tokio::test]
async fn variables_are_imported_from_the_master_playlist() {
    let origin = origin().await;
    put_segments(&origin, "/v/seg", 3);
    let master = "#EXTM3U\n#EXT-X-DEFINE:NAME=\"name\",VALUE=\"seg\"\n#EXT-X-DEFINE:QUERYPARAM=\"user\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1\nv/index.m3u8?u={$user}\n";
    origin.put("/m.m3u8", master, TYPE);
    let head = "#EXT-X-DEFINE:IMPORT=\"name\"\n#EXT-X-DEFINE:IMPORT=\"user\"";
    origin.put("/v/index.m3u8", list(head, 3, "{$name}/", "?u={$user}"), TYPE);
    let mut source = open(&origin.url("/m.m3u8?user=7"));
    expect(&mut source, 0, 3).await;
    let asked = origin.requests();
    let query = |path: &str| asked.iter().find(|asked| asked.path == path).map(|asked| asked.query.as_str());
    assert_eq!((query("/v/index.m3u8"), query("/v/seg/0.ts")), (Some("u=7"), Some("u=7")));
}

#[tokio::test]
async fn query_parameter_is_that_of_the_url_after_redirects() {
    let origin = origin().await;
    put_segments(&origin, "/live", 3);
    origin.fault("/go", Fault::Redirect("/live/index.m3u8?token=new".to_owned()), Times::Always);
    origin.put("/live/index.m3u8", list("#EXT-X-DEFINE:QUERYPARAM=\"token\"", 3, "", "?t={$token}"), TYPE);
    let mut source = open(&origin.url("/go?token=old"));
    expect(&mut source, 0, 3).await;
    assert!(origin.requests().iter().any(|asked| asked.path == "/live/0.ts" && asked.query == "t=new"));
}

#[tokio::test]
async fn variable_with_another_value_in_each_load_repeats_nothing() {
    let origin = origin().await;
    put_segments(&origin, "/live", 20);
    let put = |count: u64| {
        let head = format!("#EXT-X-DEFINE:NAME=\"t\",VALUE=\"token{count}\"");
        origin.put("/live/index.m3u8", list(&head, count, "", "?t={$t}"), TYPE);
    };
    put(3);
    let mut source = open(&origin.url("/live/index.m3u8"));
    expect(&mut source, 0, 3).await;
    for count in 4..20 {
        put(count);
        expect(&mut source, count - 1, 1).await;
        assert!(origin.requests().iter().any(|asked| asked.query == format!("t=token{count}")));
    }
    assert_eq!(status(&source).resets, 0);
}

#[tokio::test]
async fn undefined_variable_is_reported_until_the_playlist_is_corrected() {
    let origin = origin().await;
    put_segments(&origin, "/live", 3);
    let url = origin.url("/live/index.m3u8?token=secret");
    origin.put("/live/index.m3u8", list("", 3, "{$folder}", ""), TYPE);
    let mut source = open(&url);
    let error = until(&source, |status| status.last_error.is_some()).await.last_error.unwrap();
    let message = error.to_string();
    assert!(message.contains("/live/index.m3u8: variable folder is used"), "{message}");
    let define = "#EXT-X-DEFINE:NAME=\"folder\",VALUE=\"\"";
    origin.put("/live/index.m3u8", list(define, 3, "{$folder}", ""), TYPE);
    expect(&mut source, 0, 3).await;
    assert_eq!(status(&source).gaps.total().count, 0);
    // Imports and query parameters that do not exist.
    for (head, name) in [("IMPORT=\"a\"", "variable a"), ("QUERYPARAM=\"b\"", "query parameter b")] {
        origin.put("/live/index.m3u8", list(&format!("#EXT-X-DEFINE:{head}"), 3, "", ""), TYPE);
        let source = open(&url);
        let error = until(&source, |status| status.last_error.is_some()).await.last_error.unwrap();
        assert!(error.to_string().contains(name) && !format!("{error:?}").contains("secret"), "{error}");
    }
}
